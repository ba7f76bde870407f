"""What a data point is called and means: what the catalogue says, before what was guessed.

Ids, kinds, recipients and consents are none of its business. What seems sensitive stays so unless
a vendor's file says of that very path why it is not.
"""

from collections.abc import Iterable
from dataclasses import replace

from .catalogue.known import Catalogue, category_of, find, is_hidden
from .catalogue.vendor import Known
from .model import Category, DataPoint, Field, Kind

type Description = tuple[str, Category, str | None, str | None]
"""Name, category, unit and quantity."""


def settle(
    guess: Description, known: Known | None, *, has_number: bool, may_lower: bool
) -> Description:
    """Return what holds of a data point; `guess` where the catalogue knows nothing.

    `has_number` tells whether a unit can belong to what was seen, `may_lower` whether that speaks
    for nothing more sensitive than the file says.
    """
    if known is None:
        return guess
    category = category_of(known, guess[1], may_lower=may_lower)
    if is_hidden(category) or (known.unit is not None and not has_number):
        return known.name, category, None, None
    return known.name, category, known.unit, known.quantity


def retold(
    points: Iterable[DataPoint], catalogue: Catalogue, coarse: frozenset[str]
) -> list[DataPoint]:
    """Return stored data points with what the catalogue says of them now, in the same order.

    `coarse` are the ids of those given coarse: how coarse hangs on unit and category, so these stay
    as they were agreed to.
    """
    listed = list(points)
    fields: dict[tuple[str, str], list[Field]] = {}
    for point in listed:
        fields.setdefault((point.appliance_id, point.template), []).append(point.field)
    known = {place: catalogue.at(place[1], seen) for place, seen in fields.items()}
    return [
        _retold(point, find(known[point.appliance_id, point.template], point.field), coarse)
        for point in listed
    ]


def _retold(point: DataPoint, known: Known | None, coarse: frozenset[str]) -> DataPoint:
    if known is None:
        return point
    name, category, unit, quantity = settle(
        (point.name, point.category, point.unit, point.quantity),
        known,
        has_number=Kind.BOOLEAN not in point.kinds,
        # No value is left that could tell whether it identified somebody.
        may_lower=not is_hidden(point.category),
    )
    if point.id in coarse:
        return replace(point, name=name)
    return replace(point, name=name, category=category, unit=unit, quantity=quantity)
