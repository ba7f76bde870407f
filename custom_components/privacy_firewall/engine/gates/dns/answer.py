"""What a resolver answered: read for what it leads to, and written again for the client."""

from dataclasses import dataclass
import struct
from typing import Literal

from .message import (
    AAAA,
    AD,
    CNAME,
    DNAME,
    HEADER,
    HTTPS,
    IN,
    NAME_ERROR,
    NO_ERROR,
    OPT,
    OPT_SIZE,
    QR,
    RECORD,
    SERVER_FAILURE,
    SOA,
    SVCB,
    TC,
    A,
    Malformed,
    Query,
    edns,
    flags_for,
    question_of,
    read_name,
    skip_name,
)

MAX_RECORDS = 1_000
"""Records of one answer that are read; real ones have a few dozen at most."""
MAX_ALIASES = 64
"""Names that one answer goes on to; resolvers give up after a dozen or two. Each may be long to
read, which is why there are fewer of them than of records."""
_IPV4_HINT, _IPV6_HINT = 4, 6
"""Parameters of HTTPS and SVCB records with addresses (RFC 9460, section 14.3.2)."""
_SIGNATURES = frozenset({24, 250})
"""SIG(0) and TSIG: over the message as it was, which the client does not get."""
_TTL = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Answer:
    """A resolver's answer. `ttl` is how many seconds it may be kept, 0 for not at all.

    `aliases` are the names it goes on to, in order (CNAME, DNAME, HTTPS and SVCB targets);
    `addresses` all that it leads to, packed, wherever they stand in it, hints too. `records` is
    all behind the question, but for what belongs to the connection; `ttls` are offsets in it.
    """

    rcode: int
    truncated: bool
    authenticated: bool
    ttl: int
    aliases: tuple[str, ...]
    addresses: tuple[bytes, ...]
    counts: tuple[int, int, int]
    records: bytes
    ttls: tuple[tuple[int, int], ...]


