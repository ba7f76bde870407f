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
    CONF_ALLOWED,
    CONF_ANSWER,
    CONF_BASE_URL,
    CONF_BENEFIT,
    CONF_DNS_GATE,
    CONF_ENABLED,
    CONF_ENDPOINTS,
    CONF_FRAMING,
    CONF_FUNCTIONAL,
    CONF_GUARDIANS,
    CONF_IF_REFUSED,
    CONF_INFRASTRUCTURE,
    CONF_JOURNAL_DAYS,
    CONF_JOURNAL_IN_BACKUPS,
    CONF_JOURNAL_MEGABYTES,
    CONF_KEEP_VALUES,
    CONF_LISTS,
    CONF_LOCAL_DOMAINS,
    CONF_MACS,
    CONF_NAMES,
    CONF_NEUTRAL,
    CONF_NO_APPLIANCES,
    CONF_ORGANISATION,
    CONF_OWNER,
    CONF_POLICY,
    CONF_PROMOTED,
    CONF_PURPOSE,
    CONF_REFUSAL,
    CONF_REFUSED_NETWORKS,
    CONF_REMAINDER,
    CONF_RESOLVERS,
    CONF_RETENTION,
    CONF_STORAGE,
    CONF_TELL_OF_STRANGERS,
    CONF_UNKNOWN_CLIENTS,
    CONF_WHO_MAY_GRANT,
    EVERYONE,
    SUBENTRY_APPLIANCE,
    SUBENTRY_RECIPIENT,
)
from .engine import Firewall, StorageError
from .engine.model import Endpoint
from .engine.naming import NameCounts
from .issues import async_raised
from .matching import Matching
from .survey import is_at_home
from .unclaimed import CONF_LEFT_DENIED

_PLAIN_OPTIONS = (
    CONF_GUARDIANS,
    CONF_KEEP_VALUES,
    CONF_JOURNAL_DAYS,
    CONF_JOURNAL_MEGABYTES,
    CONF_JOURNAL_IN_BACKUPS,
)
"""Options that are a number, or a yes or no."""
_PLAIN_OF_DNS = (
    CONF_ENABLED,
    CONF_PORT,
    CONF_REFUSAL,
    CONF_INFRASTRUCTURE,
    CONF_UNKNOWN_CLIENTS,
    CONF_TELL_OF_STRANGERS,
)
"""The same of the DNS gate, and its choices."""
_COUNTED_OF_DNS = (
    CONF_RESOLVERS,
    CONF_ALLOWED,
    CONF_LOCAL_DOMAINS,
    CONF_REFUSED_NETWORKS,
    CONF_LISTS,
)
"""What tells of the home by what stands in it."""
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
            CONF_NO_APPLIANCES: len(entry.options.get(CONF_NO_APPLIANCES, ())),
            # None: as it is unless told otherwise.
            **{name: entry.options.get(name) for name in _PLAIN_OPTIONS},
        },
        "dns_gate": _dns_gate(entry),
        "issues": async_raised(hass),
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
        told["dns_gate"] |= _asked(firewall)
        for appliance_id in firewall.appliances.keys() & told["appliances"].keys():
            told["appliances"][appliance_id] |= _observed(firewall, appliance_id)
            told["appliances"][appliance_id]["matches"] = _matches(
                entry.runtime_data.matching, appliance_id
            )
        told["consents"] = _consents(firewall)
        told["storage"] = await _storage(firewall)
        told["journal"] = await _reasons(firewall)
    return told


def _dns_gate(entry: ConfigEntry) -> dict[str, Any]:
    """Return what was chosen for the DNS gate: kinds and counts; no address, name or path."""
    stored = entry.options.get(CONF_DNS_GATE) or {}
    return {
        **{name: stored.get(name) for name in _PLAIN_OF_DNS},
        CONF_HOST: "loopback" if _is_loopback(stored.get(CONF_HOST)) else REDACTED,
        # `address@port#name` of one that is asked by TLS.
        "resolvers_by_tls": sum("#" in str(one) for one in stored.get(CONF_RESOLVERS, ())),
        **{name: len(stored.get(name, ())) for name in _COUNTED_OF_DNS},
    }


