"""Records and their chain: what is written is read back, and what was tampered with is named."""

from dataclasses import replace
from hashlib import sha256
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from engine.model import (
    Category,
    Consent,
    ConsentState,
    DataPoint,
    Decider,
    Field,
    Kind,
    Level,
    Purpose,
    Recipient,
)
from engine.records import COLUMNS, Row, facts_of, first_broken, link, record_of, row_of

CONSENT = Consent(
    appliance_id="fridge",
    data_point_id="0123456789abcdef",
    recipient_id="frost",
    state=ConsentState.GIVEN,
    level=Level.COARSE,
    kinds=frozenset({Kind.NUMBER, Kind.TEXT}),
    decided_at=1_700_000_000.25,
    until=1_700_000_900.5,
    functional=frozenset({"$.body.serial", "$.header['x-id']"}),
    notice="ab" * 32,
    subject="person-anna",
)
DECIDER = Decider(how="action", person="anna", context="01J", notice_shown=True)
POINT = DataPoint(
    id="0123456789abcdef",
    appliance_id="fridge",
    template="POST frost.example/v1",
    field=Field("$.body.weight", ("type=2",)),
    name="Weight",
    kinds=frozenset({Kind.NUMBER}),
    category=Category.HEALTH,
    recipients=("frost",),
)


def chain(count: int) -> list[tuple[int, Row, str]]:
    rows: list[tuple[int, Row, str]] = []
    digest = ""
    for number in range(1, count + 1):
        row = row_of(replace(CONSENT, decided_at=float(number)), DECIDER, {"n": str(number)})
        digest = link(digest, row)
        rows.append((number, row, digest))
    return rows


def broken(rows: list[tuple[int, Row, str]]) -> int | None:
    return next(first_broken(rows), None)


def test_everything_is_read_back() -> None:
    facts: dict[str, str | bool] = {"data": "Door", "special": False}
    row = row_of(CONSENT, DECIDER, facts)
    assert len(row) == len(COLUMNS)
    record = record_of(7, row, "digest")
    assert record.consent == replace(CONSENT, number=7)
    assert (record.decider, record.facts, record.hash) == (DECIDER, facts, "digest")
    assert record.at == CONSENT.decided_at


def test_what_was_not_stated_stays_so() -> None:
    plain = Consent(
        appliance_id="a", data_point_id="b", recipient_id="c", state=ConsentState.REFUSED
    )
    record = record_of(1, row_of(plain, Decider(how="switch"), {}), "")
    assert record.consent == replace(plain, number=1)
    assert record.decider == Decider(how="switch")


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "maybe"), ("level", "vague"), ("kinds", '["x"]'), ("facts", "{")],
)
def test_what_cannot_have_been_written_is_not_guessed(column: str, value: str) -> None:
    row = list(row_of(CONSENT, DECIDER, {}))
    row[COLUMNS.index(column)] = value
    with pytest.raises(ValueError, match=r".+"):
        record_of(1, tuple(row), "")


def test_a_record_keeps_the_names_of_its_time() -> None:
    frost = Recipient(id="frost", organisation="Frost", purpose=Purpose.SERVICE, endpoints=())
    assert facts_of("Fridge", POINT, frost) == {
        "appliance": "Fridge",
        "data": "Weight",
        "path": "$.body.weight (type=2)",
        "endpoint": "POST frost.example/v1",
        "category": "health",
        "special": True,
        "organisation": "Frost",
        "purpose": "service",
    }
    unknown = facts_of(None, replace(POINT, category=Category.READING), None)
    assert unknown["special"] is False
    assert unknown.keys() == {"data", "path", "endpoint", "category", "special"}


def test_a_record_keeps_what_its_recipient_states_where_it_states_it() -> None:
    frost = Recipient(
        id="frost",
        organisation="Frost",
        purpose=Purpose.SERVICE,
        endpoints=(),
        storage="Iceland",
        policy="https://frost.example/privacy",
    )
    facts = facts_of("Fridge", POINT, frost)
    assert (facts["storage"], facts["policy"]) == ("Iceland", "https://frost.example/privacy")
    assert "retention" not in facts


def test_an_untouched_chain_holds() -> None:
    assert broken(chain(20)) is None
    assert broken([]) is None


@pytest.mark.parametrize("column", COLUMNS)
def test_a_record_that_was_changed_is_named(column: str) -> None:
    rows = chain(9)
    number, row, digest = rows[4]
    at = COLUMNS.index(column)
    changed: list[Any] = list(row)
    changed[at] = "other" if isinstance(row[at], str) else 99.0
    rows[4] = number, tuple(changed), digest
    assert broken(rows) == 5


def test_a_record_whose_hash_was_changed_is_named() -> None:
    rows = chain(5)
    rows[2] = rows[2][0], rows[2][1], "0" * 64
    assert broken(rows) == 3


def test_after_a_record_that_was_removed_the_next_is_named() -> None:
    rows = chain(5)
    del rows[2]
    assert broken(rows) == 4
    assert broken(chain(5)[1:]) == 2, "the first one is missing"


def test_a_record_put_in_between_is_named() -> None:
    rows = chain(5)
    forged = row_of(replace(CONSENT, decided_at=2.5), DECIDER, {})
    rows.insert(2, (3, forged, link(rows[1][2], forged)))
    # It follows from the one before; what comes after it does not.
    assert broken(rows) == 3
    rows[2] = 9, forged, link("", forged)
    assert broken(rows) == 9


def test_records_that_changed_places_are_named() -> None:
    rows = chain(5)
    rows[1], rows[2] = rows[2], rows[1]
    assert broken(rows) == 3


@given(st.lists(st.text(max_size=5), min_size=2, max_size=4))
def test_what_stands_in_one_column_is_not_taken_for_two(texts: list[str]) -> None:
    joined = ("".join(texts), *[""] * (len(texts) - 1))
    if joined != tuple(texts):
        assert link("", tuple(texts)) != link("", joined)


def test_the_chain_is_what_docs_say() -> None:
    """SHA-256 over a JSON array: the hash before, then the columns."""
    row = row_of(CONSENT, DECIDER, {})
    text = json.dumps(["", *row], separators=(",", ":"))
    assert link("", row) == sha256(text.encode()).hexdigest()
