"""Who is it? By address, MAC and token, as far as each is known; nobody where it might be two."""

import logging
from pathlib import Path

import pytest

from engine import journal, pipeline
from engine.model import Appliance, Endpoint, Reason, Source
from engine.policy import Policy, identify
import wire
from wire import APPLIANCE, STRANGER, House, fridge, frost

TOKEN = "oven-0123456789abcdef"
OTHER = "brush-fedcba9876543210"
MAC = "02:00:00:00:00:0a"
ELSEWHERE = "02:00:00:00:00:0b"


def one(appliance_id: str, **known: object) -> Appliance:
    return Appliance(id=appliance_id, name=appliance_id, **known)  # type: ignore[arg-type]


def who(
    *appliances: Appliance, address: str = "", mac: str | None = None, token: str | None = None
):
    """The id of the appliance, or the reason why there is none."""
    source = Source(address=address, mac=mac, token=token)
    found = identify(Policy(appliances=appliances), source)
    return found.id if isinstance(found, Appliance) else found


A, B = "10.0.0.2", "10.0.0.3"
UNKNOWN, AMBIGUOUS = Reason.UNKNOWN_APPLIANCE, Reason.AMBIGUOUS_APPLIANCE
BY_ADDRESS = one("fridge", addresses=frozenset({A}))
BY_MAC = one("oven", macs=frozenset({MAC}))
BY_BOTH = one("both", addresses=frozenset({A}), macs=frozenset({MAC}))
BY_TOKEN = one("brush", token=TOKEN)
BY_TOKEN_AND_ADDRESS = one("scale", token=OTHER, addresses=frozenset({A}))
BY_TOKEN_AND_MAC = one("lamp", token=OTHER, macs=frozenset({MAC}))


@pytest.mark.parametrize(
    ("appliances", "source", "expected"),
    [
        pytest.param((), {"address": A}, UNKNOWN, id="nobody"),
        pytest.param((BY_ADDRESS,), {"address": A}, "fridge", id="address"),
        pytest.param((BY_ADDRESS,), {"address": B}, UNKNOWN, id="other-address"),
        pytest.param((BY_ADDRESS,), {"address": A, "mac": MAC}, "fridge", id="address-any-mac"),
        pytest.param((BY_ADDRESS,), {"address": A, "token": TOKEN}, UNKNOWN, id="foreign-token"),
        pytest.param((BY_MAC,), {"address": A, "mac": MAC}, "oven", id="mac"),
        pytest.param((BY_MAC,), {"address": A, "mac": ELSEWHERE}, UNKNOWN, id="other-mac"),
        pytest.param((BY_MAC,), {"address": A}, UNKNOWN, id="mac-not-known"),
        pytest.param((BY_BOTH,), {"address": A, "mac": MAC}, "both", id="both-agree"),
        pytest.param((BY_BOTH,), {"address": B, "mac": MAC}, UNKNOWN, id="address-disagrees"),
        pytest.param((BY_BOTH,), {"address": A, "mac": ELSEWHERE}, UNKNOWN, id="mac-disagrees"),
        pytest.param((BY_BOTH,), {"address": A}, "both", id="mac-cannot-be-seen"),
        pytest.param((BY_TOKEN,), {"address": B, "token": TOKEN}, "brush", id="token"),
        pytest.param((BY_TOKEN,), {"address": B, "token": OTHER}, UNKNOWN, id="wrong-token"),
        pytest.param((BY_TOKEN,), {"address": B}, UNKNOWN, id="token-missing"),
        pytest.param((BY_TOKEN_AND_ADDRESS,), {"address": A}, UNKNOWN, id="address-without-token"),
        pytest.param(
            (BY_TOKEN_AND_ADDRESS,), {"address": B, "token": OTHER}, UNKNOWN, id="token-elsewhere"
        ),
        pytest.param(
            (BY_TOKEN_AND_ADDRESS,), {"address": A, "token": OTHER}, "scale", id="token-and-address"
        ),
        pytest.param(
            (BY_TOKEN_AND_MAC,), {"address": A, "mac": ELSEWHERE, "token": OTHER}, UNKNOWN,
            id="token-and-other-mac",
        ),
        pytest.param(
            (BY_TOKEN_AND_MAC,), {"address": A, "mac": MAC, "token": OTHER}, "lamp",
            id="token-and-mac",
        ),
        pytest.param((BY_ADDRESS, BY_BOTH), {"address": A}, AMBIGUOUS, id="two-on-one-address"),
        pytest.param(
            (BY_ADDRESS, BY_MAC), {"address": A, "mac": MAC}, AMBIGUOUS, id="address-and-mac-differ"
        ),
        pytest.param(
            (BY_ADDRESS, BY_TOKEN_AND_ADDRESS), {"address": A}, AMBIGUOUS,
            id="one-of-two-has-a-token",
        ),
        pytest.param(
            (BY_ADDRESS, BY_TOKEN_AND_ADDRESS), {"address": A, "token": OTHER}, "scale",
            id="the-token-tells-them-apart",
        ),
        pytest.param(
            (BY_TOKEN, one("twin", token=TOKEN)), {"address": A, "token": TOKEN}, UNKNOWN,
            id="one-token-of-two",
        ),
        pytest.param((one("nothing"),), {"address": ""}, UNKNOWN, id="nothing-known"),
        pytest.param((one("empty", token=""),), {"address": A}, UNKNOWN, id="empty-token"),
    ],
)  # fmt: skip
def test_who_it_is(
    appliances: tuple[Appliance, ...], source: dict[str, str], expected: str
) -> None:
    assert who(*appliances, **source) == expected


