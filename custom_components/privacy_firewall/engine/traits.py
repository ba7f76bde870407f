"""What a data point is and whether it tells of people, each with its evidence.

From the words of its path and its siblings, from what its values look like (`shapes`), from what
stands around it and, once there is some, from how it changes. Guesses: they mark, and what is
marked gets less by itself; no consent depends on them. What nothing gives away (a measurement that
only its number tells) stays unmarked: that is for the catalogue.

No library does this: those that find personal data look for it in running text, bring language
models of hundreds of megabytes, and know no field names; here the name tells nearly everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
import re

from .model import (
    OPAQUE_FIELD,
    REQUEST_FIELD,
    Category,
    DataPoint,
    Field,
    Kind,
    Nature,
    Sensitive,
)  # fmt: skip
from .point_names import member_names
from .redaction import identifiers
from .redaction.fields import Found
from .sensitive_words import HINTS, LETTERS, PHRASES, STEMS, UNLESS, WORDS
from .shapes import Shape, shape_of

NAMES = 3
"""How many of the last names of a path are read: what stands further out is about all of it."""
AROUND = 3
"""Neighbours of one kind that make the others around them of that kind."""
MAX_SHAPES = 6
"""Unlike shapes of one data point in one message; what has more is anything."""
MAX_EVIDENCE = 6
"""Lines of evidence kept per data point."""
_PER_DAY = (2.0, 200.0)
"""Changes a day of something that people do: less is a setting, more is a measurement."""

_SHOWN: dict[Shape, tuple[Sensitive, str]] = {
    Shape.EMAIL: (Sensitive.CONTACTS, "an e-mail address"),
    Shape.PHONE: (Sensitive.CONTACTS, "a phone number"),
    Shape.COORDINATES: (Sensitive.LOCATION, "a place on the map"),
    Shape.ZONE: (Sensitive.LOCATION, "a time zone"),
    Shape.HARDWARE_ADDRESS: (Sensitive.NETWORK, "a hardware address"),
    Shape.ADDRESS: (Sensitive.NETWORK, "a network address"),
    Shape.IMAGE: (Sensitive.IMAGE, "a picture or where to find one"),
    Shape.SOUND: (Sensitive.VOICE, "a sound or where to find one"),
}
_GENERIC = frozenset("value data payload state body".split())
_META = frozenset("timestamp time channel lm unit units version type".split())
"""Words of members that say something of their neighbours, and nothing of people."""
_SETTINGS = frozenset(
    """
    mode setpoint target setting settings preset enabled enable config configuration program
    schedule threshold limit interval
    """.split()
)
_TIMES = frozenset("timestamp time date dateutc at ts epoch since until".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is thought of a data point."""

    nature: Nature | None = None
    sensitive: frozenset[Sensitive] = frozenset()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a data point was seen to change, as far as that says what it is."""

    shapes: frozenset[Shape] = frozenset()
    changes_per_day: float | None = None
    is_counter: bool = False


def traits(item: Field, category: Category, kinds: frozenset[Kind], behaviour: Behaviour) -> Traits:
    """Return what a data point seems to be, from its own name and what was seen of it."""
    if item in (REQUEST_FIELD, OPAQUE_FIELD):
        return Traits()
    if kinds and kinds <= {Kind.EMPTY}:
        # Nothing ever stood there: what the name promises is told by nobody.
        return Traits(nature=Nature.TEXT)
    names = _telling(item)
    by_name = _by_name(names, holds_series=item.path.endswith(".*"))
    found = {kind: f'{kind.value}: its name has "{word}"' for kind, word in by_name.items()}
    known = {word for name in names for word in _words(name)}
    for shape in sorted(behaviour.shapes & _SHOWN.keys()):
        kind, what = _SHOWN[shape]
        if not known & UNLESS[kind]:  # `version` 0.8.0.3 is no address
            found.setdefault(kind, f"{kind.value}: it looks like {what}")
    times = behaviour.changes_per_day
    if Sensitive.PRESENCE not in found and times is not None and Kind.BOOLEAN in kinds:
        hints = [word for name in names[-1:] for word in _words(name) if word in HINTS]
        if hints and _PER_DAY[0] <= times <= _PER_DAY[1]:
            found[Sensitive.PRESENCE] = (
                f'presence: its name has "{hints[0]}", and it changes some {times:.0f} times a day'
            )
    return Traits(
        nature=_nature(item, category, frozenset(found), behaviour),
        sensitive=frozenset(found),
        evidence=tuple(found[kind] for kind in sorted(found)),
    )


def joined(point: DataPoint, new: Traits) -> DataPoint:
    """Return a data point with what is thought of it now; what it was marked as stays marked."""
    more = new.sensitive - point.sensitive
    evidence = point.evidence + tuple(
        line for line in new.evidence if any(line.startswith(f"{kind.value}:") for kind in more)
    )
    return replace(
        point,
        nature=new.nature,
        sensitive=point.sensitive | more,
        evidence=evidence[:MAX_EVIDENCE],
    )


def merged(point: DataPoint, now: DataPoint | None) -> DataPoint:
    """Return a data point as a message shows it, with what others showed since that was read.

    `now` is the data point as it is known now, None where it is not yet. Nothing that was seen and
    no mark is lost by it, whichever of the messages is done first.
    """
    if now is None:
        return point
    more = tuple(line for line in point.evidence if line not in now.evidence)
    return replace(
        now,
        kinds=now.kinds | point.kinds,
        recipients=point.recipients,
        nature=point.nature if now.sensitive <= point.sensitive else now.nature,
        sensitive=now.sensitive | point.sensitive,
        evidence=(now.evidence + more)[:MAX_EVIDENCE],
    )


def mark(
    fresh: Mapping[Field, DataPoint],
    found: Iterable[Found],
    known: Mapping[Field, DataPoint],
) -> list[DataPoint]:
    """Return new data points of a message with what they seem to be, by its values and neighbours.

    With them those known before that are now given away by their new neighbours.
    """
    if not fresh:
        return []
    shapes: dict[Field, set[Shape]] = {}
    for item, _, value in found:
        if item in fresh and len(seen := shapes.setdefault(item, set())) < MAX_SHAPES:
            seen.add(shape_of(value))
    marked = {
        item: joined(
            point,
            traits(
                item,
                point.category,
                point.kinds,
                Behaviour(shapes=frozenset(shapes.get(item, ()))),
            ),
        )
        for item, point in fresh.items()
    }
    marked |= {one.field: one for one in around({**known, **marked}.values())}
    return list(marked.values())


def remembered(points: Iterable[DataPoint]) -> list[DataPoint]:
    """Return data points with what their names give away, where an earlier version kept none."""
    return [
        point
        if point.nature is not None
        else joined(point, traits(point.field, point.category, point.kinds, Behaviour()))
        for point in points
    ]


def around(points: Iterable[DataPoint]) -> list[DataPoint]:
    """Return those of a place's data points that their neighbours give away.

    Where at least three members of one object, and half of them, tell of health by their own names,
    the others that hold numbers do so too: `hr_min` stands beside `remsleepduration`.
    """
    groups: dict[str, list[DataPoint]] = {}
    for point in points:
        if point.field.siblings[-1:] != ("name",):
            groups.setdefault(_parent(point.field.path), []).append(point)
    found: list[DataPoint] = []
    for group in groups.values():
        told = [one for one in group if Sensitive.HEALTH in one.sensitive]
        if len(told) < AROUND or 2 * len(told) < len(group):
            continue
        line = f"health: it stands beside {len(told)} that tell of it"
        found += [
            replace(
                one,
                sensitive=one.sensitive | {Sensitive.HEALTH},
                evidence=(*one.evidence, line)[:MAX_EVIDENCE],
            )
            for one in group
            if Sensitive.HEALTH not in one.sensitive
            and Kind.NUMBER in one.kinds
            and one.category not in (Category.IDENTIFIER, Category.CREDENTIAL)
        ]
    return found


def _nature(
    item: Field, category: Category, sensitive: frozenset[Sensitive], behaviour: Behaviour
) -> Nature:
    shapes = behaviour.shapes
    if category is Category.CREDENTIAL:
        return Nature.CREDENTIAL
    if sensitive & {Sensitive.IMAGE, Sensitive.VOICE} and shapes & {
        Shape.IMAGE, Shape.SOUND, Shape.URL, Shape.BYTES, Shape.LONG,
    }:  # fmt: skip
        return Nature.MEDIA
    if Sensitive.CONTACTS in sensitive:
        return Nature.PERSON
    if category is Category.IDENTIFIER or Sensitive.NETWORK in sensitive or Shape.UUID in shapes:
        return Nature.IDENTIFIER
    last = {word for name in _names(item.path)[-2:] for word in _words(name)}
    is_time = shapes & {Shape.TIME, Shape.EPOCH} or (category is Category.TIME and last & _TIMES)
    if is_time and not shapes & {Shape.BOOLEAN, Shape.COORDINATES}:
        return Nature.TIME
    if Sensitive.LOCATION in sensitive:
        return Nature.PLACE
    if category is Category.SETTING or last & _SETTINGS:
        return Nature.SETTING
    if behaviour.is_counter:
        return Nature.COUNTER
    if shapes and shapes <= {Shape.TEXT, Shape.LONG, Shape.URL, Shape.NULL}:
        return Nature.TEXT
    return Nature.TEXT if category is Category.TEXT else Nature.READING


@lru_cache(maxsize=8192)
def _names(path: str) -> tuple[str, ...]:
    """Return the last names of a path that say something, from the outside in."""
    names = member_names(Field(path))
    kept = [name for name in names if name.lower() not in _GENERIC]
    return tuple((kept or names)[-NAMES:])


def _telling(item: Field) -> tuple[str, ...]:
    """Return the names that say what a data point is about.

    With them the sibling that gives a plain `value` its meaning. What says when, or in which unit,
    says nothing of what stands around it.
    """
    names = _names(item.path)
    if item.siblings and item.path.rpartition(".")[2] in _GENERIC:
        return (*names, item.siblings[-1].partition("=")[2])
    if names and _META.issuperset(_words(names[-1])):
        return names[-1:]
    return names


@lru_cache(maxsize=8192)
def _words(name: str) -> tuple[str, ...]:
    """Return the words of a name; letters of other scripts and with marks belong to words."""
    if name.isascii():
        return tuple(identifiers.words(name))
    return tuple(word for word in re.split(r"[\W\d_]+", name.lower()) if word)


@lru_cache(maxsize=4096)
def _by_name(names: tuple[str, ...], *, holds_series: bool) -> Mapping[Sensitive, str]:
    """Return the kinds that names give away, each with the word that did.

    The last two names are read for single words, one more where it takes two words together.
    """
    if not names:
        return {}
    last = _words(names[-1])
    near = [word for name in names[-2:] for word in _words(name)]
    spoken = [word for name in names for word in _words(name)]
    found: dict[Sensitive, str] = {}
    for word in near:
        for kind in _KINDS.get(word, ()):
            found.setdefault(kind, word)
        if word in LETTERS and (holds_series or last[:1] == (word,)):
            found.setdefault(LETTERS[word], word)
    for one in dict.fromkeys(spoken):
        for kind, second in _SECONDS.get(one, ()):
            # A time and a zone of a schedule are no time zone.
            if kind is Sensitive.LOCATION and one not in last:
                continue
            two = next((word for word in near if word in second and word != one), None)
            if two is not None:
                found.setdefault(kind, f"{one} {two}")
    joined_words = ["".join(_words(name)) for name in names[-2:]]
    for kind, stem in _STEMS:
        if any(stem in text for text in joined_words):
            found.setdefault(kind, stem)
    return {kind: word for kind, word in found.items() if UNLESS[kind].isdisjoint(spoken)}


_STEMS = tuple((kind, stem) for kind, stems in STEMS.items() for stem in stems)
_SECONDS: dict[str, list[tuple[Sensitive, frozenset[str]]]] = {}
for _kind, _firsts, _second in PHRASES:
    for _one in _firsts:
        _SECONDS.setdefault(_one, []).append((_kind, _second))
_KINDS: dict[str, list[Sensitive]] = {}
for _kind, _all in WORDS.items():
    for _one in _all:
        _KINDS.setdefault(_one, []).append(_kind)


def _parent(path: str) -> str:
    """Return the path of what holds this."""
    return path[: path.rfind("[" if path.endswith("]") else ".")]
