"""A resolver that does not know EDNS is asked again without (RFC 6891, section 7)."""

from collections.abc import AsyncIterator, Callable

import dns.message
import dns.name
import dns.rcode
import pytest
from resolver import Resolver

from engine.gates.dns.upstream import Resolvers, resolvers
from engine.naming import Resolver as Stated

NAME = dns.name.from_text("api.vendor.example").to_wire()
OTHER = dns.name.from_text("www.vendor.example").to_wire()
ZONE = {("api.vendor.example", "A"): ["@ 60 A 203.0.113.9"]}
LONG = {("api.vendor.example", "A"): [f"@ 60 A 203.0.113.{one}" for one in range(1, 60)]}
ADDRESS = (bytes([203, 0, 113, 9]),)


def whole(data: bytes) -> bytes:
    """The question again, without the record it did not understand."""
    made = dns.message.make_response(dns.message.from_wire(data))
    made.use_edns(False)
    made.set_rcode(dns.rcode.FORMERR)
    return made.to_wire()


def with_edns(data: bytes) -> bytes:
    made = dns.message.make_response(dns.message.from_wire(data))
    made.set_rcode(dns.rcode.FORMERR)
    return made.to_wire()


def head(data: bytes) -> bytes:
    """No more than the number, and that it went wrong."""
    return data[:2] + b"\x80\x01" + bytes(8)


def old(
    resolver: Resolver, refusal: Callable[[bytes], bytes]
) -> Callable[[bytes, str], list[bytes]]:
    def answering(data: bytes, over: str) -> list[bytes]:
        if dns.message.from_wire(data).edns >= 0:
            return [refusal(data)]
        answer = resolver.usual(data)
        return [answer if over == "tcp" or len(answer) <= 512 else cut(answer)]

    return answering


def cut(answer: bytes) -> bytes:
    return answer[:2] + bytes([answer[2] | 2]) + answer[3:500]


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    async with Resolver(zone=dict(ZONE)).open() as made:
        yield made


@pytest.fixture
async def asking(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Resolvers]:
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 1.0)
    made = Resolvers([Stated(address="127.0.0.1", port=resolver.port)])
    await made.open()
    yield made
    await made.close()


def levels(resolver: Resolver) -> list[int]:
    """The level of EDNS in each question, -1 for none."""
    return [one.message.edns for one in resolver.seen]


@pytest.mark.parametrize("refusal", [whole, head, with_edns])
async def test_it_is_asked_again_without_and_so_for_a_while(
    asking: Resolvers, resolver: Resolver, refusal: Callable[[bytes], bytes]
) -> None:
    resolver.answering = old(resolver, refusal)
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert levels(resolver) == [0, -1]
    assert (await asking.ask(OTHER, 1, dnssec_ok=True)).rcode == dns.rcode.NXDOMAIN
    assert levels(resolver) == [0, -1, -1]
    assert not asking.hearing.is_silent


async def test_it_may_have_learned_it(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers, "PLAIN_SECONDS", 0.0)
    resolver.answering = old(resolver, whole)
    await asking.ask(NAME, 1)
    resolver.answering = None
    await asking.ask(NAME, 1)
    assert levels(resolver) == [0, -1, 0]


async def test_what_is_cut_comes_over_tcp_without_it_too(
    asking: Resolvers, resolver: Resolver
) -> None:
    resolver.zone = dict(LONG)
    resolver.answering = old(resolver, head)
    assert len((await asking.ask(NAME, 1)).addresses) == 59
    assert [(one.over, one.message.edns) for one in resolver.seen] == [
        ("udp", 0),
        ("udp", -1),
        ("tcp", -1),
    ]


async def test_who_understands_nothing_is_not_asked_for_ever(
    asking: Resolvers, resolver: Resolver
) -> None:
    """And it was not EDNS: the next question has it."""
    resolver.answering = lambda data, _: [resolver.usual(data, rcode=dns.rcode.FORMERR)]
    assert (await asking.ask(NAME, 1)).rcode == dns.rcode.FORMERR
    assert levels(resolver) == [0, -1]
    await asking.ask(OTHER, 1)
    assert levels(resolver) == [0, -1, 0, -1]


async def test_a_head_is_no_answer_to_a_question_without(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.1)
    resolver.answering = lambda data, over: [head(data)] if over == "udp" else []
    with pytest.raises(Exception, match="no resolver answered"):
        await asking.ask(NAME, 1)
    assert levels(resolver)[:2] == [0, -1]
    assert len(resolver.seen) <= resolvers.TRIES + 1


async def test_over_tls_or_tcp_alike(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where datagrams get no answer, the last way is a connection."""
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.1)
    made = Resolvers([Stated(address="127.0.0.1", port=resolver.port)])
    await made.open()
    answering = old(resolver, head)
    resolver.answering = lambda data, over: [] if over == "udp" else answering(data, over)
    assert (await made.ask(NAME, 1)).addresses == ADDRESS
    assert [one.message.edns for one in resolver.seen if one.over == "tcp"] == [0, -1]
    await made.close()
