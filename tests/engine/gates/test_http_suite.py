"""Requests that a strict parser must refuse, from llhttp's own tests: nothing of them is forwarded.

Everything that could be consented is consented, every host leads to the recorder, and the same
gate forwards the suite's legal requests, so that only the reading of the bytes is in the way.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
import json
from pathlib import Path
import re

import pytest

import wire
from wire import Caller, Cloud, House, Resolver, fridge, frost, grant_everything

SUITE = Path(__file__).parents[4] / "shared/corpus/suites/llhttp_requests.json"
TITLE = "llhttp's requests through the gate"
TOKEN = "fridge-0123456789abcdef"
APPLIANCES = (
    fridge(),
    fridge(id="brush", addresses=frozenset(), token=TOKEN, base_url="http://base.example"),
)
_HOST = re.compile(rb"^host:[ \t]*(\[?[^\s:=]+)", re.IGNORECASE | re.MULTILINE)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

if not SUITE.exists():
    pytest.skip(f"{SUITE} is not here", allow_module_level=True)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


_CASES = [
    (_bytes(case["raw_latin1"]), case["llhttp_error"] is None)
    for case in json.loads(SUITE.read_text(encoding="utf-8"))
    if case["meta"].get("type") == "request"
]
REFUSED = [raw for raw, legal in _CASES if not legal]
LEGAL = [raw for raw, legal in _CASES if legal]


def is_two(raw: bytes) -> bool:
    """Tell whether it is a legal request with a second one behind it that must be refused."""
    return b"q=42" in raw or raw.startswith(b"PUT /url HTTP/1.0\r\n\r\nPUT")


def plain(raw: bytes) -> bytes:
    return raw


def named(raw: bytes) -> bytes:
    """With a host where there is none: without one, nothing would be taken."""
    if re.search(rb"^host:", raw, re.IGNORECASE | re.MULTILINE):
        return raw
    return re.sub(rb"( [A-Z]*HTTP/\d\.\d\r?\n)", rb"\1Host: www.example.com\r\n", raw)


def based(raw: bytes) -> bytes:
    """To the appliance's base URL."""
    return re.sub(rb"^(\s*[A-Z-]+ )/", rb"\g<1>/%b/" % TOKEN.encode(), named(raw), count=1)


FORMS: dict[str, Callable[[bytes], bytes]] = {"plain": plain, "named": named, "based": based}


def splits(raw: bytes) -> dict[str, list[bytes]]:
    """The ways in which the bytes may arrive."""
    ends = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := raw.find(mark)) >= 0]
    after = min(ends, default=len(raw) // 2)
    return {
        "whole": [raw],
        "headers": [raw[:after], raw[after:]],
        "bytes": [raw[at : at + 1] for at in range(len(raw))],
    }


@pytest.fixture
async def generous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house in which everything is consented and every host of the suite is claimed."""
    hosts = {
        match[1].decode("latin-1").lower()
        for raw in (*REFUSED, *LEGAL)
        for match in _HOST.finditer(raw)
        if match[1].isascii()
    } | {"www.example.com", "base.example", "hypnotoad.org"}
    Resolver(monkeypatch, {host: ["127.0.0.1"] for host in hosts})
    grant_everything(monkeypatch)
    async with wire.house(tmp_path, cloud=Cloud()) as house:
        house.configure(
            *APPLIANCES,
            recipients=(frost(*(f"http://{host}:{house.cloud.port}/" for host in sorted(hosts))),),
        )
        yield house


async def send(house: House, parts: Iterable[bytes]) -> None:
    """Send a request in parts and wait until the gate has done with it."""
    caller = await Caller.dial(house.port)
    for part in parts:
        caller.writer.write(part)
        # Twice round the loop, so that the gate has read it by itself.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(0.3):
            await caller.reader.read(1)
            await caller.reader.read(-1)
    except TimeoutError, ConnectionError:
        pass
    caller.close()


async def send_all(house: House, cases: Iterable[Iterable[bytes]]) -> None:
    limit = asyncio.Semaphore(16)

    async def one(parts: Iterable[bytes]) -> None:
        async with limit:
            await send(house, parts)

    await asyncio.gather(*(one(parts) for parts in cases))
    await house.firewall.close_gate()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", ["whole", "headers", "bytes"])
async def test_what_must_be_refused_is_not_forwarded(
    generous: House, form: str, split: str, tables: dict[str, list[str]]
) -> None:
    assert len(REFUSED) == 48
    cases = [
        splits(FORMS[form](raw))[split] for raw in REFUSED if split == "whole" or not is_two(raw)
    ]
    await send_all(generous, cases)
    assert not generous.cloud.received
    assert not generous.cloud.lines
    tables.setdefault(TITLE, []).append(f"{form:6}{split:8}{len(cases)} refused, none forwarded")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", ["headers", "bytes"])
async def test_of_a_legal_request_before_a_refused_one_only_the_first_may_pass(
    generous: House, form: str, split: str
) -> None:
    """Two cases are two requests each; one that is whole before the other comes is a request."""
    cases = [splits(FORMS[form](raw))[split] for raw in REFUSED if is_two(raw)]
    assert len(cases) == 2
    await send_all(generous, cases)
    passed = [(seen.line.split()[0], seen.body) for seen in generous.cloud.requests]
    assert sorted(passed) in ([], [(b"POST", b"q=42")], [(b"POST", b"q=42"), (b"PUT", b"")])
    assert len(generous.cloud.received.split(b" HTTP/1.1\r\n")) == len(passed) + 1


def is_passed_on(raw: bytes) -> bool:
    """Tell whether the gate takes this legal request: what it never forwards is left out.

    Other methods and protocols, upgrades, trailers, proxy forms, HTTP/0.9, fragments, bytes
    that are not ASCII, bodies that do not end, odd hosts, and what cannot be read.
    """
    head, _, body = raw.lstrip().partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    length = re.search(rb"content-length:\s*(\d+)", head, re.IGNORECASE)
    chunked = b"transfer-encoding: chunked" in head.lower()
    return (
        len(words) == 3
        and words[0].decode() in _METHODS
        and words[1].startswith(b"/")
        and words[2].startswith(b"HTTP/1.")
        and not re.search(rb'upgrade|[^\x00-\x7f]|"|\\|\|', head, re.IGNORECASE)
        and b"#" not in words[1]
        and b"transfer-encoding: deflate" not in head.lower()
        and (length is None or len(body) >= int(length[1]))
        and (not chunked or body.endswith(b"0\r\n\r\n"))
        and b"application/example" not in head
        and b"=5000" not in head
    )


async def test_the_legal_requests_are_forwarded(
    generous: House, tables: dict[str, list[str]]
) -> None:
    cases = [raw for raw in LEGAL if is_passed_on(raw)]
    await send_all(generous, [[based(raw)] for raw in cases])
    forwarded = len(generous.cloud.requests)
    tables.setdefault(TITLE, []).append(
        f"{len(cases)} of {len(LEGAL)} legal ones sent, {forwarded} forwarded"
    )
    assert len(cases) >= 30
    assert forwarded >= len(cases)
