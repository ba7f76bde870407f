"""Nothing widens by itself: whatever becomes of entities, devices and entries, consents stay.

Or they become narrower. Each time an appliance really reports, and the cloud tells what it got.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
import sqlite3
from typing import Any
from unittest.mock import AsyncMock, Mock

from homeassistant.config_entries import (
    RELOAD_AFTER_UPDATE_DELAY,
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigFlow,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    async_fire_time_changed,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Level
from custom_components.privacy_firewall.household import database_path
from tests.common import (
    ADDRESSES,
    ADLENS,
    BRUSH,
    FRIDGE,
    FROSTLINE,
    Cloud,
    Home,
    a_device,
    a_home,
    appliance,
    recipient,
)

ONLY_TEMPERATURE = {"temperature": 4.5}


@pytest.fixture
async def shared(home: Home) -> Home:
    """A home that shares the fridge's temperature with one recipient, and nothing else."""
    await home.report()
    await home.report(to=ADLENS)
    await home.report(by=BRUSH)
    await home.turn("turn_on", home.switch("Temperature"))
    await shares(home, ONLY_TEMPERATURE)
    return home


async def shares(home: Home, wanted: Any = None) -> None:
    """Let everything report; see that this and nothing else arrives."""
    before = len(home.cloud.received)
    await home.hang_up()
    home.clients.clear()
    for by in (FRIDGE, BRUSH):
        for to in (FROSTLINE, ADLENS):
            await home.report(by=by, to=to)
    arrived = home.cloud.received[before:]
    assert arrived == ([] if wanted is None else [("/fridge", wanted)])


def decided(home: Home) -> list[tuple[str, ...]]:
    """Everything on record, as far as it can be compared."""
    return [
        (one.appliance_id, one.data_point_id, one.recipient_id, one.state, one.level)
        for one in home.household.firewall.decided()
    ]


async def later(home: Home) -> None:
    """What Home Assistant reloads after changes in its registries is reloaded."""
    after = dt_util.utcnow() + timedelta(seconds=RELOAD_AFTER_UPDATE_DELAY + 1)
    async_fire_time_changed(home.hass, after)
    await home.hass.async_block_till_done()


