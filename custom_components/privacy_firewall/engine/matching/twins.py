"""Data points that tell the same to different recipients: one item, sent to several places.

A fridge tells its service desk and a marketing partner of the same door. To `match` two such are
rivals for one entity, and each casts doubt on the other: so the first stands for all of them, and
what is found for it holds for all.
"""

from collections.abc import Sequence
from itertools import islice

from .series import Form, Series, of_point
from .shapes import MAX_POINTS, Point

SLACK = 120.0
"""Seconds between the messages in which an appliance tells the same to two recipients."""
FEW = 4
"""Changes alike from which numbers are the same, of which at least so many but one are unlike."""
MANY = 8
"""Changes alike from which words are: two doors may well be opened at one time, for a while."""
COMPARED = 64
"""The newest changes that are compared."""

type _Change = tuple[float, object]


def twins(points: Sequence[Point]) -> dict[str, str]:
    """Return which data point stands for which, by id: the first one for later ones like it.

    Only where both are of different endpoint templates, each one value per message.
    """
    firsts: list[tuple[Point, Series]] = []
    found: dict[str, str] = {}
    for point in points[:MAX_POINTS]:
        items = of_point(point)
        if len(items) != 1 or items[0].form not in (Form.NUMBERS, Form.WORDS):
            continue
        for first, series in firsts:
            if first.template != point.template and _is_same(series, items[0]):
                found[point.id] = first.id
                break
        else:
            firsts.append((point, items[0]))
    return found


def _is_same(one: Series, other: Series) -> bool:
    if one.form is not other.form or one.constant or other.constant:
        return False
    since, until = max(one.starts[0], other.starts[0]), min(one.end, other.end) + SLACK
    mine, theirs = _changes(one, since, until), _changes(other, since, until)
    # At the end one of them may have told what the other had no time to tell.
    return any(
        _is_same_course(a, b, one.form)
        for a, b in ((mine, theirs), (mine[1:], theirs), (mine, theirs[1:]))
    )


def _is_same_course(mine: list[_Change], theirs: list[_Change], form: Form) -> bool:
    compared = min(len(mine), len(theirs))
    if compared < (FEW if form is Form.NUMBERS else MANY) or abs(len(mine) - len(theirs)) > 1:
        return False
    if any(
        a[1] != b[1] or abs(a[0] - b[0]) > SLACK
        for a, b in islice(zip(mine, theirs, strict=False), COMPARED)
    ):
        return False
    return form is not Form.NUMBERS or len({value for _, value in mine[:compared]}) >= FEW - 1


def _changes(series: Series, since: float, until: float) -> list[_Change]:
    """Return the changes in a time, the newest first."""
    return [
        (series.starts[index], series.values[index])
        for index in reversed(series.changes(since, until))
    ]
