"""How much of a data point a recipient gets: nothing, something coarse, or what was reported.

Off in the registry until somebody wants it: the switch beside it is enough for most. Both show the
same consent.
"""

import asyncio
from collections.abc import Iterator
from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.const import EntityCategory
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .engine.model import (
    OPAQUE_FIELD,
    Consent,
    ConsentState,
    DataPoint,
    Kind,
    Level,
    Recipient,
)
from .entity import ItemEntity, async_keep_entities
from .grants import LEVEL_KEY
from .household import Household, PrivacyFirewallConfigEntry

# Decisions are recorded one by one where they are kept.
PARALLEL_UPDATES = 0
HOW = "select"
"""By which means a decision came, as the ledger calls it."""
OFF = "off"


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a select for every pair of data point and recipient that was observed."""
    async_keep_entities(entry, async_add_entities, _wanted)


def _wanted(household: Household, appliance_id: str) -> Iterator[LevelSelect]:
    for point in household.firewall.promoted(appliance_id):
        if point.field == OPAQUE_FIELD:
            # Whole or not at all: there is nothing in it that could be made coarse.
            continue
        for recipient_id in point.recipients:
            recipient = household.firewall.recipients.get(recipient_id)
            # Where there is one level only, the switch says it all.
            if recipient is not None and household.firewall.may_be_coarse(point):
                yield LevelSelect(household, point, recipient)


class LevelSelect(ItemEntity, SelectEntity):
    """The level at which a data point goes to a recipient."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_entity_registry_enabled_default = False
    _attr_translation_key = LEVEL_KEY
    _attr_options = [OFF, Level.COARSE.value, Level.EXACT.value]  # noqa: RUF012 - as its base has it

    def __init__(self, household: Household, point: DataPoint, recipient: Recipient) -> None:
        """Stand for a data point and a recipient."""
        super().__init__(household, point.appliance_id, f"{LEVEL_KEY}_{point.id}_{recipient.id}")
        self._item = point.id, recipient.id
        self._be_of(point, recipient)
        self._deciding = asyncio.Lock()
        self._shown: object = None

    @property
    def _in_force(self) -> Consent | None:
        consent = self._household.firewall.consent(*self._item)
        if consent is None or not self._household.firewall.is_in_force(consent):
            return None
        return consent

    @property
    @override
    def current_option(self) -> str:
        """The level of the consent that is in force, or off."""
        consent = self._in_force
        return OFF if consent is None else consent.level.value

    @override
    async def async_select_option(self, option: str) -> None:
        """Grant where that gives more than before, if just this was meant; else narrow."""
        context = self._context
        async with self._deciding:
            if option == OFF:
                await self._withdraw(context)
            elif option != self.current_option:
                await self._give(Level(option), context)

    async def _withdraw(self, context: Context | None) -> None:
        if self._household.firewall.consent(*self._item) is not None:
            await self._household.decisions.async_decide(
                [self._item],
                ConsentState.WITHDRAWN,
                self._household.grants.decider(HOW, context),
            )

    async def _give(self, level: Level, context: Context | None) -> None:
        decisions, before = self._household.decisions, self._in_force
        # Another level is no other time.
        until = before.until if before is not None else None
        if before is not None and level is Level.COARSE and self._is_same_but_for_level(before):
            decider = self._household.grants.decider(HOW, context)
            await decisions.async_decide(
                [self._item], ConsentState.GIVEN, decider, level=level, until=until
            )
        else:
            await decisions.async_give(
                [self._item],
                how=HOW,
                context=context,
                entity_id=self.entity_id,
                level=level,
                until=until,
            )

    def _is_same_but_for_level(self, consent: Consent) -> bool:
        """Tell whether giving it again would accept nothing new: a notice, a type, a person."""
        firewall = self._household.firewall
        point = firewall.data_point(consent.data_point_id)
        appliance = firewall.appliances.get(consent.appliance_id)
        return (
            point is not None
            and point.kinds - {Kind.NULL} <= consent.kinds
            and appliance is not None
            and appliance.owner == consent.subject
            and not firewall.consents.is_outdated(consent)
        )

    @override
    def _follow(self) -> bool:
        before, self._shown = self._shown, self.current_option
        return before != self._shown
