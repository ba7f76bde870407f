"""What Home Assistant's hassfest and HACS ask of a custom integration, asked here without them.

Both run in CI, from branches that move; neither is on the package index. These tests, and those of
test_house_texts.py, read the files as they do, so that a mistake is seen where it was made.
"""

import ast
from collections.abc import Iterator
from functools import cache
import json
from pathlib import Path
import re
import struct
import subprocess
import tomllib

from homeassistant.const import Platform
from homeassistant.loader import BASE_PRELOAD_PLATFORMS
from homeassistant.util.yaml import load_yaml_dict
import pytest

from tests.house import DOMAIN, INTEGRATION, REPOSITORY, bound, dig, modules, read_json, read_yaml

# The oldest Home Assistant that HACS may install this on.
FLOOR = "2026.10.0"


# --- manifest.json and hacs.json ---

MANIFEST_TYPES = {
    "domain": str,
    "name": str,
    "after_dependencies": list,
    "codeowners": list,
    "config_flow": bool,
    "dependencies": list,
    "dhcp": list,
    "documentation": str,
    "integration_type": str,
    "iot_class": str,
    "issue_tracker": str,
    "loggers": list,
    "mqtt": list,
    "requirements": list,
    "single_config_entry": bool,
    "version": str,
    "zeroconf": list,
}


def test_manifest_has_known_members_in_order() -> None:
    """Domain and name first, the others by name, each of its type."""
    manifest = read_json("manifest.json")
    assert list(manifest) == ["domain", "name", *sorted(manifest.keys() - {"domain", "name"})]
    assert {name: type(value) for name, value in manifest.items()}.items() <= MANIFEST_TYPES.items()


MANIFEST_VALUES = {
    "domain": DOMAIN,
    "name": r"\S.*\S",
    "documentation": r"https://(?!www\.home-assistant\.io/integrations)\S+",
    "integration_type": "device|hardware|helper|hub|service|system",
    "iot_class": "assumed_state|calculated|(cloud|local)_(polling|push)",
    "issue_tracker": r"https://\S+",
    "version": r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}((a|b|rc)\d+)?",
}


@pytest.mark.parametrize("member", MANIFEST_VALUES)
def test_manifest_says(member: str) -> None:
    """What Home Assistant or HACS requires is there, with a value of its closed set."""
    assert re.fullmatch(MANIFEST_VALUES[member], read_json("manifest.json").get(member, ""))


def test_manifest_lists_are_sorted_and_disjoint() -> None:
    """Owners are handles, requirements have no spaces, no dependency is of both kinds."""
    manifest = read_json("manifest.json")
    for name in ("after_dependencies", "codeowners", "dependencies", "requirements"):
        assert manifest[name] == sorted(set(manifest[name])), name
    assert manifest["codeowners"]
    assert all(re.fullmatch(r"@[\w-]+", owner) for owner in manifest["codeowners"])
    assert not [requirement for requirement in manifest["requirements"] if " " in requirement]
    assert not set(manifest["dependencies"]) & set(manifest["after_dependencies"])


