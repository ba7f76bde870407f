"""Which questions are refused, led to a gate, or asked: for appliances by default none."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from math import inf
from typing import Any

from hypothesis import given, strategies as st
import pytest

from engine import name_rules, policy as rules
from engine.learning import opaque
from engine.lists import BlockList
from engine.model import (
    Appliance,
    Consent,
    ConsentState,
    DataPoint,
    Endpoint,
    Purpose,
    Reason,
    Recipient,
    Source,
)
from engine.naming import Course, Infrastructure, Lookup, LookupVerdict, Naming, Refusal

NOW = 1_000.0
A, NS, SOA, TXT, AAAA, DS, HTTPS, ANY, NULL = 1, 2, 6, 16, 28, 43, 65, 255, 10
READABLE, OPAQUE, BOTH, SHARED = "api.frost.example", "mqtt.frost.example", "b.example", "s.example"
FRIDGE = Appliance(
    id="fridge",
    name="Fridge",
    addresses=frozenset({"192.168.1.7"}),
    macs=frozenset({"02:00:00:00:00:07"}),
)
BRUSH = Appliance(id="brush", name="Brush", macs=frozenset({"02:00:00:00:00:08"}))
FROST = Recipient(
    id="frost",
    organisation="Frost",
    purpose=Purpose.SERVICE,
    endpoints=(Endpoint(host=READABLE), Endpoint(host=BOTH)),
    names=frozenset({OPAQUE, SHARED}),
)
ADS = Recipient(
    id="ads",
    organisation="Ads",
    purpose=Purpose.MARKETING,
    endpoints=(),
    names=frozenset({BOTH, SHARED}),
)
KNOWN = {
    "pool.ntp.org": Infrastructure.TIME,
    "captive.apple.com": Infrastructure.CONNECTIVITY,
    "ota.tasmota.com": Infrastructure.FIRMWARE,
}
STEERING = Naming(steer_to=("192.168.1.2",))


def consent(appliance: Appliance, recipient: Recipient, **more: Any) -> tuple[Consent, DataPoint]:
    """The consent for what cannot be read."""
    point = opaque(appliance.id, (recipient.id,), 0.0, None)
    assert point is not None
    given = Consent(
        appliance_id=appliance.id,
        data_point_id=point.id,
        recipient_id=recipient.id,
        state=ConsentState.GIVEN,
        functional=recipient.names,
    )
    return replace(given, **more), point


def house(*consents: tuple[Consent, DataPoint], **more: Any) -> rules.Policy:
    return rules.build(7, (FRIDGE, BRUSH), (FROST, ADS), [*consents], **more)


def ask(
    name: str,
    kind: int = A,
    *consents: tuple[Consent, DataPoint],
    policy: rules.Policy | None = None,
    naming: Naming = STEERING,
    source: Source | None = None,
    now: float = NOW,
) -> LookupVerdict:
    """What becomes of a question of the fridge's."""
    asked = Lookup(
        source=source or Source(address="192.168.1.7", mac="02:00:00:00:00:07"),
        name=name,
        type=kind,
    )
    return name_rules.decide(policy or house(*consents), naming, KNOWN, asked, now)


def said(verdict: LookupVerdict) -> tuple[Course, Reason]:
    return verdict.course, verdict.reason


REFUSE, STEER, FORWARD = Course.REFUSE, Course.STEER, Course.FORWARD


# --- An appliance ---


