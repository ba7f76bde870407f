"""Unclaimed endpoints and names: one repair for all of them, asked about once.

What an appliance calls or asks for and no recipient claims was denied already. Here the household
hears of it, and says whose it is or leaves it denied. Only appliance, host and method are kept
(of a name, in the method's place, `DNS`); paths are not, for appliances write data into them.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from homeassistant.components.repairs import (
    FlowType,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import SOURCE_USER, ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.util.hass_dict import HassKey
import probatio

from .const import (
    CONF_BASE_URL,
    CONF_ENDPOINTS,
    CONF_NAMES,
    CONF_ORGANISATION,
    DOMAIN,
    SUBENTRY_RECIPIENT,
)
from .engine import expand_name
from .engine.events import Unclaimed
from .engine.model import Endpoint
from .faces import async_faces, suggested_organisation, told
from .forms import async_words, listed, plain
from .proposals import async_vendors, proposed
from .recipient_flow import CONF_PROPOSED

ISSUE_UNCLAIMED = "unclaimed_endpoints"
CONF_LEFT_DENIED = "left_denied"
"""Of the entry's options: the calls that the household was asked about and left denied."""
MAX_LEFT_DENIED = 500
"""Calls remembered so; as many as the engine keeps apart."""

BY_NAME = "DNS"
"""In place of a method: only the host's name was asked for, at the DNS gate."""

_HOST = re.compile(r"[a-z0-9_.:*-]{1,253}")
_METHOD = re.compile(r"[A-Z]{1,16}")


class Call(NamedTuple):
    """Who calls what, as far as it may be kept."""

    appliance_id: str
    method: str
    host: str

    @property
    def line(self) -> str:
        """Return the form in which it is remembered."""
        return " ".join(self)


_CALLS: HassKey[dict[str, dict[Call, int]]] = HassKey(f"{DOMAIN}.unclaimed")
"""Per entry, how often each call was counted since the engine started."""


def is_plausible(event: Unclaimed) -> bool:
    """Tell whether host and method can be shown: the appliance wrote them.

    In a name that was asked for, `*` stands for a label that looks like data.

    What is no name of one is denied like any other; a household could say nothing about it.
    """
    return bool(_HOST.fullmatch(event.host) and _METHOD.fullmatch(event.method))


@callback
def async_note_unclaimed(hass: HomeAssistant, entry: ConfigEntry, event: Unclaimed) -> None:
    """Count a call that no recipient claims; a new one appears in the repair."""
    if not is_plausible(event):
        return
    counts = hass.data.setdefault(_CALLS, {}).setdefault(entry.entry_id, {})
    call = Call(event.appliance_id, event.method, event.host)
    is_new = call not in counts
    counts[call] = event.count
    if is_new:
        async_review_unclaimed(hass, entry)


