"""What resolvers answer: read for what it leads to, and written again for the client."""

from answers import NAME, SOA, answered, question, response
import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from engine.gates.dns.answer import MAX_RECORDS, read_answer, reply
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
