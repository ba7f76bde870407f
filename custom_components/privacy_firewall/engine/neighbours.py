"""Which MAC is behind an address, as this machine's own network stack knows it.

A client on the same network cannot be answered without its MAC being in the kernel's table. Linux
shows the one for IPv4 as a file (arp(7), /proc/net/arp), the other by a message (rtnetlink(7),
RTM_GETNEIGH). A MAC can be forged, like an address; together they are harder to come by than one.
"""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
import socket
import struct
from time import monotonic

from . import netlink

ARP = Path("/proc/net/arp")
KEPT_SECONDS = 5.0
"""How long a reading of the table is taken for the present one."""
MISSED_SECONDS = 0.01
"""How long an address that was just looked for in vain is not looked for again."""
MAX_READINGS = 50
"""Readings for newcomers within `KEPT_SECONDS`."""
MAX_SECONDS = 0.05
"""Seconds that these may take in all: each takes some tens of microseconds, and with a thousand
neighbours some milliseconds."""
MAX_MISSED = 4_096
"""Addresses remembered that were looked for in vain."""
_COMPLETE = 0x2
"""ATF_COM of if_arp.h: the entry has a MAC."""
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
"""ndmsg of linux/neighbour.h: family, interface, state, flags, type."""
_ASK, _NEW = 30, 28
"""RTM_GETNEIGH, RTM_NEWNEIGH."""
_ADDRESS, _MAC = 1, 2
"""NDA_DST, NDA_LLADDR."""
_HAS_MAC = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT."""

type Table = Callable[[], dict[str, str]]


class Neighbours:
    """The kernel's table, read again every few seconds while it is asked for."""

    def __init__(self, path: Path = ARP, over_ipv6: Table | None = None) -> None:
        """Start with nothing read. `over_ipv6` reads the other table; the kernel's by default."""
        self._path = path
        self._over_ipv6 = over_ipv6 or read_over_ipv6
        self._read_at = {4: -KEPT_SECONDS, 6: -KEPT_SECONDS}
        self._macs: dict[int, dict[str, str]] = {4: {}, 6: {}}
        self._missed: dict[str, float] = {}
        self._readings = 0
        self._spent = 0.0
        self._counted_at = -KEPT_SECONDS

    def mac(self, address: str) -> str | None:
        """Return the MAC (lower case, colons) behind an address, or None where it is not known."""
        now = monotonic()
        family = 6 if ":" in address else 4
        known = self._macs[family].get(address)
        if known is not None and now - self._read_at[family] < KEPT_SECONDS:
            return known
        # Who has just come is looked for at once, and then not for every question.
        if known is None and now - self._missed.get(address, -MISSED_SECONDS) < MISSED_SECONDS:
            return None
        # What was read is refreshed in any case: newcomers must not keep it from that.
        if now - self._read_at[family] < KEPT_SECONDS and not self._may_read(now):
            return known
        self._refresh(family, now)
        known = self._macs[family].get(address)
        if known is None:
            if len(self._missed) >= MAX_MISSED:
                self._missed.clear()
            self._missed[address] = now
        return known

    def addresses(self, mac: str) -> list[str]:
        """Return the IPv4 addresses that have a MAC, as the table has them now."""
        now = monotonic()
        if now - self._read_at[4] >= KEPT_SECONDS:
            self._refresh(4, now)
        return [address for address, one in self._macs[4].items() if one == mac]

    def _refresh(self, family: int, now: float) -> None:
        self._read_at[family] = now
        self._macs[family] = _read(self._path) if family == 4 else self._over_ipv6()
        self._spent += monotonic() - now

    def _may_read(self, now: float) -> bool:
        if now - self._counted_at >= KEPT_SECONDS:
            self._counted_at, self._readings, self._spent = now, 0, 0.0
        self._readings += 1
        return self._readings <= MAX_READINGS and self._spent < MAX_SECONDS


def read_over_ipv6() -> dict[str, str]:
    """Ask the kernel for its IPv6 neighbours; nothing where it does not tell.

    It answers at once, from memory: this does not wait for any other machine.
    """
    macs: dict[str, str] = {}
    every = netlink.REQUEST | netlink.ALL
    try:
        with netlink.asked(_ASK, every, _NEIGHBOUR.pack(socket.AF_INET6, 0, 0, 0, 0)) as asking:
            while read_neighbours(asking.recv(netlink.MAX_ANSWER), macs):
                pass
    except OSError, AttributeError, struct.error, ValueError:
        return {}
    return {address: mac for address, mac in macs.items() if mac}


def read_neighbours(data: bytes, macs: dict[str, str]) -> bool:
    """Add neighbours that a message of the kernel tells of; return whether more will follow.

    A MAC is empty where it is not one alone.

    Raises `ValueError` or `struct.error` where it is none, or an error.
    """
    for told in netlink.messages(data, "a list of neighbours"):
        if told is None:
            return False
        kind, body = told
        if kind == _NEW:
            _, _, state, _, _ = _NEIGHBOUR.unpack_from(body)
            marks = netlink.attributes(body[_NEIGHBOUR.size :])
            address, mac = marks.get(_ADDRESS, b""), marks.get(_MAC, b"")
            if state & _HAS_MAC and len(address) == 16 and len(mac) == 6 and any(mac):
                name, found = str(ip_address(address)), mac.hex(":")
                if macs.setdefault(name, found) != found:
                    # One on each of two networks: it cannot be told which of them asks.
                    macs[name] = ""
    return True


def _read(path: Path) -> dict[str, str]:
    """Read `IP, HW type, flags, HW address, mask, device` a line; nothing where there is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()[1:]
    except OSError, ValueError:
        return {}
    macs: dict[str, str] = {}
    for line in lines:
        columns = line.split()
        if len(columns) < 4 or columns[3] == "00:00:00:00:00:00":
            continue
        try:
            is_complete = int(columns[2], 16) & _COMPLETE
        except ValueError:
            continue
        mac = columns[3].lower()
        if is_complete and macs.setdefault(columns[0], mac) != mac:
            macs[columns[0]] = ""
    return {address: mac for address, mac in macs.items() if mac}
