"""The logbook: what the household reads of the firewall's events, in Home Assistant's own words."""

from datetime import timedelta
from typing import Any

from homeassistant.components.logbook.processor import EventProcessor
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.privacy_firewall.const import (
    EVENT_CONSENT,
    EVENT_GRANT_ENDING,
    EVENT_REQUEST,
    EVENT_TRANSMISSION,
)
from custom_components.privacy_firewall.logbook import async_describe_events
from tests.common import ADLENS, FRIDGE, SECRET, Home


class Book:
    """What was registered to describe events, and how it reads."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.described: dict[str, Any] = {}
        async_describe_events(hass, self.note)

    def note(self, domain: str, event_type: str, describe: Any) -> None:
        assert domain == "privacy_firewall"
        self.described[event_type] = describe

    def line(self, event_type: str, data: dict[str, Any]) -> str:
        class Fired:
            def __init__(self) -> None:
                self.data = data

        read = self.described[event_type](Fired())
        return f"{read['name']} {read['message']}"


@pytest.fixture
def book(hass: HomeAssistant) -> Book:
    return Book(hass)


SENT = {
    "outcome": "redact",
    "reason": "some_withheld",
    "appliance": "Fridge",
    "recipients": ["Frostline"],
    "purposes": ["service"],
    "data_points": ["Temperature"],
    "withheld": 4,
    "count": 1,
}
DECIDED = {
    "appliance": "Fridge",
    "recipient": "Adlens",
    "purpose": "marketing",
    "state": "given",
    "level": "exact",
    "until": None,
    "data_points": ["Door openings"],
    "count": 1,
}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "Fridge shared Temperature with Frostline (service); 4 more held back"),
        (
            {"withheld": 0, "outcome": "permit", "data_points": ["A", "B", "C"], "count": 7},
            "Fridge shared A, B and C with Frostline (service) (7 times)",
        ),
        (
            {"data_points": list("abcdefgh"), "withheld": 0},
            "Fridge shared a, b, c, d, e and 3 more with Frostline (service)",
        ),
        (
            {"outcome": "deny", "reason": "nothing_consented", "data_points": []},
            (
                "Fridge was kept from reporting to Frostline (service). "
                "Nothing of this appliance is consented for this recipient."
            ),
        ),
        (
            {"outcome": "deny", "reason": "unreadable", "recipients": [], "count": 3},
            "Fridge was kept from reporting (3 times). It cannot be read, so it cannot be checked.",
        ),
        (
            {
                "outcome": "deny",
                "reason": "nothing_consented",
                "recipients": ["Frostline", "Adlens"],
                "purposes": ["service", "marketing"],
            },
            (
                "Fridge was kept from reporting to Frostline (service) and Adlens (marketing). "
                "Nothing of this appliance is consented for this recipient."
            ),
        ),
        (
            {"outcome": "deny", "reason": "unknown_appliance", "appliance": None, "recipients": []},
            (
                "An unknown appliance was kept from reporting. "
                "It comes from nothing the household has named."
            ),
        ),
        (
            {"gate": "dns", "outcome": "deny", "reason": "opaque_not_consented"},
            (
                "Fridge tried to find Frostline (service). "
                "Traffic that cannot be read is not consented for its recipient."
            ),
        ),
        (
            {
                "gate": "dns",
                "outcome": "deny",
                "reason": "unclaimed_name",
                "recipients": [],
                "purposes": [],
                "host": SECRET,
                "count": 12,
            },
            (
                "Fridge tried to find a name that no recipient claims (12 times). "
                "No recipient claims this name."
            ),
        ),
        (
            {"gate": "dns", "outcome": "permit", "reason": "opaque_consented"},
            "Fridge was told where to find Frostline (service)",
        ),
        (
            {
                "gate": "dns",
                "outcome": "permit",
                "reason": "infrastructure",
                "recipients": [],
                "purposes": [],
            },
            "Fridge was told where to find what your options allow",
        ),
    ],
)
def test_a_transmission_reads(book: Book, changed: dict[str, Any], line: str) -> None:
    assert book.line(EVENT_TRANSMISSION, SENT | changed) == line


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "Fridge may send Door openings to Adlens (marketing)"),
        (
            {"level": "coarse", "until": "2026-11-24T00:30:00+00:00"},
            (
                "Fridge may send Door openings to Adlens (marketing), made coarse"
                " until 2026-11-23 16:30"
            ),
        ),
        ({"state": "refused"}, "Fridge may not send Door openings to Adlens (marketing): refused"),
        ({"state": "withdrawn"}, "Fridge may no longer send Door openings to Adlens (marketing)"),
        (
            {"state": "expired", "data_points": ["A", None], "count": 60},
            "Fridge may no longer send A and 59 more to Adlens (marketing): the time is over",
        ),
        (
            {"state": "withdrawn", "recipient": None, "purpose": None, "data_points": [None]},
            "Fridge may no longer send something to a recipient that is gone",
        ),
    ],
)
def test_a_decision_reads(book: Book, changed: dict[str, Any], line: str) -> None:
    """Times are those of the house, which stands in California in tests."""
    assert book.line(EVENT_CONSENT, DECIDED | changed) == line


def test_a_question_and_an_end_read(book: Book) -> None:
    assert book.line(EVENT_REQUEST, DECIDED) == (
        "Fridge would send Door openings to Adlens (marketing):"
        " a question waits, and no answer means no"
    )
    assert book.line(EVENT_GRANT_ENDING, DECIDED | {"until": "2026-11-24T00:30:00+00:00"}) == (
        "Fridge stops sending Door openings to Adlens (marketing) at 2026-11-23 16:30"
    )


@pytest.mark.parametrize(
    "event_type", [EVENT_TRANSMISSION, EVENT_CONSENT, EVENT_REQUEST, EVENT_GRANT_ENDING]
)
def test_an_event_of_another_version_reads_too(book: Book, event_type: str) -> None:
    """The recorder keeps events longer than a version lasts; one may raise for no other's page."""
    assert book.line(event_type, {}).startswith("An unknown appliance ")
    assert book.line(event_type, {"until": "soon", "data_points": [], "reason": "new"})


def test_a_name_is_one_line(book: Book) -> None:
    line = book.line(EVENT_CONSENT, DECIDED | {"data_points": ["Door\nopenings \t now"]})
    assert line == "Fridge may send Door openings now to Adlens (marketing)"


class TestWithRecorder:
    """By way of Home Assistant's own recorder, which has to be there first."""

    @pytest.fixture(autouse=True)
    def auto_enable_custom_integrations(
        self, recorder_mock: Recorder, enable_custom_integrations: None
    ) -> None:
        """Let Home Assistant find this integration, after the recorder."""

    async def test_the_device_page_shows_what_was_blocked(
        self, hass: HomeAssistant, home: Home
    ) -> None:
        assert await async_setup_component(hass, "logbook", {})
        await home.report({"program": SECRET}, to=ADLENS)
        await async_wait_recording_done(hass)
        device = home.household.device(home.subentry(FRIDGE).subentry_id)
        assert device is not None
        now = dt_util.utcnow()
        processor = EventProcessor(hass, (EVENT_TRANSMISSION,), device_ids=[device.id])
        entries = await hass.async_add_executor_job(
            processor.get_events, now - timedelta(minutes=5), now + timedelta(minutes=5)
        )
        assert [(one["name"], one["message"], one["domain"]) for one in entries] == [
            (
                FRIDGE,
                (
                    "was kept from reporting to Adlens (marketing). "
                    "Nothing of this appliance is consented for this recipient."
                ),
                "privacy_firewall",
            )
        ]
        assert SECRET not in str(entries)
