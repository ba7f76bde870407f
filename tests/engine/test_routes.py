"""Whether a client is on a network of ours, as the kernel tells it."""

from ipaddress import ip_address
import struct

import pytest

from engine import routes
from engine.routes import KEPT_SECONDS, Routes, is_on_link, link_of

UNICAST, LOCAL = 1, 2
LINK, GATEWAY, VIA = 4, 5, 18


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def route(*attributes: bytes, kind: int = 24, type_: int = UNICAST) -> bytes:
    body = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 2, 0, type_, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


OVER_7 = attribute(LINK, struct.pack("=i", 7))


def test_a_route_without_a_router_names_its_link() -> None:
    assert link_of(route(OVER_7)) == 7


@pytest.mark.parametrize(
    "told",
    [
        route(OVER_7, attribute(GATEWAY, bytes(4))),
        route(attribute(VIA, bytes(18)), OVER_7),
        route(OVER_7, type_=LOCAL),
        route(),
    ],
    ids=["a router", "a router of the other family", "this machine", "no link"],
)
def test_what_is_no_neighbour_has_no_link(told: bytes) -> None:
    assert link_of(told) is None


@pytest.mark.parametrize(
    "told",
    [
        b"",
        route(OVER_7, kind=2),
        route(OVER_7)[:-2],
        route(struct.pack("=HH", 1, LINK)),
        route(struct.pack("=HH", 4, LINK)),
    ],
    ids=["nothing", "an error", "cut short", "an attribute too short", "a link cut short"],
)
def test_what_is_no_route_is_refused(told: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        link_of(told)


def test_the_kernel_tells_of_the_loopback() -> None:
    """It has no MACs; and an answer at all shows that it was asked rightly."""
    assert is_on_link("127.0.0.1") is False
    assert is_on_link("127.0.0.9") is False


def test_in_doubt_a_mac_can_be_known() -> None:
    told: dict[str, bool | None] = {"10.0.0.1": None, "10.0.0.2": True, "10.8.0.1": False}
    known = Routes(lambda address: told[address])
    assert [known.has_no_mac(one) for one in told] == [False, False, True]


def test_a_link_local_address_is_never_behind_a_router() -> None:
    asked: list[str] = []
    known = Routes(lambda address: bool(asked.append(address)))
    assert not known.has_no_mac("fe80::7")
    assert not known.has_no_mac("169.254.7.7")
    assert asked == []
    assert known.has_no_mac(str(ip_address("fd00::7")))


def test_it_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [100.0], []
    monkeypatch.setattr(routes, "monotonic", lambda: now[0])
    known = Routes(lambda address: asked.append(address) or False)
    for _ in range(2):
        assert known.has_no_mac("10.8.0.1")
    assert len(asked) == 1
    now[0] += KEPT_SECONDS
    assert known.has_no_mac("10.8.0.1")
    assert len(asked) == 2


def test_no_more_is_remembered_than_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MAX_KEPT", 2)
    asked: list[str] = []
    known = Routes(lambda address: bool(asked.append(address)))
    for address in ("10.8.0.1", "10.8.0.2", "10.8.0.1", "10.8.0.3", "10.8.0.1"):
        known.has_no_mac(address)
    assert asked == ["10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.1"]
