"""A vendor's file: what it may state, and what is said of one that is wrong."""

import pytest

from engine.catalogue.document import MAX_BYTES
from engine.catalogue.reader import read_vendor
from engine.catalogue.vendor import EntityKind, Payload, StateClass, Transport
from engine.errors import CatalogueError
from engine.model import Category, Endpoint, Field, Purpose

GOOD = """\
vendor: Frost
kinds: [fridge]
verified:
  source: https://frost.example/docs
  payload: upload
  shape: JSON POST to /v1/report
  date: 2026-03-01
transport: [http]
recipients:
  - organisation: Frost Ltd
    purpose: analytics
    benefit: ice
    if_refused: unknown
    storage: Iceland
    retention: two years
    policy: https://frost.example/privacy
    source: https://frost.example/privacy
    endpoints: [POST http://in.frost.example/v1]
    names: ["mqtt-#.frost.example"]
    functional: ["$.body.serial"]
    neutral: ["$.body.mode"]
marks: ["$.body.serial", "$.body.frost"]
framing: ["xor:5a", "length:u16-be", "crc16-modbus:le"]
data_points:
  - {path: "$.body.cold", name: Cold, category: reading, quantity: temperature, unit: °C, state_class: measurement}
  - {path: "$.body.d[*].v", siblings: [type=2], name: Door, category: reading, quantity: door, entity: enum, options: [open, closed]}
  - {path: "$.body.t#", numbers: 1-3, name: "Tray #", category: reading, optional: true}
answers:
  - {endpoint: POST http://in.frost.example/v1, status: 202, content_type: text/plain, body: ok}
"""  # noqa: E501 - an item a line, as the files have it


def read(text: str) -> object:
    return read_vendor(text.encode(), "frost.yaml")


def test_everything_that_may_be_stated_is_read() -> None:
    vendor = read_vendor(GOOD.encode(), "frost.yaml")
    assert (vendor.key, vendor.vendor, vendor.kinds) == ("frost", "Frost", ("fridge",))
    assert vendor.verified is not None
    assert vendor.verified.payload is Payload.UPLOAD
    assert vendor.verified.date.isoformat() == "2026-03-01"
    assert vendor.transport == {Transport.HTTP}
    assert vendor.is_readable
    [recipient] = vendor.recipients
    assert recipient.purpose is Purpose.ANALYTICS
    assert (recipient.benefit, recipient.if_refused) == ("ice", "")
    assert (recipient.storage, recipient.retention) == ("Iceland", "two years")
    assert recipient.endpoints == (Endpoint.parse("POST http://in.frost.example/v1"),)
    assert recipient.names == ("mqtt-#.frost.example",)
    assert recipient.functional == ("$.body.serial",)
    assert recipient.neutral == ("$.body.mode",)
    assert vendor.marks == {Field("$.body.serial"), Field("$.body.frost")}
    assert vendor.framing == "xor:5a,length:u16-be,crc16-modbus:le"
    assert recipient.framing == vendor.framing
    cold, door, *trays = vendor.data_points
    assert (cold.name, cold.unit, cold.quantity) == ("Cold", "°C", "temperature")
    assert cold.state_class is StateClass.MEASUREMENT
    assert door.field == Field("$.body.d[*].v", ("type=2",))
    assert (door.entity, door.options) == (EntityKind.ENUM, ("open", "closed"))
    assert [one.field.path for one in trays] == ["$.body.t1", "$.body.t2", "$.body.t3"]
    assert [one.name for one in trays] == ["Tray 1", "Tray 2", "Tray 3"]
    assert all(one.optional and one.category is Category.READING for one in trays)
    [answer] = vendor.answers
    assert (answer.status, answer.content_type, answer.body) == (202, "text/plain", b"ok")


def test_one_that_is_known_by_name_says_so_and_needs_little() -> None:
    vendor = read_vendor(
        b"vendor: Frost\nby_name_only: true\nsource: captures\n"
        b"recipients: [{organisation: Frost, purpose: unknown, names: [in.frost.example]}]\n",
        "frost.yaml",
    )
    assert vendor.verified is None
    assert vendor.source == "captures"
    assert not vendor.is_readable
    assert vendor.recipients[0].purpose is None


def test_a_word_stays_the_text_that_it_is() -> None:
    """YAML 1.1 would make a truth of `no`, and another number of a version."""
    vendor = read_vendor(
        GOOD.replace("vendor: Frost", "vendor: no")
        .replace("shape: JSON", "shape: 1.10 JSON")
        .encode(),
        "x.yaml",
    )
    assert vendor.vendor == "no"
    assert vendor.verified is not None
    assert vendor.verified.shape.startswith("1.10 ")


