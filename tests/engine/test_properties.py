"""No consent, no value leaves: over made-up messages, judged by an oracle of its own.

A message is generated as a shape, of which the test itself knows what is one data point: names
that are names, names that are data, siblings that tell a meaning. Every value is a canary that
occurs nowhere else. The oracle unpacks what leaves by the standard library alone.
"""

import base64
from collections.abc import Iterator, Sequence
from compression import zstd
from dataclasses import dataclass, field, replace
from functools import partial
import gzip
import json
import os
import re
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus
import zlib

import cbor2
from hypothesis import HealthCheck, assume, given, settings, strategies as st
import ormsgpack
import pytest

from engine.model import Field, Level, Outcome, OutgoingRequest, Transmission
from helpers import CLOUD, HOST, House, post, wire

# --- Shapes ---

PLAIN = ("door", "temp", "état", "a b", "x.y", "0", "[*]", "it's", "Type", "_x", "value", "", "~")
TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "form": "application/x-www-form-urlencoded",
    "cbor": "application/cbor",
    "msgpack": "application/msgpack",
}
BINARY = {
    "application/cbor": (cbor2.dumps, cbor2.loads),
    "application/msgpack": (ormsgpack.packb, ormsgpack.unpackb),
}
"""By content type: how another library writes and reads it."""
KINDS = ("text", "number", "true", "false", "null", "object", "list")
WRAPPINGS = ("json", "base64", "base64url")


@dataclass(eq=False)
class Leaf:
    """A value; what it is called and whether it is released is found out later."""

    kind: str
    number: int = 0
    label: tuple[str, ...] = ()

    @property
    def has_canary(self) -> bool:
        return self.kind in ("text", "number")


@dataclass(eq=False)
class DataName(Leaf):
    """A member name that is data itself."""

    kind: str = "name"

    @property
    def has_canary(self) -> bool:
        return True


@dataclass
class Object:
    """Members: (name, or a leaf where the name is data; child); `meaning` goes first."""

    members: list[tuple[str | DataName, Any]]
    meaning: tuple[str, str] | None = None


@dataclass
class Array:
    """Elements."""

    elements: list[Any]


@dataclass
class Inside:
    """A tree in a string."""

    wrapping: str
    child: Any


@dataclass
class Message:
    """A whole request; `parts` are the roots of its trees by the path of their place."""

    style: str
    parts: dict[str, Any]
    ascii_only: bool = False
    indent: int | None = None
    coding: str = ""
    leaves: list[Leaf] = field(default_factory=list)

    def number_leaves(self) -> Message:
        """Give each leaf its number and its label."""
        for path, root in self.parts.items():
            self._label(root, (path,), ())
        for number, leaf in enumerate(self.leaves):
            leaf.number = number
        return self

    def _label(self, node: Any, path: tuple[str, ...], siblings: tuple[str, ...]) -> None:
        match node:
            case Leaf():
                node.label = (*path, *siblings)
                self.leaves.append(node)
            case Inside(child=child):
                self._label(child, path, siblings)
            case Array(elements=elements):
                for element in elements:
                    self._label(element, (*path, "[]"), siblings)
            case Object(members=members, meaning=meaning):
                if meaning is not None:
                    own = Leaf("meaning", label=(*path, f".{meaning[0]}", *siblings))
                    self.leaves.append(own)
                    siblings = (*siblings, f"{meaning[0]}={meaning[1]}")
                for name, child in members:
                    if isinstance(name, DataName):
                        name.label = (*path, "*", *siblings, "name")
                        self.leaves.append(name)
                        self._label(child, (*path, "*"), siblings)
                    else:
                        self._label(child, (*path, f".{name}"), siblings)


def leaves() -> st.SearchStrategy[Any]:
    return st.builds(Leaf, st.sampled_from(KINDS))


def objects(children: st.SearchStrategy[Any], names: Sequence[str] = PLAIN) -> Any:
    named = st.lists(
        st.tuples(st.sampled_from(names), children), max_size=4, unique_by=lambda one: one[0]
    )
    data = st.lists(st.tuples(st.builds(DataName), children), max_size=2)
    meaning = st.none() | st.tuples(
        st.sampled_from(["type", "event", "metric"]), st.sampled_from(["1", "A.b", "Open"])
    )
    return st.builds(an_object, named, data, meaning).filter(
        lambda made: made.members or made.meaning
    )


