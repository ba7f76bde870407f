"""Whatever opens something is judged as a consent's switch is; whatever closes is not judged.

The ways are tried on every kind of act: the end of a lockdown, letting an appliance through, a
recipient as a whole by its button, and a level by its select.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er, label_registry as lr
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.engine import ConsentError, StorageError
from custom_components.privacy_firewall.engine.model import (
    Appliance,
    Consent,
    ConsentState,
    Decider,
    Drift,
    Level,
)
from tests.common import BRUSH, FRIDGE, FROSTLINE, Home
from tests.facts import call, consent, decide, enable, given, hub, refused
from tests.house import read_json

HUMIDITY = "Humidity"


@dataclass(frozen=True, slots=True)
class Act:
    """How a kind of act is done in Home Assistant, and whether it has been."""

    entity: Callable[[Home], str]
    action: str
    is_done: Callable[[Home], bool]
    data: tuple[tuple[str, Any], ...] = ()

    def step(self, home: Home) -> dict[str, Any]:
        """As a step of a script."""
        target = {"entity_id": self.entity(home)}
        return {"action": self.action, "target": target, "data": dict(self.data)}


def frostline(home: Home) -> str:
    return home.subentry(FROSTLINE).subentry_id


def has(name: str) -> Callable[[Home], bool]:
    return lambda home: name in given(home)


ACTS = {
    "lockdown": Act(
        lambda home: hub(home, "switch", "lockdown"),
        "switch.turn_off",
        lambda home: not home.household.firewall.consents.is_locked_down,
    ),
    "let_through": Act(
        lambda home: home.entity("button", "let_through_15"),
        "button.press",
        lambda home: (
            home.household.firewall.let_through_until(home.subentry(FRIDGE).subentry_id) is not None
        ),
    ),
    "grant_all": Act(
        lambda home: home.entity("button", "grant_all", frostline(home)),
        "button.press",
        has("Door open"),
    ),
    "level": Act(
        lambda home: home.entity("select", "level", home.point("Temperature"), frostline(home)),
        "select.select_option",
        has("Temperature"),
        (("option", "exact"),),
    ),
}


@pytest.fixture(params=ACTS)
def act(request: pytest.FixtureRequest) -> Act:
    """Each of the acts."""
    return ACTS[request.param]


@pytest.fixture(autouse=True)
async def ready(home: Home, act: Act) -> None:
    """Everything is closed, and every entity there; humidity is given."""
    await home.report()
    await home.report(by=BRUSH)
    if act in (ACTS["grant_all"], ACTS["level"]):
        # These are off in the registry until somebody wants them.
        select = home.entity("select", "level", home.point("Humidity"), frostline(home))
        await enable(home, act.entity(home), select)
    await decide(home, HUMIDITY)
    if act is ACTS["lockdown"]:
        await home.household.firewall.consents.lock_down(Decider(how="test"), on=True)
        home.household.async_changed()


async def do(home: Home, act: Act, *more: str, **data: Any) -> None:
    await call(home, act.action, [act.entity(home), *more], **dict(act.data), **data)


async def run_script(home: Home, *steps: dict[str, Any]) -> None:
    config = {"script": {"evening": {"sequence": list(steps)}}}
    assert await async_setup_component(home.hass, "script", config)
    await home.hass.services.async_call("script", "evening", {}, blocking=True)
    await home.hass.async_block_till_done()


def granting(home: Home) -> dict[str, Any]:
    """Turn on the switch of something that no act here concerns."""
    switch = home.switch("Humidity", by=BRUSH)
    return {"action": "switch.turn_on", "target": {"entity_id": switch}}


def not_named(act: Act) -> str:
    """With a lockdown's end other things may have been turned off, and that is said."""
    return "lockdown_not_named" if act is ACTS["lockdown"] else "grant_not_named"


# --- By its own name ---


async def test_by_its_own_name_it_is_done(home: Home, act: Act) -> None:
    assert not act.is_done(home)
    await do(home, act)
    assert act.is_done(home)


async def test_a_script_or_an_automation_does_one(home: Home, act: Act) -> None:
    config = {"triggers": {"trigger": "event", "event_type": "bell"}, "actions": [act.step(home)]}
    assert await async_setup_component(home.hass, "automation", {"automation": config})
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert act.is_done(home)


# --- By accident ---


async def test_all_of_a_kind_is_refused(home: Home, act: Act) -> None:
    with pytest.raises(HomeAssistantError):
        await call(home, act.action, "all", **dict(act.data))
    assert not act.is_done(home)


