"""The actions about the journal: what they tell, what they write, what they forget."""

import csv
from datetime import timedelta
import json
import os
from pathlib import Path
import re
import stat
from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.components.backup.const import EXCLUDE_FROM_BACKUP
from homeassistant.util import dt as dt_util
import probatio
import pytest

from custom_components.privacy_firewall.engine import StorageError
from tests.actions import (
    call,
    given,
    pair,
    refused,
)
from tests.common import ADLENS, BRUSH, FRIDGE, FROSTLINE, Home


@pytest.fixture
async def fridge(home: Home) -> Home:
    """A home whose fridge was seen once, with nothing consented."""
    await home.report()
    assert home.cloud.received == []
    return home


@pytest.fixture(autouse=True)
def an_owner(hass_owner_user: User) -> User:
    """The first user of a home is its owner, whatever groups they are in."""
    return hass_owner_user


async def test_disclosures_tell_by_name_what_left_and_what_did_not(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"), level="coarse")
    await fridge.report()
    response = await call(fridge, "get_disclosures")
    newest, first = response["disclosures"]
    assert (newest["appliance"], newest["recipients"]) == (FRIDGE, [f"{FROSTLINE} (service)"])
    assert (newest["outcome"], newest["reason"]) == ("redact", "some_withheld")
    assert newest["why"] == "What is not consented was taken out."
    assert newest["released"] == newest["released_coarsely"] == ["Temperature"]
    assert {"Humidity", "Door open"} <= set(newest["withheld"])
    assert newest["bytes_in"] > newest["bytes_out"] > 0
    assert newest["gate"] == "http"
    assert dt_util.parse_datetime(newest["when"]) > dt_util.parse_datetime(first["when"])
    assert (first["outcome"], first["released"]) == ("deny", [])
    assert response["before"] is None
    # What was reported is in none of it: the household keeps no values.
    assert "values" not in newest
    assert "eco" not in json.dumps(response)


async def test_values_are_told_where_they_are_kept(fridge: Home) -> None:
    fridge.household.firewall._pipeline.keeps_values = True
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.report()
    newest, first = (await call(fridge, "get_disclosures"))["disclosures"]
    assert newest["values"] == [{"data_point": "Temperature", "value": "4.5"}]
    assert "values" not in first


async def test_disclosures_are_narrowed(fridge: Home) -> None:
    await fridge.report(by=BRUSH)
    await fridge.report(to=ADLENS)

    async def found(**asked: Any) -> int:
        return len((await call(fridge, "get_disclosures", **asked))["disclosures"])

    device = fridge.household.device(fridge.subentry(BRUSH).subentry_id)
    assert device is not None
    assert await found() == 3
    assert await found(appliance_id=FRIDGE) == 2
    assert await found(device_id=device.id) == 1
    assert await found(recipient_id=ADLENS) == 1
    assert await found(recipient_id=FROSTLINE, appliance_id=FRIDGE) == 1
    assert await found(outcome="deny") == 3
    assert await found(outcome=["permit", "redact"]) == 0
    assert await found(hours=1) == 3
    hour = timedelta(hours=1)
    assert await found(until=dt_util.now() - hour) == 0
    assert await found(since=dt_util.now() - hour, until=dt_util.now() + hour) == 3
    assert await found(since=dt_util.now() + hour) == 0


async def test_disclosures_come_in_pages(fridge: Home) -> None:
    for _ in range(4):
        await fridge.report()
    first = await call(fridge, "get_disclosures", limit=3)
    assert first["before"] == first["disclosures"][-1]["number"]
    second = await call(fridge, "get_disclosures", limit=3, before=first["before"])
    assert second["before"] is None
    numbers = [one["number"] for page in (first, second) for one in page["disclosures"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 5


async def test_a_summary_counts_the_period(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.report()
    await fridge.report()
    assert "summary" not in await call(fridge, "get_disclosures")
    summary = (await call(fridge, "get_disclosures", summary=True, limit=1))["summary"]
    counts = {one["outcome"]: one["count"] for one in summary["transmissions"]}
    assert counts == {"deny": 1, "redact": 2}
    [left] = summary["released"]
    assert (left["data_point"], left["count"], left["coarse"]) == ("Temperature", 2, 0)


async def test_a_summary_is_of_what_was_asked_for(fridge: Home) -> None:
    """Of a recipient that got nothing it does not tell what another got."""
    await fridge.report(to=ADLENS)
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.report()
    asked = {"recipient_id": ADLENS, "hours": 1, "summary": True}
    summary = (await call(fridge, "get_disclosures", **asked))["summary"]
    assert summary["released"] == []
    assert [one["outcome"] for one in summary["transmissions"]] == ["deny"]
    left = await call(fridge, "get_disclosures", **asked | {"outcome": ["permit", "redact"]})
    assert left["summary"] == {"released": [], "transmissions": []}


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"since": "2026-01-02 00:00:00", "until": "2026-01-01 00:00:00"}, "period_not_possible"),
        ({"since": "2026-01-02 00:00:00", "hours": 1}, "period_not_possible"),
        ({"appliance_id": "Oven"}, "appliance_unknown"),
        ({"recipient_id": "Nobody"}, "recipient_unknown"),
    ],
)
@pytest.mark.parametrize("action", ["get_disclosures", "export_journal"])
async def test_an_impossible_question_is_refused(
    fridge: Home, action: str, asked: dict[str, Any], key: str
) -> None:
    await refused(key, call(fridge, action, **asked))


