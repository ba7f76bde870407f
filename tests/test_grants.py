"""Nothing is granted by accident: not many at once, not by a group, a label or a scene.

Each test calls real actions of real integrations, and looks at what the switches say afterwards.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.core import Context, Event, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er, label_registry as lr
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall import grants
from tests.common import ADLENS, FROSTLINE, Home
from tests.house import read_json

NAMES = ("Temperature", "Humidity", "Door open")


@pytest.fixture
async def switches(home: Home) -> list[str]:
    """Three consent switches, all off."""
    await home.report()
    return [home.switch(name) for name in NAMES]


def given(home: Home) -> list[str]:
    """The names of what is consented, as the engine says."""
    fridge, frostline = (home.subentry(one).subentry_id for one in ("Fridge", FROSTLINE))
    firewall = home.household.firewall
    given = []
    for point in firewall.data_points(fridge):
        consent = firewall.consent(point.id, frostline)
        state = home.hass.states.get(home.switch(point.name)) if point.name in NAMES else None
        assert state is None or (state.state == "on") is bool(consent and consent.in_force)
        if consent is not None and consent.in_force:
            given.append(point.name)
    return given


async def call(home: Home, action: str, data: dict[str, Any], **more: Any) -> None:
    domain, _, service = action.partition(".")
    await home.hass.services.async_call(domain, service, data, blocking=True, **more)


async def refused(key: str, calling: Awaitable[None]) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await calling
    assert raised.value.translation_key == key
    assert key in read_json("translations/en.json")["exceptions"]


# --- One by one ---


@pytest.mark.parametrize(
    "action", ["switch.turn_on", "switch.toggle", "homeassistant.turn_on", "homeassistant.toggle"]
)
async def test_one_by_its_own_name_is_granted(home: Home, switches, action) -> None:
    await call(home, action, {"entity_id": switches[0]})
    assert given(home) == ["Temperature"]


async def test_one_after_another_is_granted(home: Home, switches) -> None:
    for switch in switches:
        await home.turn("turn_on", switch)
    assert len(given(home)) == 3


async def test_its_name_may_be_written_untidily(home: Home, switches) -> None:
    await call(home, "switch.turn_on", {"entity_id": f" {switches[0].upper()} "})
    assert given(home) == ["Temperature"]


async def test_another_switch_may_be_turned_on_with_it(home: Home, switches) -> None:
    assert await async_setup_component(home.hass, "input_boolean", {"input_boolean": {"lamp": {}}})
    await call(home, "homeassistant.turn_on", {"entity_id": [switches[0], "input_boolean.lamp"]})
    assert given(home) == ["Temperature"]


async def test_turning_on_what_is_on_changes_nothing(home: Home, switches) -> None:
    await home.turn("turn_on", switches[0])
    before = home.household.firewall.consent(
        home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    )
    await home.turn("turn_on", switches[0])
    after = home.household.firewall.consent(
        home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    )
    assert before is after


# --- Many at once ---


@pytest.mark.parametrize(
    "action", ["switch.turn_on", "switch.toggle", "homeassistant.turn_on", "homeassistant.toggle"]
)
@pytest.mark.parametrize("count", [2, 3])
async def test_several_are_refused_all_of_them(home: Home, switches, action, count) -> None:
    await refused("grant_of_many", call(home, action, {"entity_id": switches[:count]}))
    assert given(home) == []


async def test_several_in_one_text_are_refused(home: Home, switches) -> None:
    await refused("grant_of_many", call(home, "switch.turn_on", {"entity_id": ",".join(switches)}))
    assert given(home) == []


@pytest.fixture
def never_on(home: Home, switches: list[str]) -> Iterator[None]:
    """Of what is asked for together, none is granted and taken back: it is never granted."""
    with patch.object(home.household.firewall, "decide") as decided:
        yield
    decided.assert_not_called()


@pytest.mark.usefixtures("never_on")
async def test_several_are_not_given_even_for_a_moment(home: Home, switches) -> None:
    await refused("grant_of_many", home.turn("turn_on", *switches))


async def test_one_beside_an_unavailable_one_is_refused(home: Home, switches) -> None:
    """Two were meant, though Home Assistant asks only one."""
    await home.report(to=ADLENS)
    await home.change(ADLENS, endpoints=["nowhere"])
    other = next(
        one
        for one in home.hass.states.async_entity_ids("switch")
        if home.hass.states.is_state(one, "unavailable")
    )
    await refused("grant_of_many", home.turn("turn_on", switches[0], other))
    assert given(home) == []


@pytest.mark.parametrize("action", ["switch.turn_on", "switch.toggle"])
async def test_all_is_refused(home: Home, switches, action) -> None:
    with pytest.raises(ServiceValidationError):
        await call(home, action, {"entity_id": "all"})
    assert given(home) == []


async def test_all_is_refused_also_where_there_is_one(
    home: Home, switches, entity_registry: er.EntityRegistry
) -> None:
    for entity in er.async_entries_for_config_entry(entity_registry, home.entry.entry_id):
        if entity.domain == "switch" and entity.entity_id != switches[0]:
            entity_registry.async_remove(entity.entity_id)
    await home.hass.async_block_till_done()
    await refused("grant_not_named", call(home, "switch.turn_on", {"entity_id": "all"}))
    assert not home.is_on(switches[0])


@pytest.mark.parametrize("action", ["switch.turn_on", "homeassistant.turn_on", "switch.toggle"])
@pytest.mark.parametrize(("count", "key"), [(1, "grant_not_named"), (2, "grant_of_many")])
async def test_a_label_is_refused(
    home: Home,
    switches,
    entity_registry: er.EntityRegistry,
    label_registry: lr.LabelRegistry,
    *,
    action, count, key,
) -> None:  # fmt: skip
    label = label_registry.async_create("Kitchen things")
    for switch in switches[:count]:
        entity_registry.async_update_entity(switch, labels={label.label_id})
    await refused(key, call(home, action, {"label_id": label.label_id}))
    assert given(home) == []


async def test_a_label_beside_its_name_is_refused(
    home: Home, switches, entity_registry: er.EntityRegistry, label_registry: lr.LabelRegistry
) -> None:
    label = label_registry.async_create("Kitchen things")
    entity_registry.async_update_entity(switches[1], labels={label.label_id})
    calling = call(home, "switch.turn_on", {"entity_id": switches[0], "label_id": label.label_id})
    await refused("grant_of_many", calling)
    assert given(home) == []


@pytest.mark.parametrize("target", ["device_id", "area_id"])
async def test_a_device_or_an_area_does_not_reach_them(
    home: Home, switches, area_registry, device_registry, target
) -> None:
    device = home.household.device(home.subentry("Fridge").subentry_id)
    area = area_registry.async_create("Kitchen")
    device_registry.async_update_device(device.id, area_id=area.id)
    await call(home, "switch.turn_on", {target: device.id if target == "device_id" else area.id})
    assert given(home) == []


@pytest.mark.parametrize(("count", "key"), [(1, "grant_not_named"), (3, "grant_of_many")])
@pytest.mark.parametrize("action", ["homeassistant.turn_on", "switch.turn_on"])
async def test_a_group_is_refused(home: Home, switches, action, count, key) -> None:
    config = {"group": {"things": {"entities": switches[:count]}}}
    assert await async_setup_component(home.hass, "group", config)
    await home.hass.async_block_till_done()
    await refused(key, call(home, action, {"entity_id": "group.things"}))
    assert given(home) == []


@pytest.mark.parametrize(("count", "key"), [(1, "grant_not_named"), (3, "grant_of_many")])
async def test_a_group_that_is_a_switch_is_refused(home: Home, switches, count, key) -> None:
    config = [
        {"platform": "group", "name": "Inner", "entities": switches[:count]},
        {"platform": "group", "name": "Outer", "entities": ["switch.inner"]},
    ]
    assert await async_setup_component(home.hass, "group", {})
    for one in config:
        # The switch component is there already: its platforms are added to it.
        await home.hass.data["switch"].async_setup_platform("group", one)
    await home.hass.async_block_till_done()
    for group in ("switch.inner", "switch.outer"):
        assert home.hass.states.get(group) is not None
        await refused(key, call(home, "switch.turn_on", {"entity_id": group}))
        assert given(home) == []


# --- Scripts and automations ---


async def script(home: Home, *steps: dict[str, Any], **more: Any) -> None:
    config = {"script": {"evening": {"sequence": list(steps)}}}
    assert await async_setup_component(home.hass, "script", config)
    await call(home, "script.evening", {}, **more)


def on(*switches: str) -> dict[str, Any]:
    return {"action": "switch.turn_on", "target": {"entity_id": list(switches)}}


async def test_a_script_may_turn_on_one(home: Home, switches) -> None:
    await script(home, on(switches[0]), on(switches[0]))
    assert given(home) == ["Temperature"]


async def test_a_script_that_turns_on_several_ends_with_none(home: Home, switches) -> None:
    await refused("grant_of_many", script(home, on(switches[0]), on(switches[1])))
    assert given(home) == []


async def test_what_was_given_before_stays(home: Home, switches) -> None:
    """Only what the script itself granted is taken back."""
    await home.turn("turn_on", switches[0])
    await refused("grant_of_many", script(home, on(switches[0]), on(switches[1])))
    assert given(home) == ["Temperature"]


async def test_a_script_that_goes_on_after_errors_ends_with_none(home: Home, switches) -> None:
    await script(home, *({**on(one), "continue_on_error": True} for one in switches))
    assert given(home) == []


async def test_a_script_in_parallel_ends_with_none(home: Home, switches) -> None:
    with pytest.raises(HomeAssistantError):
        await script(home, {"parallel": [on(one) for one in switches]})
    await home.hass.async_block_till_done()
    assert given(home) == []


async def test_a_script_without_waiting_ends_with_none(home: Home, switches) -> None:
    steps = ({"action": "homeassistant.turn_on", "data": {"entity_id": one}} for one in switches)
    with pytest.raises(HomeAssistantError):
        await script(home, *steps)
    await home.hass.async_block_till_done()
    assert given(home) == []


async def test_a_script_may_turn_off_one_and_on_another(home: Home, switches) -> None:
    await home.turn("turn_on", switches[1])
    toggle = {"action": "switch.toggle", "target": {"entity_id": switches[1]}}
    await script(home, toggle, on(switches[0]))
    assert given(home) == ["Temperature"]


async def automate(home: Home, *automations: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    config = [
        {"alias": f"number {n}", "triggers": trigger, "actions": actions}
        for n, (trigger, actions) in enumerate(automations)
    ]
    assert await async_setup_component(home.hass, "automation", {"automation": config})
    await home.hass.async_block_till_done()


BELL = {"trigger": "event", "event_type": "bell"}


async def test_an_automation_may_turn_on_one(home: Home, switches) -> None:
    await automate(home, (BELL, [on(switches[0])]))
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert given(home) == ["Temperature"]


async def test_an_automation_does_not_turn_on_several(home: Home, switches) -> None:
    await automate(home, (BELL, [on(switches[0]), on(switches[1])]))
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert given(home) == []


async def test_an_automation_does_not_follow_a_switch_with_another(home: Home, switches) -> None:
    """The first was meant and stays; what it sets off was not."""
    follow = {"trigger": "state", "entity_id": switches[0], "to": "on"}
    await automate(home, (follow, [on(switches[1])]))
    await home.turn("turn_on", switches[0])
    await home.hass.async_block_till_done()
    assert given(home) == ["Temperature"]


async def test_automations_of_one_event_give_one(home: Home, switches) -> None:
    await automate(home, (BELL, [on(switches[0])]), (BELL, [on(switches[1])]))
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert len(given(home)) <= 1


@pytest.mark.usefixtures("never_on")
async def test_an_intent_for_several_gives_none(home: Home, switches) -> None:
    """As an assistant would that was let at them: one call each, all in one context."""
    context = Context()
    calls = [
        home.hass.async_create_task(home.turn("turn_on", switch, context=context))
        for switch in switches
    ]
    for one in calls:
        await refused("grant_of_many", one)


async def test_one_asked_for_while_another_is_recorded_takes_both_back(
    home: Home, switches
) -> None:
    decide = home.household.firewall.decide
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*args, **kwargs):
        started.set()
        await go_on.wait()
        return await decide(*args, **kwargs)

    context = Context()
    with patch.object(home.household.firewall, "decide", slow):
        first = home.hass.async_create_task(home.turn("turn_on", switches[0], context=context))
        await started.wait()
        await refused("grant_of_many", home.turn("turn_on", switches[1], context=context))
        go_on.set()
        await refused("grant_of_many", first)
    assert given(home) == []


async def test_one_asked_for_while_an_event_is_told_is_granted(home: Home, switches) -> None:
    """The call's own event is told after that one, and after the switch was asked."""

    @callback
    def listen(event: Event) -> None:
        home.hass.async_create_task(home.turn("turn_on", switches[0]), eager_start=True)

    home.hass.bus.async_listen("bell", listen)
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert given(home) == ["Temperature"]


