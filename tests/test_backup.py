"""Backups by Home Assistant's own: what is in them, and what one that comes back may do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
import io
import json
from pathlib import Path
import sqlite3
import tarfile
from typing import Any
from unittest.mock import patch

from homeassistant.backup_restore import restore_backup
from homeassistant.components.backup import BackupManagerError, async_get_manager
from homeassistant.components.backup.const import EXCLUDE_FROM_BACKUP
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.backup import async_post_backup, async_pre_backup
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.model import ConsentState, Decider
from tests.common import FRIDGE, FROSTLINE, Cloud, Home, a_home
from tests.repairs import issues

DATABASE = "privacy_firewall.db"
JOURNAL = "privacy_firewall_journal.log.db"
COPY = "privacy_firewall_journal.copy.db"
TEMPERATURE = {"temperature": 4.5}


@pytest.fixture
async def kept(hass: HomeAssistant, cloud: Cloud) -> AsyncIterator[Home]:
    """A home that shares the fridge's temperature, and backups set up."""
    for needed in ("homeassistant", "backup"):
        assert await async_setup_component(hass, needed, {})
    async with a_home(hass, cloud) as home:
        await home.report()
        await give(home)
        assert await received(home) == TEMPERATURE
        yield home


def item(home: Home) -> tuple[str, str]:
    return home.point("Temperature"), home.subentry(FROSTLINE).subentry_id


async def give(home: Home) -> None:
    await home.household.firewall.decide([item(home)], ConsentState.GIVEN, Decider(how="test"))


async def withdraw(home: Home) -> None:
    await home.household.firewall.decide([item(home)], ConsentState.WITHDRAWN, Decider(how="test"))


async def received(home: Home) -> Any:
    """What the cloud gets of a report now; None where it gets nothing."""
    home.cloud.received.clear()
    await home.report()
    return home.cloud.received[-1][1] if home.cloud.received else None


def folder(home: Home) -> Path:
    return Path(home.hass.config.config_dir)


def ours(home: Home) -> set[str]:
    """The names of our files in the configuration folder, but for SQLite's companions."""
    found = (one.name for one in folder(home).glob("privacy_firewall*"))
    return {name for name in found if not name.endswith(("-wal", "-shm"))}


async def back_up(home: Home) -> Path:
    """Let Home Assistant make a backup; return the archive."""
    manager = async_get_manager(home.hass)
    await manager.async_create_backup(
        agent_ids=["backup.local"],
        include_addons=None,
        include_all_addons=False,
        include_database=True,
        include_folders=None,
        include_homeassistant=True,
        name="test",
        password=None,
    )
    await home.hass.async_block_till_done(wait_background_tasks=True)
    (archive,) = (folder(home) / "backups").glob("*.tar")
    return archive


def contents(archive: Path) -> dict[str, bytes]:
    """Our files in a backup."""
    with tarfile.open(archive) as outer:
        name = next(one for one in outer.getnames() if one.endswith("homeassistant.tar.gz"))
        inner = outer.extractfile(name)
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as tar:
            return {
                Path(one.name).name: file.read()
                for one in tar
                if "privacy_firewall" in one.name and (file := tar.extractfile(one)) is not None
            }


async def put_back(home: Home, archive: Path) -> None:
    """Stop, let Home Assistant restore the backup as it does at its start, and start."""
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    (folder(home) / ".HA_RESTORE").write_text(
        json.dumps(
            {
                "path": str(archive),
                "password": None,
                "remove_after_restore": False,
                "restore_database": True,
                "restore_homeassistant": True,
            }
        )
    )
    assert await asyncio.to_thread(restore_backup, str(folder(home)))
    assert await home.hass.config_entries.async_setup(home.entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)


def mark_of(database: Path) -> Any:
    """What a file says of being a backup's; None where it says nothing."""
    with closing(sqlite3.connect(database)) as file:
        return file.execute("SELECT value FROM meta WHERE key = 'backup'").fetchone()


