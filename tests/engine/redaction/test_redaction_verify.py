"""The second reading: whatever is altered in a message that may leave, it notices."""

import base64
from collections.abc import Callable
from dataclasses import replace
import gzip
import json

import pytest

from engine.errors import Refused
from engine.model import Leaf, Number, OutgoingRequest, Reason
from engine.payload import body as bodies, compression
from engine.redaction import verify

TIME = "1618691453"
LONG = "12345678901234567"
INNER = base64.b64encode(b'{"deep":1}').decode()
BODY = (
    '{"temperature":21.50,"doors":[{"open":true,"note":""},{"open":false}],"name":"kitchen",'
    f'"id":{LONG},"big":18446744073709551615,"none":null,"empty":[],"{TIME}":7,'
    f'"in":"{{\\"a\\":1,\\"b\\":[{LONG}]}}","packed":"{INNER}"}}'
)
LEAVES: list[tuple[str, Leaf]] = [
    ("$.path[2]", TIME),
    ("$.query.q", "é x"),
    ("$.query.flag", None),
    ("$.header['user-agent']", "Fridge/1.0"),
    ("$.cookie.sid", "s1"),
    ("$.cookie.lang", "de"),
    ("$.body.temperature", Number("21.50")),
    ("$.body.doors[*].open", True),
    ("$.body.doors[*].note", ""),
    ("$.body.doors[*].open", False),
    ("$.body.name", "kitchen"),
    ("$.body.id", Number(LONG)),
    ("$.body.big", Number("18446744073709551615")),
    ("$.body.none", None),
    ("$.body.empty", []),
    (f"$.body['{TIME}']~", TIME),
    (f"$.body['{TIME}']", Number("7")),
    ("$.body.in.a", Number("1")),
    ("$.body.in.b[*]", Number(LONG)),
    ("$.body.packed.deep", Number("1")),
]
GOOD = OutgoingRequest(
    method="POST",
    origin="https://cloud.example",
    target=f"/v1/devices/{TIME}?q=%C3%A9+x&flag",
    headers=(
        ("Content-Type", "application/json"),
        ("User-Agent", "Fridge/1.0"),
        ("Cookie", "sid=s1; lang=de"),
    ),
    body=BODY.encode(),
)
EXPECTED = verify.Expected(
    leaves=LEAVES,
    segments=("v1", "devices", TIME),
    constant_headers=frozenset({("content-type", "application/json")}),
    read_body=bodies.JSON.plain,
    is_json=True,
)


def body(old: str, new: str) -> Callable[[OutgoingRequest], OutgoingRequest]:
    def alter(request: OutgoingRequest) -> OutgoingRequest:
        text = request.body.decode()
        assert text.count(old) == 1
        return replace(request, body=text.replace(old, new).encode())

    return alter


def target(new: str) -> Callable[[OutgoingRequest], OutgoingRequest]:
    return lambda request: replace(request, target=new)


def header(*headers: tuple[str, str]) -> Callable[[OutgoingRequest], OutgoingRequest]:
    return lambda request: replace(request, headers=headers)


def more(*headers: tuple[str, str]) -> Callable[[OutgoingRequest], OutgoingRequest]:
    return lambda request: replace(request, headers=(*request.headers, *headers))