# --- Scenes ---


async def scenes(home: Home, states: dict[str, str]) -> None:
    config = {"scene": [{"name": "Evening", "entities": states}]}
    assert await async_setup_component(home.hass, "scene", config)
    await home.hass.async_block_till_done()


@pytest.mark.parametrize("action", ["scene.turn_on", "homeassistant.turn_on"])
async def test_a_scene_does_not_grant(home: Home, switches, action) -> None:
    await scenes(home, {switches[0]: "on"})
    await refused("grant_by_scene", call(home, action, {"entity_id": "scene.evening"}))
    assert given(home) == []


async def test_a_scene_may_withdraw(home: Home, switches) -> None:
    await home.turn("turn_on", switches[0])
    await scenes(home, {switches[0]: "off"})
    await call(home, "scene.turn_on", {"entity_id": "scene.evening"})
    assert given(home) == []


async def test_an_applied_scene_does_not_grant(home: Home, switches) -> None:
    await scenes(home, {})
    calling = call(home, "scene.apply", {"entities": {switches[0]: "on"}})
    await refused("grant_by_scene", calling)
    assert given(home) == []


async def test_a_snapshot_does_not_grant_again(home: Home, switches) -> None:
    """The danger itself: snapshot before the film, withdraw, restore after it."""
    await scenes(home, {})
    await home.turn("turn_on", switches[0])
    create = {"scene_id": "before", "snapshot_entities": switches}
    await call(home, "scene.create", create)
    await home.hass.async_block_till_done()
    await home.turn("turn_off", switches[0])
    await refused("grant_by_scene", call(home, "scene.turn_on", {"entity_id": "scene.before"}))
    assert given(home) == []


