"""The time, as a value that can be handed in: everything that asks for it can be tested."""

from dataclasses import dataclass
from pathlib import Path
import time
from typing import Protocol

_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Where the engine gets its time."""

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01 UTC."""
        ...

    def ticks(self) -> float:
        """Return seconds since this machine started, suspended time included; never set back."""
        ...

    def boot(self) -> str | None:
        """Return what tells one start of this machine from another, where that is known."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        """Ask which start of the machine this is; Linux tells (proc(5))."""
        try:
            self._boot: str | None = _BOOT_ID.read_text().strip()
        except OSError:
            self._boot = None

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01 UTC."""
        return time.time()

    def ticks(self) -> float:
        """Return seconds since this machine started (clock_gettime(2), CLOCK_BOOTTIME)."""
        return time.clock_gettime(_TICKS)

    def boot(self) -> str | None:
        """Return Linux's boot id, or None elsewhere."""
        return self._boot


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A moment that must not come again: the time, and what the machine's ticks said then."""

    at: float
    ticks: float
    boot: str | None


class ForwardClock:
    """The later of the wall clock and the newest time seen, so that no clock is set back.

    Within one start of the machine time goes on by its ticks, also over restarts of this program.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with the wall clock."""
        self._clock = clock
        self._at = clock.now()
        self._ticks = clock.ticks()

    def is_doubtful(self, seen: Seen) -> bool:
        """Tell whether nobody knows how long ago a moment was.

        The machine was started since, and its wall clock is behind what it showed before: set
        back, or run out of battery.
        """
        return seen.boot != self._clock.boot() and self._clock.now() < seen.at

    def wall(self) -> float:
        """Return what the wall clock shows now, which somebody may have set wrong."""
        return self._clock.now()

    def resume(self, seen: Seen) -> None:
        """Go on from a moment that an earlier run saw."""
        at = seen.at
        if seen.boot is not None and seen.boot == self._clock.boot():
            at += max(0.0, self._clock.ticks() - seen.ticks)
        self._at = max(self.now(), at)

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC; never less than before."""
        ticks = self._clock.ticks()
        self._at = max(self._at + max(0.0, ticks - self._ticks), self._clock.now())
        self._ticks = ticks
        return self._at

    def seen(self) -> Seen:
        """Return this moment, for a later run."""
        return Seen(at=self.now(), ticks=self._ticks, boot=self._clock.boot())
