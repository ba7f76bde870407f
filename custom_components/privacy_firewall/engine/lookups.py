"""The way through for names: who asks, what becomes of it, on record before it leaves.

    decide → (forwarded for an appliance: admit, which records) → resolvers → judge → note

A question tells who asks, for what and when. One that goes on for an appliance is a transmission
like any other: it is journalled before it leaves. One that is answered here leaves nobody's house:
it is counted, and what was refused is journalled once a minute. What those ask who are no
appliance is nobody's business: it is counted, and never written down.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from math import inf
from time import monotonic

from . import learning as learn, name_rules
from .clock import ForwardClock
from .errors import StorageError
from .events import Decided, Discovered, Event, NamesAsked, StrangerSeen, Unclaimed
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
    Stranger,
)
from .policy import Policy
from .redaction.identifiers import spoken

GATE = "dns"
REFUSED_SECONDS = 60.0
"""For how long the same refusal of the same name is neither journalled nor told again."""
TELL_SECONDS = 5.0
"""How often it is told that an appliance asked."""
MAX_REFUSED = 2_000
"""Refusals remembered for that; when there are more, all are forgotten."""
MAX_UNCLAIMED = 500
"""Names that nobody claims and that are told of; others are refused untold."""
MAX_STRANGERS = 500
"""Clients remembered that are no appliances; the one heard of longest ago is forgotten."""
MAX_NAMES = 12
"""Names remembered of each."""


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


@dataclass(slots=True)
class _Stranger:
    """A client that is no appliance."""

    mac: str | None
    first_seen: float
    counts: _Counts = field(default_factory=_Counts)
    names: OrderedDict[str, None] = field(default_factory=OrderedDict[str, None])


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
        self._strangers: OrderedDict[str, _Stranger] = OrderedDict()
        self._refused: dict[tuple[str, str, Reason], float] = {}
        self._unclaimed: dict[tuple[str, str], int] = {}
        self._unstored: dict[str, DataPoint] = {}
        self._unannounced: set[str] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self.observe: Callable[[Lookup, LookupVerdict, float], None] = lambda *_: None
        """Called with every question of an appliance that was answered, and when."""

    def configure(self, naming: Naming) -> None:
        """Bring the household's choices into force."""
        self._naming = naming
        self.steer_to = tuple(ip_address(one).packed for one in naming.steer_to)

    def know(self, infrastructure: Mapping[str, Infrastructure]) -> None:
        """Take over what the catalogue knows of names that belong to no recipient's purpose."""
        self._infrastructure = infrastructure

    # --- One question ---

    def decide(self, lookup: Lookup) -> LookupVerdict:
        """Return what becomes of a question. It waits for nothing."""
        return name_rules.decide(
            self._policy(), self._naming, self._infrastructure, lookup, self._clock.now()
        )

    async def admit(self, lookup: Lookup, verdict: LookupVerdict) -> LookupVerdict:
        """Record a question that is to go on for an appliance; return what became of it meanwhile.

        What cannot be recorded does not leave.
        """
        if verdict.course is not Course.FORWARD or not verdict.appliances:
            return verdict
        entry = self._entry(lookup, verdict)
        try:
            await self._journal.append(entry)
        except StorageError:
            return self._refuse(verdict, Reason.STORAGE_FAILED)
        if not self.is_current(verdict):
            return self._refuse(verdict, Reason.POLICY_CHANGED)
        if verdict.reason in _DISCLOSING:
            self._on_event(_decided(entry))
        return verdict

    def judge(
        self,
        lookup: Lookup,
        verdict: LookupVerdict,
        aliases: Sequence[str],
        addresses: Sequence[bytes],
    ) -> LookupVerdict:
        """Return what becomes of an answer: `aliases` it goes on to, packed `addresses` it has."""
        policy = self._policy()
        if policy is None:
            return self._refuse(verdict, Reason.POLICY_NOT_LOADED)
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
        return verdict if reason is None else self._refuse(verdict, reason)

    def is_current(self, verdict: LookupVerdict) -> bool:
        """Tell whether what a verdict rests on is still in force."""
        policy = self._policy()
        return policy is not None and (
            verdict.policy_version == policy.version
            and (verdict.until == inf or self._clock.now() < verdict.until)
        )

    def _refuse(self, verdict: LookupVerdict, reason: Reason) -> LookupVerdict:
        return replace(verdict, course=Course.REFUSE, reason=reason, refusal=self._naming.refusal)

    # --- What is kept of it ---

    def note(self, lookup: Lookup, verdict: LookupVerdict) -> None:
        """Take note of what became of a question, once for each."""
        now = self._clock.now()
        self._total.add(verdict.course, now)
        if not verdict.appliances:
            self._note_stranger(lookup, verdict, now)
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
        if verdict.reason is Reason.OPAQUE_CONSENTED and verdict.course is Course.FORWARD:
            self._opaque[appliance.id] = now
        if verdict.course is Course.REFUSE:
            self._note_refused(lookup, verdict, appliance)
        self._learn(verdict)
        self._tell(appliance.id, counts)

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

    def _note_refused(self, lookup: Lookup, verdict: LookupVerdict, appliance: Appliance) -> None:
        shown = spoken(lookup.name)
        if verdict.reason is Reason.UNCLAIMED_NAME:
            self._count_unclaimed(appliance, shown)
        what = appliance.id, shown, verdict.reason
        at = monotonic()
        if at - self._refused.get(what, -REFUSED_SECONDS) < REFUSED_SECONDS:
            return
        if len(self._refused) >= MAX_REFUSED:
            self._refused.clear()
        self._refused[what] = at
        entry = self._entry(lookup, verdict)
        self._do(self._record(entry))
        self._on_event(_decided(entry))

    def _count_unclaimed(self, appliance: Appliance, shown: str) -> None:
        place = appliance.id, shown
        if place not in self._unclaimed and len(self._unclaimed) >= MAX_UNCLAIMED:
            return
        count = self._unclaimed[place] = self._unclaimed.get(place, 0) + 1
        if count & (count - 1) == 0:
            # Told the first time, and each time there were twice as many: appliances insist.
            self._on_event(
                Unclaimed(appliance_id=appliance.id, host=shown, method="DNS", count=count)
            )

    def _note_stranger(self, lookup: Lookup, verdict: LookupVerdict, now: float) -> None:
        address = lookup.source.address
        known = self._strangers.get(address)
        if known is None or known.mac != lookup.source.mac:
            known = self._strangers[address] = _Stranger(lookup.source.mac, now)
            if len(self._strangers) > MAX_STRANGERS:
                self._strangers.popitem(last=False)
            self._on_event(StrangerSeen(address=address, mac=lookup.source.mac))
        self._strangers.move_to_end(address)
        known.counts.add(verdict.course, now)
        known.names[lookup.name] = None
        known.names.move_to_end(lookup.name)
        if len(known.names) > MAX_NAMES:
            known.names.popitem(last=False)
        self._tell(None, self._total)

    def _entry(self, lookup: Lookup, verdict: LookupVerdict) -> Entry:
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
            template=f"DNS {spoken(lookup.name)}",
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

    async def _record(self, entry: Entry) -> None:
        # Nothing left; what is wrong with the disk is told by whoever keeps the file.
        with suppress(StorageError):
            await self._journal.append(entry)

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
        self._unclaimed = {k: v for k, v in self._unclaimed.items() if k[0] != appliance_id}

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
            strangers=tuple(
                Stranger(
                    address=address,
                    mac=one.mac,
                    first_seen=one.first_seen,
                    last_seen=one.counts.last_asked or one.first_seen,
                    asked=one.counts.asked,
                    names=tuple(one.names),
                )
                for address, one in self._strangers.items()
            ),
        )


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
