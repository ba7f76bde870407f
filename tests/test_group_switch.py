"""Switches that stand for several items: what they show, grant, withdraw, and never take along."""

from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.const import STATE_UNAVAILABLE, EntityCategory
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er, label_registry as lr
from homeassistant.setup import async_setup_component
import pytest

from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Drift, Level
from tests.common import ADLENS, FRIDGE, FROSTLINE, Home
from tests.facts import by_automation, wait
from tests.long_report import WORDS, group, in_force, long_report, members, told

type Switches = dict[str, str]


@pytest.fixture
async def climate(home: Home) -> str:
    """The switch of the temperatures of a fridge that reports much, for one recipient."""
    await home.report(long_report())
    return group(home, "climate")


async def temperatures_received(home: Home, **more: Any) -> set[str]:
    """Of which shelves the cloud gets the temperature in a report."""
    home.cloud.received.clear()
    await home.report(long_report(**more))
    return {
        word
        for _, body in home.cloud.received
        for word, shelf in (body or {}).get("shelves", {}).items()
        if "temperature" in shelf
    }


async def refused(key: str, home: Home, how: str, *entity_ids: str, **more: Any) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await home.turn(how, *entity_ids, **more)
    assert raised.value.translation_key == key


async def test_a_long_report_brings_few_switches_all_off(home: Home, climate: str) -> None:
    firewall = home.household.firewall
    fridge = home.subentry(FRIDGE).subentry_id
    consents = [one for one in home.entities() if one.translation_key == "consent"]
    groups = [one for one in home.entities() if (one.translation_key or "").startswith("group_")]
    assert {one.translation_key for one in groups} == {"group_climate", "group_energy"}
    assert len(consents) + len(groups) <= 14
    assert not any(home.is_on(one.entity_id) for one in consents + groups)
    behind = members(home, climate) | members(home, group(home, "energy"))
    own = {one.unique_id.split("_")[1] for one in consents}
    assert not behind & own
    for one in firewall.data_points(fridge):
        if "heartRate" in one.field.path or "serial" in one.field.path:
            assert one.id not in behind
        if "heartRate" in one.field.path or "contact" in one.field.path:
            assert one.id in own
    assert home.cloud.received == []


async def test_it_tells_before_it_is_turned_on(home: Home, climate: str) -> None:
    state = home.hass.states.get(climate)
    assert state is not None
    assert state.name == "Fridge Temperatures and climate to Frostline for service"
    recipient = home.subentry(FROSTLINE)
    firewall = home.household.firewall
    [points] = [
        one.points
        for one in firewall.groups(home.subentry(FRIDGE).subentry_id)
        if one.topic.value == "climate"
    ]
    shown = {key: state.attributes[key] for key in state.attributes if key != "friendly_name"}
    assert shown == {
        "topic": "climate",
        "recipient": FROSTLINE,
        "purpose": "service",
        "shared": 0,
        "members": len(points),
        "data_points": [one.name for one in points],
        "data_point_ids": [one.id for one in points],
        "shared_data_points": [],
        "benefit": recipient.data["benefit"],
        "if_refused": recipient.data["if_refused"],
        "sent_along": [],
        "notice": firewall.consents.notice(recipient.subentry_id).text,
        "notice_version": 1,
        "sharing_outdated": False,
        "needed_by": [],
        "also_reveals": [],
    }
    entity = er.async_get(home.hass).async_get(climate)
    assert entity is not None
    assert entity.entity_category is EntityCategory.CONFIG
    assert entity.unique_id.endswith(f"_{recipient.subentry_id}")
    assert entity.options["conversation"]["should_expose"] is False
    made = home.hass.data["switch"].get_entity(climate)
    assert made.extra_state_attributes.keys() - made._unrecorded_attributes == {
        "topic",
        "recipient",
        "purpose",
        "shared",
        "members",
        "notice_version",
        "sharing_outdated",
    }


async def test_it_tells_what_all_of_it_gives_away_of_the_rest(home: Home) -> None:
    meters = {f"meter{word}": {"energy": 1200, "power": 40} for word in WORDS[:8]}
    await home.report(long_report(**meters))
    state = home.hass.states.get(group(home, "energy"))
    assert state is not None
    assert any("at home" in one for one in state.attributes["also_reveals"])
    assert len(state.attributes["also_reveals"]) <= 20
    assert "1200" not in str(state.attributes["also_reveals"])


