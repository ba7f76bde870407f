"""Withdrawal is a barrier: once `withdraw` has returned, no later byte reaches the cloud."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
import threading

import pytest
from stuck import LARGE, idle, no_later_byte, start

from engine import StorageError, passages, pipeline
from engine.gates.http import upstream
from engine.model import (
    Appliance,
    Category,
    Consent,
    ConsentState,
    DataPoint,
    Decider,
    Field,
    Kind,
    Level,
    Outcome,
    Reason,
    opaque_id,
)
import wire
from wire import PATIENCE, House, Line, Resolver, eventually, fridge, frost, reply


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        await built.teach()
        yield built


# --- Decisions take effect with the next request ---


async def test_a_grant_and_a_withdrawal_count_from_the_next_request_on(tmp_path: Path) -> None:
    async with wire.house(tmp_path) as house:
        caller = await house.dial()

        async def ask() -> list[bytes]:
            await caller.send(house.request())
            assert (await caller.answer()).status == 200
            return [seen.body for seen in house.cloud.requests]

        assert await ask() == []
        points = house.points()
        await house.firewall.grant(points["$.body.door"].id, "frost", how="switch")
        assert await ask() == [b'{"door":true}']
        await house.firewall.grant(points["$.body.temp"].id, "frost", how="switch")
        assert (await ask())[1:] == [b'{"door":true,"temp":4.5}']
        await house.firewall.withdraw(points["$.body.door"].id, "frost", how="switch")
        assert (await ask())[2:] == [b'{"temp":4.5}']
        await house.firewall.withdraw(points["$.body.temp"].id, "frost", how="switch")
        before = len(house.cloud.received)
        assert len(await ask()) == 3
        assert len(house.cloud.received) == before
        assert len(house.cloud.lines) == 1, "it was one and the same connection"
        caller.close()


async def test_a_consent_made_coarse_counts_from_the_next_request_on(house: House) -> None:
    point = house.points()["$.body.temp"]
    await house.firewall.grant(point.id, "frost", how="switch", level=Level.COARSE)
    await house.ask(house.request(b'{"door":true,"temp":4.56789}'))
    assert b"4.56789" not in house.cloud.received
    assert len(house.cloud.requests) == 1


async def test_a_recipient_taken_away_counts_from_the_next_request_on(house: House) -> None:
    house.configure(recipients=())
    await house.ask(house.request())
    assert not house.cloud.lines
    assert await house.reason() is Reason.UNCLAIMED_ENDPOINT


# --- Requests under way ---


async def test_a_request_that_is_still_being_read(house: House) -> None:
    raw = house.request()
    caller = await house.dial()
    await caller.send(raw[:-5])
    await asyncio.sleep(0.05)
    await house.withdraw_all()
    await caller.send(raw[-5:])
    assert (await caller.answer()).status == 200
    caller.close()
    assert not house.cloud.lines
    assert await house.reason() is Reason.NOTHING_CONSENTED


async def test_a_request_that_is_being_examined_in_a_thread(
    narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = threading.Event(), threading.Event()
    examine = pipeline.examine

    def slow(*arguments):
        examined = examine(*arguments)
        reached.set()
        go.wait(PATIENCE)
        return examined

    monkeypatch.setattr(pipeline, "examine", slow)
    caller = await narrow.dial()
    await caller.send(narrow.request(LARGE))
    await eventually(reached.is_set)
    await narrow.withdraw_all()
    go.set()
    assert (await caller.answer()).status == 200
    caller.close()
    assert not narrow.cloud.lines
    entry = await narrow.newest()
    assert (entry.outcome, entry.reason) == (Outcome.DENY, Reason.NOTHING_CONSENTED)
    assert all(not one.released for one in await narrow.firewall.newest_entries())


async def test_a_request_that_is_being_recorded(house: House) -> None:
    go = threading.Event()
    database = house.firewall._files._journal_file
    blocker = asyncio.ensure_future(database.run(lambda _: go.wait(PATIENCE)))
    await asyncio.sleep(0.05)
    caller = await house.dial()
    await caller.send(house.request())
    await asyncio.sleep(0.05)
    withdrawal = asyncio.ensure_future(house.withdraw_all())
    await asyncio.sleep(0.05)
    go.set()
    await withdrawal
    await blocker
    assert (await caller.answer()).status == 200
    caller.close()
    assert not house.cloud.lines
    assert all(not one.released for one in await house.firewall.newest_entries())


async def test_a_request_that_waits_for_a_name(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch, {"frost.example": ["127.0.0.1"]})
    resolver.hold = asyncio.Event()
    house.configure(recipients=(frost(f"http://frost.example:{house.cloud.port}/"),))
    await house.teach(house.request(host="frost.example"))
    caller = await house.dial()
    await caller.send(house.request(host="frost.example"))
    await eventually(lambda: resolver.asked != [])
    await house.withdraw_all()
    resolver.hold.set()
    await caller.answer()
    caller.close()
    assert not house.cloud.received
    assert not (await house.newest()).released
    assert (await house.newest()).outcome is Outcome.DENY


async def test_a_request_that_waits_for_its_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One data point is taken back, another stays: even so the old message does not go."""
    loop = asyncio.get_running_loop()
    reached, go = asyncio.Event(), asyncio.Event()
    connect = loop.sock_connect

    async def slow(sock, address) -> None:
        await connect(sock, address)
        if address[1] == house.cloud.port:
            reached.set()
            await go.wait()

    caller = await house.dial()
    monkeypatch.setattr(loop, "sock_connect", slow)
    await caller.send(house.request())
    async with asyncio.timeout(PATIENCE):
        await reached.wait()
    await house.firewall.withdraw(house.points()["$.body.temp"].id, "frost", how="switch")
    go.set()
    await caller.answer()
    caller.close()
    await asyncio.sleep(0.05)
    assert not house.cloud.received
    entry = await house.newest()
    assert (entry.outcome, entry.released) == (Outcome.DENY, ())


