"""The self-test: passes at a gate that holds, and tells of one that does not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import examination, pipeline, selftest
from engine.model import RELEASE, Decider, Outcome, Reason
from engine.selftest import Step
import wire
from wire import House

BODY = b'{"door":true,"temp":4.5}'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        yield built


async def test_a_gate_that_holds(house: House) -> None:
    await house.teach()
    report = await house.firewall.self_test()
    assert report.passed
    assert [one.step for one in report.checks] == [one for one in Step if one is not Step.STEERED]
    for check in report.checks:
        assert {"number", "boolean", "text", "mac", "uuid", "email", "ssid"} <= set(check.kinds)
        assert {"query", "header", "cookie", "access_token", "latitude"} <= set(check.kinds)


async def test_it_leaves_nothing_behind(house: House) -> None:
    await house.teach()
    points = house.firewall.data_points(wire.fridge().id)
    events = len(house.events)
    before = house.firewall._pipeline.policy
    await house.firewall.self_test()
    assert house.firewall.data_points(selftest.CANARY) == []
    assert house.firewall.data_points(wire.fridge().id) == points
    told = [getattr(one, "appliance_id", None) for one in house.events[events:]]
    assert told == [], "not even of the canary that comes from nobody"
    after = house.firewall._pipeline.policy
    assert before is not None
    assert after is not None
    assert replace(after, version=before.version) == before
    assert selftest.CANARY not in house.database.read_bytes().decode("latin-1")


async def test_another_stranger_is_told_of_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the test's own address is anybody's afterwards."""
    run = selftest.run

    async def beside(*given: Any, **more: Any) -> Any:
        await house.ask(house.request(), "127.0.0.9")
        return await run(*given, **more)

    monkeypatch.setattr(selftest, "run", beside)
    assert (await house.firewall.self_test()).passed
    [told] = house.decided
    assert told.reason is Reason.UNKNOWN_APPLIANCE
    assert house.firewall._pipeline.untold is None


async def test_it_is_journalled(house: House) -> None:
    await house.firewall.self_test()
    entries = [
        one for one in await house.firewall.newest_entries() if one.appliance_id == selftest.CANARY
    ]
    # The stranger's is of no appliance.
    assert [one.outcome for one in reversed(entries)] == [
        Outcome.DENY,
        Outcome.REDACT,
        Outcome.DENY,
        Outcome.DENY,
    ]


async def test_a_gate_that_is_closed(house: House) -> None:
    await house.firewall.close_gate()
    report = await house.firewall.self_test()
    assert (report.passed, report.problem) == (False, "gate_down")


async def test_under_a_lockdown_not_even_the_control_arrives(house: House) -> None:
    await house.firewall.consents.lock_down(Decider(how="test"), on=True)
    assert (await house.firewall.self_test()).passed


async def test_a_gate_that_releases_everything_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = examination.rules.decide

    def generous(question: examination.Question) -> examination.Verdict:
        verdict = decide(question)
        return replace(
            verdict,
            outcome=Outcome.PERMIT,
            obligations=dict.fromkeys(verdict.obligations, RELEASE),
        )

    monkeypatch.setattr(examination.rules, "decide", generous)
    monkeypatch.setattr(examination.rules, "any_consented", lambda *_: True)
    report = await house.firewall.self_test()
    assert not report.passed
    failed = {one.step: one for one in report.checks if not one.passed}
    assert failed.keys() == {Step.NOTHING_CONSENTED, Step.ONE_CONSENTED, Step.WITHDRAWN}
    for check in failed.values():
        assert {"number", "text", "mac", "uuid", "email", "query", "header", "cookie"} <= set(
            check.came_out
        )


async def test_a_gate_that_releases_nothing_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pipeline,
        "examine",
        lambda question, *_: examination.Examined(
            verdict=examination.rules.deny(
                examination.Reason.INTERNAL_ERROR, question.appliance, question.recipients
            ),
            template=question.template,
        ),
    )
    report = await house.firewall.self_test()
    assert {one.step for one in report.checks if not one.passed} == {Step.ONE_CONSENTED}
    assert report.as_dict()["passed"] is False


async def test_a_gate_that_lets_a_boolean_out_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A boolean cannot be searched for; what arrived is compared with what may."""
    decide = examination.rules.decide

    def leaky(question: examination.Question) -> examination.Verdict:
        verdict = decide(question)
        duties = {
            item: RELEASE if item.path == "$.body.boolean" else duty
            for item, duty in verdict.obligations.items()
        }
        return replace(verdict, obligations=duties)

    monkeypatch.setattr(examination.rules, "decide", leaky)
    report = await house.firewall.self_test()
    (failed,) = [one for one in report.checks if not one.passed]
    assert (failed.step, failed.problem) == (Step.ONE_CONSENTED, "more_than_consented")


async def test_the_report_names_kinds_and_no_canary(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[selftest.Canaries] = []
    canaries = selftest.Canaries

    def keep() -> selftest.Canaries:
        made.append(canaries())
        return made[-1]

    monkeypatch.setattr(selftest, "Canaries", keep)
    report = await house.firewall.self_test()
    (sent,) = made
    text = repr(report) + repr(report.as_dict())
    assert all(value not in text for _, value in sent.texts())
    assert sent.control not in text
