"""The resolvers: asked so that nobody else can answer, tried in turn, and never in the clear."""

import asyncio
from collections.abc import AsyncIterator
import datetime as dt
import itertools
from pathlib import Path
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
import dns.flags
import dns.message
import dns.name
import pytest
from resolver import Resolver

from engine.gates.dns import upstream
from engine.gates.dns.upstream import ResolverError, Resolvers
from engine.naming import Resolver as Stated

NAME = dns.name.from_text("api.vendor.example").to_wire()
ZONE = {("api.vendor.example", "A"): ["@ 60 A 203.0.113.9"]}
ADDRESS = (bytes([203, 0, 113, 9]),)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TRY_SECONDS", 0.4)
    monkeypatch.setattr(upstream, "CONNECT_SECONDS", 1.0)


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


async def opened(
    *resolvers: Resolver, name: str | None = None, trust: ssl.SSLContext | None = None
) -> AsyncIterator[Resolvers]:
    made = Resolvers(
        [Stated(address="127.0.0.1", port=one.port, tls_name=name) for one in resolvers],
        trust=trust,
    )
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
    monkeypatch.setattr(upstream, "QUESTIONS_PER_SOCKET", 3)
    before = open_files()
    for _ in range(200):
        await asking.ask(NAME, 1)
    assert len({one.port for one in resolver.seen}) > 40
    assert open_files() - before <= 2 * upstream.SOCKETS
    await asking.close()
    assert open_files() <= before


async def test_who_guesses_wrong_is_not_heard(asking: Resolvers, resolver: Resolver) -> None:
    def answering(data: bytes, over: str) -> list[bytes]:
        good = resolver.usual(data)
        bad = bytes([203, 0, 113, 66])
        forged = [
            bytes([good[0] ^ 1]) + good[1:],
            good[:12] + good[12:20].swapcase() + good[20:],
            good[:30] + b"\xff" + good[31:],
            good[:25],
            b"",
        ]
        return [*(one.replace(ADDRESS[0], bad) for one in forged), good]

    resolver.answering = answering
    for _ in range(20):
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
        monkeypatch.setattr(upstream, "AVOID_SECONDS", 0.0)
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


@pytest.mark.parametrize("rcode", [2, 5])
async def test_a_failure_is_passed_on_where_nobody_knows_better(
    resolver: Resolver, other: Resolver, rcode: int
) -> None:
    resolver.answering = lambda data, over: [resolver.usual(data, rcode=rcode)]
    async for asking in opened(resolver, other):
        assert (await asking.ask(NAME, 1)).addresses == ADDRESS
    async for asking in opened(resolver):
        assert (await asking.ask(NAME, 1)).rcode == rcode
        assert len(resolver.seen) == 2


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
    monkeypatch.setattr(upstream, "MAX_UNDER_WAY", 5)
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


# --- Over TLS ---


class Authority:
    """Certificates of a made-up authority, in files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test roots")])
        self._root = self._sign(self._key.public_key(), self._name, None, days=1)
        (folder / "roots.pem").write_bytes(self._pem(self._root))

    @staticmethod
    def _pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _sign(
        self, key: ec.EllipticCurvePublicKey, subject: x509.Name, host: str | None, *, days: int
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        start = now - dt.timedelta(days=5)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=host is None,
                    crl_sign=host is None,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        if host is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, host: str, *, days: int = 1) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        certificate = self._sign(key.public_key(), subject, host, days=days)
        path = self._folder / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + self._pem(certificate)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._folder / "roots.pem")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_over_tls_many_are_asked_at_once_over_one_connection(authority: Authority) -> None:
    served = Resolver(zone=dict(ZONE), server=authority.server("dns.example"))
    order = iter(range(100))
    async with served.open():

        def answering(data: bytes, over: str) -> list[bytes]:
            next(order)
            return [served.usual(data)]

        served.answering = answering
        async for asking in opened(served, name="dns.example", trust=authority.trust()):
            names = [dns.name.from_text(f"n{one}.example").to_wire() for one in range(30)]
            answers = await asyncio.gather(*(asking.ask(one, 1) for one in [NAME, *names]))
            assert answers[0].addresses == ADDRESS
            assert served.connections == 1
            assert {one.over for one in served.seen} == {"tls"}
            # A connection that was closed is opened again.
            served.hang_up()
            await asyncio.sleep(0.05)
            assert (await asking.ask(NAME, 1)).addresses == ADDRESS
            assert served.connections == 2


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
    async with served.open():
        async for asking in opened(served, name="dns.example", trust=authority.trust()):
            with pytest.raises(ResolverError):
                await asking.ask(NAME, 1)
            assert not [one for one in served.seen if len(one.data) > 20 and b"ndor" in one.data]


async def test_a_stream_that_says_what_is_no_answer_is_given_up(authority: Authority) -> None:
    served = Resolver(zone=dict(ZONE), server=authority.server("dns.example"))
    async with served.open():
        served.answering = lambda data, over: [data[:2] + b"garbage"]
        async for asking in opened(served, name="dns.example", trust=authority.trust()):
            with pytest.raises(ResolverError):
                await asking.ask(NAME, 1)
            assert served.connections == upstream.TRIES
            served.answering = None
            assert (await asking.ask(NAME, 1)).addresses == ADDRESS


# --- How they are stated ---


@pytest.mark.parametrize(
    ("line", "stated", "written"),
    [
        ("192.0.2.1", ("192.0.2.1", 53, None), "192.0.2.1"),
        (" 192.0.2.1@5353 ", ("192.0.2.1", 5353, None), "192.0.2.1@5353"),
        ("fd00::1@53", ("fd00::1", 53, None), "fd00::1"),
        ("9.9.9.9#DNS.quad9.net", ("9.9.9.9", 853, "dns.quad9.net"), "9.9.9.9#dns.quad9.net"),
        ("9.9.9.9@443#a.b", ("9.9.9.9", 443, "a.b"), "9.9.9.9@443#a.b"),
    ],
)
def test_a_resolver_is_stated_in_a_line(
    line: str, stated: tuple[str, int, str | None], written: str
) -> None:
    made = Stated.parse(line)
    assert (made.address, made.port, made.tls_name) == stated
    assert str(made) == written
    assert Stated.parse(written) == made


@pytest.mark.parametrize(
    "line",
    ["", "dns.example", "192.0.2.1:53", "192.0.2.1@0", "192.0.2.1@65536", "192.0.2.1@x",
     "192.0.2.1#", "192.0.2.1# a", "0.0.0.0", "::", "224.0.0.1", "192.0.2.1@53@53"],
)  # fmt: skip
def test_what_is_no_resolver_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Stated.parse(line)
