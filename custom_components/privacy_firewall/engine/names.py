"""Host names as households state them, and the few that a template stands for.

A recipient is reached at exact names. Where a vendor numbers its servers a template says so:
`{eu|us}-mqtt#.vendor.example`, in which `#` is one decimal digit and braces hold alternatives. It
stands for so many names and no more: labels that an appliance makes up could tell anything.
"""

from itertools import product
import re

MAX_EXPANDED = 256
"""Names that one template may stand for: eight bits, should an appliance choose among them."""
_PART = re.compile(r"#|\{([^{}]*)\}|[^{}#]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def fold(name: str) -> str:
    """Return a host name as policies compare it: lower-case ASCII (IDNA) without a final dot.

    Raises `ValueError` for what is no host name, or is an address.
    """
    stripped = name.strip().lower().removesuffix(".")
    try:
        folded = stripped if stripped.isascii() else stripped.encode("idna").decode("ascii")
    except UnicodeError as err:
        raise ValueError("not a host name") from err
    labels = folded.split(".")
    if len(folded) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name")
    if labels[-1].isdecimal():
        raise ValueError("an address is no host name")
    return folded


def expand(template: str) -> tuple[str, ...]:
    """Return the names a template stands for; a name stands for itself. Raises `ValueError`."""
    text = template.strip()
    parts: list[list[str]] = []
    count, at = 1, 0
    for found in _PART.finditer(text):
        if found.start() != at:
            raise ValueError("braces that do not match")
        at = found.end()
        part = found.group()
        if part == "#":
            choices = list("0123456789")
        elif part.startswith("{"):
            choices = found.group(1).split("|")
        else:
            choices = [part]
        count *= len(choices)
        if count > MAX_EXPANDED:
            raise ValueError(f"a template stands for {MAX_EXPANDED} names at most")
        parts.append(choices)
    if at != len(text) or not parts:
        raise ValueError("braces that do not match")
    return tuple(dict.fromkeys(fold("".join(chosen)) for chosen in product(*parts)))
