"""Unknown clients of the DNS gate: one repair, which takes some in and leaves others out."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_integration,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall import strangers
from custom_components.privacy_firewall.engine.events import StrangerSeen
from custom_components.privacy_firewall.engine.naming import NameStatus, Stranger
from tests.common import ADDRESSES, FRIDGE, Cloud, Home, a_home, dns_gate
from tests.repairs import Client, Repair, issue, issues

OVEN = Stranger(
    address="192.168.77.5",
    mac="02:00:00:00:77:05",
    first_seen=1.0,
    last_seen=2.0,
    asked=9,
    names=("a.example", "b.example", "c.example", "x_y.oven.example"),
)
PHONE = Stranger(address="192.168.77.6", mac=None, first_seen=1.0, last_seen=2.0, asked=40)
UNKNOWN = "unknown_clients"


@pytest.fixture
async def named(hass: HomeAssistant, cloud: Cloud, repairs: None) -> AsyncIterator[Home]:
    """A home whose DNS gate is on."""
    assert await async_setup_component(hass, "homeassistant", {})
    async with a_home(hass, cloud, dns_gate=dns_gate()) as made:
        yield made


@pytest.fixture
async def client(named: Home, hass_client: ClientSessionGenerator) -> Client:
    """An administrator's browser."""
    return await hass_client()


async def see(home: Home, *seen: Stranger) -> None:
    """Let the DNS gate have seen these and no others."""
    told = [StrangerSeen(address=one.address, mac=one.mac) for one in seen]
    await home.observe(NameStatus(strangers=seen), *told)


def number(home: Home) -> str | None:
    raised = issue(home.hass, UNKNOWN)
    if raised is None:
        return None
    assert raised.translation_placeholders is not None
    return raised.translation_placeholders["number"]


def a_device(home: Home, name: str, *platforms: str) -> dr.DeviceEntry:
    """A device with the oven's MAC, and entities of these platforms."""
    domain = name.lower().partition(" ")[0]
    mock_integration(home.hass, MockModule(domain))
    entry = MockConfigEntry(domain=domain)
    entry.add_to_hass(home.hass)
    device = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(domain, "1")},
        connections={(dr.CONNECTION_NETWORK_MAC, "02:00:00:00:77:05")},
        name=name,
        manufacturer="Heat & Co",
    )
    for platform in platforms:
        er.async_get(home.hass).async_get_or_create(
            platform, domain, "1", device_id=device.id, config_entry=entry
        )
    return device


async def test_clients_share_one_repair(named: Home) -> None:
    await see(named)
    assert number(named) is None
    await see(named, OVEN)
    assert number(named) == "1"
    await see(named, OVEN, PHONE)
    assert number(named) == "2"
    raised = issue(named.hass, UNKNOWN)
    assert raised is not None
    assert (raised.is_fixable, raised.is_persistent) == (True, False)
    # Whom it is about stands in no file.
    assert "192.168" not in str(raised.data) + str(raised.translation_placeholders)


async def test_nobody_is_told_who_does_not_want_to_hear(named: Home) -> None:
    chosen = named.entry.options["dns_gate"]
    await named.choose(dns_gate=chosen | {"tell_of_strangers": False})
    await see(named, OVEN)
    assert issues(named.hass) == set()
    await named.choose(dns_gate=chosen)
    await see(named, OVEN)
    assert number(named) == "1"
    await named.choose(dns_gate=chosen | {"enabled": False})
    assert issues(named.hass) == set()


async def test_this_machine_and_appliances_are_no_strangers(named: Home) -> None:
    await named.change(FRIDGE, macs=["02:00:00:00:77:07"])
    seen = (("127.0.0.1", None), (ADDRESSES[FRIDGE], None), ("192.168.77.7", "02:00:00:00:77:07"))
    others = [
        Stranger(address=address, mac=mac, first_seen=1.0, last_seen=1.0, asked=1)
        for address, mac in seen
    ]
    await see(named, *others)
    assert issues(named.hass) == set()


