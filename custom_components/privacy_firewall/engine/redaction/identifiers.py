"""Identities: what names a person, a home or a device, and where it does not belong.

Recognised by shape (MAC, UUID, e-mail, coordinates, long hexadecimal or random strings) and by the
name of the field (serial, token, SSID, ...). What was withheld once is remembered per appliance and
looked for in every later message, normalised, and in one layer of hex, base64, URL- or
JSON-escaping. A tripwire beside the proof in `verify.py`: short values cannot be found this way.
"""

import binascii
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
import math
import re
import unicodedata

from ..model import Field, Leaf, Number

_MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}[:\-.]?){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
    r"|(?:[0-9A-Fa-f]{2}[:-]){7}[0-9A-Fa-f]{2}"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_IP = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}")
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*|\d{1,2}:\d{2}(?::\d{2})?.*"
)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ][\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?")
_HEX = re.compile(r"(?=.*\d)(?:0[xX])?[0-9A-Fa-f]{8,}")
_DIGITS = re.compile(r"[+-]?\d{5,}|[+-]?\d+\.\d{3,}")
_RANDOM = re.compile(r"(?=(?:.*\d){3})(?=.*[A-Za-z])[A-Za-z0-9+/_=-]{12,}")
_COORDINATE = re.compile(r"[+-]?\d{1,3}\.\d{3,}")
_COORDINATES = re.compile(r"[+-]?\d{1,3}\.\d{3,}\s*[,;/ ]\s*[+-]?\d{1,3}\.\d{3,}")
_STAND_IN = re.compile(r"_\d+")
_OURS = re.compile(r"_\d+|\*+")
"""Like the names we give to withheld names, or the mark of a segment that is data."""
_PARTS = re.compile(r"[@{}/?#=&;,|]")
_JOINTS = re.compile(r"[:.]")
_SHAPES = (_OURS, _MAC, _UUID, _EMAIL, _IP, _DATE, _HEX, _DIGITS, _RANDOM, _COORDINATES)
_IDENTITY_SHAPES = (_MAC, _UUID, _EMAIL, _COORDINATES)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IDENTIFIER_NAMES = frozenset(
    """
    serial serialnumber serialno sn mac macaddress macaddr bssid uuid guid duid udid imei
    imsi iccid msisdn deviceid devid did terminalid stationid userid uid accountid personid
    homeid locationid subscriberid customerid fingerprint thumbprint hashdeviceid hardwareid
    chipid advertisingid adid vin ipaddress innerip localip wifiip
    """.split()
)
_NAMING_NAMES = frozenset(
    """
    ssid email mail emailaddress phone phonenumber username login account owner
    """.split()
)
_CREDENTIAL_NAMES = frozenset(
    """
    token accesstoken refreshtoken idtoken secret clientsecret password passwd pwd passkey
    passphrase pin apikey authkey auth authorization session sessionid sessiontoken cookie
    credential credentials jwt bearer privatekey psk xapikey xauthtoken
    """.split()
)
_COORDINATE_NAMES = frozenset(
    """
    lat latitude lon lng long longitude coordinates geo gps geolocation
    """.split()
)
_PLACEHOLDERS = frozenset(
    """
    unknown undefined default disabled enabled notset notavailable unavailable redacted
    anonymous private public standard customer
    """.split()
)

_CONTAINERS = frozenset({"session", "auth", "cookie"})
"""Names of credentials that as often hold a report: `session.seconds` opens nothing."""

MAX_NAME = 200
"""Characters of a member name or URL segment; the longest in our corpus has 41. What costs more
than in proportion to a name, and what is kept of names, is bounded by it."""
MIN_IDENTITY = 6
"""Characters of a normalised identity: shorter ones occur by chance."""
MAX_REMEMBERED = 512
"""Identities remembered per appliance; the oldest go first."""
SHORT = 64
"""Characters of a text whose spellings are kept for the next message."""
_STRIP = re.compile(r"[^0-9a-z]")
_NAMES = re.compile(r"\.|\[\*\]|\['|'\]")


def words(name: str) -> list[str]:
    """Split a member name into lower-case words: `doorOpenCount` and `door_open_count` alike."""
    return [word.lower() for word in _WORDS.findall(name)]


def looks_like_data(name: str) -> bool:
    """Tell whether a member name or URL segment is a value in the place of a name.

    What is longer than `MAX_NAME` is no name. Of shorter ones:

    MACs, UUIDs, times, e-mail addresses, numbers of five digits or more, hexadecimal of eight or
    more with a digit, and random-looking strings of twelve or more with three digits. Of what is
    joined of parts (`sensor:84fce6001122`, XML's `{namespace}element`) each is looked at.
    """
    return len(name) > MAX_NAME or _is_data(name)


@lru_cache(maxsize=8192)
def _is_data(name: str) -> bool:
    if any(shape.fullmatch(name) for shape in _SHAPES):
        return True
    parts = [part for part in _PARTS.split(name) if part]
    parts += [piece for part in parts for piece in _JOINTS.split(part) if piece != part]
    return parts != [name] and any(shape.fullmatch(part) for part in parts for shape in _SHAPES)


def spoken(host: str) -> str:
    """Return a host as it is told and written: labels that look like data collapse to `*`."""
    return ".".join("*" if looks_like_data(label) else label for label in host.split("."))


def stands_for_name(name: str) -> bool:
    """Tell whether a member name is like those that stand for withheld names: `_1`, `_2`, ..."""
    return _STAND_IN.fullmatch(name) is not None


@lru_cache(maxsize=8192)
def _name_class(path: str) -> str:
    """Return `credential`, `identifier`, `id`, `naming`, `coordinate` or nothing for a path.

    The last two names count (`wifi.mac.value`), each joined and with its first word left out
    (`xAuthToken`, `device_serial`).
    """
    names = [name for name in _NAMES.split(path) if name not in ("", "*", "value")]
    # `$` and the part (`body`, `query`, ...) are ours and say nothing.
    for name in reversed(names[2:][-2:] or names[-1:]):
        parts = words(name)
        forms = {"".join(parts[start:]) for start in range(len(parts))}
        if name != names[-1]:
            forms -= _CONTAINERS
        if forms & _CREDENTIAL_NAMES:
            return "credential"
        if forms & _IDENTIFIER_NAMES:
            return "identifier"
        if parts[-1:] in (["id"], ["ids"], ["uuid"]):
            return "id"
        if forms & _NAMING_NAMES:
            return "naming"
        if forms & _COORDINATE_NAMES:
            return "coordinate"
    return ""


def is_credential(item: Field) -> bool:
    """Tell whether the field's name says that it opens something."""
    return _name_class(item.path) == "credential"


def names_identity(item: Field) -> bool:
    """Tell whether the field's name says that it identifies someone or something."""
    return _name_class(item.path) in ("credential", "identifier", "id", "naming")


def names_place(item: Field) -> bool:
    """Tell whether the field's name says that it is a coordinate."""
    return _name_class(item.path) == "coordinate"


def names_person_or_place(item: Field) -> bool:
    """Tell whether the field's name says that it holds a person's name or address, or a place."""
    return _name_class(item.path) in ("naming", "coordinate")


def is_personal(value: Leaf) -> bool:
    """Tell whether a value is an e-mail address or a pair of coordinates by its shape."""
    return isinstance(value, str) and any(
        shape.fullmatch(value) is not None for shape in (_EMAIL, _COORDINATES)
    )


def is_place(value: Leaf) -> bool:
    """Tell whether a value is a coordinate, or a pair of them, by its shape."""
    return isinstance(value, str) and any(
        shape.fullmatch(value) is not None for shape in (_COORDINATE, _COORDINATES)
    )


def normalise(text: str) -> str:
    """Return the lower-case letters and digits of a text: `24:C8:6E` and `24c86e` are one."""
    if text.isascii():
        return _STRIP.sub("", text.lower())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())


