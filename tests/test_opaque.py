"""Traffic that no gate can read, at home: a switch that says so, and no level of it."""

from homeassistant.core import Context
import pytest

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import (
    OPAQUE_FIELD,
    OPAQUE_TEMPLATE,
    Category,
    DataPoint,
    data_point_id,
)
from tests.common import FRIDGE, FROSTLINE, Home
from tests.facts import call, enable, state

NAME = "Opaque traffic"


@pytest.fixture
async def opaque(home: Home) -> Home:
    """A fridge that asked for a name that Frostline is reached at."""
    fridge, frostline = home.subentry(FRIDGE).subentry_id, home.subentry(FROSTLINE).subentry_id
    point = DataPoint(
        id=data_point_id(fridge, OPAQUE_TEMPLATE, OPAQUE_FIELD),
        appliance_id=fridge,
        template=OPAQUE_TEMPLATE,
        field=OPAQUE_FIELD,
        name=NAME,
        kinds=frozenset(),
        category=Category.OPAQUE,
        recipients=(frostline,),
    )
    await home.change(FROSTLINE, names=["mqtt.frostline.example"])
    firewall = home.household.firewall
    firewall._pipeline.learning.add([point])
    await firewall._remember_points(fridge, (point,))
    await home.report()
    return home


async def test_the_switch_says_that_it_is_all_or_nothing(opaque: Home) -> None:
    shown = state(opaque, opaque.switch(NAME))
    assert shown.state == "off"
    assert shown.name.endswith("Opaque traffic to Frostline for service")
    assert shown.attributes["opens"].startswith("All or nothing: what it sends there cannot be")
    assert "next look-up" in shown.attributes["opens"]
    assert shown.attributes["category"] == "opaque"
    assert "opens" not in state(opaque, opaque.switch("Temperature")).attributes


async def test_it_is_granted_and_withdrawn_like_any_other(opaque: Home) -> None:
    switch = opaque.switch(NAME)
    await opaque.turn("turn_on", switch, context=Context())
    assert opaque.is_on(switch)
    assert not opaque.is_on(opaque.switch("Temperature"))
    await opaque.turn("turn_off", switch, context=Context())
    assert not opaque.is_on(switch)


async def test_granting_everything_leaves_it_out(opaque: Home) -> None:
    """By button and by action; withdrawing everything takes it along."""
    fridge, frostline = opaque.subentry(FRIDGE), opaque.subentry(FROSTLINE)
    button = opaque.entity("button", "grant_all", frostline.subentry_id)
    await enable(opaque, button)
    assert NAME not in state(opaque, button).attributes["data_points"]
    await call(opaque, "button.press", button, context=Context())
    assert opaque.is_on(opaque.switch("Temperature"))
    assert not opaque.is_on(opaque.switch(NAME))
    firewall = opaque.household.firewall
    await opaque.hass.services.async_call(
        DOMAIN,
        "grant",
        {"appliance_id": fridge.subentry_id, "recipient_id": frostline.subentry_id},
        blocking=True,
        return_response=True,
    )
    assert not opaque.is_on(opaque.switch(NAME))
    await opaque.turn("turn_on", opaque.switch(NAME), context=Context())
    withdraw = opaque.entity("button", "withdraw_all", frostline.subentry_id)
    await call(opaque, "button.press", withdraw)
    assert not [one for one in firewall.decided() if firewall.is_in_force(one)]


async def test_there_is_no_level_and_no_reading_of_it(opaque: Home) -> None:
    point, frostline = opaque.point(NAME), opaque.subentry(FROSTLINE).subentry_id
    registered = {one.unique_id for one in opaque.entities()}
    fridge = opaque.subentry(FRIDGE).subentry_id
    assert f"{fridge}_{point}_{frostline}" in registered
    assert f"{fridge}_level_{point}_{frostline}" not in registered
    assert f"{fridge}_level_{opaque.point('Temperature')}_{frostline}" in registered
    assert f"{fridge}_{point}" not in registered
