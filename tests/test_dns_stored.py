"""What is stored of the DNS gate, as values; what is broken denies, or keeps the gate closed."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.privacy_firewall.dns_stored import (
    DnsGate,
    are_at_home,
    dns_gate,
    is_wanted,
    list_path,
    list_trouble,
    read_lists,
)
from custom_components.privacy_firewall.engine.naming import Naming, Refusal, Resolver
from tests.common import SECRET, a_entry, dns_gate as stored


def read(**changed: Any) -> DnsGate | None:
    return dns_gate(a_entry(port=8080, dns_gate=stored(**{"port": 53} | changed)))


def test_what_is_chosen_is_read() -> None:
    chosen = read(
        port=53,
        resolvers=["192.168.1.1", "fd00::1@5353"],
        allowed=["pool.ntp.org"],
        local_domains=["corp.example"],
        refused_networks=["192.168.20.0/24"],
        lists=["ads.txt"],
    )
    assert chosen == DnsGate(
        host="127.0.0.1",
        port=53,
        resolvers=(Resolver(address="192.168.1.1"), Resolver(address="fd00::1", port=5353)),
        naming=Naming(
            allowed=frozenset({"pool.ntp.org"}),
            local_domains=frozenset({"corp.example"}),
            has_resolver_at_home=True,
            refused_networks=(ip_network("192.168.20.0/24"),),
        ),
        lists=("ads.txt",),
    )


@pytest.mark.parametrize("options", [{}, {"dns_gate": None}, {"dns_gate": "on"}, {"dns_gate": {}}])
def test_nothing_stored_is_off(options: dict[str, Any]) -> None:
    entry = a_entry(port=8080, **options)
    assert not is_wanted(entry)
    assert dns_gate(entry) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"host": None},
        {"host": "0.0.0.0"},
        {"host": "8.8.8.8"},
        {"port": None},
        {"port": True},
        {"port": 0},
        {"port": 65_536},
        {"resolvers": []},
        {"resolvers": "192.168.1.1"},
        {"resolvers": ["192.168.1.1", "127.0.0.1"]},
        {"resolvers": ["192.168.1.1", SECRET]},
        {"allowed": SECRET},
    ],
)
def test_what_is_broken_stays_closed(
    broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert read(**broken) is None
    assert "stays closed" in caplog.text
    assert SECRET not in caplog.text


def test_what_is_broken_inside_denies() -> None:
    chosen = read(
        enabled=True,
        refusal="loudly",
        infrastructure=["time", "everything"],
        allowed=["*.example.org", "pool.ntp.org"],
        local_domains=["..", "home"],
        refused_networks=["192.168.20.0/99"],
        unknown_clients="forwarded",
    )
    assert chosen is not None
    assert chosen.naming.refusal is Refusal.NAME_ERROR
    assert {*chosen.naming.infrastructure} == {"time"}
    assert chosen.naming.allowed == {"pool.ntp.org"}
    assert chosen.naming.local_domains == {"home"}
    assert chosen.naming.refuses_unknown, "whom a broken network meant is not known"


def test_enabled_is_nothing_but_true() -> None:
    assert not is_wanted(a_entry(port=8080, dns_gate=stored(enabled="yes", port=53)))


@pytest.mark.parametrize(
    ("lines", "at_home"),
    [
        (["192.168.1.1"], True),
        (["127.0.0.1@5335", "fd00::1"], True),
        (["192.168.1.1", "9.9.9.9"], False),
        (["2620:fe::fe"], False),
    ],
)
def test_local_names_are_asked_where_only_the_home_is_asked(
    lines: list[str], at_home: bool
) -> None:
    """Any of the resolvers may be asked, at any time."""
    assert are_at_home([Resolver.parse(one) for one in lines]) is at_home


def test_a_list_is_below_the_folder_or_allowed(hass: HomeAssistant, tmp_path: Path) -> None:
    folder = Path(hass.config.config_dir)
    (folder / "lists").mkdir()
    (folder / "lists" / "a.txt").write_text("a.example")
    assert list_trouble(hass.config, "lists/a.txt") is None
    assert list_trouble(hass.config, str(folder / "lists" / "a.txt")) is None
    assert list_trouble(hass.config, "lists/../../b.txt") == "path_not_allowed"
    assert list_trouble(hass.config, "/etc/hosts") == "path_not_allowed"
    hass.config.allowlist_external_dirs = {"/etc"}
    assert list_trouble(hass.config, "/etc/hosts") is None
    assert list_path(hass.config, "/etc/hosts") == Path("/etc/hosts").resolve()


def test_lists_that_can_be_read_hold_beside_those_that_cannot(hass: HomeAssistant) -> None:
    """Also one that adds nothing to another counts as one that is no list."""
    folder = Path(hass.config.config_dir)
    (folder / "a.txt").write_text("a.example\n")
    (folder / "b.txt").write_text("||b.example^\n")
    (folder / "empty.txt").write_text("# nothing\n")
    listed, unread = read_lists(hass.config, ["empty.txt", "a.txt", "gone.txt", "b.txt"])
    assert unread == 2
    assert listed is not None
    assert listed.has("x.a.example")
    assert listed.has("b.example")
    assert not listed.has("c.example")
    assert read_lists(hass.config, ["empty.txt"]) == (None, 1)
    assert read_lists(hass.config, []) == (None, 0)
