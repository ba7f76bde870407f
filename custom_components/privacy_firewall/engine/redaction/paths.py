"""Field paths: a subset of JSONPath (RFC 9535), and how names are written in them.

Supported are the root `$`, member names (`.door`, `['a.b']`, `["a"]`), indices from the front
(`[0]`) and wildcards (`[*]`, `.*`). Everything else (descendants, slices, filters, lists of
selectors, indices from the end, functions) is refused with an error that says so.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
import re
from typing import override

from ..errors import PathSyntaxError
from ..model import Embedded, Tree

MAX_INDEX = 2**53 - 1
"""The largest index, RFC 9535 section 2.1 (I-JSON)."""


class Wildcard(Enum):
    """The selector `*`."""

    ANY = "*"


ANY = Wildcard.ANY
type Selector = str | int | Wildcard

_NAME = r"[A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][A-Za-z0-9_\x80-\ud7ff\ue000-\U0010ffff]*"
_IDENTIFIER = re.compile(_NAME)
_BLANK = r"[ \t\r\n]*"
_SEGMENT = re.compile(
    rf"""{_BLANK}(?:
        \.(?P<name>{_NAME}) | \.(?P<dot_any>\*)
      | \[{_BLANK}(?:(?P<any>\*) | (?P<index>0|[1-9][0-9]*)
          | '(?P<single>(?:[^'\\\x00-\x1f]|\\.)*)'
          | "(?P<double>(?:[^"\\\x00-\x1f]|\\.)*)")
        {_BLANK}\]
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u([0-9a-fA-F]{4})|(.))"
)
_SIMPLE_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A compiled path."""

    selectors: tuple[Selector, ...]

    def matches(self, other: FieldPath) -> bool:
        """Tell whether `other`, the path of a data point, lies under this pattern exactly.

        A wildcard here matches any one selector there; an index matches only that index.
        """
        return len(self.selectors) == len(other.selectors) and all(
            mine is ANY or mine == theirs
            for mine, theirs in zip(self.selectors, other.selectors, strict=True)
        )

    def select(self, tree: Tree) -> list[Tree]:
        """Return the values at this path, in document order (RFC 9535 section 2.3)."""
        nodes = [tree]
        for selector in self.selectors:
            nodes = [child for node in nodes for child in _children(node, selector)]
        return nodes

    @override
    def __str__(self) -> str:
        """Return the normalised spelling."""
        parts = ["$"]
        for selector in self.selectors:
            if selector is ANY:
                parts.append("[*]")
            elif isinstance(selector, int):
                parts.append(f"[{selector}]")
            else:
                parts.append(write_name(str(selector)))
        return "".join(parts)


def _children(node: Tree, selector: Selector) -> list[Tree]:
    if isinstance(node, Embedded):
        node = node.tree
    if isinstance(node, dict):
        if selector is ANY:
            return list(node.values())
        return [node[selector]] if isinstance(selector, str) and selector in node else []
    if isinstance(node, list):
        if selector is ANY:
            return list(node)
        if isinstance(selector, int) and selector < len(node):
            return [node[selector]]
    return []


@lru_cache(maxsize=4096)
def parse(text: str) -> FieldPath:
    """Compile a path; raises `PathSyntaxError` with what is not supported and where."""
    if not text.startswith("$"):
        raise PathSyntaxError("a field path starts with $")
    selectors: list[Selector] = []
    position = 1
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            raise PathSyntaxError(
                f"at character {position + 1}: only names, indices and wildcards are supported"
            )
        selectors.append(_selector(match))
        position = match.end()
    return FieldPath(tuple(selectors))


def _selector(match: re.Match[str]) -> Selector:
    if match["name"] is not None:
        return match["name"]
    if match["index"] is not None:
        index = int(match["index"])
        if index > MAX_INDEX:
            raise PathSyntaxError("an index beyond what JSON can hold")
        return index
    if match["single"] is not None:
        return _ESCAPE.sub(partial(_unescape, quote="'"), match["single"])
    if match["double"] is not None:
        return _ESCAPE.sub(partial(_unescape, quote='"'), match["double"])
    return ANY


def _unescape(match: re.Match[str], quote: str) -> str:
    high, low, code, letter = match.groups()
    if high:
        return bytes.fromhex(high + low).decode("utf-16-be")
    if code:
        if 0xD800 <= int(code, 16) <= 0xDFFF:
            raise PathSyntaxError("half of a surrogate pair in a name")
        return chr(int(code, 16))
    if letter == quote:
        return quote
    if letter not in _SIMPLE_ESCAPES:
        raise PathSyntaxError("an escape in a name that JSON does not know")
    return _SIMPLE_ESCAPES[letter]


def write_name(name: str) -> str:
    """Write a member name as a path segment: `.name`, or quoted where it needs to be."""
    if _IDENTIFIER.fullmatch(name):
        return f".{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    escaped = "".join(
        character if character >= " " else f"\\u{ord(character):04x}" for character in escaped
    )
    return f"['{escaped}']"