async def test_what_is_listed_is_granted_and_leaves_and_nothing_else(
    home: Home, climate: str
) -> None:
    listed = members(home, climate)
    await home.turn("turn_on", climate)
    assert home.is_on(climate)
    assert in_force(home) == listed
    assert told(home, climate, "shared", "members") == [len(listed)] * 2
    assert len(await temperatures_received(home)) == len(listed)
    [(_, body)] = home.cloud.received
    assert body.keys() == {"shelves"}
    await home.turn("turn_off", climate)
    assert not home.is_on(climate)
    assert in_force(home) == set()
    assert await temperatures_received(home) == set()
    assert home.cloud.received == []


async def test_one_decision_is_recorded_for_each_by_name(
    home: Home, climate: str, hass_admin_user: User
) -> None:
    listed = members(home, climate)
    context = Context(user_id=hass_admin_user.id)
    await home.turn("turn_on", climate, context=context)
    records = await home.household.firewall.consents.records()
    assert {one.consent.data_point_id for one in records} == listed
    assert len(records) == len(listed)
    assert {(one.decider.how, one.decider.person, one.decider.context) for one in records} == {
        ("switch", hass_admin_user.id, context.id)
    }


async def test_it_is_for_one_recipient(home: Home, climate: str) -> None:
    await home.report(long_report(), to=ADLENS)
    await home.turn("turn_on", climate)
    assert not home.is_on(group(home, "climate", ADLENS))
    await home.report(long_report(), to=ADLENS)
    assert home.cloud.received == []


async def test_what_joins_later_is_off_and_changes_nothing(home: Home, climate: str) -> None:
    await home.turn("turn_on", climate)
    before = in_force(home)
    later = {word: {"temperature": 4.5} for word in [*WORDS, "pears"]}
    received = await temperatures_received(home, shelves=later)
    assert len(received) == len(before)
    assert in_force(home) == before
    assert told(home, climate, "shared", "members") == [len(before), len(before) + 1]
    # Nor does an automation that turns it on each morning take it in.
    await home.turn("turn_on", climate)
    assert in_force(home) == before
    assert "pears" not in received
    # Who turns it off, and on again, has it listed.
    await home.turn("turn_off", climate, context=Context())
    await home.turn("turn_on", climate, context=Context())
    assert in_force(home) == members(home, climate)
    assert len(in_force(home)) == len(before) + 1


async def test_it_is_on_while_any_member_is_shared(home: Home, climate: str) -> None:
    """Also one that was granted by its own id; and one turn takes back whatever there is."""
    one, other, *_ = sorted(members(home, climate))
    grant = {"data_point_id": [one, other], "recipient_id": home.subentry(FROSTLINE).subentry_id}
    await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    assert home.is_on(climate)
    assert told(home, climate, "shared") == [2]
    narrow = grant | {"data_point_id": one}
    await home.hass.services.async_call("privacy_firewall", "withdraw", narrow, blocking=True)
    assert home.is_on(climate)
    assert told(home, climate, "shared") == [1]
    await home.turn("turn_off", climate)
    assert (home.is_on(climate), in_force(home)) == (False, set())


async def test_what_somebody_refused_is_left_out(home: Home, climate: str) -> None:
    one, *others = sorted(members(home, climate))
    pair = one, home.subentry(FROSTLINE).subentry_id
    await home.household.firewall.decide([pair], ConsentState.REFUSED, Decider(how="test"))
    await home.turn("turn_on", climate)
    assert in_force(home) == set(others)
    await home.turn("turn_off", climate)
    consent = home.household.firewall.consent(*pair)
    assert consent is not None
    assert consent.state is ConsentState.REFUSED
    pairs = [(other, pair[1]) for other in others]
    await home.household.firewall.decide(pairs, ConsentState.REFUSED, Decider(how="test"))
    await refused("nothing_to_turn_on", home, "turn_on", climate, context=Context())


async def withdraw(home: Home, *points: str) -> None:
    """Stop items by their own names."""
    narrow = {"data_point_id": list(points), "recipient_id": home.subentry(FROSTLINE).subentry_id}
    await home.hass.services.async_call("privacy_firewall", "withdraw", narrow, blocking=True)


