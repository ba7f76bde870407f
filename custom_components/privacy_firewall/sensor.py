"""What becomes of appliances' transmissions, as the firewall saw it.

And what they report, of which `local_readings` knows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .engine.events import (
    Decided,
    Discovered,
    Event,
    GateChanged,
    MeasureChanged,
    NamesAsked,
)
from .engine.model import Appliance, DataPoint, Outcome, Protection
from .engine.naming import NameCounts
from .entity import (
    MAX_NAMES,
    FactEntity,
    HubEntity,
    ReportingEntity,
    async_keep_dns_entities,
    async_keep_entities,
    moment,
)
from .exporter_sensor import async_keep_exporters
from .household import Household, PrivacyFirewallConfigEntry
from .local_readings import async_local_sensors
from .need_sensor import need_sensors
from .questions import count_questions

# Nothing is polled and nothing is sent.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class FactSensorEntityDescription[**P](SensorEntityDescription):
    """A fact: how to read it, and which events may change it."""

    value_fn: Callable[P, str | int | datetime | None]
    attributes_fn: Callable[P, dict[str, Any]] | None = None
    last_reset_fn: Callable[P, datetime] | None = None
    changed_by: tuple[type[Event], ...] = (Decided,)


type ApplianceFact = FactSensorEntityDescription[Household, str]
type HubFact = FactSensorEntityDescription[Household]


def _held_back(household: Household, appliance_id: str) -> list[DataPoint]:
    """Return the data points without a switch. They are held back like all others."""
    shown = {point.id for point in household.firewall.switched(appliance_id)}
    return [one for one in household.firewall.data_points(appliance_id) if one.id not in shown]


def _identity(appliance: Appliance) -> dict[str, Any]:
    """Return by what an appliance is recognised, and whether others at home can pass for it."""
    marks = {"token": appliance.token, "mac": appliance.macs, "address": appliance.addresses}
    return {
        "recognised_by": [mark for mark, known in marks.items() if known],
        "spoofable": appliance.token is None,
    }


SENSORS: tuple[ApplianceFact, ...] = (
    FactSensorEntityDescription(
        key="protection",
        translation_key="protection",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[protection.value for protection in Protection],
        value_fn=lambda household, one: household.firewall.status(one).protection.value,
        attributes_fn=lambda household, one: {
            "last_seen": moment(household.firewall.status(one).last_seen),
            **_identity(household.firewall.appliances[one]),
        },
        changed_by=(Decided, GateChanged, MeasureChanged, NamesAsked),
    ),
    FactSensorEntityDescription(
        key="permitted",
        translation_key="permitted",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: household.firewall.status(one).permitted,
    ),
    FactSensorEntityDescription(
        key="redacted",
        translation_key="redacted",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: household.firewall.status(one).redacted,
    ),
    FactSensorEntityDescription(
        key="denied",
        translation_key="denied",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: household.firewall.status(one).denied,
    ),
    FactSensorEntityDescription(
        key="last_disclosure",
        translation_key="last_disclosure",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household, one: moment(household.firewall.status(one).last_disclosure),
    ),
    FactSensorEntityDescription(
        key="held_back",
        translation_key="held_back",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household, one: len(_held_back(household, one)),
        attributes_fn=lambda household, one: {
            "data_points": [point.name for point in _held_back(household, one)[:MAX_NAMES]]
        },
        changed_by=(Discovered,),
    ),
    FactSensorEntityDescription(
        key="let_through_until",
        translation_key="let_through_until",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household, one: moment(household.firewall.let_through_until(one)),
        changed_by=(),
    ),
    FactSensorEntityDescription(
        key="next_grant_ends",
        translation_key="next_grant_ends",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household, one: moment(household.observed.next_end(one)),
        changed_by=(),
    ),
)


def _names(household: Household, appliance_id: str) -> NameCounts:
    return household.dns.status.appliances.get(appliance_id, NameCounts())


NAME_SENSORS: tuple[ApplianceFact, ...] = (
    FactSensorEntityDescription(
        key="names_asked",
        translation_key="names_asked",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: _names(household, one).asked,
        attributes_fn=lambda household, one: {
            "forwarded": _names(household, one).forwarded,
            "steered": _names(household, one).steered,
            "refused": _names(household, one).refused,
            "last_asked": moment(_names(household, one).last_asked),
        },
        changed_by=(NamesAsked,),
    ),
    FactSensorEntityDescription(
        key="names_refused",
        translation_key="names_refused",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: _names(household, one).refused,
        changed_by=(NamesAsked,),
    ),
)
"""While the household wants the DNS gate: counts since the start."""


def _questions(household: Household) -> int:
    """Return how many decisions the household has not made yet."""
    firewall = household.firewall
    points = [point for one in firewall.appliances for point in firewall.switched(one)]
    return count_questions(firewall, firewall.consents.open_questions(points))


def _today(outcome: Outcome) -> Callable[[Household], int]:
    return lambda household: household.observed.today(outcome)


HUB_SENSORS: tuple[HubFact, ...] = (
    *(
        FactSensorEntityDescription(
            key=f"{key}_today",
            translation_key=f"{key}_today",
            entity_category=EntityCategory.DIAGNOSTIC,
            state_class=SensorStateClass.TOTAL,
            value_fn=_today(outcome),
            last_reset_fn=lambda household: household.observed.since,
        )
        for key, outcome in (
            ("permitted", Outcome.PERMIT),
            ("redacted", Outcome.REDACT),
            ("denied", Outcome.DENY),
        )
    ),
    FactSensorEntityDescription(
        key="shared_today",
        translation_key="shared_today",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL,
        value_fn=lambda household: len(household.observed.shared_today()),
        last_reset_fn=lambda household: household.observed.since,
    ),
    FactSensorEntityDescription(
        key="consents_waiting",
        translation_key="consents_waiting",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_questions,
        changed_by=(),
    ),
    FactSensorEntityDescription(
        key="next_grant_ends",
        translation_key="next_grant_ends",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household: moment(household.observed.next_end()),
        changed_by=(),
    ),
    FactSensorEntityDescription(
        key="last_self_test",
        translation_key="last_self_test",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household: (
            moment(household.observed.self_test.at) if household.observed.self_test else None
        ),
        changed_by=(),
    ),
)


HUB_NAME_SENSORS: tuple[HubFact, ...] = tuple(
    FactSensorEntityDescription(
        key=key,
        translation_key=key,
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL,
        value_fn=value_fn,
        last_reset_fn=lambda household: household.observed.names_since,
        changed_by=(NamesAsked,),
    )
    for key, value_fn in (
        ("names_asked_today", lambda household: household.observed.names_today().asked),
        ("names_refused_today", lambda household: household.observed.names_today().refused),
    )
)
"""While the household wants the DNS gate."""


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the firewall's own sensors, those of every appliance and of its promoted data points."""
    async_add_entities([HubSensor(entry.runtime_data, description) for description in HUB_SENSORS])
    async_keep_dns_entities(
        entry,
        async_add_entities,
        lambda household: [HubSensor(household, one) for one in HUB_NAME_SENSORS],
    )
    async_keep_entities(entry, async_add_entities, _wanted)
    async_keep_exporters(entry, async_add_entities)


