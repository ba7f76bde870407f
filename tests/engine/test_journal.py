"""The journal: every transmission and what became of it, until it is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
import sqlite3
import time

import pytest

from engine import StorageError, interning, journal as journals, retention
from engine.interning import MAX_TEMPLATE
from engine.journal import STRANGERS_PER_HOUR, Entry, Journal, Query, Summary
from engine.model import Outcome, Reason
from engine.storage import Database
import wire
from wire import House

DAY = 24 * 3600.0
FOREVER = 10**12


def entry(at: float = 1.0, **changes: object) -> Entry:
    stated: dict[str, object] = {
        "at": at, "gate": "http", "appliance_id": "fridge", "recipient_ids": ("frost", "ads"),
        "template": "POST cloud.example/v1/*", "outcome": Outcome.REDACT,
        "reason": Reason.SOME_WITHHELD, "released": ("0123456789abcdef", "fedcba9876543210"),
        "coarse": ("fedcba9876543210",), "withheld": 3, "withheld_ids": ("00aa", "00bb"),
        "bytes_in": 120, "bytes_out": 40,
    }  # fmt: skip
    return Entry(**(stated | changes))  # type: ignore[arg-type]


def denied(at: float = 1.0, **changes: object) -> Entry:
    stated: dict[str, object] = {
        "outcome": Outcome.DENY, "reason": Reason.NOTHING_CONSENTED, "released": (), "coarse": (),
        "bytes_out": 0,
    }  # fmt: skip
    return entry(at, **(stated | changes))


def stranger(at: float = 1.0, **changes: object) -> Entry:
    stated: dict[str, object] = {
        "appliance_id": None, "recipient_ids": (), "template": "GET cloud.example/…",
        "reason": Reason.UNKNOWN_APPLIANCE, "withheld": 0, "withheld_ids": (), "bytes_in": 10,
    }  # fmt: skip
    return denied(at, **(stated | changes))


@pytest.fixture
def file(tmp_path: Path) -> Database:
    return Database(tmp_path / "journal.db")


@pytest.fixture
async def journal(file: Database) -> AsyncIterator[Journal]:
    journal = Journal(file)
    await file.open()
    yield journal
    await file.close()


def raw(folder: Path) -> bytes:
    """Everything that stands in the folder's files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def counted(file: Database, table: str) -> int:
    query = f"SELECT COUNT(*) FROM {table}"
    return (await file.run(lambda c: c.execute(query).fetchone()))[0]


# --- What is kept ---


async def test_an_entry_comes_back_as_it_was(journal: Journal) -> None:
    some = [
        entry(),
        stranger(1_700_000_000.123456),
        entry(outcome=Outcome.PERMIT, reason=Reason.LET_THROUGH, withheld=0, withheld_ids=()),
        entry(values=(("0123456789abcdef", "4.5"), ("0123456789abcdef", "ä \n=x"))),
        denied(gate="dns", bytes_in=0),
    ]
    for number, one in enumerate(some, 1):
        assert await journal.append(one) == number
    newest = await journal.newest()
    assert newest == some[::-1]
    assert [one.number for one in newest] == [5, 4, 3, 2, 1]
    assert "4.5" not in str(newest), "values do not get into a log by accident"


async def test_an_entry_is_committed_when_its_number_is_told(
    journal: Journal, tmp_path: Path
) -> None:
    await journal.append(entry())
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.row_factory = sqlite3.Row
        (row,) = other.execute("SELECT * FROM journal").fetchall()
    assert dict(row) == {
        "id": 1, "at": 1.0, "gate": "http", "appliance_id": "fridge",
        "recipient_ids": '["frost","ads"]', "template": "POST cloud.example/v1/*",
        "outcome": "redact", "reason": "some_withheld",
        "released": '["0123456789abcdef","fedcba9876543210"]', "coarse": '["fedcba9876543210"]',
        "withheld_ids": '["00aa","00bb"]', "withheld": 3, "bytes_in": 120, "bytes_out": 40,
        "count": 1,
    }  # fmt: skip


