"""The home around the victim: appliances that keep calling, a cloud that records, a nursery."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from itertools import count
import json
import os
from pathlib import Path
import shutil
import signal
import socket
import sqlite3
import sys
import time
from typing import Any

from engine import Firewall, schema
from engine.clock import Clock, ForwardClock, SystemClock
from engine.ledger import Ledger
from engine.model import ConsentState, Decider
from engine.records import Record
from engine.storage import Database
from wire import Caller, Cloud, Line, Seen, reply

from .checker import Evidence, Got, requests_in
from .home import (
    APPLIANCE,
    DATABASE,
    MARKED,
    RECIPIENT,
    SLOTS,
    Order,
    fridge,
    frost,
    name_of,
    slot_of,
)

PATIENCE = 240.0
"""Seconds for one killing. It takes less than one on a machine at rest; where others keep the disk
busy, every commit waits for it, and a minute was too little once."""
HOLD = 0.1
"""Seconds that the cloud lets an appliance wait for its answer."""
WARM = len(SLOTS) // 8
"""How many appliances have had an answer before it begins to count."""
SET_BACK = 3600.0
TRIES = 5
"""How often a request is sent after the restart: what time ended is recorded meanwhile, and a
change of what is in force denies requests that are just under way."""
_TESTS = Path(__file__).parents[1]
_ENGINE = Path(__file__).parents[3] / "custom_components" / "privacy_firewall"
# Behind the standard library: a file of the integration may be called like one of its modules.
_START = "import sys; sys.path.append(sys.argv[1]); from crash.nursery import main; main()"
_AFTERWARDS = (min(MARKED), max(SLOTS))
"""The slots that are tried after the restart: one with a mark that was decided about, one not."""


class SetBackClock(SystemClock):
    """A wall clock that somebody set back while the process was down."""

    def now(self) -> float:
        return time.time() - SET_BACK


def request(slot: str, number: int, cloud: int) -> bytes:
    """A request with its number, a mark, and a note that is given to nobody."""
    body = b'{"count":%d,"mark":7,"note":"never mind"}' % number
    return (
        b"POST /v1/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (slot.encode(), cloud, len(body), body)
    )


async def prepare(folder: Path) -> None:
    """Make the files of a home whose firewall has seen every slot; all but the notes is given."""
    firewall = Firewall(database=folder / DATABASE, on_event=lambda _: None)
    await firewall.start()
    # Nothing listens at port 9, and nothing is sent: it is only learned.
    firewall.configure((fridge(),), (frost(9),))
    port = await firewall.open_gate("127.0.0.1", 0)
    caller = await _dial("127.0.0.1", port)
    for slot in SLOTS:
        await caller.send(request(slot, 0, 9))
        assert (await caller.answer()).status == 200
    caller.close()
    pairs = [
        (point.id, recipient)
        for point in firewall.data_points("fridge")
        if name_of(point) != "note"
        for recipient in point.recipients
    ]
    await firewall.decide(pairs, ConsentState.GIVEN, Decider(how="switch"))
    await firewall.stop()


class Lane:
    """A nursery and a cloud, for one killing after the other."""

    def __init__(self, *, number: int, folder: Path, prepared: Path) -> None:
        self._gate = f"127.0.1.{number}"
        self._folder = folder
        self._prepared = prepared
        self._cloud = Cloud()
        self._cloud.answer = self._answer
        self._nursery: asyncio.subprocess.Process | None = None
        self._before: list[Record] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Lane]:
        self._before = await _records(self._prepared / DATABASE)
        async with self._cloud.open():
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _START, str(_ENGINE),
                cwd=_TESTS, stdin=-1, stdout=-1, start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._hear()
                yield self
            finally:
                # It is a session of its own: nobody but our own victims dies with it.
                with suppress(ProcessLookupError):
                    os.killpg(self._nursery.pid, signal.SIGKILL)
                await self._nursery.wait()

    async def _answer(self, line: Line, seen: Seen) -> None:
        await asyncio.sleep(HOLD)
        await line.send(reply())

    async def _hear(self) -> dict[str, Any]:
        assert self._nursery is not None
        assert self._nursery.stdout is not None
        line = await self._nursery.stdout.readline()
        assert line, "the nursery ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def _tell(self, line: bytes) -> None:
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(line)

    async def kill(self, index: int, **order: Any) -> Evidence:
        """Let a process live until it is killed as ordered; return what is left of it."""
        folder = self._folder / f"{index}"
        await asyncio.to_thread(shutil.copytree, self._prepared, folder)
        evidence = Evidence(
            order=Order(folder=str(folder), gate=self._gate, cloud=self._cloud.port, **order)
        )
        self._cloud.lines.clear()
        async with asyncio.timeout(PATIENCE):
            await self._live(evidence)
            lines = list(self._cloud.lines)
            for line in lines:
                await line.ended.wait()
            evidence.received = [bytes(line.received) for line in lines]
            await self._restart(evidence)
        await asyncio.to_thread(_check_files, evidence)
        await asyncio.to_thread(shutil.rmtree, folder)
        return evidence

    async def _live(self, evidence: Evidence) -> None:
        self._tell(evidence.order.to_line())
        port = (await self._hear())["port"]
        numbers = count(1)
        appliances = [
            _Appliance(slot, numbers, self._gate, port, self._cloud.port) for slot in SLOTS
        ]
        tasks = [asyncio.create_task(one.call()) for one in appliances]
        for one in appliances[:WARM]:
            await one.answered.wait()
        self._tell(b"arm\n")
        until = 0.0
        while (said := await self._hear())["say"] != "ended":
            if said["say"] == "dying":
                evidence.in_flight = said["in_flight"]
                evidence.committed = said["committed"]
                continue
            evidence.said.append(said["say"])
            evidence.late = next(numbers) if said["say"] == "withdrawn" else None
            until = said.get("until", until)
        evidence.exit_code = said["code"]
        for one in appliances:
            one.home_is_down = True
        await asyncio.gather(*tasks)
        # Grants end by the machine's clock; a little longer, for it is read to the millisecond.
        await asyncio.sleep(max(0.0, until + 0.005 - time.time()))

    async def _restart(self, evidence: Evidence) -> None:
        """Start on the same files, read what they say, and see what passes."""
        order = evidence.order
        evidence.before = self._before
        evidence.records = await _records(order.database)
        clock: Clock = SetBackClock() if order.set_back else SystemClock()
        firewall = Firewall(database=order.database, on_event=lambda _: None, clock=clock)
        await firewall.start()
        try:
            evidence.entries = [
                one for one in await firewall.newest_entries(1_000_000) if one.number > len(SLOTS)
            ]
            evidence.points = firewall.data_points("fridge")
            firewall.configure((fridge(),), (frost(order.cloud),))
            port = await firewall.open_gate(self._gate, 0)
            evidence.given = frozenset(
                (slot_of(one), name_of(one))
                for one in evidence.points
                if firewall.is_sharing(one.id, RECIPIENT)
            )
            for slot in _AFTERWARDS:
                evidence.after[slot] = await self._try(slot, port)
            check = await firewall.consents.verify()
            evidence.chain = check.records, check.first_broken
            evidence.is_restored = firewall.consents.is_restored
        finally:
            await firewall.stop()

    async def _try(self, slot: str, port: int) -> list[Got]:
        """Send a request until something of it leaves; return what the cloud received."""
        lines = self._cloud.lines
        before = {line: len(line.received) for line in lines}
        caller = await _dial(self._gate, port)
        got: list[Got] = []
        for _ in range(TRIES):
            await caller.send(request(slot, 1, self._cloud.port))
            assert (await caller.answer()).whole
            for line in lines:
                got += requests_in(bytes(line.received[before.get(line, 0) :]))
            if got:
                break
        caller.close()
        return got


class _Appliance:
    """One slot: a request as soon as the last one is answered, on a new connection if it must."""

    def __init__(self, slot: str, numbers: Iterator[int], gate: str, port: int, cloud: int) -> None:
        self._slot = slot
        self._numbers = numbers
        self._gate = gate
        self._port = port
        self._cloud = cloud
        self.answered = asyncio.Event()
        self.home_is_down = False

    async def call(self) -> None:
        caller: Caller | None = None
        while not self.home_is_down:
            try:
                caller = caller or await _dial(self._gate, self._port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            await caller.send(request(self._slot, next(self._numbers), self._cloud))
            if (await caller.answer()).whole:
                self.answered.set()
            else:
                caller.close()
                caller = None
        if caller is not None:
            caller.close()


async def _dial(gate: str, port: int) -> Caller:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((APPLIANCE, 0))
        await asyncio.get_running_loop().sock_connect(sock, (gate, port))
    except OSError:
        sock.close()
        raise
    return Caller(*await asyncio.open_connection(sock=sock))


async def _records(path: Path) -> list[Record]:
    """Read a ledger as it stands, before a firewall that starts adds to it."""
    database = Database(path, version=schema.VERSION)
    await database.open()
    try:
        return await Ledger(database, ForwardClock(SystemClock()), path).records()
    finally:
        await database.close()


def _check_files(evidence: Evidence) -> None:
    """Let SQLite say whether its files are whole."""
    files = sorted(evidence.order.database.parent.glob("*.db"))
    assert len(files) == 2, "the household's and the journal's"
    for path in files:
        with closing(sqlite3.connect(path)) as connection:
            evidence.integrity += [one for (one,) in connection.execute("PRAGMA integrity_check")]
