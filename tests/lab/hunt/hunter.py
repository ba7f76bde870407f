"""Goes on: messages, tricks, consents, withdrawals, faults, restarts; and looks at what came out.

In rounds. What happens in one is planned from the seed, then happens at once; then everything that
arrived is searched. One appliance sends once in a round, and no two of them to one endpoint, so
that what arrives is known to be whose.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
import random
import shutil
import time
from urllib.parse import unquote

import aiohttp

from engine import ConsentError, StorageError
from engine.model import ConsentState, Level

from .canaries import IDENTITIES, Canary, Mint, Sort
from .home import HAND, OPAQUE, RECIPIENTS, STRANGER, Appliance, Home
from .model import FOREVER, Given, Key, Model, Stated as Known
from .reports import Message, Piece, Place, Report, fill
from .search import Hit, Searcher
from .structure import places
from .tricks import TRICKS, Hand, Shot
from .wire import CLOUD_SECRET, Line, Request, ask, call, name_in, question

FIRST_DAYS = 4
"""Rounds in which nothing is wrong yet: the household sees what there is."""
CALLS = 14
"""Messages in a round, at most."""
KEPT_ROUNDS = 60
"""How long a value that was sent once is looked for."""
_OFTEN = {
    "identity_moved": 8, "identity_moved_alone": 5, "another_type": 6, "spoofed_address": 5,
    "values_swapped": 3, "stolen_token": 2, "stranger": 7,
    "json_extra_member": 2, "written_otherwise": 3,
}  # fmt: skip
_NAMES = sorted(TRICKS)
_WEIGHTS = [_OFTEN.get(name, 1) for name in _NAMES]
type Job = Callable[[], Awaitable[None]]
_RECOGNISED = frozenset({"serial", "device_id", "mac", "uuid", "email", "access_token"})
_IN_HEADERS = frozenset({"$.header['x-device-id']", "$.header['x-session-token']"})


@dataclass(slots=True, kw_only=True)
class Leak:
    """What left though it must not have."""

    what: str
    round: int
    trick: str
    where: str

    def __str__(self) -> str:
        return f"round {self.round}, {self.trick}: {self.what} ({self.where})"


@dataclass(eq=False, slots=True, kw_only=True)
class Flight:
    """A message on its way, and what of it may arrive where."""

    message: Message
    appliance: Appliance
    trick: str
    round: int
    recipients: tuple[Known, ...]
    is_forbidden: bool = False
    may: dict[Canary, bool] = field(default_factory=dict)
    cut: dict[Canary, dict[Line, int]] = field(default_factory=dict)
    """Of what was taken back while it was on its way: how much had arrived then, by connection."""
    places: set[Place] = field(default_factory=set)
    is_let_through: bool = False
    is_over: bool = False

    @property
    def clouds(self) -> frozenset[int]:
        return frozenset(one.cloud for one in self.recipients)


@dataclass(kw_only=True)
class Count:
    """What happened."""

    sent: int = 0
    arrived: int = 0
    allowed: int = 0
    """Values that arrived as they were, and might."""
    taken_out: int = 0
    """Values that stood in what arrived, and were taken out."""
    names: int = 0
    tricks: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    statuses: Counter[str] = field(default_factory=Counter[str])
    not_read: int = 0
    """Messages whose places could not be told."""


class Hunter:
    """One hunt, from a seed."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.mint = Mint(self.chance)
        self.home = Home(folder, self.chance, self.mint)
        self.model = Model(now=self.home.clock.wall)
        self.searcher = Searcher()
        self.count = Count()
        self.leaks: list[Leak] = []
        self.round = 0
        self._flights: list[Flight] = []
        self._owner: dict[Canary, Flight] = {}
        self._old: deque[list[Canary]] = deque()
        self._seen_requests = [0] * len(self.home.clouds)
        self._seen_names = 0
        self._backup: bool = False
        self._regrant = 0
        """The round before which the household gives things anew, after a backup came back."""
        self._fault: str | None = None
        self._told: set[tuple[str, str]] = set()
        self._curl = shutil.which("curl")
        for one in self.home.appliances:
            for canary in one.own.values():
                self.searcher.add(canary)

    async def run(
        self, transmissions: int, *, until_leak: bool = False, seconds: float = 1e9
    ) -> None:
        """Send so many; stop at the first leak where that is all that is wanted."""
        ends = time.monotonic() + seconds
        await self.home.open()
        try:
            while self.count.sent + self.count.names < transmissions and time.monotonic() < ends:
                await self._one_round()
                if until_leak and self.leaks:
                    break
        finally:
            await self.home.close()

    # --- A round ---

    async def _one_round(self) -> None:
        self.round += 1
        self.mint.round = self.round
        await self._between()
        self._through = {
            one.id for one in self.home.appliances if self.model.is_let_through(one.id)
        }
        self._opaque = set(self.model.opaque)
        self._asked: list[tuple[str, str, Canary]] = []
        jobs: list[Job] = []
        self._flights = []
        self._fresh: list[Canary] = []
        for cloud in self.home.clouds:
            cloud.is_moody = self.chance.random() < 0.3
        self.home.resolver.delay = self.chance.choice((0, 0, 0.004, 0.01))
        templates: set[str] = set()
        for appliance in self.chance.sample(self.home.appliances, CALLS):
            job = self._plan(appliance, templates)
            if job is not None:
                jobs.append(job)
        jobs += [self._plan_name() for _ in range(self.chance.randint(0, 3))]
        if self.round > FIRST_DAYS:
            # Where they change again and again nothing leaves at all.
            number = self.chance.choice((0, 0, 1, 1, 1, 2, 2, 4))
            jobs += [self._plan_decision() for _ in range(number)]
        if self.chance.random() < 0.01:
            self.count.events["restart under way"] += 1
            jobs.append(self._later(0.005, self.home.restart))
        if self.chance.random() < 0.04 and (stuck := self._plan_stuck()) is not None:
            # Alone: the others would be stuck as well.
            jobs = [stuck]
        await asyncio.gather(*(job() for job in jobs))
        await self.home.all_appended()
        if self.round == FIRST_DAYS:
            await self._first_grants()
        await asyncio.sleep(0)
        self._look()
        for flight in self._flights:
            flight.is_over = True
            self._note_withheld(flight)
        self._retire()

    def _later(self, seconds: float, work: Job) -> Job:
        async def job() -> None:
            await asyncio.sleep(seconds)
            await work()

        return job

    def _at_some_time(self, work: Job) -> Job:
        """Do it after a moment, or right after something was recorded and before it is sent."""
        if self.chance.random() < 0.4:
            number = self.chance.randint(1, 12)

            async def job() -> None:
                self.home.after_append(number, work)

            return job
        return self._later(self.chance.random() * 0.03, work)

    async def _first_grants(self) -> None:
        """The household gives something of most of what it has seen by now."""
        for appliance in self.home.appliances:
            known = self._keys(appliance)
            for template in sorted({key.template for key, _ in known}):
                some = self.chance.choice((0.0, 0.6, 0.85, 0.9, 1.0))
                picked = [
                    one
                    for one in known
                    if one[0].template == template and self.chance.random() < some
                ]
                if picked:
                    await self._grant(picked, coarse=False, seconds=None)

    async def _between(self) -> None:
        """What happens while nothing is under way."""
        chance = self.chance
        if self.round <= FIRST_DAYS:
            return
        if self.model.lockdown and chance.random() < 0.5:
            await self._lock_down(on=False)
        if self.round == self._regrant and self._fault is None:
            await self._first_grants()
        draw = chance.random()
        if self._fault is not None:
            if draw < 0.5:
                await self._end_fault()
        elif draw < 0.06:
            await self._begin_fault("journal" if chance.random() < 0.5 else "household")
        elif draw < 0.075:
            self.count.events["restart"] += 1
            await self.home.restart()
        elif draw < 0.11 and not self._backup:
            self._backup = True
            self.count.events["backup"] += 1
            await self.home.back_up()
        elif draw < 0.105 and self._backup:
            self._backup = False
            self.count.events["restore"] += 1
            await self.home.restore()
            self._forget()
            self._regrant = self.round + 3
        elif draw < 0.28:
            self._pass_by(chance.uniform(1, 900))
        elif draw < 0.30:
            self.count.events["clock set back"] += 1
            self.home.clock.wall -= chance.uniform(1, 5000)

    def _pass_by(self, seconds: float) -> None:
        self.home.clock.wall += seconds
        self.home.clock.up += seconds
        self.model.pass_by(seconds)

    def _forget(self) -> None:
        """After a backup came back nothing is in force."""
        self.model.given.clear()
        self.model.withheld.clear()
        self.model.let_through.clear()
        self.model.opaque.clear()
        self.model.lockdown = self.home.firewall.consents.is_locked_down

    async def _begin_fault(self, which: str) -> None:
        self.count.events[f"{which} refuses"] += 1
        await self.home.fault(which, on=True)
        self._fault = which
        self.model.is_mute = which == "journal"

    async def _end_fault(self) -> None:
        assert self._fault is not None
        self.model.is_mute = False
        await self.home.fault(self._fault, on=False)
        self._fault = None

    # --- Messages ---

    def _plan(self, appliance: Appliance, templates: set[str]) -> Job | None:
        free = [one for one in appliance.reports if one.template not in templates]
        if not free:
            return None
        report = self.chance.choice(free)
        templates.add(report.template)
        message = fill(
            report, appliance=appliance.id, own=appliance.own, mint=self.mint, chance=self.chance
        )

        def second() -> Message | None:
            others = [one for one in appliance.reports if one.template not in templates]
            if not others:
                return None
            other = self.chance.choice(others)
            templates.add(other.template)
            return fill(
                other, appliance=appliance.id, own=appliance.own, mint=self.mint, chance=self.chance
            )

        hand = Hand(mint=self.mint, chance=self.chance, second=second, own=appliance.own)
        shot: Shot | None = None
        name = "none"
        if self.round > FIRST_DAYS and self.chance.random() < 0.55:
            name = self.chance.choices(_NAMES, _WEIGHTS)[0]
            shot = TRICKS[name](message, hand)
        if shot is None:
            name = "none"
            shot = Shot(message=message, pieces=self.chance.choice((1, 1, 1, 2, 5)))
        self.count.tricks[name] += 1
        return self._flying(appliance, shot, name)

    def _flying(self, appliance: Appliance, shot: Shot, name: str) -> Job:
        source, base, is_forbidden = self._sender(appliance, shot.sender)
        for message in (shot.message, *shot.more):
            self._take_off(appliance, message, name, shot.hidden if message is shot.message else [],
                           is_forbidden=is_forbidden)  # fmt: skip
        self.count.sent += shot.answers
        wire = shot.wire(base)
        kind = self.chance.random()

        async def job() -> None:
            if name == "none" and kind < 0.06:
                await self._by_aiohttp(source, base, shot.message)
                return
            if name == "none" and kind < 0.075 and self._curl:
                await self._by_curl(source, base, shot.message)
                return
            wait = (
                2.0
                if name in ("cut_short", "bad_length", "other_protocol", "chunks_spelled_oddly")
                else 15.0
            )
            said = await call(
                self.home.port, source, wire, answers=shot.answers, pieces=shot.pieces, wait=wait
            )
            self.count.statuses.update(map(str, said or ["none"]))
            if shot.sender == "spoofed address":
                self.home.macs[appliance.address] = appliance.mac

        return job

    def _take_off(
        self,
        appliance: Appliance,
        message: Message,
        name: str,
        hidden: list[Canary],
        *,
        is_forbidden: bool,
    ) -> None:
        flight = Flight(
            message=message, appliance=appliance, trick=name, round=self.round,
            recipients=self.home.known(message.report.host), is_forbidden=is_forbidden,
        )  # fmt: skip
        self.model.note(message)
        for piece in message.pieces:
            if piece.canary is not None:
                self._register(piece.canary, flight)
                flight.may.setdefault(piece.canary, False)
        for canary in hidden:
            self._register(canary, flight)
            flight.may[canary] = False
        self._flights.append(flight)
        self._widen(flight)

    def _register(self, canary: Canary, flight: Flight) -> None:
        if not canary.stays and canary not in self._owner:
            self._owner[canary] = flight
            self.searcher.add(canary)
            self._fresh.append(canary)

    def _sender(self, appliance: Appliance, sender: str) -> tuple[str, str, bool]:
        """From where it is sent, what stands before its path, and whether it is anybody's."""
        base = f"/{appliance.token}" if appliance.has_token else ""
        if sender == "stranger":
            # Who shows a token is known by it, where that is all.
            return STRANGER, base, appliance.how != "token"
        if sender == "spoofed address" and appliance.how == "address mac":
            self.home.macs[appliance.address] = "02:00:00:00:00:99"
            return appliance.address, base, True
        if sender == "stolen token":
            others = [
                one
                for one in self.home.appliances
                if one.how == "address token" and one is not appliance
            ]
            return appliance.address, f"/{self.chance.choice(others).token}", True
        if sender == "wrong token":
            return appliance.address, f"/{self.mint.word(5)}92{self.mint.word(3)}7", True
        return appliance.address, base, False

    async def _by_aiohttp(self, source: str, base: str, message: Message) -> None:
        self.count.events["by aiohttp"] += 1
        connector = aiohttp.TCPConnector(local_addr=(source, 0))
        url = f"http://127.0.0.1:{self.home.port}{base}{message.target}"
        async with aiohttp.ClientSession(connector=connector) as session:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.request(
                    message.report.method,
                    aiohttp.client.URL(url, encoded=True),
                    data=message.body,
                    headers=[("Host", message.report.host), *message.headers],
                    allow_redirects=False,
                ) as answer:
                    await answer.read()
                    self.count.statuses[str(answer.status)] += 1

    async def _by_curl(self, source: str, base: str, message: Message) -> None:
        self.count.events["by curl"] += 1
        headers = chain.from_iterable(
            ("-H", f"{n}: {v}") for n, v in [("Host", message.report.host), *message.headers]
        )
        body = ["--data-binary", "@-"] if message.body else []
        process = await asyncio.create_subprocess_exec(
            str(self._curl), "--silent", "--max-time", "10", "--noproxy", "*", "--path-as-is",
            "--interface", source, "-X", message.report.method, *headers, *body,
            "-o", "/dev/null", "-w", "%{http_code}",
            f"http://127.0.0.1:{self.home.port}{base}{message.target}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate(message.body)
        self.count.statuses[said.decode()] += 1

    def _texts_given(self, appliance: Appliance, report: Report) -> list[tuple[Message, Piece]]:
        """Texts right below the root that may leave, each with a message that has it."""
        message = fill(
            report, appliance=appliance.id, own=appliance.own, mint=self.mint, chance=self.chance
        )
        return [
            (message, piece)
            for piece in message.pieces
            if piece.place.path.removeprefix("$.body.") in message.tree
            and piece.canary is not None
            and piece.canary.sort is Sort.WORD
            and self.model.may(message, piece, self.home.known(report.host))
        ]

    def _plan_stuck(self) -> Job | None:
        """A long text that was given is taken back while most of it waits for a slow cloud."""
        found = [
            (appliance, *one)
            for appliance in self.home.appliances
            if appliance.id not in self._through
            for report in appliance.reports
            if report.form == "json" and not report.coding
            for one in self._texts_given(appliance, report)
        ]
        if self._fault or not found:
            return None
        appliance, message, piece = self.chance.choice(found)
        assert piece.canary is not None
        keys = [
            one
            for one in self._keys(appliance)
            if (one[0].template, one[0].place) == (message.report.template, piece.place)
        ]
        last = self.mint.make(Sort.WORD)
        name = piece.place.path.removeprefix("$.body.")
        text = piece.canary.text + " so it goes on" * 30_000 + " " + last.text
        pieces = [*message.pieces, Piece(piece.place, "text", last)]
        message = replace(message, pieces=pieces).encoded({**message.tree, name: text})
        self.count.events["slow clouds"] += 1
        self._flights = []
        send = self._flying(appliance, Shot(message=message), "stuck")

        async def job() -> None:
            clouds = self.home.clouds
            before = sum(line.arrived for cloud in clouds for line in cloud.lines)
            for cloud in clouds:
                cloud.hold()
            sending = asyncio.create_task(send())
            for _ in range(200):
                await asyncio.sleep(0.005)
                if sum(line.arrived for cloud in clouds for line in cloud.lines) > before + 1000:
                    break
            if keys:
                await self._withdraw(keys)
            for cloud in clouds:
                cloud.release()
            await sending

        return job

    # --- What may leave ---

    def _widen(self, *flights: Flight) -> None:
        """Add what may leave now of what is under way."""
        for flight in flights or self._flights:
            if flight.is_forbidden or flight.is_over:
                continue
            message = flight.message
            own = {
                one.canary
                for one in message.pieces
                if one.canary is not None and not one.is_moved and self._may(flight, one)
            }
            for piece in message.pieces:
                if piece.canary is not None and self._may_be_there(flight, piece, own):
                    flight.may[piece.canary] = True
                    flight.cut.pop(piece.canary, None)
                if self.model.may_tell(message, piece.place, flight.recipients):
                    flight.places.add(piece.place)
            if self.model.is_let_through(flight.appliance.id):
                flight.is_let_through = True
                for canary in flight.may:
                    flight.may[canary] = True
                    flight.cut.pop(canary, None)

    def _may(self, flight: Flight, piece: Piece) -> bool:
        return self.model.may(flight.message, piece, flight.recipients)

    def _may_be_there(self, flight: Flight, piece: Piece, own: set[Canary]) -> bool:
        """Tell whether a value may be where it is; an identity not in everything that was given."""
        if not self._may(flight, piece):
            return False
        if piece.canary in own or not piece.is_moved or not piece.is_readable:
            return True
        canary = piece.canary
        assert canary is not None
        if canary.sort not in IDENTITIES or _names_identity(piece.place):
            return True
        is_here = any(one.canary is canary and _is_recognised(one) for one in flight.message.pieces)
        return not (is_here or canary in self.model.withheld.get(flight.appliance.id, ()))

    def _narrow(self) -> None:
        """Take note of how far what may no longer leave has come."""
        arrived = {line: line.arrived for cloud in self.home.clouds for line in cloud.lines}
        for flight in self._flights:
            if flight.is_forbidden or self.model.is_let_through(flight.appliance.id):
                continue
            still = {one.canary for one in flight.message.pieces if self._may(flight, one)}
            for canary, may in flight.may.items():
                if may and canary not in still and canary not in flight.cut:
                    flight.cut[canary] = arrived

    def _note_withheld(self, flight: Flight) -> None:
        """Keep which identities the firewall has seen and taken out."""
        if flight.trick != "none" or self.model.lockdown or self._fault or flight.is_let_through:
            return
        for piece in flight.message.pieces:
            if _is_recognised(piece) and piece.canary and not flight.may[piece.canary]:
                self.model.withheld.setdefault(flight.appliance.id, set()).add(piece.canary)

    # --- Decisions ---

    def _plan_decision(self) -> Job:
        chance = self.chance
        under_way = [one.appliance for one in self._flights]
        appliance = chance.choice(under_way if chance.random() < 0.7 else self.home.appliances)
        draw = chance.random()
        if self.model.lockdown and draw < 0.7:
            return self._later(0.0, lambda: self._lock_down(on=False))
        if draw < 0.58:
            return self._plan_grant(appliance)
        if draw < 0.95:
            return self._plan_withdrawal(appliance)
        if draw < 0.965:
            return self._at_some_time(lambda: self._lock_down(on=True))
        on = appliance.id not in self.model.let_through
        return self._at_some_time(lambda: self._let_through(appliance, on=on))

    def _keys(self, appliance: Appliance) -> list[tuple[Key, str]]:
        """What is known of an appliance, and was sent by it; with the firewall's id of it."""
        found: list[tuple[Key, str]] = []
        for point in self.home.firewall.data_points(appliance.id):
            place = Place(point.field.path, tuple(point.field.siblings))
            if (
                point.field.path in ("$.request", "$.opaque")
                or (appliance.id, point.template, place) in self.model.kinds
            ):
                found += [
                    (Key(appliance.id, point.template, place, to), point.id)
                    for to in point.recipients
                ]
        return sorted(found)

    def _plan_grant(self, appliance: Appliance) -> Job:
        chance = self.chance
        known = self._keys(appliance)
        if not known:
            return _nothing
        draw = chance.random()
        seconds = chance.uniform(5, 2000) if chance.random() < 0.3 else None
        if draw < 0.2:
            measured = [
                one
                for one in known
                if "number"
                in self.model.kinds.get((appliance.id, one[0].template, one[0].place), ())
            ]
            if measured:
                [chosen] = chance.sample(measured, 1)
                picked = [one for one in known if one[1] == chosen[1]]
                return self._at_some_time(lambda: self._grant(picked, coarse=True, seconds=seconds))
        if draw < 0.7:
            # All of an endpoint, but for some.
            template = chance.choice(known)[0].template
            some = chance.choice((0.6, 0.85, 1.0))
            picked = [
                one for one in known if one[0].template == template and chance.random() < some
            ]
        else:
            picked = chance.sample(known, min(len(known), chance.randint(1, 8)))
        if not picked:
            return _nothing
        return self._at_some_time(lambda: self._grant(picked, coarse=False, seconds=seconds))

    async def _grant(
        self, picked: list[tuple[Key, str]], *, coarse: bool, seconds: float | None
    ) -> None:
        until = FOREVER if seconds is None else self.model.now + seconds
        before = {key: self.model.given.get(key) for key, _ in picked}
        new = {
            key: Given(
                is_exact=not coarse,
                kinds=frozenset(self.model.kinds.get((key.appliance, key.template, key.place), ())),
                until=until,
            )
            for key, _ in picked
        }
        # What is given more widely already stays so until the narrower one is in force.
        self.model.given |= {
            key: one for key, one in new.items() if not _is_wider(before[key], one)
        }
        opaque = [key for key, _ in picked if key.place.path == "$.opaque"]
        for key in opaque:
            self.model.opaque[key.appliance, key.recipient] = until
            self._opaque.add((key.appliance, key.recipient))
        self._widen()
        try:
            await self.home.firewall.decide(
                [(point, key.recipient) for key, point in picked], ConsentState.GIVEN, HAND,
                level=Level.COARSE if coarse else Level.EXACT, seconds=seconds,
            )  # fmt: skip
            self.count.events["coarse grant" if coarse else "grant"] += 1
        except ConsentError:
            self._restore(before)
        except StorageError:
            # Where it would have been less, that is stopped; else everything is as it was.
            self._restore({k: None if _is_wider(one, new[k]) else one for k, one in before.items()})
        else:
            self.model.given |= new
        self._narrow()

    def _restore(self, before: dict[Key, Given | None]) -> None:
        for key, one in before.items():
            if one is None:
                self.model.given.pop(key, None)
            else:
                self.model.given[key] = one

    def _plan_withdrawal(self, appliance: Appliance) -> Job:
        chance = self.chance
        keys = sorted(self.model.keys_of(appliance.id))
        under_way = {
            one.message.report.template for one in self._flights if one.appliance is appliance
        }
        if chance.random() < 0.7:
            keys = [one for one in keys if one.template in under_way] or keys
        if not keys:
            return self._plan_grant(appliance)
        ids = dict(self._keys(appliance))
        count = len(keys) if chance.random() < 0.06 else min(len(keys), chance.randint(1, 3))
        picked = [(key, ids[key]) for key in chance.sample(keys, count) if key in ids]
        if not picked:
            return _nothing
        return self._at_some_time(lambda: self._withdraw(picked))

    async def _withdraw(self, picked: list[tuple[Key, str]]) -> None:
        state = ConsentState.WITHDRAWN
        with suppress(StorageError):
            await self.home.firewall.decide(
                [(point, key.recipient) for key, point in picked], state, HAND
            )
        # Also where it could not be recorded: it is stopped all the same.
        self.count.events["withdrawal"] += 1
        for key, _ in picked:
            self.model.given.pop(key, None)
            if key.place.path == "$.opaque":
                self.model.opaque.pop((key.appliance, key.recipient), None)
        self._narrow()

    async def _lock_down(self, *, on: bool) -> None:
        consents = self.home.firewall.consents
        if not on:
            self.model.lockdown = False
            self._widen()
        with suppress(StorageError):
            await consents.lock_down(HAND, on=on)
            self.count.events["lockdown" if on else "end of lockdown"] += 1
        if on:
            self.model.lockdown = True
            self.model.let_through.clear()
            self._narrow()
        elif consents.is_locked_down:
            self.model.lockdown = True

    async def _let_through(self, appliance: Appliance, *, on: bool) -> None:
        consents = self.home.firewall.consents
        if on:
            self.model.let_through[appliance.id] = self.model.now + 600
            self._through.add(appliance.id)
            self._widen()
        with suppress(StorageError, ConsentError):
            await consents.let_through(appliance.id, HAND, seconds=600.0 if on else None)
            self.count.events["let through" if on else "end of letting through"] += 1
            if on:
                return
        self.model.let_through.pop(appliance.id, None)
        self._narrow()

    # --- Names ---

    def _plan_name(self) -> Job:
        chance = self.chance
        appliance = chance.choice([one for one in self.home.appliances if one.how != "token"])
        one = self.mint.make(chance.choice((Sort.WORD, Sort.NUMBER, Sort.SERIAL)))
        self.searcher.add(one)
        self._fresh.append(one)
        text = one.text
        half = len(text) // 2
        name = chance.choice((
            f"{text}.tracker.example", f"{text}.api.frost.example", f"{text}.{OPAQUE}",
            f"x.{text[:half]}.{text[half:]}.example", f"{text.encode().hex()}.t.example",
            f"{text[::-1]}.example.com", text, f"{text}.lan", f"{text}.pool.ntp.org",
            OPAQUE, OPAQUE, "api.frost.example", f"{text}.1.0.0.127.in-addr.arpa",
        ))  # fmt: skip
        if max(map(len, name.split("."))) > 63:
            name = OPAQUE
        kind = chance.choice((1, 1, 1, 28, 16, 65, 5, 255, 10, 33))
        extra = text.encode() if chance.random() < 0.3 else b""
        data = question(name, kind, chance.randrange(65536), extra)
        if chance.random() < 0.1:
            data += text.encode()
        self._asked.append((name, appliance.id, one))
        self.count.names += 1
        self.count.tricks["name"] += 1

        async def job() -> None:
            await ask(self.home.names_port, appliance.address, data)

        return job

    # --- Looking ---

    def _leak(self, what: str, trick: str, where: str, key: str) -> None:
        if (trick, key) not in self._told:
            self._told.add((trick, key))
            self.leaks.append(Leak(what=what, round=self.round, trick=trick, where=where))

    def _look(self) -> None:
        self._look_at_names()
        for cloud in self.home.clouds:
            for request in cloud.requests[self._seen_requests[cloud.number] :]:
                self._look_at(cloud.number, request)
            self._seen_requests[cloud.number] = len(cloud.requests)
            for line in cloud.lines:
                if len(line.received) > max(line.searched, line.read):
                    start = max(line.searched, line.read)
                    for hit in self.searcher.find(bytes(line.received[start:])):
                        self._judge(cloud.number, hit, None, line, start)
                line.searched = len(line.received)
        said = self.home.log.said
        for text in said:
            for hit in self.searcher.find(text.encode("utf-8", "replace")):
                self._leak(f"a {hit.canary.sort} in the log", "log", hit.form, "log")
        said.clear()

    def _look_at_names(self) -> None:
        seen = self.home.resolver.seen
        hosts = {host for host, _, _ in RECIPIENTS.values()}
        for data in seen[self._seen_names :]:
            name, _ = name_in(data)
            asked = [who for one, who, _ in self._asked if one.lower() == name]
            if any(who in self._through for who in asked):
                continue
            for hit in self.searcher.find(data):
                self._leak(
                    f"a {hit.canary.sort} in a question", "name", f"{hit.form}, {hit.view}", "name"
                )
            if name in hosts or (
                name == OPAQUE and any((who, "frost") in self._opaque for who in asked)
            ):
                continue
            self._leak("a question that nothing allows", "name", "resolver", "question")
        self._seen_names = len(seen)

    def _flight_of(self, request: Request) -> Flight | None:
        words = request.head.split(b"\r\n")[0].decode("latin-1").split(" ")
        host = next(
            (
                value.strip().decode("latin-1").partition(":")[0]
                for name, _, value in (
                    one.partition(b":") for one in request.head.split(b"\r\n")[1:]
                )
                if name.lower() == b"host"
            ),
            "",
        )
        path = unquote(words[1].partition("?")[0])
        for flight in self._flights:
            report = flight.message.report
            if report.host == host and report.method == words[0] and flight.message.path == path:
                return flight
        return None

    def _look_at(self, cloud: int, request: Request) -> None:
        self.count.arrived += 1
        data = request.head + b"\r\n\r\n" + request.body
        flight = self._flight_of(request)
        for hit in self.searcher.find(data):
            self._judge(cloud, hit, flight, request.line, request.start)
        if CLOUD_SECRET.encode() in data:
            self._leak("a cloud's cookie came back", "cookie", f"cloud {cloud}", "cookie")
        if flight is None:
            if not any(one.is_let_through for one in self._flights):
                self._leak("a request that nobody made", "request", f"cloud {cloud}", "request")
            return
        if not flight.is_let_through:
            self._look_at_places(cloud, request, flight)

    def _look_at_places(self, cloud: int, request: Request, flight: Flight) -> None:
        names = frozenset(
            one.canary.text for one in flight.message.pieces
            if one.canary is not None and one.place.siblings[-1:] == ("name",)
        )  # fmt: skip
        try:
            found = places(request.head, request.body, flight.message.report.form, names)
        except Exception:  # noqa: BLE001 - by whatever it is that a parser cannot read it
            self.count.not_read += 1
            return
        known = {one.place for one in flight.message.pieces}
        self.count.taken_out += len(known - found)
        for place in found - flight.places:
            if place.path.rpartition(".")[2] == "type":
                # It goes with what it explains.
                continue
            if re_named(place) in flight.places:
                continue
            self._leak(
                "something at a place that was not given",
                flight.trick,
                f"{place.path} {flight.message.report.form} cloud {cloud}",
                "place",
            )

    def _judge(self, cloud: int, hit: Hit, flight: Flight | None, line: Line, start: int) -> None:
        canary = hit.canary
        if not canary.stays:
            flight = self._owner.get(canary)
        if (
            flight is not None
            and canary in flight.may
            and cloud in flight.clouds
            and flight.may[canary]
        ):
            cut = flight.cut.get(canary)
            if cut is None or self._came_before(hit, cut.get(line, 0), start):
                self.count.allowed += 1
                return
        if (
            flight is None
            and canary.stays
            and any(one.may.get(canary) and cloud in one.clouds for one in self._flights)
        ):
            return
        trick = flight.trick if flight is not None else "none"
        late = "late, " if flight is not None and flight.cut.get(canary) is not None else ""
        where = next(
            (
                one.place.path
                for one in (flight.message.pieces if flight else ())
                if one.canary is canary
            ),
            "hidden",
        )
        self._leak(
            f"a {canary.sort} at {where}",
            trick,
            f"{late}{hit.form}, {hit.view}, cloud {cloud}",
            f"{canary.sort}",
        )

    def _came_before(self, hit: Hit, arrived: int, start: int) -> bool:
        if hit.view == "as it came":
            return start + hit.end <= arrived
        return start < arrived

    def _retire(self) -> None:
        self._old.append(self._fresh)
        if len(self._old) > KEPT_ROUNDS:
            for canary in self._old.popleft():
                self.searcher.remove(canary)
                self._owner.pop(canary, None)


def _is_recognised(piece: Piece) -> bool:
    """Tell whether a piece is what the firewall says it knows an identity by."""
    if piece.canary is None or piece.canary.sort not in IDENTITIES or piece.is_moved:
        return False
    return _names_identity(piece.place)


def _names_identity(place: Place) -> bool:
    return place.path in _IN_HEADERS or place.path.rpartition(".")[2] in _RECOGNISED


def _is_wider(before: Given | None, new: Given) -> bool:
    """Tell whether less is given than was."""
    if before is None:
        return False
    return (before.is_exact and not new.is_exact) or new.until < before.until


def re_named(place: Place) -> Place:
    """The same place without what the siblings say, as when they were taken out."""
    return place._replace(siblings=())


async def _nothing() -> None:
    """Nothing to decide."""
