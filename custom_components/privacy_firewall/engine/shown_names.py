"""How a name is told and written: labels that an appliance makes up could hold anything."""

from collections.abc import Mapping

from . import name_rules
from .faces import Faces
from .naming import Infrastructure, Naming
from .policy import Policy
from .redaction.identifiers import spoken

MAX_LABELS = 2
"""Labels shown in front of a registered domain: services have names of their own there, but what
is in front of these may be anything."""
MAX_KEPT = 2_000
"""Names remembered in the form that they are shown in."""


class ShownNames:
    """Names as they are shown, by what household and catalogue know of them."""

    def __init__(self) -> None:
        """Start without a catalogue: then only labels that look like data are hidden."""
        self._infrastructure: Mapping[str, Infrastructure] = {}
        self._faces: Faces | None = None
        self._kept: dict[str, str] = {}
        self._kept_under: tuple[Policy | None, Naming | None] = None, None

    def know(self, infrastructure: Mapping[str, Infrastructure], faces: Faces) -> None:
        """Take over what the catalogue knows of names: their kind, and whose they are."""
        self._infrastructure = infrastructure
        self._faces = faces
        self._kept.clear()

    def of(self, name: str, policy: Policy | None, naming: Naming) -> str:
        """Return a name as it is shown under these."""
        before, chosen = self._kept_under
        if before is not policy or chosen is not naming or len(self._kept) >= MAX_KEPT:
            self._kept_under = policy, naming
            self._kept.clear()
        shown = self._kept.get(name)
        if shown is None:
            shown = self._kept[name] = self._shorten(name, policy, naming)
        return shown

    def _shorten(self, name: str, policy: Policy | None, naming: Naming) -> str:
        if self._is_stated(name, policy, naming):
            return spoken(name)
        if name_rules.is_at_home(name, naming):
            return f"*.{name.rpartition('.')[2]}" if "." in name else "*"
        above = name
        while above := above.partition(".")[2]:
            if self._is_stated(above, policy, naming):
                return f"*.{spoken(above)}"
        if self._faces is None:
            return spoken(name)
        domain = self._faces.of(name).domain
        labels = name.removesuffix(domain).rstrip(".").split(".")
        if len(labels) > MAX_LABELS:
            return f"*.{spoken('.'.join((*labels[-MAX_LABELS:], domain)))}"
        return spoken(name)

    def _is_stated(self, name: str, policy: Policy | None, naming: Naming) -> bool:
        """Tell whether somebody at home, or the catalogue, stated a name."""
        return (
            name in self._infrastructure
            or name in naming.allowed
            or (policy is not None and name in policy.claims)
        )
