"""The self-test of the DNS gate: what it proves, and that it notices what it is there for."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
import socket
from time import monotonic
from typing import Any

import dns.message
import dns.rrset
import pytest
from resolver import Resolver

from engine import Firewall
from engine.gates.dns import message, server
from engine.gates.dns.answer import Answer
from engine.gates.dns.message import Query
from engine.gates.dns.server import DnsGate
from engine.gates.dns.upstream import Resolvers, question
from engine.lookups import Lookups
from engine.model import Decider, Reason
from engine.naming import Course, LookupVerdict, NameCounts, Naming, Refusal, Resolver as Stated
from engine.selftest import CANARY

STEPS = ["nothing_consented", "one_consented", "unclaimed", "steered", "withdrawn"]


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    async with Resolver().open() as made:
        yield made


@pytest.fixture
async def firewall(tmp_path: Path, resolver: Resolver) -> AsyncIterator[Firewall]:
    made = Firewall(database=tmp_path / "firewall.db", on_event=lambda _: None)
    await made.start()
    try:
        made.configure([], [])
        await made.open_gate("127.0.0.1", 0)
        made.names.configure(Naming(steer_to=("127.0.0.77",)))
        await made.names.open("127.0.0.1", 0, [Stated(address="127.0.0.1", port=resolver.port)])
        yield made
    finally:
        await made.stop()


async def test_a_gate_that_has_an_ipv6_address_can_be_tested(
    firewall: Firewall, resolver: Resolver
) -> None:
    await firewall.names.open("::1", 0, [Stated(address="127.0.0.1", port=resolver.port)])
    report = await firewall.self_test()
    assert report.passed
    assert len(names(report)) == len(STEPS)
    assert resolver.seen == []


def names(report: Any) -> list[Any]:
    return [one for one in report.checks if one.gate == "dns"]


def problems(report: Any) -> dict[str, str | None]:
    """What is wrong, by step; nothing may have come out."""
    failed = [one for one in report.checks if not one.passed]
    assert all(one.gate == "dns" and not one.came_out for one in failed), report.as_dict()
    return {one.step.value: one.problem for one in failed}


async def test_nothing_comes_out_and_nothing_of_it_stays(
    firewall: Firewall, resolver: Resolver
) -> None:
    report = await firewall.self_test()
    assert report.passed, report.as_dict()
    assert [one.step.value for one in names(report)] == STEPS
    # Not even the test's own names are asked of anybody.
    assert resolver.seen == []
    assert firewall.data_points(CANARY) == []
    assert CANARY not in firewall.names.status().appliances
    assert firewall.names.status().total == NameCounts(), "nobody at home asked"
    assert firewall.decided() == []
    assert (await firewall.self_test()).passed


async def test_without_a_dns_gate_only_the_other_is_tried(firewall: Firewall) -> None:
    await firewall.names.close()
    report = await firewall.self_test()
    assert report.passed
    assert names(report) == []


async def test_a_gate_that_is_wanted_and_down_is_no_success(firewall: Firewall) -> None:
    with pytest.raises(OSError, match="never on all"):
        await firewall.names.open("0.0.0.0", 0, [Stated(address="127.0.0.1", port=9)])
    assert (await firewall.self_test()).problem == "gate_down"


async def test_during_a_lockdown_not_even_what_is_consented_arrives(firewall: Firewall) -> None:
    await firewall.consents.lock_down(Decider(how="test"), on=True)
    report = await firewall.self_test()
    assert report.passed, report.as_dict()
    assert len(names(report)) == 5


async def test_an_engine_that_asks_for_everything_fails(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = Lookups.decide

    def lax(self: Lookups, lookup: Any) -> Any:
        verdict = decide(self, lookup)
        return replace(verdict, course=Course.FORWARD, reason=Reason.UNKNOWN_CLIENT)

    monkeypatch.setattr(Lookups, "decide", lax)
    report = await firewall.self_test()
    failed = [one.step.value for one in names(report) if not one.passed]
    assert failed == ["nothing_consented", "unclaimed", "steered", "withdrawn"]
    assert all("name" in one.came_out for one in names(report) if not one.passed)


async def test_an_engine_that_passes_the_clients_own_message_on_fails(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []
    read = server.message.read_query

    def reading(data: bytes) -> Any:
        kept[:] = [data]
        return read(data)

    monkeypatch.setattr(server.message, "read_query", reading)
    monkeypatch.setattr(
        question, "write_question", lambda number, *_, **__: number.to_bytes(2) + kept[0][2:]
    )
    report = await firewall.self_test()
    [check] = [one for one in names(report) if one.step.value == "one_consented"]
    assert set(check.came_out) == {"client_subnet", "mac_option", "cookie", "letter_case"}


async def test_an_engine_that_asks_for_nothing_fails(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that refuses everything is no proof that one that works keeps anything back."""
    decide = Lookups.decide

    def strict(self: Lookups, lookup: Any) -> Any:
        return replace(decide(self, lookup), course=Course.REFUSE)

    monkeypatch.setattr(Lookups, "decide", strict)
    assert problems(await firewall.self_test()) == {
        "one_consented": "nothing_arrived",
        "steered": "led_nowhere",
    }


