"""What was seen: data points, what they seem to mean, and which of them are worth an entity.

A guess made from names, types and shapes alone; consent never depends on it, except that what
seems sensitive gets less (no sensor, no neutral value).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
import math
import re

from . import personal, traits
from .catalogue.known import Catalogue, find
from .errors import Refused
from .events import Reading
from .model import (
    OPAQUE_FIELD,
    OPAQUE_TEMPLATE,
    REQUEST_FIELD,
    Category,
    DataPoint,
    Field,
    Kind,
    Leaf,
    Number,
    Reason,
    Sensitive,
    data_point_id,
)
from .point_names import member_names, name_of
from .redaction import identifiers
from .redaction.fields import DISCRIMINATORS, Found
from .redaction.transforms import kind_of
from .telling import settle

MAX_DATA_POINTS = 2_000
"""Data points kept apart per appliance; a message that brings more is denied."""
MAX_PROMOTED_PER_RECIPIENT = 12
"""Switches that appear by themselves per appliance and recipient."""
MAX_ENTITIES = 32
"""Entities of data points per appliance; with those about itself they stay below 40."""

_META = frozenset(
    """
    timestamp unit units version timezone format schema firmware model protocol name id
    supported available disabled dateutc freq stationtype host agent
    """.split()
)
_CATEGORY_WORDS: tuple[tuple[Category, frozenset[str]], ...] = tuple(
    (category, frozenset(marks.split()))
    for category, marks in (
        (Category.CHILDREN, "child children kid kids baby toddler parental"),
        (
            Category.MEDIA,
            "image picture photo video snapshot audio voice recording face thumbnail",
        ),
        (Category.SAFETY, "alarm smoke leak gas co flood sos panic emergency"),
        (
            Category.HEALTH,
            "brushing brush heart pulse sleep snoring weight fat bmi glucose breathing steps",
        ),
        (
            Category.PRESENCE,
            "presence occupancy motion person people home away sabbath vacation",
        ),
        (
            Category.LOCATION,
            "latitude longitude lat lon lng gps geo address city country room location zip",
        ),
        (Category.TIME, "timestamp time date dateutc at ts epoch since until"),
        (
            Category.SETTING,
            "mode setpoint target setting preset enabled config program schedule",
        ),
    )
)
_MEASURED = re.compile(
    r"-?\d{1,9}(?:\.\d{1,6})? ?"
    r"(?:°?[CF]|K|%|k?Wh?|m?[VA]|[hk]?Pa|mbar|dBm|ppm|lx|k?g|lbs?|mm|cm|s|min|h|km/h|m/s|mph|m?[lL])",
    re.ASCII,
)
"""A number with its unit behind it, as some write them in one text."""
_SENSITIVE = frozenset({Category.HEALTH, Category.PRESENCE, Category.LOCATION, Category.CHILDREN})
_UNSHOWN = frozenset(Sensitive) - {Sensitive.PRESENCE, Sensitive.NETWORK}
"""Shown at home only where the household chose it. Of the others the category says whether: a door
is marked for what it tells of people, and yet the reading one looks for first."""
_NO_SENSOR = frozenset({
    Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA, Category.REQUEST, Category.OPAQUE,
})  # fmt: skip

# (words in the name, suffix of the name) -> (quantity, unit); the first match counts.
_QUANTITIES: tuple[tuple[re.Pattern[str], str, str | None], ...] = tuple(
    (re.compile(pattern), quantity, unit)
    for pattern, quantity, unit in (
        (r"\b(?:temp\w*f|tempf|tempinf|temp\d*f|dewpt\w*f)\b", "temperature", "°F"),
        (r"\btemp(?:erature)?\b.*\bf\b|\bdewptf\b|\bfahrenheit\b", "temperature", "°F"),
        (r"\btemp(?:erature)?\b.*\bk\b|\bkelvin\b", "temperature", "K"),
        (r"\btemp(?:erature)?\b|\bcelsius\b|\btempc\b", "temperature", "°C"),
        (r"\bhumidity(?:in|\d+)?\b|\bhumidity\b", "humidity", "%"),
        (r"\bbattery\b|\bbatt\b", "battery", "%"),
        (r"\bkwh\b", "energy", "kWh"),
        (r"\bwh\b|\benergy\b", "energy", "Wh"),
        (r"\bwatts?\b|\bpower\b", "power", "W"),
        (r"\bvolt(?:s|age)?\b", "voltage", "V"),
        (r"\bamps?\b|\bcurrent\b", "current", "A"),
        (r"\bbarom\w*\b", "pressure", "inHg"),
        (r"\bpressure\b|\bhpa\b", "pressure", "hPa"),
        (r"\brssi\b|\bsignal\b", "signal_strength", "dBm"),
        (r"\bco2\b", "carbon_dioxide", "ppm"),
        (r"\blux\b|\billuminance\b", "illuminance", "lx"),
        (r"\bseconds?\b|\bsec\b|\bduration\b|\belapsed\b", "duration", "s"),
        (r"\bminutes?\b", "duration", "min"),
        (r"\bweight\b", "weight", "kg"),
        (
            r"\b(?:door|contact|lid|window)\b.*\b(?:open|closed|contact|state)\b|\bcontact\b",
            "opening",
            None,
        ),
    )
)


def describe(item: Field, value: Leaf) -> tuple[str, Category, str | None, str | None]:
    """Guess name, category, unit and quantity of a data point from its path and one value."""
    name = name_of(item)
    category = _category(item, value)
    if category in (Category.TIME, Category.TEXT, *_NO_SENSOR):
        return name, category, None, None
    text = " ".join(word for part in member_names(item) for word in identifiers.words(part))
    # Joined spellings too: weather stations write `tempinf` and `humidity1` in one word.
    text = f"{text} {' '.join(part.lower() for part in member_names(item)[-1:])}"
    for pattern, quantity, unit in _QUANTITIES:
        if pattern.search(text):
            numeric = kind_of(value) is Kind.NUMBER or _is_number(value)
            if unit is not None and not numeric:
                continue
            return name, category, unit, quantity
    return name, category, None, None


def _is_number(value: Leaf) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _category(item: Field, value: Leaf) -> Category:
    if item == REQUEST_FIELD:
        return Category.REQUEST
    if identifiers.is_credential(item):
        return Category.CREDENTIAL
    if (
        item.siblings[-1:] == ("name",)
        or identifiers.names_identity(item)
        or identifiers.identity(item, value) is not None
    ):
        return Category.LOCATION if identifiers.names_place(item) else Category.IDENTIFIER
    words = {word for part in member_names(item) for word in identifiers.words(part)}
    for category, marks in _CATEGORY_WORDS:
        if words & marks:
            return category
    kind = kind_of(value)
    if kind in (Kind.NUMBER, Kind.BOOLEAN) or _is_number(value):
        return Category.READING
    if isinstance(value, str) and _MEASURED.fullmatch(value):
        return Category.READING
    if isinstance(value, str) and len(value) <= 24 and re.fullmatch(r"[A-Za-z][\w -]*", value):
        return Category.TEXT if personal.names_somebody(item, value) else Category.READING
    return Category.TEXT


class Learning:
    """The data points of every appliance, as far as seen."""

    def __init__(self, points: Iterable[DataPoint] = ()) -> None:
        """Start with what earlier runs have seen."""
        self._points: dict[str, DataPoint] = {}
        self._by_place: dict[tuple[str, str], dict[Field, DataPoint]] = {}
        self._counts: dict[str, int] = {}
        self.add(points)

    def add(self, points: Iterable[DataPoint]) -> None:
        """Add or replace data points."""
        places: dict[tuple[str, str], dict[Field, DataPoint]] = {}
        for point in points:
            if point.id not in self._points:
                self._counts[point.appliance_id] = self._counts.get(point.appliance_id, 0) + 1
            self._points[point.id] = point
            places.setdefault((point.appliance_id, point.template), {})[point.field] = point
        for place, news in places.items():
            # Copied, so that a thread still reading the old one is not disturbed.
            self._by_place[place] = {**self._by_place.get(place, {}), **news}

    def get(self, point_id: str) -> DataPoint | None:
        """Return a data point by its id."""
        return self._points.get(point_id)

    def at(self, appliance_id: str, template: str) -> Mapping[Field, DataPoint]:
        """Return the data points known at an endpoint template."""
        return self._by_place.get((appliance_id, template), {})

    def of(self, appliance_id: str) -> list[DataPoint]:
        """Return an appliance's data points, first seen first."""
        return [point for point in self._points.values() if point.appliance_id == appliance_id]

    def appliances(self) -> frozenset[str]:
        """Return the ids of the appliances that have data points."""
        return frozenset(self._counts)

    def count(self, appliance_id: str) -> int:
        """Return how many data points an appliance has."""
        return self._counts.get(appliance_id, 0)

    def forget(self, appliance_id: str) -> None:
        """Drop everything seen of an appliance."""
        self._points = {k: v for k, v in self._points.items() if v.appliance_id != appliance_id}
        self._by_place = {k: v for k, v in self._by_place.items() if k[0] != appliance_id}
        self._counts.pop(appliance_id, None)


