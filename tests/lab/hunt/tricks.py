"""What hostile appliances, broken ones and strangers send.

A trick takes a message as it should be and returns a `Shot`. What it hides where nothing of a
message belongs goes into `hidden`: nobody can give that, so it must not come out anywhere. What it
puts into another value's place becomes a `Piece` there.
"""

import base64
import codecs
from collections.abc import Callable
from dataclasses import dataclass, field, replace
import gzip
import random
from typing import Any
import zlib

import cbor2

from .canaries import IDENTITIES, Canary, Mint, Sort
from .reports import Message, Num, Piece, to_json

OTHER = "elsewhere.example"


@dataclass(slots=True, kw_only=True)
class Shot:
    """Bytes that go to the gate, and what of them may come out."""

    message: Message
    hidden: list[Canary] = field(default_factory=list)
    head: list[str] | None = None
    """Header lines in place of the usual ones; framing is up to them."""
    target: str | None = None
    method: str | None = None
    version: str = "HTTP/1.1"
    body: bytes | None = None
    framed: bool = True
    more: list[Message] = field(default_factory=list)
    """Messages behind it, on the same connection."""
    before: bytes = b""
    pieces: int = 1
    sender: str = ""
    """Who sends it, where it is not its own appliance: a stranger, a thief, a spoofer."""
    extra: list[str] = field(default_factory=list)
    host: str | None = None
    tail: bytes = b""

    @property
    def answers(self) -> int:
        return 1 + len(self.more)

    def wire(self, base: str) -> bytes:
        """The bytes; `base` stands before the path where an appliance is known by a token."""
        body = self.message.body if self.body is None else self.body
        target = self.message.target if self.target is None else self.target
        lines = self.head
        if lines is None:
            lines = [f"Host: {self.host or self.message.report.host}"]
            lines += [f"{name}: {value}" for name, value in self.message.headers]
            lines += self.extra
            if self.framed and (body or self.message.report.method != "GET"):
                lines.append(f"Content-Length: {len(body)}")
        method = self.method or self.message.report.method
        slash = base if target.startswith("/") else ""
        head = "\r\n".join([f"{method} {slash}{target} {self.version}", *lines, "", ""])
        raw = self.before + head.encode("latin-1", "replace") + body + self.tail
        for one in self.more:
            raw += Shot(message=one).wire(base)
        return raw


@dataclass(slots=True, kw_only=True)
class Hand:
    """What a trick has to work with."""

    mint: Mint
    chance: random.Random
    second: Callable[[], Message | None]
    """Makes another message of the same appliance, to another endpoint, if it has one."""
    own: dict[Sort, Canary]


type Trick = Callable[[Message, Hand], Shot | None]
TRICKS: dict[str, Trick] = {}


def trick(make: Trick) -> Trick:
    TRICKS[make.__name__] = make
    return make


def _hide(hand: Hand, sort: Sort = Sort.WORD) -> Canary:
    return hand.mint.make(sort)


def _with_header(message: Message, hand: Hand, *lines: str, sort: Sort = Sort.WORD) -> Shot:
    one = _hide(hand, sort)
    return Shot(
        message=message, hidden=[one], extra=[line.replace("?", one.text) for line in lines]
    )


