"""The resolvers: asked so that nobody else can answer, and tried in turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
import errno
import itertools
from pathlib import Path
import shutil
import socket

import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest
from resolver import Resolver

from engine.gates.dns.answer import Answer
from engine.gates.dns.upstream import ResolverError, Resolvers, datagrams, resolvers
from engine.naming import Resolver as Stated

NAME = dns.name.from_text("api.vendor.example").to_wire()
ZONE = {("api.vendor.example", "A"): ["@ 60 A 203.0.113.9"]}
ADDRESS = (bytes([203, 0, 113, 9]),)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvers, "TRY_SECONDS", 0.4)


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    async with Resolver(zone=dict(ZONE)).open() as made:
        yield made


@pytest.fixture
async def other() -> AsyncIterator[Resolver]:
    async with Resolver(zone=dict(ZONE)).open() as made:
        yield made


@pytest.fixture
async def asking(resolver: Resolver) -> AsyncIterator[Resolvers]:
    async for made in opened(resolver):
        yield made


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def opened(*asked: Resolver) -> AsyncIterator[Resolvers]:
    made = Resolvers([Stated(address="127.0.0.1", port=one.port) for one in asked])
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def test_a_question_is_answered(asking: Resolvers, resolver: Resolver) -> None:
    answer = await asking.ask(NAME, 1)
    assert (answer.addresses, answer.ttl) == (ADDRESS, 60)
    [seen] = resolver.seen
    assert seen.message.options == ()
    assert seen.message.flags == dns.flags.RD
    assert not seen.message.ednsflags & dns.flags.DO
    await asking.ask(NAME, 28, dnssec_ok=True, checking_disabled=True)
    assert resolver.seen[1].message.ednsflags & dns.flags.DO
    assert resolver.seen[1].message.flags & dns.flags.CD


async def test_number_port_and_letter_case_cannot_be_guessed(
    asking: Resolvers, resolver: Resolver
) -> None:
    for _ in range(300):
        await asking.ask(NAME, 1)
    numbers = [one.message.id for one in resolver.seen]
    assert len(set(numbers)) > 290
    steps = {(later - number) % 65536 for number, later in itertools.pairwise(numbers)}
    assert len(steps) > 280
    assert len({one.port for one in resolver.seen}) >= 6
    assert len({one.name for one in resolver.seen}) > 290
    assert {one.name.lower() for one in resolver.seen} == {"api.vendor.example"}


async def test_ports_are_given_up_and_closed(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "QUESTIONS_PER_SOCKET", 3)
    before = open_files()
    for _ in range(200):
        await asking.ask(NAME, 1)
    assert len({one.port for one in resolver.seen}) > 40
    assert open_files() - before <= 2 * datagrams.SOCKETS
    await asking.close()
    assert open_files() <= before


async def test_who_guesses_wrong_is_not_heard(asking: Resolvers, resolver: Resolver) -> None:
    def answering(data: bytes, over: str) -> list[bytes]:
        good = resolver.usual(data)
        bad = bytes([203, 0, 113, 66])
        forged = [
            bytes([good[0] ^ 1]) + good[1:],
            good[:20] + b"x" + good[21:],
            good[:30] + b"\xff" + good[31:],
            good[:2] + b"\x01" + good[3:],
            good[:25],
            b"",
        ]
        return [*(one.replace(ADDRESS[0], bad) for one in forged), good]

    resolver.answering = answering
    for _ in range(20):
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS


async def test_who_answers_from_elsewhere_is_not_heard(
    asking: Resolvers, resolver: Resolver
) -> None:
    """From another port or another address, though everything else is right."""

    def answering(data: bytes, over: str) -> list[bytes]:
        bad = resolver.usual(data).replace(ADDRESS[0], bytes([203, 0, 113, 66]))
        for address in ("127.0.0.1", "127.0.0.2"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((address, 0))
                sock.sendto(bad, ("127.0.0.1", resolver.seen[-1].port))
        return [resolver.usual(data)]

    resolver.answering = answering
    for _ in range(20):
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert len(resolver.seen) == 20


async def test_letters_in_another_case_are_asked_again_over_tcp_at_once(
    asking: Resolvers, resolver: Resolver
) -> None:
    """Some routers answer in lower case: no use in waiting for anything better."""

    def answering(data: bytes, over: str) -> list[bytes]:
        if over == "udp":
            bad = resolver.usual(data[:12] + data[12:32].lower() + data[32:])
            return [bad.replace(ADDRESS[0], bytes([203, 0, 113, 66]))]
        return [resolver.usual(data)]

    resolver.answering = answering
    async with asyncio.timeout(0.3):
        for _ in range(20):
            assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert resolver.connections == 1


async def test_what_comes_too_late_is_not_heard(asking: Resolvers, resolver: Resolver) -> None:
    def answering(data: bytes, over: str) -> list[bytes]:
        resolver.delay = 0.0
        good = resolver.usual(data)
        is_late = len(resolver.seen) == 1
        return [good.replace(ADDRESS[0], bytes([203, 0, 113, 66])) if is_late else good]

    resolver.answering = answering
    resolver.delay = 0.5
    task = asyncio.create_task(asking.ask(NAME, 1))
    await asyncio.sleep(0.05)
    resolver.delay = 0.15
    assert (await task).addresses == ADDRESS
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS


async def test_silence_is_met_by_asking_again_and_at_last_over_tcp(
    asking: Resolvers, resolver: Resolver
) -> None:
    """A box in between may lose datagrams, or change the case of letters: TCP finds through."""
    resolver.answering = lambda data, over: [resolver.usual(data)] if over == "tcp" else []
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert [one.over for one in resolver.seen] == ["udp", "udp", "tcp"]
    assert resolver.seen[2].name == "api.vendor.example"


async def test_where_nobody_answers_that_is_an_error(asking: Resolvers, resolver: Resolver) -> None:
    resolver.answering = lambda data, over: []
    with pytest.raises(ResolverError) as caught:
        await asking.ask(NAME, 1)
    assert "vendor" not in str(caught.value)


async def test_what_is_cut_is_asked_for_over_tcp(asking: Resolvers, resolver: Resolver) -> None:
    def answering(data: bytes, over: str) -> list[bytes]:
        whole = resolver.usual(data, flags=dns.flags.TC if over == "udp" else 0)
        return [whole[:-10] if over == "udp" else whole]

    resolver.answering = answering
    answer = await asking.ask(NAME, 1)
    assert (answer.addresses, answer.truncated) == (ADDRESS, False)
    assert [one.over for one in resolver.seen] == ["udp", "tcp"]


async def test_the_next_is_asked_and_who_failed_comes_last_for_a_while(
    resolver: Resolver, other: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver.answering = lambda data, over: []
    async for asking in opened(resolver, other):
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS
        assert (len(resolver.seen), len(other.seen)) == (1, 1)
        await asking.ask(NAME, 1)
        assert (len(resolver.seen), len(other.seen)) == (1, 2)
        monkeypatch.setattr(resolvers, "AVOID_SECONDS", 0.0)
        resolver.answering = None
        await asking.ask(NAME, 1)
        assert (len(resolver.seen), len(other.seen)) == (2, 2)


async def test_a_port_where_nobody_listens_is_not_waited_for(other: Resolver) -> None:
    async with Resolver().open() as gone:
        pass
    await asyncio.sleep(0.01)
    async for asking in opened(gone, other):
        async with asyncio.timeout(0.3):
            assert (await asking.ask(NAME, 1)).addresses == ADDRESS


async def test_a_name_that_is_slow_is_not_the_resolvers_fault(
    resolver: Resolver, other: Resolver
) -> None:
    """Else whoever has such a name could choose which resolver is asked."""
    slow = dns.name.from_text("slow.example").to_wire()
    resolver.answering = lambda data, over: (
        [] if b"slow" in data.lower() else [resolver.usual(data)]
    )
    async for asking in opened(resolver, other):
        task = asyncio.create_task(asking.ask(slow, 1))
        while not other.seen:
            await asking.ask(NAME, 1)
            await asyncio.sleep(0.01)
        await task
        await asking.ask(NAME, 1)
        assert [one.name.lower() for one in other.seen] == ["slow.example"]


@pytest.mark.parametrize("errno", [errno.EINVAL, errno.ENETUNREACH, errno.ECONNREFUSED])
async def test_a_socket_that_cannot_send_any_more_is_given_up(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, errno: int
) -> None:
    """As all of them when this machine gets another address: each keeps the one it began with."""
    monkeypatch.setattr(datagrams, "SOCKETS", 1)
    await asking.ask(NAME, 1)
    [stale] = [port for port in asking._peers[0]._datagrams._ports if port is not None]
    before = open_files()

    class Stale:
        def send(self, _: bytes) -> int:
            raise OSError(errno, "")

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    real, stale.sock = stale.sock, Stale()
    for _ in range(3):
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert {one.over for one in resolver.seen} == {"udp"}
    assert resolver.seen[-1].port != resolver.seen[0].port
    assert open_files() <= before


async def test_what_the_system_does_not_take_is_as_lost(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again in a while; sending more at once would not make room."""
    full = [True]

    class Full:
        def send(self, data: bytes) -> int:
            if full.pop():
                raise BlockingIOError
            return real.send(data)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(datagrams, "SOCKETS", 1)
    await asking.ask(NAME, 1)
    [port] = [port for port in asking._peers[0]._datagrams._ports if port is not None]
    real, port.sock = port.sock, Full()
    begun = asyncio.get_running_loop().time()
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert asyncio.get_running_loop().time() - begun > 0.3
    assert [one.over for one in resolver.seen] == ["udp", "udp"]


