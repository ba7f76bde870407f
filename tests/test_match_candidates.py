"""What the matcher is given, with a real recorder: also while the other integration is starved."""

import random
from typing import Any

from homeassistant.components.recorder import Recorder
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy.exc import OperationalError

from custom_components.privacy_firewall import match_candidates
from custom_components.privacy_firewall.match_candidates import (
    MAX_ENTITIES,
    MAX_PAIRS,
    async_with_past,
    described,
    points,
    scope,
)
from tests.common import FRIDGE, Home
from tests.matched import CELSIUS, Vendor, kinds, known_for_long, look, matched, sent

HOUR = 3600.0
BODY = {"alpha": 4.5, "beta": -18.0, "cooler": {"temperature": 4.5}}


@pytest.fixture(autouse=True)
def auto_enable_custom_integrations(
    recorder_mock: Recorder, enable_custom_integrations: None
) -> None:
    """Let Home Assistant find this integration, after the recorder."""


def walk(seed: str, since: float, until: float, mean: float) -> list[tuple[float, float]]:
    """A temperature each ten minutes."""
    rng = random.Random(seed)
    value, found, at = mean, [], since
    while at < until:
        value += rng.gauss(0, 0.4) + 0.05 * (mean - value)
        found.append((at, round(value, 1)))
        at += 600
    return found


async def past(hass: HomeAssistant, entity_id: str, course: list[tuple[float, Any]]) -> None:
    """Let the recorder have seen this of an entity."""
    for at, value in course:
        hass.states.async_set(entity_id, str(value), timestamp=at)
    await async_wait_recording_done(hass)


@pytest.fixture
def now(home: Home) -> float:
    return home.household.firewall.now()


@pytest.fixture
async def vendor(home: Home) -> Vendor:
    made = Vendor(home, iot_class="cloud_polling")
    await home.change(FRIDGE, device_id=made.device().id)
    await home.report(BODY)
    return made


async def test_values_over_time_tell_where_names_do_not(
    home: Home, vendor: Vendor, now: float
) -> None:
    warm = vendor.entity(vendor.device(), "Foo", **CELSIUS)
    cold = vendor.entity(vendor.device(), "Bar", **CELSIUS)
    one = walk("one", now - 48 * HOUR, now, 4)
    other = walk("other", now - 48 * HOUR, now, 4)
    await past(home.hass, warm.entity_id, [(at + 3, value) for at, value in one])
    await past(home.hass, cold.entity_id, [(at + 3, value) for at, value in other])
    sent(home, {"Alpha": one, "Beta": other})
    await look(home)
    assert matched(home) == {"Alpha": warm.entity_id, "Beta": cold.entity_id}
    assert "values" in kinds(home, "Alpha")


async def test_a_starved_integration_is_known_by_its_past(
    home: Home, vendor: Vendor, now: float
) -> None:
    """Its cloud is denied since before anything was seen: nothing overlaps."""
    ended = now - 24 * HOUR
    inside = vendor.entity(vendor.device(), "Cooler temperature", **CELSIUS)
    ice = vendor.entity(vendor.device(), "Temperature", **CELSIUS)
    await past(home.hass, inside.entity_id, walk("a", now - 9 * 24 * HOUR, ended, 4))
    await past(home.hass, ice.entity_id, walk("b", now - 9 * 24 * HOUR, ended, -18))
    for entity in (inside, ice):
        await past(home.hass, entity.entity_id, [(ended, STATE_UNAVAILABLE)])
    sent(home, {"Cooler temperature": walk("c", ended + HOUR, now, 4)})
    await look(home)
    state = home.hass.states.get(inside.entity_id)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE
    assert matched(home) == {"Cooler temperature": inside.entity_id}
    assert "history" in kinds(home, "Cooler temperature")


@pytest.mark.parametrize("means", [(4, -18), (-18, 4)])
async def test_the_past_tells_what_is_called_alike_apart(
    home: Home, vendor: Vendor, now: float, means: tuple[float, float]
) -> None:
    ended = now - 24 * HOUR
    both = [vendor.entity(vendor.device(), f"Temperature {n}", **CELSIUS) for n in (1, 2)]
    for entity, mean in zip(both, means, strict=True):
        await past(home.hass, entity.entity_id, walk("b", now - 9 * 24 * HOUR, ended, mean))
        await past(home.hass, entity.entity_id, [(ended, STATE_UNAVAILABLE)])
    sent(home, {"Cooler temperature": walk("c", ended + HOUR, now, 4)})
    known_for_long(home)
    await look(home)
    unsure = home.household.matching.looking.unsure(home.subentry(FRIDGE).subentry_id) or {}
    found = unsure.get(home.point("Cooler temperature"), ())
    likeliest = [one.entity_id for _, one in found] or list(matched(home).values())
    assert likeliest[0] == both[means.index(4)].entity_id


async def test_a_frozen_integration_is_no_evidence_against(
    home: Home, vendor: Vendor, now: float
) -> None:
    """It keeps the last state it had, while the fridge goes on."""
    ended = now - 24 * HOUR
    inside = vendor.entity(vendor.device(), "Cooler temperature", **CELSIUS)
    await past(home.hass, inside.entity_id, walk("a", now - 9 * 24 * HOUR, ended, 4))
    sent(home, {"Cooler temperature": walk("c", ended + HOUR, now, 4)})
    await look(home)
    assert matched(home) == {"Cooler temperature": inside.entity_id}


