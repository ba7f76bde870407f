"""Receipts, the ledger's check, the self-test and previews, as actions."""

from base64 import b64decode, b64encode
import json
import sqlite3
from typing import Any
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.core import Event
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.json import json_bytes
import pytest

from custom_components.privacy_firewall.engine import StorageError
from tests.actions import (
    a_family,
    call,
    given,
    pair,
    refused,
)
from tests.common import (
    ADLENS,
    BRUSH,
    FRIDGE,
    FROSTLINE,
    REPORT,
    SECRET,
    Home,
)


@pytest.fixture
async def fridge(home: Home) -> Home:
    """A home whose fridge was seen once, with nothing consented."""
    await home.report()
    assert home.cloud.received == []
    return home


@pytest.fixture(autouse=True)
def an_owner(hass_owner_user: User) -> User:
    """The first user of a home is its owner, whatever groups they are in."""
    return hass_owner_user


@pytest.fixture
async def persons(fridge: Home) -> dict[str, User]:
    """Alice, whose toothbrush it is, and Bob."""
    return await a_family(fridge)


# --- Receipts ---


async def test_a_receipt_of_one_consent_or_of_the_home(fridge: Home) -> None:
    assert await call(fridge, "get_receipt") == {"count": 0, "receipts": []}
    await call(fridge, "grant", recipient_id=FROSTLINE)
    whole = await call(fridge, "get_receipt")
    assert whole["count"] == len(given(fridge))
    switch = fridge.switch("Temperature")
    [found] = (await call(fridge, "get_receipt", entity_id=switch))["receipts"]
    assert found["processing"]["data"]["name"] == "Temperature"
    [same] = (await call(fridge, "get_receipt", **pair(fridge, "Temperature")))["receipts"]
    assert same["header"]["record_id"] == found["header"]["record_id"]
    two = await call(fridge, "get_receipt", entity_id=switch, **pair(fridge, "Humidity"))
    assert two["count"] == 2
    assert (await call(fridge, "get_receipt", recipient_id=FROSTLINE))["count"] == whole["count"]


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"entity_id": "switch.nothing"}, "not_a_consent"),
        ({"recipient_id": "Nobody"}, "recipient_unknown"),
        ({"data_point_id": "0" * 16}, "receipt_unknown"),
        ({"recipient_id": ADLENS}, "receipt_unknown"),
    ],
)
async def test_a_receipt_that_is_not_there(fridge: Home, asked: dict[str, Any], key: str) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await refused(key, call(fridge, "get_receipt", **asked))


