"""What changes while a question is under way: nothing leaves, or is answered, as it was before."""

from dataclasses import replace

import dns.message
from name_house import FRIDGE, FROST, OPAQUE, PHONE, READABLE, NameHouse as House
import pytest
from resolver import Client

from engine import lookups
from engine.events import Decided, StrangerSeen
from engine.gates.dns.upstream import resolvers
from engine.model import Appliance, Decider, Endpoint, Outcome, Reason

FRIDGE_ITSELF = Appliance(id="fridge", name="Fridge", addresses=frozenset({FRIDGE}))
PHONE_TOO = Appliance(id="phone", name="Phone", addresses=frozenset({PHONE}))


@pytest.fixture
def house(name_house: House) -> House:
    return name_house


# --- While it is asked ---


async def test_what_was_let_through_is_judged_as_it_is_when_it_comes(shared: House) -> None:
    shared.resolver.zone[OPAQUE, "A"] = shared.resolver.zone["alias.example", "A"]
    await shared.let_through(on=True)

    async def end() -> None:
        await shared.let_through(on=False)

    assert await shared.ask_while(end, OPAQUE) == "NXDOMAIN"


async def test_a_name_that_is_allowed_no_more_is_refused_when_it_comes(house: House) -> None:
    house.configure(allowed=frozenset({"shop.example"}))

    async def end() -> None:
        house.configure(allowed=frozenset())

    assert await house.ask_while(end, "shop.example") == "NXDOMAIN"
    house.configure(allowed=frozenset({"shop.example"}))
    assert await house.ask("shop.example") == ["93.184.216.3"]


async def test_a_stranger_that_is_named_an_appliance_is_answered_as_one(house: House) -> None:
    """Allowed for appliances as well: it is on record, and judged as theirs are."""
    house.configure(allowed=frozenset({"alias.example", "shop.example"}))

    async def name_it() -> None:
        house.state(FRIDGE_ITSELF, PHONE_TOO)

    assert await house.ask_while(name_it, "alias.example", PHONE) == "NXDOMAIN"
    [entry] = await house.firewall.newest_entries()
    assert (entry.appliance_id, entry.template) == ("phone", "DNS alias.example")
    assert (entry.outcome, entry.reason) == (Outcome.DENY, Reason.ALIAS_REFUSED)
    house.state(FRIDGE_ITSELF)
    house.resolver.seen.clear()
    assert await house.ask_while(name_it, "shop.example", PHONE) == ["93.184.216.3"]
    [entry, _] = await house.firewall.newest_entries()
    assert (entry.appliance_id, entry.template) == ("phone", "DNS shop.example")
    assert (entry.outcome, entry.reason) == (Outcome.PERMIT, Reason.INFRASTRUCTURE)


async def test_what_may_go_on_for_another_reason_has_another_entry(shared: House) -> None:
    before = len(await shared.journal())

    async def let_through() -> None:
        await shared.let_through(on=True)

    shared.resolver.zone[OPAQUE, "A"] = ["@ 0 A 93.184.216.2"]
    assert await shared.ask_while(let_through, OPAQUE) == ["93.184.216.2"]
    entries = await shared.journal()
    assert len(entries) == before + 2
    assert entries[:2] == [
        (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.LET_THROUGH),
        # It was sent for this one.
        (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.OPAQUE_CONSENTED),
    ]
    # Also where it is refused in the end: nothing was released, and nothing says so.
    await shared.let_through(on=False)
    shared.resolver.zone[OPAQUE, "A"] = shared.resolver.zone["rebinding.example", "A"]
    shared.resolver.seen.clear()
    shared.firewall.names.lookups.forget("fridge")
    assert await shared.ask_while(let_through, OPAQUE) == "NXDOMAIN"
    entries = await shared.journal()
    assert len(entries) == before + 4
    assert entries[:2] == [
        (f"DNS {OPAQUE}", Outcome.DENY, Reason.PRIVATE_ANSWER),
        (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.OPAQUE_CONSENTED),
    ]
    newest = await shared.firewall.newest_entries()
    assert not newest[0].released


async def test_it_is_not_asked_again_for_what_it_may_not_ask_as_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver did not hear it the first time: it does not hear it a second time."""
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.3)
    house.resolver.answering = lambda data, over: []

    async def name_it() -> None:
        house.state(FRIDGE_ITSELF, PHONE_TOO)

    asked = "serial-4711.example"
    assert await house.ask_while(name_it, asked, PHONE) == "SERVFAIL"
    assert house.resolver.asked() == [(asked, "A")]
    # It is asked so often where nothing changes.
    house.state(FRIDGE_ITSELF)
    assert await house.ask(asked, address=PHONE, seconds=20.0) == "SERVFAIL"
    assert len(house.resolver.seen) == 1 + resolvers.TRIES


async def test_a_question_of_another_keeps_it_under_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ask the same; one of them still may."""
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.3)
    house.resolver.answering = lambda data, over: []
    other = Client(house.port, "127.0.0.20")
    question = dns.message.make_query("shop.example", "A").to_wire()

    async def name_it() -> None:
        await other.send(question)
        # The gate takes one after the other: with this one, it has that.
        assert await house.ask(READABLE) == ["127.0.0.77"]
        house.state(FRIDGE_ITSELF, PHONE_TOO)

    assert await house.ask_while(name_it, "shop.example", PHONE) == "SERVFAIL"
    assert len(house.resolver.seen) > 1
    other.close()


