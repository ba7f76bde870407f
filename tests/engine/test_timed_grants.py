"""A grant that ends by itself ends then: whatever becomes of clocks, disk and process."""

from collections.abc import AsyncIterator
import json
from pathlib import Path
import sqlite3

import pytest

from engine import StorageError, ledger, meta
from engine.consents import LOOK_SECONDS
from engine.events import ConsentsChanged, GrantEnding
from engine.model import ConsentState, Decider
from helpers import FakeClock
import wire
from wire import House, eventually

BODY = b'{"door":true,"temp":4.5}'
HOUR = 3600.0
YEAR = 366 * 24 * HOUR


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    async with wire.house(tmp_path, clock=clock) as built:
        await built.ask(built.request(BODY))
        yield built


async def states(house: House) -> list[str]:
    return [one.consent.state.value for one in await house.firewall.consents.records()]


async def test_it_holds_until_its_end_and_not_a_moment_longer(
    house: House, clock: FakeClock
) -> None:
    until = clock.wall + 900
    await house.give("$.body.temp", until=until)
    clock.pass_by(899.5)
    assert await house.sends()
    clock.pass_by(0.5)
    assert clock.wall == until
    assert not await house.sends()
    assert not house.firewall.is_sharing(house.points()["$.body.temp"].id, "frost")


async def test_of_two_ends_each_counts_for_itself(house: House, clock: FakeClock) -> None:
    await house.give("$.body.temp", seconds=60)
    await house.give("$.body.door", seconds=HOUR)
    await house.ask(house.request(BODY))
    clock.pass_by(60)
    await house.ask(house.request(BODY))
    clock.pass_by(HOUR)
    await house.ask(house.request(BODY))
    assert [list(json.loads(seen.body)) for seen in house.cloud.requests] == [
        ["door", "temp"],
        ["door"],
    ]


async def test_its_end_is_recorded_by_time(house: House, clock: FakeClock) -> None:
    await house.give("$.body.temp", seconds=60)
    house.events.clear()
    await house.firewall.consents.look_after()
    assert await states(house) == ["given"]
    clock.pass_by(60)
    await house.firewall.consents.look_after()
    (told,) = house.told(ConsentsChanged)
    assert told.decider == Decider(how="time")
    assert [one.state for one in told.consents] == [ConsentState.EXPIRED]
    assert await states(house) == ["given", "expired"]
    await house.firewall.consents.look_after()
    assert await states(house) == ["given", "expired"], "once"
    assert not house.firewall.consents.ledger.ends()


async def test_it_ends_by_itself_and_is_recorded_without_anybody_asking(tmp_path: Path) -> None:
    async with wire.house(tmp_path) as house:
        await house.ask(house.request(BODY))
        await house.give("$.body.temp", seconds=0.4)
        assert await house.sends()
        async with wire.asyncio.timeout(5):
            while await states(house) != ["given", "expired"]:
                await wire.asyncio.sleep(0.01)
        assert not await house.sends()


