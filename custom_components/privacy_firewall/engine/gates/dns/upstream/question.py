"""One question under way: what is asked, who waits for it, and what is still to be tried."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import call
import os
import ssl
from typing import Protocol

from ....errors import EngineError
from ....naming import Resolver
from ..answer import Answer
from ..message import FORMAT_ERROR, HEADER, OPT_SIZE, write_question


class ResolverError(EngineError):
    """No resolver answered, or the question may not be asked any more."""


class Done(Protocol):
    """Is told once what was answered, or None where nobody did, and whether it was sent."""

    def __call__(self, answer: Answer | None, *, was_sent: bool) -> None:
        """Take it."""
        ...


class Holder(Protocol):
    """Where a question waits for its answer: a UDP socket, or a connection."""

    pending: dict[int, Question]

    def doubt(self, sent_at: float) -> None:
        """Take note that what was sent then was not answered in time."""
        ...


class Peer(Protocol):
    """One resolver: what its sockets know of it, and what they tell it."""

    resolver: Resolver
    answered_at: float
    """When it answered last, by the monotonic clock."""

    @property
    def trust(self) -> ssl.SSLContext | None:
        """Return what verifies its certificate."""
        ...

    def send(self, question: Question, *, is_stream: bool) -> bool:
        """Send a question, or tell that it cannot be."""
        ...

    def heard(self, question: Question, answer: Answer, *, is_stream: bool) -> None:
        """Take an answer."""
        ...

    def misread(self, question: Question, *, is_stream: bool) -> None:
        """Take note that its answer is none that can be read."""
        ...

    def not_understood(self, question: Question, *, is_stream: bool) -> None:
        """Take note that it says no more than that it does not understand."""
        ...

    def lost(self, question: Question) -> None:
        """Take note that no answer can come any more where a question waited."""
        ...

    def cut(self, question: Question) -> None:
        """Take note that a connection that answered others ended before this one's turn."""
        ...

    def failed(self) -> None:
        """Take note that it does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """A resolver, and whether it is asked over a stream."""

    peer: Peer
    is_stream: bool


@dataclass(slots=True, eq=False)
class Question:
    """One question under way, for everybody who asks the same."""

    wire_name: bytes
    kind: int
    dnssec_ok: bool
    checking_disabled: bool
    ways: list[Way] = field(default_factory=list[Way])
    """What is still to be tried, last first."""
    waiters: list[Done] = field(default_factory=list[Done])
    allowed: list[Callable[[], bool]] = field(default_factory=list[Callable[[], bool]])
    error: Answer | None = None
    """An answer that is an error: given where nobody knows better."""
    sent: bytes = b""
    number: int = 0
    holder: Holder | None = None
    peer: Peer | None = None
    attempt: int = 0
    """Counts the ways tried; one more once it is over."""
    was_cut: bool = False
    was_sent: bool = False
    """Whether it left this machine, as far as the system took it."""
    is_over: bool = False
    has_edns: bool = True
    """Whether it was sent with EDNS last."""
    without_edns: list[Peer] = field(default_factory=list[Peer])
    """Who did not understand it with EDNS."""

    @property
    def key(self) -> tuple[bytes, int, bool, bool]:
        """Return what is asked."""
        return self.wire_name, self.kind, self.dnssec_ok, self.checking_disabled

    def may_be_sent(self) -> bool:
        """Tell whether anybody who asks it still may."""
        return any(map(call, self.allowed))

    def write(self, number: int, wire_name: bytes) -> bytes:
        """Return it as bytes, and keep them: an answer repeats them."""
        self.number = number
        self.sent = write_question(
            number,
            wire_name,
            self.kind,
            dnssec_ok=self.dnssec_ok,
            checking_disabled=self.checking_disabled,
            has_edns=self.has_edns,
        )
        return self.sent

    def wait_at(self, holder: Holder) -> None:
        """Wait for the answer where it was sent."""
        holder.pending[self.number] = self
        self.holder = holder

    def let_go(self) -> None:
        """Wait no longer where it was sent last."""
        if self.holder is not None:
            self.holder.pending.pop(self.number, None)
            self.holder = None

    def is_repeated_in(self, data: bytes) -> bool:
        """Tell whether bytes with its number say to be its answer, whatever the letters' case."""
        end = len(self.sent) - OPT_SIZE * self.has_edns
        return data[2:3] >= b"\x80" and data[12:end].lower() == self.sent[12:end].lower()

    def is_not_understood_in(self, data: bytes) -> bool:
        """Tell whether bytes with its number say no more than that: a head and no question.

        So may those answer that do not know EDNS (RFC 6891, section 7).
        """
        return (
            self.has_edns
            and len(data) == HEADER.size
            and data[2] & 0xF8 == 0x80
            and data[3] & 0xF == FORMAT_ERROR
            and not any(data[4:])
        )


class Random:
    """Random numbers from the system, fetched some thousand bytes at a time."""

    def __init__(self) -> None:
        """Start with none."""
        self._bytes = b""
        self._at = 0

    def number(self, size: int) -> int:
        """Return a number of so many bytes."""
        if self._at + size > len(self._bytes):
            self._bytes, self._at = os.urandom(4_096), 0
        self._at += size
        return int.from_bytes(self._bytes[self._at - size : self._at])

    def unused(self, pending: dict[int, Question]) -> int:
        """Return a question's number that waits for no answer."""
        while (number := self.number(2)) in pending:
            pass
        return number
