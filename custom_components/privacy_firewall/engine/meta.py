"""What the firewall must remember of itself between runs: a few values by their keys."""

import json
import sqlite3
from typing import Any

from .clock import Seen
from .storage import Database

SEEN = "seen"
"""The newest moment: time, ticks and boot id (`clock.Seen`)."""
BACKUP = "backup"
"""Set while the file is being copied into a backup."""
ASKED = "asked"
"""When the household was last asked."""
WATCHED = "watched"
"""When `watching` was last stored, and for how long no gate had been watching until then."""


async def get(database: Database, key: str) -> Any:
    """Return a value, or None where there is none; raises `StorageError`."""

    def read(connection: sqlite3.Connection) -> Any:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    return await database.run(read)


async def put(database: Database, key: str, value: Any) -> None:
    """Keep a value, or forget it (None); raises `StorageError`."""
    if value is None:
        await database.run(
            lambda connection: (
                connection.execute("DELETE FROM meta WHERE key = ?", (key,)).rowcount
            ),
            durable=True,
        )
    else:
        await database.run(lambda connection: write(connection, key, value), durable=True)


def write(connection: sqlite3.Connection, key: str, value: Any) -> None:
    """Keep a value, as a part of somebody's transaction."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))


def moment(seen: Seen) -> list[float | str | None]:
    """Return a moment in the form in which it is kept."""
    return [seen.at, seen.ticks, seen.boot]
