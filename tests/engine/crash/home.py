"""A home that is killed again and again: what it is made of, and what one killing is to be.

Both sides use this: the tests, and the process that dies (which has no pytest).
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
import json
from pathlib import Path
from typing import Self

from engine.model import Appliance, DataPoint, Endpoint, Purpose, Recipient

APPLIANCE = "127.0.0.2"
SLOTS = tuple(f"{one}{other}" for one in "abcdefghijkl" for other in "mnopqrstuv")
"""Last segments of the paths that are called, one request at a time each. The first bytes of a
request so tell which one it is, and words do not look like data: every path is a template."""
MARKED = frozenset(SLOTS[: len(SLOTS) * 2 // 5])
"""Slots whose `mark` is given, withdrawn and given for a time; that of the others never is."""
MIN_IN_FLIGHT = 50
"""Transmissions that the gate has in hand whenever it is killed."""
RECIPIENT = "frost"
DATABASE = "firewall.db"


class Point(StrEnum):
    """Where the process is killed."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"
    MID_SEND = "mid-send"
    WITHDRAWAL = "during withdrawal"
    EXPIRY = "during expiry"


class Stage(StrEnum):
    """Where in there."""

    JOURNAL = "at the journal"
    ONE_BYTE = "one byte of a request was sent"
    IN_HEAD = "part of a head was sent"
    IN_BODY = "part of a body was sent"
    STOPPED = "stopped, nothing written"
    WRITTEN = "written, not committed"
    COMMITTED = "committed, nobody told"
    ANCHORED = "committed and anchored, nobody told"
    RETURNED = "the call had returned"
    LASTING = "the grant still lasts, and is over before the restart"


STAGES = {
    Point.BEFORE_COMMIT: (Stage.JOURNAL,),
    Point.AFTER_COMMIT: (Stage.JOURNAL,),
    Point.MID_SEND: (Stage.ONE_BYTE, Stage.IN_HEAD, Stage.IN_BODY),
    Point.WITHDRAWAL: (
        Stage.STOPPED, Stage.WRITTEN, Stage.COMMITTED, Stage.ANCHORED, Stage.RETURNED,
    ),
    Point.EXPIRY: (
        Stage.STOPPED, Stage.WRITTEN, Stage.COMMITTED, Stage.ANCHORED, Stage.LASTING,
    ),
}  # fmt: skip
NOT_YET = frozenset({Stage.STOPPED, Stage.WRITTEN})
ON_RECORD = frozenset({Stage.COMMITTED, Stage.ANCHORED})


class Mutant(StrEnum):
    """What is broken on purpose, to see that the checker notices."""

    NONE = "as it is"
    SEND_FIRST = "the journal's commit comes after the send"
    NO_WAIT = "the journal's commit is not waited for"
    EARLY_RETURN = "a withdrawal returns before it is on record"
    ENDLESS = "the end of a grant is not recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One killing: at the `nth` time that a stage is reached with enough in flight."""

    point: Point
    stage: Stage
    nth: int
    cut: float
    """How far into a request it is killed, as a share of what may be sent of it."""
    folder: str
    gate: str
    """The address of the gate; every lane has its own, so that nobody calls another's."""
    cloud: int
    """The port of the recording upstream."""
    keeps_values: bool
    """Whether the journal keeps released values: then it is known which request an entry is."""
    set_back: bool = False
    """Whether the wall clock is set back by an hour before the restart."""
    mutant: Mutant = Mutant.NONE

    @property
    def database(self) -> Path:
        return Path(self.folder) / DATABASE

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        said = json.loads(line)
        kinds = {"point": Point, "stage": Stage, "mutant": Mutant}
        return cls(**{name: kinds.get(name, lambda one: one)(said[name]) for name in said})


def fridge() -> Appliance:
    return Appliance(id="fridge", name="Fridge", addresses=frozenset({APPLIANCE}))


def frost(port: int) -> Recipient:
    return Recipient(
        id=RECIPIENT,
        organisation="Frost",
        purpose=Purpose.SERVICE,
        endpoints=(Endpoint.parse(f"http://127.0.0.1:{port}/"),),
        allow_private=True,
    )


def slot_of(point: DataPoint) -> str:
    """The slot at whose path a data point was seen."""
    return point.template.rpartition("/")[2]


def name_of(point: DataPoint) -> str:
    """The member of the body that a data point is, or an empty text: the call itself."""
    return point.field.path.removeprefix("$.body.") if "$.body." in point.field.path else ""