NOTHING_KNOWN = Catalogue()


def unseen(
    found: Collection[Found],
    known: Mapping[Field, DataPoint],
    *,
    count: int,
    appliance_id: str,
    template: str,
    recipients: tuple[str, ...],
    now: float,
    catalogue: Catalogue = NOTHING_KNOWN,
) -> list[DataPoint]:
    """Return the data points of a message that are new, or new in kind or recipient.

    What the catalogue says of a new one goes before what its name and value let guess.

    Raises `Refused(TOO_MANY_DATA_POINTS)` where the appliance would exceed its number.
    """
    leaves = list(found)
    fresh: dict[Field, DataPoint] = {}
    told = None
    for item, _, value in leaves:
        kind = kind_of(value)
        point = fresh.get(item) or known.get(item)
        if point is None:
            if told is None:
                told = catalogue.at(template, [*known, *(one.field for one in found)])
            name, category, unit, quantity = settle(
                describe(item, value),
                find(told, item),
                has_number=kind in (Kind.NUMBER, Kind.NULL, Kind.EMPTY) or _is_number(value),
                may_lower=identifiers.identity(item, value) is None,
            )
            fresh[item] = DataPoint(
                id=data_point_id(appliance_id, template, item),
                appliance_id=appliance_id,
                template=template,
                field=item,
                name=name,
                kinds=frozenset({kind}),
                category=category,
                recipients=recipients,
                unit=unit,
                quantity=quantity,
                first_seen=now,
            )
        elif kind not in point.kinds or point.recipients != recipients:
            fresh[item] = replace(point, kinds=point.kinds | {kind}, recipients=recipients)
    if count + sum(item not in known for item in fresh) > MAX_DATA_POINTS:
        raise Refused(Reason.TOO_MANY_DATA_POINTS, "the appliance reports too many unlike items")
    return traits.mark(fresh, leaves, known)


