"""One message, from its bytes to what may leave: a pure function that touches nothing.

    payload.request.read → learning.unseen → policy.decide → redaction → payload.request.write
    → redaction.verify

It never waits and keeps nothing, so that it can run in any thread. What surrounds it (who may ask,
the journal, what is remembered) is `pipeline`'s business.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
import json

from . import drift, learning, policy as rules
from .catalogue.known import Catalogue
from .errors import Refused
from .model import (
    REQUEST_FIELD,
    Action,
    Category,
    DataPoint,
    Field,
    Kind,
    Leaf,
    Obligation,
    Outcome,
    OutgoingRequest,
    Reason,
    Transmission,
    Verdict,
)
from .payload import compression, request as requests
from .policy import Question
from .redaction import fields, transforms, verify
from .redaction.fields import MISSING, Found, Replacement
from .redaction.identifiers import (
    find,
    identity,
    is_personal,
    is_place,
    looks_like_data,
    names_person_or_place,
    specific,
)
from .samples import MAX_ITEMS

MAX_KEPT = 1_000
"""Characters of a released value that are kept where the household wants them in the journal."""
_IDENTIFYING = frozenset({Category.IDENTIFIER, Category.CREDENTIAL, Category.LOCATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What `examine` found: the verdict, what may leave, and what was learned on the way.

    `released` are ids of data points that leave, `coarse` those of them that leave coarse,
    `withheld_ids` those known that do not; `withheld` counts the latter with those not yet known.
    `values` are released values as they leave, by data point id, where they are to be kept.
    `drifted` are granted data points that this message shows to be something else now; of what
    was decided here they are no part.
    `values` are released values as they leave, by data point id, where they are to be kept. `seen`
    is what was sent of each data point, its first items and its last: in memory only. `named` are
    the identities that stand in it, those that leave included.
    """

    verdict: Verdict
    template: str
    outgoing: OutgoingRequest | None = None
    fresh: tuple[DataPoint, ...] = ()
    found: tuple[Found, ...] = ()
    released: tuple[str, ...] = ()
    coarse: tuple[str, ...] = ()
    withheld_ids: tuple[str, ...] = ()
    withheld: int = 0
    values: tuple[tuple[str, str], ...] = ()
    identities: tuple[str, ...] = ()
    drifted: tuple[drift.Drifted, ...] = ()
    seen: tuple[tuple[DataPoint, tuple[Leaf, ...]], ...] = field(default=(), repr=False)
    named: frozenset[str] = field(default=frozenset(), repr=False)


def examine(
    question: Question,
    transmission: Transmission,
    count: int,
    remembered: frozenset[str],
    catalogue: Catalogue = learning.NOTHING_KNOWN,
) -> Examined:
    """Read a transmission, decide it and build what may leave; touches nothing and never waits.

    `question` comes with empty fields; `count` is the number of data points the appliance has,
    `remembered` the identities withheld earlier, `catalogue` what is known of vendors. What cannot
    be read is a denial, not an error.
    """
    template = question.template
    denied = rules.deny(Reason.INTERNAL_ERROR, question.appliance, question.recipients)
    try:
        message = requests.read(transmission, looks_like_data, question.endpoint.framing)
        template = message.template
        found = fields.walk(message.tree)
        found_or_call = [*found, Found(REQUEST_FIELD, "$.request", None)]
        fresh = learning.unseen(
            found_or_call,
            question.known,
            count=count,
            appliance_id=question.appliance.id,
            template=template,
            recipients=tuple(recipient.id for recipient in question.recipients),
            now=question.now,
            catalogue=catalogue,
        )
        fresh = learning.renamed(fresh, found, question.known, remembered)
    except Refused as err:
        return Examined(verdict=replace(denied, reason=err.reason), template=template)
    learned = Examined(
        verdict=denied,
        template=template,
        fresh=tuple(fresh),
        found=tuple(found),
        withheld=len({item.field for item in found}),
    )
    kinds: dict[Field, frozenset[Kind]] = {}
    for item, _, value in found_or_call:
        kinds[item] = kinds.get(item, frozenset()) | {transforms.kind_of(value)}
    asked = replace(
        question,
        template=template,
        fields=kinds,
        known={**question.known, **{point.field: point for point in fresh}},
    )
    drifted = drift.find(found, asked.granted(), asked.profiles)
    if drifted:
        asked = replace(asked, drifted=frozenset(one.point.field for one in drifted))
        learned = replace(learned, drifted=tuple(drifted))
    learned = replace(learned, seen=_seen(asked.known, found))
    return _conclude(asked, message, found, remembered, learned)


