"""Triggers: what the firewall tells, for automations.

Each follows what is announced (`announcements`, `consent_announcements`) and passes it on as
variables: names, labels, ids and counts, never a value. A trigger stays attached while the
integration is reloaded, and may be there before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast, override

from homeassistant.const import CONF_OPTIONS, CONF_STATE, CONF_TARGET
from homeassistant.core import CALLBACK_TYPE, Context, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.trigger import (
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
from homeassistant.helpers.typing import ConfigType
import probatio

from .announcements import SIGNAL_ANNOUNCED, Announcement
from .consent_announcements import ENDPOINT
from .const import (
    CONF_PURPOSE,
    EVENT_CONSENT,
    EVENT_GRANT_ENDING,
    EVENT_REQUEST,
    EVENT_RETRY_STORM,
    EVENT_TRANSMISSION,
)
from .engine.model import ConsentState, Outcome, Purpose, Reason
from .targets import async_is_targeted

CONF_RECIPIENT = "recipient"
CONF_REASON = "reason"


def some_of(values: Iterable[str]) -> probatio.All[Any]:
    """Return a schema for one or more of a closed set."""
    return probatio.All(
        probatio.EnsureList(), probatio.Length(min=1), [probatio.In([str(one) for one in values])]
    )


RECIPIENT_FIELDS: dict[probatio.Marker, Any] = {
    probatio.Optional(CONF_RECIPIENT): probatio.All(cv.ensure_list, [cv.string]),
    probatio.Optional(CONF_PURPOSE): some_of(Purpose),
}
"""The filters by whom it is for: name or id of the recipient, and purpose."""


def is_for(
    options: Mapping[str, Any], organisation: str | None, recipient_id: str, purpose: str | None
) -> bool:
    """Tell whether a recipient passes the filters; what is not asked for passes.

    One is named as actions take it: by id, by organisation, or by that with the purpose.
    """
    wanted = [one.strip().casefold() for one in options.get(CONF_RECIPIENT) or ()]
    names = {recipient_id.casefold()}
    if organisation is not None:
        names |= {organisation.casefold(), f"{organisation} ({purpose})".casefold()}
    if wanted and names.isdisjoint(wanted):
        return False
    purposes = options.get(CONF_PURPOSE)
    return not purposes or purpose in purposes


class AnnouncementTrigger(Trigger):
    """Fires for announcements of one kind that pass target and filters."""

    _kind: ClassVar[str]
    _title: ClassVar[str]
    _fields: ClassVar[dict[probatio.Marker, Any]] = {}

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Validate target and options; both may be left out."""
        schema = probatio.Schema(
            {
                probatio.Optional(CONF_TARGET): cv.TARGET_FIELDS,
                probatio.Required(CONF_OPTIONS, default=dict): cls._fields,
            }
        )
        return cast("ConfigType", schema(config))

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Keep target and options."""
        super().__init__(hass, config)
        self._target = config.target
        self._options = config.options or {}

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Run an action for each announcement that passes; return how to stop that."""

        @callback
        def hear(kind: str, announcement: Announcement, context: Context | None) -> None:
            if kind == self._kind and (passed := self._pass(announcement)) is not None:
                run_action(passed, self._title, context)

        return async_dispatcher_connect(self._hass, SIGNAL_ANNOUNCED, hear)

    def _pass(self, announcement: Announcement) -> Announcement | None:
        """Return what the automation gets to know, or None where it is not concerned."""
        if self._is_targeted(announcement) and self._is_wanted(announcement):
            return dict(announcement)
        return None

    def _is_targeted(self, about: Mapping[str, Any]) -> bool:
        return async_is_targeted(
            self._hass, self._target, about["appliance_id"], about.get("device_id")
        )

    def _is_wanted(self, announcement: Announcement) -> bool:
        """Tell whether an announcement passes the filters."""
        return is_for(
            self._options,
            announcement["recipient"],
            announcement["recipient_id"],
            announcement["purpose"],
        )


