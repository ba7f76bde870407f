"""What was seen last of each data point: values with their times, in memory and nowhere else.

For comparing with entities that exist already, and for showing a household what it is asked about.
Nothing of it is stored, told in an event or logged; it goes with the appliance, or with a restart.

    a run of equal values   its first and last, and one about every `THIN` between: that it was
                            seen at those times, and had not changed, tells too
    an array                its first items, as samples at one time
    identities, media, long text   the newest only, cut
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
import math
import sys

from .matching import Sample
from .model import Blob, Category, DataPoint, Leaf, Number

RETENTION = 10 * 86_400.0
"""Seconds for which a value is kept: what Home Assistant's recorder keeps by default."""
THIN = 600.0
"""Seconds within which equal values in the midst of a run are kept once."""
MAX_POINTS = 512
"""Data points of an appliance of which more than the newest value is kept, first come first."""
MAX_SAMPLES = 4_096
"""Times that are kept of one data point."""
MAX_BYTES = 2_000_000
"""What the values of one appliance may take, about."""
MAX_KNOWN = 2_000
"""Data points of an appliance of which the newest value is kept: as many as are kept apart."""
MAX_ITEMS = 4
"""Items of an array in one message that are kept."""
MAX_TEXT = 80
"""Characters up to which a text is kept with its past."""
MAX_NEWEST = 120
"""Characters of the newest text that are kept."""
MAX_WORDS = 64
"""Unlike texts of one data point that are kept once for all their times."""
_SAMPLE = 56
"""Bytes of one value at one time: the time, a reference, a number."""
_NEWEST = 250
"""Bytes of one newest value, with its place in two tables."""
_UNTOLD = frozenset({Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA, Category.OPAQUE})

type Value = float | str | bool | None
type _Seen = Value | tuple[Value, ...]


@dataclass(slots=True)
class _Ring:
    """One data point: times in order, and what was there, of an array its first items."""

    times: array[float] = field(default_factory=lambda: array("d"))
    values: list[_Seen] = field(default_factory=list[_Seen])
    words: dict[str, str] = field(default_factory=dict[str, str])

    def copy(self) -> _Ring:
        return _Ring(self.times[:], self.values.copy())


@dataclass(slots=True)
class _Shelf:
    """One appliance."""

    rings: dict[str, _Ring] = field(default_factory=dict[str, _Ring])
    newest: dict[str, Sample] = field(default_factory=dict[str, Sample])
    size: int = 0


