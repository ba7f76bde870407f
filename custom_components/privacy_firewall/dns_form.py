"""The form of the DNS gate: what it asks, how typing is read, and what it tells of this machine."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

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
    DNS_PORT,
    FORWARDED,
    REFUSED,
)
from .dns_stored import domain, exact_name, is_list, list_trouble
from .engine.naming import Infrastructure, Refusal, Resolver
from .faces import async_faces
from .forms import LINES, TEXT, Check, async_words, choice, read_address, read_lines
from .places import (
    address_trouble,
    async_own_addresses,
    is_home_assistants,
    try_to_listen,
)

RESOLV_CONF = Path("/etc/resolv.conf")
"""Where this machine says whom it asks (resolv.conf(5))."""
HTTP_PORT = 80

SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_ENABLED, default=False): BooleanSelector(),
        probatio.Required(CONF_HOST): TEXT,
        probatio.Required(CONF_PORT, default=DNS_PORT): cv.port,
        probatio.Optional(CONF_RESOLVERS): LINES,
        probatio.Required(CONF_REFUSAL, default=Refusal.NAME_ERROR.value): choice(
            Refusal, CONF_REFUSAL
        ),
        probatio.Optional(CONF_INFRASTRUCTURE): SelectSelector(
            SelectSelectorConfig(
                options=[one.value for one in Infrastructure],
                translation_key=CONF_INFRASTRUCTURE,
                multiple=True,
                mode=SelectSelectorMode.LIST,
            )
        ),
        probatio.Optional(CONF_ALLOWED): LINES,
        probatio.Optional(CONF_LOCAL_DOMAINS): LINES,
        probatio.Required(CONF_UNKNOWN_CLIENTS, default=FORWARDED): choice(
            (FORWARDED, REFUSED), CONF_UNKNOWN_CLIENTS
        ),
        probatio.Optional(CONF_REFUSED_NETWORKS): LINES,
        probatio.Optional(CONF_LISTS): LINES,
        probatio.Required(CONF_TELL_OF_STRANGERS, default=True): BooleanSelector(),
    }
)


async def async_suggest(hass: HomeAssistant, entry: ConfigEntry) -> Mapping[str, Any]:
    """Return what is stored, or where nothing is, the HTTP gate's address and whom we ask."""
    if stored := entry.options.get(CONF_DNS_GATE):
        return dict(stored)
    host = str(entry.data[CONF_HOST])
    return {
        CONF_HOST: host,
        CONF_RESOLVERS: await hass.async_add_executor_job(_asked_by_this_machine, host),
    }


def _asked_by_this_machine(host: str) -> list[str]:
    """Return whom this machine asks, but for whom asking may come back to us. Blocks."""
    try:
        lines = RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    named = (line.split()[1:2] for line in lines if line.split()[:1] == ["nameserver"])
    addresses = (read_address(one) for words in named for one in words)
    return list(
        dict.fromkeys(
            str(one)
            for one in addresses
            # A loopback's own resolvers are those that the network's DHCP names: us, in the end.
            if one is not None
            and not (one.is_loopback or one.is_unspecified or one.is_link_local)
            and str(one) != host
        )
    )


async def async_surroundings(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, str]:
    """Say where steered appliances arrive, and which addresses there are to choose from."""
    host, port = str(entry.data[CONF_HOST]), int(entry.data[CONF_PORT])
    words = await async_words(hass, "steering")
    is_reached = port == HTTP_PORT
    addresses = [f"`{one}`" for one in await async_own_addresses(hass)]
    steering = words.get("on_80" if is_reached else "not_on_80", "{gate}")
    told = [steering.format(gate=f"`{host}`", port=port)]
    if (own := read_address(host)) is not None and own.is_loopback:
        told.append(words.get("loopback", ""))
    if not is_reached and is_home_assistants(hass, host, HTTP_PORT):
        told.append(words.get("pages_on_80", ""))
    if len(addresses) < 2 and not is_reached:
        told.append(words.get("one_address", ""))
    return {
        "steering": " ".join(told),
        "addresses": ", ".join(addresses) or "-",
    }


