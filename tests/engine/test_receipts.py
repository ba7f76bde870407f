"""Receipts: what they say, what they do not invent, and that nothing in them acts."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from html.parser import HTMLParser
import json
from pathlib import Path
import re
from typing import Any, override

import pytest

from engine.model import ConsentState, Decider, Level
from engine.receipt_page import page
from engine.receipts import Receipt, subject_of
import wire
from wire import House, fridge, frost

BODY = b'{"door":true,"heart_rate":61}'
PEOPLE = {"user-1": "Alice", "person-1": "Alice A."}
HAND = Decider(how="switch", person="user-1", context="01CONTEXT")
HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e**bold** ](http://evil.example)"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with wire.house(tmp_path) as built:
        await built.ask(built.request(BODY))
        yield built


async def receipts(house: House, **asked: Any) -> list[Receipt]:
    return await house.firewall.inspection.receipts(people=PEOPLE, **asked)


async def receipt(house: House, path: str = "$.body.door") -> Receipt:
    [found] = await receipts(house, data_point_id=house.points()[path].id)
    # What is handed out is JSON, nothing less.
    assert json.loads(json.dumps(found)) == found
    return found


async def give(house: House, path: str = "$.body.door", **more: Any) -> None:
    decider = more.pop("decider", HAND)
    pair = house.points()[path].id, "frost"
    await house.firewall.decide([pair], ConsentState.GIVEN, decider, **more)


async def test_where_nothing_was_decided_there_is_none(house: House) -> None:
    assert await receipts(house) == []


async def test_a_receipt_says_all_that_is_known(house: House) -> None:
    await give(house)
    found = await receipt(house)
    point = house.points()["$.body.door"]
    consent = house.firewall.consent(point.id, "frost")
    notice = house.firewall.consents.notice("frost")
    assert consent is not None
    assert found["header"]["schema_version"] == "ISO/IEC TS 27560:2023"
    assert found["header"]["record_id"] == f"fridge/{point.id}/frost"
    assert found["header"]["receipt_id"] == f"fridge/{point.id}/frost@1"
    assert found["header"]["person"] == {"type": "household", "id": None, "name": None}
    processing = found["processing"]
    assert processing["notice"] == {
        "text": notice.text, "version": 1, "hash": notice.hash, "language": "en",
    }  # fmt: skip
    assert processing["purpose"] == "service"
    assert processing["data"]["name"] == point.name
    assert processing["data"]["path"] == "$.body.door"
    assert processing["data"]["types"] == ["boolean"]
    assert processing["appliance"] == {"id": "fridge", "name": "Fridge"}
    assert processing["recipients"][0]["organisation"] == "Frost"
    assert processing["level"] == "exact"
    assert found["now"] == {
        "state": "given", "in_force": True, "suspended": False, "asked_again": False, "until": None,
    }  # fmt: skip
    [event] = found["events"]
    assert event["state"] == "given"
    assert event["how"] == "switch"
    assert event["person"] == {"id": "user-1", "name": "Alice"}
    assert event["context"] == "01CONTEXT"
    assert event["number"] == consent.number
    assert len(event["hash"]) == 64


async def test_what_a_vendor_does_not_state_is_unknown(house: House) -> None:
    await give(house)
    processing = (await receipt(house))["processing"]
    for name in ("controllers", "storage_locations", "retention_period", "jurisdictions"):
        assert processing[name] == "unknown"
    assert processing["recipients"][0]["passes_on_to"] == "unknown"
    assert processing["recipients"][0]["policy"] == "unknown"


async def test_what_a_vendor_states_of_storage_stands_in_the_receipt(house: House) -> None:
    place = f"http://{house.host}/"
    policy = "https://frost.example/privacy"
    stated = {"storage": "Iceland", "retention": "two years", "policy": policy}
    house.configure(recipients=(frost(place, **stated),))
    await give(house)
    processing = (await receipt(house))["processing"]
    assert processing["storage_locations"] == "Iceland"
    assert processing["retention_period"] == "two years"
    assert processing["recipients"][0]["policy"] == policy
    assert "Iceland" in processing["notice"]["text"]
    shown = Reader(page(await receipts(house), UTC)).text
    assert all(shown.count(text) >= 2 for text in ("Iceland", "two years", policy))
    # What it no longer states when it is decided again is not said to be so.
    house.configure(recipients=(frost(place, retention="a year"),))
    await give(house)
    processing = (await receipt(house))["processing"]
    assert processing["storage_locations"] == "unknown"
    assert processing["retention_period"] == "a year"
    assert processing["recipients"][0]["policy"] == "unknown"


@pytest.mark.parametrize(
    ("decider", "presented"),
    [
        (Decider(how="switch"), "available"),
        (Decider(how="action"), "available"),
        (Decider(how="automation"), "available"),
        (Decider(how="repair", notice_shown=True), "shown"),
    ],
)
async def test_of_a_bare_switch_the_notice_was_available_not_shown(
    house: House, decider: Decider, presented: str
) -> None:
    await give(house, decider=decider)
    [event] = (await receipt(house))["events"]
    assert event["notice"]["presented"] == presented
    assert event["how"] == decider.how
    assert event["person"] is None


async def test_health_is_said_to_be_special(house: House) -> None:
    await give(house, "$.body.heart_rate")
    await give(house)
    data = (await receipt(house, "$.body.heart_rate"))["processing"]["data"]
    assert (data["category"], data["special_category"]) == ("health", True)
    assert (await receipt(house))["processing"]["data"]["special_category"] is False


async def test_every_decision_is_an_event_and_none_is_lost(house: House) -> None:
    await give(house, "$.body.heart_rate", level=Level.COARSE, seconds=900)
    point = house.points()["$.body.heart_rate"]
    await house.firewall.decide(
        [(point.id, "frost")], ConsentState.WITHDRAWN, Decider(how="action")
    )
    await house.firewall.decide([(point.id, "frost")], ConsentState.REFUSED, HAND)
    found = await receipt(house, "$.body.heart_rate")
    assert [one["state"] for one in found["events"]] == ["given", "withdrawn", "refused"]
    assert found["events"][0]["level"] == "coarse"
    assert found["events"][0]["valid_until"] is not None
    assert found["events"][1]["valid_until"] is None
    assert (found["now"]["state"], found["now"]["in_force"]) == ("refused", False)


async def test_a_request_is_told_and_decides_nothing(house: House) -> None:
    await house.firewall.consents.ask(house.firewall.data_points("fridge"))
    found = await receipt(house)
    assert [one["state"] for one in found["events"]] == ["requested"]
    assert found["events"][0]["notice"]["presented"] == "nobody_asked"
    assert found["now"]["in_force"] is False
    await give(house)
    assert (await receipt(house))["now"]["in_force"] is True


async def test_a_suspended_consent_is_given_and_not_in_force(house: House) -> None:
    await give(house)
    point = house.points()["$.body.door"]
    house.firewall.consents.ledger.suspend(("fridge", point.id, "frost"))
    now = (await receipt(house))["now"]
    assert (now["state"], now["in_force"], now["suspended"]) == ("given", False, True)


async def test_a_person_is_named_where_the_consent_is_theirs(house: House) -> None:
    await give(house, subject="person-1")
    found = await receipt(house)
    assert subject_of(found) == "person-1"
    assert found["header"]["person"] == {"type": "person", "id": "person-1", "name": "Alice A."}


async def test_who_is_not_known_any_more_is_unknown_not_invented(house: House) -> None:
    await give(house, decider=Decider(how="action", person="gone"), subject="gone too")
    found = await receipt(house)
    assert found["header"]["person"]["name"] == "unknown"
    assert found["events"][0]["person"] == {"id": "gone", "name": "unknown"}


async def test_each_event_names_the_notice_it_was_made_under(house: House) -> None:
    await give(house)
    first = house.firewall.consents.notice("frost")
    house.configure(recipients=(frost(f"http://{house.host}/", benefit="More."),))
    await give(house)
    found = await receipt(house)
    second = house.firewall.consents.notice("frost")
    assert [one["notice"]["version"] for one in found["events"]] == [1, 2]
    assert [one["notice"]["hash"] for one in found["events"]] == [first.hash, second.hash]
    assert found["processing"]["notice"]["text"] == second.text
    assert "More." in second.text


async def test_a_receipt_outlives_appliance_and_recipient(house: House) -> None:
    await give(house)
    house.configure(fridge(id="other"), recipients=())
    await house.firewall.forget_all_but(frozenset({"other"}))
    [found] = await receipts(house)
    assert found["processing"]["appliance"]["name"] == "Fridge"
    assert found["processing"]["recipients"][0]["organisation"] == "Frost"


async def test_what_a_later_record_does_not_name_is_kept(house: House) -> None:
    """Of a recipient that is gone a withdrawal knows no name; the grant before it did."""
    await give(house)
    house.configure(recipients=())
    await house.firewall.withdraw(house.points()["$.body.door"].id, "frost", how="action")
    [found] = await receipts(house)
    assert found["processing"]["recipients"][0]["organisation"] == "Frost"
    assert found["processing"]["purpose"] == "service"


async def test_being_asked_again_changes_nothing_of_what_was_decided(house: House) -> None:
    await give(house, "$.body.heart_rate", subject="person-1", level=Level.COARSE)
    first = house.firewall.consents.notice("frost")
    house.configure(recipients=(frost(f"http://{house.host}/", benefit="More."),))
    await house.firewall.consents.ask(house.firewall.data_points("fridge"))
    found = await receipt(house, "$.body.heart_rate")
    assert [one["state"] for one in found["events"]] == ["given", "requested"]
    assert (found["now"]["state"], found["now"]["asked_again"]) == ("given", True)
    assert found["header"]["person"]["id"] == "person-1"
    assert found["processing"]["level"] == "coarse"
    assert found["processing"]["notice"]["hash"] == first.hash


async def test_one_two_or_all(house: House) -> None:
    other = frost(f"http://{house.host}/", id="other", organisation="Other")
    house.configure(recipients=(frost(f"http://{house.host}/"), other))
    await house.ask(house.request(BODY))
    await give(house)
    await give(house, "$.body.heart_rate")
    point = house.points()["$.body.door"]
    await house.firewall.grant(point.id, "other", how="switch")
    assert len(await receipts(house)) == 3
    assert len(await receipts(house, recipient_id="other")) == 1
    assert len(await receipts(house, data_point_id=point.id)) == 2
    assert len(await receipts(house, data_point_id=point.id, recipient_id="frost")) == 1
    assert await receipts(house, data_point_id="none") == []


# --- The page ---


class Reader(HTMLParser):
    """Takes a page apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @override
    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "em", "section",
    "table", "thead", "tr", "th", "td", "bdi", "pre", "time",
}  # fmt: skip
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "datetime"}


