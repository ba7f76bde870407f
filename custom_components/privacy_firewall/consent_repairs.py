"""Repairs about what people decide: backups, questions, notices, and whom a decision starves.

What narrows is done for whoever asks. What opens is done in the name of the user who clicks, and
only where the household's rules let that user: Home Assistant tells who sent the form.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import Context
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.http import current_request
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import DOMAIN
from .engine import StorageError
from .engine.model import Consent, ConsentState, DataPoint
from .forms import async_words, listed, plain
from .issues import Pair, written

if TYPE_CHECKING:
    from .household import Household

HOW = "repair"
"""By which means a decision came, as the ledger calls it."""
PAUSE_SECONDS = 15 * 60.0
CONF_KEEP = "keep"
_REFUSALS = frozenset({"grant_by_administrators_only", "grant_by_its_person_only"})
"""Translation keys of what the household's rules keep a user from."""


def _context() -> Context:
    """Return a context of the user who sent the form; of nobody where that is not known."""
    request = current_request.get()
    user = request.get("hass_user") if request is not None else None
    return Context(user_id=user.id if user is not None else None)


class _HouseholdFlow(RepairsFlow):
    """A flow that needs the firewall running."""

    def _household(self) -> Household | None:
        entries = self.hass.config_entries.async_loaded_entries(DOMAIN)
        return entries[0].runtime_data if entries else None

    def _line(self, consent: Consent, write: Callable[[str], str] = plain) -> str:
        """Return a consent as a line: what of which appliance, to whom, for what."""
        household = self._household()
        if household is None:
            return "-"
        firewall = household.firewall
        appliance = firewall.appliances.get(consent.appliance_id)
        point = firewall.data_point(consent.data_point_id)
        recipient = firewall.recipients.get(consent.recipient_id)
        data = write(point.name) if point is not None else "?"
        of = write(appliance.name) if appliance is not None else "?"
        to = write(recipient.organisation) if recipient is not None else "?"
        purpose = f" ({recipient.purpose.value})" if recipient is not None else ""
        return f"{of}: {data} → {to}{purpose}"

    async def _async_do(self, job: Awaitable[object]) -> RepairsFlowResult:
        """Do something that may be refused, then end."""
        try:
            await job
        except HomeAssistantError as err:
            is_refused = err.translation_key in _REFUSALS
            return self.async_abort(reason="not_allowed" if is_refused else "not_recorded")
        return self.async_create_entry(data={})


