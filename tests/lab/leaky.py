"""Builds that leak, on purpose: each has one flaw, somewhere on the way from a socket to a cloud.

A flaw is a change of the source, by text that must stand there exactly once: where the code moved
on, that is said, and the flaw is to be found its new place. Where the result is checked by a second
reading, most single flaws leak nothing; these have the same flaw there, or that check taken out,
and say so.
"""

from dataclasses import dataclass, field
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

ENGINE = Path(__file__).parents[2] / "custom_components/privacy_firewall/engine"
FLAWS_FILE = Path(__file__).with_name("flaws.txt")
"""Each flaw's name behind `#`, each change's file behind `@`, and its lines behind `-` and `+`."""


@dataclass(slots=True)
class Change:
    """Lines of a file, and what stands in their place."""

    file: str
    old: str = ""
    new: str = ""


@dataclass(slots=True)
class Flaw:
    """What is wrong with a build."""

    name: str
    changes: list[Change] = field(default_factory=list)


def _read() -> tuple[Flaw, ...]:
    flaws: list[Flaw] = []
    for line in FLAWS_FILE.read_text().splitlines():
        match line[:1]:
            case "#":
                flaws.append(Flaw(line[2:]))
            case "@":
                flaws[-1].changes.append(Change(line[2:]))
            case "-":
                flaws[-1].changes[-1].old += f"{line[1:]}\n"
            case "+":
                flaws[-1].changes[-1].new += f"{line[1:]}\n"
    return tuple(flaws)


FLAWS = _read()


def build(one: Flaw, folder: Path) -> Path:
    """Write the engine with a flaw; return the folder it stands in."""
    target = folder / "engine"
    shutil.copytree(ENGINE, target)
    for change in one.changes:
        path = target / change.file
        text = path.read_text()
        if (count := text.count(change.old)) != 1:
            raise LookupError(f"{one.name}: {change.file} has its lines {count} times")
        path.write_text(text.replace(change.old, change.new))
    return folder


def hunt(
    one: Flaw, folder: Path, *, seed: str, transmissions: int, seconds: float
) -> tuple[str, str]:
    """Hunt in a build; return the first leak, empty where none was found, and the whole report."""
    where = build(one, folder)
    ended = subprocess.run(
        [sys.executable, "-m", "hunt", "--engine", str(where), "--seed", seed, "--until-leak",
         "--transmissions", str(transmissions), "--seconds", str(seconds)],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
        timeout=seconds + 60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    found = re.search(r"^LEAK (.*)$", ended.stdout, re.MULTILINE)
    if ended.returncode not in (0, 1) or (ended.returncode == 1) != (found is not None):
        raise RuntimeError(f"{one.name}: {ended.stderr[-1500:]}")
    return (found[1] if found else ""), ended.stdout
