"""Receipts as one page to read, print or keep: HTML that loads nothing and runs nothing.

Names come from appliances, vendors and people. Every one of them is escaped, and set apart so that
text of another direction cannot rearrange what stands around it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from html import escape
import re
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Consent receipts</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 2px solid; margin-top: 2rem; break-inside: avoid }
table { border-collapse: collapse; width: 100% }
th, td { text-align: start; vertical-align: top; padding: .2rem .6rem .2rem 0 }
th { font-weight: 600; width: 14rem }
thead th { width: auto; border-bottom: 1px solid }
bdi, pre { overflow-wrap: anywhere; white-space: pre-wrap }
</style>
</head>
<body>
<h1>Consent receipts</h1>
"""
_STATES = {
    "requested": "asked, not decided",
    "given": "given",
    "refused": "refused",
    "withdrawn": "withdrawn",
    "expired": "its time is over",
}
_PRESENTED = {
    "shown": "shown",
    "available": "available to read, not shown",
    "nobody_asked": "nobody was asked",
    "unknown": "unknown",
}

type Receipt = Mapping[str, Any]


def page(receipts: Iterable[Receipt], zone: tzinfo) -> str:
    """Return receipts, in the shape of `receipts`, as an HTML page with times of a zone."""
    sections = [_section(one, zone) for one in receipts]
    intro = (
        "<p>What this household decided about its data. This is the household's own record of its"
        " decisions, not proof of a contract with anyone. What a vendor does not state is"
        " <em>unknown</em>.</p>\n"
    )
    found = "".join(sections) or "<p>Nothing was decided yet.</p>\n"
    return f"{_HEAD}{intro}{found}</body>\n</html>\n"


def _section(receipt: Receipt, zone: tzinfo) -> str:
    header, processing, now = receipt["header"], receipt["processing"], receipt["now"]
    data, recipient = processing["data"], processing["recipients"][0]
    notice = processing["notice"]
    person = header["person"]
    rows = [
        ("Now", _now(now, zone)),
        ("Whose consent", _text(person["name"] or "the household")),
        ("Data", _text(data["name"])),
        ("Category", _text(data["category"])),
        ("Special category", _text(_yes(data["special_category"]))),
        ("Where it stands in the message", _text(data["path"])),
        ("Level", _text(processing["level"])),
        ("Appliance", _text(processing["appliance"]["name"])),
        ("Recipient", _text(recipient["organisation"])),
        ("Purpose", _text(processing["purpose"])),
        ("Where to", _text(recipient["endpoint"])),
        ("Sent along", _text(", ".join(processing["sent_along"]) or "nothing")),
        ("Names it may go to", _text(", ".join(processing["names"]) or "none")),
        ("Passed on to", _text(recipient["passes_on_to"])),
        ("Where it is stored", _text(processing["storage_locations"])),
        ("How long it is stored", _text(processing["retention_period"])),
        ("Its own words on it", _text(recipient["policy"])),
        ("How to withdraw", _text(processing["withdrawal"])),
        ("Receipt", f"{_text(header['receipt_id'])}, {_time(header['issued_at'], zone)}"),
    ]
    if isinstance(notice, Mapping):
        told = f"<pre>{_escaped(notice['text'])}</pre>version {_text(notice['version'])}"
        rows.insert(-1, ("Notice", f"{told}, SHA-256 {_text(notice['hash'])}"))
    else:
        rows.insert(-1, ("Notice", _text(notice)))
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>\n" for name, value in rows)
    title = f"{_text(data['name'])} to {_text(recipient['organisation'])}"
    return (
        f"<section>\n<h2>{title}</h2>\n<table>\n{table}</table>\n"
        f"{_events(receipt['events'], zone)}</section>\n"
    )


def _events(events: Iterable[Mapping[str, Any]], zone: tzinfo) -> str:
    names = ("When", "What", "Until", "Level", "By", "How", "Notice", "Record")
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{cell}</td>"
            for cell in (
                _time(event["time"], zone),
                _text(_STATES.get(event["state"], event["state"])),
                _time(event["valid_until"], zone) if event["valid_until"] else "",
                _text(event["level"]),
                _text(event["person"]["name"] if event["person"] else "nobody known"),
                _text(event["how"]),
                _text(_PRESENTED.get(event["notice"]["presented"], "unknown")),
                _text(event["number"]),
            )
        )
        + "</tr>\n"
        for event in events
    )
    return f"<h3>What happened</h3>\n<table>\n<thead><tr>{head}</tr></thead>\n{rows}</table>\n"


def _now(now: Mapping[str, Any], zone: tzinfo) -> str:
    said = [_STATES.get(now["state"], str(now["state"]))]
    said.append("in force" if now["in_force"] else "not in force")
    if now["suspended"]:
        said.append("suspended until confirmed")
    if now["asked_again"]:
        said.append("asked again")
    until = f" until {_time(now['until'], zone)}" if now["until"] else ""
    return _text(", ".join(said)) + until


def _yes(value: object) -> object:
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def _text(value: object) -> str:
    """Return a text that is not ours, set apart."""
    return f"<bdi>{_escaped(str(value))}</bdi>"


def _escaped(text: str) -> str:
    return escape(_CONTROLS.sub("\ufffd", text))


def _time(text: str, zone: tzinfo) -> str:
    moment = datetime.fromisoformat(text).astimezone(zone)
    return f'<time datetime="{_escaped(text)}">{moment:%Y-%m-%d %H:%M:%S %Z}</time>'
