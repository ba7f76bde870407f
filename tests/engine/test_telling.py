"""What a data point is called and means, when it is new and when it was stored before."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import learning, memory
from engine.catalogue import known
from engine.catalogue.known import Catalogue, read_folder
from engine.catalogue.reader import read_vendor
from engine.catalogue.vendor import Known
from engine.errors import StorageError
from engine.firewall import Firewall
from engine.learning import describe
from engine.model import Category, DataPoint, Decider, Endpoint, Field, Kind, Level, Number, Text
from engine.redaction.fields import Found
from engine.telling import retold, settle
from helpers import CLOUD, FRIDGE, HOST, House, post

VENDOR = f"""\
vendor: Frost
verified: {{source: s, payload: upload, shape: x, date: 2026-03-01}}
transport: [http]
recipients: [{{organisation: Frost, purpose: service, endpoints: ['POST http://{HOST}/v1'] }}]
marks: ["$.body.one", "$.body.two"]
data_points:
  - {{path: "$.body.co", name: Cold store, category: reading, quantity: temperature, unit: °C,
      lowers: "short for cold, not carbon monoxide"}}
  - {{path: "$.body.tmp", name: Fridge temperature, category: reading, quantity: temperature, unit: °C}}
  - {{path: "$.body.weight", name: Weight of food, category: reading, quantity: weight, unit: kg}}
  - {{path: "$.body.load", name: Load, category: reading, quantity: weight, unit: kg}}
  - {{path: "$.body.hours", name: Hours at home, category: presence}}
