"""The household's resolvers: asked over UDP, over TCP where that is too small, or over TLS.

Whoever did not see a question has to guess its number, the port it came from and the case of each
letter of the name (RFC 5452; draft-vixie-dnsext-dns0x20). A resolver that was stated with a name is
asked over TLS (RFC 7858) and never in the clear.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
import os
import socket
import ssl
from time import monotonic
from typing import Protocol

from ...errors import EngineError
from ...naming import Resolver
from .answer import Answer, read_answer
from .message import REFUSED, SERVER_FAILURE, Malformed, randomise_case, write_question

TRY_SECONDS = 2.0
"""Seconds after which the next way is tried, connecting included."""
CONNECT_SECONDS = 5.0
"""Seconds for a TCP connection with its TLS handshake; what waits for it may be tried twice."""
TRIES = 3
"""Ways tried for one question: over all resolvers in turn, the last of them over TCP."""
MAX_UNDER_WAY = 4_000
"""Different questions under way at the same time."""
SOCKETS = 8
"""UDP sockets per resolver, each with a port of the system's choice."""
QUESTIONS_PER_SOCKET = 256
"""Questions after which a socket, and with it the port, is given up for another."""
AVOID_SECONDS = 30.0
"""Seconds for which a resolver that did not answer comes after the others."""
CLOSE_SECONDS = 1.0
"""Seconds that a connection has to end."""
BATCH = 64
"""Datagrams read at once."""
IDLE_SECONDS = 20.0
"""Seconds after which a connection without questions is closed (RFC 7766, section 6.2.3)."""
_MAX_DATAGRAM = 4_096


class ResolverError(EngineError):
    """No resolver answered, or the question may not be asked any more."""


type Done = Callable[[Answer | None], None]
"""Called once with what was answered, or with None where nobody did."""


class _Holder(Protocol):
    """Where a question waits for its answer: a UDP socket, or a stream."""

    pending: dict[int, _Question]


@dataclass(frozen=True, slots=True)
class _Way:
    """A resolver, and whether it is asked over a stream."""

    peer: _Peer
    is_stream: bool


@dataclass(slots=True, eq=False)
class _Question:
    """One question under way, for everybody who asks the same."""

    wire_name: bytes
    kind: int
    dnssec_ok: bool
    checking_disabled: bool
    ways: list[_Way] = field(default_factory=list[_Way])
    """What is still to be tried, last first."""
    waiters: list[Done] = field(default_factory=list[Callable[[Answer | None], None]])
    allowed: list[Callable[[], bool]] = field(default_factory=list[Callable[[], bool]])
    error: Answer | None = None
    """An answer that is an error: given where nobody knows better."""
    sent: bytes = b""
    number: int = 0
    holder: _Holder | None = None
    peer: _Peer | None = None
    attempt: int = 0
    """Counts the ways tried; one more once it is over."""
    is_over: bool = False

    @property
    def key(self) -> tuple[bytes, int, bool, bool]:
        """Return what is asked."""
        return self.wire_name, self.kind, self.dnssec_ok, self.checking_disabled

    def may_be_sent(self) -> bool:
        """Tell whether anybody who asks it still may."""
        return any(one() for one in self.allowed)

    def write(self, number: int, wire_name: bytes) -> bytes:
        """Return it as bytes, and keep them: an answer repeats them."""
        self.number = number
        self.sent = write_question(
            number,
            wire_name,
            self.kind,
            dnssec_ok=self.dnssec_ok,
            checking_disabled=self.checking_disabled,
        )
        return self.sent

    def let_go(self) -> None:
        """Wait no longer where it was sent last."""
        if self.holder is not None:
            self.holder.pending.pop(self.number, None)
            self.holder = None


class _Random:
    """Random numbers from the system, fetched some thousand bytes at a time."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0

    def number(self, size: int) -> int:
        """Return a number of so many bytes."""
        if self._at + size > len(self._bytes):
            self._bytes, self._at = os.urandom(4_096), 0
        self._at += size
        return int.from_bytes(self._bytes[self._at - size : self._at])

    def unused(self, pending: dict[int, _Question]) -> int:
        """Return a question's number that waits for no answer."""
        while (number := self.number(2)) in pending:
            pass
        return number


