"""What the gate never does: one test for each no."""

import asyncio

import pytest

from engine.model import Outcome, Reason
from wire import (
    STRANGER,
    Cloud,
    House,
    Line,
    Resolver,
    Seen,
    fridge,
    frost,
    grant_everything,
    reply,
)


async def test_no_redirect_is_followed(taught: House) -> None:
    async with Cloud().open() as other:

        async def redirect(line: Line, seen: Seen) -> None:
            place = f"Location: http://127.0.0.1:{other.port}/elsewhere"
            await line.send(reply(b"moved", place, status="307 Temporary Redirect"))

        taught.cloud.answer = redirect
        answer = await taught.ask(taught.request())
        assert not other.lines
    assert answer.status == 307
    assert answer.header("Location") == f"http://127.0.0.1:{other.port}/elsewhere"
    assert len(taught.cloud.requests) == 1


async def test_no_cookie_is_kept(taught: House) -> None:
    async def bake(line: Line, _: Seen) -> None:
        await line.send(reply(b"{}", "Set-Cookie: session=crumbs; Path=/"))

    taught.cloud.answer = bake
    caller = await taught.dial()
    for _ in range(2):
        await caller.send(taught.request())
        answer = await caller.answer()
        assert answer.header("Set-Cookie") == "session=crumbs; Path=/", (
            "the appliance's own business"
        )
    caller.close()
    assert len(taught.cloud.requests) == 2
    assert b"crumbs" not in taught.cloud.received


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_no_request_is_sent_twice(house: House, method: str, ending: str) -> None:
    body = b"" if method == "GET" else b'{"door":true}'
    await house.teach(house.request(body, method=method))
    served = 0

    async def once_then_end(line: Line) -> None:
        nonlocal served
        while await line.request() is not None:
            served += 1
            if served > 1:
                getattr(line, ending)()
                return
            await line.send(reply())

    house.cloud.script = once_then_end
    caller = await house.dial()
    await caller.send(house.request(body, method=method))
    assert (await caller.answer(method=method)).status == 200
    # This one goes out on the connection kept alive, and that breaks.
    await caller.send(house.request(body, method=method))
    assert (await caller.answer(method=method)).status == 502
    caller.close()
    await asyncio.sleep(0.05)
    assert len(house.cloud.requests) == 2
    assert len(house.cloud.lines) == 1, "the second came on the kept connection, and no third"


async def test_no_header_of_our_own_is_added(taught: House) -> None:
    await taught.ask(taught.request(b'{"door":true,"temp":4.5}'))
    (seen,) = taught.cloud.requests
    assert (
        bytes(taught.cloud.received)
        == (
            f"POST /v1/report HTTP/1.1\r\nHost: {taught.host}\r\n"
            "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n"
            '{"door":true,"temp":4.5}'
        ).encode()
    )
    assert seen.body == b'{"door":true,"temp":4.5}'


async def test_no_header_is_added_to_a_request_without_a_body(house: House) -> None:
    raw = house.request(b"", "X-Model: F1", method="GET", path="/v1/time")
    await house.teach(raw)
    await house.ask(raw)
    assert bytes(house.cloud.received) == (
        f"GET /v1/time HTTP/1.1\r\nHost: {house.host}\r\nX-Model: F1\r\n\r\n".encode()
    )