def _conclude(
    question: Question,
    message: requests.Message,
    found: list[Found],
    remembered: frozenset[str],
    learned: Examined,
) -> Examined:
    """Decide, redact, write and check a message that was read."""
    verdict = rules.decide(question)
    told = [
        (item, value, one) for item, _, value in found if (one := identity(item, value)) is not None
    ]
    identities = frozenset(
        one for item, _, one in told if not _is_released(verdict.obligations, item)
    )
    learned = replace(
        learned,
        identities=tuple(identities),
        named=frozenset(one for _, _, one in told),
        withheld_ids=_ids(question, question.fields.keys() - {REQUEST_FIELD}),
    )
    if verdict.outcome is Outcome.DENY:
        return replace(learned, verdict=verdict)
    searched = _searched(verdict.obligations, question, told, remembered, identities)
    tainted = _tainted(verdict.obligations, found, searched)
    if tainted:
        verdict = rules.decide(replace(question, tainted=tainted))
        if verdict.outcome is Outcome.DENY:
            if verdict.reason is Reason.NOTHING_RELEASED:
                verdict = rules.denied(verdict, Reason.IDENTITY_FOUND)
            return replace(learned, verdict=verdict)
    try:
        outgoing, built, withheld = _build(verdict, question, message, found)
        passed = {found[number].field for number in built.released}
        if verdict.obligations[REQUEST_FIELD].action in (Action.RELEASE, Action.COARSEN):
            passed.add(REQUEST_FIELD)
        if not rules.any_consented(question, passed):
            # What is consented could not be made coarse, or is a name without its value.
            raise Refused(Reason.NOTHING_RELEASED, "nothing that is consented was left")
        _check(outgoing, message, built, withheld, searched)
    except Refused as err:
        return replace(learned, verdict=rules.denied(verdict, err.reason))
    return replace(
        learned,
        verdict=verdict,
        outgoing=outgoing,
        released=_ids(question, passed),
        coarse=_ids(
            question,
            {item for item in passed if verdict.obligations[item].action is Action.COARSEN},
        ),
        withheld_ids=_ids(question, question.fields.keys() - passed - {REQUEST_FIELD}),
        values=_values(question, verdict, found, built) if question.keeps_values else (),
        withheld=sum(item not in passed for item in question.fields if item != REQUEST_FIELD),
    )


def pass_through(
    question: Question,
    transmission: Transmission,
    count: int,
    catalogue: Catalogue = learning.NOTHING_KNOWN,
) -> Examined:
    """Let a transmission through as it is, on the household's word; learn from it what is new.

    What cannot be read goes as well. Only what belongs to the connection and to proxies stays.
    """
    template = question.template
    fresh: list[DataPoint] = []
    found: list[Found] = []
    drifted: list[drift.Drifted] = []
    try:
        message = requests.read(transmission, looks_like_data, question.endpoint.framing)
        template = message.template
        found = [*fields.walk(message.tree), Found(REQUEST_FIELD, "$.request", None)]
        # Or it would be taken for what is usual once the time is over.
        drifted = drift.find(found, question.granted(), question.profiles)
        fresh = learning.unseen(
            found,
            question.known,
            count=count,
            appliance_id=question.appliance.id,
            template=template,
            recipients=tuple(recipient.id for recipient in question.recipients),
            now=question.now,
            catalogue=catalogue,
        )
        fresh = learning.renamed(fresh, found, question.known, frozenset())
    except Refused:
        # Then nothing is known of what it tells; the journal has it all the same.
        pass
    known = {**question.known, **{point.field: point for point in fresh}}
    private = all(recipient.allow_private for recipient in question.recipients)
    return Examined(
        verdict=rules.let_through_verdict(question),
        template=template,
        outgoing=requests.as_it_is(
            transmission,
            question.endpoint.origin,
            allow_private=bool(question.recipients) and private,
        ),
        fresh=tuple(fresh),
        found=tuple(found),
        named=frozenset(
            one for item, _, value in found if (one := identity(item, value)) is not None
        ),
        drifted=tuple(drifted),
        released=tuple(sorted({known[one.field].id for one in found if one.field in known})),
        seen=_seen(known, found),
    )


def _seen(
    known: Mapping[Field, DataPoint], found: list[Found]
) -> tuple[tuple[DataPoint, tuple[Leaf, ...]], ...]:
    """Return what a message has of each data point: as many items as are kept, the last one last.

    Here and not where they are kept: a large message is read in a thread.
    """
    items: dict[Field, list[Leaf]] = {}
    for item, _, value in found:
        values = items.setdefault(item, [])
        if len(values) <= MAX_ITEMS:
            values.append(value)
        else:
            values[-1] = value
    return tuple(
        (known[item], tuple(values))
        for item, values in items.items()
        if item in known and item != REQUEST_FIELD
    )


def _ids(question: Question, items: Collection[Field]) -> tuple[str, ...]:
    return tuple(sorted(point.id for item, point in question.known.items() if item in items))