class Resolvers:
    """Asks the resolvers in their order; one that does not answer comes last for a while."""

    def __init__(
        self, resolvers: Sequence[Resolver], *, trust: ssl.SSLContext | None = None
    ) -> None:
        """Keep whom to ask. `trust` verifies certificates; by default the system's roots do."""
        self.random = _Random()
        self.trust = trust
        self._peers = [_Peer(one, self) for one in resolvers]
        self._under_way: dict[tuple[bytes, int, bool, bool], _Question] = {}
        self._sent: deque[tuple[float, _Question, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._has_failed = False
        self._usual = self._ways_over(self._peers)
        self._diverted: tuple[bytes, _Peer] | None = None

    async def open(self) -> None:
        """Get ready; nothing is connected before the first question."""
        if self.trust is None and any(peer.resolver.tls_name for peer in self._peers):
            # It reads the roots from the disk.
            self.trust = await asyncio.to_thread(ssl.create_default_context)
        self._is_open = True

    async def close(self) -> None:
        """End everything; what is under way is not answered."""
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sent.clear()
        for question in list(self._under_way.values()):
            question.let_go()
            self._finish(question, None)
        for peer in self._peers:
            await peer.close()
        await self.divert(b"", None)

    async def ask(
        self,
        wire_name: bytes,
        kind: int,
        *,
        dnssec_ok: bool = False,
        checking_disabled: bool = False,
        may_send: Callable[[], bool] | None = None,
    ) -> Answer:
        """Ask and wait for the answer, as `start` does; raises `ResolverError`."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(answer: Answer | None) -> None:
            if waiter.done():
                return
            if answer is None:
                waiter.set_exception(ResolverError("no resolver answered"))
            else:
                waiter.set_result(answer)

        self.start(
            wire_name,
            kind,
            done,
            dnssec_ok=dnssec_ok,
            checking_disabled=checking_disabled,
            may_send=may_send,
        )
        return await waiter

    def start(
        self,
        wire_name: bytes,
        kind: int,
        done: Done,
        *,
        dnssec_ok: bool = False,
        checking_disabled: bool = False,
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        """Ask for a name (lower case, as on the wire) and a type; `done` may be called at once.

        `may_send` is asked right before the question goes out, each time. Who asks what is under
        way already gets that one's answer.
        """
        question = self._under_way.get((wire_name, kind, dnssec_ok, checking_disabled))
        is_new = question is None
        if question is None:
            if not self._is_open or len(self._under_way) >= MAX_UNDER_WAY:
                done(None)
                return
            ways = self._ways() if self._diverted is None else self._ways_for(wire_name)
            question = _Question(wire_name, kind, dnssec_ok, checking_disabled, ways)
            self._under_way[question.key] = question
        question.waiters.append(done)
        question.allowed.append(may_send or _always)
        if is_new:
            self.go_on(question)

    def _ways(self) -> list[_Way]:
        """Return what is to be tried, last first."""
        if not self._has_failed:
            return self._usual.copy()
        now = monotonic()
        self._has_failed = any(now - peer.failed_at < AVOID_SECONDS for peer in self._peers)
        peers = sorted(self._peers, key=lambda peer: now - peer.failed_at < AVOID_SECONDS)
        return self._ways_over(peers)

    async def divert(self, zone: bytes, resolver: Resolver | None) -> None:
        """Ask another resolver, once, for names below a zone (lower case, as on the wire).

        For the self-test, whose names are nobody else's business. None ends it.
        """
        diverted, self._diverted = self._diverted, None
        if diverted is not None:
            await diverted[1].close()
        if resolver is not None:
            self._diverted = zone, _Peer(resolver, self)

    def _ways_for(self, wire_name: bytes) -> list[_Way]:
        if self._diverted is not None and wire_name.endswith(self._diverted[0]):
            return [_Way(self._diverted[1], is_stream=False)]
        return self._ways()

    def note_failure(self, peer: _Peer) -> None:
        """Take note that a resolver did not answer."""
        peer.failed_at = monotonic()
        self._has_failed = True

    def _ways_over(self, peers: Sequence[_Peer]) -> list[_Way]:
        if not peers:
            return []
        ways = [_Way(peers[turn % len(peers)], is_stream=False) for turn in range(TRIES)]
        # A box in between may lose datagrams, or change the case of letters.
        ways[-1] = _Way(ways[-1].peer, is_stream=True)
        ways.reverse()
        return ways

    # --- What peers tell ---

    def go_on(self, question: _Question) -> None:
        """Try the next way; without one, answer with what there is."""
        while question.ways and question.may_be_sent():
            way = question.ways.pop()
            question.attempt += 1
            question.peer = way.peer
            if way.peer.send(question, is_stream=way.is_stream):
                self._note_sent(question)
                return
        self._finish(question, question.error)

    def _note_sent(self, question: _Question) -> None:
        while self._sent and self._sent[0][1].is_over:
            self._sent.popleft()
        self._sent.append((monotonic() + TRY_SECONDS, question, question.attempt))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TRY_SECONDS, self._look)

    def take(self, question: _Question, answer: Answer, peer: _Peer, *, is_stream: bool) -> None:
        """Take an answer to a question that waits no longer where it was sent."""
        peer.failed_at = -inf
        if answer.truncated and not is_stream:
            question.ways.append(_Way(peer, is_stream=True))
            self.go_on(question)
        elif answer.rcode in (SERVER_FAILURE, REFUSED):
            question.error = answer
            # Another may know; the same one would say the same.
            question.ways = [way for way in question.ways if way.peer is not peer]
            self.go_on(question)
        else:
            self._finish(question, answer)

    def _finish(self, question: _Question, answer: Answer | None) -> None:
        question.is_over = True
        question.attempt += 1
        self._under_way.pop(question.key, None)
        for done in question.waiters:
            done(answer)

    def _look(self) -> None:
        """Give up what takes too long. All have the same time, so the oldest stand first."""
        self._timer = None
        now = monotonic()
        while self._sent:
            due, question, attempt = self._sent[0]
            if question.attempt == attempt and due > now:
                self._timer = asyncio.get_running_loop().call_later(due - now, self._look)
                return
            self._sent.popleft()
            if question.attempt == attempt:
                question.let_go()
                if question.peer is not None:
                    self.note_failure(question.peer)
                self.go_on(question)


def _always() -> bool:
    return True


class _Port:
    """One UDP socket to one resolver."""

    __slots__ = ("asked", "pending", "sock")

    def __init__(self, resolver: Resolver) -> None:
        """Open it at a port that the system chooses; raises `OSError`."""
        family = socket.AF_INET6 if ":" in resolver.address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.sock.setblocking(False)
            # Connected: the system drops what comes from anybody else.
            self.sock.connect((resolver.address, resolver.port))
        except BaseException:
            self.sock.close()
            raise
        self.pending: dict[int, _Question] = {}
        self.asked = 0


class _Peer:
    """One resolver, and all that leads to it."""

    def __init__(self, resolver: Resolver, owner: Resolvers) -> None:
        """Start with nothing open."""
        self.resolver = resolver
        self.failed_at = -inf
        self.owner = owner
        self._ports: list[_Port | None] = [None] * SOCKETS
        self._retired: set[_Port] = set()
        self._stream = _Stream(self)

    def send(self, question: _Question, *, is_stream: bool) -> bool:
        """Send a question, or tell that it cannot be."""
        if is_stream or self.resolver.tls_name is not None:
            self._stream.send(question)
            return True
        try:
            port = self._port()
            number = self.owner.random.unused(port.pending)
            bits = self.owner.random.number(len(question.wire_name))
            port.sock.send(question.write(number, randomise_case(question.wire_name, bits)))
        except OSError:
            self.owner.note_failure(self)
            return False
        port.asked += 1
        port.pending[number] = question
        question.holder = port
        return True

    def _port(self) -> _Port:
        slot = self.owner.random.number(1) % SOCKETS
        port = self._ports[slot]
        if port is None or port.asked >= QUESTIONS_PER_SOCKET:
            if port is not None:
                # It stays for as long as anybody waits at it.
                self._retired.add(port)
            for one in [one for one in self._retired if not one.pending]:
                self._retired.discard(one)
                _close(one)
            port = self._ports[slot] = _Port(self.resolver)
            asyncio.get_running_loop().add_reader(port.sock.fileno(), self._read, port)
        return port

    def _read(self, port: _Port) -> None:
        """Take what has arrived at a socket, up to a batch."""
        for _ in range(BATCH):
            try:
                data = port.sock.recv(_MAX_DATAGRAM)
            except BlockingIOError, InterruptedError:
                return
            except OSError:
                # Nobody listens there (ICMP): no use in waiting.
                self.owner.note_failure(self)
                self.fail(port)
                return
            question = port.pending.get(int.from_bytes(data[:2]))
            if question is None:
                continue
            try:
                answer = read_answer(data, question.sent)
            except Malformed:
                # Somebody guesses; the true one may still come.
                continue
            question.let_go()
            self.owner.take(question, answer, self, is_stream=False)

    def fail(self, holder: _Holder) -> None:
        """Let everything that waits somewhere go on to its next way."""
        for question in list(holder.pending.values()):
            question.let_go()
            self.owner.go_on(question)

    async def close(self) -> None:
        """Close every socket and connection."""
        for port in [*self._ports, *self._retired]:
            if port is not None:
                _close(port)
        self._ports = [None] * SOCKETS
        self._retired.clear()
        await self._stream.close()


def _close(port: _Port) -> None:
    asyncio.get_running_loop().remove_reader(port.sock.fileno())
    port.sock.close()


class _Stream:
    """A connection to one resolver, over TLS where it has a name; many questions at once."""

    def __init__(self, peer: _Peer) -> None:
        """Connect with the first question."""
        self.pending: dict[int, _Question] = {}
        self._peer = peer
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    def send(self, question: _Question) -> None:
        """Send a question now, or as soon as there is a connection."""
        number = self._peer.owner.random.unused(self.pending)
        # Nobody can answer in another's place here: the name stays as it is.
        question.write(number, question.wire_name)
        self.pending[number] = question
        question.holder = self
        if self._writer is not None and not self._writer.is_closing():
            _write(self._writer, question)
        elif self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Connect, ask, and read answers until the connection ends."""
        peer, writer = self._peer, None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await self._connect()
            # Some may not be asked any more; they go on and find out.
            for question in list(self.pending.values()):
                if question.may_be_sent():
                    _write(writer, question)
                else:
                    question.let_go()
                    peer.owner.go_on(question)
            self._writer = writer
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                self._take(data)
        except OSError, TimeoutError, asyncio.IncompleteReadError, ssl.CertificateError:
            if self.pending:
                peer.owner.note_failure(peer)
        finally:
            self._writer, self._task = None, None
            # Each finds its next way, over a new connection if it is the same one.
            peer.fail(self)
            if writer is not None:
                writer.close()
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        resolver = self._peer.resolver
        if resolver.tls_name is None:
            return await asyncio.open_connection(resolver.address, resolver.port)
        return await asyncio.open_connection(
            resolver.address,
            resolver.port,
            ssl=self._peer.owner.trust,
            server_hostname=resolver.tls_name,
        )

    def _take(self, data: bytes) -> None:
        question = self.pending.get(int.from_bytes(data[:2]))
        if question is None:
            return
        try:
            answer = read_answer(data, question.sent)
        except Malformed as err:
            raise ConnectionError("what came over the connection is no answer") from err
        question.let_go()
        self._peer.owner.take(question, answer, self._peer, is_stream=True)

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def _write(writer: asyncio.StreamWriter, question: _Question) -> None:
    writer.write(len(question.sent).to_bytes(2) + question.sent)
