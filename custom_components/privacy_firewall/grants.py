"""Who may switch a consent on, and how: one at a time, by its own name, and never by a scene.

Switches are easily swept along: by `entity_id: all`, a label, a group, a scene that was snapshotted
while a consent was given, a script that turns on a list. None of that is a decision about a
recipient, so none of it grants. Withdrawing is never restricted.

An entity is not told which call it is turned on by, only that call's context. But Home Assistant
fires an event for every call before it runs it, with the same context. So this is what is kept:

* per context, what its calls asked to turn on: which consent switches by their own name, and which
  through something else. Exactly one may be asked for, by its own name;
* per family of contexts (an automation's context names what triggered it as its parent) which
  consents were wished for. One action of a household is one family, and grants one at most;
* which contexts applied a scene. Nothing in them or descending from them grants.

Of a script that turns on two, the second tells that many were meant; the first is then taken back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    ATTR_DOMAIN,
    ATTR_ENTITY_ID,
    ATTR_SERVICE,
    ATTR_SERVICE_DATA,
    ENTITY_MATCH_ALL,
    EVENT_CALL_SERVICE,
    SERVICE_TOGGLE,
    SERVICE_TURN_ON,
    STATE_ON,
    Platform,
)
from homeassistant.core import CALLBACK_TYPE, Context, Event, HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from .const import ADMINISTRATORS, CONF_WHO_MAY_GRANT, DOMAIN

MAX_CONTEXTS = 4_096
"""Contexts remembered, of each kind. Only those that concern consents, scenes or a parent count."""
CONSENT_KEY = "consent"
"""The translation key by which the registry tells consent switches from others of ours."""

EVENT_AUTOMATION_TRIGGERED = "automation_triggered"
EVENT_SCRIPT_STARTED = "script_started"
"""Home Assistant's own; by name, so that neither integration has to be there."""

type Item = tuple[str, str]
"""Data point id, recipient id."""


class Decide(Protocol):
    """How a decision is recorded: `Household.async_grant` and `async_withdraw`."""

    def __call__(
        self, data_point_id: str, recipient_id: str, *, how: str, person: str | None
    ) -> Awaitable[None]:
        """Record it; raises `HomeAssistantError`."""


class _Recent[T](OrderedDict[str, T]):
    """The newest `MAX_CONTEXTS` contexts."""

    def note(self, context_id: str, value: T) -> T:
        """Keep a value, or the one that is kept already; return it."""
        kept = self.setdefault(context_id, value)
        self.move_to_end(context_id)
        if len(self) > MAX_CONTEXTS:
            self.popitem(last=False)
        return kept


@dataclass(slots=True)
class _Asked:
    """Consent switches that the calls of one context would turn on, by entity id."""

    named: set[str] = field(default_factory=set)
    swept: set[str] = field(default_factory=set)


