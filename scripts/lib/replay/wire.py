"""The appliance's side: sends a recording's own bytes, and waits for an answer."""

from http.client import HTTPException, HTTPResponse
import re
import socket

from .recording import Recording

_PATIENCE = 45.0
"""Seconds to wait for an answer: longer than the gate waits for a body."""
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?\r\n")


def request(recording: Recording, prefix: str = "") -> bytes:
    """Write a request as recorded; `prefix` goes before its path.

    Added are only a Host header, from the URL, and a Content-Length, each where the recording has
    none and the request could not be read without. A body recorded with chunked coding goes in one
    chunk, unless it still has its chunks.
    """
    names = {name.lower() for name, _ in recording.headers}
    head = [f"{recording.method} {prefix}{recording.target} HTTP/1.1"]
    if "host" not in names:
        head.append(f"Host: {recording.host_header}")
    head += [f"{name}: {value}" for name, value in recording.headers]
    body = recording.body
    if "transfer-encoding" in names:
        if _is_chunked(recording) and not has_chunks(body):
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    elif body and "content-length" not in names:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogatepass") + body


def _is_chunked(recording: Recording) -> bool:
    return any(
        name.lower() == "transfer-encoding" and value.strip().lower() == "chunked"
        for name, value in recording.headers
    )


def has_chunks(data: bytes) -> bool:
    """Tell whether a body is in chunked coding (RFC 9112, section 7.1), from first to last byte."""
    position = 0
    while (size := _CHUNK_SIZE.match(data, position)) is not None:
        length = int(size[1], 16)
        if not length:
            return (
                data.endswith(b"\r\n\r\n")
                and data.find(b"\r\n\r\n", size.end() - 2) == len(data) - 4
            )
        position = size.end() + length + 2
        if data[position - 2 : position] != b"\r\n":
            return False
    return False


def _announced(recording: Recording) -> list[int]:
    lengths = [v.strip() for name, v in recording.headers if name.lower() == "content-length"]
    return [int(one) for one in lengths if one.isdecimal()]


def is_cut_short(recording: Recording) -> bool:
    """Tell whether a recording announces more bytes than it has: then its end must be shown."""
    return any(length > len(recording.body) for length in _announced(recording))


def may_hide_another(recording: Recording) -> bool:
    """Tell whether bytes follow that could be taken for a second request."""
    names = {name.lower() for name, _ in recording.headers}
    return bool(recording.body) and (
        "transfer-encoding" in names or any(n < len(recording.body) for n in _announced(recording))
    )


def send(data: bytes, recording: Recording, gate: tuple[str, int], source: str) -> int | None:
    """Send a request from an address of this machine; return the status of the answer, if any."""
    with socket.create_connection(
        gate, timeout=_PATIENCE, source_address=(source, 0)
    ) as connection:
        try:
            connection.sendall(data)
            if is_cut_short(recording):
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The gate may have answered and closed before it read all of it.
        try:
            response = HTTPResponse(connection, method=recording.method)
            response.begin()
            response.read()
        except HTTPException, OSError:
            return None
        return response.status
