"""How many questions wait: as many as there are switches to answer them by."""

from collections.abc import Iterable

from .engine import Firewall

type Pair = tuple[str, str]
"""Data point id, recipient id."""


def count_questions(firewall: Firewall, pairs: Iterable[Pair]) -> int:
    """Return how many questions these are; the members of one group are one."""
    groups = {
        (point.id, group.recipient_id): (appliance_id, group.key)
        for appliance_id in firewall.appliances
        for group in firewall.groups(appliance_id)
        for point in group.points
    }
    return len({groups.get(pair, pair) for pair in pairs})
