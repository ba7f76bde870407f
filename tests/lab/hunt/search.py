"""Finds canaries in bytes, in every encoding that somebody here could think of.

Two ways meet. What is written with a key or an order of its own is opened, layer by layer, into
*views*: escapes, base64 and its kin at any alignment, compressed streams wherever they begin,
values without the names between them. What changes a value as a whole is looked for as it then
stands, so a canary has several *forms*: backwards, with letters turned by 13, as a number in
another base or in bytes, under any one-byte key (by what differs from byte to byte, which no key
changes).
"""

import base64
import binascii
import codecs
from collections.abc import Iterable, Iterator
from compression import zstd
from html import unescape
import quopri
import re
import struct
from typing import NamedTuple
from urllib.parse import unquote_to_bytes
import zlib

from .canaries import Canary, Sort, bare

SEED = 6
"""Bytes by which a form is found; then it is compared whole."""
LAYERS = 4
"""How many encodings within encodings are opened."""
MAX_VIEWS = 160
"""Views of one message."""
MAX_OPENED = 4 * 1024 * 1024
"""Bytes of one compressed stream."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}={0,2}")
_BASE32 = re.compile(rb"[A-Z2-7]{16,}|[a-z2-7]{16,}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}[ :,\\x-]{0,2}){6,}")
_ESCAPES = re.compile(rb"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\([0-7]{3})|\\(.)", re.DOTALL)
_SOFT = re.compile(rb"=(?:[0-9A-Fa-f]{2}|\r?\n)")
_STREAMS = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|\x28\xb5\x2f\xfd")
_NAMES = re.compile(
    rb"\"(?:[^\"\\]|\\.)*\"\s*:|[\w.\[\]-]+=|</?[^<>]*>|name=\"[^\"]*\"|^[\w-]+:", re.MULTILINE
)
_NOISE = bytes(sorted(set(range(256)) - set(b"0123456789abcdefghijklmnopqrstuvwxyz")))
_LOWER = bytes(range(256)).lower()
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANK = b" \t\r\n"


class Hit(NamedTuple):
    """A canary that was found: how it was written, in which view, and where that ends.

    `end` counts in what was searched, and is exact where nothing had to be opened.
    """

    canary: Canary
    form: str
    view: str
    end: int


class Searcher:
    """All canaries that are looked for, by the seeds of their forms."""

    def __init__(self) -> None:
        self._texts: dict[bytes, list[tuple[Canary, str, bytes, int]]] = {}
        self._bytes: dict[bytes, list[tuple[Canary, str, bytes, int]]] = {}
        self._steps: dict[bytes, list[tuple[Canary, str, bytes, int]]] = {}

    def add(self, canary: Canary) -> None:
        for form, text in _text_forms(canary):
            _put(self._texts, canary, form, text)
        for form, data in _byte_forms(canary):
            _put(self._bytes, canary, form, data)
        _put(self._steps, canary, "one-byte key", _differences(canary.text.encode()))

    def remove(self, canary: Canary) -> None:
        for index, seed in canary.entries:
            there = [one for one in index.pop(seed, ()) if one[0] is not canary]
            if there:
                index[seed] = there
        canary.entries.clear()

    def find(self, data: bytes) -> list[Hit]:
        """Every canary in these bytes, once for each view and form."""
        found: list[Hit] = []
        for view, opened in _views(data):
            low = opened.translate(_LOWER)
            text = low.translate(None, _NOISE)
            for canary, form, at in _look(self._texts, text):
                end = _end_in(low, at) if view == "as it came" else len(data)
                found.append(Hit(canary, form, view, end))
            squeezed = opened.translate(_URL_SAFE, _BLANK)
            found += [
                Hit(one, form, view, len(data)) for one, form, _ in _look(self._bytes, squeezed)
            ]
            if squeezed != opened:
                found += [
                    Hit(one, form, view, len(data)) for one, form, _ in _look(self._bytes, opened)
                ]
            found += [
                Hit(one, form, view, len(data))
                for one, form, _ in _look(self._steps, _differences(opened))
            ]
            if view == "as it came":
                nibbles = opened.hex().encode()
                found += [
                    Hit(one, form, "nibbles", len(data))
                    for one, form, _ in _look(self._texts, nibbles)
                ]
        return found


def _put(index, canary: Canary, form: str, data: bytes) -> None:
    if len(data) < SEED:
        return
    # Ends are alike among times, beginnings among places: whichever is not taken.
    for at in (len(data) - SEED, 0, (len(data) - SEED) // 2):
        seed = data[at : at + SEED]
        if seed not in index:
            break
    index.setdefault(seed, []).append((canary, form, data, at))
    canary.entries.append((index, seed))


def _look(index, data: bytes) -> Iterator[tuple[Canary, str, int]]:
    for position in [i for i in range(len(data) - SEED + 1) if data[i : i + SEED] in index]:
        for canary, form, whole, at in index[data[position : position + SEED]]:
            start = position - at
            if start >= 0 and data.startswith(whole, start):
                yield canary, form, start + len(whole)


def _end_in(low: bytes, count: int) -> int:
    """Where the n-th letter or digit of a text stands, counted from 1."""
    seen = 0
    for position, byte in enumerate(low):
        seen += byte not in _NOISE
        if seen == count:
            return position + 1
    return len(low)


def _text_forms(canary: Canary) -> Iterator[tuple[str, bytes]]:
    text = bare(canary.text)
    yield "plain", text.encode()
    yield "backwards", text[::-1].encode()
    yield "hexadecimal", text.encode().hex().encode()
    if not text.isdigit():
        yield "turned by 13", codecs.encode(text, "rot13").encode()
        yield "letters as numbers", "".join(str(ord(one)) for one in canary.text).encode()
    if canary.sort is Sort.NUMBER:
        whole = int(text)
        yield "in base 16", f"{whole:x}".encode()
        yield "in base 8", f"{whole:o}".encode()
        yield "in base 2", f"{whole:b}".encode()
        yield "in base 36", _in_base(whole, 36).encode()
    if canary.sort in (Sort.NUMBER, Sort.PLACE):
        yield "float in hexadecimal", struct.pack(">d", float(canary.text)).hex().encode()


def _byte_forms(canary: Canary) -> Iterator[tuple[str, bytes]]:
    for written in dict.fromkeys((canary.text, bare(canary.text), canary.text.upper())):
        data = written.encode()
        for skip in range(3):
            # What of it does not depend on what stands before and behind.
            whole = base64.b64encode(b"\0" * skip + data)
            start = (0, 2, 3)[skip]
            last = (len(data) + skip) // 3 * 4 if (len(data) + skip) % 3 else len(whole)
            yield "base64", whole[start:last].rstrip(b"=")
    if canary.sort is Sort.NUMBER:
        whole = int(bare(canary.text))
        yield "whole number, big end first", whole.to_bytes(8).lstrip(b"\0")
        yield "whole number, little end first", whole.to_bytes(8, "little").rstrip(b"\0")
    if canary.sort in (Sort.NUMBER, Sort.PLACE):
        yield "float, big end first", struct.pack(">d", float(canary.text))
        yield "float, little end first", struct.pack("<d", float(canary.text))
    if canary.sort is Sort.MAC:
        yield "address", bytes.fromhex(bare(canary.text))
    if canary.sort is Sort.UUID:
        yield "number of 16 bytes", bytes.fromhex(bare(canary.text))


def _in_base(number: int, base: int) -> str:
    digits = ""
    while number:
        number, one = divmod(number, base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[one] + digits
    return digits


def _differences(data: bytes) -> bytes:
    """What differs from byte to byte: the same under every one-byte key."""
    if len(data) < 2:
        return b""
    first, second = int.from_bytes(data[:-1]), int.from_bytes(data[1:])
    return (first ^ second).to_bytes(len(data) - 1)


def _views(data: bytes) -> Iterator[tuple[str, bytes]]:
    waiting = [("as it came", data, 0)]
    seen: set[bytes] = set()
    while waiting and len(seen) < MAX_VIEWS:
        name, opened, depth = waiting.pop(0)
        if opened in seen or len(opened) < SEED:
            continue
        seen.add(opened)
        yield name, opened
        if depth < LAYERS:
            before = "" if depth == 0 else f"{name}, "
            waiting += [(before + how, inner, depth + 1) for how, inner in _openings(opened)]


def _openings(data: bytes) -> Iterator[tuple[str, bytes]]:
    if b"%" in data:
        yield "percent", unquote_to_bytes(data)
    if b"\\" in data:
        yield "escapes", _ESCAPES.sub(_escaped, data)
    if b"&" in data:
        yield "entities", unescape(data.decode("latin-1")).encode("utf-8", "replace")
    if b"=" in data and _SOFT.search(data):
        yield "quoted-printable", quopri.decodestring(data)
    values = _NAMES.sub(b"", data)
    if len(values) < len(data):
        yield "without names", values
    for match in _STREAMS.finditer(data):
        yield from _inflated(data[match.start() :])
    for match in _HEX.finditer(data):
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", match[0].replace(b"\\x", b""))
        if len(digits) >= 2 * SEED:
            yield "hexadecimal", binascii.unhexlify(digits[: len(digits) // 2 * 2])
    for match in _BASE64.finditer(data.translate(_URL_SAFE)):
        yield from _from_base64(match[0].rstrip(b"="))
    for match in _BASE32.finditer(data):
        run = match[0].upper()
        run += b"A" * (-len(run) % 8)
        yield "base32", base64.b32decode(run)


def _from_base64(run: bytes) -> Iterable[tuple[str, bytes]]:
    for skip in range(4):
        part = run[skip:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        inner = base64.b64decode(part + b"=" * (-len(part) % 4))
        # Words are base64 too, but of nothing: only what can be read or opened goes on.
        readable = sum(32 <= one < 127 or one in b"\r\n\t" for one in inner)
        if readable >= 0.8 * len(inner) or _STREAMS.match(inner):
            yield "base64", inner


def _inflated(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            opened = zstd.ZstdDecompressor().decompress(data, MAX_OPENED)
        except zstd.ZstdError:
            return
        yield "zstd", opened
        return
    name = "gzip" if data.startswith(b"\x1f\x8b") else "zlib"
    inflate = zlib.decompressobj(31 if name == "gzip" else 15)
    try:
        opened = inflate.decompress(data, MAX_OPENED)
    except zlib.error:
        return
    yield name, opened


def raw_deflated(data: bytes) -> bytes:
    """What a body says that is deflated without a head, where its headers tell that it is."""
    try:
        return zlib.decompressobj(-15).decompress(data, MAX_OPENED)
    except zlib.error:
        return b""


def _escaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return chr(int(match[1], 16)).encode("utf-8", "replace")
    if match[2]:
        return bytes([int(match[2], 16)])
    if match[3]:
        return bytes([int(match[3], 8) & 255])
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(match[4], match[4])
