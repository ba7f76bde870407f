"""Both files: what the disk says of them, mending, copies, and what is left in the end."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
import sqlite3

import pytest

from engine import StorageDamagedError, StorageError, all_paths, start_over
from engine.events import Event, StorageChanged, StorageDamaged
from engine.files import Files, journal_copy_path, journal_path
from engine.journal import Entry
from engine.model import Outcome, Reason


class Kept:
    """Files that keep what they tell."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "privacy_firewall.db"
        self.told: list[Event] = []
        self.refusals = 0
        self.files = Files(self.path, on_event=self.told.append, on_refusal=self._refused)

    def _refused(self) -> None:
        self.refusals += 1

    async def append(self) -> int:
        """Append an entry to the journal."""
        return await self.files.journal.append(
            Entry(
                at=1_000.0,
                gate="http",
                outcome=Outcome.DENY,
                reason=Reason.NOTHING_CONSENTED,
                appliance_id="fridge",
                recipient_ids=(),
                template="POST a/b",
            )
        )


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(tmp_path)
    await made.files.open()
    yield made
    await made.files.close()


def overwrite(path: Path) -> None:
    """Damage a file behind its first page."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


async def test_a_new_home_is_no_copy(kept: Kept) -> None:
    assert not kept.files.is_copy
    await kept.files.close()
    await kept.files.open()
    assert not kept.files.is_copy


async def test_a_file_without_its_journal_is_a_copy(kept: Kept) -> None:
    """Backups leave the journal out. One that was damaged and set aside was there."""
    await kept.files.close()
    journal = journal_path(kept.path)
    aside = journal.rename(journal.with_name(f"{journal.name}.damaged"))
    await kept.files.open()
    assert not kept.files.is_copy
    await kept.files.close()
    aside.unlink()
    journal.unlink()
    await kept.files.open()
    assert kept.files.is_copy


async def test_a_file_of_an_earlier_version_is_none(tmp_path: Path) -> None:
    """It had its journal in itself."""
    first = Kept(tmp_path)
    with closing(sqlite3.connect(first.path)) as file:
        file.executescript(
            "CREATE TABLE ledger (id INTEGER PRIMARY KEY, at REAL, appliance_id TEXT,"
            " data_point_id TEXT, recipient_id TEXT, state TEXT, level TEXT, kinds TEXT, how TEXT,"
            " person TEXT); PRAGMA user_version = 1"
        )
    await first.files.open()
    assert not first.files.is_copy
    await first.files.close()


async def test_a_damaged_household_file_stays_as_it_is(kept: Kept) -> None:
    """It is read whole at the start: damage that no query meets is met all the same."""
    await kept.files.close()
    overwrite(kept.path)
    before = kept.path.read_bytes()
    with pytest.raises(StorageDamagedError):
        await kept.files.open()
    assert kept.path.read_bytes() == before
    assert kept.told == []


async def test_starting_over_keeps_the_damaged_file(kept: Kept) -> None:
    await kept.files.close()
    overwrite(kept.path)
    before = kept.path.read_bytes()
    await start_over(kept.path)
    assert kept.path.with_name("privacy_firewall.db.damaged").read_bytes() == before
    await kept.files.open()
    await kept.append()
    # Where there is nothing to set aside, nothing is.
    await start_over(kept.path.with_name("other.db"))


async def test_damage_while_it_runs_is_told(kept: Kept) -> None:
    """Of the household's file; it is not mended."""
    await kept.files.household.checkpoint()
    overwrite(kept.path)
    kept.files._note_health(kept.path, False)
    await kept.files.mend()
    assert kept.told == [StorageChanged(works=False), StorageDamaged(is_journal=False)]
    assert not kept.files.works


async def test_a_journal_without_room_for_a_new_one_is_tried_again(kept: Kept) -> None:
    """It was set aside, and then nothing could be opened."""
    await kept.append()
    journal = journal_path(kept.path)
    await kept.files._journal_file.set_aside()
    kept.files._note_health(journal, False)
    journal.mkdir()
    with pytest.raises(StorageError):
        await kept.files.mend()
    with pytest.raises(StorageError):
        await kept.append()
    journal.rmdir()
    await kept.files.mend()
    assert await kept.append() > 0


async def test_nothing_is_looked_at_while_the_disk_works(kept: Kept) -> None:
    await kept.files.close()
    await kept.files.mend()
    assert kept.told == []
    await kept.files.open()


async def test_one_file_that_works_does_not_speak_for_the_other(kept: Kept) -> None:
    kept.files._note_health(kept.path, False)
    kept.files._note_health(journal_path(kept.path), False)
    kept.files._note_health(kept.path, True)
    assert not kept.files.works
    kept.files._note_health(journal_path(kept.path), True)
    assert kept.files.works
    assert kept.told == [StorageChanged(works=False), StorageChanged(works=True)]
    assert kept.refusals == 2


async def test_a_copy_of_the_journal_is_taken_for_it_where_there_is_none(kept: Kept) -> None:
    await kept.append()
    await kept.files.copy_journal()
    copy = journal_copy_path(kept.path)
    held = copy.read_bytes()
    await kept.files.discard_copy()
    assert not copy.exists()
    await kept.append()
    await kept.files.close()
    copy.write_bytes(held)
    assert (await kept.files.open())["fridge"].counts[Outcome.DENY] == 2
    assert not copy.exists()
    await kept.files.close()
    copy.write_bytes(held)
    journal_path(kept.path).unlink()
    assert (await kept.files.open())["fridge"].counts[Outcome.DENY] == 1
    assert not copy.exists()


async def test_the_file_keeps_still_while_it_is_copied(kept: Kept) -> None:
    """What is written waits in the log, however much it is."""
    household = kept.files.household
    await household.checkpoint()
    await household.hold_still(on=True)
    before = kept.path.read_bytes()

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS filled (text)")
        connection.executemany("INSERT INTO filled VALUES (?)", [("x" * 4000,)] * 500)

    for _ in range(6):
        await household.run(fill)
    assert kept.path.read_bytes() == before
    await household.hold_still(on=False)
    await household.run(fill)
    assert kept.path.read_bytes() != before


async def test_all_that_may_be_left_is_known(kept: Kept) -> None:
    """So that it is deleted with the integration."""
    await kept.append()
    await kept.files.copy_journal()
    await kept.files._journal_file.set_aside()
    await kept.files.close()
    await start_over(kept.path)
    await kept.files.open()
    found = set(kept.path.parent.iterdir())
    assert len(found) >= 6
    assert found <= set(all_paths(kept.path))
