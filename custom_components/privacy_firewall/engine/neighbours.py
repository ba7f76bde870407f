"""Which MAC is behind an address, as this machine's own network stack knows it.

A client on the same network cannot ask us anything without its MAC being in the kernel's table:
the answer needs it. Linux shows the table for IPv4 (arp(7), /proc/net/arp). A MAC can be forged,
like an address; together they are harder to come by than one of them.
"""

from pathlib import Path
from time import monotonic

ARP = Path("/proc/net/arp")
KEPT_SECONDS = 5.0
"""How long a reading of the table is taken for the present one."""
_COMPLETE = 0x2
"""ATF_COM of if_arp.h: the entry has a MAC."""


class Neighbours:
    """The kernel's table, read again every few seconds while it is asked for."""

    def __init__(self, path: Path = ARP) -> None:
        """Start with nothing read."""
        self._path = path
        self._read_at = -KEPT_SECONDS
        self._macs: dict[str, str] = {}

    def mac(self, address: str) -> str | None:
        """Return the MAC (lower case, colons) behind an address, or None where it is not known."""
        now = monotonic()
        # A client that has just come is looked for at once, but not for every question.
        is_old = now - self._read_at >= KEPT_SECONDS
        if is_old or (address not in self._macs and now - self._read_at >= KEPT_SECONDS / 10):
            self._read_at = now
            self._macs = _read(self._path)
        return self._macs.get(address)


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
        if is_complete:
            macs[columns[0]] = columns[3].lower()
    return macs
