"""What the household decides: consents, requests, measures, and what time does to them.

Everything goes the same way: what narrows takes effect first and is recorded then; what widens is
recorded first. `look_after` is called again and again; it records what ran out, tells what soon
will, and tries again what the disk refused.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from math import inf
from pathlib import Path
from typing import Any

from . import meta, passages, policy as rules
from .clock import ForwardClock, Seen
from .endings import Endings, announced_at
from .errors import ConsentError, StorageError
from .events import ConsentsChanged, ConsentsRequested, ConsentsSuspended, Event, MeasureChanged
from .learning import Learning
from .ledger import Entry, Ledger, LedgerCheck
from .measures import MAX_LET_THROUGH, Measures
from .model import (
    Appliance,
    Consent,
    ConsentState,
    DataPoint,
    Decider,
    Drift,
    Item,
    Kind,
    Level,
    Measure,
    Recipient,
)
from .notices import Notice
from .passages import Which
from .policy import Policy
from .records import DRIFT, Record
from .statements import Statements
from .storage import Database, Job

DIGEST_SECONDS = 24 * 3600.0
"""The least time between two digests of what the household is asked."""
LOOK_SECONDS = 60.0
"""How often `look_after` is to be called at least."""
RETRY_SECONDS = 10.0
"""The same while something could not be recorded."""
_AT_ONCE = 0.02
"""Seconds until the next look where something became due during the last one."""

type Pair = tuple[str, str]
"""Data point id, recipient id."""
type Stop = Callable[[Which], Awaitable[None]]

_TIME = Decider(how="time")
_ASKING = Decider(how="asking")
_DRIFT = Decider(how="drift")
_RESTORE = Decider(how="restore")
_REMOVAL = Decider(how="removal")


def _whole[**P, R](
    method: Callable[P, Coroutine[Any, Any, R]],
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Do it to the end, also where whoever called no longer waits: no decision is half made."""

    @wraps(method)
    async def do(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.shield(method(*args, **kwargs))

    return do


class Consents:
    """The household's decisions, in force and on record."""

    def __init__(
        self,
        *,
        database: Database,
        anchor_path: Path,
        clock: ForwardClock,
        learning: Learning,
        on_event: Callable[[Event], None],
        enforce: Callable[[], None],
        stop: Stop,
        keep: Callable[[Iterable[str]], Job[None]],
    ) -> None:
        """Keep the parts. `enforce` brings a new snapshot into force, `stop` ends passages.

        `keep` makes the job that writes down what was seen of data points (by id).
        """
        self._keep = keep
        self._database = database
        self._clock = clock
        self._learning = learning
        self._on_event = on_event
        self._enforce = enforce
        self._stop = stop
        self.ledger = Ledger(database, clock, anchor_path)
        self.measures = Measures(database, clock)
        self._statements = Statements(learning, clock)
        self._endings = Endings()
        self._deciding: Counter[Item] = Counter()
        self._retry: dict[Item, Decider] = {}
        self._drifted: dict[Item, Drift] = {}
        self._recording_drift = asyncio.Lock()
        self._is_to_unmark = False
        self._looking = asyncio.Lock()
        self._is_behind = False

    async def load(self, *, is_copy: bool = False) -> None:
        """Read what was decided; raises `StorageError`. `is_copy`: the file came from a backup.

        What came back with a backup, or is older than what was written, is suspended.
        """
        is_newest = await self.ledger.load()
        await self.measures.load()
        await self._resume_time()
        self._retry = dict.fromkeys(self.ledger.unrecorded, _RESTORE)
        if self.ledger.lockdown and not self.is_locked_down:
            self.measures.narrow(Measure.LOCKDOWN, None, is_on=True)
            self.measures.unrecorded[Measure.LOCKDOWN, None] = _RESTORE
        if self.is_locked_down:
            # Killed between the two records.
            for appliance_id in self.measures.let_through():
                self.measures.narrow(Measure.LET_THROUGH, appliance_id, is_on=False)
                self.measures.unrecorded[Measure.LET_THROUGH, appliance_id] = _RESTORE
        is_backup = is_copy or await meta.get(self._database, meta.BACKUP) is not None
        if is_backup or not is_newest:
            await self._suspend_restored()
        elif (restored := self.measures.get(Measure.RESTORED)) is not None:
            self._suspend_up_to(restored.record)

    async def _resume_time(self) -> None:
        """Go on from the newest time that anything on record tells."""
        seen = await meta.get(self._database, meta.SEEN)
        if seen is not None:
            try:
                at, ticks, boot = seen
                moment = Seen(at=float(at), ticks=float(ticks), boot=boot)
            except (TypeError, ValueError) as err:
                raise StorageError("the time on record cannot be understood") from err
            if self._clock.is_doubtful(moment):
                # How long the machine was off, nobody knows: what ends by itself is over.
                self.ledger.end_all(moment.at)
                self.measures.end_all(moment.at)
            self._clock.resume(moment)
        times = [one.decided_at for one in self.ledger.current.values()]
        newest = max([self.measures.newest_at(), *times])
        self._clock.resume(Seen(at=newest, ticks=0.0, boot=None))

    async def _suspend_restored(self) -> None:
        for appliance_id in self.measures.let_through():
            await self.measures.take(Measure.LET_THROUGH, appliance_id, _RESTORE, is_on=False)
        if any(one.state is ConsentState.GIVEN for one in self.ledger.current.values()):
            newest = self.ledger.newest
            await self.measures.take(Measure.RESTORED, None, _RESTORE, is_on=True, record=newest)
            self._suspend_up_to(newest)
        await meta.put(self._database, meta.BACKUP, None)
        await self.ledger.anchor()

    def _suspend_up_to(self, number: int) -> None:
        for item, consent in list(self.ledger.current.items()):
            if consent.state is ConsentState.GIVEN and consent.number <= number:
                self.ledger.suspend(item)

    def configure(self, appliances: dict[str, Appliance], recipients: dict[str, Recipient]) -> None:
        """Take over what the household states."""
        self._statements.configure(appliances, recipients)

    def snapshot(self, version: int) -> Policy:
        """Return what is decided now, as the policy needs it."""
        return rules.build(
            version,
            tuple(self._statements.appliances.values()),
            tuple(self._statements.recipients.values()),
            [
                (consent, point)
                for consent in self.ledger.current.values()
                if consent.state is ConsentState.GIVEN
                and (point := self._learning.get(consent.data_point_id)) is not None
            ],
            lockdown=self.is_locked_down,
            let_through=self.measures.let_through(),
        )

    # --- Decisions ---

    @_whole
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
        """Record the household's decision about data points and recipients, all or none.

        `state` is given, refused or withdrawn; `level` is one for all, or each pair's. A grant may
        end by itself: after `seconds`, or at `until` (seconds since 1970). Raises `ConsentError`
        for what is not known or cannot be meant, `StorageError` where it cannot be recorded: a
        grant then changes nothing; what was to be stopped stays stopped, and is recorded as soon
        as that is possible.
        """
        levels = {pair: level if isinstance(level, Level) else level[pair] for pair in pairs}
        entries = [
            self._statements.entry(*pair, state, one, subject) for pair, one in levels.items()
        ]
        if not entries:
            raise ConsentError("nothing to decide about")
        if state is ConsentState.GIVEN:
            ends = self._statements.end(seconds, until)
            entries = [replace(one, consent=replace(one.consent, until=ends)) for one in entries]
        elif seconds is not None or until is not None:
            raise ConsentError("only a grant ends by itself")
        else:
            entries = [self._as_it_was(one) for one in entries]
        items = [one.consent.item for one in entries]
        self._deciding.update(items)
        try:
            return await self._record(entries, items, decider, is_given=state is ConsentState.GIVEN)
        finally:
            self._deciding.subtract(items)

    def _as_it_was(self, entry: Entry) -> Entry:
        """Return a decision against something that keeps what the consent was, for the next one."""
        before = self.ledger.current.get(entry.consent.item)
        if before is None:
            return entry
        return Entry(
            consent=replace(entry.consent, level=before.level, drift=before.drift),
            facts=entry.facts | _drift_of(before),
            notice=entry.notice,
        )

    async def _record(
        self, entries: list[Entry], items: list[Item], decider: Decider, *, is_given: bool
    ) -> tuple[Consent, ...]:
        # A grant of less than is in force takes that away: like any withdrawal, before its record.
        halted = (
            items if not is_given else [one.consent.item for one in entries if self._narrows(one)]
        )
        if halted:
            await self._halt(halted)
        try:
            # With a grant: what is granted is what was seen until now, also after a crash.
            points = [one.consent.data_point_id for one in entries] if is_given else []
            consents = await self.ledger.record(entries, decider, along=self._keep(points))
        except StorageError:
            if halted:
                self._retry.update(dict.fromkeys(halted, decider))
                self.ledger.unrecorded.update(halted)
                await self.ledger.anchor()
            raise
        self._enforce()
        if any(one.level is Level.COARSE for one in consents):
            await self._stop_carrying(items)
        self._on_event(ConsentsChanged(consents=consents, decider=decider))
        return consents

    def _narrows(self, entry: Entry) -> bool:
        """Tell whether a grant gives less than what is in force: coarse, or not for as long."""
        new, before = entry.consent, self.ledger.current.get(entry.consent.item)
        if before is None or not self.ledger.is_in_force(before):
            return False
        is_coarser = new.level is Level.COARSE and before.level is not Level.COARSE
        return is_coarser or _end(new) < _end(before)

    @_whole
    async def end_gone(self, present: frozenset[str]) -> None:
        """Withdraw the consents of appliances and recipients that are not among these ids.

        They are out of force at once; what the disk refuses is recorded later.
        """
        gone = [
            one
            for one in self.ledger.current.values()
            if one.state is ConsentState.GIVEN
            and not {one.appliance_id, one.recipient_id} <= present
        ]
        if not gone:
            return
        items = [one.item for one in gone]
        with suppress(StorageError):
            await self._record(
                [_turned(one, ConsentState.WITHDRAWN) for one in gone],
                items,
                _REMOVAL,
                is_given=False,
            )

    def is_in_force(self, consent: Consent) -> bool:
        """Tell whether data may pass under a consent now, of and to what is still stated."""
        return (
            self.ledger.is_in_force(consent)
            and consent.appliance_id in self._statements.appliances
            and consent.recipient_id in self._statements.recipients
        )

    async def _halt(self, items: Iterable[Item]) -> None:
        """Take consents out of force and end what is under way, ahead of the record."""
        for item in items:
            # Also where none is in force: one may just be on its way to the ledger.
            self.ledger.suspend(item)
        self._enforce()
        await self._stop_carrying(items)

    async def _stop_carrying(self, items: Iterable[Item]) -> None:
        await self._stop(
            passages.carrying(frozenset(items), self.ledger.in_force(), self._learning)
        )

    @_whole
    async def suspend_drifted(self, drifted: Mapping[str, Drift]) -> None:
        """Take consents of data points (by id) out of force: they are no longer what was granted.

        At once; then it is recorded, and told. Raises `StorageError` where it cannot be: it holds
        all the same, and is recorded later. One that waits to be confirmed is decided anew, too.
        """
        for item, one in list(self.ledger.current.items()):
            if (
                one.data_point_id in drifted
                and one.state is ConsentState.GIVEN
                and one.drift is None
                # What the household stopped comes back by a new decision only.
                and item not in self.ledger.unrecorded
            ):
                self.ledger.drift(item, drifted[one.data_point_id])
                self._drifted[item] = drifted[one.data_point_id]
        if self._drifted:
            self._enforce()
        await self._record_drifted()

    async def _record_drifted(self) -> None:
        # Once each, whoever comes first: the message that showed it, or `look_after`.
        async with self._recording_drift:
            if self._drifted:
                await self._record_each_drift()

    async def _record_each_drift(self) -> None:
        entries: list[Entry] = []
        for item, drift in self._drifted.items():
            entry = self._asking_anew(item)
            if entry is not None:
                entries.append(
                    replace(
                        entry,
                        consent=replace(entry.consent, drift=drift),
                        facts={**entry.facts, DRIFT: drift.value},
                    )
                )
        recording = dict(self._drifted)
        consents = await self.ledger.record(entries, _DRIFT) if entries else ()
        for item, drift in recording.items():
            if self._drifted.get(item) is drift:
                del self._drifted[item]
        # Once more: a grant that was on its way was in force since.
        self._enforce()
        if suspended := tuple(one for one in consents if one.drift is not None):
            self._on_event(ConsentsSuspended(consents=suspended))

    def _asking_anew(self, item: Item) -> Entry | None:
        """Return the record that a consent is asked about; None where it ends elsewhere."""
        _, point_id, recipient_id = item
        with suppress(ConsentError):
            return self._statements.entry(point_id, recipient_id, ConsentState.REQUESTED)
        if recipient_id not in self._statements.recipients:
            return None  # what is no longer stated is withdrawn
        # Of late, others received the data point: that takes no consent away.
        standing = self.ledger.current.get(item)
        if standing is None or standing.state is not ConsentState.GIVEN:
            return None
        return _turned(standing, ConsentState.REQUESTED)

    def given(self, recipient_id: str, appliance_id: str | None = None) -> list[Consent]:
        """Return the consents of a recipient that stand as given, also suspended ones."""
        return [
            one
            for one in self.ledger.current.values()
            if one.state is ConsentState.GIVEN
            and one.recipient_id == recipient_id
            and appliance_id in (None, one.appliance_id)
        ]

    def get(self, data_point_id: str, recipient_id: str) -> Consent | None:
        """Return the newest decision about a data point and a recipient."""
        point = self._learning.get(data_point_id)
        if point is None:
            return None
        return self.ledger.current.get((point.appliance_id, point.id, recipient_id))

    # --- Asking ---

    def is_outdated(self, consent: Consent) -> bool:
        """Tell whether what is stated of a recipient changed since a consent was given."""
        return self._statements.is_outdated(consent)

    def open_questions(self, points: Iterable[DataPoint]) -> list[Pair]:
        """Return what the household has not decided of these, or gave as something else.

        Under an older notice, or before it was seen with values of another type, unit or range.
        """
        questions: list[Pair] = []
        for point in points:
            for recipient_id in point.recipients:
                if recipient_id not in self._statements.recipients:
                    continue
                item = point.appliance_id, point.id, recipient_id
                consent = self.ledger.current.get(item)
                if (
                    consent is None
                    or consent.state is ConsentState.REQUESTED
                    or (consent.drift is not None and consent.state is ConsentState.GIVEN)
                    or (
                        self.ledger.is_in_force(consent)
                        and (
                            self.is_outdated(consent)
                            or not point.kinds - {Kind.NULL} <= consent.kinds
                        )
                    )
                ):
                    questions.append((point.id, recipient_id))
        return questions

    async def ask(self, points: Iterable[DataPoint]) -> ConsentsRequested | None:
        """Record as requested what is open and was not asked before; tell of it in one digest.

        Once a day at most; None where it is not yet time, or nothing is new. Raises
        `StorageError`.
        """
        now = self._clock.now()
        last = await meta.get(self._database, meta.ASKED)
        if last is not None and now - last < DIGEST_SECONDS:
            return None
        fresh = [
            entry
            for pair in self.open_questions(points)
            if (entry := self._statements.entry(*pair, ConsentState.REQUESTED)).consent.notice
            != self._asked_under(pair)
        ]
        if not fresh:
            return None
        consents = await self.ledger.record(fresh, _ASKING)
        await meta.put(self._database, meta.ASKED, now)
        digest = ConsentsRequested(at=now, consents=consents)
        self._on_event(digest)
        return digest

    def _asked_under(self, pair: Pair) -> str | None:
        """Return the notice under which the household was last asked since it decided, if it was.

        Under another one it is another question.
        """
        consent = self.get(*pair)
        return consent.asked if consent is not None and consent.requested else None

    # --- Measures ---

    @property
    def is_locked_down(self) -> bool:
        """Whether everything is denied."""
        return self.measures.get(Measure.LOCKDOWN) is not None

    @property
    def locked_down_since(self) -> float | None:
        """When everything began to be denied, in seconds since 1970; None where it is not."""
        taken = self.measures.get(Measure.LOCKDOWN)
        return None if taken is None else taken.at

    @_whole
    async def lock_down(self, decider: Decider, *, on: bool) -> None:
        """Deny everything, at once, or bring back what was consented; raises `StorageError`.

        A lockdown that could not be recorded holds all the same, and is recorded later. It ends
        all letting-through, which does not come back with its own end.
        """
        if self.is_locked_down is on and self.measures.is_settled(Measure.LOCKDOWN):
            return
        if on:
            was_on = self.is_locked_down
            self.measures.narrow(Measure.LOCKDOWN, None, is_on=True)
            ended = list(self.measures.let_through())
            for appliance_id in ended:
                self.measures.narrow(Measure.LET_THROUGH, appliance_id, is_on=False)
            self._enforce()
            await self._stop(lambda _: True)
            if not was_on:
                self._tell_measure(Measure.LOCKDOWN, None, is_on=True)
            for appliance_id in ended:
                self._tell_measure(Measure.LET_THROUGH, appliance_id, is_on=False)
        else:
            ended = []
        try:
            await self.measures.take(Measure.LOCKDOWN, None, decider, is_on=on, narrows=on)
        finally:
            await self._anchor_lockdown()
            for appliance_id in ended:
                await self.measures.end(Measure.LET_THROUGH, appliance_id, decider)
        if not on and not self.is_locked_down:
            self._enforce()
            self._tell_measure(Measure.LOCKDOWN, None, is_on=False)

    async def _anchor_lockdown(self) -> None:
        is_unrecorded = (Measure.LOCKDOWN, None) in self.measures.unrecorded
        if self.ledger.lockdown is not is_unrecorded:
            self.ledger.lockdown = is_unrecorded
            await self.ledger.anchor()

    @_whole
    async def let_through(
        self, appliance_id: str, decider: Decider, *, seconds: float | None
    ) -> None:
        """Let everything of an appliance through for a time, or (None) no longer.

        Raises `ConsentError` for an unknown appliance, more than an hour, or during a lockdown,
        `StorageError`: its end then holds all the same, and is recorded later.
        """
        if appliance_id not in self._statements.appliances:
            raise ConsentError("no such appliance")
        if seconds is not None and self.is_locked_down:
            raise ConsentError("nothing is let through during a lockdown")
        if seconds is not None and not 0 < seconds <= MAX_LET_THROUGH:
            raise ConsentError("an appliance is let through for an hour at most")
        is_on = seconds is not None
        until = None if seconds is None else self._clock.now() + seconds
        if not is_on:
            was_on = self.measures.get(Measure.LET_THROUGH, appliance_id) is not None
            if not was_on and self.measures.is_settled(Measure.LET_THROUGH, appliance_id):
                return
            self.measures.narrow(Measure.LET_THROUGH, appliance_id, is_on=False)
            self._enforce()
            await self._stop(passages.let_through(appliance_id))
            if was_on:
                self._tell_measure(Measure.LET_THROUGH, appliance_id, is_on=False)
        await self.measures.take(
            Measure.LET_THROUGH, appliance_id, decider, is_on=is_on, until=until, narrows=not is_on
        )
        if is_on and self.is_locked_down:
            # It began while this was recorded.
            self.measures.narrow(Measure.LET_THROUGH, appliance_id, is_on=False)
            await self.measures.end(Measure.LET_THROUGH, appliance_id, decider)
        elif is_on and self.measures.get(Measure.LET_THROUGH, appliance_id) is not None:
            self._enforce()
            self._tell_measure(Measure.LET_THROUGH, appliance_id, is_on=True, until=until)

    def _tell_measure(
        self,
        measure: Measure,
        appliance_id: str | None,
        *,
        is_on: bool,
        until: float | None = None,
    ) -> None:
        self._on_event(
            MeasureChanged(measure=measure, appliance_id=appliance_id, is_on=is_on, until=until)
        )

    @property
    def is_restored(self) -> bool:
        """Whether consents that came back with a backup wait to be confirmed."""
        return bool(self.restored())

    def restored(self) -> list[Consent]:
        """Return the consents that wait to be confirmed."""
        taken = self.measures.get(Measure.RESTORED)
        if taken is None:
            return []
        return [
            one
            for item, one in self.ledger.current.items()
            if one.state is ConsentState.GIVEN
            and one.number <= taken.record
            and item not in self.ledger.unrecorded
            # One that also drifted is decided anew by itself.
            and one.drift is None
        ]

    @_whole
    async def confirm_restored(
        self,
        decider: Decider,
        *,
        keep: Iterable[Pair] | None,
        among: Iterable[Pair] | None = None,
    ) -> None:
        """Bring back these consents of a backup (None: all that wait); withdraw the others.

        Those that are not `among` the ones decided about wait on. Raises `StorageError`; what was
        not recorded still waits.
        """
        waiting = self.restored()
        decided = waiting
        if among is not None:
            chosen = frozenset(among)
            decided = [one for one in waiting if one.pair in chosen]
        kept = None if keep is None else frozenset(keep)
        dropped = [one.pair for one in decided if kept is not None and one.pair not in kept]
        if dropped:
            await self.decide(dropped, ConsentState.WITHDRAWN, decider)
        if len(decided) < len(waiting):
            await self._record_confirmed(
                [one for one in decided if one.pair not in dropped],
                decider,
            )
            return
        await self.measures.take(Measure.RESTORED, None, decider, is_on=False)
        self.ledger.confirm(
            item
            for one in waiting
            if (kept is None or one.pair in kept)
            # One about which a decision is on its way waits for that.
            and not self._deciding[item := one.item]
        )
        self._enforce()
        self._tell_measure(Measure.RESTORED, None, is_on=False)

    async def _record_confirmed(self, consents: Sequence[Consent], decider: Decider) -> None:
        """Give these anew, as they were: what the backup's mark covers ends before them."""
        entries = [
            _turned(one, ConsentState.GIVEN)
            for one in consents
            if self.ledger.current[one.item] is one and not self._deciding[one.item]
        ]
        if not entries:
            return
        given = await self.ledger.record(entries, decider)
        self._enforce()
        self._on_event(ConsentsChanged(consents=given, decider=decider))

    async def mark_backup(self, *, on: bool) -> None:
        """Mark the file while it is copied: a copy that comes back then tells it is one.

        Raises `StorageError`. A mark that could not be taken off is tried again by `look_after`:
        left on, it would suspend everything at the next start of this very home.
        """
        self._is_to_unmark = not on
        await meta.put(self._database, meta.BACKUP, self._clock.now() if on else None)
        if on:
            await self._database.checkpoint()
        await self._database.hold_still(on=on)
        self._is_to_unmark = False

    # --- Time ---

    async def look_after(self) -> None:
        """Do what is due.

        What the disk refuses is tried again the next time; it is out of force all the same.
        """
        async with self._looking:
            await self._record_due()
        for ending in self._endings.due(self.ledger.ends(), self._clock.now()):
            self._on_event(ending)

    async def _record_due(self) -> None:
        self._is_behind = True
        with suppress(StorageError):
            await self._expire()
            await self._end_measures()
            await self._record_stopped()
            await self._record_drifted()
            await self.measures.retry()
            if self._is_to_unmark:
                await self.mark_backup(on=False)
            await self._anchor_lockdown()
            await self._keep_time()
            self._is_behind = False

    async def _expire(self) -> None:
        """Record what ran out. It is out of force by the time alone."""
        expired = [one for one in self.ledger.expired() if not self._deciding[one.item]]
        if not expired:
            return
        consents = await self.ledger.record(
            [_turned(one, ConsentState.EXPIRED) for one in expired], _TIME
        )
        self._enforce()
        self._on_event(ConsentsChanged(consents=consents, decider=_TIME))

    async def _end_measures(self) -> None:
        for taken in self.measures.over():
            if self.measures.is_settled(taken.measure, taken.appliance_id):
                await self.measures.take(taken.measure, taken.appliance_id, _TIME, is_on=False)
                self._enforce()
                self._tell_measure(taken.measure, taken.appliance_id, is_on=False)

    async def _record_stopped(self) -> None:
        for item, decider in list(self._retry.items()):
            consent = self.ledger.current.get(item)
            if self._deciding[item]:
                continue
            if (
                item in self.ledger.unrecorded
                and consent is not None
                and consent.state is ConsentState.GIVEN
            ):
                consents = await self.ledger.record(
                    [_turned(consent, ConsentState.WITHDRAWN)], decider
                )
                self._enforce()
                self._on_event(ConsentsChanged(consents=consents, decider=decider))
            self.ledger.unrecorded.discard(item)
            self._retry.pop(item, None)

    async def _keep_time(self) -> None:
        """Write down the time while something is to end by it: a clock set back gains nothing."""
        if self.ledger.ends() or self.measures.ends():
            await meta.put(self._database, meta.SEEN, meta.moment(self._clock.seen()))

    def next_look(self) -> float:
        """Return after how many seconds `look_after` is to be called."""
        now = self._clock.now()
        if self._is_behind:
            return RETRY_SECONDS
        if self._retry or self.measures.unrecorded or self.ledger.expired() or self.measures.over():
            return _AT_ONCE
        soon = [at for one in self.ledger.ends() if (at := announced_at(one)) > now]
        return max(_AT_ONCE, min([LOOK_SECONDS, self.next_end(), *(at - now for at in soon)]))

    def is_over(self) -> Which:
        """Return which messages under way may no longer pass because something ran out."""
        return passages.over(
            self.measures.let_through(),
            self.ledger.in_force(),
            self._learning,
        )

    def next_end(self) -> float:
        """Return after how many seconds something ends by itself; infinity where nothing does."""
        now = self._clock.now()
        ends = [one.until for one in self.ledger.ends() if one.until is not None]
        return min(
            [until - now for until in [*ends, *self.measures.ends()] if until > now], default=inf
        )

    # --- What is on record ---

    def notice(self, recipient_id: str) -> Notice:
        """Return what is stated of a recipient now; raises `ConsentError` for an unknown one."""
        notice = self._statements.notice(recipient_id)
        if notice is None:
            raise ConsentError("no such recipient")
        return self.ledger.versioned(notice)

    async def records(
        self, appliance_id: str | None = None, recipient_id: str | None = None
    ) -> list[Record]:
        """Return every decision, oldest first; raises `StorageError`."""
        return await self.ledger.records(appliance_id, recipient_id)

    async def verify(self) -> LedgerCheck:
        """Follow the ledger's chain; raises `StorageError`."""
        return await self.ledger.verify()


def _end(consent: Consent) -> float:
    return inf if consent.until is None else consent.until


def _turned(consent: Consent, state: ConsentState) -> Entry:
    """Return the record that a consent is this now, as it was otherwise."""
    is_given = state is ConsentState.GIVEN
    return Entry(
        consent=replace(
            consent,
            state=state,
            is_suspended=False,
            requested=False,
            drift=None if is_given else consent.drift,
        ),
        facts={} if is_given else _drift_of(consent),
    )


def _drift_of(consent: Consent) -> dict[str, str | bool]:
    return {} if consent.drift is None else {DRIFT: consent.drift.value}
