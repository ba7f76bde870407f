"""Bodies in parts: each read like a body, each withheld by itself."""

from email.parser import BytesParser

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from engine.errors import Refused
from engine.model import Blob, Reason, Tree
from engine.payload import multipart
from helpers import HOST, House, post, wire

FORM = "multipart/form-data; boundary=B"
MIXED = 'multipart/mixed; boundary="B"'
NAMED = 'Content-Disposition: form-data; name="'
MEBIBYTE = 1 << 20
SERIAL = "FX-0047110815"


def body(*parts: str | bytes, boundary: str = "B") -> bytes:
    """Parts, each with its headers, between boundaries."""
    start, line = f"--{boundary}".encode(), b"\r\n"
    raw = [one.encode() if isinstance(one, str) else one for one in parts]
    return b"".join(start + line + one + line for one in raw) + start + b"--\r\n"


def field(name: str, value: str | bytes = "1", *headers: str) -> bytes:
    head = "\r\n".join((f'{NAMED}{name}"', *headers, "", ""))
    return head.encode() + (value.encode() if isinstance(value, str) else value)


def told(tree: Tree) -> object:
    """A tree with plain names, so that it can be compared; the repeated stand in a list."""
    if isinstance(tree, dict):
        return [(str(name), told(child)) for name, child in tree.items()]
    return [told(child) for child in tree] if isinstance(tree, list) else tree


