"""Time never goes back: whatever is done to the clocks, no moment comes again."""

import pytest

from engine.clock import ForwardClock, Seen, SystemClock
from helpers import FakeClock


def test_it_follows_the_wall_clock() -> None:
    machine = FakeClock()
    clock = ForwardClock(machine)
    assert clock.now() == machine.wall
    machine.pass_by(10)
    assert clock.now() == machine.wall
    machine.wall += 3600
    assert clock.now() == machine.wall, "set forward, it goes along"


def test_a_wall_clock_set_back_changes_nothing() -> None:
    machine = FakeClock()
    clock = ForwardClock(machine)
    start = clock.now()
    machine.pass_by(5)
    machine.wall -= 86400
    assert clock.now() == start + 5
    machine.pass_by(10)
    assert clock.now() == start + 15, "the machine's ticks go on"


def test_ticks_that_go_back_change_nothing() -> None:
    machine = FakeClock()
    clock = ForwardClock(machine)
    start = clock.now()
    machine.wall -= 100
    machine.up -= 100
    assert clock.now() == start
    machine.up += 7
    assert clock.now() == start + 7


def test_a_later_run_goes_on_where_an_earlier_one_was() -> None:
    machine = FakeClock()
    seen = ForwardClock(machine).seen()
    assert seen == Seen(at=machine.wall, ticks=1_000.0, boot="first")
    machine.up += 60
    machine.wall = 0.0
    later = ForwardClock(machine)
    later.resume(seen)
    assert later.now() == seen.at + 60, "also the time between the runs counts, by the ticks"


@pytest.mark.parametrize("boot", ["second", None])
def test_ticks_of_another_start_of_the_machine_say_nothing(boot: str | None) -> None:
    machine = FakeClock()
    seen = ForwardClock(machine).seen()
    machine.id, machine.up, machine.wall = boot, 50_000.0, 0.0
    later = ForwardClock(machine)
    later.resume(seen)
    assert later.now() == seen.at


def test_two_starts_that_cannot_be_told_apart_are_not_taken_for_one() -> None:
    machine = FakeClock(boot=None)
    seen = ForwardClock(machine).seen()
    machine.up, machine.wall = 50_000.0, 0.0
    later = ForwardClock(machine)
    later.resume(seen)
    assert later.now() == seen.at


def test_ticks_before_those_seen_do_not_lead_back() -> None:
    machine = FakeClock()
    seen = ForwardClock(machine).seen()
    machine.up, machine.wall = 1.0, 0.0
    later = ForwardClock(machine)
    later.resume(seen)
    assert later.now() == seen.at


def test_what_was_seen_earlier_does_not_lead_back_either() -> None:
    machine = FakeClock()
    clock = ForwardClock(machine)
    clock.resume(Seen(at=5.0, ticks=0.0, boot=None))
    assert clock.now() == machine.wall
    before = clock.now()
    machine.wall -= 3600
    clock.resume(Seen(at=before - 60, ticks=0.0, boot=None))
    assert clock.now() == before


def test_the_machines_own_clocks() -> None:
    clock = SystemClock()
    assert ForwardClock(clock).now() == pytest.approx(clock.now(), abs=1)
    first = clock.ticks()
    assert clock.ticks() >= first > 0
    assert clock.boot() == SystemClock().boot()
