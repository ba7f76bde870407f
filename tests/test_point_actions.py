"""The action that lists what an appliance reports."""

from typing import Any

from homeassistant.auth.models import User
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError, Unauthorized
import pytest

from tests.common import BRUSH, FRIDGE, FROSTLINE, Home
from tests.long_report import group, long_report, members


async def listed(home: Home, **data: Any) -> dict[str, Any]:
    answer = await home.hass.services.async_call(
        "privacy_firewall", "get_data_points", data, blocking=True, return_response=True
    )
    assert isinstance(answer, dict)
    return {one["id"]: one for one in answer["data_points"]}


async def test_everything_is_listed_with_how_it_is_shown(home: Home) -> None:
    await home.report(long_report())
    await home.report(by=BRUSH)
    points = await listed(home, appliance_id=FRIDGE)
    fridge = home.subentry(FRIDGE).subentry_id
    assert points.keys() == {one.id for one in home.household.firewall.data_points(fridge)}
    behind = members(home, group(home, "climate")) | members(home, group(home, "energy"))
    assert {one for one, told in points.items() if told["shown"] == "group_switch"} == behind
    own = {one for one, told in points.items() if told["shown"] == "own_switch"}
    assert own == {
        one.unique_id.split("_")[1] for one in home.entities() if one.translation_key == "consent"
    }
    assert points[home.point("Timestamp")]["shown"] == "listed"


async def test_it_says_what_is_decided_and_no_value(home: Home) -> None:
    await home.report(long_report())
    to = home.subentry(FROSTLINE).subentry_id
    await home.household.firewall.grant(home.point("Timestamp"), to, how="test")
    points = await listed(home, appliance_id=FRIDGE, topic="times")
    [told] = points.values()
    assert told.pop("first_seen") is not None
    assert told == {
        "id": home.point("Timestamp"),
        "name": "Timestamp",
        "path": "$.body.timestamp",
        "endpoint": "POST 127.0.0.1/fridge",
        "topic": "times",
        "category": "time",
        "unit": None,
        "shown": "own_switch",
        "consents": [
            {
                "recipient": FROSTLINE,
                "recipient_id": to,
                "purpose": "service",
                "state": "given",
                "level": "exact",
                "until": None,
                "in_force": True,
            }
        ],
    }
    everything = await listed(home, appliance_id=FRIDGE)
    assert "SN-4711" not in str(everything)
    assert "2026-11-02" not in str(everything)


async def test_one_appliance_is_named(home: Home) -> None:
    await home.report()
    with pytest.raises(ServiceValidationError) as raised:
        await listed(home)
    assert raised.value.translation_key == "appliance_not_one"


async def test_it_is_for_administrators(home: Home, hass_read_only_user: User) -> None:
    await home.report()
    with pytest.raises(Unauthorized):
        await home.hass.services.async_call(
            "privacy_firewall",
            "get_data_points",
            {"appliance_id": FRIDGE},
            blocking=True,
            return_response=True,
            context=Context(user_id=hass_read_only_user.id),
        )
