"""The composition root: one object that Home Assistant builds, feeds and listens to.

In go what the household states (`configure`) and decides (`grant`, `withdraw`); out come events.
Both are frozen values, so that the engine could live in another process.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
import json
from pathlib import Path
import sqlite3

from . import learning, policy as rules
from .clock import Clock, SystemClock
from .errors import ConsentError
from .events import Decided, Event, GateChanged
from .gates.http.server import HttpGate
from .gates.http.upstream import Upstream
from .journal import Entry, Journal
from .ledger import Ledger
from .model import (
    Appliance,
    ApplianceStatus,
    Category,
    Consent,
    ConsentState,
    DataPoint,
    Field,
    Kind,
    Level,
    Outcome,
    Protection,
    Recipient,
)
from .pipeline import Passage, Pipeline
from .storage import Database

SEEN_FOR = 24 * 3600.0
"""Seconds for which one transmission at the gate tells how an appliance is doing. One that calls
its cloud by another way since then is not known to be held by anything."""


@dataclass(slots=True)
class _Sums:
    """What an appliance has done so far."""

    permitted: int = 0
    redacted: int = 0
    denied: int = 0
    last_seen: float | None = None
    last_disclosure: float | None = None


class Firewall:
    """The engine. Everything is called from one event loop; nothing here blocks it."""

    def __init__(
        self,
        *,
        database: Path,
        on_event: Callable[[Event], None],
        clock: Clock | None = None,
        resolve_mac: Callable[[str], str | None] = lambda _: None,
        protected_ports: frozenset[int] = frozenset(),
    ) -> None:
        """Wire the engine; nothing is opened before `start`.

        `on_event` is called in the event loop and must not raise. `resolve_mac` tells the MAC
        (lower case, colons) of a local address where it is known. `protected_ports` are ports of
        this machine that are never called upstream (Home Assistant's own).
        """
        self._clock = clock or SystemClock()
        self._database = Database(database)
        self._ledger = Ledger(self._database, self._clock)
        self.journal = Journal(self._database)
        self._listener = on_event
        self._pipeline = Pipeline(
            journal=self.journal,
            clock=self._clock,
            on_event=self._event,
            remember=self._remember,
        )
        self._protected_ports = protected_ports
        self._upstream = Upstream(protected_ports=protected_ports)
        self._gate = HttpGate(self._pipeline, self._upstream, resolve_mac=resolve_mac)
        self._appliances: dict[str, Appliance] = {}
        self._recipients: dict[str, Recipient] = {}
        self._version = 0
        self._sums: dict[str, _Sums] = {}

    async def start(self) -> None:
        """Open the database and read what was decided and seen; raises `StorageError`.

        Until `configure` is called everything is denied: the policy is not loaded.
        """
        await self._database.open()
        try:
            await self._load()
        except BaseException:
            await self._database.close()
            raise

    async def _load(self) -> None:
        await self._ledger.load()
        self._pipeline.learning.add(await self._database.run(_load_points))
        for appliance_id, identities in (await self._database.run(_load_identities)).items():
            self._pipeline.recall(appliance_id, identities)
        for appliance_id, tally in (await self.journal.tallies()).items():
            self._sums[appliance_id] = _Sums(
                permitted=tally.counts.get(Outcome.PERMIT, 0),
                redacted=tally.counts.get(Outcome.REDACT, 0),
                denied=tally.counts.get(Outcome.DENY, 0),
                last_seen=tally.last_seen,
                last_disclosure=tally.last_disclosure,
            )

    async def stop(self) -> None:
        """Close the gate, end what is under way, flush and close the file."""
        await self.close_gate()
        await self._upstream.close()
        await self._database.close()

    async def open_gate(self, host: str, port: int) -> int:
        """Listen for HTTP on this address and port (0: any free one); return the port.

        Raises `OSError` where it is taken. An open gate is closed first.
        """
        await self.close_gate()
        opened = await self._gate.open(host, port)
        # No transmission is to come back in by itself.
        self._upstream.protect(self._protected_ports | {opened})
        self._event(GateChanged(gate="http", is_open=True))
        return opened

    async def close_gate(self) -> None:
        """Stop listening and end every connection."""
        if self._gate.is_open:
            await self._gate.close()
            self._event(GateChanged(gate="http", is_open=False))

    @property
    def gate_is_open(self) -> bool:
        """Tell whether the gate listens."""
        return self._gate.is_open

    def configure(self, appliances: Iterable[Appliance], recipients: Iterable[Recipient]) -> None:
        """Bring what the household states into force. Consents stay or lose effect, never gain."""
        self._appliances = {appliance.id: appliance for appliance in appliances}
        self._recipients = {recipient.id: recipient for recipient in recipients}
        self._enforce()
        self._gate.abort(self._is_of_the_past)

    def _is_of_the_past(self, passage: Passage) -> bool:
        """Tell whether an appliance or a recipient of a transmission is no longer stated."""
        sender = passage.verdict.appliance
        return (
            sender is None
            or sender.id not in self._appliances
            or any(one.id not in self._recipients for one in passage.verdict.recipients)
        )

    async def forget_all_but(self, appliance_ids: frozenset[str]) -> None:
        """Forget what was seen of other appliances; ledger and journal keep what was decided.

        Raises `StorageError` with everything as it was.
        """
        gone = sorted(self._pipeline.known_appliances() - appliance_ids)
        if gone:
            await self._database.run(lambda connection: _forget(connection, gone))
            for appliance_id in gone:
                self._pipeline.forget(appliance_id)
                self._sums.pop(appliance_id, None)
            self._enforce()

    def _enforce(self) -> None:
        self._version += 1
        consents = [
            (consent, point)
            for consent in self._ledger.current.values()
            if consent.in_force
            and (point := self._pipeline.learning.get(consent.data_point_id)) is not None
        ]
        self._pipeline.enforce(
            rules.build(
                self._version,
                tuple(self._appliances.values()),
                tuple(self._recipients.values()),
                consents,
            )
        )

    async def grant(
        self,
        data_point_id: str,
        recipient_id: str,
        *,
        how: str,
        person: str | None = None,
        level: Level = Level.EXACT,
    ) -> Consent:
        """Record that the household gives a data point to a recipient, and let it pass.

        Raises `ConsentError` for what is not known, `StorageError` where it cannot be recorded
        (then nothing changes).
        """
        point = self._point(data_point_id)
        if recipient_id not in self._recipients or recipient_id not in point.recipients:
            raise ConsentError("this recipient does not receive this data point")
        return await self._decide(
            point, recipient_id, ConsentState.GIVEN, level=level, how=how, person=person
        )

    async def withdraw(
        self, data_point_id: str, recipient_id: str, *, how: str, person: str | None = None
    ) -> Consent:
        """Stop a data point at once, then record that the household took it back.

        Raises `ConsentError` for what is not known. Raises `StorageError` where it cannot be
        recorded; it stays stopped until the next start all the same.
        """
        point = self._point(data_point_id)
        item = point.appliance_id, point.id, recipient_id
        before = self._ledger.current.get(item)
        if before is not None and before.in_force:
            # Stopped first: what is under way is decided anew without it.
            self._ledger.suspend(item)
            self._enforce()
            await self._stop_sending(data_point_id, recipient_id)
        return await self._decide(
            point,
            recipient_id,
            ConsentState.WITHDRAWN,
            level=Level.EXACT,
            how=how,
            person=person,
        )

    def _point(self, data_point_id: str) -> DataPoint:
        point = self._pipeline.learning.get(data_point_id)
        if point is None:
            raise ConsentError("no such data point was seen")
        return point

    async def _decide(
        self,
        point: DataPoint,
        recipient_id: str,
        state: ConsentState,
        *,
        level: Level,
        how: str,
        person: str | None,
    ) -> Consent:
        consent = await self._ledger.record(
            Consent(
                appliance_id=point.appliance_id,
                data_point_id=point.id,
                recipient_id=recipient_id,
                state=state,
                level=level,
                kinds=point.kinds - {Kind.NULL},
            ),
            how=how,
            person=person,
        )
        self._enforce()
        if not consent.in_force or level is Level.COARSE:
            await self._stop_sending(point.id, recipient_id)
        return consent

    async def _stop_sending(self, data_point_id: str, recipient_id: str) -> None:
        """End what is under way with a data point to a recipient; no later byte of it leaves."""
        self._gate.abort(
            lambda passage: (
                data_point_id in passage.released
                and any(recipient.id == recipient_id for recipient in passage.verdict.recipients)
            )
        )
        # The gate's sockets are closed in the loop's next round.
        await asyncio.sleep(0)

    def consent(self, data_point_id: str, recipient_id: str) -> Consent | None:
        """Return the newest decision about a data point and a recipient."""
        point = self._pipeline.learning.get(data_point_id)
        if point is None:
            return None
        return self._ledger.current.get((point.appliance_id, point.id, recipient_id))

    def data_points(self, appliance_id: str) -> list[DataPoint]:
        """Return everything seen of an appliance, first seen first."""
        return self._pipeline.learning.of(appliance_id)

    def data_point(self, data_point_id: str) -> DataPoint | None:
        """Return a data point by its id."""
        return self._pipeline.learning.get(data_point_id)

    def promoted(self, appliance_id: str) -> list[DataPoint]:
        """Return the data points of an appliance that have entities."""
        return self._pipeline.promoted(self._appliances[appliance_id])

    def has_sensor(self, point: DataPoint) -> bool:
        """Tell whether a promoted data point's own reading is shown as a sensor."""
        return learning.has_sensor(point, self._appliances[point.appliance_id].promoted)

    @property
    def appliances(self) -> dict[str, Appliance]:
        """The appliances by id."""
        return self._appliances

    @property
    def recipients(self) -> dict[str, Recipient]:
        """The recipients by id."""
        return self._recipients

    def status(self, appliance_id: str) -> ApplianceStatus:
        """Return what was observed of an appliance."""
        sums = self._sums.get(appliance_id, _Sums())
        is_fresh = sums.last_seen is not None and self._clock.now() - sums.last_seen < SEEN_FOR
        protection = (
            Protection.GATE_DOWN
            if not self._gate.is_open
            else Protection.PROTECTED
            if is_fresh
            else Protection.NOT_SEEN
        )
        return ApplianceStatus(
            protection=protection,
            permitted=sums.permitted,
            redacted=sums.redacted,
            denied=sums.denied,
            last_seen=sums.last_seen,
            last_disclosure=sums.last_disclosure,
        )

    async def newest_entries(self, limit: int = 100) -> list[Entry]:
        """Return the newest journal entries, newest first; raises `StorageError`."""
        return await self.journal.newest(limit)

    def _event(self, event: Event) -> None:
        if isinstance(event, Decided) and event.appliance_id is not None:
            sums = self._sums.setdefault(event.appliance_id, _Sums())
            sums.last_seen = event.at
            if event.outcome is Outcome.DENY:
                sums.denied += 1
            else:
                sums.last_disclosure = event.at
                if event.outcome is Outcome.PERMIT:
                    sums.permitted += 1
                else:
                    sums.redacted += 1
        self._listener(event)

    async def _remember(
        self, appliance_id: str, points: tuple[DataPoint, ...], identities: list[str]
    ) -> None:
        """Store what was learned; raises `StorageError`."""
        await self._database.run(
            lambda connection: _store(connection, appliance_id, points, identities)
        )


def _store(
    connection: sqlite3.Connection,
    appliance_id: str,
    points: tuple[DataPoint, ...],
    identities: list[str],
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO data_points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                point.id,
                point.appliance_id,
                point.template,
                point.field.path,
                json.dumps(point.field.siblings),
                point.name,
                json.dumps(sorted(point.kinds)),
                point.category.value,
                json.dumps(point.recipients),
                point.unit,
                point.quantity,
                point.first_seen,
            )
            for point in points
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO identities VALUES (?, ?)",
        [(appliance_id, identity) for identity in identities],
    )


