"""The journal: every transmission and what became of it, written before anything is released.

It holds labels, ids and sizes, never a value.
"""

from dataclasses import dataclass
import json
import sqlite3

from .model import Outcome, Reason
from .storage import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transmission. `released` are data point ids; sizes are of the bodies, in bytes."""

    at: float
    gate: str
    appliance_id: str | None
    recipient_ids: tuple[str, ...]
    template: str
    outcome: Outcome
    reason: Reason
    released: tuple[str, ...] = ()
    withheld: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the journal says of an appliance: transmissions by outcome and two times."""

    counts: dict[Outcome, int]
    last_seen: float | None = None
    last_disclosure: float | None = None


class Journal:
    """Appends entries; reads them back for sums."""

    def __init__(self, database: Database) -> None:
        """Keep the file."""
        self._database = database

    async def append(self, entry: Entry) -> int:
        """Write an entry and return its number; it is committed by then. Raises `StorageError`."""
        row = (
            entry.at,
            entry.gate,
            entry.appliance_id,
            json.dumps(entry.recipient_ids),
            entry.template,
            entry.outcome.value,
            entry.reason.value,
            json.dumps(entry.released),
            entry.withheld,
            entry.bytes_in,
            entry.bytes_out,
        )
        return await self._database.run(lambda connection: _append(connection, row))

    async def not_released(self, number: int, reason: Reason) -> None:
        """Say of an entry that in the end nothing left, and why; raises `StorageError`."""
        await self._database.run(
            lambda connection: (
                connection.execute(
                    "UPDATE journal SET outcome = ?, reason = ?, released = '[]', bytes_out = 0"
                    " WHERE id = ?",
                    (Outcome.DENY.value, reason.value, number),
                ).rowcount
            )
        )

    async def tallies(self) -> dict[str, Tally]:
        """Sum up every appliance; raises `StorageError`."""
        return await self._database.run(_tallies)

    async def newest(self, limit: int = 100) -> list[Entry]:
        """Return the newest entries, newest first; raises `StorageError`."""
        return await self._database.run(lambda connection: _newest(connection, limit))


def _append(connection: sqlite3.Connection, row: tuple[object, ...]) -> int:
    cursor = connection.execute(
        "INSERT INTO journal (at, gate, appliance_id, recipient_ids, template, outcome, reason,"
        " released, withheld, bytes_in, bytes_out) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    return cursor.lastrowid or 0


def _tallies(connection: sqlite3.Connection) -> dict[str, Tally]:
    counts: dict[str, dict[Outcome, int]] = {}
    seen: dict[str, float] = {}
    disclosed: dict[str, float] = {}
    for appliance, outcome, count, newest in connection.execute(
        "SELECT appliance_id, outcome, COUNT(*), MAX(at) FROM journal"
        " WHERE appliance_id IS NOT NULL GROUP BY appliance_id, outcome"
    ):
        counts.setdefault(appliance, {})[Outcome(outcome)] = count
        seen[appliance] = max(seen.get(appliance, 0.0), newest)
        if Outcome(outcome) is not Outcome.DENY:
            disclosed[appliance] = max(disclosed.get(appliance, 0.0), newest)
    return {
        appliance: Tally(
            counts=by_outcome,
            last_seen=seen[appliance],
            last_disclosure=disclosed.get(appliance),
        )
        for appliance, by_outcome in counts.items()
    }


def _newest(connection: sqlite3.Connection, limit: int) -> list[Entry]:
    rows = connection.execute(
        "SELECT at, gate, appliance_id, recipient_ids, template, outcome, reason, released,"
        " withheld, bytes_in, bytes_out FROM journal ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [
        Entry(
            at=at,
            gate=gate,
            appliance_id=appliance,
            recipient_ids=tuple(json.loads(recipients)),
            template=template,
            outcome=Outcome(outcome),
            reason=Reason(reason),
            released=tuple(json.loads(released)),
            withheld=withheld,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
        )
        for at, gate, appliance, recipients, template, outcome, reason, released, withheld,
        bytes_in, bytes_out in rows
    ]  # fmt: skip
