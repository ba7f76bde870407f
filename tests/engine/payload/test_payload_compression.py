"""Content codings: undone under a cap, and only where nothing hides beside the body."""

from compression import zstd
import gzip
import struct
import zlib

import pytest

from engine.errors import Refused
from engine.model import Reason
from engine.payload import compression

BODY = b'{"temperature":21.5}' * 20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def named_gzip(flags: int, extra: bytes) -> bytes:
    packed = gzip.compress(BODY, mtime=0)
    return packed[:3] + bytes([flags]) + packed[4:10] + extra + packed[10:]


def frame(content: bytes, window: int = 0x58) -> bytes:
    """A frame of zstd with a window descriptor (RFC 8878, section 3.1.1)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + content


def blocks(last: int, *given: tuple[int, bytes, int]) -> bytes:
    """Blocks by type, content and size, and an empty last one."""
    raw = (struct.pack("<I", size << 3 | kind << 1)[:3] + content for kind, content, size in given)
    return b"".join(raw) + b"\x01\x00\x00" + bytes(last)


SKIPPED = struct.pack("<II", 0x184D2A50, 11) + b"serial-4711"
CHECKED = zstd.compress(BODY, options={zstd.CompressionParameter.checksum_flag: 1})
_WIDE = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
WIDE = _WIDE.compress(bytes(1 << 25), mode=_WIDE.CONTINUE) + _WIDE.flush()
TRAINED = zstd.compress(BODY, zstd_dict=zstd.ZstdDict(BODY * 2, is_raw=True))[:6] + b"\x00"


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("zstd", zstd.compress(BODY)),
        ("zstd", CHECKED),
        ("zstd", zstd.compress(BODY, 19)),
        ("zstd", frame(blocks(0, (0, BODY, len(BODY))))),
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
    ],
)
def test_undone(coding: str, data: bytes) -> None:
    assert compression.decompress(data, coding) == BODY


@pytest.mark.parametrize("coding", sorted(compression.CODINGS))
def test_there_and_back(coding: str) -> None:
    packed = compression.compress(BODY, coding)
    assert compression.decompress(packed, coding) == BODY
    assert compression.compress(BODY, coding) == packed


BOMB = gzip.compress(bytes(compression.MAX_INFLATED + 1))
REFUSED = {
    "bomb": ("gzip", BOMB, Reason.BOMB),
    "bomb, deflate": ("deflate", zlib.compress(bytes(compression.MAX_INFLATED + 1)), Reason.BOMB),
    "second member": ("gzip", gzip.compress(BODY) * 2, Reason.TRAILING_BYTES),
    "trailing bytes": ("gzip", gzip.compress(BODY) + b"serial", Reason.TRAILING_BYTES),
    "trailing bytes, zlib": ("deflate", zlib.compress(BODY) + b"x", Reason.TRAILING_BYTES),
    "trailing bytes, raw": ("deflate", raw_deflate(BODY) + b"x", Reason.TRAILING_BYTES),
    "cut short": ("gzip", gzip.compress(BODY)[:-9], Reason.UNREADABLE),
    "cut in the checksum": ("gzip", gzip.compress(BODY)[:-1], Reason.UNREADABLE),
    "wrong checksum": ("gzip", gzip.compress(BODY)[:-8] + bytes(8), Reason.UNREADABLE),
    "not compressed": ("gzip", BODY, Reason.UNREADABLE),
    "file name": ("gzip", named_gzip(8, b"serial-4711\x00"), Reason.UNREADABLE),
    "comment": ("gzip", named_gzip(16, b"serial-4711\x00"), Reason.UNREADABLE),
    "extra field": ("gzip", named_gzip(4, b"\x06\x00AB\x02\x0047"), Reason.UNREADABLE),
    "brotli": ("br", BODY, Reason.UNKNOWN_ENCODING),
    "zstd, bomb": ("zstd", zstd.compress(bytes(compression.MAX_INFLATED + 1)), Reason.BOMB),
    "zstd, bomb of blocks": (
        "zstd",
        frame(blocks(0, *[(1, b"A", 131_072)] * 250_000)),
        Reason.BOMB,
    ),
    "zstd, empty blocks without end": (
        "zstd",
        frame(blocks(0, *[(0, b"", 0)] * 340_000))[:-3],
        Reason.UNREADABLE,
    ),
    "zstd, second frame": ("zstd", zstd.compress(BODY) * 2, Reason.TRAILING_BYTES),
    "zstd, skipped frame after": ("zstd", zstd.compress(BODY) + SKIPPED, Reason.TRAILING_BYTES),
    "zstd, skipped frame before": ("zstd", SKIPPED + zstd.compress(BODY), Reason.UNREADABLE),
    "zstd, skipped frame alone": ("zstd", SKIPPED, Reason.UNREADABLE),
    "zstd, trailing byte": ("zstd", zstd.compress(BODY) + b"x", Reason.TRAILING_BYTES),
    "zstd, cut short": ("zstd", zstd.compress(BODY)[:-1], Reason.UNREADABLE),
    "zstd, wrong checksum": ("zstd", CHECKED[:-1] + b"\x00", Reason.UNREADABLE),
    "zstd, not compressed": ("zstd", BODY, Reason.UNREADABLE),
    "zstd, window beyond 8 MiB": ("zstd", frame(blocks(0), window=0x70), Reason.UNREADABLE),
    "zstd, largest window": ("zstd", frame(blocks(0), window=0xFF), Reason.UNREADABLE),
    "zstd, large window in use": ("zstd", WIDE, Reason.UNREADABLE),
    "zstd, a size beyond all": (
        "zstd",
        zstd.compress(b"")[:4] + b"\xe0" + b"\xff" * 8 + b"\x01\x00\x00",
        Reason.UNREADABLE,
    ),
    "zstd, dictionary": (
        "zstd",
        zstd.compress(b"")[:4] + b"\x03\x58\x47\x11\x08\x15\x01\x00\x00",
        Reason.UNREADABLE,
    ),
    "zstd, of a dictionary": ("zstd", TRAINED, Reason.UNREADABLE),
    "zstd, twice": ("zstd, zstd", zstd.compress(zstd.compress(BODY)), Reason.UNKNOWN_ENCODING),
    "two codings": ("gzip, gzip", gzip.compress(BODY), Reason.UNKNOWN_ENCODING),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    coding, data, reason = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        compression.decompress(data, coding)
    assert refusal.value.reason is reason


def test_up_to_the_cap() -> None:
    largest = bytes(compression.MAX_INFLATED)
    assert compression.decompress(gzip.compress(largest), "gzip") == largest
    assert compression.decompress(zstd.compress(largest), "zstd") == largest


@pytest.mark.timeout(30)  # what takes the square of a length takes minutes
@pytest.mark.parametrize("case", [case for case in REFUSED if "zstd" in case])
def test_refused_in_time(case: str) -> None:
    coding, data, _ = REFUSED[case]
    with pytest.raises(Refused):
        compression.decompress(data, coding)


def test_what_comes_to_nothing_does_not_leave() -> None:
    """Blocks that repeat a byte no times say something to those who look for it."""
    hidden = blocks(0, (0, BODY, len(BODY)), *((1, bytes([one]), 0) for one in b"serial-4711"))
    packed = frame(hidden)
    assert zstd.decompress(packed) == BODY
    assert compression.repack(packed, "zstd") == zstd.compress(BODY)
    assert compression.repack(BODY, "") == BODY
