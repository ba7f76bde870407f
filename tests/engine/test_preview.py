"""Previews: they say what would leave, exactly that, and nothing happens by them."""

from collections.abc import AsyncIterator
import json
import logging
from pathlib import Path
import sqlite3
from typing import Any

import pytest

from engine import Firewall, preview as module
from engine.gates.http.server import MAX_BODY
from engine.model import Decider, Level, Outcome, Reason
from engine.preview import Preview
import wire
from wire import House, fridge, frost

BODY = b'{"door":true,"temp":4.5,"mac":"24:C8:6E:06:B1:5C"}'
JSON = (("Content-Type", "application/json"),)
HAND = Decider(how="action")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        yield built


async def ask(house: House, body: bytes = BODY, path: str = "/v1/report", **more: Any) -> Preview:
    asked = {"method": "POST", "url": f"http://{house.host}{path}", "headers": JSON} | more
    return await house.firewall.inspection.preview("fridge", body=body, **asked)


def stored(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables of a file, but for what it notes of the time."""
    with sqlite3.connect(path) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if name not in ("meta", "sqlite_sequence")
        ]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def everything(house: House) -> tuple[Any, ...]:
    """All that a preview must leave alone."""
    return (
        stored(house.database),
        stored(house.database.with_name("firewall_journal.log.db")),
        house.firewall.data_points("fridge"),
        house.firewall.status("fridge"),
        list(house.events),
        house.cloud.received,
    )


# --- It tells the truth ---


@pytest.mark.parametrize(
    ("granted", "body", "outcome", "reason"),
    [
        ((), BODY, Outcome.DENY, Reason.NOTHING_CONSENTED),
        (("$.body.door",), BODY, Outcome.REDACT, Reason.SOME_WITHHELD),
        (("$.body.door",), b'{"temp":4.5}', Outcome.DENY, Reason.NOTHING_RELEASED),
        (("$.body.door",), b'{"door":', Outcome.DENY, Reason.UNREADABLE),
        (("$.body.door",), b'{"door":true,"door":true}', Outcome.DENY, Reason.DUPLICATE_KEY),
        (("$.body.door",), b'{"door":true,"new":1}', Outcome.REDACT, Reason.SOME_WITHHELD),
        (("*",), BODY, Outcome.PERMIT, Reason.ALL_CONSENTED),
        (("*",), b'{ "door": true, "temp": 4.50, "mac": null }', Outcome.PERMIT, None),
    ],
)
async def test_it_says_what_then_happens(
    house: House,
    granted: tuple[str, ...],
    body: bytes,
    outcome: Outcome,
    reason: Reason | None,
) -> None:
    await house.ask(house.request(BODY))
    for path, point in house.points().items():
        if path in granted or "*" in granted:
            await house.firewall.grant(point.id, "frost", how="switch")
    said = await ask(house, body)
    assert said.outcome is outcome
    assert reason in (None, said.reason)
    await house.ask(house.request(body))
    entry = await house.newest()
    assert (entry.outcome, entry.reason) == (said.outcome, said.reason)
    assert entry.released == tuple(sorted(point.id for point in said.released))
    assert entry.withheld_ids == tuple(sorted(point.id for point in said.withheld))
    if said.outgoing is None:
        assert not house.cloud.requests
        return
    [seen] = house.cloud.requests
    assert seen.body == said.outgoing.body
    assert seen.line.decode() == f"{said.outgoing.method} {said.outgoing.target} HTTP/1.1"
    assert said.outgoing.origin == f"http://{house.host}"
    sent = {(name.lower(), value) for name, value in seen.headers}
    assert {(name.lower(), value) for name, value in said.outgoing.headers} <= sent


async def test_coarse_values_are_shown_coarse(house: House) -> None:
    await house.ask(house.request(BODY))
    point = house.points()["$.body.temp"]
    await house.firewall.grant(point.id, "frost", how="switch", level=Level.COARSE)
    said = await ask(house)
    assert said.coarse == said.released == (point,)
    assert said.outgoing is not None
    assert json.loads(said.outgoing.body).keys() == {"temp"}
    assert b"4.5" not in said.outgoing.body


async def test_what_was_never_seen_is_named_as_withheld(house: House) -> None:
    said = await ask(house, b'{"secret_plan":"x"}')
    assert (said.outcome, said.released) == (Outcome.DENY, ())
    assert "$.body.secret_plan" in {point.field.path for point in said.withheld}
    assert house.firewall.data_points("fridge") == []


async def test_in_a_lockdown_it_says_so(house: House) -> None:
    await house.teach()
    await house.firewall.consents.lock_down(HAND, on=True)
    said = await ask(house, b'{"door":true,"temp":4.5}')
    assert (said.outcome, said.reason, said.outgoing) == (Outcome.DENY, Reason.LOCKDOWN, None)


async def test_what_is_let_through_is_shown_as_it_stands(house: House) -> None:
    await house.firewall.consents.let_through("fridge", HAND, seconds=60)
    said = await ask(house, b"\x00 not JSON")
    assert (said.outcome, said.reason) == (Outcome.PERMIT, Reason.LET_THROUGH)
    assert said.outgoing is not None
    assert said.outgoing.body == b"\x00 not JSON"


async def test_an_unclaimed_endpoint_is_told_and_not_counted(house: House) -> None:
    before = len(house.events)
    said = await ask(house, url="https://elsewhere.example/x")
    assert (said.reason, said.recipients) == (Reason.UNCLAIMED_ENDPOINT, ())
    assert len(house.events) == before


async def test_before_anything_is_configured_all_is_denied(tmp_path: Path) -> None:
    firewall = Firewall(database=tmp_path / "x.db", on_event=lambda _: None)
    await firewall.start()
    try:
        said = await module.preview(
            firewall._pipeline, fridge(), method="POST", url="http://a/", headers=(), body=b""
        )
    finally:
        await firewall.stop()
    assert (said.outcome, said.reason) == (Outcome.DENY, Reason.POLICY_NOT_LOADED)


async def test_an_appliance_that_calls_by_its_token(house: House) -> None:
    """Its cloud's address stands in the preview; the gate knows it by the token alone."""
    house.configure(
        fridge(addresses=frozenset(), token="t0ken", base_url=f"http://{house.host}/v1")
    )
    raw = house.request(BODY, path="/t0ken/report", host="gate.example")
    await house.ask(raw)
    await house.firewall.grant(house.points()["$.body.door"].id, "frost", how="switch")
    said = await ask(house)
    await house.ask(raw)
    [seen] = house.cloud.requests
    assert said.outgoing is not None
    assert (said.outgoing.target, said.outgoing.body) == ("/v1/report", b'{"door":true}')
    assert (seen.line, seen.body) == (b"POST /v1/report HTTP/1.1", said.outgoing.body)


async def test_its_base_url_says_how_its_cloud_is_called(house: House) -> None:
    """Also where nobody claims the endpoint, and it is let through all the same."""
    house.configure(fridge(token="t0ken", base_url="https://cloud.example:8443/v1"))
    await house.firewall.consents.let_through("fridge", HAND, seconds=60)
    said = await ask(house, url="https://cloud.example/v1/update?a=1")
    assert said.outgoing is not None
    assert said.outgoing.origin == "https://cloud.example:8443"
    assert said.outgoing.target == "/v1/update?a=1"


# --- Nothing happens by it ---


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b'{"never":"seen","email":"somebody@home.example"}',
        b"{",
        b'{"pad":"%b"}' % (b"x" * 9000),
    ],
)
async def test_nothing_is_sent_kept_learned_or_told(
    house: House, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await house.teach()
    before = everything(house)
    known = house.firewall._pipeline.known_appliances()
    identities = house.firewall._pipeline._known["fridge"].identities.all()
    with caplog.at_level(logging.DEBUG):
        await ask(house, body)
        await ask(house, body, url="http://elsewhere.example/")
    assert everything(house) == before
    assert house.firewall._pipeline.known_appliances() == known
    assert house.firewall._pipeline._known["fridge"].identities.all() == identities
    assert [one for one in caplog.records if one.name.startswith("engine")] == []


async def test_nothing_is_remembered_of_an_appliance_not_yet_seen(house: House) -> None:
    await ask(house)
    assert house.firewall._pipeline.known_appliances() == frozenset()


# --- Hostile input ---


@pytest.mark.parametrize(
    "url",
    [
        "", "cloud.example/v1", "/v1/report", "ftp://cloud.example/", "file:///etc/passwd",
        "http://user:secret@cloud.example/", "http://user@cloud.example/", "http:///v1",
        "http://cloud.example/#there", "http://cloud.example/a b", "http://cloud.example/\r\nX: y",
        " http://cloud.example/", "http://cloud.example/\n", "http://cloud.example:port/",
        "http://cloud.example:99999/", "http://[::1/", "http://cl%6fud.example/", "http://./",
        "http://cloud.example\\@evil.example/", "http://cloud.example/ä", "http://a,b/",
        "javascript:alert(1)",
    ],
)  # fmt: skip
async def test_what_is_no_url_of_a_request_is_refused(house: House, url: str) -> None:
    with pytest.raises(ValueError, match="not the URL") as raised:
        await ask(house, url=url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"method": "CONNECT"}, Reason.PROTOCOL_NOT_ALLOWED),
        ({"method": "post"}, Reason.PROTOCOL_NOT_ALLOWED),
        ({"method": "PO ST"}, Reason.PROTOCOL_NOT_ALLOWED),
        ({"headers": (("Upgrade", "websocket"),)}, Reason.PROTOCOL_NOT_ALLOWED),
        ({"headers": (("X", "a\r\nY: b"), *JSON)}, Reason.BAD_REQUEST),
        ({"headers": (("X y", "a"), *JSON)}, Reason.BAD_REQUEST),
        ({"headers": (("X", "\xe4"),)}, Reason.BAD_REQUEST),
        ({"headers": (("X", "y" * 9000),)}, Reason.BAD_REQUEST),
        ({"headers": (("Transfer-Encoding", "gzip"),)}, Reason.UNKNOWN_ENCODING),
        ({"headers": (("Content-Type", "image/x"),)}, Reason.UNREADABLE),
        ({"body": b"\xff\xfe"}, Reason.UNREADABLE),
        ({"body": b'{"a":"' + b"x" * MAX_BODY + b'"}'}, Reason.TOO_LARGE),
        ({"path": "/a//b"}, Reason.PATH_CONFLICT),
        ({"path": "/%2e%2e/b"}, Reason.PATH_CONFLICT),
    ],
)
async def test_what_the_gate_would_refuse_is_told(
    house: House, more: dict[str, Any], reason: Reason
) -> None:
    await house.teach()
    said = await ask(house, **more)
    assert (said.outcome, said.reason, said.outgoing) == (Outcome.DENY, reason, None)


async def test_headers_for_the_next_hop_do_not_leave(house: House) -> None:
    await house.firewall.consents.let_through("fridge", HAND, seconds=60)
    named = (("Connection", "x-hop"), ("X-Hop", "1"), ("Host", "evil.example"), ("X-Kept", "2"))
    said = await ask(house, headers=named)
    assert said.outgoing is not None
    assert said.outgoing.headers == (("X-Kept", "2"),)
    assert said.outgoing.origin == f"http://{house.host}"


async def test_an_error_inside_is_a_denial(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.teach()

    def fail(*_: Any) -> None:
        raise RuntimeError("4.5")

    monkeypatch.setattr("engine.pipeline.examine", fail)
    said = await ask(house)
    assert (said.outcome, said.reason, said.outgoing) == (Outcome.DENY, Reason.INTERNAL_ERROR, None)


async def test_recipients_are_those_that_claim_the_endpoint(house: House) -> None:
    other = frost(f"http://{house.host}/v1/ads", id="ads", organisation="Ads")
    house.configure(recipients=(frost(f"http://{house.host}/"), other))
    assert [one.id for one in (await ask(house)).recipients] == ["frost"]
    assert [one.id for one in (await ask(house, path="/v1/ads")).recipients] == ["ads"]
