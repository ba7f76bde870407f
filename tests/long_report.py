"""A fridge that reports more than a dozen things, for tests of the switches these share."""

from typing import Any

from tests.common import FRIDGE, FROSTLINE, Home

WORDS = "apples butter cheese dill eggs figs garlic ham ice jam kale leek milk nuts olives".split()


def long_report(**more: Any) -> dict[str, Any]:
    """A report of doors, temperatures, energies, a body and an identity."""
    return {
        "door": {"contact": "closed"},
        "shelves": {word: {"temperature": 4.5} for word in WORDS},
        "meters": {word: {"energy": 12} for word in WORDS[:6]},
        "scale": {word: {"heartRate": 60} for word in WORDS[:3]},
        "serialNumber": "SN-4711-0815-22",
        "timestamp": "2026-11-02T10:39:45Z",
        **more,
    }


def group(home: Home, topic: str, to: str = FROSTLINE, by: str = FRIDGE) -> str:
    """The entity id of a group's switch."""
    return home.entity("switch", topic, home.subentry(to).subentry_id, by=by)


def told(home: Home, entity_id: str, *names: str) -> list[Any]:
    """What a switch says of itself."""
    state = home.hass.states.get(entity_id)
    assert state is not None
    return [state.attributes[name] for name in names]


def members(home: Home, entity_id: str) -> set[str]:
    """The ids of what stands behind a group's switch, as it says itself."""
    [ids] = told(home, entity_id, "data_point_ids")
    return set(ids)


def in_force(home: Home, by: str = FRIDGE) -> set[str]:
    """The ids of the data points of which a consent is in force, with anybody."""
    firewall = home.household.firewall
    appliance_id = home.subentry(by).subentry_id
    return {
        one.data_point_id
        for one in firewall.decided()
        if one.appliance_id == appliance_id and firewall.is_in_force(one)
    }
