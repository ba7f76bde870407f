"""What a second review found in the DNS gate, by attacking it: guesses, records, many addresses."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
import socket
import struct
import sys
from typing import Any

import dns.message
import dns.rrset
from name_house import OPAQUE, PHONE, READABLE, NameHouse as House
import pytest
from resolver import said
from test_dns_server import dial, framed, heard

from engine import neighbours
from engine.events import Decided, Unclaimed
from engine.model import (
    Appliance,
    ConsentState,
    Decider,
    Endpoint,
    Outcome,
    Protection,
    Purpose,
    Reason,
    Recipient,
)
from engine.naming import Infrastructure, Resolver as Stated

MAC = "02:00:00:00:00:07"
FROST = Recipient(
    id="frost",
    organisation="Frost",
    purpose=Purpose.SERVICE,
    endpoints=(Endpoint(host=READABLE),),
    names=frozenset({OPAQUE}),
)


@pytest.fixture
def house(name_house: House) -> House:
    return name_house


# --- Identity: the guess ---


async def test_a_guess_is_not_taken_for_what_was_seen_of_an_appliance(house: House) -> None:
    """A phone whose MAC is not known is steered: the fridge was not seen by that."""
    house.firewall.configure(
        [Appliance(id="fridge", name="Fridge", macs=frozenset({MAC}))], [FROST]
    )
    await house.ask(READABLE, address=PHONE)
    status = house.firewall.names.status()
    assert status.contacts == {}
    assert "fridge" not in status.appliances
    assert house.firewall.status("fridge").protection is Protection.NOT_SEEN


async def test_a_guess_is_not_journalled_as_what_an_appliance_sent(shared: House) -> None:
    """Of two brushes that both may, a phone's question is written down as the first one's."""
    shared.firewall.configure(
        [Appliance(id="fridge", name="Fridge", macs=frozenset({MAC}))], [FROST]
    )
    before = len(await shared.journal())
    shared.events.clear()
    await shared.ask(OPAQUE, address=PHONE)
    await shared.firewall.names.lookups.settle()
    new = (await shared.firewall.newest_entries())[: len(await shared.journal()) - before]
    assert [one.appliance_id for one in new if one.appliance_id] == []
    assert [one for one in shared.told(Decided) if one.released] == []
    assert shared.firewall.status("fridge").protection is not Protection.CANNOT_SEE_INSIDE


def test_a_flood_of_newcomers_over_ipv6_does_not_freeze_who_is_who(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(neighbours, "monotonic", lambda: now[0])
    arp = tmp_path / "arp"
    head = "IP address HW type Flags HW address Mask Device\n"
    arp.write_text(head + "192.168.1.9 0x1 0x2 02:00:00:00:00:99 * eth0\n")
    table = neighbours.Neighbours(arp, over_ipv6=dict)
    assert table.mac("192.168.1.9") == "02:00:00:00:00:99"
    # Another machine has that address now.
    arp.write_text(head + f"192.168.1.9 0x1 0x2 {MAC} * eth0\n")
    told: list[str | None] = []
    for turn in range(120_000):
        # Two thousand a second, for a minute; the other asks once a second, as appliances do.
        now[0] += 0.0005
        table.mac(f"fe80::{turn:x}")
        if turn % 2_000 == 1_999:
            told.append(table.mac("192.168.1.9"))
    assert told[20:] == [MAC] * 40, "for a minute it is taken for who had the address before"


def test_the_same_link_local_address_on_two_networks_is_not_one_neighbour() -> None:
    def message(interface: int, mac: bytes) -> bytes:
        address = socket.inet_pton(socket.AF_INET6, "fe80::7")
        body = struct.pack("=BxxxiHBB", 10, interface, 2, 0, 1)
        body += struct.pack("=HH", 20, 1) + address + struct.pack("=HH", 10, 2) + mac + b"\0\0"
        return struct.pack("=IHHII", 16 + len(body), 28, 2, 1, 0) + body

    appliance, guest = bytes.fromhex("020000000007"), bytes.fromhex("020000000099")
    macs: dict[str, str] = {}
    neighbours.read_neighbours(message(2, appliance) + message(3, guest), macs)
    assert macs.get("fe80::7") != guest.hex(":"), "the one on the guests' network speaks for both"


def test_a_table_that_takes_long_to_read_is_read_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand neighbours it takes 11 ms: newcomers must not hold the loop by that."""
    now, readings = [100.0], []

    def read() -> dict[str, str]:
        now[0] += 0.011
        readings.append(now[0])
        return {}

    monkeypatch.setattr(neighbours, "monotonic", lambda: now[0])
    made = neighbours.Neighbours(over_ipv6=read)
    for one in range(64):
        # As many as the gate reads in one go.
        made.mac(f"fd00::2:{one:x}")
    # The first in any case, and the last may begin just before the time is up.
    assert len(readings) <= 2 + int(neighbours.MAX_SECONDS / 0.011)


