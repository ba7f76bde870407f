"""What the firewall tells aloud of consents, questions, unclaimed endpoints and retry storms.

On the bus one event per appliance and recipient, so that a page of a device shows what is its own;
to the triggers as well, by the signal that `announcements` names. Names, labels and ids; never a
value. An event carries the context of whoever decided: what an automation does because of it
counts, where grants are judged, as part of that same action.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util import dt as dt_util

from .announcements import MAX_NAMES, SIGNAL_ANNOUNCED, Announcement
from .const import EVENT_CONSENT, EVENT_GRANT_ENDING, EVENT_REQUEST, EVENT_RETRY_STORM
from .engine.events import (
    ConsentsChanged,
    ConsentsRequested,
    ConsentsSuspended,
    Event,
    GrantEnding,
    RetryStorm,
    Unclaimed,
)
from .engine.model import Consent, ConsentState, Decider
from .unclaimed import CONF_LEFT_DENIED, Call, is_plausible

if TYPE_CHECKING:
    from .household import Household

ENDPOINT = "endpoint"
"""By which triggers know an unclaimed endpoint; there is no event of it on the bus."""


class ConsentAnnouncer:
    """Turns events of the engine into announcements."""

    def __init__(self, hass: HomeAssistant, household: Household) -> None:
        """Keep who knows the names."""
        self._hass = hass
        self._household = household

    @callback
    def async_hear(self, event: Event) -> None:
        """Announce what an event of the engine says; other events are none of its business."""
        match event:
            case ConsentsChanged(consents=consents, decider=decider):
                decided = [one for one in consents if one.state is not ConsentState.REQUESTED]
                for told in self._grouped(decided, _terms):
                    self._announce(EVENT_CONSENT, told | {"how": decider.how}, _context(decider))
            case GrantEnding(consents=consents):
                for told in self._grouped(consents, _terms):
                    self._announce(EVENT_GRANT_ENDING, told)
            case ConsentsRequested(consents=consents):
                self._ask(consents, lambda _: {})
            case ConsentsSuspended(consents=consents):
                self._ask(consents, _changed)
            case Unclaimed():
                self._discover(event)
            case RetryStorm():
                self._announce(EVENT_RETRY_STORM, self._storm(event))
            case _:
                pass

    def _announce(
        self, event_type: str, told: Announcement, context: Context | None = None
    ) -> None:
        self._hass.bus.async_fire(event_type, told, context=context)
        async_dispatcher_send(self._hass, SIGNAL_ANNOUNCED, event_type, told, context)

    def _ask(
        self, consents: tuple[Consent, ...], terms: Callable[[Consent], dict[str, Any]]
    ) -> None:
        """Tell the bus per appliance and recipient, but the triggers once: a digest is one."""
        for told in self._grouped(consents, terms):
            self._hass.bus.async_fire(EVENT_REQUEST, told)
        questions = [self._question(one) | terms(one) for one in consents]
        digest: Announcement = {"questions": questions}
        if consents:
            async_dispatcher_send(self._hass, SIGNAL_ANNOUNCED, EVENT_REQUEST, digest, None)

    def _discover(self, event: Unclaimed) -> None:
        """Tell of an endpoint when it is called first, unless the household left it denied."""
        call = Call(event.appliance_id, event.method, event.host)
        if event.count > 1 or call.line in self._household.entry.options.get(CONF_LEFT_DENIED, ()):
            return
        if not is_plausible(event):
            return
        told: Announcement = {
            **self._appliance(event.appliance_id),
            "host": event.host,
            "method": event.method,
        }
        async_dispatcher_send(self._hass, SIGNAL_ANNOUNCED, ENDPOINT, told, None)

    def _storm(self, event: RetryStorm) -> Announcement:
        return {
            **self._appliance(event.appliance_id),
            **self._recipient(event.recipient_id),
            "gate": event.gate,
            "usual_per_hour": event.usual_per_hour,
            "now_per_hour": event.now_per_hour,
        }

    # --- Names ---

    def _grouped(
        self, consents: Iterable[Consent], terms: Callable[[Consent], dict[str, Any]]
    ) -> list[Announcement]:
        """Return one announcement per appliance, recipient and terms, in the order they come."""
        groups: dict[tuple[object, ...], list[Consent]] = {}
        for one in consents:
            key = one.appliance_id, one.recipient_id, *terms(one).values()
            groups.setdefault(key, []).append(one)
        return [
            {
                **self._appliance(group[0].appliance_id),
                **self._recipient(group[0].recipient_id),
                **terms(group[0]),
                "data_points": [self._name(one) for one in group][:MAX_NAMES],
                "data_point_ids": [one.data_point_id for one in group][:MAX_NAMES],
                "count": len(group),
            }
            for group in groups.values()
        ]

    def _question(self, consent: Consent) -> dict[str, Any]:
        return {
            **self._appliance(consent.appliance_id),
            **self._recipient(consent.recipient_id),
            "data_point": self._name(consent),
            "data_point_id": consent.data_point_id,
        }

    def _appliance(self, appliance_id: str) -> dict[str, Any]:
        appliance = self._household.firewall.appliances.get(appliance_id)
        named: dict[str, Any] = {
            "appliance": appliance.name if appliance else None,
            "appliance_id": appliance_id,
        }
        if (device := self._household.device(appliance_id)) is not None:
            named["device_id"] = device.id
        return named

    def _recipient(self, recipient_id: str) -> dict[str, Any]:
        recipient = self._household.firewall.recipients.get(recipient_id)
        return {
            "recipient": recipient.organisation if recipient else None,
            "recipient_id": recipient_id,
            "purpose": recipient.purpose.value if recipient else None,
        }

    def _name(self, consent: Consent) -> str | None:
        point = self._household.firewall.data_point(consent.data_point_id)
        return point.name if point else None


def _changed(consent: Consent) -> dict[str, Any]:
    """Return in what a data point is no longer what was granted."""
    return {"changed": None if consent.drift is None else consent.drift.value}


def _terms(consent: Consent) -> dict[str, Any]:
    until = consent.until
    return {
        "state": consent.state.value,
        "level": consent.level.value,
        "until": None if until is None else dt_util.utc_from_timestamp(until).isoformat(),
    }


def _context(decider: Decider) -> Context | None:
    """Return the context that was decided in, or None where the firewall itself decided."""
    if decider.context is None:
        return None
    return Context(user_id=decider.person, id=decider.context)
