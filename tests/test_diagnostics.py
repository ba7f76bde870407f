"""What is shown to strangers who help holds nothing of the household."""

import json
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.privacy_firewall.diagnostics import async_get_config_entry_diagnostics
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.model import ConsentState, Decider
from tests.common import BRUSH, FRIDGE, REPORT, SECRET, Home, a_entry, appliance

TOLD_OF_APPLIANCES = {
    "has_device",
    "addresses",
    "macs",
    "has_token",
    "has_owner",
    "cloud",
    "remainder",
    "answer",
    "promoted",
}


def secret_entry() -> MockConfigEntry:
    """An entry in which everything that can be private is."""
    return MockConfigEntry(
        domain="privacy_firewall",
        title="private-title",
        data={"host": "192.168.77.1", "port": 8080, "later": "private-later"},
        options={
            "who_may_grant": "administrators",
            "left_denied": ["private-id GET private-host"],
            "no_appliances": ["02:00:00:77:00:02"],
            "dns_gate": {
                "enabled": True,
                "host": "192.168.77.1",
                "port": 53,
                "resolvers": ["192.168.77.9", "192.168.77.8@853#private-dns.example"],
                "refusal": "no_data",
                "infrastructure": ["time"],
                "allowed": ["private-allowed.example"],
                "local_domains": ["private-home"],
                "unknown_clients": "forwarded",
                "refused_networks": ["192.168.77.0/24"],
                "lists": ["private-list.txt"],
                "tell_of_strangers": False,
                "later": "private-later",
            },
            "guardians": True,
            "keep_values": False,
            "journal_days": 7,
            "later": "private-later",
        },
        subentries_data=[
            appliance(
                "private-name",
                device_id="private-device",
                addresses=["192.168.77.2", "192.168.77.3"],
                macs=["02:00:00:77:00:01"],
                token="private-token",
                owner="private-person",
                base_url="https://private-user:private-pw@cloud.vendor.example/private-account",
                promoted=["private-point"],
                later="private-later",
            ),
            ConfigSubentryData(
                data={
                    "organisation": "Frostline",
                    "purpose": "service",
                    "benefit": "private-benefit",
                    "storage": "private-storage",
                    "policy": "https://private-policy.example",
                    "if_refused": "",
                    "endpoints": [
                        "POST https://api.vendor.example/private-account",
                        "* http://192.168.77.4:81/private",
                        "* http://private-nas.local/",
                        "private nonsense",
                    ],
                    "names": ["private-#.vendor.example"],
                    "functional": ["$.body.private"],
                    "neutral": [],
                    "framing": "xor:7072697661746521",
                    "allow_private": True,
                },
                subentry_type="recipient",
                title="private-title",
                unique_id=None,
            ),
        ],
    )


async def test_nothing_private_is_told(hass: HomeAssistant) -> None:
    """While it is not loaded: kinds and counts of what is stated."""
    entry = secret_entry()
    entry.add_to_hass(hass)
    told = await async_get_config_entry_diagnostics(hass, entry)
    written = json.dumps(told)
    for private in (
        "private-",
        "7072697661746521",
        "192.168.77",
        "02:00:00:77",
        "private nonsense",
    ):
        assert private not in written
    assert told["gate"] == {"host": "**REDACTED**", "port": 8080}
    assert told["options"] == {
        "who_may_grant": "administrators",
        "left_denied": 1,
        "no_appliances": 1,
        "guardians": True,
        "keep_values": False,
        "journal_days": 7,
        "journal_megabytes": None,
        "journal_in_backups": None,
    }
    assert told["dns_gate"] == {
        "enabled": True,
        "host": "**REDACTED**",
        "port": 53,
        "refusal": "no_data",
        "infrastructure": ["time"],
        "unknown_clients": "forwarded",
        "tell_of_strangers": False,
        "resolvers": 2,
        "resolvers_by_tls": 1,
        "allowed": 1,
        "local_domains": 1,
        "refused_networks": 1,
        "lists": 1,
    }
    (told_of_appliance,) = told["appliances"].values()
    assert told_of_appliance == {
        "has_device": True,
        "addresses": 2,
        "macs": 1,
        "has_token": True,
        "has_owner": True,
        # With credentials it is none that the flow would have stored.
        "cloud": "unreadable",
        "remainder": "redact",
        "answer": "calm",
        "promoted": 1,
    }
    (told_of_recipient,) = told["recipients"].values()
    assert told_of_recipient == {
        "organisation": "Frostline",
        "purpose": "service",
        "says_benefit": True,
        "says_if_refused": False,
        "says_storage": True,
        "says_retention": False,
        "says_policy": True,
        "endpoints": [
            "POST https://api.vendor.example",
            "* http://**REDACTED**",
            "* http://**REDACTED**",
            "unreadable",
        ],
        "names": 1,
        "functional": 1,
        "neutral": 0,
        "says_framing": True,
        "allow_private": True,
    }


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "loopback"), ("::1", "loopback"), ("private", "**REDACTED**")],
)
async def test_gate_on_loopback_is_told(hass: HomeAssistant, host: str, shown: str) -> None:
    entry = a_entry(appliance(FRIDGE, base_url="https://cloud.vendor.example/account"), port=80)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={"host": host, "port": 80})
    told = await async_get_config_entry_diagnostics(hass, entry)
    assert told["gate"] == {"host": shown, "port": 80}
    (told_of_appliance,) = told["appliances"].values()
    assert told_of_appliance["cloud"] == "https://cloud.vendor.example"
    assert told["options"]["who_may_grant"] == "everyone"


