"""Field paths: our part of RFC 9535 as its compliance suite has it, and nothing of the rest."""

from collections import Counter
import json
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from engine.errors import PathSyntaxError
from engine.model import Embedded, Number, Tree
from engine.payload import json_text
from engine.redaction import paths
from helpers import corpus

# What a selector has that is outside of our part; valid RFC 9535, refused here with a reason.
OUTSIDE = {
    "descendants": lambda selector: ".." in selector,
    "filter": lambda selector: "?" in selector,
    "slice": lambda selector: ":" in selector,
    "list of selectors": lambda selector: "," in selector,
    "index from the end": lambda selector: "[-" in selector,
}


def as_tree(document: Any) -> Tree:
    return json_text.decode(json.dumps(document).encode())


def test_compliance_suite(tables: dict[str, list[str]]) -> None:
    """Every case of it: the exact result, or an error that says why not."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in json.loads(corpus("suites/jsonpath_cts.json").read_text(encoding="utf-8"))["tests"]:
        selector, invalid = case["selector"], case.get("invalid_selector", False)
        try:
            path = paths.parse(selector)
        except PathSyntaxError:
            if invalid:
                counts["invalid, refused"] += 1
                continue
            why = [name for name, is_in in OUTSIDE.items() if is_in(selector)]
            counts[f"outside our part, refused: {why[0] if why else 'UNKNOWN'}"] += 1
            if not why:
                wrong.append(f"{case['name']}: refused")
            continue
        if invalid:
            wrong.append(f"{case['name']}: accepted")
            continue
        found = json_text.encode(path.select(as_tree(case["document"])))
        results = [case["result"]] if "result" in case else case["results"]
        if found not in [json_text.encode(as_tree(result)) for result in results]:
            wrong.append(f"{case['name']}: another result")
        counts["inside our part, exact"] += 1
    assert wrong == []
    assert counts["inside our part, exact"] >= 79
    assert counts["invalid, refused"] >= 200
    tables["JSONPath compliance suite"] = [
        f"{number:5d}  {name}" for name, number in sorted(counts.items())
    ]


@pytest.mark.parametrize(
    ("text", "selectors"),
    [
        ("$", ()),
        ("$.a.b", ("a", "b")),
        ("$['a.b'][\"c\"]", ("a.b", "c")),
        ("$[0].*[*]", (0, paths.ANY, paths.ANY)),
        (r"$['it\'s']['\u0041\ud83d\ude00\n']", ("it's", "A\N{GRINNING FACE}\n")),
        ("$ .a [ 'b' ]", ("a", "b")),
        ("$.\N{CYRILLIC SMALL LETTER A}", ("\N{CYRILLIC SMALL LETTER A}",)),
    ],
)
def test_compiled(text: str, selectors: tuple[paths.Selector, ...]) -> None:
    assert paths.parse(text).selectors == selectors


@pytest.mark.parametrize(
    "text",
    ["", "a", ".a", "$a", "$.", "$..a", "$[", "$[]", "$[-1]", "$[01]", "$[0,1]", "$[0:2]",
     "$[?@.a]",
     "$.1a", "$.a-b", "$['a]", "$['\\x41']", "$['\\ud800']", "$['\\udc00\\ud800']", "$['a' 'b']",
     "$[9007199254740992]", "$['\n']", "$.length()", "$.a ", "$\\", "$['\\\"']"],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(PathSyntaxError):
        paths.parse(text)


def test_error_says_what_and_where() -> None:
    with pytest.raises(PathSyntaxError, match="character 4: only names, indices and wildcards"):
        paths.parse("$.a..b")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("$.body.a", "$.body.a", True),
        ("$.body.a", "$.body['a']", True),
        ("$.body.a", "$.body.a.b", False),
        ("$.body.a", "$.body", False),
        ("$.body.*", "$.body.a", True),
        ("$.body.*", "$.body[*]", True),
        ("$.body[*].id", "$.body[*].id", True),
        ("$.body[0].id", "$.body[*].id", False),
        ("$.body.*", "$.body.a.b", False),
        ("$.body.id", "$.query.id", False),
    ],
)
def test_pattern(pattern: str, path: str, fits: bool) -> None:
    assert paths.parse(pattern).matches(paths.parse(path)) is fits


def test_selects_through_strings() -> None:
    tree: Tree = {"a": Embedded("json", '{"b":1}', {"b": Number("1")})}
    assert paths.parse("$.a.b").select(tree) == [Number("1")]


NAMES = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=200)
@given(st.lists(NAMES | st.integers(0, 2**53 - 1) | st.just(paths.ANY), max_size=4))
def test_spelled_and_read_again(selectors: list[paths.Selector]) -> None:
    path = paths.FieldPath(tuple(selectors))
    assert paths.parse(str(path)) == path


@settings(max_examples=200)
@given(NAMES, NAMES)
def test_names_are_told_apart(one: str, other: str) -> None:
    assert (paths.write_name(one) == paths.write_name(other)) is (one == other)
    assert paths.parse("$" + paths.write_name(one)).selectors == (one,)
