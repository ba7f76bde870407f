"""Framed reports over sockets: what leaves has the frame that belongs to it, and nothing else.

Frames are made and read here by the test's own means, as a vendor's cloud would.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import struct
from typing import NamedTuple
import zlib

import pytest
from test_http_formats import SECRET, Case, report

from engine.model import Outcome, Reason
from wire import House, Seen, fridge, frost

REPORT = f'{{"t":4.5,"serial":"{SECRET}","note":"good morning"}}'.encode()
KEY = bytes.fromhex("5ac31907")


class Vendor(NamedTuple):
    """How a vendor frames: as it is stated, and how it writes and reads it."""

    stated: str
    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[bytes], bytes]


def modbus(data: bytes) -> int:
    """Bit by bit, as the Modbus specification describes it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            odd = crc & 1
            crc >>= 1
            if odd:
                crc ^= 0xA001
    return crc


def xmodem_like(data: bytes, crc: int = 0xFFFF) -> int:
    """CCITT-FALSE, bit by bit."""
    for byte in data:
        for bit in range(7, -1, -1):
            top = crc >> 15 ^ (byte >> bit & 1)
            crc = crc << 1 & 0xFFFF ^ (0x1021 if top else 0)
    return crc


def mask(data: bytes) -> bytes:
    return bytes(one ^ KEY[place % len(KEY)] for place, one in enumerate(data))


def checked(data: bytes, size: int, sum_of: Callable[[bytes], bytes]) -> bytes:
    assert data[-size:] == sum_of(data[:-size])
    return data[:-size]


def counted(data: bytes) -> bytes:
    head, _, inside = data.partition(b" ")
    assert head == f"L:{len(inside)}".encode()
    return inside


def crc_text(data: bytes) -> bytes:
    return f"{modbus(data):04x}".encode()


def nested(data: bytes) -> bytes:
    data += crc_text(data)
    return mask(b"L:%d " % len(data) + data)


def counted_in_binary(data: bytes) -> bytes:
    [size] = struct.unpack("<I", data[:4])
    assert size == len(data) - 4
    return data[4:]


VENDORS = {
    "checksum in hex": Vendor(
        "crc16-modbus:hex",
        lambda data: data + crc_text(data),
        lambda data: checked(data, 4, crc_text),
    ),
    "checksum in bytes": Vendor(
        "crc16-ccitt-false:be",
        lambda data: data + xmodem_like(data).to_bytes(2),
        lambda data: checked(data, 2, lambda one: xmodem_like(one).to_bytes(2)),
    ),
    "CRC-32": Vendor(
        "crc32:le",
        lambda data: data + struct.pack("<I", zlib.crc32(data)),
        lambda data: checked(data, 4, lambda one: struct.pack("<I", zlib.crc32(one))),
    ),
    "length": Vendor("length:decimal-l", lambda data: b"L:%d " % len(data) + data, counted),
    "length in bytes": Vendor(
        "length:u32-le", lambda data: struct.pack("<I", len(data)) + data, counted_in_binary
    ),
    "mask": Vendor(f"xor:{KEY.hex()}", mask, mask),
    "all of these": Vendor(
        f"xor:{KEY.hex()},length:decimal-l,crc16-modbus:hex",
        nested,
        lambda data: checked(counted(mask(data)), 4, crc_text),
    ),
}


def case(body: bytes) -> Case:
    return Case(
        headers=("Content-Type: application/octet-stream",), body=body,
        granted="$.body.t", read=lambda seen: seen.body, arrives=None, unreadable=b"",
    )  # fmt: skip


async def send(house: House, body: bytes, folder: Path) -> None:
    await report(house, case(body), body, folder)


def state(house: House, framing: str) -> None:
    stated = frost(f"http://{house.host}/")
    endpoints = tuple(replace(one, framing=framing) for one in stated.endpoints)
    house.configure(fridge(), recipients=[replace(stated, endpoints=endpoints)])


