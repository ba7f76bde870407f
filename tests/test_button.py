"""Buttons: letting an appliance through, a recipient as a whole, the self-test."""

from typing import Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.const import STATE_UNAVAILABLE, EntityCategory
from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er, label_registry as lr
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.engine.model import ConsentState
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, REPORT, SECRET, Home
from tests.facts import call, consent, decide, enable, given, hub, refused, state, wait
from tests.house import read_json

NAMES = ["Door open", "Humidity", "Program", "Temperature"]


def button(home: Home, *key: str, by: str = FRIDGE) -> str:
    """A button of an appliance; a recipient by its name."""
    known = {one.title: one.subentry_id for one in home.entry.subentries.values()}
    ids = [next((i for title, i in known.items() if title.startswith(k)), k) for k in key]
    return home.entity("button", *ids, by=by)


async def press(home: Home, *entity_ids: str, **more: Any) -> None:
    await call(home, "button.press", list(entity_ids), **more)


def listed(home: Home, entity_id: str) -> list[str]:
    return sorted(state(home, entity_id).attributes["data_points"])


# --- Letting an appliance through ---


@pytest.mark.parametrize("minutes", [15, 60])
async def test_everything_of_an_appliance_passes_for_a_time(home: Home, freezer, minutes) -> None:
    await home.report()
    await home.report(by=BRUSH)
    assert home.cloud.received == []
    await press(home, button(home, f"let_through_{minutes}"))
    await home.report()
    await home.report(by=BRUSH)
    assert home.cloud.received == [("/fridge", REPORT)], "and nothing of another"
    await wait(home, freezer, minutes * 60 - 5)
    await home.report()
    assert len(home.cloud.received) == 2
    await wait(home, freezer, 6)
    await home.report()
    assert len(home.cloud.received) == 2
    assert given(home) == []


async def test_it_is_ended_by_anybody_and_for_many(home: Home, hass_read_only_user) -> None:
    await home.report()
    await press(home, button(home, "let_through_60"))
    await press(home, button(home, "let_through_60", by=BRUSH))
    hass_read_only_user.mock_policy({"entities": True})
    home.hass.config_entries.async_update_entry(
        home.entry, options={"who_may_grant": "administrators"}
    )
    user = hass_read_only_user.id
    stop = [button(home, "stop_letting_through", by=one) for one in (FRIDGE, BRUSH)]
    await press(home, *stop, context=Context(user_id=user))
    await home.report()
    await home.report(by=BRUSH)
    assert home.cloud.received == []
    # A second time there is nothing to end.
    await press(home, *stop, context=Context(user_id=user))
    again = press(home, button(home, "let_through_15"), context=Context(user_id=user))
    await refused("grant_by_administrators_only", again)
    await home.report()
    assert home.cloud.received == []


async def test_two_are_not_let_through_at_once(home: Home) -> None:
    both = [button(home, "let_through_15", by=one) for one in (FRIDGE, BRUSH)]
    await refused("grant_of_many", press(home, *both))
    await home.report()
    assert home.cloud.received == []


async def test_a_label_lets_nothing_through(home: Home) -> None:
    label = lr.async_get(home.hass).async_create("Buttons")
    for key in ("let_through_15", "stop_letting_through"):
        er.async_get(home.hass).async_update_entity(button(home, key), labels={label.label_id})
    labelled = home.hass.services.async_call(
        "button", "press", {"label_id": label.label_id}, blocking=True
    )
    await refused("grant_not_named", labelled)
    await home.report()
    assert home.cloud.received == []


async def test_all_buttons_at_once_open_nothing(home: Home) -> None:
    await home.report()
    await enable(home, button(home, "grant_all", FROSTLINE))
    with pytest.raises(HomeAssistantError):
        await call(home, "button.press", "all")
    assert given(home) == []
    await home.report()
    assert home.cloud.received == []


# --- A recipient as a whole ---


async def test_those_that_open_are_there_when_wanted(home: Home) -> None:
    await home.report()
    registry = er.async_get(home.hass)
    for key, disabled in (("grant_all", True), ("refuse_all", True), ("withdraw_all", False)):
        entry = registry.async_get(button(home, key, FROSTLINE))
        assert entry is not None
        assert (entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION) is disabled
        assert entry.entity_category is EntityCategory.CONFIG
        assert entry.config_subentry_id == home.subentry(FRIDGE).subentry_id
        for assistant in KNOWN_ASSISTANTS:
            assert not async_should_expose(home.hass, assistant, entry.entity_id)
    shown = state(home, button(home, "withdraw_all", FROSTLINE))
    assert shown.name == "Fridge Withdraw everything from Frostline for service"


async def test_what_is_listed_is_granted_and_nothing_later(home: Home) -> None:
    await home.report()
    grant = button(home, "grant_all", FROSTLINE)
    await enable(home, grant)
    await decide(home, "Humidity")
    assert listed(home, grant) == ["Door open", "Program", "Temperature"]
    humidity = consent(home, "Humidity")
    await press(home, grant)
    assert given(home) == NAMES
    assert consent(home, "Humidity") is humidity
    assert listed(home, grant) == []
    await home.report({**REPORT, "battery": 80})
    assert home.cloud.received == [("/fridge", REPORT)]
    assert listed(home, grant) == ["Battery"]
    assert given(home) == NAMES
    # With nothing to grant, nothing is recorded.
    await press(home, grant)
    assert given(home) == ["Battery", *NAMES]
    before = home.household.firewall.decided()
    await press(home, grant)
    assert home.household.firewall.decided() == before


