"""Binary sensors: what is a yes and what a no, by a data point's name and the words it says."""

from dataclasses import dataclass

from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass as Binary

from .engine.model import Category, DataPoint, Kind
from .local_shapes import Form, Shape, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What a name makes of a binary sensor.

    All of `words` stand in the name. `inverted` where true, as these words say it, is off; None
    where appliances mean either by it. `counts` where 0 and 1 are a no and a yes too.
    """

    words: frozenset[str]
    binary_class: Binary | None
    inverted: bool | None = False
    counts: bool = False


def _named(*rows: tuple[str, Binary | None, bool | None, bool]) -> tuple[_Named, ...]:
    return tuple(
        _Named(words=frozenset(words.split()), binary_class=one, inverted=inverted, counts=counts)
        for words, one, inverted, counts in rows
    )


_NAMED = _named(
    ("low battery", Binary.BATTERY, False, True),
    ("update available", Binary.UPDATE, False, False),
    ("unlocked", Binary.LOCK, False, False),
    ("locked", Binary.LOCK, True, False),
    ("lock", Binary.LOCK, True, False),
    ("garage open", Binary.GARAGE_DOOR, False, False),
    ("garage closed", Binary.GARAGE_DOOR, True, False),
    ("garage door", Binary.GARAGE_DOOR, False, False),
    ("window closed", Binary.WINDOW, True, False),
    ("window open", Binary.WINDOW, False, False),
    ("window contact", Binary.WINDOW, None, False),
    ("door closed", Binary.DOOR, True, False),
    ("door open", Binary.DOOR, False, False),
    ("door contact", Binary.DOOR, None, False),
    ("door", Binary.DOOR, False, False),
    ("window", Binary.WINDOW, False, False),
    ("lid closed", Binary.OPENING, True, False),
    ("lid", Binary.OPENING, False, False),
    ("ajar", Binary.OPENING, False, False),
    ("closed", Binary.OPENING, True, False),
    ("open", Binary.OPENING, False, False),
    ("contact", Binary.OPENING, None, False),
    ("smoke", Binary.SMOKE, False, True),
    ("carbon monoxide", Binary.CO, False, False),
    ("gas", Binary.GAS, False, False),
    ("leak", Binary.MOISTURE, False, True),
    ("leakage", Binary.MOISTURE, False, True),
    ("flood", Binary.MOISTURE, False, True),
    ("tamper", Binary.TAMPER, False, True),
    ("motion", Binary.MOTION, False, True),
    ("occupancy", Binary.OCCUPANCY, False, True),
    ("occupied", Binary.OCCUPANCY, False, True),
    ("presence", Binary.PRESENCE, False, True),
    ("vibration", Binary.VIBRATION, False, True),
    ("charging", Binary.BATTERY_CHARGING, False, False),
    ("plugged", Binary.PLUG, False, False),
    ("online", Binary.CONNECTIVITY, False, False),
    ("connected", Binary.CONNECTIVITY, False, False),
    ("running", Binary.RUNNING, False, False),
    ("sos", Binary.SAFETY, False, False),
    ("panic", Binary.SAFETY, False, False),
    ("alarm", Binary.PROBLEM, False, False),
    ("failure", Binary.PROBLEM, False, False),
    ("fault", Binary.PROBLEM, False, False),
    ("error", Binary.PROBLEM, False, False),
    ("problem", Binary.PROBLEM, False, False),
)
"""The first that fits counts: the more telling stand before."""
_ABOUT = frozenset(
    """
    enabled disabled supported available allowed mute muted test sensitivity setting mode child kids
    alert notification notifications delay count counter
    """.split()
)
"""Words that make a name tell of a setting or a sum, and not of what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two words for yes and no.

    Said of anything, or only where the name has one of `only`.
    """

    on: frozenset[str]
    off: frozenset[str]
    binary_class: Binary | None = None
    only: frozenset[Binary] | None = None


_ALARMS = frozenset({
    Binary.SMOKE, Binary.CO, Binary.GAS, Binary.MOISTURE, Binary.PROBLEM, Binary.TAMPER,
    Binary.SAFETY, Binary.VIBRATION,
})  # fmt: skip
_PEOPLE = frozenset({Binary.MOTION, Binary.OCCUPANCY, Binary.PRESENCE})
_PAIRS = (
    _Pair(on=frozenset({"on", "true", "yes"}), off=frozenset({"off", "false", "no"})),
    _Pair(
        on=frozenset({"open", "opened"}),
        off=frozenset({"closed", "close", "shut"}),
        binary_class=Binary.OPENING,
    ),
    _Pair(on=frozenset({"unlocked"}), off=frozenset({"locked"}), binary_class=Binary.LOCK),
    _Pair(on=frozenset({"wet"}), off=frozenset({"dry"}), only=frozenset({Binary.MOISTURE})),
    _Pair(
        on=frozenset({"detected", "active", "triggered"}),
        off=frozenset({"clear", "not detected", "not_detected", "undetected", "inactive"}),
        only=_ALARMS | _PEOPLE,
    ),
    _Pair(
        on=frozenset({"alarm", "leak", "leaking", "fault", "error", "problem"}),
        off=frozenset({"normal", "ok", "none"}),
        only=_ALARMS,
    ),
    _Pair(
        on=frozenset({"present", "occupied"}),
        off=frozenset({"not present", "not_present", "absent", "unoccupied", "empty"}),
        only=_PEOPLE,
    ),
    _Pair(
        on=frozenset({"online", "connected"}),
        off=frozenset({"offline", "disconnected"}),
        binary_class=Binary.CONNECTIVITY,
    ),
    _Pair(on=frozenset({"enabled"}), off=frozenset({"disabled"})),
    _Pair(
        on=frozenset({"charging"}),
        off=frozenset({"not charging", "not_charging"}),
        only=frozenset({Binary.BATTERY_CHARGING}),
    ),
)
_SAID = {word: (pair, word in pair.on) for pair in _PAIRS for word in sorted(pair.on | pair.off)}
_OPENINGS = frozenset({Binary.DOOR, Binary.WINDOW, Binary.GARAGE_DOOR, Binary.OPENING})


def yes_or_no(point: DataPoint, value: Value, words: frozenset[str]) -> Shape | None:
    """Return a binary sensor's shape where a value is a yes or a no; None otherwise."""
    named = next((one for one in _NAMED if one.words <= words), None)
    if words & _ABOUT:
        named = None
    if isinstance(value, bool) or (value is None and Kind.BOOLEAN in point.kinds <= _MAYBE):
        if named is None or named.inverted is None:
            # What true means at a contact, appliances do not agree on.
            return Shape(form=Form.BINARY)
        return Shape(form=Form.BINARY, binary_class=named.binary_class, is_inverted=named.inverted)
    if isinstance(value, str) and (said := _SAID.get(value.casefold())) is not None:
        return _in_words(point, said[0], named)
    if value in (0, 1, "0", "1") and named is not None and named.counts and point.unit is None:
        return Shape(form=Form.BINARY, binary_class=named.binary_class)
    return None


