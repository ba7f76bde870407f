"""The process that dies: the engine as it is, watched at the places where it is to be killed.

It is watched from outside: SQLite's connections, the operating system's sockets, the anchor's
file. Nothing in the engine knows of it.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
import json
import os
from pathlib import Path
import random
import signal
import socket
import sqlite3
import time
from typing import Any, override

from aiohttp import web

from engine import Firewall, ledger as ledgers
from engine.events import ConsentsChanged, Event
from engine.gates.http.server import HttpGate
from engine.journal import Entry, Journal
from engine.model import Consent, ConsentState, Decider, Outcome, Transmission
from engine.pipeline import Passage, Pipeline

from .home import (
    MARKED,
    MIN_IN_FLIGHT,
    NOT_YET,
    RECIPIENT,
    Mutant,
    Order,
    Point,
    Stage,
    fridge,
    frost,
    name_of,
    slot_of,
)

GRANT_SECONDS = 0.15
"""How long a timed grant lasts that is to end while the process lives."""
SLOW_DISK = 0.2
"""Seconds that pass in a commit before it is killed: more than the cloud holds an answer back, so
that what waits for a connection gets one."""
LASTING_SECONDS = 2.0
"""How long one lasts that is to outlive it, however busy the machine is beside this test."""


def say(what: str, **more: Any) -> None:
    """Tell the tests; written at once, so that it is not lost with us."""
    os.write(1, json.dumps({"say": what, **more}).encode() + b"\n")


class Told:
    """What the actor and the watchers tell each other."""

    withdrawn = False
    given = False
    committed = 0
    """Entries of the journal that are committed."""
    recorded: Point | None = None
    """What the ledger's newest record is about."""


told = Told()


class Failpoint:
    """Where and when it ends. `reach` is called from whichever thread gets there."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._left = order.nth
        self.in_flight = 0
        self.armed = False

    def watches(self, point: Point, *stages: Stage) -> bool:
        return self.armed and self._order.point is point and self._order.stage in stages

    def is_due(self) -> bool:
        """Count one occasion; tell whether it is the one."""
        if self.in_flight < MIN_IN_FLIGHT:
            return False
        self._left -= 1
        return self._left <= 0

    def kill(self) -> None:
        self.armed = False
        if self._order.point is Point.BEFORE_COMMIT or self._order.stage in NOT_YET:
            # A slow disk: whoever does not wait for the commit gets ahead of it.
            time.sleep(SLOW_DISK)
            while self.in_flight < MIN_IN_FLIGHT:
                time.sleep(SLOW_DISK / 100)
        say("dying", in_flight=self.in_flight, committed=told.committed)
        os.kill(os.getpid(), signal.SIGKILL)

    def reach(self, point: Point, *stages: Stage) -> None:
        if self.watches(point, *stages) and self.is_due():
            self.kill()


# --- Watching ---


class _Watched(sqlite3.Connection):
    """A connection that is watched; of which file, and by whom, `watch_files` says."""

    household: str
    failpoint: Failpoint

    def __init__(self, database: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(database, *arguments, **options)
        self._is_journal = str(database) != self.household
        self._point: Point | None = None
        self._pending = 0

    @override
    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql == "COMMIT":
            return self._commit_journal() if self._is_journal else self._commit_ledger()
        if sql.startswith("BEGIN"):
            self._point = None
            self._pending = 0
        elif sql.startswith("INSERT INTO ledger"):
            self._note(parameters)
        elif sql.startswith("INSERT INTO entries"):
            self._pending += 1
        return super().execute(sql, parameters)

    def _note(self, parameters: Any) -> None:
        if "withdrawn" in parameters:
            self._point = Point.WITHDRAWAL
        elif "expired" in parameters:
            self._point = Point.EXPIRY
        told.recorded = self._point
        if self._point is not None:
            self.failpoint.reach(self._point, Stage.STOPPED)

    def _commit_ledger(self) -> sqlite3.Cursor:
        if self._point is not None:
            self.failpoint.reach(self._point, Stage.WRITTEN)
        done = super().execute("COMMIT")
        if self._point is not None:
            self.failpoint.reach(self._point, Stage.COMMITTED)
        return done

    def _commit_journal(self) -> sqlite3.Cursor:
        if not self._pending:
            return super().execute("COMMIT")
        self.failpoint.reach(Point.BEFORE_COMMIT, Stage.JOURNAL)
        done = super().execute("COMMIT")
        told.committed += self._pending
        self.failpoint.reach(Point.AFTER_COMMIT, Stage.JOURNAL)
        # For these any moment will do; this is one.
        if told.withdrawn:
            self.failpoint.reach(Point.WITHDRAWAL, Stage.RETURNED)
        if told.given:
            self.failpoint.reach(Point.EXPIRY, Stage.LASTING)
        return done


def watch_files(order: Order, failpoint: Failpoint) -> None:
    """Watch what SQLite is told, in the journal and in the household's file."""
    _Watched.household = str(order.database)
    _Watched.failpoint = failpoint
    sqlite3.connect = partial(sqlite3.connect, factory=_Watched)


