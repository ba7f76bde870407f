"""A home on the loopback: appliances that speak raw bytes, and a cloud that records every byte.

Source addresses 127.0.0.2 and following tell appliances apart; the cloud listens on 127.0.0.1.
"""

import array
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
import fcntl
from math import inf
from pathlib import Path
import socket
import struct
import termios
import threading
from typing import Any, NamedTuple

import pytest

from engine import Firewall, policy as rules
from engine.events import Decided, Event
from engine.journal import Entry
from engine.model import (
    Appliance,
    Category,
    ConsentState,
    DataPoint,
    Decider,
    Endpoint,
    Kind,
    Level,
    Purpose,
    Reason,
    Recipient,
)
from engine.policy import Along, Policy, Term

PATIENCE = 10.0
"""Seconds after which something that must happen counts as not happening."""
APPLIANCE = "127.0.0.2"
STRANGER = "127.0.0.99"


class Seen(NamedTuple):
    """A request as the cloud read it: its head in raw bytes, and its body without framing."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (one.partition(":") for one in lines)]


def reply(
    body: bytes = b'{"ok":true}', *headers: str, status: str = "200 OK", sized: bool = True
) -> bytes:
    """A response with a length, or without where the caller tells it some other way."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if sized:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


class Line:
    """One connection, as the cloud sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unread = bytearray()
        self.received = bytearray()
        self.requests: list[Seen] = []
        self.ended = asyncio.Event()

    async def more(self) -> bytes:
        """What arrives next; empty at the end, however it came."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
        except OSError:
            data = b""
        self.received += data
        if not data:
            self.ended.set()
        return data

    async def drain(self) -> None:
        """Read until the end."""
        while await self.more():
            pass

    async def _until(self, mark: bytes) -> bytes | None:
        while (at := self._unread.find(mark)) < 0:
            data = await self.more()
            if not data:
                return None
            self._unread += data
        taken = bytes(self._unread[:at])
        del self._unread[: at + len(mark)]
        return taken

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._unread) < size:
            data = await self.more()
            if not data:
                return None
            self._unread += data
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    async def request(self) -> Seen | None:
        """Read one request whole; None where the connection ends before."""
        head = await self._until(b"\r\n\r\n")
        if head is None:
            return None
        named = {name.lower(): value for name, value in Seen(head, b"").headers}
        assert "transfer-encoding" not in named, "what leaves has a length"
        body = await self._exactly(int(named.get("content-length", "0")))
        if body is None:
            return None
        seen = Seen(head, body)
        self.requests.append(seen)
        return seen

    async def send(self, data: bytes) -> None:
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._sock, data)

    def waiting(self) -> int:
        """How many bytes have arrived and were not yet read."""
        count = array.array("i", [0])
        fcntl.ioctl(self._sock, termios.FIONREAD, count)
        return count[0]

    def finish(self) -> None:
        """Say that no more comes, and go on listening."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        self._sock.close()


class Cloud:
    """A recording upstream. `script` replaces what it does with a connection."""

    def __init__(self, *, address: str = "127.0.0.1", receive_buffer: int | None = None) -> None:
        self._sock = socket.socket()
        if receive_buffer is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((address, 0))
        self._sock.listen(64)
        self._sock.setblocking(False)
        self.port: int = self._sock.getsockname()[1]
        self.lines: list[Line] = []
        self.script: Callable[[Line], Awaitable[None]] = self.converse
        self.answer: Callable[[Line, Seen], Awaitable[None]] = self._answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()

    async def _answer(self, line: Line, seen: Seen) -> None:
        await line.send(reply(b"") if seen.line.startswith(b"HEAD ") else reply())

    async def converse(self, line: Line) -> None:
        """Answer one request after the other."""
        while (seen := await line.request()) is not None:
            await self.answer(line, seen)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._sock)
            line = Line(sock)
            self.lines.append(line)
            self._arrived.set()
            self._start(self._serve(line))

    async def _serve(self, line: Line) -> None:
        try:
            await self.script(line)
        finally:
            line.close()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Cloud]:
        self._start(self._accept())
        try:
            yield self
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._sock.close()
        for one in ended:
            if isinstance(one, Exception):
                raise one

    async def line(self, number: int = 0) -> Line:
        """The connection of this number, as soon as it is there."""
        async with asyncio.timeout(PATIENCE):
            while len(self.lines) <= number:
                self._arrived.clear()
                await self._arrived.wait()
        return self.lines[number]

    @property
    def requests(self) -> list[Seen]:
        """Every request that was read whole, connection by connection."""
        return [seen for line in self.lines for seen in line.requests]

    @property
    def received(self) -> bytes:
        """Every byte that came."""
        return b"".join(line.received for line in self.lines)


class Answer(NamedTuple):
    """A response as an appliance reads it; `whole` only where its end was told."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool

    def header(self, name: str) -> str | None:
        return next((value for one, value in self.headers if one.lower() == name.lower()), None)


