"""The firewall's two files: what the disk says of them, mending them, and copies of them.

The household's file holds what people decided, and is never replaced by itself. The journal can be
forgotten: a damaged one makes room for a new one.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from . import schema
from .errors import StorageDamagedError
from .events import Event, StorageChanged, StorageDamaged
from .journal import Journal, Tally
from .storage import DAMAGED, Database, beside


class Files:
    """Both files, opened and closed together."""

    def __init__(
        self, database: Path, *, on_event: Callable[[Event], None], on_refusal: Callable[[], None]
    ) -> None:
        """Name the files; `on_refusal` is called when the disk refuses a record."""
        self._on_event = on_event
        self._on_refusal = on_refusal
        self._refusing: set[Path] = set()
        self.household = Database(
            database,
            schema.SCHEMA,
            version=schema.VERSION,
            migrations=schema.MIGRATIONS,
            on_health=partial(self._note_health, database),
        )
        path = journal_path(database)
        self._journal_file = Database(path, on_health=partial(self._note_health, path))
        self._journal_copy = journal_copy_path(database)
        self.journal = Journal(self._journal_file)
        self.is_copy = False
        """Whether the household's file came without its journal, as it does from a backup."""

    @property
    def works(self) -> bool:
        """Whether the disk took the last record of each."""
        return not self._refusing

    async def open(self) -> dict[str, Tally]:
        """Open both and return the journal's sums. Raises `StorageError` with nothing open.

        The household's file is read whole: a damaged one does not go unnoticed, nor for a while.
        """
        journal = self._journal_file.path
        has_journal = await asyncio.to_thread(
            lambda: any(one.exists() for one in (journal, beside(journal, DAMAGED)))
        )
        await self.household.open()
        # A new home has none yet, and earlier versions kept it in the household's file.
        self.is_copy = not has_journal and self.household.version_found == schema.VERSION
        try:
            await self.household.check()
            return await self._open_journal()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Write what is queued and close both."""
        await self._journal_file.close()
        await self.household.close()

    async def _open_journal(self) -> dict[str, Tally]:
        """Open the journal and sum it up; one that is damaged is set aside for a new one."""
        await asyncio.to_thread(_adopt, self._journal_copy, self._journal_file.path)
        try:
            await self._journal_file.open()
            return await self.journal.tallies()
        except StorageDamagedError:
            await self._replace_journal()
            return {}

    async def _replace_journal(self) -> None:
        await self._journal_file.set_aside()
        await self._journal_file.open()
        self._on_event(StorageDamaged(is_journal=True))

    async def mend(self) -> None:
        """Look why the disk refuses, and do what can be done; raises `StorageError`."""
        if self.works:
            return
        if not self._journal_file.is_open:
            # It was set aside, and there was no room for a new one.
            await self._open_journal()
        try:
            await self._journal_file.check()
        except StorageDamagedError:
            await self._replace_journal()
        try:
            await self.household.check()
        except StorageDamagedError:
            self._on_event(StorageDamaged(is_journal=False))
            return
        for file in (self._journal_file, self.household):
            if file.path in self._refusing:
                await file.try_out()

    async def copy_journal(self) -> None:
        """Put a copy of the journal where backups find it; raises `StorageError`.

        The journal itself they leave out, by its name.
        """
        await self._journal_file.copy_to(self._journal_copy)

    async def discard_copy(self) -> None:
        """Delete that copy."""
        with suppress(OSError):
            await asyncio.to_thread(self._journal_copy.unlink, missing_ok=True)

    def _note_health(self, path: Path, works: bool) -> None:  # noqa: FBT001 - as the file calls it
        before = self.works
        if works:
            self._refusing.discard(path)
        else:
            self._refusing.add(path)
            self._on_refusal()
        if self.works is not before:
            self._on_event(StorageChanged(works=works))


def journal_path(database: Path) -> Path:
    """Return where the journal is kept beside the household's file.

    The name is one that Home Assistant's backups leave out (`*.log.*`), with its companions.
    """
    return database.with_name(f"{database.stem}_journal.log.db")


def journal_copy_path(database: Path) -> Path:
    """Return where a copy of the journal stands while a backup is made that is to have it."""
    return database.with_name(f"{database.stem}_journal.copy.db")


def anchor_path(database: Path) -> Path:
    """Return where the ledger's anchor is kept."""
    return database.with_suffix(".anchor")


def all_paths(database: Path) -> list[Path]:
    """Return every file that the firewall may have left, to be deleted when it is removed."""
    copy = journal_copy_path(database)
    # SQLite's own companions of a file in WAL mode, and of one that was set aside.
    suffixes = [f"{aside}{one}" for aside in ("", DAMAGED) for one in ("", "-wal", "-shm")]
    kept = [
        beside(path, suffix) for path in (database, journal_path(database)) for suffix in suffixes
    ]
    anchor = anchor_path(database)
    unfinished = [beside(anchor, ".new"), beside(copy, ".part")]
    return [*kept, anchor, copy, *unfinished]


def _adopt(copy: Path, journal: Path) -> None:
    """Take the copy that came back with a backup for the journal, unless there is one. Blocks."""
    with suppress(OSError):
        if journal.exists():
            copy.unlink(missing_ok=True)
        else:
            copy.replace(journal)


async def start_over(database: Path) -> None:
    """Set a damaged household file aside: the next start begins with every consent off.

    Raises `StorageError`. The firewall must not be running.
    """
    if await asyncio.to_thread(database.exists):
        await Database(database).set_aside()
