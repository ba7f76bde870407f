"""The lockdown: everything is denied at once, and afterwards exactly what was is back."""

import asyncio
from unittest.mock import patch

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.const import EntityCategory
from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    label_registry as lr,
)
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.model import Level
from tests.common import FRIDGE, Home
from tests.facts import call, consent, decide, given, hub, refused, state


@pytest.fixture
async def lockdown(home: Home) -> str:
    """The lockdown switch of a home where the temperature is given and was reported."""
    await home.report()
    await decide(home, "Temperature")
    return hub(home, "switch", "lockdown")


async def test_it_denies_everything_and_gives_back_exactly_what_was(home: Home, lockdown) -> None:
    await decide(home, "Humidity", level=Level.COARSE, seconds=900)
    before = consent(home, "Temperature"), consent(home, "Humidity")
    await home.report()
    leaving = [("/fridge", {"temperature": 4.5, "humidity": 60})]
    assert home.cloud.received == leaving

    await call(home, "switch.turn_on", lockdown)
    assert state(home, lockdown).state == "on"
    await home.report()
    assert home.cloud.received == leaving
    await home.reload()
    assert state(home, lockdown).state == "on"
    await home.report()
    assert home.cloud.received == leaving

    await call(home, "switch.turn_off", lockdown)
    assert state(home, lockdown).state == "off"
    assert (consent(home, "Temperature"), consent(home, "Humidity")) == before
    await home.report()
    assert home.cloud.received == leaving * 2


async def test_it_stands_over_what_is_let_through(home: Home, lockdown) -> None:
    await call(home, "button.press", home.entity("button", "let_through_15"))
    await home.report()
    assert len(home.cloud.received) == 1
    await call(home, "switch.turn_on", lockdown)
    await home.report()
    assert len(home.cloud.received) == 1


async def test_it_is_the_firewalls_own_and_no_control(home: Home, lockdown) -> None:
    entry = er.async_get(home.hass).async_get(lockdown)
    assert entry is not None
    assert entry.entity_category is EntityCategory.CONFIG
    assert entry.config_subentry_id is None
    device = dr.async_get(home.hass).async_get(entry.device_id)
    assert device is not None
    assert device.name == "Privacy Firewall"
    assert lockdown == "switch.privacy_firewall_lockdown"
    for assistant in KNOWN_ASSISTANTS:
        assert not async_should_expose(home.hass, assistant, lockdown)


@pytest.mark.parametrize("action", ["switch.turn_on", "homeassistant.turn_on"])
async def test_anything_may_turn_it_on(home: Home, lockdown, action, hass_read_only_user) -> None:
    hass_read_only_user.mock_policy({"entities": True})
    home.hass.config_entries.async_update_entry(
        home.entry, options={"who_may_grant": "administrators"}
    )
    other = home.switch("Temperature")
    context = Context(user_id=hass_read_only_user.id)
    with pytest.raises(HomeAssistantError):
        await call(home, "switch.turn_on", home.switch("Humidity"), context=context)
    await call(home, action, [lockdown], context=Context(user_id=hass_read_only_user.id))
    assert state(home, lockdown).state == "on"
    assert home.is_on(other), "a consent is no less given"
    await refused(
        "grant_by_administrators_only",
        call(home, "switch.turn_off", lockdown, context=Context(user_id=hass_read_only_user.id)),
    )
    assert state(home, lockdown).state == "on"


async def test_everything_turned_on_turns_it_on_and_grants_nothing(home: Home, lockdown) -> None:
    with pytest.raises(HomeAssistantError):
        await call(home, "switch.turn_on", "all")
    assert state(home, lockdown).state == "on"
    assert given(home) == ["Temperature"]


