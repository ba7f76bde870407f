"""One client that asks too much, or does not read: everybody else is answered, and memory stays."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import socket
import struct
from typing import Any

import dns.message
from name_house import FRIDGE, OPAQUE, PHONE, NameHouse as House
import pytest
from resolver import said

from engine.gates.dns import server
from engine.gates.dns.upstream import ResolverError, Resolvers
from engine.journal import Entry
from engine.lookups import Lookups
from engine.naming import Lookup, LookupVerdict, Resolver as Stated
from wire import eventually

BIG = "big.example"
GREEDY = "127.0.0.40"


@pytest.fixture
def house(name_house: House) -> House:
    name_house.resolver.zone[BIG, "TXT"] = ["@ 300 TXT " + " ".join(['"' + 250 * "x" + '"'] * 200)]
    return name_house


# --- Connections ---


def is_held(house: House, sock: socket.socket) -> bool:
    """Tell whether the gate's end of a connection belongs to anybody (proc(5), /proc/net/tcp)."""
    ends = f":{house.port:04X}", f":{sock.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # What the kernel alone still knows of has no inode.
    return any((row[1][-5:], row[2][-5:]) == ends and row[9] != "0" for row in rows)


@contextmanager
def dialled() -> Iterator[socket.socket]:
    """A socket that takes little before it is read."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        sock.setblocking(False)
        sock.bind((GREEDY, 0))
        yield sock


async def ask_without_reading(house: House, sock: socket.socket) -> None:
    """Have more answered than any buffer on the way takes."""
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", house.port))
    question = dns.message.make_query(BIG, "TXT").to_wire()
    for _ in range(200):
        await loop.sock_sendall(sock, len(question).to_bytes(2) + question)
    await eventually(lambda: bool(house.resolver.seen))
    await eventually(lambda: is_held(house, sock))


@pytest.mark.parametrize("is_half_closed", [False, True], ids=["that stays", "that asks no more"])
async def test_whoever_does_not_read_loses_its_connection(
    house: House, monkeypatch: pytest.MonkeyPatch, is_half_closed: bool
) -> None:
    """With all that waits for it: it is not kept until it reads, which may be never."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.3)
    with dialled() as sock:
        await ask_without_reading(house, sock)
        if is_half_closed:
            sock.shutdown(socket.SHUT_WR)
        await eventually(lambda: not is_held(house, sock))


async def test_a_connection_counts_until_it_is_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that waits for its answers to be read: else there would be more each time."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 8)
    loop = asyncio.get_running_loop()
    with dialled() as first, dialled() as second, dialled() as third, dialled() as other:
        for sock in (first, second):
            await ask_without_reading(house, sock)
            sock.shutdown(socket.SHUT_WR)
        # Its end has arrived with the questions before it: they are all answered by now.
        gate: Any = house.firewall.names._gate
        await eventually(lambda: not gate._waiting and len(gate._streams) == 2)
        await loop.sock_connect(third, ("127.0.0.1", house.port))
        async with asyncio.timeout(5):
            assert await loop.sock_recv(third, 1) == b""
        assert is_held(house, first)
        assert is_held(house, second)
        monkeypatch.setattr(server, "IDLE_SECONDS", 0.3)
        first.close()
        await eventually(lambda: len(gate._streams) == 1)
        await loop.sock_connect(other, ("127.0.0.1", house.port))
        question = dns.message.make_query("shop.example", "A").to_wire()
        await loop.sock_sendall(other, len(question).to_bytes(2) + question)
        async with asyncio.timeout(5):
            answer = await loop.sock_recv(other, 2_000)
        assert said(dns.message.from_wire(answer[2:])) == ["93.184.216.3"]


async def test_connections_go_with_the_gate(house: House) -> None:
    with dialled() as sock:
        await ask_without_reading(house, sock)
        async with asyncio.timeout(5):
            await house.firewall.names.close()
        await eventually(lambda: not is_held(house, sock))


# --- Questions under way ---


