"""What was seen last of each data point: bounded, in memory only, and enough to be compared."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
import sys

import pytest

from engine import Samples
from engine.model import Blob, Category, DataPoint, Field, Kind, Leaf, Number, Text
from engine.samples import (
    MAX_BYTES,
    MAX_ITEMS,
    MAX_KNOWN,
    MAX_NEWEST,
    MAX_POINTS,
    MAX_SAMPLES,
    RETENTION,
    THIN,
)
from helpers import FRIDGE, House, post
import wire

NOW = 1_800_000_000.0


def point(name: str = "door", appliance: str = "fridge", **more: object) -> DataPoint:
    return DataPoint(
        id=f"{appliance}-{name}",
        appliance_id=appliance,
        template="POST cloud.example/v1",
        field=Field(f"$.body.{name}"),
        name=name,
        kinds=frozenset({Kind.TEXT}),
        category=Category.READING,
        recipients=("cloud",),
        **more,  # type: ignore[arg-type]
    )


def told(samples: Samples, name: str = "fridge-door") -> list[tuple[float, object]]:
    return [(one.at - NOW, one.value) for one in samples.of(name)]


DOOR = point()


def noted(*seen: tuple[float, Leaf], of: DataPoint = DOOR) -> Samples:
    samples = Samples()
    for at, value in seen:
        samples.note(of, NOW + at, [value])
    return samples


def test_values_are_kept_with_their_times_in_a_plain_form() -> None:
    samples = noted(
        (0, Number("4.50")), (1, True), (2, Text.spelled("a b", "a%20b")), (3, None), (4, "x")
    )
    assert told(samples) == [(0, 4.5), (1, True), (2, "a b"), (3, None), (4, "x")]
    assert type(samples.of(DOOR.id)[2].value) is str
    assert samples.newest(DOOR.id) == samples.of(DOOR.id)[-1]


def test_true_is_not_taken_for_one() -> None:
    assert told(noted(*((at, True) for at in range(3)), (3, Number("1")))) == [
        (0, True),
        (2, True),
        (3, 1.0),
    ]


def test_a_number_that_would_lose_digits_stays_text() -> None:
    newest = noted((0, Number("123456789012345678"))).newest(DOOR.id)
    assert newest is not None
    assert newest.value == "123456789012345678"


@pytest.mark.parametrize("value", ["1e999", "-1e999"])
def test_what_is_no_finite_number_is_no_value(value: str) -> None:
    assert told(noted((0, Number(value)))) == [(0, None)]


def test_of_a_run_the_first_the_last_and_some_between_are_kept() -> None:
    runs = [(float(at), "closed") for at in range(0, 1801, 10)] + [(1810.0, "open")]
    kept = told(noted(*runs))
    assert kept[0] == (0, "closed")
    assert kept[-2:] == [(1800, "closed"), (1810, "open")]
    times = [at for at, value in kept if value == "closed"]
    assert len(times) <= 1800 / THIN * 2 + 2
    assert max(after - before for before, after in pairwise(times)) <= THIN


def test_items_of_an_array_are_samples_at_one_time() -> None:
    samples = Samples()
    samples.note(DOOR, NOW, [str(one) for one in range(9)])
    samples.note(DOOR, NOW + 1, [str(one) for one in range(9)])
    assert told(samples) == [(at, str(one)) for at in (0, 1) for one in range(MAX_ITEMS)]
    newest = samples.newest(DOOR.id)
    assert newest is not None
    assert newest.value == "8"


def test_what_is_not_newer_is_left_out() -> None:
    assert told(noted((5, "a"), (5, "b"), (1, "c"))) == [(5, "a")]


@pytest.mark.parametrize(
    "category", [Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA, Category.OPAQUE]
)
def test_of_identities_and_media_only_the_newest_is_kept(category: Category) -> None:
    samples = noted((0, "A1"), (1, "A2"), of=replace(DOOR, category=category))
    assert samples.of(DOOR.id) == ()
    newest = samples.newest(DOOR.id)
    assert newest is not None
    assert newest.value == "A2"


@pytest.mark.parametrize("value", ["x" * 5_000_000, Blob("ab" * 500_000)])
def test_of_a_long_text_only_the_beginning_of_the_newest_is_kept(value: str) -> None:
    samples = noted((0, value), (1, value))
    assert samples.of(DOOR.id) == ()
    newest = samples.newest(DOOR.id)
    assert newest is not None
    assert newest.value == value[:MAX_NEWEST]
    assert type(newest.value) is str


def test_an_empty_list_or_object_has_no_value() -> None:
    assert told(noted((0, {}), (1, []))) == [(0, None), (1, None)]


def test_values_grow_old() -> None:
    samples = noted((0, "a"), (1, "b"), (RETENTION + 0.5, "c"))
    assert told(samples) == [(1, "b"), (RETENTION + 0.5, "c")]


def test_one_data_point_keeps_so_many() -> None:
    samples = noted(*((at / 100, Number(str(at))) for at in range(MAX_SAMPLES * 2)))
    kept = told(samples)
    assert MAX_SAMPLES * 7 // 8 <= len(kept) <= MAX_SAMPLES
    assert kept[-1][1] == MAX_SAMPLES * 2 - 1


def test_more_data_points_than_are_kept_have_their_newest_value_and_no_past() -> None:
    samples = Samples()
    for number in range(MAX_KNOWN + 5):
        samples.note(point(str(number)), NOW, ["x"])
    assert samples.of(f"fridge-{MAX_POINTS - 1}") != ()
    assert samples.of(f"fridge-{MAX_POINTS}") == ()
    assert samples.newest(f"fridge-{MAX_KNOWN - 1}") is not None
    assert samples.newest(f"fridge-{MAX_KNOWN}") is None


def _bytes(samples: Samples, points: list[DataPoint]) -> int:
    size = 0
    for one in points:
        for sample in samples.of(one.id):
            size += 8 + 8 + sys.getsizeof(sample.value)
        size += sys.getsizeof(getattr(samples.newest(one.id), "value", None))
    return size


@pytest.mark.parametrize("character", ["x", "\N{FIRE}"])
def test_an_appliance_takes_two_megabytes_at_most(character: str) -> None:
    """Hostile: every text is long, wide and unlike all others."""
    samples = Samples()
    points = [point(str(number)) for number in range(MAX_KNOWN)]
    for round_ in range(12):
        for number, one in enumerate(points):
            samples.note(one, NOW + round_, [f"{round_} {number} " + character * 60])
    kept = _bytes(samples, points)
    assert MAX_BYTES // 4 < kept <= MAX_BYTES
    # The quietest keep what they have; of the newest none is lost.
    assert all(samples.newest(one.id) is not None for one in points)


def test_one_appliance_does_not_crowd_out_another() -> None:
    samples = noted((0, "open"))
    for number in range(MAX_KNOWN):
        for round_ in range(20):
            samples.note(
                point(str(number), "oven"), NOW + round_, [f"{round_} {number} {'x' * 60}"]
            )
    assert told(samples) == [(0, "open")]


def test_what_is_forgotten_is_gone_and_can_be_seen_anew() -> None:
    samples = noted((0, "open"))
    samples.note(point(appliance="oven"), NOW, ["on"])
    samples.forget("fridge")
    samples.forget("nobody")
    assert samples.of(DOOR.id) == ()
    assert samples.newest(DOOR.id) is None
    assert samples.newest("oven-door") is not None
    samples.note(DOOR, NOW - 9, ["closed"])
    assert told(samples) == [(-9, "closed")]


def test_a_copy_stays_as_it_was() -> None:
    samples = noted((0, "open"), (1, "closed"))
    copy = samples.copy("fridge")
    samples.note(DOOR, NOW + 2, ["open"])
    samples.note(DOOR, NOW + 3, ["open"])
    samples.note(DOOR, NOW + 4, ["open"])
    assert told(copy) == [(0, "open"), (1, "closed")]
    assert samples.copy("nobody").of(DOOR.id) == ()


# --- On the way through ---


def test_a_message_tells_first_items_and_the_last() -> None:
    house = House()
    body = f'{{"doors":[{",".join(str(one) for one in range(9))}],"on":true}}'
    seen = {item.field.path: values for item, values in house.send(post(body)).seen}
    assert seen["$.body.doors[*]"] == ("0", "1", "2", "3", "8")
    assert seen["$.body.on"] == (True,)


def test_what_an_examination_saw_is_not_in_its_text() -> None:
    examined = House(appliance=FRIDGE).send(post('{"door":"ajar9"}'))
    assert "ajar9" not in repr(replace(examined, found=()))


def stored(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


async def test_the_firewall_keeps_what_was_denied_too_and_stores_none_of_it(tmp_path: Path) -> None:
    async with wire.house(tmp_path) as house:
        assert not await house.sends(house.request(b'{"door":"ajar9","temp":4.5}'))
        samples, points = house.firewall.samples, house.points()
        newest = samples.newest(points["$.body.temp"].id)
        assert newest is not None
        assert newest.value == 4.5
        assert [one.value for one in samples.of(points["$.body.door"].id)] == ["ajar9"]
        await house.firewall.forget_all_but(frozenset())
        assert samples.newest(points["$.body.temp"].id) is None
    assert b"ajar9" not in stored(tmp_path)
