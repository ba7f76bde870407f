"""The form of the DNS gate: off by default, tried before it is stored, refused field by field."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
import errno
from pathlib import Path
import socket
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.privacy_firewall import dns_form
from custom_components.privacy_firewall.const import CONF_DNS_GATE
from custom_components.privacy_firewall.dns_stored import MAX_LIST_BYTES, dns_gate as stored
from custom_components.privacy_firewall.engine.naming import Infrastructure, Refusal
from tests.common import Home, a_entry, dns_gate, free_port
from tests.flows import suggested, unspoken


def addresses(*own: str) -> AbstractContextManager[Any]:
    """Let this machine have these addresses."""
    adapter = {
        "name": "eth0",
        "enabled": True,
        "ipv4": [{"address": one, "network_prefix": 24} for one in own if "." in one],
        "ipv6": [{"address": one, "network_prefix": 64} for one in own if ":" in one],
    }
    found = AsyncMock(return_value=[adapter])
    return patch("custom_components.privacy_firewall.places.network.async_get_adapters", found)


@pytest.fixture
def entry(hass: HomeAssistant, socket_enabled: None) -> Iterator[MockConfigEntry]:
    """The entry, added but not set up, on a machine with two addresses."""
    added = a_entry(port=8080)
    added.add_to_hass(hass)
    with addresses("192.168.1.2", "192.168.1.3", "fe80::1", "fd00::2"):
        yield added


@pytest.fixture(autouse=True)
def resolv_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine says whom it asks."""
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# a comment\nsearch lan\nnameserver 192.168.1.1\nnameserver 127.0.0.53\n"
        "nameserver fd00::1\nnameserver nonsense\nnameserver\nnameserver 192.168.1.1\n"
        "nameserver fe80::1%eth0\nnameserver 192.168.1.2\n"
    )
    monkeypatch.setattr(dns_form, "RESOLV_CONF", path)
    return path


async def open_form(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "dns_gate"}
    )
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "dns_gate")
    assert unspoken(result, "options") == []
    return result


async def fill(hass: HomeAssistant, result: Any, **given: Any) -> Any:
    result = await hass.config_entries.options.async_configure(result["flow_id"], given)
    assert unspoken(result, "options") == []
    return result


async def state(hass: HomeAssistant, entry: MockConfigEntry, **changed: Any) -> Any:
    """Fill in a form that would be taken, but for what is changed."""
    return await fill(hass, await open_form(hass, entry), **dns_gate() | changed)


async def test_it_is_off_until_somebody_turns_it_on(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"host": "192.168.1.2", "port": 8080})
    result = await open_form(hass, entry)
    # Whom this machine asks, without what may lead back to the gate.
    assert suggested(result) == {
        "host": "192.168.1.2",
        "resolvers": ["192.168.1.1", "fd00::1"],
    }
    assert result["data_schema"]({"host": "192.168.1.2"}) == {
        "enabled": False,
        "host": "192.168.1.2",
        "port": 53,
        "refusal": "name_error",
        "unknown_clients": "forwarded",
        "tell_of_strangers": True,
    }
    result = await fill(hass, result, host="192.168.1.2")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options[CONF_DNS_GATE]["enabled"] is False
    assert entry.options["who_may_grant"] == "everyone"
    assert stored(entry) is None


async def test_a_machine_that_does_not_say_whom_it_asks(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_form, "RESOLV_CONF", Path("/nowhere"))
    result = await open_form(hass, entry)
    assert suggested(result)["resolvers"] == []


