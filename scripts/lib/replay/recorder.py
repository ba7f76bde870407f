"""The cloud's side: accepts whatever comes and keeps it as it came."""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
from io import BufferedIOBase
import queue
import socket
import socketserver
import threading
from typing import Self, override

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived; the body without its chunks, but packed as it was."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header, by its lower-case name."""
        return next((value for each, value in self.headers if each.lower() == name), None)


class Recorder:
    """A server on a port of its own, with a thread a connection."""

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._server = _Server(self._arrived.put)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._server.server_address[1])

    def take(self) -> list[Received]:
        """Return what arrived since the last time."""
        arrived = []
        with contextlib.suppress(queue.Empty):
            while True:
                arrived.append(self._arrived.get_nowait())
        return arrived

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; connections still open end with the process."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, keep: Callable[[Received], None]) -> None:
        self.keep = keep
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    @override
    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (received := _read(self.rfile)) is not None:
                self.server.keep(received)
                body = b"{}"
                self.wfile.write(_ANSWER % (len(body), b"" if received.method == "HEAD" else body))
            self.request.shutdown(socket.SHUT_RDWR)


def _read(stream: BufferedIOBase) -> Received | None:
    line = stream.readline()
    if not line:
        return None
    method, _, rest = line.decode("latin-1").rstrip("\r\n").partition(" ")
    target = rest.rpartition(" ")[0]
    headers = []
    while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    lower = {name.lower(): value for name, value in headers}
    if "transfer-encoding" in lower:
        body = b"".join(_chunks(stream))
    else:
        body = stream.read(int(lower.get("content-length", "0")))
    return Received(method=method, target=target, headers=tuple(headers), body=body)


def _chunks(stream: BufferedIOBase) -> list[bytes]:
    chunks = []
    while size := int(stream.readline().partition(b";")[0], 16):
        chunks.append(stream.read(size))
        stream.readline()
    while stream.readline() not in (b"\r\n", b"\n", b""):
        pass
    return chunks
