"""The forms of a recipient: user, later reconfigure."""

from collections.abc import Iterable, Mapping
import re
from typing import Any

from homeassistant.config_entries import (
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
)
import probatio

from .const import (
    CONF_ALLOW_PRIVATE,
    CONF_BENEFIT,
    CONF_ENDPOINTS,
    CONF_FRAMING,
    CONF_FUNCTIONAL,
    CONF_IF_REFUSED,
    CONF_NAMES,
    CONF_NEUTRAL,
    CONF_ORGANISATION,
    CONF_POLICY,
    CONF_PURPOSE,
    CONF_RETENTION,
    CONF_STORAGE,
    SUBENTRY_RECIPIENT,
)
from .engine import (
    FramingError,
    PathSyntaxError,
    expand_name,
    parse_framing,
    parse_path,
    spell_framing,
)
from .engine.model import Endpoint, Purpose
from .forms import (
    LINES,
    PROSE,
    TEXT,
    URL,
    Address,
    Check,
    choice,
    plain,
    read_address,
    read_lines,
)
from .survey import is_at_home

SECTION_STATED = "stated"
SECTION_ADVANCED = "advanced"
CONF_PROPOSED = "proposed"
"""Holds what a repair proposes, in the place of what was typed."""
MAX_STATED = 500
"""Characters of what a recipient states of itself: a notice is to be read."""


class RecipientFlow(ConfigSubentryFlow):
    """Adds or changes a recipient."""

    def __init__(self) -> None:
        """Start with nothing proposed."""
        self._proposed: dict[str, Any] = {}

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask who receives, for what purpose, and where. A repair may know where, and who."""
        check = Check()
        if user_input is not None and CONF_PURPOSE not in user_input:
            # Kept: whoever opens the form that a repair started asks for it without input.
            self._proposed, user_input = user_input.get(CONF_PROPOSED, user_input), None
        if user_input is not None:
            organisation = user_input[CONF_ORGANISATION].strip()
            title = f"{organisation} ({user_input[CONF_PURPOSE]})"
            if not organisation:
                check.refuse(CONF_ORGANISATION, "missing")
            if title.casefold() in {
                subentry.title.casefold()
                for subentry in self._get_entry().get_subentries_of_type(SUBENTRY_RECIPIENT)
            }:
                check.refuse(CONF_ORGANISATION, "recipient_exists")
            data = {
                CONF_ORGANISATION: organisation,
                CONF_PURPOSE: user_input[CONF_PURPOSE],
                **_received(user_input, {}, check),
            }
            if not check.errors:
                return self.async_create_entry(title=title, data=data)
        schema = probatio.Schema(
            {
                probatio.Required(CONF_ORGANISATION): TEXT,
                # Only proposed where a vendor states it: what the data is for is the household's
                # own finding.
                probatio.Required(CONF_PURPOSE): choice(Purpose, CONF_PURPOSE),
                **_RECIPIENT_FIELDS,
            }
        )
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or self._proposed),
            errors=check.errors,
            description_placeholders={**_EXAMPLES, **check.named},
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change where and what, but not who or why: consents given hold for these alone."""
        subentry = self._get_reconfigure_subentry()
        check = Check()
        if user_input is not None:
            received = _received(user_input, subentry.data, check)
            if not check.errors:
                return self.async_update_and_abort(
                    self._get_entry(), subentry, data_updates=received
                )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                probatio.Schema(_RECIPIENT_FIELDS),
                user_input
                or {
                    **subentry.data,
                    SECTION_STATED: subentry.data,
                    SECTION_ADVANCED: subentry.data,
                },
            ),
            errors=check.errors,
            description_placeholders={
                "recipient": plain(subentry.title),
                **_EXAMPLES,
                **check.named,
            },
        )


_EXAMPLES = {
    "example": "POST https://telemetry.vendor.example/v1",
    "example_name": "{eu|us}-mqtt#.vendor.example",
    "example_framing": "xor:5a,length:decimal-l,crc16-modbus:hex",
}
"""Of an endpoint, a name and a framing; braces cannot stand in a translation."""

_RECIPIENT_FIELDS: dict[probatio.Marker, Any] = {
    probatio.Optional(CONF_BENEFIT): PROSE,
    probatio.Optional(CONF_IF_REFUSED): PROSE,
    probatio.Optional(CONF_ENDPOINTS): LINES,
    probatio.Optional(CONF_NAMES): LINES,
    probatio.Optional(SECTION_STATED): section(
        probatio.Schema(
            {
                probatio.Optional(CONF_STORAGE): TEXT,
                probatio.Optional(CONF_RETENTION): TEXT,
                probatio.Optional(CONF_POLICY): URL,
            }
        ),
        {"collapsed": True},
    ),
    probatio.Optional(SECTION_ADVANCED): section(
        probatio.Schema(
            {
                probatio.Optional(CONF_FUNCTIONAL): LINES,
                probatio.Optional(CONF_NEUTRAL): LINES,
                probatio.Optional(CONF_FRAMING): TEXT,
                probatio.Required(CONF_ALLOW_PRIVATE, default=False): BooleanSelector(),
            }
        ),
        {"collapsed": True},
    ),
}


