"""The formats that bytes can be read in, each with the parser that reads what leaves once more."""

from collections.abc import Callable
from dataclasses import dataclass
import re
from typing import Any

from ..model import Tree
from . import cbor, form, json_text, lines, msgpack, xml_text

FORM_TYPE = "application/x-www-form-urlencoded"
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A codec: bytes to tree, tree to bytes, and the second parser for what leaves.

    `goes_as_it_came` tells whether the appliance's own bytes may leave where all of a message is
    consented. Where a format can say one thing in many ways, it is always written anew.
    """

    name: str
    content_type: str
    decode: Callable[[bytes], Tree]
    encode: Callable[[Tree], bytes]
    plain: Callable[[bytes], Any]
    is_json: bool = False
    goes_as_it_came: bool = True


JSON = Format(
    name="json",
    content_type="application/json",
    decode=json_text.decode,
    encode=json_text.encode,
    plain=json_text.plain,
    is_json=True,
)
NDJSON = Format(
    name="ndjson",
    content_type="application/x-ndjson",
    decode=json_text.decode_lines,
    encode=json_text.encode_lines,
    plain=json_text.plain_lines,
    is_json=True,
)
FORM = Format(
    name="form",
    content_type=FORM_TYPE,
    decode=form.decode,
    encode=form.encode,
    plain=form.plain,
)
LINES = Format(
    name="text",
    content_type="text/plain",
    decode=lines.decode,
    encode=lines.encode,
    plain=lines.plain,
)
MSGPACK = Format(
    name="msgpack",
    content_type="application/msgpack",
    decode=msgpack.decode,
    encode=msgpack.encode,
    plain=msgpack.plain,
    goes_as_it_came=False,
)
XML = Format(
    name="xml",
    content_type="application/xml",
    decode=xml_text.decode,
    encode=xml_text.encode,
    plain=xml_text.plain,
    goes_as_it_came=False,
)
CBOR = Format(
    name="cbor",
    content_type="application/cbor",
    decode=cbor.decode,
    encode=cbor.encode,
    plain=cbor.plain,
    goes_as_it_came=False,
)
_DECLARED = tuple(
    (re.compile(types), fmt)
    for types, fmt in (
        ("|".join(map(re.escape, NDJSON_TYPES)), NDJSON),
        (r"application/json|text/json|application/[a-z.-]{1,40}\+json", JSON),
        (r"application/cbor|application/[a-z.-]{1,40}\+cbor", CBOR),
        (
            r"application/(?:x-|vnd\.)?msgpack|application/[a-z.-]{1,40}\+msgpack",
            MSGPACK,
        ),
        (r"application/xml|text/xml|[a-z]+/[a-z0-9.-]{1,40}\+xml", XML),
    )
)
"""Content types that mean one format."""


def declared(media: str) -> Format | None:
    """Return the format that a content type means, lower-case and without parameters."""
    return next((fmt for types, fmt in _DECLARED if types.fullmatch(media)), None)
