"""Names and values joined by `&`: URL queries and form bodies (WHATWG URL, section 5.1).

Each name and value keeps its own escaping, so what policy did not change leaves as it came.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from ..errors import Refused
from ..model import Embedded, Reason, Text, Tree

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPES = re.compile(rb"%([0-9A-Fa-f]{2})")
_ITEM = re.compile(r"[!-~]*")
MAX_ITEMS = 5_000
"""Items of one form: above any appliance seen (the largest weather station sends 90)."""


def unescape(text: str, *, plus: bool = True) -> str:
    """Undo percent-encoding strictly: every `%` starts a valid escape and the result is UTF-8."""
    if "%" not in text and "+" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise Refused(Reason.UNREADABLE, "a percent sign without two hexadecimal digits")
    data = text.encode()
    if plus:
        data = data.replace(b"+", b" ")
    try:
        return _ESCAPES.sub(lambda match: bytes.fromhex(match[1].decode()), data).decode()
    except UnicodeDecodeError:
        raise Refused(Reason.UNREADABLE, "percent-encoded bytes that are not UTF-8") from None


def _spelled(raw: str) -> Text:
    return Text.spelled(unescape(raw), raw)


def decode_text(text: str) -> dict[str, Tree]:
    """Read `a=1&b=2&flag` into a dict; a name without `=` has the value None.

    Raises `Refused`: a name twice, a broken escape, or characters no URL holds.
    """
    if not _ITEM.fullmatch(text):
        raise Refused(Reason.UNREADABLE, "characters that a form cannot hold")
    items = [item for item in text.split("&") if item]
    if len(items) > MAX_ITEMS:
        raise Refused(Reason.TOO_LARGE, "too many items in a form")
    tree: dict[str, Tree] = {}
    for item in items:
        name, equals, value = item.partition("=")
        key = _spelled(name)
        if key in tree:
            raise Refused(Reason.DUPLICATE_KEY, "a form names an item twice")
        tree[key] = _spelled(value) if equals else None
    return tree


def decode(data: bytes) -> Tree:
    """Read a form body; a final line end, which some appliances send, is allowed."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise Refused(Reason.UNREADABLE, "a form holds only ASCII") from None
    return decode_text(text.removesuffix("\n").removesuffix("\r"))


def spelling(text: Tree) -> str:
    """Return a value as it was escaped, or escaped by us where it is new."""
    if isinstance(text, Text):
        return text.spelling
    return quote_plus(text.raw if isinstance(text, Embedded) else str(text))


def encode_text(tree: Tree) -> str:
    """Write a dict as it would stand in a query."""
    if not isinstance(tree, dict):
        raise Refused(Reason.INTERNAL_ERROR, "a form is not an object")
    return "&".join(
        quote_plus(name) if value is None else f"{quote_plus(name)}={spelling(value)}"
        for name, value in tree.items()
    )


def encode(tree: Tree) -> bytes:
    """Write a dict as a form body."""
    return encode_text(tree).encode()


def plain_text(text: str) -> dict[str, Any]:
    """Read a form with the second parser (the standard library's), which must agree."""
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an item stands twice")
    return members


def plain(data: bytes) -> Any:
    """Read a form body with the second parser."""
    return plain_text(data.decode("ascii").rstrip("\r\n"))
