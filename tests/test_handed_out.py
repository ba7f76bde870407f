"""What Home Assistant itself hands to assistants, with the real exposure and the real Assist.

Home Assistant Cloud cannot run here: it is stood in for by an object with its account and
preferences, which is all that is asked of it.
"""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.components.homeassistant.const import DATA_EXPOSED_ENTITIES
from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_expose_entity,
    async_should_expose,
)
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED, EntityCategory
from homeassistant.core import Context, CoreState, Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.const import DOMAIN, EVENT_EXPOSURE
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.watched import MAX_PER_DEVICE
from tests.common import FRIDGE, Cloud, Home, a_device, a_home, configuration
from tests.facts import call, refused, state

ASSIST = "conversation"
ALEXA = "cloud.alexa"
WATCHED = {"enabled": True, "entities": []}


@pytest.fixture
async def conversation(hass: HomeAssistant) -> None:
    """Assist, and a configuration file that says nothing."""
    configuration(hass)
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, ASSIST, {})


@pytest.fixture
async def kitchen(hass: HomeAssistant, cloud: Cloud, conversation: None) -> AsyncIterator[Home]:
    """A home whose fridge is linked with a device that has a door."""
    device = a_device(hass)
    register(hass, device, "door")
    async with a_home(hass, cloud, handed_out=WATCHED) as home:
        await home.change(FRIDGE, device_id=device.id)
        yield home


@pytest.fixture
def anna(hass_admin_user: User) -> User:
    return hass_admin_user


def register(
    hass: HomeAssistant, device: dr.DeviceEntry, name: str, **more: Any
) -> er.RegistryEntry:
    """An entity of another integration."""
    return er.async_get(hass).async_get_or_create(
        more.pop("domain", "binary_sensor"),
        "vendor",
        name,
        device_id=device.id,
        original_name=name.capitalize(),
        **more,
    )


def switch(home: Home, entity_id: str, assistant: str = ASSIST) -> str:
    """The switch of an entity and an assistant."""
    registry = er.async_get(home.hass)
    entity = registry.async_get(entity_id)
    assert entity is not None
    unique_id = f"{home.entry.entry_id}_exposure_{entity.id}_{assistant}"
    found = registry.async_get_entity_id("switch", DOMAIN, unique_id)
    assert found is not None, f"no switch for {entity_id}"
    return found


def switches(home: Home) -> set[str]:
    registered = er.async_entries_for_config_entry(er.async_get(home.hass), home.entry.entry_id)
    return {one.entity_id for one in registered if one.translation_key == "exposure"}


def door(home: Home) -> str:
    found = er.async_get(home.hass).async_get_entity_id("binary_sensor", "vendor", "door")
    assert found is not None
    return found


def device_of(home: Home) -> dr.DeviceEntry:
    """The device that the door is on."""
    entity = er.async_get(home.hass).async_get(door(home))
    assert entity is not None
    device = dr.async_get(home.hass).async_get(entity.device_id or "")
    assert isinstance(device, dr.DeviceEntry)
    return device


async def on(home: Home, entity_id: str, user: User) -> None:
    await call(home, "switch.turn_on", entity_id, context=Context(user_id=user.id))


async def told(home: Home) -> list[tuple[str, str, str]]:
    """What is on record, oldest first: assistant, state, how."""
    records = await home.household.firewall.exposures.history()
    return [(one.assistant, one.state.value, one.how) for one in records]


def issue(home: Home) -> ir.IssueEntry | None:
    return ir.async_get(home.hass).async_get_issue(DOMAIN, "exposed_elsewhere")


def expose(home: Home, entity_id: str, *, on: bool, assistant: str = ASSIST) -> None:
    """As Home Assistant's own settings do it."""
    async_expose_entity(home.hass, assistant, entity_id, on)


async def test_a_person_gives_it_and_anybody_takes_it(kitchen: Home, anna: User) -> None:
    ours = switch(kitchen, door(kitchen))
    assert state(kitchen, ours).state == "off"
    await on(kitchen, ours, anna)
    shown = state(kitchen, ours)
    assert (shown.state, shown.attributes["by"], shown.attributes["person"]) == (
        "on", "us", anna.id,
    )  # fmt: skip
    assert async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    await call(kitchen, "switch.turn_off", ours)
    assert state(kitchen, ours).state == "off"
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    assert await told(kitchen) == [(ASSIST, "given", "switch"), (ASSIST, "withdrawn", "switch")]
    assert issue(kitchen) is None


