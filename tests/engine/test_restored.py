"""A database that came back with a backup: nothing of it is in force until somebody says so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import shutil
import sqlite3
from typing import Any

import pytest

from engine import Firewall, StorageError, ledger, measures
from engine.events import MeasureChanged
from engine.files import anchor_path, journal_path
from engine.model import ConsentState, Decider, Measure, Reason
import wire
from wire import House

HAND = Decider(how="repair", person="anna")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        await built.teach()
        yield built


def copies(house: House, to: Path) -> list[tuple[Path, Path]]:
    """The files of the house and where a backup keeps them."""
    to.mkdir(exist_ok=True)
    there = [house.database, anchor_path(house.database)]
    there += [Path(f"{house.database}-wal"), Path(f"{house.database}-shm")]
    return [(one, to / one.name) for one in there]


async def back_up(house: House, to: Path) -> None:
    """Copy the files while they are in use, as Home Assistant does."""
    await house.firewall.consents.mark_backup(on=True)
    for one, copy in copies(house, to):
        if one.exists():
            shutil.copy(one, copy)
    await house.firewall.consents.mark_backup(on=False)


async def put_back(house: House, to: Path, *, configure: bool = True) -> None:
    """Restore: the files of now are gone, those of then are there."""

    def swap() -> None:
        for one, copy in copies(house, to):
            one.unlink(missing_ok=True)
            if copy.exists():
                shutil.copy(copy, one)

    await house.restart(meanwhile=swap, configure=configure)


@pytest.fixture
async def restored(house: House, tmp_path: Path) -> House:
    await back_up(house, tmp_path / "backup")
    assert await house.sends(), "making a backup changes nothing"
    house.events.clear()
    await put_back(house, tmp_path / "backup")
    return house


async def test_everything_given_is_suspended(restored: House) -> None:
    assert restored.firewall.consents.is_restored
    assert not await restored.sends()
    assert await restored.reason() is Reason.CONSENTS_SUSPENDED
    consents = restored.firewall.decided()
    assert all(one.state is ConsentState.GIVEN and one.is_suspended for one in consents)
    assert restored.firewall.consents.restored() == consents != []
    await restored.restart()
    assert restored.firewall.consents.is_restored, "also at the next start"
    assert not await restored.sends()


async def test_confirmed_they_are_as_they_were(restored: House) -> None:
    numbers = [one.number for one in restored.firewall.decided()]
    await restored.firewall.consents.confirm_restored(HAND, keep=None)
    assert not restored.firewall.consents.is_restored
    assert restored.firewall.consents.restored() == []
    assert await restored.sends()
    assert [one.number for one in restored.firewall.decided()] == numbers
    (told,) = restored.told(MeasureChanged)
    assert (told.measure, told.is_on) == (Measure.RESTORED, False)
    await restored.restart()
    assert not restored.firewall.consents.is_restored
    assert await restored.sends()


async def test_some_are_confirmed_and_the_others_withdrawn(restored: House) -> None:
    door = restored.points()["$.body.door"].id
    await restored.firewall.consents.confirm_restored(HAND, keep=[(door, "frost")])
    await restored.restart()
    await restored.ask(restored.request())
    assert restored.cloud.requests[-1].body == b'{"door":true}'
    assert {one.state for one in restored.firewall.decided() if one.data_point_id != door} == {
        ConsentState.WITHDRAWN
    }


async def test_one_given_anew_is_in_force_and_the_others_wait(restored: House) -> None:
    await restored.give("$.body.door")
    await restored.ask(restored.request())
    assert restored.cloud.requests[-1].body == b'{"door":true}'
    assert restored.firewall.consents.is_restored
    await restored.restart()
    await restored.ask(restored.request())
    assert [seen.body for seen in restored.cloud.requests[-2:]] == [b'{"door":true}'] * 2
    waiting = {one.data_point_id for one in restored.firewall.consents.restored()}
    assert restored.points()["$.body.door"].id not in waiting


async def test_those_among_which_was_decided_are_settled_and_the_others_wait(
    restored: House,
) -> None:
    door, temp = (restored.points()[path].id for path in ("$.body.door", "$.body.temp"))
    some = [(door, "frost"), (temp, "frost")]
    await restored.firewall.consents.confirm_restored(HAND, keep=some[:1], among=some)
    assert restored.firewall.is_sharing(door, "frost")
    assert not restored.firewall.is_sharing(temp, "frost")
    assert restored.firewall.consents.is_restored
    await restored.restart()
    await restored.ask(restored.request())
    assert restored.cloud.requests[-1].body == b'{"door":true}'


async def test_a_confirmation_that_cannot_be_recorded_confirms_nothing(
    restored: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(measures, "_append", broken)
        with pytest.raises(StorageError):
            await restored.firewall.consents.confirm_restored(HAND, keep=None)
        assert not await restored.sends()
    await restored.firewall.consents.look_after()
    assert restored.firewall.consents.is_restored
    assert not await restored.sends()


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_withdrawn_while_the_others_are_confirmed(
    restored: House, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    append = ledger._append

    def maybe(connection: sqlite3.Connection, rows: list[Any], notices: Any) -> Any:
        if fails:
            raise sqlite3.OperationalError
        return append(connection, rows, notices)

    monkeypatch.setattr(ledger, "_append", maybe)
    temp = restored.points()["$.body.temp"].id
    confirming = asyncio.ensure_future(restored.firewall.consents.confirm_restored(HAND, keep=None))
    taking = asyncio.ensure_future(restored.firewall.withdraw(temp, "frost", how="switch"))
    await asyncio.wait([confirming, taking])
    assert (taking.exception() is not None) == fails
    assert not restored.firewall.is_sharing(temp, "frost")
    await restored.ask(restored.request())
    assert restored.cloud.requests[-1].body == b'{"door":true}'


async def test_what_the_household_stopped_is_not_brought_back_by_confirming(
    restored: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError

    temp = restored.points()["$.body.temp"].id
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_append", broken)
        with pytest.raises(StorageError):
            await restored.firewall.withdraw(temp, "frost", how="switch")
        await restored.firewall.consents.confirm_restored(HAND, keep=None)
        assert not restored.firewall.is_sharing(temp, "frost")
        assert restored.firewall.is_sharing(restored.points()["$.body.door"].id, "frost")


async def test_an_older_copy_put_back_by_hand(house: House, tmp_path: Path) -> None:
    """Without a mark: the file alone, as somebody copied it; the anchor knows better."""
    await house.firewall.stop()
    shutil.copy(house.database, tmp_path / "old.db")
    await house.restart()
    await house.withdraw_all()

    def swap() -> None:
        shutil.copy(tmp_path / "old.db", house.database)

    await house.restart(meanwhile=swap)
    assert house.firewall.consents.is_restored
    assert not await house.sends()
    await house.firewall.consents.confirm_restored(HAND, keep=None)
    await house.restart()
    assert await house.sends()


async def test_a_database_that_was_deleted_alone(house: House) -> None:
    await house.restart(meanwhile=house.database.unlink)
    assert house.firewall.decided() == []
    assert not house.firewall.consents.is_restored, "there is nothing to confirm"
    assert not await house.sends()
    await house.give()
    await house.restart()
    assert await house.sends(), "from here on it is the true one"


async def test_an_anchor_that_was_deleted_alone_is_no_alarm(house: House) -> None:
    await house.restart(meanwhile=anchor_path(house.database).unlink)
    assert not house.firewall.consents.is_restored
    assert await house.sends()


async def test_a_fresh_home_is_not_restored(tmp_path: Path) -> None:
    async with wire.house(tmp_path) as fresh:
        assert not fresh.firewall.consents.is_restored
        await fresh.restart()
        assert not fresh.firewall.consents.is_restored
        with sqlite3.connect(fresh.database) as connection:
            assert connection.execute("SELECT * FROM measures").fetchall() == []


async def test_a_process_that_died_during_a_backup_is_on_the_safe_side(house: House) -> None:
    await house.firewall.consents.mark_backup(on=True)
    await house.restart()
    assert house.firewall.consents.is_restored
    assert not await house.sends()


async def test_what_was_let_through_then_is_not_let_through_now(
    house: House, tmp_path: Path
) -> None:
    await house.firewall.consents.let_through("fridge", HAND, seconds=3600)
    await back_up(house, tmp_path / "backup")
    await house.firewall.consents.let_through("fridge", HAND, seconds=None)
    await put_back(house, tmp_path / "backup")
    assert house.firewall.let_through_until("fridge") is None
    assert not await house.sends()
    await house.restart()
    assert not await house.sends()


async def test_a_start_that_failed_finds_it_again(house: House, tmp_path: Path) -> None:
    await back_up(house, tmp_path / "backup")
    await house.firewall.stop()
    for one, copy in copies(house, tmp_path / "backup"):
        one.unlink(missing_ok=True)
        if copy.exists():
            shutil.copy(copy, one)
    with sqlite3.connect(house.database) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON measures BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    house.firewall = Firewall(database=house.database, on_event=house.events.append)
    with pytest.raises(StorageError):
        await house.firewall.start()

    def mend() -> None:
        with sqlite3.connect(house.database) as connection:
            connection.execute("DROP TRIGGER full")

    await house.restart(meanwhile=mend)
    assert house.firewall.consents.is_restored
    assert not await house.sends()


async def test_a_file_that_came_without_its_journal_came_from_a_backup(house: House) -> None:
    """Backups leave the journal out: also one that was made without asking us."""
    await house.restart(meanwhile=journal_path(house.database).unlink)
    assert house.firewall.consents.is_restored
    assert not await house.sends()
    await house.firewall.consents.confirm_restored(HAND, keep=None)
    await house.restart()
    assert await house.sends()
