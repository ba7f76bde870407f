"""The forms of entry, options, appliances and recipients, each way through and each way back."""

from collections.abc import Iterator
import errno
from http import HTTPStatus
import re
import socket
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import SOURCE_USER, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.model import Endpoint
from tests.common import Home, a_entry, appliance, free_port
from tests.flows import suggested, unspoken

SETUP = "custom_components.privacy_firewall.async_setup_entry"
SOURCE_IP = "homeassistant.components.network.async_get_source_ip"


@pytest.fixture
def setup() -> Iterator[AsyncMock]:
    """What follows a flow, left out."""
    with (
        patch(SETUP, return_value=True) as mocked,
        patch("custom_components.privacy_firewall.async_unload_entry", return_value=True),
    ):
        yield mocked


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    """The entry, added but not set up."""
    added = a_entry(port=8080)
    added.add_to_hass(hass)
    return added


# --- The entry ---


async def at_the_gate(hass: HomeAssistant) -> Any:
    """Go through the first step."""
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    return await hass.config_entries.flow.async_configure(result["flow_id"], {})


async def test_first_step_only_looks(hass: HomeAssistant, setup: AsyncMock) -> None:
    """It asks nothing, no port above all, and lists what was seen."""
    vendor = MockConfigEntry(domain="home_connect")
    vendor.add_to_hass(hass)
    devices = dr.async_get(hass)
    for number in range(22):
        devices.async_get_or_create(
            config_entry_id=vendor.entry_id,
            identifiers={("home_connect", str(number))},
            name=f"Oven [{number:02}]",
        )
    devices.async_get_or_create(
        config_entry_id=vendor.entry_id,
        identifiers={("home_connect", "dryer")},
        connections={(dr.CONNECTION_NETWORK_MAC, "02:00:00:00:00:01")},
        name="Dryer",
    )
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "user")
    assert not result["data_schema"]
    assert unspoken(result, "config") == []
    told = result["description_placeholders"]["survey"]
    # Of groups with nothing in them there is no word.
    headings = [line for line in told.splitlines() if line.startswith("**")]
    assert headings == [
        "**Could be read here: 1**",
        "**Can only be blocked by name: 22**",
        "**Would starve: 1**",
    ]
    lists = [block.splitlines() for block in told.split("\n\n") if block.startswith("- ")]
    assert lists[0] == [
        "- **Dryer**: Home Connect reads it from a cloud; at home it is 02:00:00:00:00:01"
    ]
    assert lists[1][0] == r"- **Oven \[00\]**: Home Connect reads it from a cloud"
    assert len(lists[1]) == 21
    assert lists[1][-1] == "- and 2 more"
    assert lists[2] == ["- Home Connect: 23"]
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "gate")
    assert unspoken(result, "config") == []
    assert not setup.called


async def test_first_step_says_that_it_saw_nothing(hass: HomeAssistant) -> None:
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert result["description_placeholders"] == {
        "survey": "No devices or services that report were found."
    }


@pytest.mark.parametrize(
    ("own", "proposed"),
    [
        ("192.168.1.2", "192.168.1.2"),
        ("203.0.113.9", "203.0.113.9"),  # Documentation's; nobody can reach it from outside.
        ("8.8.8.8", "127.0.0.1"),
        (HomeAssistantError("no address"), "127.0.0.1"),
    ],
)
async def test_gate_proposes_the_address_at_home(
    hass: HomeAssistant, own: Any, proposed: str
) -> None:
    with patch(SOURCE_IP, side_effect=[own]):
        result = await at_the_gate(hass)
    assert suggested(result) == {"host": proposed, "port": 8080}


async def test_gate_is_created(hass: HomeAssistant, setup: AsyncMock, socket_enabled: None) -> None:
    port = free_port()
    result = await at_the_gate(hass)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"host": " 127.0.0.1 ", "port": port}
    )
    assert (result["type"], result["title"]) == (FlowResultType.CREATE_ENTRY, "Privacy Firewall")
    assert result["data"] == {"host": "127.0.0.1", "port": port}
    assert setup.call_count == 1


