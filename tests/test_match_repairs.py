"""What is unsure is asked about once, per appliance, and answered for each data point."""

from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.match_store import Standing
from tests.common import FRIDGE, Home
from tests.matched import CELSIUS, Vendor, known_for_long, look, matched, registered
from tests.repairs import Client, Repair, issue, issues


@pytest.fixture
def vendor(home: Home) -> Vendor:
    return Vendor(home)


def issue_of(home: Home) -> str:
    return f"unsure_{home.subentry(FRIDGE).subentry_id}"


@pytest.fixture
async def unsure(home: Home, vendor: Vendor) -> list[er.RegistryEntry]:
    """Two entities that are as likely for one data point, and one that is another's."""
    device = vendor.device()
    made = [
        vendor.entity(device, "Upper temperature", **CELSIUS),
        vendor.entity(device, "Lower temperature", **CELSIUS),
    ]
    await home.change(FRIDGE, device_id=device.id)
    await home.report({"temperature": 4.5})
    known_for_long(home)
    await look(home)
    assert matched(home) == {}
    return made


def given(home: Home) -> object:
    return [(one.pair, one.state) for one in home.household.firewall.decided()]


async def test_what_is_unsure_is_one_repair_of_its_appliance(
    home: Home, unsure: list[er.RegistryEntry]
) -> None:
    raised = issue(home.hass, issue_of(home))
    assert raised is not None
    assert raised.translation_placeholders == {"appliance": "Fridge", "number": "1"}
    assert [one for one in issues(home.hass) if one.startswith("unsure")] == [issue_of(home)]


async def test_nobody_is_asked_before_it_was_seen_for_a_while(home: Home, vendor: Vendor) -> None:
    device = vendor.device()
    for name in ("Upper temperature", "Lower temperature"):
        vendor.entity(device, name, **CELSIUS)
    await home.change(FRIDGE, device_id=device.id)
    await home.report({"temperature": 4.5})
    await look(home)
    assert issue(home.hass, issue_of(home)) is None


async def test_an_entity_is_chosen(
    client: Client, home: Home, unsure: list[er.RegistryEntry]
) -> None:
    before = given(home)
    repair = Repair(home.hass, client, issue_of(home))
    shown = await repair.open()
    assert shown["step_id"] == "choose"
    assert shown["description_placeholders"]["data"] == "Temperature"
    assert "4.5" not in str(shown)
    (field,) = shown["data_schema"]
    options = [one["value"] for one in field["selector"]["select"]["options"]]
    assert set(options) == {*(one.id for one in unsure), "none", "later"}
    assert field["default"] == "later"

    assert (await repair.send(entity=unsure[1].id))["type"] == "create_entry"
    assert matched(home) == {"Temperature": unsure[1].entity_id}
    kept = home.household.matching.store.get(home.point("Temperature"))
    assert kept is not None
    assert kept.standing is Standing.CONFIRMED
    assert registered(home, home.switch("Temperature")).original_name == (
        "Lower temperature to Frostline for service"
    )
    assert given(home) == before
    assert issue(home.hass, issue_of(home)) is None
    await look(home)
    assert issue(home.hass, issue_of(home)) is None


async def test_none_of_these_is_kept(
    client: Client, home: Home, unsure: list[er.RegistryEntry]
) -> None:
    repair = Repair(home.hass, client, issue_of(home))
    await repair.open()
    assert (await repair.send(entity="none"))["type"] == "create_entry"
    await look(home)
    assert matched(home) == {}
    assert issue(home.hass, issue_of(home)) is None
    rejected = home.household.matching.store.rejected(home.point("Temperature"))
    assert set(rejected) == {one.id for one in unsure}


