"""System health: states and counts, no names."""

import json

from homeassistant.core import Context, HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import ConsentState, Decider
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, Home
from tests.house import read_json


@pytest.fixture(autouse=True)
async def health(hass: HomeAssistant) -> None:
    """Home Assistant's system health."""
    assert await async_setup_component(hass, "system_health", {})


async def test_states_and_counts_are_told(home: Home) -> None:
    await home.report()
    pair = home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    await home.household.firewall.decide([pair], ConsentState.GIVEN, Decider(how="test"))
    told = await get_system_health_info(home.hass, DOMAIN)
    assert told == {
        "version": read_json("manifest.json")["version"],
        "running": True,
        "gate_open": True,
        "dns_gate": "off",
        "storage_works": True,
        "locked_down": False,
        "restored": False,
        "appliances": 2,
        "recipients": 2,
        "consents_in_force": 1,
        "questions": 0,
    }
    assert told.keys() == read_json("translations/en.json")["system_health"]["info"].keys()
    written = json.dumps(told)
    for private in (FRIDGE, BRUSH, FROSTLINE, ADLENS, "127.0.0", "Temperature"):
        assert private not in written


async def test_what_is_wrong_is_told(home: Home) -> None:
    """And what is open."""
    await home.report()
    pair = home.point("Temperature"), home.subentry(FROSTLINE).subentry_id
    firewall = home.household.firewall
    await firewall.decide([pair], ConsentState.GIVEN, Decider(how="test"))
    await firewall.consents.mark_backup(on=True)
    await home.reload()
    firewall = home.household.firewall
    await home.household._async_ask()
    await home.household.decisions.async_lock_down(
        on=True, how="test", context=Context(), entity_id=None
    )
    await firewall.close_gate()
    firewall._files._note_health(firewall._database.path, False)
    told = await get_system_health_info(home.hass, DOMAIN)
    assert told.pop("questions") > 1
    assert told == {
        "version": read_json("manifest.json")["version"],
        "running": True,
        "gate_open": False,
        "dns_gate": "off",
        "storage_works": False,
        "locked_down": True,
        "restored": True,
        "appliances": 2,
        "recipients": 2,
        "consents_in_force": 0,
    }


async def test_a_firewall_that_does_not_run_says_so(home: Home) -> None:
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    told = await get_system_health_info(home.hass, DOMAIN)
    assert told == {"version": read_json("manifest.json")["version"], "running": False}
