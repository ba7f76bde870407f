"""Essential or not, on real sockets: an appliance asks, is observed, blocked, and insists."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
import sqlite3
from typing import Any

import pytest
from resolver import Client, Resolver, said

from engine import Firewall, StorageError
from engine.events import Event, NeedChanged, RetryStorm
from engine.model import (
    Appliance,
    ConsentState,
    Decider,
    Endpoint,
    Outcome,
    Protection,
    Purpose,
    Reason,
    Recipient,
)
from engine.naming import Naming, Resolver as Stated
from engine.needs import Assessment, FactKind, Need
from helpers import FakeClock

FRIDGE = "127.0.0.2"
MQTT, ADS, READ = "mqtt.frost.example", "telemetry.ads.example", "api.frost.example"
ZONE = {(MQTT, "A"): ["@ 300 A 93.184.216.2"], (ADS, "A"): ["@ 300 A 93.184.216.3"]}
ENTITY = "sensor.fridge_temperature"
HAND = Decider(how="test")
APPLIANCE = Appliance(id="fridge", name="Fridge", addresses=frozenset({FRIDGE}))


def recipient(name: str, *names: str, endpoints: tuple[Endpoint, ...] = ()) -> Recipient:
    return Recipient(
        id=name,
        organisation=name.title(),
        purpose=Purpose.SERVICE,
        endpoints=endpoints,
        names=frozenset(names),
    )


RECIPIENTS = (
    recipient("frost", MQTT),
    recipient("ads", ADS),
    recipient("read", endpoints=(Endpoint(host=READ),)),
)


@dataclass
class House:
    """A firewall whose DNS gate asks a made-up resolver, in a time of its own."""

    database: Path
    resolver: Resolver
    clock: FakeClock = field(default_factory=FakeClock)
    events: list[Event] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def start(self) -> House:
        """Start, again or for the first time."""
        self.firewall = Firewall(
            database=self.database, on_event=self.events.append, clock=self.clock
        )
        await self.firewall.start()
        self.firewall.configure([APPLIANCE], RECIPIENTS)
        await self.firewall.open_gate("127.0.0.1", 0)
        self.firewall.names.configure(Naming(steer_to=("127.0.0.77",)))
        await self.open()
        return self

    async def open(self) -> None:
        port = await self.firewall.names.open(
            "127.0.0.1", 0, [Stated(address="127.0.0.1", port=self.resolver.port)]
        )
        self.clients.append(Client(port, FRIDGE))
        self.watch()

    async def restart(self, off: float = 0.0) -> None:
        await self.firewall.stop()
        self.clock.pass_by(off)
        await self.start()

    def watch(self, *unavailable: str) -> None:
        self.firewall.watching.watch("fridge", [ENTITY], unavailable)

    async def ask(self, name: str = MQTT, times: int = 1, every: float = 60) -> str | list[str]:
        heard: str | list[str] = ""
        for _ in range(times):
            heard = said(await self.clients[-1].ask(name))
            self.clock.pass_by(every)
        return heard

    async def observe(self, minutes: float | None = 60) -> None:
        """Let the fridge through for a time, or (None) no longer."""
        seconds = None if minutes is None else minutes * 60
        await self.firewall.consents.let_through("fridge", HAND, seconds=seconds)

    async def consent(self, to: str, state: ConsentState = ConsentState.GIVEN) -> None:
        [point] = [one for one in self.firewall.data_points("fridge") if to in one.recipients]
        await self.firewall.decide([(point.id, to)], state, HAND)

    def pass_by(self, hours: float) -> None:
        """Let time pass, and look what follows from it."""
        for _ in range(int(hours)):
            self.clock.pass_by(3600)
            self.firewall.watching.look()

    def seen(self, to: str = "frost") -> Assessment:
        found = self.firewall.watching.assess("fridge", to)
        assert found is not None
        return found

    def kinds(self, to: str = "frost") -> list[FactKind]:
        return [one.kind for one in self.seen(to).evidence]

    def told[T: Event](self, kind: type[T]) -> list[T]:
        return [one for one in self.events if isinstance(one, kind)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with Resolver(zone=dict(ZONE)).open() as resolver:
        made = await House(database=tmp_path / "firewall.db", resolver=resolver).start()
        try:
            yield made
        finally:
            for client in made.clients:
                client.close()
            await made.firewall.stop()


# --- Observing ---


async def test_what_is_observed_passes_is_on_record_and_is_not_called_protected(
    house: House,
) -> None:
    await house.observe(10)
    assert house.firewall.status("fridge").protection is Protection.MONITORED
    assert await house.ask() == ["93.184.216.2"]
    entries = await house.firewall.newest_entries()
    assert [(one.outcome, one.reason) for one in entries] == [(Outcome.PERMIT, Reason.LET_THROUGH)]
    house.clock.pass_by(10 * 60)
    assert await house.ask() == "NXDOMAIN"
    assert house.firewall.status("fridge").protection is not Protection.MONITORED


async def test_what_is_usual_is_learned_while_it_is_observed(house: House) -> None:
    """By whose name it is, though everything passes and nobody is asked for."""
    await house.observe()
    await house.ask(times=31)
    assert house.seen().usual_per_hour == pytest.approx(60)
    assert house.seen().need is Need.UNKNOWN
    assert house.firewall.watching.recipients_of("fridge") == {"frost"}


async def test_what_is_led_to_the_gate_is_usual_too(house: House) -> None:
    for _ in range(31):
        assert await house.ask(READ) == ["127.0.0.77"]
    assert house.seen("read").usual_per_hour == pytest.approx(60)


# --- Storms ---


async def test_a_retry_storm_is_told_once_with_both_figures(house: House) -> None:
    await house.observe()
    await house.ask(times=41)
    await house.observe(None)
    assert await house.ask(times=49, every=1) == "NXDOMAIN"
    assert house.told(RetryStorm) == []
    await house.ask(times=100, every=1)
    [storm] = house.told(RetryStorm)
    assert (storm.appliance_id, storm.recipient_id, storm.gate) == ("fridge", "frost", "dns")
    assert (storm.usual_per_hour, storm.now_per_hour) == (60.0, 300.0)
    assert FactKind.RETRY_STORM in house.kinds()
    assert house.seen().need is Need.UNKNOWN


async def test_going_on_as_before_is_no_storm(house: House) -> None:
    await house.observe()
    await house.ask(times=41)
    await house.observe(None)
    await house.ask(times=100, every=15)
    assert house.told(RetryStorm) == []


async def test_what_was_never_permitted_has_nothing_that_is_usual(house: House) -> None:
    await house.ask(times=200, every=1)
    assert house.told(RetryStorm) == []
    assert house.seen().usual_per_hour is None


async def test_names_that_nobody_claims_and_strangers_are_not_watched(house: House) -> None:
    await house.ask("shop.example", times=20, every=1)
    phone = Client(house.firewall.names.address[1], "127.0.0.9")  # type: ignore[index]
    await phone.ask(MQTT)
    phone.close()
    assert house.firewall.watching.recipients_of("fridge") == frozenset()
    assert house.told(NeedChanged) == []


async def test_the_self_test_is_not_watched(house: House) -> None:
    assert (await house.firewall.self_test()).passed
    assert house.told(NeedChanged) == []


# --- What breaks and what does not ---


async def test_what_breaks_when_it_is_blocked_and_comes_back_with_it(house: House) -> None:
    await house.observe()
    await house.ask()
    await house.observe(None)
    await house.ask()
    house.firewall.watching.broke("fridge", ENTITY)
    assert house.seen().need is Need.NEEDED
    await house.observe()
    await house.ask()
    house.firewall.watching.came_back("fridge", ENTITY)
    assert house.seen().need is Need.NEEDED
    assert FactKind.MENDED in house.kinds()


async def test_it_may_have_it_again_for_a_while_before_it_asks(house: House) -> None:
    """Nobody knows better in between than that it is no longer refused."""
    await house.observe()
    await house.ask()
    await house.observe(None)
    await house.ask()
    house.firewall.watching.broke("fridge", ENTITY)
    await house.observe()
    house.firewall.watching.look()
    assert house.kinds() == [FactKind.BROKE]
    await house.ask()
    house.firewall.watching.came_back("fridge", ENTITY)
    assert house.kinds() == [FactKind.MENDED]
    assert house.seen().need is Need.NEEDED


async def test_what_works_for_a_day_without_it(house: House) -> None:
    await house.ask(times=3)
    house.pass_by(23)
    assert house.seen().need is Need.UNKNOWN
    house.pass_by(2)
    assert house.seen().need is Need.NOT_NEEDED


async def test_time_in_which_no_gate_was_open_does_not_count(house: House) -> None:
    """It may have found its cloud meanwhile."""
    await house.ask(times=3)
    await house.firewall.names.close()
    house.pass_by(20)
    await house.open()
    house.pass_by(20)
    await house.restart(off=20 * 3600)
    house.pass_by(3)
    assert house.seen().need is Need.UNKNOWN
    house.pass_by(2)
    assert house.seen().need is Need.NOT_NEEDED


async def test_what_it_may_have_but_does_not_ask_for_is_not_refused(house: House) -> None:
    await house.ask(times=3)
    await house.consent("frost")
    house.pass_by(30)
    assert house.seen().need is Need.UNKNOWN
    assert house.kinds() == []


async def test_several_blocked_at_once_may_each_be_it(house: House) -> None:
    await house.observe()
    await house.ask(MQTT)
    await house.ask(ADS)
    await house.observe(None)
    await house.ask(MQTT)
    house.firewall.watching.broke("fridge", ENTITY)
    assert house.seen().need is Need.NEEDED
    await house.ask(ADS)
    for one, other in (("frost", "ads"), ("ads", "frost")):
        assert house.seen(one).need is Need.UNKNOWN
        named = [fact.recipient_ids for fact in house.seen(one).evidence]
        assert one == "ads" or (other,) in named
    house.firewall.watching.broke("fridge", "switch.fridge")
    assert FactKind.ONE_OF in house.kinds("ads")


async def test_blocked_an_hour_apart_each_stands_for_itself(house: House) -> None:
    for name in (MQTT, ADS):
        await house.ask(name)
    await house.consent("frost")
    await house.observe()
    for name in (MQTT, ADS):
        await house.ask(name)
    await house.observe(None)
    await house.ask(ADS)
    await house.ask(MQTT, times=60)
    assert house.kinds("ads") == [FactKind.REFUSED]
    await house.consent("frost", ConsentState.WITHDRAWN)
    await house.ask(MQTT)
    house.firewall.watching.broke("fridge", ENTITY)
    assert house.seen("frost").need is Need.NEEDED
    assert house.seen("ads").need is Need.UNKNOWN


async def test_what_fails_otherwise_is_no_block(house: House) -> None:
    """Such as a name that leads nowhere while the gate that can read is closed."""
    await house.ask(READ)
    house.firewall.names.configure(Naming())
    assert await house.ask(READ, times=3) == "NXDOMAIN"
    assert house.kinds("read") == []


async def test_a_lockdown_refuses_whoever_is_asked_for(house: House) -> None:
    await house.observe()
    await house.ask(times=41)
    await house.firewall.consents.lock_down(HAND, on=True)
    await house.ask(times=60, every=1)
    [storm] = house.told(RetryStorm)
    assert storm.recipient_id == "frost"
    assert FactKind.REFUSED in house.kinds()


# --- Kept and forgotten ---


async def test_it_is_known_after_a_restart(house: House) -> None:
    await house.observe()
    await house.ask(times=41)
    await house.restart()
    assert house.seen().usual_per_hour == pytest.approx(60)
    await house.observe(None)
    await house.ask(times=60, every=1)
    house.firewall.watching.broke("fridge", ENTITY)
    before = house.seen()
    assert before.need is Need.NEEDED
    await house.restart()
    assert house.seen().need is Need.NEEDED
    kinds = [one.kind for one in before.evidence]
    assert house.kinds() == kinds
    await house.ask(times=300, every=1)
    assert len(house.told(RetryStorm)) == 1, "told again after a restart"


def on_disk(house: House) -> list[tuple[Any, ...]]:
    with sqlite3.connect(house.database) as connection:
        return connection.execute("SELECT * FROM needs ORDER BY recipient_id").fetchall()


async def test_no_name_is_kept(house: House) -> None:
    await house.observe()
    await house.ask(times=41)
    await house.ask("made-up-4711.frost.example")
    await house.firewall.watching.store(at_once=True)
    assert [row[:2] for row in on_disk(house)] == [("fridge", "frost")]
    assert "example" not in str(on_disk(house))


async def test_it_goes_with_its_recipient_and_its_appliance(house: House) -> None:
    for name in (MQTT, ADS):
        await house.ask(name)
    await house.firewall.watching.store()
    assert len(on_disk(house)) == 2
    house.firewall.configure([APPLIANCE], RECIPIENTS[:1])
    await house.firewall.watching.store()
    assert len(on_disk(house)) == 1
    await house.firewall.forget_journal("fridge")
    assert on_disk(house) == []
    assert house.firewall.watching.assess("fridge", "frost") is None
    await house.ask()
    house.firewall.configure([], RECIPIENTS)
    await house.firewall.watching.store()
    assert on_disk(house) == []


async def test_what_is_kept_and_broken_is_begun_anew(house: House) -> None:
    await house.ask()
    await house.ask(ADS)
    await house.firewall.watching.store()
    with sqlite3.connect(house.database) as connection:
        connection.execute("UPDATE needs SET kept = '[1, 2' WHERE recipient_id = 'frost'")
        connection.execute("UPDATE meta SET value = '\"x\"' WHERE key = 'watched'")
    # Not stored again on the way out.
    house.firewall.watching._changed.clear()
    house.firewall.watching._pairs.clear()
    await house.restart()
    assert house.firewall.watching.recipients_of("fridge") == {"ads"}
    await house.ask(times=3)
    house.pass_by(25)
    assert house.seen().need is Need.NOT_NEEDED


# --- The household's word ---


async def test_the_household_says_so_and_takes_it_back(house: House) -> None:
    assert await house.firewall.watching.state("fridge", "frost", Need.NEEDED)
    assert house.seen().is_stated
    await house.restart()
    assert (house.seen().need, house.seen().is_stated) == (Need.NEEDED, True)
    assert await house.firewall.watching.state("fridge", "frost", None)
    assert (house.seen().need, house.seen().is_stated) == (Need.UNKNOWN, False)
    assert not await house.firewall.watching.state("fridge", "nobody", Need.NEEDED)


async def test_what_cannot_be_kept_is_not_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    await house.ask()
    with monkeypatch.context() as broken:
        broken.setattr(type(house.firewall.watching._database), "run", full)
        with pytest.raises(StorageError):
            await house.firewall.watching.state("fridge", "frost", Need.NEEDED)
    assert not house.seen().is_stated
    await house.firewall.watching.store()
    assert len(on_disk(house)) == 1
