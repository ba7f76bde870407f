"""The actions that decide: by whom, about what, how many at once, and what came of it."""

from collections.abc import Iterator
from datetime import timedelta
import inspect
import re
import time
from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import probatio
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall import (
    action_fields,
    journal_actions,
    match_actions,
    reading_actions,
    services,
)
from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.model import ConsentState
from tests.actions import (
    ACTIONS,
    FOR_ADMINISTRATORS,
    MATCHING,
    a_family,
    a_user,
    call,
    consent,
    frostline,
    given,
    pair,
    refused,
)
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, REPORT, Home, appliance, recipient
from tests.house import read_json, read_yaml


@pytest.fixture
async def fridge(home: Home) -> Home:
    """A home whose fridge was seen once, with nothing consented."""
    await home.report()
    assert home.cloud.received == []
    return home


@pytest.fixture(autouse=True)
def an_owner(hass_owner_user: User) -> User:
    """The first user of a home is its owner, whatever groups they are in."""
    return hass_owner_user


# --- All of them ---


def test_every_action_is_registered_and_described(home: Home) -> None:
    assert home.hass.services.async_services_for_domain(DOMAIN).keys() == set(ACTIONS)
    assert read_yaml("services.yaml").keys() == set(ACTIONS)


def test_the_fields_described_are_those_that_are_taken(home: Home) -> None:
    schemas = {
        name: service.schema
        for name, service in home.hass.services.async_services_for_domain(DOMAIN).items()
    }
    for name, described in read_yaml("services.yaml").items():
        taken = {str(key) for key in schemas[name].schema}
        assert taken == set((described or {}).get("fields", {})), name


async def test_they_are_there_while_the_firewall_is_not_set_up(home: Home) -> None:
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    asked: dict[str, dict[str, Any]] = {
        "grant": pair_of_nothing(),
        "refuse": pair_of_nothing(),
        "withdraw": pair_of_nothing(),
        "let_through": {"appliance_id": "Fridge", "stop": True},
        "lock_down": {"on": True},
        "forget": {"appliance_id": "Fridge"},
        "preview": {"appliance_id": "Fridge", "url": "http://cloud.example/"},
        "set_need": {"recipient_id": "nobody", "need": "needed"},
        "match": {"matched_entity": "sensor.nothing"},
    }
    for action in ACTIONS:
        await refused("not_running", call(home, action, **asked.get(action, {})))


def pair_of_nothing() -> dict[str, str]:
    return {"data_point_id": "0" * 16, "recipient_id": "nobody"}


def test_every_error_has_its_text() -> None:
    """Keys that stand alone in a call of `refusal` or `failure` are seen by no other test."""
    texts = read_json("translations/en.json")["exceptions"]
    keys = {
        key
        for module in (
            action_fields,
            journal_actions,
            match_actions,
            reading_actions,
            services,
        )
        for key in re.findall(r"(?:refusal|failure)\(\s*\"(\w+)\"", inspect.getsource(module))
    }
    keys |= {"recipient_not_one", "recipient_unknown"}
    assert len(keys) > 15
    assert keys <= texts.keys()
    named = [key for key in keys if "{" in texts[key]["message"]]
    assert named == ["stopped_but_for"]


@pytest.mark.parametrize("action", [*FOR_ADMINISTRATORS, *MATCHING])
async def test_what_tells_of_the_home_is_for_administrators(fridge: Home, action: str) -> None:
    asked = {
        "forget": {"appliance_id": "Fridge"},
        "preview": {"appliance_id": "Fridge", "url": "http://cloud.example/"},
        "match": {"matched_entity": "sensor.nothing"},
    }
    user = await a_user(fridge)
    with pytest.raises(Unauthorized):
        await call(fridge, action, user=user, **asked.get(action, {}))


# --- Granting ---


async def test_a_consent_is_given_by_its_switch(fridge: Home) -> None:
    response = await call(fridge, "grant", entity_id=fridge.switch("Temperature"))
    assert given(fridge) == {"Temperature"}
    [told] = response["consents"]
    assert told == {
        "appliance": FRIDGE,
        "appliance_id": fridge.subentry(FRIDGE).subentry_id,
        "data_point": "Temperature",
        "data_point_id": fridge.point("Temperature"),
        "recipient": FROSTLINE,
        "recipient_id": frostline(fridge),
        "purpose": "service",
        "state": "given",
        "level": "exact",
        "until": None,
        "in_force": True,
    }
    assert response["given_before"] == []
    await fridge.report()
    assert fridge.cloud.received == [("/fridge", {"temperature": 4.5})]


async def test_one_call_may_list_several(fridge: Home) -> None:
    switches = [fridge.switch("Temperature"), fridge.switch("Humidity")]
    await call(fridge, "grant", entity_id=switches, **pair(fridge, "Door open"))
    assert given(fridge) == {"Temperature", "Humidity", "Door open"}
    numbers = {consent(fridge, name).number for name in given(fridge)}
    assert len(numbers) == 3


