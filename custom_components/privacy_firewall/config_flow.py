"""The forms in which a household states its gate, who may grant, and what is kept.

    the entry       user (look only) → gate; later reconfigure
    its options     init

Appliances and recipients have forms of their own: `appliance_flow` and `recipient_flow`. Nothing is
taken over unless all of a form is right, and a form drops nothing that it does not show.
"""

from collections.abc import Mapping
import errno
from ipaddress import ip_network
import socket
from typing import Any, override

from homeassistant.components import network
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
import probatio

from .appliance_flow import ApplianceFlow
from .const import (
    ADMINISTRATORS,
    CONF_GUARDIANS,
    CONF_JOURNAL_DAYS,
    CONF_JOURNAL_IN_BACKUPS,
    CONF_JOURNAL_MEGABYTES,
    CONF_KEEP_VALUES,
    CONF_WHO_MAY_GRANT,
    DEFAULT_JOURNAL_DAYS,
    DEFAULT_JOURNAL_MEGABYTES,
    DOMAIN,
    EVERYONE,
    SUBENTRY_APPLIANCE,
    SUBENTRY_RECIPIENT,
)
from .forms import (
    TEXT,
    Address,
    Check,
    async_words,
    choice,
    listed,
    plain,
    read_address,
)
from .recipient_flow import RecipientFlow
from .survey import Sight, Survey, SurveyedDevice, async_survey

DEFAULT_PORT = 8080
"""The port for HTTP besides 80 that anyone may open (IANA: http-alt)."""
MAX_JOURNAL_DAYS = 3660
"""Days that the journal may reach back at most: ten years."""
MIN_JOURNAL_MEGABYTES = 10
"""Megabytes that a few days of a busy home take."""
MAX_JOURNAL_MEGABYTES = 10_000
"""Megabytes up to which the journal is still quick to read."""

_CARRIER_GRADE_NAT = ip_network("100.64.0.0/10")


class PrivacyFirewallConfigFlow(ConfigFlow, domain=DOMAIN):
    """Sets up the one entry: first look, then say where appliances find the gate."""

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what a household adds to the entry."""
        return {SUBENTRY_APPLIANCE: ApplianceFlow, SUBENTRY_RECIPIENT: RecipientFlow}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow of the entry's options."""
        return PrivacyFirewallOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show what could be seen of this home. Asks nothing and changes nothing."""
        if user_input is not None:
            return await self.async_step_gate()
        return self.async_show_form(
            step_id="user",
            description_placeholders={
                "survey": _describe(await async_survey(self.hass), await async_words(self.hass))
            },
            last_step=False,
        )

    async def async_step_gate(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where the gate listens, and try it."""
        check = Check()
        if user_input is not None:
            place = await self._async_place(user_input, check)
            if not check.errors:
                return self.async_create_entry(title="Privacy Firewall", data=place)
        suggested = {CONF_HOST: await self._async_own_address(), CONF_PORT: DEFAULT_PORT}
        return self._show_place("gate", user_input or suggested, check)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Move the gate. The appliances that call it by its address must be told, too."""
        entry = self._get_reconfigure_entry()
        check = Check()
        if user_input is not None:
            place = await self._async_place(user_input, check, entry)
            if not check.errors:
                result = self.async_update_and_abort(entry, data_updates=place)
                if entry.state is ConfigEntryState.SETUP_RETRY:
                    # Nobody listens for changes while it waits to be tried again.
                    self.hass.config_entries.async_schedule_reload(entry.entry_id)
                return result
        return self._show_place("reconfigure", user_input or entry.data, check)

    def _show_place(
        self, step_id: str, suggested: Mapping[str, Any], check: Check
    ) -> ConfigFlowResult:
        schema = probatio.Schema(
            {probatio.Required(CONF_HOST): TEXT, probatio.Required(CONF_PORT): cv.port}
        )
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=check.errors,
            description_placeholders=check.named,
        )

    async def _async_place(
        self, user_input: Mapping[str, Any], check: Check, entry: ConfigEntry | None = None
    ) -> dict[str, Any]:
        """Normalise address and port and try to listen there, unless the gate already does."""
        place = {CONF_HOST: user_input[CONF_HOST].strip(), CONF_PORT: user_input[CONF_PORT]}
        address = read_address(place[CONF_HOST])
        if address is None:
            check.refuse(CONF_HOST, "not_an_address")
        elif address.is_unspecified:
            check.refuse(CONF_HOST, "every_address")
        elif not _belongs_at_home(address):
            check.refuse(CONF_HOST, "public_address")
        else:
            place[CONF_HOST] = str(address)
            if entry is None or not _holds(entry, place):
                error = await self.hass.async_add_executor_job(
                    _try_to_listen, place[CONF_HOST], place[CONF_PORT]
                )
                if error is not None:
                    check.refuse(CONF_HOST if error == "not_our_address" else CONF_PORT, error)
        return place

    async def _async_own_address(self) -> str:
        """Return this machine's address at home, as far as it is known."""
        try:
            own = read_address(await network.async_get_source_ip(self.hass))
        except HomeAssistantError:
            own = None
        return str(own) if own is not None and _belongs_at_home(own) else "127.0.0.1"


