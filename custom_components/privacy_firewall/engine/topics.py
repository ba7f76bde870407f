"""What a data point tells about the people at home: one topic each, from its path alone.

A guess like its name and category, and used for one thing only: which data points may stand behind
one switch. What tells of somebody's body, whereabouts, identity or children, and what nobody can
say the meaning of, never does.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
import re

from .model import Category, DataPoint, Field
from .point_names import member_names
from .redaction import identifiers


class Topic(StrEnum):
    """What data points are about, those that tell most of people first."""

    HEALTH = "health"
    CHILDREN = "children"
    PRESENCE = "presence"
    PLACE = "place"
    MEDIA = "media"
    IDENTITY = "identity"
    DOORS = "doors"
    SAFETY = "safety"
    ACTIVITY = "activity"
    SETTINGS = "settings"
    ENERGY = "energy"
    CLIMATE = "climate"
    UPKEEP = "upkeep"
    NETWORK = "network"
    TIMES = "times"
    TECHNICAL = "technical"
    OTHER = "other"


TOPICS_OF_GROUPS = frozenset({
    Topic.DOORS, Topic.SAFETY, Topic.ACTIVITY, Topic.SETTINGS, Topic.ENERGY, Topic.CLIMATE,
    Topic.UPKEEP, Topic.NETWORK,
})  # fmt: skip
"""Topics of which many data points may stand behind one switch.

