"""The step in which the fridge's own integration gives names and places to the switches."""

import asyncio
from typing import Any

from .household import MARKETING, SERVICE_DESK, Household
from .show import Page

REPORTS = 9
"""The same values told to two recipients, and shown at home meanwhile."""
DOOR = "$.body.components.main.contactSensor.contact.value"
OPENINGS = "$.body.components.main.doorOpenings.today.value"
OPENINGS_AGAIN = "$.body.usage.doorOpeningsToday"
_SHOWN_SECONDS = 0.1


async def tell(page: Page, household: Household, number: int) -> None:
    """Let the fridge report for a while; then see which entities were found, undo one, redo it."""
    page.begin(f"Step {number}: the switches get the names that the fridge's own integration has")
    home = household.home_assistant
    found = await find(household)
    states = await home.states()
    page.table(
        [
            (
                one["data_point"],
                f"{states[one['matched_entity']]['attributes']['friendly_name']}  {_why(one)}",
            )
            for one in found
        ]
    )
    matched = {one["matched_entity"] for one in found}
    own = {
        one["entity_id"]
        for one in await home.ask("config/entity_registry/list")
        if one["config_entry_id"] == household.fridge_entry
    }
    page.expect(matched == own, f"all {len(own)} entities of the fridge are found", own - matched)
    switch = await household.consent_switch("fridge", DOOR, SERVICE_DESK)
    name = switch["state"]["attributes"]["friendly_name"]
    wanted = "Kitchen fridge Fridge door to FrostCo for service"
    page.expect(name == wanted, f"the switch of its door is called “{wanted}”", name)
    door = switch["state"]["attributes"]["matched_entity"]
    listed = {one["entity_id"]: one for one in await home.ask("config/entity_registry/list")}
    page.expect(
        switch["device_id"] == listed[door]["device_id"],
        "on the device of that entity",
        switch["device_id"],
    )
    both = [
        (await household.consent_switch("fridge", *of))["state"]["attributes"]["matched_entity"]
        for of in ((OPENINGS, SERVICE_DESK), (OPENINGS_AGAIN, MARKETING))
    ]
    page.expect(
        both == ["sensor.kitchen_fridge_door_openings_today"] * 2,
        "what it tells two recipients is one entity, with a switch for each",
        both,
    )
    states_of = {one["state"]["state"] for one in await household.consent_switches("fridge")}
    page.expect(states_of == {"off"}, "all switches are off as before", states_of)
    await _do(household, "unmatch", entity_id=[switch["entity_id"]])
    switch = await household.consent_switch("fridge", DOOR, SERVICE_DESK)
    name = switch["state"]["attributes"]["friendly_name"]
    page.expect("Fridge door" not in name, f"undone, it is called “{name}” again")
    page.expect(switch["state"]["state"] == "off", "and is off as before")
    await _do(household, "match", entity_id=[switch["entity_id"]], matched_entity=door)
    page.end()


async def find(household: Household) -> list[dict[str, Any]]:
    """Let the fridge report for a while, and have its matches found; return what was."""
    for _ in range(REPORTS):
        await household.report("fridge")
        await asyncio.sleep(_SHOWN_SECONDS)
    return await _do(household, "find_matches", appliance_id="Fridge")


def _why(one: dict[str, Any]) -> str:
    return f"({one['confidence']:.0%}: {one['reasons'][0]})"


async def _do(household: Household, action: str, **data: Any) -> list[dict[str, Any]]:
    answer = await household.home_assistant.post(
        f"/api/services/privacy_firewall/{action}?return_response", data
    )
    found: list[dict[str, Any]] = answer["service_response"]["data_points"]
    return found
