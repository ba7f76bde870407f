"""What a data point gives away of others of the same appliance, once a recipient has it.

A table of rules: who has the one knows the other. Dew point and humidity give the temperature; a
time beside a door's state gives when it moved; a counter gives what happened while it was withheld.

Pure: data points in, findings out, which name both what is revealed and from what. Only what is
there is named: the givers granted (or asked about) and the given withheld, all seen at the
appliance. By names, quantities and places alone, never by a value.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import product
import re

from .beside import split
from .model import Category, DataPoint
from .redaction import identifiers

MAX_FINDINGS = 10
"""Findings about one data point."""
MAX_GIVERS = 4
"""Data points that are tried beside it for one rule."""
MAX_BESIDE = 4
"""Members of an object beside a time, above which the time tells of the message as a whole."""


class Role(StrEnum):
    """What a data point is, where a rule speaks of it."""

    TEMPERATURE = "temperature"
    HUMIDITY = "humidity"
    DEW_POINT = "dew_point"
    HEAT_INDEX = "heat_index"
    WIND_CHILL = "wind_chill"
    WIND = "wind"
    RELATIVE_PRESSURE = "relative_pressure"
    ABSOLUTE_PRESSURE = "absolute_pressure"
    ENERGY = "energy"
    POWER = "power"
    USED = "used"
    """Energy of one interval."""
    DURATION = "duration"
    START = "start"
    END = "end"
    TIME = "time"
    WEIGHT = "weight"
    FAT_RATIO = "fat_ratio"
    FAT_MASS = "fat_mass"
    BODY_MASS_INDEX = "body_mass_index"
    HEIGHT = "height"
    COUNTER = "counter"
    NETWORK = "network"
    ROOM = "room"


class Near(StrEnum):
    """How near to each other the members of a rule stand."""

    APPLIANCE = "appliance"
    OBJECT = "object"
    """In one object, and of one place: inside or outside, of one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who has all of `given` knows `told`; or, where that is no data point, the `fact`.

    `is_less_when_coarse` tells whether a coarse level takes the edge off it.
    """

    given: tuple[Role, ...]
    told: Role | None = None
    fact: str = ""
    near: Near = Near.APPLIANCE
    is_less_when_coarse: bool = True


def _three(one: Role, two: Role, three: Role, near: Near) -> tuple[Rule, ...]:
    """Return the rules of three of which any two give the third."""
    return tuple(
        Rule(given=given, told=told, near=near)
        for given, told in (((one, two), three), ((one, three), two), ((two, three), one))
    )


RULES: tuple[Rule, ...] = (
    *_three(Role.TEMPERATURE, Role.HUMIDITY, Role.DEW_POINT, Near.OBJECT),
    # Heat index is made of temperature and humidity, wind chill of temperature and wind.
    *_three(Role.TEMPERATURE, Role.HUMIDITY, Role.HEAT_INDEX, Near.OBJECT),
    *_three(Role.TEMPERATURE, Role.WIND, Role.WIND_CHILL, Near.OBJECT),
    Rule(
        given=(Role.RELATIVE_PRESSURE, Role.ABSOLUTE_PRESSURE),
        fact="how high above the sea the home is",
        near=Near.OBJECT,
    ),
    Rule(given=(Role.ENERGY,), told=Role.POWER, near=Near.OBJECT),
    Rule(given=(Role.USED,), told=Role.POWER, near=Near.OBJECT),
    Rule(given=(Role.POWER,), told=Role.ENERGY, near=Near.OBJECT),
    Rule(given=(Role.ENERGY,), fact="when somebody is at home and uses it"),
    Rule(given=(Role.ENERGY,), fact="how much was used while it was withheld"),
    Rule(given=(Role.USED,), fact="when somebody is at home and uses it"),
    Rule(given=(Role.POWER,), fact="when somebody is at home and uses it"),
    *_three(Role.DURATION, Role.START, Role.END, Near.OBJECT),
    *_three(Role.WEIGHT, Role.FAT_RATIO, Role.FAT_MASS, Near.APPLIANCE),
    *_three(Role.WEIGHT, Role.HEIGHT, Role.BODY_MASS_INDEX, Near.APPLIANCE),
    Rule(
        given=(Role.COUNTER,),
        fact="how much happened while it was withheld",
        is_less_when_coarse=False,
    ),
    Rule(given=(Role.NETWORK,), fact="where the home is", is_less_when_coarse=False),
    Rule(given=(Role.ROOM,), fact="which rooms the home has", is_less_when_coarse=False),
)
"""In the order in which findings are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """One finding: who has `givers` (ids) knows `told` (an id), or the `fact` where that is None.

    `sentence` says it with names.
    """

    givers: tuple[str, ...]
    told: str | None
    fact: str
    sentence: str
    is_less_when_coarse: bool


