"""The DNS gate on real sockets: what clients hear, and what the household's resolver is asked."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
import re
import shutil
import struct
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
from name_house import FRIDGE, OPAQUE, PHONE, READABLE, NameHouse as House
import pytest
from resolver import Client, said

from engine import Firewall, lookups
from engine.errors import StorageError
from engine.events import Decided, Discovered, Event, Forgotten, NamesAsked, StrangerSeen, Unclaimed
from engine.gates.dns import server
from engine.gates.dns.server import is_at_home
from engine.model import (
    ConsentState,
    Decider,
    Level,
    Outcome,
    Protection,
    Reason,
)
from engine.naming import Refusal, Resolver as Stated
from helpers import corpus


@pytest.fixture
def house(name_house: House) -> House:
    return name_house


# --- An appliance ---


async def test_by_default_the_resolver_hears_nothing_of_an_appliance(house: House) -> None:
    for name in (OPAQUE, f"serial-4711.{OPAQUE}", "shop.example", "pool.ntp.org", "nas.lan", "nas"):
        for kind in ("A", "AAAA", "HTTPS", "TXT", "MX", "ANY", "TYPE65280"):
            answer = await house.ask(name, kind)
            assert answer in {"NXDOMAIN", "NOERROR"}
    assert house.resolver.seen == []
    assert house.firewall.names.status().appliances["fridge"].forwarded == 0


async def test_a_name_that_can_be_read_leads_to_the_gate_and_nowhere_else(house: House) -> None:
    """Whatever else is asked of it has no answer, so that nothing goes around."""
    assert await house.ask(READABLE) == ["127.0.0.77"]
    for kind in ("AAAA", "HTTPS", "SVCB", "TXT", "MX", "SRV"):
        assert await house.ask(READABLE, kind) == "NOERROR"
    assert await house.ask("_dns.resolver.arpa", "SVCB") == "NOERROR"
    assert house.resolver.seen == []
    house.configure(steer_to=("127.0.0.77", "fd00::77"))
    assert await house.ask(READABLE, "AAAA") == ["fd00::77"]
    house.configure(steer_to=())
    assert await house.ask(READABLE) == "NXDOMAIN"


async def test_an_answer_of_our_own_is_not_kept_for_long(house: House) -> None:
    answer = await house.client().ask(READABLE)
    assert answer.answer[0].ttl <= 60
    refused = await house.client().ask("shop.example")
    assert refused.authority[0].ttl <= 10
    assert refused.authority[0][0].minimum <= 10


@pytest.mark.parametrize(
    ("refusal", "a", "txt"),
    [
        (Refusal.NAME_ERROR, "NXDOMAIN", "NXDOMAIN"),
        (Refusal.NO_DATA, "NOERROR", "NOERROR"),
        (Refusal.NULL_ADDRESS, ["0.0.0.0"], "NOERROR"),
    ],
)
async def test_refusals_are_answered_as_the_household_chose(
    house: House, refusal: Refusal, a: Any, txt: Any
) -> None:
    house.configure(refusal=refusal)
    assert await house.ask("shop.example") == a
    assert await house.ask("shop.example", "TXT") == txt


async def test_opaque_traffic_passes_under_its_own_consent(shared: House) -> None:
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert await shared.ask(OPAQUE, "AAAA") == ["2606:4700::1"]
    assert shared.resolver.asked() == [(OPAQUE, "A"), (OPAQUE, "AAAA")]
    assert await shared.ask(f"a.{OPAQUE}") == "NXDOMAIN"
    assert await shared.ask(READABLE) == ["127.0.0.77"]
    assert len(shared.resolver.seen) == 2
    assert shared.firewall.status("fridge").protection is Protection.CANNOT_SEE_INSIDE


async def test_it_is_answered_for_a_minute_at_most(shared: House) -> None:
    """A withdrawal holds from the next look-up: that must not be long."""
    for _ in range(2):
        answer = await shared.client().ask(OPAQUE)
        assert answer.answer[0].ttl <= 60
    assert len(shared.resolver.seen) == 1


async def test_withdrawal_holds_from_the_next_look_up_also_for_what_is_kept(shared: House) -> None:
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    await shared.consent(ConsentState.WITHDRAWN)
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    await shared.consent()
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert len(shared.resolver.seen) == 1


async def test_withdrawal_while_it_is_asked_is_answered_with_a_refusal(shared: House) -> None:
    shared.resolver.delay = 0.2
    asking = asyncio.create_task(shared.ask(OPAQUE))
    await asyncio.sleep(0.1)
    assert len(shared.resolver.seen) == 1
    await shared.consent(ConsentState.WITHDRAWN)
    assert await asking == "NXDOMAIN"


async def test_a_lockdown_holds_at_once(shared: House) -> None:
    assert await shared.ask(READABLE) == ["127.0.0.77"]
    await shared.firewall.consents.lock_down(on=True, decider=Decider(how="test"))
    assert await shared.ask(READABLE) == "NXDOMAIN"
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    assert await shared.ask("shop.example", address=PHONE) == ["93.184.216.3"]


async def test_a_consent_that_runs_out_is_over(house: House) -> None:
    await house.ask(OPAQUE)
    await house.consent(seconds=0.3)
    assert await house.ask(OPAQUE) == ["93.184.216.2"]
    await asyncio.sleep(0.35)
    assert await house.ask(OPAQUE) == "NXDOMAIN"


async def test_opaque_traffic_is_all_or_nothing(house: House) -> None:
    await house.ask(OPAQUE)
    with pytest.raises(Exception, match="as it is or not at all"):
        await house.consent(level=Level.COARSE)
    assert await house.ask(OPAQUE) == "NXDOMAIN"


async def test_of_the_question_nothing_goes_on_but_name_and_type(shared: House) -> None:
    options = [
        dns.edns.ECSOption("192.168.1.0", 24),
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"8 bytes!"),
        dns.edns.GenericOption(65001, bytes.fromhex("02005e004201")),
        dns.edns.GenericOption(65073, b"serial 4711"),
    ]
    await shared.ask("mQtT.fRoSt.ExAmPlE", use_edns=0, options=options, want_dnssec=True,
                     flags=dns.flags.RD | dns.flags.CD | dns.flags.AD)  # fmt: skip
    [seen] = shared.resolver.seen
    assert seen.asked == (OPAQUE, "A")
    assert seen.name != "mQtT.fRoSt.ExAmPlE"
    assert (seen.message.flags, seen.message.ednsflags) == (dns.flags.RD, 0)
    assert seen.message.options == ()
    for told in (b"4711", b"8 bytes!", bytes.fromhex("02005e004201"), bytes([192, 168, 1])):
        assert told not in seen.data


# --- On record ---


async def test_a_question_is_on_record_before_it_is_asked(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(await shared.journal())
    order: list[str] = []
    append = type(shared.firewall.journal).append

    async def slow(self: Any, entry: Any) -> int:
        await asyncio.sleep(0.05)
        number = await append(self, entry)
        order.append(f"recorded {entry.template}")
        return number

    monkeypatch.setattr(type(shared.firewall.journal), "append", slow)
    shared.resolver.answering = lambda data, over: (
        order.append("asked") or [shared.resolver.usual(data)]
    )
    await shared.ask(OPAQUE)
    assert order == [f"recorded DNS {OPAQUE}", "asked"]
    entries = await shared.journal()
    assert entries[0] == (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.OPAQUE_CONSENTED)
    assert len(entries) == before + 1
    [event] = shared.told(Decided)
    assert (event.gate, event.outcome, event.recipient_ids) == ("dns", Outcome.PERMIT, ("frost",))
    assert len(event.released) == 1


async def test_what_cannot_be_recorded_is_not_asked(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: Any, entry: Any) -> int:
        raise StorageError("the disk is full")

    monkeypatch.setattr(type(shared.firewall.journal), "append", full)
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    assert shared.resolver.seen == []


async def test_a_decision_that_changes_while_it_is_recorded_counts(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = type(shared.firewall.journal).append

    async def slow(self: Any, entry: Any) -> int:
        number = await append(self, entry)
        await shared.consent(ConsentState.WITHDRAWN)
        return number

    monkeypatch.setattr(type(shared.firewall.journal), "append", slow)
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    assert shared.resolver.seen == []


async def test_what_is_refused_again_and_again_is_on_record_once_a_minute(house: House) -> None:
    for _ in range(40):
        await house.ask("shop.example")
        await house.ask(OPAQUE)
    assert sorted(await house.journal()) == [
        (f"DNS {OPAQUE}", Outcome.DENY, Reason.OPAQUE_NOT_CONSENTED),
        ("DNS shop.example", Outcome.DENY, Reason.UNCLAIMED_NAME),
    ]
    assert len(house.told(Decided)) == 2
    counts = house.firewall.names.status().appliances["fridge"]
    assert (counts.asked, counts.refused) == (80, 80)
    # Told the first time, and each time there were twice as many.
    assert [one.count for one in house.told(Unclaimed)] == [1, 2, 4, 8, 16, 32]
    assert house.told(Unclaimed)[0].method == "DNS"
    assert len(house.told(NamesAsked)) == 1


async def test_what_was_asked_meanwhile_is_told_when_the_time_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "TELL_SECONDS", 0.2)
    for _ in range(5):
        await house.ask("shop.example")
    assert len(house.told(NamesAsked)) == 1
    await asyncio.sleep(0.3)
    assert [one.appliance_id for one in house.told(NamesAsked)] == ["fridge"] * 2
    await asyncio.sleep(0.5)
    assert len(house.told(NamesAsked)) == 2, "nothing was asked since"


async def test_the_newest_is_told_though_nothing_is_asked_after_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within five seconds, which are made shorter here; and not without end."""
    monkeypatch.setattr(lookups, "TELL_SECONDS", 0.2)
    shown: list[tuple[str | None, int, Protection]] = []

    def show(event: Event) -> None:
        if isinstance(event, NamesAsked):
            status, total = house.firewall.status("fridge"), house.firewall.names.status().total
            shown.append((event.appliance_id, total.asked, status.protection))

    monkeypatch.setattr(house.firewall, "_listener", show)
    await house.ask(OPAQUE)
    await house.consent()
    await house.ask(OPAQUE)
    await house.ask(READABLE)
    assert shown == [("fridge", 1, Protection.PROTECTED)]
    await asyncio.sleep(0.4)
    assert shown[1:] == [("fridge", 3, Protection.CANNOT_SEE_INSIDE)]
    await asyncio.sleep(0.4)
    assert len(shown) == 2
    # Of those who are no appliance as well; and nothing once it is closed or forgotten.
    for _ in range(2):
        await house.ask("shop.example", address=PHONE)
        await house.ask(READABLE)
    told = len(shown)
    await house.firewall.forget_journal("fridge")
    await house.firewall.names.close()
    await asyncio.sleep(0.4)
    assert {one for one, *_ in shown[2:told]} == {"fridge", None}
    assert len(shown) == told


