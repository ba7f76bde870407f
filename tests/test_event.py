"""What is told aloud: events on the bus and event entities, once per change and minute."""

from datetime import timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.privacy_firewall.announcements import (
    MAX_CHANGES,
    MAX_NAMES,
    SUMMARY_SECONDS,
    Announcer,
)
from custom_components.privacy_firewall.const import EVENT_TRANSMISSION
from custom_components.privacy_firewall.engine.events import Decided
from custom_components.privacy_firewall.engine.model import Outcome, Reason
from tests.common import BRUSH, FRIDGE, FROSTLINE, SECRET, Home

# --- From the appliance to the automation ---


async def test_a_transmission_is_told(home: Home) -> None:
    events = async_capture_events(home.hass, EVENT_TRANSMISSION)
    await home.report()
    fridge = home.subentry(FRIDGE).subentry_id
    device = home.household.device(fridge)
    assert device is not None
    told = {
        "gate": "http",
        "outcome": "deny",
        "reason": "nothing_consented",
        "appliance": FRIDGE,
        "appliance_id": fridge,
        "recipients": [FROSTLINE],
        "purposes": ["service"],
        "data_points": [],
        "device_id": device.id,
        "recipient_ids": [home.subentry(FROSTLINE).subentry_id],
        # Four members of the body, and that the endpoint is called at all.
        "withheld": 5,
        "count": 1,
    }
    assert [event.data for event in events] == [told]
    state = home.hass.states.get(home.entity("event", "transmission"))
    assert state is not None
    assert state.attributes["event_type"] == "deny"
    shown = ("reason", "recipients", "purposes", "data_points")
    assert {key: state.attributes[key] for key in shown} == {key: told[key] for key in shown}
    assert state.attributes["event_types"] == ["permit", "redact", "deny"]


async def test_a_change_is_told_at_once(home: Home) -> None:
    events = async_capture_events(home.hass, EVENT_TRANSMISSION)
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"))
    await home.report()
    await home.turn("turn_off", home.switch("Temperature"))
    await home.report()
    assert [event.data["outcome"] for event in events] == ["deny", "redact", "deny"]
    assert [event.data["data_points"] for event in events] == [[], ["Temperature"], []]


async def test_appliances_are_told_apart(home: Home) -> None:
    await home.report()
    await home.report(by=BRUSH)
    events = async_capture_events(home.hass, EVENT_TRANSMISSION)
    await home.report(by=BRUSH)
    assert events == []
    toothbrush = home.hass.states.get(home.entity("event", "transmission", by=BRUSH))
    assert toothbrush is not None
    assert toothbrush.attributes["event_type"] == "deny"


async def test_a_stranger_is_told_without_a_name(home: Home) -> None:
    events = async_capture_events(home.hass, EVENT_TRANSMISSION)
    await home.remove(FRIDGE)
    assert await home.report() == 403
    assert [event.data["reason"] for event in events] == ["unknown_appliance"]
    assert events[0].data["appliance"] is None


async def test_no_value_is_told(home: Home) -> None:
    events = async_capture_events(home.hass, EVENT_TRANSMISSION)
    body = {"program": SECRET, "temperature": 4.5, "serial": "4CE0460D0G31"}
    await home.report(body)
    await home.turn("turn_on", home.switch("Program"))
    await home.report(body)
    assert home.cloud.received
    told = json.dumps([event.data for event in events])
    state = home.hass.states.get(home.entity("event", "transmission"))
    assert state is not None
    for value in (SECRET, "4.5", "4CE0460D0G31"):
        assert value not in told
        assert value not in str(state.as_dict())


async def test_a_restart_keeps_the_last_event(home: Home) -> None:
    await home.report()
    before = home.hass.states.get(home.entity("event", "transmission"))
    await home.reload()
    after = home.hass.states.get(home.entity("event", "transmission"))
    assert before is not None
    assert after is not None
    assert after.state == before.state


# --- Once per change and minute ---


