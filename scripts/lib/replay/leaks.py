"""Looks for withheld values in what arrived, plainly and in what encodings hide.

Independent of the engine on purpose. What is too common to tell anything (short words, small
numbers, booleans), what is granted elsewhere in the message and what is its structure is not
looked for: see docs/replay.md.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
import json
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from . import leaves
from .leaves import Digits, Leaf, Message, Pattern


class Arrived(NamedTuple):
    """What the recorder was sent."""

    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class Leak(NamedTuple):
    """A withheld item that was found: its path, the part it was found in, and in which encoding."""

    path: str
    where: str
    how: str


_LAYERS = 2
"""How many encodings around each other are undone."""
_MIN_KEY = 5
_MIN_NORMAL = 8
_HEX = re.compile(r"[0-9A-Fa-f]{10,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))")
_SHAPES = re.compile(
    r"""(?:[0-9A-Fa-f]{2}[:.-]?){5}[0-9A-Fa-f]{2}
      | [0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}
      | [^@\s]+@[^@\s]+\.[^@\s]+""",
    re.VERBOSE,
)
_NAMES = re.compile(
    r"serial|mac$|uuid|duid|imei|token|ssid|pass(?:key|word)|device_?id|user_?id|e-?mail",
    re.IGNORECASE,
)


def find(sent: Message, patterns: list[Pattern], arrived: Arrived) -> list[Leak]:
    """Return the withheld items of a message that stand in what arrived."""
    given = leaves.granted(sent, patterns)
    allowed = [str(sent.leaves[index].value) for index in sorted(given)]
    wanted = _wanted(sent, given, set(allowed))
    if not wanted:
        return []
    known = _Known(wanted)
    found: dict[str, Leak] = {}
    for where, text in _parts(arrived):
        for how, view in _views(text):
            for value in known.hits(view):
                for leaf in wanted[value]:
                    path = _name(leaf)
                    if path not in found and _counts(leaf, value, view, allowed):
                        found[path] = Leak(path, where, how)
            for leaf in _normalised(wanted, view):
                found.setdefault(_name(leaf), Leak(_name(leaf), where, f"{how}, other punctuation"))
    return list(found.values())


def _name(leaf: Leaf) -> str:
    return leaves.write(leaf.path) + ("~" if leaf.is_name else "")


def _wanted(sent: Message, given: set[int], allowed: set[str]) -> dict[str, list[Leaf]]:
    """Return the withheld values that are specific, with the items that hold them."""
    numbers = {number for text in allowed if (number := _number(text)) is not None}
    wanted: dict[str, list[Leaf]] = {}
    structure = "\n".join(sent.structure)
    for index, leaf in enumerate(sent.leaves):
        value = leaf.value
        if index in given or not isinstance(value, str) or not is_specific(value):
            continue
        if value in allowed or _number(value) in numbers or value in structure:
            continue
        wanted.setdefault(str(value), []).append(leaf)
    return wanted


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def is_specific(value: str) -> bool:
    """Tell whether a value found elsewhere is hardly there by chance.

    Numbers of five significant digits; other text of ten characters, or of six with anything but
    letters.
    """
    if isinstance(value, Digits) or _number(value) is not None:
        digits = re.sub(r"[eE].*|\D", "", value).strip("0")
        return len(digits) >= 5
    return len(value) >= 10 or (len(value) >= 6 and not value.isalpha())


def is_identity(leaf: Leaf) -> bool:
    """Tell whether an item names someone or something, by its shape or its name."""
    value = str(leaf.value)
    return _SHAPES.fullmatch(value) is not None or (
        not isinstance(leaf.value, Digits)
        and any(character.isdigit() for character in value)
        and _NAMES.search(str(leaf.path[-1])) is not None
    )


class _Known:
    """Many texts, looked for in one pass: by their first characters, then whole."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_start: dict[str, list[str]] = {}
        for text in texts:
            self._by_start.setdefault(text[:_MIN_KEY].lower(), []).append(text)

    def hits(self, view: str) -> set[str]:
        starts = self._by_start
        lower = view.lower()
        if len(lower) != len(view):
            lower = (
                view  # A letter whose small form is longer; then letters must match as they are.
            )
        hits = set()
        for position in range(len(lower) - _MIN_KEY + 1):
            for text in starts.get(lower[position : position + _MIN_KEY], ()):
                if lower.startswith(text.lower(), position) and _stands_alone(text, view, position):
                    hits.add(text)
        return hits


