"""Texts and icons: each has its shape, and each literal key in the code has its text.

The shapes are what hassfest asks. The other half it leaves to review: that a key is not shown bare,
that the placeholders of both sides agree, that nothing is described which does not exist.
"""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any, NamedTuple

from homeassistant.helpers.selector import validate_selector
import pytest

from tests.house import (
    ICONS,
    INTEGRATION,
    KEY,
    SLUG,
    TRANSLATIONS,
    dig,
    modules,
    placeholders,
    read_json,
    read_yaml,
)

# --- Texts ---


class Use(NamedTuple):
    """A literal key in the code, and where in the translations its text may stand."""

    module: str
    line: int
    sections: tuple[str, ...]
    key: str
    given: frozenset[str] | None  # The placeholders, where they are a literal too.

    def texts(self) -> list[Any]:
        """What the translations hold for it."""
        texts = read_json("translations/en.json")
        found = [dig(texts, section, self.key) for section in self.sections if section != "entity"]
        if "entity" in self.sections:
            platform = Path(self.module).stem
            platforms = dig(texts, "entity") or {}
            chosen = [platforms[platform]] if platform in platforms else platforms.values()
            found += [dig(keys, self.key) for keys in chosen]
        return [entry for entry in found if entry is not None]


def uses() -> Iterator[Use]:
    """Every `translation_key="…"`, and every `_attr_translation_key = "…"`."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=func, keywords=keywords):
                    arguments = {keyword.arg: keyword.value for keyword in keywords}
                    match arguments.get("translation_key"):
                        case ast.Constant(value=str(key)):
                            sections = sections_of(ast.unparse(func).split(".")[-1], arguments)
                            yield Use(module, node.lineno, sections, key, literal_names(arguments))
                case ast.Assign(
                    targets=[ast.Name(id="_attr_translation_key")],
                    value=ast.Constant(value=str(key)),
                ):
                    yield Use(module, node.lineno, ("entity",), key, None)


def sections_of(called: str, arguments: dict[str | None, ast.expr]) -> tuple[str, ...]:
    """Where the text of a call's translation_key stands."""
    if called == "async_create_issue":
        return ("issues",)
    if called == "DeviceInfo":
        return ("device",)
    if called.endswith("Description"):
        return ("entity",)
    if called.endswith("SelectorConfig"):
        return ("selector",)
    if "translation_domain" in arguments:
        return ("exceptions",)
    return ("device", "entity", "exceptions", "issues", "selector")


def literal_names(arguments: dict[str | None, ast.expr]) -> frozenset[str] | None:
    """The names of the placeholders given; None where they are computed."""
    match arguments.get("translation_placeholders"):
        case None:
            return frozenset()
        case ast.Dict(keys=keys) if all(isinstance(key, ast.Constant) for key in keys):
            return frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))
    return None


def test_no_text_stands_elsewhere() -> None:
    """Custom integrations have translations only; strings.json is for Home Assistant's own."""
    assert not (INTEGRATION / "strings.json").exists()
    assert read_json("translations/en.json")


@pytest.mark.parametrize(
    "path", sorted((INTEGRATION / "translations").glob("*.json")), ids=lambda path: path.stem
)
def test_translation_has_the_shape(path: Path) -> None:
    """Nothing unknown, no HTML, no addresses; in another language nothing that English lacks."""
    texts = read_json(f"translations/{path.name}")
    assert list(TRANSLATIONS(texts, path.stem)) == []
    english = dict(leaves(read_json("translations/en.json")))
    for at, sentence in leaves(texts):
        assert at in english, at
        assert placeholders(sentence) == placeholders(english[at]), at


