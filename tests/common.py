"""A home for tests: real sockets on loopback addresses, a real cloud, and what is between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
import json
from pathlib import Path
import random
import socket
from types import MappingProxyType
from typing import Any, Self

import aiohttp
from aiohttp import web
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry, ConfigSubentryData
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine.events import Event
from custom_components.privacy_firewall.engine.naming import NameStatus
from custom_components.privacy_firewall.household import Household

FRIDGE = "Fridge"
BRUSH = "Toothbrush"
ADDRESSES = {FRIDGE: "127.0.0.2", BRUSH: "127.0.0.3"}
FROSTLINE = "Frostline"
ADLENS = "Adlens"
PREFIXES = {FROSTLINE: "/fridge", ADLENS: "/ads"}
SECRET = "letters-from-the-household"
"""A text that an appliance reports and that must turn up nowhere at home but in its own state."""
REPORT = {"temperature": 4.5, "humidity": 61, "door": {"open": True}, "program": "eco"}


class Cloud:
    """An HTTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._take))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        self.received.append((request.path, json.loads(await request.read() or b"null")))
        return web.json_response({"taken": True})


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago.

    Below those that the system hands out by itself, or a test beside this one soon has it.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def appliance(name: str, /, **changed: Any) -> ConfigSubentryData:
    """A subentry as the flow stores it."""
    stored = {
        "name": name,
        "device_id": None,
        "addresses": [ADDRESSES[name]] if name in ADDRESSES else [],
        "macs": [],
        "token": None,
        "base_url": None,
        "remainder": "redact",
        "answer": "calm",
        "promoted": [],
        "owner": None,
    }
    return ConfigSubentryData(
        data=stored | changed, subentry_type="appliance", title=name, unique_id=None
    )


def recipient(organisation: str, cloud: Cloud, /, **changed: Any) -> ConfigSubentryData:
    """A subentry as the flow stores it."""
    stored = {
        "organisation": organisation,
        "purpose": "service" if organisation == FROSTLINE else "marketing",
        "benefit": "Tells you when the door is open.",
        "if_refused": "Nothing stops working.",
        "endpoints": [f"POST http://127.0.0.1:{cloud.port}{PREFIXES.get(organisation, '/other')}"],
        "functional": [],
        "neutral": [],
        "allow_private": True,
    } | changed
    return ConfigSubentryData(
        data=stored,
        subentry_type="recipient",
        title=f"{stored['organisation']} ({stored['purpose']})",
        unique_id=None,
    )


