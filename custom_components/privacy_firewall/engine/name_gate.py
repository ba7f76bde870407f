"""The DNS gate as the household has it: opened with its resolvers, closed with them."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from ipaddress import ip_address
import logging
from time import monotonic

from .addresses import unmapped
from .events import Event, GateChanged, ResolversChanged
from .gates.dns.message import AAAA, A
from .gates.dns.server import DnsGate
from .gates.dns.upstream import ResolverError, Resolvers
from .lookups import Lookups
from .names import fold
from .naming import NameStatus, Naming, Resolver

GATE = "dns"

_LOGGER = logging.getLogger(__name__)


class NameGate:
    """Answers names, or does not. Everything is called from one event loop."""

    def __init__(
        self,
        lookups: Lookups,
        *,
        resolve_mac: Callable[[str], str | None],
        resolve_addresses: Callable[[str], Collection[str]],
        on_event: Callable[[Event], None],
    ) -> None:
        """Wire it; `open` starts it.

        `resolve_mac` tells the MAC of a local address if known, `resolve_addresses` the IPv4
        addresses of a MAC.
        """
        self.lookups = lookups
        self._resolve_mac = resolve_mac
        self._resolve_addresses = resolve_addresses
        self._on_event = on_event
        self._gate: DnsGate | None = None
        self._resolvers: Resolvers | None = None
        self._is_wanted = False
        self.silence: ResolversChanged | None = None
        """Set while none of the household's resolvers answers."""

    def configure(self, naming: Naming) -> None:
        """Bring the household's choices into force."""
        self.lookups.configure(naming)
        if self._gate is not None:
            self._gate.forget_answers()

    async def open(self, host: str, port: int, resolvers: Sequence[Resolver]) -> int:
        """Listen on one address and port (0: any free one), ask these; return the port.

        Raises `OSError` where it is taken or not ours, `ValueError` where a resolver is this gate
        itself, or there is none. An open gate is closed first.
        """
        await self.close()
        self._is_wanted = True
        if not resolvers:
            raise ValueError("there is no resolver to ask")
        own = unmapped(ip_address(host))
        if port and any((ip_address(one.address), one.port) == (own, port) for one in resolvers):
            raise ValueError("a resolver is the gate itself")
        stated = tuple(map(str, resolvers))
        asked = Resolvers(resolvers, on_hearing=lambda: self._hear(asked, stated))
        gate = DnsGate(
            self.lookups,
            asked,
            resolve_mac=self._resolve_mac,
            resolve_addresses=self._resolve_addresses,
        )
        await asked.open()
        try:
            opened = await gate.open(host, port)
        except BaseException:
            await asked.close()
            raise
        self._gate, self._resolvers = gate, asked
        self._on_event(GateChanged(gate=GATE, is_open=True))
        return opened

    async def close(self) -> None:
        """Stop listening, and drop what is under way; it is not wanted any more."""
        self._is_wanted = False
        gate, self._gate = self._gate, None
        resolvers, self._resolvers = self._resolvers, None
        # Of others, or later, it is not known.
        self.silence = None
        if gate is not None:
            await gate.close()
            self._on_event(GateChanged(gate=GATE, is_open=False))
        if resolvers is not None:
            await resolvers.close()
        await self.lookups.settle()
        self.lookups.stop()

    async def try_resolvers(self) -> bool:
        """Ask the resolvers for the root, which is nobody's name; tell whether one answers."""
        if self._resolvers is None:
            return False
        try:
            await self._resolvers.ask(b"\0", A)
        except ResolverError:
            return False
        return True

    def _hear(self, asked: Resolvers, stated: tuple[str, ...]) -> None:
        """Take note that nobody answers any more, or that somebody does again; say so once."""
        hearing, now = asked.hearing, self.lookups.now() - monotonic()
        told = ResolversChanged(
            is_silent=hearing.is_silent,
            resolvers=stated,
            since=now + (hearing.since or 0.0),
            last_answer=None if hearing.heard_at is None else now + hearing.heard_at,
        )
        if asked is not self._resolvers:
            return
        self.silence = told if told.is_silent else None
        if told.is_silent:
            _LOGGER.warning("No resolver answers: %s", ", ".join(stated))
        else:
            _LOGGER.info("A resolver answers again")
        self._on_event(told)

    @property
    def is_open(self) -> bool:
        """Tell whether the gate listens."""
        return self._gate is not None

    @property
    def is_down(self) -> bool:
        """Tell whether the gate is wanted and does not listen."""
        return self._is_wanted and self._gate is None

    @property
    def address(self) -> tuple[str, int] | None:
        """Return where the gate listens, or None."""
        return self._gate.address if self._gate is not None else None

    async def addresses_of(self, host: str) -> list[str] | None:
        """Return the addresses of a host as the household's resolvers know them.

        None while the gate is closed, and for the home's own names where no resolver is at home:
        then this machine's own resolver is to be asked. With an open gate that may be this very
        gate, which refuses such names. Raises `OSError` where nobody answers, or for no host name.
        """
        resolvers = self._resolvers
        if resolvers is None:
            return None
        try:
            name = fold(host)
        except ValueError as err:
            raise OSError("not a host name") from err
        if self.lookups.stays_at_home(name):
            return None
        wire_name = _wire(name)
        try:
            answers = await asyncio.gather(*(resolvers.ask(wire_name, kind) for kind in (A, AAAA)))
        except ResolverError as err:
            raise OSError("no resolver answered") from err
        return [str(ip_address(one)) for answer in answers for one in answer.own]

    async def divert(self, zone: str, port: int | None) -> None:
        """Ask this port of this machine for names below a zone; None ends and forgets it."""
        if self._resolvers is not None:
            resolver = None if port is None else Resolver(address="127.0.0.1", port=port)
            await self._resolvers.divert(_wire(zone), resolver)
        if self._gate is not None and port is None:
            self._gate.forget_below(zone)

    def status(self) -> NameStatus:
        """Return what was observed since the start."""
        return self.lookups.status()


def _wire(name: str) -> bytes:
    """Return a folded host name as it stands on the wire."""
    labels = name.encode("ascii").split(b".")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
