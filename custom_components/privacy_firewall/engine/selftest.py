"""The self-test: canaries sent to a gate from the outside, and a cloud of our own that watches.

An appliance that only the test knows reports, over a real connection to the gate, one item that may
leave and one of every kind that must not. What then arrives at the test's own cloud on this
machine's loopback is searched for all of them. It proves of this gate, now, what the tests of the
project prove of its code; it proves nothing of appliances that go around the gate.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
import json
import secrets
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote

from . import policy as rules
from .model import (
    Appliance,
    Consent,
    ConsentState,
    DataPoint,
    Endpoint,
    Kind,
    Purpose,
    Recipient,
)
from .policy import Policy

CANARY = "self_test"
"""The id of the test's own appliance and recipient."""
TIMEOUT = 10.0
"""Seconds for one message; one that takes longer is a failure."""
SETTLE = 0.2
"""Seconds after an answer in which something might still arrive."""


class Step(StrEnum):
    """What was tried."""

    NOTHING_CONSENTED = "nothing_consented"
    ONE_CONSENTED = "one_consented"
    WITHDRAWN = "withdrawn"
    UNCLAIMED = "unclaimed"
    STEERED = "steered"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried at a gate, and what came of it.

    `came_out` are the kinds of canaries that arrived though they must not have; `problem` says in
    a word what else was wrong (`nothing_arrived`, `no_answer`, `more_than_consented`). Of names:
    `not_refused` (not as the household chose), `wrong_address` (not what was answered upstream),
    `led_nowhere`, `led_elsewhere`, `nothing_to_steer_to` (could not be tried), `unreadable_answer`.
    """

    gate: str
    step: Step
    kinds: tuple[str, ...]
    came_out: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Tell whether nothing came out that must not, and what may did."""
        return not self.came_out and self.problem is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the self-test found. `problem` is set where it could not be done at all."""

    at: float
    checks: tuple[Check, ...] = ()
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Tell whether every check passed, and there was one."""
        return self.problem is None and bool(self.checks) and all(one.passed for one in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return it for people and automations; it names kinds, never a canary."""
        return {
            "passed": self.passed,
            "at": self.at,
            "problem": self.problem,
            "checks": [
                {
                    "gate": one.gate,
                    "step": one.step.value,
                    "passed": one.passed,
                    "kinds": list(one.kinds),
                    "came_out": list(one.came_out),
                    "problem": one.problem,
                }
                for one in self.checks
            ],
        }


def _body() -> dict[str, Any]:
    digits = secrets.randbelow(900_000) + 100_000
    octets = secrets.token_bytes(5)
    return {
        "number": digits + 0.25,
        "boolean": True,
        "text": f"canary {secrets.token_hex(8)}",
        # A locally administered address: no vendor's.
        "mac": ":".join(f"{one:02x}" for one in (2, *octets)),
        "uuid": f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-4{secrets.token_hex(2)[1:]}"
        f"-a{secrets.token_hex(2)[1:]}-{secrets.token_hex(6)}",
        "email": f"canary.{secrets.token_hex(4)}@home.example",
        "serial_number": f"CN{secrets.token_hex(6).upper()}",
        "access_token": secrets.token_urlsafe(24),
        "latitude": f"-{digits % 89}.{digits}",
        "ssid": f"Nest {secrets.token_hex(4)}",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """What one run sends: new ones each time, so that nothing can have learned to spot them."""

    control: str = field(default_factory=lambda: f"sing {secrets.token_hex(6)}")
    body: dict[str, Any] = field(default_factory=_body)
    query: str = field(default_factory=lambda: secrets.token_hex(8))
    header: str = field(default_factory=lambda: secrets.token_hex(8))
    cookie: str = field(default_factory=lambda: secrets.token_hex(8))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every canary that can be searched for, with its kind."""
        yield from (
            (kind, str(value)) for kind, value in self.body.items() if not isinstance(value, bool)
        )
        yield from (("query", self.query), ("header", self.header), ("cookie", self.cookie))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds there are."""
        return (*self.body, "query", "header", "cookie")


def appliance_and_recipient(port: int, token: str) -> tuple[Appliance, Recipient]:
    """Return who reports in the test, and to whom."""
    return (
        Appliance(id=CANARY, name="Self-test", token=token, base_url=f"http://127.0.0.1:{port}/"),
        Recipient(
            id=CANARY,
            organisation="Self-test",
            purpose=Purpose.FUNCTION,
            endpoints=(
                Endpoint(
                    host="127.0.0.1", prefix="/canary", method="POST", scheme="http", port=port
                ),
            ),
            allow_private=True,
        ),
    )


def consent_to(point: DataPoint, recipient: Recipient) -> Consent:
    """Return the test's own consent; it is in no ledger, for nobody gave it."""
    return Consent(
        appliance_id=CANARY,
        data_point_id=point.id,
        recipient_id=CANARY,
        state=ConsentState.GIVEN,
        kinds=point.kinds - {Kind.NULL},
        functional=recipient.names,
    )


def beside(
    policy: Policy, appliance: Appliance, recipient: Recipient, given: list[DataPoint]
) -> Policy:
    """Return a policy with the test's appliance, recipient and consents beside the household's."""
    consents = [(consent_to(one, recipient), one) for one in given]
    own = rules.build(policy.version, (appliance,), (recipient,), consents)
    return replace(
        policy,
        appliances=(*policy.appliances, appliance),
        recipients=MappingProxyType({**policy.recipients, **own.recipients}),
        terms=MappingProxyType({**policy.terms, **own.terms}),
        consented=MappingProxyType({**policy.consented, **own.consented}),
        opaque=MappingProxyType({**policy.opaque, **own.opaque}),
        # A name or an address of the test is nobody else's.
        claims=MappingProxyType({**own.claims, **policy.claims}),
        by_address=MappingProxyType({**own.by_address, **policy.by_address}),
    )


def address_for(gate: str) -> str:
    """Return an address of this machine from which nobody else calls a gate."""
    return "::1" if ":" in gate else loopback()


def loopback() -> str:
    """Return an address that this machine has, and that is unlikely to be in use."""
    return ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])


