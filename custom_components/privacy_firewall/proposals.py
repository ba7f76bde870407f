"""What the catalogue proposes for a recipient's form, when a repair opens it.

A proposal is no recipient: the household confirms or changes each line of it, and nothing is added
by itself.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from homeassistant.core import HomeAssistant

from .const import (
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
)
from .engine import Catalogue, StatedRecipient, expand_name, load_vendors
from .engine.model import Endpoint
from .recipient_flow import SECTION_ADVANCED, SECTION_STATED


async def async_vendors(hass: HomeAssistant) -> Catalogue:
    """Return what is known of vendors; read when first asked."""
    return await hass.async_add_executor_job(load_vendors)


def proposed(
    catalogue: Catalogue, endpoints: Iterable[str], names: Iterable[str]
) -> dict[str, Any]:
    """Return what the form starts with: what was called and asked for, and what is known of it.

    Where several receive at these hosts only what they have in common is proposed: that one has to
    be chosen by whoever fills in the form.
    """
    endpoints, names = list(endpoints), list(names)
    hosts = [Endpoint.parse(line).host for line in endpoints] + names
    known = list(dict.fromkeys(one for host in hosts for one in catalogue.recipients_at(host)))
    if len(known) == 1:
        return _filled(known[0], endpoints, names)
    organisations = {one.organisation for one in known}
    return _without_empty(
        {
            CONF_ORGANISATION: organisations.pop() if len(organisations) == 1 else None,
            CONF_ENDPOINTS: endpoints,
            CONF_NAMES: names,
        }
    )


def _filled(known: StatedRecipient, endpoints: list[str], names: list[str]) -> dict[str, Any]:
    """Return the form of a recipient that is known.

    What was called goes to its endpoints. A name that was only asked for becomes one where its
    vendor receives by plain http; else what goes there cannot be read, and it stays a name.
    """
    called = [Endpoint.parse(line) for line in endpoints]
    hosts = {one.host for one in called}
    receiving = [one for one in known.endpoints if one.scheme == "http" or one.host in hosts]
    left = [
        line
        for line, call in zip(endpoints, called, strict=True)
        if not any(one.host == call.host and one.method in ("*", call.method) for one in receiving)
    ]
    read = {one.host for one in receiving} | hosts
    return _without_empty(
        {
            CONF_ORGANISATION: known.organisation,
            CONF_PURPOSE: known.purpose and known.purpose.value,
            CONF_BENEFIT: known.benefit,
            CONF_IF_REFUSED: known.if_refused,
            CONF_ENDPOINTS: [*map(str, receiving), *left],
            CONF_NAMES: list(_names([*known.names, *names], read)),
            SECTION_STATED: _without_empty(
                {
                    CONF_STORAGE: known.storage,
                    CONF_RETENTION: known.retention,
                    CONF_POLICY: known.policy,
                }
            ),
            SECTION_ADVANCED: _without_empty(
                {
                    CONF_FUNCTIONAL: list(known.functional),
                    CONF_NEUTRAL: list(known.neutral),
                    CONF_FRAMING: known.framing,
                }
            ),
        }
    )


def _names(templates: Iterable[str], read: set[str]) -> Iterator[str]:
    """Return names, each once, without those that a gate reads."""
    seen: set[str] = set(read)
    for template in templates:
        try:
            stands_for = set(expand_name(template))
        except ValueError:
            # Appliances ask for anything; the form says what is wrong with it.
            stands_for = {template}
        if not stands_for <= seen:
            seen |= stands_for
            yield template


def _without_empty(proposal: dict[str, Any]) -> dict[str, Any]:
    return {where: what for where, what in proposal.items() if what}