async def async_read(
    hass: HomeAssistant, entry: ConfigEntry, user_input: Mapping[str, Any], check: Check
) -> dict[str, Any]:
    """Return the choices as stated, normalised; what is wrong goes into `check`.

    While it is off nothing is opened to try it, and files need not be there.
    """
    is_on: bool = user_input[CONF_ENABLED]
    known: Mapping[str, Any] = entry.options.get(CONF_DNS_GATE) or {}
    read = {
        **known,
        **{name: user_input[name] for name in _PLAIN},
        CONF_HOST: user_input[CONF_HOST].strip(),
        CONF_INFRASTRUCTURE: list(user_input.get(CONF_INFRASTRUCTURE, ())),
        CONF_ALLOWED: _lines(user_input, CONF_ALLOWED, exact_name, "invalid_name", check),
        CONF_LOCAL_DOMAINS: _lines(user_input, CONF_LOCAL_DOMAINS, domain, "invalid_domain", check),
        CONF_REFUSED_NETWORKS: _lines(
            user_input, CONF_REFUSED_NETWORKS, _network, "invalid_network", check
        ),
        CONF_LISTS: list(dict.fromkeys(read_lines(user_input.get(CONF_LISTS, ())))),
    }
    faces = await async_faces(hass)
    for one in read[CONF_LOCAL_DOMAINS]:
        if faces.is_suffix(one):
            # Below it are everybody's names: none of them would be held back from leading home.
            check.refuse(CONF_LOCAL_DOMAINS, "public_suffix", line=one)
    address = read_address(read[CONF_HOST])
    if (error := address_trouble(address)) is not None:
        check.refuse(CONF_HOST, error)
    else:
        read[CONF_HOST] = str(address)
    read[CONF_RESOLVERS] = _resolvers(user_input, read, check)
    if is_on:
        if not read[CONF_RESOLVERS]:
            check.refuse(CONF_RESOLVERS, "missing")
        await _async_try_files(hass, read[CONF_LISTS], check)
        if CONF_HOST not in check.errors:
            await _async_try_place(hass, entry, read[CONF_HOST], read[CONF_PORT], check)
    return read


_PLAIN = (CONF_ENABLED, CONF_PORT, CONF_REFUSAL, CONF_UNKNOWN_CLIENTS, CONF_TELL_OF_STRANGERS)
"""Fields that are stored as they come."""


def _lines(
    user_input: Mapping[str, Any],
    key: str,
    parse: Callable[[str], str],
    error: str,
    check: Check,
) -> list[str]:
    read: list[str] = []
    for line in read_lines(user_input.get(key, ())):
        try:
            read.append(parse(line))
        except ValueError:
            check.refuse(key, error, line=line)
    return list(dict.fromkeys(read))


def _network(line: str) -> str:
    return str(ip_network(line, strict=False))


def _resolvers(user_input: Mapping[str, Any], read: Mapping[str, Any], check: Check) -> list[str]:
    """Return the resolvers as typed; none may be the gate itself.

    Those over TLS stand alone: whoever can keep them from answering, a provider for one, would else
    make the gate ask in the clear.
    """
    lines = read_lines(user_input.get(CONF_RESOLVERS, ()))
    ways: set[bool] = set()
    for line in lines:
        try:
            resolver = Resolver.parse(line)
        except ValueError:
            check.refuse(CONF_RESOLVERS, "invalid_resolver", line=line)
            continue
        ways.add(resolver.tls_name is None)
        address = read_address(resolver.address)
        if (str(address), resolver.port) == (read[CONF_HOST], read[CONF_PORT]):
            check.refuse(CONF_RESOLVERS, "resolver_loop", line=line)
        elif address is None or address.is_unspecified or address.is_multicast:
            check.refuse(CONF_RESOLVERS, "invalid_resolver", line=line)
    if len(ways) > 1:
        check.refuse(CONF_RESOLVERS, "resolvers_mixed")
    return list(dict.fromkeys(lines))


async def _async_try_files(hass: HomeAssistant, lines: Iterable[str], check: Check) -> None:
    for line in lines:
        error = await hass.async_add_executor_job(list_trouble, hass.config, line)
        if error is None and not await hass.async_add_executor_job(is_list, hass.config, line):
            error = "not_a_list"
        if error is not None:
            check.refuse(CONF_LISTS, error, line=line)


async def _async_try_place(
    hass: HomeAssistant, entry: ConfigEntry, host: str, port: int, check: Check
) -> None:
    """Try to listen, unless the gate already does."""
    if entry.state is ConfigEntryState.LOADED and entry.runtime_data.dns.place == (host, port):
        return
    if is_home_assistants(hass, host, port):
        check.refuse(CONF_PORT, "home_assistant_there")
        return
    error = await hass.async_add_executor_job(_try_both, host, port)
    if error is not None:
        check.refuse(CONF_HOST if error == "not_our_address" else CONF_PORT, error)


def _try_both(host: str, port: int) -> str | None:
    return try_to_listen(host, port, datagrams=True)
