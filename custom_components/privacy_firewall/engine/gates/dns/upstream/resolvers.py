"""Which resolver is asked next, over what, and for how long it is waited for."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
import logging
from math import inf
import ssl
from time import monotonic

from ....naming import Resolver
from ..answer import Answer
from ..message import FORMAT_ERROR, NOT_IMPLEMENTED, REFUSED, SERVER_FAILURE
from .datagrams import Datagrams
from .hearing import Hearing
from .question import Done, Peer, Question, Random, ResolverError, Way
from .streams import Stream

TRY_SECONDS = 2.0
"""Seconds after which the next way is tried, connecting included."""
TRIES = 3
"""Ways tried for one question: over all resolvers in turn, the last of them over TCP."""
MAX_UNDER_WAY = 4_000
"""Different questions under way at the same time."""
AVOID_SECONDS = 30.0
"""Seconds for which a resolver that did not answer comes after the others."""
PLAIN_SECONDS = 3600.0
"""Seconds for which a resolver that does not know EDNS is asked without."""

_ERRORS = frozenset({FORMAT_ERROR, SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED})
"""What another resolver may know better."""

_LOGGER = logging.getLogger(__name__)


class Resolvers:
    """Asks the resolvers in their order; one that does not answer comes last for a while."""

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        *,
        trust: ssl.SSLContext | None = None,
        on_hearing: Callable[[], None] | None = None,
    ) -> None:
        """Keep whom to ask. `trust` verifies certificates; by default the system's roots do.

        `on_hearing` is called when none of them answers any more, and when one does again.
        """
        self.random = Random()
        self.trust = trust
        self.hearing = Hearing(on_hearing or _nothing)
        self._peers = [_Peer(one, self, self.hearing) for one in resolvers]
        self._under_way: dict[tuple[bytes, int, bool, bool], Question] = {}
        self._due: list[Question] = []
        self._sent: deque[tuple[float, Question, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._has_failed = False
        self._has_said = False
        self._usual = self._ways_over(self._peers)
        self._diverted: tuple[bytes, _Peer] | None = None

    async def open(self) -> None:
        """Get ready; nothing is connected before the first question."""
        if self.trust is None and any(peer.resolver.tls_name for peer in self._peers):
            # It reads the roots from the disk.
            self.trust = await asyncio.to_thread(ssl.create_default_context)
        self._is_open = True

    async def close(self) -> None:
        """End everything; what is under way is not answered."""
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sent.clear()
        for question in list(self._under_way.values()):
            question.let_go()
            self._finish(question, None)
        for peer in self._peers:
            await peer.close()
        await self.divert(b"", None)

    async def ask(
        self,
        wire_name: bytes,
        kind: int,
        *,
        dnssec_ok: bool = False,
        checking_disabled: bool = False,
        may_send: Callable[[], bool] | None = None,
    ) -> Answer:
        """Ask and wait for the answer, as `start` does; raises `ResolverError`."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(answer: Answer | None, *, was_sent: bool) -> None:  # noqa: ARG001 - for others
            if waiter.done():
                return
            if answer is None:
                waiter.set_exception(ResolverError("no resolver answered"))
            else:
                waiter.set_result(answer)

        self.start(
            wire_name,
            kind,
            done,
            dnssec_ok=dnssec_ok,
            checking_disabled=checking_disabled,
            may_send=may_send,
        )
        return await waiter

    def start(
        self,
        wire_name: bytes,
        kind: int,
        done: Done,
        *,
        dnssec_ok: bool = False,
        checking_disabled: bool = False,
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        """Ask for a name (lower case, as on the wire) and a type; `done` may be called at once.

        It goes out with all others of this turn of the loop. `may_send` is asked right before, each
        time. Who asks what is under way already gets that one's answer.
        """
        question = self._under_way.get((wire_name, kind, dnssec_ok, checking_disabled))
        is_new = question is None
        if question is None:
            if not self._is_open or len(self._under_way) >= MAX_UNDER_WAY:
                done(None, was_sent=False)
                return
            ways = self._ways() if self._diverted is None else self._ways_for(wire_name)
            question = Question(wire_name, kind, dnssec_ok, checking_disabled, ways)
            self._under_way[question.key] = question
        question.waiters.append(done)
        question.allowed.append(may_send or _always)
        if is_new:
            if not self._due:
                asyncio.get_running_loop().call_soon(self._send_due)
            self._due.append(question)

    def _send_due(self) -> None:
        """Send what this turn of the loop brought, one after the other.

        Whoever reads it is woken once for many, which else costs as much as all of the rest.
        """
        due, self._due = self._due, []
        for question in due:
            if question.is_over:
                continue
            try:
                self.go_on(question)
            except Exception as err:  # noqa: BLE001 - the others are sent
                # Not the message: it may quote a name.
                _LOGGER.error("A question was not sent: %s", type(err).__name__)  # noqa: TRY400
                question.let_go()
                self._finish(question, None)

    def _ways(self) -> list[Way]:
        """Return what is to be tried, last first."""
        if not self._has_failed:
            return self._usual.copy()
        now = monotonic()
        self._has_failed = any(peer.is_avoided(now) for peer in self._peers)
        peers = sorted(self._peers, key=lambda peer: peer.is_avoided(now))
        return self._ways_over(peers)

    async def divert(self, zone: bytes, resolver: Resolver | None) -> None:
        """Ask another resolver, once, for names below a zone (lower case, as on the wire).

        For the self-test, whose names are nobody else's business. None ends it.
        """
        diverted, self._diverted = self._diverted, None
        if diverted is not None:
            await diverted[1].close()
        if resolver is not None:
            self._diverted = zone, _Peer(resolver, self)

    def _ways_for(self, wire_name: bytes) -> list[Way]:
        if self._diverted is not None and wire_name.endswith(self._diverted[0]):
            return [Way(self._diverted[1], is_stream=False)]
        return self._ways()

    def note_failure(self, peer: _Peer) -> None:
        """Take note that a resolver did not answer; say so once where another is in the clear."""
        self._has_failed = True
        if peer.resolver.tls_name is None or self._has_said:
            return
        if any(one.resolver.tls_name is None for one in self._peers):
            self._has_said = True
            _LOGGER.warning(
                "A resolver does not answer over TLS; those stated without a name are asked "
                "instead, in the clear"
            )

    def _ways_over(self, peers: Sequence[Peer]) -> list[Way]:
        if not peers:
            return []
        ways = [Way(peers[turn % len(peers)], is_stream=False) for turn in range(TRIES)]
        # A box in between may lose datagrams, or change the case of letters.
        ways[-1] = Way(ways[-1].peer, is_stream=True)
        ways.reverse()
        return ways

    # --- What peers tell ---

    def go_on(self, question: Question) -> None:
        """Try the next way; without one, answer with what there is."""
        while question.ways and question.may_be_sent():
            way = question.ways.pop()
            question.attempt += 1
            question.peer = way.peer
            if way.peer.send(question, is_stream=way.is_stream):
                self._note_sent(question)
                return
        if question.error is None and question.may_be_sent() and not self._is_diverted(question):
            self.hearing.unanswered(question.wire_name)
        self._finish(question, question.error)

    def _is_diverted(self, question: Question) -> bool:
        return self._diverted is not None and question.wire_name.endswith(self._diverted[0])

    def _note_sent(self, question: Question) -> None:
        while self._sent and self._sent[0][1].is_over:
            self._sent.popleft()
        self._sent.append((monotonic(), question, question.attempt))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TRY_SECONDS, self._look)

    def take(self, question: Question, answer: Answer, peer: _Peer, *, is_stream: bool) -> None:
        """Take an answer to a question that waits no longer where it was sent."""
        if peer.resolver.tls_name is not None:
            self._has_said = False
        if answer.truncated and not is_stream:
            question.ways.append(Way(peer, is_stream=True))
            self.go_on(question)
        elif answer.rcode in _ERRORS:
            question.error = answer
            # Another may know; the same one would say the same.
            question.ways = [way for way in question.ways if way.peer is not peer]
            self.go_on(question)
        else:
            self._finish(question, answer)

    def _finish(self, question: Question, answer: Answer | None) -> None:
        question.is_over = True
        question.attempt += 1
        self._under_way.pop(question.key, None)
        for done in question.waiters:
            try:
                done(answer, was_sent=question.was_sent)
            except Exception as err:  # noqa: BLE001 - the others who wait get theirs
                # Not the message: it may quote a name.
                _LOGGER.error("An answer met an error: %s", type(err).__name__)  # noqa: TRY400

    def _look(self) -> None:
        """Give up what takes too long. All have the same time, so the oldest stand first."""
        self._timer = None
        now = monotonic()
        while self._sent:
            sent_at, question, attempt = self._sent[0]
            if question.attempt == attempt:
                left = sent_at + TRY_SECONDS - now
                if left > 0:
                    self._timer = asyncio.get_running_loop().call_later(left, self._look)
                    return
            self._sent.popleft()
            if question.attempt == attempt:
                self._give_up(question, sent_at)

    def _give_up(self, question: Question, sent_at: float) -> None:
        """Wait no longer for what was sent then, and try the next way."""
        holder, peer = question.holder, question.peer
        question.let_go()
        if holder is not None:
            holder.doubt(sent_at)
        # Where others were answered meanwhile it is the name that is slow.
        if peer is not None and peer.answered_at < sent_at:
            peer.failed()
        self.go_on(question)