# --- What is answered ---


@pytest.mark.parametrize("refusal", list(Refusal))
@pytest.mark.parametrize("steer_to", [("127.0.0.77", "127.0.0.78", "fd00::77"), ("fd00::77",)])
async def test_every_choice_of_the_households_passes(
    firewall: Firewall, refusal: Refusal, steer_to: tuple[str, ...]
) -> None:
    firewall.names.configure(Naming(steer_to=steer_to, refusal=refusal))
    report = await firewall.self_test()
    assert report.passed, report.as_dict()


async def test_where_nothing_can_be_steered_that_is_no_success(firewall: Firewall) -> None:
    firewall.names.configure(Naming())
    report = await firewall.self_test()
    assert not report.passed
    assert problems(report) == {"steered": "nothing_to_steer_to"}


async def test_where_nothing_can_be_steered_it_must_be_refused_all_the_same(
    firewall: Firewall, local: Any
) -> None:
    firewall.names.configure(Naming())
    local(lambda _: lambda gate, query, verdict: addresses(query))
    found = problems(await firewall.self_test())
    assert found == dict.fromkeys([*REFUSED, "steered"], "not_refused")


type Local = Callable[[Any, Query, LookupVerdict], bytes]


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Local], Local]], None]:
    """Put something else in place of what the gate answers without asking anybody."""

    def put(made: Callable[[Local], Local]) -> None:
        monkeypatch.setattr(DnsGate, "_local", made(DnsGate._local))

    return put


REFUSED = {"nothing_consented", "unclaimed", "withdrawn"}
INVENTED = bytes([93, 184, 216, 2])


def addresses(query: Query) -> bytes:
    return message.answer_addresses(query, [INVENTED], 60)


def beside_the_refusal(query: Query) -> bytes:
    """Refuse in the head, and have an address behind it all the same."""
    refused = dns.message.from_wire(message.answer_nothing(query, message.NAME_ERROR, 10))
    refused.additional.append(dns.rrset.from_text("other.example.", 60, "IN", "A", "93.184.216.2"))
    return refused.to_wire()


def with_a_tail(query: Query) -> bytes:
    return message.answer_nothing(query, message.NAME_ERROR, 10) + INVENTED


def of_another_number(query: Query) -> bytes:
    return message.answer_nothing(query._replace(id=query.id ^ 1), message.NAME_ERROR, 10)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (addresses, "not_refused"),
        (beside_the_refusal, "not_refused"),
        (lambda query: message.answer_nothing(query, message.NO_ERROR, 10), "not_refused"),
        (lambda query: message.answer_nothing(query, message.SERVER_FAILURE, 0), "not_refused"),
        (with_a_tail, "unreadable_answer"),
        (of_another_number, "unreadable_answer"),
    ],
    ids=["address", "beside", "no_data", "failure", "tail", "number"],
)
async def test_what_is_not_refused_as_chosen_is_noticed(
    firewall: Firewall, local: Any, answer: Callable[[Query], bytes], problem: str
) -> None:
    def broken(whole: Local) -> Local:
        return lambda gate, query, verdict: (
            answer(query)
            if verdict.course is Course.REFUSE and query.type == message.A
            else whole(gate, query, verdict)
        )

    local(broken)
    assert problems(await firewall.self_test()) == dict.fromkeys(REFUSED, problem)


async def test_an_address_under_lockdown_is_noticed(firewall: Firewall, local: Any) -> None:
    await firewall.consents.lock_down(Decider(how="test"), on=True)
    local(lambda _: lambda gate, query, verdict: addresses(query))
    assert problems(await firewall.self_test()) == dict.fromkeys(STEPS, "not_refused")