@pytest.mark.parametrize("beside", [False, True])
async def test_a_label_is_refused(
    home: Home, act: Act, label_registry: lr.LabelRegistry, *, beside: bool
) -> None:
    """Also where its name stands beside the label."""
    label = label_registry.async_create("Kitchen things")
    er.async_get(home.hass).async_update_entity(act.entity(home), labels={label.label_id})
    data = {"label_id": label.label_id, **dict(act.data)}
    named = [act.entity(home)] if beside else []
    await refused(not_named(act), call(home, act.action, named, **data))
    assert not act.is_done(home)


@pytest.mark.parametrize("target", ["device_id", "area_id"])
async def test_a_device_or_an_area_does_not_reach_it(
    home: Home, act: Act, area_registry: Any, device_registry: Any, target: str
) -> None:
    entity = er.async_get(home.hass).async_get(act.entity(home))
    assert entity is not None
    area = area_registry.async_create("Kitchen")
    device_registry.async_update_device(entity.device_id, area_id=area.id)
    where = entity.device_id if target == "device_id" else area.id
    await call(home, act.action, [], **{target: where}, **dict(act.data))
    assert not act.is_done(home)


async def test_a_group_is_refused(home: Home, act: Act) -> None:
    config = {"group": {"things": {"entities": [act.entity(home)]}}}
    assert await async_setup_component(home.hass, "group", config)
    await home.hass.async_block_till_done()
    calling = call(home, act.action, "group.things", **dict(act.data))
    await refused(not_named(act), calling)
    assert not act.is_done(home)


@pytest.mark.parametrize("name", ["lockdown", "level"])
@pytest.mark.parametrize("act", ["level"], indirect=True)
async def test_a_scene_does_nothing(home: Home, name: str) -> None:
    """Of those that a scene can hold; buttons have no state to bring back."""
    await call(home, "switch.turn_on", hub(home, "switch", "lockdown"))
    entity, wanted = ACTS[name].entity(home), {"lockdown": "off", "level": "exact"}[name]
    config = {"scene": [{"name": "Evening", "entities": {entity: wanted}}]}
    assert await async_setup_component(home.hass, "scene", config)
    await home.hass.async_block_till_done()
    await refused("grant_by_scene", call(home, "scene.turn_on", "scene.evening"))
    assert not ACTS[name].is_done(home)


async def test_what_a_scene_sets_off_does_nothing(home: Home, act: Act) -> None:
    assert await async_setup_component(home.hass, "input_boolean", {"input_boolean": {"lamp": {}}})
    scene = {"name": "Evening", "entities": {"input_boolean.lamp": "on"}}
    assert await async_setup_component(home.hass, "scene", {"scene": [scene]})
    config = {
        "triggers": {"trigger": "state", "entity_id": "input_boolean.lamp", "to": "on"},
        "actions": [act.step(home)],
    }
    assert await async_setup_component(home.hass, "automation", {"automation": config})
    await home.hass.async_block_till_done()
    await call(home, "scene.turn_on", "scene.evening")
    assert home.is_on("input_boolean.lamp")
    assert not act.is_done(home)


@pytest.mark.parametrize("first", [True, False])
async def test_it_and_a_consent_are_two(home: Home, act: Act, *, first: bool) -> None:
    """Neither stays; what was given before does."""
    steps = [act.step(home), granting(home)]
    await refused("grant_of_many", run_script(home, *(steps if first else steps[::-1])))
    assert not act.is_done(home)
    assert given(home) == [HUMIDITY]


async def test_an_automation_does_not_do_it_beside_a_consent(home: Home, act: Act) -> None:
    bell = {"trigger": "event", "event_type": "bell"}
    steps = [{**one, "continue_on_error": True} for one in (granting(home), act.step(home))]
    config = {"triggers": bell, "actions": steps}
    assert await async_setup_component(home.hass, "automation", {"automation": config})
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert not act.is_done(home)
    assert given(home) == [HUMIDITY]


async def test_automations_of_one_event_do_one_thing(home: Home, act: Act) -> None:
    """Each run has a context of its own; what set them off is one."""
    bell = {"trigger": "event", "event_type": "bell"}
    steps = (granting(home), act.step(home))
    config = [
        {"alias": f"number {n}", "triggers": bell, "actions": one} for n, one in enumerate(steps)
    ]
    assert await async_setup_component(home.hass, "automation", {"automation": config})
    home.hass.bus.async_fire("bell")
    await home.hass.async_block_till_done()
    assert act.is_done(home) + home.is_on(home.switch("Humidity", by=BRUSH)) <= 1


