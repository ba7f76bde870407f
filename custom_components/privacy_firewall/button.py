"""What is done once: letting an appliance through, a recipient as a whole, the self-test."""

from collections.abc import Iterator, Mapping
from typing import Any, override

from homeassistant.components.button import ButtonEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .engine.model import OPAQUE_FIELD, ConsentState, DataPoint, Recipient
from .entity import (
    MAX_NAMES,
    HubEntity,
    PrivacyFirewallEntity,
    RecipientEntity,
    async_keep_entities,
)
from .grants import GRANT_ALL_KEY, LET_THROUGH_KEY
from .household import Household, PrivacyFirewallConfigEntry

# Decisions are recorded one by one where they are kept.
PARALLEL_UPDATES = 0
HOW = "button"
"""By which means a decision came, as the ledger calls it."""
LET_THROUGH_MINUTES = (15, 60)
"""For how long an appliance may be let through: a pairing, a firmware update."""


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the self-test, and the buttons of every appliance and of those that it reports to."""
    async_add_entities([SelfTestButton(entry.runtime_data)])
    async_keep_entities(entry, async_add_entities, _wanted)


def _wanted(household: Household, appliance_id: str) -> Iterator[ApplianceButton]:
    for minutes in LET_THROUGH_MINUTES:
        yield LetThroughButton(household, appliance_id, minutes)
    yield StopLettingThroughButton(household, appliance_id)
    known = household.firewall.recipients
    switched = household.firewall.switched(appliance_id)
    for recipient_id in dict.fromkeys(one for point in switched for one in point.recipients):
        if (recipient := known.get(recipient_id)) is not None:
            yield GrantAllButton(household, appliance_id, recipient)
            yield WithdrawAllButton(household, appliance_id, recipient)
            yield RefuseAllButton(household, appliance_id, recipient)


class SelfTestButton(HubEntity, ButtonEntity):
    """Sends canaries through the gate from the outside, and looks what comes out."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_translation_key = "self_test"

    def __init__(self, household: Household) -> None:
        """Stand for the firewall's self-test."""
        super().__init__(household, "run_self_test")

    @override
    async def async_press(self) -> None:
        """Run the self-test; one that fails is an error to whoever pressed."""
        report = await self._household.observed.async_self_test()
        if not report.passed:
            raise HomeAssistantError(translation_domain=DOMAIN, translation_key="self_test_failed")


class ApplianceButton(PrivacyFirewallEntity, ButtonEntity):
    """A decision about an appliance."""

    # Not a control of the appliance: areas, devices and assistants must not sweep it along.
    _attr_entity_category = EntityCategory.CONFIG


class LetThroughButton(ApplianceButton):
    """Lets everything of an appliance through, for a time."""

    _attr_translation_key = LET_THROUGH_KEY

    def __init__(self, household: Household, appliance_id: str, minutes: int) -> None:
        """Stand for an appliance and a time."""
        super().__init__(household, appliance_id, f"{LET_THROUGH_KEY}_{minutes}")
        self._minutes = minutes
        self._attr_translation_placeholders = {"minutes": str(minutes)}

    @override
    async def async_press(self) -> None:
        """Let it through, if this and nothing else was meant."""
        await self._household.decisions.async_let_through(
            self._appliance_id,
            seconds=self._minutes * 60,
            how=HOW,
            context=self._context,
            entity_id=self.entity_id,
        )


class StopLettingThroughButton(ApplianceButton):
    """Ends that before its time."""

    _attr_translation_key = "stop_letting_through"

    def __init__(self, household: Household, appliance_id: str) -> None:
        """Stand for an appliance."""
        super().__init__(household, appliance_id, "stop_letting_through")

    @override
    async def async_press(self) -> None:
        """Let it through no longer. Anybody may."""
        await self._household.decisions.async_let_through(
            self._appliance_id,
            seconds=None,
            how=HOW,
            context=self._context,
            entity_id=self.entity_id,
        )


