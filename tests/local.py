"""What would be shown at home of a message: for tests of the tables, without a home."""

from collections.abc import Iterable
from dataclasses import dataclass

from custom_components.privacy_firewall.engine import Beside, Samples
from custom_components.privacy_firewall.engine.learning import has_sensor, reading, unseen
from custom_components.privacy_firewall.engine.model import DataPoint, Leaf, Transmission
from custom_components.privacy_firewall.engine.payload import request as requests
from custom_components.privacy_firewall.engine.redaction.fields import walk
from custom_components.privacy_firewall.engine.redaction.identifiers import looks_like_data
from custom_components.privacy_firewall.local_entities import shape_of
from custom_components.privacy_firewall.local_shapes import Form, Shape, Value

AT = 1_790_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A data point, its newest reading and as what it is shown."""

    point: DataPoint
    value: Value
    shape: Shape

    @property
    def told(self) -> tuple[str | None, ...]:
        """Form, device class, unit and state class."""
        one = self.shape
        if one.form is Form.BINARY:
            return "binary", one.binary_class
        return one.form.value, one.device_class, one.unit, one.state_class


def shown(transmission: Transmission) -> dict[str, Shown]:
    """What is shown of a message where everything in it was chosen, by path."""
    message = requests.read(transmission, looks_like_data)
    found = walk(message.tree)
    points = unseen(
        found,
        {},
        count=0,
        appliance_id="one",
        template=message.template,
        recipients=("cloud",),
        now=AT,
    )
    values: dict[str, list[Leaf]] = {}
    for item in found:
        values.setdefault(str(item.field), []).append(item.value)
    return _shown(points, values)


def _shown(points: Iterable[DataPoint], values: dict[str, list[Leaf]]) -> dict[str, Shown]:
    listed = list(points)
    samples, beside = Samples(), Beside(listed)
    for point in listed:
        samples.note(point, AT, values[str(point.field)])
    told: dict[str, Shown] = {}
    for point in listed:
        if not has_sensor(point, frozenset({point.id})):
            continue
        value = reading(point, values[str(point.field)][-1], AT).value
        unit = beside.unit_of(point)
        newest = samples.newest(unit.id) if unit is not None else None
        shape = shape_of(point, value, unit_beside=newest.value if newest is not None else None)
        told[str(point.field)] = Shown(point=point, value=value, shape=shape)
    return told
