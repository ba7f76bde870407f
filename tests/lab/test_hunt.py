"""A hunt for leaks in the firewall as it is; HUNT_TRANSMISSIONS and HUNT_SEED make it another.

In a process of its own: what it does to sockets and logs is nobody else's.
"""

import ast
import os
from pathlib import Path
import re
import subprocess
import sys

HERE = Path(__file__).parent
TRANSMISSIONS = os.environ.get("HUNT_TRANSMISSIONS", "5000")
SEED = os.environ.get("HUNT_SEED", "1")
USED = {
    "engine": {"ConsentError", "Firewall", "StorageError"},
    "engine.model": {
        "Appliance", "ConsentState", "Decider", "Endpoint", "Level", "Purpose", "Recipient",
    },
    "engine.naming": {"Naming", "Resolver"},
}  # fmt: skip
"""All that the hunter has of the engine: what a household says to it, and nothing that reads,
decides, redacts or checks."""


def test_nothing_leaks(told: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hunt", "--seed", SEED, "--transmissions", TRANSMISSIONS],
        cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    lines = ended.stdout.splitlines()
    assert lines, ended.stderr
    told.extend(lines[:1])
    assert ended.returncode == 0, "\n".join(lines) + ended.stderr
    sent, arrived, sightings, taken_out = map(
        int,
        re.findall(r"(\d+) (?:transmissions|arrived|sightings|values)", lines[0]),
    )
    # It saw something: messages arrived, with what was given and without what was not.
    assert sent >= int(TRANSMISSIONS)
    assert arrived > sent / 10
    assert sightings > arrived
    assert taken_out > arrived
    events = dict(re.findall(r"([a-z][a-z ]*) (\d+)", lines[1].partition(": ")[2]))
    wanted = {"grant", "coarse grant", "withdrawal", "restart", "lockdown", "let through"}
    assert wanted | {"journal refuses", "household refuses", "by aiohttp"} <= events.keys()


def test_the_hunter_shares_no_code_with_what_it_tests() -> None:
    for file in sorted((HERE / "hunt").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = {one.name.partition(".")[0] for one in node.names}
                assert not names & {"engine", "custom_components", "importlib"}, file.name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                module = str(node.module)
                assert module.partition(".")[0] != "custom_components", file.name
                if module.partition(".")[0] == "engine":
                    asked = {one.name for one in node.names}
                    assert asked <= USED.get(module, set()), f"{file.name}: {module}"
