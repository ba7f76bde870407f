"""The journal: entries appended one by one, and questions about the last of thirty days."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
import json
import os
from pathlib import Path
import random
import sqlite3
from statistics import median
import tempfile
import time
from typing import Any

from ..household import Database, Entry, Journal, Outcome, Query, Reason
from ..measure import Case, Comparison, Options, Quantity, Sample, by_turns

_DAY = 24 * 3600.0
_START = 1_790_000_000.0
_IN_FLIGHT = 256
"""Transmissions that wait for their entry at the same time, so that commits are shared."""
_PLAIN = """
CREATE TABLE journal (
    id INTEGER PRIMARY KEY, at REAL, gate TEXT, appliance_id TEXT, recipient_ids TEXT,
    template TEXT, outcome TEXT, reason TEXT, released TEXT, withheld INTEGER, withheld_ids TEXT,
    bytes_in INTEGER, bytes_out INTEGER
);
CREATE INDEX journal_at ON journal (at);
CREATE INDEX journal_appliance ON journal (appliance_id, at);
"""
_INSERT = "INSERT INTO journal VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def run(options: Options) -> Iterator[Case]:
    """Measure appending on one core, then questions on a million entries of thirty days."""
    with _one_core():
        yield from _append(options)
        yield from _query(options)


def _append(options: Options) -> Iterator[Case]:
    some = _entries(500 if options.quick else 20_000)
    rows = [_row(entry) for entry in some]

    def together() -> Sample:
        with _plain() as plain:
            started = time.perf_counter()
            plain.execute("BEGIN")
            plain.executemany(_INSERT, rows)
            plain.execute("COMMIT")
            return {"append": len(rows) / (time.perf_counter() - started)}

    def one_by_one() -> Sample:
        with _plain() as plain:
            started = time.perf_counter()
            for row in rows:
                plain.execute(_INSERT, row)
            return {"append, each awaited": len(rows) / (time.perf_counter() - started)}

    for case, peer, theirs in (
        ("append", "executemany in one transaction, texts in full", together),
        ("append, each awaited", "a commit for each, texts in full", one_by_one),
    ):
        yield from by_turns(
            Comparison(
                bench="journal",
                peer=peer,
                quantities={case: Quantity(unit="records/s", more_is_better=True)},
                ours=lambda case=case: {case: asyncio.run(_appended(some))},  # type: ignore[misc]
                theirs=theirs,
            ),
            options.repeats,
        )


async def _appended(some: list[Entry]) -> float:
    """Append through the real journal, many in flight; return how many a second."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "journal.db")
        journal = Journal(database)
        await database.open()
        waiting = iter(some)

        async def transmit() -> None:
            for entry in waiting:
                await journal.append(entry)

        started = time.perf_counter()
        await asyncio.gather(*(transmit() for _ in range(_IN_FLIGHT)))
        took = time.perf_counter() - started
        await database.close()
        return len(some) / took


