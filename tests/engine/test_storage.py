"""One file, one thread: many writes in one commit, none lost, and an end without loose ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
import sqlite3
import stat
import subprocess
import threading
import time
from typing import Any

import pytest

from engine import StorageError
from engine.errors import StorageDamagedError
from engine.storage import MAX_BATCH, Database
from wire import PATIENCE, storage_threads


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path / "x.db") as made:
        yield made


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


async def test_what_is_deleted_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where SQLite was built without it by default; this machine's may be built with it."""
    connect = sqlite3.connect

    def by_default_off(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.execute("PRAGMA secure_delete = OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", by_default_off)
    path, word = tmp_path / "x.db", "said-in-confidence"
    async with opened(path) as database:
        assert await database.run(lambda c: c.execute("PRAGMA secure_delete").fetchone()) == (1,)
        await database.run(lambda c: c.execute("CREATE TABLE t (w TEXT)").rowcount)
        await database.run(lambda c: c.execute("INSERT INTO t VALUES (?)", (word,)).rowcount)
        await database.checkpoint()
        assert word.encode() in await asyncio.to_thread(path.read_bytes)
        await database.run(lambda c: c.execute("DELETE FROM t").rowcount)
        await database.checkpoint()
        assert word.encode() not in await asyncio.to_thread(path.read_bytes)


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


SCHEMA = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY);"


async def test_a_file_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="later version"):
        await Database(path, SCHEMA, version=3).open()
    assert path.read_bytes() == before
    assert storage_threads() == []


# --- Its form ---


