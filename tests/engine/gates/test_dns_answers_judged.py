"""What comes back for an appliance is judged like a question, whatever way it leads elsewhere."""

import struct

import dns.message
import dns.rrset
from name_house import FRIDGE, OPAQUE, PHONE, READABLE, NameHouse as House
import pytest
from resolver import Answering

from engine.gates.dns.upstream import resolvers
from engine.model import Appliance, Decider

STEERED_PAST = bytes([93, 184, 216, 1])
"""Where the name that is read leads outside: no appliance may hear of it."""


@pytest.fixture
def house(name_house: House) -> House:
    return name_house


def answering(
    *answer: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = ()
) -> Answering:
    """A resolver that answers everything with these records; `@` is the name that was asked."""

    def answered(data: bytes, over: str) -> list[bytes]:
        made = dns.message.make_response(dns.message.from_wire(data))
        for section, lines in (
            (made.answer, answer), (made.authority, authority), (made.additional, additional),
        ):  # fmt: skip
            for line in lines:
                owner, ttl, kind, text = line.split(" ", 3)
                name = made.question[0].name if owner == "@" else owner + "."
                section.append(dns.rrset.from_text(name, int(ttl), "IN", kind, text))
        return [made.to_wire()]

    return answered


async def heard(house: House, name: str, kind: str = "A", address: str = FRIDGE) -> bytes:
    """What a client hears, byte for byte."""
    client = house.client(address)
    await client.send(dns.message.make_query(name, kind).to_wire())
    data = await client.receive(10.0)
    assert data is not None
    return data


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("SRV", f"0 0 443 {READABLE}."),
        ("MX", f"10 {READABLE}."),
        ("NAPTR", f'10 20 "s" "SIP+D2U" "" {READABLE}.'),
        ("HTTPS", f"1 {READABLE}. alpn=h2"),
        ("CNAME", f"{READABLE}."),
    ],
)
async def test_no_record_leads_to_a_name_that_is_read(shared: House, kind: str, data: str) -> None:
    shared.resolver.answering = answering(
        f"@ 60 {kind} {data}", additional=(f"{READABLE} 60 A 93.184.216.1",)
    )
    assert await shared.ask(OPAQUE, kind) == "NXDOMAIN"
    assert len(shared.resolver.seen) == 1
    # Whoever is no appliance may go there, and hears all of it.
    assert STEERED_PAST in await heard(shared, OPAQUE, kind, PHONE)


async def test_addresses_of_a_name_that_is_read_do_not_ride_along(shared: House) -> None:
    """Beside the answer they are left out; among its records they are a reason to refuse it."""
    other = f"{READABLE} 60 A 93.184.216.1"
    shared.resolver.answering = answering("@ 0 A 93.184.216.2", additional=(other,))
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert STEERED_PAST not in await heard(shared, OPAQUE)
    assert STEERED_PAST in await heard(shared, OPAQUE, address=PHONE)
    shared.resolver.answering = answering("@ 0 A 93.184.216.2", other)
    assert await shared.ask(OPAQUE) == "NXDOMAIN"


async def test_an_appliance_gets_nothing_that_it_did_not_ask_for(shared: House) -> None:
    shared.resolver.answering = answering(
        "@ 60 A 93.184.216.2",
        authority=("frost.example 60 NS ns.frost.example.",),
        additional=("ns.frost.example 60 A 93.184.216.9",),
    )
    for address, count in ((FRIDGE, 0), (PHONE, 1)):
        answer = dns.message.from_wire(await heard(shared, OPAQUE, address=address))
        assert [str(one[0]) for one in answer.answer] == ["93.184.216.2"]
        assert (len(answer.authority), len(answer.additional)) == (count, count)


@pytest.mark.parametrize("first", ["a_other", "z_other"])
async def test_an_alias_is_judged_for_each_that_the_client_may_be(
    shared: House, first: str
) -> None:
    """Two appliances at one address, of which one is let through: it may be the other."""
    shared.state(
        Appliance(id=first, name="Other", addresses=frozenset({FRIDGE})),
        Appliance(id="fridge", name="Fridge", addresses=frozenset({FRIDGE})),
    )
    shared.resolver.zone[OPAQUE, "A"] = shared.resolver.zone["alias.example", "A"]
    decider = Decider(how="test")
    await shared.firewall.consents.let_through(first, decider, seconds=600)
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    await shared.firewall.consents.let_through("fridge", decider, seconds=600)
    assert await shared.ask(OPAQUE) == ["93.184.216.1", f"{READABLE}."]


@pytest.mark.parametrize("cls", [3, 4, 255], ids=["chaos", "hesiod", "any"])
async def test_an_address_of_another_class_leads_nobody_home(
    house: House, monkeypatch: pytest.MonkeyPatch, cls: int
) -> None:
    """Some clients look at the type alone."""
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.1)

    def answered(data: bytes, over: str) -> list[bytes]:
        made = dns.message.make_response(dns.message.from_wire(data, ignore_trailing=True))
        wire = bytearray(made.to_wire())
        end = wire.index(0, 12) + 5
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, 1, cls, 60, 4) + bytes([192, 168, 1, 1])
        return [head + wire[12:end] + record]

    house.resolver.answering = answered
    assert await house.ask("rebinding.example", address=PHONE, seconds=20.0) == "SERVFAIL"
    assert house.resolver.seen


# --- What the HTTP gate is told ---


async def test_it_takes_only_addresses_of_the_host(house: House) -> None:
    """Those of a name server or of another name would be called with what was meant for it."""
    house.resolver.answering = answering(
        "@ 60 CNAME a.cdn.example.",
        "a.cdn.example 60 A 93.184.216.1",
        "other.example 60 A 93.184.216.250",
        authority=("frost.example 60 NS ns.frost.example.",),
        additional=("ns.frost.example 60 A 93.184.216.251",),
    )
    assert await house.firewall.names.addresses_of(READABLE) == ["93.184.216.1"]


@pytest.mark.parametrize("name", ["nas.lan", "nas", "1.1.168.192.in-addr.arpa", "a.localhost"])
async def test_it_does_not_ask_outside_for_the_homes_names(house: House, name: str) -> None:
    house.configure(has_resolver_at_home=False)
    assert await house.firewall.names.addresses_of(name) is None
    assert house.resolver.seen == []


async def test_it_asks_at_home_for_them_where_that_is_said(house: House) -> None:
    house.configure(has_resolver_at_home=True)
    assert await house.firewall.names.addresses_of("nas.lan") == ["192.168.1.5"]
    assert await house.firewall.names.addresses_of("a.localhost") is None


async def test_a_host_is_the_same_with_a_dot_at_its_end(house: House) -> None:
    assert await house.firewall.names.addresses_of("Shop.Example.") == ["93.184.216.3"]


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "a" * 300, "a." * 140 + "example", "a..example", "", "."]
)
async def test_what_is_no_host_name_is_an_error_of_the_network(house: House, host: str) -> None:
    """Whoever asks expects that a host may not be found, and nothing else."""
    with pytest.raises(OSError, match="not a host name"):
        await house.firewall.names.addresses_of(host)
    assert house.resolver.seen == []