async def test_what_was_observed_is_told(home: Home) -> None:
    """Counts and reasons, and nothing of what was reported."""
    await home.report(REPORT | {"letters": SECRET})
    pair = home.point("Temperature"), home.subentry("Frostline").subentry_id
    await home.household.firewall.decide([pair], ConsentState.GIVEN, Decider(how="test"))
    await home.report(REPORT | {"letters": SECRET})
    told = await async_get_config_entry_diagnostics(home.hass, home.entry)
    written = json.dumps(told)
    assert SECRET not in written
    for private in ("letters", "temperature", FRIDGE, "127.0.0", "/fridge"):
        assert private not in written
    assert told["gate"] == {
        "host": "loopback",
        "port": home.entry.data["port"],
        "is_open": True,
    }
    fridge: dict[str, Any] = told["appliances"][home.subentry(FRIDGE).subentry_id]
    assert fridge["protection"] == "protected"
    assert (fridge["permitted"], fridge["redacted"], fridge["denied"]) == (0, 1, 1)
    assert fridge["last_seen"] == fridge["last_disclosure"] > 0
    assert fridge["consents_in_force"] == 1
    points = home.household.firewall.data_points(home.subentry(FRIDGE).subentry_id)
    assert sum(fridge["data_points"].values()) == len(points) > 5
    assert fridge["with_entities"] > 0
    brush = told["appliances"][home.subentry(BRUSH).subentry_id]
    assert (brush["protection"], brush["last_seen"], brush["data_points"]) == ("not_seen", None, {})
    assert fridge["let_through_until"] is None
    assert told["consents"] == {
        "states": {"given": 1},
        "in_force": {"exact": 1},
        "timed": 0,
        "outdated": 0,
        "personal": 0,
        "locked_down": False,
        "restored": 0,
    }
    assert told["storage"] == {"works": True, "ledger": {"records": 1, "first_broken": None}}
    assert told["issues"] == []
    assert told["journal"] == {
        "deny: nothing_consented": 1,
        "redact: some_withheld": 1,
    }


CANARY = "quetzal"
"""Stands in everything that a household, an appliance or a vendor could write."""


async def test_no_canary_comes_out(home: Home) -> None:
    """With something of everything that is told: questions, notices, issues, measures, failures."""
    await home.change(
        FRIDGE,
        name=f"{CANARY} fridge",
        token=f"{CANARY}-token",
        base_url=f"http://{CANARY}.local/{CANARY}",
        owner=f"{CANARY}-person",
    )
    await home.change(
        "Adlens",
        benefit=f"{CANARY} benefit",
        if_refused=f"{CANARY} refused",
        functional=[f"$.body.{CANARY}"],
    )
    payload = REPORT | {f"{CANARY}_name": f"{CANARY}-value", "serial": f"{CANARY}12345678"}
    url = f"/{CANARY}/{CANARY}-token"
    await home.report(payload, path=url)
    await home.report(payload, by=BRUSH, to="Adlens", path=f"/{CANARY}?{CANARY}={CANARY}")
    firewall = home.household.firewall
    for point in firewall.data_points(home.subentry(BRUSH).subentry_id)[:3]:
        pairs = [(point.id, one) for one in point.recipients]
        decider = Decider(how="switch", person=f"{CANARY}-user", context=f"{CANARY}-context")
        await firewall.decide(pairs, ConsentState.GIVEN, decider, seconds=600)
    await firewall.consents.let_through(
        home.subentry(BRUSH).subentry_id, Decider(how="test"), seconds=60
    )
    await home.report(payload, by=BRUSH, to="Adlens")
    await home.household._async_ask()
    await home.hass.async_block_till_done(wait_background_tasks=True)
    told = await async_get_config_entry_diagnostics(home.hass, home.entry)
    assert CANARY not in json.dumps(told).lower()
    assert {one.partition("_")[0] for one in told["issues"]} >= {"questions", "notice"}
    assert told["consents"]["timed"] == 3
    brush = told["appliances"][home.subentry(BRUSH).subentry_id]
    assert brush["protection"] == "monitored"
    assert brush["let_through_until"] > 0
    assert told["journal"]["permit: let_through"] == 1


async def test_ledger_that_cannot_be_read_is_told(home: Home) -> None:
    consents = home.household.firewall.consents
    with patch.object(consents, "verify", side_effect=StorageError("disk")):
        told = await async_get_config_entry_diagnostics(home.hass, home.entry)
    assert told["storage"] == {"works": True, "ledger": "unreadable"}


async def test_journal_that_cannot_be_read_is_told(home: Home) -> None:
    with patch.object(home.household.firewall, "newest_entries", side_effect=StorageError("disk")):
        told = await async_get_config_entry_diagnostics(home.hass, home.entry)
    assert told["journal"] == "unreadable"
    assert told["appliances"][home.subentry(FRIDGE).subentry_id].keys() > TOLD_OF_APPLIANCES