HEADERS = {
    "unknown_header": ["X-Diagnostics: ?"],
    "forwarded_for": [
        "X-Forwarded-For: 127.0.0.11",
        "X-Real-IP: ?",
        "Forwarded: for=?",
        "Via: 1.1 ?",
    ],
    "named_by_connection": ["Connection: x-leak, close", "X-Leak: ?"],
    "connection_says": ["Connection: ?"],
    "header_twice": ["X-Trace: a", "X-Trace: ?"],
    "header_name_tells": ["X-?: 1"],
    "folded_header": ["X-Fold: a\r\n ?"],
    "accept_tells": ["Accept: application/?"],
    "accept_encoding_tells": ["Accept-Encoding: gzip, ?"],
    "accept_language_tells": ["Accept-Language: ?"],
    "authorization": ["Authorization: Bearer ?"],
    "authorization_of_proxy": ["Proxy-Authorization: Basic ?"],
    "referer": ["Referer: http://x/?", "Origin: http://?.example"],
    "conditional": ['If-None-Match: "?"', "Range: bytes=?-"],
    "expectation": ["Expect: ?"],
    "upgrade": ["Connection: Upgrade", "Upgrade: ?"],
    "keep_alive_tells": ["Keep-Alive: timeout=5, ?"],
    "te_tells": ["TE: trailers, ?"],
    "override": ["X-HTTP-Method-Override: ?", "X-Original-URL: /?", "X-Rewrite-URL: /?"],
    "other_host": ["X-Forwarded-Host: ?.example", "X-Host: ?"],
    "space_in_name": ["X-Space : ?"],
    "nul_in_header": ["X-Nul: a\0?"],
    "high_bytes": ["X-High: \xff?"],
    "line_feed": ["X-Line: a\nX-Next: ?"],
    "cookie_again": ["Cookie: k=?", "Cookie: l=?"],
    "coding_tells": ["Content-Language: ?", "Content-Location: /?"],
    "digest": ["Content-MD5: ?", "Digest: sha-256=?"],
    "priority": ["Priority: u=?", "Sec-CH-UA: ?", "DNT: ?"],
}


def _header_trick(lines: list[str]) -> Trick:
    def make(message: Message, hand: Hand) -> Shot:
        sort = hand.chance.choice((Sort.WORD, Sort.SERIAL, Sort.NUMBER))
        return _with_header(message, hand, *lines, sort=sort)

    return make


TRICKS |= {name: _header_trick(lines) for name, lines in HEADERS.items()}


# --- Framing ---


