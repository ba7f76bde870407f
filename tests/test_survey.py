"""What is concluded about a home: never more than its registries and manifests tell."""

from typing import Any

from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.privacy_firewall import survey
from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.survey import (
    Evidence,
    Origin,
    Sight,
    Starving,
    SurveyedDevice,
    async_survey,
    is_at_home,
    look,
)

MAC = (dr.CONNECTION_NETWORK_MAC, "02:00:00:00:00:01")
OTHER_MAC = (dr.CONNECTION_NETWORK_MAC, "02:00:00:00:00:02")
BLUETOOTH = (dr.CONNECTION_BLUETOOTH, "02:00:00:00:00:03")
ZIGBEE = (dr.CONNECTION_ZIGBEE, "00:11:22:33:44:55:66:77")
UPNP = (dr.CONNECTION_UPNP, "uuid:1")

CLOUD = Origin(domain="vendor", name="Vendor", iot_class="cloud_push")
POLLED = Origin(domain="polled", name="Polled", iot_class="cloud_polling")
LOCAL = Origin(domain="local", name="Local", iot_class="local_push")
ROUTER = Origin(domain="router", name="Router", iot_class="local_polling")
UNKNOWN = Origin(domain="unknown", name="Unknown", iot_class=None)
HOSTED = Origin(domain="hosted", name="Hosted", iot_class="local_push", host="192.168.1.7")
ABROAD = Origin(domain="abroad", name="Abroad", iot_class="cloud_push", host="8.8.8.8")
ORIGINS = {
    origin.domain: origin for origin in (CLOUD, POLLED, LOCAL, ROUTER, UNKNOWN, HOSTED, ABROAD)
}


def device(name: str | None, of: Origin, *connections: tuple[str, str], **more: Any) -> DeviceEntry:
    """A device of an integration whose entry has the integration's name."""
    return DeviceEntry(config_entry_id=of.domain, name=name, connections=set(connections), **more)


def one(*devices: DeviceEntry, **addresses: str) -> SurveyedDevice:
    """What is concluded of a single thing."""
    (surveyed,) = look(devices, ORIGINS, addresses).devices
    return surveyed


@pytest.mark.parametrize(
    ("seen", "sight", "evidence", "where"),
    [
        (device("x", CLOUD, MAC), Sight.COULD_BE_READ, Evidence.CLOUD_WITH_ADDRESS, MAC[1]),
        (device("x", POLLED, MAC), Sight.COULD_BE_READ, Evidence.CLOUD_WITH_ADDRESS, MAC[1]),
        (device("x", LOCAL, MAC), Sight.COULD_BE_READ, Evidence.HOME_WITH_ADDRESS, MAC[1]),
        (device("x", UNKNOWN, MAC), Sight.COULD_BE_READ, Evidence.HOME_WITH_ADDRESS, MAC[1]),
        (device("x", CLOUD, UPNP), Sight.COULD_BE_READ, Evidence.CLOUD_WITH_ADDRESS, "UPnP"),
        (
            device("x", CLOUD, MAC, BLUETOOTH),
            Sight.COULD_BE_READ,
            Evidence.CLOUD_WITH_ADDRESS,
            MAC[1],
        ),
        (
            device("x", CLOUD, configuration_url="http://192.168.1.9:81/setup"),
            Sight.COULD_BE_READ,
            Evidence.CLOUD_WITH_ADDRESS,
            "192.168.1.9",
        ),
        (
            device("x", CLOUD, configuration_url="https://app.vendor.example/devices/1"),
            Sight.BLOCKED_BY_NAME,
            Evidence.CLOUD_WITHOUT_ADDRESS,
            "",
        ),
        (
            device("x", CLOUD, configuration_url="homeassistant://config"),
            Sight.BLOCKED_BY_NAME,
            Evidence.CLOUD_WITHOUT_ADDRESS,
            "",
        ),
        (device("x", HOSTED), Sight.COULD_BE_READ, Evidence.HOME_WITH_ADDRESS, "192.168.1.7"),
        (device("x", ABROAD), Sight.BLOCKED_BY_NAME, Evidence.CLOUD_WITHOUT_ADDRESS, ""),
        (device("x", CLOUD), Sight.BLOCKED_BY_NAME, Evidence.CLOUD_WITHOUT_ADDRESS, ""),
        (device("x", CLOUD, ZIGBEE), Sight.NOT_SEEN, Evidence.RADIO, "Zigbee"),
        (device("x", LOCAL, BLUETOOTH), Sight.NOT_SEEN, Evidence.RADIO, "Bluetooth"),
        (device("x", LOCAL), Sight.NOT_SEEN, Evidence.NOTHING_KNOWN, ""),
        (
            device("x", LOCAL, via_device_id="gone"),
            Sight.NOT_SEEN,
            Evidence.NOTHING_KNOWN,
            "",
        ),
    ],
)
def test_sight(seen: DeviceEntry, sight: Sight, evidence: Evidence, where: str) -> None:
    concluded = one(seen)
    assert (concluded.sight, concluded.evidence, concluded.where) == (sight, evidence, where)


def test_address_seen_on_the_network_is_told() -> None:
    surveyed = look([device("x", CLOUD, MAC)], ORIGINS, {MAC[1]: "192.168.1.31"}).devices[0]
    assert surveyed.where == "192.168.1.31, 02:00:00:00:00:01"


