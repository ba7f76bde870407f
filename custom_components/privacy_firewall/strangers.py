"""Clients of the DNS gate that nobody named: who they are, and whether to ask about them.

One issue tells how many there are. What they are likely to be is only put together where somebody
asks (`stranger_repairs`), from what Home Assistant knows; nobody is asked over the network.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from homeassistant.components.dhcp.helpers import async_discovered_service_info
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.loader import IntegrationNotFound, async_get_dhcp, async_get_integration

from .const import CONF_ADDRESSES, CONF_MACS, CONF_NO_APPLIANCES, DOMAIN, SUBENTRY_APPLIANCE
from .engine.naming import Stranger
from .places import is_own_address

if TYPE_CHECKING:
    from .household import Household

ISSUE_STRANGERS = "unknown_clients"
MAX_NO_APPLIANCES = 500
"""Clients remembered as no appliances; a home has some dozens, but phones change their MAC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """What a client probably is. All of it is text from the network or the household."""

    hostname: str | None = None
    """What it calls itself (DHCP)."""
    kinds: tuple[str, ...] = ()
    """Integrations that look for devices with such a name or MAC."""
    device: dr.DeviceEntry | None = None
    """The device known by its MAC."""


def key_of(stranger: Stranger) -> str:
    """Return by what a client is remembered: its MAC, which stays, or else its address."""
    return stranger.mac or stranger.address


@callback
def async_strangers(household: Household) -> dict[str, Stranger]:
    """Return the clients to ask about by key, the busiest first."""
    if not household.dns.tells_of_strangers:
        return {}
    entry = household.entry
    settled = {*entry.options.get(CONF_NO_APPLIANCES, ()), *_of_appliances(entry)}
    found = household.firewall.names.status().strangers
    return {
        key_of(one): one
        for one in sorted(found, key=lambda one: (-one.asked, one.address))
        if key_of(one) not in settled
        and one.address not in _of_appliances(entry)
        and not is_own_address(household.hass, one.address)
    }


def _of_appliances(entry: ConfigEntry) -> set[str]:
    """Return by what appliances are recognised, as it is stated now."""
    return {
        str(value)
        for subentry in entry.get_subentries_of_type(SUBENTRY_APPLIANCE)
        for key in (CONF_ADDRESSES, CONF_MACS)
        for value in subentry.data.get(key, ())
    }


@callback
def async_review_strangers(household: Household) -> None:
    """Bring the issue up to date; without anybody to ask about it goes away."""
    if not (found := async_strangers(household)):
        async_forget_strangers(household.hass)
        return
    ir.async_create_issue(
        household.hass,
        DOMAIN,
        ISSUE_STRANGERS,
        data={"entry_id": household.entry.entry_id},
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=ISSUE_STRANGERS,
        translation_placeholders={"number": str(len(found))},
    )


@callback
def async_forget_strangers(hass: HomeAssistant) -> None:
    """Drop the issue."""
    ir.async_delete_issue(hass, DOMAIN, ISSUE_STRANGERS)


async def async_likely(hass: HomeAssistant, strangers: Iterable[Stranger]) -> dict[str, Likely]:
    """Return what clients are likely to be, by key."""
    hostnames: dict[str, str] = {}
    if "dhcp" in hass.config.components:
        for info in async_discovered_service_info(hass):
            # Whoever was seen with an address last has it.
            hostnames[info.ip] = hostnames[dr.format_mac(info.macaddress)] = info.hostname
    found: dict[str, Likely] = {}
    for one in strangers:
        hostname = hostnames.get(key_of(one)) or None
        found[key_of(one)] = Likely(
            hostname=hostname,
            kinds=tuple(await _async_kinds(hass, one.mac, hostname)),
            device=_device(hass, one.mac) if one.mac else None,
        )
    return found


async def _async_kinds(hass: HomeAssistant, mac: str | None, hostname: str | None) -> list[str]:
    """Return the names of integrations that look for such a device."""
    digits = (mac or "").replace(":", "").upper()
    domains: dict[str, None] = {}
    for matcher in await async_get_dhcp(hass):
        patterns = matcher.get("macaddress"), matcher.get("hostname")
        if patterns == (None, None):
            continue
        told = digits, hostname or ""
        if all(
            pattern is None or (text and fnmatchcase(text.lower(), pattern.lower()))
            for pattern, text in zip(patterns, told, strict=True)
        ):
            domains[matcher["domain"]] = None
    names: list[str] = []
    for one in domains:
        try:
            names.append((await async_get_integration(hass, one)).name)
        except IntegrationNotFound:
            continue
    return sorted(set(names))


def _device(hass: HomeAssistant, mac: str) -> dr.DeviceEntry | None:
    """Return the device with this MAC; a router's tracker makes one too, and is none itself."""
    entities = er.async_get(hass)

    def knows_more(device: dr.DeviceEntry) -> int:
        registered = er.async_entries_for_device(entities, device.id)
        return sum(one.domain != "device_tracker" for one in registered)

    devices = dr.async_get(hass).async_get_devices(connections={(dr.CONNECTION_NETWORK_MAC, mac)})
    return max(devices, key=knows_more, default=None)