async def test_there_is_one_entry(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert (result["type"], result["reason"]) == (
        FlowResultType.ABORT,
        "single_instance_allowed",
    )


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("fridge.local", "not_an_address"),
        ("", "not_an_address"),
        ("0.0.0.0", "every_address"),
        ("::", "every_address"),
        ("::ffff:0.0.0.0", "every_address"),
        ("8.8.8.8", "public_address"),
        ("::ffff:8.8.8.8", "public_address"),
        ("2606:4700::1", "public_address"),
        ("224.0.0.1", "public_address"),
        ("192.0.2.1", "not_our_address"),
    ],
)
async def test_gate_refuses_address(
    hass: HomeAssistant, setup: AsyncMock, socket_enabled: None, host: str, error: str
) -> None:
    """And goes on with a better one."""
    result = await at_the_gate(hass)
    port = free_port()
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"host": host, "port": port}
    )
    assert (result["step_id"], result["errors"]) == ("gate", {"host": error})
    assert unspoken(result, "config") == []
    assert suggested(result) == {"host": host, "port": port}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"host": "127.0.0.1", "port": port}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_gate_refuses_taken_port(
    hass: HomeAssistant, setup: AsyncMock, socket_enabled: None
) -> None:
    """By really listening there; and lets go of it afterwards."""
    result = await at_the_gate(hass)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        result = await hass.config_entries.flow.async_configure(result["flow_id"], place)
        assert result["errors"] == {"port": "address_in_use"}
        assert unspoken(result, "config") == []
    result = await hass.config_entries.flow.async_configure(result["flow_id"], place)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    with socket.create_server((place["host"], place["port"])):
        pass


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.EACCES, "port_not_allowed"), (errno.EIO, "cannot_bind"), (None, "cannot_bind")],
)
async def test_gate_refuses_port_that_cannot_be_opened(
    hass: HomeAssistant, setup: AsyncMock, socket_enabled: None, number: int | None, error: str
) -> None:
    result = await at_the_gate(hass)
    place = {"host": "127.0.0.1", "port": free_port()}
    failure = OSError() if number is None else OSError(number, "no")
    with patch("socket.create_server", side_effect=failure):
        result = await hass.config_entries.flow.async_configure(result["flow_id"], place)
    assert result["errors"] == {"port": error}
    assert unspoken(result, "config") == []
    result = await hass.config_entries.flow.async_configure(result["flow_id"], place)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_gate_refuses_home_assistants_own_place(
    hass: HomeAssistant, setup: AsyncMock, socket_enabled: None
) -> None:
    """Also while nobody listens there yet: its pages would find the port taken."""
    result = await at_the_gate(hass)
    port = free_port()
    with patch.object(hass.http, "server_port", port):
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], {"host": "127.0.0.1", "port": port}
        )
        assert result["errors"] == {"port": "home_assistant_there"}
        assert unspoken(result, "config") == []
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"host": "127.0.0.1", "port": port}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("port", [0, 65_536, "http"])
async def test_gate_refuses_what_is_no_port(hass: HomeAssistant, port: Any) -> None:
    result = await at_the_gate(hass)
    with pytest.raises(InvalidData):
        await hass.config_entries.flow.async_configure(
            result["flow_id"], {"host": "127.0.0.1", "port": port}
        )


async def test_gate_moves_and_nothing_else_changes(home: Home) -> None:
    """What a form does not show, it does not drop."""
    hass, entry = home.hass, home.entry
    hass.config_entries.async_update_entry(entry, data={**entry.data, "later": True})
    before, subentries, port = dict(entry.options), dict(entry.subentries), free_port()
    result = await entry.start_reconfigure_flow(hass)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "reconfigure")
    assert unspoken(result, "config") == []
    assert suggested(result) == {"host": "127.0.0.1", "port": entry.data["port"]}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"host": "127.0.0.1", "port": port}
    )
    await hass.async_block_till_done()
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert entry.data == {"host": "127.0.0.1", "port": port, "later": True}
    assert (entry.options, entry.subentries) == (before, subentries)
    assert await home.report() == 200


async def test_gate_stays_where_it_listens(home: Home) -> None:
    """The port that it holds itself is no obstacle; another's is, and then a free one is not."""
    hass, entry = home.hass, home.entry
    here = dict(entry.data)
    result = await entry.start_reconfigure_flow(hass)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        )
    assert result["errors"] == {"port": "address_in_use"}
    result = await hass.config_entries.flow.async_configure(result["flow_id"], here)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == here


async def test_closed_gate_is_tried_before_it_reopens(
    hass: HomeAssistant, entry: MockConfigEntry, socket_enabled: None
) -> None:
    """The same place is tried too while it is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        hass.config_entries.async_update_entry(entry, data=place)
        result = await entry.start_reconfigure_flow(hass)
        result = await hass.config_entries.flow.async_configure(result["flow_id"], place)
        assert result["errors"] == {"port": "address_in_use"}
    result = await hass.config_entries.flow.async_configure(result["flow_id"], place)
    assert result["reason"] == "reconfigure_successful"


OPTIONS = {
    "who_may_grant": "everyone",
    "guardians": False,
    "journal_days": 30,
    "journal_megabytes": 100,
    "keep_values": False,
    "journal_in_backups": False,
}


async def at_the_rules(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    """Open the options and choose the household's rules."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "init")
    assert result["menu_options"] == ["rules", "dns_gate", "handed_out"]
    assert unspoken(result, "options") == []
    return await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "rules"}
    )


