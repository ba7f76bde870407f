"""The vendors' stand-ins: they write down whatever arrives, then answer as a cloud would.

As a process: `cloud RECORD ADDRESS…` listens at each address, on a port of the system's choice;
says which as one line of JSON; and ends with its standard input.
"""

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
from pathlib import Path
import sys
from threading import Lock, Thread
from typing import Any, Self, override

from .processes import Child


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What arrived at a cloud: a request, or a connection without one (`method` is empty)."""

    address: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def tree(self) -> Any:
        """The body as JSON; None where there is none."""
        return json.loads(self.body) if self.body else None


class Clouds:
    """The process of the stand-ins, and what they wrote down."""

    def __init__(self, child: Child, record: Path, ports: dict[str, int]) -> None:
        self._child = child
        self._record = record
        self._read = 0
        self.ports = ports
        """By address."""

    @classmethod
    async def start(cls, folder: Path, addresses: set[str]) -> Self:
        """Listen at these addresses of this machine."""
        record = folder / "arrived.jsonl"
        record.touch()
        child = await Child.start(
            sys.executable,
            "-m",
            "demo.cloud",
            str(record),
            *sorted(addresses),
            output=folder / "clouds.log",
            talks=True,
        )
        return cls(child, record, json.loads(await child.hear()))

    def arrived(self) -> list[Arrival]:
        """Return what arrived since this was last asked, oldest first.

        It is written down before it is answered: what an appliance has its answer for is here.
        """
        with self._record.open() as file:
            file.seek(self._read)
            lines = file.readlines()
            self._read = file.tell()
        return [
            Arrival(**{**line, "headers": tuple(tuple(pair) for pair in line["headers"])})
            for line in map(json.loads, lines)
        ]

    async def stop(self) -> None:
        """End the process."""
        await self._child.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    lock = Lock()

    def __init__(self, address: str, record: Path) -> None:
        super().__init__((address, 0), _Handler)
        self.address = address
        self.record = record

    def write_down(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        line = {
            "address": self.address,
            "method": method,
            "target": target,
            "headers": headers,
            "body": body.decode(errors="replace"),
        }
        with self.lock, self.record.open("a") as file:
            file.write(json.dumps(line) + "\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @override
    def setup(self) -> None:
        super().setup()
        self.requests = 0

    @override
    def finish(self) -> None:
        if not self.requests:
            # Somebody called and said nothing: that too would tell.
            self.server.write_down("", "", [], b"")
        super().finish()

    def _answer(self) -> None:
        self.requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.write_down(self.command, self.path, list(self.headers.items()), body)
        answer = b'{"status":"accepted"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def main(arguments: list[str]) -> None:
    """Listen until standard input ends."""
    record, *addresses = arguments
    servers = [_Server(address, Path(record)) for address in addresses]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({server.address: server.server_port for server in servers}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