class Samples:
    """The values seen last, by data point id. Bounded per appliance; for one thread."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._shelves: dict[str, _Shelf] = {}
        self._home: dict[str, str] = {}

    def note(self, point: DataPoint, at: float, values: Iterable[Leaf]) -> None:
        """Keep what one message has of a data point, at a time in seconds since 1970.

        An array's items are several; the first few are kept, and the last as the newest. What is
        not newer than what is known is left out.
        """
        plain = [_plain(value) for value in values]
        if not plain:
            return
        shelf = self._shelves.setdefault(point.appliance_id, _Shelf())
        before = shelf.newest.get(point.id)
        if at <= before.at if before is not None else len(shelf.newest) >= MAX_KNOWN:
            return
        self._home[point.id] = point.appliance_id
        last = plain[-1]
        newest = shelf.newest[point.id] = Sample(
            at=at, value=last[:MAX_NEWEST] if isinstance(last, str) else last
        )
        shelf.size += _NEWEST + _text_size(newest.value)
        if before is not None:
            shelf.size -= _NEWEST + _text_size(before.value)
        kept = plain[:MAX_ITEMS]
        is_long = any(isinstance(value, str) and len(value) > MAX_TEXT for value in kept)
        if point.category not in _UNTOLD and not is_long:
            ring = shelf.rings.get(point.id)
            if ring is None and len(shelf.rings) < MAX_POINTS:
                ring = shelf.rings[point.id] = _Ring()
            if ring is not None:
                self._append(shelf, ring, at, kept)
        while shelf.size > MAX_BYTES:
            longest = max(shelf.rings.values(), key=lambda one: len(one.times), default=None)
            if longest is None or not longest.times:
                return
            _drop(shelf, longest, max(1, len(longest.times) // 4))

    def _append(self, shelf: _Shelf, ring: _Ring, at: float, kept: list[Value]) -> None:
        shared = [ring.words.get(one, one) if isinstance(one, str) else one for one in kept]
        for one in shared:
            if isinstance(one, str) and len(ring.words) < MAX_WORDS:
                ring.words.setdefault(one, one)
        value: _Seen = tuple(shared) if len(shared) > 1 else shared[0]
        if (
            len(ring.times) > 1
            and at - ring.times[-2] < THIN
            and _is_same(ring.values[-1], value)
            and _is_same(ring.values[-2], value)
        ):
            # Still within a run: its end moves on.
            ring.times[-1] = at
            return
        ring.times.append(at)
        ring.values.append(value)
        shelf.size += _size(value)
        old = sum(1 for _ in _until(ring.times, at - RETENTION))
        if len(ring.times) - old > MAX_SAMPLES:
            # Some at once, so that not each new one moves all.
            old = len(ring.times) - MAX_SAMPLES * 7 // 8
        _drop(shelf, ring, old)

    def of(self, point_id: str) -> tuple[Sample, ...]:
        """Return what is kept of a data point, oldest first; items of an array at one time."""
        shelf = self._shelves.get(self._home.get(point_id, ""))
        ring = shelf.rings.get(point_id) if shelf is not None else None
        if ring is None:
            return ()
        return tuple(
            Sample(at=at, value=one)
            for at, value in zip(ring.times, ring.values, strict=True)
            for one in (value if isinstance(value, tuple) else (value,))
        )

    def newest(self, point_id: str) -> Sample | None:
        """Return the newest value of a data point, text cut; None where none was seen."""
        shelf = self._shelves.get(self._home.get(point_id, ""))
        return shelf.newest.get(point_id) if shelf is not None else None

    def copy(self, appliance_id: str) -> Samples:
        """Return what is kept of one appliance by itself, to be read in another thread."""
        taken = Samples()
        shelf = self._shelves.get(appliance_id)
        if shelf is not None:
            rings = {point_id: ring.copy() for point_id, ring in shelf.rings.items()}
            taken._shelves[appliance_id] = _Shelf(rings, shelf.newest.copy(), shelf.size)
            taken._home = dict.fromkeys(shelf.newest, appliance_id)
        return taken

    def forget(self, appliance_id: str) -> None:
        """Drop everything seen of an appliance."""
        shelf = self._shelves.pop(appliance_id, None)
        for point_id in shelf.newest if shelf is not None else ():
            del self._home[point_id]


def _plain(value: Leaf) -> Value:
    """Return a leaf in the form that is kept: numbers as numbers where nothing of them is lost."""
    if isinstance(value, bool) or value is None:
        return value
    if type(value) is Number and len(value) <= 17:
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    if type(value) is Blob:
        # Bytes as digits: what they mean is not known, and a long one is no word.
        return value[: MAX_NEWEST + 1]
    if isinstance(value, str):
        # Cut here, so that a huge one is not copied; and without its spelling.
        return str(value[: MAX_NEWEST + 1])
    return None


def _is_same(one: _Seen, other: _Seen) -> bool:
    # True equals 1 and is not the same.
    return type(one) is type(other) and one == other


def _size(value: _Seen) -> int:
    if isinstance(value, tuple):
        return _SAMPLE + 40 + sum(32 + _text_size(one) for one in value)
    return _SAMPLE + _text_size(value)


def _text_size(value: Value) -> int:
    return sys.getsizeof(value) if isinstance(value, str) else 0


def _until(times: array[float], since: float) -> Iterable[float]:
    for at in times:
        if at >= since:
            return
        yield at


def _drop(shelf: _Shelf, ring: _Ring, count: int) -> None:
    if count:
        shelf.size -= sum(_size(value) for value in ring.values[:count])
        del ring.times[:count], ring.values[:count]
