"""A resolver made with dnspython: answers from a zone, or as it is told to; keeps what it saw."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
import socket
import ssl
from typing import override

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass(frozen=True)
class Seen:
    """One question as it arrived."""

    data: bytes
    port: int
    over: str

    @property
    def message(self) -> dns.message.Message:
        return dns.message.from_wire(self.data)

    @property
    def name(self) -> str:
        return self.message.question[0].name.to_text(omit_final_dot=True)

    @property
    def asked(self) -> tuple[str, str]:
        question = self.message.question[0]
        return self.name.lower(), dns.rdatatype.to_text(question.rdtype)


type Answering = Callable[[bytes, str], list[bytes]]
"""From a question and how it came (`udp`, `tcp`, `tls`): what is sent back, none for silence."""


@dataclass
class Resolver:
    """Listens on the loopback over UDP and TCP at one port."""

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By name and type: the answer's records, as lines of a zone's file."""
    seen: list[Seen] = field(default_factory=list)
    answering: Answering | None = None
    delay: float = 0.0
    waits_for: asyncio.Event | None = None
    """Set before anything is answered, where there is one."""
    port: int = 0
    connections: int = 0
    server: ssl.SSLContext | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def answer(self, data: bytes, over: str) -> list[bytes]:
        if self.answering is not None:
            return self.answering(data, over)
        return [self.usual(data)]

    def usual(self, data: bytes, *, rcode: int | None = None, flags: int = 0) -> bytes:
        """What the zone has; where it has nothing, that there is no such name."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (
            question.name.to_text(omit_final_dot=True).lower(),
            dns.rdatatype.to_text(question.rdtype),
        )
        made = dns.message.make_response(query, recursion_available=True)
        made.flags |= flags
        lines = self.zone.get(key)
        for line in lines or ():
            owner, ttl, kind, text = line.split(" ", 3)
            name = question.name if owner == "@" else owner + "."
            made.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, text))
        if rcode is not None:
            made.set_rcode(rcode)
        elif lines is None:
            known = any(name == key[0] for name, _ in self.zone)
            made.set_rcode(dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
            made.authority.append(
                dns.rrset.from_text("example.", 900, "IN", "SOA", "ns. who. 1 2 3 4 300")
            )
        return made.to_wire(max_size=65_535)

    def asked(self) -> list[tuple[str, str]]:
        return [one.asked for one in self.seen]

    @asynccontextmanager
    async def open(self, address: str = "127.0.0.1") -> AsyncIterator[Resolver]:
        tcp, udp = await self._listen(address)
        try:
            yield self
        finally:
            udp.close()
            tcp.close()
            self.hang_up()
            for task in list(self._tasks):
                task.cancel()

    async def _listen(self, address: str) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
        """Find a port that is free for both."""
        wanted = self.port
        while True:
            tcp = await asyncio.start_server(self._stream, address, wanted, ssl=self.server)
            self.port = tcp.sockets[0].getsockname()[1]
            try:
                udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(address, self.port)
                )
            except OSError:
                tcp.close()
                if wanted:
                    raise
                continue
            return tcp, udp

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                over = "tls" if self.server is not None else "tcp"
                self.seen.append(Seen(data, writer.get_extra_info("peername")[1], over))

                def send(answer: bytes) -> None:
                    writer.write(len(answer).to_bytes(2) + answer)

                self.later(data, over, send)
        self._writers.discard(writer)
        writer.close()

    def later(self, data: bytes, over: str, send: Callable[[bytes], None]) -> None:
        async def job() -> None:
            await asyncio.sleep(self.delay)
            if self.waits_for is not None:
                await self.waits_for.wait()
            for answer in self.answer(data, over):
                send(answer)

        task = asyncio.get_running_loop().create_task(job())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    @override
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._resolver.seen.append(Seen(data, addr[1], "udp"))
        self._resolver.later(data, "udp", lambda answer: self._transport.sendto(answer, addr))


class Client:
    """A UDP socket with an address of its own."""

    def __init__(self, port: int, address: str = "127.0.0.2") -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind((address, 0))
        self._sock.connect(("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def receive(self, seconds: float = 5.0) -> bytes | None:
        """What comes back, or None after a while."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().sock_recv(self._sock, 65_535)
        except TimeoutError, ConnectionError:
            return None

    async def ask(
        self, name: str, kind: str = "A", seconds: float = 5.0, **more: object
    ) -> dns.message.Message:
        """Ask and read the answer, which must be one to this question."""
        query = dns.message.make_query(name, kind, **more)
        await self.send(query.to_wire())
        data = await self.receive(seconds)
        assert data is not None, "no answer"
        answer = dns.message.from_wire(data)
        assert query.is_response(answer)
        return answer

    def close(self) -> None:
        self._sock.close()


def said(answer: dns.message.Message) -> str | list[str]:
    """The records' data, or where there are none what it says instead."""
    data = sorted(str(one) for rrset in answer.answer for one in rrset)
    return data or dns.rcode.to_text(answer.rcode())