async def test_what_they_are_likely_to_be_is_told(
    named: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what Home Assistant knows; what comes from the network is no Markdown."""
    a_device(named, "Router tracker", "device_tracker")
    a_device(named, "Oven *1*", "sensor")
    mock_integration(named.hass, MockModule("heaty", partial_manifest={"name": "Heaty"}))

    async def matchers(_: HomeAssistant) -> list[dict[str, Any]]:
        return [
            {"domain": "heaty", "hostname": "oven-*", "macaddress": "020000*"},
            {"domain": "other", "hostname": "fridge-*"},
            {"domain": "other", "registered_devices": True},
        ]

    monkeypatch.setattr(strangers, "async_get_dhcp", matchers)
    named.hass.config.components.add("dhcp")
    found = DhcpServiceInfo(ip=OVEN.address, hostname="oven-<b>_1", macaddress="020000007705")
    monkeypatch.setattr(strangers, "async_discovered_service_info", lambda _: [found])
    await see(named, OVEN, PHONE)
    repair = Repair(named.hass, client, UNKNOWN)
    shown = await repair.open()
    assert shown["description_placeholders"]["clients"].splitlines() == [
        "- **192.168.77.6**; 40 questions",
        (
            r"- **192.168.77.5** (02:00:00:00:77:05); known to Home Assistant as Oven \*1\*; "
            r"made by Heat \& Co; calls itself oven-\<b\>\_1; looks like something for Heaty; "
            r"asked for b.example, c.example, oven.example (x\_y.oven.example); 9 questions"
        ),
    ]


async def test_names_are_told_by_whose_they_are(named: Home, client: Client) -> None:
    """A client may ask for anything: of that nothing is Markdown, or looks like ours."""
    await see(
        named,
        replace(
            OVEN, names=("forgotten.example", "a.samsung.com", "b.iot.us-east-1.amazonaws.com")
        ),
        replace(
            PHONE,
            names=("c.samsungiotcloud.com", "[a](http://x)`<b>.[b]`*.example", "d.samsung.com"),
        ),
    )
    shown = await Repair(named.hass, client, UNKNOWN).open()
    phone, oven = shown["description_placeholders"]["clients"].splitlines()
    assert phone == (
        r"- **192.168.77.6**; asked for Samsung (c.samsungiotcloud.com, d.samsung.com), "
        r"\[b\]\`\*.example (\[a\](http\://x)\`\<b\>.\[b\]\`\*.example); 40 questions"
    )
    assert oven == (
        r"- **192.168.77.5** (02:00:00:00:77:05); asked for forgotten.example, "
        r"Samsung (a.samsung.com), a shared host of Amazon Web Services "
        r"(b.iot.us-east-1.amazonaws.com); 9 questions"
    )


async def test_one_becomes_an_appliance(named: Home, client: Client) -> None:
    """With its device, known by its MAC, and everything off; the others are asked about on."""
    a_device(named, "Router tracker", "device_tracker")
    device = a_device(named, "Oven", "sensor")
    await see(named, OVEN, PHONE)
    repair = Repair(named.hass, client, UNKNOWN)
    await repair.open()
    shown = await repair.choose("add_appliance")
    (field,) = shown["data_schema"]
    assert [one["label"] for one in field["selector"]["select"]["options"]] == [
        "192.168.77.6",
        "Oven · 192.168.77.5 · 02:00:00:00:77:05",
    ]
    shown = await repair.send(client="02:00:00:00:77:05")
    assert shown["step_id"] == "appliance"
    proposed = {
        one["name"]: one["description"]["suggested_value"]
        for one in shown["data_schema"]
        if "description" in one
    }
    assert proposed == {"name": "Oven", "device_id": device.id}
    shown = await repair.send(name=" ", device_id=device.id, recognised_by="mac")
    assert shown["errors"] == {"name": "missing"}
    shown = await repair.send(name=" Big oven ", device_id="gone", recognised_by="mac")
    assert shown["errors"] == {"device_id": "no_such_device"}
    shown = await repair.send(name=" Big oven ", device_id=device.id, recognised_by="mac")
    added = named.subentry("Big oven")
    assert (added.subentry_type, dict(added.data)) == (
        "appliance",
        {
            "name": "Big oven",
            "device_id": device.id,
            "addresses": [],
            "macs": ["02:00:00:00:77:05"],
            "token": None,
            "base_url": None,
            "remainder": "redact",
            "answer": "calm",
            "owner": None,
            "promoted": [],
        },
    )
    assert named.household.firewall.appliances[added.subentry_id].macs == {"02:00:00:00:77:05"}
    # It goes on with those who are left.
    assert (shown["type"], shown["step_id"]) == ("menu", "init")
    assert OVEN.address not in shown["description_placeholders"]["clients"]
    assert number(named) == "1"


async def test_without_a_mac_it_is_known_by_its_address(named: Home, client: Client) -> None:
    """One alone needs no choice; the last one settled ends the repair."""
    await see(named, PHONE)
    repair = Repair(named.hass, client, UNKNOWN)
    await repair.open()
    shown = await repair.choose("add_appliance")
    assert shown["step_id"] == "appliance"
    by = shown["data_schema"][-1]["selector"]["select"]["options"]
    assert by == ["address"]
    shown = await repair.send(name="Speaker", recognised_by="address")
    assert shown["type"] == "create_entry"
    assert named.subentry("Speaker").data["addresses"] == ["192.168.77.6"]
    assert named.subentry("Speaker").data["macs"] == []
    assert issues(named.hass) == set()


async def test_some_are_none_and_not_asked_about_again(named: Home, client: Client) -> None:
    """Not after a restart either; by the MAC, whatever the address."""
    await see(named, OVEN, PHONE)
    repair = Repair(named.hass, client, UNKNOWN)
    await repair.open()
    await repair.choose("no_appliances")
    shown = await repair.send(clients=["02:00:00:00:77:05"])
    assert shown["step_id"] == "init"
    assert named.entry.options["no_appliances"] == ["02:00:00:00:77:05"]
    assert number(named) == "1"
    await named.reload()
    assert issues(named.hass) == set()
    moved = Stranger(address="192.168.77.99", mac=OVEN.mac, first_seen=1.0, last_seen=1.0, asked=1)
    await see(named, moved)
    assert issues(named.hass) == set()
    await see(named, moved, PHONE)
    assert number(named) == "1"


async def test_who_was_settled_meanwhile_is_not_added(named: Home, client: Client) -> None:
    """A repair does what its form named, and nothing if that is no longer so."""
    await see(named, OVEN, PHONE)
    repair = Repair(named.hass, client, UNKNOWN)
    await repair.open()
    await repair.choose("add_appliance")
    await repair.send(client="02:00:00:00:77:05")
    await named.change(FRIDGE, macs=["02:00:00:00:77:05"])
    before = len(named.entry.subentries)
    shown = await repair.send(name="Oven", recognised_by="mac")
    assert shown["step_id"] == "init"
    assert len(named.entry.subentries) == before


@pytest.mark.parametrize("step", ["add_appliance", "no_appliances"])
async def test_a_firewall_that_does_not_run_takes_nobody_in(
    named: Home, client: Client, step: str
) -> None:
    await see(named, OVEN)
    repair = Repair(named.hass, client, UNKNOWN)
    await repair.open()
    assert await named.hass.config_entries.async_unload(named.entry.entry_id)
    assert issues(named.hass) == set()
    shown = await repair.choose(step)
    assert (shown["type"], shown["reason"]) == ("abort", "not_loaded")
