"""That a grant ends soon is told once per grant and end."""

from dataclasses import replace

import pytest

from engine.endings import Endings, announced_at
from engine.model import Consent, ConsentState


def grant(until: float, decided_at: float = 0.0, point: str = "a") -> Consent:
    return Consent(
        appliance_id="fridge",
        data_point_id=point,
        recipient_id="frost",
        state=ConsentState.GIVEN,
        decided_at=decided_at,
        until=until,
    )


@pytest.mark.parametrize(
    ("length", "before"), [(3600.0, 300.0), (86400.0, 300.0), (900.0, 300.0), (90.0, 30.0)]
)
def test_five_minutes_before_or_in_the_last_third(length: float, before: float) -> None:
    one = grant(1000 + length, 1000.0)
    assert announced_at(one) == 1000 + length - before
    assert announced_at(replace(one, until=None)) == float("inf")


def test_those_that_end_together_are_told_together() -> None:
    endings = Endings()
    first, second, third = grant(900.0), grant(900.0, point="b"), grant(950.0, point="c")
    told = endings.due([first, second, third], 700.0)
    assert [(one.consents, one.until) for one in told] == [
        ((first, second), 900.0),
        ((third,), 950.0),
    ]
    assert endings.due([first, second, third], 800.0) == []


def test_one_that_is_over_or_has_no_end_is_not_told() -> None:
    assert Endings().due([grant(900.0), replace(grant(1.0), until=None)], 900.0) == []


def test_the_same_item_with_another_end_is_another() -> None:
    endings = Endings()
    assert endings.due([grant(900.0)], 800.0)
    assert endings.due([grant(901.0)], 800.0)


def test_those_that_ended_are_forgotten() -> None:
    endings = Endings()
    endings.due([grant(900.0)], 800.0)
    endings.due([], 950.0)
    assert endings._told == set()
