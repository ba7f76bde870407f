"""One switch for the items of a long report that are of one topic, for one recipient.

It is a view on the consents of its members, which are decided and recorded each by its own name.
It reads on as soon as one of them is shared. Turning it on is one act that grants of those listed
what nobody decided otherwise, and nothing that joins later (see `group_rules`); turning it off
withdraws all that is shared of them.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.const import EntityCategory
from homeassistant.exceptions import ServiceValidationError

from .const import DOMAIN
from .decisions import Pair
from .engine import Group
from .engine.model import Consent, ConsentState, DataPoint, Decider, Recipient
from .entity import MAX_NAMES, RecipientEntity
from .grants import group_translation_key
from .group_rules import is_taken_along, turned_on
from .household import Household

HOW = "switch"
"""By which means a decision came, as the ledger calls it."""


def wanted_groups(household: Household, appliance_id: str) -> Iterator[GroupSwitch]:
    """Yield the switches that the groups of an appliance have."""
    for group in household.firewall.groups(appliance_id):
        recipient = household.firewall.recipients.get(group.recipient_id)
        if recipient is not None:
            yield GroupSwitch(household, appliance_id, group, recipient)


class GroupSwitch(RecipientEntity, SwitchEntity):
    """The household's decisions about the members of a group and one recipient."""

    # Not a control of the appliance: areas, devices and assistants must not sweep it along.
    _attr_entity_category = EntityCategory.CONFIG
    _unrecorded_attributes = frozenset(
        {
            "data_points",
            "data_point_ids",
            "shared_data_points",
            "benefit",
            "if_refused",
            "sent_along",
            "notice",
            "needed_by",
            "also_reveals",
        }
    )

    def __init__(
        self, household: Household, appliance_id: str, group: Group, recipient: Recipient
    ) -> None:
        """Stand for a group and its recipient."""
        super().__init__(household, appliance_id, group.key)
        self._key = group.key
        self._topic = group.topic
        self._attr_translation_key = group_translation_key(group.topic)
        self._name_by(recipient)
        self._recipient = recipient
        self._members = group.points
        self._deciding = asyncio.Lock()
        self._shown: tuple[object, ...] = ()

    @property
    @override
    def available(self) -> bool:
        """Whether there is anything behind it: its last member may have got a switch of its own."""
        return super().available and bool(self._members)

    @property
    @override
    def is_on(self) -> bool:
        """Whether any member's consent is in force."""
        return bool(self._shared())

    def _shared(self) -> list[DataPoint]:
        is_sharing = self._household.firewall.is_sharing
        return [one for one in self._members if is_sharing(one.id, self._recipient_id)]

    def _consent(self, point: DataPoint) -> Consent | None:
        return self._household.firewall.consent(point.id, self._recipient_id)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """What stands behind it, by name, and what to know before turning it on. Never a value."""
        consents = self._household.firewall.consents
        notice = consents.notice(self._recipient_id)
        shared = self._shared()
        return {
            "topic": self._topic.value,
            "recipient": self._recipient.organisation,
            "purpose": self._recipient.purpose.value,
            "shared": len(shared),
            "members": len(self._members),
            "data_points": [one.name for one in self._members][:MAX_NAMES],
            "data_point_ids": [one.id for one in self._members][:MAX_NAMES],
            "shared_data_points": [one.name for one in shared][:MAX_NAMES],
            "benefit": self._recipient.benefit,
            "if_refused": self._recipient.if_refused,
            "sent_along": sorted(self._recipient.functional),
            "notice": notice.text,
            "notice_version": notice.version,
            "sharing_outdated": any(
                consents.is_outdated(consent)
                for one in shared
                if (consent := self._consent(one)) is not None
            ),
            "needed_by": self._household.needs.of(self._appliance_id),
            "also_reveals": self._also_reveals(),
        }

    def _also_reveals(self) -> list[str]:
        """Return what the recipient learns beside all of it, by names."""
        told = self._household.firewall.inspection.together_reveal(
            self._members, self._recipient_id
        )
        return [one.sentence for one in told]

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Grant what is listed, if this group and nothing else was meant (see `group_rules`).

        One that is on stays as it is: an automation that turns it on each morning must not take in
        what joined since.
        """
        context = self._context
        async with self._deciding:
            if self.is_on:
                return
            decider = self._household.grants.decider(HOW, context)
            levels = turned_on(
                self._key,
                self._recipient_id,
                # Those of the state that was written last: nobody saw any other.
                [(one, self._consent(one)) for one in self._members],
                may_be_coarse=self._household.firewall.may_be_coarse,
                is_automated=decider.how == "automation",
            )
            if not levels:
                raise ServiceValidationError(
                    translation_domain=DOMAIN, translation_key="nothing_to_turn_on"
                )
            await self._household.decisions.async_give(
                levels, how=HOW, context=context, entity_id=self.entity_id, level=levels
            )

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Withdraw every member that stands as given. Anybody may, and any number at once."""
        decider = self._household.grants.decider(HOW, self._context)
        # Members that are just being granted are waited for, or they would be on in the end.
        async with self._deciding:
            given = [
                consent
                for one in self._members
                if (consent := self._consent(one)) is not None
                and consent.state is ConsentState.GIVEN
            ]
            is_in_force = self._household.firewall.is_in_force
            along, others = list[Pair](), list[Pair]()
            for one in given:
                may_return = is_taken_along(one, in_force=is_in_force(one))
                (along if may_return else others).append(one.pair)
            try:
                await self._withdraw(others, decider)
            finally:
                # Last, so that it is the last word about the group.
                await self._withdraw(along, replace(decider, group=self._key))

    async def _withdraw(self, pairs: list[Pair], decider: Decider) -> None:
        if pairs:
            await self._household.decisions.async_decide(pairs, ConsentState.WITHDRAWN, decider)

    @override
    def _follow(self) -> bool:
        firewall = self._household.firewall
        before = self._shown
        self._recipient = firewall.recipients.get(self._recipient_id, self._recipient)
        self._members = self._now()
        self._shown = (
            [(one.id, one.name, self._consent(one)) for one in self._members],
            len(self._shared()),
            self._recipient,
            self._household.needs.of(self._appliance_id),
            self._also_reveals(),
        )
        return before != self._shown

    def _now(self) -> tuple[DataPoint, ...]:
        firewall = self._household.firewall
        if self._appliance_id not in firewall.appliances:
            return ()
        groups = firewall.groups(self._appliance_id)
        return next((one.points for one in groups if one.key == self._key), ())
