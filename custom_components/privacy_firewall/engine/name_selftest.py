"""The self-test of the DNS gate: questions from outside, and a resolver of our own that watches.

An appliance that only the test knows asks, over a real socket, for names that only the test knows.
Whatever of these would go on to the household's resolvers goes to the test's own instead, and is
searched for all that must not leave.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
import secrets
import socket
import struct
from typing import Self, override

from .model import Appliance, Endpoint, Purpose, Recipient
from .selftest import CANARY, SETTLE, TIMEOUT, Check, Step

GATE = "dns"
KINDS = ("name", "client_subnet", "mac_option", "cookie", "letter_case")
_A, _OPT, _IN = 1, 41, 1
_HEADER = struct.Struct("!HHHHHH")
_ECS, _COOKIE, _MAC = 8, 10, 65001
"""EDNS options: client subnet (RFC 7871), cookie (RFC 7873), and the MAC as dnsmasq adds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What one run asks for: new names each time."""

    zone: str = field(default_factory=lambda: f"{secrets.token_hex(6)}.self-test.example")

    @property
    def opaque(self) -> str:
        """A name whose traffic no gate can read."""
        return f"cloud.{self.zone}"

    @property
    def readable(self) -> str:
        """A name that must lead to a gate."""
        return f"api.{self.zone}"

    @property
    def unclaimed(self) -> tuple[str, ...]:
        """Names that nobody claims, one of them below one that somebody does."""
        return f"elsewhere.{self.zone}", f"serial-{secrets.token_hex(4)}.{self.opaque}"


def address() -> str:
    """Return an address of this machine from which nobody else asks."""
    return ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])


def appliance_and_recipient(names: Names, source: str) -> tuple[Appliance, Recipient]:
    """Return who asks in the test, and for whose names."""
    return (
        Appliance(id=CANARY, name="Self-test", addresses=frozenset({source})),
        Recipient(
            id=CANARY,
            organisation="Self-test",
            purpose=Purpose.FUNCTION,
            endpoints=(Endpoint(host=names.readable),),
            names=frozenset({names.opaque}),
            # Its resolver answers with this machine.
            allow_private=True,
        ),
    )


class Watching(asyncio.DatagramProtocol):
    """The test's own resolver: keeps every question that arrives, and answers each."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.port = 0
        self._received: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        """Listen on the loopback; raises `OSError`."""
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.DatagramTransport):
            self._transport = transport
            self.port = transport.get_extra_info("sockname")[1]

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received.append(data)
        end = data.find(b"\0", 12) + 5
        # The loopback's address, not to be kept for a moment.
        record = struct.pack("!HHHIH4s", 0xC00C, _A, _IN, 0, 4, bytes([127, 0, 0, 1]))
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
        if self._transport is not None:
            self._transport.sendto(head + data[12:end] + record, addr)

    def take(self) -> list[bytes]:
        """Return what arrived since the last time."""
        received, self._received = self._received, []
        return received


async def run(
    gate: tuple[str, int],
    watching: Watching,
    names: Names,
    source: str,
    give: Callable[[bool], Awaitable[None]],
    *,
    silent: bool,
) -> tuple[Check, ...]:
    """Try every step at a gate; return what came of each.

    `give` brings the consent for what cannot be read into force, or takes it away. `silent` says
    that a lockdown holds: then even what is consented must not arrive.
    """
    prober = _Prober(gate, watching, source)
    checks = [await prober.closed(Step.NOTHING_CONSENTED, names.opaque)]
    await give(True)
    try:
        checks.append(
            await prober.closed(Step.ONE_CONSENTED, names.opaque)
            if silent
            else await prober.open(Step.ONE_CONSENTED, names.opaque)
        )
        checks.append(await prober.closed(Step.UNCLAIMED, *names.unclaimed))
        checks.append(await prober.closed(Step.STEERED, names.readable))
    finally:
        await give(False)
    checks.append(await prober.closed(Step.WITHDRAWN, names.opaque))
    return tuple(checks)


class _Prober:
    """Asks, and looks at what arrives."""

    def __init__(self, gate: tuple[str, int], watching: Watching, source: str) -> None:
        self._gate = gate
        self._watching = watching
        self._source = source
        self._subnet = bytes([192, 168, secrets.randbelow(256)])
        self._mac = bytes([2, *secrets.token_bytes(5)])
        self._cookie = secrets.token_bytes(8)

    async def closed(self, step: Step, *asked: str) -> Check:
        """Ask; nothing at all may arrive, and there must be an answer."""
        came_out: list[str] = []
        problem: str | None = None
        for name in asked:
            arrived, answered = await self._ask(name)
            if arrived:
                came_out += ["name", *self._found(arrived)]
            elif not answered:
                problem = "no_answer"
        return Check(
            gate=GATE,
            step=step,
            kinds=KINDS,
            came_out=tuple(dict.fromkeys(came_out)),
            problem=problem,
        )

    async def open(self, step: Step, name: str) -> Check:
        """Ask; the name must arrive, and nothing else of the question."""
        arrived, answered = await self._ask(name)
        problem = None if arrived else "nothing_arrived"
        if problem is None and not answered:
            problem = "no_answer"
        return Check(
            gate=GATE, step=step, kinds=KINDS, came_out=tuple(self._found(arrived)), problem=problem
        )

    def _found(self, arrived: list[bytes]) -> list[str]:
        whole = b"".join(arrived)
        marks = {
            "client_subnet": self._subnet,
            "mac_option": self._mac,
            "cookie": self._cookie,
            # As it was spelled: a resolver's own spelling is random, and this one is unlikely.
            "letter_case": self._spelled,
        }
        return [kind for kind, mark in marks.items() if mark in whole]

    _spelled = b""

    async def _ask(self, name: str) -> tuple[list[bytes], bool]:
        """Ask, with much that tells who asks; return what arrived, and if it was answered."""
        self._watching.take()
        spelled = "".join(
            one.upper() if number % 2 else one for number, one in enumerate(name)
        ).encode()
        labels = b"".join(bytes([len(one)]) + one for one in spelled.split(b".")) + b"\0"
        self._spelled = labels
        options = b"".join(
            struct.pack("!HH", code, len(value)) + value
            for code, value in (
                (_ECS, b"\0\1\x18\0" + self._subnet),
                (_COOKIE, self._cookie),
                (_MAC, self._mac),
            )
        )
        number = secrets.token_bytes(2)
        question = (
            number
            + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1)
            + labels
            + struct.pack("!HH", _A, _IN)
            + b"\0"
            + struct.pack("!HHIH", _OPT, 1_232, 0, len(options))
            + options
        )
        answer = await _exchange(self._gate, self._source, question)
        await asyncio.sleep(SETTLE)
        return self._watching.take(), answer[:2] == number


async def _exchange(gate: tuple[str, int], source: str, question: bytes) -> bytes:
    """Send a question from an address of its own; return the answer, empty for none."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in gate[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        with suppress(OSError, TimeoutError):
            sock.bind((source, 0))
            sock.connect(gate)
            await loop.sock_sendall(sock, question)
            async with asyncio.timeout(TIMEOUT):
                return await loop.sock_recv(sock, 4_096)
    return b""
