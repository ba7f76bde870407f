"""The actions that tell: receipts, the ledger's check, previews, the self-test.

They are for administrators, but for receipts: these are also for the person whose consents they
speak of. What a preview says of a payload stands in its response alone.
"""

from base64 import b64decode, b64encode
import binascii
from collections.abc import Mapping
import json
from typing import Any, cast

from homeassistant.const import ATTR_ENTITY_ID, CONF_URL
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import UnknownUser
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonArrayType
import probatio

from .action_fields import (
    ATTR_DATA_POINT_ID,
    ATTR_RECIPIENT_ID,
    OF_APPLIANCE,
    async_appliance,
    async_household,
    async_recipient,
    failure,
    pair_of,
    refusal,
    title_of,
)
from .const import DOMAIN
from .engine import (
    PointPreview,
    Preview,
    Receipt,
    RecipientPreview,
    StorageError,
    subject_of,
)
from .engine.model import DataPoint
from .engine.sentences import SENTENCES
from .household import Household

ATTR_BODY = "body"
ATTR_BODY_BASE64 = "body_base64"
ATTR_FORMAT = "format"
ATTR_HEADERS = "headers"
ATTR_METHOD = "method"
JSON_TYPE = ("Content-Type", "application/json")

GET_RECEIPT = probatio.Schema(
    {
        probatio.Optional(ATTR_ENTITY_ID): cv.entity_ids,
        probatio.Optional(ATTR_DATA_POINT_ID): probatio.All(cv.ensure_list, [cv.string]),
        probatio.Optional(ATTR_RECIPIENT_ID): cv.string,
        probatio.Optional(ATTR_FORMAT, default="json"): probatio.In(["json", "html"]),
    }
)
PREVIEW = probatio.Schema(
    OF_APPLIANCE
    | {
        probatio.Optional(ATTR_METHOD, default="POST"): probatio.All(cv.string, str.upper),
        probatio.Required(CONF_URL): cv.string,
        probatio.Optional(ATTR_HEADERS, default=dict): {
            cv.string: probatio.All(cv.ensure_list, [cv.string])
        },
        probatio.Optional(ATTR_BODY): probatio.Any(str, dict, list),
        probatio.Optional(ATTR_BODY_BASE64): cv.string,
    }
)
PREVIEW_DATA_POINTS = probatio.Schema(
    OF_APPLIANCE
    | {
        probatio.Optional(ATTR_RECIPIENT_ID): cv.string,
        probatio.Optional(ATTR_DATA_POINT_ID): probatio.All(cv.ensure_list, [cv.string]),
    }
)
NOTHING = probatio.Schema({})
MAX_PREVIEWED = 100
"""Data points that one answer tells of."""


@callback
def async_setup_reading_actions(hass: HomeAssistant) -> None:
    """Register them."""
    for name, action, schema, supports in (
        ("verify", _verify, NOTHING, SupportsResponse.ONLY),
        ("preview", _preview, PREVIEW, SupportsResponse.ONLY),
        ("preview_data_points", _preview_data_points, PREVIEW_DATA_POINTS, SupportsResponse.ONLY),
        ("self_test", _self_test, NOTHING, SupportsResponse.OPTIONAL),
    ):
        async_register_admin_service(hass, DOMAIN, name, action, schema, supports)
    # A person may read what they themselves decided.
    hass.services.async_register(
        DOMAIN,
        "get_receipt",
        _get_receipt,
        schema=GET_RECEIPT,
        supports_response=SupportsResponse.ONLY,
    )


# --- Receipts ---


async def _get_receipt(call: ServiceCall) -> ServiceResponse:
    """Hand out receipts, as data or as a page."""
    household = async_household(call.hass)
    persons = await _persons(call)
    asked = call.data.keys() & {ATTR_ENTITY_ID, ATTR_DATA_POINT_ID, ATTR_RECIPIENT_ID}
    try:
        receipts = await household.firewall.inspection.receipts(people=await _people(call.hass))
    except StorageError as err:
        raise failure("records_not_read") from err
    found = [
        one
        for one in _chosen(household, call.data, receipts)
        if persons is None or subject_of(one) in persons
    ]
    if not found and (asked or persons is not None):
        raise refusal("receipt_unknown")
    if call.data[ATTR_FORMAT] == "json":
        return {"count": len(found), "receipts": cast("JsonArrayType", found)}
    zone = dt_util.get_default_time_zone()
    return {"count": len(found), "page": household.firewall.inspection.page(found, zone)}


