"""What is printed: what was sent beside what arrived, what holds, and how long it took."""

from collections.abc import Iterator
import json
import os
import shutil
import sys
from time import monotonic
from typing import Any

from .household import Exchange

_WIDEST = 120
"""Columns; a wider terminal reads no better."""
_NOTHING = "·"


class StepFailed(Exception):
    """A step whose expectations did not hold."""


class Page:
    """Standard output, in colour where somebody looks at it."""

    def __init__(self) -> None:
        """Look where output goes."""
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
        self._began = monotonic()
        self._step = ""
        self._step_began = self._began
        self._failed: list[str] = []
        self._stages: list[tuple[str, float]] = []
        self._held = 0

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text

    def say(self, text: str = "") -> None:
        """Print a line."""
        print(text, flush=True)

    def begin(self, step: str) -> None:
        """Begin a step; what did not hold in the one before is raised by `end`."""
        self._step, self._step_began, self._failed = step, monotonic(), []
        self.say()
        self.say(self._paint(step, "1"))

    def end(self) -> None:
        """End a step; raises `StepFailed` where something did not hold."""
        seconds = monotonic() - self._step_began
        self._stages.append((self._step, seconds))
        self.say(self._paint(f"  {seconds:.1f} s", "2"))
        if self._failed:
            raise StepFailed(f"{self._step}: " + "; ".join(self._failed))

    @property
    def step(self) -> str:
        """The step that is under way."""
        return self._step

    def expect(self, holds: object, text: str, seen: object = None) -> None:
        """Say that something holds, or that it does not, and what was seen instead."""
        if holds:
            self._held += 1
            self.say(f"  {self._paint('✓', '32')} {text}")
        else:
            self._failed.append(text if seen is None else f"{text} (seen: {seen})")
            self.say(f"  {self._paint('✗ ' + self._failed[-1], '1;31')}")

    def exchange(self, who: str, exchange: Exchange) -> None:
        """Print what was sent to a cloud beside what arrived there."""
        sent = list(lines(exchange.sent.headers, exchange.sent.body))
        rest: dict[str, str] = {}
        for one in exchange.arrived:
            rest |= lines(dict(one.headers), one.tree)
        self._row(f"{who} to {exchange.cloud.name}", "sent", "arrived", "4")
        for name, value in sent:
            got = rest.pop(name, None)
            self._row(name, value, got or _NOTHING, "1;33" if got else "2")
        for name, value in rest.items():
            self._row(name, "", value, "1;31")
        self._row("answer", f"{exchange.sent.status} {exchange.sent.answer}", "", "2")
        self.say()

    def _row(self, name: str, sent: str, arrived: str, code: str) -> None:
        last = self._width - 2 * 2 - 2
        first, second = last * 4 // 10, last * 7 // 20
        last -= first + second
        self.say(
            f"  {_end(name, first):<{first}}  {_cut(sent, second):<{second}}  "
            + self._paint(_cut(arrived, last), code)
        )

    def nothing(self, who: str, exchange: Exchange) -> None:
        """Print in one line that nothing of what was sent arrived."""
        count = len(list(lines(exchange.sent.headers, exchange.sent.body)))
        self._row(f"{who} to {exchange.cloud.name}", f"{count} items", _NOTHING, "2")

    def table(self, rows: list[tuple[str, str]]) -> None:
        """Print names and values."""
        wide = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            self.say(f"    {name:<{wide}}  {value}")

    def summary(self) -> None:
        """Print how long each step took."""
        self.say()
        for step, seconds in self._stages:
            self.say(f"{seconds:6.1f} s  {step}")
        self.say(f"{monotonic() - self._began:6.1f} s  in all; {self._held} expectations held")


def lines(headers: dict[str, str], body: Any) -> Iterator[tuple[str, str]]:
    """Return everything of a request that tells something, by name: headers, then the body."""
    told = ("host", "content-length", "content-type", "accept", "accept-encoding", "connection")
    for name, value in headers.items():
        if name.lower() not in told:
            yield name.lower(), value
    yield from leaves(body)


def leaves(tree: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Return the leaves of a JSON value with their places."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, f"{place}.{name}" if place else name)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from leaves(value, f"{place}[{index}]")
    elif place:
        yield place, json.dumps(tree, ensure_ascii=False)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _end(text: str, width: int) -> str:
    """Cut a place in a tree: its end tells more than its beginning."""
    return text if len(text) <= width else "…" + text[1 - width :]
