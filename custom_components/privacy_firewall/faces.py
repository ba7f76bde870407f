"""Whose hosts are, as far as their names tell, in words: shown where a person decides.

It is what a name tells, and no proof of who receives: nothing is decided by it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from homeassistant.core import HomeAssistant

from .engine import Face, Faces, load_faces, may_be_same
from .engine.model import Recipient
from .forms import plain, read_address
from .issues import written

MAX_DOMAINS = 20
"""Domains that an attribute lists; a recipient has one or two, hosts there may be hundreds."""


async def async_faces(hass: HomeAssistant) -> Faces:
    """Return what tells whose hosts are; read when first asked."""
    return await hass.async_add_executor_job(load_faces)


def told(face: Face, host: str, words: Mapping[str, str]) -> str | None:
    """Return what a host's name tells as Markdown, None where it is no more than the name itself.

    The host was checked to be one that can stand between backticks.
    """
    if face.organisation is not None:
        if face.shared is not None:
            return words.get("organisation_on_shared_host", "{organisation} ({owner})").format(
                organisation=plain(face.organisation), owner=plain(face.shared)
            )
        about = [f"`{face.domain}`"]
        if face.role is not None:
            about.append(words.get(f"role_{face.role}", face.role.value))
        if face.country is not None:
            about.append(words.get("seat", "{country}").format(country=face.country))
        return f"{plain(face.organisation)} ({', '.join(about)})"
    if face.shared is not None:
        return words.get("shared_host", "{owner}").format(owner=plain(face.shared))
    if face.domain == host or "*" in face.domain:
        return None
    return words.get("registered_as", "{domain}").format(domain=f"`{face.domain}`")


def grouped(faces: Faces, names: Iterable[str], words: Mapping[str, str]) -> str:
    """Return names that were asked for, by whose they are, as Markdown; they may be any text."""
    groups: dict[str, list[str]] = {}
    alone: set[str] = set()
    for name in names:
        face = faces.of(name)
        if face.organisation is not None:
            whose = plain(face.organisation)
        elif face.shared is not None:
            whose = words.get("some_shared_host", "{owner}").format(owner=plain(face.shared))
        else:
            whose = plain(written(face.domain))
            if face.domain == name:
                alone.add(whose)
        groups.setdefault(whose, []).append(plain(written(name)))
    return ", ".join(
        whose if whose in alone and len(found) == 1 else f"{whose} ({', '.join(found)})"
        for whose, found in groups.items()
    )


def suggested_organisation(faces: Faces, hosts: Iterable[str]) -> str | None:
    """Return the one organisation whose hosts are, as far as known; None for none or several."""
    known = {faces.of(host).organisation for host in hosts} - {None}
    return known.pop() if len(known) == 1 else None


def as_attributes(faces: Faces, recipient: Recipient) -> dict[str, Any]:
    """Return what the names of a recipient's hosts tell, beside what the household said of it.

    `organisation_differs` is None where no name tells an organisation.
    """
    hosts = {endpoint.host for endpoint in recipient.endpoints} | recipient.names
    found = {faces.of(host) for host in hosts if read_address(host) is None}
    known = sorted({face.organisation for face in found if face.organisation is not None})
    return {
        "domains": sorted({face.domain for face in found if face.shared is None})[:MAX_DOMAINS],
        "shared_host_of": sorted({face.shared for face in found if face.shared is not None}),
        "organisation_by_name": known,
        "organisation_differs": (
            not all(may_be_same(one, recipient.organisation) for one in known) if known else None
        ),
    }
