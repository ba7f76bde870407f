"""A body's format: declared, and believed only if the bytes agree."""

import gzip

import pytest

from engine.errors import Refused
from engine.model import Reason
from engine.payload import body as bodies

XML = b"<?xml version='1.0'?><a b='1'>2</a>"
JSON, NDJSON, FORM, TEXT = b'{"a":1}', b'{"a":1}\n{"a":2}\n', b"a=1&b=2", b"all is well"
READ = {
    "JSON": ("application/json", JSON, "json"),
    "JSON with a charset": ('application/json; charset="UTF-8"', JSON, "json"),
    "JSON of a vendor": ("application/vnd.fridge+json", JSON, "json"),
    "JSON undeclared": ("", JSON, "json"),
    "JSON as bytes": ("application/octet-stream", JSON, "json"),
    "JSON as text": ("text/plain", b" \n[1]", "json"),
    "JSON called a form": ("application/x-www-form-urlencoded", JSON, "json"),
    "scalar": ("application/json", b'"x"', "json"),
    "lines of JSON": ("application/x-ndjson", NDJSON, "ndjson"),
    "lines of JSON, undeclared": ("", NDJSON, "ndjson"),
    "lines of JSON called a form": ("application/x-www-form-urlencoded", NDJSON, "ndjson"),
    "form": ("application/x-www-form-urlencoded", FORM, "form"),
    "form undeclared": ("", FORM, "form"),
    "form with a line end": ("", FORM + b"\r\n", "form"),
    "text": ("text/plain; charset=utf-8", TEXT, "text"),
    "text undeclared": ("", TEXT, "text"),
    "text with an equals sign": ("", b"a b=c", "text"),
    "unreadable header": (";;", TEXT, "text"),
    "XML": ("application/xml", XML, "xml"),
    "XML as text": ("text/xml; charset=utf-8", XML, "xml"),
    "XML of a vendor": ("application/soap+xml; action=x", XML, "xml"),
    "XML undeclared": ("", XML, "xml"),
    "XML called a form": ("application/x-www-form-urlencoded", XML, "xml"),
    "XML declared Latin-1, in ASCII": ("text/xml; charset=iso-8859-1", XML, "xml"),
    "parts": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
        "multipart",
    ),
    "syslog": ("text/plain", b"<134>all is well", "text"),
}


@pytest.mark.parametrize("case", READ)
def test_read(case: str) -> None:
    declared, data, name = READ[case]
    body = bodies.decode(data, declared, "")
    assert body is not None
    assert body.format.name == name
    written = bodies.encode(body, body.tree)
    again = bodies.decode(written, body.format.content_type, "")
    assert again is not None
    assert again.tree == body.tree
    if body.format.goes_as_it_came:
        assert bodies.plain(body, written) == body.format.plain(data)


REFUSED = {
    "form called JSON": ("application/json", FORM, Reason.UNREADABLE),
    "lines called JSON": ("application/json", NDJSON, Reason.TRAILING_BYTES),
    "text called JSON": ("application/json", TEXT, Reason.UNREADABLE),
    "text called a form": ("application/x-www-form-urlencoded", TEXT, Reason.UNREADABLE),
    "form called lines": ("application/x-ndjson", FORM, Reason.UNREADABLE),
    "parts without a name": (
        "multipart/form-data; boundary=x",
        b"--x\r\n\r\n--x--",
        Reason.UNREADABLE,
    ),
    "parts of another kind": (
        "multipart/alternative; boundary=x",
        b"--x\r\n\r\n--x--",
        Reason.UNREADABLE,
    ),
    "XML cut short": ("application/xml", b"<a>", Reason.UNREADABLE),
    "XML undeclared, cut short": ("", b'<?xml version="1.0"?>', Reason.UNREADABLE),
    "JSON called XML": ("application/xml", JSON, Reason.UNREADABLE),
    "UTF-7": ("text/xml; charset=utf-7", b"<a>+ADw-</a>", Reason.UNREADABLE),
    "protobuf": ("application/x-protobuf", b"\x08\x96\x01", Reason.UNREADABLE),
    "image": ("image/jpeg", b"\xff\xd8", Reason.UNREADABLE),
    "bytes": ("application/octet-stream", bytes(range(256)), Reason.UNREADABLE),
    "CBOR undeclared": ("", b"\xa1\x61a\x01", Reason.UNREADABLE),
    "UTF-16": ("application/json; charset=utf-16", JSON.decode().encode("utf-16-le"), None),
    "Latin-1": ("text/plain; charset=iso-8859-1", "é".encode("latin-1"), Reason.UNREADABLE),
    "JSON cut short": ("", b'{"a":', Reason.UNREADABLE),
    "duplicate": ("", b'{"a":1,"a":2}', Reason.DUPLICATE_KEY),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    declared, data, reason = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        bodies.decode(data, declared, "")
    assert reason is None or refusal.value.reason is reason


def test_no_body() -> None:
    assert bodies.decode(b"", "application/json", "gzip") is None


def test_nothing_compressed_is_no_body() -> None:
    with pytest.raises(Refused):
        bodies.decode(gzip.compress(b""), "application/json", "gzip")


def test_compressed_and_written_again() -> None:
    body = bodies.decode(gzip.compress(b'{"a": 1.10}'), "application/json", "gzip")
    assert body is not None
    assert gzip.decompress(bodies.encode(body, body.tree)) == b'{"a":1.10}'


@pytest.mark.parametrize(
    "data", [b'{"a":"\\u00e9"}', '{"a":"é"}'.encode(), b'{ "\\u0061": "\\u00E9"}']
)
def test_written_in_one_way(data: bytes) -> None:
    """However the appliance escapes: that may be seen in what is withheld only."""
    body = bodies.decode(data, "", "")
    assert body is not None
    assert bodies.encode(body, body.tree) == b'{"a":"\\u00e9"}'


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("application/json", "application/json"),
        ("Application/JSON;   Charset=UTF-8", "application/json; charset=utf-8"),
        ("application/nobody.home+json", None),
        ("text/plain;charset=us-ascii", "text/plain; charset=us-ascii"),
        ("application/json; charset=utf-16", None),
        ("application/json; serial=4711", None),
        ("application/json; charset=utf-8; serial=4711", None),
        ("application/serial4711+json", None),
        ("image/png", None),
        (
            "multipart/form-data; boundary=serial-4711",
            "multipart/form-data; boundary=part-7b1e0c5d9f24a683-0",
        ),
    ],
)
def test_header_that_says_nothing_else(header: str, media: str | None) -> None:
    assert bodies.constant_type(header) == media
