"""Home Assistant tells when it is about to copy the configuration folder, and when it has.

While it does, the household's file is marked and keeps still: a copy that comes back knows that it
is one, and every consent in it waits to be confirmed. The journal stays out, unless wanted.
"""

from homeassistant.core import HomeAssistant, callback

from .const import CONF_JOURNAL_IN_BACKUPS, DOMAIN
from .household import PrivacyFirewallConfigEntry


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Mark the household's file; raises `StorageError`, and no backup is made.

    One that does not say that it is a backup could bring back what was withdrawn since.
    """
    for entry in _running(hass):
        await entry.runtime_data.firewall.begin_backup(
            with_journal=bool(entry.options.get(CONF_JOURNAL_IN_BACKUPS))
        )


async def async_post_backup(hass: HomeAssistant) -> None:
    """Take the mark off; raises `StorageError`, and it is tried again as long as we run."""
    for entry in _running(hass):
        await entry.runtime_data.firewall.end_backup()


@callback
def _running(hass: HomeAssistant) -> list[PrivacyFirewallConfigEntry]:
    return hass.config_entries.async_loaded_entries(DOMAIN)
