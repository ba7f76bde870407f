"""Previews of single data points: the value seen last, and what a recipient would get of it.

For the household's eyes only. What identifies somebody or opens something is never shown, nor what
looks like it now; of all else the newest value as it is kept in memory, text cut.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from . import policy as rules
from .matching import Sample
from .model import (
    Action,
    Appliance,
    Category,
    DataPoint,
    Leaf,
    Number,
    Recipient,
    Remainder,
)
from .redaction import identifiers, transforms
from .revealing import Revealed, Revealing

_NEVER_SHOWN = frozenset({Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA})

type Value = float | str | bool | None


class Withheld(StrEnum):
    """What becomes of a message without a data point."""

    DROPPED = "dropped"
    """It goes without it."""
    NEUTRAL = "neutral"
    """A constant stands in its place."""
    DENIED = "denied"
    """The whole message stays at home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientPreview:
    """What one recipient would get: `exact` and `coarse` are values, None where there is none.

    `coarse_possible` tells whether a coarse consent may be given; a value may still be of a form
    that cannot be made coarse, and is withheld then. `neutral` is the constant, where one stands.
    """

    recipient: Recipient
    exact: Value
    coarse: Value
    coarse_possible: bool
    withheld: Withheld
    neutral: Value
    also_reveals: tuple[Revealed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPreview:
    """A data point, the value seen last and when (seconds since 1970), None since a restart.

    `is_hidden` where a value was seen and is not shown.
    """

    point: DataPoint
    value: Value
    seen_at: float | None
    is_hidden: bool
    recipients: tuple[RecipientPreview, ...]


def preview(
    appliance: Appliance,
    point: DataPoint,
    sample: Sample | None,
    recipients: Mapping[str, Recipient],
    *,
    shared: Mapping[str, frozenset[str]],
    revealing: Revealing,
    together: frozenset[str] = frozenset(),
) -> PointPreview:
    """Say what each of some recipients would get of a data point.

    `shared` are, by recipient, the ids of the data points it may have now; `together` are those
    that are thought of as shared too, where it is told what this one also reveals.
    """
    hidden = sample is not None and _is_hidden(point, sample.value)
    shown: Value = None if sample is None or hidden else sample.value
    claiming = [recipients[one] for one in point.recipients if one in recipients]
    return PointPreview(
        point=point,
        value=shown,
        seen_at=sample.at if sample is not None else None,
        is_hidden=hidden,
        recipients=tuple(
            RecipientPreview(
                recipient=one,
                exact=shown,
                coarse=_coarse(point, shown),
                coarse_possible=transforms.may_be_coarse(point.kinds, point.category, point.unit),
                withheld=(kept := _withheld(appliance, point, claiming, shared))[0],
                neutral=kept[1],
                also_reveals=tuple(
                    revealing.of(point, one.id, shared.get(one.id, frozenset()) | together)
                ),
            )
            for one in claiming
        ),
    )


def _is_hidden(point: DataPoint, value: Value) -> bool:
    """Tell whether a value is not shown: by what the data point is, or by what it is itself."""
    if point.category in _NEVER_SHOWN:
        return True
    return identifiers.identity(point.field, _leaf(value)) is not None and (
        point.category is not Category.LOCATION
    )


def _leaf(value: Value) -> Leaf:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return Number(str(int(value)) if value == int(value) else repr(value))


def _coarse(point: DataPoint, value: Value) -> Value:
    if value is None or not transforms.may_be_coarse(point.kinds, point.category, point.unit):
        return None
    made = transforms.coarsen(_leaf(value), point.category, point.unit)
    if type(made) is Number:
        return float(made)
    return str(made) if isinstance(made, str) else None


def _withheld(
    appliance: Appliance,
    point: DataPoint,
    recipients: list[Recipient],
    shared: Mapping[str, frozenset[str]],
) -> tuple[Withheld, Value]:
    """Return what becomes of a message without it, as far as is known before there is one."""
    is_segment = point.field.path.startswith("$.path")
    others = all(shared.get(one.id, frozenset()) - {point.id} for one in recipients)
    if appliance.remainder is Remainder.DENY or is_segment or not others:
        return Withheld.DENIED, None
    duty = rules.withholding(point, recipients)
    if duty.action is not Action.NEUTRALISE:
        return Withheld.DROPPED, None
    constant = transforms.neutral(duty.kinds)
    if type(constant) is Number:
        return Withheld.NEUTRAL, float(constant)
    return Withheld.NEUTRAL, constant if isinstance(constant, str | bool) else None
