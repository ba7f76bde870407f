"""From pairs to matches: each entity is fed by one data point, and a rival as good is a doubt."""

from collections.abc import Mapping, Sequence
import math

from .evidence import Pair
from .shapes import Candidate, Reason, ReasonKind

THRESHOLD = 0.75
"""Confidence from which a match is acted on without asking.

Chosen leaving out one appliance of the learning half at a time: at 0.5 the others still allow it
(precision 0.98 and more, with and without unique ids, starved or not). Above that for homes unlike
these: where half of the entities are taken away, 0.96 of what is matched is still right when all
integrations are starved, and 0.99 when none is.
"""
ASKED = 0.2
"""Confidence below which the household is not bothered with it."""
SHOWN = 3
"""Entities the household may choose from, per data point."""
KEPT = 8
"""Likeliest entities that are considered per data point."""
TOLD_TWICE = 8.0
"""Nats of values over time that a second entity of the same data point must have."""
TEMPERATURE = 1.0
"""By what all weights are divided: evidence overlaps, so it is less than its sum."""

type Key = tuple[int, int]


def settle(rows: Sequence[Mapping[int, Pair]]) -> tuple[list[tuple[Key, float]], ...]:
    """Return what is sure and what is not, as (place of point, of entity) and confidence.

    The surest pair is taken first; its entity is no rival to what is left. What another integration
    made is never sure: a helper may follow what nothing else shows. Nor is what only values speak
    for, of a data point that tells of people: its switch would be called after something harmless.
    """
    open_: dict[Key, Pair] = {}
    for point, row in enumerate(rows):
        best = sorted(row, key=lambda entity: (-row[entity].weight, entity))[:KEPT]
        open_ |= {(point, entity): row[entity] for entity in best if row[entity].weight > -4.0}
    taken: dict[int, list[int]] = {}
    sure: list[tuple[Key, float]] = []
    while True:
        found = _confidences(open_)
        able = [one for one in found if found[one] >= THRESHOLD and _may_be_sure(open_[one])]
        if not able:
            break
        key = max(able, key=lambda one: (found[one], -one[0], -one[1]))
        sure.append((key, found[key]))
        taken.setdefault(key[0], []).append(key[1])
        place = open_[key].place
        open_ = {one: pair for one, pair in open_.items() if one[1] != key[1]}
        open_ = {
            one: pair
            for one, pair in open_.items()
            if one[0] != key[0] or (pair.values >= TOLD_TWICE and pair.place == place)
        }
    found = _confidences(open_)
    unsure = [(key, found[key]) for key in open_ if key[0] not in taken and found[key] >= ASKED]
    return sure, sorted(unsure, key=lambda one: (one[0][0], -one[1], one[0][1]))


def _may_be_sure(pair: Pair) -> bool:
    return not (pair.foreign or pair.disguised)


def _confidences(open_: Mapping[Key, Pair]) -> dict[Key, float]:
    odds = {key: math.exp(min(40.0, pair.weight / TEMPERATURE)) for key, pair in open_.items()}
    of_point: dict[int, float] = {}
    of_entity: dict[int, float] = {}
    told: dict[tuple[int, tuple[str, str]], float] = {}
    for (point, entity), one in odds.items():
        of_point[point] = of_point.get(point, 0.0) + one
        of_entity[entity] = of_entity.get(entity, 0.0) + one
        pair = open_[point, entity]
        if pair.values >= TOLD_TWICE:
            told[point, pair.place] = told.get((point, pair.place), 0.0) + one
    found: dict[Key, float] = {}
    for (point, entity), one in odds.items():
        rivals = of_entity[entity] - one + of_point[point] - one
        pair = open_[point, entity]
        if pair.values >= TOLD_TWICE:
            # Two entities of a device that both follow a data point are no doubt about either.
            rivals -= told[point, pair.place] - one
        found[point, entity] = one / (1.0 + one + max(0.0, rivals))
    return found


def candidate(point_id: str, entity_id: str, confidence: float, pair: Pair) -> Candidate:
    """Put a pair for people, with the doubt a rival casts."""
    alone = 1 / (1 + math.exp(max(-40.0, min(40.0, -pair.weight / TEMPERATURE))))
    reasons = pair.reasons
    if confidence < alone - 0.05:
        rival = Reason(
            kind=ReasonKind.RIVAL,
            weight=math.log(max(1e-6, confidence) / max(1e-6, alone)),
            text="others are nearly as likely",
        )
        reasons = (*reasons, rival)
    return Candidate(
        point_id=point_id,
        entity_id=entity_id,
        confidence=round(confidence, 3),
        reasons=tuple(sorted(reasons, key=lambda one: -abs(one.weight))),
    )
