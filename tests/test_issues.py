"""Issues of gate, files and appliances: said, mended, and gone by themselves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
import socket
import sqlite3
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall.engine import Trouble, diagnose
from custom_components.privacy_firewall.engine.events import StorageDamaged
from custom_components.privacy_firewall.issues import SILENT_FOR, written
from tests.common import (
    FRIDGE,
    Cloud,
    Home,
    a_entry,
    appliance,
    free_port,
)
from tests.repairs import (
    TEMPERATURE,
    Client,
    Repair,
    cloudy_device,
    give,
    is_sharing,
    issue,
    issues,
    received,
    settle,
)


def folder(hass: HomeAssistant) -> Path:
    return Path(hass.config.config_dir)


def database(hass: HomeAssistant) -> Path:
    return folder(hass) / "privacy_firewall.db"


def overwrite(path: Path, start: int = 4096) -> None:
    """Damage a file from a page on."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * max(8192, path.stat().st_size - start))


async def test_a_home_where_all_is_well_has_no_issue(home: Home) -> None:
    await home.report()
    await give(home)
    await home.report()
    await home.reload()
    await settle(home)
    assert issues(home.hass) == set()


# --- The gate ---


@pytest.fixture
async def taken(
    hass: HomeAssistant, cloud: Cloud, repairs: None
) -> AsyncIterator[tuple[MockConfigEntry, socket.socket]]:
    """An entry whose port somebody else has."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        entry = a_entry(appliance(FRIDGE), port=other.getsockname()[1])
        entry.add_to_hass(hass)
        assert not await hass.config_entries.async_setup(entry.entry_id)
        yield entry, other
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)


async def test_a_taken_port_is_an_issue_that_goes_away(
    hass: HomeAssistant,
    taken: tuple[MockConfigEntry, socket.socket],
    hass_client: ClientSessionGenerator,
) -> None:
    """By trying again, once the port is free; not before."""
    entry, other = taken
    raised = issue(hass, "gate_not_opened")
    assert raised is not None
    assert raised.translation_placeholders == {
        "host": "127.0.0.1",
        "port": str(entry.data["port"]),
    }
    repair = Repair(hass, await hass_client(), "gate_not_opened")
    shown = await repair.open()
    assert "another program" in shown["description_placeholders"]["cause"]
    assert (await repair.choose("try_again"))["reason"] == "still_failing"
    assert issue(hass, "gate_not_opened") is not None
    other.close()
    await repair.open()
    assert (await repair.choose("try_again"))["type"] == "create_entry"
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == set()


async def test_a_port_that_is_free_again_settles_it(
    hass: HomeAssistant, taken: tuple[MockConfigEntry, socket.socket]
) -> None:
    """Home Assistant tries again by itself."""
    entry, other = taken
    other.close()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=10))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == set()


async def test_an_address_that_is_gone_is_said(hass: HomeAssistant, repairs: None) -> None:
    entry = a_entry(appliance(FRIDGE), port=8080)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": "192.0.2.7"})
    with patch(
        "custom_components.privacy_firewall.engine.firewall.HttpGate.open",
        # As the system says it of an address that no interface has.
        side_effect=OSError(99, "Cannot assign requested address"),
    ):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    raised = issue(hass, "gate_not_opened")
    assert raised is not None
    assert raised.data is not None
    assert raised.data["cause"] == "not_our_address"
    # Disabled while it waits: nothing is tried any more.
    await hass.config_entries.async_unload(entry.entry_id)
    assert issues(hass) == set()


async def test_moving_the_gate_opens_it(
    hass: HomeAssistant,
    taken: tuple[MockConfigEntry, socket.socket],
    hass_client: ClientSessionGenerator,
) -> None:
    """In the form that moves it, at once, without waiting to be tried again."""
    entry, _ = taken
    repair = Repair(hass, await hass_client(), "gate_not_opened")
    await repair.open()
    ended = await repair.choose("move_gate")
    kind, flow_id = ended["next_flow"]
    assert kind == "config_flow"
    assert issue(hass, "gate_not_opened") is not None
    done = await hass.config_entries.flow.async_configure(
        flow_id, {"host": "127.0.0.1", "port": free_port()}
    )
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == set()


async def test_removing_the_entry_takes_its_issues_along(
    hass: HomeAssistant, taken: tuple[MockConfigEntry, socket.socket]
) -> None:
    entry, _ = taken
    await hass.config_entries.async_remove(entry.entry_id)
    assert issues(hass) == set()


# --- Files ---


async def refuse(home: Home, *, refused: bool = True) -> None:
    """Let SQLite find the journal's disk full, or no longer."""
    pages = 1 if refused else 1_000_000
    await home.household.firewall.journal._database.run(
        lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    )