def a_entry(
    *subentries: ConfigSubentryData, port: int | None = None, **options: Any
) -> MockConfigEntry:
    """The integration's entry, not yet added."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Privacy Firewall",
        data={"host": "127.0.0.1", "port": port or free_port()},
        options={"who_may_grant": "everyone"} | options,
        subentries_data=subentries,
    )


def dns_gate(**changed: Any) -> dict[str, Any]:
    """What the form of the DNS gate stores; the resolver is never asked."""
    return {
        "enabled": True,
        "host": "127.0.0.1",
        "port": changed["port"] if "port" in changed else free_port(),
        "resolvers": ["127.0.0.1@9"],
        "refusal": "name_error",
        "infrastructure": [],
        "allowed": [],
        "local_domains": [],
        "unknown_clients": "forwarded",
        "refused_networks": [],
        "lists": [],
        "tell_of_strangers": True,
    } | changed


def a_device(hass: HomeAssistant, name: str = "Kitchen fridge") -> dr.DeviceEntry:
    """A device of another integration."""
    vendor = MockConfigEntry(domain="vendor")
    vendor.add_to_hass(hass)
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=vendor.entry_id, identifiers={("vendor", name)}, name=name
    )


def configuration(hass: HomeAssistant, text: str = "") -> None:
    """Let the configuration file say this."""
    Path(hass.config.path("configuration.yaml")).write_text(text, encoding="utf-8")


@dataclass(slots=True)
class Home:
    """The integration set up, and what a test does with it."""

    hass: HomeAssistant
    cloud: Cloud
    entry: MockConfigEntry
    clients: dict[str, aiohttp.ClientSession] = field(default_factory=dict)

    @property
    def household(self) -> Household:
        return self.entry.runtime_data

    def subentry(self, title: str) -> ConfigSubentry:
        """The subentry whose title starts so."""
        return next(one for one in self.entry.subentries.values() if one.title.startswith(title))

    async def report(
        self, body: Any = None, *, by: str = FRIDGE, to: str = FROSTLINE, path: str = ""
    ) -> int:
        """Let an appliance report; return the status it hears."""
        if by not in self.clients:
            self.clients[by] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(local_addr=(ADDRESSES[by], 0))
            )
        url = f"http://127.0.0.1:{self.entry.data['port']}{PREFIXES[to]}{path}"
        async with self.clients[by].post(url, json=REPORT if body is None else body) as response:
            await response.read()
        await self.hass.async_block_till_done()
        return response.status

    async def post_elsewhere(self, host: str) -> None:
        """Let the fridge call a host that its cloud does not have."""
        await self.report()
        url = f"http://127.0.0.1:{self.entry.data['port']}/"
        async with self.clients[FRIDGE].post(url, json=REPORT, headers={"Host": host}) as response:
            await response.read()
        await self.hass.async_block_till_done()

    def point(self, name: str, by: str = FRIDGE) -> str:
        """The id of a data point, by its name."""
        points = self.household.firewall.data_points(self.subentry(by).subentry_id)
        return next(point.id for point in points if point.name == name)

    def entities(self, by: str = FRIDGE) -> list[er.RegistryEntry]:
        """All registered entities of an appliance."""
        registered = er.async_entries_for_config_entry(er.async_get(self.hass), self.entry.entry_id)
        subentry_id = self.subentry(by).subentry_id
        return [one for one in registered if one.config_subentry_id == subentry_id]

    def entity(self, platform: str, *key: str, by: str = FRIDGE) -> str:
        """An entity id, by what follows the appliance in its unique id."""
        unique_id = "_".join((self.subentry(by).subentry_id, *key))
        found = er.async_get(self.hass).async_get_entity_id(platform, DOMAIN, unique_id)
        assert found is not None, f"no {platform} with {key}"
        return found

    def switch(self, name: str, to: str = FROSTLINE, by: str = FRIDGE) -> str:
        """The consent switch of a data point and a recipient."""
        return self.entity("switch", self.point(name, by), self.subentry(to).subentry_id, by=by)

    def sensor(self, key: str, by: str = FRIDGE) -> State:
        """The state of a sensor: by key, or by the name of its data point."""
        return self._state("sensor", key, by)

    def binary_sensor(self, key: str, by: str = FRIDGE) -> State:
        """The state of a binary sensor: by key, or by the name of its data point."""
        return self._state("binary_sensor", key, by)

    def _state(self, platform: str, key: str, by: str) -> State:
        names = {p.name for p in self.household.firewall.data_points(self.subentry(by).subentry_id)}
        state = self.hass.states.get(
            self.entity(platform, self.point(key, by) if key in names else key, by=by)
        )
        assert state is not None
        return state

    def is_on(self, entity_id: str) -> bool:
        """Whether a switch shows on."""
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state.state == "on"

    async def turn(self, how: str, *entity_ids: str, **more: Any) -> None:
        """Call switch.turn_on, turn_off or toggle."""
        await self.hass.services.async_call(
            "switch", how, {"entity_id": list(entity_ids)}, blocking=True, **more
        )

    async def add(self, data: ConfigSubentryData) -> ConfigSubentry:
        """Add a subentry, as its flow does."""
        subentry = ConfigSubentry(
            data=MappingProxyType(dict(data["data"])),
            subentry_type=data["subentry_type"],
            title=data["title"],
            unique_id=None,
        )
        self.hass.config_entries.async_add_subentry(self.entry, subentry)
        await self.hass.async_block_till_done()
        return subentry

    async def change(self, title: str, **changed: Any) -> None:
        """Change a subentry, as its flow does."""
        subentry = self.subentry(title)
        data = {**subentry.data, **changed}
        renamed = data.get("name") or f"{data['organisation']} ({data['purpose']})"
        self.hass.config_entries.async_update_subentry(
            self.entry, subentry, data=data, title=renamed
        )
        await self.hass.async_block_till_done()

    async def remove(self, title: str) -> str:
        """Remove a subentry; return its id."""
        subentry_id = self.subentry(title).subentry_id
        self.hass.config_entries.async_remove_subentry(self.entry, subentry_id)
        await self.hass.async_block_till_done()
        return subentry_id

    async def choose(self, **changed: Any) -> None:
        """Change the entry's options, as its flow does."""
        self.hass.config_entries.async_update_entry(
            self.entry, options={**self.entry.options, **changed}
        )
        await self.hass.async_block_till_done()

    async def observe(self, status: NameStatus, *told: Event) -> None:
        """Let the DNS gate have observed this, and tell of it."""
        firewall = self.household.firewall
        firewall.names.status = lambda: status  # type: ignore[method-assign]
        for event in told:
            self.household._on_event(event)
        await self.hass.async_block_till_done()

    async def reload(self) -> None:
        """Reload the entry."""
        assert await self.hass.config_entries.async_reload(self.entry.entry_id)
        await self.hass.async_block_till_done()

    async def hang_up(self) -> None:
        """Close the appliances' connections."""
        for client in self.clients.values():
            await client.close()


@asynccontextmanager
async def a_home(
    hass: HomeAssistant, cloud: Cloud, *more: ConfigSubentryData, **options: Any
) -> AsyncIterator[Home]:
    """Set up the integration, and unload it in the end."""
    entry = a_entry(
        appliance(FRIDGE),
        appliance(BRUSH),
        recipient(FROSTLINE, cloud),
        recipient(ADLENS, cloud),
        *more,
        **options,
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    home = Home(hass, cloud, entry)
    try:
        yield home
    finally:
        await home.hang_up()
        if entry.state is ConfigEntryState.LOADED:
            assert await hass.config_entries.async_unload(entry.entry_id)
            await hass.async_block_till_done()
