"""Shows what the firewall does, step by step, on a real Home Assistant, and checks each step."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
import os
from pathlib import Path
import shutil
import signal
import sys
import tempfile
from typing import Any

from aiohttp import ClientError

from . import dashboard, handed_out, in_time, matches, names, payloads
from .home_assistant import PASSWORD, USER, HomeAssistantError, complaints
from .household import (
    DENTIST,
    SERVICE_DESK,
    Cloud,
    Exchange,
    Household,
    log_of,
    moved_in,
)
from .processes import REPOSITORY
from .show import Page, StepFailed, leaves

COMPRESSOR = "$.body.components.main.compressor.speed.value"
BRUSHING = "$.body.brushing.seconds"
_REPORT_SECONDS = 15
"""How often the appliances report while somebody plays with the switches."""
_SHOWN_COMPLAINTS = 20


def only(body: Any, path: str) -> Any:
    """Return a tree with one leaf of a body, at a path of plain names, and nothing else."""
    names = path.removeprefix("$.body.").split(".")
    for name in names:
        body = body[name]
    for name in reversed(names):
        body = {name: body}
    return body


def _reading(name: str, exchanges: list[Exchange]) -> tuple[str, Any]:
    """Return the name of a sensor and what it must read after an appliance reported."""
    body = exchanges[0].sent.body
    if name == "fridge":
        return "Compressor speed", body["components"]["main"]["compressor"]["speed"]["value"]
    return "Device battery level", body["device"]["batteryLevel"]


class Story:
    """The steps."""

    def __init__(self, page: Page, household: Household, folder: Path) -> None:
        """Tell it on a page."""
        self._page = page
        self._household = household
        self._home = household.home_assistant
        self._folder = folder

    async def set_up(self) -> None:
        """Set everything up through the integration's own forms."""
        page, household = self._page, self._household
        page.begin("Set-up: the firewall, its recipients, a fridge and a toothbrush")
        await household.set_up()
        await household.add_fridge(self._folder)
        await household.add_toothbrush(self._folder)
        page.expect(len(household.subentries) == 6, "four recipients and two appliances are named")
        for name in household.appliances:
            page.expect(
                not await household.consent_switches(name),
                f"nothing was seen of the {name} yet, so it has no switches",
            )
        page.end()

    async def nothing_consented(self, name: str, number: int) -> None:
        """Let an appliance report while nothing is switched on."""
        page = self._page
        page.begin(f"Step {number}: nothing of the {name} is consented")
        exchanges = await self._report(name, everything=True)
        for exchange in exchanges:
            page.expect(
                (exchange.sent.status, exchange.sent.answer) == (200, "{}"),
                f"the {name} hears a calm answer in place of {exchange.cloud.name}'s",
                exchange.sent,
            )
            page.expect(
                not exchange.arrived, f"{exchange.cloud.name} received nothing", exchange.arrived
            )
        switches = await self._switches_that_appeared(name)
        page.expect(switches, f"{len(switches)} opt-in switches appeared on its device page")
        are_on = [one["entity_id"] for one in switches if one["state"]["state"] != "off"]
        page.expect(not are_on, "all of them are off", are_on)
        await self._at_home(name, reading=_reading(name, exchanges), denied=2)
        page.end()

    async def switch(self, name: str, path: str, cloud: Cloud, number: int, *, on: bool) -> None:
        """Turn one switch on or off, as the user who is logged in, and let the appliance report."""
        page = self._page
        switch = await self._household.consent_switch(name, path, cloud)
        what = switch["state"]["attributes"]["friendly_name"]
        page.begin(f"Step {number}: “{what}” is switched {'on' if on else 'off'}")
        await self._home.call(f"switch.turn_{'on' if on else 'off'}", switch["entity_id"])
        state = (await self._home.get(f"/api/states/{switch['entity_id']}"))["state"]
        page.expect(state == ("on" if on else "off"), f"the switch reads {state}")
        exchanges = await self._report(name)
        for exchange in exchanges:
            if on and exchange.cloud is cloud:
                self._expect_only(exchange, path)
            else:
                page.expect(
                    not exchange.arrived,
                    f"{exchange.cloud.name} received nothing",
                    exchange.arrived,
                )
        # Two reports before, one of two in force; or that and two more that were denied.
        denied = 3 if on else 5
        reading = _reading(name, exchanges)
        await self._at_home(name, reading=reading, denied=denied, redacted=1)
        page.end()

    def _expect_only(self, exchange: Exchange, path: str) -> None:
        page, cloud = self._page, exchange.cloud.name
        page.expect(len(exchange.arrived) == 1, f"{cloud} received one request", exchange.arrived)
        for arrival in exchange.arrived:
            count = len(list(leaves(exchange.sent.body)))
            page.expect(
                arrival.tree == only(exchange.sent.body, path),
                f"in it {path.removeprefix('$.body.')} and no other of the {count} members sent",
                arrival.body,
            )
            page.expect(
                exchange.sent.url.endswith(arrival.target) and "?" not in arrival.target,
                "at the path that the appliance called",
                arrival.target,
            )
            told = {name.lower() for name, _ in arrival.headers}
            allowed = {"host", "content-length", "content-type", "accept", "accept-encoding"}
            page.expect(told <= allowed, "no header of the appliance's own", told - allowed)
            whole = f"{arrival.target} {arrival.headers} {arrival.body}".casefold()
            identities = payloads.FRIDGE_IDENTITIES | payloads.TOOTHBRUSH_IDENTITIES
            found = [what for what, value in identities.items() if value.casefold() in whole]
            page.expect(not found, "no serial number, address, account or name anywhere", found)
            page.expect(
                exchange.sent.answer == '{"status":"accepted"}',
                "the appliance hears what its cloud answered",
                exchange.sent.answer,
            )

    async def nothing_to_complain_about(self) -> None:
        """Look into Home Assistant's log."""
        self._page.begin("Home Assistant's log")
        found = complaints(self._home.log, of="privacy_firewall")
        self._page.expect(
            not found, "no warning or error that has to do with the integration", found
        )
        self._page.end()

    async def _report(self, name: str, *, everything: bool = False) -> list[Exchange]:
        exchanges = await self._household.report(name)
        for exchange in exchanges:
            if everything or exchange.arrived:
                self._page.exchange(name.capitalize(), exchange)
            else:
                self._page.nothing(name.capitalize(), exchange)
        return exchanges

    async def _switches_that_appeared(self, name: str) -> list[dict[str, Any]]:
        """Return the switches that the first report brought; they are added a moment later."""
        switches: list[dict[str, Any]] = []
        for _ in range(100):
            switches = await self._household.consent_switches(name)
            if switches and all(one["state"] is not None for one in switches):
                break
            await asyncio.sleep(0.1)
        return switches

    async def _at_home(
        self, name: str, *, reading: tuple[str, Any], denied: int, redacted: int = 0
    ) -> None:
        """Check what Home Assistant shows of an appliance besides switches; the first time, all."""
        page, home, shown = self._page, self._home, await self._facts(name)
        # States follow in their own time, so as not to fill the recorder: ask for them now.
        await home.call("homeassistant.update_entity", [one["entity_id"] for one in shown.values()])
        shown = await self._facts(name)
        if not redacted:
            page.say("  Meanwhile at home:")
            page.table(
                [
                    (
                        one["attributes"]["friendly_name"],
                        f"{one['state']} {one['attributes'].get('unit_of_measurement', '')}",
                    )
                    for one in shown.values()
                ]
            )
        sensor, value = reading
        seen = shown[sensor]["state"]
        page.expect(seen == str(value), f"at home, {sensor.lower()} reads {value}", seen)
        counts = {"denied": denied, "redacted": redacted, "permitted": 0}
        counted = {key: int(shown[key]["state"]) for key in counts}
        said = ", ".join(f"{count} {key}" for key, count in counts.items())
        page.expect(counted == counts, f"transmissions so far: {said}", counted)
        seen = shown["protection"]["state"]
        page.expect(seen == "protected", f"the {name} is protected", seen)

    async def _facts(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the states of an appliance's entities other than switches, by key or name."""
        return {
            str(one["translation_key"] or one["original_name"]): one["state"]
            for one in await self._household.entities(name)
            if one["translation_key"] != "consent" and one["state"] is not None
        }

    async def stay(self, names_at: str) -> None:
        """Keep everything running, and say what leaves, until interrupted."""
        page, household = self._page, self._household
        address = await dashboard.make(household)
        page.say()
        page.say(f"Home Assistant stays, with the switches at  {address}")
        page.say(f"Log in as {USER}, password {PASSWORD}. Ctrl+C ends everything.")
        host, _, port = names_at.partition(":")
        page.say(
            f"The HTTP gate is at {household.gate}, the DNS gate at {names_at}. Its resolver is"
        )
        page.say(
            "gone, so it answers what is refused and what leads to the HTTP gate; as the vacuum:"
        )
        page.say(f"  dig @{host} -p {port} -b {names.VACUUM} {names.READABLE}")
        page.say(
            f"The appliances report every {_REPORT_SECONDS} seconds; what leaves, if it changed:"
        )
        told: dict[Cloud, set[str]] = {}
        while True:
            for name in household.appliances:
                for exchange in await household.report(name):
                    left = {
                        place: value
                        for arrival in exchange.arrived
                        for place, value in leaves(arrival.tree)
                    }
                    # The values differ each time; what they are of does not.
                    if told.get(exchange.cloud) == left.keys():
                        continue
                    told[exchange.cloud] = set(left)
                    what = ", ".join(f"{place} = {value}" for place, value in left.items())
                    at = datetime.now().astimezone().strftime("%H:%M:%S")
                    page.say(f"  {at}  {exchange.cloud.name:<26} {what or 'nothing'}")
            await asyncio.sleep(_REPORT_SECONDS)


async def tell(page: Page, folder: Path, *, once: bool) -> None:
    """Start everything and go through the steps."""
    page.begin("Home Assistant starts, and the vendors' clouds")
    async with _log_kept(page, folder), moved_in(folder) as household:
        version = (await household.home_assistant.get("/api/config"))["version"]
        page.expect(version, f"Home Assistant {version} at {household.home_assistant.url}")
        page.end()
        story = Story(page, household, folder)
        await story.set_up()
        await story.nothing_consented("fridge", 1)
        await story.switch("fridge", COMPRESSOR, SERVICE_DESK, 2, on=True)
        await story.switch("fridge", COMPRESSOR, SERVICE_DESK, 3, on=False)
        await matches.tell(page, household, 4)
        await in_time.an_automation_waits(household, "toothbrush")
        await story.nothing_consented("toothbrush", 5)
        await in_time.it_reacted(page, household, 6)
        await story.switch("toothbrush", BRUSHING, DENTIST, 7, on=True)
        await story.switch("toothbrush", BRUSHING, DENTIST, 8, on=False)
        await in_time.a_grant_runs_out(page, household, ("toothbrush", BRUSHING, DENTIST), 9)
        names_at = await names.tell(page, household, folder, 10)
        await handed_out.tell(page, household, "fridge", 11)
        await in_time.the_gate_is_tested(page, household)
        await story.nothing_to_complain_about()
        page.summary()
        if not once:
            await story.stay(names_at)


@asynccontextmanager
async def _log_kept(page: Page, folder: Path) -> AsyncIterator[None]:
    """Where something fails, keep Home Assistant's log and print its last complaints."""
    try:
        yield
    except Exception:
        cache = Path(os.environ.get("PRIVACY_FIREWALL_CACHE", REPOSITORY / ".cache"))
        kept = cache / "demo-failed.log"
        log = log_of(folder)
        if log.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, kept)
            page.say()
            page.say("The last complaints of Home Assistant:")
            for complaint in complaints(log)[-_SHOWN_COMPLAINTS:]:
                page.say(f"  {complaint}")
            page.say(f"Its log is kept in {kept}")
        raise


async def run(*, once: bool) -> int:
    """Run the demonstration in a folder of its own; return the exit status."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    page = Page()
    folder = Path(tempfile.mkdtemp(prefix="privacy-firewall-demo-"))
    try:
        await tell(page, folder, once=once)
    except asyncio.CancelledError:
        page.say()
        page.say("Ended; everything that was started is gone.")
        return 130 if once else 0
    except StepFailed as failure:
        print(f"demo: failed at {failure}", file=sys.stderr)
        return 1
    except (
        AssertionError, ClientError, EOFError, HomeAssistantError, OSError, TimeoutError,
    ) as failure:  # fmt: skip
        what = f"{type(failure).__name__}: {failure}"
        print(f"demo: failed in “{page.step}”: {what}", file=sys.stderr)
        return 1
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
    return 0


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the last step")
    return asyncio.run(run(once=parser.parse_args().once))


if __name__ == "__main__":
    sys.exit(main())