"""  # noqa: E501 - an item a line, as the files have it
CATALOGUE = Catalogue([read_vendor(VENDOR.encode(), "frost.yaml")])
TEMPLATE = f"POST {HOST}/v1/report"


def seen(path: str, value: object, catalogue: Catalogue = CATALOGUE) -> DataPoint:
    [found] = learning.unseen(
        [Found(Field(path), path, value)],  # type: ignore[arg-type]
        {},
        count=0,
        appliance_id="fridge",
        template=TEMPLATE,
        recipients=("cloud",),
        now=1.0,
        catalogue=catalogue,
    )
    return found


def meaning(point: DataPoint) -> tuple[str, Category, str | None, str | None]:
    return point.name, point.category, point.unit, point.quantity


def test_what_is_new_is_called_what_the_file_says() -> None:
    assert meaning(seen("$.body.tmp", Number("4"), Catalogue())) == (
        "Tmp", Category.READING, None, None,
    )  # fmt: skip
    assert meaning(seen("$.body.tmp", Number("4"))) == (
        "Fridge temperature", Category.READING, "°C", "temperature",
    )  # fmt: skip


@pytest.mark.parametrize("value", [Number("4"), "4.5", Text.spelled("-3", "-3"), None])
def test_a_number_in_any_dress_has_the_unit(value: object) -> None:
    assert seen("$.body.tmp", value).unit == "°C"


@pytest.mark.parametrize("value", ["warm", True, "1e999", ""])
def test_what_is_no_number_has_no_unit_and_keeps_the_name(value: object) -> None:
    assert meaning(seen("$.body.tmp", value)) == (
        "Fridge temperature", Category.READING, None, None,
    )  # fmt: skip


def test_what_seems_health_stays_so_without_a_reason_and_is_safety_no_more_with_one() -> None:
    assert seen("$.body.weight", Number("4")).category is Category.HEALTH
    assert seen("$.body.co", Number("4"), Catalogue()).category is Category.SAFETY
    assert seen("$.body.co", Number("4")).category is Category.READING


def test_a_value_that_identifies_is_an_identifier_whatever_the_file_says() -> None:
    point = seen("$.body.co", "48:e1:e9:00:11:22")
    assert meaning(point) == ("Cold store", Category.IDENTIFIER, None, None)


def test_what_the_file_finds_more_sensitive_gets_no_sensor_by_itself() -> None:
    point = seen("$.body.hours", Number("3"))
    assert point.category is Category.PRESENCE
    assert not learning.has_sensor(point, frozenset())


def test_without_the_catalogue_nothing_changes() -> None:
    guess = describe(Field("$.body.tmp"), Number("4"))
    assert settle(guess, None, has_number=True, may_lower=True) is guess


def test_known_members_at_another_host_are_described_once_all_marks_were_seen() -> None:
    found = [Found(Field(f"$.body.{name}"), "", Number("1")) for name in ("one", "two", "tmp")]
    arguments = {
        "count": 0, "appliance_id": "fridge", "template": "POST nas.example/x",
        "recipients": ("cloud",), "now": 1.0, "catalogue": CATALOGUE,
    }  # fmt: skip
    names = [one.name for one in learning.unseen(found, {}, **arguments)]  # type: ignore[arg-type]
    assert names == ["One", "Two", "Fridge temperature"]
    # The marks may have come with earlier messages.
    [first, second] = learning.unseen(found[:2], {}, **arguments)  # type: ignore[arg-type]
    before = {first.field: first, second.field: second}
    [third] = learning.unseen(found[2:], before, **arguments)  # type: ignore[arg-type]
    assert third.name == "Fridge temperature"


# --- What was stored before ---


STORED = DataPoint(
    id="p", appliance_id="fridge", template=TEMPLATE, field=Field("$.body.tmp"), name="Tmp",
    kinds=frozenset({Kind.NUMBER}), category=Category.READING, recipients=("cloud",),
    first_seen=7.0,
)  # fmt: skip


def again(point: DataPoint, *coarse: str) -> DataPoint:
    [told] = retold([point], CATALOGUE, frozenset(coarse))
    return told


def test_what_was_stored_is_told_anew_with_all_else_as_it_was() -> None:
    told = again(STORED)
    assert meaning(told) == ("Fridge temperature", Category.READING, "°C", "temperature")
    name = {"name": "Tmp", "unit": None, "quantity": None}
    assert replace(told, **name) == STORED  # type: ignore[arg-type]


def test_what_is_given_coarse_keeps_the_unit_that_it_is_made_coarse_by() -> None:
    told = again(STORED, "p")
    assert meaning(told) == ("Fridge temperature", Category.READING, None, None)


def test_what_was_an_identifier_stays_one_though_the_file_has_a_reason() -> None:
    """No value is left that could tell what it was taken for one by."""
    for category in (Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA):
        stored = replace(STORED, field=Field("$.body.co"), category=category)
        assert meaning(again(stored)) == ("Cold store", category, None, None)
    stored = replace(STORED, field=Field("$.body.co"), category=Category.SAFETY)
    assert again(stored).category is Category.READING


def test_a_stored_truth_value_gets_no_unit() -> None:
    assert again(replace(STORED, kinds=frozenset({Kind.BOOLEAN}))).unit is None


def test_what_nobody_knows_stays_as_it_is() -> None:
    for other in ({"template": "POST other.example/v1"}, {"field": Field("$.body.other")}):
        stored = replace(STORED, **other)  # type: ignore[arg-type]
        assert again(stored) is stored


# --- From end to end ---


async def test_a_restart_tells_stored_data_points_anew_and_moves_no_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update that brought a vendor's file along."""
    service = replace(CLOUD, endpoints=(Endpoint(host=HOST, scheme="http"),))

    async def started(catalogue: Catalogue) -> Firewall:
        monkeypatch.setattr(known, "load", lambda: catalogue)
        firewall = Firewall(database=tmp_path / "firewall.db", on_event=lambda _: None)
        await firewall.start()
        firewall.configure([FRIDGE], [service])
        return firewall

    firewall = await started(Catalogue())
    body = '{"tmp": 4, "weight": 3, "load": 17, "humidity": 40}'
    await firewall._pipeline.handle(post(body))
    points = {point.field.path: point for point in firewall.data_points("fridge")}
    for path, level in (("$.body.tmp", Level.EXACT), ("$.body.load", Level.COARSE)):
        await firewall.grant(points[path].id, "cloud", how="switch", level=level)
    before = {consent.pair: consent for consent in firewall.decided()}
    await firewall.stop()

    firewall = await started(CATALOGUE)
    told = {point.field.path: point for point in firewall.data_points("fridge")}
    assert meaning(told["$.body.tmp"])[:3] == ("Fridge temperature", Category.READING, "°C")
    assert meaning(told["$.body.weight"])[:2] == ("Weight of food", Category.HEALTH)
    # Given coarse: how coarse hangs on the unit.
    assert meaning(told["$.body.load"]) == ("Load", Category.READING, None, None)
    assert told["$.body.humidity"] == points["$.body.humidity"]
    assert {path: point.id for path, point in told.items()} == {
        path: point.id for path, point in points.items()
    }
    assert {consent.pair: consent for consent in firewall.decided()} == before
    assert all(firewall.is_sharing(*pair) for pair in before)
    # Kept as well, each in its place: a coarse grant of now is made coarse the same way later.
    assert await memory.data_points(firewall._database) == firewall.data_points("fridge")
    known_now = firewall.known(told["$.body.tmp"])
    assert known_now is not None
    assert known_now.unit == "°C"
    assert firewall.known(told["$.body.humidity"]) is None
    await firewall.stop()


