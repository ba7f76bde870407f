"""What an appliance hears when its transmission was denied: calm, or a refusal that says why."""

from typing import NamedTuple

import orjson

from ...catalogue.vendor import CalmAnswer
from ...model import Answer, Reason
from ...sentences import SENTENCES


class Reply(NamedTuple):
    """Status, content type (None where there is no body) and body."""

    status: int
    content_type: str | None
    body: bytes


def calm(known: CalmAnswer | None = None, *, speaks_json: bool) -> Reply:
    """Return a plausible success: an empty object for who speaks JSON, else an empty text.

    An appliance that hears *success* does not retry, and does not keep the data for later. Where it
    is `known` what its vendor's appliances take for one, it hears that constant.
    """
    if known is not None:
        return Reply(known.status, known.content_type, known.body)
    if speaks_json:
        return Reply(200, "application/json", b"{}")
    return Reply(200, "text/plain", b"")


def refusal(reason: Reason, status: int = 403) -> Reply:
    """Return a problem document (RFC 9457) with the reason's label and sentence."""
    problem = {
        "type": "about:blank",
        "title": "Not shared",
        "status": status,
        "detail": SENTENCES[reason],
        "reason": reason.value,
    }
    return Reply(status, "application/problem+json", orjson.dumps(problem))


def denial(
    reason: Reason, answer: Answer | None, known: CalmAnswer | None = None, *, speaks_json: bool
) -> Reply:
    """Return the answer to a denied transmission; strangers (no answer chosen) are refused."""
    if answer is Answer.CALM:
        return calm(known, speaks_json=speaks_json)
    return refusal(reason)
