"""XML 1.0 with namespaces, without anything that is declared: no DTD, hence no entities.

An element is an object of its attributes (`@name`), children and text; an element of text alone is
that text. Children that repeat stand under `Again`, text and children keep their order. A name in
another namespace than its parent's is written `{namespace}name`, so that no prefix plays a part.
Comments (`#comment`) and processing instructions (`#instruction`) are data like any other.

The decoder is expat. What leaves is always written anew, in one way, and read again by `plain`,
which knows only what `encode` writes.
"""

from collections.abc import Callable
import re
from typing import Any
from xml.parsers import expat

from ..errors import Refused
from ..model import Again, Embedded, Reason, Tree, Unnamed

MAX_ITEMS = 15_000
"""Elements and attributes of one document: some 40 ms. A device description has a few hundred."""
MAX_DEPTH = 60
"""Elements within elements; `embedded` counts again, with what is inside texts."""
MAX_NAMESPACE = 256
"""Characters of a namespace: it becomes part of every name in it."""
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
_ENCODINGS = frozenset({None, "utf-8", "us-ascii", "ascii"})
_BLANK = " \t\r\n"
_XML = "http://www.w3.org/XML/1998/namespace"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.w3.org/2001/XMLSchema"
_PREFIXES = {_XML: "xml", _INSTANCE: "xsi"}
_SCHEMA_TYPE = re.compile(r"(xsd?):\w+")
_SEPARATOR = " "
"""Between namespace and name, as expat hands them on: it refuses namespaces that hold it."""


