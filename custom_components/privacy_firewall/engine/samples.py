"""What was seen last of each data point: values with their times, in memory and nowhere else.

For comparing with entities that exist already, and for showing a household what it is asked about.
Nothing of it is stored, told in an event or logged; it goes with the appliance, or with a restart.

    a run of equal values   its first and last, and one about every `THIN` between: that it was
                            seen at those times, and had not changed, tells too
    an array                its first items, as samples at one time
    identities, media, long text   the newest only, cut
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
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
    newest: dict[str, tuple[float, Value]] = field(default_factory=dict[str, tuple[float, Value]])
    size: int = 0


class Samples:
    """The values seen last, by data point id. Bounded per appliance; for one thread."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._shelves: dict[str, _Shelf] = {}
        self._home: dict[str, str] = {}

    def note(self, point: DataPoint, at: float, values: Sequence[Leaf]) -> None:
        """Keep what one message has of a data point, at a time in seconds since 1970.

        An array's items are several; the first few are kept, and the last as the newest. What is
        not newer than what is known is left out.
        """
        if not values:
            return
        shelf = self._shelves.get(point.appliance_id)
        if shelf is None:
            shelf = self._shelves[point.appliance_id] = _Shelf()
        before = shelf.newest.get(point.id)
        if before is None:
            if len(shelf.newest) >= MAX_KNOWN:
                return
            self._home[point.id] = point.appliance_id
            shelf.size += _NEWEST
        elif at <= before[0]:
            return
        else:
            shelf.size -= _text_size(before[1])
        last = _plain(values[-1])
        newest = last[:MAX_NEWEST] if isinstance(last, str) else last
        shelf.newest[point.id] = at, newest
        shelf.size += _text_size(newest)
        kept = [last] if len(values) == 1 else [_plain(value) for value in values[:MAX_ITEMS]]
        if point.category not in _UNTOLD and not any(map(_is_long, kept)):
            ring = shelf.rings.get(point.id)
            if ring is None and len(shelf.rings) < MAX_POINTS:
                ring = shelf.rings[point.id] = _Ring()
            if ring is not None:
                self._append(shelf, ring, at, kept)
        if shelf.size > MAX_BYTES:
            _shorten(shelf)

    def _append(self, shelf: _Shelf, ring: _Ring, at: float, kept: list[Value]) -> None:
        shared = [_shared(ring.words, one) if isinstance(one, str) else one for one in kept]
        value: _Seen = tuple(shared) if len(shared) > 1 else shared[0]
        times, values = ring.times, ring.values
        if (
            len(times) > 1
            and at - times[-2] < THIN
            and _is_same(values[-1], value)
            and _is_same(values[-2], value)
        ):
            # Still within a run: its end moves on.
            times[-1] = at
            return
        times.append(at)
        values.append(value)
        shelf.size += _size(value)
        if times[0] < at - RETENTION:
            _drop(shelf, ring, sum(1 for _ in takewhile((at - RETENTION).__gt__, times)))
        if len(times) > MAX_SAMPLES:
            # Some at once, so that not each new one moves all.
            _drop(shelf, ring, MAX_SAMPLES // 8)

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
        found = shelf.newest.get(point_id) if shelf is not None else None
        return None if found is None else Sample(at=found[0], value=found[1])

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


def _is_long(value: Value) -> bool:
    return isinstance(value, str) and len(value) > MAX_TEXT


def _shared(words: dict[str, str], text: str) -> str:
    """Return the same text as before, if it was there: kept once for all its times."""
    if text not in words and len(words) < MAX_WORDS:
        words[text] = text
    return words.get(text, text)


def _shorten(shelf: _Shelf) -> None:
    """Make room for a while: who has more than their part loses the oldest third of it."""
    while shelf.size > MAX_BYTES * 7 // 8:
        lengths = [len(ring.times) for ring in shelf.rings.values()]
        if not any(lengths):
            return
        part = sum(lengths) / len(lengths)
        for ring in shelf.rings.values():
            if len(ring.times) >= part:
                _drop(shelf, ring, max(1, len(ring.times) // 3))


def _drop(shelf: _Shelf, ring: _Ring, count: int) -> None:
    shelf.size -= sum(map(_size, ring.values[:count]))
    del ring.times[:count], ring.values[:count]
