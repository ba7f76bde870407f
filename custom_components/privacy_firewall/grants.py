"""Who may open the house, and how: one act at a time, by its own name, and never by a scene.

Switches are easily swept along: by `entity_id: all`, a label, a group, a scene that was snapshotted
while a consent was given, a script that turns on a list. None of that is a decision about a
recipient, so none of it grants. What narrows (withdrawing, locking down) is never restricted.

An entity is not told which call it is used by, only that call's context. But Home Assistant fires
an event for every call before it runs it, with the same context. So this is what is kept:

* per context, which of our entities its calls would widen something by: by their own name, and
  through something else. Exactly one may be asked for, by its own name;
* per family of contexts (an automation's context names what triggered it as its parent) which acts
  were wished for. One action of a household is one family, and does one act at most. An act is a
  consent, the consents that one call of our own action lists, those behind one switch, a recipient
  as a whole by its button, the end of a lockdown, letting an appliance through, what an assistant
  gets;
* which contexts applied a scene. Nothing in them or descending from them widens.

Of a script that turns on two, the second tells that many were meant; the first is then taken back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    ATTR_DOMAIN,
    ATTR_ENTITY_ID,
    ATTR_SERVICE,
    ATTR_SERVICE_DATA,
    ENTITY_MATCH_ALL,
    EVENT_CALL_SERVICE,
    SERVICE_TOGGLE,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_ON,
    Platform,
)
from homeassistant.core import CALLBACK_TYPE, Context, Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from .const import ADMINISTRATORS, CONF_GUARDIANS, CONF_WHO_MAY_GRANT, DOMAIN, PERSON
from .engine import TOPICS_OF_GROUPS, Topic
from .engine.model import Decider

MAX_CONTEXTS = 4_096
"""Contexts remembered, of each kind. Only those that concern consents, scenes or a parent count."""
CONSENT_KEY = "consent"
LOCKDOWN_KEY = "lockdown"
GRANT_ALL_KEY = "grant_all"
LET_THROUGH_KEY = "let_through"
LEVEL_KEY = "level"
EXPOSURE_KEY = "exposure"
"""Translation keys by which the registry tells our entities apart."""


def group_translation_key(topic: Topic) -> str:
    """Return the key of the switches of groups of a topic."""
    return f"group_{topic.value}"


GROUP_KEYS = frozenset(group_translation_key(topic) for topic in TOPICS_OF_GROUPS)
"""Those of the switches that stand for several consents."""

_OF_SELECTS = frozenset(
    {"select_option", "select_first", "select_last", "select_next", "select_previous"}
)
_WIDENING: dict[str, frozenset[str]] = {
    CONSENT_KEY: frozenset({SERVICE_TURN_ON, SERVICE_TOGGLE}),
    LOCKDOWN_KEY: frozenset({SERVICE_TURN_OFF, SERVICE_TOGGLE}),
    GRANT_ALL_KEY: frozenset({"press"}),
    LET_THROUGH_KEY: frozenset({"press"}),
    LEVEL_KEY: _OF_SELECTS,
    **dict.fromkeys(GROUP_KEYS, frozenset({SERVICE_TURN_ON, SERVICE_TOGGLE})),
    EXPOSURE_KEY: frozenset({SERVICE_TURN_ON, SERVICE_TOGGLE}),
}
"""By which actions of Home Assistant an entity of ours may widen something."""
_ACTIONS = frozenset(action for actions in _WIDENING.values() for action in actions)

EVENT_AUTOMATION_TRIGGERED = "automation_triggered"
EVENT_SCRIPT_STARTED = "script_started"
"""Home Assistant's own; by name, so that neither integration has to be there."""

type Act = Hashable
"""What one decision widens; the same act twice is one."""
type Do = Callable[[], Awaitable[Any]]


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
    """Our entities that the calls of one context would widen something by, by entity id."""

    named: set[str] = field(default_factory=set)
    swept: set[str] = field(default_factory=set)


