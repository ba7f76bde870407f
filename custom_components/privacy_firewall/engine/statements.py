"""What a decision is about, put down with the names of things and the notice it is made under."""

from .clock import ForwardClock
from .errors import ConsentError, NotCoarseError
from .learning import Learning
from .ledger import Entry
from .model import (
    OPAQUE_FIELD,
    Appliance,
    Consent,
    ConsentState,
    DataPoint,
    Kind,
    Level,
    Recipient,
)
from .notices import Notice, compose
from .records import facts_of
from .redaction.transforms import may_be_coarse

MAX_TIME = 10 * 366 * 24 * 3600.0
"""Seconds for which a timed grant may be given at most."""


class Statements:
    """What the household states of its appliances and recipients."""

    def __init__(self, learning: Learning, clock: ForwardClock) -> None:
        """Keep what was seen, and the time."""
        self._learning = learning
        self._clock = clock
        self.appliances: dict[str, Appliance] = {}
        self.recipients: dict[str, Recipient] = {}
        self._notices: dict[str, Notice] = {}

    def configure(self, appliances: dict[str, Appliance], recipients: dict[str, Recipient]) -> None:
        """Take over what the household states."""
        self.appliances = appliances
        self.recipients = recipients
        self._notices = {}

    def notice(self, recipient_id: str) -> Notice | None:
        """Return what is stated of a recipient now, its version still to be told."""
        recipient = self.recipients.get(recipient_id)
        if recipient is not None and recipient_id not in self._notices:
            self._notices[recipient_id] = compose(recipient)
        return self._notices.get(recipient_id)

    def is_outdated(self, consent: Consent) -> bool:
        """Tell whether what is stated of a recipient changed since a consent was given."""
        notice = self.notice(consent.recipient_id)
        return notice is not None and consent.notice != notice.hash

    def entry(
        self,
        point_id: str,
        recipient_id: str,
        state: ConsentState,
        level: Level = Level.EXACT,
        subject: str | None = None,
    ) -> Entry:
        """Return a decision to be recorded; raises `ConsentError` for what is not known."""
        point = self._learning.get(point_id)
        if point is None:
            raise ConsentError("no such data point was seen")
        recipient = self.recipients.get(recipient_id)
        if state is not ConsentState.WITHDRAWN and (
            recipient is None or recipient_id not in point.recipients
        ):
            raise ConsentError("this recipient does not receive this data point")
        if level is Level.COARSE and not may_be_coarse(point.kinds, point.category, point.unit):
            raise NotCoarseError("this passes as it is or not at all: it cannot be made coarse")
        appliance = self.appliances.get(point.appliance_id)
        notice = self.notice(recipient_id)
        return Entry(
            consent=Consent(
                appliance_id=point.appliance_id,
                data_point_id=point.id,
                recipient_id=recipient_id,
                state=state,
                level=level,
                kinds=point.kinds - {Kind.NULL},
                functional=_named(point, recipient) if recipient is not None else frozenset(),
                notice=notice.hash if notice is not None else None,
                subject=subject or (appliance.owner if appliance is not None else None),
            ),
            facts=facts_of(appliance.name if appliance is not None else None, point, recipient),
            notice=notice,
        )

    def end(self, seconds: float | None, until: float | None) -> float | None:
        """Return when a grant is to end; raises `ConsentError` where that cannot be meant."""
        if seconds is not None and until is not None:
            raise ConsentError("a grant has one end")
        now = self._clock.now()
        if seconds is not None:
            until = now + seconds
        if until is not None and not 0 < until - now <= MAX_TIME:
            raise ConsentError("a grant ends in the time to come")
        return until


def _named(point: DataPoint, recipient: Recipient) -> frozenset[str]:
    """Return what the notice names beside the data point, and is agreed to along with it."""
    return recipient.names if point.field == OPAQUE_FIELD else recipient.functional
