"""Consents as switches: one for each data point and recipient, off until somebody turns it on.

The switch is a view; the ledger is the truth. A switch that is disabled, removed or renamed changes
no consent.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .engine.model import OPAQUE_FIELD, Consent, ConsentState, DataPoint, Level, Recipient
from .entity import ItemEntity, async_keep_entities
from .exposure_switch import async_keep_exposures
from .group_switch import GroupSwitch, wanted_groups
from .household import Household, PrivacyFirewallConfigEntry
from .lockdown import LockdownSwitch

# Decisions are recorded one by one where they are kept.
PARALLEL_UPDATES = 0
HOW = "switch"
"""By which means a decision came, as the ledger calls it."""
OPENS_UNREAD = (
    "All or nothing: what it sends there cannot be read, so nothing of it can be held back or"
    " shown. It counts from the next look-up; a connection that is open then may stay open."
)
"""What is said of opaque traffic, beside its notice and in its language."""


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the lockdown, and the switches of data points and groups for each recipient."""
    async_add_entities([LockdownSwitch(entry.runtime_data)])
    async_keep_entities(entry, async_add_entities, _wanted)
    async_keep_exposures(entry, async_add_entities)


def _wanted(household: Household, appliance_id: str) -> Iterator[ConsentSwitch | GroupSwitch]:
    for point in household.firewall.promoted(appliance_id):
        for recipient_id in point.recipients:
            recipient = household.firewall.recipients.get(recipient_id)
            if recipient is not None:
                yield ConsentSwitch(household, point, recipient)
    yield from wanted_groups(household, appliance_id)


class ConsentSwitch(ItemEntity, SwitchEntity):
    """The household's decision about one data point and one recipient."""

    # Not a control of the appliance: areas, devices and assistants must not sweep it along.
    _attr_entity_category = EntityCategory.CONFIG
    _attr_translation_key = "consent"
    _unrecorded_attributes = frozenset(
        {
            "data_point_id",
            "path",
            "endpoint",
            "benefit",
            "if_refused",
            "sent_along",
            "category",
            "nature",
            "sensitive",
            "evidence",
            "notice",
            "opens",
            "needed_by",
            "matched_entity",
            "match_confidence",
            "match_reasons",
            "also_reveals",
        }
    )

    def __init__(self, household: Household, point: DataPoint, recipient: Recipient) -> None:
        """Stand for a data point and a recipient."""
        super().__init__(household, point.appliance_id, f"{point.id}_{recipient.id}")
        self._item = point.id, recipient.id
        self._be_of(point, recipient)
        self._recipient = recipient
        self._deciding = asyncio.Lock()
        self._shown: tuple[object, ...] = ()

    @property
    def _consent(self) -> Consent | None:
        return self._household.firewall.consent(*self._item)

    @property
    @override
    def is_on(self) -> bool:
        """Whether the consent is in force."""
        return self._household.firewall.is_sharing(*self._item)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """What to know before turning it on. Never a value."""
        consent = self._consent
        consents = self._household.firewall.consents
        # Only asked for while the recipient is known: without that it is unavailable.
        notice = consents.notice(self._recipient.id)
        matched = self._matched
        return {
            **({"opens": OPENS_UNREAD} if self._point.field == OPAQUE_FIELD else {}),
            "data_point_id": self._point.id,
            "path": str(self._point.field),
            "endpoint": self._point.template,
            "category": self._point.category.value,
            "nature": self._point.nature.value if self._point.nature else None,
            "sensitive": sorted(self._point.sensitive),
            "evidence": list(self._point.evidence),
            "recipient": self._recipient.organisation,
            "purpose": self._recipient.purpose.value,
            "benefit": self._recipient.benefit,
            "if_refused": self._recipient.if_refused,
            "sent_along": sorted(self._recipient.functional),
            "level": consent.level.value if consent else None,
            "until": _iso(consent.until) if consent else None,
            "state": consent.state.value if consent else None,
            "last_decided": _iso(consent.decided_at) if consent else None,
            "notice": notice.text,
            "notice_version": notice.version,
            "sharing_outdated": self.is_on
            and consent is not None
            and consents.is_outdated(consent),
            "changed": consent.drift.value if consent and consent.drift else None,
            "needed_by": self._household.needs.of(self._appliance_id),
            "matched_entity": matched.entity_id if matched else None,
            "match_confidence": matched.match.confidence if matched else None,
            "match_reasons": list(matched.match.reasons) if matched else [],
            "also_reveals": self._also_reveals(),
        }

    def _also_reveals(self) -> list[str]:
        """Return what the recipient learns beside it, by names."""
        told = self._household.firewall.inspection.also_reveals(self._point, self._recipient.id)
        return [one.sentence for one in told]

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Grant the consent, if this one and no other was meant; no finer than it was."""
        context = self._context
        async with self._deciding:
            if not self.is_on:
                before = self._consent
                await self._household.decisions.async_give(
                    [self._item],
                    how=HOW,
                    context=context,
                    entity_id=self.entity_id,
                    level=Level.EXACT if before is None else before.level,
                )

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Withdraw the consent. Anybody may, and any number at once."""
        decider = self._household.grants.decider(HOW, self._context)
        # One that is just being granted is waited for, or it would be on in the end.
        async with self._deciding:
            if self._consent is None:
                return
            # Also where it is off: an earlier withdrawal may have failed to be recorded.
            await self._household.decisions.async_decide(
                [self._item], ConsentState.WITHDRAWN, decider
            )

    @override
    def _follow(self) -> bool:
        firewall = self._household.firewall
        self._point = firewall.data_point(self._point.id) or self._point
        self._recipient = firewall.recipients.get(self._recipient.id, self._recipient)
        before = self._shown
        needs = self._household.needs.of(self._appliance_id)
        self._shown = (
            self._consent,
            self.is_on,
            self._point,
            self._recipient,
            needs,
            self._matched,
            self._also_reveals(),
        )
        return before != self._shown


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else dt_util.utc_from_timestamp(seconds).isoformat()
