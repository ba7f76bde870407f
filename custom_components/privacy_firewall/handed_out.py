"""What Home Assistant itself hands to assistants: watched, stopped by anybody, given by persons.

Home Assistant obeys its own exposure; nothing is blocked here. What is so is read from it, whoever
did it. What was decided here is on record (`engine.exposures`), and so is what was found: an
exposure made elsewhere is told, and is no consent.
"""

import asyncio
from datetime import timedelta
import logging
from typing import TYPE_CHECKING, Any

from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_expose_entity,
    async_listen_entity_updates,
    async_should_expose,
)
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.const import EVENT_COMPONENT_LOADED
from homeassistant.core import CALLBACK_TYPE, Context, CoreState, Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.setup import ATTR_COMPONENT

from .assistants import NAMES, Assistant, async_assistants
from .const import CONF_ENABLED, CONF_ENTITIES, CONF_HANDED_OUT, DOMAIN, EVENT_EXPOSURE
from .engine import ELSEWHERE, Exposure, ExposureState, StorageError
from .engine.model import Decider
from .exporters import CONCERNED, Exporting, async_exporting
from .grants import EXPOSURE_KEY
from .issues import EXPOSED_ELSEWHERE, written
from .watched import Watched, entities_to_watch

if TYPE_CHECKING:
    from .household import Household

_LOGGER = logging.getLogger(__name__)
EXPORTERS_KEY = "exporters"
"""The same of the sensor that counts the exporters."""
MAX_TOLD = 20
"""Lines in the issue."""
LOOK_AGAIN = timedelta(minutes=10)
"""How often is looked whether an assistant was set up or an exporter loaded."""
FOUND = Decider(how=ELSEWHERE)

type Handed = tuple[str, str]


