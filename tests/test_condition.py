"""Conditions: real automations that go on, or do not, by what is true of appliances."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import ConditionError
from homeassistant.helpers import area_registry as ar, device_registry as dr
from homeassistant.helpers.condition import (
    async_from_config,
    async_get_all_descriptions,
    async_validate_condition_config,
)
from homeassistant.setup import async_setup_component
import probatio
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.privacy_firewall.condition import CONDITIONS
from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Purpose
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, Home
from tests.house import read_yaml


async def holds(
    hass: HomeAssistant, condition: str, target: dict[str, Any] | None = None, **options: Any
) -> bool | None:
    """Check a condition by itself; raises `ConditionError`."""
    config: dict[str, Any] = {"condition": f"{DOMAIN}.{condition}", "options": options}
    if target is not None:
        config["target"] = target
    checker = await async_from_config(hass, await async_validate_condition_config(hass, config))
    return checker.async_check()


def device_of(home: Home, name: str = FRIDGE) -> str:
    """The id of an appliance's device."""
    device = home.household.device(home.subentry(name).subentry_id)
    assert device is not None
    return device.id


async def test_an_automation_goes_on_while_something_is_shared(home: Home) -> None:
    area = ar.async_get(home.hass).async_create("Kitchen")
    dr.async_get(home.hass).async_update_device(device_of(home), area_id=area.id)
    noted: list[ServiceCall] = async_mock_service(home.hass, "test", "note")
    automation = {
        "alias": "Noted",
        "triggers": [{"trigger": "event", "event_type": "look"}],
        "conditions": [{"condition": f"{DOMAIN}.is_sharing", "target": {"area_id": area.id}}],
        "actions": [{"action": "test.note"}],
    }
    assert await async_setup_component(home.hass, "automation", {"automation": [automation]})

    async def look() -> int:
        home.hass.bus.async_fire("look")
        await home.hass.async_block_till_done()
        return len(noted)

    await home.report()
    await home.report(by=BRUSH)
    assert await look() == 0
    await home.turn("turn_on", home.switch("Temperature", by=BRUSH))
    assert await look() == 0, "another appliance's consent"
    await home.turn("turn_on", home.switch("Temperature"))
    assert await look() == 1
    await home.turn("turn_off", home.switch("Temperature"))
    assert await look() == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"recipient": "frostline"}, True),
        ({"recipient": "Adlens"}, False),
        ({"recipient": "Frostline (service) "}, True),
        ({"recipient": "Frostline (marketing)"}, False),
        ({"recipient": ["Adlens", "Frostline"]}, True),
        ({"purpose": "service"}, True),
        ({"purpose": ["marketing", "analytics"]}, False),
        ({"data_point": "temperature"}, True),
        ({"data_point": "Humidity"}, False),
        ({"data_point": "Temperature", "recipient": "Adlens"}, False),
        # One consent has to pass them all, not each filter some consent.
        ({"data_point": "Humidity", "recipient": "Frostline"}, False),
    ],
)
async def test_filters(home: Home, options: dict[str, Any], expected: bool) -> None:
    await home.report()
    await home.report(to=ADLENS)
    await home.turn("turn_on", home.switch("Temperature"))
    assert await holds(home.hass, "is_sharing", **options) is expected


async def test_ids_do_as_well(home: Home) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    for name, expected in (("Temperature", True), ("Humidity", False)):
        found = await holds(
            home.hass,
            "is_sharing",
            data_point=home.point(name),
            recipient=home.subentry(FROSTLINE).subentry_id,
        )
        assert found is expected


async def test_of_a_gone_recipient_nothing_is_shared(home: Home) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    assert await holds(home.hass, "is_sharing")
    await home.remove(FROSTLINE)
    assert not await holds(home.hass, "is_sharing")


