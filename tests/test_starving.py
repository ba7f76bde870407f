"""Whom a decision starves: said, undone, paused; and forms whose ground changed while open."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from homeassistant.core import Context
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    MockUser,
    mock_integration,
)

from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Level
from custom_components.privacy_firewall.starving import MAX_NAME, MAX_NAMED, async_starved
from tests.common import FRIDGE, FROSTLINE, Home
from tests.facts import enable
from tests.repairs import (
    TEMPERATURE,
    Client,
    Repair,
    cloudy_device,
    give,
    is_sharing,
    issue,
    issues,
    item,
    own,
    received,
    settle,
    state,
    switch_on,
    turn_off,
)


@pytest.fixture
def device(home: Home) -> dr.DeviceEntry:
    """A fridge that another integration reads from its cloud."""
    return cloudy_device(home)


@pytest.fixture
async def fed(home: Home, device: dr.DeviceEntry) -> Home:
    """A home in which another integration lives on what the fridge sends."""
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    await give(home)
    await give(home, "Humidity", level=Level.COARSE)
    home.hass.states.async_set("sensor.cold", "4", {"friendly_name": "Cold <b>"})
    return home


async def test_taking_the_last_consent_names_who_starves(client: Client, fed: Home) -> None:
    """And it can be undone as it was, in the name of whoever clicks."""
    await turn_off(fed, "Humidity")
    assert issues(fed.hass) == set()
    await turn_off(fed, "Temperature")
    raised = issue(fed.hass, "starving")
    assert raised is not None
    assert raised.translation_placeholders == {"number": "1"}
    repair = Repair(fed.hass, client, "starving")
    shown = await repair.open()
    assert shown["menu_options"] == ["undo", "pause", "leave"]
    assert shown["description_placeholders"] == {
        "starving": r"- Frosty \*1\*: Cold \<b\>",
        "consents": "- Fridge: Temperature → Frostline (service)",
    }
    assert await received(fed) is None
    assert (await repair.choose("undo"))["type"] == "create_entry"
    assert await received(fed) == TEMPERATURE
    assert issues(fed.hass) == set()


async def test_starving_is_paused(client: Client, fed: Home) -> None:
    pairs = [(one.data_point_id, one.recipient_id) for one in fed.household.firewall.decided()]
    await fed.household.firewall.decide(pairs, ConsentState.REFUSED, Decider(how="action"))
    await settle(fed)
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    assert (await repair.choose("pause"))["type"] == "create_entry"
    fridge = fed.subentry(FRIDGE).subentry_id
    until = fed.household.firewall.let_through_until(fridge)
    assert until is not None
    assert 14 * 60 < until - fed.household.firewall.now() <= 15 * 60
    assert (await received(fed)).keys() > {"temperature", "humidity"}


async def test_undoing_gives_each_as_it_was(client: Client, fed: Home) -> None:
    pairs = [(one.data_point_id, one.recipient_id) for one in fed.household.firewall.decided()]
    await fed.household.firewall.decide(pairs, ConsentState.WITHDRAWN, Decider(how="button"))
    await settle(fed)
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    assert (await repair.choose("undo"))["type"] == "create_entry"
    got = await received(fed)
    assert got["temperature"] == 4.5
    assert got["humidity"] != 61


async def test_a_lockdown_names_who_starves(client: Client, fed: Home) -> None:
    """A lockdown beats letting through, so that there is nothing to pause."""
    decisions = fed.household.decisions
    await decisions.async_lock_down(on=True, how="switch", context=Context(), entity_id=None)
    await settle(fed)
    assert issues(fed.hass) == {"starving"}
    repair = Repair(fed.hass, client, "starving")
    shown = await repair.open()
    assert shown["menu_options"] == ["undo", "leave"]
    assert "ends the lockdown" in shown["description_placeholders"]["consents"]
    assert (await repair.choose("leave"))["type"] == "create_entry"
    assert fed.household.firewall.consents.is_locked_down
    await decisions.async_lock_down(on=False, how="action", context=Context(), entity_id=None)
    await decisions.async_lock_down(on=True, how="switch", context=Context(), entity_id=None)
    await settle(fed)
    await repair.open()
    assert (await repair.choose("undo"))["type"] == "create_entry"
    assert not fed.household.firewall.consents.is_locked_down
    assert issues(fed.hass) == set()


async def test_undoing_is_judged(client: Client, fed: Home) -> None:
    """What is a person's is not given again by another."""
    await own(fed, MockUser(id="ada").add_to_hass(fed.hass))
    await turn_off(fed, "Humidity")
    await turn_off(fed, "Temperature")
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    assert (await repair.choose("undo"))["reason"] == "not_allowed"
    assert (await repair.open())["menu_options"] == ["undo", "pause", "leave"]
    assert (await repair.choose("pause"))["reason"] == "not_allowed"
    assert await received(fed) is None