class PrivacyFirewallOptionsFlow(OptionsFlow):
    """Changes who may grant, and what the journal keeps."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for all of it; it holds at once."""
        if user_input is not None:
            # The form's numbers have a point.
            for key in (CONF_JOURNAL_DAYS, CONF_JOURNAL_MEGABYTES):
                user_input[key] = int(user_input[key])
            return self.async_create_entry(data={**self.config_entry.options, **user_input})
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(_OPTIONS, self.config_entry.options),
        )


def _number(least: int, most: int, unit: str) -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=least, max=most, step=1, unit_of_measurement=unit, mode=NumberSelectorMode.BOX
        )
    )


_OPTIONS = probatio.Schema(
    {
        probatio.Required(CONF_WHO_MAY_GRANT, default=EVERYONE): choice(
            (EVERYONE, ADMINISTRATORS), CONF_WHO_MAY_GRANT
        ),
        probatio.Required(CONF_GUARDIANS, default=False): BooleanSelector(),
        probatio.Required(CONF_JOURNAL_DAYS, default=DEFAULT_JOURNAL_DAYS): _number(
            1, MAX_JOURNAL_DAYS, "d"
        ),
        probatio.Required(CONF_JOURNAL_MEGABYTES, default=DEFAULT_JOURNAL_MEGABYTES): _number(
            MIN_JOURNAL_MEGABYTES, MAX_JOURNAL_MEGABYTES, "MB"
        ),
        probatio.Required(CONF_KEEP_VALUES, default=False): BooleanSelector(),
        probatio.Required(CONF_JOURNAL_IN_BACKUPS, default=False): BooleanSelector(),
    }
)


def _belongs_at_home(address: Address) -> bool:
    """Tell whether only the home (or a private network over it) can reach an address."""
    return not address.is_multicast and (address.is_private or address in _CARRIER_GRADE_NAT)


def _holds(entry: ConfigEntry, place: Mapping[str, Any]) -> bool:
    """Tell whether this entry's own gate listens there now."""
    return (
        entry.state is ConfigEntryState.LOADED
        and {CONF_HOST: entry.data[CONF_HOST], CONF_PORT: entry.data[CONF_PORT]} == place
        and entry.runtime_data.firewall.gate_is_open
    )


_BIND_ERRORS = {
    errno.EADDRINUSE: "address_in_use",
    errno.EADDRNOTAVAIL: "not_our_address",
    errno.EACCES: "port_not_allowed",
}


def _try_to_listen(host: str, port: int) -> str | None:
    """Listen and stop at once; return the error's key where that is not possible. Blocks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as err:
        return _BIND_ERRORS.get(err.errno or 0, "cannot_bind")
    return None


def _describe(survey: Survey, texts: Mapping[str, str]) -> str:
    """Write what was seen, a block per group; a group with nothing in it is left out."""
    groups = {
        sight.value: [_line(device, texts) for device in survey.seen_as(sight)] for sight in Sight
    }
    groups["would_starve"] = [f"{plain(one.name)}: {one.devices}" for one in survey.starving]
    blocks = [
        texts.get(name, "{found}").format(count=len(lines), found=listed(lines, texts))
        for name, lines in groups.items()
        if lines
    ]
    return "\n\n".join(blocks) or texts.get("none", "-")


def _line(device: SurveyedDevice, texts: Mapping[str, str]) -> str:
    evidence = texts.get(device.evidence, device.evidence).format(
        integration=plain(", ".join(device.integrations)), where=plain(device.where)
    )
    return f"**{plain(device.name)}**: {evidence}"
