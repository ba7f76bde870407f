"""Whether an appliance needs a recipient, with what speaks for it."""

from collections.abc import Iterator
from typing import override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity
from homeassistant.const import EntityCategory

from .engine.events import Decided, Event, NamesAsked, NeedChanged, RetryStorm
from .engine.model import Recipient
from .engine.needs import Need
from .entity import WRITE_SECONDS, FactEntity, RecipientEntity, ReportingEntity
from .essential import NEED_KEY, described
from .household import Household


def need_sensors(household: Household, appliance_id: str) -> Iterator[NeedSensor]:
    """Yield one for each recipient that an appliance asked for, while there is a DNS gate."""
    if (shown := household.essential.shown_of(appliance_id)) is not None:
        recipients = household.firewall.recipients
        for recipient_id in shown[1] & recipients.keys():
            yield NeedSensor(household, appliance_id, recipients[recipient_id])


class NeedSensor(FactEntity, ReportingEntity, RecipientEntity, SensorEntity):
    """Whether an appliance was seen to need a recipient, or is said to."""

    _attr_device_class = SensorDeviceClass.ENUM
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_options = [need.value for need in Need]  # noqa: RUF012 - as its base has it
    _attr_translation_key = NEED_KEY
    _unrecorded_attributes = frozenset({"evidence", "usual_per_hour", "now_per_hour"})

    def __init__(self, household: Household, appliance_id: str, recipient: Recipient) -> None:
        """Stand for an appliance and a recipient that it asks for."""
        super().__init__(household, appliance_id, f"{NEED_KEY}_{recipient.id}")
        self._watch((Decided, NamesAsked, NeedChanged, RetryStorm))
        self._write_seconds = WRITE_SECONDS
        # The DNS gate turned off and on again, it is another one.
        self._name_by(recipient, household.dns.epoch)

    @override
    def _take(self, event: Event) -> bool:
        # What it rests on is gone through when it is written, not with every question.
        return isinstance(event, Decided | NamesAsked) or super()._take(event)

    @override
    def _read(self) -> object:
        seen = self._household.firewall.watching.assess(self._appliance_id, self._recipient_id)
        self._attr_native_value = (Need.UNKNOWN if seen is None else seen.need).value
        self._attr_extra_state_attributes = described(self._household, seen)
        return self._attr_native_value, self._attr_extra_state_attributes
