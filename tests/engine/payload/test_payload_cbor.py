"""CBOR: every type there and back, and nothing believed before it is checked."""

import math
from typing import Any

import cbor2
from hypothesis import given, settings, strategies as st
import pytest

from engine.errors import Refused
from engine.model import Blob, Category, Label, Mark, Number, Outcome, Reason
from engine.payload import cbor
from engine.redaction import transforms
from helpers import HOST, House, post, wire

HEADERS = (("Host", HOST), ("Content-Type", "application/cbor"))
MEBIBYTE = 1 << 20

# What it says, and how it is written again: RFC 8949, appendix A, among others.
READ: dict[str, tuple[str, Any, str]] = {
    "0": ("00", Number("0"), "00"),
    "24, in eight bytes": ("1b0000000000000018", Number("24"), "1818"),
    "2^64 - 1": ("1bffffffffffffffff", Number(2**64 - 1), "1bffffffffffffffff"),
    "2^64": ("c249010000000000000000", Number(2**64), "c249010000000000000000"),
    "2^64, with zeros": ("c24a00010000000000000000", Number(2**64), "c249010000000000000000"),
    "1, as a large number": ("c24101", Number("1"), "01"),
    "-2^64": ("3bffffffffffffffff", Number(-(2**64)), "3bffffffffffffffff"),
    "-2^64 - 1": ("c349010000000000000000", Number(-(2**64) - 1), "c349010000000000000000"),
    "0.0": ("f90000", Number("0.0"), "f90000"),
    "-0.0": ("f98000", Number("-0.0"), "f98000"),
    "1.5 in eight bytes": ("fb3ff8000000000000", Number("1.5"), "f93e00"),
    "1.1": ("fb3ff199999999999a", Number("1.1"), "fb3ff199999999999a"),
    "100000.0": ("fa47c35000", Number("100000.0"), "fa47c35000"),
    "smallest half": ("f90001", Number("5.960464477539063e-08"), "f90001"),
    "1e300": ("fb7e37e43c8800759c", Number("1e+300"), "fb7e37e43c8800759c"),
    "infinity": ("fa7f800000", {Mark("#float"): "Infinity"}, "f97c00"),
    "minus infinity": ("f9fc00", {Mark("#float"): "-Infinity"}, "f9fc00"),
    "NaN with a message": ("fb7ff8000047110815", {Mark("#float"): "NaN"}, "f97e00"),
    "false": ("f4", False, "f4"),
    "true": ("f5", True, "f5"),
    "null": ("f6", None, "f6"),
    "undefined": ("f7", {Mark("#simple"): Number("23")}, "f7"),
    "simple(255)": ("f8ff", {Mark("#simple"): Number("255")}, "f8ff"),
    "bytes": ("4401020304", Blob("01020304"), "4401020304"),
    "bytes in pieces": ("5f42010243030405ff", Blob("0102030405"), "450102030405"),
    "text": ("62c3bc", "ü", "62c3bc"),
    "text in pieces": ("7f657374726561646d696e67ff", "streaming", "6973747265616d696e67"),
    "array without a length": ("9f018202039f0405ffff", None, "8301820203820405"),
    "map without a length": ("bf61610161629f0203ffff", None, "a26161016162820203"),
    "keys in order": ("a3616201616102187b03", None, "a3187b03616102616201"),
    "whole numbers as keys": ("a201022103", {Label("1"): Number("2"), Label("-2"): Number("3")},
                              "a201022103"),
    "tag": ("c11a514b67b0", {Mark("#1"): Number("1363896240")}, "c11a514b67b0"),
    "tag in a tag": ("d8206161", {Mark("#32"): "a"}, "d8206161"),
    "described by itself": ("d9d9f7f5", True, "f5"),
    "empty": ("82a080", [{}, []], "82a080"),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_read(case: str) -> None:
    data, tree, again = READ[case]
    found = cbor.decode(bytes.fromhex(data))
    assert tree is None or (found == tree and type(found) is type(tree))
    written = cbor.encode(found)
    assert written.hex() == again
    assert cbor.plain(written) == found
    if tree != {Mark("#float"): "NaN"}:
        assert cbor2.loads(written) == cbor2.loads(bytes.fromhex(data))


REFUSED = {
    "nothing": ("", Reason.UNREADABLE),
    "cut short": ("8301", Reason.UNREADABLE),
    "cut in a head": ("19ff", Reason.UNREADABLE),
    "cut in a text": ("6361", Reason.UNREADABLE),
    "cut in a tag": ("c1", Reason.UNREADABLE),
    "array without end": ("9f01", Reason.UNREADABLE),
    "length beyond all": ("9bffffffffffffffff", Reason.UNREADABLE),
    "map beyond all": ("bb7fffffffffffffff", Reason.UNREADABLE),
    "text beyond all": ("7bffffffffffffffff", Reason.UNREADABLE),
    "break alone": ("ff", Reason.UNREADABLE),
    "break in an array with a length": ("8201ff", Reason.UNREADABLE),
    "break for a value": ("bf6161ff", Reason.UNREADABLE),
    "break in a tag": ("9fc1ff", Reason.UNREADABLE),
    "pieces of another type": ("7f4161ff", Reason.UNREADABLE),
    "pieces in pieces": ("7f7f6161ffff", Reason.UNREADABLE),
    "character cut in pieces": ("7f61c361bcff", Reason.UNREADABLE),
    "number without end": ("1f", Reason.UNREADABLE),
    "tag without end": ("df01", Reason.UNREADABLE),
    "reserved head": ("1c", Reason.UNREADABLE),
    "reserved simple value": ("f818", Reason.UNREADABLE),
    "not UTF-8": ("62c328", Reason.UNREADABLE),
    "half of a pair": ("63eda080", Reason.UNREADABLE),
    "key twice": ("a2616101616102", Reason.DUPLICATE_KEY),
    "key twice, in pieces": ("a26161017f6161ff02", Reason.DUPLICATE_KEY),
    "key as text and number": ("a26131010102", Reason.DUPLICATE_KEY),
    "key in two lengths": ("a20101180102", Reason.DUPLICATE_KEY),
    "key in bytes": ("a1416101", Reason.UNREADABLE),
    "key with a fraction": ("a1f93e0001", Reason.UNREADABLE),
    "key in an array": ("a1810101", Reason.UNREADABLE),
    "key with a tag": ("a1c2410101", Reason.UNREADABLE),
    "private tag": ("da0047110801", Reason.UNREADABLE),
    "described within": ("81d9d9f701", Reason.UNREADABLE),
    "large number in text": ("c26161", Reason.UNREADABLE),
    "large number too large": ("c25841" + "01" * 65, Reason.TOO_LARGE),
    "second item": ("0001", Reason.TRAILING_BYTES),
    "too deep": ("81" * 65 + "01", Reason.TOO_DEEP),
    "tags too deep": ("c1" * 65 + "01", Reason.TOO_DEEP),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        cbor.decode(bytes.fromhex(data))
    assert refusal.value.reason is reason


def test_every_start() -> None:
    """Of whatever a message begins with, nothing but `Refused` comes."""
    whole = cbor2.dumps({"a": [1.5, None, b"x", cbor2.CBORTag(1, 2**70)], "b": "ü", 3: True})
    for size in range(len(whole)):
        with pytest.raises(Refused):
            cbor.decode(whole[:size])


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        tree = cbor.decode(data)
    except Refused:
        return
    written = cbor.encode(tree)
    assert cbor.plain(written) == tree
    assert cbor.encode(cbor.decode(written)) == written


HOSTILE = {
    "items": b"\x9f" + b"\x01" * MEBIBYTE + b"\xff",
    "deep": b"\x81" * MEBIBYTE,
    "tags": b"\xc1" * MEBIBYTE,
    "pieces": b"\x7f" + b"\x61a" * (MEBIBYTE // 2) + b"\xff",
    "empty pieces": b"\x5f" + b"\x40" * MEBIBYTE + b"\xff",
    "a large number": b"\xc2\x5a\x00\x10\x00\x00" + b"\xff" * MEBIBYTE,
    # Keys of one hash: a dict of them takes minutes.
    "keys alike": b"\xbf"
    + b"".join(
        b"\xc2\x4a" + (number * (2**61 - 1)).to_bytes(10) + b"\x01" for number in range(1, 70_000)
    )
    + b"\xff",
    "map of many": b"\xba\x00\x04\x00\x00"
    + b"".join(b"\x1a" + number.to_bytes(4) + b"\x01" for number in range(150_000)),
}


@pytest.mark.timeout(30)  # what takes the square of a length takes minutes
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(case: str) -> None:
    with pytest.raises(Refused):
        cbor.decode(HOSTILE[case])


def test_second_reading_is_strict() -> None:
    for data in ("9f01ff", "7f6161ff", "a2616101616102", "0001", "6361", ""):
        with pytest.raises(ValueError, match=r"\w"):
            cbor.plain(bytes.fromhex(data))


@pytest.mark.parametrize("tag", [0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 100, 256, 258, 260])
def test_second_reading_makes_nothing_of_tags(tag: int) -> None:
    for content in (0, "(a+)+$", [1, 2], b"\x01" * 16):
        written = cbor.encode({Mark(f"#{tag}"): cbor.decode(cbor2.dumps(content))})
        assert cbor.plain(written) == {f"#{tag}": cbor.plain(cbor2.dumps(content))}


TEXTS = st.text(max_size=4).filter(lambda text: not text.lstrip("-").isdigit())
"""Where they are keys, a number as text would be the number."""
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.just(cbor2.undefined)
    | st.builds(cbor2.CBORSimpleValue, st.integers(32, 255))
)
TREES = st.recursive(
    VALUES,
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(TEXTS | st.integers(-99, 999), children, max_size=4)
        | st.builds(cbor2.CBORTag, st.integers(7000, 8000), children)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(TREES, st.booleans())
def test_as_another_library_reads_it(tree: Any, canonical: bool) -> None:
    data = cbor2.dumps(tree, canonical=canonical, indefinite_containers=not canonical)
    found = cbor.decode(data)
    written = cbor.encode(found)
    assert cbor2.loads(written) == cbor2.loads(data)
    assert kinds(cbor2.loads(written)) == kinds(cbor2.loads(data))


def kinds(node: Any) -> Any:
    """The types in a tree: 1 and 1.0 are equal, and so are 0.0 and -0.0."""
    if isinstance(node, dict):
        return {name: kinds(child) for name, child in node.items()}
    if isinstance(node, list):
        return [kinds(child) for child in node]
    if isinstance(node, cbor2.CBORTag):
        return node.tag, kinds(node.value)
    return type(node), math.copysign(1, node) if isinstance(node, float) else None


# --- In a household ---

SERIAL = "FX-0047110815"
REPORT = {
    "temp": 4.5,
    "doors": [{"open": True, "at": cbor2.CBORTag(1, 1363896240)}, {"open": False}],
    "serial": SERIAL,
    "mac": bytes.fromhex("24c86e06b15c"),
    1: {SERIAL: 3},
}


def report(**changes: Any) -> bytes:
    return cbor2.dumps({**REPORT, **changes})


def test_what_is_granted_keeps_its_type() -> None:
    house = House()
    assert house.send(post(report(), headers=HEADERS)).outgoing is None
    house.grant("$.body.temp", "$.body.doors[*].open", "$.body.doors[*].at['#1']")
    outgoing = house.sent(post(report(), headers=HEADERS))
    tagged = cbor2.CBORTag(1, 1363896240)
    assert outgoing.body == cbor2.dumps(
        {"temp": 4.5, "doors": [{"open": True, "at": tagged}, {"open": False}]}, canonical=True
    )
    assert ("Content-Type", "application/cbor") in outgoing.headers
    assert SERIAL.encode() not in wire(outgoing)


def test_nothing_shows_of_how_it_was_written() -> None:
    house = House()
    house.send(post(report(), headers=HEADERS))
    house.grant("$.body.temp", "$.body.doors[*].open")
    bodies = {
        house.sent(post(body, headers=HEADERS)).body
        for body in (
            report(),
            cbor2.dumps(REPORT, indefinite_containers=True),
            cbor2.dumps(dict(reversed(REPORT.items()))),
            report(serial="FX-0047110816", mac=b"", extra=[1, 2]),
            cbor.SELF_DESCRIBED + report(),
        )
    }
    assert len(bodies) == 1


def test_identities_in_bytes_are_found() -> None:
    """A MAC in bytes is withheld; told elsewhere, in letters, it is the same."""
    house = House()
    house.send(post(report(), headers=HEADERS))
    house.send(post(report(temp="x"), headers=HEADERS))
    house.grant("$.body.temp")
    hidden = house.send(post(report(temp="at 24:C8:6E:06:B1:5C"), headers=HEADERS))
    assert hidden.verdict.outcome is Outcome.DENY
    assert hidden.verdict.reason is Reason.IDENTITY_FOUND


def test_bytes_are_not_made_coarse() -> None:
    assert transforms.coarsen(Blob("1234"), Category.READING, "W") is None


def test_bytes_that_look_like_text_are_one_item() -> None:
    house = House()
    house.send(post(cbor2.dumps({"b": b'{"a":1}', "t": '{"a":1}'}), headers=HEADERS))
    assert {one.field.path for one in house.points} == {"$.body.b", "$.body.t.a"}
