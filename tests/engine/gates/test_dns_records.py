"""What is written and told of questions: each that left, no made-up label, nothing that did not."""

import asyncio
from typing import Any

from name_house import FRIDGE, OPAQUE, PHONE, READABLE, NameHouse as House
import pytest

from engine import faces, lookups
from engine.events import Decided, Unclaimed
from engine.journal import Entry
from engine.model import Appliance, Outcome, Reason
from engine.naming import Infrastructure

LAMP = "127.0.0.3"


@pytest.fixture
def house(name_house: House) -> House:
    return name_house


async def test_what_the_cache_answers_is_on_record_too(shared: House) -> None:
    """The fridge learns where Frost is: that its answer was at hand makes no difference."""
    before = len(await shared.journal())
    assert await shared.ask(OPAQUE, address=PHONE) == ["93.184.216.2"]
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert len(shared.resolver.seen) == 1
    entries = await shared.journal()
    assert len(entries) == before + 1
    assert entries[0] == (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.OPAQUE_CONSENTED)
    # The same once more is the same look-up, as long as its answer is in use.
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert len(await shared.journal()) == before + 1
    assert len(shared.told(Decided)) == 1


@pytest.mark.parametrize("seconds", [59.0, 61.0])
async def test_it_is_on_record_again_when_its_answer_is_over(
    shared: House, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(lookups, "monotonic", lambda: now[0])
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    before = len(await shared.journal())
    now[0] += seconds
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert len(shared.resolver.seen) == 1
    assert len(await shared.journal()) == before + (seconds > lookups.RECORDED_SECONDS)


async def test_a_refused_alias_is_no_disclosure(shared: House) -> None:
    """It was asked for, which stays on record, and its answer was held back."""
    before = len(await shared.journal())
    shared.resolver.zone[OPAQUE, "A"] = shared.resolver.zone["alias.example", "A"]
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    entries = await shared.journal()
    assert len(entries) == before + 2
    assert entries[1] == (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.OPAQUE_CONSENTED)
    assert entries[0] == (f"DNS {OPAQUE}", Outcome.DENY, Reason.ALIAS_REFUSED)
    [entry, *_] = await shared.firewall.newest_entries()
    assert entry.released == ()
    [event] = shared.told(Decided)
    assert (event.outcome, event.reason, event.released) == (Outcome.DENY, Reason.ALIAS_REFUSED, ())


# --- Names as they are told ---


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (OPAQUE, OPAQUE),
        (f"door-open.{OPAQUE}", f"*.{OPAQUE}"),
        (f"door-open.kitchen.{OPAQUE}", f"*.{OPAQUE}"),
        (f"door-open.{READABLE}", f"*.{READABLE}"),
        ("vendor.example", "vendor.example"),
        ("b.a.vendor.example", "b.a.vendor.example"),
        ("door-open.b.a.vendor.example", "*.b.a.vendor.example"),
        ("door-open.kitchen.b.a.vendor.example", "*.b.a.vendor.example"),
        ("door-open.b.a.vendor.co.uk", "*.b.a.vendor.co.uk"),
        ("a.s3.amazonaws.com", "a.s3.amazonaws.com"),
        ("door-open.a.s3.amazonaws.com", "*.a.s3.amazonaws.com"),
        ("0.europe.pool.ntp.org", "0.europe.pool.ntp.org"),
        ("d.c.b.a.allowed.example", "d.c.b.a.allowed.example"),
        ("door-open.d.c.b.a.allowed.example", "*.d.c.b.a.allowed.example"),
    ],
)
async def test_labels_that_an_appliance_makes_up_are_not_written_down(
    house: House, asked: str, shown: str
) -> None:
    """Below a claimed name none is; elsewhere two before a registered domain or a shared cloud's.

    What the household or the catalogue names is told in full.
    """
    house.configure(allowed=frozenset({"d.c.b.a.allowed.example"}))
    known = {"0.europe.pool.ntp.org": Infrastructure.TIME}
    house.firewall.names.lookups.know(known, faces.load())
    await house.ask(asked)
    [(template, _, _)] = await house.journal()
    assert template == f"DNS {shown}"
    assert [one.host for one in house.told(Unclaimed)] in ([], [shown])
    assert "door-open" not in str(house.events)


async def test_names_are_told_as_is_stated_now(house: House) -> None:
    """What was in full because it was allowed is so no more."""
    house.configure(allowed=frozenset({"d.c.b.a.example"}))
    await house.ask("d.c.b.a.example")
    house.configure(allowed=frozenset())
    await house.ask("d.c.b.a.example")
    templates = {template for template, *_ in await house.journal()}
    assert templates == {"DNS d.c.b.a.example", "DNS *.c.b.a.example"}


async def test_names_below_one_name_are_refused_as_one(house: House) -> None:
    """Else what is made up would fill the journal, whatever it says."""
    for one in range(10):
        await house.ask(f"n{one}.{OPAQUE}")
    assert await house.journal() == [(f"DNS *.{OPAQUE}", Outcome.DENY, Reason.UNCLAIMED_NAME)]
    assert [one.count for one in house.told(Unclaimed)] == [1, 2, 4, 8]


async def test_one_appliance_does_not_hide_what_another_asks_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MAX_UNCLAIMED", 5)
    house.state(
        Appliance(id="fridge", name="Fridge", addresses=frozenset({FRIDGE})),
        Appliance(id="lamp", name="Lamp", addresses=frozenset({LAMP})),
    )
    for one in range(8):
        await house.ask(f"n{one}.vendor.example")
    assert len(house.told(Unclaimed)) == 5
    await house.ask("cloud.lamp.example", address=LAMP)
    newest = house.told(Unclaimed)[-1]
    assert (newest.appliance_id, newest.host) == ("lamp", "cloud.lamp.example")


# --- A disk that does not keep up ---


async def test_refusals_that_wait_for_the_disk_are_so_many_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MAX_UNWRITTEN", 5)
    may_write = asyncio.Event()
    append = house.firewall.journal.append

    async def slow(entry: Entry) -> int:
        await may_write.wait()
        return await append(entry)

    monkeypatch.setattr(house.firewall.journal, "append", slow)
    known: Any = house.firewall.names.lookups
    try:
        for one in range(20):
            assert await house.ask(f"n{one}.vendor.example") == "NXDOMAIN"
        assert len(known._unwritten) == 5
        # One task writes them all, however many they are.
        assert len(known._jobs) == 1
    finally:
        may_write.set()
    assert len(await house.journal()) == 6
    assert len(house.told(Decided)) == 6
    # Those that had no room are written when they are asked for again; the others were just now.
    for one in range(20):
        await house.ask(f"n{one}.vendor.example")
        await known.settle()
    assert len(await house.journal()) == 20