async def test_the_journal_stays_out_of_a_backup(kept: Home, tmp_path: Path) -> None:
    """And what goes in says that it is a copy, and is whole without its companions."""
    archive = await back_up(kept)
    inside = contents(archive)
    assert {one for one in inside if "journal" in one} == set()
    assert DATABASE in inside
    copy = tmp_path / "elsewhere.db"
    copy.write_bytes(inside[DATABASE])
    assert mark_of(copy) is not None
    with closing(sqlite3.connect(copy)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT state FROM ledger").fetchall() == [("given",)]


async def test_a_backup_changes_nothing_here(kept: Home) -> None:
    """Not while it is made, not after a restart."""
    await back_up(kept)
    assert await received(kept) == TEMPERATURE
    assert mark_of(folder(kept) / DATABASE) is None
    await kept.reload()
    assert await received(kept) == TEMPERATURE
    assert issues(kept.hass) == set()


async def test_what_comes_back_waits_to_be_confirmed(kept: Home) -> None:
    """Also what was withdrawn since, of which the backup cannot know."""
    archive = await back_up(kept)
    await withdraw(kept)
    assert await received(kept) is None
    await put_back(kept, archive)
    consent = kept.household.firewall.consent(*item(kept))
    assert consent is not None
    assert consent.state is ConsentState.GIVEN
    assert await received(kept) is None
    assert issues(kept.hass) == {"restored"}
    # Not by restarting again, either.
    await kept.reload()
    assert await received(kept) is None
    await kept.household.firewall.consents.confirm_restored(Decider(how="test"), keep=None)
    assert await received(kept) == TEMPERATURE
    await kept.reload()
    assert await received(kept) == TEMPERATURE


async def test_a_backup_that_nobody_told_of_is_noticed(kept: Home) -> None:
    """Made while the firewall did not run: the journal that backups leave out is missing."""
    assert await kept.hass.config_entries.async_unload(kept.entry.entry_id)
    archive = await back_up(kept)
    assert await kept.hass.config_entries.async_setup(kept.entry.entry_id)
    # It did not run, and nothing came back: this home is as it was.
    assert await received(kept) == TEMPERATURE
    await withdraw(kept)
    await put_back(kept, archive)
    assert await received(kept) is None
    assert issues(kept.hass) == {"restored"}


async def test_a_backup_of_an_empty_home_asks_nothing(kept: Home) -> None:
    await withdraw(kept)
    archive = await back_up(kept)
    await put_back(kept, archive)
    assert issues(kept.hass) == set()
    await give(kept)
    assert await received(kept) == TEMPERATURE


async def test_decisions_during_a_backup_are_kept(kept: Home) -> None:
    """They wait beside the file, which keeps still while it is copied."""
    await async_pre_backup(kept.hass)
    before = (folder(kept) / DATABASE).read_bytes()
    for _ in range(5):
        await withdraw(kept)
        await give(kept)
    # Much more than goes into the log before SQLite brings it into the file by itself.
    await kept.household.firewall._database.run(
        lambda connection: (
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [(f"filled {one}", "x" * 4000) for one in range(1500)],
            ).rowcount
        )
    )
    await withdraw(kept)
    await give(kept)
    assert (folder(kept) / DATABASE).read_bytes() == before
    await withdraw(kept)
    await async_post_backup(kept.hass)
    await kept.reload()
    assert await received(kept) is None


# --- The journal, where it is wanted ---


async def test_the_journal_is_in_a_backup_where_it_is_wanted(kept: Home) -> None:
    kept.hass.config_entries.async_update_entry(
        kept.entry, options={**kept.entry.options, "journal_in_backups": True}
    )
    await kept.hass.async_block_till_done()
    number = len(await kept.household.firewall.newest_entries())
    archive = await back_up(kept)
    assert {one for one in contents(archive) if "journal" in one} == {COPY}
    assert COPY not in ours(kept)
    await put_back(kept, archive)
    assert COPY not in ours(kept)
    assert len(await kept.household.firewall.newest_entries()) == number
    assert await received(kept) is None
    assert issues(kept.hass) == {"restored"}