async def test_nobody_starves_who_reads_at_home_or_is_expected_to(home: Home) -> None:
    """An automation does what its household told it to."""
    mock_integration(home.hass, MockModule("near", partial_manifest={"iot_class": "local_polling"}))
    entry = MockConfigEntry(domain="near")
    entry.add_to_hass(home.hass)
    near = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("near", "1")}
    )
    await home.change(FRIDGE, device_id=near.id)
    await home.report()
    await give(home)
    await turn_off(home, "Temperature")
    assert issues(home.hass) == set()


async def test_an_automation_is_not_asked_about_it(fed: Home) -> None:
    pairs = [(one.data_point_id, one.recipient_id) for one in fed.household.firewall.decided()]
    await fed.household.firewall.decide(pairs, ConsentState.WITHDRAWN, Decider(how="automation"))
    await settle(fed)
    assert issues(fed.hass) == set()


async def test_a_thing_known_twice_is_found(home: Home, device: dr.DeviceEntry) -> None:
    """Linked with one integration's device, read from a cloud by another's of the same MAC."""
    entry = MockConfigEntry(domain="tracker")
    entry.add_to_hass(home.hass)
    mock_integration(
        home.hass, MockModule("tracker", partial_manifest={"iot_class": "local_polling"})
    )
    other = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, connections=device.connections
    )
    assert other.id != device.id
    await home.change(FRIDGE, device_id=other.id)
    await home.report()
    await give(home)
    await turn_off(home, "Temperature")
    assert issues(home.hass) == {"starving"}


async def test_starving_forms_do_nothing_once_stopped(client: Client, fed: Home) -> None:
    await turn_off(fed, "Humidity")
    await turn_off(fed, "Temperature")
    repairs = [Repair(fed.hass, client, "starving") for _ in range(2)]
    for repair in repairs:
        await repair.open()
    await fed.hass.config_entries.async_unload(fed.entry.entry_id)
    for repair, step in zip(repairs, ("undo", "pause"), strict=True):
        assert (await repair.choose(step))["reason"] == "not_loaded"


async def test_a_grant_that_ran_out_is_not_undone_into_one_without_end(
    client: Client, fed: Home
) -> None:
    pair = item(fed)
    await fed.household.firewall.decide(
        [pair], ConsentState.GIVEN, Decider(how="test"), seconds=600
    )
    await turn_off(fed, "Humidity")
    await turn_off(fed, "Temperature")
    taken = fed.household.issues.taken
    fed.household.issues.taken = [replace(one, until=1.0) for one in taken]
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    assert (await repair.choose("undo"))["reason"] == "changed_since"
    assert not is_sharing(fed)


async def test_undoing_keeps_the_end(client: Client, fed: Home) -> None:
    pair = item(fed)
    await fed.household.firewall.decide(
        [pair], ConsentState.GIVEN, Decider(how="test"), seconds=600
    )
    before = fed.household.firewall.consent(*pair)
    await turn_off(fed, "Humidity")
    await turn_off(fed, "Temperature")
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    await repair.choose("undo")
    after = fed.household.firewall.consent(*pair)
    assert before is not None
    assert after is not None
    assert is_sharing(fed)
    assert after.until == before.until