@pytest.mark.parametrize("reloaded", [False, True])
async def test_what_was_taken_back_by_name_stays_so(
    home: Home, climate: str, *, reloaded: bool
) -> None:
    """Somebody stopped one; who turns the group off and on in the night does not give it anew."""
    await home.turn("turn_on", climate, context=Context())
    one, *others = sorted(members(home, climate))
    await withdraw(home, one)
    await home.turn("turn_off", climate, context=Context())
    if reloaded:
        await home.reload()
    await home.turn("turn_on", climate, context=Context())
    assert in_force(home) == set(others)
    # Its own name gives it again.
    grant = {"data_point_id": one, "recipient_id": home.subentry(FROSTLINE).subentry_id}
    await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    assert in_force(home) == {one, *others}


@pytest.mark.parametrize("why", ["drift", "name", "end"])
async def test_what_nobody_turned_off_is_not_turned_on_with_what_joined(
    home: Home, climate: str, why: str, freezer: Any
) -> None:
    """Who turns it on each morning, after the last member stopped by itself."""
    one = min(members(home, climate))
    to = home.subentry(FROSTLINE).subentry_id
    grant: dict[str, Any] = {"data_point_id": one, "recipient_id": to}
    if why == "end":
        grant["duration"] = {"hours": 1}
    await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    await home.turn("turn_on", climate, context=Context())
    assert in_force(home) == {one}, "it is on, so this takes nothing in"
    await home.report(long_report(shelves={w: {"temperature": 4.5} for w in [*WORDS, "pears"]}))
    if why == "drift":
        await home.household.firewall.consents.suspend_drifted({one: Drift.UNIT})
    elif why == "end":
        await wait(home, freezer, 3601)
    else:
        await withdraw(home, one)
    home.household.async_changed()
    await home.hass.async_block_till_done()
    await refused("nothing_to_turn_on", home, "turn_on", climate, context=Context())
    assert in_force(home) == set()


async def test_what_drifted_is_not_brought_back_by_off_and_on(home: Home, climate: str) -> None:
    await home.turn("turn_on", climate, context=Context())
    one, *others = sorted(members(home, climate))
    await home.household.firewall.consents.suspend_drifted({one: Drift.UNIT})
    await home.turn("turn_off", climate, context=Context())
    await home.turn("turn_on", climate, context=Context())
    assert in_force(home) == set(others)
    consent = home.household.firewall.consent(one, home.subentry(FROSTLINE).subentry_id)
    assert consent is not None
    assert (consent.state, consent.drift) == (ConsentState.WITHDRAWN, Drift.UNIT)


async def test_what_waits_after_a_backup_is_not_brought_back_by_off_and_on(
    home: Home, climate: str
) -> None:
    await home.turn("turn_on", climate, context=Context())
    one, *others = sorted(members(home, climate))
    fridge, to = (home.subentry(name).subentry_id for name in (FRIDGE, FROSTLINE))
    home.household.firewall.consents.ledger.suspend((fridge, one, to))
    await home.turn("turn_off", climate, context=Context())
    await home.turn("turn_on", climate, context=Context())
    assert in_force(home) == set(others)


async def test_what_was_given_for_a_time_does_not_come_back_for_good(
    home: Home, climate: str
) -> None:
    grant = {"entity_id": climate, "duration": {"hours": 1}}
    await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    await home.turn("turn_off", climate, context=Context())
    await refused("nothing_to_turn_on", home, "turn_on", climate, context=Context())
    assert in_force(home) == set()


@pytest.mark.parametrize("reloaded", [False, True])
async def test_an_automation_brings_back_what_the_switch_took_and_no_more(
    home: Home, climate: str, *, reloaded: bool
) -> None:
    """Nobody read the list when it ran: neither at first, nor of what joined since."""
    with pytest.raises(ServiceValidationError) as raised:
        await by_automation(home, "turn_on", climate)
    assert raised.value.translation_key == "nothing_to_turn_on"
    assert in_force(home) == set()
    before = members(home, climate)
    await home.turn("turn_on", climate, context=Context())
    await home.report(long_report(shelves={w: {"temperature": 4.5} for w in [*WORDS, "pears"]}))
    await by_automation(home, "turn_off", climate)
    assert in_force(home) == set()
    if reloaded:
        await home.reload()
    await by_automation(home, "turn_on", climate)
    assert in_force(home) == before < members(home, climate)


