"""The policy: one ordered list of rules; the first that concludes decides.

`admit` answers before a body is read (who is it, whom does it call), `decide` afterwards (what may
leave). A rule is a small function of the question; it returns a `Verdict`, or None for the next.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from .model import (
    DROP,
    OPAQUE_FIELD,
    RELEASE,
    REQUEST_FIELD,
    UNCLEAR_FRAMING,
    Action,
    Appliance,
    Category,
    Consent,
    ConsentState,
    DataPoint,
    Endpoint,
    Field,
    Kind,
    Level,
    Obligation,
    Outcome,
    Reason,
    Recipient,
    Remainder,
    Source,
    Verdict,
)
from .profiles import Profile
from .redaction import identifiers, paths

_CHECKSUMS = frozenset(
    """
    signature sign sig hmac checksum crc crc8 crc16 crc32 crc64 adler32 md5 sha1 sha224 sha256
    sha384 sha512 blake2 xxhash digest etag integrity parity
    """.split()
)
_NEVER_NEUTRAL = frozenset(
    {Category.IDENTIFIER, Category.CREDENTIAL, Category.SAFETY, Category.LOCATION}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A consent in force, as the policy needs it; over at `until`, seconds since 1970."""

    level: Level
    kinds: frozenset[Kind]
    category: Category
    unit: str | None
    until: float = inf


class Along(NamedTuple):
    """What may ride along with a consent: the functional identifiers its notice named."""

    until: float
    functional: frozenset[str]


class Claim(NamedTuple):
    """Who claims a name: recipients (by id) that a gate can read for, and those none can."""

    readable: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return all who claim it, each once: one may be reached there in both ways."""
        return tuple(dict.fromkeys((*self.readable, *self.opaque)))


type Terms = Mapping[Field, Mapping[str, Term]]
"""By field, by recipient id: what may leave of one appliance at one endpoint template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """An immutable snapshot of what the household has decided."""

    version: int = 0
    appliances: tuple[Appliance, ...] = ()
    recipients: Mapping[str, Recipient] = field(default_factory=dict[str, Recipient])
    terms: Mapping[tuple[str, str], Terms] = field(default_factory=dict[tuple[str, str], Terms])
    consented: Mapping[tuple[str, str], frozenset[Along]] = field(
        default_factory=dict[tuple[str, str], frozenset[Along]]
    )
    """By (appliance id, recipient id): what its consents in force, at least one, bring along."""
    lockdown: bool = False
    let_through: Mapping[str, float] = field(default_factory=dict[str, float])
    """By appliance id: until when everything of it is let through."""
    waiting: frozenset[str] = frozenset()
    """Ids of data points with a consent that waits to be confirmed or decided anew."""
    held: Mapping[tuple[str, str], Mapping[Field, float]] = field(
        default_factory=dict[tuple[str, str], Mapping[Field, float]]
    )
    """By (appliance id, template): until when a consent of a field may come into force again."""
    suspended: frozenset[tuple[str, str]] = frozenset()
    """(appliance id, recipient id) pairs that have only consents waiting to be confirmed."""
    opaque: Mapping[tuple[str, str, str], float] = field(
        default_factory=dict[tuple[str, str, str], float]
    )
    """By (appliance id, recipient id, name): until when traffic that no gate can read may pass."""
    opaque_suspended: frozenset[tuple[str, str]] = frozenset()
    claims: Mapping[str, Claim] = field(default_factory=dict[str, Claim])
    """By name: who is reached there."""
    by_address: Mapping[str, tuple[Appliance, ...]] = field(
        default_factory=dict[str, tuple[Appliance, ...]]
    )
    by_mac: Mapping[str, tuple[Appliance, ...]] = field(
        default_factory=dict[str, tuple[Appliance, ...]]
    )
    with_mac: tuple[Appliance, ...] = ()
    """Those that are known by a MAC, whatever else they are known by."""

    def along(self, appliance_id: str, recipient_id: str, now: float) -> list[Along]:
        """Return what the consents of a pair bring along that are in force now."""
        found = self.consented.get((appliance_id, recipient_id), frozenset())
        return [one for one in found if one.until > now]

    def has_token(self, token: str) -> bool:
        """Tell whether an appliance has this token."""
        return any(appliance.token == token for appliance in self.appliances)


