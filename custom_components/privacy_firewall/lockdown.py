"""The lockdown as a switch: on denies everything at once, off brings back exactly what was."""

import asyncio
from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.const import EntityCategory

from .entity import HubEntity
from .grants import LOCKDOWN_KEY
from .household import Household

HOW = "switch"
"""By which means it came, as the ledger calls it."""


class LockdownSwitch(HubEntity, SwitchEntity):
    """Whether everything is denied, whatever was consented. Anybody may turn it on."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_translation_key = LOCKDOWN_KEY

    def __init__(self, household: Household) -> None:
        """Stand for the whole home."""
        super().__init__(household, LOCKDOWN_KEY)
        self._deciding = asyncio.Lock()
        self._was_on: bool | None = None

    @property
    @override
    def is_on(self) -> bool:
        """Whether everything is denied, also where that could not be recorded."""
        return self._household.firewall.consents.is_locked_down

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Deny everything. Whoever asks may, and nothing is asked back."""
        await self._switch(on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Bring back what was, if this and nothing else was meant."""
        await self._switch(on=False)

    async def _switch(self, *, on: bool) -> None:
        context = self._context
        # An end that is just being recorded is waited for, or it would be off in the end.
        async with self._deciding:
            await self._household.decisions.async_lock_down(
                on=on, how=HOW, context=context, entity_id=self.entity_id
            )

    @override
    def _follow(self) -> bool:
        before, self._was_on = self._was_on, self.is_on
        return before is not self._was_on
