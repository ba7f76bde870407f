"""Sensors: an appliance's own readings, and what becomes of its transmissions."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.components.sensor import ATTR_STATE_CLASS, SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    ATTR_DEVICE_CLASS,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    EntityCategory,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    mock_restore_cache_with_extra_data,
)

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine import SEEN_FOR
from custom_components.privacy_firewall.entity import MAX_NAMES, STATUS_SECONDS, WRITE_SECONDS
from custom_components.privacy_firewall.sensor import HUB_SENSORS
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, SECRET, Home, free_port
from tests.facts import call, decide, hub, state, wait, written


async def pass_time(home: Home, seconds: float) -> None:
    """Let timers that long run out."""
    async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await home.hass.async_block_till_done()


# --- Readings ---


async def test_readings_are_shown_while_nothing_leaves(home: Home) -> None:
    await home.report()
    assert home.cloud.received == []
    assert home.sensor("Temperature").state == "4.5"
    assert home.sensor("Humidity").state == "61"
    assert home.binary_sensor("Door open").state == "on"
    assert home.sensor("Program").state == "eco"


@pytest.mark.parametrize(
    ("member", "value", "device_class", "unit", "state", "state_class"),
    [
        ("temperature", 4.5, SensorDeviceClass.TEMPERATURE, "°C", "4.5", "measurement"),
        ("humidity", 61, SensorDeviceClass.HUMIDITY, "%", "61", "measurement"),
        ("battery", 87.0, SensorDeviceClass.BATTERY, "%", "87", "measurement"),
        ("energy", 1200, SensorDeviceClass.ENERGY, "Wh", "1200", "total_increasing"),
        ("power", 90, SensorDeviceClass.POWER, "W", "90", "measurement"),
        ("voltage", 230, SensorDeviceClass.VOLTAGE, "V", "230", "measurement"),
        ("current", 0.4, SensorDeviceClass.CURRENT, "A", "0.4", "measurement"),
        ("pressure", 1013, SensorDeviceClass.PRESSURE, "hPa", "1013", "measurement"),
        ("rssi", -60, SensorDeviceClass.SIGNAL_STRENGTH, "dBm", "-60", "measurement"),
        ("co2", 800, SensorDeviceClass.CO2, "ppm", "800", "measurement"),
        ("illuminance", 12, SensorDeviceClass.ILLUMINANCE, "lx", "12", "measurement"),
        ("duration", 120, SensorDeviceClass.DURATION, "s", "120", "measurement"),
        ("speed", 3, None, None, "3", None),
        ("speed", "3", None, None, "3", None),
    ],
)
async def test_what_is_recognised_is_shown_as_it_is(
    home: Home, *, member, value, device_class, unit, state, state_class
) -> None:
    await home.report({member: value})
    name = home.household.firewall.data_points(home.subentry(FRIDGE).subentry_id)
    name = next(point.name for point in name if point.field.path.endswith(member))
    shown = home.sensor(name)
    assert shown.state == state
    assert shown.attributes.get(ATTR_DEVICE_CLASS) == device_class
    assert shown.attributes.get(ATTR_UNIT_OF_MEASUREMENT) == unit
    assert shown.attributes.get(ATTR_STATE_CLASS) == state_class


@pytest.mark.parametrize("value", [SECRET, True, None, "", "nan", "inf", []])
async def test_what_is_not_a_number_is_unknown_where_one_is_shown(
    home: Home, caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    await home.report({"temperature": 4.5})
    await home.report({"temperature": value})
    await pass_time(home, WRITE_SECONDS)
    assert home.sensor("Temperature").state == STATE_UNKNOWN
    assert SECRET not in caplog.text


async def test_a_long_text_is_cut(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    await home.report({"program": "eco"})
    await home.report({"program": SECRET * 30})
    await pass_time(home, WRITE_SECONDS)
    assert home.sensor("Program").state == (SECRET * 30)[:255]
    assert SECRET not in caplog.text


async def test_identifiers_have_no_sensor(home: Home) -> None:
    await home.report({"serial": "4CE0460D0G31", "mac": "AA:BB:CC:DD:EE:01", "temperature": 4})
    shown = [state.state for state in home.hass.states.async_all("sensor")]
    assert not {"4CE0460D0G31", "AA:BB:CC:DD:EE:01"} & {*shown}


async def test_readings_are_written_once_in_a_while_and_the_newest_last(home: Home) -> None:
    await home.report({"temperature": 1})
    await pass_time(home, WRITE_SECONDS)
    written = []
    sensor = home.entity("sensor", home.point("Temperature"))
    home.hass.bus.async_listen(
        "state_changed",
        lambda event: (
            event.data["entity_id"] == sensor and written.append(event.data["new_state"].state)
        ),
    )
    await home.report({"temperature": 2})
    for value in (3, 4, 5):
        await home.report({"temperature": value})
    assert written == ["2"]
    await pass_time(home, WRITE_SECONDS - 1)
    assert written == ["2"]
    await pass_time(home, WRITE_SECONDS)
    assert written == ["2", "5"]
    await home.report({"temperature": 6})
    assert written == ["2", "5"]
    await pass_time(home, WRITE_SECONDS)
    assert written == ["2", "5", "6"]
    # After a quiet time the next comes at once.
    await pass_time(home, WRITE_SECONDS)
    await home.report({"temperature": 7})
    assert written == ["2", "5", "6", "7"]


async def test_a_reload_shows_the_last_reading(home: Home) -> None:
    await home.report()
    await home.reload()
    assert home.sensor("Temperature").state == "4.5"
    assert home.binary_sensor("Door open").state == "on"


@pytest.mark.parametrize(
    ("stored", "unit", "shown"),
    [(7.5, "°C", "7.5"), (7.5, "°F", STATE_UNKNOWN), (SECRET, "°C", STATE_UNKNOWN)],
)
async def test_a_restart_shows_the_last_reading(
    hass: HomeAssistant, home: Home, stored, unit, shown
) -> None:
    await home.report()
    sensor = home.entity("sensor", home.point("Temperature"))
    await hass.config_entries.async_unload(home.entry.entry_id)
    extra = {"native_value": stored, "native_unit_of_measurement": unit}
    mock_restore_cache_with_extra_data(hass, [(State(sensor, "7.5"), extra)])
    await hass.config_entries.async_setup(home.entry.entry_id)
    await hass.async_block_till_done()
    assert home.sensor("Temperature").state == shown


async def test_an_appliance_that_cannot_be_read_is_unavailable(home: Home) -> None:
    await home.report()
    await home.change(FRIDGE, addresses=["nowhere"])
    for key in ("Temperature", "denied", "protection", "held_back"):
        assert home.sensor(key).state == STATE_UNAVAILABLE
    assert home.sensor("denied", by=BRUSH).state == "0"
    await home.change(FRIDGE, addresses=["127.0.0.2"])
    assert home.sensor("Temperature").state == "4.5"
    assert home.sensor("denied").state == "1"


async def test_readings_of_others_are_not_taken(home: Home) -> None:
    await home.report({"temperature": 4})
    await home.report({"temperature": 9}, by=BRUSH)
    assert home.sensor("Temperature").state == "4"
    assert home.sensor("Temperature", by=BRUSH).state == "9"


# --- What becomes of it ---


async def test_transmissions_are_counted(home: Home, entity_registry: er.EntityRegistry) -> None:
    for key in ("permitted", "redacted", "denied"):
        state = home.sensor(key)
        assert state.state == "0"
        assert state.attributes[ATTR_STATE_CLASS] == SensorStateClass.TOTAL_INCREASING
        entry = entity_registry.async_get(state.entity_id)
        assert entry is not None
        assert entry.entity_category is EntityCategory.DIAGNOSTIC
    assert home.sensor("last_disclosure").state == STATE_UNKNOWN

    await home.report()
    assert home.sensor("denied").state == "1"
    await home.turn("turn_on", home.switch("Temperature"))
    await home.report()
    assert home.sensor("redacted").state == "1"
    disclosed = dt_util.parse_datetime(home.sensor("last_disclosure").state)
    assert disclosed is not None
    assert abs(dt_util.utcnow() - disclosed) < timedelta(seconds=10)
    for name in ("Humidity", "Door open", "Program"):
        await home.turn("turn_on", home.switch(name))
    await home.report()
    # The call itself, its headers and what else is in a request may be withheld still.
    counted = [int(home.sensor(key).state) for key in ("permitted", "redacted", "denied")]
    await pass_time(home, WRITE_SECONDS)
    counted = [int(home.sensor(key).state) for key in ("permitted", "redacted", "denied")]
    assert sum(counted) == 3
    assert counted[2] == 1
    assert [home.sensor(key, by=BRUSH).state for key in ("redacted", "denied")] == ["0", "0"]


async def test_counts_go_on_after_a_reload(home: Home) -> None:
    await home.report()
    await home.reload()
    assert home.sensor("denied").state == "1"
    await home.report()
    assert home.sensor("denied").state == "2"


async def test_identity_that_others_can_take_is_said_to_be(home: Home) -> None:
    def identity() -> tuple[list[str], bool]:
        told = home.sensor("protection").attributes
        return told["recognised_by"], told["spoofable"]

    assert identity() == (["address"], True)
    await home.change(FRIDGE, macs=["02:00:00:00:00:01"])
    await pass_time(home, STATUS_SECONDS)
    assert identity() == (["mac", "address"], True)
    await home.change(FRIDGE, token="t" * 43)
    await pass_time(home, STATUS_SECONDS)
    assert identity() == (["token", "mac", "address"], False)


async def test_protection_is_what_was_observed(home: Home) -> None:
    assert home.sensor("protection").state == "not_seen"
    assert home.sensor("protection").attributes["last_seen"] is None
    await home.report()
    assert home.sensor("protection").state == "protected"
    assert home.sensor("protection").attributes["last_seen"] is not None
    assert home.sensor("protection", by=BRUSH).state == "not_seen"
    await home.household.firewall.close_gate()
    assert home.sensor("protection").state == "gate_down"
    assert home.sensor("protection", by=BRUSH).state == "gate_down"
    await home.household.firewall.open_gate("127.0.0.1", free_port())
    assert home.sensor("protection").state == "protected"


async def test_others_are_held_back(home: Home, hass: HomeAssistant) -> None:
    assert home.sensor("held_back").state == "0"
    await home.report()
    before = int(home.sensor("held_back").state)
    assert before > 0
    await home.report({f"note_{n}": f"{SECRET} and {n}" for n in range(150)}, path="/notes")
    await pass_time(home, WRITE_SECONDS)
    state = home.sensor("held_back")
    assert int(state.state) >= before + 150
    assert len(state.attributes["data_points"]) == MAX_NAMES
    assert "Note 1" in state.attributes["data_points"]
    assert SECRET not in str(state.attributes)
    assert state.entity_id == "sensor.fridge_others_held_back"


async def test_lists_are_not_recorded(home: Home) -> None:
    state = home.sensor("held_back")
    assert state.state_info is not None
    assert "data_points" in state.state_info["unrecorded_attributes"]


async def test_a_data_point_seen_later_has_entities(home: Home) -> None:
    await home.report({"temperature": 4})
    await home.report({"temperature": 4, "battery": 80})
    assert home.sensor("Battery").state == "80"
    assert not home.is_on(home.switch("Battery"))


async def test_a_data_point_picked_by_the_household_has_entities(home: Home) -> None:
    """What tells of people has no sensor by itself."""
    await home.report({"presence": True})
    point = home.point("Presence")
    unique_id = f"{home.subentry(FRIDGE).subentry_id}_{point}"
    registry = er.async_get(home.hass)
    for platform in ("sensor", "binary_sensor"):
        assert registry.async_get_entity_id(platform, "privacy_firewall", unique_id) is None
    await home.change(FRIDGE, promoted=[point])
    await home.report({"presence": False})
    assert home.binary_sensor("Presence").state == "off"
    # No longer picked: what is there stays, for it may hold a consent.
    await home.change(FRIDGE, promoted=[])
    assert registry.async_get_entity_id("binary_sensor", "privacy_firewall", unique_id) is not None


async def test_time_is_not_needed_to_unload(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """Timers that run are ended; the test plugin fails where one lingers."""
    await home.report()
    await home.report({"temperature": 9}, to=ADLENS)
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)


async def test_protection_is_not_claimed_of_what_was_long_not_seen(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    await home.report()
    await pass_time(home, STATUS_SECONDS)
    assert home.sensor("protection").state == "protected"
    seen = home.sensor("protection").attributes["last_seen"]
    for passed, shown in ((SEEN_FOR - 3600, "protected"), (7200, "not_seen")):
        freezer.tick(passed)
        async_fire_time_changed(home.hass)
        await home.hass.async_block_till_done()
        assert home.sensor("protection").state == shown
    assert home.sensor("protection").attributes["last_seen"] == seen


# --- The home as a whole ---


@pytest.fixture
def noon(freezer: FrozenDateTimeFactory) -> FrozenDateTimeFactory:
    """A day whose midnight is far, in the time zone of the tests (US/Pacific)."""
    freezer.move_to("2030-01-15T20:00:00+00:00")
    return freezer


def today(home: Home) -> list[str]:
    """Permitted, redacted and denied transmissions, and data points shared, today."""
    keys = ("permitted_today", "redacted_today", "denied_today", "shared_today")
    return [state(home, hub(home, "sensor", key)).state for key in keys]


async def test_today_is_counted(noon: FrozenDateTimeFactory, home: Home) -> None:
    assert today(home) == ["0", "0", "0", "0"]
    await home.report()
    await home.report(by=BRUSH)
    await decide(home, "Temperature")
    await home.report()
    await home.report()
    await call(home, "button.press", home.entity("button", "let_through_15", by=BRUSH))
    await home.report(by=BRUSH)
    await wait(home, noon, STATUS_SECONDS)
    brush = home.household.firewall.data_points(home.subentry(BRUSH).subentry_id)
    assert today(home) == ["1", "2", "2", str(1 + len(brush))]
    shown = state(home, hub(home, "sensor", "redacted_today"))
    assert shown.attributes[ATTR_STATE_CLASS] == SensorStateClass.TOTAL
    assert shown.attributes["last_reset"] == "2030-01-15T00:00:00-08:00"
    assert shown.attributes[ATTR_UNIT_OF_MEASUREMENT] == "transmissions"
    entry = er.async_get(home.hass).async_get(shown.entity_id)
    assert entry is not None
    assert entry.entity_category is EntityCategory.DIAGNOSTIC
    assert entry.config_subentry_id is None


async def test_today_goes_on_after_a_reload(noon: FrozenDateTimeFactory, home: Home) -> None:
    """Read from the journal, and nothing of it twice."""
    await home.report()
    await decide(home, "Temperature")
    await home.report()
    await home.reload()
    assert today(home) == ["0", "1", "1", "1"]
    await home.report()
    await wait(home, noon, STATUS_SECONDS)
    assert today(home) == ["0", "2", "1", "1"]
    await home.reload()
    assert today(home) == ["0", "2", "1", "1"]


async def test_a_new_day_starts_at_nothing(noon: FrozenDateTimeFactory, home: Home) -> None:
    await home.report()
    await decide(home, "Temperature")
    await home.report()
    await wait(home, noon, 12 * 3600 - 60)
    assert today(home) == ["0", "1", "1", "1"]
    await wait(home, noon, 61)
    assert today(home) == ["0", "0", "0", "0"]
    for key in ("permitted_today", "shared_today"):
        shown = state(home, hub(home, "sensor", key))
        assert shown.attributes["last_reset"] == "2030-01-16T00:00:00-08:00"
    await home.reload()
    assert today(home) == ["0", "0", "0", "0"]
    await home.report()
    await wait(home, noon, STATUS_SECONDS)
    assert today(home) == ["0", "1", "0", "1"]
    await wait(home, noon, 24 * 3600)
    assert today(home) == ["0", "0", "0", "0"], "and so does the one after"


async def test_the_self_test_is_not_counted(home: Home) -> None:
    shown = hub(home, "sensor", "last_self_test")
    assert state(home, shown).state == STATE_UNKNOWN
    await call(home, "button.press", hub(home, "button", "run_self_test"))
    tested = dt_util.parse_datetime(state(home, shown).state)
    assert tested is not None
    assert abs(dt_util.utcnow() - tested) < timedelta(seconds=10)
    assert state(home, shown).attributes[ATTR_DEVICE_CLASS] == SensorDeviceClass.TIMESTAMP
    await pass_time(home, STATUS_SECONDS)
    assert today(home) == ["0", "0", "0", "0"]
    await home.reload()
    assert today(home) == ["0", "0", "0", "0"]
    assert state(home, shown).state == STATE_UNKNOWN
    await home.hass.services.async_call(DOMAIN, "self_test", blocking=True)
    assert state(home, shown).state != STATE_UNKNOWN, "by the action as by the button"


async def test_what_is_forgotten_is_not_counted(noon: FrozenDateTimeFactory, home: Home) -> None:
    await home.report(by=BRUSH)
    await home.report()
    await decide(home, "Temperature")
    await home.report()
    await wait(home, noon, STATUS_SECONDS)
    assert today(home) == ["0", "1", "2", "1"]
    # More of them, so that every entity waits until it may write again.
    for _ in range(2):
        await home.report()
    assert home.sensor("redacted").state == "2"
    facts = "protection", "permitted", "redacted", "denied", "last_disclosure"
    others = [home.sensor(one, by=BRUSH).state for one in facts]
    data = {"appliance_id": home.subentry(FRIDGE).subentry_id}
    await home.hass.services.async_call(DOMAIN, "forget", data, blocking=True, return_response=True)
    # At once: who forgot it looks whether it is.
    assert [home.sensor(one).state for one in facts] == ["not_seen", "0", "0", "0", STATE_UNKNOWN]
    assert home.sensor("protection").attributes["last_seen"] is None
    assert [home.sensor(one, by=BRUSH).state for one in facts] == others
    assert today(home) == ["0", "0", "1", "0"]
    sharing = state(home, home.entity("binary_sensor", "sharing"))
    assert (sharing.state, sharing.attributes["recipients"]) == ("off", [])
    assert sharing.attributes["data_points"] == []
    await home.reload()
    assert today(home) == ["0", "0", "1", "0"]


async def test_counts_of_today_are_written_once_in_a_while(
    noon: FrozenDateTimeFactory, home: Home
) -> None:
    await home.report()
    await wait(home, noon, STATUS_SECONDS)
    ids, stop = written(home)
    for _ in range(10):
        await home.report()
    counter = hub(home, "sensor", "denied_today")
    assert ids.count(counter) == 1
    await wait(home, noon, STATUS_SECONDS)
    stop()
    assert ids.count(counter) == 2
    assert state(home, counter).state == "11"


async def test_what_is_open_waits(home: Home) -> None:
    waiting = hub(home, "sensor", "consents_waiting")
    assert state(home, waiting).state == "0"
    await home.report()
    assert state(home, waiting).state == "4"
    await decide(home, "Temperature")
    assert state(home, waiting).state == "3"
    await decide(home, "Humidity", "refused")
    await decide(home, "Program", "withdrawn")
    assert state(home, waiting).state == "1"
    await home.change(FROSTLINE, benefit="Something else.")
    assert state(home, waiting).state == "2", "what was given under another notice is asked again"
    await decide(home, "Temperature")
    assert state(home, waiting).state == "1"
    await home.report(to=ADLENS)
    assert state(home, waiting).state == "5"


async def test_the_next_end_is_a_time(noon: FrozenDateTimeFactory, home: Home) -> None:
    def ends() -> list[str]:
        shown = [home.sensor("next_grant_ends", by=one) for one in (FRIDGE, BRUSH)]
        shown.append(state(home, hub(home, "sensor", "next_grant_ends")))
        assert {one.attributes[ATTR_DEVICE_CLASS] for one in shown} == {"timestamp"}
        return [one.state.replace("+00:00", "").replace("2030-01-15T", "") for one in shown]

    never = STATE_UNKNOWN
    await home.report()
    await home.report(by=BRUSH)
    await decide(home, "Program")
    assert ends() == [never, never, never], "without an end"
    await decide(home, "Temperature", seconds=3600)
    assert ends() == ["21:00:00", never, "21:00:00"]
    await decide(home, "Humidity", seconds=900)
    assert ends() == ["20:15:00", never, "20:15:00"]
    ids, stop = written(home)
    for _ in range(30):
        await wait(home, noon, 1)
    stop()
    assert not [one for one in ids if "ends" in one], "the frontend counts down, not we"
    await call(home, "button.press", home.entity("button", "let_through_15", by=BRUSH))
    assert ends() == ["20:15:00", "20:15:30", "20:15:00"]
    assert home.sensor("let_through_until", by=BRUSH).state == "2030-01-15T20:15:30+00:00"
    assert home.sensor("let_through_until").state == never
    await decide(home, "Humidity", "withdrawn")
    assert ends() == ["21:00:00", "20:15:30", "20:15:30"]
    await call(home, "button.press", home.entity("button", "stop_letting_through", by=BRUSH))
    assert ends() == ["21:00:00", never, "21:00:00"]
    await home.reload()
    assert ends() == ["21:00:00", never, "21:00:00"]
    await wait(home, noon, 3600)
    await home.reload()
    assert ends() == [never, never, never]


async def test_a_suspended_grant_does_not_end(noon: FrozenDateTimeFactory, home: Home) -> None:
    await home.report()
    await decide(home, "Temperature", seconds=3600)
    await home.household.firewall.consents.mark_backup(on=True)
    await home.reload()
    assert home.sensor("next_grant_ends").state == STATE_UNKNOWN


async def test_nothing_of_a_removed_appliance_ends(noon: FrozenDateTimeFactory, home: Home) -> None:
    await home.report()
    await decide(home, "Temperature", seconds=3600)
    await home.remove(FRIDGE)
    assert state(home, hub(home, "sensor", "next_grant_ends")).state == STATE_UNKNOWN


async def test_the_hub_has_entities_of_its_own(home: Home) -> None:
    ours = er.async_entries_for_config_entry(er.async_get(home.hass), home.entry.entry_id)
    of_the_hub = [one for one in ours if one.config_subentry_id is None]
    assert len(of_the_hub) == len(HUB_SENSORS) + 4 + 1 + 1
    assert {one.device_id for one in of_the_hub} == {home.household.links.hub().id}
    for one in of_the_hub:
        assert one.entity_category in {EntityCategory.CONFIG, EntityCategory.DIAGNOSTIC}
        assert one.entity_id.partition(".")[2].startswith("privacy_firewall_")
        for assistant in KNOWN_ASSISTANTS:
            assert not async_should_expose(home.hass, assistant, one.entity_id)