async def test_options(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What is asked for changes; other options stay."""
    hass.config_entries.async_update_entry(entry, options={"left_denied": ["a"]})
    result = await at_the_rules(hass, entry)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "rules")
    assert unspoken(result, "options") == []
    assert result["data_schema"]({}) == OPTIONS
    changed = {
        "who_may_grant": "administrators",
        "guardians": True,
        "journal_days": 7.0,
        "journal_megabytes": 20.0,
        "keep_values": True,
        "journal_in_backups": True,
    }
    result = await hass.config_entries.options.async_configure(result["flow_id"], changed)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == changed | {"left_denied": ["a"]}
    assert isinstance(entry.options["journal_days"], int)
    result = await at_the_rules(hass, entry)
    assert suggested(result) == changed


@pytest.mark.parametrize(
    "wrong",
    [
        {"who_may_grant": "nobody"},
        {"journal_days": 0},
        {"journal_days": 3661},
        {"journal_megabytes": 9},
        {"journal_megabytes": "lots"},
        {"another": True},
    ],
)
async def test_options_out_of_bounds_are_refused(
    hass: HomeAssistant, entry: MockConfigEntry, wrong: dict[str, Any]
) -> None:
    before = dict(entry.options)
    result = await at_the_rules(hass, entry)
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(result["flow_id"], wrong)
    assert entry.options == before


# --- Appliances ---

NEW = {"name": "Washer", "use_token": False, "remainder": "redact", "answer": "calm"}
APPLIANCE = "config_subentries", "appliance"


class Form:
    """A subentry's flow, driven; every answer on the way has its words."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry, kind: str) -> None:
        self.hass, self.entry, self.kind = hass, entry, kind
        self.result: Any = None

    async def add(self, **given: Any) -> Any:
        """Open the form for a new one and fill it in."""
        await self.open()
        return await self.fill(**given)

    async def open(self) -> Any:
        """Open the form for a new one."""
        self.result = await self.hass.config_entries.subentries.async_init(
            (self.entry.entry_id, self.kind), context={"source": SOURCE_USER}
        )
        assert self.result["step_id"] == "user"
        return self.result

    async def change(self, subentry: ConfigSubentry, **given: Any) -> Any:
        """Open the form of one that exists, and fill it in if anything is given."""
        self.result = await self.entry.start_subentry_reconfigure_flow(
            self.hass, subentry.subentry_id
        )
        assert self.result["step_id"] == "reconfigure"
        assert unspoken(self.result, "config_subentries", self.kind) == []
        return await self.fill(**given) if given else self.result

    async def fill(self, **given: Any) -> Any:
        """Submit the form shown."""
        assert unspoken(self.result, "config_subentries", self.kind) == []
        self.result = await self.hass.config_entries.subentries.async_configure(
            self.result["flow_id"], given
        )
        assert unspoken(self.result, "config_subentries", self.kind) == []
        return self.result

    @property
    def newest(self) -> ConfigSubentry:
        return list(self.entry.get_subentries_of_type(self.kind))[-1]


@pytest.fixture
def form(hass: HomeAssistant, entry: MockConfigEntry) -> Form:
    """The forms of appliances."""
    return Form(hass, entry, "appliance")


def a_device(hass: HomeAssistant, *macs: str) -> str:
    """A device of another integration."""
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    connections = {(dr.CONNECTION_NETWORK_MAC, mac) for mac in macs}
    return (
        dr.async_get(hass)
        .async_get_or_create(
            config_entry_id=other.entry_id,
            identifiers={("other", "washer")},
            connections=connections | {(dr.CONNECTION_BLUETOOTH, "02:00:00:00:00:99")},
        )
        .id
    )


async def test_appliance_known_by_address(form: Form) -> None:
    """What is typed is stored in one spelling, once."""
    result = await form.add(
        **NEW,
        addresses=["192.168.1.31\n fe80::0:1%eth0 ", "::ffff:192.168.1.31", ""],
        macs=["AA-BB-CC-DD-EE-FF", "aabb.ccdd.eeff"],
    )
    assert (result["type"], result["title"]) == (FlowResultType.CREATE_ENTRY, "Washer")
    assert result["description"] == "bring_its_traffic"
    assert result["description_placeholders"] == {
        "appliance": "Washer",
        "gate": "http://127.0.0.1:8080/",
    }
    assert form.newest.title == "Washer"
    assert dict(form.newest.data) == {
        "name": "Washer",
        "device_id": None,
        "addresses": ["192.168.1.31", "fe80::1"],
        "macs": ["aa:bb:cc:dd:ee:ff"],
        "token": None,
        "base_url": None,
        "remainder": "redact",
        "answer": "calm",
        "promoted": [],
        "owner": None,
    }


async def test_appliance_known_by_token(form: Form) -> None:
    """The last step shows the address to type into it, and what is shown is what is stored."""
    token = NEW | {"use_token": True, "base_url": "HTTPS://API.Vendor.example./v1"}
    result = await form.add(**token)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "token")
    shown = result["description_placeholders"]
    assert shown["base_url"] == "https://api.vendor.example/v1"
    match = re.fullmatch(r"http://127\.0\.0\.1:8080/([\w-]{22})/", shown["gate_url"])
    assert match
    result = await form.fill()
    assert (result["type"], result["description"]) == (FlowResultType.CREATE_ENTRY, None)
    assert form.newest.data["token"] == match[1]
    assert form.newest.data["base_url"] == "https://api.vendor.example/v1"
    await form.add(**token)
    await form.fill()
    assert form.newest.data["token"] != match[1]


