"""What is sent: made up, in the shapes and sizes that appliances send."""

from random import Random
from typing import Any

import orjson

BRUSH: dict[str, Any] = {
    "device": {
        "serial": "OB9-4471-77120-X3",
        "mac": "7c:2e:bd:41:90:f3",
        "model": "Sonic 9 Pro",
        "firmware": "2.14.7",
        "battery": 83,
    },
    "user": {"id": "u-58120774", "profile": "parent-1", "timezone": "Europe/Lisbon"},
    "session": {
        "started": "2026-10-04T06:58:12Z",
        "seconds": 126.4,
        "mode": "gum care",
        "pressure": {"high_seconds": 7.25, "peak": 412, "mean": 163.8},
        "zones": {"upper_left": 31.1, "upper_right": 29.6, "lower_left": 33.0, "lower_right": 28.7},
    },
    "head": {"remaining_days": 41, "replaced": "2026-08-14"},
    "wifi": {"ssid": "Casa Amarela", "rssi": -61},
    "app": "brush-home-and-care/5.20 (build 84417; phone paired)",
}
"""A toothbrush's report after brushing: 23 items, 573 bytes."""

BRUSH_WITHHELD = frozenset({
    "$.body.device.serial", "$.body.device.mac", "$.body.user.id", "$.body.user.timezone",
    "$.body.session.started", "$.body.wifi.ssid", "$.body.wifi.rssi",
})  # fmt: skip
"""Seven data points that are not granted; all others are."""

_CAPABILITIES: tuple[tuple[str, str, str | int, str | None], ...] = (
    ("contactSensor", "contact", "closed", None),
    ("temperatureMeasurement", "temperature", 37, "F"),
    ("thermostatCoolingSetpoint", "coolingSetpoint", 38, "F"),
    ("custom.fridgeMode", "fridgeMode", "normal", None),
    ("refrigeration", "rapidCooling", "off", None),
    ("samsungce.sabbathMode", "status", "off", None),
    ("powerConsumptionReport", "energy", 1568087, "Wh"),
    ("custom.waterFilter", "waterFilterUsage", 46, "%"),
    ("samsungce.softwareUpdate", "otnDUID", "Q4ZNT7WBB2XKM", None),
    ("ocf", "vid", "DA-REF-NORMAL-000417", None),
)
_COMPONENTS = (
    *("main", "cooler", "freezer", "onedoor", "cvroom"),
    *("icemaker", "pantry-01", "pantry-02", "wine", "drawer"),
)


def fridge() -> dict[str, Any]:
    """Return a fridge's status: components with capabilities with attributes, 256 items."""
    components: dict[str, Any] = {}
    items = 0
    for number, component in enumerate(_COMPONENTS):
        capabilities = components[component] = {}
        for place, (capability, attribute, value, unit) in enumerate(_CAPABILITIES):
            shown: dict[str, Any] = {
                "value": f"{value}-{number}" if isinstance(value, str) else value + number
            }
            if unit:
                shown["unit"] = unit
            if items + len(shown) < 256:
                shown["timestamp"] = (
                    f"2026-02-{place + 10:02}T{number + 10}:55:04.{number}{place}8Z"
                )
            items += len(shown)
            capabilities[capability] = {attribute: shown}
    components["extra"] = {"disabled": [f"feature{index}" for index in range(256 - items)]}
    return {"components": components}


FRIDGE_FEW = frozenset({
    "$.body.components.main.contactSensor.contact.value",
    "$.body.components.cooler.temperatureMeasurement.temperature.value",
    "$.body.components.cooler.temperatureMeasurement.temperature.unit",
    "$.body.components.freezer.temperatureMeasurement.temperature.value",
    "$.body.components.main.powerConsumptionReport.energy.value",
    "$.body.components.main['samsungce.sabbathMode'].status.value",
    "$.body.components.main.refrigeration.rapidCooling.value",
})  # fmt: skip
"""Seven data points of the fridge."""


def varied(tree: Any, number: int) -> Any:
    """Return a message of the same shape and size with other digits: no two reports are the same.

    Whatever remembers what it read once has no use of it, as at home. Nought is the message itself.
    """
    digits = Random(number)  # noqa: S311 - the same in every run

    def other(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: other(child) for name, child in node.items()}
        if isinstance(node, list):
            return [other(child) for child in node]
        if isinstance(node, bool) or node is None:
            return node
        text = "".join(
            digits.choice("123456789") if one.isdigit() else one
            for one in (node if isinstance(node, str) else repr(node))
        )
        return text if isinstance(node, str) else type(node)(text)

    return other(tree) if number else tree


def encode(tree: dict[str, Any]) -> bytes:
    """Write a message as its appliance would."""
    return orjson.dumps(tree)
