"""Questions as bytes: what dnspython writes is read as meant, and the other way round."""

import base64
from collections import Counter
from collections.abc import Iterator
import gzip
import json
import random
import struct

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from hypothesis import given, strategies as st
import pytest

from engine.gates.dns import message
from engine.gates.dns.message import Malformed, Query, read_query
from helpers import corpus

ALL_OPTIONS = [
    dns.edns.ECSOption("203.0.113.0", 24),
    dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"8 bytes!"),
    dns.edns.GenericOption(65001, bytes.fromhex("02005e004201")),
    dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(31)),
    dns.edns.GenericOption(dns.edns.OptionType.NSID, b""),
]


def asked(name: str = "api.vendor.example", kind: str = "A", **more: object) -> bytes:
    """A question as a real client library writes it."""
    return dns.message.make_query(name, kind, **more).to_wire()


def read(name: str = "api.vendor.example", kind: str = "A", **more: object) -> Query:
    return read_query(asked(name, kind, **more))


# --- Questions ---


@pytest.mark.parametrize("kind", ["A", "AAAA", "HTTPS", "TXT", "TYPE65280"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("api.vendor.example", "api.vendor.example"),
        ("API.Vendor.EXAMPLE", "api.vendor.example"),
        ("_dns.resolver.arpa", "_dns.resolver.arpa"),
        (".", ""),
        (r"a\.b.example", r"a\046b.example"),
        (r"\001\255.example", r"\001\255.example"),
        (r"\"quoted\".example", r"\034quoted\034.example"),
        ("x" * 63 + ".example", "x" * 63 + ".example"),
    ],
)
def test_a_question_is_read_as_it_was_meant(name: str, text: str, kind: str) -> None:
    data = asked(name, kind)
    meant = dns.message.from_wire(data)
    query = read_query(data)
    assert (query.id, query.type, query.cls) == (meant.id, meant.question[0].rdtype, 1)
    assert query.name == text
    assert query.wire_name == dns.name.from_text(name).to_wire()
    assert query.recursion_desired
    assert not query.checking_disabled


@pytest.mark.parametrize(
    ("said", "taken"), [(None, 512), (100, 512), (900, 900), (1232, 1232), (4096, 1232)]
)
def test_as_many_bytes_are_sent_as_are_taken(said: int | None, taken: int) -> None:
    query = read(use_edns=said is not None, payload=said or 0)
    assert (query.edns, query.udp_size) == (said is not None, taken)


def test_flags_are_read() -> None:
    query = read(want_dnssec=True, flags=dns.flags.CD)
    assert query.dnssec_ok
    assert query.checking_disabled
    assert not query.recursion_desired


def test_of_a_question_nothing_goes_on_but_name_and_type() -> None:
    """Client subnets, cookies, addresses, padding, letter case, flags and numbers stay here."""
    plain = asked("api.vendor.example", use_edns=False)
    marked = asked(
        "aPi.VeNdOr.exaMPle",
        use_edns=0,
        options=ALL_OPTIONS,
        want_dnssec=True,
        flags=dns.flags.CD | dns.flags.AD | dns.flags.RD,
        payload=4095,
    )
    written = [
        message.write_question(
            7, query.wire_name.lower(), query.type, dnssec_ok=False, checking_disabled=False
        )
        for query in map(read_query, (plain, marked))
    ]
    assert written[0] == written[1]
    sent = dns.message.from_wire(written[0])
    assert (sent.id, sent.flags, sent.options, sent.payload) == (7, dns.flags.RD, (), 1232)
    assert (sent.edns, sent.ednsflags) == (0, 0)
    assert [str(one) for one in sent.question] == ["api.vendor.example. IN A"]
    assert not sent.answer + sent.authority


