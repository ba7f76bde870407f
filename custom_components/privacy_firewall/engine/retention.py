"""Deleting from the journal, a piece at a time: jobs for its file, each some 20 ms of work.

Between two of them the database takes other writes. What they delete is overwritten in the file;
the log beside it is emptied by the checkpoint that ends every clean-up.
"""

from dataclasses import dataclass
from math import inf
import sqlite3

CHUNK = 2_000
"""Entries deleted by one job."""
_PAGES = 500
"""Pages of the file given back by one job."""
_HEADROOM = 0.98
"""To which part of the limit a file that is too large is brought down, so as not to start again
with the next entry."""
_ALL = "SELECT id, appliance, outcome, at FROM entries WHERE at < :before ORDER BY at LIMIT :limit"
_OF_ONE = _ALL.replace(
    "WHERE", "WHERE appliance IN (SELECT id FROM texts WHERE text = :appliance_id) AND"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oldest:
    """Which entries go, oldest first: those before a time, of an appliance, or so many at most."""

    before: float = inf
    appliance_id: str | None = None
    at_most: int | None = None


def delete_oldest(which: Oldest, deleted: int, connection: sqlite3.Connection) -> int:
    """Delete the next of the entries, so many having been deleted; return how many it were."""
    limit = CHUNK if which.at_most is None else min(CHUNK, which.at_most - deleted)
    rows = connection.execute(
        _ALL if which.appliance_id is None else _OF_ONE,
        {"before": which.before, "limit": limit, "appliance_id": which.appliance_id},
    ).fetchall()
    newest: dict[tuple[int, int], float] = {}
    for _, appliance, outcome, at in rows:
        if appliance is not None:
            newest[appliance, outcome] = at
    connection.executemany(
        "UPDATE totals SET purged_at = MAX(?, IFNULL(purged_at, 0))"
        " WHERE appliance = ? AND outcome = ?",
        [(at, *place) for place, at in newest.items()],
    )
    numbers = [(row[0],) for row in rows]
    connection.executemany("DELETE FROM released_values WHERE entry = ?", numbers)
    connection.executemany("DELETE FROM entries WHERE id = ?", numbers)
    return len(rows)


def delete_values(connection: sqlite3.Connection) -> int:
    """Delete the next of the released values; return how many it were."""
    return connection.execute(
        "DELETE FROM released_values WHERE rowid IN (SELECT rowid FROM released_values LIMIT ?)",
        (CHUNK,),
    ).rowcount


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the texts and the values anew, onto pages that were zeroed.

    `secure_delete` overwrites a row where it stands. A copy that was left behind on another page,
    when rows were moved between pages to fill them evenly, it does not find (seen with SQLite
    3.53). Only text is worth it: the other tables hold numbers that mean nothing without.
    Takes some 10 ms a megabyte.
    """
    for table in ("texts", "released_values"):
        connection.execute(f"CREATE TABLE rewritten AS SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - no values
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - no values
        connection.execute(f"INSERT INTO {table} SELECT * FROM rewritten ORDER BY rowid")  # noqa: S608 - no values
        connection.execute("DROP TABLE rewritten")


def entries_over(max_bytes: int, connection: sqlite3.Connection) -> int:
    """Return how many entries are to go so that the file takes no more than so many bytes.

    Entries differ in size: it is an estimate, to be asked again until it is 0.
    """
    used = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    share = 1 - _HEADROOM * max_bytes / (used * _pragma(connection, "page_size"))
    if share <= 1 - _HEADROOM:
        return 0
    count: int = connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
    return min(count, int(count * share) + 1)


def shrink(connection: sqlite3.Connection) -> bool:
    """Give back some of the pages that are free; return whether there are more."""
    before = _pragma(connection, "freelist_count")
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return 0 < _pragma(connection, "freelist_count") < before


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    row: tuple[int] = connection.execute(f"PRAGMA {name}").fetchone()
    return row[0]
