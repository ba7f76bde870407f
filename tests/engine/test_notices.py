"""A notice says what was stated of a recipient, and where nobody stated anything, that."""

from dataclasses import replace

import pytest

from engine.model import Endpoint, Purpose, Recipient
from engine.notices import UNKNOWN, compose

FROST = Recipient(
    id="frost",
    organisation="Frost Ltd",
    purpose=Purpose.ANALYTICS,
    endpoints=(Endpoint.parse("POST https://b.example/v1"), Endpoint.parse("https://a.example/")),
    benefit="Ice",
    if_refused="No ice",
    functional=frozenset({"$.body.serial", "$.header['x-id']"}),
    neutral=frozenset({"$.body.mode"}),
)


def test_everything_that_was_stated_is_said() -> None:
    text = compose(FROST).text
    for stated in (
        "Frost Ltd", "analytics", "Ice", "No ice", "$.body.serial", "$.header['x-id']",
        "$.body.mode", "POST https://b.example/v1", "* https://a.example/",
    ):  # fmt: skip
        assert stated in text


def test_what_nobody_stated_is_unknown_and_not_made_up() -> None:
    bare = Recipient(id="x", organisation="X", purpose=Purpose.SERVICE, endpoints=())
    lines = dict(line.split(": ", 1) for line in compose(bare).text.splitlines())
    assert lines["What the household gets in return"] == UNKNOWN
    assert lines["What stops working without"] == UNKNOWN
    assert lines["Where to"] == UNKNOWN
    assert lines["Where it is stored, and how long"] == UNKNOWN
    assert lines["Sent along with anything granted"] == "nothing"


@pytest.mark.parametrize(
    "changed",
    [
        {"organisation": "Thaw"},
        {"purpose": Purpose.MARKETING},
        {"benefit": "More ice"},
        {"if_refused": ""},
        {"functional": frozenset({"$.body.serial"})},
        {"neutral": frozenset()},
        {"endpoints": FROST.endpoints[:1]},
        {"storage": "Iceland"},
        {"retention": "two years"},
        {"policy": "https://frost.example/privacy"},
    ],
)
def test_another_statement_is_another_notice(changed: dict[str, object]) -> None:
    other = compose(replace(FROST, **changed))  # type: ignore[arg-type]
    assert other.hash != compose(FROST).hash
    assert other.text != compose(FROST).text


def test_the_same_statement_is_the_same_notice() -> None:
    """Whatever order sets and endpoints come in."""
    again = replace(FROST, endpoints=FROST.endpoints[::-1], allow_private=True)
    assert compose(again) == compose(FROST)
    assert len(compose(FROST).hash) == 64


def test_names_that_no_gate_reads_are_stated_and_another_one_is_another_notice() -> None:
    plain = compose(FROST)
    named = compose(replace(FROST, names=frozenset({"mqtt.cloud.example"})))
    more = compose(replace(FROST, names=frozenset({"mqtt.cloud.example", "b.cloud.example"})))
    assert "cannot be read" not in plain.text
    assert "Where to by traffic that cannot be read: mqtt.cloud.example" in named.text
    assert len({plain.hash, named.hash, more.hash}) == 3
    only = compose(replace(FROST, endpoints=(), names=frozenset({"mqtt.cloud.example"})))
    assert "Where to: nowhere that can be read" in only.text


def test_what_is_stated_of_storage_is_said_and_the_rest_of_it_is_unknown() -> None:
    lines = compose(replace(FROST, storage="Iceland")).text.splitlines()
    assert "Where it is stored: Iceland" in lines
    assert "How long it is kept: unknown" in lines
    policy = "https://frost.example/privacy"
    text = compose(replace(FROST, retention="two years", policy=policy)).text
    assert "Where it is stored: unknown" in text
    assert "How long it is kept: two years" in text
    assert f"Its own words on it: {policy}" in text


def test_a_notice_of_before_stays_the_same_to_the_letter() -> None:
    """Consents hold the hash of the notice they were given under; it must not change by itself."""
    assert compose(FROST).hash == (
        "36fe9c71ae0cd327488c8893d85099151eb5bb3b000da80cb6bb7dabe9740bb2"
    )
    named = replace(FROST, names=frozenset({"mqtt.cloud.example"}))
    assert compose(named).hash == (
        "bff24f36118d536744af03a84a0a353d8787ac15726b8ca66ef447ae7a008025"
    )
