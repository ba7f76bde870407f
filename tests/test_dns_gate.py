"""The DNS gate at run time: opened, moved and closed as chosen, and what of it is shown."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
import socket
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, EntityCategory
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    get_system_health_info,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall import dns_gate as keeping
from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.diagnostics import async_get_config_entry_diagnostics
from custom_components.privacy_firewall.dns_gate import CONTACT_SECONDS, RETRY_SECONDS
from custom_components.privacy_firewall.engine.events import NamesAsked
from custom_components.privacy_firewall.engine.gates.dns.message import NAME_ERROR, answer_nothing
from custom_components.privacy_firewall.engine.gates.dns.server import DnsGate
from custom_components.privacy_firewall.engine.gates.dns.upstream import hearing
from custom_components.privacy_firewall.engine.naming import (
    NameCounts,
    NameStatus,
    Naming,
    Refusal,
    Stranger,
)
from tests.common import (
    BRUSH,
    FRIDGE,
    FROSTLINE,
    Cloud,
    Home,
    a_home,
    dns_gate,
    free_port,
    recipient,
)
from tests.facts import hub, state, wait
from tests.house import read_json
from tests.repairs import Repair, issue, issues


@pytest.fixture
async def named(hass: HomeAssistant, cloud: Cloud, repairs: None) -> AsyncIterator[Home]:
    """A home whose DNS gate is on."""
    assert await async_setup_component(hass, "homeassistant", {})
    async with a_home(hass, cloud, dns_gate=dns_gate()) as made:
        yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Naming]:
    """What the engine is told of the household's choices, the newest last."""
    told: list[Naming] = []
    monkeypatch.setattr(
        "custom_components.privacy_firewall.engine.name_gate.NameGate.configure",
        lambda _, naming: told.append(naming),
    )
    return told


def listens(port: int) -> bool:
    """Whether somebody listens there, by TCP as DNS does too (RFC 7766)."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def chosen(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = home.entry.options["dns_gate"]
    return found


# --- Open, move, close ---


async def test_it_is_closed_unless_chosen(home: Home) -> None:
    assert not home.household.firewall.names.is_open
    assert issues(home.hass) == set()
    keys = {one.translation_key for one in home.entities()}
    assert not {one for one in keys if one and ("names" in one or "contact" in one)}


async def test_it_opens_moves_and_closes_without_a_reload(home: Home) -> None:
    household, first = home.household, dns_gate()
    await home.choose(dns_gate=first)
    assert listens(first["port"])
    assert household.dns.place == ("127.0.0.1", first["port"])
    second = first | {"port": free_port()}
    await home.choose(dns_gate=second)
    assert listens(second["port"])
    assert not listens(first["port"])
    await home.choose(dns_gate=second | {"enabled": False})
    assert not listens(second["port"])
    assert not household.firewall.names.is_open
    assert home.household is household
    assert await home.report() == 200


async def test_what_does_not_move_it_leaves_it_open(
    named: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for an answer gets it."""
    opened: list[Any] = []
    monkeypatch.setattr(named.household.firewall.names, "open", lambda *given: opened.append(given))
    await named.choose(dns_gate=chosen(named) | {"refusal": "no_data"})
    await named.change(FRIDGE, name="Icebox")
    assert opened == []


async def test_unloading_closes_it(named: Home) -> None:
    port = chosen(named)["port"]
    assert listens(port)
    assert await named.hass.config_entries.async_unload(named.entry.entry_id)
    assert not listens(port)


async def test_what_is_stored_and_broken_stays_closed(named: Home) -> None:
    await named.choose(dns_gate=chosen(named) | {"resolvers": ["nonsense"]})
    assert not named.household.firewall.names.is_open
    assert await named.report() == 200


async def test_choices_hold_at_once(told: list[Naming], named: Home) -> None:
    assert told[-1].steer_to == ("127.0.0.1",)
    assert told[-1].refusal is Refusal.NAME_ERROR
    await named.choose(dns_gate=chosen(named) | {"refusal": "null_address", "allowed": ["a.b"]})
    assert told[-1].refusal is Refusal.NULL_ADDRESS
    assert told[-1].allowed == {"a.b"}
    assert told[-1].steer_to == ("127.0.0.1",)


async def test_nothing_is_steered_to_a_gate_that_is_closed(told: list[Naming], named: Home) -> None:
    await named.household.firewall.close_gate()
    assert told[-1].steer_to == ()
    await named.household.firewall.open_gate("127.0.0.1", named.entry.data["port"])
    assert told[-1].steer_to == ("127.0.0.1",)