READ = {
    "text": (field("a", "x\r\ny"), [("a", [("#content", "x\r\ny")])]),
    "nothing": (field("a", ""), [("a", [("#content", "")])]),
    "name in a token": (b"Content-Disposition: form-data; name=a\r\n\r\n1", None),
    "file": (
        field('a"; filename="é.bin', b"\xff\x00", "Content-Type: application/octet-stream"),
        [("a", [("@filename", "é.bin"), ("#content", "ff00")])],
    ),
    "no file": (
        field('a"; filename="', b"", "Content-Type: application/octet-stream"),
        [("a", [("@filename", "")])],
    ),
    "JSON": (
        field("a", '{"t":1.10}', "Content-Type: application/json"),
        [("a", [("#content", [("t", "1.10")])])],
    ),
    "JSON of a vendor": (
        field("a", "[1]", "Content-Type: application/x.frost+json"),
        [("a", [("@content-type", "application/x.frost+json"), ("#content", ["1"])])],
    ),
    "lines of JSON": (field("a", "1\n2\n", "Content-Type: application/x-ndjson"), None),
    "XML": (
        field("a", "<t>1</t>", "Content-Type: text/xml"),
        [("a", [("#content", [("t", "1")])])],
    ),
    "CBOR": (field("a", b"\xa1at\x01", "Content-Type: application/cbor"), None),
    "a form": (field("a", "t=1", "Content-Type: application/x-www-form-urlencoded"), None),
    "another type": (
        field("a", "%PDF", "Content-Type: application/pdf"),
        [("a", [("@content-type", "application/pdf"), ("#content", b"%PDF".hex())])],
    ),
    "text that is none": (field("a", b"\x00\xff"), [("a", [("#content", "00ff")])]),
    "headers": (
        field("a", "1", "X-One:  two ", "Content-Length: 1", "Content-Transfer-Encoding: BINARY"),
        [("a", [("@x-one", "two"), ("#content", "1")])],
    ),
    "line ends of all kinds": (
        field("a", b"\n\r\r\n\x00--\n", "Content-Type: image/jpeg"),
        [("a", [("#content", b"\n\r\r\n\x00--\n".hex())])],
    ),
    "parts in a part": (
        field(
            "a",
            body("\r\n1", "Content-Id: <1>\r\n\r\n2", boundary="C").removesuffix(b"\r\n"),
            "Content-Type: multipart/mixed; boundary=C",
        ),
        [("a", [("#content", [[("#content", "1")], [("@content-id", "<1>"), ("#content", "2")]])])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_read(case: str) -> None:
    part, expected = READ[case]
    fmt, tree = multipart.decode(body(part, field("z", "end")), FORM)
    assert isinstance(tree, dict)
    if expected is not None:
        assert told(tree) == [*expected, ("z", [("#content", "end")])]
    written = fmt.encode(tree)
    again, same = multipart.decode(written, fmt.content_type)
    assert told(same) == told(tree)
    assert again.encode(same) == written
    assert told(fmt.plain(written)) == told(tree)


def test_a_name_twice_is_one_item() -> None:
    fmt, tree = multipart.decode(body(field("a", "1"), field("b"), field("a", "2")), FORM)
    assert [name for name, _ in told(tree)] == ["a", "b", "a"]  # type: ignore[misc, attr-defined]
    assert fmt.encode(tree).count(b'name="a"') == 2


def test_mixed_is_an_array() -> None:
    data = body('Content-Type: application/json\r\n\r\n{"t":1}', "\r\nx")
    fmt, tree = multipart.decode(data, MIXED)
    assert told(tree) == [[("#content", [("t", "1")])], [("#content", "x")]]
    assert told(fmt.plain(fmt.encode(tree))) == told(tree)


REFUSED = {
    "no boundary": ("multipart/form-data", body(field("a"))),
    "two boundaries": (f"{FORM}; boundary=C", body(field("a"))),
    "boundary written otherwise": ("multipart/form-data; boundary*=utf-8''B", body(field("a"))),
    "boundary too long": (f"multipart/form-data; boundary={'B' * 71}", body(field("a"))),
    "another boundary": ("multipart/form-data; boundary=C", body(field("a"))),
    "nothing": (FORM, b"--B--\r\n"),
    "no end": (FORM, body(field("a")).removesuffix(b"--\r\n")),
    "end without its dashes": (FORM, body(field("a")).removesuffix(b"--\r\n") + b"\r\n"),
    "before the first": (FORM, b"serial\r\n" + body(field("a"))),
    "after the last": (FORM, body(field("a")) + b"serial"),
    "a second end": (FORM, body(field("a")) + b"--B--\r\n"),
    "boundary within": (FORM, body(field("a", "x--B"))),
    "boundary that goes on": (FORM, body(field("a")).replace(b"--B\r\n", b"--Bx\r\n", 1)),
    "boundary after a line feed": (FORM, body(field("a", "x\n--B\nserial"))),
    "line feeds alone": (FORM, body(field("a")).replace(b"\r\n", b"\n")),
    "header folded": (FORM, body(field("a", "1", "X-One: a\r\n b"))),
    "header twice": (FORM, body(field("a", "1", "X-One: a", "x-one: b"))),
    "disposition twice": (FORM, body(field("a", "1", f'{NAMED}b"'))),
    "header without a colon": (FORM, body(field("a", "1", "serial"))),
    "header with a blank before the colon": (FORM, body(field("a", "1", "X-One : 1"))),
    "header with a control character": (FORM, body(field("a", "1", "X-One: \x00"))),
    "header with a line feed": (FORM, body(field("a", "1", "X-One: a\nX-Two: b"))),
    "headers without end": (FORM, body(f'{NAMED}a"')),
    "no disposition": (FORM, body("Content-Type: text/plain\r\n\r\n1")),
    "no name": (FORM, body('Content-Disposition: form-data; filename="a"\r\n\r\n1')),
    "name twice": (FORM, body(field('a"; name="b'))),
    "name with a backslash": (FORM, body(field('a\\"; filename=\\"b'))),
    "name written otherwise": (FORM, body(field("a\"; filename*=\"utf-8''b"))),
    "attachment": (FORM, body('Content-Disposition: attachment; name="a"\r\n\r\n1')),
    "not UTF-8": (FORM, body(NAMED.encode() + b'\xff"\r\n\r\n1')),
    "base64": (FORM, body(field("a", "MQ==", "Content-Transfer-Encoding: base64"))),
    "JSON that is none": (FORM, body(field("a", "{", "Content-Type: application/json"))),
    "document type": (FORM, body(field("a", "<!DOCTYPE a><a/>", "Content-Type: text/xml"))),
    "nested without end": (
        FORM, body(field("a", "--C\r\n\r\n1", "Content-Type: multipart/mixed; boundary=C")),
    ),
    "nested in the same boundary": (
        FORM, body(field("a", body("\r\n1"), "Content-Type: multipart/mixed; boundary=B")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    content_type, data = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        multipart.decode(data, content_type)
    assert refusal.value.reason in (
        Reason.UNREADABLE, Reason.DUPLICATE_KEY, Reason.UNKNOWN_ENCODING,
    )  # fmt: skip


def test_nested_too_deep() -> None:
    inner = b"\r\n1"
    for boundary in ("F", "E", "D", "C"):
        kind = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()
        inner = kind + body(inner, boundary=boundary)
    with pytest.raises(Refused) as refusal:
        multipart.decode(body(inner), MIXED)
    assert refusal.value.reason is Reason.TOO_DEEP


def test_our_boundary_cannot_be_smuggled_in() -> None:
    """A part that looks like several of ours would be read as several."""
    inner = f'x\r\n--part-7b1e0c5d9f24a683-0\r\n{NAMED}b"\r\n\r\n{SERIAL}'
    fmt, tree = multipart.decode(body(field("a", inner)), FORM)
    with pytest.raises(Refused):
        fmt.encode(tree)


HOSTILE = {
    "parts": b"--B\r\n\r\n\r\n" * (MEBIBYTE // 9) + b"--B--",
    "boundaries alone": b"--B" * (MEBIBYTE // 3),
    "headers": body(field("a", "1", *(f"X-{number}: 1" for number in range(80_000)))),
    "one header": body(field("a", "1", "X-One: " + " " * MEBIBYTE + "\x00")),
    "blanks in a disposition": body("Content-Disposition: form-data" + " ; " * 1300 + "x\r\n\r\n1"),
    "blanks in a type": body(field("a", "1", "Content-Type: a;" + " " * 4000 + "x")) + b"x",
    "costly parts": body(
        *(field("a", "<a>" + "<b/>" * 10_000 + "</a>", "Content-Type: text/xml") for _ in range(25))
    ),
    "parts in parts": body(
        *(
            field(
                "a",
                body(*[b"\r\n"] * 400, boundary="C"),
                "Content-Type: multipart/mixed; boundary=C",
            )
            for _ in range(200)
        )
    ),
    "line ends": b"\r\n" * (MEBIBYTE // 2),
}


@pytest.mark.timeout(30)  # what takes the square of a length takes minutes
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(case: str) -> None:
    with pytest.raises(Refused):
        multipart.decode(HOSTILE[case], FORM)


# --- In a household ---

HEADERS = (("Host", HOST), ("Content-Type", FORM))
PICTURE = b"\xff\xd8" + SERIAL.encode() + bytes(range(256))


def report(serial: str = SERIAL, boundary: str = "B") -> bytes:
    return body(
        field("temp", "4.5"),
        field("serial", serial),
        field(
            f'state"; filename="{serial}.json',
            f'{{"door":true,"id":"{serial}"}}',
            "Content-Type: application/json",
            f"X-Serial: {serial}",
        ),
        field(f'picture"; filename="{serial}.jpg', PICTURE, "Content-Type: image/jpeg"),
        boundary=boundary,
    )


def test_part_by_part() -> None:
    house = House()
    assert house.send(post(report(), headers=HEADERS)).outgoing is None
    house.grant("$.body.temp", "$.body.state.door")
    outgoing = house.sent(post(report(), headers=HEADERS))
    assert outgoing.headers == (
        ("Content-Type", "multipart/form-data; boundary=part-7b1e0c5d9f24a683-0"),
    )
    assert outgoing.body == body(
        field("temp", "4.5"),
        field("state", '{"door":true}', "Content-Type: application/json"),
        boundary="part-7b1e0c5d9f24a683-0",
    )
    other = (("Host", HOST), ("Content-Type", f"multipart/form-data; boundary={SERIAL}"))
    same = house.sent(post(report("FX-0047110816", SERIAL), headers=other))
    assert same == outgoing


def test_a_picture_goes_whole_or_not_at_all() -> None:
    house = House()
    house.send(post(report("A"), headers=HEADERS))
    house.grant("$.body.picture")
    outgoing = house.sent(post(report("A"), headers=HEADERS))
    assert outgoing.body == body(
        field("picture", PICTURE, "Content-Type: image/jpeg"),
        boundary="part-7b1e0c5d9f24a683-0",
    )
    assert isinstance(house.send(post(report("A"), headers=HEADERS)).found[-1].value, Blob)


def test_a_file_name_without_its_file() -> None:
    house = House()
    house.send(post(report("A"), headers=HEADERS))
    house.grant("$.body.picture['@filename']")
    [part] = read(house.sent(post(report("A"), headers=HEADERS)).body)
    assert part == ('form-data; name="picture"; filename="A.jpg"', b"")


def test_parts_of_other_kinds() -> None:
    """What a part says of itself as if it stood in a form is a header like any other."""
    house = House()
    headers = (("Host", HOST), ("Content-Type", MIXED))
    data = body(
        f'{NAMED}{SERIAL}"\r\nContent-Type: application/json\r\n\r\n{{"t":1,"s":"{SERIAL}"}}',
        f"Content-Id: <{SERIAL}>\r\n\r\n{SERIAL}",
    )
    house.send(post(data, headers=headers))
    house.grant("$.body[*].t")
    assert SERIAL.encode() not in wire(house.sent(post(data, headers=headers)))
    house.grant(*house.points)
    all_of_it = house.sent(post(data, headers=headers))
    assert all_of_it.body.count(SERIAL.encode()) == 4


def read(data: bytes) -> list[tuple[str, bytes]]:
    head = b"Content-Type: multipart/form-data; boundary=part-7b1e0c5d9f24a683-0\r\n\r\n"
    message = BytesParser().parsebytes(head + data)
    return [
        (str(part["content-disposition"]), part.get_payload(decode=True))  # type: ignore[misc]
        for part in message.get_payload()
    ]


def test_names_that_are_data() -> None:
    house = House()
    data = body(field("24:C8:6E:06:B1:5C", "5"), field("a", "1"))
    house.send(post(data, headers=HEADERS))
    house.grant(*(one for one in house.points if one.field.siblings != ("name",)))
    left = wire(house.sent(post(data, headers=HEADERS)))
    assert b"24:C8" not in left
    assert b'name="_1"\r\n\r\n5\r\n' in left


WORDS = st.sampled_from(["temp", "door", "é", "a b"])
TYPES = st.sampled_from(
    ["", "text/plain", "application/json", "image/jpeg", "application/x-y", "text/xml"]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(WORDS, st.booleans(), st.booleans(), TYPES), min_size=1, max_size=5),
    st.data(),
)
def test_no_value_leaves_without_its_consent(
    shape: list[tuple[str, bool, bool, str]], data: st.DataObject
) -> None:
    values: dict[str, str] = {}

    def value(path: str) -> str:
        canary = f"canary-{len(values)}x"
        values[canary] = path
        return canary

    parts: list[bytes] = []
    for name, is_file, has_header, kind in shape:
        here = f"$.body.{name}" if name.isalpha() else f"$.body['{name}']"
        file_name = f'"; filename="{value(f"{here}['@filename']")}' if is_file else ""
        headers = [f"X-One: {value(f"{here}['@x-one']")}"] if has_header else []
        headers += [f"Content-Type: {kind}"] if kind else []
        inner = {
            "application/json": lambda here=here: f'{{"v":"{value(f"{here}.v")}"}}',
            "text/xml": lambda here=here: f"<v>{value(f'{here}.v')}</v>",
        }.get(kind, lambda here=here: value(here))()
        parts.append(field(name + file_name, inner, *headers))
    house = House()
    assert house.send(post(body(*parts), headers=HEADERS)).outgoing is None
    granted = data.draw(st.sets(st.sampled_from(sorted(one.field.path for one in house.points))))
    house.grant(*granted)
    examined = house.send(post(body(*parts), headers=HEADERS))
    left = wire(examined.outgoing).decode() if examined.outgoing is not None else ""
    assert bool(left) == bool(granted)
    for canary, path in values.items():
        assert (canary in left) == (path in granted)
        assert canary.encode().hex() not in left
