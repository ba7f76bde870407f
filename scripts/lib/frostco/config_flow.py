"""Where the fridge is."""

from typing import Any, override

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT
import probatio

from . import DOMAIN


class FrostCoFlow(ConfigFlow, domain=DOMAIN):
    """Asks for it."""

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take it as it is given."""
        if user_input is not None:
            return self.async_create_entry(title="Kitchen fridge", data=user_input)
        schema = probatio.Schema(
            {probatio.Required(CONF_HOST): str, probatio.Required(CONF_PORT): int}
        )
        return self.async_show_form(step_id="user", data_schema=schema)
