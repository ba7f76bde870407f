"""The policy for names: one ordered list of rules; the first that concludes decides.

Whoever asks is looked at as each appliance that it may be, and as a stranger where it may be none;
the strictest ruling counts. Nothing here waits or keeps anything.
"""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from math import inf
import re
from typing import NamedTuple

from . import addresses, policy as rules
from .model import Appliance, Reason, Recipient
from .naming import Course, Infrastructure, Lookup, LookupVerdict, Naming, Refusal
from .policy import Claim, Policy

_FOR_APPLIANCES = frozenset({1, 2, 5, 6, 15, 16, 28, 33, 35, 43, 48, 64, 65, 257})
"""A, NS, CNAME, SOA, MX, TXT, AAAA, SRV, NAPTR, DS, DNSKEY, SVCB, HTTPS and CAA (IANA's registry of
types): what programs ask for. Which of 65,536 types is asked could tell something as well."""
_FOR_NOBODY = frozenset({249, 250, 251, 252, 255})
"""TKEY, TSIG, IXFR, AXFR and ANY: of use between servers, or for floods (RFC 8482)."""
_OF_ZONES = frozenset({2, 6, 43, 48})
"""NS, SOA, DS and DNSKEY: whoever checks signatures asks for those of a top-level domain."""
_SPECIAL = frozenset({"invalid", "localhost", "onion", "test"})
"""Never asked of anybody (RFC 6761, RFC 7686)."""
HOME_DOMAINS = frozenset({"home.arpa", "internal", "lan", "local", "localdomain"})
"""Of every home (RFC 8375, RFC 6762, and what routers use)."""
_BELOW_HOME = tuple(f".{one}" for one in HOME_DOMAINS)
_PRIVATE_REVERSE = re.compile(
    r"(?:^|\.)(?:(?:10|127|168\.192|254\.169|(?:1[6-9]|2\d|3[01])\.172)\.in-addr"
    r"|(?:[cd]\.f|[89ab]\.e\.f)\.ip6)\.arpa$"
)
"""Addresses at home, turned into names (RFC 6303)."""
_DISCOVERY = "resolver.arpa"
"""By names below it clients find encrypted resolvers, and would go around us (RFC 9462)."""
_BELOW_DISCOVERY = f".{_DISCOVERY}"
_CANARY = "use-application-dns.net"
"""There is none where a home has a resolver of its own: Firefox then does not go around us."""
_STRICTNESS = (Course.FORWARD, Course.STEER, Course.REFUSE)


class Ruling(NamedTuple):
    """What a rule came to."""

    course: Course
    reason: Reason
    recipients: tuple[Recipient, ...] = ()
    until: float = inf
    refusal: Refusal | None = None
    """How to answer, where that is not the household's choice."""


class Asked(NamedTuple):
    """One question, asked by one appliance, or by none."""

    policy: Policy
    naming: Naming
    infrastructure: Mapping[str, Infrastructure]
    lookup: Lookup
    now: float
    appliance: Appliance | None = None

    def recipients(self, ids: Sequence[str]) -> tuple[Recipient, ...]:
        """Return recipients by their ids."""
        return tuple(self.policy.recipients[one] for one in ids)


_FOR_STRANGER = Ruling(Course.FORWARD, Reason.UNKNOWN_CLIENT)

type Rule = Callable[[Asked], Ruling | None]


def _refuse(reason: Reason, refusal: Refusal | None = None) -> Ruling:
    return Ruling(Course.REFUSE, reason, refusal=refusal)


def special_name(asked: Asked) -> Ruling | None:
    """Refuse what would lead around the gate, and what is no name of the internet's."""
    name = asked.lookup.name
    if name == _DISCOVERY or name.endswith(_BELOW_DISCOVERY):
        return _refuse(Reason.QUESTION_NOT_ALLOWED, Refusal.NO_DATA)
    if name == _CANARY or name.rpartition(".")[2] in _SPECIAL:
        return _refuse(Reason.QUESTION_NOT_ALLOWED, Refusal.NAME_ERROR)
    if asked.lookup.type in _FOR_NOBODY:
        return _refuse(Reason.QUESTION_NOT_ALLOWED, Refusal.NO_DATA)
    return None