async def test_it_is_for_one_recipient(home: Home) -> None:
    await home.report()
    await home.report(to=ADLENS)
    grant = button(home, "grant_all", FROSTLINE)
    await enable(home, grant)
    await press(home, grant)
    await home.report(to=ADLENS)
    assert home.cloud.received == []
    await home.report()
    assert home.cloud.received == [("/fridge", REPORT)]


@pytest.mark.parametrize("how", ["one call", "one script"])
async def test_two_recipients_are_not_granted_at_once(home: Home, how) -> None:
    await home.report()
    await home.report(to=ADLENS)
    both = [button(home, "grant_all", one) for one in (FROSTLINE, ADLENS)]
    await enable(home, both[0])
    await enable(home, both[1])
    if how == "one call":
        await refused("grant_of_many", press(home, *both))
    else:
        steps = [{"action": "button.press", "target": {"entity_id": one}} for one in both]
        script = {"script": {"many": {"sequence": steps}}}
        assert await async_setup_component(home.hass, "script", script)
        with pytest.raises(HomeAssistantError):
            await home.hass.services.async_call("script", "many", blocking=True)
        await home.hass.async_block_till_done()
    assert given(home) == []
    await home.report()
    assert home.cloud.received == []


async def test_everything_is_withdrawn_by_anybody_of_many(home: Home, hass_read_only_user) -> None:
    for to in (FROSTLINE, ADLENS):
        await home.report(to=to)
        await home.report({"note": f"{SECRET} 1"}, to=to)
    firewall = home.household.firewall
    fridge = home.subentry(FRIDGE).subentry_id
    promoted = {point.name for point in firewall.promoted(fridge)}
    for point in firewall.data_points(fridge):
        for recipient_id in point.recipients:
            await firewall.grant(point.id, recipient_id, how="test")
    await home.report(by=BRUSH)
    await home.turn("turn_on", home.switch("Temperature", by=BRUSH))
    both = [button(home, "withdraw_all", one) for one in (FROSTLINE, ADLENS)]
    assert set(listed(home, both[0])) > promoted, "also what had no switch before"
    await home.report()
    assert len(home.cloud.received) == 1

    hass_read_only_user.mock_policy({"entities": True})
    await press(home, *both, context=Context(user_id=hass_read_only_user.id))
    assert listed(home, both[0]) == listed(home, both[1]) == []
    await home.report()
    await home.report(to=ADLENS)
    assert len(home.cloud.received) == 1
    assert given(home) == ["Temperature"], "another appliance's"
    assert {one.state for one in firewall.decided() if one.appliance_id == fridge} == {
        ConsentState.WITHDRAWN
    }


async def test_everything_is_refused_and_asked_no_more(home: Home) -> None:
    await home.report()
    refuse = button(home, "refuse_all", FROSTLINE)
    await enable(home, refuse)
    await decide(home, "Humidity")
    assert listed(home, refuse) == NAMES
    await press(home, refuse)
    assert given(home) == []
    for name in NAMES:
        decided = consent(home, name)
        assert decided is not None
        assert decided.state is ConsentState.REFUSED
    assert listed(home, refuse) == []
    assert state(home, hub(home, "sensor", "consents_waiting")).state == "0"
    await home.report()
    assert home.cloud.received == []


async def test_what_goes_there_no_more_is_withdrawn_with_the_rest(home: Home) -> None:
    """A consent whose recipient gave up the endpoint is none that could be refused."""
    await home.report()
    await decide(home, "Humidity")
    refuse = button(home, "refuse_all", FROSTLINE)
    await enable(home, refuse)
    port = home.cloud.port
    await home.change(FROSTLINE, endpoints=[f"POST http://127.0.0.1:{port}/elsewhere"])
    await home.change(ADLENS, endpoints=[f"POST http://127.0.0.1:{port}/fridge"])
    await home.report()
    point = home.household.firewall.data_point(home.point("Humidity"))
    assert point is not None
    assert point.recipients == (home.subentry(ADLENS).subentry_id,)
    assert "Humidity" in listed(home, refuse)
    await press(home, refuse)
    decided = consent(home, "Humidity")
    assert decided is not None
    assert decided.state is ConsentState.WITHDRAWN
    assert listed(home, refuse) == []


async def test_they_follow_their_recipient(home: Home) -> None:
    await home.report()
    withdraw = button(home, "withdraw_all", FROSTLINE)
    await home.change(FROSTLINE, organisation="Iceworks")
    assert state(home, withdraw).name == "Fridge Withdraw everything from Iceworks for service"
    await home.change("Iceworks", endpoints=["nowhere"])
    assert state(home, withdraw).state == STATE_UNAVAILABLE
    await home.remove("Iceworks")
    assert er.async_get(home.hass).async_get(withdraw) is None
    assert home.hass.states.get(withdraw) is None
    assert state(home, button(home, "let_through_15"))


# --- The self-test ---


async def test_the_self_test_passes_at_a_gate_that_holds(home: Home) -> None:
    await press(home, hub(home, "button", "run_self_test"))
    assert state(home, hub(home, "binary_sensor", "self_test")).state == "off"
    assert home.cloud.received == []


async def test_a_self_test_that_fails_says_so_at_once(home: Home) -> None:
    await home.household.firewall.close_gate()
    with pytest.raises(HomeAssistantError) as raised:
        await press(home, hub(home, "button", "run_self_test"))
    assert raised.value.translation_key == "self_test_failed"
    assert "self_test_failed" in read_json("translations/en.json")["exceptions"]
    shown = state(home, hub(home, "binary_sensor", "self_test"))
    assert shown.state == "on"
    assert shown.attributes["problem"] == "gate_down"
