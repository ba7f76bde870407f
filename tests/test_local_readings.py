"""The household's own entities of what appliances report: kept, restored, never too much."""

from datetime import timedelta
import json
import os
from pathlib import Path
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    EVENT_STATE_CHANGED,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    mock_restore_cache,
    mock_restore_cache_with_extra_data,
)

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.entity import WRITE_SECONDS
from tests.common import FRIDGE, SECRET, Home

CORPUS = Path(
    os.environ.get("PRIVACY_FIREWALL_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus"
)


async def report(home: Home, body: Any) -> None:
    """Let the fridge report, and the time pass in which states are held back."""
    await home.report(body)
    async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(seconds=WRITE_SECONDS))
    await home.hass.async_block_till_done()


async def choose(home: Home, *names: str) -> None:
    await home.change(FRIDGE, promoted=[home.point(name) for name in names])


# --- What is shown ---


async def test_a_door_is_a_door(home: Home) -> None:
    await report(home, {"door": {"open": True}})
    shown = home.binary_sensor("Door open")
    assert (shown.state, shown.attributes["device_class"]) == ("on", "door")
    assert shown.name == "Fridge Door"
    await report(home, {"door": {"open": False}})
    assert home.binary_sensor("Door open").state == "off"
    # Neither yes nor no is said of what is neither.
    await report(home, {"door": {"open": SECRET}})
    assert home.binary_sensor("Door open").state == STATE_UNKNOWN


async def test_what_shares_a_switch_is_shown_at_home_all_the_same(home: Home) -> None:
    shelves = {f"shelf{chr(97 + n)}": {"temperature": n} for n in range(20)}
    await report(home, {**shelves, "heartRate": 60})
    firewall, fridge = home.household.firewall, home.subentry(FRIDGE).subentry_id
    [group] = firewall.groups(fridge)
    assert len(group.points) > 5
    for point in group.points:
        shown = home.sensor(point.name)
        assert shown.state not in (STATE_UNKNOWN, STATE_UNAVAILABLE)
    assert "Heart rate" not in {one.original_name for one in home.entities()}
    # It is so after a restart, and what is seen later takes nobody's place.
    before = {one.entity_id for one in home.entities()}
    await home.reload()
    await report(
        home, {**shelves, **{f"later{chr(97 + n)}": {"temperature": n} for n in range(26)}}
    )
    assert before <= {one.entity_id for one in home.entities()}
    for point in group.points:
        assert home.sensor(point.name).state not in (STATE_UNKNOWN, STATE_UNAVAILABLE)


async def test_a_data_point_is_one_entity_only(home: Home) -> None:
    await home.report()
    found = [one for one in home.entities() if one.unique_id.endswith(home.point("Door open"))]
    assert [one.domain for one in found] == ["binary_sensor"]


async def test_assistants_do_not_get_them(home: Home) -> None:
    await home.report()
    for one in (home.sensor("Temperature"), home.binary_sensor("Door open")):
        for assistant in KNOWN_ASSISTANTS:
            assert not async_should_expose(home.hass, assistant, one.entity_id)


async def test_a_moment_is_shown_once_it_was_chosen(home: Home) -> None:
    await report(home, {"temperature": 4, "completionTime": "2026-01-01T12:00:00Z"})
    point = home.point("Completion time")
    assert not [one for one in home.entities() if one.unique_id.endswith(point)]
    await choose(home, "Completion time")
    await report(home, {"temperature": 4, "completionTime": "2026-01-01T13:00:00Z"})
    shown = home.sensor("Completion time")
    assert (shown.state, shown.attributes["device_class"]) == (
        "2026-01-01T13:00:00+00:00",
        "timestamp",
    )
    await report(home, {"temperature": 4, "completionTime": SECRET})
    assert home.sensor("Completion time").state == STATE_UNKNOWN


async def test_health_is_shown_only_where_it_was_chosen(home: Home) -> None:
    await report(home, {"heartRate": 61, "speed": 1})
    point = home.point("Heart rate")
    domains = {one.domain for one in home.entities() if point in one.unique_id}
    assert "switch" in domains
    assert not domains & {"sensor", "binary_sensor"}
    await choose(home, "Heart rate")
    await report(home, {"heartRate": 62, "speed": 1})
    assert home.sensor("Heart rate").state == "62"


