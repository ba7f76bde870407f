r"""The nouns of the DNS gate: who asks for which name, and what becomes of it.

A name is a lower-case host name in ASCII without its final dot; bytes that are none of a host
name's stand in it as `\DDD` (RFC 1035, section 5.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from math import inf
import re
from typing import Protocol, override

from .addresses import unmapped
from .model import Appliance, Reason, Recipient, Source

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.IGNORECASE)


class Course(StrEnum):
    """What becomes of a question, mildest first."""

    FORWARD = "forward"
    """The household's resolver is asked."""
    STEER = "steer"
    """Answered here: the name leads to a gate that can read."""
    REFUSE = "refuse"
    """Answered here: there is no such thing."""


class Refusal(StrEnum):
    """How a refused question is answered."""

    NAME_ERROR = "name_error"
    """NXDOMAIN: there is no such name."""
    NO_DATA = "no_data"
    """The name is there, but nothing of that type."""
    NULL_ADDRESS = "null_address"
    """`0.0.0.0` or `::`; nothing for other types."""


class Infrastructure(StrEnum):
    """Names that belong to no recipient's purpose; each kind goes as the household chose."""

    TIME = "time"
    CONNECTIVITY = "connectivity"
    FIRMWARE = "firmware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One question of a client. `type` is the record's type as a number (RFC 1035, 3.2.2)."""

    source: Source
    name: str
    type: int


class Listed(Protocol):
    """Names that are refused to whoever is no appliance."""

    def has(self, name: str) -> bool:
        """Tell whether a name, or one above it, is listed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What the household chose for the DNS gate.

    `steer_to` are the addresses of the gate that can read, of either family; without one of them
    nothing is steered. `allowed` are further names that every appliance may ask for.
    `local_domains` are the home's own: below them private addresses are no attack, and they are
    asked of a resolver at home only (`has_resolver_at_home`). Of those that are no appliance,
    `refuses_unknown` refuses all, `refused_networks` those of these networks.
    """

    steer_to: tuple[str, ...] = ()
    refusal: Refusal = Refusal.NAME_ERROR
    infrastructure: frozenset[Infrastructure] = frozenset()
    allowed: frozenset[str] = frozenset()
    local_domains: frozenset[str] = frozenset()
    has_resolver_at_home: bool = False
    refuses_unknown: bool = False
    refused_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    listed: Listed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupVerdict:
    """The decision about one question, made under one policy.

    `appliances` are all that the client may be, none for a stranger; `recipients` those that claim
    the name. `until` (seconds since 1970) is when the first consent it rests on runs out.
    `naming` are the household's choices that it was made under, `refusal` says how to answer what
    is refused.
    """

    course: Course
    reason: Reason
    appliances: tuple[Appliance, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    policy_version: int = 0
    naming: Naming | None = None
    until: float = inf
    refusal: Refusal = Refusal.NAME_ERROR

    def rests_on_the_same(self, other: LookupVerdict) -> bool:
        """Tell whether another verdict is the same, for the same reason, about the same."""
        return (
            self.course is other.course
            and self.reason is other.reason
            and self.appliances == other.appliances
            and self.recipients == other.recipients
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCounts:
    """How many questions were asked since the start, and what became of them."""

    asked: int = 0
    forwarded: int = 0
    steered: int = 0
    refused: int = 0
    last_asked: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A client that is no appliance of the household's, as it was seen since the start.

    `names` are the last few it asked for; they stay in memory.
    """

    address: str
    mac: str | None
    first_seen: float
    last_seen: float
    asked: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NameStatus:
    """What was observed at the DNS gate. `contacts`: when (appliance id, recipient id) met last."""

    total: NameCounts = NameCounts()
    appliances: Mapping[str, NameCounts] = field(default_factory=dict[str, NameCounts])
    contacts: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    strangers: tuple[Stranger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Whom the gate asks: an address, and for DNS over TLS the name its certificate must have."""

    address: str
    port: int = 53
    tls_name: str | None = None

    @classmethod
    def parse(cls, line: str) -> Resolver:
        """Read `address[@port][#name]`, as unbound's forward-addr has it; raises `ValueError`.

        With a name it is asked over TLS only (RFC 7858), on port 853 unless another is given.
        """
        place, mark, name = line.strip().partition("#")
        address, at, digits = place.partition("@")
        parsed = ip_address(address.strip())
        # The same address in another spelling is the same resolver.
        parsed = unmapped(parsed)
        if parsed.is_unspecified or parsed.is_multicast:
            raise ValueError("a resolver has an address of its own")
        if (mark and not _HOST.fullmatch(name)) or (at and not digits.isdecimal()):
            raise ValueError("a resolver is an address, with a port or a name behind it at most")
        port = int(digits) if at else 853 if mark else 53
        if not 0 < port < 65536:
            raise ValueError("a port is a number up to 65535")
        return cls(address=str(parsed), port=port, tls_name=name.lower() if mark else None)

    @override
    def __str__(self) -> str:
        """Return the line that it is read from."""
        usual = 853 if self.tls_name else 53
        port = "" if self.port == usual else f"@{self.port}"
        return self.address + port + (f"#{self.tls_name}" if self.tls_name else "")
