"""Connections that this machine forwards, as the kernel keeps track of them.

There is such a table only where the home's traffic is routed through this machine, and Linux shows
it only where that was compiled in (nf_conntrack, /proc/net/nf_conntrack). Where there is none,
nothing is known of connections that pass no gate.
"""

from dataclasses import dataclass
from pathlib import Path
import re

CONNTRACK = Path("/proc/net/nf_conntrack")
MAX_LINES = 100_000
"""Connections that are looked at; a home has some thousands at most."""
_FLOW = re.compile(
    r"^ipv[46]\s+\d+\s+(?P<protocol>tcp|udp)\s.*?\bsrc=(?P<source>\S+)\s+dst=(?P<destination>\S+)"
    r"\s+sport=\d+\s+dport=(?P<port>\d+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One connection, in the direction in which it was opened."""

    protocol: str
    source: str
    destination: str
    port: int


def flows(path: Path = CONNTRACK) -> list[Flow] | None:
    """Return the connections that are tracked now; None where this cannot be known. It blocks."""
    found: list[Flow] = []
    try:
        with path.open(encoding="ascii", errors="replace") as lines:
            for number, line in enumerate(lines):
                if number >= MAX_LINES:
                    break
                if (flow := _FLOW.search(line)) is not None:
                    found.append(
                        Flow(
                            protocol=flow["protocol"],
                            source=flow["source"],
                            destination=flow["destination"],
                            port=int(flow["port"]),
                        )
                    )
    except OSError:
        return None
    return found
