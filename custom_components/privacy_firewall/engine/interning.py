"""Texts that the journal repeats: written once, referred to by number.

A *shape* is all that transmissions have in common beside when and how large: appliance, gate,
recipients, template, reason and the three lists of data points. A home knows some hundred of them,
so that a row of the journal is a few small numbers. What nothing refers to any more is deleted:
hosts and paths stand in these texts.
"""

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
import json
import sqlite3
from typing import NamedTuple

from .storage import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY,
    digest INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS texts_digest ON texts (digest);
CREATE TABLE IF NOT EXISTS shapes (
    id INTEGER PRIMARY KEY,
    template INTEGER NOT NULL,
    released INTEGER NOT NULL,
    withheld INTEGER NOT NULL,
    coarse INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    gate INTEGER NOT NULL,
    appliance INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS shapes_all
    ON shapes (template, released, withheld, coarse, recipients, reason, gate, appliance);
"""

MAX_TEMPLATE = 200
"""Characters of a template that are kept: whoever calls the gate has a say in them."""
MAX_REMEMBERED = 1_000
"""Shapes, and texts, whose numbers are remembered; beyond that all are looked up anew."""
CHUNK = 2_000
"""Rows that one job of a clean-up takes, some 20 ms of work."""


class Shape(NamedTuple):
    """What transmissions have in common; its columns' order is that of the table."""

    template: str
    released: tuple[str, ...]
    withheld: tuple[str, ...]
    coarse: tuple[str, ...]
    recipients: tuple[str, ...]
    reason: str
    gate: str
    appliance: str | None


class Interned:
    """Numbers for shapes and texts. Used in jobs only, so always in the database's thread."""

    def __init__(self, database: Database) -> None:
        """Keep the file; nothing is read yet."""
        self._database = database
        self._generation = -1
        self._shapes: dict[Shape, int] = {}
        self._texts: dict[str, int] = {}
        # While a clean-up looks for what is unused: what was handed out since it began.
        self._used_shapes: set[int] | None = None
        self._used_texts: set[int] | None = None

    def shape(self, connection: sqlite3.Connection, shape: Shape) -> int:
        """Return the number of a shape, written now where it is new."""
        self._forget_what_was_undone()
        number = self._shapes.get(shape)
        if number is None:
            number = self._look_up_shape(connection, shape)
            if len(self._shapes) >= MAX_REMEMBERED:
                self._shapes.clear()
            self._shapes[shape] = number
        if self._used_shapes is not None:
            self._used_shapes.add(number)
        return number

    def _look_up_shape(self, connection: sqlite3.Connection, shape: Shape) -> int:
        template = shape.template
        if len(template) > MAX_TEMPLATE:
            template = template[: MAX_TEMPLATE - 1] + "…"
        texts = (
            template,
            _listed(shape.released),
            _listed(shape.withheld),
            _listed(shape.coarse),
            _listed(shape.recipients),
            shape.reason,
            shape.gate,
            shape.appliance or "",
        )
        numbers = [self.text(connection, text) for text in texts]
        found: tuple[int] | None = connection.execute(
            "SELECT id FROM shapes WHERE template = ? AND released = ? AND withheld = ?"
            " AND coarse = ? AND recipients = ? AND reason = ? AND gate = ?"
            " AND appliance = ?",
            numbers,
        ).fetchone()
        if found is not None:
            return found[0]
        cursor = connection.execute(
            "INSERT INTO shapes (template, released, withheld, coarse, recipients, reason, gate,"
            " appliance) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            numbers,
        )
        return cursor.lastrowid or 0

    def text(self, connection: sqlite3.Connection, text: str) -> int:
        """Return the number of a text, written now where it is new."""
        self._forget_what_was_undone()
        number = self._texts.get(text)
        if number is None:
            number = _look_up_text(connection, text)
            if len(self._texts) >= MAX_REMEMBERED:
                self._texts.clear()
            self._texts[text] = number
        if self._used_texts is not None:
            self._used_texts.add(number)
        return number

    def read(self, connection: sqlite3.Connection, number: int) -> Shape:
        """Return a shape by its number; raises `ValueError` where it is not whole."""
        row = connection.execute(
            "SELECT t.text, rl.text, w.text, c.text, rc.text, rs.text, g.text, a.text"
            " FROM shapes AS s"
            " JOIN texts AS t ON t.id = s.template JOIN texts AS rl ON rl.id = s.released"
            " JOIN texts AS w ON w.id = s.withheld JOIN texts AS c ON c.id = s.coarse"
            " JOIN texts AS rc ON rc.id = s.recipients JOIN texts AS rs ON rs.id = s.reason"
            " JOIN texts AS g ON g.id = s.gate JOIN texts AS a ON a.id = s.appliance"
            " WHERE s.id = ?",
            (number,),
        ).fetchone()
        if row is None:
            raise ValueError("a row of the journal refers to nothing")
        template, released, withheld, coarse, recipients, reason, gate, appliance = row
        return Shape(
            template=template,
            released=tuple(json.loads(released)),
            withheld=tuple(json.loads(withheld)),
            coarse=tuple(json.loads(coarse)),
            recipients=tuple(json.loads(recipients)),
            reason=reason,
            gate=gate,
            appliance=appliance or None,
        )

    async def collect(self, users: str, texts: str) -> None:
        """Delete the shapes and texts that nothing uses, a piece at a time.

        `users` is a table with a column `shape`; `texts` a query for the texts used outside of
        shapes. Both are names of our own. Raises `StorageError`.
        """
        try:
            await self._collect_shapes(users)
            await self._collect_texts(texts)
        finally:
            self._used_shapes = self._used_texts = None

    async def _collect_shapes(self, users: str) -> None:
        def begin(connection: sqlite3.Connection) -> set[int]:
            self._used_shapes = set()
            return {number for (number,) in connection.execute("SELECT id FROM shapes")}

        unused = await self._database.run(begin)
        first: int | None = 0
        while unused and first is not None:
            first, used = await self._database.run(partial(_referred, users, first))
            unused -= used
        for chunk in _chunks(sorted(unused)):
            await self._database.run(partial(self._drop_shapes, chunk))

    def _drop_shapes(self, numbers: list[int], connection: sqlite3.Connection) -> None:
        self._shapes.clear()
        used = self._used_shapes or set()
        connection.executemany(
            "DELETE FROM shapes WHERE id = ?",
            [(number,) for number in numbers if number not in used],
        )

    async def _collect_texts(self, elsewhere: str) -> None:
        def unused(connection: sqlite3.Connection) -> list[int]:
            self._used_texts = set()
            columns = " UNION ".join(
                f"SELECT {one} FROM shapes"  # noqa: S608 - no values
                for one in Shape._fields
            )
            used = f"{columns} UNION {elsewhere}"
            rows = connection.execute(f"SELECT id FROM texts WHERE id NOT IN ({used})")  # noqa: S608 - no values
            return [number for (number,) in rows]

        for chunk in _chunks(await self._database.run(unused)):
            await self._database.run(partial(self._drop_texts, chunk))

    def _drop_texts(self, numbers: list[int], connection: sqlite3.Connection) -> None:
        self._texts.clear()
        used = self._used_texts or set()
        connection.executemany(
            "DELETE FROM texts WHERE id = ?",
            [(number,) for number in numbers if number not in used],
        )

    def _forget_what_was_undone(self) -> None:
        if self._generation != self._database.generation:
            self._generation = self._database.generation
            self._shapes.clear()
            self._texts.clear()


def storable(text: str) -> str:
    r"""Return a text without lone surrogates, which a hostile escape can spell: no text to SQLite.

    >>> storable("a\ud800")
    'a?'
    """
    return text.encode("utf-8", "replace").decode()


def _look_up_text(connection: sqlite3.Connection, text: str) -> int:
    text = storable(text)
    digest = blake2b(text.encode(), digest_size=8).digest()
    row = int.from_bytes(digest, signed=True), text
    found: tuple[int] | None = connection.execute(
        "SELECT id FROM texts WHERE digest = ? AND text = ?", row
    ).fetchone()
    if found is not None:
        return found[0]
    return connection.execute("INSERT INTO texts (digest, text) VALUES (?, ?)", row).lastrowid or 0


def _referred(
    users: str, after: int, connection: sqlite3.Connection
) -> tuple[int | None, set[int]]:
    """Return the shapes of the next rows after a number, and where to go on, if there are more."""
    rows = connection.execute(
        f"SELECT id, shape FROM {users} WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - no values
        (after, 10 * CHUNK),
    ).fetchall()
    # What is appended from now on is known by other means.
    last = rows[-1][0] if len(rows) == 10 * CHUNK else None
    return last, {shape for _, shape in rows}


def _listed(ids: tuple[str, ...]) -> str:
    return json.dumps(ids, separators=(",", ":"))


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), CHUNK):
        yield numbers[start : start + CHUNK]
