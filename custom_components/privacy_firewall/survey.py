"""First, look only: what of this home could be read here, before anything is changed.

`look` concludes from what Home Assistant already knows (registries and manifests) and asks nobody.
It can never say that a device *is* readable: how it speaks with its cloud is not known here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from homeassistant.components.dhcp.helpers import async_discovered_service_info
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_IP_ADDRESS
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.loader import Integration, async_get_integrations

from .const import DOMAIN

_NOT_APPLIANCES = frozenset({"entity", "hardware", "helper", "system", "virtual"})
"""Types of integrations whose devices are Home Assistant's own or no things at all."""
_OWN_MACHINERY = frozenset({"bluetooth", "hassio", DOMAIN})
"""Integrations whose devices are parts of this machine, though their manifests do not say so."""
_RADIOS = {dr.CONNECTION_BLUETOOTH: "Bluetooth", dr.CONNECTION_ZIGBEE: "Zigbee"}
_LOCAL_SUFFIXES = (".local", ".localdomain", ".lan", ".home", ".home.arpa", ".internal")
"""RFC 6762 and 8375, the reserved `internal`, and what routers call their networks."""


class Sight(StrEnum):
    """How much of a device the firewall could see."""

    COULD_BE_READ = "could_be_read"
    BLOCKED_BY_NAME = "blocked_by_name"
    NOT_SEEN = "not_seen"


class Evidence(StrEnum):
    """What a sight was concluded from; the words are in the translations."""

    CLOUD_WITH_ADDRESS = "cloud_with_address"
    HOME_WITH_ADDRESS = "home_with_address"
    CLOUD_WITHOUT_ADDRESS = "cloud_without_address"
    RADIO = "radio"
    BEHIND_HUB = "behind_hub"
    NOTHING_KNOWN = "nothing_known"


_ORDER = list(Evidence)
"""The most telling first: lists are cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The integration and config entry behind a device. `host` is the one the entry was given."""

    domain: str
    name: str
    iot_class: str | None
    host: str | None = None

    @property
    def is_cloud(self) -> bool:
        """Tell whether the integration reads from a cloud."""
        return self.iot_class in ("cloud_polling", "cloud_push")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedDevice:
    """A thing at home, with all integrations that know it.

    `where` is its place on the home network, the radio, or the hub, as the evidence needs it.
    """

    name: str
    sight: Sight
    evidence: Evidence
    integrations: tuple[str, ...]
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starving:
    """An integration that would have nothing to show once its devices' cloud were denied."""

    domain: str
    name: str
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the home has; the most telling first."""

    devices: tuple[SurveyedDevice, ...]
    starving: tuple[Starving, ...]

    def seen_as(self, sight: Sight) -> list[SurveyedDevice]:
        """Return the devices of one sight."""
        return [device for device in self.devices if device.sight is sight]


async def async_survey(hass: HomeAssistant) -> Survey:
    """Look at this home."""
    entries = hass.config_entries.async_entries(include_ignore=False, include_disabled=False)
    found = await async_get_integrations(hass, {entry.domain for entry in entries})
    origins = {
        entry.entry_id: _origin(entry, integration)
        for entry in entries
        if isinstance(integration := found[entry.domain], Integration)
        and _has_appliances(integration)
    }
    return look(dr.async_get(hass).devices, origins, _known_addresses(hass))


def _has_appliances(integration: Integration) -> bool:
    return not (
        integration.domain in _OWN_MACHINERY
        or integration.integration_type in _NOT_APPLIANCES
        or integration.iot_class == "calculated"
    )


def _origin(entry: ConfigEntry, integration: Integration) -> Origin:
    host = entry.data.get(CONF_HOST) or entry.data.get(CONF_IP_ADDRESS)
    return Origin(
        domain=integration.domain,
        name=integration.name,
        iot_class=integration.iot_class,
        host=host if isinstance(host, str) else None,
    )


def _known_addresses(hass: HomeAssistant) -> dict[str, str]:
    """Return MAC → address as far as DHCP discovery has seen it."""
    if "dhcp" not in hass.config.components:
        return {}
    return {dr.format_mac(info.macaddress): info.ip for info in async_discovered_service_info(hass)}


def look(
    devices: Iterable[DeviceEntry],
    origins: Mapping[str, Origin],
    addresses: Mapping[str, str] | None = None,
) -> Survey:
    """Conclude what could be seen of each device.

    `origins` are by config entry id; devices of other entries, disabled ones and services are left
    out. `addresses` maps MACs to addresses at home.
    """
    known = [
        device
        for device in devices
        if device.config_entry_id in origins
        and not device.disabled
        and device.entry_type is not dr.DeviceEntryType.SERVICE
    ]
    hubs = {device.id: device for device in known}
    alone = _alone(known)
    surveyed: list[SurveyedDevice] = []
    starving: Counter[Origin] = Counter()
    for entries in _things(known):
        behind = [origins[entry.config_entry_id] for entry in entries]
        by_domain = {origin.domain: origin for origin in behind}
        integrations = sorted(by_domain.values(), key=lambda one: (not one.is_cloud, one.name))
        where = _whereabouts(entries, origins, alone, addresses or {})
        surveyed.append(_conclude(entries, integrations, where, hubs))
        starving.update(replace(one, host=None) for one in integrations if one.is_cloud)
    surveyed.sort(key=lambda one: (_ORDER.index(one.evidence), one.name.casefold()))
    return Survey(
        devices=tuple(surveyed),
        starving=tuple(
            Starving(domain=origin.domain, name=origin.name, devices=devices_fed)
            for origin, devices_fed in sorted(
                starving.items(), key=lambda item: (-item[1], item[0].name)
            )
        ),
    )


def _alone(devices: Iterable[DeviceEntry]) -> set[str]:
    """Return the devices that are the only one of their entry: the entry's host is theirs."""
    by_entry: dict[str, list[str]] = {}
    for device in devices:
        if device.via_device_id is None:
            by_entry.setdefault(device.config_entry_id, []).append(device.id)
    return {ids[0] for ids in by_entry.values() if len(ids) == 1}


