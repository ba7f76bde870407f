"""The self-test put to work: the canary's place beside the household, and its steps one by one."""

import asyncio
from collections.abc import Awaitable, Callable
import secrets

from . import memory, selftest
from .clock import ForwardClock
from .consents import Consents
from .gates.http.server import HttpGate
from .model import Appliance, DataPoint, Recipient
from .passages import Which
from .pipeline import Passage, Pipeline
from .policy import Policy
from .storage import Database


class Proving:
    """Sends canaries through the gate, one run at a time."""

    def __init__(
        self,
        *,
        gate: HttpGate,
        pipeline: Pipeline,
        consents: Consents,
        database: Database,
        clock: ForwardClock,
        enforce: Callable[[], None],
        stop: Callable[[Which], Awaitable[None]],
    ) -> None:
        """Keep the parts. `enforce` brings a new snapshot into force, `stop` ends passages."""
        self._gate = gate
        self._pipeline = pipeline
        self._consents = consents
        self._database = database
        self._clock = clock
        self._enforce = enforce
        self._stop = stop
        self._canary: tuple[Appliance, Recipient, list[DataPoint]] | None = None
        self._testing = asyncio.Lock()

    def beside(self, policy: Policy) -> Policy:
        """Return a policy with the canary in it while it is tested with, else as it is."""
        return policy if self._canary is None else selftest.beside(policy, *self._canary)

    async def run(self) -> selftest.Report:
        """Send canaries through every gate from the outside; report what came out.

        Raises `StorageError` where what the test taught could not be forgotten.
        """
        async with self._testing:
            at = self._clock.now()
            address = self._gate.address
            if address is None or self._pipeline.policy is None:
                return selftest.Report(at=at, problem="gate_down")
            token = secrets.token_urlsafe(16)
            try:
                async with selftest.Cloud() as cloud:
                    appliance, recipient = selftest.appliance_and_recipient(cloud.port, token)

                    async def give(is_given: bool) -> None:  # noqa: FBT001 - the one thing it says
                        points = [
                            one
                            for one in self._pipeline.learning.of(selftest.CANARY)
                            if is_given and one.field.path == "$.body.control"
                        ]
                        self._canary = appliance, recipient, points
                        self._enforce()
                        await self._stop(_is_canary)

                    await give(False)
                    checks = await selftest.run(
                        "http", address, cloud, token, give, silent=self._consents.is_locked_down
                    )
            except OSError:
                return selftest.Report(at=at, problem="no_cloud_of_its_own")
            finally:
                self._canary = None
                self._enforce()
                await memory.forget(self._database, [selftest.CANARY])
                self._pipeline.forget(selftest.CANARY)
            return selftest.Report(at=at, checks=checks)


def _is_canary(passage: Passage) -> bool:
    appliance = passage.verdict.appliance
    return appliance is not None and appliance.id == selftest.CANARY