async def test_a_copy_that_was_left_is_not_taken_for_the_journal(kept: Home) -> None:
    """Killed while a backup was made: there is a journal, and it is newer."""
    kept.hass.config_entries.async_update_entry(
        kept.entry, options={**kept.entry.options, "journal_in_backups": True}
    )
    await async_pre_backup(kept.hass)
    await kept.report()
    left = (folder(kept) / COPY).read_bytes()
    number = len(await kept.household.firewall.newest_entries())
    await async_post_backup(kept.hass)
    await kept.hass.config_entries.async_unload(kept.entry.entry_id)
    (folder(kept) / COPY).write_bytes(left)
    await kept.hass.config_entries.async_setup(kept.entry.entry_id)
    assert len(await kept.household.firewall.newest_entries()) == number
    assert COPY not in ours(kept)


def test_the_journals_name_is_one_that_backups_leave_out() -> None:
    """Home Assistant may change what it leaves out; here it is said what is relied upon."""
    left_out = [one for one in EXCLUDE_FROM_BACKUP if Path(JOURNAL).match(one)]
    assert left_out == ["*.log.*"]
    for companion in ("-wal", "-shm"):
        assert any(Path(JOURNAL + companion).match(one) for one in EXCLUDE_FROM_BACKUP)
    for goes_in in (DATABASE, COPY, "privacy_firewall.anchor"):
        assert not any(Path(goes_in).match(one) for one in EXCLUDE_FROM_BACKUP)


# --- What can go wrong ---


async def test_without_a_mark_no_backup_is_made(kept: Home) -> None:
    """And the home goes on, as soon as the disk works again."""
    firewall = kept.household.firewall
    with (
        patch.object(firewall._database, "checkpoint", side_effect=StorageError("disk")),
        pytest.raises(BackupManagerError, match="pre-backup"),
    ):
        await back_up(kept)
    assert list((folder(kept) / "backups").glob("*.tar")) == []
    # Also where nobody tells that it ended.
    with (
        patch.object(firewall._database, "checkpoint", side_effect=StorageError("disk")),
        pytest.raises(StorageError),
    ):
        await async_pre_backup(kept.hass)
    assert mark_of(folder(kept) / DATABASE) is None
    await kept.reload()
    assert await received(kept) == TEMPERATURE


async def test_a_mark_that_could_not_be_taken_off_is_taken_off_later(kept: Home) -> None:
    """While it runs: left on, the next start would take this home for a backup's."""
    firewall = kept.household.firewall
    await async_pre_backup(kept.hass)
    run = firewall._database.run

    async def refuse(*_: Any, **__: Any) -> None:
        raise StorageError("disk")

    with patch.object(firewall._database, "run", refuse), pytest.raises(StorageError):
        await async_post_backup(kept.hass)
    assert firewall._database.run == run
    assert mark_of(folder(kept) / DATABASE) is not None
    await firewall.consents.look_after()
    assert mark_of(folder(kept) / DATABASE) is None
    await kept.reload()
    assert await received(kept) == TEMPERATURE


async def test_a_stop_during_a_backup_suspends(kept: Home) -> None:
    """Killed then, this home cannot be told from its backup: it asks rather than assumes."""
    await async_pre_backup(kept.hass)
    await kept.reload()
    assert await received(kept) is None
    assert issues(kept.hass) == {"restored"}


async def test_a_backup_of_a_home_that_does_not_run_is_made(kept: Home) -> None:
    await kept.hass.config_entries.async_unload(kept.entry.entry_id)
    assert kept.entry.state is ConfigEntryState.NOT_LOADED
    await async_pre_backup(kept.hass)
    await async_post_backup(kept.hass)
    assert mark_of(folder(kept) / DATABASE) is None


async def test_an_appliance_is_denied_no_longer_than_before(kept: Home) -> None:
    """Traffic goes on while a backup is made, and is recorded."""
    await async_pre_backup(kept.hass)
    assert await received(kept) == TEMPERATURE
    entries = await kept.household.firewall.newest_entries(1)
    assert entries[0].appliance_id == kept.subentry(FRIDGE).subentry_id
    await async_post_backup(kept.hass)
