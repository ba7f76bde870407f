"""As what a data point is shown: the tables, told by what appliances really report."""

from datetime import UTC, datetime
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
import pytest

from custom_components.privacy_firewall.engine.model import Source, Transmission
from custom_components.privacy_firewall.local_answers import truth
from custom_components.privacy_firewall.local_entities import name_keys, shape_of, word_of
from custom_components.privacy_firewall.local_numbers import number_of, time_of
from custom_components.privacy_firewall.local_shapes import Form
from tests.local import Shown, shown

CORPUS = Path(
    os.environ.get("PRIVACY_FIREWALL_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus"
)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
JSON = (("Content-Type", "application/json"),)


def message(body: bytes, headers: tuple[tuple[str, str], ...] = JSON) -> Transmission:
    return Transmission(
        gate="http",
        source=Source(address="192.0.2.1"),
        method="POST",
        host="cloud.example",
        target="/",
        headers=headers,
        body=body,
    )


def one(body: Any) -> Shown:
    """The only thing shown of a message."""
    found = list(shown(message(json.dumps(body).encode())).values())
    assert len(found) == 1, [str(other.point.field) for other in found]
    return found[0]


# --- Yes or no ---


@pytest.mark.parametrize(
    ("body", "device_class", "is_on"),
    [
        ({"doorOpen": True}, "door", True),
        ({"door": "closed"}, "door", False),
        ({"door": {"contact": "open"}}, "door", True),
        ({"doorClosed": True}, "door", False),
        ({"doorClosed": False}, "door", True),
        ({"window": "OPEN"}, "window", True),
        ({"lid": {"open": False}}, "opening", False),
        ({"valve": "closed"}, "opening", False),
        ({"contact": True}, None, True),
        ({"lock": "locked"}, "lock", False),
        ({"locked": True}, "lock", False),
        ({"unlocked": True}, "lock", True),
        ({"leak": False}, "moisture", False),
        ({"leak": "dry"}, "moisture", False),
        ({"leak": "wet"}, "moisture", True),
        ({"leak_ch2": 1}, "moisture", True),
        ({"smoke": "detected"}, "smoke", True),
        ({"smoke": "clear"}, "smoke", False),
        ({"signalFailure": False}, "problem", False),
        ({"alarm": "normal"}, "problem", False),
        ({"charging": True}, "battery_charging", True),
        ({"online": True}, "connectivity", True),
        ({"link": "offline"}, "connectivity", False),
        ({"pump": "on"}, None, True),
        ({"pump": "off"}, None, False),
        ({"heating": "true"}, None, True),
        ({"smokeAlarmEnabled": True}, None, True),
        ({"motion": "inactive"}, "motion", False),
        ({"occupancy": True}, "occupancy", True),
    ],
)
def test_what_says_yes_or_no(body: Any, device_class: str | None, is_on: bool) -> None:
    it = one(body)
    assert it.told == ("binary", device_class)
    assert truth(it.shape, it.value) is is_on


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "off"},
        {"cycle": "dry"},
        {"phase": "active"},
        {"result": "detected"},
        {"result": "normal"},
        {"tank": "empty"},
        {"errorCount": 1},
        {"doorCount": 0},
        {"moisture": 1},
        {"robotCleanerMovement": "charging"},
    ],
)
def test_what_has_more_than_two_answers_is_none(body: Any) -> None:
    assert one(body).shape.form is not Form.BINARY


def test_what_is_neither_is_unknown() -> None:
    it = one({"door": "open"})
    for value in ("ajar?", "", None, 2, 0.5, "null"):
        assert truth(it.shape, value) is None


# --- Numbers and units ---


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"temperature": 4.5}, ("temperature", "°C", "measurement")),
        ({"t": {"temperature": 4, "unit": "C"}}, ("temperature", "°C", "measurement")),
        ({"t": {"temperature": 39, "unit": "F"}}, ("temperature", "°F", "measurement")),
        ({"temp": {"value": 277, "unit": "kelvin"}}, ("temperature", "K", "measurement")),
        ({"temp": 39, "tempUnit": "Fahrenheit"}, ("temperature", "°F", "measurement")),
        ({"temp": 39, "tempUnit": "furlong"}, (None, None, None)),
        ({"load": {"value": 90, "unit": "W"}}, ("power", "W", "measurement")),
        ({"load": {"value": 90, "unit": "%"}}, (None, "%", "measurement")),
        ({"energy": {"value": 2, "unit": "kWh"}}, ("energy", "kWh", "total_increasing")),
        ({"energy": 1200}, ("energy", "Wh", "total_increasing")),
        ({"deltaEnergy": 12}, ("energy", "Wh", None)),
        ({"energyYesterday": 12}, ("energy", "Wh", None)),
        ({"cost": {"value": 3, "unit": "EUR"}}, (None, None, None)),
        ({"duration": {"value": 3, "unit": "min"}}, ("duration", "min", "measurement")),
        ({"openCounter": 3}, (None, None, "total_increasing")),
        ({"totalFlushes": 3}, (None, None, "total_increasing")),
        ({"speed": 3}, (None, None, None)),
        ({"temperature_raw": 450}, (None, None, None)),
        ({"battery": 80}, ("battery", "%", "measurement")),
        ({"wh65batt": 1}, (None, None, None)),
        ({"temperature": "4.5 °C"}, ("temperature", "°C", "measurement")),
        ({"inside": "39 F"}, ("temperature", "°F", "measurement")),
    ],
)
def test_numbers_have_units_where_somebody_states_them(
    body: Any, told: tuple[str | None, ...]
) -> None:
    found = shown(message(json.dumps(body).encode()))
    numbers = [it for it in found.values() if it.shape.form is Form.NUMBER]
    assert [it.told for it in numbers] == [("number", *told)]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (4, 4.0),
        ("4.5", 4.5),
        ("4 °C", 4.0),
        ("-3kWh", -3.0),
        ("4 x", None),
        (True, None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
        ("٣ °C", None),
        ("9" * 400, None),
    ],
)
def test_what_is_a_number(value: Any, number: float | None) -> None:
    assert number_of(value) == number


