"""The integration's files as Home Assistant reads them, and the shapes they must have.

A shape is a function that tells what is wrong with a value, one sentence each, with the path to it.
The shapes were learnt from hassfest and from the files of Home Assistant 2026.10 and 2026.11, and
are narrower where an older and a newer release differ: what fits here fits both.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cache
import json
from pathlib import Path
import re
import string
from typing import Any

from homeassistant.util.yaml import load_yaml_dict
import pytest

REPOSITORY = Path(__file__).parents[1]
DOMAIN = "privacy_firewall"
INTEGRATION = REPOSITORY / "custom_components" / DOMAIN


@cache
def read_json(name: str) -> dict[str, Any]:
    """A JSON object of the integration; a repeated member is an error, not a winner."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [member for member, _ in pairs]
        assert len(names) == len(set(names)), f"{name}: a member stands twice among {names}"
        return dict(pairs)

    text = (INTEGRATION / name).read_text(encoding="utf-8")
    loaded = json.loads(text, object_pairs_hook=once)
    assert isinstance(loaded, dict)
    return loaded


@cache
def read_yaml(name: str) -> dict[str, Any]:
    """A YAML mapping of the integration, or a skip that names the optional file."""
    path = INTEGRATION / name
    if not path.exists():
        pytest.skip(f"{name} is optional and does not exist")
    return load_yaml_dict(str(path))


@cache
def modules() -> dict[str, ast.Module]:
    """The half that speaks with Home Assistant, parsed: path inside the integration to tree."""
    return {
        path.relative_to(INTEGRATION).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(INTEGRATION.rglob("*.py"))
        if not path.is_relative_to(INTEGRATION / "engine")
    }


def bound(tree: ast.Module) -> set[str]:
    """The names that a module binds at its top."""
    names = set()
    for node in tree.body:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


# --- Shapes ---

# Names of one word or more, as in entity ids; and those of states and entities, with hyphens too.
SLUG = r"[a-z0-9]+(_[a-z0-9]+)*"
KEY = r"[a-z0-9]+([_-][a-z0-9]+)*"
ICON = r"mdi:[a-z0-9]+(-[a-z0-9]+)*"

type Shape = Callable[[Any, str], Iterator[str]]


def dig(tree: Any, *path: str) -> Any:
    """The member at a path; None where there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def members(required: Mapping[str, Shape] | None = None, /, **optional: Shape) -> Shape:
    """An object with these members and no others."""
    needed = dict(required or {})
    known = needed | optional

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: an object is wanted"
            return
        yield from (f"{at}.{name} is missing" for name in needed.keys() - value.keys())
        for name, member in value.items():
            if name in known:
                yield from known[name](member, f"{at}.{name}")
            else:
                yield f"{at}.{name} is not known"

    return check


def each(pattern: str, shape: Shape) -> Shape:
    """An object whose names match a pattern and whose values share a shape."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: an object is wanted"
            return
        for name, member in value.items():
            if not re.fullmatch(pattern, name):
                yield f"{at}.{name}: the name does not match {pattern}"
            yield from shape(member, f"{at}.{name}")

    return check


def placeholders(value: str) -> set[str]:
    """The names in braces; ValueError where the braces do not balance."""
    return {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}


def text(value: Any, at: str) -> Iterator[str]:
    """A sentence for people, which may hold placeholders."""
    if not isinstance(value, str) or not value or value != value.strip():
        yield f"{at}: text is wanted, without space around it"
        return
    if re.search(r"<[a-z].*?>", value, re.IGNORECASE):
        yield f"{at}: HTML"
    if re.search(r"\b(\w+://|www\.)", value):
        yield f"{at}: an address belongs in a placeholder"
    if "[%" in value or "%]" in value:
        yield f"{at}: references are not resolved in a custom integration"
    if "'{" in value or "}'" in value:
        yield f"{at}: a quoted placeholder stays as it is"
    try:
        names = placeholders(value)
    except ValueError as error:
        yield f"{at}: {error}"
    else:
        yield from (f"{at}: {{{name}}} is no name" for name in names if not name.isidentifier())


def fixed_text(value: Any, at: str) -> Iterator[str]:
    """A sentence that Home Assistant shows as it stands."""
    yield from text(value, at)
    if isinstance(value, str) and "{" in value:
        yield f"{at}: no placeholders here"


