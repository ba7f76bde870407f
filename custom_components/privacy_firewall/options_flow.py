"""The forms of the entry's options: init (a menu) → rules, dns_gate or handed_out."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
import probatio

from .const import (
    ADMINISTRATORS,
    CONF_DNS_GATE,
    CONF_GUARDIANS,
    CONF_HANDED_OUT,
    CONF_JOURNAL_DAYS,
    CONF_JOURNAL_IN_BACKUPS,
    CONF_JOURNAL_MEGABYTES,
    CONF_KEEP_VALUES,
    CONF_WHO_MAY_GRANT,
    DEFAULT_JOURNAL_DAYS,
    DEFAULT_JOURNAL_MEGABYTES,
    EVERYONE,
)
from .dns_form import SCHEMA, async_read, async_suggest, async_surroundings
from .forms import Check, choice
from .sender_form import SENDER_SCHEMA, read_sender, suggested_sender

MAX_JOURNAL_DAYS = 3660
"""Days that the journal may reach back at most: ten years."""
MIN_JOURNAL_MEGABYTES = 10
"""Megabytes that a few days of a busy home take."""
MAX_JOURNAL_MEGABYTES = 10_000
"""Megabytes up to which the journal is still quick to read."""


class PrivacyFirewallOptionsFlow(OptionsFlow):
    """Changes the household's rules and the DNS gate; what is changed holds at once."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which of them."""
        return self.async_show_menu(
            step_id="init", menu_options=["rules", "dns_gate", "handed_out"]
        )

    async def async_step_rules(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask who may grant, and what the journal keeps."""
        if user_input is not None:
            # The form's numbers have a point.
            for key in (CONF_JOURNAL_DAYS, CONF_JOURNAL_MEGABYTES):
                user_input[key] = int(user_input[key])
            return self.async_create_entry(data={**self.config_entry.options, **user_input})
        return self.async_show_form(
            step_id="rules",
            data_schema=self.add_suggested_values_to_schema(_RULES, self.config_entry.options),
        )

    async def async_step_dns_gate(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the DNS gate listens, whom it asks, and what it does with which name."""
        entry, check = self.config_entry, Check()
        if user_input is not None:
            read = await async_read(self.hass, entry, user_input, check)
            if not check.errors:
                return self.async_create_entry(data={**entry.options, CONF_DNS_GATE: read})
        suggested = user_input or await async_suggest(self.hass, entry)
        return self.async_show_form(
            step_id="dns_gate",
            data_schema=self.add_suggested_values_to_schema(SCHEMA, suggested),
            errors=check.errors,
            description_placeholders={
                **await async_surroundings(self.hass, entry),
                **check.named,
            },
        )

    async def async_step_handed_out(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to watch what Home Assistant itself hands out, and of which entities."""
        entry, check = self.config_entry, Check()
        if user_input is not None:
            read = read_sender(self.hass, user_input, check)
            if not check.errors:
                return self.async_create_entry(data={**entry.options, CONF_HANDED_OUT: read})
        suggested = user_input or suggested_sender(self.hass, entry.options)
        return self.async_show_form(
            step_id="handed_out",
            data_schema=self.add_suggested_values_to_schema(SENDER_SCHEMA, suggested),
            errors=check.errors,
            description_placeholders={"entity": "", "most": "", **check.named},
        )


def _number(least: int, most: int, unit: str) -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=least, max=most, step=1, unit_of_measurement=unit, mode=NumberSelectorMode.BOX
        )
    )


_RULES = probatio.Schema(
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