async def test_where_the_home_is_never_becomes_a_state(home: Home) -> None:
    await report(home, {"latitude": 52.516, "country": "NL", "speed": 1})
    await choose(home, "Latitude", "Country")
    await report(home, {"latitude": 52.517, "country": "NL", "speed": 1})
    point = home.point("Latitude")
    assert home.sensor("Country").state == "NL"
    domains = {one.domain for one in home.entities() if point in one.unique_id}
    assert "switch" in domains
    assert not domains & {"sensor", "binary_sensor"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"coords": {"x": 13.404954, "y": 52.520012}}, "52.52"),
        ({"position": [13.404954, 52.520012]}, "52.52"),
        ({"loc": {"a": 52.520012, "b": 13.404954}}, "52.52"),
        ({"latlng": {"first": 52.520012, "second": 13.404954}}, "52.52"),
        ({"whereabouts": 52.520012}, "52.52"),
        ({"breitengrad": 52.520012}, "52.52"),
        ({"serialNumber": "WQ4711AB", "status": "WQ4711AB"}, "WQ4711AB"),
        ({"mac": "24:6f:28:aa:bb:cc", "label": "Plug aabbcc 246f28"}, "246f28"),
        ({"name": "Anna Smith"}, "Anna"),
        ({"resident": "Anna Smith"}, "Anna"),
        ({"nick": "Anna"}, "Anna"),
        ({"network": "Smith family"}, "Smith"),
        ({"state": "+49301234567"}, "49301234567"),
    ],
)
async def test_what_names_somebody_or_a_place_is_no_state(
    home: Home, body: dict[str, Any], told: str
) -> None:
    written: list[str] = []
    home.hass.bus.async_listen(
        EVENT_STATE_CHANGED, lambda event: written.append(str(event.data["new_state"]))
    )
    await report(home, {**body, "speed": 1})
    await report(home, {**body, "speed": 2})
    assert home.sensor("Speed").state == "2"
    assert not [text for text in written if told in text]


async def test_an_identity_of_an_earlier_message_is_no_state_either(home: Home) -> None:
    body = {"serialNumber": "WQ4711AB", "status": "idle"}
    await report(home, body)
    assert home.sensor("Status").state == "idle"
    await report(home, {"status": "WQ4711AB"})
    assert home.sensor("Status").state == STATE_UNKNOWN
    await report(home, body)
    assert home.sensor("Status").state == "idle"


async def test_an_identity_that_leaves_is_no_state_either(home: Home) -> None:
    await report(home, {"serialNumber": "WQ4711AB", "status": "idle"})
    await choose(home, "Serial number", "Status")
    await home.turn("turn_on", home.switch("Serial number"))
    # Nothing of this one was ever withheld.
    await report(home, {"serialNumber": "XK9922CD", "status": "XK9922CD"})
    assert home.cloud.received[-1][1]["serialNumber"] == "XK9922CD"
    assert home.sensor("Status").state == STATE_UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        {"serialNumber": "WQ4711AB", "readings": [{"type": "WQ4711AB", "value": 3}]},
        {"serialNumber": "WQ4711AB", "WQ4711AB": {"temperature": 4}},
    ],
)
async def test_no_entity_is_called_after_an_identity(home: Home, body: dict[str, Any]) -> None:
    await report(home, body)
    called = [(one.entity_id, one.original_name) for one in home.entities()]
    assert any("*" in (name or "") for _, name in called)
    assert "4711" not in str(called)


async def test_what_turns_out_to_tell_of_a_body_is_no_state_any_more(home: Home) -> None:
    await report(home, {"vitals": {"xmin": 61}})
    assert home.sensor("Vitals xmin").state == "61"
    # Its neighbours give it away.
    body = {"vitals": {"glucose": 5, "insulin": 6, "systolic": 120, "xmin": 62}}
    await report(home, body)
    assert home.sensor("Vitals xmin").state == STATE_UNAVAILABLE
    # Who picks it has it.
    await choose(home, "Vitals xmin")
    assert home.sensor("Vitals xmin").state == STATE_UNKNOWN
    await report(home, body)
    assert home.sensor("Vitals xmin").state == "62"


