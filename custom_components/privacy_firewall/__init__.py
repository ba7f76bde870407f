"""Privacy Firewall: stands between a home's appliances and the clouds they report to.

Set up and undone here. `household` holds the engine and what the household stated; the platforms
show it; `grants` judges who may switch a consent on; `engine` does the work and knows none of this.
"""

from contextlib import AsyncExitStack

from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HassJob, HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .const import DOMAIN, PLATFORMS
from .engine import StorageError, all_paths
from .household import Household, PrivacyFirewallConfigEntry, database_path
from .issues import async_drop_all
from .match_store import MatchStore
from .services import async_setup_services

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions, once for all."""
    async_setup_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: PrivacyFirewallConfigEntry) -> bool:
    """Open the firewall, then show it."""
    household = Household(hass, entry)
    try:
        await household.async_start()
    except StorageError as err:
        await household.issues.async_not_started(err)
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN, translation_key="storage_failed"
        ) from err
    except OSError as err:
        await household.issues.async_not_started(err)
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="gate_not_opened",
            translation_placeholders={
                "host": entry.data[CONF_HOST],
                "port": str(entry.data[CONF_PORT]),
            },
        ) from err
    async with AsyncExitStack() as undo:
        undo.push_async_callback(household.async_stop)
        entry.runtime_data = household
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        undo.pop_all()
    entry.async_on_unload(entry.add_update_listener(_async_updated))
    # An entry is not unloaded when Home Assistant stops.
    entry.async_on_unload(
        hass.async_add_shutdown_job(HassJob(household.async_stop, f"{DOMAIN} stop"))
    )
    return True


async def _async_updated(hass: HomeAssistant, entry: PrivacyFirewallConfigEntry) -> None:
    """Bring what changed in the entry into force, without a reload."""
    try:
        await entry.runtime_data.async_update()
    except OSError:
        # Setting up again says what is wrong and tries until the address is free.
        hass.config_entries.async_schedule_reload(entry.entry_id)


async def async_unload_entry(hass: HomeAssistant, entry: PrivacyFirewallConfigEntry) -> bool:
    """Close everything; what was decided stays recorded."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await entry.runtime_data.async_stop()
    return True


async def async_remove_entry(hass: HomeAssistant, entry: PrivacyFirewallConfigEntry) -> None:
    """Delete everything that was recorded."""
    async_drop_all(hass)

    def delete() -> None:
        for path in all_paths(database_path(hass)):
            path.unlink(missing_ok=True)

    await hass.async_add_executor_job(delete)
    await MatchStore(hass).async_remove()