def watch_anchor(failpoint: Failpoint) -> None:
    """Watch the file beside the ledger, which is written once a record is committed."""
    write = ledgers.anchor.write

    def written(path: Path, anchored: Any) -> None:
        write(path, anchored)
        if told.recorded is not None:
            failpoint.reach(told.recorded, Stage.ANCHORED)

    ledgers.anchor.write = written


def watch_sockets(order: Order, failpoint: Failpoint) -> None:
    """Watch what is handed to the system for the cloud; cut it short where it is to end."""
    send, sendmsg = socket.socket.send, socket.socket.sendmsg
    stages = (Stage.ONE_BYTE, Stage.IN_HEAD, Stage.IN_BODY)

    def cut(sock: socket.socket, data: bytes) -> None:
        if not failpoint.watches(Point.MID_SEND, *stages):
            return
        head = data.find(b"\r\n\r\n") + 4
        if head < 4 or len(data) <= head + 1 or sock.getpeername()[1] != order.cloud:
            return
        if failpoint.is_due():
            first, last = {
                Stage.ONE_BYTE: (1, 1),
                Stage.IN_HEAD: (2, head),
                Stage.IN_BODY: (head + 1, len(data) - 1),
            }[order.stage]
            send(sock, data[: first + int(order.cut * (last - first))])
            failpoint.kill()

    def watched_send(self: socket.socket, data: Any, *more: Any) -> int:
        cut(self, bytes(data))
        return send(self, data, *more)

    def watched_sendmsg(self: socket.socket, buffers: Iterable[Any], *more: Any) -> int:
        buffers = list(buffers)
        cut(self, b"".join(bytes(one) for one in buffers))
        return sendmsg(self, buffers, *more)

    socket.socket.send = watched_send
    socket.socket.sendmsg = watched_sendmsg


def watch_gate(failpoint: Failpoint) -> None:
    """Count what the gate has in hand."""
    handle = HttpGate._handle

    async def counted(self: HttpGate, request: web.BaseRequest) -> web.StreamResponse:
        failpoint.in_flight += 1
        try:
            return await handle(self, request)
        finally:
            failpoint.in_flight -= 1

    HttpGate._handle = counted


# --- Breaking it on purpose ---


def send_first() -> None:
    """Move the journal's commit behind the send."""
    append, settle = Journal.append, Pipeline.settle
    waiting: dict[int, Entry] = {}

    async def later(self: Journal, entry: Entry) -> int:
        if entry.outcome is Outcome.DENY:
            return await append(self, entry)
        number = -len(waiting) - 1
        waiting[number] = entry
        return number

    async def settled(
        self: Pipeline, transmission: Transmission, passage: Passage, **how: Any
    ) -> Any:
        if passage.number in waiting:
            number = await append(self._journal, waiting[passage.number])
            passage = replace(passage, number=number)
        return await settle(self, transmission, passage, **how)

    Journal.append = later
    Pipeline.settle = settled


