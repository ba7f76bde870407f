"""A request as one tree: what of it is the appliance's data, and what is written again."""

import gzip

import pytest

from engine.errors import Refused
from engine.model import Reason, Transmission
from engine.payload import request as requests
from engine.redaction.identifiers import looks_like_data
from helpers import HOST, post

MAC = "24:C8:6E:06:B1:5C"


def read(transmission: Transmission) -> requests.Message:
    return requests.read(transmission, looks_like_data)


def headers(*pairs: tuple[str, str]) -> requests.Message:
    return read(post(headers=pairs))


BAD_TARGETS = {
    "dot": ("/a/./b", Reason.PATH_CONFLICT),
    "dots": ("/a/../b", Reason.PATH_CONFLICT),
    "dots at the end": ("/a/..", Reason.PATH_CONFLICT),
    "dots, escaped": ("/a/%2e%2E/b", Reason.PATH_CONFLICT),
    "dots, half escaped": ("/a/.%2e/b", Reason.PATH_CONFLICT),
    "slash, escaped": ("/a%2fb", Reason.PATH_CONFLICT),
    "backslash, escaped": ("/a%5cb", Reason.PATH_CONFLICT),
    "NUL": ("/a%00", Reason.PATH_CONFLICT),
    "line end, escaped": ("/a%0d%0aHost:x", Reason.PATH_CONFLICT),
    "empty segment": ("/a//b", Reason.PATH_CONFLICT),
    "another host": ("//evil.example/a", Reason.PATH_CONFLICT),
    "backslash": ("/a\\b", Reason.BAD_REQUEST),
    "fragment": ("/a#b", Reason.BAD_REQUEST),
    "fragment in the query": ("/a?b#c", Reason.BAD_REQUEST),
    "space": ("/a b", Reason.BAD_REQUEST),
    "not ASCII": ("/é", Reason.BAD_REQUEST),
    "control character": ("/a\x7f", Reason.BAD_REQUEST),
    "absolute form": (f"http://{HOST}/a", Reason.BAD_REQUEST),
    "asterisk": ("*", Reason.BAD_REQUEST),
    "nothing": ("", Reason.BAD_REQUEST),
    "half an escape": ("/a%2", Reason.UNREADABLE),
    "not UTF-8": ("/%ff", Reason.UNREADABLE),
    "query with half an escape": ("/a?b=%", Reason.UNREADABLE),
    "item twice": ("/a?b=1&b=2", Reason.DUPLICATE_KEY),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_target_refused(case: str) -> None:
    target, reason = BAD_TARGETS[case]
    with pytest.raises(Refused) as refusal:
        read(post(target=target))
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    ("target", "path"),
    [("/", "/"), ("/a/b/", "/a/b/"), ("/%61?x=%2e", "/a"), ("/a+b", "/a+b"), ("/%252e", "/%2e")],
)
def test_path(target: str, path: str) -> None:
    assert requests.path_of(target) == path


def test_segments_that_are_data() -> None:
    message = read(post(target=f"/v1/devices/{MAC}/%61bc/20210823?q=1"))
    assert message.template == f"POST {HOST}/v1/devices/*/abc/*"
    assert message.tree["path"] == {"2": MAC, "4": "20210823"}
    assert requests.template_of(message.transmission, looks_like_data) == message.template


def test_query_is_data() -> None:
    message = read(post(target='/v1?a=1&flag&t={"b":2}'.replace('"', "%22")))
    query = message.tree["query"]
    assert isinstance(query, dict)
    assert (query["a"], query["flag"]) == ("1", None)
    assert "query" not in read(post(target="/v1?&")).tree


CONSTANT = [
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Content-Encoding", "gzip"),
]
DATA = [
    ("User-Agent", "Fridge/1.0 (serial 4711)"),
    ("Accept", "application/x-serial-4711"),
    ("Accept-Language", "de"),
    ("Authorization", "Bearer abc"),
    ("Content-Type", "application/json; serial=4711"),
    ("X-Anything", "1"),
    ("Origin", "https://a.example"),
    ("Referer", "https://a.example/serial"),
    ("If-None-Match", '"serial"'),
    ("Date", "Mon, 23 Nov 2026 21:00:00 GMT"),
]
ENDING = [
    ("Connection", "close, X-Serial"),
    ("Keep-Alive", "timeout=4711"),
    ("Proxy-Authorization", "Basic abc"),
    ("TE", "trailers"),
    ("Transfer-Encoding", "chunked"),
    ("Content-Length", "4711"),
    ("Expect", "100-continue"),
    ("Host", "cloud.example:4711"),
    ("Via", "1.1 serial"),
    ("Forwarded", "for=192.0.2.7"),
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Real-IP", "192.0.2.7"),
]


