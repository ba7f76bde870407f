"""The HTTP server: takes requests from appliances, asks the pipeline, and does what it says.

Two ways in. By `Host` header, for an appliance whose cloud's name leads here; or by base URL,
`/<appliance token>/...`, for one that lets its server be set. Requests are read whole, under a cap
and in time; responses stream back.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
import ipaddress
import logging
import socket
import struct
from typing import Any, override

import aiohttp
from aiohttp import web

from ... import policy as rules
from ...addresses import unmapped
from ...errors import Refused
from ...model import Answer, OutgoingRequest, Reason, Source, Transmission, Verdict
from ...pipeline import Passage, Pipeline
from . import answers
from .upstream import Exchange, NoLongerAllowedError, Upstream, UpstreamRefusedError

GATE = "http"
MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""
MAX_RESPONSE = 64 * 1024 * 1024
"""Bytes of a response: a firmware image for a small appliance still fits."""
MAX_HEADER = 8190
"""Bytes of the request line and of one header (RFC 9110 recommends at least 8000)."""
HEADER_TIMEOUT = 20.0
"""Seconds from connecting to the end of the headers."""
BODY_TIMEOUT = 30.0
"""Seconds for a whole body; slower ones are denied."""
KEEP_ALIVE = 75.0
"""Seconds an idle connection is kept."""
MAX_CONNECTIONS = 512
"""Connections from appliances at the same time; further ones are closed at once."""
CLOSE_TIMEOUT = 2.0
"""Seconds that transmissions under way have when the gate closes."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOT_PASSED_BACK = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "alt-svc", "strict-transport-security",
})  # fmt: skip
"""Hop-by-hop headers (RFC 9110 section 7.6.1), and two that would lead the appliance around us."""

_LOGGER = logging.getLogger(__name__)
# aiohttp logs what it could not parse, bytes of the request included.
_SILENT = logging.getLogger(f"{__name__}.aiohttp")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())


class _Connection(web.RequestHandler):
    """One connection: a deadline for its first headers, a record of what could not be parsed."""

    __slots__ = ("_deadline", "_gate")

    def __init__(self, manager: web.Server, *, gate: HttpGate, **options: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **options)
        self._gate = gate
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._gate.take_connection():
            self.force_close()
            return
        self._deadline = asyncio.get_running_loop().call_later(HEADER_TIMEOUT, self.force_close)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        if self._deadline is not None:
            self.headers_came()
            self._gate.leave_connection()
        super().connection_lost(exc)

    def headers_came(self) -> None:
        """Call off the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed; neither the answer nor the log repeats any of it."""
        self._gate.note_malformed(request)
        reply = answers.refusal(Reason.BAD_REQUEST, 400)
        response = web.Response(
            status=reply.status, body=reply.body, content_type=reply.content_type
        )
        response.force_close()
        return response


class _Server(web.Server):
    """aiohttp's server with connections of our own."""

    def __init__(self, gate: HttpGate, handler: Callable[..., Any]) -> None:
        super().__init__(handler)
        self._gate = gate

    @override
    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            gate=self._gate,
            logger=_SILENT,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            lingering_time=0.0,
        )


class HttpGate:
    """Listens for appliances. One gate, one address and port."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstream: Upstream,
        *,
        resolve_mac: Callable[[str], str | None],
    ) -> None:
        """Wire the gate; `open` starts it."""
        self._pipeline = pipeline
        self._upstream = upstream
        self._resolve_mac = resolve_mac
        self._runner: web.ServerRunner | None = None
        self._connections = 0
        self._notes: set[asyncio.Task[Passage]] = set()
        self._sending: dict[Exchange, tuple[Passage, asyncio.Task[Any] | None]] = {}

    @property
    def is_open(self) -> bool:
        """Tell whether the gate listens."""
        return self._runner is not None

    @property
    def address(self) -> tuple[str, int] | None:
        """Return where the gate listens, or None."""
        if self._runner is None:
            return None
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    async def open(self, host: str, port: int) -> int:
        """Listen; return the port. Raises `OSError` where the address is taken or not ours."""
        runner = web.ServerRunner(_Server(self, self._handle), shutdown_timeout=CLOSE_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening, end what is under way after a moment, and finish the records."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        if self._notes:
            await asyncio.gather(*self._notes, return_exceptions=True)

    def take_connection(self) -> bool:
        """Count a connection; False where there are too many."""
        if self._connections >= MAX_CONNECTIONS:
            return False
        self._connections += 1
        return True

    def leave_connection(self) -> None:
        """Count a connection that ended."""
        self._connections -= 1

    def abort(self, which: Callable[[Passage], bool]) -> None:
        """End transmissions under way; in the loop's next round no byte of them leaves any more."""
        for exchange, (passage, task) in list(self._sending.items()):
            if which(passage):
                exchange.cut()
                if task is not None:
                    task.cancel()

    def note_malformed(self, request: web.BaseRequest) -> None:
        """Record a request that was not HTTP; nothing of it is kept."""
        verdict = rules.deny(Reason.BAD_REQUEST)
        note = asyncio.get_running_loop().create_task(
            self._pipeline.deny(_unread(request), verdict)
        )
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take one request the whole way."""
        if isinstance(request.protocol, _Connection):
            request.protocol.headers_came()
        speaks_json = "json" in request.headers.get("Content-Type", "") + request.headers.get(
            "Accept", ""
        )
        try:
            transmission = self._head(request)
        except Refused as err:
            passage = await self._pipeline.deny(_unread(request), rules.deny(err.reason))
            return self._denied(None, passage.verdict, speaks_json=False, close=True)
        admitted = self._pipeline.admit(transmission)
        if isinstance(admitted, Verdict):
            # Not a byte of the body is read for strangers and for what nobody claims.
            passage = await self._pipeline.deny(transmission, admitted)
            return self._denied(
                transmission,
                passage.verdict,
                speaks_json=speaks_json,
                close=request.body_exists,
            )
        try:
            body = await self._body(request)
        except Refused as err:
            passage = await self._pipeline.deny(transmission, admitted.deny(err.reason))
            return self._denied(transmission, passage.verdict, speaks_json=speaks_json, close=True)
        transmission = replace(transmission, body=body)
        passage = await self._pipeline.handle(transmission)
        if passage.outgoing is None:
            return self._denied(transmission, passage.verdict, speaks_json=speaks_json, close=False)
        return await self._forward(
            request, transmission, passage, passage.outgoing, speaks_json=speaks_json
        )

    def _denied(
        self, sent: Transmission | None, verdict: Verdict, *, speaks_json: bool, close: bool
    ) -> web.Response:
        """Answer what was denied, as its appliance is to hear it; `sent` is what could be read."""
        answer: Answer | None = verdict.appliance.answer if verdict.appliance else None
        known = self._pipeline.calming(sent, verdict) if sent is not None else None
        reply = answers.denial(verdict.reason, answer, known, speaks_json=speaks_json)
        return _response(reply, close=close or verdict.appliance is None)

    def _head(self, request: web.BaseRequest) -> Transmission:
        """Read what stands before the body; raises `Refused`."""
        headers = read_head(request.method, request.raw_headers)
        address = _peer(request)
        token, target = self._pipeline.split_token(request.raw_path)
        host = next((value for name, value in headers if name.lower() == "host"), None)
        if token is None and not host:
            raise Refused(Reason.BAD_REQUEST, "no Host header")
        return Transmission(
            gate=GATE,
            source=Source(address=address, mac=self._resolve_mac(address), token=token),
            method=request.method,
            host=None if token else _host(host or ""),
            target=target,
            headers=without_next_hop(headers),
        )

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Read the whole body; raises `Refused` where it is too large, too slow or broken."""
        length = request.content_length
        if length is not None and length > MAX_BODY:
            raise Refused(Reason.TOO_LARGE, "the body is larger than the cap")
        expectation = request.headers.get("Expect")
        if expectation is not None:
            if expectation.lower() != "100-continue":
                raise Refused(Reason.BAD_REQUEST, "an expectation that is not known")
            if request.transport is not None:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        received = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                async for chunk in request.content.iter_any():
                    received += chunk
                    if len(received) > MAX_BODY:
                        raise Refused(Reason.TOO_LARGE, "the body is larger than the cap")
        except TimeoutError:
            raise Refused(Reason.TOO_SLOW, "the body did not arrive in time") from None
        except aiohttp.ClientError, web.RequestPayloadError, OSError, ValueError:
            raise Refused(Reason.BAD_REQUEST, "the body is not well-formed") from None
        if length is not None and len(received) != length:
            raise Refused(Reason.BAD_REQUEST, "the body is cut short")
        return bytes(received)

    async def _forward(
        self,
        request: web.BaseRequest,
        transmission: Transmission,
        passage: Passage,
        outgoing: OutgoingRequest,
        *,
        speaks_json: bool,
    ) -> web.StreamResponse:
        """Send what may leave and stream the answer back."""
        released = False

        def may_send() -> bool:
            nonlocal released
            released = self._pipeline.is_current(passage.verdict)
            return released

        exchange = Exchange(may_send)
        self._sending[exchange] = passage, asyncio.current_task()
        failed: Reason | None = None
        upstream: aiohttp.ClientResponse | None = None
        try:
            try:
                upstream = await self._upstream.send(outgoing, exchange)
            except UpstreamRefusedError:
                failed = Reason.UPSTREAM_ADDRESS_REFUSED
            except NoLongerAllowedError:
                failed = Reason.POLICY_CHANGED
            except aiohttp.ClientError, TimeoutError, OSError:
                failed = Reason.UPSTREAM_UNREACHABLE
            except asyncio.CancelledError:
                changed = not self._pipeline.is_current(passage.verdict)
                failed = Reason.POLICY_CHANGED if changed else None
                await asyncio.shield(
                    self._pipeline.settle(transmission, passage, released=released, failed=failed)
                )
                raise
            verdict = await self._pipeline.settle(
                transmission, passage, released=released, failed=failed
            )
            if upstream is not None:
                return await _stream_back(request, upstream)
        finally:
            del self._sending[exchange]
            if upstream is not None:
                upstream.release()
            exchange.cut()
        if failed is Reason.UPSTREAM_UNREACHABLE:
            return _response(answers.refusal(failed, 502), close=False)
        return self._denied(transmission, verdict, speaks_json=speaks_json, close=False)