async def test_it_needs_no_response(fridge: Home) -> None:
    await fridge.hass.services.async_call(
        DOMAIN, "grant", {"entity_id": fridge.switch("Temperature")}, blocking=True
    )
    assert given(fridge) == {"Temperature"}


async def test_a_disabled_switch_still_names_its_consent(fridge: Home) -> None:
    switch = fridge.switch("Temperature")
    er.async_get(fridge.hass).async_update_entity(switch, disabled_by=er.RegistryEntryDisabler.USER)
    await call(fridge, "grant", entity_id=switch)
    assert given(fridge) == {"Temperature"}


async def test_what_has_no_switch_is_given_by_its_id(fridge: Home) -> None:
    await fridge.report({"temperature": 4.5, "serial_number": "FR0123456789AB"})
    assert "Serial number" in {
        point.name
        for point in fridge.household.firewall.data_points(fridge.subentry(FRIDGE).subentry_id)
    }
    await call(fridge, "grant", **pair(fridge, "Serial number"))
    assert given(fridge) == {"Serial number"}


async def test_level_and_end_are_recorded(fridge: Home) -> None:
    before = fridge.household.firewall.now()
    await call(
        fridge, "grant", **pair(fridge, "Temperature"), duration={"minutes": 15}, level="coarse"
    )
    found = consent(fridge, "Temperature")
    assert found.until is not None
    assert found.until == pytest.approx(before + 900, abs=30)
    assert found.level == "coarse"
    until = dt_util.now() + timedelta(hours=3)
    response = await call(fridge, "grant", **pair(fridge, "Humidity"), until=until)
    assert consent(fridge, "Humidity").until == pytest.approx(until.timestamp(), abs=1)
    assert dt_util.parse_datetime(response["consents"][0]["until"]) == pytest.approx(
        until, abs=timedelta(seconds=1)
    )


@pytest.mark.parametrize(
    ("end", "key"),
    [
        ({"duration": 0}, "grant_end_not_possible"),
        ({"duration": {"days": 3651}}, "grant_end_not_possible"),
        ({"until": "2020-01-01 00:00:00"}, "grant_end_not_possible"),
        ({"until": "2999-01-01 00:00:00"}, "grant_end_not_possible"),
        ({"duration": 60, "until": "2999-01-01 00:00:00"}, "grant_end_twice"),
    ],
)
async def test_an_end_that_cannot_be_is_refused(
    fridge: Home, end: dict[str, Any], key: str
) -> None:
    await refused(key, call(fridge, "grant", **pair(fridge, "Temperature"), **end))
    assert given(fridge) == set()


@pytest.mark.parametrize(
    "field", [{"duration": -5}, {"level": "finest"}, {"entity_id": "all"}, {"area_id": "kitchen"}]
)
async def test_what_no_field_takes_is_refused(fridge: Home, field: dict[str, Any]) -> None:
    with pytest.raises(probatio.Invalid):
        await call(fridge, "grant", **{**pair(fridge, "Temperature"), **field})
    assert given(fridge) == set()


# --- A whole recipient ---


async def test_a_whole_recipient_is_what_is_known_today(fridge: Home) -> None:
    response = await call(fridge, "grant", recipient_id=frostline(fridge))
    today = {"Temperature", "Humidity", "Door open"}
    assert today <= given(fridge)
    assert {one["data_point"] for one in response["consents"]} == given(fridge)
    # Nothing that has no switch: who asks for it names it.
    assert "User agent header" not in given(fridge)
    before = given(fridge)
    await fridge.report({**REPORT, "filter_life": 80})
    assert "Filter life" in {
        point.name
        for point in fridge.household.firewall.data_points(fridge.subentry(FRIDGE).subentry_id)
    }
    assert given(fridge) == before
    assert all("filter_life" not in body for _, body in fridge.cloud.received)


async def test_nothing_goes_to_another_recipient_with_it(fridge: Home) -> None:
    await fridge.report(to=ADLENS)
    await call(fridge, "grant", recipient_id=frostline(fridge))
    assert given(fridge, to=ADLENS) == set()


async def test_a_whole_recipient_of_one_appliance(fridge: Home) -> None:
    await fridge.report(by=BRUSH)
    device = fridge.household.device(fridge.subentry(BRUSH).subentry_id)
    assert device is not None
    await call(fridge, "grant", recipient_id=frostline(fridge), device_id=device.id)
    assert given(fridge) == set()
    assert given(fridge, by=BRUSH)
    await call(fridge, "grant", recipient_id="frostline (SERVICE)", appliance_id="fridge")
    assert given(fridge)


