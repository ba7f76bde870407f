"""Consent switches: what they show, what they do, and what reaches the cloud."""

import asyncio
import logging
from unittest.mock import patch

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_expose_entity,
    async_should_expose,
)
from homeassistant.const import STATE_UNAVAILABLE, EntityCategory
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.privacy_firewall.engine import ConsentError, StorageError
from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Drift
from tests.common import ADLENS, BRUSH, FROSTLINE, SECRET, Home, appliance, recipient
from tests.facts import by_automation, refused, state
from tests.house import read_json


async def test_a_report_brings_switches_that_are_off(home: Home) -> None:
    assert await home.report() == 200
    for name in ("Temperature", "Humidity", "Door open", "Program"):
        assert not home.is_on(home.switch(name))
    assert home.cloud.received == []


async def test_what_is_turned_on_leaves_and_nothing_else(home: Home) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    assert home.is_on(home.switch("Temperature"))
    await home.report()
    assert home.cloud.received == [("/fridge", {"temperature": 4.5})]
    await home.turn("turn_off", home.switch("Temperature"))
    assert not home.is_on(home.switch("Temperature"))
    await home.report()
    assert len(home.cloud.received) == 1


async def test_a_consent_is_for_one_recipient(home: Home) -> None:
    await home.report()
    await home.report(to=ADLENS)
    frostline, adlens = (
        next(
            home.entity("switch", point.id, home.subentry(to).subentry_id)
            for point in home.household.firewall.data_points(home.subentry("Fridge").subentry_id)
            if point.name == "Temperature" and home.subentry(to).subentry_id in point.recipients
        )
        for to in (FROSTLINE, ADLENS)
    )
    await home.turn("turn_on", frostline)
    assert not home.is_on(adlens)
    await home.report(to=ADLENS)
    assert home.cloud.received == []


async def test_it_tells_before_it_is_turned_on(home: Home) -> None:
    await home.report({"program": SECRET, "temperature": 4.5})
    state = home.hass.states.get(home.switch("Temperature"))
    assert state is not None
    assert state.name == "Fridge Temperature to Frostline for service"
    recipient = home.subentry(FROSTLINE)
    told = {key: state.attributes[key] for key in state.attributes if key != "friendly_name"}
    assert told == {
        "data_point_id": home.point("Temperature"),
        "path": "$.body.temperature",
        "endpoint": "POST 127.0.0.1/fridge",
        "category": "reading",
        "nature": "reading",
        "sensitive": [],
        "evidence": [],
        "recipient": FROSTLINE,
        "purpose": "service",
        "benefit": recipient.data["benefit"],
        "if_refused": recipient.data["if_refused"],
        "sent_along": recipient.data["functional"],
        "level": None,
        "until": None,
        "state": None,
        "last_decided": None,
        "notice": home.household.firewall.consents.notice(recipient.subentry_id).text,
        "notice_version": 1,
        "sharing_outdated": False,
        "changed": None,
        "needed_by": [],
        "matched_entity": None,
        "match_confidence": None,
        "match_reasons": [],
        "also_reveals": [],
    }
    assert "Tells you when the door is open." in told["notice"]
    await home.turn("turn_on", home.switch("Temperature"))
    state = home.hass.states.get(home.switch("Temperature"))
    assert state is not None
    assert state.attributes["last_decided"] is not None
    assert (state.attributes["level"], state.attributes["state"]) == ("exact", "given")
    assert state.attributes["until"] is None


def told(home: Home, *names: str) -> list[object]:
    state = home.hass.states.get(home.switch("Temperature"))
    assert state is not None
    return [state.attributes[name] for name in names]


async def test_it_tells_that_what_was_stated_changed_since(home: Home) -> None:
    """The consent stays as it was given; that it was under another notice is said."""
    names = "sharing_outdated", "notice_version"
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    assert told(home, *names) == [False, 1]
    await home.change(FROSTLINE, benefit="Nothing any more.")
    assert told(home, *names) == [True, 2]
    assert "Nothing any more." in str(told(home, "notice"))
    assert home.is_on(home.switch("Temperature"))
    await home.turn("turn_off", home.switch("Temperature"))
    assert told(home, *names) == [False, 2]
    await home.turn("turn_on", home.switch("Temperature"))
    assert told(home, *names) == [False, 2]


