"""Answers kept for as long as they hold, the one used longest ago given up first."""

from collections import OrderedDict

from .answer import Answer

MAX_ENTRIES = 5_000
MAX_BYTES = 4_000_000
"""Bytes of records kept: some thousands of usual answers, or a few dozen of the largest."""
MAX_TTL = 86_400
"""Seconds that an answer is kept at most, whatever it says (RFC 8767, section 4)."""
_OVERHEAD, _PER_RECORD, _PER_ADDRESS = 600, 140, 50
"""Bytes in memory beside the records as they arrived, measured: for an answer, for where a record's
TTL stands, for an address."""

type Key = tuple[str, int, bool, bool]
"""Name, type, and whether signatures were wanted and left unchecked."""


class Cache:
    """What resolvers answered, by what they were asked."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        """Start with nothing."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[float, Answer]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._entries)

    def get(self, key: Key, now: float) -> tuple[Answer, int] | None:
        """Return an answer that still holds and its age in seconds; `now` is any steady clock's."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        came, answer = entry
        age = now - came
        if not 0 <= age < min(answer.ttl, MAX_TTL):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return answer, int(age)

    def put(self, key: Key, answer: Answer, now: float) -> None:
        """Keep an answer, if it may be kept at all."""
        if answer.ttl <= 0 or answer.truncated:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = now, answer
        self._bytes += _size(answer)
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def drop_below(self, zone: str) -> None:
        """Drop all answers for names below a zone (lower case)."""
        for key in [one for one in self._entries if one[0].endswith(f".{zone}")]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        _, answer = self._entries.pop(key)
        self._bytes -= _size(answer)


def _size(answer: Answer) -> int:
    return (
        _OVERHEAD
        + len(answer.records)
        + _PER_RECORD * len(answer.ttls)
        + _PER_ADDRESS * len(answer.addresses)
        + sum(_PER_ADDRESS + len(one) for one in answer.aliases)
    )
