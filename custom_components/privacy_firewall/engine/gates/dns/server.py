"""The DNS server: takes questions over UDP and TCP, asks what may become of them, and answers.

A question that may go on is asked anew of the household's resolvers: nothing of the client's own
message goes along but the name and the type. The verdict comes before the cache. Answers are judged
too, before the client sees them.

Only clients at home are answered, each so often; what asks from elsewhere gets no answer at all, so
that nobody can be flooded with ours (RFC 5358).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
import logging
import socket
from time import monotonic
from typing import Any, NamedTuple

from ...lookups import NOT_YET, Admitted, Lookups
from ...model import Reason, Source
from ...naming import Course, Lookup, LookupVerdict, Refusal
from . import message
from .answer import Answer, reply
from .cache import Cache, Key
from .message import AAAA, IN, NAME_ERROR, NO_ERROR, REFUSED, SERVER_FAILURE, A, Malformed, Query
from .upstream import Resolvers

TTL = 60
"""Seconds for which a client may keep what was answered here, or forwarded for an appliance: a
withdrawal is in force for those who ask again."""
REFUSED_TTL = 10
"""Seconds for which it may keep a refusal: a grant should not have to wait."""
RATE = 500.0
"""Questions a second that one client is answered; a busy home asks a few."""
BURST = 2_000.0
"""Questions that it may ask at once."""
MAX_CLIENTS = 4_096
"""Clients whose rates and answers are remembered; the one heard of longest ago is forgotten."""
MAX_UNDER_WAY = 2_000
"""Questions under way at the same time. One client may have a quarter of the places that are left:
so there is one left, however many there are. Further ones get no answer, and are asked again."""
MAX_MEMO_BYTES = 512
"""Bytes of a question up to which its answer is kept; real ones have less than 300."""
MEMO_SECONDS = 5.0
"""How long a local answer is given again to the same question without deciding anew, while the
policy stays the same: who has which address may change."""
MAX_MEMO = 8_192
"""Answers kept for that."""
BATCH = 64
"""Datagrams read at once, so that nothing else of the loop waits long."""
MAX_DATAGRAM = 4_096
"""Bytes of a question; real ones have less than 300."""
RECEIVE_BUFFER = 1 << 20
"""Bytes that the system keeps for us while the loop is busy."""
ANY_PORT_TRIES = 9
"""Further tries for any free port: one that is free for UDP may be taken for TCP."""
MAX_STREAM = 65_535
"""Bytes of a message over TCP (RFC 1035, section 4.2.2)."""
MAX_CONNECTIONS = 128
"""TCP connections at the same time; one client has a quarter of those that are left, at most."""
IDLE_SECONDS = 10.0
"""Seconds without a whole question after which a TCP connection is closed (RFC 7766, 6.2.3)."""
MAX_PIPELINED = 32
"""Questions of one TCP connection that are under way at the same time."""

_NULL = {A: bytes(4), AAAA: bytes(16)}

_LOGGER = logging.getLogger(__name__)

type Respond = Callable[[bytes], None]
type Kept = tuple[Answer, int]
"""An answer that is at hand, and its age in seconds."""


class _Asked(NamedTuple):
    """One question of a client: as it stood, as it is decided about, and how to answer it.

    `respond` is called once, with nothing for no answer; `limit` is the bytes the client takes.
    """

    client: _Client
    query: Query
    lookup: Lookup
    respond: Respond
    limit: int


class _Client:
    """One address: whether it is at home, and what it may still ask."""

    __slots__ = ("at", "is_at_home", "left", "under_way")

    def __init__(self, address: str) -> None:
        self.under_way = 0
        self.is_at_home = is_at_home(address)
        self.left = BURST
        self.at = monotonic()

    def may_ask(self, now: float) -> bool:
        """Take one question from what is left; tell whether it is at home and there was one."""
        if not self.is_at_home:
            return False
        left = min(BURST, self.left + (now - self.at) * RATE)
        self.at = now
        if left < 1.0:
            self.left = left
            return False
        self.left = left - 1.0
        return True


class DnsGate:
    """Listens for questions. One gate, one address and port, UDP and TCP."""

    def __init__(
        self,
        lookups: Lookups,
        resolvers: Resolvers,
        *,
        resolve_mac: Callable[[str], str | None],
        resolve_addresses: Callable[[str], Collection[str]] = lambda _: (),
    ) -> None:
        """Wire the gate; `open` starts it.

        `resolve_mac` tells the MAC of an address if known, `resolve_addresses` the IPv4 addresses
        of a MAC.
        """
        self._lookups = lookups
        self._resolvers = resolvers
        self._resolve_mac = resolve_mac
        self._resolve_addresses = resolve_addresses
        self._cache = Cache()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._memo: dict[tuple[str, bytes], tuple[float, bytes, Lookup, LookupVerdict]] = {}
        self._came: list[tuple[_Asked, Admitted, Key, Answer | None]] = []
        self._out: list[tuple[bytes, tuple[str, int]]] = []
        self._waiting: set[asyncio.Task[None]] = set()
        self._streams: dict[asyncio.Task[None], str] = {}
        self._under_way = 0
        self._own = frozenset({"127.0.0.1", "::1"})

    @property
    def is_open(self) -> bool:
        """Tell whether the gate listens."""
        return self._socket is not None

    @property
    def address(self) -> tuple[str, int] | None:
        """Return where the gate listens, or None."""
        if self._socket is None:
            return None
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def open(self, host: str, port: int) -> int:
        """Listen on one address; return the port. Raises `OSError` where it is taken or not ours.

        Port 0 is any that is free for both.
        """
        if ip_address(host).is_unspecified:
            raise OSError("a DNS gate listens on one address, never on all")
        for _ in range(0 if port else ANY_PORT_TRIES):
            with suppress(OSError):
                return await self._open(host, port)
        return await self._open(host, port)

    async def _open(self, host: str, port: int) -> int:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.bind((host, port))
            bound = int(sock.getsockname()[1])
            self._server = await asyncio.start_server(
                self._stream, host, bound, family=family, limit=MAX_STREAM + 2
            )
        except BaseException:
            sock.close()
            raise
        self._socket = sock
        self._own = frozenset({"127.0.0.1", "::1", host})
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)
        return bound

    async def close(self) -> None:
        """Stop listening and drop what is under way: who asked asks again."""
        sock, self._socket = self._socket, None
        server, self._server = self._server, None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        if server is not None:
            server.close()
        tasks = [*self._waiting, *self._streams]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._came.clear()
        self._memo.clear()
        self._clients.clear()
        self._cache = Cache()

    def forget_answers(self) -> None:
        """Decide anew about every question: who has which address, or the choices, changed."""
        self._memo.clear()

    def forget_below(self, zone: str) -> None:
        """Know no answer any more for names below a zone (lower case)."""
        self.forget_answers()
        self._cache.drop_below(zone)

    # --- UDP ---

    def _read(self) -> None:
        """Take the questions that have arrived, up to a batch."""
        sock = self._socket
        if sock is None:
            return
        arrived: list[tuple[bytes, tuple[str, int]]] = []
        for _ in range(BATCH):
            try:
                arrived.append(sock.recvfrom(MAX_DATAGRAM))
            except BlockingIOError, InterruptedError:
                break
            except OSError:
                # An earlier answer met a closed port (ICMP); it says nothing of the next question.
                continue
        for data, peer in arrived:
            try:
                self._take_datagram(sock, data, peer)
            except Exception as err:  # noqa: BLE001 - the others are answered
                _say_failed(err)
        self._send_out()

    def _take_datagram(self, sock: socket.socket, data: bytes, peer: tuple[str, int]) -> None:
        address = str(peer[0])
        client = self._client(address)
        if not client.may_ask(monotonic()):
            return
        # The raw path: the same question of the same client, but for its id.
        known = self._memo.get((address, data[2:]))
        if known is not None:
            until, rest, lookup, verdict = known
            if monotonic() < until and self._lookups.is_current(verdict):
                self._lookups.note(lookup, verdict)
                self._out.append((data[:2] + rest, peer))
                return
            del self._memo[address, data[2:]]

        def respond(answer: bytes) -> None:
            # Not over a socket that was opened since on the same number.
            if answer and self._socket is sock:
                self._out.append((answer, peer))

        self._take(data, address, client, respond, is_stream=False)

    def _send_out(self) -> None:
        """Send the answers at hand, one after the other: who reads them is woken once for many.

        Called before anything else can happen, so that they are answers of this very moment.
        """
        out, self._out = self._out, []
        sock = self._socket
        if sock is None:
            return
        for answer, peer in out:
            with suppress(OSError):
                sock.sendto(answer, peer)

    # --- TCP ---

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one TCP connection until it ends, goes quiet, or says what is no question."""
        task = asyncio.current_task()
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        theirs = sum(other == address for other in self._streams.values())
        if (
            task is None
            or theirs >= _share(MAX_CONNECTIONS, len(self._streams))
            or not self._client(address).is_at_home
        ):
            writer.transport.abort()
            return
        self._streams[task] = address
        under_way = 0
        is_free = asyncio.Event()

        def respond(answer: bytes) -> None:
            nonlocal under_way
            under_way -= 1
            is_free.set()
            if answer and not writer.is_closing():
                writer.write(len(answer).to_bytes(2) + answer)

        try:
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2))
                    data = await reader.readexactly(length)
                    await writer.drain()
                    while under_way >= MAX_PIPELINED:
                        is_free.clear()
                        await is_free.wait()
                client = self._client(address)
                if not client.may_ask(monotonic()):
                    return
                under_way += 1
                self._take(data, address, client, respond, is_stream=True)
                # What is there already is read without waiting: others get their turn all the same.
                await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            # It asks no more, and may still wait for what it asked.
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    while under_way:
                        is_free.clear()
                        await is_free.wait()
                    writer.close()
                    await writer.wait_closed()
        except OSError, TimeoutError:
            pass
        finally:
            # It counts until it is gone: who does not read would else hold more than its share.
            writer.transport.abort()
            del self._streams[task]

    # --- One question ---

    def _client(self, address: str) -> _Client:
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = _Client(address)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(address)
        return client

    def _take(
        self, data: bytes, address: str, client: _Client, respond: Respond, *, is_stream: bool
    ) -> None:
        """Answer one question, now or later; `respond` is called once, with nothing for none."""
        try:
            query = message.read_query(data)
        except Malformed as err:
            answer = None if err.rcode is None else message.answer_malformed(data, err.rcode)
            respond(answer or b"")
            return
        if query.cls != IN:
            respond(message.answer_nothing(query, REFUSED, 0))
            return
        source = self._source(_plain(address))
        lookup = Lookup(source=source, name=query.name, type=query.type)
        verdict = self._lookups.decide(lookup)
        limit = MAX_STREAM if is_stream else query.udp_size
        if verdict.course is Course.FORWARD:
            self._forward(_Asked(client, query, lookup, respond, limit), verdict)
            return
        self._lookups.note(lookup, verdict)
        answer = self._local(query, verdict)
        is_short = len(data) <= MAX_MEMO_BYTES
        if not is_stream and is_short and verdict.reason not in NOT_YET:
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            until = monotonic() + MEMO_SECONDS
            self._memo[address, data[2:]] = until, answer[2:], lookup, verdict
        respond(answer)

    def _source(self, address: str) -> Source:
        if address in self._own:
            # This machine itself is no appliance on the network, whatever is known of MACs.
            return Source(address=address, mac="")
        mac = self._resolve_mac(address)
        if mac and ":" in address:
            return Source(address=address, mac=mac, others=tuple(self._resolve_addresses(mac)))
        return Source(address=address, mac=mac)

    def _local(self, query: Query, verdict: LookupVerdict) -> bytes:
        """Answer without asking anybody: the gate's own address, or nothing."""
        if verdict.course is Course.STEER:
            # Nothing of any other type, or the client would go around (AAAA, HTTPS, SVCB).
            width = {A: 4, AAAA: 16}.get(query.type)
            led = [one for one in self._lookups.steer_to if len(one) == width]
            if led:
                return message.answer_addresses(query, led, TTL)
            return message.answer_nothing(query, NO_ERROR, TTL)
        if verdict.reason in NOT_YET:
            # No refusal that a client may keep: it asks again, and by then more is known.
            return message.answer_nothing(query, SERVER_FAILURE, 0)
        if verdict.refusal is Refusal.NULL_ADDRESS and query.type in _NULL:
            return message.answer_addresses(query, [_NULL[query.type]], REFUSED_TTL)
        rcode = NAME_ERROR if verdict.refusal is Refusal.NAME_ERROR else NO_ERROR
        return message.answer_nothing(query, rcode, REFUSED_TTL)

    def _forward(self, asked: _Asked, verdict: LookupVerdict) -> None:
        """Answer from the cache, or ask the resolvers; for an appliance once that is on record."""
        kept = self._cache.get(self._key(asked.query, verdict), monotonic())
        if not verdict.appliances or (
            kept is not None and self._lookups.is_on_record(asked.lookup, verdict)
        ):
            self._go_on(asked, Admitted(verdict), kept)
            return
        client = asked.client
        if not self._enter(client):
            asked.respond(b"")
            return
        self._start(self._admit(asked, verdict, kept))

    def _enter(self, client: _Client) -> bool:
        """Count one more question of a client as under way, if it may be."""
        if client.under_way >= _share(MAX_UNDER_WAY, self._under_way):
            return False
        client.under_way += 1
        self._under_way += 1
        return True

    def _leave(self, client: _Client) -> None:
        """Count one less."""
        client.under_way -= 1
        self._under_way -= 1

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def _key(self, query: Query, verdict: LookupVerdict) -> Key:
        """Return what is asked. Of an appliance nothing but name and type: flags tell as well."""
        if verdict.appliances:
            return query.name, query.type, False, False
        return query.name, query.type, query.dnssec_ok, query.checking_disabled

    async def _admit(self, asked: _Asked, verdict: LookupVerdict, kept: Kept | None) -> None:
        """Put a question of an appliance on record, then go on with it."""
        try:
            admitted = await self._lookups.admit(asked.lookup, verdict)
        finally:
            self._leave(asked.client)
        self._go_on(asked, admitted, kept)
        self._send_out()

    def _go_on(self, asked: _Asked, admitted: Admitted, kept: Kept | None) -> None:
        """Answer what need not be asked, and ask what is left."""
        if admitted.verdict.course is not Course.FORWARD:
            self._finish(asked, admitted, admitted.verdict)
        elif kept is not None:
            self._conclude(asked, admitted, kept)
        else:
            self._ask(asked, admitted)

    def _ask(self, asked: _Asked, admitted: Admitted) -> None:
        """Ask the resolvers, and answer whatever comes of it."""
        client, query, verdict = asked.client, asked.query, admitted.verdict
        if not self._enter(client):
            self._lookups.give_up(asked.lookup, admitted)
            asked.respond(b"")
            return
        key = self._key(query, verdict)

        def done(answer: Answer | None, *, was_sent: bool) -> None:
            if not self.is_open:
                return
            if not self._came:
                asyncio.get_running_loop().call_soon(self._settle)
            self._came.append((asked, admitted._replace(was_sent=was_sent), key, answer))

        self._resolvers.start(
            query.wire_name.lower(),
            query.type,
            done,
            dnssec_ok=key[2],
            checking_disabled=key[3],
            may_send=partial(self._lookups.holds, asked.lookup, verdict),
        )

    def _settle(self) -> None:
        """Judge and answer all that this turn of the loop brought, as it is decided now."""
        brought, self._came = self._came, []
        for asked, admitted, key, came in brought:
            self._leave(asked.client)
            try:
                if came is None:
                    self._give_up(asked, admitted)
                else:
                    self._cache.put(key, came, monotonic())
                    self._conclude(asked, admitted, (came, 0))
            except Exception as err:  # noqa: BLE001 - what was not foreseen gets no answer
                _say_failed(err)
                asked.respond(b"")
        self._send_out()

    def _give_up(self, asked: _Asked, admitted: Admitted) -> None:
        """Answer what nobody answered: the client asks again, unless it may not any more."""
        if admitted.was_sent or self._lookups.holds(asked.lookup, admitted.verdict):
            self._lookups.give_up(asked.lookup, admitted)
            asked.respond(message.answer_nothing(asked.query, SERVER_FAILURE, 0))
            return
        fresh = self._lookups.decide(asked.lookup)
        if fresh.course is Course.FORWARD:
            fresh = self._lookups.refuse(fresh, Reason.POLICY_CHANGED)
        self._finish(asked, admitted, fresh)

    def _conclude(self, asked: _Asked, admitted: Admitted, kept: Kept) -> None:
        """Judge what came back, and answer with it, or with a refusal.

        What was decided otherwise while it was asked is as it is decided now; what may go on now
        for another reason is put on record first.
        """
        lookup, verdict = asked.lookup, admitted.verdict
        answer, age = kept
        if not self._lookups.is_current(verdict):
            fresh = self._lookups.decide(lookup)
            is_new = fresh.appliances and not fresh.rests_on_the_same(verdict)
            if fresh.course is Course.FORWARD and is_new:
                self._lookups.set_aside(admitted)
                if self._enter(asked.client):
                    self._start(self._admit(asked, fresh, kept))
                else:
                    asked.respond(b"")
                return
            verdict = fresh
        if verdict.course is Course.FORWARD:
            verdict = self._lookups.judge(lookup, verdict, answer)
        if verdict.course is not Course.FORWARD:
            self._finish(asked, admitted, verdict)
            return
        self._lookups.note(lookup, verdict, admitted)
        is_appliance = bool(verdict.appliances)
        asked.respond(
            reply(
                answer,
                asked.query,
                age=age,
                max_ttl=TTL if is_appliance else None,
                limit=asked.limit,
                lean=is_appliance,
            )
        )

    def _finish(self, asked: _Asked, admitted: Admitted, verdict: LookupVerdict) -> None:
        """Answer here, and take note of it."""
        self._lookups.note(asked.lookup, verdict, admitted)
        asked.respond(self._local(asked.query, verdict))


def _share(places: int, taken: int) -> int:
    """Return how many places one client may have while so many are taken in all."""
    return (places - taken + 3) // 4


def is_at_home(address: str) -> bool:
    """Tell whether an address is of a private range, link-local or this machine's own."""
    try:
        parsed = ip_address(_plain(address))
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return parsed.is_private and not parsed.is_unspecified
    return _is_private(parsed)


def _is_private(address: IPv6Address) -> bool:
    return address.is_private and not address.is_unspecified


def _plain(address: str) -> str:
    """Return an address without its zone, IPv4 in its own form also over IPv6 sockets."""
    address = address.partition("%")[0]
    return address.removeprefix("::ffff:") if "." in address else address


def _say_failed(err: Exception) -> None:
    # Not the message: it may quote a name.
    _LOGGER.error("A question failed: %s", type(err).__name__)
