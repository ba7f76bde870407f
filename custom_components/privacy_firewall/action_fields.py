"""What the fields of our actions mean: appliances, recipients, consents, ends and periods.

Callers name things by id or by their name of today. What is not found is an error in the user's
language; nothing that a caller wrote is repeated in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID, Platform
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.util import dt as dt_util
import probatio

from .const import DOMAIN
from .engine.model import DataPoint, Recipient
from .grants import CONSENT_KEY, GROUP_KEYS
from .household import Household, PrivacyFirewallConfigEntry
from .targets import async_is_targeted

ATTR_APPLIANCE_ID = "appliance_id"
ATTR_DATA_POINT_ID = "data_point_id"
ATTR_RECIPIENT_ID = "recipient_id"
ATTR_DURATION = "duration"
ATTR_UNTIL = "until"
ATTR_SINCE = "since"
ATTR_HOURS = "hours"

MAX_TIME = timedelta(days=3650)
"""For how long a timed grant may be given; the engine allows a little more."""


def a_period(value: Any) -> timedelta:
    """Read a period that is not negative; raises `Invalid`, also for more than can be told."""
    try:
        return cv.positive_time_period(value)
    except OverflowError as err:
        raise probatio.Invalid("a period is wanted") from err


OF_APPLIANCE: dict[Any, Any] = {
    probatio.Optional(ATTR_DEVICE_ID): cv.string,
    probatio.Optional(ATTR_APPLIANCE_ID): cv.string,
}
OF_CONSENTS: dict[Any, Any] = OF_APPLIANCE | {
    probatio.Optional(ATTR_ENTITY_ID): cv.entity_ids,
    probatio.Optional(ATTR_DATA_POINT_ID): probatio.All(cv.ensure_list, [cv.string]),
    probatio.Optional(ATTR_RECIPIENT_ID): cv.string,
}
OF_PERIOD: dict[Any, Any] = {
    probatio.Optional(ATTR_SINCE): cv.datetime,
    probatio.Optional(ATTR_UNTIL): cv.datetime,
    probatio.Optional(ATTR_HOURS): probatio.All(
        probatio.Coerce(float), probatio.Range(min=0, min_included=False, max=24 * 366)
    ),
}

type Pair = tuple[str, str]
"""Data point id, recipient id."""


def refusal(key: str, **named: str) -> ServiceValidationError:
    """Return the error for what was asked for wrongly; `named` are its placeholders."""
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=named or None
    )


def failure(key: str) -> HomeAssistantError:
    """Return the error for what could not be done."""
    return HomeAssistantError(translation_domain=DOMAIN, translation_key=key)


@callback
def async_household(hass: HomeAssistant) -> Household:
    """Return the household; raises `ServiceValidationError` while it is not set up."""
    entries: list[PrivacyFirewallConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    if not entries:
        raise refusal("not_running")
    return entries[0].runtime_data


async def async_check_may_control(call: ServiceCall) -> None:
    """Refuse users who may only look: Home Assistant asks this of entities, not of actions."""
    if call.context.user_id is None:
        return
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    if not user.permissions.access_all_entities(POLICY_CONTROL):
        raise Unauthorized(context=call.context)


# --- Appliances and recipients ---


@callback
def async_appliances(household: Household, data: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the ids of the appliances that a call names; None where it names none.

    Raises `ServiceValidationError` where it names one that is not there.
    """
    if not data.keys() & {ATTR_DEVICE_ID, ATTR_APPLIANCE_ID}:
        return None
    found = frozenset(
        one.id
        for one in household.firewall.appliances.values()
        if _is_named(household, one.id, one.name, data)
    )
    if not found:
        raise refusal("appliance_unknown")
    return found


def _is_named(household: Household, appliance_id: str, name: str, data: Mapping[str, Any]) -> bool:
    if (wanted := data.get(ATTR_APPLIANCE_ID)) is not None and wanted != appliance_id:
        # An id is nobody's name.
        is_id = wanted in household.firewall.appliances
        if is_id or wanted.strip().casefold() != name.casefold():
            return False
    if (device_id := data.get(ATTR_DEVICE_ID)) is not None:
        device = household.device(appliance_id)
        return device is not None and async_is_targeted(
            household.hass, {ATTR_DEVICE_ID: [device_id]}, appliance_id, device.id
        )
    return True


