"""A made-up home: who lives in it, whom they report to, and the firewall between them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import logging
from pathlib import Path
import random
import shutil
from typing import Any

from engine import Firewall
from engine.model import Appliance as Stated, Decider, Endpoint, Purpose, Recipient
from engine.naming import Naming, Resolver as Upstream

from .canaries import IDENTITIES, Canary, Mint, Sort
from .model import Stated as Known
from .reports import Maker, Report
from .wire import Cloud, Resolver

HAND = Decider(how="test")
STRANGER = "127.0.0.200"
OPAQUE = "mqtt.frost.example"
FORMS = ("json", "json", "json", "form", "query", "xml", "cbor", "msgpack", "multipart", "text")
RECIPIENTS = {
    "frost": ("api.frost.example", "/v1", 0),
    "metrics": ("telemetry.metrics.example", "/", 1),
    "ads": ("ads.example", "/collect", 2),
    "one": ("shared.example", "/v2", 3),
    "two": ("shared.example", "/v2", 3),
}
FUNCTIONAL = {
    "frost": frozenset({"$.header['x-device-id']", "$.body.serial"}),
    "one": frozenset({"$.body.device_id"}),
}
NEUTRAL = {
    "metrics": frozenset(
        {"$.body.count", "$.body.open", "$.body.door", "$.body.temp", "$.body.mode"}
    )
}
PATHS = {
    "api.frost.example": (("v1", "report"), ("v1", "devices", "*", "state"), ("v1", "usage")),
    "telemetry.metrics.example": (("events",), ("batch", "daily")),
    "ads.example": (("collect", "views"), ("collect", "*", "unit")),
    "shared.example": (("v2", "sync"), ("v2", "stats")),
}


@dataclass(slots=True, kw_only=True)
class Appliance:
    """One of a home's appliances, and how it is known."""

    id: str
    address: str
    how: str
    own: dict[Sort, Canary]
    reports: list[Report]
    mac: str
    token: str

    @property
    def has_token(self) -> bool:
        return "token" in self.how

    @property
    def has_address(self) -> bool:
        return "address" in self.how

    @property
    def has_mac(self) -> bool:
        return "mac" in self.how

    def stated(self) -> Stated:
        host = self.reports[0].host
        return Stated(
            id=self.id,
            name=self.id.title(),
            addresses=frozenset({self.address} if self.has_address else ()),
            macs=frozenset({self.mac} if self.has_mac else ()),
            token=self.token if self.has_token else None,
            base_url=f"http://{host}" if self.has_token else None,
        )


HOWS = ("address", "mac", "token", "address token", "address mac")


def appliances(chance: random.Random, mint: Mint, count: int = 24) -> list[Appliance]:
    """Make them up; every sixth is a twin of the one before: the same model with other values."""
    maker = Maker(chance)
    made: list[Appliance] = []
    hosts = sorted(PATHS)
    for number in range(count):
        name = f"a{number}"
        how = HOWS[number % len(HOWS)]
        own = {sort: mint.make(sort, name, stays=True) for sort in sorted(IDENTITIES)}
        if number % 6 == 5:
            reports = [*made[-1].reports]
            how = "address mac" if "token" not in made[-1].how else made[-1].how
        else:
            host = hosts[number % len(hosts)]
            where = [(host, path) for path in PATHS[host]]
            if "token" not in how:
                other = chance.choice(hosts)
                where += [(other, path) for path in PATHS[other] if (other, path) not in where]
            reports = [
                _report(maker, chance, host, path)
                for host, path in chance.sample(where, min(3, len(where)))
            ]
        made.append(
            Appliance(
                id=name, address=f"127.0.1.{10 + number}", how=how, own=own, reports=reports,
                mac=own[Sort.MAC].text, token=own[Sort.TOKEN].text,
            )
        )  # fmt: skip
    return made


def _report(maker: Maker, chance: random.Random, host: str, path: tuple[str, ...]) -> Report:
    form = chance.choice(FORMS)
    method = "GET" if form == "query" else chance.choice(("POST", "POST", "PUT"))
    return maker.report(method, host, path, form)


class HuntersClock:
    """A machine's clocks, which only the hunter moves; the wall's may be set back."""

    def __init__(self) -> None:
        self.wall = 1_790_000_000.0
        self.up = 1_000.0

    def now(self) -> float:
        return self.wall

    def ticks(self) -> float:
        return self.up

    def boot(self) -> str | None:
        return "hunt"


class Overheard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


