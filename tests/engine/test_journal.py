"""The journal: every transmission and what became of it, without a single value."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
import sqlite3

import pytest

from engine import StorageError
from engine.journal import Entry, Journal
from engine.model import Outcome, Reason
from engine.storage import Database
import wire
from wire import House


def entry(at: float = 1.0, **changes: object) -> Entry:
    stated: dict[str, object] = {
        "at": at, "gate": "http", "appliance_id": "fridge", "recipient_ids": ("frost", "ads"),
        "template": "POST cloud.example/v1/*", "outcome": Outcome.REDACT,
        "reason": Reason.SOME_WITHHELD, "released": ("0123456789abcdef",), "withheld": 3,
        "bytes_in": 120, "bytes_out": 40,
    }  # fmt: skip
    return Entry(**(stated | changes))  # type: ignore[arg-type]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "x.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


async def test_an_entry_comes_back_as_it_was(journal: Journal) -> None:
    plain = entry(appliance_id=None, recipient_ids=(), released=(), outcome=Outcome.DENY)
    assert await journal.append(entry()) == 1
    assert await journal.append(plain) == 2
    assert await journal.newest() == [plain, entry()]


async def test_an_entry_is_committed_when_its_number_is_told(
    journal: Journal, tmp_path: Path
) -> None:
    await journal.append(entry())
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        assert other.execute("SELECT COUNT(*) FROM journal").fetchone() == (1,)


async def test_the_newest_come_first_and_no_more_than_asked_for(journal: Journal) -> None:
    for at in range(30):
        await journal.append(entry(float(at % 7)))
    newest = await journal.newest(5)
    assert [one.at for one in newest] == [float(at % 7) for at in (29, 28, 27, 26, 25)]
    assert len(await journal.newest()) == 30


async def test_what_did_not_leave_after_all_is_said(journal: Journal) -> None:
    for _ in range(3):
        number = await journal.append(entry())
    await journal.not_released(number, Reason.UPSTREAM_UNREACHABLE)
    last, *others = await journal.newest()
    assert last == entry(
        outcome=Outcome.DENY, reason=Reason.UPSTREAM_UNREACHABLE, released=(), bytes_out=0
    )
    assert others == [entry(), entry()], "the others are as they were"


async def test_sums(journal: Journal) -> None:
    assert await journal.tallies() == {}
    for at, outcome in enumerate(
        (Outcome.PERMIT, Outcome.REDACT, Outcome.REDACT, Outcome.DENY, Outcome.DENY)
    ):
        await journal.append(entry(float(at), outcome=outcome))
    await journal.append(entry(9.0, appliance_id="oven", outcome=Outcome.DENY))
    await journal.append(entry(10.0, appliance_id=None, outcome=Outcome.DENY))
    tallies = await journal.tallies()
    assert set(tallies) == {"fridge", "oven"}
    assert tallies["fridge"].counts == {Outcome.PERMIT: 1, Outcome.REDACT: 2, Outcome.DENY: 2}
    assert (tallies["fridge"].last_seen, tallies["fridge"].last_disclosure) == (4.0, 2.0)
    assert (tallies["oven"].last_seen, tallies["oven"].last_disclosure) == (9.0, None)


async def test_an_outcome_that_cannot_be_understood_is_not_guessed(
    journal: Journal, database: Database
) -> None:
    await journal.append(entry())
    await database.run(lambda c: c.execute("UPDATE journal SET outcome = 'perhaps'").rowcount)
    for question in (journal.newest, journal.tallies):
        with pytest.raises(StorageError):
            await question()


async def test_nothing_is_written_without_a_database(journal: Journal, database: Database) -> None:
    await database.close()
    with pytest.raises(StorageError):
        await journal.append(entry())
    with pytest.raises(StorageError):
        await journal.not_released(1, Reason.POLICY_CHANGED)


MARKS = ("sesame mustard", "sesame-pepper", "sesame_salt", "sesameoil", "sesame.vinegar")


async def test_no_value_stands_in_the_file(tmp_path: Path) -> None:
    """Of body, header, query, cookie or path; not while the gate is open, and not afterwards."""
    async with wire.house(tmp_path) as house:
        raw = house.request(
            b'{"door":true,"note":"sesame mustard"}',
            "X-Note: sesame-pepper",
            "Cookie: note=sesameoil",
            path="/v1/report?note=sesame_salt",
        )
        await house.teach(raw)
        await house.ask(raw)
        assert all(mark.encode() in house.cloud.received for mark in MARKS[:4])
        await house.withdraw_all()
        await house.ask(raw)
        await house.ask(house.request(b"\xffsesame.vinegar"))
        look(house, tmp_path)
    look(house, tmp_path)


def look(house: House, folder: Path) -> None:
    found = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"$.body.note" in found
    for number, mark in enumerate(MARKS):
        assert mark.encode() not in found, f"value number {number}"
        assert mark not in str([event for event in house.events if not hasattr(event, "readings")])
