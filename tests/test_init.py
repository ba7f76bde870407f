"""Set up and undone: nothing stays open, nothing widens, and what is wrong is said."""

import asyncio
import gc
import logging
from pathlib import Path
import socket
import sqlite3
import threading
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
import pytest

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine import Firewall, StorageError
from custom_components.privacy_firewall.household import database_path
from custom_components.privacy_firewall.repairs import ISSUE_UNCLAIMED
from tests.common import (
    BRUSH,
    FRIDGE,
    FROSTLINE,
    SECRET,
    Cloud,
    Home,
    a_device,
    a_entry,
    appliance,
    free_port,
    recipient,
)

STORAGE = ["privacy_firewall_storage"] * 2
"""A thread for the household's file and one for the journal's."""


def threads() -> list[str]:
    """Names of the threads that the integration started."""
    return [one.name for one in threading.enumerate() if one.name.startswith(DOMAIN)]


def tasks() -> list[str]:
    """Tasks that run code of the integration."""
    return [repr(one) for one in asyncio.all_tasks() if DOMAIN in repr(one.get_coro())]


def can_listen(port: int) -> bool:
    """Whether a port of 127.0.0.1 is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def files(home: Home) -> list[Path]:
    """What the integration keeps in the configuration folder."""
    return list(Path(home.hass.config.config_dir).glob("privacy_firewall*"))


def everything_is_closed(home: Home) -> bool:
    return threads() == [] and tasks() == [] and can_listen(home.entry.data["port"])


# --- Open and close ---


async def test_unloading_leaves_nothing(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    await home.report()
    assert threads() == STORAGE
    assert not can_listen(home.entry.data["port"])
    # The appliances' connections stay open: it is the gate that must end them.
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    await home.hass.async_block_till_done()
    assert everything_is_closed(home)
    gc.collect()
    assert "Unclosed" not in caplog.text
    before = home.hass.states.get(home.hass.states.async_entity_ids("switch")[0])
    assert before is not None
    assert before.state == "unavailable"


async def test_a_transmission_under_way_ends_with_it(home: Home) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", home.entry.data["port"], local_addr=("127.0.0.2", 0)
    )
    writer.write(
        b"POST /fridge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    await asyncio.sleep(0.05)
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    async with asyncio.timeout(5):
        assert await reader.read() is not None
    writer.close()
    assert everything_is_closed(home)
    assert home.cloud.received == []


async def test_reloading_opens_it_again(home: Home) -> None:
    for _ in range(3):
        await home.reload()
        assert threads() == STORAGE
        assert await home.report() == 200


async def test_stopping_home_assistant_closes_it(home: Home) -> None:
    """An entry is not unloaded then."""
    await home.report()
    for job in home.hass._shutdown_jobs:
        await home.hass.async_run_hass_job(job.job, *job.args)
    assert everything_is_closed(home)
    assert home.entry.state is ConfigEntryState.LOADED


async def test_unloading_takes_back_the_stop_job(home: Home) -> None:
    assert len(home.hass._shutdown_jobs) == 1
    await home.reload()
    assert len(home.hass._shutdown_jobs) == 1


async def test_removing_deletes_what_was_recorded(home: Home) -> None:
    """Both files with their companions, the anchor, and what a repair or a backup left."""
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    database = database_path(home.hass)
    for left in ("db.damaged", "db.damaged-wal", "_journal.log.db.damaged", "_journal.copy.db"):
        name = f"privacy_firewall{left}" if left[0] == "_" else f"privacy_firewall.{left}"
        database.with_name(name).write_text("left")
    assert {one.name for one in files(home)} >= {
        "privacy_firewall.db",
        "privacy_firewall.db-wal",
        "privacy_firewall.anchor",
        "privacy_firewall_journal.log.db",
        "privacy_firewall_journal.log.db-wal",
    }
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    await home.hass.async_block_till_done()
    assert files(home) == []
    assert everything_is_closed(home)


async def test_no_entity_outlives_the_entry(
    home: Home, entity_registry: er.EntityRegistry, device_registry: dr.DeviceRegistry
) -> None:
    await home.report()
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    await home.hass.async_block_till_done()
    assert not [one for one in entity_registry.entities.values() if one.platform == DOMAIN]
    assert not dr.async_entries_for_config_entry(device_registry, home.entry.entry_id)


# --- What can be wrong ---


async def test_a_taken_port_is_said(hass: HomeAssistant, cloud: Cloud) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        entry = a_entry(appliance(FRIDGE), port=other.getsockname()[1])
        entry.add_to_hass(hass)
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "gate_not_opened"
    assert entry.error_reason_translation_placeholders == {
        "host": "127.0.0.1",
        "port": str(entry.data["port"]),
    }
    assert threads() == []


async def test_a_database_that_cannot_be_opened_is_said(
    hass: HomeAssistant, cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "privacy_firewall.db").mkdir()
    entry = a_entry(appliance(FRIDGE))
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "storage_failed"
    assert threads() == []
    assert can_listen(entry.data["port"])


async def test_platforms_that_fail_leave_nothing(hass: HomeAssistant, cloud: Cloud) -> None:
    entry = a_entry(appliance(FRIDGE))
    entry.add_to_hass(hass)
    with patch.object(hass.config_entries, "async_forward_entry_setups", side_effect=RuntimeError):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert threads() == []
    assert can_listen(entry.data["port"])


async def test_a_gate_that_is_cancelled_while_opening_leaves_nothing(
    hass: HomeAssistant, cloud: Cloud
) -> None:
    entry = a_entry(appliance(FRIDGE))
    entry.add_to_hass(hass)
    with patch.object(Firewall, "open_gate", side_effect=asyncio.CancelledError):
        await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is not ConfigEntryState.LOADED
    assert threads() == []


async def test_a_broken_subentry_is_left_out_and_named(
    hass: HomeAssistant, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    entry = a_entry(
        appliance(FRIDGE, token=[SECRET]), appliance(BRUSH), recipient(FROSTLINE, cloud)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    broken = next(one for one in entry.subentries.values() if one.title == FRIDGE)
    assert list(entry.runtime_data.firewall.appliances) != []
    assert broken.subentry_id not in entry.runtime_data.firewall.appliances
    assert broken.subentry_id in caplog.text
    assert FRIDGE in caplog.text
    assert SECRET not in caplog.text
    await hass.config_entries.async_unload(entry.entry_id)


# --- Changes without a reload ---


async def test_a_changed_port_moves_only_the_gate(home: Home) -> None:
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    household, old = home.household, home.entry.data["port"]
    changes = []
    home.hass.bus.async_listen("state_changed", lambda event: changes.append(event.data))
    home.hass.config_entries.async_update_entry(
        home.entry, data={"host": "127.0.0.1", "port": free_port()}
    )
    await home.hass.async_block_till_done()
    assert home.household is household
    assert can_listen(old)
    assert home.is_on(switch)
    assert not [one for one in changes if one["entity_id"] == switch]
    await home.report()
    assert home.cloud.received == [("/fridge", {"temperature": 4.5})]


async def test_the_gate_is_never_called_by_itself_wherever_it_moved(home: Home) -> None:
    moved = free_port()
    home.hass.config_entries.async_update_entry(
        home.entry, data={"host": "127.0.0.1", "port": moved}
    )
    await home.hass.async_block_till_done()
    await home.change(FROSTLINE, endpoints=[f"POST http://127.0.0.1:{moved}/fridge"])
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    await home.report()
    newest = (await home.household.firewall.newest_entries(1))[0]
    assert newest.reason.value == "upstream_address_refused"


async def test_changed_subentries_leave_the_gate_alone(home: Home) -> None:
    with patch.object(home.household.firewall, "open_gate") as opened:
        await home.change(FRIDGE, answer="refuse")
        home.hass.config_entries.async_update_entry(
            home.entry, options={"who_may_grant": "administrators"}
        )
        await home.hass.async_block_till_done()
    opened.assert_not_called()
    assert await home.report() == 403


async def test_a_gate_that_cannot_move_says_so(home: Home) -> None:
    """It does not stay where it was: that is not what was asked for."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        old = home.entry.data["port"]
        home.hass.config_entries.async_update_entry(
            home.entry, data={"host": "127.0.0.1", "port": other.getsockname()[1]}
        )
        await home.hass.async_block_till_done()
    assert home.entry.state is ConfigEntryState.SETUP_RETRY
    assert home.entry.error_reason_translation_key == "gate_not_opened"
    assert can_listen(old)
    assert threads() == []