async def test_a_name_added_to_a_recipient_waits_for_another_consent(house: House) -> None:
    """What was agreed to is the names that the notice had."""
    await house.ask(OPAQUE)
    await house.consent()
    firewall = house.firewall
    [frost] = firewall.recipients.values()
    more = replace(frost, names=frozenset({OPAQUE, "shop.example"}))
    firewall.configure(list(firewall.appliances.values()), [more])
    assert await house.ask("shop.example") == "NXDOMAIN"
    assert await house.ask(OPAQUE) == ["93.184.216.2"]
    assert "shop.example" not in [name for name, _ in house.resolver.asked()]
    await house.consent()
    assert await house.ask("shop.example") != "NXDOMAIN"
    [receipt] = await firewall.inspection.receipts(people={})
    assert receipt["processing"]["names"] == sorted(more.names)
    assert receipt["processing"]["sent_along"] == []


async def test_of_what_is_forgotten_nothing_is_known(house: House) -> None:
    await house.ask(OPAQUE)
    await house.consent()
    await house.ask(OPAQUE)
    assert house.firewall.status("fridge").protection is Protection.CANNOT_SEE_INSIDE
    await house.journal()
    await house.firewall.forget_journal("fridge")
    assert house.events[-1] == Forgotten(appliance_id="fridge")
    status = house.firewall.status("fridge")
    assert (status.protection, status.last_seen) == (Protection.NOT_SEEN, None)
    assert house.firewall.names.status().appliances == {}
    assert house.firewall.names.status().contacts == {}


