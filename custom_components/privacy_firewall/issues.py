"""What Home Assistant's repairs say of the firewall, and when they no longer do.

An issue says what was observed and offers what can be done (`repairs`, `consent_repairs`). It goes
away by itself once it no longer holds. Nothing is decided here: who closes an issue makes no rule.
"""

from typing import TYPE_CHECKING, Any
import unicodedata

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import CALLBACK_TYPE, Event as HassEvent, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, issue_registry as ir

from .const import DOMAIN
from .dns_stored import dns_gate
from .engine import StorageDamagedError, StorageError, Trouble, diagnose
from .engine.events import (
    ConsentsChanged,
    ConsentsRequested,
    ConsentsSuspended,
    Event,
    MeasureChanged,
    ResolversChanged,
    StorageChanged,
    StorageDamaged,
)
from .engine.model import Consent, ConsentState, Item, Measure
from .places import BIND_ERRORS, CANNOT_BIND
from .questions import count_questions
from .starving import Starved, async_starved

if TYPE_CHECKING:
    from .household import Household

GATE = "gate_not_opened"
DNS_GATE = "dns_gate_not_opened"
LISTS = "dns_lists"
RESOLVERS = "dns_resolvers_silent"
STORAGE = "storage"
DAMAGED = "storage_damaged"
JOURNAL_REPLACED = "journal_replaced"
GONE = "appliance_gone"
SILENT = "appliance_silent"
BYPASSING = "appliance_bypassing"
RESTORED = "restored"
QUESTIONS = "questions"
NOTICE = "notice"
STARVING = "starving"
UNSURE = "unsure"
NEW_ITEMS = "new_items"
EXPOSED_ELSEWHERE = "exposed_elsewhere"
"""Kinds of issues. Those of one appliance or recipient have its id after theirs: `notice_<id>`."""

SILENT_FOR = 30 * 24 * 3600.0
"""Seconds after which an appliance that was seen before counts as silent."""
_WAITING = (
    JOURNAL_REPLACED,
    QUESTIONS,
    EXPOSED_ELSEWHERE,
    f"{NOTICE}_",
    f"{UNSURE}_",
    f"{NEW_ITEMS}_",
)
"""Beginnings of the ids of those that wait to be read or answered."""
BY_HAND = frozenset({"switch", "button", "select", "action", "repair", "panel"})
"""How decisions come about that somebody makes now; others expect what they bring about."""

type Pair = tuple[str, str]