async def restart(home: Home, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Stop as Home Assistant stops, and start again."""
    await home.hang_up()
    home.clients.clear()
    for job in home.hass._shutdown_jobs:
        await home.hass.async_run_hass_job(job.job, *job.args)
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    meanwhile()
    await home.hass.config_entries.async_setup(home.entry.entry_id)
    await home.hass.async_block_till_done()


# --- Entities ---


async def test_a_renamed_entity_changes_nothing(
    shared: Home, entity_registry: er.EntityRegistry
) -> None:
    for entity in shared.entities():
        domain = entity.domain
        entity_registry.async_update_entity(
            entity.entity_id, name="Something", new_entity_id=f"{domain}.x{entity.id}"
        )
    await shared.hass.async_block_till_done()
    await shares(shared, ONLY_TEMPERATURE)
    await shared.reload()
    await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(shared.switch("Temperature"))


async def test_entities_that_swap_their_names_keep_their_consents(
    shared: Home, entity_registry: er.EntityRegistry
) -> None:
    """What is on stays on under its new name, and the old name does not carry it along."""
    on, off = (shared.switch(name) for name in ("Temperature", "Humidity"))
    entity_registry.async_update_entity(on, new_entity_id="switch.aside")
    entity_registry.async_update_entity(off, new_entity_id=on)
    entity_registry.async_update_entity("switch.aside", new_entity_id=off)
    await shared.hass.async_block_till_done()
    assert (shared.switch("Temperature"), shared.switch("Humidity")) == (off, on)
    assert shared.is_on(off)
    assert not shared.is_on(on)
    await shared.reload()
    await shares(shared, ONLY_TEMPERATURE)


async def test_a_disabled_switch_changes_nothing(
    shared: Home, entity_registry: er.EntityRegistry
) -> None:
    on, off = (shared.switch(name) for name in ("Temperature", "Humidity"))
    for disabled_by in (er.RegistryEntryDisabler.USER, None):
        for switch in (on, off):
            entity_registry.async_update_entity(switch, disabled_by=disabled_by)
        await later(shared)
        assert (shared.hass.states.get(on) is None) is (disabled_by is not None)
        await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(on)
    assert not shared.is_on(off)


async def test_a_removed_switch_changes_nothing(
    shared: Home, entity_registry: er.EntityRegistry
) -> None:
    entity_registry.async_remove(shared.switch("Temperature"))
    await shared.hass.async_block_till_done()
    await shares(shared, ONLY_TEMPERATURE)
    await shared.reload()
    assert shared.is_on(shared.switch("Temperature"))
    await shared.turn("turn_off", shared.switch("Temperature"))
    await shares(shared)


async def test_a_lost_registry_changes_nothing(
    shared: Home, entity_registry: er.EntityRegistry
) -> None:
    for entity in er.async_entries_for_config_entry(entity_registry, shared.entry.entry_id):
        entity_registry.async_remove(entity.entity_id)
    await restart(shared)
    await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(shared.switch("Temperature"))
    assert not shared.is_on(shared.switch("Humidity"))


async def test_what_is_no_longer_promoted_keeps_its_consent(shared: Home) -> None:
    """And what is promoted instead gets none by that."""
    await shared.change(FRIDGE, promoted=[shared.point("Humidity")])
    await shares(shared, ONLY_TEMPERATURE)
    await shared.change(FRIDGE, promoted=[])
    await shared.reload()
    await shares(shared, ONLY_TEMPERATURE)


# --- Devices ---


async def test_a_renamed_and_moved_device_changes_nothing(
    shared: Home, area_registry: ar.AreaRegistry, device_registry: dr.DeviceRegistry
) -> None:
    device = shared.household.device(shared.subentry(FRIDGE).subentry_id)
    assert device is not None
    kitchen, cellar = (area_registry.async_create(name) for name in ("Kitchen", "Cellar"))
    for area in (kitchen, cellar):
        device_registry.async_update_device(device.id, name_by_user=area.name, area_id=area.id)
        await shared.hass.async_block_till_done()
        await shares(shared, ONLY_TEMPERATURE)
    area_registry.async_update(cellar.id, name="Garage")
    area_registry.async_delete(kitchen.id)
    await shared.reload()
    await shares(shared, ONLY_TEMPERATURE)


async def test_another_device_and_back_changes_nothing(shared: Home) -> None:
    switch = shared.switch("Temperature")
    for device_id in (a_device(shared.hass).id, a_device(shared.hass, "Cooler").id, None):
        await shared.change(FRIDGE, device_id=device_id)
        assert shared.switch("Temperature") == switch
        assert shared.is_on(switch)
        await shares(shared, ONLY_TEMPERATURE)


async def test_two_appliances_on_one_device_share_no_consent(shared: Home) -> None:
    device = a_device(shared.hass)
    for name in (FRIDGE, BRUSH):
        await shared.change(name, device_id=device.id)
    await shares(shared, ONLY_TEMPERATURE)
    assert not shared.is_on(shared.switch("Temperature", by=BRUSH))


async def test_a_disabled_device_changes_nothing(
    shared: Home, device_registry: dr.DeviceRegistry
) -> None:
    device = a_device(shared.hass)
    await shared.change(FRIDGE, device_id=device.id)
    switch = shared.switch("Temperature")
    for disabled_by in (dr.DeviceEntryDisabler.USER, None):
        device_registry.async_update_device(device.id, disabled_by=disabled_by)
        await later(shared)
        assert (shared.hass.states.get(switch) is None) is (disabled_by is not None)
        await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(switch)


async def test_a_removed_device_changes_nothing(
    shared: Home, device_registry: dr.DeviceRegistry
) -> None:
    device = a_device(shared.hass)
    await shared.change(FRIDGE, device_id=device.id)
    device_registry.async_remove_device(device.id)
    await shared.hass.async_block_till_done()
    assert shared.is_on(shared.switch("Temperature"))
    await shares(shared, ONLY_TEMPERATURE)
    await shared.reload()
    await shares(shared, ONLY_TEMPERATURE)


async def a_source(home: Home) -> tuple[MockConfigEntry, dr.DeviceEntry, str]:
    """Another integration that runs, with the fridge as its device and one entity that shows it."""
    mock_integration(
        home.hass,
        MockModule(
            "source",
            async_setup_entry=AsyncMock(return_value=True),
            async_unload_entry=AsyncMock(return_value=True),
        ),
    )
    mock_platform(home.hass, "source.config_flow", Mock())
    entry = MockConfigEntry(domain="source")
    entry.add_to_hass(home.hass)
    with mock_config_flow("source", type("Flow", (ConfigFlow,), {})):
        assert await home.hass.config_entries.async_setup(entry.entry_id)
    device = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("source", "1")}, name="Kitchen fridge"
    )
    entity = er.async_get(home.hass).async_get_or_create(
        "sensor", "source", "temperature", device_id=device.id, config_entry=entry
    )
    home.hass.states.async_set(entity.entity_id, "4.5")
    await home.change(FRIDGE, device_id=device.id)
    await shares(home, ONLY_TEMPERATURE)
    return entry, device, entity.entity_id


async def test_a_disabled_source_integration_changes_nothing(shared: Home) -> None:
    """Its entry is disabled, and its devices with it; what we show on them stays."""
    entry, device, _ = await a_source(shared)
    switch = shared.switch("Temperature")
    before = decided(shared)
    for disabled_by in (ConfigEntryDisabler.USER, None):
        with mock_config_flow("source", type("Flow", (ConfigFlow,), {})):
            await shared.hass.config_entries.async_set_disabled_by(entry.entry_id, disabled_by)
        await shared.hass.async_block_till_done()
        await later(shared)
        now = dr.async_get(shared.hass).async_get(device.id)
        assert now is not None
        assert (now.disabled_by is not None) is (disabled_by is not None)
        # Home Assistant takes away that entry's entities on it, not ours.
        assert shared.is_on(switch)
        assert decided(shared) == before
        await shares(shared, ONLY_TEMPERATURE)
        await shared.reload()
        await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(switch)
    assert not shared.is_on(shared.switch("Humidity"))


@pytest.mark.parametrize("what", ["renamed", "disabled and enabled", "removed"])
async def test_a_source_entity_changes_nothing(
    shared: Home, entity_registry: er.EntityRegistry, what: str
) -> None:
    """What another integration shows of the fridge comes and goes without a word of ours."""
    _, _, source = await a_source(shared)
    before = decided(shared)

    def rename() -> None:
        entity_registry.async_update_entity(
            source, name="Temperature to Adlens", new_entity_id="sensor.taken_over"
        )

    def set_disabled(by: er.RegistryEntryDisabler | None) -> None:
        entity_registry.async_update_entity(source, disabled_by=by)

    steps: dict[str, list[Callable[[], object]]] = {
        "renamed": [rename],
        "disabled and enabled": [
            lambda: set_disabled(er.RegistryEntryDisabler.USER),
            lambda: set_disabled(None),
        ],
        "removed": [lambda: entity_registry.async_remove(source)],
    }
    for step in steps[what]:
        step()
        await later(shared)
        assert decided(shared) == before
        assert shared.is_on(shared.switch("Temperature"))
        await shares(shared, ONLY_TEMPERATURE)
        await shared.reload()
        await shares(shared, ONLY_TEMPERATURE)
    assert decided(shared) == before
    assert not shared.is_on(shared.switch("Humidity"))


async def test_a_removed_source_integration_changes_nothing(shared: Home) -> None:
    """Its entry goes, and the devices with it."""
    device = a_device(shared.hass)
    await shared.change(FRIDGE, device_id=device.id)
    assert device.config_entry_id is not None
    await shared.hass.config_entries.async_remove(device.config_entry_id)
    await shared.hass.async_block_till_done()
    assert shared.household.links.is_gone(shared.subentry(FRIDGE).subentry_id)
    await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(shared.switch("Temperature"))


# --- Appliances and recipients ---


async def test_a_renamed_appliance_and_recipient_change_nothing(shared: Home) -> None:
    await shared.change(FRIDGE, name="Fridge in the cellar")
    await shared.change(FROSTLINE, organisation="Frostline Holding")
    await shares(shared, ONLY_TEMPERATURE)
    assert shared.is_on(shared.switch("Temperature", to="Frostline Holding"))


async def test_an_appliance_at_anothers_address_has_not_its_consents(shared: Home) -> None:
    """The toothbrush takes the fridge's address: it is a toothbrush, for which nothing is given."""
    await shared.change(FRIDGE, addresses=["127.0.0.9"])
    await shared.change(BRUSH, addresses=[ADDRESSES[FRIDGE]])
    await shares(shared)


async def test_a_recipient_removed_and_added_again_starts_off(shared: Home) -> None:
    data = dict(shared.subentry(FROSTLINE).data)
    before = await shared.remove(FROSTLINE)
    await shares(shared)
    await shared.add(recipient(FROSTLINE, shared.cloud, **data))
    assert shared.subentry(FROSTLINE).subentry_id != before
    await shares(shared)
    assert not shared.is_on(shared.switch("Temperature"))
    await shared.reload()
    await shares(shared)


async def test_an_appliance_removed_and_added_again_starts_off(shared: Home) -> None:
    before = await shared.remove(FRIDGE)
    await shares(shared)
    await shared.add(appliance(FRIDGE))
    assert shared.subentry(FRIDGE).subentry_id != before
    await shares(shared)
    assert not shared.is_on(shared.switch("Temperature"))
    await shared.reload()
    await shares(shared)


async def test_another_endpoint_of_a_recipient_gets_nothing_by_an_old_consent(
    shared: Home,
) -> None:
    """Who receives at another place gets what is given there, and both must be consented."""
    here = f"POST http://127.0.0.1:{shared.cloud.port}"
    await shared.change(FROSTLINE, endpoints=[f"{here}/elsewhere"])
    await shares(shared)
    await shared.change(FROSTLINE, endpoints=[f"{here}/fridge", f"{here}/ads"])
    await shares(shared, ONLY_TEMPERATURE)


async def test_more_identifiers_to_send_along_are_not_sent_by_an_old_consent(
    shared: Home,
) -> None:
    await shared.change(FROSTLINE, functional=["$.body.program"])
    await shares(shared, ONLY_TEMPERATURE)
    await shared.reload()
    await shares(shared, ONLY_TEMPERATURE)
    # Given anew, under the notice that names it.
    switch = shared.switch("Temperature")
    await shared.turn("turn_off", switch)
    await shared.turn("turn_on", switch)
    await shares(shared, {"temperature": 4.5, "program": "eco"})


async def test_a_subentry_that_breaks_and_is_mended_is_as_before(shared: Home) -> None:
    for title, key in ((FRIDGE, "addresses"), (FROSTLINE, "endpoints")):
        good = shared.subentry(title).data[key]
        await shared.change(title, **{key: ["broken"]})
        await shares(shared)
        await shared.reload()
        await shares(shared)
        await shared.change(title, **{key: good})
        await shares(shared, ONLY_TEMPERATURE)


async def test_other_rules_of_the_household_change_no_consent(shared: Home) -> None:
    before = decided(shared)
    for options in ({"who_may_grant": "administrators"}, {"guardians": True}, {}):
        shared.hass.config_entries.async_update_entry(shared.entry, options=options)
        await shared.hass.async_block_till_done()
        assert decided(shared) == before
        await shares(shared, ONLY_TEMPERATURE)


# --- The entry, restarts and upgrades ---


async def test_a_reload_and_a_restart_change_nothing(shared: Home) -> None:
    pair = shared.point("Humidity"), shared.subentry(FROSTLINE).subentry_id
    decider = Decider(how="test")
    await shared.household.decisions.async_decide(
        [pair], ConsentState.GIVEN, decider, level=Level.COARSE, seconds=900
    )
    before = decided(shared)
    ends = shared.household.firewall.consent(*pair)
    for again in (shared.reload, lambda: restart(shared)):
        await again()
        assert decided(shared) == before
        assert shared.household.firewall.consent(*pair) == ends
        await shares(shared, {"temperature": 4.5, "humidity": 60})


async def test_what_was_withdrawn_or_refused_stays_so_over_a_restart(shared: Home) -> None:
    await shared.turn("turn_off", shared.switch("Temperature"))
    pair = shared.point("Humidity"), shared.subentry(FROSTLINE).subentry_id
    await shared.household.decisions.async_decide([pair], ConsentState.REFUSED, Decider(how="test"))
    before = decided(shared)
    await restart(shared)
    assert decided(shared) == before
    await shares(shared)


async def test_measures_stay_over_a_restart_and_end_in_time(shared: Home) -> None:
    consents, fridge = shared.household.firewall.consents, shared.subentry(FRIDGE).subentry_id
    await consents.let_through(fridge, Decider(how="test"), seconds=600)
    until = shared.household.firewall.let_through_until(fridge)
    await restart(shared)
    assert shared.household.firewall.let_through_until(fridge) == until
    await shared.household.firewall.consents.let_through(fridge, Decider(how="test"), seconds=None)
    await shared.household.firewall.consents.lock_down(Decider(how="test"), on=True)
    await restart(shared)
    assert shared.household.firewall.consents.is_locked_down
    await shares(shared)


async def test_a_disabled_entry_lets_nothing_pass_and_changes_nothing(shared: Home) -> None:
    entries, entry_id = shared.hass.config_entries, shared.entry.entry_id
    await shared.hang_up()
    shared.clients.clear()
    await entries.async_set_disabled_by(entry_id, ConfigEntryDisabler.USER)
    before = len(shared.cloud.received)
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await shared.report()
    assert len(shared.cloud.received) == before
    await entries.async_set_disabled_by(entry_id, None)
    await shared.hass.async_block_till_done()
    await shares(shared, ONLY_TEMPERATURE)


def left(hass: HomeAssistant) -> list[str]:
    """The names of our files in the configuration folder."""
    return [one.name for one in Path(hass.config.config_dir).glob("*privacy_firewall*")]


async def test_a_removed_entry_leaves_no_file_and_a_new_one_starts_off(
    shared: Home, cloud: Cloud
) -> None:
    assert len(left(shared.hass)) > 3
    await shared.hang_up()
    await shared.hass.config_entries.async_remove(shared.entry.entry_id)
    await shared.hass.async_block_till_done()
    assert left(shared.hass) == []
    async with a_home(shared.hass, cloud) as again:
        await again.report()
        await shares(again)
        assert not again.is_on(again.switch("Temperature"))
        assert decided(again) == []


async def test_an_entry_that_is_removed_while_it_cannot_start_leaves_no_file(
    shared: Home,
) -> None:
    await restart(shared, lambda: database_path(shared.hass).write_bytes(b"no database" * 999))
    assert shared.entry.state is not ConfigEntryState.LOADED
    await shared.hass.config_entries.async_remove(shared.entry.entry_id)
    await shared.hass.async_block_till_done()
    assert left(shared.hass) == []


VERSION_1 = """
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, appliance_id TEXT NOT NULL,
    data_point_id TEXT NOT NULL, recipient_id TEXT NOT NULL, state TEXT NOT NULL,
    level TEXT NOT NULL, kinds TEXT NOT NULL, how TEXT NOT NULL, person TEXT
) STRICT;
CREATE INDEX ledger_item ON ledger (appliance_id, data_point_id, recipient_id, id);
CREATE TABLE journal (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, gate TEXT NOT NULL, appliance_id TEXT,
    recipient_ids TEXT NOT NULL, template TEXT NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL, released TEXT NOT NULL, withheld INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_appliance ON journal (appliance_id, at);
CREATE TABLE data_points (
    id TEXT PRIMARY KEY, appliance_id TEXT NOT NULL, template TEXT NOT NULL, path TEXT NOT NULL,
    siblings TEXT NOT NULL, name TEXT NOT NULL, kinds TEXT NOT NULL, category TEXT NOT NULL,
    recipients TEXT NOT NULL, unit TEXT, quantity TEXT, first_seen REAL NOT NULL
) STRICT;
CREATE TABLE identities (
    appliance_id TEXT NOT NULL, identity TEXT NOT NULL, PRIMARY KEY (appliance_id, identity)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""The file as version 0.1.0 made it, with everything in one."""


def as_version_1(path: Path) -> None:
    """Put in place of our files what the first version would have written."""
    columns = "id, at, appliance_id, data_point_id, recipient_id, state, level, kinds, how, person"
    with sqlite3.connect(path) as new:
        rows = new.execute(f"SELECT {columns} FROM ledger").fetchall()
        points = new.execute("SELECT * FROM data_points").fetchall()
    new.close()
    for one in path.parent.glob("privacy_firewall*"):
        one.unlink()
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_1)
        marks = ", ".join("?" * 10)
        old.executemany(f"INSERT INTO ledger ({columns}) VALUES ({marks})", rows)
        old.executemany(f"INSERT INTO data_points VALUES ({', '.join('?' * 12)})", points)
    old.close()


