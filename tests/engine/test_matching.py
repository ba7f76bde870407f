"""Data points meet the entities that show the same, by what both tell and when."""

from dataclasses import replace

from matching_home import (
    HOUR,
    NOW,
    Course,
    Wording,
    entity,
    match,
    openings,
    pairs,
    point,
    steps,
    texts,
    walk,
)
import pytest

from engine.matching import Point, ReasonKind, Sample, twins
from engine.matching.assign import THRESHOLD

WARM = {"device_class": "temperature", "unit": "°C"}


# --- Values at the same time, with names that say nothing ---


@pytest.mark.parametrize(
    ("unit", "shown", "told"),
    [
        ("°C", lambda value: value, ""),
        ("°C", lambda value: round((value - 32) / 1.8, 1), "unit °F to °C"),
        ("hPa", lambda value: round(value * 33.8638866667, 1), "unit inHg to hPa"),
        ("kWh", lambda value: round(value / 1000, 4), "unit Wh to kWh"),
        ("h", lambda value: round(value / 3600, 6), "unit s to h"),
        ("km/h", lambda value: round(value * 1.609344, 2), "unit mph to km/h"),
        ("%", lambda value: round(100 - value, 1), "unit what is left of 100 %"),
        ("%", lambda value: round(value / 10, 2), "unit times 0.1"),
    ],
)
def test_a_number_is_known_in_another_unit(unit: str, shown: Wording, told: str):
    course = walk("a", mean=50)
    ours = entity("sensor.a", "Foo", course, shown, unit=unit)
    other = entity("sensor.b", "Bar", walk("b", mean=50), shown, unit=unit)

    result = match([point("$.body.x1", course, str)], [other, ours])

    assert pairs(result) == {("$.body.x1", "sensor.a")}
    assert told in texts(result)


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        (lambda value: value, lambda value: not value),
        (lambda value: "open" if value else "closed", lambda value: value),
        (int, lambda value: not value),
        (lambda value: 17 if value else 4, lambda value: value),
        (lambda value: "0x1F" if value else "0xA0", lambda value: value),
    ],
)
def test_a_switch_is_known_whatever_each_side_calls_it(wire: Wording, shown: Wording):
    course = openings("a")
    ours = entity("binary_sensor.a", "Foo", course, shown)
    other = entity("binary_sensor.b", "Bar", openings("b"), shown)

    result = match([point("$.body.x1", course, wire)], [other, ours])

    assert pairs(result) == {("$.body.x1", "binary_sensor.a")}


def test_codes_are_known_by_what_they_go_with():
    course = steps("a", ["idle", "wash", "rinse", "spin"])
    codes = {"idle": 0, "wash": 7, "rinse": 12, "spin": 3}
    ours = entity("sensor.a", "Foo", course, device_class="enum")
    other = entity("sensor.b", "Bar", steps("b", ["idle", "wash", "rinse", "spin"]))

    result = match([point("$.body.x1", course, lambda word: codes[str(word)])], [other, ours])

    assert pairs(result) == {("$.body.x1", "sensor.a")}


@pytest.mark.parametrize("late", [0.0, 12.0, 250.0])
def test_an_entity_may_be_late(late: float):
    course = walk("a")
    ours = entity("sensor.a", "Foo", course, late=late, **WARM)
    other = entity("sensor.b", "Bar", walk("b"), **WARM)

    result = match([point("$.body.x1", course)], [other, ours])

    assert pairs(result) == {("$.body.x1", "sensor.a")}
    assert f"changes, {late:.0f} s later" in texts(result)


def test_what_is_left_is_known_as_the_time_of_the_end():
    left: Course = [(n * 600.0, (50 - n * 10) * 60.0) for n in range(5)]
    left += [(at + 9 * HOUR, value) for at, value in left]
    ends = {at: f"1970-01-01T{9 * (at >= 9 * HOUR):02.0f}:50:00+00:00" for at, _ in left}
    ours = entity("sensor.a", "Ready", [(at, ends[at]) for at, _ in left], device_class="timestamp")

    result = match([point("$.body.ready", left)], [ours])

    assert pairs(result) == {("$.body.ready", "sensor.a")}
    assert "seconds left to time" in texts(result)


def test_a_data_point_may_feed_two_entities_of_a_device():
    course = steps("a", ["run", "pause", "stop"])
    shown = [entity("sensor.a", "State", course), entity("select.a", "", course)]

    result = match([point("$.body.machineState", course)], shown)

    assert pairs(result) == {("$.body.machineState", one.entity_id) for one in shown}


def test_items_of_an_array_are_told_apart_by_their_order():
    first, second = walk("a"), walk("b")
    both = [one for pair in zip(first, second, strict=True) for one in pair]
    shown = [entity("sensor.b", "Power 1", second), entity("sensor.a", "Power 0", first)]

    result = match([point("$.body.Power[*]", both)], shown)

    assert pairs(result) == {("$.body.Power[*]", "sensor.a"), ("$.body.Power[*]", "sensor.b")}


def test_values_that_differ_speak_against_a_name():
    course = walk("a")
    named = entity("sensor.a", "Oven temperature", walk("b"), **WARM)

    result = match([point("$.body.oven.temperature", course)], [named])

    assert not result.automatic


