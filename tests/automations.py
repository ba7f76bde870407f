"""Automations for tests: real ones, which note what they learned."""

from typing import Any

from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.helpers.trigger import (
    async_initialize_triggers,
    async_validate_trigger_config,
)
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    async_mock_service,
)

from custom_components.privacy_firewall.const import (
    DOMAIN,
)
from custom_components.privacy_firewall.engine.events import (
    Event,
)
from custom_components.privacy_firewall.engine.model import (
    Consent,
    ConsentState,
)
from tests.common import FRIDGE, FROSTLINE, Home


async def automate(
    hass: HomeAssistant, trigger: str, target: dict[str, Any] | None = None, **options: Any
) -> list[ServiceCall]:
    """Set up an automation that notes its trigger; return what it will note."""
    config: dict[str, Any] = {"trigger": f"{DOMAIN}.{trigger}", "options": options}
    if target is not None:
        config["target"] = target
    noted = async_mock_service(hass, "test", "note")
    automation = {
        "alias": "Noted",
        "mode": "queued",
        "max": 100,
        "triggers": [config],
        "actions": [{"action": "test.note", "data": {"told": "{{ trigger }}"}}],
    }
    assert await async_setup_component(hass, "automation", {"automation": [automation]})
    await hass.async_block_till_done()
    state = hass.states.get("automation.noted")
    assert state is not None
    assert state.state == "on", "the automation is not valid"
    return noted


def told(noted: list[ServiceCall]) -> list[dict[str, Any]]:
    """What automations learned, without what every trigger tells."""
    common = {"id", "idx", "alias", "platform", "description"}
    return [
        {key: value for key, value in call.data["told"].items() if key not in common}
        for call in noted
    ]


async def happen(home: Home, event: Event) -> None:
    """Let the engine fire an event."""
    home.household._on_event(event)
    await home.hass.async_block_till_done()


def consent(home: Home, name: str, to: str = FROSTLINE, by: str = FRIDGE, **more: Any) -> Consent:
    """A decision as the ledger has it."""
    return Consent(
        appliance_id=home.subentry(by).subentry_id,
        data_point_id=home.point(name, by),
        recipient_id=home.subentry(to).subentry_id,
        **{"state": ConsentState.GIVEN} | more,
    )


async def attach(
    hass: HomeAssistant, trigger: str, target: dict[str, Any] | None, noted: list[dict[str, Any]]
) -> None:
    """Attach a trigger by itself."""
    config: dict[str, Any] = {"platform": f"{DOMAIN}.{trigger}"}
    if target is not None:
        config["target"] = target

    async def note(variables: dict[str, Any], context: Context | None = None) -> None:
        noted.append(variables["trigger"])

    validated = await async_validate_trigger_config(hass, [config])
    assert await async_initialize_triggers(hass, validated, note, "test", "test", lambda *_: None)


class Place:
    """Where a target may point; each names the fridge, and not the toothbrush."""

    def __init__(self, home: Home) -> None:
        self.home = home
        device = home.household.device(home.subentry(FRIDGE).subentry_id)
        assert device is not None
        self.device_id = device.id

    def device(self) -> dict[str, str]:
        return {"device_id": self.device_id}

    def area(self) -> dict[str, str]:
        area = ar.async_get(self.home.hass).async_create("Kitchen")
        dr.async_get(self.home.hass).async_update_device(self.device_id, area_id=area.id)
        return {"area_id": area.id}

    def floor(self) -> dict[str, str]:
        floor = fr.async_get(self.home.hass).async_create("Ground")
        area = ar.async_get(self.home.hass).async_create("Kitchen", floor_id=floor.floor_id)
        dr.async_get(self.home.hass).async_update_device(self.device_id, area_id=area.id)
        return {"floor_id": floor.floor_id}

    def label_of_device(self) -> dict[str, str]:
        label = lr.async_get(self.home.hass).async_create("Talkative")
        dr.async_get(self.home.hass).async_update_device(self.device_id, labels={label.label_id})
        return {"label_id": label.label_id}

    def label_of_area(self) -> dict[str, str]:
        label = lr.async_get(self.home.hass).async_create("Talkative")
        area = ar.async_get(self.home.hass).async_create("Kitchen", labels={label.label_id})
        dr.async_get(self.home.hass).async_update_device(self.device_id, area_id=area.id)
        return {"label_id": label.label_id}

    def label_of_entity(self) -> dict[str, str]:
        label = lr.async_get(self.home.hass).async_create("Talkative")
        er.async_get(self.home.hass).async_update_entity(
            self.home.entity("sensor", "protection"), labels={label.label_id}
        )
        return {"label_id": label.label_id}

    def entity(self) -> dict[str, str]:
        return {"entity_id": self.home.entity("sensor", "protection")}