class RestoredFlow(_HouseholdFlow):
    """Consents that came back with a backup: confirm them, some of them, or none."""

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._shown: list[Consent] = []
        self._stated: dict[str, str] = {}
        """What was stated of each recipient when they were shown: the notices' hashes."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show every one that waits, and ask what to do."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        self._shown = household.firewall.consents.restored()
        self._stated = _stated(household, self._shown)
        if not self._shown:
            return self.async_create_entry(data={})
        return self.async_show_menu(
            step_id="init",
            menu_options=["confirm_all", "choose", "withdraw_all"],
            # All of them, however many: who confirms has seen what.
            description_placeholders={
                "consents": "\n".join(f"- {self._line(one)}" for one in self._shown)
            },
        )

    async def async_step_confirm_all(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Bring back those that were shown."""
        return await self._async_settle({one.pair for one in self._shown})

    async def async_step_withdraw_all(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Withdraw those that were shown; anybody may."""
        return await self._async_settle(set())

    async def async_step_choose(
        self, user_input: dict[str, list[str]] | None = None
    ) -> RepairsFlowResult:
        """Ask which to bring back, of those that this user may."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if user_input is None:
            allowed = await _allowed(household, self._shown)
            if not allowed:
                return self.async_abort(reason="not_allowed")
            self._shown = allowed
            return self.async_show_form(
                step_id="choose",
                data_schema=probatio.Schema(
                    {
                        probatio.Required(CONF_KEEP, default=list): SelectSelector(
                            SelectSelectorConfig(
                                options=[
                                    SelectOptionDict(
                                        value=str(number), label=self._line(one, written)
                                    )
                                    for number, one in enumerate(allowed)
                                ],
                                multiple=True,
                                mode=SelectSelectorMode.LIST,
                            )
                        )
                    }
                ),
            )
        chosen = set(user_input[CONF_KEEP])
        return await self._async_settle(
            {one.pair for number, one in enumerate(self._shown) if str(number) in chosen}
        )

    async def _async_settle(self, keep: set[Pair]) -> RepairsFlowResult:
        """Keep some of those shown, withdraw the others shown; what is not this user's waits on."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if keep and _stated(household, self._shown) != self._stated:
            # To somebody else than was shown, or for something else.
            return await self.async_step_init()
        allowed = {one.pair for one in await _allowed(household, self._shown)}
        shown = {one.pair for one in self._shown}
        decided = (shown - keep) | (keep & allowed)
        if not decided:
            return self.async_abort(reason="not_allowed")
        try:
            await household.firewall.consents.confirm_restored(
                household.grants.decider(HOW, _context()), keep=keep & allowed, among=decided
            )
        except StorageError:
            return self.async_abort(reason="not_recorded")
        finally:
            household.async_changed()
        if household.firewall.consents.restored():
            return self.async_abort(reason="some_wait")
        return self.async_create_entry(data={})


class QuestionsFlow(_HouseholdFlow):
    """What the household was asked: leave it off, or refuse it. Granting is done one by one."""

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._open: list[Consent] = []

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show what is open by appliance and recipient, each recipient with its notice."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        self._open = household.issues.open_questions()
        if not self._open:
            return self.async_create_entry(data={})
        words = await async_words(self.hass, "questions")
        in_force = household.firewall.is_in_force
        return self.async_show_menu(
            step_id="init",
            menu_options=["leave_off", "refuse_all"],
            description_placeholders={
                "questions": _asked(household, self._open),
                "changed": listed([self._line(one) for one in self._open if in_force(one)], words),
            },
        )

    async def async_step_leave_off(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Close it. Silence makes no rule: everything stays as it is."""
        return self.async_create_entry(data={})

    async def async_step_refuse_all(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Refuse what was shown and is off; what is given under an earlier notice stays."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        off = [one.pair for one in self._open if not household.firewall.is_in_force(one)]
        if not off:
            return self.async_create_entry(data={})
        return await self._async_do(
            household.decisions.async_refuse(off, household.grants.decider(HOW, _context()))
        )


class NoticeFlow(_HouseholdFlow):
    """A switch shows no notice: here it is, after the first one that was turned on."""

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._shown = ""
        self._named: list[Consent] = []

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show the notice and what was given under it."""
        household, recipient_id = self._household(), self._recipient_id
        if household is None or recipient_id not in household.firewall.recipients:
            return self.async_abort(reason="not_loaded")
        notice = household.firewall.consents.notice(recipient_id)
        self._shown = notice.hash
        self._named = given = self._given(household)
        if not given:
            return self.async_create_entry(data={})
        return self.async_show_menu(
            step_id="init",
            menu_options=["keep", "withdraw"],
            description_placeholders={
                "notice": _quoted(notice.text),
                "consents": "\n".join(f"- {self._line(one)}" for one in given),
            },
        )

    @property
    def _recipient_id(self) -> str:
        return str((self.data or {}).get("recipient_id") or "")

    def _given(self, household: Household) -> list[Consent]:
        """Return what is in force under the notice that was shown."""
        return [
            one
            for one in household.firewall.consents.given(self._recipient_id)
            if household.firewall.is_in_force(one) and one.notice == self._shown
        ]

    async def async_step_keep(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Record these anew as they are, now with the notice shown."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if household.firewall.consents.notice(self._recipient_id).hash != self._shown:
            # What is stated changed while it was read.
            return await self.async_step_init()
        # What was given since the notice was shown was not named beside it.
        given = await _allowed(household, self._named)
        if not given:
            return self.async_abort(reason="not_allowed")
        decider = household.grants.decider(HOW, _context(), notice_shown=True)
        return await self._async_do(household.decisions.async_confirm(given, decider))

    async def async_step_withdraw(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Withdraw everything of this recipient; anybody may."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        given = [one.pair for one in household.firewall.consents.given(self._recipient_id)]
        if not given:
            return self.async_create_entry(data={})
        return await self._async_do(
            household.decisions.async_decide(
                given, ConsentState.WITHDRAWN, household.grants.decider(HOW, _context())
            )
        )


class StarvingFlow(_HouseholdFlow):
    """A decision took the food of an integration of the household's own: undo it, or pause it."""

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._taken: list[Consent] = []
        self._stand: object = None

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Name integrations and entities, and ask what to do."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if not household.issues.starved:
            return self.async_create_entry(data={})
        self._taken = list(household.issues.taken)
        self._stand = self._stands(household)
        words = await async_words(self.hass, "questions")
        lines = [
            f"{plain(one.integration)}: {plain(', '.join(one.entities)) or '-'}"
            for one in household.issues.starved
        ]
        # A lockdown beats letting through, so that there is nothing to pause.
        options = ["undo", "pause", "leave"] if self._taken else ["undo", "leave"]
        return self.async_show_menu(
            step_id="init",
            menu_options=options,
            description_placeholders={
                "starving": listed(lines, words),
                "consents": listed([self._line(one) for one in self._taken], words)
                if self._taken
                else words.get("lockdown", "-"),
            },
        )

    def _stands(self, household: Household) -> object:
        """Return how what was shown stands: a decision made meanwhile makes it another."""
        newest = [household.firewall.consent(*one.pair) for one in self._taken]
        return household.firewall.consents.locked_down_since, [
            (one.number, one.is_suspended) for one in newest if one is not None
        ]

    async def async_step_leave(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Leave it as it was decided."""
        return self.async_create_entry(data={})

    async def async_step_undo(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Give again what was taken, or end the lockdown; judged like any other act."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if self._stands(household) != self._stand:
            return await self.async_step_init()
        context, taken = _context(), self._taken
        if not taken:
            return await self._async_do(
                household.decisions.async_lock_down(
                    on=False, how=HOW, context=context, entity_id=None
                )
            )
        decider = household.grants.decider(HOW, context)
        pairs = [one.pair for one in taken]
        done = await self._async_do(
            household.grants.async_widen(
                frozenset(pairs),
                entity_id=None,
                context=context,
                do=partial(household.decisions.async_give_again, taken, decider),
                undo=partial(
                    household.decisions.async_decide, pairs, ConsentState.WITHDRAWN, decider
                ),
                owners=_owners(household, taken),
            )
        )
        is_done = done["type"] is FlowResultType.CREATE_ENTRY
        if is_done and not all(household.firewall.is_sharing(*pair) for pair in pairs):
            # What goes out, or what is stated, changed since: that is a grant of its own.
            return self.async_abort(reason="changed_since")
        return done

    async def async_step_pause(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Let the appliances through for a quarter of an hour."""
        if (household := self._household()) is None:
            return self.async_abort(reason="not_loaded")
        if self._stands(household) != self._stand:
            return await self.async_step_init()
        return await self._async_do(self._async_pause(household))

    async def _async_pause(self, household: Household) -> None:
        # One after another, each an act of its own: every one was named.
        for appliance_id in dict.fromkeys(one.appliance_id for one in self._taken):
            await household.decisions.async_let_through(
                appliance_id,
                seconds=PAUSE_SECONDS,
                how=HOW,
                context=_context(),
                entity_id=None,
            )


def _stated(household: Household, consents: Iterable[Consent]) -> dict[str, str]:
    """Return the hash of each recipient's notice, as it is now."""
    firewall = household.firewall
    return {
        recipient_id: firewall.consents.notice(recipient_id).hash
        for recipient_id in {one.recipient_id for one in consents}
        if recipient_id in firewall.recipients
    }


def _owners(household: Household, consents: Iterable[Consent]) -> set[str | None]:
    """Return whose consents these are: by the appliance now, and as it was recorded."""
    known = household.firewall.appliances
    owners: set[str | None] = set()
    for one in consents:
        appliance = known.get(one.appliance_id)
        owners |= {one.subject, appliance.owner if appliance is not None else None}
    return owners


async def _allowed(household: Household, consents: Collection[Consent]) -> list[Consent]:
    """Return those that the user who clicks may give."""
    context = _context()
    return [
        one
        for one in consents
        if await household.grants.async_may_open(context, _owners(household, [one]))
    ]


def _asked(household: Household, consents: Iterable[Consent]) -> str:
    """Return what is open: per appliance and recipient the data points, then the notice."""
    firewall = household.firewall
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in consents:
        point = firewall.data_point(one.data_point_id)
        if point is not None and not firewall.is_in_force(one):
            grouped.setdefault((one.appliance_id, one.recipient_id), []).append(_marked(point, one))
    blocks: list[str] = []
    for (appliance_id, recipient_id), names in sorted(grouped.items()):
        appliance = firewall.appliances.get(appliance_id)
        recipient = firewall.recipients.get(recipient_id)
        if appliance is not None and recipient is not None:
            blocks.append(
                f"**{plain(appliance.name)} → {plain(recipient.organisation)}**"
                f" ({recipient.purpose.value}): {', '.join(names)}\n\n"
                + _quoted(firewall.consents.notice(recipient_id).text)
            )
    return "\n\n".join(blocks) or "-"


def _marked(point: DataPoint, consent: Consent) -> str:
    """Return the name of a data point with what it seems to tell of people, and what changed."""
    marks = [kind.value for kind in sorted(point.sensitive)]
    if consent.drift is not None:
        marks.append(f"changed: {consent.drift.value}")
    return plain(point.name) + (f" ({', '.join(marks)})" if marks else "")


def _quoted(text: str) -> str:
    """Return a notice as a quotation, a line each, with nothing in it taken for Markdown."""
    return "\n".join(f"> {plain(line)}  " for line in text.splitlines())