async def test_a_script_with_a_scene_does_not_grant(home: Home, switches) -> None:
    await scenes(home, {switches[0]: "on"})
    await refused("grant_by_scene", script(home, {"scene": "scene.evening"}))
    assert given(home) == []


async def test_what_a_scene_sets_off_does_not_grant(home: Home, switches) -> None:
    booleans = {"input_boolean": {"lamp": {}, "second": {}}}
    assert await async_setup_component(home.hass, "input_boolean", booleans)
    await scenes(home, {"input_boolean.lamp": "on"})
    await automate(
        home,
        (
            {"trigger": "state", "entity_id": "input_boolean.lamp", "to": "on"},
            [{"action": "input_boolean.turn_on", "target": {"entity_id": "input_boolean.second"}}],
        ),
        (
            {"trigger": "state", "entity_id": "input_boolean.second", "to": "on"},
            [on(switches[0])],
        ),
    )
    await call(home, "scene.turn_on", {"entity_id": "scene.evening"})
    await home.hass.async_block_till_done()
    assert home.is_on("input_boolean.second")
    assert given(home) == []


# --- Turning off ---


@pytest.mark.parametrize("action", ["switch.turn_off", "homeassistant.turn_off", "switch.toggle"])
async def test_any_number_may_be_turned_off(home: Home, switches, action) -> None:
    for switch in switches:
        await home.turn("turn_on", switch)
    await call(home, action, {"entity_id": switches})
    assert given(home) == []


