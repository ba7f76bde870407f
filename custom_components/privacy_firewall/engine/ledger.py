"""The ledger: every consent decision, appended and never overwritten. The newest one counts.

A request is no decision: it stands beside the newest one and changes nothing of it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
import logging
from math import inf
from pathlib import Path
import sqlite3

from . import anchor, meta
from .clock import ForwardClock
from .model import Consent, ConsentState, Decider, Drift, Item
from .notices import Notice
from .records import COLUMNS, GROUP, Record, Row, first_broken, link, record_of, row_of
from .storage import Database, Job

_LOGGER = logging.getLogger(__name__)
_ALL_COLUMNS = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A decision to be recorded, with the names of things and the notice it is made under."""

    consent: Consent
    facts: dict[str, str | bool]
    notice: Notice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """What became of the chain: how many records there are, and the first that is broken."""

    records: int
    first_broken: int | None


class Ledger:
    """The consents, on disk and in memory. Memory follows disk: first recorded, then in force."""

    def __init__(self, database: Database, clock: ForwardClock, anchor_path: Path) -> None:
        """Keep the file and the time; `anchor_path` is a small file beside it (see `anchor`)."""
        self._database = database
        self._clock = clock
        self._anchor_path = anchor_path
        self._newest: tuple[int, str] = 0, ""
        self._anchoring = asyncio.Lock()
        self._current: dict[Item, Consent] = {}
        self._notices: dict[str, list[str]] = {}
        self._halts: dict[Item, int] = {}
        self.unrecorded: set[Item] = set()
        """Items stopped by the household of which no record says so yet."""
        self.lockdown = False
        """Whether the anchor is to say that everything was stopped: no record does yet."""

    async def load(self) -> bool:
        """Read the newest decisions; raises `StorageError`.

        Returns False where the file is older than what was written to it: a copy put back.
        """
        anchored = await asyncio.to_thread(anchor.read, self._anchor_path)
        self._newest = await self._database.run(_end)
        self._current = await self._database.run(_newest)
        self._notices = await self._database.run(_load_notices)
        self.lockdown = anchored.lockdown
        for item in anchored.stopped & self._current.keys():
            self.unrecorded.add(item)
            self.suspend(item)
        if anchored.number == 0:
            return True
        found = await self._database.run(
            lambda connection: connection.execute(
                "SELECT hash FROM ledger WHERE id = ?", (anchored.number,)
            ).fetchone()
        )
        return found is not None and found[0] == anchored.hash

    @property
    def current(self) -> dict[Item, Consent]:
        """The newest decision about every item."""
        return self._current

    @property
    def newest(self) -> int:
        """The number of the newest record; 0 where there is none."""
        return self._newest[0]

    async def record(
        self, entries: Iterable[Entry], decider: Decider, *, along: Job[None] | None = None
    ) -> tuple[Consent, ...]:
        """Append decisions and bring them into force; raises `StorageError` with nothing changed.

        All of them or none, and what is written `along`. One that was stopped while it was being
        recorded stays suspended.
        """
        at = self._clock.now()
        decided = [
            replace(entry, consent=replace(entry.consent, decided_at=at, group=decider.group))
            for entry in entries
        ]
        halts = {one.consent.item: self._halts.get(one.consent.item, 0) for one in decided}
        more: dict[str, str | bool] = {} if decider.group is None else {GROUP: decider.group}
        rows = [row_of(one.consent, decider, one.facts | more) for one in decided]
        notices = {one.notice.hash: one.notice for one in decided if one.notice is not None}
        moment = meta.moment(self._clock.seen())
        ends = any(one.consent.until is not None for one in decided)

        def append(connection: sqlite3.Connection) -> list[tuple[int, str]]:
            if ends:
                # With the grant: whoever dies right after it must find this moment again.
                meta.write(connection, meta.SEEN, moment)
            if along is not None:
                along(connection)
            return _append(connection, rows, list(notices.values()))

        links = await self._database.run(append, durable=True)
        for notice in notices.values():
            known = self._notices.setdefault(notice.recipient_id, [])
            if notice.hash not in known:
                known.append(notice.hash)
        done: list[Consent] = []
        for one, (number, _) in zip(decided, links, strict=True):
            consent = replace(one.consent, number=number)
            item = consent.item
            before = self._current.get(item)
            if before is not None and before.number > number:
                pass  # a later decision was recorded meanwhile
            elif consent.state is ConsentState.REQUESTED and before is not None:
                # A grant that came meanwhile was made without knowing of the drift.
                self._current[item] = replace(
                    before,
                    requested=True,
                    asked=consent.notice,
                    drift=consent.drift or before.drift,
                )
            else:
                stopped_meanwhile = self._halts.get(item, 0) != halts[item]
                kept = replace(
                    consent,
                    requested=consent.state is ConsentState.REQUESTED,
                    asked=consent.notice if consent.state is ConsentState.REQUESTED else None,
                    is_suspended=stopped_meanwhile and consent.state is ConsentState.GIVEN,
                )
                self._current[item] = kept
                if not kept.is_suspended:
                    self.unrecorded.discard(item)
            done.append(self._current[item])
        self._newest = max(self._newest, links[-1])
        await self.anchor()
        return tuple(done)

    def suspend(self, item: Item) -> None:
        """Take a consent out of force in memory, ahead of the record that says why."""
        self._halts[item] = self._halts.get(item, 0) + 1
        if (before := self._current.get(item)) is not None:
            self._current[item] = replace(before, is_suspended=True)

    def drift(self, item: Item, drift: Drift) -> None:
        """Take a consent out of force in memory because its data point is another thing now."""
        if (before := self._current.get(item)) is not None:
            self._current[item] = replace(before, drift=drift)

    def confirm(self, items: Iterable[Item]) -> None:
        """Bring suspended consents back as they were, but for those the household stopped."""
        for item in items:
            if item in self._current and item not in self.unrecorded:
                self._current[item] = replace(self._current[item], is_suspended=False)

    def in_force(self) -> dict[Item, Consent]:
        """Return the consents under which data may pass now."""
        return {item: one for item, one in self._current.items() if self.is_in_force(one)}

    async def anchor(self) -> None:
        """Keep outside the database what it says last, and what it does not say yet."""
        async with self._anchoring:
            number, digest = self._newest
            anchored = anchor.Anchored(
                number=number,
                hash=digest,
                lockdown=self.lockdown,
                stopped=frozenset(self.unrecorded),
            )
            try:
                await asyncio.to_thread(anchor.write, self._anchor_path, anchored)
            except OSError as err:
                # Only a copy put back would then go unnoticed, or a stop until the next try.
                _LOGGER.warning("The ledger's anchor was not written: %s", type(err).__name__)

    def end_all(self, at: float) -> None:
        """Let every consent that ends by itself be over by a time; the record of it follows."""
        for item, one in self._current.items():
            if one.state is ConsentState.GIVEN and one.until is not None:
                self._current[item] = replace(one, until=min(one.until, at))

    def expired(self) -> list[Consent]:
        """Return the consents whose time ran out, which no record says yet."""
        now = self._clock.now()
        return [
            one
            for one in self._current.values()
            if one.state is ConsentState.GIVEN and one.until is not None and one.until <= now
        ]

    def ends(self) -> list[Consent]:
        """Return the consents in force that end by themselves."""
        return [one for one in self._current.values() if one.in_force and one.until is not None]

    def is_in_force(self, consent: Consent) -> bool:
        """Tell whether data may pass under a consent now."""
        until = inf if consent.until is None else consent.until
        return consent.in_force and until > self._clock.now()

    def versioned(self, notice: Notice) -> Notice:
        """Return a notice with its version: counted per recipient, from 1."""
        known = self._notices.get(notice.recipient_id, [])
        number = known.index(notice.hash) if notice.hash in known else len(known)
        return replace(notice, version=number + 1)

    async def records(
        self, appliance_id: str | None = None, recipient_id: str | None = None
    ) -> list[Record]:
        """Return what was recorded, oldest first; raises `StorageError`."""
        return await self._database.run(
            lambda connection: _records(connection, appliance_id, recipient_id)
        )

    async def notices(self) -> dict[tuple[str, str], Notice]:
        """Return the notices that records refer to, by recipient id and hash."""
        return await self._database.run(_read_notices)

    async def verify(self) -> LedgerCheck:
        """Follow the chain from the first record on to the newest; raises `StorageError`."""
        newest = self._newest
        return await self._database.run(lambda connection: _verify(connection, newest))


