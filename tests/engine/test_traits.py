"""What data points tell of people: measured on real messages, and word by word."""

from collections import Counter
from functools import cache
import json
from pathlib import Path
import re
import sys
from typing import Any, NamedTuple

import pytest

from engine import learning, traits
from engine.model import (
    REQUEST_FIELD,
    Category,
    DataPoint,
    Field,
    Kind,
    Leaf,
    Nature,
    Number,
    Sensitive,
)
from engine.redaction import fields
from engine.redaction.fields import Found
from engine.shapes import Shape
from engine.traits import Behaviour
from helpers import corpus, corpus_files

LABELS = Path(__file__).with_name("sensitive_labels.tsv")
LEAST_PRECISION = 0.95
LEAST_RECALL = 0.93
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{2}:){5,7}[0-9A-Fa-f]{2}")


class Label(NamedTuple):
    """One line of the list: which leaves, of which kind, and whether their values decide."""

    message: str
    path: re.Pattern[str]
    kind: Sensitive
    by_value: bool


@cache
def labels() -> list[Label]:
    found: list[Label] = []
    for line in LABELS.read_text().splitlines():
        if line.startswith("#"):
            continue
        message, path, kind, *by_value = line.split("\t")
        pattern = re.compile(".*".join(map(re.escape, path.split("~"))))
        found.append(Label(message, pattern, Sensitive(kind), bool(by_value)))
    return found


def tree(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: tree(child) for name, child in node.items()}
    if isinstance(node, list):
        return [tree(child) for child in node]
    if isinstance(node, (int, float)) and not isinstance(node, bool):
        return Number(repr(node))
    return node


def learned(message: Any) -> tuple[list[DataPoint], dict[Field, list[Leaf]]]:
    """The data points of a message seen once, and their values."""
    found = fields.walk({"body": tree(message)})
    points = learning.unseen(
        found, {}, count=0, appliance_id="a", template="t", recipients=("cloud",), now=0.0
    )
    values: dict[Field, list[Leaf]] = {}
    for item, _, value in found:
        values.setdefault(item, []).append(value)
    return points, values