async def test_made_up_labels_are_not_written_down(house: House) -> None:
    await house.ask("8c85902a41f7.serial.example")
    await house.ask("user@home.example")
    await house.journal()
    names = {one.template for one in await house.firewall.newest_entries()}
    names |= {one.host for one in house.told(Unclaimed)}
    assert "8c85902a41f7" not in str(names)
    assert "DNS *.serial.example" in names


async def test_a_switch_comes_with_the_first_question_and_stays(
    house: House, tmp_path: Path
) -> None:
    await house.ask(OPAQUE)
    await house.firewall.names.lookups.settle()
    [event] = house.told(Discovered)
    [point] = house.firewall.promoted("fridge")
    assert event.data_points == (point,)
    assert (point.name, point.recipients) == ("Opaque traffic", ("frost",))
    assert not house.firewall.has_sensor(point)
    await house.consent()
    await house.firewall.stop()
    again = Firewall(database=tmp_path / "firewall.db", on_event=lambda _: None)
    await again.start()
    try:
        again.configure(house.firewall.appliances.values(), house.firewall.recipients.values())
        assert again.promoted("fridge") == [point]
        assert again.is_sharing(point.id, "frost")
    finally:
        await again.stop()


async def test_let_through_it_asks_for_anything_and_that_is_on_record(house: House) -> None:
    await house.firewall.consents.let_through("fridge", Decider(how="test"), seconds=60.0)
    assert await house.ask("shop.example") == ["93.184.216.3"]
    assert await house.ask(READABLE) == ["93.184.216.1"]
    assert house.firewall.status("fridge").protection is Protection.MONITORED
    assert (await house.journal())[0] == (f"DNS {READABLE}", Outcome.PERMIT, Reason.LET_THROUGH)


