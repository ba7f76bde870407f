"""A home with a DNS gate on real sockets, and a made-up resolver that it asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from resolver import Client, Resolver, said

from engine import Firewall
from engine.events import Event
from engine.journal import Entry
from engine.model import (
    Appliance,
    ConsentState,
    Decider,
    Endpoint,
    Outcome,
    Purpose,
    Reason,
    Recipient,
)
from engine.naming import Naming, Resolver as Stated
from wire import eventually

FRIDGE, PHONE = "127.0.0.2", "127.0.0.9"
READABLE, OPAQUE = "api.frost.example", "mqtt.frost.example"
FROST = Recipient(
    id="frost",
    organisation="Frost",
    purpose=Purpose.SERVICE,
    endpoints=(Endpoint(host=READABLE),),
    names=frozenset({OPAQUE}),
)
ZONE = {
    (READABLE, "A"): ["@ 300 A 93.184.216.1"],
    (OPAQUE, "A"): ["@ 300 A 93.184.216.2"],
    (OPAQUE, "AAAA"): ["@ 300 AAAA 2606:4700::1"],
    ("shop.example", "A"): ["@ 300 A 93.184.216.3"],
    ("rebinding.example", "A"): ["@ 300 A 93.184.216.4", "@ 300 A 192.168.1.1"],
    ("alias.example", "A"): ["@ 300 CNAME " + READABLE + ".", READABLE + " 300 A 93.184.216.1"],
    ("nas.lan", "A"): ["@ 300 A 192.168.1.5"],
}


@dataclass
class NameHouse:
    """A firewall whose DNS gate asks a made-up resolver."""

    firewall: Firewall
    resolver: Resolver
    events: list[Event]
    naming: Naming = field(default_factory=lambda: Naming(steer_to=("127.0.0.77",)))
    port: int = 0
    clients: dict[str, Client] = field(default_factory=dict)
    resolve_mac: Callable[[str], str | None] = lambda _: None

    def configure(self, **more: Any) -> None:
        self.naming = replace(self.naming, **more)
        self.firewall.names.configure(self.naming)

    def state(self, *appliances: Appliance) -> None:
        """Name the home's appliances; Frost stays its one recipient."""
        self.firewall.configure(appliances, [FROST])

    def client(self, address: str = FRIDGE) -> Client:
        if address not in self.clients:
            self.clients[address] = Client(self.port, address)
        return self.clients[address]

    async def ask(
        self, name: str, kind: str = "A", address: str = FRIDGE, **more: Any
    ) -> str | list[str]:
        return said(await self.client(address).ask(name, kind, **more))

    async def ask_while(
        self, change: Callable[[], Awaitable[None]], name: str, address: str = FRIDGE
    ) -> str | list[str]:
        """Ask, and let something happen between the resolver's hearing of it and its answer."""
        self.resolver.waits_for = asyncio.Event()
        asking = asyncio.create_task(self.ask(name, address=address))
        await eventually(lambda: bool(self.resolver.seen))
        await change()
        self.resolver.waits_for.set()
        return await asking

    def while_recorded(
        self, monkeypatch: pytest.MonkeyPatch, change: Callable[[], Awaitable[None]]
    ) -> list[Entry]:
        """Let something happen whenever an entry was written; return these, as they come."""
        written: list[Entry] = []
        append = self.firewall.journal.append

        async def slow(entry: Entry) -> int:
            number = await append(entry)
            written.append(entry)
            await change()
            return number

        monkeypatch.setattr(self.firewall.journal, "append", slow)
        return written

    async def let_through(self, *, on: bool) -> None:
        """Let the fridge through for a while, or not any more."""
        await self.firewall.consents.let_through(
            "fridge", Decider(how="test"), seconds=600.0 if on else None
        )

    async def consent(self, state: ConsentState = ConsentState.GIVEN, **more: Any) -> None:
        """Decide about the fridge's opaque traffic, once it was seen."""
        [point] = [
            one for one in self.firewall.data_points("fridge") if one.name == "Opaque traffic"
        ]
        await self.firewall.decide(
            [(point.id, to) for to in point.recipients], state, Decider(how="test"), **more
        )

    async def journal(self) -> list[tuple[str, Outcome, Reason]]:
        await self.firewall.names.lookups.settle()
        return [
            (one.template, one.outcome, one.reason) for one in await self.firewall.newest_entries()
        ]

    def told[T: Event](self, kind: type[T]) -> list[T]:
        return [one for one in self.events if isinstance(one, kind)]


@asynccontextmanager
async def name_house(folder: Path) -> AsyncIterator[NameHouse]:
    """Open one in which the fridge is known by its address, and nothing is given."""
    events: list[Event] = []

    def resolve_mac(address: str) -> str | None:
        return made.resolve_mac(address)

    async with Resolver(zone=dict(ZONE)).open() as resolver:
        firewall = Firewall(
            database=folder / "firewall.db",
            on_event=events.append,
            resolve_mac=resolve_mac,
        )
        await firewall.start()
        made = NameHouse(firewall=firewall, resolver=resolver, events=events)
        try:
            made.state(Appliance(id="fridge", name="Fridge", addresses=frozenset({FRIDGE})))
            await firewall.open_gate("127.0.0.1", 0)
            made.configure()
            made.port = await firewall.names.open(
                "127.0.0.1", 0, [Stated(address="127.0.0.1", port=resolver.port)]
            )
            yield made
        finally:
            for client in made.clients.values():
                client.close()
            await firewall.stop()
