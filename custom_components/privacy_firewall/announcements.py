"""What the firewall tells aloud of transmissions: an event on the bus, to entities and triggers.

A change of gate, outcome or reason is told at once, and so is what comes after a quiet minute. More
of the same is summed up once a minute, or a busy appliance would fill the recorder.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from homeassistant.core import CALLBACK_TYPE, Context, HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.event import async_call_later
from homeassistant.util.signal_type import SignalType

from .const import DOMAIN, EVENT_TRANSMISSION
from .engine.events import Decided

SUMMARY_SECONDS = 60
"""Of what goes on unchanged, one event per this time."""
MAX_CHANGES = 10
"""Changes told at once per appliance, its recipients, and minute; further ones join the summary."""
MAX_NAMES = 50
"""Names of data points in one event."""

type Announcement = dict[str, Any]
"""What `Household.describe` returns, with `recipient_ids`, `withheld` (how many data points were
held back, the most of any) and `count`: how many transmissions it stands for."""
SIGNAL_ANNOUNCED: SignalType[str, Announcement, Context | None] = SignalType(f"{DOMAIN}_announced")
"""For triggers: what is told (the event's name), the announcement, and what led to it.

Not the bus, where anybody may fire the same; and not a listener of the household, which is another
one after each reload while an automation stays.
"""
type _Key = tuple[str | None, tuple[str, ...]]
type _Said = tuple[str, str, str]
"""Gate, outcome, reason."""


@dataclass(slots=True)
class _Talk:
    """What was told of one appliance and its recipients in the current minute."""

    last: _Said | None = None
    changes: int = 0
    waiting: dict[_Said, Announcement] = field(default_factory=dict)
    cancel: CALLBACK_TYPE | None = None


class Announcer:
    """Turns decisions into announcements, each fired on the bus and handed to listeners."""

    def __init__(self, hass: HomeAssistant, describe: Callable[[Decided], Announcement]) -> None:
        """Keep who knows the names."""
        self._hass = hass
        self._describe = describe
        self._talks: dict[_Key, _Talk] = {}
        self._listeners: dict[str | None, list[Callable[[Announcement], None]]] = {}

    @callback
    def async_listen(
        self, appliance_id: str | None, listener: Callable[[Announcement], None]
    ) -> CALLBACK_TYPE:
        """Call a listener with what is announced of an appliance; return how to stop that.

        None is all of them, with what comes from nothing the household has named.
        """
        listeners = self._listeners.setdefault(appliance_id, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    @callback
    def async_tell(self, decided: Decided) -> None:
        """Announce a decision, now or summed up."""
        key = decided.appliance_id, decided.recipient_ids
        talk = self._talks.setdefault(key, _Talk())
        said = decided.gate, decided.outcome.value, decided.reason.value
        news = {
            **self._describe(decided),
            "recipient_ids": list(decided.recipient_ids),
            "withheld": decided.withheld,
            "count": 1,
        }
        if talk.cancel is None or (said != talk.last and talk.changes < MAX_CHANGES):
            # What waits was before it, and is told before it.
            self._tell_waiting(talk)
            talk.last = said
            talk.changes += 1
            self._announce(news)
        elif (sum_up := talk.waiting.get(said)) is not None:
            sum_up["count"] += 1
            sum_up["withheld"] = max(sum_up["withheld"], news["withheld"])
            sum_up["data_points"] = list(
                dict.fromkeys([*sum_up["data_points"], *news["data_points"]])
            )
        else:
            talk.waiting[said] = news
            talk.last = said
        if talk.cancel is None:
            self._wait(key, talk)

    @callback
    def async_stop(self) -> None:
        """Forget what waits; the journal has it all."""
        for talk in self._talks.values():
            if talk.cancel is not None:
                talk.cancel()
        self._talks.clear()

    def _wait(self, key: _Key, talk: _Talk) -> None:
        @callback
        def minute_is_over(_: object) -> None:
            talk.cancel = None
            talk.changes = 0
            if talk.waiting:
                self._tell_waiting(talk)
                self._wait(key, talk)

        talk.cancel = async_call_later(self._hass, SUMMARY_SECONDS, minute_is_over)

    def _tell_waiting(self, talk: _Talk) -> None:
        waiting, talk.waiting = talk.waiting, {}
        for announcement in waiting.values():
            self._announce(announcement)

    def _announce(self, announcement: Announcement) -> None:
        announcement["data_points"] = announcement["data_points"][:MAX_NAMES]
        self._hass.bus.async_fire(EVENT_TRANSMISSION, announcement)
        async_dispatcher_send(self._hass, SIGNAL_ANNOUNCED, EVENT_TRANSMISSION, announcement, None)
        for whose in dict.fromkeys((announcement["appliance_id"], None)):
            for listener in list(self._listeners.get(whose, ())):
                listener(announcement)
