"""What an appliance reports of late: named until somebody has read it, and off."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.privacy_firewall import news
from custom_components.privacy_firewall.engine.model import ConsentState
from custom_components.privacy_firewall.logbook import async_describe_events
from tests.common import BRUSH, FRIDGE, REPORT, SECRET, Home
from tests.long_report import in_force
from tests.repairs import Client, Repair, issue, issues, settle


@pytest.fixture
def established() -> Iterator[None]:
    """A day is over as soon as it has begun."""
    with patch.object(news, "ESTABLISHED", 0.0):
        yield


@pytest.fixture
def heard(hass: HomeAssistant) -> list[dict[str, Any]]:
    """What the bus tells of new items."""
    told: list[dict[str, Any]] = []

    def hear(event: Event[dict[str, Any]]) -> None:
        told.append(dict(event.data))

    hass.bus.async_listen("privacy_firewall_new_items", hear)
    return told


def issue_id(home: Home, title: str = FRIDGE) -> str:
    return f"new_items_{home.subentry(title).subentry_id}"


async def test_first_contact_is_no_news(home: Home, heard: list[dict[str, Any]]) -> None:
    """Nor is what comes while the appliance is new itself."""
    await home.report()
    await home.report(REPORT | {"icemaker": {"on": True}})
    await settle(home)
    assert (issues(home.hass), heard) == (set(), [])


async def test_new_items_are_named_and_off(
    home: Home, established: None, heard: list[dict[str, Any]]
) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    await home.report(REPORT | {"icemaker": {"on": True, "speech": SECRET}})
    await settle(home)
    raised = issue(home.hass, issue_id(home))
    assert raised is not None
    assert raised.translation_placeholders == {"appliance": FRIDGE, "number": "2"}
    assert home.cloud.received == [("/fridge", {"temperature": 4.5})]
    assert in_force(home) == {home.point("Temperature")}
    assert not home.is_on(home.switch("Icemaker on"))
    [told] = heard
    fridge = home.subentry(FRIDGE).subentry_id
    device = home.household.device(fridge)
    assert device is not None
    assert told == {
        "appliance": FRIDGE,
        "appliance_id": fridge,
        "device_id": device.id,
        "data_points": ["Icemaker on", "Icemaker speech"],
        "data_point_ids": [home.point("Icemaker on"), home.point("Icemaker speech")],
        "count": 2,
    }
    assert SECRET not in str(raised)
    # Nothing that was known before is new again.
    await home.report(REPORT | {"icemaker": {"on": False, "speech": SECRET}})
    assert len(heard) == 1


async def test_they_are_asked_about(home: Home, established: None) -> None:
    await home.report()
    await home.report(REPORT | {"icemaker": {"on": True}})
    await home.household._async_ask()
    await settle(home)
    assert ConsentState.REQUESTED in {
        one.state
        for one in home.household.firewall.decided()
        if one.data_point_id == home.point("Icemaker on")
    }


async def test_they_wait_until_they_are_read(client: Client, home: Home, established: None) -> None:
    """Over a restart, and with what comes meanwhile; each appliance by itself."""
    await home.report()
    await home.report(by=BRUSH)
    await home.report(REPORT | {"icemaker": {"*on*": True}})
    await home.reload()
    await settle(home)
    assert issue_id(home) in issues(home.hass)
    await home.report(REPORT | {"drawer": {"temperature": 4}})
    await settle(home)
    assert issue_id(home, BRUSH) not in issues(home.hass)
    raised = issue(home.hass, issue_id(home))
    assert raised is not None
    assert (raised.translation_placeholders or {})["number"] == "2"
    repair = Repair(home.hass, client, issue_id(home))
    shown = await repair.open()
    assert shown["description_placeholders"]["items"] == (
        "- **What it is doing**: Icemaker on\n- **Doors and openings**: Drawer temperature"
    )
    assert shown["description_placeholders"]["appliance"] == FRIDGE
    assert (await repair.send())["type"] == "create_entry"
    assert issue(home.hass, issue_id(home)) is None
    assert in_force(home) == set()


async def test_many_are_counted(home: Home, established: None) -> None:
    await home.report()
    words = [f"drawer{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(news.MAX_NEW + 20)]
    await home.report(dict.fromkeys(words, 1))
    raised = ir.async_get(home.hass).async_get_issue("privacy_firewall", issue_id(home))
    assert raised is not None
    data = raised.data or {}
    assert data["number"] == news.MAX_NEW + 20
    assert len(str(data["points"]).split()) == news.MAX_NEW


async def test_they_go_with_their_appliance(home: Home, established: None) -> None:
    await home.report()
    await home.report(REPORT | {"icemaker": {"on": True}})
    gone = issue_id(home)
    assert gone in issues(home.hass)
    await home.remove(FRIDGE)
    assert gone not in issues(home.hass)


async def test_a_call_to_another_address_is_no_item(
    home: Home, established: None, heard: list[dict[str, Any]]
) -> None:
    await home.report()
    await home.report({}, path="/elsewhere")
    assert heard, "its headers are items"
    assert not any("The call itself" in told["data_points"] for told in heard)


async def test_the_logbook_says_it(home: Home) -> None:
    described: dict[str, Any] = {}
    async_describe_events(
        home.hass, lambda _, event_type, describe: described.update({event_type: describe})
    )
    event = Event(
        "privacy_firewall_new_items",
        {"appliance": FRIDGE, "data_points": ["Icemaker on", "Icemaker speech"], "count": 3},
    )
    assert described["privacy_firewall_new_items"](event) == {
        "name": FRIDGE,
        "message": "reports what it did not before: Icemaker on, Icemaker speech and 1 more; all"
        " of it is held back",
    }
