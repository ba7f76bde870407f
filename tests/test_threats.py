"""The threat model names tests; a test that is renamed or gone would leave a threat uncovered."""

import ast
import re

import pytest

from tests.house import REPOSITORY

_MODEL = REPOSITORY / "docs" / "threat-model.md"
_ROW = re.compile(r"^\| (\d+) \|(.*)\|$", re.MULTILINE)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _threats() -> dict[str, str]:
    return dict(_ROW.findall(_MODEL.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("path", "name"),
    sorted({named for row in _threats().values() for named in _NAMED.findall(row)}),
)
def test_a_test_that_is_named_is_there(path, name):
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    defined = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert name in defined


def test_every_threat_names_a_test_or_says_that_it_has_none():
    threats = _threats()
    assert list(threats) == [str(number) for number in range(1, len(threats) + 1)]
    assert [
        number
        for number, row in threats.items()
        if not _NAMED.search(row) and "no test:" not in row
    ] == []