def build(
    version: int,
    appliances: tuple[Appliance, ...],
    recipients: tuple[Recipient, ...],
    consents: list[tuple[Consent, DataPoint]],
    *,
    lockdown: bool = False,
    let_through: Mapping[str, float] | None = None,
) -> Policy:
    """Make a snapshot. Consents not in force, and those of things now unknown, have no effect."""
    known = {recipient.id: recipient for recipient in recipients}
    present = {appliance.id for appliance in appliances}
    terms: dict[tuple[str, str], dict[Field, dict[str, Term]]] = {}
    consented: dict[tuple[str, str], set[Along]] = {}
    waiting: set[str] = set()
    held: dict[tuple[str, str], dict[Field, float]] = {}
    suspended: set[tuple[str, str]] = set()
    opaque: dict[tuple[str, str, str], float] = {}
    opaque_suspended: set[tuple[str, str]] = set()
    for consent, point in consents:
        pair = consent.appliance_id, consent.recipient_id
        if consent.recipient_id not in known or consent.appliance_id not in present:
            continue
        until = inf if consent.until is None else consent.until
        if not consent.in_force:
            if consent.state is ConsentState.GIVEN and consent.drift is None:
                here = held.setdefault((consent.appliance_id, point.template), {})
                here[point.field] = max(until, here.get(point.field, 0.0))
            is_waiting = consent.is_suspended or consent.drift is not None
            if is_waiting and consent.state is ConsentState.GIVEN:
                waiting.add(point.id)
                (opaque_suspended if point.field == OPAQUE_FIELD else suspended).add(pair)
            continue
        if point.field == OPAQUE_FIELD:
            # It opens nothing that is read, and what is read opens nothing of it. Names that the
            # recipient has got since were not agreed to.
            for name in consent.functional & known[consent.recipient_id].names:
                opaque[(*pair, name)] = until
            continue
        place = terms.setdefault((consent.appliance_id, point.template), {})
        place.setdefault(point.field, {})[consent.recipient_id] = Term(
            level=consent.level,
            kinds=consent.kinds,
            category=point.category,
            unit=point.unit,
            until=until,
        )
        consented.setdefault(pair, set()).add(
            Along(until, consent.functional & known[consent.recipient_id].functional)
        )
    return Policy(
        version=version,
        appliances=appliances,
        recipients=MappingProxyType(known),
        terms=MappingProxyType(terms),
        consented=MappingProxyType({pair: frozenset(all_) for pair, all_ in consented.items()}),
        lockdown=lockdown,
        let_through=MappingProxyType(dict(let_through or {})),
        waiting=frozenset(waiting),
        held=MappingProxyType(held),
        suspended=frozenset(suspended - consented.keys()),
        opaque=MappingProxyType(opaque),
        opaque_suspended=frozenset(opaque_suspended),
        claims=MappingProxyType(_claims(recipients)),
        by_address=MappingProxyType(_known_by(appliances, lambda one: one.addresses)),
        by_mac=MappingProxyType(_known_by(appliances, lambda one: one.macs)),
        with_mac=tuple(one for one in appliances if one.macs),
    )


def _claims(recipients: Iterable[Recipient]) -> dict[str, Claim]:
    claims: dict[str, Claim] = {}
    for recipient in recipients:
        for host in {endpoint.host for endpoint in recipient.endpoints}:
            before = claims.get(host, Claim())
            claims[host] = before._replace(readable=(*before.readable, recipient.id))
        for host in recipient.names:
            before = claims.get(host, Claim())
            claims[host] = before._replace(opaque=(*before.opaque, recipient.id))
    return claims


def _known_by(
    appliances: Iterable[Appliance], marks: Callable[[Appliance], Iterable[str]]
) -> dict[str, tuple[Appliance, ...]]:
    known: dict[str, tuple[Appliance, ...]] = {}
    for appliance in appliances:
        for mark in marks(appliance):
            known[mark] = (*known.get(mark, ()), appliance)
    return known


def deny(
    reason: Reason,
    appliance: Appliance | None = None,
    recipients: tuple[Recipient, ...] = (),
) -> Verdict:
    """Return a denial."""
    return Verdict(outcome=Outcome.DENY, reason=reason, appliance=appliance, recipients=recipients)


