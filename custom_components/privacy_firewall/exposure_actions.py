"""The action that tells what Home Assistant itself hands out, and how that came."""

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util.json import JsonValueType
import probatio

from .action_fields import async_household, failure, iso, refusal
from .assistants import NAMES
from .const import DOMAIN
from .engine import Exposure, StorageError
from .exporter_sensor import exporters_of
from .watched import MAX_WATCHED


@callback
def async_setup_exposure_actions(hass: HomeAssistant) -> None:
    """Register it."""
    async_register_admin_service(
        hass,
        DOMAIN,
        "get_exposures",
        _get_exposures,
        probatio.Schema({}),
        SupportsResponse.ONLY,
    )


async def _get_exposures(call: ServiceCall) -> ServiceResponse:
    """Hand out what is so now, and all that is on record."""
    household = async_household(call.hass)
    handed_out = household.handed_out
    if not handed_out.is_wanted:
        raise refusal("exposures_not_watched")
    exposures = household.firewall.exposures
    try:
        records = await exposures.history()
        first_broken = await exposures.first_broken()
    except StorageError as err:
        raise failure("records_not_read") from err
    now: list[JsonValueType] = []
    for watched in handed_out.watched.values():
        for assistant in handed_out.assistants:
            handed = watched.id, assistant.id
            newest = handed_out.of(handed)
            now.append(
                {
                    "entity_id": watched.entity_id,
                    "name": watched.name,
                    "assistant": assistant.id,
                    "exposed": handed_out.is_exposed(handed),
                    "state": None if newest is None else newest.state.value,
                }
            )
    return {
        "exposures": now,
        "not_watched": handed_out.left_out,
        "exporters": [dict(one) for one in exporters_of(handed_out, MAX_WATCHED)],
        "records": [_described(one) for one in records],
        "intact": first_broken is None,
    }


def _described(record: Exposure) -> JsonValueType:
    return {
        "number": record.number,
        "at": iso(record.at),
        "name": record.name,
        "assistant": record.assistant,
        "assistant_name": NAMES.get(record.assistant, record.assistant),
        "state": record.state.value,
        "how": record.how,
        "person": record.person,
    }
