"""scripts/bench: that it runs and says what it promises to; not how fast anything is."""

import json
from pathlib import Path
import shutil
import subprocess

import pytest

from scripts.lib.bench.measure import Comparison, Quantity, by_turns


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(f"/usr/sbin/{name}")


BENCH = Path(__file__).parents[2] / "scripts" / "bench"
MEMBERS = {
    "bench": str, "case": str, "unit": str, "ours": float, "peer": str, "theirs": float,
    "ratio": float, "spread": float,
}  # fmt: skip


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BENCH, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_redaction_writes_a_line_per_case(tmp_path: Path) -> None:
    file = tmp_path / "results.ndjson"
    ended = bench("--quick", "--repeats", "2", "--json", file, "redaction")
    assert (ended.returncode, ended.stderr) == (0, "")
    cases = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({case["case"] for case in cases}) == len(cases) == 3
    for case in cases:
        assert {name: type(value) for name, value in case.items()} == MEMBERS
        assert min(case["ours"], case["theirs"], case["ratio"]) > 0 <= case["spread"]
        assert f"{case['ratio']:.3g}" in ended.stdout


def test_the_journal_has_cases_for_appending_and_for_questions(tmp_path: Path) -> None:
    file = tmp_path / "results.ndjson"
    ended = bench("--quick", "--repeats", "1", "--json", file, "journal")
    assert (ended.returncode, ended.stderr) == (0, "")
    cases = [json.loads(line) for line in file.read_text().splitlines()]
    assert [case["case"].partition(",")[0] for case in cases] == ["append"] * 2 + ["query"] * 4
    assert [case["unit"] for case in cases] == ["records/s"] * 2 + ["ms"] * 4
    assert all({name: type(value) for name, value in case.items()} == MEMBERS for case in cases)


def test_a_name_that_is_no_bench_is_refused() -> None:
    ended = bench("teleportation")
    assert ended.returncode == 2
    assert "no bench named teleportation (there are: " in ended.stderr


@pytest.mark.parametrize(
    ("more_is_better", "ratios"), [(True, [2.0, 4.0, 3.0]), (False, [0.5, 0.25, 1 / 3])]
)
def test_a_ratio_above_one_is_better(more_is_better: bool, ratios: list[float]) -> None:
    ours = iter([20.0, 40.0, 30.0])
    comparison = Comparison(
        bench="b",
        peer="p",
        quantities={"c": Quantity(unit="u", more_is_better=more_is_better)},
        ours=lambda: {"c": next(ours)},
        theirs=lambda: {"c": 10.0},
    )
    (case,) = by_turns(comparison, 3)
    middle = sorted(ratios)[1]
    assert (case.ours, case.theirs, case.ratio) == (30.0, 10.0, pytest.approx(middle))
    assert case.spread == pytest.approx((max(ratios) - min(ratios)) / middle)


def test_dns_has_cases_for_answers_and_for_questions_passed_on(tmp_path: Path) -> None:
    if missing := [one for one in ("dnsmasq", "dnsperf") if program(one) is None]:
        pytest.skip(f"no {missing} on this machine (Debian: dnsmasq-base, dnsperf)")
    file = tmp_path / "results.ndjson"
    ended = bench("--quick", "--repeats", "1", "--json", file, "dns")
    assert (ended.returncode, ended.stderr) == (0, "")
    cases = [json.loads(line) for line in file.read_text().splitlines()]
    assert [case["unit"] for case in cases] == ["questions/s"] * 2 + ["ms"] * 2
    assert all({name: type(value) for name, value in case.items()} == MEMBERS for case in cases)
