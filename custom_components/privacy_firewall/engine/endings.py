"""Tells that timed grants will soon end: once per grant and end."""

from collections.abc import Iterable
from math import inf

from .events import GrantEnding
from .model import Consent, Item

ENDING_SECONDS = 300.0
"""How long before its end a timed grant is announced; a short one at its last third."""


class Endings:
    """Remembers which ends were told."""

    def __init__(self) -> None:
        """Know of none."""
        self._told: set[tuple[Item, float]] = set()

    def due(self, timed: Iterable[Consent], now: float) -> list[GrantEnding]:
        """Return what is to be told now of the timed grants in force."""
        ends = [(one, one.until) for one in timed if one.until is not None]
        # Those that are over are forgotten.
        self._told &= {(one.item, until) for one, until in ends}
        soon: dict[float, list[Consent]] = {}
        for one, until in ends:
            if (one.item, until) not in self._told and announced_at(one) <= now < until:
                soon.setdefault(until, []).append(one)
                self._told.add((one.item, until))
        return [GrantEnding(consents=tuple(found), until=until) for until, found in soon.items()]


def announced_at(consent: Consent) -> float:
    """Return when the end of a timed grant is announced."""
    until = inf if consent.until is None else consent.until
    return until - min(ENDING_SECONDS, (until - consent.decided_at) / 3)
