"""What was learned of appliances, kept over restarts: data points, and identities withheld."""

import json
import sqlite3

from .model import Category, DataPoint, Field, Kind, Nature, Sensitive
from .storage import Database


async def remember(
    database: Database,
    appliance_id: str,
    points: tuple[DataPoint, ...],
    identities: list[str],
) -> None:
    """Keep data points, newer over older, and identities; raises `StorageError`."""
    await database.run(lambda connection: _store(connection, appliance_id, points, identities))


async def retell(database: Database, points: list[DataPoint]) -> None:
    """Keep what data points are called and mean now, each in its place; raises `StorageError`."""
    await database.run(lambda connection: _retell(connection, points))


async def forget(database: Database, appliance_ids: list[str]) -> None:
    """Forget everything learned of appliances; raises `StorageError`."""
    await database.run(lambda connection: _forget(connection, appliance_ids))


async def data_points(database: Database) -> list[DataPoint]:
    """Return everything seen, first seen first; raises `StorageError`."""
    return await database.run(_load_points)


async def identities(database: Database) -> dict[str, list[str]]:
    """Return the identities withheld, by appliance id; raises `StorageError`."""
    return await database.run(_load_identities)


def _store(
    connection: sqlite3.Connection,
    appliance_id: str,
    points: tuple[DataPoint, ...],
    identities: list[str],
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO data_points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                point.id,
                point.appliance_id,
                point.template,
                point.field.path,
                json.dumps(point.field.siblings),
                point.name,
                json.dumps(sorted(point.kinds)),
                point.category.value,
                json.dumps(point.recipients),
                point.unit,
                point.quantity,
                point.first_seen,
            )
            for point in points
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?)",
        [
            (
                point.id,
                appliance_id,
                point.nature.value,
                json.dumps(sorted(point.sensitive)),
                json.dumps(point.evidence),
            )
            for point in points
            if point.nature is not None
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO identities VALUES (?, ?)",
        [(appliance_id, identity) for identity in identities],
    )


def _retell(connection: sqlite3.Connection, points: list[DataPoint]) -> None:
    # Not replaced: a row that is written anew would stand last among those seen with it.
    connection.executemany(
        "UPDATE data_points SET name = ?, category = ?, unit = ?, quantity = ? WHERE id = ?",
        [
            (point.name, point.category.value, point.unit, point.quantity, point.id)
            for point in points
        ],
    )


def _forget(connection: sqlite3.Connection, appliance_ids: list[str]) -> None:
    for table in ("data_points", "identities", "traits", "profiles"):
        connection.executemany(
            f"DELETE FROM {table} WHERE appliance_id = ?",  # noqa: S608 - two names of our own
            [(appliance_id,) for appliance_id in appliance_ids],
        )


def _load_points(connection: sqlite3.Connection) -> list[DataPoint]:
    rows = connection.execute(
        "SELECT p.id, p.appliance_id, template, path, siblings, name, kinds, category, recipients,"
        " unit, quantity, first_seen, nature, sensitive, evidence FROM data_points AS p"
        " LEFT JOIN traits AS t ON t.id = p.id ORDER BY first_seen, p.rowid"
    )
    return [
        DataPoint(
            id=point_id,
            appliance_id=appliance_id,
            template=template,
            field=Field(path, tuple(json.loads(siblings))),
            name=name,
            kinds=frozenset(Kind(kind) for kind in json.loads(kinds)),
            category=Category(category),
            recipients=tuple(json.loads(recipients)),
            unit=unit,
            quantity=quantity,
            first_seen=first_seen,
            nature=None if nature is None else Nature(nature),
            sensitive=frozenset(Sensitive(one) for one in json.loads(sensitive or "[]")),
            evidence=tuple(json.loads(evidence or "[]")),
        )
        for point_id, appliance_id, template, path, siblings, name, kinds, category, recipients,
        unit, quantity, first_seen, nature, sensitive, evidence in rows
    ]  # fmt: skip


def _load_identities(connection: sqlite3.Connection) -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = {}
    rows = connection.execute("SELECT appliance_id, identity FROM identities")
    for appliance_id, identity in rows:
        loaded.setdefault(appliance_id, []).append(identity)
    return loaded
