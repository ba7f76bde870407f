"""What values look like, one word each; hostile ones quickly as well."""

import pytest

from engine.model import Blob, Leaf, Number
from engine.shapes import LONGEST, Shape, is_epoch, is_number, shape_of


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (None, Shape.NULL),
        ("", Shape.NULL),
        ({}, Shape.NULL),
        ([], Shape.NULL),
        (True, Shape.BOOLEAN),
        (Number("-1.5e3"), Shape.NUMBER),
        ("21.4", Shape.NUMBER),
        (Number("1764079896"), Shape.EPOCH),
        ("1764079896123", Shape.EPOCH),
        ("rinsing", Shape.WORD),
        ("deep_sleep-2", Shape.WORD),
        ("what one may say", Shape.TEXT),
        ("x" * (LONGEST + 1), Shape.LONG),
        ("2026-11-25T13:45:00Z", Shape.TIME),
        ("25.11.2026", Shape.TIME),
        ("07:30", Shape.TIME),
        ("Europe/Berlin", Shape.ZONE),
        ("UTC+2", Shape.ZONE),
        ("someone@example.org", Shape.EMAIL),
        ("+49 (89) 123-4567", Shape.PHONE),
        ("+49301234567", Shape.PHONE),
        ("(030) 1234567", Shape.PHONE),
        ("+21.45678", Shape.NUMBER),
        ("52.52031,13.40512", Shape.COORDINATES),
        ("52.52031 N, 13.40491 E", Shape.COORDINATES),
        ("N 52.52031 E 13.40491", Shape.COORDINATES),
        ("Anna Smith <anna@example.org>", Shape.EMAIL),
        ("write to anna@example.org.", Shape.EMAIL),
        ("see https://example.org/a", Shape.URL),
        ("call +49 30 1234567", Shape.PHONE),
        ("set at 7 @ home", Shape.TEXT),
        ("a4-6f-28-00-11-22", Shape.HARDWARE_ADDRESS),
        ("24:6f:28:ff:fe:00:11:22", Shape.HARDWARE_ADDRESS),
        ("192.168.1.17", Shape.ADDRESS),
        ("fe80::1", Shape.ADDRESS),
        ("91827374-7e04-5298-83ad-a0cb8372dff1", Shape.UUID),
        ("https://example.org/report", Shape.URL),
        ("rtsp://192.0.2.1/live", Shape.IMAGE),
        ("https://example.org/a.JPG?b=1", Shape.IMAGE),
        ("https://example.org/a.wav", Shape.SOUND),
        ("data:image/png;base64," + "A" * 900, Shape.IMAGE),
        ("data:audio/wav;base64,AAAA", Shape.SOUND),
        (Blob("00ff"), Shape.BYTES),
    ],
)
def test_shapes(value: Leaf, shape: Shape) -> None:
    assert shape_of(value) is shape


@pytest.mark.parametrize(
    "start",
    ["1." * 150, "::" * 150, "a@" * 150, "+1 " * 100, "1:" * 150, "-" * 300, "data:" + ":" * 290],
)
def test_whatever_stands_there_it_has_a_shape(start: str) -> None:
    """None of these took noticeably long; a pattern that backtracks would hang here."""
    assert isinstance(shape_of(start), Shape)
    assert isinstance(shape_of(start + "\0"), Shape)


def test_what_is_a_number() -> None:
    assert is_number(Number("1"))
    assert is_number("1.")
    assert not is_number("1" * 41)
    assert not is_number("12a")
    assert not is_number(True)
    assert is_epoch(1.7e9)
    assert not is_epoch(1e6)
