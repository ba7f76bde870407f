"""Stored data as the engine's values, and addresses as MACs."""

from typing import Any

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.privacy_firewall import household
from custom_components.privacy_firewall.engine.model import (
    Answer,
    Appliance,
    Endpoint,
    Purpose,
    Recipient,
    Remainder,
)
from custom_components.privacy_firewall.household import MacTable
from custom_components.privacy_firewall.stored import appliances, recipients
from tests.common import FRIDGE, FROSTLINE, SECRET, Cloud, a_entry, appliance, recipient


def stored(*subentries: ConfigSubentryData) -> MockConfigEntry:
    """An entry that is only read."""
    return a_entry(*subentries, port=8099)


def test_an_appliance_is_read() -> None:
    entry = stored(
        appliance(
            FRIDGE,
            addresses=["192.168.1.5", "FE80:0::1"],
            macs=["AA:bb:cc:00:11:22"],
            token=SECRET,
            base_url="https://cloud.example/v1",
            remainder="deny",
            answer="refuse",
            promoted=["0123456789abcdef"],
        )
    )
    assert appliances(entry) == [
        Appliance(
            id=next(iter(entry.subentries)),
            name=FRIDGE,
            addresses=frozenset({"192.168.1.5", "fe80::1"}),
            macs=frozenset({"aa:bb:cc:00:11:22"}),
            token=SECRET,
            base_url="https://cloud.example/v1",
            remainder=Remainder.DENY,
            answer=Answer.REFUSE,
            promoted=frozenset({"0123456789abcdef"}),
        )
    ]
    assert recipients(entry) == []


def test_a_recipient_is_read() -> None:
    cloud = Cloud()
    entry = stored(
        recipient(
            FROSTLINE,
            cloud,
            endpoints=["POST https://cloud.example/v1"],
            functional=["$.body.serial"],
            neutral=["$.body.mode"],
            allow_private=False,
        )
    )
    assert recipients(entry) == [
        Recipient(
            id=next(iter(entry.subentries)),
            organisation=FROSTLINE,
            purpose=Purpose.SERVICE,
            endpoints=(Endpoint(host="cloud.example", prefix="/v1", method="POST"),),
            benefit="Tells you when the door is open.",
            if_refused="Nothing stops working.",
            functional=frozenset({"$.body.serial"}),
            neutral=frozenset({"$.body.mode"}),
        )
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"name": ""},
        {"name": None},
        {"addresses": "192.168.1.5"},
        {"addresses": [SECRET]},
        {"addresses": [5]},
        {"macs": None},
        {"token": 5},
        {"token": [SECRET]},
        {"base_url": {}},
        {"remainder": "permit"},
        {"answer": SECRET},
        {"promoted": SECRET},
    ],
)
def test_a_broken_appliance_is_left_out(
    caplog: pytest.LogCaptureFixture, broken: dict[str, Any]
) -> None:
    entry = stored(appliance(FRIDGE, **broken), appliance("Oven"))
    assert [one.name for one in appliances(entry)] == ["Oven"]
    assert next(iter(entry.subentries)) in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        {"organisation": None},
        {"purpose": "everything"},
        {"endpoints": f"https://{SECRET}"},
        {"endpoints": [f"ftp://{SECRET}"]},
        {"endpoints": [f"https://user:{SECRET}@cloud.example/"]},
        {"functional": [5]},
        {"neutral": SECRET},
        {"allow_private": "no"},
        {"benefit": 5},
    ],
)
def test_a_broken_recipient_is_left_out(
    caplog: pytest.LogCaptureFixture, broken: dict[str, Any]
) -> None:
    entry = stored(recipient(FROSTLINE, Cloud(), **broken), recipient("Other", Cloud()))
    assert [one.organisation for one in recipients(entry)] == ["Other"]
    assert next(iter(entry.subentries)) in caplog.text
    assert SECRET not in caplog.text


def test_a_broken_recipient_does_not_leave_its_endpoints_to_others() -> None:
    """Both had to be consented; one that cannot be read, after a downgrade, cannot be."""
    shared = ["POST https://one.example/v1", "POST https://two.example/v1"]
    entry = stored(
        recipient(FROSTLINE, Cloud(), purpose="of a later version", endpoints=[*shared[:1], 5]),
        recipient("Other", Cloud(), endpoints=shared),
    )
    assert [[str(each) for each in one.endpoints] for one in recipients(entry)] == [shared[1:]]


def test_an_empty_token_is_none() -> None:
    """Or whoever calls without one would be this appliance."""
    assert appliances(stored(appliance(FRIDGE, token="")))[0].token is None


# --- Addresses and MACs ---


@pytest.fixture
def seen(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> list[DhcpServiceInfo]:
    """What the network watchers found; looked at as often as it is asked."""
    found: list[DhcpServiceInfo] = []
    hass.config.components.add("dhcp")
    monkeypatch.setattr(household, "async_discovered_service_info", lambda _: list(found))
    monkeypatch.setattr(household, "MAC_TABLE_SECONDS", 0.0)
    return found


def at(address: str, mac: str) -> DhcpServiceInfo:
    return DhcpServiceInfo(ip=address, hostname="", macaddress=mac)


async def test_a_mac_is_found_by_address(hass: HomeAssistant, seen: list[DhcpServiceInfo]) -> None:
    table = MacTable(hass)
    assert table("192.168.1.5") is None
    seen.append(at("192.168.1.5", "aabbcc001122"))
    assert table("192.168.1.5") == "aa:bb:cc:00:11:22"


async def test_an_address_is_of_who_had_it_last(
    hass: HomeAssistant, seen: list[DhcpServiceInfo]
) -> None:
    table = MacTable(hass)
    seen += [at("192.168.1.6", "aabbcc000002"), at("192.168.1.5", "aabbcc000001")]
    assert table("192.168.1.5") == "aa:bb:cc:00:00:01"
    # The second takes the first's address; the watchers do not hear that the first has gone.
    seen[0] = at("192.168.1.5", "aabbcc000002")
    assert table("192.168.1.5") == "aa:bb:cc:00:00:02"
    # And it is found there again without news of either.
    assert table("192.168.1.5") == "aa:bb:cc:00:00:02"


async def test_nobody_is_known_without_the_watchers(hass: HomeAssistant) -> None:
    assert MacTable(hass)("192.168.1.5") is None


async def test_the_table_is_not_made_anew_for_every_request(
    hass: HomeAssistant, seen: list[DhcpServiceInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(household, "MAC_TABLE_SECONDS", 30.0)
    table = MacTable(hass)
    table("192.168.1.5")
    seen.append(at("192.168.1.5", "aabbcc000001"))
    assert table("192.168.1.5") is None
