"""What the household decides: all or nothing, narrow first, and nothing by silence."""

import asyncio
from collections.abc import AsyncIterator
import json
from pathlib import Path
import sqlite3
import time
from typing import Any

import pytest

from engine import ConsentError, StorageError, anchor, consents as module, ledger
from engine.events import ConsentsChanged, ConsentsRequested
from engine.files import anchor_path
from engine.model import (
    Category,
    ConsentState,
    DataPoint,
    Decider,
    Field,
    Kind,
    Level,
    data_point_id,
)
from helpers import FakeClock
import wire
from wire import House, eventually, fridge, frost

BODY = b'{"door":true,"temp":4.5}'
SWITCH = Decider(how="switch", person="anna")
GIVEN, REFUSED, WITHDRAWN = ConsentState.GIVEN, ConsentState.REFUSED, ConsentState.WITHDRAWN
SERIAL = frozenset({"$.body.serial"})
DAY = 24 * 3600.0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        await built.ask(built.request(BODY))
        yield built


def pair(house: House, path: str, recipient: str = "frost") -> tuple[str, str]:
    return house.points()[path].id, recipient


async def states(house: House) -> list[str]:
    return [one.consent.state.value for one in await house.firewall.consents.records()]


def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk refuse every decision."""

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(ledger, "_append", broken)


# --- All or none ---


@pytest.mark.parametrize("state", [GIVEN, REFUSED, WITHDRAWN])
async def test_where_one_is_not_known_nothing_is_recorded(
    house: House, state: ConsentState
) -> None:
    await house.give()
    before = await house.firewall.consents.records()
    current = house.firewall.decided()
    with pytest.raises(ConsentError):
        await house.firewall.decide(
            [pair(house, "$.body.temp"), ("f" * 16, "frost")], state, SWITCH
        )
    assert await house.firewall.consents.records() == before
    assert house.firewall.decided() == current
    assert await house.sends(), "nor was anything stopped"


async def test_a_list_is_decided_at_once(house: House) -> None:
    pairs = [pair(house, path) for path in house.points()]
    statements: list[str] = []
    await house.firewall._database.run(lambda c: c.set_trace_callback(statements.append))
    statements.clear()
    house.events.clear()
    consents = await house.firewall.decide(pairs * 2, GIVEN, SWITCH)
    assert sum(one.startswith("INSERT INTO ledger") for one in statements) == len(pairs)
    # Others may write meanwhile; the records of one decision stand or fall together.
    transactions = "\n".join(statements).split("\nCOMMIT")
    assert sum("INSERT INTO ledger" in one for one in transactions) == 1
    assert [(one.data_point_id, one.recipient_id) for one in consents] == pairs
    assert house.told(ConsentsChanged) == [ConsentsChanged(consents=consents, decider=SWITCH)]
    assert {one.decider.person for one in await house.firewall.consents.records()} == {"anna"}


@pytest.mark.parametrize(
    ("state", "terms"),
    [
        (GIVEN, {"seconds": 0}),
        (GIVEN, {"seconds": -1.0}),
        (GIVEN, {"seconds": float("nan")}),
        (GIVEN, {"seconds": float("inf")}),
        (GIVEN, {"seconds": module.LOOK_SECONDS, "until": 4e9}),
        (GIVEN, {"until": 1_000_000.0}),
        (GIVEN, {"until": 1e12}),
        (REFUSED, {"seconds": 60}),
        (WITHDRAWN, {"until": 4e9}),
    ],
)
async def test_terms_that_cannot_be_meant(
    house: House, state: ConsentState, terms: dict[str, float]
) -> None:
    with pytest.raises(ConsentError):
        await house.firewall.decide([pair(house, "$.body.temp")], state, SWITCH, **terms)
    with pytest.raises(ConsentError):
        await house.firewall.decide([], state, SWITCH)
    assert await house.firewall.consents.records() == []


async def test_a_record_says_what_was_decided_and_under_which_notice(house: House) -> None:
    house.configure(recipients=(frost(f"http://{house.host}/", functional=SERIAL),))
    decider = Decider(how="action", person="anna", context="01J", notice_shown=True)
    await house.firewall.decide(
        [pair(house, "$.body.temp")], GIVEN, decider, level=Level.COARSE, subject="anna's"
    )
    (record,) = await house.firewall.consents.records("fridge", "frost")
    assert record.decider == decider
    assert record.consent.subject == "anna's"
    assert record.consent.functional == SERIAL
    assert record.consent.level is Level.COARSE
    assert record.facts["organisation"] == "Frost"
    assert record.facts["path"] == "$.body.temp"
    notice = house.firewall.consents.notice("frost")
    assert record.consent.notice == notice.hash
    kept = await house.firewall.consents.ledger.notices()
    assert kept["frost", notice.hash].text == notice.text
    with pytest.raises(ConsentError):
        house.firewall.consents.notice("nobody")


async def test_a_withdrawal_from_a_recipient_that_is_gone(house: House) -> None:
    await house.give()
    house.configure(recipients=())
    (taken,) = await house.firewall.decide([pair(house, "$.body.temp")], WITHDRAWN, SWITCH)
    assert taken.state is WITHDRAWN
    with pytest.raises(ConsentError):
        await house.firewall.decide([pair(house, "$.body.temp")], REFUSED, SWITCH)


async def test_given_and_decided_tell_what_stands(house: House) -> None:
    await house.give("$.body.temp", "$.body.door")
    await house.firewall.decide([pair(house, "$.body.door")], REFUSED, SWITCH)
    (given,) = house.firewall.consents.given("frost")
    assert given.data_point_id == house.points()["$.body.temp"].id
    assert house.firewall.consents.given("frost", "oven") == []
    assert house.firewall.consents.given("ads") == []
    assert {one.state for one in house.firewall.decided()} == {GIVEN, REFUSED}
    assert house.firewall.is_sharing(*pair(house, "$.body.temp"))
    assert not house.firewall.is_sharing(*pair(house, "$.body.door"))
    assert not house.firewall.is_sharing("f" * 16, "frost")


async def test_whoever_gives_up_waiting_leaves_no_half_decision(house: House) -> None:
    """A script that is started anew cancels its action: what was recorded is also in force."""
    deciding = asyncio.ensure_future(house.give("$.body.temp"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deciding
    await eventually(lambda: bool(house.told(ConsentsChanged)))
    assert house.firewall.is_sharing(*pair(house, "$.body.temp"))
    assert await states(house) == ["given"]
    assert await house.sends()
    before = house.firewall.decided()
    await house.restart()
    assert house.firewall.decided() == before


# --- Levels ---


async def test_coarse_narrows_at_once_and_exact_is_another_decision(house: House) -> None:
    await house.give("$.body.temp", level=Level.COARSE)
    await house.ask(house.request(b'{"door":true,"temp":4.56789}'))
    assert b'"temp":0' in house.cloud.received
    assert b"4.56789" not in house.cloud.received
    await house.give()
    await house.ask(house.request(b'{"door":true,"temp":4.56789}'))
    assert b"4.56789" in house.cloud.received
    levels = [one.consent.level for one in await house.firewall.consents.records()]
    assert set(levels) == {Level.COARSE, Level.EXACT}


async def test_what_cannot_be_made_coarse_is_not_given_coarse(house: House) -> None:
    """It would stand as given, and nothing would ever pass."""
    with pytest.raises(ConsentError, match="cannot be made coarse"):
        await house.give("$.body.door", level=Level.COARSE)
    with pytest.raises(ConsentError, match="cannot be made coarse"):
        await house.give(level=Level.COARSE)
    assert house.firewall.decided() == []


async def test_the_journal_tells_levels_and_what_was_withheld_by_name(house: House) -> None:
    await house.give("$.body.temp", level=Level.COARSE)
    await house.ask(house.request(BODY))
    entry = await house.newest()
    temp, door = house.points()["$.body.temp"].id, house.points()["$.body.door"].id
    assert entry.released == entry.coarse == (temp,)
    assert door in entry.withheld_ids
    assert temp not in entry.withheld_ids
    assert entry.withheld == len(entry.withheld_ids)
    await house.give("$.body.temp")
    await house.ask(house.request(BODY))
    assert (await house.newest()).coarse == ()


async def test_values_are_kept_only_where_the_household_wants_them(house: House) -> None:
    """What left, as it left; nothing of what was withheld."""
    body = b'{"door":"s3cr3t-word","temp":4.56789}'
    await house.ask(house.request(body))
    await house.give("$.body.temp", level=Level.COARSE)

    def values() -> list[tuple[str, str]]:
        with sqlite3.connect(house.firewall._files._journal_file.path) as connection:
            return connection.execute("SELECT data_point_id, value FROM released_values").fetchall()

    await house.ask(house.request(body))
    assert values() == []
    house.firewall.keep_values(True)
    await house.ask(house.request(body))
    left = json.loads(house.cloud.requests[-1].body)
    [(point, value)] = values()
    assert point == house.points()["$.body.temp"].id
    assert float(value) == left["temp"] != 4.56789
    house.firewall.keep_values(False)
    await eventually(lambda: values() == [])
    await house.ask(house.request(body))
    assert values() == []


# --- What cannot be recorded ---


async def test_a_grant_that_cannot_be_recorded_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch)
    with pytest.raises(StorageError):
        await house.give()
    assert not await house.sends()
    assert house.firewall.decided() == []
    monkeypatch.undo()
    await house.firewall.consents.look_after()
    assert not await house.sends(), "nor is it tried again: it may no longer be meant"
    assert await states(house) == []


@pytest.mark.parametrize("state", [WITHDRAWN, REFUSED])
async def test_what_was_stopped_is_recorded_once_the_disk_works(
    house: House, monkeypatch: pytest.MonkeyPatch, state: ConsentState
) -> None:
    await house.give()
    assert await house.sends()
    number = len(await states(house))
    breaking(monkeypatch)
    house.events.clear()
    items = [pair(house, path) for path in house.points()]
    with pytest.raises(StorageError):
        await house.firewall.decide(items, state, SWITCH)
    assert not await house.sends()
    await house.firewall.consents.look_after()
    assert not await house.sends(), "still not"
    assert house.told(ConsentsChanged) == []
    assert house.firewall.consents.next_look() <= module.RETRY_SECONDS
    monkeypatch.undo()
    await house.firewall.consents.look_after()
    assert (await states(house))[number:] == ["withdrawn"] * len(items)
    told = house.told(ConsentsChanged)
    assert {one.decider for one in told} == {SWITCH}, "it was this person who decided"
    assert {c.state for one in told for c in one.consents} == {WITHDRAWN}
    assert not await house.sends()
    await house.firewall.consents.look_after()
    assert len(await states(house)) == number + len(items), "once"


async def test_what_was_stopped_stays_so_over_a_restart(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.give()
    with monkeypatch.context() as patch:
        breaking(patch)
        with pytest.raises(StorageError):
            await house.withdraw_all()
        # The first one raised: the others still stand.
        stopped = [one for one in house.firewall.decided() if not house.firewall.is_in_force(one)]
        assert len(stopped) == 1
        items = [pair(house, path) for path in house.points()]
        with pytest.raises(StorageError):
            await house.firewall.decide(items, WITHDRAWN, SWITCH)
        await house.restart()
        assert not await house.sends()
    house.events.clear()
    await house.firewall.consents.look_after()
    told = house.told(ConsentsChanged)
    assert len(told) == len(items)
    assert {c.state for one in told for c in one.consents} == {WITHDRAWN}
    await house.restart(meanwhile=anchor_path(house.database).unlink)
    assert not await house.sends(), "the ledger has it now"


async def test_where_not_even_the_anchor_can_be_written_it_stays_stopped(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await house.give()
    breaking(monkeypatch)
    monkeypatch.setattr(anchor, "write", _refuse)
    with pytest.raises(StorageError):
        await house.firewall.decide([pair(house, p) for p in house.points()], WITHDRAWN, SWITCH)
    assert "anchor was not written" in caplog.text
    assert not await house.sends()
    monkeypatch.undo()
    await house.firewall.consents.look_after()
    assert not await house.sends()
    assert (await states(house))[-1] == "withdrawn"


def _refuse(*_: object) -> None:
    raise PermissionError


async def test_a_grant_on_its_way_while_a_withdrawal_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grant is recorded, and does not come into force: the household's last word was no."""
    items = [pair(house, path) for path in house.points()]
    append = ledger._append

    def fails_second(connection: sqlite3.Connection, rows: list[Any], notices: Any) -> Any:
        if rows[0][4] == "withdrawn":
            raise sqlite3.OperationalError
        return append(connection, rows, notices)

    monkeypatch.setattr(ledger, "_append", fails_second)
    giving = asyncio.ensure_future(house.firewall.decide(items, GIVEN, SWITCH))
    taking = asyncio.ensure_future(house.firewall.decide(items, WITHDRAWN, SWITCH))
    await giving
    with pytest.raises(StorageError):
        await taking
    assert await states(house) == ["given"] * len(items)
    assert not await house.sends()
    await house.restart()
    assert not await house.sends()
    monkeypatch.undo()
    await house.firewall.consents.look_after()
    assert (await states(house))[-1] == "withdrawn"
    assert not await house.sends()


