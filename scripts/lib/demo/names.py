"""A vacuum whose only setting is its DNS server, and the resolver that the household asks.

As a process: `names RECORD NAME=ADDRESS…` answers for these names, on a port of the system's choice
that it says as one line; writes every name it is asked for down; and ends with its standard input.
"""

import asyncio
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
import json
from pathlib import Path
import socket
import sys
from threading import Thread
from typing import Any, Self

import aiodns

from .home_assistant import HomeAssistant
from .household import Cloud, Household
from .in_time import until
from .processes import Child, free_port
from .show import Page, leaves

VACUUM, PHONE = "127.0.0.4", "127.0.0.9"
SHOP, PUBLIC = "shop.example", "93.184.216.34"
READABLE, OPAQUE = "telemetry.dustnet.example", "mqtt.dustnet.example"
DUSTNET = Cloud(
    name="DustNet maps",
    address="127.0.0.14",
    path="/v1/runs",
    organisation="DustNet",
    purpose="function",
    benefit="A map of the flat in its app.",
    if_refused="The app shows no map.",
)
ELSEWHERE = "127.0.0.15"
BATTERY = "$.body.battery"
RUN = {
    "robotSerial": "DN4-7720-31K",
    "battery": 71,
    "map": {"rooms": ["kitchen", "bedroom"], "areaSquareMetres": 43},
    "startedAt": "2026-11-01T09:12:00Z",
}


class Resolver:
    """The process of the household's resolver."""

    def __init__(self, child: Child, record: Path, port: int) -> None:
        self._child = child
        self._record = record
        self._read = 0
        self.port = port

    @classmethod
    async def start(cls, folder: Path, zone: dict[str, str]) -> Self:
        """Answer for these names."""
        record = folder / "asked.txt"
        record.touch()
        child = await Child.start(
            sys.executable, "-m", "demo.names", str(record),
            *(f"{name}={address}" for name, address in zone.items()),
            output=folder / "resolver.log", talks=True,
        )  # fmt: skip
        return cls(child, record, int(await child.hear()))

    def asked(self) -> list[str]:
        """Return the names it was asked for since the last time."""
        with self._record.open() as file:
            file.seek(self._read)
            names = file.read().split()
            self._read = file.tell()
        return names

    async def stop(self) -> None:
        """End the process."""
        await self._child.stop()


@dataclass(frozen=True, slots=True)
class Looking:
    """A client's own resolver library: it knows a DNS server and its own address."""

    server: str
    address: str

    async def up(self, name: str, kind: str = "A") -> list[str]:
        """Return the addresses of a name; none where there is no such name."""
        host, _, port = self.server.partition(":")
        resolver = aiodns.DNSResolver(
            nameservers=[host], udp_port=int(port), tcp_port=int(port), local_ip=self.address,
            timeout=5.0, tries=1,
        )  # fmt: skip
        try:
            answer = await resolver.query_dns(name, kind)
        except aiodns.error.DNSError as error:
            if error.args[0] in (aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA):
                return []
            raise
        return [str(record.data.addr) for record in answer.answer if hasattr(record.data, "addr")]


