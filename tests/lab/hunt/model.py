"""What the household gave, as the hunter itself decided it; and so what a message may tell.

Kept beside the firewall and never asked of it. What widens counts from the moment it is asked for,
what narrows from the moment the firewall said that it is done.
"""

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from .canaries import Canary
from .reports import Message, Piece, Place


class Key(NamedTuple):
    """What a consent is about."""

    appliance: str
    template: str
    place: Place
    recipient: str


@dataclass(slots=True)
class Given:
    """A consent: whole or coarse, for which types of values, until when."""

    is_exact: bool
    kinds: frozenset[str]
    until: float


@dataclass(slots=True, kw_only=True)
class Stated:
    """A recipient as the household states it."""

    id: str
    cloud: int
    """Which of the clouds it is."""
    functional: frozenset[str] = frozenset()
    neutral: frozenset[str] = frozenset()


@dataclass(slots=True)
class Model:
    """Everything that is in force."""

    now: float
    given: dict[Key, Given] = field(default_factory=dict)
    kinds: dict[tuple[str, str, Place], set[str]] = field(default_factory=dict)
    """Types with which an item was sent, by appliance, template and place."""
    withheld: dict[str, set[Canary]] = field(default_factory=dict)
    """Identities that an appliance had in a message from which they were taken."""
    lockdown: bool = False
    let_through: dict[str, float] = field(default_factory=dict)
    is_mute: bool = False
    """Whether nothing can be recorded, so that nothing may leave."""
    opaque: dict[tuple[str, str], float] = field(default_factory=dict)
    """By appliance and recipient: until when what cannot be read is given."""

    def is_let_through(self, appliance: str) -> bool:
        return (
            not self.is_mute and not self.lockdown and self.let_through.get(appliance, 0) > self.now
        )

    def note(self, message: Message) -> None:
        """Keep with which types of values each item is sent."""
        for piece in message.pieces:
            item = message.appliance, message.report.template, piece.place
            self.kinds.setdefault(item, set()).add(piece.kind)

    def may(self, message: Message, piece: Piece, recipients: tuple[Stated, ...]) -> bool:
        """Tell whether a piece may be in a message as it is, now, for all who receive there."""
        if self.lockdown or self.is_mute or not recipients:
            return False
        if self.is_let_through(message.appliance):
            return True
        return all(self._may_to(message, piece, one) for one in recipients)

    def _may_to(self, message: Message, piece: Piece, recipient: Stated) -> bool:
        key = Key(message.appliance, message.report.template, piece.place, recipient.id)
        consent = self.given.get(key)
        if consent is not None and consent.until > self.now:
            return consent.is_exact and piece.kind in consent.kinds
        return (
            not piece.place.siblings
            and piece.place.path in recipient.functional
            and self._has_any(message.appliance, recipient.id)
        )

    def may_tell(self, message: Message, place: Place, recipients: tuple[Stated, ...]) -> bool:
        """Tell whether there may be anything at a place: whole, coarse, or a constant."""
        if self.lockdown or self.is_mute:
            return False
        if self.is_let_through(message.appliance):
            return True
        for one in recipients:
            consent = self.given.get(Key(message.appliance, message.report.template, place, one.id))
            is_given = consent is not None and consent.until > self.now
            rides = place.path in one.functional and self._has_any(message.appliance, one.id)
            if not (is_given or rides or place.path in one.neutral):
                return False
        return True

    def _has_any(self, appliance: str, recipient: str) -> bool:
        return any(
            key.appliance == appliance and key.recipient == recipient and one.until > self.now
            for key, one in self.given.items()
        )

    def keys_of(self, appliance: str, recipient: str | None = None) -> list[Key]:
        return [
            key
            for key in self.given
            if key.appliance == appliance and recipient in (None, key.recipient)
        ]

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and with it what ends."""
        self.now += seconds
        self.given = {key: one for key, one in self.given.items() if one.until > self.now}
        self.let_through = {one: end for one, end in self.let_through.items() if end > self.now}
        self.opaque = {one: end for one, end in self.opaque.items() if end > self.now}


FOREVER = inf