async def test_records_that_cannot_be_written_are_an_issue(client: Client, home: Home) -> None:
    """With why; it is tried again on request, and gone once it works."""
    await home.report()
    await give(home)
    assert await received(home) == TEMPERATURE
    await refuse(home)
    with patch("custom_components.privacy_firewall.issues.diagnose", return_value=Trouble.FULL):
        for number in range(200):
            if await home.report(path=f"/{number:04}x") and issues(home.hass):
                break
        await settle(home)
    assert not home.household.firewall.storage_works
    raised = issue(home.hass, "storage")
    assert raised is not None
    repair = Repair(home.hass, client, "storage")
    shown = await repair.open()
    assert "disk is full" in shown["description_placeholders"]["cause"]
    assert (await repair.send())["reason"] == "still_failing"
    await refuse(home, refused=False)
    await repair.open()
    assert (await repair.send())["type"] == "create_entry"
    assert home.household.firewall.storage_works
    assert issues(home.hass) == set()
    assert await received(home) == TEMPERATURE


async def test_a_disk_that_works_again_settles_it(client: Client, home: Home) -> None:
    await home.report()
    firewall = home.household.firewall
    with patch(
        "custom_components.privacy_firewall.issues.diagnose", return_value=Trouble.READ_ONLY
    ):
        firewall._files._note_health(database(home.hass), False)
        await settle(home)
    assert issue(home.hass, "storage") is not None
    assert await firewall.try_storage() is False or issues(home.hass) == set()
    firewall._files._note_health(database(home.hass), True)
    await settle(home)
    assert issues(home.hass) == set()


async def test_a_refusal_that_passed_at_once_is_none(home: Home) -> None:
    """Finding out why takes a moment."""
    files = home.household.firewall._files
    files._note_health(database(home.hass), False)
    files._note_health(database(home.hass), True)
    await settle(home)
    assert issues(home.hass) == set()


async def test_a_file_that_cannot_be_opened_is_an_issue(
    hass: HomeAssistant, cloud: Cloud, repairs: None, hass_client: ClientSessionGenerator
) -> None:
    database(hass).mkdir()
    entry = a_entry(appliance(FRIDGE))
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert issues(hass) == {"storage"}
    repair = Repair(hass, await hass_client(), "storage")
    await repair.open()
    assert (await repair.send())["reason"] == "still_failing"
    database(hass).rmdir()
    await repair.open()
    assert (await repair.send())["type"] == "create_entry"
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == set()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_file_of_a_later_version_is_left_alone(
    hass: HomeAssistant, cloud: Cloud, repairs: None
) -> None:
    connection = sqlite3.connect(database(hass))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = database(hass).read_bytes()
    entry = a_entry(appliance(FRIDGE))
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    raised = issue(hass, "storage")
    assert raised is not None
    assert raised.data is not None
    assert raised.data["cause"] == "newer"
    assert database(hass).read_bytes() == before


async def test_a_damaged_journal_begins_anew_at_the_start(client: Client, home: Home) -> None:
    """Consents are in the other file; what was observed so far is gone, and said to be."""
    await home.report()
    await give(home)
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    journal = folder(home.hass) / "privacy_firewall_journal.log.db"
    journal.write_bytes(b"no database at all" * 1000)
    await home.hass.config_entries.async_setup(home.entry.entry_id)
    assert home.entry.state is ConfigEntryState.LOADED
    assert issues(home.hass) == {"journal_replaced"}
    assert (folder(home.hass) / f"{journal.name}.damaged").read_bytes().startswith(b"no database")
    assert await received(home) == TEMPERATURE
    # A restart answers nothing.
    await home.reload()
    repair = Repair(home.hass, client, "journal_replaced")
    await repair.open()
    assert (await repair.send())["type"] == "create_entry"
    assert issues(home.hass) == set()