def renamed(
    fresh: Iterable[DataPoint],
    found: Iterable[Found],
    known: Mapping[Field, DataPoint],
    remembered: frozenset[str],
) -> list[DataPoint]:
    """Return data points, none that is new called after an identity.

    Be it one of the message or of those `remembered`. What the catalogue calls it stays.
    """
    listed = list(fresh)
    new = [one.field for one in listed if one.field not in known and one.name == name_of(one.field)]
    if not new:
        return listed
    told = {identifiers.identity(item, value) for item, _, value in found}
    called = personal.unnamed(new, remembered | {one for one in told if one is not None})
    return [
        replace(one, name=name_of(called[one.field])) if one.field in called else one
        for one in listed
    ]


def opaque(
    appliance_id: str, recipients: tuple[str, ...], now: float, known: DataPoint | None
) -> DataPoint | None:
    """Return the data point of all that no gate can read, if its recipients are not all known."""
    if known is not None and set(recipients) <= set(known.recipients):
        return None
    before = known.recipients if known is not None else ()
    return DataPoint(
        id=data_point_id(appliance_id, OPAQUE_TEMPLATE, OPAQUE_FIELD),
        appliance_id=appliance_id,
        template=OPAQUE_TEMPLATE,
        field=OPAQUE_FIELD,
        name="Opaque traffic",
        kinds=frozenset(),
        category=Category.OPAQUE,
        recipients=tuple(dict.fromkeys((*before, *recipients))),
        first_seen=known.first_seen if known is not None else now,
    )


