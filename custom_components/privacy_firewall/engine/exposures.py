"""What Home Assistant itself hands to assistants, as the household decided it and as it was found.

Kept beside the ledger, not in it. A consent there is about a data point that a gate enforces, under
a recipient's notice; this is about an entity that Home Assistant hands over by itself, and nothing
of ours stands in between. In the ledger it would need an appliance, data points and endpoints that
do not exist, and the policy, the receipts and every list of appliances would show them.

Appended and chained like the ledger; the newest record of an entity and an assistant counts.
"""

from dataclasses import dataclass
from enum import StrEnum
import sqlite3

from .clock import ForwardClock
from .model import Decider
from .records import Row, first_broken, link
from .storage import Database

ELSEWHERE = "elsewhere"
"""How a record came about that tells what was found, not what was decided here."""
MAX_LISTED = 1_000
"""Records handed out at once, the newest of them."""
_COLUMNS = "at, entity, assistant, state, name, how, person, context"

type Handed = tuple[str, str]
"""An entity (its id in Home Assistant's registry, which no renaming moves), an assistant's name."""


class ExposureState(StrEnum):
    """What is on record of an entity and an assistant."""

    GIVEN = "given"
    """A person turned it on here."""
    WITHDRAWN = "withdrawn"
    """It was turned off here; or, having been given here, was found turned off."""
    ELSEWHERE = "elsewhere"
    """Found handed over though nobody turned it on here. No consent."""
    ENDED = "ended"
    """What had been turned on elsewhere was found turned off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One record. `name` is what the entity was called then; `at` is in seconds since 1970."""

    entity: str
    assistant: str
    state: ExposureState
    name: str
    at: float
    how: str
    person: str | None = None
    context: str | None = None
    number: int = 0

    @property
    def handed(self) -> Handed:
        """What it is about."""
        return self.entity, self.assistant


class Exposures:
    """The records, on disk and in memory: first recorded, then counted."""

    def __init__(self, database: Database, clock: ForwardClock) -> None:
        """Keep the file and the time."""
        self._database = database
        self._clock = clock
        self._newest: dict[Handed, Exposure] = {}

    async def load(self) -> None:
        """Read the newest of each; raises `StorageError`."""
        self._newest = await self._database.run(_newest)

    def get(self, entity: str, assistant: str) -> Exposure | None:
        """Return the newest record of an entity and an assistant."""
        return self._newest.get((entity, assistant))

    async def record(
        self, handed: Handed, state: ExposureState, decider: Decider, *, name: str
    ) -> Exposure:
        """Append a record; raises `StorageError` with nothing changed."""
        exposure = Exposure(
            entity=handed[0],
            assistant=handed[1],
            state=state,
            name=name,
            at=self._clock.now(),
            how=decider.how,
            person=decider.person,
            context=decider.context,
        )
        row = _row(exposure)
        number = await self._database.run(lambda connection: _append(connection, row), durable=True)
        recorded = _exposure((number, *row))
        self._newest[handed] = recorded
        return recorded

    async def history(self) -> list[Exposure]:
        """Return the newest `MAX_LISTED` records, oldest first; raises `StorageError`."""
        return await self._database.run(_history)

    async def first_broken(self) -> int | None:
        """Return the number of the first record that does not follow from the one before it."""
        return await self._database.run(_broken)


def _row(exposure: Exposure) -> Row:
    return (
        float(exposure.at),
        exposure.entity,
        exposure.assistant,
        exposure.state.value,
        exposure.name,
        exposure.how,
        exposure.person,
        exposure.context,
    )


def _exposure(row: Row) -> Exposure:
    number, at, entity, assistant, state, name, how, person, context = row
    return Exposure(
        number=int(number or 0),
        at=float(at or 0.0),
        entity=str(entity),
        assistant=str(assistant),
        state=ExposureState(str(state)),
        name=str(name),
        how=str(how),
        person=None if person is None else str(person),
        context=None if context is None else str(context),
    )


def _append(connection: sqlite3.Connection, row: Row) -> int:
    last = connection.execute("SELECT hash FROM exposures ORDER BY id DESC LIMIT 1").fetchone()
    added = connection.execute(
        f"INSERT INTO exposures ({_COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - names of our own
        (*row, link("" if last is None else last[0], row)),
    )
    return added.lastrowid or 0


def _newest(connection: sqlite3.Connection) -> dict[Handed, Exposure]:
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM exposures WHERE id IN"  # noqa: S608 - names of our own
        " (SELECT MAX(id) FROM exposures GROUP BY entity, assistant)"
    )
    return {one.handed: one for one in map(_exposure, rows)}


def _history(connection: sqlite3.Connection) -> list[Exposure]:
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM exposures ORDER BY id DESC LIMIT ?",  # noqa: S608 - names of our own
        (MAX_LISTED,),
    )
    return [_exposure(row) for row in rows][::-1]


def _broken(connection: sqlite3.Connection) -> int | None:
    rows = connection.execute(f"SELECT id, {_COLUMNS}, hash FROM exposures ORDER BY id")  # noqa: S608 - names of our own
    return next(first_broken((number, tuple(row), digest) for number, *row, digest in rows), None)
