"""System health: whether the firewall works and how much there is of everything. No names."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .household import Household


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is told."""
    register.async_register_info(_async_info, "/config/integrations/integration/privacy_firewall")


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return states and counts, of which none tells anything of this home but its size."""
    integration = await async_get_integration(hass, DOMAIN)
    told: dict[str, Any] = {"version": str(integration.version)}
    entries = hass.config_entries.async_loaded_entries(DOMAIN)
    told["running"] = bool(entries)
    if entries:
        told |= _observed(entries[0].runtime_data)
    return told


def _observed(household: Household) -> dict[str, Any]:
    firewall = household.firewall
    return {
        "gate_open": firewall.gate_is_open,
        "dns_gate": (
            "off" if not household.dns.is_wanted else "open" if firewall.names.is_open else "closed"
        ),
        "storage_works": firewall.storage_works,
        "locked_down": firewall.consents.is_locked_down,
        "restored": firewall.consents.is_restored,
        "appliances": len(firewall.appliances),
        "recipients": len(firewall.recipients),
        "consents_in_force": sum(firewall.is_in_force(one) for one in firewall.decided()),
        "questions": len(household.issues.open_questions()),
    }
