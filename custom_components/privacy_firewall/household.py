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
from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import (
    CONF_DEVICE_ID,
    CONF_HOST,
    CONF_PORT,
    Platform,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.event import async_track_time_interval

from .announcements import Announcer
from .const import (
    DATABASE,
    DOMAIN,
    SUBENTRY_APPLIANCE,
)
from .engine import ConsentError, Firewall, StorageError
from .engine.events import Decided, Event, Reading, Unclaimed
from .engine.model import DataPoint
from .grants import CONSENT_KEY, Grants
from .repairs import async_forget_unclaimed, async_note_unclaimed, async_review_unclaimed
from .stored import appliances, recipients

_LOGGER = logging.getLogger(__name__)
LOOK_AGAIN = timedelta(minutes=10)
"""How often states are read again that change by the passing of time."""
MAC_TABLE_SECONDS = 30.0
"""How long what the network watchers found is taken as it was; a look costs a few microseconds."""

type PrivacyFirewallConfigEntry = ConfigEntry[Household]


class MacTable:
    """Which MAC is behind an address, as Home Assistant's network watchers saw it."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start with nothing known."""
        self._hass = hass
        self._read_at = -MAC_TABLE_SECONDS
        self._address_of: dict[str, str] = {}
        self._mac_at: dict[str, str] = {}

    def __call__(self, address: str) -> str | None:
        """Return the MAC (lower case, colons) seen at an address, or None."""
        if monotonic() - self._read_at >= MAC_TABLE_SECONDS:
            self._read()
        return self._mac_at.get(address)

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
        self.grants = Grants(hass, entry, grant=self.async_grant, withdraw=self.async_withdraw)
        self.announcer = Announcer(hass, self.describe)
        self.readings: dict[str, Reading] = {}
        """The newest reading per data point, for sensors that are only being added."""
        self.firewall = Firewall(
            database=database_path(hass),
            on_event=self._on_event,
            resolve_mac=MacTable(hass),
            protected_ports=frozenset({hass.http.server_port}),
        )
        self._listeners: list[Callable[[Event], None]] = []
        self._change_listeners: list[Callable[[], None]] = []
        self._promoted: dict[str, list[DataPoint]] = {}
        self._devices: dict[str, dr.AnyDeviceEntry] = {}
        self._gate: tuple[str, int] | None = None
        self._changing_gate = asyncio.Lock()
        self._undo: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Open engine and gate; raises `StorageError` or `OSError` with nothing left open."""
        try:
            await self.firewall.start()
            await self._async_configure()
            await self._open_gate()
        except BaseException:
            # Cancelled too: a gate nobody knows of must not stay.
            await self.async_stop()
            raise
        self._undo = [
            self.grants.async_listen(),
            self._follow_devices(),
            # What was seen grows old by itself, and no event tells of it.
            async_track_time_interval(self.hass, self._look_again, LOOK_AGAIN),
        ]

    async def async_stop(self) -> None:
        """Close the gate, end what is under way, record what is pending; may be called twice."""
        while self._undo:
            self._undo.pop()()
        self.announcer.async_stop()
        async_forget_unclaimed(self.hass, self.entry)
        async with self._changing_gate:
            self._gate = None
            await self.firewall.stop()

    async def async_update(self) -> None:
        """Bring a changed entry into force; raises `OSError` where the gate cannot move."""
        await self._async_configure()
        async with self._changing_gate:
            # None: stopped meanwhile, and to stay so.
            if self._gate is not None and self._gate != self._wanted_gate:
                await self._open_gate()

    async def _async_configure(self) -> None:
        self.firewall.configure(appliances(self.entry), recipients(self.entry))
        # What was seen of an appliance goes with it; one that cannot be read just now is kept.
        await self.firewall.forget_all_but(frozenset(self.entry.subentries))
        self._link_devices()
        self._remove_switches_of_gone_recipients()
        for gone in [one for one in self.readings if not self._is_present(one)]:
            del self.readings[gone]
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

    # --- Consents ---

    async def async_grant(
        self, data_point_id: str, recipient_id: str, *, how: str, person: str | None
    ) -> None:
        """Record a consent; raises `HomeAssistantError` in the user's language."""
        try:
            await self.firewall.grant(data_point_id, recipient_id, how=how, person=person)
        except ConsentError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="grant_of_unknown"
            ) from err
        except StorageError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="grant_not_recorded"
            ) from err
        finally:
            self.async_changed()

    async def async_withdraw(
        self, data_point_id: str, recipient_id: str, *, how: str, person: str | None
    ) -> None:
        """Stop a data point and record that; raises `HomeAssistantError` in the user's language."""
        try:
            await self.firewall.withdraw(data_point_id, recipient_id, how=how, person=person)
        except ConsentError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="withdrawal_of_unknown"
            ) from err
        except StorageError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="withdrawal_not_recorded"
            ) from err
        finally:
            self.async_changed()

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
        self.async_changed()

    @callback
    def _on_event(self, event: Event) -> None:
        if isinstance(event, Decided):
            self.readings.update((reading.data_point_id, reading) for reading in event.readings)
            _tell("an announcement", self.announcer.async_tell, event)
        elif isinstance(event, Unclaimed):
            _tell("a repair", async_note_unclaimed, self.hass, self.entry, event)
        for listener in list(self._listeners):
            _tell(type(event).__name__, listener, event)
        # A known data point with a new recipient is no discovery, but deserves its switch.
        one = str(getattr(event, "appliance_id", None))
        is_known = one in self.firewall.appliances
        if is_known and self.firewall.promoted(one) is not self._promoted.get(one):
            self.async_changed()

    def describe(self, decided: Decided) -> dict[str, Any]:
        """Return what may be told of a transmission outside: names and labels, never values."""
        appliance = self.firewall.appliances.get(decided.appliance_id or "")
        points = (self.firewall.data_point(one) for one in decided.released)
        known = self.firewall.recipients
        recipients = [known[one] for one in decided.recipient_ids if one in known]
        described: dict[str, Any] = {
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
        return self._devices.get(appliance_id)

    @callback
    def _link_devices(self) -> None:
        """Put every appliance's entities on the device it was linked with, or on one of our own."""
        devices, entities = dr.async_get(self.hass), er.async_get(self.hass)
        self._devices = {}
        for subentry in self.entry.get_subentries_of_type(SUBENTRY_APPLIANCE):
            device = self._devices[subentry.subentry_id] = self._device_for(subentry)
            for entity in er.async_entries_for_config_entry(entities, self.entry.entry_id):
                if (
                    entity.config_subentry_id == subentry.subentry_id
                    and entity.device_id != device.id
                ):
                    entities.async_update_entity(entity.entity_id, device_id=device.id)
            # Ours is of no use any more; it goes last, for it would take its entities with it.
            own = devices.async_get_device_by_identifier(
                (DOMAIN, subentry.subentry_id), self.entry.entry_id
            )
            if own is not None and own.id != device.id:
                devices.async_remove_device(own.id)

    def _device_for(self, subentry: ConfigSubentry) -> dr.AnyDeviceEntry:
        devices = dr.async_get(self.hass)
        linked = subentry.data.get(CONF_DEVICE_ID)
        if isinstance(linked, str):
            device = devices.async_get(linked, include_composite_devices=False)
            if device is not None:
                return device
        return devices.async_get_or_create(
            config_entry_id=self.entry.entry_id,
            config_subentry_id=subentry.subentry_id,
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
        )

    @callback
    def _follow_devices(self) -> CALLBACK_TYPE:
        """When a linked device is removed, give the appliance one of our own."""

        @callback
        def is_removed(data: dr.EventDeviceRegistryUpdatedData) -> bool:
            return data["action"] == "remove"

        @callback
        def relink(event: Any) -> None:
            if event.data["device_id"] in {device.id for device in self._devices.values()}:
                self._link_devices()

        return self.hass.bus.async_listen(
            dr.EVENT_DEVICE_REGISTRY_UPDATED, relink, event_filter=is_removed
        )

    @callback
    def _remove_switches_of_gone_recipients(self) -> None:
        """An appliance's entities go with its subentry; a recipient's switches we remove."""
        entities = er.async_get(self.hass)
        present = self.entry.subentries
        for entity in er.async_entries_for_config_entry(entities, self.entry.entry_id):
            if (
                entity.domain == Platform.SWITCH
                and entity.translation_key == CONSENT_KEY
                and entity.unique_id.rpartition("_")[2] not in present
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