async def test_one_that_ran_out_while_it_was_not_running_is_over_before_the_first_byte(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.give(seconds=60)
    assert await house.sends()

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError

    # Also where that it is over cannot be recorded.
    monkeypatch.setattr(ledger, "_append", broken)
    await house.restart(meanwhile=lambda: clock.pass_by(60), clock=clock)
    assert not await house.sends()
    monkeypatch.undo()
    await house.firewall.consents.look_after()
    count = len(house.points())
    assert await states(house) == ["given"] * count + ["expired"] * count
    assert not await house.sends()


@pytest.mark.parametrize("back", [HOUR, YEAR, 50 * YEAR])
async def test_a_clock_set_back_lengthens_nothing(
    house: House, clock: FakeClock, back: float
) -> None:
    await house.give("$.body.temp", seconds=600)
    clock.pass_by(590)
    clock.wall -= back
    assert await house.sends()
    clock.pass_by(10)
    assert not await house.sends()


@pytest.mark.parametrize("back", [HOUR, 50 * YEAR])
async def test_nor_does_one_set_back_between_two_runs(
    house: House, clock: FakeClock, back: float
) -> None:
    """The machine went on all the time: its ticks tell how long the pause was."""
    await house.give("$.body.temp", seconds=600)
    clock.pass_by(300)
    await house.firewall.consents.look_after()

    def meanwhile() -> None:
        clock.wall -= back
        clock.pass_by(200)

    await house.restart(meanwhile=meanwhile, clock=clock)
    assert await house.sends()
    clock.pass_by(99)
    assert await house.sends()
    clock.pass_by(1)
    assert not await house.sends()


async def test_a_start_of_the_machine_with_its_clock_in_the_past_ends_what_ends_by_itself(
    house: House, clock: FakeClock
) -> None:
    """A small computer without a battery: how long it was off, nobody knows."""
    await house.give("$.body.temp", seconds=600)
    await house.give("$.body.door")
    await house.firewall.consents.let_through("fridge", Decider(how="test"), seconds=600)
    await house.firewall.consents.look_after()

    def meanwhile() -> None:
        clock.reboot()
        clock.wall -= 1.0

    await house.restart(meanwhile=meanwhile, clock=clock)
    temp, door = house.points()["$.body.temp"].id, house.points()["$.body.door"].id
    assert not house.firewall.is_sharing(temp, "frost")
    assert house.firewall.is_sharing(door, "frost")
    assert house.firewall.let_through_until("fridge") is None
    await house.firewall.consents.look_after()
    consent = house.firewall.consent(temp, "frost")
    assert consent is not None
    assert consent.state is ConsentState.EXPIRED
    await house.restart(clock=clock)
    assert not house.firewall.is_sharing(temp, "frost")


async def test_a_start_of_the_machine_with_a_clock_that_went_on_changes_nothing(
    house: House, clock: FakeClock
) -> None:
    await house.give("$.body.temp", seconds=600)
    await house.firewall.consents.look_after()

    def meanwhile() -> None:
        clock.reboot()
        clock.wall += 100

    await house.restart(meanwhile=meanwhile, clock=clock)
    assert house.firewall.is_sharing(house.points()["$.body.temp"].id, "frost")


async def test_a_machine_that_was_off_past_the_end_with_its_clock_right(
    house: House, clock: FakeClock
) -> None:
    await house.give("$.body.temp", seconds=600)
    await house.restart(meanwhile=lambda: clock.reboot(off=600), clock=clock)
    assert not await house.sends()


async def test_what_is_over_stays_over_when_the_clock_is_set_back(
    house: House, clock: FakeClock
) -> None:
    await house.give("$.body.temp", seconds=60)
    clock.pass_by(61)
    assert not await house.sends()
    clock.wall -= YEAR

    def meanwhile() -> None:
        clock.reboot()

    assert not await house.sends()
    await house.restart(meanwhile=meanwhile, clock=clock)
    assert not await house.sends(), "the journal had seen a time past its end"


@pytest.mark.parametrize("by", ["decision", "measure"])
async def test_the_newest_time_on_record_counts_whoever_saw_it(
    house: House, clock: FakeClock, by: str
) -> None:
    """A decision or a measure, and nothing else, tells what time it was."""
    clock.pass_by(601)
    if by == "decision":
        await house.give("$.body.temp")
    else:
        await house.firewall.consents.let_through("fridge", Decider(how="button"), seconds=60)

    def meanwhile() -> None:
        clock.reboot()
        clock.wall = 0.0
        with sqlite3.connect(house.database) as connection:
            connection.execute("DELETE FROM meta")

    await house.restart(meanwhile=meanwhile, clock=clock)
    assert house.firewall.now() >= 1_700_000_601


@pytest.mark.parametrize("value", ["3", '"x"', "[1]", '["a", "b", null]', "{", "[null,0,null]"])
async def test_a_time_on_record_that_cannot_be_understood_opens_nothing(
    house: House, clock: FakeClock, value: str
) -> None:
    await house.give(seconds=600)
    await house.firewall.stop()
    with sqlite3.connect(house.database) as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (meta.SEEN, value))
    house.firewall = wire.Firewall(
        database=house.database, on_event=house.events.append, clock=clock
    )
    with pytest.raises(StorageError):
        await house.firewall.start()
    assert not wire.storage_threads()


async def test_the_time_is_written_down_while_something_is_to_end_and_no_longer(
    house: House, clock: FakeClock
) -> None:
    async def seen() -> float | None:
        value = await meta.get(house.firewall._database, meta.SEEN)
        return None if value is None else value[0]

    clock.pass_by(1)
    await house.firewall.consents.look_after()
    assert await seen() is None, "nothing ends"
    await house.give("$.body.temp", seconds=600)
    assert house.firewall.consents.next_look() <= LOOK_SECONDS
    clock.pass_by(50)
    await house.firewall.consents.look_after()
    assert await seen() == clock.wall
    clock.pass_by(600)
    await house.firewall.consents.look_after()
    last = await seen()
    clock.pass_by(600)
    await house.firewall.consents.look_after()
    assert await seen() == last