_MAYBE = frozenset({Kind.BOOLEAN, Kind.NULL})


def _in_words(point: DataPoint, pair: _Pair, named: _Named | None) -> Shape | None:
    binary_class = named.binary_class if named is not None else None
    if pair.only is not None and binary_class not in pair.only:
        return None
    if point.category is Category.SETTING:
        # Off today, and `auto` tomorrow.
        return None
    if pair.binary_class is Binary.OPENING:
        # The word says which, whatever the name says of true and false.
        shown = binary_class if binary_class in _OPENINGS else pair.binary_class
        return Shape(form=Form.BINARY, binary_class=shown)
    if pair.binary_class is not None:
        return Shape(form=Form.BINARY, binary_class=pair.binary_class)
    if named is None or named.inverted is None:
        return Shape(form=Form.BINARY)
    return Shape(form=Form.BINARY, binary_class=binary_class, is_inverted=named.inverted)


def truth(shape: Shape, value: Value) -> bool | None:
    """Return whether a binary sensor of a shape is on; None where a value says neither."""
    said: bool | None = None
    if isinstance(value, bool):
        said = value
    elif value in (0, 1, "0", "1"):
        said = value in (1, "1")
    elif isinstance(value, str) and (found := _SAID.get(value.casefold())) is not None:
        if found[0].binary_class is not None:
            return found[1]
        said = found[1]
    return said if said is None else said is not shape.is_inverted
