"""What the engine tells: frozen events. Names, labels and counts; never a payload value.

The one exception is `Reading`, the appliance's own last value, which stays in the house.
"""

from dataclasses import dataclass

from .model import Consent, DataPoint, Decider, Measure, Outcome, Reason


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentsChanged:
    """Event: decisions were recorded. `consents` are the new ones, all of one state."""

    consents: tuple[Consent, ...]
    decider: Decider


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentsRequested:
    """Event, once a day at most: what is open for the household to decide, all of the home.

    `consents` are those newly requested since the last digest; they are off, or as they were.
    """

    at: float
    consents: tuple[Consent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentsSuspended:
    """Event: what was granted is another thing now, as `drift` of each says.

    It is out of force until somebody decides anew.
    """

    consents: tuple[Consent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantEnding:
    """Event: timed grants end soon, `until` seconds since 1970; five minutes ahead at most."""

    consents: tuple[Consent, ...]
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureChanged:
    """Event: a measure began or ended. `until` is None for one that ends by hand."""

    measure: Measure
    appliance_id: str | None
    is_on: bool
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageChanged:
    """Event: the disk refused a record, so that nothing leaves; or it took one again."""

    works: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageDamaged:
    """Event: a file was found damaged.

    A journal was set aside for a new one. The household's own file never is: what stands in it is
    decided by people, and so is starting over.
    """

    is_journal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesAsked:
    """Event: names were asked at the DNS gate; counts are elsewhere.

    The first time at once, then every few seconds at most, the newest counts always.

    `appliance_id` is None for those who are no appliance.
    """

    appliance_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolversChanged:
    """Event: none of the household's resolvers answers any more, or one of them does again.

    `resolvers` as the household stated them. In seconds since 1970: `since` is when the first
    question was given up that none answered, `last_answer` when one last did, None where none has
    since the gate opened.
    """

    is_silent: bool
    resolvers: tuple[str, ...]
    since: float
    last_answer: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Event: what was recorded of an appliance's transmissions was deleted on purpose."""

    appliance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerSeen:
    """Event: something that is no appliance asked for a name for the first time since the start."""

    address: str
    mac: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStorm:
    """Event: refused, an appliance asks for a recipient far more often than it usually does.

    Once for each time that it is refused. It insists; whether it needs the recipient is another
    question.
    """

    appliance_id: str
    recipient_id: str
    at: float
    gate: str
    usual_per_hour: float
    now_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedChanged:
    """Event: there is something new about whether an appliance needs a recipient."""

    appliance_id: str
    recipient_id: str


type Event = (
    GateChanged
    | Decided
    | Discovered
    | Unclaimed
    | ConsentsChanged
    | ConsentsRequested
    | ConsentsSuspended
    | Forgotten
    | GrantEnding
    | MeasureChanged
    | NamesAsked
    | NeedChanged
    | ResolversChanged
    | RetryStorm
    | StrangerSeen
    | StorageChanged
    | StorageDamaged
)
