"""Conditions: whether a consent is in force, and whether an appliance is protected.

Both look at appliances: those of the target, or all. While the firewall is not running neither is
known, and the automation hears an error instead of a no that could be taken for an answer.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack, cast, override

from homeassistant.const import CONF_OPTIONS, CONF_TARGET
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConditionErrorMessage
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.condition import (
    ATTR_BEHAVIOR,
    BEHAVIOR_ALL,
    BEHAVIOR_ANY,
    Condition,
    ConditionCheckParams,
    ConditionConfig,
    condition_trace_update_result,
)
from homeassistant.helpers.typing import ConfigType
import probatio

from .const import DOMAIN
from .engine.model import Protection
from .household import Household, PrivacyFirewallConfigEntry
from .targets import async_is_targeted
from .trigger import RECIPIENT_FIELDS, is_for

CONF_DATA_POINT = "data_point"
NOT_RUNNING = "The firewall is not running, so nothing is known of consents and protection"


class ApplianceCondition(Condition):
    """Tests something of any or all of the appliances that a target means."""

    _fields: ClassVar[dict[probatio.Marker, Any]] = {}

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Validate target and options; both may be left out."""
        schema = probatio.Schema(
            {
                probatio.Optional(CONF_TARGET): cv.TARGET_FIELDS,
                probatio.Required(CONF_OPTIONS, default=dict): {
                    probatio.Required(ATTR_BEHAVIOR, default=BEHAVIOR_ANY): probatio.In(
                        [BEHAVIOR_ANY, BEHAVIOR_ALL]
                    ),
                    **cls._fields,
                },
            }
        )
        return cast("ConfigType", schema(config))

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Keep target and options."""
        super().__init__(hass, config)
        self._target = config.target
        self._options: Mapping[str, Any] = config.options or {}

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        """Test the appliances; of none at all nothing is true."""
        entries: list[PrivacyFirewallConfigEntry] = self._hass.config_entries.async_loaded_entries(
            DOMAIN
        )
        if not entries:
            raise ConditionErrorMessage(DOMAIN, NOT_RUNNING)
        household = entries[0].runtime_data
        found = {
            appliance_id: self._holds(household, appliance_id)
            for appliance_id in household.firewall.appliances
            if self._is_targeted(household, appliance_id)
        }
        condition_trace_update_result(appliances=found)
        if self._options[ATTR_BEHAVIOR] == BEHAVIOR_ALL:
            return bool(found) and all(found.values())
        return any(found.values())

    def _is_targeted(self, household: Household, appliance_id: str) -> bool:
        device = household.device(appliance_id)
        return async_is_targeted(
            self._hass, self._target, appliance_id, device.id if device else None
        )

    @abstractmethod
    def _holds(self, household: Household, appliance_id: str) -> bool:
        """Tell whether it is true of an appliance."""


class IsSharingCondition(ApplianceCondition):
    """Whether a consent is in force that passes the filters."""

    _fields = RECIPIENT_FIELDS | {
        probatio.Optional(CONF_DATA_POINT): probatio.All(cv.ensure_list, [cv.string])
    }

    @override
    def _holds(self, household: Household, appliance_id: str) -> bool:
        firewall = household.firewall
        wanted = [one.casefold() for one in self._options.get(CONF_DATA_POINT) or ()]
        for consent in firewall.decided():
            if consent.appliance_id != appliance_id or not firewall.is_in_force(consent):
                continue
            point = firewall.data_point(consent.data_point_id)
            recipient = firewall.recipients.get(consent.recipient_id)
            if point is None or recipient is None:
                # Nothing of it can leave.
                continue
            if wanted and {point.id, point.name.casefold()}.isdisjoint(wanted):
                continue
            if is_for(self._options, recipient.organisation, recipient.id, recipient.purpose):
                return True
        return False


class IsProtectedCondition(ApplianceCondition):
    """Whether what was observed of an appliance says that it is protected."""

    @override
    def _holds(self, household: Household, appliance_id: str) -> bool:
        return household.firewall.status(appliance_id).protection is Protection.PROTECTED


CONDITIONS: dict[str, type[Condition]] = {
    "is_protected": IsProtectedCondition,
    "is_sharing": IsSharingCondition,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
