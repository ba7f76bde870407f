"""A household for tests of the engine: one appliance, its clouds, and what was consented."""

from collections.abc import Iterable
from dataclasses import replace
import os
from pathlib import Path

import pytest

from engine import policy as rules
from engine.errors import Refused
from engine.examination import Examined, examine
from engine.learning import Learning
from engine.model import (
    REQUEST_FIELD,
    Appliance,
    Consent,
    ConsentState,
    DataPoint,
    Endpoint,
    Field,
    Kind,
    Level,
    Outcome,
    OutgoingRequest,
    Purpose,
    Recipient,
    Source,
    Transmission,
)
from engine.payload import request as requests
from engine.redaction.identifiers import Identities, looks_like_data

REPOSITORY = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("PRIVACY_FIREWALL_CORPUS") or REPOSITORY.parent / "shared" / "corpus")
HOST = "cloud.example"
FRIDGE = Appliance(id="fridge", name="Fridge", addresses=frozenset({"192.0.2.7"}))
CLOUD = Recipient(
    id="cloud",
    organisation="Cloud",
    purpose=Purpose.SERVICE,
    endpoints=(Endpoint(host=HOST),),
)
JSON_HEADERS = (("Host", HOST), ("Content-Type", "application/json"))


def corpus(name: str) -> Path:
    """A file of the shared corpus, or a skip that names it."""
    path = CORPUS / name
    if not path.exists():
        pytest.skip(f"corpus file {name} is not on this machine (PRIVACY_FIREWALL_CORPUS)")
    return path


def corpus_files(pattern: str) -> list[str]:
    """The names of the corpus files that fit; without a corpus one that `corpus` will skip."""
    return sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob(pattern)) or [pattern]


def post(
    body: bytes | str = b"",
    target: str = "/v1/report",
    headers: Iterable[tuple[str, str]] = JSON_HEADERS,
    method: str = "POST",
    host: str = HOST,
) -> Transmission:
    """A request as a gate hands it on."""
    return Transmission(
        gate="http",
        source=Source(address="192.0.2.7"),
        method=method,
        host=host,
        target=target,
        headers=tuple(headers),
        body=body.encode() if isinstance(body, str) else body,
    )


def wire(outgoing: OutgoingRequest) -> bytes:
    """Everything of a request that a recipient gets to see."""
    head = [f"{outgoing.method} {outgoing.origin} {outgoing.target}"]
    head.extend(f"{name}: {value}" for name, value in outgoing.headers)
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + outgoing.body


class House:
    """One appliance and what became of its data points; `send` goes the way of the pipeline."""

    def __init__(self, *recipients: Recipient, appliance: Appliance = FRIDGE) -> None:
        self.recipients = recipients or (CLOUD,)
        self.appliance = appliance
        self.learning = Learning()
        self.memory = Identities()
        self.consents: dict[tuple[str, str], Consent] = {}
        self._policy: rules.Policy | None = None

    def send(self, transmission: Transmission, *, learn: bool = True) -> Examined:
        """Examine a transmission under what is consented now, and learn from it."""
        policy = self.policy
        try:
            path = requests.path_of(transmission.target)
            template = requests.template_of(transmission, looks_like_data)
        except Refused as err:
            return Examined(verdict=rules.deny(err.reason, self.appliance), template="")
        claiming, endpoint = rules.claimants(
            policy, transmission.method, transmission.host or "", path
        )
        assert endpoint is not None, "the house claims every endpoint that is tested"
        examined = examine(
            rules.Question(
                policy=policy,
                appliance=self.appliance,
                recipients=claiming,
                endpoint=endpoint,
                template=template,
                fields={},
                known=self.learning.at(self.appliance.id, template),
            ),
            transmission,
            self.learning.count(self.appliance.id),
            self.memory.all(),
        )
        assert (examined.outgoing is None) == (examined.verdict.outcome is Outcome.DENY)
        if learn:
            self.learning.add(examined.fresh)
            self.memory.remember(examined.identities)
        return examined

    def sent(self, transmission: Transmission) -> OutgoingRequest:
        """What leaves of a transmission, which something must."""
        examined = self.send(transmission)
        assert examined.outgoing is not None, examined.verdict.reason
        return examined.outgoing

    @property
    def policy(self) -> rules.Policy:
        """The snapshot in force."""
        if self._policy is None:
            consents = [
                (consent, point)
                for consent in self.consents.values()
                if (point := self.learning.get(consent.data_point_id)) is not None
            ]
            self._policy = rules.build(1, (self.appliance,), self.recipients, consents)
        return self._policy

    @property
    def points(self) -> list[DataPoint]:
        """Everything seen, but not the call itself."""
        seen = self.learning.of(self.appliance.id)
        return [point for point in seen if point.field != REQUEST_FIELD]

    def point(self, path: str, *siblings: str) -> DataPoint:
        """The one data point at a path."""
        [found] = [
            point
            for point in self.learning.of(self.appliance.id)
            if point.field == Field(path, siblings)
        ]
        return found

    def grant(
        self, *points: DataPoint | str, to: str | None = None, level: Level = Level.EXACT
    ) -> None:
        """Give data points, for the kinds seen so far, to one recipient or to all that claim."""
        for one in points:
            point = self.point(one) if isinstance(one, str) else one
            for recipient in point.recipients if to is None else (to,):
                self.consents[point.id, recipient] = Consent(
                    appliance_id=point.appliance_id,
                    data_point_id=point.id,
                    recipient_id=recipient,
                    state=ConsentState.GIVEN,
                    level=level,
                    kinds=point.kinds - {Kind.NULL},
                    functional=next(
                        (one.functional for one in self.recipients if one.id == recipient),
                        frozenset(),
                    ),
                )
        self._policy = None

    def withdraw(self, *points: DataPoint) -> None:
        """Take data points back from all recipients."""
        ids = {point.id for point in points}
        for key, consent in self.consents.items():
            if key[0] in ids:
                self.consents[key] = replace(consent, state=ConsentState.WITHDRAWN)
        self._policy = None

    def only(self, *points: DataPoint | str) -> None:
        """Give these and nothing else."""
        self.consents.clear()
        self.grant(*points)


class FakeClock:
    """A machine's clocks, to be set by a test: `wall` may go anywhere, `up` only forward."""

    def __init__(self, wall: float = 1_700_000_000.0, boot: str | None = "first") -> None:
        self.wall = wall
        self.up = 1_000.0
        self.id = boot

    def now(self) -> float:
        return self.wall

    def ticks(self) -> float:
        return self.up

    def boot(self) -> str | None:
        return self.id

    def pass_by(self, seconds: float) -> None:
        """Let time pass, for both."""
        self.wall += seconds
        self.up += seconds

    def reboot(self, off: float = 0.0) -> None:
        """Start the machine anew, after it was off for so long."""
        self.wall += off
        self.up = 5.0
        self.id = f"{self.id} again"