def _forget(connection: sqlite3.Connection, appliance_ids: list[str]) -> None:
    for table in ("data_points", "identities"):
        connection.executemany(
            f"DELETE FROM {table} WHERE appliance_id = ?",  # noqa: S608 - two names of our own
            [(appliance_id,) for appliance_id in appliance_ids],
        )


def _load_points(connection: sqlite3.Connection) -> list[DataPoint]:
    rows = connection.execute(
        "SELECT id, appliance_id, template, path, siblings, name, kinds, category, recipients,"
        " unit, quantity, first_seen FROM data_points ORDER BY first_seen, rowid"
    )
    return [
        DataPoint(
            id=point_id,
            appliance_id=appliance_id,
            template=template,
            field=Field(path, tuple(json.loads(siblings))),
            name=name,
            kinds=frozenset(Kind(kind) for kind in json.loads(kinds)),
            category=Category(category),
            recipients=tuple(json.loads(recipients)),
            unit=unit,
            quantity=quantity,
            first_seen=first_seen,
        )
        for point_id, appliance_id, template, path, siblings, name, kinds, category, recipients,
        unit, quantity, first_seen in rows
    ]  # fmt: skip


def _load_identities(connection: sqlite3.Connection) -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = {}
    rows = connection.execute("SELECT appliance_id, identity FROM identities")
    for appliance_id, identity in rows:
        loaded.setdefault(appliance_id, []).append(identity)
    return loaded
