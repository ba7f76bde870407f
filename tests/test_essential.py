"""Essential or not, at home: a fridge asks on a real socket, and what shows it at home breaks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_should_expose,
)
from homeassistant.components.sensor import SensorEntity
from homeassistant.config_entries import ConfigEntry, ConfigFlow
from homeassistant.const import STATE_UNAVAILABLE, EntityCategory, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    MockPlatform,
    MockUser,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

from custom_components.privacy_firewall.const import EVENT_RETRY_STORM
from custom_components.privacy_firewall.diagnostics import async_get_config_entry_diagnostics
from custom_components.privacy_firewall.engine import StorageError
from custom_components.privacy_firewall.engine.events import NamesAsked, RetryStorm
from custom_components.privacy_firewall.entity import WRITE_SECONDS
from custom_components.privacy_firewall.essential import SETTLED_SECONDS
from tests.actions import call, refused
from tests.automations import automate, happen, told
from tests.common import BRUSH, FRIDGE, FROSTLINE, Cloud, Home, a_home, dns_gate
from tests.facts import state, wait
from tests.repairs import settle
from tests.test_dns_at_home import NAME_ERROR, REAL, Resolver, ask
from tests.test_logbook import Book

MQTT = "mqtt1.frostline.example"
HOUR = 3600


@pytest.fixture
async def named(hass: HomeAssistant, cloud: Cloud, repairs: None) -> AsyncIterator[Home]:
    """A home whose DNS gate is on, and whose fridge finds Frostline by a name."""
    assert await async_setup_component(hass, "homeassistant", {})
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Resolver, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    async with a_home(hass, cloud, dns_gate=dns_gate(resolvers=[f"127.0.0.1@{port}"])) as made:
        await made.change(FROSTLINE, endpoints=[], names=["mqtt#.frostline.example"])
        yield made
    transport.close()


class Cold(SensorEntity):
    """An entity of another integration, on the fridge's device."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    _attr_name = "Cold"
    _attr_native_value = 4
    _attr_unique_id = "cold"
    _attr_device_info = DeviceInfo(identifiers={("frosty", "1")}, name="Frosty")

    def breaks(self, *, available: bool = False) -> None:
        self._attr_available = available
        self.async_write_ha_state()


class Linked:
    """That integration, set up with one entity; the fridge is linked with its device."""

    def __init__(self, home: Home) -> None:
        self.home, self.hass = home, home.hass
        self.entry = MockConfigEntry(domain="frosty")
        self.cold = Cold()

    async def set_up(self) -> Linked:
        async def set_up_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
            await hass.config_entries.async_forward_entry_setups(entry, [Platform.SENSOR])
            return True

        async def unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
            return await hass.config_entries.async_unload_platforms(entry, [Platform.SENSOR])

        async def add(
            hass: HomeAssistant, entry: ConfigEntry, add: AddConfigEntryEntitiesCallback
        ) -> None:
            self.cold = Cold()
            add([self.cold])

        mock_integration(
            self.hass,
            MockModule("frosty", async_setup_entry=set_up_entry, async_unload_entry=unload_entry),
        )
        mock_platform(self.hass, "frosty.config_flow")
        mock_platform(self.hass, "frosty.sensor", MockPlatform(async_setup_entry=add))
        self.entry.add_to_hass(self.hass)
        with mock_config_flow("frosty", ConfigFlow):
            assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        device = dr.async_get(self.hass).async_get_device_by_identifier(
            ("frosty", "1"), self.entry.entry_id
        )
        assert device is not None
        await self.home.change(FRIDGE, device_id=device.id)
        return self

    def breaks(self) -> None:
        self.cold.breaks()

    def comes_back(self) -> None:
        self.cold.breaks(available=True)


@pytest.fixture
async def linked(named: Home, freezer: Any) -> Linked:
    made = await Linked(named).set_up()
    await wait(named, freezer, SETTLED_SECONDS)
    return made


async def observe(home: Home, minutes: int = 60) -> None:
    """Let the fridge through for a chosen time, as the household does; 0 stops it."""
    how = {"duration": {"minutes": minutes}} if minutes else {"stop": True}
    await call(home, "let_through", appliance_id=FRIDGE, **how)