# --- What is wrong ---


async def test_a_taken_port_leaves_the_rest_as_it_is(
    named: Home, hass_client: ClientSessionGenerator, freezer: Any
) -> None:
    """It is said, can be tried at once, and is tried again by itself."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        await named.choose(dns_gate=chosen(named) | {"port": port})
        raised = issue(named.hass, "dns_gate_not_opened")
        assert raised is not None
        assert raised.translation_placeholders == {"host": "127.0.0.1", "port": str(port)}
        assert issues(named.hass) == {"dns_gate_not_opened"}
        assert not named.household.firewall.names.is_open
        assert named.household.firewall.gate_is_open
        assert await named.report() == 200
        assert state(named, hub(named, "binary_sensor", "dns_gate")).state == STATE_OFF
        repair = Repair(named.hass, await hass_client(), "dns_gate_not_opened")
        shown = await repair.open()
        assert "another program" in shown["description_placeholders"]["cause"]
        assert (await repair.choose("try_again"))["reason"] == "still_failing"
        assert issues(named.hass) == {"dns_gate_not_opened"}
    freezer.tick(timedelta(seconds=RETRY_SECONDS + 1))
    async_fire_time_changed(named.hass, dt_util.utcnow() + timedelta(seconds=1))
    await named.hass.async_block_till_done(wait_background_tasks=True)
    assert listens(port)
    assert issues(named.hass) == set()
    assert state(named, hub(named, "binary_sensor", "dns_gate")).state == STATE_ON


async def test_a_taken_port_is_no_reason_not_to_start(
    hass: HomeAssistant, cloud: Cloud, repairs: None, hass_client: ClientSessionGenerator
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        options = dns_gate(port=other.getsockname()[1])
        async with a_home(hass, cloud, dns_gate=options) as home:
            assert await home.report() == 200
            repair = Repair(hass, await hass_client(), "dns_gate_not_opened")
            await repair.open()
            ended = await repair.choose("change_dns_gate")
            kind, flow_id = ended["next_flow"]
            assert kind == "options_flow"
            form = await hass.config_entries.options.async_configure(
                flow_id, {"next_step_id": "dns_gate"}
            )
            await hass.config_entries.options.async_configure(form["flow_id"], dns_gate())
            await hass.async_block_till_done()
            assert home.household.firewall.names.is_open
            assert issues(hass) == set()


async def test_turned_off_nothing_is_wrong(named: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        await named.choose(dns_gate=chosen(named) | {"port": other.getsockname()[1]})
        assert issues(named.hass) == {"dns_gate_not_opened"}
        await named.choose(dns_gate=chosen(named) | {"enabled": False})
        assert issues(named.hass) == set()


async def test_resolvers_that_do_not_answer_are_said(
    named: Home,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The gate is open all the same; what is wrong is said once, and goes with an answer."""
    monkeypatch.setattr(hearing, "SILENT_SECONDS", 0.0)
    names = named.household.firewall.names
    for _ in range(hearing.SILENT_FOR_ONE + 3):
        # Nobody is at that port.
        assert not await names.try_resolvers()
    await named.hass.async_block_till_done()
    raised = issue(named.hass, "dns_resolvers_silent")
    assert raised is not None
    assert raised.translation_placeholders == {"resolvers": "127.0.0.1@9"}
    assert issues(named.hass) == {"dns_resolvers_silent"}
    shown = state(named, hub(named, "binary_sensor", "dns_gate"))
    assert shown.state == STATE_ON
    assert shown.attributes["no_resolver_answers"] is True
    assert shown.attributes["silent_since"] is not None
    assert shown.attributes["last_answer"] is None
    assert caplog.text.count("No resolver answers") == 1
    repair = Repair(named.hass, await hass_client(), "dns_resolvers_silent")
    opened = await repair.open()
    assert opened["description_placeholders"]["resolvers"] == "- `127.0.0.1@9`"
    assert (await repair.choose("try_again"))["reason"] == "still_failing"
    asked = names._resolvers
    assert asked is not None
    monkeypatch.setattr(type(asked), "ask", _answered)
    await repair.open()
    assert (await repair.choose("try_again"))["type"] == "create_entry"
    await named.hass.async_block_till_done()
    assert issues(named.hass) == set()
    shown = state(named, hub(named, "binary_sensor", "dns_gate"))
    assert shown.attributes["no_resolver_answers"] is False
    assert shown.attributes["silent_since"] is None