class Cloud:
    """The test's own cloud: keeps every byte that arrives and answers each request."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.port = 0
        self._received = bytearray()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen on the loopback; raises `OSError`."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while chunk := await reader.read(65536):
                self._received += chunk
                head, found, body = bytes(self._received).partition(b"\r\n\r\n")
                if found and len(body) >= _content_length(head):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    await writer.drain()
        writer.close()

    def take(self) -> bytes:
        """Return what arrived since the last time."""
        received = bytes(self._received)
        self._received.clear()
        return received


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


async def run(
    gate: str,
    address: tuple[str, int],
    cloud: Cloud,
    token: str,
    give: Callable[[bool], Awaitable[None]],
    *,
    source: str,
    silent: bool,
) -> tuple[Check, ...]:
    """Try every step at a gate that listens at `address`; return what came of each.

    `source` is an address of this machine to send from (`address_for`).
    `give` brings the consent to the control item into force, or takes it away. `silent` says that
    a lockdown holds: then even the control must not arrive.
    """
    canaries = Canaries()
    prober = _Prober(gate, address, cloud, canaries, source)
    known, unclaimed, strange = f"/{token}/canary", f"/{token}/elsewhere", "/canary"
    checks = [await prober.closed(Step.NOTHING_CONSENTED, known)]
    await give(True)
    try:
        checks.append(
            await prober.closed(Step.ONE_CONSENTED, known)
            if silent
            else await prober.open(Step.ONE_CONSENTED, known)
        )
    finally:
        await give(False)
    checks.append(await prober.closed(Step.WITHDRAWN, known))
    checks.append(await prober.closed(Step.UNCLAIMED, unclaimed))
    checks.append(await prober.closed(Step.STRANGER, strange))
    return tuple(checks)


class _Prober:
    """Sends the canaries, and looks at what arrives."""

    def __init__(
        self,
        gate: str,
        address: tuple[str, int],
        cloud: Cloud,
        canaries: Canaries,
        source: str,
    ) -> None:
        self._gate = gate
        self._address = address
        self._source = source
        self._cloud = cloud
        self._canaries = canaries

    async def closed(self, step: Step, path: str) -> Check:
        """Send; nothing at all may arrive."""
        arrived, problem = await self._send(path)
        if arrived and problem is None:
            problem = "something_arrived"
        return self._check(step, arrived, problem)

    async def open(self, step: Step, path: str) -> Check:
        """Send; the control item must arrive, and nothing else of the message."""
        arrived, problem = await self._send(path)
        _, _, body = arrived.partition(b"\r\n\r\n")
        if problem is None:
            try:
                told = json.loads(body)
            except ValueError:
                problem = "nothing_arrived"
            else:
                if told != {"control": self._canaries.control}:
                    problem = "more_than_consented"
        return self._check(step, arrived, problem)

    def _check(self, step: Step, arrived: bytes, problem: str | None) -> Check:
        lower = arrived.lower()
        came_out = tuple(
            kind
            for kind, text in self._canaries.texts()
            if any(form in lower for form in _forms(text))
        )
        return Check(
            gate=self._gate,
            step=step,
            kinds=self._canaries.kinds,
            came_out=came_out,
            problem=problem,
        )

    async def _send(self, path: str) -> tuple[bytes, str | None]:
        """Send the canaries over a connection of its own; return what arrived at the cloud."""
        self._cloud.take()
        body = json.dumps({"control": self._canaries.control, **self._canaries.body}).encode()
        host, port = self._address
        head = (
            f"POST {path}?probe={self._canaries.query} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{self._cloud.port}\r\nConnection: close\r\n"
            f"X-Probe: {self._canaries.header}\r\nCookie: probe={self._canaries.cookie}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        problem: str | None = None
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(
                    host, port, local_addr=(self._source, 0)
                )
                try:
                    writer.write(head.encode() + body)
                    await writer.drain()
                    if not await reader.read():
                        problem = "no_answer"
                finally:
                    writer.close()
        except OSError, TimeoutError:
            problem = "no_answer"
        await asyncio.sleep(SETTLE)
        return self._cloud.take(), problem


def _forms(text: str) -> tuple[bytes, ...]:
    """Return the lower-case forms in which a canary would be recognised."""
    raw = text.encode()
    # Without its last group, which depends on what follows.
    encoded = base64.b64encode(raw).rstrip(b"=")[:-1]
    return (
        raw.lower(),
        raw.hex().encode(),
        encoded.lower(),
        quote(text, safe="").encode().lower(),
    )
