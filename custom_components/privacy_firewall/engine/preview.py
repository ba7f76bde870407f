"""Previews: what a recipient would get of a message, were it at the gate now. Nothing is sent.

A preview goes the way of `pipeline` up to where a message would be recorded. Whether the cloud's
address is allowed and can be reached shows only when something is sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
import re
from urllib.parse import urlsplit

from .errors import Refused
from .examination import Examined
from .gates.http.server import GATE, MAX_BODY, MAX_HEADER, read_head, without_next_hop
from .model import (
    Appliance,
    DataPoint,
    Outcome,
    OutgoingRequest,
    Reason,
    Recipient,
    Source,
    Transmission,
    Verdict,
)
from .pipeline import Pipeline
from .policy import deny

_URL = re.compile(
    r"(?P<origin>(?:https?)://(?P<authority>[^/?#\\@\s]+))(?P<target>[/?][!-\"$-~]*)?",
    re.ASCII | re.IGNORECASE,
)
"""An absolute URL (RFC 3986) without user, password and fragment: none of these is sent as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would become of a message.

    `outgoing` is what would leave, None where nothing would. `withheld` are the data points that
    would not leave, also those that were never seen before; of what cannot be read none is known.
    `withheld_count` counts fields, named or not.
    """

    outcome: Outcome
    reason: Reason
    recipients: tuple[Recipient, ...] = ()
    outgoing: OutgoingRequest | None = None
    released: tuple[DataPoint, ...] = ()
    coarse: tuple[DataPoint, ...] = ()
    withheld: tuple[DataPoint, ...] = ()
    withheld_count: int = 0


async def preview(
    pipeline: Pipeline,
    appliance: Appliance,
    *,
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
) -> Preview:
    """Say what would become of a request that an appliance sends to its cloud.

    `url` is the cloud's, also where the appliance calls the gate by its own address. Raises
    `ValueError` where it is none that a request could be made of.
    """
    host, target = _place(url)
    try:
        transmission = _transmission(
            appliance, method=method, host=host, target=target, headers=headers, body=body
        )
    except Refused as err:
        return _told(pipeline, Examined(verdict=deny(err.reason, appliance), template=""))
    return _told(pipeline, await pipeline.preview(appliance, transmission, max_body=MAX_BODY))


def _place(url: str) -> tuple[str, str]:
    """Split a URL into host, as gates name it, and target; raises `ValueError`."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("not the URL of a request")
    try:
        parts = urlsplit(found["origin"])
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        # Its own message quotes the address.
        raise ValueError("not the URL of a request") from None
    if not host or any(one in host for one in "%,"):
        raise ValueError("not the URL of a request")
    target = found["target"] or "/"
    return host, target if target.startswith("/") else f"/{target}"


def _transmission(
    appliance: Appliance,
    *,
    method: str,
    host: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
) -> Transmission:
    """Return the request as the gate would hand it on; raises `Refused` like the gate."""
    try:
        raw = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
    except UnicodeEncodeError:
        raise Refused(Reason.BAD_REQUEST, "a header that is not ASCII") from None
    # The gate's own server turns these away before anything is read.
    if max(len(target), *(len(name) + len(value) for name, value in raw), 0) > MAX_HEADER:
        raise Refused(Reason.BAD_REQUEST, "a line that is too long")
    read = without_next_hop(read_head(method, raw))
    source = Source(address="")
    base = urlsplit(appliance.base_url or "")
    if appliance.token is not None and (base.hostname or "").lower() == host:
        prefix = base.path.rstrip("/")
        if target.startswith((f"{prefix}/", f"{prefix}?")):
            # It calls the gate by its own address, which then says where to.
            source = Source(address="", token=appliance.token)
            target = target.removeprefix(prefix)
    return Transmission(
        gate=GATE,
        source=source,
        method=method,
        host=None if source.token else host,
        target=target if target.startswith("/") else f"/{target}",
        headers=read,
        body=body,
    )


def _told(pipeline: Pipeline, examined: Examined) -> Preview:
    verdict: Verdict = examined.verdict
    fresh = {point.id: point for point in examined.fresh}

    def points(ids: Iterable[str]) -> tuple[DataPoint, ...]:
        found = (fresh.get(one) or pipeline.learning.get(one) for one in ids)
        return tuple(point for point in found if point is not None)

    return Preview(
        outcome=verdict.outcome,
        reason=verdict.reason,
        recipients=verdict.recipients,
        outgoing=examined.outgoing,
        released=points(examined.released),
        coarse=points(examined.coarse),
        withheld=points(examined.withheld_ids),
        withheld_count=examined.withheld,
    )
