"""What is told of consents, questions and endpoints: on the bus, and to real automations."""

import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Context
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockUser,
    async_capture_events,
)

from custom_components.privacy_firewall.const import (
    DOMAIN,
    EVENT_CONSENT,
    EVENT_GRANT_ENDING,
    EVENT_REQUEST,
)
from custom_components.privacy_firewall.engine.events import (
    ConsentsChanged,
    ConsentsRequested,
    GrantEnding,
    Unclaimed,
)
from custom_components.privacy_firewall.engine.model import (
    ConsentState,
    Decider,
    Level,
)
from tests.automations import Place, attach, automate, consent, happen, told
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, Home

UNTIL = 1_795_478_400.0  # 2026-11-24 00:00 UTC


# --- Decisions ---


async def test_consent_changed(home: Home) -> None:
    await home.report()
    noted = await automate(home.hass, "consent_changed")
    events = async_capture_events(home.hass, EVENT_CONSENT)
    decided = ConsentsChanged(
        consents=(
            consent(home, "Temperature", level=Level.COARSE, until=UNTIL),
            consent(home, "Humidity", level=Level.COARSE, until=UNTIL),
            consent(home, "Humidity", ADLENS),
        ),
        decider=Decider(how="action", person="a-user", context="01JD0000000000000000000001"),
    )
    await happen(home, decided)
    fridge = home.subentry(FRIDGE).subentry_id
    device = home.household.device(fridge)
    assert device is not None
    whose = {"appliance": FRIDGE, "appliance_id": fridge, "device_id": device.id}
    expected = [
        {
            **whose,
            "recipient": FROSTLINE,
            "recipient_id": home.subentry(FROSTLINE).subentry_id,
            "purpose": "service",
            "state": "given",
            "level": "coarse",
            "until": "2026-11-24T00:00:00+00:00",
            "data_points": ["Temperature", "Humidity"],
            "data_point_ids": [home.point("Temperature"), home.point("Humidity")],
            "count": 2,
            "how": "action",
        },
        {
            **whose,
            "recipient": ADLENS,
            "recipient_id": home.subentry(ADLENS).subentry_id,
            "purpose": "marketing",
            "state": "given",
            "level": "exact",
            "until": None,
            "data_points": ["Humidity"],
            "data_point_ids": [home.point("Humidity")],
            "count": 1,
            "how": "action",
        },
    ]
    assert told(noted) == expected
    assert [event.data for event in events] == expected
    # The person's id is in the context, where Home Assistant keeps such, and nowhere else.
    assert [event.context.user_id for event in events] == ["a-user"] * 2
    assert "a-user" not in json.dumps(expected)


async def test_what_follows_from_a_decision_is_part_of_it(home: Home) -> None:
    """So that one switch, by way of an automation, does not turn on another."""
    await home.report()
    noted = await automate(home.hass, "consent_changed")
    decider = Decider(how="switch", context="01JD0000000000000000000001")
    await happen(home, ConsentsChanged(consents=(consent(home, "Humidity"),), decider=decider))
    assert [call.context.parent_id for call in noted] == ["01JD0000000000000000000001"]


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ({}, ["given", "withdrawn", "refused", "expired"]),
        ({"state": ["withdrawn", "expired"]}, ["withdrawn", "expired"]),
        ({"recipient": "adlens"}, []),
        ({"purpose": "service", "state": "given"}, ["given"]),
    ],
)
async def test_consent_filters(home: Home, options: dict[str, Any], states: list[str]) -> None:
    await home.report()
    noted = await automate(home.hass, "consent_changed", **options)
    for state in ("given", "withdrawn", "refused", "expired", "requested"):
        one = consent(home, "Humidity", state=ConsentState(state))
        await happen(home, ConsentsChanged(consents=(one,), decider=Decider(how="switch")))
    assert [one["state"] for one in told(noted)] == states


async def test_grant_ending(home: Home) -> None:
    await home.report()
    noted = await automate(home.hass, "grant_ending", Place(home).device())
    events = async_capture_events(home.hass, EVENT_GRANT_ENDING)
    ending = consent(home, "Humidity", until=UNTIL)
    await happen(home, GrantEnding(consents=(ending,), until=UNTIL))
    assert [one["until"] for one in told(noted)] == ["2026-11-24T00:00:00+00:00"]
    assert told(noted) == [event.data for event in events]


async def test_consent_requested_comes_once_a_digest(home: Home) -> None:
    await home.report()
    await home.report(by=BRUSH)
    noted = await automate(home.hass, "consent_requested")
    events = async_capture_events(home.hass, EVENT_REQUEST)
    asked = {"state": ConsentState.REQUESTED}
    digest = ConsentsRequested(
        at=0.0,
        consents=(
            consent(home, "Temperature", **asked),
            consent(home, "Humidity", **asked),
            consent(home, "Temperature", by=BRUSH, **asked),
        ),
    )
    await happen(home, digest)
    (one,) = told(noted)
    fridge = home.subentry(FRIDGE).subentry_id
    device = home.household.device(fridge)
    assert device is not None
    assert one["count"] == 3
    assert one["questions"][0] == {
        "appliance": FRIDGE,
        "appliance_id": fridge,
        "device_id": device.id,
        "recipient": FROSTLINE,
        "recipient_id": home.subentry(FROSTLINE).subentry_id,
        "purpose": "service",
        "data_point": "Temperature",
        "data_point_id": home.point("Temperature"),
    }
    # The bus hears of each appliance by itself, so that its device's page shows it.
    assert [(event.data["appliance"], event.data["count"]) for event in events] == [
        (FRIDGE, 2),
        (BRUSH, 1),
    ]


