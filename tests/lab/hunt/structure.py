"""What a message has members of: switches and small numbers are told by being there at all."""

from email.parser import BytesParser
import json
import re
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET
import zlib

import cbor2
import ormsgpack

from .reports import Place, walk

CONSTANT = frozenset({
    "host", "content-length", "content-type", "content-encoding", "accept", "accept-encoding",
    "connection",
})  # fmt: skip
"""Headers that say nothing of an appliance, or are the gate's own."""


def places(head: bytes, body: bytes, form: str, names: frozenset[str]) -> set[Place]:
    """Everything that a request tells, by where it stands; raises `ValueError`."""
    lines = head.decode("latin-1").split("\r\n")
    headers = [
        (name.lower(), value.strip())
        for name, _, value in (one.partition(":") for one in lines[1:])
    ]
    found: set[Place] = set()
    for name, value in headers:
        if name == "cookie":
            found |= {
                Place("$.cookie").member(one.strip().partition("=")[0]) for one in value.split(";")
            }
        elif name not in CONSTANT:
            found.add(Place("$.header").member(name))
    query = lines[0].split(" ")[1].partition("?")[2]
    found |= set(_of_form(query, "$.query", names))
    if body:
        coding = dict(headers).get("content-encoding")
        if coding:
            body = zlib.decompress(body, 47)
        found |= (
            set(walk(*_tree(body, form), names))
            if form != "form"
            else set(_of_form(body.decode(), "$.body", names))
        )
    return {one for one in found if one.path not in ("$.body", "$.body.report", "$.query")}


def _of_form(text: str, root: str, names: frozenset[str]) -> list[Place]:
    tree = dict(parse_qsl(text, keep_blank_values=True))
    return list(walk(tree, Place(root), names)) if tree else []


def _tree(body: bytes, form: str) -> tuple[Any, Place]:
    root = Place("$.body")
    match form:
        case "json":
            return json.loads(body), root
        case "cbor":
            return cbor2.loads(body), root
        case "msgpack":
            return ormsgpack.unpackb(body, option=ormsgpack.OPT_NON_STR_KEYS), root
        case "xml":
            return _element(ET.fromstring(body)), root.member("report")
        case "multipart":
            kind = re.match(rb"--[^\r\n]+", body)
            boundary = kind[0][2:].decode() if kind else "-"
            head = f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n".encode()
            parts = BytesParser().parsebytes(head + body).get_payload()
            return {
                str(one.get_param("name", header="content-disposition")): one.get_payload(
                    decode=True
                ).decode()
                for one in parts
                if one.get_content_disposition() or one.get_payload()
            }, root
        case _:
            return body.decode().splitlines(), root


def _element(node: ET.Element) -> Any:
    made: dict[str, Any] = {f"@{name}": value for name, value in node.attrib.items()}
    for child in node:
        inner = _element(child)
        if child.tag in made:
            before = made[child.tag]
            made[child.tag] = [*(before if isinstance(before, list) else [before]), inner]
        else:
            made[child.tag] = inner
    return made or (node.text or "")