async def test_a_request_that_waits_for_a_free_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "MAX_CONNECTIONS", 1)
    house.configure(
        fridge(),
        fridge(id="oven", addresses=frozenset({"127.0.0.3"})),
    )
    await house.ask(house.request(), "127.0.0.3")
    await house.grant_all("oven")
    house.cloud.script = idle
    first = await house.dial("127.0.0.3")
    await first.send(house.request())
    line = await house.cloud.line()
    await eventually(lambda: line.waiting() > 0)
    second = await house.dial()
    await second.send(house.request(b'{"door":false,"temp":7.75}'))
    await asyncio.sleep(0.1)
    await house.withdraw_all()
    # The first one ends, and with it the wait of the second.
    first.close()
    line.finish()
    await second.answer()
    second.close()
    await asyncio.sleep(0.05)
    assert len(house.cloud.lines) == 1
    assert b"7.75" not in house.cloud.received
    assert line.waiting() < 250


async def test_a_request_whose_answer_is_waited_for(house: House) -> None:
    async def silent(line: Line) -> None:
        await line.request()
        await asyncio.sleep(3600)

    house.cloud.script = silent
    caller = await house.dial()
    await caller.send(house.request())
    line = await house.cloud.line()
    await eventually(lambda: line.requests != [])
    there = len(line.received)
    await house.withdraw_all()
    assert not (await caller.answer()).whole, "it ends without an answer"
    caller.close()
    assert len(line.received) == there
    assert (await house.newest()).released, "what went out stays recorded"