# --- The other integration is starved ---


def starved(course: Course) -> Course:
    """What an entity showed in the three days before, until its integration could not."""
    before = [(at - NOW - 12 * HOUR, value) for at, value in course]
    return [*before, (-11 * HOUR, "unavailable")]


def unless_gone(shown: Wording) -> Wording:
    return lambda value: value if value == "unavailable" else shown(value)


def test_names_units_and_the_past_do_where_nothing_overlaps():
    fridge, freezer = walk("a", mean=38), walk("b", mean=0)
    celsius = unless_gone(lambda value: round((value - 32) / 1.8, 1))
    shown = [
        entity("sensor.freezer", "Freezer temperature", starved(freezer), celsius, **WARM),
        entity("sensor.fridge", "Fridge temperature", starved(fridge), celsius, **WARM),
        entity("binary_sensor.door", "Fridge door", starved(openings("c")), device_class="door"),
    ]
    sent = [
        point("$.body.cooler.contact", openings("d"), lambda value: "open" if value else "closed"),
        point("$.body.cooler.temp", walk("e", mean=38)),
        point("$.body.freezer.temp", walk("f", mean=0)),
    ]

    result = match(sent, shown)

    assert pairs(result) == {
        ("$.body.cooler.contact", "binary_sensor.door"),
        ("$.body.cooler.temp", "sensor.fridge"),
        ("$.body.freezer.temp", "sensor.freezer"),
    }
    assert ReasonKind.VALUES not in {
        reason.kind for one in result.automatic for reason in one.reasons
    }


def test_a_state_that_is_kept_though_its_integration_is_starved_speaks_not_against():
    kept = [one for one in starved(walk("a")) if one[1] != "unavailable"]
    shown = [entity("sensor.a", "Oven temperature", kept, **WARM)]

    result = match([point("$.body.oven.temperature", walk("b"))], shown)

    assert pairs(result) == {("$.body.oven.temperature", "sensor.a")}


def test_a_counter_that_goes_on_is_told_from_one_that_does_not():
    rising: Course = [(n * 600.0, 5000.0 + n * 3) for n in range(400)]
    before = starved([(at, value - 1500.0) for at, value in rising])
    elsewhere = starved([(at, value * 9) for at, value in rising])
    told = {"device_class": "energy", "unit": "kWh"}
    shown = [
        entity("sensor.b", "Energy", elsewhere, device="Second thing", **told),
        entity("sensor.a", "Energy", before, **told),
    ]

    result = match([point("$.body.energy", rising)], shown)

    assert pairs(result) == {("$.body.energy", "sensor.a")}
    assert "counter goes on" in texts(result)


# --- What is asked, and what is not even asked ---


def test_constants_say_nothing():
    still: Course = [(n * 600.0, 21.0) for n in range(400)]
    ours = entity("sensor.a", "Foo", still, **WARM)

    result = match([point("$.body.x1", still)], [ours])

    assert not result.automatic
    assert "same value" not in texts(result)


def test_two_that_are_as_good_are_asked_about():
    course = walk("a")
    shown = [
        entity("sensor.a", "Temperature", starved(course), **WARM),
        entity("sensor.b", "Temperature", starved(course), **WARM),
    ]

    result = match([point("$.body.temperature", course)], shown)

    assert not result.automatic
    assert {one.entity_id for one in result.asked} == {"sensor.a", "sensor.b"}
    assert "others are nearly as likely" in texts(result)


def test_two_data_points_as_good_are_asked_about():
    course = walk("a")
    shown = [entity("sensor.a", "Temperature", starved(course), **WARM)]
    sent = [point("$.body.temperature", course), point("$.query.temperature", course)]

    result = match(sent, shown)

    assert not result.automatic
    assert len(result.asked) == 2


def test_a_days_maximum_is_not_the_value():
    course = walk("a")
    shown = [entity("sensor.a", "Temperature", starved(course), **WARM)]
    sent = [point("$.body.max_temperature", course), point("$.body.temperature", course)]

    assert pairs(match(sent, shown)) == {("$.body.temperature", "sensor.a")}
    assert "only one of them says: maximum" in texts(match(sent[:1], shown))


def test_a_state_class_tells_a_counter_from_a_reading():
    rising: Course = [(n * 600.0, float(n % 144)) for n in range(430)]
    told = {"unit": "kWh", "state_class": "total_increasing"}
    shown = [entity("sensor.a", "Today", starved(rising), **told)]

    assert "one counts up" in texts(match([point("$.body.today", walk("a"))], shown))
    assert "one counts up" not in texts(match([point("$.body.today", rising)], shown))


@pytest.mark.parametrize("key", ["unique_id", "translation_key"])
def test_what_an_integration_calls_it_inside_is_a_name_too(key: str):
    course = walk("a")
    shown = [
        entity("sensor.a", "Feuchte", starved(course), **{key: "abc_soil_moisture"}),
        entity("sensor.b", "Licht", starved(course), **{key: "abc_brightness"}),
    ]

    assert pairs(match([point("$.body.soilMoisture", course)], shown)) == {
        ("$.body.soilMoisture", "sensor.a")
    }


