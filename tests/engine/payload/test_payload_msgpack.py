"""MessagePack: every type there and back, and nothing believed before it is checked."""

from typing import Any

from hypothesis import given, settings, strategies as st
import ormsgpack
import pytest

from engine.errors import Refused
from engine.model import Blob, Label, Mark, Number, Reason
from engine.payload import msgpack
from helpers import HOST, House, post, wire

HEADERS = (("Host", HOST), ("Content-Type", "application/msgpack"))
MEBIBYTE = 1 << 20

# What it says, and how it is written again.
READ: dict[str, tuple[str, Any, str]] = {
    "0": ("00", Number("0"), "00"),
    "127 in eight bytes": ("cf000000000000007f", Number("127"), "7f"),
    "128, signed": ("d10080", Number("128"), "cc80"),
    "-32": ("e0", Number("-32"), "e0"),
    "-33": ("d0df", Number("-33"), "d0df"),
    "2^64 - 1": ("cfffffffffffffffff", Number(2**64 - 1), "cfffffffffffffffff"),
    "-2^63": ("d38000000000000000", Number(-(2**63)), "d38000000000000000"),
    "1.5 in eight bytes": ("cb3ff8000000000000", Number("1.5"), "ca3fc00000"),
    "1.1": ("cb3ff199999999999a", Number("1.1"), "cb3ff199999999999a"),
    "-0.0": ("ca80000000", Number("-0.0"), "ca80000000"),
    "NaN with a message": ("cb7ff8000047110815", {Mark("#float"): "NaN"}, "ca7fc00000"),
    "minus infinity": ("cbfff0000000000000", {Mark("#float"): "-Infinity"}, "caff800000"),
    "constants": ("93c0c2c3", [None, False, True], "93c0c2c3"),
    "text, long form": ("db00000001" + "61", "a", "a161"),
    "bytes, long form": ("c600000001ff", Blob("ff"), "c401ff"),
    "array, long form": ("dd0000000101", [Number("1")], "9101"),
    "map, long form": ("df00000001a16101", {"a": Number("1")}, "81a16101"),
    "keys in order": ("82a162010a02", {"b": Number("1"), Label("10"): Number("2")}, "820a02a16201"),
    "a type of its own": ("c70105ff", {Mark("#5"): Blob("ff")}, "d405ff"),
    "of three bytes": ("c70305010203", {Mark("#5"): Blob("010203")}, "c70305010203"),
    "time": ("d6ff00000001", {Mark("#-1"): Blob("00000001")}, "d6ff00000001"),
    "empty": ("9380a090", [{}, "", []], "9380a090"),
}


@pytest.mark.parametrize("case", READ)
def test_read(case: str) -> None:
    data, tree, again = READ[case]
    found = msgpack.decode(bytes.fromhex(data))
    assert found == tree
    assert type(found) is type(tree)
    written = msgpack.encode(found)
    assert written.hex() == again
    assert msgpack.plain(written) == found


REFUSED = {
    "nothing": ("", Reason.UNREADABLE),
    "never used": ("c1", Reason.UNREADABLE),
    "array cut short": ("9201", Reason.UNREADABLE),
    "number cut short": ("cd01", Reason.UNREADABLE),
    "text cut short": ("a261", Reason.UNREADABLE),
    "type of its own cut short": ("c7", Reason.UNREADABLE),
    "array beyond all": ("ddffffffff", Reason.UNREADABLE),
    "map beyond all": ("dfffffffff", Reason.UNREADABLE),
    "text beyond all": ("dbffffffff", Reason.UNREADABLE),
    "not UTF-8": ("a1ff", Reason.UNREADABLE),
    "key twice": ("82a16101a16102", Reason.DUPLICATE_KEY),
    "key twice, in two lengths": ("82a16101d9016102", Reason.DUPLICATE_KEY),
    "key as text and number": ("820102a13103", Reason.DUPLICATE_KEY),
    "key of nothing": ("81c001", Reason.UNREADABLE),
    "key with a fraction": ("81ca3fc0000001", Reason.UNREADABLE),
    "key in an array": ("81910101", Reason.UNREADABLE),
    "key in bytes": ("81c4016101", Reason.UNREADABLE),
    "key of its own type": ("81d4050101", Reason.UNREADABLE),
    "second item": ("0001", Reason.TRAILING_BYTES),
    "too deep": ("91" * 65 + "01", Reason.TOO_DEEP),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        msgpack.decode(bytes.fromhex(data))
    assert refusal.value.reason is reason


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        tree = msgpack.decode(data)
    except Refused:
        return
    written = msgpack.encode(tree)
    assert msgpack.plain(written) == tree
    assert msgpack.encode(msgpack.decode(written)) == written


HOSTILE = {
    "items": b"\xdd\x00\x0f\xff\xff" + b"\x01" * MEBIBYTE,
    "deep": b"\x91" * MEBIBYTE,
    "maps": b"\xdd\x00\x0f\xff\xff" + b"\x80" * MEBIBYTE,
    "keys": b"\xdf\x00\x02\x00\x00"
    + b"".join(b"\xce" + number.to_bytes(4) + b"\x01" for number in range(150_000)),
}


@pytest.mark.timeout(30)  # what takes the square of a length takes minutes
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(case: str) -> None:
    with pytest.raises(Refused):
        msgpack.decode(HOSTILE[case])


@pytest.mark.parametrize(
    "data", ["82a16101a16102", "0001", "cc01", "d90161", "82a16201a16101", "a261", "81c001", ""]
)
def test_second_reading_is_strict(data: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        msgpack.plain(bytes.fromhex(data))


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
)
TREES = st.recursive(
    VALUES,
    lambda children: (
        st.lists(children, max_size=20)
        | st.dictionaries(
            st.text(max_size=4).filter(lambda text: not text.lstrip("-").isdigit())
            | st.integers(-99, 999),
            children,
            max_size=20,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(TREES)
def test_as_another_library_reads_it(tree: Any) -> None:
    option = ormsgpack.OPT_NON_STR_KEYS
    written = msgpack.encode(msgpack.decode(ormsgpack.packb(tree, option=option)))
    assert ormsgpack.unpackb(written, option=option) == tree


def test_what_is_granted_keeps_its_type() -> None:
    report = {
        "temp": 4.5, "serial": "FX-0047110815", "raw": b"\x01\x02",
        "at": ormsgpack.Ext(5, b"\x00\x00\x00\x01"), "doors": [{"open": True}, {"open": None}],
    }  # fmt: skip
    house = House()
    assert house.send(post(ormsgpack.packb(report), headers=HEADERS)).outgoing is None
    house.grant("$.body.temp", "$.body.at['#5']", "$.body.doors[*].open", "$.body.raw")
    outgoing = house.sent(post(ormsgpack.packb(report), headers=HEADERS))
    assert b"FX-00" not in wire(outgoing)
    read = ormsgpack.unpackb(outgoing.body, ext_hook=lambda kind, data: (kind, data))
    assert read == {
        "temp": 4.5,
        "at": (5, b"\x00\x00\x00\x01"),
        "doors": [{"open": True}, {"open": None}],
        "raw": b"\x01\x02",
    }
    assert ("Content-Type", "application/msgpack") in outgoing.headers