async def test_a_digest_is_cut_to_the_target(home: Home) -> None:
    await home.report()
    await home.report(by=BRUSH)
    noted = await automate(home.hass, "consent_requested", Place(home).area())
    both = tuple(
        consent(home, "Temperature", by=by, state=ConsentState.REQUESTED) for by in (FRIDGE, BRUSH)
    )
    await happen(home, ConsentsRequested(at=0.0, consents=both[1:]))
    assert noted == []
    await happen(home, ConsentsRequested(at=0.0, consents=both))
    assert [[q["appliance"] for q in one["questions"]] for one in told(noted)] == [[FRIDGE]]
    assert told(noted)[0]["count"] == 1


async def test_a_gone_recipient_has_no_name(home: Home) -> None:
    await home.report()
    gone = consent(home, "Temperature", state=ConsentState.WITHDRAWN)
    await home.remove(FROSTLINE)
    noted = await automate(home.hass, "consent_changed")
    await happen(home, ConsentsChanged(consents=(gone,), decider=Decider(how="switch")))
    assert [(one["recipient"], one["purpose"]) for one in told(noted)] == [(None, None)]


# --- From the household's act to the automation, by way of the engine ---


async def test_a_switch_is_told(home: Home, hass_admin_user: MockUser) -> None:
    await home.report()
    noted = await automate(home.hass, "consent_changed")
    events = async_capture_events(home.hass, EVENT_CONSENT)
    context = Context(user_id=hass_admin_user.id)
    await home.turn("turn_on", home.switch("Temperature"), context=context)
    await home.turn("turn_off", home.switch("Temperature"))
    await home.hass.async_block_till_done()
    assert [(one["state"], one["how"], one["data_points"]) for one in told(noted)] == [
        ("given", "switch", ["Temperature"]),
        ("withdrawn", "switch", ["Temperature"]),
    ]
    assert noted[0].context.parent_id == context.id
    assert (events[0].context.id, events[0].context.user_id) == (context.id, hass_admin_user.id)


async def test_one_switch_does_not_turn_on_another(home: Home) -> None:
    """Not by way of an automation either: that is the same act, and would be two consents."""
    await home.report()
    second = home.switch("Humidity")
    automation = {
        "alias": "Chain",
        "triggers": [{"trigger": f"{DOMAIN}.consent_changed", "options": {"state": "given"}}],
        "actions": [{"action": "switch.turn_on", "target": {"entity_id": second}}],
    }
    assert await async_setup_component(home.hass, "automation", {"automation": [automation]})
    await home.turn("turn_on", home.switch("Temperature"))
    await home.hass.async_block_till_done()
    state = home.hass.states.get("automation.chain")
    assert state is not None
    assert state.attributes["last_triggered"] is not None
    assert not home.is_on(second)


async def test_a_timed_grant_is_told_to_end_and_to_have_ended(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    await home.report()
    ending: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    await attach(home.hass, "grant_ending", None, ending)
    await attach(home.hass, "consent_changed", None, changed)
    firewall = home.household.firewall
    pair = home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    await firewall.decide([pair], ConsentState.GIVEN, Decider(how="action"), seconds=900)
    freezer.tick(899)
    await firewall.consents.look_after()
    await home.hass.async_block_till_done()
    assert [one["data_points"] for one in ending] == [["Temperature"]]
    assert ending[0]["until"] == changed[0]["until"]
    freezer.tick(2)
    await firewall.consents.look_after()
    await home.hass.async_block_till_done()
    assert [(one["state"], one["how"]) for one in changed] == [
        ("given", "action"),
        ("expired", "time"),
    ]
    assert len(ending) == 1


async def test_the_digest_of_the_day_is_told_once(home: Home) -> None:
    noted = await automate(home.hass, "consent_requested")
    await home.report()
    await home.household._async_ask()
    await home.household._async_ask()
    await home.hass.async_block_till_done()
    (one,) = told(noted)
    names = {"Temperature", "Humidity", "Door open", "Program"}
    assert {question["data_point"] for question in one["questions"]} == names
    assert {question["recipient"] for question in one["questions"]} == {FROSTLINE}


# --- Endpoints ---


async def test_endpoint_discovered_once(home: Home) -> None:
    noted = await automate(home.hass, "endpoint_discovered", Place(home).device())
    await home.post_elsewhere("elsewhere.example")
    await home.post_elsewhere("elsewhere.example")
    (one,) = told(noted)
    assert (one["appliance"], one["host"], one["method"]) == (FRIDGE, "elsewhere.example", "POST")


async def test_an_endpoint_left_denied_is_no_news(home: Home) -> None:
    fridge = home.subentry(FRIDGE).subentry_id
    home.hass.config_entries.async_update_entry(
        home.entry,
        options={**home.entry.options, "left_denied": [f"{fridge} POST elsewhere.example"]},
    )
    await home.hass.async_block_till_done()
    noted = await automate(home.hass, "endpoint_discovered")
    await home.post_elsewhere("elsewhere.example")
    assert noted == []
    await home.post_elsewhere("another.example")
    assert len(noted) == 1


async def test_a_host_that_is_no_name_is_not_passed_on(home: Home) -> None:
    """It is the appliance that writes it."""
    noted = await automate(home.hass, "endpoint_discovered")
    fridge = home.subentry(FRIDGE).subentry_id
    for host in ("[look](http://evil.example)", "a\nb", "", "x" * 254):
        await happen(home, Unclaimed(appliance_id=fridge, host=host, method="POST", count=1))
    await happen(home, Unclaimed(appliance_id=fridge, host="a.example", method="**", count=1))
    assert noted == []