async def test_what_was_given_before_is_left_as_it_was(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"), level="coarse")
    before = consent(fridge, "Temperature")
    response = await call(fridge, "grant", recipient_id=FROSTLINE, duration=60)
    assert consent(fridge, "Temperature") is before
    assert [one["data_point"] for one in response["given_before"]] == ["Temperature"]
    assert "Temperature" not in {one["data_point"] for one in response["consents"]}


async def test_a_whole_recipient_that_has_all_is_no_decision(fridge: Home) -> None:
    await call(fridge, "grant", recipient_id=FROSTLINE)
    records = (await call(fridge, "verify"))["records"]
    assert (await call(fridge, "grant", recipient_id=FROSTLINE))["consents"] == []
    assert (await call(fridge, "verify"))["records"] == records


# --- What is meant ---


@pytest.mark.parametrize("action", ["grant", "refuse", "withdraw"])
@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({}, "nothing_named"),
        ({"appliance_id": "Fridge"}, "nothing_named"),
        ({"data_point_id": "x"}, "data_point_without_recipient"),
        ({"data_point_id": "x", "recipient_id": FROSTLINE}, "data_point_unknown"),
        ({"recipient_id": "Nobody"}, "recipient_unknown"),
        ({"recipient_id": FROSTLINE, "appliance_id": "Oven"}, "appliance_unknown"),
        ({"recipient_id": FROSTLINE, "device_id": "0" * 32}, "appliance_unknown"),
        ({"entity_id": "switch.nothing"}, "not_a_consent"),
        ({"entity_id": "light.lamp"}, "not_a_consent"),
    ],
)
async def test_what_is_not_there_is_an_error(
    fridge: Home, action: str, asked: dict[str, Any], key: str
) -> None:
    await refused(key, call(fridge, action, **asked))
    assert given(fridge) == set()


async def test_only_our_own_consent_switches_stand_for_consents(fridge: Home) -> None:
    entities = er.async_get(fridge.hass)
    others = [
        entity.entity_id
        for entity in er.async_entries_for_config_entry(entities, fridge.entry.entry_id)
        if entity.translation_key != "consent"
    ]
    assert others
    unique_id = entities.async_get(fridge.switch("Temperature")).unique_id
    foreign = entities.async_get_or_create(
        "switch", "another", unique_id, translation_key="consent"
    )
    for entity_id in (*others, foreign.entity_id):
        await refused("not_a_consent", call(fridge, "grant", entity_id=entity_id))


async def test_a_name_that_two_share_names_none(fridge: Home) -> None:
    await fridge.add(recipient(FROSTLINE, fridge.cloud, purpose="marketing"))
    await refused("recipient_not_one", call(fridge, "grant", recipient_id=FROSTLINE))
    assert given(fridge) == set()
    await call(fridge, "grant", recipient_id=f"{FROSTLINE} (service)")
    assert given(fridge)


async def test_a_data_point_of_another_appliance_is_not_meant(fridge: Home) -> None:
    await refused(
        "data_point_unknown",
        call(fridge, "grant", **pair(fridge, "Temperature"), appliance_id=BRUSH),
    )
    assert given(fridge) == set()


async def test_a_recipient_that_does_not_get_it_is_refused(fridge: Home) -> None:
    asked = {
        "data_point_id": fridge.point("Temperature"),
        "recipient_id": fridge.subentry(ADLENS).subentry_id,
    }
    await refused("grant_of_unknown", call(fridge, "grant", **asked))


async def test_a_grant_with_something_unknown_gives_nothing(fridge: Home) -> None:
    calling = call(fridge, "grant", entity_id=[fridge.switch("Temperature"), "switch.nothing"])
    await refused("not_a_consent", calling)
    assert given(fridge) == set()


async def test_what_was_not_recorded_was_not_given(fridge: Home) -> None:
    with patch.object(
        fridge.household.firewall.consents.ledger, "record", side_effect=StorageError
    ):
        await refused("grant_not_recorded", call(fridge, "grant", **pair(fridge, "Humidity")))
    assert given(fridge) == set()
    await fridge.report()
    assert fridge.cloud.received == []


# --- Who grants, and how many at once ---


async def test_one_call_is_one_act_and_a_second_takes_back_both(fridge: Home) -> None:
    context = Context()
    await call(fridge, "grant", **pair(fridge, "Temperature"), context=context)
    await refused(
        "grant_of_many", call(fridge, "grant", **pair(fridge, "Humidity"), context=context)
    )
    assert given(fridge) == set()


async def test_the_same_call_again_is_the_same_act(fridge: Home) -> None:
    context = Context()
    for _ in range(2):
        await call(fridge, "grant", **pair(fridge, "Temperature"), context=context)
    assert given(fridge) == {"Temperature"}


