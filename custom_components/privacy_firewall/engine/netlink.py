"""Questions to the kernel's network tables (rtnetlink(7)). It answers at once, from memory."""

from collections.abc import Iterator
from contextlib import contextmanager
import socket
import struct

SECONDS = 0.2
"""How long an answer is waited for; it takes some microseconds."""
REQUEST, ALL = 0x001, 0x300
"""NLM_F_REQUEST and NLM_F_DUMP."""
HEAD = struct.Struct("=IHHII")
"""nlmsghdr of linux/netlink.h: length, type, flags, number, port."""
_ATTRIBUTE = struct.Struct("=HH")
"""rtattr of linux/rtnetlink.h: length, type."""
_DONE, _ERROR = 3, 2
"""NLMSG_DONE, NLMSG_ERROR."""
MAX_ANSWER = 1 << 16


@contextmanager
def asked(kind: int, flags: int, body: bytes) -> Iterator[socket.socket]:
    """Ask, and give the socket that the answer comes to, in messages of `MAX_ANSWER` at most.

    Raises `OSError` or `AttributeError` where there is no such kernel.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(SECONDS)
        asking.send(HEAD.pack(HEAD.size + len(body), kind, flags, 1, 0) + body)
        yield asking


def messages(data: bytes, what: str) -> Iterator[tuple[int, bytes] | None]:
    """Yield the type and body of each message; None where there will be no more.

    Raises `ValueError` or `struct.error` where there is none, or an error.
    """
    at = 0
    while at < len(data):
        length, kind, *_ = HEAD.unpack_from(data, at)
        if kind == _DONE:
            yield None
            return
        if kind == _ERROR or not HEAD.size <= length <= len(data) - at:
            raise ValueError(f"not {what}")
        yield kind, data[at + HEAD.size : at + length]
        at += length + -length % 4


def attribute(kind: int, data: bytes) -> bytes:
    """Return an attribute; `data` is of whole words."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data


def attributes(data: bytes) -> dict[int, bytes]:
    """Return attributes by their type; raises `ValueError` for one that cannot be."""
    at, found = 0, dict[int, bytes]()
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            raise ValueError("an attribute that is shorter than its head")
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4
    return found
