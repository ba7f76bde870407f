"""A data point's or an entity's values over time, in one form: runs of equal values.

Numbers as text are numbers, `21.5/€` is 21.5, times are seconds since the epoch, and words are
folded: `BSH.Common.EnumType.DoorState.Open` is `open`, `extraHigh` is `extra_high`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import pairwise
import math
import re
from statistics import median

from .shapes import MAX_RUNS, Entity, Point, Value

type Plain = float | str

MAX_READ = 16_384
"""Samples of one series that are read at all, the newest."""
MAX_SEEN = 4_096
"""Times at which a series was seen that are kept, the newest."""
MAX_ITEMS = 4
"""Items of an array that are looked at as series of their own, in the order they stand in."""
MAX_WORD = 80
"""Characters of a word that are kept."""
MAX_WORDS = 16
"""Unlike words (or numbers, where they are codes) up to which a series is a choice."""
SILENT = 6 * 3_600.0
"""Seconds without a change from which on an entity may have fallen silent."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_NUMBER = re.compile(
    r"\s*([+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?)\s*([^\d\s][^\d]{0,7})?"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_CLOCK = re.compile(r"(\d{1,3}):(\d\d)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_UNKNOWN = frozenset(("unknown", "unavailable", "", "none", "null"))
_GONE = frozenset(("unknown", "unavailable"))
YES = frozenset("on true open opened yes locked active running run present detected 1".split())
NO = frozenset("off false closed close no unlocked inactive stop idle clear none 0".split())


class Form(Enum):
    """What the values of a series are."""

    NUMBERS = auto()
    MOMENTS = auto()
    WORDS = auto()
    TEXTS = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Series:
    """Runs of equal values: `starts` in order, until the next; None where nothing is known.

    `seen` are the last times it was seen at, `words` all it said; `step` is the smallest
    difference they can show, `changed` the places of runs that follow another known value,
    `climbs` the share of changes that were upwards.
    """

    form: Form
    starts: tuple[float, ...]
    values: tuple[Plain | None, ...]
    seen: tuple[float, ...]
    end: float
    step: float
    words: frozenset[str]
    rises: bool
    changed: tuple[int, ...]
    climbs: float

    @property
    def constant(self) -> bool:
        """Whether it never changed, so that its course tells nothing."""
        return not self.changed

    def index(self, when: float) -> int:
        """Return which run is at a time; -1 before the first."""
        return bisect_right(self.starts, when) - 1

    def at(self, when: float) -> Plain | None:
        """Return the value at a time, None where none is known."""
        index = self.index(when)
        return self.values[index] if index >= 0 and when <= self.end else None

    def until(self, index: int) -> float:
        """Return when a run ends."""
        return self.starts[index + 1] if index + 1 < len(self.starts) else self.end

    def changes(self, since: float = -math.inf, until: float = math.inf) -> tuple[int, ...]:
        """Return the runs that begin in a time and follow another known value."""
        first = bisect_left(self.changed, bisect_left(self.starts, since))
        last = bisect_left(self.changed, bisect_right(self.starts, until))
        return self.changed[first:last]

    def known(self) -> Iterator[tuple[Plain, float]]:
        """Yield each known value and for how many seconds it was there."""
        for index, value in enumerate(self.values):
            if value is not None:
                yield value, max(0.0, self.until(index) - self.starts[index])

    def numbers(self) -> list[tuple[float, float]]:
        """Return the known numbers in order, each with the seconds it was there."""
        return sorted((one, lasted) for one, lasted in self.known() if isinstance(one, float))

    def pace(self) -> float:
        """Return the median of seconds between changes; an hour where there are hardly any."""
        gaps = [after - before for before, after in pairwise(self.starts)]
        return median(gaps) if len(gaps) > 8 else 3600.0


NOTHING = Series(
    Form.NOTHING, (), (), (), 0.0, 0.0, frozenset(), rises=False, changed=(), climbs=0.0
)


def of_point(point: Point) -> list[Series]:
    """Return a data point's series: one, or one for each of the first items of an array."""
    samples = sorted(
        (one for one in point.samples[-MAX_READ:] if math.isfinite(one.at)), key=lambda one: one.at
    )
    items: list[list[tuple[float, Value]]] = []
    place, before = 0, None
    for one in samples:
        place = place + 1 if one.at == before else 0
        before = one.at
        if place < MAX_ITEMS:
            if place == len(items):
                items.append([])
            items[place].append((one.at, one.value))
    # Two messages may fall on one moment: what is hardly ever there is no item of its own.
    return [_series(item) for item in items if len(item) * 2 > len(items[0])]


def of_entity(entity: Entity, now: float) -> Series:
    """Return an entity's series; the last state lasts until now."""
    states = sorted(
        (one for one in entity.states[-MAX_READ:] if math.isfinite(one.at)), key=lambda one: one.at
    )
    read = [(one.at, None if one.state.lower() in _GONE else one.state) for one in states]
    return _awake(_series(read, now, moments=entity.device_class == "timestamp"))


def _awake(series: Series) -> Series:
    """End a series that fell silent: an integration may keep its last state when it is starved."""
    gaps = [after - before for before, after in pairwise(series.starts)]
    if len(gaps) < 8:
        return series
    longest = max(gaps)
    silent = series.end - series.starts[-1]
    if silent < max(SILENT, 4 * longest):
        return series
    return replace(series, end=series.starts[-1] + longest)


def _series(
    read: Sequence[tuple[float, Value]], now: float | None = None, *, moments: bool = False
) -> Series:
    if not read:
        return NOTHING
    form = _form([value for _, value in read], moments=moments)
    starts: list[float] = []
    values: list[Plain | None] = []
    seen = [at for at, _ in read]
    for at, value in read:
        plain = _plain(value, form)
        if not values or plain != values[-1]:
            starts.append(at)
            values.append(plain)
    starts, values = starts[-MAX_RUNS:], values[-MAX_RUNS:]
    numbers = [one for one in values if isinstance(one, float)]
    return Series(
        form,
        tuple(starts),
        tuple(values),
        tuple(seen[-MAX_SEEN:]),
        max(seen[-1], now or 0.0),
        _step(numbers),
        frozenset(one for one in values if isinstance(one, str)),
        _rises(numbers),
        tuple(
            index
            for index, (before, after) in enumerate(pairwise(values), start=1)
            if before is not None and after is not None
        ),
        _climbs(numbers),
    )


def _form(values: Sequence[Value], *, moments: bool) -> Form:
    some = [one for one in values[:: max(1, len(values) // 64)] if not _is_unknown(one)]
    if not some:
        some = [one for one in values if not _is_unknown(one)]
    if not some:
        return Form.NOTHING
    if moments or sum(isinstance(one, str) and bool(_MOMENT.match(one)) for one in some) * 2 > len(
        some
    ):
        return Form.MOMENTS
    if sum(_number(one) is not None for one in some) * 10 >= 9 * len(some):
        return Form.NUMBERS
    unlike = {word(one) for one in some}
    return Form.WORDS if len(unlike) <= MAX_WORDS else Form.TEXTS


def _is_unknown(value: Value) -> bool:
    return value is None or (isinstance(value, str) and value.lower() in _GONE)


def _plain(value: Value, form: Form) -> Plain | None:
    if _is_unknown(value):
        return None
    if form is Form.NUMBERS:
        return _number(value)
    if form is Form.MOMENTS:
        return _moment(value)
    return word(value)


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        if clock := _CLOCK.fullmatch(value[:8]):
            return 60.0 * int(clock[1]) + int(clock[2])
        found = _NUMBER.fullmatch(value[:64])
        if not found:
            return None
        value = float(found[1])
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def _moment(value: Value) -> float | None:
    if not isinstance(value, str):
        return _number(value)
    try:
        moment = datetime.fromisoformat(value[:40])
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def word(value: Value) -> str:
    """Fold a word as an appliance or an entity writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)[:MAX_WORD]
    if "." in text and " " not in text:
        text = text.rpartition(".")[2] or text
    return _HUMP.sub("_", text).strip("_").lower()


def _step(numbers: Sequence[float]) -> float:
    """Return the smallest step: by the decimals written."""
    decimals = 0
    for one in numbers[:: max(1, len(numbers) // 64)]:
        text = f"{one:.6f}".rstrip("0")
        decimals = max(decimals, len(text) - text.index(".") - 1)
    return 10.0**-decimals


def _rises(numbers: Sequence[float]) -> bool:
    """Tell whether it is a counter: it changed, and never fell."""
    if len(set(numbers)) < 3:
        return False
    return all(after >= before for before, after in pairwise(numbers))


def _climbs(numbers: Sequence[float]) -> float:
    """Return the share of changes that were upwards: of a counter nearly all, even if it resets."""
    ups = sum(after > before for before, after in pairwise(numbers))
    return ups / (len(numbers) - 1) if len(numbers) > 1 else 0.0


def is_switch(words: Iterable[str]) -> bool:
    """Tell whether words are two sides of one thing."""
    return all(one in YES or one in NO for one in words)


class Levels:
    """How long an entity's numbers were in which range."""

    def __init__(self, series: Series) -> None:
        """Sum up."""
        pairs = series.numbers()
        self.numbers = [one for one, _ in pairs]
        self._times = [0.0]
        for _, lasted in pairs:
            self._times.append(self._times[-1] + lasted)

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def chance(self, low: float, high: float, slack: float) -> float:
        """Return how likely a window of so many seconds to each side meets the range, at most."""
        begin, end = bisect_left(self.numbers, low), bisect_right(self.numbers, high)
        there = self._times[end] - self._times[begin] + (end - begin) * 2 * slack
        return min(0.98, max(0.002, there / max(1.0, self._times[-1])))

    def quantiles(self) -> tuple[float, ...]:
        """Return what is undercut for 5, 25, 50, 75 and 95 % of the time."""
        total = self._times[-1]
        last = len(self.numbers) - 1
        return tuple(
            self.numbers[min(last, max(0, bisect_left(self._times, share * total) - 1))]
            if total
            else self.numbers[int(share * last)]
            for share in QUANTILES
        )
