"""The quality scale's answers name evidence, and what they name is there."""

import ast
from functools import cache
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.const import Platform
import pytest

from tests.house import INTEGRATION, REPOSITORY, bound, modules, read_yaml

NAMED = re.compile(
    r"(?<![\w/])([\w.-]+(?:/[\w.-]+)*\.(?:py|md|json|yaml|toml|png))(?:::(\w+)|#([\w-]+))?"
)
"""A file of the repository, and what in it: a test, or a heading."""


def rules() -> dict[str, Any]:
    scale: dict[str, Any] = read_yaml("quality_scale.yaml")["rules"]
    return scale


@cache
def named_tests(path: Path) -> set[str]:
    return bound(ast.parse(path.read_text(encoding="utf-8")))


@cache
def headings_of(path: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def missing(comment: str) -> list[str]:
    """What a comment names that is not there."""
    wrong: list[str] = []
    for name, test, heading in NAMED.findall(comment):
        path = REPOSITORY / name
        if not path.is_file():
            wrong.append(name)
        elif test and test not in named_tests(path):
            wrong.append(f"{name}::{test}")
        elif heading and heading not in headings_of(path):
            wrong.append(f"{name}#{heading}")
    return wrong


@pytest.mark.parametrize("rule", rules())
def test_evidence_is_there(rule: str) -> None:
    """Done, with what shows it; or exempt, with the reason."""
    answer = rules()[rule]
    assert answer["status"] in ("done", "exempt")
    assert missing(answer["comment"]) == []
    named = NAMED.findall(answer["comment"]) or "scripts/" in answer["comment"]
    assert answer["status"] == "exempt" or named, "done, but by what?"


@pytest.mark.parametrize(
    "comment",
    [
        "tests/test_nowhere.py",
        "tests/test_quality_scale.py::test_nothing",
        "README.md#nothing",
        "see custom_components/privacy_firewall/nothing.yaml",
    ],
)
def test_evidence_that_is_missing_is_noticed(comment: str) -> None:
    assert len(missing(comment)) == 1


def test_every_platform_says_how_many_at_once() -> None:
    """The rule parallel-updates; the tree of each platform's module is asked."""
    platforms = {f"{one.value}.py" for one in Platform} & modules().keys()
    assert len(platforms) >= 5
    assert {one for one in platforms if "PARALLEL_UPDATES" not in bound(modules()[one])} == set()


def test_no_rule_of_a_dependency_is_waived_for_another() -> None:
    """Rules are met or waived for the packages that are required, which do no I/O."""
    manifest = json.loads((INTEGRATION / "manifest.json").read_text(encoding="utf-8"))
    named = [one.partition("==")[0] for one in manifest["requirements"]]
    assert named == ["cbor2", "ormsgpack", "publicsuffixlist"]
