"""The check of the result: what is about to leave is read again, by other parsers, and compared.

It knows nothing of how the message was rebuilt, only which leaves may stand in it. Every leaf and
every name of the encoded message must be one of these, as often and no more; else it is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from ..errors import Refused
from ..model import Leaf, Number, OutgoingRequest, Reason
from ..payload.embedded import MAX_LAYERS, unbase64
from ..payload.form import plain_text
from .identifiers import find, looks_like_data
from .paths import write_name

_LONG_DIGITS = re.compile(rb"[0-9]{16,}")
_TOKENS = re.compile(r"[^A-Za-z0-9._:+@-]+")
_FLAG = ("constant", None)
type _Key = tuple[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What may stand in a message.

    `leaves`: (place, value) of everything released, data-like names included. `segments`: the
    endpoint's decoded path segments. `constant_headers`: (lower-case name, value) pairs that are
    not the appliance's data. `read_body`: the second parser of the body's format; `inflate` undoes
    its content coding.
    """

    leaves: Iterable[tuple[str, Leaf]]
    segments: tuple[str, ...]
    constant_headers: frozenset[tuple[str, str]]
    read_body: Callable[[bytes], Any] | None = None
    inflate: Callable[[bytes], bytes] = bytes


def check(request: OutgoingRequest, expected: Expected) -> list[str]:
    """Compare a message with what was released; return its texts that are no granted leaf.

    Raises `Refused(EGRESS_CHECK_FAILED)` at the first thing that should not be there.
    """
    return _SecondReading(request, expected).outside


def search(
    outside: list[str], identities: frozenset[str], withheld: frozenset[str]
) -> Reason | None:
    """Look for identities and specific withheld values outside granted leaves."""
    if find(identities, outside):
        return Reason.IDENTITY_FOUND
    if withheld:
        for text in outside:
            if text in withheld or not withheld.isdisjoint(_TOKENS.split(text)):
                return Reason.WITHHELD_VALUE_FOUND
    return None


def _failed(what: str) -> Refused:
    return Refused(Reason.EGRESS_CHECK_FAILED, what)


def _expected_key(value: Leaf) -> _Key:
    if type(value) is Number:
        text = str(value)
        is_integer = len(text) <= 18 and text.lstrip("-").isdigit()
        return "number", int(text) if is_integer else float(text)
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
        self.outside: list[str] = []
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
                self.outside.append(segment)
            else:
                raise _failed("a path segment changed")
        for name, value in query.items():
            self._member(name, value, "$.query", MAX_LAYERS)

    def _headers(self, request: OutgoingRequest, constant: frozenset[tuple[str, str]]) -> None:
        for name, value in request.headers:
            lower = name.lower()
            if (lower, value) in constant:
                self.outside.append(value)
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
            plain = expected.inflate(body)
            tree = expected.read_body(plain)
        except (ValueError, RecursionError) as err:
            raise _failed("the second parser cannot read the body") from err
        if tree not in ({}, [], None) or any(place == "$.body" for place, _ in leaves):
            self._tree(tree, "$.body", MAX_LAYERS)
        # As floats two long numbers can look the same: these are compared digit by digit.
        runs = _LONG_DIGITS.findall(plain)
        if runs:
            known = "\n".join(f"{place}\n{value}" for place, value in leaves)
            if any(run.decode() not in known for run in runs):
                raise _failed("a long number changed")

    def _member(self, name: str, value: Any, place: str, layers: int) -> None:
        here = place + write_name(name)
        if looks_like_data(name):
            self._found[f"{here}~", _key(name)] += 1
        else:
            self.outside.append(name)
        self._tree(value, here, layers)

    def _tree(self, node: Any, place: str, layers: int) -> None:
        if isinstance(node, dict) and node:
            for name, child in node.items():
                self._member(name, child, place, layers)
        elif isinstance(node, list) and node:
            for child in node:
                self._tree(child, f"{place}[*]", layers)
        else:
            key = _key(node)
            if (place, key) not in self._expected:
                if node == "" and (place, _FLAG) in self._expected:
                    # A form's name without `=`: the second parser does not tell it apart.
                    key = _FLAG
                elif isinstance(node, str) and layers and (inner := _open(node)) is not None:
                    self._tree(inner, place, layers - 1)
                    return
            self._found[place, key] += 1


def _open(text: str) -> Any:
    inner = text if text.lstrip()[:1] in ("{", "[") else unbase64(text)[1]
    if inner.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return orjson.loads(inner)
    except ValueError:
        return None
