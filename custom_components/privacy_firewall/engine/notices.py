"""Notices: what a recipient is said to do, in words a household decides by.

A notice is made of what the household (or a catalogue) states of the recipient. What nobody stated
is `unknown`, never invented. Another statement is another version; consents keep the one they were
given under.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from .model import Recipient

UNKNOWN = "unknown"
LANGUAGE = "en"
"""The language of the sentences around what was stated; that stays in its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One version of what was stated of a recipient; `hash` is SHA-256 of the text, in hex."""

    recipient_id: str
    text: str
    hash: str
    version: int = 1
    language: str = LANGUAGE


def compose(recipient: Recipient) -> Notice:
    """Write the notice of a recipient, its version still to be told."""
    lines = [
        f"Who receives: {recipient.organisation}",
        f"For what purpose: {recipient.purpose.value}",
        f"What the household gets in return: {recipient.benefit or UNKNOWN}",
        f"What stops working without: {recipient.if_refused or UNKNOWN}",
        f"Sent along with anything granted: {_listed(recipient.functional) or 'nothing'}",
        "Replaced by a constant while withheld: " + (_listed(recipient.neutral) or "nothing"),
        f"Where to: {_listed(str(one) for one in recipient.endpoints) or _nowhere(recipient)}",
        *_kept(recipient),
        "How to withdraw: turn the switch off, or use the withdraw action; it holds at once.",
    ]
    if recipient.names:
        # Only then, so that every other notice reads as it did, and stays agreed to.
        lines.insert(7, f"Where to by traffic that cannot be read: {_listed(recipient.names)}")
    text = "\n".join(lines)
    return Notice(recipient_id=recipient.id, text=text, hash=sha256(text.encode()).hexdigest())


def _kept(recipient: Recipient) -> list[str]:
    """Return where it is stored and how long, in one line as ever where nothing is stated of it."""
    lines = [f"Where it is stored, and how long: {UNKNOWN}"]
    if recipient.storage or recipient.retention:
        lines = [
            f"Where it is stored: {recipient.storage or UNKNOWN}",
            f"How long it is kept: {recipient.retention or UNKNOWN}",
        ]
    if recipient.policy:
        lines.append(f"Its own words on it: {recipient.policy}")
    return lines


def _nowhere(recipient: Recipient) -> str:
    """Return what is said where there is no endpoint: it may be reached in other ways."""
    return "nowhere that can be read" if recipient.names else UNKNOWN


def _listed(items: Iterable[str]) -> str:
    return ", ".join(sorted(items))
