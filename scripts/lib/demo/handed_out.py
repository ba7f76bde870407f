"""The step in which Home Assistant itself is the sender: Assist gets an entity, and no longer."""

import asyncio
from typing import Any

from .home_assistant import HomeAssistant
from .household import Household
from .in_time import until
from .show import Page

ASSIST = "conversation"
_LOOKS = 50
"""How often is looked whether the switches are there: for ten seconds."""


async def tell(page: Page, household: Household, name: str, number: int) -> None:
    """Expose an entity as its settings do, see it shown, and switch that off."""
    page.begin(f"Step {number}: what Home Assistant itself hands to Assist")
    home = household.home_assistant
    menu = await home.post(
        "/api/config/config_entries/options/flow", {"handler": household.entry_id}
    )
    place = f"/api/config/config_entries/options/flow/{menu['flow_id']}"
    await home.post(place, {"next_step_id": "handed_out"})
    made = await home.post(place, {"enabled": True, "entities": []})
    page.expect(made["type"] == "create_entry", "the household wants to see it", made["type"])
    switches = await _switches(household, name)
    page.expect(switches, f"{len(switches)} switches for Assist appeared on the {name}'s page")
    # Home Assistant exposes what is new of other integrations by itself: doors, temperatures.
    is_on = {one["entity_id"] for one in switches if one["state"]["state"] == "on"}
    told = {one["state"]["attributes"]["by"] for one in switches if one["entity_id"] in is_on}
    page.expect(told == {"elsewhere"}, f"{len(is_on)} read on, and by whom: not by us", told)
    ours = next(one["entity_id"] for one in switches if one["entity_id"] not in is_on)
    entity_id = next(
        one["state"]["attributes"]["entity_id_handed_out"]
        for one in switches
        if one["entity_id"] == ours
    )
    await home.ask(
        "homeassistant/expose_entity",
        assistants=[ASSIST],
        entity_ids=[entity_id],
        should_expose=True,
    )
    seen = await until(home, ours, "on")
    by = (await home.get(f"/api/states/{ours}"))["attributes"]["by"]
    page.expect(
        (seen, by) == ("on", "elsewhere"), "exposed in the settings, its switch reads on", by
    )
    await home.call("switch.turn_off", ours)
    exposed = await _exposed(home)
    page.expect(entity_id not in exposed, "switched off, it is exposed no longer", exposed)
    page.end()


async def _switches(household: Household, name: str) -> list[dict[str, Any]]:
    """Return them; the configuration file is read first, so that they take a moment."""
    devices = {one["device_id"] for one in await household.entities(name)}
    for _ in range(_LOOKS):
        # By the device: where that is another integration's, they are of no appliance's subentry.
        listed = await household.home_assistant.ask("config/entity_registry/list")
        states = await household.home_assistant.states()
        found = [
            {**one, "state": states[one["entity_id"]]}
            for one in listed
            if one["translation_key"] == "exposure"
            and one["device_id"] in devices
            and one["entity_id"] in states
        ]
        if found:
            return found
        await asyncio.sleep(0.2)
    return []


async def _exposed(home: HomeAssistant) -> list[str]:
    listed = await home.ask("homeassistant/expose_entity/list")
    return [one for one, to in listed["exposed_entities"].items() if to.get(ASSIST)]
