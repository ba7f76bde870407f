"""The firewall, running: in a thread and a loop of its own, with nowhere to go but the recorder."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
import concurrent.futures
import difflib
import logging
from pathlib import Path
import queue
import secrets
import socket
import sys
import tempfile
import threading
from typing import Any, NamedTuple, Self, override

from .recording import Recording

# Last, for modules of the integration have names of the standard library's (`select`).
sys.path.append(str(Path(__file__).resolve().parents[3] / "custom_components" / "privacy_firewall"))

from engine import Firewall
from engine.errors import PathSyntaxError
from engine.events import Decided, Event
from engine.model import (
    Appliance,
    ConsentState,
    DataPoint,
    Decider,
    Endpoint,
    Purpose,
    Recipient,
)
from engine.redaction import paths

_START = 30.0


class GrantError(Exception):
    """A path that cannot be granted; the message says why."""


class Way(NamedTuple):
    """How an appliance reaches the gate: from which address, and with what before its paths."""

    source: str
    prefix: str


class _DivertedLoop(asyncio.SelectorEventLoop):
    """A loop in which names are found without a look-up and connections end in one place."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    @override
    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        address = ("127.0.0.1", int(port))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    @override
    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        # Addresses in URLs are not looked up: they are diverted here.
        host = "::ffff:127.0.0.1" if sock.family == socket.AF_INET6 else "127.0.0.1"
        await super().sock_connect(sock, (host, self._port))


class Household:
    """A firewall with an appliance per name and a recipient per host of some recordings."""

    def __init__(self, recordings: Sequence[Recording], *, cloud: int, by_token: bool) -> None:
        """Nothing is started; `cloud` is the port of the recorder."""
        self._cloud = cloud
        self._ways: dict[tuple[str, str], Way] = {}
        self._appliances: dict[str, Appliance] = {}
        self._recipients: dict[str, Recipient] = {}
        self._decided: queue.SimpleQueue[Decided] = queue.SimpleQueue()
        self._ready: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._firewall: Firewall | None = None
        self._thread = threading.Thread(target=self._run, name="firewall", daemon=True)
        for recording in recordings:
            self._name(recording, by_token=by_token or not _has_own_addresses())

    def _name(self, recording: Recording, *, by_token: bool) -> None:
        host = recording.host
        self._recipients.setdefault(
            host,
            Recipient(
                id=host,
                organisation=host,
                purpose=Purpose.SERVICE,
                # The recorder, without a certificate of theirs, never speaks TLS.
                endpoints=(Endpoint(host=host, scheme="http", port=recording.port),),
                allow_private=True,
            ),
        )
        place = (recording.appliance, host)
        if place in self._ways:
            return
        if by_token:
            # What a token leads to is one cloud: an appliance with two clouds counts as two here.
            token = secrets.token_hex(16)
            self._ways[place] = Way("127.0.0.1", f"/{token}")
            netloc = f"[{host}]" if ":" in host else host
            one = Appliance(
                id=f"{recording.appliance} {host}",
                name=recording.appliance,
                token=token,
                base_url=f"http://{netloc}",
            )
        else:
            number = len(self._appliances)
            known = self._appliances.get(recording.appliance)
            address = min(known.addresses) if known else f"127.0.{number // 250}.{2 + number % 250}"
            self._ways[place] = Way(address, "")
            one = Appliance(
                id=recording.appliance, name=recording.appliance, addresses=frozenset({address})
            )
        self._appliances[one.id] = one

    def way(self, recording: Recording) -> Way:
        """Return how the recording's appliance reaches the gate."""
        return self._ways[recording.appliance, recording.host]

    @property
    def gate(self) -> tuple[str, int]:
        """Where the gate listens."""
        return "127.0.0.1", self._ready.result(_START)

    def __enter__(self) -> Self:
        """Start the firewall and wait until it listens."""
        self._thread.start()
        self._ready.result(_START)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_START)

    def _run(self) -> None:
        logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
        try:
            with asyncio.Runner(loop_factory=lambda: _DivertedLoop(self._cloud)) as runner:
                runner.run(self._live())
        except BaseException as err:
            if self._ready.done():
                raise
            self._ready.set_exception(err)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        with tempfile.TemporaryDirectory(prefix="replay-") as folder:
            firewall = Firewall(database=Path(folder) / "replay.db", on_event=self._note)
            await firewall.start()
            firewall.configure(self._appliances.values(), self._recipients.values())
            self._firewall = firewall
            self._ready.set_result(await firewall.open_gate("127.0.0.1", 0))
            try:
                await self._ended.wait()
            finally:
                await firewall.stop()

    def _note(self, event: Event) -> None:
        if isinstance(event, Decided):
            self._decided.put(event)

    def decision(self, patience: float) -> Decided | None:
        """Return the next decision, or None where there was none in so many seconds."""
        try:
            return self._decided.get(timeout=patience)
        except queue.Empty:
            return None

    def _points(self) -> list[DataPoint]:
        assert self._firewall is not None
        return [point for one in self._appliances for point in self._firewall.data_points(one)]

    def _in_loop[T](self, call: Callable[[], Awaitable[T]]) -> T:
        assert self._loop is not None

        async def run() -> T:
            return await call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def grant_all(self) -> None:
        """Give every data point seen so far to those that receive it."""
        self._grant(self._in_loop(self._seen))

    def grant(self, patterns: Iterable[str]) -> None:
        """Give the data points at these paths; raises `GrantError` where there are none."""
        points = self._in_loop(self._seen)
        given: dict[str, DataPoint] = {}
        for pattern in patterns:
            matching = [
                point
                for point in points
                if read_path(pattern).matches(paths.parse(point.field.path))
            ]
            if not matching:
                raise GrantError(_nothing_at(pattern, {point.field.path for point in points}))
            given.update({point.id: point for point in matching})
        self._grant(given.values())

    async def _seen(self) -> list[DataPoint]:
        return self._points()

    def _grant(self, points: Iterable[DataPoint]) -> None:
        firewall = self._firewall
        assert firewall is not None
        pairs = [(point.id, recipient) for point in points for recipient in point.recipients]

        if pairs:
            self._in_loop(lambda: firewall.decide(pairs, ConsentState.GIVEN, Decider(how="replay")))


def read_path(pattern: str) -> paths.FieldPath:
    """Compile a path; raises `GrantError`."""
    try:
        return paths.parse(pattern)
    except PathSyntaxError as err:
        raise GrantError(f"{pattern}: {err}") from None


def _nothing_at(pattern: str, known: set[str]) -> str:
    near = difflib.get_close_matches(pattern, sorted(known), n=4, cutoff=0.5)
    if not near:
        last = pattern.rpartition(".")[2].rstrip("]'\"").lower()
        near = [path for path in sorted(known) if last and last in path.lower()][:4]
    if near:
        return f"{pattern}: no data point has this path; near it: {', '.join(near)}"
    return f"{pattern}: no data point has this path (there are {len(known)} others)"


def _has_own_addresses() -> bool:
    """Tell whether all of 127.0.0.0/8 is this machine's (Linux), not 127.0.0.1 alone (macOS)."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True
