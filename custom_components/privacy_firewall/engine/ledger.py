"""The ledger: every consent decision, appended and never overwritten. The newest one counts."""

from dataclasses import replace
import json
import sqlite3

from .clock import Clock
from .model import Consent, ConsentState, Kind, Level
from .storage import Database

type Item = tuple[str, str, str]
"""Appliance id, data point id, recipient id."""


class Ledger:
    """The consents, on disk and in memory. Memory follows disk: first recorded, then in force."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep the file and the time."""
        self._database = database
        self._clock = clock
        self._current: dict[Item, Consent] = {}

    async def load(self) -> None:
        """Read the newest decision about every item; raises `StorageError`."""
        self._current = await self._database.run(_newest)

    @property
    def current(self) -> dict[Item, Consent]:
        """The newest decision about every item."""
        return self._current

    async def record(self, consent: Consent, *, how: str, person: str | None) -> Consent:
        """Append a decision and bring it into force; raises `StorageError` with nothing changed.

        `how` says by which means (`switch`, `action`, ...), `person` which Home Assistant user.
        """
        at = self._clock.now()
        decided = replace(consent, decided_at=at)
        row = (
            at,
            consent.appliance_id,
            consent.data_point_id,
            consent.recipient_id,
            consent.state.value,
            consent.level.value,
            json.dumps(sorted(consent.kinds)),
            how,
            person,
        )
        await self._database.run(lambda connection: _append(connection, row), durable=True)
        self._current[consent.appliance_id, consent.data_point_id, consent.recipient_id] = decided
        return decided

    def suspend(self, item: Item) -> None:
        """Take a consent out of force in memory, ahead of the record that says why."""
        self._current[item] = replace(self._current[item], state=ConsentState.WITHDRAWN)


def _append(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    connection.execute(
        "INSERT INTO ledger (at, appliance_id, data_point_id, recipient_id, state, level, kinds,"
        " how, person) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )


def _newest(connection: sqlite3.Connection) -> dict[Item, Consent]:
    rows = connection.execute(
        "SELECT appliance_id, data_point_id, recipient_id, state, level, kinds, at, MAX(id)"
        " FROM ledger GROUP BY appliance_id, data_point_id, recipient_id"
    )
    return {
        (appliance, data_point, recipient): Consent(
            appliance_id=appliance,
            data_point_id=data_point,
            recipient_id=recipient,
            state=ConsentState(state),
            level=Level(level),
            kinds=frozenset(Kind(kind) for kind in json.loads(kinds)),
            decided_at=at,
        )
        for appliance, data_point, recipient, state, level, kinds, at, _ in rows
    }
