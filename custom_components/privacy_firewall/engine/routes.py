"""Whether a client stands on a network of this machine's own, where a MAC can be known of it.

Behind a router or a tunnel nobody has a MAC that could be seen here, now or later. The kernel tells
by which way it would answer (rtnetlink(7), RTM_GETROUTE) and over what kind of link.
"""

from collections.abc import Callable
import fcntl
from ipaddress import ip_address
import socket
import struct
from time import monotonic

from . import netlink

KEPT_SECONDS = 30.0
"""How long an address is taken to be where it was; networks seldom change."""
MAX_KEPT = 4_096
"""Addresses remembered."""
_GET_FLAGS = 0x8913
"""SIOCGIFFLAGS of linux/sockios.h (netdevice(7))."""
_LINK_REQUEST = struct.Struct("=16sH14x")
"""ifreq of linux/if.h: a link's name and its flags."""
_ROUTE = struct.Struct("=BBBBBBBBI")
"""rtmsg of linux/rtnetlink.h: family, two prefix lengths, service, table, protocol, scope, type,
flags."""
_ASK, _TOLD = 26, 24
"""RTM_GETROUTE, RTM_NEWROUTE."""
_DESTINATION, _LINK, _GATEWAY, _VIA = 1, 4, 5, 18
"""RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_VIA."""
_UNICAST = 1
"""RTN_UNICAST: neither this machine itself nor a way to nowhere."""
_NO_MACS = 0x8 | 0x10 | 0x80
"""IFF_LOOPBACK, IFF_POINTOPOINT and IFF_NOARP of linux/if.h."""

type Ask = Callable[[str], bool | None]


def is_on_link(address: str) -> bool | None:
    """Ask the kernel whether an address is reached without a router, over a link that has MACs.

    None where it does not tell. It answers at once, from memory.
    """
    packed = ip_address(address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    asked = _ROUTE.pack(family, len(packed) * 8, 0, 0, 0, 0, 0, 0, 0)
    asked += netlink.attribute(_DESTINATION, packed)
    try:
        with netlink.asked(_ASK, netlink.REQUEST, asked) as asking:
            link = link_of(asking.recv(netlink.MAX_ANSWER))
        if link is None:
            return False
        flags = _flags(socket.if_indextoname(link))
    except OSError, AttributeError, struct.error, ValueError:
        return None
    return not flags & _NO_MACS


def _flags(link: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asked = _LINK_REQUEST.pack(link.encode(), 0)
        _, flags = _LINK_REQUEST.unpack(fcntl.ioctl(asking, _GET_FLAGS, asked))
    return int(flags)


def link_of(data: bytes) -> int | None:
    """Return the link of a route that the kernel tells of; None where a router is on the way.

    Raises `ValueError` or `struct.error` where it is none, or an error.
    """
    told = next(netlink.messages(data, "a route"), None)
    if told is None or told[0] != _TOLD:
        raise ValueError("not a route")
    route = _ROUTE.unpack_from(told[1])
    marks = netlink.attributes(told[1][_ROUTE.size :])
    if _GATEWAY in marks or _VIA in marks or _LINK not in marks or route[7] != _UNICAST:
        return None
    (link,) = struct.unpack("=i", marks[_LINK])
    return int(link)


class Routes:
    """What the kernel told of ways, for a while."""

    def __init__(self, ask: Ask = is_on_link) -> None:
        """Start with nothing known."""
        self._ask = ask
        self._kept: dict[str, tuple[float, bool]] = {}

    def has_no_mac(self, address: str) -> bool:
        """Tell whether no MAC of an address can be known here, ever; where in doubt, it can."""
        now = monotonic()
        at, known = self._kept.get(address, (now - KEPT_SECONDS, False))
        if now - at < KEPT_SECONDS:
            return known
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        # A link-local address never comes from behind a router.
        found = not ip_address(address).is_link_local and self._ask(address) is False
        self._kept[address] = now, found
        return found
