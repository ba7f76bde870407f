"""gzip (RFC 1952), deflate (RFC 1950, in practice RFC 1951 too), zstd (RFC 8878), under a cap."""

import gzip
import zlib

try:
    from compression import zstd
except ImportError:  # A Python that was built without the library.
    _MORE: tuple[str, ...] = ()
else:
    _MORE = ("zstd",)

from ..errors import Refused
from ..model import Reason

CODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate", *_MORE})
"""The content codings that can be undone here."""
WINDOW_LOG = 23
"""zstd's window as a power of two: 8 MiB, the most that HTTP allows (RFC 9659)."""
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
MAX_INFLATED = 8 * 1024 * 1024
"""Bytes a body may become. The largest real payload in our corpus is 0.6 MB."""


def decompress(data: bytes, coding: str) -> bytes:
    """Undo one content coding: `identity`, `gzip`, `x-gzip`, `deflate` or `zstd`.

    Raises `Refused`: unknown encoding, bomb, trailing bytes (a second gzip member is that too, or
    another frame of zstd), or unreadable.
    """
    if coding in ("", "identity"):
        return data
    if coding in ("gzip", "x-gzip"):
        if data[3:4] not in (b"", b"\x00", b"\x01"):
            # A file name, a comment or extra fields: nobody would see what they say.
            raise Refused(Reason.UNREADABLE, "the compressed body's header holds more than a body")
        return _inflate(data, 16 + zlib.MAX_WBITS)
    if coding == "deflate":
        try:
            return _inflate(data, zlib.MAX_WBITS)
        except Refused as err:
            if err.reason is not Reason.UNREADABLE:
                raise
            return _inflate(data, -zlib.MAX_WBITS)
    if coding == "zstd" and coding in CODINGS:
        return _unzstd(data)
    raise Refused(Reason.UNKNOWN_ENCODING, "a content encoding that cannot be opened here")


def _unzstd(data: bytes) -> bytes:
    if not data.startswith(_ZSTD_FRAME):
        # Frames that a reader skips could say anything.
        raise Refused(Reason.UNREADABLE, "the compressed body does not start as one")
    reader = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})
    try:
        inflated = reader.decompress(data, MAX_INFLATED)
        beyond = b"" if reader.eof or reader.needs_input else reader.decompress(b"", 1)
    except zstd.ZstdError:
        raise Refused(Reason.UNREADABLE, "the compressed body is damaged or too wide") from None
    if beyond:
        raise Refused(Reason.BOMB, "the body inflates beyond the cap")
    if not reader.eof:
        raise Refused(Reason.UNREADABLE, "the compressed body is cut short")
    if reader.unused_data:
        raise Refused(Reason.TRAILING_BYTES, "bytes follow the compressed body")
    return inflated


def _inflate(data: bytes, wbits: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        inflated = inflater.decompress(data, MAX_INFLATED)
    except zlib.error:
        raise Refused(Reason.UNREADABLE, "the compressed body is damaged") from None
    if inflater.unconsumed_tail:
        raise Refused(Reason.BOMB, "the body inflates beyond the cap")
    if not inflater.eof:
        raise Refused(Reason.UNREADABLE, "the compressed body is cut short")
    if inflater.unused_data:
        raise Refused(Reason.TRAILING_BYTES, "bytes follow the compressed body")
    return inflated


def compress(data: bytes, coding: str) -> bytes:
    """Apply the coding again, without a time stamp, so equal bodies give equal bytes."""
    if coding in ("gzip", "x-gzip"):
        return gzip.compress(data, mtime=0)
    if coding == "deflate":
        return zlib.compress(data)
    if coding == "zstd":
        return zstd.compress(data)
    return data


def repack(data: bytes, coding: str) -> bytes:
    """Return a body that goes as it came, in our own packing where that has room for more.

    Blocks of zstd that come to nothing hold bytes all the same.
    """
    return compress(decompress(data, coding), coding) if coding == "zstd" else data