@pytest.mark.parametrize(
    ("name", "kind", "course", "reason"),
    [
        ("nobody.example", A, REFUSE, Reason.UNCLAIMED_NAME),
        (READABLE, A, STEER, Reason.STEERED),
        (READABLE, AAAA, STEER, Reason.STEERED),
        (READABLE, HTTPS, STEER, Reason.STEERED),
        (OPAQUE, A, REFUSE, Reason.OPAQUE_NOT_CONSENTED),
        (f"made-up.{OPAQUE}", A, REFUSE, Reason.UNCLAIMED_NAME),
        (f"made-up.{READABLE}", A, REFUSE, Reason.UNCLAIMED_NAME),
        ("frost.example", A, REFUSE, Reason.UNCLAIMED_NAME),
        ("pool.ntp.org", A, REFUSE, Reason.INFRASTRUCTURE_REFUSED),
        ("made-up.pool.ntp.org", A, REFUSE, Reason.UNCLAIMED_NAME),
        ("printer.lan", A, REFUSE, Reason.LOCAL_NAME),
        ("printer", A, REFUSE, Reason.LOCAL_NAME),
        ("1.1.168.192.in-addr.arpa", 12, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("8.8.8.8.in-addr.arpa", TXT, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("_dns.resolver.arpa", 64, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("use-application-dns.net", A, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        (OPAQUE, NULL, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        (READABLE, ANY, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("", NS, REFUSE, Reason.UNCLAIMED_NAME),
    ],
)
def test_by_default_nothing_is_asked_for_an_appliance(
    name: str, kind: int, course: Course, reason: Reason
) -> None:
    assert said(ask(name, kind)) == (course, reason)


def test_before_decisions_are_loaded_nothing_is_asked() -> None:
    asked = Lookup(source=Source(address="192.168.1.99"), name="a.example", type=A)
    verdict = name_rules.decide(None, STEERING, KNOWN, asked, NOW)
    assert said(verdict) == (REFUSE, Reason.POLICY_NOT_LOADED)


def test_opaque_traffic_is_asked_for_under_its_own_consent() -> None:
    given = consent(FRIDGE, FROST)
    verdict = ask(OPAQUE, A, given)
    assert said(verdict) == (FORWARD, Reason.OPAQUE_CONSENTED)
    assert (verdict.appliances, verdict.recipients, verdict.until) == ((FRIDGE,), (FROST,), inf)
    # And for no other recipient, appliance, or name of that recipient.
    assert said(ask(SHARED, A, given)) == (REFUSE, Reason.OPAQUE_NOT_CONSENTED)
    assert ask("nobody.example", A, given).course is REFUSE
    brush = Source(address="192.168.1.99", mac="02:00:00:00:00:08")
    assert ask(OPAQUE, A, given, source=brush).course is REFUSE


def test_of_two_recipients_at_a_name_both_have_to_be_consented() -> None:
    both = consent(FRIDGE, FROST, until=5_000.0), consent(FRIDGE, ADS, until=4_000.0)
    verdict = ask(SHARED, A, *both)
    assert said(verdict) == (FORWARD, Reason.OPAQUE_CONSENTED)
    assert verdict.until == 4_000.0


def test_a_name_that_can_be_read_is_never_asked_for() -> None:
    """One recipient's opaque consent opens no way around the gate that reads another's."""
    both = consent(FRIDGE, FROST), consent(FRIDGE, ADS)
    assert said(ask(BOTH, A, *both)) == (STEER, Reason.STEERED)
    assert said(ask(READABLE, A, *both)) == (STEER, Reason.STEERED)


def test_where_no_gate_reads_a_name_leads_nowhere() -> None:
    verdict = ask(READABLE, A, consent(FRIDGE, FROST), naming=Naming())
    assert said(verdict) == (REFUSE, Reason.NO_GATE_READS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"until": NOW}, Reason.OPAQUE_NOT_CONSENTED),
        ({"state": ConsentState.WITHDRAWN}, Reason.OPAQUE_NOT_CONSENTED),
        ({"is_suspended": True}, Reason.CONSENTS_SUSPENDED),
    ],
)
def test_a_consent_that_is_not_in_force_opens_nothing(
    change: dict[str, Any], reason: Reason
) -> None:
    assert said(ask(OPAQUE, A, consent(FRIDGE, FROST, **change))) == (REFUSE, reason)


def test_a_lockdown_is_stronger() -> None:
    policy = house(consent(FRIDGE, FROST), lockdown=True, let_through={"fridge": inf})
    for name in (OPAQUE, READABLE, "pool.ntp.org"):
        chosen = replace(STEERING, infrastructure=frozenset(Infrastructure))
        assert said(ask(name, policy=policy, naming=chosen)) == (REFUSE, Reason.LOCKDOWN)


def test_what_is_let_through_asks_whatever_it_likes_until_it_is_over() -> None:
    policy = house(let_through={"fridge": NOW + 60})
    for name in ("nobody.example", READABLE, OPAQUE):
        verdict = ask(name, policy=policy)
        assert said(verdict) == (FORWARD, Reason.LET_THROUGH)
        assert verdict.until == NOW + 60
    assert ask("nobody.example", policy=policy, now=NOW + 60).course is REFUSE
    # But it is not shown the way around.
    assert ask("_dns.resolver.arpa", 64, policy=policy).course is REFUSE
    brush = Source(address="192.168.1.99", mac="02:00:00:00:00:08")
    assert ask("nobody.example", policy=policy, source=brush).course is REFUSE


@pytest.mark.parametrize(("name", "kind"), KNOWN.items())
def test_infrastructure_goes_as_the_household_chose(name: str, kind: Infrastructure) -> None:
    for chosen in Infrastructure:
        naming = replace(STEERING, infrastructure=frozenset({chosen}))
        course = FORWARD if chosen is kind else REFUSE
        assert ask(name, naming=naming).course is course


def test_names_that_the_household_allows_are_asked_for_themselves_alone() -> None:
    naming = replace(STEERING, allowed=frozenset({"weather.example", "broker.lan"}))
    assert said(ask("weather.example", naming=naming)) == (FORWARD, Reason.INFRASTRUCTURE)
    assert ask("a.weather.example", naming=naming).course is REFUSE
    # One of the home's own only where the resolver is at home.
    assert said(ask("broker.lan", naming=naming)) == (REFUSE, Reason.LOCAL_NAME)
    at_home = replace(naming, has_resolver_at_home=True)
    assert said(ask("broker.lan", naming=at_home)) == (FORWARD, Reason.LOCAL_NAME)
    assert said(ask("other.lan", naming=at_home)) == (REFUSE, Reason.LOCAL_NAME)


# --- Who it is ---


@pytest.mark.parametrize(
    ("source", "who", "may_be_none"),
    [
        (Source(address="192.168.1.7", mac="02:00:00:00:00:07"), ["fridge"], False),
        (Source(address="192.168.1.7"), ["fridge"], False),
        (Source(address="192.168.1.99", mac="02:00:00:00:00:07"), ["fridge"], False),
        (Source(address="192.168.1.7", mac="02:00:00:00:00:99"), ["fridge"], True),
        (Source(address="192.168.1.7", mac="02:00:00:00:00:08"), ["brush", "fridge"], False),
        (Source(address="192.168.1.99", mac="02:00:00:00:00:99"), [], True),
        (Source(address="192.168.1.99"), ["fridge", "brush"], True),
        (Source(address="192.168.1.99", mac=""), [], True),
    ],
    ids=[
        "both", "its address", "another address", "another's MAC", "two of them", "neither",
        "nothing known", "this machine",
    ],
)  # fmt: skip
def test_who_it_may_be(source: Source, who: list[str], may_be_none: bool) -> None:
    asked = Lookup(source=source, name="a.example", type=A)
    found, stranger, _ = name_rules.clients_of(house(), asked)
    assert ([one.id for one in found], stranger) == (who, may_be_none)


def test_who_is_known_by_an_address_is_known_over_its_other_addresses() -> None:
    """It was stated by IPv4, asks over IPv6, and its MAC is behind both."""
    fridge = replace(FRIDGE, macs=frozenset())
    policy = rules.build(7, (fridge,), (FROST,), [])
    asking = Source(address="fe80::7", mac="02:00:00:00:00:07", others=("192.168.1.7",))
    verdict = ask("serial-4711.example", source=asking, policy=policy)
    assert (verdict.course, verdict.appliances) == (REFUSE, (fridge,))
    assert ask("a.example", source=replace(asking, others=()), policy=policy).course is FORWARD


def test_of_all_that_it_may_be_the_strictest_counts() -> None:
    """The fridge's address with the brush's MAC: what one of them may not, is refused."""
    either = Source(address="192.168.1.7", mac="02:00:00:00:00:08")
    fridge, brush = consent(FRIDGE, FROST, until=3_000.0), consent(BRUSH, FROST, until=2_000.0)
    assert ask(OPAQUE, A, fridge, source=either).course is REFUSE
    assert ask(OPAQUE, A, brush, source=either).course is REFUSE
    verdict = ask(OPAQUE, A, fridge, brush, source=either)
    assert (verdict.course, verdict.until) == (FORWARD, 2_000.0)
    assert {one.id for one in verdict.appliances} == {"fridge", "brush"}


def test_a_stranger_at_an_appliances_address_is_held_as_that() -> None:
    swapped = Source(address="192.168.1.7", mac="02:00:00:00:00:99")
    assert ask("nobody.example", source=swapped).course is REFUSE
    given = consent(FRIDGE, FROST)
    assert ask(OPAQUE, A, given, source=swapped).course is FORWARD
    closed = replace(STEERING, refuses_unknown=True)
    assert ask(OPAQUE, A, given, source=swapped, naming=closed).course is REFUSE


# --- Whoever is no appliance ---

PHONE = Source(address="192.168.1.99", mac="02:00:00:00:00:99")


@pytest.mark.parametrize(
    ("name", "kind", "course", "reason"),
    [
        ("anything.example", A, FORWARD, Reason.UNKNOWN_CLIENT),
        (READABLE, A, FORWARD, Reason.UNKNOWN_CLIENT),
        ("anything.example", NULL, FORWARD, Reason.UNKNOWN_CLIENT),
        ("8.8.8.8.in-addr.arpa", 12, FORWARD, Reason.UNKNOWN_CLIENT),
        ("com", DS, FORWARD, Reason.UNKNOWN_CLIENT),
        ("", NS, FORWARD, Reason.UNKNOWN_CLIENT),
        ("anything.example", ANY, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("_dns.resolver.arpa", 64, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("use-application-dns.net", A, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("hidden.onion", A, REFUSE, Reason.QUESTION_NOT_ALLOWED),
        ("printer.lan", A, REFUSE, Reason.LOCAL_NAME),
        ("printer", A, REFUSE, Reason.LOCAL_NAME),
        ("nas.fritz.box", A, REFUSE, Reason.LOCAL_NAME),
        ("1.1.168.192.in-addr.arpa", 12, REFUSE, Reason.LOCAL_NAME),
        ("1.16.172.in-addr.arpa", 12, REFUSE, Reason.LOCAL_NAME),
        ("1.15.172.in-addr.arpa", 12, FORWARD, Reason.UNKNOWN_CLIENT),
        ("1.0.0.0.d.f.ip6.arpa", 12, REFUSE, Reason.LOCAL_NAME),
    ],
)
def test_a_home_is_served_as_before(name: str, kind: int, course: Course, reason: Reason) -> None:
    naming = replace(STEERING, local_domains=frozenset({"fritz.box"}))
    verdict = ask(name, kind, source=PHONE, naming=naming)
    assert said(verdict) == (course, reason)
    assert verdict.appliances == ()
    at_home = replace(naming, has_resolver_at_home=True)
    if reason is Reason.LOCAL_NAME:
        assert ask(name, kind, source=PHONE, naming=at_home).course is FORWARD


def test_a_lockdown_is_for_appliances() -> None:
    assert ask("a.example", source=PHONE, policy=house(lockdown=True)).course is FORWARD


def test_whoever_is_unknown_can_be_refused() -> None:
    everybody = replace(STEERING, refuses_unknown=True)
    some = replace(STEERING, refused_networks=(ip_network("192.168.1.96/28"),))
    refused = (REFUSE, Reason.UNKNOWN_CLIENT_REFUSED)
    assert said(ask("a.example", source=PHONE, naming=everybody)) == refused
    assert said(ask("a.example", source=PHONE, naming=some)) == refused
    other = Source(address="192.168.1.50", mac="02:00:00:00:00:50")
    assert ask("a.example", source=other, naming=some).course is FORWARD


def test_whose_mac_is_not_known_may_be_any_that_has_one() -> None:
    """It is refused what one of them may not have, and nobody's journal says so."""
    nobody = Source(address="192.168.1.50")
    verdict = ask("a.example", source=nobody)
    assert said(verdict) == (REFUSE, Reason.CLIENT_NOT_RECOGNISED)
    assert not verdict.appliances
    naming = replace(STEERING, allowed=frozenset({"a.example"}))
    verdict = ask("a.example", source=nobody, naming=naming)
    assert said(verdict) == (REFUSE, Reason.CLIENT_NOT_RECOGNISED)
    assert ask("a.example", source=replace(nobody, mac="")).course is FORWARD


def test_a_guess_is_not_led_to_the_gate_in_anybodys_name_unless_all_are() -> None:
    nobody = Source(address="192.168.1.50")
    assert ask(READABLE, source=nobody).course is STEER
    opened = replace(STEERING, allowed=frozenset({"a.example"}), refuses_unknown=True)
    verdict = ask("a.example", source=nobody, naming=opened)
    # Whoever it is: it is refused as the stranger that it may be as well.
    assert said(verdict) == (REFUSE, Reason.UNKNOWN_CLIENT_REFUSED)


def test_without_an_appliance_known_by_mac_nobody_is_taken_for_one() -> None:
    by_address = replace(FRIDGE, macs=frozenset())
    policy = rules.build(7, (by_address,), (FROST,), [])
    nobody = Source(address="192.168.1.50")
    assert said(ask("a.example", source=nobody, policy=policy)) == (FORWARD, Reason.UNKNOWN_CLIENT)


def test_the_one_that_it_is_refused_for_stands_first() -> None:
    """The journal has it under that one."""
    either = Source(address="192.168.1.7", mac="02:00:00:00:00:08")
    for one, other in ((FRIDGE, BRUSH), (BRUSH, FRIDGE)):
        verdict = ask("x.example", source=either, policy=house(let_through={other.id: inf}))
        assert said(verdict) == (REFUSE, Reason.UNCLAIMED_NAME)
        assert verdict.appliances == (one, other)


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("nas.lan", True), ("nas", True), ("nas.fritz.box", True), ("fritz.box", True),
        ("1.1.168.192.in-addr.arpa", True), ("a.localhost", True), ("hidden.onion", True),
        ("8.8.8.8.in-addr.arpa", False), ("api.frost.example", False), ("lan.example", False),
        ("xfritz.box", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_the_homes_own_is_for_nobody_outside(name: str, stays: bool) -> None:
    naming = replace(STEERING, local_domains=frozenset({"fritz.box"}))
    assert name_rules.is_for_nobody_outside(name, naming) is stays
    at_home = replace(naming, has_resolver_at_home=True)
    never = name.endswith(("localhost", "onion"))
    assert name_rules.is_for_nobody_outside(name, at_home) is never


def test_lists_are_for_whoever_is_no_appliance() -> None:
    lists = BlockList()
    lists.add("ads.example\n" + OPAQUE)
    naming = replace(STEERING, listed=lists)
    assert said(ask("x.ads.example", source=PHONE, naming=naming)) == (REFUSE, Reason.LISTED)
    assert ask("example", DS, source=PHONE, naming=naming).course is FORWARD
    assert ask(OPAQUE, A, consent(FRIDGE, FROST), naming=naming).course is FORWARD


@pytest.mark.parametrize("refusal", Refusal)
def test_refusals_are_answered_as_chosen_but_for_what_has_one_answer(refusal: Refusal) -> None:
    naming = replace(STEERING, refusal=refusal)
    assert ask("nobody.example", naming=naming).refusal is refusal
    assert ask("x", source=PHONE, naming=naming).refusal is refusal
    assert ask("_dns.resolver.arpa", 64, naming=naming).refusal is Refusal.NO_DATA
    assert ask("use-application-dns.net", naming=naming).refusal is Refusal.NAME_ERROR


# --- What comes back ---


def judged(
    verdict: LookupVerdict,
    *consents: tuple[Consent, DataPoint],
    aliases: tuple[str, ...] = (),
    led_to: tuple[str, ...] = (),
    name: str = OPAQUE,
    naming: Naming = STEERING,
    source: Source = PHONE,
    policy: rules.Policy | None = None,
) -> Reason | None:
    return name_rules.judge(
        policy or house(*consents),
        naming,
        Lookup(source=source, name=name, type=A),
        verdict,
        NOW,
        aliases=aliases,
        led_to=[ip_address(one).packed for one in led_to],
    )


def test_an_alias_is_judged_like_a_name_that_is_asked() -> None:
    given = consent(FRIDGE, FROST)
    verdict = ask(OPAQUE, A, given)
    assert judged(verdict, given, aliases=("cdn.example", OPAQUE)) is None
    assert judged(verdict, given, aliases=("cdn.example", SHARED)) is Reason.ALIAS_REFUSED
    assert judged(verdict, given, aliases=(READABLE,)) is Reason.ALIAS_REFUSED
    both = given, consent(FRIDGE, ADS)
    assert judged(verdict, *both, aliases=(SHARED,)) is None
    policy = house(let_through={"fridge": inf})
    let_through = ask("x.example", policy=policy)
    assert judged(let_through, policy=policy, aliases=(SHARED,)) is None
    # It is over by the time the answer is there.
    assert judged(let_through, aliases=(SHARED,)) is Reason.ALIAS_REFUSED


def test_what_is_let_through_is_told_of_whom_it_reaches() -> None:
    """Else it would be less than a consent: a recipient at home could not be found."""
    policy = house(let_through={"fridge": inf})
    assert ask(OPAQUE, A, policy=policy).recipients == (FROST,)
    assert ask("x.example", policy=policy).recipients == ()
    # One that is reached there in both ways is told, and counted, once.
    both = replace(FROST, endpoints=(Endpoint(host=OPAQUE),))
    policy = rules.build(7, (FRIDGE,), (both,), [], let_through={"fridge": inf})
    assert ask(OPAQUE, A, policy=policy).recipients == (both,)


def test_an_alias_is_judged_for_each_that_it_may_be() -> None:
    either = Source(address="192.168.1.7", mac="02:00:00:00:00:08")
    policy = house(let_through={"fridge": inf, "brush": inf})
    verdict = ask("x.example", source=either, policy=policy)
    assert judged(verdict, policy=policy, source=either, aliases=(SHARED,)) is None
    for one in ("fridge", "brush"):
        policy = house(let_through={one: inf})
        reason = judged(verdict, policy=policy, source=either, aliases=(SHARED,))
        assert reason is Reason.ALIAS_REFUSED


def test_an_alias_that_is_listed_is_listed() -> None:
    lists = BlockList()
    lists.add("||tracker.example^")
    naming = replace(STEERING, listed=lists)
    verdict = ask("shop.example", source=PHONE, naming=naming)
    assert judged(verdict, naming=naming, aliases=("a.tracker.example",)) is Reason.LISTED
    assert judged(verdict, naming=naming, aliases=("a.other.example",)) is None


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fd00::1", "fe80::1", "ff02::1",
        "::ffff:192.168.1.1", "64:ff9b::192.168.1.1", "2002:c0a8:101::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_a_name_from_outside_does_not_lead_home(address: str) -> None:
    for verdict, source in (
        (ask("x.example", source=PHONE), PHONE),
        (ask("x.example", policy=house(let_through={"fridge": inf})), PHONE),
    ):
        found = judged(verdict, led_to=("1.1.1.1", address), name="x.example", source=source)
        assert found is Reason.PRIVATE_ANSWER


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "192.0.1.1", "198.41.0.4", "203.0.112.1", "2a00::1",
                "2606:4700::1111", "2001:4860:4860::8888", "172.15.0.1", "172.32.0.1"]
)  # fmt: skip
def test_the_internet_is_outside(address: str) -> None:
    verdict = ask("x.example", source=PHONE)
    assert judged(verdict, led_to=(address,), name="x.example") is None


def test_a_name_of_the_home_may_lead_home() -> None:
    naming = replace(STEERING, has_resolver_at_home=True, local_domains=frozenset({"fritz.box"}))
    for name in ("nas.lan", "nas.fritz.box", "nas"):
        verdict = ask(name, source=PHONE, naming=naming)
        assert judged(verdict, led_to=("192.168.1.5",), name=name, naming=naming) is None
    near = replace(FROST, allow_private=True)
    verdict = replace(ask(OPAQUE, A, consent(FRIDGE, FROST)), recipients=(near,))
    assert judged(verdict, consent(FRIDGE, FROST), led_to=("192.168.1.5",)) is None


# --- Whatever is decided ---

STATES = st.fixed_dictionaries(
    {
        "state": st.sampled_from([ConsentState.GIVEN, ConsentState.WITHDRAWN]),
        "until": st.sampled_from([None, NOW - 1, NOW, NOW + 1]),
        "is_suspended": st.booleans(),
    }
)


@given(
    name=st.sampled_from([READABLE, OPAQUE, BOTH, SHARED, "pool.ntp.org", "x.example", "a.lan"]),
    kind=st.sampled_from([A, AAAA, HTTPS, TXT, NULL, ANY]),
    states=st.dictionaries(
        st.tuples(st.sampled_from([FRIDGE, BRUSH]), st.sampled_from([FROST, ADS])), STATES
    ),
    lockdown=st.booleans(),
    through=st.sampled_from([None, NOW - 1, NOW + 1]),
    chosen=st.frozensets(st.sampled_from(Infrastructure)),
    mac=st.sampled_from([None, "02:00:00:00:00:07", "02:00:00:00:00:08", "02:00:00:00:00:99"]),
)
def test_nothing_is_asked_for_an_appliance_that_nobody_opened(  # noqa: PLR0917 - drawn
    name: str, kind: int, states: Any, lockdown: bool, through: Any, chosen: Any, mac: Any
) -> None:
    """Told again in other words: what may pass is listed, everything else is not."""
    consents = [consent(*pair, **state) for pair, state in states.items()]
    policy = house(*consents, lockdown=lockdown, let_through={"fridge": through} if through else {})
    naming = replace(STEERING, infrastructure=chosen)
    source = Source(address="192.168.1.7", mac=mac)
    verdict = ask(name, kind, policy=policy, naming=naming, source=source)
    if verdict.course is not FORWARD:
        return
    in_force = {
        (one.id, to.id)
        for (one, to), state in states.items()
        if state["state"] is ConsentState.GIVEN
        and not state["is_suspended"]
        and (state["until"] is None or state["until"] > NOW)
    }
    assert not lockdown
    assert kind != ANY
    needed = {OPAQUE: {"frost"}, SHARED: {"frost", "ads"}}.get(name)
    for one in verdict.appliances:
        assert (
            (one is FRIDGE and through is not None and through > NOW)
            or (needed and {(one.id, to) for to in needed} <= in_force)
            or (name == "pool.ntp.org" and Infrastructure.TIME in chosen)
        )


def test_a_name_that_a_recipient_has_got_since_was_not_agreed_to() -> None:
    given, point = consent(FRIDGE, FROST)
    policy = house((replace(given, functional=frozenset({SHARED, "gone.example"})), point))
    assert policy.opaque == {("fridge", "frost", SHARED): inf}
    assert ask(OPAQUE, policy=policy).reason is Reason.OPAQUE_NOT_CONSENTED


def test_a_grant_for_what_cannot_be_read_opens_nothing_that_is_read() -> None:
    policy = house(consent(FRIDGE, FROST))
    assert not policy.terms
    assert not policy.consented
    assert policy.opaque == {("fridge", "frost", name): inf for name in FROST.names}