def identify(policy: Policy, source: Source) -> Appliance | Reason:
    """Tell which appliance a transmission comes from, or why that cannot be told.

    A token identifies; without one, address and MAC do, and only where exactly one appliance is
    known by them. An appliance that has a token and an address must show both.
    """
    if source.token is not None:
        by_token = [one for one in policy.appliances if one.token == source.token]
        found = [one for one in by_token if _arrives_from(one, source)]
    else:
        found = [
            one
            for one in policy.appliances
            if source.address in one.addresses or (source.mac and source.mac in one.macs)
        ]
        if len(found) > 1:
            return Reason.AMBIGUOUS_APPLIANCE
        found = [one for one in found if one.token is None and _arrives_from(one, source)]
    return found[0] if len(found) == 1 else Reason.UNKNOWN_APPLIANCE


def _arrives_from(appliance: Appliance, source: Source) -> bool:
    """Tell whether what is known of the appliance's address and MAC agrees with the source."""
    if appliance.addresses and source.address not in appliance.addresses:
        return False
    return not (appliance.macs and source.mac and source.mac not in appliance.macs)


def let_through(policy: Policy, appliance: Appliance, now: float) -> float | None:
    """Return until when everything of an appliance is let through; None where it is not."""
    until = policy.let_through.get(appliance.id, 0.0)
    return until if until > now and not policy.lockdown else None


def claimants(
    policy: Policy, method: str, host: str, path: str
) -> tuple[tuple[Recipient, ...], Endpoint | None]:
    """Return the recipients that claim an endpoint and the endpoint to call.

    The longest prefix counts; where several recipients claim with the same one, all of them do.
    Where they state different framings, no body can be read there.
    """
    matches = [
        (len(endpoint.prefix.rstrip("/")), recipient, endpoint)
        for recipient in policy.recipients.values()
        for endpoint in recipient.endpoints
        if endpoint.claims(method, host, path)
    ]
    if not matches:
        return (), None
    longest = max(length for length, _, _ in matches)
    claiming = {recipient.id: recipient for length, recipient, _ in matches if length == longest}
    endpoints = [endpoint for length, _, endpoint in matches if length == longest]
    endpoint = endpoints[0]
    if any(one.framing != endpoint.framing for one in endpoints):
        endpoint = replace(endpoint, framing=UNCLEAR_FRAMING)
    return tuple(claiming.values()), endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `decide` is asked: a message that was read, of a known appliance.

    `fields` has every field of the message with the kinds it has there, `known` what was learned
    of them, `tainted` those in which somebody's identity stands, `drifted` those that are no
    longer what was granted; `profiles` say by data point id what that was.
    """

    policy: Policy
    appliance: Appliance
    recipients: tuple[Recipient, ...]
    endpoint: Endpoint
    template: str
    fields: Mapping[Field, frozenset[Kind]]
    known: Mapping[Field, DataPoint]
    tainted: frozenset[Field] = frozenset()
    drifted: frozenset[Field] = frozenset()
    profiles: Mapping[str, Profile] = field(default_factory=dict[str, Profile])
    now: float = 0.0
    """The ledger's time: a consent that is over by it is not in force."""
    keeps_values: bool = False
    """Whether the household wants released values in the journal."""

    def term(self, item: Field, recipient: Recipient) -> Term | None:
        """Return the consent in force now for a field of this message."""
        terms = self.policy.terms.get((self.appliance.id, self.template), {})
        term = terms.get(item, {}).get(recipient.id)
        return term if term is not None and term.until > self.now else None

    def granted(self) -> dict[Field, DataPoint]:
        """Return the data points of this endpoint template that stand as granted, to anybody.

        Also those that wait to be confirmed, and those of other recipients than this message has:
        all of them share what is known of a data point, and go by it when they pass again.
        """
        place = self.appliance.id, self.template
        ends = [
            *(
                (item, term.until)
                for item, by_recipient in self.policy.terms.get(place, {}).items()
                for term in by_recipient.values()
            ),
            *self.policy.held.get(place, {}).items(),
        ]
        return {
            item: point
            for item, until in ends
            if until > self.now and (point := self.known.get(item)) is not None
        }

    def along(self, recipient: Recipient) -> list[Along]:
        """Return what the consents of this appliance for a recipient bring along now."""
        return self.policy.along(self.appliance.id, recipient.id, self.now)


