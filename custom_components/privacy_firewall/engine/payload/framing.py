"""What vendors put around a body: a mask, a length, a checksum. Taken off, and put on anew.

A framing is stated of an endpoint and never guessed; it is data, in one line of text, from the
outside in, so that `xor:5a,length:decimal-l,crc16-modbus:hex` is a mask over a length over a body
with its checksum:

    framing    one to four layers, joined by commas
    layer      KIND:HOW, one of

    xor:KEY             every byte, combined with the key's, which repeats; 1 to 32 bytes in
                        hexadecimal, from the first byte of the layer
    length:HOW          how many bytes follow, before them: `decimal-l` (`L:17 `), or whole numbers
                        of 16 or 32 bits, `u16-be`, `u16-le`, `u32-be`, `u32-le`
    crc16-modbus:HOW    a checksum over the bytes before it, at the end: `hex`, `hex-upper`, or
    crc16-ccitt-false   as bytes, `be` (big end first) or `le`
    crc16-arc
    crc32
    sum8:HOW            the sum of the bytes before it, modulo 256: `hex`, `hex-upper`, `byte`

A body must be framed exactly as it would be written here: what leaves untouched then hides nothing
in its frame. A checksum over anything else (headers, a secret) cannot be computed anew: there is
no name for it, and without a framing that fits a message is denied.

Checksums: their parameters and check values are from Greg Cook's catalogue of parametrised CRC
algorithms (https://reveng.sourceforge.io/crc-catalogue/), where CCITT-FALSE is CRC-16/IBM-3740:

    crc16-modbus         poly 8005  init FFFF  refin, refout  xorout 0000  check 4B37
    crc16-arc            poly 8005  init 0000  refin, refout  xorout 0000  check BB3D
    crc16-ccitt-false    poly 1021  init FFFF  -              xorout 0000  check 29B1
    crc32 (ISO-HDLC)     poly 04C11DB7  init, xorout FFFFFFFF  refin, refout  check CBF43926
"""

from binascii import crc_hqx
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
import re
from types import MappingProxyType
from typing import Literal, override
from zlib import crc32

from ..errors import FramingError, Refused
from ..model import Reason

MAX_LAYERS = 4
MAX_KEY = 32
"""Bytes of a mask's key."""
MAX_FRAMED = 512 * 1024
"""Bytes of a body with a frame, some 40 ms for a checksum; what frames bodies is small itself."""
_MAX_TEXT = 256
_KEY = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_DECIMAL = re.compile(rb"L:([1-9][0-9]{0,6}) ")


class FrameKind(StrEnum):
    """What a layer is."""

    XOR = "xor"
    LENGTH = "length"
    CRC16_MODBUS = "crc16-modbus"
    CRC16_CCITT_FALSE = "crc16-ccitt-false"
    CRC16_ARC = "crc16-arc"
    CRC32 = "crc32"
    SUM8 = "sum8"