@pytest.mark.parametrize("action", ["switch.turn_off", "switch.toggle", "homeassistant.turn_off"])
async def test_it_is_ended_by_its_own_name_only(home: Home, lockdown, action) -> None:
    await call(home, "switch.turn_on", lockdown)
    label = lr.async_get(home.hass).async_create("Everything")
    er.async_get(home.hass).async_update_entity(lockdown, labels={label.label_id})
    domain, _, service = action.partition(".")
    await refused(
        "lockdown_not_named",
        home.hass.services.async_call(domain, service, {"label_id": label.label_id}, blocking=True),
    )
    assert state(home, lockdown).state == "on"
    await home.report()
    assert home.cloud.received == []
    await call(home, action, lockdown)
    assert state(home, lockdown).state == "off"


async def test_all_switches_turned_off_withdraw_but_do_not_end_it(home: Home, lockdown) -> None:
    await call(home, "switch.turn_on", lockdown)
    with pytest.raises(HomeAssistantError):
        await call(home, "switch.turn_off", "all")
    assert state(home, lockdown).state == "on"
    assert given(home) == []


async def test_a_scene_does_not_end_it(home: Home, lockdown) -> None:
    assert await async_setup_component(home.hass, "scene", {})
    await home.hass.services.async_call(
        "scene",
        "create",
        {"scene_id": "before", "snapshot_entities": [lockdown]},
        blocking=True,
    )
    await call(home, "switch.turn_on", lockdown)
    await refused("grant_by_scene", call(home, "scene.turn_on", "scene.before"))
    assert state(home, lockdown).state == "on"


async def test_its_end_and_a_consent_are_two(home: Home, lockdown) -> None:
    await call(home, "switch.turn_on", lockdown)
    context = Context()
    await call(home, "switch.turn_off", lockdown, context=context)
    await refused(
        "grant_of_many", call(home, "switch.turn_on", home.switch("Humidity"), context=context)
    )
    assert given(home) == ["Temperature"]
    assert state(home, lockdown).state == "on"


async def test_on_wins_over_an_off_that_is_being_recorded(home: Home, lockdown) -> None:
    await call(home, "switch.turn_on", lockdown)
    consents = home.household.firewall.consents
    take = consents.measures.take
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*args, **kwargs):
        started.set()
        await go_on.wait()
        return await take(*args, **kwargs)

    with patch.object(consents.measures, "take", slow):
        off = home.hass.async_create_task(home.turn("turn_off", lockdown))
        await started.wait()
        on = home.hass.async_create_task(home.turn("turn_on", lockdown))
        for _ in range(5):
            await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(off, on)
    assert state(home, lockdown).state == "on"
    await home.report()
    assert home.cloud.received == []


async def test_it_holds_where_it_cannot_be_recorded(home: Home, lockdown) -> None:
    measures = home.household.firewall.consents.measures
    with (
        patch.object(measures, "take", side_effect=StorageError("disk full")),
        pytest.raises(HomeAssistantError) as raised,
    ):
        await call(home, "switch.turn_on", lockdown)
    assert raised.value.translation_key == "lockdown_not_recorded"
    assert state(home, lockdown).state == "on"
    await home.report()
    assert home.cloud.received == []


async def test_an_end_that_cannot_be_recorded_is_none(home: Home, lockdown) -> None:
    await call(home, "switch.turn_on", lockdown)
    measures = home.household.firewall.consents.measures
    with (
        patch.object(measures, "take", side_effect=StorageError("disk full")),
        pytest.raises(HomeAssistantError),
    ):
        await call(home, "switch.turn_off", lockdown)
    assert state(home, lockdown).state == "on"
    await home.report()
    assert home.cloud.received == []


async def test_it_follows_what_is_done_by_other_means(home: Home, lockdown) -> None:
    decisions = home.household.decisions
    await decisions.async_lock_down(on=True, how="action", context=Context(), entity_id=None)
    assert state(home, lockdown).state == "on"
    await decisions.async_lock_down(on=False, how="action", context=Context(), entity_id=None)
    assert state(home, lockdown).state == "off"
    assert home.sensor("protection", by=FRIDGE).state == "protected"
