"""Whether a granted data point is still what was granted: its unit, range, precision and form.

Judged before anything leaves, on the profile as it was before this message. The rules are made for
few false alarms on what homes report (counters that go on, seasons, idle machines that start):
each false one asks somebody for nothing. What is not noticed so: a unit that changes without being
stated where the numbers stay as they could be; a shift within the range seen; a slow one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import math

from . import stated_units
from .model import DataPoint, Drift, Field, Leaf
from .profiles import Profile, decimals_of
from .redaction.fields import Found
from .shapes import TELLING, Shape, is_epoch, is_number, shape_of

ENOUGH = 20
"""Numbers (or messages, of text) before there is a range to leave."""
FAR = 10_000
"""How many times the largest number seen one must be to be another thing."""
FLOOR = 10.0
"""What was never larger than this counts as having been this large."""
SETTLED_HOURS = 72
"""Hours of a narrow range of one sign before the other sign is another thing."""
FINE = 4
"""Decimals from which on a number may be a place."""
FINER = 2
"""Decimals more than ever before that make it one."""
NEAR = 0.01
"""How near, as a share, a number must be to the one before in another unit."""

_FORMS = TELLING - {Shape.ADDRESS, Shape.BYTES}
"""Forms that a text does not take by itself. A version of four figures looks like an address."""
_BIG = (1000.0, 3600.0, 100.0)
_BY_QUANTITY: dict[str, tuple[float, ...]] = {
    "energy": (1000.0, 3600.0, 3.6, 1e6),
    "weight": (1000.0, 2.2046226),
    "pressure": (33.8638867, 100.0, 14.5037738, 1000.0, 10.0),
    "duration": (60.0, 1000.0, 3600.0),
    "speed": (3.6, 1.609344, 2.2369363),
    "length": (25.4, 1000.0, 3.2808399, 1.609344),
}
"""By what numbers one unit of a quantity is another. Without a known quantity only large ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A data point that is not what was granted any more, and in what."""

    point: DataPoint
    drift: Drift


def find(
    found: Iterable[Found],
    granted: Mapping[Field, DataPoint],
    profiles: Mapping[str, Profile],
) -> list[Drifted]:
    """Return which of the granted data points of a message are no longer what they were."""
    if not granted:
        return []
    leaves = list(found)
    values: dict[Field, list[Leaf]] = {}
    for item, _, value in leaves:
        if item in granted:
            values.setdefault(item, []).append(value)
    if not values:
        return []
    units = stated_units.read(leaves)
    drifted: list[Drifted] = []
    for item, seen in values.items():
        point = granted[item]
        profile = profiles.get(point.id)
        if profile is None:
            continue
        drift = judge(profile, seen, units.get(item, ()), point.quantity)
        if drift is not None:
            drifted.append(Drifted(point=point, drift=drift))
    return drifted


def judge(
    profile: Profile, values: Iterable[Leaf], units: Iterable[str], quantity: str | None
) -> Drift | None:
    """Tell in what the values of one message are unlike all that was seen, or None."""
    if profile.units and any(
        one not in profile.units and stated_units.may_be_of(one, quantity) for one in units
    ):
        return Drift.UNIT
    for value in values:
        if isinstance(value, str):
            drift = _number(profile, value, quantity) if is_number(value) else _text(profile, value)
            if drift is not None:
                return drift
    return None


def _text(profile: Profile, value: str) -> Drift | None:
    unit = stated_units.behind_number(value)
    if unit is not None and profile.units and unit not in profile.units:
        return Drift.UNIT
    if profile.messages < ENOUGH:
        return None
    shape = shape_of(value)
    return Drift.FORM if shape in _FORMS and not profile.has(shape) else None


def _number(profile: Profile, text: str, quantity: str | None) -> Drift | None:
    low, high = profile.low, profile.high
    if profile.numbers < ENOUGH or low is None or high is None:
        return None
    number = float(text)
    if not math.isfinite(number):
        return Drift.RANGE
    if low <= number <= high:
        return _precision(profile, text)
    largest = max(abs(low), abs(high))
    if abs(number) > FAR * max(largest, FLOOR):
        return Drift.RANGE
    if is_epoch(number) and not profile.has(Shape.EPOCH) and largest < 1e8:
        return Drift.RANGE
    if profile.hours >= SETTLED_HOURS and low > 0 and high <= 4 * low and number * -2 >= low:
        # A narrow range of one sign, and now well on the other side.
        return Drift.RANGE
    is_outside = _is_outside(number, low, high) or (profile.is_counter and number > high)
    if is_outside and _is_converted(profile, number, quantity):
        return Drift.UNIT
    return _precision(profile, text)


def _precision(profile: Profile, text: str) -> Drift | None:
    if "." not in text or len(text) < FINE + 2:
        return None
    decimals = decimals_of(text)
    if decimals < FINE or decimals < profile.decimals + FINER:
        return None
    return Drift.PRECISION if profile.fractions >= ENOUGH and profile.distinct >= 2 else None


def _is_outside(number: float, low: float, high: float) -> bool:
    """Tell whether a number is outside a range by more than that is wide."""
    width = max(high - low, 0.05 * max(abs(low), abs(high)))
    if number > high + width or number < low - width:
        return True
    # Downwards there is not always as much room.
    return low > 0 and low * 4 >= high and 0 <= number * 3 < low


def _is_converted(profile: Profile, number: float, quantity: str | None) -> bool:
    """Tell whether a number is the one before it, told in another unit."""
    last = profile.last
    if last is None:
        return _is_range_converted(profile, number, quantity)
    for scale, offset in _conversions(quantity):
        expected = last * scale + offset
        if not last or (offset == 0 and _significant(last) < 2):
            # From 1 to 100 many things go.
            continue
        tolerance = NEAR * abs(expected) + 3 * profile.step * scale
        # Where numbers jump about, any is near to something.
        if tolerance <= 0.1 * abs(expected) and abs(number - expected) <= tolerance:
            return True
    return False


def _is_range_converted(profile: Profile, number: float, quantity: str | None) -> bool:
    """Tell whether a number is in the range seen, told in another unit.

    For the first one after a start, when the one before it is not known any more. Only where the
    range is narrow; of a counter the upper end is meant.
    """
    low, high = profile.low, profile.high
    if low is None or high is None or high <= 0:
        return False
    if profile.is_counter:
        low = high / 2
    if not 0 < high <= 4 * low:
        return False
    return any(
        low * scale + offset <= number <= high * scale + offset
        for scale, offset in _conversions(quantity)
    )


def _conversions(quantity: str | None) -> Iterator[tuple[float, float]]:
    if quantity == "temperature":
        yield from ((1.8, 32.0), (1 / 1.8, -32 / 1.8), (1.0, 273.15), (1.0, -273.15))
        yield from ((10.0, 0.0), (0.1, 0.0))
        return
    for scale in _BY_QUANTITY.get(quantity or "", _BIG):
        yield scale, 0.0
        yield 1 / scale, 0.0


def _significant(number: float) -> int:
    """Return how many digits of a number tell something, without zeros on either side."""
    return len(f"{abs(number):.7g}".split("e")[0].replace(".", "").strip("0"))