def test_a_helper_that_follows_takes_no_data_point():
    course = walk("a")
    shown = [
        entity("sensor.mean", "Temperature", course, platform="template", **WARM),
        entity("sensor.a", "Temperature", course, **WARM),
        entity("sensor.other", "Humidity", walk("b"), unit="%"),
    ]

    assert pairs(match([point("$.body.temperature", course)], shown)) == {
        ("$.body.temperature", "sensor.a")
    }


def test_what_another_integration_made_is_asked_about():
    course = openings("a")
    shown = [
        entity("binary_sensor.ready", "Laundry ready", course, platform="template"),
        entity("sensor.a", "Temperature", walk("a"), **WARM),
        entity("sensor.b", "Humidity", walk("b"), unit="%"),
    ]

    result = match([point("$.body.operatingState", course)], shown)

    assert not result.automatic
    assert [one.entity_id for one in result.asked] == ["binary_sensor.ready"]


def test_a_button_is_no_data_point():
    course = openings("a")
    shown = [entity("button.door", "Door", course), entity("update.door", "Door", course)]

    result = match([point("$.body.door", course)], shown)

    assert result.automatic == result.asked == ()


def test_an_entity_has_one_source_at_most():
    course = walk("a")
    shown = [entity("sensor.a", "Oven temperature", course, **WARM)]
    sent = [point("$.body.x1", course), point("$.body.oven.temperature", course)]

    assert pairs(match(sent, shown)) == {("$.body.oven.temperature", "sensor.a")}


# --- What the household said before ---


def test_a_barred_pair_is_not_found_again_and_the_next_best_wins():
    course = walk("a")
    shown = [
        entity("sensor.a", "Oven temperature", course, **WARM),
        entity("sensor.b", "Temperature of the oven", course, device="Other", **WARM),
    ]
    sent = [point("$.body.oven.temperature", course)]
    assert ("$.body.oven.temperature", "sensor.a") in pairs(match(sent, shown))

    barred = {("$.body.oven.temperature", "sensor.a"), ("nothing", "sensor.b")}
    result = match(sent, shown, barred=barred)

    assert pairs(result) == {("$.body.oven.temperature", "sensor.b")}
    assert all(one.entity_id == "sensor.b" for one in result.asked)


# --- One item sent to several recipients ---


def to_another(one: Point) -> Point:
    return replace(one, id=f"{one.id}/2", path=f"{one.path}Today", template="POST y/collect")


@pytest.mark.parametrize(
    "sent", [point("$.body.x", walk("a")), point("$.body.x", openings("a", 30))]
)
def test_what_tells_the_same_to_two_recipients_is_one(sent: Point):
    later = replace(
        to_another(sent),
        samples=tuple(Sample(at=one.at + 2, value=one.value) for one in sent.samples),
    )
    other = replace(to_another(point("$.body.y", walk("b"))), id="other")

    assert twins([sent, other, later]) == {later.id: sent.id}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (point("$.body.x", walk("a")), point("$.body.x", walk("b"))),
        (point("$.body.x", openings("a", 30)), point("$.body.x", openings("b", 30))),
        (point("$.body.x", [(0.0, 4.0)]), point("$.body.x", [(0.0, 4.0)])),
        (point("$.body.x", walk("a")[:4]), point("$.body.x", walk("a")[:4])),
        (point("$.body.x", openings("a", 3)), point("$.body.x", openings("a", 3))),
        (point("$.body.x", walk("a")), point("$.body.x", [(t + 900, v) for t, v in walk("a")])),
        (point("$.body.x"), point("$.body.x")),
    ],
    ids=["numbers", "words", "constant", "few", "few words", "later", "nothing"],
)
def test_what_may_be_unlike_is_kept_apart(one: Point, other: Point):
    assert twins([one, to_another(other)]) == {}


def test_what_goes_in_one_message_is_kept_apart():
    sent = point("$.body.x", walk("a"))
    assert twins([sent, replace(sent, id="again", path="$.body.y")]) == {}


# --- What comes out ---


def test_reasons_tell_figures_and_no_values():
    course = steps("a", ["vacation in Porto", "home with flu"])
    result = match([point("$.body.mode", course)], [entity("sensor.mode", "Mode", course)])

    (found,) = result.automatic
    assert THRESHOLD <= found.confidence <= 1
    assert any(reason.kind is ReasonKind.VALUES for reason in found.reasons)
    assert "porto" not in texts(result).lower()
    assert "flu" not in texts(result).lower()


def test_the_order_things_come_in_changes_nothing():
    courses = {name: walk(name) for name in "abcdef"}
    sent = [point(f"$.body.x{name}", course) for name, course in courses.items()]
    shown = [entity(f"sensor.{name}", "", course, **WARM) for name, course in courses.items()]

    once = match(sent, shown)
    again = match(sent[::-1], shown[::-1])

    assert pairs(once) == {(f"$.body.x{name}", f"sensor.{name}") for name in courses}
    assert set(once.automatic) == set(again.automatic)
    assert match(sent, shown) == once