async def test_an_upgrade_of_the_file_keeps_consents_and_adds_none(shared: Home) -> None:
    await shared.turn("turn_on", shared.switch("Humidity"))
    await shared.turn("turn_off", shared.switch("Humidity"))
    before = decided(shared)
    await restart(shared, lambda: as_version_1(database_path(shared.hass)))
    assert decided(shared) == before
    assert shared.is_on(shared.switch("Temperature"))
    await shares(shared, ONLY_TEMPERATURE)
    assert (await shared.household.firewall.consents.verify()).first_broken is None


async def test_an_upgraded_consent_sends_no_identifiers_along(shared: Home) -> None:
    """No notice had named them when it was given; the household is asked."""
    await shared.change(FROSTLINE, functional=["$.body.program"])
    switch = shared.switch("Temperature")
    await shared.turn("turn_off", switch)
    await shared.turn("turn_on", switch)
    along = {"temperature": 4.5, "program": "eco"}
    await shares(shared, along)
    await restart(shared, lambda: as_version_1(database_path(shared.hass)))
    await shares(shared, ONLY_TEMPERATURE)
    state = shared.hass.states.get(switch)
    assert state is not None
    assert state.attributes["sharing_outdated"] is True
    await shared.turn("turn_off", switch)
    await shared.turn("turn_on", switch)
    await shares(shared, along)