class Caller:
    """An appliance's connection to the gate."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, port: int, source: str = APPLIANCE) -> Caller:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock, limit=2**24))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Send byte by byte, so that the gate reads each by itself."""
        for at in range(len(data)):
            self.writer.write(data[at : at + 1])
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def answer(self, *, method: str = "POST") -> Answer:
        """Read one response; a broken one comes back not whole, none at all as status 0."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError, ConnectionError:
                return Answer(0, [], b"", False)
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            status = int(first.split(" ")[1])
            if status == 100:
                return await self.answer(method=method)
            headers = [
                (name, value.strip()) for name, _, value in (one.partition(":") for one in lines)
            ]
            body, whole = await self._body(method, status, headers)
            return Answer(status, headers, body, whole)

    async def _body(
        self, method: str, status: int, headers: list[tuple[str, str]]
    ) -> tuple[bytes, bool]:
        named = {name.lower(): value for name, value in headers}
        body = bytearray()
        if method == "HEAD" or status in (204, 304):
            return b"", True
        try:
            if "chunked" in named.get("transfer-encoding", ""):
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += await self.reader.readexactly(size)
                    await self.reader.readexactly(2)
                await self.reader.readexactly(2)
            elif "content-length" in named:
                body += await self.reader.readexactly(int(named["content-length"]))
            else:
                body += await self.reader.read(-1)
        except asyncio.IncompleteReadError as err:
            return bytes(body + err.partial), False
        except ConnectionError:
            return bytes(body), False
        return bytes(body), True

    async def rest(self) -> bytes:
        """Everything until the gate ends the connection."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                return await self.reader.read(-1)
        return b""

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def fridge(**changes: Any) -> Appliance:
    """An appliance known by its address."""
    return replace(
        Appliance(id="fridge", name="Fridge", addresses=frozenset({APPLIANCE})), **changes
    )


def frost(*lines: str, **changes: Any) -> Recipient:
    """A recipient on the loopback."""
    stated = Recipient(
        id="frost",
        organisation="Frost",
        purpose=Purpose.SERVICE,
        endpoints=tuple(Endpoint.parse(line) for line in lines),
        allow_private=True,
    )
    return replace(stated, **changes)


