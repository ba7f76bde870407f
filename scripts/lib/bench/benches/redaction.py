"""One message read, decided, redacted, written and checked, beside a JSON round trip."""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import orjson

from .. import messages
from ..household import prepared
from ..measure import Case, Comparison, Options, Quantity, Sample, by_turns, seconds_per_call

PEER = "orjson.dumps(orjson.loads(body))"
REPORTS = 400
"""Unlike messages of one shape, by turns: more texts than anything here remembers."""


def run(options: Options) -> Iterator[Case]:
    """Measure a small body and a larger one, each with seven rules."""
    brush = _reports(messages.BRUSH)
    yield from _case(
        options,
        f"toothbrush, {len(brush[0])} bytes, 7 withheld",
        brush,
        lambda path: path not in messages.BRUSH_WITHHELD,
    )
    fridge = _reports(messages.fridge())
    size = f"fridge, {len(fridge[0])} bytes, 256 items"
    yield from _case(
        options, f"{size}, 7 withheld", fridge, lambda path: path not in messages.FRIDGE_FEW
    )
    yield from _case(
        options, f"{size}, 7 granted", fridge, lambda path: path in messages.FRIDGE_FEW
    )


def _reports(tree: dict[str, Any]) -> list[bytes]:
    return [messages.encode(messages.varied(tree, number)) for number in range(REPORTS)]


def _case(
    options: Options, name: str, bodies: list[bytes], is_granted: Callable[[str], bool]
) -> Iterator[Case]:
    examine = prepared(bodies, is_granted)
    for body in bodies:
        outgoing = examine().outgoing
        if outgoing is None or not outgoing.body or outgoing.body == body:
            raise RuntimeError(f"{name}: this measures no redaction")
    left = cycle(bodies)
    budget = 0.01 if options.quick else 0.3

    def ours() -> Sample:
        return {name: 1e6 * seconds_per_call(examine, budget)}

    def theirs() -> Sample:
        return {
            name: 1e6 * seconds_per_call(lambda: orjson.dumps(orjson.loads(next(left))), budget)
        }

    quantities = {name: Quantity(unit="µs", more_is_better=False)}
    comparison = Comparison(
        bench="redaction", peer=PEER, quantities=quantities, ours=ours, theirs=theirs
    )
    return by_turns(comparison, options.repeats)
