"""Which data points have a switch of their own, which share one, and which are only listed."""

from dataclasses import replace
import json
from typing import Any

from arranged import reports, seen
from points import point
import pytest

from engine import learning
from engine.grouping import MAX_MEMBERS, MIN_ALONE, Arrangement, arrange, group_key
from engine.model import Category, DataPoint, Number, Sensitive
from engine.topics import TOPICS_OF_GROUPS, TOPICS_OF_PERSONS, Topic, is_of_the_form, topic_of
from helpers import House, corpus, corpus_files, post

NOTHING: frozenset[str] = frozenset()


def temperatures(count: int, where: str = "shelf") -> list[DataPoint]:
    return [
        point(f"$.body.{where}{chr(97 + n // 26)}{chr(97 + n % 26)}.temperature", Number("4"))
        for n in range(count)
    ]


def energies(count: int) -> list[DataPoint]:
    return [point(f"$.body.meter{chr(97 + n)}.energy", Number("4")) for n in range(count)]


def ids(points: list[DataPoint] | tuple[DataPoint, ...]) -> set[str]:
    return {one.id for one in points}


def grouped(arranged: Arrangement) -> dict[str, set[str]]:
    return {group.key: ids(group.points) for group in arranged.groups}


def in_groups(arranged: Arrangement) -> set[str]:
    return set().union(*grouped(arranged).values())


def test_a_short_report_has_a_switch_for_every_item() -> None:
    points = temperatures(6) + energies(6)
    arranged = arrange(points, chosen=NOTHING)
    assert ids(arranged.alone) == ids(points)
    assert arranged.groups == []


def test_a_long_report_shares_switches_by_topic() -> None:
    points = [*temperatures(20), *energies(9), point("$.body.door.contact", "open")]
    arranged = arrange(points, chosen=NOTHING)
    assert points[-1] in arranged.alone, "doors tell most of people"
    assert MIN_ALONE <= len(arranged.alone) <= learning.MAX_PROMOTED_PER_RECIPIENT - 2
    climate, energy = group_key(Topic.CLIMATE, "cloud"), group_key(Topic.ENERGY, "cloud")
    assert grouped(arranged) == {
        energy: ids(points[20:29]) - ids(arranged.alone),
        climate: ids(points[:20]) - ids(arranged.alone),
    }
    assert ids(arranged.alone) | in_groups(arranged) == ids(points)


def test_each_recipient_has_a_switch_of_its_own() -> None:
    points = [replace(one, recipients=("cloud", "ads")) for one in temperatures(20)]
    arranged = arrange(points, chosen=NOTHING)
    assert {group.recipient_id for group in arranged.groups} == {"cloud", "ads"}
    for_cloud, for_ads = arranged.groups
    assert for_cloud.points == for_ads.points


def test_what_tells_of_persons_is_never_shared_out() -> None:
    bodies = [point(f"$.body.x{chr(97 + n)}.heartRate", Number("60")) for n in range(20)]
    secrets = [point(f"$.body.x{chr(97 + n)}.serial", "abc") for n in range(20)]
    unknown = [point(f"$.body.x{chr(97 + n)}.waso", Number("60")) for n in range(20)]
    arranged = arrange([*bodies, *secrets, *unknown, *temperatures(20)], chosen=NOTHING)
    assert {group.topic for group in arranged.groups} == {Topic.CLIMATE}
    assert ids(arranged.alone) <= ids(bodies)
    # Without any to share, as many as in a short one.
    assert len(arrange(bodies, chosen=NOTHING).alone) == learning.MAX_PROMOTED_PER_RECIPIENT


def test_what_stands_beside_a_body_is_not_shared_out() -> None:
    """The state of somebody asleep is called just that."""
    beside = point("$.body.body.series[*].state", Number("2"))
    apart = point("$.body.body.drums[*].state", Number("2"))
    others = [point(f"$.body.x{chr(97 + n)}.operatingState", "on") for n in range(20)]
    body = point("$.body.body.series[*].hr", Number("60"))
    arranged = arrange([*others, apart, beside, body], chosen=NOTHING)
    assert beside.id not in in_groups(arranged)
    assert apart.id in in_groups(arranged)