async def test_an_integration_that_is_gone_starves_nobody(
    home: Home, device: dr.DeviceEntry
) -> None:
    entry = MockConfigEntry(domain="vanished")
    entry.add_to_hass(home.hass)
    other = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("vanished", "1")}
    )
    assert await async_starved(home.hass, other) == []
    assert await async_starved(home.hass, None) == []
    assert [one.integration for one in await async_starved(home.hass, device)] == ["Frosty *1*"]


# --- To be read before anything is turned off ---


async def needed_by(home: Home, *entity_ids: str) -> Any:
    """What all of these say of it."""
    told = [home.hass.states.get(one).attributes.get("needed_by") for one in entity_ids]
    assert all(one == told[0] for one in told)
    return told[0]


async def test_who_lives_on_it_can_be_read_before_it_is_turned_off(
    home: Home, device: dr.DeviceEntry
) -> None:
    recipient_id = home.subentry(FROSTLINE).subentry_id
    await home.report()
    buttons = [
        home.entity("button", key, recipient_id)
        for key in ("withdraw_all", "refuse_all", "grant_all")
    ]
    await enable(home, *buttons[1:])
    named = [home.switch("Temperature"), *buttons[:2]]
    assert await needed_by(home, *named) == []
    assert await needed_by(home, buttons[2]) is None
    await home.change(FRIDGE, device_id=device.id)
    assert await needed_by(home, *named) == ["Frosty *1*"]
    # Another integration knows the same thing, and reads it from a cloud as well.
    mock_integration(
        home.hass,
        MockModule("other", partial_manifest={"name": "O" * 99, "iot_class": "cloud_push"}),
    )
    entry = MockConfigEntry(domain="other")
    entry.add_to_hass(home.hass)
    other = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, connections=device.connections
    )
    await settle(home)
    assert await needed_by(home, *named) == ["Frosty *1*", "O" * MAX_NAME]
    dr.async_get(home.hass).async_remove_device(other.id)
    await settle(home)
    assert await needed_by(home, *named) == ["Frosty *1*"]
    dr.async_get(home.hass).async_remove_device(device.id)
    await settle(home)
    assert await needed_by(home, *named) == []


async def test_who_lives_on_it_is_not_looked_for_at_every_state(
    home: Home, device: dr.DeviceEntry
) -> None:
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    assert await needed_by(home, home.switch("Temperature")) == ["Frosty *1*"]
    with patch("custom_components.privacy_firewall.starving.shown_by") as look:
        await switch_on(home)
        home.household.async_changed()
        look.assert_not_called()
        dr.async_get(home.hass).async_update_device(device.id, sw_version="2")
        await settle(home)
        look.assert_called_once()


async def test_an_attribute_names_only_so_many(home: Home, device: dr.DeviceEntry) -> None:
    for number in range(MAX_NAMED + 5):
        domain = f"cloudy_{number}"
        mock_integration(
            home.hass, MockModule(domain, partial_manifest={"iot_class": "cloud_polling"})
        )
        entry = MockConfigEntry(domain=domain)
        entry.add_to_hass(home.hass)
        dr.async_get(home.hass).async_get_or_create(
            config_entry_id=entry.entry_id, connections=device.connections
        )
    # One whose integration was never loaded is not known to read any cloud.
    entry = MockConfigEntry(domain="vanished")
    entry.add_to_hass(home.hass)
    dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, connections=device.connections
    )
    await home.change(FRIDGE, device_id=device.id)
    await home.report()
    assert len(await needed_by(home, home.switch("Temperature"))) == MAX_NAMED


# --- Forms whose ground changed while they were open ---

SERIAL = "XK42-998-1177"
WORDS = {"temperature": "somebody's own words", "humidity": 61}


async def sent(home: Home, body: Any) -> Any:
    """What the cloud gets of a report with this body; None where it gets nothing."""
    home.cloud.received.clear()
    await home.report(body)
    await settle(home)
    return home.cloud.received[-1][1] if home.cloud.received else None


async def starve(home: Home) -> None:
    """Take everything, one by one, as a person does."""
    await turn_off(home, "Humidity")
    await turn_off(home, "Temperature")