def test_manifest_and_project_have_one_version() -> None:
    """A release is named once."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == read_json("manifest.json")["version"]


def test_hacs_json() -> None:
    """HACS and the Marketplace refuse a member that they do not know."""
    hacs = json.loads((REPOSITORY / "hacs.json").read_text(encoding="utf-8"))
    assert hacs == {"name": read_json("manifest.json")["name"], "homeassistant": FLOOR}


# Of Home Assistant's own integrations, these and the entity platforms may be used undeclared.
UNDECLARED = {
    "device_automation",
    "frontend",
    "homeassistant",
    "panel_custom",
    "persistent_notification",
    "system_health",
    "system_log",
    "webhook",
    "websocket_api",
}


def components_imported(tree: ast.AST) -> Iterator[str]:
    """The integrations imported from, but not under `if TYPE_CHECKING`."""
    prefix = "homeassistant.components"
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=test) if ast.unparse(test).endswith("TYPE_CHECKING"):
                continue
            case ast.ImportFrom(module=module, names=aliases) if module == prefix:
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module)) if module.startswith(f"{prefix}."):
                yield module.split(".")[2]
            case ast.Import(names=aliases):
                yield from (
                    a.name.split(".")[2] for a in aliases if a.name.startswith(f"{prefix}.")
                )
            case _:
                yield from components_imported(node)


@pytest.mark.parametrize("name", sorted(modules()))
def test_integrations_used_are_declared(name: str) -> None:
    """Home Assistant sets up before us, with its requirements, only what the manifest names."""
    manifest = read_json("manifest.json")
    allowed = UNDECLARED | {platform.value for platform in Platform}
    allowed |= {*manifest["dependencies"], *manifest["after_dependencies"]}
    allowed |= {Path(module).parts[0].removesuffix(".py") for module in modules()}
    assert set(components_imported(modules()[name])) <= allowed


# --- Modules ---

# Home Assistant imports modules of these names from every integration and calls into them.
HOOKS = {
    "backup": "async_pre_backup",
    "condition": "async_get_conditions",
    "diagnostics": "async_get_config_entry_diagnostics",
    "logbook": "async_describe_events",
    "repairs": "async_create_fix_flow",
    "system_health": "async_register",
    "trigger": "async_get_triggers",
}
RESERVED = {
    *BASE_PRELOAD_PLATFORMS,
    *HOOKS,
    "application_credentials",
    "device_action",
    "device_condition",
    "device_trigger",
    "onboarding",
    "reproduce_state",
    "significant_change",
}


@pytest.mark.parametrize("name", sorted(name for name in modules() if "/" not in name))
def test_module_name_is_not_taken_by_accident(name: str) -> None:
    """A module with a name that Home Assistant looks for is what Home Assistant looks for."""
    stem = Path(name).stem
    hook = "async_setup_entry" if stem in {*Platform} else HOOKS.get(stem)
    assert hook or stem not in RESERVED or stem == "config_flow", (
        f"{name} is imported at every start"
    )
    assert hook is None or hook in bound(modules()[name])


def test_setup_from_yaml_is_ruled_out() -> None:
    """A module with async_setup says that there is nothing to configure in YAML."""
    names = bound(modules()["__init__.py"])
    assert "async_setup" not in names or "CONFIG_SCHEMA" in names


def test_config_flow_stands_where_it_is_looked_for() -> None:
    """And one that takes part in discovery has a unique id."""
    assert read_json("manifest.json")["config_flow"] is True
    source = (INTEGRATION / "config_flow.py").read_text(encoding="utf-8")
    discovery = re.search(
        r"async_step_(bluetooth|dhcp|discovery|hassio|homekit|mqtt|ssdp|usb|zeroconf)", source
    )
    assert not discovery or "async_set_unique_id" in source


# --- quality_scale.yaml ---

# By tier: bronze, silver, gold, platinum.
RULES = """
action-setup appropriate-polling brands common-modules config-flow config-flow-test-coverage
dependency-transparency docs-actions docs-conditions docs-high-level-description docs-
installation-instructions docs-removal-instructions docs-triggers entity-event-setup entity-
unique-id has-entity-name runtime-data test-before-configure test-before-setup unique-config-
entry

action-exceptions config-entry-unloading docs-configuration-parameters docs-installation-
parameters entity-unavailable integration-owner log-when-unavailable parallel-updates
reauthentication-flow test-coverage

devices diagnostics discovery discovery-update-info docs-data-update docs-examples docs-known-
limitations docs-supported-devices docs-supported-functions docs-troubleshooting docs-use-cases
dynamic-devices entity-category entity-device-class entity-disabled-by-default entity-
translations exception-translations icon-translations reconfiguration-flow repair-issues stale-
devices

