"""Names: the words of a path and those of an entity, and how much they have in common."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
import math
import re

from .shapes import MAX_TEXT, Entity, Point

MAX_WORDS = 24
"""Words of a name or path that are compared, the last."""

# Words that mean the same where appliances and Home Assistant name things; the first stands for
# all. General words only: no vendor's members.
_SAME = tuple(
    tuple(line.split())
    for line in """
    temperature temp tmp celsius
    humidity hum rh
    pressure barom baro barometer atmospheric
    precipitation rain rainfall
    radiation irradiance
    power watt watts wattage
    apparent va
    energy kwh
    voltage volt volts
    current amp amps amperage ampere
    battery batt bat
    signal rssi
    wifi wlan wireless
        speed velocity
    direction angle dir
    indoor inside indoors in
    outdoor outside outdoors out
    door contact lid
    maximum max peak highest
    minimum min lowest
    average avg mean
    relative rel
    absolute abs
    count counter num number cnt
    duration time seconds minutes
    remaining left remain
    finish end completion finished
    setpoint target desired
    state status
    program programme cycle course
    lifetime total cumulative
    today daily day
    weekly week
    monthly month
    yearly year
    money cost price
    lock locked
    light lamp backlight
    fridge refrigerator cooler
    freezer frozen
    pulse heartrate bpm
    heart hr
    respiratory respiration breathing rr
    carbon dioxide
    voc tvoc volatile organic compounds
    volume loudness
    filter filters
    fault error problem
    cleaning clean cleaned
    water liquid
    child kids kid children
    """.strip().splitlines()
)
_STANDS_FOR = {word: line[0] for line in _SAME for word in line}

QUANTITIES = frozenset(
    """
    temperature humidity pressure power energy voltage current frequency battery
    direction precipitation irradiance radiation illuminance weight carbon moisture noise
    """.split()
)
"""Words that say what kind of thing is measured: two unlike ones are hardly the same."""

_NOISE = frozenset(
    """
    value values data body payload header query path state status sensor attributes properties
    components main reported raw localized value_raw value_localized
    """.split()
)
QUALIFIERS = frozenset(
    """
    setpoint maximum minimum average trend forecast yesterday today weekly monthly yearly
    remaining persisted delta gust
    """.split()
)
"""Words that make another thing of the same quantity: the warmest of a day is not how warm now."""
SET_BY_PEOPLE = frozenset("number select switch climate water_heater humidifier".split())
"""Domains of what people set; there a setpoint need not be called one."""

# Spellings that would be torn apart.
_WHOLE = tuple(
    (re.compile(pattern, re.IGNORECASE), word)
    for pattern, word in (
        (r"co2(?!\d)", " carbon "),
        (r"pm ?_?0?2[._]?5(?!\d)", " pmfine "),
        (r"pm_?0?10(?!\d)", " pmcoarse "),
        (r"wi[-_ ]fi", " wifi "),
    )
)
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|\d+")
_SEGMENT_FROM = 5
"""Letters from which on a word may be several, written as one (`windspeedmph`)."""


def words_of(text: str) -> list[str]:
    """Split at marks, digits and humps, in small letters: `pm25_ch1` is pm, 25, ch, 1."""
    text = text[:MAX_TEXT]
    for pattern, whole in _WHOLE:
        text = pattern.sub(whole, text)
    return [one.lower()[:40] for one in _SPLIT.findall(text)][-MAX_WORDS:]


def canonical(word: str) -> str:
    """Return the word that stands for all that mean the same."""
    return _STANDS_FOR.get(word, word)


@lru_cache(maxsize=4_096)
def _segmented(word: str, known: frozenset[str]) -> tuple[str, ...]:
    """Split a word into known ones, with as few letters left over as can be."""
    best: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    for end in range(1, len(word) + 1):
        options = [(best[end - 1][0] + 1, best[end - 1][1])]
        for begin in range(max(0, end - 16), end - 1):
            part = word[begin:end]
            if part in known:
                options.append((best[begin][0], (*best[begin][1], part)))
        best.append(min(options, key=lambda one: (one[0], len(one[1]))))
    left, parts = best[-1]
    return parts if parts and left <= len(word) // 3 else (word,)


class Names:
    """The words of one appliance's data points and entities, with how telling each is."""

    def __init__(self, points: Sequence[Point], entities: Sequence[Entity]) -> None:
        """Read all names."""
        shown = [words_of(f"{one.device} {one.name} {one.device_class or ''}") for one in entities]
        known = frozenset(
            word
            for word in (*_STANDS_FOR, *(word for words in shown for word in words))
            if len(word) >= 3 or word == "in"
        )
        self._ids = [self._split(words_of(one.unique_id), known) for one in entities]
        self._keys = [self._split(words_of(one.translation_key), known) for one in entities]
        self._shown = [self._of_entity(one, known) for one in entities]
        self._points = [self._of_point(one, known) for one in points]
        self._telling = _telling([set(words) for words in self._shown])
        self._telling_ids = _telling([set(words) for words in self._ids])
        self._telling_keys = _telling([set(words) for words in self._keys])
        self._telling_points = _telling([set(words) for words in self._points])
        self._domains = [one.entity_id.partition(".")[0] for one in entities]

    def _of_entity(self, entity: Entity, known: frozenset[str]) -> dict[str, float]:
        """Return words with weights: the name's 1, those of its class and its device half."""
        found = self._split(words_of(entity.name), known)
        for other in (entity.device_class or "", entity.device):
            for word in self._split(words_of(other), known):
                found.setdefault(word, 0.5)
        return found

    def _of_point(self, point: Point, known: frozenset[str]) -> dict[str, float]:
        """Return words with weights: the last member 1, each further out less."""
        parts = [*re.split(r"[.\[\]']+", point.path[:MAX_TEXT])[1:]]
        parts = [part for part in parts if part and part != "*"]
        kept = [part for part in parts if part.lower() not in _NOISE] or parts[-1:]
        found: dict[str, float] = {}
        told = [one.partition("=")[2] for one in point.siblings[-2:]]
        tail = re.split(r"[.]+", told[-1]) if told else []
        weight = 1.0
        for part in reversed([*kept[-3:], *told[:-1], *tail[-2:]]):
            for word in self._split(words_of(part), known):
                found.setdefault(word, weight)
            # A place in a list names nothing.
            weight *= 1.0 if part.isdigit() else 0.7
        for word in self._split(words_of(point.template.rpartition("/")[2]), known):
            found.setdefault(word, 0.3)
        return found

    @staticmethod
    def _split(words: Iterable[str], known: frozenset[str]) -> dict[str, float]:
        found: dict[str, float] = {}
        for word in words:
            whole = len(word) < _SEGMENT_FROM or word in known
            for part in (word,) if whole else _segmented(word, known):
                found.setdefault(canonical(part), 1.0)
        return found

    def likeness(self, point: int, entity: int) -> tuple[float, tuple[str, ...]]:
        """Return from 0 to 1 how much is named alike, and the words in common, most telling first.

        Words count by how few of the appliance's have them. Unique id and translation key, where
        there are any, are names too: the best of them counts.
        """
        by_name = self._alike(point, self._shown[entity], self._telling)
        by_id = self._alike(point, self._ids[entity], self._telling_ids)
        by_key = self._alike(point, self._keys[entity], self._telling_keys)
        return max(by_name, by_id, by_key, key=lambda one: one[0])

    def quantities(self, point: int, entity: int) -> int:
        """Return 1 where both name the same kind of quantity, -1 where unlike ones, else 0."""
        said = self._points[point].keys() & QUANTITIES
        shown = self._shown[entity].keys() & QUANTITIES
        if not said or not shown:
            return 0
        return 1 if said & shown else -1

    def qualified(self, point: int, entity: int) -> tuple[str, ...]:
        """Return the qualifying words that only one of the two has."""
        said = {word for word, place in self._points[point].items() if place >= 0.7}
        unlike = (said & QUALIFIERS) ^ (self._shown[entity].keys() & QUALIFIERS)
        if self._domains[entity] in SET_BY_PEOPLE:
            unlike -= {"setpoint"}
        return tuple(sorted(unlike))

    def _alike(
        self, point: int, words: Mapping[str, float], telling: Mapping[str, float]
    ) -> tuple[float, tuple[str, ...]]:
        mine, weights = self._points[point], self._telling_points
        common: dict[str, float] = {}
        found = wanted = 0.0
        for word, place in words.items():
            weight = telling[word] * place
            same = max((_same(word, other) for other in mine), default=0.0)
            wanted += weight
            found += weight * same
            if same:
                common[word] = weight * same
        covered = total = 0.0
        for word, place in mine.items():
            weight = weights[word] * place
            total += weight
            covered += weight * max((_same(word, other) for other in words), default=0.0)
        if not wanted or not total:
            return 0.0, ()
        told = sorted(common, key=lambda word: (-common[word], word))[:3]
        return 0.5 * found / wanted + 0.5 * covered / total, tuple(told)


def _same(one: str, other: str) -> float:
    if one == other:
        return 1.0
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= 3 and longer.startswith(shorter):
        return 0.8
    # One word, bent: reachable and reachability.
    return 0.7 if len(shorter) >= 7 and longer.startswith(shorter[:6]) else 0.0


def _telling(names: Sequence[set[str]]) -> dict[str, float]:
    """Return how telling each word is: the fewer names have it, the more; all of them, nothing."""
    counts: dict[str, int] = {}
    for words in names:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    return {word: math.log((len(names) + 1) / count) for word, count in counts.items()}
