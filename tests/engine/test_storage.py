"""One file, one thread: many writes in one commit, none lost, and an end without loose ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
import sqlite3
import stat
import threading
from typing import Any

import pytest

from engine import StorageError
from engine.storage import MAX_BATCH, VERSION, Database
from wire import PATIENCE, storage_threads


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "x.db")
    await opened.open()
    yield opened
    await opened.close()


async def make_table(database: Database) -> None:
    await database.run(lambda c: c.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)").rowcount)


def put(number: int) -> Any:
    return lambda c: c.execute("INSERT INTO t VALUES (?)", (number,)).lastrowid


async def numbers(database: Database) -> list[int]:
    return await database.run(lambda c: [n for (n,) in c.execute("SELECT n FROM t ORDER BY n")])


async def trace(database: Database) -> list[str]:
    """Every statement from now on."""
    statements: list[str] = []
    await database.run(lambda c: c.set_trace_callback(statements.append))
    return statements


_held: list[asyncio.Future[None]] = []
"""Referred to, so that they are not collected while they wait."""


async def hold(database: Database) -> threading.Event:
    """Keep the thread busy until the event is set, so that what follows is queued."""
    go = threading.Event()
    started = threading.Event()

    def wait(_: sqlite3.Connection) -> None:
        started.set()
        go.wait(PATIENCE)

    _held.append(asyncio.ensure_future(database.run(wait)))
    await asyncio.to_thread(started.wait, PATIENCE)
    return go


async def test_a_result_comes_back_once_it_is_committed(database: Database, tmp_path: Path) -> None:
    await make_table(database)
    assert await database.run(put(7)) == 7
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        assert other.execute("SELECT n FROM t").fetchall() == [(7,)]


async def test_many_writes_share_a_commit(database: Database) -> None:
    await make_table(database)
    statements = await trace(database)
    go = await hold(database)
    statements.clear()
    writes = [asyncio.ensure_future(database.run(put(n))) for n in range(MAX_BATCH + 100)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*writes) == list(range(MAX_BATCH + 100))
    assert statements.count("COMMIT") == 3, "the one that held, a full batch and the rest"


async def test_one_bad_job_does_not_take_the_others_with_it(database: Database) -> None:
    await make_table(database)
    go = await hold(database)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1000)")
        raise KeyError("sesame-value")

    jobs = [put(1), put(2), half, put(2), put(3)]
    writes = [asyncio.ensure_future(database.run(job)) for job in jobs]
    await asyncio.sleep(0)
    go.set()
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [int, int, StorageError, StorageError, int]
    assert await numbers(database) == [1, 2, 3]
    assert "sesame" not in str(results[2]), "an error tells what kind it is, and no value"
    assert "KeyError" in str(results[2])


async def test_only_what_must_be_is_flushed_to_the_disk(database: Database) -> None:
    await make_table(database)
    statements = await trace(database)
    await database.run(put(1))
    await database.run(put(2), durable=True)
    await database.run(put(3))
    modes = [one for one in statements if "synchronous" in one]
    assert [mode.rpartition(" ")[2] for mode in modes] == ["NORMAL", "FULL", "NORMAL"]


async def test_writes_are_kept_in_their_order(database: Database) -> None:
    await database.run(lambda c: c.execute("CREATE TABLE o (i INTEGER PRIMARY KEY, n)").rowcount)

    def add(n: int) -> Any:
        return lambda c: c.execute("INSERT INTO o (n) VALUES (?)", (n,)).rowcount

    await asyncio.gather(*(database.run(add(n), durable=n % 3 == 0) for n in range(1500)))
    assert await database.run(
        lambda c: [n for (n,) in c.execute("SELECT n FROM o ORDER BY i")]
    ) == list(range(1500))


async def test_who_gives_up_waiting_harms_nobody(database: Database) -> None:
    await make_table(database)
    go = await hold(database)
    writes = [asyncio.ensure_future(database.run(put(n))) for n in range(3)]
    await asyncio.sleep(0)
    writes[1].cancel()
    go.set()
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [int, asyncio.CancelledError, int]
    assert await numbers(database) == [0, 1, 2]


async def test_closing_finishes_what_was_asked_for(database: Database, tmp_path: Path) -> None:
    await make_table(database)
    go = await hold(database)
    writes = [asyncio.ensure_future(database.run(put(n))) for n in range(1200)]
    await asyncio.sleep(0)
    ending = asyncio.ensure_future(database.close())
    await asyncio.sleep(0.02)
    late = asyncio.ensure_future(database.run(put(5000)))
    go.set()
    async with asyncio.timeout(PATIENCE):
        await ending
        assert await asyncio.gather(*writes) == list(range(1200))
        with pytest.raises(StorageError):
            await late
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        assert other.execute("SELECT COUNT(*), MAX(n) FROM t").fetchone() == (1200, 1199)
    assert not storage_threads()


async def test_closed_it_refuses_and_may_be_opened_again(tmp_path: Path) -> None:
    database = Database(tmp_path / "new" / "x.db")
    with pytest.raises(StorageError):
        await database.run(lambda _: None)
    await database.close()
    await database.open()
    await make_table(database)
    await database.run(put(1))
    await asyncio.gather(database.close(), database.close())
    with pytest.raises(StorageError):
        await database.run(lambda _: None)
    await database.open()
    assert await numbers(database) == [1]
    await database.close()
    assert not storage_threads()


async def test_the_file_is_for_its_owner_alone(database: Database, tmp_path: Path) -> None:
    await make_table(database)
    modes = await asyncio.to_thread(lambda: [one.stat().st_mode for one in tmp_path.iterdir()])
    assert [stat.S_IMODE(mode) for mode in modes] == [0o600] * 3


async def test_what_is_deleted_is_overwritten(database: Database) -> None:
    assert await database.run(lambda c: c.execute("PRAGMA secure_delete").fetchone()) == (1,)


async def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "noise").write_bytes(b"no database " * 1000)
    for path in ("folder", "file/x.db", "noise"):
        with pytest.raises(StorageError):
            await Database(tmp_path / path).open()
    assert not storage_threads()


async def test_a_file_that_somebody_else_holds(database: Database, tmp_path: Path) -> None:
    await make_table(database)
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(database.run(put(1)))
    await asyncio.sleep(0.1)
    assert not waiting.done(), "it waits for a while"
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(PATIENCE):
        assert await waiting == 1


async def test_a_file_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StorageError, match="later version"):
        await Database(path).open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
        assert connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone() == (0,)
    assert storage_threads() == []
