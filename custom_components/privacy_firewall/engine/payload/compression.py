"""gzip (RFC 1952) and deflate (RFC 1950, in practice also RFC 1951), under a cap."""

import gzip
import zlib

from ..errors import Refused
from ..model import Reason

CODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""The content codings that can be undone here."""
MAX_INFLATED = 8 * 1024 * 1024
"""Bytes a body may become. The largest real payload in our corpus is 0.6 MB."""


def decompress(data: bytes, coding: str) -> bytes:
    """Undo one content coding: `identity`, `gzip`, `x-gzip` or `deflate`.

    Raises `Refused`: unknown encoding, bomb, trailing bytes (a second gzip member is that too),
    or unreadable.
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
    raise Refused(Reason.UNKNOWN_ENCODING, "a content encoding that cannot be opened here")


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
    return data