_WEATHER = re.compile(
    r"(?P<dew>dew_?p\w*)|(?P<heat>heat_?index|feels_?like|apparent)|(?P<chill>wind_?chill)"
    r"|(?P<wind>wind_?speed|wind_?gust)|(?P<relative>barom?rel|rel\w*_?press|sea_?level)"
    r"|(?P<absolute>barom?abs|abs\w*_?press|station_?press)|(?P<humid>humid)|(?P<temp>(?:in|out)doortemp)"
)
_WEATHER_ROLES = {
    "dew": Role.DEW_POINT,
    "heat": Role.HEAT_INDEX,
    "chill": Role.WIND_CHILL,
    "wind": Role.WIND,
    "relative": Role.RELATIVE_PRESSURE,
    "absolute": Role.ABSOLUTE_PRESSURE,
    "humid": Role.HUMIDITY,
    "temp": Role.TEMPERATURE,
}
_BY_WORDS: tuple[tuple[frozenset[str], Role], ...] = tuple(
    (frozenset(words.split()), role)
    for words, role in (
        ("bmi", Role.BODY_MASS_INDEX),
        ("fat mass", Role.FAT_MASS),
        ("fat ratio", Role.FAT_RATIO),
        ("fat percentage", Role.FAT_RATIO),
        ("fat percent", Role.FAT_RATIO),
        ("weight", Role.WEIGHT),
        ("height", Role.HEIGHT),
        ("ssid", Role.NETWORK),
        ("bssid", Role.NETWORK),
        ("room", Role.ROOM),
        ("start", Role.START),
        ("started", Role.START),
        ("begin", Role.START),
        ("end", Role.END),
        ("ended", Role.END),
        ("finish", Role.END),
        ("completion", Role.END),
        ("duration", Role.DURATION),
        ("counter", Role.COUNTER),
        ("count", Role.COUNTER),
        ("total", Role.COUNTER),
        ("cumulative", Role.COUNTER),
        ("lifetime", Role.COUNTER),
    )
)
_TIMES = frozenset({Role.START, Role.END})
_OF_STATES = frozenset({
    Category.READING, Category.SETTING, Category.SAFETY, Category.HEALTH, Category.PRESENCE,
    Category.CHILDREN,
})  # fmt: skip
_MOMENTS = frozenset("timestamp changed updated ts triggered".split())
"""Words of times that say when what stands beside them was so, or became so."""
_BY_HAND = frozenset(
    """
    door doors window lid contact lock motion presence occupancy brush brushing weight button switch
    """.split()
)
"""What changes where somebody is there."""
_NO_ENERGY = frozenset("type saved saving support supported max min duration".split())
_INTERVAL = frozenset("delta interval persisted today yesterday last".split())
_TELLING = frozenset(word for words, _ in _BY_WORDS for word in words) | frozenset(
    "dew heat feels apparent wind sea relative absolute station".split()
)
"""Words without one of which a name is not read further, unless it is one of joined words."""
_INSIDE = re.compile(r"indoor|inside|(?:temp|humidity|dewpt)in", re.IGNORECASE)
_CHANNEL = re.compile(r"\d+")


@lru_cache(maxsize=8192)
def _role(
    path: str, name: str, category: Category, quantity: str | None
) -> tuple[Role | None, tuple[str, ...]]:
    """Return a data point's role, and what sets it apart from the same elsewhere."""
    last = split(path)[1]
    is_measured = quantity in ("temperature", "energy", "power")
    said = frozenset(name.lower().split())
    joined = _WEATHER.search(last.lower())
    if not (is_measured or joined is not None or said & _TELLING):
        return Role.TIME if category is Category.TIME else None, ("", "")
    inside = "in" if _INSIDE.search(f"{last} {name}") else ""
    channel = _CHANNEL.search(last)
    apart = inside, channel[0] if channel else ""
    if category in (Category.CREDENTIAL, Category.REQUEST, Category.OPAQUE):
        return None, apart
    if category is not Category.SETTING:
        found = joined or _WEATHER.search(name.lower().replace(" ", "_"))
        if found is not None and category is not Category.TIME:
            return _WEATHER_ROLES[found.lastgroup or ""], apart
        if quantity == "temperature":
            return Role.TEMPERATURE, apart
        if quantity == "power":
            return Role.POWER, apart
        if quantity == "energy" and not said & _NO_ENERGY:
            return Role.USED if said & _INTERVAL or last == "powerEnergy" else Role.ENERGY, apart
    for words, role in _BY_WORDS:
        if words <= said and (role not in _TIMES or category is Category.TIME):
            return role, apart
    return Role.TIME if category is Category.TIME else None, apart


type _Object = tuple[str, str, tuple[str, ...]]


