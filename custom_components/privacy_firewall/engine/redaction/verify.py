"""The check of the result: what is about to leave is read again, by other parsers, and compared.

It knows nothing of how the message was rebuilt, only which leaves may stand in it. Every leaf and
every name of the encoded message must be one of these, as often and no more; else it is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ..errors import Refused
from ..model import Leaf, Number, OutgoingRequest, Reason, Unnamed
from ..payload.embedded import MAX_LAYERS, unbase64
from ..payload.form import plain_text
from ..payload.framing import Framing
from ..payload.json_text import outside_strings, plain
from .frames import take_off
from .identifiers import find, looks_like_data, stands_for_name
from .paths import write_name

_LONG_NUMBER = re.compile(rb"[0-9.eE+-]{16,}")
_WHOLE = range(-(2**63), 2**64)
"""The whole numbers that the second parser reads as such; others it reads as floats."""
_TOKENS = re.compile(r"[^A-Za-z0-9._:+@-]+")
_FLAG = ("constant", None)
type _Key = tuple[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What may stand in a message.

    `leaves`: (place, value) of everything released, data-like names included. `segments`: the
    endpoint's decoded path segments. `constant_headers`: (lower-case name, value) pairs that are
    not the appliance's data. `read_body`: the second parser of the body's format, which may be
    JSON; `inflate` undoes its content coding, and `framing` is what is around it.
    """

    leaves: Iterable[tuple[str, Leaf]]
    segments: tuple[str, ...]
    constant_headers: frozenset[tuple[str, str]]
    read_body: Callable[[bytes], Any] | None = None
    is_json: bool = False
    inflate: Callable[[bytes], bytes] = bytes
    framing: Framing = ()


class Outside(NamedTuple):
    """The texts of a message that are no granted leaf.

    `names` are the member names. A consent speaks of them, for they are the way to its data point:
    a withheld value is no news there, an identity is.
    """

    texts: list[str]
    names: list[str]


def check(request: OutgoingRequest, expected: Expected) -> Outside:
    """Compare a message with what was released; return its texts that are no granted leaf.

    Raises `Refused(EGRESS_CHECK_FAILED)` at the first thing that should not be there.
    """
    read = _SecondReading(request, expected)
    return Outside(read.texts, read.names)


def search(outside: Outside, identities: frozenset[str], withheld: frozenset[str]) -> Reason | None:
    """Look for identities and specific withheld values outside granted leaves."""
    if find(identities, [*outside.texts, *outside.names]):
        return Reason.IDENTITY_FOUND
    if withheld:
        for text in outside.texts:
            if text in withheld or not withheld.isdisjoint(_TOKENS.split(text)):
                return Reason.WITHHELD_VALUE_FOUND
    return None


def _failed(what: str) -> Refused:
    return Refused(Reason.EGRESS_CHECK_FAILED, what)


def _expected_key(value: Leaf) -> _Key:
    if type(value) is Number:
        text = str(value)
        if len(text) <= 20 and text.lstrip("-").isdigit() and int(text) in _WHOLE:
            return "number", int(text)
        return "number", float(text)
    return _key(value)


def _key(value: Any) -> _Key:
    if value is None or isinstance(value, bool):
        return "constant", value
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "text", str(value)
    return "empty", type(value).__name__


