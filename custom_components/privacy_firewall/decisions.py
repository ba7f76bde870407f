"""The household's decisions as Home Assistant makes them: judged, recorded, in the user's words."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN
from .engine import ConsentError, Firewall, NotCoarseError, StorageError
from .engine.model import Consent, ConsentState, Decider, Kind, Level
from .grants import Grants

_ERRORS = {
    ConsentState.GIVEN: ("grant_of_unknown", "grant_not_recorded"),
    ConsentState.REFUSED: ("refusal_of_unknown", "withdrawal_not_recorded"),
    ConsentState.WITHDRAWN: ("withdrawal_of_unknown", "withdrawal_not_recorded"),
}
"""Translation keys: of what is not known, and of what the disk did not take."""

type Pair = tuple[str, str]
"""Data point id, recipient id."""


class Decisions:
    """What opens is judged by `grants`; what closes never is."""

    def __init__(self, firewall: Firewall, grants: Grants, changed: Callable[[], None]) -> None:
        """Keep the engine, who judges, and whom to tell of a change."""
        self._firewall = firewall
        self._grants = grants
        self._changed = changed

    async def async_decide(
        self,
        pairs: Collection[Pair],
        state: ConsentState,
        decider: Decider,
        *,
        level: Level | Mapping[Pair, Level] = Level.EXACT,
        seconds: float | None = None,
        until: float | None = None,
    ) -> tuple[Consent, ...]:
        """Record a decision about (data point id, recipient id) pairs, all or none.

        Raises `HomeAssistantError` in the user's language. Who may grant is `grants`' business.
        """
        unknown, unrecorded = _ERRORS[state]
        try:
            return await self._firewall.decide(
                pairs,
                state,
                decider,
                level=level,
                seconds=seconds,
                until=until,
            )
        except NotCoarseError as err:
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="grant_not_coarse"
            ) from err
        except ConsentError as err:
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key=unknown
            ) from err
        except StorageError as err:
            raise HomeAssistantError(translation_domain=DOMAIN, translation_key=unrecorded) from err
        finally:
            self._changed()

    async def async_refuse(self, pairs: Collection[Pair], decider: Decider) -> None:
        """Refuse these; what stands though its recipient no longer receives it is taken back.

        One that cannot be refused must not keep the others in force. Raises `HomeAssistantError`.
        """
        received = [pair for pair in pairs if self._is_received(*pair)]
        standing = [
            pair
            for pair in pairs
            if pair not in received
            and (consent := self._firewall.consent(*pair)) is not None
            and consent.state is ConsentState.GIVEN
        ]
        if standing:
            await self.async_decide(standing, ConsentState.WITHDRAWN, decider)
        if received:
            await self.async_decide(received, ConsentState.REFUSED, decider)

    def _is_received(self, data_point_id: str, recipient_id: str) -> bool:
        point = self._firewall.data_point(data_point_id)
        return (
            point is not None
            and recipient_id in point.recipients
            and recipient_id in self._firewall.recipients
        )

    async def async_give(
        self,
        pairs: Collection[Pair],
        *,
        how: str,
        context: Context | None,
        entity_id: str | None,
        level: Level | Mapping[Pair, Level] = Level.EXACT,
        seconds: float | None = None,
        until: float | None = None,
        notice_shown: bool = False,
    ) -> None:
        """Grant consents if exactly these were meant; raises `HomeAssistantError`.

        What is another thing now than when it was granted is a question, and no automation's.
        Should more turn out to be meant, what was in force before comes back, unless somebody
        decided otherwise meanwhile or giving it again would accept something new.
        """
        decider = self._grants.decider(how, context, notice_shown=notice_shown)
        before = {pair: self._firewall.consent(*pair) for pair in pairs}
        if decider.how == "automation" and any(one and one.drift for one in before.values()):
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="grant_of_changed"
            )
        in_force = [one for one in before.values() if one and self._firewall.is_in_force(one)]
        given: list[Consent] = []

        async def give() -> None:
            given.extend(
                await self.async_decide(
                    before, ConsentState.GIVEN, decider, level=level, seconds=seconds, until=until
                )
            )

        async def take_back() -> None:
            if mine := [one.pair for one in given if self._is_newest(one)]:
                # Once withdrawn it is not known any more that it turned out to be another thing.
                drifted = {
                    pair for pair in mine if (one := self._firewall.consent(*pair)) and one.drift
                }
                taken = await self.async_decide(mine, ConsentState.WITHDRAWN, decider)
                # A grant that only made another one longer or finer: that one was meant.
                still = {one.pair for one in taken if self._is_newest(one)} - drifted
                await self.async_give_again([one for one in in_force if one.pair in still], decider)

        await self._grants.async_widen(
            frozenset(before),
            entity_id=entity_id,
            context=context,
            do=give,
            undo=take_back,
            owners={self._owner(pair[0]) for pair in before},
        )

    async def async_confirm(self, consents: Collection[Consent], decider: Decider) -> int:
        """Record that these stand, as they are, though the decider had not seen the notice then.

        For a surface that shows the notice after a bare switch has granted. Nothing is given by
        it: one that is no longer in force, or would now accept something new, is left as it is.
        Returns how many were confirmed; raises `HomeAssistantError`.
        """
        return await self.async_give_again(
            [one for one in consents if self._is_newest(one) and self._firewall.is_in_force(one)],
            decider,
        )

    async def async_give_again(self, consents: Collection[Consent], decider: Decider) -> int:
        """Give consents as they were: level and end, and whatever else was accepted by them."""
        groups: dict[tuple[Level, float | None], list[Consent]] = {}
        for one in consents:
            groups.setdefault((one.level, one.until), []).append(one)
        count = 0
        for (level, until), alike in groups.items():
            # Only now: while the others were recorded, a message may have shown something new.
            pairs = [one.pair for one in alike if self._accepts_nothing_new(one)]
            if pairs:
                await self.async_decide(
                    pairs, ConsentState.GIVEN, decider, level=level, until=until
                )
                count += len(pairs)
        return count

    def _accepts_nothing_new(self, consent: Consent) -> bool:
        """Tell whether giving it now would be the same: under this notice, of these types.

        And of what it was then: where it is another thing by now, giving it would accept that.
        """
        point = self._firewall.data_point(consent.data_point_id)
        newest = self._firewall.consent(*consent.pair)
        return (
            point is not None
            and (newest is None or newest.drift is None)
            and point.kinds - {Kind.NULL} <= consent.kinds
            and not self._firewall.consents.is_outdated(consent)
            and (consent.until is None or consent.until > self._firewall.now())
        )

    def _is_newest(self, consent: Consent) -> bool:
        """Tell whether nothing was decided about the same since, nor stopped without a record."""
        newest = self._firewall.consent(*consent.pair)
        return newest is not None and (newest.number, newest.is_suspended) == (
            consent.number,
            consent.is_suspended,
        )

    async def async_lock_down(
        self, *, on: bool, how: str, context: Context | None, entity_id: str | None
    ) -> None:
        """Deny everything; or end that, if exactly this was meant. Raises `HomeAssistantError`."""
        decider = self._grants.decider(how, context)

        async def switch(*, on: bool) -> None:
            try:
                await self._firewall.consents.lock_down(decider, on=on)
            except StorageError as err:
                raise HomeAssistantError(
                    translation_domain=DOMAIN,
                    # What narrows holds all the same.
                    translation_key="lockdown_not_recorded" if on else "measure_not_recorded",
                ) from err
            finally:
                self._changed()

        if on:
            await switch(on=True)
        elif self._firewall.consents.is_locked_down:
            await self._grants.async_widen(
                "lockdown",
                entity_id=entity_id,
                context=context,
                do=partial(switch, on=False),
                undo=partial(switch, on=True),
            )

    async def async_let_through(
        self,
        appliance_id: str,
        *,
        seconds: float | None,
        how: str,
        context: Context | None,
        entity_id: str | None,
    ) -> None:
        """Let everything of an appliance through for a time, or (None) no longer.

        Raises `HomeAssistantError`.
        """
        decider = self._grants.decider(how, context)

        async def let(seconds: float | None) -> None:
            try:
                await self._firewall.consents.let_through(appliance_id, decider, seconds=seconds)
            except ConsentError as err:
                raise ServiceValidationError(
                    translation_domain=DOMAIN,
                    translation_key="let_through_in_lockdown"
                    if self._firewall.consents.is_locked_down
                    else "let_through_not_possible",
                ) from err
            except StorageError as err:
                raise HomeAssistantError(
                    translation_domain=DOMAIN,
                    translation_key="measure_not_recorded" if seconds else "stop_not_recorded",
                ) from err
            finally:
                self._changed()

        if seconds is None:
            await let(None)
            return
        appliance = self._firewall.appliances.get(appliance_id)
        await self._grants.async_widen(
            ("let_through", appliance_id),
            entity_id=entity_id,
            context=context,
            do=partial(let, seconds),
            undo=partial(let, None),
            owners={appliance.owner if appliance is not None else None},
        )

    def _owner(self, data_point_id: str) -> str | None:
        """Return the person whose data a data point tells, where the household says so."""
        point = self._firewall.data_point(data_point_id)
        appliance = self._firewall.appliances.get(point.appliance_id) if point else None
        return appliance.owner if appliance is not None else None