@callback
def async_appliance(household: Household, data: Mapping[str, Any]) -> str:
    """Return the one appliance that a call names; raises `ServiceValidationError`."""
    found = async_appliances(household, data)
    if found is None or len(found) != 1:
        raise refusal("appliance_not_one")
    return next(iter(found))


async def async_recorded_appliance(household: Household, data: Mapping[str, Any]) -> str:
    """Return the one appliance that a call names, which may be gone but for its records.

    Raises `StorageError` beside `ServiceValidationError`.
    """
    wanted = data.get(ATTR_APPLIANCE_ID)
    if wanted is not None and wanted in await household.firewall.journal.tallies():
        return str(wanted)
    return async_appliance(household, data)


@callback
def async_recipient(household: Household, data: Mapping[str, Any]) -> str | None:
    """Return the id of the recipient that a call names by id or title; None where it names none.

    One that is gone is known by its id while there are decisions about it. Raises
    `ServiceValidationError`.
    """
    wanted = data.get(ATTR_RECIPIENT_ID)
    if wanted is None:
        return None
    recipients = household.firewall.recipients
    if wanted in recipients:
        return str(wanted)
    wanted = wanted.strip()
    named = [
        one.id
        for one in recipients.values()
        if wanted.casefold() in {title_of(one).casefold(), one.organisation.casefold()}
    ]
    if len(named) == 1:
        return named[0]
    if not named and any(one.recipient_id == wanted for one in household.firewall.decided()):
        return str(wanted)
    raise refusal("recipient_not_one" if named else "recipient_unknown")


def title_of(recipient: Recipient) -> str:
    """Return how a recipient is called: one organisation may be several, each for a purpose."""
    return f"{recipient.organisation} ({recipient.purpose.value})"


# --- Consents ---


@dataclass(slots=True)
class Meant:
    """The consents that a call names.

    `whole` is the recipient meant as a whole, of `appliances` (None: all of them). `unknown` is
    the error for something named that is not there.
    """

    pairs: dict[Pair, None] = field(default_factory=dict[Pair, None])
    whole: str | None = None
    appliances: frozenset[str] | None = None
    unknown: ServiceValidationError | None = None
    grouped: dict[Pair, None] = field(default_factory=dict[Pair, None])
    """Those of the groups that it names, which are meant as a whole."""
    missing: int = 0
    """How many of what was named is not there."""


@callback
def async_meant(household: Household, call: ServiceCall) -> Meant:
    """Read which consents a call means; raises `ServiceValidationError` where it names none."""
    data = call.data
    meant = Meant()
    for entity_id in data.get(ATTR_ENTITY_ID, ()):
        _mean_switch(household, entity_id, meant)
    points: list[str] = data.get(ATTR_DATA_POINT_ID, [])
    try:
        recipient_id = async_recipient(household, data)
        meant.appliances = async_appliances(household, data)
    except ServiceValidationError as err:
        meant.unknown = err
        meant.missing += 1
        return meant
    if points and recipient_id is None:
        raise refusal("data_point_without_recipient")
    for point_id in points:
        point = household.firewall.data_point(point_id)
        if point is None or recipient_id is None:
            meant.unknown = refusal("data_point_unknown")
            meant.missing += 1
        elif meant.appliances is None or point.appliance_id in meant.appliances:
            meant.pairs[point_id, recipient_id] = None
        else:
            meant.unknown = refusal("data_point_unknown")
            meant.missing += 1
    if recipient_id is not None and not points:
        meant.whole = recipient_id
    elif recipient_id is None and meant.appliances is not None:
        # An appliance alone would be all of its recipients at once.
        raise refusal("nothing_named")
    if not (meant.pairs or meant.grouped or meant.whole is not None or meant.unknown):
        raise refusal("nothing_named")
    return meant


def _mean_switch(household: Household, entity_id: str, meant: Meant) -> None:
    if (pair := pair_of(household, entity_id)) is not None:
        meant.pairs[pair] = None
    elif (members := members_of(household, entity_id)) is not None:
        meant.grouped |= dict.fromkeys(members)
    else:
        meant.unknown = refusal("not_a_consent")
        meant.missing += 1