async def test_receipts_remain_of_what_is_gone(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.remove(FRIDGE)
    await fridge.remove(FROSTLINE)
    [found] = (await call(fridge, "get_receipt"))["receipts"]
    assert found["processing"]["appliance"]["name"] == FRIDGE
    assert found["processing"]["recipients"][0]["organisation"] == FROSTLINE
    assert [one["state"] for one in found["events"]] == ["given", "withdrawn"]
    assert found["now"]["in_force"] is False


async def test_a_page_of_names_that_would_be_markup(fridge: Home) -> None:
    bad = "<script>alert(1)</script>[a](http://evil.example)"
    await fridge.change(FRIDGE, name=f"{FRIDGE} {bad}")
    await fridge.report({bad: 1, "temperature": 4.5})
    await call(fridge, "grant", recipient_id=FROSTLINE)
    response = await call(fridge, "get_receipt", format="html")
    assert response["count"] == len(given(fridge))
    assert "<script" not in response["page"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response["page"]
    assert response["page"].startswith("<!doctype html>")


async def test_receipts_that_cannot_be_read_are_said(fridge: Home) -> None:
    ledger = fridge.household.firewall.consents.ledger
    with patch.object(ledger, "records", side_effect=StorageError):
        await refused("records_not_read", call(fridge, "get_receipt"))
    with patch.object(ledger, "verify", side_effect=StorageError):
        await refused("records_not_read", call(fridge, "verify"))


async def test_a_person_reads_their_own_receipts_only(
    fridge: Home, persons: dict[str, User], hass_admin_user: User
) -> None:
    await call(fridge, "grant", **pair(fridge, "Humidity"))
    await call(fridge, "grant", **pair(fridge, "Temperature", BRUSH), user=persons["Alice"])
    mine = await call(fridge, "get_receipt", user=persons["Alice"])
    [found] = mine["receipts"]
    assert found["header"]["person"]["name"] == "Alice"
    assert found["processing"]["appliance"]["name"] == BRUSH
    page = (await call(fridge, "get_receipt", user=persons["Alice"], format="html"))["page"]
    assert "Humidity" not in page
    for asked in ({}, pair(fridge, "Temperature", BRUSH), pair(fridge, "Humidity")):
        await refused("receipt_unknown", call(fridge, "get_receipt", user=persons["Bob"], **asked))
    await refused(
        "receipt_unknown",
        call(fridge, "get_receipt", user=persons["Alice"], **pair(fridge, "Humidity")),
    )
    assert (await call(fridge, "get_receipt", user=hass_admin_user))["count"] == 2


async def test_a_name_without_meaning_in_unicode_can_be_answered(fridge: Home) -> None:
    await fridge.report({"\ud800": 1, "temperature": 4.5, "a\x00b": 2})
    await call(fridge, "grant", recipient_id=FROSTLINE)
    for action in ("get_disclosures", "get_receipt"):
        response = await call(fridge, action)
        assert json_bytes(response)


# --- The ledger's chain, and the self-test ---


async def test_the_chain_is_followed(fridge: Home) -> None:
    assert await call(fridge, "verify") == {"intact": True, "records": 0, "first_broken": None}
    for name in ("Temperature", "Humidity", "Door open"):
        await call(fridge, "grant", **pair(fridge, name))
    assert (await call(fridge, "verify"))["records"] == 3
    with sqlite3.connect(fridge.hass.config.path("privacy_firewall.db")) as connection:
        connection.execute("UPDATE ledger SET level = 'coarse' WHERE id = 2")
    assert await call(fridge, "verify") == {"intact": False, "records": 3, "first_broken": 2}


async def test_the_gates_are_tested(fridge: Home) -> None:
    response = await call(fridge, "self_test")
    assert response["passed"] is True
    assert {one["gate"] for one in response["checks"]} == {"http"}
    assert fridge.cloud.received == []


async def test_a_test_that_left_traces_is_said(fridge: Home) -> None:
    with patch.object(fridge.household.firewall, "self_test", side_effect=StorageError):
        await refused("self_test_not_done", call(fridge, "self_test"))


# --- Previews ---


def url(home: Home, path: str = "/fridge") -> str:
    return f"http://127.0.0.1:{home.cloud.port}{path}"


async def preview(home: Home, body: Any = None, /, **asked: Any) -> dict[str, Any]:
    asked = {"appliance_id": FRIDGE, "url": url(home)} | asked
    if body is not None:
        asked["body"] = body
    return await call(home, "preview", **asked)


async def test_a_preview_says_what_would_leave(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    response = await preview(fridge, REPORT)
    assert (response["outcome"], response["reason"]) == ("redact", "some_withheld")
    assert response["why"] == "What is not consented was taken out."
    assert response["recipients"] == [f"{FROSTLINE} (service)"]
    assert [one["name"] for one in response["released"]] == ["Temperature"]
    assert {"Humidity", "Door open"} <= {one["name"] for one in response["withheld"]}
    request = response["request"]
    assert (request["method"], request["url"]) == ("POST", url(fridge))
    assert request["body"] == '{"temperature":4.5}'
    assert b64decode(request["body_base64"]) == b'{"temperature":4.5}'
    assert {"name": "Content-Type", "value": "application/json"} in request["headers"]
    assert fridge.cloud.received == []
    await fridge.report()
    assert fridge.cloud.received == [("/fridge", json.loads(request["body"]))]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (REPORT, {}),
        (json.dumps(REPORT), {"content-type": "application/json"}),
        ("temperature=4.5", {"Content-Type": ["application/x-www-form-urlencoded"]}),
    ],
)
async def test_a_payload_may_be_written_in_several_ways(
    fridge: Home, body: Any, headers: dict[str, Any]
) -> None:
    response = await preview(fridge, body, headers=headers)
    assert response["reason"] == "nothing_consented"
    assert "Temperature" in {one["name"] for one in response["withheld"]}
    assert response["request"] is None
    encoded = b64encode((body if isinstance(body, str) else json.dumps(body)).encode()).decode()
    again = await preview(
        fridge, body_base64=encoded, headers=headers or {"Content-Type": "application/json"}
    )
    assert again == response


async def test_bytes_that_are_no_text_come_back_in_base64(fridge: Home) -> None:
    await call(fridge, "let_through", appliance_id=FRIDGE, duration=60)
    raw = b"\xff\x00\xfe"
    request = (await preview(fridge, body_base64=b64encode(raw).decode()))["request"]
    assert request["body"] is None
    assert b64decode(request["body_base64"]) == raw


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"url": "http://user:secret@cloud.example/"}, "preview_url_not_possible"),
        ({"url": "file:///etc/passwd"}, "preview_url_not_possible"),
        ({"body_base64": "no base64!"}, "preview_body_not_possible"),
        ({"body_base64": "ä"}, "preview_body_not_possible"),
        ({"body": "\ud800"}, "preview_body_not_possible"),
        ({"body": "x", "body_base64": "eA=="}, "preview_body_twice"),
        ({"appliance_id": "Oven"}, "appliance_unknown"),
    ],
)
async def test_what_cannot_be_previewed_is_refused(
    fridge: Home, asked: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await preview(fridge, **asked)
    assert raised.value.translation_key == key
    assert raised.value.translation_placeholders is None
    assert "secret" not in str(raised.value)
    chain: BaseException | None = raised.value
    while chain is not None:
        assert "secret" not in str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"url": "https://elsewhere.example/x"}, "unclaimed_endpoint"),
        ({"body": "{"}, "unreadable"),
        ({"body": '"' + "x" * (1024 * 1024) + '"'}, "too_large"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "bad_request"),
        ({"method": "connect"}, "protocol_not_allowed"),
    ],
)
async def test_what_would_be_denied_is_told_as_a_reason(
    fridge: Home, asked: dict[str, Any], reason: str
) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    asked = {"headers": {"Content-Type": "application/json"}, "body": "{}"} | asked
    response = await preview(fridge, **asked)
    assert (response["outcome"], response["reason"]) == ("deny", reason)
    assert response["request"] is None


