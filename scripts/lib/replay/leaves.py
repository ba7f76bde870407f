"""The items of a message and their paths, read by the standard library alone.

It knows the notation and the formats as documented, but none of the engine's code.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from compression import zstd
import json
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote
import zlib

ANY = None
"""The wildcard in a pattern."""
type Path = tuple[str | int, ...]
type Pattern = tuple[str | int | None, ...]


class Digits(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Leaf(NamedTuple):
    """One item: its place, its value, and whether it is a member's name rather than its value."""

    path: Path
    value: str | bool | None
    is_name: bool = False


class Message(NamedTuple):
    """The items of a message, and the member names and address parts that are its structure."""

    leaves: list[Leaf]
    structure: set[str]


_SEGMENT = re.compile(
    r"""\s*(?:
        \.(?P<any>\*) | \.(?P<name>[^\s.\[\]*'"]+)
      | \[\s*(?:(?P<each>\*) | (?P<index>\d+)
          | '(?P<single>(?:[^'\\]|\\.)*)' | "(?P<double>(?:[^"\\]|\\.)*)" )\s*\]
    )""",
    re.VERBOSE,
)
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_MAX_LAYERS = 4
_MAX_INFLATED = 32 * 1024 * 1024

_HOP_BY_HOP = frozenset({
    "host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade", "content-length", "expect",
})  # fmt: skip
_MEDIA = (
    r"(?:\*/\*|text/(?:plain|html|json)|application/(?:octet-stream|x-www-form-urlencoded)"
    r"|application/(?:[a-z.-]{1,40}\+)?(?:x-)?(?:nd)?jsonl?)"
)
_CODING = r"[a-z*-]{1,10}(?:;q=[\d.]+)?"
_PROTOCOL_VALUES = {
    "content-type": re.compile(rf"{_MEDIA}(?:\s*;\s*charset=\"?[\w-]{{1,12}}\"?)?", re.IGNORECASE),
    "accept": re.compile(rf"{_MEDIA}(?:\s*,\s*{_MEDIA})*", re.IGNORECASE),
    "content-encoding": re.compile(r"[a-z-]{1,10}", re.IGNORECASE),
    "accept-encoding": re.compile(rf"{_CODING}(?:\s*,\s*{_CODING})*", re.IGNORECASE),
}  # fmt: skip

_DATA_NAMES = re.compile(
    r"""(?:[0-9A-Fa-f]{2}[:.-]?){5}[0-9A-Fa-f]{2}             # MAC
      | [0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}  # UUID
      | [^@\s]+@[^@\s]+\.[^@\s]+                                # e-mail
      | \d{4}-\d\d-\d\d.* | \d\d:\d\d(?::\d\d)?                 # date, time
      | [+-]?\d{5,}(?:\.\d+)? | \d{1,3}(?:\.\d{1,3}){3}         # number, address
      | (?=.*\d)[0-9A-Fa-f]{8,}                                 # hexadecimal
      | (?=(?:.*\d){3})(?=.*[A-Za-z])[A-Za-z0-9+/_=-]{12,}      # random""",
    re.VERBOSE,
)


def parse(pattern: str) -> Pattern:
    """Read a path with or without wildcards; raises `ValueError`."""
    selectors: list[str | int | None] = []
    position = 1
    while position < len(pattern):
        match = _SEGMENT.match(pattern, position)
        if match is None:
            raise ValueError(f"{pattern}: cannot be read from character {position + 1} on")
        position = match.end()
        if match["any"] or match["each"]:
            selectors.append(ANY)
        elif match["index"]:
            selectors.append(int(match["index"]))
        elif match["name"]:
            selectors.append(match["name"])
        else:
            quoted = match["single"] if match["single"] is not None else match["double"]
            selectors.append(_unescape(quoted))
    return tuple(selectors)


def _unescape(text: str) -> str:
    inner = text.replace("\\'", "'").replace('"', '\\"').replace('\\\\"', '\\"')
    return str(json.loads(f'"{inner}"'))


def matches(pattern: Pattern, path: Path) -> bool:
    """Tell whether a path lies at a pattern."""
    return len(pattern) == len(path) and all(
        one is ANY or one == other for one, other in zip(pattern, path, strict=True)
    )


def write(path: Path) -> str:
    """Write a path as `$.part.name[0]['odd name']`."""
    return "$" + "".join(_segment(one) for one in path)


