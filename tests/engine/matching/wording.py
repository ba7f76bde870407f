"""How a truth is put: on a wire by its appliance, or as a state by Home Assistant.

A wording is a truth and steps, `cooler.is|f|int|c|round 1`: Fahrenheit, as a whole number, as the
appliance says it, then Celsius with one decimal, as Home Assistant shows it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from simulated import Value, World

type Step = Callable[[Value], Value]
UNAVAILABLE = "unavailable"


def _numeric(change: Callable[[float], Value]) -> Step:
    """Apply to numbers; what is not yet known, or a word, stays."""
    return lambda value: (
        change(float(value))
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else value
    )


def _moment(form: Callable[[datetime], str]) -> Step:
    return _numeric(lambda value: form(datetime.fromtimestamp(int(value), UTC)))


_STEPS: dict[str, Step] = {
    "f": _numeric(lambda value: value * 1.8 + 32),
    "c": _numeric(lambda value: (value - 32) / 1.8),
    "inhg": _numeric(lambda value: value / 33.8638866667),
    "hpa": _numeric(lambda value: value * 33.8638866667),
    "mph": _numeric(lambda value: value / 1.609344),
    "kmh": _numeric(lambda value: value * 1.609344),
    "in": _numeric(lambda value: value / 25.4),
    "mm": _numeric(lambda value: value * 25.4),
    "int": _numeric(lambda value: int(value + (0.5 if value >= 0 else -0.5))),
    "floor": _numeric(lambda value: int(value // 1)),
    "minute": _numeric(lambda value: value // 60 * 60),
    "text": lambda value: value if value is None else str(value),
    "not": lambda value: None if value is None else not value,
    "onoff": lambda value: None if value is None else "on" if value else "off",
    "ONOFF": lambda value: None if value is None else "ON" if value else "OFF",
    "truefalse": lambda value: None if value is None else "true" if value else "false",
    "10": lambda value: None if value is None else int(bool(value)),
    "lower": lambda value: value.lower() if isinstance(value, str) else value,
    "iso": _moment(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "utc": _moment(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")),
    "naive": _moment(lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S")),
    "clock": _numeric(lambda value: f"{int(value) // 60:02d}:{int(value) % 60:02d}"),
}


def _words(given: str, kind: Callable[[str], Value] = str) -> Step:
    """Replace words, `run=running stop=stopped`; a tilde stands for a space, the rest stays."""
    pairs = (one.split("=", 1) for one in given.split())
    table = {key.replace("~", " "): kind(one.replace("~", " ")) for key, one in pairs}
    return lambda value: None if value is None else table.get(str(value), value)


def _levels(given: str) -> Step:
    """Count how many of the thresholds are reached."""
    marks = [float(one) for one in given.split()]
    return _numeric(lambda value: sum(value >= mark for mark in marks))


# Steps that take something: `x 10`, `words run=running stop=stopped`.
_TAKING: dict[str, Callable[[str], Step]] = {
    "round": lambda given: _numeric(lambda value: round(value, int(given))),
    "fixed": lambda given: _numeric(lambda value: f"{value:.{int(given)}f}"),
    "x": lambda given: _numeric(lambda value: value * float(given)),
    "/": lambda given: _numeric(lambda value: value / float(given)),
    "+": lambda given: _numeric(lambda value: value + float(given)),
    "mod": lambda given: _numeric(lambda value: value % float(given)),
    "above": lambda given: _numeric(lambda value: value > float(given)),
    "prefix": lambda given: lambda value: None if value is None else f"{given}{value}",
    "suffix": lambda given: lambda value: None if value is None else f"{value}{given}",
    "levels": _levels,
    "words": _words,
    "codes": lambda given: _words(given, int),
}


@cache
def _steps(text: str) -> tuple[Step, ...]:
    found: list[Step] = []
    for one in filter(None, text.split("|")):
        name, _, given = one.partition(" ")
        found.append(_TAKING[name](given) if given else _STEPS[name])
    return tuple(found)


def wording(world: World, text: str) -> Callable[[float], Value]:
    """Compile a wording to a function of time. `=text` is that text, `=3` that number, always."""
    name, _, rest = (text, "", "") if text.startswith("=") else text.partition("|")
    steps = _steps(rest)
    if name.startswith("="):
        fixed: Value = name[1:]
        for kind in (int, float):
            try:
                fixed = kind(name[1:])
                break
            except ValueError:
                continue
        fixed = {"true": True, "false": False, "null": None}.get(name[1:], fixed)
        at: Callable[[float], Value] = lambda _: fixed  # noqa: E731
    else:
        at = world[name].at

    def say(when: float) -> Value:
        value = at(when)
        for step in steps:
            value = step(value)
        return value

    return say


def state_of(value: Value) -> str:
    """Return the state Home Assistant writes for a native value."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(round(value, 6)) if isinstance(value, float) else str(value)
