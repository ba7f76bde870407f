"""Which of an appliance's data points are which entities that exist already.

    shapes      what goes in and comes out
    series      values over time, in one form
    units       how a number as sent becomes a number as shown
    overlap     values, where both were seen at the same time
    history     values, where they were not: the other integration's cloud is denied
    wording     names
    evidence    all of it for a pair, in nats that add up
    assign      one data point per entity; a rival as good is a doubt
    twins       data points that tell the same to different recipients, to be matched as one

A match never changes a consent: it only says where a switch stands and what it is called.
Pure functions, no I/O. They take seconds for a large appliance: not for an event loop.
"""

from collections.abc import Collection, Sequence

from .assign import SHOWN, candidate, settle
from .evidence import Evidence
from .shapes import (
    MAX_ENTITIES,
    MAX_POINTS,
    Candidate,
    Entity,
    Point,
    Reason,
    ReasonKind,
    Result,
    Sample,
    State,
)
from .twins import twins

__all__ = [
    "Candidate",
    "Entity",
    "Point",
    "Reason",
    "ReasonKind",
    "Result",
    "Sample",
    "State",
    "match",
    "twins",
]


def match(
    points: Sequence[Point],
    entities: Sequence[Entity],
    *,
    device: str,
    now: float,
    barred: Collection[tuple[str, str]] = frozenset(),
) -> Result:
    """Match the data points of one appliance to entities.

    `device` is the name of the appliance's own device, `now` in seconds since the epoch: until then
    the last states last. `barred` are pairs of data point id and entity id that are known not to be
    the same: what is next best is then no worse for them. The same input always gives the same
    result.
    """
    points, entities = points[:MAX_POINTS], entities[:MAX_ENTITIES]
    evidence = Evidence(points, entities, device=device, now=now)
    rows = [
        {
            entity: pair
            for entity, pair in evidence.of(place).items()
            if (point.id, entities[entity].entity_id) not in barred
        }
        for place, point in enumerate(points)
    ]
    sure, unsure = settle(rows)

    def told(found: Sequence[tuple[tuple[int, int], float]]) -> list[Candidate]:
        return [
            candidate(points[one].id, entities[other].entity_id, confidence, rows[one][other])
            for (one, other), confidence in found
        ]

    asked: dict[str, list[Candidate]] = {}
    for one in told(unsure):
        asked.setdefault(one.point_id, []).append(one)
    return Result(
        automatic=tuple(told(sure)),
        asked=tuple(one for some in asked.values() for one in some[:SHOWN]),
    )
