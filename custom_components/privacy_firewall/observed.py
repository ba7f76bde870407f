"""What was observed of the home as a whole: today's counts, what left of late, the self-test.

Read from the journal once, before the gate opens, and carried on by the engine's events: nothing
of it is asked of a million rows again. Names and labels; never a value.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_point_in_time
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .engine import SEEN_FOR, SelfTestReport, StorageError
from .engine.events import Decided, Event, Forgotten
from .engine.model import Outcome
from .engine.naming import NameCounts

if TYPE_CHECKING:
    from .household import Household


class Observed:
    """What was seen to happen, as far as the house remembers it."""

    def __init__(self, household: Household) -> None:
        """Start with nothing seen."""
        self._household = household
        self.since = dt_util.start_of_local_day()
        """When today began."""
        self._today: dict[str, Counter[Outcome]] = {}
        """Transmissions since then, by appliance."""
        self.names_since = self.since
        """When today's counting of names began: with the day, or with this start."""
        self._names_before = NameCounts()
        """What had been counted by then."""
        self.self_test: SelfTestReport | None = None
        """The last one since the start: what it proves, it proves of the gate that it tried."""
        self._recipients: dict[tuple[str, str], float] = {}
        """By appliance and recipient: when something left last."""
        self._points: dict[str, float] = {}
        """By data point: the same."""
        self._ends: dict[str, float] | None = None
        self._undo: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Read what happened today, and listen from now on; raises `StorageError`.

        To be called before the gate opens, so that nothing is missed or counted twice.
        """
        self.since = dt_util.start_of_local_day()
        self.names_since, self._names_before = dt_util.utcnow(), self._names_asked()
        self._today.clear()
        journal = self._household.firewall.journal
        midnight = self.since.timestamp()
        for appliance_id, tally in (await journal.tallies(midnight)).items():
            if self._is_known(appliance_id):
                self._today[appliance_id] = Counter(tally.counts)
        day_ago = self._household.firewall.now() - SEEN_FOR
        for left in await journal.last_disclosed(min(midnight, day_ago)):
            self._note(left.appliance_id, left.recipient_ids, left.released, left.at)
        self._undo = [
            self._household.async_listen(self._hear),
            self._household.async_listen_for_changes(self._forget_ends),
            self._wake_no_more,
        ]
        self._wait_for_midnight()

    @callback
    def async_stop(self) -> None:
        """Listen no longer."""
        while self._undo:
            self._undo.pop()()

    def _is_known(self, appliance_id: str) -> bool:
        """Tell whether an appliance is the household's; the self-test has one of its own."""
        return appliance_id in self._household.entry.subentries

    @callback
    def _wait_for_midnight(self) -> None:
        # 26 hours on it is tomorrow, whatever the clocks do that night.
        midnight = dt_util.start_of_local_day(self.since + timedelta(hours=26))
        self._wake = async_track_point_in_time(self._household.hass, self._begin_day, midnight)

    _wake: CALLBACK_TYPE

    @callback
    def _wake_no_more(self) -> None:
        self._wake()

    @callback
    def _begin_day(self, _: datetime) -> None:
        self._today.clear()
        self.since = dt_util.start_of_local_day()
        self._household.dns.async_look()
        self.names_since, self._names_before = self.since, self._names_asked()
        self._wait_for_midnight()
        self._household.async_changed()

    @callback
    def _hear(self, event: Event) -> None:
        if isinstance(event, Forgotten):
            self.async_forget(event.appliance_id)
        if not isinstance(event, Decided) or event.appliance_id is None:
            return
        self._today.setdefault(event.appliance_id, Counter())[event.outcome] += 1
        if event.outcome is not Outcome.DENY:
            self._note(event.appliance_id, event.recipient_ids, event.released, event.at)

    def _note(
        self, appliance_id: str, recipients: tuple[str, ...], released: tuple[str, ...], at: float
    ) -> None:
        for recipient_id in recipients:
            pair = appliance_id, recipient_id
            self._recipients[pair] = max(at, self._recipients.get(pair, at))
        for point_id in released:
            self._points[point_id] = max(at, self._points.get(point_id, at))

    @callback
    def async_forget(self, appliance_id: str) -> None:
        """Know no more of an appliance than its journal, which was just forgotten."""
        self._today.pop(appliance_id, None)
        for pair in [one for one in self._recipients if one[0] == appliance_id]:
            del self._recipients[pair]
        for point in self._household.firewall.data_points(appliance_id):
            self._points.pop(point.id, None)

    def today(self, outcome: Outcome) -> int:
        """Return how many transmissions of the household's appliances became that today."""
        return sum(counts[outcome] for counts in self._today.values())

    def names_today(self) -> NameCounts:
        """Return how many names were asked for today, of everybody, and how many refused.

        Nobody's questions are kept over a restart, so that the counting begins anew with it.
        """
        now, before = self._household.dns.status.total, self._names_before
        return NameCounts(asked=now.asked - before.asked, refused=now.refused - before.refused)

    def _names_asked(self) -> NameCounts:
        return self._household.firewall.names.status().total

    # --- What left ---

    def shared_today(self) -> list[str]:
        """Return the ids of the known data points of which something left today."""
        since = self.since.timestamp()
        known = self._household.firewall.data_point
        return [one for one, at in self._points.items() if at >= since and known(one) is not None]

    def is_sharing(self, appliance_id: str) -> bool:
        """Tell whether something of an appliance left of late: within `SEEN_FOR`."""
        last = self._household.firewall.status(appliance_id).last_disclosure
        return last is not None and self._is_recent(last)

    def shared_with(self, appliance_id: str) -> list[str]:
        """Return the names of those to whom something of an appliance left of late."""
        recipients = self._household.firewall.recipients
        names = (
            recipients[recipient_id].organisation
            for (one, recipient_id), at in self._recipients.items()
            if one == appliance_id and self._is_recent(at) and recipient_id in recipients
        )
        return sorted(set(names))

    def shared_of(self, appliance_id: str) -> list[str]:
        """Return the names of an appliance's data points of which something left of late."""
        return [
            point.name
            for point in self._household.firewall.data_points(appliance_id)
            if self._is_recent(self._points.get(point.id, 0.0))
        ]

    def _is_recent(self, at: float) -> bool:
        return self._household.firewall.now() - at < SEEN_FOR

    # --- What ends ---

    def next_end(self, appliance_id: str | None = None) -> float | None:
        """Return when the next timed grant of an appliance, or of the home, ends by itself.

        Letting an appliance through is one too.
        """
        if self._ends is None:
            self._ends = self._read_ends()
        if appliance_id is not None:
            return self._ends.get(appliance_id)
        return min(self._ends.values(), default=None)

    def _read_ends(self) -> dict[str, float]:
        firewall = self._household.firewall
        ends = {
            one: until
            for one in firewall.appliances
            if (until := firewall.let_through_until(one)) is not None
        }
        for consent in firewall.decided():
            one, until = consent.appliance_id, consent.until
            if until is not None and one in firewall.appliances and firewall.is_in_force(consent):
                ends[one] = min(until, ends.get(one, until))
        return ends

    @callback
    def _forget_ends(self) -> None:
        self._ends = None

    # --- The self-test ---

    async def async_self_test(self) -> SelfTestReport:
        """Try the gate with canaries, and keep what came of it; raises `HomeAssistantError`."""
        try:
            self.self_test = await self._household.firewall.self_test()
        except StorageError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="self_test_not_done"
            ) from err
        finally:
            self._household.async_changed()
        return self.self_test

    def self_test_result(self) -> dict[str, Any]:
        """Return what the last self-test found, for people: what came out, at which step.

        `problem` is why it could not be done, or the first that was met at a step.
        """
        if self.self_test is None:
            return {}
        failed = [one for one in self.self_test.checks if not one.passed]
        return {
            "problem": next(
                (one for one in (self.self_test.problem, *(x.problem for x in failed)) if one), None
            ),
            "failed": [f"{one.gate}: {one.step.value}" for one in failed],
            "came_out": sorted({kind for one in failed for kind in one.came_out}),
        }