class TransmissionTrigger(AnnouncementTrigger):
    """Fires for transmissions of certain outcomes."""

    _kind = EVENT_TRANSMISSION
    _fields = RECIPIENT_FIELDS | {probatio.Optional(CONF_REASON): some_of(Reason)}
    _outcomes: ClassVar[frozenset[Outcome]]

    @override
    def _is_wanted(self, announcement: Announcement) -> bool:
        reasons = self._options.get(CONF_REASON)
        if announcement["outcome"] not in self._outcomes or (
            reasons and announcement["reason"] not in reasons
        ):
            return False
        if not any(self._options.get(one) for one in (CONF_RECIPIENT, CONF_PURPOSE)):
            # Also what is for nobody the household knows.
            return True
        return any(
            is_for(self._options, *recipient)
            for recipient in zip(
                announcement["recipients"],
                announcement["recipient_ids"],
                announcement["purposes"],
                strict=False,
            )
        )


class DataSharedTrigger(TransmissionTrigger):
    """Fires when something left, whether or not a part was held back."""

    _title = "data shared"
    _outcomes = frozenset({Outcome.PERMIT, Outcome.REDACT})


class DataRedactedTrigger(TransmissionTrigger):
    """Fires when a part was held back and the rest left."""

    _title = "data redacted"
    _outcomes = frozenset({Outcome.REDACT})


class DataBlockedTrigger(TransmissionTrigger):
    """Fires when nothing left."""

    _title = "data blocked"
    _outcomes = frozenset({Outcome.DENY})


class ConsentChangedTrigger(AnnouncementTrigger):
    """Fires when the household decided, or a decision ended by itself."""

    _kind = EVENT_CONSENT
    _title = "consent changed"
    _fields = RECIPIENT_FIELDS | {
        probatio.Optional(CONF_STATE): some_of(
            state for state in ConsentState if state is not ConsentState.REQUESTED
        )
    }

    @override
    def _is_wanted(self, announcement: Announcement) -> bool:
        states = self._options.get(CONF_STATE)
        return super()._is_wanted(announcement) and (not states or announcement["state"] in states)


class ConsentRequestedTrigger(AnnouncementTrigger):
    """Fires once per digest, with the questions that pass."""

    _kind = EVENT_REQUEST
    _title = "consent requested"
    _fields = RECIPIENT_FIELDS

    @override
    def _pass(self, announcement: Announcement) -> Announcement | None:
        passed = [
            dict(one)
            for one in announcement["questions"]
            if self._is_targeted(one) and self._is_wanted(one)
        ]
        return {"questions": passed, "count": len(passed)} if passed else None


class EndpointDiscoveredTrigger(AnnouncementTrigger):
    """Fires when an appliance calls an endpoint that nobody claims."""

    _kind = ENDPOINT
    _title = "endpoint discovered"

    @override
    def _is_wanted(self, announcement: Announcement) -> bool:
        return True


class GrantEndingTrigger(AnnouncementTrigger):
    """Fires some minutes before a timed grant ends."""

    _kind = EVENT_GRANT_ENDING
    _title = "grant ending"
    _fields = RECIPIENT_FIELDS


class RetryStormTrigger(AnnouncementTrigger):
    """Fires when an appliance insists on a recipient that it is refused."""

    _kind = EVENT_RETRY_STORM
    _title = "retry storm"
    _fields = RECIPIENT_FIELDS


TRIGGERS: dict[str, type[Trigger]] = {
    "consent_changed": ConsentChangedTrigger,
    "consent_requested": ConsentRequestedTrigger,
    "data_blocked": DataBlockedTrigger,
    "data_redacted": DataRedactedTrigger,
    "data_shared": DataSharedTrigger,
    "endpoint_discovered": EndpointDiscoveredTrigger,
    "grant_ending": GrantEndingTrigger,
    "retry_storm": RetryStormTrigger,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS
