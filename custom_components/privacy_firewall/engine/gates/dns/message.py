"""Questions and the answers that are given here, as bytes (RFC 1035, section 4; RFC 6891).

Nothing here touches a socket. A client's message is read strictly and is only ever a source of
name, type and a few flags: what goes upstream is written anew by `write_question`, so that
whatever else stood in it (client subnets, cookies, addresses, letter case) stays here.
"""

from collections.abc import Sequence
import re
import struct
from typing import NamedTuple

from ...errors import EngineError

MAX_UDP = 1_232
"""Bytes of a datagram that get through everywhere (DNS flag day 2020)."""
MIN_UDP = 512
"""Bytes that everybody takes (RFC 1035, section 4.2.1)."""
MAX_NAME = 255
"""Bytes of a name on the wire, with its lengths and its end (RFC 1035, section 3.1)."""
MAX_LABEL = 63
MAX_POINTERS = 128
"""Pointers that one name is made of: to each of the most labels there can be, and to its end."""
OPT_SIZE = 11
"""Bytes of an EDNS record without options."""

NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED, REFUSED = range(6)
BAD_VERSION = 16
IN = 1
A, CNAME, SOA, MX, AAAA, SRV, NAPTR, DNAME, OPT = 1, 5, 6, 15, 28, 33, 35, 39, 41
SVCB, HTTPS = 64, 65

HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
"""Type, class, TTL and length of the data, behind a record's name."""
_TWO = struct.Struct("!HH")

QR, TC, RD, RA, AD, CD = 0x8000, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
_DO = 0x8000
_PLAIN = re.compile(rb"[0-9a-z_-]+(?:\.[0-9a-z_-]+)*")
ASKED = b"\xc0\x0c"
"""A pointer to the question's name, which stands behind the header."""
_LETTERS = bytes(0x20 if chr(one).isalpha() and one < 0x80 else 0 for one in range(256))


class Malformed(EngineError):
    """What was read is no question, or no answer to ours.

    `rcode` is what the client is told, None where no answer is due.
    """

    def __init__(self, what: str, rcode: int | None = None) -> None:
        """Keep what to answer beside the sentence, which quotes nothing of the message."""
        super().__init__(what)
        self.rcode = rcode


class Query(NamedTuple):
    """A client's question. `wire_name` is the name as it was spelled, `name` as policy knows it.

    `udp_size` is how many bytes of a datagram the client takes, within what gets through.
    """

    id: int
    name: str
    wire_name: bytes
    type: int
    cls: int
    recursion_desired: bool
    checking_disabled: bool
    edns: bool
    udp_size: int
    dnssec_ok: bool


def read_query(data: bytes) -> Query:
    """Read a client's message; raises `Malformed`."""
    if len(data) < HEADER.size:
        raise Malformed("shorter than a header")
    number, flags, questions, answers, authorities, additional = HEADER.unpack_from(data)
    if flags & QR:
        # Answered, two servers could keep each other busy.
        raise Malformed("not a question")
    if flags & 0x7800:
        raise Malformed("an operation that is not known", NOT_IMPLEMENTED)
    if questions != 1 or answers or authorities:
        raise Malformed("not one question alone", FORMAT_ERROR)
    try:
        end = 12
        while length := data[end]:
            if length > MAX_LABEL:
                raise Malformed("a name that is compressed or too long", FORMAT_ERROR)
            end += length + 1
        end += 1
        kind, cls = _TWO.unpack_from(data, end)
    except IndexError, struct.error:
        raise Malformed("cut short", FORMAT_ERROR) from None
    wire_name = data[12:end]
    if len(wire_name) > MAX_NAME:
        raise Malformed("a name that is too long", FORMAT_ERROR)
    size, dnssec_ok = None, False
    if additional or len(data) != end + 4:
        size, dnssec_ok = _read_edns(data, end + 4, additional)
    return Query(
        number,
        text_of(wire_name),
        wire_name,
        kind,
        cls,
        recursion_desired=flags & RD != 0,
        checking_disabled=flags & CD != 0,
        edns=size is not None,
        udp_size=MIN_UDP if size is None else min(max(size, MIN_UDP), MAX_UDP),
        dnssec_ok=dnssec_ok,
    )