async def ask_often(home: Home, freezer: Any, times: int, every: float) -> None:
    for _ in range(times):
        await ask(home, MQTT)
        freezer.tick(every)


def need(home: Home, by: str = FRIDGE) -> State:
    key = f"need_{home.subentry(FROSTLINE).subentry_id}"
    return state(home, home.entity("sensor", key, by=by))


def facts(home: Home) -> list[str]:
    return [one["fact"] for one in need(home).attributes["evidence"]]


# --- Observing ---


async def test_observed_for_a_chosen_time_it_is_monitored_and_not_protected(
    named: Home, freezer: Any
) -> None:
    await observe(named, 25)
    assert named.sensor("protection").state == "monitored"
    assert await ask(named, MQTT) == (0, REAL)
    assert named.is_on(named.entity("binary_sensor", "monitored"))
    assert not named.is_on(named.entity("binary_sensor", "protected"))
    entries = await named.household.firewall.newest_entries()
    assert [one.reason.value for one in entries] == ["let_through"]
    until = named.household.firewall.let_through_until(named.subentry(FRIDGE).subentry_id)
    assert until == pytest.approx(named.household.firewall.now() + 25 * 60, abs=5)
    freezer.tick(25 * 60 + 1)
    assert (await ask(named, MQTT))[0] == NAME_ERROR


# --- What is concluded ---


async def test_what_broke_and_came_back_with_it(linked: Linked, freezer: Any) -> None:
    home = linked.home
    await observe(home)
    await ask(home, MQTT)
    assert need(home).state == "unknown"
    assert need(home).name.endswith("Need of Frostline for service")
    await observe(home, 0)
    await ask(home, MQTT)
    freezer.tick(120)
    linked.breaks()
    await settle(home)
    assert need(home).state == "needed"
    assert not need(home).attributes["stated_by_household"]
    broke = need(home).attributes["evidence"][-1]
    assert broke["fact"] == "broke"
    assert (broke["entity_id"], broke["minutes"]) == (linked.cold.entity_id, 2.0)
    freezer.tick(HOUR)
    await observe(home)
    await ask(home, MQTT)
    linked.comes_back()
    await settle(home)
    assert need(home).state == "needed"
    assert "mended" in facts(home)
    await home.reload()
    assert need(home).state == "needed"


async def test_what_came_back_without_it(linked: Linked, freezer: Any) -> None:
    home = linked.home
    await observe(home)
    await ask(home, MQTT)
    await observe(home, 0)
    await ask(home, MQTT)
    linked.breaks()
    await settle(home)
    assert need(home).state == "needed"
    freezer.tick(HOUR)
    linked.comes_back()
    await settle(home)
    assert need(home).state == "unknown"
    assert "recovered" in facts(home)


@pytest.mark.parametrize("how", ["unloaded", "disabled", "just there", "later", "value changes"])
async def test_what_is_no_breaking(linked: Linked, freezer: Any, how: str) -> None:
    home = linked.home
    if how == "just there":
        linked.breaks()
        linked.comes_back()
        freezer.tick(SETTLED_SECONDS - 60)
    await observe(home)
    await ask(home, MQTT)
    await observe(home, 0)
    await ask(home, MQTT)
    match how:
        case "unloaded":
            assert await home.hass.config_entries.async_unload(linked.entry.entry_id)
            assert state(home, linked.cold.entity_id).state == STATE_UNAVAILABLE
        case "disabled":
            er.async_get(home.hass).async_update_entity(
                linked.cold.entity_id, disabled_by=er.RegistryEntryDisabler.USER
            )
        case "value changes":
            home.hass.states.async_set(linked.cold.entity_id, "unknown")
        case _:
            freezer.tick(1 if how == "just there" else SETTLED_SECONDS + 1)
            linked.breaks()
    await settle(home)
    assert need(home).state == "unknown"
    assert "broke" not in facts(home)


async def test_an_entity_that_changes_its_value_was_available_all_along(
    linked: Linked, freezer: Any
) -> None:
    home = linked.home
    await observe(home)
    await ask(home, MQTT)
    await observe(home, 0)
    await ask(home, MQTT)
    linked.cold._attr_native_value = 5
    linked.cold.async_write_ha_state()
    freezer.tick(60)
    linked.breaks()
    await settle(home)
    assert need(home).state == "needed"


