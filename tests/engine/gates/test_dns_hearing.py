"""Whether anybody answers the DNS gate: noticed from what is asked, and told once each way."""

from collections.abc import AsyncIterator
import logging
from pathlib import Path

from name_house import FRIDGE, OPAQUE, PHONE, NameHouse, name_house
import pytest
from resolver import Resolver

from engine.events import ResolversChanged
from engine.gates.dns.upstream import hearing as hearings, resolvers
from engine.gates.dns.upstream.hearing import Hearing
from engine.naming import Resolver as Stated
from wire import eventually


class Clock:
    """The monotonic clock, turned by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(hearings, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_several_names_over_some_seconds(clock: Clock) -> None:
    changes: list[bool] = []
    hearing = Hearing(lambda: changes.append(hearing.is_silent))
    hearing.heard(990.0)
    for name in (b"a", b"b", b"c", b"d"):
        hearing.unanswered(name)
    assert not hearing.is_silent, "all at once: that may be a moment's trouble"
    clock.now += hearings.SILENT_SECONDS
    hearing.unanswered(b"a")
    assert (changes, hearing.since, hearing.heard_at) == ([True], 1_000.0, 990.0)
    clock.now += 60
    hearing.unanswered(b"a")
    assert changes == [True], "said once"
    hearing.heard(clock.now)
    assert changes == [True, False]
    hearing.heard(clock.now + 1)
    hearing.unanswered(b"a")
    assert (changes, hearing.since) == ([True, False], clock.now)


def test_one_name_is_believed_later(clock: Clock) -> None:
    hearing = Hearing(lambda: None)
    for number in range(hearings.SILENT_FOR_ONE - 1):
        clock.now += hearings.SILENT_SECONDS
        hearing.unanswered(b"slow")
        assert not hearing.is_silent, number
    clock.now += 1
    hearing.unanswered(b"slow")
    assert hearing.is_silent


def test_an_answer_between_begins_the_count_anew(clock: Clock) -> None:
    hearing = Hearing(lambda: None)
    for _ in range(20):
        clock.now += hearings.SILENT_SECONDS
        hearing.unanswered(b"a")
        hearing.unanswered(b"b")
        hearing.heard(clock.now)
    assert not hearing.is_silent


# --- At the gate ---


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameHouse]:
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.05)
    monkeypatch.setattr(hearings, "SILENT_SECONDS", 0.0)
    async with name_house(tmp_path) as made:
        yield made


async def ask_three(house: NameHouse, address: str = PHONE) -> None:
    for name in ("one.example", "two.example", "three.example"):
        assert await house.ask(name, address=address) == "SERVFAIL"


async def test_it_is_told_when_nobody_answers_and_when_somebody_does(
    house: NameHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert await house.ask("shop.example", address=PHONE) == ["93.184.216.3"]
    house.resolver.answering = lambda *_: []
    names = house.firewall.names
    await ask_three(house)
    [told] = house.told(ResolversChanged)
    assert told.is_silent
    assert told.resolvers == (f"127.0.0.1@{house.resolver.port}",)
    assert told.last_answer is not None
    assert told.last_answer <= told.since <= names.lookups.now()
    assert names.silence == told
    assert names.is_open, "the gate itself is well"
    await ask_three(house)
    assert len(house.told(ResolversChanged)) == 1
    assert not await names.try_resolvers()
    house.resolver.answering = None
    assert await house.ask("shop2.example", address=PHONE) == "NXDOMAIN"
    assert [one.is_silent for one in house.told(ResolversChanged)] == [True, False]
    assert names.silence is None
    said = [one.getMessage() for one in caplog.records if "esolver" in one.getMessage()]
    assert said == [f"No resolver answers: {told.resolvers[0]}", "A resolver answers again"]
    assert "example" not in caplog.text


async def test_an_error_is_an_answer(house: NameHouse) -> None:
    house.resolver.answering = lambda data, _: [house.resolver.usual(data, rcode=2)]
    await ask_three(house)
    await ask_three(house)
    assert house.told(ResolversChanged) == []


async def test_what_is_refused_tells_nothing(house: NameHouse) -> None:
    house.resolver.answering = lambda *_: []
    for name in (*(f"{one}.example" for one in "abcdef"), OPAQUE):
        assert await house.ask(name, address=FRIDGE) == "NXDOMAIN"
    assert house.told(ResolversChanged) == []


async def test_one_of_two_is_enough(house: NameHouse) -> None:
    house.resolver.answering = lambda *_: []
    async with Resolver(zone={}).open() as other:
        stated = [Stated(address="127.0.0.1", port=one.port) for one in (house.resolver, other)]
        house.port = await house.firewall.names.open("127.0.0.1", 0, stated)
        for name in ("one.example", "two.example", "three.example", "four.example"):
            assert await house.ask(name, address=PHONE) == "NXDOMAIN"
        assert house.told(ResolversChanged) == []


async def test_others_or_none_are_not_known_to_be_silent(house: NameHouse) -> None:
    house.resolver.answering = lambda *_: []
    await ask_three(house)
    names = house.firewall.names
    assert names.silence is not None
    await names.close()
    assert names.silence is None
    assert not await names.try_resolvers()


async def test_the_self_test_answers_for_nobody(house: NameHouse) -> None:
    """It asks a resolver of its own: that says nothing of the household's."""
    house.resolver.answering = lambda *_: []
    await ask_three(house)
    report = await house.firewall.self_test()
    assert report.passed
    assert house.firewall.names.silence is not None
    house.resolver.answering = None
    assert await house.firewall.names.try_resolvers()
    await eventually(lambda: house.firewall.names.silence is None)
    assert house.resolver.seen[-1].name in ("", ".")


async def test_what_goes_elsewhere_for_the_self_test_counts_for_nothing(house: NameHouse) -> None:
    names = house.firewall.names
    await names.divert("zone.example", 9)
    for name in ("a.zone.example", "b.zone.example", "c.zone.example", "d.zone.example"):
        assert await house.ask(name, address=PHONE) == "SERVFAIL"
    await names.divert("zone.example", None)
    assert house.told(ResolversChanged) == []