async def test_address_to_type_in_has_brackets_for_ipv6(
    hass: HomeAssistant, entry: MockConfigEntry, form: Form
) -> None:
    hass.config_entries.async_update_entry(entry, data={"host": "fd00::2", "port": 81})
    result = await form.add(**NEW | {"use_token": True, "base_url": "http://vendor.example"})
    assert result["description_placeholders"]["gate_url"].startswith("http://[fd00::2]:81/")


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({}, {"base": "not_recognisable"}),
        ({"addresses": ["", " "]}, {"base": "not_recognisable"}),
        ({"name": "  ", "addresses": ["10.0.0.1"]}, {"name": "missing"}),
        ({"addresses": ["10.0.0.1", "10.0.0.256"]}, {"addresses": "invalid_address"}),
        ({"addresses": ["10.0.0.1", "washer"]}, {"addresses": "invalid_address"}),
        ({"addresses": ["10.0.0.1", "0.0.0.0"]}, {"addresses": "invalid_address"}),
        ({"addresses": ["10.0.0.1", "ff02::1"]}, {"addresses": "invalid_address"}),
        ({"addresses": ["10.0.0.1"], "macs": ["02:00:00:00:00"]}, {"macs": "invalid_mac"}),
        ({"addresses": ["10.0.0.1"], "macs": ["00:00:00:00:00:00"]}, {"macs": "invalid_mac"}),
        ({"addresses": ["10.0.0.1"], "macs": ["ff:ff:ff:ff:ff:ff"]}, {"macs": "invalid_mac"}),
        ({"use_token": True}, {"base_url": "base_url_needed"}),
        ({"use_token": True, "base_url": " "}, {"base_url": "base_url_needed"}),
        ({"use_token": True, "base_url": "vendor.example"}, {"base_url": "invalid_base_url"}),
        ({"use_token": True, "base_url": "ftp://vendor.example"}, {"base_url": "invalid_base_url"}),
        (
            {"use_token": True, "base_url": "https://me:secret@vendor.example"},
            {"base_url": "invalid_base_url"},
        ),
        (
            {"use_token": True, "base_url": "https://vendor.example/?id=1"},
            {"base_url": "invalid_base_url"},
        ),
        (
            {"use_token": True, "base_url": "POST https://vendor.example"},
            {"base_url": "invalid_base_url"},
        ),
        (
            {"use_token": True, "base_url": "* https://vendor.example"},
            {"base_url": "invalid_base_url"},
        ),
        (
            {"use_token": True, "base_url": "https://vendor.example:99999"},
            {"base_url": "invalid_base_url"},
        ),
        ({"addresses": ["10.0.0.1"], "base_url": "nowhere"}, {"base_url": "invalid_base_url"}),
        ({"addresses": ["10.0.0.1"], "device_id": "gone"}, {"device_id": "no_such_device"}),
    ],
)
async def test_appliance_is_refused(
    form: Form, given: dict[str, Any], errors: dict[str, str]
) -> None:
    """Nothing is stored, what was typed stays in the form, and a better answer is taken."""
    result = await form.add(**NEW | given)
    assert (result["step_id"], result["errors"]) == ("user", errors)
    assert NEW | given == suggested(result)
    assert not list(form.entry.subentries)
    result = await form.fill(**NEW, addresses=["10.0.0.1"])
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_wrong_fields_are_all_named(form: Form) -> None:
    result = await form.add(**NEW, addresses=["x"], macs=["y"], base_url="z")
    assert result["errors"].keys() == {"addresses", "macs", "base_url", "base"}
    assert result["description_placeholders"] == {"appliance": "", "address": "x", "mac": "y"}


@pytest.mark.parametrize(
    ("field", "value", "typed", "error"),
    [
        ("addresses", "10.0.0.1", "::ffff:10.0.0.1", "address_taken"),
        ("macs", "02:00:00:00:00:01", "02-00-00-00-00-01", "mac_taken"),
    ],
)
async def test_two_appliances_need_tokens_to_share(
    hass: HomeAssistant, field: str, value: str, typed: str, error: str
) -> None:
    """Both of them: the gate cannot tell who calls without one."""
    entry = a_entry(appliance("Dryer", **{field: [value]}), port=8080)
    entry.add_to_hass(hass)
    form = Form(hass, entry, "appliance")
    dryer = form.newest
    result = await form.add(**NEW, **{field: [typed]})
    assert result["errors"] == {field: error}
    assert result["description_placeholders"] == {
        "appliance": "",
        "taken": value,
        "other": "Dryer",
    }
    token = {"use_token": True, "base_url": "http://vendor.example"}
    result = await form.fill(**NEW | token, **{field: [typed]})
    assert result["errors"] == {field: error}
    hass.config_entries.async_update_subentry(entry, dryer, data={**dryer.data, "token": "abc"})
    result = await form.fill(**NEW, **{field: [typed]})
    assert result["errors"] == {field: error}
    result = await form.fill(**NEW | token, **{field: [typed]})
    assert result["step_id"] == "token"
    result = await form.fill()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert form.newest.data[field] == [value]


async def test_device_offers_its_mac(hass: HomeAssistant, form: Form) -> None:
    """Picked beforehand where nothing else recognises the appliance; leaving it out is refused."""
    device = a_device(hass, "02:00:00:00:00:02", "02:00:00:00:00:01")
    result = await form.add(**NEW, device_id=device)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "device_mac")
    assert suggested(result) == {"macs": ["02:00:00:00:00:01", "02:00:00:00:00:02"]}
    result = await form.fill()
    assert (result["step_id"], result["errors"]) == ("device_mac", {"base": "not_recognisable"})
    result = await form.fill(macs=["02:00:00:00:00:02"])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert form.newest.data["device_id"] == device
    assert form.newest.data["macs"] == ["02:00:00:00:00:02"]


async def test_device_mac_may_be_left_out_where_an_address_is_known(
    hass: HomeAssistant, form: Form
) -> None:
    device = a_device(hass, "02:00:00:00:00:01")
    result = await form.add(**NEW, device_id=device, addresses=["10.0.0.1"])
    assert result["step_id"] == "device_mac"
    assert suggested(result) == {"macs": []}
    result = await form.fill()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert form.newest.data["macs"] == []


async def test_device_mac_is_not_offered(hass: HomeAssistant) -> None:
    """Not where one was stated, and not what another appliance is known by."""
    entry = a_entry(appliance("Dryer", macs=["02:00:00:00:00:01"]), port=8080)
    entry.add_to_hass(hass)
    form = Form(hass, entry, "appliance")
    device = a_device(hass, "02:00:00:00:00:01")
    result = await form.add(**NEW, device_id=device)
    assert result["errors"] == {"base": "not_recognisable"}
    result = await form.fill(**NEW, device_id=device, macs=["02:00:00:00:00:03"])
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_part_of_a_device_offers_the_mac_of_the_whole(
    hass: HomeAssistant, form: Form
) -> None:
    whole = a_device(hass, "02:00:00:00:00:01")
    devices = dr.async_get(hass)
    known = devices.async_get(whole)
    assert known is not None
    part = devices.async_get_or_create_child(
        config_entry_id=known.config_entry_id,
        identifiers={("other", "drum")},
        parent_device_id=whole,
    )
    result = await form.add(**NEW, device_id=part.id)
    assert suggested(result) == {"macs": ["02:00:00:00:00:01"]}
    await form.fill(macs=["02:00:00:00:00:01"])
    assert form.newest.data["device_id"] == part.id