# --- The same through the gate ---


def with_tokens(house: House, **changes: object) -> None:
    base = f"http://{house.host}/base"
    house.configure(
        fridge(id="oven", token=TOKEN, base_url=base, **changes),
        fridge(id="brush", token=OTHER, base_url=base, **changes),
        recipients=(frost(f"http://{house.host}/"),),
    )


async def test_on_one_address_only_tokens_tell_them_apart(house: House) -> None:
    with_tokens(house)
    answer = await house.ask(house.request())
    assert answer.status == 403
    assert await house.reason() is Reason.AMBIGUOUS_APPLIANCE
    for token, appliance in ((TOKEN, "oven"), (OTHER, "brush")):
        raw = house.request(path=f"/{token}/v2/report?zone=2", host="hub.local")
        await house.ask(raw)
        await house.grant_all(appliance)
        before = len(house.cloud.requests)
        await house.ask(raw)
        (seen,) = house.cloud.requests[before:]
        assert seen.line == b"POST /base/v2/report?zone=2 HTTP/1.1"
        assert (await house.newest()).appliance_id == appliance
    assert TOKEN.encode() not in house.cloud.received
    assert b"hub.local" not in house.cloud.received


async def test_a_token_from_another_address_is_not_enough(house: House) -> None:
    with_tokens(house)
    raw = house.request(path=f"/{TOKEN}/v2/report")
    await house.ask(raw)
    await house.grant_all("oven")
    assert (await house.ask(raw, STRANGER)).status == 403
    assert not house.cloud.lines
    assert await house.reason() is Reason.UNKNOWN_APPLIANCE


async def test_a_token_alone_is_enough_where_no_address_is_known(house: House) -> None:
    with_tokens(house, addresses=frozenset())
    raw = house.request(path=f"/{TOKEN}/v2/report")
    await house.ask(raw, STRANGER)
    await house.grant_all("oven")
    await house.ask(raw, STRANGER)
    assert len(house.cloud.requests) == 1


