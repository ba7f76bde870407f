"""Yes or no, as observed: what left, what holds, and whether the firewall itself is well."""

from typing import Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.const import (
    ATTR_DEVICE_CLASS,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    EntityCategory,
)
from homeassistant.core import State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.privacy_firewall.binary_sensor import BINARY_SENSORS, HUB_BINARY_SENSORS
from custom_components.privacy_firewall.engine import SEEN_FOR
from custom_components.privacy_firewall.engine.model import Decider
from custom_components.privacy_firewall.entity import STATUS_SECONDS
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, SECRET, Home, free_port
from tests.facts import call, decide, enable, hub, state, wait, written


def of(home: Home, key: str, by: str = FRIDGE) -> State:
    """The state of a binary sensor of an appliance."""
    return state(home, home.entity("binary_sensor", key, by=by))


def of_hub(home: Home, key: str) -> State:
    return state(home, hub(home, "binary_sensor", key))


async def test_they_are_for_looking_at(home: Home) -> None:
    registry = er.async_get(home.hass)
    ids = [home.entity("binary_sensor", one.key) for one in BINARY_SENSORS]
    ids += [hub(home, "binary_sensor", one.key) for one in HUB_BINARY_SENSORS]
    assert len(ids) == 7
    for entity_id in ids:
        entry = registry.async_get(entity_id)
        assert entry is not None
        assert entry.entity_category is EntityCategory.DIAGNOSTIC
        for assistant in KNOWN_ASSISTANTS:
            assert not async_should_expose(home.hass, assistant, entity_id)
    assert hub(home, "binary_sensor", "gate") == "binary_sensor.privacy_firewall_gate"


# --- Of an appliance ---


async def test_what_left_is_told_with_whom(home: Home, freezer) -> None:
    await home.report()
    await home.report(by=BRUSH)
    assert of(home, "sharing").state == STATE_OFF, "denied is not shared"
    await wait(home, freezer, STATUS_SECONDS)
    assert of(home, "sharing").attributes["recipients"] == []
    await decide(home, "Temperature")
    assert of(home, "sharing").state == STATE_OFF, "given is not shared"
    await home.report({"temperature": 4.5, "program": SECRET})
    await wait(home, freezer, STATUS_SECONDS)

    def told() -> tuple[Any, ...]:
        shown = of(home, "sharing")
        assert SECRET not in str(shown.attributes)
        return shown.state, shown.attributes["recipients"], shown.attributes["data_points"]

    assert told() == (STATE_ON, [FROSTLINE], ["Temperature"])
    assert of(home, "sharing", by=BRUSH).state == STATE_OFF
    # What was withdrawn left all the same, a day long; also for one who asks after a restart.
    await decide(home, "Temperature", "withdrawn")
    await home.reload()
    assert told() == (STATE_ON, [FROSTLINE], ["Temperature"])
    await wait(home, freezer, SEEN_FOR - 600)
    assert told() == (STATE_ON, [FROSTLINE], ["Temperature"])
    await wait(home, freezer, 1200)
    assert told() == (STATE_OFF, [], [])
    await home.reload()
    assert told() == (STATE_OFF, [], [])


async def test_each_name_is_told_as_long_as_it_holds(home: Home, freezer) -> None:
    await home.report()
    await home.report(to=ADLENS)
    await decide(home, "Humidity")
    await home.report()
    await decide(home, "Humidity", "withdrawn")
    await wait(home, freezer, SEEN_FOR / 2)
    await decide(home, "Temperature")
    await home.report()
    await wait(home, freezer, STATUS_SECONDS)
    assert of(home, "sharing").attributes["data_points"] == ["Temperature", "Humidity"]
    await wait(home, freezer, SEEN_FOR / 2)
    assert of(home, "sharing").attributes["data_points"] == ["Temperature"]
    await home.reload()
    assert of(home, "sharing").attributes["data_points"] == ["Temperature"]
    assert of(home, "sharing").attributes["recipients"] == [FROSTLINE]


async def test_what_is_let_through_has_left_too(home: Home) -> None:
    await call(home, "button.press", home.entity("button", "let_through_15"))
    await home.report()
    shown = of(home, "sharing")
    assert shown.state == STATE_ON
    assert shown.attributes["recipients"] == [FROSTLINE]


async def test_protected_is_what_was_seen_to_be_held(home: Home, freezer) -> None:
    assert of(home, "protected").state == STATE_OFF, "nothing seen, nothing known"
    await home.report()
    assert of(home, "protected").state == STATE_ON
    assert of(home, "protected", by=BRUSH).state == STATE_OFF
    await call(home, "button.press", home.entity("button", "let_through_15"))
    assert of(home, "protected").state == STATE_OFF
    assert home.sensor("protection").state == "monitored"
    await call(home, "button.press", home.entity("button", "stop_letting_through"))
    assert of(home, "protected").state == STATE_ON
    await home.household.firewall.close_gate()
    assert of(home, "protected").state == STATE_OFF
    await home.household.firewall.open_gate("127.0.0.1", free_port())
    assert of(home, "protected").state == STATE_ON
    await wait(home, freezer, SEEN_FOR + 60)
    assert of(home, "protected").state == STATE_OFF


