"""The blueprints: valid, and run as real automations against a real phone app's way in and out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
import json
from pathlib import Path
import shutil
from typing import Any

from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import persistent_notification
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint import Blueprint, BlueprintInputs
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.models import StatisticMeanType
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.const import EVENT_CALL_SERVICE, EVENT_HOMEASSISTANT_START
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict, parse_yaml
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_capture_events,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.events import ConsentsRequested
from custom_components.privacy_firewall.engine.model import Consent, ConsentState
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, Cloud, Home
from tests.house import REPOSITORY

FOLDER = REPOSITORY / "blueprints" / "automation" / DOMAIN
PHONE = "phone-webhook"


def put_into_place(hass: HomeAssistant, blueprint: str) -> None:
    """Copy a blueprint to where Home Assistant has it after an import."""
    there = Path(hass.config.path("blueprints", "automation", DOMAIN))
    there.mkdir(parents=True, exist_ok=True)
    shutil.copy(FOLDER / f"{blueprint}.yaml", there)


async def automate(hass: HomeAssistant, blueprint: str, /, **inputs: Any) -> str:
    """Make an automation of a blueprint; return its entity id."""
    put_into_place(hass, blueprint)
    automation = {
        "alias": blueprint,
        "use_blueprint": {"path": f"{DOMAIN}/{blueprint}.yaml", "input": inputs},
    }
    assert await async_setup_component(hass, "automation", {"automation": [automation]})
    await hass.async_block_till_done()
    state = hass.states.get(f"automation.{blueprint}")
    assert state is not None
    assert state.state == "on", "the automation is not valid"
    return state.entity_id


# --- All of them ---


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_blueprint_is_valid(path: Path) -> None:
    """By Home Assistant's own schema; and each input is used, each use is an input."""
    blueprint = Blueprint(
        load_yaml_dict(str(path)),
        path=path.name,
        expected_domain="automation",
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    assert blueprint.validate() is None
    assert set(blueprint.inputs) == set(_inputs_used(path))
    for name, asked in blueprint.inputs.items():
        assert asked is not None
        assert asked["name"], name
        assert asked["selector"], name
    where = path.relative_to(REPOSITORY).as_posix()
    assert blueprint.metadata["source_url"].endswith(f"/privacy-firewall/blob/main/{where}")


def _inputs_used(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [line.split("!input ")[1].strip() for line in text.splitlines() if "!input " in line]


def test_there_are_three_and_the_docs_name_them() -> None:
    docs = (REPOSITORY / "docs" / "automations.md").read_text(encoding="utf-8")
    names = {path.name for path in FOLDER.glob("*.yaml")}
    assert len(names) == 3
    assert not [name for name in names if name not in docs]


# --- Ask on the phone ---


@dataclass(slots=True)
class Phone:
    """A phone with the app: what its push service got, and taps."""

    home: Home
    push: Cloud
    client: TestClient[Any, Any]
    device_id: str

    @property
    def pushed(self) -> list[dict[str, Any]]:
        """What left the house for the push service."""
        return [body for _, body in self.push.received]

    @property
    def shown(self) -> dict[str, dict[str, Any]]:
        """The notifications inside Home Assistant."""
        found = persistent_notification._async_get_or_create_notifications(self.home.hass)
        return {key: dict(one) for key, one in found.items() if key.startswith(DOMAIN)}

    async def fire(self, action: str) -> None:
        """Tell Home Assistant that a button was tapped, as the app does."""
        event = {
            "event_type": "mobile_app_notification_action",
            "event_data": {"action": action, "tag": "x"},
        }
        response = await self.client.post(
            f"/api/webhook/{PHONE}", json={"type": "fire_event", "data": event}
        )
        assert response.status == 200
        await self.home.hass.async_block_till_done()

    async def tap(self, title: str, push: int = 0) -> None:
        """Tap the button whose title starts so, of a push."""
        actions = self.pushed[push]["data"]["actions"]
        await self.fire(next(one["action"] for one in actions if one["title"].startswith(title)))

    def pair(self, name: str, to: str) -> tuple[str, str]:
        """A data point of the fridge, as it reports it to a recipient, and the recipient."""
        recipient = self.home.subentry(to).subentry_id
        points = self.home.household.firewall.data_points(self.home.subentry(FRIDGE).subentry_id)
        found = (one for one in points if one.name == name and recipient in one.recipients)
        return next(found).id, recipient

    async def asked(self, *items: tuple[str, str]) -> None:
        """Let the firewall ask about data points and recipients of the fridge."""
        fridge = self.home.subentry(FRIDGE).subentry_id
        consents = tuple(
            Consent(
                appliance_id=fridge,
                data_point_id=point,
                recipient_id=recipient,
                state=ConsentState.REQUESTED,
            )
            for point, recipient in (self.pair(*item) for item in items)
        )
        self.home.household._on_event(ConsentsRequested(at=0.0, consents=consents))
        await self.home.hass.async_block_till_done()

    def decided(self, name: str, to: str = FROSTLINE) -> Consent | None:
        """What is decided of a data point of the fridge."""
        return self.home.household.firewall.consent(*self.pair(name, to))


@pytest.fixture
async def phone_alone(
    home: Home, hass_client_no_auth: ClientSessionGenerator, hass_read_only_user: MockUser
) -> AsyncIterator[Phone]:
    """The phone of somebody who is no administrator."""
    hass = home.hass
    assert await async_setup_component(hass, "persistent_notification", {})
    assert await async_setup_component(hass, "mobile_app", {})
    await hass.async_block_till_done()
    async with Cloud() as push:
        entry = MockConfigEntry(
            domain="mobile_app",
            title="Phone",
            data={
                "app_data": {
                    "push_token": "PUSH", "push_url": f"http://127.0.0.1:{push.port}/push",
                },
                "app_id": "io.homeassistant.test", "app_name": "Home Assistant",
                "app_version": "1", "device_id": "phone-1", "device_name": "Phone",
                "manufacturer": "Apple", "model": "Phone", "os_name": "iOS", "os_version": "1",
                "secret": None, "supports_encryption": False,
                "user_id": hass_read_only_user.id, "webhook_id": PHONE,
            },
        )  # fmt: skip
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        device = dr.async_get(hass).async_get_device_by_identifier(
            ("mobile_app", "phone-1"), entry.entry_id
        )
        assert device is not None
        yield Phone(home, push, await hass_client_no_auth(), device.id)


@pytest.fixture
async def phone(phone_alone: Phone) -> Phone:
    """The phone, and the blueprint's automation."""
    home = phone_alone.home
    await automate(home.hass, "ask_on_the_phone", phone=phone_alone.device_id, at_most=2)
    await home.report()
    await home.report(to=ADLENS)
    return phone_alone


async def test_a_push_says_only_that_a_question_waits(phone: Phone) -> None:
    """It passes through a company's servers; the names stay inside."""
    await phone.asked(("Temperature", ADLENS))
    (push,) = phone.pushed
    point, to = phone.pair("Temperature", ADLENS)
    code = f"{point[:4]}-{to[-3:].lower()}"
    ids = f"{point}_{to}"
    assert push["title"] == "Privacy Firewall"
    assert push["message"] == f"Question {code} waits in Home Assistant."
    assert push["data"] == {
        "tag": f"privacy_firewall_{ids}",
        "url": "/lovelace",
        "clickAction": "/lovelace",
        "actions": [
            {
                "action": f"PRIVACY_FIREWALL_{answer}_{ids}_{phone.device_id}",
                "title": title,
                **({} if answer == "NEVER" else {"authenticationRequired": True}),
            }
            for answer, title in (
                ("ONCE", "Once (15 minutes)"),
                ("HOUR", "One hour"),
                ("NEVER", "Never"),
            )
        ],
    }
    left = json.dumps(phone.pushed).lower()
    for name in ("fridge", "temperature", "adlens", "marketing", "frostline"):
        assert name not in left
    assert [(one["title"], one["message"]) for one in phone.shown.values()] == [
        (
            f"Question {code}",
            (
                "May **Fridge** send **Temperature** to **Adlens**, for marketing?"
                " Until somebody says yes, it stays at home."
            ),
        )
    ]


async def test_the_engines_own_questions_arrive(phone: Phone) -> None:
    await phone.home.household._async_ask()
    await phone.home.hass.async_block_till_done()
    assert len(phone.pushed) == 2
    await phone.tap("One hour")
    granted = [one for one in phone.home.household.firewall.decided() if one.in_force]
    assert [f"{one.data_point_id}_{one.recipient_id}" for one in granted] == [
        phone.pushed[0]["data"]["tag"].removeprefix("privacy_firewall_")
    ]


async def test_names_are_no_markdown(phone: Phone) -> None:
    """What the household reads is in the appliance's words, and nothing but words."""
    fridge = phone.home.subentry(FRIDGE).subentry_id
    await phone.home.report({"![x](//a.example/x.png) **b** www.a.example": True})
    await phone.home.change(FRIDGE, name="<img src=y>\n\n# Big [f](http://a.example)")
    known = phone.home.household.firewall.data_points(fridge)
    nasty = next(point for point in known if "example" in point.name)
    consent = Consent(
        appliance_id=fridge,
        data_point_id=nasty.id,
        recipient_id=phone.home.subentry("Frostline").subentry_id,
        state=ConsentState.REQUESTED,
    )
    phone.home.household._on_event(ConsentsRequested(at=0.0, consents=(consent,)))
    await phone.home.hass.async_block_till_done()
    (shown,) = phone.shown.values()
    assert r"**\<img src\=y\> \# Big \[f\]\(http\:\/\/a\.example\)**" in shown["message"]
    assert "\n" not in shown["message"]


async def test_questions_are_put_one_by_one_and_not_too_many(phone: Phone) -> None:
    await phone.asked(("Temperature", FROSTLINE), ("Humidity", FROSTLINE), ("Program", FROSTLINE))
    assert len(phone.pushed) == 2
    assert len(phone.shown) == 2
    assert len({push["message"] for push in phone.pushed}) == 2


@pytest.mark.parametrize(("title", "seconds"), [("Once", 900), ("One hour", 3600)])
async def test_a_tap_grants_for_a_time(phone: Phone, title: str, seconds: int) -> None:
    await phone.asked(("Temperature", FROSTLINE), ("Humidity", FROSTLINE))
    before = phone.home.household.firewall.now()
    await phone.tap(title)
    consent = phone.decided("Temperature")
    assert consent is not None
    assert consent.state is ConsentState.GIVEN
    assert consent.until is not None
    assert seconds - 1 <= consent.until - before <= seconds + 60
    other = phone.decided("Humidity")
    assert other is None or other.state is not ConsentState.GIVEN
    # Answered, it goes away, in the house and on the phone.
    assert [len(phone.shown), phone.pushed[-1]["message"]] == [1, "clear_notification"]
    assert phone.pushed[-1]["data"]["tag"] == phone.pushed[0]["data"]["tag"]
    await phone.home.report()
    assert phone.home.cloud.received[-1][1] == {"temperature": 4.5}


async def test_several_taps_grant_each_its_own(phone: Phone) -> None:
    """Each is an act of its own, unlike an automation that turns on two."""
    await phone.asked(("Temperature", FROSTLINE), ("Humidity", FROSTLINE))
    await phone.tap("One hour", 0)
    await phone.tap("Once", 1)
    for name in ("Temperature", "Humidity"):
        consent = phone.decided(name)
        assert consent is not None
        assert consent.state is ConsentState.GIVEN


async def test_never_is_remembered(phone: Phone) -> None:
    await phone.asked(("Temperature", ADLENS))
    await phone.tap("Never")
    consent = phone.decided("Temperature", ADLENS)
    assert consent is not None
    assert consent.state is ConsentState.REFUSED
    assert phone.shown == {}


async def test_no_answer_means_no(phone: Phone) -> None:
    await phone.asked(("Temperature", FROSTLINE))
    consent = phone.decided("Temperature")
    assert consent is None or consent.state is not ConsentState.GIVEN
    phone.home.cloud.received.clear()
    await phone.home.report()
    assert phone.home.cloud.received == []


async def test_administrators_only_holds_for_the_phone(phone: Phone) -> None:
    """An automation has no user, so nothing is granted; what is refused stays open to see."""
    phone.home.hass.config_entries.async_update_entry(
        phone.home.entry, options={"who_may_grant": "administrators"}
    )
    await phone.home.hass.async_block_till_done()
    await phone.asked(("Temperature", FROSTLINE))
    await phone.tap("One hour")
    consent = phone.decided("Temperature")
    assert consent is None or consent.state is not ConsentState.GIVEN
    assert len(phone.shown) == 1
    await phone.tap("Never")
    consent = phone.decided("Temperature")
    assert consent is not None
    assert consent.state is ConsentState.REFUSED


@pytest.mark.parametrize(
    "action",
    [
        "SOMETHING_ELSE",
        "PRIVACY_FIREWALL_HOUR_{ids}_another-phone",
        "PRIVACY_FIREWALL_ALWAYS_{ids}_{phone}",
        "PRIVACY_FIREWALL_HOUR_{ids}_{phone}_more",
        "PRIVACY_FIREWALL_HOUR_{{ states }}_{ids}_{phone}",
    ],
)
async def test_other_taps_are_not_ours(phone: Phone, action: str) -> None:
    events = async_capture_events(phone.home.hass, EVENT_CALL_SERVICE)
    ids = "_".join(phone.pair("Temperature", FROSTLINE))
    await phone.fire(action.replace("{ids}", ids).replace("{phone}", phone.device_id))
    assert events == []
    consent = phone.decided("Temperature")
    assert consent is None or consent.state is not ConsentState.GIVEN


# --- Share only while away ---


@dataclass(slots=True)
class Family:
    """Two people, and the consent that is on while both are away."""

    home: Home
    switch: str

    @property
    def is_on(self) -> bool:
        return self.home.is_on(self.switch)

    async def moves(self, who: str, where: str) -> bool:
        """Let one of them be somewhere; tell if the consent is on then."""
        self.home.hass.states.async_set(f"person.{who}", where)
        await self.home.hass.async_block_till_done()
        return self.is_on


@pytest.fixture
async def family(home: Home) -> Family:
    for who in ("ada", "ben"):
        home.hass.states.async_set(f"person.{who}", "home")
    await home.report()
    made = Family(home, home.switch("Door open"))
    await automate(
        home.hass,
        "share_only_while_away",
        people=["person.ada", "person.ben"],
        consent=made.switch,
    )
    return made


async def test_shared_when_the_last_one_leaves(family: Family) -> None:
    assert not await family.moves("ada", "not_home")
    assert await family.moves("ben", "Work")
    await family.home.report()
    assert family.home.cloud.received[-1][1] == {"door": {"open": True}}
    family.home.cloud.received.clear()
    assert not await family.moves("ada", "home")
    await family.home.report()
    assert family.home.cloud.received == []


@pytest.mark.parametrize("where", ["home", "unknown", "unavailable"])
async def test_not_known_is_not_away(family: Family, where: str) -> None:
    await family.moves("ada", "not_home")
    assert await family.moves("ben", "not_home")
    assert not await family.moves("ada", where)
    # Found again somewhere is not leaving.
    if where != "home":
        assert not await family.moves("ada", "Work")


async def test_one_who_is_lost_keeps_it_off(family: Family) -> None:
    await family.moves("ada", "unavailable")
    assert not await family.moves("ben", "not_home")


async def test_turned_off_by_hand_it_stays_off(family: Family) -> None:
    await family.moves("ada", "not_home")
    assert await family.moves("ben", "not_home")
    await family.home.turn("turn_off", family.switch)
    assert not await family.moves("ben", "Work")
    await family.moves("ben", "home")
    assert await family.moves("ben", "not_home"), "the next time"


async def test_moving_on_keeps_it_on(family: Family) -> None:
    await family.moves("ada", "not_home")
    await family.moves("ben", "not_home")
    assert await family.moves("ben", "Work")


async def test_a_start_only_turns_off(family: Family) -> None:
    await family.moves("ada", "not_home")
    assert await family.moves("ben", "not_home")
    family.home.hass.bus.async_fire(EVENT_HOMEASSISTANT_START)
    family.home.hass.bus.async_fire("automation_reloaded")
    await family.home.hass.async_block_till_done()
    assert not family.is_on


async def test_a_person_without_a_past_has_not_left(family: Family) -> None:
    """The state that Home Assistant restores at its start."""
    family.home.hass.states.async_remove("person.ben")
    await family.moves("ada", "not_home")
    assert not await family.moves("ben", "not_home")


async def test_turning_off_is_never_refused(family: Family) -> None:
    await family.moves("ada", "not_home")
    assert await family.moves("ben", "not_home")
    family.home.hass.config_entries.async_update_entry(
        family.home.entry, options={"who_may_grant": "administrators"}
    )
    await family.home.hass.async_block_till_done()
    assert not await family.moves("ben", "home")
    assert not await family.moves("ben", "not_home"), "turning on is refused"


# --- Weekly summary ---

SUNDAY = datetime(2026, 11, 22, 18, 0, tzinfo=dt_util.get_time_zone("US/Pacific"))


class TestWeeklySummary:
    """With Home Assistant's own recorder and statistics, told by way of a real push."""

    @pytest.fixture(autouse=True)
    def auto_enable_custom_integrations(
        self, recorder_mock: Recorder, enable_custom_integrations: None
    ) -> None:
        """Let Home Assistant find this integration, after the recorder."""

    async def _week(self, home: Home, freezer: FrozenDateTimeFactory, day: datetime) -> None:
        """Let time come to a moment of the week."""
        freezer.move_to(day - timedelta(seconds=30))
        sensors = {
            kind: [home.entity("sensor", kind, by=by) for by in (FRIDGE, BRUSH)]
            for kind in ("permitted", "redacted", "denied")
        }
        made = await automate(home.hass, "weekly_summary", notify="notify.phone", **sensors)
        freezer.move_to(day)
        async_fire_time_changed(home.hass, day)
        await home.hass.async_block_till_done(wait_background_tasks=True)
        # Or its clock goes on.
        await home.hass.services.async_call(
            "automation", "turn_off", {"entity_id": made}, blocking=True
        )

    def _count(self, home: Home, kind: str, by: str, *days: tuple[int, float]) -> None:
        """Put the sum of a sensor at noon of days of November into the statistics."""
        async_import_statistics(
            home.hass,
            {
                "statistic_id": home.entity("sensor", kind, by=by),
                "source": "recorder", "name": None, "unit_of_measurement": None,
                "unit_class": None, "has_sum": True, "mean_type": StatisticMeanType.NONE,
            },
            [
                {"start": SUNDAY.replace(day=day, hour=12), "sum": total, "state": total}
                for day, total in days
            ],
        )  # fmt: skip

    async def test_counts_of_seven_days_and_no_names(
        self, home: Home, phone_alone: Phone, freezer: FrozenDateTimeFactory
    ) -> None:
        # What was before the seven days, and what is today, is not in it.
        self._count(home, "denied", FRIDGE, (14, 100), (15, 103), (21, 110), (22, 500))
        self._count(home, "denied", BRUSH, (14, 5), (18, 7))
        self._count(home, "redacted", FRIDGE, (14, 0), (20, 4))
        await async_wait_recording_done(home.hass)
        await self._week(home, freezer, SUNDAY)
        assert [push["message"] for push in phone_alone.pushed] == [
            "In the last seven days: 0 reports sent in full, 4 sent in part, 12 blocked."
        ]
        left = json.dumps(phone_alone.pushed).lower()
        for name in ("fridge", "toothbrush", "frostline", "adlens"):
            assert name not in left

    async def test_nothing_counted_is_not_zero(
        self, home: Home, phone_alone: Phone, freezer: FrozenDateTimeFactory
    ) -> None:
        await self._week(home, freezer, SUNDAY)
        (push,) = phone_alone.pushed
        assert "nothing was counted" in push["message"]

    async def test_once_a_week(
        self, home: Home, phone_alone: Phone, freezer: FrozenDateTimeFactory
    ) -> None:
        await self._week(home, freezer, SUNDAY - timedelta(days=1))
        assert phone_alone.pushed == []


def _examples() -> list[Any]:
    """Every block of the docs that uses a blueprint."""
    docs = (REPOSITORY / "docs" / "automations.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in docs.split("```yaml\n")[1:]]
    return [parse_yaml(block) for block in blocks if "use_blueprint" in block]


def test_the_examples_of_the_docs_have_all_that_is_asked_for() -> None:
    examples = _examples()
    assert len(examples) >= 3
    for example in examples:
        name = Path(example["use_blueprint"]["path"]).name
        blueprint = Blueprint(
            load_yaml_dict(str(FOLDER / name)),
            path=name,
            expected_domain="automation",
            schema=AUTOMATION_BLUEPRINT_SCHEMA,
        )
        BlueprintInputs(blueprint, example).validate()