async def test_before_decisions_are_loaded_nobody_is_a_stranger(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may well be an appliance."""
    monkeypatch.setattr(house.firewall.names.lookups, "_policy", lambda: None)
    for address in (FRIDGE, PHONE):
        assert await house.ask(OPAQUE, address=address) == "SERVFAIL"
    assert house.told(StrangerSeen) == []
    assert house.firewall.names.status().strangers == ()
    assert house.resolver.seen == []


# --- While it is recorded ---


async def test_a_name_that_is_allowed_no_more_does_not_leave(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.configure(allowed=frozenset({"shop.example"}))

    async def end() -> None:
        house.configure(allowed=frozenset())

    house.while_recorded(monkeypatch, end)
    assert await house.ask("shop.example") == "NXDOMAIN"
    assert house.resolver.seen == []


async def test_a_refusal_by_then_corrects_the_entry(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(await shared.journal())

    async def lock_down() -> None:
        await shared.firewall.consents.lock_down(on=True, decider=Decider(how="test"))

    written = shared.while_recorded(monkeypatch, lock_down)
    assert await shared.ask(OPAQUE) == "NXDOMAIN"
    assert shared.resolver.seen == []
    assert [one.reason for one in written] == [Reason.OPAQUE_CONSENTED]
    entries = await shared.journal()
    assert len(entries) == before + 1
    assert entries[0] == (f"DNS {OPAQUE}", Outcome.DENY, Reason.LOCKDOWN)
    [entry, *_] = await shared.firewall.newest_entries()
    assert entry.released == ()
    assert [(one.outcome, one.released) for one in shared.told(Decided)] == [(Outcome.DENY, ())]


async def test_a_name_that_can_be_read_by_then_corrects_the_entry(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads to the gate: nothing of it left, and nothing else is said."""

    async def read() -> None:
        more = replace(FROST, endpoints=(*FROST.endpoints, Endpoint(host=OPAQUE)))
        shared.firewall.configure([FRIDGE_ITSELF], [more])

    shared.while_recorded(monkeypatch, read)
    assert await shared.ask(OPAQUE) == ["127.0.0.77"]
    assert shared.resolver.seen == []
    await shared.journal()
    [entry, *_] = await shared.firewall.newest_entries()
    assert (entry.outcome, entry.released) == (Outcome.DENY, ())
    assert shared.told(Decided) == []


async def test_another_reason_by_then_has_an_entry_of_its_own(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(await shared.journal())

    async def let_through() -> None:
        await shared.let_through(on=True)

    written = shared.while_recorded(monkeypatch, let_through)
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert [one.reason for one in written] == [Reason.OPAQUE_CONSENTED, Reason.LET_THROUGH]
    entries = await shared.journal()
    assert len(entries) == before + 2
    assert entries[:2] == [
        (f"DNS {OPAQUE}", Outcome.PERMIT, Reason.LET_THROUGH),
        (f"DNS {OPAQUE}", Outcome.DENY, Reason.POLICY_CHANGED),
    ]
    assert [one.reason for one in shared.told(Decided)] == [Reason.LET_THROUGH]


async def test_where_nothing_holds_for_long_enough_nothing_leaves(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(await shared.journal())
    is_on = False

    async def flip() -> None:
        nonlocal is_on
        is_on = not is_on
        await shared.let_through(on=is_on)

    written = shared.while_recorded(monkeypatch, flip)
    assert await shared.ask(OPAQUE) == "SERVFAIL"
    permitted = [one for one in written if one.outcome is Outcome.PERMIT]
    assert len(permitted) == lookups.MAX_TURNS
    assert shared.resolver.seen == []
    entries = await shared.journal()
    assert {one[1:] for one in entries[:-before]} == {(Outcome.DENY, Reason.POLICY_CHANGED)}


async def test_a_change_elsewhere_does_not_refuse_what_is_consented(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp = Appliance(id="lamp", name="Lamp", addresses=frozenset({"127.0.0.3"}))

    async def add_a_lamp() -> None:
        shared.state(FRIDGE_ITSELF, lamp)

    written = shared.while_recorded(monkeypatch, add_a_lamp)
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    assert len(written) == 1


async def test_a_stranger_by_then_is_on_record_as_nothing_that_left(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no appliance any more is nobody's business, and was not the appliance's."""
    before = len(await shared.journal())

    async def name_nobody() -> None:
        shared.state()

    shared.while_recorded(monkeypatch, name_nobody)
    assert await shared.ask(OPAQUE) == ["93.184.216.2"]
    entries = await shared.journal()
    assert len(entries) == before + 1
    assert entries[0][1:] == (Outcome.DENY, Reason.POLICY_CHANGED)
    assert shared.told(Decided) == []