async def test_texts_that_are_no_text_are_kept_as_far_as_they_are(journal: Journal) -> None:
    template = "POST evil\ud800\x00.example/" + "x" * 1000
    await journal.append(entry(template=template, values=(("id", "\udfff"),)))
    (kept,) = await journal.newest()
    assert kept.template.startswith("POST evil?\x00.example/xxx")
    assert (len(kept.template), kept.template[-1]) == (MAX_TEMPLATE, "…")
    assert kept.values == (("id", "?"),)


async def test_texts_are_written_once(journal: Journal, file: Database, tmp_path: Path) -> None:
    for at in range(2):
        await asyncio.gather(*(journal.append(entry(at * 100.0 + n)) for n in range(100)))
        await file.close()
        await file.open()
    await file.checkpoint()
    assert raw(tmp_path).count(b"POST cloud.example/v1/*") == 1
    assert (await counted(file, "shapes"), await counted(file, "entries")) == (1, 200)


async def test_more_texts_than_are_remembered(
    journal: Journal, file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interning, "MAX_REMEMBERED", 3)
    some = [entry(float(n), template=f"GET cloud.example/{n % 7}") for n in range(30)]
    for one in some:
        await journal.append(one)
    assert await journal.newest() == some[::-1]
    assert await counted(file, "shapes") == 7
    assert len(journal._interned._texts) <= 3 >= len(journal._interned._shapes)


async def test_texts_of_an_undone_write_are_written_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    append = journals._append
    monkeypatch.setattr(journals, "_append", broken)
    with pytest.raises(StorageError):
        await journal.append(entry())
    monkeypatch.setattr(journals, "_append", append)
    await journal.append(entry())
    assert await journal.newest() == [entry()]
    assert (await journal.tallies())["fridge"].counts == {Outcome.REDACT: 1}


async def test_the_newest_come_first_and_no_more_than_asked_for(journal: Journal) -> None:
    for at in range(30):
        await journal.append(entry(float(at % 7)))
    newest = await journal.newest(5)
    assert [one.at for one in newest] == [float(at % 7) for at in (29, 28, 27, 26, 25)]
    assert len(await journal.newest()) == 30


async def test_what_did_not_leave_after_all_is_said(journal: Journal, tmp_path: Path) -> None:
    for _ in range(2):
        await journal.append(entry())
    number = await journal.append(entry(values=(("0123456789abcdef", "sesame"),)))
    await journal.not_released(number, Reason.UPSTREAM_UNREACHABLE)
    last, *others = await journal.newest()
    assert last == denied(
        reason=Reason.UPSTREAM_UNREACHABLE,
        withheld=4,
        withheld_ids=("00aa", "00bb", "0123456789abcdef", "fedcba9876543210"),
    )
    assert others == [entry(), entry()], "the others are as they were"
    assert (await journal.tallies())["fridge"].counts == {Outcome.REDACT: 2, Outcome.DENY: 1}
    await journal._database.checkpoint()
    assert b"sesame" not in raw(tmp_path)
    await journal.not_released(77, Reason.UPSTREAM_UNREACHABLE)
    assert [one.number for one in await journal.newest()] == [3, 2, 1]


async def test_a_number_is_never_given_twice(journal: Journal) -> None:
    """A correction that comes late must not hit somebody else's entry."""
    number = await journal.append(entry())
    await journal.forget("fridge")
    await journal.append(entry(appliance_id="oven"))
    await journal.not_released(number, Reason.UPSTREAM_UNREACHABLE)
    assert await journal.newest() == [entry(appliance_id="oven")]


@pytest.mark.parametrize("code", [9, -1])
async def test_an_outcome_that_cannot_be_understood_is_not_guessed(
    journal: Journal, file: Database, code: int
) -> None:
    await journal.append(entry())
    for table in ("entries", "totals"):
        update = f"UPDATE {table} SET outcome = {code}"
        await file.run(lambda c, update=update: c.execute(update).rowcount)
    for question in (journal.newest, journal.tallies, journal.summary):
        with pytest.raises(StorageError):
            await question()


