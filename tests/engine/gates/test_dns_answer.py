"""What resolvers answer: read for what it leads to, and written again for the client."""

from ipaddress import ip_address
from typing import Any

from answers import NAME, SOA, answered, question, response
import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from engine.gates.dns.answer import MAX_RECORDS, Answer, read_answer, reply
from engine.gates.dns.message import Malformed, read_query


def test_what_an_answer_leads_to_is_all_known() -> None:
    answer = answered(
        f"{NAME} 300 CNAME a.cdn.example.",
        "a.cdn.example 200 CNAME b.cdn.example.",
        "b.cdn.example 100 A 203.0.113.9",
        "b.cdn.example 100 A 203.0.113.10",
        additional=("other.example 5 AAAA fd00::1",),
    )
    assert answer.aliases == ("a.cdn.example", "b.cdn.example")
    assert {len(one) for one in answer.addresses} == {4, 16}
    assert len(answer.addresses) == 3
    # It holds for as long as what answers it does.
    assert (answer.rcode, answer.ttl) == (0, 100)


def test_hints_and_targets_of_a_service_binding_are_known() -> None:
    answer = answered(
        f"{NAME} 60 HTTPS 1 svc.vendor.example. alpn=h3 ipv4hint=192.168.1.1 ipv6hint=fd00::7",
        f"{NAME} 60 HTTPS 2 . alpn=h2 ipv4hint=203.0.113.1,203.0.113.2",
        kind="HTTPS",
    )
    assert answer.aliases == ("svc.vendor.example",)
    assert bytes([192, 168, 1, 1]) in answer.addresses
    assert len(answer.addresses) == 4


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("SRV", "0 0 443 svc.vendor.example."),
        ("MX", "10 svc.vendor.example."),
        ("NAPTR", '10 20 "s" "SIP+D2U" "" svc.vendor.example.'),
        ("NAPTR", '10 20 "" "" "" svc.vendor.example.'),
    ],
)
def test_targets_of_services_are_known(kind: str, data: str) -> None:
    answer = answered(f"{NAME} 60 {kind} {data}", kind=kind)
    assert answer.aliases == ("svc.vendor.example",)
    # A single dot says that there is none.
    nowhere = data.replace("svc.vendor.example.", ".")
    assert answered(f"{NAME} 60 {kind} {nowhere}", kind=kind).aliases == ()


def test_a_redirected_zone_is_an_alias() -> None:
    answer = answered(
        "vendor.example 60 DNAME tracker.example.", f"{NAME} 60 CNAME api.tracker.example.",
    )  # fmt: skip
    assert answer.aliases == ("tracker.example", "api.tracker.example")


@pytest.mark.parametrize(
    ("lines", "more", "ttl"),
    [
        ((), {"rcode": 3, "authority": (SOA,)}, 300),
        ((), {"authority": (SOA,)}, 300),
        ((), {"authority": (SOA.replace(" 900 ", " 30 "),)}, 30),
        ((), {"rcode": 3}, 0),
        ((), {"rcode": 2, "authority": (SOA,)}, 0),
        ((f"{NAME} 60 CNAME x.example.",), {"authority": (SOA,)}, 60),
        ((f"{NAME} 60 CNAME x.example.",), {}, 0),
        ((f"{NAME} 0 A 203.0.113.9",), {}, 0),
        ((f"{NAME} 4000000000 A 203.0.113.9",), {}, 0),
    ],
    ids=[
        "no name", "no data", "by the record's own time", "without a zone", "failed",
        "an alias of nothing", "an alias and no more", "not at all", "a time below zero",
    ],
)  # fmt: skip
def test_for_how_long_it_holds(lines: tuple[str, ...], more: dict[str, object], ttl: int) -> None:
    assert answered(*lines, **more).ttl == ttl


def test_only_an_answer_to_this_very_question_counts() -> None:
    asked = question()
    good = response(asked, f"{NAME} 60 A 203.0.113.9")
    assert read_answer(good, asked).addresses
    other_case = question().replace(b"\x03", b"\x03", 1)
    assert other_case == asked
    swapped = good[:12] + good[12:16].swapcase() + good[16:]
    for data in (
        good[:1] + b"\xff" + good[2:],
        swapped,
        response(question("api.vendor.exampl"), f"{NAME} 60 A 203.0.113.9"),
        response(question(kind="AAAA"), f"{NAME} 60 A 203.0.113.9"),
        asked,
        good[:20],
        b"",
    ):
        with pytest.raises(Malformed):
            read_answer(data, asked)


