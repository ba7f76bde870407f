"""An appliance that goes around the gates: told as far as it was seen, and no further."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.util import dt as dt_util
import pytest

from custom_components.privacy_firewall import bypass
from custom_components.privacy_firewall.bypass import Around, Way
from custom_components.privacy_firewall.engine import Flow
from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Protection
from tests.common import FRIDGE, Home
from tests.repairs import Client, Repair, issues

CLOUD, RESOLVER = "93.184.216.34", "8.8.8.8"


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> list[Flow]:
    """What the kernel's table has: this machine routes no home."""
    found: list[Flow] = []
    monkeypatch.setattr(bypass, "flows", lambda: found)
    return found


@pytest.fixture
def guarded(home: Home, tracked: list[Flow], monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose DNS gate is open since two days, and stays so whatever the time is."""

    async def unchanged() -> None:
        pass

    monkeypatch.setattr(home.household.dns, "async_update", unchanged)
    home.household.dns.place = ("192.168.1.2", 53)
    home.household.dns.opened_at = dt_util.utcnow() - timedelta(days=2)
    return home


def appliance_id(home: Home) -> str:
    return home.subentry(FRIDGE).subentry_id


def flow(home: Home, to: str, port: int) -> Flow:
    [address] = home.household.firewall.appliances[appliance_id(home)].addresses
    return Flow(protocol="tcp", source=address, destination=to, port=port)


async def look(home: Home) -> Around | None:
    await home.household.bypass.async_look()
    await home.hass.async_block_till_done()
    return home.household.bypass.found.get(appliance_id(home))


def protection(home: Home) -> Protection:
    return home.household.firewall.status(appliance_id(home)).protection


@pytest.mark.parametrize(
    ("to", "port", "way"),
    [
        (RESOLVER, 53, Way.OTHER_RESOLVER),
        (RESOLVER, 853, Way.OTHER_RESOLVER),
        ("192.168.1.1", 53, Way.OTHER_RESOLVER),
        (CLOUD, 443, Way.DIRECT),
        ("192.168.1.2", 53, None),
        ("192.168.1.2", 80, None),
        ("192.168.1.9", 443, None),
    ],
)
async def test_connections_past_the_gates_are_told(
    guarded: Home, tracked: list[Flow], to: str, port: int, way: Way | None
) -> None:
    tracked.append(flow(guarded, to, port))
    assert await look(guarded) == (None if way is None else Around(way=way, where=to))
    is_told = f"appliance_bypassing_{appliance_id(guarded)}" in issues(guarded.hass)
    assert is_told is (way is not None)
    assert (protection(guarded) is Protection.BYPASSING) is (way is not None)


async def test_of_others_nothing_is_told(guarded: Home, tracked: list[Flow]) -> None:
    tracked.append(Flow(protocol="tcp", source="192.168.1.77", destination=CLOUD, port=443))
    assert await look(guarded) is None


async def test_it_goes_away_when_it_is_seen_no_more(guarded: Home, tracked: list[Flow]) -> None:
    tracked.append(flow(guarded, RESOLVER, 53))
    await look(guarded)
    tracked.clear()
    assert await look(guarded) is None
    assert not [one for one in issues(guarded.hass) if "bypassing" in one]
    assert protection(guarded) is not Protection.BYPASSING


async def test_what_the_household_allowed_is_no_way_around(
    guarded: Home, tracked: list[Flow]
) -> None:
    """Where something may go out unread, a connection says nothing; another resolver does."""
    tracked.append(flow(guarded, CLOUD, 443))
    firewall = guarded.household.firewall
    await firewall.consents.let_through(appliance_id(guarded), Decider(how="test"), seconds=600)
    assert await look(guarded) is None
    tracked.append(flow(guarded, RESOLVER, 53))
    assert await look(guarded) == Around(way=Way.OTHER_RESOLVER, where=RESOLVER)


def tracker(home: Home, state: str = "home", **attributes: Any) -> None:
    [address] = home.household.firewall.appliances[appliance_id(home)].addresses
    home.hass.states.async_set("device_tracker.fridge", state, {"ip": address, **attributes})


async def test_one_that_is_at_home_and_silent_for_a_day_is_told(
    guarded: Home, freezer: FrozenDateTimeFactory
) -> None:
    tracker(guarded)
    assert await look(guarded) is None
    freezer.tick(timedelta(hours=25))
    assert await look(guarded) == Around(way=Way.SILENT)
    await guarded.report()
    assert await look(guarded) is None


@pytest.mark.parametrize("state", ["not_home", "unavailable"])
async def test_one_that_is_not_known_to_be_at_home_is_not(
    guarded: Home, freezer: FrozenDateTimeFactory, state: str
) -> None:
    tracker(guarded, state)
    freezer.tick(timedelta(hours=25))
    assert await look(guarded) is None


async def test_without_a_dns_gate_nothing_is_looked_for(home: Home, tracked: list[Flow]) -> None:
    """Then nobody said that it would ask here."""
    tracked.append(flow(home, RESOLVER, 53))
    assert await look(home) is None


async def test_a_gate_that_has_just_opened_misses_nothing(
    guarded: Home, freezer: FrozenDateTimeFactory
) -> None:
    tracker(guarded)
    freezer.tick(timedelta(hours=25))
    guarded.household.dns.opened_at = dt_util.utcnow() - timedelta(hours=1)
    assert await look(guarded) is None


async def test_the_repair_says_what_was_seen(
    client: Client, guarded: Home, tracked: list[Flow]
) -> None:
    tracked.append(flow(guarded, RESOLVER, 53))
    await look(guarded)
    repair = Repair(guarded.hass, client, f"appliance_bypassing_{appliance_id(guarded)}")
    shown = await repair.open()
    assert shown["menu_options"] == ["open_appliance", "leave", "remove"]
    assert shown["description_placeholders"]["seen"] == f"it asks another DNS server, `{RESOLVER}`."
    assert (await repair.choose("leave"))["type"] == "create_entry"


async def test_opaque_consents_are_told_apart(guarded: Home, tracked: list[Flow]) -> None:
    """A consent for something that is read lets nothing go out past the gates."""
    await guarded.report()
    point = guarded.point("Temperature")
    pairs = [(point, one) for one in guarded.household.firewall.data_point(point).recipients]
    await guarded.household.firewall.decide(pairs, ConsentState.GIVEN, Decider(how="test"))
    tracked.append(flow(guarded, CLOUD, 443))
    assert await look(guarded) == Around(way=Way.DIRECT, where=CLOUD)
