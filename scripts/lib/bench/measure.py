"""Ours and theirs by turns, so that whatever else the machine does falls on both."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
import time


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long and how often to measure."""

    repeats: int = 7
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of results. `ratio` above 1 says that we are better.

    It is the median of the turns' own ratios, and `spread` how far these lie apart: the largest
    less the smallest, in units of that median.
    """

    bench: str
    case: str
    unit: str
    ours: float
    peer: str
    theirs: float
    ratio: float
    spread: float


type Sample = Mapping[str, float]
"""What one turn of one side measured, by case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is measured: its unit, and whether more of it is better."""

    unit: str
    more_is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sides that measure the same quantities."""

    bench: str
    peer: str
    quantities: Mapping[str, Quantity]
    ours: Callable[[], Sample]
    theirs: Callable[[], Sample]


def by_turns(comparison: Comparison, repeats: int) -> Iterator[Case]:
    """Measure both sides in pairs, every other pair in the other order, and yield the cases."""
    ours, theirs = comparison.ours, comparison.theirs
    pairs: list[tuple[Sample, Sample]] = []
    for turn in range(repeats):
        if turn % 2:
            second = theirs()
            pairs.append((ours(), second))
        else:
            first = ours()
            pairs.append((first, theirs()))
    for name, quantity in comparison.quantities.items():
        values = [(mine[name], other[name]) for mine, other in pairs]
        ratios = [
            mine / other if quantity.more_is_better else other / mine for mine, other in values
        ]
        middle = median(ratios)
        yield Case(
            bench=comparison.bench,
            case=name,
            unit=quantity.unit,
            ours=median(mine for mine, _ in values),
            peer=comparison.peer,
            theirs=median(other for _, other in values),
            ratio=middle,
            spread=(max(ratios) - min(ratios)) / middle,
        )


def seconds_per_call(call: Callable[[], object], budget: float) -> float:
    """Return the processor time a call takes, from as many as fit into so many seconds.

    Processor time, for what else the machine does would count otherwise; garbage is collected as
    it always is.
    """
    count = 1
    while True:
        started = time.thread_time()
        for _ in range(count):
            call()
        took = time.thread_time() - started
        if took >= budget:
            return took / count
        count = max(count + 1, min(count * 10, int(count * budget * 1.1 / max(took, 1e-9))))