type Rule = Callable[[Question, Mapping[Field, Obligation]], tuple[Outcome, Reason] | None]


def obligations(question: Question) -> dict[Field, Obligation]:
    """Say for every field what must be done with it; with several recipients, the strictest."""
    return {
        item: DROP
        if item in question.tainted or item in question.drifted
        else _obligation(question, item, kinds)
        for item, kinds in question.fields.items()
    }


def _obligation(question: Question, item: Field, kinds: frozenset[Kind]) -> Obligation:
    coarse: Term | None = None
    allowed: frozenset[Kind] | None = None
    for recipient in question.recipients:
        term = question.term(item, recipient)
        if term is None:
            if not _is_functional(question, recipient, item):
                return _withhold(question, item)
            continue
        allowed = term.kinds if allowed is None else allowed & term.kinds
        if term.level is Level.COARSE:
            coarse = term
    if allowed is not None and not (kinds - {Kind.NULL}) <= allowed:
        return _withhold(question, item)
    if coarse is not None:
        return Obligation(action=Action.COARSEN, category=coarse.category, unit=coarse.unit)
    return RELEASE


def _is_functional(question: Question, recipient: Recipient, item: Field) -> bool:
    """Tell whether the recipient needs this identifier to accept anything, and may have it now."""
    if item.siblings:
        return False
    path = paths.parse(item.path)
    return any(
        paths.parse(pattern).matches(path)
        for along in question.along(recipient)
        for pattern in along.functional
    )


def _withhold(question: Question, item: Field) -> Obligation:
    point = question.known.get(item)
    return DROP if point is None else withholding(point, question.recipients)


def withholding(point: DataPoint, recipients: Iterable[Recipient]) -> Obligation:
    """Return what becomes of a data point that one of its recipients may not have."""
    if point.category in _NEVER_NEUTRAL or "*" in point.field.path:
        return DROP
    path = paths.parse(point.field.path)
    for recipient in recipients:
        if not any(paths.parse(pattern).matches(path) for pattern in recipient.neutral):
            return DROP
    return Obligation(action=Action.NEUTRALISE, kinds=point.kinds)


def _releases(duties: Mapping[Field, Obligation], item: Field) -> bool:
    return duties[item].action in (Action.RELEASE, Action.COARSEN)


def nothing_consented(
    question: Question, _: Mapping[Field, Obligation]
) -> tuple[Outcome, Reason] | None:
    """Deny while one of the recipients has no consent of this appliance in force."""
    for recipient in question.recipients:
        if not question.along(recipient):
            is_suspended = (question.appliance.id, recipient.id) in question.policy.suspended
            return Outcome.DENY, (
                Reason.CONSENTS_SUSPENDED if is_suspended else Reason.NOTHING_CONSENTED
            )
    return None


def nothing_released(
    question: Question, duties: Mapping[Field, Obligation]
) -> tuple[Outcome, Reason] | None:
    """Deny a message of which nothing is consented: functional identifiers never go alone."""
    if any_consented(question, (item for item in duties if _releases(duties, item))):
        return None
    return Outcome.DENY, Reason.NOTHING_RELEASED


def any_consented(question: Question, items: Iterable[Field]) -> bool:
    """Tell whether each recipient has a consent of one of these fields, at this endpoint."""
    spoken_of = list(items)
    return all(
        any(question.term(item, recipient) is not None for item in spoken_of)
        for recipient in question.recipients
    )


def is_whole(question: Question) -> bool:
    """Tell whether everything ever seen at this endpoint is consented.

    Where something is not, a message without it must look like one from which it was taken.
    """
    return all(
        _obligation(question, item, frozenset()).action is Action.RELEASE
        for item in question.known
        if item != REQUEST_FIELD
    )


def segment_withheld(
    _: Question, duties: Mapping[Field, Obligation]
) -> tuple[Outcome, Reason] | None:
    """Deny where a part of the URL path is not released: there is no such request without it."""
    for item, duty in duties.items():
        if item.path.startswith("$.path[") and duty.action is not Action.RELEASE:
            return Outcome.DENY, Reason.SEGMENT_WITHHELD
    return None