class Home:
    """The firewall with everything around it."""

    def __init__(self, folder: Path, chance: random.Random, mint: Mint) -> None:
        self.folder = folder
        self.clock = HuntersClock()
        self.appliances = appliances(chance, mint)
        moods = random.Random(chance.random())
        self.clouds = [Cloud(number, moods) for number in range(4)]
        hosts = {host for host, _, _ in RECIPIENTS.values()}
        self.resolver = Resolver(frozenset({*hosts, OPAQUE}))
        self.macs = {one.address: one.mac for one in self.appliances}
        self.port = 0
        self.names_port = 0
        self.log = Overheard()
        self.firewall: Firewall
        self._append: Any = None
        self._appended = 0
        self._waiting: list[tuple[int, Callable[[], Awaitable[None]]]] = []

    def known(self, host: str) -> tuple[Known, ...]:
        """Who receives at a host."""
        return tuple(
            Known(id=name, cloud=cloud, functional=FUNCTIONAL.get(name, frozenset()),
                  neutral=NEUTRAL.get(name, frozenset()))
            for name, (where, _, cloud) in RECIPIENTS.items()
            if where == host
        )  # fmt: skip

    def _recipients(self) -> list[Recipient]:
        return [
            Recipient(
                id=name,
                organisation=name.title(),
                purpose=Purpose.SERVICE,
                endpoints=(
                    Endpoint(host=host, prefix=prefix, scheme="http", port=self.clouds[cloud].port),
                ),
                functional=FUNCTIONAL.get(name, frozenset()),
                neutral=NEUTRAL.get(name, frozenset()),
                allow_private=True,
                names=frozenset({OPAQUE} if name == "frost" else ()),
            )
            for name, (host, prefix, cloud) in RECIPIENTS.items()
        ]  # fmt: skip

    async def open(self) -> None:
        logging.getLogger("engine").addHandler(self.log)
        logging.getLogger("engine").propagate = False
        for cloud in self.clouds:
            await cloud.open()
        for cloud in self.clouds:
            other = self.clouds[(cloud.number + 1) % len(self.clouds)]
            cloud.elsewhere = f"http://127.0.0.1:{other.port}/v1/report"
        await self.resolver.open()
        await self._start()

    async def _start(self) -> None:
        self.firewall = Firewall(
            database=self.folder / "firewall.db",
            on_event=lambda _: None,
            clock=self.clock,
            resolve_mac=self.macs.get,
        )
        await self.firewall.start()
        self._append = self.firewall.journal.append
        self.firewall.journal.append = self._append_and_more
        self.firewall.configure([one.stated() for one in self.appliances], self._recipients())
        self.port = await self.firewall.open_gate("127.0.0.1", 0)
        self.firewall.names.configure(Naming(steer_to=("127.0.0.77",)))
        self.names_port = await self.firewall.names.open(
            "127.0.0.1", 0, [Upstream(address="127.0.0.1", port=self.resolver.port)]
        )

    def after_append(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        """Do something as soon as so many more entries were written, before anybody goes on."""
        self._waiting.append((self._appended + number, work))

    async def all_appended(self) -> None:
        """Do what still waits for entries that nobody writes."""
        while self._waiting:
            _, work = self._waiting.pop()
            await work()

    async def _append_and_more(self, entry: Any) -> int:
        number = await self._append(entry)
        self._appended += 1
        due = [one for one in self._waiting if one[0] <= self._appended]
        self._waiting = [one for one in self._waiting if one[0] > self._appended]
        for _, work in due:
            await work()
        return number

    async def close(self) -> None:
        await self.firewall.stop()
        for cloud in self.clouds:
            cloud.close()
        self.resolver.close()
        logging.getLogger("engine").removeHandler(self.log)

    async def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        await self.firewall.stop()
        meanwhile()
        await self._start()

    def _files(self) -> list[Path]:
        return [*self.folder.glob("firewall.db*"), *self.folder.glob("firewall.anchor")]

    async def back_up(self) -> None:
        """Copy the files while they are in use."""
        await self.firewall.consents.mark_backup(on=True)
        aside = self.folder / "backup"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for one in self._files():
            shutil.copy(one, aside / one.name)
        await self.firewall.consents.mark_backup(on=False)

    async def restore(self) -> None:
        """Put the copy back."""

        def swap() -> None:
            for one in self._files():
                one.unlink()
            for one in (self.folder / "backup").iterdir():
                shutil.copy(one, self.folder / one.name)

        await self.restart(swap)

    async def fault(self, which: str, *, on: bool) -> None:
        """Make a file of the firewall's take no more records, or take them again."""
        files = self.firewall._files
        database = files.household if which == "household" else files._journal_file

        pragma = f"PRAGMA query_only = {'ON' if on else 'OFF'}"
        # Outside a transaction: none would begin.
        await database._put(lambda connection: connection.execute(pragma).fetchall(), alone=True)
        if not on:
            await self.firewall.try_storage()
            await asyncio.sleep(0)
