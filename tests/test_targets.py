"""Targets: though our entities are of a category, areas and devices mean their appliances."""

from typing import Any

from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from tests.automations import Place, attach, automate, told
from tests.common import BRUSH, FRIDGE, Home

PLACES = [
    "device", "area", "floor", "label_of_device", "label_of_area", "label_of_entity", "entity",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
async def test_targets(home: Home, place: str) -> None:
    """Though all our entities but the readings are of a category, and there are no readings yet."""
    noted = await automate(home.hass, "data_blocked", getattr(Place(home), place)())
    await home.report()
    await home.report(by=BRUSH)
    assert [one["appliance"] for one in told(noted)] == [FRIDGE]


async def test_a_device_counts_with_all_its_entities_hidden(home: Home) -> None:
    entities = er.async_get(home.hass)
    device = Place(home).device()
    await home.report()
    home.household.announcer.async_stop()
    for entity in er.async_entries_for_device(entities, device["device_id"]):
        entities.async_update_entity(entity.entity_id, hidden_by=er.RegistryEntryHider.USER)
    noted = await automate(home.hass, "data_blocked", device)
    await home.report()
    assert [one["appliance"] for one in told(noted)] == [FRIDGE]


@pytest.mark.parametrize(
    "target",
    [
        {"area_id": "nowhere"},
        {"device_id": "no such device"},
        {"entity_id": "sensor.none"},
        {"label_id": "none"},
    ],
)
async def test_a_target_that_is_gone_is_not_all(home: Home, target: dict[str, str]) -> None:
    noted = await automate(home.hass, "data_blocked", target)
    await home.report()
    assert noted == []


async def test_a_device_of_another_integration(home: Home) -> None:
    """The appliance's entities sit on it; so do others, which stand for it as well."""
    other = MockConfigEntry(domain="fridgecloud")
    other.add_to_hass(home.hass)
    area = ar.async_get(home.hass).async_create("Kitchen")
    device = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("fridgecloud", "1")}, name="Fridge"
    )
    dr.async_get(home.hass).async_update_device(device.id, area_id=area.id)
    door = er.async_get(home.hass).async_get_or_create(
        "binary_sensor", "fridgecloud", "door", config_entry=other, device_id=device.id
    )
    await home.change(FRIDGE, device_id=device.id)
    noted: list[dict[str, Any]] = []
    for target in (
        {"device_id": device.id},
        {"area_id": area.id},
        {"entity_id": door.entity_id},
    ):
        await attach(home.hass, "data_blocked", target, noted)
    await home.report()
    await home.report(by=BRUSH)
    assert [one["appliance"] for one in noted] == [FRIDGE] * 3


async def test_a_target_follows_the_device(home: Home) -> None:
    place = Place(home)
    target = place.area()
    noted = await automate(home.hass, "data_blocked", target)
    dr.async_get(home.hass).async_update_device(place.device_id, area_id=None)
    await home.report()
    assert noted == []
    dr.async_get(home.hass).async_update_device(place.device_id, area_id=target["area_id"])
    home.household.announcer.async_stop()
    await home.report()
    assert len(noted) == 1


async def test_an_entity_moved_to_another_room_stands_for_its_appliance(home: Home) -> None:
    area = ar.async_get(home.hass).async_create("Office")
    er.async_get(home.hass).async_update_entity(
        home.entity("sensor", "protection"), area_id=area.id
    )
    noted = await automate(home.hass, "data_blocked", {"area_id": area.id})
    await home.report()
    await home.report(by=BRUSH)
    assert [one["appliance"] for one in told(noted)] == [FRIDGE]
