"""What a data point tells about the people at home."""

from points import point
import pytest

from engine import learning
from engine.model import OPAQUE_FIELD, REQUEST_FIELD, Category, Field, Leaf, Number
from engine.topics import TOPICS_OF_GROUPS, TOPICS_OF_PERSONS, Topic, is_of_the_form, topic_of


@pytest.mark.parametrize(
    ("path", "value", "topic"),
    [
        ("$.body.components.cooler.contactSensor.contact.value", "closed", Topic.DOORS),
        ("$.body.state.signalDoor", False, Topic.DOORS),
        ("$.query.tempf", "71.5", Topic.CLIMATE),
        ("$.query.dailyrainin", "0.2", Topic.CLIMATE),
        ("$.body.powerConsumptionReport.powerConsumption.value.power", Number("4"), Topic.ENERGY),
        ("$.body.washerCycle.value", "cotton", Topic.ACTIVITY),
        ("$.body.programPhase", Number("2"), Topic.ACTIVITY),
        ("$.body.robotCleanerMovement.value", "homing", Topic.ACTIVITY),
        ("$.body.powerCool.activated.value", True, Topic.ACTIVITY),
        ("$.body.thermostat.coolingSetpoint.value", Number("4"), Topic.SETTINGS),
        ("$.body.targetTemperature", Number("4"), Topic.SETTINGS),
        ("$.body.waterFilter.waterFilterUsage.value", Number("40"), Topic.UPKEEP),
        ("$.body.battery_percentage", Number("40"), Topic.UPKEEP),
        ("$.body.leak_ch1", Number("0"), Topic.SAFETY),
        ("$.body.mqtt_connected", True, Topic.NETWORK),
        ("$.body.wifi.rssi", Number("-60"), Topic.NETWORK),
        ("$.body.timestamp", "2023-09-02T10:39:45Z", Topic.TIMES),
        ("$.body.driverVersion.versionNumber.value", Number("5"), Topic.TECHNICAL),
        ("$.body.washerCycle.supportedCycles.value[*].cycle", "cotton", Topic.TECHNICAL),
        ("$.header['user-agent']", "Fridge", Topic.TECHNICAL),
        ("$.body.waso", Number("5"), Topic.OTHER),
        # What tells of a person is that, wherever it is said and whatever stands beside it.
        ("$.body.sleep.temperature", Number("36"), Topic.HEALTH),
        ("$.body.series[*].data.lightsleepduration", Number("3600"), Topic.HEALTH),
        ("$.body.hr_average", Number("60"), Topic.HEALTH),
        ("$.body.bathroom.scale.weight", Number("60"), Topic.HEALTH),
        ("$.body.sabbathMode.status.value", "off", Topic.PRESENCE),
        ("$.body.schedules[*].away_temp", Number("16"), Topic.PRESENCE),
        ("$.body.occupancyTemperature", Number("20"), Topic.PRESENCE),
        ("$.body.kidsLock.lockState.value", "locked", Topic.CHILDREN),
        ("$.body.babymonitor.volume", Number("4"), Topic.CHILDREN),
        ("$.body.altitude", Number("34"), Topic.PLACE),
        ("$.body.cameraMode", "on", Topic.MEDIA),
        ("$.body.user.language", "en", Topic.IDENTITY),
        ("$.body.serialNumber", "abc", Topic.IDENTITY),
        ("$.body.anything", "24:C8:6E:06:B1:5C", Topic.IDENTITY),
        ("$.query.PASSKEY", "abc", Topic.IDENTITY),
    ],
)
def test_topic(path: str, value: Leaf, topic: Topic) -> None:
    assert topic_of(point(path, value)) is topic


@pytest.mark.parametrize(
    ("key", "topic"),
    [
        ("Common.Status.DoorState", Topic.DOORS),
        ("Common.Status.PresenceDetected", Topic.PRESENCE),
        ("*", Topic.OTHER),
    ],
)
def test_siblings_tell_too(key: str, topic: Topic) -> None:
    item = Field("$.body.items[*].value", (f"key={key}",))
    assert topic_of(point(item, Number("1"))) is topic


def test_what_is_no_item_among_others() -> None:
    assert topic_of(point(REQUEST_FIELD, None)) is Topic.OTHER
    opaque = learning.opaque("fridge", ("cloud",), 1.0, None)
    assert opaque is not None
    assert opaque.field == OPAQUE_FIELD
    assert topic_of(opaque) is Topic.OTHER


@pytest.mark.parametrize("category", Category)
def test_a_category_that_tells_of_persons_is_never_shared_out(category: Category) -> None:
    """Whatever the path says: `learning` or a catalogue may know better."""
    told = point("$.body.door.temperature", Number("4"), category=category)
    sensitive = {
        Category.IDENTIFIER, Category.CREDENTIAL, Category.MEDIA, Category.HEALTH,
        Category.PRESENCE, Category.LOCATION, Category.CHILDREN,
    }  # fmt: skip
    if category in sensitive:
        assert topic_of(told) in TOPICS_OF_PERSONS
    if category in sensitive | {Category.TIME, Category.REQUEST, Category.OPAQUE}:
        assert topic_of(told) not in TOPICS_OF_GROUPS


def test_times_unknowns_and_persons_have_no_group() -> None:
    assert TOPICS_OF_GROUPS.isdisjoint(TOPICS_OF_PERSONS)
    assert TOPICS_OF_GROUPS.isdisjoint({Topic.TIMES, Topic.TECHNICAL, Topic.OTHER})
    assert len(Topic) == len(TOPICS_OF_GROUPS) + len(TOPICS_OF_PERSONS) + 3


def test_what_there_could_be_is_not_what_is() -> None:
    assert is_of_the_form(point("$.body.sabbathMode.supportedActions.value[*]", "on"))
    assert not is_of_the_form(point("$.body.sabbathMode.status.value", "on"))
