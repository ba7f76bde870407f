"""One SQLite file for ledger, journal, data points and identities, on a thread of its own.

Writes that arrive while one is under way are committed together (group commit). A write is
awaited: when it returns, `kill -9` no longer loses it. With `durable`, neither does a power cut;
without, the last moments before one may be missing (synchronous=NORMAL in WAL mode).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
import logging
from pathlib import Path
from queue import SimpleQueue
import sqlite3
import threading
from typing import Any

from .errors import StorageError

_LOGGER = logging.getLogger(__name__)
MAX_BATCH = 500
"""Writes committed together at most, so that one commit stays under some 10 ms."""

type Job[T] = Callable[[sqlite3.Connection], T]

VERSION = 1
"""The form of the file. One of a later version is not opened: its meaning is not known here."""

_SCHEMA = """
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
    person TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS ledger_item ON ledger (appliance_id, data_point_id, recipient_id, id);
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    gate TEXT NOT NULL,
    appliance_id TEXT,
    recipient_ids TEXT NOT NULL,
    template TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    released TEXT NOT NULL,
    withheld INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS journal_appliance ON journal (appliance_id, at);
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
"""


@dataclass(slots=True)
class _Queued:
    job: Job[Any]
    durable: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Database:
    """The file and its thread. Jobs are functions of a connection; they run one after another."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._queue: SimpleQueue[_Queued | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Open the file and start the thread; raises `StorageError`."""
        connection = await asyncio.to_thread(self._connect)
        self._thread = threading.Thread(
            target=self._work, args=(connection,), name="privacy_firewall_storage", daemon=True
        )
        self._thread.start()

    async def close(self) -> None:
        """Finish what is queued, close the file and end the thread."""
        # From here on nothing is queued any more: behind the end nobody would look.
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    async def run[T](self, job: Job[T], *, durable: bool = False) -> T:
        """Run a job in a transaction; return its result once that is committed.

        Raises `StorageError` where the job or the commit failed; nothing of it is kept then.
        """
        if self._thread is None or not self._thread.is_alive():
            raise StorageError("the database is not open")
        loop = asyncio.get_running_loop()
        queued = _Queued(job, durable, loop.create_future(), loop)
        self._queue.put(queued)
        result: T = await queued.future
        return result

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=5
            )
            self._path.chmod(0o600)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = ON")
            if connection.execute("PRAGMA user_version").fetchone()[0] > VERSION:
                raise StorageError("the database was written by a later version")
            connection.executescript(f"{_SCHEMA}PRAGMA user_version = {VERSION};")
        except (sqlite3.Error, OSError, StorageError) as err:
            if connection is not None:
                connection.close()
            if isinstance(err, StorageError):
                raise
            raise StorageError(f"cannot open the database: {type(err).__name__}") from err
        return connection

    def _work(self, connection: sqlite3.Connection) -> None:
        ending = False
        while not ending:
            batch: list[_Queued] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) >= MAX_BATCH or self._queue.empty():
                    break
                item = self._queue.get()
            ending = item is None
            if batch:
                self._commit(connection, batch)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Queued]) -> None:
        try:
            results = self._transact(connection, batch)
        except Exception as err:
            if len(batch) > 1:
                # One bad job must not take the others with it.
                for queued in batch:
                    self._commit(connection, [queued])
                return
            failure = StorageError(f"the database refused a write: {type(err).__name__}")
            _LOGGER.debug("Write failed", exc_info=err)
            _resolve(batch[0].loop, [(batch[0].future, failure)])
            return
        # Every caller lives in one loop; the first one's is everybody's.
        _resolve(
            batch[0].loop,
            [(queued.future, result) for queued, result in zip(batch, results, strict=True)],
        )

    @staticmethod
    def _transact(connection: sqlite3.Connection, batch: list[_Queued]) -> list[Any]:
        durable = any(queued.durable for queued in batch)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [queued.job(connection) for queued in batch]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results


def _resolve(
    loop: asyncio.AbstractEventLoop, outcomes: list[tuple[asyncio.Future[Any], Any]]
) -> None:
    def tell() -> None:
        for future, outcome in outcomes:
            if future.done():
                continue
            if isinstance(outcome, StorageError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    # The loop may already be gone when Home Assistant was stopped hard.
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)