_NORMAL = {code: normalise(chr(code)) for code in range(256)}
"""No character of Latin-1 joins another one, so that each can be normalised by itself."""


def _of_bytes(read: bytes) -> str:
    """Return bytes as Latin-1, normalised."""
    return read.decode("latin-1").translate(_NORMAL)


def identity(item: Field, value: Leaf) -> str | None:
    """Return the normalised identity a leaf holds, or None.

    Its shape decides for MAC, UUID, e-mail and coordinate pairs; its name decides otherwise, for
    values long enough to be found again without hitting by chance.
    """
    if not isinstance(value, str) or len(value) < MIN_IDENTITY or len(value) > 4096:
        return None
    if item.siblings[-1:] == ("name",):
        # A data-like member name: a time or a short number there names nobody.
        return normalise(value) if any(s.fullmatch(value) for s in _IDENTITY_SHAPES) else None
    naming = _name_class(item.path)
    if type(value) is Number:
        if naming == "coordinate" and _COORDINATE.fullmatch(value):
            return normalise(value)
        if naming in ("credential", "identifier", "id") and len(normalise(value)) >= MIN_IDENTITY:
            return normalise(value)
        return None
    normal = normalise(value)
    if len(normal) < MIN_IDENTITY or len(set(normal)) < 3:
        return None
    if any(shape.fullmatch(value) for shape in _IDENTITY_SHAPES):
        return normal
    return normal if _is_identity(naming, value, normal) else None