def test_behind_a_hub() -> None:
    """The hub's page and address are the hub's, not those of what is behind it."""
    hub = device("Hub", HOSTED)
    bulb = device("Bulb", HOSTED, via_device_id=hub.id, configuration_url="http://192.168.1.7/")
    by_name = {one.name: one for one in look([bulb, hub], ORIGINS).devices}
    assert by_name["Hub"].evidence is Evidence.HOME_WITH_ADDRESS
    assert by_name["Bulb"].sight is Sight.NOT_SEEN
    assert (by_name["Bulb"].evidence, by_name["Bulb"].where) == (Evidence.BEHIND_HUB, "Hub")


def test_host_of_an_entry_with_several_devices_is_nobodys() -> None:
    surveyed = look([device("a", HOSTED), device("b", HOSTED)], ORIGINS).devices
    assert [one.evidence for one in surveyed] == [Evidence.NOTHING_KNOWN] * 2


def test_entries_with_one_connection_are_one_thing() -> None:
    """The router knows the address of what the cloud's integration shows; the cloud comes first."""
    oven = device("Oven", CLOUD, MAC, OTHER_MAC)
    client = device("ESP_1234", ROUTER, MAC, name_by_user="Our oven")
    other = device("eth0", LOCAL, OTHER_MAC)
    for order in ([oven, client, other], [client, other, oven], [other, client, oven]):
        surveyed = one(*order)
        assert surveyed.name == "Our oven"
        assert surveyed.integrations == ("Vendor", "Local", "Router")
        assert surveyed.evidence is Evidence.CLOUD_WITH_ADDRESS
        assert look(order, ORIGINS).starving == (
            Starving(domain="vendor", name="Vendor", devices=1),
        )


def test_names() -> None:
    """The household's, the integration's, the maker's, in this order."""
    assert one(device("Oven", CLOUD, name_by_user="Ours")).name == "Ours"
    assert one(device(None, CLOUD, model="Oven 3")).name == "Oven 3"
    assert one(device(None, CLOUD, manufacturer="Vendor Ltd")).name == "Vendor Ltd"
    assert one(device(None, CLOUD)).name == "?"


def test_left_out() -> None:
    """Services, disabled devices, and those of entries that do not count."""
    assert look(
        [
            device("weather", CLOUD, entry_type=dr.DeviceEntryType.SERVICE),
            device("off", CLOUD, disabled_by=dr.DeviceEntryDisabler.USER),
            DeviceEntry(config_entry_id="another", name="helper"),
        ],
        ORIGINS,
    ) == survey.Survey(devices=(), starving=())


def test_starving_and_order() -> None:
    """Only integrations that read a cloud starve; the more devices, the sooner they are named."""
    surveyed = look(
        [
            device("z", LOCAL),
            device("b", POLLED),
            device("c", CLOUD),
            device("A", CLOUD),
            device("m", LOCAL, MAC),
            device("k", CLOUD, OTHER_MAC),
        ],
        ORIGINS,
    )
    assert [one.name for one in surveyed.devices] == ["k", "m", "A", "b", "c", "z"]
    assert [one.name for one in surveyed.seen_as(Sight.BLOCKED_BY_NAME)] == ["A", "b", "c"]
    assert surveyed.starving == (
        Starving(domain="vendor", name="Vendor", devices=3),
        Starving(domain="polled", name="Polled", devices=1),
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.168.1.1", True),
        ("[fd00::1]", True),
        ("fe80::1%eth0", True),
        ("printer", True),
        ("Printer.LOCAL.", True),
        ("a.home.arpa", True),
        ("fritz.box", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("8.8.8.8", False),
        ("vendor.example", False),
    ],
)
def test_at_home(host: str, expected: bool) -> None:
    assert is_at_home(host) is expected


async def test_this_home(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests decide what counts: helpers, the sun, Home Assistant's own parts do not."""
    devices = dr.async_get(hass)

    def add(domain: str, name: str, *connections: tuple[str, str], **more: Any) -> None:
        entry = MockConfigEntry(domain=domain, **more)
        entry.add_to_hass(hass)
        devices.async_get_or_create(
            config_entry_id=entry.entry_id,
            identifiers={(domain, name)},
            connections=set(connections),
            name=name,
        )

    add("home_connect", "Oven")
    add("shelly", "Plug", data={"host": "192.168.1.8"})
    add("shelly", "Lamp", OTHER_MAC, data={"host": 7})
    add("home_connect", "Disabled", disabled_by=ConfigEntryDisabler.USER)
    add("home_connect", "Ignored", source=SOURCE_IGNORE)
    add("sun", "Sun")
    add("backup", "Backup")
    add("group", "Group")
    add("bluetooth", "Adapter", BLUETOOTH)
    add("homeassistant_green", "Green", MAC)
    add(DOMAIN, "Fridge")
    add("no_such_integration", "Orphan")
    surveyed = await async_survey(hass)
    assert {(one.name, one.sight, one.where) for one in surveyed.devices} == {
        ("Oven", Sight.BLOCKED_BY_NAME, ""),
        ("Plug", Sight.COULD_BE_READ, "192.168.1.8"),
        ("Lamp", Sight.COULD_BE_READ, OTHER_MAC[1]),
    }
    assert surveyed.starving == (Starving(domain="home_connect", name="Home Connect", devices=1),)
    hass.config.components.add("dhcp")
    monkeypatch.setattr(
        survey,
        "async_discovered_service_info",
        lambda _: [DhcpServiceInfo(ip="192.168.1.9", hostname="lamp", macaddress="020000000002")],
    )
    (lamp,) = (one for one in (await async_survey(hass)).devices if one.name == "Lamp")
    assert lamp.where == "192.168.1.9, 02:00:00:00:00:02"
