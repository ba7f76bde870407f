"""Whose a host is, as far as its name tells: a domain that somebody registered, or a shared cloud.

Much of what appliances call stands on rented hosts. Their owner is not the one who receives: such a
host is said to be shared, and of whom nothing is guessed.
"""

from dataclasses import dataclass

from publicsuffixlist import PublicSuffixList

from . import catalogue
from .addresses import is_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a host's name tells. `shared` is who rents the host out, None for no known one."""

    domain: str
    shared: str | None = None


class Faces:
    """The public suffix list (publicsuffix.org) that comes with the package, and known clouds."""

    def __init__(self) -> None:
        """Read both. It blocks for some tens of milliseconds."""
        self._suffixes = PublicSuffixList()
        self._shared = catalogue.shared_hosts()

    def of(self, host: str) -> Face:
        """Return what a host tells; one that nobody can register stands for itself."""
        if is_address(host):
            return Face(domain=host)
        above = host
        while above:
            if (shared := self._shared.get(above)) is not None:
                return Face(domain=above, shared=shared)
            _, _, above = above.partition(".")
        return Face(domain=self._suffixes.privatesuffix(host) or host)
