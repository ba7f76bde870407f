"""Data points and entities of whole appliances, with the pairs that belong together.

`learn()` is for whoever writes a matcher. `held_out()` is for measuring it when it is done, and
not to be looked at before; README.md tells how the labels were made.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
import json
from pathlib import Path
import random
import re
from typing import Any, Literal, NamedTuple

import derived  # noqa: F401 (its shapes are found by their names)
from simulated import DAY, END, SEED, START, World
from wording import UNAVAILABLE, state_of, wording

HERE = Path(__file__).parent
LIVE = START + 5 * DAY
"""Since when transmissions are seen: that is how old the firewall is."""
STARVED = START + 4.5 * DAY
"""Since when a starved integration's cloud is denied; nothing overlaps with what is seen."""

type Half = Literal["learn", "heldout"]
type Scalar = str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value as transmitted, at a time in seconds since the epoch."""

    at: float
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One change of an entity's state, as the recorder keeps it."""

    at: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A data point as learnt: where it stands, and what was transmitted, oldest first.

    Nothing tells its unit. Several samples at one time are items of an array that cannot be told
    apart. `id` is all that says where it stands, in one text.
    """

    id: str
    template: str
    path: str
    siblings: tuple[str, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity as Home Assistant's registry and recorder know it."""

    entity_id: str
    unique_id: str
    platform: str
    device: str
    original_name: str | None
    device_class: str | None
    unit: str | None
    state_class: str | None
    options: tuple[str, ...]
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A pair that belongs together, and where the integration's source says so."""

    point: str
    entity_id: str
    source: str


class Judgement(NamedTuple):
    """How many of the pairs found are right and wrong, and how many were not found."""

    right: int
    wrong: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One appliance: what a matcher gets (`points`, `entities`, `device`), and what it should find.

    Only pairs whose data point is among `judged` count, for or against. Those in `also` are
    neither wanted nor wrong: another member tells the same in another form.
    """

    name: str
    half: Half
    device: str
    platform: str
    starved: bool
    points: tuple[Point, ...]
    entities: tuple[Entity, ...]
    labels: tuple[Label, ...]
    also: frozenset[tuple[str, str]]
    judged: frozenset[str]

    def judge(self, found: Iterable[tuple[str, str]]) -> Judgement:
        """Judge pairs of a data point's id and an entity's id."""
        counted = {pair for pair in found if pair[0] in self.judged} - self.also
        wanted = {(label.point, label.entity_id) for label in self.labels}
        return Judgement(len(counted & wanted), len(counted - wanted), len(wanted - counted))


def learn(*, starved: bool | None = None) -> Iterator[Case]:
    """Yield the cases to write a matcher with. `starved` overrides what each case says."""
    return (case("learn", name, starved=starved) for name in names("learn"))


def held_out(*, starved: bool | None = None) -> Iterator[Case]:
    """Yield the cases to measure a matcher with that was written without them."""
    return (case("heldout", name, starved=starved) for name in names("heldout"))


def names(half: Half) -> list[str]:
    return sorted(path.stem for path in (HERE / half).glob("*.json"))


def described(half: Half, name: str) -> dict[str, Any]:
    """Return a file's content as it is."""
    found: dict[str, Any] = json.loads((HERE / half / f"{name}.json").read_text())
    return found


def case(half: Half, name: str, *, starved: bool | None = None) -> Case:
    """Build one appliance. A held-out part brings along the learnt part, which is not judged."""
    content = described(half, name)
    if "appliance" not in content:
        content = described("learn", name)
    return _build(half, name, content["starved"] if starved is None else starved)


@cache
def _build(half: Half, name: str, starved: bool) -> Case:
    own = described(half, name)
    parts = [own]
    if "appliance" not in own:
        parts.insert(0, described("learn", name))
    head = parts[0]
    truths: dict[str, Any] = {}
    for part in parts:
        truths |= part.get("signals", {})
    home = _Home(head, World(head["appliance"], truths), starved=starved)
    labels: list[Label] = []
    also: set[tuple[str, str]] = set()
    for part in parts:
        judged = part is own
        for message, path, wire, *shown, source, options in map(_pair, part.get("pairs", ())):
            point = home.point(message, path, wire, judged=judged)
            entity = home.entity(head["integration"], [*shown, options], message=message)
            if judged:
                labels.append(Label(point=point, entity_id=entity, source=source))
        for message, path, wire, _ in part.get("points", ()):
            home.point(message, path, wire, judged=judged)
        for message, path, wire, entity in part.get("also", ()):
            also.add((home.point(message, path, wire, judged=judged), entity))
        for platform, device, *shown in part.get("entities", ()):
            home.entity(platform, shown, device=device)
    return Case(
        name=name,
        half=half,
        device=head["device"],
        platform=head["integration"],
        starved=starved,
        points=tuple(home.points()),
        entities=tuple(home.entities()),
        labels=tuple(labels),
        also=frozenset(also),
        judged=frozenset(home.judged),
    )


def _pair(row: list[Any]) -> list[Any]:
    """Fill a row: message, path, wire, domain, key, name, class, unit, state class, shows, source.

    `shows` is the wire's wording where it is empty; a twelfth member lists the options.
    """
    filled = [*row, *[""] * (12 - len(row))]
    filled[5] = None if filled[5] == "-" else filled[5]
    filled[9] = filled[9] or filled[2]
    return filled


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