async def test_all_may_be_turned_off(home: Home, switches) -> None:
    for switch in switches:
        await home.turn("turn_on", switch)
    await call(home, "switch.turn_off", {"entity_id": "all"})
    assert given(home) == []


# --- Who ---


def only_administrators(home: Home) -> None:
    home.hass.config_entries.async_update_entry(
        home.entry, options={"who_may_grant": "administrators"}
    )


async def test_everyone_may_grant(home: Home, switches, hass_owner_user: User) -> None:
    user = await home.hass.auth.async_create_user("Child", group_ids=["system-users"])
    await home.turn("turn_on", switches[0], context=Context(user_id=user.id))
    assert given(home) == ["Temperature"]


async def test_a_reader_may_not(home: Home, switches, hass_owner_user: User) -> None:
    """That is Home Assistant's own rule; here it is seen to hold."""
    user = await home.hass.auth.async_create_user("Guest", group_ids=["system-read-only"])
    with pytest.raises(HomeAssistantError):
        await home.turn("turn_on", switches[0], context=Context(user_id=user.id))
    assert given(home) == []


async def test_where_administrators_grant_others_do_not(
    home: Home, switches, hass_owner_user: User
) -> None:
    only_administrators(home)
    user = await home.hass.auth.async_create_user("Child", group_ids=["system-users"])
    calling = home.turn("turn_on", switches[0], context=Context(user_id=user.id))
    await refused("grant_by_administrators_only", calling)
    assert given(home) == []


