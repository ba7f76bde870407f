"""Fail closed: what cannot be decided or recorded does not leave, and what leaves was recorded."""

import asyncio
from contextlib import closing
import os
from pathlib import Path
import signal
import sqlite3
import sys
import textwrap

import pytest

from engine import Firewall, StorageError, journal, ledger, memory
from engine.events import Discovered
from engine.files import journal_path
from engine.model import Outcome, Reason
import wire
from wire import Caller, Cloud, House, Line, eventually, fridge, frost, reply

BODY = b'{"door":true,"temp":4.5}'


def rows(database: Path) -> list[tuple[str, str, str]]:
    """What the journal says, read by somebody else: outcome, reason, released."""
    journal_file = f"file:{journal_path(database)}?mode=ro"
    with closing(sqlite3.connect(journal_file, uri=True)) as connection:
        return connection.execute(
            "SELECT outcome, reason, released FROM journal ORDER BY id"
        ).fetchall()


def broken(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


# --- What cannot be recorded ---


async def test_a_journal_that_cannot_be_written(
    taught: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = journal._append
    monkeypatch.setattr(journal, "_append", broken)
    answer = await taught.ask(taught.request(BODY))
    assert (answer.status, answer.body) == (200, b"{}")
    assert not taught.cloud.lines
    assert taught.decided[-1].reason is Reason.STORAGE_FAILED
    assert taught.decided[-1].outcome is Outcome.DENY
    assert taught.decided[-1].released == ()
    monkeypatch.setattr(journal, "_append", append)
    await taught.ask(taught.request(BODY))
    assert len(taught.cloud.requests) == 1, "mended, it goes on"


@pytest.mark.parametrize("which", ["household", "_journal_file"])
async def test_a_database_that_became_read_only(taught: House, which: str) -> None:
    database = getattr(taught.firewall._files, which)
    with pytest.raises(StorageError):
        # Inside a transaction of its own, it outlasts the failure.
        await database.run(lambda c: (c.execute("PRAGMA query_only = ON"), broken()))
    await taught.ask(taught.request(b'{"door":true,"temp":4.5,"new":1}'))
    await taught.ask(taught.request(b'{"door":true,"new":1}', host="elsewhere.example"))
    assert not taught.cloud.lines
    reasons = [event.reason for event in taught.decided[-2:]]
    # The household's file is written only where there is something to learn.
    unclaimed = Reason.UNCLAIMED_ENDPOINT if which == "household" else Reason.STORAGE_FAILED
    assert reasons == [Reason.STORAGE_FAILED, unclaimed]


async def test_a_full_disk(house: House) -> None:
    """What arrives is what was recorded, up to the last one."""
    await house.teach()

    def fill(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    for database in (house.firewall._files.household, house.firewall._files._journal_file):
        await database.run(fill)
    caller = await house.dial()
    for _ in range(3000):
        await caller.send(house.request(BODY))
        assert (await caller.answer()).status == 200
        if house.decided[-1].reason is Reason.STORAGE_FAILED:
            break
    else:
        pytest.fail("the disk never became full")
    caller.close()
    recorded = [row for row in rows(house.database) if row[0] == "permit"]
    assert 0 < len(house.cloud.requests) == len(recorded)
    point = house.points()["$.body.temp"]

    async def decide() -> None:
        for _ in range(300):
            await house.firewall.withdraw(point.id, "frost", how="switch")

    with pytest.raises(StorageError):
        await decide()
    await house.ask(house.request(BODY))
    assert len(house.cloud.requests) == len(recorded)


async def test_data_points_that_cannot_be_stored(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are stored, and announced, as soon as that is possible again."""
    store = memory._store
    monkeypatch.setattr(memory, "_store", broken)
    await house.ask(house.request(b'{"serial":"AB12345678","door":true}'))
    assert house.decided[-1].reason is Reason.STORAGE_FAILED
    assert not any(isinstance(event, Discovered) for event in house.events)
    monkeypatch.setattr(memory, "_store", store)
    await house.ask(house.request(b'{"door":true}'))
    (discovered,) = [event for event in house.events if isinstance(event, Discovered)]
    assert {point.field.path for point in discovered.data_points} >= {
        "$.body.serial",
        "$.body.door",
    }
    with closing(sqlite3.connect(house.database)) as connection:
        paths = {path for (path,) in connection.execute("SELECT path FROM data_points")}
        identities = connection.execute("SELECT COUNT(*) FROM identities").fetchone()
    assert paths >= {"$.body.serial", "$.body.door"}
    assert identities == (1,)


async def test_a_grant_that_cannot_be_recorded_is_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ask(house.request(BODY))
    monkeypatch.setattr(ledger, "_append", broken)
    with pytest.raises(StorageError):
        await house.grant_all()
    assert all(house.firewall.consent(p.id, "frost") is None for p in house.points().values())
    await house.ask(house.request(BODY))
    assert not house.cloud.lines


async def test_a_withdrawal_that_cannot_be_recorded_holds_all_the_same(
    taught: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_append", broken)
    for point in taught.points().values():
        with pytest.raises(StorageError):
            await taught.firewall.withdraw(point.id, "frost", how="switch")
        consent = taught.firewall.consent(point.id, "frost")
        assert consent is not None
        assert not taught.firewall.is_in_force(consent)
        assert not taught.firewall.is_sharing(point.id, "frost")
    await taught.ask(taught.request(BODY))
    assert not taught.cloud.lines


async def test_a_correction_that_cannot_be_recorded_leaves_the_worse_claim(
    taught: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal then tells of a disclosure that did not happen, never the other way round."""
    taught.configure(recipients=(frost("http://127.0.0.1:9/"),))
    database = taught.firewall._files._journal_file
    append = journal._append

    def append_and_break(*arguments: object) -> int:
        monkeypatch.setattr(database, "_thread", None)
        return append(*arguments)

    thread = database._thread
    monkeypatch.setattr(journal, "_append", append_and_break)
    assert (await taught.ask(taught.request(BODY))).status == 502
    monkeypatch.setattr(database, "_thread", thread)
    assert "could not be corrected" in caplog.text
    assert rows(taught.database)[-1][0] == "permit"


# --- What cannot be decided ---


async def test_nothing_passes_before_the_policy_is_loaded(tmp_path: Path) -> None:
    async with Cloud().open() as cloud:
        firewall = Firewall(database=tmp_path / "x.db", on_event=lambda _: None)
        await firewall.start()
        house = House(firewall=firewall, cloud=cloud, database=tmp_path / "x.db")
        house.port = await firewall.open_gate("127.0.0.1", 0)
        answer = await house.ask(house.request(BODY))
        assert answer.status == 403
        assert await house.reason() is Reason.POLICY_NOT_LOADED
        assert not cloud.lines
        await firewall.stop()


@pytest.mark.parametrize(
    "content",
    [b"this is not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000],
    ids=["text", "broken-header"],
)
async def test_a_corrupt_database(tmp_path: Path, content: bytes) -> None:
    database = tmp_path / "x.db"
    database.write_bytes(content)
    async with Cloud().open() as cloud:
        firewall = Firewall(database=database, on_event=lambda _: None)
        with pytest.raises(StorageError):
            await firewall.start()
        house = House(firewall=firewall, cloud=cloud, database=database)
        house.port = await firewall.open_gate("127.0.0.1", 0)
        house.configure()
        await house.ask(house.request(BODY))
        assert not cloud.lines
        await firewall.stop()
    assert database.read_bytes() == content, "it is left for who might mend it"


@pytest.mark.parametrize("table", ["ledger", "data_points", "totals"])
async def test_a_row_that_cannot_be_understood(tmp_path: Path, table: str) -> None:
    async with wire.house(tmp_path) as house:
        await house.teach()
    path = journal_path(house.database) if table == "totals" else house.database
    with closing(sqlite3.connect(path)) as connection:
        column = {"ledger": "state", "data_points": "kinds", "totals": "outcome"}[table]
        value = "99 + outcome" if table == "totals" else "'perhaps'"
        connection.execute(f"UPDATE {table} SET {column} = {value}")
        connection.commit()
    firewall = Firewall(database=house.database, on_event=lambda _: None)
    with pytest.raises(StorageError):
        await firewall.start()
    assert not wire.storage_threads(), "nothing is left open"


# --- Recorded before released ---


async def test_the_journal_has_it_before_the_cloud_has_a_byte(taught: House) -> None:
    seen: list[tuple[str, str, str]] = []
    counts: list[int] = []

    async def script(line: Line) -> None:
        while first := await line.more():
            there = rows(taught.database)
            seen.append(there[-1])
            counts.append(sum(row[0] != "deny" for row in there))
            line._unread += first
            if await line.request() is None:
                return
            await line.send(reply())

    taught.cloud.script = script
    caller = await taught.dial()
    for body in (BODY, b'{"door":false,"new":1}', BODY):
        await caller.send(taught.request(body))
        assert (await caller.answer()).status == 200
    caller.close()
    assert counts == [1, 2, 3]
    assert [(outcome, reason) for outcome, reason, _ in seen] == [
        ("permit", "all_consented"),
        ("redact", "some_withheld"),
        ("permit", "all_consented"),
    ]
    point = taught.points()["$.body.door"]
    assert all(point.id in released for _, _, released in seen)


PROGRAM = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from engine import Firewall
    from engine.model import Appliance, Endpoint, Purpose, Recipient

    async def main():
        firewall = Firewall(database=Path(sys.argv[1]), on_event=lambda _: None)
        await firewall.start()
        port = await firewall.open_gate("127.0.0.1", 0)
        endpoint = Endpoint.parse(f"http://127.0.0.1:{sys.argv[2]}/")
        firewall.configure(
            [Appliance(id="fridge", name="Fridge", addresses=frozenset({"127.0.0.2"}))],
            [Recipient(id="frost", organisation="Frost", purpose=Purpose.SERVICE,
                       endpoints=(endpoint,), allow_private=True)],
        )
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for point in firewall.data_points("fridge"):
            await firewall.grant(point.id, "frost", how="switch")
        print("granted", flush=True)
        await asyncio.sleep(3600)

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("last", [1, 7, 20])
async def test_kill_9_loses_nothing_that_was_sent(tmp_path: Path, last: int) -> None:
    """The process dies in the moment in which the cloud gets its so-manieth request."""
    database = tmp_path / "x.db"
    async with Cloud().open() as cloud:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(database), str(cloud.port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        begun = 0

        async def script(line: Line) -> None:
            nonlocal begun
            while first := await line.more():
                begun += 1
                if begun == last:
                    process.send_signal(signal.SIGKILL)
                line._unread += first
                if await line.request() is None:
                    return
                await line.send(reply())

        cloud.script = script
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
            house = House(firewall=None, cloud=cloud, database=database, port=port)  # type: ignore[arg-type]
            await house.ask(house.request(BODY))
            assert not cloud.lines
            process.stdin.write(b"go\n")
            assert await process.stdout.readline() == b"granted\n"

            async def send() -> None:
                caller = await Caller.dial(port)
                for _ in range(20):
                    await caller.send(house.request(BODY))
                    if (await caller.answer()).status == 0:
                        break
                caller.close()

            await asyncio.gather(*(send() for _ in range(4)), return_exceptions=True)
            assert await process.wait() == -signal.SIGKILL
    recorded = [row for row in rows(database) if row[0] == "permit"]
    assert begun >= last
    assert len(recorded) >= begun
    # The next start finds the consents, and everything else, as they were.
    events: list[object] = []
    firewall = Firewall(database=database, on_event=events.append)
    await firewall.start()
    assert firewall.status("fridge").permitted == len(recorded)
    point = next(p for p in firewall.data_points("fridge") if p.field.path == "$.body.temp")
    consent = firewall.consent(point.id, "frost")
    assert consent is not None
    assert consent.in_force
    await firewall.stop()


async def test_what_was_not_sent_is_not_claimed(taught: House) -> None:
    taught.configure(fridge(), recipients=(frost("http://127.0.0.1:9/"),))
    await taught.teach()
    await taught.ask(taught.request(BODY))
    outcome, reason, released = rows(taught.database)[-1]
    assert (outcome, reason, released) == ("deny", "upstream_unreachable", "[]")
    await eventually(lambda: taught.decided[-1].reason is Reason.UPSTREAM_UNREACHABLE)
