"""What Home Assistant itself hands out: appended, chained, there again after a restart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import sqlite3

import pytest

from engine import ELSEWHERE, Exposures, ExposureState, Firewall, StorageError
from engine.model import Decider
from helpers import FakeClock

HAND = Decider(how="switch", person="anna", context="01J")
FOUND = Decider(how=ELSEWHERE)
DOOR = ("0f1e", "cloud.alexa")


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Exposures]:
    """The records of a home, in the file that it has."""
    firewall = Firewall(database=tmp_path / "home.db", on_event=lambda _: None, clock=FakeClock())
    await firewall.start()
    try:
        yield firewall.exposures
    finally:
        await firewall.stop()


def rows(tmp_path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(tmp_path / "home.db") as connection:
        return connection.execute("SELECT state, how FROM exposures ORDER BY id").fetchall()


async def test_the_newest_counts_and_none_is_overwritten(tmp_path: Path) -> None:
    async with opened(tmp_path) as exposures:
        assert exposures.get(*DOOR) is None
        await exposures.record(DOOR, ExposureState.GIVEN, HAND, name="Door")
        given = exposures.get(*DOOR)
        assert given is not None
        assert (given.state, given.person, given.how) == (ExposureState.GIVEN, "anna", "switch")
        await exposures.record(DOOR, ExposureState.WITHDRAWN, FOUND, name="Door")
        assert exposures.get("0f1e", "conversation") is None
    assert rows(tmp_path) == [("given", "switch"), ("withdrawn", "elsewhere")]
    async with opened(tmp_path) as exposures:
        newest = exposures.get(*DOOR)
        assert newest is not None
        assert (newest.state, newest.how, newest.person, newest.number) == (
            ExposureState.WITHDRAWN, "elsewhere", None, 2,
        )  # fmt: skip
        assert [one.state.value for one in await exposures.history()] == ["given", "withdrawn"]
        assert await exposures.first_broken() is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE exposures SET state = 'given' WHERE id = 2",
        "UPDATE exposures SET person = 'bert' WHERE id = 2",
        "DELETE FROM exposures WHERE id = 1",
    ],
)
async def test_a_changed_record_is_noticed(tmp_path: Path, change: str) -> None:
    async with opened(tmp_path) as exposures:
        await exposures.record(DOOR, ExposureState.GIVEN, HAND, name="Door")
        await exposures.record(DOOR, ExposureState.WITHDRAWN, HAND, name="Door")
        await exposures.record(DOOR, ExposureState.ELSEWHERE, FOUND, name="Door")
    with sqlite3.connect(tmp_path / "home.db") as connection:
        connection.execute(change)
    async with opened(tmp_path) as exposures:
        assert await exposures.first_broken() == 2


async def test_what_is_not_recorded_does_not_count(tmp_path: Path) -> None:
    async with opened(tmp_path) as exposures:
        await exposures.record(DOOR, ExposureState.WITHDRAWN, HAND, name="Door")
    with pytest.raises(StorageError):
        await exposures.record(DOOR, ExposureState.GIVEN, HAND, name="Door")
    newest = exposures.get(*DOOR)
    assert newest is not None
    assert newest.state is ExposureState.WITHDRAWN


async def test_a_file_from_before_gets_the_table(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "home.db") as connection:
        connection.execute("DROP TABLE exposures")
    async with opened(tmp_path) as exposures:
        await exposures.record(DOOR, ExposureState.GIVEN, HAND, name="Door")
    assert rows(tmp_path) == [("given", "switch")]