class Talk:
    """An announcer by itself, and what it said."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        self.hass, self.freezer = hass, freezer
        self.announcer = Announcer(hass, self.describe)
        self.events = async_capture_events(hass, EVENT_TRANSMISSION)
        self.heard: list[Any] = []
        self.stop = self.announcer.async_listen("fridge", self.heard.append)
        self.heard_of_all: list[Any] = []
        self.announcer.async_listen(None, self.heard_of_all.append)

    @staticmethod
    def describe(decided: Decided) -> dict[str, Any]:
        return {
            "outcome": decided.outcome.value,
            "reason": decided.reason.value,
            "appliance_id": decided.appliance_id,
            "data_points": list(decided.released),
        }

    def tell(
        self,
        outcome: str,
        *released: str,
        to: str = "frostline",
        by: str | None = "fridge",
        withheld: int = 0,
    ) -> None:
        reason = Reason.NOTHING_CONSENTED if outcome == "deny" else Reason.SOME_WITHHELD
        self.announcer.async_tell(
            Decided(
                at=0, gate="http", outcome=Outcome(outcome), reason=reason, appliance_id=by,
                recipient_ids=(to,), released=released, withheld=withheld,
            )
        )  # fmt: skip

    async def wait(self, seconds: float = SUMMARY_SECONDS) -> None:
        self.freezer.tick(timedelta(seconds=seconds))
        async_fire_time_changed(self.hass, dt_util.utcnow())
        await self.hass.async_block_till_done()

    @property
    def said(self) -> list[tuple[str, int]]:
        return [(event.data["outcome"], event.data["count"]) for event in self.events]


@pytest.fixture
async def talk(hass: HomeAssistant, freezer: FrozenDateTimeFactory):
    made = Talk(hass, freezer)
    yield made
    made.announcer.async_stop()


async def test_the_same_is_summed_up(talk: Talk) -> None:
    for _ in range(30):
        talk.tell("deny")
    assert talk.said == [("deny", 1)]
    await talk.wait(SUMMARY_SECONDS - 1)
    assert talk.said == [("deny", 1)]
    await talk.wait(1)
    assert talk.said == [("deny", 1), ("deny", 29)]
    for _ in range(5):
        talk.tell("deny")
    await talk.wait()
    assert talk.said == [("deny", 1), ("deny", 29), ("deny", 5)]


async def test_after_a_quiet_minute_the_same_is_told_at_once(talk: Talk) -> None:
    talk.tell("deny")
    await talk.wait()
    await talk.wait()
    talk.tell("deny")
    assert talk.said == [("deny", 1), ("deny", 1)]


async def test_a_change_comes_after_what_waited(talk: Talk) -> None:
    for outcome in ("deny", "deny", "deny", "redact", "redact", "deny"):
        talk.tell(outcome)
    assert talk.said == [("deny", 1), ("deny", 2), ("redact", 1), ("redact", 1), ("deny", 1)]


async def test_a_flood_of_changes_is_summed_up_too(talk: Talk) -> None:
    for _ in range(500):
        talk.tell("deny")
        talk.tell("redact")
    assert len(talk.said) <= 2 * MAX_CHANGES
    await talk.wait()
    assert len(talk.said) <= 2 * MAX_CHANGES + 2
    assert sum(count for _, count in talk.said) == 1000


async def test_recipients_and_appliances_are_told_apart(talk: Talk) -> None:
    talk.tell("deny")
    talk.tell("deny", to="adlens")
    talk.tell("deny", by="toothbrush")
    assert talk.said == [("deny", 1)] * 3
    assert len(talk.heard) == 2


async def test_a_summary_names_everything_released_once(talk: Talk) -> None:
    talk.tell("redact", "a")
    talk.tell("redact", "a", "b")
    talk.tell("redact", "c", "b")
    await talk.wait()
    assert talk.events[-1].data["data_points"] == ["a", "b", "c"]


async def test_a_summary_says_how_much_was_held_back_at_most(talk: Talk) -> None:
    for withheld in (2, 3, 7, 5):
        talk.tell("redact", withheld=withheld)
    await talk.wait()
    assert [event.data["withheld"] for event in talk.events] == [2, 7]


async def test_all_appliances_can_be_listened_to(talk: Talk) -> None:
    talk.tell("deny")
    talk.tell("deny", by="toothbrush")
    talk.tell("deny", by=None)
    assert [told["appliance_id"] for told in talk.heard_of_all] == ["fridge", "toothbrush", None]
    assert [told["appliance_id"] for told in talk.heard] == ["fridge"]
    talk.stop()
    talk.tell("redact")
    assert len(talk.heard) == 1
    assert len(talk.heard_of_all) == 4


async def test_a_summary_has_an_end(talk: Talk) -> None:
    talk.tell("redact", *(str(n) for n in range(2 * MAX_NAMES)))
    assert len(talk.events[0].data["data_points"]) == MAX_NAMES


async def test_stopped_it_says_nothing_more(talk: Talk) -> None:
    talk.tell("deny")
    talk.tell("deny")
    talk.announcer.async_stop()
    await talk.wait()
    assert talk.said == [("deny", 1)]
