"""The order of things: read the file, start the household, replay, grant, replay again, tell."""

import argparse
import base64
import json
from pathlib import Path
import signal
import sys
from typing import Any, NamedTuple

from . import leaks, leaves, show, wire
from .household import GrantError, Household, read_path
from .leaks import Arrived, Leak
from .leaves import Pattern
from .recorder import Received, Recorder
from .recording import BadRecordingError, Recording, read_all

_DECIDED = 5.0
"""Seconds to wait for a decision after the answer; it is made before that."""
_LATE = 0.3
"""Seconds in which a second request, hidden behind a first, is decided."""
_REQUEST: Pattern = ("request",)


class Given(NamedTuple):
    """What the recipients were granted."""

    everything: bool = False
    patterns: tuple[Pattern, ...] = ()


class Result(NamedTuple):
    """What became of one recording; `outcome` is `none` where the gate decided nothing."""

    outcome: str
    reason: str
    received: Received | None
    leaked: list[Leak]


def main() -> int:
    """Run with the command line's arguments; return the exit status."""
    arguments = _arguments()
    try:
        for path in arguments.grant:
            read_path(path)
        given = Given(arguments.grant_all, tuple(leaves.parse(path) for path in arguments.grant))
        recordings = read_all(_lines(arguments.file))
        results = _run(recordings, given, arguments)
    except (BadRecordingError, GrantError, OSError) as err:
        print(f"replay: {_sentence(err, arguments.file)}", file=sys.stderr)
        return 2
    # A reader that had enough (`| head`) ends us quietly; while sockets were open it must not.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if arguments.json:
        for recording, result in zip(recordings, results, strict=True):
            print(json.dumps(_line(recording, result), ensure_ascii=False))
    else:
        _show(recordings, results)
    return 1 if any(result.leaked for result in results) else 0


def _arguments() -> argparse.Namespace:
    # The script's own head is the help.
    parser = argparse.ArgumentParser(
        prog="replay",
        usage="scripts/replay [--grant PATH]… [--grant-all] [--json] [--by-token] FILE",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("file")
    parser.add_argument("--grant", action="append", default=[])
    parser.add_argument("--grant-all", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--by-token", action="store_true")
    return parser.parse_args()


def _lines(name: str) -> list[bytes]:
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return data.split(b"\n")


def _sentence(err: Exception, file: str) -> str:
    if isinstance(err, GrantError):
        return f"--grant {err}"
    if isinstance(err, OSError):
        return f"{err.filename or file}: {err.strerror or err}"
    return f"{file}: {err}"


def _run(recordings: list[Recording], given: Given, arguments: argparse.Namespace) -> list[Result]:
    with (
        Recorder() as cloud,
        Household(recordings, cloud=cloud.port, by_token=arguments.by_token) as household,
    ):
        # Items become known by being seen; and while nothing is granted, nothing may arrive.
        first = [_replay(one, household, cloud, Given()) for one in recordings]
        if not given.everything and not given.patterns:
            return first
        household.grant(arguments.grant)
        if given.everything:
            household.grant_all()
        second = [_replay(one, household, cloud, given) for one in recordings]
    return [
        after._replace(leaked=before.leaked + after.leaked)
        for before, after in zip(first, second, strict=True)
    ]


def _replay(recording: Recording, household: Household, cloud: Recorder, given: Given) -> Result:
    way = household.way(recording)
    wire.send(wire.request(recording, way.prefix), recording, household.gate, way.source)
    decided = household.decision(_DECIDED)
    while wire.may_hide_another(recording) and household.decision(_LATE) is not None:
        pass
    arrived = cloud.take()
    return Result(
        outcome=decided.outcome.value if decided else "none",
        reason=decided.reason.value if decided else "no_decision",
        received=arrived[0] if arrived else None,
        leaked=[leak for received in arrived for leak in _leaks(recording, received, given)]
        + [Leak("$", "request", "arrived more than once") for _ in arrived[1:2]],
    )


def _leaks(recording: Recording, received: Received, given: Given) -> list[Leak]:
    if given.everything:
        return []
    sent = leaves.read(recording.target, recording.headers, recording.body)
    patterns = list(given.patterns)
    if _REQUEST not in patterns and not leaves.granted(sent, patterns):
        return [Leak("$", "request", "arrived with nothing of it granted")]
    return leaks.find(sent, patterns, Arrived(received.target, received.headers, received.body))


def _line(recording: Recording, result: Result) -> dict[str, Any]:
    received = result.received
    return {
        "line": recording.line,
        "outcome": result.outcome,
        "reason": result.reason,
        "received_url": received and f"{recording.scheme}://{recording.authority}{received.target}",
        "received_headers": received and _headers(received.headers),
        "received_b64": received and base64.b64encode(received.body).decode(),
        "leaked": [leak._asdict() for leak in result.leaked],
    }


def _headers(pairs: tuple[tuple[str, str], ...]) -> dict[str, str | list[str]]:
    """Return headers by name; one that stood twice with a list."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: each if len(each) > 1 else each[0] for name, each in values.items()}


def _show(recordings: list[Recording], results: list[Result]) -> None:
    for recording, result in zip(recordings, results, strict=True):
        received = result.received
        arrived = (
            leaves.read(received.target, received.headers, received.body) if received else None
        )
        print(show.side_by_side(recording, result.outcome, result.reason, arrived, result.leaked))
    decisions = [(result.outcome, result.reason) for result in results]
    print(show.summary(decisions, sum(len(result.leaked) for result in results)))


if __name__ == "__main__":
    sys.exit(main())
