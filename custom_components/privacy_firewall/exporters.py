"""Who else Home Assistant hands states to: exporters, with what each gets by its own filter.

They read their filters when they are set up and have no action per entity, so that nothing can be
switched here. The filters are read from the configuration file (or the entry, where an exporter
keeps it there) with the exporters' own rules. A file that was changed since Home Assistant started
says what will be so after the next restart. What is not known is said to be not known.

Of all that is read, only filters and the names of hosts are kept; credentials are next to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from homeassistant.config import async_hass_config_yaml
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback, split_entity_id
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entityfilter import FILTER_SCHEMA, INCLUDE_EXCLUDE_FILTER_SCHEMA
import probatio
from yarl import URL

CONF_FILTER = "filter"
MAX_HOST = 100
"""Characters of a host's name that are shown."""


class Gets(StrEnum):
    """Whether an exporter hands an entity on."""

    YES = "gets_it"
    NO = "does_not_get_it"
    UNKNOWN = "cannot_be_told"


type Judge = Callable[[str], Gets]
"""Tells of an entity id; raises nothing."""
type Read = Callable[[HomeAssistant, Mapping[str, Any]], Judge | None]
"""Makes a judge of an exporter's section in the configuration; None where it exports nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One that is loaded. `destination` is a host as configured, without credentials, or None."""

    domain: str
    name: str
    destination: str | None
    stays_home: bool
    """Whether it is made for other devices at home."""
    judge: Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    name: str
    read: Read
    hosts: tuple[str, ...] = ()
    """Keys under which its host stands, in its entry or its section."""
    host: str | None = None
    """Its host where that is always the same, or what to say instead."""
    by_entry: bool = False
    """Whether a config entry has to be loaded for it to export."""
    entry_of: str | None = None
    """Another integration whose entry has the host."""
    stays_home: bool = False


# --- Filters ---


def _everything(_hass: HomeAssistant, _section: Mapping[str, Any]) -> Judge:
    return lambda _: Gets.YES


def _filter(_hass: HomeAssistant, section: Mapping[str, Any]) -> Judge:
    """Read the filter below `filter:`; without one, everything is handed on."""
    return _said(FILTER_SCHEMA(section.get(CONF_FILTER) or {}))


def _include_exclude(_hass: HomeAssistant, section: Mapping[str, Any]) -> Judge:
    """Read `include:` and `exclude:`; without them, everything is handed on."""
    wanted = {key: section[key] for key in ("include", "exclude") if section.get(key)}
    return _said(INCLUDE_EXCLUDE_FILTER_SCHEMA(wanted))


def _listed(_hass: HomeAssistant, section: Mapping[str, Any]) -> Judge:
    listed = section.get("whitelist") or []
    wanted = {listed} if isinstance(listed, str) else {str(one) for one in listed}
    return _said(wanted.__contains__)


def _alexa(hass: HomeAssistant, section: Mapping[str, Any]) -> Judge | None:
    """Read a skill of one's own: with an empty filter, all but settings and what is hidden."""
    if "smart_home" not in section:
        return None
    wanted = FILTER_SCHEMA((section.get("smart_home") or {}).get(CONF_FILTER) or {})
    return _said(wanted) if not wanted.empty_filter else _said(lambda one: not _aside(hass, one))


def _google(hass: HomeAssistant, section: Mapping[str, Any]) -> Judge | None:
    """Read a project of one's own: what is said of an entity counts, then its domain."""
    if not section:
        return None
    by_entity = section.get("entity_config") or {}
    by_default = section.get("expose_by_default", True)
    domains = section.get("exposed_domains")

    def judge(entity_id: str) -> Gets:
        said = (by_entity.get(entity_id) or {}).get("expose")
        if isinstance(said, bool):
            return Gets.YES if said else Gets.NO
        if not by_default or _aside(hass, entity_id):
            return Gets.NO
        if not isinstance(domains, list):
            # Its own list of domains, which changes with its releases.
            return Gets.UNKNOWN
        return Gets.YES if split_entity_id(entity_id)[0] in domains else Gets.NO

    return judge


def _said(wanted: Callable[[str], bool]) -> Judge:
    return lambda entity_id: Gets.YES if wanted(entity_id) else Gets.NO


def _unknown(_: str) -> Gets:
    return Gets.UNKNOWN


def _aside(hass: HomeAssistant, entity_id: str) -> bool:
    entity = er.async_get(hass).async_get(entity_id)
    return entity is not None and (
        entity.entity_category is not None or entity.hidden_by is not None
    )