class HandedOut:
    """Follows what is exposed, and decides about it."""

    def __init__(self, household: Household) -> None:
        """Start with nothing watched."""
        self._household = household
        self._deciding = asyncio.Lock()
        self._narrowing: dict[Handed, Decider] = {}
        self._exposed: dict[Handed, bool] = {}
        self._is_due = False
        self._runs = False
        self._undo: list[CALLBACK_TYPE] = []
        self.watched: dict[str, Watched] = {}
        self.assistants: tuple[Assistant, ...] = ()
        self.left_out = 0
        """How many entities of appliances are not watched, as there are too many."""
        self.exporting: Exporting | None = None
        """None before that was looked for: until then it is not known who goes by a filter."""

    @property
    def _hass(self) -> HomeAssistant:
        return self._household.hass

    @property
    def is_wanted(self) -> bool:
        """Whether the household wants it watched; what is stored and broken is no wish."""
        return self._chosen.get(CONF_ENABLED) is True

    @property
    def _chosen(self) -> dict[str, Any]:
        chosen = self._household.entry.options.get(CONF_HANDED_OUT)
        return dict(chosen) if isinstance(chosen, dict) else {}

    # --- Following ---

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Begin to watch, if that is wanted; return how to stop."""
        self._runs = True
        self.async_update()
        return self._stop

    @callback
    def async_update(self) -> None:
        """Follow what the household wants."""
        if not self._runs:
            return
        if not self.is_wanted:
            self._unwatch()
            self._forget()
        elif self._undo:
            self._look_later()
        else:
            self._watch()

    def _watch(self) -> None:
        hass = self._hass
        self._undo = [
            hass.bus.async_listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._look_later),
            hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._look_later),
            hass.bus.async_listen(EVENT_COMPONENT_LOADED, self._loaded),
            # Nothing tells when an assistant is turned on or off in the cloud's preferences.
            async_track_time_interval(hass, self._look_later, LOOK_AGAIN),
            async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed),
            async_at_started(hass, self._look_again),
        ]
        if "homeassistant" in hass.config.components:
            self._undo += [
                async_listen_entity_updates(hass, assistant, self._look_later)
                for assistant in KNOWN_ASSISTANTS
            ]
        self._look_again()

    @callback
    def _stop(self) -> None:
        self._runs = False
        self._unwatch()

    def _unwatch(self) -> None:
        while self._undo:
            self._undo.pop()()
        self.watched, self.assistants, self._exposed, self.exporting = {}, (), {}, None

    def _forget(self) -> None:
        """Take away what is shown; what is on record stays there."""
        registry = er.async_get(self._hass)
        ir.async_delete_issue(self._hass, DOMAIN, EXPOSED_ELSEWHERE)
        for entity in er.async_entries_for_config_entry(registry, self._household.entry.entry_id):
            if entity.translation_key in (EXPOSURE_KEY, EXPORTERS_KEY):
                registry.async_remove(entity.entity_id)
        self._household.async_changed()

    @callback
    def _look_later(self, _: object = None) -> None:
        """Look once, after all that happens in this turn of the loop."""
        if not self._is_due:
            self._is_due = True
            self._hass.loop.call_soon(self._look)

    @callback
    def _loaded(self, event: Event[Any]) -> None:
        if event.data[ATTR_COMPONENT] in CONCERNED:
            self._look_again()

    @callback
    def _entry_changed(self, _: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        if entry.domain in CONCERNED:
            self._look_again()

    @callback
    def _look_again(self, _: object = None) -> None:
        """Look also who exports; that needs the disk."""
        if self._hass.state is not CoreState.running:
            return  # everything is still being loaded, and `async_at_started` comes
        self._household.entry.async_create_task(
            self._hass, self._async_look_again(), f"{DOMAIN} exporters"
        )

    async def _async_look_again(self) -> None:
        self.exporting = await async_exporting(self._hass)
        if self._undo:
            self._look(is_news=True)

    @callback
    def _look(self, *, is_news: bool = False) -> None:
        self._is_due = False
        if not self._undo or self.exporting is None:
            return
        before = self.watched, self.assistants, self._exposed
        found, self.left_out = entities_to_watch(self._household, self._chosen.get(CONF_ENTITIES))
        self.watched = {one.id: one for one in found}
        self.assistants = async_assistants(self._hass, self.exporting.filtered)
        self._exposed = {
            (one.id, assistant.id): async_should_expose(self._hass, assistant.id, one.entity_id)
            for one in self.watched.values()
            for assistant in self.assistants
        }
        if is_news or before != (self.watched, self.assistants, self._exposed):
            self._remove_what_is_gone()
            self._household.async_changed()
            self._tell()
        if any(self._found(handed) for handed in self._exposed):
            self._household.entry.async_create_task(
                self._hass, self._async_record_found(), eager_start=True
            )

    def _remove_what_is_gone(self) -> None:
        """A switch goes with its entity; one whose assistant is not set up now stays registered."""
        registry = er.async_get(self._hass)
        prefix = self._unique_id("")
        for entity in er.async_entries_for_config_entry(registry, self._household.entry.entry_id):
            if entity.translation_key == EXPOSURE_KEY:
                of = entity.unique_id.removeprefix(prefix).partition("_")[0]
                if of not in self.watched:
                    registry.async_remove(entity.entity_id)

    def _unique_id(self, rest: str) -> str:
        return f"{self._household.entry.entry_id}_{EXPOSURE_KEY}_{rest}"

    # --- What is so, and what is on record ---

    def is_exposed(self, handed: Handed) -> bool:
        """Tell what Home Assistant says now; an entity or assistant that is gone gets nothing."""
        return self._exposed.get(handed, False)

    def of(self, handed: Handed) -> Exposure | None:
        """Return the newest record."""
        return self._household.firewall.exposures.get(*handed)

    def _found(self, handed: Handed) -> ExposureState | None:
        """Return what no record says yet of what is so; None where the records are true."""
        newest = self.of(handed)
        state = None if newest is None else newest.state
        stands = state in (ExposureState.GIVEN, ExposureState.ELSEWHERE)
        if self._exposed[handed]:
            # What was withdrawn here, though that was not recorded, does not count as given.
            is_known = stands and handed not in self._narrowing
            return None if is_known else ExposureState.ELSEWHERE
        if not stands:
            return None
        is_ours = state is ExposureState.GIVEN or handed in self._narrowing
        return ExposureState.WITHDRAWN if is_ours else ExposureState.ENDED

    async def _async_record_found(self) -> None:
        """Record what was found. Under the lock: what is being decided is not found elsewhere."""
        elsewhere = False
        async with self._deciding:
            for handed in list(self._exposed):
                watched = self.watched.get(handed[0])
                # Asked again: it may have been decided or changed while others were recorded.
                if watched is None or handed not in self._exposed:
                    continue
                if (state := self._found(handed)) is None:
                    continue
                decider = FOUND
                if state is not ExposureState.ELSEWHERE:
                    decider = self._narrowing.get(handed, FOUND)
                try:
                    await self._async_record(watched, handed[1], state, decider)
                except StorageError:
                    _LOGGER.warning("What assistants get could not be recorded; tried again later")
                    return
                elsewhere = elsewhere or state is ExposureState.ELSEWHERE
        self._tell(is_news=elsewhere)
        self._household.async_changed()

    async def _async_record(
        self, watched: Watched, assistant: str, state: ExposureState, decider: Decider
    ) -> None:
        handed = watched.id, assistant
        await self._household.firewall.exposures.record(handed, state, decider, name=watched.name)
        self._narrowing.pop(handed, None)
        # No value and no state: who gets which entity, and how that came.
        self._hass.bus.async_fire(
            EVENT_EXPOSURE,
            {
                "entity_id": watched.entity_id,
                "device_id": watched.device_id,
                "assistant": assistant,
                "state": state.value,
                "how": decider.how,
            },
            context=Context(id=decider.context, user_id=decider.person)
            if decider.context
            else None,
        )

    # --- Deciding ---

    async def async_give(
        self, watched: Watched, assistant: str, *, how: str, context: Context | None, entity_id: str
    ) -> None:
        """Expose an entity to an assistant, if a person meant exactly this.

        Raises `HomeAssistantError`. First recorded, then exposed.
        """
        handed = watched.id, assistant
        grants = self._household.grants
        decider = grants.decider(how, context)
        if (
            context is None
            or context.user_id is None
            or context.parent_id is not None
            or decider.how != how
        ):
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="exposure_by_person_only"
            )

        async def give() -> None:
            async with self._deciding:
                try:
                    await self._async_record(watched, assistant, ExposureState.GIVEN, decider)
                except StorageError as err:
                    raise HomeAssistantError(
                        translation_domain=DOMAIN, translation_key="grant_not_recorded"
                    ) from err
                self._expose(watched, assistant, is_exposed=True)
            self._tell()

        async def undo() -> None:
            await self.async_withdraw(watched, assistant, decider)

        await grants.async_widen(
            (EXPOSURE_KEY, *handed),
            entity_id=entity_id,
            context=context,
            do=give,
            undo=undo,
            owners=watched.owners,
        )

    async def async_withdraw(self, watched: Watched, assistant: str, decider: Decider) -> None:
        """Take an entity from an assistant, at once, and record it. Raises `HomeAssistantError`."""
        handed = watched.id, assistant
        self._narrowing[handed] = decider
        self._expose(watched, assistant, is_exposed=False)
        async with self._deciding:
            # One that was just being given is exposed only now.
            self._expose(watched, assistant, is_exposed=False)
            newest = self.of(handed)
            stands = newest is not None and newest.state in (
                ExposureState.GIVEN,
                ExposureState.ELSEWHERE,
            )
            try:
                if stands:
                    await self._async_record(watched, assistant, ExposureState.WITHDRAWN, decider)
            except StorageError as err:
                raise HomeAssistantError(
                    translation_domain=DOMAIN, translation_key="withdrawal_not_recorded"
                ) from err
            self._narrowing.pop(handed, None)
        self._tell()

    def _expose(self, watched: Watched, assistant: str, *, is_exposed: bool) -> None:
        entity = er.async_get(self._hass).entities.get_entry(watched.id)
        if entity is None:
            return
        async_expose_entity(self._hass, assistant, entity.entity_id, is_exposed)
        self._exposed[watched.id, assistant] = is_exposed
        self._household.async_changed()

    # --- Telling ---

    def _tell(self, *, is_news: bool = False) -> None:
        """Raise the issue for what is newly found elsewhere; keep it true, and take it back."""
        lines = [
            f"{written(watched.name)} → {NAMES[assistant]}"
            for watched in self.watched.values()
            # Also of one that is not set up just now.
            for assistant in NAMES
            if (newest := self.of((watched.id, assistant))) is not None
            and newest.state is ExposureState.ELSEWHERE
        ]
        if is_news or not lines:
            # Also where somebody chose to ignore it: that was about what was found before.
            ir.async_delete_issue(self._hass, DOMAIN, EXPOSED_ELSEWHERE)
        # What is there already is kept true; whoever ignored it is not asked again by that.
        is_there = ir.async_get(self._hass).async_get_issue(DOMAIN, EXPOSED_ELSEWHERE) is not None
        if lines and (is_news or is_there):
            shown = [f"- {line}" for line in lines[:MAX_TOLD]]
            if rest := len(lines) - len(shown):
                shown.append(f"- + {rest}")
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                EXPOSED_ELSEWHERE,
                data={"entry_id": self._household.entry.entry_id},
                is_fixable=False,
                # A restart tells nothing again.
                is_persistent=True,
                severity=ir.IssueSeverity.WARNING,
                translation_key=EXPOSED_ELSEWHERE,
                translation_placeholders={
                    "number": str(len(lines)),
                    "entities": "\n".join(shown),
                },
            )
