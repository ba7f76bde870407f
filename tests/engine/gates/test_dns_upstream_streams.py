"""Connections to resolvers: verified, shared by many questions, and never in the clear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import socket
import ssl
import threading

from authority import Authority
import dns.flags
import dns.name
import pytest
from resolver import Resolver

from engine.gates.dns.upstream import ResolverError, Resolvers, resolvers, streams
from engine.naming import Resolver as Stated

NAME = dns.name.from_text("api.vendor.example").to_wire()
ZONE = {("api.vendor.example", "A"): ["@ 60 A 203.0.113.9"]}
ADDRESS = (bytes([203, 0, 113, 9]),)
HOST = "dns.example"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.4)
    monkeypatch.setattr(streams, "CONNECT_SECONDS", 1.0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def served(authority: Authority) -> AsyncIterator[Resolver]:
    async with Resolver(zone=dict(ZONE), server=authority.server(HOST)).open() as made:
        yield made


@asynccontextmanager
async def asked(authority: Authority, *stated: Resolver) -> AsyncIterator[Resolvers]:
    """Over TLS the first of them, in the clear all others."""
    made = Resolvers(
        [
            Stated(address="127.0.0.1", port=one.port, tls_name=None if number else HOST)
            for number, one in enumerate(stated)
        ],
        trust=authority.trust(),
    )
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def many(count: int) -> list[bytes]:
    return [dns.name.from_text(f"n{one}.example").to_wire() for one in range(count)]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_many_are_asked_at_once_and_answered_in_any_order(
    authority: Authority, served: Resolver
) -> None:
    """Each gets its own answer, though the last that was asked is the first that is answered."""
    held: list[bytes] = []

    def answering(data: bytes, over: str) -> list[bytes]:
        held.append(served.usual(data))
        return held[::-1] if len(held) == 31 else []

    served.zone |= {(f"n{one}.example", "A"): [f"@ 60 A 203.0.113.{one}"] for one in range(30)}
    served.answering = answering
    async with asked(authority, served) as asking:
        answers = await asyncio.gather(*(asking.ask(one, 1) for one in [*many(30), NAME]))
    assert [one.addresses[0][3] for one in answers] == [*range(30), 9]
    assert served.connections == 1
    assert {one.over for one in served.seen} == {"tls"}
    assert len({one.message.id for one in served.seen}) == 31


@pytest.mark.parametrize("wrong", ["name", "time", "roots", "no TLS at all"])
async def test_whoever_is_not_who_was_stated_is_told_nothing(
    authority: Authority, tmp_path: Path, wrong: str
) -> None:
    """And it is not asked in the clear instead."""
    other = tmp_path / "other"
    other.mkdir()
    server = {
        "name": lambda: authority.server("other.example"),
        "time": lambda: authority.server("dns.example", days=-1),
        "roots": lambda: Authority(other).server("dns.example"),
        "no TLS at all": lambda: None,
    }[wrong]()
    served = Resolver(zone=dict(ZONE), server=server)
    async with served.open(), asked(authority, served) as asking:
        with pytest.raises(ResolverError):
            await asking.ask(NAME, 1)
        assert not [one for one in served.seen if b"ndor" in one.data.lower()]


async def test_another_in_the_clear_takes_over_only_with_a_word_about_it(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers, "AVOID_SECONDS", 0.0)
    served = Resolver(zone=dict(ZONE), server=authority.server("other.example"))
    async with served.open(), Resolver(zone=dict(ZONE)).open() as other:
        async with asked(authority, served, other) as asking:
            for _ in range(3):
                assert (await asking.ask(NAME, 1)).addresses == ADDRESS
        assert len(other.seen) == 3
    assert caplog.text.count("in the clear") == 1
    assert "vendor" not in caplog.text


async def test_what_is_no_answer_concerns_nobody_else(
    authority: Authority, served: Resolver
) -> None:
    """Whoever has a name with such an answer could keep everybody else from theirs."""

    def answering(data: bytes, over: str) -> list[bytes]:
        return [data[:2] + b"garbage" if b"vendor" in data else served.usual(data)]

    served.answering = answering
    async with asked(authority, served) as asking:
        asks = [asking.ask(NAME, 1), *(asking.ask(one, 1) for one in many(5))]
        async with asyncio.timeout(0.3):
            broken, *others = await asyncio.gather(*asks, return_exceptions=True)
        assert isinstance(broken, ResolverError)
        assert {one.rcode for one in others} == {3}
        assert served.connections == 1
        assert len(served.seen) == 6
        served.answering = None
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS


async def test_a_connection_that_was_ended_is_made_again(
    authority: Authority, served: Resolver
) -> None:
    """What was under way is asked again; that a server ends one says nothing against it."""
    async with Resolver(zone=dict(ZONE)).open() as other, asked(authority, served, other) as asking:
        for _ in range(3):
            assert (await asking.ask(NAME, 1)).addresses == ADDRESS
            served.hang_up()
            await asyncio.sleep(0.02)
        assert served.connections == 3

        def answering(data: bytes, over: str) -> list[bytes]:
            if len(served.seen) <= len(before) + 20:
                served.hang_up()
                return []
            return [served.usual(data)]

        await asking.ask(NAME, 1)
        before = list(served.seen)
        served.answering = answering
        answers = await asyncio.gather(*(asking.ask(one, 1) for one in many(20)))
        assert {one.rcode for one in answers} == {3}
        assert served.connections == 5
        assert not other.seen


async def test_who_always_ends_the_connection_is_not_asked_for_ever(
    authority: Authority, served: Resolver
) -> None:
    def answering(data: bytes, over: str) -> list[bytes]:
        served.hang_up()
        return []

    async with asked(authority, served) as asking:
        await asking.ask(NAME, 1)
        served.answering = answering
        with pytest.raises(ResolverError):
            await asking.ask(NAME, 1)
        # Of those that end a connection the first is held against the connection.
        assert len(served.seen) == 1 + 1 + resolvers.TRIES


async def test_who_is_always_cut_off_does_not_ask_for_ever(
    authority: Authority, served: Resolver
) -> None:
    """Though every connection answers somebody else before it ends."""

    def answering(data: bytes, over: str) -> list[bytes]:
        if b"vendor" in data:
            return []
        asyncio.get_running_loop().call_later(0.01, served.hang_up)
        return [served.usual(data)]

    served.answering = answering
    async with asked(authority, served) as asking:
        task = asyncio.create_task(asking.ask(NAME, 1))
        for one in many(10):
            await asking.ask(one, 1)
            await asyncio.sleep(0.03)
        with pytest.raises(ResolverError):
            await task
        assert sum(b"vendor" in one.data for one in served.seen) == resolvers.TRIES + 1


async def test_a_connection_that_went_silent_is_left(
    authority: Authority, served: Resolver
) -> None:
    """A router that forgot it drops everything, without a word."""
    async with asked(authority, served) as asking:
        await asking.ask(NAME, 1)
        served.answering = lambda data, over: [] if served.connections == 1 else [
            served.usual(data)
        ]  # fmt: skip
        answers = await asyncio.gather(*(asking.ask(one, 1) for one in [NAME, *many(20)]))
        assert answers[0].addresses == ADDRESS
        assert served.connections == 2


async def test_a_name_that_is_slow_ends_no_connection(
    authority: Authority, served: Resolver
) -> None:
    slow = dns.name.from_text("slow.example").to_wire()
    served.answering = lambda data, over: [] if b"slow" in data else [served.usual(data)]
    async with asked(authority, served) as asking:
        task = asyncio.create_task(asking.ask(slow, 1))
        while not task.done():
            await asking.ask(NAME, 1)
            await asyncio.sleep(0.02)
        with pytest.raises(ResolverError):
            await task
        assert served.connections == 1


async def test_a_connection_without_questions_is_closed(
    authority: Authority, served: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IDLE_SECONDS", 0.1)
    async with asked(authority, served) as asking:
        before = open_files()
        await asking.ask(NAME, 1)
        await asyncio.sleep(0.3)
        assert open_files() <= before
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS
        assert served.connections == 2


async def test_an_answer_of_the_greatest_length_is_read(
    authority: Authority, served: Resolver
) -> None:
    text = " ".join(f'"{"t" * 250}"' for _ in range(255))
    served.zone["api.vendor.example", "TXT"] = [f"@ 60 TXT {text}"]
    async with asked(authority, served) as asking:
        assert len((await asking.ask(NAME, 16)).records) > 64_000


async def test_over_tcp_as_well_what_is_cut_is_asked_at_once_over_one_connection() -> None:
    async with Resolver(zone=dict(ZONE)).open() as served:
        served.answering = lambda data, over: [
            served.usual(data, flags=dns.flags.TC if over == "udp" else 0)
        ]
        made = Resolvers([Stated(address="127.0.0.1", port=served.port)])
        await made.open()
        answers = await asyncio.gather(*(made.ask(one, 1) for one in many(30)))
        assert {(one.rcode, one.truncated) for one in answers} == {(3, False)}
        assert served.connections == 1
        await made.close()


class Frozen(threading.Thread):
    """A TLS server that answers one question and then does nothing at all any more."""

    def __init__(self, server: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.is_over = threading.Event()

    def run(self) -> None:
        sock, _ = self._listening.accept()
        with self._listening, self._server.wrap_socket(sock, server_side=True) as connection:
            data = connection.recv(int.from_bytes(connection.recv(2)))
            answer = Resolver(zone=dict(ZONE)).usual(data)
            connection.sendall(len(answer).to_bytes(2) + answer)
            self.is_over.wait(10.0)


@pytest.mark.parametrize("has_question", [False, True])
async def test_closing_leaves_nothing_open_and_waits_for_nobody(
    authority: Authority, has_question: bool
) -> None:
    """Not even for the other side's farewell (RFC 8446, section 6.1)."""
    frozen = Frozen(authority.server(HOST))
    frozen.start()
    made = Resolvers(
        [Stated(address="127.0.0.1", port=frozen.port, tls_name=HOST)], trust=authority.trust()
    )
    await made.open()
    before = open_files()
    assert (await made.ask(NAME, 1)).addresses == ADDRESS
    task = asyncio.create_task(made.ask(NAME, 28)) if has_question else None
    await asyncio.sleep(0.02)
    async with asyncio.timeout(0.3):
        await made.close()
    if task is not None:
        with pytest.raises(ResolverError):
            await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    # The server's end of it is still open.
    assert open_files() == before + 1
    frozen.is_over.set()
    frozen.join()


async def test_closing_ends_a_connection_in_the_making(authority: Authority) -> None:
    """To somebody who takes it and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stated = Stated(address="127.0.0.1", port=silent.getsockname()[1], tls_name=HOST)
        made = Resolvers([stated], trust=authority.trust())
        await made.open()
        before = open_files()
        task = asyncio.create_task(made.ask(NAME, 1))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(0.3):
            await made.close()
        with pytest.raises(ResolverError):
            await task
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert open_files() <= before
