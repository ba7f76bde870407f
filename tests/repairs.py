"""Repairs as the frontend drives them: over REST, by a user."""

from http import HTTPStatus
from typing import Any

from aiohttp.test_utils import TestClient
from homeassistant.auth.models import User
from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_integration,
)

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import ConsentState, Decider
from tests.common import FRIDGE, FROSTLINE, Home
from tests.house import dig, placeholders, read_json

type Client = TestClient[Any, Any]
TEMPERATURE = {"temperature": 4.5}
URL = "/api/repairs/issues/fix"


def issue(hass: HomeAssistant, issue_id: str) -> ir.IssueEntry | None:
    """An issue of ours that is shown now."""
    found = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    return found if found is not None and found.active else None


def issues(hass: HomeAssistant) -> set[str]:
    """The ids of all issues of ours that are shown now."""
    return {
        one
        for (domain, one), i in ir.async_get(hass).issues.items()
        if domain == DOMAIN and i.active
    }


async def prepare(hass: HomeAssistant) -> None:
    """Set up repairs; before the first client, for then the routes are fixed."""
    for needed in (REPAIRS, "network", "websocket_api"):
        assert await async_setup_component(hass, needed, {})


class Repair:
    """One repair, opened by a user."""

    def __init__(self, hass: HomeAssistant, client: TestClient[Any, Any], issue_id: str) -> None:
        raised = issue(hass, issue_id)
        assert raised is not None, issues(hass)
        self._texts = dig(read_json("translations/en.json"), "issues", raised.translation_key)
        title = placeholders(self._texts["title"])
        assert title <= (raised.translation_placeholders or {}).keys()
        self._hass, self._client, self._issue_id = hass, client, issue_id
        self._flow_id = ""
        self.shown: dict[str, Any] = {}

    async def open(self) -> dict[str, Any]:
        """Open it."""
        answer = await self._client.post(URL, json={"handler": DOMAIN, "issue_id": self._issue_id})
        return await self._take(answer)

    async def send(self, **given: Any) -> dict[str, Any]:
        """Go on; a choice from a menu is `next_step_id`."""
        answer = await self._client.post(f"{URL}/{self._flow_id}", json=given)
        return await self._take(answer)

    async def choose(self, step: str) -> dict[str, Any]:
        """Choose from a menu."""
        assert step in self.shown["menu_options"]
        return await self.send(next_step_id=step)

    async def _take(self, answer: Any) -> dict[str, Any]:
        self.shown = await answer.json()
        assert answer.status == HTTPStatus.OK, self.shown
        await self._hass.async_block_till_done(wait_background_tasks=True)
        self._flow_id = self.shown["flow_id"]
        flow, shown = self._texts["fix_flow"], self.shown
        match shown["type"]:
            case "abort":
                assert dig(flow, "abort", shown["reason"]), shown
            case "form" | "menu":
                step = flow["step"][shown["step_id"]]
                given = shown["description_placeholders"] or {}
                assert placeholders(step.get("description", "")) <= given.keys()
                for option in shown.get("menu_options", ()):
                    assert step["menu_options"][option]
                    assert step["menu_option_descriptions"][option]
                fields = shown["data_schema"] or () if shown["type"] == "form" else ()
                for one in fields:
                    assert step["data"][one["name"]]
            case _:
                pass
        return self.shown


# --- A home that has them ---


async def received(home: Home) -> Any:
    """What the cloud gets of a report now; None where it gets nothing."""
    home.cloud.received.clear()
    await home.report()
    return home.cloud.received[-1][1] if home.cloud.received else None


async def settle(home: Home) -> None:
    await home.hass.async_block_till_done(wait_background_tasks=True)


def item(home: Home, name: str = "Temperature", to: str = FROSTLINE) -> tuple[str, str]:
    """A data point of the fridge that goes to a recipient, and the recipient."""
    firewall, recipient_id = home.household.firewall, home.subentry(to).subentry_id
    points = firewall.data_points(home.subentry("Fridge").subentry_id)
    return next(
        (one.id, recipient_id)
        for one in points
        if one.name == name and recipient_id in one.recipients
    )


async def give(home: Home, name: str = "Temperature", to: str = FROSTLINE, **more: Any) -> None:
    """Give a consent in a way that asks for no notice."""
    await home.household.firewall.decide(
        [item(home, name, to)], ConsentState.GIVEN, Decider(how="test"), **more
    )


def state(home: Home, name: str = "Temperature", to: str = FROSTLINE) -> ConsentState | None:
    found = home.household.firewall.consent(*item(home, name, to))
    return found.state if found else None


def is_sharing(home: Home, name: str = "Temperature", to: str = FROSTLINE) -> bool:
    return home.household.firewall.is_sharing(*item(home, name, to))


def cloudy_device(home: Home) -> dr.DeviceEntry:
    """A fridge that another integration reads from its cloud, with one entity."""
    mock_integration(
        home.hass,
        MockModule("frosty", partial_manifest={"name": "Frosty *1*", "iot_class": "cloud_polling"}),
    )
    entry = MockConfigEntry(domain="frosty")
    entry.add_to_hass(home.hass)
    made = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={("frosty", "1")},
        connections={("mac", "02:00:00:00:00:01")},
    )
    er.async_get(home.hass).async_get_or_create(
        "sensor", "frosty", "1", device_id=made.id, config_entry=entry, suggested_object_id="cold"
    )
    return made


async def switch_on(home: Home, name: str = "Temperature", to: str = FROSTLINE) -> None:
    await home.turn("turn_on", home.switch(name, to), context=Context())
    await settle(home)


async def turn_off(home: Home, name: str) -> None:
    await home.turn("turn_off", home.switch(name), context=Context())
    await settle(home)


async def own(home: Home, user: User) -> None:
    """Let the fridge belong to a person, as Home Assistant's own integration tells of one."""
    person = er.async_get(home.hass).async_get_or_create("person", "person", "1")
    home.hass.states.async_set(person.entity_id, "home", {"user_id": user.id})
    await home.change(FRIDGE, owner=person.id)
