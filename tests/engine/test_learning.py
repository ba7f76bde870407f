"""What was seen: data points, what they seem to be, and which are worth an entity."""

from dataclasses import replace

import pytest

from engine import learning
from engine.errors import Refused
from engine.events import Reading
from engine.model import (
    REQUEST_FIELD,
    Category,
    DataPoint,
    Field,
    Kind,
    Leaf,
    Number,
    Reason,
    data_point_id,
)
from engine.redaction.fields import Found

TEMPLATE = "POST cloud.example/v1"


def found(*leaves: tuple[Field | str, Leaf]) -> list[Found]:
    return [
        Found(item if isinstance(item, Field) else Field(item), "", value) for item, value in leaves
    ]


def learnt(
    *leaves: tuple[Field | str, Leaf],
    known: learning.Learning | None = None,
    recipients: tuple[str, ...] = ("cloud",),
    now: float = 5.0,
) -> list[DataPoint]:
    known = known or learning.Learning()
    return learning.unseen(
        found(*leaves),
        known.at("fridge", TEMPLATE),
        count=known.count("fridge"),
        appliance_id="fridge",
        template=TEMPLATE,
        recipients=recipients,
        now=now,
    )


def point(item: Field | str, value: Leaf = "open") -> DataPoint:
    [made] = learnt((item, value))
    return made


@pytest.mark.parametrize(
    ("path", "value", "category", "quantity", "unit"),
    [
        ("$.query.tempf", "71.5", Category.READING, "temperature", "°F"),
        ("$.body.tempinf", "71.5", Category.READING, "temperature", "°F"),
        ("$.body.main.temperature.value", Number("4"), Category.READING, "temperature", "°C"),
        ("$.query.humidity1", "40", Category.READING, "humidity", "%"),
        ("$.body.battery_percentage", Number("9"), Category.READING, "battery", "%"),
        ("$.body.doorOpen", True, Category.READING, "opening", None),
        ("$.body.co2", Number("612"), Category.SAFETY, "carbon_dioxide", "ppm"),
        ("$.body.door", "open", Category.READING, None, None),
        ("$.body.temperature", "high", Category.READING, None, None),
        ("$.body.smokeAlarm", False, Category.SAFETY, None, None),
        ("$.body.sleep.score", Number("80"), Category.HEALTH, None, None),
        ("$.body.sabbathMode", True, Category.PRESENCE, None, None),
        ("$.body.childLock", True, Category.CHILDREN, None, None),
        ("$.body.snapshot", "x.jpg", Category.MEDIA, None, None),
        ("$.body.lat", Number("52.516"), Category.LOCATION, None, None),
        ("$.body.timestamp", "2023-09-02T10:39:45Z", Category.TIME, None, None),
        ("$.body.setpoint", Number("4"), Category.SETTING, None, None),
        ("$.body.serial", "abc", Category.IDENTIFIER, None, None),
        ("$.body.anything", "24:C8:6E:06:B1:5C", Category.IDENTIFIER, None, None),
        ("$.query.PASSKEY", "abc", Category.CREDENTIAL, None, None),
        ("$.header.authorization", "Bearer x", Category.CREDENTIAL, None, None),
        ("$.body.remark", "Back at eight, key is under the mat", Category.TEXT, None, None),
    ],
)
def test_described(
    path: str, value: Leaf, category: Category, quantity: str | None, unit: str | None
) -> None:
    made = point(path, value)
    assert (made.category, made.quantity, made.unit) == (category, quantity, unit)


def test_no_value_is_kept() -> None:
    made = learnt(
        ("$.body.note", "canary-note"),
        ("$.body.count", Number("990017")),
        (Field("$.body.hr.*", ("name",)), "1618691453"),
    )
    assert len(made) == 3
    assert not any(value in repr(made) for value in ("canary-note", "990017", "1618691453"))


def test_new_once() -> None:
    known = learning.Learning()
    first = learnt(("$.body.a", "x"), ("$.body.a", Number("1")), ("$.body.b", None), known=known)
    assert [one.field.path for one in first] == ["$.body.a", "$.body.b"]
    assert first[0].kinds == {Kind.TEXT, Kind.NUMBER}
    known.add(first)
    assert learnt(("$.body.a", "y"), ("$.body.b", None), known=known) == []
    assert known.count("fridge") == 2


def test_new_kind_and_new_recipient_are_news() -> None:
    known = learning.Learning(learnt(("$.body.a", "x")))
    [changed] = learnt(("$.body.a", True), known=known, now=9.0)
    assert changed.kinds == {Kind.TEXT, Kind.BOOLEAN}
    assert changed.first_seen == 5.0
    known.add([changed])
    assert known.count("fridge") == 1
    [changed] = learnt(("$.body.a", True), known=known, recipients=("cloud", "ads"))
    assert changed.recipients == ("cloud", "ads")


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Field("$.body.readings[*].value", ("type=SN4711AB",)), "Readings (type=*)"),
        ("$.body.SN4711AB.temperature", "* temperature"),
        ("$.body['plug-aabbcc'].power", "* power"),
        ("$.body.door.temperature", "Door temperature"),
    ],
)
@pytest.mark.parametrize("is_earlier", [False, True])
def test_none_is_called_after_an_identity(
    item: Field | str, name: str, *, is_earlier: bool
) -> None:
    field = item if isinstance(item, Field) else Field(item)
    identities = {"$.body.serialNumber": "SN4711AB", "$.body.mac": "24:6F:28:AA:BB:CC"}
    seen = found((field, Number("4")), *([] if is_earlier else identities.items()))
    fresh = learnt(*((item, value) for item, _, value in seen))
    remembered = frozenset({"sn4711ab", "246f28aabbcc"} if is_earlier else ())
    made = learning.renamed(fresh, seen, {}, remembered)
    assert made[0].name == name
    # It is the same data point all the same, and one that there is keeps its name.
    assert made[0].id == data_point_id("fridge", TEMPLATE, field)
    assert learning.renamed(fresh, seen, {one.field: one for one in fresh}, remembered) == fresh


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MAX_DATA_POINTS", 2)
    known = learning.Learning(learnt(("$.body.a", "x"), ("$.body.b", "x")))
    assert learnt(("$.body.a", True), known=known)
    with pytest.raises(Refused) as refusal:
        learnt(("$.body.c", "x"), known=known)
    assert refusal.value.reason is Reason.TOO_MANY_DATA_POINTS


