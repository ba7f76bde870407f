"""Which MAC is behind an address, as the kernel's table has it."""

from ipaddress import ip_address
from pathlib import Path
import struct

import pytest

from engine import neighbours
from engine.neighbours import KEPT_SECONDS, MAX_READINGS, Neighbours, read_neighbours

TABLE = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.7      0x1         0x2         02:AB:00:00:00:07     *        eth0
192.168.1.8      0x1         0x0         02:ab:00:00:00:08     *        eth0
192.168.1.9      0x1         0x2         00:00:00:00:00:00     *        eth0
192.168.1.10     0x1         what        02:ab:00:00:00:0a     *        eth0
cut short
"""


def test_complete_entries_tell(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(TABLE)
    known = Neighbours(table)
    assert known.mac("192.168.1.7") == "02:ab:00:00:00:07"
    for address in ("192.168.1.8", "192.168.1.9", "192.168.1.10", "cut", "192.168.1.99"):
        assert known.mac(address) is None


def test_it_is_read_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(neighbours, "monotonic", lambda: now[0])
    table = tmp_path / "arp"
    known = Neighbours(table)
    assert known.mac("192.168.1.7") is None
    table.write_text(TABLE)
    assert known.mac("192.168.1.7") is None
    # Whoever has just come is looked for sooner than who is known changes.
    now[0] += 0.5
    assert known.mac("192.168.1.7") == "02:ab:00:00:00:07"
    table.write_text(TABLE.replace("02:AB:00:00:00:07", "02:ab:00:00:00:77"))
    now[0] += 4.9
    assert known.mac("192.168.1.7") == "02:ab:00:00:00:07"
    now[0] += 0.2
    assert known.mac("192.168.1.7") == "02:ab:00:00:00:77"


def test_a_table_that_is_no_text_tells_nothing(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_bytes(b"\xff\xfe")
    assert Neighbours(table).mac("192.168.1.7") is None


MAC = "02:ab:00:00:00:07"


def test_each_family_has_a_table_of_its_own(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(TABLE.replace("192.168.1.8 ", "fd00::8     ").replace("0x0", "0x2"))
    known = Neighbours(table, lambda: {"fd00::7": MAC, "192.168.1.10": MAC})
    assert known.mac("fd00::7") == MAC
    assert known.mac("192.168.1.7") == "02:ab:00:00:00:07"
    assert known.mac("fd00::8") is None
    assert known.mac("192.168.1.10") is None


def test_the_addresses_of_a_mac_are_those_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(neighbours, "monotonic", lambda: now[0])
    table = tmp_path / "arp"
    table.write_text(TABLE)
    known = Neighbours(table)
    assert known.addresses("02:ab:00:00:00:07") == ["192.168.1.7"]
    assert known.addresses("02:ab:00:00:00:99") == []
    table.write_text(TABLE.replace("192.168.1.7 ", "192.168.1.6 "))
    now[0] += KEPT_SECONDS
    assert known.addresses("02:ab:00:00:00:07") == ["192.168.1.6"]


def counting(macs: dict[str, str]) -> tuple[Neighbours, list[str]]:
    """A table of IPv6 neighbours, and a list that has one item for each reading."""
    readings: list[str] = []

    def read() -> dict[str, str]:
        readings.append("read")
        return macs.copy()

    return Neighbours(Path("/nowhere"), read), readings


def test_whoever_asks_from_many_addresses_has_it_read_so_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An address costs nothing over IPv6: each is looked for at once, but not without end."""
    now = [100.0]
    monkeypatch.setattr(neighbours, "monotonic", lambda: now[0])
    known, readings = counting({"fd00::7": MAC})
    for one in range(MAX_READINGS + 20):
        assert known.mac(f"fd00::1:{one:x}") is None
    # The first is of a table that is old, and in any case.
    assert len(readings) == MAX_READINGS + 1
    # Who was read along with them is known, and afterwards it goes on.
    assert known.mac("fd00::7") == MAC
    now[0] += KEPT_SECONDS
    assert known.mac("fd00::2:1") is None
    assert len(readings) == MAX_READINGS + 2


def test_no_more_is_remembered_of_whom_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "monotonic", lambda: 100.0)
    monkeypatch.setattr(neighbours, "MAX_MISSED", 2)
    known, readings = counting({})
    for address in ("fd00::a", "fd00::b", "fd00::a", "fd00::b"):
        assert known.mac(address) is None
    assert len(readings) == 2
    # A third makes room for itself: who was forgotten is looked for again.
    for address in ("fd00::c", "fd00::c", "fd00::a"):
        assert known.mac(address) is None
    assert len(readings) == 4


# --- As the kernel tells it ---

NEW, DONE, ERROR = 28, 3, 2
DESTINATION, LINK_ADDRESS = 1, 2
REACHABLE, STALE, PERMANENT = 0x02, 0x04, 0x80


