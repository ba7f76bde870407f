"""The composition root: one object that Home Assistant builds, feeds and listens to.

In go what the household states (`configure`) and decides (`decide` and what follows it); out come
events. Both are frozen values, so that the engine could live in another process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
import logging
from math import inf
from pathlib import Path

from . import catalogue, faces, learning, memory, selftest, traits
from .catalogue import known as vendors
from .catalogue.vendor import Known
from .clock import Clock, ForwardClock, Seen, SystemClock
from .consents import LOOK_SECONDS, RETRY_SECONDS, Consents, Pair
from .errors import StorageError
from .events import Decided, Event, Forgotten, GateChanged
from .exposures import Exposures
from .faces import Faces
from .files import Files, anchor_path
from .gates.http.server import HttpGate
from .gates.http.upstream import Upstream
from .grouping import Group
from .inspection import Inspection
from .journal import MAX_AGE, MAX_BYTES, Entry, Tally
from .lookups import Lookups
from .model import (
    OPAQUE_FIELD,
    Appliance,
    ApplianceStatus,
    Consent,
    ConsentState,
    DataPoint,
    Decider,
    Drift,
    Level,
    Outcome,
    Protection,
    Recipient,
)
from .name_gate import NameGate
from .naming import Infrastructure
from .pipeline import Passage, Pipeline
from .profiles import Profile, Profiles
from .proving import Proving
from .redaction.transforms import may_be_coarse
from .samples import Samples
from .telling import retold
from .watching import Watching

_LOGGER = logging.getLogger(__name__)
SEEN_FOR = 24 * 3600.0
"""Seconds for which one transmission at the gate tells how an appliance is doing. One that calls
its cloud by another way since then is not known to be held by anything."""
PURGE_SECONDS = 3600.0
"""How often the journal is brought back within its bounds."""


@dataclass(slots=True)
class _Sums:
    """What an appliance has done so far."""

    permitted: int = 0
    redacted: int = 0
    denied: int = 0
    last_seen: float | None = None
    last_disclosure: float | None = None


class Firewall:
    """The engine. Everything is called from one event loop; nothing here blocks it.

    `consents` decides and records for the household, `journal` tells what left, `inspection` what
    would leave, and hands out receipts.
    """

    def __init__(
        self,
        *,
        database: Path,
        on_event: Callable[[Event], None],
        clock: Clock | None = None,
        resolve_mac: Callable[[str], str | None] = lambda _: None,
        resolve_addresses: Callable[[str], Collection[str]] = lambda _: (),
        protected_ports: frozenset[int] = frozenset(),
    ) -> None:
        """Wire the engine; nothing is opened before `start`.

        `on_event` is called in the event loop and must not raise. `resolve_mac` tells the MAC
        (lower case, colons) of a local address where it is known. `protected_ports` are ports of
        this machine that are never called upstream (Home Assistant's own).
        """
        self._clock = ForwardClock(clock or SystemClock())
        self._listener = on_event
        self._wake = asyncio.Event()
        self._consents_changed = asyncio.Event()
        self._ends_changed = asyncio.Event()
        self._files = Files(database, on_event=self._event, on_refusal=self._wake.set)
        self._database = self._files.household
        self.journal = self._files.journal
        self._profiles = Profiles(self._database)
        self._pipeline = Pipeline(
            journal=self.journal,
            clock=self._clock,
            on_event=self._event,
            remember=self._remember,
            profiles=self._profiles,
            suspend=self._suspend_drifted,
        )
        self.consents = Consents(
            database=self._database,
            anchor_path=anchor_path(database),
            clock=self._clock,
            learning=self._pipeline.learning,
            on_event=self._event,
            enforce=self._enforce,
            stop=self._stop,
            keep=self._profiles.keeping,
        )
        self.inspection = Inspection(
            pipeline=self._pipeline,
            consents=self.consents,
            journal=self.journal,
            clock=self._clock,
            stated=lambda: (self._appliances, self._recipients),
        )
        self.names = NameGate(
            Lookups(
                policy=lambda: self._pipeline.policy,
                learning=self._pipeline.learning,
                journal=self.journal,
                clock=self._clock,
                on_event=self._event,
                remember=self._remember_points,
            ),
            resolve_mac=resolve_mac,
            resolve_addresses=resolve_addresses,
            on_event=self._event,
        )
        self.watching = Watching(
            self._database,
            self._clock,
            policy=lambda: self._pipeline.policy,
            on_event=self._event,
        )
        self.exposures = Exposures(self._database, self._clock)
        self.names.lookups.observe = self.watching.hear_lookup
        self._protected_ports = protected_ports
        self._upstream = Upstream(protected_ports=protected_ports, look_up=self.names.addresses_of)
        self._gate = HttpGate(self._pipeline, self._upstream, resolve_mac=resolve_mac)
        self._appliances: dict[str, Appliance] = {}
        self._recipients: dict[str, Recipient] = {}
        self._version = 0
        self._sums: dict[str, _Sums] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._bounds = MAX_AGE, MAX_BYTES
        self._purged = -inf
        self._is_configured = False
        self._bypassing: frozenset[str] = frozenset()
        self._proving = Proving(
            gate=self._gate,
            names=self.names,
            pipeline=self._pipeline,
            consents=self.consents,
            database=self._database,
            clock=self._clock,
            enforce=self._enforce,
            stop=self._stop,
        )

    async def start(self) -> None:
        """Open the files and read what was decided and seen; raises `StorageError`.

        Until `configure` is called everything is denied: the policy is not loaded.
        """
        tallies = await self._files.open()
        try:
            self.names.lookups.know(*await asyncio.to_thread(_known_names))
            self._pipeline.catalogue = await asyncio.to_thread(vendors.load)
            await self._load(tallies)
        except BaseException:
            await self._files.close()
            raise
        loop = asyncio.get_running_loop()
        tasks = self._watch(), self._look_after(), self._keep_house()
        self._keepers = [loop.create_task(task) for task in tasks]

    async def begin_backup(self, *, with_journal: bool) -> None:
        """Get the files ready to be copied while they are in use.

        The journal itself is left out of backups, by its name; `with_journal` puts a copy beside
        it that is not. Raises `StorageError` with everything as before.
        """
        try:
            await self.consents.mark_backup(on=True)
            if with_journal:
                await self._files.copy_journal()
        except StorageError:
            with suppress(StorageError):
                await self.end_backup()
            raise

    async def end_backup(self) -> None:
        """Go on after the files were copied; raises `StorageError`, and it is tried again then."""
        await self._files.discard_copy()
        await self.consents.mark_backup(on=False)

    async def _load(self, tallies: dict[str, Tally]) -> None:
        await self.consents.load(is_copy=self._files.is_copy)
        await self.watching.load()
        await self._profiles.load()
        points = traits.remembered(await self._retold(await memory.data_points(self._database)))
        self._pipeline.learning.add(points)
        await self.exposures.load()
        for appliance_id, identities in (await memory.identities(self._database)).items():
            self._pipeline.recall(appliance_id, identities)
        for appliance_id, tally in tallies.items():
            self._sums[appliance_id] = _Sums(
                permitted=tally.counts.get(Outcome.PERMIT, 0),
                redacted=tally.counts.get(Outcome.REDACT, 0),
                denied=tally.counts.get(Outcome.DENY, 0),
                last_seen=tally.last_seen,
                last_disclosure=tally.last_disclosure,
            )
            self._clock.resume(Seen(at=tally.last_seen or 0.0, ticks=0.0, boot=None))

    async def _retold(self, points: list[DataPoint]) -> list[DataPoint]:
        """Return stored data points with what the catalogue says of them now, and keep that.

        Kept it must be: what is given coarse from now on is made so by the unit it has now.
        """
        coarse = frozenset(
            consent.data_point_id
            for consent in self.consents.ledger.current.values()
            if consent.level is Level.COARSE and consent.state is ConsentState.GIVEN
        )
        told = await asyncio.to_thread(retold, points, self._pipeline.catalogue, coarse)
        changed = [new for new, old in zip(told, points, strict=True) if new != old]
        try:
            await memory.retell(self._database, changed)
        except StorageError:
            return points
        return told

    async def _watch(self) -> None:
        """End what is under way when what it rests on runs out; waits for no disk."""
        while True:
            self._gate.abort(self.consents.is_over())
            self._ends_changed.clear()
            # A clock that was set forward is noticed within a minute.
            await _set_within(self._ends_changed, min(self.consents.next_end(), LOOK_SECONDS))

    async def _look_after(self) -> None:
        """Record and tell what became due, for as long as the firewall runs."""
        while True:
            await self._do(self.consents.look_after)
            self._consents_changed.clear()
            await _set_within(self._consents_changed, self.consents.next_look())

    async def _keep_house(self) -> None:
        """Mend the files and keep the journal within its bounds."""
        while True:
            # Before, so that what is wanted while it is at work is done after it.
            self._wake.clear()
            await self._do(self._files.mend)
            await self._do(self._keep_bounds)
            self.watching.look()
            await self._do(self.watching.store)
            await self._do(self._profiles.store)
            await _set_within(self._wake, LOOK_SECONDS if self._files.works else RETRY_SECONDS)

    async def _do(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except StorageError:
            pass  # said by `Files`, and tried again
        except Exception as err:  # noqa: BLE001
            # Nothing may end this: grants are recorded as over by it. The message may quote one.
            _LOGGER.error("Looking after what is due failed: %s", type(err).__name__)  # noqa: TRY400

    async def _keep_bounds(self) -> None:
        """Delete of the journal what the household does not want kept, or no longer."""
        if self._clock.now() - self._purged < PURGE_SECONDS:
            return
        max_age, max_bytes = self._bounds
        # Set before: other bounds that are stated meanwhile hold at once as well.
        self._purged = self._clock.now()
        if not self._pipeline.keeps_values:
            await self.journal.forget_values()
        # By the wall clock: ours stays ahead for good once that was, and all would be too old.
        now = min(self._purged, self._clock.wall())
        await self.journal.purge(now, max_age=max_age, max_bytes=max_bytes)

    def bounds(self, *, max_age: float, max_bytes: int) -> None:
        """Say how many seconds the journal reaches back, and how many bytes it may take."""
        if self._bounds != (max_age, max_bytes):
            self._bounds = max_age, max_bytes
            self._purged = -inf
            self._wake.set()

    def keep_values(self, keep: bool) -> None:  # noqa: FBT001 - a choice has one value
        """Keep the values that leave in the journal; or no longer, and delete those kept."""
        if self._pipeline.keeps_values is not keep:
            self._pipeline.keeps_values = keep
            self._purged = -inf
            self._wake.set()

    async def stop(self) -> None:
        """Close the gate, end what is under way, flush and close the files."""
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        if keepers:
            await asyncio.wait(keepers)
        await self.names.close()
        await self.close_gate()
        await self._upstream.close()
        with suppress(StorageError):
            await self.watching.store(at_once=True)
        with suppress(StorageError):
            await self._profiles.store_all()
        await self._files.close()

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
        self.consents.configure(self._appliances, self._recipients)
        self.watching.configure(self._appliances, self._recipients)
        self._is_configured = True
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

    async def forget_all_but(self, present: frozenset[str]) -> None:
        """Forget what was seen of appliances that are not among these ids, and end their consents.

        Those for recipients that are not among them end too. Ledger and journal keep what was.
        Raises `StorageError` with what was seen as it was.
        """
        await self.consents.end_gone(present)
        gone = sorted(self._pipeline.known_appliances() - present)
        if gone:
            await memory.forget(self._database, gone)
            for appliance_id in gone:
                self._pipeline.forget(appliance_id)
                self._profiles.forget(appliance_id)
                self.names.lookups.forget(appliance_id)
                self._sums.pop(appliance_id, None)
            self._enforce()

    def _enforce(self) -> None:
        if not self._is_configured:
            return
        self._version += 1
        policy = self.consents.snapshot(self._version)
        self._pipeline.enforce(self._proving.beside(policy))
        self._consents_changed.set()
        self._ends_changed.set()

    async def _stop(self, which: Callable[[Passage], bool]) -> None:
        """End passages under way; when this returns no later byte of them leaves."""
        self._gate.abort(which)
        # The gate's sockets are closed in the loop's next round.
        await asyncio.sleep(0)

    async def decide(
        self,
        pairs: Iterable[Pair],
        state: ConsentState,
        decider: Decider,
        *,
        level: Level | Mapping[Pair, Level] = Level.EXACT,
        seconds: float | None = None,
        until: float | None = None,
        subject: str | None = None,
    ) -> tuple[Consent, ...]:
        """Record the household's decision about (data point id, recipient id) pairs.

        See `Consents.decide`.
        """
        return await self.consents.decide(
            pairs, state, decider, level=level, seconds=seconds, until=until, subject=subject
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
        (consent,) = await self.consents.decide(
            [(data_point_id, recipient_id)],
            ConsentState.GIVEN,
            Decider(how=how, person=person),
            level=level,
        )
        return consent

    async def withdraw(
        self, data_point_id: str, recipient_id: str, *, how: str, person: str | None = None
    ) -> Consent:
        """Stop a data point at once, then record that the household took it back.

        Raises `ConsentError` for what is not known. Raises `StorageError` where it cannot be
        recorded; it stays stopped all the same, and is recorded as soon as that is possible.
        """
        (consent,) = await self.consents.decide(
            [(data_point_id, recipient_id)],
            ConsentState.WITHDRAWN,
            Decider(how=how, person=person),
        )
        return consent

    def now(self) -> float:
        """Return the time by which grants end, in seconds since 1970; it never goes back."""
        return self._clock.now()

    def consent(self, data_point_id: str, recipient_id: str) -> Consent | None:
        """Return the newest decision about a data point and a recipient."""
        return self.consents.get(data_point_id, recipient_id)

    def decided(self) -> list[Consent]:
        """Return the newest decision about every data point and recipient, in force or not."""
        return list(self.consents.ledger.current.values())

    def is_in_force(self, consent: Consent) -> bool:
        """Tell whether data may pass under a consent now: given, not suspended, and not over."""
        return self.consents.is_in_force(consent)

    def is_sharing(self, data_point_id: str, recipient_id: str) -> bool:
        """Tell whether a data point may pass to a recipient now."""
        consent = self.consents.get(data_point_id, recipient_id)
        return consent is not None and self.is_in_force(consent)

    def data_points(self, appliance_id: str) -> list[DataPoint]:
        """Return everything seen of an appliance, first seen first."""
        return self._pipeline.learning.of(appliance_id)

    def data_point(self, data_point_id: str) -> DataPoint | None:
        """Return a data point by its id."""
        return self._pipeline.learning.get(data_point_id)

    def known(self, point: DataPoint) -> Known | None:
        """Return what the catalogue knows of a data point, how it is best shown for one."""
        seen = self._pipeline.learning.at(point.appliance_id, point.template)
        told = self._pipeline.catalogue.at(point.template, seen.keys())
        return vendors.find(told, point.field)

    def profile(self, data_point_id: str) -> Profile | None:
        """Return the figures known of a data point; no value."""
        return self._profiles.get(data_point_id)

    def promoted(self, appliance_id: str) -> list[DataPoint]:
        """Return the data points of an appliance that have entities."""
        return self._pipeline.promoted(self._appliances[appliance_id])

    def note_matched(self, appliance_id: str, point_ids: frozenset[str]) -> None:
        """Take note of which data points are entities of other integrations: they have switches.

        It changes no consent.
        """
        self._pipeline.note_matched(appliance_id, point_ids)

    def groups(self, appliance_id: str) -> list[Group]:
        """Return the groups of an appliance's data points that share a switch."""
        return self._pipeline.arranged(self._appliances[appliance_id]).groups

    def switched(self, appliance_id: str) -> list[DataPoint]:
        """Return the data points behind a switch, their own or their group's."""
        return self._pipeline.arranged(self._appliances[appliance_id]).switched()

    def may_be_coarse(self, point: DataPoint) -> bool:
        """Tell whether a data point can be given coarse at all."""
        return may_be_coarse(point.kinds, point.category, point.unit)

    def has_sensor(self, point: DataPoint) -> bool:
        """Tell whether a promoted data point's own reading is shown as a sensor."""
        return learning.has_sensor(point, self._appliances[point.appliance_id].promoted)

    @property
    def samples(self) -> Samples:
        """What was seen last of each data point. Values: for the household's eyes only."""
        return self._pipeline.samples

    @property
    def appliances(self) -> dict[str, Appliance]:
        """The appliances by id."""
        return self._appliances

    @property
    def recipients(self) -> dict[str, Recipient]:
        """The recipients by id."""
        return self._recipients

    def let_through_until(self, appliance_id: str) -> float | None:
        """Return until when everything of an appliance is let through; None where it is not."""
        return self.consents.measures.let_through().get(appliance_id)

    def status(self, appliance_id: str) -> ApplianceStatus:
        """Return what was observed of an appliance."""
        sums = self._sums.get(appliance_id, _Sums())
        asked = self.names.lookups.counts(appliance_id).last_asked
        last_seen = max((one for one in (sums.last_seen, asked) if one is not None), default=None)
        protection = (
            Protection.GATE_DOWN
            if not self._gate.is_open or self.names.is_down
            else Protection.MONITORED
            if self.let_through_until(appliance_id) is not None
            else Protection.BYPASSING
            if appliance_id in self._bypassing
            else Protection.NOT_SEEN
            if not self._is_fresh(last_seen)
            else Protection.CANNOT_SEE_INSIDE
            if self._is_fresh(self.names.lookups.opaque_since(appliance_id))
            else Protection.PROTECTED
        )
        return ApplianceStatus(
            protection=protection,
            permitted=sums.permitted,
            redacted=sums.redacted,
            denied=sums.denied,
            last_seen=last_seen,
            last_disclosure=sums.last_disclosure,
        )

    def note_bypassing(self, appliance_ids: frozenset[str]) -> None:
        """Take note of which appliances were seen to go around the gates, from outside of here."""
        self._bypassing = appliance_ids

    def is_opaque(self, point: DataPoint) -> bool:
        """Tell whether a data point is all that an appliance sends where no gate can read."""
        return point.field == OPAQUE_FIELD

    def _is_fresh(self, at: float | None) -> bool:
        return at is not None and self._clock.now() - at < SEEN_FOR

    async def self_test(self) -> selftest.Report:
        """Send canaries through every gate from the outside; report what came out.

        Raises `StorageError` where what the test taught could not be forgotten.
        """
        return await self._proving.run()

    async def newest_entries(self, limit: int = 100) -> list[Entry]:
        """Return the newest journal entries, newest first; raises `StorageError`."""
        return await self.journal.newest(limit)

    async def forget_journal(self, appliance_id: str) -> int:
        """Delete all that is recorded of an appliance's transmissions; return how many entries.

        Its counts begin anew, and until it is seen again nothing is known of it. Raises
        `StorageError`.
        """
        deleted = await self.journal.forget(appliance_id)
        self._sums.pop(appliance_id, None)
        self.names.lookups.forget(appliance_id)
        self.watching.forget(appliance_id)
        await self.watching.store()
        self._event(Forgotten(appliance_id=appliance_id))
        return deleted

    async def try_storage(self) -> bool:
        """Try whether the disk takes records again, and mend what can be mended."""
        with suppress(StorageError):
            await self._files.mend()
        # The file's thread tells of it in the loop's next round.
        await asyncio.sleep(0)
        return self.storage_works

    @property
    def storage_works(self) -> bool:
        """Whether the disk took the last record. Where it does not, nothing leaves."""
        return self._files.works

    def _event(self, event: Event) -> None:
        if getattr(event, "appliance_id", None) == selftest.CANARY:
            # Told by the report; the journal has it.
            return
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
        # What follows from it is told after it.
        self.watching.hear(event)

    async def _suspend_drifted(self, drifted: Mapping[str, Drift]) -> None:
        """Suspend what is no longer what was granted; raises `StorageError`."""
        await self.consents.suspend_drifted(drifted)

    async def _remember_points(self, appliance_id: str, points: tuple[DataPoint, ...]) -> None:
        """Store what was learned from names; raises `StorageError`."""
        self._pipeline.learned(appliance_id)
        await memory.remember(self._database, appliance_id, points, [])

    async def _remember(
        self, appliance_id: str, points: tuple[DataPoint, ...], identities: list[str]
    ) -> None:
        """Store what was learned; raises `StorageError`."""
        await memory.remember(self._database, appliance_id, points, identities)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _known_names() -> tuple[Mapping[str, Infrastructure], Faces]:
    """Read what is known of names. It blocks for some tens of milliseconds."""
    return catalogue.infrastructure(), faces.load()
