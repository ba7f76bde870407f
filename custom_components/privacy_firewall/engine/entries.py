"""What stands in the journal's file: its tables, and the jobs that read them.

Writing is `journal`'s business, deleting `retention`'s.
"""

from collections import Counter
from dataclasses import dataclass, field
import json
import sqlite3

from .interning import SCHEMA as TEXTS, Interned
from .model import Outcome, Reason

_ENTRIES = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    shape INTEGER NOT NULL,
    appliance INTEGER,
    outcome INTEGER NOT NULL,
    withheld INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_at ON entries (at, shape, outcome);
CREATE INDEX IF NOT EXISTS entries_appliance ON entries (appliance, at, shape, outcome);
CREATE TABLE IF NOT EXISTS released_values (
    entry INTEGER NOT NULL,
    data_point_id TEXT NOT NULL,
    value TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS released_values_entry ON released_values (entry);
CREATE TABLE IF NOT EXISTS totals (
    appliance INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    count INTEGER NOT NULL,
    purged_at REAL,
    PRIMARY KEY (appliance, outcome)
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS journal AS
    SELECT e.id, e.at, g.text AS gate, NULLIF(a.text, '') AS appliance_id,
        rc.text AS recipient_ids, t.text AS template,
        CASE e.outcome WHEN 0 THEN 'deny' WHEN 1 THEN 'permit' WHEN 2 THEN 'redact' END AS outcome,
        rs.text AS reason, rl.text AS released, c.text AS coarse, w.text AS withheld_ids,
        e.withheld, e.bytes_in, e.bytes_out, e.count
    FROM entries AS e JOIN shapes AS s ON s.id = e.shape
        JOIN texts AS t ON t.id = s.template JOIN texts AS rl ON rl.id = s.released
        JOIN texts AS w ON w.id = s.withheld JOIN texts AS c ON c.id = s.coarse
        JOIN texts AS rc ON rc.id = s.recipients JOIN texts AS rs ON rs.id = s.reason
        JOIN texts AS g ON g.id = s.gate JOIN texts AS a ON a.id = s.appliance;
"""
SCHEMA = TEXTS + _ENTRIES
"""`totals` count everything there ever was, also what was purged; `purged_at` is the time of the
newest that was. The view is for whoever reads the file by other means."""

OUTCOMES = {0: Outcome.DENY, 1: Outcome.PERMIT, 2: Outcome.REDACT}
"""By their number in the file. What released nothing is 0."""
CODES = {outcome: code for code, outcome in OUTCOMES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transmission. Ids are of data points; sizes are of the bodies, in bytes.

    `released` is all that left, `coarse` what of it left coarse. `withheld` counts what was held
    back (dropped or replaced), `withheld_ids` name it as far as it has a name. `values` are
    released values by data point id, only where the household wants them kept. `count` is above 1
    where strangers' transmissions were summed up. `number` is given by the journal.
    """

    at: float
    gate: str
    appliance_id: str | None
    recipient_ids: tuple[str, ...]
    template: str
    outcome: Outcome
    reason: Reason
    released: tuple[str, ...] = ()
    coarse: tuple[str, ...] = ()
    withheld: int = 0
    withheld_ids: tuple[str, ...] = ()
    bytes_in: int = 0
    bytes_out: int = 0
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    count: int = 1
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the journal says of an appliance: transmissions by outcome and two times."""

    counts: dict[Outcome, int]
    last_seen: float | None = None
    last_disclosure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """What left together, to whom, and when that was last. Ids only."""

    at: float
    appliance_id: str
    recipient_ids: tuple[str, ...]
    released: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which entries: all that is stated must hold. `since` is included, `until` is not.

    `before` is the number of an entry: what is older than that follows, for the next page.
    """

    appliance_id: str | None = None
    recipient_id: str | None = None
    since: float | None = None
    until: float | None = None
    outcomes: frozenset[Outcome] | None = None
    before: int | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A period in numbers.

    `counts` are transmissions by appliance (None: strangers), outcome and reason; `released` says
    of data points how often they left, `coarse` how often only coarse.
    """

    counts: Counter[tuple[str | None, Outcome, Reason]] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    coarse: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Summary) -> Summary:
        """Return both in one."""
        return Summary(
            counts=self.counts + other.counts,
            released=self.released + other.released,
            coarse=self.coarse + other.coarse,
        )


@dataclass(slots=True)
class _Sum:
    """A tally in the making."""

    counts: dict[Outcome, int] = field(default_factory=dict[Outcome, int])
    last_seen: float | None = None
    last_disclosure: float | None = None

    def add(self, code: int, count: int, newest: float | None) -> None:
        """Count in so many of an outcome, the newest of them at a time."""
        self.counts[OUTCOMES[code]] = count
        if newest is not None:
            self.last_seen = max(newest, self.last_seen or newest)
            if OUTCOMES[code] is not Outcome.DENY:
                self.last_disclosure = max(newest, self.last_disclosure or newest)

    def tally(self) -> Tally:
        """Return what was summed up."""
        return Tally(
            counts=self.counts, last_seen=self.last_seen, last_disclosure=self.last_disclosure
        )


def disclosures(interned: Interned, query: Query, connection: sqlite3.Connection) -> list[Entry]:
    """Return a page of entries, newest first."""
    where, values = _where(query)
    if query.before is not None:
        place = connection.execute(
            "SELECT at FROM entries WHERE id = ?", (query.before,)
        ).fetchone()
        # Where it was deleted meanwhile, so was all that is older, but for what clocks did.
        where += " AND (at, id) < (?, ?)" if place else " AND id < ?"
        values += [*(place or ()), query.before]
    values.append(query.limit)
    return _read(interned, f"WHERE {where} ORDER BY at DESC, id DESC LIMIT ?", values, connection)


def newest(interned: Interned, limit: int, connection: sqlite3.Connection) -> list[Entry]:
    """Return the entries recorded last, newest first."""
    return _read(interned, "ORDER BY id DESC LIMIT ?", [limit], connection)


def _read(
    interned: Interned,
    clause: str,
    values: list[str | float],
    connection: sqlite3.Connection,
) -> list[Entry]:
    columns = "id, at, shape, outcome, withheld, bytes_in, bytes_out, count"
    rows = connection.execute(
        f"SELECT {columns} FROM entries {clause}",  # noqa: S608 - no values
        values,
    ).fetchall()
    kept = _values(connection, [row[0] for row in rows])
    shapes = {code: interned.read(connection, code) for code in {row[2] for row in rows}}
    return [
        Entry(
            number=number,
            at=at,
            gate=shapes[code].gate,
            appliance_id=shapes[code].appliance,
            recipient_ids=shapes[code].recipients,
            template=shapes[code].template,
            outcome=OUTCOMES[outcome],
            reason=Reason(shapes[code].reason),
            released=shapes[code].released,
            coarse=shapes[code].coarse,
            withheld=withheld,
            withheld_ids=shapes[code].withheld,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            values=tuple(kept.get(number, ())),
            count=count,
        )
        for number, at, code, outcome, withheld, bytes_in, bytes_out, count in rows
    ]


def period(connection: sqlite3.Connection) -> tuple[float, float] | None:
    """Return the times of the oldest and the newest entry, or None where there is none."""
    oldest, latest = (
        connection.execute(f"SELECT {which}(at) FROM entries").fetchone()[0]  # noqa: S608 - no values
        for which in ("MIN", "MAX")
    )
    return None if oldest is None else (oldest, latest)


def summary(interned: Interned, query: Query, connection: sqlite3.Connection) -> Summary:
    """Count what a query asks for, whatever its limit."""
    where, values = _where(query)
    rows = connection.execute(
        f"SELECT shape, outcome, COUNT(*) FROM entries WHERE {where} GROUP BY shape, outcome"  # noqa: S608 - no values
        # An index has all of the above; only strangers are summed up in the table itself.
        " UNION ALL SELECT shape, outcome, SUM(count) - COUNT(*) FROM entries"
        f" WHERE {where} AND appliance IS NULL GROUP BY shape, outcome",
        values * 2,
    ).fetchall()
    counts: Counter[tuple[str | None, Outcome, Reason]] = Counter()
    released: Counter[str] = Counter()
    coarse: Counter[str] = Counter()
    for code, outcome, count in rows:
        shape = interned.read(connection, code)
        counts[shape.appliance, OUTCOMES[outcome], Reason(shape.reason)] += count
        for point in shape.released:
            released[point] += count
        for point in shape.coarse:
            coarse[point] += count
    return Summary(counts=counts, released=released, coarse=coarse)


def last_disclosed(
    interned: Interned, since: float, connection: sqlite3.Connection
) -> list[Disclosed]:
    """Return what left since a time, every combination once, with the last time it did."""
    rows = connection.execute(
        "SELECT shape, MAX(at) FROM entries WHERE at >= ? AND outcome != ? GROUP BY shape",
        (since, CODES[Outcome.DENY]),
    ).fetchall()
    shapes = [(interned.read(connection, code), at) for code, at in rows]
    return [
        Disclosed(
            at=at,
            appliance_id=shape.appliance,
            recipient_ids=shape.recipients,
            released=shape.released,
        )
        for shape, at in shapes
        if shape.appliance is not None
    ]


def _where(query: Query) -> tuple[str, list[str | float]]:
    """Return the conditions of a query and their values."""
    conditions = ["TRUE"]
    values: list[str | float] = []
    if query.since is not None:
        conditions.append("at >= ?")
        values.append(query.since)
    if query.until is not None:
        conditions.append("at < ?")
        values.append(query.until)
    if query.appliance_id is not None:
        conditions.append("appliance IN (SELECT id FROM texts WHERE text = ?)")
        values.append(query.appliance_id)
    if query.recipient_id is not None:
        conditions.append(
            "shape IN (SELECT s.id FROM shapes AS s JOIN texts AS t ON t.id = s.recipients"
            " WHERE EXISTS (SELECT 1 FROM json_each(t.text) WHERE value = ?))"
        )
        values.append(query.recipient_id)
    if query.outcomes is not None:
        codes = ", ".join(str(CODES[outcome]) for outcome in query.outcomes)
        conditions.append(f"outcome IN ({codes})")
    return " AND ".join(conditions), values


def _values(connection: sqlite3.Connection, numbers: list[int]) -> dict[int, list[tuple[str, str]]]:
    """Return the released values that are kept for entries."""
    kept: dict[int, list[tuple[str, str]]] = {}
    rows = connection.execute(
        "SELECT entry, data_point_id, value FROM released_values"
        " WHERE entry IN (SELECT value FROM json_each(?)) ORDER BY rowid",
        (json.dumps(numbers),),
    )
    for number, point, value in rows:
        kept.setdefault(number, []).append((point, value))
    return kept


def tallies(connection: sqlite3.Connection) -> dict[str, Tally]:
    """Sum up every appliance from the start, what was purged included."""
    rows = connection.execute(
        "SELECT a.id, a.text, t.outcome, t.count, t.purged_at FROM totals AS t"
        " JOIN texts AS a ON a.id = t.appliance WHERE t.count > 0"
    ).fetchall()
    sums: dict[str, _Sum] = {}
    for appliance, name, code, count, purged_at in rows:
        newest = connection.execute(
            "SELECT at, outcome FROM entries WHERE appliance = ? AND outcome = ?"
            " ORDER BY at DESC LIMIT 1",
            (appliance, code),
        ).fetchone()
        sums.setdefault(name, _Sum()).add(code, count, newest[0] if newest else purged_at)
    return {name: one.tally() for name, one in sums.items()}


def tallies_since(since: float, connection: sqlite3.Connection) -> dict[str, Tally]:
    """Sum up every appliance since a time."""
    sums: dict[str, _Sum] = {}
    appliances = connection.execute(
        "SELECT id, text FROM texts WHERE id IN (SELECT appliance FROM totals)"
    ).fetchall()
    for appliance, name in appliances:
        for code, count, newest in connection.execute(
            "SELECT outcome, COUNT(*), MAX(at) FROM entries WHERE appliance = ? AND at >= ?"
            " GROUP BY outcome",
            (appliance, since),
        ):
            sums.setdefault(name, _Sum()).add(code, count, newest)
    return {name: one.tally() for name, one in sums.items()}