async def test_the_switch_is_on_the_entitys_device_and_not_exposed(kitchen: Home) -> None:
    ours = er.async_get(kitchen.hass).async_get(switch(kitchen, door(kitchen)))
    watched = er.async_get(kitchen.hass).async_get(door(kitchen))
    assert ours is not None
    assert watched is not None
    assert ours.device_id == watched.device_id
    assert ours.entity_category is EntityCategory.CONFIG
    assert state(kitchen, ours.entity_id).name == "Kitchen fridge Door → Assist"
    for assistant in KNOWN_ASSISTANTS:
        assert not async_should_expose(kitchen.hass, assistant, ours.entity_id)


async def test_an_exposure_made_elsewhere_is_shown_told_once_and_not_adopted(
    kitchen: Home,
) -> None:
    heard: list[str] = []

    @callback
    def hear(event: Event[Any]) -> None:
        heard.append(event.data["state"])

    kitchen.hass.bus.async_listen(EVENT_EXPOSURE, hear)
    expose(kitchen, door(kitchen), on=True)
    await kitchen.hass.async_block_till_done()
    shown = state(kitchen, switch(kitchen, door(kitchen)))
    assert (shown.state, shown.attributes["by"], shown.attributes["state"]) == (
        "on", "elsewhere", "elsewhere",
    )  # fmt: skip
    raised = issue(kitchen)
    assert raised is not None
    assert raised.translation_placeholders == {"number": "1", "entities": "- Door → Assist"}
    ir.async_ignore_issue(kitchen.hass, DOMAIN, "exposed_elsewhere", ignore=True)
    await kitchen.reload()
    kept = issue(kitchen)
    assert kept is not None
    assert kept.dismissed_version is not None
    assert kept.is_persistent
    assert await told(kitchen) == [(ASSIST, "elsewhere", "elsewhere")]
    expose(kitchen, door(kitchen), on=False)
    await kitchen.hass.async_block_till_done()
    assert issue(kitchen) is None
    assert heard == ["elsewhere", "ended"]


async def test_what_is_told_of_exposures_stays_true(kitchen: Home) -> None:
    other = register(kitchen.hass, device_of(kitchen), "milk")
    for entity_id in (door(kitchen), other.entity_id):
        expose(kitchen, entity_id, on=True)
    await kitchen.hass.async_block_till_done()
    await kitchen.turn("turn_off", switch(kitchen, door(kitchen)))
    raised = issue(kitchen)
    assert raised is not None
    assert raised.translation_placeholders == {"number": "1", "entities": "- Milk → Assist"}


async def test_an_assistants_own_default_is_elsewhere(kitchen: Home) -> None:
    kitchen.hass.data[DATA_EXPOSED_ENTITIES].async_set_expose_new_entities(ASSIST, True)
    device = device_of(kitchen)
    new = register(kitchen.hass, device, "lamp", domain="light")
    await kitchen.hass.async_block_till_done()
    shown = state(kitchen, switch(kitchen, new.entity_id))
    assert (shown.state, shown.attributes["by"]) == ("on", "elsewhere")
    assert issue(kitchen) is not None
    assert await told(kitchen) == [(ASSIST, "elsewhere", "elsewhere")]


async def test_what_is_gone_is_not_told_of_any_longer(kitchen: Home) -> None:
    expose(kitchen, door(kitchen), on=True)
    await kitchen.hass.async_block_till_done()
    assert issue(kitchen) is not None
    er.async_get(kitchen.hass).async_remove(door(kitchen))
    await kitchen.hass.async_block_till_done()
    assert issue(kitchen) is None


