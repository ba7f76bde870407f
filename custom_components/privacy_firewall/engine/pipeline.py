"""The way through, for every gate: read, learn, decide, redact, check, record, then release.

    payload.read → policy.decide → redaction → payload.write → verify → journal.append

The part without waiting is `examination`, a pure function of what was sent and what is in force.
The `Pipeline` around it keeps large bodies out of the event loop, records, and tells of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
import logging
import traceback
from urllib.parse import urlsplit

from . import learning, personal, policy as rules, traits
from .addresses import is_address
from .catalogue.vendor import CalmAnswer
from .clock import ForwardClock
from .errors import Refused, StorageError
from .events import Decided, Discovered, Event, Reading, Unclaimed
from .examination import Examined, examine, pass_through
from .grouping import Arrangement, arrange
from .journal import Entry, Journal
from .learning import Learning
from .model import (
    Appliance,
    DataPoint,
    Drift,
    Endpoint,
    Field,
    Outcome,
    OutgoingRequest,
    Reason,
    Recipient,
    Transmission,
    Verdict,
)
from .payload import request as requests
from .policy import Policy, Question
from .profiles import Profiles
from .redaction.identifiers import Identities, looks_like_data, spoken
from .samples import Samples
from .selftest import CANARY

_LOGGER = logging.getLogger(__name__)
INLINE_BYTES = 4 * 1024
"""Bodies up to this size are worked on in the event loop (some 3 ms); larger ones in a thread."""
INLINE_LEAVES = 300
"""Leaves up to which a message is counted in the event loop (some 1 ms); more in a thread."""
MAX_UNCLAIMED = 500
"""Unclaimed (appliance, host, method) triples that are counted; others are denied uncounted."""
MAX_REDECISIONS = 3
"""How often a transmission is decided anew because consents changed while it was under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whom a transmission is from and for, under which policy."""

    policy: Policy
    appliance: Appliance
    recipients: tuple[Recipient, ...]
    endpoint: Endpoint
    let_through: bool = False

    def deny(self, reason: Reason) -> Verdict:
        """Return a denial of what was admitted."""
        return rules.deny(reason, self.appliance, self.recipients)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The pipeline's answer to a gate: the verdict, and the request to send unless it is denied.

    What is to be sent was recorded under `number`; the gate must `settle` it afterwards.
    """

    verdict: Verdict
    outgoing: OutgoingRequest | None = None
    released: tuple[str, ...] = ()
    number: int = 0
    examined: Examined | None = None


@dataclass(slots=True)
class _Known:
    """What is remembered of one appliance besides its data points, and what is not yet stored."""

    identities: Identities = field(default_factory=Identities)
    unstored: dict[str, DataPoint] = field(default_factory=dict[str, DataPoint])
    unstored_identities: list[str] = field(default_factory=list[str])
    unannounced: set[str] = field(default_factory=set[str])


