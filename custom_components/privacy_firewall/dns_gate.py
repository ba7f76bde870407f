"""The DNS gate at run time: opened, moved and closed as the entry's options say, without a reload.

Where it cannot open, the HTTP gate stays as it is: an issue says why, and it is tried again by
itself.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from homeassistant.const import CONF_HOST
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.core_config import Config
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .dns_stored import DnsGate, dns_gate, is_wanted, list_path, read_lists
from .engine.events import Event, Forgotten, GateChanged, NamesAsked
from .engine.naming import Listed, NameStatus
from .strangers import async_review_strangers

if TYPE_CHECKING:
    from .household import Household

RETRY_SECONDS = 60.0
"""How long after a failure it is tried again; until then nobody's names are answered."""
READ_LISTS_AGAIN = timedelta(hours=1)
"""How often is looked whether a list's file has changed."""
CONTACT_KEY = "in_contact"
"""Of the entities that tell of contact with a recipient; the recipient's id follows it."""
CONTACT_SECONDS = 3600.0
"""For how long after the last answer an appliance counts as in contact with a recipient."""

type _Signature = tuple[tuple[Path, int, int], ...]
"""Of the files: path, time of change in nanoseconds, size in bytes; 0 of what is not there."""


class DnsKeeper:
    """Keeps the DNS gate as the household chose."""

    def __init__(self, household: Household) -> None:
        """Start closed."""
        self._household = household
        self.place: tuple[str, int] | None = None
        """Where it listens now."""
        self.opened_at: datetime | None = None
        """When it opened there."""
        self.is_wanted = False
        """Whether the household turned it on, open or not."""
        self.epoch = 0
        """How often it was turned on: what was shown of it before was removed meanwhile."""
        self._opened: DnsGate | None = None
        self._chosen: DnsGate | None = None
        self._listed: Listed | None = None
        self._signature: _Signature = ()
        self.status = NameStatus()
        """What was observed, as it was last told; the engine makes it anew for whoever asks."""
        self._changing = asyncio.Lock()
        self._is_running = False
        self._retry: CALLBACK_TYPE | None = None
        self._undo: CALLBACK_TYPE | None = None

    async def async_start(self) -> None:
        """Begin to keep it; a gate that cannot open is no obstacle for the rest."""
        self._is_running = True
        await self.async_update()
        self._undo = async_track_time_interval(
            self._household.hass, self._async_again, READ_LISTS_AGAIN
        )

    async def async_stop(self) -> None:
        """Close it, and keep it closed."""
        self._is_running = False
        if self._undo is not None:
            self._undo()
            self._undo = None
        async with self._changing:
            await self._close()

    @property
    def tells_of_strangers(self) -> bool:
        """Tell whether the household wants to hear of clients that nobody named."""
        return self._chosen is not None and self._chosen.tells_of_strangers

    @callback
    def async_note(self) -> None:
        """Take over whether it is wanted, before entities are asked for."""
        before, self.is_wanted = self.is_wanted, is_wanted(self._household.entry)
        if self.is_wanted and not before:
            self.epoch += 1

    async def async_update(self) -> None:
        """Bring the options into force."""
        self.async_note()
        async with self._changing:
            if not self._is_running:
                return
            if (chosen := dns_gate(self._household.entry)) is not None:
                await self._keep(chosen)
            else:
                await self._close()
                self._household.issues.async_dns_gate(None)
                self._household.issues.async_lists(0)
        async_review_strangers(self._household)

    async def _keep(self, chosen: DnsGate) -> None:
        await self._read_lists(chosen)
        self._chosen = chosen
        self._configure()
        if self.place is None or self._opened is None or _differs(self._opened, chosen):
            await self._open(chosen)

    async def _async_again(self, _: datetime) -> None:
        await self.async_update()

    async def _open(self, chosen: DnsGate) -> None:
        self._wait_no_more()
        self._household.issues.async_resolvers(None)
        # Should it fail, it listens nowhere.
        self.place = self._opened = None
        try:
            await self._household.firewall.names.open(chosen.host, chosen.port, chosen.resolvers)
        except OSError as err:
            self._household.issues.async_dns_gate(err)
            self._retry = async_call_later(self._household.hass, RETRY_SECONDS, self._try_again)
        else:
            self.place, self._opened = (chosen.host, chosen.port), chosen
            self.opened_at = dt_util.utcnow()
            self._household.issues.async_dns_gate(None)

    async def _try_again(self, _: datetime) -> None:
        self._retry = None
        await self.async_update()

    def _wait_no_more(self) -> None:
        if self._retry is not None:
            self._retry()
            self._retry = None

    async def _close(self) -> None:
        self._wait_no_more()
        self.place = self._opened = self._chosen = None
        self._listed, self._signature = None, ()
        self._household.issues.async_resolvers(None)
        await self._household.firewall.names.close()

    @callback
    def _configure(self) -> None:
        """Tell the engine what was chosen, and where the gate is that can read."""
        if self._chosen is None:
            return
        household = self._household
        steer_to = (str(household.entry.data[CONF_HOST]),)
        household.firewall.names.configure(
            replace(
                self._chosen.naming,
                steer_to=steer_to if household.firewall.gate_is_open else (),
                listed=self._listed,
            )
        )

    async def _read_lists(self, chosen: DnsGate) -> None:
        """Read the lists that changed; one that cannot be read refuses nobody, and is said."""
        hass = self._household.hass
        if not chosen.lists:
            self._listed, self._signature = None, ()
            self._household.issues.async_lists(0)
            return
        signature = await hass.async_add_executor_job(_sign, hass.config, chosen.lists)
        if signature != self._signature:
            self._listed, unread = await hass.async_add_executor_job(
                read_lists, hass.config, chosen.lists
            )
            self._signature = signature
            self._household.issues.async_lists(unread)

    # --- What was observed ---

    @callback
    def async_hear(self, event: Event) -> None:
        """Follow the gate that can read, and who met whom."""
        if isinstance(event, GateChanged) and event.gate == "http":
            self._configure()
        elif isinstance(event, NamesAsked | Forgotten):
            before = self.status.contacts.keys()
            self.async_look()
            if before != self.status.contacts.keys():
                self._household.async_changed()

    @callback
    def async_look(self) -> None:
        """Take over what was observed until now."""
        self.status = self._household.firewall.names.status()

    def shown_of(self, appliance_id: str) -> tuple[int, frozenset[str]] | None:
        """Return what entities are made of: the recipients an appliance met; None while it is off.

        Also of those that it met before a restart, as the registry has it.
        """
        if not self.is_wanted:
            return None
        met = {recipient_id for one, recipient_id in self.status.contacts if one == appliance_id}
        registry = er.async_get(self._household.hass)
        for recipient_id in self._household.firewall.recipients.keys() - met:
            unique_id = f"{appliance_id}_{CONTACT_KEY}_{recipient_id}"
            if registry.async_get_entity_id("binary_sensor", DOMAIN, unique_id) is not None:
                met.add(recipient_id)
        return self.epoch, frozenset(met)

    def last_contact(self, appliance_id: str, recipient_id: str) -> float | None:
        """Return when an appliance was last led to a recipient, in seconds since 1970."""
        return self.status.contacts.get((appliance_id, recipient_id))

    def is_in_contact(self, appliance_id: str, recipient_id: str) -> bool:
        """Tell whether that was of late."""
        last = self.last_contact(appliance_id, recipient_id)
        return last is not None and self._household.firewall.now() - last < CONTACT_SECONDS


def _differs(before: DnsGate, after: DnsGate) -> bool:
    """Tell whether it must be opened anew; all else changes under it."""
    one, other = ((each.host, each.port, each.resolvers) for each in (before, after))
    return one != other


def _sign(config: Config, lines: tuple[str, ...]) -> _Signature:
    """Return the files as they are now. Blocks."""
    found: list[tuple[Path, int, int]] = []
    for line in lines:
        path = list_path(config, line)
        try:
            told = path.stat()
        except OSError:
            found.append((path, 0, 0))
        else:
            found.append((path, told.st_mtime_ns, told.st_size))
    return tuple(found)
