"""What can be done about an issue: forms that open from Home Assistant's repairs.

Here those of gates, files and appliances; `consent_repairs` has those of what people decide,
`unclaimed` the one of calls that no recipient claims, `stranger_repairs` the one of clients that
nobody named, and `match_repairs` the one of data points that may be entities already.
"""

from collections.abc import Callable
from typing import override

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    FlowType,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
import probatio

from .consent_repairs import NoticeFlow, QuestionsFlow, RestoredFlow, StarvingFlow
from .const import DOMAIN, SUBENTRY_APPLIANCE
from .dns_stored import dns_gate, lists_trouble
from .engine import StorageError, Trouble, diagnose, start_over
from .forms import async_words, listed, plain
from .household import database_path
from .issues import (
    BYPASSING,
    DAMAGED,
    DNS_GATE,
    GATE,
    GONE,
    JOURNAL_REPLACED,
    LISTS,
    NEW_ITEMS,
    NOTICE,
    QUESTIONS,
    RESOLVERS,
    RESTORED,
    SILENT,
    STARVING,
    STORAGE,
    UNSURE,
    async_raised,
)
from .match_repairs import UnsureFlow
from .news import NewItemsFlow
from .stranger_repairs import StrangersFlow
from .strangers import ISSUE_STRANGERS
from .unclaimed import CONF_LEFT_DENIED, ISSUE_UNCLAIMED, Call, UnclaimedFlow

