"""Whether any of the resolvers is heard at all: noticed from what is asked anyway, never by asking.

One name that nobody answers may be the name's fault. Several, over some seconds, and nothing heard
of anybody meanwhile, is a resolver that is gone, or a way to it.
"""

from collections.abc import Callable
from time import monotonic

SILENT_QUESTIONS = 3
"""Questions in a row that nobody answered, for more than one name..."""
SILENT_FOR_ONE = 6
"""...or as many for one."""
SILENT_SECONDS = 10.0
"""Seconds between the first of them and the last."""


class Hearing:
    """Counts what nobody answered since somebody last did."""

    __slots__ = ("_first", "_many", "_on_change", "_unanswered", "heard_at", "is_silent", "since")

    def __init__(self, on_change: Callable[[], None]) -> None:
        """Start with nothing known; `on_change` is called when silence begins, and ends."""
        self._on_change = on_change
        self._unanswered = 0
        self._first = b""
        self._many = False
        self.since: float | None = None
        """When the first of those was given up that nobody answered, by the monotonic clock."""
        self.heard_at: float | None = None
        """When somebody last answered anything, by the monotonic clock."""
        self.is_silent = False

    def heard(self, now: float) -> None:
        """Take note of an answer, an error too."""
        self.heard_at = now
        if self._unanswered:
            self._unanswered, self._many = 0, False
            if self.is_silent:
                self.is_silent = False
                self._on_change()
            self.since = None

    def unanswered(self, wire_name: bytes) -> None:
        """Take note of a question that was asked of all in turn, and that nobody answered."""
        now = monotonic()
        if not self._unanswered or self.since is None:
            self._first, self.since = wire_name, now
        self._unanswered += 1
        self._many = self._many or wire_name != self._first
        if (
            not self.is_silent
            and self._unanswered >= (SILENT_QUESTIONS if self._many else SILENT_FOR_ONE)
            and now - self.since >= SILENT_SECONDS
        ):
            self.is_silent = True
            self._on_change()