class Pipeline:
    """The way through, with its surroundings: policy in force, journal, memory, events."""

    def __init__(
        self,
        *,
        journal: Journal,
        clock: ForwardClock,
        on_event: Callable[[Event], None],
        remember: Callable[[str, tuple[DataPoint, ...], list[str]], Awaitable[None]],
        profiles: Profiles,
        suspend: Callable[[Mapping[str, Drift]], Awaitable[None]],
    ) -> None:
        """Wire the pipeline; `remember` stores new data points and identities of an appliance.

        `suspend` takes consents of data points that drifted out of force and records why.
        """
        self._profiles = profiles
        self._suspend = suspend
        self._journal = journal
        self._clock = clock
        self._on_event = on_event
        self._remember = remember
        self._known: dict[str, _Known] = {}
        self._unclaimed: dict[tuple[str, str, str], int] = {}
        self._matched: dict[str, frozenset[str]] = {}
        self._arranged: dict[str, Arrangement] = {}
        self._alone: dict[str, frozenset[str]] = {}
        self._shown: dict[tuple[str, str], dict[Field, DataPoint]] = {}
        self.learning = Learning()
        self.catalogue = learning.NOTHING_KNOWN
        """What is known of vendors: names and meanings of what is seen for the first time."""
        self.samples = Samples()
        self.policy: Policy | None = None
        self.keeps_values = False
        """Whether released values are journalled; the household's choice."""
        self.untold: str | None = None
        """Set during a self-test: an address from which what no appliance sent is not told of."""

    def recall(self, appliance_id: str, identities: list[str]) -> None:
        """Bring back the identities that earlier runs withheld."""
        self._known[appliance_id] = _Known(Identities(identities))

    def known_appliances(self) -> frozenset[str]:
        """Return the ids of the appliances of which anything was seen."""
        return self.learning.appliances() | frozenset(self._known)

    def learned(self, appliance_id: str) -> None:
        """Take note that something was learned of an appliance elsewhere."""
        self._arranged.pop(appliance_id, None)
        self._shown.clear()

    def note_matched(self, appliance_id: str, point_ids: frozenset[str]) -> None:
        """Take note of which data points other integrations show: they have entities of ours."""
        if self._matched.get(appliance_id, frozenset()) != point_ids:
            self._matched[appliance_id] = point_ids
            self.learned(appliance_id)

    def forget(self, appliance_id: str) -> None:
        """Forget what was seen of an appliance."""
        self._matched.pop(appliance_id, None)
        self.learning.forget(appliance_id)
        self.samples.forget(appliance_id)
        self._known.pop(appliance_id, None)
        self._arranged.pop(appliance_id, None)
        self._alone.pop(appliance_id, None)
        self._shown.clear()

    def admit(self, transmission: Transmission) -> Admission | Verdict:
        """Answer before a body is read: whom it is from and for, or a denial.

        Strangers and endpoints that nobody claims are denied here. An admission releases nothing.
        """
        if self.policy is None:
            return rules.deny(Reason.POLICY_NOT_LOADED)
        appliance = rules.identify(self.policy, transmission.source)
        if isinstance(appliance, Reason):
            return rules.deny(appliance)
        return self._admit(self.policy, appliance, transmission, self._count_unclaimed)

    def _admit(
        self,
        policy: Policy,
        appliance: Appliance,
        transmission: Transmission,
        note_unclaimed: Callable[[Appliance, Transmission], None] | None = None,
    ) -> Admission | Verdict:
        if policy.lockdown:
            return rules.deny(Reason.LOCKDOWN, appliance)
        is_let_through = rules.let_through(policy, appliance, self._clock.now()) is not None
        try:
            addressed = _address(transmission, appliance)
            path = requests.path_of(addressed.target)
        except Refused as err:
            return rules.deny(err.reason, appliance)
        recipients, endpoint = rules.claimants(policy, addressed.method, addressed.host or "", path)
        if appliance.id != CANARY and any(one.id == CANARY for one in recipients):
            # The self-test's own cloud is nobody else's: what came there would be taken for a leak.
            return rules.deny(Reason.UNCLAIMED_ENDPOINT, appliance)
        if endpoint is None and is_let_through:
            endpoint = _as_asked(addressed, appliance)
        elif endpoint is None:
            if note_unclaimed is not None:
                note_unclaimed(appliance, addressed)
            return rules.deny(Reason.UNCLAIMED_ENDPOINT, appliance)
        return Admission(
            policy=policy,
            appliance=appliance,
            recipients=recipients,
            endpoint=endpoint,
            let_through=is_let_through,
        )

    def _count_unclaimed(self, appliance: Appliance, transmission: Transmission) -> None:
        # A label that an appliance makes up could tell anything; addresses tell where to.
        host = transmission.host or ""
        shown = host if is_address(host) else spoken(host)
        place = appliance.id, shown, transmission.method
        if place not in self._unclaimed and len(self._unclaimed) >= MAX_UNCLAIMED:
            return
        self._unclaimed[place] = self._unclaimed.get(place, 0) + 1
        self._on_event(
            Unclaimed(
                appliance_id=appliance.id,
                host=place[1],
                method=place[2],
                count=self._unclaimed[place],
            )
        )

    async def deny(self, transmission: Transmission, verdict: Verdict) -> Passage:
        """Record a denial that the gate or `admit` came to."""
        denied = rules.denied(verdict, verdict.reason)
        entry = self._entry(transmission, Examined(verdict=denied, template=_origin(transmission)))
        try:
            await self._journal.append(entry)
        except StorageError:
            denied = rules.denied(verdict, Reason.STORAGE_FAILED)
        self._tell(transmission, Examined(verdict=denied, template=""), denied)
        return Passage(verdict=denied)

    async def handle(self, transmission: Transmission) -> Passage:
        """Take one transmission the whole way; what is returned as outgoing is already recorded.

        Consents that change meanwhile are noticed: it is then decided anew, and denied where they
        will not hold still.
        """
        for _ in range(MAX_REDECISIONS):
            admitted = self.admit(transmission)
            if isinstance(admitted, Verdict):
                return await self.deny(transmission, admitted)
            examined = await self._examine(transmission, admitted)
            verdict = examined.verdict
            try:
                if examined.drifted:
                    # Before it is learned as usual, and before anything of this leaves.
                    await self._suspend({one.point.id: one.drift for one in examined.drifted})
                    if self.policy is not admitted.policy:
                        continue
                self._note(examined)
                await self._observe(admitted.appliance, examined)
                await self._learn(admitted.appliance, examined)
                number = await self._journal.append(self._entry(transmission, examined))
            except StorageError:
                verdict = rules.denied(verdict, Reason.STORAGE_FAILED)
                examined = replace(examined, verdict=verdict, outgoing=None, released=())
                number = 0
            if verdict.outcome is Outcome.DENY:
                self._tell(transmission, examined, verdict)
                return Passage(verdict=verdict)
            if self.is_current(verdict):
                return Passage(
                    verdict=verdict,
                    outgoing=examined.outgoing,
                    released=examined.released,
                    number=number,
                    examined=examined,
                )
            await self._take_back(number, Reason.POLICY_CHANGED)
        return await self.deny(transmission, rules.deny(Reason.POLICY_CHANGED))

    async def preview(
        self, appliance: Appliance, transmission: Transmission, *, max_body: int
    ) -> Examined:
        """Return what would become of an appliance's transmission, were it here now.

        It goes the same way up to where it would be recorded: nothing is kept, told or sent.
        """
        admitted: Admission | Verdict = rules.deny(Reason.POLICY_NOT_LOADED, appliance)
        if self.policy is not None:
            admitted = self._admit(self.policy, appliance, transmission)
        if isinstance(admitted, Admission) and len(transmission.body) > max_body:
            admitted = admitted.deny(Reason.TOO_LARGE)
        if isinstance(admitted, Verdict):
            return Examined(verdict=admitted, template=_origin(transmission))
        return await self._examine(transmission, admitted)

    async def settle(
        self,
        transmission: Transmission,
        passage: Passage,
        *,
        released: bool,
        failed: Reason | None = None,
    ) -> Verdict:
        """Take note of what became of a passage: whether its first byte went out, or why not.

        Returns the verdict as it turned out. What went out stays recorded as released, whatever
        the cloud answered.
        """
        verdict = passage.verdict
        examined = passage.examined or Examined(verdict=verdict, template="")
        if not released:
            verdict = rules.denied(verdict, failed or Reason.UPSTREAM_UNREACHABLE)
            examined = replace(examined, released=())
            await self._take_back(passage.number, verdict.reason)
        self._tell(transmission, examined, verdict)
        return verdict

    async def _take_back(self, number: int, reason: Reason) -> None:
        try:
            await self._journal.not_released(number, reason)
        except StorageError:
            # The journal then claims a disclosure that did not happen: wrong on the safe side.
            _LOGGER.warning("The journal could not be corrected")

    def calming(self, transmission: Transmission, verdict: Verdict) -> CalmAnswer | None:
        """Return what calms an appliance where it called; None where nothing is known of that."""
        if verdict.appliance is None:
            return None
        try:
            addressed = _address(transmission, verdict.appliance)
            path = requests.path_of(addressed.target)
        except Refused:
            return None
        return self.catalogue.answer(addressed.method, addressed.host or "", path)

    def split_token(self, target: str) -> tuple[str | None, str]:
        """Split `/<token>/rest` into token and `/rest` where the token is an appliance's."""
        first, slash, rest = target[1:].partition("/")
        first, question, query = first.partition("?")
        if self.policy is not None and first and self.policy.has_token(first):
            return first, f"/{rest}" if slash else f"/{question}{query}"
        return None, target

    def is_current(self, verdict: Verdict) -> bool:
        """Tell whether the policy a verdict was made under is still the one in force."""
        return self.policy is not None and (
            verdict.outcome is Outcome.DENY
            or (verdict.policy_version == self.policy.version and self._clock.now() < verdict.until)
        )

    async def _examine(self, transmission: Transmission, admitted: Admission) -> Examined:
        addressed = _address(transmission, admitted.appliance)
        known = self._known.get(admitted.appliance.id, _Known())
        template = requests.template_of(addressed, looks_like_data)
        question = Question(
            policy=admitted.policy,
            appliance=admitted.appliance,
            recipients=admitted.recipients,
            endpoint=admitted.endpoint,
            template=template,
            fields={},
            known=self.learning.at(admitted.appliance.id, template),
            profiles=self._profiles.by_id,
            now=self._clock.now(),
            keeps_values=self.keeps_values,
        )
        count = self.learning.count(admitted.appliance.id)
        job = (
            partial(pass_through, question, addressed, count, self.catalogue)
            if admitted.let_through
            else partial(
                examine, question, addressed, count, known.identities.all(), self.catalogue
            )
        )
        try:
            if len(transmission.body) <= INLINE_BYTES and not _is_compressed(transmission):
                return job()
            return await asyncio.to_thread(job)
        except Exception as err:  # noqa: BLE001 - whatever was not foreseen must not leave either
            # Where it broke, but not the message: that may quote a value.
            _LOGGER.error("Examining a transmission failed: %s", _whereabouts(err))  # noqa: TRY400
            return Examined(
                verdict=admitted.deny(Reason.INTERNAL_ERROR), template=_origin(addressed)
            )

    async def _observe(self, appliance: Appliance, examined: Examined) -> None:
        """Count a message into the profiles, and think over what that may have changed."""
        points = {
            **self.learning.at(appliance.id, examined.template),
            **{point.field: point for point in examined.fresh},
        }
        job = partial(self._profiles.observe, points, examined.found, self._clock.now())
        anew = job() if len(examined.found) <= INLINE_LEAVES else await asyncio.to_thread(job)
        fresh = {point.id for point in examined.fresh}
        known = self._known.setdefault(appliance.id, _Known())
        for point_id in anew:
            point, profile = self.learning.get(point_id), self._profiles.get(point_id)
            if point is None or profile is None or point_id in fresh:
                continue
            seems = traits.traits(point.field, point.category, point.kinds, profile.behaviour())
            if (marked := traits.joined(point, seems)) != point:
                self.learning.add([marked])
                self._arranged.pop(appliance.id, None)
                self._shown.clear()
                known.unstored[point_id] = marked

    def _note(self, examined: Examined) -> None:
        """Keep in memory what was sent, whatever became of it."""
        at = self._clock.now()
        for point, values in examined.seen:
            self.samples.note(point, at, values)

    async def _learn(self, appliance: Appliance, examined: Examined) -> None:
        """Keep what is new in a message; raises `StorageError`.

        What could not be stored is stored with the next message, or that is denied as well.
        """
        known = self._known.setdefault(appliance.id, _Known())
        # Another message may have been read, and learned from, while this one was.
        fresh = [traits.merged(one, self.learning.get(one.id)) for one in examined.fresh]
        for point in fresh:
            known.unstored[point.id] = point
            if self.learning.get(point.id) is None:
                known.unannounced.add(point.id)
        if fresh:
            self.learning.add(fresh)
            self._arranged.pop(appliance.id, None)
            self._shown.clear()
        known.unstored_identities += known.identities.remember(examined.identities)
        points, identities = tuple(known.unstored.values()), list(known.unstored_identities)
        if not (points or identities):
            return
        await self._remember(appliance.id, points, identities)
        for point in points:
            if known.unstored.get(point.id) is point:
                del known.unstored[point.id]
        known.unstored_identities = [
            one for one in known.unstored_identities if one not in identities
        ]
        first = tuple(point for point in points if point.id in known.unannounced)
        known.unannounced -= {point.id for point in first}
        if first:
            self._on_event(Discovered(appliance_id=appliance.id, data_points=first))

    def _readings(self, appliance: Appliance, examined: Examined, at: float) -> tuple[Reading, ...]:
        """Return the newest values of the promoted data points in this message.

        What repeats an identity of the appliance, in this message or earlier, is no value to show.
        """
        shown = self._shown_at(appliance, examined.template)
        newest = {item.field: item.value for item in examined.found if item.field in shown}
        texts = [value if isinstance(value, str) else "" for value in newest.values()]
        known = self._known.get(appliance.id)
        named = examined.named | (known.identities.all() if known is not None else frozenset())
        hidden = personal.repeating(named, texts)
        return tuple(
            learning.reading(shown[item], None if index in hidden else value, at)
            for index, (item, value) in enumerate(newest.items())
        )

    def promoted(self, appliance: Appliance) -> list[DataPoint]:
        """Return the data points with entities: chosen, consented, or telling by themselves."""
        return self.arranged(appliance).alone

    def arranged(self, appliance: Appliance) -> Arrangement:
        """Return which data points have a switch of their own, and which share one."""
        arranged = self._arranged.get(appliance.id)
        if arranged is None:
            before = self._alone.get(appliance.id, frozenset())
            points = self.learning.of(appliance.id)
            arranged = self._arranged[appliance.id] = arrange(
                points,
                chosen=appliance.promoted,
                kept=appliance.kept | before,
                consented=self._consented(appliance.id),
                matched=self._matched.get(appliance.id, frozenset()),
                known=self.catalogue.readings(points),
            )
            # Whatever is reported next, they stay: a short report may become a long one.
            self._alone[appliance.id] = frozenset(
                {one.id for one in arranged.alone} | {one.key for one in arranged.groups}
            )
        return arranged

    def _consented(self, appliance_id: str) -> frozenset[str]:
        if self.policy is None:
            return frozenset()
        return self.policy.waiting | frozenset(
            point.id
            for (appliance, template), terms in self.policy.terms.items()
            if appliance == appliance_id
            for item, point in self.learning.at(appliance, template).items()
            if item in terms
        )

    def _shown_at(self, appliance: Appliance, template: str) -> dict[Field, DataPoint]:
        """Return the data points at an endpoint template whose readings may be shown at home.

        Those behind a shared switch too: what is shown of them the household has, not a cloud.
        """
        place = appliance.id, template
        if place not in self._shown:
            self._shown[place] = {
                point.field: point
                for point in self.arranged(appliance).switched()
                if point.template == template and learning.has_sensor(point, appliance.promoted)
            }
        return self._shown[place]

    def enforce(self, policy: Policy) -> None:
        """Bring a policy into force, at once and whole."""
        self.policy = policy
        self._arranged.clear()
        self._shown.clear()

    def _entry(self, transmission: Transmission, examined: Examined) -> Entry:
        verdict = examined.verdict
        return Entry(
            at=self._clock.now(),
            gate=transmission.gate,
            appliance_id=verdict.appliance.id if verdict.appliance else None,
            recipient_ids=tuple(recipient.id for recipient in verdict.recipients),
            template=examined.template,
            outcome=verdict.outcome,
            reason=verdict.reason,
            released=examined.released,
            coarse=examined.coarse,
            withheld_ids=examined.withheld_ids,
            withheld=examined.withheld,
            values=examined.values,
            bytes_in=len(transmission.body),
            bytes_out=len(examined.outgoing.body) if examined.outgoing else 0,
        )

    def _tell(self, transmission: Transmission, examined: Examined, verdict: Verdict) -> None:
        if verdict.appliance is None and transmission.source.address == self.untold:
            return
        at = self._clock.now()
        readings = self._readings(verdict.appliance, examined, at) if verdict.appliance else ()
        self._on_event(
            Decided(
                at=at,
                gate=transmission.gate,
                outcome=verdict.outcome,
                reason=verdict.reason,
                appliance_id=verdict.appliance.id if verdict.appliance else None,
                recipient_ids=tuple(recipient.id for recipient in verdict.recipients),
                released=examined.released,
                withheld=examined.withheld,
                readings=readings,
            )
        )


