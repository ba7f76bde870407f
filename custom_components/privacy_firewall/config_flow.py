"""The forms in which a household states its gate: user (look only) → gate; later reconfigure.

Options, appliances and recipients have forms of their own: `options_flow`, `appliance_flow` and
`recipient_flow`. Nothing is taken over unless all of a form is right, and a form drops nothing that
it does not show.
"""

from collections.abc import Mapping
from typing import Any, override

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
from homeassistant.helpers import config_validation as cv
import probatio

from .appliance_flow import ApplianceFlow
from .const import (
    DOMAIN,
    SUBENTRY_APPLIANCE,
    SUBENTRY_RECIPIENT,
)
from .forms import (
    TEXT,
    Check,
    async_words,
    listed,
    plain,
    read_address,
)
from .options_flow import PrivacyFirewallOptionsFlow
from .places import address_trouble, async_own_address, is_home_assistants, try_to_listen
from .recipient_flow import RecipientFlow
from .survey import Sight, Survey, SurveyedDevice, async_survey

DEFAULT_PORT = 8080
"""The port for HTTP besides 80 that anyone may open (IANA: http-alt)."""


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
        suggested = {CONF_HOST: await async_own_address(self.hass), CONF_PORT: DEFAULT_PORT}
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
        if (error := address_trouble(address)) is not None:
            check.refuse(CONF_HOST, error)
            return place
        place[CONF_HOST] = str(address)
        if entry is not None and _holds(entry, place):
            return place
        if is_home_assistants(self.hass, place[CONF_HOST], place[CONF_PORT]):
            check.refuse(CONF_PORT, "home_assistant_there")
            return place
        error = await self.hass.async_add_executor_job(
            try_to_listen, place[CONF_HOST], place[CONF_PORT]
        )
        if error is not None:
            check.refuse(CONF_HOST if error == "not_our_address" else CONF_PORT, error)
        return place


def _holds(entry: ConfigEntry, place: Mapping[str, Any]) -> bool:
    """Tell whether this entry's own gate listens there now."""
    return (
        entry.state is ConfigEntryState.LOADED
        and {CONF_HOST: entry.data[CONF_HOST], CONF_PORT: entry.data[CONF_PORT]} == place
        and entry.runtime_data.firewall.gate_is_open
    )


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
