"""What tells who somebody is or where, and so becomes no state at home, whatever it is called.

Three ways it does: the place of a data point says so (coordinates), what stands there looks like it
(somebody's name where one is expected, a number as fine as a place), or it repeats an identity of
the appliance. Guesses, and they only ever show less; no consent depends on them.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
import re

from .model import Field, Leaf, Number
from .point_names import member_names
from .redaction import identifiers, paths
from .shapes import TELLING, Shape, is_number, shape_of

FINE = 4
"""Decimals from which on a number at a place may be where it is: some ten metres."""
NEAR = 3
"""How many of the last names of a path are read."""

_COORDINATES = frozenset(
    """
    lat latitude latitud lon lng longitude longitud latlng latlon latlong lonlat coord coords
    coordinate coordinates gps geo geolocation geopoint geohash whereabouts breitengrad
    laengengrad längengrad koordinaten
    """.split()
)
_PLACES = frozenset(
    "position pos loc location place point waypoint track map home area standort ort".split()
)
"""Words of places, and of much else: with them the number itself has to look like one."""
_SOMEBODY = frozenset(
    """
    resident residents occupant occupants tenant owner nick nickname alias user users username
    member members person persons people guest guests visitor visitors driver caller sender author
    patient cardholder spouse friend friends bewohner besitzer benutzer gast gäste
    """.split()
)
_NETWORK = frozenset("network wifi wlan hotspot hostname router".split())
_CALLED = frozenset("name first last display label title".split())
"""Names that say what their parent is called."""
_STATES = frozenset(
    """
    ok on off yes no true false none unknown error failed fail online offline up down idle home
    away present absent detected clear connected connecting disconnected reconnecting enabled
    disabled good fair bad poor weak strong excellent wired wireless ethernet wifi wlan lan
    cellular admin
    """.split()
)
"""What else stands where somebody's name, or a network's, might."""
_SHOWN_BY_NAME = TELLING - {Shape.ADDRESS, Shape.LONG, Shape.BYTES}
"""Shapes that name somebody. A version of four figures looks like an address."""
_HARDWARE = re.compile(r"[0-9a-f]{12}")


def is_coordinate(item: Field) -> bool:
    """Tell whether a data point is called a place on the map, or a part of one."""
    return not _COORDINATES.isdisjoint(_near(item))


def names_somebody(item: Field, value: Leaf) -> bool:
    """Tell whether a text names somebody: by its look, or where a name is expected to stand."""
    if not isinstance(value, str) or type(value) is Number or not value:
        return False
    if shape_of(value) in _SHOWN_BY_NAME:
        return True
    if is_number(value) or value.lower() in _STATES:
        return False
    return _is_for_names(item)


def is_place(item: Field, value: Leaf, *, is_marked: bool) -> bool:
    """Tell whether a number is as fine as a place and stands where one may be.

    `is_marked` tells whether the data point is thought to tell of places.
    """
    if not isinstance(value, str) or not is_number(value):
        return False
    decimals = len(value.partition(".")[2])
    if decimals < FINE or abs(float(value)) > 180:
        return False
    return is_marked or not _PLACES.isdisjoint(_near(item))


def repeating(identities: frozenset[str], texts: Sequence[str]) -> set[int]:
    """Return the indices of the texts that repeat an identity, or the own half of an address.

    The first half of a hardware address is its maker's; the second is often the end of a name.
    """
    long = [index for index, text in enumerate(texts) if len(text) >= identifiers.MIN_IDENTITY]
    if not long or not identities:
        return set()
    halves = frozenset(one[6:] for one in identities if _HARDWARE.fullmatch(one))
    found = {long[at] for at in identifiers.find(identities, [texts[index] for index in long])}
    # Six figures of a number are no half of anything.
    named = [index for index in long if not is_number(texts[index])]
    return found | {named[at] for at in identifiers.find(halves, [texts[one] for one in named])}


def unnamed(items: Iterable[Field], identities: frozenset[str]) -> dict[Field, Field]:
    """Return those places in which an identity stands, with `*` for it: to be called after.

    They are no other data points: ids, and what was decided, belong to the places as sent.
    """
    texts = {item: _texts(item) for item in items}
    spoken = list(dict.fromkeys(text for some in texts.values() for text in some))
    hidden = {spoken[index] for index in repeating(identities, spoken)}
    return {
        item: _without(item, hidden) for item, some in texts.items() if not hidden.isdisjoint(some)
    }


def _texts(item: Field) -> list[str]:
    names = [one for one in paths.parse(item.path).selectors if isinstance(one, str)]
    return names + [one.partition("=")[2] for one in item.siblings]


def _without(item: Field, hidden: Collection[str]) -> Field:
    path = paths.FieldPath(
        tuple("*" if one in hidden else one for one in paths.parse(item.path).selectors)
    )
    siblings = (one.partition("=") for one in item.siblings)
    return Field(
        str(path),
        tuple(
            f"{key}={'*' if said in hidden else said}" if mark else key
            for key, mark, said in siblings
        ),
    )


@lru_cache(maxsize=8192)
def _near(item: Field) -> frozenset[str]:
    return frozenset(word for name in _names(item)[-NEAR:] for word in _words(name))


@lru_cache(maxsize=8192)
def _is_for_names(item: Field) -> bool:
    names = _names(item)
    last = {word for name in names[-1:] for word in _words(name)}
    if last & _CALLED:
        last |= {word for name in names[-2:-1] for word in _words(name)}
    return not last.isdisjoint(_SOMEBODY | _NETWORK)


def _names(item: Field) -> list[str]:
    """Return the names of a path, with the sibling that says what its last one means."""
    return member_names(item) + [one.partition("=")[2] for one in item.siblings[-1:] if "=" in one]


def _words(name: str) -> list[str]:
    if name.isascii():
        return [*identifiers.words(name), name.lower()]
    return re.findall(r"[^\W\d_]+", name.lower())
