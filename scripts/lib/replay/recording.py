"""A recorded transmission: one line of newline-delimited JSON."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
import json
import re
from typing import Any

_URL = re.compile(r"(https?)://([^/?#]+)([/?][^#]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::([0-9]{1,5}))?")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BadRecordingError(Exception):
    """A line that is no recorded transmission; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One HTTP request as an appliance sent it.

    `authority` is host and port as in the URL, `host` and `port` the same taken apart (without
    brackets, lower-case, in ASCII), `target` path and query with their own escaping.
    """

    line: int
    appliance: str
    method: str
    scheme: str
    authority: str
    host: str
    port: int | None
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def host_header(self) -> str:
        """Return the value of the Host header that belongs to the URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    @property
    def url(self) -> str:
        """Return the URL it was sent to."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read_all(lines: Iterable[bytes]) -> list[Recording]:
    """Read a file's lines, blank ones left out; raises `BadRecordingError`."""
    recordings = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                recordings.append(_read(number, line))
            except BadRecordingError as err:
                raise BadRecordingError(f"line {number}: {err}") from None
    if not recordings:
        raise BadRecordingError("there is no transmission in it")
    return recordings


def _read(number: int, line: bytes) -> Recording:
    try:
        members = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRecordingError("not UTF-8") from None
    except (ValueError, RecursionError) as err:
        raise BadRecordingError(f"not JSON ({err})") from None
    if not isinstance(members, dict):
        raise BadRecordingError("not a JSON object")
    protocol = _text(members, "protocol")
    if protocol not in _READERS:
        raise BadRecordingError(
            f"protocol {protocol!r} cannot be replayed (known: {', '.join(_READERS)})"
        )
    return _READERS[protocol](number, members)


def _read_http(number: int, members: dict[str, Any]) -> Recording:
    method = _text(members, "method")
    if not _METHOD.fullmatch(method):
        raise BadRecordingError("method is not an HTTP method")
    url = _URL.fullmatch(_text(members, "url"))
    if url is None:
        raise BadRecordingError("url is not http://host/… or https://host/…")
    scheme, authority, target = url[1].lower(), url[2], url[3] or "/"
    place = _AUTHORITY.fullmatch(authority)
    if place is None:
        raise BadRecordingError("url names no host and port that can be called")
    port = int(place[2]) if place[2] else None
    if port is not None and not 0 < port < 65536:
        raise BadRecordingError("url names no host and port that can be called")
    if not target.startswith("/"):
        target = f"/{target}"
    return Recording(
        line=number,
        appliance=_text(members, "appliance"),
        method=method,
        scheme=scheme,
        authority=authority,
        host=_ascii(place[1].strip("[]")),
        port=port,
        target=target,
        headers=_headers(members.get("headers", {})),
        body=_body(members.get("body_b64")),
    )


_READERS = {"http": _read_http}


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise BadRecordingError(f"{name} is missing or no text")
    if any(character in "\r\n\0" for character in value):
        raise BadRecordingError(f"{name} holds a line end")
    return value


def _ascii(host: str) -> str:
    try:
        return host.rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        raise BadRecordingError("url names a host that no look-up can find") from None


def _headers(members: Any) -> tuple[tuple[str, str], ...]:
    """Read an object of texts; a header that stood twice has a list of them."""
    if not isinstance(members, dict):
        raise BadRecordingError("headers is not an object")
    headers = []
    for name, value in members.items():
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str) or any(one in "\r\n\0" for one in name + text):
                raise BadRecordingError("headers holds what is not one line of text")
            headers.append((name, text))
    return tuple(headers)


def _body(encoded: Any) -> bytes:
    if encoded is None:
        return b""
    if not isinstance(encoded, str):
        raise BadRecordingError("body_b64 is no text")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error, ValueError:
        raise BadRecordingError("body_b64 is not base64") from None
