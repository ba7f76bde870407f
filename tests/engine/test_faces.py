"""What a host's name tells of whose it is: a registered domain, or a shared cloud."""

import re

import pytest

from engine import Face, Faces
from engine.catalogue import shared_hosts


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
    ],
)
def test_shared_host_is_nobodys(faces: Faces, host: str, domain: str, owner: str) -> None:
    assert faces.of(host) == Face(domain=domain, shared=owner)


@pytest.mark.parametrize("host", ["notamazonaws.com", "amazonaws.com.vendor.com"])
def test_name_that_only_looks_like_a_shared_one(faces: Faces, host: str) -> None:
    assert faces.of(host).shared is None


def test_shared_hosts_are_names_as_they_are_compared() -> None:
    """One in capitals, or with a dot at its end, would never be found."""
    assert {
        one for one in shared_hosts() if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", one)
    } == set()
