"""Drift: what is no longer what was granted stays home, with the very message that shows it."""

import asyncio
from collections.abc import AsyncIterator, Callable
import json
from pathlib import Path
import random
import sqlite3
from typing import Any

from drift_series import ALL, Series, energy, humidity, indoors, outdoors, percent, setpoint, signal
import pytest

from engine import StorageError, drift, ledger
from engine.events import ConsentsRequested, ConsentsSuspended
from engine.model import ConsentState, Decider, Drift, Leaf, Number, Outcome, Purpose
from engine.profiles import Profile
import wire
from wire import House, eventually

QUANTITIES = {
    "indoors": "temperature",
    "outdoors": "temperature",
    "outdoors_fahrenheit": "temperature",
    "floating": "temperature",
    "setpoint": "temperature",
    "energy": "energy",
    "watt_hours": "energy",
    "power": "power",
    "feed": "power",
    "uptime": "duration",
    "weight": "weight",
}
SEEDS = range(6)
LENGTH = 1_500
"""Messages of a series, half an hour apart: a month."""


def after(series: Series, seed: int, messages: int = 300) -> tuple[Profile, float, random.Random]:
    """What is known of a series after so many messages, the number that comes next, and dice."""
    dice = random.Random(seed)
    profile = Profile(appliance_id="a")
    values = series(dice)
    for at in range(messages):
        profile.take([Number(next(values))], (), 1800.0 * at)
    return profile, float(next(values)), dice


def judged(profile: Profile, value: Leaf, quantity: str | None = None) -> Drift | None:
    return drift.judge(profile, [value], (), quantity)


# --- The rules ---


@pytest.mark.parametrize("series", ALL, ids=lambda one: one.__name__)
def test_what_homes_report_hardly_ever_looks_like_another_thing(series: Series) -> None:
    """At most one false alarm in a hundred series of a month each: of these, none."""
    alarms = 0
    for seed in SEEDS:
        profile = Profile(appliance_id="a")
        values = series(random.Random(seed))
        for at in range(LENGTH):
            value = Number(next(values))
            alarms += judged(profile, value, QUANTITIES.get(series.__name__)) is not None
            profile.take([value], (), 1800.0 * at)
    assert alarms == 0


def _fahrenheit(now: float, _: random.Random) -> str:
    return f"{now * 1.8 + 32:.1f}"


def _kelvin(now: float, _: random.Random) -> str:
    return f"{now + 273.15:.2f}"


def _thousandfold(now: float, _: random.Random) -> str:
    return f"{now * 1000:.0f}"


def _time(_: float, dice: random.Random) -> str:
    return str(dice.randrange(1_600_000_000, 1_900_000_000))


def _serial(_: float, dice: random.Random) -> str:
    return str(dice.randrange(10**9, 10**12))


def _place(_: float, dice: random.Random) -> str:
    return f"{dice.uniform(-60, 60):.5f}1"


@pytest.mark.parametrize(
    ("series", "shift", "found", "least"),
    [
        (indoors, _fahrenheit, Drift.UNIT, 90),
        (indoors, _kelvin, Drift.UNIT, 95),
        (energy, _thousandfold, Drift.UNIT, 80),
        (indoors, _time, Drift.RANGE, 100),
        (energy, _time, Drift.RANGE, 100),
        (percent, _time, Drift.RANGE, 100),
        (signal, _serial, Drift.RANGE, 100),
        (indoors, _place, Drift.PRECISION, 95),
        (outdoors, _place, Drift.PRECISION, 95),
        (humidity, _place, Drift.PRECISION, 95),
        (setpoint, _place, Drift.PRECISION, 85),
    ],
)
def test_a_shift_is_noticed_at_its_first_message(
    series: Series,
    shift: Callable[[float, random.Random], str],
    found: Drift,
    least: int,
) -> None:
    hits = 0
    for seed in range(40):
        profile, now, dice = after(series, seed)
        value = Number(shift(now, dice))
        drifted = judged(profile, value, QUANTITIES.get(series.__name__))
        hits += drifted is not None
        assert drifted in (None, found, Drift.RANGE, Drift.UNIT)
    assert hits * 100 >= least * 40


