"""From a fridge's question to the household's switch and back: real sockets on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
import socket
import struct

from homeassistant.core import Context, HomeAssistant
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.entity import STATUS_SECONDS
from tests.common import ADDRESSES, FRIDGE, FROSTLINE, Cloud, Home, a_home, appliance, dns_gate
from tests.facts import wait
from tests.repairs import issues, settle

MQTT, READ = "mqtt1.frostline.example", "api.frostline.example"
NAME_ERROR, REAL, GATE = 3, b"\x5d\xb8\xd8\x22", b"\x7f\x00\x00\x01"


def question(name: str) -> bytes:
    """A question for the IPv4 address of a name (RFC 1035, section 4.1)."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


class Resolver(asyncio.DatagramProtocol):
    """The household's resolver: it knows one address for everything, and keeps what it hears."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(data)
        end = data.index(b"\0", 12) + 5
        head = data[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, 0)
        answer = b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 300, 4) + REAL
        self._transport.sendto(head + data[12:end] + answer, addr)


@pytest.fixture
async def resolver(socket_enabled: None) -> AsyncIterator[tuple[Resolver, int]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Resolver, local_addr=("127.0.0.1", 0)
    )
    yield protocol, transport.get_extra_info("sockname")[1]
    transport.close()


@pytest.fixture
async def named(
    hass: HomeAssistant, cloud: Cloud, repairs: None, resolver: tuple[Resolver, int]
) -> AsyncIterator[Home]:
    assert await async_setup_component(hass, "homeassistant", {})
    options = dns_gate(resolvers=[f"127.0.0.1@{resolver[1]}"])
    async with a_home(
        hass, cloud, appliance("Oven", addresses=["127.0.0.8"]), dns_gate=options
    ) as made:
        await made.change(
            FROSTLINE, endpoints=[f"POST https://{READ}/"], names=["mqtt#.frostline.example"]
        )
        yield made


async def ask(home: Home, name: str, by: str = ADDRESSES[FRIDGE]) -> tuple[int, bytes]:
    """Let a client ask; return the code and the last four bytes of what it hears."""
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.bind((by, 0))
        client.connect(("127.0.0.1", home.entry.options["dns_gate"]["port"]))
        await loop.sock_sendall(client, question(name))
        async with asyncio.timeout(5):
            heard = await loop.sock_recv(client, 4096)
    await home.household.firewall.names.lookups.settle()
    await settle(home)
    return heard[3] & 0x0F, heard[-4:]


async def test_a_name_is_found_only_under_its_own_consent(
    named: Home, resolver: tuple[Resolver, int], freezer: object
) -> None:
    assert (await ask(named, MQTT))[0] == NAME_ERROR
    assert resolver[0].asked == []
    await named.turn("turn_on", named.switch("Opaque traffic"), context=Context())
    key = f"in_contact_{named.subentry(FROSTLINE).subentry_id}"
    assert await ask(named, MQTT) == (0, REAL)
    assert len(resolver[0].asked) == 1
    # Though it asks for nothing more.
    await wait(named, freezer, STATUS_SECONDS)
    assert named.sensor("protection").state == "cannot_see_inside"
    assert named.is_on(named.entity("binary_sensor", key))
    assert not named.is_on(named.entity("binary_sensor", "protected"))
    await named.turn("turn_off", named.switch("Opaque traffic"), context=Context())
    assert (await ask(named, MQTT))[0] == NAME_ERROR
    assert len(resolver[0].asked) == 1


async def test_what_can_be_read_leads_to_the_gate(
    named: Home, resolver: tuple[Resolver, int]
) -> None:
    assert await ask(named, READ) == (0, GATE)
    assert resolver[0].asked == []
    key = f"in_contact_{named.subentry(FROSTLINE).subentry_id}"
    assert named.is_on(named.entity("binary_sensor", key))


async def test_what_nobody_claims_is_refused_counted_and_asked_about(
    named: Home, resolver: tuple[Resolver, int], freezer: object
) -> None:
    assert (await ask(named, "ads.vendor.example"))[0] == NAME_ERROR
    assert resolver[0].asked == []
    assert issues(named.hass) == {"unclaimed_endpoints"}
    await wait(named, freezer, STATUS_SECONDS)
    assert named.sensor("names_asked").state == "1"
    assert named.sensor("names_refused").state == "1"


async def test_who_is_no_appliance_is_answered(named: Home, resolver: tuple[Resolver, int]) -> None:
    """Unless the household refuses them."""
    assert await ask(named, "anything.example", by="127.0.0.77") == (0, REAL)
    chosen = named.entry.options["dns_gate"]
    await named.choose(dns_gate=chosen | {"refused_networks": ["127.0.0.64/26"]})
    with suppress(TimeoutError):
        assert (await ask(named, "other.example", by="127.0.0.77"))[0] == NAME_ERROR
    assert len(resolver[0].asked) == 1
