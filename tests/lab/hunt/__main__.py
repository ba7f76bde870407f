"""`python -m hunt`: one hunt; tells what it did, and every leak. Exit status 1 with one."""

import argparse
import asyncio
import logging
from pathlib import Path
import sys
import tempfile
import time


def main() -> int:
    parser = argparse.ArgumentParser(prog="hunt")
    parser.add_argument("--engine", type=Path, help="the folder that the engine stands in")
    parser.add_argument("--seed", default=None)
    parser.add_argument("--transmissions", type=int, default=5000)
    parser.add_argument("--until-leak", action="store_true")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--brief", action="store_true")
    told = parser.parse_args()
    here = Path(__file__).parents[3] / "custom_components/privacy_firewall"
    # Behind the standard library: a file of the integration may be called like one of its modules.
    sys.path.append(str(told.engine or here))
    from .hunter import Hunter  # noqa: PLC0415 - the engine is found only now

    # It is told that a hostile appliance went away; that is so.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    seed = told.seed if told.seed is not None else str(time.time_ns())
    # At once: also a hunt that somebody ends can be had again.
    sys.stderr.write(f"seed {seed}\n")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hunt-") as folder:
        hunter = Hunter(Path(folder), seed)
        asyncio.run(
            hunter.run(told.transmissions, until_leak=told.until_leak, seconds=told.seconds)
        )
    lasted = time.monotonic() - started
    count = hunter.count
    say(
        f"seed {seed}: {count.sent + count.names} transmissions in {lasted:.0f} s, "
        f"{hunter.round} rounds; {count.arrived} arrived with {count.allowed} sightings of what "
        f"was given; {count.taken_out} values taken out of them; {len(hunter.leaks)} leaks"
    )
    if not told.brief:
        for title, counter in (
            ("events", count.events),
            ("answers", count.statuses),
            ("tricks", count.tricks),
        ):
            what = ", ".join(f"{name} {number}" for name, number in counter.most_common())
            say(f"{title}: {what}")
        say(f"not read: {count.not_read}")
    for leak in hunter.leaks[:40]:
        say(f"LEAK {leak}")
    return 1 if hunter.leaks else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