async def days_pass(home: Home, freezer: Any, hours: int) -> None:
    for _ in range(hours):
        freezer.tick(HOUR)
        home.household.firewall.watching.look()
    await settle(home)


async def test_a_day_without_it(linked: Linked, freezer: Any) -> None:
    home = linked.home
    await ask_often(home, freezer, 3, 60)
    await days_pass(home, freezer, 23)
    assert need(home).state == "unknown"
    await days_pass(home, freezer, 2)
    assert need(home).state == "not_needed"
    worked = need(home).attributes["evidence"][-1]
    assert {key: worked[key] for key in ("fact", "asked", "watched")} == {
        "fact": "worked",
        "asked": 3,
        "watched": 1,
    }


async def test_a_day_in_which_something_is_broken(linked: Linked, freezer: Any) -> None:
    home = linked.home
    linked.breaks()
    await ask_often(home, freezer, 3, 60)
    await days_pass(home, freezer, 26)
    assert need(home).state == "unknown"
    linked.comes_back()
    await days_pass(home, freezer, 1)
    assert need(home).state == "not_needed"


async def test_with_nothing_to_watch_nothing_is_known(named: Home, freezer: Any) -> None:
    """Our own entities on its device show nothing of how it does."""
    await ask_often(named, freezer, 3, 60)
    await days_pass(named, freezer, 26)
    assert need(named).state == "unknown"
    assert facts(named) == ["refused", "nothing_watched"]


# --- Storms ---


async def test_a_retry_storm_is_told_aloud(named: Home, freezer: Any) -> None:
    noted = await automate(named.hass, "retry_storm", purpose=["service"])
    fired: list[dict[str, Any]] = []
    named.hass.bus.async_listen(EVENT_RETRY_STORM, lambda event: fired.append(event.data))
    await observe(named)
    await ask_often(named, freezer, 36, 60)
    await observe(named, 0)
    await ask_often(named, freezer, 70, 1)
    fridge, device = named.subentry(FRIDGE).subentry_id, named.household.device
    assert told(noted) == [
        {
            "appliance": FRIDGE,
            "appliance_id": fridge,
            "device_id": device(fridge).id,  # type: ignore[union-attr]
            "recipient": FROSTLINE,
            "recipient_id": named.subentry(FROSTLINE).subentry_id,
            "purpose": "service",
            "gate": "dns",
            # The machine's own time goes on a little beside that of the test.
            "usual_per_hour": pytest.approx(60, abs=1),
            "now_per_hour": pytest.approx(300, abs=6),
        }
    ]
    assert len(fired) == 1
    figures = {"usual_per_hour": 59.7, "now_per_hour": 300.0}
    assert Book(named.hass).line(EVENT_RETRY_STORM, fired[0] | figures) == (
        "Fridge insists on Frostline (service), which it is refused: "
        "300 times an hour, usually 59.7"
    )
    await wait(named, freezer, WRITE_SECONDS)
    shown = need(named)
    assert shown.attributes["usual_per_hour"] == pytest.approx(60, abs=1)
    assert shown.attributes["now_per_hour"] == pytest.approx(420, abs=12)
    assert shown.attributes["evidence"][-2]["fact"] == "retry_storm"
    assert shown.state == "unknown", "insistence is no need"


async def test_a_storm_is_filtered_as_others_are(named: Home) -> None:
    noted = await automate(named.hass, "retry_storm", purpose=["marketing"])
    await happen(
        named,
        RetryStorm(
            appliance_id=named.subentry(FRIDGE).subentry_id,
            recipient_id=named.subentry(FROSTLINE).subentry_id,
            at=1.0,
            gate="dns",
            usual_per_hour=1.0,
            now_per_hour=60.0,
        ),
    )
    assert noted == []


# --- The household's word ---


async def test_the_household_says_what_is_needed(named: Home) -> None:
    await ask(named, MQTT)
    answer = await call(
        named, "set_need", appliance_id=FRIDGE, recipient_id=FROSTLINE, need="not_needed"
    )
    assert answer["need"] == "not_needed"
    assert answer["stated_by_household"] is True
    assert answer["evidence"][-2]["fact"] == "stated"
    assert need(named).state == "not_needed"
    assert need(named).attributes["stated_by_household"]
    await named.reload()
    assert need(named).state == "not_needed"
    await call(named, "set_need", appliance_id=FRIDGE, recipient_id=FROSTLINE, need="observed")
    assert need(named).state == "unknown"
    assert not need(named).attributes["stated_by_household"]


