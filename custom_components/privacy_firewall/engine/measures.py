"""Measures: what the household does beside its consents. Appended like them, newest counts."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
import sqlite3

from . import meta
from .clock import ForwardClock
from .errors import StorageError
from .model import Decider, Measure
from .storage import Database

MAX_LET_THROUGH = 3600.0
"""Seconds for which an appliance may be let through at most."""

type Key = tuple[Measure, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A measure in its newest state. `record` is the ledger's newest number at that moment."""

    measure: Measure
    appliance_id: str | None
    is_on: bool
    at: float
    until: float | None
    record: int


class Measures:
    """The measures, on disk and in memory: first recorded, then in force."""

    def __init__(self, database: Database, clock: ForwardClock) -> None:
        """Keep the file and the time."""
        self._database = database
        self._clock = clock
        self._newest: dict[Key, Taken] = {}
        self._narrowed: Counter[Key] = Counter()
        self._in_flight: Counter[Key] = Counter()
        self.unrecorded: dict[Key, Decider] = {}
        """What holds in memory though the disk refused the record, and who wanted it."""

    async def load(self) -> None:
        """Read the newest state of every measure; raises `StorageError`."""
        self._newest = await self._database.run(_load)

    def newest_at(self) -> float:
        """Return when the last measure was taken."""
        return max((one.at for one in self._newest.values()), default=0.0)

    def is_settled(self, measure: Measure, appliance_id: str | None = None) -> bool:
        """Tell whether what holds in memory is what stands on the disk."""
        key = measure, appliance_id
        return not self._in_flight[key] and key not in self.unrecorded

    def narrow(self, measure: Measure, appliance_id: str | None, *, is_on: bool) -> None:
        """Take a measure that narrows in memory, ahead of its record."""
        key = measure, appliance_id
        self._narrowed[key] += 1
        self._newest[key] = self._taken(key, is_on=is_on)

    async def take(
        self,
        measure: Measure,
        appliance_id: str | None,
        decider: Decider,
        *,
        is_on: bool,
        until: float | None = None,
        record: int = 0,
        narrows: bool = False,
    ) -> None:
        """Record that a measure begins or ends; raises `StorageError` with nothing changed.

        `narrows` says that it holds already (`narrow`), so that it is recorded later in any case.
        What was narrowed meanwhile stays so.
        """
        key = measure, appliance_id
        taken = self._taken(key, is_on=is_on, until=until, record=record)
        narrowed = self._narrowed[key]
        moment = meta.moment(self._clock.seen())

        def append(connection: sqlite3.Connection) -> None:
            if until is not None:
                # With the measure: whoever dies right after it must find this moment again.
                meta.write(connection, meta.SEEN, moment)
            _append(connection, taken, decider)

        self._in_flight[key] += 1
        try:
            await self._database.run(append, durable=True)
        except StorageError:
            if narrows:
                self.unrecorded[key] = decider
            raise
        finally:
            self._in_flight[key] -= 1
        if self._narrowed[key] == narrowed:
            self._newest[key] = taken
            self.unrecorded.pop(key, None)

    async def retry(self) -> None:
        """Record what the disk refused; raises `StorageError` where it still does."""
        for (measure, appliance_id), decider in list(self.unrecorded.items()):
            if not self._in_flight[measure, appliance_id]:
                is_on = self._newest[measure, appliance_id].is_on
                await self.take(measure, appliance_id, decider, is_on=is_on, narrows=True)

    def _taken(
        self, key: Key, *, is_on: bool, until: float | None = None, record: int = 0
    ) -> Taken:
        return Taken(
            measure=key[0],
            appliance_id=key[1],
            is_on=is_on,
            at=self._clock.now(),
            until=until,
            record=record,
        )

    def get(self, measure: Measure, appliance_id: str | None = None) -> Taken | None:
        """Return a measure that is on and not over, or None."""
        taken = self._newest.get((measure, appliance_id))
        if taken is None or not taken.is_on:
            return None
        return None if taken.until is not None and taken.until <= self._clock.now() else taken

    async def end(self, measure: Measure, appliance_id: str | None, decider: Decider) -> None:
        """Record that a measure that was narrowed is off; later, where the disk refuses it now."""
        with suppress(StorageError):
            await self.take(measure, appliance_id, decider, is_on=False, narrows=True)

    def end_all(self, at: float) -> None:
        """Let every measure that ends by itself be over by a time; the record of it follows."""
        for key, taken in self._newest.items():
            if taken.is_on and taken.until is not None:
                self._newest[key] = replace(taken, until=min(taken.until, at))

    def over(self) -> list[Taken]:
        """Return the measures whose time ran out, which no record says yet."""
        now = self._clock.now()
        return [
            taken
            for taken in self._newest.values()
            if taken.is_on and taken.until is not None and taken.until <= now
        ]

    def ends(self) -> list[float]:
        """Return when measures end by themselves."""
        return [one.until for one in self._newest.values() if one.is_on and one.until is not None]

    def let_through(self) -> dict[str, float]:
        """Return until when appliances are let through, by their ids."""
        now = self._clock.now()
        return {
            taken.appliance_id: taken.until
            for taken in self._newest.values()
            if taken.measure is Measure.LET_THROUGH
            and taken.is_on
            and taken.appliance_id is not None
            and taken.until is not None
            and taken.until > now
        }


def _append(connection: sqlite3.Connection, taken: Taken, decider: Decider) -> None:
    connection.execute(
        "INSERT INTO measures (at, measure, appliance_id, is_on, until, record, how, person,"
        " context) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            taken.at,
            taken.measure.value,
            taken.appliance_id or "",
            int(taken.is_on),
            taken.until,
            taken.record,
            decider.how,
            decider.person,
            decider.context,
        ),
    )


def _load(connection: sqlite3.Connection) -> dict[Key, Taken]:
    rows = connection.execute(
        "SELECT measure, appliance_id, is_on, at, until, record, MAX(id) FROM measures"
        " GROUP BY measure, appliance_id"
    )
    return {
        (Measure(measure), appliance_id or None): Taken(
            measure=Measure(measure),
            appliance_id=appliance_id or None,
            is_on=bool(is_on),
            at=at,
            until=until,
            record=record,
        )
        for measure, appliance_id, is_on, at, until, record, _ in rows
    }