async def test_what_is_long_or_never_changes_is_not_recorded(home: Home) -> None:
    await home.report()
    entity = home.hass.data["switch"].get_entity(home.switch("Temperature"))
    recorded = entity.extra_state_attributes.keys() - entity._unrecorded_attributes
    assert recorded == {
        "recipient",
        "purpose",
        "level",
        "until",
        "state",
        "last_decided",
        "notice_version",
        "sharing_outdated",
        "changed",
    }


async def test_a_timed_consent_ends_in_the_switch_too(home: Home) -> None:
    await home.report()
    switch = home.switch("Temperature")
    pair = home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    await home.household.decisions.async_decide(
        [pair], ConsentState.GIVEN, Decider(how="action"), seconds=1.5
    )
    assert home.is_on(switch)
    assert told(home, "until") != [None]
    await home.report()
    assert len(home.cloud.received) == 1
    async with asyncio.timeout(5):
        while home.is_on(switch):  # noqa: ASYNC110 - real time has to pass
            await asyncio.sleep(0.05)
    assert told(home, "state") == ["expired"]
    await home.report()
    assert len(home.cloud.received) == 1


async def test_it_is_no_control(home: Home, entity_registry: er.EntityRegistry) -> None:
    await home.report()
    entry = entity_registry.async_get(home.switch("Temperature"))
    assert entry is not None
    assert entry.entity_category is EntityCategory.CONFIG
    assert entry.config_subentry_id == home.subentry("Fridge").subentry_id


async def test_consents_survive_a_reload(home: Home) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    await home.reload()
    assert home.is_on(home.switch("Temperature"))
    assert not home.is_on(home.switch("Humidity"))
    await home.report()
    assert home.cloud.received == [("/fridge", {"temperature": 4.5})]


async def test_a_switch_is_only_a_view(home: Home, entity_registry: er.EntityRegistry) -> None:
    """Renamed or removed, the consent stays what it is."""
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    entity_registry.async_update_entity(switch, new_entity_id="switch.other")
    await home.hass.async_block_till_done()
    assert home.is_on("switch.other")
    entity_registry.async_remove("switch.other")
    await home.hass.async_block_till_done()
    await home.report()
    assert home.cloud.received == [("/fridge", {"temperature": 4.5})]


async def test_a_renamed_switch_is_turned_on_by_its_new_id(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    await home.report()
    entity_registry.async_update_entity(home.switch("Temperature"), new_entity_id="switch.other")
    await home.hass.async_block_till_done()
    await home.turn("turn_on", "switch.other")
    assert home.is_on("switch.other")


async def test_who_decided_is_recorded(home: Home, hass_admin_user) -> None:
    await home.report()
    for action in ("turn_on", "turn_off"):
        context = Context(user_id=hass_admin_user.id)
        await home.turn(action, home.switch("Temperature"), context=context)
        newest = (await home.household.firewall.consents.records())[-1]
        assert newest.consent.state is (
            ConsentState.GIVEN if action == "turn_on" else ConsentState.WITHDRAWN
        )
        # A bare switch shows no notice; that it was only available is said.
        assert newest.decider == Decider(
            how="switch", person=hass_admin_user.id, context=context.id, notice_shown=False
        )


@pytest.mark.parametrize(
    ("action", "error", "key", "is_on"),
    [
        ("turn_on", StorageError(SECRET), "grant_not_recorded", False),
        ("turn_on", ConsentError(SECRET), "grant_of_unknown", False),
        ("turn_off", StorageError(SECRET), "withdrawal_not_recorded", True),
        ("turn_off", ConsentError(SECRET), "withdrawal_of_unknown", True),
    ],
)
async def test_a_decision_that_fails_says_so(
    home: Home, caplog: pytest.LogCaptureFixture, *, action, error, key, is_on
) -> None:
    await home.report()
    switch = home.switch("Temperature")
    if action == "turn_off":
        await home.turn("turn_on", switch)
    with (
        patch.object(home.household.firewall, "decide", side_effect=error),
        pytest.raises(HomeAssistantError) as raised,
    ):
        await home.turn(action, switch)
    assert raised.value.translation_key == key
    assert key in read_json("translations/en.json")["exceptions"]
    assert home.is_on(switch) is is_on
    assert SECRET not in caplog.text


async def test_withdrawing_again_records_what_could_not_be_recorded(home: Home) -> None:
    """Off is shown because it is stopped; on disk it is still given, and a restart reads that."""
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    ledger = home.household.firewall.consents.ledger
    with (
        patch.object(ledger, "record", side_effect=StorageError("disk full")),
        pytest.raises(HomeAssistantError),
    ):
        await home.turn("turn_off", switch)
    assert not home.is_on(switch)
    await home.turn("turn_off", switch)
    await home.reload()
    assert not home.is_on(switch)


async def test_off_wins_over_an_on_that_is_being_recorded(home: Home) -> None:
    await home.report()
    switch = home.switch("Temperature")
    decide = home.household.firewall.decide
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*args, **kwargs):
        started.set()
        await go_on.wait()
        return await decide(*args, **kwargs)

    with patch.object(home.household.firewall, "decide", slow):
        turned_on = home.hass.async_create_task(home.turn("turn_on", switch))
        await started.wait()
        turned_off = home.hass.async_create_task(home.turn("turn_off", switch))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(turned_on, turned_off)
    assert not home.is_on(switch)


