"""The DNS gate beside dnsmasq: answers of its own, and questions passed on."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
import sys
import tempfile

from .. import names
from ..measure import Case, Comparison, Options, Quantity, by_turns

NAMES = 1_000
"""Names that recipients claim; each is asked in turn."""
PACE = 1_000
"""Questions a second at which latency and lag are measured."""


def run(options: Options) -> Iterator[Case]:
    """Measure local answers, forwarding without a cache, and latency and lag at a steady pace."""
    seconds = 0.3 if options.quick else 3.0
    if missing := [name for name in ("dnsmasq", "dnsperf") if names.program(name) is None]:
        print(f"bench dns: skipped, no {' and no '.join(missing)} here", file=sys.stderr)
        return
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        names.Dnsmasq(zone=names.ZONE) as resolver,
        names.Gate(resolver.port) as gate,
        names.Dnsmasq(resolver=resolver.port) as forwarder,
    ):
        claimed = Path(folder) / "claimed"
        claimed.write_text("".join(f"host-{one}.{names.ZONE} A\n" for one in range(NAMES)))
        others = Path(folder) / "others"
        others.write_text("".join(f"host-{one}x.{names.ZONE} A\n" for one in range(50_000)))

        def rate(port: int, asked: Path, source: str) -> dict[str, float]:
            return {case: names.per_second(port, asked, source, seconds)}

        rates = {"questions/s": Quantity(unit="questions/s", more_is_better=True)}
        for case, asked, source, peer, theirs in (
            ("answered here", claimed, names.APPLIANCE, "dnsmasq, own zone", resolver.port),
            ("forwarded", others, names.STRANGER, "dnsmasq, no cache", forwarder.port),
        ):
            yield from by_turns(
                Comparison(
                    bench="dns",
                    peer=peer,
                    quantities={case: rates["questions/s"]},
                    ours=partial(rate, gate.port, asked, source),
                    theirs=partial(rate, theirs, asked, source),
                ),
                options.repeats,
            )
        yield from _paced(options, gate, forwarder.port, seconds)


def _paced(options: Options, gate: names.Gate, forwarder: int, seconds: float) -> Iterator[Case]:
    """Forward at a steady pace, and see what else waits for it meanwhile."""
    waiting = "forwarded at 1,000/s, 99th percentile"
    lag = "loop's lag meanwhile, 99th percentile"

    def ask(port: int) -> float:
        return names.latency(port, names.STRANGER, rate=PACE, seconds=seconds)

    def ours() -> dict[str, float]:
        gate.lag()
        took = ask(gate.port)
        return {waiting: took, lag: max(gate.lag(), 1e-3)}

    def theirs() -> dict[str, float]:
        # Our own loop at rest is what lag under load is compared with.
        gate.lag()
        took = ask(forwarder)
        return {waiting: took, lag: max(gate.lag(), 1e-3)}

    milliseconds = Quantity(unit="ms", more_is_better=False)
    yield from by_turns(
        Comparison(
            bench="dns",
            peer="dnsmasq, no cache; the loop at rest",
            quantities={waiting: milliseconds, lag: milliseconds},
            ours=ours,
            theirs=theirs,
        ),
        options.repeats,
    )
