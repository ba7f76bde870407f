"""The fields of a message: found in one walk, and rebuilt from what may leave in a second.

Both walks go the same way, so the n-th field found is the n-th that `rebuild` asks about. What is
not released is not emptied but absent: the new tree is made of released fields alone.
"""

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
import re
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from ..errors import Refused
from ..model import Again, Embedded, Field, Leaf, Reason, Text, Tree, Unnamed
from ..payload.embedded import close
from .identifiers import MAX_NAME, looks_like_data
from .paths import write_name

DISCRIMINATORS = ("type", "key", "code", "event", "metric")
"""Members that tell what their siblings mean; their value becomes part of the data point's name.

`key` and `code` only beside a `value`: by themselves they are what opens something.
"""
_DISCRIMINATORS = (*DISCRIMINATORS, *(f"@{name}" for name in DISCRIMINATORS))
"""The same as attributes of XML."""
MAX_FIELDS = 100_000
"""Leaves of one message. The largest payload in our corpus has 31,000."""
_MEANING = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,39}|-?[0-9]{1,4}")


class Found(NamedTuple):
    """One leaf: which field it is, its place with names as sent, and its value."""

    field: Field
    literal: str
    value: Leaf


class Missing(Enum):
    """The mark for *not released*."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Constant(NamedTuple):
    """A neutral value: it stands for what is withheld, and releases nothing."""

    value: Leaf


type Replacement = Leaf | Missing | Constant


class _Turn:
    """The replacements in their order, and what became of those handed out so far."""

    def __init__(self, replacements: Sequence[Replacement]) -> None:
        self._left = enumerate(replacements)
        self.released: list[int] = []
        self.meanings: list[str] = []

    def name(self) -> int | None:
        """Return a data-like name's number where it is released; it is if its value is kept."""
        number, value = next(self._left)
        return None if value is MISSING else number

    def leaf(self) -> Leaf | Missing:
        """Return what stands in the place of a leaf."""
        number, value = next(self._left)
        if isinstance(value, Missing):
            return value
        if isinstance(value, Constant):
            return value.value
        self.released.append(number)
        return value


def _segment(name: str) -> tuple[str, bool]:
    """Return what a name adds to a path, and whether it looks like data."""
    if isinstance(name, Unnamed):
        return "", False
    # What is no name is made once and not kept.
    return _named(str(name)) if len(name) <= MAX_NAME else (write_name(str(name)), True)


@lru_cache(maxsize=16384)
def _named(name: str) -> tuple[str, bool]:
    return write_name(name), looks_like_data(name)


def _meanings(node: dict[str, Tree]) -> dict[str, str]:
    """Return the discriminators of an object and what they say, `*` where that looks like data.

    What stands more than once, as elements of XML may, says nothing of all that is around it.
    """
    found: dict[str, str] = {}
    for name in _DISCRIMINATORS:
        if name in node and Again.numbered(name, 1) not in node:
            value = node[name]
            if name.removeprefix("@") in ("key", "code") and not any(map(_is_value, node)):
                continue
            if isinstance(value, str):
                usable = _MEANING.fullmatch(value) and not looks_like_data(value)
                found[name] = str(value) if usable else "*"
    return found


def _is_value(name: str) -> bool:
    return isinstance(name, Unnamed) or name.removeprefix("@")[:3].lower() == "val"


def walk(tree: dict[str, Tree]) -> list[Found]:
    """Return every leaf of a message in document order; raises `Refused` where there are too many.

    `tree` has the parts of a message (`path`, `query`, `header`, `cookie`, `body`) as members.
    """
    found: list[Found] = []
    for part, child in tree.items():
        if part == "path":
            for index, value in _members(child).items():
                place = f"$.path[{index}]"
                found.append(Found(Field(place), place, _leaf(value)))
        elif part in ("header", "cookie"):
            _walk_names(child, f"$.{part}", f"$.{part}", (), found, meanings={})
        else:
            _walk(child, f"$.{part}", f"$.{part}", (), found)
    return found


def _members(node: Tree) -> dict[str, Tree]:
    return node if isinstance(node, dict) else {}


def _leaf(node: Tree) -> Leaf:
    return node.raw if isinstance(node, Embedded) else node


def _walk(
    node: Tree, path: str, literal: str, siblings: tuple[str, ...], found: list[Found]
) -> None:
    while isinstance(node, Embedded):
        node = node.tree
    if isinstance(node, dict) and node:
        _walk_names(node, path, literal, siblings, found, meanings=_meanings(node))
    elif isinstance(node, list) and node:
        for child in node:
            _walk(child, f"{path}[*]", f"{literal}[*]", siblings, found)
    else:
        if len(found) >= MAX_FIELDS:
            raise Refused(Reason.TOO_LARGE, "the message has too many fields")
        found.append(Found(Field(path, siblings), literal, node))


