"""What a host's name tells of whose it is: a domain, an organisation, or a shared cloud."""

from collections import Counter
import csv
import json
from pathlib import Path
import re

from publicsuffixlist import PublicSuffixList
import pytest

from engine import Face, Faces, Role, catalogue, may_be_same
from engine.catalogue import organisations, shared_hosts
from helpers import corpus

NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
FACT = re.compile(r"https://[!-~]+|(captures of|hosts named in) [ -~]+")
"""A page that anybody can open, or what was looked at."""


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces()


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("eu.telemetry.vendor.com", "vendor.com"),
        ("vendor.com", "vendor.com"),
        # A suffix of two labels, so that the registered part has three.
        ("api.vendor.co.uk", "vendor.co.uk"),
        # Whoever has a subdomain of a hoster has registered that (the list's private section).
        ("some.one.github.io", "one.github.io"),
        ("co.uk", "co.uk"),
        ("printer", "printer"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("*.vendor.com", "vendor.com"),
        # An address the other way round is nobody's domain.
        ("7.2.0.192.in-addr.arpa", "7.2.0.192.in-addr.arpa"),
        # What no name is stands for itself too; whoever shows it escapes it.
        ("", ""),
        (".", "."),
        ("a..b", "a..b"),
        ("`\0<b>", "`\0<b>"),
    ],
)
def test_registered_domain(faces: Faces, host: str, domain: str) -> None:
    assert faces.of(host) == Face(domain=domain)


@pytest.mark.parametrize(
    ("host", "domain", "owner"),
    [
        ("a.s3.eu-west-1.amazonaws.com", "amazonaws.com", "Amazon Web Services"),
        ("vendor.azure-devices.net", "azure-devices.net", "Microsoft Azure"),
        ("cloudfront.net", "cloudfront.net", "Amazon Web Services"),
        ("*.iot.us-east-1.amazonaws.com", "amazonaws.com", "Amazon Web Services"),
        # However it is spelled: its owner must not be taken for who receives.
        ("A.AmazonAWS.com.", "amazonaws.com", "Amazon Web Services"),
    ],
)
def test_shared_host_is_nobodys(faces: Faces, host: str, domain: str, owner: str) -> None:
    assert faces.of(host) == Face(domain=domain, shared=owner)


@pytest.mark.parametrize("host", ["notamazonaws.com", "amazonaws.com.vendor.com"])
def test_name_that_only_looks_like_a_shared_one(faces: Faces, host: str) -> None:
    assert faces.of(host).shared is None


def test_shared_hosts_are_names_as_they_are_compared() -> None:
    """One in capitals, or with a dot at its end, would never be found."""
    assert {one for one in shared_hosts() if not NAME.fullmatch(one)} == set()


# --- Organisations ---


def test_organisation_is_known_by_the_registered_domain(faces: Faces) -> None:
    assert faces.of("connect-v2.samsungiotcloud.com") == Face(
        domain="samsungiotcloud.com", organisation="Samsung", country="KR"
    )
    assert faces.of("o1.ingest.sentry.io").role is Role.CRASH_REPORTS
    assert faces.of("samsungiotcloud.com.vendor.com") == Face(domain="vendor.com")
    assert faces.of("notsamsungiotcloud.com").organisation is None


def test_below_a_shared_host_the_very_host_is_known(faces: Faces) -> None:
    """Its neighbours are somebody else's, and what is below it may be."""
    host = "twdvzuefzh.execute-api.us-east-2.amazonaws.com"
    known = faces.of(host)
    assert (known.shared, known.organisation) == ("Amazon Web Services", "Aladdin Connect")
    for other in (f"a.{host}", "abcdefghij.execute-api.us-east-2.amazonaws.com"):
        assert faces.of(other) == Face(domain="amazonaws.com", shared="Amazon Web Services")


def test_owner_of_a_shared_host_receives_nothing_there(faces: Faces) -> None:
    """Not even where the owner's own domains are known."""
    for shared, owner in shared_hosts().items():
        for host in (shared, f"tenant.{shared}", f"a.b.{shared}"):
            assert faces.of(host) == Face(domain=shared, shared=owner)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Samsung", "Samsung Electronics Co., Ltd.", True),
        ("amazon", "Amazon Ring", True),
        ("Ring", "Amazon Ring", True),
        ("Samsung", "Google", False),
        ("LG", "LGI", False),
        ("", "Google", False),
        ("—", "—", False),
    ],
)
def test_names_that_may_be_one_organisations(one: str, other: str, same: bool) -> None:
    assert may_be_same(one, other) is may_be_same(other, one) is same


