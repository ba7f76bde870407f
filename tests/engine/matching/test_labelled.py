"""That the labelled pairs are what README.md says: whole, plausible, reproducible, and our own."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from hashlib import sha256
from itertools import pairwise
import json
import re
from typing import Any

import labelled
from labelled import LIVE, STARVED, Case, Half, case, described, names
import pytest
from simulated import END, START, World
from wording import UNAVAILABLE

from engine.redaction import fields, paths
from helpers import CORPUS

HALVES: tuple[Half, Half] = ("learn", "heldout")
EVERY = [(half, name) for half in HALVES for name in names(half)]
DOMAINS = """
    binary_sensor button calendar climate counter device_tracker image input_boolean light number
    schedule select sensor switch timer update vacuum
""".split()
PARTED = sorted(set(names("learn")) & set(names("heldout")))
SHA256 = {
    "learn": "078e5dd5d31fb4f38c68709bad1e046cc3ed78bd8e1a2bd5574c5d08ed5ff228",
    "heldout": "d0b633ec79f3c5c937ebbe279a9bede6e61206e843396057f54d4cd09a1876a3",
}


@pytest.fixture(params=EVERY, ids="/".join)
def one(request: pytest.FixtureRequest) -> Case:
    return case(*request.param)


def counted(one: Case) -> tuple[int, int, int, int, int]:
    """Return pairs, data points and those without an entity, entities and those without a point."""
    told = {label.point for label in one.labels} | {point for point, _ in one.also}
    shown = {label.entity_id for label in one.labels} | {entity for _, entity in one.also}
    return (
        len(one.labels),
        len(one.judged),
        len(one.judged - told),
        len(one.entities),
        len({entity.entity_id for entity in one.entities} - shown),
    )


# --- The labels ---


def test_labels_name_what_is_there_and_once(one):
    points = [point.id for point in one.points]
    entities = [entity.entity_id for entity in one.entities]
    pairs = [(label.point, label.entity_id) for label in one.labels]
    assert len(set(points)) == len(points)
    assert len(set(entities)) == len(entities)
    ids = [
        (entity.entity_id.partition(".")[0], entity.platform, entity.unique_id)
        for entity in one.entities
    ]
    assert len(set(ids)) == len(ids)
    assert len(set(pairs)) == len(pairs)
    assert {point for point, _ in pairs} <= one.judged <= set(points)
    assert {entity for _, entity in pairs} <= set(entities)
    assert not set(pairs) & one.also
    assert {point for point, _ in one.also} <= set(points)
    assert {entity for _, entity in one.also} <= set(entities)


def test_a_pair_is_in_one_half_only():
    assert len(PARTED) == 4
    for name in PARTED:
        first, second = case("learn", name), case("heldout", name)
        assert not first.judged & second.judged
        assert not {label.entity_id for label in first.labels} & {
            label.entity_id for label in second.labels
        }
        assert {point.id for point in second.points} == first.judged | second.judged
        # What is held out is not there at all while learning.
        assert {point.id for point in first.points} == first.judged
        shown = {label.entity_id for label in second.labels}
        assert not shown & {entity.entity_id for entity in first.entities}


def test_a_series_is_the_same_in_both_halves():
    for name in PARTED:
        whole = {point.id: point for point in case("heldout", name).points}
        for point in case("learn", name).points:
            assert whole[point.id] == point


def test_only_what_is_judged_counts():
    one = case("heldout", "withings_health")
    pairs = [(label.point, label.entity_id) for label in one.labels]
    assert one.judge(pairs) == (len(pairs), 0, 0)
    assert one.judge([]) == (0, 0, len(pairs))
    assert one.judge([*pairs[1:], *one.also]) == (len(pairs) - 1, 0, 1)
    assert one.judge([(pairs[0][0], pairs[1][1])]) == (0, 1, len(pairs))
    unjudged = {point.id for point in one.points} - one.judged
    assert one.judge((point, pairs[0][1]) for point in unjudged) == (0, 0, len(pairs))


def test_enough_of_everything():
    cases = [case(half, name) for half, name in EVERY]
    for half in HALVES:
        own = [one for one in cases if one.half == half]
        pairs = sum(len(one.labels) for one in own)
        assert pairs >= 150
        assert sum(len(one.labels) for one in own if one.starved) >= 0.2 * pairs
        assert sum(counted(one)[2] for one in own) >= pairs / 2
        assert sum(counted(one)[4] for one in own) >= pairs / 4
    assert sum(len(one.labels) for one in cases) >= 300
    assert len(set(names("heldout")) - set(names("learn"))) >= 5


def test_the_readme_counts_right():
    text = (labelled.HERE / "README.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (yes|no) \|([\d |]+)\|$", text, re.MULTILINE)
    told = {
        (half, name): (starved, tuple(map(int, counts.split("|"))))
        for half, name, starved, counts in rows
    }
    found = {
        (half, name): ("yes" if case(half, name).starved else "no", counted(case(half, name)))
        for half, name in EVERY
    }
    assert told == found
    for half in HALVES:
        total = [sum(counts[at] for (own, _), (_, counts) in told.items() if own == half)
                 for at in range(5)]  # fmt: skip
        assert f"| **{half}** | | | {' | '.join(map(str, total))} |" in text


def _truths(specs: dict[str, Any], text: str) -> set[str]:
    """Return the truths that a wording rests on, and those that these follow from."""
    todo, seen = [text.partition("|")[0].partition(".")[0]], set()
    while todo:
        name = todo.pop()
        if name in specs and name not in seen:
            seen.add(name)
            todo += re.findall(r"[\w@.]+", json.dumps(specs[name][1]))
            todo = [one.lstrip("@").partition(".")[0] for one in todo]
    return seen


@pytest.mark.parametrize(("half", "name"), EVERY)
def test_what_belongs_together_rests_on_the_same_truth(half, name):
    content = described(half, name)
    base = content if "appliance" in content else described("learn", name)
    specs = base["signals"] | content.get("signals", {})
    for row in content["pairs"]:
        wire, shows = row[2], row[9] or row[2]
        if not wire.startswith("="):
            assert _truths(specs, wire) & _truths(specs, shows), row[1]


def test_each_label_says_where_its_source_is(one):
    content = described(one.half, one.name)
    for label in one.labels:
        assert set(label.source.split()) <= set(content["sources"])
    assert all(re.search(r"\w+/\w+\.py", text) for text in content["sources"].values())


# --- The series ---


def test_transmissions_are_seen_since_the_firewall_is_there(one):
    for point in one.points:
        times = [sample.at for sample in point.samples]
        assert times == sorted(times)
        assert LIVE <= times[0] < times[-1] <= END
        assert len(times) >= 5, point.id
        for sample in point.samples:
            assert sample.value is None or isinstance(sample.value, (str, int, float, bool))


def test_states_change_and_are_in_order(one):
    for entity in one.entities:
        times = [state.at for state in entity.states]
        assert times == sorted(times)
        assert START <= times[0] <= times[-1] <= END
        states = [state.state for state in entity.states]
        assert all(first != second for first, second in pairwise(states))
        assert entity.entity_id.partition(".")[0] in DOMAINS


def _numbers(one: Case) -> Iterator[tuple[labelled.Entity, list[float]]]:
    known = {label.entity_id for label in one.labels}
    for entity in one.entities:
        if entity.entity_id in known and (entity.unit or entity.state_class):
            states = [state.state for state in entity.states]
            yield entity, [float(one) for one in states if one not in (UNAVAILABLE, "unknown")]


def test_numbers_are_plausible(one):
    for entity, numbers in _numbers(one):
        assert numbers, entity.entity_id
        falls = sum(later < sooner for sooner, later in pairwise(numbers))
        if entity.state_class == "total_increasing":
            assert falls <= max(10, len(numbers) / 3), entity.entity_id
        if entity.unit == "%" or entity.device_class in ("battery", "humidity"):
            assert min(numbers) >= 0, entity.entity_id
            assert max(numbers) <= 100, entity.entity_id
        if entity.device_class == "temperature":
            assert -40 < min(numbers) <= max(numbers) < 90, entity.entity_id
        if entity.device_class == "voltage" and max(numbers) > 50:
            lit = [one for one in numbers if one]  # A string of panels has none at night.
            assert 190 < min(lit) <= max(lit) < 420, entity.entity_id
        if entity.device_class == "timestamp":
            pytest.fail(f"{entity.entity_id} has a unit")


def test_options_hold_what_is_shown(one):
    for entity in one.entities:
        if entity.options:
            states = {state.state for state in entity.states} - {UNAVAILABLE, "unknown"}
            assert states <= set(entity.options), entity.entity_id


def test_most_of_what_is_labelled_changes(one):
    """Constants are among them too: a goal, a limit. A matcher has only their names."""
    moving = 0
    for label in one.labels:
        (point,) = (point for point in one.points if point.id == label.point)
        moving += len({sample.value for sample in point.samples}) > 1
    assert moving >= 0.6 * len(one.labels)


@pytest.mark.parametrize(("half", "name"), EVERY)
def test_starved_entities_end_before_anything_is_seen(half, name):
    starved, fed = case(half, name, starved=True), case(half, name, starved=False)
    assert starved.labels == fed.labels
    assert starved.points == fed.points
    wanted = {label.entity_id for label in starved.labels}
    for entity in starved.entities:
        if entity.entity_id in wanted:
            assert entity.states[-1].state == UNAVAILABLE
            assert entity.states[-1].at <= STARVED < LIVE
    both = zip(starved.entities, fed.entities, strict=True)
    assert any(len(one.states) < len(other.states) for one, other in both)


def test_integrations_are_away_now_and_then():
    away = sum(
        any(state.state == UNAVAILABLE for state in entity.states)
        for half, name in EVERY
        for entity in case(half, name, starved=False).entities
    )
    assert away > 200


@pytest.mark.parametrize("half", HALVES)
def test_the_same_seed_gives_the_same_series(half):
    digest = sha256()
    for name in names(half):
        built = case(half, name)
        for part in (*built.points, *built.entities, *built.labels):
            digest.update(repr(astuple(part)).encode())
    assert digest.hexdigest() == SHA256[half]


def test_a_truth_depends_on_no_other():
    specs = {"a": ["day", {"mean": 5, "noise": 1}], "b": ["openings", {"per_day": 3}]}
    alone = World("one", {"a": specs["a"]})["a"]
    both = World("one", specs)
    assert both["b"].changes()
    assert both["a"].values == alone.values
    assert World("two", specs)["a"].values != alone.values


# --- As the engine learns them ---


def _message(rows: list[tuple[str, tuple[str, ...]]]) -> dict[str, Any]:
    """Build a message that has these fields, an item of an array for each way to tell them."""
    tree: dict[str, Any] = {}
    for path, siblings in rows:
        steps = list(paths.parse(path).selectors)
        left = [""] * (path.count("[*]") - path.endswith("[*]") - len(siblings)) + list(siblings)
        node: Any = tree
        for at, step in enumerate(steps):
            following = steps[at + 1] if at + 1 < len(steps) else None
            empty: Any = "leaf" if following is None else {} if isinstance(following, str) else []
            if isinstance(step, str):
                node = node.setdefault(step, empty)
                continue
            # The array's item that is told by the next sibling; values need none.
            told = left.pop(0).split("=", 1) if left and following is not None else [""]
            told = told if told[0] else None
            kept = [one for one in node if told is None or one.get(told[0]) == told[1]]
            if not kept or following is None:
                kept = [{told[0]: told[1], **empty} if told else empty]
                node += kept
            node = kept[0]
    return tree


def test_data_points_are_as_the_engine_learns_them(one):
    for template in {point.template for point in one.points}:
        rows = [(point.path, point.siblings) for point in one.points if point.template == template]
        found = {(item.field.path, item.field.siblings) for item in fields.walk(_message(rows))}
        missing = {row for row in rows if row not in found}
        assert not missing, template
        # What else is found are the members that tell items apart.
        assert all(
            path.rpartition(".")[2] in fields.DISCRIMINATORS for path, _ in found - set(rows)
        ), template


# --- Our own ---


def _fixed(half: Half, name: str) -> Iterator[str]:
    content = described(half, name)
    yield content.get("unique_id", "").replace("{key}", "").strip("-_:")
    for kind, column in (("pairs", 2), ("points", 2), ("also", 2), ("entities", 8)):
        for row in content.get(kind, ()):
            if len(row) > column and row[column].startswith("="):
                yield row[column][1:]


@pytest.mark.corpus
def test_nothing_is_copied_from_the_recordings():
    files = [path for kind in ("http", "mqtt") for path in (CORPUS / kind).glob("*")]
    if not files:
        pytest.skip("the recordings are not there")
    recorded = "\n".join(path.read_text(errors="replace") for path in files)
    told = Counter(
        text
        for half, name in EVERY
        for text in _fixed(half, name)
        if len(text) >= 8 and re.search(r"\d", text)
    )
    assert len(told) > 50
    assert not [text for text in told if text in recorded]