async def test_what_is_chosen_is_normalised_and_kept(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    (Path(hass.config.config_dir) / "ads.txt").write_text("ads.example\n")
    port = free_port()
    result = await state(
        hass,
        entry,
        host=" ::ffff:127.0.0.1 ",
        port=port,
        resolvers=["9.9.9.9@853#dns.quad9.net\n 1.1.1.1#one.example ", "1.1.1.1#one.example"],
        refusal="no_data",
        infrastructure=["time", "firmware"],
        allowed=["Pool.NTP.org."],
        local_domains=["Home", ".corp.example.", "home.arpa", "me.github.io"],
        unknown_clients="refused",
        refused_networks=["192.168.20.7/24", "fd00::/8"],
        lists=["ads.txt"],
        tell_of_strangers=False,
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options[CONF_DNS_GATE] == {
        "enabled": True,
        "host": "127.0.0.1",
        "port": port,
        "resolvers": ["9.9.9.9@853#dns.quad9.net", "1.1.1.1#one.example"],
        "refusal": "no_data",
        "infrastructure": ["time", "firmware"],
        "allowed": ["pool.ntp.org"],
        "local_domains": ["home", "corp.example", "home.arpa", "me.github.io"],
        "unknown_clients": "refused",
        "refused_networks": ["192.168.20.0/24", "fd00::/8"],
        "lists": ["ads.txt"],
        "tell_of_strangers": False,
    }
    # It lets go of what it tried.
    with socket.create_server(("127.0.0.1", port)), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
    chosen = stored(entry)
    assert chosen is not None
    assert chosen.naming.refusal is Refusal.NO_DATA
    assert chosen.naming.infrastructure == {Infrastructure.TIME, Infrastructure.FIRMWARE}
    result = await open_form(hass, entry)
    assert suggested(result) == entry.options[CONF_DNS_GATE]


async def test_a_form_drops_nothing_that_it_does_not_show(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, "left_denied": ["a"], CONF_DNS_GATE: {"later": 1}}
    )
    await state(hass, entry, enabled=False)
    assert entry.options["left_denied"] == ["a"]
    assert entry.options[CONF_DNS_GATE]["later"] == 1


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"host": "gate.lan"}, {"host": "not_an_address"}),
        ({"host": "0.0.0.0"}, {"host": "every_address"}),
        ({"host": "::"}, {"host": "every_address"}),
        ({"host": "8.8.8.8"}, {"host": "public_address"}),
        ({"host": "192.0.2.1"}, {"host": "not_our_address"}),
        ({"resolvers": []}, {"resolvers": "missing"}),
        ({"resolvers": ["dns.quad9.net"]}, {"resolvers": "invalid_resolver"}),
        ({"resolvers": ["9.9.9.9@0"]}, {"resolvers": "invalid_resolver"}),
        ({"resolvers": ["9.9.9.9", "0.0.0.0"]}, {"resolvers": "invalid_resolver"}),
        ({"resolvers": ["224.0.0.251@5353"]}, {"resolvers": "invalid_resolver"}),
        ({"allowed": ["{a|b}.example.org"]}, {"allowed": "invalid_name"}),
        ({"allowed": ["*.example.org"]}, {"allowed": "invalid_name"}),
        ({"allowed": ["https://example.org"]}, {"allowed": "invalid_name"}),
        ({"local_domains": ["no domain"]}, {"local_domains": "invalid_domain"}),
        ({"local_domains": ["a..b"]}, {"local_domains": "invalid_domain"}),
        *(
            ({"local_domains": ["lan", line]}, {"local_domains": "public_suffix"})
            for line in ("com", ".CO.UK.", "github.io", "ck", "foo.ck", "xn--p1ai")
        ),
        ({"refused_networks": ["192.168.1.0/33"]}, {"refused_networks": "invalid_network"}),
        ({"lists": ["nowhere.txt"]}, {"lists": "no_such_file"}),
        ({"lists": ["."]}, {"lists": "no_such_file"}),
        ({"lists": ["../outside.txt"]}, {"lists": "path_not_allowed"}),
        ({"lists": ["/etc/hosts"]}, {"lists": "path_not_allowed"}),
    ],
)
async def test_what_is_wrong_is_said_per_field(
    hass: HomeAssistant, entry: MockConfigEntry, given: dict[str, Any], errors: dict[str, str]
) -> None:
    """Nothing is stored, and what was typed stays in the form."""
    before = dict(entry.options)
    result = await state(hass, entry, **given)
    assert (result["step_id"], result["errors"]) == ("dns_gate", errors)
    for name, typed in given.items():
        assert suggested(result)[name] == typed
    assert entry.options == before
    result = await fill(hass, result, **dns_gate())
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_what_is_off_is_not_tried(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """But what could never be is refused all the same."""
    result = await state(hass, entry, enabled=False, resolvers=["nonsense"])
    assert result["errors"] == {"resolvers": "invalid_resolver"}
    result = await fill(
        hass,
        result,
        **dns_gate(enabled=False, host="192.0.2.1", resolvers=[], lists=["nowhere.txt"]),
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_it_never_asks_itself(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """In whatever spelling; another port of the same address is somebody else."""
    port = free_port()
    for line in (f"127.0.0.1@{port}", f"::ffff:127.0.0.1@{port}"):
        result = await state(hass, entry, port=port, resolvers=["192.168.1.1", line])
        assert result["errors"] == {"resolvers": "resolver_loop"}
    result = await fill(hass, result, **dns_gate(port=port, resolvers=[f"127.0.0.1@{port + 1}"]))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_resolvers_over_tls_stand_alone(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """One in the clear beside them would be asked as soon as somebody blocks the others."""
    port = free_port()
    encrypted = ["9.9.9.9@853#dns.quad9.net", "149.112.112.112#dns.quad9.net"]
    result = await state(hass, entry, port=port, resolvers=[*encrypted, "9.9.9.9"])
    assert result["errors"] == {"resolvers": "resolvers_mixed"}
    result = await fill(hass, result, **dns_gate(port=port, resolvers=encrypted))
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_taken_port_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, kind: socket.SocketKind
) -> None:
    """By really listening there, on UDP and TCP."""
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        result = await state(hass, entry, port=port)
        assert result["errors"] == {"port": "address_in_use"}


async def test_a_port_that_is_not_allowed_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with patch("socket.create_server", side_effect=OSError(errno.EACCES, "no")):
        result = await state(hass, entry, port=53)
    assert result["errors"] == {"port": "port_not_allowed"}


async def test_a_list_that_is_none_is_refused(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    folder = Path(hass.config.config_dir)
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(MAX_LIST_BYTES + 1)
    result = await state(hass, entry, lists=["huge.txt"])
    assert result["errors"] == {"lists": "file_too_large"}
    (folder / "empty.txt").write_text("# nothing\n")
    (folder / "picture.txt").write_bytes(b"\x89PNG\xff")
    for name in ("empty.txt", "picture.txt"):
        result = await state(hass, entry, lists=[name])
        assert result["errors"] == {"lists": "not_a_list"}
    # A link leads where it leads.
    (folder / "link.txt").symlink_to("/etc/hosts")
    result = await state(hass, entry, lists=["link.txt"])
    assert result["errors"] == {"lists": "path_not_allowed"}


@pytest.mark.parametrize("wrong", [{"port": 0}, {"refusal": "loudly"}, {"infrastructure": ["all"]}])
async def test_out_of_bounds_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidData):
        await state(hass, entry, **wrong)


# --- Home Assistant's own place, and where steered appliances arrive ---


def pages(hass: HomeAssistant, port: int, *hosts: str) -> None:
    """Home Assistant's own pages are there; without hosts on every address."""
    hass.config.components.add("http")
    hass.http = Mock(server_port=port, server_host=list(hosts) or None)


@pytest.mark.parametrize(
    ("hosts", "is_taken"),
    [((), True), (("0.0.0.0",), True), (("127.0.0.1",), True), (("127.0.0.9",), False)],
)
async def test_home_assistants_own_place_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, hosts: tuple[str, ...], is_taken: bool
) -> None:
    port = free_port()
    pages(hass, port, *hosts)
    result = await state(hass, entry, port=port)
    assert result.get("errors") == ({"port": "home_assistant_there"} if is_taken else None)


@pytest.mark.parametrize(
    ("place", "page", "said"),
    [
        (("192.168.1.2", 8080), 8123, ["only once you move it there"]),
        (("192.168.1.2", 8080), 80, ["only once you move it there", "pages are on port 80"]),
        (("192.168.1.2", 80), 8123, ["steered appliances find it"]),
        (("127.0.0.1", 80), 8123, ["steered appliances find it", "only this machine"]),
    ],
)
async def test_it_says_where_steered_appliances_arrive(
    hass: HomeAssistant, entry: MockConfigEntry, place: tuple[str, int], page: int, said: list[str]
) -> None:
    pages(hass, page)
    hass.config_entries.async_update_entry(
        entry, data=dict(zip(("host", "port"), place, strict=True))
    )
    told = (await open_form(hass, entry))["description_placeholders"]
    assert told["addresses"] == "`192.168.1.2`, `192.168.1.3`, `fd00::2`"
    everything = {
        "only once you move it there",
        "pages are on port 80",
        "steered appliances find it",
        "only this machine",
        "no second address",
    }
    assert {one for one in everything if one in told["steering"]} == {*said}


async def test_a_machine_with_one_address_is_told_to_get_another(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with addresses("192.168.1.2"):
        told = (await open_form(hass, entry))["description_placeholders"]
    assert "no second address" in told["steering"]


async def test_the_place_that_it_holds_is_no_obstacle(home: Home) -> None:
    """And what is chosen holds at once."""
    hass, entry = home.hass, home.entry
    chosen = dns_gate()
    result = await state(hass, entry, **chosen)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert home.household.firewall.names.is_open
    result = await state(hass, entry, **chosen | {"refusal": "no_data"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert home.household.firewall.names.is_open