async def test_in_one_context_at_once_neither_is_done(home: Home, act: Act) -> None:
    context = Context()
    grant = home.turn("turn_on", home.switch("Program"), context=context)
    both = [home.hass.async_create_task(one) for one in (do(home, act, context=context), grant)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert [getattr(one, "translation_key", one) for one in done] == ["grant_of_many"] * 2
    assert not act.is_done(home)
    assert given(home) == [HUMIDITY]


async def test_each_in_a_context_of_its_own_is_done(home: Home, act: Act) -> None:
    await do(home, act)
    await home.turn("turn_on", home.switch("Program"))
    assert act.is_done(home)
    assert "Program" in given(home)


async def test_where_administrators_open_nobody_else_does(home: Home, act: Act) -> None:
    home.hass.config_entries.async_update_entry(
        home.entry, options={"who_may_grant": "administrators"}
    )
    admin = await home.hass.auth.async_create_user("Admin", group_ids=["system-admin"])
    child = await home.hass.auth.async_create_user("Child", group_ids=["system-users"])
    for context in (Context(), Context(user_id=child.id)):
        await refused("grant_by_administrators_only", do(home, act, context=context))
        assert not act.is_done(home)
    await do(home, act, context=Context(user_id=admin.id))
    assert act.is_done(home)


async def test_code_that_calls_the_entity_itself_is_refused(home: Home, act: Act) -> None:
    domain, _, action = act.action.partition(".")
    entity = home.hass.data[domain].get_entity(act.entity(home))
    method = {"press": "async_press", "select_option": "async_select_option"}
    calling = getattr(entity, method.get(action, "async_turn_off"))(*dict(act.data).values())
    await refused("grant_not_named", calling)
    assert not act.is_done(home)


# --- What closes ---

CLOSING = {
    "lockdown": ("switch.turn_on", lambda home: hub(home, "switch", "lockdown"), {}),
    "stop": ("button.press", lambda home: home.entity("button", "stop_letting_through"), {}),
    "withdraw": (
        "button.press",
        lambda home: home.entity("button", "withdraw_all", frostline(home)),
        {},
    ),
    "off": (
        "select.select_option",
        lambda home: home.entity("select", "level", home.point("Temperature"), frostline(home)),
        {"option": "off"},
    ),
    "switch": ("switch.turn_off", lambda home: home.switch("Temperature"), {}),
}


@pytest.fixture
async def opened(home: Home) -> None:
    """Humidity and temperature are given, and the fridge is let through."""
    await decide(home, "Temperature")
    await home.household.firewall.consents.let_through(
        home.subentry(FRIDGE).subentry_id, Decider(how="test"), seconds=600
    )


def is_closed(home: Home, name: str) -> bool:
    firewall = home.household.firewall
    match name:
        case "lockdown":
            return firewall.consents.is_locked_down
        case "stop":
            return firewall.let_through_until(home.subentry(FRIDGE).subentry_id) is None
        case _:
            return "Temperature" not in given(home)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("act", ["level"], indirect=True)
@pytest.mark.parametrize("name", CLOSING)
@pytest.mark.parametrize("way", ["label", "beside others", "where nobody may open", "no context"])
async def test_nothing_keeps_anybody_from_closing(
    home: Home, label_registry: lr.LabelRegistry, name: str, way: str
) -> None:
    action, entity, data = CLOSING[name]
    match way:
        case "label":
            label = label_registry.async_create("Night")
            er.async_get(home.hass).async_update_entity(entity(home), labels={label.label_id})
            await call(home, action, [], label_id=label.label_id, **data)
        case "beside others":
            # In a family of contexts that has opened one thing and was refused another.
            context = Context()
            await home.turn("turn_on", home.switch("Door open"), context=context)
            with pytest.raises(ServiceValidationError):
                await home.turn("turn_on", home.switch("Program"), context=context)
            await call(home, action, entity(home), context=context, **data)
        case "where nobody may open":
            home.hass.config_entries.async_update_entry(
                home.entry, options={"who_may_grant": "administrators"}
            )
            await call(home, action, entity(home), **data)
        case _:
            domain = action.partition(".")[0]
            one = home.hass.data[domain].get_entity(entity(home))
            method = {
                "switch.turn_on": "async_turn_on",
                "switch.turn_off": "async_turn_off",
                "button.press": "async_press",
                "select.select_option": "async_select_option",
            }[action]
            await getattr(one, method)(*data.values())
    assert is_closed(home, name)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("act", ["level"], indirect=True)
async def test_a_scene_may_close(home: Home) -> None:
    states = {hub(home, "switch", "lockdown"): "on", home.switch("Temperature"): "off"}
    config = {"scene": [{"name": "Night", "entities": states}]}
    assert await async_setup_component(home.hass, "scene", config)
    await home.hass.async_block_till_done()
    await call(home, "scene.turn_on", "scene.night")
    assert is_closed(home, "lockdown")
    assert is_closed(home, "switch")


# --- Taking back ---


def pair(home: Home, name: str) -> tuple[str, str]:
    return home.point(name), frostline(home)


async def give(home: Home, *names: str, context: Context, **more: Any) -> None:
    await home.household.decisions.async_give(
        [pair(home, one) for one in names], how="action", context=context, entity_id=None, **more
    )


async def give_too_many(home: Home, *names: str, **more: Any) -> None:
    """Give these, and then something else in the same context."""
    context = Context()
    await give(home, *names, context=context, **more)
    await refused("grant_of_many", give(home, "Program", context=context))


async def drift(home: Home, name: str) -> None:
    """Let a message show that a data point is another thing now."""
    await home.household.firewall.consents.suspend_drifted({home.point(name): Drift.UNIT})


def unchanged(before: Consent | None, after: Consent | None) -> bool:
    assert before is not None
    assert after is not None
    return replace(before, number=0, decided_at=0) == replace(after, number=0, decided_at=0)


@pytest.mark.parametrize("act", ["let_through"], indirect=True)
class TestTakingBack:
    """Of what was done, only that is undone, and nothing comes back that somebody stopped."""

    async def test_what_was_in_force_comes_back_as_it_was(self, home: Home) -> None:
        await decide(home, HUMIDITY, level=Level.COARSE, seconds=900)
        before = consent(home, HUMIDITY)
        await give_too_many(home, HUMIDITY, "Temperature")
        assert unchanged(before, consent(home, HUMIDITY))
        assert given(home) == [HUMIDITY]

    async def test_what_is_over_meanwhile_does_not(self, home: Home) -> None:
        await decide(home, HUMIDITY, seconds=0.2)
        context = Context()
        await give(home, HUMIDITY, context=context)
        await asyncio.sleep(0.3)
        await refused("grant_of_many", give(home, "Program", context=context))
        assert given(home) == []

    async def test_what_somebody_withdrew_meanwhile_does_not(self, home: Home) -> None:
        context = Context()
        await give(home, HUMIDITY, context=context, level=Level.COARSE)
        await decide(home, HUMIDITY, "withdrawn")
        await refused("grant_of_many", give(home, "Program", context=context))
        assert given(home) == []

    async def test_nor_what_somebody_stops_while_it_is_taken_back(self, home: Home) -> None:
        """In between it is withdrawn, and just that moment another withdraws it, too."""
        firewall = home.household.firewall
        really = firewall.decide
        stopped: list[object] = []

        async def slow(pairs: Any, state: ConsentState, *args: Any, **more: Any) -> Any:
            done = await really(pairs, state, *args, **more)
            if state is ConsentState.WITHDRAWN and not stopped:
                stopped.append(await really(pairs, state, Decider(how="another")))
            return done

        context = Context()
        await give(home, HUMIDITY, context=context, level=Level.COARSE)
        with patch.object(firewall, "decide", slow):
            await refused("grant_of_many", give(home, "Program", context=context))
        assert stopped
        assert given(home) == []

    async def test_what_another_gave_meanwhile_is_not_taken(self, home: Home) -> None:
        context = Context()
        await give(home, "Temperature", context=context)
        await give(home, "Temperature", context=Context(), seconds=900)
        await refused("grant_of_many", give(home, "Program", context=context))
        assert given(home) == [HUMIDITY, "Temperature"]

    async def test_under_another_notice_it_does_not_come_back(self, home: Home) -> None:
        """Giving it again would accept what is stated now, identifiers sent along included."""
        await home.change(FROSTLINE, functional=["$.body.serial"])
        await give_too_many(home, HUMIDITY)
        assert given(home) == []

    async def test_with_another_type_it_does_not_come_back(self, home: Home) -> None:
        await home.report({"humidity": "damp"})
        await give_too_many(home, HUMIDITY)
        assert given(home) == []

    async def test_what_is_another_thing_by_now_does_not_come_back(self, home: Home) -> None:
        context = Context()
        await give(home, HUMIDITY, context=context, seconds=900)
        await drift(home, HUMIDITY)
        await refused("grant_of_many", give(home, "Program", context=context))
        after = consent(home, HUMIDITY)
        assert after is not None
        assert after.state is ConsentState.WITHDRAWN

    async def test_one_that_fails_does_not_keep_the_others(self, home: Home) -> None:
        """The disk refuses; in memory all of it is stopped."""
        grants = home.household.grants
        undone: list[str] = []

        async def done() -> None:
            """Nothing."""

        async def fails() -> None:
            raise HomeAssistantError("disk")

        async def undo() -> None:
            undone.append("second")

        context = Context()
        grants._done.note(context.id, {"first": fails, "second": undo})
        with pytest.raises(HomeAssistantError, match="disk"):
            await give_both(grants, context, done)
        assert undone == ["second"]


async def give_both(grants: Any, context: Context, done: Any) -> None:
    grants._wishes.note(context.id, {"another": context.id})
    await grants.async_widen("act", entity_id=None, context=context, do=done, undo=done)


# --- Confirming under the notice ---


@pytest.mark.parametrize("act", ["let_through"], indirect=True)
class TestConfirming:
    """A bare switch shows no notice; who has read it afterwards confirms, and gives no more."""

    shown = Decider(how="repair", person="anna", notice_shown=True)

    async def confirm(self, home: Home, *names: str) -> int:
        given = [one for name in names if (one := consent(home, name)) is not None]
        return await home.household.decisions.async_confirm(given, self.shown)

    async def test_it_is_recorded_anew_as_it_was_with_the_notice_shown(self, home: Home) -> None:
        await decide(home, "Temperature", level=Level.COARSE, seconds=900)
        before = [consent(home, name) for name in (HUMIDITY, "Temperature")]
        assert await self.confirm(home, HUMIDITY, "Temperature") == 2
        after = [consent(home, name) for name in (HUMIDITY, "Temperature")]
        assert all(map(unchanged, before, after, strict=True))
        records = (await home.household.firewall.consents.records())[-2:]
        assert [one.decider for one in records] == [self.shown] * 2

    @pytest.mark.parametrize("how", ["withdrawn", "refused"])
    async def test_what_was_stopped_meanwhile_stays_stopped(self, home: Home, how: str) -> None:
        before = consent(home, HUMIDITY)
        assert before is not None
        await decide(home, HUMIDITY, how)
        assert await home.household.decisions.async_confirm([before], self.shown) == 0
        assert given(home) == []

    async def test_what_was_stopped_without_a_record_stays_stopped(self, home: Home) -> None:
        before = consent(home, HUMIDITY)
        assert before is not None
        ledger = home.household.firewall.consents.ledger
        with (
            patch.object(ledger, "record", side_effect=StorageError("disk full")),
            pytest.raises(StorageError),
        ):
            await decide(home, HUMIDITY, "withdrawn")
        assert await home.household.decisions.async_confirm([before], self.shown) == 0
        assert given(home) == []

    async def test_what_ended_meanwhile_stays_ended(self, home: Home) -> None:
        await decide(home, HUMIDITY, seconds=0.2)
        before = consent(home, HUMIDITY)
        assert before is not None
        await asyncio.sleep(0.3)
        assert await home.household.decisions.async_confirm([before], self.shown) == 0
        assert given(home) == []

    async def test_another_notice_is_not_confirmed_by_this_one(self, home: Home) -> None:
        before = consent(home, HUMIDITY)
        await home.change(FROSTLINE, functional=["$.body.serial"])
        assert await self.confirm(home, HUMIDITY) == 0
        assert consent(home, HUMIDITY) == before
        await home.report({"serial": "A1", "humidity": 61})
        assert home.cloud.received == [("/fridge", {"humidity": 61})]

    async def test_another_type_is_not_confirmed(self, home: Home) -> None:
        before = consent(home, HUMIDITY)
        await home.report({"humidity": "damp"})
        assert await self.confirm(home, HUMIDITY) == 0
        assert consent(home, HUMIDITY) == before

    async def test_what_is_another_thing_by_now_is_not_confirmed(self, home: Home) -> None:
        """The notice was open while a message showed it: that is a question of its own."""
        before = consent(home, HUMIDITY)
        assert before is not None
        await drift(home, HUMIDITY)
        after = consent(home, HUMIDITY)
        assert await home.household.decisions.async_confirm([before], self.shown) == 0
        assert consent(home, HUMIDITY) == after
        assert given(home) == []

    async def test_nor_what_is_while_others_are_confirmed(self, home: Home) -> None:
        await decide(home, "Temperature", level=Level.COARSE)
        firewall = home.household.firewall
        really = firewall.decide

        async def slow(*args: Any, **more: Any) -> Any:
            done = await really(*args, **more)
            await drift(home, "Temperature")
            return done

        with patch.object(firewall, "decide", slow):
            assert await self.confirm(home, HUMIDITY, "Temperature") == 1
        assert given(home) == [HUMIDITY]

    @pytest.mark.parametrize("how", ["withdrawn", "refused"])
    async def test_nothing_that_is_not_given_is(self, home: Home, how: str) -> None:
        await decide(home, HUMIDITY, how)
        assert await self.confirm(home, HUMIDITY, "Temperature") == 0
        assert given(home) == []


# --- Errors ---


@pytest.mark.parametrize("act", ["let_through"], indirect=True)
class TestErrors:
    """What the engine refuses is said in words, and says what is true then."""

    async def fails(self, home: Home, method: str, error: Exception, key: str, *what: Any) -> None:
        consents = home.household.firewall.consents
        name, arguments = what[0], what[1]
        with (
            patch.object(consents, method, side_effect=error),
            pytest.raises(HomeAssistantError) as raised,
        ):
            await getattr(home.household.decisions, name)(**arguments)
        assert raised.value.translation_key == key
        assert key in read_json("translations/en.json")["exceptions"]

    @pytest.mark.parametrize(
        ("state", "error", "key"),
        [
            ("given", ConsentError("x"), "grant_of_unknown"),
            ("given", StorageError("x"), "grant_not_recorded"),
            ("refused", ConsentError("x"), "refusal_of_unknown"),
            ("refused", StorageError("x"), "withdrawal_not_recorded"),
            ("withdrawn", ConsentError("x"), "withdrawal_of_unknown"),
            ("withdrawn", StorageError("x"), "withdrawal_not_recorded"),
        ],
    )
    async def test_of_decisions(self, home: Home, state: str, error: Exception, key: str) -> None:
        arguments = {
            "pairs": [pair(home, HUMIDITY)],
            "state": ConsentState(state),
            "decider": Decider(how="test"),
        }
        await self.fails(home, "decide", error, key, "async_decide", arguments)

    @pytest.mark.parametrize(
        ("on", "key"), [(True, "lockdown_not_recorded"), (False, "measure_not_recorded")]
    )
    async def test_of_a_lockdown(self, home: Home, key: str, *, on: bool) -> None:
        if not on:
            await home.household.firewall.consents.lock_down(Decider(how="test"), on=True)
        arguments = {"on": on, "how": "action", "context": Context(), "entity_id": None}
        error = StorageError("x")
        await self.fails(home, "lock_down", error, key, "async_lock_down", arguments)

    @pytest.mark.parametrize(
        ("seconds", "error", "key"),
        [
            (60, StorageError("x"), "measure_not_recorded"),
            (60, ConsentError("x"), "let_through_not_possible"),
            (None, StorageError("x"), "stop_not_recorded"),
        ],
    )
    async def test_of_letting_through(
        self, home: Home, seconds: float | None, error: Exception, key: str
    ) -> None:
        arguments = {
            "appliance_id": home.subentry(FRIDGE).subentry_id,
            "seconds": seconds,
            "how": "action",
            "context": Context(),
            "entity_id": None,
        }
        await self.fails(home, "let_through", error, key, "async_let_through", arguments)

    @pytest.mark.parametrize("seconds", [-1, 0, 3601])
    async def test_longer_than_an_hour_is_not_possible(self, home: Home, seconds: float) -> None:
        with pytest.raises(HomeAssistantError) as raised:
            await home.household.decisions.async_let_through(
                home.subentry(BRUSH).subentry_id,
                seconds=seconds,
                how="action",
                context=Context(),
                entity_id=None,
            )
        assert raised.value.translation_key == "let_through_not_possible"

    async def test_of_an_appliance_that_is_gone(self, home: Home) -> None:
        with pytest.raises(HomeAssistantError) as raised:
            await home.household.decisions.async_let_through(
                Appliance(id="gone", name="Gone").id,
                seconds=60,
                how="action",
                context=Context(),
                entity_id=None,
            )
        assert raised.value.translation_key == "let_through_not_possible"
