"""Data points for tests, described as the engine describes what it sees."""

from dataclasses import replace
from typing import Any

from engine import learning
from engine.model import DataPoint, Field, Leaf
from engine.redaction.fields import Found

TEMPLATE = "POST cloud.example/v1"


def point(item: Field | str, value: Leaf = "open", **changed: Any) -> DataPoint:
    """The data point that the fridge's value at a place becomes."""
    field = item if isinstance(item, Field) else Field(item)
    [made] = learning.unseen(
        [Found(field, "", value)],
        {},
        count=0,
        appliance_id="fridge",
        template=TEMPLATE,
        recipients=("cloud",),
        now=5.0,
    )
    return replace(made, **changed)
