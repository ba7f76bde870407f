"""Keeps watch: who is asked for, permitted or refused, and what breaks at home meanwhile.

The gates tell what became of every attempt, Home Assistant's side which entities broke. From both
`need_rules` judges. What was seen is kept over restarts, of appliances and recipients that are
stated: times, counts and ids; no name that was asked for, and no value.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
import json
import sqlite3
from typing import Any

from . import meta
from .clock import ForwardClock, Seen
from .errors import StorageError
from .events import Decided, Event, GateChanged, NeedChanged, RetryStorm
from .insistence import Rate
from .model import Outcome, Reason
from .naming import Course, Lookup, LookupVerdict
from .need_rules import SOON, Pair
from .needs import MAX_ENTITIES, Assessment, Need
from .policy import Policy
from .storage import Database

MAX_PAIRS = 1_000
"""Appliances with a recipient each that are watched; further ones are not."""
STORE_SECONDS = 600.0
"""How often counts are stored. What somebody stated, or what was concluded, is stored at once."""
DNS, HTTP = "dns", "http"

_PASSES = frozenset({Reason.OPAQUE_CONSENTED, Reason.LET_THROUGH})
_HELD = frozenset({
    Reason.NOTHING_CONSENTED, Reason.OPAQUE_NOT_CONSENTED, Reason.CONSENTS_SUSPENDED,
    Reason.LOCKDOWN,
})  # fmt: skip
"""Why a recipient gets nothing as the household decided. What fails otherwise tells of no need."""

type Key = tuple[str, str]
"""Appliance id, recipient id."""


class Watching:
    """What was seen of appliances and recipients. Everything is called from one event loop."""

    def __init__(
        self,
        database: Database,
        clock: ForwardClock,
        *,
        policy: Callable[[], Policy | None],
        on_event: Callable[[Event], None],
    ) -> None:
        """Keep the parts. `policy` returns the snapshot in force."""
        self._database = database
        self._clock = clock
        self._policy = policy
        self._on_event = on_event
        self._pairs: dict[Key, Pair] = {}
        self._known: tuple[frozenset[str], frozenset[str]] = frozenset(), frozenset()
        self._entities: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._closed = {DNS, HTTP}
        self._away = 0.0
        """For how many seconds a gate was closed, so that nothing is known of them."""
        self._away_since: float | None = clock.now()
        self._changed: set[Key] = set()
        self._is_urgent = False
        self._stored_at = clock.now()

    # --- The gates ---

    def hear_lookup(self, lookup: Lookup, verdict: LookupVerdict, now: float) -> None:
        """Take note of what became of a question, once for each. It waits for nothing."""
        appliance_id = verdict.appliances[0].id
        course, reason = verdict.course, verdict.reason
        if course is Course.REFUSE and reason not in _HELD:
            return
        if verdict.recipients:
            for recipient in verdict.recipients:
                self._take((appliance_id, recipient.id), course, reason, verdict, now)
        elif (policy := self._policy()) is not None and (
            claim := policy.claims.get(lookup.name)
        ) is not None:
            # Where everything is locked down nobody was looked up.
            for recipient_id in claim.recipients:
                self._take((appliance_id, recipient_id), course, reason, verdict, now)

    def _take(
        self, key: Key, course: Course, reason: Reason, verdict: LookupVerdict, now: float
    ) -> None:
        pair = self._pairs.get(key) or self._begin(key)
        if pair is None:
            return
        self._changed.add(key)
        if course is Course.REFUSE:
            self._refuse(key, pair, DNS, verdict.policy_version, now)
        elif reason in _PASSES:
            if pair.permit(pair.dns, verdict.policy_version, now):
                self._tell(key)
        elif course is Course.STEER and pair.refused_since is None:
            # What the gate does that it is led to, the gate itself tells.
            pair.dns.permitted(now)

    def hear(self, event: Event) -> None:
        """Take note of what the HTTP gate decided, and of gates that open or close."""
        if isinstance(event, GateChanged):
            self._gate(event)
        elif isinstance(event, Decided) and event.gate == HTTP and event.appliance_id is not None:
            if event.outcome is Outcome.DENY and event.reason not in _HELD:
                return
            policy = self._policy()
            version = -1 if policy is None else policy.version
            for recipient_id in event.recipient_ids:
                key = event.appliance_id, recipient_id
                pair = self._pairs.get(key) or self._begin(key)
                if pair is None:
                    continue
                self._changed.add(key)
                if event.outcome is Outcome.DENY:
                    self._refuse(key, pair, HTTP, version, event.at)
                elif pair.permit(pair.http, version, event.at):
                    self._tell(key)

    def _refuse(self, key: Key, pair: Pair, gate: str, version: int, now: float) -> None:
        rate: Rate = pair.dns if gate == DNS else pair.http
        is_news, is_storm = pair.refuse(rate, version, now, self._away_now(now))
        if is_news and pair.refused_since == now and pair.was_permitted:
            self._join(key, pair, now)
        if is_storm and pair.storm is not None:
            figures = pair.storm.figures
            self._on_event(
                RetryStorm(
                    appliance_id=key[0],
                    recipient_id=key[1],
                    at=now,
                    gate=gate,
                    usual_per_hour=figures["usual_per_hour"],
                    now_per_hour=figures["now_per_hour"],
                )
            )
        if is_news:
            self._tell(key)

    def _join(self, key: Key, pair: Pair, now: float) -> None:
        """Note which other recipients of the appliance were refused first at the same time."""
        for other_key, other in self._pairs.items():
            if (
                other_key[0] == key[0]
                and other is not pair
                and other.refused_since is not None
                and other.was_permitted
                and now - other.refused_since <= SOON
            ):
                pair.joins(other_key[1])
                other.joins(key[1])
                self._changed.add(other_key)

    def _begin(self, key: Key) -> Pair | None:
        """Begin to watch; None for what is not stated (the self-test's own), or one too many."""
        appliances, recipients = self._known
        if key[0] not in appliances or key[1] not in recipients or len(self._pairs) >= MAX_PAIRS:
            return None
        pair = self._pairs[key] = Pair()
        self._tell(key)
        return pair

    def _gate(self, event: GateChanged) -> None:
        now = self._clock.now()
        if event.is_open:
            self._closed.discard(event.gate)
        else:
            self._closed.add(event.gate)
        if self._closed and self._away_since is None:
            self._away_since = now
        elif not self._closed and self._away_since is not None:
            self._away += now - self._away_since
            self._away_since = None

    def _away_now(self, now: float) -> float:
        return self._away + (0.0 if self._away_since is None else now - self._away_since)

    # --- What breaks at home ---

    def watch(self, appliance_id: str, entities: Iterable[str], unavailable: Iterable[str]) -> None:
        """Say which entities show how an appliance does, and which of them are unavailable."""
        present = frozenset(sorted(entities)[:MAX_ENTITIES])
        self._entities[appliance_id] = present, frozenset(unavailable) & present
        for key, pair in self._of(appliance_id):
            before = len(pair.breaks)
            pair.keep_entities(present)
            if len(pair.breaks) != before:
                self._tell(key)

    def broke(self, appliance_id: str, entity_id: str) -> None:
        """Say that an entity became unavailable that had been available for a while."""
        now = self._clock.now()
        for key, pair in self._of(appliance_id):
            if pair.broke(entity_id, now):
                self._tell(key)

    def came_back(self, appliance_id: str, entity_id: str) -> None:
        """Say that an entity is available."""
        now = self._clock.now()
        for key, pair in self._of(appliance_id):
            if pair.came_back(entity_id, now):
                self._tell(key)

    # --- Time ---

    def look(self) -> None:
        """Conclude what follows from the passing of time; to be called every few minutes."""
        now = self._clock.now()
        policy, away = self._policy(), self._away_now(now)
        for key, pair in list(self._pairs.items()):
            if pair.refused_since is None:
                continue
            if (
                policy is not None
                and pair.refused_under != policy.version
                and _may_pass(policy, key, now)
            ):
                # It may have it now, or a part of it, and did not ask since that was decided. What
                # it is refused from here on begins anew.
                pair.end_refusals()
                self._tell(key)
                continue
            entities, unavailable = self._entities.get(key[0], (frozenset(), frozenset()))
            if pair.look(now, away, len(entities), len(unavailable)):
                self._tell(key)

    # --- The household ---

    async def state(self, appliance_id: str, recipient_id: str, need: Need | None) -> bool:
        """Take the household's word, or (None) go by what was observed; False for no such pair.

        Raises `StorageError` with everything as before.
        """
        key = appliance_id, recipient_id
        pair = self._pairs.get(key) or self._begin(key)
        if pair is None:
            return False
        before, pair.stated = pair.stated, None if need is None else (need, self._clock.now())
        try:
            await self._store({key})
        except StorageError:
            pair.stated = before
            raise
        self._tell(key)
        return True

    def assess(self, appliance_id: str, recipient_id: str) -> Assessment | None:
        """Return what is known of an appliance's need for a recipient; None where they never met.

        It costs a little more than to count: once per shown state, not per question.
        """
        pair = self._pairs.get((appliance_id, recipient_id))
        if pair is None:
            return None
        now = self._clock.now()
        entities, _ = self._entities.get(appliance_id, (frozenset(), frozenset()))
        return pair.assess(now, self._away_now(now), len(entities))

    def recipients_of(self, appliance_id: str) -> frozenset[str]:
        """Return the recipients that an appliance asked for, also in earlier runs."""
        return frozenset(recipient_id for one, recipient_id in self._pairs if one == appliance_id)

    def _of(self, appliance_id: str) -> list[tuple[Key, Pair]]:
        return [(key, pair) for key, pair in self._pairs.items() if key[0] == appliance_id]

    def _tell(self, key: Key) -> None:
        self._changed.add(key)
        self._is_urgent = True
        self._on_event(NeedChanged(appliance_id=key[0], recipient_id=key[1]))

    # --- Kept over restarts ---

    def configure(self, appliance_ids: Iterable[str], recipient_ids: Iterable[str]) -> None:
        """Watch those that are stated, and forget the others."""
        self._known = appliances, recipients = frozenset(appliance_ids), frozenset(recipient_ids)
        self._drop(lambda key: key[0] not in appliances or key[1] not in recipients)
        self._entities = {k: v for k, v in self._entities.items() if k in appliances}

    def forget(self, appliance_id: str) -> None:
        """Know no more of what an appliance asked; what the household stated goes with it."""
        self._drop(lambda key: key[0] == appliance_id)

    def _drop(self, is_gone: Callable[[Key], bool]) -> None:
        for key in [one for one in self._pairs if is_gone(one)]:
            del self._pairs[key]
            self._changed.add(key)
            self._is_urgent = True

    async def load(self) -> None:
        """Read what earlier runs saw; raises `StorageError`. What cannot be understood is left."""
        for appliance_id, recipient_id, kept in await self._database.run(_load):
            with suppress(KeyError, TypeError, ValueError):
                self._pairs[appliance_id, recipient_id] = Pair.recall(json.loads(kept))
        with suppress(TypeError, ValueError):
            at, away = await meta.get(self._database, meta.WATCHED) or (self._clock.now(), 0.0)
            seen = Seen(at=float(at), ticks=0.0, boot=None)
            self._clock.resume(seen)
            # Nobody watched from then until now.
            self._away, self._away_since = float(away), seen.at

    async def store(self, *, at_once: bool = False) -> None:
        """Write what changed, if it is time; raises `StorageError`, and it is tried again then."""
        is_time = self._clock.now() - self._stored_at >= STORE_SECONDS
        # Also where nothing changed: until when it was watched is on record then.
        if (self._changed or self._pairs) and (at_once or self._is_urgent or is_time):
            await self._store(set(self._changed))

    async def _store(self, keys: set[Key]) -> None:
        now = self._clock.now()
        kept = {one: json.dumps(self._pairs[one].kept()) for one in keys if one in self._pairs}
        moment = [now, self._away_now(now)]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM needs WHERE appliance_id = ? AND recipient_id = ?",
                [one for one in keys if one not in kept],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO needs VALUES (?, ?, ?)",
                [(*one, state) for one, state in kept.items()],
            )
            meta.write(connection, meta.WATCHED, moment)

        self._changed -= keys
        self._is_urgent = bool(self._changed) and self._is_urgent
        try:
            await self._database.run(write)
        except StorageError:
            self._changed |= keys
            self._is_urgent = True
            raise
        self._stored_at = now


def _may_pass(policy: Policy, key: Key, now: float) -> bool:
    """Tell whether an appliance may reach a recipient in some way now."""
    if policy.lockdown:
        return False
    return (
        policy.let_through.get(key[0], 0.0) > now
        or bool(policy.along(*key, now))
        or any(one[:2] == key and until > now for one, until in policy.opaque.items())
    )


def _load(connection: sqlite3.Connection) -> list[Any]:
    return connection.execute("SELECT appliance_id, recipient_id, kept FROM needs").fetchall()