async def test_while_home_assistant_starts_nothing_is_taken_for_stopped(kitchen: Home) -> None:
    expose(kitchen, door(kitchen), on=True)
    await kitchen.hass.async_block_till_done()
    assert await kitchen.hass.config_entries.async_unload(kitchen.entry.entry_id)
    kitchen.hass.set_state(CoreState.not_running)
    # Not loaded yet.
    kitchen.hass.config.components.remove(ASSIST)
    assert await kitchen.hass.config_entries.async_setup(kitchen.entry.entry_id)
    await kitchen.hass.async_block_till_done()
    assert issue(kitchen) is not None
    assert kitchen.household.handed_out.exporting is None
    assert state(kitchen, switch(kitchen, door(kitchen))).state == "unavailable"
    kitchen.hass.config.components.add(ASSIST)
    kitchen.hass.set_state(CoreState.running)
    kitchen.hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await kitchen.hass.async_block_till_done()
    assert state(kitchen, switch(kitchen, door(kitchen))).attributes["by"] == "elsewhere"
    assert [one[1] for one in await told(kitchen)] == ["elsewhere"]


async def test_what_was_given_and_is_stopped_elsewhere_is_withdrawn_for_good(
    kitchen: Home, anna: User
) -> None:
    ours = switch(kitchen, door(kitchen))
    await on(kitchen, ours, anna)
    expose(kitchen, door(kitchen), on=False)
    await kitchen.hass.async_block_till_done()
    assert state(kitchen, ours).state == "off"
    assert (await told(kitchen))[-1] == (ASSIST, "withdrawn", "elsewhere")
    await kitchen.reload()
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    # Exposed again by somebody, it is theirs: the consent from before does not come back.
    expose(kitchen, door(kitchen), on=True)
    await kitchen.hass.async_block_till_done()
    assert state(kitchen, ours).attributes["by"] == "elsewhere"


async def test_what_was_stopped_while_we_were_off_is_not_exposed_again(
    kitchen: Home, anna: User
) -> None:
    await on(kitchen, switch(kitchen, door(kitchen)), anna)
    assert await kitchen.hass.config_entries.async_unload(kitchen.entry.entry_id)
    expose(kitchen, door(kitchen), on=False)
    assert await kitchen.hass.config_entries.async_setup(kitchen.entry.entry_id)
    await kitchen.hass.async_block_till_done()
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    assert (await told(kitchen))[-1] == (ASSIST, "withdrawn", "elsewhere")
    assert state(kitchen, switch(kitchen, door(kitchen))).state == "off"


async def test_only_a_person_turns_it_on(kitchen: Home, anna: User) -> None:
    ours = switch(kitchen, door(kitchen))
    await refused("exposure_by_person_only", call(kitchen, "switch.turn_on", ours))
    of_person = Context(user_id=anna.id)
    for context in (
        Context(parent_id=of_person.id),
        Context(parent_id=of_person.id, user_id=anna.id),
    ):
        await refused(
            "exposure_by_person_only", call(kitchen, "switch.turn_on", ours, context=context)
        )
    assert await async_setup_component(
        kitchen.hass,
        "script",
        {"script": {"say": {"sequence": [
            {"action": "switch.turn_on", "target": {"entity_id": ours}}
        ]}}},
    )  # fmt: skip
    await refused(
        "exposure_by_person_only",
        kitchen.hass.services.async_call(
            "script", "say", {}, blocking=True, context=Context(user_id=anna.id)
        ),
    )
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    assert await told(kitchen) == []


async def test_many_at_once_turn_nothing_on(kitchen: Home, anna: User) -> None:
    device = device_of(kitchen)
    light = register(kitchen.hass, device, "light", domain="light", entity_category=None)
    expose(kitchen, light.entity_id, on=False)
    await kitchen.hass.async_block_till_done()
    both = [switch(kitchen, door(kitchen)), switch(kitchen, light.entity_id)]
    context = Context(user_id=anna.id)
    await refused("grant_of_many", call(kitchen, "switch.turn_on", both, context=context))
    everything = Context(user_id=anna.id)
    with pytest.raises(HomeAssistantError):
        await call(kitchen, "switch.turn_on", "all", context=everything)
    for entity_id in (door(kitchen), light.entity_id):
        assert not async_should_expose(kitchen.hass, ASSIST, entity_id)
    await call(kitchen, "switch.turn_off", both)


