"""One repair for all calls that no recipient claims; asked once, gone when settled."""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
import threading
from typing import Any

from homeassistant.components.repairs import DOMAIN as REPAIRS, repairs_flow_manager
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.privacy_firewall import faces as shown_faces, proposals
from custom_components.privacy_firewall.const import DOMAIN
from custom_components.privacy_firewall.engine import Faces, Role, faces
from custom_components.privacy_firewall.engine.catalogue import known
from custom_components.privacy_firewall.engine.events import Unclaimed
from custom_components.privacy_firewall.forms import async_words
from custom_components.privacy_firewall.repairs import async_create_fix_flow
from custom_components.privacy_firewall.unclaimed import (
    ISSUE_UNCLAIMED,
    async_forget_unclaimed,
    async_note_unclaimed,
    async_review_unclaimed,
)
from tests.common import a_entry, appliance
from tests.flows import suggested, unspoken

FIX = "issues", ISSUE_UNCLAIMED, "fix_flow"


@pytest.fixture
def entry(hass: HomeAssistant) -> Iterator[MockConfigEntry]:
    """Two appliances and no recipient, said to be loaded."""
    added = a_entry(
        appliance("Fridge *1*"),
        appliance("Brush", token="t", base_url="http://brush.example:81/v1"),
        port=8080,
    )
    added.add_to_hass(hass)
    hass.config.components.add(DOMAIN)
    added.mock_state(hass, ConfigEntryState.LOADED)
    yield added
    added.mock_state(hass, ConfigEntryState.NOT_LOADED)


def ids(entry: MockConfigEntry) -> list[str]:
    return list(entry.subentries)


def call(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    host: str = "api.vendor.example",
    *,
    by: int = 0,
    method: str = "POST",
    count: int = 1,
) -> None:
    """Let an appliance call what nobody claims."""
    async_note_unclaimed(
        hass,
        entry,
        Unclaimed(appliance_id=ids(entry)[by], host=host, method=method, count=count),
    )


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    """The repair; there is never another."""
    issues = [one for (domain, _), one in ir.async_get(hass).issues.items() if domain == DOMAIN]
    assert len(issues) <= 1
    return issues[0] if issues else None


def number(hass: HomeAssistant) -> str | None:
    """How many calls the repair's title tells of."""
    raised = issue(hass)
    return raised.translation_placeholders["number"] if raised else None


def claim(hass: HomeAssistant, entry: MockConfigEntry, *endpoints: str) -> ConfigSubentry:
    """Add a recipient, as the update listener sees it."""
    subentry = ConfigSubentry(
        data={"endpoints": list(endpoints)},
        subentry_type="recipient",
        title="Vendor (service)",
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(entry, subentry)
    async_review_unclaimed(hass, entry)
    return subentry


async def fix(hass: HomeAssistant) -> Any:
    """Open the repair."""
    assert await async_setup_component(hass, REPAIRS, {})
    manager = repairs_flow_manager(hass)
    assert manager is not None
    result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE_UNCLAIMED})
    assert unspoken(result, *FIX) == []
    return result


async def choose(hass: HomeAssistant, result: Any, **given: Any) -> Any:
    """Go on in the repair."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    result = await manager.async_configure(result["flow_id"], given)
    assert unspoken(result, *FIX) == []
    return result


async def test_calls_share_one_repair(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Which tells how many they are, and is not raised anew for more of the same."""
    assert issue(hass) is None
    call(hass, entry)
    raised = issue(hass)
    assert raised is not None
    assert (raised.is_fixable, raised.is_persistent) == (True, False)
    assert (raised.severity, number(hass)) == (ir.IssueSeverity.WARNING, "1")
    call(hass, entry, count=2)
    assert issue(hass) is raised
    call(hass, entry, method="GET")
    call(hass, entry, by=1)
    call(hass, entry, "ads.vendor.example")
    assert number(hass) == "4"


