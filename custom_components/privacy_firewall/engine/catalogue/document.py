"""A YAML document, read within bounds: mappings, lists and texts, each with its line.

Of YAML only what a vendor's file needs: no anchors and aliases (they multiply), no tags (they make
objects), no name twice in a mapping. A scalar stays the text that stands there, so that `no` is a
word and `1.10` keeps its zero; what it means is the reader's business.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from ..errors import CatalogueError

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 8
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node(NamedTuple):
    """What stands at a place; `line` counts from 1."""

    line: int
    value: str | list[Node] | dict[str, Node]


def read(data: bytes, file: str) -> Node:
    """Read a document; raises `CatalogueError` with file, line and what is wrong there."""
    if len(data) > MAX_BYTES:
        raise CatalogueError(f"{file}: larger than {MAX_BYTES} bytes")
    try:
        text = data.decode()
        reader = _Reader(file, yaml.parse(text, Loader=_LOADER))
        return reader.document()
    except UnicodeDecodeError:
        raise CatalogueError(f"{file}: not UTF-8") from None
    except yaml.MarkedYAMLError as err:
        line = f", line {err.problem_mark.line + 1}" if err.problem_mark is not None else ""
        raise CatalogueError(f"{file}{line}: {err.problem or 'not YAML'}") from None
    except yaml.YAMLError:
        raise CatalogueError(f"{file}: not YAML") from None


class _Reader:
    """Takes the parser's events one after the other."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self._file = file
        self._events = events
        self._nodes = 0

    def document(self) -> Node:
        event = self._next()
        while not isinstance(event, yaml.DocumentStartEvent):
            if isinstance(event, yaml.StreamEndEvent):
                raise CatalogueError(f"{self._file}: nothing in it")
            event = self._next()
        node = self._node(self._next(), 0)
        self._next()
        if not isinstance(end := self._next(), yaml.StreamEndEvent):
            raise self._wrong(end, "one document is wanted")
        return node

    def _next(self) -> Any:
        return next(self._events)

    def _wrong(self, event: Any, what: str) -> CatalogueError:
        return CatalogueError(f"{self._file}, line {event.start_mark.line + 1}: {what}")

    def _node(self, event: Any, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise self._wrong(event, "too much in one file, or too deep")
        if getattr(event, "anchor", None) is not None:
            raise self._wrong(event, "anchors and aliases are not read")
        if getattr(event, "tag", None) is not None:
            raise self._wrong(event, "tags are not read")
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            return Node(line, str(event.value))
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                items.append(self._node(event, depth + 1))
            return Node(line, items)
        members: dict[str, Node] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._node(event, depth + 1).value
            if not isinstance(name, str):
                raise self._wrong(event, "a name is a text")
            if name in members:
                raise self._wrong(event, f"{name} stands twice")
            members[name] = self._node(self._next(), depth + 1)
        return Node(line, members)
