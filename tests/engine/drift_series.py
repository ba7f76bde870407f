"""Made-up series like those that homes report, and what may happen to them."""

from collections.abc import Callable, Iterator
import math
import random

type Series = Callable[[random.Random], Iterator[str]]


def _told(number: float, decimals: int) -> str:
    return f"{number:.{decimals}f}" if decimals else str(round(number))


def indoors(dice: random.Random) -> Iterator[str]:
    """Degrees in a room, by the minute or the hour."""
    degrees, decimals = dice.uniform(17, 24), dice.choice((0, 1, 2))
    while True:
        degrees += dice.gauss(0, 0.2) + (20 - degrees) * 0.02
        yield _told(degrees, decimals)


def outdoors(dice: random.Random) -> Iterator[str]:
    """Degrees in a garden: a year, every two hours."""
    start, mean, swing = dice.uniform(0, 365), dice.uniform(5, 18), dice.uniform(6, 14)
    for hour in range(0, 10**9, 2):
        day = start + hour / 24
        season = swing * math.sin(2 * math.pi * day / 365)
        yield _told(mean + season + 5 * math.sin(hour / 24 * 2 * math.pi) + dice.gauss(0, 2), 1)


def outdoors_fahrenheit(dice: random.Random) -> Iterator[str]:
    """The same as a weather station of another country tells it."""
    for degrees in outdoors(dice):
        yield _told(float(degrees) * 1.8 + 32, 1)


def energy(dice: random.Random) -> Iterator[str]:
    """A meter in kWh that goes on, a machine at a time, and is set back now and then."""
    total, decimals = dice.choice((0.0, dice.uniform(0, 9000))), dice.choice((1, 2, 3))
    while True:
        total += dice.choice((0, 0, 0.01, dice.uniform(0, 2)))
        if dice.random() < 0.0005:
            total = 0.0
        yield _told(total, decimals)


def watt_hours(dice: random.Random) -> Iterator[str]:
    """A meter in whole Wh that begins at nothing."""
    total = 0
    while True:
        total += dice.choice((0, 0, 1, dice.randrange(2000)))
        yield str(total)


def power(dice: random.Random) -> Iterator[str]:
    """A machine that idles for long and then works: 0.4 W, 2,100 W."""
    idle, full, decimals = (
        dice.choice((0.0, 0.4, 2.5, 11)),
        dice.uniform(60, 3500),
        dice.choice((0, 1, 2)),
    )
    while True:
        for _ in range(dice.randrange(20, 400)):
            yield _told(idle * dice.uniform(0.9, 1.1), decimals)
        for _ in range(dice.randrange(5, 60)):
            yield _told(full * dice.uniform(0.2, 1), decimals)


def feed(dice: random.Random) -> Iterator[str]:
    """What a home draws or gives: in watts, both signs, night and day."""
    while True:
        for hour in range(48):
            sun = max(0.0, math.sin((hour / 2 - 6) / 12 * math.pi)) * dice.uniform(0, 5000)
            yield _told(dice.uniform(150, 900) - sun, dice.choice((0, 1)))


def percent(dice: random.Random) -> Iterator[str]:
    """A battery that empties and is filled."""
    level = 100.0
    while True:
        level -= dice.uniform(0, 0.5)
        if level < dice.uniform(1, 30):
            level = dice.choice((80.0, 100.0))
        yield _told(level, 0)


def humidity(dice: random.Random) -> Iterator[str]:
    """Percent of a bathroom: steady, and then somebody showers."""
    while True:
        base = dice.uniform(35, 55)
        for _ in range(dice.randrange(40, 200)):
            yield _told(base + dice.gauss(0, 1), 0)
        yield from (_told(one + dice.gauss(0, 2), 0) for one in (70, 92, 97, 85, 70, 60))


def carbon_dioxide(dice: random.Random) -> Iterator[str]:
    """Parts per million by night and by day."""
    level = 420.0
    while True:
        level += dice.choice((-40, -10, 10, 60)) + (700 - level) * 0.05
        yield _told(max(400, level), 0)


def signal(dice: random.Random) -> Iterator[str]:
    """dBm."""
    while True:
        yield _told(dice.gauss(-62, 4), 0)


def count(dice: random.Random) -> Iterator[str]:
    """Door openings of a day."""
    while True:
        for total in range(dice.randrange(5, 60)):
            yield str(total)


def uptime(dice: random.Random) -> Iterator[str]:
    """Seconds since the start, some weeks of them."""
    while True:
        seconds = dice.randrange(1, 60)
        for _ in range(dice.randrange(50, 3000)):
            seconds += 300
            yield str(seconds)


def setpoint(dice: random.Random) -> Iterator[str]:
    """What somebody sets, seldom."""
    while True:
        degrees = dice.choice((5, 16, 18, 19.5, 20, 21, 22.5))
        for _ in range(dice.randrange(20, 200)):
            yield _told(degrees, 1)


def weight(dice: random.Random) -> Iterator[str]:
    """Kilograms of a household on one scale."""
    people = [dice.uniform(12, 110) for _ in range(dice.randrange(1, 5))]
    while True:
        yield _told(dice.choice(people) + dice.gauss(0, 0.4), 2)


def lux(dice: random.Random) -> Iterator[str]:
    """Light at a window: from nothing to the sun."""
    while True:
        for hour in range(24):
            light = max(0.0, math.sin((hour - 6) / 12 * math.pi)) ** 3 * dice.uniform(2000, 60000)
            yield _told(light + dice.uniform(0, 3), 0)


def clock(dice: random.Random) -> Iterator[str]:
    """Seconds since 1970."""
    now = dice.randrange(1_600_000_000, 1_900_000_000)
    while True:
        now += 600
        yield str(now)


def floating(dice: random.Random) -> Iterator[str]:
    """A tenth of a degree as a short floating-point number spells it, not always the same way."""
    for text in indoors(dice):
        yield dice.choice((text, repr(float(text) + 1.4e-7), repr(float(text))))


ALL: tuple[Series, ...] = (
    indoors, outdoors, outdoors_fahrenheit, energy, watt_hours, power, feed, percent, humidity,
    carbon_dioxide, signal, count, uptime, setpoint, weight, lux, clock, floating,
)  # fmt: skip
