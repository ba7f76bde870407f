"""Which messages under way a decision concerns: those end with it."""

from collections.abc import Callable, Iterator, Mapping

from .learning import Learning
from .model import Appliance, Consent, DataPoint, Item, Reason, Recipient, opaque_id
from .pipeline import Passage
from .redaction import paths
from .selftest import CANARY

type Which = Callable[[Passage], bool]


def carrying(items: frozenset[Item], in_force: Mapping[Item, Consent], learning: Learning) -> Which:
    """Find what carries one of these items, or something that only rode along with one.

    `in_force` are the consents that are left.
    """
    pairs = {(appliance_id, recipient_id) for appliance_id, _, recipient_id in items}

    def is_carrying(passage: Passage) -> bool:
        return any(
            (appliance.id, point_id, recipient.id) in items
            or not _may_still(appliance, recipient, learning.get(point_id), in_force)
            for appliance, point_id, recipient in _releases(passage)
            if (appliance.id, recipient.id) in pairs
        )

    return is_carrying


def over(
    let_through: Mapping[str, float],
    in_force: Mapping[Item, Consent],
    learning: Learning,
) -> Which:
    """Find what may no longer pass because something it rests on ran out.

    What holds now is asked, not the end that was known when it was decided: that may have been
    brought forward since.
    """

    def is_over(passage: Passage) -> bool:
        appliance = passage.verdict.appliance
        if appliance is not None and appliance.id == CANARY:
            # Its consents stand in no ledger, and it is ended by its own test.
            return False
        if passage.verdict.reason is Reason.LET_THROUGH:
            return appliance is None or appliance.id not in let_through
        return any(
            not _may_still(appliance, recipient, learning.get(point_id), in_force)
            for appliance, point_id, recipient in _releases(passage)
        )

    return is_over


def _releases(passage: Passage) -> Iterator[tuple[Appliance, str, Recipient]]:
    """Yield what a passage gives to whom by consents."""
    appliance = passage.verdict.appliance
    if appliance is not None and passage.verdict.reason is not Reason.LET_THROUGH:
        for recipient in passage.verdict.recipients:
            for point_id in passage.released:
                yield appliance, point_id, recipient


def _may_still(
    appliance: Appliance,
    recipient: Recipient,
    point: DataPoint | None,
    in_force: Mapping[Item, Consent],
) -> bool:
    """Tell whether a recipient may have this by a consent, or along with one."""
    if point is None:
        return False
    if (appliance.id, point.id, recipient.id) in in_force:
        return True
    path = paths.parse(point.field.path)
    return any(
        paths.parse(pattern).matches(path)
        for (appliance_id, point_id, recipient_id), consent in in_force.items()
        if (appliance_id, recipient_id) == (appliance.id, recipient.id)
        # Nothing that is read rides along with what nobody reads.
        and point_id != opaque_id(appliance_id)
        for pattern in consent.functional
    )


def let_through(appliance_id: str) -> Which:
    """Find what goes through because everything of an appliance does."""

    def is_let_through(passage: Passage) -> bool:
        appliance = passage.verdict.appliance
        return (
            passage.verdict.reason is Reason.LET_THROUGH
            and appliance is not None
            and appliance.id == appliance_id
        )

    return is_let_through
