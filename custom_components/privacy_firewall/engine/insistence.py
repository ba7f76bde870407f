"""How often an appliance tries to reach a recipient: usually, and in the last ten minutes.

Usual is what it does while it is permitted. It is measured in hours that begin with an attempt;
silence between them does not count, or an appliance that is switched off at night would seem to ask
less than it does. Of the last day's worth of such hours the median counts, so that one busy hour
(an update, a restart) changes little.
"""

from collections import deque
from collections.abc import Iterable
from math import ceil
from statistics import median

HOUR = 3600.0
MIN_SPAN = 600.0
"""Seconds: an hour that was cut short counts if it lasted so long."""
MIN_OBSERVED = 1800.0
"""Seconds that must have been seen before anything is called usual."""
MAX_HOURS = 24
"""Hours remembered of each."""
RECENT_MINUTES = 10
PER_HOUR = 60 / RECENT_MINUTES
STORM_FACTOR = 5
"""How many times the usual a retry storm is at least."""
STORM_ATTEMPTS = 10
"""Attempts within ten minutes below which nothing is a storm, however rarely it asks otherwise."""

type Hour = tuple[float, float]
"""Attempts per hour, seconds that this was seen."""


class Rate:
    """The attempts at one gate. An attempt costs a few increments, and no memory."""

    __slots__ = (
        "_count",
        "_ends",
        "_hours",
        "_last",
        "_minute",
        "_minutes",
        "_start",
        "_total",
        "threshold",
    )

    def __init__(self, hours: Iterable[Hour] = (), threshold: int = 0) -> None:
        """Begin with the hours that an earlier run saw, and where it was with telling of storms."""
        self._hours: deque[Hour] = deque(hours, MAX_HOURS)
        self._start = self._last = self._ends = 0.0
        self._count = 0
        self._minutes = [0] * RECENT_MINUTES
        self._minute = 0
        self._total = 0
        self.threshold = threshold
        """How many refused attempts within ten minutes are a retry storm; 0: none is told."""

    def permitted(self, now: float) -> None:
        """Count an attempt that was permitted."""
        self.attempt(now)
        if now < self._ends:
            self._count += 1
            self._last = now
            return
        if self._count:
            self._hours.append((float(self._count), HOUR))
        self._start = self._last = now
        self._ends = now + HOUR
        self._count = 1

    def attempt(self, now: float) -> None:
        """Count an attempt, whatever became of it."""
        minute = int(now // 60)
        if minute != self._minute:
            self._pass_to(minute)
        self._minutes[minute % RECENT_MINUTES] += 1
        self._total += 1

    def _pass_to(self, minute: int) -> None:
        for one in range(max(self._minute + 1, minute - RECENT_MINUTES + 1), minute + 1):
            self._total -= self._minutes[one % RECENT_MINUTES]
            self._minutes[one % RECENT_MINUTES] = 0
        self._minute = minute

    def begin_refusals(self) -> None:
        """Close the hour that was being measured; what counts from here on is refused."""
        if (cut := self._cut()) is not None:
            self._hours.append(cut)
        self._count, self._ends = 0, 0.0
        self._minutes = [0] * RECENT_MINUTES
        self._total = 0
        self.threshold = storm_threshold(self.usual())

    def refused(self, now: float) -> bool:
        """Count an attempt that was refused; tell if with it there are as many as in a storm."""
        self.attempt(now)
        return 0 < self.threshold <= self._total

    def _cut(self) -> Hour | None:
        """Return the hour under way, as far as attempts show it: from the first to the last."""
        seconds = self._last - self._start
        if self._count < 2 or seconds < MIN_SPAN:
            return None
        return (self._count - 1) * HOUR / seconds, seconds

    def hours(self) -> list[Hour]:
        """Return what was measured until now."""
        cut = self._cut()
        return [*self._hours, *([] if cut is None else [cut])][-MAX_HOURS:]

    def usual(self) -> float | None:
        """Return the usual attempts per hour; None while too little was seen to say so."""
        hours = self.hours()
        if sum(seconds for _, seconds in hours) < MIN_OBSERVED:
            return None
        return median(per_hour for per_hour, _ in hours)

    def recent(self, now: float) -> int:
        """Return the attempts of the last ten minutes, to the minute."""
        self._pass_to(max(int(now // 60), self._minute))
        return self._total

    @property
    def counted(self) -> int:
        """The same as of the last attempt."""
        return self._total


def storm_threshold(usual: float | None) -> int:
    """Return how many attempts within ten minutes are a retry storm; 0 where none can be told."""
    if usual is None:
        return 0
    return max(STORM_ATTEMPTS, ceil(STORM_FACTOR * usual / PER_HOUR))
