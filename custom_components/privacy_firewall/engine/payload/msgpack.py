"""MessagePack, written anew in its shortest encoding, members in the order of their keys.

What it has of its own is told as for CBOR (`cbor`): keys are text or whole numbers (`Label`), bytes
one item (`Blob`), and what an application defines (`ext`) is such an item in an object of one
member, `#5` for type 5 and `#-1` for a time (`Mark`).

The decoder is our own, for the same reason as that of CBOR. The second reading of what leaves is by
another, ormsgpack.
"""

from struct import Struct
from typing import Any

import ormsgpack

from ..errors import Refused
from ..model import Blob, Label, Mark, Number, Reason, Tree
from .binary import MAX_DEPTH, Encoding, Reader, unreadable, write
from .floats import FLOAT, from_float, never_finite, shortest

_FLOATS = {0xCA: Struct(">f"), 0xCB: Struct(">d")}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_EXT = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_WHOLE = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SIGNED = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_TEXT = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY = {0xDC: 2, 0xDD: 4}
_MAP = {0xDE: 2, 0xDF: 4}


class _Reader(Reader):
    """Reads one message."""

    def read(self) -> Tree:
        tree = self._item(self.first(), MAX_DEPTH)
        self.end()
        return tree

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), signed=signed)

    def _item(self, first: int, depth: int) -> Tree:
        if (number := self._integer(first)) is not None:
            return Number(number)
        if (text := self._text(first)) is not None:
            return text
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _FLOATS:
            layout = _FLOATS[first]
            return from_float(layout.unpack(self.take(layout.size))[0])
        if first in _BYTES:
            return Blob(self.take(self._number(_BYTES[first])).hex())
        if first in _EXT or first in _FIXED_EXT:
            size = _FIXED_EXT[first] if first in _FIXED_EXT else self._number(_EXT[first])
            kind = self._number(1, signed=True)
            return {Mark(f"#{kind}"): Blob(self.take(size).hex())}
        return self._container(first, depth)

    def _integer(self, first: int) -> int | None:
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 0x100
        if first in _WHOLE:
            return self._number(_WHOLE[first])
        return self._number(_SIGNED[first], signed=True) if first in _SIGNED else None

    def _text(self, first: int) -> str | None:
        if 0xA0 <= first < 0xC0:
            data = self.take(first & 0x1F)
        elif first in _TEXT:
            data = self.take(self._number(_TEXT[first]))
        else:
            return None
        return self.text(data)

    def _container(self, first: int, depth: int) -> Tree:
        depth = self.go_down(depth)
        if 0x90 <= first < 0xA0 or first in _ARRAY:
            length = first & 0x0F if first < 0xA0 else self._number(_ARRAY[first])
            self.believe(length)
            return [self._item(self.first(), depth) for _ in range(length)]
        if 0x80 <= first < 0x90 or first in _MAP:
            length = first & 0x0F if first < 0x90 else self._number(_MAP[first])
            self.believe(2 * length)
            return self._map(length, depth)
        raise unreadable("a byte that MessagePack does not know")

    def _map(self, length: int, depth: int) -> Tree:
        members: dict[str, Tree] = {}
        for _ in range(length):
            first = self.first()
            number = self._integer(first)
            name = self._text(first) if number is None else Label(number)
            if name is None:
                raise unreadable("a MessagePack key that is neither text nor a whole number")
            self.see_once(members, name)
            members[name] = self._item(self.first(), depth)
        return members


def decode(data: bytes) -> Tree:
    """Read one MessagePack item.

    Raises `Refused`: a key twice, too deep, too many items, trailing bytes, or what is not
    well-formed.
    """
    return _Reader(data, "MessagePack").read()


def encode(tree: Tree) -> bytes:
    """Write a tree in the shortest encoding of each item."""
    return write(tree, _ENCODING)


def _sized(heads: dict[int, int], number: int, *, signed: bool = False) -> bytes:
    """Write a number behind the first of these heads that has room for it."""
    for head, size in heads.items():
        try:
            return bytes([head]) + number.to_bytes(size, signed=signed)
        except OverflowError:
            continue
    raise Refused(Reason.UNREADABLE, "a number that MessagePack has no room for")


def _integer(number: int) -> bytes:
    if -0x20 <= number < 0x80:
        return bytes([number & 0xFF])
    return _sized(_WHOLE, number) if number > 0 else _sized(_SIGNED, number, signed=True)


def _short(base: int, room: int, heads: dict[int, int], length: int) -> bytes:
    return bytes([base | length]) if length < room else _sized(heads, length)


def _text(text: str) -> bytes:
    data = text.encode()
    return _short(0xA0, 0x20, _TEXT, len(data)) + data


def _float(value: float) -> bytes:
    return shortest(value, _FLOATS)


def _blob(data: bytes) -> bytes:
    return _sized(_BYTES, len(data)) + data


def _marked(mark: Mark, child: Tree) -> tuple[bytes, bool]:
    """Return what stands for a mark, its member within."""
    if mark == FLOAT:
        return _float(never_finite(child)), False
    return _ext(int(mark[1:]), child), False


def _ext(kind: int, child: Tree) -> bytes:
    data = bytes.fromhex(child) if type(child) is Blob else b""
    fixed = next((head for head, size in _FIXED_EXT.items() if size == len(data)), None)
    head = _sized(_EXT, len(data)) if fixed is None else bytes([fixed])
    return head + kind.to_bytes(1, signed=True) + data


_ENCODING = Encoding(
    array=lambda length: _short(0x90, 0x10, _ARRAY, length),
    map=lambda length: _short(0x80, 0x10, _MAP, length),
    integer=_integer,
    float=_float,
    text=_text,
    blob=_blob,
    marked=_marked,
    constants=(b"\xc0", b"\xc2", b"\xc3"),
)


def plain(data: bytes) -> Any:
    """Read MessagePack with the second parser; raises `ValueError`.

    That one passes over bytes that follow, and over all but the last of a key that stands twice:
    what it read must come to the same bytes again.
    """
    tree = _plain(
        ormsgpack.unpackb(
            data,
            ext_hook=_Ext,
            option=ormsgpack.OPT_NON_STR_KEYS,
        )
    )
    if encode(tree) != data:
        raise ValueError("more than was read")
    return tree


class _Ext:
    """What an application defines, as the second parser hands it on."""

    def __init__(self, kind: int, content: bytes) -> None:
        self.kind = kind
        self.content = content


def _plain(node: Any) -> Any:
    """Turn what ormsgpack makes into what the check of the result compares."""
    if isinstance(node, dict):
        members = {
            name if isinstance(name, str) else Label(_whole(name)): _plain(child)
            for name, child in node.items()
        }
        if len(members) != len(node):
            raise ValueError("a key stands twice")
        return members
    if isinstance(node, list | tuple):
        return [_plain(child) for child in node]
    if isinstance(node, bytes):
        return Blob(node.hex())
    if isinstance(node, _Ext):
        return {Mark(f"#{node.kind}"): Blob(node.content.hex())}
    if isinstance(node, float):
        return from_float(node)
    return Number(node) if isinstance(node, int) and not isinstance(node, bool) else node


def _whole(name: Any) -> int:
    if isinstance(name, bool) or not isinstance(name, int):
        raise ValueError("a key that is none")  # noqa: TRY004
    return name