def _received(
    user_input: Mapping[str, Any], known: Mapping[str, Any], check: Check
) -> dict[str, Any]:
    """Return what may be changed about a recipient, normalised; what is wrong goes to `check`."""
    advanced = user_input.get(SECTION_ADVANCED, known)
    stated = user_input.get(SECTION_STATED, known)
    allow_private = bool(advanced.get(CONF_ALLOW_PRIVATE))
    endpoints = _endpoints(user_input.get(CONF_ENDPOINTS, ()), check, allow_private=allow_private)
    names = _names(user_input.get(CONF_NAMES, ()), endpoints, check, allow_private=allow_private)
    if not endpoints and not names:
        check.refuse(CONF_ENDPOINTS, "endpoint_or_name")
    return {
        CONF_BENEFIT: user_input.get(CONF_BENEFIT, "").strip(),
        CONF_IF_REFUSED: user_input.get(CONF_IF_REFUSED, "").strip(),
        CONF_ENDPOINTS: endpoints,
        CONF_NAMES: names,
        CONF_FUNCTIONAL: _paths(CONF_FUNCTIONAL, advanced, check),
        CONF_NEUTRAL: _paths(CONF_NEUTRAL, advanced, check),
        CONF_FRAMING: _framing(advanced, check),
        CONF_ALLOW_PRIVATE: allow_private,
        CONF_STORAGE: _stated(CONF_STORAGE, stated, check),
        CONF_RETENTION: _stated(CONF_RETENTION, stated, check),
        CONF_POLICY: _stated(CONF_POLICY, stated, check),
    }


def _stated(where: str, stated: Mapping[str, Any], check: Check) -> str:
    """Return a line that a recipient states of itself; empty where it states none."""
    text = " ".join(str(stated.get(where) or "").split())
    # A field in a section has no place for an error of its own: the section shows it.
    if len(text) > MAX_STATED:
        check.refuse(SECTION_STATED, "too_long")
    elif where == CONF_POLICY and text and not re.fullmatch(r"https?://[^\s]+", text):
        check.refuse(SECTION_STATED, "invalid_policy", policy=text)
    return text


def _endpoints(typed: Iterable[str], check: Check, *, allow_private: bool) -> list[str]:
    read: list[str] = []
    for line in read_lines(typed):
        try:
            endpoint = Endpoint.parse(line)
        except ValueError:
            check.refuse(CONF_ENDPOINTS, "invalid_endpoint", endpoint=line)
            continue
        address = read_address(endpoint.host)
        if address is not None and (
            address.is_unspecified or address.is_multicast or address.is_link_local
        ):
            check.refuse(CONF_ENDPOINTS, "never_called", endpoint=line)
        elif not allow_private and _is_private(endpoint.host, address):
            check.refuse(CONF_ENDPOINTS, "private_endpoint", endpoint=line)
        read.append(str(endpoint))
    return list(dict.fromkeys(read))


def _names(
    typed: Iterable[str], endpoints: list[str], check: Check, *, allow_private: bool
) -> list[str]:
    """Return the names as stated, templates as such; each must stand for exact names."""
    read: list[str] = []
    readable = {Endpoint.parse(one).host for one in endpoints}
    for line in read_lines(typed):
        template = line.lower().rstrip(".")
        try:
            names = expand_name(template)
        except ValueError:
            check.refuse(CONF_NAMES, "invalid_name", name=line)
            continue
        if both := readable.intersection(names):
            # A gate reads its traffic: whatever else goes there would be led to that gate.
            check.refuse(CONF_NAMES, "name_is_read", name=min(both))
        elif not allow_private and any(map(is_at_home, names)):
            check.refuse(CONF_NAMES, "private_name", name=line)
        read.append(template)
    return list(dict.fromkeys(read))


def _is_private(host: str, address: Address | None) -> bool:
    """Tell whether an endpoint is at home; a name that only resolves there is refused later."""
    if address is not None:
        return not address.is_global
    return host == "localhost" or host.endswith(".localhost") or is_at_home(host)


def _framing(advanced: Mapping[str, Any], check: Check) -> str:
    """Return the framing in its plain spelling, empty for none."""
    try:
        return spell_framing(parse_framing(str(advanced.get(CONF_FRAMING) or "")))
    except FramingError:
        check.refuse(SECTION_ADVANCED, f"invalid_{CONF_FRAMING}")
        return ""


def _paths(where: str, advanced: Mapping[str, Any], check: Check) -> list[str]:
    read: list[str] = []
    for line in read_lines(advanced.get(where, ())):
        try:
            read.append(str(parse_path(line)))
        except PathSyntaxError:
            # A field in a section has no place for an error of its own: the section shows it.
            check.refuse(SECTION_ADVANCED, f"invalid_{where}", path=line)
    return list(dict.fromkeys(read))