def _read_edns(data: bytes, at: int, count: int) -> tuple[int | None, bool]:
    """Read the records behind the question; return size and DO bit of the one for EDNS."""
    size, dnssec_ok = None, False
    for _ in range(count):
        begin, at = at, skip_name(data, at, FORMAT_ERROR)
        try:
            kind, cls, ttl, length = RECORD.unpack_from(data, at)
        except struct.error:
            raise Malformed("cut short", FORMAT_ERROR) from None
        at += RECORD.size + length
        if at > len(data):
            raise Malformed("cut short", FORMAT_ERROR)
        if kind != OPT:
            continue
        if size is not None or data[begin]:
            raise Malformed("more than one EDNS record, or one with a name", FORMAT_ERROR)
        if ttl >> 16 & 0xFF:
            raise Malformed("a version of EDNS that is not known", BAD_VERSION)
        _check_options(data[at - length : at])
        size, dnssec_ok = cls, bool(ttl & _DO)
    if at != len(data):
        raise Malformed("bytes after the end", FORMAT_ERROR)
    return size, dnssec_ok


def _check_options(data: bytes) -> None:
    """See that options are whole; what they say is of no interest here."""
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise Malformed("an option that is cut short", FORMAT_ERROR)
        at += 4 + int.from_bytes(data[at + 2 : at + 4])
    if at != len(data):
        raise Malformed("an option that is cut short", FORMAT_ERROR)


# --- Names ---


def skip_name(data: bytes | bytearray, at: int, rcode: int | None = None) -> int:
    """Return where a name ends that may be compressed; pointers lead backwards only."""
    begin = at
    try:
        while length := data[at]:
            if length >= 0xC0:
                if not HEADER.size <= (length & 0x3F) << 8 | data[at + 1] < begin:
                    raise Malformed("a pointer that does not lead back", rcode)
                return at + 2
            if length > MAX_LABEL:
                raise Malformed("a label of an unknown kind", rcode)
            at += length + 1
    except IndexError:
        raise Malformed("cut short", rcode) from None
    return at + 1


def read_name(data: bytes | bytearray, at: int) -> str:
    """Return a name that may be compressed (RFC 1035, section 4.1.4); raises `Malformed`."""
    wire = b""
    begin = at
    pointers = 0
    try:
        while length := data[at]:
            if length >= 0xC0:
                # Strictly back, so that no chain of pointers goes in a circle; and not for long.
                at = (length & 0x3F) << 8 | data[at + 1]
                pointers += 1
                if not HEADER.size <= at < begin or pointers > MAX_POINTERS:
                    raise Malformed("a pointer that does not lead back")
                begin = at
                continue
            if length > MAX_LABEL or len(data) < at + length + 1:
                raise Malformed("a label that is cut short or of an unknown kind")
            wire += data[at : at + length + 1]
            if len(wire) >= MAX_NAME:
                raise Malformed("a name that is too long")
            at += length + 1
    except IndexError:
        raise Malformed("cut short") from None
    return text_of(wire + b"\0")


def text_of(wire_name: bytes) -> str:
    """Return an uncompressed name as `naming` has it: lower case, odd bytes as three digits."""
    at, labels = 0, []
    lower = wire_name.lower()
    while length := wire_name[at]:
        labels.append(lower[at + 1 : at + 1 + length])
        at += length + 1
    joined = b".".join(labels)
    if _PLAIN.fullmatch(joined) and joined.count(b".") == len(labels) - 1:
        return joined.decode("ascii")
    return ".".join("".join(map(_spell, label)) for label in labels)


