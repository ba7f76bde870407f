"""Our actions. Those that decide stand here; the others in `reading_actions` and beside it.

They are registered once, whether the firewall is set up or not, and say so when it is not. What
opens goes through `grants`, as switches do; what closes is anybody's, and never held up by
something else in the same call that is not there.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv, entity_registry as er
import probatio

from .action_fields import (
    ATTR_DURATION,
    ATTR_UNTIL,
    OF_APPLIANCE,
    OF_CONSENTS,
    Meant,
    Pair,
    a_period,
    async_appliance,
    async_check_may_control,
    async_described,
    async_household,
    async_known_points,
    async_meant,
    end_of,
    iso,
    refusal,
)
from .const import DOMAIN
from .engine.model import OPAQUE_FIELD, ConsentState, Level
from .exposure_actions import async_setup_exposure_actions
from .household import Household
from .journal_actions import async_setup_journal_actions
from .match_actions import async_setup_match_actions
from .need_actions import async_setup_need_actions
from .point_actions import async_setup_point_actions
from .reading_actions import async_setup_reading_actions

HOW = "action"
"""By which means a decision came, as the ledger calls it."""

ATTR_LEVEL = "level"
ATTR_PERSON = "person"
ATTR_STOP = "stop"
ATTR_ON = "on"

GRANT = probatio.Schema(
    OF_CONSENTS
    | {
        probatio.Optional(ATTR_DURATION): a_period,
        probatio.Optional(ATTR_UNTIL): cv.datetime,
        probatio.Optional(ATTR_LEVEL, default=Level.EXACT.value): probatio.In(
            [level.value for level in Level]
        ),
        probatio.Optional(ATTR_PERSON): cv.entity_id,
    }
)
NARROW = probatio.Schema(OF_CONSENTS)
LET_THROUGH = probatio.Schema(
    OF_APPLIANCE
    | {
        probatio.Optional(ATTR_DURATION): a_period,
        probatio.Optional(ATTR_STOP, default=False): cv.boolean,
    }
)
LOCK_DOWN = probatio.Schema({probatio.Required(ATTR_ON): cv.boolean})

type Action = Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register our actions."""
    actions: dict[str, tuple[Action, probatio.Schema]] = {
        "grant": (_grant, GRANT),
        "refuse": (_refuse, NARROW),
        "withdraw": (_withdraw, NARROW),
        "let_through": (_let_through, LET_THROUGH),
        "lock_down": (_lock_down, LOCK_DOWN),
    }
    for name, (action, schema) in actions.items():
        hass.services.async_register(
            DOMAIN, name, action, schema=schema, supports_response=SupportsResponse.OPTIONAL
        )
    async_setup_reading_actions(hass)
    async_setup_journal_actions(hass)
    async_setup_need_actions(hass)
    async_setup_match_actions(hass)
    async_setup_point_actions(hass)
    async_setup_exposure_actions(hass)


# --- Consents ---


async def _grant(call: ServiceCall) -> ServiceResponse:
    """Give consents: exactly those listed, as one act."""
    household = async_household(call.hass)
    meant = async_meant(household, call)
    if meant.unknown is not None:
        raise meant.unknown
    seconds, until = end_of(household, call.data)
    pairs = dict(meant.pairs)
    level = Level(call.data[ATTR_LEVEL])
    apart = _Apart()
    together = dict(meant.grouped)
    if meant.whole is not None:
        seen = async_known_points(household, meant.whole, meant.appliances)
        together |= {(point.id, meant.whole): None for point in seen}
    for pair in together:
        point = household.firewall.data_point(pair[0])
        if point is None or point.field == OPAQUE_FIELD or pair in meant.pairs:
            # It is no item among others: all that cannot be read, granted by its own name only.
            continue
        if household.firewall.is_sharing(*pair):
            # Neither made shorter nor finer by a grant of all the others.
            apart.given_before.append(pair)
        elif _is_refused(household, pair):
            # Somebody said no to this one; its own name turns it on.
            apart.refused_before.append(pair)
        elif level is Level.COARSE and not household.firewall.may_be_coarse(point):
            apart.not_coarse.append(pair)
        else:
            pairs[pair] = None
    if not (pairs or apart.given_before or apart.refused_before or apart.not_coarse):
        raise refusal("nothing_to_grant")
    _check_person(household, call.data.get(ATTR_PERSON), [*pairs, *apart.given_before])
    await async_check_may_control(call)
    if pairs:
        await household.decisions.async_give(
            list(pairs),
            how=HOW,
            context=call.context,
            entity_id=None,
            level=level,
            seconds=seconds,
            until=until,
        )
    return _response(household, pairs) | {
        name: [async_described(household, pair) for pair in found]
        for name, found in (
            ("given_before", apart.given_before),
            ("refused_before", apart.refused_before),
            ("not_coarse", apart.not_coarse),
        )
    }


