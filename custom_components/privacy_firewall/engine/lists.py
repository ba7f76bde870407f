"""Block lists from local files, for clients that are no appliances.

Three forms, mixed as they like: hosts files (`0.0.0.0 name`), plain names, and the domain rules of
ad blockers (`||name^`, `@@||name^` for an exception). A name stands for all below it, except in
hosts files, where it stands for itself. What else such lists hold (parts of addresses, rules for
pages) says nothing of names and is left out.
"""

from collections.abc import Iterable
from pathlib import Path
import re

from .errors import EngineError

MAX_BYTES = 64_000_000
"""Bytes of one list; the largest in common use have about 30 million."""
MAX_NAMES = 2_000_000
"""Names of all lists together; 300,000 take some 50 MB of memory."""
_MODIFIERS = frozenset({"", "important", "all", "document", "popup", "third-party", "3p"})
"""After `$`: modifiers with which a rule still holds for a whole name. With others, such as those
for kinds of client or type, it is left out: too little is refused then, never too much."""
_NAME = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?"
_HOSTS = rf"(?:0\.0\.0\.0|127\.0\.0\.1|::1?)[ \t]+(?P<hosts>{_NAME}(?:[ \t]+{_NAME})*)"
_RULE = rf"(?P<rule>@?@?\|\|)(?P<domain>{_NAME})\^(?:\$(?P<modifiers>[^\s#]*))?"
_LINE = re.compile(
    rf"^[ \t]*(?:{_HOSTS}|{_RULE}|(?P<plain>{_NAME}))\.?(?:[ \t]+(?:[#!].*)?)?\r?$", re.MULTILINE
)
_OWN = frozenset({"localhost", "localhost.localdomain", "local", "broadcasthost"})
"""What hosts files begin with."""


class ListError(EngineError):
    """A list that cannot be read, or is none."""


class BlockList:
    """Names that are refused. A look-up walks up the name, so that its cost is the name's depth."""

    def __init__(self) -> None:
        """Start with none."""
        self._exact: set[str] = set()
        self._below: set[str] = set()
        self._allowed: set[str] = set()

    def __len__(self) -> int:
        """Return how many names are listed."""
        return len(self._exact) + len(self._below)

    def has(self, name: str) -> bool:
        """Tell whether a name is listed, by itself or by one above it, and not excepted."""
        is_listed = name in self._exact
        while name:
            if name in self._allowed:
                return False
            if not is_listed and name in self._below:
                is_listed = True
            _, _, name = name.partition(".")
        return is_listed

    def add(self, text: str) -> int:
        """Take over a list; return how many names it had. Raises `ListError` for too many."""
        before = len(self)
        for found in _LINE.finditer(text.lower()):
            hosts, rule, domain, modifiers, plain = found.group(
                "hosts", "rule", "domain", "modifiers", "plain"
            )
            if hosts is not None:
                self._exact.update(one for one in hosts.split() if one not in _OWN)
            elif plain is not None:
                if "." in plain and plain not in _OWN:
                    self._below.add(plain)
            elif _MODIFIERS.issuperset((modifiers or "").split(",")):
                (self._allowed if rule.startswith("@@") else self._below).add(domain)
            if len(self) > MAX_NAMES:
                raise ListError(f"more than {MAX_NAMES} names")
        return len(self) - before


def load(paths: Iterable[Path]) -> BlockList:
    """Read lists from files. It blocks: to be called outside of the event loop.

    Raises `ListError` for a file that is not there, too large, no text, or has no name in it.
    """
    listed = BlockList()
    for path in paths:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ListError(f"a list is larger than {MAX_BYTES} bytes")
            text = path.read_text(encoding="utf-8-sig")
        except OSError as err:
            raise ListError("a list cannot be read") from err
        except UnicodeError as err:
            raise ListError("a list is no text") from err
        if not listed.add(text):
            raise ListError("a list has no names in it, or none that another has not")
    return listed