async def test_turning_off_what_nobody_decided_records_nothing(home: Home) -> None:
    await home.report()
    with patch.object(home.household.firewall, "decide") as decided:
        await home.turn("turn_off", home.switch("Temperature"))
    decided.assert_not_called()


async def test_values_reach_no_log(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="custom_components.privacy_firewall")
    caplog.set_level(logging.INFO)
    await home.report({"program": SECRET, "temperature": SECRET, "mode": 7})
    await home.turn("turn_on", home.switch("Program"))
    await home.report({"program": SECRET, "temperature": SECRET, "mode": "hot"})
    assert SECRET not in caplog.text


# --- More of them, without a reload ---


async def test_an_appliance_added_later_has_entities(hass: HomeAssistant, home: Home) -> None:
    await home.add(appliance("Oven", addresses=["127.0.0.4"]))
    assert home.sensor("protection", by="Oven").state == "not_seen"


async def test_a_removed_appliance_takes_its_entities_with_it(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    await home.report()
    await home.report(by=BRUSH)
    fridge = await home.remove("Fridge")
    left = er.async_entries_for_config_entry(entity_registry, home.entry.entry_id)
    assert left
    assert not [entity for entity in left if fridge in entity.unique_id]
    assert {state.state for state in home.hass.states.async_all("sensor")} >= {"4.5"}
    assert set(home.household.readings) <= {
        point.id for point in home.household.firewall.data_points(home.subentry(BRUSH).subentry_id)
    }
    assert not home.is_on(home.switch("Temperature", by=BRUSH))


async def test_a_removed_recipient_takes_its_switches_with_it(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    await home.report()
    await home.report(to=ADLENS)
    gone = home.subentry(ADLENS).subentry_id
    before = [
        entity.entity_id
        for entity in er.async_entries_for_config_entry(entity_registry, home.entry.entry_id)
        if entity.unique_id.endswith(gone)
    ]
    assert before
    assert await home.remove(ADLENS) == gone
    assert not [
        one for one in before if entity_registry.async_get(one) or home.hass.states.get(one)
    ]
    assert not home.is_on(home.switch("Temperature"))


async def test_a_recipient_that_joins_has_its_own_switch(home: Home) -> None:
    """Who claims an endpoint of another gets a switch of its own, off; and both must be on."""
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    joining = recipient(
        "Trackwell",
        home.cloud,
        purpose="analytics",
        endpoints=[f"POST http://127.0.0.1:{home.cloud.port}/fridge"],
    )
    await home.add(joining)
    await home.report()
    assert home.cloud.received == []
    assert not home.is_on(home.switch("Temperature", to="Trackwell"))
    await home.turn("turn_on", home.switch("Temperature", to="Trackwell"))
    await home.report()
    assert home.cloud.received == [("/fridge", {"temperature": 4.5})]


async def test_a_renamed_recipient_shows_its_new_name(home: Home) -> None:
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    await home.change(FROSTLINE, organisation="Iceworks")
    state = home.hass.states.get(switch)
    assert state is not None
    assert state.name == "Fridge Temperature to Iceworks for service"
    assert state.state == "on"


async def test_a_recipient_that_cannot_be_read_gets_nothing(home: Home) -> None:
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    await home.change(FROSTLINE, endpoints=[f"ftp://{SECRET}"])
    state = home.hass.states.get(switch)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE
    await home.report()
    assert home.cloud.received == []


async def test_who_shares_with_one_that_cannot_be_read_gets_nothing(home: Home) -> None:
    """Or a broken one would leave the other's consent to count for both."""
    joining = recipient(
        "Trackwell",
        home.cloud,
        endpoints=[f"POST http://127.0.0.1:{home.cloud.port}/fridge"],
    )
    await home.add(joining)
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    await home.change("Trackwell", purpose="of a later version")
    await home.report()
    assert home.cloud.received == []


async def test_at_most_forty_data_points_of_an_appliance_have_entities(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    for path in ("/a", "/b", "/c"):
        await home.report({f"temperature_{path[1]}_{n}": n for n in range(30)}, path=path)
        await home.report(
            {f"temperature_{path[1]}_{n}": n for n in range(30)}, path=path, to=ADLENS
        )
    fridge = home.subentry("Fridge").subentry_id
    entities = [
        entity
        for entity in er.async_entries_for_config_entry(entity_registry, home.entry.entry_id)
        if entity.config_subentry_id == fridge and entity.disabled_by is None
    ]
    points = {one.id for one in home.household.firewall.data_points(fridge)}
    shown = {part for one in entities for part in one.unique_id.split("_") if part in points}
    switches = [one for one in entities if one.domain == "switch"]
    assert len(shown) == 40
    assert len(switches) <= 2 * 14
    assert sum(one.translation_key == "group_climate" for one in entities) == 2
    await home.reload()
    # All but headers and the calls themselves have a switch or stand behind one of the two.
    assert int(home.sensor("held_back").state) == 12


# --- Assistants ---


async def test_assistants_see_none_of_it(hass: HomeAssistant, home: Home) -> None:
    for assistant in KNOWN_ASSISTANTS:
        hass.data["homeassistant.exposed_entities"].async_set_expose_new_entities(assistant, True)
    await home.report()
    ours = [
        home.switch("Temperature"),
        home.entity("sensor", home.point("Temperature")),
        home.entity("sensor", "denied"),
        home.entity("event", "transmission"),
    ]
    for assistant in KNOWN_ASSISTANTS:
        assert not [one for one in ours if async_should_expose(hass, assistant, one)]


async def test_an_entity_exposed_later_stays_exposed(hass: HomeAssistant, home: Home) -> None:
    await home.report()
    sensor = home.entity("sensor", home.point("Temperature"))
    async_expose_entity(hass, "conversation", sensor, should_expose=True)
    await home.reload()
    assert async_should_expose(hass, "conversation", sensor)
    assert not async_should_expose(hass, "cloud.alexa", sensor)


# --- What it was before ---


@pytest.fixture
async def temperature(home: Home) -> str:
    """The switch of a thermometer that is shared."""
    await home.report()
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch, context=Context())
    return switch


@pytest.mark.parametrize("reloaded", [False, True])
@pytest.mark.parametrize("off", [False, True])
async def test_an_automation_does_not_accept_what_drifted(
    home: Home, temperature: str, *, off: bool, reloaded: bool
) -> None:
    """It is asked again, and what comes each morning is no answer, nor each evening and morning."""
    drifted = {home.point("Temperature"): Drift.UNIT}
    await home.household.firewall.consents.suspend_drifted(drifted)
    await home.hass.async_block_till_done()
    if off:
        await by_automation(home, "turn_off", temperature)
    if reloaded:
        await home.reload()
    await refused("grant_of_changed", by_automation(home, "turn_on", temperature))
    assert not home.is_on(temperature)
    assert state(home, temperature).attributes["changed"] == "unit"
    # Somebody who turns it on answers.
    await home.turn("turn_on", temperature, context=Context())
    assert home.is_on(temperature)
    assert state(home, temperature).attributes["changed"] is None


async def test_an_automation_brings_back_what_did_not_drift(home: Home, temperature: str) -> None:
    await by_automation(home, "turn_off", temperature)
    await by_automation(home, "turn_on", temperature)
    assert home.is_on(temperature)


@pytest.mark.parametrize("reloaded", [False, True])
async def test_what_was_coarse_comes_back_coarse(
    home: Home, temperature: str, *, reloaded: bool
) -> None:
    grant = {"entity_id": temperature, "level": "coarse"}
    await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    await home.turn("turn_off", temperature, context=Context())
    # Turned off once more it is the same.
    await home.turn("turn_off", temperature, context=Context())
    if reloaded:
        await home.reload()
    await home.turn("turn_on", temperature, context=Context())
    assert home.is_on(temperature)
    assert state(home, temperature).attributes["level"] == "coarse"
    # Finer by an action that says so.
    await home.turn("turn_off", temperature, context=Context())
    await home.hass.services.async_call(
        "privacy_firewall", "grant", grant | {"level": "exact"}, blocking=True
    )
    assert state(home, temperature).attributes["level"] == "exact"
