"""The firewall's host in a made-up home network: gates, the household's resolver, and a cloud.

As a process, in a network namespace of its own: `lab_household ENGINE FOLDER ADDRESS MAC`. It says
`ready`, then answers each line on standard input (`give PATH`, `take PATH`, `seen`) with one of
JSON, and ends with it.
"""

import asyncio
from contextlib import AsyncExitStack
import json
from pathlib import Path
import sys
from typing import Any

sys.path.append(sys.argv[1])

from aiohttp import web
from resolver import Resolver

from engine import Firewall, Neighbours
from engine.model import Appliance, ConsentState, Decider, Endpoint, Purpose, Recipient
from engine.naming import Naming, Resolver as Stated

READABLE, OPAQUE, SHOP = "api.frost.example", "mqtt.frost.example", "shop.example"


async def main() -> None:
    _, _, folder, address, mac = sys.argv
    received: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.json_response({"ok": True})

    application = web.Application()
    application.router.add_post("/v1/report", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    cloud = runner.addresses[0][1]
    zone = {
        (READABLE, "A"): ["@ 300 A 127.0.0.1"],
        (OPAQUE, "A"): ["@ 300 A 93.184.216.2"],
        (SHOP, "A"): ["@ 300 A 93.184.216.3"],
    }
    async with AsyncExitStack() as stack:
        resolver = await stack.enter_async_context(Resolver(zone=zone).open())
        firewall = Firewall(
            database=Path(folder) / "firewall.db",
            on_event=lambda _: None,
            resolve_mac=Neighbours().mac,
        )
        await firewall.start()
        stack.push_async_callback(firewall.stop)
        endpoint = Endpoint(host=READABLE, prefix="/v1", scheme="http", port=cloud)
        firewall.configure(
            [Appliance(id="fridge", name="Fridge", macs=frozenset({mac}))],
            [
                Recipient(
                    id="frost",
                    organisation="Frost",
                    purpose=Purpose.SERVICE,
                    endpoints=(endpoint,),
                    names=frozenset({OPAQUE}),
                    allow_private=True,
                )
            ],
        )
        await firewall.open_gate(address, 80)
        firewall.names.configure(Naming(steer_to=(address,)))
        await firewall.names.open(address, 53, [Stated(address="127.0.0.1", port=resolver.port)])
        say("ready")
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            command, path = line[0], line[-1]
            if command == "seen":
                say(
                    {
                        "asked": [name for name, _ in resolver.asked()],
                        "received": received[:],
                        "protection": firewall.status("fridge").protection.value,
                        "strangers": [one.mac for one in firewall.names.status().strangers],
                    }
                )
                resolver.seen.clear()
                received.clear()
                continue
            state = ConsentState.GIVEN if command == "give" else ConsentState.WITHDRAWN
            pairs = [
                (one.id, "frost")
                for one in firewall.data_points("fridge")
                if one.field.path == path
            ]
            await firewall.decide(pairs, state, Decider(how="switch"))
            say(len(pairs))
    await runner.cleanup()


def say(what: Any) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
