"""Payloads: bytes to trees and back, a codec per format.

`request` reads a whole HTTP request into one tree, with the body (`body`) in the format its bytes
show (`formats`): `json_text`, `xml_text`, `cbor`, `msgpack`, `form`, `lines` or parts of these
(`multipart`), possibly compressed (`compression`) or framed (`framing`), possibly with further
trees inside strings (`embedded`). What cannot be read raises `Refused`.
"""
