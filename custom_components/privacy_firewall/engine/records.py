"""The rows of the ledger and how they are chained: pure functions, no file.

Every record carries a hash over the one before it and all of its own columns. A record that was
changed, removed from the middle or put in between later breaks the chain there. It is evidence of
corruption, not of fraud: who can write the file can write a new chain.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
import json

from .model import (
    Category,
    Consent,
    ConsentState,
    DataPoint,
    Decider,
    Drift,
    Kind,
    Level,
    Recipient,
    Sensitive,
)

COLUMNS = (
    "at", "appliance_id", "data_point_id", "recipient_id", "state", "level", "kinds", "how",
    "person", "until", "functional", "notice", "notice_shown", "subject", "context", "facts",
)  # fmt: skip
"""What a record says, in the order in which it is hashed. Times in seconds since 1970 UTC."""
SPECIAL = frozenset({Category.HEALTH})
"""Categories of which the law asks more (GDPR article 9)."""
STATED = ("storage", "retention", "policy")
"""Facts of what a recipient states of itself; a record has those that were stated."""
SPECIAL_KINDS = frozenset({Sensitive.HEALTH, Sensitive.RELIGION})
"""The same among what a data point is marked as."""

DRIFT, GROUP = "drift", "group"
"""Facts of why it is asked again, and with which group it was withdrawn."""

type Row = tuple[str | float | int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One decision as the ledger keeps it.

    `facts` are the names of things when it was made: `appliance`, `data`, `path`, `endpoint`,
    `category`, `special`, `organisation`, `purpose`, and of what the recipient states `storage`,
    `retention` and `policy`; what was not known then is missing.
    """

    consent: Consent
    decider: Decider
    facts: dict[str, str | bool]
    hash: str

    @property
    def at(self) -> float:
        """Return when it was made."""
        return self.consent.decided_at


def facts_of(
    appliance: str | None, point: DataPoint, recipient: Recipient | None
) -> dict[str, str | bool]:
    """Return the names that a record keeps; they may change later, the record does not."""
    facts: dict[str, str | bool | None] = {
        "appliance": appliance,
        "data": point.name,
        "path": str(point.field),
        "endpoint": point.template,
        "category": point.category.value,
        "special": point.category in SPECIAL or not SPECIAL_KINDS.isdisjoint(point.sensitive),
        "organisation": None if recipient is None else recipient.organisation,
        "purpose": None if recipient is None else recipient.purpose.value,
    }
    if recipient is not None:
        # Only what is stated: other records read as they always did.
        stated = recipient.storage, recipient.retention, recipient.policy
        facts |= {name: text or None for name, text in zip(STATED, stated, strict=True)}
    return {name: value for name, value in facts.items() if value is not None}


def row_of(consent: Consent, decider: Decider, facts: dict[str, str | bool]) -> Row:
    """Return a record's columns."""
    return (
        float(consent.decided_at),
        consent.appliance_id,
        consent.data_point_id,
        consent.recipient_id,
        consent.state.value,
        consent.level.value,
        json.dumps(sorted(consent.kinds)),
        decider.how,
        decider.person,
        None if consent.until is None else float(consent.until),
        json.dumps(sorted(consent.functional)),
        consent.notice,
        int(decider.notice_shown),
        consent.subject,
        decider.context,
        json.dumps(facts, sort_keys=True),
    )


def record_of(number: int, row: Row, digest: str) -> Record:
    """Read a record back; raises `ValueError` where the columns cannot be what was written."""
    (at, appliance, point, recipient, state, level, kinds, how, person, until, functional, notice,
     shown, subject, context, facts) = row  # fmt: skip
    told: dict[str, str | bool] = json.loads(str(facts))
    group = _optional(told.get(GROUP))
    drift = told.get(DRIFT)
    return Record(
        consent=Consent(
            appliance_id=str(appliance),
            data_point_id=str(point),
            recipient_id=str(recipient),
            state=ConsentState(str(state)),
            level=Level(str(level)),
            kinds=frozenset(Kind(kind) for kind in json.loads(str(kinds))),
            decided_at=float(at or 0.0),
            until=None if until is None else float(until),
            functional=frozenset(json.loads(str(functional))),
            notice=_optional(notice),
            subject=_optional(subject),
            number=number,
            # What is asked again says so in its own record; here, what was withdrawn meanwhile.
            drift=Drift(str(drift)) if drift is not None and state != "requested" else None,
            group=group,
        ),
        decider=Decider(
            how=str(how),
            person=_optional(person),
            context=_optional(context),
            notice_shown=bool(shown),
            group=group,
        ),
        facts=told,
        hash=digest,
    )


def _optional(value: str | float | None) -> str | None:
    return None if value is None else str(value)


def link(previous: str, row: Row) -> str:
    """Return the hash that chains a record to the one before it ("" for the first)."""
    text = json.dumps([previous, *row], separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def first_broken(rows: Iterable[tuple[int, Row, str]]) -> Iterator[int]:
    """Yield the number of every record whose hash or number does not follow from the one before."""
    previous, before = "", 0
    for number, row, digest in rows:
        if link(previous, row) != digest or number != before + 1:
            yield number
        previous, before = digest, number
