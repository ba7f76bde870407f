"""What is known of vendors and names: data, and its loader."""

import json
from pathlib import Path

from ..naming import Infrastructure

_FOLDER = Path(__file__).parent


def infrastructure() -> dict[str, Infrastructure]:
    """Return the names that belong to no recipient's purpose, each with its kind. It blocks."""
    kinds = json.loads((_FOLDER / "infrastructure.json").read_text(encoding="utf-8"))
    return {name: Infrastructure(kind) for kind, names in kinds.items() for name in names}


def shared_hosts() -> dict[str, str]:
    """Return domains under which many have hosts, each with who rents them out. It blocks."""
    text = (_FOLDER / "shared_hosts.json").read_text(encoding="utf-8")
    return {str(domain): str(owner) for domain, owner in json.loads(text).items()}