async def test_a_request_whose_body_is_partly_written(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    await narrow.withdraw_all()
    await no_later_byte(narrow, line)
    assert not (await caller.answer()).whole
    caller.close()


async def test_a_request_whose_answer_came_before_its_end(narrow: House) -> None:
    """The cloud has answered, the appliance is content, and still the rest of the body waits."""

    async def hasty(line: Line) -> None:
        await eventually(lambda: line.waiting() > 1000)
        await line.send(reply())
        await asyncio.sleep(3600)

    narrow.cloud.script = hasty
    caller, line = await start(narrow)
    assert (await caller.answer()).status == 200
    await narrow.withdraw_all()
    await no_later_byte(narrow, line)
    caller.close()


async def test_a_request_whose_answer_began_before_its_end(narrow: House) -> None:
    async def hasty(line: Line) -> None:
        await eventually(lambda: line.waiting() > 1000)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
        await asyncio.sleep(3600)

    narrow.cloud.script = hasty
    caller, line = await start(narrow)
    await caller.reader.readuntil(b"half ")
    await narrow.withdraw_all()
    await no_later_byte(narrow, line)
    assert await caller.rest() == b""
    caller.close()


async def test_a_request_that_took_too_long(narrow: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TOTAL_TIMEOUT", 0.5)
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    assert (await caller.answer()).status == 502
    caller.close()
    await narrow.withdraw_all()
    await no_later_byte(narrow, line)


async def test_a_request_whose_appliance_went_away(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    caller.reset()
    await asyncio.sleep(0.05)
    await narrow.withdraw_all()
    await no_later_byte(narrow, line)


async def test_a_request_at_the_time_the_gate_is_closed(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    await narrow.firewall.stop()
    await no_later_byte(narrow, line)
    caller.close()


async def test_an_exact_value_on_its_way_when_the_consent_is_made_coarse(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    point = narrow.points()["$.body.temp"]
    await narrow.firewall.grant(point.id, "frost", how="switch", level=Level.COARSE)
    await no_later_byte(narrow, line)
    caller.close()


async def test_a_recipient_taken_away_while_a_request_is_on_its_way(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    narrow.configure(recipients=())
    await asyncio.sleep(0.05)
    await no_later_byte(narrow, line)
    caller.close()


async def test_what_has_nothing_to_do_with_it_goes_on(narrow: House) -> None:
    """Somebody else's consent is withdrawn: the message on its way arrives whole."""
    narrow.configure(fridge(), fridge(id="oven", addresses=frozenset({"127.0.0.3"})))
    await narrow.ask(narrow.request(), "127.0.0.3")
    await narrow.grant_all("oven")
    hold = asyncio.Event()

    async def patient(line: Line) -> None:
        await hold.wait()
        await narrow.cloud.converse(line)

    narrow.cloud.script = patient
    caller, line = await start(narrow)
    await narrow.withdraw_all("oven")
    hold.set()
    assert (await caller.answer()).status == 200
    caller.close()
    assert line.requests[0].body == LARGE


async def test_the_withdrawal_holds_even_where_it_cannot_be_recorded(
    narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    await narrow.firewall._database.close()
    point = narrow.points()["$.body.temp"]
    with pytest.raises(StorageError):
        await narrow.firewall.withdraw(point.id, "frost", how="switch")
    await no_later_byte(narrow, line)
    caller.close()


# --- A grant that ends by itself, and measures, are the same barrier ---


async def over(house: House) -> None:
    """Wait until nothing is shared any more, and the moment that the gate takes to notice."""
    points = list(house.points().values())
    await eventually(lambda: not any(house.firewall.is_sharing(p.id, "frost") for p in points))
    await asyncio.sleep(0.05)


async def learn_another(house: House) -> None:
    """Have another data point seen, without a message that leaves, and all of them given."""
    await house.withdraw_all()
    await house.ask(house.request(b'{"other":1}'))
    await house.give()
    assert not house.cloud.lines


async def test_a_grant_that_ends_while_a_request_is_being_read(house: House) -> None:
    await house.give(seconds=0.3)
    raw = house.request()
    caller = await house.dial()
    await caller.send(raw[:-5])
    await over(house)
    await caller.send(raw[-5:])
    assert (await caller.answer()).status == 200
    caller.close()
    assert not house.cloud.lines
    assert await house.reason() is Reason.NOTHING_CONSENTED


async def test_a_grant_that_ends_while_a_request_is_examined(
    narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = threading.Event(), threading.Event()
    examine = pipeline.examine

    def slow(*arguments):
        examined = examine(*arguments)
        reached.set()
        go.wait(PATIENCE)
        return examined

    monkeypatch.setattr(pipeline, "examine", slow)
    await narrow.give(seconds=0.5)
    caller = await narrow.dial()
    await caller.send(narrow.request(LARGE))
    await eventually(reached.is_set)
    await over(narrow)
    go.set()
    await caller.answer()
    caller.close()
    assert not narrow.cloud.lines
    assert all(not one.released for one in await narrow.firewall.newest_entries())


async def test_a_grant_that_ends_while_a_request_waits_for_its_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends by the time alone: nobody records it, and nothing was cut."""
    loop = asyncio.get_running_loop()
    reached, go = asyncio.Event(), asyncio.Event()
    connect = loop.sock_connect

    async def slow(sock, address) -> None:
        await connect(sock, address)
        if address[1] == house.cloud.port:
            reached.set()
            await go.wait()

    await house.give("$.body.temp", seconds=0.3)
    for keeper in house.firewall._keepers:
        keeper.cancel()
    caller = await house.dial()
    monkeypatch.setattr(loop, "sock_connect", slow)
    await caller.send(house.request())
    async with asyncio.timeout(PATIENCE):
        await reached.wait()
    await asyncio.sleep(0.4)
    go.set()
    await caller.answer()
    caller.close()
    await asyncio.sleep(0.05)
    assert not house.cloud.received
    entry = await house.newest()
    assert (entry.outcome, entry.reason) == (Outcome.DENY, Reason.POLICY_CHANGED)
    assert entry.released == ()


async def test_a_grant_that_ends_between_two_requests_of_a_connection(house: House) -> None:
    await house.give(seconds=0.5)
    caller = await house.dial()
    await caller.send(house.request())
    assert (await caller.answer()).body == b'{"ok":true}'
    there = len(house.cloud.received)
    await over(house)
    await caller.send(house.request())
    assert (await caller.answer()).status == 200
    caller.close()
    assert len(house.cloud.received) == there > 0
    assert len(house.cloud.lines) == 1


async def test_a_grant_that_ends_while_a_body_is_partly_written(narrow: House) -> None:
    narrow.cloud.script = idle
    await narrow.give("$.body.temp", seconds=0.6)
    caller, line = await start(narrow)
    await eventually(
        lambda: not narrow.firewall.is_sharing(narrow.points()["$.body.temp"].id, "frost")
    )
    await asyncio.sleep(0.05)
    await no_later_byte(narrow, line)
    assert not (await caller.answer()).whole
    caller.close()


async def test_a_grant_that_ends_is_a_barrier_even_where_the_disk_hangs(narrow: House) -> None:
    """Nothing waits for the disk to end what is under way."""
    narrow.cloud.script = idle
    go = threading.Event()
    await narrow.give("$.body.temp", seconds=0.6)
    caller, line = await start(narrow)
    blocker = asyncio.ensure_future(narrow.firewall._database.run(lambda _: go.wait(PATIENCE)))
    await eventually(
        lambda: not narrow.firewall.is_sharing(narrow.points()["$.body.temp"].id, "frost")
    )
    await asyncio.sleep(0.05)
    await no_later_byte(narrow, line)
    go.set()
    await blocker
    caller.close()


async def test_a_grant_that_ends_leaves_alone_what_does_not_carry_it(narrow: House) -> None:
    await learn_another(narrow)
    await narrow.give("$.body.other", seconds=0.6)
    hold = asyncio.Event()

    async def patient(line: Line) -> None:
        await hold.wait()
        await narrow.cloud.converse(line)

    narrow.cloud.script = patient
    caller, line = await start(narrow)
    await eventually(
        lambda: not narrow.firewall.is_sharing(narrow.points()["$.body.other"].id, "frost")
    )
    await asyncio.sleep(0.05)
    hold.set()
    assert (await caller.answer()).status == 200
    caller.close()
    assert line.requests[0].body == LARGE


async def test_a_grant_that_was_prolonged_goes_on(narrow: House) -> None:
    """The message began under a grant that would have ended."""
    hold = asyncio.Event()

    async def patient(line: Line) -> None:
        await hold.wait()
        await narrow.cloud.converse(line)

    narrow.cloud.script = patient
    await narrow.give(seconds=0.6)
    caller, line = await start(narrow)
    await narrow.give(seconds=60)
    await asyncio.sleep(0.7)
    hold.set()
    assert (await caller.answer()).status == 200
    caller.close()
    assert line.requests[0].body == LARGE


async def test_an_identifier_that_rode_along_with_a_grant_ends_with_it(narrow: House) -> None:
    """What is left of the consents does not bring the serial along: its message is cut."""
    recipient = frost(f"http://{narrow.host}/", functional=frozenset({"$.body.serial"}))
    body = LARGE[:-1] + b',"serial":"AB-1234-5678"}'
    narrow.configure()
    await narrow.withdraw_all()
    await narrow.ask(narrow.request(body))
    await narrow.give("$.body.log")
    narrow.configure(recipients=(recipient,))
    await narrow.give("$.body.temp")
    narrow.cloud.script = idle
    caller, line = await start(narrow, body.replace(b'"temp":4.5,', b""))
    point = narrow.points()["$.body.temp"]
    released = (await narrow.newest()).released
    assert narrow.points()["$.body.serial"].id in released
    assert point.id not in released
    await narrow.firewall.withdraw(point.id, "frost", how="switch")
    await no_later_byte(narrow, line)
    caller.close()


async def test_a_lockdown_cuts_what_is_under_way(narrow: House) -> None:
    narrow.cloud.script = idle
    caller, line = await start(narrow)
    await narrow.firewall.consents.lock_down(Decider(how="switch"), on=True)
    await no_later_byte(narrow, line)
    caller.close()


@pytest.mark.parametrize("by", ["hand", "time", "lockdown"])
async def test_letting_through_that_ends_cuts_what_is_under_way(narrow: House, by: str) -> None:
    narrow.cloud.script = idle
    await narrow.withdraw_all()
    seconds = 0.6 if by == "time" else 60
    await narrow.firewall.consents.let_through("fridge", Decider(how="button"), seconds=seconds)
    caller, line = await start(narrow)
    if by == "hand":
        await narrow.firewall.consents.let_through("fridge", Decider(how="button"), seconds=None)
    elif by == "lockdown":
        await narrow.firewall.consents.lock_down(Decider(how="switch"), on=True)
    else:
        await eventually(lambda: narrow.firewall.let_through_until("fridge") is None)
        await asyncio.sleep(0.05)
    await no_later_byte(narrow, line)
    caller.close()


async def test_a_withdrawal_does_not_cut_what_is_let_through(narrow: House) -> None:
    hold = asyncio.Event()

    async def patient(line: Line) -> None:
        await hold.wait()
        await narrow.cloud.converse(line)

    narrow.cloud.script = patient
    await narrow.firewall.consents.let_through("fridge", Decider(how="button"), seconds=60)
    caller, line = await start(narrow)
    await narrow.withdraw_all()
    hold.set()
    assert (await caller.answer()).status == 200
    caller.close()
    assert line.requests[0].body == LARGE


async def test_a_consent_made_coarse_cuts_its_own_messages_only(narrow: House) -> None:
    hold = asyncio.Event()

    async def patient(line: Line) -> None:
        await hold.wait()
        await narrow.cloud.converse(line)

    await learn_another(narrow)
    narrow.cloud.script = patient
    caller, line = await start(narrow)
    await narrow.give("$.body.other", level=Level.COARSE)
    hold.set()
    assert (await caller.answer()).status == 200
    caller.close()
    assert line.requests[0].body == LARGE


def test_with_opaque_traffic_nothing_rides_along_that_is_read() -> None:
    """Its consent names hosts in the identifiers' place; what rode along with another ends."""
    serial = DataPoint(
        id="s",
        appliance_id="fridge",
        template="POST h/r",
        field=Field("$.body.serial"),
        name="Serial",
        kinds=frozenset({Kind.TEXT}),
        category=Category.IDENTIFIER,
        recipients=("frost",),
    )
    given = Consent(
        appliance_id="fridge",
        data_point_id=opaque_id("fridge"),
        recipient_id="frost",
        state=ConsentState.GIVEN,
        functional=frozenset({"mqtt.frost.example", "$.body.serial"}),
    )
    in_force = {("fridge", given.data_point_id, "frost"): given}
    fridge, to = Appliance(id="fridge", name="Fridge"), frost("http://h/")
    assert not passages._may_still(fridge, to, serial, in_force)
    other = replace(given, data_point_id="x", functional=frozenset({"$.body.serial"}))
    assert passages._may_still(fridge, to, serial, {("fridge", "x", "frost"): other})
