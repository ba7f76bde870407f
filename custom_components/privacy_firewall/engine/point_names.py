"""How a data point is called: words for people, made of where it stands in the message.

A name is what a household judges a switch by, so it says which part of the appliance is meant, and
leaves out what every path of that vendor has. It is made when the data point is first seen and
kept: an id never depends on it.
"""

import re

from .model import REQUEST_FIELD, Field
from .redaction import identifiers, paths

MAX_NAME = 80
"""Characters of a data point's name."""

_NAMESPACE = re.compile(r"@?(?:\{[^{}]*\})?(?=.)")
"""What stands before the name proper of an attribute or element of XML."""
_VENDOR = re.compile(r"(?:[A-Za-z0-9-]+\.)+(?=[A-Za-z][A-Za-z0-9]{3,}$)")
"""What stands before the last part of a dotted name: `samsungce.`, `x.com.samsung.rm.`."""
_GENERIC = frozenset(
    """
    value values data payload body state status attributes properties components main
    reported current query header raw localized
    """.split()
)
_FORM = frozenset({"raw", "localized"})
"""Of which form a value is: such a name says nothing without the one before."""
_STANDING = frozenset({"state", "status"})
"""Names that say something where nothing follows."""
_PARTS = frozenset({"components"})
"""Names under which an appliance lists its parts, each by a name of its own."""
_WHOLE = "main"
"""The part that is the appliance itself."""


def member_names(item: Field) -> list[str]:
    """Return the member names of a path from the outside in, without the message's part."""
    selectors = paths.parse(item.path).selectors[1:]
    return [_NAMESPACE.sub("", one, count=1) for one in selectors if isinstance(one, str)]


def name_of(item: Field) -> str:
    """Return a name for people: the last meaningful words of the path, its part, its siblings."""
    if item == REQUEST_FIELD:
        return "The call itself"
    selectors = paths.parse(item.path).selectors
    message_part = str(selectors[0]) if selectors else ""
    names, part = _without_part(member_names(item))
    spoken: list[str] = []
    for name in _telling(names)[-3:]:
        _speak(spoken, identifiers.words(_VENDOR.sub("", name, count=1)) or [name])
    text = " ".join(spoken) or {"path": "address part", "body": "text"}.get(
        message_part, message_part
    )
    if item.siblings[-1:] == ("name",):
        text = f"{text} names".strip()
    elif item.siblings:
        meaning = _meaning(item.siblings[-1]) if _is_generic(names) else ""
        text = meaning or f"{text} ({', '.join(item.siblings)})"
    if message_part in ("header", "cookie"):
        text = f"{text} {message_part}"
    if part:
        text = f"{text} ({part})"
    text = text[:1].upper() + text[1:]
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def _without_part(names: list[str]) -> tuple[list[str], str]:
    """Return the names that stand within a part of the appliance, and the part in words."""
    for index, name in enumerate(names[:-2]):
        if name.lower() in _PARTS:
            part = names[index + 1]
            words = " ".join(identifiers.words(part)) or part
            return names[index + 2 :], "" if part.lower() == _WHOLE else words
    return names, ""


def _telling(names: list[str]) -> list[str]:
    """Return the names that say something; of a path that has none, the last."""
    kept = [
        name
        for index, name in enumerate(names)
        # `status.value_raw`: what is raw is the status; `series[*].state` is not the series.
        if not _is_dull(name)
        or (index == len(names) - 2 and _says_form(names[-1]))
        or (index == len(names) - 1 and name.lower() in _STANDING)
    ]
    return kept or names[-1:]


def _is_dull(name: str) -> bool:
    return name.lower() in _GENERIC


def _is_generic(names: list[str]) -> bool:
    return all(map(_is_dull, names[-1:]))


def _says_form(name: str) -> bool:
    words = identifiers.words(name)
    return len(words) > 1 and bool(_FORM & {*words})


def _speak(spoken: list[str], words: list[str]) -> None:
    """Add a name's words; what was just said is not said again: `contactSensor.contact`."""
    if any(spoken[at : at + len(words)] == words for at in range(len(spoken))):
        return
    said = next(
        (many for many in range(len(words), 0, -1) if spoken[-many:] == words[:many]),
        0,
    )
    rest = words[said:]
    # `powerConsumption.powerEnergy` is another thing than `powerConsumption.energy`.
    is_anew = said == 0 and len(words) > 1 and words[0] in spoken
    spoken += rest if is_anew else [word for word in rest if word not in spoken]


def _meaning(sibling: str) -> str:
    """Return what a sibling's value says the generic item is, where it is in words.

    `key=Common.Status.DoorState` makes of a `value` the door's state.
    """
    value = sibling.partition("=")[2].rpartition(".")[2]
    return (
        " ".join(identifiers.words(value)) if re.fullmatch(r"[A-Za-z][A-Za-z_]{2,}", value) else ""
    )
