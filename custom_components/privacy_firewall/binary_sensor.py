"""What was observed, as yes or no: of every appliance, and of the firewall itself.

And what appliances report as such, of which `local_readings` knows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .dns_gate import CONTACT_KEY
from .engine import Faces
from .engine.events import (
    Decided,
    Event,
    GateChanged,
    MeasureChanged,
    NamesAsked,
    ResolversChanged,
    StorageChanged,
)
from .engine.model import Protection, Recipient
from .entity import (
    MAX_NAMES,
    FactEntity,
    HubEntity,
    RecipientEntity,
    ReportingEntity,
    async_keep_dns_entities,
    async_keep_entities,
    moment,
)
from .faces import as_attributes, async_faces
from .household import Household, PrivacyFirewallConfigEntry
from .local_readings import async_local_binary_sensors

# Nothing is polled and nothing is sent.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class FactBinarySensorEntityDescription[**P](BinarySensorEntityDescription):
    """A fact: how to read it, and which events may change it."""

    is_on_fn: Callable[P, bool | None]
    attributes_fn: Callable[P, dict[str, Any]] | None = None
    changed_by: tuple[type[Event], ...]


type ApplianceFact = FactBinarySensorEntityDescription[Household, str]
type HubFact = FactBinarySensorEntityDescription[Household]


BINARY_SENSORS: tuple[ApplianceFact, ...] = (
    FactBinarySensorEntityDescription(
        key="sharing",
        translation_key="sharing",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household, one: household.observed.is_sharing(one),
        attributes_fn=lambda household, one: {
            "recipients": household.observed.shared_with(one),
            "data_points": household.observed.shared_of(one)[:MAX_NAMES],
        },
        changed_by=(Decided,),
    ),
    FactBinarySensorEntityDescription(
        key="protected",
        translation_key="protected",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household, one: (
            household.firewall.status(one).protection is Protection.PROTECTED
        ),
        changed_by=(Decided, GateChanged, MeasureChanged, NamesAsked),
    ),
    # Not `let_through`: by that key the buttons are told apart that do it.
    FactBinarySensorEntityDescription(
        key="monitored",
        translation_key="monitored",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household, one: household.firewall.let_through_until(one) is not None,
        attributes_fn=lambda household, one: {
            "until": moment(household.firewall.let_through_until(one))
        },
        changed_by=(),
    ),
)
HUB_BINARY_SENSORS: tuple[HubFact, ...] = (
    FactBinarySensorEntityDescription(
        key="gate",
        translation_key="gate",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household: household.firewall.gate_is_open,
        changed_by=(GateChanged,),
    ),
    FactBinarySensorEntityDescription(
        key="storage",
        translation_key="storage",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household: not household.firewall.storage_works,
        changed_by=(StorageChanged,),
    ),
    FactBinarySensorEntityDescription(
        key="restored",
        translation_key="restored",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household: household.firewall.consents.is_restored,
        attributes_fn=lambda household: {"waiting": len(household.firewall.consents.restored())},
        changed_by=(),
    ),
    FactBinarySensorEntityDescription(
        key="self_test",
        translation_key="self_test",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda household: (
            not household.observed.self_test.passed if household.observed.self_test else None
        ),
        attributes_fn=lambda household: household.observed.self_test_result(),
        changed_by=(),
    ),
)


def _of_resolvers(silence: ResolversChanged | None) -> dict[str, Any]:
    """Return whether the gate hears of nobody whom it asks, and since when."""
    return {
        "no_resolver_answers": silence is not None,
        "silent_since": moment(silence.since) if silence else None,
        "last_answer": moment(silence.last_answer) if silence else None,
    }


DNS_GATE = FactBinarySensorEntityDescription[Household](
    key="dns_gate",
    translation_key="dns_gate",
    entity_category=EntityCategory.DIAGNOSTIC,
    is_on_fn=lambda household: household.firewall.names.is_open,
    attributes_fn=lambda household: _of_resolvers(household.firewall.names.silence),
    changed_by=(GateChanged, ResolversChanged),
)
"""While the household wants the DNS gate."""


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the firewall's own binary sensors, and those of every appliance."""
    faces = await async_faces(hass)
    async_add_entities([HubBinarySensor(entry.runtime_data, one) for one in HUB_BINARY_SENSORS])
    async_keep_dns_entities(
        entry, async_add_entities, lambda household: [HubBinarySensor(household, DNS_GATE)]
    )

    def wanted(household: Household, appliance_id: str) -> Iterator[ReportingEntity]:
        return _wanted(household, appliance_id, faces)

    async_keep_entities(entry, async_add_entities, wanted)