def no_wait() -> None:
    """Begin the journal's commit before the send, and do not wait for it."""
    append = Journal.append
    tasks: set[asyncio.Task[int]] = set()

    async def begun(self: Journal, entry: Entry) -> int:
        task = asyncio.get_running_loop().create_task(append(self, entry))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return 0

    Journal.append = begun


def early_return() -> None:
    """Let a withdrawal return once it is in force, and record it a moment later."""
    record = ledgers.Ledger.record
    tasks: set[asyncio.Task[Any]] = set()

    async def returned(
        self: ledgers.Ledger, entries: Iterable[ledgers.Entry], decider: Decider, **along: Any
    ) -> tuple[Consent, ...]:
        entries = list(entries)
        if entries[0].consent.state is not ConsentState.WITHDRAWN:
            return await record(self, entries, decider, **along)

        async def later() -> None:
            await asyncio.sleep(0.01)
            await record(self, entries, decider, **along)

        tasks.add(asyncio.get_running_loop().create_task(later()))
        return tuple(one.consent for one in entries)

    ledgers.Ledger.record = returned


def endless() -> None:
    """Record a timed grant as one without an end."""
    row_of = ledgers.row_of
    ledgers.row_of = lambda consent, *more: row_of(replace(consent, until=None), *more)


BREAK: dict[Mutant, Callable[[], None]] = {
    Mutant.NONE: lambda: None,
    Mutant.SEND_FIRST: send_first,
    Mutant.NO_WAIT: no_wait,
    Mutant.EARLY_RETURN: early_return,
    Mutant.ENDLESS: endless,
}


# --- Living ---


async def act(order: Order, firewall: Firewall, over: asyncio.Event) -> None:
    """Decide about the marks, over and over, for as long as we live."""
    marks = [
        (point.id, RECIPIENT)
        for point in firewall.data_points("fridge")
        if name_of(point) == "mark" and slot_of(point) in MARKED
    ]
    decider = Decider(how="switch")
    rest = random.Random(order.cut)

    async def pause() -> None:
        await asyncio.sleep(rest.uniform(0.01, 0.05))

    while order.point is Point.WITHDRAWAL:
        await pause()
        say("withdrawing")
        await firewall.decide(marks, ConsentState.WITHDRAWN, decider)
        say("withdrawn")
        if order.stage is Stage.RETURNED:
            told.withdrawn = True
            return
        await pause()
        say("giving")
        await firewall.decide(marks, ConsentState.GIVEN, decider)
        say("given")
    seconds = LASTING_SECONDS if order.stage is Stage.LASTING else GRANT_SECONDS
    while order.point is Point.EXPIRY:
        say("giving")
        told.given = False
        say("granting")
        (one, *_) = await firewall.decide(marks, ConsentState.GIVEN, decider, seconds=seconds)
        say("given", until=one.until)
        told.given = True
        await over.wait()
        over.clear()


async def live(order: Order) -> None:
    """Run a firewall until it is killed; armed as soon as a line says so."""
    failpoint = Failpoint(order)
    watch_gate(failpoint)
    watch_files(order, failpoint)
    watch_anchor(failpoint)
    watch_sockets(order, failpoint)
    BREAK[order.mutant]()
    over = asyncio.Event()

    def note(event: Event) -> None:
        if isinstance(event, ConsentsChanged) and event.decider.how == "time":
            over.set()

    firewall = Firewall(database=order.database, on_event=note)
    await firewall.start()
    firewall.configure((fridge(),), (frost(order.cloud),))
    firewall._pipeline.keeps_values = order.keeps_values
    port = await firewall.open_gate(order.gate, 0)
    say("open", port=port)
    line = await asyncio.to_thread(os.read, 0, 100)
    if line != b"arm\n":
        return
    failpoint.armed = True
    await act(order, firewall, over)
    await asyncio.sleep(3600)


def run(order: Order) -> None:
    """Be the victim."""
    asyncio.run(live(order))