async def test_a_journal_damaged_while_running_is_replaced(client: Client, home: Home) -> None:
    """Until then nothing leaves."""
    await home.report()
    await give(home)
    journal = home.household.firewall.journal
    await journal._database.checkpoint()
    overwrite(folder(home.hass) / "privacy_firewall_journal.log.db")
    # What is in memory of it goes; the pages are read again.
    await journal._database.run(
        lambda connection: connection.execute("PRAGMA cache_size = 0").fetchall()
    )
    got: list[Any] = []
    async with asyncio.timeout(20):
        while "journal_replaced" not in issues(home.hass):
            got.append(await received(home))
            await asyncio.sleep(0.02)
    assert got[0] is None
    assert await received(home) == TEMPERATURE
    assert home.household.firewall.storage_works
    assert issues(home.hass) == {"journal_replaced"}


async def test_a_damaged_household_file_is_never_replaced_by_itself(
    client: Client, home: Home
) -> None:
    """Nothing runs until somebody says to start over; then every consent is off."""
    await home.report()
    await give(home)
    port = home.entry.data["port"]
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    overwrite(database(home.hass))
    damaged = database(home.hass).read_bytes()
    await home.hass.config_entries.async_setup(home.entry.entry_id)
    assert home.entry.state is ConfigEntryState.SETUP_RETRY
    assert issues(home.hass) == {"storage_damaged"}
    assert database(home.hass).read_bytes() == damaged
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)
    repair = Repair(home.hass, client, "storage_damaged")
    shown = await repair.open()
    assert shown["description_placeholders"] == {"file": "`privacy_firewall.db`"}
    assert (await repair.send())["type"] == "create_entry"
    assert home.entry.state is ConfigEntryState.LOADED
    assert issues(home.hass) == set()
    aside = database(home.hass).with_name("privacy_firewall.db.damaged")
    assert aside.read_bytes() == damaged
    assert await received(home) is None
    assert home.household.firewall.decided() == []


async def test_a_household_file_damaged_while_running_closes_the_gate(
    client: Client, home: Home
) -> None:
    await home.report()
    await give(home)
    await home.household.firewall._database.checkpoint()
    overwrite(database(home.hass))
    home.household.issues.async_hear(StorageDamaged(is_journal=False))
    await settle(home)
    assert home.entry.state is ConfigEntryState.SETUP_RETRY
    assert issues(home.hass) == {"storage_damaged"}
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", home.entry.data["port"])


async def test_a_file_that_was_put_back_is_not_set_aside(client: Client, home: Home) -> None:
    """The form was open while somebody mended it."""
    await home.report()
    await give(home)
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    whole = database(home.hass).read_bytes()
    overwrite(database(home.hass))
    await home.hass.config_entries.async_setup(home.entry.entry_id)
    repair = Repair(home.hass, client, "storage_damaged")
    await repair.open()
    database(home.hass).write_bytes(whole)
    assert (await repair.send())["type"] == "create_entry"
    assert not database(home.hass).with_name("privacy_firewall.db.damaged").exists()
    assert is_sharing(home)


def test_what_is_wrong_is_found_by_trying(tmp_path: Path) -> None:
    path = tmp_path / "privacy_firewall.db"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE one (two); PRAGMA user_version = 2")
    connection.executemany("INSERT INTO one VALUES (?)", [("x" * 500,)] * 100)
    connection.commit()
    connection.close()
    assert diagnose(path) is Trouble.UNKNOWN
    assert list(tmp_path.iterdir()) == [path]
    with patch("shutil.disk_usage") as usage:
        usage.return_value.free = 999_999
        assert diagnose(path) is Trouble.FULL
    for number, trouble in ((28, Trouble.FULL), (30, Trouble.READ_ONLY), (5, Trouble.UNKNOWN)):
        with patch("os.fsync", side_effect=OSError(number, "refused")):
            assert diagnose(path) is trouble
    overwrite(path)
    assert diagnose(path) is Trouble.DAMAGED
    path.write_bytes(b"nothing like it" * 500)
    assert diagnose(path) is Trouble.DAMAGED


# --- Appliances ---


