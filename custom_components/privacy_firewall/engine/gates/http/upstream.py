"""The HTTP client: sends exactly what may leave, once, to an address that was checked.

No redirects, cookies, retries, default headers or proxies from the environment: aiohttp does each
of these unless told otherwise. The address is resolved once, checked, and connected to. What was
not yet sent when a request ends early is dropped: a socket would otherwise go on sending it.
"""

import array
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
import fcntl
import socket
import struct
import termios
from typing import override

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from ... import addresses
from ...errors import EngineError
from ...model import OutgoingRequest

CONNECT_TIMEOUT = 10.0
"""Seconds to resolve and connect."""
TOTAL_TIMEOUT = 60.0
"""Seconds for a whole exchange; appliances give up earlier."""
MAX_CONNECTIONS = 64
"""Connections upstream at the same time."""


class UpstreamRefusedError(EngineError):
    """The cloud's name leads to an address that must not be called."""


class NoLongerAllowedError(EngineError):
    """The household's decision changed before the first byte was sent."""


class _AddressRefusedError(OSError):
    """Inside aiohttp's connector, which wraps errors of the operating system only."""


type LookUp = Callable[[str], Awaitable[list[str] | None]]
"""Returns the addresses of a host, None where the machine's own resolver is to be asked."""


class _CheckedResolver(AbstractResolver):
    """Resolves names; refuses where any of the addresses is not allowed (no mixed answers)."""

    def __init__(
        self, *, allow_private: bool, protected_ports: frozenset[int], look_up: LookUp | None
    ) -> None:
        self._allow_private = allow_private
        self._protected_ports = protected_ports
        self._look_up = look_up

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        # Where we are the home's resolver, the machine's own may lead back to us.
        known = await self._look_up(host) if self._look_up is not None else None
        if known is not None and not known:
            raise OSError("the name has no address")
        found = [
            one
            for address in ([host] if known is None else known)
            for one in await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM, family=family)
        ]
        results = [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]
        for result in results:
            self.check(result["host"], port)
        return results

    def check(self, address: str, port: int) -> None:
        if not addresses.may_call(
            address,
            port,
            allow_private=self._allow_private,
            protected_ports=self._protected_ports,
        ):
            raise _AddressRefusedError("an address that is not allowed")

    @override
    async def close(self) -> None:
        """Nothing to close."""


class Exchange:
    """One request on its way. Wherever it ends, what was not yet sent of it is dropped."""

    def __init__(self, may_send: Callable[[], bool]) -> None:
        """Keep whom to ask right before the first byte."""
        self._may_send = may_send
        self._transport: asyncio.Transport | None = None

    def begin(self, connection: Connection) -> None:
        """Take a connection that is ready; raises `NoLongerAllowedError` and leaves it unused."""
        if not self._may_send():
            connection.release()
            raise NoLongerAllowedError("the decision changed before the first byte")
        self._transport = connection.transport
        self._linger(drop=True)
        connection.add_callback(self._end)

    def cut(self) -> None:
        """End it now. The socket is closed, unsent bytes and all, in the loop's next round."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        """Leave the connection to the next request, unless bytes of this one are still unsent."""
        if self._is_unsent():
            self.cut()
        else:
            self._linger(drop=False)
        self._transport = None

    def _linger(self, *, drop: bool) -> None:
        """Say whether closing the socket drops what the system has not yet sent."""
        if self._transport is not None:
            with suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", drop, 0)
                )

    def _is_unsent(self) -> bool:
        """Tell whether the other side has not received everything, as far as is known."""
        if self._transport is None or self._transport.get_write_buffer_size():
            return True
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._transport.get_extra_info("socket"), termios.TIOCOUTQ, count)
        except OSError, ValueError:
            return True
        return count[0] > 0


_EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")
"""Whose connection aiohttp is making: it hands its own arguments to the connector, not ours."""


class _Connector(aiohttp.TCPConnector):
    """Hands each connection to the exchange it is for, right before the first byte."""

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        _EXCHANGE.get().begin(connection)
        return connection


class Upstream:
    """Connections to the clouds: one pool for the internet, one that may call the home network."""

    def __init__(self, *, protected_ports: frozenset[int], look_up: LookUp | None = None) -> None:
        """Keep the ports of this machine that are never called, and how names are looked up."""
        self._protected_ports = protected_ports
        self._look_up = look_up
        self._sessions: dict[bool, tuple[aiohttp.ClientSession, _CheckedResolver]] = {}

    def protect(self, ports: frozenset[int]) -> None:
        """Replace the protected ports; connections already open stay."""
        self._protected_ports = ports
        for _, resolver in self._sessions.values():
            resolver._protected_ports = ports  # noqa: SLF001 - the same file's class

    def _session(self, *, allow_private: bool) -> tuple[aiohttp.ClientSession, _CheckedResolver]:
        if allow_private not in self._sessions:
            resolver = _CheckedResolver(
                allow_private=allow_private,
                protected_ports=self._protected_ports,
                look_up=self._look_up,
            )
            session = aiohttp.ClientSession(
                connector=_Connector(resolver=resolver, use_dns_cache=False, limit=MAX_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                timeout=aiohttp.ClientTimeout(total=TOTAL_TIMEOUT, connect=CONNECT_TIMEOUT),
            )
            # Without this a PUT on a connection that breaks is sent a second time; there is no
            # public switch (aiohttp's own test client does the same).
            session._retry_connection = False  # noqa: SLF001
            self._sessions[allow_private] = session, resolver
        return self._sessions[allow_private]

    async def send(self, outgoing: OutgoingRequest, exchange: Exchange) -> aiohttp.ClientResponse:
        """Send a request and return the response, its body still to be read; release it after.

        Raises `UpstreamRefusedError`, `NoLongerAllowedError`, `aiohttp.ClientError` or
        `TimeoutError`.
        """
        url = URL(outgoing.origin + outgoing.target, encoded=True)
        session, resolver = self._session(allow_private=outgoing.allow_private)
        previous = _EXCHANGE.set(exchange)
        try:
            if _is_address(url.host or ""):
                resolver.check(url.host or "", url.port or 0)
            return await session.request(
                outgoing.method,
                url,
                headers=outgoing.headers,
                data=outgoing.body or None,
                allow_redirects=False,
            )
        except _AddressRefusedError as err:
            raise UpstreamRefusedError("the upstream address is not allowed") from err
        except aiohttp.ClientConnectorError as err:
            if isinstance(err.os_error, _AddressRefusedError):
                raise UpstreamRefusedError("the upstream address is not allowed") from err
            raise
        finally:
            _EXCHANGE.reset(previous)

    async def close(self) -> None:
        """Close every connection."""
        for session, _ in self._sessions.values():
            await session.close()
        self._sessions.clear()


def _is_address(host: str) -> bool:
    """Tell whether aiohttp takes a host for an address, and asks no resolver: `2130706433` too."""
    return ":" in host or host.replace(".", "").isdigit()
