"""The forms of an appliance: user or reconfigure → device_mac where the device has one → token."""

from collections.abc import Iterable, Mapping
import re
import secrets
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_NAME, CONF_PORT, CONF_TOKEN
from homeassistant.data_entry_flow import section
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    DeviceSelector,
    EntitySelector,
    EntitySelectorConfig,
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
    CONF_OWNER,
    CONF_PROMOTED,
    CONF_REMAINDER,
    PERSON,
    SUBENTRY_APPLIANCE,
)
from .engine import Topic, topic_of
from .engine.model import Answer, DataPoint, Endpoint, Remainder
from .forms import (
    LINES,
    TEXT,
    URL,
    Check,
    async_words,
    choice,
    plain,
    read_address,
    read_lines,
)

CONF_USE_TOKEN = "use_token"  # noqa: S105 - the name of a field
SECTION_POINTS = "everything"
CONF_NEW_TOKEN = "new_token"  # noqa: S105 - the name of a field

MAX_PROMOTED = 40
"""Data points of an appliance that a household may pick to have entities."""
TOKEN_BYTES = 16
"""128 random bits: an appliance's token is all that stands between a stranger and its cloud."""

_MAC = re.compile(r"[0-9a-f]{12}")


class ApplianceFlow(ConfigSubentryFlow):
    """Adds or changes an appliance."""

    def __init__(self) -> None:
        """Start with nothing stated."""
        self._data: dict[str, Any] = {}
        self._offered: list[str] = []

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask what the appliance is and how it is recognised."""
        return await self._async_state("user", user_input, {})

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change any of it, and pick the data points that have entities."""
        known = self._get_reconfigure_subentry().data
        return await self._async_state("reconfigure", user_input, known)

    async def _async_state(
        self, step_id: str, user_input: dict[str, Any] | None, known: Mapping[str, Any]
    ) -> SubentryFlowResult:
        check = Check()
        points = self._data_points() if known else []
        if user_input is not None:
            self._data = self._stated(user_input, known, points, check)
            if not check.errors:
                if self._offered:
                    return await self.async_step_device_mac()
                return await self.async_step_token()
        schema = _appliance_schema(
            points,
            await async_words(self.hass, "topic") if points else {},
            has_token=bool(known.get(CONF_TOKEN)),
        )
        suggested = user_input or {
            **{name: value for name, value in known.items() if value is not None},
            **self._picked(known.get(CONF_OWNER)),
            CONF_USE_TOKEN: bool(known.get(CONF_TOKEN)),
            SECTION_POINTS: {
                CONF_PROMOTED: [one.id for one in points if one.id in known.get(CONF_PROMOTED, ())]
            },
        }
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=check.errors,
            description_placeholders={
                "appliance": plain(str(known.get(CONF_NAME, ""))),
                **check.named,
            },
            last_step=False,
        )

    async def async_step_device_mac(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Offer to recognise the appliance by what its device in Home Assistant is known by."""
        check = Check()
        if user_input is not None:
            chosen = user_input.get(CONF_MACS, [])
            if chosen or _recognisable(self._data):
                self._data[CONF_MACS] = chosen
                return await self.async_step_token()
            check.refuse("base", "not_recognisable")
        options = [SelectOptionDict(value=mac, label=mac) for mac in self._offered]
        schema = probatio.Schema(
            {
                probatio.Optional(CONF_MACS): SelectSelector(
                    SelectSelectorConfig(
                        options=options, multiple=True, mode=SelectSelectorMode.LIST
                    )
                )
            }
        )
        suggested = user_input or {CONF_MACS: [] if _recognisable(self._data) else self._offered}
        return self.async_show_form(
            step_id="device_mac",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=check.errors,
            description_placeholders={"appliance": plain(self._data[CONF_NAME])},
            last_step=False,
        )

    async def async_step_token(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the address to type into the appliance, where it has a token."""
        if user_input is None and self._data[CONF_TOKEN] is not None:
            place = self._get_entry().data
            return self.async_show_form(
                step_id="token",
                data_schema=probatio.Schema({}),
                description_placeholders={
                    "appliance": plain(self._data[CONF_NAME]),
                    "gate_url": gate_url(
                        place[CONF_HOST], place[CONF_PORT], self._data[CONF_TOKEN]
                    ),
                    "base_url": self._data[CONF_BASE_URL],
                },
            )
        if self.source == SOURCE_USER:
            place = self._get_entry().data
            # Whoever has a token has just read where to type it in.
            return self.async_create_entry(
                title=self._data[CONF_NAME],
                data=self._data,
                description=None if self._data[CONF_TOKEN] else "bring_its_traffic",
                description_placeholders={
                    "appliance": plain(self._data[CONF_NAME]),
                    "gate": gate_url(place[CONF_HOST], place[CONF_PORT]),
                },
            )
        return self.async_update_and_abort(
            self._get_entry(),
            self._get_reconfigure_subentry(),
            title=self._data[CONF_NAME],
            data=self._data,
        )

    def _stated(
        self,
        user_input: Mapping[str, Any],
        known: Mapping[str, Any],
        points: list[DataPoint],
        check: Check,
    ) -> dict[str, Any]:
        """Return the appliance's data as stated, normalised; what is wrong goes into `check`."""
        token = None
        if user_input[CONF_USE_TOKEN]:
            # Kept over a form shown again, or the address shown last would not be the first one.
            token = known.get(CONF_TOKEN) or self._data.get(CONF_TOKEN)
            if token is None or user_input.get(CONF_NEW_TOKEN):
                token = secrets.token_urlsafe(TOKEN_BYTES)
        data = {
            **known,
            CONF_NAME: user_input[CONF_NAME].strip(),
            CONF_DEVICE_ID: user_input.get(CONF_DEVICE_ID),
            CONF_ADDRESSES: _addresses(user_input.get(CONF_ADDRESSES, ()), check),
            CONF_MACS: _macs(user_input.get(CONF_MACS, ()), check),
            CONF_TOKEN: token,
            CONF_BASE_URL: _base_url(user_input.get(CONF_BASE_URL, ""), check),
            CONF_REMAINDER: user_input[CONF_REMAINDER],
            CONF_ANSWER: user_input[CONF_ANSWER],
            CONF_OWNER: self._owner(user_input.get(CONF_OWNER), known, check),
            CONF_PROMOTED: _promoted(user_input, known, points, check),
        }
        if not data[CONF_NAME]:
            check.refuse(CONF_NAME, "missing")
        if token is not None and data[CONF_BASE_URL] is None:
            check.refuse(CONF_BASE_URL, "base_url_needed")
        self._refuse_taken(data, check)
        self._offered = []
        device_id = data[CONF_DEVICE_ID]
        if device_id is not None:
            device = _device(dr.async_get(self.hass), device_id)
            if device is None:
                check.refuse(CONF_DEVICE_ID, "no_such_device")
            elif not data[CONF_MACS] and device_id != known.get(CONF_DEVICE_ID):
                self._offered = sorted(
                    value
                    for kind, value in device.connections
                    if kind == dr.CONNECTION_NETWORK_MAC
                    and self._holder(CONF_MACS, value, data) is None
                )
        if not self._offered and not _recognisable(data):
            check.refuse("base", "not_recognisable")
        return data

    def _picked(self, owner: str | None) -> dict[str, str]:
        """Return how the form shows whose data it is: one who is gone by what is left, their id."""
        person = er.async_get(self.hass).entities.get_entry(owner) if owner else None
        return {CONF_OWNER: person.entity_id if person is not None else owner} if owner else {}

    def _owner(self, typed: str | None, known: Mapping[str, Any], check: Check) -> str | None:
        """Return a person's id in the registry, which a new name does not change.

        One who is gone stays until somebody else, or nobody, is picked: it is not for everybody
        then.
        """
        if typed is None or typed == known.get(CONF_OWNER):
            return typed
        person = er.async_get(self.hass).async_get(typed)
        if person is None or person.domain != PERSON:
            check.refuse(CONF_OWNER, "no_such_person")
            return None
        return person.id

    def _refuse_taken(self, data: Mapping[str, Any], check: Check) -> None:
        """Refuse an address or a MAC by which another appliance is recognised."""
        for where, error in ((CONF_ADDRESSES, "address_taken"), (CONF_MACS, "mac_taken")):
            for value in data[where]:
                if (other := self._holder(where, value, data)) is not None:
                    check.refuse(where, error, taken=value, other=other)

    def _holder(self, where: str, value: str, data: Mapping[str, Any]) -> str | None:
        """Return the other appliance known by this, unless their tokens tell the two apart."""
        mine = self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else None
        for subentry in self._get_entry().get_subentries_of_type(SUBENTRY_APPLIANCE):
            if subentry.subentry_id == mine or value not in subentry.data.get(where, ()):
                continue
            if data[CONF_TOKEN] is None or subentry.data.get(CONF_TOKEN) is None:
                return subentry.title
        return None

    def _data_points(self) -> list[DataPoint]:
        """Return what was seen of the appliance, by name; nothing while the entry is not loaded."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return []
        seen: list[DataPoint] = entry.runtime_data.firewall.data_points(
            self._reconfigure_subentry_id
        )
        order = list(Topic)
        return sorted(
            seen,
            key=lambda one: (order.index(topic_of(one)), one.name.casefold(), one.template),
        )


def _appliance_schema(
    points: list[DataPoint], topics: Mapping[str, str], *, has_token: bool
) -> probatio.Schema:
    schema: dict[probatio.Marker, Any] = {
        probatio.Required(CONF_NAME): TEXT,
        probatio.Optional(CONF_DEVICE_ID): DeviceSelector(),
        probatio.Optional(CONF_OWNER): EntitySelector(
            EntitySelectorConfig(filter=[{"domain": PERSON}])
        ),
        probatio.Optional(CONF_ADDRESSES): LINES,
        probatio.Optional(CONF_MACS): LINES,
        probatio.Required(CONF_USE_TOKEN, default=False): BooleanSelector(),
    }
    if has_token:
        schema[probatio.Required(CONF_NEW_TOKEN, default=False)] = BooleanSelector()
    schema |= {
        probatio.Optional(CONF_BASE_URL): URL,
        probatio.Required(CONF_REMAINDER, default=Remainder.REDACT.value): choice(
            Remainder, CONF_REMAINDER
        ),
        probatio.Required(CONF_ANSWER, default=Answer.CALM.value): choice(Answer, CONF_ANSWER),
    }
    if points:
        options = [
            SelectOptionDict(
                value=point.id,
                label=f"{topics.get(topic := topic_of(point).value, topic)}: {point.name}"
                f" · {point.field}",
            )
            for point in points
        ]
        picked = SelectSelector(
            SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.DROPDOWN)
        )
        # Folded away: of a long report it holds hundreds, and few of them are ever picked.
        schema[probatio.Optional(SECTION_POINTS)] = section(
            probatio.Schema({probatio.Optional(CONF_PROMOTED): picked}), {"collapsed": True}
        )
    return probatio.Schema(schema)


def gate_url(host: str, port: int, token: str | None = None) -> str:
    """Return the base URL to type into an appliance that lets its server be set."""
    base_url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    return base_url if token is None else f"{base_url}{token}/"


def _addresses(typed: Iterable[str], check: Check) -> list[str]:
    read: list[str] = []
    for line in read_lines(typed):
        address = read_address(line)
        if address is None or address.is_unspecified or address.is_multicast:
            check.refuse(CONF_ADDRESSES, "invalid_address", address=line)
        else:
            read.append(str(address).partition("%")[0])
    return list(dict.fromkeys(read))


def _macs(typed: Iterable[str], check: Check) -> list[str]:
    read: list[str] = []
    for line in read_lines(typed):
        digits = re.sub(r"[:.\s-]", "", line.lower())
        if _MAC.fullmatch(digits) is None or int(digits, 16) in (0, 2**48 - 1):
            check.refuse(CONF_MACS, "invalid_mac", mac=line)
        else:
            read.append(dr.format_mac(digits))
    return list(dict.fromkeys(read))


def _base_url(typed: str, check: Check) -> str | None:
    """Return the cloud's base URL in its plain form; an endpoint's rules hold for it too."""
    if not typed.strip():
        return None
    try:
        endpoint = Endpoint.parse(typed)
    except ValueError:
        endpoint = None
    # A space would set off a method, which a base URL has not.
    if endpoint is None or " " in typed.strip():
        check.refuse(CONF_BASE_URL, "invalid_base_url")
        return None
    return f"{endpoint.origin}{endpoint.prefix}"


def _promoted(
    user_input: Mapping[str, Any],
    known: Mapping[str, Any],
    points: list[DataPoint],
    check: Check,
) -> list[str]:
    """Return the data points picked, with those known before that the form could not show."""
    shown = {point.id for point in points}
    picked = [one for one in known.get(CONF_PROMOTED, ()) if one not in shown]
    picked += user_input.get(SECTION_POINTS, {}).get(CONF_PROMOTED, [])
    if len(picked) > MAX_PROMOTED:
        # A field in a section has no place for an error of its own: the section shows it.
        check.refuse(SECTION_POINTS, "too_many_promoted", limit=str(MAX_PROMOTED))
    return picked


def _recognisable(data: Mapping[str, Any]) -> bool:
    return bool(data[CONF_ADDRESSES] or data[CONF_MACS] or data[CONF_TOKEN])


def _device(registry: dr.DeviceRegistry, device_id: str) -> dr.DeviceEntry | None:
    """Return a device; of a part, the whole that has the connections."""
    device = registry.async_get(device_id)
    if isinstance(device, dr.ChildDeviceEntry):
        return registry.async_get(device.parent_device_id, include_child_devices=False)
    return device
