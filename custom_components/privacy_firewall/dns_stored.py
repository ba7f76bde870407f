"""What the household chose for the DNS gate, as the entry stores it, turned into values.

Stored data is trusted in nothing: what is broken is left out where that denies, else it is denied
by name; without a place or a resolver that can be read the gate stays closed.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
import logging
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core_config import Config

from .const import (
    CONF_ALLOWED,
    CONF_DNS_GATE,
    CONF_ENABLED,
    CONF_INFRASTRUCTURE,
    CONF_LISTS,
    CONF_LOCAL_DOMAINS,
    CONF_REFUSAL,
    CONF_REFUSED_NETWORKS,
    CONF_RESOLVERS,
    CONF_TELL_OF_STRANGERS,
    CONF_UNKNOWN_CLIENTS,
    FORWARDED,
)
from .engine import ListError, expand_name, fold_name, load_lists
from .engine.naming import Infrastructure, Listed, Naming, Refusal, Resolver
from .forms import read_address
from .places import address_trouble

_LOGGER = logging.getLogger(__name__)
MAX_LIST_BYTES = 50_000_000
"""Bytes that a list may have: some million names. What is longer is no list, but a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsGate:
    """What the household chose. `naming` lacks what is only known at run time.

    `lists` are files as stated: below the configuration folder, or an allowed path.
    """

    host: str
    port: int
    resolvers: tuple[Resolver, ...]
    naming: Naming
    lists: tuple[str, ...] = ()
    tells_of_strangers: bool = True


def is_wanted(entry: ConfigEntry[Any]) -> bool:
    """Tell whether the household turned the DNS gate on."""
    return _mapping(entry).get(CONF_ENABLED) is True


def dns_gate(entry: ConfigEntry[Any]) -> DnsGate | None:
    """Return what the household chose; None where the gate is off, or to stay closed."""
    if not is_wanted(entry):
        return None
    stored = _mapping(entry)
    try:
        return _read(stored)
    except (KeyError, TypeError, ValueError) as err:
        _LOGGER.warning(
            "What is stored of the DNS gate cannot be read, so that it stays closed (%s)",
            type(err).__name__,
        )
        return None


def _mapping(entry: ConfigEntry[Any]) -> Mapping[str, Any]:
    stored = entry.options.get(CONF_DNS_GATE)
    return stored if isinstance(stored, Mapping) else {}


def _read(stored: Mapping[str, Any]) -> DnsGate:
    address = read_address(str(stored[CONF_HOST]))
    port = stored[CONF_PORT]
    if address_trouble(address) is not None or isinstance(port, bool) or not 0 < port < 65536:
        raise ValueError("a place is wanted where a gate may listen")
    resolvers = tuple(Resolver.parse(line) for line in _texts(stored, CONF_RESOLVERS))
    if not resolvers:
        raise ValueError("a resolver is wanted")
    if any((one.address, one.port) == (str(address), port) for one in resolvers):
        raise ValueError("the gate cannot ask itself")
    networks: list[IPv4Network | IPv6Network] = []
    refuses_unknown = stored.get(CONF_UNKNOWN_CLIENTS, FORWARDED) != FORWARDED
    for line in _texts(stored, CONF_REFUSED_NETWORKS):
        try:
            networks.append(ip_network(line, strict=False))
        except ValueError:
            # Whom it meant is not known: nobody unknown is served then.
            refuses_unknown = True
    return DnsGate(
        host=str(address),
        port=port,
        resolvers=resolvers,
        naming=Naming(
            refusal=_refusal(stored),
            infrastructure=frozenset(
                kind for kind in Infrastructure if kind in _texts(stored, CONF_INFRASTRUCTURE)
            ),
            allowed=frozenset(_readable(_texts(stored, CONF_ALLOWED), exact_name)),
            local_domains=frozenset(_readable(_texts(stored, CONF_LOCAL_DOMAINS), domain)),
            has_resolver_at_home=are_at_home(resolvers),
            refuses_unknown=refuses_unknown,
            refused_networks=tuple(networks),
        ),
        lists=tuple(_texts(stored, CONF_LISTS)),
        tells_of_strangers=stored.get(CONF_TELL_OF_STRANGERS) is not False,
    )


def _refusal(stored: Mapping[str, Any]) -> Refusal:
    with suppress(ValueError):
        return Refusal(str(stored.get(CONF_REFUSAL)))
    return Refusal.NAME_ERROR


def _texts(stored: Mapping[str, Any], key: str) -> list[str]:
    value = stored.get(key, ())
    # A lone text would be taken apart into its letters.
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise TypeError("a list of texts is wanted")
    return list(value)


def _readable(lines: Iterable[str], read: Any) -> Iterable[str]:
    for line in lines:
        with suppress(ValueError):
            yield read(line)


def exact_name(line: str) -> str:
    """Read a host's name; raises `ValueError` for anything else, a template for one."""
    name = fold_name(line)
    if expand_name(name) != (name,):
        raise ValueError("one name is wanted")
    return name


def domain(line: str) -> str:
    """Read a domain, which may be one label as `lan`; raises `ValueError`."""
    return fold_name(line.strip().removeprefix("."))


def are_at_home(resolvers: Iterable[Resolver]) -> bool:
    """Tell whether only resolvers at home are asked: any of them may be, at any time."""
    addresses = [read_address(one.address) for one in resolvers]
    return all(one is not None and (one.is_private or one.is_link_local) for one in addresses)


def list_trouble(config: Config, line: str) -> str | None:
    """Return why a file is not read as a list, as an error's key; None where it is. Blocks."""
    path = list_path(config, line)
    folder = Path(config.config_dir).resolve()
    if not path.is_relative_to(folder) and not config.is_allowed_path(str(path)):
        return "path_not_allowed"
    try:
        if not path.is_file():
            return "no_such_file"
        return "file_too_large" if path.stat().st_size > MAX_LIST_BYTES else None
    except OSError:
        return "no_such_file"


def read_lists(config: Config, lines: Iterable[str]) -> tuple[Listed | None, int]:
    """Read the lists that can be read, and count those that cannot. Blocks."""
    stated = list(lines)
    paths = [list_path(config, one) for one in stated if list_trouble(config, one) is None]
    listed: Listed | None = None
    good: list[Path] = []
    try:
        listed, good = load_lists(paths) if paths else None, paths
    except ListError:
        # Which one it was is found out by trying.
        for path in paths:
            with suppress(ListError):
                listed, good = load_lists([*good, path]), [*good, path]
    return listed, len(stated) - len(good)


def lists_trouble(config: Config, lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return which lists refuse nothing, each with why as an error's key. Blocks."""
    found: list[tuple[str, str]] = []
    good: list[Path] = []
    for line in lines:
        why = list_trouble(config, line)
        if why is None and not is_list(config, line):
            why = "not_a_list"
        if why is None:
            try:
                load_lists([*good, path := list_path(config, line)])
            except ListError:
                why = "adds_nothing"
            else:
                good.append(path)
        if why is not None:
            found.append((line, why))
    return found


def is_list(config: Config, line: str) -> bool:
    """Tell whether there are names in a file. Blocks."""
    try:
        load_lists([list_path(config, line)])
    except ListError:
        return False
    return True


def list_path(config: Config, line: str) -> Path:
    """Return the file meant, wherever links lead; what is relative is below the folder. Blocks."""
    return Path(config.path(line)).resolve()