def _walk_names(
    node: Tree,
    path: str,
    literal: str,
    siblings: tuple[str, ...],
    found: list[Found],
    *,
    meanings: dict[str, str],
) -> None:
    inner = (*siblings, *(f"{name}={value}" for name, value in meanings.items()))
    for name, child in _members(node).items():
        segment, is_data = _segment(name)
        around = siblings if name in meanings else inner
        if is_data:
            found.append(Found(Field(f"{path}.*", (*around, "name")), f"{literal}{segment}~", name))
            _walk(child, f"{path}.*", literal + segment, around, found)
        else:
            _walk(child, path + segment, literal + segment, around, found)


class Rebuilt(NamedTuple):
    """A new tree, and the (place, value) of every leaf in it, names that are data included.

    `released` are the numbers of the replacements that stand in it and are no constants,
    `meanings` the discriminators in it that were not released themselves.
    """

    tree: dict[str, Tree]
    leaves: list[tuple[str, Leaf]]
    released: list[int]
    meanings: list[str]


def rebuild(tree: dict[str, Tree], replacements: Sequence[Replacement]) -> Rebuilt:
    """Build a message from the replacements, one per field that `walk` found, in its order.

    An object keeps its discriminators when anything else of it is released: they belong to the
    data point's identity. A data-like name that is withheld becomes `_1`, `_2`, ...
    """
    turn = _Turn(replacements)
    leaves: list[tuple[str, Leaf]] = []
    new: dict[str, Tree] = {}
    for part, child in tree.items():
        built: Any
        if part == "path":
            built = {}
            for index in _members(child):
                value = turn.leaf()
                if not isinstance(value, Missing):
                    built[index] = value
                    leaves.append((f"$.path[{index}]", value))
        elif part in ("header", "cookie"):
            built = _rebuild_names(child, f"$.{part}", turn, leaves, meanings={})
        else:
            built = _rebuild(child, f"$.{part}", turn, leaves)
        if built is MISSING:
            built = _nothing(child)
        new[part] = built
    return Rebuilt(new, leaves, turn.released, turn.meanings)


def _nothing(node: Tree) -> Tree:
    """Return what remains of a part of which nothing is released: its empty container."""
    if isinstance(node, Embedded):
        return _nothing(node.tree)
    return {} if isinstance(node, dict) else [] if isinstance(node, list) else None


def _rebuild(
    node: Tree, literal: str, turn: _Turn, leaves: list[tuple[str, Leaf]]
) -> Tree | Missing:
    if isinstance(node, Embedded):
        # Written anew also where all of it is released: as it stood, it would tell just that.
        inner = _rebuild(node.tree, literal, turn, leaves)
        return inner if isinstance(inner, Missing) else close(node, inner)
    if isinstance(node, dict) and node:
        return _rebuild_names(node, literal, turn, leaves, meanings=_meanings(node))
    if isinstance(node, list) and node:
        children = [_rebuild(child, f"{literal}[*]", turn, leaves) for child in node]
        kept = [child for child in children if not isinstance(child, Missing)]
        return kept or MISSING
    value = turn.leaf()
    if not isinstance(value, Missing):
        leaves.append((literal, value))
    return value


def _rebuild_names(
    node: Tree,
    literal: str,
    turn: _Turn,
    leaves: list[tuple[str, Leaf]],
    *,
    meanings: dict[str, str],
) -> Tree | Missing:
    built: dict[str, Tree] = {}
    meant: dict[str, tuple[str, Leaf]] = {}
    meant_for_any = False
    ordinal = 1
    members = _members(node)
    for name, child in members.items():
        segment, is_data = _segment(name)
        new_name = name
        number = turn.name() if is_data else None
        if is_data and number is None:
            # Only what is kept is counted: a gap in the numbers would tell of what was withheld.
            # A member of such a name looks like data itself, so it is not in the way.
            new_name = Text.spelled(f"_{ordinal}", f"_{ordinal}")
            segment = write_name(new_name)
        released = len(turn.released)
        kept = _rebuild(child, literal + segment, turn, leaves)
        meant_for_any |= len(turn.released) > released and name not in meanings
        if not isinstance(kept, Missing):
            built[new_name] = kept
            if number is not None:
                turn.released.append(number)
                leaves.append((f"{literal}{segment}~", name))
            elif is_data:
                ordinal += 1
        elif meanings.get(name, "*") != "*":
            built[name] = (
                Text.spelled(child, quote_plus(child)) if isinstance(child, Text) else child
            )
            meant[name] = literal + segment, _leaf(child)
    if meant_for_any:
        leaves.extend(meant.values())
        turn.meanings.extend(str(value) for _, value in meant.values())
    else:
        built = {name: child for name, child in built.items() if name not in meant}
    return built or MISSING
