"""A household for benches: one appliance, one recipient, and what is granted."""

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
import sys

# Last, for modules of the integration have names of the standard library's (`select`).
sys.path.append(str(Path(__file__).resolve().parents[3] / "custom_components" / "privacy_firewall"))

from engine import Firewall, examination, policy
from engine.gates.dns import server as dns_server
from engine.journal import Entry, Journal, Query
from engine.model import (
    Appliance,
    Consent,
    ConsentState,
    DataPoint,
    Endpoint,
    Kind,
    Outcome,
    Purpose,
    Reason,
    Recipient,
    Source,
    Transmission,
)
from engine.naming import Naming, Resolver
from engine.storage import Database

__all__ = [
    "APPLIANCE",
    "HEADERS",
    "HOST",
    "TESTS",
    "Database",
    "Entry",
    "Firewall",
    "Journal",
    "Outcome",
    "Query",
    "Reason",
    "examination",
    "names_household",
    "recipient",
]

TESTS = Path(__file__).resolve().parents[3] / "tests"
"""Where the labelled pairs are that matching is measured with."""
HOST = "localhost"
"""A name, not an address: the cloud's name is looked up once per connection, as in a home."""
APPLIANCE = Appliance(id="brush", name="Toothbrush", addresses=frozenset({"127.0.0.1"}))
HEADERS = (
    ("Host", HOST),
    ("User-Agent", "Sonic/2.14"),
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
)


def recipient(port: int | None) -> Recipient:
    """Return the organisation behind the cloud at this port."""
    return Recipient(
        id="cloud",
        organisation="Cloud",
        purpose=Purpose.SERVICE,
        endpoints=(Endpoint(host=HOST, scheme="http", port=port),),
        allow_private=True,
    )


def prepared(
    bodies: list[bytes], is_granted: Callable[[str], bool]
) -> Callable[[], examination.Examined]:
    """Return a call that takes the next message the whole way but for socket and journal.

    All are of one shape; what is granted is told from the first.

    Everything about the household is made beforehand: what is measured is what every message costs.
    """
    transmissions = [
        Transmission(
            gate="http",
            source=Source(address="127.0.0.1"),
            method="POST",
            host=HOST,
            target="/v1/report",
            headers=(*HEADERS, ("Content-Length", str(len(body)))),
            body=body,
        )
        for body in bodies
    ]
    receiver = recipient(None)
    nothing = policy.build(1, (APPLIANCE,), (receiver,), [])
    question = policy.Question(
        policy=nothing,
        appliance=APPLIANCE,
        recipients=(receiver,),
        endpoint=receiver.endpoints[0],
        template="",
        fields={},
        known={},
    )
    seen = examination.examine(question, transmissions[0], 0, frozenset())
    given = [_given(point) for point in seen.fresh if is_granted(point.field.path)]
    asked = replace(
        question,
        policy=policy.build(2, (APPLIANCE,), (receiver,), given),
        known={point.field: point for point in seen.fresh},
    )
    remembered = frozenset(seen.identities)
    left = cycle(transmissions)
    return lambda: examination.examine(asked, next(left), len(seen.fresh), remembered)


def _given(point: DataPoint) -> tuple[Consent, DataPoint]:
    consent = Consent(
        appliance_id=point.appliance_id,
        data_point_id=point.id,
        recipient_id=point.recipients[0],
        state=ConsentState.GIVEN,
        kinds=point.kinds - {Kind.NULL},
    )
    return consent, point


async def names_household(firewall: Firewall, zone: str, address: str, resolver: int) -> int:
    """Open a DNS gate for an appliance whose thousand names all lead to the HTTP gate."""
    appliance = Appliance(id="brush", name="Toothbrush", addresses=frozenset({address}))
    cloud = Recipient(
        id="cloud",
        organisation="Cloud",
        purpose=Purpose.SERVICE,
        endpoints=tuple(Endpoint(host=f"host-{one}.{zone}") for one in range(1_000)),
    )
    firewall.configure([appliance], [cloud])
    firewall.names.configure(Naming(steer_to=("127.0.0.1",)))
    # More than any one client may ask at home.
    dns_server.RATE = dns_server.BURST = 1e9
    return await firewall.names.open("127.0.0.1", 0, [Resolver(address="127.0.0.1", port=resolver)])