def _stands_alone(text: str, view: str, position: int) -> bool:
    """Tell whether digits at the borders of a text are not part of a longer number."""
    end = position + len(text)
    if text[0].isdigit() and position and view[position - 1].isdigit():
        return False
    return not (text[-1].isdigit() and end < len(view) and view[end].isdigit())


def _counts(leaf: Leaf, value: str, view: str, allowed: list[str]) -> bool:
    """Tell whether a hit is more than a part of something granted; an identity always is."""
    around = [text for text in allowed if value.lower() in text.lower()]
    if not around or is_identity(leaf):
        return True
    for text in sorted(around, key=len, reverse=True):
        for spelling in (text, json.dumps(text)[1:-1], quote(text), quote(text, safe="")):
            view = view.replace(spelling, "\0")
    return bool(_Known([value]).hits(view))


def _normal(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower())


def _normalised(wanted: dict[str, list[Leaf]], view: str) -> Iterator[Leaf]:
    """Return identities that stand in a text with other punctuation or none."""
    normal_view = ""
    for value, items in wanted.items():
        for leaf in items:
            if is_identity(leaf) and len(normal := _normal(value)) >= _MIN_NORMAL:
                normal_view = normal_view or _normal(view)
                if normal in normal_view:
                    yield leaf


def _parts(arrived: Arrived) -> Iterator[tuple[str, str]]:
    yield "url", arrived.target
    for name, value in arrived.headers:
        if not leaves.is_protocol(name, value):
            yield f"header {name.lower()}", f"{name}\n{value}"
    for data in leaves.inflate(arrived.body):
        yield "body", data.decode("utf-8", "surrogateescape")


def _views(text: str) -> Iterator[tuple[str, str]]:
    """Return a text as it is, and what up to two encodings around each other hide in it."""
    seen = {text}
    layer = [("plain", text)]
    yield from layer
    for _ in range(_LAYERS):
        inner = []
        for how, outer in layer:
            for name, view in _undo(outer):
                if view and view not in seen:
                    seen.add(view)
                    inner.append((name if how == "plain" else f"{name} in {how}", view))
        yield from inner
        layer = inner


def _undo(text: str) -> Iterator[tuple[str, str]]:
    if "%" in text:
        yield "percent-encoding", unquote(text, errors="surrogateescape")
    if "+" in text:
        yield "percent-encoding", unquote_plus(text, errors="surrogateescape")
    if "\\" in text:
        yield "JSON escapes", _ESCAPE.sub(_unescape, text)
    runs = [run for whole in _HEX.findall(text) for run in (whole, whole[1:])]
    if runs:
        yield (
            "hexadecimal",
            "\n".join(_text(bytes.fromhex(run[: len(run) - len(run) % 2])) for run in runs),
        )
    runs = [whole.translate(_STANDARD) for whole in _BASE64.findall(text)]
    for offset in range(4 if runs else 0):
        # What is looked for may be part of something longer: it can start at any place of four.
        yield "base64", "\n".join(_text(_unbase64(run[offset:])) for run in runs)


_STANDARD = str.maketrans("-_", "+/")
_SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _SIMPLE.get(match[2], match[2])


def _unbase64(run: str) -> bytes:
    try:
        whole = len(run) - len(run) % 4
        return base64.b64decode(run[:whole]) + _tail(run[whole:])
    except binascii.Error:
        return b""


def _tail(rest: str) -> bytes:
    return base64.b64decode(rest + "=" * (-len(rest) % 4)) if len(rest) > 1 else b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
