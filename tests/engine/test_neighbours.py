"""Which MAC is behind an address, as the kernel's table has it."""

from pathlib import Path

import pytest

from engine import neighbours
from engine.neighbours import Neighbours

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
