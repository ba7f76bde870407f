"""The time, as a value that can be handed in: everything that asks for it can be tested."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the engine gets its time."""

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01 UTC."""
        return time.time()
