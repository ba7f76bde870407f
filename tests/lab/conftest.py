"""What the lab's tests share: where the engine is, and what is told at the end."""

from pathlib import Path
import sys

import pytest

# Behind the standard library: a file of the integration may be called like one of its modules.
sys.path.append(str(Path(__file__).parents[2] / "custom_components/privacy_firewall"))
TOLD = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TOLD] = []


@pytest.fixture(scope="session")
def told(request: pytest.FixtureRequest) -> list[str]:
    """Lines to be read at the end of the run: counts, seeds, what was found."""
    return request.config.stash[TOLD]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[TOLD]:
        terminalreporter.section("leak hunt")
        for line in config.stash[TOLD]:
            terminalreporter.write_line(line)