@trick
def host_twice(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    return Shot(message=message, hidden=[one], extra=[f"Host: {one.text}.example"])


@trick
def host_tells(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    spelled = hand.chance.choice(("{0}.{1}", "{1}:{0}", "{0}@{1}", "{1}/{0}", "{1}#{0}", "{1} {0}"))
    return Shot(message=message, hidden=[one], host=spelled.format(one.text, message.report.host))


@trick
def absolute_target(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    return Shot(message=message, hidden=[one], target=f"http://{one.text}.example{message.target}")


@trick
def authority_in_path(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    return Shot(message=message, hidden=[one], target=f"/@{one.text}.example{message.target}")


def _all(message: Message) -> list[Canary]:
    return [one.canary for one in message.pieces if one.canary is not None and not one.canary.stays]


@trick
def length_and_chunks(message: Message, hand: Hand) -> Shot:
    """Whoever heeds the length finds a request behind it, whoever heeds the chunks none."""
    one = _hide(hand)
    inner = f"POST /v1/report HTTP/1.1\r\nHost: {message.report.host}\r\nX-In: {one.text}\r\n\r\n"
    body = b"0\r\n\r\n" + inner.encode()
    return Shot(
        message=message, hidden=[one], body=body, extra=["Transfer-Encoding: chunked"],
    )  # fmt: skip


@trick
def chunks_spelled_oddly(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    line = hand.chance.choice((
        "Transfer-Encoding : chunked", "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked", "Transfer-Encoding: identity, chunked",
        "Transfer-encoding: chunked\r\nTransfer-Encoding: x",
        "X: y\nTransfer-Encoding: chunked", "Transfer-Encoding: chunKed",
    ))  # fmt: skip
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(message.body), message.body)
    smuggled = f"GET /{one.text} HTTP/1.1\r\nHost: {message.report.host}\r\n\r\n".encode()
    return Shot(
        message=message, hidden=[one], body=chunk, framed=False, extra=[line], tail=smuggled
    )


@trick
def chunk_extensions(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    half = len(message.body) // 2
    body = b"".join(
        b"%x;%b=%b\r\n%b\r\n" % (len(part), b"note", one.text.encode(), part)
        for part in (message.body[:half], message.body[half:])
        if part
    )
    return Shot(
        message=message, hidden=[one], body=body + b"0\r\n\r\n", framed=False,
        extra=["Transfer-Encoding: chunked"],
    )  # fmt: skip


@trick
def chunked(message: Message, hand: Hand) -> Shot:
    """Nothing is wrong with it."""
    body = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for part in (message.body[:7], message.body[7:]) if part
    )
    return Shot(
        message=message, body=body + b"0\r\n\r\n", framed=False, pieces=hand.chance.randint(1, 30),
        extra=["Transfer-Encoding: chunked"],
    )  # fmt: skip


@trick
def trailers(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    body = b"%x\r\n%b\r\n0\r\nX-Trailer: %b\r\n\r\n" % (
        len(message.body), message.body, one.text.encode(),
    )  # fmt: skip
    announced = ["Trailer: X-Trailer"] if hand.chance.random() < 0.5 else []
    return Shot(
        message=message, hidden=[one], body=body, framed=False,
        extra=["Transfer-Encoding: chunked", *announced],
    )  # fmt: skip


@trick
def bad_length(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    length = len(message.body)
    spelled = hand.chance.choice(
        (
            f"+{length}",
            f"0{length}",
            f"{length}, {length}",
            f" {length}\r\nContent-Length: 3",
            f"{length}_0",
            "-1",
            hex(length),
        )
    )
    return Shot(
        message=message, hidden=[one], framed=False, extra=[f"Content-Length: {spelled}"],
        tail=one.text.encode(),
    )  # fmt: skip


@trick
def short_length(message: Message, hand: Hand) -> Shot:
    """What is behind the length is the next request, and that none."""
    one = _hide(hand)
    return Shot(message=message, hidden=[one], tail=one.text.encode() * 3)


@trick
def smuggled_in_body(message: Message, hand: Hand) -> Shot:
    """A request in the place of a body."""
    one = _hide(hand)
    inner = f"POST {message.path} HTTP/1.1\r\nHost: {message.report.host}\r\nX: {one.text}\r\n\r\n"
    return Shot(
        message=replace(message, pieces=_of_head(message)),
        hidden=[one, *_of_body(message)],
        body=inner.encode(),
    )


def _of_head(message: Message) -> list[Piece]:
    return [one for one in message.pieces if not one.place.path.startswith("$.body")]


def _of_body(message: Message) -> list[Canary]:
    return [
        one.canary
        for one in message.pieces
        if one.canary and not one.canary.stays and one.place.path.startswith("$.body")
    ]


@trick
def pipelined(message: Message, hand: Hand) -> Shot | None:
    behind = hand.second()
    return None if behind is None else Shot(message=message, more=[behind])


@trick
def drip(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, pieces=hand.chance.randint(20, 120))


@trick
def cut_short(message: Message, hand: Hand) -> Shot:
    return Shot(
        message=replace(message, pieces=_of_head(message)), hidden=_of_body(message),
        body=message.body[: len(message.body) // 2], framed=False,
        extra=[f"Content-Length: {max(1, len(message.body))}"],
    ) if message.body else None  # fmt: skip


@trick
def other_protocol(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    what = hand.chance.choice(
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /?\r\n",
            "\x16\x03\x01\x02\0\x01\0?",
            "\x10\x1e\0\x04MQTT\x04\x02\0\x3c\0\x12?",
        )
    )
    return Shot(
        message=replace(message, pieces=[]),
        hidden=[one, *_all(message)],
        before=what.replace("?", one.text).encode("latin-1"),
    )


@trick
def odd_method(message: Message, hand: Hand) -> Shot:
    one = _hide(hand)
    method = hand.chance.choice(("CONNECT", "TRACE", "post", one.text.upper(), "PROPFIND"))
    return Shot(message=replace(message, pieces=[]), hidden=[one, *_all(message)], method=method)


@trick
def old_version(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, version=hand.chance.choice(("HTTP/1.0", "HTTP/1.1", "HTTP/9.9")))


@trick
def expects_continue(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, extra=["Expect: 100-continue"])


# --- Paths ---

PATHS = {
    "dots": "/v1/../{path}?{hidden}",
    "dots_escaped": "/%2e%2e/{hidden}{path}",
    "slash_escaped": "{path}%2f{hidden}",
    "slashes": "//{hidden}{path}",
    "backslash": "{path}\\{hidden}",
    "fragment": "{path}#{hidden}",
    "parameter": "{path};{hidden}",
    "longer": "{path}/{hidden}",
    "overlong": "/%c0%ae%c0%ae/{hidden}{path}",
    "percent_nul": "{path}%00{hidden}",
    "half_escape": "{path}%{hidden}",
    "query_flag": "{path}?{hidden}",
    "query_name": "{path}?{hidden}=1",
    "query_value": "{path}?extra={hidden}",
    "query_twice": "{path}?a=1&a={hidden}",
    "query_semicolon": "{path}?a=1;b={hidden}",
    "query_nested": "{path}?q=%7B%22a%22%3A%22{hidden}%22%7D",
    "query_question": "{path}??{hidden}",
}


def _path_trick(pattern: str) -> Trick:
    def make(message: Message, hand: Hand) -> Shot:
        one = _hide(hand, hand.chance.choice((Sort.WORD, Sort.NUMBER, Sort.SERIAL)))
        target = pattern.format(path=message.path, hidden=one.text)
        gone = message
        if message.query and "?" in pattern:
            # Its own query is not sent.
            gone = replace(
                message,
                pieces=[p for p in message.pieces if not p.place.path.startswith("$.query")],
            )
        elif message.query:
            target += f"?{message.query}"
        return Shot(message=gone, hidden=[one], target=target)

    return make


TRICKS |= {name: _path_trick(pattern) for name, pattern in PATHS.items()}


@trick
def letters_escaped(message: Message, hand: Hand) -> Shot:
    """Which letters are escaped could tell something; what comes out tells nothing of it."""
    spelled = "".join(
        f"%{ord(one):02X}" if one.isalpha() and hand.chance.random() < 0.3 else one
        for one in message.path
    )
    return Shot(message=message, target=spelled + message.target[len(message.path) :])


# --- Bodies ---


def _body(message: Message, body: bytes) -> Message:
    """The same with another body, in the coding that is declared."""
    coding = message.report.coding
    if coding == "gzip":
        body = gzip.compress(body, 1, mtime=0)
    return replace(message, body=zlib.compress(body) if coding == "deflate" else body)


def _json(message: Message) -> str | None:
    return to_json(message.tree) if message.report.form == "json" else None


JSON = {
    "extra_member": lambda text, one: f'{text[:-1]},"extra":"{one}"}}',
    "extra_name": lambda text, one: f'{text[:-1]},"{one}":1}}',
    "extra_flag": lambda text, one: f'{text[:-1]},"{one}":true}}',
    "extra_nested": lambda text, one: f'{text[:-1]},"more":{{"deep":[[{{"x":"{one}"}}]]}}}}',
    "extra_type": lambda text, one: f'{text[:-1]},"rows":[{{"type":"{one}","value":1}}]}}',
    "extra_string": lambda text, one: f'{text[:-1]},"s":"{{\\"a\\":\\"{one}\\"}}"}}',
    "member_twice": lambda text, one: f'{{"again":"{one}",{text[1:-1]},"again":"x"}}',
    "member_twice_escaped": lambda text, one: f'{{"again":"x","\\u0061gain":"{one}",{text[1:]}',
    "behind": lambda text, one: f"{text} {one}",
    "second_line": lambda text, one: f'{text}\n{{"x":"{one}"}}',
    "comment": lambda text, one: f"{text[:-1]}/* {one} */}}",
    "not_a_number": lambda text, one: f'{text[:-1]},"n":NaN,"x":"{one}"}}',
    "prototype": lambda text, one: f'{text[:-1]},"__proto__":{{"x":"{one}"}},"":"{one}"}}',
    "surrogate": lambda text, one: f'{text[:-1]},"x":"\\ud800{one}"}}',
    "zero_width": lambda text, one: f'{text[:-1]},"x\\u200b{one}":"\\u202e{one}"}}',
    "deep": lambda text, one: f'{text[:-1]},"d":{"[" * 70}"{one}"{"]" * 70}}}',
    "very_deep": lambda text, one: f'{text[:-1]},"d":{"[" * 5000}"{one}"{"]" * 5000}}}',
    "long_exponent": lambda text, one: f'{text[:-1]},"e":1e{"9" * 400},"x":"{one}"}}',
    "byte_order_mark": lambda text, one: f'\ufeff{text[:-1]},"x":"{one}"}}',
    "in_an_array": lambda text, one: f'[{text},"{one}"]',
    "large": lambda text, one: f'{text[:-1]},"log":"{one} {"so it is. " * 900}"}}',
}


def _json_trick(change: Callable[[str, str], str]) -> Trick:
    def make(message: Message, hand: Hand) -> Shot | None:
        text = _json(message)
        if text is None or len(text) < 4:
            return None
        one = _hide(hand, hand.chance.choice((Sort.WORD, Sort.WORD, Sort.TOKEN, Sort.EMAIL)))
        return Shot(message=_body(message, change(text, one.text).encode("utf-8")), hidden=[one])

    return make


TRICKS |= {f"json_{name}": _json_trick(change) for name, change in JSON.items()}


@trick
def utf_16(message: Message, hand: Hand) -> Shot | None:
    text = _json(message)
    if text is None:
        return None
    return Shot(message=_body(message, text.encode("utf-16")))


@trick
def bad_utf_8(message: Message, hand: Hand) -> Shot | None:
    text = _json(message)
    one = _hide(hand)
    if text is None:
        return None
    return Shot(
        message=_body(
            message, text[:-1].encode() + b',"x":"\xff\xc0\xaf' + one.text.encode() + b'"}'
        ),
        hidden=[one],
    )


@trick
def spelled_anew(message: Message, hand: Hand) -> Shot | None:
    """The same JSON with escapes and blanks wherever they may stand."""
    text = _json(message)
    if text is None:
        return None
    inside, spelled, escaped = False, [], False
    for one in text:
        if inside and one.isalpha() and not escaped and hand.chance.random() < 0.2:
            spelled.append(f"\\u{ord(one):04x}")
            continue
        if one == '"' and not escaped:
            inside = not inside
        escaped = one == "\\" and not escaped
        spelled.append(one)
        if not inside and one in ",:{[":
            spelled.append(hand.chance.choice(("", " ", "\t", "\n")))
    return Shot(message=_body(message, "".join(spelled).encode()))


def _tops(message: Message, kind: str | None = None) -> list[Piece]:
    """Values right below the root of a body that can be replaced."""
    if not isinstance(message.tree, dict):
        return []
    root = "$.query." if message.report.form == "query" else "$.body."
    if message.report.form == "xml":
        root = "$.body.report."
    return [
        one
        for one in message.pieces
        if one.canary is not None
        and not one.place.siblings
        and one.place.path.startswith(root)
        and isinstance(message.tree.get(one.place.path[len(root) :]), str)
        and (kind is None or one.kind == kind)
        and one.place.path[len(root) :] not in ("message", "payload")
    ]


def _name(piece: Piece) -> str:
    return piece.place.path.rpartition(".")[2]


def _put(message: Message, piece: Piece, value: Any, *new: Piece) -> Message:
    """The message with another value in the place of a piece."""
    pieces = [one for one in message.pieces if one is not piece]
    tree = {**message.tree, _name(piece): value}
    return replace(message, pieces=[*pieces, *new]).encoded(tree)


@trick
def values_swapped(message: Message, hand: Hand) -> Shot | None:
    tops = _tops(message)
    if len(tops) < 2:
        return None
    first, second = hand.chance.sample(tops, 2)
    assert first.canary is not None
    assert second.canary is not None
    tree = message.tree
    one, two = tree[_name(first)], tree[_name(second)]
    kinds = {Num: "number", str: "text"}
    swapped = _put(
        message, first, two, Piece(first.place, kinds[type(two)], second.canary, is_moved=True)
    )
    return Shot(
        message=_put(
            swapped, second, one, Piece(second.place, kinds[type(one)], first.canary, is_moved=True)
        )
    )


READABLE: dict[str, Callable[[str], str]] = {
    "plain": str,
    "within": lambda text: f"it is {text} here",
    "upper": lambda text: text.upper(),
    "bare": lambda text: text.replace("-", "").replace(":", ""),
    "hex": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind": lambda text: "ab" + base64.b64encode(text.encode()).decode(),
    "url-safe": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "percent": lambda text: "".join(f"%{ord(one):02x}" for one in text),
    "json": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
}
"""What an identity is looked for in, wherever it turns up."""
UNREADABLE: dict[str, Callable[[str], str]] = {
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "backwards": lambda text: text[::-1],
    "twice base64": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "gzip": lambda text: base64.b64encode(gzip.compress(text.encode())).decode(),
    "key": lambda text: "".join(f"{ord(one) ^ 0x5A:02x}" for one in text),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "spread": " ".join,
    "reversed hex": lambda text: text[::-1].encode().hex(),
}
"""What nobody promises to look for; but where it was not given, it must not leave all the same."""


@trick
def identity_moved(message: Message, hand: Hand) -> Shot | None:
    """Its serial, token or address in a text that may be given, written in one of many ways."""
    tops = [one for one in _tops(message, "text") if one.canary and one.canary.sort is Sort.WORD]
    if not tops:
        return None
    piece = hand.chance.choice(tops)
    who = hand.own[hand.chance.choice(sorted(IDENTITIES))]
    is_readable = hand.chance.random() < 0.8
    ways = READABLE if is_readable else UNREADABLE
    written = ways[hand.chance.choice(sorted(ways))](who.text)
    return Shot(
        message=_put(
            message,
            piece,
            written,
            Piece(piece.place, "text", who, is_moved=True, is_readable=is_readable),
        )
    )


@trick
def identity_moved_alone(message: Message, hand: Hand) -> Shot | None:
    """The same in a message that has it nowhere else: it must be remembered."""
    shot = identity_moved(message, hand)
    if shot is None:
        return None
    moved = next(one for one in shot.message.pieces if one.is_moved)
    gone = [one for one in shot.message.pieces if one.canary is moved.canary and one is not moved]
    if any(one not in _tops(shot.message) for one in gone):
        return None
    tree = {k: v for k, v in shot.message.tree.items() if k not in {_name(one) for one in gone}}
    pieces = [one for one in shot.message.pieces if one not in gone]
    return Shot(message=replace(shot.message, pieces=pieces).encoded(tree))


@trick
def written_otherwise(message: Message, hand: Hand) -> Shot | None:
    """A value of its own, written in some way, in a member that nobody knows."""
    tops = _tops(message)
    if not tops or message.report.form == "xml":
        return None
    piece = hand.chance.choice(tops)
    assert piece.canary is not None
    hidden = _hide(hand, piece.canary.sort) if not piece.canary.stays else _hide(hand)
    ways = READABLE | UNREADABLE
    written = ways[hand.chance.choice(sorted(ways))](hidden.text)
    return Shot(message=message.encoded({**message.tree, "debug": written}), hidden=[hidden])


@trick
def split_over_members(message: Message, hand: Hand) -> Shot | None:
    if not isinstance(message.tree, dict) or message.report.form == "xml":
        return None
    one = _hide(hand)
    parts = {
        f"part_{number}": one.text[at : at + 3]
        for number, at in enumerate(range(0, len(one.text), 3))
    }
    return Shot(message=message.encoded({**message.tree, **parts}), hidden=[one])


@trick
def another_type(message: Message, hand: Hand) -> Shot | None:
    """A text where there was a number, a tree where there was a text."""
    tops = _tops(message)
    if not tops or message.report.form not in ("json", "cbor", "msgpack"):
        return None
    piece = hand.chance.choice(tops)
    one = _hide(hand)
    if piece.kind == "number":
        return Shot(message=_put(message, piece, one.text, Piece(piece.place, "text", one)))
    inside = Piece(piece.place.member("inner"), "text", one)
    return Shot(message=_put(message, piece, {"inner": one.text}, inside))


@trick
def long_number(message: Message, hand: Hand) -> Shot | None:
    """A number that goes on: it is all one value."""
    tops = _tops(message, "number")
    if not tops or message.report.form != "json":
        return None
    piece = hand.chance.choice(tops)
    one = hand.mint.make(Sort.WORD)
    digits = "".join(f"{ord(letter) % 10}" for letter in one.text) + str(
        hand.chance.randrange(10**12)
    )
    one.text, one.sort = digits, Sort.WORD
    return Shot(
        message=_put(message, piece, Num(f"4.5{digits}"), Piece(piece.place, "number", one))
    )


@trick
def gzip_tells(message: Message, hand: Hand) -> Shot | None:
    """The head of a stream has room for a name; behind it there is room for another."""
    if message.report.coding != "gzip":
        return None
    one = _hide(hand)
    how = hand.chance.randrange(4)
    body = message.body
    if how == 0:
        body = body[:3] + b"\x08" + body[4:10] + one.text.encode() + b"\0" + body[10:]
    elif how == 1:
        body += one.text.encode()
    elif how == 2:
        body += gzip.compress(f'{{"x":"{one.text}"}}'.encode())
    else:
        body = body[:4] + one.text.encode()[:4] + body[8:]
        return Shot(message=replace(message, body=body))
    return Shot(message=replace(message, body=body), hidden=[one])


@trick
def bomb(message: Message, hand: Hand) -> Shot | None:
    if message.report.coding != "gzip":
        return None
    one = _hide(hand)
    body = gzip.compress(f'{{"x":"{one.text}","y":"{"0" * 8_000_000}"}}'.encode(), 9)
    return Shot(
        message=replace(message, pieces=_of_head(message), body=body),
        hidden=[one, *_of_body(message)],
    )


@trick
def coded_twice(message: Message, hand: Hand) -> Shot | None:
    if message.report.coding != "gzip":
        return None
    headers = [(n, "gzip, gzip" if n == "Content-Encoding" else v) for n, v in message.headers]
    return Shot(message=replace(message, headers=headers, body=gzip.compress(message.body)))


@trick
def coding_not_true(message: Message, hand: Hand) -> Shot | None:
    headers = [*message.headers]
    if message.report.coding or not message.body:
        return None
    headers.append(
        ("Content-Encoding", hand.chance.choice(("gzip", "br", "zstd", "identity", "compress")))
    )
    return Shot(message=replace(message, headers=headers))


@trick
def type_tells(message: Message, hand: Hand) -> Shot | None:
    one = _hide(hand)
    if not message.headers or message.headers[0][0] != "Content-Type":
        return None
    first = message.headers[0][1]
    spelled = hand.chance.choice(
        (
            f"{first}; x={one.text}",
            f"application/vnd.{one.text}+json",
            f"{first}; charset={one.text}",
            f"text/{one.text}",
        )
    )
    return Shot(
        message=replace(message, headers=[("Content-Type", spelled), *message.headers[1:]]),
        hidden=[one],
    )


@trick
def type_not_true(message: Message, hand: Hand) -> Shot | None:
    if (
        not message.headers
        or message.headers[0][0] != "Content-Type"
        or message.report.form not in ("json", "xml")
    ):
        return None
    other = hand.chance.choice(
        ("text/plain", "application/octet-stream", "application/x-www-form-urlencoded", "image/png")
    )
    return Shot(message=replace(message, headers=[("Content-Type", other), *message.headers[1:]]))


XML = (
    "<!-- ? -->{}", "<?note ??>{}", "<!DOCTYPE report [<!ENTITY e '?'>]>{}", "{}<!-- ? -->",
    "<!DOCTYPE report SYSTEM 'http://?.example/x.dtd'>{}", "<?xml version='1.0' encoding='?'?>{}",
)  # fmt: skip


@trick
def xml_tells(message: Message, hand: Hand) -> Shot | None:
    if message.report.form != "xml":
        return None
    one = _hide(hand)
    text = message.body.decode()
    patterns = [
        *XML,
        "<report a='?'>{}",
        "<report xmlns:?='urn:?'>{}",
        "<report><![CDATA[?]]>{}",
        "<report>?{}",
        "<report><?>1</?>{}",
    ]
    pattern = hand.chance.choice(patterns)
    if pattern.startswith("<report"):
        text = text.removeprefix("<report>")
    body = (
        pattern.replace("{}", text).replace("?", one.text)
        if not pattern.startswith("<?")
        else f"<?note {one.text}?>{text}"
    )
    return Shot(message=replace(message, body=body.encode()), hidden=[one])


@trick
def multipart_tells(message: Message, hand: Hand) -> Shot | None:
    if message.report.form != "multipart":
        return None
    one = _hide(hand)
    word = one.text.encode()
    start, end = b"--8f2c\r\n", b"--8f2c--\r\n"
    named = b"Content-Disposition: form-data; name="
    typed = start + b"Content-Type: text/" + word + b"\r\n"
    body = hand.chance.choice((
        word + b"\r\n" + message.body,
        message.body + word,
        message.body.replace(start, start + b"X-Part: " + word + b"\r\n", 1),
        message.body.replace(b"form-data; name=", b'form-data; filename="' + word + b'"; name=', 1),
        message.body.replace(end, start + named + b'"' + word + b'"\r\n\r\n1\r\n' + end),
        message.body.replace(end, start + named + b'"x"\r\n\r\n' + word + b"\r\n" + end),
        message.body.replace(end, typed + named + b'"y"\r\n\r\n1\r\n' + end),
        message.body.replace(b"8f2c", word),
    ))  # fmt: skip
    headers = message.headers
    if word in body and b"8f2c" not in body:
        headers = [("Content-Type", f"multipart/form-data; boundary={one.text}"), *headers[1:]]
    return Shot(message=replace(message, body=body, headers=headers), hidden=[one])


@trick
def binary_tells(message: Message, hand: Hand) -> Shot | None:
    if message.report.form not in ("cbor", "msgpack"):
        return None
    one = _hide(hand)
    word = one.text.encode()
    if message.report.form == "cbor":
        text = bytes([0x60 + len(word)]) + word if len(word) < 24 else cbor2.dumps(one.text)
        body = hand.chance.choice((
            message.body + text,
            b"\xd9\xd9\xf7" + message.body + word,
            cbor2.dumps(cbor2.CBORTag(27, [one.text, 1])),
            b"\x82" + message.body + b"\xc1" + text,
            b"\xa2" + text + b"\x01" + text + b"\x02",
            b"\x9f" + message.body + b"\x7f" + text + b"\xff\xff",
            b"\x82" + message.body + cbor2.dumps(word),
        ))  # fmt: skip
    else:
        text = (
            bytes([0xA0 + len(word)]) + word
            if len(word) < 32
            else b"\xd9" + bytes([len(word)]) + word
        )
        body = hand.chance.choice((
            message.body + text,
            b"\x92" + message.body + b"\xc7" + bytes([len(word)]) + b"\x05" + word,
            b"\x82" + text + b"\x01" + text + b"\x02",
            b"\x92" + message.body + b"\xc4" + bytes([len(word)]) + word,
        ))  # fmt: skip
    # It is another document, of which the hunter knows no place.
    return Shot(
        message=replace(message, pieces=_of_head(message), body=body),
        hidden=[one, *_of_body(message)],
    )


@trick
def form_twice(message: Message, hand: Hand) -> Shot | None:
    if message.report.form != "form":
        return None
    one = _hide(hand)
    text = hand.chance.choice(
        (b"again=1&again=%b", b"%b", b"%b=1", b"a[b]=%b", b"=%b", b"a=1;b=%b", b"a=%%u0041%b")
    )
    inner = b"&" + text % one.text.encode()
    plain = message.body
    if message.report.coding == "gzip":
        plain = gzip.decompress(plain)
    elif message.report.coding == "deflate":
        plain = zlib.decompress(plain)
    return Shot(message=_body(message, plain + inner), hidden=[one])


@trick
def too_large(message: Message, hand: Hand) -> Shot | None:
    if message.report.form != "json" or hand.chance.random() < 0.7:
        return None
    one = _hide(hand)
    return Shot(
        message=_body(message, f'{{"x":"{one.text}","y":"{"ab " * 400_000}"}}'.encode()),
        hidden=[one, *_of_body(message)],
    )


# --- Who sends ---


@trick
def stranger(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, sender="stranger")


@trick
def spoofed_address(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, sender="spoofed address")


@trick
def stolen_token(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, sender="stolen token")


@trick
def wrong_token(message: Message, hand: Hand) -> Shot:
    return Shot(message=message, sender="wrong token")
