"""Plain text is a list of lines."""

from hypothesis import given, settings, strategies as st
import pytest

from engine.errors import Refused
from engine.model import Embedded
from engine.payload import lines


def test_each_line_is_an_item() -> None:
    assert lines.decode("a\r\nb é\tc\n\nd".encode()) == ["a", "b é\tc", "", "d"]


def test_written_with_ends() -> None:
    assert lines.encode(["a", "", "é"]) == "a\n\né\n".encode()
    assert lines.encode([]) == b""


def test_a_tree_in_a_line_is_written_as_text() -> None:
    assert lines.encode(["x", Embedded("json", '{"a":1}', {"a": "1"})]) == b'x\n{"a":1}\n'


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"a\rb",
        b"\xff",
        b"\x1b[0m",
        b"\xef\xbb\xbfa",
        b"\xc2\x85",
        b"PK\x03\x04",
        b"\x7fELF",
    ],
)
def test_what_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        lines.decode(data)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufeff"))


@settings(max_examples=100)
@given(st.lists(TEXT, min_size=1))
def test_round_trip(items: list[str]) -> None:
    data = lines.encode(items)
    assert lines.decode(data) == items
    assert lines.plain(data) == items
