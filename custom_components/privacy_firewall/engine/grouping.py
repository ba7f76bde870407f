"""Which data points have a switch of their own, which share one, and which are only listed.

A short report has a switch for every telling item. A long one has switches for the few that tell
most of people and a switch per topic for the others, each naming what stands behind it; what is
left is listed, held back like everything else, and decided by its own name. Nothing here decides:
where a data point is shown changes no consent.

What once had a switch of its own keeps it, whatever is reported later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import learning
from .model import Category, DataPoint, Sensitive
from .redaction import paths
from .topics import TOPICS_OF_GROUPS, TOPICS_OF_PERSONS, Topic, is_of_the_form, topic_of

MAX_MEMBERS = 100
"""Data points that one switch may turn on: no more than an attribute lists, so all are named."""
MIN_ALONE = 6
"""Switches of their own that come by themselves where the others share some."""
_ONE_BY_ONE = frozenset(Sensitive) - {Sensitive.NETWORK}
"""What is marked so is decided by itself, whatever its path tells besides."""
_ROOT = 2
"""Selectors of a path up to which every message is one: its part, and what wraps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The data points of an appliance and a topic that share a recipient's switch.

    First seen first; `MAX_MEMBERS`, and after these the others that are shared: the switch stops
    them too. Consents are for each of them, never for the group.
    """

    topic: Topic
    recipient_id: str
    points: tuple[DataPoint, ...]

    @property
    def key(self) -> str:
        """Return what tells it from other groups of the appliance."""
        return group_key(self.topic, self.recipient_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How an appliance's data points are shown; those in neither are listed."""

    alone: list[DataPoint] = field(default_factory=list[DataPoint])
    groups: list[Group] = field(default_factory=list[Group])

    def switched(self) -> list[DataPoint]:
        """Return the data points behind a switch, their own or their group's; each once."""
        members = {one.id: one for group in self.groups for one in group.points}
        own = {one.id for one in self.alone}
        return [*self.alone, *(one for one in members.values() if one.id not in own)]


def group_key(topic: Topic, recipient_id: str) -> str:
    """Return the key of a group, as `Appliance.kept` has it."""
    return f"{topic.value}_{recipient_id}"


def arrange(
    points: Iterable[DataPoint],
    *,
    chosen: frozenset[str],
    kept: frozenset[str] = frozenset(),
    consented: frozenset[str] = frozenset(),
    matched: frozenset[str] = frozenset(),
    known: frozenset[str] = frozenset(),
) -> Arrangement:
    """Arrange the data points of one appliance.

    `chosen` are the ids of those that the household picked, `kept` of those that have a switch
    already (and keys of groups that have), `consented` of those with a consent in force. Those
    `matched` to an entity that exists go before what comes by itself, as long as there is room;
    those `known` to the catalogue as readings come by themselves, before what is guessed.
    """
    listed = list(points)

    def is_telling(point: DataPoint) -> bool:
        return point.id in known or learning.is_telling(point)

    telling = [one for one in listed if is_telling(one) and not is_of_the_form(one)]
    counts: dict[str, int] = {}
    for point in telling:
        for recipient in point.recipients:
            counts[recipient] = counts.get(recipient, 0) + 1
    long = {one for one, count in counts.items() if count > learning.MAX_PROMOTED_PER_RECIPIENT}
    of_bodies = _ancestors(one for one in telling if topic_of(one) is Topic.HEALTH)
    shareable = {
        one.id
        for one in telling
        if topic_of(one) in TOPICS_OF_GROUPS
        and not long.isdisjoint(one.recipients)
        and one.sensitive.isdisjoint(_ONE_BY_ONE)
        and _parent(one) not in of_bodies
    }
    # A member that is granted stays a member, or granting a group would take it apart.
    fixed = {*chosen, *kept, *(consented - shareable)}
    fixed |= {one.id for one in listed if one.category is Category.OPAQUE}
    taken = sum(learning.cost(one, chosen) for one in listed if one.id in fixed)
    for point in listed:
        if point.id not in matched or point.id in fixed:
            continue
        if taken + learning.cost(point, chosen) <= learning.MAX_ENTITIES:
            fixed.add(point.id)
            taken += learning.cost(point, chosen)
    shared = [one for one in telling if one.id in shareable and one.id not in fixed]
    members = _by_group(shared)
    wanted = _wanted(members, kept, consented, room=learning.MAX_ENTITIES - taken)
    rooms = dict.fromkeys(counts, learning.MAX_PROMOTED_PER_RECIPIENT)
    single = {group[0].id for group in members.values() if len(group) == 1}
    for _, recipient in (key for key in wanted if len(members[key]) > 1):
        rooms[recipient] = max(MIN_ALONE, rooms[recipient] - 1)
    # Nor does what stands in a group that is there leave it, whatever room there is by now.
    stays = {
        one.id for key, group in members.items() if group_key(*key) in kept for one in group
    } | (consented & shareable)
    may_come = {one.id for one in telling if one.id not in stays}
    alone = learning.promoted(
        [one for one in listed if one.id in fixed or one.id in may_come],
        frozenset(fixed),
        chosen,
        rooms=rooms,
        entities=learning.MAX_ENTITIES - len(wanted),
        before=lambda one: (
            _standing(one, single, known) if one.id in shareable or _is_in(one, long) else 0
        ),
        may_come=is_telling,
    )
    own = {one.id for one in alone}
    groups = [
        Group(
            topic=topic,
            recipient_id=recipient_id,
            # Each of these would need a switch of its own, or nothing would stop it.
            points=(
                *left[:MAX_MEMBERS],
                *(one for one in left[MAX_MEMBERS:] if one.id in consented),
            ),
        )
        for (topic, recipient_id), group in members.items()
        if (topic, recipient_id) in wanted and (left := [one for one in group if one.id not in own])
    ]
    return Arrangement(alone=alone, groups=groups)


