"""Content codings: undone under a cap, and only where nothing hides beside the body."""

import gzip
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


@pytest.mark.parametrize(
    ("coding", "data"),
    [
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
    "zstd": ("zstd", BODY, Reason.UNKNOWN_ENCODING),
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
