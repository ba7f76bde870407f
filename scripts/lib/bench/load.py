"""Requests over kept-alive connections, each sent as soon as the one before was answered."""

import asyncio
import time
from typing import NamedTuple, override


class Measured(NamedTuple):
    """What one run measured; latencies in seconds, sorted."""

    per_second: float
    latencies: list[float]
    sent: int
    """Requests answered in all, before the measured time too."""

    def percentile(self, share: float) -> float:
        """Return the latency that so many stay below."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.failed: str | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed = head.partition(b"\r\n")[0].decode("latin-1")
            self.close()
            return
        lower = head.lower()
        mark = lower.find(b"\r\ncontent-length:")
        if mark < 0:
            whole = rest.endswith(b"0\r\n\r\n")
        else:
            whole = len(rest) >= int(lower[mark + 17 :].partition(b"\r\n")[0])
        if whole:
            self._latencies.append(time.perf_counter() - self._sent_at)
            self._received = b""
            self._send()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        """End it."""
        assert self._transport is not None
        self._transport.abort()


def run(port: int, request: bytes, *, connections: int, seconds: float) -> Measured:
    """Send a request again and again for so many seconds; anything but 200 is an error."""
    return asyncio.run(_run(port, request, connections, seconds))


async def _run(port: int, request: bytes, connections: int, seconds: float) -> Measured:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    opened: list[_Connection] = []
    for _ in range(connections):
        connected = await loop.create_connection(
            lambda: _Connection(request, latencies), "127.0.0.1", port
        )
        opened.append(connected[1])
    # Connecting, both ways, is not measured.
    await asyncio.sleep(min(0.3, seconds / 4))
    before = len(latencies)
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    measured = sorted(latencies[before:])
    failures = {one.failed for one in opened if one.failed}
    broken = sum(one.ended.done() for one in opened)
    for one in opened:
        one.close()
    await asyncio.gather(*(one.ended for one in opened))
    if failures or broken or not measured:
        raise RuntimeError(f"{broken} of {connections} connections failed: {failures or 'closed'}")
    return Measured(len(measured) / took, measured, before + len(measured))
