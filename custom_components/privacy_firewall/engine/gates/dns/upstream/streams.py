"""The connection to one resolver, over TLS where it was stated with a name; many questions at once.

A server may end a connection at any time, and a network without a word (RFC 7766, sections 6.2.3
and 6.2.4): neither is a failure of who answered before, and neither is waited for.
"""

import asyncio
from contextlib import suppress
from math import inf
from time import monotonic

from ..answer import read_answer
from ..message import Malformed
from .question import Peer, Question, Random

CONNECT_SECONDS = 5.0
"""Seconds for a TCP connection with its TLS handshake; what waits for it may be tried twice."""
IDLE_SECONDS = 20.0
"""Seconds after which a connection without answers is closed (RFC 7766, section 6.2.3)."""


class Stream:
    """Asks over one connection; over another once that one ended, or is in doubt."""

    def __init__(self, peer: Peer, random: Random) -> None:
        """Connect with the first question."""
        self.peer = peer
        self.random = random
        self.tasks: set[asyncio.Task[None]] = set()
        self._current: _Connection | None = None

    def send(self, question: Question) -> None:
        """Send a question now, or as soon as there is a connection."""
        connection = self._current
        if connection is None or connection.is_closing:
            connection = self._current = _Connection(self)
        connection.send(question)

    def leave(self, connection: _Connection) -> None:
        """Ask nothing more over a connection."""
        if self._current is connection:
            self._current = None

    async def close(self) -> None:
        """End every connection."""
        self._current = None
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class _Connection:
    """One connection, from connecting to its end."""

    def __init__(self, stream: Stream) -> None:
        """Begin to connect."""
        self.pending: dict[int, Question] = {}
        self._stream = stream
        self._peer = stream.peer
        self._writer: asyncio.StreamWriter | None = None
        self._heard_at = inf
        self._has_answered = False
        self._task = asyncio.get_running_loop().create_task(self._run())
        stream.tasks.add(self._task)
        self._task.add_done_callback(stream.tasks.discard)

    @property
    def is_closing(self) -> bool:
        """Tell whether nothing can be sent over it any more."""
        return self._writer is not None and self._writer.is_closing()

    def send(self, question: Question) -> None:
        """Send a question now, or once it is connected."""
        # Nobody can answer in another's place here: the name stays as it is.
        question.write(self._stream.random.unused(self.pending), question.wire_name)
        question.wait_at(self)
        if self._writer is not None:
            _write(self._writer, question)

    def doubt(self, sent_at: float) -> None:
        """Leave it where nothing at all was heard since."""
        if self._heard_at < sent_at:
            self._stream.leave(self)
            self._task.cancel()

    async def _run(self) -> None:
        """Connect, ask, and read answers until it ends."""
        writer = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await self._connect()
            self._begin(writer)
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                self._take(data)
                # What is there already is read without waiting: others get their turn all the same.
                await asyncio.sleep(0)
        except OSError, TimeoutError, asyncio.IncompleteReadError:
            pass
        finally:
            self._stream.leave(self)
            self._end()
            if writer is not None:
                # Nothing is on its way any more. A farewell over TLS would wait for the other side.
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        resolver = self._peer.resolver
        if resolver.tls_name is None:
            return await asyncio.open_connection(resolver.address, resolver.port)
        trust = self._peer.trust
        if trust is None:
            raise ConnectionError("nothing to verify a certificate with")
        return await asyncio.open_connection(
            resolver.address, resolver.port, ssl=trust, server_hostname=resolver.tls_name
        )

    def _begin(self, writer: asyncio.StreamWriter) -> None:
        """Send what has waited for the connection."""
        self._writer = writer
        self._heard_at = monotonic()
        for question in list(self.pending.values()):
            if question.may_be_sent():
                _write(writer, question)
            else:
                # It goes on, and finds out.
                question.let_go()
                self._peer.lost(question)

    def _take(self, data: bytes) -> None:
        question = self.pending.get(int.from_bytes(data[:2]))
        if question is None:
            return
        question.let_go()
        try:
            answer = read_answer(data, question.sent, has_edns=question.has_edns)
        except Malformed:
            if question.is_not_understood_in(data):
                self._heard_at = monotonic()
                self._has_answered = True
                self._peer.not_understood(question, is_stream=True)
                return
            # Where the next one begins is known all the same: the others may be answered.
            self._peer.misread(question, is_stream=True)
            return
        self._heard_at = monotonic()
        self._has_answered = True
        self._peer.heard(question, answer, is_stream=True)

    def _end(self) -> None:
        waiting = list(self.pending.values())
        if waiting and not self._has_answered:
            self._peer.failed()
        for question in waiting:
            question.let_go()
            if self._has_answered:
                self._peer.cut(question)
            else:
                self._peer.lost(question)


def _write(writer: asyncio.StreamWriter, question: Question) -> None:
    question.was_sent = True
    writer.write(len(question.sent).to_bytes(2) + question.sent)
