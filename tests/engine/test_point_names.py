"""What data points are called."""

import pytest

from engine.model import REQUEST_FIELD, Field
from engine.point_names import MAX_NAME, name_of

CAPABILITY = "$.body.components.cooler"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Field("$.body.components.main.doorOpenCount.value"), "Door open count"),
        (Field("$.body[*].value", ("type=4",)), "Value (type=4)"),
        (Field("$.body[*].value", ("key=*",)), "Value (key=*)"),
        (Field("$.body[*].value", ("key=Common.Status.DoorState",)), "Door state"),
        (Field("$.body.devices[*].battery", ("type=Scale",)), "Devices battery (type=Scale)"),
        (Field("$.header['user-agent']"), "User agent header"),
        (Field("$.body.hr.*", ("name",)), "Hr names"),
        (Field("$.path[2]"), "Address part"),
        (Field("$.body"), "Text"),
        (Field("$.body[*]"), "Text"),
        (REQUEST_FIELD, "The call itself"),
        # Which part of the appliance is meant, also where the last names are many.
        (Field(f"{CAPABILITY}.contactSensor.contact.value"), "Contact sensor (cooler)"),
        (
            Field(f"{CAPABILITY}.contactSensor.contact.timestamp"),
            "Contact sensor timestamp (cooler)",
        ),
        (Field("$.body.components.main.contactSensor.contact.value"), "Contact sensor"),
        (Field("$.body.components.main"), "Main"),
        # Two that differ are called by two names.
        (Field("$.body.main.powerReport.power.value.energy"), "Power report energy"),
        (Field("$.body.main.powerReport.power.value.powerEnergy"), "Power report power energy"),
        (Field("$.body.main['vendor.fridgeMode'].fridgeModeValue"), "Fridge mode value"),
        (Field("$.body.payload['x.com.vendor.rm.micomdata']"), "Micomdata"),
        # What stands last says something, though it says nothing before other names.
        (Field("$.body.state.status.value_raw"), "Status value raw"),
        (Field("$.body.series[*].state"), "Series state"),
        (Field("$.body.status.light"), "Light"),
    ],
)
def test_name(item: Field, name: str) -> None:
    assert name_of(item) == name


def test_name_is_bounded() -> None:
    name = name_of(Field("$.body." + "verylong" * 40))
    assert len(name) == MAX_NAME
    assert name.endswith("…")
