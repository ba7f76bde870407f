"""A consent that belongs to a person: they alone give it, and anybody takes it back.

With several users, calls that carry their contexts, and a real websocket.
"""

from typing import Any

from homeassistant.auth.models import User
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.privacy_firewall.engine.model import ConsentState, Level
from tests.common import BRUSH, FRIDGE, FROSTLINE, Home
from tests.house import read_json


@pytest.fixture
async def anna(home: Home) -> User:
    """Whose toothbrush it is; no administrator."""
    return await home.hass.auth.async_create_user("Anna", group_ids=["system-users"])


@pytest.fixture
async def ben(home: Home) -> User:
    """Another of the household."""
    return await home.hass.auth.async_create_user("Ben", group_ids=["system-users"])


@pytest.fixture
async def person(home: Home, hass_owner_user: User, anna: User, ben: User) -> str:
    """Anna as a person of Home Assistant: the id in the registry."""
    people = [
        {"id": "anna", "name": "Anna", "user_id": anna.id},
        {"id": "ben", "name": "Ben", "user_id": ben.id},
    ]
    assert await async_setup_component(home.hass, "person", {"person": people})
    await home.hass.async_block_till_done()
    entity = er.async_get(home.hass).async_get("person.anna")
    assert entity is not None
    return entity.id


@pytest.fixture
async def switch(home: Home, person: str) -> str:
    """The switch of something that the toothbrush, which is Anna's, reports."""
    await home.change(BRUSH, owner=person)
    await home.report(by=BRUSH)
    return home.switch("Temperature", by=BRUSH)


def of(user: User) -> dict[str, Any]:
    return {"context": Context(user_id=user.id)}


async def leaves(home: Home) -> bool:
    """Whether the cloud gets it."""
    before = len(home.cloud.received)
    await home.report(by=BRUSH)
    return len(home.cloud.received) > before


async def refused(home: Home, calling: Any, key: str = "grant_by_its_person_only") -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await calling
    assert raised.value.translation_key == key
    assert key in read_json("translations/en.json")["exceptions"]
    assert not await leaves(home)


def options(home: Home, **changed: Any) -> None:
    home.hass.config_entries.async_update_entry(
        home.entry, options={**home.entry.options, **changed}
    )


async def test_its_person_gives_it_and_that_is_on_record(
    home: Home, switch: str, anna: User, person: str
) -> None:
    await home.turn("turn_on", switch, **of(anna))
    assert home.is_on(switch)
    assert await leaves(home)
    newest = (await home.household.firewall.consents.records())[-1]
    assert (newest.consent.state, newest.consent.subject) == (ConsentState.GIVEN, person)
    assert newest.decider.person == anna.id


async def test_another_of_the_household_does_not(home: Home, switch: str, ben: User) -> None:
    await refused(home, home.turn("turn_on", switch, **of(ben)))


async def test_nor_does_an_administrator(home: Home, switch: str, hass_owner_user: User) -> None:
    await refused(home, home.turn("turn_on", switch, **of(hass_owner_user)))


async def test_an_administrator_does_where_the_household_says_so(
    home: Home, switch: str, hass_owner_user: User, ben: User, person: str
) -> None:
    """For a child without a login; others still do not."""
    options(home, guardians=True)
    await refused(home, home.turn("turn_on", switch, **of(ben)))
    await home.turn("turn_on", switch, **of(hass_owner_user))
    assert await leaves(home)
    newest = (await home.household.firewall.consents.records())[-1]
    assert (newest.consent.subject, newest.decider.person) == (person, hass_owner_user.id)


async def test_without_a_user_nobody_does(home: Home, switch: str) -> None:
    options(home, guardians=True)
    await refused(home, home.turn("turn_on", switch))


async def test_an_automation_does_not_not_even_one_its_person_set_off(
    home: Home, switch: str, anna: User
) -> None:
    config = {
        "triggers": {"trigger": "event", "event_type": "bell"},
        "actions": [{"action": "switch.turn_on", "target": {"entity_id": switch}}],
    }
    assert await async_setup_component(home.hass, "automation", {"automation": config})
    home.hass.bus.async_fire("bell", context=Context(user_id=anna.id))
    await home.hass.async_block_till_done()
    assert not home.is_on(switch)
    assert not await leaves(home)


async def test_a_script_that_its_person_runs_does(home: Home, switch: str, anna: User) -> None:
    """It runs in their name."""
    config = {"sequence": [{"action": "switch.turn_on", "target": {"entity_id": switch}}]}
    assert await async_setup_component(home.hass, "script", {"script": {"share": config}})
    await home.hass.services.async_call("script", "share", blocking=True, **of(anna))
    assert await leaves(home)


async def test_anybody_takes_it_back(home: Home, switch: str, anna: User, ben: User) -> None:
    await home.turn("turn_on", switch, **of(anna))
    await home.turn("turn_off", switch, **of(ben))
    assert not home.is_on(switch)
    assert not await leaves(home)
    newest = (await home.household.firewall.consents.records())[-1]
    assert (newest.consent.state, newest.decider.person) == (ConsentState.WITHDRAWN, ben.id)


async def test_anybody_makes_it_coarse_but_not_exact_again(
    home: Home, switch: str, anna: User, ben: User
) -> None:
    await home.turn("turn_on", switch, **of(anna))
    pair = home.point("Temperature", BRUSH), home.subentry(FROSTLINE).subentry_id
    decisions, grants = home.household.decisions, home.household.grants
    context = Context(user_id=ben.id)
    await decisions.async_decide(
        [pair], ConsentState.GIVEN, grants.decider("select", context), level=Level.COARSE
    )
    with pytest.raises(ServiceValidationError) as raised:
        await decisions.async_give([pair], how="action", context=context, entity_id=None)
    assert raised.value.translation_key == "grant_by_its_person_only"
    consent = home.household.firewall.consent(*pair)
    assert consent is not None
    assert consent.level is Level.COARSE


