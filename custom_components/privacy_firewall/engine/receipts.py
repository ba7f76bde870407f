"""Receipts: the copy of a consent's records that is handed out. Pure: no file, no clock.

Their shape follows ISO/IEC TS 27560:2023 as the W3C's DPV community maps it (header, processing,
events; https://w3id.org/dpv/guides/consent-27560), made smaller for a household. What a vendor does
not state is `unknown`, never invented. A receipt is evidence of what the household decided, not
proof that the law would call it a valid consent.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .model import Consent, ConsentState, Item, opaque_id
from .notices import UNKNOWN, Notice
from .records import STATED, Record

SCHEMA_VERSION = "ISO/IEC TS 27560:2023"
WITHDRAWAL = "Turn the switch off, or use the withdraw action; it holds at once."
_OF_ITSELF = frozenset({"time", "asking", "restore"})
"""How the firewall itself comes to a record: nobody decided just then, so no notice was there."""

type Receipt = dict[str, Any]
"""JSON; see docs/receipts.md for its members."""


def build(
    records: Iterable[Record],
    notices: Mapping[tuple[str, str], Notice],
    current: Mapping[Item, Consent],
    *,
    is_in_force: Callable[[Consent], bool],
    issued_at: float,
    people: Mapping[str, str],
) -> list[Receipt]:
    """Return a receipt for everything that records speak of, in the order of their first one.

    `records` come oldest first; `notices` are by recipient id and hash. `current` is how each item
    stands now; `people` are names by the ids of persons and of Home Assistant users.
    """
    items: dict[Item, list[Record]] = {}
    for record in records:
        consent = record.consent
        items.setdefault(consent.item, []).append(record)
    return [
        _receipt(
            item,
            of_item,
            notices,
            now=current.get(item),
            is_in_force=is_in_force,
            issued_at=issued_at,
            people=people,
        )
        for item, of_item in items.items()
    ]


def subject_of(receipt: Receipt) -> str | None:
    """Return whose consent a receipt speaks of: a person's id, or None for the household."""
    subject: str | None = receipt["header"]["person"]["id"]
    return subject


def _receipt(
    item: Item,
    records: list[Record],
    notices: Mapping[tuple[str, str], Notice],
    *,
    now: Consent | None,
    is_in_force: Callable[[Consent], bool],
    issued_at: float,
    people: Mapping[str, str],
) -> Receipt:
    appliance_id, data_point_id, recipient_id = item
    decisions = [one for one in records if one.consent.state is not ConsentState.REQUESTED]
    newest = (decisions or records)[-1]
    # A record that the firewall made by itself repeats no names.
    facts: dict[str, str | bool] = {}
    for record in records:
        if "organisation" in record.facts:
            # Stated anew as a whole: what is no longer stated is unknown again.
            facts = {name: fact for name, fact in facts.items() if name not in STATED}
        facts |= record.facts
    digest = newest.consent.notice
    notice = notices.get((recipient_id, digest)) if digest is not None else None
    subject = newest.consent.subject
    record_id = "/".join(item)
    is_opaque = data_point_id == opaque_id(appliance_id)
    return {
        "header": {
            "schema_version": SCHEMA_VERSION,
            "record_id": record_id,
            "receipt_id": f"{record_id}@{records[-1].consent.number}",
            "issued_at": _time(issued_at),
            "person": {
                "type": "household" if subject is None else "person",
                "id": subject,
                "name": None if subject is None else people.get(subject, UNKNOWN),
            },
        },
        "processing": {
            "notice": UNKNOWN if notice is None else _notice(notice),
            "purpose": facts.get("purpose", UNKNOWN),
            "lawful_basis": "consent",
            "data": {
                "id": data_point_id,
                "name": facts.get("data", UNKNOWN),
                "category": facts.get("category", UNKNOWN),
                "special_category": facts.get("special", UNKNOWN),
                "path": facts.get("path", UNKNOWN),
                "types": sorted(kind.value for kind in newest.consent.kinds),
            },
            "level": newest.consent.level.value,
            "sent_along": [] if is_opaque else sorted(newest.consent.functional),
            "names": sorted(newest.consent.functional) if is_opaque else [],
            "appliance": {"id": appliance_id, "name": facts.get("appliance", UNKNOWN)},
            "recipients": [
                {
                    "id": recipient_id,
                    "organisation": facts.get("organisation", UNKNOWN),
                    "endpoint": facts.get("endpoint", UNKNOWN),
                    "passes_on_to": UNKNOWN,
                    "policy": facts.get("policy", UNKNOWN),
                }
            ],
            "controllers": UNKNOWN,
            "storage_locations": facts.get("storage", UNKNOWN),
            "retention_period": facts.get("retention", UNKNOWN),
            "jurisdictions": UNKNOWN,
            "withdrawal": WITHDRAWAL,
        },
        "now": {
            "state": (now or newest.consent).state.value,
            "in_force": now is not None and is_in_force(now),
            "suspended": now is not None and now.is_suspended,
            "asked_again": now is not None and now.requested,
            "until": None if now is None else _time(now.until),
        },
        "events": [_event(record, notices, people) for record in records],
    }


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "text": notice.text,
        "version": notice.version,
        "hash": notice.hash,
        "language": notice.language,
    }


def _event(
    record: Record, notices: Mapping[tuple[str, str], Notice], people: Mapping[str, str]
) -> dict[str, Any]:
    consent, decider = record.consent, record.decider
    notice = notices.get((consent.recipient_id, consent.notice or ""))
    if decider.how in _OF_ITSELF:
        presented = "nobody_asked"
    elif consent.notice is None:
        presented = UNKNOWN
    else:
        # A bare switch or action shows none; it could have been read.
        presented = "shown" if decider.notice_shown else "available"
    return {
        "number": consent.number,
        "time": _time(record.at),
        "state": consent.state.value,
        "level": consent.level.value,
        "valid_until": _time(consent.until),
        "how": decider.how,
        "person": None
        if decider.person is None
        else {"id": decider.person, "name": people.get(decider.person, UNKNOWN)},
        "context": decider.context,
        "notice": {
            "presented": presented,
            "hash": consent.notice or UNKNOWN,
            "version": UNKNOWN if notice is None else notice.version,
        },
        "hash": record.hash,
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