async def test_nothing_happens_by_a_preview(fridge: Home, caplog: pytest.LogCaptureFixture) -> None:
    await call(fridge, "grant", **pair(fridge, "Temperature"))
    await fridge.hass.async_block_till_done()
    states = {state.entity_id: state for state in fridge.hass.states.async_all()}
    points = fridge.household.firewall.data_points(fridge.subentry(FRIDGE).subentry_id)
    entries = await call(fridge, "get_disclosures")
    heard: list[Event[Any]] = []
    stop = fridge.hass.bus.async_listen("*", heard.append)
    caplog.clear()
    response = await preview(fridge, {"temperature": 4.25, "note": SECRET, "new_thing": 1})
    await preview(fridge, {"note": SECRET}, url="https://elsewhere.example/")
    await fridge.hass.async_block_till_done()
    stop()
    assert response["request"]["body"] == '{"temperature":4.25}'
    # Home Assistant itself tells everyone of every call, with its data; the docs say so.
    assert {event.event_type for event in heard} <= {"call_service"}
    ours = [one for one in caplog.records if one.name.startswith("custom_components")]
    assert SECRET not in "".join(one.getMessage() for one in ours)
    assert {state.entity_id: state for state in fridge.hass.states.async_all()} == states
    assert fridge.household.firewall.data_points(fridge.subentry(FRIDGE).subentry_id) == points
    assert await call(fridge, "get_disclosures") == entries
    assert fridge.cloud.received == []


# --- Data points ---


async def test_data_points_are_previewed(fridge: Home) -> None:
    await call(fridge, "grant", **pair(fridge, "Program"))
    response = await call(fridge, "preview_data_points", appliance_id=FRIDGE)
    assert (response["count"], response["left_out"]) == (len(response["data_points"]), 0)
    [seen] = [one for one in response["data_points"] if one["name"] == "Temperature"]
    assert (seen["last_value"], seen["unit"], seen["value_hidden"]) == (4.5, "°C", False)
    assert seen["last_seen"].startswith("20")
    [to] = seen["recipients"]
    assert to["recipient"] == "Frostline (service)"
    assert (to["sharing"], to["exact"], to["coarse"], to["withheld"]) == (False, 4.5, 0, "dropped")
    assert to["also_reveals"] == []