@pytest.mark.parametrize(("series", "shift"), [(indoors, _time), (indoors, _fahrenheit)])
def test_what_the_disk_keeps_is_enough_to_notice(
    series: Series, shift: Callable[[float, random.Random], str]
) -> None:
    """The last number is not known any more after a start, but the range is."""
    hits = 0
    for seed in range(20):
        profile, now, dice = after(series, seed)
        kept = Profile.read("a", json.loads(json.dumps(profile.kept())))
        assert kept.last is None
        hits += judged(kept, Number(shift(now, dice)), "temperature") is not None
    assert hits >= 18


def test_without_enough_history_nothing_is_another_thing() -> None:
    profile, _, _ = after(indoors, 1, drift.ENOUGH - 1)
    assert judged(profile, Number("1700000000")) is None
    profile, _, _ = after(indoors, 1, drift.ENOUGH)
    assert judged(profile, Number("1700000000")) is Drift.RANGE


def test_another_sign_after_days_of_one() -> None:
    profile = Profile(appliance_id="a")
    for at in range(200):
        profile.take([Number(str(60 + at % 30))], (), 1800.0 * at)
    assert judged(profile, Number("-61")) is Drift.RANGE
    assert judged(profile, Number("-3")) is None, "near nothing, everything goes below it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("someone@example.org", Drift.FORM),
        ("52.52031,13.40512", Drift.FORM),
        ("https://example.org/a.jpg", Drift.FORM),
        ("24:6f:28:00:11:22", Drift.FORM),
        ("x" * 400, Drift.FORM),
        ("Anna Smith <anna@example.org>", Drift.FORM),
        ("(030) 1234567", Drift.FORM),
        ("+49301234567", Drift.FORM),
        ("52.52031 N, 13.40491 E", Drift.FORM),
        ("see https://example.org/a", Drift.FORM),
        ("rinsing", None),
        ("08:30", None),
        ("", None),
        ("1.2.3.4", None),
    ],
)
def test_words_that_become_something_that_names(text: str, expected: Drift | None) -> None:
    profile = Profile(appliance_id="a")
    for at in range(40):
        profile.take([("washing", "spinning", "off")[at % 3]], (), 60.0 * at)
    assert judged(profile, text) is expected


def test_a_unit_in_the_text_itself() -> None:
    profile = Profile(appliance_id="a")
    profile.take(["21.4 °C"], (), 0.0)
    assert judged(profile, "21.9 °C") is None
    assert judged(profile, "71.4 °F") is Drift.UNIT


def test_from_one_to_a_hundred_many_things_go() -> None:
    profile = Profile(appliance_id="a")
    for at in range(40):
        profile.take([Number("1")], (), 1800.0 * at)
    assert judged(profile, Number("100")) is None
    profile.take([Number("1.2")], (), 90_000.0)
    assert judged(profile, Number("1200")) is Drift.UNIT


def test_infinity_is_no_number_of_this_range() -> None:
    profile, _, _ = after(indoors, 1)
    assert judged(profile, Number("1e999")) is Drift.RANGE


# --- The household ---


HAND = Decider(how="switch")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        yield built


def body(temp: Any = 4.5, unit: str = "C", **more: Any) -> bytes:
    return json.dumps({"door": True, "fridge": {"temp": temp, "unit": unit}, **more}).encode()


async def settled(house: House, messages: int = drift.ENOUGH + 5) -> None:
    """Let some be seen, then grant all of it."""
    for at in range(messages):
        await house.ask(house.request(body(4.0 + at % 7 / 10)))
    await house.grant_all()


async def received(house: House, raw: bytes) -> Any:
    """What the cloud gets of a body; None where it gets nothing."""
    before = len(house.cloud.requests)
    await house.ask(house.request(raw))
    new = house.cloud.requests[before:]
    assert len(new) <= 1
    return json.loads(new[0].body) if new else None