async def test_what_is_the_households_is_everybodys(home: Home, switch: str, ben: User) -> None:
    await home.report()
    await home.turn("turn_on", home.switch("Temperature"), **of(ben))
    assert home.is_on(home.switch("Temperature"))
    newest = (await home.household.firewall.consents.records())[-1]
    assert newest.consent.subject is None


async def test_a_list_with_something_of_a_person_is_given_by_them_alone(
    home: Home, switch: str, anna: User, ben: User, person: str
) -> None:
    """All or none; and each record says whose it is."""
    await home.report()
    frostline = home.subentry(FROSTLINE).subentry_id
    pairs = [(home.point("Temperature", by), frostline) for by in (FRIDGE, BRUSH)]

    async def give(user: User) -> None:
        await home.household.decisions.async_give(
            pairs, how="action", context=Context(user_id=user.id), entity_id=None
        )

    await refused(home, give(ben))
    assert not home.is_on(home.switch("Temperature"))
    await give(anna)
    records = (await home.household.firewall.consents.records())[-2:]
    assert [one.consent.subject for one in records] == [None, person]


async def test_everything_of_it_is_let_through_by_its_person_alone(
    home: Home, switch: str, anna: User, ben: User
) -> None:
    brush = home.subentry(BRUSH).subentry_id

    async def let_through(user: User) -> None:
        await home.household.decisions.async_let_through(
            brush, seconds=60, how="action", context=Context(user_id=user.id), entity_id=None
        )

    await refused(home, let_through(ben))
    await let_through(anna)
    assert await leaves(home)
    await home.household.decisions.async_let_through(
        brush, seconds=None, how="action", context=Context(user_id=ben.id), entity_id=None
    )
    assert not await leaves(home)


async def test_where_administrators_grant_its_person_must_be_one(
    home: Home, switch: str, anna: User, hass_owner_user: User
) -> None:
    """Both rules hold."""
    options(home, who_may_grant="administrators")
    calling = home.turn("turn_on", switch, **of(anna))
    await refused(home, calling, "grant_by_administrators_only")
    await refused(home, home.turn("turn_on", switch, **of(hass_owner_user)))


async def test_a_renamed_person_is_still_theirs(
    home: Home, switch: str, anna: User, ben: User
) -> None:
    er.async_get(home.hass).async_update_entity("person.anna", new_entity_id="person.anne")
    er.async_get(home.hass).async_update_entity("person.ben", new_entity_id="person.anna")
    await home.hass.async_block_till_done()
    await refused(home, home.turn("turn_on", switch, **of(ben)))
    await home.turn("turn_on", switch, **of(anna))
    assert await leaves(home)


async def test_who_is_gone_or_no_person_gives_nothing(home: Home, switch: str, anna: User) -> None:
    """And it is not everybody's then. What was given stays."""
    await home.turn("turn_on", switch, **of(anna))
    er.async_get(home.hass).async_remove("person.anna")
    await home.hass.async_block_till_done()
    assert await leaves(home)
    await home.turn("turn_off", switch)
    await refused(home, home.turn("turn_on", switch, **of(anna)))
    lamp = er.async_get(home.hass).async_get_or_create("light", "other", "lamp")
    home.hass.states.async_set(lamp.entity_id, "on", {"user_id": anna.id})
    await home.change(BRUSH, owner=lamp.id)
    await refused(home, home.turn("turn_on", switch, **of(anna)))


async def test_a_person_without_an_account_gives_nothing(
    home: Home, switch: str, anna: User
) -> None:
    state = home.hass.states.get("person.anna")
    assert state is not None
    home.hass.states.async_set("person.anna", state.state, {})
    await refused(home, home.turn("turn_on", switch, **of(anna)))
    await refused(home, home.turn("turn_on", switch))


async def test_what_was_given_before_it_was_a_persons_stays(
    home: Home, person: str, ben: User
) -> None:
    """Consents stay or narrow; whose it is now shows with the next one."""
    await home.report(by=BRUSH)
    switch = home.switch("Temperature", by=BRUSH)
    await home.turn("turn_on", switch, **of(ben))
    await home.change(BRUSH, owner=person)
    assert home.is_on(switch)
    await home.turn("turn_off", switch, **of(ben))
    await refused(home, home.turn("turn_on", switch, **of(ben)))


async def test_over_the_websocket_it_is_who_is_signed_in(
    home: Home, switch: str, anna: User, ben: User, hass_ws_client: WebSocketGenerator
) -> None:
    """As the user interface does it."""
    assert await async_setup_component(home.hass, "websocket_api", {})
    for user, may in ((ben, False), (anna, True)):
        token = await home.hass.auth.async_create_refresh_token(user, "https://example.com/app")
        client = await hass_ws_client(
            home.hass, access_token=home.hass.auth.async_create_access_token(token)
        )
        await client.send_json_auto_id(
            {
                "type": "call_service",
                "domain": "switch",
                "service": "turn_on",
                "target": {"entity_id": switch},
            }
        )
        answer = await client.receive_json()
        assert answer["success"] is may
        if not may:
            assert answer["error"]["translation_key"] == "grant_by_its_person_only"
        assert await leaves(home) is may
