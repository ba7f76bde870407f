"""A home for tests of matching: what happened, told on a wire and shown by an entity."""

from collections.abc import Callable, Collection, Iterable, Sequence
import random

from engine import matching
from engine.matching import Entity, Point, Sample, State

HOUR = 3600.0
NOW = 72 * HOUR
type Course = list[tuple[float, float | str | bool]]
type Wording = Callable[[float | str | bool], float | str | bool]


def walk(seed: str, *, every: float = 300, mean: float = 20, swing: float = 0.4) -> Course:
    """A reading that drifts, from nought to now."""
    rng = random.Random(seed)
    value, found = mean, []
    for step in range(int(NOW / every)):
        value += rng.gauss(0, swing) + 0.05 * (mean - value)
        found.append((step * every, round(value, 1)))
    return found


def openings(seed: str, count: int = 30) -> Course:
    """A door, opened so often for a minute or two."""
    rng = random.Random(seed)
    found: Course = [(0.0, False)]
    for at in sorted(rng.sample(range(600, int(NOW) - 600, 300), count)):
        found += [(float(at), True), (at + rng.uniform(20, 150), False)]
    return found


def steps(seed: str, words: Sequence[str], count: int = 24) -> Course:
    """A machine that goes from one phase to another at any time."""
    rng = random.Random(seed)
    times = sorted(rng.sample(range(600, int(NOW) - 600, 600), count))
    return [
        (0.0, words[0]),
        *((float(at), words[(n + 1) % len(words)]) for n, at in enumerate(times)),
    ]


def point(
    path: str,
    course: Iterable[tuple[float, float | str | bool]] = (),
    wire: Wording = lambda value: value,
    siblings: tuple[str, ...] = (),
) -> Point:
    samples = tuple(Sample(at=at, value=wire(value)) for at, value in course)
    return Point(id=path, path=path, siblings=siblings, template="POST x/status", samples=samples)


def entity(
    entity_id: str,
    name: str = "",
    course: Iterable[tuple[float, float | str | bool]] = (),
    shown: Wording = lambda value: value,
    *,
    late: float = 2.0,
    device: str = "Thing",
    platform: str = "vendor",
    **told: object,
) -> Entity:
    states = tuple(State(at=at + late, state=_state(shown(value))) for at, value in course)
    return Entity(
        entity_id=entity_id,
        name=name,
        device=device,
        platform=platform,
        states=states,
        **told,  # type: ignore[arg-type]
    )


def _state(value: float | str | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def match(
    points: Sequence[Point],
    entities: Sequence[Entity],
    barred: Collection[tuple[str, str]] = (),
) -> matching.Result:
    return matching.match(points, entities, device="Thing", now=NOW, barred=barred)


def pairs(result: matching.Result) -> set[tuple[str, str]]:
    return {(one.point_id, one.entity_id) for one in result.automatic}


def texts(result: matching.Result) -> str:
    return " / ".join(
        reason.text for one in (*result.automatic, *result.asked) for reason in one.reasons
    )