@pytest.mark.parametrize("reloaded", [False, True])
async def test_what_was_coarse_comes_back_coarse(
    home: Home, climate: str, *, reloaded: bool
) -> None:
    """Given coarse, turned off for the night, turned on by an automation in the morning."""
    one, *others = sorted(members(home, climate))
    to = home.subentry(FROSTLINE).subentry_id
    for points, level in (([one], "exact"), (others, "coarse")):
        grant = {"data_point_id": points, "recipient_id": to, "level": level}
        await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    await home.turn("turn_off", climate, context=Context())
    if reloaded:
        await home.reload()
    await by_automation(home, "turn_on", climate)
    decided = home.household.firewall.decided()
    assert {each.data_point_id for each in decided if each.level is Level.COARSE} == set(others)
    assert in_force(home) == {one, *others}


async def test_what_can_no_longer_be_coarse_stays_off(home: Home, climate: str) -> None:
    one, *others = sorted(members(home, climate))
    grant = {"entity_id": climate, "level": "coarse"}
    await home.hass.services.async_call("privacy_firewall", "grant", grant, blocking=True)
    await home.turn("turn_off", climate, context=Context())
    firewall = home.household.firewall
    with patch.object(firewall, "may_be_coarse", side_effect=lambda point: point.id != one):
        await home.turn("turn_on", climate, context=Context())
    assert in_force(home) == set(others)


@pytest.mark.parametrize("action", ["turn_on", "toggle"])
@pytest.mark.parametrize("beside", ["a group", "an item"])
async def test_two_are_not_granted_at_once(
    home: Home, climate: str, action: str, beside: str
) -> None:
    other = group(home, "energy") if beside == "a group" else home.switch("Door contact")
    await refused("grant_of_many", home, action, climate, other)
    assert in_force(home) == set()


@pytest.mark.parametrize("how", ["all", "label", "group", "scene"])
async def test_nothing_sweeps_it_along(
    home: Home, climate: str, how: str, entity_registry: er.EntityRegistry
) -> None:
    target: dict[str, Any] = {"entity_id": climate}
    action = "switch.turn_on"
    if how == "all":
        target = {"entity_id": "all"}
    elif how == "label":
        label = lr.async_get(home.hass).async_create("Kitchen").label_id
        entity_registry.async_update_entity(climate, labels={label})
        target = {"label_id": label}
    elif how == "group":
        action = "homeassistant.turn_on"
        config = {"group": {"kitchen": {"entities": [climate]}}}
        assert await async_setup_component(home.hass, "group", config)
        target = {"entity_id": "group.kitchen"}
    else:
        assert await async_setup_component(home.hass, "scene", {})
        action, target = "scene.apply", {"entities": {climate: "on"}}
    domain, _, service = action.partition(".")
    try:
        await home.hass.services.async_call(domain, service, target, blocking=True)
    except ServiceValidationError as err:
        assert err.translation_key in ("grant_not_named", "grant_of_many", "grant_by_scene")  # noqa: PT017 - some are told, some only logged
    await home.hass.async_block_till_done()
    assert in_force(home) == set()
    assert not home.is_on(climate)


async def test_the_households_rules_hold(
    home: Home, climate: str, hass_read_only_user: User
) -> None:
    home.hass.config_entries.async_update_entry(
        home.entry, options={**home.entry.options, "who_may_grant": "administrators"}
    )
    await home.hass.async_block_till_done()
    hass_read_only_user.mock_policy({"entities": True})
    somebody = Context(user_id=hass_read_only_user.id)
    await refused("grant_by_administrators_only", home, "turn_on", climate, context=somebody)
    assert in_force(home) == set()


async def test_our_own_actions_take_it_by_name(home: Home, climate: str) -> None:
    """Coarse or for a time; refused and taken back as a whole."""
    listed = members(home, climate)

    async def call(action: str, **data: Any) -> None:
        await home.hass.services.async_call(
            "privacy_firewall", action, {"entity_id": climate, **data}, blocking=True
        )

    await call("grant", level="coarse", duration={"hours": 1})
    assert in_force(home) == listed
    assert {one.level.value for one in home.household.firewall.decided()} == {"coarse"}
    assert all(one.until for one in home.household.firewall.decided())
    await call("withdraw")
    assert in_force(home) == set()
    await call("refuse")
    assert {one.state for one in home.household.firewall.decided()} == {ConsentState.REFUSED}
    assert len(home.household.firewall.decided()) == len(listed)


