"""Which data point is which entity, kept over restarts.

By data point id and the entity's id in the registry, so that renaming moves nothing. What the
machine found may give way to better evidence; what the household said, it never changes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import logging
import math
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store

from .const import DOMAIN

_LOGGER = logging.getLogger(__name__)
VERSION = 1
KEY = f"{DOMAIN}.matches"
SAVE_SECONDS = 10.0
"""How long what the machine found may wait to be stored; it would find it again."""
MAX_PAIRS = 64
"""Entities per data point of which is remembered that they are not it, or were shown as unsure."""
MAX_REASONS = 8
MAX_TEXT = 160
"""Characters of a reason."""


class Standing(StrEnum):
    """Who says so: the machine, or the household."""

    AUTOMATIC = "automatic"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A data point that is an entity. `reasons` have figures and words of names, never a value.

    `confidence` is from 0 to 1, None where only the household says so; `kinds` are those of the
    reasons.
    """

    entity: str
    standing: Standing
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class _Pairs:
    """Pairs of data points and entities."""

    of: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, point_id: str, entities: Iterable[str]) -> bool:
        before = self.of.get(point_id, [])
        after = list(dict.fromkeys([*before, *entities]))[-MAX_PAIRS:]
        if after != before:
            self.of[point_id] = after
        return after != before

    def remove(self, point_id: str, entity: str) -> None:
        if entity in self.of.get(point_id, ()):
            self.of[point_id].remove(entity)


class MatchStore:
    """The matches there are, the pairs that are none, and what the household was asked about."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start with nothing; `async_load` reads what is stored."""
        self._store: Store[dict[str, Any]] = Store(
            hass, VERSION, KEY, private=True, atomic_writes=True
        )
        self._matches: dict[str, Match] = {}
        self._rejected = _Pairs()
        self._shown = _Pairs()
        self._is_behind = False

    async def async_load(self) -> None:
        """Read what is stored; of what cannot be read, nothing is known.

        Names are not worth that anything else does not start.
        """
        try:
            stored = await self._store.async_load()
        except (HomeAssistantError, NotImplementedError) as err:
            _LOGGER.warning("The stored matches cannot be read: %s", type(err).__name__)
            return
        if not isinstance(stored, Mapping):
            return
        for point_id, one in _items(stored.get("matches")):
            if (match := _read(one)) is not None:
                self._matches[point_id] = match
        for pairs, name in ((self._rejected, "rejected"), (self._shown, "shown")):
            for point_id, entities in _items(stored.get(name)):
                if isinstance(entities, list):
                    pairs.add(point_id, (one for one in entities if isinstance(one, str)))

    @callback
    def _written(self) -> dict[str, Any]:
        self._is_behind = False
        return {
            "matches": {
                point_id: {
                    "entity": one.entity,
                    "standing": one.standing.value,
                    "confidence": one.confidence,
                    "reasons": list(one.reasons),
                    "kinds": list(one.kinds),
                }
                for point_id, one in self._matches.items()
            },
            "rejected": {one: list(some) for one, some in self._rejected.of.items() if some},
            "shown": {one: list(some) for one, some in self._shown.of.items() if some},
        }

    @callback
    def async_save_soon(self) -> None:
        """Store what the machine found, in a while."""
        self._is_behind = True
        self._store.async_delay_save(self._written, SAVE_SECONDS)

    async def async_save(self) -> None:
        """Store what the household said, now."""
        await self._store.async_save(self._written())

    async def async_stop(self) -> None:
        """Store what was to be stored in a while."""
        if self._is_behind:
            await self.async_save()

    async def async_remove(self) -> None:
        """Delete what is stored."""
        await self._store.async_remove()

    # --- What there is ---

    def get(self, point_id: str) -> Match | None:
        """Return the entity a data point is, if one is known."""
        return self._matches.get(point_id)

    def all(self) -> Mapping[str, Match]:
        """Return every match by data point id."""
        return self._matches

    def rejected(self, point_id: str) -> list[str]:
        """Return the entities that a data point is not."""
        return self._rejected.of.get(point_id, [])

    def shown(self, point_id: str) -> list[str]:
        """Return the entities that the household was asked about and left open."""
        return self._shown.of.get(point_id, [])

    # --- What changes ---

    def put(self, point_id: str, match: Match) -> bool:
        """Keep what the machine found; tell if that is another entity. A household's word stays."""
        before = self._matches.get(point_id)
        if before is not None and before.standing is Standing.CONFIRMED:
            return False
        if match.entity in self.rejected(point_id):
            return False
        self._matches[point_id] = match
        return before is None or before.entity != match.entity

    def drop(self, point_id: str) -> None:
        """Forget what the machine found."""
        if (before := self._matches.get(point_id)) and before.standing is Standing.AUTOMATIC:
            del self._matches[point_id]

    def confirm(self, point_id: str, match: Match) -> None:
        """Keep what the household said; what the machine took for that entity, it is not."""
        for other in [one for one, each in self._matches.items() if each.entity == match.entity]:
            self.drop(other)
        self._rejected.remove(point_id, match.entity)
        self._matches[point_id] = match

    def reject(self, point_id: str, entities: Iterable[str]) -> None:
        """Keep that a data point is none of these; a match with one of them is over."""
        entities = list(entities)
        self._rejected.add(point_id, entities)
        before = self._matches.get(point_id)
        if before is not None and before.entity in entities:
            del self._matches[point_id]

    def show(self, point_id: str, entities: Iterable[str]) -> None:
        """Keep that the household was asked about these, and left it open."""
        self._shown.add(point_id, entities)

    def keep_only(self, present: Iterable[str]) -> bool:
        """Forget data points that are no more; tell if there were any."""
        known = set(present)
        gone = False
        for held in (self._matches, self._rejected.of, self._shown.of):
            for point_id in [one for one in held if one not in known]:
                del held[point_id]
                gone = True
        return gone


def _items(stored: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(stored, Mapping):
        yield from ((key, value) for key, value in stored.items() if isinstance(key, str))


def _read(stored: Any) -> Match | None:
    if not isinstance(stored, Mapping):
        return None
    entity, confidence = stored.get("entity"), stored.get("confidence")
    try:
        standing = Standing(stored.get("standing", ""))
    except ValueError:
        return None
    if not isinstance(entity, str):
        return None
    if (
        isinstance(confidence, bool)
        or not isinstance(confidence, int | float)
        or not math.isfinite(confidence)
    ):
        confidence = None
    return Match(
        entity=entity,
        standing=standing,
        confidence=confidence,
        reasons=_texts(stored.get("reasons")),
        kinds=_texts(stored.get("kinds")),
    )


def _texts(stored: Any) -> tuple[str, ...]:
    if not isinstance(stored, list):
        return ()
    return tuple(one[:MAX_TEXT] for one in stored if isinstance(one, str))[:MAX_REASONS]