def _wanted(household: Household, appliance_id: str, faces: Faces) -> Iterator[ReportingEntity]:
    for description in BINARY_SENSORS:
        yield ApplianceBinarySensor(household, appliance_id, description)
    if (shown := household.dns.shown_of(appliance_id)) is not None:
        recipients = household.firewall.recipients
        for recipient_id in shown[1] & recipients.keys():
            yield ContactBinarySensor(household, appliance_id, recipients[recipient_id], faces)
    yield from async_local_binary_sensors(household, appliance_id)


class FactBinarySensor[**P](FactEntity, BinarySensorEntity):
    """A fact, as observed."""

    entity_description: FactBinarySensorEntityDescription[P]
    _unrecorded_attributes = frozenset(
        {
            "recipients",
            "data_points",
            "came_out",
            "failed",
            "last_contact",
            "domains",
            "shared_host_of",
            "organisation_by_name",
            "organisation_differs",
        }
    )

    def _describe(
        self, description: FactBinarySensorEntityDescription[P], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Show what a description reads, of these."""
        self.entity_description = description
        self._watch(description.changed_by)
        self._args, self._kwargs = args, kwargs

    @override
    def _read(self) -> object:
        description = self.entity_description
        self._attr_is_on = description.is_on_fn(*self._args, **self._kwargs)
        attributes: dict[str, Any] | None = None
        if description.attributes_fn is not None:
            attributes = description.attributes_fn(*self._args, **self._kwargs)
            self._attr_extra_state_attributes = attributes
        return self._attr_is_on, attributes


class ApplianceBinarySensor(FactBinarySensor[Household, str], ReportingEntity):
    """A fact about an appliance."""

    def __init__(self, household: Household, appliance_id: str, description: ApplianceFact) -> None:
        """Show what a description reads."""
        super().__init__(household, appliance_id, description.key)
        self._describe(description, household, appliance_id)


class ContactBinarySensor(ApplianceBinarySensor, RecipientEntity):
    """Whether an appliance was led to a recipient of late: to a gate, or to its cloud."""

    def __init__(
        self, household: Household, appliance_id: str, recipient: Recipient, faces: Faces
    ) -> None:
        """Stand for an appliance and a recipient that met."""
        super().__init__(
            household,
            appliance_id,
            FactBinarySensorEntityDescription[Household, str](
                key=f"{CONTACT_KEY}_{recipient.id}",
                translation_key=CONTACT_KEY,
                entity_category=EntityCategory.DIAGNOSTIC,
                is_on_fn=lambda household, one: household.dns.is_in_contact(one, recipient.id),
                attributes_fn=lambda household, one: {
                    "last_contact": moment(household.dns.last_contact(one, recipient.id)),
                    **self._told(),
                },
                changed_by=(NamesAsked,),
            ),
        )
        self._faces = faces
        # The DNS gate turned off and on again, it is another one.
        self._name_by(recipient, household.dns.epoch)

    def _told(self) -> Mapping[str, Any]:
        """Return what the names of its hosts tell; looked up again when these change."""
        recipient = self._household.firewall.recipients.get(self._recipient_id)
        if recipient is not None and recipient != self._told_of:
            self._told_of, self._found = recipient, as_attributes(self._faces, recipient)
        return self._found

    _told_of: Recipient | None = None
    _found: Mapping[str, Any] = MappingProxyType({})


class HubBinarySensor(FactBinarySensor[Household], HubEntity):
    """A fact about the firewall itself."""

    def __init__(self, household: Household, description: HubFact) -> None:
        """Show what a description reads."""
        super().__init__(household, description.key)
        self._describe(description, household)