class Issues:
    """Raises issues from what the engine tells and what is seen, and takes them back."""

    def __init__(self, hass: HomeAssistant, household: Household) -> None:
        """Start with nothing raised."""
        self._hass = hass
        self._household = household
        self._in_force: dict[Item, Consent] = {}
        self.starved: list[Starved] = []
        """Whose food a decision took, as long as that is an issue."""
        self.taken: list[Consent] = []
        """The consents that were in force before that decision; none where it was a lockdown."""

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Follow a household that has just started; return how to stop that."""
        for kind in (GATE, STORAGE, DAMAGED):
            self._drop(kind)
        self._review()
        stop = [
            self._household.async_listen_for_changes(self._review),
            self._hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._hear_of_device),
        ]

        @callback
        def stop_all() -> None:
            for one in stop:
                one()
            # Those that wait for an answer stay: a restart is none.
            for issue_id in async_raised(self._hass):
                if not issue_id.startswith(_WAITING):
                    self._drop(issue_id)

        return stop_all

    async def async_not_started(self, err: StorageError | OSError) -> None:
        """Say why the firewall did not start; Home Assistant tries again by itself."""
        if isinstance(err, StorageDamagedError):
            self._raise(DAMAGED, ir.IssueSeverity.ERROR)
        elif isinstance(err, StorageError):
            await self._async_say_why(is_running=False)
        else:
            self._raise(
                GATE,
                ir.IssueSeverity.ERROR,
                placeholders=self.gate,
                cause=BIND_ERRORS.get(err.errno or 0, CANNOT_BIND),
            )
        self._drop_when_unloaded()

    def _drop_when_unloaded(self) -> None:
        """An entry that is disabled while it waits to be tried again is not unloaded."""
        entry = self._household.entry

        @callback
        def look() -> None:
            if entry.state in (ConfigEntryState.NOT_LOADED, ConfigEntryState.LOADED):
                self._hass.loop.call_soon(undo)
                if entry.state is ConfigEntryState.NOT_LOADED:
                    for kind in (GATE, STORAGE, DAMAGED):
                        self._drop(kind)

        undo = entry.async_on_state_change(look)

    @callback
    def async_dns_gate(self, err: OSError | None) -> None:
        """Say why the DNS gate did not open, or that it did or need not."""
        if err is None or (chosen := dns_gate(self._household.entry)) is None:
            self._drop(DNS_GATE)
            return
        self._raise(
            DNS_GATE,
            ir.IssueSeverity.ERROR,
            placeholders={"host": chosen.host, "port": str(chosen.port)},
            cause=BIND_ERRORS.get(err.errno or 0, CANNOT_BIND),
        )

    @callback
    def async_lists(self, unread: int) -> None:
        """Say how many lists could not be read; none is no issue."""
        if unread:
            self._raise(LISTS, ir.IssueSeverity.WARNING, placeholders={"number": str(unread)})
        else:
            self._drop(LISTS)

    @callback
    def async_resolvers(self, silence: ResolversChanged | None) -> None:
        """Say that no resolver answers; None where that is not so, or not known."""
        if silence is None:
            self._drop(RESOLVERS)
            return
        self._raise(
            RESOLVERS,
            ir.IssueSeverity.ERROR,
            placeholders={"resolvers": ", ".join(silence.resolvers)},
        )

    @property
    def gate(self) -> dict[str, str]:
        """Where the gate is to listen."""
        data = self._household.entry.data
        return {"host": str(data[CONF_HOST]), "port": str(data[CONF_PORT])}

    # --- What the engine tells ---

    @callback
    def async_hear(self, event: Event) -> None:
        """Raise or drop what an event says; most say nothing here."""
        match event:
            case StorageChanged(works=True):
                self._drop(STORAGE)
            case StorageChanged():
                self._run(self._async_say_why(is_running=True))
            case StorageDamaged(is_journal=True):
                self._raise(JOURNAL_REPLACED, ir.IssueSeverity.WARNING, is_persistent=True)
            case StorageDamaged():
                self._stop_for_damage()
            case ResolversChanged():
                self.async_resolvers(event if event.is_silent else None)
            case ConsentsSuspended():
                self._note_in_force()
                self._raise_questions()
            case ConsentsRequested():
                self._raise_questions()
            case ConsentsChanged():
                self._hear_decision(event)
            case MeasureChanged(measure=Measure.LOCKDOWN, is_on=True):
                self._run(self._async_look_for_starved(list(self._in_force.values()), []))
            case MeasureChanged(measure=Measure.LOCKDOWN) if not self.taken:
                self._drop(STARVING)
            case _:
                pass

    def _stop_for_damage(self) -> None:
        """Start anew: with a damaged file that fails, nothing leaves, and it is said."""
        entry = self._household.entry
        if entry.state is ConfigEntryState.LOADED:
            self._raise(DAMAGED, ir.IssueSeverity.ERROR)
            self._hass.config_entries.async_schedule_reload(entry.entry_id)

    async def _async_say_why(self, *, is_running: bool) -> None:
        path = self._household.database
        trouble = await self._hass.async_add_executor_job(diagnose, path)
        if is_running and self._household.firewall.storage_works:
            # It passed while that was found out.
            return
        if trouble is Trouble.DAMAGED:
            self._raise(DAMAGED, ir.IssueSeverity.ERROR)
        else:
            self._raise(STORAGE, ir.IssueSeverity.ERROR, cause=trouble.value)

    def _hear_decision(self, event: ConsentsChanged) -> None:
        before = self._in_force
        self._note_in_force()
        state = event.consents[0].state if event.consents else ConsentState.EXPIRED
        if event.decider.how not in BY_HAND:
            return
        if (
            state is ConsentState.GIVEN
            and not event.decider.notice_shown
            # What a repair undoes was given before.
            and event.decider.how != "repair"
        ):
            self._run(self._async_offer_notices(event.consents))
        elif state in (ConsentState.REFUSED, ConsentState.WITHDRAWN):
            fed = {item[0] for item in self._in_force}
            taken = [before[item] for one in event.consents if (item := one.item) in before]
            # While anything of it may pass, the appliance still reports.
            if hungry := [one for one in taken if one.appliance_id not in fed]:
                self._run(self._async_look_for_starved(hungry, hungry))

    def _note_in_force(self) -> None:
        firewall = self._household.firewall
        self._in_force = {one.item: one for one in firewall.decided() if firewall.is_in_force(one)}

    async def _async_offer_notices(self, consents: tuple[Consent, ...]) -> None:
        """Offer the notice of a recipient that was given something, until it was shown once.

        Whoever took it back unread, and gives again, has not read it yet.
        """
        for recipient_id in {one.recipient_id for one in consents}:
            now = [one for one in consents if one.recipient_id == recipient_id]
            try:
                records = await self._household.firewall.consents.records(recipient_id=recipient_id)
            except StorageError:
                # Said elsewhere; the notice can be read beside every switch.
                return
            if any(
                one.decider.notice_shown and one.consent.notice == now[0].notice for one in records
            ):
                continue
            recipient = self._household.firewall.recipients.get(recipient_id)
            if recipient is not None:
                self._raise(
                    f"{NOTICE}_{recipient_id}",
                    ir.IssueSeverity.WARNING,
                    key=NOTICE,
                    placeholders={
                        "recipient": written(recipient.organisation),
                        "purpose": recipient.purpose.value,
                    },
                    is_persistent=True,
                    recipient_id=recipient_id,
                )

    async def _async_look_for_starved(self, hungry: list[Consent], taken: list[Consent]) -> None:
        """Name who of the household's own lived on what these appliances sent."""
        found: dict[str, Starved] = {}
        for appliance_id in dict.fromkeys(one.appliance_id for one in hungry):
            for one in await async_starved(self._hass, self._household.device(appliance_id)):
                before = found[one.integration].entities if one.integration in found else ()
                found[one.integration] = Starved(
                    integration=one.integration,
                    entities=tuple(dict.fromkeys((*before, *one.entities))),
                )
        if found:
            self.starved, self.taken = list(found.values()), taken
            self._raise(
                STARVING,
                ir.IssueSeverity.WARNING,
                placeholders={"number": str(len(found))},
            )

    # --- What is seen ---

    @callback
    def _hear_of_device(self, event: HassEvent[Any]) -> None:
        if event.data["action"] != "update":
            self._review_appliances()

    @callback
    def _review(self) -> None:
        """Bring every issue up to date that tells of something lasting."""
        self._note_in_force()
        self._review_appliances()
        firewall = self._household.firewall
        if waiting := len(firewall.consents.restored()):
            self._raise(RESTORED, ir.IssueSeverity.WARNING, placeholders={"number": str(waiting)})
        else:
            self._drop(RESTORED)
        raised = async_raised(self._hass)
        if QUESTIONS in raised:
            self._raise_questions()
        fed = {recipient_id for _, _, recipient_id in self._in_force}
        for issue_id in raised:
            if issue_id.startswith(f"{NOTICE}_") and issue_id.removeprefix(f"{NOTICE}_") not in fed:
                self._drop(issue_id)
        eating = {item[0] for item in self._in_force}
        if self.taken and any(one.appliance_id in eating for one in self.taken):
            self.taken = []
            self._drop(STARVING)

    @callback
    def _review_appliances(self) -> None:
        firewall = self._household.firewall
        now = firewall.now()
        wanted: set[str] = set()
        for appliance_id, appliance in firewall.appliances.items():
            seen = firewall.status(appliance_id).last_seen
            kind = (
                GONE
                if self._household.links.is_gone(appliance_id)
                else SILENT
                if seen is not None and now - seen > SILENT_FOR
                else None
            )
            if (around := self._household.bypass.found.get(appliance_id)) is not None:
                wanted.add(f"{BYPASSING}_{appliance_id}")
                self._raise(
                    f"{BYPASSING}_{appliance_id}",
                    ir.IssueSeverity.WARNING,
                    key=BYPASSING,
                    placeholders={"appliance": written(appliance.name)},
                    appliance_id=appliance_id,
                    way=around.way.value,
                    where=around.where,
                )
            if kind is not None:
                wanted.add(f"{kind}_{appliance_id}")
                self._raise(
                    f"{kind}_{appliance_id}",
                    ir.IssueSeverity.WARNING,
                    key=kind,
                    placeholders={"appliance": written(appliance.name)},
                    appliance_id=appliance_id,
                )
        for issue_id in async_raised(self._hass):
            kinds = f"{GONE}_", f"{SILENT}_", f"{BYPASSING}_"
            if issue_id.startswith(kinds) and issue_id not in wanted:
                self._drop(issue_id)

    def open_questions(self) -> list[Consent]:
        """Return what the household was asked and has not answered, in force or not."""
        firewall = self._household.firewall
        points = [one for each in firewall.appliances for one in firewall.switched(each)]
        asked = [firewall.consent(*pair) for pair in firewall.consents.open_questions(points)]
        return [one for one in asked if one is not None and one.requested]

    def _raise_questions(self) -> None:
        if number := count_questions(
            self._household.firewall, [one.pair for one in self.open_questions()]
        ):
            self._raise(
                QUESTIONS,
                ir.IssueSeverity.WARNING,
                placeholders={"number": str(number)},
                is_persistent=True,
            )
        else:
            self._drop(QUESTIONS)

    # --- The registry ---

    def _raise(
        self,
        issue_id: str,
        severity: ir.IssueSeverity,
        *,
        key: str | None = None,
        placeholders: dict[str, str] | None = None,
        is_persistent: bool = False,
        **data: str,
    ) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            data={"entry_id": self._household.entry.entry_id, **data},
            is_fixable=True,
            is_persistent=is_persistent,
            severity=severity,
            translation_key=key or issue_id,
            translation_placeholders=placeholders,
        )

    def _drop(self, issue_id: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, issue_id)

    def _run(self, job: Any) -> None:
        self._household.entry.async_create_background_task(self._hass, job, f"{DOMAIN} issue")


@callback
def async_drop_all(hass: HomeAssistant) -> None:
    """Forget every issue, when the entry is removed."""
    for issue_id in async_raised(hass):
        ir.async_delete_issue(hass, DOMAIN, issue_id)


@callback
def async_raised(hass: HomeAssistant) -> list[str]:
    """Return the ids of all issues there are: what they are about, and ids of our own."""
    return [issue_id for domain, issue_id in ir.async_get(hass).issues if domain == DOMAIN]


def written(name: str) -> str:
    """Return a name as a title shows it: plain text, on one line, and no longer than that.

    Characters that are not seen, and those that turn the direction of what follows, are left out.
    """
    seen = "".join(one for one in name if unicodedata.category(one) != "Cf")
    return " ".join(seen.split())[:80]
