"""The gate as curl finds it: a client that nobody here wrote."""

import asyncio
from pathlib import Path
import shutil

import pytest

import wire
from wire import House

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="no curl on this machine")

BODY = '{"door":true,"temp":4.5}'


async def curl(house: House, *arguments: str, path: str = "/v1/report") -> tuple[str, str]:
    """Call the gate as the fridge; return the status and the body."""
    process = await asyncio.create_subprocess_exec(
        CURL or "", "--silent", "--show-error", "--interface", wire.APPLIANCE, "--max-time", "15",
        "--noproxy", "*", "--header", f"Host: {house.host}", "--header", "User-Agent:",
        "--write-out", "\n%{http_code}", *arguments, f"http://127.0.0.1:{house.port}{path}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    body, _, status = out.decode().rpartition("\n")
    return status, body


JSON = ("--header", "Content-Type: application/json")


async def test_post(taught: House) -> None:
    await curl(taught, *JSON, "--data", BODY)
    await taught.grant_all()
    assert await curl(taught, *JSON, "--data", BODY) == ("200", '{"ok":true}')
    assert taught.cloud.requests[-1].body == BODY.encode()


async def test_get_and_head(house: House) -> None:
    for arguments in ((), ("--head",)):
        assert (await curl(house, *arguments, path="/v1/time?zone=2"))[0] == "200"
    await house.grant_all()
    assert await curl(house, path="/v1/time?zone=2") == ("200", '{"ok":true}')
    status, _ = await curl(house, "--head", path="/v1/time?zone=2")
    assert status == "200"
    lines = [seen.line for seen in house.cloud.requests]
    assert lines == [b"GET /v1/time?zone=2 HTTP/1.1", b"HEAD /v1/time?zone=2 HTTP/1.1"]


async def test_a_chunked_upload(house: House, tmp_path: Path) -> None:
    upload = tmp_path / "report.json"
    upload.write_text('{"door":true,"log":"' + "so it is. " * 20_000 + '"}')
    arguments = (
        *JSON, "--request", "POST", "--header", "Transfer-Encoding: chunked",
        "--upload-file", str(upload),
    )  # fmt: skip
    await curl(house, *arguments)
    assert not house.cloud.lines
    await house.grant_all()
    assert (await curl(house, *arguments))[0] == "200"
    assert house.cloud.requests[-1].body == upload.read_bytes()


@pytest.mark.parametrize("consented", [True, False])
async def test_expect_100_continue(taught: House, tmp_path: Path, consented: bool) -> None:
    upload = tmp_path / "report.json"
    upload.write_text('{"door":true,"log":"' + "so it is. " * 20_000 + '"}')
    arguments = (*JSON, "--header", "Expect: 100-continue", "--data", f"@{upload}")
    await curl(taught, *arguments)
    await (taught.grant_all() if consented else taught.withdraw_all())
    before = len(taught.cloud.requests)
    # Seconds that curl would wait before sending the body unasked: it need not.
    status, _ = await curl(taught, "--expect100-timeout", "10", *arguments)
    assert status == "200"
    assert len(taught.cloud.requests) == before + consented


async def test_a_form_and_a_compressed_answer(house: House) -> None:
    arguments = ("--compressed", "--data", "tempf=71.3&humidity=40")
    await curl(house, *arguments)
    await house.grant_all()
    await curl(house, *arguments)
    assert house.cloud.requests[0].body == b"tempf=71.3&humidity=40"
    named = {name.lower(): value for name, value in house.cloud.requests[0].headers}
    assert "br" not in named["accept-encoding"]


async def test_http_1_0(taught: House) -> None:
    assert (await curl(taught, "--http1.0", *JSON, "--header", "Accept:", "--data", BODY))[
        0
    ] == "200"
    assert len(taught.cloud.requests) == 1


@pytest.mark.parametrize("upgrade", ["--http2", "--http2-prior-knowledge"])
async def test_http_2_is_not_spoken(taught: House, upgrade: str) -> None:
    await curl(taught, upgrade, *JSON, "--data", BODY)
    assert not taught.cloud.lines


async def test_the_gate_is_no_proxy(taught: House) -> None:
    process = await asyncio.create_subprocess_exec(
        CURL or "", "--silent", "--interface", wire.APPLIANCE, "--max-time", "15",
        "--noproxy", "", "--proxy", f"http://127.0.0.1:{taught.port}", "--proxytunnel",
        f"http://{taught.host}/v1/report", stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() != 0
    process = await asyncio.create_subprocess_exec(
        CURL or "", "--silent", "--interface", wire.APPLIANCE, "--max-time", "15", *JSON,
        "--noproxy", "", "--proxy", f"http://127.0.0.1:{taught.port}", "--data", BODY,
        f"http://{taught.host}/v1/report", stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await process.wait()
    assert not taught.cloud.lines
