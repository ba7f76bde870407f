"""The household at run time: addresses as MACs, and what the entry's options bring about."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
import time
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.privacy_firewall import household
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.journal import Entry, Journal
from custom_components.privacy_firewall.engine.model import Outcome, Reason
from custom_components.privacy_firewall.household import ASK_AGAIN, MacTable
from tests.common import FRIDGE, FROSTLINE, SECRET, Home

DAY = 24 * 3600.0

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


@pytest.fixture(autouse=True)
def behind_a_router(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Addresses of which no MAC can be known; the kernel is not asked here."""
    behind: set[str] = set()
    monkeypatch.setattr(household.Routes, "has_no_mac", lambda _, address: address in behind)
    return behind


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


async def test_of_whom_no_mac_can_be_known_none_is_awaited(
    hass: HomeAssistant, seen: list[DhcpServiceInfo], behind_a_router: set[str]
) -> None:
    behind_a_router.add("10.8.0.2")
    table = MacTable(hass)
    assert table("10.8.0.2") == ""
    assert table("10.8.0.3") is None
    # Watchers may see what the kernel does not.
    seen.append(at("10.8.0.2", "aabbcc000001"))
    assert table("10.8.0.2") == "aa:bb:cc:00:00:01"


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


# --- What the journal keeps ---


def options(home: Home, **changed: object) -> None:
    home.hass.config_entries.async_update_entry(
        home.entry, options={**home.entry.options, **changed}
    )


async def kept(home: Home) -> list[tuple[str, str]]:
    """The values that stand in the journal."""
    await home.hass.async_block_till_done()
    return [one for entry in await home.household.firewall.newest_entries() for one in entry.values]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the engine does by itself."""
    async with asyncio.timeout(5):
        while not await holds():  # noqa: ASYNC110 - what is waited for does not tell
            await asyncio.sleep(0.02)


async def test_values_that_left_are_kept_only_where_the_household_says_so(home: Home) -> None:
    await home.report({"program": SECRET, "temperature": 4.5})
    await home.turn("turn_on", home.switch("Program"))
    await home.report({"program": SECRET, "temperature": 4.5})
    assert await kept(home) == []

    options(home, keep_values=True)
    await home.hass.async_block_till_done()
    await home.report({"program": SECRET, "temperature": 4.5})
    # Never what was held back.
    assert await kept(home) == [(home.point("Program"), SECRET)]


async def test_values_kept_are_deleted_when_the_household_wants_them_no_more(home: Home) -> None:
    options(home, keep_values=True)
    await home.hass.async_block_till_done()
    await home.report({"program": SECRET})
    await home.turn("turn_on", home.switch("Program"))
    await home.report({"program": SECRET})
    assert await kept(home)
    folder = Path(home.hass.config.config_dir)

    def stands() -> bool:
        return any(SECRET.encode() in one.read_bytes() for one in folder.glob("*_journal*"))

    assert stands()
    options(home, keep_values=False)

    async def is_gone() -> bool:
        return not await kept(home) and not stands()

    await until(is_gone)
    # The entries themselves stay.
    assert len(await home.household.firewall.newest_entries()) == 2


def old_entry(home: Home, days: float) -> Entry:
    return Entry(
        at=time.time() - days * DAY,
        gate="http",
        appliance_id=home.subentry(FRIDGE).subentry_id,
        recipient_ids=(),
        template="POST old.example/",
        outcome=Outcome.DENY,
        reason=Reason.UNCLAIMED_ENDPOINT,
    )


async def ages(home: Home) -> list[int]:
    entries = await home.household.firewall.newest_entries()
    return [round((time.time() - one.at) / DAY) for one in entries]


async def test_the_journal_reaches_back_as_far_as_is_stated(home: Home) -> None:
    for days in (3, 8):
        await home.household.firewall.journal.append(old_entry(home, days))
    options(home, journal_days=7)

    async def is_cut() -> bool:
        return await ages(home) == [3]

    await until(is_cut)


async def test_a_restart_does_not_cut_what_is_to_reach_back_further(home: Home) -> None:
    options(home, journal_days=90)
    await home.hass.async_block_till_done()
    await home.household.firewall.journal.append(old_entry(home, 60))
    with patch.object(Journal, "purge", autospec=True, side_effect=Journal.purge) as purged:
        await home.reload()
        await until(lambda: asyncio.sleep(0, purged.called))
        assert [call.kwargs["max_age"] for call in purged.call_args_list] == [90 * DAY]
    assert await ages(home) == [60]


async def test_the_journal_takes_as_much_space_as_is_stated(home: Home) -> None:
    with patch.object(Journal, "purge", autospec=True, side_effect=Journal.purge) as purged:
        options(home, journal_megabytes=20)
        await home.hass.async_block_till_done()
        await until(lambda: asyncio.sleep(0, purged.called))
    assert purged.call_args.kwargs == {"max_age": 30 * DAY, "max_bytes": 20_000_000}


# --- Asking ---


async def test_what_is_open_is_asked_once_a_day(home: Home) -> None:
    """And silence changes nothing."""
    asked = async_capture_events(home.hass, "privacy_firewall_request")
    await home.report()
    assert not asked
    later = dt_util.utcnow() + ASK_AGAIN + timedelta(seconds=1)
    async_fire_time_changed(home.hass, later)
    await until(lambda: asyncio.sleep(0, bool(asked)))
    assert [one.data["recipient"] for one in asked] == [FROSTLINE]
    assert "Temperature" in asked[0].data["data_points"]
    async_fire_time_changed(home.hass, later + ASK_AGAIN)
    await home.hass.async_block_till_done()
    assert len(asked) == 1
    assert not home.is_on(home.switch("Temperature"))
    await home.report()
    assert home.cloud.received == []


async def test_a_question_that_cannot_be_recorded_waits(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    await home.report()
    with patch.object(home.household.firewall.consents, "ask", side_effect=StorageError("full")):
        async_fire_time_changed(home.hass, dt_util.utcnow() + ASK_AGAIN + timedelta(seconds=1))
        await home.hass.async_block_till_done()
    assert "asked again later" in caplog.text