async def test_after_an_outage_no_socket_is_left_over(
    asking: Resolvers, resolver: Resolver
) -> None:
    before = open_files()
    resolver.answering = lambda data, over: []
    names = [dns.name.from_text(f"n{one}.example").to_wire() for one in range(200)]
    await asyncio.gather(*(asking.ask(one, 1) for one in names), return_exceptions=True)
    resolver.answering = None
    resolver.hang_up()
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    await asyncio.sleep(0.05)
    assert open_files() - before <= 2 * datagrams.SOCKETS


async def test_a_question_from_within_an_answer_may_be_asked(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it takes the place of the socket that is being read."""
    monkeypatch.setattr(datagrams, "QUESTIONS_PER_SOCKET", 1)
    failed = []
    monkeypatch.setattr(asking, "note_failure", failed.append)
    waiter = asyncio.get_running_loop().create_future()
    left = 50

    def go_on(answer: Answer | None, *, was_sent: bool) -> None:
        nonlocal left
        left -= 1
        if answer is None or not left:
            waiter.set_result(answer)
        else:
            asking.start(NAME, 1, go_on)

    asking.start(NAME, 1, go_on)
    assert (await waiter).addresses == ADDRESS
    assert len(resolver.seen) == 50
    assert not failed


async def test_who_meets_an_error_does_not_keep_others_from_the_answer(
    asking: Resolvers, resolver: Resolver, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(answer: Answer | None, *, was_sent: bool) -> None:
        raise ValueError("api.vendor.example")

    resolver.delay = 0.05
    asking.start(NAME, 1, fails)
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    assert "ValueError" in caplog.text
    assert "vendor" not in caplog.text


@pytest.mark.parametrize("rcode", [1, 2, 4, 5])
async def test_a_failure_is_passed_on_where_nobody_knows_better(
    resolver: Resolver, other: Resolver, rcode: int
) -> None:
    resolver.answering = lambda data, over: [resolver.usual(data, rcode=rcode)]
    async for asking in opened(resolver, other):
        assert (await asking.ask(NAME, 1)).rcode == 0
    async for asking in opened(resolver):
        assert (await asking.ask(NAME, 1)).rcode == rcode
        # Not understood, it is asked once more without EDNS.
        assert len(resolver.seen) == (4 if rcode == dns.rcode.FORMERR else 2)


async def test_the_same_question_under_way_is_asked_once(
    asking: Resolvers, resolver: Resolver
) -> None:
    resolver.delay = 0.05
    answers = await asyncio.gather(*(asking.ask(NAME, 1) for _ in range(50)))
    assert {one.addresses for one in answers} == {ADDRESS}
    assert len(resolver.seen) == 1


async def test_who_no_longer_waits_does_not_keep_others_from_the_answer(
    asking: Resolvers, resolver: Resolver
) -> None:
    resolver.delay = 0.05
    first = asyncio.create_task(asking.ask(NAME, 1))
    second = asyncio.create_task(asking.ask(NAME, 1))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).addresses == ADDRESS


async def test_what_may_not_be_sent_any_more_is_not(asking: Resolvers, resolver: Resolver) -> None:
    with pytest.raises(ResolverError):
        await asking.ask(NAME, 1, may_send=lambda: False)
    assert not resolver.seen
    # Nor is it sent again.
    allowed = [True]
    resolver.answering = lambda data, over: []
    task = asyncio.create_task(asking.ask(NAME, 1, may_send=lambda: allowed[0]))
    await asyncio.sleep(0.05)
    allowed[0] = False
    with pytest.raises(ResolverError):
        await task
    assert len(resolver.seen) == 1


async def test_so_many_are_under_way_and_no_more(
    asking: Resolvers, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers, "MAX_UNDER_WAY", 5)
    resolver.delay = 0.05
    names = [dns.name.from_text(f"n{one}.example").to_wire() for one in range(9)]
    answers = await asyncio.gather(*(asking.ask(one, 1) for one in names), return_exceptions=True)
    assert sum(isinstance(one, ResolverError) for one in answers) == 4
    assert (await asking.ask(NAME, 1)).addresses == ADDRESS


async def test_closing_leaves_nobody_waiting(asking: Resolvers, resolver: Resolver) -> None:
    resolver.answering = lambda data, over: []
    task = asyncio.create_task(asking.ask(NAME, 1))
    await asyncio.sleep(0.02)
    await asking.close()
    with pytest.raises(ResolverError):
        await task
    with pytest.raises(ResolverError):
        await asking.ask(NAME, 1)


async def test_what_is_diverted_does_not_wait_for_who_is_gone(
    asking: Resolvers, resolver: Resolver, other: Resolver
) -> None:
    other.answering = lambda data, over: []
    zone = dns.name.from_text("vendor.example").to_wire()
    await asking.divert(zone, Stated(address="127.0.0.1", port=other.port))
    task = asyncio.create_task(asking.ask(NAME, 1))
    await asyncio.sleep(0.02)
    await asking.divert(zone, None)
    with pytest.raises(ResolverError):
        async with asyncio.timeout(0.1):
            await task
    assert not resolver.seen


async def test_dnsmasq_answers_and_what_is_too_long_comes_over_tcp(tmp_path: Path) -> None:
    found = shutil.which("dnsmasq") or shutil.which("/usr/sbin/dnsmasq")
    if found is None:
        pytest.skip("no dnsmasq on this machine (Debian: dnsmasq-base)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    text = ",".join("t" * 200 for _ in range(15))
    process = await asyncio.create_subprocess_exec(
        found, "--keep-in-foreground", f"--port={port}", "--listen-address=127.0.0.1",
        "--bind-interfaces", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=",
        "--user=root", "--local=/example/", "--host-record=api.vendor.example,203.0.113.9",
        f"--txt-record=long.vendor.example,{text}", "--local-ttl=60",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    made = Resolvers([Stated(address="127.0.0.1", port=port)])
    await made.open()
    try:
        async with asyncio.timeout(10.0):
            while True:
                with suppress(ResolverError):
                    answer = await made.ask(NAME, 1)
                    break
                await asyncio.sleep(0.1)
        assert (answer.addresses, answer.ttl) == (ADDRESS, 60)
        long = await made.ask(dns.name.from_text("long.vendor.example").to_wire(), 16)
        assert not long.truncated
        assert len(long.records) > 3_000
        assert (await made.ask(dns.name.from_text("no.vendor.example").to_wire(), 1)).rcode == 3
    finally:
        await made.close()
        process.terminate()
        await process.wait()
