"""What appliances send: made-up schemas in eight formats, filled with canaries.

For every value it is known where it stands (its *place*, as the firewall names data points), so
that what was given can be told from what was not.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
import gzip
import json
import random
import re
from typing import Any, NamedTuple
from urllib.parse import quote_plus
from xml.sax.saxutils import escape
import zlib

import cbor2
import ormsgpack

from .canaries import IDENTITIES, Canary, Mint, Sort

_NAMED = {
    Sort.NUMBER: "count temp energy power level speed volume runtime cycles pressure usage".split(),
    Sort.WORD: "mode program recipe note label stage".split(),
    Sort.TIME: "timestamp updated_at since".split(),
    Sort.SERIAL: "serial device_id".split(),
    Sort.MAC: ["mac"],
    Sort.UUID: ["uuid"],
    Sort.EMAIL: ["email"],
    Sort.TOKEN: ["access_token"],
    Sort.PLACE: "latitude longitude".split(),
    Sort.FLAG: "door open motion lid eco".split(),
    Sort.SMALL: "rssi humidity battery step".split(),
}
_INNER = "status wifi data drum left right zone sensor".split()
_LEAVES = (
    [Sort.NUMBER] * 5 + [Sort.WORD] * 3 + [Sort.FLAG] * 3 + [Sort.SMALL, Sort.TIME, Sort.PLACE]
)
_NUMERIC = frozenset({Sort.NUMBER, Sort.SMALL, Sort.PLACE})
_WITH_NUMBERS = frozenset({"json", "cbor", "msgpack"})
TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
    "cbor": "application/cbor",
    "msgpack": "application/msgpack",
    "multipart": "multipart/form-data; boundary=8f2c",
    "text": "text/plain",
    "query": "",
}
TREES = frozenset({"json", "cbor", "msgpack"})


class Num(str):
    """A number as it is spelled."""

    __slots__ = ()


class Place(NamedTuple):
    """Where something stands in a message: a path, and the siblings that say what it means."""

    path: str
    siblings: tuple[str, ...] = ()

    def member(self, name: str) -> Place:
        plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
        return replace_path(self, f".{name}" if plain else f"['{name}']")

    @property
    def each(self) -> Place:
        return replace_path(self, "[*]")


def replace_path(place: Place, more: str) -> Place:
    return place._replace(path=place.path + more)


@dataclass(slots=True)
class Piece:
    """A value of a message; without a canary where only its place tells."""

    place: Place
    kind: str
    canary: Canary | None = None
    is_moved: bool = False
    """Whether an appliance put it where another value belongs."""
    is_readable: bool = True
    """Whether, moved, it stands in a way in which identities are looked for."""


@dataclass(slots=True, kw_only=True)
class Filling:
    """One message while it is made."""

    mint: Mint
    chance: random.Random
    own: dict[Sort, Canary]
    numbers: bool
    pieces: list[Piece] = field(default_factory=list)

    def leaf(self, sort: Sort, place: Place) -> Any:
        if sort is Sort.FLAG:
            on = self.chance.random() < 0.5
            self.pieces.append(Piece(place, "boolean" if self.numbers else "text"))
            return on if self.numbers else str(on).lower()
        is_number = self.numbers and sort in _NUMERIC
        kind = "number" if is_number else "text"
        if sort is Sort.SMALL:
            self.pieces.append(Piece(place, kind))
            text = str(self.chance.randint(11, 98))
        else:
            canary = self.own[sort] if sort in self.own else self.mint.make(sort)
            self.pieces.append(Piece(place, kind, canary))
            text = canary.text
        return Num(text) if is_number else text


@dataclass(slots=True)
class Leaf:
    sort: Sort

    def fill(self, filling: Filling, place: Place) -> Any:
        return filling.leaf(self.sort, place)


@dataclass(slots=True)
class Members:
    of: dict[str, Node]

    def fill(self, filling: Filling, place: Place) -> Any:
        return {name: node.fill(filling, place.member(name)) for name, node in self.of.items()}


@dataclass(slots=True)
class Row:
    """Like elements."""

    of: Node

    def fill(self, filling: Filling, place: Place) -> Any:
        return [self.of.fill(filling, place.each) for _ in range(filling.chance.randint(1, 3))]


@dataclass(slots=True)
class Typed:
    """Elements of which a sibling says what they are: each is an item of its own."""

    of: dict[str, Sort]

    def fill(self, filling: Filling, place: Place) -> Any:
        rows: list[Any] = []
        for word, sort in self.of.items():
            filling.pieces.append(Piece(place.each.member("type"), "text"))
            inside = place.each.member("value")
            inside = inside._replace(siblings=(*inside.siblings, f"type={word}"))
            rows.append({"type": word, "value": filling.leaf(sort, inside)})
        return rows


@dataclass(slots=True)
class ByName:
    """Members called by an address: the names are data."""

    of: Node

    def fill(self, filling: Filling, place: Place) -> Any:
        made: dict[str, Any] = {}
        for _ in range(filling.chance.randint(1, 2)):
            name = filling.mint.make(Sort.MAC)
            any_ = replace_path(place, ".*")
            filling.pieces.append(
                Piece(any_._replace(siblings=(*any_.siblings, "name")), "text", name)
            )
            made[name.text] = self.of.fill(filling, any_)
        return made


@dataclass(slots=True)
class Inside:
    """A tree inside a string."""

    of: Node
    how: str

    def fill(self, filling: Filling, place: Place) -> Any:
        numbers, filling.numbers = filling.numbers, True
        text = to_json(self.of.fill(filling, place))
        filling.numbers = numbers
        return text if self.how == "json" else base64.b64encode(text.encode()).decode()


@dataclass(slots=True)
class Sometimes:
    """A text that sometimes is a tree inside a string, of items that are none of its own."""

    of: Inside

    def fill(self, filling: Filling, place: Place) -> Any:
        if filling.chance.random() < 0.6:
            return filling.leaf(Sort.WORD, place)
        return self.of.fill(filling, place)


type Node = Leaf | Members | Row | Typed | ByName | Inside | Sometimes


def to_json(value: Any) -> str:
    """JSON with numbers as they are spelled."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return str(value) if isinstance(value, Num) else json.dumps(value)