async def test_appliance_changes(hass: HomeAssistant) -> None:
    """The form shows what is known; what it does not show stays."""
    device = a_device(hass, "02:00:00:00:00:01")
    entry = a_entry(
        appliance("*Washer*", addresses=["10.0.0.1"], device_id=device, promoted=["p"], later=1),
        port=8080,
    )
    entry.add_to_hass(hass)
    form = Form(hass, entry, "appliance")
    result = await form.change(form.newest)
    assert result["description_placeholders"]["appliance"] == r"\*Washer\*"
    shown = suggested(result)
    as_stored = {"name": "*Washer*", "device_id": device, "addresses": ["10.0.0.1"], "macs": []}
    assert shown == NEW | as_stored
    result = await form.fill(**shown | {"name": "Tumbler", "remainder": "deny", "answer": "refuse"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert form.newest.title == "Tumbler"
    assert dict(form.newest.data) == {
        "name": "Tumbler",
        "device_id": device,
        "addresses": ["10.0.0.1"],
        "macs": [],
        "token": None,
        "base_url": None,
        "remainder": "deny",
        "answer": "refuse",
        "promoted": ["p"],
        "owner": None,
        "later": 1,
    }
    result = await form.change(form.newest, **NEW, macs=["02:00:00:00:00:01"])
    assert result["reason"] == "reconfigure_successful"
    assert (form.newest.data["device_id"], form.newest.data["addresses"]) == (None, [])
    result = await form.change(form.newest, **NEW)
    assert result["errors"] == {"base": "not_recognisable"}
    result = await form.fill(**NEW, addresses=["10.0.0.9"])
    assert result["reason"] == "reconfigure_successful"


async def test_token_stays_changes_and_goes(hass: HomeAssistant) -> None:
    """It is shown again at each change, replaced where that was asked for, and dropped."""
    known = {"token": "old-token", "base_url": "http://vendor.example/"}
    entry = a_entry(appliance("Washer", **known), port=8080)
    entry.add_to_hass(hass)
    form = Form(hass, entry, "appliance")
    given = NEW | {"use_token": True, "base_url": known["base_url"]}
    await form.change(form.newest)
    assert suggested(form.result)["use_token"] is True
    result = await form.fill(**given)
    assert result["step_id"] == "token"
    shown = result["description_placeholders"]["gate_url"]
    assert shown == "http://127.0.0.1:8080/old-token/"
    await form.fill()
    assert form.newest.data["token"] == "old-token"
    result = await form.change(form.newest, **given, new_token=True)
    shown = result["description_placeholders"]["gate_url"]
    assert form.newest.data["token"] == "old-token"
    await form.fill()
    assert shown == f"http://127.0.0.1:8080/{form.newest.data['token']}/"
    assert form.newest.data["token"] != "old-token"
    result = await form.change(form.newest, **NEW, addresses=["10.0.0.1"])
    assert result["reason"] == "reconfigure_successful"
    assert (form.newest.data["token"], form.newest.data["base_url"]) == (None, None)


async def test_data_points_are_picked(home: Home) -> None:
    """Those seen of this appliance; one that was picked and is no longer seen stays picked."""
    await home.report()
    fridge = home.subentry("Fridge")
    home.hass.config_entries.async_update_subentry(
        home.entry, fridge, data={**fridge.data, "promoted": ["gone", home.point("Humidity")]}
    )
    await home.hass.async_block_till_done()
    form = Form(home.hass, home.entry, "appliance")
    result = await form.change(home.subentry("Fridge"))
    inside = result["data_schema"].schema["everything"]
    assert inside.options == {"collapsed": True}
    [picked] = inside.schema.schema.values()
    options = picked.config["options"]
    labels = {option["value"]: option["label"] for option in options}
    assert (
        labels[home.point("Temperature")]
        == "Temperatures and climate: Temperature · $.body.temperature"
    )
    assert labels[home.point("The call itself")] == "Other: The call itself · $.request"
    # By topic, those that tell most of people first.
    assert [label.partition(":")[0] for label in labels.values()] == [
        "Doors and openings",
        "What it is doing",
        "Temperatures and climate",
        "Temperatures and climate",
        "Technical",
        "Other",
    ]
    assert suggested({"data_schema": inside.schema}) == {"promoted": [home.point("Humidity")]}
    shown = suggested(result)
    given = {"everything": {"promoted": [home.point("Temperature")]}}
    result = await form.fill(**shown | given)
    await home.hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    assert home.subentry("Fridge").data["promoted"] == ["gone", home.point("Temperature")]


async def test_at_most_forty_data_points_are_picked(home: Home) -> None:
    report = {"levels": {f"level{chr(97 + n // 26)}{chr(97 + n % 26)}": 1.5 for n in range(45)}}
    await home.report(report)
    fridge = home.subentry("Fridge")
    points = home.household.firewall.data_points(fridge.subentry_id)
    ids = [point.id for point in points]
    assert len(ids) > 41
    form = Form(home.hass, home.entry, "appliance")
    shown = suggested(await form.change(fridge))
    result = await form.fill(**shown | {"everything": {"promoted": ids[:41]}})
    assert result["errors"] == {"everything": "too_many_promoted"}
    result = await form.fill(**shown | {"everything": {"promoted": ids[:40]}})
    await home.hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    assert home.subentry("Fridge").data["promoted"] == ids[:40]


# --- Recipients ---

WHO = {"organisation": "Frostline", "purpose": "service"}
WHERE = ["POST https://api.vendor.example/v1"]


@pytest.fixture
def recipients(hass: HomeAssistant, entry: MockConfigEntry) -> Form:
    """The forms of recipients."""
    return Form(hass, entry, "recipient")


async def test_recipient_is_added(recipients: Form) -> None:
    """Endpoints and paths are stored in their plain spelling, once."""
    result = await recipients.add(
        organisation=" Frostline ",
        purpose="analytics",
        benefit=" Warns of a warm fridge. ",
        endpoints=["post HTTPS://API.vendor.example./v1\nhttps://b.example", *WHERE],
        advanced={
            "functional": ["$.body['serial']", "$.header['x-token']"],
            "neutral": ["$.body.doors.*.open"],
            "framing": " XOR:5A , crc16-modbus:hex",
            "allow_private": False,
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert recipients.newest.title == "Frostline (analytics)"
    assert dict(recipients.newest.data) == {
        "organisation": "Frostline",
        "purpose": "analytics",
        "benefit": "Warns of a warm fridge.",
        "if_refused": "",
        "endpoints": ["POST https://api.vendor.example/v1", "* https://b.example/"],
        "names": [],
        "functional": ["$.body.serial", "$.header['x-token']"],
        "neutral": ["$.body.doors[*].open"],
        "framing": "xor:5a,crc16-modbus:hex",
        "allow_private": False,
        "storage": "",
        "retention": "",
        "policy": "",
    }
    for line in recipients.newest.data["endpoints"]:
        assert str(Endpoint.parse(line)) == line


async def test_purpose_is_not_proposed(recipients: Form) -> None:
    """A household that states none has not decided for one."""
    result = await recipients.open()
    (purpose,) = (marker for marker in result["data_schema"].schema if marker == "purpose")
    assert purpose.default is probatio.UNDEFINED
    assert "purpose" not in suggested(result)
    with pytest.raises(InvalidData):
        await recipients.fill(organisation="Frostline", endpoints=WHERE)
    assert not list(recipients.entry.subentries)


PRIVATE = [
    "http://192.168.1.5/x",
    "http://127.0.0.1:8080/",
    "http://[fd00::1]/",
    "http://100.64.0.1/",
    "http://localhost/",
    "http://nas/",
    "http://nas.local/",
    "http://a.home.arpa/",
]


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"organisation": " "}, {"organisation": "missing"}),
        ({"endpoints": []}, {"endpoints": "endpoint_or_name"}),
        ({"endpoints": [" ", "\n"]}, {"endpoints": "endpoint_or_name"}),
        ({"names": ["not a name"]}, {"names": "invalid_name"}),
        ({"names": ["https://vendor.example/"]}, {"names": "invalid_name"}),
        ({"names": ["mqtt.vendor.example", "{"]}, {"names": "invalid_name"}),
        ({"names": ["broker.lan"]}, {"names": "private_name"}),
        (
            {"endpoints": ["https://a1.vendor.example/"], "names": ["a#.vendor.example"]},
            {"names": "name_is_read"},
        ),
        *(
            ({"endpoints": [*WHERE, line]}, {"endpoints": "invalid_endpoint"})
            for line in (
                "api.vendor.example",
                "ftp://vendor.example",
                "POST https://vendor.example/?key=1",
                "POST https://me:secret@vendor.example/",
                "POST https://vendor.example/a/../b",
                "P0ST https://vendor.example/",
                "https://vendor.example:99999/",
            )
        ),
        *(({"endpoints": [*WHERE, line]}, {"endpoints": "private_endpoint"}) for line in PRIVATE),
        *(
            ({"endpoints": [*WHERE, line]}, {"endpoints": "never_called"})
            for line in ("http://0.0.0.0/", "http://224.0.0.1/", "http://169.254.169.254/")
        ),
        ({"advanced": {"functional": ["body.serial"]}}, {"advanced": "invalid_functional"}),
        ({"advanced": {"functional": ["$..serial"]}}, {"advanced": "invalid_functional"}),
        ({"advanced": {"neutral": ["$.body.doors[-1]"]}}, {"advanced": "invalid_neutral"}),
        *(
            ({"advanced": {"framing": line}}, {"advanced": "invalid_framing"})
            for line in ("hmac-sha256:hex", "xor:00", "crc32:hex,", "xor:" + "5a" * 200)
        ),
    ],
)
async def test_recipient_is_refused(
    recipients: Form, given: dict[str, Any], errors: dict[str, str]
) -> None:
    """Nothing is stored, what was typed stays in the form, and a better answer is taken."""
    result = await recipients.add(**WHO | {"endpoints": WHERE} | given)
    assert (result["step_id"], result["errors"]) == ("user", errors)
    assert suggested(result)["organisation"] == (WHO | given)["organisation"]
    assert not list(recipients.entry.subentries)
    result = await recipients.fill(**WHO, endpoints=WHERE)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("line", PRIVATE)