async def test_nothing_is_written_without_a_database(journal: Journal, file: Database) -> None:
    await file.close()
    with pytest.raises(StorageError):
        await journal.append(entry())
    with pytest.raises(StorageError):
        await journal.not_released(1, Reason.POLICY_CHANGED)


# --- Strangers ---


async def test_strangers_are_summed_up_by_the_minute(journal: Journal) -> None:
    for at in (60.0, 61.5, 119.0, 120.0):
        await journal.append(stranger(at))
    await journal.append(stranger(121.0, reason=Reason.AMBIGUOUS_APPLIANCE))
    await journal.append(denied(121.0))
    await journal.append(denied(121.0))
    assert await journal.newest() == [
        denied(121.0),
        denied(121.0),
        stranger(121.0, reason=Reason.AMBIGUOUS_APPLIANCE),
        stranger(120.0),
        stranger(60.0, count=3, bytes_in=30),
    ]
    summary = await journal.summary()
    assert summary.counts[None, Outcome.DENY, Reason.UNKNOWN_APPLIANCE] == 4


async def test_a_stranger_cannot_fill_the_journal(journal: Journal, file: Database) -> None:
    calls = 20 * STRANGERS_PER_HOUR
    for n in range(calls):
        at = 3600 * n / calls
        await journal.append(stranger(at, template=f"GET {n}.example/…"))
    assert await counted(file, "entries") <= STRANGERS_PER_HOUR + 60
    assert await counted(file, "texts") <= STRANGERS_PER_HOUR + 10
    assert (await journal.newest(1))[0].template == "…"
    (count,) = (await journal.summary()).counts.values()
    assert count == calls, "each is counted all the same"
    await journal.append(stranger(3600.0, template="GET next-hour.example/…"))
    assert (await journal.newest(1))[0].template == "GET next-hour.example/…"


async def test_a_stranger_is_not_counted_into_somebody_elses_entry(
    journal: Journal, file: Database
) -> None:
    await journal.append(stranger())
    await file.run(lambda c: c.execute("DELETE FROM entries").rowcount)
    await file.run(lambda c: c.execute("DELETE FROM sqlite_sequence").rowcount)
    await journal.append(entry())
    await journal.append(stranger())
    assert await journal.newest() == [stranger(), entry()]


# --- Questions ---


async def test_sums(journal: Journal) -> None:
    assert await journal.tallies() == {}
    assert await journal.summary() == Summary()
    for at, outcome in enumerate(
        (Outcome.PERMIT, Outcome.REDACT, Outcome.REDACT, Outcome.DENY, Outcome.DENY)
    ):
        await journal.append(entry(float(at), outcome=outcome))
    await journal.append(entry(9.0, appliance_id="oven", outcome=Outcome.DENY))
    await journal.append(stranger(10.0))
    tallies = await journal.tallies()
    assert set(tallies) == {"fridge", "oven"}
    assert tallies["fridge"].counts == {Outcome.PERMIT: 1, Outcome.REDACT: 2, Outcome.DENY: 2}
    assert (tallies["fridge"].last_seen, tallies["fridge"].last_disclosure) == (4.0, 2.0)
    assert (tallies["oven"].last_seen, tallies["oven"].last_disclosure) == (9.0, None)
    assert await journal.tallies(0.0) == tallies
    recent = await journal.tallies(2.0)
    assert recent["fridge"].counts == {Outcome.REDACT: 1, Outcome.DENY: 2}
    assert await journal.tallies(4.5) == {"oven": tallies["oven"]}


async def test_what_left_last_is_told_of_every_combination(journal: Journal) -> None:
    for at in (2.0, 5.0, 9.0):
        await journal.append(entry(at))
    await journal.append(entry(3.0, released=("d4",)))
    await journal.append(denied(9.5))
    await journal.append(stranger(9.6))
    left = {(one.released, one.at) for one in await journal.last_disclosed(0.0)}
    assert left == {(entry().released, 9.0), (("d4",), 3.0)}
    assert [one.at for one in await journal.last_disclosed(3.5)] == [9.0]
    (one,) = await journal.last_disclosed(9.0)
    assert (one.appliance_id, one.recipient_ids) == ("fridge", entry().recipient_ids)
    assert await journal.last_disclosed(9.1) == []


