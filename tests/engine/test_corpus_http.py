"""What real appliances report: nothing, everything, or one data point granted.

The messages are recordings that nobody here wrote; they stay outside of the repository.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from engine.model import DataPoint, Endpoint, Number, Outcome, Reason, Transmission
from engine.redaction.fields import Found
from helpers import CLOUD, CORPUS, HOST, House, corpus, corpus_files, post

pytestmark = pytest.mark.corpus

MEANINGS = ("type", "key", "code", "event", "metric")
HOSTS = (HOST, "hubapi.myacurite.com", "rtupdate.wunderground.com")
CLOUDS = replace(CLOUD, endpoints=tuple(Endpoint(host=host) for host in HOSTS))
FORM = (("Content-Type", "application/x-www-form-urlencoded"), ("User-Agent", "ESP8266"))
MOST = 60
"""Data points granted in turn per message; fewer of the two that have thousands of leaves."""


class Literal(str):
    """A number as it is spelled."""

    __slots__ = ()


def read(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Literal, parse_float=Literal)


def written(node: Any) -> str:
    """JSON with the numbers as they were spelled."""
    if isinstance(node, Literal):
        return str(node)
    if isinstance(node, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {written(v)}" for k, v in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(written, node)) + "]"
    return json.dumps(node)


# --- The messages ---


def captured(text: str) -> Iterator[Transmission]:
    """The requests of a capture in which each is spread over several segments."""
    for request in re.split(r"(?m)^GET ", text)[1:]:
        target, _, head = request.partition(" HTTP/1.1")
        headers = re.findall(r"([\w-]+):\s+(\S+)", head)
        yield post(
            target="".join(target.split()),
            method="GET",
            headers=headers,
            host=dict(headers)["Host"],
        )


@cache
def messages() -> dict[str, Transmission]:
    """Every recorded message by name; forms as forms, and once more in a query."""
    found: dict[str, Transmission] = {}
    for path in sorted((CORPUS / "http").glob("*")):
        data = path.read_bytes()
        if path.suffix == ".txt":
            for number, request in enumerate(captured(data.decode())):
                found[f"{path.stem}#{number}"] = request
        elif path.name.startswith("ecowitt_"):
            items = urlencode({name: str(value) for name, value in read(data).items()})
            found[path.stem] = post(items, "/data/report/", FORM)
            found[f"{path.stem} in a query"] = post(target=f"/report?{items}", method="GET")
        else:
            found[path.stem] = post(data)
    return found


NAMES = list(messages()) or corpus_files("http/*")


def message(name: str) -> Transmission:
    if name not in messages():
        corpus(name)
    return messages()[name]


def informed(name: str) -> House:
    """A house that has seen the message once."""
    house = House(CLOUDS)
    house.send(message(name))
    return house


def sampled(name: str, points: list[DataPoint], most: int = MOST) -> list[DataPoint]:
    """At most some of them, the same each time, from all over the message."""
    if len(message(name).body) > 100_000:
        most //= 7
    return points[:: -(-len(points) // most)]


def test_there_are_messages() -> None:
    corpus("http")
    assert len(messages()) == 28
    assert sum(name.startswith("acurite") for name in messages()) == 6


# --- Nothing, everything ---


@pytest.mark.parametrize("name", NAMES)
def test_nothing_granted(name: str) -> None:
    house = House(CLOUDS)
    for _ in range(2):
        examined = house.send(message(name))
        assert examined.outgoing is None
        assert examined.verdict.reason is Reason.NOTHING_CONSENTED
        assert examined.withheld == len(house.points) > 0


@pytest.mark.parametrize("name", NAMES)
def test_everything_granted(name: str) -> None:
    house = informed(name)
    house.grant(*house.points)
    examined = house.send(message(name))
    assert examined.verdict.outcome is Outcome.PERMIT, examined.verdict.reason
    assert examined.outgoing is not None
    assert examined.outgoing.body == message(name).body
    assert examined.outgoing.target == message(name).target
    ends = {"host", "connection"} | (set() if message(name).body else {"content-type"})
    assert examined.outgoing.headers == tuple(
        header for header in message(name).headers if header[0].lower() not in ends
    )


# --- One ---


class Mutation:
    """A message again, with another value in every place that is withheld."""

    def __init__(self, found: tuple[Found, ...], granted: DataPoint) -> None:
        self._found = iter(found)
        self._granted = granted.field
        self._next = next(self._found, None)
        self._count = 0

    def _take(self) -> bool:
        """Tell whether the next leaf is granted."""
        assert self._next is not None
        released = self._next.field == self._granted
        self._next = next(self._found, None)
        return released

    def part(self, node: Any) -> Any:
        return self._node(node)[0]

    def _node(self, node: Any) -> tuple[Any, bool]:
        """Return the node with other values, and whether anything granted stands in it."""
        if isinstance(node, dict) and node:
            return self._object(node)
        if isinstance(node, list) and node:
            children = [self._node(child) for child in node]
            return [child for child, _ in children], any(kept for _, kept in children)
        if self._take():
            return node, True
        return self._other(node), False

    def _object(self, node: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        new, kept_any = {}, False
        for name, child in node.items():
            is_data = self._next and self._next.literal.endswith("~") and self._next.value == name
            if is_data and not self._take():
                self._count += 1
                name = f"16{self._count:08d}7"  # noqa: PLW2901 - this is what it is called now
            new[name], kept = self._node(child)
            kept_any |= kept
        if kept_any:
            # Of an object of which something is released these are part of what is granted.
            new |= {name: node[name] for name in MEANINGS if isinstance(node.get(name), str)}
        return new, kept_any

    def _other(self, value: Any) -> Any:
        self._count += 1
        if isinstance(value, Literal):
            return Literal(f"{self._count * 7 + 3}")
        if isinstance(value, str):
            return f"zz{self._count}" + "y" * (self._count % 5)
        return not value if isinstance(value, bool) else value


def mutated(name: str, found: tuple[Found, ...], granted: DataPoint) -> Transmission:
    original = message(name)
    change = Mutation(found, granted)
    target, question, query = original.target.partition("?")
    if question:
        query = urlencode(change.part(dict(parse_qsl(query, keep_blank_values=True))))
    if original.headers == FORM:
        agent = change.part(dict([FORM[1]]))
        items = parse_qsl(original.body.decode(), keep_blank_values=True)
        body = urlencode(change.part(dict(items)))
        return replace(
            original, headers=(FORM[0], *agent.items()), body=body.encode(), target=target
        )
    agents = [header for header in original.headers if header[0].lower() == "user-agent"]
    others = [header for header in original.headers if header not in agents]
    if agents:
        agents = list(change.part(dict(agents)).items())
    body = written(change.part(read(original.body))) if original.body else ""
    return replace(
        original,
        target=target + question + query,
        headers=(*others, *agents),
        body=body.encode(),
    )


def leaves_of(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for child in node.values():
            yield from leaves_of(child)
    elif isinstance(node, list):
        for child in node:
            yield from leaves_of(child)
    else:
        yield written(node)


def meanings_of(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (written(node[name]) for name in MEANINGS if isinstance(node.get(name), str))
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from meanings_of(child)


def test_mutation_changes_what_is_withheld() -> None:
    """The tool itself: all values but the granted one are others."""
    body = '{"type":"t","a":1.10,"b":["x",true,null,{}],"1618691453":7,"c":{"type":"u","v":2}}'
    house = House(CLOUDS)
    found = house.send(post(body)).found
    change = Mutation(found, house.point("$.body.a", "type=t")).part(read(body))
    assert change["type"] == "t"
    assert change["a"] == "1.10"
    assert change["b"][0] != "x"
    assert change["b"][1:] == [False, None, {}]
    assert "1618691453" not in change
    assert change["c"]["type"] != "u"
    assert change["c"]["v"] != "2"


@pytest.mark.parametrize("name", NAMES)
def test_one_granted(name: str) -> None:
    """What is withheld does not show, whatever it is; and what leaves is what was granted."""
    house = informed(name)
    found = house.send(message(name)).found
    compared = []
    for point in sampled(name, house.points):
        house.only(point)
        examined = house.send(message(name))
        if examined.outgoing is None:
            continue
        other = house.send(mutated(name, found, point), learn=False)
        assert other.outgoing == examined.outgoing, point.field
        assert examined.released == (point.id,)
        compared.append(point)
        if examined.outgoing.body.startswith((b"{", b"[")):
            values = [one.value for one in found if one.field == point.field]
            granted = {str(one) if isinstance(one, Number) else json.dumps(one) for one in values}
            allowed = granted | set(meanings_of(read(message(name).body)))
            assert set(leaves_of(read(examined.outgoing.body))) <= allowed
    assert len(compared) >= 0.75 * len(sampled(name, house.points))


# --- How many are denied although something in them is granted ---


def outcomes(name: str, most: int) -> Counter[str]:
    """By reason: what becomes of a message when each of its data points is granted in turn."""
    house = informed(name)
    counts: Counter[str] = Counter()
    for point in sampled(name, house.points, most):
        house.only(point)
        examined = house.send(message(name), learn=False)
        alone = point.field.siblings[-1:] == ("name",)
        counts[f"{examined.verdict.reason}{' (a name alone)' if alone else ''}"] += 1
    return counts


def report(most: int = 2 * MOST) -> tuple[list[str], Counter[str]]:
    """The table, and the sums of its columns; for scripts, too, which may want more of it."""
    lines = [f"{'message':36} {'permit':>7} {'redact':>7} {'deny':>5}  denied because"]
    sums: Counter[str] = Counter()
    for name in messages():
        counts = outcomes(name, most)
        sums += counts
        permit, redact = counts.pop(Reason.ALL_CONSENTED, 0), counts.pop(Reason.SOME_WITHHELD, 0)
        why = ", ".join(f"{number} {reason}" for reason, number in sorted(counts.items()))
        lines.append(f"{name:36} {permit:7d} {redact:7d} {counts.total():5d}  {why}")
    return lines, sums


def test_few_are_denied(tables: dict[str, list[str]]) -> None:
    """Measured for the design: searching for identities costs 0.2 to 0.5 % of the messages.

    Less than one in a hundred is asserted, for these are few messages; a data-like name granted
    without its value is no message.
    """
    corpus("http")
    lines, sums = report()
    tables["One data point granted: what becomes of the message"] = lines
    alone = sums.pop(f"{Reason.NOTHING_RELEASED} (a name alone)", 0)
    passed = sums[Reason.ALL_CONSENTED] + sums[Reason.SOME_WITHHELD]
    denied = sums.total() - passed
    lines.append(f"denied: {denied} of {passed + denied}, and {alone} names without a value")
    assert set(sums) <= {
        Reason.ALL_CONSENTED, Reason.SOME_WITHHELD, Reason.IDENTITY_FOUND,
    }  # fmt: skip
    assert denied <= 0.01 * sums.total()