class _Element:
    """An element that is being read."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.members: dict[str, Tree] = {}
        self.texts: list[str] = []
        self.has_children = False
        self._counts: dict[str, int] = {}

    def add(self, name: str, value: Tree) -> None:
        """Add a child under its name, or under the same name again."""
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        self.members[Again.numbered(name, count) if count else name] = value

    def end_text(self) -> None:
        """Put the text read so far among the members."""
        text = "".join(self.texts)
        self.texts.clear()
        if text:
            count = self._counts.get("", 0)
            self._counts[""] = count + 1
            self.members[Unnamed.numbered("#text", count)] = text

    def value(self) -> Tree:
        """Return what the element is: its text, where it has nothing else."""
        self.end_text()
        if self.has_children:
            # Blank text between children is layout.
            self.members = {
                name: value
                for name, value in self.members.items()
                if not isinstance(name, Unnamed) or str(value).strip(_BLANK)
            }
        if not self.members:
            return ""
        if len(self.members) == 1 and isinstance(next(iter(self.members)), Unnamed):
            return next(iter(self.members.values()))
        return self.members


class _Reader:
    """Builds a tree from what expat tells."""

    def __init__(self) -> None:
        self._open = [_Element("")]
        self._names: list[str] = []
        self._items = 0
        parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._comment
        parser.ProcessingInstructionHandler = self._instruction
        self._parser = parser

    def read(self, data: bytes) -> Tree:
        self._parser.Parse(data, True)
        return self._open[0].members

    def _count(self, number: int = 1) -> None:
        self._items += number
        if self._items > MAX_ITEMS:
            raise Refused(Reason.TOO_LARGE, "too many elements and attributes")

    def _declared(self, version: str, encoding: str | None, _: int) -> None:
        if version != "1.0" or (encoding.lower() if encoding else None) not in _ENCODINGS:
            raise Refused(Reason.UNREADABLE, "XML in another version or character set")

    def _doctype(self, *_: Any) -> None:
        raise Refused(Reason.UNREADABLE, "XML that declares things of its own")

    def _namespace(self, _: str | None, namespace: str | None) -> None:
        self._count()
        if len(namespace or "") > MAX_NAMESPACE:
            raise Refused(Reason.TOO_LARGE, "a namespace beyond any that is in use")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._count(1 + len(attributes) // 2)
        if len(self._open) > MAX_DEPTH:
            raise Refused(Reason.TOO_DEEP, "the XML is nested too deep")
        above = self._open[-1]
        above.end_text()
        above.has_children = True
        namespace, _, local = name.rpartition(_SEPARATOR)
        element = _Element(namespace)
        for index in range(0, len(attributes), 2):
            of, _, attribute = attributes[index].rpartition(_SEPARATOR)
            key = f"@{{{of}}}{attribute}" if of else f"@{attribute}"
            element.members[key] = attributes[index + 1]
        self._open.append(element)
        self._names.append(local if namespace == above.namespace else f"{{{namespace}}}{local}")

    def _end(self, _: str) -> None:
        element = self._open.pop()
        self._open[-1].add(self._names.pop(), element.value())

    def _text(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def _comment(self, text: str) -> None:
        self._aside("#comment", text)

    def _instruction(self, target: str, text: str) -> None:
        self._aside("#instruction", f"{target} {text}" if text else target)

    def _aside(self, name: str, text: str) -> None:
        self._count()
        self._open[-1].end_text()
        self._open[-1].has_children = True
        self._open[-1].add(name, text)


def decode(data: bytes) -> Tree:
    """Read a document into `{root: ...}`, comments and instructions beside it.

    What a namespace was called there is forgotten, and a declaration that nothing uses.

    Raises `Refused`: a document type, another character set than UTF-8, too deep, too many items,
    or what is not well-formed with its namespaces.
    """
    try:
        data.decode("utf-8")
        return _Reader().read(data)
    except expat.ExpatError, UnicodeDecodeError:
        raise Refused(Reason.UNREADABLE, "the body is not XML") from None


def encode(tree: Tree) -> bytes:
    """Write a document in the one way that `plain` reads; nothing where nothing is left.

    Namespaces are declared where they change, without prefixes but for attributes. Raises `Refused`
    for what a comment or an instruction cannot hold.
    """
    if not isinstance(tree, dict) or not tree:
        return b""
    out: list[str] = []
    _write_members(tree, "", out.append)
    if not any(_is_element(name) for name in tree):
        raise Refused(Reason.NOTHING_RELEASED, "XML without an element")
    return _DECLARATION + "".join(out).encode()


def _is_element(name: str) -> bool:
    return not name.startswith(("@", "#"))


def _text(value: Tree) -> str:
    if isinstance(value, Embedded):
        return value.raw
    if isinstance(value, str):
        return str(value)
    raise Refused(Reason.INTERNAL_ERROR, "XML holds only text")


_ESCAPED = re.compile(r"[^ !#-%'-;=?-~]")
_NO_COMMENT = re.compile(r"--|^-?>")
_BREAK = "<!---->"
"""Between two texts of which the second followed something that does not leave."""


def _escape(text: str) -> str:
    """Write text in ASCII, so that it shows nothing of how the appliance wrote it."""
    return _ESCAPED.sub(lambda match: f"&#{ord(match[0])};", text)


def _write_members(members: dict[str, Tree], namespace: str, out: Callable[[str], None]) -> None:
    after_text = False
    for name, value in members.items():
        if isinstance(name, Unnamed):
            out((_BREAK if after_text else "") + _escape(_text(value)))
            after_text = True
            continue
        if name.startswith("@"):
            continue
        after_text = False
        if str(name) == "#comment":
            out(_aside("<!--", _text(value), "-->"))
        elif str(name) == "#instruction":
            out(_aside("<?", _text(value), "?>"))
        else:
            _write_element(str(name), value, namespace, out)


def _aside(start: str, text: str, end: str) -> str:
    if "?>" in f"{text}>" if start == "<?" else not text or _NO_COMMENT.search(f"{text}-"):
        raise Refused(Reason.UNREADABLE, "a comment or instruction that cannot be written")
    return start + text + end


def _write_element(name: str, value: Tree, above: str, out: Callable[[str], None]) -> None:
    namespace, local = name[1:].rsplit("}", 1) if name.startswith("{") else (above, name)
    tag = [local]
    if namespace != above:
        tag.append(f'xmlns="{_escape(namespace)}"')
    members: dict[str, Tree] = value if isinstance(value, dict) else {}
    declared: dict[str, str] = {}
    for attribute, text in members.items():
        if attribute.startswith("@"):
            tag.append(_attribute(attribute[1:], _text(text), declared))
    tag.extend(f'xmlns:{prefix}="{_escape(uri)}"' for uri, prefix in declared.items())
    inside: list[str] = []
    if isinstance(value, dict):
        _write_members(members, namespace, inside.append)
    else:
        inside.append(_escape(_text(value)))
    start = " ".join(tag)
    content = "".join(inside)
    out(f"<{start}>{content}</{local}>" if content else f"<{start}/>")


def _attribute(name: str, text: str, declared: dict[str, str]) -> str:
    if name.startswith("{"):
        namespace, local = name[1:].rsplit("}", 1)
        prefix = _PREFIXES.get(namespace) or declared.get(namespace) or f"n{len(declared)}"
        if namespace != _XML:
            declared[namespace] = prefix
        if namespace == _INSTANCE and local == "type" and (kind := _SCHEMA_TYPE.fullmatch(text)):
            # Not a name but a value, which has its prefix all the same.
            declared[_SCHEMA] = kind[1]
        name = f"{prefix}:{local}"
    return f'{name}="{_escape(text)}"'


_NAME = r"[^\s<>&\"'=/{}@#!?;]++"
_PART = re.compile(
    rf"<!--(?P<comment>[^>]*+(?:(?<!--)>[^>]*+)*+(?<=--))>"
    rf"|<\?(?P<instruction>[^?]*+(?:\?(?!>)[^?]*+)*+)\?>"
    rf"|</(?P<end>{_NAME})>"
    rf"|<(?P<start>{_NAME})(?P<attributes>(?: {_NAME}=\"[^\"<]*+\")*+)(?P<empty>/?)>"
    rf"|(?P<text>[^<>]++)"
)
_ATTRIBUTE = re.compile(rf" ({_NAME})=\"([^\"<]*+)\"")
_REFERENCE = re.compile(r"&#([0-9]{1,7});")


def plain(data: bytes) -> Any:
    """Read what `encode` writes, and only that; raises `ValueError`.

    The names of elements are compared with their ends, namespaces are kept apart, and of attributes
    none may stand twice.
    """
    if not data.startswith(_DECLARATION):
        raise ValueError("not written here")
    text = data[len(_DECLARATION) :].decode()
    root = _Read("", {}, "")
    path = [root]
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise ValueError("not written here")
        at = part.end()
        if part["start"] is not None:
            path.append(path[-1].child(part["start"], part["attributes"]))
        if part["end"] is not None or part["empty"]:
            element = path.pop()
            if not path or part["end"] not in (None, element.tag):
                raise ValueError("an end without its start")
            path[-1].put(element.name, element.tree())
        path[-1].put_other(part)
    if len(path) != 1 or sum(_is_element(name) for name, _ in root.content) != 1:
        raise ValueError("not one document")
    if any(name == "#text" for name, _ in root.content):
        raise ValueError("text beside the document")
    return root.tree()


def _unescape(text: str) -> str:
    plain_text = _REFERENCE.sub(lambda match: chr(int(match[1])), text)
    if text.count("&") != len(_REFERENCE.findall(text)):
        raise ValueError("not written here")
    return plain_text


class _Read:
    """An element that `plain` reads: its content in order, and what its prefixes stand for."""

    def __init__(self, tag: str, prefixes: dict[str, str], name: str) -> None:
        self.tag = tag
        self.name = name
        self.prefixes = prefixes
        self.content: list[tuple[str, Any]] = []

    def put(self, name: str, value: Any) -> None:
        self.content.append((name, value))

    def put_other(self, part: re.Match[str]) -> None:
        if part["text"] is not None:
            self.put("#text", _unescape(part["text"]))
        elif part["instruction"] is not None:
            self.put("#instruction", part["instruction"])
        elif part["comment"] not in (None, "--"):
            self.put("#comment", part["comment"][:-2])

    def child(self, tag: str, attributes: str) -> _Read:
        found = [(name, _unescape(text)) for name, text in _ATTRIBUTE.findall(attributes)]
        if len(dict(found)) != len(found) or ":" in tag:
            raise ValueError("an attribute stands twice")
        prefixes = dict(self.prefixes)
        for name, text in found:
            if name == "xmlns":
                prefixes[""] = text
            elif name.startswith("xmlns:"):
                prefixes[name[6:]] = text
        of = prefixes.get("", "")
        name = tag if of == self.prefixes.get("", "") else f"{{{of}}}{tag}"
        element = _Read(tag, prefixes, name)
        for name, text in found:
            prefix, colon, local = name.rpartition(":")
            if name == "xmlns" or prefix == "xmlns":
                continue
            if colon:
                namespace = _XML if prefix == "xml" else prefixes.get(prefix)
                if namespace is None:
                    raise ValueError("a prefix that stands for nothing")
                local = f"{{{namespace}}}{local}"
            element.put(f"@{local}", text)
        if len({name for name, _ in element.content}) != len(element.content):
            raise ValueError("an attribute stands twice")
        return element

    def tree(self) -> Any:
        if not self.content:
            return ""
        if [name for name, _ in self.content] == ["#text"]:
            return self.content[0][1]
        seen: dict[str, int] = {}
        members: dict[str, Any] = {}
        for name, value in self.content:
            count = seen[name] = seen.get(name, -1) + 1
            kind = Unnamed if name == "#text" else Again
            members[kind.numbered(name, count)] = value
        return members
