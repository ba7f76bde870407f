"""The vendors' files in Home Assistant's words: what they state can be shown as it is."""

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
)
import pytest

from custom_components.privacy_firewall.engine import Catalogue, EntityKind, load_vendors
from custom_components.privacy_firewall.engine.catalogue.quantities import QUANTITIES
from custom_components.privacy_firewall.engine.catalogue.reader import read_vendor
from custom_components.privacy_firewall.proposals import proposed

STATED = [one for vendor in load_vendors().vendors for one in vendor.data_points]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_quantity_is_a_device_class_with_these_units(quantity: str) -> None:
    if quantity in set(SensorDeviceClass):
        possible = {str(unit) for unit in DEVICE_CLASS_UNITS[SensorDeviceClass(quantity)]}
        assert QUANTITIES[quantity] <= possible
    else:
        assert quantity in set(BinarySensorDeviceClass)
        assert not QUANTITIES[quantity]


def test_state_class_fits_its_device_class() -> None:
    """Home Assistant logs a warning for each that does not."""
    summed = [one for one in STATED if one.state_class is not None and one.quantity is not None]
    assert len(summed) > 100
    for one in summed:
        possible = DEVICE_CLASS_STATE_CLASSES[SensorDeviceClass(one.quantity)]
        assert one.state_class in {state.value for state in possible}, one.field


def test_entity_kind_fits_its_quantity() -> None:
    for one in STATED:
        if one.entity is EntityKind.BINARY_SENSOR and one.quantity is not None:
            assert one.quantity in set(BinarySensorDeviceClass), one.field
            assert one.unit is None, one.field
        if one.entity in (EntityKind.TIMESTAMP, EntityKind.NONE):
            assert (one.state_class, one.options) == (None, ()), one.field


FRAMED = """
vendor: Frost
verified: {source: s, payload: upload, shape: x, date: 2026-03-01}
transport: [http]
recipients:
  - {organisation: Frost, purpose: service, endpoints: ["POST http://in.frost.example/v1"]}
framing: ["length:decimal-l", "crc16-modbus:hex"]
data_points:
  - {path: "$.body.cold", name: Cold, category: reading}
"""


def test_what_stands_around_a_known_vendors_bodies_is_proposed() -> None:
    catalogue = Catalogue([read_vendor(FRAMED.encode(), "frost.yaml")])
    shown = proposed(catalogue, ["POST http://in.frost.example/v1"], [])
    assert shown["advanced"] == {"framing": "length:decimal-l,crc16-modbus:hex"}
    assert "advanced" not in proposed(catalogue, ["POST http://out.frost.example/v1"], [])
