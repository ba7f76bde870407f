"""What is matched, and what comes out: frozen values, and how much of them is looked at."""

from dataclasses import dataclass
from enum import StrEnum

type Value = float | str | bool | None

MAX_POINTS = 256
"""Data points of an appliance that are looked at, first come first."""
MAX_ENTITIES = 128
"""Entities that are looked at, first come first."""
MAX_RUNS = 2_048
"""Changes of a series that are looked at, the newest; eight days of one every six minutes."""
MAX_TEXT = 256
"""Characters of a name or a path that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value as transmitted, at a time in seconds since the epoch."""

    at: float
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One change of an entity's state, as Home Assistant's recorder keeps it."""

    at: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A data point: where it stands (`path`, `siblings` as in a `Field`), and what was seen of it.

    Samples may come in any order; several at one time are items of an array. `is_marked` tells
    whether it is thought to tell of people.
    """

    id: str
    path: str
    siblings: tuple[str, ...] = ()
    template: str = ""
    samples: tuple[Sample, ...] = ()
    is_marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity as Home Assistant's registries and recorder know it.

    `device` is the name of the device it is on, `platform` the integration that made it; `name` is
    the entity's original name, not what people call it. Unique id and translation key may be empty.
    """

    entity_id: str
    name: str = ""
    device: str = ""
    platform: str = ""
    device_class: str | None = None
    unit: str | None = None
    state_class: str | None = None
    options: tuple[str, ...] = ()
    translation_key: str = ""
    unique_id: str = ""
    states: tuple[State, ...] = ()


class ReasonKind(StrEnum):
    """What speaks for a match or against it."""

    VALUES = "values"
    HISTORY = "history"
    UNIT = "unit"
    NAME = "name"
    QUANTITY = "quantity"
    DEVICE = "device"
    RIVAL = "rival"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One piece of evidence.

    `weight` is in nats of log-odds, above nought for the match. `text` has figures and words of
    names, never a value of the household's.
    """

    kind: ReasonKind
    weight: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A data point and an entity that may be the same. `confidence` is from 0 to 1."""

    point_id: str
    entity_id: str
    confidence: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was found.

    `automatic` may be acted on without asking. `asked` are for the household to choose from, for
    each data point the likeliest first; none of them is of a data point in `automatic`.
    """

    automatic: tuple[Candidate, ...]
    asked: tuple[Candidate, ...]