async def test_the_unit_beside_a_value_counts_also_when_it_changes(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    await report(home, {"probe": {"temperature": 4, "unit": "C"}})
    assert home.sensor("Probe temperature").state == "4"
    await report(home, {"probe": {"temperature": 50, "unit": "F"}})
    # Home Assistant shows it as the household is used to.
    assert home.sensor("Probe temperature").state == "10.0"
    await report(home, {"probe": {"temperature": 50, "unit": "furlong"}})
    shown = home.sensor("Probe temperature")
    assert (shown.state, shown.attributes.get(ATTR_UNIT_OF_MEASUREMENT)) == ("50", None)
    assert "WARNING" not in caplog.text


async def test_a_word_that_was_not_expected_makes_it_a_text(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    await report(home, {"machineState": "Run"})
    shown = home.sensor("Machine state")
    assert (shown.state, shown.attributes["device_class"]) == ("run", "enum")
    await report(home, {"machineState": "weaving"})
    shown = home.sensor("Machine state")
    assert shown.state == "weaving"
    assert not {"device_class", "options"} & shown.attributes.keys()
    assert "ERROR" not in caplog.text


# --- What is kept ---


async def test_a_sensor_that_there_is_stays_one(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    """Of a time before there were binary sensors."""
    await home.report()
    now = home.entity("binary_sensor", home.point("Door open"))
    unique_id = entity_registry.entities[now].unique_id
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    entity_registry.async_remove(now)
    before = entity_registry.async_get_or_create(
        "sensor",
        DOMAIN,
        unique_id,
        config_entry=home.entry,
        config_subentry_id=home.subentry(FRIDGE).subentry_id,
        suggested_object_id="my_door",
    )
    assert await home.hass.config_entries.async_setup(home.entry.entry_id)
    await home.hass.async_block_till_done()
    await home.report()
    assert home.entity("sensor", home.point("Door open")) == before.entity_id
    assert home.sensor("Door open").state == "on"
    assert entity_registry.async_get_entity_id("binary_sensor", DOMAIN, unique_id) is None


async def test_a_binary_sensor_stays_one_whatever_comes_first_after_a_restart(home: Home) -> None:
    await home.report({"door": "open"})
    before = home.binary_sensor("Door").entity_id
    await home.reload()
    await home.report({"door": "jammed"})
    assert home.binary_sensor("Door").entity_id == before
    assert home.binary_sensor("Door").state == STATE_UNKNOWN


@pytest.mark.parametrize(("stored", "shown"), [("on", "on"), ("off", "off"), (SECRET, "unknown")])
async def test_a_restart_shows_the_last_answer(
    hass: HomeAssistant, home: Home, stored: str, shown: str
) -> None:
    await home.report()
    door = home.entity("binary_sensor", home.point("Door open"))
    await hass.config_entries.async_unload(home.entry.entry_id)
    mock_restore_cache(hass, [State(door, stored)])
    await hass.config_entries.async_setup(home.entry.entry_id)
    await hass.async_block_till_done()
    assert home.binary_sensor("Door open").state == shown


@pytest.mark.parametrize(
    ("body", "stored", "told"),
    [
        (
            {"probe": {"temperature": 4, "unit": "F"}},
            ("Probe temperature", 50, "°F"),
            ("10.0", "temperature"),
        ),
        ({"machineState": "run"}, ("Machine state", "run", None), ("run", "enum")),
    ],
)
async def test_a_restart_shows_what_it_was_as_what_it_was(
    hass: HomeAssistant, home: Home, body: Any, stored: Any, told: tuple[str, str]
) -> None:
    name, value, unit = stored
    await home.report(body)
    sensor = home.entity("sensor", home.point(name))
    await hass.config_entries.async_unload(home.entry.entry_id)
    extra = {"native_value": value, "native_unit_of_measurement": unit}
    mock_restore_cache_with_extra_data(hass, [(State(sensor, str(value)), extra)])
    await hass.config_entries.async_setup(home.entry.entry_id)
    await hass.async_block_till_done()
    now = home.sensor(name)
    assert (now.state, now.attributes["device_class"]) == told


async def test_a_restart_shows_the_last_moment(hass: HomeAssistant, home: Home) -> None:
    await home.report({"temperature": 4, "startTime": "2026-01-01T12:00:00Z"})
    await choose(home, "Start time")
    sensor = home.entity("sensor", home.point("Start time"))
    await hass.config_entries.async_unload(home.entry.entry_id)
    at = "2026-01-01T12:00:00+00:00"
    extra = {
        "native_value": {"__type": "<class 'datetime.datetime'>", "isoformat": at},
        "native_unit_of_measurement": None,
    }
    mock_restore_cache_with_extra_data(hass, [(State(sensor, at), extra)])
    await hass.config_entries.async_setup(home.entry.entry_id)
    await hass.async_block_till_done()
    assert home.sensor("Start time").state == at


# --- What real appliances report ---

BODIES = {
    path.stem: path.read_bytes()
    for path in sorted([*CORPUS.glob("http/*.json"), *CORPUS.glob("mqtt/*.json")])
    if path.stat().st_size < 100_000
}


@pytest.mark.corpus
@pytest.mark.parametrize("name", BODIES or ["nothing"])
async def test_home_assistant_warns_of_nothing(
    home: Home, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    if name not in BODIES:
        pytest.skip("no corpus on this machine (PRIVACY_FIREWALL_CORPUS)")
    body = json.loads(BODIES[name])
    await home.report(body)
    firewall = home.household.firewall
    fridge = home.subentry(FRIDGE).subentry_id
    chosen = [one.id for one in firewall.data_points(fridge)]
    await home.change(FRIDGE, promoted=chosen)
    await report(home, body)
    domains = [one.domain for one in home.entities() if one.domain in ("sensor", "binary_sensor")]
    shown = [one for one in firewall.promoted(fridge) if firewall.has_sensor(one)]
    assert len(domains) > len(shown) > 0
    # Of asyncio's own remarks about time there may be any number.
    told = [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")]
    assert not [one.getMessage() for one in told if one.name != "asyncio"]
