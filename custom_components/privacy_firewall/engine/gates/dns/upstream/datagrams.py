"""The UDP sockets to one resolver: several at a time, none for long."""

import asyncio
from contextlib import suppress
import socket

from ....naming import Resolver
from ..answer import read_answer
from ..message import Malformed, randomise_case
from .question import Peer, Question, Random

SOCKETS = 8
"""UDP sockets per resolver, each with a port of the system's choice."""
QUESTIONS_PER_SOCKET = 256
"""Questions after which a socket, and with it the port, is given up for another."""
BATCH = 64
"""Datagrams read at once."""
_MAX_DATAGRAM = 4_096


class _Port:
    """One UDP socket to one resolver."""

    __slots__ = ("_pool", "asked", "pending", "sock")

    def __init__(self, pool: Datagrams, resolver: Resolver) -> None:
        """Open it at a port that the system chooses; raises `OSError`."""
        family = socket.AF_INET6 if ":" in resolver.address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.sock.setblocking(False)
            # Connected: the system drops what comes from anybody else.
            self.sock.connect((resolver.address, resolver.port))
        except BaseException:
            self.sock.close()
            raise
        self._pool = pool
        self.pending: dict[int, Question] = {}
        self.asked = 0

    def doubt(self, sent_at: float) -> None:  # noqa: ARG002 - any unanswered question will do
        """Leave it: a router in between may have forgotten it, or the network be another."""
        self._pool.retire(self)


class Datagrams:
    """Sends questions from one of a few sockets, and reads what comes back."""

    def __init__(self, peer: Peer, random: Random) -> None:
        """Start with nothing open."""
        self._peer = peer
        self._random = random
        self._ports: list[_Port | None] = [None] * SOCKETS
        self._retired: set[_Port] = set()

    def send(self, question: Question) -> bool:
        """Send a question, or tell that it cannot be."""
        try:
            self._send(question)
        except OSError:
            # A socket keeps the address that this machine had when it was opened, so after a change
            # none of them works. New ones may.
            for port in self._ports:
                if port is not None:
                    self.retire(port)
            try:
                self._send(question)
            except OSError:
                return False
        return True

    def _send(self, question: Question) -> None:
        port = self._port()
        number = self._random.unused(port.pending)
        bits = self._random.number(len(question.wire_name))
        data = question.write(number, randomise_case(question.wire_name, bits))
        # Where it is more than the system takes at once, it is as if it was lost on its way.
        with suppress(BlockingIOError):
            port.sock.send(data)
            question.was_sent = True
        port.asked += 1
        question.wait_at(port)

    def _port(self) -> _Port:
        slot = self._random.number(1) % SOCKETS
        port = self._ports[slot]
        if port is not None and port.asked >= QUESTIONS_PER_SOCKET:
            self.retire(port)
            port = None
        if port is None:
            port = self._ports[slot] = _Port(self, self._peer.resolver)
            asyncio.get_running_loop().add_reader(port.sock.fileno(), self._read, port)
        return port

    def retire(self, port: _Port) -> None:
        """Ask nothing more at a socket. It stays for as long as anybody waits at it."""
        self._ports = [None if one is port else one for one in self._ports]
        self._retired.add(port)
        for one in [one for one in self._retired if not one.pending]:
            self._retired.discard(one)
            _close(one)

    def _read(self, port: _Port) -> None:
        """Take what has arrived at a socket, up to a batch."""
        for _ in range(BATCH):
            try:
                data = port.sock.recv(_MAX_DATAGRAM)
            except BlockingIOError, InterruptedError:
                return
            except OSError:
                # Nobody listens there (ICMP): no use in waiting. Or what was read just now led to
                # another question, and that to another port in place of this one.
                if port.sock.fileno() >= 0:
                    self._fail(port)
                return
            question = port.pending.get(int.from_bytes(data[:2]))
            if question is None:
                continue
            try:
                answer = read_answer(data, question.sent, has_edns=question.has_edns)
            except Malformed:
                if question.is_not_understood_in(data):
                    question.let_go()
                    self._peer.not_understood(question, is_stream=False)
                elif question.is_repeated_in(data):
                    question.let_go()
                    self._peer.misread(question, is_stream=False)
                # Else somebody guesses; the true one may still come.
                continue
            question.let_go()
            self._peer.heard(question, answer, is_stream=False)

    def _fail(self, port: _Port) -> None:
        self._peer.failed()
        waiting = list(port.pending.values())
        for question in waiting:
            question.let_go()
        self.retire(port)
        for question in waiting:
            self._peer.lost(question)

    def close(self) -> None:
        """Close every socket; what waits there goes on."""
        ports = [one for one in (*self._ports, *self._retired) if one is not None]
        self._ports = [None] * SOCKETS
        self._retired.clear()
        waiting = [question for port in ports for question in port.pending.values()]
        for port in ports:
            _close(port)
        for question in waiting:
            question.let_go()
            self._peer.lost(question)


def _close(port: _Port) -> None:
    asyncio.get_running_loop().remove_reader(port.sock.fileno())
    port.sock.close()
