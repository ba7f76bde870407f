"""The fields of a message, and what a message is when only some of them are released."""

import base64
import json

import pytest

from engine.errors import Refused
from engine.model import Field, Leaf, Reason, Tree
from engine.payload import embedded, json_text
from engine.redaction import fields
from engine.redaction.fields import MISSING, Constant, Replacement

MAC, TIME = "24:C8:6E:06:B1:5C", "1618691453"


def tree_of(body: str) -> dict[str, Tree]:
    return {"body": embedded.open_all(json_text.decode(body.encode()))}


def found_in(body: str) -> list[tuple[str, Leaf]]:
    return [(str(item), value) for item, _, value in fields.walk(tree_of(body))]


def rebuilt(body: str, *released: str) -> str:
    """What remains of a body when these fields, as they are written for people, are released."""
    tree = tree_of(body)
    found = fields.walk(tree)
    known = {str(item) for item, _, _ in found}
    assert known.issuperset(released)
    turns: list[Replacement] = [
        value if str(item) in released else MISSING for item, _, value in found
    ]
    built = fields.rebuild(tree, turns)
    assert len(built.released) <= sum(turn is not MISSING for turn in turns)
    return json_text.encode(built.tree["body"]).decode()


def test_paths() -> None:
    body = '{"a":{"b c":[1,{"d":true}]},"e":[],"f":{},"g":null}'
    assert found_in(body) == [
        ("$.body.a['b c'][*]", "1"),
        ("$.body.a['b c'][*].d", True),
        ("$.body.e", []),
        ("$.body.f", {}),
        ("$.body.g", None),
    ]


def test_names_that_are_data_collapse_and_are_fields_themselves() -> None:
    assert found_in(f'{{"hr":{{"{TIME}":70}},"{MAC}":{{"x":1}}}}') == [
        ("$.body.hr.* (name)", TIME),
        ("$.body.hr.*", "70"),
        ("$.body.* (name)", MAC),
        ("$.body.*.x", "1"),
    ]


def test_siblings_tell_what_a_value_means() -> None:
    body = '[{"type":1,"value":5},{"type":"A.b","value":{"x":6}},{"key":"Door","value":7}]'
    assert found_in(body) == [
        ("$.body[*].type", "1"),
        ("$.body[*].value (type=1)", "5"),
        ("$.body[*].type", "A.b"),
        ("$.body[*].value.x (type=A.b)", "6"),
        ("$.body[*].key", "Door"),
        ("$.body[*].value (key=Door)", "7"),
    ]


@pytest.mark.parametrize(
    "value", ['"Anna Muster"', f'"{MAC}"', '"12345"', "12345", '"ü"', '""', "1.5"]
)
def test_sibling_that_looks_like_data_is_not_named(value: str) -> None:
    assert found_in(f'{{"type":{value},"v":1}}')[1][0] == "$.body.v (type=*)"


@pytest.mark.parametrize("value", ["null", "true", "{}", "[1]"])
def test_sibling_that_is_no_text_means_nothing(value: str) -> None:
    assert found_in(f'{{"type":{value},"v":1}}')[-1][0] == "$.body.v"


def test_siblings_from_the_outside_in() -> None:
    assert found_in('{"event":"e","x":{"type":"t","code":3,"value":1}}')[-1] == (
        "$.body.x.value (event=e, type=t, code=3)",
        "1",
    )


@pytest.mark.parametrize("name", ["key", "code"])
def test_what_opens_something_is_no_sibling(name: str) -> None:
    """Beside no `value` it is a secret more often than a meaning."""
    body = f'{{"{name}":"Sesame","door":"open"}}'
    assert found_in(body)[1] == ("$.body.door", "open")
    assert rebuilt(body, "$.body.door") == '{"door":"open"}'


def test_trees_in_strings_are_walked() -> None:
    inner = base64.b64encode(b'{"serial":"x"}').decode()
    assert found_in(json.dumps({"a": '{"b":[1]}', "c": inner, "d": "{}"})) == [
        ("$.body.a.b[*]", "1"),
        ("$.body.c.serial", "x"),
        ("$.body.d", {}),
    ]


def test_parts_of_a_message() -> None:
    tree: dict[str, Tree] = {
        "path": {"2": MAC},
        "query": {"a": None, TIME: "x"},
        "header": {"user-agent": "x", "type": "t"},
        "cookie": {"sid": "y"},
    }
    assert [(item.path, item.siblings, place) for item, place, _ in fields.walk(tree)] == [
        ("$.path[2]", (), "$.path[2]"),
        ("$.query.a", (), "$.query.a"),
        ("$.query.*", ("name",), f"$.query['{TIME}']~"),
        ("$.query.*", (), f"$.query['{TIME}']"),
        ("$.header['user-agent']", (), "$.header['user-agent']"),
        ("$.header.type", (), "$.header.type"),
        ("$.cookie.sid", (), "$.cookie.sid"),
    ]


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MAX_FIELDS", 3)
    assert len(found_in("[1,2,3]")) == 3
    with pytest.raises(Refused) as refusal:
        found_in("[1,2,3,4]")
    assert refusal.value.reason is Reason.TOO_LARGE