def read_head(
    method: str, raw_headers: Iterable[tuple[bytes, bytes]]
) -> tuple[tuple[str, str], ...]:
    """Return a request's headers as text; raises `Refused` for what is not passed on at all."""
    if method not in _METHODS:
        raise Refused(Reason.PROTOCOL_NOT_ALLOWED, "a method that is not passed on")
    try:
        headers = tuple(
            (name.decode("ascii"), value.decode("ascii")) for name, value in raw_headers
        )
    except UnicodeDecodeError:
        raise Refused(Reason.BAD_REQUEST, "a header that is not ASCII") from None
    names = [name.lower() for name, _ in headers]
    if names.count("host") > 1 or names.count("content-length") > 1:
        raise Refused(Reason.BAD_REQUEST, "a header that decides stands twice")
    if "content-length" in names and "transfer-encoding" in names:
        raise Refused(Reason.BAD_REQUEST, "two ways of telling the length")
    if "upgrade" in names or "trailer" in names:
        raise Refused(Reason.PROTOCOL_NOT_ALLOWED, "a change of protocol or trailers")
    coding = next((v for name, v in headers if name.lower() == "transfer-encoding"), "chunked")
    if names.count("transfer-encoding") > 1 or coding.strip().lower() != "chunked":
        raise Refused(Reason.UNKNOWN_ENCODING, "a transfer coding other than chunked")
    return headers


def without_next_hop(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return headers without those that `Connection` names: they are for the next hop alone."""
    named = _named(value for name, value in headers if name.lower() == "connection")
    return tuple(header for header in headers if header[0].lower() not in named)


async def _stream_back(
    request: web.BaseRequest, upstream: aiohttp.ClientResponse
) -> web.StreamResponse:
    """Pass a response back unchanged, as it comes, up to the cap."""
    if upstream.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return _response(answers.refusal(Reason.PROTOCOL_NOT_ALLOWED, 502), close=True)
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
    named = _named(upstream.headers.getall("Connection", []))
    for raw_name, raw_value in upstream.raw_headers:
        name = raw_name.decode("latin-1")
        if name.lower() not in _NOT_PASSED_BACK and name.lower() not in named:
            response.headers.add(name, raw_value.decode("utf-8", "surrogateescape"))
    if "Content-Length" not in response.headers and request.version >= aiohttp.HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    passed = 0
    try:
        async for chunk in upstream.content.iter_any():
            passed += len(chunk)
            if passed > MAX_RESPONSE:
                raise aiohttp.ClientPayloadError("the response is larger than the cap")
            await response.write(chunk)
        await response.write_eof()
    except aiohttp.ClientError, TimeoutError:
        _break_off(request)
    return response


def _break_off(request: web.BaseRequest) -> None:
    """Reset the connection: half an answer must not look whole, not even to HTTP/1.0."""
    transport = request.transport
    if transport is not None:
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        transport.abort()


def _unread(request: web.BaseRequest) -> Transmission:
    """Return what is recorded of a request whose head was refused: where it came from."""
    return Transmission(
        gate=GATE, source=Source(address=_peer(request)), method="?", host=None, target="/"
    )


def _peer(request: web.BaseRequest) -> str:
    """Return the address a request came from, IPv4 in its own form also over IPv6 sockets."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer:
        return ""
    return str(unmapped(ipaddress.ip_address(str(peer[0]).partition("%")[0])))


def _named(connection: Iterable[str]) -> frozenset[str]:
    """Return the headers that `Connection` names: they are for the next hop alone."""
    return frozenset(token.strip().lower() for value in connection for token in value.split(","))


def _host(value: str) -> str:
    """Return the host of a Host header, lower-case, without port and final dot."""
    host = value[1:].partition("]")[0] if value.startswith("[") else value.partition(":")[0]
    host = host.lower().rstrip(".")
    if not host or any(character in "/\\@?#% \t," for character in host):
        raise Refused(Reason.BAD_REQUEST, "a Host header that names no host")
    return host


def _response(reply: answers.Reply, *, close: bool) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)
    if close:
        response.force_close()
    return response