class _SecondReading:
    """One message, read by parsers that share no code with those that wrote it."""

    def __init__(self, request: OutgoingRequest, expected: Expected) -> None:
        leaves = list(expected.leaves)
        self._expected = Counter((place, _expected_key(value)) for place, value in leaves)
        self._found: Counter[tuple[str, _Key]] = Counter()
        self._long = {
            str(value) for _, value in leaves if type(value) is Number and len(value) >= 16
        }
        self._is_json = expected.is_json
        self.texts: list[str] = []
        self.names: list[str] = []
        self._target(request, expected.segments)
        self._headers(request, expected.constant_headers)
        if request.body:
            self._body(request.body, expected, leaves)
        if self._found != self._expected:
            raise _failed("the message is not what was released")

    def _target(self, request: OutgoingRequest, segments: tuple[str, ...]) -> None:
        parts = urlsplit(request.origin + request.target)
        try:
            path = tuple(unquote(part, errors="strict") for part in parts.path.split("/")[1:])
            query = plain_text(parts.query)
        except ValueError as err:
            raise _failed("the second parser cannot read the target") from err
        if len(path) != len(segments) or parts.fragment:
            raise _failed("the path has another shape")
        for index, (segment, known) in enumerate(zip(path, segments, strict=True)):
            if looks_like_data(segment):
                self._found[f"$.path[{index}]", _key(segment)] += 1
            elif segment == known:
                self.texts.append(segment)
            else:
                raise _failed("a path segment changed")
        for name, value in query.items():
            self._member(name, value, "$.query", MAX_LAYERS)

    def _headers(self, request: OutgoingRequest, constant: frozenset[tuple[str, str]]) -> None:
        seen: set[str] = set()
        for name, value in request.headers:
            lower = name.lower()
            if lower in seen:
                raise _failed("a header stands twice")
            seen.add(lower)
            if (lower, value) in constant:
                self.texts.append(value)
            elif lower == "cookie":
                for pair in value.split("; "):
                    cookie, _, text = pair.partition("=")
                    self._member(cookie, text, "$.cookie", MAX_LAYERS)
            else:
                self._member(lower, value, "$.header", MAX_LAYERS)

    def _body(self, body: bytes, expected: Expected, leaves: list[tuple[str, Leaf]]) -> None:
        if expected.read_body is None:
            raise _failed("a body where there was none")
        try:
            text = expected.inflate(body)
            if expected.framing:
                text, masked = take_off(text, expected.framing)
                # What a mask makes of granted values may be the very thing to look for.
                self.texts += masked
            tree = expected.read_body(text)
        except (ValueError, RecursionError) as err:
            raise _failed("the second parser cannot read the body") from err
        if tree not in ({}, [], None) or any(place == "$.body" for place, _ in leaves):
            self._tree(tree, "$.body", MAX_LAYERS)
        if expected.is_json:
            self._long_numbers(text)

    def _long_numbers(self, text: bytes) -> None:
        """Compare long numbers as they are spelled: as floats two can look the same."""
        if _LONG_NUMBER.search(text):
            for number in _LONG_NUMBER.findall(outside_strings(text)):
                if number.decode() not in self._long:
                    raise _failed("a long number changed")

    def _member(self, name: str, value: Any, place: str, layers: int) -> None:
        if isinstance(name, Unnamed):
            self._tree(value, place, layers)
            return
        name = str(name)
        here = place + write_name(name)
        given = f"{here}~", _key(name)
        # What stands for a withheld name looks like data too, so that no name can pass for it.
        if looks_like_data(name) and (given in self._expected or not stands_for_name(name)):
            self._found[given] += 1
        else:
            self.names.append(name)
        self._tree(value, here, layers)

    def _tree(self, node: Any, place: str, layers: int) -> None:
        if isinstance(node, dict) and node:
            for name, child in node.items():
                self._member(name, child, place, layers)
        elif isinstance(node, list) and node:
            for child in node:
                self._tree(child, f"{place}[*]", layers)
        else:
            key = self._leaf(node)
            if (place, key) not in self._expected:
                if node == "" and self._may_be_flag(place):
                    # A form's name without `=`: the second parser does not tell it apart.
                    key = _FLAG
                elif isinstance(node, str) and layers and self._embedded(node, place, layers):
                    return
            self._found[place, key] += 1

    def _leaf(self, node: Any) -> _Key:
        if type(node) is Number:
            # Formats with numbers of their own are read with the numbers' spelling.
            if len(node) >= 16 and node not in self._long:
                raise _failed("a long number changed")
            return _expected_key(node)
        return _key(node)

    def _may_be_flag(self, place: str) -> bool:
        in_form = place.startswith("$.query") or not self._is_json
        return in_form and (place, _FLAG) in self._expected

    def _embedded(self, text: str, place: str, layers: int) -> bool:
        """Read a tree inside a string; False where there is none."""
        inner = text if text.lstrip()[:1] in ("{", "[") else unbase64(text)[1]
        if inner.lstrip()[:1] not in ("{", "["):
            return False
        try:
            tree = plain(inner.encode())
        except ValueError:
            return False
        self._long_numbers(inner.encode())
        self._tree(tree, place, layers - 1)
        return True
