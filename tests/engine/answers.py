"""What a resolver answers, as a real library writes it, for tests of who reads it."""

import dns.message
import dns.rrset

from engine.gates.dns import message
from engine.gates.dns.answer import Answer, read_answer
from engine.gates.dns.message import read_query

NAME = "api.vendor.example"
SOA = "vendor.example 900 SOA ns.vendor.example. who.vendor.example. 1 2 3 4 300"


def question(name: str = NAME, kind: str = "A", number: int = 77) -> bytes:
    """A question of ours."""
    query = read_query(dns.message.make_query(name, kind).to_wire())
    cased = message.randomise_case(query.wire_name, int.from_bytes(b"\x20\0" * 130))
    cased = cased[: len(query.wire_name)] if len(cased) > len(query.wire_name) else cased
    return message.write_question(
        number, cased, query.type, dnssec_ok=False, checking_disabled=False
    )


def response(
    asked: bytes,
    *answer: str,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    rcode: int = 0,
    flags: int = 0,
) -> bytes:
    """What a real library answers; records as in a zone's file."""
    made = dns.message.make_response(dns.message.from_wire(asked), recursion_available=True)
    made.set_rcode(rcode)
    made.flags |= flags
    for section, lines in (
        (made.answer, answer), (made.authority, authority), (made.additional, additional),
    ):  # fmt: skip
        for line in lines:
            owner, ttl, kind, data = line.split(" ", 3)
            section.append(dns.rrset.from_text(owner + ".", int(ttl), "IN", kind, data))
    return made.to_wire()


def answered(*answer: str, kind: str = "A", **more: object) -> Answer:
    asked = question(kind=kind)
    return read_answer(response(asked, *answer, **more), asked)
