"""Stand-in: exact names from templates, until the real thing is merged."""

from itertools import product
import re

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{1,63}")


def expand(template: str) -> tuple[str, ...]:
    """Return the names of a template; raises `ValueError`."""
    text = template.strip().rstrip(".").lower()
    parts = re.split(r"(\{[^{}]*\}|#)", text)
    choices = [
        list("0123456789") if one == "#" else one[1:-1].split("|") if one[:1] == "{" else [one]
        for one in parts
    ]
    names = tuple(dict.fromkeys("".join(one) for one in product(*choices)))
    if not all(_NAME.fullmatch(one) for one in names):
        raise ValueError("a name has labels of letters, digits and hyphens")
    return names
