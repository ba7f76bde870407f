"""What CBOR and MessagePack have in common: reading that is bounded, and the form that is written.

A tree leaves in one form only: each item in its shortest encoding, members in the order of their
keys as bytes.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..errors import Refused
from ..model import Blob, Embedded, Label, Mark, Number, Reason, Tree

MAX_ITEMS = 40_000
"""Items of one message, keys (and tags) among them: some 50 ms."""
MAX_DEPTH = 64
"""Containers (and tags) within each other."""


def unreadable(what: str) -> Refused:
    """Return the error for what is not well-formed."""
    return Refused(Reason.UNREADABLE, what)


class Reader:
    """Goes through a message; every length is checked against what is there before it is believed.

    `format_` is its name, for errors. Each method raises `Refused`.
    """

    def __init__(self, data: bytes, format_: str) -> None:
        """Start at the beginning."""
        self.data = data
        self.at = 0
        self._items = 0
        self._format = format_

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        end = self.at + size
        if end > len(self.data):
            raise unreadable(f"the {self._format} is cut short")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def first(self) -> int:
        """Read the first byte of an item."""
        self._items += 1
        if self._items > MAX_ITEMS:
            raise Refused(Reason.TOO_LARGE, f"too many items in {self._format}")
        at = self.at
        if at >= len(self.data):
            raise unreadable(f"the {self._format} is cut short")
        self.at = at + 1
        return self.data[at]

    def believe(self, size: int) -> None:
        """See that there are at least so many bytes left."""
        if size > len(self.data) - self.at:
            raise unreadable(f"the {self._format} is cut short")

    def go_down(self, depth: int) -> int:
        """Return how many more containers may be within the one that begins here."""
        if not depth:
            raise Refused(Reason.TOO_DEEP, f"the {self._format} is nested too deep")
        return depth - 1

    def see_once(self, members: dict[str, Tree], name: str) -> None:
        """See that a map has no member of that name yet."""
        if name in members:
            raise Refused(Reason.DUPLICATE_KEY, f"a {self._format} map names a member twice")

    def text(self, data: bytes) -> str:
        """Return text that was read."""
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise unreadable(f"{self._format} with text that is not UTF-8") from None

    def end(self) -> None:
        """See that nothing follows."""
        if self.at != len(self.data):
            raise Refused(Reason.TRAILING_BYTES, f"bytes follow the {self._format} item")


class Encoding(NamedTuple):
    """How a format writes what trees are made of; containers by how many there are in them.

    `marked` returns what stands for a mark and its member, and whether that has yet to follow.
    `constants` are for nothing, false and true.
    """

    array: Callable[[int], bytes]
    map: Callable[[int], bytes]
    integer: Callable[[int], bytes]
    float: Callable[[float], bytes]
    text: Callable[[str], bytes]
    blob: Callable[[bytes], bytes]
    marked: Callable[[Mark, Tree], tuple[bytes, bool]]
    constants: tuple[bytes, bytes, bytes]


def write(tree: Tree, encoding: Encoding) -> bytes:
    """Write a tree."""
    out: list[bytes] = []
    _write(tree, encoding, out.append)
    return b"".join(out)


def _write(node: Tree, encoding: Encoding, out: Callable[[bytes], None]) -> None:
    if isinstance(node, dict):
        _write_map(node, encoding, out)
    elif isinstance(node, list):
        out(encoding.array(len(node)))
        for child in node:
            _write(child, encoding, out)
    elif type(node) is Number:
        whole = node.lstrip("-").isdigit()
        out(encoding.integer(int(node)) if whole else encoding.float(float(node)))
    elif type(node) is Blob:
        out(encoding.blob(bytes.fromhex(node)))
    elif isinstance(node, Embedded):
        out(encoding.text(node.raw))
    elif isinstance(node, str):
        out(encoding.text(node))
    else:
        out(encoding.constants[0 if node is None else 2 if node else 1])


def _write_map(members: dict[str, Tree], encoding: Encoding, out: Callable[[bytes], None]) -> None:
    for name, child in members.items():
        if type(name) is Mark:
            mark, has_more = encoding.marked(name, child)
            out(mark)
            if has_more:
                _write(child, encoding, out)
            return
    entries = [
        (encoding.integer(int(name)) if type(name) is Label else encoding.text(name), child)
        for name, child in members.items()
    ]
    out(encoding.map(len(entries)))
    for key, child in sorted(entries, key=lambda entry: entry[0]):
        out(key)
        _write(child, encoding, out)
