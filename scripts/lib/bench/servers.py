"""Gate, bare proxy and cloud, each a process of its own that prints its port and ends with us.

python -m bench.servers cloud
python -m bench.servers proxy PORT-OF-CLOUD
python -m bench.servers gate PORT-OF-CLOUD
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
import contextlib
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Self, override

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from . import messages
from .household import APPLIANCE, HEADERS, HOST, Firewall, recipient

_START = 20.0
_HOP_BY_HOP = frozenset({
    "connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding",
    "upgrade",
})  # fmt: skip
_ANSWER = b'{"status":"stored","next":900}'
_STATUS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


class _Cloud(asyncio.Protocol):
    """Answers a request as soon as it is whole; looks no closer than at its length."""

    _answer = _STATUS % (len(_ANSWER), _ANSWER)

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:end].lower()
            mark = head.find(b"\r\ncontent-length:")
            length = int(head[mark + 17 :].partition(b"\r\n")[0]) if mark >= 0 else 0
            if len(received) < end + 4 + length:
                break
            received = received[end + 4 + length :]
            assert self._transport is not None
            self._transport.write(self._answer)
        self._received = received


@contextlib.asynccontextmanager
async def _cloud() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(_Cloud, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()


@contextlib.asynccontextmanager
async def _proxy(cloud: int) -> AsyncIterator[int]:
    """Serve what a reverse proxy is when written with aiohttp and nothing else: no look inside."""
    origin = f"http://{HOST}:{cloud}"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=64),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:

        async def forward(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            async with session.request(
                request.method,
                origin + request.raw_path,
                headers=_end_to_end(request.headers.items()),
                data=body,
                allow_redirects=False,
            ) as answer:
                return web.Response(
                    status=answer.status,
                    headers=_end_to_end(answer.headers.items()),
                    body=await answer.read(),
                )

        runner = web.ServerRunner(web.Server(forward, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
        await runner.cleanup()


def _end_to_end(headers: Iterable[tuple[str, str]]) -> CIMultiDict[str]:
    return CIMultiDict([pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP])


@contextlib.asynccontextmanager
async def _gate(cloud: int) -> AsyncIterator[int]:
    """Serve the firewall, with the toothbrush's data points granted but for seven."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        firewall = Firewall(database=Path(folder) / "bench.db", on_event=lambda _: None)
        await firewall.start()
        firewall.configure([APPLIANCE], [recipient(cloud)])
        port = await firewall.open_gate("127.0.0.1", 0)
        async with aiohttp.ClientSession() as session:
            body = messages.encode(messages.BRUSH)
            await session.post(f"http://127.0.0.1:{port}/v1/report", data=body, headers=HEADERS)
        for point in firewall.data_points(APPLIANCE.id):
            if point.field.path not in messages.BRUSH_WITHHELD:
                await firewall.grant(point.id, "cloud", how="bench")
        yield port
        await firewall.stop()


async def _serve(role: str, ports: list[int]) -> None:
    roles: dict[str, Callable[..., contextlib.AbstractAsyncContextManager[int]]] = {
        "cloud": _cloud,
        "proxy": _proxy,
        "gate": _gate,
    }
    async with roles[role](*ports) as port:
        print(port, flush=True)
        # Our standard input ends when whoever started us ends.
        await asyncio.to_thread(sys.stdin.buffer.read)


class Server:
    """One of them, running."""

    def __init__(self, role: str, cloud: Server | None = None) -> None:
        """Start it and wait for its port."""
        arguments = [role, *([str(cloud.port)] if cloud else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.servers", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"the {role} did not start")
        self.port: int = int(line)

    def processor_seconds(self) -> float | None:
        """Return the processor time it has used, where the system tells (Linux)."""
        try:
            tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
            return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
        except OSError:
            return None

    def __enter__(self) -> Self:
        """Nothing more to do: it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_START)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1], [int(port) for port in sys.argv[2:]]))
