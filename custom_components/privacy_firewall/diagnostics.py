"""What may be shown to strangers who help: kinds, counts and states.

Built from what is named here, not by taking secrets out of what is stored: a field added later
stays out until someone decides that it may leave. No payload value, name, address, token or path.
"""

from collections import Counter
from ipaddress import ip_address
from typing import Any

from homeassistant.components.diagnostics import REDACTED
from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant

from .const import (
    CONF_ADDRESSES,
    CONF_ALLOW_PRIVATE,
    CONF_ANSWER,
    CONF_BASE_URL,
    CONF_BENEFIT,
    CONF_ENDPOINTS,
    CONF_FUNCTIONAL,
    CONF_IF_REFUSED,
    CONF_MACS,
    CONF_NEUTRAL,
    CONF_ORGANISATION,
    CONF_PROMOTED,
    CONF_PURPOSE,
    CONF_REMAINDER,
    CONF_WHO_MAY_GRANT,
    EVERYONE,
    SUBENTRY_APPLIANCE,
    SUBENTRY_RECIPIENT,
)
from .engine import Firewall, StorageError
from .engine.model import Endpoint
from .repairs import CONF_LEFT_DENIED
from .survey import is_at_home

JOURNAL_ENTRIES = 100
"""The newest journal entries, whose reasons are counted."""


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: ConfigEntry
) -> dict[str, Any]:
    """Return what is stated, and what was observed while the entry is loaded."""
    told: dict[str, Any] = {
        "gate": {
            CONF_HOST: "loopback" if _is_loopback(entry.data.get(CONF_HOST)) else REDACTED,
            CONF_PORT: entry.data.get(CONF_PORT),
        },
        "options": {
            CONF_WHO_MAY_GRANT: entry.options.get(CONF_WHO_MAY_GRANT, EVERYONE),
            CONF_LEFT_DENIED: len(entry.options.get(CONF_LEFT_DENIED, ())),
        },
        "appliances": {
            subentry.subentry_id: _appliance(subentry)
            for subentry in entry.get_subentries_of_type(SUBENTRY_APPLIANCE)
        },
        "recipients": {
            subentry.subentry_id: _recipient(subentry)
            for subentry in entry.get_subentries_of_type(SUBENTRY_RECIPIENT)
        },
    }
    if entry.state is ConfigEntryState.LOADED:
        firewall: Firewall = entry.runtime_data.firewall
        told["gate"]["is_open"] = firewall.gate_is_open
        for appliance_id in firewall.appliances.keys() & told["appliances"].keys():
            told["appliances"][appliance_id] |= _observed(firewall, appliance_id)
        told["journal"] = await _reasons(firewall)
    return told


def _is_loopback(host: Any) -> bool:
    try:
        return ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _appliance(subentry: ConfigSubentry) -> dict[str, Any]:
    data = subentry.data
    return {
        "has_device": data.get(CONF_DEVICE_ID) is not None,
        CONF_ADDRESSES: len(data.get(CONF_ADDRESSES, ())),
        CONF_MACS: len(data.get(CONF_MACS, ())),
        "has_token": data.get(CONF_TOKEN) is not None,
        "cloud": _origin(base_url) if (base_url := data.get(CONF_BASE_URL)) else None,
        CONF_REMAINDER: data.get(CONF_REMAINDER),
        CONF_ANSWER: data.get(CONF_ANSWER),
        CONF_PROMOTED: len(data.get(CONF_PROMOTED, ())),
    }


def _recipient(subentry: ConfigSubentry) -> dict[str, Any]:
    data = subentry.data
    return {
        CONF_ORGANISATION: data.get(CONF_ORGANISATION),
        CONF_PURPOSE: data.get(CONF_PURPOSE),
        "says_benefit": bool(data.get(CONF_BENEFIT)),
        "says_if_refused": bool(data.get(CONF_IF_REFUSED)),
        CONF_ENDPOINTS: [_endpoint(line) for line in data.get(CONF_ENDPOINTS, ())],
        CONF_FUNCTIONAL: len(data.get(CONF_FUNCTIONAL, ())),
        CONF_NEUTRAL: len(data.get(CONF_NEUTRAL, ())),
        CONF_ALLOW_PRIVATE: data.get(CONF_ALLOW_PRIVATE),
    }


def _endpoint(line: str) -> str:
    """Return method and origin of an endpoint; `*` is any method."""
    try:
        method = Endpoint.parse(line).method
    except ValueError:
        return "unreadable"
    return f"{method} {_origin(line)}"


def _origin(line: str) -> str:
    """Return the origin of an address; its path may hold an account, its host tell of the home."""
    try:
        endpoint = Endpoint.parse(line)
    except ValueError:
        return "unreadable"
    if _is_address(endpoint.host) or is_at_home(endpoint.host):
        return f"{endpoint.scheme}://{REDACTED}"
    return endpoint.origin


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _observed(firewall: Firewall, appliance_id: str) -> dict[str, Any]:
    """Return what was counted of an appliance; times as seconds since 1970."""
    status = firewall.status(appliance_id)
    points = firewall.data_points(appliance_id)
    return {
        "protection": status.protection.value,
        "permitted": status.permitted,
        "redacted": status.redacted,
        "denied": status.denied,
        "last_seen": status.last_seen,
        "last_disclosure": status.last_disclosure,
        "data_points": dict(sorted(Counter(point.category.value for point in points).items())),
        "with_entities": len(firewall.promoted(appliance_id)),
        "consents_in_force": sum(
            consent is not None and consent.in_force
            for point in points
            for consent in (
                firewall.consent(point.id, recipient_id) for recipient_id in point.recipients
            )
        ),
    }


async def _reasons(firewall: Firewall) -> dict[str, int] | str:
    """Return how often which outcome and reason stand in the newest part of the journal."""
    try:
        entries = await firewall.newest_entries(JOURNAL_ENTRIES)
    except StorageError:
        return "unreadable"
    counted = Counter(f"{entry.outcome.value}: {entry.reason.value}" for entry in entries)
    return dict(sorted(counted.items()))
