"""A message body: which format it is in, read and written.

The declared content type is believed only if the bytes agree; a body that is not declared, or
declared as something general, is looked at. What no codec can read is denied. A framing stands
inside the content coding, around the format.
"""

from dataclasses import dataclass
import re
from typing import Any

from ..errors import FramingError, Refused
from ..model import Reason, Tree
from . import cbor, compression, embedded, multipart
from .formats import CBOR, FORM, FORM_TYPE, JSON, LINES, NDJSON, NDJSON_TYPES, XML, Format, declared
from .framing import Framing, enframe, parse, unframe

_TYPE = re.compile(
    r"\s*([\w.+*/-]+)\s*(?:;\s*charset\s*=\s*\"?([\w-]+)\"?\s*)?;?\s*", re.IGNORECASE
)
_BLANK = b" \t\r\n"
_FORM = re.compile(rb"[!-%'-~]+=[!-~]*")
_XML_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*<[?!:A-Z_a-z]")
_CHARSETS = frozenset({"utf-8", "us-ascii", "ascii"})
_CONSTANT_TYPES = frozenset(
    {
        "application/json",
        "text/json",
        "application/senml+json",
        "application/cbor",
        "application/senml+cbor",
        "application/msgpack",
        "application/x-msgpack",
        "application/vnd.msgpack",
        "application/xml",
        "text/xml",
        "text/plain",
        "application/octet-stream",
        FORM_TYPE,
        *NDJSON_TYPES,
    }
)
_GENERAL_TYPES = ("", "application/octet-stream", "text/plain", "binary/octet-stream", "*/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body that was read: its format, its content coding, its framing and its tree."""

    format: Format
    coding: str
    tree: Tree
    framing: Framing = ()


def decode(data: bytes, content_type: str, coding: str, framing: str = "") -> Body | None:
    """Read a body, or return None where there is none.

    `content_type` and `coding` are the header values as sent (empty where absent), `framing` is
    what is stated of the endpoint. Raises `Refused` with what could not be read.
    """
    coding = coding.strip().lower()
    if not data:
        return None
    plain = compression.decompress(data, coding)
    if not plain:
        raise Refused(Reason.UNREADABLE, "a compressed body of nothing")
    frames: Framing = ()
    if framing:
        frames = _framing(framing)
        plain = unframe(plain, frames)
    fmt, tree = _read(plain, content_type)
    return Body(
        format=fmt,
        coding=coding,
        tree=embedded.open_all(tree),
        framing=frames,
    )


def _framing(stated: str) -> Framing:
    try:
        return parse(stated)
    except FramingError:
        raise Refused(Reason.UNREADABLE, "a framing that is not known here") from None


def constant_type(content_type: str) -> str | None:
    """Return a content type in our own spelling where it is one of a few, else None.

    A type of the appliance's own making (`application/anything+json`) is data.
    """
    match = _TYPE.fullmatch(content_type)
    if (parted := multipart.constant_type(content_type)) is not None:
        return parted
    if match is None or match[1].lower() not in _CONSTANT_TYPES:
        return None
    if match[2] is None:
        return match[1].lower()
    charset = match[2].lower()
    return f"{match[1].lower()}; charset={charset}" if charset in _CHARSETS else None


def _read(data: bytes, content_type: str) -> tuple[Format, Tree]:
    match = _TYPE.match(content_type)
    media = match[1].lower() if match else ""
    charset = (match[2] or "").lower() if match else ""
    if charset not in ("", *_CHARSETS) and (charset.startswith("utf") or not data.isascii()):
        raise Refused(Reason.UNREADABLE, "a character set other than UTF-8")
    if media in multipart.TYPES:
        return multipart.decode(data, content_type)
    if (fmt := declared(media)) is not None:
        return fmt, fmt.decode(data)
    if media == FORM_TYPE:
        # Small HTTP clients (curl -d among them) call any body a form.
        if data.lstrip(_BLANK)[:1] in (b"{", b"[", b"<"):
            return _shown(data)
        return FORM, FORM.decode(data)
    if media in _GENERAL_TYPES or not match:
        return _shown(data)
    raise Refused(Reason.UNREADABLE, "a content type that cannot be read here")


def _shown(data: bytes) -> tuple[Format, Tree]:
    """Read what is not declared, in the format that its bytes show."""
    if data.lstrip(_BLANK)[:1] in (b"{", b"["):
        return _json_or_lines(data)
    if data.startswith(cbor.SELF_DESCRIBED):
        return CBOR, CBOR.decode(data)
    if _XML_START.match(data):
        return XML, XML.decode(data)
    if _FORM.fullmatch(data.rstrip(b"\r\n")):
        return FORM, FORM.decode(data)
    return LINES, LINES.decode(data)


def _json_or_lines(data: bytes) -> tuple[Format, Tree]:
    try:
        return JSON, JSON.decode(data)
    except Refused as err:
        if err.reason is not Reason.TRAILING_BYTES:
            raise
        return NDJSON, NDJSON.decode(data)


def encode(body: Body, tree: Tree) -> bytes:
    """Write a changed tree in the body's own format, framing and coding; raises `Refused`."""
    return compression.compress(enframe(body.format.encode(tree), body.framing), body.coding)


def plain(body: Body, data: bytes) -> Any:
    """Read an encoded body with the second parser."""
    return body.format.plain(unframe(compression.decompress(data, body.coding), body.framing))