@pytest.mark.parametrize("what", ["a grant", "letting through"])
@pytest.mark.parametrize("how", ["the same start", "another start"])
async def test_the_time_is_written_down_with_what_ends(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, what: str, how: str
) -> None:
    """Whoever dies right after it, before anything looked after it, finds that moment again."""

    async def never() -> None:
        pass

    monkeypatch.setattr(house.firewall.consents, "look_after", never)
    clock.pass_by(HOUR)
    if what == "a grant":
        await house.give("$.body.temp", seconds=600)
    else:
        await house.firewall.consents.let_through("fridge", Decider(how="button"), seconds=600)
    assert await meta.get(house.firewall._database, meta.SEEN) == [clock.wall, clock.up, "first"]
    assert await house.sends()

    def meanwhile() -> None:
        # Nothing else that knows the time may tell it.
        for one in house.database.parent.glob("*journal*"):
            one.unlink()
        if how == "another start":
            clock.reboot()
        else:
            clock.pass_by(600)
        clock.wall -= YEAR

    await house.restart(meanwhile=meanwhile, clock=clock)
    assert not await house.sends()


async def test_one_given_anew_at_its_end_is_not_recorded_as_over(
    house: House, clock: FakeClock
) -> None:
    """The look that finds it over, and the household that prolongs it, at the same time."""
    await house.give("$.body.temp", seconds=60)
    clock.pass_by(60)
    await wire.asyncio.gather(
        house.give("$.body.temp", seconds=60), house.firewall.consents.look_after()
    )
    assert house.firewall.is_sharing(house.points()["$.body.temp"].id, "frost")
    assert (await states(house))[-1] == "given"


async def test_an_end_that_cannot_be_recorded_is_tried_again(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.give("$.body.temp", seconds=60)
    clock.pass_by(60)
    looks: list[float] = []
    look_after = house.firewall.consents.look_after

    async def counted() -> None:
        looks.append(0)
        await look_after()

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_append", broken)
        patch.setattr(house.firewall.consents, "look_after", counted)
        house.firewall._enforce()
        await eventually(lambda: bool(looks))
        await wire.asyncio.sleep(0.2)
        assert not await house.sends()
        assert len(looks) < 5, "not again and again without a pause"
    await house.firewall.consents.look_after()
    assert (await states(house))[-1] == "expired"


# --- It is told that one ends soon ---


async def test_an_end_is_told_once_five_minutes_ahead(house: House, clock: FakeClock) -> None:
    await house.give("$.body.temp", "$.body.door", seconds=HOUR)
    until = clock.wall + HOUR
    for passed, count in ((0, 0), (HOUR - 301, 0), (1, 1), (200, 1), (98, 1), (2, 1)):
        clock.pass_by(passed)
        await house.firewall.consents.look_after()
        assert len(house.told(GrantEnding)) == count
    (told,) = house.told(GrantEnding)
    assert told.until == until
    assert {one.data_point_id for one in told.consents} == {
        house.points()[path].id for path in ("$.body.temp", "$.body.door")
    }


async def test_another_grant_is_told_again(house: House, clock: FakeClock) -> None:
    for count in (1, 2):
        await house.give("$.body.temp", seconds=HOUR)
        clock.pass_by(HOUR - 10)
        await house.firewall.consents.look_after()
        assert len(house.told(GrantEnding)) == count


async def test_a_look_is_due_when_something_is_to_be_told(house: House, clock: FakeClock) -> None:
    await house.give("$.body.temp", seconds=90)
    await house.firewall.consents.look_after()
    assert house.firewall.consents.next_look() == pytest.approx(60), "its last third"
    clock.pass_by(50)
    assert house.firewall.consents.next_look() == pytest.approx(10)
    assert house.firewall.consents.next_end() == pytest.approx(40)
    clock.pass_by(20)
    await house.firewall.consents.look_after()
    assert len(house.told(GrantEnding)) == 1
    assert house.firewall.consents.next_look() == pytest.approx(20)


async def test_what_was_withdrawn_is_not_told(house: House, clock: FakeClock) -> None:
    await house.give("$.body.temp", seconds=HOUR)
    await house.withdraw_all()
    clock.pass_by(HOUR - 10)
    await house.firewall.consents.look_after()
    assert house.told(GrantEnding) == []
