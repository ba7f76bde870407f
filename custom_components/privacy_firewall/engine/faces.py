"""Whose a host is, as far as its name tells: a domain that somebody registered, or a shared cloud.

Much of what appliances call stands on rented hosts. Their owner is not the one who receives: such a
host is said to be shared, and of whom nothing is guessed. Of a registered domain the catalogue may
know the organisation. What a name tells is no proof of who receives.
"""

from dataclasses import dataclass
from functools import cache
import re

from publicsuffixlist import PublicSuffixList

from . import catalogue
from .addresses import is_address
from .catalogue import Role

_AT_HOME = frozenset({"home.arpa"})
"""On the public suffix list, though it is every home's own (RFC 8375)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a host's name tells. `shared` is who rents the host out, None for no known one.

    `organisation`, its `role` there and the `country` of its seat (ISO 3166-1 alpha-2) are what the
    catalogue knows; of a shared host, only where that very host is known.
    """

    domain: str
    shared: str | None = None
    organisation: str | None = None
    role: Role | None = None
    country: str | None = None


class Faces:
    """The public suffix list (publicsuffix.org) that comes with the package, and the catalogue."""

    def __init__(self) -> None:
        """Read both. It blocks for some tens of milliseconds."""
        self._suffixes = PublicSuffixList()
        self._shared = catalogue.shared_hosts()
        self._owners = catalogue.organisations()

    def of(self, host: str) -> Face:
        """Return what a host tells; one that nobody can register stands for itself."""
        host = host.lower().rstrip(".") or host
        if is_address(host) or host == "arpa" or host.endswith(".arpa"):
            # What is asked under arpa is mostly an address the other way round.
            return Face(domain=host)
        above = host
        while above:
            if (shared := self._shared.get(above)) is not None:
                return self._face(above, shared, known_as=host)
            _, _, above = above.partition(".")
        domain = self._suffixes.privatesuffix(host) or host
        return self._face(domain, None, known_as=domain)

    def is_suffix(self, name: str) -> bool:
        """Tell whether anybody registers names below a folded name (`com`, `co.uk`, `github.io`).

        A last label that the list does not have, such as `lan`, is none: nobody registers there.
        """
        return name not in _AT_HOME and (
            self._suffixes.publicsuffix(name, accept_unknown=False) == name
        )

    def _face(self, domain: str, shared: str | None, *, known_as: str) -> Face:
        if (owner := self._owners.get(known_as)) is None:
            return Face(domain=domain, shared=shared)
        return Face(
            domain=domain,
            shared=shared,
            organisation=owner.organisation,
            role=owner.role,
            country=owner.country,
        )


def may_be_same(one: str, other: str) -> bool:
    """Tell whether two names may be one organisation's: the words of one are all in the other.

    So *Samsung Electronics* may be Samsung's, and *Amazon Ring* either Amazon's or Ring's.
    """
    words, others = (set(re.findall(r"\w+", name.casefold())) for name in (one, other))
    return bool(words and others) and (words <= others or others <= words)


@cache
def load() -> Faces:
    """Return what is known of hosts, read once for all who ask. At first it blocks."""
    return Faces()