def suspended(house: House) -> dict[str, Drift | None]:
    return {
        point.field.path: consent.drift
        for point in house.firewall.data_points("fridge")
        if (consent := house.firewall.consent(point.id, "frost")) is not None and consent.drift
    }


TEMP = "$.body.fridge.temp"


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (body(40.1, "F"), Drift.UNIT),
        (body(4.4, "F"), Drift.UNIT),
        (body(1_700_000_000), Drift.RANGE),
        (body(52.520312), Drift.PRECISION),
    ],
)
async def test_the_message_that_shows_it_goes_without_it(
    house: House, raw: bytes, what: Drift
) -> None:
    await settled(house)
    assert (await received(house, body()))["fridge"]["temp"] == 4.5
    got = await received(house, raw)
    assert got["door"] is True
    assert "temp" not in got["fridge"]
    assert suspended(house) == {TEMP: what}
    assert (await house.newest()).outcome is Outcome.REDACT
    (told,) = house.told(ConsentsSuspended)
    assert [one.drift for one in told.consents] == [what]
    # What is as before does not bring it back.
    assert "temp" not in (await received(house, body()))["fridge"]


async def test_a_unit_that_is_stated_behind_many_others_counts_too(house: House) -> None:
    """A fridge with 70 places that each state their unit; the last one changes its."""
    names = [f"shelf{chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(70)]

    def places(last: str) -> bytes:
        units = dict.fromkeys(names, "C") | {names[-1]: last}
        return json.dumps({one: {"temp": 4, "unit": unit} for one, unit in units.items()}).encode()

    for _ in range(drift.ENOUGH + 5):
        await house.ask(house.request(places("C")))
    await house.give()
    got = await received(house, places("F"))
    assert "temp" in got[names[-2]]
    assert "temp" not in got.get(names[-1], {})
    assert suspended(house) == {f"$.body.{names[-1]}.temp": Drift.UNIT}


async def test_the_ledger_says_why_and_asks(house: House) -> None:
    await settled(house)
    await received(house, body(1_700_000_000))
    newest = (await house.firewall.consents.records())[-1]
    assert newest.consent.state is ConsentState.REQUESTED
    assert newest.decider.how == "drift"
    assert newest.facts["drift"] == "range"
    point = house.points()[TEMP]
    assert house.firewall.consents.open_questions([point]) == [(point.id, "frost")]
    assert (await house.firewall.consents.verify()).first_broken is None
    # Asked at once; the next digest does not ask it a second time.
    await house.firewall.consents.ask(house.firewall.data_points("fridge"))
    assert not [one for event in house.told(ConsentsRequested) for one in event.consents]


@pytest.mark.parametrize("restarts", [False, True])
async def test_deciding_anew_takes_it_as_known(house: House, *, restarts: bool) -> None:
    await settled(house)
    await received(house, body(40.1, "F"))
    if restarts:
        await house.restart()
        assert suspended(house) == {TEMP: Drift.UNIT}
        assert "temp" not in (await received(house, body(40.2, "F")))["fridge"]
    await house.give(TEMP)
    assert (await received(house, body(40.3, "F")))["fridge"]["temp"] == 40.3
    assert suspended(house) == {}
    if restarts:
        await house.restart()
        assert (await received(house, body(40.1, "F")))["fridge"]["temp"] == 40.1


async def test_a_start_without_a_stop_knows_what_was_granted(house: House, tmp_path: Path) -> None:
    """Killed right after the grant: the profile is on the disk because the grant is."""
    await settled(house)
    with sqlite3.connect(house.database) as connection:
        kept = dict(connection.execute("SELECT id, kept FROM profiles").fetchall())
    assert json.loads(kept[house.points()[TEMP].id])["numbers"] == drift.ENOUGH + 5


async def test_what_cannot_be_recorded_is_out_of_force_and_recorded_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settled(house)
    with monkeypatch.context() as patched:

        def broken(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        patched.setattr(ledger, "_append", broken)
        assert await received(house, body(1_700_000_000)) is None
        assert suspended(house) == {TEMP: Drift.RANGE}
        assert not house.told(ConsentsSuspended)
    profile = house.firewall.profile(house.points()[TEMP].id)
    assert profile is not None
    assert profile.high is not None
    assert profile.high < 10, "nor was it learned as usual"
    await house.firewall.consents.look_after()
    await eventually(lambda: bool(house.told(ConsentsSuspended)))


async def test_confirming_a_backup_does_not_bring_it_back(house: House) -> None:
    await settled(house)
    await received(house, body(1_700_000_000))
    await house.firewall.consents.mark_backup(on=True)
    await house.restart()
    waiting = house.firewall.consents.restored()
    assert waiting
    assert house.points()[TEMP].id not in {one.data_point_id for one in waiting}
    await house.firewall.consents.confirm_restored(HAND, keep=None)
    assert "temp" not in (await received(house, body()))["fridge"]


async def test_while_a_backup_waits_to_be_confirmed_a_change_is_no_new_habit(
    house: House,
) -> None:
    """What confirming brings back is what was given, and that was a temperature."""
    await settled(house)
    await house.firewall.consents.mark_backup(on=True)
    await house.restart()
    assert await received(house, body(52.520312)) is None
    assert set(suspended(house)) == {TEMP}
    temperature = house.points()[TEMP].id
    assert temperature not in {one.data_point_id for one in house.firewall.consents.restored()}
    await house.firewall.consents.confirm_restored(HAND, keep=None)
    got = await received(house, body(52.520311))
    assert got["door"] is True
    assert "temp" not in got["fridge"]
    await house.give(TEMP)
    assert (await received(house, body(52.520311)))["fridge"]["temp"] == 52.520311


async def test_what_is_another_thing_waits_for_no_confirmation(house: House) -> None:
    """Nobody is told to confirm a backup of which nothing is left to be confirmed."""
    for at in range(drift.ENOUGH + 5):
        await house.ask(house.request(body(4.0 + at % 7 / 10)))
    await house.give(TEMP)
    await house.firewall.consents.mark_backup(on=True)
    await house.restart()
    assert house.firewall.consents.is_restored
    assert await received(house, body(1_700_000_000)) is None
    assert not house.firewall.consents.is_restored
    await house.restart()
    assert not house.firewall.consents.is_restored
    assert set(suspended(house)) == {TEMP}


@pytest.mark.parametrize("restarts", [False, True])
async def test_calls_for_another_recipient_make_no_new_habit(
    house: House, *, restarts: bool
) -> None:
    """Two recipients whose places differ in a segment that looks like data: one template."""
    host = f"http://{house.host}"
    recipients = (
        wire.frost(f"{host}/api/11111"),
        wire.frost(f"{host}/api/22222", id="ads", purpose=Purpose.MARKETING),
    )
    house.configure(recipients=recipients)
    for at in range(drift.ENOUGH + 5):
        await house.ask(house.request(body(4.0 + at % 7 / 10), path="/api/11111"))
    await house.give()
    await house.ask(house.request(body(4.5), path="/api/11111"))
    assert b"4.5" in house.cloud.received
    # Nothing of these leaves: the other recipient has no consent.
    await house.ask(house.request(body(4.6), path="/api/22222"))
    await house.ask(house.request(body(52.520312), path="/api/22222"))
    (told,) = house.told(ConsentsSuspended)
    assert [(one.recipient_id, one.drift) for one in told.consents] == [("frost", Drift.PRECISION)]
    if restarts:
        await house.restart(configure=False)
        house.configure(recipients=recipients)
    await house.ask(house.request(body(52.520311), path="/api/11111"))
    assert b"52.52031" not in house.cloud.received


async def test_what_the_household_is_stopping_is_not_asked_about(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refused the withdrawal: it holds, and is recorded later as that alone."""
    await settled(house)
    point = house.points()[TEMP]
    with monkeypatch.context() as patched:

        def broken(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        patched.setattr(ledger, "_append", broken)
        with pytest.raises(StorageError):
            await house.firewall.withdraw(point.id, "frost", how="switch")
    assert "temp" not in (await received(house, body(1_700_000_000)))["fridge"]
    assert suspended(house) == {}
    assert not house.told(ConsentsSuspended)


async def test_while_all_is_let_through_a_change_is_no_new_habit(house: House) -> None:
    await settled(house)
    await house.firewall.consents.let_through("fridge", HAND, seconds=60)
    assert (await received(house, body(1_700_000_000)))["fridge"]["temp"] == 1_700_000_000
    await house.firewall.consents.let_through("fridge", HAND, seconds=None)
    assert "temp" not in (await received(house, body()))["fridge"]


async def test_nor_in_a_message_of_too_many_data_points(house: House) -> None:
    """It is let through all the same, and nothing new in it is kept apart."""
    await settled(house)
    await house.firewall.consents.let_through("fridge", HAND, seconds=60)
    many = {f"a{chr(97 + at // 26 % 26)}{chr(97 + at % 26)}{at // 676}": 1 for at in range(2_100)}
    assert len(await received(house, body(1_700_000_000, **many))) > 2_000
    assert len(house.points()) < 10
    await house.firewall.consents.let_through("fridge", HAND, seconds=None)
    assert "temp" not in (await received(house, body(1_700_000_001)))["fridge"]


async def test_all_that_was_given_may_be_the_one_that_drifts(house: House) -> None:
    for at in range(drift.ENOUGH + 5):
        await house.ask(house.request(body(4.0 + at % 7 / 10)))
    await house.give(TEMP)
    assert (await received(house, body()))["fridge"]["temp"] == 4.5
    assert await received(house, body(1_700_000_000)) is None
    assert (await house.reason()).value == "consents_suspended"


async def test_a_preview_shows_it_and_suspends_nothing(house: House) -> None:
    await settled(house)
    records = await house.firewall.consents.records()
    preview = await house.firewall.inspection.preview(
        "fridge", method="POST", url=f"http://{house.host}/v1/report", body=body(1_700_000_000)
    )
    assert TEMP in {point.field.path for point in preview.withheld}
    assert preview.outgoing is not None
    assert b"1700000000" not in preview.outgoing.body
    assert await house.firewall.consents.records() == records
    assert suspended(house) == {}


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_grant_on_its_way_did_not_know_of_it(house: House, *, restarts: bool) -> None:
    """Recorded before the drift is: what was agreed to was what it had been."""
    await settled(house)
    point = house.points()[TEMP]
    await asyncio.gather(
        house.give(TEMP), house.firewall.consents.suspend_drifted({point.id: Drift.RANGE})
    )
    if restarts:
        await house.restart()
    assert suspended(house) == {TEMP: Drift.RANGE}
    assert "temp" not in (await received(house, body()))["fridge"]


async def test_its_switch_stays(house: House) -> None:
    """Also of one that would not have one by itself."""
    readings = {f"reading{chr(97 + at)}": 4 for at in range(20)}
    for _ in range(drift.ENOUGH):
        await house.ask(house.request(json.dumps(readings).encode()))
    shown = house.firewall.promoted("fridge")
    hidden = next(
        point
        for point in house.firewall.data_points("fridge")
        if "reading" in point.name.lower() and point not in shown
    )
    await house.give(hidden.field.path)
    assert hidden in house.firewall.promoted("fridge")
    name = hidden.field.path.rpartition(".")[2]
    await house.ask(house.request(json.dumps(readings | {name: 1_700_000_000}).encode()))
    assert suspended(house) == {hidden.field.path: Drift.RANGE}
    assert hidden.id in {point.id for point in house.firewall.promoted("fridge")}
