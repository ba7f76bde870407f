"""The self-test of the DNS gate: what it proves, and that it notices what it is there for."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from resolver import Resolver

from engine import Firewall
from engine.gates.dns import server
from engine.gates.dns.upstream import question
from engine.lookups import Lookups
from engine.model import Decider, Reason
from engine.naming import Course, Naming, Resolver as Stated
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


def dns(report: Any) -> list[Any]:
    return [one for one in report.checks if one.gate == "dns"]


async def test_nothing_comes_out_and_nothing_of_it_stays(
    firewall: Firewall, resolver: Resolver
) -> None:
    report = await firewall.self_test()
    assert report.passed, report.as_dict()
    assert [one.step.value for one in dns(report)] == STEPS
    # Not even the test's own names are asked of anybody.
    assert resolver.seen == []
    assert firewall.data_points(CANARY) == []
    assert CANARY not in firewall.names.status().appliances
    assert firewall.decided() == []
    assert (await firewall.self_test()).passed


async def test_without_a_dns_gate_only_the_other_is_tried(firewall: Firewall) -> None:
    await firewall.names.close()
    report = await firewall.self_test()
    assert report.passed
    assert dns(report) == []


async def test_a_gate_that_is_wanted_and_down_is_no_success(firewall: Firewall) -> None:
    with pytest.raises(OSError, match="never on all"):
        await firewall.names.open("0.0.0.0", 0, [Stated(address="127.0.0.1", port=9)])
    assert (await firewall.self_test()).problem == "gate_down"


async def test_during_a_lockdown_not_even_what_is_consented_arrives(firewall: Firewall) -> None:
    await firewall.consents.lock_down(Decider(how="test"), on=True)
    report = await firewall.self_test()
    assert report.passed, report.as_dict()
    assert len(dns(report)) == 5


async def test_an_engine_that_asks_for_everything_fails(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = Lookups.decide

    def lax(self: Lookups, lookup: Any) -> Any:
        verdict = decide(self, lookup)
        return replace(verdict, course=Course.FORWARD, reason=Reason.UNKNOWN_CLIENT)

    monkeypatch.setattr(Lookups, "decide", lax)
    report = await firewall.self_test()
    failed = [one.step.value for one in dns(report) if not one.passed]
    assert failed == ["nothing_consented", "unclaimed", "steered", "withdrawn"]
    assert all("name" in one.came_out for one in dns(report) if not one.passed)


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
    [check] = [one for one in dns(report) if one.step.value == "one_consented"]
    assert set(check.came_out) == {"client_subnet", "mac_option", "cookie", "letter_case"}


async def test_an_engine_that_asks_for_nothing_fails(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that refuses everything is no proof that one that works keeps anything back."""
    decide = Lookups.decide

    def strict(self: Lookups, lookup: Any) -> Any:
        return replace(decide(self, lookup), course=Course.REFUSE)

    monkeypatch.setattr(Lookups, "decide", strict)
    report = await firewall.self_test()
    [check] = [one for one in dns(report) if not one.passed]
    assert (check.step.value, check.problem) == ("one_consented", "nothing_arrived")