ALTERATIONS = {
    # A leaf more, a leaf less
    "extra member": body('"name"', '"serial":"x","name"'),
    "extra member, empty": body('"name"', '"serial":{},"name"'),
    "extra member, null": body('"name"', '"serial":null,"name"'),
    "extra element": body('{"open":false}', '{"open":false},{"open":false}'),
    "extra element in an empty list": body('"empty":[]', '"empty":[1]'),
    "extra list around": body('"name":"kitchen"', '"name":["kitchen"]'),
    "extra object within": body('"note":""', '"note":{"x":""}'),
    "member left out": body('"name":"kitchen",', ""),
    "element left out": body(',{"open":false}', ""),
    "member twice": body('"name":"kitchen"', '"name":"serial","name":"kitchen"'),
    "member twice, escaped": body('"name":"kitchen"', '"n\\u0061me":"s","name":"kitchen"'),
    "member twice in a string": body('\\"a\\":1', '\\"a\\":2,\\"a\\":1'),
    "second document": body(f'{INNER}"}}', f'{INNER}"}}{{"serial":1}}'),
    "emptied": lambda request: replace(request, body=b"{}"),
    "no body": lambda request: replace(request, body=b""),
    "not JSON": lambda request: replace(request, body=b"serial"),
    # Another value
    "another text": body('"kitchen"', '"kitchen2"'),
    "another case": body('"kitchen"', '"Kitchen"'),
    "text not emptied": body('"note":""', '"note":"x"'),
    "another number": body("21.50", "21.51"),
    "number as text": body("21.50", '"21.50"'),
    "boolean turned": body('"open":false', '"open":true'),
    "boolean as number": body('"open":false', '"open":0'),
    "null as false": body('"none":null', '"none":false'),
    "null as text": body('"none":null', '"none":""'),
    "empty list as object": body('"empty":[]', '"empty":{}'),
    "last digit of a long number": body(f'"id":{LONG}', '"id":12345678901234568'),
    "long number, as a float the same": body("18446744073709551615", "18446744073709551616"),
    "long number with a fraction": body(f'"id":{LONG}', f'"id":{LONG}.0'),
    "long number with an exponent": body(f'"id":{LONG}', '"id":1.2345678901234567e16'),
    "long number in a string": body(f"[{LONG}]", "[12345678901234568]"),
    "digits a float has no room for": body("21.50", "21.5000000000000000001"),
    "values exchanged": lambda request: body('7,"in"', '21.50,"in"')(
        body('"temperature":21.50', '"temperature":7')(request)
    ),
    # Another name
    "renamed": body('"name"', '"label"'),
    "renamed by case": body('"name"', '"Name"'),
    "name that is data, another": body(f'"{TIME}":7', '"1618691454":7'),
    "name that is data where there was none": body('"name"', '"24:C8:6E:06:B1:5C"'),
    "name that is data, left out": body(f'"{TIME}":7', '"_1":7'),
    "renamed in a string": body('\\"a\\"', '\\"c\\"'),
    # Strings with trees
    "extra in a string": body('\\"a\\":1', '\\"a\\":1,\\"c\\":2'),
    "text after the tree": body(']}"', ']} serial"'),
    "string with a tree, not opened": body(INNER, base64.b64encode(b'{"deep":1,"b":2}').decode()),
    "base64 turned into something else": body(INNER, "c2VyaWFs"),
    "value into a string": body('"kitchen"', '"{\\"name\\":\\"kitchen\\"}"'),
    # Target
    "segment altered": target(f"/v1/device/{TIME}?q=%C3%A9+x&flag"),
    "segment added": target(f"/v1/devices/{TIME}/serial?q=%C3%A9+x&flag"),
    "segment left out": target("/v1/devices?q=%C3%A9+x&flag"),
    "segment that is data altered": target("/v1/devices/1618691454?q=%C3%A9+x&flag"),
    "data for a name": target(f"/v1/{TIME}/{TIME}?q=%C3%A9+x&flag"),
    "dot segment": target(f"/v1/x/../devices/{TIME}?q=%C3%A9+x&flag"),
    "item added": target(f"/v1/devices/{TIME}?q=%C3%A9+x&flag&serial=1"),
    "flag added": target(f"/v1/devices/{TIME}?q=%C3%A9+x&flag&serial"),
    "item twice": target(f"/v1/devices/{TIME}?q=serial&q=%C3%A9+x&flag"),
    "item left out": target(f"/v1/devices/{TIME}?flag"),
    "item altered": target(f"/v1/devices/{TIME}?q=%C3%A8+x&flag"),
    "flag with a value": target(f"/v1/devices/{TIME}?q=%C3%A9+x&flag=1"),
    "query left out": target(f"/v1/devices/{TIME}"),
    "fragment": target(f"/v1/devices/{TIME}?q=%C3%A9+x&flag#serial"),
    "not UTF-8": target(f"/v1/devices/{TIME}?q=%E9+x&flag"),
    # Headers
    "header added": more(("X-Serial", "1")),
    "header twice": more(("User-Agent", "Fridge/1.0")),
    "constant header twice": more(("content-type", "application/json")),
    "constant header with another value": more(("Accept", "application/serial")),
    "header altered": header(
        GOOD.headers[0], ("User-Agent", "Fridge/1.1"), ("Cookie", "sid=s1; lang=de")
    ),
    "header renamed": header(GOOD.headers[0], ("X-Agent", "Fridge/1.0"), GOOD.headers[2]),
    "header left out": header(GOOD.headers[0], GOOD.headers[2]),
    "header's name is data": more(("24c86e06b15c1234", "x")),
    "content type altered": header(("Content-Type", "application/serial"), *GOOD.headers[1:]),
    "cookie added": header(*GOOD.headers[:2], ("Cookie", "sid=s1; lang=de; serial=1")),
    "cookie altered": header(*GOOD.headers[:2], ("Cookie", "sid=s2; lang=de")),
    "cookie twice": header(*GOOD.headers[:2], ("Cookie", "sid=s1; lang=de; sid=s1")),
    "cookie left out": header(*GOOD.headers[:2], ("Cookie", "sid=s1")),
    "cookie hidden in another": header(*GOOD.headers[:2], ("Cookie", "sid=s1;serial=1; lang=de")),
}  # fmt: skip


