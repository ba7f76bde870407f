"""Framings: stated in one line, taken off only where they fit exactly, put on anew.

The second reading (`redaction.frames`) is held against the first here: they share no computation.
"""

from contextlib import suppress
from dataclasses import replace
import json
import re
import zlib

from hypothesis import given, strategies as st
import pytest

from engine.errors import FramingError, Refused
from engine.model import (
    UNCLEAR_FRAMING,
    Endpoint,
    Outcome,
    OutgoingRequest,
    Reason,
    Recipient,
    Transmission,
)
from engine.payload import body as bodies, framing
from engine.redaction.frames import take_off
from helpers import CLOUD, House, post

CHECK = b"123456789"
"""What the catalogue of CRC algorithms computes its check values over."""
BODY = b'{"a":1}'


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("", ""),
        (" ", ""),
        ("xor:5A", "xor:5a"),
        ("XOR: 5a3C , Length:Decimal-L", "xor:5a3c,length:decimal-l"),
        ("sum8:HEX", "sum8:hex"),
        *((one, one) for one in ("length:u16-le", "crc32:be", "sum8:byte", "crc16-arc:hex-upper")),
    ],
)  # fmt: skip
def test_stated(text: str, spelled: str) -> None:
    assert framing.spell(framing.parse(text)) == spelled


@pytest.mark.parametrize(
    "text",
    [
        "xor", "xor:", "xor:5", "xor:00", "xor:0000", "xor:gg", "xor:" + "5a" * 33, "xor:5a 5b",
        "length", "length:u8", "length:hex", "crc16:hex", "crc16-modbus:byte", "crc16-modbus:",
        "sum8:be", "hmac-sha256:hex", UNCLEAR_FRAMING, ",", "xor:5a,", "xor:5a;xor:5b",
        ",".join(["sum8:byte"] * 5), "xor:" + "5a" * 300,
    ],
)  # fmt: skip
def test_no_framing(text: str) -> None:
    with pytest.raises(FramingError) as error:
        framing.parse(text)
    assert text not in str(error.value) or len(text) < 7


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("crc16-modbus", 0x4B37),
        ("crc16-arc", 0xBB3D),
        ("crc16-ccitt-false", 0x29B1),
        ("crc32", 0xCBF43926),
        ("sum8", 0xDD),
    ],
)
def test_check_values(text: str, check: int) -> None:
    """As the catalogue of CRC algorithms has them; the sum is 9 x 0x35, modulo 256."""
    size = {"crc32": 4, "sum8": 1}.get(text, 2)
    ways = {"hex": f"{check:0{2 * size}x}".encode(), "hex-upper": f"{check:0{2 * size}X}".encode()}
    if text == "sum8":
        ways["byte"] = bytes([check])
    else:
        ways |= {"be": check.to_bytes(size), "le": check.to_bytes(size, "little")}
    for way, trailer in ways.items():
        frames = framing.parse(f"{text}:{way}")
        assert framing.enframe(CHECK, frames) == CHECK + trailer
        assert framing.unframe(CHECK + trailer, frames) == CHECK
        assert take_off(CHECK + trailer, frames) == (CHECK, [])


@pytest.mark.parametrize(
    ("text", "framed"),
    [
        ("length:decimal-l", b'L:7 {"a":1}'),
        ("length:u16-be", b'\x00\x07{"a":1}'),
        ("length:u16-le", b'\x07\x00{"a":1}'),
        ("length:u32-be", b'\x00\x00\x00\x07{"a":1}'),
        ("length:u32-le", b'\x07\x00\x00\x00{"a":1}'),
        ("xor:01", b"z#`#;0|"),
        ("xor:0102", b"z ` ;3|"),
    ],
)
def test_framed(text: str, framed: bytes) -> None:
    frames = framing.parse(text)
    assert framing.enframe(BODY, frames) == framed
    assert framing.unframe(framed, frames) == BODY
    assert take_off(framed, frames)[0] == BODY


def one_layer() -> st.SearchStrategy[str]:
    keys = st.binary(min_size=1, max_size=32).filter(any).map(lambda key: f"xor:{key.hex()}")
    others = [f"{kind}:{written}" for kind, ways in framing._WRITTEN.items() for written in ways]
    return keys | st.sampled_from(others)


FRAMINGS = st.lists(one_layer(), min_size=1, max_size=4).map(",".join)


@given(st.binary(min_size=1, max_size=3_000), FRAMINGS)
def test_there_and_back(data: bytes, text: str) -> None:
    """Also as the second reading sees it."""
    frames = framing.parse(text)
    assert framing.spell(frames) == text
    framed = framing.enframe(data, frames)
    assert framing.unframe(framed, frames) == data
    inside, masked = take_off(framed, frames)
    assert inside == data
    assert len(masked) == text.count("xor:")


@given(st.binary(max_size=40), FRAMINGS)
def test_any_bytes(data: bytes, text: str) -> None:
    """Read by both alike or by none, and only as it would be written."""
    frames = framing.parse(text)
    try:
        inside = framing.unframe(data, frames)
    except Refused:
        with suppress(ValueError):
            assert take_off(data, frames)[0] == b""
    else:
        assert framing.enframe(inside, frames) == data
        assert take_off(data, frames)[0] == inside