async def test_endpoint_at_home_may_be_allowed(recipients: Form, line: str) -> None:
    result = await recipients.add(**WHO, endpoints=[line], advanced={"allow_private": True})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert recipients.newest.data["allow_private"] is True
    assert recipients.newest.data["endpoints"] == [str(Endpoint.parse(line))]


async def test_what_is_never_called_cannot_be_allowed(recipients: Form) -> None:
    result = await recipients.add(
        **WHO, endpoints=["http://169.254.169.254/"], advanced={"allow_private": True}
    )
    assert result["errors"] == {"endpoints": "never_called"}


async def test_recipient_exists_once_per_purpose(recipients: Form) -> None:
    await recipients.add(**WHO, endpoints=WHERE)
    result = await recipients.add(**WHO | {"organisation": "FROSTLINE"}, endpoints=WHERE)
    assert result["errors"] == {"organisation": "recipient_exists"}
    result = await recipients.fill(**WHO | {"purpose": "marketing"}, endpoints=WHERE)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_name_in_a_forms_text_is_no_markdown(recipients: Form) -> None:
    """Forms render Markdown, a picture from elsewhere too."""
    await recipients.add(**WHO | {"organisation": "![Vendor](y)"}, endpoints=WHERE)
    result = await recipients.change(recipients.newest)
    shown = result["description_placeholders"]["recipient"]
    assert shown == r"\!\[Vendor\](y) (service)"


