"""What is kept of what the matcher found, and what gives way."""

from homeassistant.core import HomeAssistant
import pytest

from custom_components.privacy_firewall.engine import MatchCandidate, MatchReason, MatchReasonKind
from custom_components.privacy_firewall.match_rules import Findings, settle
from custom_components.privacy_firewall.match_store import (
    MAX_PAIRS,
    Match,
    MatchStore,
    Standing,
)

IDS = {"sensor.a": "a", "sensor.b": "b", "sensor.c": "c"}


@pytest.fixture
def store(hass: HomeAssistant) -> MatchStore:
    return MatchStore(hass)


def sure(point_id: str, entity_id: str, confidence: float = 0.9) -> MatchCandidate:
    reason = MatchReason(kind=MatchReasonKind.NAME, weight=3.0, text="names 90% alike")
    return MatchCandidate(
        point_id=point_id, entity_id=entity_id, confidence=confidence, reasons=(reason,)
    )


def take(store: MatchStore, *found: MatchCandidate, scope: str = "abc", **twins: str) -> bool:
    by_point: dict[str, list[MatchCandidate]] = {}
    for one in found:
        by_point.setdefault(one.point_id, []).append(one)
    findings = Findings(sure=by_point, unsure={}, twins=twins)
    return settle(store, findings, points=["p", "q"], ids=IDS, scope=set(scope))


def kept(store: MatchStore) -> dict[str, str]:
    return {point_id: one.entity for point_id, one in store.all().items()}


def said(entity: str) -> Match:
    return Match(entity=entity, standing=Standing.CONFIRMED)


def test_what_is_sure_is_kept_and_told_once(store: MatchStore) -> None:
    assert take(store, sure("p", "sensor.a"))
    assert kept(store) == {"p": "a"}
    assert not take(store, sure("p", "sensor.a", 0.91))
    assert take(store, sure("p", "sensor.a", 0.8))
    found = store.get("p")
    assert found is not None
    assert (found.confidence, found.reasons, found.kinds) == (0.8, ("names 90% alike",), ("name",))


def test_silence_contradicts_nothing(store: MatchStore) -> None:
    take(store, sure("p", "sensor.a"))
    assert not take(store)
    assert kept(store) == {"p": "a"}


def test_better_evidence_does(store: MatchStore) -> None:
    take(store, sure("p", "sensor.a"))
    assert take(store, sure("p", "sensor.b"))
    assert kept(store) == {"p": "b"}


def test_another_data_point_may_have_the_better_claim(store: MatchStore) -> None:
    take(store, sure("p", "sensor.a"))
    assert take(store, sure("q", "sensor.a"))
    assert kept(store) == {"q": "a"}


def test_one_that_tells_the_same_is_no_rival(store: MatchStore) -> None:
    take(store, sure("p", "sensor.a"))
    take(store, sure("q", "sensor.a"), q="p")
    assert kept(store) == {"p": "a", "q": "a"}


def test_of_two_entities_of_one_data_point_the_likelier_is_taken_and_then_stays(
    store: MatchStore,
) -> None:
    take(store, sure("p", "sensor.a", 0.8), sure("p", "sensor.b", 0.9))
    assert kept(store) == {"p": "b"}
    take(store, sure("p", "sensor.a", 0.99), sure("p", "sensor.b", 0.9))
    assert kept(store) == {"p": "b"}


def test_an_entity_that_is_no_more_is_matched_no_more(store: MatchStore) -> None:
    take(store, sure("p", "sensor.a"))
    assert take(store, scope="bc")
    assert kept(store) == {}


def test_an_entity_that_is_not_registered_cannot_be_kept(store: MatchStore) -> None:
    assert not take(store, sure("p", "sensor.unknown"))


def test_what_was_rejected_is_not_found_again(store: MatchStore) -> None:
    take(store, sure("p", "sensor.a"))
    store.reject("p", ["a"])
    assert kept(store) == {}
    assert not take(store, sure("p", "sensor.a"))
    assert take(store, sure("p", "sensor.a"), sure("p", "sensor.b", 0.8))
    assert kept(store) == {"p": "b"}


def test_what_the_household_said_is_never_changed_by_the_machine(store: MatchStore) -> None:
    store.confirm("p", said("a"))
    assert not take(store, sure("p", "sensor.b"))
    take(store, sure("q", "sensor.a"), scope="bc")
    found = store.get("p")
    assert found == said("a")


def test_what_the_household_says_ends_what_the_machine_found_for_that_entity(
    store: MatchStore,
) -> None:
    take(store, sure("q", "sensor.a"))
    store.confirm("p", said("a"))
    assert kept(store) == {"p": "a"}


def test_what_is_remembered_of_a_data_point_is_bounded(store: MatchStore) -> None:
    for number in range(MAX_PAIRS * 2):
        store.reject("p", [str(number)])
        store.show("p", [str(number)])
    assert store.rejected("p") == [str(one) for one in range(MAX_PAIRS, MAX_PAIRS * 2)]
    assert len(store.shown("p")) == MAX_PAIRS


def test_what_is_gone_is_forgotten(store: MatchStore) -> None:
    store.confirm("p", said("a"))
    store.reject("q", ["a"])
    assert store.keep_only(["q"])
    assert not store.keep_only(["q"])
    assert kept(store) == {}
    assert store.rejected("q") == ["a"]
