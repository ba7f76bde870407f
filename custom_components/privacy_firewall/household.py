"""The household at run time: the engine, the entry it serves, and who hears of it.

`Household` brings what the entry states (`stored`) into force without a reload when it changes, and
passes the engine's events on.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
import logging
from pathlib import Path
from time import monotonic
from typing import Any

from homeassistant.components.dhcp.helpers import async_discovered_service_info
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT, Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.event import async_track_time_interval

from .announcements import Announcer
from .bypass import Bypass
from .consent_announcements import ConsentAnnouncer
from .const import (
    DATABASE,
)
from .decisions import Decisions
from .device_links import DeviceLinks
from .dns_gate import CONTACT_KEY, DnsKeeper
from .engine import Firewall, Neighbours, Routes, StorageError
from .engine.events import (
    ConsentsChanged,
    ConsentsSuspended,
    Decided,
    Event,
    MeasureChanged,
    Reading,
    StrangerSeen,
    Unclaimed,
)
from .engine.model import DataPoint
from .essential import NEED_KEY, Essential
from .grants import CONSENT_KEY, GRANT_ALL_KEY, GROUP_KEYS, LEVEL_KEY, Grants
from .handed_out import HandedOut
from .issues import Issues
from .kept import async_with_kept
from .matching import Matching
from .news import News
from .observed import Observed
from .starving import Needs
from .stored import appliances, keeping, recipients
from .strangers import async_forget_strangers, async_review_strangers
from .unclaimed import async_forget_unclaimed, async_note_unclaimed, async_review_unclaimed

_LOGGER = logging.getLogger(__name__)
LOOK_AGAIN = timedelta(minutes=10)
"""How often states are read again that change by the passing of time."""
ASK_AGAIN = timedelta(hours=1)
"""How often is looked whether it is time to ask; the engine allows one digest a day."""
_OF_RECIPIENTS = frozenset(
    {CONSENT_KEY, LEVEL_KEY, GRANT_ALL_KEY, "refuse_all", "withdraw_all", CONTACT_KEY, NEED_KEY}
    | GROUP_KEYS
)
"""Translation keys of entities whose unique id ends with a recipient's."""
_OF_NAMES = frozenset(
    {
        CONTACT_KEY,
        NEED_KEY,
        "names_asked",
        "names_refused",
        "names_asked_today",
        "names_refused_today",
        "dns_gate",
    }
)
"""Translation keys of entities that there are only while the DNS gate is wanted."""
MAC_TABLE_SECONDS = 30.0
"""How long what the network watchers found is taken as it was; a look costs a few microseconds."""

type PrivacyFirewallConfigEntry = ConfigEntry[Household]


class MacTable:
    """Which MAC is behind an address, as the kernel or Home Assistant's network watchers saw it."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start with nothing known."""
        self._hass = hass
        self._neighbours = Neighbours()
        self._routes = Routes()
        self._read_at = -MAC_TABLE_SECONDS
        self._address_of: dict[str, str] = {}
        self._mac_at: dict[str, str] = {}

    def __call__(self, address: str) -> str | None:
        """Return the MAC (lower case, colons) seen at an address, or None.

        The kernel's own table knows it now; the watchers also of those behind another router. It is
        empty where none can be known, ever.
        """
        if (mac := self._neighbours.mac(address)) is not None:
            return mac
        if monotonic() - self._read_at >= MAC_TABLE_SECONDS:
            self._read()
        if (mac := self._mac_at.get(address)) is not None:
            return mac
        return "" if self._routes.has_no_mac(address) else None

    def addresses(self, mac: str) -> list[str]:
        """Return the IPv4 addresses that have a MAC, as the kernel knows it."""
        return self._neighbours.addresses(mac)

    def _read(self) -> None:
        self._read_at = monotonic()
        if "dhcp" not in self._hass.config.components:
            return
        for info in async_discovered_service_info(self._hass):
            mac = dr.format_mac(info.macaddress)
            # Addresses are handed on: whoever was seen with it last has it.
            if self._address_of.get(mac) != info.ip:
                self._address_of[mac] = info.ip
                self._mac_at[info.ip] = mac


