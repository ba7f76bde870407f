"""Connections as the kernel's table has them."""

from pathlib import Path

import pytest

from engine import conntrack
from engine.conntrack import Flow, flows

TABLE = """\
ipv4     2 tcp      6 431994 ESTABLISHED src=192.168.1.7 dst=93.184.216.34 sport=51724 dport=443 \
src=93.184.216.34 dst=203.0.113.5 sport=443 dport=51724 [ASSURED] mark=0 zone=0 use=2
ipv4     2 udp      17 29 src=192.168.1.7 dst=8.8.8.8 sport=40001 dport=53 [UNREPLIED] \
src=8.8.8.8 dst=203.0.113.5 sport=53 dport=40001 mark=0 zone=0 use=2
ipv6     10 tcp      6 100 SYN_SENT src=fd00::7 dst=2606:4700::1 sport=1 dport=853 \
src=2606:4700::1 dst=fd00::7 sport=853 dport=1 mark=0 use=2
ipv4     2 icmp     1 29 src=192.168.1.7 dst=1.1.1.1 type=8 code=0 id=1 \
src=1.1.1.1 dst=192.168.1.7 type=0 code=0 id=1 mark=0 use=2
not a line of it
"""


def test_who_opened_what(tmp_path: Path) -> None:
    table = tmp_path / "nf_conntrack"
    table.write_text(TABLE)
    assert flows(table) == [
        Flow(protocol="tcp", source="192.168.1.7", destination="93.184.216.34", port=443),
        Flow(protocol="udp", source="192.168.1.7", destination="8.8.8.8", port=53),
        Flow(protocol="tcp", source="fd00::7", destination="2606:4700::1", port=853),
    ]


def test_where_there_is_no_table_nothing_is_known(tmp_path: Path) -> None:
    assert flows(tmp_path / "nf_conntrack") is None
    assert flows(tmp_path) is None


def test_a_table_without_end_is_read_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conntrack, "MAX_LINES", 1)
    table = tmp_path / "nf_conntrack"
    table.write_bytes(TABLE.encode() + b"\xff\xfe")
    found = flows(table)
    assert found is not None
    assert len(found) == 1