class Grants:
    """Judges grants by the calls that lead to them."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry[Any], *, grant: Decide, withdraw: Decide
    ) -> None:
        """Keep how decisions are recorded."""
        self._hass = hass
        self._entry = entry
        self._grant = grant
        self._withdraw = withdraw
        self._parents = _Recent[str]()
        self._scenes = _Recent[None]()
        self._asked = _Recent[_Asked]()
        self._wishes = _Recent[dict[Item, str]]()
        """By the first context of a family: the items wished for, and in which context."""
        self._granted = _Recent[set[Item]]()
        """By context: what it granted."""

    @callback
    def async_listen(self) -> CALLBACK_TYPE:
        """Watch all calls, and what runs because of what; return how to stop that."""
        stop = [self._hass.bus.async_listen(EVENT_CALL_SERVICE, self._note)]
        # A run that calls no action, only fires an event, is a link between those that do.
        stop += [
            self._hass.bus.async_listen(event_type, self._note_parent)
            for event_type in (EVENT_AUTOMATION_TRIGGERED, EVENT_SCRIPT_STARTED)
        ]

        @callback
        def stop_all() -> None:
            for one in stop:
                one()

        return stop_all

    async def async_grant(
        self, item: Item, *, entity_id: str, context: Context | None, how: str
    ) -> None:
        """Grant what a switch stands for if exactly that was meant; raises `HomeAssistantError`."""
        if context is None:
            # Not by an action of Home Assistant: nobody can be asked who it was.
            raise _refusal("grant_not_named")
        wishes = self._wishes.note(self._lineage(context)[-1], {})
        wishes[item] = context.id
        # The switches of one call are started one after another: let each say that it was meant.
        # And where a call was made while another event was told, its own event comes right after.
        await asyncio.sleep(0)
        try:
            self._judge(item, wishes, entity_id, context)
            await self._judge_person(context)
            await self._grant(*item, how=how, person=context.user_id)
            self._granted.note(context.id, set()).add(item)
            self._judge_alone(item, wishes, context)
        except _ManyMeant as err:
            await self._take_back(context, how)
            raise _refusal("grant_of_many") from err

    def _judge(self, item: Item, wishes: dict[Item, str], entity_id: str, context: Context) -> None:
        if any(one in self._scenes for one in self._lineage(context)):
            raise _refusal("grant_by_scene")
        asked = self._asked.get(context.id, _Asked())
        if len(asked.named | asked.swept) > 1 or wishes.keys() - {item}:
            raise _ManyMeant
        if entity_id in asked.swept or entity_id not in asked.named:
            raise _refusal("grant_not_named")

    def _judge_alone(self, item: Item, wishes: dict[Item, str], context: Context) -> None:
        """While it was recorded the same context may have asked for another."""
        if any(where == context.id for other, where in wishes.items() if other != item):
            raise _ManyMeant

    async def _judge_person(self, context: Context) -> None:
        if self._entry.options.get(CONF_WHO_MAY_GRANT) != ADMINISTRATORS:
            return
        user = await self._hass.auth.async_get_user(context.user_id) if context.user_id else None
        if user is None or not user.is_admin:
            raise _refusal("grant_by_administrators_only")

    async def _take_back(self, context: Context, how: str) -> None:
        for item in self._granted.pop(context.id, set()):
            await self._withdraw(*item, how=how, person=context.user_id)

    def _lineage(self, context: Context) -> list[str]:
        """Return the ids of a context and of what led to it, as far as known."""
        lineage = [context.id]
        parent = context.parent_id
        while parent is not None and parent not in lineage:
            lineage.append(parent)
            parent = self._parents.get(parent)
        return lineage

    @callback
    def _note_parent(self, event: Event[Any]) -> None:
        """Keep which context led to another."""
        if event.context.parent_id is not None:
            self._parents.note(event.context.id, event.context.parent_id)

    @callback
    def _note(self, event: Event[dict[str, Any]]) -> None:
        """Keep what a call asks for."""
        context = event.context
        domain, service = event.data[ATTR_DOMAIN], event.data[ATTR_SERVICE]
        self._note_parent(event)
        if domain == Platform.SCENE:
            if service in (SERVICE_TURN_ON, "apply"):
                self._scenes.note(context.id, None)
        elif service in (SERVICE_TURN_ON, SERVICE_TOGGLE):
            named, swept = self._targets(domain, event.data[ATTR_SERVICE_DATA])
            if service == SERVICE_TOGGLE:
                # Those that are on will be turned off, which anybody may.
                named, swept = self._not_on(named), self._not_on(swept)
            if named or swept:
                asked = self._asked.note(context.id, _Asked())
                asked.named |= named
                asked.swept |= swept

    def _targets(self, domain: str, data: dict[str, Any]) -> tuple[set[str], set[str]]:
        """Return the consent switches that a call names, and those it reaches in other ways."""
        entity_ids = _entity_ids(data)
        if ENTITY_MATCH_ALL in entity_ids:
            # Everything of the action's own domain.
            return set(), self._all_ours() if domain == Platform.SWITCH else set()
        named = {one for one in entity_ids if self._is_ours(one)}
        found = async_extract_referenced_entity_ids(
            self._hass, TargetSelection({**data, ATTR_ENTITY_ID: list(entity_ids - named)})
        )
        return named, self._members(found.referenced | found.indirectly_referenced)

    def _members(self, entity_ids: Iterable[str]) -> set[str]:
        """Return the consent switches among entities and the members of groups, however deep."""
        ours: set[str] = set()
        seen: set[str] = set()
        waiting = list(entity_ids)
        while waiting:
            entity_id = waiting.pop()
            if entity_id in seen:
                continue
            seen.add(entity_id)
            if self._is_ours(entity_id):
                ours.add(entity_id)
            elif (state := self._hass.states.get(entity_id)) is not None:
                waiting += _entity_ids(state.attributes)
        return ours

    def _not_on(self, entity_ids: set[str]) -> set[str]:
        return {one for one in entity_ids if not self._hass.states.is_state(one, STATE_ON)}

    def _is_ours(self, entity_id: str) -> bool:
        entity = er.async_get(self._hass).async_get(entity_id)
        return entity is not None and _is_consent_switch(entity)

    def _all_ours(self) -> set[str]:
        entities = er.async_get(self._hass)
        return {
            entity.entity_id
            for entity in er.async_entries_for_config_entry(entities, self._entry.entry_id)
            if _is_consent_switch(entity)
        }


class _ManyMeant(Exception):
    """More than one consent was to be granted at once."""


def _is_consent_switch(entity: er.RegistryEntry) -> bool:
    return (
        entity.platform == DOMAIN
        and entity.domain == Platform.SWITCH
        and entity.translation_key == CONSENT_KEY
    )


def _entity_ids(data: Any) -> set[str]:
    """Return the entity ids of a call's data, before its schema tidied them, or of a state."""
    value = data.get(ATTR_ENTITY_ID)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple | set | frozenset):
        return set()
    return {str(one).strip().lower() for one in value}


def _refusal(key: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key)
