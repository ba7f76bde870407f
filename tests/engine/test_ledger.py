"""The ledger: every decision appended, none changed, the newest one in force."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
import sqlite3

import pytest

from engine import StorageError, anchor, ledger as module, schema
from engine.clock import ForwardClock
from engine.ledger import Entry, Ledger
from engine.model import Consent, ConsentState, Decider, Kind, Level
from engine.notices import Notice
from engine.storage import Database
from helpers import FakeClock

ITEM = ("fridge", "0123456789abcdef", "frost")
SWITCH = Decider(how="switch")


class Ticking(FakeClock):
    """A clock that goes on by a second each time it is looked at."""

    def now(self) -> float:
        self.pass_by(1)
        return self.wall


def decision(state: ConsentState = ConsentState.GIVEN, **changes: object) -> Entry:
    appliance, point, recipient = ITEM
    stated: dict[str, object] = {
        "appliance_id": appliance, "data_point_id": point, "recipient_id": recipient,
        "state": state, "kinds": frozenset({Kind.NUMBER, Kind.TEXT}),
    }  # fmt: skip
    return Entry(consent=Consent(**(stated | changes)), facts={"data": "Door"})  # type: ignore[arg-type]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(
        tmp_path / "x.db", schema.SCHEMA, version=schema.VERSION, migrations=schema.MIGRATIONS
    )
    await opened.open()
    yield opened
    await opened.close()


def fresh(database: Database) -> Ledger:
    return Ledger(database, ForwardClock(Ticking()), database.path.with_suffix(".anchor"))


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return fresh(database)


async def record(
    ledger: Ledger, state: ConsentState = ConsentState.GIVEN, **changes: object
) -> Consent:
    (recorded,) = await ledger.record([decision(state, **changes)], SWITCH)
    return recorded


async def rows(database: Database) -> list[tuple[object, ...]]:
    return await database.run(lambda c: c.execute("SELECT * FROM ledger ORDER BY id").fetchall())


async def change(database: Database, statement: str) -> None:
    await database.run(lambda c: c.execute(statement).rowcount)


async def test_a_new_ledger_is_empty(ledger: Ledger) -> None:
    assert await ledger.load()
    assert ledger.current == {}
    assert ledger.newest == 0
    assert (await ledger.verify()).records == 0


async def test_the_newest_decision_counts(ledger: Ledger, database: Database) -> None:
    for state in (
        ConsentState.GIVEN,
        ConsentState.WITHDRAWN,
        ConsentState.GIVEN,
        ConsentState.REFUSED,
        ConsentState.GIVEN,
        ConsentState.EXPIRED,
    ):
        recorded = await record(ledger, state)
        assert ledger.current[ITEM] is recorded
        assert recorded.in_force == (state is ConsentState.GIVEN)
        again = fresh(database)
        assert await again.load()
        assert again.current == ledger.current


async def test_decisions_about_other_items_stay_apart(ledger: Ledger) -> None:
    await record(ledger)
    for other in ({"recipient_id": "ads"}, {"data_point_id": "f" * 16}, {"appliance_id": "oven"}):
        await record(ledger, ConsentState.REFUSED, **other)
    await ledger.load()
    assert len(ledger.current) == 4
    assert [consent.in_force for consent in ledger.current.values()].count(True) == 1
    assert ledger.current[ITEM].in_force


async def test_everything_about_a_decision_is_kept(ledger: Ledger, database: Database) -> None:
    decider = Decider(how="action", person="anna", context="01J", notice_shown=True)
    stated = decision(
        level=Level.COARSE, until=2e9, functional=frozenset({"$.body.serial"}),
        notice="ab", subject="person-anna",
    )  # fmt: skip
    (recorded,) = await ledger.record([stated], decider)
    await ledger.load()
    assert ledger.current[ITEM] == recorded
    assert recorded == replace(stated.consent, decided_at=recorded.decided_at, number=1)
    assert recorded.decided_at > 1_700_000_000
    (kept,) = await ledger.records()
    assert (kept.consent, kept.decider, kept.facts) == (recorded, decider, {"data": "Door"})
    assert await ledger.records("fridge", "frost") == [kept]
    assert await ledger.records("oven") == await ledger.records(None, "ads") == []


async def test_nothing_is_ever_changed_or_deleted(ledger: Ledger, database: Database) -> None:
    statements: list[str] = []
    await database.run(lambda c: c.set_trace_callback(statements.append))
    seen: list[tuple[object, ...]] = []
    for number in range(20):
        await record(ledger, ConsentState.GIVEN if number % 2 else ConsentState.WITHDRAWN)
        now = await rows(database)
        assert now[:-1] == seen
        seen = now
    await ledger.load()
    written = [one for one in statements if not one.startswith(("SELECT", "PRAGMA"))]
    assert {one.split(" ")[0] for one in written} == {"BEGIN", "INSERT", "COMMIT"}
    assert not any("REPLACE" in one for one in written)


async def test_a_decision_is_flushed_to_the_disk(ledger: Ledger, database: Database) -> None:
    statements: list[str] = []
    await database.run(lambda c: c.set_trace_callback(statements.append))
    await record(ledger)
    assert "PRAGMA synchronous = FULL" in statements


async def test_many_decisions_are_one_transaction(ledger: Ledger, database: Database) -> None:
    statements: list[str] = []
    await database.run(lambda c: c.set_trace_callback(statements.append))
    statements.clear()
    entries = [decision(data_point_id=f"{number:016x}") for number in range(50)]
    recorded = await ledger.record(entries, SWITCH)
    assert statements.count("COMMIT") == 1
    assert [one.number for one in recorded] == list(range(1, 51))
    assert (await ledger.verify()) == module.LedgerCheck(records=50, first_broken=None)


async def test_of_decisions_made_together_all_are_recorded_or_none(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, calls = module.link, []

    def fails_late(previous: str, row: module.Row) -> str:
        calls.append(row)
        if len(calls) == 3:
            raise sqlite3.OperationalError
        return link(previous, row)

    monkeypatch.setattr(module, "link", fails_late)
    with pytest.raises(StorageError):
        await ledger.record([decision(data_point_id=f"{n:016x}") for n in range(5)], SWITCH)
    assert await rows(database) == []
    assert ledger.current == {}


async def test_what_could_not_be_recorded_is_not_in_force(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError

    await record(ledger)
    before = dict(ledger.current)
    monkeypatch.setattr(module, "_append", broken)
    for state in (ConsentState.WITHDRAWN, ConsentState.GIVEN):
        with pytest.raises(StorageError):
            await record(ledger, state)
        assert ledger.current == before


async def test_a_decision_is_not_in_force_before_it_is_recorded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = module._append

    def look(*arguments: object) -> object:
        assert ITEM not in ledger.current
        return append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_append", look)
    await record(ledger)
    assert ITEM in ledger.current


async def test_a_suspended_consent_is_given_and_not_in_force(
    ledger: Ledger, database: Database
) -> None:
    await record(ledger)
    ledger.suspend(ITEM)
    suspended = ledger.current[ITEM]
    assert suspended.state is ConsentState.GIVEN
    assert not suspended.in_force
    assert not ledger.is_in_force(suspended)
    assert ledger.in_force() == {}
    assert len(await rows(database)) == 1
    ledger.confirm([ITEM])
    assert ledger.current[ITEM].in_force


async def test_what_the_household_stopped_is_not_confirmed(ledger: Ledger) -> None:
    await record(ledger)
    ledger.suspend(ITEM)
    ledger.unrecorded.add(ITEM)
    ledger.confirm([ITEM])
    assert not ledger.current[ITEM].in_force


async def test_a_grant_stopped_while_it_is_recorded_stays_suspended(ledger: Ledger) -> None:
    recording = asyncio.ensure_future(record(ledger))
    await asyncio.sleep(0)
    ledger.suspend(ITEM)
    recorded = await recording
    assert recorded.is_suspended
    assert not ledger.current[ITEM].in_force
    assert (await record(ledger)).in_force, "the next one is another"


async def test_decisions_at_the_same_time_end_in_the_order_they_were_made(ledger: Ledger) -> None:
    states = [ConsentState.GIVEN, ConsentState.WITHDRAWN] * 20
    await asyncio.gather(*(record(ledger, state) for state in states))
    assert ledger.current[ITEM].state is ConsentState.WITHDRAWN
    await ledger.load()
    assert ledger.current[ITEM].state is ConsentState.WITHDRAWN
    assert (await ledger.verify()).first_broken is None


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "'maybe'"), ("level", "'vague'"), ("kinds", "'[\"x\"]'"), ("kinds", "'{'")],
)
async def test_a_decision_that_cannot_be_understood_is_not_guessed(
    ledger: Ledger, database: Database, column: str, value: str
) -> None:
    await record(ledger)
    await change(database, f"UPDATE ledger SET {column} = {value}")
    with pytest.raises(StorageError):
        await ledger.load()


# --- Requests stand beside decisions ---


@pytest.mark.parametrize("state", [None, *(s for s in ConsentState if s != "requested")])
async def test_a_request_changes_nothing_of_a_decision(
    ledger: Ledger, database: Database, state: ConsentState | None
) -> None:
    before = await record(ledger, state) if state is not None else None
    await record(ledger, ConsentState.REQUESTED)
    again = fresh(database)
    await again.load()
    for one in (ledger.current[ITEM], again.current[ITEM]):
        assert one.requested
        assert one.in_force == (state is ConsentState.GIVEN)
        if before is not None:
            assert replace(one, requested=False) == before
    after = await record(ledger, ConsentState.REFUSED)
    assert not after.requested, "it is answered"
    await again.load()
    assert again.current[ITEM] == after


async def test_a_grant_that_ends_is_in_force_until_then(database: Database) -> None:
    machine = FakeClock()
    ledger = Ledger(database, ForwardClock(machine), database.path.with_suffix(".anchor"))
    consent = await record(ledger, until=machine.wall + 10)
    assert ledger.ends() == [consent]
    machine.pass_by(9.9)
    assert ledger.is_in_force(consent)
    assert not ledger.expired()
    machine.pass_by(0.1)
    assert not ledger.is_in_force(consent), "at its end it is over"
    assert ledger.expired() == [consent]


# --- Notices ---


async def test_notices_are_kept_with_their_versions(ledger: Ledger, database: Database) -> None:
    def notice(recipient: str, text: str) -> Notice:
        return Notice(recipient_id=recipient, text=text, hash=f"hash of {text}")

    for recipient, text in (("frost", "one"), ("frost", "two"), ("ads", "one"), ("frost", "one")):
        entry = replace(decision(recipient_id=recipient), notice=notice(recipient, text))
        await ledger.record([entry], SWITCH)
    again = fresh(database)
    await again.load()
    for one in (ledger, again):
        assert one.versioned(notice("frost", "one")).version == 1
        assert one.versioned(notice("frost", "two")).version == 2
        assert one.versioned(notice("frost", "new")).version == 3
        assert one.versioned(notice("ads", "one")).version == 1
    kept = await ledger.notices()
    assert {key: (one.text, one.version) for key, one in kept.items()} == {
        ("frost", "hash of one"): ("one", 1),
        ("frost", "hash of two"): ("two", 2),
        ("ads", "hash of one"): ("one", 1),
    }


# --- The chain, and the anchor beside the file ---


async def filled(ledger: Ledger, count: int = 9) -> None:
    for number in range(count):
        await record(ledger, data_point_id=f"{number:016x}")


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE ledger SET state = 'refused' WHERE id = 4", 4),
        ("UPDATE ledger SET person = 'eve' WHERE id IN (3, 7)", 3),
        ("UPDATE ledger SET hash = '' WHERE id = 1", 1),
        ("DELETE FROM ledger WHERE id = 4", 5),
        ("DELETE FROM ledger WHERE id = 1", 2),
        ("DELETE FROM ledger WHERE id > 7", 8),
        ("DELETE FROM ledger", 1),
        ("UPDATE ledger SET id = 20 WHERE id = 4", 5),
        # A byte that is no UTF-8: the record is named, and reading the others goes on.
        ("UPDATE ledger SET facts = CAST(x'7bff7d' AS TEXT) WHERE id = 6", 6),
    ],
)
async def test_the_first_broken_record_is_named(
    ledger: Ledger, database: Database, statement: str, first: int
) -> None:
    await filled(ledger)
    assert await ledger.verify() == module.LedgerCheck(records=9, first_broken=None)
    await change(database, statement)
    assert (await ledger.verify()).first_broken == first


async def test_a_record_put_in_between_is_named(ledger: Ledger, database: Database) -> None:
    await filled(ledger)
    await change(database, "UPDATE ledger SET id = id + 100 WHERE id > 4")
    columns = ", ".join([*module.COLUMNS, "hash"])
    await change(
        database, f"INSERT INTO ledger (id, {columns}) SELECT 5, {columns} FROM ledger WHERE id = 4"
    )
    assert (await ledger.verify()).first_broken == 5


async def test_another_record_in_place_of_the_newest_is_named(
    ledger: Ledger, database: Database
) -> None:
    """Its hash follows from the one before: only who wrote the newest can tell."""
    await filled(ledger)

    def forge(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM ledger WHERE id = 9")
        entry = decision(ConsentState.GIVEN, data_point_id="f" * 16)
        module._append(connection, [module.row_of(entry.consent, SWITCH, {})], [])

    await database.run(forge)
    assert (await ledger.verify()).first_broken == 9


@pytest.mark.timeout(60)
async def test_ten_thousand_records_are_verified_beside_the_event_loop(ledger: Ledger) -> None:
    entries = [decision(data_point_id=f"{number:016x}") for number in range(10_000)]
    await ledger.record(entries, SWITCH)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    heart = asyncio.ensure_future(beat())
    check = await ledger.verify()
    heart.cancel()
    assert check == module.LedgerCheck(records=10_000, first_broken=None)
    assert beats > 5, "the event loop went on"


async def test_an_older_copy_put_back_is_noticed(ledger: Ledger, database: Database) -> None:
    await filled(ledger, 3)
    assert await fresh(database).load()
    await change(database, "DELETE FROM ledger WHERE id = 3")
    assert not await fresh(database).load()


async def test_another_history_of_the_same_length_is_noticed(
    ledger: Ledger, database: Database
) -> None:
    await filled(ledger, 3)
    await change(database, "UPDATE ledger SET hash = 'another' WHERE id = 3")
    assert not await fresh(database).load()


async def test_a_file_that_went_on_without_its_anchor_is_none(
    ledger: Ledger, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The process died between the record and the anchor, or the anchor could not be written."""
    await filled(ledger, 3)
    path = database.path.with_suffix(".anchor")
    old = path.read_bytes()
    await filled(ledger, 3)
    path.write_bytes(old)
    assert await fresh(database).load()
    path.unlink()
    assert await fresh(database).load()
    path.mkdir()
    await filled(ledger, 1)
    assert "anchor was not written" in caplog.text
    assert await fresh(database).load()
    path.rmdir()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"number": 1}', b'{"number": "x", "hash": "", "stopped": []}',
     b'{"number": 1, "hash": "", "stopped": [["a"]]}'],
)  # fmt: skip
def test_an_anchor_that_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert anchor.read(tmp_path / "x") == anchor.Anchored()


def test_an_anchor_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.anchor"
    first = anchor.Anchored(
        number=3, hash="abc", lockdown=True, stopped=frozenset({("a", "b", "c"), ("d", "e", "f")})
    )
    anchor.write(path, first)
    assert anchor.read(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError, match=r"^$"):
        anchor.write(path, anchor.Anchored(number=4))
    assert anchor.read(path) == first
    assert [one.name for one in tmp_path.iterdir()] == ["x.anchor"], "nothing is left beside it"
