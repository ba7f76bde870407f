"""The rules: who is it, whom does it call, and what may leave."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from engine import policy as rules
from engine.model import (
    DROP,
    RELEASE,
    REQUEST_FIELD,
    Action,
    Appliance,
    Category,
    Consent,
    ConsentState,
    DataPoint,
    Endpoint,
    Field,
    Kind,
    Level,
    Outcome,
    Purpose,
    Reason,
    Recipient,
    Remainder,
    Source,
    data_point_id,
)
from engine.sentences import SENTENCES
from helpers import CLOUD, FRIDGE, HOST

TEMPLATE = f"POST {HOST}/v1"
DOOR, TEMPERATURE, SERIAL = Field("$.body.door"), Field("$.body.temp"), Field("$.body.serial")
TEXT, NUMBER = frozenset({Kind.TEXT}), frozenset({Kind.NUMBER})
ADS = Recipient(id="ads", organisation="Ads", purpose=Purpose.MARKETING, endpoints=CLOUD.endpoints)


def point(item: Field, category: Category = Category.READING, **changes: object) -> DataPoint:
    made = DataPoint(
        id=data_point_id("fridge", TEMPLATE, item),
        appliance_id="fridge",
        template=TEMPLATE,
        field=item,
        name="",
        kinds=TEXT,
        category=category,
        recipients=("cloud",),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def consent(to: str = "cloud", **changes: object) -> Consent:
    made = Consent(
        appliance_id="fridge",
        data_point_id="",
        recipient_id=to,
        state=ConsentState.GIVEN,
        kinds=TEXT,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def policy(
    consents: Iterable[tuple[Consent, DataPoint]] = (),
    *,
    recipients: tuple[Recipient, ...] = (CLOUD,),
    appliance: Appliance = FRIDGE,
) -> rules.Policy:
    """A snapshot of consents given under notices that named what their recipient needs."""
    needs = {one.id: one.functional for one in recipients}
    named = [
        (replace(one, functional=needs.get(one.recipient_id, frozenset())), its)
        for one, its in consents
    ]
    return rules.build(7, (appliance,), recipients, named)


def ask(
    in_force: rules.Policy,
    fields: Mapping[Field, frozenset[Kind]],
    *,
    appliance: Appliance = FRIDGE,
    known: Iterable[DataPoint] = (),
    template: str = TEMPLATE,
    tainted: frozenset[Field] = frozenset(),
) -> rules.Question:
    recipients = tuple(in_force.recipients.values())
    return rules.Question(
        policy=in_force,
        appliance=appliance,
        recipients=recipients,
        endpoint=recipients[0].endpoints[0],
        template=template,
        fields={**fields, REQUEST_FIELD: frozenset({Kind.NULL})},
        known={one.field: one for one in known},
        tainted=tainted,
    )


GIVEN = policy([(consent(), point(DOOR))])


# --- Who is it? ---

HUB = Appliance(id="hub", name="", addresses=frozenset({"192.0.2.9"}), token="t0k3n")
CAM = Appliance(id="cam", name="", macs=frozenset({"m1"}))
MOVED = Appliance(id="moved", name="", addresses=frozenset({"192.0.2.10"}), macs=frozenset({"m2"}))
ROAMING = Appliance(id="roaming", name="", token="r0am")
TWINS = [
    Appliance(id=name, name="", addresses=frozenset({"192.0.2.20"})) for name in ("twin", "other")
]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (Source(address="192.0.2.7"), "fridge"),
        (Source(address="192.0.2.99"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.99", mac="m1"), "cam"),
        (Source(address="192.0.2.99", mac="m9"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.10"), "moved"),
        (Source(address="192.0.2.10", mac="m2"), "moved"),
        (Source(address="192.0.2.10", mac="m9"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.11", mac="m2"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.9", token="t0k3n"), "hub"),
        (Source(address="192.0.2.9"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.7", token="t0k3n"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.7", token="wrong"), Reason.UNKNOWN_APPLIANCE),
        (Source(address="192.0.2.99", token="r0am"), "roaming"),
        (Source(address="192.0.2.20"), Reason.AMBIGUOUS_APPLIANCE),
        (Source(address="192.0.2.7", mac="m1"), Reason.AMBIGUOUS_APPLIANCE),
    ],
)
def test_identified(source: Source, found: str | Reason) -> None:
    known = rules.build(1, (FRIDGE, HUB, CAM, MOVED, ROAMING, *TWINS), (), [])
    result = rules.identify(known, source)
    assert (result.id if isinstance(result, Appliance) else result) == found


def test_an_appliance_without_any_mark_is_never_meant() -> None:
    blank = Appliance(id="blank", name="")
    result = rules.identify(rules.build(1, (blank,), (), []), Source(address="192.0.2.7"))
    assert result is Reason.UNKNOWN_APPLIANCE


# --- Whom does it call? ---


def recipient(name: str, *lines: str) -> Recipient:
    return Recipient(
        id=name,
        organisation=name,
        purpose=Purpose.SERVICE,
        endpoints=tuple(Endpoint.parse(line) for line in lines),
    )


CLAIMING = (
    recipient("all", "http://cloud.example/"),
    recipient("api", "http://cloud.example/api", "POST http://cloud.example/api/only-posts"),
    recipient("telemetry", "http://cloud.example:8080/api/telemetry/"),
    recipient("also", "http://cloud.example/api/telemetry"),
)


@pytest.mark.parametrize(
    ("method", "host", "path", "found"),
    [
        ("GET", "cloud.example", "/", ["all"]),
        ("GET", "cloud.example", "/apix", ["all"]),
        ("GET", "cloud.example", "/api", ["api"]),
        ("GET", "cloud.example", "/api/x", ["api"]),
        ("GET", "cloud.example", "/API/x", ["all"]),
        ("POST", "cloud.example", "/api/telemetry/v2", ["telemetry", "also"]),
        ("POST", "cloud.example", "/api/telemetry", ["telemetry", "also"]),
        ("POST", "cloud.example", "/api/telemetryx", ["api"]),
        ("POST", "cloud.example", "/api/only-posts", ["api"]),
        ("GET", "other.example", "/api", []),
        ("GET", "sub.cloud.example", "/api", []),
        ("GET", "", "/api", []),
    ],
)
def test_claimed(method: str, host: str, path: str, found: list[str]) -> None:
    claiming, endpoint = rules.claimants(policy(recipients=CLAIMING), method, host, path)
    assert [one.id for one in claiming] == found
    assert (endpoint is not None) == bool(found)


# --- What may leave? ---


def decided(question: rules.Question) -> tuple[Outcome, Reason]:
    verdict = rules.decide(question)
    assert verdict.policy_version == 7 or verdict.outcome is Outcome.DENY
    return verdict.outcome, verdict.reason


def test_nothing_consented() -> None:
    assert decided(ask(policy(), {DOOR: TEXT})) == (Outcome.DENY, Reason.NOTHING_CONSENTED)
    assert decided(ask(policy(), {})) == (Outcome.DENY, Reason.NOTHING_CONSENTED)


@pytest.mark.parametrize(
    "state", [state for state in ConsentState if state is not ConsentState.GIVEN]
)
def test_no_state_but_given_counts(state: ConsentState) -> None:
    question = ask(policy([(consent(state=state), point(DOOR))]), {DOOR: TEXT})
    assert decided(question) == (Outcome.DENY, Reason.NOTHING_CONSENTED)


def test_consent_of_what_is_no_longer_known() -> None:
    for stranger in (consent(to="gone"), consent(appliance_id="gone")):
        assert not policy([(stranger, point(DOOR))]).consented


def test_all_consented() -> None:
    assert decided(ask(GIVEN, {DOOR: TEXT})) == (Outcome.PERMIT, Reason.ALL_CONSENTED)


def test_some_withheld() -> None:
    question = ask(GIVEN, {DOOR: TEXT, TEMPERATURE: NUMBER})
    verdict = rules.decide(question)
    assert (verdict.outcome, verdict.reason) == (Outcome.REDACT, Reason.SOME_WITHHELD)
    assert verdict.obligations[DOOR] == RELEASE
    assert verdict.obligations[TEMPERATURE] == DROP


def test_nothing_of_this_message() -> None:
    question = ask(GIVEN, {TEMPERATURE: NUMBER})
    assert decided(question) == (Outcome.DENY, Reason.NOTHING_RELEASED)


def test_another_endpoint_is_another_thing() -> None:
    question = ask(GIVEN, {DOOR: TEXT}, template=f"POST {HOST}/v2")
    assert decided(question) == (Outcome.DENY, Reason.NOTHING_RELEASED)


def test_another_appliance_is_another_thing() -> None:
    other = replace(FRIDGE, id="freezer")
    both = rules.build(7, (FRIDGE, other), (CLOUD,), [(consent(), point(DOOR))])
    question = ask(both, {DOOR: TEXT}, appliance=other)
    assert decided(question) == (Outcome.DENY, Reason.NOTHING_CONSENTED)


def test_another_meaning_is_another_thing() -> None:
    one, four = Field("$.body[*].value", ("type=1",)), Field("$.body[*].value", ("type=4",))
    verdict = rules.decide(ask(policy([(consent(), point(one))]), {one: TEXT, four: TEXT}))
    assert (verdict.obligations[one], verdict.obligations[four]) == (RELEASE, DROP)


def test_the_call_itself() -> None:
    """Consented, it goes with nothing in it; not consented, it does not stand in the way."""
    given = policy([(consent(kinds=frozenset()), point(REQUEST_FIELD))])
    assert decided(ask(given, {DOOR: TEXT})) == (Outcome.REDACT, Reason.SOME_WITHHELD)
    assert decided(ask(given, {})) == (Outcome.PERMIT, Reason.ALL_CONSENTED)
    assert decided(ask(GIVEN, {})) == (Outcome.DENY, Reason.NOTHING_RELEASED)


@pytest.mark.parametrize(
    ("kinds", "action"),
    [
        (TEXT, Action.RELEASE),
        (TEXT | {Kind.NULL}, Action.RELEASE),
        (frozenset({Kind.NULL}), Action.RELEASE),
        (NUMBER, Action.DROP),
        (TEXT | NUMBER, Action.DROP),
        (frozenset({Kind.EMPTY}), Action.DROP),
        (frozenset({Kind.BOOLEAN}), Action.DROP),
    ],
)
def test_what_changes_its_kind_is_withheld(kinds: frozenset[Kind], action: Action) -> None:
    assert rules.obligations(ask(GIVEN, {DOOR: kinds}))[DOOR].action is action


def test_consent_for_what_was_always_null_gives_nothing_else() -> None:
    given = policy([(consent(kinds=frozenset()), point(DOOR))])
    assert rules.obligations(ask(given, {DOOR: frozenset({Kind.NULL})}))[DOOR] == RELEASE
    assert rules.obligations(ask(given, {DOOR: TEXT}))[DOOR] == DROP


def test_all_who_claim_must_be_consented() -> None:
    both = (CLOUD, ADS)
    one = policy([(consent(), point(DOOR))], recipients=both)
    assert decided(ask(one, {DOOR: TEXT})) == (Outcome.DENY, Reason.NOTHING_CONSENTED)
    mixed = policy(
        [(consent(), point(DOOR)), (consent(to="ads"), point(TEMPERATURE))], recipients=both
    )
    question = ask(mixed, {DOOR: TEXT, TEMPERATURE: TEXT})
    assert decided(question) == (Outcome.DENY, Reason.NOTHING_RELEASED)
    all_given = policy(
        [(consent(), point(DOOR)), (consent(to="ads"), point(DOOR))], recipients=both
    )
    assert decided(ask(all_given, {DOOR: TEXT})) == (Outcome.PERMIT, Reason.ALL_CONSENTED)


def test_the_coarser_of_two_counts() -> None:
    given = policy(
        [
            (consent(), point(DOOR)),
            (consent(to="ads", level=Level.COARSE), point(DOOR, Category.TIME, unit="s")),
        ],
        recipients=(CLOUD, ADS),
    )
    duty = rules.obligations(ask(given, {DOOR: TEXT}))[DOOR]
    assert (duty.action, duty.category, duty.unit) == (Action.COARSEN, Category.TIME, "s")


def test_kinds_both_were_asked_about() -> None:
    given = policy(
        [(consent(kinds=TEXT | NUMBER), point(DOOR)), (consent(to="ads"), point(DOOR))],
        recipients=(CLOUD, ADS),
    )
    assert rules.obligations(ask(given, {DOOR: TEXT}))[DOOR] == RELEASE
    assert rules.obligations(ask(given, {DOOR: NUMBER}))[DOOR] == DROP


def test_tainted_is_withheld() -> None:
    question = ask(GIVEN, {DOOR: TEXT}, tainted=frozenset({DOOR}))
    assert decided(question) == (Outcome.DENY, Reason.NOTHING_RELEASED)


# --- Functional identifiers ---

NEEDY = replace(CLOUD, functional=frozenset({"$.body.serial", "$.path[1]"}))


def test_functional_identifier_goes_with_what_is_consented() -> None:
    given = policy([(consent(), point(DOOR))], recipients=(NEEDY,))
    assert decided(ask(given, {DOOR: TEXT, SERIAL: TEXT})) == (
        Outcome.PERMIT,
        Reason.ALL_CONSENTED,
    )


def test_functional_identifier_that_the_notice_did_not_name_stays() -> None:
    snapshot = rules.build(7, (FRIDGE,), (NEEDY,), [(consent(), point(DOOR))])
    assert decided(ask(snapshot, {DOOR: TEXT, SERIAL: TEXT})) == (
        Outcome.REDACT,
        Reason.SOME_WITHHELD,
    )
    # One consent under the new notice speaks for the appliance.
    renewed = consent(functional=NEEDY.functional)
    snapshot = rules.build(
        7, (FRIDGE,), (NEEDY,), [(consent(), point(DOOR)), (renewed, point(TEMPERATURE))]
    )
    assert decided(ask(snapshot, {DOOR: TEXT, SERIAL: TEXT})) == (
        Outcome.PERMIT,
        Reason.ALL_CONSENTED,
    )


def test_consent_is_over_at_its_end() -> None:
    timed = policy([(consent(until=100.0), point(DOOR))])
    question = ask(timed, {DOOR: TEXT})
    before = rules.decide(replace(question, now=99.9))
    assert (before.outcome, before.until) == (Outcome.PERMIT, 100.0)
    assert decided(replace(question, now=100.0)) == (Outcome.DENY, Reason.NOTHING_CONSENTED)


def test_of_two_consents_the_one_that_is_over_stays() -> None:
    timed = policy(
        [(consent(until=100.0), point(DOOR)), (consent(until=200.0), point(TEMPERATURE))]
    )
    question = ask(timed, {DOOR: TEXT, TEMPERATURE: TEXT})
    assert rules.decide(replace(question, now=50.0)).until == 100.0
    later = rules.decide(replace(question, now=150.0))
    assert (later.outcome, later.until) == (Outcome.REDACT, 200.0)
    assert later.obligations[DOOR] == DROP


def test_functional_identifier_stays_when_the_consent_it_came_with_is_over() -> None:
    timed = consent(until=100.0, functional=NEEDY.functional)
    snapshot = rules.build(
        7, (FRIDGE,), (NEEDY,), [(consent(), point(DOOR)), (timed, point(TEMPERATURE))]
    )
    question = ask(snapshot, {DOOR: TEXT, SERIAL: TEXT})
    assert decided(replace(question, now=99.0))[0] is Outcome.PERMIT
    assert decided(replace(question, now=100.0))[0] is Outcome.REDACT


def test_suspended_consents_are_none_and_say_why() -> None:
    suspended = consent(is_suspended=True)
    assert decided(ask(policy([(suspended, point(DOOR))]), {DOOR: TEXT})) == (
        Outcome.DENY,
        Reason.CONSENTS_SUSPENDED,
    )
    beside = policy([(suspended, point(DOOR)), (consent(), point(TEMPERATURE))])
    assert decided(ask(beside, {DOOR: TEXT})) == (Outcome.DENY, Reason.NOTHING_RELEASED)


def test_functional_identifier_never_goes_alone() -> None:
    given = policy([(consent(), point(DOOR))], recipients=(NEEDY,))
    assert decided(ask(given, {SERIAL: TEXT})) == (Outcome.DENY, Reason.NOTHING_RELEASED)
    assert decided(ask(given, {SERIAL: TEXT, TEMPERATURE: TEXT})) == (
        Outcome.DENY,
        Reason.NOTHING_RELEASED,
    )
    nothing = policy(recipients=(NEEDY,))
    assert rules.obligations(ask(nothing, {SERIAL: TEXT}))[SERIAL] == DROP
    assert decided(ask(nothing, {SERIAL: TEXT})) == (Outcome.DENY, Reason.NOTHING_CONSENTED)


def test_functional_identifier_goes_to_nobody_else() -> None:
    given = policy(
        [(consent(), point(DOOR)), (consent(to="ads"), point(DOOR))], recipients=(NEEDY, ADS)
    )
    duties = rules.obligations(ask(given, {DOOR: TEXT, SERIAL: TEXT}))
    assert (duties[DOOR], duties[SERIAL]) == (RELEASE, DROP)


def test_functional_is_no_pattern_for_names_that_are_data() -> None:
    names = Field("$.body.*", ("name",))
    needy = replace(CLOUD, functional=frozenset({"$.body.*"}))
    given = policy([(consent(), point(DOOR))], recipients=(needy,))
    assert rules.obligations(ask(given, {names: TEXT}))[names] == DROP


# --- Segments, signatures, whole or not at all ---

SEGMENT = Field("$.path[1]")


def test_withheld_segment() -> None:
    assert decided(ask(GIVEN, {SEGMENT: TEXT, DOOR: TEXT})) == (
        Outcome.DENY,
        Reason.SEGMENT_WITHHELD,
    )
    coarse = policy([(consent(), point(DOOR)), (consent(level=Level.COARSE), point(SEGMENT))])
    assert decided(ask(coarse, {SEGMENT: TEXT, DOOR: TEXT})) == (
        Outcome.DENY,
        Reason.SEGMENT_WITHHELD,
    )
    needy = policy([(consent(), point(DOOR))], recipients=(NEEDY,))
    assert decided(ask(needy, {SEGMENT: TEXT, DOOR: TEXT})) == (
        Outcome.PERMIT,
        Reason.ALL_CONSENTED,
    )


@pytest.mark.parametrize(
    "path",
    ["$.header['content-md5']", "$.header.digest", "$.body.sign", "$.body.meta.signature",
     "$.query.sha256", "$.body.crc16", "$.body.bodyHmac", "$.header['x-sha1-sum']", "$.body.CRC32"],
)  # fmt: skip
def test_signature_over_what_is_withheld(path: str) -> None:
    signature = Field(path)
    given = policy([(consent(), point(DOOR)), (consent(), point(signature))])
    assert decided(ask(given, {DOOR: TEXT, signature: TEXT, TEMPERATURE: TEXT})) == (
        Outcome.DENY,
        Reason.SIGNED_OVER_WITHHELD,
    )
    assert decided(ask(given, {DOOR: TEXT, signature: TEXT})) == (
        Outcome.PERMIT,
        Reason.ALL_CONSENTED,
    )
    assert decided(ask(GIVEN, {DOOR: TEXT, signature: TEXT})) == (
        Outcome.REDACT,
        Reason.SOME_WITHHELD,
    )


@pytest.mark.parametrize("path", ["$.body.signal", "$.body.design", "$.body.assigned"])
def test_what_only_sounds_like_a_signature(path: str) -> None:
    item = Field(path)
    given = policy([(consent(), point(item))])
    assert decided(ask(given, {item: TEXT, DOOR: TEXT})) == (Outcome.REDACT, Reason.SOME_WITHHELD)


def test_whole_or_not_at_all() -> None:
    strict = replace(FRIDGE, remainder=Remainder.DENY)
    question = ask(GIVEN, {DOOR: TEXT}, appliance=strict)
    assert decided(question)[0] is Outcome.PERMIT
    question = ask(GIVEN, {DOOR: TEXT, SERIAL: TEXT}, appliance=strict)
    assert decided(question) == (Outcome.DENY, Reason.DENY_ALL_MODE)


# --- Neutral values ---


@pytest.mark.parametrize(
    ("item", "category", "action"),
    [
        (TEMPERATURE, Category.READING, Action.NEUTRALISE),
        (TEMPERATURE, Category.SAFETY, Action.DROP),
        (TEMPERATURE, Category.IDENTIFIER, Action.DROP),
        (TEMPERATURE, Category.CREDENTIAL, Action.DROP),
        (TEMPERATURE, Category.LOCATION, Action.DROP),
        (Field("$.body.list[*]"), Category.READING, Action.DROP),
        (Field("$.body.*"), Category.READING, Action.DROP),
        (DOOR, Category.READING, Action.DROP),
    ],
)
def test_neutral(item: Field, category: Category, action: Action) -> None:
    cloud = replace(CLOUD, neutral=frozenset({"$.body.temp", "$.body.list[*]", "$.body.*"}))
    if item is DOOR:
        cloud = replace(CLOUD, neutral=frozenset())
    question = ask(policy(recipients=(cloud,)), {item: TEXT}, known=[point(item, category)])
    assert rules.obligations(question)[item].action is action


def test_neutral_only_where_all_need_it_and_it_is_known() -> None:
    needing = replace(CLOUD, neutral=frozenset({"$.body.temp"}))
    both = ask(policy(recipients=(needing, ADS)), {TEMPERATURE: TEXT}, known=[point(TEMPERATURE)])
    assert rules.obligations(both)[TEMPERATURE] == DROP
    unknown = ask(policy(recipients=(needing,)), {TEMPERATURE: TEXT})
    assert rules.obligations(unknown)[TEMPERATURE] == DROP


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_no_rule_left_is_a_denial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES", rules.RULES[:-1])
    question = ask(GIVEN, {DOOR: TEXT, TEMPERATURE: NUMBER})
    assert decided(question) == (Outcome.DENY, Reason.INTERNAL_ERROR)


def test_a_consent_of_another_recipient_lets_no_identifier_go_alone() -> None:
    """An endpoint may change hands: what its former recipient was given counts no more."""
    serial = Field("$.body.serial")
    needy = replace(CLOUD, functional=frozenset({"$.body.serial"}))
    elsewhere = replace(point(DOOR), template="POST elsewhere.example/")
    in_force = policy(
        [(consent("ads"), point(serial)), (consent("cloud"), elsewhere)], recipients=(needy, ADS)
    )
    alone = replace(ask(in_force, {serial: TEXT}), recipients=(needy,))
    assert rules.decide(alone).reason is Reason.NOTHING_RELEASED
