"""A dashboard with the consent switches, by appliance and recipient, and the readings at home."""

from typing import Any

from .household import CLOUDS, Cloud, Household

URL_PATH = "privacy-demo"
_ICONS = {"fridge": "mdi:fridge-outline", "toothbrush": "mdi:toothbrush-electric"}


async def make(household: Household) -> str:
    """Save the dashboard; return its address."""
    home_assistant = household.home_assistant
    listed = await home_assistant.ask("lovelace/dashboards/list")
    if all(one["url_path"] != URL_PATH for one in listed):
        await home_assistant.ask(
            "lovelace/dashboards/create",
            url_path=URL_PATH,
            title="Who gets what",
            icon="mdi:shield-home-outline",
        )
    sections = [await _section(household, name) for name in household.appliances]
    view = {"title": "Who gets what", "type": "sections", "max_columns": 2, "sections": sections}
    await home_assistant.ask("lovelace/config/save", url_path=URL_PATH, config={"views": [view]})
    return f"{home_assistant.url}/{URL_PATH}"


async def _section(household: Household, name: str) -> dict[str, Any]:
    entities = sorted(
        (one for one in await household.entities(name) if one["state"] is not None),
        key=lambda one: str(one["state"]["attributes"]["friendly_name"]),
    )
    cards: list[dict[str, Any]] = [
        {
            "type": "heading",
            "heading": name.capitalize(),
            "icon": _ICONS[name],
            "tap_action": {
                "action": "navigate",
                "navigation_path": f"/config/devices/device/{await household.device_id(name)}",
            },
        }
    ]
    for cloud in CLOUDS:
        rows = [
            {"entity": one["entity_id"], "name": data_name(one)}
            for one in entities
            if one["translation_key"] == "consent"
            and one["unique_id"].endswith(household.subentry(cloud))
        ]
        if rows:
            cards.append({"type": "markdown", "content": _notice(cloud)})
            # Without the header's toggle, which would turn on all of them.
            cards.append({"type": "entities", "entities": rows, "show_header_toggle": False})
    # What the firewall says of itself has a translated name, a reading the appliance's own.
    for title, translated in (("Seen at home", False), ("What became of it", True)):
        rows = [
            {"entity": one["entity_id"], "name": data_name(one)}
            for one in entities
            if one["translation_key"] != "consent" and bool(one["translation_key"]) is translated
        ]
        cards.append({"type": "entities", "title": title, "entities": rows})
    return {"type": "grid", "cards": cards}


def _notice(cloud: Cloud) -> str:
    """Return what to know before turning a switch on."""
    return (
        f"### To {cloud.organisation} for {cloud.purpose}\n"
        f"**What you get in return:** {cloud.benefit or 'not stated'}\n\n"
        f"**What stops working without it:** {cloud.if_refused or 'not stated'}"
    )


def data_name(entity: dict[str, Any]) -> str:
    """Return an entity's name without its device's and its recipient's."""
    attributes = entity["state"]["attributes"]
    if (recipient := attributes.get("recipient")) is None:
        return str(entity["original_name"] or attributes["friendly_name"])
    name = str(entity["original_name"])
    return name.removesuffix(f" to {recipient} for {attributes['purpose']}")