def _segment(one: str | int) -> str:
    if isinstance(one, int):
        return f"[{one}]"
    if _PLAIN_NAME.fullmatch(one):
        return f".{one}"
    escaped = json.dumps(one, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"['{escaped}']"


def is_data(name: str) -> bool:
    """Tell whether a name or an address part is a value rather than structure."""
    return _DATA_NAMES.fullmatch(name) is not None


def is_protocol(name: str, value: str) -> bool:
    """Tell whether a header says nothing of the appliance, only how the message is to be read."""
    lower = name.lower()
    known = _PROTOCOL_VALUES.get(lower)
    return lower in _HOP_BY_HOP or (
        known is not None and known.fullmatch(value.strip()) is not None
    )


def read(target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Message:
    """Read a request; what cannot be read is one item, whole."""
    message = Message([], set())
    path, _, query = target.partition("?")
    for index, segment in enumerate(path.split("/")[1:]):
        text = unquote(segment)
        if is_data(text):
            message.leaves.append(Leaf(("path", index), text))
        else:
            message.structure.add(text)
    _add(message, ("query",), dict(parse_qsl(query, keep_blank_values=True)))
    listed = list(headers)
    for name, value in listed:
        if is_protocol(name, value):
            continue
        if name.lower() == "cookie":
            pairs = (pair.strip().partition("=") for pair in value.split(";"))
            _add(message, ("cookie",), {cookie: text for cookie, _, text in pairs})
        else:
            message.leaves.append(Leaf(("header", name.lower()), value))
    if body:
        for data in inflate(body):
            _add(message, ("body",), _tree(data))
    return message


def inflate(data: bytes) -> list[bytes]:
    """Return what gzip, deflate or zstd hold, seen by their first bytes; else the data.

    Of gzip and deflate that is all members, of zstd the first frame.
    """
    if data[:4] == b"\x28\xb5\x2f\xfd":
        try:
            return [zstd.ZstdDecompressor().decompress(data, _MAX_INFLATED)]
        except zstd.ZstdError:
            return [data]
    if data[:2] == b"\x1f\x8b" or (data[:1] == b"\x78" and int.from_bytes(data[:2]) % 31 == 0):
        inflated = []
        rest = data
        while rest:
            inflater = zlib.decompressobj(47)
            try:
                inflated.append(inflater.decompress(rest, _MAX_INFLATED))
            except zlib.error:
                inflated.append(rest)
                break
            rest = inflater.unused_data
        return inflated
    return [data]


def _tree(data: bytes) -> Any:
    text = data.decode("utf-8", "surrogateescape")
    tree = _json(text)
    if tree is not None:
        return tree
    if text.lstrip()[:1] in ("{", "["):
        return [tree if (tree := _json(line)) is not None else line for line in text.splitlines()]
    if re.fullmatch(r"[!-~]*=[!-~]*\s*", text):
        return dict(parse_qsl(text.strip(), keep_blank_values=True))
    return text.splitlines()


def _json(text: str) -> Any:
    """Return the object or array a text holds, else None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, parse_float=Digits, parse_int=Digits, parse_constant=Digits)
    except ValueError, RecursionError:
        return None


def _add(message: Message, path: Path, node: Any, layers: int = _MAX_LAYERS) -> None:
    if isinstance(node, str) and not isinstance(node, Digits) and layers:
        inner = _json(node)
        if inner is None and (decoded := _unbase64(node)):
            inner = _json(decoded)
        if inner is not None:
            _add(message, path, inner, layers - 1)
            return
    if isinstance(node, dict):
        for name, child in node.items():
            if is_data(name):
                message.leaves.append(Leaf((*path, name), name, is_name=True))
            else:
                message.structure.add(name)
            _add(message, (*path, name), child, layers)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            _add(message, (*path, index), child, layers)
    else:
        message.leaves.append(Leaf(path, node))


def _unbase64(text: str) -> str:
    if len(text) < 4 or text[0] not in "eWI":
        return ""
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True).decode()
    except binascii.Error, ValueError:
        return ""


def granted(message: Message, patterns: list[Pattern]) -> set[int]:
    """Return the indices of the items that lie at one of the patterns, or say what those mean.

    The latter are values of `type`, `key`, `code`, `event` and `metric`: where anything else of
    their object is granted, they belong to its name.
    """
    by_length: dict[int, list[Pattern]] = {}
    for pattern in patterns:
        by_length.setdefault(len(pattern), []).append(pattern)
    given = {
        index
        for index, leaf in enumerate(message.leaves)
        if any(matches(one, leaf.path) for one in by_length.get(len(leaf.path), ()))
    }
    around = {start for index in given for start in _starts(message.leaves[index].path)}
    meanings = {
        index for index, leaf in enumerate(message.leaves)
        if leaf.path[:-1] in around and _tells_meaning(leaf)
    }  # fmt: skip
    return given | meanings


def _starts(path: Path) -> Iterator[Path]:
    return (path[:length] for length in range(1, len(path)))


_MEANING = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,39}|-?[0-9]{1,4}")


def _tells_meaning(leaf: Leaf) -> bool:
    return (
        leaf.path[0] in ("body", "query")
        and leaf.path[-1] in ("type", "key", "code", "event", "metric")
        and isinstance(leaf.value, str)
        and _MEANING.fullmatch(leaf.value) is not None
        and not is_data(leaf.value)
    )