async def _persons(call: ServiceCall) -> frozenset[str] | None:
    """Return the persons that a caller is; None where they may read everything.

    A call without a user comes from an automation, as administrators write them.
    """
    if call.context.user_id is None:
        return None
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    if user.is_admin:
        return None
    entities = er.async_get(call.hass)
    return frozenset(
        entity.id
        for state in call.hass.states.async_all("person")
        if state.attributes.get("user_id") == user.id
        and (entity := entities.async_get(state.entity_id)) is not None
    )


async def _people(hass: HomeAssistant) -> dict[str, str]:
    """Return the names of users and persons, by their ids."""
    people = {user.id: user.name for user in await hass.auth.async_get_users() if user.name}
    entities = er.async_get(hass)
    for state in hass.states.async_all("person"):
        if (entity := entities.async_get(state.entity_id)) is not None:
            people[entity.id] = state.name
    return people


def _chosen(
    household: Household, data: Mapping[str, Any], receipts: list[Receipt]
) -> list[Receipt]:
    """Return the receipts that a call names, all of them where it names none."""
    pairs: set[tuple[str, str]] = set()
    for entity_id in data.get(ATTR_ENTITY_ID, ()):
        if (pair := pair_of(household, entity_id)) is None:
            raise refusal("not_a_consent")
        pairs.add(pair)
    points: list[str] = data.get(ATTR_DATA_POINT_ID, [])
    recipient_id = async_recipient(household, data)

    def is_chosen(receipt: Receipt) -> bool:
        point_id = receipt["processing"]["data"]["id"]
        receiving = receipt["processing"]["recipients"][0]["id"]
        if (point_id, receiving) in pairs:
            return True
        if not points and recipient_id is None:
            return not pairs
        return (not points or point_id in points) and recipient_id in (None, receiving)

    return [one for one in receipts if is_chosen(one)]


# --- The ledger's chain, and the self-test ---


async def _verify(call: ServiceCall) -> ServiceResponse:
    """Follow the ledger's chain."""
    household = async_household(call.hass)
    try:
        check = await household.firewall.consents.verify()
    except StorageError as err:
        raise failure("records_not_read") from err
    return {
        "intact": check.first_broken is None,
        "records": check.records,
        "first_broken": check.first_broken,
    }


async def _self_test(call: ServiceCall) -> ServiceResponse:
    """Send canaries through every gate."""
    report = await async_household(call.hass).observed.async_self_test()
    return report.as_dict()


# --- Previews ---


async def _preview(call: ServiceCall) -> ServiceResponse:
    """Say what a recipient would get of a message; nothing is sent."""
    household = async_household(call.hass)
    appliance_id = async_appliance(household, call.data)
    body, headers = _message(call.data)
    try:
        preview = await household.firewall.inspection.preview(
            appliance_id,
            method=call.data[ATTR_METHOD],
            url=call.data[CONF_URL],
            headers=headers,
            body=body,
        )
    except ValueError:
        # Without what went before: it may quote the address.
        raise refusal("preview_url_not_possible") from None
    return _told(preview)


def _message(data: Mapping[str, Any]) -> tuple[bytes, list[tuple[str, str]]]:
    """Return a payload's bytes and headers; raises `ServiceValidationError`."""
    headers = [(name, one) for name, values in data[ATTR_HEADERS].items() for one in values]
    body: str | dict[str, Any] | list[Any] = data.get(ATTR_BODY, "")
    try:
        if ATTR_BODY_BASE64 in data:
            if ATTR_BODY in data:
                raise refusal("preview_body_twice")
            return b64decode(data[ATTR_BODY_BASE64], validate=True), headers
        if isinstance(body, str):
            return body.encode(), headers
        # A template that yields JSON arrives as what it says, no longer as text.
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(JSON_TYPE)
        return json.dumps(body, ensure_ascii=False).encode(), headers
    except binascii.Error, TypeError, ValueError, RecursionError:
        raise refusal("preview_body_not_possible") from None


