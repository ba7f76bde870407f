"""The actions about the journal: read it, write it to a file, forget an appliance's part of it.

They are for administrators: the journal tells when somebody was at home.
"""

from pathlib import Path
import secrets
from typing import Any

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import dt as dt_util
import probatio

from .action_fields import (
    ATTR_APPLIANCE_ID,
    ATTR_RECIPIENT_ID,
    OF_APPLIANCE,
    OF_PERIOD,
    async_household,
    async_recipient,
    async_recorded_appliance,
    failure,
    iso,
    period_of,
    title_of,
)
from .const import DOMAIN
from .engine import Format, Query, StorageError
from .engine.model import Outcome
from .engine.sentences import SENTENCES
from .household import Household

EXPORTS = "privacy_firewall_exports"
"""Where exports are written, in the configuration folder."""
MAX_ENTRIES = 500

ATTR_BEFORE = "before"
ATTR_FORMAT = "format"
ATTR_LIMIT = "limit"
ATTR_OUTCOME = "outcome"
ATTR_SUMMARY = "summary"

OF_JOURNAL: dict[Any, Any] = (
    OF_APPLIANCE | OF_PERIOD | {probatio.Optional(ATTR_RECIPIENT_ID): cv.string}
)
GET_DISCLOSURES = probatio.Schema(
    OF_JOURNAL
    | {
        probatio.Optional(ATTR_OUTCOME): probatio.All(
            cv.ensure_list, [probatio.In([outcome.value for outcome in Outcome])]
        ),
        probatio.Optional(ATTR_LIMIT, default=100): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1, max=MAX_ENTRIES)
        ),
        probatio.Optional(ATTR_BEFORE): cv.positive_int,
        probatio.Optional(ATTR_SUMMARY, default=False): cv.boolean,
    }
)
EXPORT_JOURNAL = probatio.Schema(
    OF_JOURNAL
    | {
        probatio.Optional(ATTR_FORMAT, default=Format.NDJSON.value): probatio.In(
            [one.value for one in Format]
        )
    }
)
FORGET = probatio.Schema(OF_APPLIANCE)


@callback
def async_setup_journal_actions(hass: HomeAssistant) -> None:
    """Register them."""
    for name, action, schema, supports in (
        ("get_disclosures", _get_disclosures, GET_DISCLOSURES, SupportsResponse.ONLY),
        ("export_journal", _export_journal, EXPORT_JOURNAL, SupportsResponse.OPTIONAL),
        ("forget", _forget, FORGET, SupportsResponse.OPTIONAL),
    ):
        async_register_admin_service(hass, DOMAIN, name, action, schema, supports)


async def _query(household: Household, call: ServiceCall) -> Query:
    since, until = period_of(call.data)
    is_named = call.data.keys() & {ATTR_DEVICE_ID, ATTR_APPLIANCE_ID}
    return Query(
        appliance_id=await async_recorded_appliance(household, call.data) if is_named else None,
        recipient_id=async_recipient(household, call.data),
        since=since,
        until=until,
        outcomes=frozenset(map(Outcome, call.data[ATTR_OUTCOME]))
        if ATTR_OUTCOME in call.data
        else None,
        before=call.data.get(ATTR_BEFORE),
        limit=call.data.get(ATTR_LIMIT, MAX_ENTRIES),
    )


async def _get_disclosures(call: ServiceCall) -> ServiceResponse:
    """Tell what left, what was held back, and why; newest first."""
    household = async_household(call.hass)
    names = _Names(household)
    try:
        query = await _query(household, call)
        entries = await household.firewall.journal.disclosures(query)
        summary = (
            await household.firewall.journal.summary(query) if call.data[ATTR_SUMMARY] else None
        )
    except StorageError as err:
        raise failure("records_not_read") from err
    response: dict[str, Any] = {
        "disclosures": [
            {
                "number": entry.number,
                "when": iso(entry.at),
                "count": entry.count,
                "gate": entry.gate,
                "appliance": names.appliance(entry.appliance_id),
                "appliance_id": entry.appliance_id,
                "recipients": [names.recipient(one) for one in entry.recipient_ids],
                "recipient_ids": list(entry.recipient_ids),
                "request": entry.template,
                "outcome": entry.outcome.value,
                "reason": entry.reason.value,
                "why": SENTENCES[entry.reason],
                "released": [names.point(one) for one in entry.released],
                "released_coarsely": [names.point(one) for one in entry.coarse],
                "withheld": [names.point(one) for one in entry.withheld_ids],
                "withheld_count": entry.withheld,
                "bytes_in": entry.bytes_in,
                "bytes_out": entry.bytes_out,
            }
            | (
                {
                    "values": [
                        {"data_point": names.point(one), "value": value}
                        for one, value in entry.values
                    ]
                }
                if entry.values
                else {}
            )
            for entry in entries
        ],
        # What is older than the last one follows with this.
        "before": entries[-1].number if len(entries) == query.limit else None,
    }
    if summary is not None:
        response["summary"] = {
            "transmissions": [
                {
                    "appliance": names.appliance(appliance_id),
                    "appliance_id": appliance_id,
                    "outcome": outcome.value,
                    "reason": reason.value,
                    "count": count,
                }
                for (appliance_id, outcome, reason), count in summary.counts.most_common()
            ],
            "released": [
                {
                    "data_point": names.point(one),
                    "data_point_id": one,
                    "count": count,
                    "coarse": summary.coarse[one],
                }
                for one, count in summary.released.most_common()
            ],
        }
    return response


class _Names:
    """What things are called now; what is gone, by its id."""

    def __init__(self, household: Household) -> None:
        self._firewall = household.firewall

    def appliance(self, appliance_id: str | None) -> str | None:
        appliance = self._firewall.appliances.get(appliance_id or "")
        return appliance_id if appliance is None else appliance.name

    def recipient(self, recipient_id: str) -> str:
        recipient = self._firewall.recipients.get(recipient_id)
        return recipient_id if recipient is None else title_of(recipient)

    def point(self, data_point_id: str) -> str:
        point = self._firewall.data_point(data_point_id)
        return data_point_id if point is None else point.name


async def _export_journal(call: ServiceCall) -> ServiceResponse:
    """Write the journal to a file whose name is ours."""
    household = async_household(call.hass)
    how = Format(call.data[ATTR_FORMAT])
    folder = Path(call.hass.config.path(EXPORTS))
    # A name that backups leave out (`*.log.*`), as they do the journal.
    name = f"journal_{dt_util.utcnow():%Y%m%dT%H%M%SZ}_{secrets.token_hex(4)}.log.{how.value}"
    try:
        query = await _query(household, call)
        await call.hass.async_add_executor_job(_make_folder, folder)
        count = await household.firewall.inspection.export(folder / name, query, how)
    except (StorageError, OSError) as err:
        raise failure("export_not_written") from err
    return {"path": str(folder / name), "count": count}


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)


async def _forget(call: ServiceCall) -> ServiceResponse:
    """Delete what the journal has of an appliance."""
    household = async_household(call.hass)
    try:
        appliance_id = await async_recorded_appliance(household, call.data)
        count = await household.firewall.forget_journal(appliance_id)
    except StorageError as err:
        raise failure("journal_not_forgotten") from err
    household.observed.async_forget(appliance_id)
    household.async_changed()
    return {"appliance_id": appliance_id, "count": count}
