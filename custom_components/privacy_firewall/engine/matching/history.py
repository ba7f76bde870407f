"""Where a data point and an entity were never seen at the same time: could they be the same?

So it is while the entity's integration is starved. Then its past stands beside what the appliance
sends now: the range it was in, the words it used, how often it changed, where a counter stood.
"""

from collections.abc import Iterable, Sequence
import math
from typing import NamedTuple

from .series import Form, Levels, Series, is_switch
from .units import SAME, Conversion


class Guess(NamedTuple):
    """How alike two pasts are, from 0 to 1, under which conversion, and if of a counter.

    -1 where they cannot be compared: a number and the words for its levels.
    """

    likeness: float
    conversion: Conversion
    counts: bool


def reachable(
    mine: Sequence[float], theirs: Sequence[float], step: float, conversion: Conversion
) -> bool:
    """Tell whether a number's quantiles, converted, come near those of the other at all."""
    ends = sorted((conversion(mine[0]), conversion(mine[-1])))
    slack = 0.5 * max(theirs[-1] - theirs[0], ends[1] - ends[0]) + 0.05 * abs(theirs[2]) + step
    return ends[0] - slack <= theirs[-1] and theirs[0] - slack <= ends[1]


def numbers(
    point: Series,
    entity: Series,
    mine: Sequence[float],
    theirs: Sequence[float],
    conversions: Iterable[Conversion],
) -> Guess:
    """Compare the quantiles two numbers had (each five), or whether a counter went on."""
    best = Guess(0.0, SAME, counts=False)
    counts = point.rises and entity.rises
    for one in conversions:
        away = _onward(point, entity, one) if counts else _apart(point, entity, mine, theirs, one)
        if not counts and point.rises != entity.rises:
            away += 0.5
        likeness = math.exp(-2 * away - one.cost)
        if likeness > best.likeness:
            best = Guess(likeness, one, counts)
    return best


def _apart(
    point: Series,
    entity: Series,
    mine: Sequence[float],
    theirs: Sequence[float],
    conversion: Conversion,
) -> float:
    """Return how far the quantiles lie apart, in units of how far they spread."""
    sent = sorted(conversion(one) for one in mine)
    wide = max(
        sent[-1] - sent[0],
        theirs[-1] - theirs[0],
        2 * max(entity.step, point.step * abs(conversion.scale)),
        0.02 * abs(theirs[2]),
    )
    # Few values say little about the range they are from.
    wide *= 1 + 3 / max(1, min(len(point.values), len(entity.values)))
    return sum(abs(one - other) for one, other in zip(sent, theirs, strict=True)) / len(sent) / wide


def _onward(point: Series, entity: Series, conversion: Conversion) -> float:
    """Return how far a counter is from where it should be by now."""
    then, now = _numbered(entity), _numbered(point)
    (begin, first), (end, last) = then[0], then[-1]
    at, sent = now[0]
    pace = (last - first) / max(1.0, end - begin)
    wanted = last + pace * (at - end)
    tolerance = max(
        0.5 * abs(wanted - last),
        0.1 * (last - first),
        entity.step + point.step * abs(conversion.scale),
    )
    away = abs(conversion(sent) - wanted) / tolerance
    # Below nought it never goes.
    return away if conversion(sent) >= last - tolerance / 10 else 2 * away


def _numbered(series: Series) -> list[tuple[float, float]]:
    pairs = zip(series.starts, series.values, strict=True)
    return [(at, one) for at, one in pairs if isinstance(one, float)]


def words(point: Series, entity: Series, options: frozenset[str]) -> float:
    """Return how much of what one says the other says too, from 0 to 1."""
    mine, theirs = point.words, entity.words | options
    if not mine or not theirs:
        return 0.0
    if is_switch(mine) and is_switch(theirs):
        return 0.6 if mine <= theirs else 0.4
    return len(mine & theirs) / len(mine)


def pace(point: Series, entity: Series) -> float:
    """Return nats for how often two choices changed a day: above nought if about as often."""
    days: list[tuple[float, float]] = []
    for one in (point, entity):
        lasted = sum(seconds for _, seconds in one.known()) / 86_400
        if lasted < 0.5:
            return 0.0
        days.append((len(one.changes()) + 0.5, lasted))
    (mine, seen), (theirs, known) = days
    ratio = math.log(mine / seen) - math.log(theirs / known)
    # Two counts of chance events, and habits that differ by a third from week to week.
    apart = ratio / math.sqrt(1 / mine + 1 / theirs + 0.1)
    return max(-2.0, 0.5 - 0.5 * apart * apart)


def rarity(likeness: float, all_of_them: Sequence[float]) -> float:
    """Return nats for a likeness: the more, the fewer other entities are as like."""
    if likeness < 0:
        return 0.0
    told = [one for one in all_of_them if one >= 0]
    usual = sum(told) / max(1, len(told))
    return math.log((likeness + 0.05) / (usual + 0.05))


def compatible(point: Series, entity: Series, *, is_binary: bool) -> bool:
    """Tell whether values of one form may be shown in the other."""
    if Form.NOTHING in (point.form, entity.form):
        return True
    if Form.TEXTS in (point.form, entity.form):
        return point.form is entity.form
    if entity.form is Form.MOMENTS:
        return point.form in (Form.MOMENTS, Form.NUMBERS)
    if point.form is Form.MOMENTS:
        return False
    if entity.form is Form.NUMBERS:
        return point.form is Form.NUMBERS
    if is_binary and point.form is Form.NUMBERS:
        return len({one for one in point.values if one is not None}) <= 2
    return True


def profile(series: Series) -> tuple[float, ...] | None:
    """Return five quantiles of a series' numbers, None if it has none."""
    levels = Levels(series)
    return levels.quantiles() if levels else None
