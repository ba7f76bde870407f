"""The action that lists what an appliance reports: every item, with a switch or without.

What has none is decided by its id, with the actions that decide. Names, places and decisions; never
a value.
"""

import asyncio
from typing import Any, cast

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util.json import JsonArrayType
import probatio

from .action_fields import OF_APPLIANCE, async_appliance, async_described, async_household, iso
from .const import DOMAIN
from .engine import Topic, topic_of
from .engine.model import DataPoint
from .household import Household

ATTR_TOPIC = "topic"
AT_ONCE = 100
"""Items described before the event loop may do something else."""

GET_DATA_POINTS = probatio.Schema(
    OF_APPLIANCE | {probatio.Optional(ATTR_TOPIC): probatio.In([topic.value for topic in Topic])}
)


@callback
def async_setup_point_actions(hass: HomeAssistant) -> None:
    """Register it."""
    async_register_admin_service(
        hass,
        DOMAIN,
        "get_data_points",
        _get_data_points,
        GET_DATA_POINTS,
        SupportsResponse.ONLY,
    )


async def _get_data_points(call: ServiceCall) -> ServiceResponse:
    """List the data points of one appliance, those of one topic or all."""
    household = async_household(call.hass)
    appliance_id = async_appliance(household, call.data)
    wanted = call.data.get(ATTR_TOPIC)
    firewall = household.firewall
    shown = {one.id: "own_switch" for one in firewall.promoted(appliance_id)}
    shown |= {
        one.id: "group_switch" for group in firewall.groups(appliance_id) for one in group.points
    }
    points: list[dict[str, Any]] = []
    for number, point in enumerate(firewall.data_points(appliance_id)):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        if wanted in (None, topic_of(point).value):
            points.append(_described(household, point, shown.get(point.id, "listed")))
    return {"count": len(points), "data_points": cast("JsonArrayType", points)}


def _described(household: Household, point: DataPoint, shown: str) -> dict[str, Any]:
    known = household.firewall.recipients
    return {
        "id": point.id,
        "name": point.name,
        "path": str(point.field),
        "endpoint": point.template,
        "topic": topic_of(point).value,
        "category": point.category.value,
        "unit": household.firewall.inspection.unit(point),
        "first_seen": iso(point.first_seen),
        "shown": shown,
        "consents": [
            {
                key: value
                for key, value in async_described(household, (point.id, one)).items()
                if key in _OF_CONSENTS
            }
            for one in point.recipients
            if one in known
        ],
    }


_OF_CONSENTS = ("recipient", "recipient_id", "purpose", "state", "level", "until", "in_force")
