"""The journal as a file: whole, named, for its owner alone, and no formula in it."""

import asyncio
from collections.abc import AsyncIterator
import csv
import io
import json
from pathlib import Path
import stat

import pytest

from engine import StorageError, export as exports
from engine.export import Format, Names, export
from engine.journal import Entry, Journal, Query
from engine.model import Outcome, Reason
from engine.storage import Database

NAMES = Names(
    appliances={"fridge": "Kühlschrank"},
    recipients={"frost": ("Frost Ltd", "service"), "ads": ("=Ads", "marketing")},
    data_points={"p1": "Door", "p2": "@Temperature", "p3": "Serial"},
)


def entry(at: float, **changes: object) -> Entry:
    stated: dict[str, object] = {
        "at": at, "gate": "http", "appliance_id": "fridge", "recipient_ids": ("frost", "ads"),
        "template": "POST cloud.example/v1/*", "outcome": Outcome.REDACT,
        "reason": Reason.SOME_WITHHELD, "released": ("p1", "p2"), "coarse": ("p2",), "withheld": 3,
        "withheld_ids": ("p3", "unnamed"), "bytes_in": 120, "bytes_out": 40,
    }  # fmt: skip
    return Entry(**(stated | changes))  # type: ignore[arg-type]


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    database = Database(tmp_path / "journal.db")
    journal = Journal(database)
    await database.open()
    yield journal
    await database.close()


async def read(path: Path) -> str:
    return await asyncio.to_thread(path.read_text, encoding="utf-8")


async def test_ndjson(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    await journal.append(entry(0.0, values=(("p1", "true"), ("p1", "ä\n"))))
    await journal.append(
        entry(1_700_000_000.25, appliance_id=None, recipient_ids=("gone",), outcome=Outcome.DENY,
              reason=Reason.UNKNOWN_APPLIANCE, released=(), coarse=(), withheld_ids=())
    )  # fmt: skip
    assert await export(journal, path, Query(), Format.NDJSON, NAMES) == 2
    newest, oldest = [json.loads(line) for line in (await read(path)).splitlines()]
    assert oldest == {
        "time": "1970-01-01T00:00:00.000Z", "number": 1, "count": 1, "gate": "http",
        "appliance": {"id": "fridge", "name": "Kühlschrank"},
        "recipients": [
            {"id": "frost", "organisation": "Frost Ltd", "purpose": "service"},
            {"id": "ads", "organisation": "=Ads", "purpose": "marketing"},
        ],
        "request": "POST cloud.example/v1/*", "outcome": "redact", "reason": "some_withheld",
        "released": [
            {"id": "p1", "name": "Door", "level": "exact", "values": ["true", "ä\n"]},
            {"id": "p2", "name": "@Temperature", "level": "coarse"},
        ],
        "withheld": [{"id": "p3", "name": "Serial"}, {"id": "unnamed", "name": None}],
        "withheld_count": 3, "bytes_in": 120, "bytes_out": 40,
    }  # fmt: skip
    assert (newest["time"], newest["appliance"]) == ("2023-11-14T22:13:20.250Z", None)
    assert newest["recipients"] == [{"id": "gone", "organisation": None, "purpose": None}]


async def test_csv(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await journal.append(entry(0.0, values=(("p1", "true"), ("p2", "-4"))))
    assert await export(journal, path, Query(), Format.CSV, NAMES) == 1
    (row,) = csv.DictReader(io.StringIO((await read(path)).removeprefix("\ufeff"), newline=""))
    assert row == {
        "time": "1970-01-01T00:00:00.000Z", "number": "1", "count": "1", "gate": "http",
        "appliance": "Kühlschrank", "appliance_id": "fridge",
        "recipients": "Frost Ltd (service); '=Ads (marketing)", "recipient_ids": "frost; ads",
        "request": "POST cloud.example/v1/*", "outcome": "redact", "reason": "some_withheld",
        "released": "Door", "released_coarsely": "'@Temperature", "withheld": "Serial; unnamed",
        "withheld_count": "3", "bytes_in": "120", "bytes_out": "40",
        "values": "Door: true; '@Temperature: -4",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "\x00=1", 'a";=1',
     "a;=1", "a,+1", "a\n@b", "a|-1", "a\t=1", 'x","=1'],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_no_cell_begins_a_formula(
    journal: Journal, tmp_path: Path, text: str, delimiter: str
) -> None:
    """Whichever sign a spreadsheet splits at."""
    names = Names(appliances={"fridge": text}, recipients={"frost": (text, text)})
    await journal.append(entry(0.0, template=text, values=(("p1", text), ("p2", text))))
    await export(journal, tmp_path / "out.csv", Query(), Format.CSV, names)
    content = (await read(tmp_path / "out.csv")).removeprefix("\ufeff")
    readers = (
        csv.reader(io.StringIO(content, newline=""), delimiter=delimiter),
        csv.reader(content.splitlines(), delimiter=delimiter, quoting=csv.QUOTE_NONE),
    )
    cells = [cell for rows in readers for row in rows for cell in row]
    assert len(cells) >= 4
    dangerous = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - spreadsheets take them for the narrow ones
    assert not [cell for cell in cells if cell.strip(' "').startswith(dangerous)]


async def test_only_what_was_asked_for_page_by_page(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PAGE", 7)
    for n in range(60):
        await journal.append(entry(float(n), appliance_id=("fridge", "oven")[n % 2]))
    asked: list[int] = []
    disclosures = journal.disclosures

    async def page(query: Query) -> list[Entry]:
        found = await disclosures(query)
        asked.append(len(found))
        return found

    monkeypatch.setattr(journal, "disclosures", page)
    query = Query(appliance_id="oven", since=10.0, limit=1)
    assert await export(journal, tmp_path / "out", query, Format.NDJSON, NAMES) == 25
    assert asked == [7, 7, 7, 4, 0]
    lines = (await read(tmp_path / "out")).splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(60, 11, -2))


async def test_the_file_is_for_its_owner_alone_and_whole_or_not_there(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "out.csv"
    await journal.append(entry(0.0))
    await export(journal, path, Query(), Format.CSV, NAMES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = await read(path)

    async def refuse(query: Query) -> list[Entry]:
        assert stat.S_IMODE((folder / "out.csv.part").stat().st_mode) == 0o600
        raise StorageError("refused")

    monkeypatch.setattr(journal, "disclosures", refuse)
    with pytest.raises(StorageError):
        await export(journal, path, Query(), Format.CSV, NAMES)
    assert [one.name for one in folder.iterdir()] == ["out.csv"]
    assert await read(path) == before
    with pytest.raises(StorageError, match="cannot write"):
        await export(journal, tmp_path / "nowhere" / "x", Query(), Format.CSV, NAMES)