@pytest.mark.parametrize(
    "odd",
    [
        {"energy": {"herz": 61, "gewicht": 70}},
        {"temperature": {"schlaf": 1, "blutdruck": 120}},
        {"settings": {"anwesend": True, "urlaub": False}},
        {"settings": {"gebetszeit_mode": True, "prayer_mode": True, "halal_mode": True}},
        {"mode": {"kinder": True, "enfants": False}},
        {"energy": {"pregnancy": 1, "menstrual": 2, "stress": 3, "mood": 4}},
        {"filter": {"mic": 1, "wakeword": 0}},
        {"energy": {"ecg": 1, "insulin": 4, "diabetes": 1}},
    ],
)
def test_what_is_marked_as_telling_of_people_is_never_shared_out(odd: dict[str, Any]) -> None:
    """Whatever its path makes of it otherwise; of the network alone, many may be shared."""
    house = House()
    words = "apples butter cheese dill eggs figs garlic ham ice jam kale leek milk nuts".split()
    house.send(post(json.dumps({"shelves": {one: {"temperature": 4} for one in words}, **odd})))
    one_by_one = frozenset(Sensitive) - {Sensitive.NETWORK}
    marked = {one.id for one in house.points if one.sensitive & one_by_one}
    assert marked, "the marks are what this is about"
    # No room for a switch of its own: it is listed.
    kept = frozenset(one.id for one in house.points if one.id not in marked)
    kept = frozenset(sorted(kept)[: learning.MAX_PROMOTED_PER_RECIPIENT])
    arranged = arrange(house.points, chosen=NOTHING, kept=kept)
    assert not marked & in_groups(arranged)
    assert Topic.CLIMATE in {group.topic for group in arranged.groups}


def test_what_is_marked_comes_before_what_is_not() -> None:
    settings = point("$.body.mode", "on", sensitive=frozenset({Sensitive.RELIGION}))
    assert settings in arrange([*temperatures(30), settings], chosen=NOTHING).alone


def test_what_is_marked_later_leaves_its_group_and_keeps_what_was_decided() -> None:
    """With a switch of its own while it is shared: it is stopped by that."""
    points = temperatures(30)
    kept = frozenset(ids(arrange(points, chosen=NOTHING).alone))
    member = points[-1]
    points[-1] = replace(member, sensitive=frozenset({Sensitive.HEALTH}))
    arranged = arrange(points, chosen=NOTHING, kept=kept, consented=frozenset({member.id}))
    assert member.id in ids(arranged.alone)
    assert member.id not in in_groups(arranged)


def test_granting_a_group_does_not_take_it_apart() -> None:
    points = temperatures(30)
    before = arrange(points, chosen=NOTHING)
    members = frozenset(ids(before.groups[0].points))
    kept = frozenset(ids(before.alone))
    after = arrange(points, chosen=NOTHING, kept=kept, consented=members)
    assert after == before


def test_what_is_consented_always_has_a_switch() -> None:
    """Also what is of no group, or found no room in one."""
    serial = point("$.body.serial", "abc")
    crowd = temperatures(MAX_MEMBERS + 40)
    consented = frozenset({serial.id, crowd[-1].id})
    arranged = arrange([serial, *crowd], chosen=NOTHING, consented=consented)
    assert consented <= ids(arranged.alone) | in_groups(arranged)
    assert len(arranged.groups[0].points) == MAX_MEMBERS + 1
    assert arranged.groups[0].points[-1] == crowd[-1]


def test_a_large_appliance_of_which_all_is_shared_has_no_more_entities_than_any() -> None:
    """What finds no room in the list of its group is stopped by its switch all the same."""
    crowd = temperatures(600)
    arranged = arrange(crowd, chosen=NOTHING, consented=frozenset(ids(crowd)))
    alone = sum(learning.cost(one, NOTHING) for one in arranged.alone)
    assert alone + len(arranged.groups) <= learning.MAX_ENTITIES
    assert ids(arranged.alone) | in_groups(arranged) == ids(crowd)


