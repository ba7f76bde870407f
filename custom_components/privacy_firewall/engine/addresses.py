"""Which addresses are the home's own: none of them is called, or answered, unless that is said."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
import socket

type Address = IPv4Address | IPv6Address

_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
"""For a network's own use (RFC 8215): where in it the IPv4 address stands, nobody can tell."""
_NAT64 = (ip_network("64:ff9b::/96"), _LOCAL_NAT64)
_EMBEDDED = (*_NAT64, ip_network("::ffff:0:0:0/96"))
"""Further forms with an IPv4 address at the end: translated by a host (RFC 7915, section 3.3)."""
_COMPATIBLE = ip_network("::/96")
"""IPv4 addresses in a form that is used no more (RFC 4291, section 2.5.5.1)."""
_CGNAT = ip_network("100.64.0.0/10")
_NOT_ALL_PUBLIC = frozenset({0, 10, 100, 127, 169, 172, 192, 198, 203})
"""First bytes of IPv4 addresses of which some are special (IANA's registry, RFC 6890)."""
_METADATA = frozenset(
    ip_address(address) for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
)
"""Where cloud machines tell their secrets; nobody's appliance belongs there."""


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one is another spelling of (RFC 4291), or itself."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def innermost(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, or the address itself.

    Mapped, translated, 6to4, Teredo and NAT64 (RFC 6052) addresses hold one.
    """
    address = unmapped(address)
    if isinstance(address, IPv6Address):
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if any(address in network for network in _EMBEDDED):
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_address(host: str) -> bool:
    """Tell whether a host is an address, not a name."""
    try:
        ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def is_private(packed: bytes) -> bool:
    """Tell whether a packed address (4 or 16 bytes) is none of the internet's, or hides one."""
    first = packed[0]
    if len(packed) == 4:
        # Most of the internet; the rest is looked at closely.
        if first not in _NOT_ALL_PUBLIC and first < 224:
            return False
    elif first >> 5 == 1 and packed[:2] not in (b"\x20\x01", b"\x20\x02"):
        return False
    outer = ip_address(packed)
    address = innermost(outer)
    # Site-local addresses (RFC 3879) and the oldest form of IPv4 in IPv6 count as global for the
    # standard library.
    is_old = isinstance(address, IPv6Address) and (address.is_site_local or address in _COMPATIBLE)
    is_special = is_old or outer in _LOCAL_NAT64 or address in _CGNAT
    return not address.is_global or is_special or address.is_multicast


def is_own(address: Address) -> bool:
    """Tell whether an address is this machine's: a datagram socket to it would start from it."""
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: connecting a datagram socket only looks up the route.
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0].partition("%")[0]) == address
        except OSError:
            return False


def may_call(text: str, port: int, *, allow_private: bool, protected_ports: frozenset[int]) -> bool:
    """Tell whether an upstream connection to this address and port is allowed.

    Link-local, multicast, reserved and metadata addresses never are, nor this machine's protected
    ports (Home Assistant, the gate). Private, carrier-grade NAT and loopback ones only with
    `allow_private`.
    """
    try:
        outer = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    address = innermost(outer)
    if (
        address in _METADATA
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback)
    ):
        return False
    own = is_own(address)
    if own and port in protected_ports:
        return False
    if address.is_global and address not in _CGNAT and outer not in _LOCAL_NAT64:
        return not own
    return allow_private
