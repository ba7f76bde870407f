"""Whether appliances go around the gates: what was seen of it, and nothing more.

Two things can be seen. Where the home's traffic is routed through this machine, the connections
themselves. Elsewhere only what is missing: an appliance that is at home, as one of the home's own
device trackers says, and for a day neither asked a name nor reported.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING

from homeassistant.const import STATE_HOME
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .engine import Flow, flows
from .engine.model import Appliance

if TYPE_CHECKING:
    from .household import Household

LOOK = timedelta(minutes=10)
"""How often is looked."""
SILENT = timedelta(days=1)
"""For how long an appliance that is at home may say nothing before that is told."""
_NAMES = frozenset({53, 853})
"""Ports of the DNS, plain and over TLS (RFC 1035, RFC 7858)."""


class Way(StrEnum):
    """How it goes around, as far as was seen."""

    OTHER_RESOLVER = "other_resolver"
    DIRECT = "direct"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What was seen of one appliance. `where` is an address, or empty."""

    way: Way
    where: str = ""


class Bypass:
    """Looks again and again, while the DNS gate is on."""

    def __init__(self, household: Household) -> None:
        """Start with nothing seen."""
        self._household = household
        self.found: dict[str, Around] = {}
        """By appliance id."""

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Begin to look; return how to stop that."""
        return async_track_time_interval(self._household.hass, self.async_look, LOOK)

    async def async_look(self, _: datetime | None = None) -> None:
        """Look at every appliance."""
        household = self._household
        found: dict[str, Around] = {}
        if household.dns.place is not None:
            tracked = await household.hass.async_add_executor_job(flows) or []
            for appliance in household.firewall.appliances.values():
                if (seen := self._look_at(appliance, tracked)) is not None:
                    found[appliance.id] = seen
        if found != self.found:
            self.found = found
            household.firewall.note_bypassing(frozenset(found))
            household.async_changed()

    def _look_at(self, appliance: Appliance, tracked: Iterable[Flow]) -> Around | None:
        household = self._household
        gates = {str(household.dns.place[0])} if household.dns.place is not None else set()
        direct: Around | None = None
        for flow in self._of(appliance, tracked):
            if flow.destination in gates:
                continue
            if flow.port in _NAMES:
                return Around(way=Way.OTHER_RESOLVER, where=flow.destination)
            if _is_outside(flow.destination) and not self._may_go_out(appliance):
                direct = Around(way=Way.DIRECT, where=flow.destination)
        return direct or self._silent(appliance)

    def _of(self, appliance: Appliance, tracked: Iterable[Flow]) -> Iterator[Flow]:
        """Yield the connections that an appliance opened; by its address, which can be forged."""
        resolve = self._household.resolve_mac
        for flow in tracked:
            if flow.source in appliance.addresses or (
                appliance.macs and resolve(flow.source) in appliance.macs
            ):
                yield flow

    def _may_go_out(self, appliance: Appliance) -> bool:
        """Tell whether something of it may go out past the gates, as the household decided."""
        firewall = self._household.firewall
        return firewall.let_through_until(appliance.id) is not None or any(
            firewall.is_sharing(point.id, one)
            for point in firewall.data_points(appliance.id)
            if firewall.is_opaque(point)
            for one in point.recipients
        )

    def _silent(self, appliance: Appliance) -> Around | None:
        """Tell of an appliance that is at home for a day, and let no gate know of it."""
        household, now = self._household, dt_util.utcnow()
        opened = household.dns.opened_at
        seen = household.firewall.status(appliance.id).last_seen
        since = now - SILENT
        if opened is None or opened > since or (seen or 0.0) > since.timestamp():
            return None
        for state in household.hass.states.async_all("device_tracker"):
            mac, address = state.attributes.get("mac"), state.attributes.get("ip")
            is_it = (isinstance(mac, str) and dr.format_mac(mac) in appliance.macs) or (
                address in appliance.addresses
            )
            if is_it and state.state == STATE_HOME and state.last_changed <= since:
                return Around(way=Way.SILENT)
        return None


def _is_outside(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
