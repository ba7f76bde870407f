"""JSON and newline-delimited JSON: what is read, what is refused, and what is written again."""

import json
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from engine.errors import Refused
from engine.model import Number, Reason, Tree
from engine.payload import json_text


@pytest.mark.parametrize(
    "spelling",
    [
        "1.10", "1e5", "1E+5", "-0", "-0.0", "0.1e-7", "123456789012345678901234567890",
        "9223372036854775808", "0.10000000000000000001", "1" * 5000,
    ],
    ids=lambda spelling: spelling[:24],
)  # fmt: skip
def test_number_keeps_its_spelling(spelling: str) -> None:
    tree = json_text.decode(f'{{"a":{spelling}}}'.encode())
    assert isinstance(tree, dict)
    assert type(tree["a"]) is Number
    assert json_text.encode(tree) == f'{{"a":{spelling}}}'.encode()


def test_number_is_no_text() -> None:
    assert json_text.encode(json_text.decode(b'["1",1]')) == b'["1",1]'


def test_order_and_unknown_members_are_kept() -> None:
    data = b'{"z":1,"a":[true,false,null,{},[]],"\\u00e9":"\\ud83d\\ude00","":"x"}'
    assert json_text.encode(json_text.decode(data)) == data


REFUSED = {
    "duplicate member": (b'{"a":1,"a":1}', Reason.DUPLICATE_KEY),
    "duplicate member, escaped": (b'{"a":1,"\\u0061":2}', Reason.DUPLICATE_KEY),
    "duplicate member, deep": (b'[{"x":{"a":1,"b":2,"a":3}}]', Reason.DUPLICATE_KEY),
    "NaN": (b'{"a":NaN}', Reason.UNREADABLE),
    "Infinity": (b"[-Infinity]", Reason.UNREADABLE),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', Reason.UNREADABLE),
    "UTF-16": ('{"a":1}'.encode("utf-16-le"), Reason.UNREADABLE),
    "UTF-16 with a mark": ('{"a":1}'.encode("utf-16"), Reason.UNREADABLE),
    "Latin-1": ('{"a":"é"}'.encode("latin-1"), Reason.UNREADABLE),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', Reason.UNREADABLE),
    "surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', Reason.UNREADABLE),
    "lone surrogate, escaped": (b'{"a":"\\ud800"}', Reason.UNREADABLE),
    "lone surrogate in a name": (b'{"\\udfff":1}', Reason.UNREADABLE),
    "surrogates the wrong way round": (b'{"a":"\\udc00\\ud800"}', Reason.UNREADABLE),
    "second document": (b'{"a":1}{"b":2}', Reason.TRAILING_BYTES),
    "text after the end": (b'{"a":1}x', Reason.TRAILING_BYTES),
    "NUL after the end": (b'{"a":1}\x00', Reason.TRAILING_BYTES),
    "comma after the last": (b'{"a":1,}', Reason.UNREADABLE),
    "comment": (b'{"a":1/*x*/}', Reason.UNREADABLE),
    "cut short": (b'{"a":', Reason.UNREADABLE),
    "nothing": (b"", Reason.UNREADABLE),
    "leading zero": (b'{"a":01}', Reason.UNREADABLE),
    "raw line end in a string": (b'{"a":"x\ny"}', Reason.UNREADABLE),
    "single quotes": (b"{'a':1}", Reason.UNREADABLE),
    "100,000 arrays": (b"[" * 100_000 + b"]" * 100_000, Reason.TOO_DEEP),
    "100,000 objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Reason.TOO_DEEP),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        json_text.decode(data)
    # A leading zero is a number and then something more; either is a refusal.
    assert refusal.value.reason in {reason, *([Reason.TRAILING_BYTES] if "zero" in case else [])}


def test_refusal_quotes_no_value() -> None:
    with pytest.raises(Refused) as refusal:
        json_text.decode(b'{"secret-a":"secret-b" "secret-c"}')
    assert "secret" not in f"{refusal.value!r}{refusal.value.__cause__!r}"


def test_surrogate_pair_is_one_character() -> None:
    assert json_text.decode(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_backslash_before_what_looks_like_a_surrogate() -> None:
    assert json_text.decode(rb'"\\ud800"') == r"\ud800"


def test_lines() -> None:
    data = b'{"a":1.10}\n[2]\n"x"\n'
    tree = json_text.decode_lines(data)
    assert tree == [{"a": "1.10"}, ["2"], "x"]
    assert json_text.encode_lines(tree) == data
    assert json_text.plain_lines(data) == [{"a": 1.1}, [2], "x"]


def test_lines_may_end_as_they_like() -> None:
    assert json_text.decode_lines(b'{"a":1}\r\n{"b":2}') == [{"a": "1"}, {"b": "2"}]


@pytest.mark.parametrize("data", [b'{"a":1}\n\n{"b":2}\n', b'{"a":1}\n{"a":1,"a":2}\n', b"{}\n}\n"])
def test_lines_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        json_text.decode_lines(data)


def test_nothing_as_lines() -> None:
    assert json_text.encode_lines([]) == b""
    assert json_text.plain_lines(b"") == []


def test_written_as_ascii() -> None:
    assert json_text.encode({"é": "ü\u2028"}) == b'{"\\u00e9":"\\u00fc\\u2028"}'


@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'[{"b":{"c":1,"c":"}:"}}]']
)
def test_second_parser_notices_what_stands_twice(data: bytes) -> None:
    with pytest.raises(ValueError, match="twice"):
        json_text.plain(data)


def test_second_parser_counts_no_colon_in_a_string() -> None:
    data = rb'{"a:\"b":"c:\\","d":{":":":"}}'
    assert json_text.plain(data) == {'a:"b': "c:\\", "d": {":": ":"}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150)
@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_round_trip(value: Any, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    tree: Tree = json_text.decode(data)
    again = json_text.encode(tree)
    assert json.loads(again) == value
    assert json_text.decode(again) == tree
    if indent is None:
        assert again == json.dumps(value, separators=(",", ":")).encode()
