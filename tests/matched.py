"""A fridge that another integration shows: its device, its entities, and what they showed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from homeassistant.core import State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_integration,
)

from custom_components.privacy_firewall.engine import MatchReasonKind
from custom_components.privacy_firewall.engine.model import DataPoint, Number
from custom_components.privacy_firewall.match_looking import ASK_AFTER_SECONDS
from tests.common import FRIDGE, FROSTLINE, Home

MAC = "02:00:00:00:00:07"
CELSIUS = {"original_device_class": "temperature", "unit_of_measurement": "°C"}


class Vendor:
    """An integration that shows things; `iot_class` tells where it reads."""

    def __init__(
        self, home: Home, domain: str = "frosty", iot_class: str = "local_polling"
    ) -> None:
        mock_integration(
            home.hass,
            MockModule(domain, partial_manifest={"name": domain, "iot_class": iot_class}),
        )
        self.home, self.domain = home, domain
        self.entry = MockConfigEntry(domain=domain)
        self.entry.add_to_hass(home.hass)
        self.home.hass.config.components.add(domain)

    def device(self, name: str = "Kitchen fridge", *macs: str) -> dr.DeviceEntry:
        return dr.async_get(self.home.hass).async_get_or_create(
            config_entry_id=self.entry.entry_id,
            identifiers={(self.domain, name)},
            connections={("mac", mac) for mac in macs},
            name=name,
        )

    def entity(
        self, device: dr.DeviceEntry, name: str | None, platform: str = "sensor", **told: Any
    ) -> er.RegistryEntry:
        return er.async_get(self.home.hass).async_get_or_create(
            platform,
            self.domain,
            f"{device.id}-{name}-{platform}",
            config_entry=self.entry,
            device_id=device.id,
            original_name=name,
            has_entity_name=True,
            suggested_object_id=f"{self.domain}_{name}",
            **told,
        )


async def linked(home: Home, vendor: Vendor) -> dict[str, er.RegistryEntry]:
    """The fridge, linked with the vendor's device, and the entities of its items by their names."""
    device = vendor.device()
    made = {
        "Temperature": vendor.entity(device, "Temperature", **CELSIUS),
        "Humidity": vendor.entity(device, "Humidity", unit_of_measurement="%"),
        "Door open": vendor.entity(device, "Door", "binary_sensor"),
    }
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    return made


async def look(home: Home) -> None:
    """Let the firewall look for matches."""
    await home.household.matching.looking.async_look(again=True)
    await settle(home)


async def settle(home: Home) -> None:
    await home.hass.async_block_till_done(wait_background_tasks=True)


def registered(home: Home, entity_id: str) -> er.RegistryEntry:
    found = er.async_get(home.hass).async_get(entity_id)
    assert found is not None
    return found


def switch_state(home: Home, name: str, to: str = FROSTLINE) -> State:
    state = home.hass.states.get(home.switch(name, to))
    assert state is not None
    return state


def matched(home: Home) -> dict[str, str]:
    """The entity ids that the fridge's data points are, by the names of these."""
    firewall, matching = home.household.firewall, home.household.matching
    found = {}
    for point_id, shown in matching.shown_of(home.subentry(FRIDGE).subentry_id):
        point = firewall.data_point(point_id)
        assert point is not None
        found[point.name] = shown.entity_id
    return found


def point(home: Home, name: str) -> DataPoint:
    found = home.household.firewall.data_point(home.point(name))
    assert found is not None
    return found


def known_for_long(home: Home) -> None:
    """Let everything of the fridge have been known for long enough to be asked about."""
    learning = home.household.firewall._pipeline.learning
    learning.add(
        replace(one, first_seen=one.first_seen - ASK_AFTER_SECONDS)
        for one in learning.of(home.subentry(FRIDGE).subentry_id)
    )
    home.household.firewall._pipeline.learned(home.subentry(FRIDGE).subentry_id)


def sent(home: Home, told: Mapping[str, list[tuple[float, object]]]) -> None:
    """Let the fridge have sent these values, at these times, and nothing else."""
    samples = home.household.firewall.samples
    samples.forget(home.subentry(FRIDGE).subentry_id)
    for name, course in told.items():
        for at, value in course:
            leaf = value if isinstance(value, bool | str) else Number(value)
            samples.note(point(home, name), at, [leaf])


def kinds(home: Home, name: str) -> set[str]:
    """The kinds of reasons of a match."""
    shown = home.household.matching.of(home.point(name))
    assert shown is not None
    assert set(shown.match.kinds) <= {one.value for one in MatchReasonKind}
    return set(shown.match.kinds)
