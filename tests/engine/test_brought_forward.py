"""What ends sooner than was known when it was decided: under way, gone, or refused by the disk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import sqlite3

import pytest
from stuck import LARGE, idle, start

from engine import StorageError
from engine.model import ConsentState, Decider, Level
import wire
from wire import Caller, House, Line, eventually, frost

HOW = Decider(how="switch")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        await built.ask(built.request())
        yield built


async def nothing_more_arrives(line: Line, caller: Caller) -> None:
    there = len(line.received) + line.waiting()
    assert there < len(LARGE), "it had not ended"
    with pytest.MonkeyPatch.context():
        try:
            async with asyncio.timeout(1.0):
                await line.drain()
        except TimeoutError:
            pass
    caller.close()
    assert len(line.received) <= there


# --- Under way ---


async def test_a_grant_that_is_made_shorter_ends_what_is_under_way(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    await narrow.give(seconds=0.5)
    await nothing_more_arrives(line, caller)


async def test_a_shorter_grant_ends_a_message_that_began_under_it(narrow: House) -> None:
    await narrow.give(seconds=60.0)
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    point = narrow.points()["$.body.temp"]
    await narrow.give("$.body.temp", seconds=0.5)
    await eventually(lambda: not narrow.firewall.is_sharing(point.id, "frost"))
    await asyncio.sleep(0.1)
    await nothing_more_arrives(line, caller)


async def test_letting_through_that_is_made_shorter_ends_what_is_under_way(narrow: House) -> None:
    firewall = narrow.firewall
    await narrow.withdraw_all()
    narrow.cloud.script = idle
    await firewall.consents.let_through("fridge", HOW, seconds=3600)
    caller, line = await start(narrow)
    await firewall.consents.let_through("fridge", HOW, seconds=0.3)
    await eventually(lambda: firewall.let_through_until("fridge") is None)
    await asyncio.sleep(0.1)
    await nothing_more_arrives(line, caller)


async def test_an_identifier_ends_with_the_last_consent_that_brings_it(narrow: House) -> None:
    """One without end brings it, and one that ends. The first is withdrawn, then the other ends."""
    recipient = frost(f"http://{narrow.host}/", functional=frozenset({"$.body.serial"}))
    body = LARGE[:-1] + b',"serial":"AB-1234-5678"}'
    await narrow.withdraw_all()
    await narrow.ask(narrow.request(body))
    # Under a notice that names no serial.
    await narrow.give("$.body.log")
    narrow.configure(recipients=(recipient,))
    await narrow.give("$.body.temp")
    await narrow.give("$.body.door", seconds=1.5)
    narrow.cloud.script = idle
    caller, line = await start(
        narrow, body.replace(b'"temp":4.5,', b"").replace(b'"door":true,', b"")
    )
    points = narrow.points()
    assert points["$.body.serial"].id in (await narrow.newest()).released
    await narrow.firewall.withdraw(points["$.body.temp"].id, "frost", how="switch")
    await eventually(lambda: not narrow.firewall.is_sharing(points["$.body.door"].id, "frost"))
    await asyncio.sleep(0.1)
    await nothing_more_arrives(line, caller)
    assert b"AB-1234-5678" not in line.received


# --- Refused by the disk ---


@pytest.mark.parametrize("terms", [{"level": Level.COARSE}, {"seconds": 3600.0}], ids=str)
async def test_what_narrows_holds_though_it_cannot_be_recorded(
    house: House, terms: dict[str, object]
) -> None:
    """It is out of force, and recorded as taken back: less than was wanted, never more."""
    firewall = house.firewall
    await house.give()
    point = house.points()["$.body.temp"]
    await firewall._database.close()
    with pytest.raises(StorageError):
        await house.give("$.body.temp", **terms)
    await firewall._database.open()
    await firewall.try_storage()
    await house.ask(house.request(b'{"door":true,"temp":4.56789}'))
    assert b"4.56789" not in house.cloud.received
    await firewall.consents.look_after()
    consent = firewall.consent(point.id, "frost")
    assert consent is not None
    assert consent.state is ConsentState.WITHDRAWN
    assert firewall.is_sharing(house.points()["$.body.door"].id, "frost")


# --- Gone ---


async def test_consents_end_with_the_appliance(house: House) -> None:
    firewall = house.firewall
    await house.give()
    firewall.configure((), (frost(f"http://{house.host}/"),))
    await firewall.forget_all_but(frozenset({"frost"}))
    assert {one.state for one in firewall.decided()} == {ConsentState.WITHDRAWN}
    receipts = await firewall.inspection.receipts(people={})
    assert not any(one["now"]["in_force"] for one in receipts)
    # Also when the same comes back, is seen again, and something else is decided.
    house.configure()
    await house.ask(house.request())
    await firewall.consents.lock_down(HOW, on=True)
    await firewall.consents.lock_down(HOW, on=False)
    assert not await house.sends()
    await house.restart()
    assert not await house.sends()


async def test_consents_end_with_the_recipient(house: House) -> None:
    firewall = house.firewall
    await house.give()
    house.configure(recipients=())
    receipts = await firewall.inspection.receipts(people={})
    assert not any(one["now"]["in_force"] for one in receipts)
    await firewall.forget_all_but(frozenset({"fridge"}))
    assert {one.state for one in firewall.decided()} == {ConsentState.WITHDRAWN}
    house.configure()
    assert not await house.sends()


async def test_they_end_though_the_disk_refuses_and_that_is_recorded_later(house: House) -> None:
    firewall = house.firewall
    await house.give()
    await firewall._database.close()
    with pytest.raises(StorageError):
        await firewall.forget_all_but(frozenset({"frost"}))
    await firewall._database.open()
    await firewall.try_storage()
    assert not await house.sends()
    await firewall.consents.look_after()
    records = await firewall.consents.records()
    assert {one.consent.state for one in records[-2:]} == {ConsentState.WITHDRAWN}
    assert records[-1].decider.how == "removal"


async def test_consents_of_what_stays_are_as_they_were(house: House) -> None:
    await house.give()
    before = house.firewall.decided()
    await house.firewall.forget_all_but(frozenset({"fridge", "frost", "other"}))
    assert house.firewall.decided() == before


# --- Another type ---


async def test_a_given_item_of_another_type_is_held_back_and_asked_about(house: House) -> None:
    await house.give()
    point = house.points()["$.body.temp"]
    assert (point.id, "frost") not in house.firewall.consents.open_questions([point])
    await house.ask(house.request(b'{"door":true,"temp":"4.5 at home"}'))
    assert b"home" not in house.cloud.received
    point = house.points()["$.body.temp"]
    assert (point.id, "frost") in house.firewall.consents.open_questions([point])


# --- What is on record ---


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE notices SET text = 'We promise that nothing leaves'",
        "DELETE FROM notices",
        "UPDATE ledger SET id = id + 1000 WHERE id = (SELECT MAX(id) FROM ledger)",
    ],
)
async def test_notices_and_numbers_are_verified_too(house: House, change: str) -> None:
    await house.give()
    assert (await house.firewall.consents.verify()).first_broken is None
    await house.firewall.stop()
    connection = sqlite3.connect(house.database)
    with connection:
        connection.execute(change)
    connection.close()
    await house.firewall.start()
    house.configure()
    assert (await house.firewall.consents.verify()).first_broken is not None


# --- The self-test ---


async def test_an_appliance_that_is_let_through_does_not_reach_the_self_tests_cloud(
    house: House,
) -> None:
    await house.firewall.consents.let_through("fridge", HOW, seconds=3600)
    proving = house.firewall._proving
    calls = 0

    async def call() -> None:
        nonlocal calls
        while True:
            if proving._canary is not None:
                port = proving._canary[1].endpoints[0].port
                calls += 1
                await house.ask(
                    house.request(b'{"control":"x"}', path="/canary", host=f"127.0.0.1:{port}")
                )
            await asyncio.sleep(0.01)

    calling = asyncio.create_task(call())
    report = await house.firewall.self_test()
    calling.cancel()
    assert calls > 10
    assert report.passed, report.as_dict()
