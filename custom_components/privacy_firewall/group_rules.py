"""What the switch of a group brings back, and what it leaves to be decided by its own name.

It turns on again what it turned off itself, as coarse as that was. To that comes what nobody ever
decided, but only where nothing else was the last word: not after what stopped by itself, or was
stopped by its own name, and never for an automation, which has read no list. Whatever was decided
otherwise (withdrawn by its own name, refused, run out, suspended) is left as it is.
"""

from collections.abc import Callable, Iterable

from .decisions import Pair
from .engine.model import Consent, ConsentState, DataPoint, Level

MAX_TURNED_ON = 100
"""Members that one switch turns on: those of which it tells the names."""

type Member = tuple[DataPoint, Consent | None]
"""What stands behind the switch, and what was decided about it last."""


def is_taken_along(consent: Consent, *, in_force: bool) -> bool:
    """Tell whether turning the group off may be undone by turning it on.

    Not of what had stopped by itself already, and not of what was given for a time only.
    """
    return in_force and consent.until is None


def turned_on(
    key: str,
    recipient_id: str,
    members: Iterable[Member],
    *,
    may_be_coarse: Callable[[DataPoint], bool],
    is_automated: bool,
) -> dict[Pair, Level]:
    """Return what turning on the group with a key grants, and how coarse."""
    listed = list(members)
    takes_in = not is_automated and _is_fresh(key, (consent for _, consent in listed))
    found: dict[Pair, Level] = {}
    for point, consent in listed[:MAX_TURNED_ON]:
        if consent is None or _is_undecided(consent):
            if takes_in:
                found[point.id, recipient_id] = Level.EXACT
        elif _was_turned_off(consent, key) and (
            consent.level is not Level.COARSE or may_be_coarse(point)
        ):
            found[point.id, recipient_id] = consent.level
    return found


def _is_fresh(key: str, consents: Iterable[Consent | None]) -> bool:
    """Tell whether nothing was decided but refusals, or the group's own end was decided last."""
    decided = [
        one
        for one in consents
        if one is not None and one.state is not ConsentState.REFUSED and not _is_undecided(one)
    ]
    return not decided or _was_turned_off(max(decided, key=lambda one: one.number), key)


def _is_undecided(consent: Consent) -> bool:
    return consent.state is ConsentState.REQUESTED and consent.drift is None


def _was_turned_off(consent: Consent, key: str) -> bool:
    return (
        consent.state is ConsentState.WITHDRAWN and consent.group == key and consent.drift is None
    )
