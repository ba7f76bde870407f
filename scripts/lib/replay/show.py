"""What people are shown: beside what the appliance sent, what reached the cloud."""

from collections import Counter
import json
import shutil

from . import leaves
from .leaks import Leak
from .recording import Recording

_ROWS = 24
"""Items shown per message; the rest is counted."""
_NOTHING = "·"


def _shortened(text: str, width: int) -> str:
    text = "".join(one if one.isprintable() else "␣" for one in text)
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _end(path: str, width: int) -> str:
    """Return a path with its start left out where it is too long: its end tells more."""
    return path if len(path) <= width else "…" + path[1 - width :]


def _value(value: object) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value)


def side_by_side(
    recording: Recording,
    outcome: str,
    reason: str,
    arrived: leaves.Message | None,
    leaked: list[Leak],
) -> str:
    """Return a block about one transmission: items that arrived first."""
    width = min(shutil.get_terminal_size((110, 24)).columns, 160)
    column = max((width - 10) // 3, 16)
    lines = [
        f"{recording.line}  {recording.appliance}  "
        + _shortened(f"{recording.method} {recording.url}", width - 20),
        f"   {outcome}: {reason}",
    ]
    sent = leaves.read(recording.target, recording.headers, recording.body)
    received: dict[tuple[str, bool], list[str]] = {}
    for leaf in arrived.leaves if arrived else ():
        received.setdefault((_place(leaf), leaf.is_name), []).append(_value(leaf.value))
    rows = []
    for leaf in sent.leaves:
        # Positions in a list move when others are left out, so values tell which is which.
        there = received.get((_place(leaf), leaf.is_name), [])
        value = _value(leaf.value)
        if value in there:
            there.remove(value)
            rows.append((leaf, value, value))
        else:
            rows.append((leaf, value, _NOTHING))
    rows.sort(key=lambda row: row[2] == _NOTHING)
    if rows:
        lines.append(f"   {'item':{column}}  {'the appliance sent':{column}}  the cloud received")
    for leaf, value, there_too in rows[:_ROWS]:
        path = leaves.write(leaf.path) + ("~" if leaf.is_name else "")
        lines.append(
            f"   {_end(path, column):{column}}  {_shortened(value, column):{column}}"
            f"  {_shortened(there_too, column)}"
        )
    withheld = sum(row[2] == _NOTHING for row in rows[_ROWS:])
    if rows[_ROWS:]:
        lines.append(f"   … {len(rows) - _ROWS} more, {withheld} of them withheld")
    lines += [f"   LEAKED {leak.path}: {leak.how}, in {leak.where}" for leak in leaked]
    return "\n".join(lines) + "\n"


def _place(leaf: leaves.Leaf) -> str:
    return leaves.write(tuple("*" if isinstance(one, int) else one for one in leaf.path))


def summary(decisions: list[tuple[str, str]], leaks: int) -> str:
    """Return the counts by outcome and reason."""
    outcomes = Counter(outcome for outcome, _ in decisions)
    reasons = Counter(decisions)
    counts = ", ".join(f"{outcomes[one]} {one}" for one in ("permit", "redact", "deny"))
    lines = [f"{len(decisions)} transmissions: {counts}"]
    lines += [
        f"   {count:5}  {outcome}, {reason}" for (outcome, reason), count in reasons.most_common()
    ]
    lines.append(f"{leaks} withheld values arrived" if leaks else "no withheld value arrived")
    return "\n".join(lines)
