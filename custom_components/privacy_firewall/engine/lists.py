"""Stand-in: lists of names from files, until the real thing is merged."""

from collections.abc import Iterable
from pathlib import Path


class Lists:
    """Names read from files."""

    def __init__(self, names: frozenset[str]) -> None:
        """Keep the names."""
        self._names = names

    def has(self, name: str) -> bool:
        """Tell whether a name, or one above it, is listed."""
        labels = name.split(".")
        return any(".".join(labels[at:]) in self._names for at in range(len(labels)))


def load(paths: Iterable[Path]) -> Lists:
    """Read the files; blocks. Raises `OSError`."""
    words = (line.split() for path in paths for line in path.read_text().splitlines())
    return Lists(frozenset(one[-1].lower() for one in words if one))
