"""What is known of vendors and names: data, and its loader."""

import json
from pathlib import Path

from ..naming import Infrastructure

_FOLDER = Path(__file__).parent


def infrastructure() -> dict[str, Infrastructure]:
    """Return the names that belong to no recipient's purpose, each with its kind. It blocks."""
    kinds = json.loads((_FOLDER / "infrastructure.json").read_text(encoding="utf-8"))
    return {name: Infrastructure(kind) for kind, names in kinds.items() for name in names}