class _Home:
    """Builds the points and entities of one appliance."""

    def __init__(self, head: dict[str, Any], world: World, *, starved: bool) -> None:
        self._head = head
        self._world = world
        self._starved = starved
        self._wires: dict[tuple[str, str], list[str]] = {}
        self._entities: dict[str, Entity] = {}
        self._times: dict[str, list[float]] = {}
        self._gaps = self._outages()
        self.judged: set[str] = set()

    def point(self, message: str, path: str, wire: str, *, judged: bool) -> str:
        wires = self._wires.setdefault((message, path), [])
        if wire and wire not in wires:
            wires.append(wire)
        point = self._id(message, path)
        if judged:
            self.judged.add(point)
        return point

    def _id(self, message: str, place: str) -> str:
        return f"{self._head['messages'][message]['template']} {place}"

    def points(self) -> Iterator[Point]:
        for (message, place), wires in self._wires.items():
            path, _, siblings = place.partition(" ")
            say = [wording(self._world, wire) for wire in wires]
            yield Point(
                id=self._id(message, place),
                template=self._head["messages"][message]["template"],
                path=path,
                siblings=tuple(siblings.strip("()").split(", ")) if siblings else (),
                samples=tuple(
                    Sample(at=when, value=one(when))
                    for when in self._sent(message)
                    if when >= LIVE
                    for one in say
                ),
            )

    def entities(self) -> Iterable[Entity]:
        return self._entities.values()

    def entity(
        self,
        platform: str,
        shown: Sequence[Any],
        *,
        device: str | None = None,
        message: str | None = None,
    ) -> str:
        domain, key, name, device_class, unit, state_class, shows, *rest = shown
        options = rest[0] if rest else ""
        device = device or self._head["device"]
        if name and "::" in name:  # A part that is a device of its own: `Outdoor::Humidity`.
            device, name = name.split("::")
        entity_id = f"{domain}.{slug(f'{device} {name or ""}')}"
        if entity_id in self._entities:
            return entity_id
        own = platform == self._head["integration"]
        prefix = self._head["unique_id"] if own else f"{slug(device)}_{{key}}"
        self._entities[entity_id] = Entity(
            entity_id=entity_id,
            unique_id=prefix.format(key=key),
            platform=platform,
            device=device,
            original_name=name,
            device_class=device_class or None,
            unit=unit or None,
            state_class=state_class or None,
            options=tuple(options.split()),
            states=tuple(self._states(entity_id, shows, message, own=own)),
        )
        return entity_id

    def _sent(self, message: str) -> list[float]:
        """Return when a message is transmitted, in all eight days."""
        if message not in self._times:
            told = self._head["messages"][message]
            rng = random.Random(f"{SEED}/{self._head['appliance']}/message {message}")
            every, jitter = float(told.get("every", 0)), float(told.get("jitter", 5))
            times: list[float] = []
            if every:
                when = START + rng.uniform(1, every)
                while when < END:
                    times.append(round(when + rng.uniform(0, jitter), 1))
                    when += every
            for name in told.get("on", ()):
                changes = self._world[name].changes()
                times += [round(when + rng.uniform(0.5, 4), 1) for when in changes]
            self._times[message] = sorted({when for when in times if START < when < END})
        return self._times[message]

    def _outages(self) -> list[tuple[float, float]]:
        """Return when the integration was away: restarts, a lost connection."""
        rng = random.Random(f"{SEED}/{self._head['appliance']}/outages")
        found = []
        for day in rng.sample(range(1, 8), 2):
            begin = START + day * DAY + rng.uniform(0, DAY)
            found.append((begin, begin + rng.choice((70, 240, 3000, 9000))))
        return sorted(found)

    def _states(
        self, entity_id: str, shows: str, message: str | None, *, own: bool
    ) -> Iterator[State]:
        """Yield the states: asked for or pushed, a little late, only where they change."""
        rng = random.Random(f"{SEED}/{self._head['appliance']}/{entity_id}")
        updates = self._head["updates"]
        if updates.get("push") and message:
            lag = float(updates.get("lag", 1))
            times = [when + lag * rng.uniform(0.4, 1.6) for when in self._sent(message)]
        else:
            every = float(updates.get("every", 300)) if own else 300.0
            first = START + rng.uniform(0, every)
            times = [first + index * every for index in range(int((END - first) / every))]
            times = [when + rng.uniform(0, float(updates.get("lag", 2))) for when in times]
        say = wording(self._world, shows)
        # A vendor's cloud knows what was transmitted last; what is asked at home knows what is.
        known = self._sent(message) if message and not updates.get("local") else []
        last = ""
        for when in times:
            if self._starved and own and when >= STARVED:
                break
            away = own and any(begin <= when < end for begin, end in self._gaps)
            at = known[max(0, bisect_right(known, when) - 1)] if known else when
            state = UNAVAILABLE if away else state_of(say(at))
            if state != last:
                yield State(at=round(when, 1), state=state)
            last = state
        if self._starved and own and last != UNAVAILABLE:
            yield State(at=STARVED, state=UNAVAILABLE)
