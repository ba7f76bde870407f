"""Where gates may listen: addresses of this machine at home, and ports that are free."""

import errno
from ipaddress import ip_network
import socket

from homeassistant.components import network
from homeassistant.components.network import async_get_loaded_adapters
from homeassistant.components.network.models import Adapter
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .forms import Address, read_address

_CARRIER_GRADE_NAT = ip_network("100.64.0.0/10")

BIND_ERRORS = {
    errno.EADDRINUSE: "address_in_use",
    errno.EADDRNOTAVAIL: "not_our_address",
    errno.EACCES: "port_not_allowed",
}
"""What the system says where one cannot listen, as a key of translations."""
CANNOT_BIND = "cannot_bind"
"""The same for all else that it may say."""


def address_trouble(address: Address | None) -> str | None:
    """Return why a gate may not listen at an address, as an error's key; None where it may."""
    if address is None:
        return "not_an_address"
    if address.is_unspecified:
        return "every_address"
    return None if belongs_at_home(address) else "public_address"


def belongs_at_home(address: Address) -> bool:
    """Tell whether only the home (or a private network over it) can reach an address."""
    return not address.is_multicast and (address.is_private or address in _CARRIER_GRADE_NAT)


def is_home_assistants(hass: HomeAssistant, host: str, port: int) -> bool:
    """Tell whether Home Assistant's own pages are there, on this address or on all."""
    if "http" not in hass.config.components or port != hass.http.server_port:
        return False
    bound = [read_address(one) for one in hass.http.server_host or ()]
    return not bound or any(one is None or one.is_unspecified or str(one) == host for one in bound)


def try_to_listen(host: str, port: int, *, datagrams: bool = False) -> str | None:
    """Listen and stop at once; return the error's key where that is not possible. Blocks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
        if datagrams:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((host, port))
    except OSError as err:
        return BIND_ERRORS.get(err.errno or 0, CANNOT_BIND)
    return None


async def async_own_address(hass: HomeAssistant) -> str:
    """Return this machine's address at home, as far as it is known."""
    try:
        own = read_address(await network.async_get_source_ip(hass))
    except HomeAssistantError:
        own = None
    return str(own) if own is not None and belongs_at_home(own) else "127.0.0.1"


async def async_own_addresses(hass: HomeAssistant) -> list[str]:
    """Return the addresses by which this machine is reached at home, by adapter."""
    own = _addresses(await network.async_get_adapters(hass))
    return [str(one) for one in own if not one.is_link_local]


@callback
def is_own_address(hass: HomeAssistant, address: str) -> bool:
    """Tell whether something comes from this machine itself."""
    read = read_address(address)
    return read is None or read.is_loopback or read in _addresses(async_get_loaded_adapters(hass))


def _addresses(adapters: list[Adapter]) -> list[Address]:
    listed = (one["address"] for each in adapters for one in (*each["ipv4"], *each["ipv6"]))
    return list(dict.fromkeys(one for text in listed if (one := read_address(text)) is not None))
