"""How a resolver is stated."""

import pytest

from engine.naming import Resolver


@pytest.mark.parametrize(
    ("line", "stated", "written"),
    [
        ("192.0.2.1", ("192.0.2.1", 53, None), "192.0.2.1"),
        (" 192.0.2.1@5353 ", ("192.0.2.1", 5353, None), "192.0.2.1@5353"),
        ("fd00::1@53", ("fd00::1", 53, None), "fd00::1"),
        ("9.9.9.9#DNS.quad9.net", ("9.9.9.9", 853, "dns.quad9.net"), "9.9.9.9#dns.quad9.net"),
        ("9.9.9.9@443#a.b", ("9.9.9.9", 443, "a.b"), "9.9.9.9@443#a.b"),
    ],
)
def test_a_resolver_is_stated_in_a_line(
    line: str, stated: tuple[str, int, str | None], written: str
) -> None:
    made = Resolver.parse(line)
    assert (made.address, made.port, made.tls_name) == stated
    assert str(made) == written
    assert Resolver.parse(written) == made


@pytest.mark.parametrize(
    "line",
    ["", "dns.example", "192.0.2.1:53", "192.0.2.1@0", "192.0.2.1@65536", "192.0.2.1@x",
     "192.0.2.1#", "192.0.2.1# a", "0.0.0.0", "::", "224.0.0.1", "192.0.2.1@53@53"],
)  # fmt: skip
def test_what_is_no_resolver_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Resolver.parse(line)
