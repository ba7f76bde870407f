"""Which addresses are called: none of the home's own unless allowed, our own ports never."""

from contextlib import closing
from ipaddress import ip_address
import socket

import pytest

from engine.addresses import innermost, is_own, may_call
from engine.model import Endpoint, Reason
import wire
from wire import House, Resolver, frost

HERE = frozenset({8123})


def own_address() -> str | None:
    """An address of this machine on its network, if it has one."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        found: str = probe.getsockname()[0]
        return None if found.startswith("127.") else found


PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
AT_HOME = [
    "10.1.2.3", "172.16.0.9", "192.168.1.20", "127.0.0.1", "127.9.9.9", "::1", "fd12::1",
    "100.64.0.1", "100.127.255.254", "::ffff:192.168.1.20", "::ffff:7f00:1", "64:ff9b::10.1.2.3",
    "64:ff9b::127.0.0.1", "64:ff9b:1::10.1.2.3", "2002:c0a8:0114::1", "2002:7f00:1::",
    "64:ff9b:1:7f00:0:100:808:808", "192.0.2.1", "198.18.0.1", "2001:db8::1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "fd00:ec2::254", "100.100.100.200", "0.0.0.0",
    "::", "224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "240.0.0.1",
    "::127.0.0.1", "::8.8.8.8",
]  # fmt: skip
NONSENSE = ["", "localhost", "0x7f.1", "2130706433", "0177.0.0.1", "127.1", "1.2.3.4.5", "[::1]"]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("allow_private", [False, True])
def test_the_internet_may_be_called(address: str, allow_private: bool) -> None:
    assert may_call(address, 443, allow_private=allow_private, protected_ports=HERE)


@pytest.mark.parametrize("address", AT_HOME)
def test_what_is_at_home_may_be_called_only_where_the_recipient_says_so(address: str) -> None:
    assert not may_call(address, 443, allow_private=False, protected_ports=HERE)
    assert may_call(address, 443, allow_private=True, protected_ports=HERE)


@pytest.mark.parametrize("address", [*NEVER, *NONSENSE])
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_never_called(address: str, allow_private: bool) -> None:
    assert not may_call(address, 443, allow_private=allow_private, protected_ports=HERE)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.0.0.77", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"],
)
def test_a_protected_port_is_never_called(address: str) -> None:
    assert not may_call(address, 8123, allow_private=True, protected_ports=HERE)
    assert may_call(address, 8124, allow_private=True, protected_ports=HERE)


def test_a_protected_port_is_protected_on_every_address_of_this_machine() -> None:
    own = own_address()
    if own is None:
        pytest.skip("this machine has no address but the loopback's")
    for address in (own, f"::ffff:{own}"):
        assert not may_call(address, 8123, allow_private=True, protected_ports=HERE)
        assert may_call(address, 8124, allow_private=True, protected_ports=HERE)
        assert not may_call(address, 8124, allow_private=False, protected_ports=HERE)


def test_an_own_public_address_is_at_home_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.addresses.is_own", lambda _: True)
    assert not may_call("8.8.8.8", 443, allow_private=False, protected_ports=HERE)
    assert not may_call("8.8.8.8", 8123, allow_private=True, protected_ports=HERE)


def test_another_machines_port_of_the_same_number_is_not_protected() -> None:
    assert may_call("192.168.77.1", 8123, allow_private=True, protected_ports=HERE)


def test_which_address_is_meant_in_the_end() -> None:
    for wrapped in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::5"):
        assert str(innermost(ip_address(wrapped))) == "10.0.0.1"
    assert str(innermost(ip_address("2606:4700::1111"))) == "2606:4700::1111"
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.0.2.1"))


# --- The same through the gate ---


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.255.255.1", "::1", "169.254.169.254", "100.64.0.1", "fe80::1"]
)
async def test_a_name_that_leads_home_is_not_called(
    house: House, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    Resolver(monkeypatch, {"frost.example": [address]})
    house.configure(
        recipients=(frost(f"http://frost.example:{house.cloud.port}/", allow_private=False),)
    )
    await house.teach(house.request(host="frost.example"))
    answer = await house.ask(house.request(host="frost.example"))
    assert (answer.status, answer.body) == (200, b"{}")
    assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
    assert (await house.newest()).released == ()
    assert not house.cloud.lines


SPELLINGS = [
    "127.0.0.1", "127.0.0.77", "localhost", "2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1",
    "127.1", "017700000001", "127.0.0.1.",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("protected", [True, False])
async def test_however_an_address_is_spelled(tmp_path, spelling: str, protected: bool) -> None:
    """Our own port with `allow_private`, any port without: not one connection is made."""
    cloud = wire.Cloud(address="0.0.0.0")
    ports = frozenset({cloud.port}) if protected else frozenset[int]()
    async with wire.house(tmp_path, cloud=cloud, protected_ports=ports) as house:
        endpoint = Endpoint(host=spelling.rstrip("."), scheme="http", port=cloud.port)
        house.configure(recipients=(frost(allow_private=protected, endpoints=(endpoint,)),))
        raw = house.request(host=spelling)
        await house.teach(raw)
        await house.ask(raw)
        assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
        assert not cloud.lines


@pytest.mark.parametrize("host", ["::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
async def test_a_protected_port_over_ipv6(tmp_path, host: str) -> None:
    cloud = wire.Cloud()
    async with wire.house(tmp_path, cloud=cloud, protected_ports=frozenset({cloud.port})) as house:
        house.configure(recipients=(frost(f"http://[{host}]:{cloud.port}/"),))
        raw = house.request(host=f"[{host}]")
        await house.teach(raw)
        await house.ask(raw)
        assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
        assert not cloud.lines


async def test_a_protected_port_over_the_machines_own_address(tmp_path) -> None:
    own = own_address()
    if own is None:
        pytest.skip("this machine has no address but the loopback's")
    cloud = wire.Cloud(address="0.0.0.0")
    async with wire.house(tmp_path, cloud=cloud, protected_ports=frozenset({cloud.port})) as house:
        house.configure(recipients=(frost(f"http://{own}:{cloud.port}/"),))
        raw = house.request(host=own)
        await house.teach(raw)
        await house.ask(raw)
        assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED


async def test_the_gate_is_not_called_by_itself(house: House) -> None:
    """Its own port is a loop, whatever the recipient says."""
    house.configure(recipients=(frost(f"http://127.0.0.1:{house.port}/"),))
    raw = house.request(host="127.0.0.1")
    await house.teach(raw)
    await house.ask(raw)
    assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
    assert len(await house.firewall.newest_entries(10)) == 2