@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_bit_is_noticed(data: bytes, draw: st.DataObject) -> None:
    """A checksum of 16 bits or more notices each single bit (of the sum, each byte)."""
    kind = draw.draw(st.sampled_from(["crc16-modbus", "crc16-arc", "crc16-ccitt-false", "crc32"]))
    frames = framing.parse(f"{kind}:be")
    framed = bytearray(framing.enframe(data, frames))
    bit = draw.draw(st.integers(0, len(framed) * 8 - 1))
    framed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        framing.unframe(bytes(framed), frames)
    with pytest.raises(ValueError, match="checksum"):
        take_off(bytes(framed), frames)


REFUSED = {
    "wrong checksum": ("crc32:be", BODY + zlib.crc32(BODY + b" ").to_bytes(4), Reason.UNREADABLE),
    "other order": ("crc32:be", BODY + zlib.crc32(BODY).to_bytes(4, "little"), Reason.UNREADABLE),
    "no checksum": ("crc32:be", BODY, Reason.UNREADABLE),
    "shorter than a checksum": ("crc32:hex", b"1234567", Reason.UNREADABLE),
    "upper case": ("crc16-arc:hex", b"123456789BB3D", Reason.UNREADABLE),
    "mixed case": ("crc16-arc:hex-upper", b"123456789bB3D", Reason.UNREADABLE),
    "after the checksum": ("crc16-arc:hex", b"123456789bb3d\n", Reason.UNREADABLE),
    "too long": ("length:decimal-l", b"L:8 " + BODY, Reason.UNREADABLE),
    "too short": ("length:decimal-l", b"L:6 " + BODY, Reason.TRAILING_BYTES),
    "huge": ("length:decimal-l", b"L:" + b"9" * 100_000 + b" {}", Reason.UNREADABLE),
    "huge in binary": ("length:u32-be", b"\xff\xff\xff\xff" + BODY, Reason.UNREADABLE),
    "cut short": ("length:u32-be", b"\x00\x00\x00", Reason.UNREADABLE),
    "leading zero": ("length:decimal-l", b"L:07 " + BODY, Reason.UNREADABLE),
    "plus": ("length:decimal-l", b"L:+7 " + BODY, Reason.UNREADABLE),
    "other digits": ("length:decimal-l", "L:\u0667 ".encode() + BODY, Reason.UNREADABLE),
    "two blanks": ("length:decimal-l", b"L:7  " + BODY, Reason.TRAILING_BYTES),
    "small letter": ("length:decimal-l", b"l:7 " + BODY, Reason.UNREADABLE),
    "trailing line": ("length:u16-be", b"\x00\x07" + BODY + b"\n", Reason.TRAILING_BYTES),
    "nothing inside": ("length:u16-be", b"\x00\x00", Reason.UNREADABLE),
    "a checksum of nothing": ("crc32:be", bytes(4), Reason.UNREADABLE),
    "not framed": ("length:decimal-l", BODY, Reason.UNREADABLE),
    "beyond the cap": ("xor:5a", bytes(framing.MAX_FRAMED + 1), Reason.TOO_LARGE),
}


NO_FRAME_OF_ITS_OWN = ("nothing inside", "a checksum of nothing", "beyond the cap")


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    text, data, reason = REFUSED[case]
    with pytest.raises(Refused) as error:
        bodies.decode(data, "application/json", "", text)
    assert error.value.reason is reason


# Of the cap and of what is inside, the second reading knows nothing.
@pytest.mark.parametrize("case", [one for one in REFUSED if one not in NO_FRAME_OF_ITS_OWN])
def test_second_reading_refuses(case: str) -> None:
    text, data, _ = REFUSED[case]
    with pytest.raises(ValueError, match=re.compile("checksum|length|large")):
        take_off(data, framing.parse(text))


def test_too_long_for_its_length() -> None:
    """What is written can be longer than what was read: letters beyond ASCII are escaped."""
    frames = framing.parse("length:u16-be")
    assert framing.unframe(framing.enframe(bytes(65_535), frames), frames) == bytes(65_535)
    with pytest.raises(Refused) as error:
        framing.enframe(bytes(65_536), frames)
    assert error.value.reason is Reason.TOO_LARGE
    with pytest.raises(ValueError, match="too large"):
        take_off(b"\x00\x00" + bytes(65_536), frames)


@pytest.mark.parametrize("text", ["hmac:hex", UNCLEAR_FRAMING, "xor:00"])
def test_what_is_not_known_is_not_read(text: str) -> None:
    with pytest.raises(Refused) as error:
        bodies.decode(BODY, "application/json", "", text)
    assert error.value.reason is Reason.UNREADABLE


# --- The whole way of a message ---


def framed_cloud(text: str, **changes: object) -> Recipient:
    return replace(CLOUD, endpoints=(replace(CLOUD.endpoints[0], framing=text),), **changes)