async def test_a_file_of_a_later_version_is_left_alone_and_nothing_leaves(shared: Home) -> None:
    """After a downgrade: what it means is not known here."""

    def from_the_future() -> None:
        with sqlite3.connect(database_path(shared.hass)) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()

    await restart(shared, from_the_future)
    assert shared.entry.state is ConfigEntryState.SETUP_RETRY
    before = len(shared.cloud.received)
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await shared.report()
    assert len(shared.cloud.received) == before
    with sqlite3.connect(database_path(shared.hass)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    connection.close()


async def test_an_older_copy_of_the_file_brings_nothing_back(shared: Home) -> None:
    """Put in place by hand, or by a backup: what was withdrawn since does not pass again."""
    path = database_path(shared.hass)
    await restart(shared)
    await shared.hass.config_entries.async_unload(shared.entry.entry_id)
    older = path.read_bytes()
    await shared.hass.config_entries.async_setup(shared.entry.entry_id)
    await shares(shared, ONLY_TEMPERATURE)
    await shared.turn("turn_off", shared.switch("Temperature"))

    def put_back() -> None:
        for one in path.parent.glob(f"{path.name}-*"):
            one.unlink()
        path.write_bytes(older)

    await restart(shared, put_back)
    assert shared.household.firewall.consents.is_restored
    assert not shared.is_on(shared.switch("Temperature"))
    await shares(shared)


async def test_a_lost_file_starts_off(shared: Home) -> None:
    def lose() -> None:
        for path in Path(shared.hass.config.config_dir).glob("privacy_firewall*"):
            path.unlink()

    await restart(shared, lose)
    assert decided(shared) == []
    await shares(shared)
    assert not shared.is_on(shared.switch("Temperature"))