@pytest.mark.parametrize("dnssec_ok", [False, True])
@pytest.mark.parametrize("checking_disabled", [False, True])
def test_signatures_are_asked_for_only_where_they_are_wanted(
    dnssec_ok: bool, checking_disabled: bool
) -> None:
    written = message.write_question(
        7, read().wire_name, 1, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled
    )
    sent = dns.message.from_wire(written)
    assert bool(sent.ednsflags & dns.flags.DO) is dnssec_ok
    assert bool(sent.flags & dns.flags.CD) is checking_disabled


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (b"", None),
        (b"\0" * 11, None),
        (asked()[:2] + b"\x81" + asked()[3:], None),
        (asked()[:2] + b"\x29" + asked()[3:], 4),
        (asked()[:4] + b"\0\0" + asked()[6:], 1),
        (asked()[:4] + b"\0\2" + asked()[6:], 1),
        (asked()[:6] + b"\0\1" + asked()[8:], 1),
        (asked()[:8] + b"\0\1" + asked()[10:], 1),
        (asked()[:-1], 1),
        (asked() + b"!", 1),
        (asked()[:20], 1),
        (asked(use_edns=0)[:-1], 1),
        (asked(use_edns=0) + b"!", 1),
        (asked(use_edns=1), 16),
        (asked()[:12] + b"\xc0\x0c" + asked()[32:], 1),
        (asked()[:12] + b"\x40" + asked()[13:], 1),
        (struct.pack("!6H", 1, 256, 1, 0, 0, 0) + (b"\x3f" + b"x" * 63) * 4 + b"\0\0\1\0\1", 1),
    ],
    ids=[
        "nothing", "half a header", "a response", "another operation", "no question",
        "two questions", "an answer in it", "an authority in it", "cut short", "bytes behind",
        "cut in the name", "cut in EDNS", "bytes behind EDNS", "EDNS of a later version",
        "a compressed name", "a label of 64", "a name of 257 bytes",
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused(data: bytes, rcode: int | None) -> None:
    with pytest.raises(Malformed) as caught:
        read_query(data)
    assert caught.value.rcode == rcode
    assert "vendor" not in str(caught.value)


def test_an_option_that_is_cut_short_is_refused() -> None:
    data = bytearray(asked(use_edns=0, options=ALL_OPTIONS[:1]))
    data[-9:-8] = b"\xff"
    with pytest.raises(Malformed):
        read_query(bytes(data))


def test_two_edns_records_are_refused() -> None:
    data = asked(use_edns=0)
    twice = data[:10] + b"\0\2" + data[12:] + data[-11:]
    with pytest.raises(Malformed) as caught:
        read_query(twice)
    assert caught.value.rcode == 1


# --- Names ---


LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=6).filter(
    lambda labels: sum(len(one) + 1 for one in labels) < 255
)


@given(LABELS)
def test_two_names_have_one_text_only_if_they_differ_in_case(labels: list[bytes]) -> None:
    wire_name = b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
    text = message.text_of(wire_name)
    assert text.isascii()
    assert text == text.lower()
    back = dns.name.from_text(text or ".", origin=dns.name.root)
    assert back.to_wire() == wire_name.lower()


@given(LABELS, st.integers(min_value=0))
def test_the_case_of_letters_alone_is_random(labels: list[bytes], bits: int) -> None:
    wire_name = b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
    bits &= (1 << 8 * len(wire_name)) - 1
    cased = message.randomise_case(wire_name, bits)
    assert cased.lower() == wire_name.lower()
    assert message.randomise_case(cased, bits) == wire_name


def test_case_carries_a_bit_per_letter() -> None:
    wire_name = dns.name.from_text("api.vendor.example").to_wire()
    chance = random.Random(1)
    cased = {
        message.randomise_case(wire_name, chance.getrandbits(8 * len(wire_name)))
        for _ in range(300)
    }
    assert len(cased) > 290


@pytest.mark.parametrize(
    "name",
    [b"\xc0\x00", b"\x01a\xc0\x02", b"\x01a\xc0\x00", b"\x80", b"\x41", b"\x05ab", b"\xc0", b""],
    ids=["itself", "behind itself", "in a circle", "reserved", "another kind", "cut", "half", "no"],
)
def test_a_name_that_leads_nowhere_is_refused(name: bytes) -> None:
    with pytest.raises(Malformed):
        message.read_name(name, 0)


def test_a_chain_of_pointers_ends() -> None:
    """Each leads back by two bytes; a name has no more of them than it can have labels."""
    chain = bytes(14) + b"".join(struct.pack("!H", 0xC00C + 2 * one) for one in range(8000))
    longest = 14 + 2 * (message.MAX_POINTERS - 1)
    assert message.read_name(chain, longest) == ""
    for at in (longest + 2, len(chain) - 2):
        with pytest.raises(Malformed):
            message.read_name(chain, at)


# --- Answers of our own ---


@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize(
    ("kind", "packed", "text"),
    [("A", bytes([192, 0, 2, 7]), "192.0.2.7"), ("AAAA", b"\xfd" + bytes(14) + b"\1", "fd00::1")],
)
def test_addresses_are_answered(kind: str, packed: bytes, text: str, edns: bool) -> None:
    query = read("Api.Vendor.Example", kind, use_edns=edns)
    answer = dns.message.from_wire(message.answer_addresses(query, [packed], 60))
    assert dns.message.make_query("api.vendor.example", kind, id=query.id).is_response(answer)
    assert answer.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    # The spelling is the client's: some compare it (0x20).
    assert str(answer.question[0].name) == "Api.Vendor.Example."
    assert [str(one) for one in answer.answer] == [f"Api.Vendor.Example. 60 IN {kind} {text}"]
    assert (answer.edns >= 0) is edns


