"""The journal: every transmission and what became of it, written before anything is released.

It holds labels, ids and sizes. Values that were released stand in it only where the household
wants that; what was withheld, never. Unlike the ledger it can be forgotten: by age, by size, and
whole appliances at a time.

A row takes some 80 bytes: 100 MB held 1.2 million made-up transmissions of a dozen appliances.
"""

import asyncio
from dataclasses import replace
from functools import partial
from math import inf
import sqlite3

from . import entries, retention
from .entries import CODES, SCHEMA, Disclosed, Entry, Query, Summary, Tally
from .interning import Interned, Shape, storable
from .model import Outcome, Reason
from .retention import Oldest
from .storage import Database

__all__ = ["Disclosed", "Entry", "Journal", "Query", "Summary", "Tally"]

MAX_AGE = 30 * 24 * 3600.0
"""Seconds for which entries are kept, unless told otherwise."""
MAX_BYTES = 100_000_000
"""Bytes that the journal's file may take, unless told otherwise."""
_DAY = 24 * 3600.0
STRANGERS_PER_HOUR = 100
"""Entries of whoever is no appliance of the household; beyond that they are summed up coarser."""

_COUNT = (
    "INSERT INTO totals (appliance, outcome, count) VALUES (?, ?, 1)"
    " ON CONFLICT DO UPDATE SET count = count + 1"
)


