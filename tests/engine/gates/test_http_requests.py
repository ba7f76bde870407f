"""How the gate takes requests: connections, bodies, headers, time and size."""

import asyncio
import logging
from pathlib import Path

import orjson
import pytest

from engine.events import Unclaimed
from engine.gates.http import server
from engine.model import Answer as Tone, Outcome, Reason, Recipient
import wire
from wire import APPLIANCE, STRANGER, Caller, House, Line, eventually, fridge, frost

BODY = b'{"door":true,"temp":4.5}'


def chunked(house: House, *chunks: bytes) -> tuple[bytes, list[bytes]]:
    """A request with a chunked body: its head, and the chunks with their framing."""
    head = house.request(
        b"", "Transfer-Encoding: chunked", "Content-Type: application/json", sized=False
    )
    return head, [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]


# --- Connections ---


async def test_several_requests_with_mixed_verdicts_on_one_connection(taught: House) -> None:
    caller = await taught.dial()
    await caller.send(taught.request(BODY))
    assert (await caller.answer()).status == 200
    await caller.send(taught.request(b'{"door":false,"fresh":"secret"}'))
    assert (await caller.answer()).status == 200
    await caller.send(taught.request(BODY, host="elsewhere.example"))
    first = await caller.answer()
    assert (first.status, first.body) == (200, b"{}")
    caller.close()
    assert [seen.body for seen in taught.cloud.requests] == [BODY, b'{"door":false}']
    outcomes = [entry.outcome for entry in await taught.firewall.newest_entries(3)]
    assert outcomes == [Outcome.DENY, Outcome.REDACT, Outcome.PERMIT]
    assert len(taught.cloud.lines) == 1, "the connection upstream is kept, too"


async def test_a_connection_is_kept_after_a_denial_without_a_body(taught: House) -> None:
    caller = await taught.dial()
    await caller.send(taught.request(b"", method="GET", host="elsewhere.example"))
    assert (await caller.answer()).status == 200
    await caller.send(taught.request(BODY))
    assert (await caller.answer()).status == 200
    caller.close()
    assert len(taught.cloud.requests) == 1


async def test_pipelined_requests_are_answered_in_order(taught: House) -> None:
    caller = await taught.dial()
    await caller.send(b"".join(taught.request(b'{"door":true,"temp":%d}' % n) for n in range(5)))
    for _ in range(5):
        assert (await caller.answer()).status == 200
    caller.close()
    assert [seen.body for seen in taught.cloud.requests] == [
        b'{"door":true,"temp":%d}' % n for n in range(5)
    ]


async def test_a_request_in_many_pieces_arrives_whole(taught: House) -> None:
    caller = await taught.dial()
    await caller.drip(taught.request(BODY))
    assert (await caller.answer()).status == 200
    caller.close()
    assert taught.cloud.requests[0].body == BODY


async def test_http_1_0_is_served_and_its_connection_ended(taught: House) -> None:
    caller = await taught.dial()
    await caller.send(taught.request(BODY, version="1.0"))
    answer = await caller.answer()
    assert (answer.status, answer.body, answer.whole) == (200, b'{"ok":true}', True)
    assert "chunked" not in (answer.header("Transfer-Encoding") or "")
    assert await caller.rest() == b""
    caller.close()
    assert taught.cloud.requests[0].line == b"POST /v1/report HTTP/1.1"


