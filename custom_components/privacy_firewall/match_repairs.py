"""What the matcher is not sure of: one repair per appliance, and a form for each data point.

Asked once. What is answered is kept for good; what is left open comes again only when there is
something new to choose from.
"""

from typing import TYPE_CHECKING, Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import DOMAIN
from .engine import MatchCandidate
from .forms import async_words, listed, plain
from .issues import UNSURE, async_raised, written

if TYPE_CHECKING:
    from .household import Household

CONF_ENTITY = "entity"
NONE = "none"
LATER = "later"
"""What can be said beside an entity; no entity's id in the registry looks so."""


@callback
def async_review_unsure(household: Household) -> None:
    """Bring the issues up to date; of an appliance that was not looked at yet they stay."""
    hass, firewall = household.hass, household.firewall
    raised = async_raised(hass)
    for issue_id in raised:
        kind, _, appliance_id = issue_id.rpartition("_")
        if kind == UNSURE and appliance_id not in firewall.appliances:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
    for appliance_id, appliance in firewall.appliances.items():
        issue_id = f"{UNSURE}_{appliance_id}"
        unsure = household.matching.looking.unsure(appliance_id)
        if unsure is None:
            continue
        before = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
        if before is not None and before.dismissed_version is not None:
            # Ignored is left open: it comes again beside something new only.
            store = household.matching.store
            for point_id, found in unsure.items():
                store.show(point_id, (entity for entity, _ in found))
            store.async_save_soon()
            unsure = {}
        if not unsure:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
            continue
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            data={"entry_id": household.entry.entry_id, "appliance_id": appliance_id},
            is_fixable=True,
            # Over a restart as well, and with it that somebody ignored it.
            is_persistent=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=UNSURE,
            translation_placeholders={
                "appliance": written(appliance.name),
                "number": str(len(unsure)),
            },
        )


class UnsureFlow(RepairsFlow):
    """Asks of one data point after another which entity it is."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self._asked: list[str] = []
        self._point_id = ""
        self._shown: tuple[tuple[str, MatchCandidate], ...] = ()

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin with the first."""
        return await self._async_next()

    async def _async_next(self) -> RepairsFlowResult:
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        unsure = household.matching.looking.unsure(self._said("appliance_id"))
        if unsure is None:
            return self.async_abort(reason="not_looked")
        entities = er.async_get(self.hass)
        for point_id, found in unsure.items():
            there = tuple(one for one in found if entities.async_get(one[0]) is not None)
            if point_id not in self._asked and there:
                self._point_id, self._shown = point_id, there
                return await self._async_show(household)
        return self.async_create_entry(data={})

    async def _async_show(self, household: Household) -> RepairsFlowResult:
        entities = er.async_get(self.hass)
        words = await async_words(self.hass, "unsure")
        point = household.firewall.data_point(self._point_id)
        options: list[SelectOptionDict] = []
        lines: list[str] = []
        for entity_id, found in self._shown:
            if (entity := entities.async_get(entity_id)) is None:
                continue
            name = written(er.async_get_full_entity_name(self.hass, entity)) or entity.entity_id
            sure = f"{found.confidence:.0%}"
            options.append(SelectOptionDict(value=entity_id, label=f"{name} ({sure})"))
            why = "; ".join(one.text for one in found.reasons)
            lines.append(f"{plain(name)} (`{entity.entity_id}`, {sure}): {plain(why)}")
        options += [SelectOptionDict(value=one, label=words.get(one, one)) for one in (NONE, LATER)]
        return self.async_show_form(
            step_id="choose",
            data_schema=probatio.Schema(
                {
                    probatio.Required(CONF_ENTITY, default=LATER): SelectSelector(
                        SelectSelectorConfig(options=options, mode=SelectSelectorMode.LIST)
                    )
                }
            ),
            description_placeholders={
                "data": plain(written(point.name)) if point is not None else "-",
                "entities": listed(lines, words),
            },
        )

    async def async_step_choose(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Keep what was said, and ask about the next one."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if user_input is None:
            return await self._async_show(household)
        chosen, matching = user_input[CONF_ENTITY], household.matching
        shown = [entity_id for entity_id, _ in self._shown]
        self._asked.append(self._point_id)
        if household.firewall.data_point(self._point_id) is None:
            # Forgotten while the form was open.
            return await self._async_next()
        entity = er.async_get(self.hass).async_get(chosen) if chosen in shown else None
        if entity is not None:
            await matching.async_match(self._point_id, entity)
        elif chosen == NONE:
            await matching.async_reject(self._point_id, shown)
        else:
            await matching.async_leave_open(self._point_id, shown)
        return await self._async_next()

    def _said(self, name: str) -> str:
        return str((self.data or {}).get(name) or "")

    def _household(self) -> Household | None:
        entries = self.hass.config_entries.async_loaded_entries(DOMAIN)
        return entries[0].runtime_data if entries else None