def test_places_are_apart() -> None:
    here = point("$.body.a")
    elsewhere = replace(here, id="other", template="POST cloud.example/v2")
    known = learning.Learning([here, elsewhere])
    before = known.at("fridge", TEMPLATE)
    assert before == {here.field: here}
    known.add(learnt(("$.body.b", "x")))
    assert before == {here.field: here}, "a reader in another thread is not disturbed"
    assert len(known.at("fridge", TEMPLATE)) == 2
    known.forget("fridge")
    assert (known.of("fridge"), known.count("fridge")) == ([], 0)
    assert known.at("fridge", TEMPLATE) == {}


# --- What is worth an entity ---


def test_readings_come_by_themselves() -> None:
    names = ["tempf", "humidity", "doorOpen"]
    points = [point(f"$.query.{name}", "1") for name in names]
    assert learning.promoted(points, frozenset()) == points


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("$.header['user-agent']", "Fridge"),
        ("$.cookie.sid", "abc"),
        ("$.path[1]", "12345"),
        ("$.body.serial", "abc"),
        ("$.body.password", "abc"),
        ("$.body.timestamp", "2023-09-02T10:39:45Z"),
        ("$.body.remark", "Back at eight, key is under the mat"),
        ("$.body.type", "Scale"),
        ("$.body.unit", "C"),
        (Field("$.body.*", ("name",)), "12345"),
        ("$.body.always", None),
        ("$.body.empty", {}),
        (REQUEST_FIELD, None),
    ],
)
def test_what_needs_to_be_chosen(item: Field | str, value: Leaf) -> None:
    made = point(item, value)
    assert learning.promoted([made], frozenset()) == []
    assert learning.promoted([made], frozenset({made.id})) == [made]


def test_few_come_by_themselves() -> None:
    points = [point(f"$.body.x{number}.temperature", Number("1")) for number in range(60)]
    assert learning.promoted(points, frozenset()) == points[: learning.MAX_PROMOTED_PER_RECIPIENT]
    shared = [
        replace(one, recipients=(f"cloud{number % 20}",)) for number, one in enumerate(points)
    ]
    cost = sum(2 for _ in learning.promoted(shared, frozenset()))
    assert cost <= learning.MAX_ENTITIES


def test_newcomers_take_no_place() -> None:
    early = [
        point(f"$.body.x{number}.door", "open")
        for number in range(learning.MAX_PROMOTED_PER_RECIPIENT)
    ]
    late = replace(point("$.body.temperature", Number("1")), first_seen=99.0)
    assert learning.promoted([late, *early], frozenset()) == early
    assert late in learning.promoted([late, *early], frozenset({late.id}))


@pytest.mark.parametrize(
    ("path", "value", "by_itself", "chosen"),
    [
        ("$.body.temperature", Number("1"), True, True),
        ("$.body.sleep", Number("1"), False, True),
        ("$.body.away", True, False, True),
        ("$.body.lat", Number("52.516"), False, False),
        ("$.body.coords.x", Number("52.516"), False, False),
        ("$.body.sunset", Number("65"), False, True),
        ("$.body.resident", "Anna Smith", False, False),
        ("$.body.childLock", True, False, True),
        ("$.body.serial", "abc", False, False),
        ("$.body.password", "abc", False, False),
        ("$.body.photo", "abc", False, False),
        ("$.body.remark", "Back at eight, key is under the mat", False, False),
        ("$.body.temperature", None, False, False),
    ],
)
def test_sensor(path: str, value: Leaf, by_itself: bool, chosen: bool) -> None:
    made = point(path, value)
    assert learning.has_sensor(made, frozenset()) is by_itself
    assert learning.has_sensor(made, frozenset({made.id})) is chosen


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("$.body.count", Number("1.10"), 1.1),
        ("$.query.tempf", "71.5", 71.5),
        ("$.query.code", "0042", "0042"),
        ("$.body.door", "open", "open"),
        ("$.body.door", True, True),
        ("$.body.door", None, None),
        ("$.body.door", {}, None),
        ("$.body.door", "4.5 °C", "4.5 °C"),
        ("$.body.door", "4 Elm Street", None),
        ("$.body.mode", "x" * 999, "x" * 255),
        ("$.body.door", "24:C8:6E:06:B1:5C", None),
        ("$.body.door", "anna@example.org", None),
        ("$.body.door", "Back at eight, key is under the mat", None),
        ("$.body.mode", "call +49 30 1234567", None),
        ("$.query.tempf", "+49301234567", None),
        ("$.body.position", Number("13.404954"), None),
        ("$.body.position", Number("50"), 50.0),
        ("$.body.count", Number("1e999"), None),
        ("$.query.tempf", "nan", "nan"),
    ],
)
def test_reading(path: str, value: Leaf, read: str | float | bool | None) -> None:
    made = point(path, value)
    assert learning.reading(made, value, 7.0) == Reading(data_point_id=made.id, value=read, at=7.0)