# --- Records ---


async def test_what_never_left_is_not_on_record_as_released(
    house: House,
    tmp_path: Path,
) -> None:
    """It waits for a resolver over TLS, is withdrawn, and never sent: yet told and written."""
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    await house.ask(OPAQUE)
    await house.consent()
    house.port = await house.firewall.names.open(
        "127.0.0.1", 0, [Stated(address="127.0.0.1", port=port, tls_name="resolver.example")]
    )
    for client in house.clients.values():
        client.close()
    house.clients.clear()
    house.events.clear()
    asking = asyncio.create_task(house.ask(OPAQUE, seconds=15.0))
    await asyncio.sleep(0.3)
    await house.consent(ConsentState.WITHDRAWN)
    withdrawn_at = len(house.events)
    with suppress(AssertionError):
        assert await asking in {"NXDOMAIN", "SERVFAIL"}
    entries = await house.journal()
    silent.close()
    assert entries[0][1] is not Outcome.PERMIT, "nothing was sent"
    late = [one for one in house.events[withdrawn_at:] if isinstance(one, Decided)]
    assert [one for one in late if one.released] == []


async def test_what_is_steered_in_the_end_is_not_on_record_as_released(
    shared: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = type(shared.firewall.journal).append

    async def slow(self: Any, entry: Any) -> int:
        number = await append(self, entry)
        shared.firewall.configure(
            shared.firewall.appliances.values(),
            [replace(FROST, endpoints=(Endpoint(host=READABLE), Endpoint(host=OPAQUE)))],
        )
        return number

    monkeypatch.setattr(type(shared.firewall.journal), "append", slow)
    assert await shared.ask(OPAQUE) == ["127.0.0.77"]
    assert shared.resolver.seen == []
    assert (await shared.journal())[0][1] is not Outcome.PERMIT, "nothing was sent"


async def test_what_was_refused_and_is_answered_later_is_on_record(shared: House) -> None:
    """An answer that led home was refused; the options change, and the cache has it."""
    shared.resolver.zone[OPAQUE, "A"] = ["@ 300 A 192.168.1.5"]
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    assert (await shared.journal())[0][1:] == (Outcome.DENY, Reason.PRIVATE_ANSWER)
    shared.configure(local_domains=frozenset({"frost.example"}))
    assert await shared.ask(OPAQUE) == ["192.168.1.5"]
    assert (await shared.journal())[0][1] is Outcome.PERMIT


@pytest.mark.parametrize("why", ["withdrawn", "alias", "private"])
async def test_what_was_asked_stays_on_record_as_asked(shared: House, why: str) -> None:
    """The resolver, and whoever it asks, heard the name: that the answer is held back is another
    thing."""
    if why == "private":
        shared.resolver.zone[OPAQUE, "A"] = ["@ 300 A 192.168.1.5"]
    if why == "alias":
        shared.resolver.zone[OPAQUE, "A"] = [f"@ 300 CNAME {READABLE}."]
    shared.resolver.delay = 0.2
    before = len(await shared.journal())
    asking = asyncio.create_task(shared.ask(OPAQUE))
    await asyncio.sleep(0.1)
    if why == "withdrawn":
        await shared.consent(ConsentState.WITHDRAWN)
    assert await asking == "NXDOMAIN"
    assert shared.resolver.asked() == [(OPAQUE, "A")], "it did leave"
    new = await shared.journal()
    new = new[: len(new) - before]
    assert Outcome.PERMIT in [outcome for _, outcome, _ in new], new


@pytest.mark.parametrize(
    "above", ["shop.example", "pool.ntp.org", "lan"], ids=["allowed", "of a kind", "at home"]
)
async def test_made_up_labels_below_other_known_names_are_not_written_down(
    house: House,
    above: str,
) -> None:
    house.configure(allowed=frozenset({"shop.example"}), infrastructure=frozenset(Infrastructure))
    await house.ask(f"bedroom-window-open.{above}")
    await house.ask(f"anna.at-home.{above}")
    written = str(await house.journal()) + str([one.host for one in house.told(Unclaimed)])
    assert "window-open" not in written
    assert "at-home" not in written
    assert "anna" not in written


def _letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(4))