def an_object(
    named: list[tuple[str, Any]],
    data: list[tuple[DataName, Any]],
    meaning: tuple[str, str] | None,
) -> Object:
    return Object([*named, *data], meaning)


def nodes() -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves(),
        lambda children: (
            objects(children)
            | st.builds(Array, st.lists(children, min_size=1, max_size=3))
            | st.builds(Inside, st.sampled_from(WRAPPINGS), objects(children))
        ),
        max_leaves=10,
    )


def flat(kinds: Sequence[str] = ("text", "text", "null")) -> st.SearchStrategy[Any]:
    values = st.builds(Leaf, st.sampled_from(kinds)) | st.builds(
        Inside, st.sampled_from(WRAPPINGS), objects(leaves())
    )
    return objects(values, ("door", "temp", "état", "a b", "x[0]", "value"))


def named_texts(names: Sequence[str]) -> st.SearchStrategy[Any]:
    texts = st.builds(lambda: Leaf("text"))
    members = st.lists(
        st.tuples(st.sampled_from(names), texts), max_size=3, unique_by=lambda one: one[0]
    )
    return st.builds(Object, members)


CODINGS = ("", "", "gzip", "deflate", "raw", "zstd")
STYLES = ("json", "json", "ndjson", "form", "text", "none", "cbor", "msgpack")


@st.composite
def messages(draw: st.DrawFn, styles: Sequence[str] = STYLES) -> Message:
    style = draw(st.sampled_from(styles))
    parts: dict[str, Any] = {}
    if draw(st.booleans()) or style == "none":
        parts["$.query"] = draw(flat())
    parts["$.header"] = draw(named_texts(["user-agent", "x-one", "accept-language"]))
    parts["$.cookie"] = draw(named_texts(["sid", "lang"]))
    if style == "json" or TYPES.get(style) in BINARY:
        parts["$.body"] = draw(nodes())
    elif style == "ndjson":
        parts["$.body"] = Array(draw(st.lists(objects(nodes()), min_size=2, max_size=3)))
    elif style == "form":
        parts["$.body"] = draw(flat())
    elif style == "text":
        lines = st.builds(lambda: Leaf("text")) | st.builds(
            Inside, st.just("json"), objects(leaves())
        )
        parts["$.body"] = Array([Leaf("text"), *draw(st.lists(lines, max_size=3))])
    message = Message(
        style,
        parts,
        ascii_only=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1])) if style == "json" else None,
        coding=draw(st.sampled_from(CODINGS)) if style != "none" else "",
    )
    return message.number_leaves()


# --- Values ---


class Raw(str):
    """A number as it is spelled."""

    __slots__ = ()


def unspelled(tree: Any) -> Any:
    """A tree whose numbers are numbers, as for formats that have no spelling."""
    if isinstance(tree, Raw):
        return int(tree) if tree.isdigit() else float(tree)
    if isinstance(tree, dict):
        return {name: unspelled(child) for name, child in tree.items()}
    return [unspelled(child) for child in tree] if isinstance(tree, list) else tree


