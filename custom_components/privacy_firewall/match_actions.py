"""The actions about matches: look for them, say one, undo one. None of them changes a consent."""

from typing import Any

from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.helpers.service import async_register_admin_service
import probatio

from .action_fields import (
    ATTR_DATA_POINT_ID,
    OF_APPLIANCE,
    async_appliances,
    async_household,
    pair_of,
    refusal,
)
from .const import DOMAIN
from .household import Household

ATTR_MATCHED_ENTITY = "matched_entity"

OF_POINTS: dict[Any, Any] = {
    probatio.Optional(ATTR_ENTITY_ID): cv.entity_ids,
    probatio.Optional(ATTR_DATA_POINT_ID): probatio.All(cv.ensure_list, [cv.string]),
}
MATCH = probatio.Schema(OF_POINTS | {probatio.Required(ATTR_MATCHED_ENTITY): cv.entity_id})
UNMATCH = probatio.Schema(OF_POINTS)
FIND_MATCHES = probatio.Schema(OF_APPLIANCE)


@callback
def async_setup_match_actions(hass: HomeAssistant) -> None:
    """Register them."""
    for name, action, schema in (
        ("match", _match, MATCH),
        ("unmatch", _unmatch, UNMATCH),
        ("find_matches", _find, FIND_MATCHES),
    ):
        async_register_admin_service(hass, DOMAIN, name, action, schema, SupportsResponse.OPTIONAL)


async def _match(call: ServiceCall) -> ServiceResponse:
    """Say that data points are an entity."""
    household = async_household(call.hass)
    points = _points(household, call)
    entity = er.async_get(call.hass).async_get(call.data[ATTR_MATCHED_ENTITY])
    if entity is None or entity.platform == DOMAIN:
        # An entity that is not registered has no id that stays; ours show what others do not.
        raise refusal("matched_entity_unknown")
    for point_id in points:
        await household.matching.async_match(point_id, entity)
    return _told(household, points)


async def _unmatch(call: ServiceCall) -> ServiceResponse:
    """Say that data points are not the entities they were taken for."""
    household = async_household(call.hass)
    points = _points(household, call)
    store = household.matching.store
    matched = {one: match.entity for one in points if (match := store.get(one)) is not None}
    if not matched:
        raise refusal("not_matched")
    for point_id, entity in matched.items():
        await household.matching.async_reject(point_id, [entity])
    return _told(household, points)


async def _find(call: ServiceCall) -> ServiceResponse:
    """Look for matches now, and tell those there are."""
    household = async_household(call.hass)
    appliances = async_appliances(household, call.data)
    await household.matching.looking.async_look(appliances, again=True)
    return _told(
        household,
        [
            point_id
            for appliance_id in household.firewall.appliances
            if appliances is None or appliance_id in appliances
            for point_id, _ in household.matching.shown_of(appliance_id)
        ],
    )


def _points(household: Household, call: ServiceCall) -> list[str]:
    """Return the ids of the data points that a call names; raises `ServiceValidationError`."""
    points: dict[str, None] = {}
    for entity_id in call.data.get(ATTR_ENTITY_ID, ()):
        if (pair := pair_of(household, entity_id)) is None:
            raise refusal("not_a_consent")
        points[pair[0]] = None
    for point_id in call.data.get(ATTR_DATA_POINT_ID, ()):
        if household.firewall.data_point(point_id) is None:
            raise refusal("data_point_unknown")
        points[point_id] = None
    if not points:
        raise refusal("no_data_point_named")
    return list(points)


def _told(household: Household, points: list[str]) -> dict[str, Any]:
    return {"data_points": [_described(household, one) for one in points]}


def _described(household: Household, point_id: str) -> dict[str, Any]:
    point = household.firewall.data_point(point_id)
    shown = household.matching.of(point_id)
    return {
        "data_point": point.name if point is not None else None,
        "data_point_id": point_id,
        "matched_entity": shown.entity_id if shown is not None else None,
        "standing": shown.match.standing.value if shown is not None else None,
        "confidence": shown.match.confidence if shown is not None else None,
        "reasons": list(shown.match.reasons) if shown is not None else [],
    }
