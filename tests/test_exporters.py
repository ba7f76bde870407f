"""Exporters: who is loaded, where it sends, and what it gets by its own filter. No credentials.

MQTT statestream is set up for real. The libraries of the others are not installed here: of those,
Home Assistant is only told that they are loaded, and their configuration is read.
"""

from collections.abc import Callable, Iterator
import json
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.privacy_firewall.exporters import (
    Exporter,
    Gets,
    async_exporting,
    host_of,
)
from tests.common import FRIDGE, Cloud, a_device, a_home, configuration
from tests.facts import hub, state

DOOR = "binary_sensor.kitchen_fridge_door"
LIGHT = "light.fridge"
YES, NO, UNKNOWN = Gets.YES, Gets.NO, Gets.UNKNOWN
TOKEN = "sesame-open-93"


type Load = Callable[..., None]


@pytest.fixture
def loaded(hass: HomeAssistant) -> Iterator[Load]:
    """Have an integration loaded, with an entry where it has data."""
    entries: list[MockConfigEntry] = []

    def load(domain: str, **data: Any) -> None:
        hass.config.components.add(domain)
        if data:
            entry = MockConfigEntry(domain=domain, data=data, state=ConfigEntryState.LOADED)
            entry.add_to_hass(hass)
            entries.append(entry)

    yield load
    for entry in entries:
        # Nothing of it runs that could be unloaded.
        entry.mock_state(hass, ConfigEntryState.NOT_LOADED)


async def found(hass: HomeAssistant) -> dict[str, Exporter]:
    return {one.domain: one for one in (await async_exporting(hass)).exporters}


def judged(exporter: Exporter) -> tuple[Gets, Gets]:
    """What it gets of door and light."""
    return exporter.judge(DOOR), exporter.judge(LIGHT)


@pytest.mark.parametrize(
    ("domain", "section", "gets"),
    [
        ("mqtt_statestream", {"include": {"domains": ["light"]}}, (NO, YES)),
        ("mqtt_statestream", {"exclude": {"entities": [LIGHT]}}, (YES, NO)),
        ("mqtt_statestream", {"include": None}, (YES, YES)),
        ("zabbix", {"exclude": {"entity_globs": ["*door"]}}, (NO, YES)),
        ("prometheus", {"filter": {"include_domains": ["light"]}}, (NO, YES)),
        ("prometheus", {"filter": {"exclude_entity_globs": ["light.*"]}}, (YES, NO)),
        ("prometheus", {}, (YES, YES)),
        ("google_pubsub", {"filter": {"include_entities": [DOOR]}}, (YES, NO)),
        ("apache_kafka", {"filter": {"exclude_domains": ["binary_sensor"]}}, (NO, YES)),
        ("graphite", {}, (YES, YES)),
        ("statsd", {}, (YES, YES)),
        ("emoncms_history", {"whitelist": [LIGHT]}, (NO, YES)),
        ("alexa", {"smart_home": {"filter": {"include_domains": ["light"]}}}, (NO, YES)),
        ("alexa", {"smart_home": {}}, (YES, YES)),
        ("google_assistant", {"exposed_domains": ["light"]}, (NO, YES)),
        ("google_assistant", {"entity_config": {DOOR: {"expose": False}}}, (NO, UNKNOWN)),
        ("google_assistant", {"project_id": "x", "expose_by_default": False}, (NO, NO)),
        ("prometheus", {"filter": "everything"}, (UNKNOWN, UNKNOWN)),
        ("mqtt_statestream", {"include": {"domains": {"a": 1}}}, (UNKNOWN, UNKNOWN)),
        ("emoncms_history", {"whitelist": 5}, (UNKNOWN, UNKNOWN)),
    ],
)
async def test_each_is_judged_by_its_own_filter(
    hass: HomeAssistant,
    loaded: Load,
    domain: str,
    section: dict[str, Any],
    gets: tuple[Gets, Gets],
) -> None:
    configuration(hass, json.dumps({domain: section}))
    loaded(domain)
    assert judged((await found(hass))[domain]) == gets


async def test_settings_and_what_is_hidden_are_not_for_a_skill_of_ones_own(
    hass: HomeAssistant, loaded: Load
) -> None:
    configuration(hass, json.dumps({"alexa": {"smart_home": None}}))
    loaded("alexa")
    setting = er.async_get(hass).async_get_or_create(
        "switch", "vendor", "mode", entity_category=EntityCategory.CONFIG
    )
    skill = (await found(hass))["alexa"]
    assert (skill.judge(setting.entity_id), skill.judge(DOOR)) == (NO, YES)