class Journal:
    """Appends entries; reads them back, sums them up, and forgets them."""

    def __init__(self, database: Database) -> None:
        """Keep the file, and ask for our tables in it; it must not be open yet."""
        database.require(SCHEMA)
        self._database = database
        self._interned = Interned(database)
        self._strangers = _Strangers()
        self._cleaning = asyncio.Lock()
        self._rewritten_at = -inf

    async def append(self, entry: Entry) -> int:
        """Write an entry and return its number; it is committed by then. Raises `StorageError`."""
        return await self._database.run(partial(self._record, entry))

    async def not_released(self, number: int, reason: Reason) -> None:
        """Say of an entry that in the end nothing left, and why; raises `StorageError`."""
        await self._database.run(partial(self._correct, number, reason))

    async def tallies(self, since: float | None = None) -> dict[str, Tally]:
        """Sum up every appliance, from the start or since a time; raises `StorageError`."""
        if since is not None:
            return await self._database.run(partial(entries.tallies_since, since))
        return await self._database.run(entries.tallies)

    async def last_disclosed(self, since: float) -> list[Disclosed]:
        """Return what left since a time, and when it last did; raises `StorageError`."""
        return await self._database.run(partial(entries.last_disclosed, self._interned, since))

    async def newest(self, limit: int = 100) -> list[Entry]:
        """Return the entries recorded last, newest first; raises `StorageError`."""
        return await self._database.run(partial(entries.newest, self._interned, limit))

    async def disclosures(self, query: Query) -> list[Entry]:
        """Return a page of entries with their numbers, newest first; raises `StorageError`."""
        return await self._database.run(partial(entries.disclosures, self._interned, query))

    async def summary(self, query: Query | None = None) -> Summary:
        """Count what a query asks for, whatever its page; raises `StorageError`."""
        query = query or Query()
        found = await self._database.run(entries.period)
        if found is None:
            return Summary()
        start = found[0] if query.since is None else max(query.since, found[0])
        end = found[1] + 1 if query.until is None else min(query.until, found[1] + 1)
        total = Summary()
        # A day at a time, so that entries are appended between.
        while start < end:
            day = replace(query, since=start, until=min(start + _DAY, end), before=None)
            total += await self._database.run(partial(entries.summary, self._interned, day))
            start += _DAY
        return total

    async def purge(
        self, now: float, *, max_age: float = MAX_AGE, max_bytes: int = MAX_BYTES
    ) -> int:
        """Delete what is too old, then the oldest of what is too much; return how many entries.

        It goes in small pieces, between which entries are appended. What was deleted is
        overwritten in the file and gone from its log; what SQLite may have left elsewhere on
        its pages, with the first purge of a day. Totals stay. Raises `StorageError`.
        """
        async with self._cleaning:
            await self._database.discard_set_aside(now - max_age)
            thorough = not 0 <= now - self._rewritten_at < _DAY
            which, deleted = Oldest(before=now - max_age), 0
            while True:
                some = await self._delete(which)
                deleted += some
                if some:
                    await self._clean(thorough=thorough)
                    if thorough:
                        self._rewritten_at = now
                # Asked again after each time: rows are not all that takes space.
                surplus = await self._database.run(partial(retention.entries_over, max_bytes))
                if not surplus:
                    return deleted
                which = Oldest(at_most=surplus)

    async def forget(self, appliance_id: str) -> int:
        """Delete all that is recorded of an appliance, its totals too; return how many entries.

        Afterwards nothing of it stands in the file or its log, and no copy that was set aside is
        left. Raises `StorageError`.
        """
        async with self._cleaning:
            await self._database.discard_set_aside()
            deleted = await self._delete(Oldest(appliance_id=appliance_id))
            await self._database.run(
                lambda connection: (
                    connection.execute(
                        "DELETE FROM totals"
                        " WHERE appliance IN (SELECT id FROM texts WHERE text = ?)",
                        (appliance_id,),
                    ).rowcount
                )
            )
            await self._clean(thorough=True)
            return deleted

    async def forget_values(self) -> None:
        """Delete all released values, for the household no longer wants them kept.

        Raises `StorageError`.
        """
        async with self._cleaning:
            deleted = some = await self._database.run(retention.delete_values)
            while some >= retention.CHUNK:
                some = await self._database.run(retention.delete_values)
            # Asked with every start of a household that keeps none: there is nothing to clean.
            if deleted:
                await self._clean(thorough=True)

    async def _delete(self, which: Oldest) -> int:
        deleted = 0
        while True:
            some = await self._database.run(partial(retention.delete_oldest, which, deleted))
            deleted += some
            # Less than there could be: done, whatever was appended meanwhile.
            if some < retention.CHUNK:
                return deleted

    async def _clean(self, *, thorough: bool) -> None:
        """Delete what nothing refers to, give back the space, and empty the log."""
        await self._interned.collect("entries", "SELECT appliance FROM totals")
        if thorough:
            await self._database.run(retention.rewrite)
        while await self._database.run(retention.shrink):
            pass
        await self._database.checkpoint()

    def _record(self, entry: Entry, connection: sqlite3.Connection) -> int:
        shape = Shape(
            entry.template,
            entry.released,
            entry.withheld_ids,
            entry.coarse,
            entry.recipient_ids,
            entry.reason.value,
            entry.gate,
            entry.appliance_id,
        )
        if entry.appliance_id is not None:
            return self._insert(entry, shape, connection)
        alike = self._strangers.place(entry.at, shape, entry.outcome)
        number = self._strangers.numbers.get(alike)
        if number is not None and self._count_in(number, entry, alike[0], connection):
            return number
        number = self._insert(entry, alike[0], connection)
        self._strangers.numbers[alike] = number
        return number

    def _insert(self, entry: Entry, shape: Shape, connection: sqlite3.Connection) -> int:
        outcome = CODES[entry.outcome]
        appliance = None
        if entry.appliance_id is not None:
            appliance = self._interned.text(connection, entry.appliance_id)
            connection.execute(_COUNT, (appliance, outcome))
        row = (
            entry.at,
            self._interned.shape(connection, shape),
            appliance,
            outcome,
            entry.withheld,
            entry.bytes_in,
            entry.bytes_out,
        )
        number = _append(connection, row)
        if entry.values:
            connection.executemany(
                "INSERT INTO released_values VALUES (?, ?, ?)",
                [(number, point, storable(value)) for point, value in entry.values],
            )
        return number

    def _count_in(
        self, number: int, entry: Entry, shape: Shape, connection: sqlite3.Connection
    ) -> bool:
        # The number may be of an entry that was undone or deleted, and then be another's.
        return bool(
            connection.execute(
                "UPDATE entries SET count = count + 1, bytes_in = bytes_in + ?"
                " WHERE id = ? AND appliance IS NULL AND shape = ? AND outcome = ?",
                (
                    entry.bytes_in,
                    number,
                    self._interned.shape(connection, shape),
                    CODES[entry.outcome],
                ),
            ).rowcount
        )

    def _correct(self, number: int, reason: Reason, connection: sqlite3.Connection) -> None:
        row = connection.execute(
            "SELECT shape, appliance, outcome, withheld FROM entries WHERE id = ?", (number,)
        ).fetchone()
        if row is None:
            # Forgotten meanwhile.
            return
        shape, appliance, outcome, withheld = row
        before = self._interned.read(connection, shape)
        after = before._replace(
            reason=reason.value,
            released=(),
            coarse=(),
            withheld=tuple(sorted({*before.withheld, *before.released})),
        )
        connection.execute(
            "UPDATE entries SET shape = ?, outcome = ?, withheld = ?, bytes_out = 0 WHERE id = ?",
            (
                self._interned.shape(connection, after),
                CODES[Outcome.DENY],
                max(withheld, len(after.withheld)),
                number,
            ),
        )
        connection.execute("DELETE FROM released_values WHERE entry = ?", (number,))
        if appliance is not None:
            connection.execute(
                "UPDATE totals SET count = count - 1 WHERE appliance = ? AND outcome = ?",
                (appliance, outcome),
            )
            connection.execute(_COUNT, (appliance, CODES[Outcome.DENY]))


class _Strangers:
    """Finds transmissions of strangers that are alike, so that a minute's are one entry.

    A stranger may call the gate as often, and under as many hosts, as it likes. So many entries
    an hour tell hosts apart; further ones keep gate and reason only.
    """

    def __init__(self) -> None:
        """Know of none."""
        self.numbers: dict[tuple[Shape, Outcome], int] = {}
        self._minute = self._hour = -1
        self._left = 0

    def place(self, at: float, shape: Shape, outcome: Outcome) -> tuple[Shape, Outcome]:
        """Return under what a transmission at this time is summed up."""
        minute = int(at // 60)
        if minute != self._minute:
            self._minute = minute
            self.numbers.clear()
            if minute // 60 != self._hour:
                self._hour = minute // 60
                self._left = STRANGERS_PER_HOUR
        if (shape, outcome) not in self.numbers:
            if self._left <= 0:
                return shape._replace(template="…"), outcome
            self._left -= 1
        return shape, outcome


def _append(connection: sqlite3.Connection, row: tuple[object, ...]) -> int:
    cursor = connection.execute(
        "INSERT INTO entries (at, shape, appliance, outcome, withheld, bytes_in, bytes_out, count)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
        row,
    )
    return cursor.lastrowid or 0