# --- Whoever is no appliance ---


async def test_a_home_is_served_as_before_and_nothing_of_it_is_written_down(house: House) -> None:
    assert await house.ask("shop.example", address=PHONE) == ["93.184.216.3"]
    assert await house.ask(READABLE, address=PHONE) == ["93.184.216.1"]
    assert await house.ask("nobody.example", address=PHONE) == "NXDOMAIN"
    assert await house.journal() == []
    assert house.told(Decided) == []
    [stranger] = house.firewall.names.status().strangers
    assert (stranger.address, stranger.asked) == (PHONE, 3)
    assert stranger.names == ("shop.example", READABLE, "nobody.example")
    assert len(house.told(StrangerSeen)) == 1


async def test_answers_are_kept_for_them_for_as_long_as_they_hold(house: House) -> None:
    first = await house.client(PHONE).ask("shop.example")
    second = await house.client("127.0.0.8").ask("shop.example")
    assert first.answer[0].ttl == 300
    assert 298 <= second.answer[0].ttl <= 300
    assert len(house.resolver.seen) == 1
    assert await house.ask("nobody.example", address=PHONE) == "NXDOMAIN"
    assert await house.ask("nobody.example", address=PHONE) == "NXDOMAIN"
    assert len(house.resolver.seen) == 2
    # The verdict comes first: what a phone was answered, the fridge is not.
    assert await house.ask("shop.example") == "NXDOMAIN"


async def test_a_name_from_outside_does_not_lead_home(house: House) -> None:
    assert await house.ask("rebinding.example", address=PHONE) == "NXDOMAIN"
    assert await house.ask("rebinding.example", address=PHONE) == "NXDOMAIN"
    assert await house.ask("nas.lan", address=PHONE) == "NXDOMAIN"
    house.configure(has_resolver_at_home=True)
    assert await house.ask("nas.lan", address=PHONE) == ["192.168.1.5"]


async def test_an_alias_of_a_name_that_is_read_is_refused(house: House) -> None:
    house.configure(allowed=frozenset({"alias.example"}))
    assert await house.ask("alias.example") == "NXDOMAIN"
    assert await house.ask("alias.example", address=PHONE) == ["93.184.216.1", READABLE + "."]


async def test_where_the_resolver_fails_that_is_said(house: House) -> None:
    house.resolver.answering = lambda data, over: [house.resolver.usual(data, rcode=2)]
    assert await house.ask("nobody.example", address=PHONE) == "SERVFAIL"


# --- Hostile, malformed, too much ---


@pytest.mark.parametrize(
    ("address", "is_home"),
    [
        ("127.0.0.1", True), ("192.168.1.7", True), ("10.0.0.1", True), ("172.16.0.1", True),
        ("169.254.1.1", True), ("fe80::1%eth0", True), ("fd00::1", True), ("::1", True),
        ("::ffff:192.168.1.7", True), ("8.8.8.8", False), ("::ffff:8.8.8.8", False),
        ("2606:4700::1", False), ("0.0.0.0", False), ("", False), ("x", False),
    ],
)  # fmt: skip
def test_only_who_is_at_home_is_answered(address: str, is_home: bool) -> None:
    assert is_at_home(address) is is_home


async def test_whoever_asks_from_elsewhere_hears_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "is_at_home", lambda address: address != PHONE)
    client = house.client(PHONE)
    await client.send(dns.message.make_query("shop.example", "A").to_wire())
    assert await client.receive(0.2) is None
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", house.port, local_addr=(PHONE, 0)
        )
        assert await reader.read() == b""
        writer.close()
    assert house.resolver.seen == []
    assert await house.ask(READABLE) == ["127.0.0.77"]