async def test_only_what_is_loaded_exports(hass: HomeAssistant, loaded: Load) -> None:
    configuration(hass, json.dumps({"prometheus": {}, "alexa": {}, "influxdb": {}}))
    assert await found(hass) == {}
    # Loaded by the cloud, and without an entry.
    loaded("alexa")
    loaded("google_assistant")
    loaded("influxdb")
    assert await found(hass) == {}
    loaded("influxdb", host="influx.example", password=TOKEN)
    assert [*await found(hass)] == ["influxdb"]


async def test_a_file_that_cannot_be_read_leaves_it_open(hass: HomeAssistant, loaded: Load) -> None:
    configuration(hass, "prometheus: [")
    loaded("prometheus")
    loaded("datadog", host="127.0.0.1")
    exporting = await async_exporting(hass)
    assert [judged(one) for one in exporting.exporters] == [(UNKNOWN, UNKNOWN)] * 2
    # Nor can be told whether assistants of the cloud go by the exposure.
    assert exporting.filtered == {"cloud.alexa", "cloud.google_assistant"}


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("influx.example", "influx.example"),
        (f"https://anna:{TOKEN}@influx.example:8086/write?token={TOKEN}", "influx.example"),
        (f"anna:{TOKEN}@influx.example", "influx.example"),
        ("192.0.2.7:8086", "192.0.2.7"),
        ("[2001:db8::1]:8086", "2001:db8::1"),
        # A slash in a password: what then stands first is a piece of it.
        (f"http://{TOKEN}/en@influx.example", None),
        (f"{TOKEN}/en@influx.example", None),
        ("https://influx.example/write", "influx.example"),
        ("http://[broken", None),
        ("", None),
        (None, None),
        (8086, None),
        ("x" * 500, "x" * 100),
    ],
)
def test_a_destination_is_a_host_and_nothing_else(said: object, host: str | None) -> None:
    assert host_of(said) == host


async def test_the_bridge_to_apple_home_goes_by_its_entry(
    hass: HomeAssistant, loaded: Load
) -> None:
    configuration(hass, "")
    loaded("homekit", filter={"include_domains": ["light"]})
    bridge = (await found(hass))["homekit"]
    assert judged(bridge) == (NO, YES)
    assert bridge.stays_home


STREAM = {"base_topic": "home", "include": {"domains": ["binary_sensor"]}}


@pytest.fixture
async def statestream(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """MQTT statestream as Home Assistant sets it up."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "mqtt_statestream", {"mqtt_statestream": STREAM})


# Home Assistant's own mock of MQTT stands in for the file as well. That leaves a timer of its own
# where the machine was too busy for its first round.
@pytest.mark.parametrize("expected_lingering_timers", [True])
@pytest.mark.parametrize("hass_config", [{"mqtt_statestream": STREAM}])
async def test_the_sensor_says_what_is_really_published(
    hass: HomeAssistant,
    cloud: Cloud,
    loaded: Load,
    statestream: None,
    mqtt_mock: MqttMockHAClient,
) -> None:
    device = a_device(hass)
    registry = er.async_get(hass)
    door, light = (
        registry.async_get_or_create(domain, "vendor", domain, device_id=device.id).entity_id
        for domain in ("binary_sensor", "light")
    )
    loaded("influxdb", url=f"https://u:{TOKEN}@influx.example", token=TOKEN)
    async with a_home(hass, cloud, handed_out={"enabled": True, "entities": []}) as home:
        await home.change(FRIDGE, device_id=device.id)
        shown = state(home, hub(home, "sensor", "exporters"))
        assert shown.state == "2"
        assert TOKEN not in str(shown.attributes)
        influx, stream = shown.attributes["exporters"]
        assert (influx["destination"], influx["gets_it"]) == ("influx.example", 2)
        assert (stream["name"], stream["gets_it"], stream["does_not_get_it"]) == (
            "MQTT Statestream", 1, 1,
        )  # fmt: skip
        assert stream["entities"] == [door]
        mqtt_mock.async_publish.reset_mock()
        hass.states.async_set(door, "on")
        hass.states.async_set(light, "on")
        await hass.async_block_till_done()
        topics = [one.args[0] for one in mqtt_mock.async_publish.mock_calls]
        assert topics == [f"home/{door.replace('.', '/')}/state"]


async def test_it_is_there_while_the_household_wants_it(hass: HomeAssistant, cloud: Cloud) -> None:
    configuration(hass, "")
    assert await async_setup_component(hass, "homeassistant", {})
    async with a_home(hass, cloud) as home:
        for wanted in (True, False, True):
            await home.choose(handed_out={"enabled": wanted, "entities": []})
            there = er.async_get(hass).async_get_entity_id(
                "sensor", "privacy_firewall", f"{home.entry.entry_id}_exporters"
            )
            assert (there is not None) is wanted
        assert state(home, there or "").state == "0"
