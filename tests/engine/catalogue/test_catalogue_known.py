"""Whose words hold: told by the endpoint, or by members that stand together."""

from dataclasses import replace

import pytest

from engine.catalogue import known as vendors
from engine.catalogue.known import Catalogue, category_of, find, read_folder
from engine.catalogue.reader import read_vendor
from engine.catalogue.vendor import EntityKind, Known, Vendor
from engine.model import Category, DataPoint, Field, Kind

HEAD = """\
verified: {source: s, payload: upload, shape: x, date: 2026-03-01}
transport: [http]
"""


def vendor(key: str, endpoint: str, path: str = "$.body.cold", more: str = "") -> Vendor:
    text = (
        f"vendor: {key}\n{HEAD}"
        "recipients:\n"
        f"  - {{organisation: {key}, purpose: service, endpoints: ['{endpoint}']}}\n"
        f"data_points:\n  - {{path: '{path}', name: of {key}, category: reading}}\n{more}"
    )
    return read_vendor(text.encode(), f"{key}.yaml")


FROST = vendor("frost", "POST http://in.frost.example/v1")
COLD = Field("$.body.cold")


def named(catalogue: Catalogue, template: str, *fields: Field) -> str | None:
    known = find(catalogue.at(template, fields), COLD)
    return known.name if known else None


@pytest.mark.parametrize(
    ("template", "holds"),
    [
        ("POST in.frost.example/v1", True),
        ("POST in.frost.example/v1/report/*", True),
        ("POST in.frost.example/v11", False),
        ("GET in.frost.example/v1", False),
        ("POST out.frost.example/v1", False),
        ("POST x.in.frost.example/v1", False),
        ("opaque traffic", False),
        ("", False),
    ],
)
def test_a_vendors_words_hold_at_its_endpoint_alone(template: str, holds: bool) -> None:
    assert named(Catalogue([FROST]), template, COLD) == ("of frost" if holds else None)


def test_the_longer_prefix_says_more() -> None:
    other = vendor("melt", "POST http://in.frost.example/v1/melt")
    for order in ([FROST, other], [other, FROST]):
        catalogue = Catalogue(order)
        assert named(catalogue, "POST in.frost.example/v1/melt/2") == "of melt"
        assert named(catalogue, "POST in.frost.example/v1/x") == "of frost"


MARKS = "marks: ['$.body.serial', '$.body.frost']\n"
MARKED = vendor("frost", "POST http://in.frost.example/v1", more=MARKS)
SERIAL, MARK = Field("$.body.serial"), Field("$.body.frost")


def test_at_a_server_of_ones_own_all_marks_must_stand_together() -> None:
    catalogue = Catalogue([MARKED])
    assert named(catalogue, "POST nas.example/in", COLD, SERIAL, MARK) == "of frost"
    assert named(catalogue, "POST nas.example/in", COLD, SERIAL) is None
    assert named(catalogue, "POST nas.example/in") is None


def test_marks_do_not_overrule_whose_endpoint_it_is() -> None:
    other = vendor("melt", "POST http://in.melt.example/")
    catalogue = Catalogue([MARKED, other])
    assert named(catalogue, "POST in.melt.example/x", COLD, SERIAL, MARK) == "of melt"


def test_a_path_is_found_in_any_spelling() -> None:
    catalogue = Catalogue([vendor("frost", "* http://f.example/", '$["body"].cold')])
    assert named(catalogue, "PUT f.example/") == "of frost"
    assert find(catalogue.at("PUT f.example/", ()), Field("$.body.cold", ("type=1",))) is None


HEALTHY = Known(field=COLD, name="Cold", category=Category.READING)


@pytest.mark.parametrize(
    "guessed", [Category.HEALTH, Category.IDENTIFIER, Category.CREDENTIAL, Category.SAFETY]
)
def test_what_seems_sensitive_stays_so_unless_the_file_says_why_not(guessed: Category) -> None:
    reasoned = replace(HEALTHY, lowers="a fridge has no health")
    assert category_of(HEALTHY, guessed, may_lower=True) is guessed
    assert category_of(reasoned, guessed, may_lower=True) is Category.READING
    # What was seen speaks against it, or only the members tell whose it is.
    assert category_of(reasoned, guessed, may_lower=False) is guessed
    assert category_of(replace(reasoned, sure=False), guessed, may_lower=True) is guessed