async def _answered(resolvers: Any, *_: Any) -> None:
    resolvers.hearing.heard(1.0)


async def test_other_resolvers_are_not_said_to_be_silent(
    named: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "SILENT_SECONDS", 0.0)
    for enabled in (True, False):
        for _ in range(hearing.SILENT_FOR_ONE):
            await named.household.firewall.names.try_resolvers()
        assert issues(named.hass) == {"dns_resolvers_silent"}
        await named.choose(
            dns_gate=chosen(named) | {"resolvers": ["127.0.0.1@7"], "enabled": enabled}
        )
        assert issues(named.hass) == set()


# --- Lists ---


async def test_lists_are_read_off_the_event_loop_and_again_when_they_change(
    told: list[Naming], named: Home, freezer: Any
) -> None:
    path = Path(named.hass.config.config_dir) / "ads.txt"
    path.write_text("0.0.0.0 ads.example\n")
    await named.choose(dns_gate=chosen(named) | {"lists": ["ads.txt"]})
    listed = told[-1].listed
    assert listed is not None
    assert listed.has("ads.example")
    await named.change(FRIDGE, name="Icebox")
    assert told[-1].listed is listed, "not read again for nothing"
    path.write_text("0.0.0.0 ads.example\n0.0.0.0 more.example\n")
    await wait(named, freezer, keeping.READ_LISTS_AGAIN.total_seconds() + 1)
    await named.hass.async_block_till_done(wait_background_tasks=True)
    assert told[-1].listed is not None
    assert told[-1].listed.has("more.example")
    await named.choose(dns_gate=chosen(named) | {"lists": []})
    assert told[-1].listed is None


async def test_a_list_that_is_gone_is_said(
    told: list[Naming], named: Home, hass_client: ClientSessionGenerator
) -> None:
    """The others hold; it is none of the household's business to be without names for that."""
    folder = Path(named.hass.config.config_dir)
    (folder / "ads.txt").write_text("ads.example\n")
    await named.choose(dns_gate=chosen(named) | {"lists": ["ads.txt", "gone_*.txt"]})
    assert told[-1].listed is not None
    assert told[-1].listed.has("ads.example")
    assert named.household.firewall.names.is_open
    raised = issue(named.hass, "dns_lists")
    assert raised is not None
    assert raised.translation_placeholders == {"number": "1"}
    repair = Repair(named.hass, await hass_client(), "dns_lists")
    shown = await repair.open()
    assert shown["description_placeholders"]["lists"] == (
        r"- gone\_\*.txt: is not there, or cannot be read"
    )
    (folder / "gone_*.txt").write_text("gone.example\n")
    assert (await repair.choose("try_again"))["type"] == "create_entry"
    assert issues(named.hass) == set()
    assert told[-1].listed.has("gone.example")


async def test_a_list_that_adds_nothing_is_named(
    named: Home, hass_client: ClientSessionGenerator
) -> None:
    """Each file with what is wrong with it, the second of two alike too."""
    folder = Path(named.hass.config.config_dir)
    (folder / "ads.txt").write_text("ads.example\n")
    (folder / "same.txt").write_text("ads.example\n")
    (folder / "more.txt").write_text("more.example\n")
    (folder / "empty.txt").write_text("# nothing\n")
    await named.choose(
        dns_gate=chosen(named) | {"lists": ["ads.txt", "same.txt", "empty.txt", "more.txt"]}
    )
    raised = issue(named.hass, "dns_lists")
    assert raised is not None
    assert raised.translation_placeholders == {"number": "2"}
    shown = await Repair(named.hass, await hass_client(), "dns_lists").open()
    assert shown["description_placeholders"]["lists"].splitlines() == [
        "- same.txt: adds no name to the lists before it, or with them there are too many",
        "- empty.txt: has no names in it, or is no text",
    ]


# --- What is shown ---


def status(home: Home, **changed: Any) -> NameStatus:
    """The fridge asked for eight names, five of which were refused; a phone asked for two."""
    fridge, at = home.subentry(FRIDGE).subentry_id, home.household.firewall.now()
    counts = NameCounts(asked=8, forwarded=1, steered=2, refused=5, last_asked=at)
    return NameStatus(
        **{
            "total": NameCounts(asked=10, forwarded=3, steered=2, refused=5, last_asked=at),
            "appliances": {fridge: counts},
            "contacts": {(fridge, home.subentry(FROSTLINE).subentry_id): at},
            "strangers": (
                Stranger(
                    address="192.168.77.9",
                    mac="02:00:00:00:77:09",
                    first_seen=at,
                    last_seen=at,
                    asked=2,
                    names=("private.example",),
                ),
            ),
        }
        | changed
    )