def test_a_client_gets_its_own_number_spelling_and_flags() -> None:
    answer = answered(f"{NAME} 300 A 203.0.113.9", flags=dns.flags.AD | dns.flags.AA)
    client = dns.message.make_query("aPI.vendor.EXAMPLE", "A", use_edns=False, id=4321)
    written = dns.message.from_wire(
        reply(answer, read_query(client.to_wire()), age=100, max_ttl=None, limit=512)
    )
    assert client.is_response(written)
    assert str(written.question[0].name) == "aPI.vendor.EXAMPLE."
    assert written.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    assert [str(one) for one in written.answer] == ["aPI.vendor.EXAMPLE. 200 IN A 203.0.113.9"]
    assert written.edns < 0


@pytest.mark.parametrize(
    ("age", "cap", "left"),
    [(0, None, 300), (299, None, 1), (400, None, 0), (0, 60, 60), (290, 60, 10)],
)
def test_time_goes_on(age: int, cap: int | None, left: int) -> None:
    answer = answered(f"{NAME} 300 A 203.0.113.9")
    query = read_query(dns.message.make_query(NAME, "A").to_wire())
    written = dns.message.from_wire(reply(answer, query, age=age, max_ttl=cap, limit=512))
    assert written.answer[0].ttl == left


def test_the_resolvers_own_edns_stays_here() -> None:
    asked = question()
    made = dns.message.make_response(dns.message.from_wire(asked))
    made.use_edns(0, 0, 4096, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"box7")])
    made.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "A", "203.0.113.9"))
    answer = read_answer(made.to_wire(), asked)
    for edns in (False, True):
        client = dns.message.make_query(NAME, "A", use_edns=edns, payload=4096)
        written = reply(answer, read_query(client.to_wire()), age=0, max_ttl=None, limit=1232)
        assert b"box7" not in written
        read = dns.message.from_wire(written)
        assert (read.edns >= 0) is edns
        assert read.options == ()
        assert len(read.answer) == 1


def test_what_is_too_long_is_left_out_and_said_to_be() -> None:
    answer = answered(*(f"{NAME} 60 A 203.0.113.{one}" for one in range(60)))
    query = read_query(dns.message.make_query(NAME, "A", use_edns=False).to_wire())
    short = dns.message.from_wire(reply(answer, query, age=0, max_ttl=None, limit=512))
    assert short.flags & dns.flags.TC
    assert not short.answer
    whole = dns.message.from_wire(reply(answer, query, age=0, max_ttl=None, limit=65_535))
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 60


def test_what_was_cut_by_the_resolver_is_said_to_be() -> None:
    asked = question()
    data = response(asked, f"{NAME} 60 A 203.0.113.9", flags=dns.flags.TC)
    for cut in (data, data[:-25]):
        answer = read_answer(cut, asked)
        assert answer.truncated
        assert answer.ttl == 0


def test_failures_pass_as_they_are() -> None:
    answer = answered(rcode=2)
    query = read_query(dns.message.make_query(NAME, "A").to_wire())
    written = dns.message.from_wire(reply(answer, query, age=0, max_ttl=None, limit=512))
    assert written.rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("edns", [False, True])
def test_a_failure_of_the_connection_to_the_resolver_is_no_empty_answer(edns: bool) -> None:
    """Its code has four more bits in EDNS, which is between the resolver and us."""
    answer = answered(rcode=dns.rcode.BADCOOKIE)
    assert (answer.rcode, answer.ttl) == (23, 0)
    query = read_query(dns.message.make_query(NAME, "A", use_edns=edns).to_wire())
    written = dns.message.from_wire(reply(answer, query, age=0, max_ttl=None, limit=512))
    assert written.rcode() == dns.rcode.SERVFAIL


def test_more_records_than_any_answer_has_are_not_read() -> None:
    asked = question()
    data = bytearray(response(asked, f"{NAME} 60 A 203.0.113.9"))
    data[6:8] = (MAX_RECORDS + 1).to_bytes(2)
    with pytest.raises(Malformed):
        read_answer(bytes(data), asked)


# --- What answers the question itself ---


def own(*lines: str, kind: str = "A", **more: object) -> list[str]:
    return [str(ip_address(one)) for one in answered(*lines, kind=kind, **more).own]


def test_addresses_of_the_name_are_its_own_by_way_of_its_aliases() -> None:
    chain = (
        f"{NAME} 300 CNAME a.cdn.example.",
        "a.cdn.example 200 CNAME b.cdn.example.",
        "b.cdn.example 100 A 203.0.113.9",
    )
    assert own(*chain) == ["203.0.113.9"]
    assert own(f"{NAME} 60 AAAA 2606:4700::1", kind="AAAA") == ["2606:4700::1"]
    # However they are spelled, and where a whole zone is redirected.
    assert own(f"{NAME.upper()} 60 A 203.0.113.9") == ["203.0.113.9"]
    assert own(
        "vendor.example 60 DNAME tracker.example.",
        f"{NAME} 60 CNAME api.tracker.example.",
        "api.tracker.example 60 A 203.0.113.9",
    ) == ["203.0.113.9"]