class Revealing:
    """The data points of one appliance, by what they are and where they stand."""

    def __init__(self, points: Iterable[DataPoint]) -> None:
        """Look at each, once."""
        self._points: dict[str, DataPoint] = {}
        self._roles: dict[str, tuple[Role | None, tuple[str, ...]]] = {}
        self._with: dict[Role, list[DataPoint]] = {}
        self._objects: dict[_Object, list[DataPoint]] = {}
        for point in points:
            self._points[point.id] = point
            found = _role(point.field.path, point.name, point.category, point.quantity)
            self._roles[point.id] = found
            if found[0] is not None:
                self._with.setdefault(found[0], []).append(point)
            self._objects.setdefault(_object(point), []).append(point)

    def of(self, point: DataPoint, recipient_id: str, granted: Collection[str]) -> list[Revealed]:
        """Return what a recipient that gets a data point learns beside it; at most `MAX_FINDINGS`.

        `granted` are the ids of what it gets already. What it gets is no finding.
        """
        has = frozenset(granted) | {point.id}
        found: dict[tuple[str | None, str], Revealed] = {}
        for one in self._findings(point, recipient_id, has):
            found.setdefault((one.told, one.fact), one)
            if len(found) == MAX_FINDINGS:
                break
        return list(found.values())

    def _findings(
        self, point: DataPoint, recipient_id: str, has: frozenset[str]
    ) -> Iterator[Revealed]:
        if point.id not in self._roles:
            return
        role = self._roles[point.id][0]
        for rule in RULES:
            if role not in rule.given:
                continue
            others = (
                [one for one in self._with.get(other, ()) if one.id in has]
                for other in rule.given
                if other is not role
            )
            near = (
                [one for one in some if rule.near is Near.APPLIANCE or self._are_near((point, one))]
                for some in others
            )
            for givers in product([point], *(some[:MAX_GIVERS] for some in near)):
                yield from self._told(rule, givers, recipient_id, has)
        yield from self._moments(point, recipient_id, has)
        yield from _items(point)

    def _told(
        self, rule: Rule, givers: tuple[DataPoint, ...], recipient_id: str, has: frozenset[str]
    ) -> Iterator[Revealed]:
        if rule.told is None:
            yield _revealed(givers, None, rule.fact, less=rule.is_less_when_coarse)
            return
        for told in self._with.get(rule.told, ()):
            if (
                told.id not in has
                and recipient_id in told.recipients
                and (rule.near is Near.APPLIANCE or self._are_near((*givers, told)))
            ):
                yield _revealed(givers, told, "", less=rule.is_less_when_coarse)

    def _moments(
        self, point: DataPoint, recipient_id: str, has: frozenset[str]
    ) -> Iterator[Revealed]:
        """Yield of what a time beside it tells when it was so."""
        last = split(point.field.path)[1]
        if point.category is not Category.TIME or not _MOMENTS & {*identifiers.words(last)}:
            return
        beside = [one for one in self._objects[_object(point)] if one.id != point.id]
        if len(beside) > MAX_BESIDE:
            return
        for told in beside:
            if (
                told.category in _OF_STATES
                and told.id not in has
                and recipient_id in told.recipients
            ):
                is_by_hand = _BY_HAND & {*told.name.lower().split()}
                more = ", and so when somebody was there" if is_by_hand else ""
                yield _revealed((point,), told, f"when it changed{more}")

    def _are_near(self, points: tuple[DataPoint, ...]) -> bool:
        first = points[0]
        return all(
            _object(one) == _object(first) and self._roles[one.id][1] == self._roles[first.id][1]
            for one in points[1:]
        )


def _items(point: DataPoint) -> Iterator[Revealed]:
    """Yield that items of an array tell how many there are."""
    if "[*]" in point.field.path and point.category is not Category.OPAQUE:
        name = split(point.field.path.partition("[*]")[0])[1]
        shown = " ".join(identifiers.words(name)) if name else "its items"
        yield _revealed((point,), None, f"how many there are of: {shown}", less=False)


def _object(point: DataPoint) -> _Object:
    return point.template, split(point.field.path)[0], point.field.siblings


def _revealed(
    givers: tuple[DataPoint, ...], told: DataPoint | None, fact: str, *, less: bool = True
) -> Revealed:
    ordered = sorted(givers, key=lambda one: one.name)
    names = " and ".join(f"“{one.name}”" for one in ordered)
    tells = "together tell" if len(ordered) > 1 else "tells"
    what = fact if told is None else f"“{told.name}”"
    if told is not None and fact:
        what = f"of {what} {fact}"
    return Revealed(
        givers=tuple(one.id for one in ordered),
        told=told.id if told is not None else None,
        fact=fact,
        sentence=f"{names} {tells} {what}"
        + (" (less so when coarse)" if less else " (coarse does not help)"),
        is_less_when_coarse=less,
    )