async def test_list_is_shown(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Appliance, host, method and the count of now; the most frequent first; never more than 20."""
    for count in range(1, 24):
        call(hass, entry, f"h{count}.example", count=count)
    call(hass, entry, "h1.example", by=1, method="GET", count=99)
    result = await fix(hass)
    assert (result["type"], result["step_id"]) == ("menu", "init")
    assert result["menu_options"] == ["add_recipient", "leave_denied"]
    lines = result["description_placeholders"]["unclaimed"].splitlines()
    assert lines[:2] == [
        "- Brush → `h1.example` (GET): 99",
        r"- Fridge \*1\* → `h23.example` (POST): 23",
    ]
    assert (len(lines), lines[-1]) == (21, "- and 4 more")


@pytest.mark.parametrize(
    ("host", "method"),
    [
        ("", "POST"),
        ("`[x](evil)`", "POST"),
        ("a b", "POST"),
        ("<b>", "POST"),
        ("x" * 254, "POST"),
        ("api.vendor.example", "`GET`"),
        ("api.vendor.example", "X" * 17),
    ],
)
async def test_name_that_is_none_is_not_repeated(
    hass: HomeAssistant, entry: MockConfigEntry, host: str, method: str
) -> None:
    call(hass, entry, host, method=method)
    assert issue(hass) is None


@pytest.mark.parametrize(
    ("endpoint", "left"),
    [
        ("POST http://api.vendor.example/v1", "1"),
        ("* http://api.vendor.example/", None),
        ("GET http://api.vendor.example/", "1"),
        ("* https://vendor.example/", "2"),
        ("nonsense", "2"),
    ],
)
async def test_claimed_calls_leave_the_repair(
    hass: HomeAssistant, entry: MockConfigEntry, endpoint: str, left: str | None
) -> None:
    call(hass, entry)
    call(hass, entry, method="GET")
    claim(hass, entry, endpoint)
    assert number(hass) == left


async def test_call_beside_what_was_claimed_comes_back(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Another path of the host: it was taken for claimed, and was not."""
    call(hass, entry)
    claim(hass, entry, "POST http://api.vendor.example/v1")
    assert issue(hass) is None
    entry_before = dict(entry.options)
    hass.config_entries.async_remove_subentry(entry, ids(entry)[-1])
    call(hass, entry, count=2)
    assert number(hass) == "1"
    assert entry.options == entry_before


async def test_appliance_that_is_gone_is_not_asked_about(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    call(hass, entry)
    call(hass, entry, by=1)
    hass.config_entries.async_remove_subentry(entry, ids(entry)[0])
    async_review_unclaimed(hass, entry)
    assert number(hass) == "1"


async def test_left_denied_is_not_asked_again(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Not even after the engine starts anew; what is new is."""
    call(hass, entry)
    call(hass, entry, "ads.vendor.example")
    result = await fix(hass)
    result = await choose(hass, result, next_step_id="leave_denied")
    assert result["type"] == "create_entry"
    assert issue(hass) is None
    assert entry.options["who_may_grant"] == "everyone"
    async_forget_unclaimed(hass, entry)
    call(hass, entry)
    assert issue(hass) is None
    call(hass, entry, "new.vendor.example")
    assert number(hass) == "1"
    result = await fix(hass)
    assert "ads.vendor" not in result["description_placeholders"]["unclaimed"]


async def test_call_since_the_list_was_shown_is_asked_about(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Only what was shown is left denied."""
    call(hass, entry)
    result = await fix(hass)
    call(hass, entry, "new.vendor.example")
    result = await choose(hass, result, next_step_id="leave_denied")
    assert (result["type"], result["step_id"]) == ("menu", "init")
    assert "new.vendor.example" in result["description_placeholders"]["unclaimed"]
    assert number(hass) == "1"
    result = await choose(hass, result, next_step_id="leave_denied")
    assert result["type"] == "create_entry"
    assert issue(hass) is None


async def test_what_was_left_denied_goes_with_its_appliance(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    fridge, brush = ids(entry)
    hass.config_entries.async_update_entry(
        entry, options={"left_denied": ["gone GET a", f"{brush} GET b"]}
    )
    call(hass, entry)
    await choose(hass, await fix(hass), next_step_id="leave_denied")
    assert entry.options["left_denied"] == [
        f"{brush} GET b",
        f"{fridge} POST api.vendor.example",
    ]


async def test_one_call_leads_to_the_recipients_form(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """With the endpoint filled in. The repair stays until the recipient is there."""
    call(hass, entry)
    result = await choose(hass, await fix(hass), next_step_id="add_recipient")
    assert (result["type"], result["reason"]) == ("abort", "add_recipient")
    kind, flow_id = result["next_flow"]
    assert kind == "config_subentries_flow"
    assert number(hass) == "1"
    form = await hass.config_entries.subentries.async_configure(flow_id)
    assert suggested(form) == {"endpoints": ["POST http://api.vendor.example/"]}
    form = await hass.config_entries.subentries.async_configure(
        flow_id,
        {
            "organisation": "Vendor",
            "purpose": "service",
            "endpoints": suggested(form)["endpoints"],
        },
    )
    assert form["type"] == "create_entry"
    async_review_unclaimed(hass, entry)
    assert issue(hass) is None


async def test_several_calls_are_picked_from(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """By the scheme and port that the appliance was told, where that is known."""
    call(hass, entry, "brush.example", by=1, count=3)
    call(hass, entry, "fd00::1", count=2)
    call(hass, entry, "brush.example", count=1)
    result = await choose(hass, await fix(hass), next_step_id="add_recipient")
    assert (result["type"], result["step_id"]) == ("form", "add_recipient")
    (options,) = (kind.config["options"] for kind in result["data_schema"].schema.values())
    lines = [option["value"] for option in options]
    assert lines == [
        "POST http://brush.example:81/",
        "POST http://[fd00::1]/",
        "POST http://brush.example/",
    ]
    result = await choose(hass, result, endpoints=lines[:1])
    form = await hass.config_entries.subentries.async_configure(result["next_flow"][1])
    assert suggested(form) == {"endpoints": lines[:1]}


# --- Names that were only asked for ---


async def test_name_leads_to_the_recipients_form_as_a_name(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Not as an endpoint: that no gate can read it is all that is known."""
    call(hass, entry, "mqtt.vendor.example", method="DNS", count=7)
    result = await fix(hass)
    assert result["description_placeholders"]["unclaimed"] == (
        r"- Fridge \*1\* → `mqtt.vendor.example` (DNS), registered as `vendor.example`: 7"
    )
    result = await choose(hass, result, next_step_id="add_recipient")
    flow_id = result["next_flow"][1]
    form = await hass.config_entries.subentries.async_configure(flow_id)
    assert suggested(form) == {"names": ["mqtt.vendor.example"]}
    form = await hass.config_entries.subentries.async_configure(
        flow_id, {"organisation": "Vendor", "purpose": "service"} | suggested(form)
    )
    assert form["type"] == "create_entry"
    async_review_unclaimed(hass, entry)
    assert issue(hass) is None


async def test_names_and_calls_are_picked_from(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A host that was called too is an endpoint, and no name beside it."""
    call(hass, entry, "api.vendor.example", count=3)
    call(hass, entry, "api.vendor.example", method="DNS", count=2)
    call(hass, entry, "mqtt.vendor.example", method="DNS")
    result = await choose(hass, await fix(hass), next_step_id="add_recipient")
    (options,) = (kind.config["options"] for kind in result["data_schema"].schema.values())
    lines = [option["value"] for option in options]
    assert lines == ["POST http://api.vendor.example/", "mqtt.vendor.example"]
    result = await choose(hass, result, endpoints=lines)
    form = await hass.config_entries.subentries.async_configure(result["next_flow"][1])
    assert suggested(form) == {"endpoints": lines[:1], "names": lines[1:]}


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("eu.telemetry.vendor.co.uk", ", registered as `vendor.co.uk`"),
        ("a.s3.eu-west-1.amazonaws.com", ", on a shared host of Amazon Web Services, so"),
        ("connect.samsungiotcloud.com", ", Samsung (`samsungiotcloud.com`, seat: KR):"),
        ("*.samsungiotcloud.com", ", Samsung (`samsungiotcloud.com`, seat: KR):"),
        ("sonos.com", ", Sonos (`sonos.com`, cloud for its own appliances):"),
        (
            "twdvzuefzh.execute-api.us-east-2.amazonaws.com",
            ", Aladdin Connect, on a shared host of Amazon Web Services:",
        ),
        ("vendor.co.uk", ""),
        ("*.com", ""),
        ("192.0.2.7", ""),
    ],
)
async def test_host_is_shown_with_what_its_name_tells(
    hass: HomeAssistant, entry: MockConfigEntry, host: str, told: str
) -> None:
    call(hass, entry, host, method="GET")
    result = await fix(hass)
    line = result["description_placeholders"]["unclaimed"]
    assert f"`{host}` (GET){told or ':'}" in line


async def test_every_role_has_words(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    words = await async_words(hass)
    assert [role for role in Role if f"role_{role}" not in words] == []


@pytest.mark.parametrize(
    ("hosts", "organisation"),
    [
        (["a.samsungiotcloud.com", "b.samsungcloud.com"], "Samsung"),
        # What nobody knows, and what is rented out, does not speak against it.
        (["a.samsungiotcloud.com", "x.iot.us-east-1.amazonaws.com", "a.example"], "Samsung"),
        (["a.samsungiotcloud.com", "o1.ingest.sentry.io"], None),
        (["x.iot.us-east-1.amazonaws.com"], None),
        (["a.example", "8.8.8.8"], None),
    ],
)
async def test_organisation_is_suggested_where_the_names_tell_one(
    hass: HomeAssistant, entry: MockConfigEntry, hosts: list[str], organisation: str | None
) -> None:
    """For names and endpoints; it stays the household's to say who receives."""
    for number_of, host in enumerate(hosts):
        call(hass, entry, host, method="GET" if number_of else "DNS")
    result = await choose(hass, await fix(hass), next_step_id="add_recipient")
    if len(hosts) > 1:
        (options,) = (kind.config["options"] for kind in result["data_schema"].schema.values())
        result = await choose(hass, result, endpoints=[option["value"] for option in options])
    flow_id = result["next_flow"][1]
    form = await hass.config_entries.subentries.async_configure(flow_id)
    assert form["type"] == "form"
    assert suggested(form).get("organisation") == organisation
    stated = suggested(form) | {"organisation": "Another", "purpose": "service"}
    form = await hass.config_entries.subentries.async_configure(flow_id, stated)
    assert (form["type"], form["title"]) == ("create_entry", "Another (service)")


# --- Recipients that the catalogue knows ---


async def proposal(hass: HomeAssistant) -> tuple[dict[str, Any], str]:
    """What the recipient's form proposes for all calls, its sections in their place; and its id."""
    result = await choose(hass, await fix(hass), next_step_id="add_recipient")
    if result["type"] == "form":
        (options,) = (kind.config["options"] for kind in result["data_schema"].schema.values())
        result = await choose(hass, result, endpoints=[option["value"] for option in options])
    flow_id = result["next_flow"][1]
    form = await hass.config_entries.subentries.async_configure(flow_id)
    assert unspoken(form, "config_subentries", "recipient") == []
    shown = suggested(form)
    for name, kind in form["data_schema"].schema.items():
        if isinstance(kind, section) and (inside := suggested({"data_schema": kind.schema})):
            shown[name.schema] = inside
    return shown, flow_id


async def test_recipient_that_the_catalogue_knows_is_proposed_whole_and_not_added(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """With what its cloud needs; the household confirms it, or changes it."""
    call(hass, entry, "cdnrtpdate.ecowitt.net")
    shown, flow_id = await proposal(hass)
    assert shown == {
        "organisation": "Ecowitt",
        "purpose": "service",
        "endpoints": [
            "POST http://cdnrtpdate.ecowitt.net/data/report",
            "POST http://rtpdate.ecowitt.net/data/report",
        ],
        "advanced": {
            "functional": ["$.body.PASSKEY", "$.body.stationtype", "$.body.dateutc"],
        },
    }
    assert not entry.get_subentries_of_type("recipient")
    form = await hass.config_entries.subentries.async_configure(flow_id, shown)
    assert form["type"] == "create_entry"
    async_review_unclaimed(hass, entry)
    assert issue(hass) is None


async def test_name_of_a_cloud_that_a_gate_can_read_is_proposed_as_its_endpoint(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    call(hass, entry, "rtpdate.ecowitt.net", method="DNS")
    shown, _ = await proposal(hass)
    assert "names" not in shown
    assert "POST http://rtpdate.ecowitt.net/data/report" in shown["endpoints"]


async def test_name_of_a_cloud_that_no_gate_can_read_stays_a_name(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Of its brokers all are proposed; an endpoint by https would lead it to a gate in vain."""
    call(hass, entry, "mqtt-eu-2.meross.com", method="DNS")
    shown, flow_id = await proposal(hass)
    assert shown["names"] == ["mqtt-eu-2.meross.com", "mqtt-us-2.meross.com"]
    assert "endpoints" not in shown
    form = await hass.config_entries.subentries.async_configure(flow_id, shown)
    assert (form["type"], form["title"]) == ("create_entry", "Meross (function)")


async def test_name_of_an_endpoint_by_https_alone_stays_a_name(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """It was only asked for: what goes there is encrypted, and a gate would be led to in vain."""
    call(hass, entry, "api.smartthings.com", method="DNS")
    shown, _ = await proposal(hass)
    assert (shown["organisation"], shown["names"]) == (
        "Samsung SmartThings", ["api.smartthings.com"],
    )  # fmt: skip
    assert "endpoints" not in shown
    assert shown["stated"]["policy"].startswith("https://")


async def test_name_that_is_none_does_not_end_the_repair(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Appliances ask for anything; whoever confirms the form hears what is wrong with it."""
    call(hass, entry, "rtpdate.ecowitt.net", count=3)
    call(hass, entry, "-..rtpdate", method="DNS")
    shown, flow_id = await proposal(hass)
    assert (shown["organisation"], shown["names"]) == ("Ecowitt", ["-..rtpdate"])
    form = await hass.config_entries.subentries.async_configure(flow_id, shown)
    assert form["errors"] == {"names": "invalid_name"}


async def test_call_that_the_known_endpoints_do_not_have_is_proposed_beside_them(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    call(hass, entry, "rtpdate.ecowitt.net", method="GET")
    shown, _ = await proposal(hass)
    assert shown["endpoints"][-1] == "GET http://rtpdate.ecowitt.net/"
    assert len(shown["endpoints"]) == 3


async def test_of_two_that_are_known_neither_is_proposed(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Two organisations, or two purposes of one: that is for the household to tell apart."""
    call(hass, entry, "rtpdate.ecowitt.net")
    call(hass, entry, "hubapi.myacurite.com", method="GET")
    shown, _ = await proposal(hass)
    assert shown.keys() == {"endpoints"}


async def test_purpose_that_nobody_states_is_not_proposed(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Known by name only: whose it is, and nothing of why."""
    call(hass, entry, "app.govee.com", method="DNS")
    shown, _ = await proposal(hass)
    assert shown == {"organisation": "Govee", "names": ["app.govee.com"]}


async def test_vendors_are_read_off_the_event_loop(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, for all repairs and for the engine."""
    read: list[bool] = []
    folder = known.read_folder

    def watched() -> Any:
        read.append(threading.current_thread() is threading.main_thread())
        return folder()

    monkeypatch.setattr(known, "read_folder", watched)
    monkeypatch.setattr(known, "load", cache(known.load.__wrapped__))
    monkeypatch.setattr(proposals, "load_vendors", known.load)
    call(hass, entry, "rtpdate.ecowitt.net")
    await proposal(hass)
    await proposal(hass)
    await hass.config_entries.async_reload(entry.entry_id)
    assert read == [False]


async def test_what_tells_whose_hosts_are_is_read_off_the_event_loop(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all repairs, and for the engine."""
    read: list[bool] = []

    class Watched(Faces):
        def __init__(self) -> None:
            read.append(threading.current_thread() is threading.main_thread())
            super().__init__()

    monkeypatch.setattr(faces, "Faces", Watched)
    monkeypatch.setattr(faces, "load", cache(faces.load.__wrapped__))
    monkeypatch.setattr(shown_faces, "load_faces", faces.load)
    call(hass, entry)
    await fix(hass)
    await fix(hass)
    await hass.config_entries.async_reload(entry.entry_id)
    assert read == [False]


async def test_name_with_labels_like_data_is_shown_and_not_proposed(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """No recipient can have it, for it stands for many; claimed is what may be it."""
    call(hass, entry, "*.vendor.example", method="DNS")
    result = await fix(hass)
    assert "`*.vendor.example` (DNS)" in result["description_placeholders"]["unclaimed"]
    result = await choose(hass, result, next_step_id="add_recipient")
    form = await hass.config_entries.subentries.async_configure(result["next_flow"][1])
    assert suggested(form) == {}
    claim(hass, entry, "https://vendor.example/")
    assert number(hass) == "1"
    claim(hass, entry, "https://a7.vendor.example/")
    assert number(hass) is None


@pytest.mark.parametrize(
    ("claimed", "left"),
    [
        ({"names": ["{eu|us}.vendor.example"]}, None),
        ({"names": ["vendor.example"]}, "1"),
        ({"names": ["eu.vendor.example.net", "{"]}, "1"),
        ({"endpoints": ["POST https://eu.vendor.example/v1"]}, None),
        ({"endpoints": ["POST https://vendor.example/v1"]}, "1"),
    ],
)
async def test_claimed_names_leave_the_repair(
    hass: HomeAssistant, entry: MockConfigEntry, claimed: dict[str, Any], left: str | None
) -> None:
    """By an exact name, or by an endpoint there, whatever its method."""
    call(hass, entry, "eu.vendor.example", method="DNS")
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            data=claimed, subentry_type="recipient", title="Vendor (service)", unique_id=None
        ),
    )
    async_review_unclaimed(hass, entry)
    assert number(hass) == left


@pytest.mark.parametrize("step", ["add_recipient", "leave_denied"])
async def test_entry_that_is_gone_cannot_be_mended(
    hass: HomeAssistant, entry: MockConfigEntry, step: str
) -> None:
    call(hass, entry)
    result = await fix(hass)
    entry.mock_state(hass, ConfigEntryState.NOT_LOADED)
    result = await choose(hass, result, next_step_id=step)
    assert (result["type"], result["reason"]) == ("abort", "not_loaded")
    assert (await fix(hass))["reason"] == "not_loaded"


async def test_repair_that_settled_itself_ends(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    call(hass, entry)
    hass.config_entries.async_remove_subentry(entry, ids(entry)[0])
    assert (await fix(hass))["type"] == "create_entry"
    assert issue(hass) is None


async def test_unknown_repair_is_confirmed(hass: HomeAssistant) -> None:
    """One that an older version raised."""
    flow = await async_create_fix_flow(hass, "another", None)
    assert type(flow).__name__ == "ConfirmRepairFlow"


async def test_repair_over_rest(
    hass: HomeAssistant, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """As the frontend drives it."""
    for needed in (REPAIRS, "network", "websocket_api"):
        assert await async_setup_component(hass, needed, {})
    call(hass, entry)
    client = await hass_client()
    url = "/api/repairs/issues/fix"
    answer = await client.post(url, json={"handler": DOMAIN, "issue_id": ISSUE_UNCLAIMED})
    shown = await answer.json()
    assert (answer.status, shown["step_id"]) == (HTTPStatus.OK, "init")
    answer = await client.post(f"{url}/{shown['flow_id']}", json={"next_step_id": "add_recipient"})
    ended = await answer.json()
    assert (answer.status, ended["type"]) == (HTTPStatus.OK, "abort")
    assert ended["next_flow"][0] == "config_subentries_flow"
