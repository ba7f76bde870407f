"""Matching is bounded in what it looks at, whatever an appliance or a recorder holds."""

from collections.abc import Iterator
from dataclasses import replace
import math
import random

from matching_home import NOW, entity, match, point, walk
import pytest

from engine import matching
from engine.matching import Entity, Point, Sample, State, overlap, series, shapes, units, wording

HUGE = "x" * 1_000_000


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1e308,
        10**400,
        "nan",
        "1e999",
        "9" * 400,
        HUGE,
        "",
        "\x00\ud800",
        "٣",
        "9999-99-99T99:99:99Z",
        "0001-01-01T00:00:00+14:00",
        None,
        True,
    ],
)
def test_any_value_is_read(value: object):
    samples = tuple(Sample(at=n * 60.0, value=value) for n in range(50))  # type: ignore[arg-type]
    states = (
        tuple(State(at=n * 60.0, state=str(value)[:2_000]) for n in range(50))
        if not isinstance(value, int) or isinstance(value, bool)
        else ()
    )
    sent = [Point(id="a", path="$.body.a", samples=samples), point("$.body.b", walk("b"))]
    for told in ({}, {"device_class": "timestamp"}, {"unit": "°C"}, {"unit": "%"}):
        shown = [
            Entity(entity_id="sensor.a", device="Thing", states=states, **told),  # type: ignore[arg-type]
            entity("sensor.b", "", walk("b"), **told),
        ]
        assert not {("a", "sensor.b")} & {
            (one.point_id, one.entity_id) for one in match(sent, shown).automatic
        }


def test_nothing_is_matched_to_nothing():
    assert match([], []).automatic == ()
    assert match([point("$")], [entity("sensor.a")]).automatic == ()
    assert match([point("", [])], [Entity(entity_id="")]).automatic == ()


def test_names_of_any_length_are_read_in_part():
    sent = [
        Point(id="a", path=f"$.body.{HUGE}", siblings=(f"key={HUGE}",), template=HUGE),
        Point(id="b", path="$.body" + "['q']" * 100_000),
    ]
    shown = [Entity(entity_id="sensor.a", name=HUGE, device=HUGE, unique_id=HUGE, unit=HUGE)]

    assert match(sent, shown).automatic == ()


def test_of_a_name_only_the_beginning_is_read():
    assert wording.words_of("door " + "x" * 300 + " window") == ["door", "x" * 40]


def test_times_that_are_none_or_out_of_order_are_no_harm():
    course = walk("a")
    mixed = [*course, (math.nan, 3.0), (math.inf, 4.0)]
    random.Random(1).shuffle(mixed)
    samples = tuple(Sample(at=at, value=value) for at, value in mixed)

    result = match(
        [Point(id="a", path="$.body.x1", samples=samples)], [entity("sensor.a", "", course)]
    )

    assert [(one.point_id, one.entity_id) for one in result.automatic] == [("a", "sensor.a")]


def test_of_many_samples_the_newest_are_kept():
    samples = tuple(Sample(at=float(n), value=n % 977) for n in range(100_000))
    states = tuple(State(at=float(n), state=str(n % 977)) for n in range(100_000))

    (mine,) = series.of_point(Point(id="a", path="$.a", samples=samples))
    theirs = series.of_entity(Entity(entity_id="sensor.a", states=states), 1e5)

    for one in (mine, theirs):
        assert len(one.starts) == shapes.MAX_RUNS
        assert len(one.seen) == series.MAX_SEEN
        assert one.starts[-1] == 99_999


def test_an_array_has_few_items_of_its_own():
    samples = tuple(Sample(at=n * 60.0, value=m) for n in range(20) for m in range(500))

    assert len(series.of_point(Point(id="a", path="$.a[*]", samples=samples))) == series.MAX_ITEMS


def test_a_pair_costs_a_bounded_number_of_looks(monkeypatch: pytest.MonkeyPatch):
    looked: list[int] = []
    compare = overlap._compare

    def counting(mine, theirs, levels, when, **told):
        looked.append(len(when))
        return compare(mine, theirs, levels, when, **told)

    monkeypatch.setattr(overlap, "_compare", counting)
    course = [(n * 20.0, float(n % 101)) for n in range(10_000)]
    sent = [point("$.body.a", course)]

    match(sent, [entity("sensor.a", "", course, unit="hPa")])

    assert looked
    assert max(looked) <= 2 * overlap.MAX_LOOKS
    assert len(looked) <= 2 * 3 * len(units.conversions("hPa"))


def test_more_than_can_be_matched_is_left(monkeypatch: pytest.MonkeyPatch):
    pairs: list[tuple[int, int]] = []
    possible = matching.Evidence._possible

    def counting(self, mine, theirs):
        pairs.append((mine, theirs))
        return possible(self, mine, theirs)

    monkeypatch.setattr(matching.Evidence, "_possible", counting)
    sent = [point(f"$.body.a{n}") for n in range(1_000)]
    shown = [entity(f"sensor.a{n}") for n in range(300)]

    match(sent, shown)

    assert len(pairs) == len(set(pairs)) == shapes.MAX_POINTS * shapes.MAX_ENTITIES


def test_word_splitting_is_bounded():
    def torn() -> Iterator[str]:
        for n in range(200):
            yield "".join(random.Random(n).choices("abcdefgh", k=200))

    sent = [point(f"$.body.{name}") for name in torn()]
    shown = [entity(f"sensor.a{n}", name) for n, name in enumerate(torn()) if n < 60]

    assert matching.match(sent, shown, device="Thing", now=NOW) == match(sent, shown)


@pytest.mark.parametrize(
    ("path", "name", "is_sure"),
    [
        ("$.body.scale.heartRate", "Temperature", False),
        ("$.body.scale.heartRate", "Heart rate", True),
    ],
)
def test_what_tells_of_people_takes_no_unlike_name_by_its_values_alone(
    path: str, name: str, *, is_sure: bool
):
    course = walk("a", mean=4)
    shown = entity("sensor.fridge_a", name, course, device_class="temperature", unit="°C")
    imitating = point(path, course)
    assert match([imitating], [shown]).automatic, "the values alone would do"

    result = match([replace(imitating, is_marked=True)], [shown])

    assert bool(result.automatic) is is_sure
    # Who knows better can say so.
    assert bool(result.asked) is not is_sure