def _is_compressed(transmission: Transmission) -> bool:
    """Tell whether a body may be far larger than it looks."""
    return any(name.lower() == "content-encoding" for name, _ in transmission.headers)


def _whereabouts(error: BaseException) -> str:
    """Return type and innermost place of an error, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place


def _origin(transmission: Transmission) -> str:
    host = transmission.host or ""
    return f"{transmission.method} {host if is_address(host) else spoken(host)}/…"


def _as_asked(transmission: Transmission, appliance: Appliance) -> Endpoint:
    """Return the endpoint an appliance itself names, for one that nobody claims."""
    base = urlsplit(appliance.base_url or "")
    if transmission.source.token is not None and base.scheme:
        return Endpoint(host=transmission.host or "", scheme=base.scheme, port=base.port)
    return Endpoint(host=transmission.host or "", scheme="http")


def _address(transmission: Transmission, appliance: Appliance) -> Transmission:
    """Say which host a request is meant for where only the appliance's base URL tells.

    Raises `Refused(UNCLAIMED_ENDPOINT)` where the appliance has none.
    """
    if transmission.source.token is None:
        return transmission
    if appliance.base_url is None:
        raise Refused(Reason.UNCLAIMED_ENDPOINT, "the appliance has no base URL")
    base = urlsplit(appliance.base_url)
    return replace(
        transmission,
        host=(base.hostname or "").lower(),
        target=base.path.rstrip("/") + transmission.target,
    )