async def test_a_journal_that_cannot_be_read_is_said(fridge: Home) -> None:
    journal = fridge.household.firewall.journal
    with patch.object(journal, "disclosures", side_effect=StorageError):
        await refused("records_not_read", call(fridge, "get_disclosures"))
        await refused("export_not_written", call(fridge, "export_journal"))
    assert files(fridge) == []


def exports(home: Home) -> Path:
    return Path(home.hass.config.path("privacy_firewall_exports"))


def files(home: Home) -> list[Path]:
    return list(exports(home).iterdir())


def modes(path: str) -> tuple[int, int]:
    """Who may read a file, and who its folder."""
    return stat.S_IMODE(Path(path).stat().st_mode), stat.S_IMODE(Path(path).parent.stat().st_mode)


def read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8-sig")


def lines(path: str) -> list[Any]:
    return [json.loads(line) for line in read(path).splitlines()]


async def test_an_export_is_a_file_of_ours(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.report()
    response = await call(fridge, "export_journal")
    path = Path(response["path"])
    assert path.parent == exports(fridge)
    assert re.fullmatch(r"journal_\d{8}T\d{6}Z_[0-9a-f]{8}\.log\.ndjson", path.name)
    assert modes(response["path"]) == (0o600, 0o700)
    newest, first = lines(response["path"])
    assert response["count"] == 2
    assert [one["name"] for one in newest["released"]] == ["Temperature"]
    assert newest["appliance"]["name"] == FRIDGE
    assert newest["recipients"][0]["organisation"] == FROSTLINE
    assert first["outcome"] == "deny"
    again = await call(fridge, "export_journal")
    assert again["path"] != response["path"]


async def test_the_caller_gives_no_path(fridge: Home) -> None:
    for field in ("path", "filename", "file"):
        with pytest.raises(probatio.Invalid):
            await call(fridge, "export_journal", **{field: "/etc/passwd"})


async def test_an_export_is_left_out_of_backups(fridge: Home) -> None:
    for how in ("csv", "ndjson"):
        path = Path((await call(fridge, "export_journal", format=how))["path"])
        assert any(path.match(pattern) for pattern in EXCLUDE_FROM_BACKUP)


async def test_a_csv_for_a_spreadsheet_has_no_formulas(fridge: Home) -> None:
    bad = '=HYPERLINK("http://evil.example")'
    await fridge.change(FRIDGE, name=f"{bad},\n+cmd|' /C calc'!A0")
    await fridge.report({bad: 1, "@SUM(1)": 2})
    path = (await call(fridge, "export_journal", format="csv", hours=1))["path"]
    text = read(path)
    rows = list(csv.reader(text.splitlines(keepends=True)))
    assert len(rows) == 3
    assert text.count("HYPERLINK") == 2
    for row in rows:
        for cell in row:
            assert not re.match(r"\s*[=+\-@]", cell), cell


async def test_a_folder_that_is_none_is_said(fridge: Home) -> None:
    os.mknod(exports(fridge))
    await refused("export_not_written", call(fridge, "export_journal"))


async def test_the_journal_of_an_appliance_is_forgotten(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.report(by=BRUSH)
    response = await call(fridge, "forget", appliance_id=FRIDGE)
    assert response["count"] == 1
    left = (await call(fridge, "get_disclosures"))["disclosures"]
    assert {one["appliance"] for one in left} == {BRUSH}
    status = fridge.household.firewall.status(fridge.subentry(FRIDGE).subentry_id)
    assert (status.denied, status.last_seen) == (0, None)
    # What was decided stays, on record and in force.
    assert given(fridge) == {"Temperature"}
    assert (await call(fridge, "get_receipt"))["count"] == 1


async def test_of_an_appliance_that_is_gone_too(fridge: Home) -> None:
    gone = await fridge.remove(FRIDGE)
    assert len((await call(fridge, "get_disclosures", appliance_id=gone))["disclosures"]) == 1
    assert (await call(fridge, "forget", appliance_id=gone))["count"] == 1
    await refused("appliance_unknown", call(fridge, "forget", appliance_id=gone))


async def test_nothing_is_forgotten_by_accident(fridge: Home) -> None:
    await refused("appliance_not_one", call(fridge, "forget"))
    await refused("appliance_unknown", call(fridge, "forget", appliance_id="Oven"))
    assert len((await call(fridge, "get_disclosures"))["disclosures"]) == 1


async def test_what_could_not_be_forgotten_is_said(fridge: Home) -> None:
    with patch.object(fridge.household.firewall.journal, "forget", side_effect=StorageError):
        await refused("journal_not_forgotten", call(fridge, "forget", appliance_id=FRIDGE))