@dataclass(kw_only=True)
class House:
    """A firewall with its gate open, a fridge, and the cloud that the fridge reports to."""

    firewall: Firewall
    cloud: Cloud
    database: Path
    events: list[Event] = field(default_factory=list)
    port: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.cloud.port}"

    def configure(
        self,
        *appliances: Appliance,
        recipients: Iterable[Recipient] | None = None,
    ) -> None:
        self.firewall.configure(
            appliances or (fridge(),),
            (frost(f"http://{self.host}/"),) if recipients is None else recipients,
        )

    def request(
        self,
        body: bytes = b'{"door":true,"temp":4.5}',
        *headers: str,
        method: str = "POST",
        path: str = "/v1/report",
        host: str | None = None,
        version: str = "1.1",
        sized: bool = True,
    ) -> bytes:
        """A request of the fridge, in bytes."""
        lines = [f"{method} {path} HTTP/{version}", f"Host: {host or self.host}", *headers]
        if body and not any(one.lower().startswith("content-type:") for one in headers):
            lines.append("Content-Type: application/json")
        if sized and (body or method in ("POST", "PUT", "PATCH")):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join((*lines, "", "")).encode("latin-1") + body

    async def dial(self, source: str = APPLIANCE) -> Caller:
        return await Caller.dial(self.port, source)

    async def ask(self, raw: bytes, source: str = APPLIANCE) -> Answer:
        """Send one request on a connection of its own and read the answer."""
        caller = await self.dial(source)
        try:
            await caller.send(raw)
            return await caller.answer(method=raw.partition(b" ")[0].decode("latin-1"))
        finally:
            caller.close()

    def points(self, appliance: str = "fridge") -> dict[str, DataPoint]:
        """The data points by path; the last one where several share a path."""
        return {point.field.path: point for point in self.firewall.data_points(appliance)}

    async def grant_all(self, appliance: str = "fridge", level: Level = Level.EXACT) -> None:
        """Consent to everything seen so far."""
        for point in self.firewall.data_points(appliance):
            for recipient in point.recipients:
                await self.firewall.grant(point.id, recipient, how="switch", level=level)

    async def withdraw_all(self, appliance: str = "fridge") -> None:
        for point in self.firewall.data_points(appliance):
            for recipient in point.recipients:
                await self.firewall.withdraw(point.id, recipient, how="switch")

    async def teach(self, raw: bytes | None = None, source: str = APPLIANCE) -> None:
        """Let a request be seen once, denied, and consent to all of it."""
        before = len(self.cloud.requests)
        await self.ask(self.request() if raw is None else raw, source)
        assert len(self.cloud.requests) == before, "nothing leaves before consent"
        await self.grant_all()

    async def give(self, *paths: str, appliance: str = "fridge", **terms: Any) -> None:
        """Give the data points at these paths, or all that were seen, at once."""
        await self.firewall.decide(
            [
                (point.id, recipient)
                for point in self.firewall.data_points(appliance)
                if not paths or point.field.path in paths
                for recipient in point.recipients
            ],
            ConsentState.GIVEN,
            Decider(how="switch"),
            **terms,
        )

    async def restart(
        self,
        *,
        configure: bool = True,
        meanwhile: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        """Stop, and start anew on the same files."""
        await self.firewall.stop()
        meanwhile()
        self.firewall = Firewall(database=self.database, on_event=self.events.append, **options)
        await self.firewall.start()
        self.port = await self.firewall.open_gate("127.0.0.1", 0)
        if configure:
            self.configure()

    def told[E: Event](self, kind: type[E]) -> list[E]:
        """The events of a kind, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]

    async def sends(self, raw: bytes | None = None) -> bool:
        """Tell whether anything reaches the cloud of what the fridge sends now."""
        before = len(self.cloud.received)
        await self.ask(self.request() if raw is None else raw)
        return len(self.cloud.received) > before

    async def newest(self) -> Entry:
        return (await self.firewall.newest_entries(1))[0]

    @property
    def decided(self) -> list[Decided]:
        return [event for event in self.events if isinstance(event, Decided)]

    async def reason(self) -> Reason:
        """The reason of the newest decision."""
        return (await self.newest()).reason


@asynccontextmanager
async def house(path: Path, *, cloud: Cloud | None = None, **options: Any) -> AsyncIterator[House]:
    """A house with everything in place and nothing consented."""
    async with (cloud or Cloud()).open() as recording:
        events: list[Event] = []
        database = path / "firewall.db"
        firewall = Firewall(database=database, on_event=events.append, **options)
        built = House(firewall=firewall, cloud=recording, database=database, events=events)
        await firewall.start()
        try:
            built.port = await firewall.open_gate("127.0.0.1", 0)
            built.configure()
            yield built
        finally:
            async with asyncio.timeout(PATIENCE):
                await built.firewall.stop()


class _Everyone(dict[str, Term]):
    """A term for whichever recipient."""

    def get(self, key: str, default: Any = None) -> Any:
        return Term(level=Level.EXACT, kinds=frozenset(Kind), category=Category.READING, unit=None)


class _Everything(dict[Any, Any]):
    """A consent for whichever field."""

    def get(self, key: Any, default: Any = None) -> Any:
        return _Everyone()

    def __contains__(self, key: object) -> bool:
        return True


class _Everywhere(dict[Any, Any]):
    """Consents at whichever endpoint."""

    def get(self, key: Any, default: Any = None) -> Any:
        return _Everything()


def grant_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make policies under which every field there is, seen or not, is consented for everybody."""
    build = rules.build

    def generous(version: int, *stated: Any, **measures: Any) -> Policy:
        strict = build(version, *stated, **measures)
        everybody = {
            (one.id, other): frozenset({Along(inf, frozenset())})
            for one in strict.appliances
            for other in strict.recipients
        }
        return replace(strict, terms=_Everywhere(), consented=everybody)

    monkeypatch.setattr(rules, "build", generous)


class Resolver:
    """Stands in for the event loop's look-ups: counts them, and answers what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, list[str]]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None
        loop = asyncio.get_running_loop()
        look_up = loop.getaddrinfo

        async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
            if host not in self.answers:
                return await look_up(host, port, **options)
            self.asked.append(host)
            if self.hold is not None:
                await self.hold.wait()
            return [
                (
                    socket.AF_INET6 if ":" in address else socket.AF_INET,
                    socket.SOCK_STREAM,
                    socket.IPPROTO_TCP,
                    "",
                    (address, port, 0, 0) if ":" in address else (address, port),
                )
                for address in self.answers[host]
            ]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for does not tell
            await asyncio.sleep(0.005)


def storage_threads() -> list[threading.Thread]:
    """The engine's own threads that are there now."""
    return [one for one in threading.enumerate() if one.name.startswith("privacy_firewall")]
