"""What must be so after a killing: journal, ledger and what the cloud received, side by side.

The guarantees. The journal names whatever the cloud received a byte of; it may name more, for a
process that dies between the commit and the send has recorded what never left. A withdrawal whose
call returned is still in force. One that was under way is on record, or it is not and the data
point is given as before: its caller was not told that it is off. A grant that ended is over before
the first byte.
"""

from collections import Counter
from dataclasses import dataclass, field
import json
from typing import NamedTuple

from engine.entries import Entry
from engine.model import ConsentState, DataPoint, Outcome
from engine.records import Record

from .home import MARKED, ON_RECORD, RECIPIENT, Order, Point, Stage, name_of, slot_of


class Got(NamedTuple):
    """A request as far as the cloud received it; `slot` is None where not even its path came."""

    slot: str | None
    begun: bytes
    """What came of the body."""
    body: dict[str, int] | None
    """The body, where it came whole."""
    size: int
    """The bytes that came."""


def requests_in(received: bytes) -> list[Got]:
    """Take apart all that came on one connection, the last request maybe in part."""
    found: list[Got] = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        words = head.split(b" ")
        slot = words[1].rpartition(b"/")[2].decode() if len(words) > 2 else None
        length = next(
            (
                int(value)
                for name, _, value in (one.partition(b":") for one in head.split(b"\r\n"))
                if name.lower() == b"content-length"
            ),
            0,
        )
        is_whole = length > 0 and len(rest) >= length
        begun, after = (rest[:length], rest[length:]) if is_whole else (rest, b"")
        body = json.loads(begun) if is_whole else None
        found.append(Got(slot, begun, body, len(received) - len(after)))
        received = after
    return found


@dataclass(kw_only=True)
class Evidence:
    """All that is left of a process that was killed, and what a new one on its files does."""

    order: Order
    exit_code: int = 0
    in_flight: int = 0
    committed: int = 0
    """How many entries the process had committed to the journal when it was killed."""
    said: list[str] = field(default_factory=list)
    """What the process told of its decisions, in order."""
    late: int | None = None
    """The first number that was sent after a withdrawal was told to have returned."""
    received: list[bytes] = field(default_factory=list)
    """By connection, all that the cloud received before the restart."""
    entries: list[Entry] = field(default_factory=list)
    """What the journal gained."""
    points: list[DataPoint] = field(default_factory=list)
    before: list[Record] = field(default_factory=list)
    """The ledger before the process started."""
    records: list[Record] = field(default_factory=list)
    """The ledger as the killed process left it."""
    given: frozenset[tuple[str, str]] = frozenset()
    """(Slot, name) of what may pass after the restart."""
    after: dict[str, list[Got]] = field(default_factory=dict)
    """By slot, what the cloud received of one request after the restart."""
    chain: tuple[int, int | None] = (0, None)
    integrity: list[str] = field(default_factory=list)
    is_restored: bool = False


def breaches(evidence: Evidence) -> list[str]:
    """Return what is not as it must be, in words."""
    return [
        *_killing(evidence),
        *_record_before_release(evidence),
        *_only_what_was_given(evidence),
        *_files(evidence),
        *_consents(evidence),
        *_restart(evidence),
    ]


def _killing(evidence: Evidence) -> list[str]:
    found: list[str] = []
    if evidence.exit_code != -9:
        found.append(f"the process was not killed but ended with {evidence.exit_code}")
    if evidence.order.stage is Stage.JOURNAL and len(evidence.entries) != evidence.committed:
        # Nothing else is committed between the two: its thread is the one that is killed.
        found.append(f"{evidence.committed} entries were committed, {len(evidence.entries)} found")
    return found


def _released(evidence: Evidence) -> Counter[tuple[str, str]]:
    """How often the journal says that a slot's data point was released."""
    places = {one.id: (slot_of(one), name_of(one)) for one in evidence.points}
    return Counter(
        places[point]
        for entry in evidence.entries
        if entry.outcome is not Outcome.DENY and entry.recipient_ids == (RECIPIENT,)
        for point in entry.released
    )


def claimed_only(evidence: Evidence) -> int:
    """How many transmissions the journal names that the cloud received nothing of."""
    released = sum(entry.outcome is not Outcome.DENY for entry in evidence.entries)
    return released - sum(len(requests_in(received)) for received in evidence.received)


def _record_before_release(evidence: Evidence) -> list[str]:
    found: list[str] = []
    got = [one for received in evidence.received for one in requests_in(received)]
    left: Counter[tuple[str, str]] = Counter()
    for one in got:
        if one.slot is not None:
            left[one.slot, "count"] += 1
            left[one.slot, "mark"] += b'"mark"' in one.begun
    released = _released(evidence)
    found += [
        f"the cloud began to receive {name} of {slot} {times} times, the journal says"
        f" {released[slot, name]}"
        for (slot, name), times in left.items()
        if times > released[slot, name]
    ]
    if claimed_only(evidence) < 0:
        found.append("the cloud received more requests than the journal says were released")
    if evidence.order.keeps_values:
        numbers = {one.id for one in evidence.points if name_of(one) == "count"}
        kept = Counter(
            int(value)
            for entry in evidence.entries
            for point, value in entry.values
            if point in numbers
        )
        found += [
            f"request {one.body['count']} was received, and no entry has its value"
            for one in got
            if one.body is not None and kept[one.body["count"]] != 1
        ]
    return found


