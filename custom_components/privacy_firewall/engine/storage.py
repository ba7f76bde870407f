"""SQLite files, each with a thread of its own: jobs go in, results come out once committed.

Writes that arrive while one is under way are committed together (group commit). A write is
awaited: when it returns, `kill -9` no longer loses it. With `durable`, neither does a power cut;
without, the last moments before one may be missing (synchronous=NORMAL in WAL mode).

What is deleted is overwritten (`secure_delete`), in the file at once and in the write-ahead log as
soon as that is emptied (`checkpoint`).
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
import logging
import os
from pathlib import Path
from queue import SimpleQueue
import sqlite3
import threading
from typing import Any

from .errors import StorageDamagedError, StorageError

_LOGGER = logging.getLogger(__name__)
MAX_BATCH = 500
"""Writes committed together at most, so that one commit stays under some 20 ms."""
CHECKPOINT_PAGES = 1_000
"""Pages in the log after which they go into the file (SQLite's own default)."""
DAMAGED = ".damaged"
"""What is added to the name of a file that was set aside."""
_COMPANIONS = ("-wal", "-shm")

type Job[T] = Callable[[sqlite3.Connection], T]
type Migrations = Mapping[int, Callable[[sqlite3.Connection], None]]
"""By the version found in a file: the step that leads to the next. A step must not commit."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DISK = _DAMAGED | {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Primary result codes that are the disk's fault, not a job's (https://sqlite.org/rescode.html)."""


@dataclass(slots=True)
class _Queued:
    job: Job[Any]
    durable: bool
    alone: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Database:
    """A file and its thread. Jobs are functions of a connection; they run one after another.

    `generation` grows whenever what an earlier job wrote may be gone: with every opening and every
    transaction that was undone. A job that remembers what stands in the file compares it.
    """

    def __init__(
        self,
        path: Path,
        schema: str = "",
        *,
        version: int = 1,
        migrations: Migrations | None = None,
        on_health: Callable[[bool], None] | None = None,
    ) -> None:
        """Name the file; nothing is opened yet.

        `schema` makes what is missing (`CREATE … IF NOT EXISTS`) in the form of `version`; files
        of earlier versions go through the `migrations` first. `on_health` is called in the event
        loop with False when the disk refuses a job, and with True when it takes a write again.
        """
        self.path = path
        self.generation = 0
        self.version_found = 0
        """The file's version before it was opened; 0 where there was none."""
        self._schema = schema
        self._version = version
        self._migrations = migrations or {}
        self._on_health = on_health
        self._is_healthy = True
        self._queue: SimpleQueue[_Queued | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def require(self, schema: str) -> None:
        """Have these tables as well when the file is opened."""
        self._schema += schema

    async def open(self) -> None:
        """Open the file and start the thread.

        Raises `StorageDamagedError` where what stands there is no database, `StorageError` where
        it cannot be opened or was written by a later version.
        """
        connection = await asyncio.to_thread(self._connect)
        self.generation += 1
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

    @property
    def is_open(self) -> bool:
        """Whether jobs are taken."""
        return self._thread is not None and self._thread.is_alive()

    async def run[T](self, job: Job[T], *, durable: bool = False) -> T:
        """Run a job in a transaction; return its result once that is committed.

        Raises `StorageError` where the job or the commit failed (`StorageDamagedError` where the
        file is damaged); nothing of it is kept then.
        """
        result: T = await self._put(job, durable=durable)
        return result

    async def checkpoint(self) -> bool:
        """Bring everything into the file itself and empty the log beside it.

        Returns whether that succeeded: somebody else reading the file keeps the log from being
        emptied. Raises `StorageError`.
        """

        def checkpoint(connection: sqlite3.Connection) -> bool:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

        result: bool = await self._put(checkpoint, alone=True)
        return result

    async def check(self) -> None:
        """Read the whole file; raises `StorageDamagedError` where it is damaged."""

        def check(_: sqlite3.Connection) -> None:
            # What our own connection holds in memory may be in order still.
            with closing(sqlite3.connect(self.path, timeout=5)) as fresh:
                (found,) = fresh.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise StorageDamagedError("the file is damaged")

        await self._put(check, alone=True)

    async def try_out(self) -> None:
        """Write something and take it back; raises `StorageError` where the disk refuses."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TABLE IF NOT EXISTS tried (at REAL)")
            connection.execute("INSERT INTO tried VALUES (0)")
            connection.execute("DELETE FROM tried")

        await self.run(write, durable=True)

    async def hold_still(self, *, on: bool) -> None:
        """Leave the file itself alone while it is copied: writes wait in the log beside it.

        Raises `StorageError`.
        """
        heed = f"PRAGMA wal_autocheckpoint = {0 if on else CHECKPOINT_PAGES}"
        await self._put(lambda connection: connection.execute(heed).fetchall(), alone=True)

    async def copy_to(self, path: Path) -> None:
        """Write a whole copy of the file as it is now, for its owner alone; raises `StorageError`.

        The copy needs no companions. An earlier one of that name is replaced in one go.
        """
        await self._put(lambda connection: _copy(connection, path), alone=True)

    async def size(self) -> int:
        """Return the bytes that the file and its log take on the disk."""
        return await asyncio.to_thread(
            lambda: sum(_size(beside(self.path, suffix)) for suffix in ("", "-wal"))
        )

    async def set_aside(self) -> Path:
        """Close a damaged file and rename it, so that a new one may be opened; return where it is.

        One such file is kept; an earlier one is overwritten. Raises `StorageError`.
        """
        await self.close()
        aside = beside(self.path, DAMAGED)

        def rename() -> None:
            for suffix in ("", *_COMPANIONS):
                beside(aside, suffix).unlink(missing_ok=True)
            self.path.replace(aside)
            # The log may be what a repair needs; the index of it is made anew.
            with suppress(FileNotFoundError):
                beside(self.path, "-wal").replace(beside(aside, "-wal"))
            beside(self.path, "-shm").unlink(missing_ok=True)

        try:
            await asyncio.to_thread(rename)
        except OSError as err:
            raise StorageError(f"cannot set the file aside: {type(err).__name__}") from err
        return aside

    async def discard_set_aside(self, before: float | None = None) -> None:
        """Delete the file that was set aside, or only where it was last written before a time."""
        aside = beside(self.path, DAMAGED)

        def discard() -> None:
            with suppress(FileNotFoundError):
                if before is None or aside.stat().st_mtime < before:
                    for suffix in ("", *_COMPANIONS):
                        beside(aside, suffix).unlink(missing_ok=True)

        try:
            await asyncio.to_thread(discard)
        except OSError as err:
            raise StorageError(f"cannot delete the damaged file: {type(err).__name__}") from err

    async def _put(self, job: Job[Any], *, durable: bool = False, alone: bool = False) -> Any:
        if self._thread is None or not self._thread.is_alive():
            raise StorageError("the database is not open")
        loop = asyncio.get_running_loop()
        queued = _Queued(job, durable, alone, loop.create_future(), loop)
        self._queue.put(queued)
        return await queued.future

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=5
            )
            self.path.chmod(0o600)
            self._prepare(connection)
        except Exception as err:
            if connection is not None:
                connection.close()
            raise _failure(err, "cannot open the database") from err
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > self._version:
            raise StorageError("the database was written by a later version")
        self.version_found = found
        if not found:
            # A new file. It may then shrink without being written anew.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("BEGIN IMMEDIATE")
        # A file without a version is new.
        for version in range(found or self._version, self._version):
            if (migrate := self._migrations.get(version)) is not None:
                migrate(connection)
        for statement in _statements(self._schema):
            connection.execute(statement)
        if found != self._version:
            # A file that is as it should be, or damaged, is not written to.
            connection.execute(f"PRAGMA user_version = {self._version}")
        connection.execute("COMMIT")

    def _work(self, connection: sqlite3.Connection) -> None:
        ending = False
        while not ending:
            batch: list[_Queued] = []
            item = self._queue.get()
            while item is not None and not item.alone:
                batch.append(item)
                if len(batch) >= MAX_BATCH or self._queue.empty():
                    break
                item = self._queue.get()
            if batch:
                self._commit(connection, batch)
            if item is None:
                ending = True
            elif item.alone:
                self._run_alone(connection, item)
        with suppress(sqlite3.Error):
            connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Queued]) -> None:
        before = connection.total_changes
        try:
            results = self._transact(connection, batch)
        except Exception as err:  # noqa: BLE001 - the thread outlasts every job
            if len(batch) > 1:
                # One bad job must not take the others with it.
                for queued in batch:
                    self._commit(connection, [queued])
                return
            self._fail(batch[0], err)
            return
        if connection.total_changes != before:
            self._judge(batch[0].loop, is_healthy=True)
        # Every caller lives in one loop; the first one's is everybody's.
        _resolve(
            batch[0].loop,
            [(queued.future, result) for queued, result in zip(batch, results, strict=True)],
        )

    def _transact(self, connection: sqlite3.Connection, batch: list[_Queued]) -> list[Any]:
        durable = any(queued.durable for queued in batch)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [queued.job(connection) for queued in batch]
            connection.execute("COMMIT")
        except BaseException:
            self.generation += 1
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results

    def _run_alone(self, connection: sqlite3.Connection, queued: _Queued) -> None:
        try:
            result = queued.job(connection)
        except Exception as err:  # noqa: BLE001 - the thread outlasts every job
            self._fail(queued, err)
        else:
            _resolve(queued.loop, [(queued.future, result)])

    def _fail(self, queued: _Queued, err: Exception) -> None:
        # SQLite's own messages name our tables; others may quote what was to be written.
        what = err if isinstance(err, sqlite3.Error) else ""
        _LOGGER.debug("A job failed: %s %s", type(err).__name__, what)
        if isinstance(err, OSError) or _code(err) in _DISK:
            self._judge(queued.loop, is_healthy=False)
        _resolve(queued.loop, [(queued.future, _failure(err, "the database refused a job"))])

    def _judge(self, loop: asyncio.AbstractEventLoop, *, is_healthy: bool) -> None:
        if is_healthy != self._is_healthy:
            self._is_healthy = is_healthy
            if self._on_health is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._on_health, is_healthy)


def _code(err: Exception) -> int | None:
    """Return the primary result code of SQLite behind an error."""
    code = getattr(err, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _failure(err: Exception, what: str) -> StorageError:
    """Return the error that callers get: of what kind it is, without a value."""
    if isinstance(err, StorageError):
        return err
    if _code(err) in _DAMAGED:
        return StorageDamagedError(f"{what}: the file is damaged")
    return StorageError(f"{what}: {type(err).__name__}")


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit what is under way."""
    statements = [""]
    for part in script.split(";"):
        statements[-1] += f"{part};"
        if sqlite3.complete_statement(statements[-1]):
            statements.append("")
    return [statement for statement in statements if statement.strip(" \n;")]


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file with this added to its name."""
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    part = beside(path, ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(part)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
