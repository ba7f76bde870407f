"""Trees inside strings: JSON in a string, base64 of JSON. Opened after decoding, then closed."""

import base64
import binascii
import re

from ..errors import Refused
from ..model import Blob, Embedded, Number, Reason, Tree
from . import json_text

MAX_LAYERS = 4
"""How many strings within strings are opened; what lies deeper is one item, whole."""
MAX_DEPTH = 64
"""Nesting of containers, embedded ones included. The deepest payload in our corpus has 9."""
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")
_DIFFERENT = {ord(one): f"\\u{ord(one):04x}" for one in ">?~\x7f"}
_BASE64URL = re.compile(r"(?:[A-Za-z0-9_-]{4})*+(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?")


def open_all(node: Tree, depth: int = MAX_DEPTH, layers: int = MAX_LAYERS) -> Tree:
    """Replace every string that holds JSON by an `Embedded`; raises `Refused` where too deep."""
    if isinstance(node, str):
        if not layers or len(node) < 2 or node[0] not in "{[eW \t\r\n":
            return node
        if type(node) is Number or type(node) is Blob:
            return node
        return _open(node, depth, layers)
    if not depth:
        raise Refused(Reason.TOO_DEEP, "containers are nested too deep")
    if isinstance(node, dict):
        for name, child in node.items():
            if isinstance(child, str | dict | list):
                node[name] = open_all(child, depth - 1, layers)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            if isinstance(child, str | dict | list):
                node[index] = open_all(child, depth - 1, layers)
    return node


def _open(text: str, depth: int, layers: int) -> Tree:
    if text.lstrip(" \t\r\n")[:1] in ("{", "["):
        encoding, inner = "json", str(text)
    else:
        encoding, inner = unbase64(text)
    if inner.lstrip(" \t\r\n")[:1] not in ("{", "["):
        return text
    try:
        tree = json_text.decode_text(inner)
    except Refused as err:
        if err.reason in (Reason.DUPLICATE_KEY, Reason.TOO_DEEP):
            raise
        return text
    return Embedded(encoding, text, open_all(tree, depth - 1, layers - 1))


def unbase64(text: str) -> tuple[str, str]:
    """Return (`base64` or `base64url`, the text inside), or two empty strings."""
    for encoding, alphabet, altchars in (
        ("base64", _BASE64, b"+/"),
        ("base64url", _BASE64URL, b"-_"),
    ):
        if alphabet.fullmatch(text):
            try:
                data = base64.b64decode(text + "=" * (-len(text) % 4), altchars)
                return encoding, data.decode("utf-8")
            except binascii.Error, UnicodeDecodeError:
                return "", ""
    return "", ""


def close(original: Embedded, tree: Tree) -> Embedded:
    """Write a changed tree back into a string of the same encoding.

    Which alphabet the appliance uses and whether it pads cannot always be seen, and where it can
    it may be from what is withheld: in base64, JSON is written so that these make no difference.
    """
    if original.encoding == "json":
        return Embedded("json", json_text.encode_text(tree), tree)
    # Of ASCII only these four give the two characters in which the alphabets differ.
    inner = json_text.encode_text(tree).translate(_DIFFERENT)
    inner += " " * (-len(inner) % 3)
    return Embedded(original.encoding, base64.b64encode(inner.encode()).decode(), tree)
