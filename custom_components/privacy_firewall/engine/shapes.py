"""What a value looks like, without keeping it: one word per leaf, from its characters alone.

Used where it matters what sort of text stands in a place: a picture's address, a phone number, a
time zone. The name of the place is judged elsewhere.
"""

from enum import StrEnum
import re

from .model import Blob, Leaf, Number

LONGEST = 300
"""Characters of a text that are looked at; what is longer is just long."""


class Shape(StrEnum):
    """What a leaf looks like. The order is that in which a profile numbers them: append only."""

    NULL = "null"
    BOOLEAN = "boolean"
    NUMBER = "number"
    WORD = "word"
    TEXT = "text"
    LONG = "long"
    TIME = "time"
    EPOCH = "epoch"
    ZONE = "zone"
    EMAIL = "email"
    PHONE = "phone"
    COORDINATES = "coordinates"
    HARDWARE_ADDRESS = "hardware_address"
    ADDRESS = "address"
    UUID = "uuid"
    URL = "url"
    IMAGE = "image"
    SOUND = "sound"
    BYTES = "bytes"


TELLING = frozenset({
    Shape.EMAIL, Shape.PHONE, Shape.COORDINATES, Shape.HARDWARE_ADDRESS, Shape.ADDRESS,
    Shape.UUID, Shape.URL, Shape.IMAGE, Shape.SOUND, Shape.BYTES, Shape.LONG,
})  # fmt: skip
"""Shapes that can name somebody or something: not what a word or a number becomes by itself."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T +]\d{1,2}:\d{2}.{0,15})?|\d{1,2}[./]\d{1,2}[./]\d{2,4}(?: .{0,12})?"
    r"|\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?"
)
_ZONE = re.compile(
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|US|Canada)"
    r"/[A-Za-z_+-]+(?:/[A-Za-z_]+)?|(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?"
)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"(?:\+|00)[1-9][\d ()/.-]{6,18}\d")
_CALLED = re.compile(r"\+[1-9]\d{7,14}")
"""A phone number that reads like a number: with these no number is written."""
_DIALLED = re.compile(r"\+[1-9][\d ()/-]{6,18}\d")
_LOCAL_PHONE = re.compile(r"\(0\d{1,5}\)[\d ()/.-]{3,16}\d|0[1-9]\d{1,3}[ /]\d[\d ]{3,9}\d")
_COORDINATES = re.compile(
    r"[NSEOW]?\s?[+-]?\d{1,3}\.\d{3,}°?\s{0,2}[NSEOW]?\s{0,2}[,;/ ]\s{0,2}"
    r"[NSEOW]?\s?[+-]?\d{1,3}\.\d{3,}.{0,20}"
)
_HARDWARE = re.compile(
    r"(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}(?:[0-9A-Fa-f]{2}\1){0,2}[0-9A-Fa-f]{2}"
)
_ADDRESS = re.compile(
    r"(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?|(?=.*::|(?:.*:){7})[0-9a-fA-F:]{2,39}(?:/\d{1,3})?"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,9}://\S+")
_LINK = re.compile(r"\w://\S")
_AROUND = "<>()[]{}\"',;:."
"""What stands around an e-mail address in a text."""
_IMAGES = re.compile(
    r"(?i)\.(?:jpe?g|png|gif|webp|heic|avif|bmp|mp4|mkv|mov|m3u8|h264)(?:[?#]|$)"
    r"|^(?:rtsps?|rtmp)://|camera|images?[./]|snapshot|photo|picture|avatar|thumb"
)
_SOUNDS = re.compile(r"(?i)\.(?:wav|mp3|ogg|opus|m4a|aac|flac|amr)(?:[?#]|$)")


def is_number(value: Leaf) -> bool:
    """Tell whether a leaf is a number, also where the format writes all in strings."""
    return type(value) is Number or (
        isinstance(value, str)
        and len(value) <= 40
        and _NUMBER.fullmatch(value) is not None
        and not (value[0] == "+" and _CALLED.fullmatch(value))
    )


def is_epoch(number: float) -> bool:
    """Tell whether a number is a time of our days, in seconds or milliseconds since 1970.

    From 2001 to 2039.
    """
    return 1e9 <= number < 2.2e9 or 1e12 <= number < 2.2e12


def shape_of(value: Leaf) -> Shape:
    """Return what a leaf looks like. Some 1 µs, at most 10: nothing in it backtracks far."""
    if value is None or isinstance(value, (dict, list)) or value == "":
        return Shape.NULL
    if isinstance(value, bool):
        return Shape.BOOLEAN
    if type(value) is Blob:
        return Shape.BYTES
    if is_number(value):
        return Shape.EPOCH if is_epoch(float(value)) else Shape.NUMBER
    if len(value) > LONGEST:
        return _long(value)
    if "@" in value and any(_EMAIL.fullmatch(one.strip(_AROUND)) for one in value.split()):
        return Shape.EMAIL
    if "://" in value or value.startswith("data:"):
        return _reference(value)
    if value[0].isalpha():
        return _lettered(value)
    for shape, pattern in _FIGURES:
        if pattern.fullmatch(value):
            return shape
    return Shape.TEXT


_FIGURES = (
    (Shape.COORDINATES, _COORDINATES),
    (Shape.TIME, _TIME),
    (Shape.HARDWARE_ADDRESS, _HARDWARE),
    (Shape.ADDRESS, _ADDRESS),
    (Shape.UUID, _UUID),
    (Shape.PHONE, _PHONE),
    (Shape.PHONE, _LOCAL_PHONE),
)


def _lettered(value: str) -> Shape:
    if ":" in value or "-" in value:
        for shape, pattern in _FIGURES[2:5]:
            if pattern.fullmatch(value):
                return shape
    if ("/" in value or value[:3] in ("UTC", "GMT")) and _ZONE.fullmatch(value):
        return Shape.ZONE
    if value[0] in "NSEOW" and "." in value and _COORDINATES.fullmatch(value):
        return Shape.COORDINATES
    if "+" in value and _DIALLED.search(value):
        return Shape.PHONE
    return Shape.WORD if _PLAIN.fullmatch(value) else Shape.TEXT


def _reference(value: str) -> Shape:
    if value.startswith("data:"):
        return {
            "data:image": Shape.IMAGE,
            "data:video": Shape.IMAGE,
            "data:audio": Shape.SOUND,
        }.get(value[:10], Shape.TEXT)
    if not _URL.fullmatch(value) and not _LINK.search(value):
        return Shape.TEXT
    if _SOUNDS.search(value):
        return Shape.SOUND
    return Shape.IMAGE if _IMAGES.search(value) else Shape.URL


def _long(value: str) -> Shape:
    start = value[:LONGEST]
    if start.startswith(("data:image", "data:video")):
        return Shape.IMAGE
    return Shape.SOUND if start.startswith("data:audio") else Shape.LONG