async-dependency inject-websession strict-typing
"""


def test_quality_scale_answers_every_rule() -> None:
    """Done, to do, or exempt with the reason."""
    scale = read_yaml("quality_scale.yaml")
    assert scale.keys() == {"rules"}
    # A rule may be broken over two lines.
    assert scale["rules"].keys() == set(RULES.replace("-\n", "-").split())
    for rule, answer in scale["rules"].items():
        status = answer if isinstance(answer, str) else answer.get("status")
        assert status in {"done", "todo", "exempt"}, rule
        assert isinstance(answer, str) or answer.keys() <= {"status", "comment"}, rule
        assert status != "exempt" or dig(answer, "comment"), f"{rule}: exempt, but why?"


# --- Images ---


def png(path: Path) -> tuple[int, int, bool]:
    """Width, height and whether it has transparency, from the file's chunks."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 12 + length
    width, height, _, colour_type = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    return width, height, colour_type in {4, 6} or b"tRNS" in chunks


@pytest.mark.parametrize("shade", ["", "dark_"])
@pytest.mark.parametrize(("density", "height"), [("", 256), ("@2x", 512)])
def test_brand_images(shade: str, density: str, height: int) -> None:
    """Icons are square; logos are wider than high; all can lie on any ground."""
    for drawing in ("icon", "logo"):
        path = INTEGRATION / "brand" / f"{shade}{drawing}{density}.png"
        assert path.stat().st_size < 65_536
        wide, high, transparent = png(path)
        assert (high, transparent) == (height, True)
        assert wide == high if drawing == "icon" else 1.5 * high < wide < 4 * high


# --- The repository ---


@cache
def texts_of_the_repository() -> dict[str, str]:
    """Every text file that is in the repository or would be by the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [REPOSITORY / name for name in listed.stdout.decode().split("\0") if name]
    contents = {path: path.read_bytes() for path in paths if path.is_file()}
    return {
        path.relative_to(REPOSITORY).as_posix(): data.decode(errors="replace")
        for path, data in contents.items()
        if b"\0" not in data
    }


@pytest.mark.parametrize(
    ("suffix", "unwanted"),
    [
        # The patterns are taken apart so that they do not find themselves.
        pytest.param("", rf"(?<![\w.*/-])/{'work'}/", id="a path of one machine"),
        pytest.param(
            ".py",
            rf"pragma: {'no cover'}(?!\s*[-:(]\s*\w)",
            id="a line left out of coverage, no reason",
        ),
        pytest.param(".py", r"<{7} |>{7} ", id="a merge left half done"),
    ],
)
def test_no_file_has(suffix: str, unwanted: str) -> None:
    """What does not belong in a repository that others clone."""
    found = [
        name
        for name, text in texts_of_the_repository().items()
        if name.endswith(suffix) and re.search(unwanted, text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "path",
    [*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/*.md"))],
    ids=lambda path: path.relative_to(REPOSITORY).as_posix(),
)
def test_what_is_linked_exists(path: Path) -> None:
    """Files and images of this repository; addresses elsewhere are not asked."""
    text = path.read_text(encoding="utf-8")
    linked = re.findall(r"\]\(\s*<?([^\s)>]+)", text) + re.findall(r"(?:src|href)=\"([^\"]+)", text)
    linked += re.findall(r"^\[[^\]]+\]:\s*<?([^\s>]+)", text, re.MULTILINE)
    inside = [link.partition("#")[0] for link in linked if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in inside if not (path.parent / link).exists()] == []


def test_every_json_file_is_json() -> None:
    """Home Assistant's checker reads them all, the catalogue's too."""
    for path in INTEGRATION.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path", sorted(REPOSITORY.glob(".github/workflows/*.yml")), ids=lambda path: path.stem
)
def test_workflow_may_only_read(path: Path) -> None:
    """A pull request's code runs in them."""
    workflow = load_yaml_dict(str(path))
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert not [name for name, job in workflow["jobs"].items() if "permissions" in job]
