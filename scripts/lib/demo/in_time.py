"""The steps in which something happens by itself: an automation reacts, a grant runs out."""

import asyncio
from typing import Any

from .home_assistant import HomeAssistant
from .household import Cloud, Household
from .show import Page

REACTED = "input_boolean.data_was_blocked"
GRANT_SECONDS = 4
_PATIENCE_SECONDS = 10.0


async def until(home: HomeAssistant, entity_id: str, state: str) -> str:
    """Wait until an entity is in a state; return the one it is in then, or at last."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        seen: str = (await home.get(f"/api/states/{entity_id}"))["state"]
        if seen == state or asyncio.get_running_loop().time() > deadline:
            return seen
        await asyncio.sleep(0.1)


async def an_automation_waits(household: Household, name: str) -> None:
    """Make an automation that turns something on when data of an appliance was blocked."""
    await household.home_assistant.post(
        "/api/config/automation/config/data_was_blocked",
        {
            "alias": "Data was blocked",
            "triggers": [
                {
                    "trigger": "privacy_firewall.data_blocked",
                    "target": {"device_id": await household.device_id(name)},
                }
            ],
            "actions": [{"action": "input_boolean.turn_on", "target": {"entity_id": REACTED}}],
        },
    )


async def it_reacted(page: Page, household: Household, number: int) -> None:
    """See that the automation ran."""
    page.begin(f"Step {number}: an automation reacts to data_blocked")
    home = household.home_assistant
    seen = await until(home, REACTED, "on")
    page.expect(seen == "on", "an automation that waits for data_blocked has run", seen)
    page.end()


async def a_grant_runs_out(
    page: Page, household: Household, item: tuple[str, str, Cloud], number: int
) -> None:
    """Grant for a few seconds by the action, report, wait, and report again."""
    name, path, cloud = item
    home = household.home_assistant
    switch = (await household.consent_switch(name, path, cloud))["entity_id"]
    page.begin(f"Step {number}: a grant of {GRANT_SECONDS} seconds")
    await home.post(
        "/api/services/privacy_firewall/grant",
        {"entity_id": [switch], "duration": {"seconds": GRANT_SECONDS}},
    )
    state = await home.get(f"/api/states/{switch}")
    page.expect(state["state"] == "on", "the switch reads on", state["state"])
    page.expect(state["attributes"]["until"], f"until {state['attributes']['until']}")
    page.expect(await _arrives(household, name, cloud), f"{cloud.name} received it")
    seen = await until(home, switch, "off")
    page.expect(seen == "off", "then the switch reads off by itself", seen)
    state = await home.get(f"/api/states/{switch}")
    ended = state["attributes"]["state"]
    page.expect(ended == "expired", "for the grant ran out", ended)
    page.expect(not await _arrives(household, name, cloud), f"{cloud.name} received nothing")
    page.end()


async def _arrives(household: Household, name: str, cloud: Cloud) -> bool:
    return any(
        exchange.arrived for exchange in await household.report(name) if exchange.cloud is cloud
    )


async def the_gate_is_tested(page: Page, household: Household) -> None:
    """Let the firewall test itself, through its action."""
    page.begin("The self-test: canaries through the gates, from the outside")
    answer: dict[str, Any] = await household.home_assistant.post(
        "/api/services/privacy_firewall/self_test?return_response", {}
    )
    report = answer["service_response"]
    for check in report["checks"]:
        what = check["step"].replace("_", " ")
        page.expect(check["passed"], f"{check['gate']}, {what}: held", check)
    page.expect(report["passed"], "nothing came out that must not, and what may did", report)
    page.end()