async def test_one_client_is_answered_so_often_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RATE", 0.0)
    monkeypatch.setattr(server, "BURST", 10.0)
    greedy = Client(house.port, "127.0.0.50")
    data = dns.message.make_query("shop.example", "A").to_wire()
    answered = 0
    for _ in range(30):
        await greedy.send(data)
        answered += await greedy.receive(0.05) is not None
    greedy.close()
    assert answered == 10
    assert await house.ask("shop.example", address="127.0.0.51") == ["93.184.216.3"]


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (b"", None),
        (b"\0" * 11, None),
        (b"\xff" * 600, None),
        (bytes.fromhex("000781000001000000000000") + b"\1a\0\0\1\0\1", None),
        (bytes.fromhex("000729000001000000000000") + b"\1a\0\0\1\0\1", dns.rcode.NOTIMP),
        (bytes.fromhex("000701000002000000000000") + b"\1a\0\0\1\0\1" * 2, dns.rcode.FORMERR),
        (bytes.fromhex("000701000001000000000000") + b"\1a\0\0\1\0\1!", dns.rcode.FORMERR),
        (bytes.fromhex("000701000001000000000000") + b"\1a\0\0\1\0\3", dns.rcode.REFUSED),
    ],
    ids=["nothing", "half", "ones", "a response", "status", "two", "behind", "chaos"],
)
async def test_what_is_no_question(house: House, data: bytes, rcode: int | None) -> None:
    client = house.client()
    await client.send(data)
    answer = await client.receive(0.2 if rcode is None else 5.0)
    if rcode is None:
        assert answer is None
    else:
        assert answer is not None
        assert dns.message.from_wire(answer, ignore_trailing=True).rcode() == rcode
    assert house.resolver.seen == []
    assert await house.ask(READABLE) == ["127.0.0.77"]


async def test_malformed_messages_of_the_suite(house: House, tables: dict[str, list[str]]) -> None:
    """As datagrams and as they are, over TCP; names of its lists as questions."""
    folder = corpus("suites/dns_malformed")
    rows: list[str] = []
    for path in sorted(folder.glob("*.blob")):
        frames = path.read_bytes()
        client = Client(house.port, PHONE)
        # One that fits into no datagram at all is only sent as it is.
        await client.send(frames[2:][:65_000])
        answer = await client.receive(0.2)
        client.close()
        heard = "nothing" if answer is None else f"rcode {answer[3] & 15}"
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(frames)
        with suppress(OSError):
            writer.write_eof()
            heard += f", over TCP {len(await reader.read())} bytes"
        writer.close()
        rows.append(f"{path.name:24} {heard}")
    asked = 0
    for path in sorted(folder.glob("datafile*")):
        for line in path.read_text(encoding="latin-1").splitlines():
            name, kind, *_ = line.rsplit(" ", 1) if " " in line else (line, "A")
            try:
                query = dns.message.make_query(name, re.sub(r" .*", "", kind))
            except Exception:  # noqa: BLE001 - no client could ask that
                continue
            client = house.client(PHONE)
            await client.send(query.to_wire())
            answer = await client.receive()
            assert answer is not None
            assert query.is_response(dns.message.from_wire(answer))
            asked += 1
    tables["malformed messages"] = [*rows, f"{asked} questions of lists answered"]
    assert asked > 20
    assert await house.ask(READABLE) == ["127.0.0.77"]


# --- TCP ---


async def dial(house: House, address: str = FRIDGE) -> tuple[Any, Any]:
    return await asyncio.open_connection("127.0.0.1", house.port, local_addr=(address, 0))


def framed(query: dns.message.Message) -> bytes:
    data = query.to_wire()
    return struct.pack("!H", len(data)) + data


async def heard(reader: Any) -> dns.message.Message:
    async with asyncio.timeout(5):
        return dns.message.from_wire(
            await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        )


async def test_over_tcp_many_are_asked_at_once_in_pieces(house: House) -> None:
    reader, writer = await dial(house, PHONE)
    queries = {
        query.id: query
        for query in (dns.message.make_query(f"n{one}.example", "A") for one in range(20))
    }
    for byte in b"".join(framed(query) for query in queries.values()):
        writer.write(bytes([byte]))
    writer.write_eof()
    for _ in range(len(queries)):
        answer = await heard(reader)
        assert queries.pop(answer.id).is_response(answer)
    # What was asked before the end is answered, then it is closed.
    assert await reader.read() == b""
    writer.close()