def _wanted(household: Household, appliance_id: str) -> Iterator[ReportingEntity]:
    for description in SENSORS:
        yield ApplianceSensor(household, appliance_id, description)
    yield from async_local_sensors(household, appliance_id)
    if household.dns.is_wanted:
        for description in NAME_SENSORS:
            yield NameSensor(household, appliance_id, description)
    yield from need_sensors(household, appliance_id)


class FactSensor[**P](FactEntity, SensorEntity):
    """A fact, as observed."""

    entity_description: FactSensorEntityDescription[P]
    _unrecorded_attributes = frozenset(
        {"data_points", "last_seen", "forwarded", "steered", "refused", "last_asked"}
    )

    def _describe(
        self, description: FactSensorEntityDescription[P], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Show what a description reads, of these."""
        self.entity_description = description
        self._watch(description.changed_by)
        self._args, self._kwargs = args, kwargs

    @override
    def _read(self) -> object:
        description = self.entity_description
        self._attr_native_value = description.value_fn(*self._args, **self._kwargs)
        attributes: dict[str, Any] | None = None
        if description.attributes_fn is not None:
            attributes = description.attributes_fn(*self._args, **self._kwargs)
            self._attr_extra_state_attributes = attributes
        if description.last_reset_fn is not None:
            self._attr_last_reset = description.last_reset_fn(*self._args, **self._kwargs)
        return self._attr_native_value, attributes, getattr(self, "_attr_last_reset", None)


class ApplianceSensor(FactSensor[Household, str], ReportingEntity):
    """A fact about an appliance."""

    def __init__(self, household: Household, appliance_id: str, description: ApplianceFact) -> None:
        """Show what a description reads."""
        super().__init__(household, appliance_id, description.key)
        self._describe(description, household, appliance_id)


class NameSensor(ApplianceSensor):
    """A fact about what an appliance asked at the DNS gate."""

    def __init__(self, household: Household, appliance_id: str, description: ApplianceFact) -> None:
        """Show what a description reads, until the DNS gate is turned off."""
        super().__init__(household, appliance_id, description)
        self._epoch = household.dns.epoch

    @property
    @override
    def described(self) -> tuple[object, ...]:
        """Turned off, it was removed; turned on again, it is another one."""
        return (self._epoch,)


class HubSensor(FactSensor[Household], HubEntity):
    """A fact about the firewall itself, or the home as a whole."""

    def __init__(self, household: Household, description: HubFact) -> None:
        """Show what a description reads."""
        super().__init__(household, description.key)
        self._describe(description, household)
