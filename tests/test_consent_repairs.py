"""Repairs about what people decide: backups, questions and notices."""

from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.core import Context
from homeassistant.helpers import (
    issue_registry as ir,
)
import pytest
from pytest_homeassistant_custom_component.common import (
    MockUser,
    async_capture_events,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall import logbook
from custom_components.privacy_firewall.const import EVENT_REQUEST
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.events import StorageDamaged
from custom_components.privacy_firewall.engine.model import ConsentState, Decider, Level
from tests.common import (
    ADLENS,
    BRUSH,
    FRIDGE,
    FROSTLINE,
    Home,
)
from tests.repairs import (
    TEMPERATURE,
    Client,
    Repair,
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
)

# --- Restored from a backup ---


async def restore(home: Home) -> None:
    """Start as from a file that says it is a backup's."""
    await home.household.firewall.consents.mark_backup(on=True)
    await home.reload()
    await settle(home)


async def give_three(home: Home) -> None:
    await home.report()
    await home.report(to=ADLENS)
    await give(home)
    await give(home, "Humidity", level=Level.COARSE)
    await give(home, "Temperature", ADLENS)


async def test_a_backup_is_confirmed_as_a_whole(client: Client, home: Home) -> None:
    await give_three(home)
    await restore(home)
    assert await received(home) is None
    raised = issue(home.hass, "restored")
    assert raised is not None
    assert raised.translation_placeholders == {"number": "3"}
    repair = Repair(home.hass, client, "restored")
    shown = await repair.open()
    lines = shown["description_placeholders"]["consents"].splitlines()
    assert lines[0] == "- Fridge: Temperature → Frostline (service)"
    assert len(lines) == 3
    assert await received(home) is None
    assert (await repair.choose("confirm_all"))["type"] == "create_entry"
    got = await received(home)
    assert got.keys() == {"temperature", "humidity"}
    assert got["humidity"] != 61
    assert issues(home.hass) == set()
    await home.reload()
    assert is_sharing(home)


async def test_names_are_shown_as_they_stand(client: Client, home: Home) -> None:
    """In a list as text, not as Markdown; in a choice, which is none, as they are."""
    await home.change(FRIDGE, name="Fridge ![x](http://evil/x.png)")
    await home.report()
    await give(home)
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    shown = await repair.open()
    assert shown["description_placeholders"]["consents"].startswith(
        r"- Fridge \!\[x\](http\://evil/x.png): Temperature"
    )
    shown = await repair.choose("choose")
    (option,) = shown["data_schema"][0]["selector"]["select"]["options"]
    assert option["label"].startswith("Fridge ![x](http://evil/x.png): Temperature")


async def test_a_backup_is_withdrawn_as_a_whole(client: Client, home: Home) -> None:
    await give_three(home)
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    await repair.open()
    assert (await repair.choose("withdraw_all"))["type"] == "create_entry"
    assert issues(home.hass) == set()
    assert {one.state for one in home.household.firewall.decided()} == {ConsentState.WITHDRAWN}
    await home.reload()
    assert await received(home) is None


async def test_of_a_backup_some_are_chosen(
    client: Client, home: Home, hass_admin_user: User
) -> None:
    await give_three(home)
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    await repair.open()
    shown = await repair.choose("choose")
    (field,) = shown["data_schema"]
    labels = {one["label"]: one["value"] for one in field["selector"]["select"]["options"]}
    wanted = labels["Fridge: Temperature → Frostline (service)"]
    assert (await repair.send(keep=[wanted]))["type"] == "create_entry"
    assert await received(home) == TEMPERATURE
    assert state(home, "Humidity") is ConsentState.WITHDRAWN
    assert state(home, "Temperature", ADLENS) is ConsentState.WITHDRAWN
    records = await home.household.firewall.consents.records()
    assert {(one.decider.how, one.decider.person) for one in records[3:]} == {
        ("repair", hass_admin_user.id)
    }
    await home.reload()
    assert is_sharing(home)


async def test_what_is_a_persons_waits_for_that_person(client: Client, home: Home) -> None:
    """Others may withdraw it, not bring it back; a restart changes nothing of that."""
    await give_three(home)
    await home.report(by=BRUSH)
    brush = home.point("Temperature", BRUSH), home.subentry(FROSTLINE).subentry_id
    await home.household.firewall.decide([brush], ConsentState.GIVEN, Decider(how="test"))
    await own(home, MockUser(id="ada").add_to_hass(home.hass))
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    await repair.open()
    assert (await repair.choose("confirm_all"))["reason"] == "some_wait"
    for _ in range(2):
        assert home.household.firewall.is_sharing(*brush)
        assert await received(home) is None
        raised = issue(home.hass, "restored")
        assert raised is not None
        assert raised.translation_placeholders == {"number": "3"}
        await home.reload()
    await repair.open()
    assert (await repair.choose("choose"))["reason"] == "not_allowed"
    await repair.open()
    assert (await repair.choose("confirm_all"))["reason"] == "not_allowed"
    assert await received(home) is None
    await repair.open()
    assert (await repair.choose("withdraw_all"))["type"] == "create_entry"
    assert home.household.firewall.is_sharing(*brush)
    assert state(home) is ConsentState.WITHDRAWN


async def test_the_person_confirms_what_is_theirs(
    client: Client, home: Home, hass_admin_user: User
) -> None:
    await give_three(home)
    await own(home, hass_admin_user)
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    await repair.open()
    assert (await repair.choose("confirm_all"))["type"] == "create_entry"
    assert is_sharing(home)


async def test_nobody_confirms_where_the_disk_refuses(client: Client, home: Home) -> None:
    await give_three(home)
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    await repair.open()
    await home.household.firewall._database.close()
    assert (await repair.choose("confirm_all"))["reason"] == "not_recorded"
    assert not is_sharing(home)
    assert issue(home.hass, "restored") is not None


async def test_only_administrators_open_repairs(
    client: Client,
    home: Home,
    hass_client: ClientSessionGenerator,
    hass_read_only_access_token: str,
) -> None:
    """Home Assistant sees to that; here it is held to it."""
    await give_three(home)
    await restore(home)
    other = await hass_client(hass_read_only_access_token)
    answer = await other.post(
        "/api/repairs/issues/fix", json={"handler": "privacy_firewall", "issue_id": "restored"}
    )
    assert answer.status == 401
    assert not is_sharing(home)


# --- Questions ---


async def ask(home: Home) -> None:
    """Let the day's digest come."""
    await home.household._async_ask()
    await settle(home)


async def test_questions_are_one_issue_for_the_home(client: Client, home: Home) -> None:
    """With each recipient's notice; leaving them makes no rule."""
    await home.report()
    await home.report(by=BRUSH, to=ADLENS)
    await home.change(FROSTLINE, benefit="*Free* ![x](http://evil/x.png)")
    await ask(home)
    assert issues(home.hass) == {"questions"}
    repair = Repair(home.hass, client, "questions")
    shown = await repair.open()
    assert shown["menu_options"] == ["leave_off", "refuse_all"]
    told = shown["description_placeholders"]["questions"]
    assert "**Fridge → Frostline** (service): " in told
    assert "**Toothbrush → Adlens** (marketing): " in told
    assert r"\*Free\* \!\[x\](http\://evil/x.png)" in told
    assert shown["description_placeholders"]["changed"] == "nothing"
    # Over a restart they wait on.
    await home.reload()
    await settle(home)
    assert issues(home.hass) == {"questions"}
    await repair.open()
    assert (await repair.choose("leave_off"))["type"] == "create_entry"
    assert issues(home.hass) == set()
    assert {one.state for one in home.household.firewall.decided()} == {ConsentState.REQUESTED}
    assert await received(home) is None
    await home.reload()
    assert issues(home.hass) == set()


async def test_questions_are_refused(client: Client, home: Home, hass_admin_user: User) -> None:
    """All that are off; what is shared under an earlier notice stays shared."""
    await home.report()
    await give(home)
    await home.change(FROSTLINE, benefit="Something else.")
    await ask(home)
    repair = Repair(home.hass, client, "questions")
    shown = await repair.open()
    assert "Temperature" not in shown["description_placeholders"]["questions"].split("\n")[0]
    assert (
        shown["description_placeholders"]["changed"]
        == "- Fridge: Temperature → Frostline (service)"
    )
    assert (await repair.choose("refuse_all"))["type"] == "create_entry"
    assert await received(home) == TEMPERATURE
    assert state(home, "Humidity") is ConsentState.REFUSED
    records = await home.household.firewall.consents.records()
    assert (records[-1].decider.how, records[-1].decider.person) == ("repair", hass_admin_user.id)
    assert issues(home.hass) == set()


async def test_what_is_no_longer_what_was_granted_is_asked_about(
    client: Client, home: Home
) -> None:
    """At once: its switch goes off and says why, and turning it on takes the new unit as known."""
    heard = async_capture_events(home.hass, EVENT_REQUEST)
    for tenth in range(25):
        await home.report({"temperature": 4 + tenth % 7 / 10, "unit": "C"})
    switch = home.switch("Temperature")
    await home.turn("turn_on", switch)
    assert home.is_on(switch)
    sent = len(home.cloud.received)
    await home.report({"temperature": 39.5, "unit": "F"})
    await settle(home)
    assert len(home.cloud.received) == sent
    assert not home.is_on(switch)
    shown = home.hass.states.get(switch)
    assert shown is not None
    assert shown.attributes["changed"] == "unit"
    assert shown.attributes["state"] == "given"
    assert [event.data["changed"] for event in heard] == ["unit"]
    assert "another unit" in logbook._request(heard[0].data)
    assert "questions" in issues(home.hass)
    told = (await Repair(home.hass, client, "questions").open())["description_placeholders"]
    assert "Temperature (changed: unit)" in told["questions"].replace("\\", "")
    await home.turn("turn_on", switch)
    assert home.is_on(switch)
    await home.report({"temperature": 39.6, "unit": "F"})
    assert len(home.cloud.received) == sent + 1


async def test_a_question_that_was_answered_elsewhere_leaves_the_issue(home: Home) -> None:
    await home.report()
    await ask(home)
    raised = issue(home.hass, "questions")
    assert raised is not None
    before = int((raised.translation_placeholders or {})["number"])
    await give(home)
    raised = issue(home.hass, "questions")
    assert raised is not None
    assert raised.translation_placeholders == {"number": str(before - 1)}
    await home.remove(FRIDGE)
    assert issues(home.hass) == set()


@pytest.mark.parametrize("step", ["confirm_all", "withdraw_all"])
async def test_what_is_stated_of_a_recipient_changed_while_a_backup_was_asked_about(
    client: Client, home: Home, step: str
) -> None:
    """To somebody else than was shown, or for something else, nothing comes back."""
    await give_three(home)
    await restore(home)
    repair = Repair(home.hass, client, "restored")
    await repair.open()
    await home.change(FROSTLINE, purpose="marketing", functional=["$.body.serial"])
    shown = await repair.choose(step)
    assert shown["type"] == ("menu" if step == "confirm_all" else "create_entry")
    assert not is_sharing(home)


# --- The notice ---


async def test_the_first_grant_by_switch_shows_the_notice_after(
    client: Client, home: Home, hass_admin_user: User
) -> None:
    """Once for a recipient; read, it is recorded so, and nothing else changes."""
    await home.change(FROSTLINE, organisation="Frostline [x]")
    await home.report()
    await switch_on(home)
    await switch_on(home, "Humidity")
    recipient_id = home.subentry("Frostline").subentry_id
    assert issues(home.hass) == {f"notice_{recipient_id}"}
    raised = issue(home.hass, f"notice_{recipient_id}")
    assert raised is not None
    assert raised.translation_placeholders == {"recipient": "Frostline [x]", "purpose": "service"}
    repair = Repair(home.hass, client, f"notice_{recipient_id}")
    shown = await repair.open()
    notice = shown["description_placeholders"]["notice"]
    assert r"> Who receives: Frostline \[x\]  " in notice.splitlines()
    assert "Tells you when the door is open." in notice
    assert "Temperature" in shown["description_placeholders"]["consents"]
    before = await home.household.firewall.consents.records()
    assert not any(one.decider.notice_shown for one in before)
    assert (await repair.choose("keep"))["type"] == "create_entry"
    records = (await home.household.firewall.consents.records())[len(before) :]
    assert [(one.decider.how, one.decider.notice_shown, one.decider.person) for one in records] == [
        ("repair", True, hass_admin_user.id)
    ] * 2
    assert issues(home.hass) == set()
    assert (await received(home)).keys() == {"temperature", "humidity"}
    # The next one by switch was read about.
    await home.turn("turn_off", home.switch("Humidity", "Frostline"))
    await switch_on(home, "Humidity", "Frostline")
    assert issues(home.hass) == set()


async def test_a_notice_that_is_not_agreed_to_withdraws(client: Client, home: Home) -> None:
    await home.report()
    await home.report(to=ADLENS)
    await switch_on(home)
    await give(home, "Temperature", ADLENS)
    repair = Repair(home.hass, client, f"notice_{home.subentry(FROSTLINE).subentry_id}")
    await repair.open()
    assert (await repair.choose("withdraw"))["type"] == "create_entry"
    assert state(home) is ConsentState.WITHDRAWN
    assert is_sharing(home, "Temperature", ADLENS)
    await settle(home)
    assert issues(home.hass) == set()


async def test_a_timed_grant_stays_timed_when_its_notice_was_read(
    client: Client, home: Home
) -> None:
    await home.report()
    pair = item(home)
    await home.household.firewall.decide(
        [pair], ConsentState.GIVEN, Decider(how="switch"), level=Level.COARSE, seconds=600
    )
    await settle(home)
    before = home.household.firewall.consent(*pair)
    repair = Repair(home.hass, client, f"notice_{pair[1]}")
    await repair.open()
    await repair.choose("keep")
    after = home.household.firewall.consent(*pair)
    assert before is not None
    assert after is not None
    assert (after.until, after.level) == (before.until, Level.COARSE)
    assert after.number > before.number


async def test_what_is_stated_may_change_while_it_is_read(client: Client, home: Home) -> None:
    """Then it is shown again, or is none of that consent."""
    await home.report()
    await switch_on(home)
    repair = Repair(home.hass, client, f"notice_{home.subentry(FROSTLINE).subentry_id}")
    await repair.open()
    number = len(await home.household.firewall.consents.records())
    await home.change(FROSTLINE, functional=["$.body.program"])
    await repair.choose("keep")
    assert len(await home.household.firewall.consents.records()) == number
    assert await received(home) == TEMPERATURE


@pytest.mark.parametrize(
    ("how", "shown", "is_offered"),
    [
        ("switch", False, True),
        ("select", False, True),
        ("button", False, True),
        ("action", False, True),
        ("automation", False, False),
        ("repair", False, False),
        ("panel", True, False),
    ],
)
async def test_whatever_shows_no_notice_calls_for_it(
    home: Home, how: str, shown: bool, is_offered: bool
) -> None:
    """An automation has no eyes; what is undone was given before."""
    await home.report()
    decider = Decider(how=how, notice_shown=shown)
    await home.household.firewall.decide([item(home)], ConsentState.GIVEN, decider)
    await settle(home)
    notice = f"notice_{home.subentry(FROSTLINE).subentry_id}"
    assert issues(home.hass) == ({notice} if is_offered else set())


async def test_a_notice_that_nobody_read_is_offered_again(client: Client, home: Home) -> None:
    """Taken back unread and given again, by whatever; once it was read, no more."""
    await home.report()
    notice = f"notice_{home.subentry(FROSTLINE).subentry_id}"
    for _ in range(2):
        await switch_on(home)
        assert issues(home.hass) == {notice}
        await home.turn("turn_off", home.switch("Temperature"), context=Context())
        await settle(home)
        assert issues(home.hass) == set()
    await switch_on(home)
    repair = Repair(home.hass, client, notice)
    await repair.open()
    assert (await repair.choose("keep"))["type"] == "create_entry"
    await switch_on(home, "Humidity")
    assert issues(home.hass) == set()


async def test_issues_that_wait_outlast_a_restart(home: Home, hass_storage: dict[str, Any]) -> None:
    """What was not answered is not forgotten; what can be seen anew is not kept."""
    await home.report()
    await switch_on(home)
    await ask(home)
    await home.household.firewall.consents.mark_backup(on=True)
    home.household.issues.async_hear(StorageDamaged(is_journal=True))
    await home.reload()
    assert "restored" in issues(home.hass)
    # As Home Assistant's registry writes them down: the others it brings back inactive.
    written = [one.to_json() for one in ir.async_get(home.hass).issues.values()]
    waiting = {one["issue_id"] for one in written if one["is_persistent"]}
    assert waiting >= {"journal_replaced", "questions"}
    assert "restored" not in waiting


async def test_issues_that_wait_go_with_the_entry(home: Home) -> None:
    """They outlast a restart, not the integration."""
    await home.report()
    await switch_on(home)
    await ask(home)
    assert len(issues(home.hass)) == 2
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    assert issues(home.hass) == set()


async def test_a_notice_goes_with_its_consents(home: Home) -> None:
    await home.report()
    await switch_on(home)
    assert len(issues(home.hass)) == 1
    await home.reload()
    assert len(issues(home.hass)) == 1
    await home.turn("turn_off", home.switch("Temperature"))
    await settle(home)
    assert issues(home.hass) == set()


# --- While a form is open ---


async def _gone(home: Home) -> str:
    home.hass.config_entries.async_update_subentry(
        home.entry,
        home.subentry(FRIDGE),
        data={**home.subentry(FRIDGE).data, "device_id": "no-longer-there"},
    )
    await settle(home)
    return f"appliance_gone_{home.subentry(FRIDGE).subentry_id}"


async def _noticed(home: Home) -> str:
    await home.report()
    await switch_on(home)
    return f"notice_{home.subentry(FROSTLINE).subentry_id}"


async def _asked(home: Home) -> str:
    await home.report()
    await ask(home)
    return "questions"


async def _restored(home: Home) -> str:
    await give_three(home)
    await restore(home)
    return "restored"


@pytest.mark.parametrize(
    ("made", "steps"),
    [
        (_gone, ["open_appliance", "keep", "remove"]),
        (_noticed, ["keep", "withdraw"]),
        (_asked, ["refuse_all"]),
        (_restored, ["confirm_all", "choose", "withdraw_all"]),
    ],
)
async def test_a_form_whose_firewall_stopped_does_nothing(
    client: Client, home: Home, made: Any, steps: list[str]
) -> None:
    """The entry, or the appliance, went while it was open."""
    issue_id = await made(home)
    repairs = [Repair(home.hass, client, issue_id) for _ in steps]
    for repair in repairs:
        await repair.open()
    if made is _gone:
        await home.remove(FRIDGE)
    else:
        await home.hass.config_entries.async_unload(home.entry.entry_id)
    for repair, step in zip(repairs, steps, strict=True):
        assert (await repair.choose(step))["reason"] == "not_loaded"


async def test_a_backup_that_was_confirmed_otherwise_is_no_issue(home: Home) -> None:
    assert await _restored(home) in issues(home.hass)
    await home.household.firewall.consents.confirm_restored(Decider(how="test"), keep=None)
    assert issues(home.hass) == set()


async def test_records_that_cannot_be_read_offer_no_notice(home: Home) -> None:
    await home.report()
    with patch.object(
        home.household.firewall.consents, "records", side_effect=StorageError("disk")
    ):
        await switch_on(home)
    assert is_sharing(home)
    assert issues(home.hass) == set()
