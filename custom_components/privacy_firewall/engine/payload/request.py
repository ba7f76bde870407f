"""An HTTP request as one tree: URL segments, query, headers, cookies and body are all data.

The tree's members are `path` (only the segments that look like data, by index), `query`, `header`,
`cookie` and `body`, each present only where the request has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
import re
from urllib.parse import quote

from ..errors import Refused
from ..model import Embedded, OutgoingRequest, Reason, Text, Transmission, Tree
from . import body as bodies, compression, embedded, form

_TARGET = re.compile(r"/[!-~]*")
_FORBIDDEN_IN_SEGMENT = re.compile(r"[\x00-\x1f\x7f/\\]")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect", "host",
})  # fmt: skip
"""Headers that end at the gate (RFC 9110 section 7.6.1) or that it writes itself."""
OF_PROXIES = frozenset({
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
})  # fmt: skip
"""Headers that speak of the way, not of the appliance; never passed on."""
_ACCEPT = frozenset({
    "*/*", "application/json", "application/json, text/plain, */*", "text/html", "text/plain",
})  # fmt: skip
_SEGMENT_SAFE = "!$&'()*+,;=:@-._~"
"""What stands unescaped in a path segment (RFC 3986 section 3.3)."""
_OF_BODIES = frozenset({"content-type", "content-encoding"})
_CODINGS = ("gzip", "deflate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request that was read: its tree, and what is needed to write it again.

    `segments` are the decoded path segments; `template` is `METHOD host/path` with segments that
    look like data as `*`; `headers` are (name, value) in their order, where the value is
    None for those whose value stands in the tree.
    """

    transmission: Transmission
    template: str
    segments: tuple[str, ...]
    tree: dict[str, Tree]
    body: bodies.Body | None
    headers: tuple[tuple[str, str | None], ...]

    @property
    def constant_headers(self) -> frozenset[tuple[str, str]]:
        """Return the (lower-case name, value) pairs that carry nothing of the appliance."""
        constants = {(name.lower(), value) for name, value in self.headers if value is not None}
        if self.body is not None:
            constants.add(("content-type", self.body.format.content_type))
        return frozenset(constants)


def read_target(target: str) -> tuple[tuple[str, ...], str]:
    """Split a request target into decoded path segments and the raw query.

    Raises `Refused`: no origin-form, a fragment, empty or dot segments, or escapes that hide a
    slash, a dot segment or a control character. A server might read any of these another way.
    """
    if not _TARGET.fullmatch(target) or "#" in target or "\\" in target:
        raise Refused(Reason.BAD_REQUEST, "the request target is not an absolute path")
    path, _, query = target.partition("?")
    raw = path[1:].split("/")
    segments = tuple(form.unescape(segment, plus=False) for segment in raw)
    for index, segment in enumerate(segments):
        if segment in (".", "..") or _FORBIDDEN_IN_SEGMENT.search(segment):
            raise Refused(Reason.PATH_CONFLICT, "a path that could be read in two ways")
        if not segment and index < len(segments) - 1:
            raise Refused(Reason.PATH_CONFLICT, "an empty path segment")
    return segments, query


def path_of(target: str) -> str:
    """Return the decoded path, for matching against endpoints; raises like `read_target`."""
    return "/" + "/".join(read_target(target)[0])


def read(
    transmission: Transmission, looks_like_data: Callable[[str], bool], framing: str = ""
) -> Message:
    """Read a request into a tree; raises `Refused` with what could not be read.

    `framing` is what is stated to be around its body.
    """
    segments, query = read_target(transmission.target)
    tree: dict[str, Tree] = {}
    raw_segments = transmission.target.partition("?")[0][1:].split("/")
    data_segments: dict[str, Tree] = {
        str(index): Text.spelled(segment, raw)
        for index, (segment, raw) in enumerate(zip(segments, raw_segments, strict=True))
        if looks_like_data(segment)
    }
    if data_segments:
        tree["path"] = data_segments
    if query and (items := form.decode_text(query)):
        tree["query"] = embedded.open_all(items)
    headers = _read_headers(transmission.headers, tree, has_body=bool(transmission.body))
    coding = next((v for name, v in headers if name.lower() == "content-encoding" and v), "")
    declared = next((v for name, v in transmission.headers if name.lower() == "content-type"), "")
    body = bodies.decode(transmission.body, declared, coding, framing)
    if body is not None:
        tree["body"] = body.tree
    return Message(
        transmission=transmission,
        template=_template(transmission, segments, looks_like_data),
        segments=segments,
        tree=tree,
        body=body,
        headers=headers,
    )