async def test_one_stranger_does_not_take_all_places(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it asks is never answered; a quarter of the places left is what it has."""
    monkeypatch.setattr(server, "MAX_UNDER_WAY", 20)

    def answering(data: bytes, over: str) -> list[bytes]:
        return [] if b"slow" in data.lower() else [shared.resolver.usual(data)]

    shared.resolver.answering = answering
    phone = shared.client(PHONE)
    for one in range(25):
        await phone.send(dns.message.make_query(f"n{one}.slow.example", "A").to_wire())
    # The gate takes one after the other: once this is answered, it has had all of them.
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    slow = {name for name, _ in shared.resolver.asked() if name.endswith("slow.example")}
    assert slow == {f"n{one}.slow.example" for one in range(4)}
    assert await shared.ask("shop.example", address="127.0.0.41") == ["93.184.216.3"]


@pytest.mark.parametrize("is_kept", [False, True], ids=["to be asked", "in the cache"])
async def test_one_appliance_does_not_take_the_whole_disk(
    shared: House, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    monkeypatch.setattr(server, "MAX_UNDER_WAY", 8)
    if is_kept:
        assert await shared.ask(OPAQUE, address=PHONE) == ["93.184.216.2"]
    may_write = asyncio.Event()
    append, waiting = shared.firewall.journal.append, []

    async def slow(entry: Entry) -> int:
        waiting.append(entry)
        await may_write.wait()
        return await append(entry)

    monkeypatch.setattr(shared.firewall.journal, "append", slow)
    client = shared.client(FRIDGE)
    question = dns.message.make_query(OPAQUE, "A").to_wire()
    try:
        for one in range(10):
            await client.send(one.to_bytes(2) + question[2:])
        assert await shared.ask("shop.example", address=PHONE) == ["93.184.216.3"]
        assert len(waiting) == 2
    finally:
        may_write.set()
    for one in range(2):
        answer = await client.receive()
        assert answer is not None
        assert answer[:2] == one.to_bytes(2)
    # Both places are free again.
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]


# --- Answers given again ---


async def test_large_questions_are_decided_each_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept as they are, to be recognised, they would take thirty megabytes."""
    decided: list[Lookup] = []
    decide = Lookups.decide

    def counted(self: Lookups, lookup: Lookup) -> LookupVerdict:
        decided.append(lookup)
        return decide(self, lookup)

    monkeypatch.setattr(Lookups, "decide", counted)
    client = house.client()
    question = dns.message.make_query("nobody.example", "A").to_wire()
    for size, times in ((0, 1), (server.MAX_MEMO_BYTES, 3), (3_900, 3)):
        decided.clear()
        option = struct.pack("!HH", 65001, size) + bytes(size)
        edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
        for _ in range(3):
            await client.send(question[:10] + b"\0\1" + question[12:] + edns)
            assert await client.receive() is not None
        assert len(decided) == times


async def test_so_many_answers_are_kept_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_MEMO", 4)
    gate: Any = house.firewall.names._gate
    for one in range(10):
        await house.ask(f"n{one}.vendor.example")
        assert len(gate._memo) <= 4


# --- The loop ---


async def turns_until(over: asyncio.Event) -> int:
    """Count how often somebody else had a turn of the loop."""
    turns = 0
    while not over.is_set():
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_questions_that_arrive_at_once_over_tcp_leave_others_their_turn(house: House) -> None:
    asked = 400
    query = dns.message.make_query(OPAQUE, "A").to_wire()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port, local_addr=(FRIDGE, 0))
    over = asyncio.Event()
    counting = asyncio.create_task(turns_until(over))
    writer.write((len(query).to_bytes(2) + query) * asked)
    for _ in range(asked):
        await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    over.set()
    assert await counting >= asked
    writer.close()


async def test_what_a_resolver_sends_without_end_leaves_others_their_turn() -> None:
    """Empty messages, over TCP; over TLS it is the same code."""
    sent = 2_000

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(bytes(2 * sent))
        await writer.drain()
        writer.close()

    flooding = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = flooding.sockets[0].getsockname()[1]
    resolvers = Resolvers([Stated(address="127.0.0.1", port=port)])
    await resolvers.open()
    over = asyncio.Event()
    counting = asyncio.create_task(turns_until(over))
    # Nobody answers over UDP there; that is refused at once, and the last way is over TCP.
    with pytest.raises(ResolverError):
        await resolvers.ask(b"\4shop\7example\0", 1)
    over.set()
    assert await counting >= sent
    await resolvers.close()
    flooding.close()
