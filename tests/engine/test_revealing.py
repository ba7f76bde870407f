"""What a granted data point also gives away: named, and only where both are there."""

import pytest

from engine.learning import describe
from engine.model import DataPoint, Field, Leaf, Number, data_point_id
from engine.redaction.transforms import kind_of
from engine.revealing import MAX_FINDINGS, Revealing

CLOUD = "cloud"
ONE = Number("1")
T = "2026-01-01T12:00:00Z"


def point(path: str, value: Leaf = ONE, *, to: tuple[str, ...] = (CLOUD,)) -> DataPoint:
    field = Field(path)
    name, category, unit, quantity = describe(field, value)
    return DataPoint(
        id=data_point_id("one", "POST cloud/", field),
        appliance_id="one",
        template="POST cloud/",
        field=field,
        name=name,
        kinds=frozenset({kind_of(value)}),
        category=category,
        recipients=to,
        unit=unit,
        quantity=quantity,
    )


def told(asked: DataPoint, *others: DataPoint, granted: tuple[DataPoint, ...] = ()) -> set[str]:
    """The paths, or the facts, that a recipient learns beside what it gets."""
    points = [asked, *others, *granted]
    paths = {one.id: one.field.path for one in points}
    found = Revealing(points).of(asked, CLOUD, [one.id for one in granted])
    for one in found:
        assert asked.id in one.givers
        assert all(f"“{by.name}”" in one.sentence for by in points if by.id in one.givers)
    return {paths[one.told] if one.told else one.fact for one in found}


HOME = "when somebody is at home and uses it"
MISSED = "how much was used while it was withheld"


@pytest.mark.parametrize(
    ("asked", "granted", "withheld"),
    [
        ("$.body.dewptf", "$.body.humidity", "$.body.tempf"),
        ("$.body.humidity", "$.body.dewptf", "$.body.tempf"),
        ("$.body.tempf", "$.body.humidity", "$.body.dewPoint"),
        ("$.body.tempf", "$.body.dewptf", "$.body.humidity"),
        ("$.body.heatIndex", "$.body.humidity", "$.body.tempf"),
        ("$.body.windchillf", "$.body.windspeedmph", "$.body.tempf"),
        ("$.body.weight", "$.body.fatRatio", "$.body.fatMass"),
        ("$.body.bmi", "$.body.weight", "$.body.height"),
    ],
)
def test_two_of_three_give_the_third(asked: str, granted: str, withheld: str) -> None:
    assert told(point(asked), point(withheld), granted=(point(granted),)) == {withheld}
    # One alone does not, nor does what the recipient gets anyway, nor what was never seen.
    assert told(point(asked), point(withheld), point(granted)) == set()
    assert told(point(asked), granted=(point(granted), point(withheld))) == set()
    assert told(point(asked), granted=(point(granted),)) == set()


def test_what_goes_to_others_is_not_revealed_to_this_one() -> None:
    withheld = point("$.body.tempf", to=("adlens",))
    assert told(point("$.body.dewptf"), withheld, granted=(point("$.body.humidity"),)) == set()


def test_inside_is_not_outside() -> None:
    for other in ("$.body.humidityin", "$.body.humidity2", "$.body.cellar.humidity"):
        assert told(point("$.body.dewptf"), point("$.body.tempf"), granted=(point(other),)) == set()
    assert told(
        point("$.body.humidityin"), point("$.body.dewptin"), granted=(point("$.body.tempinf"),)
    ) == {"$.body.dewptin"}


def test_pressures_tell_the_height_of_the_home() -> None:
    fact = {"how high above the sea the home is"}
    asked, granted = point("$.body.baromrelin"), point("$.body.baromabsin")
    assert told(asked, granted=(granted,)) == fact
    assert told(asked, granted) == set()


def test_energy_tells_power_and_when_somebody_is_at_home() -> None:
    energy, power = point("$.body.energy"), point("$.body.power")
    assert told(energy, power) == {"$.body.power", HOME, MISSED}
    assert told(power, energy) == {"$.body.energy", HOME}
    # Of an interval that is over nothing comes later.
    assert told(point("$.body.deltaEnergy"), power) == {"$.body.power", HOME}
    assert told(point("$.body.energyType"), power) == set()


def test_a_time_beside_a_door_tells_when_it_moved() -> None:
    time = point("$.body.door.contact.timestamp", T)
    door = point("$.body.door.contact.value", "open")
    assert told(time, door) == {"$.body.door.contact.value"}
    assert told(time, granted=(door,)) == set()
    (found,) = Revealing([time, door]).of(time, CLOUD, ())
    assert "when somebody was there" in found.sentence
    # Nobody needs to be there for a compressor to start.
    speed = point("$.body.compressor.speed")
    time = point("$.body.compressor.timestamp", T)
    (found,) = Revealing([time, speed]).of(time, CLOUD, ())
    assert (found.told, "somebody" in found.sentence) == (speed.id, False)
    # Another time is not one of what stands beside it.
    assert told(point("$.body.compressor.setupDate", T), speed) == set()
    # A time of the whole message is beside everything, and tells of nothing of it.
    many = [point(f"$.body.x{number}", "open") for number in "abcdef"]
    assert told(point("$.body.timestamp", T), *many) == set()


def test_start_and_duration_tell_the_end() -> None:
    start, end = point("$.body.startTime", T), point("$.body.endTime", T)
    duration = point("$.body.duration")
    assert "$.body.endTime" in told(start, end, granted=(duration,))
    assert told(duration, end, granted=(start,)) == {"$.body.endTime"}


def test_a_counter_tells_of_the_time_it_was_withheld() -> None:
    (found,) = Revealing([counter := point("$.body.openCount")]).of(counter, CLOUD, ())
    assert (found.told, found.fact) == (None, "how much happened while it was withheld")
    assert not found.is_less_when_coarse
    assert "coarse does not help" in found.sentence


def test_items_tell_how_many_there_are() -> None:
    assert told(point("$.body.doors[*].open", True)) == {"how many there are of: doors"}


def test_networks_and_rooms_tell_of_the_home() -> None:
    assert told(point("$.body.ssid", "x")) == {"where the home is"}
    assert told(point("$.body.room", "Attic")) == {"which rooms the home has"}


def test_coarse_takes_the_edge_off_what_is_worked_out() -> None:
    points = [point(f"$.body.{name}") for name in ("dewptf", "humidity", "tempf")]
    (found,) = Revealing(points).of(points[0], CLOUD, [points[1].id])
    assert found.is_less_when_coarse
    assert found.sentence.startswith("“Dewptf” and “Humidity” together tell “Tempf”")


def test_there_is_an_end_to_it() -> None:
    asked = point("$.body.dewptf")
    granted = [point(f"$.body['humidity{'x' * number}']") for number in range(300)]
    withheld = [point(f"$.body['temperature{'x' * number}']") for number in range(300)]
    found = Revealing([asked, *granted, *withheld]).of(asked, CLOUD, [one.id for one in granted])
    assert len(found) <= MAX_FINDINGS


def test_ordinary_words_are_no_findings() -> None:
    for path, value in (
        ("$.body.template", "x"),
        ("$.body.program", "eco"),
        ("$.body.end", "x"),
        ("$.body.attempts", Number("3")),
        ("$.body.password", "x"),
    ):
        asked = point(path, value)
        granted = point("$.body.humidity"), point("$.body.dewptf")
        assert told(asked, point("$.body.duration"), granted=granted) == set(), path