@pytest.fixture
def device(home: Home) -> dr.DeviceEntry:
    """A fridge that another integration reads from its cloud."""
    return cloudy_device(home)


async def test_a_removed_device_is_an_issue(
    client: Client, home: Home, device: dr.DeviceEntry
) -> None:
    await home.change(FRIDGE, device_id=device.id, name="Fridge *1*")
    fridge = home.subentry("Fridge").subentry_id
    assert issues(home.hass) == set()
    dr.async_get(home.hass).async_remove_device(device.id)
    await settle(home)
    assert issues(home.hass) == {f"appliance_gone_{fridge}"}
    raised = issue(home.hass, f"appliance_gone_{fridge}")
    assert raised is not None
    assert raised.translation_placeholders == {"appliance": "Fridge *1*"}
    repair = Repair(home.hass, client, f"appliance_gone_{fridge}")
    shown = await repair.open()
    assert shown["description_placeholders"] == {"appliance": r"Fridge \*1\*"}
    ended = await repair.choose("open_appliance")
    assert ended["next_flow"][0] == "config_subentries_flow"
    assert issues(home.hass) == {f"appliance_gone_{fridge}"}
    await repair.open()
    assert (await repair.choose("keep"))["type"] == "create_entry"
    assert home.subentry("Fridge").data["device_id"] is None
    assert issues(home.hass) == set()


async def test_a_gone_appliance_may_be_removed(
    client: Client, home: Home, device: dr.DeviceEntry
) -> None:
    """After it is confirmed."""
    await home.change(FRIDGE, device_id=device.id)
    dr.async_get(home.hass).async_remove_device(device.id)
    await settle(home)
    fridge = home.subentry(FRIDGE).subentry_id
    repair = Repair(home.hass, client, f"appliance_gone_{fridge}")
    await repair.open()
    assert (await repair.choose("remove"))["step_id"] == "confirm_removal"
    assert fridge in home.entry.subentries
    assert (await repair.send())["type"] == "create_entry"
    await settle(home)
    assert fridge not in home.entry.subentries
    assert issues(home.hass) == set()


async def test_an_appliance_not_seen_for_long_is_an_issue(client: Client, home: Home) -> None:
    """One that was never seen is not: it may be new. It ends when it is seen again."""
    await home.report()
    fridge = home.subentry(FRIDGE).subentry_id
    firewall = home.household.firewall
    sums = firewall._sums[fridge]
    sums.last_seen = firewall.now() - SILENT_FOR + 60
    home.household.async_changed()
    assert issues(home.hass) == set()
    sums.last_seen = firewall.now() - SILENT_FOR - 60
    home.household.async_changed()
    assert issues(home.hass) == {f"appliance_silent_{fridge}"}
    repair = Repair(home.hass, client, f"appliance_silent_{fridge}")
    assert (await repair.open())["menu_options"] == ["open_appliance", "remove"]
    await home.report()
    home.household.async_changed()
    assert issues(home.hass) == set()


async def test_a_form_of_a_removed_entry_does_nothing(
    hass: HomeAssistant,
    taken: tuple[MockConfigEntry, socket.socket],
    hass_client: ClientSessionGenerator,
) -> None:
    client = await hass_client()
    repairs = [Repair(hass, client, "gate_not_opened") for _ in range(2)]
    for repair in repairs:
        await repair.open()
    await hass.config_entries.async_remove(taken[0].entry_id)
    for repair, step in zip(repairs, ("try_again", "move_gate"), strict=True):
        assert (await repair.choose(step))["reason"] == "not_loaded"


async def test_a_file_that_cannot_be_set_aside_is_said(client: Client, home: Home) -> None:
    await home.report()
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    overwrite(database(home.hass))
    await home.hass.config_entries.async_setup(home.entry.entry_id)
    repair = Repair(home.hass, client, "storage_damaged")
    await repair.open()
    with patch.object(Path, "replace", side_effect=PermissionError):
        assert (await repair.send())["reason"] == "still_failing"
    assert issues(home.hass) == {"storage_damaged"}


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200b", "\u200f"])
def test_a_name_from_the_network_does_not_turn_the_line_around(mark: str) -> None:
    """What a client calls itself stands in titles, where characters that are not seen could lie."""
    assert written(f"phone{mark}sub\n  vac") == "phonesub vac"