async def test_a_preview_names_what_else_is_revealed(home: Home) -> None:
    await home.report({"dewptf": 51.2, "humidity": 61, "tempf": 60.1})
    asked = {"appliance_id": FRIDGE, "data_point_id": home.point("Dewptf")}
    await call(home, "grant", **pair(home, "Humidity"))
    response = await call(home, "preview_data_points", recipient_id=FROSTLINE, **asked)
    [seen] = response["data_points"]
    [found] = seen["recipients"][0]["also_reveals"]
    assert found["data_point_id"] == home.point("Tempf")
    assert set(found["from"]) == {home.point("Dewptf"), home.point("Humidity")}
    assert found["less_when_coarse"] is True
    # The switch says so before it is turned on, with names and without values.
    shown = home.hass.states.get(home.switch("Dewptf"))
    assert shown is not None
    assert shown.attributes["also_reveals"] == [found["what"]]
    assert "60.1" not in str(shown.attributes)
    # Once the recipient gets it anyway, it is no news.
    await call(home, "grant", **pair(home, "Tempf"))
    shown = home.hass.states.get(home.switch("Dewptf"))
    assert shown is not None
    assert shown.attributes["also_reveals"] == []


async def test_what_is_asked_about_is_taken_together(home: Home) -> None:
    await home.report({"dewptf": 51.2, "humidity": 61, "tempf": 60.1})
    two = [home.point("Dewptf"), home.point("Humidity")]
    response = await call(home, "preview_data_points", appliance_id=FRIDGE, data_point_id=two)
    for seen in response["data_points"]:
        [found] = seen["recipients"][0]["also_reveals"]
        assert found["data_point_id"] == home.point("Tempf")
    # All of an appliance is not a choice: nothing is taken together then.
    response = await call(home, "preview_data_points", appliance_id=FRIDGE)
    assert not any(
        to["also_reveals"] for seen in response["data_points"] for to in seen["recipients"]
    )


@pytest.mark.parametrize(
    ("stated", "unit"), [("F", "°F"), ("°C", "°C"), (SECRET, None), (None, "°C")]
)
async def test_the_unit_that_stands_beside_a_value_is_told(
    home: Home, stated: str | None, unit: str | None
) -> None:
    await home.report({"temperature": {"value": 37, "unit": stated}})
    for action in ("preview_data_points", "get_data_points"):
        response = await call(home, action, appliance_id=FRIDGE)
        [seen] = [one for one in response["data_points"] if one["path"].endswith(".value")]
        assert seen["unit"] == unit


async def test_values_of_previews_stand_in_the_answer_alone(
    fridge: Home, caplog: pytest.LogCaptureFixture
) -> None:
    # A text that has no sensor of its own.
    await fridge.report(
        {"temperature": 4.5, "remark": f"Back at eight, {SECRET}", "serial": "AB12"}
    )
    fired: list[Event] = []
    fridge.hass.bus.async_listen("*", fired.append)
    caplog.clear()
    response = await call(fridge, "preview_data_points", appliance_id=FRIDGE)
    [remark] = [one for one in response["data_points"] if one["name"] == "Remark"]
    assert SECRET in remark["last_value"]
    [serial] = [one for one in response["data_points"] if one["name"] == "Serial"]
    assert (serial["last_value"], serial["value_hidden"]) == (None, True)
    assert "AB12" not in str(response)
    assert SECRET not in str([event.data for event in fired])
    assert SECRET not in caplog.text
    assert SECRET not in str([state.as_dict() for state in fridge.hass.states.async_all()])


async def test_a_preview_of_data_points_is_bounded(home: Home) -> None:
    await home.report({f"item{'x' * (n // 2)}{'yz'[n % 2]}": "eco" for n in range(260)})
    response = await call(home, "preview_data_points", appliance_id=FRIDGE)
    assert (response["count"] > 250, len(response["data_points"])) == (True, 100)
    assert response["left_out"] == response["count"] - 100
    # Those with switches come first.
    promoted = home.household.firewall.promoted(home.subentry(FRIDGE).subentry_id)
    first = [one["id"] for one in response["data_points"][: len(promoted)]]
    assert first == [point.id for point in promoted]


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"data_point_id": "0123456789abcdef"}, "data_point_unknown"),
        ({"recipient_id": "Nobody"}, "recipient_unknown"),
        ({"appliance_id": "Nobody"}, "appliance_unknown"),
    ],
)
async def test_unknown_data_points_are_refused(
    fridge: Home, asked: dict[str, str], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await call(fridge, "preview_data_points", **({"appliance_id": FRIDGE} | asked))
    assert raised.value.translation_key == key
