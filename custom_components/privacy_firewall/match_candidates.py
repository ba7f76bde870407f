"""What the matcher is given: an appliance's data points, and the entities that may be theirs.

Entities of the device that an appliance is linked with, of other devices that share its MAC, and of
the other devices of the integration's entry: as the registries name them, with their past as the
recorder has it. Where there is no recorder, names and the states of now are all there is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
import logging

from homeassistant.components.recorder import history
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from sqlalchemy.exc import SQLAlchemyError

from .const import DOMAIN
from .engine import MatchEntity, MatchPoint, MatchState, Samples
from .engine.model import Category, DataPoint, Sensitive
from .starving import shown_by

_LOGGER = logging.getLogger(__name__)
MAX_ENTITIES = 64
"""Entities that are looked at for an appliance; those of its own device first."""
MAX_PAIRS = 12_000
"""Pairs of data points and entities that are looked at: some five seconds of a slow machine."""
MAX_STATES = 60_000
"""States read from the recorder for an appliance, shared by its entities, the newest."""
DAY = timedelta(days=1)
PAST_DAYS = 10
"""How far the recorder is asked back: what it keeps by default."""
_NO_VALUE = frozenset({
    Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA, Category.REQUEST, Category.OPAQUE,
})  # fmt: skip
_OUTSIDE = ("$.header", "$.cookie", "$.path", "$.request")
"""Where a message has what carries it, not what it tells."""


def scope(hass: HomeAssistant, device: dr.AnyDeviceEntry | None) -> list[er.RegistryEntry]:
    """Return the entities that may show what an appliance reports, the likeliest devices first.

    Where the device is one of our own, nobody else shows it.
    """
    if device is None:
        return []
    devices = {one.id: None for one, _ in shown_by(hass, device)}
    if not devices:
        return []
    registry = dr.async_get(hass)
    entry_id = getattr(device, "config_entry_id", None)
    if entry_id is not None:
        for other in dr.async_entries_for_config_entry(registry, entry_id):
            devices.setdefault(other.id)
    entities = er.async_get(hass)
    return [
        entity
        for device_id in devices
        for entity in er.async_entries_for_device(
            entities, device_id, include_disabled_entities=True
        )
        if entity.platform != DOMAIN
    ]


def most(
    found: Iterable[er.RegistryEntry], first: Iterable[str] = ()
) -> Iterator[er.RegistryEntry]:
    """Yield as many as are looked at, none that is disabled; those with these ids before others."""
    wanted = set(first)
    listed = [one for one in found if one.disabled_by is None]
    listed.sort(key=lambda one: one.id not in wanted)
    yield from listed[:MAX_ENTITIES]


@callback
def described(hass: HomeAssistant, entity: er.RegistryEntry) -> MatchEntity:
    """Return an entity as the registries have it: named by who made it, not by people."""
    capabilities = entity.capabilities or {}
    options = capabilities.get("options")
    state_class = capabilities.get("state_class")
    return MatchEntity(
        entity_id=entity.entity_id,
        name=entity.original_name or "",
        device=device_name(hass, entity.device_id),
        platform=entity.platform,
        device_class=entity.device_class or entity.original_device_class,
        unit=entity.unit_of_measurement,
        state_class=None if state_class is None else str(state_class),
        options=tuple(map(str, options)) if isinstance(options, list | tuple) else (),
        translation_key=entity.translation_key or "",
        unique_id=str(entity.unique_id),
        states=tuple(_now(hass, entity.entity_id)),
    )


def device_name(hass: HomeAssistant, device_id: str | None) -> str:
    """Return how a device is called by who made it."""
    device = dr.async_get(hass).async_get(device_id) if device_id else None
    return (device.name if device is not None else None) or ""


def _now(hass: HomeAssistant, entity_id: str) -> Iterator[MatchState]:
    if (state := hass.states.get(entity_id)) is not None:
        yield MatchState(at=state.last_changed.timestamp(), state=state.state)


async def async_with_past(hass: HomeAssistant, entities: list[MatchEntity]) -> list[MatchEntity]:
    """Return entities with what the recorder keeps of them, as far as there is one."""
    if "recorder" not in hass.config.components or not entities:
        return entities
    try:
        past = await get_instance(hass).async_add_executor_job(
            _past, hass, [one.entity_id for one in entities]
        )
    except (SQLAlchemyError, HomeAssistantError, RuntimeError) as err:
        # Starting, stopping, moving its files: it is asked again the next time.
        _LOGGER.debug("The recorder did not answer: %s", type(err).__name__)
        return entities
    return [replace(one, states=(*past.get(one.entity_id, ()), *one.states)) for one in entities]


def _past(hass: HomeAssistant, entity_ids: list[str]) -> dict[str, list[MatchState]]:
    """Read the past of entities; blocks."""
    most_of_one = MAX_STATES // len(entity_ids)
    return {one: _past_of(hass, one, most_of_one) for one in entity_ids}


def _past_of(hass: HomeAssistant, entity_id: str, most_states: int) -> list[MatchState]:
    """Read day by day, from now on backwards: the recorder's own limit keeps the oldest."""
    until = dt_util.utcnow() + timedelta(minutes=1)
    days: list[list[State]] = []
    count = 0
    for back in range(PAST_DAYS):
        found = history.state_changes_during_period(
            hass,
            until - DAY,
            until,
            entity_id,
            no_attributes=True,
            limit=most_states,
            include_start_time_state=back == PAST_DAYS - 1,
        ).get(entity_id, [])
        until -= DAY
        days.append(found)
        count += len(found)
        if count >= most_states:
            break
    return [
        MatchState(at=one.last_changed.timestamp(), state=one.state)
        for found in reversed(days)
        for one in found
    ]


def points(seen: Iterable[DataPoint], samples: Samples, entities: int) -> list[MatchPoint]:
    """Return what was seen of data points that may be shown somewhere; not for the event loop."""
    told = [
        one
        for one in seen
        if one.category not in _NO_VALUE and not one.field.path.startswith(_OUTSIDE)
    ]
    return [
        MatchPoint(
            id=one.id,
            path=one.field.path,
            siblings=one.field.siblings,
            template=one.template,
            samples=samples.of(one.id),
            is_marked=bool(one.sensitive - {Sensitive.NETWORK}),
        )
        for one in told[: MAX_PAIRS // max(1, entities)]
    ]
