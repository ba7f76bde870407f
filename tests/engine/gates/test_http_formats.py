"""A report in each format, over sockets: what is granted arrives, what is not does not.

Sent by curl where there is one, a client that nobody here wrote.
"""

import asyncio
from collections.abc import Callable
from compression import zstd
from email.parser import BytesParser
from pathlib import Path
import shutil
from typing import NamedTuple
import xml.etree.ElementTree as ET

import cbor2
import ormsgpack
import pytest

from engine.model import Outcome, Reason
import wire
from wire import House, Seen

CURL = shutil.which("curl")
SECRET = "serial-FX0047110815"


class Case(NamedTuple):
    """A report: its headers and bytes, what is granted of it, and how a cloud reads that."""

    headers: tuple[str, ...]
    body: bytes
    granted: str
    read: Callable[[Seen], object]
    arrives: object
    unreadable: bytes


def read_xml(seen: Seen) -> object:
    return [(one.tag, one.attrib, one.text) for one in ET.fromstring(seen.body).iter()]


def parts(*given: tuple[str, str]) -> bytes:
    lines = (
        f"--{SECRET}\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n"
        for head, body in given
    )
    return "".join((*lines, f"--{SECRET}--\r\n")).encode()


def read_parts(seen: Seen) -> object:
    kind = next(value for name, value in seen.headers if name.lower() == "content-type")
    message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + seen.body)
    return [
        (
            dict(part.get_params([], header="content-disposition")[1:]),
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]


CASES = {
    "XML": Case(
        headers=("Content-Type: text/xml; charset=utf-8",),
        body=(
            f"<?xml version='1.0'?><!-- {SECRET} --><?do {SECRET}?>"
            f"<r serial='{SECRET}'><t unit='{SECRET}'>4.5</t><s>{SECRET}</s></r>"
        ).encode(),
        granted="$.body.r.t",
        read=read_xml,
        arrives=[("r", {}, None), ("t", {}, "4.5")],
        unreadable=f"<!DOCTYPE r [<!ENTITY x '{SECRET}'>]><r><t>&x;</t></r>".encode(),
    ),
    "CBOR": Case(
        headers=("Content-Type: application/cbor",),
        body=cbor2.dumps(
            {
                "t": 4.5, "s": SECRET, "b": SECRET.encode(), "w": cbor2.CBORTag(99, SECRET),
                -7: SECRET, SECRET: 1,
            }
        ),
        granted="$.body.t",
        read=lambda seen: cbor2.loads(seen.body),
        arrives={"t": 4.5},
        unreadable=cbor2.dumps({"t": 4.5})[:-1],
    ),
    "multipart": Case(
        headers=("Content-Type: multipart/form-data; boundary=serial-FX0047110815",),
        body=parts(
            ('name="t"', "4.5"),
            ('name="s"', SECRET),
            (f'name="f"; filename="{SECRET}"\r\nX-One: {SECRET}', f'{{"a":1,"b":"{SECRET}"}}'),
            (f'name="p"; filename="{SECRET}"\r\nContent-Type: image/jpeg', SECRET),
            ('name="x"\r\nContent-Type: text/xml', f"<r><!-- {SECRET}--><a>{SECRET}</a></r>"),
        ),
        granted="$.body.t",
        read=read_parts,
        arrives=[({"name": "t"}, b"4.5")],
        unreadable=parts(('name="t"', "4.5")).removesuffix(b"--\r\n"),
    ),
    "zstd": Case(
        headers=("Content-Encoding: zstd", "Content-Type: application/json"),
        body=zstd.compress(f'{{"t":4.5,"s":"{SECRET}"}}'.encode()),
        granted="$.body.t",
        read=lambda seen: zstd.decompress(seen.body),
        arrives=b'{"t":4.5}',
        unreadable=zstd.compress(b'{"t":"' + b"4" * 9_000_000 + b'"}'),
    ),
    "MessagePack": Case(
        headers=("Content-Type: application/msgpack",),
        body=ormsgpack.packb(
            {
                "t": 4.5, "s": SECRET, "b": SECRET.encode(),
                "e": ormsgpack.Ext(5, SECRET.encode()), SECRET: 1,
            }
        ),
        granted="$.body.t",
        read=lambda seen: ormsgpack.unpackb(seen.body),
        arrives={"t": 4.5},
        unreadable=ormsgpack.packb({"t": 4.5}) + b"\x00",
    ),
}  # fmt: skip


async def report(house: House, case: Case, body: bytes, folder: Path) -> None:
    """Post a body to the gate, by curl or by hand."""
    if CURL is None:
        await house.ask(house.request(body, *case.headers))
        return
    upload = folder / "report"
    upload.write_bytes(body)
    headers = [argument for header in case.headers for argument in ("--header", header)]
    process = await asyncio.create_subprocess_exec(
        CURL, "--silent", "--show-error", "--fail", "--interface", wire.APPLIANCE,
        "--max-time", "15", "--noproxy", "*", "--header", f"Host: {house.host}",
        "--header", "User-Agent:", "--header", "Expect:", "--header", "Accept:", *headers,
        "--data-binary", f"@{upload}", f"http://127.0.0.1:{house.port}/v1/report",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0


@pytest.mark.parametrize("name", CASES)
async def test_only_what_is_granted_arrives(house: House, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    await report(house, case, case.body, tmp_path)
    assert not house.cloud.lines, "nothing leaves before consent"
    await house.give(case.granted)
    await report(house, case, case.body, tmp_path)
    [seen] = house.cloud.requests
    assert case.read(seen) == case.arrives
    assert SECRET.encode() not in house.cloud.received
    assert SECRET.encode().hex().encode() not in house.cloud.received
    assert (await house.newest()).outcome is Outcome.REDACT


@pytest.mark.parametrize("name", CASES)
async def test_what_cannot_be_read_stays(house: House, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    await report(house, case, case.body, tmp_path)
    await house.grant_all()
    await report(house, case, case.unreadable, tmp_path)
    assert not house.cloud.lines
    assert (await house.newest()).outcome is Outcome.DENY
    assert await house.reason() in (Reason.UNREADABLE, Reason.BOMB, Reason.TRAILING_BYTES)
    await report(house, case, case.body, tmp_path)
    [seen] = house.cloud.requests
    assert SECRET.encode() in (zstd.decompress(seen.body) if name == "zstd" else seen.body)