async def test_changes_while_the_gate_moves_end_with_the_newest(home: Home) -> None:
    ports = [free_port() for _ in range(5)]
    for port in ports:
        home.hass.config_entries.async_update_entry(
            home.entry, data={"host": "127.0.0.1", "port": port}
        )
    await home.hass.async_block_till_done()
    assert [can_listen(port) for port in ports] == [True] * 4 + [False]
    assert await home.report() == 200


# --- Devices ---


async def test_entities_sit_on_the_linked_device(
    hass: HomeAssistant, cloud: Cloud, device_registry: dr.DeviceRegistry
) -> None:
    device = a_device(hass)
    entry = a_entry(appliance(FRIDGE, device_id=device.id), recipient(FROSTLINE, cloud))
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    home = Home(hass, cloud, entry)
    await home.report()
    assert {one.device_id for one in home.entities()} == {device.id}
    hub = home.household.links.hub()
    assert dr.async_entries_for_config_entry(device_registry, entry.entry_id) == [hub]
    state = hass.states.get(home.switch("Temperature"))
    assert state is not None
    assert state.name == "Kitchen fridge Temperature to Frostline for service"
    await home.turn("turn_on", home.switch("Temperature"))

    # Removed: they go on, with the consents, on a device of our own.
    device_registry.async_remove_device(device.id)
    await hass.async_block_till_done()
    own = device_registry.async_get(home.entities()[0].device_id or "")
    assert own is not None
    assert own.identifiers == {(DOMAIN, home.subentry(FRIDGE).subentry_id)}
    assert {one.device_id for one in home.entities()} == {own.id}
    assert home.is_on(home.switch("Temperature"))
    await home.hang_up()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_linking_an_appliance_moves_its_entities(
    home: Home, device_registry: dr.DeviceRegistry, entity_registry: er.EntityRegistry
) -> None:
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    device = a_device(home.hass)
    own = home.household.device(home.subentry(FRIDGE).subentry_id)
    assert own is not None
    await home.change(FRIDGE, device_id=device.id)
    assert {one.device_id for one in home.entities()} == {device.id}
    assert device_registry.async_get(own.id) is None
    assert home.is_on(switch)

    await home.change(FRIDGE, device_id=None)
    entity = entity_registry.async_get(switch)
    assert entity is not None
    assert entity.device_id not in (device.id, None)
    assert home.is_on(switch)