class _Reader:
    """Goes through an answer's records once."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = self.begin = at
        self.aliases: list[str] = []
        self.targets = 0
        self.addresses: list[bytes] = []
        self.ttls: list[tuple[int, int]] = []
        self.extended = 0
        self.answer_ttl: int | None = None
        self.negative_ttl: int | None = None
        self.has_final = False

    def section(
        self, count: int, asked: int, name: Literal["answer", "authority", "additional"]
    ) -> int:
        """Read so many records; return how many before one that only the connection needs."""
        kept = 0
        data, is_cut = self.data, False
        for _ in range(count):
            begin, at = self.at, skip_name(data, self.at)
            try:
                kind, cls, ttl, length = RECORD.unpack_from(data, at)
            except struct.error:
                raise Malformed("cut short") from None
            at += RECORD.size
            self.at = end = at + length
            if end > len(data):
                raise Malformed("cut short")
            if kind == OPT:
                self.extended = ttl >> 24
            if kind == OPT or kind in _SIGNATURES or is_cut:
                # What follows may be pointed to from behind: all of it goes.
                if not is_cut:
                    self._end = begin
                is_cut = True
                continue
            if cls != IN:
                # Unread it must not pass: some clients look at the type alone.
                raise Malformed("a record of another class")
            kept += 1
            ttl = 0 if ttl >> 31 else ttl
            self.ttls.append((at - 6 - self.begin, ttl))
            self._take(kind, at, end)
            if name == "answer":
                self.answer_ttl = ttl if self.answer_ttl is None else min(ttl, self.answer_ttl)
                self.has_final = self.has_final or kind == asked
            elif kind == SOA and name == "authority" and self.negative_ttl is None and length >= 22:
                self.negative_ttl = min(ttl, int.from_bytes(data[end - 4 : end]))
        return kept

    _end: int | None = None

    @property
    def records(self) -> bytes:
        """Everything that is kept."""
        return self.data[self.begin : self.at if self._end is None else self._end]

    def _take(self, kind: int, at: int, end: int) -> None:
        data = self.data
        if kind in (A, AAAA):
            if end - at != (4 if kind == A else 16):
                raise Malformed("an address of the wrong length")
            self.addresses.append(data[at:end])
        elif kind in (CNAME, DNAME):
            if skip_name(data, at) != end:
                raise Malformed("an alias that does not end with its record")
            self.aliases.append(self._target(at))
        elif kind in (HTTPS, SVCB):
            self._take_binding(at, end)

    def _target(self, at: int) -> str:
        self.targets += 1
        if self.targets > MAX_ALIASES:
            raise Malformed("more aliases than are read")
        return read_name(self.data, at)

    def _take_binding(self, at: int, end: int) -> None:
        """Read target and hints of a service binding (RFC 9460, section 2.2)."""
        data = self.data
        begin = at + 2
        at = skip_name(data, begin)
        if at > end:
            raise Malformed("a target that does not end with its record")
        if target := self._target(begin):
            self.aliases.append(target)
        while at < end:
            if at + 4 > end:
                raise Malformed("a parameter that is cut short")
            key, length = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
            at += 4
            if at + length > end:
                raise Malformed("a parameter that is cut short")
            if key in (_IPV4_HINT, _IPV6_HINT):
                width = 4 if key == _IPV4_HINT else 16
                if length % width:
                    raise Malformed("an address of the wrong length")
                self.addresses += [data[one : one + width] for one in range(at, at + length, width)]
            at += length


def read_answer(data: bytes, question: bytes) -> Answer:
    """Read what came for a question of ours (`write_question`); raises `Malformed`.

    Number and question have to be the same to the letter: whoever did not see the question
    cannot guess both (RFC 5452, section 9.1).
    """
    behind = len(question) - OPT_SIZE
    if len(data) < behind or data[:2] != question[:2] or data[12:behind] != question[12:behind]:
        raise Malformed("not an answer to this question")
    _, flags, questions, answers, authorities, additional = HEADER.unpack_from(data)
    if not flags & QR or flags & 0x7800 or questions != 1:
        raise Malformed("not an answer to this question")
    if answers + authorities + additional > MAX_RECORDS:
        raise Malformed("more records than are read")
    asked = int.from_bytes(question[behind - 4 : behind - 2])
    reader = _Reader(data, behind)
    is_truncated = bool(flags & TC)
    try:
        counts = (
            reader.section(answers, asked, "answer"),
            reader.section(authorities, asked, "authority"),
            reader.section(additional, asked, "additional"),
        )
    except Malformed:
        if not is_truncated:
            raise
        # It is asked again over TCP; what is here may end anywhere.
        return _TRUNCATED
    if counts[:2] != (answers, authorities):
        raise Malformed("a record of the connection among the answers")
    rcode = reader.extended << 4 | flags & 0xF
    return Answer(
        rcode=rcode,
        truncated=is_truncated,
        authenticated=bool(flags & AD),
        ttl=0 if is_truncated else _ttl(reader, rcode),
        aliases=tuple(reader.aliases),
        addresses=tuple(reader.addresses),
        counts=counts,
        records=reader.records,
        ttls=tuple(reader.ttls),
    )


_TRUNCATED = Answer(
    rcode=NO_ERROR, truncated=True, authenticated=False, ttl=0,
    aliases=(), addresses=(), counts=(0, 0, 0), records=b"", ttls=(),
)  # fmt: skip


def _ttl(reader: _Reader, rcode: int) -> int:
    """Return for how long it holds: answers by their own word, nothing by its zone's (RFC 2308)."""
    if rcode not in (NO_ERROR, NAME_ERROR):
        return 0
    if rcode == NO_ERROR and reader.has_final:
        return reader.answer_ttl or 0
    if reader.negative_ttl is None:
        return 0
    if reader.answer_ttl is None:
        return reader.negative_ttl
    return min(reader.negative_ttl, reader.answer_ttl)


def reply(answer: Answer, query: Query, *, age: int, max_ttl: int | None, limit: int) -> bytes:
    """Write an answer for a client: its number, its spelling, `age` seconds later.

    `max_ttl` caps for how long it may be kept. What is longer than `limit` bytes is left out
    whole and said to be (RFC 2181, section 9), so that the client asks over TCP.
    """
    rcode = answer.rcode if answer.rcode <= 0xF else SERVER_FAILURE
    flags = flags_for(query, rcode) | AD * (answer.authenticated and query.dnssec_ok)
    own = edns(dnssec_ok=query.dnssec_ok) if query.edns else b""
    question = question_of(query)
    size = HEADER.size + len(question) + len(answer.records) + len(own)
    if size > limit or answer.truncated:
        return HEADER.pack(query.id, flags | TC, 1, 0, 0, query.edns) + question + own
    records = bytearray(answer.records)
    for at, ttl in answer.ttls:
        left = max(0, ttl - age)
        _TTL.pack_into(records, at, left if max_ttl is None else min(left, max_ttl))
    head = HEADER.pack(
        query.id, flags, 1, answer.counts[0], answer.counts[1], answer.counts[2] + query.edns
    )
    return b"".join((head, question, records, own))
