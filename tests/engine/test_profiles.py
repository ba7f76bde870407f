"""Profiles: what is known of data points, what of it the disk gets, and how it comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
import json
from pathlib import Path
import sqlite3
from typing import Any

import pytest

from engine import StorageError
from engine.model import Category, Leaf, Number, Sensitive
from engine.profiles import MAX_DISTINCT, Profile, coarse_bound, decimals_of
from engine.shapes import Shape
import wire
from wire import House


def seen(*values: Leaf, every: float = 1800.0, **changes: Any) -> Profile:
    profile = Profile(appliance_id="a", **changes)
    for at, value in enumerate(values):
        profile.take([value], (), every * at)
    return profile


def numbers(*values: float) -> list[Number]:
    return [Number(repr(value)) for value in values]


def test_figures() -> None:
    profile = seen(*numbers(20.5, 20.5, 21.25, 0, -3))
    assert (profile.messages, profile.numbers, profile.fractions) == (5, 5, 4)
    assert (profile.low, profile.high, profile.decimals) == (-3, 21.25, 2)
    assert (profile.rises, profile.falls, profile.changes) == (1, 2, 3)
    assert profile.distinct in (3, 4), "two may fall on one bit"
    assert profile.share_of_changes == 3 / 4
    assert profile.hours == 2
    assert profile.changes_per_hour is None, "two hours tell nothing of a day"
    assert not profile.is_counter


def test_a_counter_and_its_resets() -> None:
    assert seen(*numbers(*range(30), 0, *range(20))).is_counter
    assert not seen(*numbers(*range(9))).is_counter
    assert not seen(*numbers(*(n % 3 for n in range(60)))).is_counter


def test_how_often_it_changes() -> None:
    profile = seen(*(bool(at // 4 % 2) for at in range(97)))
    assert profile.changes_per_hour == pytest.approx(24 / 48)
    behaviour = profile.behaviour()
    assert behaviour.changes_per_day == pytest.approx(12)
    assert behaviour.shapes == {Shape.BOOLEAN}


def test_unlike_values_are_counted_within_bounds() -> None:
    assert 80 <= seen(*numbers(*range(100))).distinct <= 125
    assert seen(*numbers(*range(20_000))).distinct == MAX_DISTINCT
    assert seen(*numbers(*[1] * 500)).distinct == 1


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("21", 0),
        ("21.40", 1),
        ("21.399999618530273", 1),
        ("0.30000000000000004", 1),
        ("52.520312", 5),
        ("1e-9", 0),
        ("123456789.123", 0),
    ],
)
def test_decimals_that_mean_something(text: str, decimals: int) -> None:
    assert decimals_of(text) == decimals


@pytest.mark.parametrize(
    ("number", "down", "up"),
    [
        (80.3, 64, 128),
        (64, 64, 64),
        (-13.4, -16, -8),
        (0, 0, 0),
        (0.3, 0, 1),
        (-0.3, -1, 0),
        (1e308, 2.0**1023, 2.0**1023),
    ],
)
def test_bounds_on_the_disk_are_powers_of_two_outwards(
    number: float, down: float, up: float
) -> None:
    assert coarse_bound(number, up=False) == down
    assert coarse_bound(number, up=True) == up


def test_identifiers_have_no_bounds() -> None:
    profile = seen(*numbers(4_915_112_345_678), has_bounds=False)
    assert profile.kept()["low"] is None
    assert "4915" not in json.dumps(profile.kept())
    again = Profile.read("a", profile.kept())
    again.take(numbers(4_915_112_345_678), (), 0.0)
    assert again.high is None


def test_no_value_is_kept_or_shown() -> None:
    words = ["someone@example.org", "Erika Mustermann", "48.137154", "21.4 flat"]
    profile = seen(*words, Number("48.137154"), Number("-11.576124"))
    profile.take(["4"], ["other"], 0.0)
    text = json.dumps(profile.kept())
    assert not [one for one in ("example", "Erika", "48.1", "137", "11.5", "flat") if one in text]
    assert "48.13" not in repr(profile.kept())
    assert "last" not in repr(profile)


# --- In the house ---


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        yield built


def profile(house: House, path: str) -> Profile:
    found = house.firewall.profile(house.points()[path].id)
    assert found is not None
    return found


async def report(house: House, **body: Any) -> None:
    await house.ask(house.request(json.dumps(body).encode()))


async def test_what_is_seen_is_counted_whatever_becomes_of_it(house: House) -> None:
    await report(house, temp=4.5)
    await house.grant_all()
    await report(house, temp=5.5)
    known = profile(house, "$.body.temp")
    assert (known.messages, known.low, known.high) == (2, 4.5, 5.5)


async def test_it_comes_back_coarse(house: House) -> None:
    for temp in (4.5, 5.5, 7):
        await report(house, temp=temp, unit="C")
    await house.restart()
    known = profile(house, "$.body.temp")
    assert (known.messages, known.low, known.high, known.decimals) == (3, 4, 8, 1)
    assert known.units == {"°C"}
    assert known.has(Shape.NUMBER)
    assert known.last is None
    await report(house, temp=6)
    assert profile(house, "$.body.temp").messages == 4


async def test_it_is_not_written_for_each_message(house: House) -> None:
    await report(house, temp=4.5)
    await house.grant_all()
    with closing(sqlite3.connect(house.database)) as connection:
        (before,) = connection.execute("SELECT kept FROM profiles").fetchall()[:1]
        for _ in range(5):
            await report(house, temp=5.5)
        assert connection.execute("SELECT kept FROM profiles").fetchall()[:1] == [before]


async def test_what_is_forgotten_is_forgotten(house: House) -> None:
    await report(house, temp=4.5)
    await house.grant_all()
    point = house.points()["$.body.temp"]
    await house.firewall.forget_all_but(frozenset({"frost"}))
    assert house.firewall.profile(point.id) is None
    await house.firewall.stop()
    with closing(sqlite3.connect(house.database)) as connection:
        assert connection.execute("SELECT * FROM profiles").fetchall() == []
        assert connection.execute("SELECT * FROM traits").fetchall() == []
    await house.firewall.start()


async def test_what_cannot_be_understood_is_no_start(house: House) -> None:
    """Without it a change could not be told from what was always so: nothing leaves."""
    await report(house, temp=4.5)
    await house.firewall.stop()
    with closing(sqlite3.connect(house.database)) as connection:
        connection.execute("UPDATE profiles SET kept = '{}'")
        connection.commit()
    with pytest.raises(StorageError):
        await house.firewall.start()
    with closing(sqlite3.connect(house.database)) as connection:
        connection.execute("DELETE FROM profiles")
        connection.commit()
    await house.firewall.start()


async def test_marks_come_back_and_grow_with_what_is_seen(house: House) -> None:
    await report(house, thing="a", kidsLock=True)
    assert house.points()["$.body.thing"].sensitive == frozenset()
    assert house.points()["$.body.kidsLock"].sensitive == {Sensitive.CHILDREN}
    # The first of another form.
    await report(house, thing="someone@example.org", kidsLock=True)
    marked = house.points()["$.body.thing"]
    assert marked.sensitive == {Sensitive.CONTACTS}
    await house.restart()
    assert house.points()["$.body.thing"] == marked
    await report(house, thing="a", kidsLock=True)
    assert house.points()["$.body.thing"].sensitive == {Sensitive.CONTACTS}


async def test_a_file_of_before_gets_its_marks_by_name(house: House) -> None:
    await report(house, kidsLock=True)
    before = house.points()["$.body.kidsLock"]

    def strip() -> None:
        with closing(sqlite3.connect(house.database)) as connection:
            connection.executescript("DROP TABLE traits; DROP TABLE profiles;")

    await house.restart(meanwhile=strip)
    assert house.points()["$.body.kidsLock"].sensitive == before.sensitive
    assert house.points()["$.body.kidsLock"].id == before.id


async def test_large_messages_are_counted_beside_the_loop(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    to_thread = asyncio.to_thread

    async def noted(job: Any, *args: Any) -> Any:
        threads.append(getattr(getattr(job, "func", job), "__name__", ""))
        return await to_thread(job, *args)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    await report(house, many=list(range(2_000)))
    assert "observe" in threads
    assert profile(house, "$.body.many[*]").numbers == 2_000


async def test_a_category_that_identifies_has_no_bounds_in_the_house(house: House) -> None:
    await report(house, serial=123456789)
    point = house.points()["$.body.serial"]
    assert point.category is Category.IDENTIFIER
    assert profile(house, "$.body.serial").high is None
