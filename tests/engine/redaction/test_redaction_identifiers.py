"""Identities: recognised by shape and by name, and found again however they are written."""

import base64
from urllib.parse import quote

from hypothesis import given, settings, strategies as st
import pytest

from engine.model import Field, Leaf, Number
from engine.redaction import identifiers

MAC = "24:C8:6E:06:B1:5C"
UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
NORMAL = identifiers.normalise(MAC)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("doorOpenCount", ["door", "open", "count"]),
        ("door_open-count", ["door", "open", "count"]),
        ("DUID", ["duid"]),
        ("otnDUID", ["otn", "duid"]),
        ("soilmoisture1", ["soilmoisture", "1"]),
        ("", []),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert identifiers.words(name) == words


@pytest.mark.parametrize(
    "name",
    [
        MAC, NORMAL, "24-c8-6e-06-b1-5c", "24c8.6e06.b15c", UUID, UUID.replace("-", ""),
        "anna@example.org", "192.0.2.7", "2001:db8::1:2", "2023-09-02", "2023-09-02T10:39:45Z",
        "02.09.2023", "10:39", "1618691453", "12345", "-12345", "52.516263", "52.5162,13.3777",
        "0x1234abcd", "deadbeef1", "f998be4b9ccc9e136fd8cd8e8e344c31", "abc123def456",
        "12:34:56:00:01:01:01:b8", "airgradient:84fce6001122", "id=1234567", "meter.84fce6001122",
        "probe;84:fc:e6:00:11:22",
    ],
)  # fmt: skip
def test_name_that_is_data(name: str) -> None:
    assert identifiers.looks_like_data(name)


@pytest.mark.parametrize(
    "name",
    ["", "door", "temp1f", "soilmoisture1", "main", "samsungce.fridgePantryInfo", "icemaker-02",
     "v1", "1234", "pantry-01", "x.com.samsung.da.items", "facade", "cafebabe", "WH40BATT"],
)  # fmt: skip
def test_name_that_is_a_name(name: str) -> None:
    assert not identifiers.looks_like_data(name)


@pytest.mark.parametrize(
    ("path", "value", "identity"),
    [
        ("$.body.anything", MAC, NORMAL),
        ("$.body.anything", "24c8.6e06.b15c", NORMAL),
        ("$.body.anything", UUID, UUID.replace("-", "")),
        ("$.body.anything", "Anna@Example.org", "annaexampleorg"),
        ("$.body.anything", "52.516263, 13.377726", "5251626313377726"),
        ("$.body.anything", "12:34:56:00:01:01:01:b8", "12345600010101b8"),
        ("$.body.serialNumber", "ABC-00471", "abc00471"),
        ("$.body.device_serial", "ABC00471", "abc00471"),
        ("$.body.wifi.mac.value", "0123456789AB", "0123456789ab"),
        ("$.body.userId", Number("4711471"), "4711471"),
        ("$.body.items[*].id", "91763b24c43d", "91763b24c43d"),
        ("$.body.module_ids[*]", "0009999992", "0009999992"),
        ("$.body.latitude", Number("52.516263"), "52516263"),
        ("$.body.ssid", "Casa Nostra", "casanostra"),
        ("$.body.owner", "Anna Muster", "annamuster"),
        ("$.header['x-auth-token']", "s3cr3t-t0k3n", "s3cr3tt0k3n"),
        ("$.query.PASSKEY", "C0FFEE12", "c0ffee12"),
        ("$.path[1]", MAC, NORMAL),
    ],
)
def test_identity(path: str, value: Leaf, identity: str) -> None:
    assert identifiers.identity(Field(path), value) == identity


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.body.temperature", "21.5"),
        ("$.body.temperature", Number("21.516263")),
        ("$.body.anything", "1618691453"),
        ("$.body.serial", "12-3"),  # too short to be found again
        ("$.body.serial", "unknown"),
        ("$.body.serial", "000000000"),
        ("$.body.serial", True),
        ("$.body.serial", None),
        ("$.body.serial", {}),
        ("$.body.serial.timestamp", "2025-02-09T13:55:01.720Z"),
        ("$.body.serial.date", "2025-02-09"),
        ("$.body.cycle.id", "Table_00"),
        ("$.body.ssid", "Not set"),
        ("$.body.latitude", Number("52")),
        ("$.body.pin", "12"),
    ],
)
def test_no_identity(path: str, value: Leaf) -> None:
    assert identifiers.identity(Field(path), value) is None


def test_time_in_the_place_of_a_name_is_no_identity() -> None:
    assert identifiers.identity(Field("$.body.*", ("name",)), "1618691453") is None
    assert identifiers.identity(Field("$.body.*", ("name",)), MAC) == NORMAL


@pytest.mark.parametrize(
    ("path", "is_credential", "names_identity", "names_place"),
    [
        ("$.body.password", True, True, False),
        ("$.body.accessToken", True, True, False),
        ("$.body.serial", False, True, False),
        ("$.body.ssid", False, True, False),
        ("$.body.lat", False, False, True),
        ("$.body.door", False, False, False),
        ("$.query.token", True, True, False),
        ("$.cookie.session", True, True, False),
        ("$.body.session.value", True, True, False),
        ("$.body.session.seconds", False, False, False),
        ("$.body.session.token", True, True, False),
    ],
)
def test_what_a_name_says(
    path: str, is_credential: bool, names_identity: bool, names_place: bool
) -> None:
    item = Field(path)
    assert identifiers.is_credential(item) is is_credential
    assert identifiers.names_identity(item) is names_identity
    assert identifiers.names_place(item) is names_place