@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize("rcode", [0, 2, 3, 5])
def test_nothing_is_answered(rcode: int, edns: bool) -> None:
    query = read(use_edns=edns)
    answer = dns.message.from_wire(message.answer_nothing(query, rcode, 10))
    assert answer.rcode() == rcode
    assert not answer.answer
    assert (answer.edns >= 0) is edns
    if rcode in (0, 3):
        [soa] = answer.authority
        assert (soa.rdtype, soa.ttl, soa[0].minimum) == (dns.rdatatype.SOA, 10, 10)
    else:
        assert not answer.authority


@pytest.mark.parametrize("rcode", [1, 4, 16])
def test_what_could_not_be_read_is_answered_with_its_number(rcode: int) -> None:
    data = message.answer_malformed(asked(id=77, use_edns=0), rcode)
    assert data is not None
    answer = dns.message.from_wire(data)
    assert (answer.id, answer.rcode(), answer.question) == (77, rcode, [])
    assert answer.flags & dns.flags.QR
    assert message.answer_malformed(b"\0" * 11, 1) is None


# --- Anything ---


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    rcode = None
    try:
        read_query(data)
    except Malformed as err:
        rcode = err.rcode
    assert rcode is None or message.answer_malformed(data, rcode) is not None


def test_any_change_of_a_question_is_read_or_refused() -> None:
    """And what is read is read as dnspython reads it, where that reads it at all."""
    chance = random.Random(20)
    seeds = [asked(), asked(use_edns=0, options=ALL_OPTIONS), asked("x.y.z.example", "HTTPS")]
    outcomes: Counter[bool] = Counter()
    for _ in range(20_000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        try:
            query = read_query(bytes(data))
        except Malformed:
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        try:
            meant = dns.message.from_wire(bytes(data))
        except dns.exception.FormError:
            # What stands in an option is of no interest to us.
            continue
        assert query.wire_name == meant.question[0].name.to_wire()
        assert query.type == meant.question[0].rdtype
    assert min(outcomes.values()) > 1_000


# --- The corpus ---


def frames_of(blob: bytes) -> Iterator[bytes]:
    """The messages of a TCP stream; the last one may be cut short."""
    while len(blob) >= 2:
        end = 2 + int.from_bytes(blob[:2])
        yield blob[2:end]
        blob = blob[end:]


def outcome(data: bytes) -> str | int | None:
    """What was asked, or how it is refused."""
    try:
        query = read_query(data)
    except Malformed as err:
        return err.rcode
    return f"{query.name} {dns.rdatatype.to_text(query.type)}{' edns' * query.edns}"


def test_malformed_messages_of_the_suite_are_refused() -> None:
    """Streams as a client sends them; the largest of them are nothing but ones."""
    folder = corpus("suites/dns_malformed")
    heard = {
        path.stem: [outcome(frame) for frame in frames_of(path.read_bytes())]
        for path in folder.glob("*.blob")
    }
    assert heard == {
        "empty": [],
        "emptypayload": [None],
        "largesttcp": [None],
        "largestudp": [None],
        "missingpayload": [None],
        "querywithcookie": [" NS edns"],
        "shortpayload": [None],
        "tooshortlength": [],
        "twoquerieswithnsid": ["www.google.com AAAA edns"] * 2,
    }


def test_odd_names_of_the_suite_are_read_as_they_were_meant() -> None:
    read_names = set()
    for path in sorted(corpus("suites/dns_malformed").glob("datafile*")):
        for line in path.read_text(encoding="latin-1").splitlines():
            name, kind = line.split()[:2]
            try:
                meant = dns.message.make_query(name, kind)
            except ValueError, dns.exception.DNSException:
                # No such type, or a name that cannot be written: no client could ask that.
                continue
            query = read_query(meant.to_wire())
            assert query.wire_name == meant.question[0].name.to_wire()
            assert query.type == meant.question[0].rdtype
            read_names.add(query.name)
    assert {"", "google.com", r"valid\046quote.com", r"\001"} <= read_names
    assert len(read_names) > 20


@pytest.mark.corpus
def test_questions_of_real_appliances_are_read(tables: dict[str, list[str]]) -> None:
    count: Counter[str] = Counter()
    with gzip.open(corpus("dns/appliance_queries.jsonl.gz"), "rt") as lines:
        for line in lines:
            data = base64.b64decode(json.loads(line)["wire"])
            meant = dns.message.from_wire(data)
            query = read_query(data)
            [question] = meant.question
            assert query.id == meant.id
            assert query.wire_name == question.name.to_wire()
            assert (query.type, query.cls) == (question.rdtype, question.rdclass)
            assert query.edns is (meant.edns >= 0)
            assert query.dnssec_ok is bool(meant.ednsflags & dns.flags.DO)
            count[dns.rdatatype.to_text(query.type)] += 1
    assert sum(count.values()) == 27_893
    tables["questions of real appliances, by type"] = [
        f"{kind:10} {number:6}" for kind, number in count.most_common()
    ]