def _append(
    connection: sqlite3.Connection, rows: list[Row], notices: list[Notice]
) -> list[tuple[int, str]]:
    for notice in notices:
        connection.execute(
            "INSERT OR IGNORE INTO notices (hash, recipient_id, version, language, text)"
            " VALUES (?, ?, (SELECT COUNT(*) + 1 FROM notices WHERE recipient_id = ?), ?, ?)",
            (
                notice.hash,
                notice.recipient_id,
                notice.recipient_id,
                notice.language,
                notice.text,
            ),
        )
    _, digest = _end(connection)
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    links: list[tuple[int, str]] = []
    for row in rows:
        digest = link(digest, row)
        cursor = connection.execute(
            f"INSERT INTO ledger ({_ALL_COLUMNS}, hash) VALUES ({marks})",  # noqa: S608 - our own
            (*row, digest),
        )
        links.append((cursor.lastrowid or 0, digest))
    return links


def _end(connection: sqlite3.Connection) -> tuple[int, str]:
    newest = connection.execute("SELECT id, hash FROM ledger ORDER BY id DESC LIMIT 1").fetchone()
    return (newest[0], newest[1]) if newest is not None else (0, "")


def _newest(connection: sqlite3.Connection) -> dict[Item, Consent]:
    decided = connection.execute(
        f"SELECT id, {_ALL_COLUMNS} FROM ledger WHERE id IN ("  # noqa: S608 - names of our own
        " SELECT COALESCE(MAX(CASE WHEN state != 'requested' THEN id END), MAX(id)) FROM ledger"
        " GROUP BY appliance_id, data_point_id, recipient_id)"
    ).fetchall()
    requested: dict[Item, tuple[int, str | None]] = {
        (appliance, point, recipient): (number, notice)
        # With MAX(), SQLite takes the other columns from that very row.
        for appliance, point, recipient, number, notice in connection.execute(
            "SELECT appliance_id, data_point_id, recipient_id, MAX(id), notice FROM ledger"
            " WHERE state = 'requested' GROUP BY appliance_id, data_point_id, recipient_id"
        )
    }
    drifted: dict[Item, tuple[int, Drift]] = {
        (appliance, point, recipient): (number, Drift(drift))
        for appliance, point, recipient, number, drift in connection.execute(
            "SELECT appliance_id, data_point_id, recipient_id, MAX(id), facts ->> '$.drift'"
            " FROM ledger WHERE state = 'requested' AND how = 'drift'"
            " GROUP BY appliance_id, data_point_id, recipient_id"
        )
    }
    current: dict[Item, Consent] = {}
    for number, *row in decided:
        consent = record_of(number, tuple(row), "").consent
        asked_at, notice = requested.get(consent.item, (0, None))
        is_asked = asked_at >= number
        drifted_at, drift = drifted.get(consent.item, (0, None))
        current[consent.item] = replace(
            consent,
            requested=is_asked,
            asked=notice if is_asked else None,
            drift=drift if drifted_at > number else consent.drift,
        )
    return current