async def test_also_of_what_was_never_asked_for(named: Home) -> None:
    await call(named, "set_need", appliance_id=BRUSH, recipient_id=FROSTLINE, need="needed")
    assert need(named, by=BRUSH).state == "needed"


async def test_what_cannot_be_said(named: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"appliance_id": FRIDGE, "recipient_id": FROSTLINE, "need": "needed"}
    nobody = about | {"recipient_id": "Nobody"}
    await refused("recipient_unknown", call(named, "set_need", **nobody))
    looker = MockUser(groups=[], is_owner=False).add_to_hass(named.hass)
    with pytest.raises(Exception, match="Unauthorized"):
        await call(named, "set_need", user=looker, **about)

    async def full(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    watching = named.household.firewall.watching
    monkeypatch.setattr(watching, "_store", full)
    await refused("measure_not_recorded", call(named, "set_need", **about))
    monkeypatch.undo()
    watching.forget(named.subentry(FRIDGE).subentry_id)
    monkeypatch.setattr("custom_components.privacy_firewall.engine.watching.MAX_PAIRS", 0)
    await refused("need_not_watched", call(named, "set_need", **about))


# --- What is shown ---


async def test_evidence_is_gone_through_when_it_is_written(
    named: Home, freezer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every half a minute at most, however busy the appliance is."""
    await ask(named, MQTT)
    watching = named.household.firewall.watching
    assess, read = watching.assess, []
    monkeypatch.setattr(watching, "assess", lambda *key: read.append(key) or assess(*key))
    fridge = named.subentry(FRIDGE).subentry_id
    for _ in range(50):
        await happen(named, NamesAsked(appliance_id=fridge))
    assert len(read) <= 1
    await ask(named, MQTT)
    await wait(named, freezer, WRITE_SECONDS)
    assert need(named).attributes["evidence"][0]["asked"] == 2


def needs(home: Home) -> list[er.RegistryEntry]:
    registered = er.async_entries_for_config_entry(er.async_get(home.hass), home.entry.entry_id)
    return [one for one in registered if one.translation_key == "need"]


async def test_there_is_one_for_each_that_was_asked_for(named: Home) -> None:
    """Diagnostic, kept from assistants, and gone with its recipient."""
    assert needs(named) == []
    await ask(named, MQTT)
    [one] = needs(named)
    assert one.entity_category is EntityCategory.DIAGNOSTIC
    assert one.disabled_by is None
    assert not any(
        async_should_expose(named.hass, assistant, one.entity_id) for assistant in KNOWN_ASSISTANTS
    )
    await named.remove(FROSTLINE)
    assert needs(named) == []


async def test_it_is_there_while_the_dns_gate_is_on(named: Home) -> None:
    await ask(named, MQTT)
    chosen = named.entry.options["dns_gate"]
    await named.choose(dns_gate=chosen | {"enabled": False})
    assert needs(named) == []
    await named.choose(dns_gate=chosen)
    assert need(named).state == "unknown"


async def test_without_a_dns_gate_there_is_none(home: Home) -> None:
    await home.report()
    assert needs(home) == []


async def test_what_is_forgotten_is_no_longer_shown(named: Home) -> None:
    await call(named, "set_need", appliance_id=FRIDGE, recipient_id=FROSTLINE, need="needed")
    await call(named, "forget", appliance_id=FRIDGE)
    assert need(named).state == "unknown"
    assert need(named).attributes["evidence"] == []
    await named.reload()
    assert need(named).state == "unknown"


async def test_labels_are_counted_for_those_who_help(linked: Linked) -> None:
    """No name, of nobody."""
    home = linked.home
    await ask(home, MQTT)
    await call(home, "set_need", appliance_id=FRIDGE, recipient_id=FROSTLINE, need="needed")
    shown = await async_get_config_entry_diagnostics(home.hass, home.entry)
    appliance = shown["appliances"][home.subentry(FRIDGE).subentry_id]
    assert appliance["needs"] == {"needed": 1}
    assert MQTT not in str(shown)
    assert linked.cold.entity_id not in str(shown)