async def test_sums_outlast_a_purge(journal: Journal) -> None:
    for at in range(10):
        await journal.append(entry(float(at), outcome=list(Outcome)[at % 3]))
    before = await journal.tallies()
    assert await journal.purge(7.0, max_age=0.0) == 7
    assert await journal.tallies() == before
    assert await journal.purge(100.0, max_age=0.0) == 3
    assert await journal.tallies() == before


@pytest.fixture
async def week(journal: Journal) -> list[Entry]:
    """A week of entries, newest first."""
    some = [
        entry(
            n * 3600.0,
            appliance_id=("fridge", "oven", "lamp")[n % 3],
            recipient_ids=(("frost", "ads"), ("ads",), ("heat",), ())[n % 4],
            outcome=list(Outcome)[n % 5 % 3],
            released=(f"{n % 6:016x}", "ff"),
            coarse=("ff",) if n % 2 else (),
        )
        for n in range(7 * 24)
    ]
    for one in some:
        await journal.append(one)
    return some[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), lambda _: True),
        (Query(appliance_id="oven"), lambda e: e.appliance_id == "oven"),
        (Query(appliance_id="nobody"), lambda _: False),
        (Query(recipient_id="ads"), lambda e: "ads" in e.recipient_ids),
        (Query(recipient_id="ad"), lambda _: False),
        (Query(since=DAY, until=2 * DAY), lambda e: DAY <= e.at < 2 * DAY),
        (Query(outcomes=frozenset()), lambda _: False),
        (
            Query(outcomes=frozenset({Outcome.DENY, Outcome.PERMIT})),
            lambda e: e.outcome is not Outcome.REDACT,
        ),
        (
            Query(appliance_id="lamp", recipient_id="heat", since=3 * DAY, until=9e9,
                  outcomes=frozenset({Outcome.REDACT})),
            lambda e: e.appliance_id == "lamp" and e.recipient_ids == ("heat",)
            and e.at >= 3 * DAY and e.outcome is Outcome.REDACT,
        ),
    ],
)  # fmt: skip
async def test_questions(journal: Journal, week: list[Entry], query: Query, expected) -> None:
    wanted = [one for one in week if expected(one)]
    assert await journal.disclosures(query) == wanted
    paged: list[Entry] = []
    while page := await journal.disclosures(
        replace(query, limit=10, before=paged[-1].number if paged else None)
    ):
        assert len(page) <= 10
        paged += page
    assert paged == wanted