async def test_one_appliance_does_not_fill_the_journal_with_refusals(house: House) -> None:
    """What it makes up pushes the oldest entries out: those of what left as well."""
    asked = 1_800
    for number in range(asked):
        await house.ask(f"x{_letters(number)}.example")
    await house.firewall.names.lookups.settle()
    written = len(await house.firewall.newest_entries(10_000))
    assert (written, len(house.told(Decided))) < (600, 600)


# --- Load ---


async def test_a_client_of_many_addresses_does_not_take_all_places(house: House) -> None:
    """IPv6 gives every device as many as it likes; eight suffice."""
    house.resolver.answering = lambda data, over: (
        [] if b"slow" in data.lower() else [house.resolver.usual(data)]
    )
    for source in range(8):
        client = house.client(f"127.0.1.{source + 1}")
        for number in range(500):
            query = dns.message.make_query(f"s{source}n{number}.slow.example", "A")
            await client.send(query.to_wire())
            if number % 32 == 31:
                await asyncio.sleep(0.002)
    assert await house.ask("shop.example", address=PHONE) == ["93.184.216.3"]


async def test_one_appliance_does_not_take_all_places_while_the_disk_is_slow(
    shared: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four addresses are its own, or forged."""
    theirs = [f"127.0.1.{one + 1}" for one in range(4)]
    shared.firewall.configure(
        [
            Appliance(id="fridge", name="Fridge", addresses=frozenset(theirs)),
            Appliance(id="brush", name="Brush", addresses=frozenset({PHONE})),
        ],
        [FROST],
    )
    assert await shared.ask(OPAQUE, address=PHONE) == "NXDOMAIN"
    [point] = shared.firewall.data_points("brush")
    await shared.firewall.decide([(point.id, "frost")], ConsentState.GIVEN, Decider(how="test"))
    append = type(shared.firewall.journal).append

    async def slow(self: Any, entry: Any) -> int:
        await asyncio.sleep(3)
        return await append(self, entry)

    monkeypatch.setattr(type(shared.firewall.journal), "append", slow)
    for address in theirs:
        for number in range(520):
            query = dns.message.make_query(OPAQUE, "A")
            await shared.client(address).send(query.to_wire())
            if number % 32 == 31:
                await asyncio.sleep(0.002)
    await asyncio.sleep(0.1)
    await shared.client(PHONE).send(dns.message.make_query(OPAQUE, "A").to_wire())
    answer = await shared.client(PHONE).receive(6)
    assert answer is not None


async def test_a_client_of_many_addresses_does_not_take_all_connections(house: House) -> None:
    opened = [await dial(house, f"127.0.1.{source + 1}") for source in range(8) for _ in range(16)]
    await asyncio.sleep(0.1)
    reader, writer = await dial(house, PHONE)
    writer.write(framed(dns.message.make_query("shop.example", "A")))
    try:
        assert said(await heard(reader)) == ["93.184.216.3"]
    finally:
        for _, one in [*opened, (reader, writer)]:
            one.close()


async def _other(program: str, *arguments: str) -> asyncio.subprocess.Process:
    """Run a peer in a process of its own, so that only what is tried can hold this loop."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments, stdout=asyncio.subprocess.PIPE
    )


_CLIENT = """
import socket, sys, time
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=("127.0.0.2", 0))
one.sendall(bytes.fromhex(sys.argv[2]) * 1_900)
got = 0
one.settimeout(1)
try:
    while data := one.recv(1 << 20):
        got += len(data)
except OSError:
    pass
print(got)
"""
_RESOLVER = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
one, _ = listening.accept()
try:
    while True:
        one.sendall(bytes(1 << 20))
except OSError:
    pass
"""


# --- Others ---


# --- Answers, and what tries them ---


async def test_an_appliance_gets_no_address_of_a_name_that_it_may_not_ask(
    shared: House,
) -> None:
    """Beside the one it asked for, in the same section."""
    shared.resolver.zone[OPAQUE, "A"] = ["@ 300 A 93.184.216.2", "shop.example 300 A 93.184.216.3"]
    assert await shared.ask("shop.example") == "NXDOMAIN"
    assert await shared.ask(OPAQUE) != ["93.184.216.2", "93.184.216.3"]