def through(text: str, body: bytes, *granted: str, content_type: str = "") -> OutgoingRequest:
    """What leaves of a framed body, of which some is granted."""
    house = House(framed_cloud(text))
    frames = framing.parse(text)
    headers = (("Content-Type", content_type or "application/octet-stream"),)
    message = post(framing.enframe(body, frames), headers=headers)
    house.send(message)
    house.grant(*(house.point(path) for path in granted))
    return house.sent(message)


SERIAL = "FX-4711-0815-AB"
REPORT = json.dumps({"t": 4.5, "serial": SERIAL, "note": "hello"}).encode()
NESTED = "xor:5aa5,length:decimal-l,crc16-modbus:hex"


def test_partly_granted_is_framed_anew() -> None:
    sent = through(NESTED, REPORT, "$.body.t").body
    plain = bytes(one ^ (0x5A, 0xA5)[place % 2] for place, one in enumerate(sent))
    head, _, inside = plain.partition(b" ")
    assert head == b"L:%d" % len(inside)
    assert inside[:-4] == b'{"t":4.5}'
    crc = 0xFFFF
    for byte in inside[:-4]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    assert inside[-4:].decode() == f"{crc:04x}"


def test_wholly_granted_leaves_as_it_came() -> None:
    house = House(framed_cloud(NESTED))
    message = post(framing.enframe(REPORT, framing.parse(NESTED)))
    house.send(message)
    house.grant(*house.points)
    assert house.sent(message).body == message.body


def test_framing_is_never_guessed() -> None:
    """Without a statement a frame is unreadable, with another one too, and so is a bare body."""
    framed = framing.enframe(REPORT, framing.parse(NESTED))
    for text, body in (("", framed), ("xor:5a", framed), (NESTED, REPORT)):
        house = House(framed_cloud(text))
        seen = house.send(post(body))
        assert seen.verdict.outcome is Outcome.DENY
        assert seen.verdict.reason is Reason.UNREADABLE


def test_a_mask_that_makes_another_format() -> None:
    """Masked, this is a form; it is read as what is under the mask, and leaves masked."""
    masked = b"aa=" + b"b" * 20
    body = bytes(one ^ 3 for one in masked)
    assert bodies.decode(masked, "", "").format.name == "form"
    read = bodies.decode(masked, "", "", "xor:03")
    assert read.tree == [body.decode()]
    written = bodies.encode(read, read.tree)
    assert bytes(one ^ 3 for one in written).rstrip() == body
    assert bodies.plain(read, written) == read.tree


def test_statements_that_differ_are_none() -> None:
    other = framed_cloud("xor:5a", id="other")
    house = House(framed_cloud(NESTED), other)
    seen = house.send(post(framing.enframe(REPORT, framing.parse(NESTED))))
    assert seen.verdict.reason is Reason.UNREADABLE
    house = House(framed_cloud(NESTED), framed_cloud(NESTED, id="other"))
    seen = house.send(post(framing.enframe(REPORT, framing.parse(NESTED))))
    assert seen.verdict.reason is Reason.NOTHING_CONSENTED


@pytest.mark.parametrize("text", ["xor:0a", "xor:0a0b0c", "length:u16-be,xor:0a"])
def test_identity_that_the_mask_would_uncover(text: str) -> None:
    """A granted text that the stated mask turns into a withheld serial, for all on the way."""
    frames = framing.parse(text)
    key, serial = frames[-1].key, "fx47110815ab"
    house = House(framed_cloud(text))

    def report(**members: object) -> Transmission:
        return post(framing.enframe(json.dumps(members).encode(), frames))

    house.send(report(serial=serial, t=1))
    for turn in range(len(key)):
        # Where in the key's turn it will stand, is tried.
        hidden = "".join(
            chr(ord(one) ^ key[(turn + place) % len(key)]) for place, one in enumerate(serial)
        )
        if serial.encode() in (message := report(t=1, note=hidden)).body:
            break
    else:
        pytest.fail("the serial is not hidden")
    house.send(message)
    house.grant(house.point("$.body.t"), house.point("$.body.note"))
    assert house.send(message).verdict.reason is Reason.IDENTITY_FOUND
    assert house.send(report(t=1, note="hello")).verdict.outcome is Outcome.PERMIT


def test_endpoints_line_says_nothing_of_framing() -> None:
    """It stands in notices that are agreed to."""
    endpoint = Endpoint.parse("POST https://cloud.example/v1")
    assert str(replace(endpoint, framing=NESTED)) == str(endpoint)


@pytest.mark.parametrize("text", ["length:decimal-l", "xor:5a", "crc32:be", NESTED])
@pytest.mark.parametrize("body", [b"a=1&b=2", b"one\ntwo\n", b'{"a":1}', b"[1,2]"])
def test_of_which_nothing_is_left(text: str, body: bytes) -> None:
    """Only that it calls at all is granted: what is left is framed like any other body."""
    frames = framing.parse(text)
    left = through(text, body, "$.request").body
    inside = take_off(left, frames)[0]
    assert inside in (b"", b"{}", b"[]")
    assert framing.enframe(inside, frames) == left