async def test_what_is_not_even_in_a_group_is_granted_by_its_id(home: Home, climate: str) -> None:
    """And gets a switch of its own, to stop it by."""
    point = home.point("Timestamp")
    to = home.subentry(FROSTLINE).subentry_id
    assert point not in members(home, climate)
    await home.hass.services.async_call(
        "privacy_firewall", "grant", {"data_point_id": point, "recipient_id": to}, blocking=True
    )
    await home.report(long_report())
    assert [body for _, body in home.cloud.received] == [{"timestamp": "2026-11-02T10:39:45Z"}]
    assert home.is_on(home.switch("Timestamp"))


# --- Over time ---


async def test_it_stays_over_a_restart(home: Home, climate: str) -> None:
    before = {one.unique_id for one in home.entities()}
    listed = members(home, climate)
    await home.turn("turn_on", climate)
    await home.reload()
    assert home.is_on(climate)
    assert members(home, climate) == listed == in_force(home)
    assert {one.unique_id for one in home.entities()} == before


async def test_switches_that_an_older_version_made_stay(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    """A household that has twelve temperatures as switches keeps them, and what they say."""
    await home.report(long_report())
    fridge, to = (home.subentry(one).subentry_id for one in (FRIDGE, FROSTLINE))
    points = [
        one for one in home.household.firewall.data_points(fridge) if one.quantity == "temperature"
    ]
    for one in points[:12]:
        entity_registry.async_get_or_create(
            "switch",
            "privacy_firewall",
            f"{fridge}_{one.id}_{to}",
            config_entry=home.entry,
            config_subentry_id=fridge,
            translation_key="consent",
        )
    pair = points[11].id, to
    await home.household.firewall.decide([pair], ConsentState.GIVEN, Decider(how="test"))
    await home.reload()
    shown = [home.entity("switch", one.id, to) for one in points[:12]]
    assert [home.is_on(one) for one in shown] == [False] * 11 + [True]
    behind = members(home, group(home, "climate"))
    assert behind == {one.id for one in points[12:]}
    assert in_force(home) == {pair[0]}


async def test_a_short_report_that_grows_moves_no_switch(home: Home) -> None:
    short = {"shelves": {word: {"temperature": 4.5} for word in WORDS[:8]}}
    await home.report(short)
    before = {one.unique_id for one in home.entities()}
    assert not any((one.translation_key or "").startswith("group_") for one in home.entities())
    await home.report(long_report())
    assert before <= {one.unique_id for one in home.entities()}
    for word in WORDS[:8]:
        own = home.point(f"Shelves {word} temperature")
        assert own not in members(home, group(home, "climate"))
        assert not home.is_on(home.switch(f"Shelves {word} temperature"))


async def test_it_goes_with_its_recipient(home: Home, climate: str) -> None:
    await home.turn("turn_on", climate)
    await home.remove(FROSTLINE)
    assert er.async_get(home.hass).async_get(climate) is None


async def test_without_members_it_is_unavailable(home: Home, climate: str) -> None:
    """Those that the household picked have switches of their own, and their consents."""
    listed = sorted(members(home, climate))
    await home.turn("turn_on", climate)
    await home.change(FRIDGE, promoted=listed)
    state = home.hass.states.get(climate)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE
    to = home.subentry(FROSTLINE).subentry_id
    assert all(home.is_on(home.entity("switch", one, to)) for one in listed)
    assert in_force(home) == set(listed)


# --- The whole of a recipient ---


async def test_withdrawing_everything_takes_it_along(home: Home, climate: str) -> None:
    to = home.subentry(FROSTLINE).subentry_id
    await home.turn("turn_on", climate)
    button = home.entity("button", "withdraw_all", to)
    await home.hass.services.async_call("button", "press", {"entity_id": button}, blocking=True)
    assert (home.is_on(climate), in_force(home)) == (False, set())


async def test_it_is_asked_about_as_one_question(home: Home, climate: str) -> None:
    await home.household._async_ask()
    await home.hass.async_block_till_done()
    asked = {
        one.data_point_id
        for one in home.household.firewall.decided()
        if one.state is ConsentState.REQUESTED
    }
    behind = members(home, climate) | members(home, group(home, "energy"))
    assert behind < asked
    switches = len([one for one in home.entities() if one.domain == "switch"])
    waiting = er.async_get(home.hass).async_get_entity_id(
        "sensor", "privacy_firewall", f"{home.entry.entry_id}_consents_waiting"
    )
    questions = home.hass.states.get(waiting or "")
    assert questions is not None
    # All but the lockdown's.
    assert questions.state == str(switches)
    assert len(asked) == switches - 2 + len(behind)
