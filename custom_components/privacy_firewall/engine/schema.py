"""The form of the household's file, and how files of earlier forms become it.

In it stand the ledger, the notices it refers to, the measures, what Home Assistant itself hands
out, what was seen of appliances and of their need for recipients, and what the firewall must
remember of itself (`meta`). The journal has a file of its own.
"""

from collections.abc import Callable
import sqlite3

from .records import COLUMNS, link

VERSION = 2

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    appliance_id TEXT NOT NULL,
    data_point_id TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    state TEXT NOT NULL,
    level TEXT NOT NULL,
    kinds TEXT NOT NULL,
    how TEXT NOT NULL,
    person TEXT,
    until REAL,
    functional TEXT NOT NULL DEFAULT '[]',
    notice TEXT,
    notice_shown INTEGER NOT NULL DEFAULT 0,
    subject TEXT,
    context TEXT,
    facts TEXT NOT NULL DEFAULT '{}',
    hash TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS ledger_item ON ledger (appliance_id, data_point_id, recipient_id, id);
CREATE TABLE IF NOT EXISTS notices (
    hash TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    language TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (recipient_id, hash)
) STRICT;
CREATE TABLE IF NOT EXISTS measures (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    measure TEXT NOT NULL,
    appliance_id TEXT NOT NULL,
    is_on INTEGER NOT NULL,
    until REAL,
    record INTEGER NOT NULL,
    how TEXT NOT NULL,
    person TEXT,
    context TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS data_points (
    id TEXT PRIMARY KEY,
    appliance_id TEXT NOT NULL,
    template TEXT NOT NULL,
    path TEXT NOT NULL,
    siblings TEXT NOT NULL,
    name TEXT NOT NULL,
    kinds TEXT NOT NULL,
    category TEXT NOT NULL,
    recipients TEXT NOT NULL,
    unit TEXT,
    quantity TEXT,
    first_seen REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS identities (
    appliance_id TEXT NOT NULL,
    identity TEXT NOT NULL,
    PRIMARY KEY (appliance_id, identity)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS traits (
    id TEXT PRIMARY KEY,
    appliance_id TEXT NOT NULL,
    nature TEXT NOT NULL,
    sensitive TEXT NOT NULL,
    evidence TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profiles (
    id TEXT PRIMARY KEY,
    appliance_id TEXT NOT NULL,
    kept TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS needs (
    appliance_id TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    kept TEXT NOT NULL,
    PRIMARY KEY (appliance_id, recipient_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exposures (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    entity TEXT NOT NULL,
    assistant TEXT NOT NULL,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    how TEXT NOT NULL,
    person TEXT,
    context TEXT,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS exposures_handed ON exposures (entity, assistant, id);
"""

_ADDED_IN_2 = (
    "until REAL",
    "functional TEXT NOT NULL DEFAULT '[]'",
    "notice TEXT",
    "notice_shown INTEGER NOT NULL DEFAULT 0",
    "subject TEXT",
    "context TEXT",
    "facts TEXT NOT NULL DEFAULT '{}'",
    "hash TEXT NOT NULL DEFAULT ''",
)


def _to_2(connection: sqlite3.Connection) -> None:
    """Let the ledger say more, and chain what it says. The journal moved to another file.

    Consents stay; none was given under a notice that named functional identifiers, so that these
    stay at home until someone grants anew.
    """
    for column in _ADDED_IN_2:
        connection.execute(f"ALTER TABLE ledger ADD COLUMN {column}")
    connection.execute("DROP TABLE IF EXISTS journal")
    digest = ""
    rows = connection.execute(
        f"SELECT id, {', '.join(COLUMNS)} FROM ledger ORDER BY id"  # noqa: S608 - names of our own
    ).fetchall()
    for number, *row in rows:
        digest = link(digest, tuple(row))
        connection.execute("UPDATE ledger SET hash = ? WHERE id = ?", (digest, number))


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _to_2}
"""By the version found: the step that leads to the next."""
