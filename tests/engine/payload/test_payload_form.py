"""Forms and queries: strict escapes, each item once, and every escape as it was sent."""

from urllib.parse import quote, quote_plus

from hypothesis import given, settings, strategies as st
import pytest

from engine.errors import Refused
from engine.model import Reason
from engine.payload import form


@pytest.mark.parametrize(
    "text",
    [
        "a=1&b=2", "a=%41%2B+b%20c", "flag", "flag&a=1", "a=", "=1", "a=b=c", "a%5B%5D=1", "%41=1",
        "dateutc=2021-08-23+23:13:41", "dateutc=2021-08-23%2023%3A13%3A41", "a=%c3%a9", "a=é"[:2],
    ],
)  # fmt: skip
def test_written_as_it_came(text: str) -> None:
    assert form.encode_text(form.decode_text(text)) == text.replace("%41=", "A=")


def test_names_are_written_in_one_way() -> None:
    """They are no data, so how they are escaped must not be any."""
    assert form.encode_text(form.decode_text("%74e%6Dp%2b=%33&a;b=1")) == "temp%2B=%33&a%3Bb=1"


def test_values_are_decoded() -> None:
    assert form.decode_text("a+b=%C3%A9+%26&flag&x=") == {"a b": "é &", "flag": None, "x": ""}


def test_empty_items_say_nothing() -> None:
    assert form.decode_text("&&a=1&") == {"a": "1"}


REFUSED = {
    "twice": ("a=1&a=2", Reason.DUPLICATE_KEY),
    "twice, escaped": ("a=1&%61=2", Reason.DUPLICATE_KEY),
    "twice, as a flag": ("a&a=1", Reason.DUPLICATE_KEY),
    "half an escape": ("a=%4", Reason.UNREADABLE),
    "no hexadecimal": ("a=%zz", Reason.UNREADABLE),
    "not UTF-8": ("a=%ff", Reason.UNREADABLE),
    "overlong": ("a=%c0%af", Reason.UNREADABLE),
    "surrogate": ("a=%ed%a0%80", Reason.UNREADABLE),
    "space": ("a=1 2", Reason.UNREADABLE),
    "not ASCII": ("a=é", Reason.UNREADABLE),
    "line end": ("a=1\nb=2", Reason.UNREADABLE),
    "too many": ("&".join(f"i{number}" for number in range(5_001)), Reason.TOO_LARGE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    text, reason = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        form.decode_text(text)
    assert refusal.value.reason is reason


def test_body_may_end_its_line() -> None:
    assert form.decode(b"a=1\r\n") == {"a": "1"}
    with pytest.raises(Refused):
        form.decode(b"a=1\r\n\r\n")


@pytest.mark.parametrize("text", ["flag", "a=1&flag", "a=1&&b=2", "a=", "=1", "", "a=1&"])
def test_second_parser_agrees(text: str) -> None:
    read = form.decode_text(text)
    assert form.plain_text(text) == {name: value or "" for name, value in read.items()}


def test_second_parser_notices_what_stands_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        form.plain_text("a=1&a=1")


ITEMS = st.dictionaries(st.text(), st.none() | st.text(), max_size=6)


@settings(max_examples=150)
@given(ITEMS, st.booleans())
def test_round_trip(items: dict[str, str | None], plus: bool) -> None:
    escape = quote_plus if plus else quote
    text = "&".join(
        escape(name, safe="") if value is None else f"{escape(name, safe='')}={escape(value)}"
        for name, value in items.items()
        if name or value is not None
    )
    tree = form.decode_text(text)
    assert tree == {name: value for name, value in items.items() if name or value is not None}
    written = form.encode_text(tree)
    assert form.decode_text(written) == tree
    assert form.encode_text(form.decode_text(written)) == written
    assert form.plain_text(text) == {name: value or "" for name, value in tree.items()}
