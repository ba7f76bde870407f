"""The command line and the table."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict
import importlib
import json
import pkgutil
import sys
from typing import TextIO

from . import benches
from .measure import Case, Options

type Bench = Callable[[Options], Iterator[Case]]


def main() -> int:
    """Run with the command line's arguments; return the exit status."""
    names = sorted(module.name for module in pkgutil.iter_modules(benches.__path__))
    arguments = _arguments(names)
    if arguments.list:
        print("\n".join(names))
        return 0
    to_stdout = arguments.json == "-"
    table = sys.stderr if to_stdout else sys.stdout
    options = Options(repeats=arguments.repeats, quick=arguments.quick)
    cases: list[Case] = []
    for name in arguments.names or names:
        bench: Bench = importlib.import_module(f"{benches.__name__}.{name}").run
        for case in bench(options):
            cases.append(case)
            _show(case, table, first=len(cases) == 1)
    lines = "".join(f"{json.dumps(asdict(case), ensure_ascii=False)}\n" for case in cases)
    if to_stdout:
        sys.stdout.write(lines)
    elif arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:  # noqa: PTH123 - /dev/… too
            file.write(lines)
    return 0


def _arguments(names: list[str]) -> argparse.Namespace:
    # The script's own head is the help.
    parser = argparse.ArgumentParser(
        prog="bench",
        usage="scripts/bench [--quick] [--repeats N] [--json FILE] [NAME…]",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(names)):
        parser.error(f"no bench named {', '.join(unknown)} (there are: {', '.join(names)})")
    if arguments.repeats < 1:
        parser.error("--repeats wants a number from 1 on")
    return arguments


def _show(case: Case, out: TextIO, *, first: bool) -> None:
    """Write a row of the table as soon as it is known."""
    row = "{:10}  {:44}  {:>12}  {:>10}  {:>10}  {:>7}  {:>7}"
    if first:
        print(row.format("bench", "case", "unit", "ours", "peer's", "ratio", "spread"), file=out)
    print(
        row.format(
            case.bench,
            case.case,
            case.unit,
            _number(case.ours),
            _number(case.theirs),
            f"{case.ratio:.3g}",
            f"{case.spread:.0%}",
        ),
        file=out,
        flush=True,
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