def _values(
    question: Question, verdict: Verdict, found: list[Found], built: fields.Rebuilt
) -> tuple[tuple[str, str], ...]:
    """Return what leaves of each released data point, as text of bounded length."""
    values: list[tuple[str, str]] = []
    for number in built.released:
        item, _, value = found[number]
        left = _replacement(verdict.obligations.get(item), value)
        values.append((question.known[item].id, _text(left)[:MAX_KEPT]))
    return tuple(values)


def _text(value: Replacement) -> str:
    """Return a leaf as JSON writes it; a text and a number as they stand."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _searched(
    duties: Mapping[Field, Obligation],
    question: Question,
    told: list[tuple[Field, Leaf, str]],
    remembered: frozenset[str],
    withheld: frozenset[str],
) -> frozenset[str]:
    """Return the identities that must not stand in what leaves; `told` are those that were found.

    Those withheld, now or earlier, but for what this recipient was granted as an identity. Also
    those in released fields that were granted as something else, or as a place that they are not.
    And an e-mail address or a place that this message withholds, though a field for numbers and the
    like may have it.
    """
    granted: set[str] = set()
    elsewhere: set[str] = set()
    for item, value, one in told:
        if _is_released(duties, item):
            category = question.known[item].category
            if category not in _IDENTIFYING or (
                category is Category.LOCATION and not is_place(value)
            ):
                elsewhere.add(one)
            else:
                granted.add(one)
                if is_personal(value) and not names_person_or_place(item):
                    elsewhere |= {one} & withheld
    return ((remembered | withheld) - granted) | elsewhere


def _is_released(duties: Mapping[Field, Obligation], item: Field) -> bool:
    duty = duties.get(item)
    return duty is not None and duty.action is Action.RELEASE


def _tainted(
    duties: Mapping[Field, Obligation], found: list[Found], searched: frozenset[str]
) -> frozenset[Field]:
    """Return the granted fields in whose values a withheld identity stands."""
    granted = [
        (item, str(value))
        for item, _, value in found
        if _is_released(duties, item) and isinstance(value, str) and len(value) >= 6
    ]
    hits = find(searched, [text for _, text in granted])
    return frozenset(granted[index][0] for index in hits)


def _build(
    verdict: Verdict, question: Question, message: requests.Message, found: list[Found]
) -> tuple[OutgoingRequest, fields.Rebuilt, frozenset[str]]:
    """Return the request that may leave, what is in it, and specific values not to be in it."""
    replacements: list[Replacement] = []
    withheld: set[str] = set()
    granted: set[str] = set()
    for item, _, value in found:
        replacement = _replacement(verdict.obligations.get(item), value)
        replacements.append(replacement)
        if replacement is value:
            if isinstance(value, str):
                granted.add(str(value))
        elif (text := specific(value)) is not None:
            withheld.add(text)
    built = fields.rebuild(message.tree, replacements)
    # Not by comparing values: a constant may equal what it replaces, and that is not to be seen.
    untouched = verdict.outcome is Outcome.PERMIT and rules.is_whole(question)
    outgoing = requests.write(message, built.tree, question.endpoint.origin, untouched=untouched)
    private = all(recipient.allow_private for recipient in verdict.recipients)
    return (
        replace(outgoing, allow_private=private),
        built,
        frozenset(withheld - granted),
    )


def _replacement(duty: Obligation | None, value: Leaf) -> Replacement:
    if duty is None or duty.action is Action.DROP:
        return MISSING
    if duty.action is Action.RELEASE:
        return value
    if duty.action is Action.COARSEN:
        if value is None:
            return None
        coarse = transforms.coarsen(value, duty.category, duty.unit)
        return MISSING if coarse is None else coarse
    return fields.Constant(transforms.neutral(duty.kinds))


def _check(
    outgoing: OutgoingRequest,
    message: requests.Message,
    built: fields.Rebuilt,
    withheld: frozenset[str],
    identities: frozenset[str],
) -> None:
    """Read the request again and look for what must not stand in it; raises `Refused`."""
    body = message.body
    coding = body.coding if body is not None else ""
    outside = verify.check(
        outgoing,
        verify.Expected(
            leaves=built.leaves,
            segments=message.segments,
            constant_headers=message.constant_headers,
            read_body=body.format.plain if body is not None else None,
            is_json=body is not None and body.format.is_json,
            inflate=lambda data: compression.decompress(data, coding),
            framing=body.framing if body is not None else (),
        ),
    )
    # Words that say what an item means are part of its name.
    outside = outside._replace(names=[*outside.names, *built.meanings])
    reason = verify.search(outside, identities, withheld)
    if reason is not None:
        raise Refused(reason, "found where it must not stand")