@pytest.mark.parametrize(
    "path",
    [
        f"/{TOKEN[:-1]}/v2", f"/{TOKEN}x/v2", f"//{TOKEN}/v2", f"/%6f{TOKEN[1:]}/v2",
        f"/x/{TOKEN}/v2", f"/{TOKEN.upper()}/v2", f"/?{TOKEN}", f"/{TOKEN}%2fv2", f"/{TOKEN};/v2",
    ],
    ids=["cut", "longer", "second", "escaped", "deeper", "capitals", "query", "slash", "semicolon"],
)  # fmt: skip
async def test_what_is_not_quite_a_token(house: House, path: str) -> None:
    with_tokens(house)
    raw = house.request(path=f"/{TOKEN}/v2")
    await house.ask(raw)
    await house.grant_all("oven")
    await house.ask(house.request(path=path))
    assert not house.cloud.lines


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (f"/{TOKEN}", b"GET /base/ HTTP/1.1"),
        (f"/{TOKEN}/", b"GET /base/ HTTP/1.1"),
        (f"/{TOKEN}?a=1", b"GET /base/?a=1 HTTP/1.1"),
        (f"/{TOKEN}/x/?a=1", b"GET /base/x/?a=1 HTTP/1.1"),
    ],
    ids=["alone", "slash", "query", "path"],
)
async def test_what_stands_behind_a_token(house: House, path: str, line: bytes) -> None:
    with_tokens(house)
    raw = house.request(b"", path=path, method="GET")
    await house.ask(raw)
    await house.grant_all("oven")
    await house.ask(raw)
    assert [seen.line for seen in house.cloud.requests] == [line]


async def test_dot_segments_do_not_lead_out_of_the_base(house: House) -> None:
    with_tokens(house)
    for path in ("..", "../x", "%2e%2e/x", "a/../../x", "..%2fx"):
        await house.ask(house.request(path=f"/{TOKEN}/{path}"))
        await house.grant_all("oven")
        await house.ask(house.request(path=f"/{TOKEN}/{path}"))
    assert not house.cloud.lines


async def test_no_log_ever_has_a_token(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ours nor those of what we are built with, however closely somebody looks."""
    caplog.set_level(logging.DEBUG)
    with_tokens(house)
    raw = house.request(path=f"/{TOKEN}/v2/report?zone=2")
    await house.ask(raw)
    await house.grant_all("oven")
    await house.ask(raw)
    assert house.cloud.requests, "this one passed"
    await house.ask(raw, STRANGER)
    await house.ask(raw.replace(b"HTTP/1.1", b"HTTP/9.1"))
    await house.ask(raw.replace(b"Host:", b"Ho st:"))
    await house.ask(house.request(b"{", path=f"/{TOKEN}/v2/report"))

    def broken(*_: object) -> None:
        raise RuntimeError(TOKEN)

    for module, name in ((pipeline, "examine"), (journal, "_append")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            await house.ask(raw)
    assert "RuntimeError" in caplog.text, "it is said that something failed"
    assert not [one for one in caplog.records if TOKEN in f"{one.getMessage()} {one.__dict__}"]


async def test_a_token_without_a_base_url_leads_nowhere(house: House) -> None:
    house.configure(fridge(token=TOKEN))
    await house.ask(house.request(path=f"/{TOKEN}/v1/report"))
    assert await house.reason() is Reason.UNCLAIMED_ENDPOINT
    assert not house.cloud.lines


async def test_a_mac_that_disagrees_is_nobody(tmp_path: Path) -> None:
    macs = {APPLIANCE: MAC}
    async with wire.house(tmp_path, resolve_mac=macs.get) as house:
        house.configure(fridge(macs=frozenset({MAC})))
        await house.teach()
        await house.ask(house.request())
        assert len(house.cloud.requests) == 1
        macs[APPLIANCE] = ELSEWHERE
        assert (await house.ask(house.request())).status == 403
        assert len(house.cloud.requests) == 1
        assert await house.reason() is Reason.UNKNOWN_APPLIANCE


async def test_a_mac_is_enough_where_no_address_is_known(tmp_path: Path) -> None:
    macs = {APPLIANCE: MAC}
    async with wire.house(tmp_path, resolve_mac=macs.get) as house:
        house.configure(fridge(addresses=frozenset(), macs=frozenset({MAC})))
        await house.teach()
        await house.ask(house.request())
        assert len(house.cloud.requests) == 1
        await house.ask(house.request(), STRANGER)
        assert len(house.cloud.requests) == 1


def test_endpoints_in_one_line() -> None:
    assert str(Endpoint.parse("post http://Cloud.Example.:8080/v1")) == (
        "POST http://cloud.example:8080/v1"
    )