async def test_recipient_changes_but_not_who_and_why(recipients: Form) -> None:
    """A consent was given to this organisation for this purpose: neither can be exchanged."""
    advanced = {
        "functional": ["$.body.serial"],
        "neutral": ["$.body.open"],
        "framing": "length:u16-be",
        "allow_private": True,
    }
    await recipients.add(**WHO, benefit="Warns.", endpoints=WHERE, advanced=advanced)
    before = dict(recipients.newest.data)
    result = await recipients.change(recipients.newest)
    assert result["description_placeholders"]["recipient"] == "Frostline (service)"
    assert suggested(result) == {
        "benefit": "Warns.",
        "if_refused": "",
        "endpoints": WHERE,
        "names": [],
    }
    inside = result["data_schema"].schema["advanced"]
    assert suggested({"data_schema": inside.schema}) == advanced
    with pytest.raises(InvalidData):
        await recipients.fill(**WHO | {"purpose": "marketing"}, endpoints=WHERE)
    result = await recipients.fill(endpoints=["nowhere"])
    assert result["errors"] == {"endpoints": "invalid_endpoint"}
    result = await recipients.fill(endpoints=["http://nas.local/"], if_refused="Nothing.")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert dict(recipients.newest.data) == before | {
        "benefit": "",
        "if_refused": "Nothing.",
        "endpoints": ["* http://nas.local/"],
        "names": [],
    }
    assert recipients.newest.title == "Frostline (service)"


async def test_recipient_states_where_it_stores_and_how_long(recipients: Form) -> None:
    """As typed, in one line each; kept when the rest changes, and to be changed itself."""
    policy = "https://vendor.example/privacy"
    stated = {"storage": " Iceland,\n and  Norway ", "retention": "two years", "policy": policy}
    await recipients.add(**WHO, endpoints=WHERE, stated=stated)
    data = recipients.newest.data
    assert (data["storage"], data["retention"], data["policy"]) == (
        "Iceland, and Norway", "two years", policy,
    )  # fmt: skip
    result = await recipients.change(recipients.newest)
    inside = result["data_schema"].schema["stated"]
    shown = suggested({"data_schema": inside.schema})
    assert shown == {"storage": "Iceland, and Norway", "retention": "two years", "policy": policy}
    await recipients.fill(endpoints=WHERE)
    assert recipients.newest.data["storage"] == "Iceland, and Norway"
    await recipients.change(recipients.newest)
    await recipients.fill(endpoints=WHERE, stated={"retention": "a year"})
    data = recipients.newest.data
    assert (data["storage"], data["retention"], data["policy"]) == ("", "a year", "")


@pytest.mark.parametrize(
    ("stated", "error"),
    [
        ({"policy": "javascript:alert(1)"}, "invalid_policy"),
        ({"policy": "vendor.example"}, "invalid_policy"),
        ({"storage": "x" * 501}, "too_long"),
        ({"retention": "x" * 501}, "too_long"),
    ],
)
async def test_what_it_states_is_short_and_its_words_have_an_address(
    recipients: Form, stated: dict[str, str], error: str
) -> None:
    result = await recipients.add(**WHO, endpoints=WHERE, stated=stated)
    assert result["errors"] == {"stated": error}
    assert not list(recipients.entry.subentries)


