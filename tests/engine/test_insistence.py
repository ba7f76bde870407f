"""How often an appliance asks: what is usual, what was of late, and when that is a storm."""

import pytest

from engine.insistence import MAX_HOURS, MIN_OBSERVED, Rate, storm_threshold

BEGAN = 1_700_000_000.0


def ask(rate: Rate, every: float, seconds: float, begin: float = BEGAN) -> float:
    """Ask at a steady pace, from the beginning to the end of a time; return when that ends."""
    at = begin
    while at <= begin + seconds:
        rate.permitted(at)
        at += every
    return begin + seconds


def test_nothing_is_usual_before_enough_was_seen() -> None:
    rate = Rate()
    assert rate.usual() is None
    ask(rate, 60, MIN_OBSERVED - 60)
    assert rate.usual() is None
    rate.permitted(BEGAN + MIN_OBSERVED)
    assert rate.usual() == pytest.approx(60)


@pytest.mark.parametrize(("every", "usual"), [(60, 60), (600, 6), (3600, 1), (6 * 3600, 1)])
def test_usual_is_per_hour_in_which_it_asked(every: float, usual: float) -> None:
    rate = Rate()
    ask(rate, every, 30 * 3600)
    assert rate.usual() == pytest.approx(usual, rel=0.02)


def test_one_busy_hour_and_long_silence_change_nothing() -> None:
    rate = Rate()
    end = ask(rate, 300, 5 * 3600)
    end = ask(rate, 1, 3500, end + 3600)
    ask(rate, 300, 5 * 3600, end + 40 * 3600)
    assert rate.usual() == pytest.approx(12, rel=0.1)


def test_an_hour_that_was_cut_short_counts_by_what_was_seen_of_it() -> None:
    """From its first attempt to its last: how long after that it was permitted nobody saw."""
    rate = Rate()
    ask(rate, 60, 40 * 60)
    rate.begin_refusals()
    assert rate.hours() == [(pytest.approx(60), 2400)]
    short = Rate()
    ask(short, 60, 9 * 60)
    short.begin_refusals()
    assert short.hours() == []


def test_only_so_many_hours_are_kept() -> None:
    rate = Rate()
    ask(rate, 60, 100 * 3600)
    assert len(rate.hours()) == MAX_HOURS


def test_attempts_of_late_are_those_of_ten_minutes() -> None:
    rate = Rate()
    for minute in range(30):
        rate.attempt(BEGAN + 60 * minute)
    now = BEGAN + 60 * 29
    assert rate.recent(now) == 10
    assert rate.recent(now + 300) == 5
    assert rate.recent(now + 599) == pytest.approx(0, abs=1)
    assert rate.recent(now + 10_000) == 0
    rate.attempt(now + 20_000)
    assert rate.recent(now + 20_000) == 1


@pytest.mark.parametrize(
    ("usual", "threshold"), [(None, 0), (0.5, 10), (12, 10), (12.1, 11), (60, 50), (600, 500)]
)
def test_a_storm_is_five_times_the_usual_and_ten_attempts(
    usual: float | None, threshold: int
) -> None:
    assert storm_threshold(usual) == threshold


def test_it_is_told_with_the_attempt_that_makes_it_one() -> None:
    rate = Rate()
    end = ask(rate, 60, 3000)
    rate.begin_refusals()
    assert [rate.refused(end + 60 + one) for one in range(51)].index(True) == 49
    slow = Rate()
    end = ask(slow, 60, 3000)
    slow.begin_refusals()
    # Four times as often, for an hour.
    assert not any(slow.refused(end + 60 + 15 * one) for one in range(240))


def test_without_a_usual_nothing_is_a_storm() -> None:
    rate = Rate()
    rate.begin_refusals()
    assert not any(rate.refused(BEGAN + one) for one in range(500))
