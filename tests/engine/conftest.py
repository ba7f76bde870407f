"""What all tests of the engine share: how hypothesis searches, and the tables told at the end."""

from collections.abc import AsyncIterator
import os
from pathlib import Path
import re
import sys
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
import pytest

# Behind the standard library: a file of the integration may be called like one of its modules.
sys.path.append(str(Path(__file__).parents[2] / "custom_components/privacy_firewall"))

if TYPE_CHECKING:
    from wire import House

PAYLOAD = re.compile(r'[{}"=%@:]')
TABLES = pytest.StashKey[dict[str, list[str]]]()

# The same examples everywhere, so that a change is judged by what it breaks and not by luck;
# HYPOTHESIS_SEARCH=2000 looks for new ones, so many per property.
settings.register_profile(
    "repeatable",
    derandomize="HYPOTHESIS_SEARCH" not in os.environ,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = {}


def pytest_itemcollected(item: pytest.Item) -> None:
    """With several workers (`--dist loadgroup`) each file stays with one of them.

    But for the longest, whose tests each have processes and files of their own.
    """
    if item.path.name != "test_crash.py":
        item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what looks like a payload by its argument: no test is called by what it sends."""
    is_text = isinstance(val, str) and (len(val) > 40 or PAYLOAD.search(val))
    return argname if isinstance(val, bytes) or is_text else None


@pytest.fixture(scope="session")
def tables(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Title to lines: what is measured, to be read at the end of the run."""
    return request.config.stash[TABLES]


@pytest.fixture(params=["here", "system"])
async def narrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[House]:
    """A house in which what is under way is stuck half-way: here, or with the system."""
    # Not at the top: the engine is found only once this file has run.
    from stuck import narrow_house  # noqa: PLC0415

    async with narrow_house(tmp_path, monkeypatch, request.param) as built:
        yield built


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what a worker measured."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["tables"] = session.config.stash[TABLES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a worker measured; it may have ended before it could tell."""
    for title, lines in getattr(node, "workeroutput", {}).get("tables", {}).items():
        node.config.stash[TABLES].setdefault(title, []).extend(lines)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for title, lines in config.stash[TABLES].items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