def leaves(tree: dict[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    """Each sentence with its path."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{at}.{name}")
        else:
            yield f"{at}.{name}", value


@pytest.mark.parametrize("use", uses(), ids=lambda use: f"{use.module}:{use.line}:{use.key}")
def test_key_in_the_code_has_its_text(use: Use) -> None:
    """And the code gives every placeholder that the text has."""
    texts = use.texts()
    assert texts, f"no text for {use.key} in {' or '.join(use.sections)}"
    if use.given is not None and use.sections in (("exceptions",), ("issues",)):
        shown = [texts[0].get(part, "") for part in ("message", "title", "description")]
        assert set().union(*map(placeholders, shown)) <= use.given


FLOW_CALLS = {
    ("async_abort", "reason"): "abort",
    ("async_show_form", "step_id"): "step",
    ("async_show_menu", "step_id"): "step",
    ("async_show_progress", "progress_action"): "progress",
}


def flow_words() -> Iterator[tuple[str, str, str]]:
    """What flows say by literal key: the module, the part of the flow's texts, the key."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=func, keywords=keywords):
                    for keyword in keywords:
                        part = FLOW_CALLS.get((ast.unparse(func).split(".")[-1], str(keyword.arg)))
                        if part and isinstance(keyword.value, ast.Constant):
                            yield module, part, str(keyword.value.value)
                case ast.Assign(
                    targets=[ast.Subscript(value=ast.Name(id="errors"))],
                    value=ast.Constant(value=str(key)),
                ):
                    yield module, "error", key


@pytest.mark.parametrize(("module", "part", "key"), sorted(set(flow_words())))
def test_flow_has_its_words(module: str, part: str, key: str) -> None:
    """A form, a menu, an error or an end without text shows its bare key."""
    texts = read_json("translations/en.json")
    flows = [
        dig(texts, "config"),
        dig(texts, "options"),
        *(dig(texts, "config_subentries") or {}).values(),
    ]
    flows += [dig(issue, "fix_flow") for issue in (dig(texts, "issues") or {}).values()]
    assert any(dig(flow, part, key) is not None for flow in flows), f"{module}: no {part}.{key}"


# --- Icons ---


def test_icons_have_the_shape() -> None:
    """Known members only, and for entities that have a name."""
    icons = read_json("icons.json")
    assert list(ICONS(icons, "icons")) == []
    named = read_json("translations/en.json").get("entity", {})
    for platform, keys in icons.get("entity", {}).items():
        assert keys.keys() <= named.get(platform, {}).keys(), platform
        for key, entry in keys.items():
            assert entry.get("default") not in [*entry.get("state", {}).values()], (
                f"{platform}.{key} repeats"
            )
            assert list(entry.get("range", {})) == sorted(entry.get("range", {}), key=float), (
                f"{platform}.{key}"
            )


def test_icons_exist() -> None:
    """An icon that the frontend does not have shows as nothing."""
    frontend = pytest.importorskip("hass_frontend")
    drawn = json.loads(
        (Path(frontend.__file__).parent / "static/mdi/iconList.json").read_text(encoding="utf-8")
    )
    wanted = {value.removeprefix("mdi:") for _, value in leaves(read_json("icons.json"))}
    assert wanted <= {entry["name"] for entry in drawn}


# --- Actions, triggers, conditions ---


class Kind(NamedTuple):
    """Something that automations are built from: its file, and how code registers it."""

    file: str
    registered: str

    @property
    def section(self) -> str:
        """The member of translations and icons, of the file's own name."""
        return self.file.removesuffix(".yaml")


KINDS = [
    Kind(
        "services.yaml",
        r"services\.(async_)?register\(|async_register_\w*(admin|entity)_service",
    ),
    Kind("triggers.yaml", r"def async_get_triggers"),
    Kind("conditions.yaml", r"def async_get_conditions"),
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)


def fields_of(entry: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The fields of an action, those in sections among them."""
    fields: dict[str, dict[str, Any]] = {}
    for name, field in (dig(entry, "fields") or {}).items():
        inside = field["fields"] if "fields" in (field or {}) else {name: field or {}}
        assert not fields.keys() & inside.keys(), f"a field stands twice among {list(inside)}"
        fields |= inside
    return fields


@each_kind
def test_what_is_registered_is_described(kind: Kind) -> None:
    """The file is optional only while the code registers nothing."""
    code = "\n".join((INTEGRATION / name).read_text(encoding="utf-8") for name in modules())
    assert (INTEGRATION / kind.file).exists() or not re.search(kind.registered, code)


@each_kind
def test_what_is_described_has_text_and_icon(kind: Kind) -> None:
    """Neither side has one more than the other, down to the fields."""
    entries = read_yaml(kind.file)
    texts = read_json("translations/en.json").get(kind.section, {})
    assert texts.keys() == entries.keys()
    assert read_json("icons.json").get(kind.section, {}).keys() == entries.keys()
    for name, entry in entries.items():
        sections = {
            field
            for field, value in (dig(entry, "fields") or {}).items()
            if "fields" in (value or {})
        }
        assert (texts[name].get("fields") or {}).keys() == fields_of(entry).keys(), name
        assert (texts[name].get("sections") or {}).keys() == sections, name


@each_kind
def test_described_fields_can_be_asked_for(kind: Kind) -> None:
    """Known members, valid selectors, and the texts of choices."""
    entries = read_yaml(kind.file)
    texts = read_json("translations/en.json")
    for name, entry in entries.items():
        assert re.fullmatch(SLUG, name)
        assert (entry or {}).keys() <= {"target", "fields"}
        for field, asked in fields_of(entry).items():
            assert re.fullmatch(KEY, field)
            assert asked.keys() <= {
                "context",
                "default",
                "example",
                "filter",
                "required",
                "selector",
            }
            if "selector" in asked:
                validate_selector(asked["selector"])
            if key := dig(asked, "selector", "select", "translation_key"):
                options = [
                    str(dig(option, "value") or option)
                    for option in asked["selector"]["select"]["options"]
                ]
                assert {*options} <= (dig(texts, "selector", key, "options") or {}).keys(), (
                    f"{name}: {key}"
                )