def _plain(value: Any) -> Any:
    """The same with numbers of their own."""
    if isinstance(value, dict):
        return {name: _plain(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    if isinstance(value, Num):
        return float(value) if "." in value else int(value)
    return value


def _xml(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_xml(name, child) for child in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(_xml(one, child) for one, child in value.items())}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def _multipart(tree: dict[str, Any]) -> bytes:
    parts = [
        f'--8f2c\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in tree.items()
    ]
    return ("".join(parts) + "--8f2c--\r\n").encode()


def encode(form: str, tree: Any) -> bytes:
    match form:
        case "json":
            return to_json(tree).encode()
        case "form" | "query":
            return "&".join(f"{name}={quote_plus(str(v))}" for name, v in tree.items()).encode()
        case "xml":
            return _xml("report", tree).encode()
        case "cbor":
            return cbor2.dumps(_plain(tree))
        case "msgpack":
            return ormsgpack.packb(_plain(tree))
        case "multipart":
            return _multipart(tree)
        case _:
            return "".join(f"{line}\n" for line in tree).encode()


@dataclass(slots=True, kw_only=True)
class Report:
    """A kind of message: where it goes, in which format, with what."""

    method: str
    host: str
    segments: tuple[str, ...]
    """Of the path; `*` stands for the appliance's serial."""
    form: str
    node: Node
    headers: dict[str, Sort]
    cookie: bool = False
    coding: str = ""

    @property
    def template(self) -> str:
        return f"{self.method} {self.host}/{'/'.join(self.segments)}"


@dataclass(slots=True, kw_only=True)
class Message:
    """What one appliance sends once. `tree` is what its body says, `numbers` as in its format."""

    appliance: str
    report: Report
    pieces: list[Piece]
    tree: Any
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    trick: str = "none"
    raw: bytes | None = None
    """In place of all that, where a trick goes that deep."""

    @property
    def target(self) -> str:
        return self.path + (f"?{self.query}" if self.query else "")

    def encoded(self, tree: Any) -> Message:
        """The same with another body."""
        body = encode(self.report.form, tree)
        if self.report.form == "query":
            return replace(self, tree=tree, query=body.decode())
        return replace(self, tree=tree, body=_coded(body, self.report.coding))


def _coded(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, 6, mtime=0)
    return zlib.compress(body) if coding == "deflate" else body


def fill(
    report: Report,
    *,
    appliance: str,
    own: dict[Sort, Canary],
    mint: Mint,
    chance: random.Random,
) -> Message:
    filling = Filling(mint=mint, chance=chance, own=own, numbers=report.form in _WITH_NUMBERS)
    serial = own[Sort.SERIAL]
    for index, segment in enumerate(report.segments):
        if segment == "*":
            filling.pieces.append(Piece(Place(f"$.path[{index}]"), "text", serial))
    headers: list[tuple[str, str]] = []
    if report.form != "query":
        headers.append(("Content-Type", TYPES[report.form]))
    if report.coding:
        headers.append(("Content-Encoding", report.coding))
    numbers, filling.numbers = filling.numbers, False
    for name, sort in report.headers.items():
        headers.append((name, filling.leaf(sort, Place("$.header").member(name.lower()))))
    if report.cookie:
        sid = filling.leaf(Sort.TOKEN, Place("$.cookie.sid"))
        headers.append(
            ("Cookie", f"sid={sid}; theme={filling.leaf(Sort.WORD, Place('$.cookie.theme'))}")
        )
    filling.numbers = numbers
    root = Place("$.query" if report.form == "query" else "$.body")
    if report.form == "xml":
        root = root.member("report")
    message = Message(
        appliance=appliance,
        report=report,
        pieces=filling.pieces,
        tree=None,
        path="/" + "/".join(serial.text if one == "*" else one for one in report.segments),
        query="",
        headers=headers,
        body=b"",
    )
    return message.encoded(report.node.fill(filling, root))


class Maker:
    """Makes up schemas, the same ones from the same seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def report(self, method: str, host: str, segments: tuple[str, ...], form: str) -> Report:
        chance = self._chance
        headers = {"User-Agent": Sort.WORD}
        if chance.random() < 0.5:
            headers["X-Device-Id"] = Sort.SERIAL
        if chance.random() < 0.3:
            headers["X-Session-Token"] = Sort.TOKEN
        if form == "text":
            node: Node = Row(Leaf(Sort.WORD))
        elif form in TREES or form == "xml":
            node = self._members(2, form)
        else:
            node = self._members(0, form)
        return Report(
            method=method, host=host, segments=segments, form=form, node=node, headers=headers,
            cookie=chance.random() < 0.3,
            coding=chance.choice(("", "", "gzip", "deflate")) if form in ("json", "form") else "",
        )  # fmt: skip

    def _members(self, depth: int, form: str) -> Members:
        chance = self._chance
        sorts = chance.choices(_LEAVES, k=chance.randint(3, 5))
        if depth == 2 or form in ("form", "query", "multipart"):
            sorts += chance.sample(sorted(IDENTITIES), k=2)
        of: dict[str, Node] = {}
        for sort in sorts:
            free = [one for one in _NAMED[sort] if one not in of]
            if free:
                of[chance.choice(free)] = Leaf(sort)
        inner = [one for one in _INNER if one not in of]
        chance.shuffle(inner)
        if depth:
            of[inner.pop()] = self._members(depth - 1, form)
        if depth == 2 and form in TREES:
            of[inner.pop()] = self._special(form)
            of[inner.pop()] = self._special(form)
        if form in ("json", "form") and chance.random() < 0.4:
            of["payload"] = self._inside()
        if depth in (0, 2) and form in ("json", "form", "query", "cbor") and chance.random() < 0.5:
            of["message"] = Sometimes(self._inside())
        return Members(of)

    def _inside(self) -> Inside:
        return Inside(
            Members(
                {"usage": Leaf(Sort.NUMBER), "stage": Leaf(Sort.WORD), "serial": Leaf(Sort.SERIAL)}
            ),
            self._chance.choice(("json", "base64")),
        )

    def _special(self, form: str) -> Node:
        flat = Members({"level": Leaf(Sort.NUMBER), "open": Leaf(Sort.FLAG)})
        match self._chance.randrange(3):
            case 0:
                return Row(flat)
            case 1:
                return Typed({"door": Sort.NUMBER, "mode": Sort.WORD, "heat": Sort.NUMBER})
            case _:
                return ByName(flat) if form == "json" else Row(Leaf(Sort.NUMBER))


def walk(tree: Any, place: Place, names: frozenset[str] = frozenset()) -> Iterator[Place]:
    """Every place in what a message says; read by nothing of the firewall's.

    `names` are member names that are data; so is whatever looks like the stand-in for one.
    """
    if isinstance(tree, str) and (inner := _inside(tree)) is not None:
        tree = inner
    if isinstance(tree, dict) and tree:
        word = tree.get("type")
        for name, child in tree.items():
            is_data = name in names or re.fullmatch(r"_\d+", name)
            inside = replace_path(place, ".*") if is_data else place.member(name)
            if isinstance(word, str) and name != "type":
                inside = inside._replace(siblings=(*inside.siblings, f"type={word}"))
            yield from walk(child, inside, names)
    elif isinstance(tree, list) and tree:
        for child in tree:
            yield from walk(child, place.each, names)
    else:
        yield place


def _inside(text: str) -> Any:
    for read in (str, lambda one: base64.b64decode(one, validate=True).decode()):
        try:
            tree = json.loads(read(text))
        except ValueError:
            continue
        if isinstance(tree, dict | list):
            return tree
    return None
