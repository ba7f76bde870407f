"""The whole engine: starting, stopping, restarting, and what the household states and decides."""

import asyncio
from collections.abc import AsyncIterator
import gc
from pathlib import Path
import socket
import threading
from typing import Any

import pytest

from engine import ConsentError, Firewall, pipeline
from engine.events import Discovered, GateChanged
from engine.model import ConsentState, Kind, Level, Protection, Reason, Sensitive
import wire
from wire import APPLIANCE, House, Resolver, fridge, frost, storage_threads

BODY = b'{"door":true,"temp":4.5}'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        yield built


async def restart(house: House) -> None:
    """Stop, and start anew on the same file."""
    await house.firewall.stop()
    house.firewall = Firewall(database=house.database, on_event=house.events.append)
    await house.firewall.start()
    house.port = await house.firewall.open_gate("127.0.0.1", 0)


# --- Starting and stopping ---


def sockets() -> set[str]:
    """The sockets this process holds."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:") or target.endswith((".db", ".db-wal", ".db-shm")):
            found.add(target)
    return found


async def test_nothing_is_left_after_stop(tmp_path: Path) -> None:
    gc.collect()
    tasks, held = asyncio.all_tasks(), sockets()
    threads = {one for one in threading.enumerate() if not one.name.startswith("asyncio_")}
    async with wire.house(tmp_path) as house:
        await house.teach()
        callers = [await house.dial() for _ in range(5)]
        for caller in callers[:3]:
            await caller.send(house.request(BODY))
            await caller.answer()
        await callers[3].send(house.request(BODY)[:40])
        assert storage_threads()
        await house.firewall.stop()
        assert not storage_threads()
        async with asyncio.timeout(wire.PATIENCE):
            await (await house.cloud.line()).ended.wait()
        for caller in callers:
            assert await caller.rest() == b"", "every connection was ended"
            caller.close()
            await caller.writer.wait_closed()
    await asyncio.sleep(0.05)
    gc.collect()
    assert {task for task in asyncio.all_tasks() if not task.done()} <= tasks
    assert sockets() <= held
    now = {one for one in threading.enumerate() if not one.name.startswith("asyncio_")}
    assert now <= threads


async def test_stop_may_be_called_again_and_before_start(tmp_path: Path) -> None:
    firewall = Firewall(database=tmp_path / "x.db", on_event=lambda _: None)
    await firewall.stop()
    await firewall.start()
    await firewall.stop()
    await firewall.stop()
    assert not storage_threads()


async def test_what_is_under_way_has_a_moment_to_end(house: House) -> None:
    async def slow(line: wire.Line, _: wire.Seen) -> None:
        await asyncio.sleep(0.3)
        await line.send(wire.reply())

    await house.teach()
    house.cloud.answer = slow
    caller = await house.dial()
    await caller.send(house.request(BODY))
    await house.cloud.line()
    stopping = asyncio.ensure_future(house.firewall.stop())
    assert (await caller.answer()).status == 200
    await stopping
    caller.close()


async def test_the_gate_may_be_opened_again_elsewhere(house: House) -> None:
    first = house.port
    house.port = await house.firewall.open_gate("127.0.0.1", 0)
    with pytest.raises(ConnectionRefusedError):
        await wire.Caller.dial(first)
    assert (await house.ask(house.request(BODY))).status == 200
    await house.firewall.close_gate()
    await house.firewall.close_gate()
    assert not house.firewall.gate_is_open
    changes = [event.is_open for event in house.events if isinstance(event, GateChanged)]
    assert changes == [True, False, True, False]


async def test_an_address_that_is_taken(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await house.firewall.open_gate("127.0.0.1", taken.getsockname()[1])
    assert not house.firewall.gate_is_open, "and it says so"
    assert house.firewall.status("fridge").protection is Protection.GATE_DOWN
    house.port = await house.firewall.open_gate("127.0.0.1", 0)
    assert (await house.ask(house.request(BODY))).status == 200


# --- Deciding ---


async def test_a_decision_about_what_is_not_known(house: House) -> None:
    await house.ask(house.request(BODY))
    point = house.points()["$.body.temp"]
    house.configure(
        recipients=(frost(f"http://{house.host}/"), frost("http://x.example/", id="ads"))
    )
    for decide in (house.firewall.grant, house.firewall.withdraw):
        with pytest.raises(ConsentError):
            await decide("f" * 16, "frost", how="switch")
    for recipient in ("nobody", "ads"):
        with pytest.raises(ConsentError):
            await house.firewall.grant(point.id, recipient, how="switch")
    assert house.firewall.consent(point.id, "frost") is None
    assert house.firewall.consent("f" * 16, "frost") is None


async def test_a_decision_is_told_back(house: House) -> None:
    await house.ask(house.request(BODY))
    point = house.points()["$.body.temp"]
    given = await house.firewall.grant(
        point.id, "frost", how="switch", person="anna", level=Level.COARSE
    )
    assert given == house.firewall.consent(point.id, "frost")
    assert (given.state, given.level, given.kinds) == (
        ConsentState.GIVEN,
        Level.COARSE,
        point.kinds,
    )
    taken = await house.firewall.withdraw(point.id, "frost", how="switch")
    assert taken.state is ConsentState.WITHDRAWN


async def test_decisions_at_the_same_time(house: House) -> None:
    """Whatever came last is what holds, in memory as on disk."""
    await house.teach()
    point = house.points()["$.body.temp"]
    decisions = [
        (house.firewall.withdraw if number % 2 else house.firewall.grant)(
            point.id, "frost", how="switch"
        )
        for number in range(20)
    ]
    await asyncio.gather(*decisions)
    before = house.firewall.consent(point.id, "frost")
    assert before is not None
    assert before.state is ConsentState.WITHDRAWN
    await restart(house)
    assert house.firewall.consent(point.id, "frost") == before


# --- Nothing widens by itself ---


async def test_a_restart_keeps_everything(house: House) -> None:
    await house.teach()
    await house.ask(house.request(BODY))
    await house.ask(house.request(b'{"door":false,"fresh":1}'))
    await house.firewall.withdraw(house.points()["$.body.temp"].id, "frost", how="switch")
    points, status = house.points(), house.firewall.status("fridge")
    consents = {p.id: house.firewall.consent(p.id, "frost") for p in points.values()}
    sent = len(house.cloud.requests)
    await restart(house)
    await house.ask(house.request(BODY))
    assert await house.reason() is Reason.POLICY_NOT_LOADED
    assert len(house.cloud.requests) == sent
    house.configure()
    assert house.points() == points
    assert {p.id: house.firewall.consent(p.id, "frost") for p in points.values()} == consents
    again = house.firewall.status("fridge")
    assert (again.permitted, again.redacted, again.denied) == (
        status.permitted, status.redacted, status.denied,
    )  # fmt: skip
    assert again.last_disclosure == pytest.approx(status.last_disclosure, abs=5)
    await house.ask(house.request(BODY))
    assert house.cloud.requests[-1].body == b'{"door":true}'
    assert not [e for e in house.events[-4:] if isinstance(e, Discovered)]


async def test_a_withheld_identity_is_remembered_over_a_restart(house: House) -> None:
    await house.ask(house.request(b'{"serial":"AB12345678","door":true,"label":"fridge"}'))
    points = house.points()
    await restart(house)
    house.configure()
    for path in ("$.body.door", "$.body.label"):
        await house.firewall.grant(points[path].id, "frost", how="switch")
    await house.ask(house.request(b'{"door":true,"label":"fridge"}'))
    await house.ask(house.request(b'{"door":true,"label":"my AB12345678"}'))
    assert [seen.body for seen in house.cloud.requests] == [
        b'{"door":true,"label":"fridge"}',
        b'{"door":true}',
    ]


async def test_renaming_changes_nothing(house: House) -> None:
    await house.teach()
    house.configure(
        fridge(name="Cold one"),
        recipients=(frost(f"http://{house.host}/", organisation="Frost Ltd", benefit="Ice"),),
    )
    await house.ask(house.request(BODY))
    assert len(house.cloud.requests) == 1


async def test_an_appliance_that_was_taken_away_sends_nothing(house: House) -> None:
    await house.teach()
    house.configure(fridge(id="oven", addresses=frozenset({"127.0.0.3"})))
    assert (await house.ask(house.request(BODY))).status == 403
    house.configure(fridge(id="another"))
    await house.ask(house.request(BODY))
    assert await house.reason() is Reason.NOTHING_CONSENTED, "its address inherits nothing"
    assert not house.cloud.lines


async def test_a_recipient_at_another_host_inherits_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.teach()
    Resolver(monkeypatch, {"frost.example": ["127.0.0.1"]})
    house.configure(recipients=(frost(f"http://frost.example:{house.cloud.port}/"),))
    await house.ask(house.request(BODY, host="frost.example"))
    assert await house.reason() in (Reason.NOTHING_RELEASED, Reason.NOTHING_CONSENTED)
    assert not house.cloud.lines


async def test_another_purpose_inherits_nothing(house: House) -> None:
    await house.teach()
    house.configure(recipients=(frost(f"http://{house.host}/", id="frost-marketing"),))
    await house.ask(house.request(BODY))
    assert await house.reason() is Reason.NOTHING_CONSENTED
    assert not house.cloud.lines


async def test_a_longer_prefix_is_somebody_elses(house: House) -> None:
    await house.teach()
    house.configure(
        recipients=(
            frost(f"http://{house.host}/"),
            frost(f"http://{house.host}/v1/report", id="ads"),
        )
    )
    await house.ask(house.request(BODY))
    assert await house.reason() is Reason.NOTHING_CONSENTED
    assert not house.cloud.lines


async def test_new_data_points_start_off(house: House) -> None:
    await house.teach()
    await house.ask(house.request(b'{"door":true,"temp":4.5,"weight":81.5}'))
    assert house.cloud.requests[0].body == BODY
    point = house.points()["$.body.weight"]
    assert house.firewall.consent(point.id, "frost") is None


# --- What is told ---


async def test_what_was_observed_is_told(house: House) -> None:
    assert house.firewall.status("fridge").protection is Protection.NOT_SEEN
    await house.teach()
    await house.ask(house.request(BODY))
    await house.ask(house.request(b'{"door":true,"more":1}'))
    status = house.firewall.status("fridge")
    assert status.protection is Protection.PROTECTED
    assert (status.permitted, status.redacted, status.denied) == (1, 1, 1)
    assert status.last_seen is not None
    assert status.last_disclosure == status.last_seen
    await house.firewall.close_gate()
    assert house.firewall.status("fridge").protection is Protection.GATE_DOWN


async def test_every_transmission_is_told_and_recorded_once(house: House) -> None:
    await house.teach()
    for body in (BODY, b'{"door":true,"more":1}', b"{", BODY):
        await house.ask(house.request(body))
    await house.ask(house.request(BODY, host="elsewhere.example"))
    await house.ask(house.request(BODY), wire.STRANGER)
    await house.ask(b"nonsense\r\n\r\n")
    entries = await house.firewall.newest_entries()
    assert len(entries) == len(house.decided) == 8
    for entry, event in zip(reversed(entries), house.decided, strict=True):
        assert (entry.outcome, entry.reason, entry.appliance_id, entry.released) == (
            event.outcome, event.reason, event.appliance_id, event.released,
        )  # fmt: skip
        assert entry.recipient_ids == event.recipient_ids


async def test_events_hold_no_withheld_identity(house: House) -> None:
    await house.teach(
        house.request(b'{"serial":"AB12345678","token":"s3cr3tT0kenValue","door":true}')
    )
    await house.ask(
        house.request(b'{"serial":"AB12345678","token":"s3cr3tT0kenValue","door":true}')
    )
    assert "AB12345678" not in str(house.events)
    assert "s3cr3t" not in str(house.events)


async def test_the_peer_address_is_what_is_asked_for(tmp_path: Path) -> None:
    asked: list[str] = []

    def resolve(address: str) -> str | None:
        asked.append(address)
        return None

    async with wire.house(tmp_path, resolve_mac=resolve) as house:
        await house.ask(house.request(BODY, "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.2"))
    assert asked == [APPLIANCE]


async def test_large_bodies_are_not_worked_on_in_the_event_loop(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[bool] = []
    examine = pipeline.examine

    def watched(*arguments: Any) -> Any:
        where.append(threading.current_thread() is threading.main_thread())
        return examine(*arguments)

    monkeypatch.setattr(pipeline, "examine", watched)
    await house.ask(house.request(BODY))
    await house.ask(house.request(b'{"door":true,"text":"%s"}' % (b"x" * pipeline.INLINE_BYTES)))
    assert where == [True, False]


async def test_a_message_that_was_read_slowly_takes_nothing_back_of_what_was_learned(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is marked stays marked, also by a message that was being read meanwhile."""
    go, read = threading.Event(), threading.Event()
    examine = pipeline.examine

    def slow(question: Any, transmission: Any, *more: Any) -> Any:
        examined = examine(question, transmission, *more)
        if len(transmission.body) > pipeline.INLINE_BYTES:
            read.set()
            assert go.wait(wire.PATIENCE)
        return examined

    monkeypatch.setattr(pipeline, "examine", slow)
    large = b'{"note":5,"pad":"%s"}' % (b" " * pipeline.INLINE_BYTES)
    first = asyncio.create_task(house.ask(house.request(large)))
    assert await asyncio.to_thread(read.wait, wire.PATIENCE)
    await house.ask(house.request(b'{"note":"someone@example.org"}'))
    before = house.points()["$.body.note"]
    assert Sensitive.CONTACTS in before.sensitive
    go.set()
    await first
    after = house.points()["$.body.note"]
    assert after.kinds == {Kind.TEXT, Kind.NUMBER}
    assert after.sensitive >= before.sensitive
    assert after.evidence == before.evidence
    assert (after.nature, after.category) == (before.nature, before.category)
    await restart(house)
    assert house.points()["$.body.note"] == after
