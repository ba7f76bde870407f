"""A vendor's file, read and checked: what is wrong in it is said with file, line and place.

The schema, in a table with an example: docs/catalogue.md. Only members that stand there are taken,
each text and list has an end, and nothing is guessed: a file with one mistake is refused whole.
"""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
import re

from ..errors import CatalogueError, FramingError, PathSyntaxError
from ..model import Category, Endpoint, Field, Purpose
from ..names import expand
from ..payload import framing
from ..redaction.paths import ANY, parse
from .document import Node, read
from .quantities import QUANTITIES, UNITS
from .vendor import (
    CalmAnswer,
    EntityKind,
    Known,
    Payload,
    StateClass,
    StatedRecipient,
    Transport,
    Vendor,
    Verified,
    stated_place,
)

UNKNOWN = "unknown"
"""What stands where a vendor states nothing, or nobody looked yet."""
MAX_TEXT = 500
"""Characters of a sentence; names have at most `MAX_NAME`."""
MAX_NAME = 80
MAX_ITEMS = 500
"""Items of a list: data points of one vendor, say."""
MAX_NUMBER = 32
"""The last number that `numbers` may stand for."""
MAX_ANSWER = 512
"""Bytes of a calm answer."""
_NEVER = frozenset({Category.REQUEST, Category.OPAQUE})
"""Categories that stand for a whole message, not for anything in it."""
_SIBLING = re.compile(r"@?[A-Za-z]+=(?:\*|[A-Za-z][A-Za-z0-9_.:-]{0,39}|-?[0-9]{1,4})|name")
_TOPIC = re.compile(r"[!-~]{1,200}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


def read_vendor(data: bytes, file: str) -> Vendor:
    """Read one file; raises `CatalogueError`. `file` is its name, for errors and as its key."""
    root = _Part(read(data, file), "", file)
    name = root.text("vendor", MAX_NAME)
    around = _framing(root)
    is_bare = root.flag("by_name_only")
    verified = None if is_bare else _verified(root.part("verified"))
    vendor = Vendor(
        key=file.rpartition(".")[0] or file,
        vendor=name,
        kinds=root.texts("kinds", MAX_NAME),
        verified=verified,
        source=root.text("source", MAX_TEXT) if verified is None else verified.source,
        transport=frozenset(root.choices("transport", Transport)),
        recipients=tuple(_recipient(one, around) for one in root.parts("recipients")),
        topics=root.texts("topics", 200, _topic),
        marks=frozenset(_field(path, ()) for path in root.texts("marks", MAX_TEXT, _mark)),
        data_points=tuple(known for one in root.parts("data_points") for known in _known(one)),
        framing=around,
        answers=tuple(_answer(one) for one in root.parts("answers")),
    )
    root.end()
    _fits_together(vendor, root)
    return vendor


def _fits_together(vendor: Vendor, root: _Part) -> None:
    """Refuse what is well-formed by itself and does not belong together."""
    if vendor.verified is not None and not vendor.transport:
        raise root.wrong("transport", "by what its appliances report is wanted")
    if not vendor.recipients and not vendor.marks:
        raise root.wrong("recipients", "who receives is wanted, or marks of what has no cloud")
    if vendor.verified is None and (vendor.data_points or vendor.answers or vendor.marks):
        raise root.wrong("by_name_only", "then no data points, marks or answers are known")
    if vendor.verified is not None and not vendor.data_points:
        raise root.wrong("data_points", "something that was verified is wanted")
    if len({stated_place(one.field) for one in vendor.data_points}) < len(vendor.data_points):
        raise root.wrong("data_points", "a path stands twice")
    endpoints = [one for recipient in vendor.recipients for one in recipient.endpoints]
    if any(answer.endpoint not in endpoints for answer in vendor.answers):
        raise root.wrong("answers", "one is for an endpoint that is none of its recipients'")
    if len(vendor.marks) == 1:
        raise root.wrong("marks", "one member alone tells nothing: two or more are wanted")


class _Part:
    """A mapping of a file; `end` refuses the members that nobody asked for."""

    def __init__(self, node: Node, place: str, file: str) -> None:
        self._node = node
        self._place = place
        self._file = file
        self._asked: set[str] = set()
        if not isinstance(node.value, dict):
            raise self.wrong("", "names with what they are is wanted")
        self._members = node.value

    def wrong(self, name: str, what: str) -> CatalogueError:
        node = self._members.get(name, self._node) if name else self._node
        place = ".".join(one for one in (self._place, name) if one)
        return CatalogueError(
            f"{self._file}, line {node.line}: {f'{place}: ' if place else ''}{what}"
        )

    def has(self, name: str) -> bool:
        return name in self._members

    def text(self, name: str, most: int, default: str | None = None) -> str:
        self._asked.add(name)
        node = self._members.get(name)
        if node is None:
            if default is None:
                raise self.wrong(name, "it is missing")
            return default
        if not isinstance(node.value, str):
            raise self.wrong(name, "a text is wanted")
        text = " ".join(node.value.split())
        if not text or len(text) > most or not text.isprintable():
            raise self.wrong(name, f"a text of 1 to {most} characters is wanted")
        return text

    def stated(self, name: str) -> str:
        """Return what a vendor states, empty where that is unknown."""
        text = self.text(name, MAX_TEXT, UNKNOWN)
        return "" if text == UNKNOWN else text

    def flag(self, name: str) -> bool:
        text = self.text(name, 5, "false")
        if text not in ("true", "false"):
            raise self.wrong(name, "true or false is wanted")
        return text == "true"

    def choice[E: StrEnum](self, name: str, kinds: type[E], default: E | None = None) -> E:
        text = self.text(name, MAX_NAME, None if default is None else default.value)
        try:
            return kinds(text)
        except ValueError:
            raise self.wrong(name, f"one of {', '.join(kinds)} is wanted") from None

    def choices[E: StrEnum](self, name: str, kinds: type[E]) -> tuple[E, ...]:
        def check(text: str) -> str:
            return kinds(text).value

        return tuple(kinds(text) for text in self.texts(name, MAX_NAME, check))

    def texts(
        self, name: str, most: int, check: Callable[[str], str] | None = None
    ) -> tuple[str, ...]:
        self._asked.add(name)
        node = self._members.get(name)
        if node is None:
            return ()
        if not isinstance(node.value, list) or len(node.value) > MAX_ITEMS:
            raise self.wrong(name, "a list is wanted, and not too long a one")
        found: list[str] = []
        for number, item in enumerate(node.value):
            text = item.value
            if not isinstance(text, str) or not 0 < len(text) <= most or not text.isprintable():
                raise self._wrong_item(item, f"{name}[{number}]", "a short text is wanted")
            try:
                found.append(text if check is None else check(text))
            except (PathSyntaxError, ValueError) as err:
                raise self._wrong_item(item, f"{name}[{number}]", str(err)) from None
        if len(set(found)) < len(found):
            raise self.wrong(name, "something stands twice")
        return tuple(found)

    def _wrong_item(self, item: Node, place: str, what: str) -> CatalogueError:
        full = ".".join(one for one in (self._place, place) if one)
        return CatalogueError(f"{self._file}, line {item.line}: {full}: {what}")

    def part(self, name: str) -> _Part:
        self._asked.add(name)
        if name not in self._members:
            raise self.wrong(name, "it is missing")
        return _Part(self._members[name], self._below(name), self._file)

    def parts(self, name: str) -> list[_Part]:
        self._asked.add(name)
        node = self._members.get(name)
        if node is None:
            return []
        if not isinstance(node.value, list) or len(node.value) > MAX_ITEMS:
            raise self.wrong(name, "a list is wanted, and not too long a one")
        return [
            _Part(item, self._below(f"{name}[{number}]"), self._file)
            for number, item in enumerate(node.value)
        ]

    def _below(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def end(self) -> None:
        if unknown := self._members.keys() - self._asked:
            name = min(unknown)
            raise self.wrong(name, "no such member is known")


def _verified(part: _Part) -> Verified:
    day = part.text("date", 10)
    try:
        when = date.fromisoformat(day)
    except ValueError:
        raise part.wrong("date", "a date is wanted, as 2026-01-31") from None
    verified = Verified(
        source=part.text("source", MAX_TEXT),
        payload=part.choice("payload", Payload),
        shape=part.text("shape", MAX_TEXT),
        date=when,
    )
    part.end()
    return verified


def _recipient(part: _Part, around: str) -> StatedRecipient:
    purpose = part.text("purpose", MAX_NAME)
    if purpose != UNKNOWN and purpose not in set(Purpose):
        raise part.wrong("purpose", f"{UNKNOWN} or one of {', '.join(Purpose)} is wanted")
    recipient = StatedRecipient(
        organisation=part.text("organisation", MAX_NAME),
        purpose=None if purpose == UNKNOWN else Purpose(purpose),
        benefit=part.stated("benefit"),
        if_refused=part.stated("if_refused"),
        storage=part.stated("storage"),
        retention=part.stated("retention"),
        policy=part.stated("policy"),
        source=part.text("source", MAX_TEXT, ""),
        endpoints=tuple(
            Endpoint.parse(line) for line in part.texts("endpoints", MAX_TEXT, _endpoint)
        ),
        names=part.texts("names", 253, _name),
        functional=part.texts("functional", MAX_TEXT, _path),
        neutral=part.texts("neutral", MAX_TEXT, _path),
        framing=around,
    )
    part.end()
    if not recipient.endpoints and not recipient.names:
        raise part.wrong("endpoints", "an endpoint or a name is wanted")
    if recipient.policy and not recipient.policy.startswith("https://"):
        raise part.wrong("policy", "an address with https, or unknown, is wanted")
    stated = (recipient.benefit, recipient.if_refused, recipient.storage, recipient.retention)
    if any(stated) and not recipient.source:
        raise part.wrong("source", "where that is stated is wanted")
    return recipient


def _known(part: _Part) -> list[Known]:
    """Return a data point; with `numbers`, one for each number in the place of `#`."""
    path = part.text("path", MAX_TEXT)
    siblings = part.texts("siblings", MAX_NAME, _sibling)
    name = part.text("name", MAX_NAME)
    category = part.choice("category", Category)
    unit = part.text("unit", 10, "") or None
    quantity = part.text("quantity", MAX_NAME, "") or None
    known = Known(
        field=Field(path, siblings),
        name=name,
        category=category,
        unit=unit,
        quantity=quantity,
        state_class=part.choice("state_class", StateClass) if part.has("state_class") else None,
        entity=part.choice("entity", EntityKind, EntityKind.SENSOR),
        options=part.texts("options", MAX_NAME),
        lowers=part.text("lowers", MAX_TEXT, ""),
        optional=part.flag("optional"),
    )
    numbers = _numbers(part)
    part.end()
    if category in _NEVER:
        raise part.wrong("category", "that is of messages as a whole")
    if quantity is not None and quantity not in QUANTITIES:
        raise part.wrong("quantity", "no such quantity is known")
    if unit is not None and unit not in (QUANTITIES[quantity] if quantity else UNITS):
        raise part.wrong("unit", "no such unit is known of this")
    if known.options and known.entity is not EntityKind.ENUM:
        raise part.wrong("options", "they belong to an enum")
    found: list[Known] = []
    for number in numbers or ("#",):
        try:
            found.append(_numbered(known, number))
        except PathSyntaxError as err:
            raise part.wrong("path", str(err)) from None
        except ValueError as err:
            raise part.wrong("path", str(err)) from None
    return found


def _numbered(known: Known, number: str) -> Known:
    return Known(
        field=_field(known.field.path.replace("#", number), known.field.siblings),
        name=known.name.replace("#", number),
        category=known.category,
        unit=known.unit,
        quantity=known.quantity,
        state_class=known.state_class,
        entity=known.entity,
        options=known.options,
        lowers=known.lowers,
        optional=known.optional,
    )


def _numbers(part: _Part) -> tuple[str, ...]:
    text = part.text("numbers", 8, "")
    if not text:
        return ()
    match = re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", text)
    if match is None or not int(match[1]) < int(match[2]) <= MAX_NUMBER:
        raise part.wrong("numbers", f"two numbers up to {MAX_NUMBER} are wanted, as 1-8")
    return tuple(str(number) for number in range(int(match[1]), int(match[2]) + 1))


def _answer(part: _Part) -> CalmAnswer:
    status = part.text("status", 3, "200")
    content_type = part.text("content_type", MAX_NAME, "")
    body = part.text("body", MAX_ANSWER, "")
    line = part.text("endpoint", MAX_TEXT)
    part.end()
    if status not in ("200", "201", "202", "204"):
        raise part.wrong("status", "200, 201, 202 or 204 is wanted: it is to calm")
    if content_type and not _MEDIA_TYPE.fullmatch(content_type):
        raise part.wrong("content_type", "a media type is wanted")
    if (body and not content_type) or (body and status == "204"):
        raise part.wrong("body", "a body has a content type, and 204 has none")
    if not body.isascii():
        raise part.wrong("body", "ASCII is wanted")
    try:
        endpoint = Endpoint.parse(_endpoint(line))
    except ValueError as err:
        raise part.wrong("endpoint", str(err)) from None
    return CalmAnswer(
        endpoint=endpoint,
        status=int(status),
        content_type=content_type or None,
        body=body.encode(),
    )


def _framing(part: _Part) -> str:
    layers = ",".join(part.texts("framing", 80, _layer))
    try:
        return framing.spell(framing.parse(layers)) if layers else ""
    except FramingError as err:
        raise part.wrong("framing", str(err)) from None


def _layer(text: str) -> str:
    try:
        return framing.spell(framing.parse(text))
    except FramingError:
        raise ValueError("no such framing is known") from None


def _field(path: str, siblings: tuple[str, ...]) -> Field:
    """Return a field as stated, once it can be read; raises `PathSyntaxError`, `ValueError`."""
    return Field(_path(path), siblings)


def _path(text: str) -> str:
    parsed = parse(text)
    if len(parsed.selectors) < 2 or parsed.selectors[0] not in (
        "path", "query", "header", "cookie", "body",
    ):  # fmt: skip
        raise ValueError("a path starts with a part of the message, as $.body")
    return text


def _mark(text: str) -> str:
    path = parse(_path(text))
    if ANY in path.selectors:
        raise ValueError("a mark is one member, without wildcards")
    return str(path)


def _sibling(text: str) -> str:
    if not _SIBLING.fullmatch(text):
        raise ValueError("a sibling is name=value")
    return text


def _endpoint(text: str) -> str:
    return str(Endpoint.parse(text))


def _name(text: str) -> str:
    expand(text)
    return text


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise ValueError("a topic has no blanks")
    return text