async def test_recipient_may_have_names_alone(recipients: Form) -> None:
    """As typed, but for case and the root's dot; a name at home where that is allowed."""
    result = await recipients.add(
        **WHO, names=["{EU|us}-mqtt#.vendor.example.\nNTP.vendor.example", "ntp.vendor.example"]
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert recipients.newest.data["endpoints"] == []
    names = ["{eu|us}-mqtt#.vendor.example", "ntp.vendor.example"]
    assert recipients.newest.data["names"] == names
    result = await recipients.change(recipients.newest)
    assert suggested(result)["names"] == names
    result = await recipients.fill()
    assert result["errors"] == {"endpoints": "endpoint_or_name"}
    result = await recipients.fill(names=["broker.lan"], advanced={"allow_private": True})
    assert result["reason"] == "reconfigure_successful"
    assert recipients.newest.data["names"] == ["broker.lan"]


async def test_recipient_form_knows_what_a_repair_knew(
    hass: HomeAssistant, recipients: Form
) -> None:
    """The endpoints are proposed; who it is remains to be said."""
    recipients.result = await hass.config_entries.subentries.async_init(
        (recipients.entry.entry_id, "recipient"),
        context={"source": SOURCE_USER},
        data={"endpoints": WHERE},
    )
    assert suggested(recipients.result) == {"endpoints": WHERE}
    assert not recipients.result["errors"]
    result = await recipients.fill(**WHO, endpoints=WHERE)
    assert result["type"] is FlowResultType.CREATE_ENTRY


# --- Whose data it tells ---


def a_person(hass: HomeAssistant, name: str = "anna") -> er.RegistryEntry:
    return er.async_get(hass).async_get_or_create("person", "person", name)


async def test_appliance_of_a_person_is_stored_by_their_registry_id(
    hass: HomeAssistant, form: Form
) -> None:
    """Which a new name does not change; the form shows them by that name."""
    anna = a_person(hass)
    result = await form.add(**NEW, addresses=["10.0.0.1"], owner=anna.entity_id)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert form.newest.data["owner"] == anna.id
    er.async_get(hass).async_update_entity(anna.entity_id, new_entity_id="person.anne")
    result = await form.change(form.newest)
    assert suggested(result)["owner"] == "person.anne"
    await form.fill(**NEW, addresses=["10.0.0.1"], owner="person.anne")
    assert form.newest.data["owner"] == anna.id


async def test_appliance_is_the_households_where_nobody_is_picked(
    hass: HomeAssistant, form: Form
) -> None:
    anna = a_person(hass)
    await form.add(**NEW, addresses=["10.0.0.1"], owner=anna.entity_id)
    await form.change(form.newest, **NEW, addresses=["10.0.0.1"])
    assert form.newest.data["owner"] is None


async def test_appliance_of_a_person_who_is_gone_stays_theirs(
    hass: HomeAssistant, form: Form
) -> None:
    """Or a form that cannot show them would make it everybody's."""
    anna = a_person(hass)
    await form.add(**NEW, addresses=["10.0.0.1"], owner=anna.entity_id)
    er.async_get(hass).async_remove(anna.entity_id)
    result = await form.change(form.newest)
    assert suggested(result)["owner"] == anna.id
    result = await form.fill(**NEW, addresses=["10.0.0.1"], owner=suggested(result)["owner"])
    assert result["reason"] == "reconfigure_successful"
    assert form.newest.data["owner"] == anna.id


@pytest.mark.parametrize("picked", ["light.lamp", "person.nobody", "0" * 32])
async def test_appliance_belongs_to_no_thing(hass: HomeAssistant, form: Form, picked: str) -> None:
    er.async_get(hass).async_get_or_create("light", "other", "lamp", suggested_object_id="lamp")
    result = await form.add(**NEW, addresses=["10.0.0.1"], owner=picked)
    assert result["errors"] == {"owner": "no_such_person"}
    result = await form.fill(**NEW, addresses=["10.0.0.1"])
    assert result["type"] is FlowResultType.CREATE_ENTRY


# --- As the frontend sees them ---


async def test_forms_over_rest(
    hass: HomeAssistant, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """Every form can be put on a screen, and filled in with what the screen sends."""
    for needed in ("network", "websocket_api", "config"):
        assert await async_setup_component(hass, needed, {})
    client = await hass_client()

    async def post(path: str, given: dict[str, Any]) -> Any:
        answer = await client.post(f"/api/config/config_entries/{path}", json=given)
        assert answer.status == HTTPStatus.OK, await answer.text()
        return await answer.json()

    shown = await post("options/flow", {"handler": entry.entry_id})
    assert shown["menu_options"] == ["rules", "dns_gate", "handed_out"]
    rules = await post(f"options/flow/{shown['flow_id']}", {"next_step_id": "rules"})
    assert [field["name"] for field in rules["data_schema"]] == list(OPTIONS)
    shown = await post("options/flow", {"handler": entry.entry_id})
    names = await post(f"options/flow/{shown['flow_id']}", {"next_step_id": "dns_gate"})
    assert len(names["data_schema"]) == 12
    url = "subentries/flow"
    shown = await post(url, {"handler": [entry.entry_id, "recipient"]})
    assert [field["name"] for field in shown["data_schema"]] == [
        "organisation",
        "purpose",
        "benefit",
        "if_refused",
        "endpoints",
        "names",
        "stated",
        "advanced",
    ]
    advanced = shown["data_schema"][-1]
    assert (advanced["type"], advanced["expanded"]) == ("expandable", False)
    inside = [field["name"] for field in advanced["schema"]]
    assert inside == ["functional", "neutral", "framing", "allow_private"]
    ended = await post(f"{url}/{shown['flow_id']}", WHO | {"endpoints": WHERE})
    assert ended["type"] == "create_entry"
    shown = await post(url, {"handler": [entry.entry_id, "appliance"]})
    assert [field["name"] for field in shown["data_schema"]] == [
        "name",
        "device_id",
        "owner",
        "addresses",
        "macs",
        "use_token",
        "base_url",
        "remainder",
        "answer",
    ]
    token = {"use_token": True, "base_url": "http://vendor.example"}
    shown = await post(f"{url}/{shown['flow_id']}", {"name": "Washer"} | token)
    assert (shown["step_id"], shown["data_schema"]) == ("token", [])
    ended = await post(f"{url}/{shown['flow_id']}", {})
    assert ended["type"] == "create_entry"
    (washer,) = entry.get_subentries_of_type("appliance")
    assert (washer.data["remainder"], washer.data["answer"]) == ("redact", "calm")
    shown = await post(
        url, {"handler": [entry.entry_id, "appliance"], "subentry_id": washer.subentry_id}
    )
    assert shown["step_id"] == "reconfigure"
    assert "new_token" in [field["name"] for field in shown["data_schema"]]
