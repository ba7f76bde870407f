"""Measures: a lockdown holds whatever happens, letting through ends whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import sqlite3
from typing import Any

import pytest

from engine import ConsentError, StorageError, anchor, measures
from engine.events import Discovered, MeasureChanged
from engine.files import anchor_path
from engine.gates.http import server
from engine.measures import Measures
from engine.model import Decider, Measure, Outcome, Protection, Reason
from helpers import FakeClock
import wire
from wire import House, Resolver, fridge, frost

BODY = b'{"door":true,"temp":4.5}'
HAND = Decider(how="switch", person="anna", context="01J")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    async with wire.house(tmp_path, clock=clock) as built:
        await built.ask(built.request(BODY))
        yield built


async def lock(house: House, *, on: bool = True) -> None:
    await house.firewall.consents.lock_down(HAND, on=on)


async def let(house: House, seconds: float | None, appliance: str = "fridge") -> None:
    await house.firewall.consents.let_through(appliance, HAND, seconds=seconds)


def taken(house: House) -> list[tuple[str, str, int, str]]:
    """What is on record: measure, appliance, whether it began, and how."""
    with sqlite3.connect(house.database) as connection:
        return connection.execute(
            "SELECT measure, appliance_id, is_on, how FROM measures ORDER BY id"
        ).fetchall()


def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(measures, "_append", broken)


# --- Lockdown ---


async def test_a_lockdown_denies_everything_and_its_end_brings_back_what_was(house: House) -> None:
    await house.give("$.body.temp")
    await house.ask(house.request(BODY))
    before = house.firewall.decided()
    await lock(house)
    assert house.firewall.consents.is_locked_down
    assert not await house.sends()
    assert await house.reason() is Reason.LOCKDOWN
    assert house.firewall.decided() == before
    await lock(house, on=False)
    assert house.firewall.decided() == before
    await house.ask(house.request(BODY))
    assert [seen.body for seen in house.cloud.requests] == [b'{"temp":4.5}'] * 2
    assert [(one.measure, one.is_on) for one in house.told(MeasureChanged)] == [
        (Measure.LOCKDOWN, True),
        (Measure.LOCKDOWN, False),
    ]
    assert taken(house) == [("lockdown", "", 1, "switch"), ("lockdown", "", 0, "switch")]


async def test_a_lockdown_denies_before_a_body_is_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    body = server.HttpGate._body

    async def watched(self: server.HttpGate, request: Any) -> bytes:
        read.append(request)
        return await body(self, request)

    monkeypatch.setattr(server.HttpGate, "_body", watched)
    await house.give()
    await lock(house)
    caller = await house.dial()
    await caller.send(house.request(BODY)[: -len(BODY)])
    assert (await caller.answer()).status == 200, "answered though the body never came"
    caller.close()
    assert read == []
    assert await house.reason() is Reason.LOCKDOWN
    await house.ask(house.request(BODY, host="elsewhere.example"))
    assert await house.reason() is Reason.LOCKDOWN, "nor is an unclaimed endpoint counted"


async def test_a_lockdown_holds_over_a_restart(house: House, clock: FakeClock) -> None:
    await house.give()
    await lock(house)
    await house.restart(clock=clock)
    assert house.firewall.consents.is_locked_down
    assert not await house.sends()
    await lock(house, on=False)
    await house.restart(clock=clock)
    assert await house.sends()


async def test_a_lockdown_said_twice_is_recorded_once(house: House) -> None:
    await lock(house)
    await lock(house)
    await lock(house, on=False)
    await lock(house, on=False)
    assert [is_on for _, _, is_on, _ in taken(house)] == [1, 0]
    assert len(house.told(MeasureChanged)) == 2


async def test_a_grant_during_a_lockdown_waits_for_its_end(house: House) -> None:
    await lock(house)
    await house.give()
    assert not await house.sends()
    await lock(house, on=False)
    assert await house.sends()


async def test_a_lockdown_that_cannot_be_recorded_holds_and_is_recorded_later(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.give()
    with monkeypatch.context() as patch:
        breaking(patch)
        for _ in range(2):
            with pytest.raises(StorageError):
                await lock(house)
            assert house.firewall.consents.is_locked_down
            assert not await house.sends()
        await house.firewall.consents.look_after()
        assert taken(house) == []
        await house.restart(clock=clock)
        assert not await house.sends(), "the anchor says so, where the ledger cannot"
    await house.firewall.consents.look_after()
    assert [is_on for _, _, is_on, _ in taken(house)] == [1]
    assert not anchor.read(anchor_path(house.database)).lockdown
    await house.firewall.consents.look_after()
    assert len(taken(house)) == 1
    await house.restart(clock=clock)
    assert not await house.sends()
    await lock(house, on=False)
    await house.restart(clock=clock)
    assert await house.sends()


async def test_an_end_of_a_lockdown_that_cannot_be_recorded_is_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.give()
    await lock(house)
    with monkeypatch.context() as patch:
        breaking(patch)
        with pytest.raises(StorageError):
            await lock(house, on=False)
        assert not await house.sends()
    await house.firewall.consents.look_after()
    assert not await house.sends(), "nor is it tried again by itself"


async def test_of_lockdown_and_its_end_at_the_same_time_the_last_word_counts(
    house: House, clock: FakeClock
) -> None:
    await house.give()
    await lock(house)
    ending = asyncio.ensure_future(lock(house, on=False))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await lock(house)
    await ending
    assert house.firewall.consents.is_locked_down
    assert not await house.sends()
    await house.restart(clock=clock)
    assert not await house.sends()
    await asyncio.gather(lock(house), lock(house, on=False))
    assert await house.sends()


# --- Letting through ---


async def test_everything_of_an_appliance_goes_through_as_it_is(house: House) -> None:
    raw = b'{ "serial" : "AB-1234-5678", "door":true,   "temp":4.50, "note":"\\u0041" }'
    await let(house, 60)
    answer = await house.ask(house.request(raw, "X-Model: F-1", path="/v1/a%20b?q=%41&mac=1"))
    assert answer.body == b'{"ok":true}'
    (seen,) = house.cloud.requests
    assert seen.body == raw
    assert seen.line == b"POST /v1/a%20b?q=%41&mac=1 HTTP/1.1"
    assert ("X-Model", "F-1") in seen.headers
    entry = await house.newest()
    assert (entry.outcome, entry.reason) == (Outcome.PERMIT, Reason.LET_THROUGH)
    points = house.points()
    assert {points[f"$.body.{name}"].id for name in ("serial", "door", "temp")} <= set(
        entry.released
    )
    assert (entry.withheld, entry.coarse, entry.values) == (0, (), ())
    assert entry.bytes_out == entry.bytes_in == len(raw)
    assert any(isinstance(event, Discovered) for event in house.events), "what is new is learned"
    assert all(house.firewall.consent(p.id, "frost") is None for p in points.values())


@pytest.mark.parametrize(
    "raw", [b"\x00\x01 not json at all \xff", b'{"a":1,"a":2}', b'{"open":', b"x" * 200_000],
    ids=["binary", "twice", "broken", "large"],
)  # fmt: skip
async def test_what_cannot_be_read_goes_through_as_well(house: House, raw: bytes) -> None:
    await let(house, 60)
    await house.ask(house.request(raw))
    assert [seen.body for seen in house.cloud.requests] == [raw]
    entry = await house.newest()
    assert (entry.reason, entry.released) == (Reason.LET_THROUGH, ())
    assert entry.bytes_out == len(raw)


async def test_headers_of_the_connection_and_of_proxies_stay(house: House) -> None:
    await let(house, 60)
    await house.ask(
        house.request(
            BODY, "Connection: keep-alive, X-Hop", "X-Hop: 1", "X-Forwarded-For: 10.0.0.9",
            "Via: 1.1 me", "Keep-Alive: 5", "X-Stays: 1",
        )
    )  # fmt: skip
    (seen,) = house.cloud.requests
    names = {name.lower() for name, _ in seen.headers}
    assert "x-stays" in names
    assert names.isdisjoint({"x-hop", "x-forwarded-for", "via", "keep-alive"})


async def test_only_that_appliance_and_only_until_its_end(house: House, clock: FakeClock) -> None:
    house.configure(fridge(), fridge(id="oven", addresses=frozenset({"127.0.0.3"})))
    await let(house, 600)
    assert house.firewall.let_through_until("fridge") == clock.wall + 600
    assert house.firewall.let_through_until("oven") is None
    await house.ask(house.request(BODY), "127.0.0.3")
    assert house.cloud.requests == []
    assert house.firewall.status("fridge").protection is Protection.MONITORED
    assert house.firewall.status("oven").protection is not Protection.MONITORED
    clock.pass_by(599)
    assert await house.sends()
    clock.pass_by(1)
    assert not await house.sends(), "without anybody recording it"
    assert await house.reason() is Reason.NOTHING_CONSENTED
    assert house.firewall.consents.measures.get(Measure.LET_THROUGH, "fridge") is None
    assert house.firewall.status("fridge").protection is Protection.PROTECTED
    house.events.clear()
    await house.firewall.consents.look_after()
    (told,) = house.told(MeasureChanged)
    assert (told.measure, told.appliance_id, told.is_on) == (Measure.LET_THROUGH, "fridge", False)
    assert taken(house)[-1] == ("let_through", "fridge", 0, "time")
    await house.firewall.consents.look_after()
    assert len(house.told(MeasureChanged)) == 1


@pytest.mark.parametrize("seconds", [0, -5, 3600.1, float("inf"), float("nan")])
async def test_an_hour_at_most(house: House, seconds: float) -> None:
    with pytest.raises(ConsentError):
        await let(house, seconds)
    assert taken(house) == []
    await let(house, 3600)
    assert await house.sends()


async def test_not_for_an_appliance_nobody_knows(house: House) -> None:
    for seconds in (60, None):
        with pytest.raises(ConsentError):
            await let(house, seconds, "oven")
    await let(house, None)
    assert taken(house) == [], "what is not on has no end"


async def test_it_ends_by_hand(house: House) -> None:
    await let(house, 600)
    assert await house.sends()
    await let(house, None)
    assert not await house.sends()
    assert [one.is_on for one in house.told(MeasureChanged)] == [True, False]
    assert [is_on for _, _, is_on, _ in taken(house)] == [1, 0]


async def test_an_end_that_cannot_be_recorded_holds_and_is_recorded_later(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await let(house, 600)
    with monkeypatch.context() as patch:
        breaking(patch)
        for _ in range(2):
            with pytest.raises(StorageError):
                await let(house, None)
            assert not await house.sends()
    await house.firewall.consents.look_after()
    assert [is_on for _, _, is_on, _ in taken(house)] == [1, 0]
    await house.restart(clock=clock)
    assert not await house.sends()


async def test_one_that_cannot_be_recorded_does_not_begin(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        breaking(patch)
        with pytest.raises(StorageError):
            await let(house, 600)
    await house.firewall.consents.look_after()
    assert not await house.sends()
    assert house.told(MeasureChanged) == []


async def test_one_that_is_ended_while_it_is_recorded_does_not_begin(
    house: House, clock: FakeClock
) -> None:
    await asyncio.gather(let(house, 600), let(house, None))
    assert not await house.sends()
    await house.restart(clock=clock)
    assert not await house.sends()


async def test_it_goes_on_over_a_restart_and_not_beyond_its_end(
    house: House, clock: FakeClock
) -> None:
    await let(house, 600)
    await house.restart(meanwhile=lambda: clock.pass_by(300), clock=clock)
    assert await house.sends()
    until = house.firewall.let_through_until("fridge")

    def meanwhile() -> None:
        clock.pass_by(300)
        clock.wall -= 86400

    await house.restart(meanwhile=meanwhile, clock=clock)
    assert until is not None
    assert house.firewall.now() >= until
    assert not await house.sends()


async def test_a_lockdown_is_stronger(house: House) -> None:
    await let(house, 600)
    await lock(house)
    assert not await house.sends()
    assert await house.reason() is Reason.LOCKDOWN
    await lock(house, on=False)
    assert not await house.sends(), "its end restores consents, and this is none"
    assert await house.reason() is Reason.NOTHING_CONSENTED
    assert house.firewall.let_through_until("fridge") is None


async def test_a_lockdown_ends_letting_through_over_a_restart(
    house: House, clock: FakeClock
) -> None:
    await let(house, 600)
    await lock(house)
    assert [(one.measure, one.is_on) for one in house.told(MeasureChanged)] == [
        (Measure.LET_THROUGH, True), (Measure.LOCKDOWN, True), (Measure.LET_THROUGH, False),
    ]  # fmt: skip
    await house.restart(clock=clock)
    await lock(house, on=False)
    assert not await house.sends()


async def test_killed_between_the_two_records_it_is_ended_all_the_same(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        """The process is gone."""

    await let(house, 600)
    with monkeypatch.context() as killed:
        killed.setattr(Measures, "end", never)
        await lock(house)
    await house.restart(clock=clock)
    await lock(house, on=False)
    assert not await house.sends()
    await house.firewall.consents.look_after()
    await house.restart(clock=clock)
    assert not await house.sends()


async def test_during_a_lockdown_nothing_is_let_through(house: House) -> None:
    await lock(house)
    with pytest.raises(ConsentError, match="lockdown"):
        await let(house, 600)
    await lock(house, on=False)
    assert not await house.sends()


async def test_a_lockdown_that_begins_while_it_is_recorded_wins(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(let(house, 600))
        await asyncio.sleep(0)
        group.create_task(lock(house))
    await lock(house, on=False)
    assert not await house.sends()
    assert house.firewall.let_through_until("fridge") is None


async def test_consents_are_as_before_when_it_ends(house: House) -> None:
    await house.give("$.body.temp")
    before = house.firewall.decided()
    await let(house, 600)
    await house.ask(house.request(BODY))
    await let(house, None)
    await house.ask(house.request(BODY))
    assert [seen.body for seen in house.cloud.requests] == [BODY, b'{"temp":4.5}']
    assert house.firewall.decided() == before


async def test_identities_are_not_learned_from_what_went_through(house: House) -> None:
    """A serial that was let through is no withheld one: it does not taint what is granted."""
    await house.ask(house.request(b'{"label":"x","door":true}'))
    await let(house, 600)
    await house.ask(house.request(b'{"serial":"AB12345678","door":true}'))
    await let(house, None)
    with sqlite3.connect(house.database) as connection:
        assert connection.execute("SELECT * FROM identities").fetchall() == []
    await house.give("$.body.label")
    await house.ask(house.request(b'{"label":"my AB12345678"}'))
    assert house.cloud.requests[-1].body == b'{"label":"my AB12345678"}'


async def test_what_was_let_through_is_not_consented(house: House) -> None:
    await let(house, 600)
    await house.ask(house.request(b'{"new":1}'))
    await let(house, None)
    assert not await house.sends(house.request(b'{"new":1}'))
    assert await house.reason() is Reason.NOTHING_CONSENTED


# --- Endpoints that nobody claims ---


async def test_what_nobody_claims_goes_through_where_the_appliance_wants_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firmware server: on port 80 of the host that the appliance names."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    called: list[Any] = []

    async def divert(sock: Any, address: Any) -> None:
        if address[0] == "93.184.216.34":
            called.append(address)
            address = ("127.0.0.1", house.cloud.port)
        await connect(sock, address)

    Resolver(monkeypatch, {"updates.example": ["93.184.216.34"]})
    monkeypatch.setattr(loop, "sock_connect", divert)
    raw = house.request(BODY, host="updates.example", path="/fw.bin")
    await house.ask(raw)
    assert house.cloud.requests == []
    await let(house, 600)
    unclaimed = len(house.decided)
    assert (await house.ask(raw)).body == b'{"ok":true}'
    (seen,) = house.cloud.requests
    assert (seen.body, seen.line) == (BODY, b"POST /fw.bin HTTP/1.1")
    assert ("Host", "updates.example") in seen.headers
    assert called == [("93.184.216.34", 80)]
    entry = await house.newest()
    assert (entry.reason, entry.recipient_ids) == (Reason.LET_THROUGH, ())
    assert entry.template == "POST updates.example/fw.bin"
    assert len(house.decided) == unclaimed + 1
    await let(house, None)
    await house.ask(raw)
    assert await house.reason() is Reason.UNCLAIMED_ENDPOINT
    assert len(house.cloud.requests) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.1", "10.0.0.1", "169.254.169.254"])
async def test_what_nobody_claims_never_leads_into_the_home(
    house: House, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    Resolver(monkeypatch, {"updates.example": [address]})
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    called: list[Any] = []

    async def watched(sock: Any, place: Any) -> None:
        if place[1] != house.port:
            called.append(place)
        await connect(sock, place)

    monkeypatch.setattr(loop, "sock_connect", watched)
    await let(house, 600)
    for host in ("updates.example", address):
        await house.ask(
            house.request(BODY, host=host)
            if host != "127.0.0.1"
            else house.request(BODY, host="127.0.0.1", path="/elsewhere")
        )
    assert called == [] or address == "127.0.0.1"
    house.configure(recipients=())
    called.clear()
    await house.ask(house.request(BODY, host=address))
    assert called == []
    assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
    assert house.decided[-1].outcome is Outcome.DENY


async def test_by_its_own_address_it_calls_the_cloud_of_its_base_url(house: House) -> None:
    token = "a" * 22
    house.configure(
        fridge(addresses=frozenset(), token=token, base_url=f"http://{house.host}/base"),
        recipients=(frost(f"http://{house.host}/base"),),
    )
    await let(house, 600)
    await house.ask(house.request(BODY, path=f"/{token}/v1"))
    (seen,) = house.cloud.requests
    assert seen.line == b"POST /base/v1 HTTP/1.1"
    assert token.encode() not in house.cloud.received
    assert ("Host", house.host) in seen.headers


async def test_a_recipient_that_may_not_call_the_home_may_not_now(house: House) -> None:
    house.configure(recipients=(frost(f"http://{house.host}/", allow_private=False),))
    await let(house, 600)
    assert not await house.sends()
    assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED


async def test_strangers_are_not_let_through(house: House) -> None:
    await let(house, 600)
    await house.ask(house.request(BODY), wire.STRANGER)
    assert house.cloud.requests == []