async def test_what_was_given_before_comes_back_when_more_was_meant(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"), level="coarse")
    context = Context()
    await call(fridge, "grant", **pair(fridge, "Temperature"), context=context)
    await refused("grant_of_many", call(fridge, "grant", recipient_id=FROSTLINE, context=context))
    assert given(fridge) == {"Temperature"}
    assert consent(fridge, "Temperature").level == "coarse"


async def test_a_switch_and_an_action_in_one_script_are_two(fridge: Home) -> None:
    sequence = [
        {"action": f"{DOMAIN}.grant", "data": pair(fridge, "Humidity")},
        {
            "action": "switch.turn_on",
            "target": {"entity_id": fridge.switch("Temperature")},
        },
    ]
    assert await async_setup_component(
        fridge.hass, "script", {"script": {"many": {"sequence": sequence}}}
    )
    with pytest.raises(ServiceValidationError):
        await fridge.hass.services.async_call("script", "many", {}, blocking=True)
    await fridge.hass.async_block_till_done()
    assert given(fridge) == set()


async def test_two_actions_in_one_script_give_nothing(fridge: Home) -> None:
    sequence = [
        {"action": f"{DOMAIN}.grant", "data": pair(fridge, name)}
        for name in ("Humidity", "Temperature")
    ]
    assert await async_setup_component(
        fridge.hass, "script", {"script": {"many": {"sequence": sequence}}}
    )
    with pytest.raises(ServiceValidationError):
        await fridge.hass.services.async_call("script", "many", {}, blocking=True)
    await fridge.hass.async_block_till_done()
    assert given(fridge) == set()


async def test_a_scene_gives_nothing_by_an_action_either(fridge: Home) -> None:
    context = Context()
    assert await async_setup_component(fridge.hass, "scene", {})
    await fridge.hass.services.async_call(
        "scene", "apply", {"entities": {"light.x": "on"}}, blocking=True, context=context
    )
    await refused(
        "grant_by_scene", call(fridge, "grant", **pair(fridge, "Humidity"), context=context)
    )


async def test_an_automation_is_recorded_as_one(fridge: Home) -> None:
    automation = {
        "alias": "Guests",
        "triggers": {"trigger": "event", "event_type": "guests"},
        "actions": {
            "action": f"{DOMAIN}.grant",
            "data": {**pair(fridge, "Humidity"), "duration": "00:15:00"},
        },
    }
    assert await async_setup_component(fridge.hass, "automation", {"automation": automation})
    fridge.hass.bus.async_fire("guests")
    await fridge.hass.async_block_till_done()
    assert given(fridge) == {"Humidity"}
    [found] = (await call(fridge, "get_receipt"))["receipts"]
    [event] = found["events"]
    assert (event["how"], event["person"]) == ("automation", None)
    assert event["notice"]["presented"] == "available"


async def test_who_called_is_recorded(fridge: Home, hass_admin_user: User) -> None:
    context = Context(user_id=hass_admin_user.id)
    await call(fridge, "grant", **pair(fridge, "Humidity"), context=context)
    [found] = (await call(fridge, "get_receipt"))["receipts"]
    [event] = found["events"]
    assert event["how"] == "action"
    assert event["person"] == {"id": hass_admin_user.id, "name": hass_admin_user.name}
    assert event["context"] == context.id


@pytest.mark.parametrize("user_of", ["system-users", None])
async def test_where_administrators_grant_others_do_not(
    fridge: Home, user_of: str | None, hass_admin_user: User
) -> None:
    fridge.hass.config_entries.async_update_entry(
        fridge.entry, options={"who_may_grant": "administrators"}
    )
    user = await a_user(fridge, user_of) if user_of else None
    key = "grant_by_administrators_only"
    await refused(key, call(fridge, "grant", **pair(fridge, "Humidity"), user=user))
    await call(fridge, "lock_down", on=True, user=user)
    await refused(key, call(fridge, "lock_down", on=False, user=user))
    await refused(key, call(fridge, "let_through", appliance_id=FRIDGE, duration=60, user=user))
    assert given(fridge) == set()
    await call(fridge, "lock_down", on=False, user=hass_admin_user)
    await call(fridge, "grant", **pair(fridge, "Humidity"), user=hass_admin_user)
    assert given(fridge) == {"Humidity"}
    await call(fridge, "withdraw", **pair(fridge, "Humidity"), user=user)
    assert given(fridge) == set()


async def test_a_reader_opens_nothing_and_may_close(fridge: Home) -> None:
    """Home Assistant asks this of entities only; an action has to ask it itself."""
    reader = await a_user(fridge, "system-read-only")
    for action, asked in (
        ("grant", pair(fridge, "Humidity")),
        ("let_through", {"appliance_id": FRIDGE, "duration": 60}),
        ("lock_down", {"on": False}),
    ):
        with pytest.raises(Unauthorized):
            await call(fridge, action, user=reader, **asked)
    assert given(fridge) == set()
    await call(fridge, "grant", **pair(fridge, "Humidity"))
    await call(fridge, "withdraw", **pair(fridge, "Humidity"), user=reader)
    await call(fridge, "lock_down", on=True, user=reader)
    assert given(fridge) == set()


async def test_a_user_that_is_gone_is_nobody(fridge: Home) -> None:
    gone = Context(user_id="gone")
    with pytest.raises(UnknownUser):
        await call(fridge, "grant", **pair(fridge, "Humidity"), context=gone)
    with pytest.raises(UnknownUser):
        await call(fridge, "get_receipt", context=gone)
    assert given(fridge) == set()


# --- Persons ---


@pytest.fixture
async def persons(fridge: Home) -> dict[str, User]:
    """Alice, whose toothbrush it is, and Bob."""
    return await a_family(fridge)


async def test_a_person_grants_their_own(fridge: Home, persons: dict[str, User]) -> None:
    asked = pair(fridge, "Temperature", BRUSH) | {"person": "person.alice"}
    for other in (persons["Bob"], None):
        await refused("grant_by_its_person_only", call(fridge, "grant", **asked, user=other))
    await call(fridge, "grant", **asked, user=persons["Alice"])
    assert given(fridge, by=BRUSH) == {"Temperature"}


@pytest.mark.parametrize("person", ["person.bob", "person.nobody", "light.lamp"])
async def test_whose_data_it_is_must_be_right(
    fridge: Home, persons: dict[str, User], person: str
) -> None:
    alice = persons["Alice"]
    asked = pair(fridge, "Temperature", BRUSH)
    await refused("person_mismatch", call(fridge, "grant", **asked, person=person, user=alice))
    # The fridge is the household's, nobody's own.
    asked = pair(fridge, "Temperature")
    await refused(
        "person_mismatch", call(fridge, "grant", **asked, person="person.alice", user=alice)
    )
    assert given(fridge) == given(fridge, by=BRUSH) == set()


# --- Withdrawing and refusing ---


@pytest.mark.parametrize("action", ["withdraw", "refuse"])
async def test_when_it_returns_nothing_leaves_any_more(fridge: Home, action: str) -> None:
    await call(fridge, "grant", recipient_id=FROSTLINE)
    await fridge.report()
    assert len(fridge.cloud.received) == 1
    response = await call(fridge, action, entity_id=fridge.switch("Temperature"))
    assert response["consents"][0]["in_force"] is False
    await fridge.report()
    assert "temperature" not in fridge.cloud.received[-1][1]
    await call(fridge, action, recipient_id=FROSTLINE)
    assert given(fridge) == set()
    received = len(fridge.cloud.received)
    await fridge.report()
    assert len(fridge.cloud.received) == received


async def test_a_whole_recipient_is_withdrawn_with_what_has_no_switch(fridge: Home) -> None:
    await fridge.report({"temperature": 4.5, "serial_number": "FR0123456789AB"})
    await call(fridge, "grant", **pair(fridge, "Serial number"))
    response = await call(fridge, "withdraw", recipient_id=FROSTLINE)
    assert [one["data_point"] for one in response["consents"]] == ["Serial number"]
    assert given(fridge) == set()


async def test_a_whole_recipient_is_refused_with_what_has_no_switch(fridge: Home) -> None:
    await fridge.report({"temperature": 4.5, "serial_number": "FR0123456789AB"})
    await call(fridge, "grant", **pair(fridge, "Serial number"))
    # One that came back with a backup has none until it is confirmed.
    found = consent(fridge, "Serial number")
    item = found.appliance_id, found.data_point_id, found.recipient_id
    fridge.household.firewall.consents.ledger.suspend(item)
    fridge.household.firewall._enforce()
    await call(fridge, "refuse", recipient_id=FROSTLINE)
    assert given(fridge) == set()
    assert consent(fridge, "Serial number").state is ConsentState.REFUSED
    assert consent(fridge, "Temperature").state is ConsentState.REFUSED


async def test_of_one_appliance_only_where_that_is_asked(fridge: Home) -> None:
    await fridge.report(by=BRUSH)
    await call(fridge, "grant", recipient_id=FROSTLINE)
    await call(fridge, "withdraw", recipient_id=FROSTLINE, appliance_id=BRUSH)
    assert given(fridge, by=BRUSH) == set()
    assert given(fridge)


async def test_nothing_to_withdraw_is_no_error(fridge: Home) -> None:
    assert await call(fridge, "withdraw", recipient_id=FROSTLINE) == {"consents": []}


async def test_what_is_not_there_does_not_hold_up_the_rest(fridge: Home) -> None:
    await call(fridge, "grant", recipient_id=FROSTLINE)
    switches = ["switch.gone", fridge.switch("Temperature"), "switch.gone_too"]
    with pytest.raises(ServiceValidationError) as raised:
        await call(fridge, "withdraw", entity_id=switches)
    assert raised.value.translation_key == "stopped_but_for"
    assert raised.value.translation_placeholders == {"missing": "2", "stopped": "1"}
    assert "Temperature" not in given(fridge)
    await refused("not_a_consent", call(fridge, "withdraw", entity_id="switch.gone"))
    await refused(
        "stopped_but_for",
        call(fridge, "refuse", entity_id=fridge.switch("Humidity"), recipient_id="Nobody"),
    )
    assert "Humidity" not in given(fridge)


async def test_of_a_recipient_that_is_gone_everything_is_withdrawn(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    before = consent(fridge, "Temperature")
    await fridge.remove(FROSTLINE)
    after = fridge.household.firewall.consent(*before.pair)
    assert after is not None
    assert after.state is ConsentState.WITHDRAWN
    records = await fridge.household.firewall.consents.records()
    assert records[-1].decider.how == "removal"


async def test_an_appliance_that_is_gone_does_not_hold_up_the_rest(fridge: Home) -> None:
    await fridge.report(by=BRUSH)
    await call(fridge, "grant", recipient_id=FROSTLINE)
    await fridge.remove(BRUSH)
    await call(fridge, "withdraw", recipient_id=FROSTLINE)
    assert given(fridge) == set()


async def test_what_is_refused_is_recorded_once(fridge: Home) -> None:
    await call(fridge, "refuse", recipient_id=FROSTLINE)
    assert consent(fridge, "Temperature").state is ConsentState.REFUSED
    records = (await call(fridge, "verify"))["records"]
    assert (await call(fridge, "refuse", recipient_id=FROSTLINE))["consents"] == []
    assert (await call(fridge, "verify"))["records"] == records


async def test_many_may_be_withdrawn_in_one_context(fridge: Home) -> None:
    await call(fridge, "grant", recipient_id=FROSTLINE)
    context = Context()
    for name in ("Temperature", "Humidity"):
        await call(fridge, "withdraw", **pair(fridge, name), context=context)
    assert not {"Temperature", "Humidity"} & given(fridge)


async def test_a_withdrawal_that_was_not_recorded_holds_and_says_so(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Humidity"))
    with patch.object(
        fridge.household.firewall.consents.ledger, "record", side_effect=StorageError
    ):
        await refused(
            "withdrawal_not_recorded", call(fridge, "withdraw", **pair(fridge, "Humidity"))
        )
    assert given(fridge) == set()
    await fridge.report()
    assert fridge.cloud.received == []


# --- Measures ---


async def test_everything_is_let_through_for_a_time(fridge: Home) -> None:
    response = await call(fridge, "let_through", appliance_id="fridge", duration="00:15:00")
    assert response["appliance"] == FRIDGE
    until = dt_util.parse_datetime(response["until"])
    assert until is not None
    assert until.timestamp() == pytest.approx(fridge.household.firewall.now() + 900, abs=30)
    await fridge.report()
    assert fridge.cloud.received == [("/fridge", REPORT)]
    assert (await call(fridge, "let_through", appliance_id=FRIDGE, stop=True))["until"] is None
    await fridge.report()
    assert len(fridge.cloud.received) == 1
    assert given(fridge) == set()


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({}, "let_through_how_long"),
        ({"stop": True, "duration": 60}, "let_through_how_long"),
        ({"duration": 0}, "let_through_not_possible"),
        ({"duration": 3601}, "let_through_not_possible"),
    ],
)
async def test_letting_through_has_a_bound(fridge: Home, asked: dict[str, Any], key: str) -> None:
    await refused(key, call(fridge, "let_through", appliance_id=FRIDGE, **asked))
    await fridge.report()
    assert fridge.cloud.received == []


async def test_one_appliance_is_let_through_not_all(fridge: Home) -> None:
    await refused("appliance_not_one", call(fridge, "let_through", duration=60))
    await refused("appliance_unknown", call(fridge, "let_through", appliance_id="x", duration=60))
    context = Context()
    await call(fridge, "let_through", appliance_id=FRIDGE, duration=60, context=context)
    await refused(
        "grant_of_many",
        call(fridge, "let_through", appliance_id=BRUSH, duration=60, context=context),
    )
    await fridge.report()
    await fridge.report(by=BRUSH)
    assert fridge.cloud.received == []


async def test_two_appliances_of_one_name_are_none(fridge: Home) -> None:
    await fridge.add(appliance(FRIDGE, addresses=["127.0.0.4"]))
    await refused("appliance_not_one", call(fridge, "let_through", appliance_id=FRIDGE, stop=True))


async def test_a_lockdown_stops_everything_and_gives_it_back(fridge: Home) -> None:
    await call(fridge, "grant", recipient_id=FROSTLINE)
    before = given(fridge)
    assert await call(fridge, "lock_down", on=True) == {"locked_down": True}
    await fridge.report()
    assert fridge.cloud.received == []
    assert await call(fridge, "lock_down", on=False) == {"locked_down": False}
    assert given(fridge) == before
    await fridge.report()
    assert len(fridge.cloud.received) == 1


async def test_a_lockdown_does_not_end_with_something_else(fridge: Home) -> None:
    await call(fridge, "lock_down", on=True)
    context = Context()
    await call(fridge, "grant", **pair(fridge, "Humidity"), context=context)
    await refused("grant_of_many", call(fridge, "lock_down", on=False, context=context))
    assert fridge.household.firewall.consents.is_locked_down
    assert given(fridge) == set()


async def test_recipients_and_appliances_of_other_homes_are_not_known(
    fridge: Home, cloud: Any
) -> None:
    """What another entry of ours had before is nobody's now."""
    stranger = "01JABCDEFGHJKMNPQRSTVWXYZ0"
    for action in ("grant", "refuse", "withdraw"):
        await refused(
            "recipient_unknown", call(fridge, action, recipient_id=stranger, appliance_id=FRIDGE)
        )
    await refused("appliance_unknown", call(fridge, "forget", appliance_id=stranger))


# --- What fresh eyes found ---


@pytest.fixture
def process_in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A container's process knows no zone; Home Assistant does."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("process_in_utc")
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
async def test_a_time_without_a_zone_is_the_homes(fridge: Home, zone: str) -> None:
    await fridge.hass.config.async_set_time_zone(zone)
    at = dt_util.now() + timedelta(hours=12)
    # As the form's date and time send it.
    text = at.strftime("%Y-%m-%d %H:%M:%S")
    await call(fridge, "grant", **pair(fridge, "Temperature"), until=text)
    assert consent(fridge, "Temperature").until == pytest.approx(at.timestamp(), abs=2)


@pytest.mark.parametrize("until", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
async def test_a_time_beyond_every_calendar_is_refused(fridge: Home, until: str) -> None:
    asked = pair(fridge, "Temperature")
    await refused("grant_end_not_possible", call(fridge, "grant", **asked, until=until))


async def test_refusing_a_recipient_stops_also_what_goes_elsewhere_by_now(fridge: Home) -> None:
    """One consent that cannot be refused any more must not keep the others in force."""
    await fridge.report({"humidity_outside": 55}, path="/other")
    await call(fridge, "grant", recipient_id=FROSTLINE)
    assert {"Temperature", "Humidity outside"} <= given(fridge)
    base = f"http://127.0.0.1:{fridge.cloud.port}"
    await fridge.change(ADLENS, endpoints=[f"POST {base}/ads", f"POST {base}/fridge/other"])
    await fridge.report({"humidity_outside": 55}, path="/other")
    response = await call(fridge, "refuse", recipient_id=FROSTLINE)
    assert {one["state"] for one in response["consents"]} == {"refused", "withdrawn"}
    assert given(fridge) == set()
    fridge.cloud.received.clear()
    await fridge.report()
    assert fridge.cloud.received == []


async def test_what_was_refused_is_not_given_with_the_rest(fridge: Home) -> None:
    await call(fridge, "refuse", **pair(fridge, "Humidity"))
    response = await call(fridge, "grant", recipient_id=FROSTLINE)
    assert [one["data_point"] for one in response["refused_before"]] == ["Humidity"]
    assert "Humidity" not in given(fridge)
    assert "Temperature" in given(fridge)
    await call(fridge, "grant", **pair(fridge, "Humidity"))
    assert "Humidity" in given(fridge)


async def test_what_cannot_be_made_coarse_is_not_given_coarse(fridge: Home) -> None:
    asked = pair(fridge, "Door open")
    await refused("grant_not_coarse", call(fridge, "grant", **asked, level="coarse"))
    response = await call(fridge, "grant", recipient_id=FROSTLINE, level="coarse")
    assert {one["data_point"] for one in response["not_coarse"]} >= {"Door open", "Program"}
    assert given(fridge) == {"Temperature", "Humidity"}


async def test_a_grant_of_nothing_is_an_error(fridge: Home) -> None:
    asked = {"recipient_id": ADLENS, "appliance_id": FRIDGE}
    await refused("nothing_to_grant", call(fridge, "grant", **asked))


async def test_letting_through_says_why_not(fridge: Home) -> None:
    asked = {"appliance_id": FRIDGE, "duration": {"minutes": 30}}
    await refused(
        "let_through_not_possible",
        call(fridge, "let_through", **asked | {"duration": {"hours": 2}}),
    )
    await call(fridge, "lock_down", on=True)
    await refused("let_through_in_lockdown", call(fridge, "let_through", **asked))
    await call(fridge, "lock_down", on=False)
    assert (await call(fridge, "let_through", **asked))["until"] is not None


BAD = {
    "grant": [
        {}, {"recipient_id": "x"}, {"recipient_id": FROSTLINE, "appliance_id": "x"},
        {"recipient_id": FROSTLINE, "level": "some"}, {"recipient_id": FROSTLINE, "until": "soon"},
        {"recipient_id": FROSTLINE, "duration": -5}, {"recipient_id": FROSTLINE, "duration": {}},
        {"recipient_id": FROSTLINE, "until": "2001-01-01T00:00:00"},
        {"recipient_id": FROSTLINE, "until": "9999-12-31T23:59:59"},
        {"entity_id": "switch.none"}, {"entity_id": "all"},
        {"data_point_id": "0" * 16, "recipient_id": FROSTLINE}, {"recipient_id": None},
        {"recipient_id": ["x"]}, {"recipient_id": FROSTLINE, "person": "person.nobody"},
        {"recipient_id": FROSTLINE, "duration": "9" * 400},
    ],
    "refuse": [{}, {"recipient_id": "x"}, {"entity_id": "switch.none"}, {"device_id": "x"}],
    "withdraw": [{}, {"recipient_id": "x"}, {"entity_id": "switch.none"}, {"device_id": "x"}],
    "let_through": [
        {}, {"appliance_id": "x", "duration": 60}, {"appliance_id": FRIDGE},
        {"appliance_id": FRIDGE, "duration": 3601}, {"appliance_id": FRIDGE, "duration": 0},
        {"appliance_id": FRIDGE, "duration": -1}, {"appliance_id": FRIDGE, "duration": "long"},
        {"appliance_id": FRIDGE, "duration": 1e300}, {"appliance_id": FRIDGE, "duration": {}},
        {"appliance_id": FRIDGE, "duration": {"days": 10**12}},
        {"appliance_id": FRIDGE, "duration": 60, "stop": True}, {"device_id": "x", "stop": True},
    ],
    "set_need": [
        {}, {"appliance_id": FRIDGE, "recipient_id": "x", "need": "needed"},
        {"appliance_id": FRIDGE, "recipient_id": FROSTLINE, "need": "much"},
    ],
    "lock_down": [{}, {"on": "perhaps"}, {"on": None}],
    "get_disclosures": [
        {"appliance_id": "x"}, {"hours": 0}, {"hours": "nan"}, {"hours": 1e308},
        {"since": "9999-12-31T23:59:59"}, {"since": "2030-01-01T00:00:00", "hours": 1},
        {"limit": -1}, {"recipient_id": "x"},
    ],
    "export_journal": [{"format": "pdf"}, {"since": "x"}, {"appliance_id": "x"}, {"file": "../x"}],
    "forget": [{}, {"appliance_id": "x"}, {"device_id": "x"}],
    "get_receipt": [{"recipient_id": "x"}, {"entity_id": "switch.none"}],
    "verify": [{"x": 1}],
    "preview": [{}, {"appliance_id": "x", "method": "POST", "url": "x"}, {"appliance_id": FRIDGE}],
    "preview_data_points": [
        {}, {"appliance_id": "x"}, {"appliance_id": FRIDGE, "recipient_id": "x"},
        {"appliance_id": FRIDGE, "data_point_id": "0" * 16},
    ],
    "get_data_points": [{"appliance_id": "x"}, {"appliance_id": FRIDGE, "topic": "x"}, {"x": 1}],
    "match": [
        {}, {"data_point_id": "0" * 16}, {"data_point_id": "x", "matched_entity": "sensor.none"},
        {"entity_id": "switch.none", "matched_entity": "sensor.none"},
    ],
    "unmatch": [{}, {"data_point_id": "0" * 16}, {"entity_id": "switch.none"}],
    "find_matches": [{"appliance_id": "x"}, {"device_id": "x"}],
    "get_exposures": [{"x": 1}],
    "self_test": [{"x": 1}],
    "info": [{"x": 1}],
}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_is_asked_wrongly_is_the_callers_fault(
    fridge: Home, hass_client: ClientSessionGenerator, action: str
) -> None:
    """Over HTTP that is 400, and no error of ours in the log."""
    assert await async_setup_component(fridge.hass, "api", {})
    client = await hass_client()
    for asked in BAD[action]:
        url = f"/api/services/{DOMAIN}/{action}"
        answers = await client.post(f"{url}?return_response", json=asked)
        assert answers.status == 400, (asked, await answers.text())
    assert given(fridge) == set()
    assert fridge.household.firewall.let_through_until(fridge.subentry(FRIDGE).subentry_id) is None
