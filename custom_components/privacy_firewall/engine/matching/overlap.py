"""Where a data point and an entity were seen at the same time: do they tell the same?

Only changes tell: what stayed the same for days agrees with much. Each agreement counts by how
unlikely it is by chance, so that `off` beside `off` counts for nothing and 1013.2 beside 1013.2
for much.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import product
import math
from statistics import median
from typing import NamedTuple

from .series import Form, Levels, Series
from .units import SAME, Conversion

MAX_LOOKS = 48
"""Changes of each side at which values are compared, spread evenly."""
SLIP = 0.1
"""How often the same thing is yet not told alike: polls between changes, rounding, outages."""
MOST = 2.5
"""Nats that a single agreement counts at most: neighbouring ones are not independent."""
CAP = 12.0
"""Nats that values over time count for at most."""
QUICK = 12
"""Looks of a quick try, before all of them are taken."""


class Told(NamedTuple):
    """What comparing told: nats for the same, and figures for people."""

    weight: float
    agreed: int
    looked: int
    late: float
    conversion: Conversion


def spread[T](found: Sequence[T], most: int) -> Sequence[T]:
    """Return at most so many of a sequence, evenly."""
    if len(found) <= most:
        return found
    return [found[index * len(found) // most] for index in range(most)]


def looks(point: Series, entity: Series, since: float, until: float) -> list[float]:
    """Return when to compare: where the point changed, and where it was next seen after the entity.

    `since` and `until` are the time in which both were seen.
    """
    mine = {point.starts[one] for one in spread(point.changes(since, until), MAX_LOOKS)}
    theirs = {
        at
        for one in spread(entity.changes(since, until), MAX_LOOKS)
        if (at := _next(point.seen, entity.starts[one])) is not None and at <= entity.until(one)
    }
    return sorted(mine | theirs)


def _next(seen: Sequence[float], after: float) -> float | None:
    index = bisect_right(seen, after)
    return seen[index] if index < len(seen) else None


def numbers(
    point: Series,
    entity: Series,
    levels: Levels,
    when: Sequence[float],
    *,
    slacks: Sequence[float],
    conversions: Sequence[Conversion],
) -> Told | None:
    """Compare numbers; None where nothing changed while both were seen.

    No conversion at all says that none brings one near the other.
    """
    if len(when) < 3 or not levels:
        return None
    if not conversions:
        return Told(max(-CAP, len(when) * math.log(SLIP)), 0, len(when), 0.0, SAME)
    best: Told | None = None
    few = spread(when, QUICK)
    for one, slack in product(conversions, slacks):
        quick = _compare(point, entity, levels, few, slack=slack, conversion=one)
        if quick is None or (quick.weight < 0 and len(few) < len(when)):
            # As bad as a guess; remembered, for that too is told.
            found = quick and quick._replace(weight=quick.weight * len(when) / len(few))
        else:
            found = _compare(point, entity, levels, when, slack=slack, conversion=one)
        if found and (best is None or found.weight - one.cost > best.weight):
            best = found._replace(weight=found.weight - one.cost)
    return best and best._replace(weight=max(-CAP, min(CAP, best.weight)))


def _compare(
    point: Series,
    entity: Series,
    levels: Levels,
    when: Sequence[float],
    *,
    slack: float,
    conversion: Conversion,
) -> Told | None:
    weight, agreed, looked = 0.0, 0, 0
    late: list[float] = []
    half = 0.5 * (point.step * abs(conversion.scale) + entity.step)
    for at in when:
        sent = point.at(at)
        if not isinstance(sent, float):
            continue
        wanted = conversion(sent)
        near = half + 1e-6 * abs(wanted)
        begin, end = max(0, entity.index(at - slack)), entity.index(at + slack)
        unknown = True
        hit: int | None = None
        for index in range(begin, end + 1):
            value = entity.values[index]
            if isinstance(value, float):
                unknown = False
                if abs(value - wanted) <= near:
                    hit = index
                    break
        if unknown:
            continue
        looked += 1
        chance = levels.chance(wanted - near, wanted + near, slack)
        if hit is None:
            weight += math.log(SLIP)
        else:
            agreed += 1
            late.append(max(0.0, entity.starts[hit] - at))
            weight += min(MOST, math.log((1 - SLIP * (1 - chance)) / chance))
    if looked < 3:
        return None
    return Told(weight, agreed, looked, median(late) if late else 0.0, conversion)


def moments(point: Series, entity: Series, when: Sequence[float], *, slack: float) -> Told | None:
    """Compare times: as such, in seconds or milliseconds, or as what is left until then."""
    best: Told | None = None
    for text, scale, relative in (
        ("", 1.0, False),
        ("ms to time", 1e-3, False),
        ("seconds left to time", 1.0, True),
        ("minutes left to time", 60.0, True),
    ):
        agreed, looked = 0, 0
        near = 1.0 if not relative else 30.0 + scale
        for at in when:
            sent = point.at(at)
            if not isinstance(sent, float) or (relative and sent <= 0):
                continue
            wanted = sent * scale + (at if relative else 0.0)
            values = [
                entity.values[index]
                for index in range(max(0, entity.index(at - slack)), entity.index(at + slack) + 1)
            ]
            if any(isinstance(value, float) for value in values):
                looked += 1
                agreed += any(
                    isinstance(value, float) and abs(value - wanted) <= near for value in values
                )
        if looked < 3:
            continue
        # A time out of a week met to the minute is hardly chance.
        weight = agreed * MOST - (looked - agreed) * MOST - (1.0 if text else 0.0)
        weight = max(-CAP, min(CAP, weight))
        if best is None or weight > best.weight:
            conversion = SAME._replace(text=text)
            best = Told(weight, agreed, looked, 0.0, conversion)
    return best


def words(
    point: Series, entity: Series, since: float, until: float, slacks: Sequence[float]
) -> Told | None:
    """Compare choices, whatever each side calls them: which go together, and change together.

    A code, an inverted switch and a word of another language all tell by going together. None
    where neither side changed while both were seen.
    """
    mine: Sequence[int] = point.changes(since, until)
    theirs: Sequence[int] = entity.changes(since, until)
    if len(mine) + len(theirs) < 2:
        return None
    often = max(len(mine), len(theirs)) / max(1.0, until - since)
    mine, theirs = spread(mine, MAX_LOOKS), spread(theirs, MAX_LOOKS)
    best: Told | None = None
    for slack in slacks:
        found = _together(point, entity, mine, theirs, slack=slack, often=often)
        if found and (best is None or found.weight > best.weight):
            best = found
    return best


def _together(
    point: Series,
    entity: Series,
    mine: Sequence[int],
    theirs: Sequence[int],
    *,
    slack: float,
    often: float,
) -> Told | None:
    table: Counter[tuple[object, object]] = Counter()
    for index in mine:
        at = point.starts[index]
        middle = min(at + slack, (at + point.until(index)) / 2)
        table[point.values[index], entity.at(middle)] += 1
    for index in theirs:
        at = entity.starts[index]
        middle = min(at + slack, (at + entity.until(index)) / 2)
        table[point.at(middle), entity.values[index]] += 1
    table = Counter(
        {
            pair: count
            for pair, count in table.items()
            if pair[0] is not None and pair[1] is not None
        }
    )
    total = sum(table.values())
    if total < 2:
        return None
    rows: Counter[object] = Counter()
    columns: Counter[object] = Counter()
    for (row, column), count in table.items():
        rows[row] += count
        columns[column] += count
    shared = sum(
        count * math.log(count * total / (rows[row] * columns[column]))
        for (row, column), count in table.items()
    )
    # What a table of that many cells shows by luck (Schwarz's criterion).
    free = (len(rows) - 1) * (len(columns) - 1)
    shared -= 0.5 * free * math.log(total)
    hits, late = _coincide(point, entity, mine, theirs, slack)
    looked = len(mine) + len(theirs)
    chance = min(0.9, 2 * slack * often)
    # Changes of one appliance come together (all of it starts at once): each counts for little.
    each = min(1.0, math.log((1 - SLIP) / chance)) if chance < 0.9 else 0.0
    weight = shared + hits * each - (looked - hits) * 1.0
    return Told(max(-CAP, min(CAP, weight)), hits, looked, median(late) if late else 0.0, SAME)


def _coincide(
    point: Series, entity: Series, mine: Sequence[int], theirs: Sequence[int], slack: float
) -> tuple[int, list[float]]:
    """Count the changes that the other side has within so many seconds, and how late it is."""
    hits = 0
    late: list[float] = []
    for one, other, indices in ((point, entity, mine), (entity, point, theirs)):
        for index in indices:
            at = one.starts[index]
            begin, end = other.index(at - slack) + 1, other.index(at + slack)
            if end >= begin:
                hits += 1
                if one is point:
                    late.append(max(0.0, other.starts[begin] - at))
    return hits, late


def span(point: Series, entity: Series) -> tuple[float, float] | None:
    """Return the time in which both were seen, if that is an hour or more."""
    if point.form is Form.NOTHING or entity.form is Form.NOTHING:
        return None
    known = [index for index, value in enumerate(entity.values) if value is not None]
    if not known:
        return None
    since = max(point.starts[0], entity.starts[known[0]])
    until = min(point.end, entity.until(known[-1]))
    return (since, until) if until - since >= 3600 else None
