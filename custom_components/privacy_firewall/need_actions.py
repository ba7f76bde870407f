"""The household's own word on whether an appliance needs a recipient. It opens nothing."""

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
import probatio

from .action_fields import (
    ATTR_RECIPIENT_ID,
    OF_APPLIANCE,
    async_appliance,
    async_check_may_control,
    async_household,
    async_recipient,
    failure,
    refusal,
)
from .const import DOMAIN
from .engine import StorageError
from .engine.needs import Need
from .essential import described

ATTR_NEED = "need"
OBSERVED = "observed"
"""Takes the household's word back: what was observed counts again."""
_WORDS = {"needed": Need.NEEDED, "not_needed": Need.NOT_NEEDED, OBSERVED: None}

SET_NEED = probatio.Schema(
    OF_APPLIANCE
    | {
        probatio.Required(ATTR_RECIPIENT_ID): str,
        probatio.Required(ATTR_NEED): probatio.In(list(_WORDS)),
    }
)


@callback
def async_setup_need_actions(hass: HomeAssistant) -> None:
    """Register it."""
    hass.services.async_register(
        DOMAIN, "set_need", _set_need, schema=SET_NEED, supports_response=SupportsResponse.OPTIONAL
    )


async def _set_need(call: ServiceCall) -> ServiceResponse:
    """Say that an appliance needs a recipient, or does not; or go by what was observed."""
    household = async_household(call.hass)
    appliance_id = async_appliance(household, call.data)
    recipient_id = async_recipient(household, call.data)
    recipient = household.firewall.recipients.get(recipient_id or "")
    if recipient is None:
        raise refusal("recipient_unknown")
    await async_check_may_control(call)
    watching = household.firewall.watching
    try:
        is_watched = await watching.state(appliance_id, recipient.id, _WORDS[call.data[ATTR_NEED]])
    except StorageError as err:
        raise failure("measure_not_recorded") from err
    if not is_watched:
        raise refusal("need_not_watched")
    seen = watching.assess(appliance_id, recipient.id)
    return {
        "appliance": household.firewall.appliances[appliance_id].name,
        "appliance_id": appliance_id,
        "recipient": recipient.organisation,
        "recipient_id": recipient.id,
        "purpose": recipient.purpose.value,
        "need": (Need.UNKNOWN if seen is None else seen.need).value,
        **described(household, seen),
    }