class _Counted(frozenset[str]):
    """A set that counts how often another one is made of it."""

    copies = 0

    def __sub__(self, other: Any) -> frozenset[str]:
        type(self).copies += 1
        return super().__sub__(other)


@pytest.mark.parametrize("which", ["consented", "matched"])
def test_arranging_a_large_appliance_takes_no_sets_apart_for_each_item(which: str) -> None:
    """It runs in the event loop with every decision and each new item."""
    crowd = temperatures(600)
    counted = type("_Counted", (_Counted,), {})(ids(crowd))
    some: Any = {which: counted}
    arrange(crowd, chosen=NOTHING, **some)
    assert counted.copies < 10


def test_what_was_chosen_or_has_a_switch_is_alone() -> None:
    points = [*temperatures(20), point("$.body.timestamp", "2023-09-02T10:39:45Z")]
    chosen, kept = frozenset({points[-1].id}), frozenset(ids(points[10:18]))
    arranged = arrange(points, chosen=chosen, kept=kept)
    assert chosen | kept <= ids(arranged.alone)
    assert not (chosen | kept) & in_groups(arranged)


def test_what_joins_later_joins_its_group_and_moves_nothing() -> None:
    points = temperatures(20)
    before = arrange(points, chosen=NOTHING)
    late = [replace(one, first_seen=99.0) for one in [*temperatures(3, "late"), *energies(3)]]
    kept = frozenset(ids(before.alone) | grouped(before).keys())
    after = arrange([*points, *late], chosen=NOTHING, kept=kept)
    assert ids(before.alone) <= ids(after.alone)
    assert in_groups(before) <= in_groups(after)
    assert ids(late[:3]) <= in_groups(after) | ids(after.alone)


def test_a_group_that_is_there_stays() -> None:
    """Even where there would be no room for a new one, or it has one member left."""
    points = [replace(one, recipients=("cloud", "ads")) for one in temperatures(20)]
    picked = frozenset(ids(points[:19]))
    assert arrange(points, chosen=picked).groups == []
    kept = frozenset({group_key(Topic.CLIMATE, "ads")})
    [group] = arrange(points, chosen=picked, kept=kept).groups
    assert (group.recipient_id, group.points) == ("ads", tuple(points[19:]))


def test_entities_are_bounded() -> None:
    points = [
        replace(one, recipients=(f"cloud{number % 12}",))
        for number, one in enumerate([*temperatures(400), *energies(20)])
    ]
    arranged = arrange(points, chosen=NOTHING)
    alone = sum(learning.cost(one, NOTHING) for one in arranged.alone)
    assert alone + len(arranged.groups) <= learning.MAX_ENTITIES
    assert arranged.groups


# --- Reports of real appliances ---

REPORTS = list(reports()) or corpus_files("http/*")


@pytest.mark.corpus
@pytest.mark.parametrize("name", REPORTS)
def test_a_real_report(name: str) -> None:
    if name not in reports():
        corpus(name)
    points = seen(reports()[name])
    arranged = arrange(points, chosen=NOTHING)
    assert len(arranged.alone) + len(arranged.groups) <= 14
    alone, shared = ids(arranged.alone), [one for group in arranged.groups for one in group.points]
    assert len(shared) == len(ids(tuple(shared))), "in one group"
    assert not alone & ids(tuple(shared)), "a switch of its own, or its group's"
    assert {topic_of(one) for one in shared} <= TOPICS_OF_GROUPS
    assert not any(is_of_the_form(one) for one in arranged.alone + shared)
    sensitive = {
        Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA, Category.HEALTH,
        Category.PRESENCE, Category.LOCATION, Category.CHILDREN,
    }  # fmt: skip
    assert not sensitive & {one.category for one in shared}
    # What tells something has a switch: only of persons, and of no known meaning, may be listed.
    for one in points:
        if one.id not in alone | ids(tuple(shared)) and learning.is_telling(one):
            unshared = topic_of(one) in TOPICS_OF_PERSONS or topic_of(one) is Topic.OTHER
            assert (
                unshared
                or is_of_the_form(one)
                or topic_of(one) in {topic_of(each) for each in arranged.alone}
                or _is_single(one, points)
            ), one.field


