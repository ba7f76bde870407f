"""The self-test of the DNS gate: questions from outside, and a resolver of our own that watches.

An appliance that only the test knows asks, over real sockets, UDP and TCP, for names that only the
test knows. Whatever of these would go on to the household's resolvers goes to the test's own
instead, and is searched for all that must not leave. What the gate answers is compared with the
one answer that is right: the refusal that the household chose, the gate that can read, or the
address that nobody but the test's resolver can know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
import secrets
import socket
import struct
from typing import Self, override

from .model import Appliance, Endpoint, Purpose, Recipient
from .name_answers import (
    AAAA,
    HTTPS,
    IN,
    NAME_ERROR,
    NO_ERROR,
    OPT,
    WIDTHS,
    A,
    Answer,
    Unreadable,
    read,
)
from .naming import Naming, Refusal
from .selftest import CANARY, SETTLE, TIMEOUT, Check, Step, loopback

GATE = "dns"
KINDS = ("name", "client_subnet", "mac_option", "cookie", "letter_case")
TTL = 300
"""Seconds for which the test's answers may be kept: longer than a run takes, so that what is
withdrawn is in the gate's cache."""
PORT_TRIES = 9
"""Further tries for a port that is free for UDP and TCP."""
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
    """The test's own resolver: keeps every question that arrives, and answers each.

    It listens over UDP and TCP. `addresses` are what it answers, by type and packed: new ones each
    time, of this machine and of no network (RFC 4193).
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.port = 0
        self.addresses = {A: ip_address(loopback()).packed, AAAA: b"\xfd" + secrets.token_bytes(15)}
        self._received: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen on the loopback; raises `OSError`."""
        for _ in range(PORT_TRIES):
            with suppress(OSError):
                return await self._open()
        return await self._open()

    async def _open(self) -> Self:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        port = int(transport.get_extra_info("sockname")[1])
        try:
            self._server = await asyncio.start_server(self._stream, "127.0.0.1", port)
        except OSError:
            transport.close()
            raise
        self._transport, self.port = transport, port
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received.append(data)
        if self._transport is not None:
            self._transport.sendto(self._answer(data), addr)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        begun = b""
        with suppress(OSError):
            # Not only whole questions: whatever arrives has left.
            while chunk := await reader.read(65_536):
                self._received.append(chunk)
                begun += chunk
                while len(begun) >= 2 and len(begun) >= (end := 2 + int.from_bytes(begun[:2])):
                    answer = self._answer(begun[2:end])
                    begun = begun[end:]
                    writer.write(len(answer).to_bytes(2) + answer)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, data: bytes) -> bytes:
        end = data.find(b"\0", 12) + 5
        known = self.addresses.get(int.from_bytes(data[end - 4 : end - 2]))
        records = b""
        if known is not None:
            kind = data[end - 4 : end - 2]
            records = b"\xc0\x0c" + kind + struct.pack("!HIH", IN, TTL, len(known)) + known
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, known is not None, 0, 0)
        return head + data[12:end] + records

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
    naming: Naming,
    silent: bool,
) -> tuple[Check, ...]:
    """Try every step at a gate; return what came of each.

    `give` brings the consent for what cannot be read into force, or takes it away. `naming` is
    what the household chose. `silent` says that a lockdown holds: then nothing at all is answered,
    neither what is consented nor what leads to a gate.
    """
    prober = _Prober(gate, watching, source, naming)
    checks = [await prober.closed(Step.NOTHING_CONSENTED, names.opaque)]
    await give(True)
    try:
        checks.append(
            await prober.closed(Step.ONE_CONSENTED, names.opaque)
            if silent
            else await prober.open(Step.ONE_CONSENTED, names.opaque)
        )
        checks.append(await prober.closed(Step.UNCLAIMED, *names.unclaimed))
        checks.append(
            await prober.closed(Step.STEERED, names.readable)
            if silent
            else await prober.steered(Step.STEERED, names.readable)
        )
    finally:
        await give(False)
    checks.append(await prober.closed(Step.WITHDRAWN, names.opaque))
    return tuple(checks)


type _Judge = Callable[[int, Answer], str | None]
"""From the type that was asked and what was answered: what is wrong with it, in a word."""


