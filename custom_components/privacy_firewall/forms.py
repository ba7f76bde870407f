"""What the forms of entry, appliance and recipient share: their fields, and how typing is read.

What is typed is normalised before it is stored, so that the rest compares plain strings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
import re

from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN
from .engine import unmapped

MAX_LINES = 20
"""Lines of a list in a form; a home can have hundreds of devices."""

type Address = IPv4Address | IPv6Address


@dataclass(slots=True)
class Check:
    """What is wrong with a form: one error per field, and what the errors name."""

    errors: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def refuse(self, where: str, error: str, **named: str) -> None:
        """Refuse a field; the first reason stays."""
        if where not in self.errors:
            self.errors[where] = error
            self.named |= named


def choice(options: Iterable[str], key: str) -> SelectSelector:
    """Return a choice of one, all options in view, worded by the translations."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[str(option) for option in options],
            translation_key=key,
            mode=SelectSelectorMode.LIST,
        )
    )


TEXT = TextSelector()
PROSE = TextSelector(TextSelectorConfig(multiline=True))
LINES = TextSelector(TextSelectorConfig(multiple=True))
URL = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))


def read_address(text: str) -> Address | None:
    """Read an address in any spelling; an IPv4 address inside IPv6 is that IPv4 address."""
    try:
        return unmapped(ip_address(text.strip().strip("[]")))
    except ValueError:
        return None


def read_lines(typed: Iterable[str]) -> list[str]:
    """Return what was typed, a line each, without blanks; pasted lines may stand in one field."""
    return [line.strip() for text in typed for line in text.splitlines() if line.strip()]


async def async_words(hass: HomeAssistant, kind: str = "survey") -> dict[str, str]:
    """Return the words of lists in Home Assistant's language; placeholders arrive as they are."""
    prefix = f"component.{DOMAIN}.selector.{kind}.options."
    texts = await async_get_translations(hass, hass.config.language, "selector", [DOMAIN])
    return {key.removeprefix(prefix): text for key, text in texts.items() if key.startswith(prefix)}


def listed(lines: list[str], texts: Mapping[str, str]) -> str:
    """Return a Markdown list, cut to a length that can be read."""
    if not lines:
        return texts.get("none", "-")
    shown = lines[:MAX_LINES]
    if rest := len(lines) - len(shown):
        shown.append(texts.get("more", "+ {count}").format(count=rest))
    return "\n".join(f"- {line}" for line in shown)


def plain(text: str) -> str:
    """Return a name as it stands, not as Markdown or HTML: devices name themselves.

    Nor as a link: an address that stands by itself is made one (GFM, 6.9 “autolinks (extension)”).
    """
    return re.sub(
        r"([\\`*_\[\]<>#|~!&@]|:(?=/)|(?<=www)\.)",
        r"\\\1",
        " ".join(text.split()),
        flags=re.IGNORECASE,
    )