def signed_over_withheld(
    _: Question, duties: Mapping[Field, Obligation]
) -> tuple[Outcome, Reason] | None:
    """Deny where a released checksum or signature was computed over something that is not."""
    if _all_released(duties):
        return None
    for item in duties:
        if _releases(duties, item) and _is_signature(item):
            return Outcome.DENY, Reason.SIGNED_OVER_WITHHELD
    return None


@lru_cache(maxsize=8192)
def _is_signature(item: Field) -> bool:
    """Tell whether a field is called like something computed over others."""
    for name in _naming(item):
        words = identifiers.words(name)
        # `md5` and `sha256` are two words each; `hash_deviceid` is an identifier.
        if words[-1:] == ["hash"] or not _CHECKSUMS.isdisjoint(
            [*words, *map("".join, pairwise(words))]
        ):
            return True
    return False


def deny_all_mode(
    question: Question, duties: Mapping[Field, Obligation]
) -> tuple[Outcome, Reason] | None:
    """Deny a message with anything withheld where the appliance's go whole or not at all."""
    if question.appliance.remainder is Remainder.DENY and not _all_released(duties):
        return Outcome.DENY, Reason.DENY_ALL_MODE
    return None


def all_consented(_: Question, duties: Mapping[Field, Obligation]) -> tuple[Outcome, Reason] | None:
    """Permit what is consented in every part."""
    return (Outcome.PERMIT, Reason.ALL_CONSENTED) if _all_released(duties) else None


def some_withheld(_: Question, __: Mapping[Field, Obligation]) -> tuple[Outcome, Reason] | None:
    """Redact what is left."""
    return Outcome.REDACT, Reason.SOME_WITHHELD


def _all_released(duties: Mapping[Field, Obligation]) -> bool:
    return all(
        duty.action is Action.RELEASE for item, duty in duties.items() if item != REQUEST_FIELD
    )


def _naming(item: Field) -> list[str]:
    """Return everything that names a field: the members on its path, and its siblings."""
    selectors = paths.parse(item.path).selectors
    return [*(one for one in selectors if isinstance(one, str)), *item.siblings]


RULES: tuple[Rule, ...] = (
    nothing_consented,  # promise 1: an appliance with nothing consented sends nothing at all
    nothing_released,  # identifiers and empty shells do not leave by themselves
    segment_withheld,  # before redaction: it cannot be done
    signed_over_withheld,  # before redaction: it would be found out, or tell of what was withheld
    deny_all_mode,  # the household's own rule for this appliance
    all_consented,
    some_withheld,  # always concludes
)


def decide(question: Question) -> Verdict:
    """Return the verdict on a message that was read."""
    duties = obligations(question)
    for rule in RULES:
        concluded = rule(question, duties)
        if concluded is not None:
            outcome, reason = concluded
            return Verdict(
                outcome=outcome,
                reason=reason,
                appliance=question.appliance,
                recipients=question.recipients,
                obligations=duties,
                policy_version=question.policy.version,
                until=_until(question, duties),
            )
    return deny(Reason.INTERNAL_ERROR, question.appliance, question.recipients)


def let_through_verdict(question: Question) -> Verdict:
    """Return the permission for everything, for as long as the household let it through."""
    return Verdict(
        outcome=Outcome.PERMIT,
        reason=Reason.LET_THROUGH,
        appliance=question.appliance,
        recipients=question.recipients,
        policy_version=question.policy.version,
        until=question.policy.let_through.get(question.appliance.id, 0.0),
    )


def _until(question: Question, duties: Mapping[Field, Obligation]) -> float:
    """Return when the first of the consents is over under which something of this leaves."""
    return min(
        (
            _holds_until(question, recipient, item)
            for item in duties
            if _releases(duties, item)
            for recipient in question.recipients
        ),
        default=inf,
    )


def _holds_until(question: Question, recipient: Recipient, item: Field) -> float:
    term = question.term(item, recipient)
    if term is not None:
        return term.until
    path = paths.parse(item.path)
    return max(
        (
            along.until
            for along in question.along(recipient)
            if any(paths.parse(pattern).matches(path) for pattern in along.functional)
        ),
        default=0.0,
    )


def denied(verdict: Verdict, reason: Reason) -> Verdict:
    """Turn a verdict into a denial for a reason found later."""
    return replace(verdict, outcome=Outcome.DENY, reason=reason, obligations={})