async def test_a_refusal_that_has_an_address_of_its_own_is_noticed(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    firewall.names.configure(Naming(steer_to=("127.0.0.77",), refusal=Refusal.NULL_ADDRESS))
    monkeypatch.setattr(server, "_NULL", {message.A: INVENTED, message.AAAA: bytes(16)})
    assert problems(await firewall.self_test()) == dict.fromkeys(REFUSED, "not_refused")


async def test_a_withdrawn_name_that_the_cache_answers_is_noticed(
    firewall: Firewall, local: Any
) -> None:
    def broken(whole: Local) -> Local:
        def answer(gate: Any, query: Query, verdict: LookupVerdict) -> bytes:
            kept = gate._cache.get((query.name, query.type, False, False), monotonic())
            if kept is None:
                return whole(gate, query, verdict)
            return server.reply(kept[0], query, age=kept[1], max_ttl=60, limit=1_232)

        return answer

    local(broken)
    assert problems(await firewall.self_test()) == {"withdrawn": "not_refused"}


async def test_the_runs_names_do_not_stay_in_the_cache(firewall: Firewall) -> None:
    gate: Any = firewall.names._gate
    household = Answer(
        rcode=0, truncated=False, authenticated=False, ttl=60, aliases=(), addresses=(), own=(),
        lean=(1, 0, 0), counts=(1, 0, 0), records=b"", ttls=(),
    )  # fmt: skip
    gate._cache.put(("shop.example", 1, False, False), household, monotonic())
    assert (await firewall.self_test()).passed
    assert list(gate._cache._entries) == [("shop.example", 1, False, False)]
    assert gate._memo == {}


def nowhere(query: Query) -> bytes:
    return message.answer_nothing(query, message.NO_ERROR, 60)


def as_well(query: Query) -> bytes:
    return message.answer_addresses(query, [bytes([127, 0, 0, 77]), INVENTED], 60)


def binding(query: Query) -> bytes:
    """A service binding to another name (RFC 9460)."""
    made = dns.message.from_wire(nowhere(query))
    made.answer.append(
        dns.rrset.from_text(made.question[0].name, 60, "IN", "HTTPS", "1 elsewhere.example.")
    )
    made.authority = []
    return made.to_wire()


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        (message.A, nowhere, "led_nowhere"),
        (message.AAAA, nowhere, "led_nowhere"),
        (message.A, addresses, "led_elsewhere"),
        (message.A, as_well, "led_elsewhere"),
        (message.HTTPS, binding, "led_elsewhere"),
    ],
)
async def test_what_is_not_steered_as_it_should_be_is_noticed(
    firewall: Firewall, local: Any, kind: int, answer: Callable[[Query], bytes], problem: str
) -> None:
    def broken(whole: Local) -> Local:
        return lambda gate, query, verdict: (
            answer(query)
            if verdict.course is Course.STEER and query.type == kind
            else whole(gate, query, verdict)
        )

    firewall.names.configure(Naming(steer_to=("127.0.0.77", "fd00::77")))
    local(broken)
    assert problems(await firewall.self_test()) == {"steered": problem}


async def test_an_invented_answer_to_what_is_consented_is_noticed(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "reply", lambda _, query, **__: addresses(query))
    assert problems(await firewall.self_test()) == {"one_consented": "wrong_address"}


# --- TCP ---


async def test_what_leaks_only_over_tcp_is_noticed(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide, take = Lookups.decide, DnsGate._take
    over_tcp = False

    def taking(gate: DnsGate, *arguments: Any, is_stream: bool) -> None:
        nonlocal over_tcp
        over_tcp = is_stream
        take(gate, *arguments, is_stream=is_stream)
        over_tcp = False

    def lax(self: Lookups, lookup: Any) -> LookupVerdict:
        verdict = decide(self, lookup)
        return replace(verdict, course=Course.FORWARD) if over_tcp else verdict

    monkeypatch.setattr(DnsGate, "_take", taking)
    monkeypatch.setattr(Lookups, "decide", lax)
    checks = names(await firewall.self_test())
    assert [one.step.value for one in checks if not one.passed] == [
        "nothing_consented", "unclaimed", "steered", "withdrawn",
    ]  # fmt: skip
    assert all("name" in one.came_out for one in checks if not one.passed)


async def test_what_a_refused_question_tells_upstream_over_tcp_is_noticed(
    firewall: Firewall, local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused to the client as it should be, and told to the resolver all the same."""
    ports: list[int] = []
    divert = Resolvers.divert

    async def diverting(self: Resolvers, zone: bytes, resolver: Stated | None) -> None:
        if resolver is not None:
            ports.append(resolver.port)
        await divert(self, zone, resolver)

    def broken(whole: Local) -> Local:
        def answer(gate: Any, query: Query, verdict: LookupVerdict) -> bytes:
            if ports and verdict.course is Course.REFUSE:
                with socket.create_connection(("127.0.0.1", ports[-1])) as leak:
                    leak.sendall(query.wire_name)
            return whole(gate, query, verdict)

        return answer

    monkeypatch.setattr(Resolvers, "divert", diverting)
    local(broken)
    checks = names(await firewall.self_test())
    assert {one.step.value for one in checks if one.came_out == ("name", "letter_case")} == REFUSED
    assert {one.step.value for one in checks if not one.passed} == REFUSED
