"""What stands around a body, taken off once more: by its own means, for the check of the result.

Whatever `payload.framing` computes is computed here in another way, so that one mistake is not made
twice: checksums from their parameters, highest bit first, masks by translation.
"""

from functools import lru_cache
from typing import NamedTuple

from ..payload.framing import Frame, FrameKind, Framing, Written


class _Crc(NamedTuple):
    """The parameters of a checksum, as the catalogue of CRC algorithms gives them."""

    width: int
    poly: int
    init: int
    is_reflected: bool
    xorout: int = 0


_CRCS = {
    FrameKind.CRC16_MODBUS: _Crc(16, 0x8005, 0xFFFF, is_reflected=True),
    FrameKind.CRC16_ARC: _Crc(16, 0x8005, 0, is_reflected=True),
    FrameKind.CRC16_CCITT_FALSE: _Crc(16, 0x1021, 0xFFFF, is_reflected=False),
    FrameKind.CRC32: _Crc(32, 0x04C11DB7, 0xFFFFFFFF, is_reflected=True, xorout=0xFFFFFFFF),
}
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LITTLE = (Written.LE, Written.U16_LE, Written.U32_LE)


def take_off(data: bytes, framing: Framing) -> tuple[bytes, list[str]]:
    """Return what stands inside, and the masked bytes of each mask as text, a character a byte.

    Raises `ValueError` where a layer is not as it must be.
    """
    masked: list[str] = []
    for frame in framing:
        if frame.kind is FrameKind.XOR:
            masked.append(data.decode("latin-1"))
            data = _unmask(data, frame.key)
        elif frame.kind is FrameKind.LENGTH:
            data = _check_length(data, frame)
        else:
            data = _check_sum(data, frame)
    return data, masked


def _unmask(data: bytes, key: bytes) -> bytes:
    inside = bytearray(data)
    step = len(key)
    for place, mask in enumerate(key):
        inside[place::step] = data[place::step].translate(bytes(one ^ mask for one in range(256)))
    return bytes(inside)


def _check_length(data: bytes, frame: Frame) -> bytes:
    if frame.written is Written.DECIMAL_L:
        head, space, inside = data.partition(b" ")
        stated = head.removeprefix(b"L:")
        if not space or head != b"L:" + stated or stated != str(len(inside)).encode():
            raise ValueError("the length is wrong")
        return inside
    size = 2 if frame.written in (Written.U16_BE, Written.U16_LE) else 4
    inside = data[size:]
    if _as_bytes(len(inside), size, frame) != data[:size]:
        raise ValueError("the length is wrong")
    return inside


def _check_sum(data: bytes, frame: Frame) -> bytes:
    crc = _CRCS.get(frame.kind)
    size = crc.width // 8 if crc is not None else 1
    is_text = frame.written in (Written.HEX, Written.HEX_UPPER)
    split = len(data) - (2 * size if is_text else size)
    if split < 0:
        raise ValueError("the checksum is missing")
    inside, stated = data[:split], data[split:]
    number = _crc(inside, crc) if crc is not None else sum(inside) % 256
    expected = _as_bytes(number, size, frame)
    if is_text:
        text = expected.hex()
        expected = (text.upper() if frame.written is Written.HEX_UPPER else text).encode()
    if stated != expected:
        raise ValueError("the checksum is wrong")
    return inside


def _as_bytes(number: int, size: int, frame: Frame) -> bytes:
    if number >> 8 * size:
        raise ValueError("a number too large for its bytes")
    shifts = range(0, 8 * size, 8)
    there = bytes(number >> shift & 0xFF for shift in shifts)
    return there if frame.written in _LITTLE else there[::-1]


@lru_cache(maxsize=4)
def _table(crc: _Crc) -> list[int]:
    """Return what each byte adds to a checksum, highest bit first."""
    top, mask = 1 << crc.width - 1, (1 << crc.width) - 1
    table: list[int] = []
    for byte in range(256):
        rest = byte << crc.width - 8
        for _ in range(8):
            rest = (rest << 1 ^ (crc.poly if rest & top else 0)) & mask
        table.append(rest)
    return table


def _crc(data: bytes, crc: _Crc) -> int:
    table, mask, shift = _table(crc), (1 << crc.width) - 1, crc.width - 8
    rest = crc.init
    for byte in data.translate(_MIRRORED) if crc.is_reflected else data:
        rest = (rest << 8 & mask) ^ table[rest >> shift ^ byte]
    if crc.is_reflected:
        rest = int(f"{rest:0{crc.width}b}"[::-1], 2)
    return rest ^ crc.xorout