def test_what_the_file_says_is_more_sensitive_holds_always() -> None:
    health = replace(HEALTHY, category=Category.HEALTH, sure=False)
    assert category_of(health, Category.READING, may_lower=False) is Category.HEALTH


def test_what_marks_tell_is_not_sure() -> None:
    catalogue = Catalogue([MARKED])
    told = catalogue.at("POST nas.example/in", (COLD, SERIAL, MARK))
    assert [one.sure for one in told.values()] == [False]
    told = catalogue.at("POST in.frost.example/v1", (COLD,))
    assert [one.sure for one in told.values()] == [True]


@pytest.mark.parametrize(
    ("path", "template", "category", "entity", "is_reading"),
    [
        ("$.body.cold", "POST in.frost.example/v1", Category.READING, "sensor", True),
        ("$.body.cold", "POST in.frost.example/v1", Category.HEALTH, "binary_sensor", True),
        ("$.body.cold", "POST in.frost.example/v1", Category.READING, "none", False),
        ("$.body.cold", "POST in.frost.example/v1", Category.IDENTIFIER, "sensor", False),
        ("$.body.cold", "POST in.frost.example/v1", Category.TIME, "sensor", False),
        ("$.body.cold", "POST out.frost.example/v1", Category.READING, "sensor", False),
        ("$.body.warm", "POST in.frost.example/v1", Category.READING, "sensor", False),
    ],
)
def test_what_is_stated_as_a_reading(
    path: str, template: str, category: Category, entity: str, is_reading: bool
) -> None:
    stated = replace(FROST.data_points[0], entity=EntityKind(entity))
    point = DataPoint(
        id="1",
        appliance_id="fridge",
        template=template,
        field=Field(path),
        name="x",
        kinds=frozenset({Kind.NUMBER}),
        category=category,
        recipients=("cloud",),
    )
    found = Catalogue([replace(FROST, data_points=(stated,))]).readings([point])
    assert found == (frozenset({"1"}) if is_reading else frozenset())


def test_recipients_are_found_by_host_and_by_name() -> None:
    named_only = read_vendor(
        b"vendor: N\nby_name_only: true\nsource: s\n"
        b"recipients: [{organisation: N, purpose: unknown, names: ['m#.n.example']}]\n",
        "n.yaml",
    )
    catalogue = Catalogue([FROST, named_only])
    assert [one.organisation for one in catalogue.recipients_at("in.frost.example")] == ["frost"]
    assert [one.organisation for one in catalogue.recipients_at("m7.n.example")] == ["N"]
    assert catalogue.recipients_at("n.example") == ()


def test_an_answer_is_for_its_endpoint() -> None:
    more = (
        "answers: [{endpoint: 'POST http://in.frost.example/v1', content_type: text/plain,"
        " body: ok}]\n"
    )
    catalogue = Catalogue([vendor("frost", "POST http://in.frost.example/v1", more=more)])
    answer = catalogue.answer("POST", "in.frost.example", "/v1/x")
    assert answer is not None
    assert answer.body == b"ok"
    assert catalogue.answer("POST", "in.frost.example", "/v2") is None
    assert catalogue.answer("GET", "in.frost.example", "/v1") is None


def test_a_wrong_file_is_left_out_and_the_others_hold(tmp_path, monkeypatch, caplog) -> None:
    (tmp_path / "bad.yaml").write_text("vendor: [")
    (tmp_path / "good.yaml").write_text(
        "vendor: G\nby_name_only: true\nsource: s\n"
        "recipients: [{organisation: G, purpose: unknown, names: [g.example]}]\n"
    )
    catalogue, wrong = read_folder(tmp_path)
    assert [one.vendor for one in catalogue.vendors] == ["G"]
    assert [str(one).partition(",")[0] for one in wrong] == ["bad.yaml"]
    monkeypatch.setattr(vendors, "read_folder", lambda: (catalogue, wrong))
    assert vendors.load.__wrapped__() is catalogue
    assert "bad.yaml" in caplog.text
