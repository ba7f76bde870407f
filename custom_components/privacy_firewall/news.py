"""What an appliance reports of late that it did not before: named until somebody has read it.

A firmware update may bring items that nobody was asked about. They are off like all that is new and
are asked about with the next digest; this says that they came, and which. Not while an appliance is
new itself.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import probatio

from .const import DOMAIN, EVENT_NEW_ITEMS
from .engine import topic_of
from .engine.events import Discovered, Event
from .engine.model import OPAQUE_FIELD, REQUEST_FIELD, DataPoint
from .forms import async_words, plain
from .issues import NEW_ITEMS, async_raised, written

if TYPE_CHECKING:
    from .household import Household

ESTABLISHED = 24 * 3600.0
"""Seconds after which an appliance is known for what it reports."""
MAX_NEW = 100
"""Items that are named; of more, how many."""
_NOT_ITEMS = (REQUEST_FIELD, OPAQUE_FIELD)


class News:
    """Raises an issue for each appliance that reports what it did not before."""

    def __init__(self, hass: HomeAssistant, household: Household) -> None:
        """Keep who knows the names."""
        self._hass = hass
        self._household = household

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Drop what tells of appliances that are gone, now and from now on."""
        self._review()
        return self._household.async_listen_for_changes(self._review)

    @callback
    def async_hear(self, event: Event) -> None:
        """Tell of new items; other events are none of its business."""
        if not isinstance(event, Discovered):
            return
        appliance = self._household.firewall.appliances.get(event.appliance_id)
        fresh = [one for one in event.data_points if one.field not in _NOT_ITEMS]
        if appliance is None or not fresh or not self._is_established(event):
            return
        told: dict[str, Any] = {
            "appliance": appliance.name,
            "appliance_id": appliance.id,
            "data_points": [one.name for one in fresh][:MAX_NEW],
            "data_point_ids": [one.id for one in fresh][:MAX_NEW],
            "count": len(fresh),
        }
        if (device := self._household.device(appliance.id)) is not None:
            told["device_id"] = device.id
        self._hass.bus.async_fire(EVENT_NEW_ITEMS, told)
        self._raise(appliance.id, appliance.name, fresh)

    def _is_established(self, event: Discovered) -> bool:
        """Tell whether anything else was seen of the appliance long before."""
        firewall = self._household.firewall
        long_ago = firewall.now() - ESTABLISHED
        new = {one.id for one in event.data_points}
        return any(
            one.first_seen < long_ago and one.id not in new
            for one in firewall.data_points(event.appliance_id)
        )

    def _raise(self, appliance_id: str, name: str, fresh: list[DataPoint]) -> None:
        """Name these beside what has not been read yet."""
        issue_id = f"{NEW_ITEMS}_{appliance_id}"
        before = ir.async_get(self._hass).async_get_issue(DOMAIN, issue_id)
        data = dict(before.data or {}) if before is not None else {}
        ids = str(data.get("points") or "").split()
        number = int(data.get("number") or 0) + len(fresh)
        since = float(data.get("since") or self._household.firewall.now())
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            data={
                "entry_id": self._household.entry.entry_id,
                "appliance_id": appliance_id,
                "points": " ".join([*ids, *(one.id for one in fresh)][:MAX_NEW]),
                "number": number,
                "since": since,
            },
            is_fixable=True,
            # A restart is no reading.
            is_persistent=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=NEW_ITEMS,
            translation_placeholders={"appliance": written(name), "number": str(number)},
        )

    @callback
    def _review(self) -> None:
        present = self._household.entry.subentries
        for issue_id in async_raised(self._hass):
            if issue_id.startswith(f"{NEW_ITEMS}_") and issue_id.rpartition("_")[2] not in present:
                ir.async_delete_issue(self._hass, DOMAIN, issue_id)


class NewItemsFlow(RepairsFlow):
    """Names what is new, by topic, until somebody has read it. Nothing is decided by that."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Show it."""
        entries = self.hass.config_entries.async_loaded_entries(DOMAIN)
        if not entries:
            return self.async_abort(reason="not_loaded")
        if user_input is not None:
            return self.async_create_entry(data={})
        household: Household = entries[0].runtime_data
        data = self.data or {}
        appliance = household.firewall.appliances.get(str(data.get("appliance_id")))
        ids = str(data.get("points") or "").split()
        points = [one for each in ids if (one := household.firewall.data_point(each)) is not None]
        words = await async_words(self.hass, "topic")
        more = int(data.get("number") or 0) - len(points)
        since = dt_util.as_local(dt_util.utc_from_timestamp(float(data.get("since") or 0)))
        return self.async_show_form(
            step_id="confirm",
            data_schema=probatio.Schema({}),
            description_placeholders={
                "appliance": plain(appliance.name) if appliance is not None else "?",
                "since": f"{since:%Y-%m-%d %H:%M}",
                "items": _by_topic(points, words) + (f"\n- + {more}" if more > 0 else ""),
            },
        )


def _by_topic(points: Iterable[DataPoint], words: dict[str, str]) -> str:
    """Return names as a Markdown list, a line for each topic."""
    found: dict[str, list[str]] = {}
    for one in points:
        found.setdefault(topic_of(one).value, []).append(plain(one.name))
    lines = [
        f"- **{words.get(topic, topic)}**: {', '.join(names)}" for topic, names in found.items()
    ]
    return "\n".join(lines) or "-"
