"""What is known of every data point from the messages seen: figures, and no value.

Kept per data point: how many messages and numbers; between which powers of two the numbers lay and
how many decimals they had; about how many unlike values; how often it changed, rose and fell; which
shapes (`shapes`) and which units (`stated_units`) were seen; since when, to the hour.

On the disk that is all. A power of two tells of a weight that it is between 64 and 128, of a
latitude that it is between 32 and 64, of a serial number how long it is; identifiers and
credentials have no bounds at all. The last number, the exact bounds and the sketch by which unlike
values are counted are in memory only; the sketch is made with a hash that is salted anew with every
start. Nothing here is shown but counts.

Written every minute or so, never per message. After a crash the newest is missing: bounds are
narrower than what was seen, so that `drift` errs towards asking.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
import json
import math
import sqlite3
from typing import Any

from . import stated_units
from .errors import StorageError
from .model import Category, DataPoint, Field, Leaf, Number
from .redaction.fields import Found
from .shapes import Shape, shape_of
from .storage import Database, Job
from .traits import Behaviour

SKETCH_BITS = 256
"""Bits by which unlike values are counted: up to some hundred well enough."""
LOOKED_AT = 32
"""Values of one data point in one message that are looked at one by one; of more, what is cheap."""
MAX_DISTINCT = 512
MILESTONES = frozenset({8, 64, 512, 4096})
"""Messages after which it is thought over anew what a data point is."""
MAX_PER_STORE = 200
"""Profiles made ready for the disk in one go: some 2 ms of the event loop."""
DECIMALS_OF = 7
"""Significant digits that count: what floating point adds behind them is nobody's precision."""
_HOUR = 3600.0
_STEPS = 0.1
"""Weight of the newest step in the usual one."""
_SHAPES = tuple(Shape)
_UNBOUNDED = frozenset({Category.IDENTIFIER, Category.CREDENTIAL})