type _Key = tuple[Topic, str]
"""A topic, and the id of a recipient."""


def _by_group(points: Iterable[DataPoint]) -> dict[_Key, list[DataPoint]]:
    """Return what each group may hold: by recipient as they came, and by topic in its order."""
    order = list(Topic)
    recipients: dict[str, None] = {}
    members: dict[_Key, list[DataPoint]] = {}
    for point in points:
        for recipient_id in point.recipients:
            recipients[recipient_id] = None
            members.setdefault((topic_of(point), recipient_id), []).append(point)
    places = list(recipients)
    keys = sorted(members, key=lambda key: (places.index(key[1]), order.index(key[0])))
    return {key: members[key] for key in keys}


def _wanted(
    members: Mapping[_Key, list[DataPoint]],
    kept: frozenset[str],
    consented: frozenset[str],
    *,
    room: int,
) -> set[_Key]:
    """Return the groups there are: those that were, those that share, and others while room is."""
    wanted = {
        key
        for key, group in members.items()
        if group_key(*key) in kept or any(one.id in consented for one in group)
    }
    # One that would stand there by itself may find a switch of its own.
    for key in sorted(members, key=lambda one: len(members[one]) == 1):
        if len(wanted) < room:
            wanted.add(key)
    return wanted


def _standing(point: DataPoint, single: set[str], known: frozenset[str]) -> int:
    """Return how early a data point of a long report gets a switch of its own."""
    topic = topic_of(point)
    is_marked = not point.sensitive.isdisjoint(_ONE_BY_ONE)
    if is_marked or topic in TOPICS_OF_PERSONS or topic is Topic.DOORS:
        return 0
    if point.id in known:
        return 1
    return 2 if point.id in single else 3 if topic is not Topic.OTHER else 4


def _is_in(point: DataPoint, recipients: set[str]) -> bool:
    return not recipients.isdisjoint(point.recipients)


def _ancestors(points: Iterable[DataPoint]) -> set[tuple[object, ...]]:
    """Return the objects that hold one of these, but for those that every message has."""
    found: set[tuple[object, ...]] = set()
    for point in points:
        selectors = paths.parse(point.field.path).selectors
        found |= {selectors[:depth] for depth in range(_ROOT + 1, len(selectors))}
    return found


def _parent(point: DataPoint) -> tuple[object, ...]:
    return paths.parse(point.field.path).selectors[:-1]