async def test_a_timed_grant_ends_for_conditions_too(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    """By the time alone, before anything was recorded of it."""
    await home.report()
    pair = home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    await home.household.firewall.decide(
        [pair], ConsentState.GIVEN, Decider(how="action"), seconds=900
    )
    assert await holds(home.hass, "is_sharing")
    freezer.tick(901)
    assert not await holds(home.hass, "is_sharing")


@pytest.mark.parametrize(
    ("sharing", "any_of_them", "all_of_them"),
    [((), False, False), ((FRIDGE,), True, False), ((FRIDGE, BRUSH), True, True)],
)
async def test_any_or_all(
    home: Home, sharing: tuple[str, ...], any_of_them: bool, all_of_them: bool
) -> None:
    await home.report()
    await home.report(by=BRUSH)
    for one in sharing:
        await home.turn("turn_on", home.switch("Temperature", by=one))
    both = {"device_id": [device_of(home), device_of(home, BRUSH)]}
    for target in (None, {}, both):
        assert await holds(home.hass, "is_sharing", target) is any_of_them
        assert await holds(home.hass, "is_sharing", target, behavior="all") is all_of_them


@pytest.mark.parametrize("condition", sorted(CONDITIONS))
@pytest.mark.parametrize("behavior", ["any", "all"])
async def test_of_no_appliance_nothing_is_true(home: Home, condition: str, behavior: str) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    assert not await holds(home.hass, condition, {"area_id": "nowhere"}, behavior=behavior)


async def test_is_protected(home: Home, freezer: FrozenDateTimeFactory) -> None:
    only_fridge = {"device_id": device_of(home)}
    assert not await holds(home.hass, "is_protected")
    await home.report()
    assert home.sensor("protection").state == "protected"
    assert await holds(home.hass, "is_protected")
    assert await holds(home.hass, "is_protected", only_fridge)
    assert await holds(
        home.hass, "is_protected", {"entity_id": home.entity("event", "transmission")}
    )
    # Of the toothbrush nothing was seen yet.
    assert not await holds(home.hass, "is_protected", behavior="all")
    await home.report(by=BRUSH)
    assert await holds(home.hass, "is_protected", behavior="all")
    # What was seen grows old.
    freezer.tick(25 * 3600)
    assert not await holds(home.hass, "is_protected", only_fridge)


async def test_without_its_gate_nothing_is_protected(home: Home) -> None:
    await home.report()
    await home.household.firewall.close_gate()
    assert not await holds(home.hass, "is_protected")


@pytest.mark.parametrize("condition", sorted(CONDITIONS))
async def test_what_is_not_known_is_not_answered(home: Home, condition: str) -> None:
    """A no could be turned round: neither it nor its contrary lets an automation go on."""
    await home.report()
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    with pytest.raises(ConditionError):
        await holds(home.hass, condition)
    checker = await async_from_config(
        home.hass,
        await async_validate_condition_config(
            home.hass,
            {"condition": "not", "conditions": [{"condition": f"{DOMAIN}.{condition}"}]},
        ),
    )
    with pytest.raises(ConditionError):
        checker.async_check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": {"behavior": "first"}},
        {"options": {"purpose": "fun"}},
        {"options": {"for": "00:05:00"}},
        {"target": {"room": "kitchen"}},
    ],
)
async def test_a_mistake_is_refused(home: Home, wrong: dict[str, Any]) -> None:
    with pytest.raises(probatio.Invalid):
        await async_validate_condition_config(
            home.hass, {"condition": f"{DOMAIN}.is_sharing", **wrong}
        )


async def test_the_editor_offers_what_there_is(home: Home) -> None:
    """Home Assistant reads the descriptions, and their fields are those of the code."""
    assert await async_setup_component(home.hass, "automation", {})
    described = await async_get_all_descriptions(home.hass)
    ours = {key.removeprefix(f"{DOMAIN}."): one for key, one in described.items() if DOMAIN in key}
    assert ours.keys() == CONDITIONS.keys()
    values = {"behavior": "all", "purpose": [*Purpose]}
    for name, one in read_yaml("conditions.yaml").items():
        described_here = ours[name]
        assert described_here is not None
        assert described_here["target"]["primary_entities_only"] is False
        options = {field: values.get(field, "x") for field in one["fields"]}
        await async_validate_condition_config(
            home.hass, {"condition": f"{DOMAIN}.{name}", "options": options}
        )
        if "purpose" in one["fields"]:
            assert one["fields"]["purpose"]["selector"]["select"]["options"] == [*Purpose]
