"""What the engine tells: frozen events. Names, labels and counts; never a payload value.

The one exception is `Reading`, the appliance's own last value, which stays in the house.
"""

from dataclasses import dataclass

from .model import DataPoint, Outcome, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The appliance's own last value of a promoted data point. Stays in the house."""

    data_point_id: str
    value: str | float | bool | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Event: a transmission was decided. Names, labels and counts; never values."""

    at: float
    gate: str
    outcome: Outcome
    reason: Reason
    appliance_id: str | None
    recipient_ids: tuple[str, ...]
    released: tuple[str, ...] = ()
    withheld: int = 0
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """Event: data points seen for the first time. They are off."""

    appliance_id: str
    data_points: tuple[DataPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclaimed:
    """Event: an appliance called an endpoint that no recipient claims. Nothing was sent."""

    appliance_id: str
    host: str
    method: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChanged:
    """Event: the gate opened or closed."""

    gate: str
    is_open: bool


type Event = GateChanged | Decided | Discovered | Unclaimed
