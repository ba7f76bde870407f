"""The ledger: every decision appended, none changed, the newest one in force."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import sqlite3

import pytest

from engine import StorageError, ledger as module
from engine.ledger import Ledger
from engine.model import Consent, ConsentState, Kind, Level
from engine.storage import Database

ITEM = ("fridge", "0123456789abcdef", "frost")


class Ticking:
    """A clock that goes on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        self.time += 1
        return self.time


def decision(state: ConsentState = ConsentState.GIVEN, **changes: object) -> Consent:
    appliance, point, recipient = ITEM
    stated: dict[str, object] = {
        "appliance_id": appliance, "data_point_id": point, "recipient_id": recipient,
        "state": state, "kinds": frozenset({Kind.NUMBER, Kind.TEXT}),
    }  # fmt: skip
    return Consent(**(stated | changes))  # type: ignore[arg-type]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "x.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, Ticking())


async def rows(database: Database) -> list[tuple[object, ...]]:
    return await database.run(lambda c: c.execute("SELECT * FROM ledger ORDER BY id").fetchall())


async def test_a_new_ledger_is_empty(ledger: Ledger) -> None:
    await ledger.load()
    assert ledger.current == {}


async def test_the_newest_decision_counts(ledger: Ledger, database: Database) -> None:
    for state in (
        ConsentState.GIVEN,
        ConsentState.WITHDRAWN,
        ConsentState.GIVEN,
        ConsentState.REFUSED,
    ):
        recorded = await ledger.record(decision(state), how="switch", person="anna")
        assert ledger.current[ITEM] is recorded
        assert recorded.in_force == (state is ConsentState.GIVEN)
        again = Ledger(database, Ticking())
        await again.load()
        assert again.current == ledger.current


async def test_decisions_about_other_items_stay_apart(ledger: Ledger) -> None:
    await ledger.record(decision(), how="switch", person=None)
    for other in ({"recipient_id": "ads"}, {"data_point_id": "f" * 16}, {"appliance_id": "oven"}):
        await ledger.record(decision(ConsentState.REFUSED, **other), how="switch", person=None)
    await ledger.load()
    assert len(ledger.current) == 4
    assert [consent.in_force for consent in ledger.current.values()].count(True) == 1
    assert ledger.current[ITEM].in_force


async def test_everything_about_a_decision_is_kept(ledger: Ledger, database: Database) -> None:
    recorded = await ledger.record(decision(level=Level.COARSE), how="action", person="anna")
    await ledger.load()
    assert ledger.current[ITEM] == recorded
    assert recorded.level is Level.COARSE
    assert recorded.kinds == {Kind.NUMBER, Kind.TEXT}
    assert recorded.decided_at == 1_700_000_001.0
    (row,) = await rows(database)
    assert row[-2:] == ("action", "anna")


async def test_nothing_is_ever_changed_or_deleted(ledger: Ledger, database: Database) -> None:
    statements: list[str] = []
    await database.run(lambda c: c.set_trace_callback(statements.append))
    seen: list[tuple[object, ...]] = []
    for number in range(20):
        state = ConsentState.GIVEN if number % 2 else ConsentState.WITHDRAWN
        await ledger.record(decision(state), how="switch", person=None)
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
    await ledger.record(decision(), how="switch", person=None)
    assert "PRAGMA synchronous = FULL" in statements


async def test_what_could_not_be_recorded_is_not_in_force(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError

    await ledger.record(decision(), how="switch", person=None)
    before = dict(ledger.current)
    monkeypatch.setattr(module, "_append", broken)
    for state in (ConsentState.WITHDRAWN, ConsentState.GIVEN):
        with pytest.raises(StorageError):
            await ledger.record(decision(state), how="switch", person=None)
        assert ledger.current == before


async def test_a_decision_is_not_in_force_before_it_is_recorded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = module._append

    def look(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
        assert ITEM not in ledger.current
        append(connection, row)

    monkeypatch.setattr(module, "_append", look)
    await ledger.record(decision(), how="switch", person=None)
    assert ITEM in ledger.current


async def test_a_suspended_consent_comes_back_only_from_the_record(
    ledger: Ledger, database: Database
) -> None:
    await ledger.record(decision(), how="switch", person=None)
    ledger.suspend(ITEM)
    assert ledger.current[ITEM].state is ConsentState.WITHDRAWN
    assert len(await rows(database)) == 1
    await ledger.load()
    assert ledger.current[ITEM].in_force


async def test_decisions_at_the_same_time_end_in_the_order_they_were_made(ledger: Ledger) -> None:
    states = [ConsentState.GIVEN, ConsentState.WITHDRAWN] * 20
    await asyncio.gather(
        *(ledger.record(decision(state), how="switch", person=None) for state in states)
    )
    assert ledger.current[ITEM].state is ConsentState.WITHDRAWN
    await ledger.load()
    assert ledger.current[ITEM].state is ConsentState.WITHDRAWN


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "'maybe'"), ("level", "'vague'"), ("kinds", "'[\"x\"]'"), ("kinds", "'{'")],
)
async def test_a_decision_that_cannot_be_understood_is_not_guessed(
    ledger: Ledger, database: Database, column: str, value: str
) -> None:
    await ledger.record(decision(), how="switch", person=None)
    await database.run(lambda c: c.execute(f"UPDATE ledger SET {column} = {value}").rowcount)
    with pytest.raises(StorageError):
        await ledger.load()