def home_name(asked: Asked) -> Ruling | None:
    """Ask for the home's own names at home only."""
    name = asked.lookup.name
    if not is_at_home(name, asked.naming) or ("." not in name and asked.lookup.type in _OF_ZONES):
        return None
    may_pass = asked.naming.has_resolver_at_home and (
        asked.appliance is None or name in asked.naming.allowed
    )
    return Ruling(Course.FORWARD, Reason.LOCAL_NAME) if may_pass else _refuse(Reason.LOCAL_NAME)


def locked_down(asked: Asked) -> Ruling | None:
    """Refuse appliances everything while the household does."""
    return _refuse(Reason.LOCKDOWN) if asked.policy.lockdown else None


def let_through(asked: Asked) -> Ruling | None:
    """Ask whatever an appliance asks that is let through for a time."""
    if asked.appliance is None:
        return None
    until = rules.let_through(asked.policy, asked.appliance, asked.now)
    if until is None:
        return None
    claim = asked.policy.claims.get(asked.lookup.name, Claim())
    recipients = asked.recipients(claim.recipients)
    return Ruling(Course.FORWARD, Reason.LET_THROUGH, recipients, until)


def type_not_asked(asked: Asked) -> Ruling | None:
    """Refuse types that programs have no use for."""
    if asked.lookup.type not in _FOR_APPLIANCES:
        return _refuse(Reason.QUESTION_NOT_ALLOWED, Refusal.NO_DATA)
    return None


def claimed_readable(asked: Asked) -> Ruling | None:
    """Lead to a gate that can read, whatever else is claimed or granted for this name."""
    claim = asked.policy.claims.get(asked.lookup.name)
    if claim is None or not claim.readable:
        return None
    recipients = asked.recipients(claim.readable)
    if not asked.naming.steer_to:
        return Ruling(Course.REFUSE, Reason.NO_GATE_READS, recipients)
    return Ruling(Course.STEER, Reason.STEERED, recipients)


def claimed_opaque(asked: Asked) -> Ruling | None:
    """Ask where every recipient at this name has the consent for traffic that cannot be read."""
    claim = asked.policy.claims.get(asked.lookup.name)
    if claim is None or asked.appliance is None:
        return None
    recipients = asked.recipients(claim.opaque)
    until = opaque_until(asked.policy, asked.appliance, claim.opaque, asked.lookup.name, asked.now)
    if until is not None:
        return Ruling(Course.FORWARD, Reason.OPAQUE_CONSENTED, recipients, until)
    waits = any((asked.appliance.id, one) in asked.policy.opaque_suspended for one in claim.opaque)
    reason = Reason.CONSENTS_SUSPENDED if waits else Reason.OPAQUE_NOT_CONSENTED
    return Ruling(Course.REFUSE, reason, recipients)


def infrastructure(asked: Asked) -> Ruling | None:
    """Let names of such a kind pass as the household chose."""
    kind = asked.infrastructure.get(asked.lookup.name)
    if kind in asked.naming.infrastructure or asked.lookup.name in asked.naming.allowed:
        return Ruling(Course.FORWARD, Reason.INFRASTRUCTURE)
    return None if kind is None else _refuse(Reason.INFRASTRUCTURE_REFUSED)


def reverse_name(asked: Asked) -> Ruling | None:
    """Refuse to turn addresses into names: nobody claims them, and nobody need be asked."""
    if asked.lookup.name.endswith(".arpa"):
        return _refuse(Reason.QUESTION_NOT_ALLOWED, Refusal.NAME_ERROR)
    return None


def unclaimed(_: Asked) -> Ruling | None:
    """Refuse whatever nobody claims."""
    return _refuse(Reason.UNCLAIMED_NAME)


