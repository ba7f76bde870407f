"""What the household stated, as the entry stores it, turned into the engine's values.

Stored data is trusted in nothing: what is broken is left out, which means denied.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
import logging
from math import inf
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import (
    CONF_NAME,
    CONF_TOKEN,
)
from homeassistant.helpers import device_registry as dr

from .const import (
    CONF_ADDRESSES,
    CONF_ALLOW_PRIVATE,
    CONF_ANSWER,
    CONF_BASE_URL,
    CONF_BENEFIT,
    CONF_ENDPOINTS,
    CONF_FRAMING,
    CONF_FUNCTIONAL,
    CONF_IF_REFUSED,
    CONF_JOURNAL_DAYS,
    CONF_JOURNAL_MEGABYTES,
    CONF_KEEP_VALUES,
    CONF_MACS,
    CONF_NAMES,
    CONF_NEUTRAL,
    CONF_ORGANISATION,
    CONF_OWNER,
    CONF_POLICY,
    CONF_PROMOTED,
    CONF_PURPOSE,
    CONF_REMAINDER,
    CONF_RETENTION,
    CONF_STORAGE,
    DEFAULT_JOURNAL_DAYS,
    DEFAULT_JOURNAL_MEGABYTES,
    SUBENTRY_APPLIANCE,
    SUBENTRY_RECIPIENT,
)
from .engine import FramingError, expand_name, parse_framing, spell_framing
from .engine.model import (
    Answer,
    Appliance,
    Endpoint,
    Purpose,
    Recipient,
    Remainder,
)

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What the journal keeps: for how many seconds, how many bytes, and whether released values."""

    max_age: float
    max_bytes: int
    values: bool


def keeping(entry: ConfigEntry[Any]) -> Keeping:
    """Return what the household wants kept; of what cannot be read, the default."""
    days = _number(entry.options, CONF_JOURNAL_DAYS, DEFAULT_JOURNAL_DAYS)
    megabytes = _number(entry.options, CONF_JOURNAL_MEGABYTES, DEFAULT_JOURNAL_MEGABYTES)
    return Keeping(
        max_age=days * 24 * 3600.0,
        max_bytes=megabytes * 1_000_000,
        values=entry.options.get(CONF_KEEP_VALUES) is True,
    )


def _number(options: Mapping[str, Any], key: str, default: int) -> int:
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < inf:
        return default
    return int(value)


def appliances(entry: ConfigEntry[Any]) -> list[Appliance]:
    """Return the appliances the household named."""
    return list(_read(entry, SUBENTRY_APPLIANCE, _appliance))


def recipients(entry: ConfigEntry[Any]) -> list[Recipient]:
    """Return the recipients the household named.

    A broken one takes the endpoints and names of others on its hosts with it: where two claim one
    both must be consented, and without it the other's consent would do.
    """
    read = list(_read(entry, SUBENTRY_RECIPIENT, _recipient))
    hosts = {
        host
        for subentry in entry.get_subentries_of_type(SUBENTRY_RECIPIENT)
        if subentry.subentry_id not in {one.id for one in read}
        for host in _hosts(subentry)
    }
    return [
        replace(
            one,
            endpoints=tuple(each for each in one.endpoints if each.host not in hosts),
            names=one.names - hosts,
        )
        for one in read
    ]


def _hosts(subentry: ConfigSubentry) -> Iterator[str]:
    """Return the hosts of a broken recipient, as far as they can be read."""
    for line in _lines(subentry, CONF_ENDPOINTS):
        with suppress(ValueError):
            yield Endpoint.parse(line).host
    for line in _lines(subentry, CONF_NAMES):
        with suppress(ValueError):
            yield from expand_name(line)


def _lines(subentry: ConfigSubentry, key: str) -> list[str]:
    """Return what stands there as lines, whatever it is."""
    lines = subentry.data.get(key, ())
    return [str(line) for line in (lines if isinstance(lines, list | tuple) else [lines])]


def _read[T](
    entry: ConfigEntry[Any], kind: str, read: Callable[[ConfigSubentry], T]
) -> Iterator[T]:
    for subentry in entry.get_subentries_of_type(kind):
        try:
            yield read(subentry)
        except (FramingError, KeyError, TypeError, ValueError) as err:
            # The error's own message may quote what is stored, a token for one.
            _LOGGER.warning(
                "The stored %s %s (%s) cannot be read and is left out, so that all of it is"
                " denied (%s)",
                kind, subentry.title, subentry.subentry_id, type(err).__name__,
            )  # fmt: skip


def _appliance(subentry: ConfigSubentry) -> Appliance:
    data = subentry.data
    return Appliance(
        id=subentry.subentry_id,
        name=_text(data, CONF_NAME),
        addresses=frozenset(str(ip_address(one)) for one in _texts(data, CONF_ADDRESSES)),
        macs=frozenset(dr.format_mac(mac) for mac in _texts(data, CONF_MACS)),
        token=_optional(data, CONF_TOKEN),
        base_url=_optional(data, CONF_BASE_URL),
        remainder=Remainder(data.get(CONF_REMAINDER, Remainder.REDACT)),
        answer=Answer(data.get(CONF_ANSWER, Answer.CALM)),
        promoted=frozenset(_texts(data, CONF_PROMOTED)),
        owner=_optional(data, CONF_OWNER),
    )


def _recipient(subentry: ConfigSubentry) -> Recipient:
    data = subentry.data
    allow_private = data.get(CONF_ALLOW_PRIVATE, False)
    if not isinstance(allow_private, bool):
        raise TypeError("yes or no is wanted")
    framing = spell_framing(parse_framing(_optional(data, CONF_FRAMING) or ""))
    return Recipient(
        id=subentry.subentry_id,
        organisation=_text(data, CONF_ORGANISATION),
        purpose=Purpose(data[CONF_PURPOSE]),
        endpoints=tuple(
            replace(Endpoint.parse(line), framing=framing) for line in _texts(data, CONF_ENDPOINTS)
        ),
        benefit=_optional(data, CONF_BENEFIT) or "",
        if_refused=_optional(data, CONF_IF_REFUSED) or "",
        functional=frozenset(_texts(data, CONF_FUNCTIONAL)),
        neutral=frozenset(_texts(data, CONF_NEUTRAL)),
        allow_private=allow_private,
        names=frozenset(name for line in _texts(data, CONF_NAMES) for name in expand_name(line)),
        storage=_optional(data, CONF_STORAGE) or "",
        retention=_optional(data, CONF_RETENTION) or "",
        policy=_optional(data, CONF_POLICY) or "",
    )


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not value.strip():
        raise TypeError("text is wanted")
    return value


def _optional(data: Mapping[str, Any], key: str) -> str | None:
    """Return a text or None. An empty one is none: an empty token would be everybody's."""
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError("text is wanted")
    return value or None


def _texts(data: Mapping[str, Any], key: str) -> list[str]:
    value = data.get(key, ())
    # A lone text would be taken apart into its letters.
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise TypeError("a list of texts is wanted")
    return list(value)