async def test_what_cannot_be_recorded_is_not_exposed_but_stopped_all_the_same(
    kitchen: Home, anna: User
) -> None:
    ours = switch(kitchen, door(kitchen))
    exposures = kitchen.household.firewall.exposures
    with patch.object(exposures, "record", side_effect=StorageError):
        with pytest.raises(HomeAssistantError) as raised:
            await on(kitchen, ours, anna)
        assert raised.value.translation_key == "grant_not_recorded"
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    await on(kitchen, ours, anna)
    with patch.object(exposures, "record", side_effect=StorageError):
        with pytest.raises(HomeAssistantError) as raised:
            await call(kitchen, "switch.turn_off", ours)
        assert raised.value.translation_key == "withdrawal_not_recorded"
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    assert state(kitchen, ours).state == "off"
    # Recorded later, as what it was.
    kitchen.household.handed_out.async_update()
    await kitchen.hass.async_block_till_done()
    assert (await told(kitchen))[-1] == (ASSIST, "withdrawn", "switch")


async def test_it_is_stopped_at_once_whatever_is_being_recorded(kitchen: Home, anna: User) -> None:
    hatch = register(kitchen.hass, device_of(kitchen), "hatch").entity_id
    await kitchen.hass.async_block_till_done()
    ours, other = switch(kitchen, door(kitchen)), switch(kitchen, hatch)
    await on(kitchen, ours, anna)
    exposures = kitchen.household.firewall.exposures
    goes_on, record = asyncio.Event(), exposures.record

    async def slow(*args: Any, **kwargs: Any) -> Any:
        await goes_on.wait()
        return await record(*args, **kwargs)

    with patch.object(exposures, "record", slow):
        giving = kitchen.hass.async_create_task(on(kitchen, other, anna))
        await asyncio.sleep(0.05)
        taking = kitchen.hass.async_create_task(
            kitchen.hass.services.async_call(
                "switch", "turn_off", {"entity_id": ours}, blocking=True
            )
        )
        await asyncio.sleep(0.05)
        meanwhile = [
            async_should_expose(kitchen.hass, ASSIST, one) for one in (door(kitchen), hatch)
        ]
        goes_on.set()
        await asyncio.gather(giving, taking)
    assert meanwhile == [False, False]
    assert async_should_expose(kitchen.hass, ASSIST, hatch)
    assert [one[1] for one in await told(kitchen)] == ["given", "given", "withdrawn"]


async def test_turned_off_while_it_is_being_given_it_is_off(kitchen: Home, anna: User) -> None:
    ours = switch(kitchen, door(kitchen))
    exposures = kitchen.household.firewall.exposures
    goes_on, record = asyncio.Event(), exposures.record

    async def slow(*args: Any, **kwargs: Any) -> Any:
        await goes_on.wait()
        return await record(*args, **kwargs)

    with patch.object(exposures, "record", slow):
        giving = kitchen.hass.async_create_task(on(kitchen, ours, anna))
        await asyncio.sleep(0.05)
        taking = kitchen.hass.async_create_task(
            kitchen.hass.services.async_call(
                "switch", "turn_off", {"entity_id": ours}, blocking=True
            )
        )
        await asyncio.sleep(0.05)
        goes_on.set()
        await asyncio.gather(giving, taking)
    await kitchen.hass.async_block_till_done()
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    assert [one[1] for one in await told(kitchen)] == ["given", "withdrawn"]


async def test_nothing_is_there_before_the_household_wants_it(kitchen: Home) -> None:
    assert switches(kitchen)
    expose(kitchen, door(kitchen), on=True)
    await kitchen.hass.async_block_till_done()
    await kitchen.choose(handed_out={"enabled": False, "entities": []})
    assert switches(kitchen) == set()
    assert issue(kitchen) is None
    # And what is exposed is left as it is.
    assert async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    await kitchen.reload()
    assert switches(kitchen) == set()
    await kitchen.choose(handed_out={"enabled": "yes", "entities": 5})
    assert switches(kitchen) == set()


async def test_so_many_of_a_device_are_watched_or_those_that_were_picked(kitchen: Home) -> None:
    device = device_of(kitchen)
    many = [register(kitchen.hass, device, f"z{one:03}") for one in range(MAX_PER_DEVICE + 5)]
    setting = register(kitchen.hass, device, "mode", entity_category=EntityCategory.CONFIG)
    await kitchen.hass.async_block_till_done()
    assert len(switches(kitchen)) == MAX_PER_DEVICE
    assert kitchen.household.handed_out.left_out == 6
    picked = [many[-1].id, setting.id, "gone"]
    await kitchen.choose(handed_out={"enabled": True, "entities": picked})
    assert switches(kitchen) == {
        switch(kitchen, many[-1].entity_id),
        switch(kitchen, setting.entity_id),
    }


