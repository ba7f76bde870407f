"""Which addresses lead into the home, whatever form they come in."""

from ipaddress import ip_address

import pytest

from engine.addresses import is_private

AT_HOME = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0",
    "192.0.0.8", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fd00::1", "fe80::1", "ff02::1", "2001:db8::1", "100::1",
]  # fmt: skip
HIDDEN = [
    ("fec0::1", "site-local"),
    ("::192.168.1.1", "compatible"),
    ("::ffff:192.168.1.1", "mapped"),
    ("::ffff:0:192.168.1.1", "translated"),
    ("64:ff9b::c0a8:101", "NAT64"),
    ("64:ff9b:1::808:808", "NAT64 of the network"),
    ("64:ff9b:1:c0a8:1:100:808:808", "NAT64 of the network, with another behind it"),
    ("2002:c0a8:101::1", "6to4"),
    ("2001:0:c0a8:101::3f57:fefe", "Teredo"),
]
OUTSIDE = [
    "1.1.1.1", "93.184.216.34", "192.0.1.1", "198.41.0.4", "172.15.0.1", "172.32.0.1",
    "100.63.0.1", "100.128.0.1", "2606:4700::1111", "2001:4860:4860::8888", "2a00::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", AT_HOME)
def test_what_is_none_of_the_internets_is_private(address: str) -> None:
    assert is_private(ip_address(address).packed)


@pytest.mark.parametrize("address", [one for one, _ in HIDDEN], ids=[how for _, how in HIDDEN])
def test_so_is_what_hides_such_an_address(address: str) -> None:
    """A resolver's answer with one of these would lead a client home like the plain one."""
    assert is_private(ip_address(address).packed)


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_internets_are_not(address: str) -> None:
    assert not is_private(ip_address(address).packed)
