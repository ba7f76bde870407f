"""How answers come back: as they come, unchanged, and never half an answer that looks whole."""

import asyncio
from pathlib import Path

import pytest

from engine.gates.http import server, upstream
from engine.model import Outcome, Reason
import wire
from wire import House, Line, Seen, eventually, frost, reply

BODY = b'{"door":true,"temp":4.5}'


def says(house: House, raw: bytes, *, then: str = "") -> None:
    """Let the cloud answer with these bytes, and then end the connection in some way."""

    async def script(line: Line) -> None:
        while await line.request() is not None:
            await line.send(raw)
            if then:
                await asyncio.sleep(0.02)
                getattr(line, then)()
                return

    house.cloud.script = script


async def test_an_answer_begins_before_its_end(taught: House) -> None:
    go = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go.wait()
        await line.send(b"4\r\nlast\r\n0\r\n\r\n")
        await line.drain()

    taught.cloud.script = script
    caller = await taught.dial()
    await caller.send(taught.request(BODY))
    async with asyncio.timeout(wire.PATIENCE):
        head = await caller.reader.readuntil(b"first\r\n")
    assert b"chunked" in head
    go.set()
    async with asyncio.timeout(wire.PATIENCE):
        assert await caller.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"
    caller.close()


@pytest.mark.parametrize("sized", [True, False])
async def test_a_large_answer_comes_back_whole(taught: House, sized: bool) -> None:
    content = bytes(range(256)) * 2400
    raw = reply(content)
    if not sized:
        chunks = [content[at : at + 7000] for at in range(0, len(content), 7000)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
    says(taught, raw)
    answer = await taught.ask(taught.request(BODY))
    assert answer.whole
    assert answer.body == content
    assert (answer.header("Content-Length") is not None) == sized


async def test_an_answer_keeps_its_status_headers_and_spelling(taught: House) -> None:
    says(
        taught,
        reply(b"\x1f\x8bnot looked at", "content-ENCODING: gzip", "X-Thing: One", "Set-Cookie: a=1",
              "Set-Cookie: b=2", "Content-Type: text/x-odd", status="202 Very Well"),
    )  # fmt: skip
    answer = await taught.ask(taught.request(BODY))
    assert (answer.status, answer.body) == (202, b"\x1f\x8bnot looked at")
    for header in (
        ("content-ENCODING", "gzip"), ("X-Thing", "One"), ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"), ("Content-Type", "text/x-odd"),
    ):  # fmt: skip
        assert header in answer.headers


async def test_headers_of_the_connection_end_at_the_gate(taught: House) -> None:
    says(
        taught,
        reply(b"{}", "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=5",
              "Upgrade: h2", 'Alt-Svc: h3=":443"', "Strict-Transport-Security: max-age=9",
              "Proxy-Authenticate: Basic", "X-Stays: 1"),
    )  # fmt: skip
    answer = await taught.ask(taught.request(BODY))
    names = {name.lower() for name, _ in answer.headers}
    assert "x-stays" in names
    assert not names & {
        "x-hop", "keep-alive", "upgrade", "alt-svc", "strict-transport-security",
        "proxy-authenticate",
    }  # fmt: skip


@pytest.mark.parametrize(
    "raw", [b"D\xfcsseldorf", "D\u00fcsseldorf".encode()], ids=["latin", "utf-8"]
)
async def test_a_header_that_is_not_ascii_does_no_harm(taught: House, raw: bytes) -> None:
    says(taught, b"HTTP/1.1 200 OK\r\nX-City: " + raw + b"\r\nContent-Length: 2\r\n\r\n{}")
    caller = await taught.dial()
    await caller.send(taught.request(BODY))
    head = await caller.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    # aiohttp writes UTF-8 and leaves out what is none.
    assert b"X-City: %b\r\n" % raw.replace(b"\xfc", b"") in head
    await caller.send(taught.request(BODY))
    assert (await caller.answer()).status == 200
    caller.close()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_without_a_body(taught: House, status: str) -> None:
    says(taught, reply(b"", status=status, sized=False))
    caller = await taught.dial()
    for _ in range(2):
        await caller.send(taught.request(BODY))
        answer = await caller.answer()
        assert answer.status == int(status[:3])
        assert answer.header("Transfer-Encoding") is None
    caller.close()
    assert len(taught.cloud.requests) == 2


async def test_head(house: House) -> None:
    raw = house.request(b"", method="HEAD", path="/v1/time")
    await house.teach(raw)
    says(house, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Now: 7\r\n\r\n")
    caller = await house.dial()
    for _ in range(2):
        await caller.send(raw)
        answer = await caller.answer(method="HEAD")
        assert answer.status == 200
        assert answer.header("X-Now") == "7"
        assert answer.header("Content-Length") == "500"
    caller.close()
    assert len(house.cloud.requests) == 2
    assert house.cloud.requests[0].line.startswith(b"HEAD ")


async def test_informational_answers_are_not_taken_for_the_answer(taught: House) -> None:
    says(taught, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + reply(b"{}"))
    answer = await taught.ask(taught.request(BODY))
    assert (answer.status, answer.body) == (200, b"{}")


async def test_no_protocol_is_changed(taught: House) -> None:
    """A cloud that switches unasked gets no tunnel: what the appliance says next is no data."""
    says(taught, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi")
    caller = await taught.dial()
    await caller.send(taught.request(BODY))
    answer = await caller.answer()
    assert answer.status == 502
    await caller.send(b"free bytes")
    await asyncio.sleep(0.05)
    caller.close()
    assert b"free" not in taught.cloud.received


# --- Answers that break off ---

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", id="length"),
        pytest.param(CHUNKED + b"4\r\nhalf\r\n", id="between-chunks"),
        pytest.param(CHUNKED + b"40\r\nhalf", id="in-a-chunk"),
        pytest.param(CHUNKED + b"4\r\nhalf\r\nzz\r\n", id="broken-chunk"),
    ],
)
@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_broken_answer_does_not_look_whole(
    taught: House, raw: bytes, then: str, version: str
) -> None:
    says(taught, raw, then=then)
    answer = await taught.ask(taught.request(BODY, version=version))
    assert answer.status in (200, 502)
    assert answer.status == 502 or not answer.whole


async def test_a_broken_answer_does_not_look_whole_to_who_reads_slowly(taught: House) -> None:
    """With bytes still waiting to be sent, an ordinary close would add a clean end."""
    says(taught, CHUNKED + b"80000\r\n" + b"x" * 0x80000 + b"\r\n", then="close")
    caller = await taught.dial()
    caller.reader._limit = 1
    caller.writer.transport.pause_reading()
    await caller.send(taught.request(BODY))
    await asyncio.sleep(0.3)
    caller.writer.transport.resume_reading()
    got = await caller.rest()
    caller.close()
    assert not got.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_no_answer_at_all(taught: House, then: str) -> None:
    says(taught, b"", then=then)
    answer = await taught.ask(taught.request(BODY))
    assert answer.status == 502
    assert b"upstream_unreachable" in answer.body
    entry = await taught.newest()
    assert (entry.outcome, entry.released != ()) == (Outcome.PERMIT, True), "it had gone out"


async def test_an_answer_that_is_not_http(taught: House) -> None:
    says(taught, b"220 mail.example ESMTP\r\n", then="close")
    assert (await taught.ask(taught.request(BODY))).status == 502


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"])
async def test_a_cloud_that_stalls(
    taught: House, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(upstream, "TOTAL_TIMEOUT", 0.5)
    says(taught, begun)
    answer = await taught.ask(taught.request(BODY))
    assert answer.status == (200 if begun else 502)
    assert not begun or not answer.whole
    assert len(taught.cloud.requests) == 1


@pytest.mark.parametrize("sized", [True, False])
async def test_an_answer_over_the_cap_breaks_off(
    taught: House, monkeypatch: pytest.MonkeyPatch, sized: bool
) -> None:
    monkeypatch.setattr(server, "MAX_RESPONSE", 10_000)
    content = b"x" * 20_000
    says(taught, reply(content) if sized else CHUNKED + b"4e20\r\n" + content + b"\r\n0\r\n\r\n")
    answer = await taught.ask(taught.request(BODY))
    assert not answer.whole
    assert len(answer.body) <= 10_000


async def test_an_answer_up_to_the_cap_is_passed_back(
    taught: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_RESPONSE", 10_000)
    says(taught, reply(b"x" * 10_000))
    assert (await taught.ask(taught.request(BODY))).whole


async def test_nobody_listens(house: House) -> None:
    closed = wire.Cloud()
    closed._sock.close()
    house.configure(recipients=(frost(f"http://127.0.0.1:{closed.port}/"),))
    await house.teach()
    answer = await house.ask(house.request())
    assert answer.status == 502
    entry = await house.newest()
    assert (entry.outcome, entry.reason) == (Outcome.DENY, Reason.UPSTREAM_UNREACHABLE)
    assert entry.released == ()
    assert entry.bytes_out == 0


async def test_an_appliance_that_stops_reading_holds_nothing_for_ever(taught: House) -> None:
    says(taught, reply(b"x" * 4_000_000))
    caller = await taught.dial()
    caller.writer.transport.pause_reading()
    await caller.send(taught.request(BODY))
    await asyncio.sleep(0.2)
    assert taught.firewall._gate._sending
    caller.reset()
    await eventually(lambda: not taught.firewall._gate._sending)


async def test_the_connection_upstream_is_used_again_only_after_a_whole_answer(
    taught: House,
) -> None:
    answers = iter([reply(), CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", reply() + b"and more", reply()])

    async def answer(line: Line, _: Seen) -> None:
        await line.send(next(answers))

    taught.cloud.answer = answer
    statuses = []
    for _ in range(4):
        statuses.append((await taught.ask(taught.request(BODY))).status)
        await asyncio.sleep(0.02)
    assert [statuses[0], statuses[1], statuses[3]] == [200, 200, 200]
    assert [len(line.requests) for line in taught.cloud.lines] == [3, 1]


async def test_answers_of_two_appliances_are_not_mixed_up(tmp_path: Path) -> None:
    async with wire.house(tmp_path) as house:
        sources = [f"127.0.0.{n}" for n in range(2, 10)]
        house.configure(
            *(wire.fridge(id=source, addresses=frozenset({source})) for source in sources)
        )

        async def answer(line: Line, seen: Seen) -> None:
            await asyncio.sleep(0.01)
            await line.send(reply(seen.body))

        house.cloud.answer = answer
        for source in sources:
            await house.ask(house.request(b'{"temp":1}'), source)
            await house.grant_all(source)

        async def several(number: int, source: str) -> None:
            caller = await house.dial(source)
            for turn in range(10):
                body = b'{"temp":%d}' % (number * 100 + turn)
                await caller.send(house.request(body))
                assert (await caller.answer()).body == body
            caller.close()

        await asyncio.gather(*(several(*one) for one in enumerate(sources)))
        assert len(house.cloud.requests) == 80