def _post(address: str, port: int) -> tuple[int, str]:
    """Report a run from the vacuum's own address to where its cloud's name led."""
    connection = HTTPConnection(address, port, timeout=20, source_address=(VACUUM, 0))
    try:
        headers = {"Host": f"{READABLE}:{port}", "Content-Type": "application/json"}
        connection.request("POST", DUSTNET.path, json.dumps(RUN).encode(), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


async def set_up(household: Household, resolver: Resolver) -> str:
    """Open the DNS gate and name the vacuum and its recipient; return where the gate listens."""
    home, gate = household.home_assistant, f"127.0.0.1:{free_port()}"
    host, _, port = gate.partition(":")
    menu = await home.post(
        "/api/config/config_entries/options/flow", {"handler": household.entry_id}
    )
    place = f"/api/config/config_entries/options/flow/{menu['flow_id']}"
    await home.post(place, {"next_step_id": "dns_gate"})
    made = await home.post(
        place,
        {
            "enabled": True,
            "host": host,
            "port": int(port),
            "resolvers": [f"127.0.0.1@{resolver.port}"],
            "refusal": "name_error",
            "infrastructure": [],
            "unknown_clients": "forwarded",
            "tell_of_strangers": True,
        },
    )
    assert made["type"] == "create_entry", made
    await household.add_recipient(
        DUSTNET, f"POST http://{READABLE}:{household.clouds.ports[DUSTNET.address]}/", [OPAQUE]
    )
    await household.add_appliance({"name": "Vacuum", "addresses": [VACUUM]})
    return gate


async def tell(page: Page, household: Household, folder: Path, number: int) -> str:
    """Show that a name leads to the gate, to nowhere, or onward, as the household chose.

    Returns where the DNS gate listens.
    """
    page.begin(f"Step {number}: a vacuum whose only setting is its DNS server")
    zone = {READABLE: DUSTNET.address, OPAQUE: ELSEWHERE, SHOP: PUBLIC}
    resolver = await Resolver.start(folder, zone)
    try:
        gate = await set_up(household, resolver)
        page.say(f"  The DNS gate listens at {gate}, over UDP and TCP.")
        await _tell(page, household, resolver, gate)
    finally:
        await resolver.stop()
    page.end()
    return gate


async def _tell(page: Page, household: Household, resolver: Resolver, gate: str) -> None:
    home, vacuum = household.home_assistant, Looking(gate, VACUUM)
    where, port = household.gate.partition(":")[0], int(household.gate.partition(":")[2])
    seen = await vacuum.up(READABLE)
    page.expect(seen == [where], f"{READABLE} leads the vacuum to the gate", seen)
    for name, kind in ((READABLE, "AAAA"), (OPAQUE, "A"), (f"dn4-7720-31k.{READABLE}", "A")):
        seen = await vacuum.up(name, kind)
        page.expect(not seen, f"{name} ({kind}) leads nowhere", seen)
    asked = resolver.asked()
    page.expect(not asked, "the household's resolver was asked for nothing of it", asked)
    seen = await Looking(gate, PHONE).up(SHOP)
    page.expect(seen == [PUBLIC], "a phone is served as before", seen)
    resolver.asked()

    heard = await asyncio.to_thread(_post, where, port)
    page.expect(heard == (200, "{}"), "its report gets a calm answer", heard)
    page.expect(not household.clouds.arrived(), f"{DUSTNET.name} received nothing")
    await _switch(household, BATTERY, on=True)
    heard = await asyncio.to_thread(_post, where, port)
    arrived = household.clouds.arrived()
    bodies = [dict(leaves(one.tree)) for one in arrived]
    page.expect(
        bodies == [{"battery": "71"}], f"with a switch on, {DUSTNET.name} received it alone", bodies
    )

    await _switch(household, "$.opaque", on=True)
    seen = await vacuum.up(OPAQUE)
    page.expect(seen == [ELSEWHERE], f"with its own switch on, {OPAQUE} leads onward", seen)
    asked = [name.lower() for name in resolver.asked() if name.lower() == OPAQUE]
    page.expect(asked == [OPAQUE], "for that the resolver was asked, once", asked)
    protection = await _protection(household, "cannot_see_inside")
    page.expect(
        protection == "cannot_see_inside", "the vacuum then reads cannot_see_inside", protection
    )
    await _switch(household, "$.opaque", on=False)
    seen = await vacuum.up(OPAQUE)
    page.expect(not seen, "with it off, it leads nowhere again", seen)
    states = await home.states()
    page.expect(
        any(one.startswith("sensor.vacuum_names") for one in states),
        "names asked and refused are counted on its device page",
    )


async def _switch(household: Household, path: str, *, on: bool) -> None:
    found: list[dict[str, Any]] = []
    for _ in range(100):
        found = [
            one
            for one in await household.consent_switches("vacuum")
            if one["state"] is not None and one["state"]["attributes"]["path"] == path
        ]
        if found:
            break
        await asyncio.sleep(0.1)
    await household.home_assistant.call(
        f"switch.turn_{'on' if on else 'off'}", found[0]["entity_id"]
    )


async def _protection(household: Household, wanted: str) -> str:
    home: HomeAssistant = household.home_assistant
    [sensor] = [
        one for one in await household.entities("vacuum") if one["translation_key"] == "protection"
    ]
    return await until(home, sensor["entity_id"], wanted)


def main(arguments: list[str]) -> None:
    """Answer until standard input ends."""
    record, *pairs = arguments
    zone = dict(pair.split("=") for pair in pairs)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, client = sock.recvfrom(4_096)
            labels, at = [], 12
            while length := data[at]:
                labels.append(data[at + 1 : at + 1 + length].decode())
                at += length + 1
            name, kind = ".".join(labels), int.from_bytes(data[at + 1 : at + 3])
            with Path(record).open("a") as file:
                file.write(f"{name}\n")
            address = zone.get(name.lower()) if kind == 1 else None
            known = name.lower() in zone
            answer = b""
            if address is not None:
                answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address)
            head = data[:2] + (b"\x81\x80" if known else b"\x81\x83")
            counts = b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
            sock.sendto(head + counts + data[12 : at + 5] + answer, client)

    Thread(target=serve, daemon=True).start()
    print(sock.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