async def test_where_administrators_grant_nobody_is_not_one(home: Home, switches) -> None:
    """An automation has no user; that it was written by an administrator is not known."""
    only_administrators(home)
    await refused("grant_by_administrators_only", home.turn("turn_on", switches[0]))
    assert given(home) == []


async def test_where_administrators_grant_they_do(
    home: Home, switches, hass_admin_user: User
) -> None:
    only_administrators(home)
    await home.turn("turn_on", switches[0], context=Context(user_id=hass_admin_user.id))
    assert given(home) == ["Temperature"]


async def test_anybody_may_withdraw(home: Home, switches, hass_admin_user: User) -> None:
    only_administrators(home)
    await home.turn("turn_on", switches[0], context=Context(user_id=hass_admin_user.id))
    user = await home.hass.auth.async_create_user("Child", group_ids=["system-users"])
    await home.turn("turn_off", switches[0], context=Context(user_id=user.id))
    assert given(home) == []


async def test_code_that_calls_the_entity_itself_is_refused(home: Home, switches) -> None:
    """No action, no context, nobody to ask who it was."""
    entity = home.hass.data["switch"].get_entity(switches[0])
    await refused("grant_not_named", entity.async_turn_on())
    # Nor is the context of an earlier action good for it.
    await home.turn("turn_off", switches[0])
    await refused("grant_not_named", entity.async_turn_on())
    assert given(home) == []


def test_contexts_of_long_ago_are_forgotten() -> None:
    recent = grants._Recent[str]()
    for n in range(2 * grants.MAX_CONTEXTS):
        recent.note("kept", "kept")
        recent.note(str(n), "")
    assert len(recent) == grants.MAX_CONTEXTS
    assert recent["kept"] == "kept"


# --- Runs that only fire events ---


def heard(event_type: str) -> dict[str, Any]:
    return {"trigger": "event", "event_type": event_type}


async def test_automations_that_only_fire_events_do_not_hide_who_began(
    home: Home, switches: list[str]
) -> None:
    firing = [(heard(f"press_{one}"), [{"event": f"told_{one}"}]) for one in range(2)]
    following = [(heard(f"told_{one}"), [on(switches[one])]) for one in range(2)]
    await automate(home, *firing, *following)
    await call(
        home,
        "automation.trigger",
        {"entity_id": ["automation.number_0", "automation.number_1"]},
    )
    await home.hass.async_block_till_done()
    assert len(given(home)) <= 1


async def test_nor_do_they_hide_a_scene(home: Home, switches: list[str]) -> None:
    assert await async_setup_component(home.hass, "input_boolean", {"input_boolean": {"lamp": {}}})
    await scenes(home, {"input_boolean.lamp": "on"})
    lit = {"trigger": "state", "entity_id": "input_boolean.lamp", "to": "on"}
    await automate(home, (lit, [{"event": "later"}]), (heard("later"), [on(switches[0])]))
    await call(home, "scene.turn_on", {"entity_id": "scene.evening"})
    await home.hass.async_block_till_done()
    assert given(home) == []
