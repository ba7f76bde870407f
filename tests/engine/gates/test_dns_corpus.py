"""What real appliances asked, through the gate: as dnsmasq answers it, or not asked at all."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import gzip
import json
from pathlib import Path
import shutil
import socket

import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from resolver import Client, Resolver

from engine import Firewall
from engine.gates.dns import server
from engine.model import Appliance, Purpose, Recipient
from engine.naming import Naming, Resolver as Stated
from helpers import corpus

APPLIANCE, PHONE = "127.0.0.2", "127.0.0.9"
UNDER_WAY = 32


def questions() -> list[bytes]:
    with gzip.open(corpus("dns/appliance_queries.jsonl.gz"), "rt") as lines:
        return [base64.b64decode(json.loads(line)["wire"]) for line in lines]


def name_of(data: bytes) -> str:
    return dns.message.from_wire(data).question[0].name.to_text(omit_final_dot=True).lower()


def gist(data: bytes | None) -> tuple[str, list[str]]:
    """The code and the records of an answer, whatever their times and order."""
    assert data is not None, "no answer"
    answer = dns.message.from_wire(data)
    records = [
        f"{rrset.name.to_text().lower()} {dns.rdatatype.to_text(rrset.rdtype)} {one}".lower()
        for rrset in answer.answer
        for one in rrset
    ]
    return dns.rcode.to_text(answer.rcode()), sorted(records)


async def ask_all(port: int, address: str, asked: list[bytes]) -> list[bytes | None]:
    """Send every question as it was, so many at a time; what each was answered."""
    answers: list[bytes | None] = [None] * len(asked)
    numbers = iter(range(len(asked)))

    async def work() -> None:
        client = Client(port, address)
        for number in numbers:
            await client.send(asked[number])
            answers[number] = await client.receive()
        client.close()

    await asyncio.gather(*(work() for _ in range(UNDER_WAY)))
    return answers


@asynccontextmanager
async def dnsmasq(folder: Path, names: list[str]) -> AsyncIterator[int]:
    """A zone of every other name, some of them aliases; there is no other name."""
    found = shutil.which("dnsmasq") or shutil.which("/usr/sbin/dnsmasq")
    if found is None:
        pytest.skip("no dnsmasq on this machine (Debian: dnsmasq-base)")
    hosts = folder / "hosts"
    own = [name for name in names[::2] if not name.endswith(".arpa")]
    hosts.write_text(
        "".join(
            f"93.184.{number // 250}.{1 + number % 250} {name}\n"
            + (f"2606:4700::{number:x} {name}\n" if number % 3 else "")
            for number, name in enumerate(own)
        )
    )
    targets = {name: own[number - 1] for number, name in enumerate(names[1:40:4], start=1)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        found, "--keep-in-foreground", f"--port={port}", "--listen-address=127.0.0.1",
        "--bind-interfaces", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}",
        "--cache-size=0", "--local-ttl=60", "--address=/#/", "--pid-file=", "--user=root",
        *(f"--cname={alias},{target}" for alias, target in targets.items()),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ready = dns.message.make_query(own[0], "A").to_wire()
        for _ in range(50):
            client = Client(port)
            await client.send(ready)
            if await client.receive(0.2) is not None:
                break
            client.close()
        yield port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def gate(folder: Path, resolver: int, *recipients: Recipient) -> AsyncIterator[Firewall]:
    firewall = Firewall(database=folder / "firewall.db", on_event=lambda _: None)
    await firewall.start()
    try:
        appliance = Appliance(id="box", name="Box", addresses=frozenset({APPLIANCE}))
        firewall.configure([appliance], recipients)
        firewall.names.configure(Naming(steer_to=("127.0.0.77",), has_resolver_at_home=True))
        await firewall.names.open("127.0.0.1", 0, [Stated(address="127.0.0.1", port=resolver)])
        yield firewall
    finally:
        await firewall.stop()


@pytest.fixture(autouse=True)
def without_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RATE", 1e9)
    monkeypatch.setattr(server, "BURST", 1e9)


@pytest.mark.corpus
async def test_for_whoever_is_no_appliance_it_answers_as_dnsmasq_does(
    tmp_path: Path, tables: dict[str, list[str]]
) -> None:
    asked = questions()
    names = sorted({name_of(data) for data in asked})
    async with dnsmasq(tmp_path, names) as port, gate(tmp_path, port) as firewall:
        address = firewall.names.address
        assert address is not None
        theirs = [gist(one) for one in await ask_all(port, PHONE, asked)]
        ours = [gist(one) for one in await ask_all(address[1], PHONE, asked)]
    count: Counter[str] = Counter()
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert mine == other, f"question {number}"
        kind = "alias" if any(" cname " in one for one in mine[1]) else ""
        count[f"{mine[0]} {kind or ('with records' if mine[1] else 'without')}"] += 1
    assert sum(count.values()) == 27_893
    assert len(count) >= 4
    tables["questions of real appliances, answered as dnsmasq does"] = [
        f"{what:24} {number:6}" for what, number in count.most_common()
    ]


@pytest.mark.corpus
async def test_for_an_appliance_nothing_is_asked_that_nobody_opened(
    tmp_path: Path, tables: dict[str, list[str]]
) -> None:
    """A third of the names is claimed and cannot be read, one consented for by half of them."""
    asked = questions()
    names = sorted({name_of(data) for data in asked})
    consented, refused = frozenset(names[0::6]), frozenset(names[3::6])
    recipients = [
        Recipient(id=one, organisation=one, purpose=Purpose.SERVICE, endpoints=(), names=some)
        for one, some in (("given", consented), ("refused", refused))
    ]
    count: Counter[str] = Counter()
    async with Resolver().open() as resolver, gate(tmp_path, resolver.port, *recipients) as wall:
        address = wall.names.address
        assert address is not None
        await ask_all(address[1], APPLIANCE, asked)
        await wall.names.lookups.settle()
        assert resolver.seen == []
        [point] = wall.data_points("box")
        await wall.grant(point.id, "given", how="test")
        answers = await ask_all(address[1], APPLIANCE, asked)
        seen = {name for name, _ in resolver.asked()}
    for data, answer in zip(asked, answers, strict=True):
        name = name_of(data)
        is_given = name in consented and not name.endswith(".arpa")
        what = "consented" if is_given else "claimed" if name in refused else "unclaimed"
        count[f"{what}, {'asked' if name in seen else 'not asked'}"] += 1
        assert (name in seen) is is_given, what
        assert answer is not None
    assert {one for one in count if "not asked" in one} == {
        "claimed, not asked",
        "unclaimed, not asked",
    }
    tables["questions of real appliances, consented for or not"] = [
        f"{what:24} {number:6}" for what, number in count.most_common()
    ]
