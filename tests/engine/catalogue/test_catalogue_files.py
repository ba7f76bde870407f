"""The vendors' files: each can be read, and each path stated stands in a message of its shape."""

from collections.abc import Iterable
import re
import textwrap

import pytest
from shapes import made_up, recorded

from engine import learning
from engine.catalogue.known import FOLDER, Catalogue, category_of, is_hidden, read_folder
from engine.catalogue.reader import read_vendor
from engine.catalogue.vendor import Payload, Transport, Vendor, placed, stated_place
from engine.learning import Learning
from engine.model import Category, DataPoint, Kind, Transmission
from engine.payload import request as requests
from engine.redaction import fields
from engine.redaction.identifiers import looks_like_data
from helpers import REPOSITORY

CATALOGUE, WRONG = read_folder()
VENDORS = {vendor.key: vendor for vendor in CATALOGUE.vendors}
VERIFIED = sorted(key for key, vendor in VENDORS.items() if vendor.verified is not None)
RECORDED = recorded()


def learnt(messages: Iterable[Transmission], catalogue: Catalogue = CATALOGUE) -> list[DataPoint]:
    """What is learned from messages that were read as a gate reads them."""
    seen = Learning()
    for message in messages:
        read = requests.read(message, looks_like_data)
        seen.add(
            learning.unseen(
                fields.walk(read.tree),
                seen.at("it", read.template),
                count=seen.count("it"),
                appliance_id="it",
                template=read.template,
                recipients=("cloud",),
                now=1.0,
                catalogue=catalogue,
            )
        )
    return seen.of("it")


def unmet(vendor: Vendor, points: list[DataPoint]) -> set[str]:
    """The paths that a file states as verified and that no message had."""
    met = {placed(point.field) for point in points}
    return {
        str(one.field)
        for one in vendor.data_points
        if not one.optional and stated_place(one.field) not in met
    }


def test_every_file_can_be_read() -> None:
    assert [str(error) for error in WRONG] == []
    assert len(VENDORS) == len(list(FOLDER.glob("*"))), "something that is no vendor's file"
    assert len(VERIFIED) >= 8
    assert len(VENDORS) - len(VERIFIED) >= 10


def test_every_verified_kind_of_appliance_that_was_promised_is_there() -> None:
    kinds = {kind for key in VERIFIED for kind in VENDORS[key].kinds}
    assert kinds >= {
        "fridge", "washer", "scale", "weather station", "air sensor", "plug", "energy meter",
        "vacuum",
    }  # fmt: skip


def test_the_guides_example_can_be_read() -> None:
    guide = (REPOSITORY / "docs" / "catalogue.md").read_text()
    [block] = re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```$", guide)
    vendor = read_vendor(textwrap.dedent(block).encode(), "frost.yaml")
    assert vendor.verified is not None
    assert len(vendor.data_points) == 7
    assert vendor.recipients[0].retention == "two years"


@pytest.mark.parametrize("key", VERIFIED)
def test_a_message_of_its_shape_has_every_path_that_is_stated(key: str) -> None:
    assert not unmet(VENDORS[key], learnt(made_up()[key]))


@pytest.mark.corpus
@pytest.mark.parametrize("key", VERIFIED)
def test_a_recorded_message_has_every_path_that_is_stated(key: str) -> None:
    if not RECORDED.get(key):
        pytest.skip(f"the corpus has no message of {key}, or is not on this machine")
    assert not unmet(VENDORS[key], learnt(RECORDED[key]))


@pytest.mark.parametrize("key", VERIFIED)
def test_what_is_learned_is_called_and_means_what_the_file_says(key: str) -> None:
    vendor = VENDORS[key]
    stated = {stated_place(one.field): one for one in vendor.data_points}
    points = learnt(made_up()[key])
    guessed = {point.id: point for point in learnt(made_up()[key], Catalogue())}
    known = [(point, stated[placed(point.field)]) for point in points if _is(point, stated)]
    assert len(known) >= len([one for one in vendor.data_points if not one.optional])
    for point, one in known:
        assert point.name == one.name
        guess = guessed[point.id].category
        assert point.category is category_of(one, guess, may_lower=True)
        if is_hidden(point.category):
            assert (point.unit, point.quantity) == (None, None)
        else:
            assert (point.unit, point.quantity) == (one.unit, one.quantity)


def _is(point: DataPoint, stated: dict[object, object]) -> bool:
    return placed(point.field) in stated


@pytest.mark.parametrize("key", VERIFIED)
def test_the_catalogue_changes_no_id_kind_or_recipient(key: str) -> None:
    told, guessed = learnt(made_up()[key]), learnt(made_up()[key], Catalogue())
    assert [(one.id, one.kinds, one.recipients) for one in told] == [
        (one.id, one.kinds, one.recipients) for one in guessed
    ]


@pytest.mark.parametrize("key", VERIFIED)
def test_nothing_sensitive_gets_less_so_without_a_reason(key: str) -> None:
    lowered = {
        str(told.field)
        for told, guess in zip(
            learnt(made_up()[key]), learnt(made_up()[key], Catalogue()), strict=True
        )
        if is_hidden(guess.category) and not is_hidden(told.category)
    }
    reasoned = {str(one.field) for one in VENDORS[key].data_points if one.lowers}
    assert lowered <= reasoned


def test_a_unit_belongs_to_numbers_alone() -> None:
    points = [point for key in VERIFIED for point in learnt(made_up()[key])]
    assert sum(point.unit is not None for point in points) > 60
    assert not [point for point in points if point.unit is not None and Kind.BOOLEAN in point.kinds]


def test_what_a_gate_can_read_of_a_vendor_follows_from_its_transport() -> None:
    assert VENDORS["ecowitt"].is_readable
    assert not VENDORS["miele"].is_readable
    for vendor in VENDORS.values():
        if not vendor.is_readable:
            schemes = {end.scheme for one in vendor.recipients for end in one.endpoints}
            assert "http" not in schemes, f"{vendor.key}: an http endpoint, but not by http"
        if vendor.verified is not None and vendor.verified.payload is Payload.UPLOAD:
            assert Transport.HTTP in vendor.transport


def test_identifiers_that_a_cloud_needs_are_known_as_such() -> None:
    """What rides along with a consent is named in the file, so that the notice can say it."""
    for key in ("ecowitt", "weather_underground", "acurite"):
        [recipient] = VENDORS[key].recipients
        named = {one.field.path: one.category for one in VENDORS[key].data_points}
        assert set(recipient.functional) <= set(named)
        assert {named[path] for path in recipient.functional} & {
            Category.IDENTIFIER, Category.CREDENTIAL,
        }  # fmt: skip
