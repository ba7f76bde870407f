"""Values of which each is unlike every other, and long enough not to turn up by chance.

Numbers have 14 digits (as much as survives a float), made-up words 12 letters or more: in all that
a night's run sees, one of them meets another by chance less than once in a hundred nights.
"""

from dataclasses import dataclass, field
from enum import StrEnum
import random
import re
import uuid

_CONSONANTS = "bcdfghjklmnprstvwz"
_VOWELS = "aeiou"
_NOISE = re.compile(r"[^0-9a-z]")


class Sort(StrEnum):
    """What a value is to its appliance."""

    NUMBER = "number"
    WORD = "word"
    TIME = "time"
    SERIAL = "serial"
    MAC = "mac"
    UUID = "uuid"
    EMAIL = "email"
    TOKEN = "token"
    PLACE = "place"
    FLAG = "flag"
    """True or false: seen by its place alone."""
    SMALL = "small"
    """A number of two digits: the same."""


IDENTITIES = frozenset({Sort.SERIAL, Sort.MAC, Sort.UUID, Sort.EMAIL, Sort.TOKEN})
"""What names somebody or something, and stays the same from message to message."""


def bare(text: str) -> str:
    """The lower-case letters and digits of a text."""
    return _NOISE.sub("", text.lower())


@dataclass(slots=True, eq=False)
class Canary:
    """A value. `born` is the round in which it was made; `stays` tells that it is in all."""

    text: str
    sort: Sort
    born: int = 0
    stays: bool = False
    owner: str = ""
    entries: list[tuple[dict[bytes, object], bytes]] = field(default_factory=list, repr=False)
    """Where the search has it, to take it out again."""


class Mint:
    """Makes canaries, the same ones from the same seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._made: set[str] = set()
        self.round = 0

    def make(self, sort: Sort, owner: str = "", *, stays: bool = False) -> Canary:
        while True:
            text = self._text(sort)
            if bare(text) not in self._made:
                self._made.add(bare(text))
                return Canary(text, sort, self.round, stays, owner)

    def word(self, syllables: int = 6) -> str:
        return "".join(
            self._chance.choice(_CONSONANTS) + self._chance.choice(_VOWELS)
            for _ in range(syllables)
        )

    def _digits(self, count: int) -> str:
        """Digits of which no coarser number keeps the last."""
        some = "".join(self._chance.choice("0123456789") for _ in range(count - 2))
        return self._chance.choice("2346789") + some + self._chance.choice("1234678")

    def _text(self, sort: Sort) -> str:
        match sort:
            case Sort.NUMBER if self._chance.random() < 0.3:
                digits = self._digits(14)
                cut = self._chance.randint(4, 9)
                return f"{digits[:cut]}.{digits[cut:]}"
            case Sort.NUMBER:
                return self._digits(14)
            case Sort.TIME:
                return (
                    f"{self._chance.randint(1970, 2069)}-{self._chance.randint(1, 12):02}-"
                    f"{self._chance.randint(1, 28):02}T{self._chance.randint(0, 23):02}:"
                    f"{self._chance.randint(10, 59)}:{self._chance.randint(10, 59)}."
                    f"{self._digits(6)}Z"
                )
            case Sort.SERIAL:
                return f"{self.word(1).upper()}{self._digits(2)}-{self._digits(12)}"
            case Sort.MAC:
                return ":".join(f"{self._chance.randrange(256):02x}" for _ in range(6))
            case Sort.UUID:
                return str(uuid.UUID(int=self._chance.getrandbits(128)))
            case Sort.EMAIL:
                return f"{self.word(5)}@{self.word(3)}.example"
            case Sort.TOKEN:
                return self.word(4) + self._digits(6) + self.word(4).upper()
            case Sort.PLACE:
                return f"{self._chance.randint(10, 79)}.{self._digits(12)}"
            case _:
                return self.word(self._chance.randint(6, 8))
