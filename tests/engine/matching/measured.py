"""How well the matcher does on labelled cases, and a peer that goes by names alone.

It needs `engine` to be importable.
"""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
import re

from labelled import Case, Judgement

from engine import matching

type Pair = tuple[str, str]
ALIKE = 0.6
"""Similarity from which the peer takes two names for the same; `difflib`'s own suggestion."""


def points(case: Case) -> list[matching.Point]:
    return [
        matching.Point(
            id=one.id,
            path=one.path,
            siblings=one.siblings,
            template=one.template,
            samples=tuple(
                matching.Sample(at=sample.at, value=sample.value) for sample in one.samples
            ),
        )
        for one in case.points
    ]


def entities(case: Case, *, unique_ids: bool = True) -> list[matching.Entity]:
    return [
        matching.Entity(
            entity_id=one.entity_id,
            name=one.original_name or "",
            device=one.device,
            platform=one.platform,
            device_class=one.device_class,
            unit=one.unit,
            state_class=one.state_class,
            options=one.options,
            unique_id=one.unique_id if unique_ids else "",
            states=tuple(matching.State(at=state.at, state=state.state) for state in one.states),
        )
        for one in case.entities
    ]


def matched(case: Case, *, unique_ids: bool = True) -> matching.Result:
    """Match a case as of the last transmission that was seen."""
    now = max(sample.at for point in case.points for sample in point.samples)
    shown = entities(case, unique_ids=unique_ids)
    return matching.match(points(case), shown, device=case.device, now=now)


def automatic(result: matching.Result) -> Iterator[Pair]:
    return ((one.point_id, one.entity_id) for one in result.automatic)


def by_name(case: Case) -> Iterator[Pair]:
    """Yield what one would take who only compared names, as texts, on the appliance's device."""
    shown = [one for one in case.entities if one.device == case.device and one.original_name]
    for point in case.points:
        name = _plain(point.path.removesuffix(".value").rpartition(".")[2])
        told = {
            one.entity_id: SequenceMatcher(None, name, _plain(one.original_name or "")).ratio()
            for one in shown
        }
        best = max(told, key=lambda one: told[one], default=None)
        if best is not None and told[best] >= ALIKE:
            yield point.id, best


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()).strip()


def total(judgements: Iterable[Judgement]) -> Judgement:
    sums = [sum(column) for column in zip(*judgements, strict=True)] or [0, 0, 0]
    return Judgement(*sums)


def precision(judgement: Judgement) -> float:
    """Return the share of what was found that is right; 1 where nothing was found."""
    found = judgement.right + judgement.wrong
    return judgement.right / found if found else 1.0


def recall(judgement: Judgement) -> float:
    """Return the share of what is right that was found."""
    wanted = judgement.right + judgement.missed
    return judgement.right / wanted if wanted else 1.0
