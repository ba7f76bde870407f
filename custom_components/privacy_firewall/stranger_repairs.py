"""The repair of unknown clients: which of them is an appliance, and how it is recognised."""

from types import MappingProxyType
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_DEVICE_ID, CONF_NAME, CONF_TOKEN
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.selector import (
    DeviceSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import (
    CONF_ADDRESSES,
    CONF_ANSWER,
    CONF_BASE_URL,
    CONF_MACS,
    CONF_NO_APPLIANCES,
    CONF_OWNER,
    CONF_PROMOTED,
    CONF_REMAINDER,
    DOMAIN,
    SUBENTRY_APPLIANCE,
)
from .engine import Faces
from .engine.model import Answer, Remainder
from .engine.naming import Stranger
from .faces import async_faces, grouped
from .forms import TEXT, async_words, choice, listed, plain
from .household import Household
from .issues import written
from .strangers import (
    MAX_NO_APPLIANCES,
    Likely,
    async_likely,
    async_review_strangers,
    async_strangers,
)

CONF_CLIENT = "client"
CONF_CLIENTS = "clients"
CONF_RECOGNISED_BY = "recognised_by"
BY_MAC = "mac"
BY_ADDRESS = "address"
MAX_NAMES = 3
"""Names shown that a client asked for: enough to tell a fridge from a phone, and no more."""


class StrangersFlow(RepairsFlow):
    """Shows who asked for names, and takes one of them in, or leaves some out for good."""

    def __init__(self) -> None:
        """Start with nobody shown."""
        self._shown: dict[str, Stranger] = {}
        self._likely: dict[str, Likely] = {}
        self._client = ""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Show the clients seen until now, and ask what to do."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        async_review_strangers(household)
        self._shown = async_strangers(household)
        if not self._shown:
            return self.async_create_entry(data={})
        self._likely = await async_likely(self.hass, self._shown.values())
        lines = [await self._line(key) for key in self._shown]
        return self.async_show_menu(
            step_id="init",
            menu_options=["add_appliance", "no_appliances"],
            description_placeholders={"clients": listed(lines, await async_words(self.hass))},
        )

    async def async_step_add_appliance(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask which of them."""
        if user_input is None and len(self._shown) > 1:
            return self.async_show_form(
                step_id="add_appliance",
                data_schema=probatio.Schema(
                    {probatio.Required(CONF_CLIENT): self._choice(multiple=False)}
                ),
            )
        self._client = user_input[CONF_CLIENT] if user_input else next(iter(self._shown))
        return await self.async_step_appliance()

    async def async_step_appliance(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask what it is called, which device it is, and how it is recognised."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if self._client not in async_strangers(household):
            # Somebody was faster, or it is no longer seen.
            return await self.async_step_init()
        stranger, likely = self._shown[self._client], self._likely[self._client]
        errors: dict[str, str] = {}
        if user_input is not None:
            if not user_input[CONF_NAME].strip():
                errors[CONF_NAME] = "missing"
            elif (device_id := user_input.get(CONF_DEVICE_ID)) is not None and (
                dr.async_get(self.hass).async_get(device_id) is None
            ):
                errors[CONF_DEVICE_ID] = "no_such_device"
            else:
                self._add(household, stranger, user_input)
                return await self.async_step_init()
        by = [BY_MAC, BY_ADDRESS] if stranger.mac else [BY_ADDRESS]
        schema = probatio.Schema(
            {
                probatio.Required(CONF_NAME): TEXT,
                probatio.Optional(CONF_DEVICE_ID): DeviceSelector(),
                probatio.Required(CONF_RECOGNISED_BY, default=by[0]): choice(
                    by, CONF_RECOGNISED_BY
                ),
            }
        )
        device = likely.device
        suggested = user_input or {
            CONF_NAME: written(
                (device and (device.name_by_user or device.name)) or likely.hostname or ""
            ),
            **({CONF_DEVICE_ID: device.id} if device else {}),
        }
        return self.async_show_form(
            step_id="appliance",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=errors,
            description_placeholders={"client": await self._line(self._client)},
        )

    async def async_step_no_appliances(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask which are none, and remember them, so that they are not asked about again."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if user_input is None:
            return self.async_show_form(
                step_id="no_appliances",
                data_schema=probatio.Schema(
                    {probatio.Required(CONF_CLIENTS): self._choice(multiple=True)}
                ),
            )
        entry = household.entry
        before = entry.options.get(CONF_NO_APPLIANCES, ())
        remembered = list(dict.fromkeys([*before, *user_input[CONF_CLIENTS]]))
        self.hass.config_entries.async_update_entry(
            entry,
            options={**entry.options, CONF_NO_APPLIANCES: remembered[-MAX_NO_APPLIANCES:]},
        )
        return await self.async_step_init()

    def _household(self) -> Household | None:
        entries = self.hass.config_entries.async_loaded_entries(DOMAIN)
        return entries[0].runtime_data if entries else None

    async def _line(self, key: str) -> str:
        return _line(
            self._shown[key],
            self._likely[key],
            await async_faces(self.hass),
            await async_words(self.hass, "unknown_client"),
        )

    def _choice(self, *, multiple: bool) -> SelectSelector:
        """Return a choice of the clients shown; these labels are plain text."""
        options = [
            SelectOptionDict(value=key, label=_label(one, self._likely[key]))
            for key, one in self._shown.items()
        ]
        return SelectSelector(
            SelectSelectorConfig(options=options, multiple=multiple, mode=SelectSelectorMode.LIST)
        )

    def _add(self, household: Household, stranger: Stranger, stated: dict[str, Any]) -> None:
        """Take it in as the appliance's own form would; all of it is off."""
        is_by_mac = stated[CONF_RECOGNISED_BY] == BY_MAC and stranger.mac is not None
        name = stated[CONF_NAME].strip()
        data = {
            CONF_NAME: name,
            CONF_DEVICE_ID: stated.get(CONF_DEVICE_ID),
            CONF_ADDRESSES: [] if is_by_mac else [stranger.address],
            CONF_MACS: [stranger.mac] if is_by_mac else [],
            CONF_TOKEN: None,
            CONF_BASE_URL: None,
            CONF_REMAINDER: Remainder.REDACT.value,
            CONF_ANSWER: Answer.CALM.value,
            CONF_OWNER: None,
            CONF_PROMOTED: [],
        }
        self.hass.config_entries.async_add_subentry(
            household.entry,
            ConfigSubentry(
                data=MappingProxyType(data),
                subentry_type=SUBENTRY_APPLIANCE,
                title=name,
                unique_id=None,
            ),
        )


def _label(stranger: Stranger, likely: Likely) -> str:
    device = likely.device
    known = (device and (device.name_by_user or device.name)) or likely.hostname
    parts = (known, stranger.address, stranger.mac)
    return " · ".join(written(one) for one in parts if one)


def _line(stranger: Stranger, likely: Likely, faces: Faces, words: dict[str, str]) -> str:
    """Write what is known of a client; what comes from the network is no Markdown."""
    told = [f"**{plain(stranger.address)}**"]
    if stranger.mac:
        told[0] += f" ({plain(stranger.mac)})"

    def say(what: str, text: str) -> None:
        told.append(words.get(what, "{text}").format(text=text))

    if (device := likely.device) is not None:
        say("device", plain(written(device.name_by_user or device.name or "-")))
        if maker := " ".join(filter(None, (device.manufacturer, device.model))):
            say("maker", plain(written(maker)))
    if likely.hostname:
        say("hostname", plain(written(likely.hostname)))
    if likely.kinds:
        say("kinds", plain(", ".join(likely.kinds[:MAX_NAMES])))
    if stranger.names:
        say("names", grouped(faces, stranger.names[-MAX_NAMES:], words))
    say("asked", str(stranger.asked))
    return "; ".join(told)