@callback
def async_review_unclaimed(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Bring the repair up to date with the entry; without open calls it goes away."""
    counts = hass.data.get(_CALLS, {}).get(entry.entry_id, {})
    for call in [call for call in counts if _is_settled(entry, call)]:
        # Should its path turn out to be unclaimed all the same, it comes back.
        del counts[call]
    if not (calls := _open_calls(hass, entry)):
        ir.async_delete_issue(hass, DOMAIN, ISSUE_UNCLAIMED)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        ISSUE_UNCLAIMED,
        data={"entry_id": entry.entry_id},
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=ISSUE_UNCLAIMED,
        translation_placeholders={"number": str(len(calls))},
    )


@callback
def async_forget_unclaimed(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Drop the repair and what was counted, when the entry is unloaded."""
    hass.data.get(_CALLS, {}).pop(entry.entry_id, None)
    ir.async_delete_issue(hass, DOMAIN, ISSUE_UNCLAIMED)


def _is_settled(entry: ConfigEntry, call: Call) -> bool:
    """Tell whether a recipient claims the host by now, or the appliance is gone."""
    if call.appliance_id not in entry.subentries:
        return True
    for subentry in entry.get_subentries_of_type(SUBENTRY_RECIPIENT):
        for line in subentry.data.get(CONF_ENDPOINTS, ()):
            try:
                endpoint = Endpoint.parse(line)
            except ValueError:
                continue
            if call.method == BY_NAME:
                if _fits(endpoint.host, call.host):
                    return True
            elif endpoint.host == call.host and endpoint.method in ("*", call.method):
                return True
        if call.method == BY_NAME and any(
            _fits(name, call.host)
            for line in subentry.data.get(CONF_NAMES, ())
            for name in _names(line)
        ):
            return True
    return False


def _fits(name: str, told: str) -> bool:
    """Tell whether a name may be the one that was asked for, as far as that was told."""
    labels, asked = name.split("."), told.split(".")
    return len(labels) == len(asked) and all(
        one in ("*", label) for label, one in zip(labels, asked, strict=True)
    )


def _names(template: str) -> tuple[str, ...]:
    try:
        return expand_name(template)
    except ValueError:
        return ()


def _open_calls(hass: HomeAssistant, entry: ConfigEntry) -> dict[Call, int]:
    """Return the calls to ask about with their counts, the most frequent first."""
    left = set(entry.options.get(CONF_LEFT_DENIED, ()))
    counts = hass.data.get(_CALLS, {}).get(entry.entry_id, {})
    return {
        call: counts[call]
        for call in sorted(counts, key=lambda call: (-counts[call], call))
        if call.line not in left
    }


class UnclaimedFlow(RepairsFlow):
    """Shows what was called, and asks whose it is."""

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._shown: list[Call] = []

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show the calls as counted until now, and ask what to do."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        async_review_unclaimed(self.hass, entry)
        if not (calls := _open_calls(self.hass, entry)):
            return self.async_create_entry(data={})
        self._shown = list(calls)
        words = await async_words(self.hass)
        faces = await async_faces(self.hass)
        lines = []
        for call, count in calls.items():
            whose = told(faces.of(call.host), call.host, words)
            lines.append(", ".join(filter(None, (_written(entry, call), whose))) + f": {count}")
        return self.async_show_menu(
            step_id="init",
            menu_options=["add_recipient", "leave_denied"],
            description_placeholders={"unclaimed": listed(lines, words)},
        )

    async def async_step_leave_denied(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Remember what was shown, so that it is not asked about again."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        before = [
            line
            for line in entry.options.get(CONF_LEFT_DENIED, ())
            if line.partition(" ")[0] in entry.subentries
        ]
        left = list(dict.fromkeys([*before, *(call.line for call in self._shown)]))[
            -MAX_LEFT_DENIED:
        ]
        self.hass.config_entries.async_update_entry(
            entry, options={**entry.options, CONF_LEFT_DENIED: left}
        )
        async_review_unclaimed(self.hass, entry)
        # What was called since the list was shown is asked about in turn.
        return await self.async_step_init()

    async def async_step_add_recipient(
        self, user_input: dict[str, list[str]] | None = None
    ) -> RepairsFlowResult:
        """Ask which of the calls are one recipient's, then go on in that recipient's form."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        open_ones = [one for one in self._shown if one.appliance_id in entry.subentries]
        called = {one.host for one in open_ones if one.method != BY_NAME}
        # What stands for several names can be said to be nobody's; each of them is another's.
        names = {one.host for one in open_ones if "*" not in one.host} - called
        # A host that was called is an endpoint, and claims its name along with it.
        lines = list(
            dict.fromkeys(
                call.host if call.method == BY_NAME else _endpoint(entry, call)
                for call in open_ones
                if call.method != BY_NAME or call.host in names
            )
        )
        if user_input is None and len(lines) > 1:
            options = [SelectOptionDict(value=line, label=line) for line in lines]
            return self.async_show_form(
                step_id="add_recipient",
                data_schema=probatio.Schema(
                    {
                        probatio.Required(CONF_ENDPOINTS): SelectSelector(
                            SelectSelectorConfig(
                                options=options, multiple=True, mode=SelectSelectorMode.LIST
                            )
                        )
                    }
                ),
            )
        chosen = user_input[CONF_ENDPOINTS] if user_input else lines
        # A suggestion, for the household to confirm: whose it is a name alone does not prove.
        proposal = proposed(
            await async_vendors(self.hass),
            [one for one in chosen if one not in names],
            [one for one in chosen if one in names],
        )
        if CONF_ORGANISATION not in proposal:
            organisation = suggested_organisation(
                await async_faces(self.hass),
                (one if one in names else Endpoint.parse(one).host for one in chosen),
            )
            if organisation:
                proposal[CONF_ORGANISATION] = organisation
        started = await self.hass.config_entries.subentries.async_init(
            (entry.entry_id, SUBENTRY_RECIPIENT),
            context={"source": SOURCE_USER},
            data={CONF_PROPOSED: proposal},
        )
        # An abort leaves the repair open: it goes away when the recipient claims the calls.
        return self.async_abort(
            reason="add_recipient",
            next_flow=(FlowType.CONFIG_SUBENTRIES_FLOW, started["flow_id"]),
        )

    def _entry(self) -> ConfigEntry | None:
        entries = self.hass.config_entries.async_loaded_entries(DOMAIN)
        return entries[0] if entries else None


def _written(entry: ConfigEntry, call: Call) -> str:
    """Return a call as a line of a list; its host was checked to be no Markdown."""
    name = entry.subentries[call.appliance_id].title
    return f"{plain(name)} → `{call.host}` ({call.method})"


def _endpoint(entry: ConfigEntry, call: Call) -> str:
    """Return the endpoint that would claim a call, by http: so the appliance calls its cloud."""
    base = urlsplit(entry.subentries[call.appliance_id].data.get(CONF_BASE_URL) or "")
    if base.hostname == call.host:
        return f"{call.method} {base.scheme}://{base.netloc}/"
    host = f"[{call.host}]" if ":" in call.host else call.host
    return f"{call.method} http://{host}/"
