"""The nouns of need: whether an appliance needs a recipient, and what speaks for it.

Nothing here is a guess. A label rests on facts that were seen, each with its time and its figures,
or on the household's own word, which is said to be that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_ENTITIES = 200
"""Entities watched of one appliance."""


class Need(StrEnum):
    """Whether an appliance works without a recipient, as far as that is known."""

    NEEDED = "needed"
    NOT_NEEDED = "not_needed"
    UNKNOWN = "unknown"


class FactKind(StrEnum):
    """What was seen. `figures` says which figures go along, all of them numbers."""

    STATED = "stated"
    """The household said so."""
    REFUSED = "refused"
    """Since then it is refused; `asked` times, for `hours` in which the gates were open."""
    PARTLY = "partly"
    """One part of it is refused while another passes, so that nothing follows."""
    BROKE = "broke"
    """An entity became unavailable, `minutes` after the first refusal, and still is."""
    NOT_MENDED = "not_mended"
    """The same, and it stayed so though the recipient may be had again for an hour."""
    MENDED = "mended"
    """It broke so, and came back only when the recipient might be had again."""
    RECOVERED = "recovered"
    """It broke so, and came back though the recipient had not been had again."""
    ONE_OF = "one_of"
    """Others were refused first within the same ten minutes: it may be any of them."""
    WORKED = "worked"
    """Refused for `hours`, it asked `asked` times, and all `watched` entities were available."""
    RETRY_STORM = "retry_storm"
    """It asked `now_per_hour` where `usual_per_hour` is usual. It insists; that is no need."""
    NOTHING_WATCHED = "nothing_watched"
    """No entity shows whether anything breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One piece of evidence. `at` is in seconds since 1970."""

    kind: FactKind
    at: float
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    entity_id: str | None = None
    recipient_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is known of an appliance's need for a recipient.

    `usual_per_hour` is None until enough was seen while it was permitted.
    """

    need: Need
    is_stated: bool
    evidence: tuple[Fact, ...]
    usual_per_hour: float | None
    now_per_hour: float