def icon(value: Any, at: str) -> Iterator[str]:
    """A Material Design icon."""
    if not isinstance(value, str) or not re.fullmatch(ICON, value):
        yield f"{at}: an icon mdi:… is wanted"


def flow(required: Mapping[str, Shape] | None = None, /, **optional: Shape) -> Shape:
    """The texts of a config, options, subentry or fix flow."""
    asked = {"data": each(r".+", text), "data_description": each(r".+", text)}
    page = members(
        **asked,
        title=text,
        description=text,
        submit=text,
        menu_options=each(r".+", text),
        menu_option_descriptions=each(r".+", text),
        sections=each(r".+", members(**asked, name=text, description=text)),
    )

    def step(value: Any, at: str) -> Iterator[str]:
        yield from page(value, at)
        for part in (value, *(dig(value, "sections") or {}).values()):
            fields = (dig(part, "data") or {}).keys()
            for name in (dig(part, "data_description") or {}).keys() - fields:
                yield f"{at}: {name} is described in data_description but not in data"

    outcome = each(r".+", text)
    return members(
        {"step": each(r".+", step), **(required or {})},
        **optional,
        abort=outcome,
        error=outcome,
        progress=outcome,
        create_entry=outcome,
    )


def issue(value: Any, at: str) -> Iterator[str]:
    """A repair issue: it tells what to do, or walks through it, not both."""
    yield from members({"title": text}, short_title=text, description=text, fix_flow=flow())(
        value, at
    )
    if (dig(value, "description") is None) == (dig(value, "fix_flow") is None):
        yield f"{at}: either description or fix_flow"


def described(field: Shape, **optional: Shape) -> Shape:
    """Something that automations are built from."""
    return members({"name": text, "description": text}, fields=each(KEY, field), **optional)


def nested(value: Any, at: str) -> Iterator[str]:
    """Texts of a panel, as deep as it likes."""
    yield from (each(rf"_|{KEY}", nested) if isinstance(value, dict) else text)(value, at)


STATES = each(KEY, fixed_text)
ENTITY = members(
    name=text,
    state=STATES,
    state_attributes=each(KEY, members(name=fixed_text, state=STATES)),
    unit_of_measurement=fixed_text,
)
ASKED = members({"name": text, "description": text}, example=text)
PICKED = members({"name": text}, description=text, example=text)
ENTRY_TYPE = {"entry_type": text, "initiate_flow": members({"user": text}, reconfigure=text)}
TRANSLATIONS = members(
    title=text,
    config=flow(flow_title=text, initiate_flow=members({"user": text})),
    config_subentries=each(SLUG, flow(ENTRY_TYPE)),
    options=flow(),
    selector=each(
        SLUG,
        members(
            options=each(KEY, text),
            choices=each(KEY, text),
            fields=each(KEY, members({"name": text, "description": text})),
            unit_of_measurement=each(KEY, text),
        ),
    ),
    config_panel=nested,
    system_health=members(info=each(KEY, text)),
    issues=each(SLUG, issue),
    device=each(KEY, members({"name": text})),
    entity=each(SLUG, each(KEY, ENTITY)),
    exceptions=each(SLUG, members({"message": text})),
    services=each(
        SLUG, described(ASKED, sections=each(KEY, members({"name": text}, description=text)))
    ),
    triggers=each(SLUG, described(PICKED)),
    conditions=each(SLUG, described(PICKED)),
)

SECTION_ICONS = members(step=each(r".+", members(sections=each(r".+", icon))))
ENTITY_ICONS = members(
    default=icon,
    state=each(KEY, icon),
    range=each(r"-?\d+(\.\d+)?", icon),
    state_attributes=each(KEY, members(default=icon, state=each(KEY, icon))),
)
ICONS = members(
    config=SECTION_ICONS,
    options=SECTION_ICONS,
    entity=each(SLUG, each(KEY, ENTITY_ICONS)),
    services=each(SLUG, members({"service": icon}, sections=each(KEY, icon))),
    triggers=each(SLUG, members({"trigger": icon})),
    conditions=each(SLUG, members({"condition": icon})),
)