def _is_identity(naming: str, value: str, normal: str) -> bool:
    """Tell whether a text in a field of this name identifies someone or something."""
    if naming == "coordinate":
        return _COORDINATE.fullmatch(value) is not None
    if _TIME.fullmatch(value):
        return False  # `serial.timestamp`: when it was told, not what it is.
    digits = sum(character.isdigit() for character in normal)
    if naming in ("credential", "identifier"):
        return digits > 0
    if naming == "id":
        # Of anything, `Table_00` too: only what looks made to be unlike all others.
        return digits >= 4 and len(normal) >= 8
    return naming == "naming" and normal not in _PLACEHOLDERS


class Identities:
    """The identities of one appliance that were withheld, newest last."""

    def __init__(self, remembered: Iterable[str] = ()) -> None:
        """Start with what earlier runs remembered, the newest last."""
        self._seen: dict[str, None] = {}
        self.remember(remembered)

    def remember(self, identities: Iterable[str]) -> list[str]:
        """Add identities; return those that are new. What is seen again is the newest again.

        Numbers made for each message would otherwise push out the serial that stands in all.
        """
        seen = dict.fromkeys(identities)
        new = [one for one in seen if one not in self._seen]
        for one in seen:
            self._seen.pop(one, None)
            self._seen[one] = None
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        return new

    def all(self) -> frozenset[str]:
        """Return what is remembered now."""
        return frozenset(self._seen)


def find(identities: frozenset[str], texts: list[str]) -> list[int]:
    """Return the indices of the texts in which one of the identities stands.

    One pass over all texts joined; a text is looked at by itself only where that pass hits.
    """
    if not identities or not texts:
        return []
    told = [_told(text) if len(text) <= SHORT else _spelled_out(text) for text in texts]
    haystack = "\n".join(told)
    hits = [one for one in identities if one in haystack]
    if not hits:
        return []
    return [index for index, text in enumerate(told) if any(one in text for one in hits)]


def _spelled_out(text: str) -> str:
    """Return all that a text may tell: itself and what it hides, normalised, a line each."""
    return f"{normalise(text)}\n{_decoded(text)}"


_told = lru_cache(maxsize=4096)(_spelled_out)
"""Of member names and of what an appliance always says; the same in every message of its."""


_HEX_RUN = re.compile(r"[0-9A-Fa-f]{12,}")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_SEPARATORS = re.compile(r"\\x|[\s:-]+")
"""What may stand between the bytes of one hexadecimal or base64 text."""
_URL_SAFE = str.maketrans("-_", "+/")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_JSON_ESCAPE = re.compile(r"\\u00([0-9A-Fa-f]{2})")


def _decoded(text: str) -> str:
    """Return, normalised, what one layer of hex, base64 or escaping hides in a text."""
    found: list[str] = []
    if "%" in text:
        found.append(normalise(_PERCENT.sub(lambda match: chr(int(match[1], 16)), text)))
    if "\\u" in text:
        found.append(normalise(_JSON_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)))
    if len(joined := _SEPARATORS.sub("", text)) < len(text):
        found.extend(
            _of_bytes(bytes.fromhex(run[: len(run) // 2 * 2])) for run in _HEX_RUN.findall(joined)
        )
        found.extend(_of_bytes(_unbase64(run)) for run in _BASE64_RUN.findall(joined))
    if len(text) >= 8:
        # A run may begin with something else that is written in the same characters.
        for run in _HEX_RUN.findall(text):
            for start in range(2):
                pairs = run[start : len(run) - (len(run) - start) % 2]
                found.append(_of_bytes(bytes.fromhex(pairs)))
        for run in _BASE64_RUN.findall(text):
            read = [_unbase64(run[start:]) for start in range(4)]
            found.append(read[0].hex())
            found.extend([_of_bytes(one) for one in read])
    return "\n".join(found)


def _unbase64(run: str) -> bytes:
    run = run.rstrip("=").translate(_URL_SAFE)
    # A run may be cut out of something longer: what does not fill a byte is left out.
    run = run[: len(run) - (len(run) % 4 == 1)]
    try:
        return binascii.a2b_base64(run + "=" * (-len(run) % 4))
    except binascii.Error:
        return b""


def specific(value: Leaf) -> str | None:
    """Return the text to look for where a withheld value is specific enough not to hit by chance.

    Text of 8 characters or more with a digit and 20 bits, or of 12 and 36 bits (Shannon entropy of
    its own characters times its length); numbers of 6 significant digits or more.
    """
    if not isinstance(value, str) or len(value) < MIN_IDENTITY:
        return None
    if type(value) is Number:
        digits = re.sub(r"[eE].*|\D", "", value).strip("0")
        return str(value) if len(digits) >= 6 else None
    length = len(value)
    if length < 8 or length > 4096:
        return None
    bits = -sum(count * math.log2(count / length) for count in Counter(value).values())
    has_digit = any(character.isdigit() for character in value)
    return str(value) if (has_digit and bits >= 20) or (length >= 12 and bits >= 36) else None
