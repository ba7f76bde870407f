"""The level of a consent as a select: what it shows, what it widens, what it narrows."""

from typing import Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.const import STATE_UNAVAILABLE, EntityCategory
from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er, label_registry as lr
import pytest

from custom_components.privacy_firewall.engine.model import Level
from tests.common import ADLENS, FRIDGE, FROSTLINE, Home
from tests.facts import call, consent, decide, enable, given, refused, state, wait

NAMES = ("Temperature", "Humidity")


def select(home: Home, name: str, to: str = FROSTLINE) -> str:
    """The select of a data point of the fridge and a recipient."""
    return home.entity("select", "level", home.point(name), home.subentry(to).subentry_id)


async def choose(home: Home, option: str, *entity_ids: str, **more: Any) -> None:
    await call(home, "select.select_option", list(entity_ids), option=option, **more)


@pytest.fixture
async def selects(home: Home) -> list[str]:
    """The selects of two data points, switched on in the registry; nothing is given."""
    await home.report()
    await enable(home, *(select(home, name) for name in NAMES))
    return [select(home, name) for name in NAMES]


async def test_they_are_there_when_wanted(home: Home) -> None:
    await home.report()
    entry = er.async_get(home.hass).async_get(select(home, "Temperature"))
    assert entry is not None
    assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    assert entry.entity_category is EntityCategory.CONFIG
    assert entry.config_subentry_id == home.subentry(FRIDGE).subentry_id
    await enable(home, entry.entity_id)
    shown = state(home, entry.entity_id)
    assert shown.state == "off"
    assert shown.name == "Fridge Level of Temperature to Frostline for service"
    assert shown.attributes["options"] == ["off", "coarse", "exact"]
    for assistant in KNOWN_ASSISTANTS:
        assert not async_should_expose(home.hass, assistant, entry.entity_id)


async def test_what_is_chosen_is_what_leaves(home: Home, selects) -> None:
    for option, leaves in (
        ("coarse", [{"temperature": 10}]),
        ("exact", [{"temperature": 12.5}]),
        ("coarse", [{"temperature": 10}]),
        ("off", []),
        ("exact", [{"temperature": 12.5}]),
        ("off", []),
    ):
        await choose(home, option, selects[0])
        assert state(home, selects[0]).state == option
        assert home.is_on(home.switch("Temperature")) is (option != "off")
        home.cloud.received.clear()
        await home.report({"temperature": 12.5, "humidity": 61})
        assert [body for _, body in home.cloud.received] == leaves
    assert state(home, selects[1]).state == "off"


async def test_it_shows_what_the_switch_and_time_do(home: Home, freezer, selects) -> None:
    await home.turn("turn_on", home.switch("Temperature"))
    assert state(home, selects[0]).state == "exact"
    await home.turn("turn_off", home.switch("Temperature"))
    assert state(home, selects[0]).state == "off"
    await decide(home, "Temperature", level=Level.COARSE, seconds=60)
    assert state(home, selects[0]).state == "coarse"
    await wait(home, freezer, 61)
    await home.reload()
    assert state(home, selects[0]).state == "off"


@pytest.mark.parametrize(("before", "after"), [("coarse", "exact"), ("exact", "coarse")])
async def test_another_level_is_no_other_time(home: Home, selects, before, after) -> None:
    await decide(home, "Temperature", level=Level(before), seconds=900)
    first = consent(home, "Temperature")
    await choose(home, after, selects[0])
    second = consent(home, "Temperature")
    assert first is not None
    assert second is not None
    assert second.until == first.until
    assert second.level == after


async def test_choosing_what_is_so_records_nothing(home: Home, selects) -> None:
    await choose(home, "off", selects[0])
    assert consent(home, "Temperature") is None
    await choose(home, "coarse", selects[0])
    before = consent(home, "Temperature")
    await choose(home, "coarse", selects[0])
    assert consent(home, "Temperature") is before


# --- What widens is judged, what narrows never is ---


@pytest.mark.parametrize("option", ["coarse", "exact"])
async def test_several_are_not_given_at_once(home: Home, selects, option) -> None:
    await refused("grant_of_many", choose(home, option, *selects))
    assert given(home) == []


async def test_several_are_not_made_exact_at_once(home: Home, selects) -> None:
    for one in selects:
        await choose(home, "coarse", one)
    await refused("grant_of_many", choose(home, "exact", *selects))
    assert [state(home, one).state for one in selects] == ["coarse", "coarse"]


