"""What the vendors' files say: of a data point, of a recipient, of an answer.

Which vendor's words hold is told by the endpoint: host, path prefix and method, as its recipients
have them. Where a household has its appliance report to a server of its own, the host is nobody's;
there a vendor is recognised by the `marks` in its file, members that stand together in its
messages and hardly in anyone else's. An appliance can imitate these, so nothing that seems
sensitive is made less so by them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import cache
import logging
from pathlib import Path

from ..errors import CatalogueError
from ..model import Category, DataPoint, Endpoint, Field
from ..names import expand
from .reader import read_vendor
from .vendor import (
    CalmAnswer,
    EntityKind,
    Known,
    Place,
    StatedRecipient,
    Vendor,
    placed,
    stated_place,
)

_LOGGER = logging.getLogger(__name__)
FOLDER = Path(__file__).parent / "vendors"
MAX_FILES = 500

_SENSITIVITY = {
    Category.REQUEST: 4,
    Category.OPAQUE: 4,
    Category.IDENTIFIER: 3,
    Category.CREDENTIAL: 3,
    Category.MEDIA: 3,
    Category.HEALTH: 2,
    Category.PRESENCE: 2,
    Category.LOCATION: 2,
    Category.CHILDREN: 2,
    Category.SAFETY: 1,
}
"""How much a category asks for: 3 is never shown, 2 only where it was chosen. Others: nothing."""


class Catalogue:
    """All vendors, ready to be asked. Frozen once made."""

    def __init__(self, vendors: Iterable[Vendor] = ()) -> None:
        """Take what was read."""
        self.vendors = tuple(vendors)
        self._at_host: dict[str, list[tuple[Endpoint, Vendor]]] = {}
        self._answers: dict[str, list[CalmAnswer]] = {}
        self._stated: dict[str, list[StatedRecipient]] = {}
        self._marked: list[tuple[frozenset[Field], dict[Place, Known]]] = []
        self._places: dict[str, dict[Place, Known]] = {}
        for vendor in self.vendors:
            places = {stated_place(one.field): one for one in vendor.data_points}
            self._places[vendor.key] = places
            if vendor.marks:
                unsure = {place: replace(one, sure=False) for place, one in places.items()}
                self._marked.append((vendor.marks, unsure))
            for answer in vendor.answers:
                self._answers.setdefault(answer.endpoint.host, []).append(answer)
            for recipient in vendor.recipients:
                hosts = {endpoint.host for endpoint in recipient.endpoints}
                for name in recipient.names:
                    hosts |= set(expand(name))
                for host in hosts:
                    self._stated.setdefault(host, []).append(recipient)
                for endpoint in recipient.endpoints:
                    self._at_host.setdefault(endpoint.host, []).append((endpoint, vendor))

    def at(self, template: str, fields: Collection[Field]) -> Mapping[Place, Known]:
        """Return what is known of the data points at an endpoint template.

        `fields` are all that were seen there: marks are looked for among them.
        """
        method, host, path = _parts(template)
        claims = sorted(
            (one for one in self._at_host.get(host, ()) if one[0].claims(method, host, path)),
            key=lambda one: len(one[0].prefix),
        )
        found: dict[Place, Known] = {}
        if not claims:
            seen = frozenset(fields)
            for marks, places in self._marked:
                if marks <= seen:
                    found = places | found
        for _, vendor in claims:
            # The longest prefix last: it says more.
            found.update(self._places[vendor.key])
        return found

    def readings(self, points: Iterable[DataPoint]) -> frozenset[str]:
        """Return the ids of those that a file states as something to show at home."""
        by_template: dict[str, list[DataPoint]] = {}
        for point in points:
            by_template.setdefault(point.template, []).append(point)
        return frozenset(
            point.id
            for template, some in by_template.items()
            if (known := self.at(template, [one.field for one in some]))
            for point in some
            if (told := find(known, point.field)) is not None
            and told.entity is not EntityKind.NONE
            and not is_hidden(point.category)
            and point.category not in (Category.TIME, Category.TEXT)
        )

    def recipients_at(self, host: str) -> tuple[StatedRecipient, ...]:
        """Return who receives at a host, as vendors state it; several where they share it."""
        return tuple(self._stated.get(host, ()))

    def answer(self, method: str, host: str, path: str) -> CalmAnswer | None:
        """Return what calms an appliance at an endpoint; None where nothing is known."""
        claiming = [
            one for one in self._answers.get(host, ()) if one.endpoint.claims(method, host, path)
        ]
        return max(claiming, key=lambda one: len(one.endpoint.prefix), default=None)


def _parts(template: str) -> tuple[str, str, str]:
    """Return method, host and path of an endpoint template (`POST host/path/*`)."""
    method, _, rest = template.partition(" ")
    host, slash, path = rest.partition("/")
    return method, host, slash + path


def find(known: Mapping[Place, Known], item: Field) -> Known | None:
    """Return what is known of one field."""
    return known.get(placed(item))


def category_of(known: Known, guessed: Category, *, may_lower: bool) -> Category:
    """Return the category that holds: the stated one, unless it is the less sensitive.

    It may be, where the file says so and why (`lowers`), for the vendor's own endpoint, and only
    if what was seen does not speak against it (`may_lower`).
    """
    lowers = known.lowers and known.sure and may_lower
    if _sensitivity(known.category) < _sensitivity(guessed) and not lowers:
        return guessed
    return known.category


def _sensitivity(category: Category) -> int:
    return _SENSITIVITY.get(category, 0)


def is_hidden(category: Category) -> bool:
    """Tell whether what is of a category has no quantity: it identifies, or is a picture."""
    return _sensitivity(category) > 2


def read_folder(folder: Path = FOLDER) -> tuple[Catalogue, list[CatalogueError]]:
    """Read all files of a folder; one that is wrong is left out and told of. It blocks."""
    read: list[Vendor] = []
    wrong: list[CatalogueError] = []
    for file in sorted(folder.glob("*.yaml"))[:MAX_FILES]:
        try:
            read.append(read_vendor(file.read_bytes(), file.name))
        except CatalogueError as err:
            wrong.append(err)
    return Catalogue(read), wrong


@cache
def load() -> Catalogue:
    """Return the vendors of the package, read once for all who ask. At first it blocks."""
    catalogue, wrong = read_folder()
    for error in wrong:
        _LOGGER.error("A vendor's file is left out: %s", error)
    return catalogue