def test_what_was_released_passes() -> None:
    outside = verify.check(GOOD, EXPECTED)
    assert outside.texts == ["v1", "devices", "application/json"]
    assert {"temperature", "doors", "open", "sid", "q", "user-agent", "deep"} <= set(outside.names)
    assert not {"kitchen", "s1", "Fridge/1.0", TIME, LONG} & {*outside.texts, *outside.names}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_altered(alteration: str) -> None:
    altered = ALTERATIONS[alteration](GOOD)
    assert altered != GOOD
    with pytest.raises(Refused) as refusal:
        verify.check(altered, EXPECTED)
    assert refusal.value.reason is Reason.EGRESS_CHECK_FAILED
    assert "serial" not in f"{refusal.value}{refusal.value.__cause__!r}"


SAME = {
    "order of members": lambda request: replace(
        request, body=json.dumps(dict(reversed(json.loads(BODY).items()))).encode()
    ),
    "spaces": lambda request: replace(
        request, body=json.dumps(json.loads(BODY), indent=1).encode()
    ),
    "escapes": body('"kitchen"', '"kit\\u0063hen"'),
    "escapes in the query": target(f"/v1/devices/{TIME}?q=%c3%a9%20x&flag="),
    "escapes in the path": target(f"/%76%31/devices/{TIME}?q=%C3%A9+x&flag"),
    "empty items": target(f"/v1/devices/{TIME}?q=%C3%A9+x&&flag&"),
}


@pytest.mark.parametrize("way", SAME)
def test_the_same_written_otherwise_passes(way: str) -> None:
    verify.check(SAME[way](GOOD), EXPECTED)


@pytest.mark.parametrize(
    "number",
    ["0", "-0", "1e5", "1.10", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
     "18446744073709551615", "18446744073709551616", "1234567890123456789012345678901234567890",
     "0.1000000000000000055511151231257827", "-1.7976931348623157e308", "4.9e-324"],
)  # fmt: skip
def test_numbers_pass(number: str) -> None:
    expected = replace(
        EXPECTED,
        leaves=[("$.body.n", Number(number))],
        segments=("",),
        constant_headers=frozenset(),
    )
    request = replace(GOOD, target="/", headers=(), body=f'{{"n":{number}}}'.encode())
    verify.check(request, expected)
    with pytest.raises(Refused):
        verify.check(replace(request, body=b'{"n":2}'), expected)


@pytest.mark.parametrize("container", ["{}", "[]", "null"])
def test_empty_body_of_which_nothing_is_released(container: str) -> None:
    expected = replace(EXPECTED, leaves=[], segments=("",), constant_headers=frozenset())
    request = replace(GOOD, target="/", headers=(), body=container.encode())
    verify.check(request, expected)
    for other in ('""', "0", "false", "[[]]", '{"a":null}', '" "'):
        with pytest.raises(Refused):
            verify.check(replace(request, body=other.encode()), expected)


def test_body_where_there_was_none() -> None:
    expected = replace(
        EXPECTED, leaves=[], segments=("",), constant_headers=frozenset(), read_body=None
    )
    verify.check(replace(GOOD, target="/", headers=(), body=b""), expected)
    with pytest.raises(Refused):
        verify.check(replace(GOOD, target="/", headers=(), body=b"{}"), expected)


@pytest.mark.parametrize("after", [b"", b"serial", gzip.compress(b"serial")])
def test_compressed(after: bytes) -> None:
    expected = replace(EXPECTED, inflate=lambda data: compression.decompress(data, "gzip"))
    request = replace(GOOD, body=gzip.compress(GOOD.body, mtime=0) + after)
    if not after:
        verify.check(request, expected)
        return
    with pytest.raises(Refused):
        verify.check(request, expected)


def test_form() -> None:
    """Long runs of digits in a form are texts, whatever escape stands before them."""
    expected = verify.Expected(
        leaves=[("$.body.id", "x 12345678901234567"), ("$.body.flag", None)],
        segments=("",),
        constant_headers=frozenset(),
        read_body=bodies.FORM.plain,
    )
    request = replace(GOOD, target="/", headers=(), body=b"id=x%2012345678901234567&flag\r\n")
    verify.check(request, expected)
    for altered in (b"id=x%2012345678901234568&flag", b"id=x%2012345678901234567&flag&a=1"):
        with pytest.raises(Refused):
            verify.check(replace(request, body=altered), expected)


@pytest.mark.parametrize(
    ("texts", "names", "reason"),
    [
        (["nothing"], ["door"], None),
        (["x24C86E06B15Cx"], [], Reason.IDENTITY_FOUND),
        ([], ["m24c86e06b15c"], Reason.IDENTITY_FOUND),
        (["a table4table5table b"], [], Reason.WITHHELD_VALUE_FOUND),
        (["table4table5table"], [], Reason.WITHHELD_VALUE_FOUND),
        ([], ["table4table5table"], None),
        (["table4table5tables"], [], None),
    ],
)
def test_search(texts: list[str], names: list[str], reason: Reason | None) -> None:
    found = verify.search(
        verify.Outside(texts, names), frozenset({"24c86e06b15c"}), frozenset({"table4table5table"})
    )
    assert found is reason