class Written(StrEnum):
    """How a length or a checksum stands there."""

    DECIMAL_L = "decimal-l"
    U16_BE = "u16-be"
    U16_LE = "u16-le"
    U32_BE = "u32-be"
    U32_LE = "u32-le"
    HEX = "hex"
    HEX_UPPER = "hex-upper"
    BE = "be"
    LE = "le"
    BYTE = "byte"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One layer: a mask with its key, or a length or checksum and how it is written."""

    kind: FrameKind
    written: Written | None = None
    key: bytes = b""

    @override
    def __str__(self) -> str:
        """Return the layer as it is stated."""
        return f"{self.kind}:{self.written or self.key.hex()}"


type Framing = tuple[Frame, ...]
type _Order = Literal["big", "little"]

_TEXTS = (Written.HEX, Written.HEX_UPPER)
_CHECKSUM = (*_TEXTS, Written.BE, Written.LE)
_WRITTEN: Mapping[FrameKind, tuple[Written, ...]] = MappingProxyType(
    {
        FrameKind.LENGTH: (
            Written.DECIMAL_L, Written.U16_BE, Written.U16_LE, Written.U32_BE, Written.U32_LE,
        ),
        FrameKind.CRC16_MODBUS: _CHECKSUM,
        FrameKind.CRC16_CCITT_FALSE: _CHECKSUM,
        FrameKind.CRC16_ARC: _CHECKSUM,
        FrameKind.CRC32: _CHECKSUM,
        FrameKind.SUM8: (*_TEXTS, Written.BYTE),
    }
)  # fmt: skip


@lru_cache(maxsize=64)
def parse(text: str) -> Framing:
    """Read a framing as it is stated; nothing stated is no framing. Raises `FramingError`."""
    if len(text) > _MAX_TEXT:
        raise FramingError("a framing is one short line")
    if not text.strip():
        return ()
    framing = tuple(_parse(layer.strip()) for layer in text.split(","))
    if len(framing) > MAX_LAYERS:
        raise FramingError(f"a framing has {MAX_LAYERS} layers at most")
    return framing


def _parse(layer: str) -> Frame:
    name, _, how = (part.strip() for part in layer.partition(":"))
    try:
        kind = FrameKind(name.lower())
    except ValueError:
        raise FramingError(f"a layer is one of {', '.join(FrameKind)}") from None
    if kind is FrameKind.XOR:
        key = bytes.fromhex(how) if _KEY.fullmatch(how) else b""
        if not 1 <= len(key) <= MAX_KEY or not any(key):
            raise FramingError(f"a mask has a key of 1 to {MAX_KEY} bytes in hexadecimal, not 0")
        return Frame(kind=kind, key=key)
    for written in _WRITTEN[kind]:
        if how.lower() == written:
            return Frame(kind=kind, written=written)
    raise FramingError(f"{kind} is written as one of {', '.join(_WRITTEN[kind])}")


def spell(framing: Framing) -> str:
    """Return a framing as it is stated, in its plain spelling."""
    return ",".join(map(str, framing))


def unframe(data: bytes, framing: Framing) -> bytes:
    """Take all layers off; raises `Refused` where one is not exactly as it must be."""
    if framing and len(data) > MAX_FRAMED:
        raise Refused(Reason.TOO_LARGE, "a body too large for a frame")
    for frame in framing:
        if frame.kind is FrameKind.XOR:
            data = _masked(data, frame.key)
        elif frame.kind is FrameKind.LENGTH:
            data = _without_length(data, frame)
        else:
            data = _without_checksum(data, frame)
    if not data:
        raise Refused(Reason.UNREADABLE, "a frame around nothing")
    return data


def enframe(data: bytes, framing: Framing) -> bytes:
    """Put all layers around a body; raises `Refused` where it is too long for its length."""
    for frame in reversed(framing):
        if frame.kind is FrameKind.XOR:
            data = _masked(data, frame.key)
        elif frame.kind is FrameKind.LENGTH:
            data = _length(len(data), frame) + data
        else:
            data += _checksum(data, frame)
    return data


def _masked(data: bytes, key: bytes) -> bytes:
    repeated = (key * (len(data) // len(key) + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(repeated)).to_bytes(len(data))


def _without_length(data: bytes, frame: Frame) -> bytes:
    if frame.written is Written.DECIMAL_L:
        match = _DECIMAL.match(data)
        if match is None:
            raise Refused(Reason.UNREADABLE, "the length before the body cannot be read")
        stated, start = int(match[1]), match.end()
    else:
        size, order = _number(frame)
        if len(data) < size:
            raise Refused(Reason.UNREADABLE, "the length before the body is cut short")
        stated, start = int.from_bytes(data[:size], order), size
    rest = len(data) - start
    if stated > rest:
        raise Refused(Reason.UNREADABLE, "the body is shorter than its length says")
    if stated < rest:
        raise Refused(Reason.TRAILING_BYTES, "the body is longer than its length says")
    return data[start:]


def _length(length: int, frame: Frame) -> bytes:
    if frame.written is Written.DECIMAL_L:
        return b"L:%d " % length
    size, order = _number(frame)
    try:
        return length.to_bytes(size, order)
    except OverflowError:
        raise Refused(Reason.TOO_LARGE, "the body is longer than its length can say") from None


def _number(frame: Frame) -> tuple[int, _Order]:
    size = 2 if frame.written in (Written.U16_BE, Written.U16_LE) else 4
    return size, "big" if frame.written in (Written.U16_BE, Written.U32_BE) else "little"


def _without_checksum(data: bytes, frame: Frame) -> bytes:
    end = len(data) - len(_checksum(b"", frame))
    # Compared as it would be written: in another spelling the appliance could tell something.
    if end < 0 or data[end:] != _checksum(data[:end], frame):
        raise Refused(Reason.UNREADABLE, "the checksum is another than the body's")
    return data[:end]


def _checksum(data: bytes, frame: Frame) -> bytes:
    size, compute = _CHECKSUMS[frame.kind]
    number = compute(data)
    if frame.written in _TEXTS:
        text = f"{number:0{2 * size}x}"
        return (text.upper() if frame.written is Written.HEX_UPPER else text).encode()
    return number.to_bytes(size, "little" if frame.written is Written.LE else "big")


def _table() -> tuple[int, ...]:
    """Return the checksums of single bytes, polynomial 8005, lowest bit first."""
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC_8005 = _table()


def _crc_8005(data: bytes, crc: int) -> int:
    table = _CRC_8005
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


_CHECKSUMS: Mapping[FrameKind, tuple[int, Callable[[bytes], int]]] = MappingProxyType(
    {
        FrameKind.CRC16_MODBUS: (2, lambda data: _crc_8005(data, 0xFFFF)),
        FrameKind.CRC16_ARC: (2, lambda data: _crc_8005(data, 0)),
        FrameKind.CRC16_CCITT_FALSE: (2, lambda data: crc_hqx(data, 0xFFFF)),
        FrameKind.CRC32: (4, crc32),
        FrameKind.SUM8: (1, lambda data: sum(data) & 0xFF),
    }
)
"""By kind: how many bytes it has, and how it is computed."""