class Grants:
    """Judges what widens by the calls that lead to it."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
        """Keep whose rules hold."""
        self._hass = hass
        self._entry = entry
        self._parents = _Recent[str]()
        self._scenes = _Recent[None]()
        self._automations = _Recent[str]()
        """By the context of a run: `automation` or `script`."""
        self._asked = _Recent[_Asked]()
        self._wishes = _Recent[dict[Act, str]]()
        """By the first context of a family: the acts wished for, and in which context."""
        self._done = _Recent[dict[Act, Do]]()
        """By context: what it did, and how to take it back."""

    @callback
    def async_listen(self) -> CALLBACK_TYPE:
        """Watch all calls, and what runs because of what; return how to stop that."""
        stop = [self._hass.bus.async_listen(EVENT_CALL_SERVICE, self._note)]
        # A run that calls no action, only fires an event, is a link between those that do.
        stop += [
            self._hass.bus.async_listen(event_type, self._note_run)
            for event_type in (EVENT_AUTOMATION_TRIGGERED, EVENT_SCRIPT_STARTED)
        ]

        @callback
        def stop_all() -> None:
            for one in stop:
                one()

        return stop_all

    @callback
    def decider(self, how: str, context: Context | None, *, notice_shown: bool = False) -> Decider:
        """Return who decides by a call; one that an automation led to came by that."""
        if context is None:
            return Decider(how=how, notice_shown=notice_shown)
        is_automated = any(one in self._automations for one in self._lineage(context))
        return Decider(
            how="automation" if is_automated else how,
            person=context.user_id,
            context=context.id,
            notice_shown=notice_shown,
        )

    async def async_widen(
        self,
        act: Act,
        *,
        entity_id: str | None,
        context: Context | None,
        do: Do,
        undo: Do,
        owners: Iterable[str | None] = (),
    ) -> None:
        """Do an act if exactly that was meant; raises `HomeAssistantError`.

        `entity_id` is the entity that stands for it, None where an action of our own lists what is
        meant. `undo` takes it back, should more turn out to be meant. `owners` are the persons
        (registry ids; None: the household) whose data it opens.
        """
        if context is None:
            # Not by an action of Home Assistant: nobody can be asked who it was.
            raise _refusal("grant_not_named")
        wishes = self._wishes.note(self._lineage(context)[-1], {})
        wishes[act] = context.id
        # The entities of one call are used one after another: let each say that it was meant.
        # And where a call was made while another event was told, its own event comes right after.
        await asyncio.sleep(0)
        try:
            self._judge(act, wishes, entity_id, context)
            await self._judge_person(context, frozenset(owners))
            await do()
            self._done.note(context.id, {})[act] = undo
            self._judge_alone(act, wishes, context)
        except _ManyMeant as err:
            await self._take_back(context)
            raise _refusal("grant_of_many") from err

    async def _take_back(self, context: Context) -> None:
        """Undo all that a context did; one that fails does not keep the others."""
        failed: HomeAssistantError | None = None
        for take_back in self._done.pop(context.id, {}).values():
            try:
                await take_back()
            except HomeAssistantError as err:
                failed = err
        if failed is not None:
            raise failed

    def _judge(
        self, act: Act, wishes: dict[Act, str], entity_id: str | None, context: Context
    ) -> None:
        if any(one in self._scenes for one in self._lineage(context)):
            raise _refusal("grant_by_scene")
        asked = self._asked.get(context.id, _Asked())
        allowed = 1 if entity_id is not None else 0
        if len(asked.named | asked.swept) > allowed or wishes.keys() - {act}:
            raise _ManyMeant
        if entity_id is not None and (entity_id in asked.swept or entity_id not in asked.named):
            raise _refusal("lockdown_not_named" if act == LOCKDOWN_KEY else "grant_not_named")

    def _judge_alone(self, act: Act, wishes: dict[Act, str], context: Context) -> None:
        """While it was recorded the same context may have asked for another."""
        if any(where == context.id for other, where in wishes.items() if other != act):
            raise _ManyMeant

    async def _judge_person(self, context: Context, owners: frozenset[str | None]) -> None:
        user = await self._hass.auth.async_get_user(context.user_id) if context.user_id else None
        is_admin = user is not None and user.is_admin
        if self._entry.options.get(CONF_WHO_MAY_GRANT) == ADMINISTRATORS and not is_admin:
            raise _refusal("grant_by_administrators_only")
        for owner in owners - {None}:
            if user is not None and owner is not None and self._user_of(owner) == user.id:
                continue
            if not (is_admin and self._entry.options.get(CONF_GUARDIANS)):
                raise _refusal("grant_by_its_person_only")

    async def async_may_open(self, context: Context, owners: Iterable[str | None]) -> bool:
        """Tell whether whoever acts may open what is these persons' (None: the household's)."""
        try:
            await self._judge_person(context, frozenset(owners))
        except ServiceValidationError:
            return False
        return True

    def _user_of(self, owner: str) -> str | None:
        """Return the Home Assistant user of a person, by the person's id in the registry."""
        person = er.async_get(self._hass).entities.get_entry(owner)
        state = None if person is None else self._hass.states.get(person.entity_id)
        if state is None or person is None or person.domain != PERSON:
            return None
        user_id = state.attributes.get("user_id")
        return user_id if isinstance(user_id, str) else None

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
    def _note_run(self, event: Event[Any]) -> None:
        """Keep that something runs by itself, and what led to it."""
        self._note_parent(event)
        self._automations.note(event.context.id, str(event.event_type))

    @callback
    def _note(self, event: Event[dict[str, Any]]) -> None:
        """Keep what a call asks for."""
        context = event.context
        domain, service = event.data[ATTR_DOMAIN], event.data[ATTR_SERVICE]
        self._note_parent(event)
        if domain == Platform.SCENE:
            if service in (SERVICE_TURN_ON, "apply"):
                self._scenes.note(context.id, None)
        elif service in _ACTIONS:
            named, swept = self._targets(domain, service, event.data[ATTR_SERVICE_DATA])
            if service == SERVICE_TOGGLE:
                # Those that are on will be turned off, which anybody may; of a lockdown, not.
                named, swept = self._widened_by_toggle(named), self._widened_by_toggle(swept)
            if named or swept:
                asked = self._asked.note(context.id, _Asked())
                asked.named |= named
                asked.swept |= swept

    def _targets(
        self, domain: str, service: str, data: dict[str, Any]
    ) -> tuple[set[str], set[str]]:
        """Return our entities that a call names, and those it reaches in other ways."""
        entity_ids = _entity_ids(data)
        if ENTITY_MATCH_ALL in entity_ids:
            # Everything of the action's own domain.
            return set(), {
                entity.entity_id
                for entity in er.async_entries_for_config_entry(
                    er.async_get(self._hass), self._entry.entry_id
                )
                if entity.domain == domain and _widens(entity, service)
            }
        named = {one for one in entity_ids if self._may_widen(one, service)}
        found = async_extract_referenced_entity_ids(
            self._hass, TargetSelection({**data, ATTR_ENTITY_ID: list(entity_ids - named)})
        )
        return named, self._members(found.referenced | found.indirectly_referenced, service)

    def _members(self, entity_ids: Iterable[str], service: str) -> set[str]:
        """Return our entities among these and the members of groups, however deep."""
        ours: set[str] = set()
        seen: set[str] = set()
        waiting = list(entity_ids)
        while waiting:
            entity_id = waiting.pop()
            if entity_id in seen:
                continue
            seen.add(entity_id)
            if self._may_widen(entity_id, service):
                ours.add(entity_id)
            elif (state := self._hass.states.get(entity_id)) is not None:
                waiting += _entity_ids(state.attributes)
        return ours

    def _widened_by_toggle(self, entity_ids: set[str]) -> set[str]:
        entities = er.async_get(self._hass)
        return {
            one
            for one in entity_ids
            if (entity := entities.async_get(one)) is not None
            and self._hass.states.is_state(one, STATE_ON)
            is (entity.translation_key == LOCKDOWN_KEY)
        }

    def _may_widen(self, entity_id: str, service: str) -> bool:
        entity = er.async_get(self._hass).async_get(entity_id)
        return entity is not None and _widens(entity, service)


class _ManyMeant(Exception):
    """More than one act was meant at once."""


def _widens(entity: er.RegistryEntry, service: str) -> bool:
    return entity.platform == DOMAIN and service in _WIDENING.get(
        entity.translation_key or "", frozenset()
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
