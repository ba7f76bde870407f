"""Who asks: an appliance known by its MAC wherever it asks from, and everybody else as before."""

from pathlib import Path

from name_house import FRIDGE, OPAQUE, PHONE, READABLE, NameHouse as House
import pytest

from engine import strangers
from engine.events import StrangerSeen
from engine.model import Appliance, Outcome, Reason
from engine.naming import Resolver as Stated
from engine.neighbours import Neighbours

MAC, OTHER_MAC = "02:00:00:00:00:02", "02:00:00:00:00:09"
HERE = "127.0.0.1"
HEAD = "IP address       HW type     Flags       HW address            Mask     Device\n"


@pytest.fixture
def house(name_house: House) -> House:
    """One in which the fridge is known by its MAC alone, and nobody's is known."""
    name_house.state(Appliance(id="fridge", name="Fridge", macs=frozenset({MAC})))
    return name_house


async def test_whoever_has_just_come_is_recognised_at_once(house: House, tmp_path: Path) -> None:
    """The kernel's table was read a moment ago, when it was not in it yet."""
    table = tmp_path / "arp"
    table.write_text(f"{HEAD}{PHONE} 0x1 0x2 {OTHER_MAC} * eth0\n")
    house.resolve_mac = Neighbours(table).mac
    assert await house.ask("shop.example", address=PHONE) == ["93.184.216.3"]
    table.write_text(f"{HEAD}{FRIDGE} 0x1 0x2 {MAC} * eth0\n")
    house.resolver.seen.clear()
    assert await house.ask("serial-4711.vendor.example") == "NXDOMAIN"
    assert house.resolver.seen == []
    [(_, outcome, reason)] = await house.journal()
    assert (outcome, reason) == (Outcome.DENY, Reason.UNCLAIMED_NAME)


async def test_whose_mac_is_not_known_is_refused_and_is_nobody(house: House) -> None:
    assert await house.ask("serial-4711.vendor.example") == "SERVFAIL"
    assert house.resolver.seen == []
    assert await house.journal() == []
    assert house.firewall.names.status().appliances == {}
    assert house.firewall.names.status().strangers == ()
    # Not even what each of them may have: it could be put on record for nobody.
    house.configure(allowed=frozenset({"shop.example"}))
    assert await house.ask("shop.example") == "SERVFAIL"
    # What leads to the gate does no harm, and is not told of anybody.
    assert await house.ask(READABLE) == ["127.0.0.77"]
    status = house.firewall.names.status()
    assert (status.appliances, status.contacts) == ({}, {})


async def test_as_soon_as_its_mac_is_known_it_is_served(house: House) -> None:
    assert await house.ask("shop.example", address=PHONE) == "SERVFAIL"
    house.resolve_mac = {PHONE: OTHER_MAC}.get
    assert await house.ask("nobody.example", address=PHONE) == "NXDOMAIN"
    assert house.resolver.asked() == [("nobody.example", "A")]
    assert [one.mac for one in house.told(StrangerSeen)] == [OTHER_MAC]


async def test_this_machine_itself_is_no_appliance_whatever_is_known_of_macs(house: House) -> None:
    """It has none of its own in its table; Home Assistant itself may ask here."""
    assert await house.ask("shop.example", address=HERE) == ["93.184.216.3"]
    [stranger] = house.firewall.names.status().strangers
    assert (stranger.address, stranger.mac) == (HERE, None)
    # Unless it is one by its address.
    house.state(Appliance(id="here", name="Here", addresses=frozenset({HERE})))
    assert await house.ask("shop.example", address=HERE) == "NXDOMAIN"


async def test_a_mac_that_comes_and_goes_is_the_same_stranger(name_house: House) -> None:
    for turn in range(6):
        name_house.resolve_mac = {PHONE: OTHER_MAC}.get if turn % 2 else lambda _: None
        assert await name_house.ask("shop.example", address=PHONE) == ["93.184.216.3"]
    [stranger] = name_house.firewall.names.status().strangers
    assert (stranger.mac, stranger.asked) == (OTHER_MAC, 6)
    assert [one.mac for one in name_house.told(StrangerSeen)] == [None, OTHER_MAC]
    # Another MAC is another.
    name_house.resolve_mac = {PHONE: MAC}.get
    await name_house.ask("shop.example", address=PHONE)
    [stranger] = name_house.firewall.names.status().strangers
    assert (stranger.mac, stranger.asked) == (MAC, 1)


async def test_strangers_that_are_forgotten_are_not_told_of_each_time(
    name_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "MAX_STRANGERS", 2)
    phones = [f"127.0.0.{one}" for one in range(10, 13)]
    for _ in range(3):
        for phone in phones:
            await name_house.ask("shop.example", address=phone)
    assert len(name_house.firewall.names.status().strangers) == 2
    assert [one.address for one in name_house.told(StrangerSeen)] == phones


async def test_no_more_strangers_are_told_of_than_anybody_reads(
    name_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(strangers, "monotonic", lambda: now[0])
    monkeypatch.setattr(strangers, "MAX_TOLD", 2)
    for one in range(10, 15):
        await name_house.ask("shop.example", address=f"127.0.0.{one}")
    assert len(name_house.told(StrangerSeen)) == 2
    assert len(name_house.firewall.names.status().strangers) == 5
    now[0] += strangers.TOLD_SECONDS + 1.0
    await name_house.ask("shop.example", address="127.0.0.15")
    assert len(name_house.told(StrangerSeen)) == 3


@pytest.mark.parametrize("spelled", ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
async def test_a_gate_does_not_ask_itself_however_its_address_is_spelled(
    house: House, spelled: str
) -> None:
    resolver = Stated.parse(f"{spelled}@{house.port}")
    with pytest.raises(ValueError, match="the gate itself"):
        await house.firewall.names.open("127.0.0.1", house.port, [resolver])


async def test_an_appliance_known_by_mac_has_its_consent_wherever_it_asks_from(
    house: House,
) -> None:
    house.resolve_mac = {FRIDGE: MAC, "127.0.0.22": MAC, PHONE: OTHER_MAC}.get
    assert await house.ask(OPAQUE) == "NXDOMAIN"
    await house.consent()
    assert await house.ask(OPAQUE, address="127.0.0.22") == ["93.184.216.2"]
    assert await house.ask("shop.example", address="127.0.0.22") == "NXDOMAIN"