def attribute(kind: int, data: bytes) -> bytes:
    """One of struct rtattr, not yet padded to four bytes."""
    return struct.pack("=HH", 4 + len(data), kind) + data


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def message(body: bytes, kind: int = NEW) -> bytes:
    return padded(struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body)


def neighbour(
    address: str = "fe80::7", mac: str | None = MAC, *, state: int = REACHABLE, before: bytes = b""
) -> bytes:
    """A message about one neighbour; its last attribute is not padded, as the kernel has it."""
    body = struct.pack("=BxxxiHBB", 10, 2, state, 0, 1) + padded(before)
    body += attribute(DESTINATION, ip_address(address).packed)
    if mac is not None:
        body += attribute(LINK_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    return message(body)


def read(data: bytes) -> tuple[dict[str, str], bool]:
    """What is found, and whether more will follow."""
    macs: dict[str, str] = {}
    return macs, read_neighbours(data, macs)


def test_several_messages_come_at_once() -> None:
    other = "02:ab:00:00:00:08"
    told = neighbour() + neighbour("2606:4700::8", other, state=STALE)
    assert read(told) == ({"fe80::7": MAC, "2606:4700::8": other}, True)
    assert read(told + message(bytes(4), DONE)) == ({"fe80::7": MAC, "2606:4700::8": other}, False)
    assert read(message(bytes(4), DONE) + neighbour()) == ({}, False)
    assert read(b"") == ({}, True)
    # What it says of something else is no neighbour.
    assert read(message(neighbour()[16:], 24) + neighbour("fe80::9")) == ({"fe80::9": MAC}, True)


@pytest.mark.parametrize("length", range(9))
def test_whatever_length_an_attribute_has_the_next_begins_after_it(length: int) -> None:
    before = attribute(3, b"\xff" * length)
    told = neighbour(before=before) + neighbour("fe80::8", state=PERMANENT, before=before)
    assert read(told) == ({"fe80::7": MAC, "fe80::8": MAC}, True)


@pytest.mark.parametrize("state", [0x00, 0x01, 0x20, 0x40])
def test_a_neighbour_that_did_not_answer_has_no_mac(state: int) -> None:
    """NUD_NONE, NUD_INCOMPLETE, NUD_FAILED and NUD_NOARP: the MAC is none, or an old one."""
    assert read(neighbour(state=state) + neighbour("fe80::8")) == ({"fe80::8": MAC}, True)


@pytest.mark.parametrize(
    "mac", [None, "00:00:00:00:00:00", "02:ab:00:00:00", "02:ab:00:00:00:07:00:08"]
)
def test_what_is_no_mac_is_none(mac: str | None) -> None:
    assert read(neighbour(mac=mac)) == ({}, True)


def test_an_address_of_another_kind_is_none_of_ipv6() -> None:
    assert read(neighbour("192.168.1.7")) == ({}, True)


def test_a_message_that_is_cut_short_is_an_error() -> None:
    whole = neighbour()
    for cut in range(1, len(whole) - 2):
        with pytest.raises((ValueError, struct.error)):
            read(whole[:cut])
    with pytest.raises((ValueError, struct.error)):
        read(neighbour() + b"\0" * 8)
    # Nor is there room for a neighbour in it, or for the beginning of what it says.
    with pytest.raises((ValueError, struct.error)):
        read(message(b""))


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_message_shorter_than_its_head_is_an_error(length: int) -> None:
    """It would be read over and over."""
    data = bytearray(neighbour())
    data[:4] = struct.pack("=I", length)
    with pytest.raises(ValueError, match="not a list of neighbours"):
        read(bytes(data))


def test_what_the_kernel_refuses_is_an_error() -> None:
    refused = message(struct.pack("=i", -1) + bytes(16), ERROR)
    with pytest.raises(ValueError, match="not a list of neighbours"):
        read(neighbour() + refused)


@pytest.mark.parametrize("length", range(4))
def test_an_attribute_shorter_than_its_head_is_an_error(length: int) -> None:
    before = struct.pack("=HH", length, 3)
    with pytest.raises(ValueError, match="shorter than its head"):
        read(neighbour(before=before))


def test_an_attribute_that_is_cut_short_does_not_reach_into_the_next_message() -> None:
    body = struct.pack("=BxxxiHBB", 10, 2, REACHABLE, 0, 1)
    body += attribute(DESTINATION, ip_address("fe80::7").packed)
    cut = message(body + struct.pack("=HH", 10, LINK_ADDRESS))
    assert read(cut + neighbour("fe80::8")) == ({"fe80::8": MAC}, True)


def test_a_kernel_that_tells_nothing_leaves_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise ValueError("not a list of neighbours")

    monkeypatch.setattr(neighbours, "read_neighbours", refuse)
    assert neighbours.read_over_ipv6() == {}
    monkeypatch.delattr("socket.AF_NETLINK")
    assert neighbours.read_over_ipv6() == {}