async def test_what_is_too_long_for_a_datagram_comes_over_tcp(house: House) -> None:
    house.resolver.zone["big.example", "A"] = [f"@ 60 A 93.184.216.{one}" for one in range(200)]
    short = await house.client(PHONE).ask("big.example")
    assert short.flags & dns.flags.TC
    assert not short.answer
    reader, writer = await dial(house, PHONE)
    writer.write(framed(dns.message.make_query("big.example", "A")))
    assert len((await heard(reader)).answer[0]) == 200
    writer.close()


async def test_slow_and_endless_connections_are_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    reader, writer = await dial(house)
    writer.write(b"\0")
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()


async def test_one_client_has_so_many_connections_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 16)
    opened = [await dial(house, PHONE) for _ in range(6)]
    await asyncio.sleep(0.05)
    closed = [reader.at_eof() or reader.exception() is not None for reader, _ in opened]
    assert sum(closed) == 2
    reader, writer = await dial(house, FRIDGE)
    writer.write(framed(dns.message.make_query(READABLE, "A")))
    assert said(await heard(reader)) == ["127.0.0.77"]
    for _, one in [*opened, (reader, writer)]:
        one.close()


# --- Opening and closing ---


async def test_a_gate_has_an_address_of_its_own(house: House) -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(OSError, match="never on all"):
            await house.firewall.names.open(host, 0, [Stated(address="127.0.0.1", port=9)])
    assert house.firewall.names.is_down
    assert house.firewall.status("fridge").protection is Protection.GATE_DOWN
    await house.firewall.names.close()
    assert not house.firewall.names.is_down


async def test_a_gate_does_not_ask_itself_or_nobody(house: House) -> None:
    for resolvers in ([], [Stated(address="127.0.0.1", port=house.port)]):
        with pytest.raises(ValueError, match="resolver"):
            await house.firewall.names.open("127.0.0.1", house.port, resolvers)


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open(house: House) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        await house.firewall.names.open("127.0.0.1", port, [Stated(address="127.0.0.1", port=9)])
    taken.close()
    await taken.wait_closed()
    again = await house.firewall.names.open(
        "127.0.0.1", port, [Stated(address="127.0.0.1", port=house.resolver.port)]
    )
    assert again == port


async def test_what_asks_in_a_circle_comes_to_an_end(house: House) -> None:
    """The resolver asks us in turn, as a router may: each question is under way once."""
    house.resolver.seen.clear()

    def ask_back(data: bytes, over: str) -> list[bytes]:
        asyncio.get_running_loop().create_task(house.client("127.0.0.10").send(data))
        return []

    house.resolver.answering = ask_back
    assert await house.ask("shop.example", address=PHONE, seconds=15.0) == "SERVFAIL"
    assert len(house.resolver.seen) <= 3


async def test_the_http_gate_asks_the_same_resolvers(house: House) -> None:
    """The machine's own resolver may be this very gate."""
    assert await house.firewall.names.addresses_of("shop.example") == ["93.184.216.3"]
    assert await house.firewall.names.addresses_of("nobody.example") == []
    await house.firewall.names.close()
    assert await house.firewall.names.addresses_of("shop.example") is None


# --- A real client ---


async def dig(house: House, *arguments: str, address: str = FRIDGE) -> str:
    found = shutil.which("dig")
    if found is None:
        pytest.skip("no dig on this machine (Debian: bind9-dnsutils)")
    process = await asyncio.create_subprocess_exec(
        found, "@127.0.0.1", "-p", str(house.port), "-b", address, "+tries=1", "+time=3",
        *arguments, stdout=-1,
    )  # fmt: skip
    return (await process.communicate())[0].decode()


@pytest.mark.parametrize("how", ["+notcp", "+tcp", "+noedns", "+dnssec", "+subnet=192.168.1.0/24"])
async def test_dig_is_answered(shared: House, how: str) -> None:
    assert "127.0.0.77" in await dig(shared, how, READABLE)
    assert "93.184.216.2" in await dig(shared, how, OPAQUE)
    refused = await dig(shared, how, "shop.example")
    assert "status: NXDOMAIN" in refused
    assert "WARNING" not in refused
    assert "93.184.216.3" in await dig(shared, how, "shop.example", address=PHONE)
    asked = {one.asked for one in shared.resolver.seen}
    assert asked == {(OPAQUE, "A"), ("shop.example", "A")}
    assert all(not one.message.options for one in shared.resolver.seen)
