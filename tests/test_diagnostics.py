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
from tests.common import BRUSH, FRIDGE, REPORT, SECRET, Home, a_entry, appliance

TOLD_OF_APPLIANCES = {
    "has_device",
    "addresses",
    "macs",
    "has_token",
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
        options={"who_may_grant": "administrators", "left_denied": ["private-id GET private-host"]},
        subentries_data=[
            appliance(
                "private-name",
                device_id="private-device",
                addresses=["192.168.77.2", "192.168.77.3"],
                macs=["02:00:00:77:00:01"],
                token="private-token",
                base_url="https://private-user:private-pw@cloud.vendor.example/private-account",
                promoted=["private-point"],
                later="private-later",
            ),
            ConfigSubentryData(
                data={
                    "organisation": "Frostline",
                    "purpose": "service",
                    "benefit": "private-benefit",
                    "if_refused": "",
                    "endpoints": [
                        "POST https://api.vendor.example/private-account",
                        "* http://192.168.77.4:81/private",
                        "* http://private-nas.local/",
                        "private nonsense",
                    ],
                    "functional": ["$.body.private"],
                    "neutral": [],
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
    for private in ("private-", "192.168.77", "02:00:00:77", "private nonsense"):
        assert private not in written
    assert told["gate"] == {"host": "**REDACTED**", "port": 8080}
    assert told["options"] == {"who_may_grant": "administrators", "left_denied": 1}
    (told_of_appliance,) = told["appliances"].values()
    assert told_of_appliance == {
        "has_device": True,
        "addresses": 2,
        "macs": 1,
        "has_token": True,
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
        "endpoints": [
            "POST https://api.vendor.example",
            "* http://**REDACTED**",
            "* http://**REDACTED**",
            "unreadable",
        ],
        "functional": 1,
        "neutral": 0,
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
    recipient = home.subentry("Frostline").subentry_id
    await home.household.async_grant(home.point("Temperature"), recipient, how="test", person=None)
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
    assert told["journal"] == {
        "deny: nothing_consented": 1,
        "redact: some_withheld": 1,
    }


async def test_journal_that_cannot_be_read_is_told(home: Home) -> None:
    with patch.object(home.household.firewall, "newest_entries", side_effect=StorageError("disk")):
        told = await async_get_config_entry_diagnostics(home.hass, home.entry)
    assert told["journal"] == "unreadable"
    assert told["appliances"][home.subentry(FRIDGE).subentry_id].keys() > TOLD_OF_APPLIANCES
