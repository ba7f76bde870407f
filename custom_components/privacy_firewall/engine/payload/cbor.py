"""CBOR (RFC 8949), written anew in its deterministic encoding (section 4.2.1).

Maps have text or whole numbers as keys (`Label`). A tag is an object of one member, `#1` and so on
(`Mark`); so is what JSON has no word for: `#simple` (undefined among them) and `#float` (NaN and
the infinities). Byte strings are one item, whole (`Blob`). In how many bytes a number was written,
in which order members stood and where a string was cut does not leave: it could tell anything.

The decoder is our own: libraries compare keys before anyone can see what they are, and keys made to
have one hash cost them minutes. The second reading of what leaves (`plain`) is by another, cbor2.
"""

from collections.abc import Callable
from io import BytesIO
import struct
from typing import Any

import cbor2

from ..errors import Refused
from ..model import Blob, Label, Mark, Number, Reason, Tree
from .binary import MAX_DEPTH, Encoding, Reader, unreadable, write
from .floats import FLOAT, from_float, never_finite, shortest

MAX_TAG = 9_999
"""Tags beyond are private, and could tell anything."""
MAX_BIG = 64
"""Bytes of a number that needs more than eight."""
SELF_DESCRIBED = b"\xd9\xd9\xf7"
"""Before a message, to say that it is CBOR (section 3.4.6); not kept."""
_FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_UNDEFINED = 23
_SIMPLE = Mark("#simple")


class _Reader(Reader):
    """Reads one message."""

    def read(self) -> Tree:
        if self.data.startswith(SELF_DESCRIBED):
            self.at = len(SELF_DESCRIBED)
        tree = self._item(MAX_DEPTH)
        self.end()
        return tree

    def _head(self) -> tuple[int, int, int | None]:
        """Read a head: major type, additional information, argument (None: no length is given)."""
        first = self.first()
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, info
        if info < 28:
            return major, info, int.from_bytes(self.take(1 << (info - 24)))
        if info == 31 and major in (2, 3, 4, 5, 7):
            return major, info, None
        raise unreadable("a head that CBOR does not know")

    def _item(self, depth: int) -> Tree:
        major, info, argument = self._head()
        if major == 7:
            return self._simple(info, argument)
        if major in (2, 3):
            return self._string(major, argument)
        if argument is not None and major < 2:
            return Number(argument if major == 0 else -1 - argument)
        depth = self.go_down(depth)
        if major == 4:
            return self._array(argument, depth)
        if major == 5:
            return self._map(argument, depth)
        return self._tag(argument or 0, depth)

    def _string(self, major: int, length: int | None) -> Tree:
        if length is not None:
            chunks = [self.take(length)]
        else:
            chunks = []
            while (chunk := self._head()) != (7, 31, None):
                if chunk[0] != major or chunk[2] is None:
                    raise unreadable("a string in pieces of another type")
                chunks.append(self.take(chunk[2]))
        if major == 2:
            return Blob(b"".join(chunks).hex())
        return "".join(self.text(chunk) for chunk in chunks)

    def _array(self, length: int | None, depth: int) -> Tree:
        if length is not None:
            self.believe(length)
            return [self._item(depth) for _ in range(length)]
        items: list[Tree] = []
        while not self._ends():
            items.append(self._item(depth))
        return items

    def _map(self, length: int | None, depth: int) -> Tree:
        if length is not None:
            self.believe(2 * length)
        members: dict[str, Tree] = {}
        while not self._ends() if length is None else len(members) < length:
            name = self._key()
            self.see_once(members, name)
            members[name] = self._item(depth)
        return members

    def _ends(self) -> bool:
        if self.data[self.at : self.at + 1] != b"\xff":
            return False
        self.at += 1
        return True

    def _key(self) -> str:
        major, _, argument = self._head()
        if argument is not None and major < 2:
            return Label(argument if major == 0 else -1 - argument)
        key = self._string(major, argument) if major == 3 else None
        if not isinstance(key, str):
            raise unreadable("a CBOR key that is neither text nor a whole number")
        return key

    def _tag(self, tag: int, depth: int) -> Tree:
        value = self._item(depth)
        if tag in (2, 3):
            if type(value) is not Blob:
                raise unreadable("a large number that is not in bytes")
            if len(value) > 2 * MAX_BIG:
                raise Refused(Reason.TOO_LARGE, "a number beyond any that is in use")
            number = int(value or "0", 16)
            return Number(number if tag == 2 else -1 - number)
        if tag > MAX_TAG:
            raise unreadable("a CBOR tag that is not known")
        return {Mark(f"#{tag}"): value}

    def _simple(self, info: int, argument: int | None) -> Tree:
        if argument is None:
            raise unreadable("an end in CBOR where nothing was begun")
        if info in _FLOATS:
            layout = _FLOATS[info]
            return from_float(layout.unpack(argument.to_bytes(layout.size))[0])
        if info in (20, 21, 22):
            return {20: False, 21: True, 22: None}[info]
        if info == 24 and argument < 32:
            raise unreadable("a simple value that CBOR does not know")
        return {_SIMPLE: Number(argument)}


