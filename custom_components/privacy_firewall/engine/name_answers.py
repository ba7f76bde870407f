"""A strict reader of DNS answers, for the self-test alone.

The test judges the gate by it, so it shares nothing with the gate's own: what that writes wrongly
must not be read as wrongly here. It takes the forms that a gate's answers have and no others.
"""

from dataclasses import dataclass
import struct

IN = 1
A, SOA, AAAA, OPT, HTTPS = 1, 6, 28, 41, 65
"""Classes and types of records (RFC 1035, RFC 3596, RFC 6891, RFC 9460)."""
NO_ERROR, NAME_ERROR = 0, 3
WIDTHS = {A: 4, AAAA: 16}
"""Bytes of an address, by type."""
_HEADER = struct.Struct("!HHHHHH")
_COUNTS = struct.Struct("!HHH")
_RECORD = struct.Struct("!HHIH")
_RESPONSE, _OPCODE, _TRUNCATED = 0x8000, 0x7800, 0x0200
_MAX_NAME = 255
"""Bytes (RFC 1035, section 2.3.4)."""
_MAX_RECORDS = 100
"""A gate that reads has a few addresses at most, and its answer some records around them."""


class Unreadable(ValueError):
    """What came is no answer to the question, or not in the form of one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the answer to a question says.

    `addresses` are those of the name and type that were asked, packed, in order. None: it has
    something else that could lead somewhere, in whatever section.
    """

    rcode: int
    addresses: tuple[bytes, ...] | None


def read(data: bytes, asked: bytes) -> Answer:
    """Read the answer to a message with one question, and nothing behind its end.

    Raises `Unreadable`; the question has to stand in it letter by letter (RFC 5452, section 9.1).
    """
    name, kind, at = _head(data, asked)
    addresses: list[bytes] = []
    has_more = False
    counts = _COUNTS.unpack_from(data, 6)
    if sum(counts) > _MAX_RECORDS:
        raise Unreadable("more records than a gate's answer has")
    for section, count in enumerate(counts):
        for _ in range(count):
            owner, at = _name(data, at)
            if at + _RECORD.size > len(data):
                raise Unreadable("cut short")
            record, cls, ttl, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size + length
            if at > len(data):
                raise Unreadable("cut short")
            if record == OPT and ttl >> 24:
                raise Unreadable("an error that only an extension has")
            if section == 0 and (record, cls, owner, length) == (kind, IN, name, WIDTHS.get(kind)):
                addresses.append(data[at - length : at])
            elif (section, record) not in ((1, SOA), (2, OPT)):
                has_more = True
    if at != len(data):
        raise Unreadable("something behind the end")
    return Answer(rcode=data[3] & 0xF, addresses=None if has_more else tuple(addresses))


def _head(data: bytes, asked: bytes) -> tuple[bytes, int, int]:
    """Return which name and type are answered, and where the records begin."""
    if len(data) < _HEADER.size:
        raise Unreadable("too short")
    number, flags, questions, *_ = _HEADER.unpack_from(data)
    if number != int.from_bytes(asked[:2]) or not flags & _RESPONSE or flags & _OPCODE:
        raise Unreadable("no answer to this question")
    if flags & _TRUNCATED or questions != 1:
        raise Unreadable("cut, or of more than one question")
    name, at = _name(asked, _HEADER.size)
    at += 4
    if data[_HEADER.size : at] != asked[_HEADER.size : at]:
        raise Unreadable("another question")
    return name, int.from_bytes(asked[at - 4 : at - 2]), at


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a name in lower case with its labels' lengths, and where what follows begins.

    Pointers lead back only, each further than the one before (RFC 1035, section 4.1.4), and to a
    label: so there are no more of them than a name has labels.
    """
    name, behind, earliest = b"", 0, at
    while True:
        length = data[at] if at < len(data) else 0xFF
        if length >= 0xC0:
            target = int.from_bytes(data[at : at + 2]) & 0x3FFF
            if at + 2 > len(data) or target >= earliest or data[target] >= 0xC0:
                raise Unreadable("a pointer that does not lead back to a label")
            behind = behind or at + 2
            at = earliest = target
            continue
        end = at + 1 + length
        name += data[at:end].lower()
        if length > 63 or end > len(data) or len(name) > _MAX_NAME:
            raise Unreadable("no name")
        at = end
        if not length:
            return name, behind or at
