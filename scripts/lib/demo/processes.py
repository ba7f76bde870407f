"""Processes of ours: each ends when told, by its own id, and when we are gone."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
import contextlib
import ctypes
import os
from pathlib import Path
import signal
import socket
import sys

LIBRARY = Path(__file__).resolve().parents[1]
"""The folder from which this package is imported."""
REPOSITORY = LIBRARY.parents[1]
_PATIENCE = 20.0
"""Seconds a process has to end by itself; Home Assistant needs two."""
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal to get when the parent dies."""


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Return what a process of ours sees: this package, and no proxy of somebody else's."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    # Where pytest measures coverage, its own processes only.
    kept = {name: value for name, value in kept.items() if not name.startswith("COV_")}
    return {**kept, "PYTHONPATH": str(LIBRARY), "PYTHONUNBUFFERED": "1"}


class Child:
    """A process that was started here."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *arguments: str, output: Path, talks: bool = False) -> Child:
        """Start a process in a session of its own, so that Ctrl+C reaches it through us only.

        `output` takes its standard error, and its standard output unless it `talks` with us in
        lines.
        """
        with output.open("ab") as file:
            return cls(
                await asyncio.create_subprocess_exec(
                    *arguments,
                    stdin=PIPE if talks else DEVNULL,
                    stdout=PIPE if talks else file,
                    stderr=file,
                    env=environment(),
                    cwd=output.parent,
                    start_new_session=True,
                    limit=1 << 20,
                )
            )

    @property
    def id(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status of a process that ended."""
        return self._process.returncode

    async def hear(self, seconds: float = 20.0) -> str:
        """Return the next line it says; raises `TimeoutError`, or `EOFError` where it ended."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        if not line:
            raise EOFError(f"process {self.id} ended")
        return line.decode()

    async def tell(self, line: str) -> None:
        """Say a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def stop(self) -> None:
        """Ask it to end, insist after a while, and wait until it has."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.ended is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _PATIENCE)


def run_tied(arguments: list[str]) -> None:
    """Become another program, which is asked to end as soon as our parent has."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:
        os.execv(arguments[0], arguments)  # noqa: S606


if __name__ == "__main__":
    run_tied(sys.argv[1:])
