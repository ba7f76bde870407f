"""The hunter can see: of builds that leak on purpose it finds nearly all, each in a short hunt."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from leaky import FLAWS, Flaw, build, hunt

SEEDS = ("1", "2")
"""Another home where the first has nothing that shows a flaw."""
TRANSMISSIONS = 2000
SECONDS = 150.0
"""For one build, on a machine that is busy with something else."""


def test_every_flaw_can_still_be_made(tmp_path: Path) -> None:
    assert len(FLAWS) >= 20
    assert len({one.name for one in FLAWS}) == len(FLAWS)
    for number, one in enumerate(FLAWS):
        where = build(one, tmp_path / str(number)) / "engine"
        for change in one.changes:
            compile((where / change.file).read_text(), change.file, "exec")


def test_builds_that_leak_are_found_out(tmp_path: Path, told: list[str]) -> None:
    def find(numbered: tuple[int, Flaw]) -> str:
        number, one = numbered
        for seed in SEEDS:
            leak, _ = hunt(
                one,
                tmp_path / f"{number} {seed}",
                seed=seed,
                transmissions=TRANSMISSIONS,
                seconds=SECONDS,
            )
            if leak:
                return f"seed {seed}, {leak}"
        return ""

    with ThreadPoolExecutor(2) as workers:
        found = list(workers.map(find, enumerate(FLAWS)))
    told.append(f"builds that leak on purpose: {len(FLAWS)}, found: {sum(map(bool, found))}")
    told.extend(
        f"  {one.name}: {leak or 'NOT FOUND'}" for one, leak in zip(FLAWS, found, strict=True)
    )
    missed = [one.name for one, leak in zip(FLAWS, found, strict=True) if not leak]
    assert len(missed) <= len(FLAWS) // 20, missed
