"""Clients that are no appliances: remembered while they ask, and told of without haste."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from .events import Event, StrangerSeen
from .naming import Lookup, Stranger

MAX_STRANGERS = 500
"""Clients remembered; the one heard of longest ago is forgotten."""
MAX_TOLD = 100
"""Told of within `TOLD_SECONDS`; others are told of when they ask after that."""
TOLD_SECONDS = 600.0
MAX_NAMES = 12
"""Names remembered of each."""


@dataclass(slots=True)
class _Client:
    mac: str | None
    first_seen: float
    last_seen: float
    asked: int = 0
    is_told: bool = False
    names: OrderedDict[str, None] = field(default_factory=OrderedDict[str, None])


class Strangers:
    """Who was heard of since the start, by address; who has another MAC there is another."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        """Start with nobody."""
        self._on_event = on_event
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._told: OrderedDict[tuple[str, str | None], float] = OrderedDict()

    def note(self, lookup: Lookup, now: float) -> None:
        """Take note of a question."""
        address, mac = lookup.source.address, lookup.source.mac or None
        known = self._clients.get(address)
        if known is None or (mac is not None and known.mac not in (None, mac)):
            known = self._clients[address] = _Client(mac, now, now)
            if len(self._clients) > MAX_STRANGERS:
                self._clients.popitem(last=False)
        elif mac is not None and known.mac is None:
            known.mac, known.is_told = mac, False
        if not known.is_told:
            known.is_told = self._tell(address, known.mac)
        self._clients.move_to_end(address)
        known.asked += 1
        known.last_seen = now
        known.names[lookup.name] = None
        known.names.move_to_end(lookup.name)
        if len(known.names) > MAX_NAMES:
            known.names.popitem(last=False)

    def _tell(self, address: str, mac: str | None) -> bool:
        """Tell of it, unless it was told of late; return False where it has to wait for others."""
        at = monotonic()
        while self._told and (
            len(self._told) > MAX_TOLD or at - next(iter(self._told.values())) > TOLD_SECONDS
        ):
            self._told.popitem(last=False)
        if (address, mac) in self._told:
            return True
        if len(self._told) >= MAX_TOLD:
            return False
        self._told[address, mac] = at
        self._on_event(StrangerSeen(address=address, mac=mac))
        return True

    def known(self) -> tuple[Stranger, ...]:
        """Return those that are remembered."""
        return tuple(
            Stranger(
                address=address,
                mac=one.mac,
                first_seen=one.first_seen,
                last_seen=one.last_seen,
                asked=one.asked,
                names=tuple(one.names),
            )
            for address, one in self._clients.items()
        )