@dataclass(slots=True)
class _Apart:
    """What a grant of a whole recipient, or of a group, leaves as it is."""

    given_before: list[Pair] = field(default_factory=list[Pair])
    refused_before: list[Pair] = field(default_factory=list[Pair])
    not_coarse: list[Pair] = field(default_factory=list[Pair])


async def _refuse(call: ServiceCall) -> ServiceResponse:
    """Refuse consents: they are not asked again."""

    def whole(household: Household, meant: Meant, recipient_id: str) -> list[Pair]:
        seen = async_known_points(household, recipient_id, meant.appliances)
        # Then also what is given of things that have no entities.
        pairs = [(point.id, recipient_id) for point in seen]
        pairs += _given(household, meant, recipient_id)
        return [pair for pair in pairs if not _is_refused(household, pair)]

    return await _narrow(call, ConsentState.REFUSED, whole)


async def _withdraw(call: ServiceCall) -> ServiceResponse:
    """Take consents back, at once."""
    return await _narrow(call, ConsentState.WITHDRAWN, _given)


async def _narrow(
    call: ServiceCall,
    state: ConsentState,
    whole: Callable[[Household, Meant, str], list[Pair]],
) -> ServiceResponse:
    household = async_household(call.hass)
    meant = async_meant(household, call)
    pairs = dict(meant.pairs)
    # Of a group, what that changes: there may be nothing to take back of a member.
    if state is ConsentState.REFUSED:
        pairs |= {one: None for one in meant.grouped if not _is_refused(household, one)}
    else:
        pairs |= {one: None for one in meant.grouped if _is_given(household, one)}
    if meant.whole is not None:
        pairs |= dict.fromkeys(whole(household, meant, meant.whole))
    decider = household.grants.decider(HOW, call.context)
    if pairs and state is ConsentState.REFUSED:
        await household.decisions.async_refuse(list(pairs), decider)
    elif pairs:
        await household.decisions.async_decide(list(pairs), state, decider)
    if meant.unknown is not None:
        # Only now: what was there is stopped.
        if pairs:
            raise refusal("stopped_but_for", missing=str(meant.missing), stopped=str(len(pairs)))
        raise meant.unknown
    return _response(household, pairs)


def _given(household: Household, meant: Meant, recipient_id: str) -> list[Pair]:
    return [
        (one.data_point_id, recipient_id)
        for one in household.firewall.consents.given(recipient_id)
        if (meant.appliances is None or one.appliance_id in meant.appliances)
        # One that was forgotten cannot leave, and would hold up the others.
        and household.firewall.data_point(one.data_point_id) is not None
    ]


def _is_refused(household: Household, pair: Pair) -> bool:
    consent = household.firewall.consent(*pair)
    return consent is not None and consent.state is ConsentState.REFUSED


def _is_given(household: Household, pair: Pair) -> bool:
    consent = household.firewall.consent(*pair)
    return consent is not None and consent.state is ConsentState.GIVEN


def _response(household: Household, pairs: dict[Pair, None]) -> dict[str, Any]:
    return {"consents": [async_described(household, pair) for pair in pairs]}


def _check_person(household: Household, person: str | None, pairs: list[Pair]) -> None:
    """Refuse where a call says whose data it is, and is mistaken."""
    if person is None:
        return
    entity = er.async_get(household.hass).async_get(person)
    firewall = household.firewall
    points = [firewall.data_point(point_id) for point_id, _ in pairs]
    owners = {
        None if point is None else firewall.appliances[point.appliance_id].owner for point in points
    }
    if entity is None or entity.domain != "person" or owners - {entity.id}:
        raise refusal("person_mismatch")


# --- Measures ---


async def _let_through(call: ServiceCall) -> ServiceResponse:
    """Let everything of an appliance through for a time, or no longer."""
    household = async_household(call.hass)
    appliance_id = async_appliance(household, call.data)
    duration: timedelta | None = call.data.get(ATTR_DURATION)
    stop: bool = call.data[ATTR_STOP]
    if stop is (duration is not None):
        raise refusal("let_through_how_long")
    if duration is not None:
        await async_check_may_control(call)
    await household.decisions.async_let_through(
        appliance_id,
        seconds=None if duration is None else duration.total_seconds(),
        how=HOW,
        context=call.context,
        entity_id=None,
    )
    return {
        "appliance": household.firewall.appliances[appliance_id].name,
        "appliance_id": appliance_id,
        "until": iso(household.firewall.let_through_until(appliance_id)),
    }


async def _lock_down(call: ServiceCall) -> ServiceResponse:
    """Deny everything, or bring back what was."""
    household = async_household(call.hass)
    on: bool = call.data[ATTR_ON]
    if not on:
        await async_check_may_control(call)
    await household.decisions.async_lock_down(on=on, how=HOW, context=call.context, entity_id=None)
    return {"locked_down": household.firewall.consents.is_locked_down}
