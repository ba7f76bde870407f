"""How reports are shown, as a table for people to judge: run it, and read what it prints.

    .cache/engine-venv/bin/python tests/engine/arranged.py

One row for each report of the corpus: the switches that a household would see, by name, and how
many of its items are only listed.
"""

from collections import Counter
from collections.abc import Iterator
import json
from pathlib import Path
import sys
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "custom_components" / "privacy_firewall"))

from engine.grouping import Arrangement, arrange
from engine.model import DataPoint, Transmission
from engine.topics import topic_of
from helpers import CLOUD, CORPUS, House, post

NOTHING: frozenset[str] = frozenset()


def reports() -> dict[str, Transmission]:
    """Every recorded report by name, as the body of a message."""
    found = {}
    for path in sorted((CORPUS / "http").glob("*.json")):
        found[path.stem] = post(path.read_bytes())
    for path in sorted((CORPUS / "mqtt").glob("*.json")):
        for name, payload in _payloads(json.loads(path.read_bytes())):
            found[f"{path.stem} {name}"] = post(json.dumps(payload))
    return found


def _payloads(trace: Any) -> Iterator[tuple[str, Any]]:
    """What a recorded trace says of the appliance: its whole state, as it reports it."""
    state = trace["data"]
    yield "whole", state.get("payload", state) if isinstance(state, dict) else state


def seen(transmission: Transmission) -> list[DataPoint]:
    """What is known of an appliance that sent this once."""
    house = House(CLOUD)
    house.send(transmission)
    return house.learning.of(house.appliance.id)


def row(name: str, points: list[DataPoint], arranged: Arrangement) -> str:
    """A row of the table."""
    own = ", ".join(one.name for one in arranged.alone)
    groups = ", ".join(f"{one.topic.value} ({len(one.points)})" for one in arranged.groups)
    shown = {one.id for one in arranged.alone}
    shown |= {one.id for group in arranged.groups for one in group.points}
    rest = Counter(topic_of(one).value for one in points if one.id not in shown)
    left = ", ".join(f"{count} {topic}" for topic, count in rest.most_common())
    switches = len(arranged.alone) + len(arranged.groups)
    return (
        f"| {name} | {len(points)} | {switches} | {own or '-'} | {groups or '-'} | {left or '-'} |"
    )


def members(arranged: Arrangement) -> Iterator[str]:
    """What stands behind each group's switch, by name."""
    for group in arranged.groups:
        yield f"- **{group.topic.value}**: {', '.join(one.name for one in group.points)}"


def table() -> Iterator[str]:
    """All of it, a line each."""
    yield "| report | items | switches | of their own | shared | only listed |"
    yield "|---|---|---|---|---|---|"
    known = {name: seen(report) for name, report in reports().items()}
    for name, points in known.items():
        yield row(name, points, arrange(points, chosen=NOTHING))
    for name, points in known.items():
        if lines := list(members(arrange(points, chosen=NOTHING))):
            yield from ("", f"## {name}", "", *lines)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in table())