async def observe(home: Home, **changed: Any) -> None:
    fridge = home.subentry(FRIDGE).subentry_id
    await home.observe(status(home, **changed), NamesAsked(appliance_id=fridge))


def contact(home: Home) -> State:
    key = f"in_contact_{home.subentry(FROSTLINE).subentry_id}"
    return state(home, home.entity("binary_sensor", key))


async def test_names_are_counted_per_appliance(named: Home) -> None:
    assert named.sensor("names_asked").state == "0"
    await observe(named)
    shown = named.sensor("names_asked")
    assert shown.state == "8"
    assert shown.attributes["state_class"] == "total_increasing"
    told = {key: shown.attributes[key] for key in ("forwarded", "steered", "refused")}
    assert told == {"forwarded": 1, "steered": 2, "refused": 5}
    asked = shown.attributes["last_asked"].timestamp()
    assert asked == pytest.approx(named.household.firewall.now(), abs=1)
    assert named.sensor("names_refused").state == "5"
    assert named.sensor("names_asked", by=BRUSH).state == "0"


async def test_names_are_counted_today(named: Home, freezer: Any) -> None:
    """Whoever asked. With midnight, and with a restart, it begins anew and says so."""

    def today(key: str) -> State:
        return state(named, hub(named, "sensor", key))

    began = dt_util.parse_datetime(today("names_asked_today").attributes["last_reset"])
    assert began is not None
    assert began > dt_util.start_of_local_day()
    await named.observe(status(named), NamesAsked(appliance_id=None))
    assert today("names_asked_today").state == "10"
    assert today("names_refused_today").state == "5"
    await wait(named, freezer, 26 * 3600)
    assert today("names_asked_today").state == "0"
    assert today("names_asked_today").attributes["last_reset"] == (
        dt_util.start_of_local_day().isoformat()
    )
    total = NameCounts(asked=13, refused=6)
    await named.observe(status(named, total=total), NamesAsked(appliance_id=None))
    await wait(named, freezer, 5)
    assert today("names_asked_today").state == "3"
    assert today("names_refused_today").state == "1"


async def test_contact_is_told_for_an_hour(named: Home, freezer: Any) -> None:
    """By recipient, from when they met first; over restarts, without claiming one."""
    assert not [one for one in named.entities() if one.translation_key == "in_contact"]
    await observe(named)
    assert contact(named).state == STATE_ON
    assert contact(named).name.endswith("In contact with Frostline for service")
    met = contact(named).attributes["last_contact"]
    assert met.timestamp() == pytest.approx(named.household.firewall.now(), abs=1)
    assert not [one for one in named.entities(by=BRUSH) if one.translation_key == "in_contact"]
    await wait(named, freezer, CONTACT_SECONDS - 60)
    assert contact(named).state == STATE_ON
    await wait(named, freezer, 60 + 600)
    assert contact(named).state == STATE_OFF
    await named.reload()
    assert contact(named).state == STATE_OFF
    assert contact(named).attributes["last_contact"] is None
    recipient_id = await named.remove(FROSTLINE)
    left = [one for one in named.entities() if one.unique_id.endswith(recipient_id)]
    assert left == []


def by_name(shown: State) -> dict[str, Any]:
    """What the names of a recipient's hosts tell."""
    keys = ("domains", "shared_host_of", "organisation_by_name", "organisation_differs")
    return {key: shown.attributes[key] for key in keys}