def decode(data: bytes) -> Tree:
    """Read one CBOR item.

    Raises `Refused`: a key twice, too deep, too many items, trailing bytes, or what is not
    well-formed.
    """
    return _Reader(data, "CBOR").read()


def encode(tree: Tree) -> bytes:
    """Write a tree in CBOR's deterministic encoding."""
    return write(tree, _ENCODING)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    info = next(info for info in range(24, 28) if argument < 1 << (8 << (info - 24)))
    return bytes([major << 5 | info]) + argument.to_bytes(1 << (info - 24))


def _integer(number: int) -> bytes:
    major, argument = (0, number) if number >= 0 else (1, -1 - number)
    if argument < 1 << 64:
        return _head(major, argument)
    return _head(6, 2 + major) + _blob(argument.to_bytes((argument.bit_length() + 7) // 8))


def _float(value: float) -> bytes:
    return shortest(value, {7 << 5 | info: layout for info, layout in _FLOATS.items()})


def _text(text: str) -> bytes:
    data = text.encode()
    return _head(3, len(data)) + data


def _blob(data: bytes) -> bytes:
    return _head(2, len(data)) + data


def _marked(mark: Mark, child: Tree) -> tuple[bytes, bool]:
    """Return what stands for a mark; of `#simple` and `#float` that is all."""
    if mark == FLOAT:
        return _float(never_finite(child)), False
    if mark == _SIMPLE and type(child) is Number and child.isdigit():
        return _simple(int(child)), False
    if mark == _SIMPLE:
        return b"\xf6", False
    return _head(6, int(mark[1:])), True


def _simple(number: int) -> bytes:
    return bytes([0xE0 | number]) if number < 24 else bytes([0xF8, number & 0xFF])


_ENCODING = Encoding(
    array=lambda length: _head(4, length),
    map=lambda length: _head(5, length),
    integer=_integer,
    float=_float,
    text=_text,
    blob=_blob,
    marked=_marked,
    constants=(b"\xf6", b"\xf4", b"\xf5"),
)


def _tagged(tag: int) -> Callable[[Any, bool], Any]:
    return lambda value, _: cbor2.CBORTag(tag, value)


# Without these cbor2 makes dates, patterns, decimals and shared objects of what it reads.
_OPAQUE = {tag: _tagged(tag) for tag in range(MAX_TAG + 1) if tag not in (2, 3)}


def plain(data: bytes) -> Any:
    """Read CBOR with the second parser; raises `ValueError`.

    Nothing without a length passes, and no key twice.
    """
    source = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        source,
        read_size=1,
        max_depth=2 * MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        semantic_decoders=_OPAQUE,
    )
    try:
        tree = _plain(decoder.decode())
    except cbor2.CBORError as err:
        raise ValueError("not CBOR") from err
    if source.tell() != len(data):
        raise ValueError("bytes follow")
    return tree


def _plain(node: Any) -> Any:
    """Turn what cbor2 makes into what the check of the result compares."""
    if isinstance(node, dict):
        members = {str(name): _plain(child) for name, child in node.items()}
        if len(members) != len(node):
            raise ValueError("a key stands twice")
        return members
    if isinstance(node, list | tuple):
        return [_plain(child) for child in node]
    if isinstance(node, bytes):
        return node.hex()
    if isinstance(node, cbor2.CBORTag):
        return {f"#{node.tag}": _plain(node.value)}
    if isinstance(node, float):
        return from_float(node)
    if node is cbor2.undefined:
        return {"#simple": Number(_UNDEFINED)}
    if isinstance(node, cbor2.CBORSimpleValue):
        return {"#simple": Number(node.value)}
    if isinstance(node, int) and not isinstance(node, bool):
        return Number(node)
    return node
