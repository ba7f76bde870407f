"""Trees inside strings: opened up to a depth, and written so that nothing withheld shows."""

import base64
import json

import pytest

from engine.errors import Refused
from engine.model import Embedded, Number, Reason, Tree
from engine.payload import embedded


def wrap(text: str, encoding: str) -> str:
    if encoding == "json":
        return text
    encode = base64.urlsafe_b64encode if "url" in encoding else base64.b64encode
    packed = encode(text.encode()).decode()
    return packed.rstrip("=") if encoding.endswith("bare") else packed


ENCODINGS = ("json", "base64", "base64-bare", "base64url", "base64url-bare")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ['{"a":1.10}', '[{"a":"x?y>~ü"}]', '{"a":"12"}', '{"a":"123"}'])
def test_opened(encoding: str, text: str) -> None:
    found = embedded.open_all(wrap(text, encoding))
    assert isinstance(found, Embedded)
    assert found.raw == wrap(text, encoding)
    assert json.dumps(found.tree) == json.dumps(json.loads(text, parse_float=str, parse_int=str))


def test_numbers_inside_keep_their_spelling() -> None:
    found = embedded.open_all('{"a":1.10}')
    assert isinstance(found, Embedded)
    assert isinstance(found.tree, dict)
    assert type(found.tree["a"]) is Number


@pytest.mark.parametrize(
    "text",
    ["", "{", "[x", "{a}", "[1,2", "eyJ", "eyJhIjox", "WzEs", "event", "Welcome home", '"{}"', "12",
     "eyJhIjoxfQ=", "eyJh Ijox", '{"a":1} x', "{\\ud800}", "W" * 80],
)  # fmt: skip
def test_text_stays_text(text: str) -> None:
    assert embedded.open_all({"a": text}) == {"a": text}


def test_number_is_never_opened() -> None:
    assert type(embedded.open_all(Number("1"))) is Number


def layers(count: int) -> str:
    text = '{"serial":"x"}'
    for number in range(count):
        inner = text if number % 2 else wrap(text, "base64")
        text = json.dumps({"in": inner})
    return text


def depth(node: Tree) -> int:
    found = 0
    while isinstance(node, Embedded):
        found += 1
        assert isinstance(node.tree, dict)
        node = node.tree.get("in")
    return found


def test_four_layers_are_opened_and_no_more() -> None:
    assert depth(embedded.open_all(layers(3))) == 4
    assert depth(embedded.open_all(layers(6))) == 4


@pytest.mark.parametrize("wrapping", ENCODINGS)
def test_duplicate_inside_is_refused(wrapping: str) -> None:
    with pytest.raises(Refused) as refusal:
        embedded.open_all({"x": [wrap('{"a":1,"a":2}', wrapping)]})
    assert refusal.value.reason is Reason.DUPLICATE_KEY


def test_too_deep_inside_is_refused() -> None:
    for text in ("[" * 100_000 + "]" * 100_000, "[" * 70 + "]" * 70):
        with pytest.raises(Refused) as refusal:
            embedded.open_all({"x": text})
        assert refusal.value.reason is Reason.TOO_DEEP


def test_depth_counts_through_strings() -> None:
    inside = "[" * 40 + "]" * 40
    tree: Tree = inside
    for _ in range(30):
        tree = [tree]
    with pytest.raises(Refused) as refusal:
        embedded.open_all(tree)
    assert refusal.value.reason is Reason.TOO_DEEP


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_closed_and_opened_again(encoding: str) -> None:
    first = embedded.open_all(wrap('{"a":"\\u007f?>~ö","b":[1.10,{}]}', encoding))
    assert isinstance(first, Embedded)
    second = embedded.open_all(embedded.close(first, first.tree).raw)
    assert isinstance(second, Embedded)
    assert second.tree == first.tree


@pytest.mark.parametrize("granted", ["", "?>~", "ö", "12", "123"])
def test_flavour_of_base64_does_not_tell_of_what_is_gone(granted: str) -> None:
    """Alphabet and padding depend on all that was in the string, withheld or not."""
    written = set()
    for withheld in ("", "1", "12", "~~~~", "????", "ü?>"):
        text = json.dumps({"withheld": withheld, "granted": granted}, ensure_ascii=False)
        for encoding in ENCODINGS[1:]:
            original = embedded.open_all(wrap(text, encoding))
            assert isinstance(original, Embedded)
            written.add(embedded.close(original, {"granted": granted}).raw)
    assert len(written) == 1
    assert not set("+/-_=") & set(written.pop())