def strings(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all texts in a receipt that are nobody's labels or times."""
    if isinstance(tree, dict):
        return [one for name, value in tree.items() for one in strings(value, (*path, name))]
    if isinstance(tree, list):
        return [one for index, value in enumerate(tree) for one in strings(value, (*path, index))]
    times = {"time", "issued_at", "until", "valid_until", "schema_version"}
    return [path] if isinstance(tree, str) and path[-1] not in times else []


async def test_the_page_shows_what_the_receipt_says(house: House) -> None:
    await give(house, "$.body.heart_rate", seconds=900)
    found = await receipt(house, "$.body.heart_rate")
    shown = Reader(page([found], UTC))
    for text in (
        "Fridge", "Frost", "health", "given, in force", "yes", "unknown", "Alice",
        "$.body.heart_rate", "available to read, not shown", "the household",
        found["header"]["receipt_id"], found["processing"]["notice"]["hash"],
        *found["processing"]["notice"]["text"].splitlines(),
    ):  # fmt: skip
        assert text in shown.text, text
    assert found["events"][0]["time"][:10] in shown.text
    assert "UTC" in shown.text


async def test_the_page_has_times_of_the_house(house: House) -> None:
    await give(house)
    found = await receipt(house)
    found["events"][0]["time"] = "2026-11-24T23:30:00+00:00"
    east = timezone(timedelta(hours=2), "EET")
    assert "2026-11-25 01:30:00 EET" in page([found], east)


async def test_whatever_a_name_holds_the_page_does_nothing_with_it(house: House) -> None:
    """Every text of a receipt, one after the other, is made as bad as it can be."""
    await give(house, seconds=900)
    paths = strings(await receipt(house))
    assert len(paths) > 25
    for path in paths:
        found = await receipt(house)
        inside: Any = found
        for name in path[:-1]:
            inside = inside[name]
        inside[path[-1]] = f"{HOSTILE}\x00\x1b\ud800"
        text = page([found], UTC)
        assert not re.search(r"[\x00\x1b]", text)
        text.encode()
        shown = Reader(text)
        assert {tag for tag, _ in shown.tags} <= OURS, path
        assert {name for _, attributes in shown.tags for name in attributes} <= ATTRIBUTES, path


async def test_the_page_of_a_hostile_home(house: House) -> None:
    house.configure(
        fridge(name=f"Fridge {HOSTILE}"),
        recipients=(frost(f"http://{house.host}/", organisation=HOSTILE, benefit=HOSTILE),),
    )
    await house.ask(house.request(json.dumps({HOSTILE: 1, "\x00\ud800": 2}).encode()))
    await house.grant_all()
    found = await receipts(house)
    text = page(found, UTC)
    text.encode()
    shown = Reader(text)
    assert HOSTILE in shown.text
    assert {tag for tag, _ in shown.tags} <= OURS
    assert "<img" not in text
    # Set apart, so that letters of another direction rearrange nothing around them.
    assert text.count("<bdi>") == text.count("</bdi>") > 20


async def test_the_page_loads_nothing_and_runs_nothing(house: House) -> None:
    await give(house)
    shown = Reader(page([await receipt(house)], UTC))
    policies = [
        attributes["content"]
        for tag, attributes in shown.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not {"script", "link", "img", "iframe", "form", "a"} & {tag for tag, _ in shown.tags}


def test_a_page_of_nothing_says_so() -> None:
    assert "Nothing was decided yet" in page([], UTC)


async def test_old_records_without_notice_or_names(house: House) -> None:
    """Consents of before the ledger kept notices: what was not recorded is unknown."""
    await give(house)
    [record] = await house.firewall.consents.records()
    old = replace(record, consent=replace(record.consent, notice=None), facts={})
    from engine import receipts as module  # noqa: PLC0415 - the function under its own name

    [found] = module.build([old], {}, {}, is_in_force=lambda _: True, issued_at=0.0, people={})
    assert found["processing"]["notice"] == "unknown"
    assert found["processing"]["data"]["name"] == "unknown"
    assert found["processing"]["data"]["special_category"] == "unknown"
    assert found["events"][0]["notice"] == {
        "presented": "unknown", "hash": "unknown", "version": "unknown",
    }  # fmt: skip
    assert found["now"]["in_force"] is False, "what is not known to stand does not"
    assert "unknown" in Reader(page([found], UTC)).text
