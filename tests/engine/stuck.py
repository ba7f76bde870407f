"""Requests that are stuck half-way: part is with the cloud, part here or with the system."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import socket

import pytest

import wire
from wire import PATIENCE, Caller, Cloud, House, Line, eventually

LARGE = b'{"door":true,"temp":4.5,"log":"' + b"so it is. " * 90_000 + b'"}'


@asynccontextmanager
async def narrow_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> AsyncIterator[House]:
    """A house whose cloud takes in little at a time, and only when it is told to.

    What it has not taken in waits in this process, or with the operating system.
    """
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def small(sock: socket.socket, address: tuple[str, int]) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await connect(sock, address)

    if where == "here":
        monkeypatch.setattr(loop, "sock_connect", small)
    async with wire.house(tmp_path, cloud=Cloud(receive_buffer=4096)) as built:
        await built.teach(built.request(LARGE))
        yield built


async def no_later_byte(house: House, line: Line) -> None:
    """Assert that the cloud gets no more than what had arrived when this was called."""
    there = len(line.received) + line.waiting()
    assert there > 0, "it had begun"
    assert there < len(LARGE), "it had not ended"
    async with asyncio.timeout(PATIENCE):
        await line.drain()
    assert len(line.received) <= there


async def start(house: House, body: bytes = LARGE) -> tuple[Caller, Line]:
    """Send a request whose body gets stuck half-way, on a line that nobody reads."""
    caller = await house.dial()
    await caller.send(house.request(body))
    line = await house.cloud.line()
    await eventually(lambda: line.waiting() > 1000)
    await asyncio.sleep(0.05)
    return caller, line


async def idle(line: Line) -> None:
    await asyncio.sleep(3600)
