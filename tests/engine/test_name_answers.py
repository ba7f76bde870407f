"""The self-test's own reader of DNS answers, against dnspython's writing."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from engine.name_answers import NAME_ERROR, NO_ERROR, Answer, Unreadable, read

ASKED = dns.message.make_query("ClOuD.example", "A", use_edns=0)
QUESTION = ASKED.to_wire()
LED = bytes([127, 4, 5, 6])


def answer(
    *records: str, authority: str = "", additional: str = "", rcode: int = NO_ERROR
) -> dns.message.Message:
    made = dns.message.make_response(ASKED)
    made.set_rcode(dns.rcode.Rcode(rcode))
    for section, lines in (
        (made.answer, records),
        (made.authority, [authority] if authority else []),
        (made.additional, [additional] if additional else []),
    ):
        for line in lines:
            owner, kind, data = line.split(" ", 2)
            section.append(dns.rrset.from_text(owner, 60, "IN", kind, data))
    return made


SOA = "example. SOA ns.example. who.example. 1 2 3 4 5"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (answer(), Answer(NO_ERROR, ())),
        (answer(authority=SOA, rcode=NAME_ERROR), Answer(NAME_ERROR, ())),
        (answer("cloud.example. A 127.4.5.6"), Answer(NO_ERROR, (LED,))),
        (
            answer("cloud.example. A 127.4.5.6", "cloud.example. A 0.0.0.0"),
            Answer(NO_ERROR, (LED, bytes(4))),
        ),
        (answer("other.example. A 127.4.5.6"), Answer(NO_ERROR, None)),
        (answer("cloud.example. AAAA fd00::1"), Answer(NO_ERROR, None)),
        (answer("cloud.example. CNAME other.example."), Answer(NO_ERROR, None)),
        (answer(SOA), Answer(NO_ERROR, None)),
        (answer(authority="cloud.example. A 127.4.5.6"), Answer(NO_ERROR, None)),
        (answer(authority="example. NS ns.example."), Answer(NO_ERROR, None)),
        (
            answer(additional="cloud.example. A 127.4.5.6", rcode=NAME_ERROR),
            Answer(NAME_ERROR, None),
        ),
    ],
)
def test_what_an_answer_says(made: dns.message.Message, says: Answer) -> None:
    assert read(made.to_wire(), QUESTION) == says


def test_every_cut_is_unreadable() -> None:
    whole = answer("cloud.example. A 127.4.5.6", authority=SOA).to_wire()
    for end in range(len(whole)):
        with pytest.raises(Unreadable):
            read(whole[:end], QUESTION)
    with pytest.raises(Unreadable):
        read(whole + b"\0", QUESTION)


@pytest.mark.parametrize(
    ("flags", "is_one"),
    [(dns.flags.QR, True), (0, False), (dns.flags.QR | dns.flags.TC, False), (0xA000, False)],
)
def test_only_whole_answers_to_a_query_are_one(flags: int, is_one: bool) -> None:
    made = bytearray(answer().to_wire())
    made[2:4] = flags.to_bytes(2)
    if is_one:
        assert read(bytes(made), QUESTION) == Answer(NO_ERROR, ())
        return
    with pytest.raises(Unreadable):
        read(bytes(made), QUESTION)


@pytest.mark.parametrize("at", [0, 1, 5, 13, 12 + 15, 12 + 18])
def test_another_number_or_question_is_none(at: int) -> None:
    """Number, count of questions, a letter's case, type and class."""
    made = bytearray(answer().to_wire())
    made[at] ^= 0x20
    with pytest.raises(Unreadable):
        read(bytes(made), QUESTION)


@pytest.mark.parametrize(
    "owner", [b"\xc0", b"\xc0\x1f", b"\xc0\x21", b"\xff\xff", b"\x40" + bytes(80), b"\x05ab"]
)
def test_owners_that_are_no_names(owner: bytes) -> None:
    """Pointers to themselves, ahead or beyond the end, and labels that are too long or cut."""
    made = dns.message.make_response(dns.message.make_query("ClOuD.example", "A", id=ASKED.id))
    data = bytearray(made.to_wire())
    assert len(data) == 0x1F
    data[7] = 1
    with pytest.raises(Unreadable):
        read(bytes(data) + owner, QUESTION)


@pytest.mark.parametrize(("last", "is_name"), [(61, True), (62, False)])
def test_a_name_has_255_bytes_at_most(last: int, *, is_name: bool) -> None:
    data = bytearray(answer().to_wire())
    data[7] = 1
    owner = 3 * (b"\x3f" + 63 * b"a") + bytes([last]) + last * b"a" + b"\0"
    record = owner + b"\0\1\0\1" + (60).to_bytes(4) + b"\0\4" + LED
    whole = bytes(data[:0x1F]) + record + data[0x1F:]
    if is_name:
        assert read(whole, QUESTION) == Answer(NO_ERROR, None)
        return
    with pytest.raises(Unreadable):
        read(whole, QUESTION)


def test_a_pointer_to_a_pointer_is_none() -> None:
    made = bytearray(answer("cloud.example. A 127.4.5.6").to_wire())
    assert made[0x1F:0x21] == b"\xc0\x0c"
    made[7] = 2
    second = b"\xc0\x1f" + made[0x21:0x2F]
    with pytest.raises(Unreadable):
        read(bytes(made[:0x2F] + second + made[0x2F:]), QUESTION)
    read(bytes(made[:0x2F] + b"\xc0\x0c" + second[2:] + made[0x2F:]), QUESTION)


def test_more_records_than_a_gates_answer_has_are_not_read() -> None:
    made = answer(*(f"cloud.example. A 127.0.0.{number}" for number in range(101)))
    with pytest.raises(Unreadable):
        read(made.to_wire(max_size=65_535), QUESTION)


def test_an_error_that_only_an_extension_has_is_none() -> None:
    with pytest.raises(Unreadable):
        read(answer(rcode=dns.rcode.BADVERS).to_wire(), QUESTION)