@pytest.mark.corpus
def test_what_real_messages_tell_of_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Against the list that was made by hand first: of what is marked, and of what should be."""
    names = [*corpus_files("http/*.json"), *corpus_files("mqtt/*.json")]
    right: Counter[Sensitive] = Counter()
    marked: Counter[Sensitive] = Counter()
    meant: Counter[Sensitive] = Counter()
    for name in names:
        path = corpus(name)
        points, values = learned(json.loads(path.read_bytes()))
        for point in points:
            expected = {
                label.kind
                for label in labels()
                if path.stem.startswith(label.message)
                and label.path.fullmatch(str(point.field))
                and (not label.by_value or _holds_address(values[point.field]))
            }
            right.update(expected & point.sensitive)
            marked.update(point.sensitive)
            meant.update(expected)
    precision = right.total() / marked.total()
    recall = right.total() / meant.total()
    said = f"{right.total()} right, precision {precision:.3f}, recall {recall:.3f}"
    with capsys.disabled():
        sys.stdout.write(f"\nwhat is marked as sensitive: {said}\n")
    assert precision >= LEAST_PRECISION
    assert recall >= LEAST_RECALL


def _holds_address(values: list[Leaf]) -> bool:
    return any(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in values)


# --- By name ---


ONE = Number("1")


def seems(path: str, value: Leaf = ONE, *siblings: str) -> DataPoint:
    """What a data point at a path under the body seems to be, seen once with a value."""
    item = Field(f"$.body.{path}", siblings)
    (point,) = learning.unseen(
        [Found(item, item.path, value)],
        {},
        count=0,
        appliance_id="a",
        template="t",
        recipients=("cloud",),
        now=0.0,
    )
    return point


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("heartRate", Sensitive.HEALTH),
        ("sleepDuration", Sensitive.HEALTH),
        ("body_temperature", Sensitive.HEALTH),
        ("user.gewicht", Sensitive.HEALTH),
        ("motion", Sensitive.PRESENCE),
        ("doorOpenCount", Sensitive.PRESENCE),
        ("livingroom.occupancy", Sensitive.PRESENCE),
        ("fenster.contact", Sensitive.PRESENCE),
        ("vacation_mode", Sensitive.PRESENCE),
        ("lat", Sensitive.LOCATION),
        ("home.zipcode", Sensitive.LOCATION),
        ("time_zone", Sensitive.LOCATION),
        ("sabbathMode.status", Sensitive.RELIGION),
        ("oven.halal", Sensitive.RELIGION),
        ("prayer_times[*]", Sensitive.RELIGION),
        ("childLock", Sensitive.CHILDREN),
        ("settings.kindersicherung", Sensitive.CHILDREN),
        ("babyDetergentAmount", Sensitive.CHILDREN),
        ("voice_transcript", Sensitive.VOICE),
        ("lastSnapshot", Sensitive.IMAGE),
        ("persons[*].pseudo", Sensitive.CONTACTS),
        ("owner.name", Sensitive.CONTACTS),
        ("vorname", Sensitive.CONTACTS),
        ("wifi.ssid", Sensitive.NETWORK),
        ("gatewayMac", Sensitive.NETWORK),
        ("innerIp", Sensitive.NETWORK),
    ],
)
def test_a_name_gives_away_what_it_tells_and_is_the_evidence(path: str, kind: Sensitive) -> None:
    point = seems(path)
    assert kind in point.sensitive
    assert [line for line in point.evidence if line.startswith(f"{kind.value}: ")]


@pytest.mark.parametrize(
    "path",
    [
        "temperature",
        "heartbeat",
        "heart_beat_interval",
        "firmware.image",
        "sleepTimeout.cpu",
        "childProcess.memory",
        "supportedSabbathModes",
        "washerProgram",
        "robotCleanerMovement",
        "energy",
        "schedule.zones.time",
        "door.unit",
        "rssi",
        "away_temp",
        "voice_prompt_volume",
    ],
)
def test_what_is_said_of_machines_is_not_marked(path: str) -> None:
    assert seems(path).sensitive == frozenset()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("someone@example.org", Sensitive.CONTACTS),
        ("+49 89 1234567", Sensitive.CONTACTS),
        ("52.52031, 13.40512", Sensitive.LOCATION),
        ("Europe/Berlin", Sensitive.LOCATION),
        ("24:6f:28:00:11:22", Sensitive.NETWORK),
        ("192.168.1.17", Sensitive.NETWORK),
        ("https://cdn.example.org/1.jpg?x=1", Sensitive.IMAGE),
        ("https://cdn.example.org/1.opus", Sensitive.VOICE),
    ],
)
def test_a_value_gives_it_away_and_is_not_in_the_evidence(value: str, kind: Sensitive) -> None:
    point = seems("thing", value)
    assert point.sensitive == {kind}
    (line,) = point.evidence
    assert line.startswith(f"{kind.value}: it looks like ")
    assert value not in line


def test_the_sibling_that_gives_a_value_its_meaning() -> None:
    assert seems("items[*].value", "closed", "key=DoorState").sensitive == {Sensitive.PRESENCE}
    assert seems("items[*].value", "closed", "key=Program").sensitive == frozenset()


def test_what_never_held_anything_tells_nothing() -> None:
    assert seems("wifiList", {}).sensitive == frozenset()
    assert seems("wifiList", "a").sensitive == {Sensitive.NETWORK}


def test_neighbours_give_away_what_stands_among_them() -> None:
    night = {"deepsleepduration": 1, "remsleepduration": 2, "snoring": 3, "waso": 4, "xq": 5}
    points, _ = learned({"night": night, "room": {"xq": 5}})
    marked = {one.field.path: one for one in points}
    assert marked["$.body.night.xq"].sensitive == {Sensitive.HEALTH}
    assert marked["$.body.night.xq"].evidence == ("health: it stands beside 4 that tell of it",)
    assert marked["$.body.room.xq"].sensitive == frozenset()


def test_a_switch_between_two_that_people_flip() -> None:
    item, kinds = Field("$.body.radar.active"), frozenset({Kind.BOOLEAN})

    def marked(times: float | None) -> frozenset[Sensitive]:
        return traits.traits(
            item, Category.READING, kinds, Behaviour(changes_per_day=times)
        ).sensitive

    assert marked(12.0) == {Sensitive.PRESENCE}
    assert marked(None) == marked(0.1) == marked(5_000.0) == frozenset()


def test_once_marked_it_stays_marked() -> None:
    point = seems("thing", "someone@example.org")
    again = traits.joined(
        point, traits.traits(point.field, point.category, point.kinds, Behaviour())
    )
    assert again.sensitive == point.sensitive
    assert again.evidence == point.evidence


def test_what_an_earlier_version_kept_is_marked_by_its_name() -> None:
    point = DataPoint(
        id="1",
        appliance_id="a",
        template="t",
        field=Field("$.body.kidsLock"),
        name="Kids lock",
        kinds=frozenset({Kind.BOOLEAN}),
        category=Category.READING,
        recipients=("cloud",),
    )
    (marked,) = traits.remembered([point])
    assert marked.sensitive == {Sensitive.CHILDREN}
    assert traits.remembered([marked]) == [marked]


@pytest.mark.parametrize(
    ("path", "value", "nature"),
    [
        ("serial", "A1B2C3D4", Nature.IDENTIFIER),
        ("access_token", "abcdef0123456789", Nature.CREDENTIAL),
        ("mode", "eco", Nature.SETTING),
        ("temperature", Number("4.5"), Nature.READING),
        ("lastRun", "2026-01-01T00:00:00Z", Nature.TIME),
        ("coordinates", "52.52031, 13.40512", Nature.PLACE),
        ("persons[*].pseudo", "x", Nature.PERSON),
        ("snapshot", "https://cdn.example.org/1.jpg", Nature.MEDIA),
        ("remark", "what one may say at length", Nature.TEXT),
    ],
)
def test_what_it_is(path: str, value: Leaf, nature: Nature) -> None:
    assert seems(path, value).nature is nature


def test_the_call_itself_tells_nothing() -> None:
    assert (
        traits.traits(
            REQUEST_FIELD, Category.REQUEST, frozenset(), Behaviour(shapes=frozenset({Shape.NULL}))
        )
        == traits.Traits()
    )