def searched(seen: Seen) -> list[bytes]:
    """What arrived, as it is and under every mask of one byte and the vendor's."""
    whole = b"\n".join([*(f"{name}: {value}".encode() for name, value in seen.headers), seen.body])
    return [whole, mask(seen.body), *(bytes(one ^ key for one in seen.body) for key in range(256))]


@pytest.mark.parametrize("name", VENDORS)
async def test_what_is_granted_arrives_framed(house: House, tmp_path: Path, name: str) -> None:
    vendor = VENDORS[name]
    state(house, vendor.stated)
    framed = vendor.wrap(REPORT)
    assert vendor.unwrap(framed) == REPORT
    await send(house, framed, tmp_path)
    assert not house.cloud.lines, "nothing leaves before consent"
    await house.give("$.body.t")
    await send(house, framed, tmp_path)
    [seen] = house.cloud.requests
    assert vendor.unwrap(seen.body) == b'{"t":4.5}'
    for text in searched(seen):
        assert SECRET.encode() not in text
        assert b"good morning" not in text
    assert (await house.newest()).outcome is Outcome.REDACT


@pytest.mark.parametrize("name", VENDORS)
async def test_all_granted_arrives_as_it_was(house: House, tmp_path: Path, name: str) -> None:
    vendor = VENDORS[name]
    state(house, vendor.stated)
    framed = vendor.wrap(b'{ "t":4.50, "n":1}')
    await send(house, framed, tmp_path)
    await house.grant_all()
    await send(house, framed, tmp_path)
    [seen] = house.cloud.requests
    assert seen.body == framed


@pytest.mark.parametrize("name", VENDORS)
async def test_a_frame_that_does_not_fit_stays(house: House, tmp_path: Path, name: str) -> None:
    vendor = VENDORS[name]
    state(house, vendor.stated)
    framed = vendor.wrap(REPORT)
    await send(house, framed, tmp_path)
    await house.grant_all()
    broken = [REPORT, framed + b"}", framed[:-1], b"?" + framed]
    for body in broken:
        await send(house, body, tmp_path)
        assert (await house.newest()).outcome is Outcome.DENY
        assert await house.reason() in (Reason.UNREADABLE, Reason.TRAILING_BYTES)
    assert not house.cloud.lines
    # Nothing stated, nothing guessed: it cannot be read, or is a text that nobody granted.
    state(house, "")
    await send(house, framed, tmp_path)
    assert SECRET.encode() not in house.cloud.received
    assert mask(SECRET.encode())[:8] not in house.cloud.received


async def test_an_identity_in_a_granted_text_stays(house: House, tmp_path: Path) -> None:
    """Under the mask, too: it is looked for in what the mask covers."""
    vendor = VENDORS["all of these"]
    state(house, vendor.stated)
    report_of = f'{{"t":4.5,"serial":"{SECRET}","note":"by %s"}}'.encode()
    await send(house, vendor.wrap(report_of % b"nobody"), tmp_path)
    await house.give("$.body.t", "$.body.note")
    await send(house, vendor.wrap(report_of % SECRET.encode()), tmp_path)
    [seen] = house.cloud.requests
    assert vendor.unwrap(seen.body) == b'{"t":4.5}'


async def test_compressed_and_framed(house: House, tmp_path: Path) -> None:
    """The content coding is HTTP's, and outermost."""
    vendor = VENDORS["length"]
    state(house, vendor.stated)
    packed = case(zlib.compress(vendor.wrap(REPORT)))
    packed = packed._replace(headers=(*packed.headers, "Content-Encoding: deflate"))
    await report(house, packed, packed.body, tmp_path)
    await house.give("$.body.t")
    await report(house, packed, packed.body, tmp_path)
    [seen] = house.cloud.requests
    assert vendor.unwrap(zlib.decompress(seen.body)) == b'{"t":4.5}'
