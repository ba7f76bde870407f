"""What a denied appliance hears, over a real socket: its cloud's own success, where it is known."""

from dataclasses import replace

import pytest

from engine.catalogue.known import Catalogue, read_folder
from engine.catalogue.reader import read_vendor
from engine.model import Answer
import wire
from wire import APPLIANCE, House, fridge, frost

ECOWITT = "cdnrtpdate.ecowitt.net"
FORM = "Content-Type: application/x-www-form-urlencoded"
REPORT = b"PASSKEY=8A1F00C3D94B77E21059AA63F0B41C2D&tempf=41.2"
OK = b'{"errcode":"0","errmsg":"ok"}'


def report(house: House, path: str = "/data/report/", host: str = ECOWITT) -> bytes:
    return house.request(REPORT, FORM, path=path, host=host)


def content_type(answer: wire.Answer) -> str:
    return {name.lower(): value for name, value in answer.headers}.get("content-type", "")


async def test_it_hears_what_its_cloud_says_of_a_success(house: House) -> None:
    house.configure(recipients=(frost(f"http://{ECOWITT}/"),))
    answer = await house.ask(report(house))
    assert (answer.status, answer.body) == (200, OK)
    assert content_type(answer).startswith("application/json")
    assert house.cloud.requests == []


async def test_nobodys_endpoint_is_answered_alike(house: House) -> None:
    """Unclaimed, and not a byte of its body read."""
    answer = await house.ask(report(house))
    assert (answer.status, answer.body) == (200, OK)


@pytest.mark.parametrize(
    ("path", "host"), [("/data/other", ECOWITT), ("/data/report/", "other.example")]
)
async def test_elsewhere_the_answer_is_the_plain_one(house: House, path: str, host: str) -> None:
    answer = await house.ask(report(house, path, host))
    assert (answer.status, answer.body) == (200, b"")


async def test_what_is_called_by_token_is_told_by_the_base_url(house: House) -> None:
    station = replace(fridge(), token="t0ken", base_url=f"http://{ECOWITT}")
    house.configure(station)
    answer = await house.ask(report(house, "/t0ken/data/report/", "127.0.0.1"))
    assert (answer.status, answer.body) == (200, OK)
    answer = await house.ask(report(house, "/t0ken/other", "127.0.0.1"))
    assert answer.body == b""


async def test_who_is_to_hear_of_the_refusal_hears_of_it(house: House) -> None:
    house.configure(replace(fridge(), answer=Answer.REFUSE))
    answer = await house.ask(report(house))
    assert answer.status == 403
    assert content_type(answer).startswith("application/problem+json")


async def test_strangers_are_refused_at_a_known_cloud_too(house: House) -> None:
    house.configure(fridge(addresses=frozenset({"127.0.0.99"})))
    answer = await house.ask(report(house), source=APPLIANCE)
    assert answer.status == 403


async def test_a_status_without_a_body_has_none(house: House) -> None:
    text = (
        "vendor: F\nverified: {source: s, payload: upload, shape: x, date: 2026-03-01}\n"
        "transport: [http]\n"
        "recipients: [{organisation: F, purpose: service, endpoints: ['POST http://f.example/']}]\n"
        "data_points: [{path: $.body.x, name: X, category: reading}]\n"
        "answers: [{endpoint: 'POST http://f.example/', status: 204}]\n"
    )
    house.firewall._pipeline.catalogue = Catalogue([read_vendor(text.encode(), "f.yaml")])
    answer = await house.ask(report(house, "/in", "f.example"))
    assert (answer.status, answer.body) == (204, b"")
    assert content_type(answer) == ""


def test_an_answer_tells_nothing_of_anybody() -> None:
    """A constant of a few bytes, the same for all: no time, no address, no id."""
    catalogue, _ = read_folder()
    bodies = {one.body for vendor in catalogue.vendors for one in vendor.answers}
    assert bodies == {OK, b"success"}
