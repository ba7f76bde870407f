"""Clouds and a resolver that keep every byte, and callers that send any."""

import array
import asyncio
from contextlib import suppress
import fcntl
import random
import socket
import struct
import termios
from typing import NamedTuple

PATIENCE = 15.0
"""Seconds after which an answer is not waited for."""
CLOUD_SECRET = "hunterscloudcookie"
"""What a cloud says of itself, which it is to hear from nobody."""


class Request(NamedTuple):
    """A request as a cloud read it; `start` and `end` count the bytes of its connection."""

    line: Line
    head: bytes
    body: bytes
    start: int
    end: int


class Line(asyncio.Protocol):
    """One connection, as a cloud sees it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._transport: asyncio.Transport | None = None
        self.received = bytearray()
        self.read = 0
        """How far it was taken apart."""
        self.searched = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._cloud.lines.append(self)
        if self._cloud.holds:
            transport.pause_reading()

    def hold(self, *, on: bool) -> None:
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if on else self._transport.resume_reading)()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self.received += data
        while self._take():
            pass

    def _take(self) -> bool:
        at = self.received.find(b"\r\n\r\n", self.read)
        if at < 0:
            return False
        head = bytes(self.received[self.read : at])
        length = next(
            (
                int(value)
                for name, _, value in (one.partition(b":") for one in head.split(b"\r\n")[1:])
                if name.lower() == b"content-length"
            ),
            0,
        )
        end = at + 4 + length
        if len(self.received) < end:
            return False
        request = Request(self, head, bytes(self.received[at + 4 : end]), self.read, end)
        self.read = end
        self._cloud.requests.append(request)
        self._answer(head)
        return True

    def _answer(self, head: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        mood = self._cloud.mood()
        if mood == "reset":
            self._reset()
            return
        lines = ["HTTP/1.1 200 OK"]
        if mood == "redirect":
            lines = ["HTTP/1.1 307 Temporary Redirect", f"Location: {self._cloud.elsewhere}"]
        elif mood == "error":
            lines = ["HTTP/1.1 503 Later", "Retry-After: 0"]
        elif mood == "cookie":
            lines.append(f"Set-Cookie: known={CLOUD_SECRET}; Path=/")
        body = b"" if head.startswith(b"HEAD") else b"{}"
        lines += [f"Content-Length: {len(body)}", "", ""]
        transport.write("\r\n".join(lines).encode() + body)
        if mood == "close":
            transport.close()

    def _reset(self) -> None:
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    @property
    def arrived(self) -> int:
        """Bytes that came, read or not."""
        count = array.array("i", [0])
        if self._transport is not None:
            with suppress(OSError, ValueError):
                fcntl.ioctl(self._transport.get_extra_info("socket"), termios.FIONREAD, count)
        return len(self.received) + count[0]


class Cloud:
    """A vendor's cloud: answers, mostly."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number = number
        self.lines: list[Line] = []
        self.requests: list[Request] = []
        self.port = 0
        self.elsewhere = ""
        self.is_moody = True
        self.holds = False
        """Whether it reads nothing for now."""
        self._chance = chance
        self._server: asyncio.Server | None = None

    def mood(self) -> str:
        return self._chance.choice(MOODS) if self.is_moody else ""

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        # What it has not read waits with whoever sends.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.bind(("127.0.0.1", 0))
        self._server = await loop.create_server(lambda: Line(self), sock=sock)
        self.port = sock.getsockname()[1]

    def hold(self) -> None:
        self.holds = True
        for line in self.lines:
            line.hold(on=True)

    def release(self) -> None:
        self.holds = False
        for line in self.lines:
            line.hold(on=False)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server.close_clients()


MOODS = [""] * 6 + ["reset", "redirect", "error", "cookie", "cookie", "close"]


class Resolver(asyncio.DatagramProtocol):
    """The household's resolver: knows some names, and keeps every question."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.seen: list[bytes] = []
        self.delay = 0.0
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self._transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.seen.append(data)
        asyncio.get_running_loop().call_later(self.delay, self._answer, data, addr)

    def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        name, after = name_in(data)
        kind = int.from_bytes(data[after : after + 2])
        question = data[12 : after + 4]
        is_known = name in self.names
        answer = b""
        if is_known and kind == 1:
            answer = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\0\0\x01"
        flags = b"\x81\x80" if is_known else b"\x81\x83"
        counts = struct.pack(">HHHH", 1, bool(answer), 0, 0)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data[:2] + flags + counts + question + answer, addr)


def name_in(data: bytes) -> tuple[str, int]:
    """The name of a question, and where what follows it begins."""
    at, labels = 12, []
    while at < len(data) and (size := data[at]):
        labels.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return b".".join(labels).decode("latin-1").lower(), at + 1


def question(name: str, kind: int = 1, number: int = 7, extra: bytes = b"") -> bytes:
    """A question as an appliance asks it; `extra` is data of an EDNS option of no known kind."""
    labels = b"".join(bytes([len(one)]) + one.encode("latin-1") for one in name.split("."))
    head = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1 if extra else 0)
    option = b""
    if extra:
        data = struct.pack(">HH", 65001, len(extra)) + extra
        option = b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(data)) + data
    return head + labels + b"\0" + struct.pack(">HH", kind, 1) + option


async def ask(port: int, source: str, data: bytes, patience: float = 3.0) -> bytes:
    """Send a datagram from an address; what comes back, empty after a while."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, data)
        async with asyncio.timeout(patience):
            return await loop.sock_recv(sock, 4096)
    except TimeoutError, OSError:
        return b""
    finally:
        sock.close()


async def call(
    port: int,
    source: str,
    data: bytes,
    *,
    answers: int = 1,
    pieces: int = 1,
    wait: float = PATIENCE,
) -> list[int]:
    """Send bytes from an address, in so many pieces; the statuses that come back."""
    statuses: list[int] = []
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(wait):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0)
            )
            step = max(1, -(-len(data) // pieces))
            for at in range(0, len(data), step):
                writer.write(data[at : at + step])
                if pieces > 1:
                    await asyncio.sleep(0)
            await writer.drain()
            while len(statuses) < answers:
                statuses += [await _status(reader)]
    except (
        TimeoutError,
        OSError,
        asyncio.IncompleteReadError,
        ValueError,
        asyncio.LimitOverrunError,
    ):
        pass
    finally:
        if writer is not None:
            writer.transport.abort()
    return statuses


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if status == 100:
        return await _status(reader)
    low = head.lower()
    if b"content-length:" in low:
        await reader.readexactly(int(low.partition(b"content-length:")[2].split(b"\r\n")[0]))
    elif b"chunked" in low:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return status
