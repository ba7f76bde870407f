"""Floats of binary formats, which JSON has no words for: NaN and the infinities."""

import math
from struct import Struct

from ..errors import Refused
from ..model import Mark, Number, Reason, Tree

FLOAT = Mark("#float")
"""Around the name of what is no number."""
NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_VALUES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def from_float(value: float) -> Tree:
    """Return a float as it stands in a tree."""
    if math.isfinite(value):
        return Number(repr(value))
    return {FLOAT: NAMES[repr(value)]}


def never_finite(child: Tree) -> float:
    """Return what the member of `#float` stands for."""
    return _VALUES.get(child, math.nan) if isinstance(child, str) else math.nan


def shortest(value: float, layouts: dict[int, Struct]) -> bytes:
    """Write a float behind the first of these heads (by size) in which nothing of it is lost."""
    for head, layout in layouts.items():
        try:
            data = layout.pack(value)
        except OverflowError:
            continue
        if math.isnan(value) or layout.unpack(data)[0] == value:
            return bytes([head]) + data
    raise Refused(Reason.INTERNAL_ERROR, "a number that is none")