@pytest.mark.parametrize(
    ("before", "after", "line", "what"),
    [
        ("vendor: Frost\n", "", 1, "vendor: it is missing"),
        ("kinds: [fridge]", "kinds: fridge", 2, "kinds: a list is wanted"),
        ("payload: upload", "payload: guess", 5, "verified.payload: one of upload"),
        ("date: 2026-03-01", "date: lately", 7, "verified.date: a date"),
        ("transport: [http]", "transport: [pigeon]", 8, "transport[0]"),
        ("transport: [http]\n", "", 1, "transport: by what"),
        ("purpose: analytics", "purpose: money", 11, "recipients[0].purpose: unknown or one of"),
        ("    policy: https:", "    policy: ftp:", 16, "recipients[0].policy: an address"),
        ("    source: https://frost.example/privacy\n", "", 10, "recipients[0].source: where"),
        (
            "[POST http://in.frost.example/v1]",
            "[POST in.frost.example]",
            18,
            "endpoints[0]: an endpoint is",
        ),
        (
            "[POST http://in.frost.example/v1]",
            "[POST http://in.frost.example:1x/]",
            18,
            "endpoints[0]",
        ),
        ('["mqtt-#.frost.example"]', '["mqtt-{.frost.example"]', 19, "names[0]: braces"),
        (
            '["$.body.serial"]\n    n',
            '["$.body..serial"]\n    n',
            20,
            "functional[0]: at character",
        ),
        ('["$.body.mode"]', '["$.elsewhere.mode"]', 21, "neutral[0]: a path starts"),
        ('["$.body.serial", "$.body.frost"]', '["$.body.serial"]', 22, "marks: one member alone"),
        ('"$.body.frost"]', '"$.body.*"]', 22, "marks[1]: a mark is one member"),
        ('"xor:5a"', '"rot13"', 23, "framing[0]: no such framing"),
        ('"$.body.cold"', '"body.cold"', 25, "data_points[0].path: a field path starts"),
        (
            "category: reading, quantity: t",
            "category: secret, quantity: t",
            25,
            "data_points[0].category: one of",
        ),
        (
            "category: reading, quantity: t",
            "category: opaque, quantity: t",
            25,
            "messages as a whole",
        ),
        ("quantity: temperature", "quantity: coldness", 25, "no such quantity"),
        ("unit: °C", "unit: C", 25, "data_points[0].unit: no such unit"),
        ("[type=2]", "[type=aa:bb]", 26, None),
        ("[type=2]", '["type = 2"]', 26, "siblings[0]: a sibling is"),
        ("entity: enum, ", "", 26, "options: they belong to an enum"),
        ("numbers: 1-3", "numbers: 1-99", 27, "numbers: two numbers"),
        ('"$.body.t#"', '"$.body.cold"', 25, "data_points: a path stands twice"),
        ("status: 202", "status: 500", 29, "answers[0].status: 200"),
        ("body: ok", f"body: {'x' * 600}", 29, "answers[0].body: a text of 1 to 512"),
        ("body: ok", "body: ökay", 29, "answers[0].body: ASCII"),
        (
            "{endpoint: POST http://in.f",
            "{endpoint: POST http://out.f",
            29,
            "none of its recipients'",
        ),
        ("answers:", "answer:", 29, "answer: no such member"),
        ("    benefit: ice", "    benefits: ice", 12, "recipients[0].benefits: no such member"),
        ("vendor: Frost", "vendor: Frost\nvendor: Thaw", 2, "vendor stands twice"),
        ("vendor: Frost", "vendor: &a Frost", 1, "anchors and aliases"),
        ("vendor: Frost", "vendor: !!python/name:os.system x", 1, "tags are not read"),
        ("kinds: [fridge]", "kinds: [[[[[[[[[[fridge]]]]]]]]]]", 2, "too deep"),
        ("vendor: Frost", "vendor: [Frost", 2, ""),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_place(
    before: str, after: str, line: int, what: str | None
) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after, 1)
    if what is None:
        read(text)
        return
    with pytest.raises(CatalogueError) as raised:
        read(text)
    assert str(raised.value).startswith(f"frost.yaml, line {line}: ")
    assert what in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"vendor: \x00",
        b"- a list",
        b"just a text",
        b"a: 1\n---\nb: 2\n",
        b"a: *b\n",
        b"a: &b [*b]\n",
        b"? [a]\n: b\n",
        b"x" * (MAX_BYTES + 1),
        b"[" * 100_000,
        b"{a: " * 50_000,
    ],
    ids=range(12),
)
def test_whatever_stands_there_is_refused_and_not_raised_through(data: bytes) -> None:
    with pytest.raises(CatalogueError, match=r"^bad\.yaml"):
        read_vendor(data, "bad.yaml")


def test_aliases_cannot_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(CatalogueError, match="anchors"):
        read("\n".join(lines))


@pytest.mark.parametrize("name", ["data_points", "recipients", "answers"])
def test_a_list_has_an_end(name: str) -> None:
    with pytest.raises(CatalogueError, match="list"):
        read(GOOD.split(f"{name}:", maxsplit=1)[0] + f"{name}: [{', '.join(['{}'] * 501)}]\n")
