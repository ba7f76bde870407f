"""What speaks for a pair and against it, in nats that add up.

The weights are few and stand here. They were set by hand on the learning half of the labelled
pairs (`tests/engine/matching`); none is of a vendor, an appliance or a unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from . import history, overlap
from .history import Guess
from .overlap import Told
from .series import Form, Levels, of_entity, of_point
from .shapes import Entity, Point, Reason, ReasonKind
from .units import Conversion, conversions
from .wording import Names

PRIOR = -3.0
"""Before anything is known: about one entity of fifty is what a data point feeds."""
NAMED = 10.0
"""Nats from names without a word in common to names that are the same."""
NAMED_ALIKE = 0.3
"""Likeness of names that speaks neither for nor against."""
QUANTITY = 1.0
"""Nats for the same kind of quantity by name and device class; twice that against unlike ones."""
COUNTER = 0.9
"""Share of changes upwards from which a number is a counter, even one that starts anew each day."""
COUNTED = 16
"""Changes from which it can be told."""
MISCOUNTED = -1.5
"""Nats where the state class says counter and what was sent is none, or the other way round."""
QUALIFIED = -1.0
"""Nats for each word like *maximum* or *today* that only one of the two has, at most two."""
OWN_DEVICE = 0.5
OTHER_DEVICE = -1.0
"""On another device of the same integration: a part of the appliance, or a second one."""
STRANGE_DEVICE = -2.5
"""The same where no values over time tell which: a second one of the kind has the same names."""
OTHER_PLATFORM = -3.0
"""Made by another integration: it has its values from elsewhere, a helper from a sibling."""
HISTORY = 1.5
"""How much a likeness of the past counts, by how rare it is."""
UNTOLD = 4.0
"""Nats of values over time below which the past is asked too."""
QUICK_SLACK = 15.0
"""Seconds within which an integration that is told of changes shows them."""
SLACK = (30.0, 900.0)
"""Bounds, in seconds, of how late an integration that asks now and then shows a change."""
NO_VALUE = frozenset(
    """
    automation button calendar camera conversation device_tracker event image notify person scene
    schedule script stt timer todo tts update wake_word weather zone
    """.split()
)
"""Domains whose state is no item of an appliance's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of a pair.

    `weight` is the sum, `values` the part of values over time, `place` the entity's
    integration and device, `foreign` that another integration than the appliance's made it,
    `disguised` that what is thought to tell of people would be called by a name unlike its own.
    """

    weight: float
    values: float
    place: tuple[str, str]
    foreign: bool
    disguised: bool
    reasons: tuple[Reason, ...]


class Evidence:
    """All pairs of one appliance's data points and the entities that may be its."""

    def __init__(
        self, points: Sequence[Point], entities: Sequence[Entity], *, device: str, now: float
    ) -> None:
        """Read all series and names once."""
        self._entities = entities
        self._names = Names(points, entities)
        self._marked = [one.is_marked for one in points]
        self._mine = [of_point(one) for one in points]
        self._theirs = [of_entity(one, now) for one in entities]
        self._levels = [Levels(one) for one in self._theirs]
        self._theirs_quantiles = [one.quantiles() if one else None for one in self._levels]
        self._mine_quantiles = [[history.profile(one) for one in some] for some in self._mine]
        self._conversions = [conversions(one.unit) for one in entities]
        self._device = device
        own = [one.platform for one in entities if one.device == device and one.platform]
        self._platform = max(sorted(set(own)), key=own.count, default="")
        self._slacks = self._asked_every()

    def _asked_every(self) -> dict[str, float]:
        """Return how late each integration may be: twice the pace of what changes most."""
        paces: dict[str, float] = {}
        for entity, series in zip(self._entities, self._theirs, strict=True):
            known = paces.get(entity.platform, SLACK[1])
            paces[entity.platform] = min(known, series.pace())
        return {name: max(SLACK[0], min(SLACK[1], 2 * one)) for name, one in paces.items()}

    def of(self, point: int) -> dict[int, Pair]:
        """Return the pairs of a data point that may be, by the entity's place."""
        possible = {
            entity: some
            for entity in range(len(self._entities))
            if (some := self._possible(point, entity))
        }
        told = {entity: self._told(point, some, entity) for entity, some in possible.items()}
        guessed = {entity: self._guess(point, some, entity) for entity, some in possible.items()}
        usual = [one.likeness for one in guessed.values()]
        return {
            entity: self._pair(point, entity, told[entity], guessed[entity], usual)
            for entity in possible
        }

    def _possible(self, point: int, entity: int) -> list[int]:
        """Return which of a data point's series may be what an entity shows."""
        domain = self._entities[entity].entity_id.partition(".")[0]
        if domain in NO_VALUE:
            return []
        return [
            index
            for index, one in enumerate(self._mine[point])
            if history.compatible(
                one, self._theirs[entity], is_binary=domain in ("binary_sensor", "switch")
            )
        ]

    def _told(self, point: int, some: Sequence[int], entity: int) -> Told | None:
        found = [
            told for index in some if (told := self._over_time(point, index, entity)) is not None
        ]
        return max(found, key=lambda one: one.weight, default=None)

    def _over_time(self, point: int, index: int, entity: int) -> Told | None:
        mine, theirs = self._mine[point][index], self._theirs[entity]
        span = overlap.span(mine, theirs)
        if span is None or (mine.constant and theirs.constant):
            return None
        slack = self._slacks[self._entities[entity].platform]
        if theirs.form is Form.WORDS:
            return overlap.words(mine, theirs, *span, (QUICK_SLACK, slack))
        when = overlap.looks(mine, theirs, *span)
        if theirs.form is Form.MOMENTS:
            return overlap.moments(mine, theirs, when, slack=slack)
        if theirs.form is Form.NUMBERS and mine.form is Form.NUMBERS:
            return overlap.numbers(
                mine,
                theirs,
                self._levels[entity],
                when,
                slacks=(QUICK_SLACK, slack / 4, slack),
                conversions=self._near(point, index, entity),
            )
        return None

    def _near(self, point: int, index: int, entity: int) -> list[Conversion]:
        one, other = self._mine_quantiles[point][index], self._theirs_quantiles[entity]
        if one is None or other is None:
            return []
        step = self._theirs[entity].step
        return [
            conversion
            for conversion in self._conversions[entity]
            if history.reachable(one, other, step, conversion)
        ]

    def _guess(self, point: int, some: Sequence[int], entity: int) -> Guess:
        found = [self._past(point, index, entity) for index in some]
        return max(found, key=lambda one: one.likeness)

    def _past(self, point: int, index: int, entity: int) -> Guess:
        mine, theirs = self._mine[point][index], self._theirs[entity]
        nothing = Guess(-1.0, self._conversions[entity][0], counts=False)
        if theirs.form is Form.NOTHING:
            return nothing._replace(likeness=0.0)
        if mine.form is Form.NOTHING or theirs.form is Form.MOMENTS:
            return nothing
        if theirs.form is Form.NUMBERS:
            one, other = self._mine_quantiles[point][index], self._theirs_quantiles[entity]
            if one is None or other is None:
                return nothing._replace(likeness=0.0)
            return history.numbers(mine, theirs, one, other, self._conversions[entity])
        if mine.form is Form.NUMBERS:
            return nothing
        options = frozenset(self._entities[entity].options)
        return nothing._replace(likeness=history.words(mine, theirs, options))

    def _pair(
        self, point: int, entity: int, told: Told | None, guess: Guess, usual: Sequence[float]
    ) -> Pair:
        reasons: list[Reason] = []
        values = told.weight if told else 0.0
        if told:
            late = f", {told.late:.0f} s later" if told.agreed else ""
            reasons.append(
                Reason(
                    kind=ReasonKind.VALUES,
                    weight=told.weight,
                    text=f"same value at {told.agreed} of {told.looked} changes{late}",
                )
            )
        if values < UNTOLD:
            reasons.append(self._of_past(point, entity, guess, usual, told))
        conversion = told.conversion if told and told.weight > 0 else guess.conversion
        reasons += _of_unit(conversion)
        reasons.append(self._of_name(point, entity))
        if kind := self._names.quantities(point, entity):
            reasons.append(
                Reason(
                    kind=ReasonKind.QUANTITY,
                    weight=QUANTITY if kind > 0 else -2 * QUANTITY,
                    text=f"{'same' if kind > 0 else 'another'} kind of quantity",
                )
            )
        if self._miscounted(point, entity):
            reasons.append(
                Reason(
                    kind=ReasonKind.QUANTITY,
                    weight=MISCOUNTED,
                    text="one counts up, the other does not",
                )
            )
        if unlike := self._names.qualified(point, entity):
            reasons.append(
                Reason(
                    kind=ReasonKind.NAME,
                    weight=max(-2.0, QUALIFIED * len(unlike)),
                    text=f"only one of them says: {', '.join(unlike[:3])}",
                )
            )
        reasons.append(self._of_device(self._entities[entity], values))
        weight = PRIOR + sum(one.weight for one in reasons)
        shown = self._entities[entity]
        place = shown.platform, shown.device
        # An appliance can send any value: who goes by these alone is led to what it imitates.
        disguised = self._marked[point] and not self._names.likeness(point, entity)[1]
        foreign = shown.platform != self._platform
        return Pair(weight, values, place, foreign, disguised, tuple(reasons))

    def _miscounted(self, point: int, entity: int) -> bool:
        said = self._entities[entity].state_class
        sent = [one for one in self._mine[point] if one.form is Form.NUMBERS]
        if said is None or not sent or min(len(one.changed) for one in sent) < COUNTED:
            return False
        counts = [one.climbs >= COUNTER for one in sent]
        return not any(counts) if said.startswith("total") else all(counts)

    def _of_past(
        self, point: int, entity: int, guess: Guess, usual: Sequence[float], told: Told | None
    ) -> Reason:
        weight = HISTORY * history.rarity(guess.likeness, usual)
        theirs = self._theirs[entity]
        if told is None and theirs.form is Form.WORDS:
            weight += max(
                (
                    history.pace(one, theirs)
                    for one in self._mine[point]
                    if one.form in (Form.WORDS, Form.NUMBERS)
                ),
                default=0.0,
            )
        text = "counter goes on" if guess.counts else "past"
        text = "past says nothing" if guess.likeness < 0 else f"{text}: {guess.likeness:.0%} alike"
        return Reason(kind=ReasonKind.HISTORY, weight=weight, text=text)

    def _of_name(self, point: int, entity: int) -> Reason:
        alike, words = self._names.likeness(point, entity)
        common = f": {', '.join(words)}" if words else ""
        return Reason(
            kind=ReasonKind.NAME,
            weight=NAMED * (alike - NAMED_ALIKE),
            text=f"names {alike:.0%} alike{common}",
        )

    def _of_device(self, entity: Entity, values: float) -> Reason:
        if entity.platform != self._platform:
            weight, text = OTHER_PLATFORM, "made by another integration"
        elif entity.device != self._device:
            weight = OTHER_DEVICE if values >= UNTOLD else STRANGE_DEVICE
            text = "on another device of the integration"
        else:
            weight, text = OWN_DEVICE, "on the appliance's device"
        return Reason(kind=ReasonKind.DEVICE, weight=weight, text=text)


def _of_unit(conversion: Conversion) -> list[Reason]:
    if not conversion.text:
        return []
    return [Reason(kind=ReasonKind.UNIT, weight=0.0, text=f"unit {conversion.text}")]
