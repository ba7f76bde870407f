"""What is hidden in bytes is found, however it is written; and nothing else is."""

import base64
import codecs
from collections.abc import Callable
from compression import zstd
from functools import cache
import gzip
import json
import quopri
import random
import struct
import zlib

from hunt.canaries import Canary, Mint, Sort, bare
from hunt.search import Searcher
import pytest

SORTS = [one for one in Sort if one not in (Sort.FLAG, Sort.SMALL)]


def _chunks(text: str, size: int = 3) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


TEXTS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": str,
    "upper case": str.upper,
    "hexadecimal": lambda one: one.encode().hex(),
    "hexadecimal, upper": lambda one: one.encode().hex().upper(),
    "hexadecimal with colons": lambda one: one.encode().hex(":"),
    "base64": lambda one: base64.b64encode(one.encode()),
    "base64 behind one": lambda one: base64.b64encode(b"x" + one.encode()),
    "base64 behind two": lambda one: base64.b64encode(b"xy" + one.encode() + b"z"),
    "base64 for addresses": lambda one: base64.urlsafe_b64encode(b"\xff\xfe>?" + one.encode()),
    "base64 in lines": lambda one: b"\r\n".join(
        base64.b64encode(b"some text " + one.encode())[at : at + 8] for at in range(0, 60, 8)
    ),
    "base64 twice": lambda one: base64.b64encode(base64.b64encode(one.encode())),
    "base32": lambda one: base64.b32encode(one.encode()),
    "percent": lambda one: "".join(f"%{ord(letter):02X}" for letter in one),
    "JSON escapes": lambda one: "".join(f"\\u{ord(letter):04x}" for letter in one),
    "C escapes": lambda one: "".join(f"\\x{ord(letter):02x}" for letter in one),
    "entities": lambda one: "".join(f"&#{ord(letter)};" for letter in one),
    "entities, hexadecimal": lambda one: "".join(f"&#x{ord(letter):x};" for letter in one),
    "quoted-printable": lambda one: b"=".join(
        [b"", *(f"{ord(letter):02X}".encode() for letter in one)]
    ),
    "soft breaks": lambda one: quopri.encodestring(one.encode() * 4),
    "backwards": lambda one: one[::-1],
    "UTF-16": lambda one: one.encode("utf-16"),
    "UTF-32": lambda one: one.encode("utf-32-be"),
    "gzip": lambda one: b"junk" + gzip.compress(one.encode()),
    "zlib": lambda one: b"junk" + zlib.compress(one.encode()),
    "zstd": lambda one: b"junk" + zstd.compress(one.encode()),
    "gzip in base64": lambda one: base64.b64encode(gzip.compress(one.encode())),
    "one-byte key": lambda one: bytes(letter ^ 0x5A for letter in one.encode()),
    "with separators": "-".join,
    "in thousands": lambda one: ",".join(_chunks(one)),
    "over neighbouring members": lambda one: json.dumps(
        {f"m{number}": part for number, part in enumerate(_chunks(one))}
    ),
    "over a form": lambda one: "&".join(f"m{n}={part}" for n, part in enumerate(_chunks(one))),
    "over elements": lambda one: "".join(
        f"<m{n}>{part}</m{n}>" for n, part in enumerate(_chunks(one))
    ),
    "over labels": lambda one: ".".join(_chunks(bare(one))),
    "a string in a string": lambda one: json.dumps({"a": json.dumps({"b": json.dumps(one)})}),
}
NUMBERS: dict[str, Callable[[int], str | bytes]] = {
    "base 16": lambda one: f"{one:x}",
    "base 8": lambda one: f"{one:o}",
    "base 2": lambda one: f"{one:b}",
    "big end first": lambda one: one.to_bytes(8),
    "little end first": lambda one: one.to_bytes(8, "little"),
    "float": lambda one: struct.pack(">d", one),
    "float, little end first": lambda one: struct.pack("<d", one),
    "float in hexadecimal": lambda one: struct.pack(">d", one).hex(),
    "two digits a byte": lambda one: bytes.fromhex(str(one)),
}


def canaries(sort: Sort) -> list[Canary]:
    mint = Mint(random.Random(f"{sort}"))
    return [mint.make(sort) for _ in range(200)]


@cache
def those(sort: Sort) -> tuple[list[Canary], Searcher]:
    made = canaries(sort)
    searcher = Searcher()
    for one in made:
        searcher.add(one)
    return made, searcher


def found(sort: Sort, data: bytes) -> set[Canary]:
    return {hit.canary for hit in those(sort)[1].find(data)}


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("way", TEXTS)
def test_a_value_is_found(way: str, sort: Sort) -> None:
    made, _ = those(sort)
    for one in made[:4]:
        written = TEXTS[way](one.text)
        data = written.encode() if isinstance(written, str) else written
        for around in (data, b'{"temp":4.5,"x":"' + data + b'","y":[1,2]}'):
            assert found(sort, around) == {one}


@pytest.mark.parametrize("sort", [Sort.WORD, Sort.EMAIL, Sort.TOKEN])
def test_a_text_is_found_with_its_letters_turned(sort: Sort) -> None:
    made, _ = those(sort)
    assert found(sort, codecs.encode(made[7].text, "rot13").encode()) == {made[7]}


@pytest.mark.parametrize("way", NUMBERS)
def test_a_number_is_found(way: str) -> None:
    made, _ = those(Sort.NUMBER)
    one = next(one for one in made if "." not in one.text)
    written = NUMBERS[way](int(one.text))
    data = written.encode() if isinstance(written, str) else written
    assert found(Sort.NUMBER, b"\x82\x01" + data + b"\xff") == {one}


def test_what_is_coarse_or_cut_is_none_of_them() -> None:
    for sort in SORTS:
        made, _ = those(sort)
        cut = " ".join(one.text[: len(one.text) * 2 // 3] for one in made if sort is not Sort.TIME)
        assert not found(sort, cut.encode())
    assert not found(Sort.TIME, b'{"at":"2026-03-04T12:00:00Z"}')


def test_what_was_taken_out_is_not_looked_for_any_more() -> None:
    made = canaries(Sort.WORD)
    searcher = Searcher()
    for one in made:
        searcher.add(one)
    for one in made[:100]:
        searcher.remove(one)
    text = " ".join(one.text for one in made).encode()
    assert {hit.canary for hit in searcher.find(text)} == set(made[100:])