def _spell(byte: int) -> str:
    character = chr(byte)
    is_plain = byte < 0x80 and (character.isalnum() or character in "-_")
    return character if is_plain else f"\\{byte:03}"


def randomise_case(wire_name: bytes, bits: int) -> bytes:
    """Change the case of letters where a bit says so, that only who saw the question can answer.

    After draft-vixie-dnsext-dns0x20. A length never is a letter: it is below 64. `bits` are eight
    per byte of the name.
    """
    letters = int.from_bytes(wire_name.translate(_LETTERS))
    return (int.from_bytes(wire_name) ^ (letters & bits)).to_bytes(len(wire_name))


# --- Writing ---


def write_question(
    number: int,
    wire_name: bytes,
    kind: int,
    *,
    dnssec_ok: bool,
    checking_disabled: bool,
    has_edns: bool = True,
) -> bytes:
    """Return the question that goes upstream: a name and a type, and nothing of the client's."""
    return (
        HEADER.pack(number, RD | CD * checking_disabled, 1, 0, 0, has_edns)
        + wire_name
        + _TWO.pack(kind, IN)
        + (edns(dnssec_ok=dnssec_ok) if has_edns else b"")
    )


def edns(rcode: int = 0, *, dnssec_ok: bool) -> bytes:
    """Return an EDNS record without options (RFC 6891, section 6.1)."""
    return b"\0" + RECORD.pack(OPT, MAX_UDP, (rcode >> 4) << 24 | _DO * dnssec_ok, 0)


def flags_for(query: Query, rcode: int) -> int:
    """Return the flags of an answer to a client."""
    return QR | RD * query.recursion_desired | RA | CD * query.checking_disabled | rcode & 0xF


def question_of(query: Query) -> bytes:
    """Return the question as the client spelled it; it stands in every answer."""
    return query.wire_name + _TWO.pack(query.type, query.cls)


def answer_addresses(query: Query, addresses: Sequence[bytes], ttl: int) -> bytes:
    """Answer with addresses of the type that was asked, packed in network order."""
    kind = query.type
    return b"".join((
        HEADER.pack(query.id, flags_for(query, 0), 1, len(addresses), 0, query.edns),
        question_of(query),
        *(
            ASKED + RECORD.pack(kind, IN, ttl, len(address)) + address
            for address in addresses
        ),
        edns(dnssec_ok=query.dnssec_ok) if query.edns else b"",
    ))  # fmt: skip


def answer_nothing(query: Query, rcode: int, ttl: int) -> bytes:
    """Answer that there is nothing, or that it is refused or has failed.

    With no error (there is nothing of this type) and with a name error it says for how long that
    may be kept: by a zone's start that stands for the name itself (RFC 2308, section 3).
    """
    is_negative = rcode in (NO_ERROR, NAME_ERROR)
    soa = b""
    if is_negative:
        # Both of its names are the root: one byte each.
        soa = ASKED + RECORD.pack(SOA, IN, ttl, 22) + b"\0\0" + struct.pack(
            "!IIIII", 1, 3_600, 600, 86_400, ttl
        )  # fmt: skip
    return b"".join((
        HEADER.pack(query.id, flags_for(query, rcode), 1, 0, is_negative, query.edns),
        question_of(query),
        soa,
        edns(rcode, dnssec_ok=query.dnssec_ok) if query.edns else b"",
    ))  # fmt: skip


def answer_malformed(data: bytes, rcode: int) -> bytes | None:
    """Answer what could not be read with its number and an error; None where it has no number."""
    if len(data) < HEADER.size:
        return None
    number, flags = _TWO.unpack_from(data)
    extended = edns(rcode, dnssec_ok=False) if rcode > 0xF else b""
    kept = flags & (0x7800 | RD | CD)
    return HEADER.pack(number, QR | RA | kept | rcode & 0xF, 0, 0, 0, bool(extended)) + extended
