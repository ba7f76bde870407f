"""A small file beside the database that says what the database must not have forgotten.

It names the ledger's newest record, so that an older copy of the database that was put back is
noticed, and the consents that were stopped though the ledger could not be written.
"""

from contextlib import suppress
from dataclasses import dataclass, field
import json
import os
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """What the file says: newest record (0: none) and its hash, and what was stopped.

    `lockdown` tells that everything was, and that the database does not say so.
    """

    number: int = 0
    hash: str = ""
    lockdown: bool = False
    stopped: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)


def read(path: Path) -> Anchored:
    """Read the file; one that is missing or broken says nothing. Blocks."""
    try:
        said = json.loads(path.read_bytes())
        return Anchored(
            number=int(said["number"]),
            hash=str(said["hash"]),
            lockdown=bool(said.get("lockdown")),
            stopped=frozenset((str(a), str(b), str(c)) for a, b, c in said["stopped"]),
        )
    except OSError, ValueError, KeyError, TypeError:
        return Anchored()


def write(path: Path, anchored: Anchored) -> None:
    """Replace the file at once and whole, also through a power cut; raises `OSError`. Blocks."""
    text = json.dumps(
        {
            "number": anchored.number,
            "hash": anchored.hash,
            "lockdown": anchored.lockdown,
            "stopped": sorted(anchored.stopped),
        }
    )
    beside = path.with_name(path.name + ".new")
    try:
        with open(beside, "w", encoding="utf-8", opener=_private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    with suppress(OSError):
        # The new name, too; not every file system lets a folder be flushed.
        _flush(path.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