async def test_many_meant_leaves_the_level_there_was(home: Home, selects) -> None:
    """One that was made exact, and turns out to be one of many, is coarse again and not off."""
    await choose(home, "coarse", selects[0])
    context = Context()
    await choose(home, "exact", selects[0], context=context)
    await refused("grant_of_many", choose(home, "exact", selects[1], context=context))
    assert [state(home, one).state for one in selects] == ["coarse", "off"]
    await home.report({"temperature": 12.5})
    assert home.cloud.received == [("/fridge", {"temperature": 10})]


@pytest.mark.parametrize("service", ["select_option", "select_last", "select_next", "select_first"])
async def test_a_label_gives_nothing(home: Home, selects, service) -> None:
    label = lr.async_get(home.hass).async_create("All of them")
    er.async_get(home.hass).async_update_entity(selects[0], labels={label.label_id})
    data = {"label_id": label.label_id}
    if service == "select_option":
        data["option"] = "coarse"
    if service == "select_first":
        await choose(home, "exact", selects[0])
        await home.hass.services.async_call("select", service, data, blocking=True)
        assert given(home) == [], "off is the first, and may be chosen by any means"
        return
    with pytest.raises(ServiceValidationError) as raised:
        await home.hass.services.async_call("select", service, data, blocking=True)
    assert raised.value.translation_key == "grant_not_named"
    assert given(home) == []


@pytest.mark.parametrize("option", ["off", "coarse"])
async def test_any_number_is_narrowed_by_anybody(
    home: Home, selects, option, hass_read_only_user
) -> None:
    for one in selects:
        await choose(home, "exact", one)
    hass_read_only_user.mock_policy({"entities": True})
    home.hass.config_entries.async_update_entry(
        home.entry, options={"who_may_grant": "administrators"}
    )
    context = Context(user_id=hass_read_only_user.id)
    await choose(home, option, *selects, context=context)
    assert [state(home, one).state for one in selects] == [option, option]
    await refused(
        "grant_by_administrators_only",
        choose(home, "exact", selects[0], context=Context(user_id=hass_read_only_user.id)),
    )
    assert [state(home, one).state for one in selects] == [option, option]


async def test_coarser_under_another_notice_is_a_grant(home: Home, selects) -> None:
    """Or narrowing by anybody would accept what the recipient says of itself since then."""
    for one in selects:
        await choose(home, "exact", one)
    await home.change(FROSTLINE, functional=["$.body.serial"])
    report = {"temperature": 12.5, "humidity": 61, "serial": "4CE0460D0G31"}
    await refused("grant_of_many", choose(home, "coarse", *selects))
    await home.report(report)
    assert home.cloud.received == [("/fridge", {"temperature": 12.5, "humidity": 61})]
    # By its own name it is a decision, and one under the new notice.
    await choose(home, "coarse", selects[0])
    await home.report(report)
    assert home.cloud.received[1][1]["temperature"] == 10


async def test_coarser_with_another_type_is_a_grant(home: Home, selects) -> None:
    for one in selects:
        await choose(home, "exact", one)
    await home.report({"temperature": "cold", "humidity": "wet"})
    await refused("grant_of_many", choose(home, "coarse", *selects))
    assert [state(home, one).state for one in selects] == ["exact", "exact"]


async def test_a_decision_that_fails_says_so(home: Home, selects) -> None:
    await home.report(to=ADLENS)
    await choose(home, "exact", selects[0])
    await home.hass.async_block_till_done()
    # Its endpoints are no longer readable: the recipient is not known any more.
    await home.change(FROSTLINE, endpoints=["nowhere"])
    assert state(home, selects[0]).state == STATE_UNAVAILABLE
    entity = home.hass.data["select"].get_entity(selects[0])
    with pytest.raises(HomeAssistantError):
        await entity.async_select_option("coarse")
    assert await entity.async_select_option("off") is None
    assert given(home) == []


# --- With the household ---


async def test_a_renamed_recipient_shows_its_new_name(home: Home, selects) -> None:
    await home.change(FROSTLINE, organisation="Iceworks")
    assert state(home, selects[0]).name == "Fridge Level of Temperature to Iceworks for service"


async def test_a_removed_recipient_takes_its_selects_with_it(home: Home, selects) -> None:
    await home.report(to=ADLENS)
    gone = home.subentry(ADLENS).subentry_id
    registry = er.async_get(home.hass)

    def of_the_gone() -> set[str]:
        entities = er.async_entries_for_config_entry(registry, home.entry.entry_id)
        return {one.domain for one in entities if one.unique_id.endswith(gone)}

    assert of_the_gone() == {"button", "select", "switch"}
    await home.remove(ADLENS)
    assert of_the_gone() == set()
    assert [state(home, one).state for one in selects] == ["off", "off"]
