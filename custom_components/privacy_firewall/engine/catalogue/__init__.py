"""What is known of vendors and names: data, and its loaders.

Here that of names; of vendors `known` has all that their files say. On the way there:

    vendors/*.yaml → document (bounded YAML) → reader (the schema) → vendor (values) → known
"""

from dataclasses import dataclass
from enum import StrEnum
import json
from pathlib import Path
from typing import Any

from ..naming import Infrastructure

_FOLDER = Path(__file__).parent


class Role(StrEnum):
    """What an organisation's domain is there for, where a source says so."""

    CLOUD = "cloud"
    """The cloud of appliances of its own make."""
    PLATFORM = "platform"
    """The cloud that appliances of many makes report to."""
    ANALYTICS = "analytics"
    ADVERTISING = "advertising"
    CRASH_REPORTS = "crash_reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a domain is. `country` is that of its seat (ISO 3166-1 alpha-2), None if not known."""

    organisation: str
    role: Role | None = None
    country: str | None = None


def infrastructure() -> dict[str, Infrastructure]:
    """Return the names that belong to no recipient's purpose, each with its kind. It blocks."""
    kinds = _read("infrastructure.json")
    return {name: Infrastructure(kind) for kind, names in kinds.items() for name in names}


def shared_hosts() -> dict[str, str]:
    """Return domains under which many have hosts, each with who rents them out. It blocks."""
    return {str(domain): str(owner) for domain, owner in _read("shared_hosts.json").items()}


def organisations() -> dict[str, Owner]:
    """Return whose domains are; below a shared one, whose exact hosts are. It blocks."""
    read = _read("organisations.json")
    seats = {organisation: seat["country"] for organisation, seat in read["seats"].items()}
    return {
        domain: Owner(
            organisation=told["organisation"],
            role=Role(told["role"]) if "role" in told else None,
            country=seats.get(told["organisation"]),
        )
        for domain, told in read["domains"].items()
    }


def _read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    return read
