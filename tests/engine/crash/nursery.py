"""A process that has everything loaded and makes victims of itself: one a line, one at a time.

Victims speak and listen on the same pipes; they are done with them when the nursery goes on.
"""

import json
import os
import sys
import traceback

from .home import Order
from .victim import run


def _line() -> bytes:
    """Read a line and not a byte more: the next one may be for the victim."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return bytes(line)


def main() -> None:
    """Fork a victim for every order; tell how it ended."""
    os.write(1, b'{"say": "ready"}\n')
    while line := _line():
        victim = os.fork()
        if victim == 0:
            try:
                run(Order.from_line(line))
            except BaseException:  # noqa: BLE001 - it must not go on as a second nursery
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        _, status = os.waitpid(victim, 0)
        ended = {"say": "ended", "code": os.waitstatus_to_exitcode(status)}
        os.write(1, json.dumps(ended).encode() + b"\n")