async def test_a_renamed_appliance_renames_its_own_device(
    home: Home, device_registry: dr.DeviceRegistry
) -> None:
    await home.change(FRIDGE, name="Freezer")
    device = home.household.device(home.subentry("Freezer").subentry_id)
    assert device is not None
    assert device.name == "Freezer"


# --- The engine and its listeners ---


async def test_a_listener_that_fails_harms_nobody(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    heard = []

    def fail(event: object) -> None:
        raise ValueError(SECRET)

    home.household.async_listen(fail)
    home.household.async_listen(heard.append)
    assert await home.report() == 200
    assert heard
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


async def test_home_assistants_own_port_is_protected(hass: HomeAssistant, cloud: Cloud) -> None:
    entry = a_entry()
    entry.add_to_hass(hass)
    with patch("custom_components.privacy_firewall.household.Firewall", wraps=Firewall) as built:
        assert await hass.config_entries.async_setup(entry.entry_id)
    assert built.call_args.kwargs["protected_ports"] == {hass.http.server_port}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_start_that_fails_later_is_tried_again(hass: HomeAssistant, cloud: Cloud) -> None:
    entry = a_entry()
    entry.add_to_hass(hass)
    with patch.object(Firewall, "start", side_effect=StorageError("locked")):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture(autouse=True)
def quiet_loop(caplog: pytest.LogCaptureFixture) -> None:
    """Leave out what asyncio logs of slow tasks."""
    caplog.set_level(logging.WARNING, logger="asyncio")


async def test_a_call_that_nobody_claims_raises_one_repair(home: Home) -> None:
    issues = ir.async_get(home.hass)
    assert issues.async_get_issue(DOMAIN, ISSUE_UNCLAIMED) is None
    home.cloud.received.clear()
    for _ in range(3):
        await home.post_elsewhere("unclaimed.example")
    assert issues.async_get_issue(DOMAIN, ISSUE_UNCLAIMED) is not None
    assert home.cloud.received == []
    await home.add(recipient("Elsewhere", home.cloud, endpoints=["POST http://unclaimed.example/"]))
    assert issues.async_get_issue(DOMAIN, ISSUE_UNCLAIMED) is None


async def test_unloading_takes_the_repair_along(home: Home) -> None:
    await home.post_elsewhere("unclaimed.example")
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, ISSUE_UNCLAIMED) is None


async def test_what_was_seen_of_an_appliance_goes_with_it(home: Home) -> None:
    await home.report()
    firewall = home.household.firewall
    assert firewall.data_points(home.subentry(FRIDGE).subentry_id)
    removed = await home.remove(FRIDGE)
    assert firewall.data_points(removed) == []
    with sqlite3.connect(database_path(home.hass)) as connection:
        for table in ("data_points", "identities"):
            rows = connection.execute(
                f"SELECT COUNT(*) FROM {table} WHERE appliance_id = ?", (removed,)
            )
            assert rows.fetchone() == (0,)
    # What it sent stays on record.
    assert [one.appliance_id for one in await firewall.newest_entries()] == [removed]