def _is_single(point: DataPoint, points: list[DataPoint]) -> bool:
    return sum(topic_of(one) is topic_of(point) for one in points if learning.is_telling(one)) < 3


@pytest.mark.corpus
def test_the_fridges_switches() -> None:
    corpus("http/samsung_fridge_status.json")
    points = seen(reports()["samsung_fridge_status"])
    arranged = arrange(points, chosen=NOTHING)
    assert len(points) == 249
    assert [one.name for one in arranged.alone] == [
        "Contact sensor (cooler)",
        "Contact sensor (freezer)",
        "Contact sensor",
        "Sabbath mode",
        "Temperature measurement (cooler)",
        "Temperature measurement (freezer)",
        "Demand response load control drlc status duration",
    ]
    assert {group.topic: len(group.points) for group in arranged.groups} == {
        Topic.ACTIVITY: 6,
        Topic.SETTINGS: 11,
        Topic.ENERGY: 9,
        Topic.UPKEEP: 4,
    }


def test_what_is_matched_has_a_switch_and_takes_no_place_of_what_has_one() -> None:
    serial = point("$.body.serial", "abc")
    doors = [point(f"$.body.x{chr(97 + n)}.door", "open") for n in range(20)]
    before = arrange([serial, *doors], chosen=NOTHING)
    matched = frozenset({serial.id, doors[0].id, doors[19].id})
    after = arrange(
        [serial, *doors], chosen=NOTHING, kept=frozenset(ids(before.alone)), matched=matched
    )
    assert ids(after.alone) == ids(before.alone) | matched
    assert not ids(after.alone) & in_groups(after)


def test_what_is_matched_stays_within_the_entities_of_an_appliance() -> None:
    doors = [point(f"$.body.x{chr(97 + n % 26)}{n // 26}.door", "open") for n in range(60)]
    matched = frozenset(ids(doors))
    arranged = arrange(doors, chosen=NOTHING, matched=matched)
    cost = sum(learning.cost(one, NOTHING) for one in arranged.alone)
    assert cost + len(arranged.groups) <= learning.MAX_ENTITIES + 1
    # What somebody picked has its place all the same.
    assert doors[59] in arrange(doors, chosen=frozenset({doors[59].id}), matched=matched).alone


def test_what_the_catalogue_knows_comes_before_what_is_guessed() -> None:
    points = temperatures(20)
    assert points[19] not in arrange(points, chosen=NOTHING).alone
    assert points[19] in arrange(points, chosen=NOTHING, known=frozenset({points[19].id})).alone


def test_what_only_the_catalogue_can_tell_has_a_switch() -> None:
    silent = point("$.body.x", "BSH.State.Run, and some more words than a reading has")
    assert arrange([silent], chosen=NOTHING).alone == []
    assert arrange([silent], chosen=NOTHING, known=frozenset({silent.id})).alone == [silent]


@pytest.mark.corpus
@pytest.mark.parametrize("name", REPORTS)
def test_what_was_arranged_stays_so_whatever_is_granted(name: str) -> None:
    if name not in reports():
        corpus(name)
    points = seen(reports()[name])
    first = arrange(points, chosen=NOTHING)
    kept = frozenset(ids(first.alone) | {group.key for group in first.groups})
    for consented in (NOTHING, *(frozenset(ids(group.points)) for group in first.groups)):
        again = arrange(points, chosen=NOTHING, kept=kept, consented=consented)
        assert ids(again.alone) == ids(first.alone)
        assert grouped(again) == grouped(first)