def _things(devices: Iterable[DeviceEntry]) -> list[list[DeviceEntry]]:
    """Put entries together that share a connection: one thing, known to several integrations."""
    things: list[list[DeviceEntry]] = []
    by_connection: dict[tuple[str, str], list[DeviceEntry]] = {}
    for device in devices:
        # By identity: several connections may lead to the same thing.
        shared = list(
            {
                id(by_connection[one]): by_connection[one]
                for one in device.connections
                if one in by_connection
            }.values()
        )
        thing = shared[0] if shared else []
        if not shared:
            things.append(thing)
        thing.append(device)
        # An entry may join things that were apart so far.
        for other in shared[1:]:
            things.remove(other)
            thing.extend(other)
        for entry in thing:
            by_connection |= dict.fromkeys(entry.connections, thing)
    return things


def _whereabouts(
    entries: list[DeviceEntry],
    origins: Mapping[str, Origin],
    alone: set[str],
    addresses: Mapping[str, str],
) -> str | None:
    """Return a device's place on the home network in words, or None where it has none."""
    connections = _connections(entries)
    places: list[str] = []
    for kind, value in connections:
        if kind == dr.CONNECTION_NETWORK_MAC:
            places += [addresses[value]] if value in addresses else []
            places.append(value)
    for entry in entries:
        hosts = [origins[entry.config_entry_id].host] if entry.id in alone else []
        page = urlsplit(entry.configuration_url or "")
        # Behind a hub it is the hub's own page.
        if entry.via_device_id is None and page.scheme in ("http", "https"):
            hosts.append(page.hostname)
        places += [host for host in hosts if host is not None and is_at_home(host)]
    if places:
        return ", ".join(dict.fromkeys(places))
    return "UPnP" if any(kind == dr.CONNECTION_UPNP for kind, _ in connections) else None


def _connections(entries: list[DeviceEntry]) -> list[tuple[str, str]]:
    return sorted({connection for entry in entries for connection in entry.connections})


def is_at_home(host: str) -> bool:
    """Tell whether a host is an address or a name of a home network, and not this machine."""
    host = host.strip("[]").partition("%")[0].rstrip(".").lower()
    try:
        address = ip_address(host)
    except ValueError:
        return host != "localhost" and ("." not in host or host.endswith(_LOCAL_SUFFIXES))
    return address.is_private and not (address.is_loopback or address.is_unspecified)


def _conclude(
    entries: list[DeviceEntry],
    integrations: list[Origin],
    where: str | None,
    hubs: Mapping[str, DeviceEntry],
) -> SurveyedDevice:
    """Conclude from the strongest evidence there is."""
    is_cloud = integrations[0].is_cloud
    radio = next((_RADIOS[kind] for kind, _ in _connections(entries) if kind in _RADIOS), None)
    hub = next((hub for entry in entries if (hub := hubs.get(entry.via_device_id or ""))), None)
    sight = Sight.NOT_SEEN
    if where is not None:
        sight = Sight.COULD_BE_READ
        evidence = Evidence.CLOUD_WITH_ADDRESS if is_cloud else Evidence.HOME_WITH_ADDRESS
    elif radio is not None:
        evidence, where = Evidence.RADIO, radio
    elif is_cloud:
        sight, evidence = Sight.BLOCKED_BY_NAME, Evidence.CLOUD_WITHOUT_ADDRESS
    elif hub is not None:
        evidence, where = Evidence.BEHIND_HUB, _name(hub)
    else:
        evidence = Evidence.NOTHING_KNOWN
    # The household's own name first, then the oldest.
    named = min(
        entries,
        key=lambda entry: (not entry.name_by_user, not entry.name, entry.created_at, entry.id),
    )
    return SurveyedDevice(
        name=_name(named),
        sight=sight,
        evidence=evidence,
        integrations=tuple(origin.name for origin in integrations),
        where=where or "",
    )


def _name(device: DeviceEntry) -> str:
    return device.name_by_user or device.name or device.model or device.manufacturer or "?"