__all__ = ["CONF_LEFT_DENIED", "ISSUE_UNCLAIMED", "Call", "async_create_fix_flow"]


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of a repair."""
    flow = _FLOWS.get(issue_id) or _FLOWS.get(issue_id.rpartition("_")[0])
    return flow() if flow is not None else ConfirmRepairFlow()


class _EntryFlow(RepairsFlow):
    """A flow about the entry, which need not be loaded."""

    def _entry(self) -> ConfigEntry | None:
        return next(iter(self.hass.config_entries.async_entries(DOMAIN)), None)

    def _said(self, name: str) -> str:
        """Return what the issue was raised with."""
        return str((self.data or {}).get(name) or "")

    def _loaded(self) -> ConfigEntry | None:
        """Return the entry where it is loaded."""
        entry = self._entry()
        return entry if entry is not None and entry.state is ConfigEntryState.LOADED else None

    async def _async_cause(self, kind: str) -> str:
        words = await async_words(self.hass, kind)
        return words.get(self._said("cause"), words.get("unknown", "-"))

    async def _async_set_up(self, entry: ConfigEntry) -> RepairsFlowResult:
        """Set the entry up again; say whether that helped."""
        await self.hass.config_entries.async_reload(entry.entry_id)
        if entry.state is ConfigEntryState.LOADED:
            return self.async_create_entry(data={})
        return self.async_abort(reason="still_failing")


class GateFlow(_EntryFlow):
    """The gate cannot listen where it is to: move it, or try again."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Say where and why, and ask what to do."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        return self.async_show_menu(
            step_id="init",
            menu_options=["try_again", "move_gate"],
            description_placeholders={
                "host": plain(str(entry.data[CONF_HOST])),
                "port": str(entry.data[CONF_PORT]),
                "cause": await self._async_cause("gate_trouble"),
            },
        )

    async def async_step_try_again(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Set up again at once."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        return await self._async_set_up(entry)

    async def async_step_move_gate(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Go on in the form that moves the gate."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        started = await self.hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
        )
        # The issue goes away when the gate has opened, not before.
        return self.async_abort(
            reason="move_gate", next_flow=(FlowType.CONFIG_FLOW, started["flow_id"])
        )


class DnsGateFlow(_EntryFlow):
    """The DNS gate cannot listen, or not all of its lists can be read."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Say what is wrong, and ask what to do."""
        if (entry := self._loaded()) is None:
            return self.async_abort(reason="not_loaded")
        if (chosen := dns_gate(entry)) is None:
            return self.async_create_entry(data={})
        return self.async_show_menu(
            step_id="init",
            menu_options=["try_again", "change_dns_gate"],
            description_placeholders={
                "host": plain(chosen.host),
                "port": str(chosen.port),
                "cause": await self._async_cause("gate_trouble"),
                "lists": await self._async_unread(chosen.lists),
                "resolvers": listed([f"`{one}`" for one in map(str, chosen.resolvers)], {}),
            },
        )

    async def async_step_try_again(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Try it at once."""
        if (entry := self._loaded()) is None:
            return self.async_abort(reason="not_loaded")
        await entry.runtime_data.dns.async_update()
        if self.issue_id in async_raised(self.hass):
            return self.async_abort(reason="still_failing")
        return self.async_create_entry(data={})

    async def async_step_change_dns_gate(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Go on in the form of the DNS gate."""
        if (entry := self._loaded()) is None:
            return self.async_abort(reason="not_loaded")
        started = await self.hass.config_entries.options.async_init(entry.entry_id)
        # The issue goes away when what is wrong is settled, not before.
        return self.async_abort(
            reason="change_dns_gate", next_flow=(FlowType.OPTIONS_FLOW, started["flow_id"])
        )

    async def _async_unread(self, lines: tuple[str, ...]) -> str:
        words = await async_words(self.hass, "list_trouble")
        found = await self.hass.async_add_executor_job(lists_trouble, self.hass.config, lines)
        return listed([f"{plain(line)}: {words.get(why, why)}" for line, why in found], words)


class ResolversFlow(DnsGateFlow):
    """No resolver answers: try them, or name others."""

    @override
    async def async_step_try_again(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask them something now."""
        if (entry := self._loaded()) is None:
            return self.async_abort(reason="not_loaded")
        if await entry.runtime_data.firewall.names.try_resolvers():
            return self.async_create_entry(data={})
        return self.async_abort(reason="still_failing")


class StorageFlow(_EntryFlow):
    """The disk refuses records: try again."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Say why, as far as it was found out; submitted, try again."""
        return self.async_show_form(
            step_id="try_again",
            data_schema=probatio.Schema({}),
            description_placeholders={"cause": await self._async_cause("storage_trouble")},
        )

    async def async_step_try_again(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Write something, or start, if it did not."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        if entry.state is not ConfigEntryState.LOADED:
            return await self._async_set_up(entry)
        if await entry.runtime_data.firewall.try_storage():
            return self.async_create_entry(data={})
        return self.async_abort(reason="still_failing")


class DamagedFlow(_EntryFlow):
    """The household's file is damaged: start over with every consent off, if that is wanted."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Say what starting over means."""
        return self.async_show_form(
            step_id="confirm",
            data_schema=probatio.Schema({}),
            description_placeholders={"file": f"`{database_path(self.hass).name}`"},
        )

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Set the file aside, unless somebody put a whole one in its place meanwhile."""
        if (entry := self._entry()) is None:
            return self.async_abort(reason="not_loaded")
        if entry.state is ConfigEntryState.LOADED:
            await self.hass.config_entries.async_unload(entry.entry_id)
        path = database_path(self.hass)
        if await self.hass.async_add_executor_job(diagnose, path) is Trouble.DAMAGED:
            try:
                await start_over(path)
            except StorageError:
                return self.async_abort(reason="still_failing")
        return await self._async_set_up(entry)


class JournalFlow(RepairsFlow):
    """The journal was damaged and begins anew; there is nothing to decide."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Say what is gone."""
        return self.async_show_form(step_id="confirm", data_schema=probatio.Schema({}))

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """It was read."""
        return self.async_create_entry(data={})


class ApplianceFlow(_EntryFlow):
    """An appliance's device was removed, or nothing was seen of it for long."""

    menu: tuple[str, ...] = ("open_appliance", "remove")

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Name it, and ask what to do."""
        entry = self._entry()
        if entry is None or (subentry := entry.subentries.get(self._said("appliance_id"))) is None:
            return self.async_abort(reason="not_loaded")
        return self.async_show_menu(
            step_id="init",
            menu_options=list(self.menu),
            description_placeholders={
                "appliance": plain(subentry.title),
                **await self._async_named(),
            },
        )

    async def _async_named(self) -> dict[str, str]:
        """Return what the form names beside the appliance."""
        return {}

    async def async_step_open_appliance(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Go on in the appliance's own form."""
        entry, appliance_id = self._entry(), self._said("appliance_id")
        if entry is None or appliance_id not in entry.subentries:
            return self.async_abort(reason="not_loaded")
        started = await self.hass.config_entries.subentries.async_init(
            (entry.entry_id, SUBENTRY_APPLIANCE),
            context={"source": SOURCE_RECONFIGURE, "subentry_id": appliance_id},
        )
        return self.async_abort(
            reason="open_appliance",
            next_flow=(FlowType.CONFIG_SUBENTRIES_FLOW, started["flow_id"]),
        )

    async def async_step_keep(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Link it with no device any more: it has one of our own already."""
        entry = self._entry()
        if entry is None or (subentry := entry.subentries.get(self._said("appliance_id"))) is None:
            return self.async_abort(reason="not_loaded")
        self.hass.config_entries.async_update_subentry(
            entry, subentry, data={**subentry.data, CONF_DEVICE_ID: None}
        )
        return self.async_create_entry(data={})

    async def async_step_remove(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Remove it, once that is confirmed."""
        entry, appliance_id = self._entry(), self._said("appliance_id")
        if entry is None or (subentry := entry.subentries.get(appliance_id)) is None:
            return self.async_abort(reason="not_loaded")
        return self.async_show_form(
            step_id="confirm_removal",
            data_schema=probatio.Schema({}),
            description_placeholders={"appliance": plain(subentry.title)},
        )

    async def async_step_confirm_removal(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Remove the appliance with its entities; what was decided stays in the ledger."""
        entry, appliance_id = self._entry(), self._said("appliance_id")
        if entry is not None and appliance_id in entry.subentries:
            self.hass.config_entries.async_remove_subentry(entry, appliance_id)
        return self.async_create_entry(data={})


class BypassingFlow(ApplianceFlow):
    """An appliance goes around the gates: what was seen, and that it cannot be held from here."""

    menu = ("open_appliance", "leave", "remove")

    @override
    async def _async_named(self) -> dict[str, str]:
        """Say what was seen."""
        words = await async_words(self.hass, "bypass")
        seen = words.get(self._said("way"), "-")
        return {"seen": seen.format(where=f"`{plain(self._said('where'))}`")}

    async def async_step_leave(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Close it; it comes back when something else is seen."""
        return self.async_create_entry(data={})


class GoneFlow(ApplianceFlow):
    """The device that an appliance was linked with is no more."""

    menu = ("open_appliance", "keep", "remove")


_FLOWS: dict[str, Callable[[], RepairsFlow]] = {
    BYPASSING: BypassingFlow,
    DAMAGED: DamagedFlow,
    DNS_GATE: DnsGateFlow,
    GATE: GateFlow,
    GONE: GoneFlow,
    ISSUE_STRANGERS: StrangersFlow,
    ISSUE_UNCLAIMED: UnclaimedFlow,
    JOURNAL_REPLACED: JournalFlow,
    LISTS: DnsGateFlow,
    NEW_ITEMS: NewItemsFlow,
    NOTICE: NoticeFlow,
    QUESTIONS: QuestionsFlow,
    RESOLVERS: ResolversFlow,
    RESTORED: RestoredFlow,
    SILENT: ApplianceFlow,
    STARVING: StarvingFlow,
    STORAGE: StorageFlow,
    UNSURE: UnsureFlow,
}
"""By issue id, or what stands before the last `_` of it: the flow."""
