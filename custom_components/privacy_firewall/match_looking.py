"""When is looked for matches, and what for: now and then, one appliance at a time, out of the loop.

Soon after something new was seen, then later and later, for values over time tell more than one
does. What has not changed is not looked at again.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
import logging
from typing import TYPE_CHECKING, Any

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN
from .engine import MatchCandidate, Samples
from .engine.events import Discovered, Event
from .engine.model import DataPoint
from .match_candidates import (
    async_with_past,
    described,
    device_name,
    most,
    points as points_of,
    scope,
)
from .match_repairs import async_review_unsure
from .match_rules import Findings, Question, find, settle
from .match_store import MatchStore, Standing

if TYPE_CHECKING:
    from .household import Household

_LOGGER = logging.getLogger(__name__)
LATER_SECONDS = (120.0, 900.0, 3_600.0, 4 * 3_600.0)
"""How long after a start, or after something new was seen, is looked; and after each look."""
ASK_AFTER_SECONDS = 24 * 3_600.0
"""For how long a data point must be known before anybody is asked about it: most of what is unsure
at first is sure after a day."""

type Unsure = Mapping[str, tuple[tuple[str, MatchCandidate], ...]]
"""By data point id: what may be it, by its id in the registry, the likeliest first."""


class Looking:
    """Looks for matches, and keeps what is unsure."""

    def __init__(self, household: Household, store: MatchStore) -> None:
        """Start with nothing looked at."""
        self._household = household
        self._store = store
        self._unsure: dict[str, Unsure] = {}
        self._looked: dict[str, object] = {}
        """Of each appliance what was looked at last."""
        self._at_work = asyncio.Lock()
        self._cancel: CALLBACK_TYPE | None = None
        self._round = 0
        self._is_running = False

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Begin to look; return how to stop that."""
        self._is_running = True
        deaf = self._household.async_listen(self._hear)
        self._look_in(0)

        def stop() -> None:
            self._is_running = False
            deaf()
            if self._cancel is not None:
                self._cancel()
                self._cancel = None

        return stop

    @callback
    def _hear(self, event: Event) -> None:
        if isinstance(event, Discovered) and (self._round or self._cancel is None):
            self._look_in(0)

    @callback
    def _look_in(self, number: int) -> None:
        if self._cancel is not None:
            self._cancel()
        self._round = number
        seconds = LATER_SECONDS[min(number, len(LATER_SECONDS) - 1)]
        self._cancel = async_call_later(self._household.hass, seconds, self._look)

    @callback
    def _look(self, _: Any) -> None:
        self._cancel = None
        self._look_in(self._round + 1)
        self._household.entry.async_create_background_task(
            self._household.hass, self._async_look_unasked(), f"{DOMAIN} matching"
        )

    async def _async_look_unasked(self) -> None:
        if self._at_work.locked():
            # It is a matter of seconds, and this comes again.
            return
        try:
            await self.async_look()
        except Exception as err:  # noqa: BLE001 - that no name is found must break nothing else
            # Without the message: it may quote a state.
            _LOGGER.warning("Looking for matching entities failed: %s", type(err).__name__)

    async def async_look(
        self, appliance_ids: Collection[str] | None = None, *, again: bool = False
    ) -> None:
        """Look for matches of these appliances, or of all.

        One of which nothing has changed is not looked at, unless `again`.
        """
        async with self._at_work:
            for appliance_id in list(self._household.firewall.appliances):
                if appliance_ids is None or appliance_id in appliance_ids:
                    await self._async_look_at(appliance_id, again=again)
        if self._is_running:
            async_review_unsure(self._household)

    async def _async_look_at(self, appliance_id: str, *, again: bool) -> None:
        household = self._household
        hass, firewall = household.hass, household.firewall
        device = household.device(appliance_id)
        seen = firewall.data_points(appliance_id)
        found = scope(hass, device)
        chosen = list(most(found, self._matched(seen)))
        entities = [described(hass, one) for one in chosen]
        samples = firewall.samples.copy(appliance_id)
        newest = [one.at for point in seen if (one := samples.newest(point.id)) is not None]
        looked_at = (
            [point.id for point in seen],
            max(newest, default=None),
            [(one.id, one.entity_id, one.original_name, one.device_id) for one in found],
        )
        if self._looked.get(appliance_id) == looked_at and not again:
            return
        findings: Findings | None = None
        ids = {one.entity_id: one.id for one in chosen}
        # After a start nothing was seen yet: then nothing is found, and nothing is over.
        if newest and entities:
            question = Question(
                points=(),
                entities=await async_with_past(hass, entities),
                device=device_name(hass, device.id if device is not None else None),
                now=firewall.now(),
                rejected=self._rejected(seen, ids),
                confirmed=self._confirmed(seen, ids),
            )
            findings = await hass.async_add_executor_job(partial(_find, question, seen, samples))
        if self._is_running and appliance_id in firewall.appliances:
            self._looked[appliance_id] = looked_at
            self._take(appliance_id, findings, ids, {one.id for one in found})

    def _matched(self, seen: Sequence[DataPoint]) -> list[str]:
        known = self._store.all()
        return [known[point.id].entity for point in seen if point.id in known]

    def _rejected(
        self, seen: Sequence[DataPoint], ids: Mapping[str, str]
    ) -> frozenset[tuple[str, str]]:
        return frozenset(
            (point.id, entity_id)
            for point in seen
            if (rejected := self._store.rejected(point.id))
            for entity_id, one in ids.items()
            if one in rejected
        )

    def _confirmed(self, seen: Sequence[DataPoint], ids: Mapping[str, str]) -> dict[str, str]:
        """Return what the household said, by data point id; the entity may be out of sight."""
        named = {one: entity_id for entity_id, one in ids.items()}
        return {
            point.id: named.get(match.entity, "")
            for point in seen
            if (match := self._store.get(point.id)) and match.standing is Standing.CONFIRMED
        }

    @callback
    def _take(
        self,
        appliance_id: str,
        findings: Findings | None,
        ids: Mapping[str, str],
        within: Collection[str],
    ) -> None:
        household = self._household
        # What was forgotten meanwhile is not to come back.
        points = {one.id for one in household.firewall.data_points(appliance_id)}
        taken = findings or Findings(sure={}, unsure={}, twins={})
        taken = replace(
            taken, sure={one: found for one, found in taken.sure.items() if one in points}
        )
        if settle(self._store, taken, points=points, ids=ids, scope=within):
            self._store.async_save_soon()
        if findings is not None:
            self._unsure[appliance_id] = {
                point_id: tuple((ids[one.entity_id], one) for one in found)
                for point_id, found in findings.unsure.items()
                if point_id in points
            }
        elif not within:
            self._unsure[appliance_id] = {}
        household.matching.async_refresh()

    # --- What is unsure ---

    def unsure(self, appliance_id: str) -> Unsure | None:
        """Return what the household can say of an appliance and was not asked yet.

        Of data points that have a switch, and are known for a while. What was shown and left open
        comes again only beside something new. None where it was not looked at since the start.
        """
        firewall = self._household.firewall
        if appliance_id not in firewall.appliances or appliance_id not in self._unsure:
            return None
        since = firewall.now() - ASK_AFTER_SECONDS
        known = {one.id for one in firewall.promoted(appliance_id) if one.first_seen <= since}
        told: dict[str, tuple[tuple[str, MatchCandidate], ...]] = {}
        for point_id, found in self._unsure[appliance_id].items():
            if point_id not in known or self._store.get(point_id) is not None:
                continue
            rejected, shown = self._store.rejected(point_id), self._store.shown(point_id)
            open_ = tuple(one for one in found if one[0] not in rejected)
            if any(entity not in shown for entity, _ in open_):
                told[point_id] = open_
        return told


def _find(question: Question, seen: Sequence[DataPoint], samples: Samples) -> Findings:
    points = points_of(seen, samples, len(question.entities))
    return find(replace(question, points=points))