def _read_headers(
    headers: tuple[tuple[str, str], ...], tree: dict[str, Tree], *, has_body: bool
) -> tuple[tuple[str, str | None], ...]:
    """Sort headers into constants, data (put into the tree) and those that end here."""
    seen: set[str] = set()
    data: dict[str, Tree] = {}
    cookies: dict[str, Tree] = {}
    kept: list[tuple[str, str | None]] = []
    for name, value in headers:
        lower = name.lower()
        if not _TOKEN.fullmatch(name) or _FORBIDDEN_IN_VALUE.search(value):
            raise Refused(Reason.BAD_REQUEST, "a header that RFC 9110 does not allow")
        if lower in ("upgrade", "trailer"):
            raise Refused(Reason.PROTOCOL_NOT_ALLOWED, "a change of protocol or trailers")
        if lower in seen:
            raise Refused(Reason.DUPLICATE_KEY, "a header stands twice")
        seen.add(lower)
        if lower in HOP_BY_HOP or lower in OF_PROXIES:
            continue
        if lower in _OF_BODIES and not has_body:
            continue
        constant = _constant(lower, value)
        if constant is None:
            if lower == "cookie":
                _read_cookies(value, cookies)
            else:
                data[lower] = value
        if constant != "":
            # In one spelling: the appliance's own could say something.
            kept.append((name.title(), constant))
    if data:
        tree["header"] = data
    if cookies:
        tree["cookie"] = embedded.open_all(cookies)
    return tuple(kept)


def _constant(lower: str, value: str) -> str | None:
    """Return the value of a header that says nothing of the appliance, "" to drop it, else None."""
    if lower == "content-encoding":
        coding = value.strip().lower()
        if coding not in compression.CODINGS:
            raise Refused(Reason.UNKNOWN_ENCODING, "a content encoding that cannot be opened here")
        return coding
    if lower == "accept-encoding":
        codings = {part.partition(";")[0].strip().lower() for part in value.split(",")}
        return ", ".join(coding for coding in _CODINGS if coding in codings)
    if lower == "accept" and value in _ACCEPT:
        return value
    if lower == "content-type":
        return bodies.constant_type(value)
    return None


def _read_cookies(value: str, cookies: dict[str, Tree]) -> None:
    for pair in value.split(";"):
        name, equals, text = pair.strip(" ").partition("=")
        if not equals or not _TOKEN.fullmatch(name):
            raise Refused(Reason.UNREADABLE, "a cookie that cannot be read")
        if name in cookies:
            raise Refused(Reason.DUPLICATE_KEY, "a cookie stands twice")
        cookies[name] = text


def write(
    message: Message, tree: dict[str, Tree], origin: str, *, untouched: bool
) -> OutgoingRequest:
    """Write a request from the tree that may leave.

    `untouched` says that nothing was withheld or changed: the body's own bytes go, or, where a
    format is always written anew, its values as they stood. Raises
    `Refused` where a path segment was withheld: without it there is no such request.
    """
    transmission = message.transmission
    body, read = transmission.body, message.body
    if read is not None:
        if untouched and read.format.goes_as_it_came:
            body = compression.repack(body, read.coding)
        else:
            body = bodies.encode(read, (message.tree if untouched else tree)["body"])
    return OutgoingRequest(
        method=transmission.method,
        origin=origin,
        target=transmission.target if untouched else _write_target(message, tree),
        headers=_write_headers(message, tree),
        body=body,
    )


def as_it_is(transmission: Transmission, origin: str, *, allow_private: bool) -> OutgoingRequest:
    """Return a request unread and unchanged, but for what belongs to the way it came."""
    return OutgoingRequest(
        method=transmission.method,
        origin=origin,
        target=transmission.target,
        headers=tuple(
            header
            for header in transmission.headers
            if header[0].lower() not in HOP_BY_HOP | OF_PROXIES
        ),
        body=transmission.body,
        allow_private=allow_private,
    )


def _write_target(message: Message, tree: dict[str, Tree]) -> str:
    """Write path and query; escapes of what is not data are ours, the appliance's could tell."""
    allowed, asked = tree.get("path"), message.tree.get("path")
    segments = [quote(segment, safe=_SEGMENT_SAFE) for segment in message.segments]
    for index, segment in (asked if isinstance(asked, dict) else {}).items():
        if not isinstance(allowed, dict) or allowed.get(index) != segment:
            raise Refused(Reason.SEGMENT_WITHHELD, "a part of the address itself is withheld")
        segments[int(index)] = form.spelling(segment)
    query = form.encode_text(tree["query"]) if tree.get("query") else ""
    return "/" + "/".join(segments) + (f"?{query}" if query else "")


def _write_headers(message: Message, tree: dict[str, Tree]) -> tuple[tuple[str, str], ...]:
    data = tree.get("header")
    cookies = tree.get("cookie")
    written: list[tuple[str, str]] = []
    for name, constant in message.headers:
        lower = name.lower()
        if constant is not None:
            written.append((name, constant))
        elif lower == "cookie":
            if isinstance(cookies, dict) and cookies:
                pairs = (f"{cookie}={_raw(value)}" for cookie, value in cookies.items())
                written.append((name, "; ".join(pairs)))
        elif isinstance(data, dict) and lower in data:
            written.append((name, _raw(data[lower])))
        elif lower == "content-type" and message.body is not None:
            written.append((name, message.body.format.content_type))
    return tuple(written)


def _raw(value: Tree) -> str:
    return value.raw if isinstance(value, Embedded) else str(value)


def template_of(transmission: Transmission, looks_like_data: Callable[[str], bool]) -> str:
    """Return the endpoint template: `METHOD host/path`, segments that look like data as `*`."""
    return _template(transmission, read_target(transmission.target)[0], looks_like_data)


def _template(
    transmission: Transmission, segments: tuple[str, ...], looks_like_data: Callable[[str], bool]
) -> str:
    path = "/".join("*" if looks_like_data(segment) else segment for segment in segments)
    return f"{transmission.method} {transmission.host}/{path}"
