"""The journal as a file for people and their programs: NDJSON, or CSV for a spreadsheet.

It is written page by page in a thread, newest first, under another name until it is whole.
"""

import asyncio
from collections.abc import Callable, Mapping
import csv
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
import json
import os
from pathlib import Path
import re
from typing import TextIO

from .errors import StorageError
from .journal import Entry, Journal, Query

_PAGE = 1_000
"""Entries read at once, some 10 ms of the database's time."""
_COLUMNS = (
    "time", "number", "count", "gate", "appliance", "appliance_id", "recipients", "recipient_ids",
    "request", "outcome", "reason", "released", "released_coarsely", "withheld", "withheld_count",
    "bytes_in", "bytes_out", "values",
)  # fmt: skip
_FORMULA = re.compile(
    r"^(?=\s*[=+\-@＝＋－＠]|[\t\r])|[;,|\"\t\r\n]\s*(?=[=+\-@＝＋－＠])"  # noqa: RUF001 - spreadsheets take them for the narrow ones
)
"""Where a spreadsheet could see the beginning of a formula: at a cell's start and, since some split
at other signs than commas, after any of these (OWASP, CSV Injection)."""


class Format(StrEnum):
    """How a file is written."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What things are called now, by id; what is not in here is told by its id.

    A recipient is its organisation and its purpose.
    """

    appliances: Mapping[str, str] = field(default_factory=dict[str, str])
    recipients: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    data_points: Mapping[str, str] = field(default_factory=dict[str, str])


async def export(journal: Journal, path: Path, query: Query, how: Format, names: Names) -> int:
    """Write what a query asks for, whatever its limit; return how many entries it was.

    The file is for its owner alone, and replaces one of that name in one go. Raises `StorageError`
    where the journal cannot be read or the file not be written; then there is none, or the old one.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        file = await asyncio.to_thread(_open, part)
        try:
            written = await _write(journal, file, query, how, names)
            await asyncio.to_thread(_finish, file)
        finally:
            await asyncio.to_thread(file.close)
        await asyncio.to_thread(part.replace, path)
    except OSError as err:
        raise StorageError(f"cannot write the export: {type(err).__name__}") from err
    finally:
        await asyncio.to_thread(partial(part.unlink, missing_ok=True))
    return written


async def _write(journal: Journal, file: TextIO, query: Query, how: Format, names: Names) -> int:
    written = 0
    write: Callable[[list[Entry]], None]
    if how is Format.CSV:
        rows = csv.writer(file, quoting=csv.QUOTE_ALL)
        # By this mark spreadsheets know that it is UTF-8.
        file.write("\ufeff")
        rows.writerow(_COLUMNS)

        def write(page: list[Entry]) -> None:
            rows.writerows([_safe(cell) for cell in _cells(entry, names)] for entry in page)

    else:

        def write(page: list[Entry]) -> None:
            file.writelines(
                f"{json.dumps(_record(entry, names), ensure_ascii=False)}\n" for entry in page
            )

    query = replace(query, limit=_PAGE)
    while page := await journal.disclosures(query):
        await asyncio.to_thread(write, page)
        written += len(page)
        query = replace(query, before=page[-1].number)
    return written


def _open(path: Path) -> TextIO:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    # Names may hold what is no text; newlines are written as they are.
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="")


def _finish(file: TextIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _time(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.at, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(entry: Entry, names: Names) -> dict[str, object]:
    """Return an entry as a line of NDJSON."""
    coarse = frozenset(entry.coarse)
    values: dict[str, list[str]] = {}
    for point_id, value in entry.values:
        values.setdefault(point_id, []).append(value)

    def point(point_id: str) -> dict[str, object]:
        return {"id": point_id, "name": names.data_points.get(point_id)}

    def released(point_id: str) -> dict[str, object]:
        told = point(point_id) | {"level": "coarse" if point_id in coarse else "exact"}
        return told | ({"values": values[point_id]} if point_id in values else {})

    def recipient(recipient_id: str) -> dict[str, object]:
        organisation, purpose = names.recipients.get(recipient_id, (None, None))
        return {"id": recipient_id, "organisation": organisation, "purpose": purpose}

    return {
        "time": _time(entry),
        "number": entry.number,
        "count": entry.count,
        "gate": entry.gate,
        "appliance": None
        if entry.appliance_id is None
        else {"id": entry.appliance_id, "name": names.appliances.get(entry.appliance_id)},
        "recipients": [recipient(one) for one in entry.recipient_ids],
        "request": entry.template,
        "outcome": entry.outcome.value,
        "reason": entry.reason.value,
        "released": [released(one) for one in entry.released],
        "withheld": [point(one) for one in entry.withheld_ids],
        "withheld_count": entry.withheld,
        "bytes_in": entry.bytes_in,
        "bytes_out": entry.bytes_out,
    }


def _cells(entry: Entry, names: Names) -> list[str]:
    """Return an entry as a row of CSV, not yet made safe."""
    coarse = frozenset(entry.coarse)

    def points(ids: tuple[str, ...]) -> str:
        return "; ".join(names.data_points.get(one, one) for one in ids)

    def recipient(recipient_id: str) -> str:
        known = names.recipients.get(recipient_id)
        return f"{known[0]} ({known[1]})" if known else recipient_id

    return [
        _time(entry),
        str(entry.number),
        str(entry.count),
        entry.gate,
        names.appliances.get(entry.appliance_id or "", ""),
        entry.appliance_id or "",
        "; ".join(recipient(one) for one in entry.recipient_ids),
        "; ".join(entry.recipient_ids),
        entry.template,
        entry.outcome.value,
        entry.reason.value,
        points(tuple(one for one in entry.released if one not in coarse)),
        points(entry.coarse),
        points(entry.withheld_ids),
        str(entry.withheld),
        str(entry.bytes_in),
        str(entry.bytes_out),
        "; ".join(f"{names.data_points.get(one, one)}: {value}" for one, value in entry.values),
    ]


def _safe(cell: str) -> str:
    """Put an apostrophe before whatever a spreadsheet could take for a formula."""
    return _FORMULA.sub(r"\g<0>'", cell.replace("\x00", ""))