class Household:
    """The engine, the entry it serves, and those who listen."""

    def __init__(self, hass: HomeAssistant, entry: PrivacyFirewallConfigEntry) -> None:
        """Build the engine; nothing is opened before `async_start`."""
        self.hass = hass
        self.entry = entry
        self.grants = Grants(hass, entry)
        self.links = DeviceLinks(hass, entry)
        self.needs = Needs(hass, self.device)
        self.announcer = Announcer(hass, self.describe)
        self._consent_announcer = ConsentAnnouncer(hass, self)
        self.observed = Observed(self)
        self.issues = Issues(hass, self)
        self.news = News(hass, self)
        self.dns = DnsKeeper(self)
        self.bypass = Bypass(self)
        self.essential = Essential(self)
        self.matching = Matching(self)
        self.links.placed = self.matching.placed
        self.handed_out = HandedOut(self)
        self.resolve_mac = MacTable(hass)
        self.readings: dict[str, Reading] = {}
        """The newest reading per data point, for sensors that are only being added."""
        self.local_platforms: dict[str, Platform] = {}
        """As what the data points seen in this run are shown at home: that does not change."""
        self.database = database_path(hass)
        self.firewall = Firewall(
            database=self.database,
            on_event=self._on_event,
            resolve_mac=self.resolve_mac,
            resolve_addresses=self.resolve_mac.addresses,
            protected_ports=frozenset({hass.http.server_port}),
        )
        self.decisions = Decisions(self.firewall, self.grants, self.async_changed)
        self._listeners: list[Callable[[Event], None]] = []
        self._change_listeners: list[Callable[[], None]] = []
        self._promoted: dict[str, list[DataPoint]] = {}
        self._gate: tuple[str, int] | None = None
        self._changing_gate = asyncio.Lock()
        self._undo: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Open engine and gate; raises `StorageError` or `OSError` with nothing left open."""
        # First: a journal that may reach back further than by default must not be cut.
        self._bound_journal()
        try:
            await self.firewall.start()
            await self.matching.async_load()
            await self._async_configure()
            await self.observed.async_start()
            await self._open_gate()
            await self.dns.async_start()
        except BaseException:
            # Cancelled too: a gate nobody knows of must not stay.
            await self.async_stop()
            raise
        self._undo = [
            self.grants.async_listen(),
            self.links.async_follow(),
            # After the links: what was linked anew is looked at anew.
            self.needs.async_follow(self.async_changed),
            self.issues.async_start(),
            self.news.async_start(),
            self.bypass.async_start(),
            self.essential.async_start(),
            self.matching.async_start(),
            self.handed_out.async_start(),
            # What was seen grows old by itself, and no event tells of it.
            async_track_time_interval(self.hass, self._look_again, LOOK_AGAIN),
            async_track_time_interval(self.hass, self._async_ask, ASK_AGAIN),
        ]

    async def async_stop(self) -> None:
        """Close the gate, end what is under way, record what is pending; may be called twice."""
        while self._undo:
            self._undo.pop()()
        self.announcer.async_stop()
        self.observed.async_stop()
        async_forget_unclaimed(self.hass, self.entry)
        async_forget_strangers(self.hass)
        await self.dns.async_stop()
        async with self._changing_gate:
            self._gate = None
            await self.firewall.stop()
        await self.matching.store.async_stop()

    async def async_update(self) -> None:
        """Bring a changed entry into force; raises `OSError` where the gate cannot move."""
        self._bound_journal()
        await self._async_configure()
        async with self._changing_gate:
            # None: stopped meanwhile, and to stay so.
            if self._gate is not None and self._gate != self._wanted_gate:
                await self._open_gate()
        await self.dns.async_update()
        self.handed_out.async_update()

    def _bound_journal(self) -> None:
        kept = keeping(self.entry)
        self.firewall.keep_values(kept.values)
        self.firewall.bounds(max_age=kept.max_age, max_bytes=kept.max_bytes)

    async def _async_configure(self) -> None:
        known = async_with_kept(self.hass, self.entry, appliances(self.entry))
        self.firewall.configure(known, recipients(self.entry))
        # What was seen of an appliance goes with it; one that cannot be read just now is kept.
        await self.firewall.forget_all_but(frozenset(self.entry.subentries))
        self.matching.async_forget_gone()
        self.matching.async_tell_engine()
        self.links.async_link()
        self.dns.async_note()
        self._remove_entities_of_what_is_gone()
        for gone in [one for one in self.readings if not self._is_present(one)]:
            del self.readings[gone]
        for gone in [one for one in self.local_platforms if not self._is_present(one)]:
            del self.local_platforms[gone]
        async_review_unclaimed(self.hass, self.entry)
        self.async_changed()

    def _is_present(self, data_point_id: str) -> bool:
        point = self.firewall.data_point(data_point_id)
        return point is not None and point.appliance_id in self.entry.subentries

    @property
    def _wanted_gate(self) -> tuple[str, int]:
        return self.entry.data[CONF_HOST], self.entry.data[CONF_PORT]

    async def _open_gate(self) -> None:
        self._gate = self._wanted_gate
        await self.firewall.open_gate(*self._gate)

    async def _async_ask(self, _: datetime | None = None) -> None:
        """Ask about what is open, in one digest a day."""
        points = [one for each in self.firewall.appliances for one in self.firewall.switched(each)]
        try:
            await self.firewall.consents.ask(points)
        except StorageError:
            _LOGGER.warning("What is open could not be recorded; it is asked again later")

    # --- Those who listen ---

    @callback
    def async_listen(self, listener: Callable[[Event], None]) -> CALLBACK_TYPE:
        """Call a listener with every event of the engine; return how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def async_listen_for_changes(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call a listener when entry, consents or promoted data points may be other than before."""
        self._change_listeners.append(listener)
        return lambda: self._change_listeners.remove(listener)

    @callback
    def async_changed(self) -> None:
        """Tell that entry, consents or promoted data points may be other than before."""
        self._promoted = {one: self.firewall.promoted(one) for one in self.firewall.appliances}
        for listener in list(self._change_listeners):
            _tell("a change", listener)

    @callback
    def _look_again(self, _: datetime) -> None:
        self.dns.async_look()
        self.async_changed()

    @callback
    def _on_event(self, event: Event) -> None:
        if isinstance(event, Decided):
            self.readings.update((reading.data_point_id, reading) for reading in event.readings)
            _tell("an announcement", self.announcer.async_tell, event)
        else:
            _tell("an announcement", self._consent_announcer.async_hear, event)
            _tell("an issue", self.issues.async_hear, event)
            _tell("what is new", self.news.async_hear, event)
        if isinstance(event, Unclaimed):
            _tell("a repair", async_note_unclaimed, self.hass, self.entry, event)
        elif isinstance(event, StrangerSeen):
            _tell("a repair", async_review_strangers, self)
        # Before those who show what it observed.
        _tell("the DNS gate", self.dns.async_hear, event)
        for listener in list(self._listeners):
            _tell(type(event).__name__, listener, event)
        # After them: what is shown of the event itself is not to wait for it.
        _tell("what is needed", self.essential.async_hear, event)
        # A known data point with a new recipient is no discovery, but deserves its switch.
        one = str(getattr(event, "appliance_id", None))
        is_known = one in self.firewall.appliances
        if isinstance(event, ConsentsChanged | ConsentsSuspended | MeasureChanged) or (
            is_known and self.firewall.promoted(one) is not self._promoted.get(one)
        ):
            self.async_changed()

    def describe(self, decided: Decided) -> dict[str, Any]:
        """Return what may be told of a transmission outside: names and labels, never values."""
        appliance = self.firewall.appliances.get(decided.appliance_id or "")
        points = (self.firewall.data_point(one) for one in decided.released)
        known = self.firewall.recipients
        recipients = [known[one] for one in decided.recipient_ids if one in known]
        described: dict[str, Any] = {
            "gate": decided.gate,
            "outcome": decided.outcome.value,
            "reason": decided.reason.value,
            "appliance": appliance.name if appliance else None,
            "appliance_id": decided.appliance_id,
            "recipients": [recipient.organisation for recipient in recipients],
            "purposes": [recipient.purpose.value for recipient in recipients],
            "data_points": list(dict.fromkeys(point.name for point in points if point)),
        }
        if (device := self.device(decided.appliance_id or "")) is not None:
            described["device_id"] = device.id
        return described

    # --- Devices and entities ---

    def device(self, appliance_id: str) -> dr.AnyDeviceEntry | None:
        """Return the device that an appliance's entities belong to."""
        return self.links.get(appliance_id)

    @callback
    def _remove_entities_of_what_is_gone(self) -> None:
        """An appliance's entities go with its subentry; those for a recipient we remove.

        And those of the DNS gate, where the household turned it off.
        """
        entities = er.async_get(self.hass)
        present = self.entry.subentries
        for entity in er.async_entries_for_config_entry(entities, self.entry.entry_id):
            key = entity.translation_key
            if (key in _OF_RECIPIENTS and entity.unique_id.rpartition("_")[2] not in present) or (
                key in _OF_NAMES and not self.dns.is_wanted
            ):
                entities.async_remove(entity.entity_id)


def database_path(hass: HomeAssistant) -> Path:
    """Return where the engine keeps its file."""
    return Path(hass.config.path(DATABASE))


def _tell[**P](what: str, listener: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a listener; what it raises must not reach the engine, where a transmission waits."""
    try:
        listener(*args, **kwargs)
    except Exception as err:  # noqa: BLE001 - whatever a listener does, the others are told too
        # Without the message: Home Assistant's own errors quote states, and states are readings.
        _LOGGER.error("Telling of %s failed: %s", what, type(err).__name__)  # noqa: TRY400
