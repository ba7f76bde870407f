"""The self-test put to work: the canary's place beside the household, and its steps one by one."""

import asyncio
from collections.abc import Awaitable, Callable
import secrets

from . import memory, name_selftest, selftest
from .clock import ForwardClock
from .consents import Consents
from .gates.http.server import HttpGate
from .model import OPAQUE_FIELD, Appliance, DataPoint, Recipient
from .name_gate import NameGate
from .passages import Which
from .pipeline import Passage, Pipeline
from .policy import Policy
from .storage import Database


class Proving:
    """Sends canaries through the gates, one run at a time."""

    def __init__(
        self,
        *,
        gate: HttpGate,
        names: NameGate,
        pipeline: Pipeline,
        consents: Consents,
        database: Database,
        clock: ForwardClock,
        enforce: Callable[[], None],
        stop: Callable[[Which], Awaitable[None]],
    ) -> None:
        """Keep the parts. `enforce` brings a new snapshot into force, `stop` ends passages."""
        self._gate = gate
        self._names = names
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
            if address is None or self._names.is_down or self._pipeline.policy is None:
                return selftest.Report(at=at, problem="gate_down")
            try:
                checks = await self._try_http(address)
                if (place := self._names.address) is not None:
                    checks += await self._try_names(place)
            except OSError:
                return selftest.Report(at=at, problem="no_cloud_of_its_own")
            finally:
                await self._forget()
            return selftest.Report(at=at, checks=checks)

    async def _try_http(self, address: tuple[str, int]) -> tuple[selftest.Check, ...]:
        token = secrets.token_urlsafe(16)
        async with selftest.Cloud() as cloud:
            canary = selftest.appliance_and_recipient(cloud.port, token)

            async def give(is_given: bool) -> None:  # noqa: FBT001 - the one thing it says
                await self._give(canary, "$.body.control" if is_given else None)

            await give(False)
            source = selftest.address_for(address[0])
            # One of its canaries comes from nobody, and is no stranger to tell of.
            self._pipeline.untold = source
            try:
                return await selftest.run(
                    "http", address, cloud, token, give, source=source,
                    silent=self._consents.is_locked_down,
                )  # fmt: skip
            finally:
                self._pipeline.untold = None

    async def _try_names(self, place: tuple[str, int]) -> tuple[selftest.Check, ...]:
        names, source = name_selftest.Names(), selftest.address_for(place[0])
        async with name_selftest.Watching() as watching:
            canary = name_selftest.appliance_and_recipient(names, source)

            async def give(is_given: bool) -> None:  # noqa: FBT001 - the one thing it says
                await self._give(canary, OPAQUE_FIELD.path if is_given else None)

            await give(False)
            await self._names.divert(names.zone, watching.port)
            try:
                return await name_selftest.run(
                    place,
                    watching,
                    names,
                    source,
                    give,
                    naming=self._names.lookups.naming,
                    silent=self._consents.is_locked_down,
                )
            finally:
                await self._names.divert(names.zone, None)

    async def _give(self, canary: tuple[Appliance, Recipient], path: str | None) -> None:
        """Put the canary beside the household, with a consent for the item at a path, or none."""
        learned = self._pipeline.learning.of(selftest.CANARY)
        self._canary = *canary, [one for one in learned if one.field.path == path]
        self._enforce()
        await self._stop(_is_canary)

    async def _forget(self) -> None:
        self._canary = None
        self._enforce()
        await self._names.lookups.settle()
        self._names.lookups.forget(selftest.CANARY)
        await memory.forget(self._database, [selftest.CANARY])
        self._pipeline.forget(selftest.CANARY)


def _is_canary(passage: Passage) -> bool:
    appliance = passage.verdict.appliance
    return appliance is not None and appliance.id == selftest.CANARY