def _query(options: Options) -> Iterator[Case]:
    some = _entries(20_000 if options.quick else 1_000_000)
    since = _START + 29 * _DAY
    one = f"appliance-{3:020d}"
    questions: dict[str, tuple[Callable[[Journal], Any], str, tuple[object, ...]]] = {
        "query, newest 500 of a day": (
            lambda journal: journal.disclosures(Query(since=since)),
            "SELECT * FROM journal WHERE at >= ? ORDER BY at DESC LIMIT 500",
            (since,),
        ),
        "query, newest 500 of an appliance": (
            lambda journal: journal.disclosures(Query(since=since, appliance_id=one)),
            "SELECT * FROM journal WHERE at >= ? AND appliance_id = ? ORDER BY at DESC LIMIT 500",
            (since, one),
        ),
        "query, a day summed up": (
            lambda journal: journal.summary(Query(since=since)),
            (
                "SELECT appliance_id, outcome, reason, released, COUNT(*) FROM journal"
                " WHERE at >= ? GROUP BY appliance_id, outcome, reason, released"
            ),
            (since,),
        ),
        "query, totals of every appliance": (
            lambda journal: journal.tallies(),
            (
                "SELECT appliance_id, outcome, COUNT(*), MAX(at) FROM journal"
                " GROUP BY appliance_id, outcome"
            ),
            (),
        ),
    }
    with tempfile.TemporaryDirectory() as folder, _plain() as plain, asyncio.Runner() as runner:
        plain.execute("BEGIN")
        plain.executemany(_INSERT, map(_row, some))
        plain.execute("COMMIT")
        database = Database(Path(folder) / "journal.db")
        journal = Journal(database)
        runner.run(_fill(database, journal, some))

        def ours() -> Sample:
            return {
                name: _milliseconds(lambda ask=ask: runner.run(_answer(ask, journal)))  # type: ignore[misc]
                for name, (ask, _, _) in questions.items()
            }

        def theirs() -> Sample:
            return {
                name: _milliseconds(
                    lambda sql=sql, values=values: plain.execute(sql, values).fetchall()  # type: ignore[misc]
                )
                for name, (_, sql, values) in questions.items()
            }

        ours()
        theirs()
        yield from by_turns(
            Comparison(
                bench="journal",
                peer="plain table, rows not decoded",
                quantities={name: Quantity(unit="ms", more_is_better=False) for name in questions},
                ours=ours,
                theirs=theirs,
            ),
            options.repeats,
        )
        runner.run(database.close())


async def _fill(database: Database, journal: Journal, some: list[Entry]) -> None:
    await database.open()
    waiting = iter(some)

    async def transmit() -> None:
        for entry in waiting:
            await journal.append(entry)

    await asyncio.gather(*(transmit() for _ in range(_IN_FLIGHT)))


async def _answer(ask: Callable[[Journal], Any], journal: Journal) -> None:
    if not await ask(journal):
        raise RuntimeError("this measures nothing")


def _milliseconds(call: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return median(taken)


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep to one core, where the system lets us say so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _plain() -> Iterator[sqlite3.Connection]:
    """The same file without any of ours: texts in full, the same pragmas."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)) as plain,
    ):
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute("PRAGMA synchronous = NORMAL")
        plain.executescript(_PLAIN)
        yield plain


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.at, entry.gate, entry.appliance_id, json.dumps(entry.recipient_ids), entry.template,
        entry.outcome.value, entry.reason.value, json.dumps(entry.released), entry.withheld,
        json.dumps(entry.withheld_ids), entry.bytes_in, entry.bytes_out,
    )  # fmt: skip


def _entries(count: int) -> list[Entry]:
    """Return entries of thirty days: a dozen appliances, sixty kinds of message, 25 items each."""
    chance = random.Random(1)  # noqa: S311 - made up, the same every time
    kinds: list[dict[str, Any]] = []
    for number in range(60):
        appliance = number % 12
        points = tuple(f"{appliance:08x}{item:08x}" for item in range(25))
        outcome = chance.choice((Outcome.DENY, Outcome.PERMIT, Outcome.REDACT, Outcome.REDACT))
        released = 0 if outcome is Outcome.DENY else chance.randrange(1, 10)
        kinds.append({
            "gate": "http",
            "appliance_id": f"appliance-{appliance:020d}",
            "recipient_ids": (f"recipient-{number % 7:020d}",),
            "template": f"POST api.cloud-{number % 7}.example/v1/devices/*/report/{number}",
            "outcome": outcome,
            "reason": Reason.SOME_WITHHELD if released else Reason.NOTHING_CONSENTED,
            "released": points[:released],
            "withheld": 25 - released,
            "withheld_ids": points[released:],
        })  # fmt: skip
    return [
        Entry(
            at=_START + 30 * _DAY * number / count,
            bytes_in=chance.randrange(100, 3000),
            bytes_out=chance.randrange(50, 2000),
            **kinds[int(chance.random() ** 2 * len(kinds))],
        )
        for number in range(count)
    ]
