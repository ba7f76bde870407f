"""Truths that follow from others: sums, counters, what was highest today."""

import random
from typing import Any

from simulated import (
    DAY,
    END,
    GRID,
    HOUR,
    START,
    STEP,
    Truth,
    Value,
    World,
    day_start,
    limited,
    shape,
)


@shape
def integral(
    world: World, rng: random.Random, *, of: str, per: float = 3_600_000.0, base: float = 0.0
) -> Truth:
    """What adds up: watts become kilowatt hours, millimetres an hour (`per` 3600) millimetres."""
    level, total = world.level(of), base
    values: list[Value] = []
    for when in GRID:
        values.append(total)
        total += level(when) * STEP / per
    return Truth(GRID, values)


@shape
def since(world: World, rng: random.Random, *, of: str, period: str, start: float = 0.0) -> Truth:
    """How much of a total came in this hour, day, week or month; `start` is what was there."""
    total = world[of]
    first = day_start(START, period)
    return Truth(
        GRID,
        [
            total.number(when)
            - total.number(max(START, day_start(when, period)))
            + (start if day_start(when, period) == first else 0.0)
            for when in GRID
        ],
    )


@shape
def yesterday(world: World, rng: random.Random, *, of: str, start: float = 0.0) -> Truth:
    """How much of a total came on the day before."""
    total = world[of]
    times = [START + day * DAY for day in range(int((END - START) / DAY))]
    values: list[Value] = [start]
    values += [total.number(when) - total.number(when - DAY) for when in times[1:]]
    return Truth(times, values)


@shape
def count(
    world: World, rng: random.Random, *, of: str, base: int = 0, daily: bool = False
) -> Truth:
    """How often something became true."""
    times: list[float] = [START]
    values: list[Value] = [base]
    source = world[of]
    ticks = [(when, True) for when in source.changes() if source.at(when) is True]
    if daily:
        ticks += [(START + day * DAY, False) for day in range(1, 8)]
    total = base
    for when, rises in sorted(ticks):
        total = total + 1 if rises else 0
        times.append(when)
        values.append(total)
    return Truth(times, values)


@shape
def last(world: World, rng: random.Random, *, of: str, before: float = 5000.0) -> Truth:
    """When something last became true, in seconds since the epoch."""
    source = world[of]
    rises: list[float] = [when for when in source.changes() if source.at(when) is True]
    return Truth([START, *rises], [START - before, *rises])


@shape
def product(world: World, rng: random.Random, *, of: list[Any], times: float = 1.0) -> Truth:
    levels = [world.level(one) for one in of]
    values: list[Value] = []
    for when in GRID:
        value = times
        for level in levels:
            value *= level(when)
        values.append(value)
    return Truth(GRID, values)


@shape
def total(
    world: World,
    rng: random.Random,
    *,
    of: list[Any],
    add: float = 0.0,
    low: float | None = None,
    high: float | None = None,
) -> Truth:
    levels = [world.level(one) for one in of]
    return Truth(
        GRID, [limited(add + sum(level(when) for level in levels), low, high) for when in GRID]
    )


@shape
def near(
    world: World,
    rng: random.Random,
    *,
    of: str,
    sd: float,
    factor: float = 1.0,
    add: float = 0.0,
    low: float | None = None,
    high: float | None = None,
) -> Truth:
    """Nearly another truth, but not it: a sensor beside it, a battery of the same age."""
    level = world.level(of)
    return Truth(
        GRID, [limited(level(when) * factor + add + rng.gauss(0, sd), low, high) for when in GRID]
    )


@shape
def when(
    world: World,
    rng: random.Random,
    *,
    of: str,
    then: Value,
    otherwise: Value,
    words: list[Value] | None = None,
    sd: float = 0.0,
) -> Truth:
    """One thing while something is true (or one of `words`), another while it is not.

    A text that begins with @ is the name of a truth.
    """
    source = world[of]

    def value(what: Value, at: float) -> Value:
        if isinstance(what, str) and what.startswith("@"):
            what = world[what[1:]].at(at)
        if sd and isinstance(what, (int, float)) and not isinstance(what, bool) and what:
            return max(0.0, what + rng.gauss(0, sd))
        return what

    times = sorted({*GRID, *source.times})
    holds = (lambda at: source.at(at) in words) if words else (lambda at: bool(source.at(at)))
    return Truth(times, [value(then if holds(at) else otherwise, at) for at in times])


@shape
def highest(world: World, rng: random.Random, *, of: str) -> Truth:
    """The highest of the day so far."""
    level, top, today = world.level(of), 0.0, START
    values: list[Value] = []
    for moment in GRID:
        if day_start(moment, "day") != today:
            today, top = day_start(moment, "day"), 0.0
        top = max(top, level(moment))
        values.append(top)
    return Truth(GRID, values)


@shape
def smooth(world: World, rng: random.Random, *, of: str, minutes: float) -> Truth:
    """The mean over the last minutes."""
    level = world.level(of)
    width = max(1, int(minutes * 60 / STEP))
    raw = [level(moment) for moment in GRID]
    sums = [0.0]
    for one in raw:
        sums.append(sums[-1] + one)
    return Truth(
        GRID,
        [
            (sums[index + 1] - sums[max(0, index + 1 - width)]) / min(width, index + 1)
            for index in range(len(raw))
        ],
    )


@shape
def trend(world: World, rng: random.Random, *, of: str, least: float, hours: float = 3.0) -> Truth:
    """Whether something rises or falls: up, down or stable."""
    level = world.level(of)
    values: list[Value] = []
    for moment in GRID:
        change = level(moment) - level(moment - hours * HOUR) if moment > START + 3 * HOUR else 0
        values.append("up" if change > least else "down" if change < -least else "stable")
    return Truth(GRID, values)


@shape
def wear(world: World, rng: random.Random, *, of: str, life: float, used: float) -> Truth:
    """Seconds left of a part that wears out while something runs."""
    busy, left = world[of], life - used
    values: list[Value] = []
    for moment in GRID:
        left -= STEP if busy.at(moment) else 0
        values.append(left)
    return Truth(GRID, values)