# --- The catalogue's file ---


def _file() -> dict[str, dict[str, dict[str, str]]]:
    def read(pairs: list[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), "JSON would keep the last one without a word"
        return dict(pairs)

    text = (Path(str(catalogue.__file__)).parent / "organisations.json").read_text("ascii")
    told: dict[str, dict[str, dict[str, str]]] = json.loads(text, object_pairs_hook=read)
    return told


def test_file_of_organisations_keeps_its_form() -> None:
    told = _file()
    assert list(told) == ["sources", "seats", "domains"]
    for part in told.values():
        assert list(part) == sorted(part)
    assert [one for one in told["sources"].values() if not FACT.fullmatch(str(one))] == []
    facts = [*told["seats"].values(), *told["domains"].values()]
    assert {fact["source"] for fact in facts} == set(told["sources"])
    for seat in told["seats"].values():
        assert list(seat) == ["country", "source"]
        assert re.fullmatch(r"[A-Z]{2}", seat["country"])
    for entry in told["domains"].values():
        assert list(entry) in (["organisation", "source"], ["organisation", "role", "source"])
        assert entry["organisation"] == " ".join(entry["organisation"].split()) != ""
        assert len(entry["organisation"]) <= 40
    assert set(told["seats"]) <= {one["organisation"] for one in told["domains"].values()}


def test_organisations_have_domains_that_somebody_registers() -> None:
    """Or exact hosts below a shared one. A suffix that many register under is nobody's."""
    suffixes, shared = PublicSuffixList(), shared_hosts()
    for domain in organisations():
        assert NAME.fullmatch(domain)
        assert domain not in shared
        below = any(domain.endswith(f".{one}") for one in shared)
        assert below or suffixes.privatesuffix(domain) == domain, domain


def test_one_organisation_has_one_spelling() -> None:
    spelled = {one.organisation for one in organisations().values()}
    assert len(spelled) == len({one.casefold() for one in spelled})


def test_there_are_enough_of_them_to_be_of_use() -> None:
    known = organisations()
    assert len(known) >= 80
    assert len({one.organisation for one in known.values()}) >= 50


@pytest.mark.corpus
def test_names_that_appliances_asked_for_get_a_face(faces: Faces) -> None:
    """Every name, once for each appliance that asked for it; `-s` shows the figures."""
    with corpus("dns/appliance_domains.tsv").open(encoding="utf-8", newline="") as lines:
        names = [row["domain"] for row in csv.DictReader(lines, delimiter="\t")]
    classes, domains = Counter[str](), dict[str, set[str]]()
    for name in names:
        face = faces.of(name)
        if face.organisation is not None:
            kind = "organisation known"
        elif face.shared is not None:
            kind = "shared"
        else:
            kind = "nothing" if name.endswith(".arpa") else "only domain"
        classes[kind] += 1
        domains.setdefault(kind, set()).add(face.domain)
    print(f"{len(names)} names: {dict(classes)}")  # noqa: T201 - the figures are wanted
    print(f"domains: { {kind: len(found) for kind, found in domains.items()} }")  # noqa: T201
    assert classes.total() == len(names)
    # As measured: 239 of 323 names and 44 of 65 domains are an organisation's, 35 and 7 shared.
    known, shared = classes["organisation known"], classes["shared"]
    assert known / len(names) >= 0.73
    assert (known + shared) / len(names) >= 0.84
    # Over domains, so that the many hosts of one organisation do not make the figure.
    known, shared = len(domains["organisation known"]), len(domains["shared"])
    assert (known + shared) / sum(map(len, domains.values())) >= 0.78


@pytest.mark.parametrize(
    ("name", "is_suffix"),
    [
        ("com", True),
        ("co.uk", True),
        ("github.io", True),
        ("foo.ck", True),
        ("example.com", False),
        ("www.ck", False),
        ("lan", False),
        ("home", False),
        ("home.arpa", False),
        ("corp.example", False),
    ],
)
def test_where_anybody_may_register(faces: Faces, name: str, is_suffix: bool) -> None:
    assert faces.is_suffix(name) is is_suffix
