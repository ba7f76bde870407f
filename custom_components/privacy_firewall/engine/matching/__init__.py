"""Which of an appliance's data points are which entities that exist already.

    shapes      what goes in and comes out
    series      values over time, in one form
    units       how a number as sent becomes a number as shown
    overlap     values, where both were seen at the same time
    history     values, where they were not: the other integration's cloud is denied
    wording     names
    evidence    all of it for a pair, in nats that add up
    assign      one data point per entity; a rival as good is a doubt

A match never changes a consent: it only says where a switch stands and what it is called.
Pure functions, no I/O. They take seconds for a large appliance: not for an event loop.
"""

from collections.abc import Sequence

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
]


def match(
    points: Sequence[Point], entities: Sequence[Entity], *, device: str, now: float
) -> Result:
    """Match the data points of one appliance to entities.

    `device` is the name of the appliance's own device, `now` in seconds since the epoch: until then
    the last states last. The same input always gives the same result.
    """
    points, entities = points[:MAX_POINTS], entities[:MAX_ENTITIES]
    evidence = Evidence(points, entities, device=device, now=now)
    rows = [evidence.of(place) for place in range(len(points))]
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