@callback
def pair_of(household: Household, entity_id: str) -> Pair | None:
    """Return what a consent switch stands for, by its registry entry: it may be disabled."""
    entity = er.async_get(household.hass).async_get(entity_id)
    if (
        entity is None
        or entity.config_entry_id != household.entry.entry_id
        or entity.domain != Platform.SWITCH
        or entity.translation_key != CONSENT_KEY
    ):
        return None
    _, point_id, recipient_id = entity.unique_id.rsplit("_", 2)
    return None if household.firewall.data_point(point_id) is None else (point_id, recipient_id)


@callback
def members_of(household: Household, entity_id: str) -> list[Pair] | None:
    """Return what stands behind a group's switch now; None where it is no such switch."""
    entity = er.async_get(household.hass).async_get(entity_id)
    if (
        entity is None
        or entity.config_entry_id != household.entry.entry_id
        or entity.translation_key not in GROUP_KEYS
        or entity.config_subentry_id not in household.firewall.appliances
    ):
        return None
    return [
        (point.id, group.recipient_id)
        for group in household.firewall.groups(entity.config_subentry_id)
        if entity.unique_id == f"{entity.config_subentry_id}_{group.key}"
        for point in group.points
    ]


@callback
def async_known_points(
    household: Household, recipient_id: str, appliances: frozenset[str] | None
) -> list[DataPoint]:
    """Return what has a switch, or is behind one, and a recipient would receive, as seen today."""
    firewall = household.firewall
    return [
        point
        for appliance_id in firewall.appliances
        if appliances is None or appliance_id in appliances
        for point in firewall.switched(appliance_id)
        if recipient_id in point.recipients
    ]


@callback
def async_described(household: Household, pair: Pair) -> dict[str, Any]:
    """Return what a consent is about and how it stands, for a response."""
    firewall = household.firewall
    point = firewall.data_point(pair[0])
    appliance = firewall.appliances.get(point.appliance_id) if point is not None else None
    recipient = firewall.recipients.get(pair[1])
    consent = firewall.consent(*pair)
    return {
        "appliance": appliance.name if appliance is not None else None,
        "appliance_id": point.appliance_id if point is not None else None,
        "data_point": point.name if point is not None else None,
        "data_point_id": pair[0],
        "recipient": recipient.organisation if recipient is not None else None,
        "recipient_id": pair[1],
        "purpose": recipient.purpose.value if recipient is not None else None,
        "state": consent.state.value if consent is not None else None,
        "level": consent.level.value if consent is not None else None,
        "until": iso(consent.until) if consent is not None else None,
        "in_force": firewall.is_sharing(*pair),
    }


# --- Time ---


def end_of(household: Household, data: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return for how many seconds, or until when, a grant is meant; raises for an impossible one.

    Neither is none: until it is withdrawn.
    """
    duration: timedelta | None = data.get(ATTR_DURATION)
    until: datetime | None = data.get(ATTR_UNTIL)
    if duration is not None and until is not None:
        raise refusal("grant_end_twice")
    if duration is not None:
        if not timedelta(0) < duration <= MAX_TIME:
            raise refusal("grant_end_not_possible")
        return duration.total_seconds(), None
    if until is not None:
        at = _seconds(until)
        if at is None or not 0 < at - household.firewall.now() <= MAX_TIME.total_seconds():
            raise refusal("grant_end_not_possible")
        return None, at
    return None, None


def period_of(data: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return since when and until when is asked, in seconds since 1970; raises for none at all."""
    since: datetime | None = data.get(ATTR_SINCE)
    until: datetime | None = data.get(ATTR_UNTIL)
    hours: float | None = data.get(ATTR_HOURS)
    if since is not None and hours is not None:
        raise refusal("period_not_possible")
    end = None if until is None else _seconds(until)
    begin = None if since is None else _seconds(since)
    if (end is None) is not (until is None) or (begin is None) is not (since is None):
        raise refusal("period_not_possible")
    if hours is not None:
        begin = (dt_util.utcnow().timestamp() if end is None else end) - hours * 3600
    if begin is not None and end is not None and begin >= end:
        raise refusal("period_not_possible")
    return begin, end


def _seconds(moment: datetime) -> float | None:
    """Return a moment in seconds since 1970; one without a zone is meant in Home Assistant's.

    None for one that is out of every calendar's reach.
    """
    try:
        return dt_util.as_utc(moment).timestamp()
    except OverflowError, ValueError:
        return None


def iso(seconds: float | None) -> str | None:
    """Return a time for a response."""
    return None if seconds is None else dt_util.utc_from_timestamp(seconds).isoformat()