_KINDS = {
    "alexa": _Kind(name="Alexa (own skill)", read=_alexa, host="Amazon"),
    "apache_kafka": _Kind(name="Apache Kafka", read=_filter, hosts=("ip_address",)),
    "azure_data_explorer": _Kind(
        name="Azure Data Explorer", read=_filter, hosts=("cluster_ingest_uri",), by_entry=True
    ),
    "azure_event_hub": _Kind(
        name="Azure Event Hub", read=_filter, hosts=("event_hub_namespace",), by_entry=True
    ),
    "datadog": _Kind(name="Datadog", read=_everything, hosts=("host",), by_entry=True),
    "emoncms_history": _Kind(name="Emoncms History", read=_listed, hosts=("url",)),
    "google_assistant": _Kind(name="Google Assistant (own project)", read=_google, host="Google"),
    "google_pubsub": _Kind(name="Google Pub/Sub", read=_filter, host="Google"),
    "graphite": _Kind(name="Graphite", read=_everything, hosts=("host",)),
    "influxdb": _Kind(name="InfluxDB", read=_include_exclude, hosts=("host", "url"), by_entry=True),
    "mqtt_statestream": _Kind(
        name="MQTT Statestream", read=_include_exclude, hosts=("broker",), entry_of="mqtt"
    ),
    "prometheus": _Kind(name="Prometheus", read=_filter),
    "splunk": _Kind(name="Splunk", read=_filter, hosts=("host",), by_entry=True),
    "statsd": _Kind(name="StatsD", read=_everything, hosts=("host",)),
    "zabbix": _Kind(name="Zabbix", read=_include_exclude, hosts=("host",)),
}
"""Home Assistant's own exporters of states, by domain (their sources, 2026.10). Numbers only, some
of them: what is no number of an entity they hand on is left out there, not here."""


CONCERNED = frozenset({*_KINDS, "cloud", "conversation", "homekit", "mqtt"})
"""Integrations whose coming and going changes who gets what."""


# --- Those that are loaded ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """What was found: the exporters, and the assistants that go by a filter in the file."""

    exporters: tuple[Exporter, ...] = ()
    filtered: frozenset[str] = frozenset()


async def async_exporting(hass: HomeAssistant) -> Exporting:
    """Look who exports. The file is read beside the event loop."""
    try:
        sections: Mapping[str, Any] | None = await async_hass_config_yaml(hass)
    except HomeAssistantError, OSError, ValueError:
        # Home Assistant says itself what is wrong with it.
        sections = None
    return _found(hass, sections)


@callback
def _found(hass: HomeAssistant, sections: Mapping[str, Any] | None) -> Exporting:
    exporters = [
        exporter
        for domain, kind in _KINDS.items()
        if domain in hass.config.components
        and (exporter := _exporter(hass, domain, kind, sections)) is not None
    ]
    exporters += _homekit(hass)
    filtered: set[str] = set()
    for key, name in (("alexa", "Alexa"), ("google_actions", "Google Assistant")):
        assistant = "cloud.alexa" if key == "alexa" else "cloud.google_assistant"
        section = None if sections is None else _section(_section(sections, "cloud"), key)
        if section is None or not section.get(CONF_FILTER):
            # A file that cannot be read: whether the exposure counts cannot be told either.
            if sections is None:
                filtered.add(assistant)
            continue
        filtered.add(assistant)
        exporters.append(
            Exporter(
                domain=assistant,
                name=f"{name} (via Home Assistant Cloud, by a filter)",
                destination="Home Assistant Cloud",
                stays_home=False,
                judge=_judge(hass, _filter, section) or _unknown,
            )
        )
    return Exporting(exporters=tuple(exporters), filtered=frozenset(filtered))


def _exporter(
    hass: HomeAssistant, domain: str, kind: _Kind, sections: Mapping[str, Any] | None
) -> Exporter | None:
    entries = [
        entry
        for entry in hass.config_entries.async_entries(kind.entry_of or domain)
        if entry.state is ConfigEntryState.LOADED
    ]
    if kind.by_entry and not entries:
        return None
    section = {} if sections is None else _section(sections, domain)
    judge: Judge | None = _unknown
    if sections is not None:
        judge = _judge(hass, kind.read, section)
    if judge is None:
        return None
    places = [entry.data for entry in entries] + [section]
    hosts = (host_of(place.get(key)) for place in places for key in kind.hosts)
    return Exporter(
        domain=domain,
        name=kind.name,
        destination=kind.host or next((host for host in hosts if host), None),
        stays_home=kind.stays_home,
        judge=judge,
    )


def _homekit(hass: HomeAssistant) -> list[Exporter]:
    """Return the bridges to Apple's Home, each with the filter in its entry."""
    return [
        Exporter(
            domain="homekit",
            name=f"HomeKit ({entry.title})",
            destination="Apple Home",
            stays_home=True,
            judge=_judge(hass, _filter, {**entry.data, **entry.options}) or _unknown,
        )
        for entry in hass.config_entries.async_entries("homekit")
        if entry.state is ConfigEntryState.LOADED
    ]


def _judge(hass: HomeAssistant, read: Read, section: Mapping[str, Any]) -> Judge | None:
    try:
        return read(hass, section)
    except probatio.Invalid, TypeError, ValueError, AttributeError:
        # Not as the exporter itself would have it.
        return _unknown


def _section(sections: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = sections.get(key)
    if isinstance(section, list) and len(section) == 1:
        section = section[0]
    return section if isinstance(section, Mapping) else {}


def host_of(said: object) -> str | None:
    """Return the host of an address as somebody wrote it, never what else stands in it."""
    if not isinstance(said, str) or not said.strip():
        return None
    try:
        url = URL(said if "://" in said else f"//{said.strip()}")
    except ValueError:
        return None
    host = url.host
    if "@" in said and "@" not in url.raw_authority:
        # A slash in a password ends the host there: what then looks like one is a piece of it.
        return None
    return host[:MAX_HOST] if host else None