def _records(
    connection: sqlite3.Connection, appliance_id: str | None, recipient_id: str | None
) -> list[Record]:
    rows = connection.execute(
        f"SELECT id, {_ALL_COLUMNS}, hash FROM ledger"  # noqa: S608 - names of our own
        " WHERE (? IS NULL OR appliance_id = ?) AND (? IS NULL OR recipient_id = ?) ORDER BY id",
        (appliance_id, appliance_id, recipient_id, recipient_id),
    )
    return [record_of(number, tuple(row), digest) for number, *row, digest in rows]


def _load_notices(connection: sqlite3.Connection) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for recipient_id, digest in connection.execute(
        "SELECT recipient_id, hash FROM notices ORDER BY version"
    ):
        known.setdefault(recipient_id, []).append(digest)
    return known


def _read_notices(connection: sqlite3.Connection) -> dict[tuple[str, str], Notice]:
    return {
        (recipient_id, digest): Notice(
            recipient_id=recipient_id,
            text=text,
            hash=digest,
            version=version,
            language=language,
        )
        for recipient_id, digest, version, language, text in connection.execute(
            "SELECT recipient_id, hash, version, language, text FROM notices"
        )
    }


def _verify(connection: sqlite3.Connection, newest: tuple[int, str]) -> LedgerCheck:
    count: int = connection.execute("SELECT COUNT(*) FROM ledger").fetchone()[0]
    before = connection.text_factory
    # A text that is none any more is a broken record as well, not a file that cannot be read.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        rows = (
            (number, tuple(row), digest)
            for number, *row, digest in connection.execute(
                f"SELECT id, {_ALL_COLUMNS}, hash FROM ledger ORDER BY id"  # noqa: S608 - our own
            )
        )
        broken = next(first_broken(rows), None)
    finally:
        connection.text_factory = before
    if broken is None:
        broken = _first_under_a_changed_notice(connection)
    if broken is None and newest[0]:
        # Records that are missing at the end break no chain, nor does another one in their place.
        known = connection.execute("SELECT hash FROM ledger WHERE id = ?", (newest[0],)).fetchone()
        if known is None:
            broken = _end(connection)[0] + 1
        elif known[0] != newest[1]:
            broken = newest[0]
    return LedgerCheck(records=count, first_broken=broken)


def _first_under_a_changed_notice(connection: sqlite3.Connection) -> int | None:
    """Return the first record whose notice no longer reads as it did: its hash is in the chain."""
    changed = [
        digest
        for digest, text in connection.execute("SELECT hash, text FROM notices")
        if sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest() != digest
    ]
    known = "SELECT hash FROM notices"
    marks = ", ".join("?" * len(changed))
    found: int | None = connection.execute(
        "SELECT MIN(id) FROM ledger WHERE notice IS NOT NULL"  # noqa: S608 - marks only
        f" AND (notice IN ({marks}) OR notice NOT IN ({known}))",
        changed,
    ).fetchone()[0]
    return found
