"""Plain text: a list of lines, each one item. No structure is guessed inside a line."""

import re
from typing import Any

from ..errors import Refused
from ..model import Embedded, Reason, Tree

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


def decode(data: bytes) -> Tree:
    """Read UTF-8 text into its lines; control characters mean that it is something else."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(Reason.UNREADABLE, "the text is not UTF-8") from None
    if _CONTROL.search(text.replace("\r\n", "\n")):
        raise Refused(Reason.UNREADABLE, "the text holds control characters")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return list(lines)


def encode(tree: Tree) -> bytes:
    """Write lines, each ended."""
    items = tree if isinstance(tree, list) else [tree]
    return "".join(f"{_line(item)}\n" for item in items).encode()


def _line(item: Tree) -> str:
    return item.raw if isinstance(item, Embedded) else str(item)


def plain(data: bytes) -> Any:
    """Read the lines again."""
    text = data.decode("utf-8")
    return text.removesuffix("\n").replace("\r\n", "\n").split("\n") if text else []
