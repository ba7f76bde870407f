"""Bodies in parts: `multipart/form-data` (RFC 7578), `mixed` and `related` (RFC 2046, RFC 2387).

A form's parts are members by their names, those of other kinds an array. What a part says of itself
(`@filename`, `@content-type` where it is none of a few, every other header) is data beside its
content, which has the part's own path (`Content`) and is read like a body of its type. A type that
cannot be read is one item, whole (`Blob`).

Parts are always written anew, with a boundary of ours. The second reading is by the standard
library's parser of mail.
"""

from email.message import Message
from email.parser import BytesParser
from functools import partial
import json
import re
from typing import Any, Self

from ..errors import Refused
from ..model import Again, Blob, Embedded, Number, Reason, Tree, Unnamed
from . import json_text
from .formats import FORM, FORM_TYPE, JSON, NDJSON, Format, declared

TYPES = frozenset({"multipart/form-data", "multipart/mixed", "multipart/related"})
MAX_PARTS = 500
"""Parts of one body, those within parts included."""
MAX_COSTLY = 8
"""Parts in a format whose decoder is bounded for a whole body: some 50 ms each."""
MAX_HEAD = 4_096
"""Bytes of the headers of one part."""
MAX_NESTED = 3
"""Parts that are made of parts."""
_FORM_DATA = "multipart/form-data"
_BOUNDARY = "part-7b1e0c5d9f24a683-"
"""Ours, with the depth behind it; what is to leave must not hold it."""
_BOUNDARY_OF = re.compile(
    r";\s*boundary\s*=\s*(?:\"([^\"\\]{1,70})\"|([\w'()+,./:=?-]{1,70}))\s*(?=;|$)",
    re.IGNORECASE | re.ASCII,
)
_BOUNDARY_NAMED = re.compile(r"boundary[\s*]*=", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DISPOSITION = re.compile(
    r"form-data((?:\s*;\s*[\w*-]+\s*=\s*(?:\"[^\"\\]*\"|[\w.-]+))+)\s*;?", re.ASCII
)
_PARAMETER = re.compile(r";\s*([\w*-]+)\s*=\s*(?:\"([^\"\\]*)\"|([\w.-]+))", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
_MEDIA = re.compile(
    r"\s*([\w.+*/-]+)\s*(?:;\s*charset\s*=\s*\"?(?:utf-8|us-ascii)\"?\s*)?", re.IGNORECASE
)
_CONSTANT = frozenset({
    "text/plain", "application/octet-stream", "application/json", "application/xml", "text/xml",
    "application/cbor", "application/msgpack", "image/jpeg", "image/png",
})  # fmt: skip
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_OF_FORMS = frozenset({"name", "filename"})
_OPAQUE = "application/octet-stream"
type _Mail = Message[str, str]


class Content(Unnamed):
    """What stands in a part; `media` is its type where that says nothing of the appliance.

    `codec` is None for text and for bytes.
    """

    __slots__ = ("codec", "media")
    codec: Format | None
    media: str

    @classmethod
    def of(cls, fmt: Format | None, media: str) -> Self:
        """Make the name under which a part's content stands."""
        content = cls.numbered("#content", 0)
        content.codec = fmt
        content.media = media
        return content


class _Budget:
    """What may still be read of one body, however its parts are nested."""

    def __init__(self) -> None:
        self._parts = MAX_PARTS
        self._costly = MAX_COSTLY

    def part(self) -> None:
        """Take note of a part; raises `Refused` where it is one too many."""
        self._parts -= 1
        if self._parts < 0:
            raise Refused(Reason.TOO_LARGE, "too many parts")

    def reading(self, fmt: Format) -> None:
        """Take note of a part that is to be read; raises `Refused` where it is one too many."""
        self._costly -= not fmt.goes_as_it_came
        if self._costly < 0:
            raise Refused(Reason.TOO_LARGE, "too many parts that take long to read")


def _unreadable(what: str) -> Refused:
    return Refused(Reason.UNREADABLE, what)


def constant_type(content_type: str) -> str | None:
    """Return the type of a body in parts as we write it, None where it is none."""
    media = content_type.partition(";")[0].strip().lower()
    return _written_type(media, 0) if media in TYPES else None


def _written_type(media: str, depth: int) -> str:
    return f"{media}; boundary={_BOUNDARY}{depth}"


def decode(
    data: bytes, content_type: str, depth: int = 0, budget: _Budget | None = None
) -> tuple[Format, Tree]:
    """Read a body in parts; return how to write it again, and its tree.

    Raises `Refused`: no boundary or one that stands elsewhere, no end, anything before the first
    part or after the last, a header twice or folded, too many parts, or what a part's format
    refuses.
    """
    media = content_type.partition(";")[0].strip().lower()
    if depth >= MAX_NESTED:
        raise Refused(Reason.TOO_DEEP, "parts are nested too deep")
    budget = budget or _Budget()
    boundary = _boundary(content_type)
    is_form = media == _FORM_DATA
    members: dict[str, Tree] = {}
    parts: list[Tree] = []
    counts: dict[str, int] = {}
    for raw in _split(data, boundary):
        budget.part()
        name, part = _part(raw, depth, budget, is_form=is_form)
        count = counts[name] = counts.get(name, -1) + 1
        if is_form:
            members[Again.numbered(name, count) if count else name] = part
        else:
            parts.append(part)
    fmt = Format(
        name="multipart",
        content_type=_written_type(media, depth),
        decode=lambda again: decode(again, content_type, depth)[1],
        encode=partial(_encode, depth=depth),
        plain=partial(_plain, content_type=_written_type(media, depth)),
        goes_as_it_came=False,
    )
    return fmt, members if is_form else parts


def _boundary(content_type: str) -> bytes:
    found = _BOUNDARY_OF.findall(content_type)
    if len(found) != 1 or len(_BOUNDARY_NAMED.findall(content_type)) != 1:
        raise _unreadable("a body in parts without one boundary")
    boundary: str = found[0][0] or found[0][1]
    if not boundary.isascii() or not boundary.isprintable() or boundary.endswith(" "):
        raise _unreadable("a boundary that is none")
    return b"--" + boundary.encode()


def _split(data: bytes, boundary: bytes) -> list[bytes]:
    """Return the parts between the boundaries, which stand at the start of a line and alone."""
    if data.count(boundary) > MAX_PARTS + 1:
        raise Refused(Reason.TOO_LARGE, "too many parts")
    pieces = (b"\r\n" + data.removeprefix(b"\r\n")).split(b"\r\n" + boundary)
    first, between, last = pieces[0], pieces[1:-1], pieces[-1]
    if first or last not in (b"--", b"--\r\n") or not between:
        raise _unreadable("a body in parts without start or end")
    if any(boundary in piece for piece in between):
        raise _unreadable("a boundary within a part")
    parts: list[bytes] = []
    for piece in between:
        start = piece.find(b"\r\n")
        if start < 0 or piece[:start].strip(b" \t"):
            raise _unreadable("a boundary that goes on")
        parts.append(piece[start + 2 :])
    return parts


def _part(raw: bytes, depth: int, budget: _Budget, *, is_form: bool) -> tuple[str, Tree]:
    """Read one part: its name, and what it says beside what it holds."""
    head, blank, body = (b"\r\n" + raw).partition(b"\r\n\r\n")
    if not blank or len(head) > MAX_HEAD:
        raise _unreadable("a part without an end of its headers")
    headers = _headers(head)
    if headers.pop("content-transfer-encoding", "binary").lower() not in _IDENTITY:
        raise Refused(Reason.UNKNOWN_ENCODING, "a part in an encoding that cannot be opened here")
    headers.pop("content-length", None)
    part: dict[str, Tree] = {}
    name = ""
    if is_form:
        about = _disposition(headers.pop("content-disposition", ""))
        name = about.pop("name")
        part.update((f"@{key}", value) for key, value in about.items())
    content_type = headers.pop("content-type", "")
    fmt, tree, media = _content(body, content_type, depth, budget)
    if content_type and not media:
        part["@content-type"] = content_type
    part.update((f"@{key}", value) for key, value in headers.items())
    if tree == "" and type(tree) is Blob:
        # No file was chosen: there is nothing to tell, but that.
        fmt, tree, media = None, "", ""
    if tree != "" or not part:
        part[Content.of(fmt, media)] = tree
    return name, part


def _headers(head: bytes) -> dict[str, str]:
    try:
        lines = head.decode("utf-8").split("\r\n")[1:]
    except UnicodeDecodeError:
        raise _unreadable("a part's headers that are not UTF-8") from None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or _NO_VALUE.search(value):
            raise _unreadable("a part's header that cannot be read")
        if name.lower() in headers:
            raise Refused(Reason.DUPLICATE_KEY, "a part's header stands twice")
        headers[name.lower()] = value.strip(" \t")
    return headers


def _disposition(value: str) -> dict[str, str]:
    match = _DISPOSITION.fullmatch(value)
    if match is None:
        raise _unreadable("a part of a form that is not said to be one")
    found = [(key.lower(), quoted or bare) for key, quoted, bare in _PARAMETER.findall(match[1])]
    about = dict(found)
    if len(about) != len(found):
        raise Refused(Reason.DUPLICATE_KEY, "a part names itself twice")
    if not about.keys() <= _OF_FORMS or "name" not in about:
        raise _unreadable("a part of a form without a name, or with more than one")
    return about


def _content(
    body: bytes, content_type: str, depth: int, budget: _Budget
) -> tuple[Format | None, Tree, str]:
    """Read a part's content: its format, its tree, and its type where that is one of a few."""
    match = _MEDIA.fullmatch(content_type)
    media = content_type.partition(";")[0].strip().lower()
    constant = media if match and _is_constant(media) else ""
    if media in TYPES:
        parts, tree = decode(body, content_type, depth + 1, budget)
        return parts, tree, parts.content_type
    fmt = FORM if media == FORM_TYPE else declared(media)
    if fmt is not None:
        budget.reading(fmt)
        return fmt, fmt.decode(body), constant
    if not media or media.startswith("text/"):
        text = _as_text(body)
        if text is not None:
            return None, text, constant
    return None, Blob(body.hex()), constant if media else _OPAQUE


def _as_text(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def _encode(tree: Tree, *, depth: int) -> bytes:
    """Write parts between boundaries of ours; raises `Refused` where one holds such a boundary."""
    boundary = f"--{_BOUNDARY}{depth}".encode()
    out: list[bytes] = []
    parts = tree.items() if isinstance(tree, dict) else [(None, part) for part in _items(tree)]
    for name, part in parts:
        written = _write_part(name, part)
        if boundary in written:
            raise _unreadable("a part that holds our own boundary")
        out.append(boundary + b"\r\n" + written + b"\r\n")
    return b"".join(out) + boundary + b"--\r\n"


def _items(tree: Tree) -> list[Tree]:
    return tree if isinstance(tree, list) else []


def _write_part(name: str | None, part: Tree) -> bytes:
    members = part if isinstance(part, dict) else {}
    content, tree = next(
        ((key, value) for key, value in members.items() if isinstance(key, Content)),
        (Content.of(None, _OPAQUE), ""),
    )
    said = {key[1:]: _raw(value) for key, value in members.items() if key.startswith("@")}
    head: list[str] = []
    if name is not None:
        about = [("name", str(name))]
        if "filename" in said:
            about.append(("filename", said.pop("filename")))
        if any(set(value) & set('"\\\r\n') for _, value in about):
            raise _unreadable("a name that cannot be written")
        head.append("; ".join(["form-data", *(f'{key}="{value}"' for key, value in about)]))
        head[0] = f"Content-Disposition: {head[0]}"
    body, fallback = _write_content(content, tree)
    media = said.pop("content-type", "") or content.media or fallback
    if media:
        head.append(f"Content-Type: {media}")
    head.extend(f"{key.title()}: {value}" for key, value in said.items())
    if any("\r" in line or "\n" in line for line in head):
        raise _unreadable("a header that cannot be written")
    return "".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + body


def _write_content(content: Content, tree: Tree) -> tuple[bytes, str]:
    """Return a part's bytes, and its type for where none may be told."""
    if content.codec is not None:
        return content.codec.encode(tree), content.codec.content_type
    if type(tree) is Blob:
        return bytes.fromhex(tree), _OPAQUE
    return _raw(tree).encode(), ""


def _raw(value: Tree) -> str:
    if isinstance(value, Embedded):
        return value.raw
    if isinstance(value, str):
        return str(value)
    raise Refused(Reason.INTERNAL_ERROR, "a part that is no text")


def _is_constant(media: str) -> bool:
    """Tell whether a type says nothing of the appliance, as we write it."""
    fmt = FORM if media == FORM_TYPE else declared(media)
    return media in _CONSTANT or (fmt is not None and fmt.content_type == media)


def _plain(data: bytes, *, content_type: str) -> Any:
    """Read parts with the second parser, each part's content with that of its format."""
    if data == f"--{content_type.partition('=')[2]}--\r\n".encode():
        return {} if content_type.startswith(_FORM_DATA) else []
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    return _plain_parts(BytesParser().parsebytes(head + data), content_type)


def _plain_parts(whole: _Mail, content_type: str) -> Any:
    is_form = content_type.startswith(_FORM_DATA)
    parts = whole.get_payload()
    if whole.defects or whole.preamble or (whole.epilogue or "").strip("\r\n"):
        raise ValueError("not written here")
    if isinstance(parts, str):
        raise ValueError("no parts")  # noqa: TRY004
    named: dict[str, Any] = {}
    listed: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            raise ValueError("a part that is none")  # noqa: TRY004
        name, value = _plain_part(part, is_form=is_form)
        listed.append(value)
        named[Again.numbered(name, len(named) + 1)] = value
    return named if is_form else listed


def _plain_part(part: _Mail, *, is_form: bool) -> tuple[str, Any]:
    headers = [
        (name.lower(), str(value).encode("ascii", "surrogateescape").decode())
        for name, value in part.raw_items()
    ]
    said = dict(headers)
    if len(said) != len(headers):
        raise ValueError("a header stands twice")
    name = ""
    value: dict[str, Any] = {}
    if is_form:
        name, value = _plain_about(said.pop("content-disposition", ""))
    media = said.pop("content-type", "")
    if media and not _is_constant(media) and media.partition(";")[0] not in TYPES:
        value["@content-type"] = media
    value.update((f"@{key}", text) for key, text in said.items())
    content = _plain_content(part, media)
    if content != "" or not value:
        value[Unnamed.numbered("#content", 0)] = content
    return name, value


def _plain_about(disposition: str) -> tuple[str, dict[str, Any]]:
    """Read what a form's part says of itself, in just the way it is written."""
    start, name, *more = disposition.split('"')
    match (start, more):
        case ("form-data; name=", [""]):
            return name, {}
        case ("form-data; name=", ["; filename=", filename, ""]):
            return name, {"@filename": filename}
        case _:
            pass
    raise ValueError("a part that says more of itself")


def _plain_content(part: _Mail, media: str) -> Any:
    kind = media.partition(";")[0].strip().lower()
    if kind in TYPES:
        return _plain_parts(part, media)
    body = part.get_payload(decode=True)
    if part.defects or not isinstance(body, bytes):
        raise ValueError("a part that cannot be read")
    fmt = FORM if kind == FORM_TYPE else declared(kind)
    if fmt is JSON:
        return _spelled(body)
    if fmt is NDJSON:
        return [_spelled(line) for line in body.splitlines()]
    if fmt is not None:
        return fmt.plain(body)
    text = _as_text(body) if not kind or kind.startswith("text/") else None
    return body.hex() if text is None else text


def _spelled(data: bytes) -> Any:
    """Read JSON with the second parser, and its numbers as they are spelled."""
    tree = json_text.plain(data)
    spelled = json.loads(data, parse_float=Number, parse_int=Number)
    _agree(tree, spelled)
    return spelled


def _agree(one: Any, two: Any) -> None:
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        for name, child in one.items():
            _agree(child, two[name])
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for left, right in zip(one, two, strict=True):
            _agree(left, right)
    elif type(two) is Number:
        if isinstance(one, bool) or not isinstance(one, int | float) or float(two) != float(one):
            raise ValueError("two parsers read two things")
    elif one != two or type(one) is not type(two):
        raise ValueError("two parsers read two things")
