"""A data point that is an entity already: its switch is on that device and bears that name."""

from datetime import timedelta
import json
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.diagnostics import async_get_config_entry_diagnostics
from custom_components.privacy_firewall.match_looking import LATER_SECONDS
from custom_components.privacy_firewall.match_store import KEY, Standing
from tests.actions import call, refused
from tests.common import ADLENS, FRIDGE, FROSTLINE, REPORT, SECRET, Home, a_home
from tests.matched import (
    CELSIUS,
    MAC,
    Vendor,
    known_for_long,
    linked,
    look,
    matched,
    registered,
    settle,
    switch_state,
)


@pytest.fixture
def vendor(home: Home) -> Vendor:
    return Vendor(home)


@pytest.fixture
async def shown(home: Home, vendor: Vendor) -> dict[str, er.RegistryEntry]:
    """The entities of another integration that the fridge's data points are."""
    made = await linked(home, vendor)
    await look(home)
    return made


def consents(home: Home) -> list[Any]:
    return sorted(home.household.firewall.decided(), key=lambda one: one.number)


# --- Found ---


async def test_what_is_the_same_by_name_is_found_without_a_recorder(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    assert "recorder" not in home.hass.config.components
    assert matched(home) == {name: entity.entity_id for name, entity in shown.items()}


async def test_its_switch_is_there_and_called_so(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    door = switch_state(home, "Door open")
    assert door.name == "Kitchen fridge Door to Frostline for service"
    assert door.attributes["matched_entity"] == shown["Door open"].entity_id
    assert door.attributes["match_confidence"] >= 0.75
    assert any("names" in reason for reason in door.attributes["match_reasons"])
    level = home.entity(
        "select", "level", home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    )
    for entity_id in (home.switch("Door open"), level):
        assert registered(home, entity_id).device_id == shown["Door open"].device_id
    assert registered(home, level).original_name == "Level of Temperature to Frostline for service"


async def test_a_part_on_a_device_of_its_own_has_its_switch_there(
    home: Home, vendor: Vendor
) -> None:
    """The appliance's other entities stay with the appliance's device."""
    device, drawer = vendor.device(), vendor.device("Drawer")
    vendor.entity(device, "Light", "switch")
    inside = vendor.entity(drawer, "Temperature", **CELSIUS)
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    # By its name alone it could be another appliance's.
    await look(home)
    assert matched(home) == {}
    await call(
        home,
        "match",
        entity_id=[home.switch("Temperature")],
        matched_entity=inside.entity_id,
    )
    assert matched(home) == {"Temperature": inside.entity_id}
    assert registered(home, home.switch("Temperature")).device_id == drawer.id
    assert switch_state(home, "Temperature").name == "Drawer Temperature to Frostline for service"
    assert registered(home, home.switch("Humidity")).device_id == device.id
    # Linking anew, as every change of the entry does, leaves it there.
    await home.change(FRIDGE, remainder="deny")
    assert registered(home, home.switch("Temperature")).device_id == drawer.id
    await home.reload()
    assert registered(home, home.switch("Temperature")).device_id == drawer.id
    assert switch_state(home, "Temperature").name == "Drawer Temperature to Frostline for service"


async def test_what_another_integration_shows_of_the_same_mac_is_not_taken_unasked(
    home: Home, vendor: Vendor
) -> None:
    device = vendor.device("Kitchen fridge", MAC)
    other = Vendor(home, "chilly")
    inside = other.entity(other.device("The same fridge", MAC), "Temperature", **CELSIUS)
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    known_for_long(home)
    await look(home)
    assert matched(home) == {}
    unsure = home.household.matching.looking.unsure(home.subentry(FRIDGE).subentry_id)
    assert unsure is not None
    assert [entity for entity, _ in unsure[home.point("Temperature")]] == [inside.id]


async def test_an_appliance_without_a_device_elsewhere_has_no_matches(home: Home) -> None:
    vendor = Vendor(home)
    vendor.entity(vendor.device(), "Temperature", **CELSIUS)
    await home.report()
    await look(home)
    assert matched(home) == {}


async def test_our_own_entities_are_no_candidates(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    own = registered(home, home.sensor("Program").entity_id)
    assert own.platform == DOMAIN
    assert own.device_id == shown["Temperature"].device_id
    await look(home)
    assert "Program" not in matched(home)


async def test_a_match_consents_to_nothing_and_its_end_withdraws_nothing(
    home: Home, vendor: Vendor
) -> None:
    await linked(home, vendor)
    await home.turn("turn_on", home.switch("Temperature"), context=Context())
    ids = {one.unique_id: one.entity_id for one in home.entities()}
    before = consents(home)
    await look(home)
    assert len(matched(home)) == 3
    assert consents(home) == before
    assert home.is_on(home.switch("Temperature"))
    assert not home.is_on(home.switch("Door open"))
    assert {one.unique_id: one.entity_id for one in home.entities()} == ids
    home.cloud.received.clear()
    await home.report()
    assert [body for _, body in home.cloud.received] == [{"temperature": REPORT["temperature"]}]
    await call(home, "unmatch", entity_id=[home.switch("Temperature")])
    assert consents(home) == before
    assert home.is_on(home.switch("Temperature"))
    assert {one.unique_id: one.entity_id for one in home.entities()} == ids


async def test_it_is_looked_soon_after_something_new_and_by_itself(
    home: Home, vendor: Vendor
) -> None:
    made = await linked(home, vendor)
    async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(seconds=LATER_SECONDS[0] + 1))
    await settle(home)
    assert matched(home).keys() == made.keys()
    # Later and later, and not again while nothing is new.
    looking = home.household.matching.looking
    looked = []
    looking._take = lambda *args: looked.append(args)  # type: ignore[method-assign]
    for number in range(4):
        seconds = sum(LATER_SECONDS[: number + 2]) + 60
        async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(seconds=seconds))
        await settle(home)
    assert looked == []
    await home.report()
    await looking.async_look()
    assert len(looked) == 1


async def test_what_is_matched_has_a_switch_even_if_it_would_not_come_by_itself(
    home: Home, vendor: Vendor
) -> None:
    device = vendor.device()
    vendor.entity(device, "Firmware version")
    await home.change(FRIDGE, device_id=device.id)
    await home.report({"firmware": {"version": "1.2"}})
    point_id = home.point("Firmware version")
    unique_id = f"{point_id}_{home.subentry(FROSTLINE).subentry_id}"
    assert not any(one.unique_id.endswith(unique_id) for one in home.entities())
    await look(home)
    assert matched(home).keys() == {"Firmware version"}
    assert not home.is_on(home.switch("Firmware version"))


async def test_no_second_sensor_for_what_is_shown_already(home: Home, vendor: Vendor) -> None:
    """Where a sensor of ours is there already, it stays."""
    device = vendor.device()
    vendor.entity(device, "Firmware version")
    vendor.entity(device, "Temperature", **CELSIUS)
    await home.change(FRIDGE, device_id=device.id)
    await home.report({"temperature": 4.5, "firmware": {"version": "1.2"}})
    await look(home)
    sensors = {one.original_name for one in home.entities() if one.domain == "sensor"}
    assert "Temperature" in sensors
    assert "Firmware version" not in sensors
    await home.reload()
    assert home.sensor("Temperature").state != STATE_UNAVAILABLE


async def test_what_reads_from_a_cloud_is_no_reason_to_show_nothing_at_home(home: Home) -> None:
    vendor = Vendor(home, iot_class="cloud_polling")
    device = vendor.device()
    vendor.entity(device, "Firmware version")
    await home.change(FRIDGE, device_id=device.id)
    await home.report({"firmware": {"version": "1.2"}})
    await look(home)
    assert matched(home).keys() == {"Firmware version"}
    await home.report({"firmware": {"version": "1.3"}})
    assert home.sensor("Firmware version").state == "1.3"


def double(home: Home, name: str = "Temperature") -> er.RegistryEntry:
    """Our own entity with the reading of what is matched by now."""
    point = home.point(name)
    return next(one for one in home.entities() if one.unique_id.endswith(f"_{point}"))


async def test_a_second_sensor_that_came_before_the_match_is_hidden_and_goes_on(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    assert double(home).hidden_by is er.RegistryEntryHider.INTEGRATION
    state = home.hass.states.get(double(home).entity_id)
    assert state is not None
    assert state.state == "4.5"


async def test_what_somebody_shows_again_stays_in_sight(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    registry = er.async_get(home.hass)
    registry.async_update_entity(double(home).entity_id, hidden_by=None)
    await look(home)
    await home.reload()
    await look(home)
    assert double(home).hidden_by is None


async def test_a_match_that_is_undone_shows_what_it_hid(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    await call(home, "unmatch", entity_id=[home.switch("Temperature")])
    assert double(home).hidden_by is None
    assert double(home, "Humidity").hidden_by is er.RegistryEntryHider.INTEGRATION


@pytest.mark.parametrize("iot_class", ["local_polling", "cloud_polling"])
async def test_what_somebody_made_their_own_or_would_be_missed_is_not_hidden(
    home: Home, iot_class: str
) -> None:
    vendor = Vendor(home, iot_class=iot_class)
    made = await linked(home, vendor)
    registry = er.async_get(home.hass)
    registry.async_update_entity(double(home).entity_id, name="How cold")
    registry.async_update_entity(
        double(home, "Door open").entity_id, hidden_by=er.RegistryEntryHider.USER
    )
    await look(home)
    assert matched(home).keys() == made.keys()
    assert double(home).hidden_by is None
    assert double(home, "Door open").hidden_by is er.RegistryEntryHider.USER
    is_hidden = double(home, "Humidity").hidden_by is er.RegistryEntryHider.INTEGRATION
    assert is_hidden == (iot_class == "local_polling")


# --- Followed ---


async def test_people_rename_and_the_switch_follows(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    entities = er.async_get(home.hass)
    door = entities.async_update_entity(shown["Door open"].entity_id, name="The big door")
    await settle(home)
    assert switch_state(home, "Door open").name == (
        "Kitchen fridge The big door to Frostline for service"
    )
    entities.async_update_entity(door.entity_id, new_entity_id="binary_sensor.big")
    await settle(home)
    assert switch_state(home, "Door open").attributes["matched_entity"] == "binary_sensor.big"
    assert matched(home)["Door open"] == "binary_sensor.big"
    entities.async_update_entity("binary_sensor.big", name=None)
    await settle(home)
    assert switch_state(home, "Door open").name == "Kitchen fridge Door to Frostline for service"


async def test_an_entity_without_a_name_of_its_own_is_called_like_its_device(
    home: Home, vendor: Vendor
) -> None:
    device = vendor.device()
    state = vendor.entity(device, None)
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    await call(home, "match", data_point_id=[home.point("Program")], matched_entity=state.entity_id)
    assert switch_state(home, "Program").name.endswith("Kitchen fridge to Frostline for service")
    dr.async_get(home.hass).async_update_device(device.id, name_by_user="Fred")
    await settle(home)
    assert switch_state(home, "Program").name.endswith("Fred to Frostline for service")


async def test_the_switch_moves_with_the_entity(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    drawer = vendor.device("Drawer")
    er.async_get(home.hass).async_update_entity(shown["Door open"].entity_id, device_id=drawer.id)
    await settle(home)
    assert registered(home, home.switch("Door open")).device_id == drawer.id
    assert registered(home, home.switch("Humidity")).device_id == shown["Humidity"].device_id
    # Without its device it is with the appliance's; what it is called stays.
    dr.async_get(home.hass).async_update_device(drawer.id, disabled_by=dr.DeviceEntryDisabler.USER)
    await settle(home)
    assert registered(home, home.switch("Door open")).device_id == shown["Humidity"].device_id


async def test_an_entity_that_is_removed_is_matched_no_more(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    entities = er.async_get(home.hass)
    entities.async_remove(shown["Door open"].entity_id)
    await settle(home)
    assert "Door open" not in matched(home)
    assert switch_state(home, "Door open").name == (
        "Kitchen fridge Door open to Frostline for service"
    )
    assert switch_state(home, "Door open").attributes["matched_entity"] is None
    await look(home)
    assert home.household.matching.store.get(home.point("Door open")) is None


async def test_what_an_integration_takes_away_and_brings_back_is_matched_again(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    er.async_get(home.hass).async_remove(shown["Door open"].entity_id)
    await settle(home)
    again = vendor.entity(vendor.device(), "Door", "binary_sensor")
    await settle(home)
    assert again.id == shown["Door open"].id
    assert matched(home)["Door open"] == again.entity_id


async def test_the_device_is_removed_and_nothing_is_lost(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    await home.turn("turn_on", home.switch("Temperature"), context=Context())
    device_id = shown["Temperature"].device_id
    assert device_id is not None
    dr.async_get(home.hass).async_remove_device(device_id)
    await settle(home)
    assert matched(home) == {}
    assert home.is_on(home.switch("Temperature"))
    own = home.household.device(home.subentry(FRIDGE).subentry_id)
    assert own is not None
    assert registered(home, home.switch("Temperature")).device_id == own.id


async def test_only_the_device_of_the_entity_is_removed(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    """Home Assistant takes our switch off it after it removed what the switch is matched to."""
    drawer = vendor.device("Drawer")
    er.async_get(home.hass).async_update_entity(shown["Door open"].entity_id, device_id=drawer.id)
    await settle(home)
    assert registered(home, home.switch("Door open")).device_id == drawer.id
    dr.async_get(home.hass).async_remove_device(drawer.id)
    await settle(home)
    assert "Door open" not in matched(home)
    assert registered(home, home.switch("Door open")).device_id == shown["Humidity"].device_id


async def test_an_appliance_that_is_linked_no_more_has_its_switches_back(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    await home.change(FRIDGE, device_id=None)
    await look(home)
    assert matched(home) == {}
    own = home.household.device(home.subentry(FRIDGE).subentry_id)
    assert own is not None
    assert registered(home, home.switch("Temperature")).device_id == own.id
    assert switch_state(home, "Temperature").name == "Fridge Temperature to Frostline for service"


# --- Kept ---


async def test_it_is_kept_over_a_restart_by_ids_and_without_a_value(
    home: Home, vendor: Vendor, hass_storage: dict[str, Any]
) -> None:
    await home.report(REPORT | {"remark": SECRET})
    made = await linked(home, vendor)
    await look(home)
    await call(home, "unmatch", data_point_id=[home.point("Humidity")])
    text = json.dumps(hass_storage[KEY]["data"])
    assert made["Door open"].id in text
    assert made["Door open"].entity_id not in text
    assert SECRET not in text
    assert "4.5" not in text
    before = matched(home)
    await home.reload()
    assert matched(home) == before
    assert switch_state(home, "Door open").name == "Kitchen fridge Door to Frostline for service"
    await look(home)
    assert matched(home) == before


@pytest.mark.parametrize(
    "stored",
    [
        [],
        {"matches": [], "rejected": 4, "shown": None},
        {"matches": {"a": None, "b": {"entity": 4, "standing": "automatic"}}},
        {"matches": {"a": {"entity": "x", "standing": "sure"}}},
        {"matches": {"a": {"entity": "x", "standing": "automatic", "confidence": "NaN"}}},
        {"rejected": {"a": [4, None], "b": "x"}},
    ],
)
async def test_what_cannot_be_read_is_not_known(
    hass, cloud, hass_storage: dict[str, Any], stored: Any
) -> None:
    hass_storage[KEY] = {"version": 1, "minor_version": 1, "key": KEY, "data": stored}
    async with a_home(hass, cloud) as home:
        await home.report()
        assert matched(home) == {}
        await linked(home, Vendor(home))
        await look(home)
        assert len(matched(home)) == 3


@pytest.mark.parametrize("version", [{"version": 9}, {"version": 0}])
async def test_what_another_version_stored_stops_nothing(
    hass, cloud, hass_storage: dict[str, Any], version: dict[str, int]
) -> None:
    hass_storage[KEY] = {"minor_version": 1, "key": KEY, "data": {"matches": {}}} | version
    async with a_home(hass, cloud) as home:
        assert await home.report() == 200
        assert matched(home) == {}


async def test_it_goes_with_the_appliance_and_with_the_entry(
    home: Home, shown: dict[str, er.RegistryEntry], hass_storage: dict[str, Any]
) -> None:
    await home.remove(FRIDGE)
    assert home.household.matching.store.all() == {}
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    await settle(home)
    assert KEY not in hass_storage


async def test_diagnostics_tell_how_sure_and_by_what(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    told = await async_get_config_entry_diagnostics(home.hass, home.entry)
    matches = told["appliances"][home.subentry(FRIDGE).subentry_id]["matches"]
    assert matches.keys() == {home.point(name) for name in shown}
    one = matches[home.point("Door open")]
    assert one["standing"] == "automatic"
    assert one["confidence"] >= 0.75
    assert "name" in one["reasons"]
    text = json.dumps(told)
    for entity in shown.values():
        assert entity.entity_id not in text
        assert entity.id not in text


# --- Said ---


async def test_one_action_undoes_a_match_for_good(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    answer = await call(home, "unmatch", entity_id=[home.switch("Door open")])
    assert answer["data_points"][0]["matched_entity"] is None
    assert switch_state(home, "Door open").name == (
        "Kitchen fridge Door open to Frostline for service"
    )
    await look(home)
    assert "Door open" not in matched(home)
    await home.reload()
    await look(home)
    assert "Door open" not in matched(home)
    await refused("not_matched", call(home, "unmatch", entity_id=[home.switch("Door open")]))


async def test_another_may_be_found_then(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    await call(home, "unmatch", entity_id=[home.switch("Door open")])
    second = vendor.entity(vendor.device(), "Door open", "binary_sensor")
    await look(home)
    assert matched(home)["Door open"] == second.entity_id


async def test_what_the_household_says_stays(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    light = vendor.entity(vendor.device(), "Light", "switch")
    answer = await call(
        home, "match", entity_id=[home.switch("Door open")], matched_entity=light.entity_id
    )
    assert answer["data_points"] == [
        {
            "data_point": "Door open",
            "data_point_id": home.point("Door open"),
            "matched_entity": light.entity_id,
            "standing": "confirmed",
            "confidence": None,
            "reasons": [],
        }
    ]
    assert switch_state(home, "Door open").name == "Kitchen fridge Light to Frostline for service"
    await look(home)
    assert matched(home)["Door open"] == light.entity_id
    kept = home.household.matching.store.get(home.point("Door open"))
    assert kept is not None
    assert kept.standing is Standing.CONFIRMED
    # Also what was undone before can be said again.
    await call(home, "unmatch", entity_id=[home.switch("Door open")])
    await call(home, "match", entity_id=[home.switch("Door open")], matched_entity=light.entity_id)
    assert matched(home)["Door open"] == light.entity_id


async def test_what_is_confirmed_is_no_other_data_points(
    home: Home, vendor: Vendor, shown: dict[str, er.RegistryEntry]
) -> None:
    await call(
        home,
        "match",
        data_point_id=[home.point("Program")],
        matched_entity=shown["Door open"].entity_id,
    )
    await look(home)
    assert matched(home)["Program"] == shown["Door open"].entity_id
    assert "Door open" not in matched(home)
    # Nor does it come back when the machine was sure of it before.
    await look(home)
    assert "Door open" not in matched(home)


async def test_looking_can_be_asked_for(home: Home, vendor: Vendor) -> None:
    made = await linked(home, vendor)
    answer = await call(home, "find_matches", appliance_id="Fridge")
    assert {one["matched_entity"] for one in answer["data_points"]} == {
        one.entity_id for one in made.values()
    }
    assert (await call(home, "find_matches", appliance_id="Toothbrush"))["data_points"] == []


async def test_what_is_named_wrongly_is_refused(
    home: Home, shown: dict[str, er.RegistryEntry]
) -> None:
    door, own = shown["Door open"].entity_id, home.sensor("Program").entity_id
    program = {"data_point_id": [home.point("Program")]}
    await refused("no_data_point_named", call(home, "unmatch"))
    await refused("not_a_consent", call(home, "unmatch", entity_id=[door]))
    await refused("data_point_unknown", call(home, "unmatch", data_point_id=["0" * 16]))
    await refused("not_matched", call(home, "unmatch", **program))
    await refused("matched_entity_unknown", call(home, "match", matched_entity=own, **program))
    await refused(
        "matched_entity_unknown", call(home, "match", matched_entity="sensor.none", **program)
    )
    await refused("appliance_unknown", call(home, "find_matches", appliance_id="Oven"))
    assert matched(home).keys() == shown.keys()


async def test_one_item_told_to_two_recipients_is_one_entity(home: Home, vendor: Vendor) -> None:
    """To the matcher two that tell the same would be a doubt about each other."""
    made = await linked(home, vendor)
    for step in range(8):
        told = REPORT | {"temperature": 4 + step / 2}
        await home.report(told)
        await home.report({"fridge": {"temperature": told["temperature"]}}, to=ADLENS)
    await look(home)
    assert matched(home)["Temperature"] == made["Temperature"].entity_id
    to = [home.subentry(one).subentry_id for one in (FROSTLINE, ADLENS)]
    switches = [
        state
        for state in home.hass.states.async_all("switch")
        if state.attributes.get("matched_entity") == made["Temperature"].entity_id
    ]
    ends = {registered(home, one.entity_id).unique_id.rpartition("_")[2] for one in switches}
    assert ends == set(to)