async def test_too_many_connections_are_closed(
    taught: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    # The connections with which the house was taught are still being let go.
    await eventually(lambda: taught.firewall._gate._connections == 0)
    held = [await taught.dial() for _ in range(3)]
    await eventually(lambda: taught.firewall._gate._connections == 3)
    late = await taught.dial()
    assert await late.rest() == b""
    await held[0].send(taught.request(BODY))
    assert (await held[0].answer()).status == 200
    held[1].close()
    await eventually(lambda: taught.firewall._gate._connections == 2)
    assert (await taught.ask(taught.request(BODY))).status == 200
    for caller in (*held, late):
        caller.close()
    await eventually(lambda: taught.firewall._gate._connections == 0)


async def test_headers_that_do_not_come_end_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_TIMEOUT", 0.3)
    async with wire.house(tmp_path) as house:
        await house.teach()
        slow, silent, quick = [await house.dial() for _ in range(3)]
        await quick.send(house.request(BODY))
        assert (await quick.answer()).status == 200
        for piece in (b"POST /v1/report HTTP/1.1\r\n", b"Host: x\r\n", b"X-1: 1\r\n"):
            await slow.send(piece)
            await asyncio.sleep(0.05)
        assert await slow.rest() == b""
        assert await silent.rest() == b""
        await quick.send(house.request(BODY))
        assert (await quick.answer()).status == 200, "who was in time may go on"
        for caller in (slow, silent, quick):
            caller.close()
        assert len(house.cloud.requests) == 2


async def test_an_idle_connection_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE", 0.3)
    async with wire.house(tmp_path) as house:
        idle, slow = await house.dial(), await house.dial()
        for caller in (idle, slow):
            await caller.send(house.request(BODY))
            await caller.answer()
        await slow.send(house.request(BODY)[:30])
        assert await idle.rest() == b""
        assert await slow.rest() == b"", "neither does a second request have all the time"
        idle.close()
        slow.close()


async def test_an_appliance_that_goes_away_half_way_leaves_nothing(taught: House) -> None:
    for end in ("close", "reset"):
        for size in (10, len(taught.request(BODY)) - 3):
            caller = await taught.dial()
            await caller.send(taught.request(BODY)[:size])
            await asyncio.sleep(0.02)
            getattr(caller, end)()
    await eventually(lambda: taught.firewall._gate._connections == 0)
    await asyncio.sleep(0.05)
    assert not taught.cloud.lines
    entries = await taught.firewall.newest_entries(2)
    assert {entry.reason for entry in entries} == {Reason.BAD_REQUEST}
    assert {entry.appliance_id for entry in entries} == {"fridge"}


async def test_an_appliance_that_goes_away_before_the_answer_harms_nobody(taught: House) -> None:
    hold = asyncio.Event()

    async def slow(line: Line) -> None:
        await line.request()
        await hold.wait()
        await line.send(wire.reply(b"x" * 300_000))
        await line.drain()

    taught.cloud.script = slow
    caller = await taught.dial()
    await caller.send(taught.request(BODY))
    line = await taught.cloud.line()
    await eventually(lambda: line.requests != [])
    caller.reset()
    await asyncio.sleep(0.05)
    hold.set()
    async with asyncio.timeout(wire.PATIENCE):
        await line.ended.wait()
    assert not taught.firewall._gate._sending
    taught.cloud.script = taught.cloud.converse
    assert (await taught.ask(taught.request(BODY))).status == 200


# --- Bodies ---


async def test_a_chunked_body_is_forwarded_with_a_length(taught: House) -> None:
    head, chunks = chunked(taught, BODY[:7], BODY[7:8], BODY[8:])
    caller = await taught.dial()
    for part in (head, *chunks, b"0\r\n\r\n"):
        await caller.send(part)
        await asyncio.sleep(0.005)
    assert (await caller.answer()).status == 200
    caller.close()
    (seen,) = taught.cloud.requests
    assert seen.body == BODY
    assert ("Content-Length", str(len(BODY))) in seen.headers
    assert all(name.lower() != "transfer-encoding" for name, _ in seen.headers)


async def test_chunk_extensions_are_not_forwarded(taught: House) -> None:
    head, _ = chunked(taught)
    raw = head + b'%x;name="hidden value"\r\n%b\r\n0\r\n\r\n' % (len(BODY), BODY)
    await taught.ask(raw)
    assert b"hidden" not in taught.cloud.received


async def test_a_broken_chunked_body_is_not_forwarded(
    taught: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # aiohttp does not tell the reader of a body that its framing broke; time does.
    monkeypatch.setattr(server, "BODY_TIMEOUT", 0.3)
    head, chunks = chunked(taught, BODY)
    for broken in (b"zz\r\n", b"-1\r\n", b"1\r\nab\r\n", b"ffffffffffffffffff\r\n"):
        caller = await taught.dial()
        await caller.send(head + chunks[0])
        await asyncio.sleep(0.01)
        await caller.send(broken)
        assert (await caller.answer()).body in (b"", b"{}")
        caller.close()
        assert await taught.reason() in (Reason.BAD_REQUEST, Reason.TOO_SLOW)
    assert not taught.cloud.lines


async def test_a_slow_body_is_denied(taught: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_TIMEOUT", 0.3)
    caller = await taught.dial()
    await caller.send(taught.request(BODY)[:-4])
    answer = await caller.answer()
    assert (answer.status, answer.body) == (200, b"{}")
    assert await caller.rest() == b"", "what might still come is not taken for a request"
    caller.close()
    assert not taught.cloud.lines
    assert await taught.reason() is Reason.TOO_SLOW


@pytest.mark.parametrize("expects", [False, True])
async def test_a_length_over_the_cap_is_denied_unread(taught: House, expects: bool) -> None:
    headers = ["Expect: 100-continue"] if expects else []
    head = taught.request(b"", f"Content-Length: {server.MAX_BODY + 1}", *headers, sized=False)
    caller = await taught.dial()
    await caller.send(head)
    assert (await caller.reader.readline()).startswith(b"HTTP/1.1 200 "), "not 100"
    await caller.rest()
    caller.close()
    assert await taught.reason() is Reason.TOO_LARGE
    assert not taught.cloud.lines


async def test_a_chunked_body_over_the_cap_is_denied(taught: House) -> None:
    head, chunks = chunked(taught, b" " * 65536)
    caller = await taught.dial()
    await caller.send(head)
    for _ in range(server.MAX_BODY // 65536 + 1):
        await caller.send(chunks[0])
    assert (await caller.answer()).status in (0, 200)
    caller.close()
    await eventually(lambda: len(taught.decided) >= 2)
    assert await taught.reason() is Reason.TOO_LARGE
    assert not taught.cloud.lines


async def test_a_body_up_to_the_cap_is_forwarded(house: House) -> None:
    body = b'{"door":true,"log":"%b"}' % (b"so it is. " * 104_800)
    assert len(body) < server.MAX_BODY
    await house.teach(house.request(body))
    assert (await house.ask(house.request(body))).status == 200
    assert house.cloud.requests[0].body == body


async def test_a_strangers_body_is_never_read(taught: House) -> None:
    """A length far over what could be kept, and the answer comes before the first byte of it."""
    for raw, source in (
        (taught.request(b"", "Content-Length: 900000", sized=False), STRANGER),
        (
            taught.request(b"", "Content-Length: 900000", sized=False, host="elsewhere.example"),
            APPLIANCE,
        ),
        (
            taught.request(b"", "Content-Length: 900000", "Expect: 100-continue", sized=False),
            STRANGER,
        ),
    ):
        caller = await Caller.dial(taught.port, source)
        await caller.send(raw)
        assert b" 100 " not in await caller.reader.readline()
        await caller.rest()
        caller.close()
        entry = await taught.newest()
        assert entry.outcome is Outcome.DENY
        assert entry.bytes_in == 0


async def test_an_expectation_is_met_only_for_who_may_send(taught: House) -> None:
    raw = taught.request(BODY, "Expect: 100-continue")
    head, body = raw[: -len(BODY)], raw[-len(BODY) :]
    caller = await taught.dial()
    await caller.send(head)
    assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not taught.cloud.lines
    await caller.send(body)
    assert (await caller.answer()).status == 200
    caller.close()
    (seen,) = taught.cloud.requests
    assert all(name.lower() != "expect" for name, _ in seen.headers)


async def test_an_unknown_expectation_is_refused(taught: House) -> None:
    await taught.ask(taught.request(BODY, "Expect: a-miracle"))
    assert not taught.cloud.lines
    assert await taught.reason() is Reason.BAD_REQUEST


# --- Headers ---


async def test_headers_of_the_connection_end_at_the_gate(house: House) -> None:
    raw = house.request(
        BODY,
        "Connection: keep-alive, X-Hop",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic dXNlcjpwYXNz",
        "TE: trailers",
        "X-Forwarded-For: 10.0.0.7",
        "Via: 1.1 something",
        "X-Model: F1",
    )
    await house.teach(raw)
    await house.ask(raw)
    (seen,) = house.cloud.requests
    assert {name.lower() for name, _ in seen.headers} == {
        "host", "content-type", "content-length", "x-model",
    }  # fmt: skip


async def test_what_connection_names_ends_at_the_gate(house: House) -> None:
    raw = house.request(BODY, "Connection: X-Hop", "X-Hop: for-the-gate-alone")
    await house.teach(raw)
    await house.ask(raw)
    assert len(house.cloud.requests) == 1
    assert b"for-the-gate-alone" not in house.cloud.received


async def test_headers_keep_their_order(house: House) -> None:
    raw = house.request(BODY, "x-LOWER: a", "X-Model: F1", "ACCEPT: */*", "Zeta: z")
    await house.teach(raw)
    await house.ask(raw)
    names = [name for name, _ in house.cloud.requests[0].headers]
    assert names == [
        "Host",
        "X-Lower",
        "X-Model",
        "Accept",
        "Zeta",
        "Content-Type",
        "Content-Length",
    ]


@pytest.mark.parametrize("length", [9000, 100_000])
async def test_a_header_over_the_cap_is_refused(taught: House, length: int) -> None:
    caller = await taught.dial()
    await caller.send(taught.request(BODY, f"X-Long: {'a' * length}"))
    assert (await caller.answer()).status in (0, 400)
    caller.close()
    assert not taught.cloud.lines
    assert await taught.reason() is Reason.BAD_REQUEST


# --- Answers to what is denied, and what is left of it ---


async def test_a_calm_answer_is_of_the_kind_asked_for(house: House) -> None:
    for headers, content_type, body in (
        ((), "application/json", b"{}"),
        (("Accept: application/json",), "application/json", b"{}"),
        (("Content-Type: text/plain",), "text/plain; charset=utf-8", b""),
    ):
        answer = await house.ask(house.request(BODY, *headers))
        assert (answer.status, answer.body) == (200, body)
        assert (answer.header("Content-Type") or "").partition(";")[0] == content_type.partition(
            ";"
        )[0]
    assert not house.cloud.lines


async def test_a_refusal_says_why(house: House) -> None:
    house.configure(fridge(answer=Tone.REFUSE))
    answer = await house.ask(house.request(BODY))
    assert answer.status == 403
    assert (
        answer.header(
            "Content-Type",
        )
        == "application/problem+json"
    )
    problem = orjson.loads(answer.body)
    assert problem["status"] == 403
    assert problem["reason"] == "nothing_consented"
    assert problem["detail"].endswith(".")


async def test_a_calm_answer_to_head_has_no_body(house: House) -> None:
    caller = await house.dial()
    await caller.send(house.request(b"", "Accept: application/json", method="HEAD"))
    assert (await caller.answer(method="HEAD")).status == 200
    await caller.send(house.request(BODY))
    assert (await caller.answer()).body == b"{}", "nothing stood between the two"
    caller.close()


MARK = "sesame-7391-marker"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(f"{MARK}\r\n\r\n", id="no-request"),
        pytest.param(f"GET /{MARK} HTTP/9.9\r\nHost: x\r\n\r\n", id="version"),
        pytest.param(f"GET / HTTP/1.1\r\nHost: x\r\n{MARK}\r\n\r\n", id="header"),
        pytest.param(f"GET / HTTP/1.1\r\nHost: x\r\nX: {MARK}\x01\r\n\r\n", id="control"),
        pytest.param(f"GET / HTTP/1.1\r\nHost: x\r\nX: {MARK}\u00e9\r\n\r\n", id="not-ascii"),
        pytest.param(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {MARK}\r\n\r\n", id="length"),
        pytest.param(f"GET / HTTP/1.1\r\nX: {MARK}\r\n\r\n", id="no-host"),
        pytest.param(f"GET / HTTP/1.1\r\nHost: {MARK} x\r\n\r\n", id="host-with-a-space"),
        pytest.param("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + MARK, id="tls"),
        pytest.param(f"GET /{MARK}\r\n\r\n", id="http-0.9"),
    ],
)
async def test_what_is_malformed_is_recorded_and_nothing_of_it_kept(
    taught: House, raw: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    before = len(taught.decided)
    caller = await taught.dial()
    await caller.send(raw.encode("latin-1"))
    await eventually(lambda: len(taught.decided) > before)
    answer = await caller.answer()
    caller.close()
    assert answer.status in (0, 400, 403)
    entry = await taught.newest()
    assert (entry.outcome, entry.reason) == (Outcome.DENY, Reason.BAD_REQUEST)
    assert not taught.cloud.lines
    assert MARK not in answer.body.decode()
    assert MARK not in caplog.text
    assert MARK not in "".join(capfd.readouterr())
    assert MARK not in str(taught.events)
    await taught.firewall.stop()
    assert MARK.encode() not in taught.database.read_bytes()


async def test_no_value_reaches_the_log_whatever_goes_wrong(
    taught: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def fail(*_: object) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr("engine.pipeline.rules.decide", fail)
    answer = await taught.ask(taught.request(b'{"door":true,"temp":"%b"}' % MARK.encode()))
    assert (answer.status, answer.body) == (200, b"{}")
    assert await taught.reason() is Reason.INTERNAL_ERROR
    assert "RuntimeError" in caplog.text
    assert MARK not in caplog.text
    assert not taught.cloud.lines


async def test_a_failure_of_the_gate_itself_lets_nothing_through(
    taught: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr(taught.firewall._pipeline, "admit", fail)
    answer = await taught.ask(taught.request(BODY))
    assert answer.status in (400, 403, 500)
    assert MARK.encode() not in answer.body
    assert MARK not in caplog.text
    assert not taught.cloud.lines


async def test_an_unclaimed_endpoint_is_counted(taught: House) -> None:
    for _ in range(2):
        await taught.ask(taught.request(BODY, host="elsewhere.example"))
    counted = [event for event in taught.events if isinstance(event, Unclaimed)]
    assert [(one.host, one.count) for one in counted] == [
        ("elsewhere.example", 1),
        ("elsewhere.example", 2),
    ]
    assert await taught.reason() is Reason.UNCLAIMED_ENDPOINT


async def test_two_recipients_of_one_endpoint_must_both_be_consented(house: House) -> None:
    place = f"http://{house.host}/"
    both: tuple[Recipient, ...] = (frost(place), frost(place, id="ads"))
    house.configure(recipients=both)
    await house.ask(house.request(BODY))
    for point in house.firewall.data_points("fridge"):
        await house.firewall.grant(point.id, "frost", how="switch")
    await house.ask(house.request(BODY))
    assert not house.cloud.lines
    await house.firewall.grant(house.points()["$.body.door"].id, "ads", how="switch")
    await house.ask(house.request(BODY))
    assert [seen.body for seen in house.cloud.requests] == [b'{"door":true}']
