"""What is made of what the matcher found: what is kept, what gives way, and what is asked about.

What was found once stays until something contradicts it: evidence for another entity, another data
point with a better claim, or an entity that is no more. Silence contradicts nothing: of an
integration whose cloud is denied there soon is none.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .engine import MatchCandidate, MatchEntity, MatchPoint, match, match_twins
from .match_store import MAX_REASONS, MAX_TEXT, Match, MatchStore, Standing

STEADY = 0.05
"""By how much a confidence must change to be kept anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the matcher is asked of one appliance.

    `device` is the name of the device it is linked with. `rejected` and `confirmed` are what the
    household said: pairs of data point id and entity id.
    """

    points: Sequence[MatchPoint]
    entities: Sequence[MatchEntity]
    device: str
    now: float
    rejected: Collection[tuple[str, str]]
    confirmed: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the matcher says, by data point id, the likeliest first; `twins` as the engine has them.

    Reasons for and against have no values in them.
    """

    sure: Mapping[str, Sequence[MatchCandidate]]
    unsure: Mapping[str, Sequence[MatchCandidate]]
    twins: Mapping[str, str]


def find(question: Question) -> Findings:
    """Ask the matcher; seconds for a large appliance, so not in the event loop."""
    twins = match_twins(question.points)
    asked = [
        one for one in question.points if one.id not in question.confirmed and one.id not in twins
    ]
    barred = set(question.rejected)
    for point_id, entity_id in question.confirmed.items():
        # One entity has one source; what the household said leaves no doubt which.
        like = {point_id, twins.get(point_id)} | {
            one for one, first in twins.items() if first == point_id
        }
        barred |= {(one.id, entity_id) for one in asked if one.id not in like}
    result = match(
        asked, question.entities, device=question.device, now=question.now, barred=barred
    )
    sure, unsure = _by_point(result.automatic), _by_point(result.asked)
    for found in (sure, unsure):
        for twin, first in twins.items():
            if twin not in question.confirmed and first in found:
                found[twin] = [
                    replace(one, point_id=twin)
                    for one in found[first]
                    if (twin, one.entity_id) not in barred
                ]
    return Findings(sure=sure, unsure=unsure, twins=twins)


def _by_point(found: Iterable[MatchCandidate]) -> dict[str, list[MatchCandidate]]:
    by_point: dict[str, list[MatchCandidate]] = {}
    for one in found:
        by_point.setdefault(one.point_id, []).append(one)
    return by_point


def found_match(one: MatchCandidate, entity: str) -> Match:
    """Return what the matcher says of a pair, as it is kept; `entity` is its id in the registry."""
    return Match(
        entity=entity,
        standing=Standing.AUTOMATIC,
        confidence=round(one.confidence, 2),
        reasons=tuple(reason.text[:MAX_TEXT] for reason in one.reasons[:MAX_REASONS]),
        kinds=tuple(dict.fromkeys(reason.kind.value for reason in one.reasons))[:MAX_REASONS],
    )


def settle(
    store: MatchStore,
    findings: Findings,
    *,
    points: Collection[str],
    ids: Mapping[str, str],
    scope: Collection[str],
) -> bool:
    """Take over what was found of an appliance's data points; tell if that changed anything.

    `ids` are registry ids by entity id, `scope` those of all entities that the appliance may have.
    """
    before = dict(store.all())
    claimed: dict[str, set[str]] = {}
    for point_id, candidates in findings.sure.items():
        rejected = store.rejected(point_id)
        able = {
            entity: one
            for one in sorted(candidates, key=lambda one: one.confidence)
            if (entity := ids.get(one.entity_id)) is not None and entity not in rejected
        }
        if not able:
            continue
        known = store.get(point_id)
        # The last one is the likeliest. One that was there before and still fits stays.
        entity = known.entity if known is not None and known.entity in able else list(able)[-1]
        claimed.setdefault(entity, set()).add(point_id)
        new = found_match(able[entity], entity)
        if known is None or known.entity != entity or _differs(known, new):
            store.put(point_id, new)
    for point_id in points:
        known = store.get(point_id)
        if known is None or point_id in findings.sure:
            continue
        others = claimed.get(known.entity, set()) - _like(point_id, findings.twins)
        if known.entity not in scope or others:
            store.drop(point_id)
    return before != store.all()


def _differs(known: Match, new: Match) -> bool:
    if known.confidence is None or new.confidence is None:
        return True
    return abs(known.confidence - new.confidence) >= STEADY


def _like(point_id: str, twins: Mapping[str, str]) -> set[str]:
    first = twins.get(point_id, point_id)
    return {first, *(one for one, other in twins.items() if other == first)}
