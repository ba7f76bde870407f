"""Answers kept for as long as they hold."""

from dataclasses import replace
import struct
import tracemalloc

import pytest

from engine.gates.dns.answer import MAX_ALIASES, Answer, read_answer
from engine.gates.dns.cache import MAX_TTL, Cache
from engine.gates.dns.message import HEADER, OPT_SIZE, write_question

ANSWER = Answer(
    rcode=0, truncated=False, authenticated=False, ttl=60, aliases=(), addresses=(), own=(),
    lean=(1, 0, 100), counts=(1, 0, 0), records=bytes(100), ttls=(),
)  # fmt: skip


def key(number: int) -> tuple[str, int, bool, bool]:
    return f"n{number}.example", 1, False, False


def test_an_answer_is_kept_for_as_long_as_it_says() -> None:
    cache = Cache()
    cache.put(key(1), ANSWER, 100.0)
    assert cache.get(key(1), 100.0) == (ANSWER, 0)
    assert cache.get(key(1), 159.9) == (ANSWER, 59)
    assert cache.get(key(1), 160.0) is None
    assert len(cache) == 0
    for other in ((key(1)[0], 28, False, False), (key(1)[0], 1, True, False)):
        assert cache.get(other, 100.0) is None


def test_nothing_is_kept_for_longer_than_a_day_or_before_it_came() -> None:
    cache = Cache()
    cache.put(key(1), replace(ANSWER, ttl=10 * MAX_TTL), 100.0)
    assert cache.get(key(1), 100.0 + MAX_TTL - 1) is not None
    assert cache.get(key(1), 100.0 + MAX_TTL) is None
    cache.put(key(1), ANSWER, 100.0)
    assert cache.get(key(1), 99.0) is None


def test_what_holds_for_no_time_or_is_cut_is_not_kept() -> None:
    cache = Cache()
    cache.put(key(1), replace(ANSWER, ttl=0), 0.0)
    cache.put(key(2), replace(ANSWER, truncated=True), 0.0)
    assert len(cache) == 0


def test_the_one_used_longest_ago_goes_first() -> None:
    cache = Cache(max_entries=3)
    for number in (1, 2, 3):
        cache.put(key(number), ANSWER, 0.0)
    assert cache.get(key(1), 1.0) is not None
    cache.put(key(4), ANSWER, 1.0)
    assert [n for n in (1, 2, 3, 4) if cache.get(key(n), 2.0) is not None] == [1, 3, 4]


def test_large_answers_make_room_for_themselves() -> None:
    cache = Cache(max_bytes=10_000)
    for number in range(100):
        cache.put(key(number), replace(ANSWER, records=bytes(1_000)), 0.0)
    assert len(cache) == 6
    for number in range(100):
        cache.put(key(number), replace(ANSWER, records=b""), 0.0)
    # What was replaced is counted no more.
    assert len(cache) == 16


def test_a_zone_is_dropped_with_all_below_it_and_nothing_else() -> None:
    cache = Cache(max_bytes=3_000)
    for name in ("a.zone.example", "b.c.zone.example", "my-zone.example", "zone.example.net"):
        cache.put((name, 1, False, False), ANSWER, 0.0)
    cache.drop_below("zone.example")
    assert [
        name
        for name in ("a.zone.example", "b.c.zone.example", "my-zone.example", "zone.example.net")
        if cache.get((name, 1, False, False), 1.0) is not None
    ] == ["my-zone.example", "zone.example.net"]
    # What was dropped takes no place any more.
    cache.put(key(1), ANSWER, 1.0)
    assert len(cache) == 3


@pytest.mark.parametrize(
    ("kind", "record", "most"),
    [
        (16, b"\1t", 900),
        (1, bytes(4), 900),
        (5, b"\x3f" + 63 * b"t" + b"\xc0\x0c", MAX_ALIASES),
    ],
    ids=["text", "addresses", "aliases"],
)
@pytest.mark.parametrize("count", [1, 4, 900])
def test_it_takes_no_more_memory_than_it_may(
    kind: int, record: bytes, most: int, count: int
) -> None:
    """However small the records are of which an answer is made: each takes its place."""
    count = min(count, most)
    tracemalloc.start()
    try:
        cache = Cache(max_bytes=1_000_000)
        asked = 20 + 4_000 // count
        for number in range(asked):
            name = b"\5n%04d\7example\0" % number
            question = write_question(number, name, kind, dnssec_ok=False, checking_disabled=False)
            one = struct.pack("!HHHIH", 0xC00C, kind, 1, 70_000, len(record)) + record
            head = HEADER.pack(number, 0x8180, 1, count, 0, 0)
            answer = read_answer(head + question[12:-OPT_SIZE] + count * one, question)
            cache.put(key(number), answer, 0.0)
        assert tracemalloc.get_traced_memory()[0] < 1_300_000
        assert 0 < len(cache) < asked
    finally:
        tracemalloc.stop()
