"""Triggers: real automations that react to what a real appliance sends."""

import json
from typing import Any

from homeassistant.helpers.trigger import (
    async_get_all_descriptions,
    async_validate_trigger_config,
)
from homeassistant.setup import async_setup_component
import probatio
import pytest

from custom_components.privacy_firewall.const import (
    DOMAIN,
)
from custom_components.privacy_firewall.engine.events import (
    Decided,
    Event,
)
from custom_components.privacy_firewall.engine.model import (
    Outcome,
    Purpose,
    Reason,
)
from custom_components.privacy_firewall.trigger import TRIGGERS
from tests.automations import attach, automate, told
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, SECRET, Home
from tests.house import read_yaml

# --- What left and what did not ---


async def test_data_blocked(home: Home) -> None:
    noted = await automate(home.hass, "data_blocked")
    await home.report()
    fridge = home.subentry(FRIDGE).subentry_id
    device = home.household.device(fridge)
    assert device is not None
    assert told(noted) == [
        {
            "gate": "http",
            "outcome": "deny",
            "reason": "nothing_consented",
            "appliance": FRIDGE,
            "appliance_id": fridge,
            "device_id": device.id,
            "recipients": [FROSTLINE],
            "recipient_ids": [home.subentry(FROSTLINE).subentry_id],
            "purposes": ["service"],
            "data_points": [],
            "withheld": 5,
            "count": 1,
        }
    ]
    assert noted[0].data["told"]["platform"] == "privacy_firewall.data_blocked"


@pytest.mark.parametrize(
    ("trigger", "outcomes"),
    [
        ("data_blocked", ["deny"]),
        ("data_redacted", ["redact"]),
        # What left in part has left.
        ("data_shared", ["redact", "permit"]),
    ],
)
async def test_outcomes(home: Home, trigger: str, outcomes: list[str]) -> None:
    await home.report({"temperature": 4.5, "humidity": 61})
    noted = await automate(home.hass, trigger)
    home.household.announcer.async_stop()
    await home.report({"temperature": 4.5, "humidity": 61})
    await home.turn("turn_on", home.switch("Temperature"))
    await home.report({"temperature": 4.5, "humidity": 61})
    await home.turn("turn_on", home.switch("Humidity"))
    home.household._on_event(_permitted(home))
    await home.hass.async_block_till_done()
    assert [one["outcome"] for one in told(noted)] == outcomes


def _permitted(home: Home) -> Event:
    return Decided(
        at=0.0, gate="http", outcome=Outcome.PERMIT, reason=Reason.ALL_CONSENTED,
        appliance_id=home.subentry(FRIDGE).subentry_id,
        recipient_ids=(home.subentry(FROSTLINE).subentry_id,),
        released=(home.point("Temperature"), home.point("Humidity")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [FROSTLINE, ADLENS]),
        ({"recipient": "adlens"}, [ADLENS]),
        ({"recipient": ["Adlens", "Frostline"]}, [FROSTLINE, ADLENS]),
        ({"recipient": "Somebody"}, []),
        # As actions take it.
        ({"recipient": " adlens (MARKETING)"}, [ADLENS]),
        ({"recipient": "Adlens (service)"}, []),
        ({"purpose": "service"}, [FROSTLINE]),
        ({"purpose": ["marketing", "analytics"]}, [ADLENS]),
        ({"purpose": "marketing", "recipient": "Frostline"}, []),
        ({"reason": "nothing_consented"}, [FROSTLINE, ADLENS]),
        ({"reason": ["too_large", "lockdown"]}, []),
    ],
)
async def test_filters(home: Home, options: dict[str, Any], expected: list[str]) -> None:
    noted = await automate(home.hass, "data_blocked", **options)
    await home.report()
    await home.report(to=ADLENS)
    assert [one["recipients"] for one in told(noted)] == [[name] for name in expected]


