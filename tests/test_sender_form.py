"""The form about what Home Assistant itself hands out."""

from typing import Any

from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.privacy_firewall.watched import MAX_PICKED
from tests.common import Home, a_device
from tests.flows import unspoken


async def open_form(home: Home) -> Any:
    flow = home.hass.config_entries.options
    result = await flow.async_init(home.entry.entry_id)
    assert not unspoken(result, "options")
    result = await flow.async_configure(result["flow_id"], {"next_step_id": "handed_out"})
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "handed_out")
    assert not unspoken(result, "options")
    return result


async def fill(home: Home, result: Any, **typed: Any) -> Any:
    return await home.hass.config_entries.options.async_configure(result["flow_id"], typed)


def entities(home: Home, number: int) -> list[er.RegistryEntry]:
    device = a_device(home.hass)
    registry = er.async_get(home.hass)
    return [
        registry.async_get_or_create("light", "vendor", str(one), device_id=device.id)
        for one in range(number)
    ]


async def test_it_is_off_and_what_is_picked_is_kept_by_what_no_renaming_moves(home: Home) -> None:
    before = dict(home.entry.options)
    [light] = entities(home, 1)
    result = await open_form(home)
    assert result["data_schema"]({}) == {"enabled": False, "entities": []}
    result = await fill(home, result, enabled=True, entities=[light.entity_id])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert home.entry.options == before | {"handed_out": {"enabled": True, "entities": [light.id]}}
    er.async_get(home.hass).async_update_entity(light.entity_id, new_entity_id="light.cellar")
    result = await open_form(home)
    suggested = {
        str(key): key.description["suggested_value"] for key in result["data_schema"].schema
    }
    assert suggested == {"enabled": True, "entities": ["light.cellar"]}


@pytest.mark.parametrize(
    ("number", "picked", "error"),
    [
        (0, ["light.without_an_id"], "entity_not_registered"),
        (MAX_PICKED + 1, [], "too_many_entities"),
    ],
)
async def test_what_cannot_be_watched_is_refused(
    home: Home, number: int, picked: list[str], error: str
) -> None:
    picked = picked + [one.entity_id for one in entities(home, number)]
    result = await fill(home, await open_form(home), enabled=True, entities=picked)
    assert result["errors"] == {"entities": error}
    assert not unspoken(result, "options")
    assert "handed_out" not in home.entry.options
