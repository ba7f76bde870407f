"""What a resolver answered: read for what it leads to, and written again for the client."""

from dataclasses import dataclass
import struct
from typing import Literal

from .message import (
    AAAA,
    AD,
    ASKED,
    CNAME,
    DNAME,
    HEADER,
    HTTPS,
    IN,
    MX,
    NAME_ERROR,
    NAPTR,
    NO_ERROR,
    OPT,
    OPT_SIZE,
    QR,
    RECORD,
    SERVER_FAILURE,
    SOA,
    SRV,
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
    text_of,
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
_NOT_A_NAME = b"\xff\xff\xff\xff"
"""Stands for TTLs while names are read: they are written anew, so that no name may run into one."""
_BEFORE_TARGET = {CNAME: 0, DNAME: 0, MX: 2, SRV: 6}
"""Bytes before the name that a record leads to (RFC 1035, 3.3; RFC 6672; RFC 2782)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A resolver's answer. `ttl` is how many seconds it may be kept, 0 for not at all.

    `aliases` are the names it goes on to (targets of CNAME, DNAME, HTTPS, SVCB, SRV, MX and NAPTR)
    and those of which it holds records beside the one asked for; `addresses` all that it leads to,
    packed, wherever they stand in it, hints too. `own` are the addresses of the asked type and
    name, by way of its aliases. `records` is all behind the question, but for what belongs to the
    connection; `ttls` are offsets in it. `has_strays` tells of answers that are neither of the name
    asked for, or one that it goes on to, nor of the type. `lean` is what of that answers the
    question: how many answers, how many SOA records behind them, and where these end.
    """

    rcode: int
    truncated: bool
    authenticated: bool
    ttl: int
    aliases: tuple[str, ...]
    addresses: tuple[bytes, ...]
    own: tuple[bytes, ...]
    lean: tuple[int, int, int]
    counts: tuple[int, int, int]
    records: bytes
    ttls: tuple[tuple[int, int], ...]
    has_strays: bool = False


class _Reader:
    """Goes through an answer's records once."""

    def __init__(self, data: bytes, at: int, asked: int) -> None:
        self.data = data
        self.at = self.begin = at
        self.asked = asked
        self._names = bytearray(data)
        self._owners: dict[bytes, str] = {}
        self._chain: set[str] = set()
        self.own: list[bytes] = []
        self.lean = 0, 0, 0
        self.has_strays = False
        self.aliases: list[str] = []
        self.targets = 0
        self.addresses: list[bytes] = []
        self.ttls: list[tuple[int, int]] = []
        self.extended = 0
        self.answer_ttl: int | None = None
        self.negative_ttl: int | None = None
        self.has_final = False

    def section(self, count: int, name: Literal["answer", "authority", "additional"]) -> int:
        """Read so many records; return how many before one that only the connection needs."""
        kept = 0
        data, is_cut = self.data, False
        for _ in range(count):
            begin = self.at
            # Most names are that of the question, which stands before all records.
            is_asked = data[begin : begin + 2] == ASKED
            at = behind = begin + 2 if is_asked else skip_name(self._names, begin)
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
            self._names[at - 6 : at - 2] = _NOT_A_NAME
            self._take(kind, at, end)
            if name == "answer":
                self._take_answer(kind, ttl, begin, behind)
                self.lean = kept, 0, end - self.begin
                continue
            if kind == SOA and name == "authority":
                self._take_start(ttl, kept, end, length)
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
        elif kind in _BEFORE_TARGET:
            begin = at + _BEFORE_TARGET[kind]
            if begin >= end or skip_name(self._names, begin) != end:
                raise Malformed("a target that does not end with its record")
            self._go_on(begin)
        elif kind in (HTTPS, SVCB):
            self._take_binding(at, end)
        elif kind == NAPTR:
            self._take_pointer(at, end)

    def _go_on(self, at: int) -> None:
        """Read a target; the root stands for none."""
        if target := self._name(at):
            self.aliases.append(target)

    def _name(self, at: int) -> str:
        self.targets += 1
        if self.targets > MAX_ALIASES:
            raise Malformed("more aliases than are read")
        return read_name(self._names, at)

    def _take_answer(self, kind: int, ttl: int, begin: int, behind: int) -> None:
        self.answer_ttl = ttl if self.answer_ttl is None else min(ttl, self.answer_ttl)
        self.has_final = self.has_final or kind == self.asked
        if kind == DNAME:
            # A whole zone's alias stands at a name above the one that was asked for.
            return
        if self._is_own(begin, behind) and kind in (self.asked, CNAME):
            self._follow(kind, behind + RECORD.size, self.at)
        else:
            self.has_strays = True

    def _take_start(self, ttl: int, kept: int, end: int, length: int) -> None:
        """Take the start of a zone, which tells for how long there is nothing (RFC 2308)."""
        if kept == self.lean[1] + 1:
            self.lean = self.lean[0], kept, end - self.begin
        if self.negative_ttl is None and length >= 22:
            self.negative_ttl = min(ttl, int.from_bytes(self.data[end - 4 : end]))

    def _is_own(self, begin: int, behind: int) -> bool:
        """Tell whether a record is of the name that was asked for, or of one that it goes on to."""
        spelled = self.data[begin:behind]
        if spelled == ASKED:
            return True
        if not self._owners:
            self._chain.add(text_of(self.data[HEADER.size : self.begin - 4]))
        name = self._owners.get(spelled)
        if name is None:
            name = self._owners[spelled] = self._name(begin)
            if name not in self._chain and name not in self.aliases:
                self.aliases.append(name)
        return name in self._chain

    def _follow(self, kind: int, at: int, end: int) -> None:
        """Take an alias of the name, or an address of it."""
        if kind == CNAME:
            self._chain.add(read_name(self._names, at))
        elif kind == self.asked and kind in (A, AAAA):
            self.own.append(self.data[at:end])

    def _take_pointer(self, at: int, end: int) -> None:
        """Read the replacement of a naming authority pointer (RFC 3403, section 4.1)."""
        at += 4
        for _ in range(3):
            if at >= end:
                raise Malformed("a pointer that is cut short")
            at += 1 + self.data[at]
        if at >= end or skip_name(self._names, at) != end:
            raise Malformed("a target that does not end with its record")
        self._go_on(at)

    def _take_binding(self, at: int, end: int) -> None:
        """Read target and hints of a service binding (RFC 9460, section 2.2)."""
        data = self.data
        begin = at + 2
        at = skip_name(self._names, begin)
        if at > end:
            raise Malformed("a target that does not end with its record")
        self._go_on(begin)
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


def read_answer(data: bytes, question: bytes, *, has_edns: bool = True) -> Answer:
    """Read what came for a question of ours (`write_question`); raises `Malformed`.

    Number and question have to be the same to the letter: whoever did not see the question
    cannot guess both (RFC 5452, section 9.1).
    """
    behind = len(question) - OPT_SIZE * has_edns
    if len(data) < behind or data[:2] != question[:2] or data[12:behind] != question[12:behind]:
        raise Malformed("not an answer to this question")
    _, flags, questions, answers, authorities, additional = HEADER.unpack_from(data)
    if not flags & QR or flags & 0x7800 or questions != 1:
        raise Malformed("not an answer to this question")
    if answers + authorities + additional > MAX_RECORDS:
        raise Malformed("more records than are read")
    asked = int.from_bytes(question[behind - 4 : behind - 2])
    reader = _Reader(data, behind, asked)
    is_truncated = bool(flags & TC)
    try:
        counts = (
            reader.section(answers, "answer"),
            reader.section(authorities, "authority") if authorities else 0,
            reader.section(additional, "additional") if additional else 0,
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
        own=() if is_truncated or rcode != NO_ERROR else tuple(reader.own),
        lean=reader.lean,
        has_strays=reader.has_strays,
        counts=counts,
        records=reader.records,
        ttls=tuple(reader.ttls),
    )


_TRUNCATED = Answer(
    rcode=NO_ERROR, truncated=True, authenticated=False, ttl=0,
    aliases=(), addresses=(), own=(), lean=(0, 0, 0), counts=(0, 0, 0), records=b"", ttls=(),
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


def reply(
    answer: Answer, query: Query, *, age: int, max_ttl: int | None, limit: int, lean: bool = False
) -> bytes:
    """Write an answer for a client: its number, its spelling, `age` seconds later.

    `max_ttl` caps for how long it may be kept. `lean` leaves out what does not answer the question:
    what stands beside it may lead elsewhere. What is longer than `limit` bytes is left out
    whole and said to be (RFC 2181, section 9), so that the client asks over TCP.
    """
    rcode = answer.rcode if answer.rcode <= 0xF else SERVER_FAILURE
    flags = flags_for(query, rcode) | AD * (answer.authenticated and query.dnssec_ok)
    own = edns(dnssec_ok=query.dnssec_ok) if query.edns else b""
    question = question_of(query)
    kept, counts = answer.records, answer.counts
    if lean:
        kept, counts = kept[: answer.lean[2]], (*answer.lean[:2], 0)
    size = HEADER.size + len(question) + len(kept) + len(own)
    if size > limit or answer.truncated:
        return HEADER.pack(query.id, flags | TC, 1, 0, 0, query.edns) + question + own
    records = bytearray(kept)
    for at, ttl in answer.ttls:
        if at >= len(kept):
            break
        left = max(0, ttl - age)
        _TTL.pack_into(records, at, left if max_ttl is None else min(left, max_ttl))
    head = HEADER.pack(query.id, flags, 1, counts[0], counts[1], counts[2] + query.edns)
    return b"".join((head, question, records, own))