def refused_client(asked: Asked) -> Ruling | None:
    """Refuse strangers, or those of some networks, where the household does."""
    naming = asked.naming
    if naming.refuses_unknown or (
        naming.refused_networks
        and any(ip_address(asked.lookup.source.address) in one for one in naming.refused_networks)
    ):
        return _refuse(Reason.UNKNOWN_CLIENT_REFUSED)
    return None


def listed(asked: Asked) -> Ruling | None:
    """Refuse strangers what stands on the household's lists."""
    lists = asked.naming.listed
    return _refuse(Reason.LISTED) if lists is not None and lists.has(asked.lookup.name) else None


def stranger(_: Asked) -> Ruling | None:
    """Ask for whoever is no appliance: this may be the resolver of a whole home."""
    return _FOR_STRANGER


FOR_APPLIANCES: tuple[Rule, ...] = (
    locked_down,  # stronger than anything that was given
    special_name,  # also for what is let through: else it would go around from then on
    let_through,
    type_not_asked,
    claimed_readable,  # before what is opaque: one grant never opens a direct path beside a gate
    claimed_opaque,
    home_name,  # before what is allowed: also that stays at home
    infrastructure,
    reverse_name,
    unclaimed,  # always concludes
)
FOR_STRANGERS: tuple[Rule, ...] = (
    refused_client,
    special_name,
    listed,
    home_name,
    stranger,  # always concludes
)


def decide(
    policy: Policy | None,
    naming: Naming,
    infrastructure: Mapping[str, Infrastructure],
    lookup: Lookup,
    now: float,
) -> LookupVerdict:
    """Return what becomes of a question; as the strictest says of all that its client may be."""
    if policy is None:
        return LookupVerdict(course=Course.REFUSE, reason=Reason.POLICY_NOT_LOADED)
    asked = Asked(policy, naming, infrastructure, lookup, now)
    clients = clients_of(policy, lookup)
    if not clients.appliances:
        # So for most of what goes on: nothing to choose between.
        ruling = _rule(asked, FOR_STRANGERS)
        return _verdict(asked, ruling, ruling.reason, until=ruling.until)
    rulings = [
        (one, _rule(asked._replace(appliance=one), FOR_APPLIANCES)) for one in clients.appliances
    ]
    found: list[tuple[Appliance | None, Ruling]] = [*rulings]
    if clients.may_be_stranger:
        found.append((None, _rule(asked, FOR_STRANGERS)))
    who, ruling = max(found, key=lambda one: _STRICTNESS.index(one[1].course))
    reason, appliances = ruling.reason, clients.appliances
    if clients.is_guess:
        # It is told of nobody what may be another's.
        appliances = ()
        if ruling.course is Course.FORWARD or (who is not None and ruling.course is Course.REFUSE):
            ruling = _refuse(Reason.CLIENT_NOT_RECOGNISED)
            reason = ruling.reason
    elif who is not None:
        # It stands for what was decided: first of those that it may be.
        appliances = (who, *(one for one in appliances if one is not who))
    until = min(one.until for _, one in found)
    return _verdict(asked, ruling, reason, appliances, until=until)


def _verdict(
    asked: Asked,
    ruling: Ruling,
    reason: Reason,
    appliances: tuple[Appliance, ...] = (),
    *,
    until: float,
) -> LookupVerdict:
    return LookupVerdict(
        course=ruling.course,
        reason=reason,
        appliances=appliances,
        recipients=ruling.recipients,
        policy_version=asked.policy.version,
        naming=asked.naming,
        until=until,
        refusal=ruling.refusal or asked.naming.refusal,
    )


def _rule(asked: Asked, ordered: Sequence[Rule]) -> Ruling:
    for rule in ordered:
        if (ruling := rule(asked)) is not None:
            return ruling
    return _refuse(Reason.INTERNAL_ERROR)


class Clients(NamedTuple):
    """Who may have asked. `is_guess` says that nothing but a missing MAC makes it one of these.

    That passes: whoever stands on a network of ours is known by MAC as soon as it is answered.
    """

    appliances: tuple[Appliance, ...]
    may_be_stranger: bool
    is_guess: bool = False