async def test_contact_tells_whose_hosts_are_by_their_names(named: Home, freezer: Any) -> None:
    """Beside what the household said: where they differ, somebody may want to look."""
    await observe(named)
    nothing: dict[str, Any] = {"domains": [], "shared_host_of": [], "organisation_by_name": []}
    # An address tells nothing.
    assert by_name(contact(named)) == nothing | {"organisation_differs": None}
    await named.change(FROSTLINE, names=["a.iot.us-east-1.amazonaws.com", "{eu|us}.frost.example"])
    assert by_name(contact(named)) == {
        "domains": ["frost.example"],
        "shared_host_of": ["Amazon Web Services"],
        "organisation_by_name": [],
        "organisation_differs": None,
    }
    hosts = {
        "endpoints": ["POST http://a.samsungiotcloud.com/"],
        "names": ["b.samsung.com", "o1.ingest.sentry.io"],
    }
    await named.change(FROSTLINE, **hosts)
    await wait(named, freezer, 5)
    assert by_name(contact(named)) == {
        "domains": ["samsung.com", "samsungiotcloud.com", "sentry.io"],
        "shared_host_of": [],
        "organisation_by_name": ["Samsung", "Sentry"],
        "organisation_differs": True,
    }
    hosts["names"] = ["b.samsung.com"]
    added = await named.add(recipient("Samsung Electronics", named.cloud, **hosts))
    fridge, at = named.subentry(FRIDGE).subentry_id, named.household.firewall.now()
    await observe(named, contacts={(fridge, added.subentry_id): at})
    shown = state(named, named.entity("binary_sensor", f"in_contact_{added.subentry_id}"))
    assert by_name(shown)["organisation_differs"] is False


async def test_they_are_for_looking_at(named: Home) -> None:
    await observe(named)
    registry = er.async_get(named.hass)
    ours = [
        one
        for one in er.async_entries_for_config_entry(registry, named.entry.entry_id)
        if one.translation_key
        and (one.translation_key.startswith(("names_", "in_contact", "dns_")))
    ]
    # Two of each appliance, one contact, three of the firewall itself.
    assert len(ours) == 2 * 2 + 1 + 3
    for one in ours:
        assert one.entity_category is EntityCategory.DIAGNOSTIC
        assert one.disabled_by is None
        for assistant in KNOWN_ASSISTANTS:
            assert not async_should_expose(named.hass, assistant, one.entity_id)


async def test_turned_off_it_shows_nothing_and_turned_on_all_of_it(named: Home) -> None:
    await observe(named)
    ids = [named.entity("sensor", "names_asked"), hub(named, "binary_sensor", "dns_gate")]
    ids.append(contact(named).entity_id)
    before = chosen(named)
    await named.choose(dns_gate=before | {"enabled": False})
    for one in ids:
        assert named.hass.states.get(one) is None
        assert er.async_get(named.hass).async_get(one) is None
    await named.choose(dns_gate=before)
    for one in ids:
        assert state(named, one).state != STATE_UNAVAILABLE
    assert named.sensor("names_asked").state == "8"


async def test_counts_are_told_to_those_who_help(named: Home) -> None:
    """No name, no address, no stranger."""
    await observe(named)
    told = await async_get_config_entry_diagnostics(named.hass, named.entry)
    assert {key: told["dns_gate"][key] for key in ("host", "is_open", "asked", "refused")} == {
        "host": "loopback",
        "is_open": True,
        "asked": 10,
        "refused": 5,
    }
    assert told["dns_gate"]["in_contact"] == told["dns_gate"]["unknown_clients_seen"] == 1
    assert told["appliances"][named.subentry(FRIDGE).subentry_id]["names_asked"] == 8
    for private in ("192.168.77", "private.example", "02:00:00:00:77"):
        assert private not in str(told)


async def test_the_self_test_tells_what_the_gate_answered_wrongly(
    named: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def press() -> State:
        await named.hass.services.async_call(
            "button",
            "press",
            {"entity_id": hub(named, "button", "run_self_test")},
            blocking=True,
        )
        return state(named, hub(named, "binary_sensor", "self_test"))

    assert (await press()).state == STATE_OFF
    # Nowhere in place of the HTTP gate.
    monkeypatch.setattr(
        DnsGate, "_local", lambda _, query, __: answer_nothing(query, NAME_ERROR, 10)
    )
    with pytest.raises(HomeAssistantError):
        await press()
    shown = state(named, hub(named, "binary_sensor", "self_test"))
    assert shown.state == STATE_ON
    assert shown.attributes["failed"] == ["dns: steered"]
    assert shown.attributes["problem"] == "led_nowhere"
    words = read_json("translations/en.json")["entity"]["binary_sensor"]["self_test"]
    assert "led_nowhere" in words["state_attributes"]["problem"]["state"]


async def test_system_health_tells_of_it(named: Home) -> None:
    assert await async_setup_component(named.hass, "system_health", {})
    told = await get_system_health_info(named.hass, DOMAIN)
    assert told["dns_gate"] == "open"
    await named.household.firewall.names.close()
    told = await get_system_health_info(named.hass, DOMAIN)
    assert told["dns_gate"] == "closed"
