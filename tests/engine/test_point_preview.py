"""What a recipient would get of a data point: the same as it then gets."""

from dataclasses import replace
import json
from typing import Any

import pytest

from engine.model import Category, Level, Number, Outcome, Remainder
from engine.point_preview import PointPreview, RecipientPreview, Withheld, preview
from engine.revealing import Revealing
from engine.samples import Samples
from helpers import CLOUD, FRIDGE, House, post

AT = 1_790_000_000.0
BODY = {
    "temperature": 4.56,
    "program": "eco",
    "open": True,
    "startTime": "2026-01-01T12:34:56Z",
    "humidity": "61",
    "other": 1,
}


def looked_at(house: House, path: str, sent: dict[str, Any]) -> PointPreview:
    """The preview of a data point, after a message, under what the house granted."""
    samples = Samples()
    examined = house.send(post(json.dumps(sent).encode()))
    for point, values in examined.seen:
        samples.note(house.learning.get(point.id) or point, AT, values)
    shared: dict[str, set[str]] = {}
    for point_id, recipient_id in house.consents:
        shared.setdefault(recipient_id, set()).add(point_id)
    point = house.point(path)
    return preview(
        house.appliance,
        point,
        samples.newest(point.id),
        {one.id: one for one in house.recipients},
        shared={one: frozenset(ids) for one, ids in shared.items()},
        revealing=Revealing(house.points),
    )


def only(seen: PointPreview) -> RecipientPreview:
    [one] = seen.recipients
    return one


def leaves(house: House, sent: dict[str, Any]) -> Any:
    """What the cloud then gets; None where nothing leaves."""
    examined = house.send(post(json.dumps(sent).encode()))
    return None if examined.outgoing is None else json.loads(examined.outgoing.body)


@pytest.mark.parametrize("name", ["temperature", "program", "open", "startTime", "humidity"])
def test_it_is_what_then_leaves(name: str) -> None:
    house = House()
    house.send(post(json.dumps(BODY).encode()))
    house.grant("$.body.other")
    told = only(looked_at(house, f"$.body.{name}", BODY))
    assert (told.withheld, name in leaves(house, BODY)) == (Withheld.DROPPED, False)
    house.grant(f"$.body.{name}")
    assert leaves(house, BODY)[name] == told.exact == BODY[name]
    house.grant(f"$.body.{name}", level=Level.COARSE)
    left = leaves(house, BODY)
    assert left.get(name) == told.coarse
    assert (told.coarse is not None) == (name in left)


def test_a_constant_stands_where_the_cloud_needs_one() -> None:
    house = House(replace(CLOUD, neutral=frozenset({"$.body.temperature"})))
    house.send(post(json.dumps(BODY).encode()))
    house.grant("$.body.other")
    told = only(looked_at(house, "$.body.temperature", BODY))
    assert (told.withheld, told.neutral) == (Withheld.NEUTRAL, 0)
    assert leaves(house, BODY)["temperature"] == told.neutral


def test_without_another_consent_the_whole_message_stays() -> None:
    house = House()
    told = only(looked_at(house, "$.body.temperature", BODY))
    assert (told.withheld, leaves(house, BODY)) == (Withheld.DENIED, None)
    house = House(appliance=replace(FRIDGE, remainder=Remainder.DENY))
    house.send(post(json.dumps(BODY).encode()))
    house.grant("$.body.other")
    told = only(looked_at(house, "$.body.temperature", BODY))
    assert (told.withheld, leaves(house, BODY)) == (Withheld.DENIED, None)


@pytest.mark.parametrize(
    "sent",
    [
        {"serial": "4CE0460D0G31"},
        {"password": "letters"},
        {"photo": "letters"},
        {"note": "24:C8:6E:06:B1:5C"},
        {"note": "anna@example.org"},
    ],
)
def test_what_identifies_or_opens_is_not_shown(sent: dict[str, str]) -> None:
    house = House()
    (name,) = sent
    seen = looked_at(house, f"$.body.{name}", sent)
    assert (seen.value, seen.is_hidden, seen.seen_at) == (None, True, AT)
    assert (only(seen).exact, only(seen).coarse) == (None, None)


def test_what_looks_like_an_identity_now_is_not_shown_either() -> None:
    house = House()
    assert looked_at(house, "$.body.program", {"program": "eco"}).value == "eco"
    seen = looked_at(house, "$.body.program", {"program": "anna@example.org"})
    assert seen.point.category is Category.SETTING
    assert (seen.value, seen.is_hidden) == (None, True)


def test_nothing_is_made_up_where_nothing_was_seen() -> None:
    house = House()
    house.send(post(json.dumps(BODY).encode()))
    point = house.point("$.body.temperature")
    seen = preview(
        house.appliance, point, None, {CLOUD.id: CLOUD}, shared={}, revealing=Revealing([point])
    )
    assert (seen.value, seen.seen_at, seen.is_hidden) == (None, None, False)
    assert (only(seen).exact, only(seen).coarse) == (None, None)
    assert only(seen).coarse_possible


def test_what_else_it_reveals_counts_what_is_granted() -> None:
    sent = {"dewptf": 51.2, "humidity": 61, "tempf": 60.1}
    house = House()
    house.send(post(json.dumps(sent).encode()))
    assert only(looked_at(house, "$.body.dewptf", sent)).also_reveals == ()
    house.grant("$.body.humidity")
    (found,) = only(looked_at(house, "$.body.dewptf", sent)).also_reveals
    assert found.told == house.point("$.body.tempf").id


def test_large_and_odd_numbers() -> None:
    house = House()
    for number in ("1e300", "12345678901234567890", "-0.0", "1E2"):
        body = f'{{"temperature": {number}}}'.encode()
        house.send(post(body))
        samples = Samples()
        point = house.point("$.body.temperature")
        samples.note(point, AT, [Number(number)])
        seen = preview(
            house.appliance,
            point,
            samples.newest(point.id),
            {CLOUD.id: CLOUD},
            shared={},
            revealing=Revealing([point]),
        )
        assert seen.value is not None
    assert house.send(post(b'{"temperature": 1}')).verdict.outcome is Outcome.DENY