@pytest.mark.parametrize("header", CONSTANT, ids=lambda header: header[0])
def test_header_that_says_nothing(header: tuple[str, str]) -> None:
    body = gzip.compress(b"{}", mtime=0) if header[0] == "Content-Encoding" else b"{}"
    shouted = (header[0].upper(), header[1])
    message = read(post(body, headers=[shouted]))
    assert "header" not in message.tree
    assert message.headers == (header,), "in our spelling"
    assert (header[0].lower(), header[1]) in message.constant_headers


@pytest.mark.parametrize("name", ["Content-Type", "Content-Encoding"])
def test_header_of_no_body_is_left_out(name: str) -> None:
    message = headers((name, "gzip"))
    assert (message.headers, message.tree) == ((), {})


@pytest.mark.parametrize("header", DATA, ids=lambda header: header[0])
def test_header_that_is_data(header: tuple[str, str]) -> None:
    message = read(post(b"{}", headers=[header]))
    assert message.tree["header"] == {header[0].lower(): header[1]}
    written = requests.write(message, {"body": {}}, "http://c", untouched=False)
    assert header[1] not in str(written.headers)


@pytest.mark.parametrize("header", ENDING, ids=lambda header: header[0])
def test_header_that_ends_here(header: tuple[str, str]) -> None:
    message = headers(header)
    assert message.tree == {}
    assert message.headers == ()


def test_codings_accepted_are_those_known() -> None:
    message = headers(("Accept-Encoding", "br;q=1, gzip;q=0.8, serial-4711, deflate"))
    assert message.headers == (("Accept-Encoding", "gzip, deflate"),)
    assert headers(("Accept-Encoding", "serial-4711")).headers == ()


def test_content_encoding_is_no_place_for_data() -> None:
    with pytest.raises(Refused) as refusal:
        read(post(b'{"a":1}', headers=[("Content-Encoding", "serial-4711")]))
    assert refusal.value.reason is Reason.UNKNOWN_ENCODING


BAD_HEADERS = {
    "twice": ([("X-A", "1"), ("x-a", "1")], Reason.DUPLICATE_KEY),
    "content type twice": ([("Content-Type", "a/b")] * 2, Reason.DUPLICATE_KEY),
    "line end": ([("X-A", "1\r\nX-B: 2")], Reason.BAD_REQUEST),
    "NUL": ([("X-A", "1\x00")], Reason.BAD_REQUEST),
    "name with a space": ([("X A", "1")], Reason.BAD_REQUEST),
    "name with a colon": ([("X:A", "1")], Reason.BAD_REQUEST),
    "no name": ([("", "1")], Reason.BAD_REQUEST),
    "upgrade": ([("Upgrade", "websocket")], Reason.PROTOCOL_NOT_ALLOWED),
    "trailers": ([("Trailer", "X-A")], Reason.PROTOCOL_NOT_ALLOWED),
    "cookie twice": ([("Cookie", "a=1; a=2")], Reason.DUPLICATE_KEY),
    "cookie without a name": ([("Cookie", "secret")], Reason.UNREADABLE),
    "cookie with a strange name": ([("Cookie", "a b=1")], Reason.UNREADABLE),
    "empty cookie": ([("Cookie", "")], Reason.UNREADABLE),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_headers_refused(case: str) -> None:
    pairs, reason = BAD_HEADERS[case]
    with pytest.raises(Refused) as refusal:
        headers(*pairs)
    assert refusal.value.reason is reason


def test_cookies() -> None:
    message = headers(("Cookie", "a=1; b=x=y;c="))
    assert message.tree["cookie"] == {"a": "1", "b": "x=y", "c": ""}
    written = requests.write(message, {"cookie": {"b": "x=y"}}, "http://c", untouched=False)
    assert written.headers == (("Cookie", "b=x=y"),)


def test_written_as_it_came() -> None:
    transmission = post(
        '{ "a": 1.10 }',
        target=f"/v1/{MAC}/%41?b=%20&flag",
        headers=[("X-One", "1"), ("Content-Type", "application/json"), ("Cookie", "c=2")],
    )
    message = read(transmission)
    written = requests.write(message, message.tree, "https://c", untouched=True)
    assert (written.target, written.body) == (transmission.target, transmission.body)
    assert written.headers == transmission.headers
    assert requests.write(message, message.tree, "https://c", untouched=False).body == b'{"a":1.10}'


def test_segment_cannot_be_left_out() -> None:
    message = read(post(target=f"/v1/{MAC}"))
    with pytest.raises(Refused) as refusal:
        requests.write(message, {"path": {}}, "https://c", untouched=False)
    assert refusal.value.reason is Reason.SEGMENT_WITHHELD


def test_content_type_that_is_withheld_becomes_the_formats_own() -> None:
    message = read(post('{"a":1}', headers=[("Content-Type", "application/json; serial=4711")]))
    written = requests.write(message, {"body": {}}, "https://c", untouched=False)
    assert written.headers == (("Content-Type", "application/json"),)
