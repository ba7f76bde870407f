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