def _told(preview: Preview) -> dict[str, Any]:
    outgoing = preview.outgoing
    told: dict[str, Any] = {
        "outcome": preview.outcome.value,
        "reason": preview.reason.value,
        "why": SENTENCES[preview.reason],
        "recipients": [title_of(one) for one in preview.recipients],
        "recipient_ids": [one.id for one in preview.recipients],
        "released": _points(preview.released),
        "released_coarsely": _points(preview.coarse),
        "withheld": _points(preview.withheld),
        "withheld_count": preview.withheld_count,
        "request": None,
    }
    if outgoing is not None:
        try:
            text: str | None = outgoing.body.decode()
        except UnicodeDecodeError:
            text = None
        told["request"] = {
            "method": outgoing.method,
            "url": outgoing.origin + outgoing.target,
            "headers": [{"name": name, "value": value} for name, value in outgoing.headers],
            "body": text,
            "body_base64": b64encode(outgoing.body).decode(),
        }
    return told


def _points(points: tuple[DataPoint, ...]) -> list[dict[str, str]]:
    return [{"id": one.id, "name": one.name, "path": str(one.field)} for one in points]


async def _preview_data_points(call: ServiceCall) -> ServiceResponse:
    """Say of data points what was seen last, and what a recipient would get of it.

    The only place where values are shown beside an appliance's own entities; in the answer alone.
    """
    household = async_household(call.hass)
    appliance_id = async_appliance(household, call.data)
    recipient_id = async_recipient(household, call.data)
    firewall = household.firewall
    seen = {point.id: point for point in firewall.data_points(appliance_id)}
    wanted: list[str] = call.data.get(ATTR_DATA_POINT_ID, [])
    if any(one not in seen for one in wanted):
        raise refusal("data_point_unknown")
    # Those with entities are asked about first.
    first = {point.id: point for point in firewall.promoted(appliance_id)} | seen
    points = [
        point
        for point in first.values()
        if (not wanted or point.id in wanted) and recipient_id in (None, *point.recipients)
    ]
    told = [
        _previewed(household, one, recipient_id)
        for one in firewall.inspection.points(
            appliance_id, points[:MAX_PREVIEWED], frozenset(wanted)
        )
    ]
    left_out = len(points) - len(told)
    return {
        "count": len(points),
        "left_out": left_out,
        "data_points": cast("JsonArrayType", told),
    }


def _previewed(household: Household, one: PointPreview, recipient_id: str | None) -> dict[str, Any]:
    point = one.point
    return {
        "id": point.id,
        "name": point.name,
        "path": str(point.field),
        "endpoint": point.template,
        "category": point.category.value,
        "unit": household.firewall.inspection.unit(point),
        "last_value": one.value,
        "last_seen": None if one.seen_at is None else _iso(one.seen_at),
        "value_hidden": one.is_hidden,
        "recipients": [
            _would_get(household, point, each)
            for each in one.recipients
            if recipient_id in (None, each.recipient.id)
        ],
    }


def _would_get(household: Household, point: DataPoint, each: RecipientPreview) -> dict[str, Any]:
    return {
        "recipient": title_of(each.recipient),
        "recipient_id": each.recipient.id,
        "sharing": household.firewall.is_sharing(point.id, each.recipient.id),
        "exact": each.exact,
        "coarse": each.coarse,
        "coarse_possible": each.coarse_possible,
        "withheld": each.withheld.value,
        "neutral": each.neutral,
        "also_reveals": [
            {
                "what": found.sentence,
                "data_point_id": found.told,
                "from": list(found.givers),
                "less_when_coarse": found.is_less_when_coarse,
            }
            for found in each.also_reveals
        ],
    }


def _iso(seconds: float) -> str:
    return dt_util.utc_from_timestamp(seconds).isoformat()