async def test_what_was_given_anew_is_not_withdrawn_afterwards(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.give()
    with monkeypatch.context() as patch:
        breaking(patch)
        with pytest.raises(StorageError):
            await house.firewall.decide([pair(house, "$.body.temp")], WITHDRAWN, SWITCH)
    await house.give("$.body.temp")
    await house.firewall.consents.look_after()
    assert (await states(house))[-1] == "given"
    assert house.firewall.is_sharing(*pair(house, "$.body.temp"))
    await house.restart()
    assert house.firewall.is_sharing(*pair(house, "$.body.temp"))


# --- Functional identifiers ---


async def test_an_identifier_goes_along_only_as_a_notice_named_it(house: House) -> None:
    """What a recipient is said to need later changes nothing of what was agreed to."""
    body = b'{"serial":"AB-1234-5678","door":true,"temp":4.5}'
    plain = frost(f"http://{house.host}/")
    needy = frost(f"http://{house.host}/", functional=SERIAL)
    await house.ask(house.request(body))
    await house.give("$.body.door")

    async def left() -> list[str]:
        await house.ask(house.request(body))
        return list(json.loads(house.cloud.requests[-1].body))

    assert await left() == ["door"]
    house.configure(recipients=(needy,))
    assert await left() == ["door"], "it was not named when this was given"
    await house.give("$.body.temp", seconds=3600)
    assert await left() == ["serial", "door", "temp"], "it was named now"
    house.configure(recipients=(plain,))
    assert await left() == ["door", "temp"], "it needs no longer what it needed"
    house.configure(recipients=(needy,))
    await house.restart(configure=False)
    house.configure(recipients=(needy,))
    assert await left() == ["serial", "door", "temp"]
    await house.firewall.withdraw(*pair(house, "$.body.temp"), how="switch")
    assert await left() == ["door"], "that consent brought it along, and is gone"
    await house.give("$.body.door")
    assert await left() == ["serial", "door"]
    await house.firewall.withdraw(*pair(house, "$.body.door"), how="switch")
    count = len(house.cloud.requests)
    await left()
    assert len(house.cloud.requests) == count, "never alone"


# --- Asking ---


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[tuple[House, FakeClock]]:
    clock = FakeClock()
    async with wire.house(tmp_path, clock=clock) as built:
        await built.ask(built.request(BODY))
        yield built, clock


async def ask(house: House) -> ConsentsRequested | None:
    return await house.firewall.consents.ask(house.firewall.data_points("fridge"))


async def test_the_household_is_asked_once_a_day(asked: tuple[House, FakeClock]) -> None:
    house, clock = asked
    digest = await ask(house)
    assert digest is not None
    assert house.told(ConsentsRequested) == [digest]
    assert {one.data_point_id for one in digest.consents} == {p.id for p in house.points().values()}
    assert all(one.state is ConsentState.REQUESTED and one.requested for one in digest.consents)
    await house.ask(house.request(b'{"new":1}'))
    assert await ask(house) is None, "not so soon"
    clock.pass_by(DAY - 60)
    await house.restart(clock=clock)
    assert await ask(house) is None, "nor after a restart"
    clock.pass_by(60)
    digest = await ask(house)
    assert digest is not None
    (new,) = digest.consents
    assert new.data_point_id == house.points()["$.body.new"].id, "what was asked is not asked again"
    clock.pass_by(DAY)
    assert await ask(house) is None
    assert {one.decider.how for one in await house.firewall.consents.records()} == {"asking"}


async def test_silence_changes_nothing(asked: tuple[House, FakeClock]) -> None:
    house, clock = asked
    await house.give("$.body.temp")
    await ask(house)
    for _ in range(3):
        clock.pass_by(DAY * 400)
        await house.firewall.consents.look_after()
        await ask(house)
    assert house.firewall.is_sharing(*pair(house, "$.body.temp"))
    assert not house.firewall.is_sharing(*pair(house, "$.body.door"))
    await house.ask(house.request(BODY))
    assert [seen.body for seen in house.cloud.requests] == [b'{"temp":4.5}']
    await house.restart(clock=clock)
    assert len(house.firewall.consents.open_questions(house.points().values())) == 1 + len(
        [p for p in house.points() if p not in ("$.body.temp", "$.body.door")]
    )


@pytest.mark.parametrize("state", [REFUSED, WITHDRAWN])
async def test_what_was_refused_is_never_asked_again(
    asked: tuple[House, FakeClock], state: ConsentState
) -> None:
    house, clock = asked
    await house.give()
    items = [pair(house, path) for path in house.points()]
    await house.firewall.decide(items, state, SWITCH)
    assert house.firewall.consents.open_questions(house.points().values()) == []
    house.configure(recipients=(frost(f"http://{house.host}/", benefit="Better ice"),))
    clock.pass_by(DAY * 10)
    await house.restart(clock=clock)
    house.configure(recipients=(frost(f"http://{house.host}/", benefit="The best ice"),))
    assert await ask(house) is None
    assert house.told(ConsentsRequested) == []


async def test_another_notice_is_requested_beside_what_was_given(
    asked: tuple[House, FakeClock],
) -> None:
    house, clock = asked
    await house.give()
    assert await ask(house) is None
    house.configure(recipients=(frost(f"http://{house.host}/", benefit="Better ice"),))
    before = house.firewall.consent(*pair(house, "$.body.temp"))
    assert before is not None
    assert house.firewall.consents.is_outdated(before)
    digest = await ask(house)
    assert digest is not None
    assert all(one.state is GIVEN and one.requested for one in digest.consents)
    assert await house.sends(), "what was given stays given"
    await house.restart(clock=clock)
    house.configure(recipients=(frost(f"http://{house.host}/", benefit="Better ice"),))
    after = house.firewall.consent(*pair(house, "$.body.temp"))
    assert after is not None
    assert (after.requested, after.state, after.notice) == (True, GIVEN, before.notice)
    assert house.firewall.consents.notice("frost").version == 2
    await house.give("$.body.temp")
    answered = house.firewall.consent(*pair(house, "$.body.temp"))
    assert answered is not None
    assert not answered.requested
    assert not house.firewall.consents.is_outdated(answered)


@pytest.mark.parametrize("is_given", [True, False], ids=["given", "undecided"])
async def test_each_change_of_a_notice_is_asked_about(
    asked: tuple[House, FakeClock], is_given: bool
) -> None:
    """Also where an earlier question about it was left open."""
    house, clock = asked
    if is_given:
        await house.give()
    else:
        assert await ask(house) is not None
    for benefit in ("Better ice", "Everything, to everyone"):
        clock.pass_by(30 * DAY)
        await house.restart(clock=clock)
        house.configure(recipients=(frost(f"http://{house.host}/", benefit=benefit),))
        digest = await ask(house)
        assert digest is not None
        assert len(digest.consents) == len(house.points())
        clock.pass_by(2 * DAY)
        assert await ask(house) is None, "the same is asked once"


async def test_another_recipient_is_asked_about_and_off(asked: tuple[House, FakeClock]) -> None:
    house, clock = asked
    await house.give()
    both = (frost(f"http://{house.host}/"), frost(f"http://{house.host}/", id="ads"))
    house.configure(recipients=both)
    assert not await house.sends(), "two claim it, and one of them has nothing"
    clock.pass_by(DAY)
    digest = await ask(house)
    assert digest is not None
    assert {one.recipient_id for one in digest.consents} == {"ads"}
    assert not any(one.in_force for one in digest.consents)


async def test_a_digest_that_cannot_be_recorded_asks_nothing(
    asked: tuple[House, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = asked
    with monkeypatch.context() as patch:
        breaking(patch)
        with pytest.raises(StorageError):
            await ask(house)
    assert house.told(ConsentsRequested) == []
    assert await ask(house) is not None


# --- What looks after it ---


async def test_a_broken_job_ends_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.Event()

    async def broken() -> None:
        failed.set()
        raise RuntimeError("the door is open")

    with monkeypatch.context() as patch:
        patch.setattr(house.firewall.consents.ledger, "verify", broken)
        patch.setattr(house.firewall.consents, "_keep_time", broken)
        await house.give("$.body.temp", seconds=0.5)
        await failed.wait()
        await asyncio.sleep(0.05)
        assert "RuntimeError" in caplog.text
        assert "the door is open" not in caplog.text
    assert all(not keeper.done() for keeper in house.firewall._keepers)
    await eventually(lambda: not house.firewall.is_sharing(*pair(house, "$.body.temp")))
    house.firewall._enforce()
    async with asyncio.timeout(wire.PATIENCE):
        while (await states(house))[-1] != "expired":  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_journal_that_is_long_purged_holds_up_no_consent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()
    reached = asyncio.Event()

    async def slow(*_: object, **__: object) -> int:
        reached.set()
        await never.wait()
        return 0

    monkeypatch.setattr(house.firewall.journal, "purge", slow)
    house.firewall.bounds(max_age=1.0, max_bytes=1)
    await reached.wait()
    await house.give("$.body.temp", seconds=0.3)
    async with asyncio.timeout(wire.PATIENCE):
        while (await states(house))[-1] != "expired":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    never.set()


def made_up(count: int) -> list[DataPoint]:
    """Data points of ten appliances at twenty endpoints each."""
    points: list[DataPoint] = []
    for number in range(count):
        template = f"POST 127.0.0.1/p{number % 20}"
        item = Field(f"$.body.m{number}")
        appliance = f"a{number % 10}"
        points.append(
            DataPoint(
                id=data_point_id(appliance, template, item),
                appliance_id=appliance,
                template=template,
                field=item,
                name="Made up",
                kinds=frozenset({Kind.NUMBER}),
                category=Category.READING,
                recipients=("frost",),
            )
        )
    return points


async def test_one_more_grant_beside_two_thousand_is_quick(house: House) -> None:
    """It is the event loop's time that counts: everything else waits meanwhile."""
    house.configure(
        *(fridge(id=f"a{number}", addresses=frozenset()) for number in range(10)),
    )
    points = made_up(2_001)
    house.firewall._pipeline.learning.add(points)
    *many, one = [(point.id, "frost") for point in points]
    await house.firewall.decide(many, GIVEN, SWITCH)
    took: list[float] = []
    for _ in range(5):
        started = time.thread_time()
        await house.firewall.decide([one], GIVEN, SWITCH, seconds=600)
        took.append(time.thread_time() - started)
    assert min(took) < 0.05, "some 15 ms on the machine this was written on"
    assert len(house.firewall.consents.given("frost")) == 2_001