# --- Times ---


@pytest.mark.parametrize(
    ("body", "moment"),
    [
        ({"timestamp": 1_790_000_000}, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ({"timestamp": "1790000000"}, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ({"timestamp": 1_790_000_000_000}, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ({"startTime": "2026-01-01T12:00:00.5Z"}, datetime(2026, 1, 1, 12, 0, 0, 500000, UTC)),
        ({"startTime": "2026-01-01T12:00:00+0200"}, datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ({"dateutc": "2026-01-01 12:00:00"}, datetime(2026, 1, 1, 12, tzinfo=UTC)),
    ],
)
def test_moments(body: Any, moment: datetime) -> None:
    it = one(body)
    assert it.told == ("time", "timestamp", None, None)
    assert time_of(it.point, it.value) == moment


@pytest.mark.parametrize(
    "body",
    [
        {"startTime": "2026-01-01 12:00:00"},
        {"startTime": "2026-13-01T12:00:00Z"},
        {"remainingTime": 35},
        {"cookTime": "45"},
        {"dateutc": "now"},
        {"timestamp": 17},
        {"timestamp": 1e300},
    ],
)
def test_what_is_no_moment_for_sure_is_none(body: Any) -> None:
    assert all(
        it.shape.form is not Form.TIME for it in shown(message(json.dumps(body).encode())).values()
    )


# --- Words ---


def test_words_of_a_known_set_are_options() -> None:
    it = one({"machineState": "Run"})
    assert it.told == ("words", "enum", None, None)
    assert word_of(it.shape, it.value) == "run"
    assert word_of(it.shape, "letters") is None
    # What an appliance said is no option by itself: options are seen by everybody.
    assert "letters" not in one({"machineState": "letters"}).shape.options
    assert one({"machineState": "letters"}).told[0] == "text"


# --- What a catalogue states ---


class Stated:
    def __init__(self, entity: str, state_class: str | None = None, *options: str) -> None:
        self.entity, self.state_class, self.options = entity, state_class, options


def test_a_catalogue_goes_before_guesses() -> None:
    point = one({"phase": "spin"}).point
    told = shape_of(point, "spin", stated=Stated("enum", None, "spin", "rinse"))
    assert (told.form, told.options) == (Form.WORDS, ("spin", "rinse"))
    assert shape_of(point, "other", stated=Stated("enum", None, "spin")).form is Form.TEXT
    on_off = shape_of(point, "on", stated=Stated("enum", None, "on", "off", "auto"))
    assert on_off.form is Form.WORDS
    energy = one({"energy": 3}).point
    assert shape_of(energy, 3, stated=Stated("sensor", "total")).state_class == "total"
    # Home Assistant warns of one that does not go with the quantity.
    assert shape_of(energy, 3, stated=Stated("sensor", "measurement")).state_class is None
    running = one({"speed": 1}).point
    assert shape_of(running, 1, stated=Stated("binary_sensor")).form is Form.BINARY


# --- Names ---


@pytest.mark.parametrize(
    ("body", "key", "part"),
    [
        ({"temperature": 4}, "local_temperature", ""),
        ({"cooler": {"temperature": 4}}, "local_temperature_of", "Cooler"),
        ({"doorOpen": True}, "local_door", ""),
        ({"cooler": {"door": "open"}}, "local_door_of", "Cooler"),
    ],
)
def test_common_names_can_be_translated(body: Any, key: str, part: str) -> None:
    it = one(body)
    assert list(name_keys(it.point, it.shape)) == [(key, part)]


def test_other_names_are_the_data_points_own() -> None:
    for body in ({"temperature": "warm"}, {"speed": 3}, {"valve": "open"}):
        it = one(body)
        assert list(name_keys(it.point, it.shape)) == []


# --- What real appliances report ---

FILES = sorted([*CORPUS.glob("http/*.json"), *CORPUS.glob("mqtt/*.json")])


def told_of(path: Path) -> dict[str, Shown]:
    if not path.exists():
        pytest.skip(f"corpus file {path.name} is not on this machine (PRIVACY_FIREWALL_CORPUS)")
    if path.name.startswith("ecowitt_"):
        items = json.loads(path.read_bytes())
        return shown(message(urlencode({k: str(v) for k, v in items.items()}).encode(), FORM))
    return shown(message(path.read_bytes()))


@pytest.mark.corpus
@pytest.mark.parametrize("path", FILES or [CORPUS / "http"], ids=lambda path: path.stem)
def test_nothing_that_home_assistant_warns_of(path: Path) -> None:
    found = told_of(path)
    assert found
    for at, it in found.items():
        shape = it.shape
        if shape.device_class in DEVICE_CLASS_UNITS:
            assert shape.unit in DEVICE_CLASS_UNITS[shape.device_class], at
        if shape.device_class is not None and shape.state_class is not None:
            assert shape.state_class in DEVICE_CLASS_STATE_CLASSES[shape.device_class], at
        if shape.form is Form.BINARY and it.value is not None:
            assert truth(shape, it.value) is not None, at
        if shape.form is Form.WORDS:
            assert word_of(shape, it.value) in shape.options, at
        if shape.form in (Form.TEXT, Form.BINARY, Form.WORDS):
            assert shape.unit is None, at
            assert shape.state_class is None, at


_C = "$.body.components."
TELLING = {
    "http/samsung_fridge_status.json": {
        f"{_C}cooler.contactSensor.contact.value": ("binary", "opening"),
        f"{_C}freezer.contactSensor.contact.value": ("binary", "opening"),
        f"{_C}cooler.temperatureMeasurement.temperature.value": (
            ("number", "temperature", "°F", "measurement")
        ),
        f"{_C}main.powerConsumptionReport.powerConsumption.value.energy": (
            ("number", "energy", "Wh", "total_increasing")
        ),
        f"{_C}main.powerConsumptionReport.powerConsumption.value.deltaEnergy": (
            ("number", "energy", "Wh", None)
        ),
        f"{_C}main.refrigeration.rapidCooling.value": ("binary", None),
    },
    "http/samsung_da_wm_wm_000001.json": {
        f"{_C}main.washerOperatingState.machineState.value": ("words", "enum", None, None),
        f"{_C}main.washerOperatingState.completionTime.value": ("time", "timestamp", None, None),
        f"{_C}main['samsungce.washerOperatingState'].remainingTime.value": (
            ("number", "duration", "min", "measurement")
        ),
        f"{_C}main.switch.switch.value": ("binary", None),
    },
    "http/samsung_da_rvc_normal_000001.json": {
        f"{_C}main.battery.battery.value": ("number", "battery", "%", "measurement"),
        f"{_C}main.robotCleanerMovement.robotCleanerMovement.value": ("words", "enum", None, None),
    },
    "http/ecowitt_gw1100b.json": {
        "$.body.tempf": ("number", "temperature", "°F", "measurement"),
        "$.body.tempinf": ("number", "temperature", "°F", "measurement"),
        "$.body.humidity1": ("number", "humidity", "%", "measurement"),
        "$.body.dailyrainin": ("number", "precipitation", "in", "total_increasing"),
        "$.body.soilbatt1": ("number", None, None, None),
        "$.body.dateutc": ("time", "timestamp", None, None),
    },
    "http/ecowitt_gw2000a_1.json": {
        "$.body.leak_ch1": ("binary", "moisture"),
        "$.body.winddir": ("number", "wind_direction", "°", "measurement_angle"),
        "$.body.baromrelin": ("number", "pressure", "inHg", "measurement"),
    },
    # 118003 with the exponent -3: no unit is stated in a word, so none is claimed.
    "http/withings_measurement.json": {
        "$.body.body.measuregrps[*].measures[*].value (type=1)": ("number", None, None, None),
    },
    "http/miele_fridge.json": {
        "$.body.DummyAppliance_Fridge_Freezer.state.signalDoor": ("binary", "door"),
        "$.body.DummyAppliance_Fridge_Freezer.state.signalFailure": ("binary", "problem"),
        "$.body.DummyAppliance_Fridge_Freezer.state.temperature[*].value_raw": (
            ("number", None, None, None)
        ),
    },
}


@pytest.mark.corpus
@pytest.mark.parametrize("name", TELLING)
def test_what_real_appliances_report_is_shown_as_what_it_is(name: str) -> None:
    found = told_of(CORPUS / name)
    assert {at: found[at].told for at in TELLING[name]} == TELLING[name]