class Pen:
    """Writes a message. `other` are the leaves that get another value of the same kind."""

    def __init__(self, message: Message, other: frozenset[int] = frozenset()) -> None:
        self._message = message
        self._other = other

    def value(self, leaf: Leaf) -> Any:
        other = leaf.number in self._other
        number = leaf.number
        match leaf.kind:
            case "text":
                return f"cänary-{number}x" + ("-é>?~" * (1 + number % 3) if other else "")
            case "number":
                return Raw(
                    f"-9{number:03d}1.50e{3 + other}" if number % 2 else f"7{number:03d}90210"
                )
            case "name":
                return f"24:C8:6E:{'F' if other else 'A'}{number // 256:x}:{number % 256:02X}:99"
            case "true" | "false":
                return (leaf.kind == "true") != other
            case "null":
                return None
            case "object":
                return {}
            case "list":
                return []
        raise AssertionError(leaf.kind)

    def canaries(self, leaf: Leaf) -> set[str]:
        value = self.value(leaf)
        return {str(value), str(unspelled(value))}

    def tree(self, node: Any) -> Any:
        match node:
            case Leaf():
                if node.kind == "number" and node.number in self._other and not node.number % 2:
                    return Raw(f"8{node.number:03d}4")
                return self.value(node)
            case Array(elements=elements):
                return [self.tree(element) for element in elements]
            case Inside(wrapping=wrapping, child=child):
                text = self.json(self.tree(child))
                if wrapping == "json":
                    return text
                encode = base64.b64encode if wrapping == "base64" else base64.urlsafe_b64encode
                packed = encode(text.encode()).decode()
                return packed if wrapping == "base64" else packed.rstrip("=")
            case Object(members=members, meaning=meaning):
                tree = {} if meaning is None else {meaning[0]: meaning[1]}
                for name, child in members:
                    key = self.value(name) if isinstance(name, DataName) else name
                    tree[key] = self.tree(child)
                return tree
        raise AssertionError(node)

    def json(self, tree: Any, indent: int | None = None) -> str:
        if isinstance(tree, Raw):
            return str(tree)
        space = "\n" + " " * indent if indent else ""
        if isinstance(tree, dict):
            members = (
                f"{space}{self.json(name)}:{' ' if indent else ''}{self.json(child, indent)}"
                for name, child in tree.items()
            )
            return "{" + ",".join(members) + "}"
        if isinstance(tree, list):
            return "[" + ",".join(space + self.json(child, indent) for child in tree) + "]"
        return json.dumps(tree, ensure_ascii=self._message.ascii_only)

    def form(self, tree: dict[str, Any]) -> str:
        return "&".join(
            quote(name, safe="")
            if value is None
            else f"{quote_plus(name)}={quote(value) if len(name) % 2 else quote_plus(value)}"
            for name, value in tree.items()
        )

    def transmission(self) -> Transmission:
        trees = {path: self.tree(root) for path, root in self._message.parts.items()}
        target = "/v1/report"
        if trees.get("$.query"):
            target += "?" + self.form(trees["$.query"])
        headers = [("Host", HOST)]
        if self._message.style in TYPES:
            headers.append(("Content-Type", TYPES[self._message.style]))
        headers += [(name.title(), quote(text)) for name, text in trees["$.header"].items()]
        if trees["$.cookie"]:
            pairs = (f"{name}={quote(text)}" for name, text in trees["$.cookie"].items())
            headers.append(("Cookie", "; ".join(pairs)))
        body = self._body(trees.get("$.body"))
        if self._message.coding:
            named = {"raw": "deflate"}.get(self._message.coding, self._message.coding)
            headers.append(("Content-Encoding", named))
        return post(body, target, headers, method="POST")

    def _body(self, tree: Any) -> bytes:
        match self._message.style:
            case style if TYPES.get(style) in BINARY:
                return self._packed(BINARY[TYPES[style]][0](unspelled(tree)))
            case "json":
                text = self.json(tree, self._message.indent)
            case "ndjson":
                text = "".join(self.json(line) + "\n" for line in tree)
            case "form":
                text = self.form(tree)
            case "text":
                text = "\r\n".join(tree)
            case _:
                return b""
        return self._packed(text.encode())

    def _packed(self, data: bytes) -> bytes:
        match self._message.coding:
            case "gzip":
                return gzip.compress(data, mtime=0)
            case "deflate":
                return zlib.compress(data)
            case "zstd":
                return zstd.compress(data)
            case "raw":
                packer = zlib.compressobj(wbits=-15)
                return packer.compress(data) + packer.flush()
        return data


# --- The oracle ---


def unpacked(outgoing: OutgoingRequest) -> str:
    """Everything that can be read out of a request: each text, and each text within it."""
    texts = {wire(replace(outgoing, body=b"")).decode()}
    texts.add(inflated(outgoing.body).decode("utf-8", "replace"))
    texts.add(outgoing.body.decode("utf-8", "replace"))
    if (kind := dict(outgoing.headers).get("Content-Type")) in BINARY:
        texts.update(words_of(BINARY[kind][1](inflated(outgoing.body))))
    new = texts
    for _ in range(9):
        new = {inner for text in new for inner in layers(text)} - texts
        if not new:
            break
        texts |= new
    return "\n".join(texts)


def inflated(data: bytes) -> bytes:
    """A body without its coding."""
    raw = partial(zlib.decompress, wbits=-15)
    for inflate in (gzip.decompress, zstd.decompress, zlib.decompress, raw):
        try:
            return inflate(data)
        except OSError, zlib.error, zstd.ZstdError, EOFError:
            continue
    return data