async def test_a_recipient_is_known_by_its_id_too(home: Home) -> None:
    noted = await automate(home.hass, "data_blocked", recipient=home.subentry(ADLENS).subentry_id)
    await home.report()
    await home.report(to=ADLENS)
    assert [one["recipients"] for one in told(noted)] == [[ADLENS]]


async def test_a_stranger_is_noted_only_without_a_target(home: Home) -> None:
    fridge = home.sensor("protection").entity_id
    await home.remove(BRUSH)
    noted = await automate(home.hass, "data_blocked")
    assert await home.report(by=BRUSH) == 403
    assert [one["reason"] for one in told(noted)] == ["unknown_appliance"]
    assert told(noted)[0]["appliance"] is None
    home.household.announcer.async_stop()
    await home.hass.services.async_call("automation", "turn_off", {"entity_id": "all"})
    await home.hass.async_block_till_done()
    targeted: list[dict[str, Any]] = []
    await attach(home.hass, "data_blocked", {"entity_id": fridge}, targeted)
    await home.report(by=BRUSH)
    assert targeted == []


async def test_no_value_reaches_an_automation(home: Home) -> None:
    everything: list[dict[str, Any]] = []
    for trigger in TRIGGERS:
        await attach(home.hass, trigger, None, everything)
    body = {"program": SECRET, "temperature": 4.5, "serial": "4CE0460D0G31"}
    await home.report(body)
    await home.turn("turn_on", home.switch("Program"))
    await home.report(body)
    await home.post_elsewhere("elsewhere.example")
    assert {one["platform"] for one in everything} >= {
        "privacy_firewall.data_blocked",
        "privacy_firewall.data_redacted",
        "privacy_firewall.endpoint_discovered",
    }
    for value in (SECRET, "4.5", "4CE0460D0G31"):
        assert value not in json.dumps(everything)


async def test_a_trigger_outlives_a_reload(home: Home) -> None:
    noted = await automate(home.hass, "data_blocked")
    await home.report()
    await home.reload()
    await home.report()
    assert len(noted) == 2


async def test_turned_off_it_is_quiet(home: Home) -> None:
    noted = await automate(home.hass, "data_blocked")
    await home.hass.services.async_call(
        "automation", "turn_off", {"entity_id": "automation.noted"}, blocking=True
    )
    await home.report()
    assert noted == []


# --- What may be written ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": {"purpose": "fun"}},
        {"options": {"reason": "because"}},
        {"options": {"state": "given"}},
        {"options": {"recipient": {}}},
        {"target": {"room": "kitchen"}},
    ],
)
async def test_a_mistake_is_refused(home: Home, wrong: dict[str, Any]) -> None:
    with pytest.raises(probatio.Invalid):
        await async_validate_trigger_config(
            home.hass, [{"platform": f"{DOMAIN}.data_blocked", **wrong}]
        )


async def test_the_editor_offers_what_there_is(home: Home) -> None:
    """Home Assistant reads the descriptions, and their choices are those of the code."""
    assert await async_setup_component(home.hass, "automation", {})
    described = await async_get_all_descriptions(home.hass)
    ours = {key.removeprefix(f"{DOMAIN}."): one for key, one in described.items() if DOMAIN in key}
    assert ours.keys() == TRIGGERS.keys()
    for name, one in read_yaml("triggers.yaml").items():
        assert ours[name] is not None
        target = ours[name]["target"]
        assert target["primary_entities_only"] is False
        fields = one.get("fields", {})
        fits: dict[str, Any] = {"options": {}}
        choices = {"purpose": Purpose, "reason": Reason}
        for field, asked in fields.items():
            selector = asked["selector"]
            if field in choices:
                assert selector["select"]["options"] == [*choices[field]], field
            fits["options"][field] = (selector.get("select") or {"options": ["x"]})["options"]
        await async_validate_trigger_config(home.hass, [{"platform": f"{DOMAIN}.{name}", **fits}])
