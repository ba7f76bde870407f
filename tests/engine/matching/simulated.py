"""What happened at home: truths over time, before a wire or an entity shows them.

A truth is a step function over eight days. Each is made from a seed that is its appliance's and
its own name, so that adding one changes no other. The shapes are rough on purpose: compressors
that switch, doors that are opened by day, programmes with phases, weather with a day and with
fronts, nights, counters that never fall. No series was recorded anywhere.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
import math
import random
from typing import Any

START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
"""Seconds since the epoch; a Monday, midnight."""
DAYS = 8
HOUR = 3600.0
DAY = 24 * HOUR
END = START + DAYS * DAY
STEP = 300.0
"""Seconds between the samples of what changes all the time."""
GRID = [START + index * STEP for index in range(int(DAYS * DAY / STEP))]
SEED = 20260302

type Value = float | str | bool | None


class Truth:
    """A step function: at each of `times`, in order, it takes the value beside it."""

    __slots__ = ("times", "values")

    def __init__(self, times: Sequence[float], values: Sequence[Value]) -> None:
        self.times = times
        self.values = values

    def at(self, when: float) -> Value:
        """Return the value at a time; None before the first."""
        index = bisect_right(self.times, when) - 1
        return self.values[index] if index >= 0 else None

    def number(self, when: float) -> float:
        value = self.at(when)
        return float(value) if isinstance(value, (int, float)) else 0.0

    def changes(self) -> list[float]:
        pairs = zip(self.times, self.values, strict=True)
        found: list[float] = []
        last: Value = None
        for when, value in pairs:
            if value != last:
                found.append(when)
            last = value
        return found


type Made = Truth | dict[str, Truth]
type Spec = Sequence[Any]
"""The name of a shape, then what it takes: `["day", {"mean": 8, "swing": 4}]`."""
SHAPES: dict[str, Callable[..., Made]] = {}


def shape[F: Callable[..., Made]](make: F) -> F:
    SHAPES[make.__name__] = make
    return make


class World:
    """The truths of one appliance, made when asked for; `wash.phase` is a part of `wash`."""

    def __init__(self, name: str, specs: Mapping[str, Spec]) -> None:
        self.name = name
        self._specs = specs
        self._made: dict[str, Made] = {}

    def random(self, name: str) -> random.Random:
        return random.Random(f"{SEED}/{self.name}/{name}")

    def __getitem__(self, name: str) -> Truth:
        whole, _, part = name.partition(".")
        if whole not in self._made:
            kind, arguments = self._specs[whole]
            self._made[whole] = SHAPES[kind](self, self.random(whole), **arguments)
        made = self._made[whole]
        return made[part or "on"] if isinstance(made, dict) else made

    def level(self, what: Value) -> Callable[[float], float]:
        """Return a function of time for a number, or for the name of a truth."""
        return self[what].number if isinstance(what, str) else lambda _: float(what or 0)


def clock(when: float) -> float:
    """Return the hour of the day."""
    return (when - START) % DAY / HOUR


def limited(value: float, low: float | None, high: float | None) -> float:
    value = value if low is None else max(low, value)
    return value if high is None else min(high, value)


def drifting(rng: random.Random, deviation: float, hours: float) -> Iterator[float]:
    """Yield an Ornstein-Uhlenbeck walk on the grid, around nought."""
    keep = math.exp(-STEP / (hours * HOUR))
    push = deviation * math.sqrt(1 - keep * keep)
    value = rng.gauss(0, deviation)
    while True:
        value = value * keep + rng.gauss(0, push)
        yield value


def awake(rng: random.Random, day: int) -> float:
    """Return a random waking moment, more of them at meals."""
    hour = rng.choice((rng.gauss(7.5, 0.6), rng.gauss(12.5, 0.9), rng.gauss(18.8, 1.3)))
    hour = hour if rng.random() < 0.7 else rng.uniform(7, 22.5)
    return START + day * DAY + limited(hour, 6.2, 23) * HOUR


# --- What stays, and what people choose ---


@shape
def constant(world: World, rng: random.Random, *, value: Value) -> Truth:
    return Truth([START], [value])


@shape
def chosen(world: World, rng: random.Random, *, options: list[Value], days: float = 2.0) -> Truth:
    """A setting: changed every few days, at a waking moment; the first option is the usual."""
    times, values = [START], [options[0]]
    for day in range(DAYS):
        if rng.random() < min(0.95, 1 / days):
            others = [one for one in options if one != values[-1]]
            times.append(awake(rng, day))
            values.append(rng.choice(others) if rng.random() < 0.6 else others[0])
    return Truth(times, values)


@shape
def openings(
    world: World, rng: random.Random, *, per_day: float, shortest: float = 8, longest: float = 60
) -> Truth:
    """Doors and the like: true while open, by day; now and then left open for long."""
    moments = sorted(
        awake(rng, day)
        for day in range(DAYS)
        for _ in range(max(0, round(rng.gauss(per_day, per_day**0.5))))
    )
    times: list[float] = [START]
    values: list[Value] = [False]
    for moment in moments:
        if moment <= times[-1] + 5:
            continue
        lasting = rng.uniform(shortest, longest) * (4 if rng.random() < 0.05 else 1)
        times += [moment, moment + lasting]
        values += [True, False]
    return Truth(times, values)


# --- Weather, rooms, electricity ---


@shape
def day(
    world: World,
    rng: random.Random,
    *,
    mean: float,
    swing: float = 0.0,
    peak: float = 15.0,
    wander: float = 0.0,
    hours: float = 12.0,
    noise: float = 0.0,
    low: float | None = None,
    high: float | None = None,
) -> Truth:
    """What follows the day, drifts for hours and trembles a little."""
    walk = drifting(rng, wander, hours)
    return Truth(
        GRID,
        [
            limited(
                mean
                + swing * math.cos((clock(when) - peak) * math.pi / 12)
                + next(walk)
                + (rng.gauss(0, noise) if noise else 0.0),
                low,
                high,
            )
            for when in GRID
        ],
    )


@shape
def sun(world: World, rng: random.Random, *, peak: float, rise: float = 6.5) -> Truth:
    """Light from the sky: nought at night, less under clouds."""
    walk = drifting(rng, 0.35, 1.5)
    values: list[Value] = []
    for when in GRID:
        cloud = limited(0.7 + next(walk), 0.08, 1)
        height = math.sin((clock(when) - rise) / (24 - 2 * rise) * math.pi)
        values.append(peak * cloud * height if height > 0 else 0.0)
    return Truth(GRID, values)


@shape
def showers(world: World, rng: random.Random, *, per_day: float, rate: float) -> Truth:
    """Rain in millimetres an hour: mostly none."""
    falling = [0.0] * len(GRID)
    for _ in range(round(per_day * DAYS)):
        begin, lasting = rng.randrange(len(GRID)), rng.randrange(3, 30)
        for index in range(begin, min(len(GRID), begin + lasting)):
            falling[index] = abs(rng.gauss(rate, rate / 2))
    return Truth(GRID, falling)


@shape
def cooled(
    world: World,
    rng: random.Random,
    *,
    target: float | str,
    band: float = 1.0,
    minutes: float = 25.0,
    door: str | None = None,
    leap: float = 1.2,
) -> dict[str, Truth]:
    """A compartment: its temperature, and whether its compressor runs."""
    level = world.level(target)
    pace = band * 2 / (minutes * 60) * STEP
    temperature, running = level(START), False
    temperatures: list[Value] = []
    states: list[Value] = []
    opened = world[door] if door else None
    for when in GRID:
        aim = level(when)
        running = temperature > aim - band if running else temperature > aim + band
        pull = -pace if running else pace * 0.6
        if opened is not None and any(opened.at(when + at) for at in range(0, int(STEP), 20)):
            pull += leap * rng.uniform(0.6, 1.3)
        temperature += pull * rng.uniform(0.8, 1.2)
        temperatures.append(temperature)
        states.append(running)
    return {"is": Truth(GRID, temperatures), "on": Truth(GRID, states)}


@shape
def drain(
    world: World, rng: random.Random, *, start: float, per_day: float, full: float = 100.0
) -> Truth:
    """A battery that is charged, or changed, when it is nearly empty."""
    level, times, values = start, [START], [start]
    while times[-1] < END:
        times.append(times[-1] + HOUR * rng.uniform(0.7, 1.3))
        level -= per_day / 24 * (times[-1] - times[-2]) / HOUR * rng.uniform(0.5, 1.5)
        level = full if level < 0.12 * full else level
        values.append(level)
    return Truth(times, values)


@shape
def charged(
    world: World, rng: random.Random, *, of: str, drain: float, fill: float, idle: float = 0.0
) -> Truth:
    """A battery, in percent: empties while something runs, fills afterwards."""
    busy, level = world[of], 96.0
    values: list[Value] = []
    for when in GRID:
        level += (-drain if busy.at(when) else fill) * STEP / HOUR - idle
        level = limited(level, 4, 100)
        values.append(level)
    return Truth(GRID, values)


# --- Programmes ---


@shape
def runs(
    world: World,
    rng: random.Random,
    *,
    per_day: float,
    minutes: float,
    phases: list[tuple[str, float]],
    programs: Sequence[str] = ("standard",),
    idle: str = "none",
    states: tuple[str, str, str] = ("stop", "run", "stop"),
    count: int = 0,
) -> dict[str, Truth]:
    """What washes or cleans: when it runs, how far it is, and what it says about it.

    `states` are the words before, during, and for half an hour after. Times are in minutes,
    `begin` and `end` in seconds since the epoch.
    """
    parts = "on phase state program remaining elapsed progress begin end count"
    made: dict[str, tuple[list[float], list[Value]]] = {part: ([], []) for part in parts.split()}

    def note(when: float, **values: Value) -> None:
        for part, value in values.items():
            made[part][0].append(when)
            made[part][1].append(value)

    before, during, after = states
    still = {"on": False, "remaining": 0.0, "elapsed": 0.0, "progress": 0.0, "phase": idle}
    note(START, **still, state=before, program=programs[0], count=count, begin=None, end=None)
    free = START
    for today in range(DAYS):
        for _ in range(int(per_day) + (rng.random() < per_day % 1)):
            begin = max(awake(rng, today), free + 40 * 60)
            length = minutes * rng.uniform(0.8, 1.25) * 60
            free = begin + length
            count += 1
            note(begin - 90, program=rng.choice(programs))
            note(begin, on=True, state=during, begin=begin, end=free, count=count)
            done = 0.0
            for name, share in phases:
                note(begin + done * length, phase=name)
                done += share
            for gone in range(0, int(length), 60):
                note(
                    begin + gone,
                    remaining=math.ceil((length - gone) / 60),
                    elapsed=gone // 60,
                    progress=100.0 * gone / length,
                )
            note(free, **{**still, "progress": 100.0}, state=after)
            note(free + 30 * 60, state=before, progress=0.0)
    return {part: Truth(times, values) for part, (times, values) in made.items()}


# --- People ---


def waking(world: World, day: int) -> float:
    """Return when the person of this world gets up."""
    return START + day * DAY + limited(world.random(f"up {day}").gauss(6.9, 0.5), 5, 9) * HOUR


@shape
def nightly(
    world: World,
    rng: random.Random,
    *,
    mean: float,
    sd: float,
    digits: int = 0,
    low: float | None = 0,
    high: float | None = None,
) -> Truth:
    """One number a night, known a little after getting up."""
    nights = [waking(world, day) + 420 for day in range(DAYS)]
    return Truth(nights, [round(limited(rng.gauss(mean, sd), low, high), digits) for _ in nights])


@shape
def weighed(
    world: World, rng: random.Random, *, mean: float, sd: float, digits: int = 2, skip: float = 0.15
) -> Truth:
    """One number a morning, on most mornings, that drifts."""
    times: list[float] = [START - 3 * HOUR]
    values: list[Value] = [round(mean, digits)]
    level = mean
    for day in range(DAYS):
        level += rng.gauss(0, sd)
        if world.random(f"weighed {day}").random() >= skip:
            times.append(waking(world, day) + 900)
            values.append(round(level, digits))
    return Truth(times, values)


@shape
def walking(world: World, rng: random.Random, *, per_day: float) -> Truth:
    """A total that grows by day, in bursts."""
    total, values = 0.0, []
    pace = per_day / (16 * HOUR / STEP) * 2.5
    for when in GRID:
        if 7 < clock(when) < 23 and rng.random() < 0.4:
            total += abs(rng.gauss(pace, pace / 2))
        values.append(total)
    return Truth(GRID, values)


def day_start(when: float, period: str) -> float:
    """Return when the hour, day, week or month of a time began."""
    moment = datetime.fromtimestamp(when, UTC)
    if period == "hour":
        return moment.replace(minute=0, second=0).timestamp()
    moment = moment.replace(hour=0, minute=0, second=0)
    if period == "week":
        moment -= timedelta(days=moment.weekday())
    elif period == "month":
        moment = moment.replace(day=1)
    return moment.timestamp()