def clients_of(policy: Policy, lookup: Lookup) -> Clients:
    """Return the appliances that a client may be, and whether it may be none of them.

    By its MAC it is that appliance. By its address alone it may be; where the MAC is known to be
    another, it may be something else that got the address since. While the MAC is not known yet, it
    may be whoever has one.
    """
    source = lookup.source
    by_mac = policy.by_mac.get(source.mac, ()) if source.mac else ()
    by_address = policy.by_address.get(source.address, ())
    for other in source.others:
        # Over IPv6 it has other addresses than it was stated by; one may stand for several.
        found = policy.by_address.get(other, ())
        by_address = (*by_address, *(one for one in found if one not in by_address))
    if not by_address:
        if source.mac is None and policy.by_mac:
            return Clients(policy.with_mac, may_be_stranger=True, is_guess=True)
        return Clients(by_mac, may_be_stranger=not by_mac)
    disagrees = not by_mac and any(
        one.macs and source.mac and source.mac not in one.macs for one in by_address
    )
    found = (*by_mac, *(one for one in by_address if one not in by_mac))
    return Clients(found, may_be_stranger=disagrees)


def opaque_until(
    policy: Policy, appliance: Appliance, recipient_ids: Sequence[str], name: str, now: float
) -> float | None:
    """Return until when all of these recipients may get opaque traffic at a name, or None."""
    ends = [policy.opaque.get((appliance.id, one, name), 0.0) for one in recipient_ids]
    until = min(ends, default=0.0)
    return until if until > now else None


def judge(
    policy: Policy,
    naming: Naming,
    lookup: Lookup,
    verdict: LookupVerdict,
    now: float,
    *,
    aliases: Sequence[str],
    led_to: Sequence[bytes],
) -> Reason | None:
    """Return why an answer must not be seen, or None; `led_to` are packed addresses.

    Behind a name that may be asked stands whatever its owner pointed it at. An alias that nobody
    claims goes with the name; one that is claimed is judged like a name that is asked itself.
    """
    for alias in aliases:
        if not verdict.appliances:
            if naming.listed is not None and naming.listed.has(alias):
                return Reason.LISTED
            continue
        claim = policy.claims.get(alias)
        if claim is not None and not all(
            _may_find(policy, one, claim, alias, now) for one in verdict.appliances
        ):
            return Reason.ALIAS_REFUSED
    if any(addresses.is_private(one) for one in led_to) and not _may_be_at_home(
        naming, lookup, verdict
    ):
        return Reason.PRIVATE_ANSWER
    return None


def _may_find(policy: Policy, appliance: Appliance, claim: Claim, name: str, now: float) -> bool:
    """Tell whether an appliance may find a claimed name behind another."""
    if rules.let_through(policy, appliance, now) is not None:
        return True
    return (
        not claim.readable and opaque_until(policy, appliance, claim.opaque, name, now) is not None
    )


def _may_be_at_home(naming: Naming, lookup: Lookup, verdict: LookupVerdict) -> bool:
    """Tell whether a name may lead into the home: its own, or that of a recipient there."""
    if is_at_home(lookup.name, naming):
        return True
    return bool(verdict.recipients) and all(one.allow_private for one in verdict.recipients)


def is_for_nobody_outside(name: str, naming: Naming) -> bool:
    """Tell whether a name must not be asked of a resolver outside the home."""
    if name.rpartition(".")[2] in _SPECIAL:
        return True
    return is_at_home(name, naming) and not naming.has_resolver_at_home


def is_at_home(name: str, naming: Naming) -> bool:
    """Tell whether a name is the home's own: of one label, below its domains, or its addresses."""
    if "." not in name:
        return bool(name)
    if name.endswith(_BELOW_HOME) or name in HOME_DOMAINS:
        return True
    above = name if naming.local_domains else ""
    while above:
        if above in naming.local_domains:
            return True
        _, _, above = above.partition(".")
    return name.endswith(".arpa") and bool(_PRIVATE_REVERSE.search(name))
