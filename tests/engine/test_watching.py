"""What the HTTP gate decided, as it is watched: permitted, refused, and what fails otherwise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine import watching
from engine.events import RetryStorm
from engine.model import Decider
from engine.needs import FactKind, Need
from helpers import FakeClock
import wire
from wire import House

HAND = Decider(how="test")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    async with wire.house(tmp_path, clock=clock) as built:
        await built.teach()
        yield built


async def report(house: House, clock: FakeClock, times: int, every: float) -> None:
    caller = await house.dial()
    for _ in range(times):
        await caller.send(house.request())
        await caller.answer(method="POST")
        clock.pass_by(every)
    caller.close()


def kinds(house: House) -> list[FactKind]:
    found = house.firewall.watching.assess("fridge", "frost")
    assert found is not None
    return [one.kind for one in found.evidence]


async def test_a_storm_at_the_http_gate(house: House, clock: FakeClock) -> None:
    """Permitted it reports once a minute, refused six times as often."""
    await report(house, clock, 41, 60)
    seen = house.firewall.watching.assess("fridge", "frost")
    assert seen is not None
    assert seen.usual_per_hour == pytest.approx(60)
    await house.withdraw_all()
    await report(house, clock, 80, 10)
    [storm] = [one for one in house.events if isinstance(one, RetryStorm)]
    assert (storm.gate, storm.usual_per_hour, storm.now_per_hour) == ("http", 60.0, 300.0)
    assert FactKind.RETRY_STORM in kinds(house)


async def test_what_breaks_after_a_withdrawal(house: House, clock: FakeClock) -> None:
    house.firewall.watching.watch("fridge", ["sensor.cold"], [])
    await report(house, clock, 1, 60)
    await house.withdraw_all()
    await report(house, clock, 1, 60)
    house.firewall.watching.broke("fridge", "sensor.cold")
    seen = house.firewall.watching.assess("fridge", "frost")
    assert seen is not None
    assert seen.need is Need.NEEDED


async def test_what_fails_otherwise_is_no_block(house: House, clock: FakeClock) -> None:
    """Such as a message that cannot be read: nobody decided that the recipient gets nothing."""
    await report(house, clock, 1, 60)
    await house.ask(house.request(b'{"door": tru'))
    assert FactKind.REFUSED not in kinds(house)
    assert FactKind.PARTLY not in kinds(house)


async def test_memory_is_bounded(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MAX_PAIRS", 1)
    monkeypatch.setattr(watching, "MAX_ENTITIES", 3)
    more = [wire.fridge(id=f"f{one}", addresses=frozenset({f"127.0.1.{one}"})) for one in range(9)]
    house.configure(wire.fridge(), *more)
    for one in range(9):
        await house.ask(house.request(), source=f"127.0.1.{one}")
        assert house.firewall.watching.recipients_of(f"f{one}") == frozenset()
    house.firewall.watching.watch("fridge", [f"sensor.s{one}" for one in range(99)], [])
    assert len(house.firewall.watching._entities["fridge"][0]) == 3
