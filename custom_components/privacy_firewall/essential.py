"""Essential or not: what breaks at home when a recipient is refused, as the engine is told of it.

Watched are the entities that other integrations show of an appliance, on the device it is linked
with or on another of the same connections. One that becomes unavailable after it was available for
a while has broken. One whose integration is unloaded or reloaded has not.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from homeassistant.const import ATTR_RESTORED, STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    Event as HomeAssistantEvent,
    EventStateChangedData,
    State,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .engine.events import Event, Forgotten, NeedChanged
from .engine.needs import MAX_ENTITIES, Assessment, Fact
from .starving import shown_by

if TYPE_CHECKING:
    from .household import Household

NEED_KEY = "need"
"""Of the entities that tell of an appliance's need for a recipient; its id follows."""
SETTLED_SECONDS = 600.0
"""For how long an entity must have been available before its being unavailable means anything."""
_MATTERS = frozenset({"entity_id", "device_id", "disabled_by"})
"""What of a registered entity decides whether it is watched."""


class Essential:
    """Tells the engine what breaks, and who is to be shown."""

    def __init__(self, household: Household) -> None:
        """Start with nothing watched."""
        self._household = household
        self._appliances: dict[str, list[str]] = {}
        """Whose an entity is: appliance ids by entity id."""
        self._since: dict[str, float] = {}
        """Since when the available ones are known to be, in seconds since 1970."""
        self._shown: dict[str, frozenset[str]] = {}
        self._follow: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Begin to watch; return how to stop that."""
        hass = self._household.hass
        undo = [
            self._household.async_listen_for_changes(self._review),
            hass.bus.async_listen(
                er.EVENT_ENTITY_REGISTRY_UPDATED, self._registered, event_filter=_may_matter
            ),
        ]
        self._review()

        def stop() -> None:
            for one in undo:
                one()
            if self._follow is not None:
                self._follow()
                self._follow = None

        return stop

    # --- What breaks ---

    @callback
    def _registered(self, _: HomeAssistantEvent[Any]) -> None:
        self._review()

    @callback
    def _review(self) -> None:
        """Take over which entities there are."""
        hass = self._household.hass
        found: dict[str, list[str]] = {}
        for appliance_id in self._household.firewall.appliances:
            for entity_id in self._entities_of(appliance_id):
                found.setdefault(entity_id, []).append(appliance_id)
        if found != self._appliances:
            if self._follow is not None:
                self._follow()
            self._follow = async_track_state_change_event(hass, list(found), self._stated)
            self._appliances = found
            self._since = {one: at for one, at in self._since.items() if one in found}
            for entity_id in found.keys() - self._since.keys():
                state = hass.states.get(entity_id)
                if state is not None and _is_available(state):
                    # It may have been longer: its value changed last then.
                    self._since[entity_id] = state.last_changed.timestamp()
        self._tell(self._household.firewall.appliances)

    def _entities_of(self, appliance_id: str) -> list[str]:
        hass = self._household.hass
        registry = er.async_get(hass)
        return sorted({
            entity.entity_id
            for device, _ in shown_by(hass, self._household.device(appliance_id))
            for entity in er.async_entries_for_device(registry, device.id)
            if entity.platform != DOMAIN
        })[:MAX_ENTITIES]  # fmt: skip

    def _tell(self, appliance_ids: Iterable[str]) -> None:
        for appliance_id in appliance_ids:
            entities = [one for one, whose in self._appliances.items() if appliance_id in whose]
            self._household.firewall.watching.watch(
                appliance_id, entities, [one for one in entities if one not in self._since]
            )

    @callback
    def _stated(self, event: HomeAssistantEvent[EventStateChangedData]) -> None:
        entity_id, state = event.data["entity_id"], event.data["new_state"]
        was_available = entity_id in self._since
        is_available = state is not None and _is_available(state)
        if is_available is was_available:
            return
        firewall = self._household.firewall
        now = firewall.now()
        whose = self._appliances.get(entity_id, [])
        if is_available:
            self._since[entity_id] = now
        else:
            since = self._since.pop(entity_id)
            if now - since < SETTLED_SECONDS or not _has_broken(state):
                self._tell(whose)
                return
        self._tell(whose)
        for appliance_id in whose:
            if is_available:
                firewall.watching.came_back(appliance_id, entity_id)
            else:
                firewall.watching.broke(appliance_id, entity_id)

    # --- What is shown ---

    @callback
    def async_hear(self, event: Event) -> None:
        """Have entities made for recipients that an appliance asks for the first time."""
        if not isinstance(event, NeedChanged | Forgotten):
            return
        asked = self._household.firewall.watching.recipients_of(event.appliance_id)
        if asked != self._shown.get(event.appliance_id):
            self._shown[event.appliance_id] = asked
            self._household.async_changed()

    def shown_of(self, appliance_id: str) -> tuple[int, frozenset[str]] | None:
        """Return what entities are made of: the recipients asked for; None without a DNS gate.

        Also those that have one registered: what was seen of them may have been forgotten.
        """
        household = self._household
        if not household.dns.is_wanted:
            return None
        asked = household.firewall.watching.recipients_of(appliance_id)
        registry = er.async_get(household.hass)
        registered = {
            recipient_id
            for recipient_id in household.firewall.recipients.keys() - asked
            if registry.async_get_entity_id(
                "sensor", DOMAIN, f"{appliance_id}_{NEED_KEY}_{recipient_id}"
            )
        }
        return household.dns.epoch, asked | registered


def described(household: Household, seen: Assessment | None) -> dict[str, Any]:
    """Return what is known of a need beside its label: plain facts, times as ISO 8601 has them."""
    return {
        "stated_by_household": seen is not None and seen.is_stated,
        "usual_per_hour": None if seen is None else seen.usual_per_hour,
        "now_per_hour": None if seen is None else seen.now_per_hour,
        "evidence": [] if seen is None else [_plain(household, one) for one in seen.evidence],
    }


def _plain(household: Household, fact: Fact) -> dict[str, Any]:
    told: dict[str, Any] = {
        "fact": fact.kind.value,
        "at": dt_util.utc_from_timestamp(fact.at).isoformat(timespec="seconds"),
        **fact.figures,
    }
    if fact.entity_id is not None:
        told["entity_id"] = fact.entity_id
    if fact.recipient_ids:
        known = household.firewall.recipients
        told["recipients"] = [
            f"{known[one].organisation} ({known[one].purpose.value})"
            for one in fact.recipient_ids
            if one in known
        ]
    return told


def _is_available(state: State) -> bool:
    return state.state != STATE_UNAVAILABLE


def _has_broken(state: State | None) -> bool:
    """Tell whether it is there and fails; not so of one whose integration was unloaded."""
    return state is not None and not state.attributes.get(ATTR_RESTORED)


@callback
def _may_matter(data: er.EventEntityRegistryUpdatedData) -> bool:
    return data["action"] != "update" or not _MATTERS.isdisjoint(data["changes"])
