"""Data points matched to entities without asking: how many are right, how many are found."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
import sys
from typing import Any

from ..household import TESTS
from ..measure import Case, Options

# Behind all others: what is there is named as it pleases. Tests have no types to follow.
sys.path.append(str(TESTS / "engine" / "matching"))
labelled: Any = import_module("labelled")
measured: Any = import_module("measured")

PEER = "names alone, compared as texts"


def run(options: Options) -> Iterator[Case]:
    """Judge both halves, as told and with every integration starved or none.

    The held-out half is left out where its folder is not there, and says so.
    """
    if labelled.names("heldout"):
        yield from _cases("", list(labelled.held_out()))
        if not options.quick:
            yield from _half(", held-out half", labelled.held_out)
    else:
        print("matching: no held-out half here, measured is the other only", file=sys.stderr)
    yield from _cases(", learning half", list(labelled.learn()))
    if not options.quick:
        yield from _half(", learning half", labelled.learn)


def _half(name: str, cases: Callable[..., Iterable[Any]]) -> Iterator[Case]:
    yield from _cases(f"{name}, none starved", list(cases(starved=False)))
    yield from _cases(f"{name}, all starved", list(cases(starved=True)))
    yield from _cases(f"{name}, no unique ids", list(cases()), unique_ids=False)


def _cases(name: str, cases: list[Any], *, unique_ids: bool = True) -> Iterator[Case]:
    ours = measured.total(
        case.judge(measured.automatic(measured.matched(case, unique_ids=unique_ids)))
        for case in cases
    )
    theirs = measured.total(case.judge(measured.by_name(case)) for case in cases)
    for quantity, share in (("precision", measured.precision), ("recall", measured.recall)):
        mine, other = share(ours), share(theirs)
        yield Case(
            bench="matching",
            case=f"{quantity}{name}",
            unit="share",
            ours=mine,
            peer=PEER,
            theirs=other,
            ratio=mine / max(other, 1e-9),
            spread=0.0,  # The same input always gives the same result.
        )
