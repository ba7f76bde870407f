"""What tests of entities do beside reporting: read the firewall's own, press, choose, wait."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Context, Event, State, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import Consent, ConsentState, Decider
from tests.common import FROSTLINE, Home
from tests.house import read_json


def hub(home: Home, platform: str, key: str) -> str:
    """An entity of the firewall itself."""
    unique_id = f"{home.entry.entry_id}_{key}"
    found = er.async_get(home.hass).async_get_entity_id(platform, DOMAIN, unique_id)
    assert found is not None, f"no {platform} with {key}"
    return found


def state(home: Home, entity_id: str) -> State:
    """The state of an entity that is there."""
    found = home.hass.states.get(entity_id)
    assert found is not None
    return found


async def call(home: Home, action: str, entity_ids: str | list[str], **data: Any) -> None:
    """Call an action of Home Assistant; a `context` goes along."""
    domain, _, service = action.partition(".")
    more = {"context": data.pop("context")} if "context" in data else {}
    await home.hass.services.async_call(
        domain, service, {"entity_id": entity_ids, **data}, blocking=True, **more
    )
    await home.hass.async_block_till_done()


async def refused(key: str, calling: Any) -> None:
    """Await a call that is refused for a reason that has its text."""
    with pytest.raises(ServiceValidationError) as raised:
        await calling
    assert raised.value.translation_key == key
    assert key in read_json("translations/en.json")["exceptions"]


async def by_automation(home: Home, how: str, entity_id: str) -> None:
    """Turn a switch on or off as an automation does that nobody's act led to."""
    home.hass.bus.async_fire("automation_triggered", {}, context=(run := Context()))
    await home.hass.async_block_till_done()
    await home.turn(how, entity_id, context=run)


async def wait(home: Home, freezer: Any, seconds: float) -> None:
    """Let time pass, for clocks and timers."""
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(seconds=1))
    await home.hass.async_block_till_done()


async def enable(home: Home, *entity_ids: str) -> None:
    """Enable entities that are off in the registry."""
    for entity_id in entity_ids:
        entry = er.async_get(home.hass).async_get(entity_id)
        assert entry is not None
        assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION
        assert home.hass.states.get(entity_id) is None
        er.async_get(home.hass).async_update_entity(entity_id, disabled_by=None)
    await home.reload()


async def decide(home: Home, name: str, kind: str = "given", **how: Any) -> None:
    """Decide about a data point of the fridge, as the engine is told."""
    pair = home.point(name), home.subentry(FROSTLINE).subentry_id
    await home.household.firewall.decide([pair], ConsentState(kind), Decider(how="test"), **how)
    await home.hass.async_block_till_done()


def consent(home: Home, name: str, to: str = FROSTLINE) -> Consent | None:
    """The newest decision about a data point of the fridge."""
    return home.household.firewall.consent(home.point(name), home.subentry(to).subentry_id)


def given(home: Home) -> list[str]:
    """The names of what may pass now, of all appliances and recipients."""
    firewall = home.household.firewall
    points = [
        firewall.data_point(c.data_point_id) for c in firewall.decided() if firewall.is_in_force(c)
    ]
    return sorted(point.name for point in points if point is not None)


def written(home: Home) -> tuple[list[str], Callable[[], None]]:
    """A list of the entities whose state is written from now on, and how to stop.

    Also of those that write the state they have.
    """
    ids: list[str] = []

    @callback
    def note(event: Event[Any]) -> None:
        ids.append(event.data["entity_id"])

    @callback
    def is_any(_: Any) -> bool:
        return True

    stops = [
        home.hass.bus.async_listen(one, note, event_filter=is_any)
        for one in (EVENT_STATE_CHANGED, EVENT_STATE_REPORTED)
    ]

    def stop() -> None:
        for one in stops:
            one()

    return ids, stop
