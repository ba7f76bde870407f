"""`get_exposures`: what is so, and what is on record. For administrators."""

import sqlite3
from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, Unauthorized
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine import StorageError
from tests.common import FRIDGE, Cloud, a_device, a_home, configuration
from tests.facts import call, refused


async def ask(hass: HomeAssistant, **more: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN, "get_exposures", {}, blocking=True, return_response=True, **more
    )


async def test_it_tells_what_is_so_and_how_that_came(
    hass: HomeAssistant, cloud: Cloud, hass_admin_user: User, hass_read_only_user: User
) -> None:
    configuration(hass)
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    device = a_device(hass)
    door = er.async_get(hass).async_get_or_create(
        "binary_sensor", "vendor", "door", device_id=device.id, original_name="Door"
    )
    async with a_home(hass, cloud) as home:
        await home.change(FRIDGE, device_id=device.id)
        await refused("exposures_not_watched", ask(hass))
        await home.choose(handed_out={"enabled": True, "entities": []})
        [ours] = [
            one.entity_id
            for one in er.async_entries_for_device(er.async_get(hass), device.id)
            if one.translation_key == "exposure"
        ]
        person = Context(user_id=hass_admin_user.id)
        await call(home, "switch.turn_on", ours, context=person)
        answer = await ask(hass)
        assert answer["exposures"] == [
            {
                "entity_id": door.entity_id,
                "name": "Door",
                "assistant": "conversation",
                "exposed": True,
                "state": "given",
            }
        ]
        assert answer["exporters"] == []
        assert answer["intact"] is True
        [record] = answer["records"]
        assert (record["state"], record["how"], record["person"]) == (
            "given", "switch", hass_admin_user.id,
        )  # fmt: skip
        with pytest.raises(Unauthorized):
            await ask(hass, context=Context(user_id=hass_read_only_user.id))
        with sqlite3.connect(home.household.database) as connection:
            connection.execute("UPDATE exposures SET person = 'somebody else'")
        assert (await ask(hass))["intact"] is False
        with (
            patch.object(home.household.firewall.exposures, "history", side_effect=StorageError),
            pytest.raises(HomeAssistantError) as raised,
        ):
            await ask(hass)
        assert raised.value.translation_key == "records_not_read"
