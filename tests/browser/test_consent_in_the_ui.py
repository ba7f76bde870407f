"""A household's way in the user interface: read, click one switch, and only that leaves."""

import asyncio

from demo import dashboard, matches
from demo.__main__ import BRUSHING, COMPRESSOR, only
from demo.household import DENTIST, MARKETING, SERVICE_DESK
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


async def device_page(household, page, name):
    """Open an appliance's device page; it has been seen, so it has switches."""
    await household.report(name)
    home = household.home_assistant
    await page.goto(f"{home.url}/config/devices/device/{await household.device_id(name)}")
    await page.locator("hui-toggle-entity-row").first.wait_for()


async def click(household, page, row, switch, wanted):
    """Click a row's switch as a person does, and wait until Home Assistant says the same."""
    await row.locator("ha-switch").click()
    for _ in range(100):
        states = await household.home_assistant.states()
        if states[switch["entity_id"]]["state"] == wanted:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"the switch did not become {wanted}")


async def test_the_device_page_has_an_opt_in_switch_for_each_consent(household, page, shoot):
    await matches.find(household)
    await device_page(household, page, "fridge")

    switches = await household.consent_switches("fridge")
    for switch in switches:
        row = page.locator("hui-toggle-entity-row", has_text=switch["original_name"]).first
        assert not await row.get_by_role("switch").is_checked()
    assert await page.locator("hui-toggle-entity-row").count() == len(switches)
    await shoot("device-page")


async def test_a_click_on_one_switch_lets_one_data_point_go(household, page, shoot):
    await device_page(household, page, "fridge")
    switch = await household.consent_switch("fridge", COMPRESSOR, SERVICE_DESK)
    row = page.locator("hui-toggle-entity-row", has_text=switch["original_name"])

    await click(household, page, row, switch, "on")
    to_service_desk, to_marketing = await household.report("fridge")
    assert [one.tree for one in to_service_desk.arrived] == [
        only(to_service_desk.sent.body, COMPRESSOR)
    ]
    assert to_marketing.cloud is MARKETING
    assert not to_marketing.arrived
    await shoot("device-page-one-shared")

    await click(household, page, row, switch, "off")
    to_service_desk, to_marketing = await household.report("fridge")
    assert not to_service_desk.arrived
    assert not to_marketing.arrived


async def test_the_dashboard_says_what_for_and_its_switches_grant(household, page, shoot):
    await household.report("fridge")
    await household.report("toothbrush")
    await page.goto(await dashboard.make(household))
    await page.get_by_text(DENTIST.if_refused).wait_for()
    await page.get_by_text(DENTIST.benefit).wait_for()
    await shoot("dashboard")

    switch = await household.consent_switch("toothbrush", BRUSHING, DENTIST)
    row = page.locator("hui-toggle-entity-row", has_text=dashboard.data_name(switch)).first
    await click(household, page, row, switch, "on")
    to_dentist, to_analytics = await household.report("toothbrush")
    assert [one.tree for one in to_dentist.arrived] == [only(to_dentist.sent.body, BRUSHING)]
    assert not to_analytics.arrived

    await click(household, page, row, switch, "off")
    to_dentist, to_analytics = await household.report("toothbrush")
    assert not to_dentist.arrived
    assert not to_analytics.arrived


async def test_an_appliance_is_added_in_the_dialog(household, page, shoot):
    home = household.home_assistant
    await page.goto(f"{home.url}/config/integrations/integration/privacy_firewall")
    await page.get_by_role("button", name="Add appliance").click()
    await page.get_by_text("Whose data it tells").first.wait_for()
    await page.get_by_role("textbox", name="Name*").fill("Oven")
    await page.get_by_role("button", name="Add IP address").click()
    await page.locator("ha-input-multi").first.locator("input").fill("127.0.0.4")
    await shoot("add-appliance")
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("button", name="Finish").click()

    listed = await home.ask("config_entries/subentries/list", entry_id=household.entry_id)
    assert ("appliance", "Oven") in {(one["subentry_type"], one["title"]) for one in listed}
