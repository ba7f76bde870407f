"""The household: Home Assistant with the firewall set up, a fridge, a toothbrush, and their clouds.

Everything is set up as a person would: through the integration's own forms.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .appliance import Appliance, Sent
from .cloud import Arrival, Clouds
from .home_assistant import HomeAssistant
from .processes import free_port

FRIDGE_ADDRESS = "127.0.0.2"
"""The fridge is known by its address; the toothbrush's dock calls from anywhere, with a token."""
TOOTHBRUSH_ADDRESS = "127.0.0.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A vendor's cloud and the recipient behind it, as the household states it.

    `address` is the cloud's; two recipients at one address differ in `path`.
    """

    name: str
    address: str
    path: str
    organisation: str
    purpose: str
    benefit: str
    if_refused: str


SERVICE_DESK = Cloud(
    name="FrostCo service desk",
    address="127.0.0.11",
    path="/v2/devices",
    organisation="FrostCo",
    purpose="service",
    benefit="A technician who already knows what is wrong.",
    if_refused="A technician has to come and look first.",
)
MARKETING = Cloud(
    name="ShopperGraph marketing",
    address="127.0.0.12",
    path="/collect",
    organisation="ShopperGraph",
    purpose="marketing",
    benefit="Coupons.",
    if_refused="No coupons.",
)
DENTIST = Cloud(
    name="Dr. Weiss dental practice",
    address="127.0.0.13",
    path="/v1/sessions",
    organisation="Dr. Weiss dental practice",
    purpose="service",
    benefit="Advice at the next check-up.",
    if_refused="The dentist asks how long you brush.",
)
BRUSH_ANALYTICS = Cloud(
    name="BrightSmile analytics",
    address="127.0.0.13",
    path="/telemetry",
    organisation="BrightSmile",
    purpose="analytics",
    benefit="",
    if_refused="Nothing changes.",
)
CLOUDS = (SERVICE_DESK, MARKETING, DENTIST, BRUSH_ANALYTICS)
FURTHER = frozenset({"127.0.0.14"})
"""Where a cloud listens whose recipient is stated later."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of an appliance: what it sent, to whom, and what arrived there."""

    cloud: Cloud
    sent: Sent
    arrived: tuple[Arrival, ...]