def promoted(
    points: Iterable[DataPoint],
    fixed: frozenset[str],
    chosen: frozenset[str] | None = None,
    *,
    rooms: Mapping[str, int] | None = None,
    entities: int = MAX_ENTITIES,
    before: Callable[[DataPoint], int] = lambda _: 0,
    may_come: Callable[[DataPoint], bool] | None = None,
) -> list[DataPoint]:
    """Return the data points that have entities: those fixed, then the most telling by themselves.

    Opaque traffic always has: it is all that an appliance sends.

    At most `rooms` per recipient (where it says nothing, `MAX_PROMOTED_PER_RECIPIENT`) and
    `entities` in all come by themselves, by `before` and then readings first. What was seen
    earlier goes first, so nothing seen later takes its place. `chosen` are those that the household
    picked; these may have sensors that others have not. Whether one may come by itself
    `may_come` says, else `is_telling`.
    """
    listed = list(points)
    chosen = fixed if chosen is None else chosen
    fixed |= {point.id for point in listed if point.category is Category.OPAQUE}
    picked = [point for point in listed if point.id in fixed]
    counts: dict[str, int] = {}
    taken = 0
    for point in picked:
        taken += cost(point, chosen)
        for recipient in point.recipients:
            counts[recipient] = counts.get(recipient, 0) + 1
    for point in sorted(listed, key=lambda one: (one.first_seen, before(one), _rank(one))):
        if point.id in fixed or not (may_come or is_telling)(point):
            continue
        if taken + cost(point, chosen) <= entities and all(
            counts.get(one, 0) < (rooms or {}).get(one, MAX_PROMOTED_PER_RECIPIENT)
            for one in point.recipients
        ):
            picked.append(point)
            taken += cost(point, chosen)
            for recipient in point.recipients:
                counts[recipient] = counts.get(recipient, 0) + 1
    return picked


def cost(point: DataPoint, chosen: frozenset[str]) -> int:
    """Return how many entities a promoted data point has: a switch per recipient, and a sensor."""
    return len(point.recipients) + has_sensor(point, chosen)


def is_telling(point: DataPoint) -> bool:
    """Tell whether a data point may have a switch without being picked."""
    return _rank(point) < _UNRANKED


_UNRANKED = 9


def _rank(point: DataPoint) -> int:
    last = member_names(point.field)[-1:]
    words = set(identifiers.words(last[0])) if last else set()
    if (
        point.field.path.startswith(("$.header", "$.cookie", "$.path", "$.request"))
        or point.category in (*_NO_SENSOR, Category.TIME, Category.TEXT)
        or point.field.siblings[-1:] == ("name",)
        or (last and last[0] in DISCRIMINATORS)
        or words & _META
        or not point.kinds - {Kind.NULL, Kind.EMPTY}
    ):
        return _UNRANKED
    if point.category in _SENSITIVE:
        return 1
    return 0 if point.quantity is not None else 2 if point.category is Category.READING else 3


def has_sensor(point: DataPoint, chosen: frozenset[str]) -> bool:
    """Tell whether a promoted data point's own reading is shown as a sensor.

    Identifiers, media, credentials and coordinates never; what tells of health, presence, place or
    children only where the household chose it.
    """
    if point.category in _NO_SENSOR or point.category is Category.TEXT:
        return False
    if personal.is_coordinate(point.field):
        return False
    if point.category in _SENSITIVE or not _UNSHOWN.isdisjoint(point.sensitive):
        return point.id in chosen
    return bool(point.kinds - {Kind.NULL, Kind.EMPTY})


def reading(point: DataPoint, value: Leaf, at: float) -> Reading:
    """Turn a leaf into the value a sensor shows: numbers as numbers, text cut to 255 characters.

    What was a word when the data point was first seen may be an identity, somebody's name, a place
    or free text now: None.
    """
    shown: str | float | bool | None = None
    is_marked = point.category is Category.LOCATION or Sensitive.LOCATION in point.sensitive
    if isinstance(value, bool):
        shown = value
    elif personal.names_somebody(point.field, value) or personal.is_place(
        point.field, value, is_marked=is_marked
    ):
        shown = None
    elif _is_number(value) and (type(value) is Number or point.unit is not None):
        shown = float(value)  # type: ignore[arg-type]
    elif type(value) is not Number and isinstance(value, str):
        hidden = _category(point.field, value) in (*_NO_SENSOR, Category.TEXT)
        shown = None if hidden else str(value)[:255]
    return Reading(data_point_id=point.id, value=shown, at=at)
