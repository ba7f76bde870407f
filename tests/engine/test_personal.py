"""What tells who somebody is or where: told from what merely shares a word or a figure with it."""

import pytest

from engine import personal
from engine.model import Field, Leaf, Number


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("$.body.coords.x", True),
        ("$.body.latlng.first", True),
        ("$.body.gpsFix", True),
        ("$.body.breitengrad", True),
        ("$.body['längengrad']", True),
        (Field("$.body.list[*].value", ("type=latitude",)), True),
        ("$.body.flat", False),
        ("$.body.latency", False),
        ("$.body.position", False),
        ("$.body.platform.temperature", False),
    ],
)
def test_coordinates_are_known_by_their_place(item: Field | str, expected: bool) -> None:
    field = item if isinstance(item, Field) else Field(item)
    assert personal.is_coordinate(field) is expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$.body.position[*]", Number("13.404954"), True),
        ("$.body.loc.a", "52.520012", True),
        ("$.body.position", Number("50"), False),
        ("$.body.position", Number("33.3"), False),
        ("$.body.position", Number("40312.1234"), False),
        ("$.body.position", "half open", False),
        ("$.body.temperature", Number("21.12345"), False),
    ],
)
def test_a_fine_number_at_a_place_may_be_where_it_is(
    path: str, value: Leaf, expected: bool
) -> None:
    assert personal.is_place(Field(path), value, is_marked=False) is expected


def test_a_fine_number_where_places_are_told_of_is_one() -> None:
    assert personal.is_place(Field("$.body.a"), Number("52.5201"), is_marked=True)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$.body.resident", "Anna Smith", True),
        ("$.body.nick", "Anna", True),
        ("$.body.user.name", "Anna", True),
        ("$.body.residents[*]", "Anna", True),
        ("$.body.network", "Smith family", True),
        (Field("$.body.a[*].value", ("type=owner",)), "Anna", True),
        ("$.body.state", "+49301234567", True),
        ("$.body.state", "call +49 30 1234567", True),
        ("$.body.state", "Anna <anna@example.org>", True),
        ("$.body.network", "Connected", False),
        ("$.body.resident", "home", False),
        ("$.body.user.mode", "Comfort", False),
        ("$.body.users", Number("3"), False),
        ("$.body.users", "3", False),
        ("$.body.users", None, False),
        ("$.body.state", "rinsing", False),
        ("$.body.version", "1.2.3.4", False),
    ],
)
def test_somebodys_name_is_told_from_a_state(
    path: Field | str, value: Leaf, expected: bool
) -> None:
    field = path if isinstance(path, Field) else Field(path)
    assert personal.names_somebody(field, value) is expected


def test_what_repeats_an_identity_is_found_also_by_the_own_half_of_an_address() -> None:
    identities = frozenset({"wq4711ab", "246f28aabbcc", "246f28112233"})
    texts = ["WQ-4711-AB", "Plug aabbcc", "112233", "Plug 246f28", "rinsing", "", "on"]
    # The maker's half is the same for all of that maker; six figures alone are a number.
    assert personal.repeating(identities, texts) == {0, 1}
    assert personal.repeating(frozenset(), texts) == set()