class _Prober:
    """Asks, and looks at what arrives and at what is answered."""

    def __init__(
        self, gate: tuple[str, int], watching: Watching, source: str, naming: Naming
    ) -> None:
        self._gate = gate
        self._watching = watching
        self._source = source
        self._refusal = naming.refusal
        self._steer_to = [ip_address(one).packed for one in naming.steer_to]
        self._subnet = bytes([192, 168, secrets.randbelow(256)])
        self._mac = bytes([2, *secrets.token_bytes(5)])
        self._cookie = secrets.token_bytes(8)

    async def closed(self, step: Step, *asked: str) -> Check:
        """Ask; nothing at all may arrive, and all must be refused as the household chose."""
        return await self._closed(step, asked, self._refused)

    async def steered(self, step: Step, name: str) -> Check:
        """Ask; nothing may arrive, and the answer must be the gate that can read, and no other."""
        if not self._steer_to:
            # Held back as well; but that it leads to a gate was not shown.
            check = await self.closed(step, name)
            return replace(check, problem=check.problem or "nothing_to_steer_to")
        return await self._closed(step, (name,), self._led)

    async def open(self, step: Step, name: str) -> Check:
        """Ask; the name must arrive, nothing else of the question, and the answer come back.

        An answer that only the test's resolver can give shows that the name arrived, be it earlier.
        """
        arrived, problem = await self._ask((name,), tuple(WIDTHS), self._known)
        if problem is not None and not arrived:
            problem = "nothing_arrived"
        return _check(step, self._found(arrived, name), problem)

    async def _closed(self, step: Step, asked: Sequence[str], judge: _Judge) -> Check:
        arrived, problem = await self._ask(asked, (*WIDTHS, HTTPS), judge)
        return _check(step, ["name", *self._found(arrived, *asked)] if arrived else [], problem)

    def _refused(self, kind: int, answer: Answer) -> str | None:
        is_null = self._refusal is Refusal.NULL_ADDRESS and kind in WIDTHS
        addresses = (bytes(WIDTHS[kind]),) if is_null else ()
        rcode = NAME_ERROR if self._refusal is Refusal.NAME_ERROR else NO_ERROR
        return None if answer == Answer(rcode, addresses) else "not_refused"

    def _led(self, kind: int, answer: Answer) -> str | None:
        wanted = [one for one in self._steer_to if len(one) == WIDTHS.get(kind)]
        addresses = answer.addresses
        if answer.rcode == NO_ERROR and addresses is not None and set(addresses) == set(wanted):
            return None
        return "led_nowhere" if addresses == () else "led_elsewhere"

    def _known(self, kind: int, answer: Answer) -> str | None:
        known = Answer(NO_ERROR, (self._watching.addresses[kind],))
        return None if answer == known else "wrong_address"

    def _found(self, arrived: list[bytes], *asked: str) -> list[str]:
        whole = b"".join(arrived)
        marks = {
            "client_subnet": [self._subnet],
            "mac_option": [self._mac],
            "cookie": [self._cookie],
            # As it was spelled: a resolver's own spelling is random, and this one is unlikely.
            "letter_case": [_spelled(one) for one in asked],
        }
        return [kind for kind, ones in marks.items() if any(one in whole for one in ones)]

    async def _ask(
        self, names: Sequence[str], kinds: Sequence[int], judge: _Judge
    ) -> tuple[list[bytes], str | None]:
        """Ask for each name and type over UDP and TCP.

        Returns what arrived, and what is wrong with the first answer that is not right.
        """
        self._watching.take()
        problems = await asyncio.gather(*(
            self._try(exchange, name, kind, judge)
            for name in names
            for kind in kinds
            for exchange in (_datagram, _stream)
        ))  # fmt: skip
        await asyncio.sleep(SETTLE)
        return self._watching.take(), next((one for one in problems if one is not None), None)

    async def _try(self, exchange: _Exchange, name: str, kind: int, judge: _Judge) -> str | None:
        question = self._question(name, kind)
        data = await exchange(self._gate, self._source, question)
        if not data:
            return "no_answer"
        try:
            return judge(kind, read(data, question))
        except Unreadable:
            return "unreadable_answer"

    def _question(self, name: str, kind: int) -> bytes:
        """Return a question with much that tells who asks."""
        options = b"".join(
            struct.pack("!HH", code, len(value)) + value
            for code, value in (
                (_ECS, b"\0\1\x18\0" + self._subnet),
                (_COOKIE, self._cookie),
                (_MAC, self._mac),
            )
        )
        return (
            secrets.token_bytes(2)
            + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1)
            + _spelled(name)
            + struct.pack("!HH", kind, IN)
            + b"\0"
            + struct.pack("!HHIH", OPT, 1_232, 0, len(options))
            + options
        )


def _check(step: Step, came_out: list[str], problem: str | None) -> Check:
    return Check(gate=GATE, step=step, kinds=KINDS, came_out=tuple(came_out), problem=problem)


def _spelled(name: str) -> bytes:
    """Return a name as it is asked for: every other letter a capital."""
    spelled = "".join(one.upper() if number % 2 else one for number, one in enumerate(name))
    labels = spelled.encode().split(b".")
    return b"".join(bytes([len(one)]) + one for one in labels) + b"\0"


type _Exchange = Callable[[tuple[str, int], str, bytes], Awaitable[bytes]]
"""Send a question to the gate from an address of its own; return the answer, empty for none."""


async def _datagram(gate: tuple[str, int], source: str, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in gate[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        with suppress(OSError, TimeoutError):
            sock.bind((source, 0))
            sock.connect(gate)
            await loop.sock_sendall(sock, question)
            async with asyncio.timeout(TIMEOUT):
                return await loop.sock_recv(sock, 65_535)
    return b""


async def _stream(gate: tuple[str, int], source: str, question: bytes) -> bytes:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection(*gate, local_addr=(source, 0))
            try:
                writer.write(len(question).to_bytes(2) + question)
                return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.close()
    return b""