async def test_let_through_is_told_until_its_end(home: Home, freezer) -> None:
    assert of(home, "monitored").state == STATE_OFF
    assert of(home, "monitored").attributes["until"] is None
    await call(home, "button.press", home.entity("button", "let_through_15"))
    assert of(home, "monitored").state == STATE_ON
    until = of(home, "monitored").attributes["until"]
    assert home.sensor("let_through_until").state == until.isoformat(timespec="seconds")
    assert of(home, "monitored", by=BRUSH).state == STATE_OFF
    await home.reload()
    assert of(home, "monitored").state == STATE_ON
    await wait(home, freezer, 15 * 60 + 60)
    await home.reload()
    assert of(home, "monitored").state == STATE_OFF


async def test_one_that_cannot_be_read_is_unavailable(home: Home) -> None:
    await home.change(FRIDGE, addresses=["nowhere"])
    for one in BINARY_SENSORS:
        assert of(home, one.key).state == STATE_UNAVAILABLE
        assert of(home, one.key, by=BRUSH).state == STATE_OFF


# --- Of the firewall itself ---


async def test_the_gate_is_open_when_it_listens(home: Home) -> None:
    assert of_hub(home, "gate").state == STATE_ON
    await home.household.firewall.close_gate()
    assert of_hub(home, "gate").state == STATE_OFF
    await home.household.firewall.open_gate("127.0.0.1", free_port())
    assert of_hub(home, "gate").state == STATE_ON


async def test_a_disk_that_refuses_is_told(home: Home) -> None:
    """With the disk full, nothing can be recorded, and so nothing leaves."""
    await home.report()
    await decide(home, "Temperature")
    assert of_hub(home, "storage").state == STATE_OFF
    assert of_hub(home, "storage").attributes[ATTR_DEVICE_CLASS] == "problem"

    async def limit(pages: int) -> None:
        await home.household.firewall.journal._database.run(
            lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        )

    await limit(1)
    for number in range(200):
        await home.report(path=f"/{number:04x}")
        if of_hub(home, "storage").state == STATE_ON:
            break
    assert of_hub(home, "storage").state == STATE_ON
    home.cloud.received.clear()
    await home.report(path="/another")
    assert home.cloud.received == []
    await limit(1_000_000)
    await home.report()
    assert len(home.cloud.received) == 1
    assert of_hub(home, "storage").state == STATE_OFF


async def test_consents_of_a_backup_are_told_while_they_wait(home: Home) -> None:
    await home.report()
    await decide(home, "Temperature")
    assert of_hub(home, "restored").state == STATE_OFF
    await home.household.firewall.consents.mark_backup(on=True)
    await home.reload()
    assert of_hub(home, "restored").state == STATE_ON
    assert of_hub(home, "restored").attributes["waiting"] == 1
    await home.report()
    assert home.cloud.received == []
    await home.household.firewall.consents.confirm_restored(Decider(how="test"), keep=None)
    await home.hass.async_block_till_done()
    assert of_hub(home, "restored").state == STATE_OFF
    assert of_hub(home, "restored").attributes["waiting"] == 0


async def test_the_last_self_test_is_told(home: Home) -> None:
    assert of_hub(home, "self_test").state == STATE_UNKNOWN
    await home.household.firewall.close_gate()
    with pytest.raises(HomeAssistantError):
        await call(home, "button.press", hub(home, "button", "run_self_test"))
    assert of_hub(home, "self_test").state == STATE_ON
    assert of_hub(home, "self_test").attributes["problem"] == "gate_down"
    await home.household.firewall.open_gate("127.0.0.1", free_port())
    await call(home, "button.press", hub(home, "button", "run_self_test"))
    shown = of_hub(home, "self_test")
    assert shown.state == STATE_OFF
    assert shown.attributes["problem"] is None
    assert shown.attributes["failed"] == []
    # What it proves it proves of what ran then; after a start nothing is known.
    await home.reload()
    assert of_hub(home, "self_test").state == STATE_UNKNOWN


# --- Quiet ---


async def test_only_what_changes_is_written(home: Home, freezer) -> None:
    for n in range(8):
        await home.report({f"temperature_{n}": n, f"humidity_{n}": n})
        await home.report({f"temperature_{n}": n}, by=BRUSH)
    name = next(
        point.name
        for point in home.household.firewall.promoted(home.subentry(FRIDGE).subentry_id)
        if "emperature" in point.name
    )
    select = home.entity("select", "level", home.point(name), home.subentry(FROSTLINE).subentry_id)
    await enable(home, select)
    assert len(home.hass.states.async_entity_ids()) > 60
    await wait(home, freezer, 60)
    ids, stop = written(home)
    home.household.async_changed()
    await wait(home, freezer, 60)
    assert ids == [], "nothing changed, nothing is written"
    await home.turn("turn_on", home.switch(name))
    await home.hass.async_block_till_done()
    stop()
    frostline = home.subentry(FROSTLINE).subentry_id
    assert sorted(ids) == sorted(
        [
            home.switch(name),
            select,
            home.entity("button", "withdraw_all", frostline),
            hub(home, "sensor", "consents_waiting"),
        ]
    )