class Household:
    """All of it, running."""

    def __init__(self, home_assistant: HomeAssistant, clouds: Clouds) -> None:
        """Nothing is set up before `set_up`."""
        self.home_assistant = home_assistant
        self.clouds = clouds
        self.gate = f"127.0.0.1:{free_port()}"
        self.entry_id = ""
        self.fridge_entry = ""
        """Of the fridge's own integration."""
        self.subentries: dict[str, str] = {}
        """Ids of appliances and recipients, by title."""
        self.appliances: dict[str, Appliance] = {}
        self._calls: dict[str, tuple[Cloud, ...]] = {}

    def origin(self, cloud: Cloud) -> str:
        """Return `http://address:port` of a cloud."""
        return f"http://{cloud.address}:{self.clouds.ports[cloud.address]}"

    async def set_up(self) -> None:
        """Add the integration, the recipients and the appliances."""
        host, _, port = self.gate.partition(":")
        made = await self.home_assistant.flow(
            "flow", "privacy_firewall", {}, {"host": host, "port": int(port)}
        )
        self.entry_id = made["result"]["entry_id"]
        for cloud in CLOUDS:
            await self.add_recipient(cloud, f"POST {self.origin(cloud)}{cloud.path}")

    async def add_recipient(self, cloud: Cloud, endpoint: str, names: Iterable[str] = ()) -> None:
        """State a recipient: its endpoint, and the names no gate can read the traffic of."""
        await self.home_assistant.flow(
            "subentries/flow",
            [self.entry_id, "recipient"],
            {
                "organisation": cloud.organisation,
                "purpose": cloud.purpose,
                "benefit": cloud.benefit,
                "if_refused": cloud.if_refused,
                "endpoints": [endpoint],
                "names": list(names),
                "advanced": {"allow_private": True},
            },
        )

    async def add_fridge(self, folder: Path) -> None:
        """Switch a fridge on, add its own integration, and tell the firewall of its device."""
        await self._switch_on(folder, "fridge", self.gate, FRIDGE_ADDRESS, SERVICE_DESK, MARKETING)
        home, port = self.home_assistant, self.appliances["fridge"].port
        made = await home.flow("flow", "frostco", {"host": FRIDGE_ADDRESS, "port": port})
        self.fridge_entry = made["result"]["entry_id"]
        device = next(
            one["id"]
            for one in await home.ask("config/device_registry/list")
            if self.fridge_entry in one["config_entries"]
        )
        await self.add_appliance(
            {"name": "Fridge", "device_id": device, "addresses": [FRIDGE_ADDRESS]}
        )

    async def add_toothbrush(self, folder: Path) -> None:
        """Tell the firewall of a toothbrush, and type the address it names into the toothbrush."""
        shown = await self.add_appliance(
            {"name": "Toothbrush", "use_token": True, "base_url": self.origin(DENTIST)}
        )
        url = shown["description_placeholders"]["gate_url"]
        await self._switch_on(
            folder, "toothbrush", url, TOOTHBRUSH_ADDRESS, DENTIST, BRUSH_ANALYTICS
        )

    async def add_appliance(self, stated: dict[str, Any]) -> dict[str, Any]:
        """Name an appliance; return the last step of its form."""
        form = {"use_token": False, "remainder": "redact", "answer": "calm", **stated}
        kind = "subentries/flow"
        shown = await self.home_assistant.flow(kind, [self.entry_id, "appliance"], form)
        if shown["type"] == "form":
            await self.home_assistant.proceed(kind, shown)
        listed = await self.home_assistant.ask(
            "config_entries/subentries/list", entry_id=self.entry_id
        )
        self.subentries = {one["title"]: one["subentry_id"] for one in listed}
        return shown

    async def _switch_on(
        self, folder: Path, name: str, gate: str, address: str, *clouds: Cloud
    ) -> None:
        self.appliances[name] = await Appliance.start(
            folder, name, gate, address, [self.origin(cloud) for cloud in clouds]
        )
        self._calls[name] = clouds

    def subentry(self, of: Cloud | str) -> str:
        """Return the id of a recipient, or of an appliance by its name."""
        if isinstance(of, Cloud):
            return self.subentries[f"{of.organisation} ({of.purpose})"]
        return self.subentries[of.capitalize()]

    async def report(self, name: str) -> list[Exchange]:
        """Let an appliance report, and see what arrived where.

        What arrived at an address where it was not meant to go is found too: it counts as arrived
        at the first cloud of that address.
        """
        stray = self.clouds.arrived()
        assert not stray, f"something arrived although nothing was sent: {stray}"
        sent = await self.appliances[name].report()
        arrived = self.clouds.arrived()
        exchanges = [
            Exchange(cloud, one, tuple(a for a in arrived if _is_at(a, cloud)))
            for cloud, one in zip(self._calls[name], sent, strict=True)
        ]
        told = sum(len(exchange.arrived) for exchange in exchanges)
        assert told == len(arrived), f"something arrived elsewhere: {arrived}"
        return exchanges

    async def device_id(self, name: str) -> str:
        """Return the id of the device that has an appliance's entities."""
        return next(str(one["device_id"]) for one in await self.entities(name))

    async def entities(self, name: str) -> list[dict[str, Any]]:
        """Return the registry's entries of an appliance's entities, each with its `state`."""
        listed = await self.home_assistant.ask("config/entity_registry/list")
        states = await self.home_assistant.states()
        return [
            {**one, "state": states.get(one["entity_id"])}
            for one in listed
            if one["platform"] == "privacy_firewall"
            and one["config_subentry_id"] == self.subentry(name)
        ]

    async def consent_switches(self, name: str) -> list[dict[str, Any]]:
        """Return the entities that are an appliance's opt-in switches."""
        return [one for one in await self.entities(name) if one["translation_key"] == "consent"]

    async def consent_switch(self, name: str, path: str, cloud: Cloud) -> dict[str, Any]:
        """Return the opt-in switch for a data point, by its path, and a recipient."""
        found = [
            one
            for one in await self.consent_switches(name)
            if one["unique_id"].endswith(self.subentry(cloud))
            and one["state"] is not None
            and one["state"]["attributes"]["path"] == path
        ]
        assert len(found) == 1, f"{len(found)} switches for {path} to {cloud.name}"
        return found[0]

    async def stop(self) -> None:
        """Switch the appliances off."""
        for appliance in self.appliances.values():
            await appliance.stop()


def _is_at(arrival: Arrival, cloud: Cloud) -> bool:
    return arrival.address == cloud.address and (
        arrival.target == "" or arrival.target.startswith(cloud.path)
    )


def log_of(folder: Path) -> Path:
    """Return where the log of the Home Assistant in a folder is."""
    return HomeAssistant(folder / "config", 0).log


@asynccontextmanager
async def moved_in(folder: Path) -> AsyncIterator[Household]:
    """Start everything, the firewall still to be set up; in the end, end all that was started."""
    async with AsyncExitStack() as stack:
        clouds = await Clouds.start(folder, {one.address for one in CLOUDS} | FURTHER)
        stack.push_async_callback(clouds.stop)
        home_assistant = HomeAssistant.at_a_free_port(folder / "config")
        household = Household(home_assistant, clouds)
        await stack.enter_async_context(home_assistant)
        stack.push_async_callback(household.stop)
        yield household
