"""What the logbook says of the firewall's events, in words.

Home Assistant writes the name and the message as one sentence: "Fridge | may send Temperature to
Frostline (service)". The logbook shows plain text, so nothing is escaped here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components.logbook.const import LOGBOOK_ENTRY_MESSAGE, LOGBOOK_ENTRY_NAME
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import (
    DOMAIN,
    EVENT_CONSENT,
    EVENT_GRANT_ENDING,
    EVENT_NEW_ITEMS,
    EVENT_REQUEST,
    EVENT_RETRY_STORM,
    EVENT_TRANSMISSION,
)
from .engine.model import ConsentState, Drift, Level, Outcome, Reason
from .engine.sentences import SENTENCES

MAX_NAMES = 5
"""Data points named in one line."""

_WHY = {reason.value: sentence for reason, sentence in SENTENCES.items()}

_CHANGED = {
    Drift.UNIT.value: "it comes in another unit than when it was granted",
    Drift.RANGE.value: "it is far outside of all that was seen before",
    Drift.PRECISION.value: "it is told far more precisely than when it was granted",
    Drift.FORM.value: "it is another sort of text than when it was granted",
}

type Told = Mapping[str, Any]
"""The data of an event; what the recorder kept of an older version may lack members."""


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event[Any]], dict[str, str]]], None],
) -> None:
    """Describe the events that the firewall fires."""

    def describe(event_type: str, sentence: Callable[[Told], str]) -> None:
        @callback
        def described(event: Event[Any]) -> dict[str, str]:
            return {
                LOGBOOK_ENTRY_NAME: event.data.get("appliance") or "An unknown appliance",
                LOGBOOK_ENTRY_MESSAGE: sentence(event.data),
            }

        async_describe_event(DOMAIN, event_type, described)

    describe(EVENT_TRANSMISSION, _transmission)
    describe(EVENT_CONSENT, _consent)
    describe(EVENT_REQUEST, _request)
    describe(EVENT_GRANT_ENDING, _grant_ending)
    describe(EVENT_NEW_ITEMS, _new_items)
    describe(EVENT_RETRY_STORM, _retry_storm)


def _transmission(told: Told) -> str:
    recipients = [
        _recipient(organisation, purpose)
        for organisation, purpose in zip(
            told.get("recipients", ()), told.get("purposes", ()), strict=False
        )
    ]
    times = f" ({count} times)" if (count := told.get("count", 1)) > 1 else ""
    if told.get("gate") == "dns":
        return _lookup(told, recipients, times)
    if told.get("outcome") == Outcome.DENY:
        whom = f" to {_listed(recipients)}" if recipients else ""
        why = _WHY.get(str(told.get("reason")), "")
        return f"was kept from reporting{whom}{times}. {why}".rstrip()
    names = _listed(told.get("data_points", ())) or "a report"
    rest = f"; {withheld} more held back" if (withheld := told.get("withheld")) else ""
    return f"shared {names} with {_listed(recipients) or 'its cloud'}{rest}{times}"


def _lookup(told: Told, recipients: list[str], times: str) -> str:
    """Say of a question for a name whose it is; a name that nobody claims is not repeated."""
    whom = _listed(recipients)
    if told.get("outcome") == Outcome.DENY:
        why = _WHY.get(str(told.get("reason")), "")
        return f"tried to find {whom or 'a name that no recipient claims'}{times}. {why}".rstrip()
    if not whom:
        is_let_through = told.get("reason") == Reason.LET_THROUGH
        whom = "a name that no recipient claims" if is_let_through else "what your options allow"
    return f"was told where to find {whom}{times}"


def _consent(told: Told) -> str:
    what = f"send {_points(told)} to {_recipient(told.get('recipient'), told.get('purpose'))}"
    match told.get("state"):
        case ConsentState.GIVEN:
            coarse = ", made coarse" if told.get("level") == Level.COARSE else ""
            until = f" until {_time(told['until'])}" if told.get("until") else ""
            sentence = f"may {what}{coarse}{until}"
        case ConsentState.REFUSED:
            sentence = f"may not {what}: refused"
        case ConsentState.EXPIRED:
            sentence = f"may no longer {what}: the time is over"
        case _:
            sentence = f"may no longer {what}"
    return sentence


def _request(told: Told) -> str:
    recipient = _recipient(told.get("recipient"), told.get("purpose"))
    if (what := _CHANGED.get(str(told.get("changed")))) is not None:
        return f"no longer sends {_points(told)} to {recipient}: {what}. A question waits"
    return f"would send {_points(told)} to {recipient}: a question waits, and no answer means no"


def _grant_ending(told: Told) -> str:
    recipient = _recipient(told.get("recipient"), told.get("purpose"))
    at = f" at {_time(told['until'])}" if told.get("until") else " soon"
    return f"stops sending {_points(told)} to {recipient}{at}"


def _new_items(told: Told) -> str:
    return f"reports what it did not before: {_points(told)}; all of it is held back"


def _retry_storm(told: Told) -> str:
    recipient = _recipient(told.get("recipient"), told.get("purpose"))
    now, usual = (told.get(one) or 0 for one in ("now_per_hour", "usual_per_hour"))
    return f"insists on {recipient}, which it is refused: {now:g} times an hour, usually {usual:g}"


# --- Words ---


def _points(told: Told) -> str:
    names = [name for name in told.get("data_points", ()) if name]
    return _listed(names, told.get("count")) or "something"


def _recipient(organisation: str | None, purpose: str | None) -> str:
    if organisation is None:
        return "a recipient that is gone"
    return f"{organisation} ({purpose})" if purpose else organisation


def _listed(names: Any, total: int | None = None) -> str:
    """Return names as a part of a sentence, and how many more there are."""
    shown = [" ".join(str(name).split()) for name in names][:MAX_NAMES]
    more = max(total or 0, len(names)) - len(shown)
    if not shown:
        return ""
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _time(until: str) -> str:
    """Return a time as the house has it."""
    moment = dt_util.parse_datetime(until)
    return until if moment is None else f"{dt_util.as_local(moment):%Y-%m-%d %H:%M}"
