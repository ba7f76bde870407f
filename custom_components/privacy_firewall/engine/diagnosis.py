"""Why the disk refuses the firewall's records, as far as that can be found out by trying."""

from contextlib import closing, suppress
from enum import StrEnum
import errno
import os
from pathlib import Path
import shutil
import sqlite3

from . import schema

LEAST_BYTES = 1_000_000
"""Free bytes below which a disk counts as full: SQLite needs some room to work at all."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Trouble(StrEnum):
    """What is wrong; `unknown` is also what has passed meanwhile."""

    FULL = "full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    NEWER = "newer"
    UNKNOWN = "unknown"


def diagnose(database: Path) -> Trouble:
    """Try the disk and the household's file. Blocks."""
    try:
        if shutil.disk_usage(database.parent).free < LEAST_BYTES:
            return Trouble.FULL
        _try_to_write(database.with_name(f"{database.name}.probe"))
    except OSError as err:
        if err.errno in _FULL:
            return Trouble.FULL
        return Trouble.READ_ONLY if err.errno in _READ_ONLY else Trouble.UNKNOWN
    try:
        return _read(database)
    except sqlite3.Error as err:
        code = getattr(err, "sqlite_errorcode", 0) & 0xFF
        return Trouble.DAMAGED if code in _DAMAGED else Trouble.UNKNOWN


def _try_to_write(probe: Path) -> None:
    try:
        with probe.open("wb") as file:
            file.write(bytes(65_536))
            file.flush()
            os.fsync(file.fileno())
    finally:
        with suppress(OSError):
            probe.unlink()


def _read(database: Path) -> Trouble:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as file:
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if version > schema.VERSION:
            return Trouble.NEWER
        (found,) = file.execute("PRAGMA quick_check(1)").fetchone()
        return Trouble.UNKNOWN if found == "ok" else Trouble.DAMAGED