async def test_readings_on_a_device_of_our_own_have_switches_too(
    hass: HomeAssistant, cloud: Cloud, conversation: None, anna: User
) -> None:
    async with a_home(hass, cloud, handed_out=WATCHED) as home:
        await home.report()
        ours = switch(home, home.sensor("Temperature").entity_id)
        assert state(home, ours).state == "off"
        registered = er.async_get(hass).async_get(ours)
        assert registered is not None
        assert registered.config_subentry_id == home.subentry(FRIDGE).subentry_id
        await on(home, ours, anna)
        # Linked with another device, the readings move there, and so do their switches.
        device = a_device(hass)
        await home.change(FRIDGE, device_id=device.id)
        moved = er.async_get(hass).async_get(ours)
        assert moved is not None
        assert moved.device_id == device.id
        assert (state(home, ours).state, state(home, ours).attributes["by"]) == ("on", "us")
        await home.remove(FRIDGE)
        assert switches(home) == set()


async def test_a_renamed_entity_keeps_its_record_and_one_that_is_gone_its_past(
    kitchen: Home, anna: User
) -> None:
    ours = switch(kitchen, door(kitchen))
    await on(kitchen, ours, anna)
    er.async_get(kitchen.hass).async_update_entity(
        door(kitchen), new_entity_id="binary_sensor.hatch", name="Hatch"
    )
    await kitchen.hass.async_block_till_done()
    shown = state(kitchen, ours)
    assert (shown.state, shown.attributes["by"]) == ("on", "us")
    assert shown.name == "Kitchen fridge Hatch → Assist"
    await call(kitchen, "switch.turn_off", ours)
    assert not async_should_expose(kitchen.hass, ASSIST, "binary_sensor.hatch")
    er.async_get(kitchen.hass).async_remove("binary_sensor.hatch")
    await kitchen.hass.async_block_till_done()
    assert switches(kitchen) == set()
    assert len(await told(kitchen)) == 2


async def test_assistants_of_the_cloud_are_there_while_they_are_enabled(
    kitchen: Home, anna: User
) -> None:
    preferences = SimpleNamespace(alexa_enabled=True, google_enabled=False)
    cloud = SimpleNamespace(is_logged_in=True, client=SimpleNamespace(prefs=preferences))
    handed_out = kitchen.household.handed_out
    assert [one.id for one in handed_out.assistants] == [ASSIST]
    kitchen.hass.data["cloud"] = cloud
    handed_out.async_update()
    await kitchen.hass.async_block_till_done()
    assert [one.id for one in handed_out.assistants] == [ALEXA, ASSIST]
    ours = switch(kitchen, door(kitchen), ALEXA)
    assert state(kitchen, ours).name == "Kitchen fridge Door → Alexa (via Home Assistant Cloud)"
    await on(kitchen, ours, anna)
    assert async_should_expose(kitchen.hass, ALEXA, door(kitchen))
    assert not async_should_expose(kitchen.hass, ASSIST, door(kitchen))
    # What is exposed to one that is off cannot be told; nothing is changed or recorded by that.
    cloud.is_logged_in = False
    handed_out.async_update()
    await kitchen.hass.async_block_till_done()
    assert state(kitchen, ours).state == "unavailable"
    assert [one[1] for one in await told(kitchen)] == ["given"]
    del kitchen.hass.data["cloud"]


async def test_a_filter_in_the_file_counts_instead_of_the_exposure(
    hass: HomeAssistant, cloud: Cloud, conversation: None
) -> None:
    configuration(hass, "cloud:\n  alexa:\n    filter:\n      include_domains: [light]\n")
    hass.data["cloud"] = SimpleNamespace(
        is_logged_in=True,
        client=SimpleNamespace(prefs=SimpleNamespace(alexa_enabled=True, google_enabled=True)),
    )
    async with a_home(hass, cloud, handed_out=WATCHED) as home:
        assert [one.id for one in home.household.handed_out.assistants] == [
            "cloud.google_assistant", ASSIST,
        ]  # fmt: skip
    del hass.data["cloud"]