@dataclass(slots=True)
class Profile:
    """The figures of one data point. `low` and `high` are None while no number was seen.

    `last`, `step` (the usual distance between two numbers), the sketch and the hash of the last
    values do not outlive a start.
    """

    appliance_id: str
    has_bounds: bool = True
    messages: int = 0
    numbers: int = 0
    fractions: int = 0
    low: float | None = None
    high: float | None = None
    decimals: int = 0
    known_distinct: int = 0
    changes: int = 0
    rises: int = 0
    falls: int = 0
    shapes: int = 0
    units: frozenset[str] = frozenset()
    since: float = 0.0
    until: float = 0.0
    last: float | None = field(default=None, repr=False)
    step: float = field(default=0.0, repr=False)
    sketch: int = field(default=0, repr=False)
    last_hash: int | None = field(default=None, repr=False)

    @property
    def distinct(self) -> int:
        """Return about how many unlike values there were, up to `MAX_DISTINCT`."""
        empty = SKETCH_BITS - self.sketch.bit_count()
        counted = MAX_DISTINCT if not empty else round(SKETCH_BITS * math.log(SKETCH_BITS / empty))
        return max(self.known_distinct, min(counted, MAX_DISTINCT))

    @property
    def hours(self) -> float:
        """Return over how many hours it was seen."""
        return max(0.0, self.until - self.since) / _HOUR

    @property
    def changes_per_hour(self) -> float | None:
        """Return how often it changes; None before that can be told."""
        return self.changes / self.hours if self.hours >= 6 else None

    @property
    def share_of_changes(self) -> float:
        """Return the share of messages in which it was another than in the one before."""
        return self.changes / (self.messages - 1) if self.messages > 1 else 0.0

    @property
    def is_counter(self) -> bool:
        """Tell whether it only ever rises, but for a reset now and then."""
        return self.rises >= 10 and self.falls * 20 <= self.rises

    def has(self, shape: Shape) -> bool:
        """Tell whether a value of this shape was seen."""
        return bool(self.shapes >> _SHAPES.index(shape) & 1)

    def seen_shapes(self) -> frozenset[Shape]:
        """Return the shapes seen."""
        return frozenset(one for at, one in enumerate(_SHAPES) if self.shapes >> at & 1)

    def behaviour(self) -> Behaviour:
        """Return what of it says what the data point is."""
        rate = self.changes_per_hour
        return Behaviour(
            shapes=self.seen_shapes(),
            changes_per_day=None if rate is None else rate * 24,
            is_counter=self.is_counter,
        )

    def take(self, values: list[Leaf], units: Iterable[str], now: float) -> bool:
        """Count in what one message says of it; tell whether that may change what it seems."""
        if not self.messages:
            self.since = now
        self.messages += 1
        self.until = max(self.until, now)
        before = self.shapes
        number: float | None = None
        for value in values[:LOOKED_AT]:
            self.sketch |= 1 << (_hash(value) & (SKETCH_BITS - 1))
            shape = shape_of(value)
            self.shapes |= _BITS[shape]
            if shape is Shape.NUMBER or shape is Shape.EPOCH:
                number = self._number(str(value))
            elif (unit := stated_units.behind_number(value)) is not None:
                units = (*units, unit)
        if len(values) > LOOKED_AT:
            self._rest([one for one in values[LOOKED_AT:] if type(one) is Number])
        hashed = hash(tuple(map(_hash, values)))
        if self.last_hash is not None and hashed != self.last_hash:
            self.changes += 1
        self.last_hash = hashed
        if number is not None and len(values) == 1:
            self._move(number)
        if not self.units.issuperset(units):
            self.units |= frozenset(units)
        return self.shapes != before or self.messages in MILESTONES

    def _number(self, text: str) -> float | None:
        number = float(text)
        self.numbers += 1
        if not self.has_bounds or not math.isfinite(number):
            return None
        if self.low is None or number < self.low:
            self.low = number
        if self.high is None or number > self.high:
            self.high = number
        if number:
            self.fractions += 1
            if "." in text:
                self.decimals = max(self.decimals, decimals_of(text))
        return number

    def _rest(self, texts: list[Number]) -> None:
        """Count in the many further numbers of one array: their bounds, and the longest of them."""
        finite = [one for one in map(float, texts) if math.isfinite(one)]
        if not finite:
            return
        self._number(max(texts, key=len))
        self.numbers += len(texts) - 1
        self.fractions += len(finite) - 1
        if self.has_bounds and self.low is not None and self.high is not None:
            self.low = min(self.low, *finite)
            self.high = max(self.high, *finite)

    def _move(self, number: float) -> None:
        if self.last is not None:
            moved = number - self.last
            self.rises += moved > 0
            self.falls += moved < 0
            self.step += (abs(moved) - self.step) * _STEPS
        self.last = number

    def kept(self) -> dict[str, Any]:
        """Return what of it goes to the disk."""
        return {
            "messages": self.messages,
            "numbers": self.numbers,
            "fractions": self.fractions,
            "low": None if self.low is None else coarse_bound(self.low, up=False),
            "high": None if self.high is None else coarse_bound(self.high, up=True),
            "decimals": self.decimals,
            "distinct": self.distinct,
            "changes": self.changes,
            "rises": self.rises,
            "falls": self.falls,
            "shapes": [one.value for one in sorted(self.seen_shapes())],
            "units": sorted(self.units),
            "since": int(self.since // _HOUR * _HOUR),
            "until": int(self.until // _HOUR * _HOUR),
        }

    @classmethod
    def read(cls, appliance_id: str, kept: dict[str, Any]) -> Profile:
        """Make one of what the disk kept; raises `KeyError`, `TypeError` or `ValueError`."""
        shapes = 0
        for name in kept["shapes"]:
            if name in _NAMED:
                shapes |= _BITS[_NAMED[name]]
        return cls(
            appliance_id=appliance_id,
            has_bounds=kept["low"] is not None or not kept["numbers"],
            messages=int(kept["messages"]),
            numbers=int(kept["numbers"]),
            fractions=int(kept["fractions"]),
            low=None if kept["low"] is None else float(kept["low"]),
            high=None if kept["high"] is None else float(kept["high"]),
            decimals=int(kept["decimals"]),
            known_distinct=int(kept["distinct"]),
            changes=int(kept["changes"]),
            rises=int(kept["rises"]),
            falls=int(kept["falls"]),
            shapes=shapes,
            units=frozenset(map(str, kept["units"])),
            since=float(kept["since"]),
            until=float(kept["until"]),
        )


_BITS = {shape: 1 << at for at, shape in enumerate(_SHAPES)}
_NAMED = {shape.value: shape for shape in _SHAPES}


def _hash(value: Leaf) -> int:
    """Return a number for a value that says nothing of it: salted anew with every start."""
    return 0 if isinstance(value, (dict, list)) else hash(value)


def decimals_of(text: str) -> int:
    """Return how many decimals a number is told with, without what floating point adds."""
    if len(text) > DECIMALS_OF + 1:
        text = f"{float(text):.{DECIMALS_OF}g}"
        if "e" in text:
            return 0
    return len(text.partition(".")[2].rstrip("0"))


def coarse_bound(number: float, *, up: bool) -> float:
    """Return the next power of two (or minus one, or 0) outwards; 1 and below count as 1."""
    if number == 0 or (up and number < 0 and number > -1) or (not up and 0 < number < 1):
        return 0.0
    away = up == (number > 0)
    exponent = math.log2(max(abs(number), 1.0))
    exponent = math.ceil(exponent) if away else math.floor(exponent)
    return math.copysign(2.0 ** min(exponent, 1023), number)


class Profiles:
    """The profiles of all data points.

    `observe` may run in any thread, also while another one or the disk looks at them: nothing waits
    for it. At worst a message is missing in a figure, which nobody relies on.
    """

    def __init__(self, database: Database) -> None:
        """Keep the file."""
        self._database = database
        self.by_id: dict[str, Profile] = {}
        self._unstored: dict[str, None] = {}

    def get(self, point_id: str) -> Profile | None:
        """Return what is known of a data point."""
        return self.by_id.get(point_id)

    def observe(
        self, points: Mapping[Field, DataPoint], found: Iterable[Found], now: float
    ) -> list[str]:
        """Count in a message; return the ids of data points to be thought over anew.

        Some 2 µs per leaf. What is no data point yet is left out, so that as many profiles are kept
        as there are data points.
        """
        leaves = list(found)
        values: dict[Field, list[Leaf]] = {}
        for item, _, value in leaves:
            values.setdefault(item, []).append(value)
        units = stated_units.read(leaves)
        anew: list[str] = []
        for item, seen in values.items():
            if (point := points.get(item)) is None:
                continue
            profile = self.by_id.get(point.id)
            if profile is None:
                profile = self.by_id[point.id] = Profile(
                    appliance_id=point.appliance_id,
                    has_bounds=point.category not in _UNBOUNDED,
                )
            stated = [
                one for one in units.get(item, ()) if stated_units.may_be_of(one, point.quantity)
            ]
            if profile.take(seen, stated, now):
                anew.append(point.id)
            self._unstored[point.id] = None
        return anew

    def forget(self, appliance_id: str) -> None:
        """Drop the profiles of an appliance; from the disk `memory` takes them."""
        for key, one in list(self.by_id.items()):
            if one.appliance_id == appliance_id:
                del self.by_id[key]
                self._unstored.pop(key, None)

    async def load(self) -> None:
        """Read what earlier runs have seen; raises `StorageError`."""
        rows = await self._database.run(
            lambda connection: connection.execute(
                "SELECT id, appliance_id, kept FROM profiles"
            ).fetchall()
        )
        try:
            self.by_id = {
                key: Profile.read(appliance, json.loads(kept)) for key, appliance, kept in rows
            }
        except (TypeError, ValueError, KeyError, AttributeError) as err:
            # Without them what changed could not be told from what was always so.
            raise StorageError("what was seen of data points cannot be understood") from err

    async def store(self) -> None:
        """Write what changed, the longest unwritten first, a part where there is much.

        Raises `StorageError`.
        """
        chosen = list(self._unstored)[:MAX_PER_STORE]
        if not chosen:
            return
        job = self.keeping(chosen)
        for key in chosen:
            self._unstored.pop(key, None)
        try:
            await self._database.run(job)
        except StorageError:
            self._unstored.update(dict.fromkeys(chosen))
            raise

    def keeping(self, ids: Iterable[str]) -> Job[None]:
        """Return the job that writes the profiles of these data points as they are now."""
        rows = [
            (key, one.appliance_id, json.dumps(one.kept()))
            for key in dict.fromkeys(ids)
            if (one := self.by_id.get(key)) is not None
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?)", rows)

        return write

    async def store_all(self) -> None:
        """Write all that changed; raises `StorageError`."""
        while self._unstored:
            await self.store()
