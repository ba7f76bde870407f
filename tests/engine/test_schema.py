"""A file of version 1 becomes one of version 2: consents stay, and nothing is added to them."""

import json
from pathlib import Path
import sqlite3

import pytest

from engine import Firewall, StorageError, schema
from engine.model import ConsentState, Field, Level, data_point_id
import wire
from wire import frost

VERSION_1 = """
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, appliance_id TEXT NOT NULL,
    data_point_id TEXT NOT NULL, recipient_id TEXT NOT NULL, state TEXT NOT NULL,
    level TEXT NOT NULL, kinds TEXT NOT NULL, how TEXT NOT NULL, person TEXT
) STRICT;
CREATE INDEX ledger_item ON ledger (appliance_id, data_point_id, recipient_id, id);
CREATE TABLE journal (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, gate TEXT NOT NULL, appliance_id TEXT,
    recipient_ids TEXT NOT NULL, template TEXT NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL, released TEXT NOT NULL, withheld INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_appliance ON journal (appliance_id, at);
CREATE TABLE data_points (
    id TEXT PRIMARY KEY, appliance_id TEXT NOT NULL, template TEXT NOT NULL, path TEXT NOT NULL,
    siblings TEXT NOT NULL, name TEXT NOT NULL, kinds TEXT NOT NULL, category TEXT NOT NULL,
    recipients TEXT NOT NULL, unit TEXT, quantity TEXT, first_seen REAL NOT NULL
) STRICT;
CREATE TABLE identities (
    appliance_id TEXT NOT NULL, identity TEXT NOT NULL, PRIMARY KEY (appliance_id, identity)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""As 0.1.0 wrote it."""
TEMPLATE = "POST 127.0.0.1/v1/report"
BODY = b'{"serial":"AB-1234-5678","door":true,"temp":4.5,"mode":"eco"}'
SERIAL = frozenset({"$.body.serial"})


def point_id(path: str) -> str:
    return data_point_id("fridge", TEMPLATE, Field(path))


def write_version_1(path: Path) -> None:
    """A home that gave the door exactly and the temperature coarsely, and took the mode back."""
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = WAL;" + VERSION_1)
        kinds = {"serial": "text", "door": "boolean", "temp": "number", "mode": "text"}
        for name, kind in kinds.items():
            category = "identifier" if name == "serial" else "reading"
            connection.execute(
                "INSERT INTO data_points VALUES (?, 'fridge', ?, ?, '[]', ?, ?, ?, '[\"frost\"]',"
                " NULL, NULL, 1700000000.5)",
                (point_id(f"$.body.{name}"), TEMPLATE, f"$.body.{name}", name,
                 json.dumps([kind]), category),
            )  # fmt: skip
        for number, (name, state, level) in enumerate(
            [("mode", "given", "exact"), ("door", "given", "exact"), ("temp", "given", "exact"),
             ("mode", "withdrawn", "exact"), ("temp", "given", "coarse")]
        ):  # fmt: skip
            connection.execute(
                "INSERT INTO ledger (at, appliance_id, data_point_id, recipient_id, state, level,"
                " kinds, how, person) VALUES (?, 'fridge', ?, 'frost', ?, ?, ?, 'switch', 'anna')",
                (1_700_000_000.25 + number, point_id(f"$.body.{name}"), state, level,
                 json.dumps([kinds[name]])),
            )  # fmt: skip
        connection.execute(
            "INSERT INTO journal VALUES (1, 1700000001.0, 'http', 'fridge', '[]', 'x', 'deny',"
            " 'nothing_consented', '[]', 3, 10, 0)"
        )
        connection.execute("INSERT INTO identities VALUES ('fridge', 'ab12345678')")


async def test_consents_stay_as_they_were(tmp_path: Path) -> None:
    write_version_1(tmp_path / "firewall.db")
    async with wire.house(tmp_path) as house:
        decided = {one.data_point_id: one for one in house.firewall.decided()}
        assert {path: (one.state, one.level) for path, one in decided.items()} == {
            point_id("$.body.door"): (ConsentState.GIVEN, Level.EXACT),
            point_id("$.body.temp"): (ConsentState.GIVEN, Level.COARSE),
            point_id("$.body.mode"): (ConsentState.WITHDRAWN, Level.EXACT),
        }
        assert not house.firewall.consents.is_restored
        for _ in range(2):
            await house.ask(house.request(BODY))
            left = json.loads(house.cloud.requests[-1].body)
            assert left.keys() == {"door", "temp"}
            assert left["temp"] != 4.5
            await house.restart()
        assert len(house.cloud.requests) == 2