@pytest.mark.parametrize(
    ("lines", "more"),
    [
        (("other.example 60 A 203.0.113.9",), {}),
        ((f"{NAME} 60 AAAA 2606:4700::1",), {}),
        ((f"{NAME} 60 A 203.0.113.9",), {"rcode": 3}),
        ((f"{NAME} 60 A 203.0.113.9",), {"flags": dns.flags.TC}),
        ((), {"additional": (f"{NAME} 60 A 203.0.113.9",)}),
        (("a.cdn.example 60 A 203.0.113.9",), {"authority": (f"{NAME} 60 CNAME a.cdn.example.",)}),
        (("a.cdn.example 60 A 203.0.113.9",), {"additional": (f"{NAME} 60 CNAME a.cdn.example.",)}),
    ],
    ids=[
        "of another name", "of another type", "no such name", "cut", "beside the answer",
        "an alias among authorities", "an alias beside the answer",
    ],
)  # fmt: skip
def test_no_other_address_is_its_own(lines: tuple[str, ...], more: dict[str, object]) -> None:
    answer = answered(*lines, **more)
    assert answer.own == ()
    # It is known all the same, for it is passed on to some.
    assert len(answer.addresses) == 1


def test_another_name_in_the_answer_is_one_that_it_leads_to() -> None:
    answer = answered(f"{NAME} 60 A 203.0.113.9", "other.example 60 A 203.0.113.10")
    assert answer.aliases == ("other.example",)
    assert answer.own == (bytes([203, 0, 113, 9]),)
    # Its own name is none, nor one that it was redirected from.
    assert answered(f"{NAME.upper()} 60 A 203.0.113.9").aliases == ()
    redirected = answered("vendor.example 60 DNAME tracker.example.")
    assert redirected.aliases == ("tracker.example",)


# --- For an appliance ---


def lean(answer: Answer, *, limit: int = 1232, **more: Any) -> dns.message.Message:
    """What an appliance gets, which a real library must be able to read to its end."""
    query = read_query(dns.message.make_query(NAME, "A", **more).to_wire())
    return dns.message.from_wire(
        reply(answer, query, age=10, max_ttl=60, limit=limit, lean=True), one_rr_per_rrset=True
    )


@pytest.mark.parametrize("edns", [False, True])
def test_what_stands_beside_an_answer_is_left_out(edns: bool) -> None:
    answer = answered(
        f"{NAME} 300 CNAME a.cdn.example.",
        "a.cdn.example 30 A 203.0.113.9",
        authority=("cdn.example 300 NS ns.cdn.example.",),
        additional=("ns.cdn.example 300 A 203.0.113.10", f"{NAME} 300 A 203.0.113.11"),
    )
    written = lean(answer, use_edns=edns)
    assert [str(one) for one in written.answer] == [
        f"{NAME}. 60 IN CNAME a.cdn.example.", "a.cdn.example. 20 IN A 203.0.113.9",
    ]  # fmt: skip
    assert (written.authority, written.additional) == ([], [])
    assert (written.edns >= 0) is edns
    # Whoever is no appliance gets all of it.
    query = read_query(dns.message.make_query(NAME, "A", use_edns=edns).to_wire())
    whole = dns.message.from_wire(reply(answer, query, age=10, max_ttl=None, limit=1232))
    assert (len(whole.answer), len(whole.authority), len(whole.additional)) == (2, 1, 2)


@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
@pytest.mark.parametrize("lines", [(), (f"{NAME} 300 CNAME x.example.",)], ids=["none", "an alias"])
def test_that_there_is_nothing_holds_for_a_while(rcode: int, lines: tuple[str, ...]) -> None:
    """The zone's start says for how long: it stays, for no longer than an address would."""
    more = ("vendor.example 900 NS ns.vendor.example.",)
    answer = answered(*lines, authority=(SOA, *more), additional=("ns.x 9 A 1.1.1.1",), rcode=rcode)
    written = lean(answer)
    assert written.rcode() == rcode
    assert len(written.answer) == len(lines)
    [zone] = written.authority
    assert (zone.rdtype, zone.ttl) == (dns.rdatatype.SOA, 60)
    assert written.additional == []


def test_only_what_is_left_has_to_fit() -> None:
    beside = tuple(f"ns{one}.vendor.example 60 A 203.0.113.{one}" for one in range(30))
    answer = answered(f"{NAME} 60 A 203.0.113.9", additional=beside)
    assert len(lean(answer, limit=512, use_edns=False).answer) == 1
    many = answered(*(f"{NAME} 60 A 203.0.113.{one}" for one in range(60)))
    assert lean(many, limit=512, use_edns=False).flags & dns.flags.TC