async def test_what_was_found_stays_when_the_integration_is_starved(
    home: Home, vendor: Vendor, now: float
) -> None:
    warm = vendor.entity(vendor.device(), "Foo", **CELSIUS)
    one = walk("one", now - 48 * HOUR, now, 4)
    await past(home.hass, warm.entity_id, [(at + 3, value) for at, value in one])
    sent(home, {"Alpha": one})
    await look(home)
    assert matched(home) == {"Alpha": warm.entity_id}
    # Days later nothing is left that tells.
    home.hass.states.async_set(warm.entity_id, STATE_UNAVAILABLE)
    await home.hass.services.async_call(
        "recorder", "purge_entities", {"entity_id": [warm.entity_id], "keep_days": 0}, blocking=True
    )
    await async_wait_recording_done(home.hass)
    sent(home, {})
    await look(home)
    assert matched(home) == {"Alpha": warm.entity_id}


async def test_the_newest_past_is_read_within_bounds(
    home: Home, vendor: Vendor, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    entity = vendor.entity(vendor.device(), "Foo")
    course = [
        (now - 9 * 86_400 + day * 86_400 + n, day * 10 + n) for day in range(9) for n in range(9)
    ]
    await past(home.hass, entity.entity_id, course)
    told = [described(home.hass, entity)]
    assert [one.state for one in told[0].states] == ["88"]

    (whole,) = await async_with_past(home.hass, told)
    assert [one.state for one in whole.states][:-1] == [str(value) for _, value in course]

    monkeypatch.setattr(match_candidates, "MAX_STATES", 20)
    (some,) = await async_with_past(home.hass, told)
    assert 20 <= len(some.states) <= 41
    assert some.states[-2].state == "88"
    assert [one.at for one in some.states] == sorted(one.at for one in some.states)


async def test_before_the_first_change_there_was_a_state(
    home: Home, vendor: Vendor, now: float
) -> None:
    """One that has not changed for long is in no day that is asked for."""
    entity = vendor.entity(vendor.device(), "Foo")
    await past(home.hass, entity.entity_id, [(now - 20 * 86_400, "on")])
    # As after a restart: the oldest one was found then.
    get_instance(home.hass).states_manager._oldest_ts = now - 20 * 86_400
    (told,) = await async_with_past(home.hass, [described(home.hass, entity)])
    assert [one.state for one in told.states] == ["on", "on"]
    assert told.states[0].at == pytest.approx(now - match_candidates.PAST_DAYS * 86_400, abs=300)


@pytest.mark.parametrize("error", [OperationalError("", {}, Exception()), RuntimeError("stopping")])
async def test_a_recorder_that_does_not_answer_is_asked_again_later(
    home: Home, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    inside = vendor.entity(vendor.device(), "Cooler temperature", **CELSIUS)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(match_candidates.history, "state_changes_during_period", fail)
    home.hass.states.async_set(inside.entity_id, "4.5")
    await look(home)
    assert matched(home) == {"Cooler temperature": inside.entity_id}


async def test_what_may_be_the_appliances(home: Home, vendor: Vendor) -> None:
    device = vendor.device()
    for number in range(MAX_ENTITIES + 10):
        vendor.entity(vendor.device("Hub"), f"Other {number}")
    mine = vendor.entity(device, "Mine")
    off = vendor.entity(device, "Off", disabled_by=er.RegistryEntryDisabler.USER)
    found = scope(home.hass, device)
    assert found[0].id == mine.id
    assert off.id in [one.id for one in found]
    chosen = list(match_candidates.most(found))
    assert len(chosen) == MAX_ENTITIES
    assert chosen[0].id == mine.id
    assert off not in chosen
    # What was found before is looked at, however many others there are.
    assert next(iter(match_candidates.most(found, [found[-1].id]))).id == found[-1].id
    assert scope(home.hass, home.household.links.hub()) == []
    assert scope(home.hass, None) == []


async def test_an_entity_is_described_by_who_made_it(home: Home, vendor: Vendor) -> None:
    entity = vendor.entity(
        vendor.device(),
        "State",
        capabilities={"options": ["on", "off"], "state_class": "measurement"},
        translation_key="state",
        original_device_class="enum",
    )
    er.async_get(home.hass).async_update_entity(entity.entity_id, name="Ours")
    found = er.async_get(home.hass).async_get(entity.entity_id)
    assert found is not None
    told = described(home.hass, found)
    assert (told.name, told.device, told.platform) == ("State", "Kitchen fridge", "frosty")
    assert told.options == ("on", "off")
    assert (told.state_class, told.device_class) == ("measurement", "enum")
    assert (told.translation_key, told.states) == ("state", ())


async def test_what_carries_a_message_or_names_somebody_is_not_compared(home: Home) -> None:
    await home.report({"serial": "AB12CD34", "password": "hunter22", "temperature": 4.5})
    firewall = home.household.firewall
    seen = firewall.data_points(home.subentry(FRIDGE).subentry_id)
    paths = [one.path for one in points(seen, firewall.samples, 10)]
    assert paths == ["$.body.temperature"]
    assert len(points(seen * 9000, firewall.samples, 100)) == MAX_PAIRS // 100


async def test_the_matcher_is_told_what_tells_of_people(home: Home) -> None:
    await home.report({"heartRate": 61, "temperature": 4.5})
    firewall = home.household.firewall
    seen = firewall.data_points(home.subentry(FRIDGE).subentry_id)
    marked = {one.path: one.is_marked for one in points(seen, firewall.samples, 10)}
    assert marked == {"$.body.heartRate": True, "$.body.temperature": False}
