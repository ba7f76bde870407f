"""The HTTP gate, whole, beside a reverse proxy that looks at nothing."""

from collections.abc import Iterator

from .. import load, messages
from ..household import HEADERS
from ..measure import Case, Comparison, Options, Quantity, Sample, by_turns
from ..servers import Server

PEER = "aiohttp reverse proxy, no redaction"
CONNECTIONS = 32
_QUANTITIES = {
    "requests": Quantity(unit="requests/s", more_is_better=True),
    "latency, median": Quantity(unit="ms", more_is_better=False),
    "latency, 99th percentile": Quantity(unit="ms", more_is_better=False),
    "processor time": Quantity(unit="ms/request", more_is_better=False),
}


def run(options: Options) -> Iterator[Case]:
    """Measure a 573-byte report with 23 items, 7 of them withheld, over 32 connections."""
    body = messages.encode(messages.BRUSH)
    head = "\r\n".join(
        ["POST /v1/report HTTP/1.1", *(f"{name}: {value}" for name, value in HEADERS)]
    )
    request = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    seconds = 0.2 if options.quick else 2.5
    with Server("cloud") as cloud, Server("gate", cloud) as gate, Server("proxy", cloud) as proxy:
        names = list(_QUANTITIES)
        if gate.processor_seconds() is None:
            names.pop()

        def turn(server: Server) -> Sample:
            before = server.processor_seconds() or 0.0
            measured = load.run(server.port, request, connections=CONNECTIONS, seconds=seconds)
            used = (server.processor_seconds() or 0.0) - before
            values = (
                measured.per_second,
                1000 * measured.percentile(0.5),
                1000 * measured.percentile(0.99),
                1000 * used / measured.sent,
            )
            return dict(zip(names, values, strict=False))

        # The first turns find caches empty on both sides.
        turn(gate)
        turn(proxy)
        quantities = {name: _QUANTITIES[name] for name in names}
        comparison = Comparison(
            bench="http",
            peer=PEER,
            quantities=quantities,
            ours=lambda: turn(gate),
            theirs=lambda: turn(proxy),
        )
        yield from by_turns(comparison, options.repeats)