def _only_what_was_given(evidence: Evidence) -> list[str]:
    """Compare what the cloud received, and what the journal released, with the ledger."""
    given = {
        (record.consent.data_point_id, record.consent.recipient_id)
        for record in evidence.records
        if record.consent.state is ConsentState.GIVEN
    }
    places = {
        (slot_of(one), name_of(one)) for one in evidence.points if (one.id, RECIPIENT) in given
    }
    found = [
        f"the journal says that {place} was released, which was never given"
        for place in _released(evidence)
        if place not in places
    ]
    for received in evidence.received:
        for one in requests_in(received):
            if b"note" in one.begun:
                found.append("the cloud received what was never given")
            found += [
                f"the cloud received {name} of {one.slot}, which was never given"
                for name in one.body or ()
                if (one.slot, name) not in places
            ]
            if evidence.late is not None and one.body is not None:
                is_late = one.body["count"] >= evidence.late
                if is_late and one.slot in MARKED and "mark" in one.body:
                    found.append(f"the mark of {one.slot} left after its withdrawal had returned")
    return found


def _files(evidence: Evidence) -> list[str]:
    found = [f"a file is damaged: {one}" for one in evidence.integrity if one != "ok"]
    records, broken = evidence.chain
    if broken is not None:
        found.append(f"the ledger's chain is broken at {broken}")
    if records < len(evidence.records):
        found.append("the ledger lost records")
    if evidence.records[: len(evidence.before)] != evidence.before:
        found.append("an earlier record of the ledger is not what it was")
    if evidence.is_restored:
        found.append("the file is taken for one that came from a backup")
    return found


def _consents(evidence: Evidence) -> list[str]:
    """Compare what the ledger gained with what the process said that it had done."""
    point, stage, said = evidence.order.point, evidence.order.stage, evidence.said
    marks = {one.id for one in evidence.points if name_of(one) == "mark"}
    gained = evidence.records[len(evidence.before) :]
    found: list[str] = []
    if any(record.consent.data_point_id not in marks for record in gained):
        found.append("the ledger has a record of what nobody decided about")
    states = Counter(record.consent.state for record in gained)
    if any(count % len(MARKED) for count in states.values()):
        found.append(f"a decision about many was recorded in part: {dict(states)}")
    times = {state: count // len(MARKED) for state, count in states.items()}
    expected: dict[ConsentState, int] = {}
    if point is Point.WITHDRAWAL:
        begun = said.count("withdrawing") - said.count("withdrawn")
        expected = {
            ConsentState.WITHDRAWN: said.count("withdrawn") + (begun if stage in ON_RECORD else 0),
            ConsentState.GIVEN: said.count("given"),
        }
    elif point is Point.EXPIRY:
        # The process grants again once the end of the last one is on record; a short grant may be
        # over before its own call returns.
        expected = {
            ConsentState.GIVEN: said.count("granting"),
            ConsentState.EXPIRED: said.count("granting") - (stage not in ON_RECORD),
        }
    expected = {state: count for state, count in expected.items() if count}
    if times != expected:
        found.append(f"the ledger gained {times}, and it was to be {expected}")
    return found


def _restart(evidence: Evidence) -> list[str]:
    """Compare what may pass, and what passes, after the restart with the ledger."""
    given: dict[str, bool] = {}
    for record in evidence.records:
        consent = record.consent
        given[consent.data_point_id] = consent.state is ConsentState.GIVEN and consent.until is None
    # Every timed grant is over by now; nothing that was given without an end is.
    expected = {(slot_of(one), name_of(one)) for one in evidence.points if given.get(one.id, False)}
    found: list[str] = []
    told = evidence.said[-1:] == ["withdrawn"]
    if evidence.order.point is Point.EXPIRY or (evidence.order.point is Point.WITHDRAWAL and told):
        expected -= {(slot, "mark") for slot in MARKED}
    if evidence.given != expected:
        wider = sorted(evidence.given - expected)
        narrower = sorted(expected - evidence.given)
        found.append(
            f"after the restart it gives {len(wider)} too many and {len(narrower)} too few:"
            f" {[*wider, *narrower][:3]}"
        )
    for slot, got in evidence.after.items():
        names = {name for one in got for name in one.body or ()}
        may = {name for name in ("count", "mark") if (slot, name) in expected}
        if names != may:
            found.append(f"after the restart {sorted(names)} left of {slot}, not {sorted(may)}")
    return found
