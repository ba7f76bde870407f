"""What is as long as no name is: neither slow, nor large, nor kept. Bytes are counted, not time."""

from collections.abc import AsyncIterator
import gzip
import json
from pathlib import Path
import threading
import tracemalloc
from typing import Any

import pytest

from engine import pipeline
from engine.model import Transmission
from engine.redaction import identifiers
from helpers import House, post
import wire

MEGABYTE = 1_000_000


def peak_of(transmission: Transmission) -> int:
    """Bytes that examining one message takes at most, above what was taken before."""
    house = House()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        house.send(transmission)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("joint", ["_", ":"])
def test_a_long_member_name_takes_memory_in_proportion(joint: str) -> None:
    assert peak_of(post(json.dumps({f"a{joint}" * 6_000: "somevalue"}))) < MEGABYTE


def test_a_long_name_in_a_query_takes_memory_in_proportion() -> None:
    target = "/v1/report?" + "a_" * 3_500 + "=somevalue"
    assert peak_of(post(target=target, headers=(("Host", "cloud.example"),))) < MEGABYTE


def test_long_names_are_not_kept_when_their_message_is_done() -> None:
    house = House()
    # Of digits: data anyway, so that all of them are one data point.
    house.send(post(json.dumps({"1" * 160_000: 1})))
    tracemalloc.start()
    try:
        for at in range(2, 32):
            house.send(post(json.dumps({f"{at}" * 80_000: 1})), learn=False)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < MEGABYTE


def test_up_to_a_length_it_is_a_name_and_then_it_is_data() -> None:
    assert not identifiers.looks_like_data("a" * identifiers.MAX_NAME)
    assert identifiers.looks_like_data("a" * (identifiers.MAX_NAME + 1))
    house = House()
    house.send(post(json.dumps({"a" * (identifiers.MAX_NAME + 1): 1})))
    assert "$.body.*" in {point.field.path for point in house.learning.of(house.appliance.id)}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[wire.House]:
    async with wire.house(tmp_path) as built:
        yield built


async def test_a_small_body_that_inflates_is_not_read_in_the_event_loop(
    home: wire.House, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    examine = pipeline.examine

    def noted(*asked: Any) -> Any:
        threads.append(threading.current_thread())
        return examine(*asked)

    monkeypatch.setattr(pipeline, "examine", noted)
    small = gzip.compress(b'{"a":[' + b"0," * 90_000 + b"0]}")
    assert len(small) < pipeline.INLINE_BYTES
    await home.ask(home.request(small, "Content-Encoding: gzip"))
    await home.ask(home.request(b'{"a":[0]}'))
    assert [one is threading.main_thread() for one in threads] == [False, True]