def _always() -> bool:
    return True


def _nothing() -> None:
    pass


class _Peer:
    """One resolver, and all that leads to it."""

    def __init__(
        self, resolver: Resolver, owner: Resolvers, hearing: Hearing | None = None
    ) -> None:
        """Start with nothing open. `hearing` is told of answers, but for the self-test's."""
        self.resolver = resolver
        self.failed_at = -inf
        self.answered_at = -inf
        self._plain_until = -inf
        self._owner = owner
        self._hearing = hearing
        self._datagrams = Datagrams(self, owner.random)
        self._stream = Stream(self, owner.random)

    @property
    def trust(self) -> ssl.SSLContext | None:
        """Return what verifies its certificate."""
        return self._owner.trust

    def is_avoided(self, now: float) -> bool:
        """Tell whether it did not answer of late."""
        return now - self.failed_at < AVOID_SECONDS

    def send(self, question: Question, *, is_stream: bool) -> bool:
        """Send a question, or tell that it cannot be."""
        question.has_edns = self not in question.without_edns and (
            self._plain_until == -inf or self._plain_until <= monotonic()
        )
        if is_stream or self.resolver.tls_name is not None:
            self._stream.send(question)
            return True
        if self._datagrams.send(question):
            return True
        self.failed()
        return False

    def heard(self, question: Question, answer: Answer, *, is_stream: bool) -> None:
        """Take an answer."""
        if answer.rcode == FORMAT_ERROR and question.has_edns:
            self.not_understood(question, is_stream=is_stream)
            return
        self._note_heard()
        if answer.rcode != FORMAT_ERROR and self in question.without_edns:
            self._plain_until = self.answered_at + PLAIN_SECONDS
        self._owner.take(question, answer, self, is_stream=is_stream)

    def _note_heard(self) -> None:
        self.answered_at = monotonic()
        self.failed_at = -inf
        if self._hearing is not None:
            self._hearing.heard(self.answered_at)

    def not_understood(self, question: Question, *, is_stream: bool) -> None:
        """Ask again without EDNS, which it may not know (RFC 6891, section 7).

        Only if it understands that, it is asked so for a while: else it meant something else.
        """
        self._note_heard()
        question.without_edns.append(self)
        question.ways.append(Way(self, is_stream=is_stream))
        self._owner.go_on(question)

    def misread(self, question: Question, *, is_stream: bool) -> None:
        """Go on at once: over a stream there is no box that changes letters, and no guessing."""
        if is_stream:
            question.ways = [way for way in question.ways if way.peer is not self]
        else:
            question.ways.append(Way(self, is_stream=True))
        self._owner.go_on(question)

    def lost(self, question: Question) -> None:
        """Go on: no answer can come any more where it waited."""
        self._owner.go_on(question)

    def cut(self, question: Question) -> None:
        """Ask again over a new connection, once: it was the connection's fault."""
        if not question.was_cut:
            question.was_cut = True
            question.ways.append(Way(self, is_stream=True))
        self._owner.go_on(question)

    def failed(self) -> None:
        """Take note that it does not answer."""
        self.failed_at = monotonic()
        self._owner.note_failure(self)

    async def close(self) -> None:
        """Close every socket and connection."""
        self._datagrams.close()
        await self._stream.close()