def words_of(node: Any) -> Iterator[str]:
    """Every name and value of a tree, as text."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield str(name)
            yield from words_of(child)
    elif isinstance(node, list):
        for child in node:
            yield from words_of(child)
    else:
        yield str(node)


def layers(text: str) -> Iterator[str]:
    yield unquote_plus(text)
    yield re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    yield re.sub(r"\\(.)", r"\1", text)
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", text):
        plain = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            cut = plain[start:]
            padded = cut[: len(cut) - (len(cut) % 4 == 1)] + "=" * (-len(cut) % 4)
            try:
                yield base64.b64decode(padded).decode()
            except ValueError:
                continue


def disguises(canary: str) -> set[str]:
    data = canary.encode()
    return {
        canary,
        canary[::-1],
        data.hex(),
        data.hex().upper(),
        "".join(f"%{one:02x}" for one in data),
    }


def assert_absent(canaries: set[str], outgoing: OutgoingRequest) -> None:
    text = unpacked(outgoing)
    for canary in canaries:
        for disguise in disguises(canary):
            # A number is not found inside of a longer one.
            found = re.search(rf"(?<![0-9]){re.escape(disguise)}(?![0-9])", text)
            assert found is None, "a withheld value left"


# --- Households ---


def house_for(message: Message, granted: frozenset[int], *, level: Level = Level.EXACT) -> House:
    """A house that has granted the data points in which these leaves stand."""
    house = House(replace(CLOUD, neutral=frozenset({"$.body.temp", "$.query.temp", "$.body.door"})))
    examined = house.send(Pen(message).transmission())
    assert examined.verdict.outcome is Outcome.DENY
    assert len(examined.found) == len(message.leaves), examined.verdict.reason
    for leaf, found in zip(in_order(message), examined.found, strict=True):
        if leaf.number in granted:
            point = house.learning.at("fridge", examined.template)[found.field]
            house.grant(point, level=level)
    return house


def in_order(message: Message) -> list[Leaf]:
    """The leaves as the engine meets them; the parts of a request have their own order there."""
    order = ["$.query", "$.header", "$.cookie", "$.body"]
    return sorted(message.leaves, key=lambda leaf: order.index(leaf.label[0]))


def same_label(message: Message, granted: frozenset[int]) -> frozenset[int]:
    """The leaves that a household means when it grants these: all of the same data points."""
    labels = {leaf.label for leaf in message.leaves if leaf.number in granted}
    return frozenset(leaf.number for leaf in message.leaves if leaf.label in labels)


@st.composite
def consented(draw: st.DrawFn, styles: Sequence[str] = STYLES) -> tuple[Message, frozenset[int]]:
    message = draw(messages(styles))
    assume(message.leaves)
    numbers = st.sampled_from(range(len(message.leaves)))
    return message, frozenset(draw(st.lists(numbers, min_size=1, max_size=6)))


BOUNDED = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_SEARCH") or 60),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# --- The properties ---


@BOUNDED
@given(messages())
def test_without_consent_nothing_leaves(message: Message) -> None:
    house = House()
    for _ in range(2):
        assert house.send(Pen(message).transmission()).outgoing is None


@BOUNDED
@given(consented())
def test_no_value_leaves_without_its_consent(case: tuple[Message, frozenset[int]]) -> None:
    """Consents to one data point never release another, however it is packed."""
    message, granted = case
    house = house_for(message, granted)
    examined = house.send(Pen(message).transmission())
    if examined.outgoing is None:
        return
    pen, allowed = Pen(message), same_label(message, granted)
    withheld = [leaf for leaf in message.leaves if leaf.has_canary and leaf.number not in allowed]
    assert_absent({one for leaf in withheld for one in pen.canaries(leaf)}, examined.outgoing)


@BOUNDED
@given(consented(), st.sampled_from(Level))
def test_what_is_withheld_does_not_show(case: tuple[Message, frozenset[int]], level: Level) -> None:
    """Two messages that differ only in withheld values leave byte for byte the same."""
    message, granted = case
    house = house_for(message, granted, level=level)
    allowed = same_label(message, granted)
    other = frozenset(
        leaf.number
        for leaf in message.leaves
        if leaf.number not in allowed and leaf.kind != "meaning"
    )
    one = house.send(Pen(message).transmission(), learn=False)
    two = house.send(Pen(message, other).transmission(), learn=False)
    assert (one.verdict.outcome, one.verdict.reason) == (two.verdict.outcome, two.verdict.reason)
    assert one.outgoing == two.outgoing
    assert one.released == two.released


@BOUNDED
@given(messages())
def test_all_granted_goes_as_it_came(message: Message) -> None:
    assume(message.leaves)
    transmission = Pen(message).transmission()
    house = house_for(message, frozenset(range(len(message.leaves))))
    outgoing = house.sent(transmission)
    if (kind := TYPES.get(message.style)) in BINARY:
        read = BINARY[kind][1]
        assert read(inflated(outgoing.body)) == read(inflated(transmission.body))
    else:
        assert outgoing.body == transmission.body
    assert outgoing.target == transmission.target
    assert outgoing.headers == transmission.headers[1:]


@BOUNDED
@given(consented())
def test_what_leaves_is_a_message_again(case: tuple[Message, frozenset[int]]) -> None:
    """Walk and rebuild agree: read again, what left has just the fields that were released."""
    message, granted = case
    message.coding = ""  # Nothing, compressed, would not be read.
    assume(message.style != "text")  # What is left of it may look like something else.
    house = house_for(message, granted)
    transmission = Pen(message).transmission()
    first_time = house.send(transmission)
    outgoing = first_time.outgoing
    if outgoing is None:
        return
    again = House().send(
        replace(transmission, target=outgoing.target, headers=outgoing.headers, body=outgoing.body)
    )
    passed = {house.learning.get(one) for one in first_time.released}
    released = {point.field for point in passed if point is not None}
    left = {one.field for one in again.found}
    assert {plainly(one) for one in released} <= {plainly(one) for one in left}


def plainly(item: Field) -> Field:
    """A withheld name that was data is `_1` in what left: both are any name here."""
    return Field(re.sub(r"\._\d+|\.\*|\['_1'\]", "._", item.path), ())


@BOUNDED
@given(messages(styles=("json", "ndjson")), st.data())
def test_another_kind_is_withheld(message: Message, data: st.DataObject) -> None:
    """What a household saw as one kind of value is not given as another."""
    places = [leaf for leaf in message.leaves if leaf.label[0] == "$.body" and leaf.kind in KINDS]
    assume(places)
    leaf = data.draw(st.sampled_from(places))
    house = house_for(message, frozenset({leaf.number}))
    before = {one.kind for one in message.leaves if one.label == leaf.label}
    leaf.kind = data.draw(st.sampled_from(["text", "number"]))
    assume(leaf.kind not in before)
    examined = house.send(Pen(message).transmission())
    if examined.outgoing is not None:
        assert_absent(Pen(message).canaries(leaf), examined.outgoing)


@pytest.mark.parametrize("granted", ["1", "4", "A.b"])
@settings(max_examples=30)
@given(order=st.permutations(["1", "4", "A.b", "7"]))
def test_siblings_keep_meanings_apart(granted: str, order: list[str]) -> None:
    values = {"1": 118003, "4": 172001, "A.b": 36601, "7": 99001}
    body = json.dumps({"measures": [{"value": values[one], "type": one} for one in order]})
    house = House()
    house.send(post(body))
    house.grant(house.point("$.body.measures[*].value", f"type={granted}"))
    assert json.loads(house.sent(post(body)).body) == {
        "measures": [{"value": values[granted], "type": granted}]
    }


def test_the_oracle_finds_what_it_looks_for() -> None:
    """However deep, in every packing that the properties use."""
    canary, inner = "cänary-7x", json.dumps({"a": "cänary-7x"})
    for _ in range(4):
        inner = json.dumps({"in": base64.b64encode(inner.encode()).decode().rstrip("=")})
    request = OutgoingRequest(
        method="POST",
        origin="https://c",
        target="/",
        headers=(),
        body=gzip.compress(inner.encode()),
    )
    packed = cbor2.dumps({"a": [7_001_90210]})
    with pytest.raises(AssertionError, match="withheld"):
        assert_absent(
            {"700190210"},
            replace(request, body=packed, headers=(("Content-Type", "application/cbor"),)),
        )
    for leaking in (
        request,
        replace(request, body=inner.encode()),
        replace(request, body=canary.encode().hex().encode()),
        replace(request, body=canary[::-1].encode()),
        replace(request, body=b"", target=f"/?q={quote(canary)}"),
        replace(request, body=b"", headers=(("X", base64.b64encode(canary.encode()).decode()),)),
        replace(request, body=zlib.compress(json.dumps(canary).encode())),
    ):
        with pytest.raises(AssertionError, match="withheld"):
            assert_absent({canary}, leaking)
    assert_absent({"cänary-8x"}, request)
