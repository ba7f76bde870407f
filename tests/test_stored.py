"""Stored data as the engine's values; what is broken is left out, which means denied."""

from typing import Any

from homeassistant.config_entries import ConfigSubentryData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.privacy_firewall.engine.model import (
    Answer,
    Appliance,
    Endpoint,
    Purpose,
    Recipient,
    Remainder,
)
from custom_components.privacy_firewall.stored import Keeping, appliances, keeping, recipients
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
            owner="fedcba9876543210fedcba9876543210",
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
            owner="fedcba9876543210fedcba9876543210",
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
            framing="xor:5A,crc32:le",
            names=["{eu|us}-mqtt.cloud.example", "ntp.cloud.example"],
            allow_private=False,
            storage="Iceland",
            policy="https://cloud.example/privacy",
        )
    )
    assert recipients(entry) == [
        Recipient(
            id=next(iter(entry.subentries)),
            organisation=FROSTLINE,
            purpose=Purpose.SERVICE,
            endpoints=(
                Endpoint(
                    host="cloud.example", prefix="/v1", method="POST", framing="xor:5a,crc32:le"
                ),
            ),
            benefit="Tells you when the door is open.",
            if_refused="Nothing stops working.",
            functional=frozenset({"$.body.serial"}),
            neutral=frozenset({"$.body.mode"}),
            names=frozenset({f"{one}.cloud.example" for one in ("eu-mqtt", "us-mqtt", "ntp")}),
            storage="Iceland",
            policy="https://cloud.example/privacy",
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
        # Not the household's instead: then anybody might open it.
        {"owner": [SECRET]},
        {"owner": 5},
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
        {"names": f"{SECRET}.example"},
        {"names": [f"https://{SECRET}"]},
        {"names": ["{"]},
        {"functional": [5]},
        {"neutral": SECRET},
        {"framing": [SECRET]},
        {"framing": f"xor:{SECRET}"},
        {"framing": "xor:5a,"},
        {"allow_private": "no"},
        {"benefit": 5},
        {"storage": 5},
        {"retention": []},
        {"policy": {}},
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


def test_a_broken_recipient_does_not_leave_its_names_to_others() -> None:
    """Nor may a name be opened by one whose endpoint is that of a broken one, or the reverse."""
    entry = stored(
        recipient(
            FROSTLINE,
            Cloud(),
            purpose="of a later version",
            endpoints=["https://read.example/"],
            names=["mqtt#.one.example", "{"],
        ),
        recipient(
            "Other",
            Cloud(),
            endpoints=["https://mqtt1.one.example/", "https://two.example/"],
            names=["mqtt{7|77}.one.example", "read.example"],
        ),
    )
    (other,) = recipients(entry)
    assert [str(each) for each in other.endpoints] == ["* https://two.example/"]
    assert other.names == {"mqtt77.one.example"}


def test_an_empty_token_is_none() -> None:
    """Or whoever calls without one would be this appliance."""
    assert appliances(stored(appliance(FRIDGE, token="")))[0].token is None


# --- What the journal keeps ---

DAY = 24 * 3600.0
AS_USUAL = Keeping(max_age=30 * DAY, max_bytes=100_000_000, values=False)


def test_what_is_kept_is_read() -> None:
    entry = a_entry(keep_values=True, journal_days=7, journal_megabytes=20, port=8099)
    assert keeping(entry) == Keeping(max_age=7 * DAY, max_bytes=20_000_000, values=True)


def test_without_a_word_names_and_times_are_kept_for_a_month() -> None:
    assert keeping(a_entry(port=8099)) == AS_USUAL


@pytest.mark.parametrize("broken", [None, "7", 0, -1, True, float("nan"), float("inf"), [7]])
def test_what_is_kept_and_cannot_be_read_is_as_usual(broken: Any) -> None:
    """Values above all are kept by a clear yes only."""
    options = {"keep_values": broken if broken is not True else "on"}
    options |= {"journal_days": broken, "journal_megabytes": broken}
    assert keeping(a_entry(port=8099, **options)) == AS_USUAL