REBUILT = {
    "nothing": ('{"a":1}', (), "{}"),
    "nothing of a list": ("[1]", (), "[]"),
    "nothing of a scalar": ("1", (), "null"),
    "nothing of a string with a tree": ('"{\\"a\\":1}"', (), "{}"),
    "one": ('{"a":1.10,"b":2}', ("$.body.a",), '{"a":1.10}'),
    "containers that become empty go": (
        '{"a":{"x":1},"b":[{"y":1}],"c":2}',
        ("$.body.c",),
        '{"c":2}',
    ),
    "elements that become empty go": (
        '[{"a":1},{"b":2},{"a":3,"b":4}]',
        ("$.body[*].a",),
        '[{"a":1},{"a":3}]',
    ),
    "empty ones that are released stay": ('{"a":{},"b":[]}', ("$.body.b",), '{"b":[]}'),
    "values under withheld names": (
        f'{{"{TIME}":70,"1618691513":71}}',
        ("$.body.*",),
        '{"_1":70,"_2":71}',
    ),
    "names like ours are withheld": (f'{{"_7":0,"{TIME}":70}}', ("$.body.*",), '{"_1":0,"_2":70}'),
    "names with their values": (
        f'{{"{TIME}":70}}',
        ("$.body.*", "$.body.* (name)"),
        f'{{"{TIME}":70}}',
    ),
    "names alone": (f'{{"{TIME}":70}}', ("$.body.* (name)",), "{}"),
    "numbers have no gaps": (
        f'{{"{TIME}":{{"b":1}},"1618691513":{{"a":2}}}}',
        ("$.body.*.a",),
        '{"_1":{"a":2}}',
    ),
    "one of several meanings": (
        '[{"type":1,"value":5},{"type":4,"value":6}]',
        ("$.body[*].value (type=1)",),
        '[{"type":1,"value":5}]',
    ),
    "meanings of all that is around": (
        '{"event":"e","x":{"type":"t","v":1,"w":2},"y":3}',
        ("$.body.x.v (event=e, type=t)",),
        '{"event":"e","x":{"type":"t","v":1}}',
    ),
    "a meaning that looks like data stays out": (
        f'{{"type":"{MAC}","v":1}}',
        ("$.body.v (type=*)",),
        '{"v":1}',
    ),
    "a meaning released by itself brings no other": (
        '{"type":"t","event":"e","v":1}',
        ("$.body.type",),
        '{"type":"t"}',
    ),
    "a released list brings no meaning of another object": (
        '[{"type":"a","v":1},{"type":"b","w":2}]',
        ("$.body[*].v (type=a)",),
        '[{"type":"a","v":1}]',
    ),
    "a string with a tree, written anew": (
        json.dumps({"in": '{ "a": 1, "b": 2 }'}),
        ("$.body.in.b",),
        '{"in":"{\\"b\\":2}"}',
    ),
    "a string with a tree, whole": (
        json.dumps({"in": '{ "a": 1 }', "x": 2}),
        ("$.body.in.a",),
        '{"in":"{\\"a\\":1}"}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REBUILT)
def test_rebuilt(case: str) -> None:
    body, released, expected = REBUILT[case]
    assert rebuilt(body, *released) == expected


def test_leaves_are_told_by_their_new_place() -> None:
    tree = tree_of(f'{{"{TIME}":{{"type":"t","v":1}}}}')
    found = fields.walk(tree)
    turns = [value if item.path.endswith(".v") else MISSING for item, _, value in found]
    built = fields.rebuild(tree, turns)
    assert built.leaves == [("$.body._1.v", "1"), ("$.body._1.type", "t")]
    assert [found[number].field for number in built.released] == [Field("$.body.*.v", ("type=t",))]
    assert built.meanings == ["t"]


@pytest.mark.parametrize("before", ["true", "false"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_constant_releases_nothing(before: str, wrapped: bool) -> None:
    """No meaning is kept for it, and it does not show whether it equals what was there."""
    inner = f'{{ "type": "t", "open": {before} }}'
    tree = tree_of(json.dumps({"in": inner}) if wrapped else f'{{"in":{inner}}}')
    built = fields.rebuild(tree, [MISSING, Constant(False)])
    text = '{"open":false}'
    assert json_text.encode(built.tree["body"]).decode() == (
        json.dumps({"in": text}, separators=(",", ":")) if wrapped else f'{{"in":{text}}}'
    )
    assert built.leaves == [("$.body.in.open", False)]
    assert (built.released, built.meanings) == ([], [])


def test_segments() -> None:
    tree: dict[str, Tree] = {"path": {"1": "a", "3": "b"}}
    assert fields.rebuild(tree, [MISSING, "b"]).tree == {"path": {"3": "b"}}
    assert fields.rebuild(tree, [MISSING, MISSING]).tree == {"path": {}}
