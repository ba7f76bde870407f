"""JSON (RFC 8259) and newline-delimited JSON, keeping the numbers' own spelling.

The decoder is the standard library's, stricter: UTF-8 without a byte order mark, no duplicate
member names, no NaN, no lone surrogates. The second reading of what leaves (`plain`) is done by
another parser, orjson.
"""

from collections.abc import Callable
import json
from json.encoder import encode_basestring_ascii
import re
from typing import Any

import orjson

from ..errors import Refused
from ..model import Embedded, Number, Reason, Text, Tree

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# Possessive: a long string full of escapes would otherwise cost a hundred times its size.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')


class _DuplicateKeyError(ValueError):
    """Raised inside the decoder, which lets it through unchanged."""


def _object(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateKeyError
    return members


def _constant(_: str) -> Any:
    raise ValueError("not a JSON number")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=Number,
    parse_int=Number,
    parse_constant=_constant,
)


def decode_text(text: str) -> Tree:
    """Read one JSON text.

    Raises `Refused`: duplicate key, too deep, trailing bytes, or unreadable.
    """
    try:
        tree: Tree = _decoder.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            orjson.loads(text)
    except _DuplicateKeyError:
        raise Refused(Reason.DUPLICATE_KEY, "a JSON object names a member twice") from None
    except RecursionError:
        raise Refused(Reason.TOO_DEEP, "the JSON is nested too deep") from None
    except json.JSONDecodeError as err:
        if err.msg == "Extra data":
            raise Refused(Reason.TRAILING_BYTES, "bytes follow the JSON value") from None
        raise Refused(Reason.UNREADABLE, "the body is not JSON") from None
    except ValueError:
        raise Refused(Reason.UNREADABLE, "the JSON holds what RFC 8259 does not allow") from None
    return tree


def decode(data: bytes) -> Tree:
    """Read one JSON document from UTF-8 bytes; raises `Refused` like `decode_text`."""
    return decode_text(_utf8(data))


def decode_lines(data: bytes) -> Tree:
    """Read newline-delimited JSON into a list, one item a line; blank lines are refused."""
    lines = _utf8(data).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [decode_text(line.removesuffix("\r")) for line in lines]


def _utf8(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(Reason.UNREADABLE, "the body is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise Refused(Reason.UNREADABLE, "the body starts with a byte order mark")
    return text


def encode_text(tree: Tree) -> str:
    """Write a tree as compact JSON, numbers as they were spelled.

    In ASCII, always: how the appliance escapes may be seen in what is withheld only.
    """
    out: list[str] = []
    _write(tree, out.append)
    return "".join(out)


def encode(tree: Tree) -> bytes:
    """Write a tree as one compact JSON document."""
    return encode_text(tree).encode()


def encode_lines(tree: Tree) -> bytes:
    """Write a list as newline-delimited JSON, each line ended."""
    items = tree if isinstance(tree, list) else [tree]
    return b"".join(encode(item) + b"\n" for item in items)


def _write(node: Tree, out: Callable[[str], None]) -> None:
    kind = type(node)
    if kind is str or kind is Text:
        out(encode_basestring_ascii(node))  # type: ignore[arg-type]
    elif kind is Number:
        out(node)  # type: ignore[arg-type]
    elif isinstance(node, dict):
        separator = "{"
        for name, child in node.items():
            out(separator)
            out(encode_basestring_ascii(name))
            out(":")
            _write(child, out)
            separator = ","
        out("}" if separator == "," else "{}")
    elif isinstance(node, list):
        separator = "["
        for child in node:
            out(separator)
            _write(child, out)
            separator = ","
        out("]" if separator == "," else "[]")
    elif isinstance(node, Embedded):
        out(encode_basestring_ascii(node.raw))
    else:
        out("null" if node is None else "true" if node else "false")


def plain(data: bytes) -> Any:
    """Read a JSON document with the second parser, for the check before it leaves.

    Raises `ValueError`, also where a member stands twice, of which that parser tells only the last.
    """
    tree = orjson.loads(data)
    if outside_strings(data).count(b":") != _count_members(tree):
        raise ValueError("a member stands twice")
    return tree


def outside_strings(data: bytes) -> bytes:
    """Return a JSON text with all its strings empty: what is left are numbers and signs."""
    return _STRING.sub(b'""', data)


def _count_members(node: Any) -> int:
    if isinstance(node, dict):
        return len(node) + sum(_count_members(child) for child in node.values())
    if isinstance(node, list):
        return sum(_count_members(child) for child in node)
    return 0


def plain_lines(data: bytes) -> Any:
    """Read newline-delimited JSON with the second parser."""
    return [plain(line) for line in data.removesuffix(b"\n").split(b"\n")] if data else []
