"""Our actions, called as Home Assistant calls them, for the tests of them."""

from collections.abc import Awaitable
import json
from typing import Any

from homeassistant.auth.models import User
from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import Consent
from tests.common import BRUSH, FRIDGE, FROSTLINE, Home

DECIDING = ("grant", "refuse", "withdraw", "let_through", "lock_down")
FOR_ADMINISTRATORS = (
    "get_data_points",
    "get_exposures",
    "get_disclosures",
    "export_journal",
    "forget",
    "verify",
    "preview",
    "preview_data_points",
    "self_test",
)
MATCHING = ("match", "unmatch", "find_matches")
ACTIONS = (*DECIDING, *FOR_ADMINISTRATORS, *MATCHING, "get_receipt", "set_need")


async def call(home: Home, action: str, /, **data: Any) -> dict[str, Any]:
    """Call one of our actions; `user` is by whom, `context` in which context."""
    context = data.pop("context", None)
    if (user := data.pop("user", None)) is not None:
        context = Context(user_id=user.id)
    response = await home.hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True, context=context
    )
    assert isinstance(response, dict)
    # What is answered is JSON: a websocket carries nothing else.
    json.dumps(response, allow_nan=False).encode()
    return response


async def refused(key: str, calling: Awaitable[Any]) -> None:
    with pytest.raises(HomeAssistantError) as raised:
        await calling
    assert raised.value.translation_key == key
    assert raised.value.translation_domain == DOMAIN


def frostline(home: Home) -> str:
    return home.subentry(FROSTLINE).subentry_id


def pair(home: Home, name: str, by: str = FRIDGE) -> dict[str, Any]:
    """A data point and Frostline, as the fields of an action."""
    return {"data_point_id": home.point(name, by), "recipient_id": frostline(home)}


def given(home: Home, to: str = FROSTLINE, by: str = FRIDGE) -> set[str]:
    """The names of what is in force."""
    firewall = home.household.firewall
    return {
        point.name
        for point in firewall.data_points(home.subentry(by).subentry_id)
        if firewall.is_sharing(point.id, home.subentry(to).subentry_id)
    }


def consent(home: Home, name: str) -> Consent:
    found = home.household.firewall.consent(home.point(name), frostline(home))
    assert found is not None
    return found


async def a_user(home: Home, group: str = "system-users") -> User:
    return await home.hass.auth.async_create_user("Somebody", group_ids=[group])


async def a_family(fridge: Home) -> dict[str, User]:
    """Alice, whose toothbrush it is, and Bob."""
    users = {
        name: await fridge.hass.auth.async_create_user(name, group_ids=["system-users"])
        for name in ("Alice", "Bob")
    }
    people = [
        {"id": name.lower(), "name": name, "user_id": user.id} for name, user in users.items()
    ]
    assert await async_setup_component(fridge.hass, "person", {"person": people})
    await fridge.hass.async_block_till_done()
    entity = er.async_get(fridge.hass).async_get("person.alice")
    assert entity is not None
    await fridge.change(BRUSH, owner=entity.id)
    await fridge.report(by=BRUSH)
    return users