def old(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO t VALUES (10)")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def add(number: int) -> Any:
    return lambda c: c.execute("UPDATE t SET n = n * 10 + ?", (number,))


@pytest.mark.parametrize(("version", "result"), [(1, 1012), (2, 102), (3, 10)])
async def test_a_file_goes_through_the_steps_since_its_own_version(
    tmp_path: Path, version: int, result: int
) -> None:
    old(tmp_path / "x.db", version)
    for _ in range(2):
        database = Database(tmp_path / "x.db", SCHEMA, version=3, migrations={1: add(1), 2: add(2)})
        await database.open()
        assert await numbers(database) == [result], "and once only"
        await database.close()


async def test_a_new_file_is_made_in_its_latest_form(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db", SCHEMA, version=3, migrations={1: add(1), 2: add(2)})
    database.require("CREATE TABLE IF NOT EXISTS other (n);")
    await database.open()
    version = await database.run(lambda c: c.execute("PRAGMA user_version").fetchone())
    vacuum = await database.run(lambda c: c.execute("PRAGMA auto_vacuum").fetchone())
    assert (version, vacuum) == ((3,), (2,))
    assert await database.run(lambda c: c.execute("SELECT COUNT(*) FROM other").fetchone()) == (0,)
    await database.close()


async def test_steps_are_taken_all_or_none(tmp_path: Path) -> None:
    old(tmp_path / "x.db", 1)

    def fail(_: sqlite3.Connection) -> None:
        raise KeyError("sesame-value")

    with pytest.raises(StorageError) as refused:
        await Database(tmp_path / "x.db", SCHEMA, version=3, migrations={1: add(1), 2: fail}).open()
    assert "sesame" not in str(refused.value)
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        assert other.execute("SELECT n FROM t").fetchone() == (10,)
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
    assert storage_threads() == []


# --- Its log, copies, size ---


async def test_a_checkpoint_empties_the_log(database: Database, tmp_path: Path) -> None:
    await make_table(database)
    await database.run(put(1))
    log = tmp_path / "x.db-wal"
    assert log.stat().st_size > 0
    assert await database.size() == (tmp_path / "x.db").stat().st_size + log.stat().st_size
    assert await database.checkpoint()
    assert log.stat().st_size == 0


async def test_a_checkpoint_that_a_reader_prevents_is_said(
    database: Database, tmp_path: Path
) -> None:
    await make_table(database)
    await database.run(lambda c: c.execute("PRAGMA busy_timeout = 1").fetchone())
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM t").fetchall()
        await database.run(put(1))
        assert not await database.checkpoint()
    assert await database.checkpoint()


async def test_a_copy_is_whole_and_for_its_owner_alone(database: Database, tmp_path: Path) -> None:
    await make_table(database)
    copy = tmp_path / "copies" / "copy.db"
    with pytest.raises(StorageError):
        await database.copy_to(copy)
    copy.parent.mkdir()
    copy.write_bytes(b"an earlier one")
    await asyncio.gather(*(database.run(put(n)) for n in range(3)))
    await database.copy_to(copy)
    await database.run(put(3))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir()] == ["copy.db"]
    with closing(sqlite3.connect(copy)) as other:
        assert other.execute("SELECT n FROM t").fetchall() == [(0,), (1,), (2,)]
    assert await numbers(database) == [0, 1, 2, 3]


async def test_what_an_undone_transaction_wrote_is_known_to_be_gone(database: Database) -> None:
    await make_table(database)
    before = database.generation
    await database.run(put(1))
    assert database.generation == before
    with pytest.raises(StorageError):
        await database.run(put(1))
    assert database.generation > before


# --- A full disk, a damaged file ---


async def filled(database: Database, size: int = 3_000) -> int:
    """Write until nothing goes any more; return how many writes were taken."""

    def put_text(c: sqlite3.Connection) -> int:
        return c.execute("INSERT INTO texts VALUES (?)", ("x" * size,)).rowcount

    for taken in range(3_000):
        try:
            await database.run(put_text)
        except StorageDamagedError:
            pytest.fail("full is not damaged")
        except StorageError:
            return taken
    pytest.fail("the disk never became full")


async def test_a_full_disk_is_said_and_so_is_room(tmp_path: Path) -> None:
    """On a real file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = await asyncio.to_thread(
        subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    health: list[bool] = []
    try:
        database = Database(
            folder / "x.db",
            "CREATE TABLE IF NOT EXISTS texts (text);",
            on_health=health.append,
        )
        await database.open()
        try:
            (folder / "ballast").write_bytes(bytes(1_000_000))
            taken = await filled(database)
            assert taken > 10
            assert health == [False]
            assert await filled(database) == 0
            assert health == [False], "said once"
            count = await database.run(lambda c: c.execute("SELECT COUNT(*) FROM texts").fetchone())
            assert count == (taken,), "what was taken is there"
            assert health == [False], "that it can be read does not mend it"
            (folder / "ballast").unlink()
            assert await filled(database) > 10
            assert health == [False, True, False]
        finally:
            await database.close()
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", folder], check=True)


async def test_a_file_that_may_not_grow_further_is_said(tmp_path: Path) -> None:
    health: list[bool] = []
    schema = "CREATE TABLE IF NOT EXISTS texts (text);"
    database = Database(tmp_path / "x.db", schema, on_health=health.append)
    await database.open()
    await database.run(lambda c: c.execute("PRAGMA max_page_count = 30").fetchone())
    assert await filled(database) > 5
    assert health == [False]
    await database.run(lambda c: c.execute("PRAGMA max_page_count = 300").fetchone())
    await database.run(lambda c: c.execute("INSERT INTO texts VALUES ('y')").rowcount)
    assert health == [False, True]
    await database.close()


async def test_a_job_that_is_wrong_says_nothing_of_the_disk(tmp_path: Path) -> None:
    health: list[bool] = []
    database = Database(tmp_path / "x.db", SCHEMA, on_health=health.append)
    await database.open()
    await database.run(put(1))
    for job in (put(1), put("word"), lambda c: c.execute("SELECT nothing"), lambda _: 1 / 0):
        with pytest.raises(StorageError):
            await database.run(job)
    assert health == []
    await database.close()


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def damage(path: Path) -> None:
    """Overwrite everything behind the first page, which tells what there is."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


async def test_a_damaged_file_is_told_apart_and_set_aside(tmp_path: Path) -> None:
    path, aside = tmp_path / "x.db", tmp_path / "x.db.damaged"
    health: list[bool] = []
    database = Database(path, "CREATE TABLE IF NOT EXISTS texts (text);", on_health=health.append)
    await database.open()
    fill = "INSERT INTO texts SELECT hex(randomblob(500)) FROM json_each('[1,2,3,4,5,6,7,8,9]')"
    await database.run(lambda c: [c.execute(fill).rowcount for _ in range(30)])
    await database.close()
    damage(path)
    (tmp_path / "x.db.damaged").write_bytes(b"an earlier one")
    (tmp_path / "x.db.damaged-wal").write_bytes(b"and its log")
    await database.open()
    for _ in range(2):
        with pytest.raises(StorageDamagedError):
            await database.run(lambda c: c.execute(fill).rowcount)
    assert health == [False]
    assert await database.set_aside() == aside
    assert b"\xa5" * 1000 in await asyncio.to_thread(aside.read_bytes)
    assert names(tmp_path) <= {"x.db.damaged", "x.db.damaged-wal"}
    with pytest.raises(StorageError):
        await database.run(lambda c: c.execute(fill).rowcount)
    await database.open()
    await database.run(lambda c: c.execute(fill).rowcount)
    assert health == [False, True]
    await database.discard_set_aside(before=time.time() - 60)
    assert aside.name in names(tmp_path)
    await database.discard_set_aside()
    await database.discard_set_aside()
    assert names(tmp_path) == {"x.db", "x.db-wal", "x.db-shm"}
    await database.close()


async def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database " * 1000)
    database = Database(tmp_path / "x.db", SCHEMA)
    with pytest.raises(StorageDamagedError):
        await database.open()
    await database.set_aside()
    await database.open()
    await database.run(put(1))
    await database.close()
    assert (tmp_path / "x.db.damaged").read_bytes() == b"no database " * 1000
    with pytest.raises(StorageError) as refused:
        await Database(tmp_path / "x.db" / "y.db").open()
    assert not isinstance(refused.value, StorageDamagedError)


async def test_what_cannot_be_set_aside_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        await Database(tmp_path / "x.db").set_aside()


async def test_a_job_alone_that_fails_leaves_the_thread_at_work(
    database: Database, tmp_path: Path
) -> None:
    await make_table(database)
    go = await hold(database)
    waiting = [
        asyncio.ensure_future(one)
        for one in (database.run(put(1)), database.copy_to(tmp_path), database.run(put(2)))
    ]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [int, StorageError, int]
    assert await numbers(database) == [1, 2]