def _asked(firewall: Firewall) -> dict[str, Any]:
    """Return whether the DNS gate is open, and what was counted there."""
    status = firewall.names.status()
    total = status.total
    return {
        "is_open": firewall.names.is_open,
        "asked": total.asked,
        "forwarded": total.forwarded,
        "steered": total.steered,
        "refused": total.refused,
        "in_contact": len(status.contacts),
        "unknown_clients_seen": len(status.strangers),
    }


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
        "has_owner": data.get(CONF_OWNER) is not None,
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
        "says_storage": bool(data.get(CONF_STORAGE)),
        "says_retention": bool(data.get(CONF_RETENTION)),
        "says_policy": bool(data.get(CONF_POLICY)),
        CONF_ENDPOINTS: [_endpoint(line) for line in data.get(CONF_ENDPOINTS, ())],
        CONF_NAMES: len(data.get(CONF_NAMES, ())),
        CONF_FUNCTIONAL: len(data.get(CONF_FUNCTIONAL, ())),
        CONF_NEUTRAL: len(data.get(CONF_NEUTRAL, ())),
        # Not which: the key of a mask is the vendor's own.
        "says_framing": bool(data.get(CONF_FRAMING)),
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
        "names_asked": firewall.names.status().appliances.get(appliance_id, NameCounts()).asked,
        "last_seen": status.last_seen,
        "last_disclosure": status.last_disclosure,
        "data_points": dict(sorted(Counter(point.category.value for point in points).items())),
        "with_entities": len(firewall.promoted(appliance_id)),
        "in_groups": {one.topic.value: len(one.points) for one in firewall.groups(appliance_id)},
        "consents_in_force": sum(
            firewall.is_sharing(point.id, recipient_id)
            for point in points
            for recipient_id in point.recipients
        ),
        "needs": dict(
            sorted(
                Counter(
                    seen.need.value
                    for one in firewall.watching.recipients_of(appliance_id)
                    if (seen := firewall.watching.assess(appliance_id, one)) is not None
                ).items()
            )
        ),
        "let_through_until": firewall.let_through_until(appliance_id),
    }


def _matches(matching: Matching, appliance_id: str) -> dict[str, Any]:
    """Return what is matched and how surely, by data point id; no entity, no name, no figure."""
    return {
        point_id: {
            "standing": shown.match.standing.value,
            "confidence": shown.match.confidence,
            "reasons": list(shown.match.kinds),
        }
        for point_id, shown in matching.shown_of(appliance_id)
    }


def _consents(firewall: Firewall) -> dict[str, Any]:
    """Return how many decisions there are of which kind, and what holds beside them."""
    decided = firewall.decided()
    in_force = [one for one in decided if firewall.is_in_force(one)]
    return {
        "states": dict(sorted(Counter(one.state.value for one in decided).items())),
        "in_force": dict(sorted(Counter(one.level.value for one in in_force).items())),
        "timed": sum(one.until is not None for one in in_force),
        "outdated": sum(firewall.consents.is_outdated(one) for one in in_force),
        "personal": sum(one.subject is not None for one in in_force),
        "locked_down": firewall.consents.is_locked_down,
        "restored": len(firewall.consents.restored()),
    }


async def _storage(firewall: Firewall) -> dict[str, Any]:
    """Return whether the disk takes records, and whether the ledger's chain is whole."""
    told: dict[str, Any] = {"works": firewall.storage_works}
    try:
        check = await firewall.consents.verify()
    except StorageError:
        return told | {"ledger": "unreadable"}
    return told | {"ledger": {"records": check.records, "first_broken": check.first_broken}}


async def _reasons(firewall: Firewall) -> dict[str, int] | str:
    """Return how often which outcome and reason stand in the newest part of the journal."""
    try:
        entries = await firewall.newest_entries(JOURNAL_ENTRIES)
    except StorageError:
        return "unreadable"
    counted = Counter(f"{entry.outcome.value}: {entry.reason.value}" for entry in entries)
    return dict(sorted(counted.items()))