def base64_of(prefix: str, suffix: str = "", *, url: bool = False) -> str:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return encode(f"{prefix}{MAC}{suffix}".encode()).decode()


DISGUISES = {
    "itself": MAC,
    "lower case": MAC.lower(),
    "other signs between": MAC.replace(":", "-"),
    "no signs between": NORMAL,
    "spaced": MAC.replace(":", " "),
    "in a sentence": f"device {MAC} is up",
    "glued": f"fw2{NORMAL}v3",
    "hexadecimal": MAC.encode().hex(),
    "hexadecimal, upper case": MAC.encode().hex().upper(),
    "hexadecimal after a digit": "0" + MAC.encode().hex(),
    "percent": quote(MAC, safe=""),
    "percent, all of it": "".join(f"%{ord(one):02x}" for one in MAC),
    "escaped": "".join(f"\\u{ord(one):04x}" for one in MAC),
    "base64": base64_of(""),
    "base64, 1 before": base64_of("x"),
    "base64, 2 before": base64_of("xy"),
    "base64, more around": base64_of("?>serial=", "~~ and more"),
    "base64 for URLs": base64_of("?>?", "~~~", url=True),
    "base64, not padded": base64_of("x").rstrip("="),
    "base64, glued at 1": "v" + base64_of(""),
    "base64, glued at 2": "v1" + base64_of(""),
    "base64, glued at 3": "v1/" + base64_of(""),
    "base64 of its bytes": base64.b64encode(bytes.fromhex(NORMAL)).decode(),
    "base64 of its bytes among others": base64.b64encode(
        b"\x00\x01" + bytes.fromhex(NORMAL) + b"\xff"
    ).decode(),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_found_in(disguise: str) -> None:
    texts = ["nothing here", DISGUISES[disguise], "nor here"]
    assert identifiers.find(frozenset({NORMAL, "other00"}), texts) == [1]


def test_not_found_where_it_is_not() -> None:
    texts = [
        "24:C8:6E:06:B1:5D",
        "5C:B1:06:6E:C8:24",
        "temperature",
        "",
        "24:C8:6E",
        base64_of("")[:9],
    ]
    assert identifiers.find(frozenset({NORMAL}), texts) == []
    assert identifiers.find(frozenset(), [MAC]) == []
    assert identifiers.find(frozenset({NORMAL}), []) == []


def test_two_texts_are_not_read_as_one() -> None:
    assert identifiers.find(frozenset({NORMAL}), ["24c86e", "06b15c"]) == []


@settings(max_examples=100)
@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=20),
    st.binary(max_size=9),
    st.binary(max_size=9),
)
def test_found_in_base64_wherever_it_stands(serial: str, before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + serial.encode() + after).decode()
    assert identifiers.find(frozenset({identifiers.normalise(serial)}), [text]) == [0]


@settings(max_examples=200)
@given(st.binary(max_size=24))
def test_bytes_are_normalised_as_their_text_is(read: bytes) -> None:
    assert identifiers._of_bytes(read) == identifiers.normalise(read.decode("latin-1"))


@pytest.mark.parametrize("disguise", DISGUISES)
def test_found_again_in_what_was_looked_at_before(disguise: str) -> None:
    text = DISGUISES[disguise]
    for around in ("", "x" * 2 * identifiers.SHORT + " "):
        assert identifiers.find(frozenset({"other00"}), [around + text]) == []
        assert identifiers.find(frozenset({NORMAL}), [around + text]) == [0]


def test_memory_is_bounded_and_the_oldest_go() -> None:
    memory = identifiers.Identities(["first"])
    assert memory.remember(["second", "first", "second"]) == ["second"]
    new = [f"serial{number}" for number in range(identifiers.MAX_REMEMBERED)]
    assert memory.remember(new) == new
    assert memory.all() == frozenset(new)
    assert identifiers.Identities(["gone", *new]).all() == frozenset(new)


def test_memory_keeps_what_is_seen_again() -> None:
    """However many numbers an appliance makes up for its messages."""
    memory = identifiers.Identities()
    for number in range(2 * identifiers.MAX_REMEMBERED):
        memory.remember([NORMAL, f"message{number}"])
    assert NORMAL in memory.all()


@pytest.mark.parametrize(
    ("value", "is_specific"),
    [
        ("table4table5table", True),
        ("Anna's kitchen radio", True),
        ("2021-08-23 23:13:41", True),
        ("door", False),
        ("aaaaaaaaaaaa", False),
        ("12345", False),
        ("temperature", False),
        (Number("123456"), True),
        (Number("1.23456"), True),
        (Number("0.000012"), False),
        (Number("100000"), False),
        (Number("12345"), False),
        (True, False),
        (None, False),
        ({}, False),
        ("x1" * 3000, False),
    ],
)
def test_specific(value: Leaf, is_specific: bool) -> None:
    assert (identifiers.specific(value) is not None) is is_specific