async def test_the_chain_begins_with_the_first_record(tmp_path: Path) -> None:
    write_version_1(tmp_path / "firewall.db")
    async with wire.house(tmp_path) as house:
        check = await house.firewall.consents.verify()
        assert (check.records, check.first_broken) == (5, None)
        records = await house.firewall.consents.records()
        assert [one.at for one in records] == [1_700_000_000.25 + n for n in range(5)]
        assert {(one.decider.how, one.decider.person) for one in records} == {("switch", "anna")}
        assert {one.consent.notice for one in records} == {None}
        await house.give("$.body.mode")
        check = await house.firewall.consents.verify()
        assert (check.records, check.first_broken) == (6, None)
        await house.firewall._database.run(
            lambda c: c.execute("UPDATE ledger SET state = 'given' WHERE id = 4").rowcount
        )
        assert (await house.firewall.consents.verify()).first_broken == 4


async def test_an_identifier_stays_at_home_until_somebody_grants_anew(tmp_path: Path) -> None:
    """The version before sent it along with anything; nobody was shown a notice that named it."""
    write_version_1(tmp_path / "firewall.db")
    async with wire.house(tmp_path) as house:
        house.configure(recipients=(frost(f"http://{house.host}/", functional=SERIAL),))
        await house.ask(house.request(BODY))
        assert "serial" not in json.loads(house.cloud.requests[-1].body)
        (door,) = [
            one for one in house.firewall.decided() if one.data_point_id == point_id("$.body.door")
        ]
        assert house.firewall.consents.is_outdated(door), "so that the household is asked"
        await house.give("$.body.door")
        await house.ask(house.request(BODY))
        assert json.loads(house.cloud.requests[-1].body)["serial"] == "AB-1234-5678"


async def test_the_old_journal_goes_and_what_was_learned_stays(tmp_path: Path) -> None:
    write_version_1(tmp_path / "firewall.db")
    async with wire.house(tmp_path) as house:
        assert {"$.body.door", "$.body.serial"} <= house.points().keys()
        with sqlite3.connect(house.database) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            assert "journal" not in tables
            assert connection.execute("SELECT * FROM identities").fetchall() == [
                ("fridge", "ab12345678")
            ]
            assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


async def test_a_migrated_file_has_the_form_of_a_new_one(tmp_path: Path) -> None:
    def form(path: Path) -> dict[str, list[tuple[object, ...]]]:
        with sqlite3.connect(path) as connection:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
            ).fetchall()
            return {
                name: [row[1:] for row in connection.execute(f"PRAGMA table_info({name})")]
                for (name,) in names
            }

    write_version_1(tmp_path / "old.db")
    for name in ("old.db", "new.db"):
        firewall = Firewall(database=tmp_path / name, on_event=lambda _: None)
        await firewall.start()
        await firewall.stop()
    old, new = form(tmp_path / "old.db"), form(tmp_path / "new.db")
    assert {name: sorted(columns, key=str) for name, columns in old.items()} == {
        name: sorted(columns, key=str) for name, columns in new.items()
    }


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "firewall.db"
    write_version_1(path)
    with monkeypatch.context() as patch:
        link, calls = schema.link, []

        def fails_late(*arguments: object) -> str:
            calls.append(arguments)
            if len(calls) == 3:
                raise RuntimeError
            return link(*arguments)  # type: ignore[arg-type]

        patch.setattr(schema, "link", fails_late)
        firewall = Firewall(database=path, on_event=lambda _: None)
        with pytest.raises(StorageError):
            await firewall.start()
        assert not wire.storage_threads()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert len(connection.execute("PRAGMA table_info(ledger)").fetchall()) == 10
        assert connection.execute("SELECT COUNT(*) FROM journal").fetchone() == (1,)
    async with wire.house(tmp_path) as house:
        assert (await house.firewall.consents.verify()).first_broken is None