async def test_pages_where_the_clock_stood_still(journal: Journal) -> None:
    for n in range(20):
        await journal.append(entry(5.0 - n // 8, bytes_in=n))
    first = await journal.disclosures(Query(limit=13))
    rest = await journal.disclosures(Query(before=first[-1].number))
    assert sorted(one.bytes_in for one in first + rest) == list(range(20))
    times = [(one.at, one.number) for one in first + rest]
    assert times == sorted(times, reverse=True)
    await journal._database.run(lambda c: c.execute("DELETE FROM entries WHERE id = 10").rowcount)
    assert all(one.number < 10 for one in await journal.disclosures(Query(before=10)))


async def test_a_summary(journal: Journal, week: list[Entry]) -> None:
    for since, until, appliance in (
        (None, None, None), (DAY, 2 * DAY, None), (DAY, 3.5 * DAY, "oven"), (8 * DAY, None, None),
    ):  # fmt: skip
        counts: dict[object, int] = {}
        released: dict[str, int] = {}
        coarse: dict[str, int] = {}
        for one in week:
            if (since or 0) <= one.at < (until or 9e9) and appliance in (None, one.appliance_id):
                key = one.appliance_id, one.outcome, one.reason
                counts[key] = counts.get(key, 0) + 1
                for point in one.released:
                    released[point] = released.get(point, 0) + 1
                for point in one.coarse:
                    coarse[point] = coarse.get(point, 0) + 1
        query = Query(since=since, until=until, appliance_id=appliance)
        assert await journal.summary(query) == Summary(
            counts=counts,
            released=released,
            coarse=coarse,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    "query",
    [Query(since=1.0), Query(since=1.0, appliance_id="fridge"), Query(before=5, limit=3)],
    ids=["period", "appliance", "page"],
)
async def test_questions_are_answered_from_an_index(
    journal: Journal, file: Database, query: Query
) -> None:
    await asyncio.gather(*(journal.append(entry(float(n))) for n in range(10)))
    asked: list[str] = []
    await file.run(lambda c: c.set_trace_callback(asked.append))
    await journal.disclosures(query)
    await journal.summary(Query(since=1.0, until=5.0, appliance_id=query.appliance_id))
    await file.run(lambda c: c.set_trace_callback(None))
    plans = [
        step
        for one in asked
        if " FROM entries WHERE" in one
        for (*_, step) in await file.run(
            lambda c, q=one: c.execute(f"EXPLAIN QUERY PLAN {q}").fetchall()
        )
    ]
    assert any("entries_a" in step for step in plans)
    assert not [step for step in plans if step.startswith("SCAN entries") and "INDEX" not in step]


# --- Forgetting ---


def marked(mark: str, n: int, **changes: object) -> Entry:
    """An entry whose every text has the mark."""
    return entry(
        float(n), appliance_id=mark, recipient_ids=(f"{mark}-to-{n % 5}",),
        template=f"POST {mark}.example/{'x' * (n * 7 % 150)}/{n}",
        released=tuple(f"{mark}-released-{n}-{k}" for k in range(n * 13 % 40)), coarse=(),
        withheld_ids=tuple(f"{mark}-withheld-{n}-{k}" for k in range(n * 17 % 90)),
        values=((f"{mark}-released-{n}-0", f"{mark}-value-{'v' * (n * 37 % 900)}"),), **changes,
    )  # fmt: skip


async def test_what_is_too_old_is_gone_from_the_file(journal: Journal, tmp_path: Path) -> None:
    for n in range(1500):
        mark = ("sesame", "mustard")[n % 3 % 2]
        number = await journal.append(marked(mark, n if mark == "sesame" else n + 10_000))
        if n % 7 == 0:
            await journal.not_released(number, Reason.UPSTREAM_UNREACHABLE)
    before = len(raw(tmp_path))
    assert raw(tmp_path).count(b"sesame") > 1000
    assert await journal.purge(11_000.0, max_age=2_000.0, max_bytes=FOREVER) == 1000
    # Neither while it is open nor afterwards; what is kept is whole.
    found = raw(tmp_path)
    assert found.count(b"mustard-value") == 500 - 72
    assert len(found) < 0.7 * before
    # The name alone stays, for the totals.
    assert found.count(b"sesame") == 1
    assert len(await journal.newest(5000)) == 500


async def test_what_is_forgotten_is_gone_from_the_file(
    journal: Journal, file: Database, tmp_path: Path
) -> None:
    (tmp_path / "journal.db.damaged").write_bytes(b"sesame")
    for n in range(1500):
        await journal.append(marked(("sesame", "mustard", "pepper")[n * 7 % 3], n))
    tables = ("entries", "shapes", "texts", "released_values", "totals")
    assert [await counted(file, one) for one in tables[:2]] == [1500, 1500]
    assert await journal.forget("sesame") == 500
    assert b"sesame" not in raw(tmp_path)
    assert set(await journal.tallies()) == {"mustard", "pepper"}
    assert {one.appliance_id for one in await journal.newest(5000)} == {"mustard", "pepper"}
    assert await journal.forget("nobody") == 0
    for mark in ("mustard", "pepper"):
        await journal.forget(mark)
    assert [await counted(file, one) for one in tables] == [0] * 5
    assert b"example" not in raw(tmp_path)
    assert await file.size() < 100_000, "the space is given back"


async def test_values_are_forgotten_by_themselves(journal: Journal, tmp_path: Path) -> None:
    for n in range(300):
        await journal.append(marked("sesame", n))
    await journal.forget_values()
    assert b"sesame-value" not in raw(tmp_path)
    assert await journal.newest(500) == [
        replace(marked("sesame", n), values=()) for n in range(299, -1, -1)
    ]


async def test_what_is_too_much_goes_oldest_first(journal: Journal, file: Database) -> None:
    for n in range(2000):
        await journal.append(marked("sesame", n))
    await file.checkpoint()
    whole = await file.size()
    assert await journal.purge(2000.0, max_bytes=whole) == 0
    deleted = await journal.purge(2000.0, max_bytes=whole // 2)
    assert 600 < deleted < 1400
    assert await file.size() <= whole // 2
    assert [one.at for one in await journal.newest(5000)] == list(range(1999, deleted - 1, -1))
    assert await journal.purge(2000.0, max_bytes=whole // 2) == 0
    assert await journal.purge(2000.0, max_bytes=1) == 2000 - deleted
    await journal.append(entry())
    assert await journal.newest() == [entry()]


async def test_nobody_waits_for_a_purge(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 50)
    monkeypatch.setattr(interning, "CHUNK", 50)
    for n in range(1500):
        await journal.append(marked("sesame", n))
    purge = asyncio.ensure_future(journal.purge(1500.0, max_age=0.0))
    added = 0
    while not purge.done():
        # Under texts that are just being deleted, too.
        await journal.append(replace(marked("sesame", added), at=2000.0 + added))
        added += 1
    assert await purge == 1500
    assert added > 30, "it went on meanwhile"
    assert await journal.newest(10_000) == [
        replace(marked("sesame", n), at=2000.0 + n) for n in range(added - 1, -1, -1)
    ], "every text is still there"


async def test_texts_in_use_are_not_collected(journal: Journal, file: Database) -> None:
    """However it meets: those of an entry that comes, or is corrected, during the clean-up."""
    for n in range(20):
        await journal.append(marked("sesame", n))
    cleaning = asyncio.ensure_future(journal.purge(10.0, max_age=0.0))
    numbers = []
    while not cleaning.done():
        numbers.append(await journal.append(marked("sesame", 5)))
        await journal.not_released(numbers[-1], Reason.UPSTREAM_UNREACHABLE)
    await cleaning
    await file.close()
    await file.open()
    for one in await journal.newest(1000):
        assert one.template == marked("sesame", int(one.at)).template


async def test_what_was_set_aside_is_kept_no_longer_than_an_entry(
    journal: Journal, tmp_path: Path
) -> None:
    aside = tmp_path / "journal.db.damaged"
    aside.write_bytes(b"x")
    now = time.time()
    await journal.purge(now + 20 * DAY)
    assert aside.exists()
    await journal.purge(now + 31 * DAY)
    assert not aside.exists()


async def test_a_damaged_journal_is_replaced(journal: Journal, file: Database) -> None:
    await journal.append(entry())
    await file.set_aside()
    await file.open()
    assert await journal.append(entry(2.0)) == 1
    assert await journal.newest() == [entry(2.0)], "with all its texts"


# --- Values that stay home ---


MARKS = ("sesame mustard", "sesame-pepper", "sesame_salt", "sesameoil", "sesame.vinegar")


async def test_no_value_stands_in_the_file(tmp_path: Path) -> None:
    """Of body, header, query, cookie or path; not while the gate is open, and not afterwards."""
    async with wire.house(tmp_path) as house:
        raw = house.request(
            b'{"door":true,"note":"sesame mustard"}',
            "X-Note: sesame-pepper",
            "Cookie: note=sesameoil",
            path="/v1/report?note=sesame_salt",
        )
        await house.teach(raw)
        await house.ask(raw)
        assert all(mark.encode() in house.cloud.received for mark in MARKS[:4])
        await house.withdraw_all()
        await house.ask(raw)
        await house.ask(house.request(b"\xffsesame.vinegar"))
        look(house, tmp_path)
    look(house, tmp_path)


def look(house: House, folder: Path) -> None:
    found = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"$.body.note" in found
    for number, mark in enumerate(MARKS):
        assert mark.encode() not in found, f"value number {number}"
        assert mark not in str([event for event in house.events if not hasattr(event, "readings")])