class RecipientButton(ApplianceButton, RecipientEntity):
    """A decision about all that an appliance reports to a recipient, as far as it is known now."""

    _unrecorded_attributes = frozenset({"data_points", "needed_by"})

    def __init__(
        self, household: Household, appliance_id: str, key: str, recipient: Recipient
    ) -> None:
        """Stand for an appliance and a recipient."""
        super().__init__(household, appliance_id, f"{key}_{recipient.id}")
        self._name_by(recipient)
        self._attr_translation_key = key
        self._shown: object = None

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """What pressing it would decide about, by name."""
        return {"data_points": [point.name for point in self._points()][:MAX_NAMES]}

    def _points(self) -> list[DataPoint]:
        """Return what pressing it would decide about."""
        raise NotImplementedError

    def _received(self) -> list[DataPoint]:
        """Return the data points with a switch, or behind one, that the recipient would receive."""
        firewall = self._household.firewall
        if not self.available:
            return []
        switched = firewall.switched(self._appliance_id)
        return [point for point in switched if self._recipient_id in point.recipients]

    def _given(self) -> list[DataPoint]:
        """Return what stands as given, promoted or not, in force or suspended."""
        firewall = self._household.firewall
        given = firewall.consents.given(self._recipient_id, self._appliance_id)
        points = (firewall.data_point(one.data_point_id) for one in given)
        return [point for point in points if point is not None]

    async def _decide(self, points: list[DataPoint], state: ConsentState) -> None:
        if points:
            await self._household.decisions.async_decide(
                [(point.id, self._recipient_id) for point in points],
                state,
                self._household.grants.decider(HOW, self._context),
            )

    @override
    def _follow(self) -> bool:
        before, self._shown = self._shown, [(point.id, point.name) for point in self._points()]
        return before != self._shown


class GrantAllButton(RecipientButton):
    """Grants what is known now and listed; nothing that comes later."""

    _attr_entity_registry_enabled_default = False

    def __init__(self, household: Household, appliance_id: str, recipient: Recipient) -> None:
        """Stand for an appliance and a recipient."""
        super().__init__(household, appliance_id, GRANT_ALL_KEY, recipient)

    @override
    def _points(self) -> list[DataPoint]:
        is_sharing = self._household.firewall.is_sharing
        return [
            one
            for one in self._received()
            # What cannot be read is granted by its own switch alone: it is no item among others.
            if one.field != OPAQUE_FIELD
            and not is_sharing(one.id, self._recipient_id)
            # Somebody said no to it; its own name turns it on.
            and not self._is_refused(one)
        ][:MAX_NAMES]  # No more than are listed.

    def _is_refused(self, point: DataPoint) -> bool:
        consent = self._household.firewall.consent(point.id, self._recipient_id)
        return consent is not None and consent.state is ConsentState.REFUSED

    @override
    async def async_press(self) -> None:
        """Grant what is listed, if this and nothing else was meant."""
        if points := self._points():
            await self._household.decisions.async_give(
                [(point.id, self._recipient_id) for point in points],
                how=HOW,
                context=self._context,
                entity_id=self.entity_id,
            )


class NarrowingButton(RecipientButton):
    """A decision that stops something, on which integrations of the household's own may live."""

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """What pressing it would decide about, and who reads this appliance from its cloud."""
        needed_by = self._household.needs.of(self._appliance_id)
        return {**super().extra_state_attributes, "needed_by": needed_by}

    @override
    def _follow(self) -> bool:
        before = self._needs
        self._needs = self._household.needs.of(self._appliance_id)
        return super()._follow() or before != self._needs

    _needs: object = None


class WithdrawAllButton(NarrowingButton):
    """Withdraws everything that was given."""

    def __init__(self, household: Household, appliance_id: str, recipient: Recipient) -> None:
        """Stand for an appliance and a recipient."""
        super().__init__(household, appliance_id, "withdraw_all", recipient)

    @override
    def _points(self) -> list[DataPoint]:
        return self._given()

    @override
    async def async_press(self) -> None:
        """Withdraw. Anybody may."""
        await self._decide(self._points(), ConsentState.WITHDRAWN)


class RefuseAllButton(NarrowingButton):
    """Refuses everything that is known now: what was given ends, the rest is asked no more."""

    _attr_entity_registry_enabled_default = False

    def __init__(self, household: Household, appliance_id: str, recipient: Recipient) -> None:
        """Stand for an appliance and a recipient."""
        super().__init__(household, appliance_id, "refuse_all", recipient)

    @override
    def _points(self) -> list[DataPoint]:
        consent = self._household.firewall.consent
        known = {point.id: point for point in (*self._received(), *self._given())}
        return [
            point
            for point in known.values()
            if (decided := consent(point.id, self._recipient_id)) is None
            or decided.state is not ConsentState.REFUSED
        ]

    @override
    async def async_press(self) -> None:
        """Refuse. Anybody may."""
        await self._household.decisions.async_refuse(
            [(point.id, self._recipient_id) for point in self._points()],
            self._household.grants.decider(HOW, self._context),
        )
