"""The matcher on the labelled cases that it was written with."""

from dataclasses import replace
import random

import labelled
from measured import automatic, by_name, matched, precision, recall, total
import pytest


@pytest.mark.parametrize(
    ("starved", "unique_ids", "found"),
    [(None, True, 0.7), (None, False, 0.65), (False, True, 0.8), (True, True, 0.5)],
)
def test_what_is_matched_without_asking_is_right(
    starved: bool | None, unique_ids: bool, found: float
):
    judged = total(
        case.judge(automatic(matched(case, unique_ids=unique_ids)))
        for case in labelled.learn(starved=starved)
    )

    assert precision(judged) >= 0.95
    assert recall(judged) >= found


@pytest.mark.parametrize("name", labelled.names("learn"))
def test_no_appliance_is_matched_wrong_for_the_most(name: str):
    judged = labelled.case("learn", name).judge(automatic(matched(labelled.case("learn", name))))

    assert precision(judged) >= 0.9


@pytest.mark.parametrize(("starved", "right"), [(False, 0.97), (True, 0.9)])
def test_what_has_no_entity_takes_not_another_ones(starved: bool, right: float):
    judged = []
    for case in labelled.learn(starved=starved):
        wanted = sorted({label.entity_id for label in case.labels})
        gone = set(random.Random(case.name).sample(wanted, len(wanted) // 2))
        left = replace(
            case,
            entities=tuple(one for one in case.entities if one.entity_id not in gone),
            labels=tuple(one for one in case.labels if one.entity_id not in gone),
        )
        judged.append(left.judge(automatic(matched(left))))

    assert precision(total(judged)) >= right


def test_names_alone_do_not_suffice():
    judged = total(case.judge(by_name(case)) for case in labelled.learn())

    assert precision(judged) < 0.95
    assert recall(judged) < 0.6


def test_what_is_asked_about_is_not_settled():
    for case in labelled.learn():
        result = matched(case)
        settled = {one.point_id for one in result.automatic}

        assert not settled & {one.point_id for one in result.asked}
        assert len({one.entity_id for one in result.automatic}) == len(result.automatic)
        assert all(0 <= one.confidence <= 1 for one in (*result.automatic, *result.asked))