async def test_what_is_left_open_comes_again_only_beside_something_new(
    client: Client, home: Home, vendor: Vendor, unsure: list[er.RegistryEntry]
) -> None:
    repair = Repair(home.hass, client, issue_of(home))
    await repair.open()
    assert (await repair.send(entity="later"))["type"] == "create_entry"
    await look(home)
    assert issue(home.hass, issue_of(home)) is None
    await home.reload()
    await home.report({"temperature": 4.5})
    known_for_long(home)
    await look(home)
    assert issue(home.hass, issue_of(home)) is None
    vendor.entity(vendor.device(), "Middle temperature", **CELSIUS)
    await look(home)
    assert issue(home.hass, issue_of(home)) is not None


async def test_one_data_point_after_another(client: Client, home: Home, vendor: Vendor) -> None:
    device = vendor.device()
    humidity = {"unit_of_measurement": "%", "original_device_class": "humidity"}
    made = {
        name: vendor.entity(device, name, **(humidity if "hum" in name else CELSIUS))
        for name in (
            "Upper temperature", "Lower temperature", "Upper humidity", "Lower humidity"
        )
    }  # fmt: skip
    await home.change(FRIDGE, device_id=device.id)
    await home.report({"temperature": 4.5, "humidity": 61})
    known_for_long(home)
    await look(home)
    raised = issue(home.hass, issue_of(home))
    assert raised is not None
    assert (raised.translation_placeholders or {})["number"] == "2"
    repair = Repair(home.hass, client, issue_of(home))
    asked = []
    shown = await repair.open()
    while shown["type"] == "form":
        asked.append(shown["description_placeholders"]["data"])
        name = f"Upper {asked[-1].lower()}"
        shown = await repair.send(entity=made[name].id)
    assert asked == ["Temperature", "Humidity"]
    assert matched(home) == {
        "Temperature": made["Upper temperature"].entity_id,
        "Humidity": made["Upper humidity"].entity_id,
    }


async def test_after_a_start_it_waits_until_something_was_seen(
    home: Home, unsure: list[er.RegistryEntry]
) -> None:
    await home.reload()
    await look(home)
    assert issue(home.hass, issue_of(home)) is not None


async def test_what_was_ignored_is_left_open(
    home: Home, vendor: Vendor, unsure: list[er.RegistryEntry]
) -> None:
    ir.async_ignore_issue(home.hass, DOMAIN, issue_of(home), ignore=True)
    await look(home)
    assert issue(home.hass, issue_of(home)) is None
    await home.reload()
    await home.report({"temperature": 4.5})
    known_for_long(home)
    await look(home)
    assert issue(home.hass, issue_of(home)) is None
    vendor.entity(vendor.device(), "Middle temperature", **CELSIUS)
    await look(home)
    raised = issue(home.hass, issue_of(home))
    assert raised is not None
    assert raised.dismissed_version is None


async def test_it_goes_with_its_appliance(home: Home, unsure: list[er.RegistryEntry]) -> None:
    issue_id = issue_of(home)
    await home.remove(FRIDGE)
    await look(home)
    assert issue(home.hass, issue_id) is None


async def test_an_entity_that_is_gone_meanwhile_is_not_offered(
    client: Client, home: Home, unsure: list[er.RegistryEntry]
) -> None:
    repair = Repair(home.hass, client, issue_of(home))
    er.async_get(home.hass).async_remove(unsure[0].entity_id)
    shown = await repair.open()
    options = [one["value"] for one in shown["data_schema"][0]["selector"]["select"]["options"]]
    assert options == [unsure[1].id, "none", "later"]
    er.async_get(home.hass).async_remove(unsure[1].entity_id)
    assert (await repair.send(entity=unsure[1].id))["type"] == "create_entry"
    assert matched(home) == {}


async def test_names_of_devices_are_shown_as_they_stand(
    client: Client, home: Home, vendor: Vendor, unsure: list[er.RegistryEntry]
) -> None:
    er.async_get(home.hass).async_update_entity(unsure[0].entity_id, name="<b>[x](http://y)</b>")
    shown = await Repair(home.hass, client, issue_of(home)).open()
    assert r"\<b\>\[x\]" in shown["description_placeholders"]["entities"]