Not those that tell of a body, of children, of who is where, of who it is, and not pictures and
voices: these are decided one by one. Not times either: one switch for all times would tell when
things happened that are held back themselves. And not what is of no known meaning, for nobody
could say what the switch shares.
"""
TOPICS_OF_PERSONS = frozenset({
    Topic.HEALTH, Topic.CHILDREN, Topic.PRESENCE, Topic.PLACE, Topic.MEDIA, Topic.IDENTITY,
})  # fmt: skip
"""What is decided one by one, whatever it stands beside."""

_OF_CATEGORIES: dict[Category, Topic] = {
    Category.IDENTIFIER: Topic.IDENTITY,
    Category.CREDENTIAL: Topic.IDENTITY,
    Category.MEDIA: Topic.MEDIA,
    Category.HEALTH: Topic.HEALTH,
    Category.PRESENCE: Topic.PRESENCE,
    Category.LOCATION: Topic.PLACE,
    Category.CHILDREN: Topic.CHILDREN,
    Category.REQUEST: Topic.OTHER,
    Category.OPAQUE: Topic.OTHER,
}
"""Categories that leave nothing to ask."""

# Words anywhere in the path or its siblings: a name that tells of a person is not outdone by
# another beside it. More than the categories know: a mistake here only makes one switch more.
_OF_PERSONS: tuple[tuple[Topic, frozenset[str]], ...] = tuple(
    (topic, frozenset(words.split()))
    for topic, words in (
        (Topic.CHILDREN, "child children kid kids baby toddler parental"),
        (
            Topic.HEALTH,
            (
                "health heart hr rr bpm pulse hrv rmssd sdnn spo oxygen blood sleep sleeping asleep"
                " awake wakeup rem snoring apnea bed weight fat muscle bone bmi glucose breathing"
                " breath steps calories brushing brush toothbrush teeth dose medication pain"
            ),
        ),
        (
            Topic.PRESENCE,
            (
                "presence occupancy occupied motion person persons people visitor guest home away"
                " vacation holiday sabbath absence arrival"
            ),
        ),
        (
            Topic.PLACE,
            (
                "latitude longitude lat lon lng gps geo geofence address city country location"
                " coordinates zip postcode altitude"
            ),
        ),
        (
            Topic.MEDIA,
            (
                "image picture photo video snapshot audio voice recording face thumbnail camera"
                " microphone transcript utterance"
            ),
        ),
        (Topic.IDENTITY, "account user users username email phone owner contacts ssid"),
    )
)
# Inside words written as one, as sleep trackers do: `lightsleepduration`.
_INSIDE: dict[Topic, re.Pattern[str]] = {
    topic: re.compile(pattern)
    for topic, pattern in (
        (Topic.CHILDREN, r"child|baby|toddler|parental"),
        (
            Topic.HEALTH,
            r"sleep|snor|wakeup|awake|heart|pulse|breath|apnea|glucose|weight|brushing|calori",
        ),
        (Topic.PRESENCE, r"presence|occupan|motion|vacation|holiday|sabbath|visitor"),
        (Topic.PLACE, r"latitude|longitude|geoloc|geofence|address|coordinate"),
        (Topic.MEDIA, r"image|photo|video|audio|camera|voice|snapshot|recording"),
        (Topic.IDENTITY, r"user(?!s?manual)|email|phone|ssid|serial"),
    )
}
_OF_THE_MAKER = frozenset(
    """
    version versions firmware software hardware driver capability capabilities diagnostics
    diagnostic identification ident ocf protocol schema manifest dongle execute sdk api
    configuration supported supports disabled specification
    """.split()
)
"""Words that make all beneath them technical."""
_OF_THE_FORM = frozenset(
    """
    support supported supports disabled type sub category model format unit units icon endpoint
    href factory debug dump log build module modules step algo localized
    """.split()
)
"""Words that make the one item technical whose last name has them."""
_OF_LISTS = frozenset({"supported", "supports", "support", "available"})
"""Words that make technical what stands right beneath them, too."""
# Words and beginnings of words, `_` for a space between two. The first that is named counts,
# wherever in the path it stands: of `doors.cooler.open` either name says it.
_TABLE: tuple[tuple[Topic, re.Pattern[str]], ...] = tuple(
    (topic, re.compile(rf"\b(?:{'|'.join(pattern.split()).replace('_', ' ')})\b"))
    for topic, pattern in (
        (
            Topic.UPKEEP,
            r"""
            filter\w* batt\w* \w+batt wear maintenance refill\w* replenish\w* detergent
            softener ink toner salt rinse_aid consumable\w* lifetime descal\w* dust bag
            charge charging
            """,
        ),
        (
            Topic.SAFETY,
            r"""
            alarm\w* smoke leak\w* gas flood sos panic emergency tamper\w* overheat
            """,
        ),
        (
            Topic.DOORS,
            r"""
            doors? contact lids? windows? drawers? openings? openers? open_count
            """,
        ),
        (
            Topic.NETWORK,
            r"""
            wi_?fi wlan lan wan network rssi connect\w* online offline mqtt cloud bluetooth
            ble reachable channel hub bridge link ip dns http signal_strength
            """,
        ),
        (Topic.DOORS, r"lock locked unlocked latch"),
        (
            Topic.SETTINGS,
            r"""
            set_?points? targets? presets? settings? config minimum maximum min max range
            limits? enabled? schedules? preferences? language brightness volume modes?
            remote_control\w* defaults? threshold interval options?
            """,
        ),
        (
            Topic.ACTIVITY,
            r"""
            programs? programmes? phase cycles? courses? jobs? operat\w* activit\w*
            activated running progress wash\w* spin\w* rinse cook\w* oven burner feed\w*
            meals? defrost cooling freezing cleaner cleaning recipe turbo machine
            """,
        ),
        (
            Topic.ENERGY,
            r"""
            energy kwh wh watts? electric\w* volt\w* amps? consumption consumed demand
            water_(?:usage|used|volume|amount|meter|flow) flow litres? liters? meter saving
            """,
        ),
        (
            Topic.CLIMATE,
            r"""
            temp\w* humid\w* dew\w* climate weather wind\w* gust\w* maxdailygust
            (?:daily|hourly|weekly|monthly|yearly|total|event|max)?rain\w* solar\w* uv air
            pm_?\d+\w* co co_?2 noise barom\w* pressure illuminance lux soil_?moisture
            feels\w* pollen voc
            """,
        ),
        (
            Topic.ACTIVITY,
            r"""
            remaining dry\w* active complet\w* switch on off power speed sessions? usage
            count counter total start stop pause ventilation plate grid lights? lamp
            movement plan
            """,
        ),
        (Topic.UPKEEP, r"fault errors? failure warning"),
    )
)
_HEAD = ("$.header", "$.cookie")
_OF_QUANTITIES: dict[str, Topic] = {
    "opening": Topic.DOORS,
    "battery": Topic.UPKEEP,
    "signal_strength": Topic.NETWORK,
    "energy": Topic.ENERGY,
    "power": Topic.ENERGY,
    "voltage": Topic.ENERGY,
    "current": Topic.ENERGY,
    "temperature": Topic.CLIMATE,
    "humidity": Topic.CLIMATE,
    "pressure": Topic.CLIMATE,
    "carbon_dioxide": Topic.CLIMATE,
    "illuminance": Topic.CLIMATE,
}


def topic_of(point: DataPoint) -> Topic:
    """Return the topic of a data point. One of no known meaning is of the topic `OTHER`."""
    return _topic(point.field, point.category, point.quantity)


def is_of_the_form(point: DataPoint) -> bool:
    """Tell whether a data point says how others are written or what there could be, not what is."""
    return topic_of(point) is Topic.TECHNICAL or _is_of_the_form(point.field)


def is_of_persons(point: DataPoint) -> bool:
    """Tell whether a data point is decided one by one, whatever else it is reported with."""
    return topic_of(point) in TOPICS_OF_PERSONS


# As many as one appliance may have, twice: they are sorted anew after every decision.
@lru_cache(maxsize=4096)
def _topic(item: Field, category: Category, quantity: str | None) -> Topic:
    if (certain := _OF_CATEGORIES.get(category)) is not None:
        return certain
    if item.path.startswith(_HEAD):
        return Topic.TECHNICAL
    names = [*member_names(item), *_said(item.siblings)]
    words = {word for name in names for word in identifiers.words(name)}
    joined = " ".join(name.lower() for name in names)
    for persons, marks in _OF_PERSONS:
        if words & marks or _INSIDE[persons].search(joined):
            return persons
    if quantity == "weight":
        return Topic.HEALTH
    if category is Category.TIME:
        return Topic.TIMES
    if words & _OF_THE_MAKER or _is_of_the_form(item):
        return Topic.TECHNICAL
    text = " ".join([*_spaced(names), *(name.lower() for name in names[-2:])])
    for topic, pattern in _TABLE:
        if _OF_QUANTITIES.get(quantity or "") is topic or pattern.search(text):
            return topic
    last = {word for name in names[-2:] for word in identifiers.words(name)}
    return Topic.ACTIVITY if last & {"status", "state"} else Topic.OTHER


@lru_cache(maxsize=4096)
def _is_of_the_form(item: Field) -> bool:
    last = {word for name in member_names(item)[-1:] for word in identifiers.words(name)}
    beyond = {word for name in member_names(item)[-2:] for word in identifiers.words(name)}
    return bool(last & _OF_THE_FORM or beyond & _OF_LISTS)


def _said(siblings: Iterable[str]) -> list[str]:
    """Return what siblings say of an item, as names: `key=Common.Status.DoorState`."""
    return [part for one in siblings for part in one.partition("=")[2].split(".") if part]


def _spaced(names: Iterable[str]) -> list[str]:
    return [" ".join(identifiers.words(name)) for name in names]