@pytest.mark.parametrize("let_through", [False, True])
async def test_what_comes_through_the_pipeline_is_called_what_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, let_through: bool
) -> None:
    """Also while everything is let through; and a large message, which a thread works on."""
    monkeypatch.setattr(known, "load", lambda: CATALOGUE)
    firewall = Firewall(database=tmp_path / "firewall.db", on_event=lambda _: None)
    await firewall.start()
    firewall.configure([FRIDGE], [CLOUD])
    if let_through:
        await firewall.consents.let_through("fridge", Decider(how="switch"), seconds=60)
    await firewall._pipeline.handle(post('{"tmp": 4}'))
    await firewall._pipeline.handle(post(f'{{"load": 4, "more": "{"x" * 9_000}"}}'))
    names = {point.field.path: point.name for point in firewall.data_points("fridge")}
    assert names["$.body.tmp"] == "Fridge temperature"
    assert names["$.body.load"] == "Load"
    assert names["$.body.more"] == "More"
    await firewall.stop()


async def test_where_it_cannot_be_kept_all_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a coarse grant of today would be made coarse by another unit after the next start."""

    async def full(*_: object) -> None:
        raise StorageError("no space")

    monkeypatch.setattr(known, "load", lambda: CATALOGUE)
    firewall = Firewall(database=tmp_path / "firewall.db", on_event=lambda _: None)
    await firewall.start()
    await memory.remember(firewall._database, "fridge", (STORED,), [])
    assert (await firewall._retold([STORED]))[0].unit == "°C"
    monkeypatch.setattr(memory, "retell", full)
    assert await firewall._retold([STORED]) == [STORED]
    await firewall.stop()


def test_the_way_through_asks_the_catalogue_only_for_what_is_new() -> None:
    asked: list[str] = []

    class Counting(Catalogue):
        def at(self, template, fields):
            asked.append(template)
            return super().at(template, fields)

    house = House(CLOUD)
    counting = Counting(CATALOGUE.vendors)
    learnt = learning.unseen
    message = [Found(Field("$.body.tmp"), "", Number("4"))]
    for _ in range(3):
        fresh = learnt(
            message,
            house.learning.at("fridge", TEMPLATE),
            count=0,
            appliance_id="fridge",
            template=TEMPLATE,
            recipients=("cloud",),
            now=1.0,
            catalogue=counting,
        )
        house.learning.add(fresh)
    assert asked == [TEMPLATE]


def test_the_packages_own_files_describe_a_real_station() -> None:
    catalogue, _ = read_folder()
    found: Known | None = None
    for template in (
        "POST cdnrtpdate.ecowitt.net/data/report/",
        "POST rtpdate.ecowitt.net/data/report/",
    ):
        told = catalogue.at(template, ())
        found = next(one for one in told.values() if one.field.path == "$.body.tempinf")
        assert (found.name, found.unit) == ("Indoor temperature", "°F")
