"""The way through for names: who asks, what becomes of it, on record before it leaves.

    decide → (forwarded for an appliance: admit, which records) → resolvers → judge → note

A question tells who asks, for what and when. One that goes on for an appliance is a transmission
like any other: it is journalled before it leaves. One that is answered here leaves nobody's house:
it is counted, and what was refused is journalled once a minute. What those ask who are no
appliance is nobody's business: it is counted, and never written down.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from math import inf
from time import monotonic
from typing import NamedTuple, Protocol

from . import learning as learn, name_rules
from .clock import ForwardClock
from .errors import StorageError
from .events import Decided, Discovered, Event, NamesAsked, Unclaimed
from .faces import Faces
from .journal import Entry, Journal
from .learning import Learning
from .model import (
    Appliance,
    DataPoint,
    Outcome,
    Reason,
    opaque_id,
)
from .naming import (
    Course,
    Infrastructure,
    Lookup,
    LookupVerdict,
    NameCounts,
    NameStatus,
    Naming,
)
from .policy import Policy
from .selftest import CANARY
from .shown_names import ShownNames
from .strangers import Strangers

GATE = "dns"
REFUSED_SECONDS = 60.0
"""For how long the same refusal of the same name is neither journalled nor told again."""
TELL_SECONDS = 5.0
"""How often it is told that an appliance asked."""
MAX_REFUSED = 2_000
"""Refusals remembered for that; when there are more, all are forgotten."""
RECORDED_SECONDS = 60.0
"""How long an answer may be in use (its TTL): the same question is not recorded again meanwhile
where an answer is at hand."""
MAX_TURNS = 3
"""How often a question is recorded anew because it was decided otherwise meanwhile."""
MAX_UNWRITTEN = 500
"""Refusals that wait for the disk."""
MAX_UNCLAIMED = 100
"""Names of an appliance that nobody claims and that are told of; others are refused untold."""


@dataclass(slots=True)
class _Counts:
    """What one client asked since the start."""

    asked: int = 0
    forwarded: int = 0
    steered: int = 0
    refused: int = 0
    last_asked: float | None = None
    telling: asyncio.TimerHandle | None = None
    """Set while it is told no more: what is asked meanwhile is told when that is over."""
    is_news: bool = False

    def add(self, course: Course, now: float) -> None:
        self.asked += 1
        self.last_asked = now
        if course is Course.FORWARD:
            self.forwarded += 1
        elif course is Course.STEER:
            self.steered += 1
        else:
            self.refused += 1

    def frozen(self) -> NameCounts:
        return NameCounts(
            asked=self.asked,
            forwarded=self.forwarded,
            steered=self.steered,
            refused=self.refused,
            last_asked=self.last_asked,
        )


class Admitted(NamedTuple):
    """What may go on, the number of the entry made for it, and whether it was sent since."""

    verdict: LookupVerdict
    number: int | None = None
    was_sent: bool = False


class Led(Protocol):
    """An answer, as far as it is judged."""

    @property
    def aliases(self) -> Sequence[str]:
        """Return the names that it goes on to."""
        ...

    @property
    def addresses(self) -> Sequence[bytes]:
        """Return the addresses that it leads to, packed."""
        ...

    @property
    def has_strays(self) -> bool:
        """Tell whether there are answers to what was not asked."""
        ...


class Lookups:
    """Decides about questions, with what surrounds that: journal, counts, memory, events."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy | None],
        learning: Learning,
        journal: Journal,
        clock: ForwardClock,
        on_event: Callable[[Event], None],
        remember: Callable[[str, tuple[DataPoint, ...]], Awaitable[None]],
    ) -> None:
        """Wire it. `policy` returns the snapshot in force, `remember` stores data points."""
        self._policy = policy
        self._learning = learning
        self._journal = journal
        self._clock = clock
        self._on_event = on_event
        self._remember = remember
        self._naming = Naming()
        self._infrastructure: Mapping[str, Infrastructure] = {}
        self.steer_to: tuple[bytes, ...] = ()
        """The addresses that names are led to, packed."""
        self._total = _Counts()
        self._counts: dict[str, _Counts] = {}
        self._contacts: dict[tuple[str, str], float] = {}
        self._opaque: dict[str, float] = {}
        self._strangers = Strangers(on_event)
        self._names = ShownNames()
        self._refused: dict[tuple[str, str, Reason], float] = {}
        self._recorded: dict[tuple[str, str], tuple[float, LookupVerdict]] = {}
        self._unclaimed: dict[str, dict[str, int]] = {}
        self._unwritten: deque[Entry] = deque()
        self._is_writing = False
        self._unstored: dict[str, DataPoint] = {}
        self._unannounced: set[str] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self.observe: Callable[[Lookup, LookupVerdict, float], None] = lambda *_: None
        """Called with every question of an appliance that was answered, and when."""

    def configure(self, naming: Naming) -> None:
        """Bring the household's choices into force."""
        self._naming = naming
        self.steer_to = tuple(ip_address(one).packed for one in naming.steer_to)

    @property
    def naming(self) -> Naming:
        """Return the household's choices that are in force."""
        return self._naming

    def know(self, infrastructure: Mapping[str, Infrastructure], faces: Faces) -> None:
        """Take over what the catalogue knows of names: their kind, and whose they are."""
        self._infrastructure = infrastructure
        self._names.know(infrastructure, faces)

    def now(self) -> float:
        """Return the ledger's time."""
        return self._clock.now()

    def stays_at_home(self, name: str) -> bool:
        """Tell whether a name must not be asked of the household's resolvers."""
        return name_rules.is_for_nobody_outside(name, self._naming)

    # --- One question ---

    def decide(self, lookup: Lookup) -> LookupVerdict:
        """Return what becomes of a question. It waits for nothing."""
        return name_rules.decide(
            self._policy(), self._naming, self._infrastructure, lookup, self._clock.now()
        )

    def is_on_record(self, lookup: Lookup, verdict: LookupVerdict) -> bool:
        """Tell whether the same was recorded so short ago that its answer is still in use."""
        known = self._recorded.get((verdict.appliances[0].id, lookup.name))
        if known is None or monotonic() - known[0] >= RECORDED_SECONDS:
            return False
        recorded = known[1]
        return (
            recorded.policy_version == verdict.policy_version
            and recorded.naming is verdict.naming
            and recorded.rests_on_the_same(verdict)
        )

    async def admit(self, lookup: Lookup, verdict: LookupVerdict) -> Admitted:
        """Record a question that is to go on for an appliance; return what became of it meanwhile.

        What cannot be recorded does not leave. Where it may go on for another reason by then, that
        is recorded first.
        """
        for _ in range(MAX_TURNS):
            try:
                number = await self._journal.append(self._entry(lookup, verdict))
            except StorageError:
                return Admitted(self.refuse(verdict, Reason.STORAGE_FAILED))
            fresh = verdict if self.is_current(verdict) else self.decide(lookup)
            if fresh.rests_on_the_same(verdict):
                if len(self._recorded) >= MAX_REFUSED:
                    self._recorded.clear()
                self._recorded[fresh.appliances[0].id, lookup.name] = monotonic(), fresh
                return Admitted(fresh, number)
            if fresh.appliances and fresh.course is not Course.FORWARD:
                return Admitted(fresh, number)
            await self._correct(number, Reason.POLICY_CHANGED)
            if not fresh.appliances:
                return Admitted(fresh)
            verdict = fresh
        return Admitted(self.refuse(verdict, Reason.POLICY_CHANGED))

    def holds(self, lookup: Lookup, verdict: LookupVerdict) -> bool:
        """Tell whether a question that was let go may still go, as it is decided now."""
        return self.is_current(verdict) or self.decide(lookup).rests_on_the_same(verdict)

    def judge(self, lookup: Lookup, verdict: LookupVerdict, answer: Led) -> LookupVerdict:
        """Return what becomes of an answer."""
        policy = self._policy()
        if policy is None:
            return self.refuse(verdict, Reason.POLICY_NOT_LOADED)
        if answer.has_strays and verdict.appliances:
            return self.refuse(verdict, Reason.ALIAS_REFUSED)
        aliases, addresses = answer.aliases, answer.addresses
        if not aliases and not addresses:
            return verdict
        reason = name_rules.judge(
            policy,
            self._naming,
            lookup,
            verdict,
            self._clock.now() if aliases else 0.0,
            aliases=aliases,
            led_to=addresses,
        )
        return verdict if reason is None else self.refuse(verdict, reason)

    def is_current(self, verdict: LookupVerdict) -> bool:
        """Tell whether what a verdict rests on is still in force."""
        policy = self._policy()
        return policy is not None and (
            verdict.policy_version == policy.version
            and verdict.naming is self._naming
            and (verdict.until == inf or self._clock.now() < verdict.until)
        )

    def refuse(self, verdict: LookupVerdict, reason: Reason) -> LookupVerdict:
        """Return a verdict as a refusal."""
        return replace(verdict, course=Course.REFUSE, reason=reason, refusal=self._naming.refusal)

    # --- What is kept of it ---

    def note(
        self, lookup: Lookup, verdict: LookupVerdict, admitted: Admitted | None = None
    ) -> None:
        """Take note of what became of a question, once for each, after what was admitted of it."""
        now = self._clock.now()
        if all(one.id != CANARY for one in verdict.appliances):
            # What the self-test asks, nobody at home did.
            self._total.add(verdict.course, now)
        if not verdict.appliances:
            # What may yet turn out to be an appliance is not listed as something else.
            if verdict.reason not in NOT_YET:
                self._strangers.note(lookup, now)
                self._tell(None, self._total)
            return
        self.observe(lookup, verdict, now)
        appliance = verdict.appliances[0]
        counts = self._counts.get(appliance.id)
        if counts is None:
            counts = self._counts[appliance.id] = _Counts()
        counts.add(verdict.course, now)
        if verdict.course is not Course.REFUSE:
            for recipient in verdict.recipients:
                self._contacts[appliance.id, recipient.id] = now
        if verdict.course is Course.REFUSE:
            self._note_refused(lookup, verdict, appliance, admitted)
        elif verdict.course is Course.STEER:
            self.set_aside(admitted)
        else:
            if verdict.reason is Reason.OPAQUE_CONSENTED:
                self._opaque[appliance.id] = now
            is_new = admitted is not None and admitted.number is not None
            if is_new and verdict.reason in _DISCLOSING:
                self._on_event(_decided(self._entry(lookup, verdict)))
        self._learn(verdict)
        self._tell(appliance.id, counts)

    def set_aside(self, admitted: Admitted | None, reason: Reason = Reason.POLICY_CHANGED) -> bool:
        """Say of an entry, if one was made, that nothing left in the end, if nothing did."""
        if admitted is None or admitted.number is None or admitted.was_sent:
            return False
        self._do(self._correct(admitted.number, reason))
        return True

    def give_up(self, lookup: Lookup, admitted: Admitted) -> None:
        """Take note of a question that nobody answered."""
        verdict = admitted.verdict
        if admitted.was_sent or not verdict.appliances:
            self.note(lookup, verdict, admitted)
            return
        self.set_aside(admitted, Reason.UPSTREAM_UNREACHABLE)
        self._recorded.pop((verdict.appliances[0].id, lookup.name), None)

    def _tell(self, appliance_id: str | None, counts: _Counts) -> None:
        """Tell that somebody asked: now, or when the time since the last is over."""
        counts.is_news = True
        if counts.telling is None:
            self._tell_now(appliance_id, counts)

    def _tell_now(self, appliance_id: str | None, counts: _Counts) -> None:
        counts.telling = None
        if counts.is_news:
            counts.is_news = False
            counts.telling = asyncio.get_running_loop().call_later(
                TELL_SECONDS, self._tell_now, appliance_id, counts
            )
            self._on_event(NamesAsked(appliance_id=appliance_id))

    def _note_refused(
        self,
        lookup: Lookup,
        verdict: LookupVerdict,
        appliance: Appliance,
        admitted: Admitted | None,
    ) -> None:
        shown = self._shown(lookup.name)
        if verdict.reason is Reason.UNCLAIMED_NAME and not self._count_unclaimed(appliance, shown):
            # So many are made up. The journal keeps its room for what left.
            shown = "*"
        self._recorded.pop((appliance.id, lookup.name), None)
        # Where it was sent, both are so: that it was asked for, and that its answer was held back.
        is_corrected = self.set_aside(admitted, verdict.reason)
        what = appliance.id, shown, verdict.reason
        at = monotonic()
        if at - self._refused.get(what, -REFUSED_SECONDS) < REFUSED_SECONDS:
            return
        entry = self._entry(lookup, verdict, shown)
        if not is_corrected:
            if len(self._unwritten) >= MAX_UNWRITTEN:
                # The disk does not keep up: it is written when it is asked for again.
                return
            self._unwritten.append(entry)
            if not self._is_writing:
                self._is_writing = True
                self._do(self._write())
        if len(self._refused) >= MAX_REFUSED:
            self._refused.clear()
        self._refused[what] = at
        self._on_event(_decided(entry))

    def _shown(self, name: str) -> str:
        return self._names.of(name, self._policy(), self._naming)

    def _count_unclaimed(self, appliance: Appliance, shown: str) -> bool:
        """Count a name that nobody claims; tell whether it is one of those that are kept apart."""
        theirs = self._unclaimed.setdefault(appliance.id, {})
        if shown not in theirs and len(theirs) >= MAX_UNCLAIMED:
            return False
        count = theirs[shown] = theirs.get(shown, 0) + 1
        if count & (count - 1) == 0:
            # Told the first time, and each time there were twice as many: appliances insist.
            self._on_event(
                Unclaimed(appliance_id=appliance.id, host=shown, method="DNS", count=count)
            )
        return True

    def _entry(self, lookup: Lookup, verdict: LookupVerdict, shown: str | None = None) -> Entry:
        is_forwarded = verdict.course is Course.FORWARD
        points = [
            opaque_id(verdict.appliances[0].id)
            for _ in range(verdict.reason is Reason.OPAQUE_CONSENTED)
        ]
        return Entry(
            at=self._clock.now(),
            gate=GATE,
            appliance_id=verdict.appliances[0].id if verdict.appliances else None,
            recipient_ids=tuple(one.id for one in verdict.recipients),
            template=f"DNS {shown or self._shown(lookup.name)}",
            outcome=Outcome.PERMIT if is_forwarded else Outcome.DENY,
            reason=verdict.reason,
            released=tuple(points) if is_forwarded else (),
            withheld_ids=() if is_forwarded else tuple(points),
        )

    # --- Learning ---

    def _learn(self, verdict: LookupVerdict) -> None:
        """Know that an appliance has traffic for a recipient that no gate can read."""
        if not verdict.recipients or verdict.reason not in _OPAQUE:
            return
        for appliance in verdict.appliances:
            known = self._learning.get(opaque_id(appliance.id))
            fresh = learn.opaque(
                appliance.id,
                tuple(one.id for one in verdict.recipients),
                self._clock.now(),
                known,
            )
            if fresh is not None:
                self._learning.add((fresh,))
                self._unstored[fresh.id] = fresh
                if known is None:
                    self._unannounced.add(fresh.id)
            if self._unstored:
                self._do(self._store())

    async def _store(self) -> None:
        """Store what is new; what cannot be is tried again with the next question."""
        points, self._unstored = list(self._unstored.values()), {}
        for point in points:
            try:
                await self._remember(point.appliance_id, (point,))
            except StorageError:
                self._unstored.setdefault(point.id, point)
                continue
            if point.id in self._unannounced:
                self._unannounced.discard(point.id)
                self._on_event(Discovered(appliance_id=point.appliance_id, data_points=(point,)))

    async def _write(self) -> None:
        """Write what was refused, one entry after the other."""
        try:
            while self._unwritten:
                # Nothing left; what is wrong with the disk is told by whoever keeps the file.
                with suppress(StorageError):
                    await self._journal.append(self._unwritten.popleft())
        finally:
            self._is_writing = False

    async def _correct(self, number: int, reason: Reason) -> None:
        # The journal may then claim a disclosure that did not happen: wrong on the safe side.
        with suppress(StorageError):
            await self._journal.not_released(number, reason)

    def _do(self, job: Awaitable[None]) -> None:
        task = asyncio.ensure_future(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def settle(self) -> None:
        """Wait for what is still being written."""
        while self._jobs:
            await asyncio.wait(self._jobs)

    def stop(self) -> None:
        """Tell nothing any more."""
        for counts in (self._total, *self._counts.values()):
            if counts.telling is not None:
                counts.telling.cancel()
                counts.telling = None

    def forget(self, appliance_id: str) -> None:
        """Know no more of what an appliance asked."""
        if (counts := self._counts.pop(appliance_id, None)) is not None and counts.telling:
            counts.telling.cancel()
        self._opaque.pop(appliance_id, None)
        self._contacts = {k: v for k, v in self._contacts.items() if k[0] != appliance_id}
        self._refused = {k: v for k, v in self._refused.items() if k[0] != appliance_id}
        self._recorded = {k: v for k, v in self._recorded.items() if k[0] != appliance_id}
        self._unclaimed.pop(appliance_id, None)

    # --- What is told ---

    def counts(self, appliance_id: str) -> NameCounts:
        """Return what an appliance asked since the start."""
        known = self._counts.get(appliance_id)
        return known.frozen() if known is not None else NameCounts()

    def opaque_since(self, appliance_id: str) -> float | None:
        """Return when a name was last answered under a consent for opaque traffic."""
        return self._opaque.get(appliance_id)

    def status(self) -> NameStatus:
        """Return what was observed since the start."""
        return NameStatus(
            total=self._total.frozen(),
            appliances={one: counts.frozen() for one, counts in self._counts.items()},
            contacts=dict(self._contacts),
            strangers=self._strangers.known(),
        )


NOT_YET = frozenset({
    Reason.POLICY_NOT_LOADED, Reason.POLICY_CHANGED, Reason.CLIENT_NOT_RECOGNISED,
})  # fmt: skip
"""Why nothing can be said for the moment: who asks again is told."""


_OPAQUE = frozenset({
    Reason.OPAQUE_CONSENTED, Reason.OPAQUE_NOT_CONSENTED, Reason.CONSENTS_SUSPENDED,
})  # fmt: skip


_DISCLOSING = frozenset({Reason.OPAQUE_CONSENTED, Reason.LET_THROUGH})
"""Why a question goes on to a recipient; that of the time is only journalled."""


def _decided(entry: Entry) -> Decided:
    return Decided(
        at=entry.at,
        gate=entry.gate,
        outcome=entry.outcome,
        reason=entry.reason,
        appliance_id=entry.appliance_id,
        recipient_ids=entry.recipient_ids,
        released=entry.released,
    )