async def lock(home: Home, *, on: bool) -> None:
    await home.household.decisions.async_lock_down(
        on=on, how="action", context=Context(), entity_id=None
    )
    await settle(home)


async def test_undoing_gives_only_what_was_taken(client: Client, fed: Home) -> None:
    """What would accept kinds of value or identifiers that came up since is a grant of its own."""
    assert await sent(fed, {"temperature": 4.5, "humidity": 61, "serial": SERIAL})
    await starve(fed)
    assert await sent(fed, WORDS) is None
    await fed.change(FROSTLINE, functional=["$.body.serial"])
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    assert (await repair.choose("undo"))["reason"] == "changed_since"
    assert await sent(fed, {"temperature": 4.5, "humidity": 61, "serial": SERIAL}) is None
    assert await sent(fed, WORDS) is None


async def test_keeping_under_a_notice_accepts_no_more(client: Client, home: Home) -> None:
    """A kind of value that came up since is not agreed to along with the notice."""
    await home.report()
    await switch_on(home)
    assert await sent(home, WORDS) is None
    repair = Repair(home.hass, client, f"notice_{home.subentry(FROSTLINE).subentry_id}")
    await repair.open()
    assert (await repair.choose("keep"))["type"] == "create_entry"
    assert "words" not in str(await sent(home, WORDS))
    assert await received(home) == TEMPERATURE


async def test_keeping_is_about_what_was_named(client: Client, home: Home) -> None:
    """What was given while the notice was open stays as it was given."""
    await home.report()
    await switch_on(home)
    repair = Repair(home.hass, client, f"notice_{home.subentry(FROSTLINE).subentry_id}")
    await repair.open()
    await give(home, "Humidity")
    number = home.household.firewall.consent(*item(home, "Humidity"))
    assert (await repair.choose("keep"))["type"] == "create_entry"
    assert home.household.firewall.consent(*item(home, "Humidity")) == number


@pytest.mark.parametrize("step", ["undo", "pause"])
async def test_a_decision_made_meanwhile_is_shown_first(
    client: Client, fed: Home, step: str
) -> None:
    """The form was about two consents. Then they came back, and everything was locked down."""
    await starve(fed)
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    await give(fed)
    await lock(fed, on=True)
    shown = await repair.choose(step)
    assert shown["type"] in {"menu", "create_entry"}
    assert fed.household.firewall.consents.is_locked_down
    fridge = fed.subentry(FRIDGE).subentry_id
    assert fed.household.firewall.let_through_until(fridge) is None
    assert await received(fed) is None


async def test_undoing_a_lockdown_grants_nothing(client: Client, fed: Home) -> None:
    """The form was about a lockdown. Then it was ended, and the consents were taken."""
    await lock(fed, on=True)
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    await starve(fed)
    await lock(fed, on=False)
    await repair.choose("undo")
    assert await received(fed) is None


async def test_undoing_goes_over_no_later_refusal(client: Client, fed: Home) -> None:
    await starve(fed)
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    await fed.household.firewall.decide([item(fed)], ConsentState.REFUSED, Decider(how="action"))
    shown = await repair.choose("undo")
    assert shown["type"] == "menu"
    assert await received(fed) is None
    assert state(fed) is ConsentState.REFUSED


async def test_undoing_ends_the_lockdown_that_was_shown_and_no_other(
    client: Client, fed: Home
) -> None:
    """That one ended, and somebody locked down anew."""
    await lock(fed, on=True)
    repair = Repair(fed.hass, client, "starving")
    await repair.open()
    await lock(fed, on=False)
    await lock(fed, on=True)
    await repair.choose("undo")
    assert fed.household.firewall.consents.is_locked_down


async def test_a_decision_by_a_repair_names_who_starves_too(fed: Home) -> None:
    pairs = [(one.data_point_id, one.recipient_id) for one in fed.household.firewall.decided()]
    await fed.household.firewall.decide(pairs, ConsentState.REFUSED, Decider(how="repair"))
    await settle(fed)
    assert issues(fed.hass) == {"starving"}
