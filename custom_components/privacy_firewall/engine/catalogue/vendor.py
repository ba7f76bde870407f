"""What is known of a vendor: frozen values, as `vendors/*.yaml` state them.

Nothing here decides anything. It gives names to what an appliance reports, and a household
something to start from when it says who receives.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ..model import Category, Endpoint, Field, Purpose
from ..redaction.paths import parse

type Place = tuple[str, tuple[str, ...]]
"""A field, whatever the spelling of its path, and cheap to look up."""


def placed(item: Field) -> Place:
    """Return the place of a field that was found in a message: its path is spelled as ours are."""
    return item.path.replace(".*", "[*]"), item.siblings


def stated_place(item: Field) -> Place:
    """Return the place of a field that a file states; raises `PathSyntaxError`."""
    return placed(Field(str(parse(item.path)), item.siblings))


class Transport(StrEnum):
    """By what an appliance reports. Of these a gate here reads plain `http` today."""

    HTTP = "http"
    HTTPS = "https"
    MQTT = "mqtt"
    MQTTS = "mqtts"
    BLE = "ble"
    TCP = "tcp"
    UDP = "udp"


READABLE = frozenset({Transport.HTTP})
"""What a gate can read today. The rest is allowed or refused as a whole, by its name."""


class Payload(StrEnum):
    """What the message was against which a vendor's paths were checked."""

    UPLOAD = "upload"
    """What the appliance itself sends to its cloud."""
    ANSWER = "answer"
    """What the cloud answers to a program that asks; what the appliance sent is not public."""
    LOCAL = "local"
    """What the appliance tells at home: an answer of its own, or a message to a broker there."""


class StateClass(StrEnum):
    """How a number behaves over time, in Home Assistant's words."""

    MEASUREMENT = "measurement"
    TOTAL = "total"
    TOTAL_INCREASING = "total_increasing"


class EntityKind(StrEnum):
    """As what a data point is best shown at home."""

    SENSOR = "sensor"
    BINARY_SENSOR = "binary_sensor"
    ENUM = "enum"
    TIMESTAMP = "timestamp"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one data point.

    `lowers` says why its category may be less sensitive than its name suggests; empty where it may
    not. `sure` is set where the vendor's own host and path say whose it is. An `optional` one was
    not in the payload that its file was checked against.
    """

    field: Field
    name: str
    category: Category
    unit: str | None = None
    quantity: str | None = None
    state_class: StateClass | None = None
    entity: EntityKind = EntityKind.SENSOR
    options: tuple[str, ...] = ()
    lowers: str = ""
    optional: bool = False
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedRecipient:
    """Who receives, as the vendor states it; what it does not state is empty.

    `source` is where each of these is stated: an address, or where to look. `framing` is the
    vendor's, around the bodies that its endpoints receive.
    """

    organisation: str
    purpose: Purpose | None = None
    benefit: str = ""
    if_refused: str = ""
    storage: str = ""
    retention: str = ""
    policy: str = ""
    source: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    names: tuple[str, ...] = ()
    functional: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    framing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmAnswer:
    """A constant that an appliance of this vendor takes for success, at one endpoint."""

    endpoint: Endpoint
    status: int
    content_type: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Against what a vendor's paths were checked, and when."""

    source: str
    payload: Payload
    shape: str
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One file.

    Without `verified` only names and endpoints are known, from `source`, and `transport` may be
    empty: not known. `marks` are fields by which a message is recognised at a host that the vendor
    does not own: all of them must have been seen there. `framing` is what stands around each body,
    from the outside in; empty for nothing.
    """

    key: str
    vendor: str
    kinds: tuple[str, ...]
    verified: Verified | None
    source: str
    transport: frozenset[Transport]
    recipients: tuple[StatedRecipient, ...]
    topics: tuple[str, ...] = ()
    marks: frozenset[Field] = frozenset()
    data_points: tuple[Known, ...] = ()
    framing: str = ""
    answers: tuple[CalmAnswer, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Tell whether a gate can read any of what its appliances report."""
        return bool(self.transport & READABLE)