async def test_no_proxy_of_the_environment_is_used(
    taught: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Cloud().open() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert (await taught.ask(taught.request())).status == 200
        assert not proxy.lines
    assert len(taught.cloud.requests) == 1


async def test_no_credentials_of_the_environment_are_sent(
    taught: House, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login admin password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await taught.ask(taught.request())
    assert b"authorization" not in taught.cloud.received.lower()
    assert len(taught.cloud.requests) == 1


async def test_no_name_is_looked_up_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, {"frost.example": ["127.0.0.1"]})
    house.configure(recipients=(frost(f"http://frost.example:{house.cloud.port}/"),))
    await house.teach(house.request(host="frost.example"))
    assert not resolver.asked, "nothing is looked up for what is denied"
    await house.ask(house.request(host="frost.example"))
    assert resolver.asked == ["frost.example"]
    assert len(house.cloud.requests) == 1
    assert f"Host: frost.example:{house.cloud.port}".encode() in house.cloud.received


async def test_no_rebinding(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name's first answer is public; it must be the one that is called, or none."""
    resolver = Resolver(monkeypatch, {"frost.example": ["192.0.2.1"]})
    loop = asyncio.get_running_loop()
    called: list[tuple[str, int]] = []
    connect = loop.sock_connect

    async def sock_connect(sock, address) -> None:
        called.append(address[:2])
        if address[0] == "192.88.98.1":
            # Public, and nobody's here: the answer changes while we try.
            resolver.answers["frost.example"] = ["127.0.0.1"]
            raise ConnectionRefusedError
        await connect(sock, address)

    await house.teach()
    resolver.answers["frost.example"] = ["192.88.98.1"]
    house.configure(
        recipients=(
            frost(f"http://127.0.0.1:{house.cloud.port}/"),
            frost(f"http://frost.example:{house.cloud.port}/", id="open", allow_private=False),
        )
    )
    await house.teach(house.request(host="frost.example"))
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    caller = await house.dial("127.0.0.2")
    called.clear()
    await caller.send(house.request(host="frost.example"))
    assert (await caller.answer()).status == 502
    assert called == [("192.88.98.1", house.cloud.port)]
    await caller.send(house.request(host="frost.example"))
    assert (await caller.answer()).status == 200
    caller.close()
    assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
    assert not house.cloud.lines


async def test_no_mixed_answers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch, {"frost.example": ["192.88.98.1", "127.0.0.1"]})
    house.configure(
        recipients=(frost(f"http://frost.example:{house.cloud.port}/", allow_private=False),)
    )
    await house.teach(house.request(host="frost.example"))
    await house.ask(house.request(host="frost.example"))
    assert await house.reason() is Reason.UPSTREAM_ADDRESS_REFUSED
    assert not house.cloud.lines


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n", id="connect"),
        pytest.param(
            "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc",
            id="connect-with-a-body",
        ),
        pytest.param("GET http://{host}/v1/report HTTP/1.1\r\nHost: {host}\r\n\r\n", id="absolute"),
        pytest.param("GET //{host}/v1 HTTP/1.1\r\nHost: {host}\r\n\r\n", id="two-slashes"),
        pytest.param("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n", id="asterisk"),
        pytest.param("TRACE / HTTP/1.1\r\nHost: {host}\r\n\r\n", id="trace"),
        pytest.param(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            id="upgrade",
        ),
        pytest.param(
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            "Content-Length: 2\r\n\r\n{{}}",
            id="upgrade-with-a-body",
        ),
        pytest.param("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http-2-preface"),
        pytest.param("GET /\r\n\r\n", id="http-0.9"),
        pytest.param(
            "POST / HTTP/1.1\r\nHost: {host}\r\nTrailer: X-Sum\r\n"
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nX-Sum: 1\r\n\r\n",
            id="trailers",
        ),
        pytest.param(
            "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
            "2\r\n{{}}\r\n0\r\n\r\n",
            id="transfer-coding",
        ),
        pytest.param(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n"
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
            id="two-lengths",
        ),
        pytest.param("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", id="two-hosts"),
        pytest.param("GET / HTTP/1.1\r\nHost: user@{host}\r\n\r\n", id="host-with-a-user"),
        pytest.param("GET /v1#part HTTP/1.1\r\nHost: {host}\r\n\r\n", id="fragment"),
        pytest.param("GET /v1/../x HTTP/1.1\r\nHost: {host}\r\n\r\n", id="dot-segments"),
        pytest.param("GET /v1/%2e%2e/x HTTP/1.1\r\nHost: {host}\r\n\r\n", id="hidden-dot-segments"),
        pytest.param("GET /v1%2fx HTTP/1.1\r\nHost: {host}\r\n\r\n", id="hidden-slash"),
        pytest.param("GET / HTTP/1.1\r\nHost: {host}\r\nX: caf\u00e9\r\n\r\n", id="not-ascii"),
    ],
)
async def test_no_such_request_is_passed_on(
    house: House, raw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_everything(monkeypatch)
    house.configure()
    filled = raw.format(host=house.host).encode("latin-1")
    caller = await house.dial()
    await caller.send(filled)
    answer = await caller.answer()
    assert not house.cloud.lines
    assert answer.status in (200, 400, 403), "it is answered all the same"
    assert (await house.newest()).outcome is Outcome.DENY
    caller.close()


async def test_te_and_trailers_are_not_passed_on(house: House) -> None:
    raw = house.request(b"{}", "TE: trailers", "Connection: TE")
    await house.teach(raw)
    await house.ask(raw)
    assert len(house.cloud.requests) == 1
    assert b"trailers" not in house.cloud.received
    assert b"onnection" not in house.cloud.received


async def test_trailer_fields_behind_a_chunked_body_are_not_passed_on(taught: House) -> None:
    raw = taught.request(
        b"", "Transfer-Encoding: chunked", "Content-Type: application/json", sized=False
    )
    raw += b'18\r\n{"door":true,"temp":4.5}\r\n0\r\nX-Late: hidden-value\r\n\r\n'
    await taught.ask(raw)
    assert b"hidden-value" not in taught.cloud.received


async def test_no_stranger_is_served(taught: House) -> None:
    answer = await taught.ask(taught.request(), STRANGER)
    assert answer.status == 403
    assert not taught.cloud.lines
    assert await taught.reason() is Reason.UNKNOWN_APPLIANCE


async def test_no_appliance_gets_another_ones_consent(taught: House) -> None:
    taught.configure(fridge(), fridge(id="oven", addresses=frozenset({"127.0.0.3"})))
    answer = await taught.ask(taught.request(), "127.0.0.3")
    assert (answer.status, answer.body) == (200, b"{}")
    assert not taught.cloud.lines
    assert await taught.reason() is Reason.NOTHING_CONSENTED
