"""Host names, and the few that a template stands for."""

import pytest

from engine.names import MAX_EXPANDED, expand, fold


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        (" API.Vendor.Example. ", "api.vendor.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_mqtt._tcp.vendor.example", "_mqtt._tcp.vendor.example"),
        ("a1-b2.example", "a1-b2.example"),
    ],
)
def test_a_name_has_one_form(typed: str, folded: str) -> None:
    assert fold(typed) == folded
    assert expand(typed) == (folded,)


@pytest.mark.parametrize(
    "typed",
    [
        "", ".", "a..b", "-a.example", "a-.example", "a b.example", "*.example", "a/b", "a:80",
        "192.0.2.1", "x" * 64 + ".example", ".".join(["x" * 60] * 5), "http://a.example", "a\nb",
        "ü" * 64,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"not a host name|an address|braces"):
        expand(typed)


def test_a_template_stands_for_so_many_names_and_no_more() -> None:
    assert expand("{eu|us}-mqtt.vendor.example") == (
        "eu-mqtt.vendor.example", "us-mqtt.vendor.example",
    )  # fmt: skip
    numbered = expand("{eu|us}-mqtt#.vendor.example")
    assert len(numbered) == 20
    assert "us-mqtt7.vendor.example" in numbered
    assert len(expand("##.vendor.example")) == 100
    assert expand("{|www.}vendor.example") == ("vendor.example", "www.vendor.example")


@pytest.mark.parametrize(
    "typed", ["###.vendor.example", "{a|b}{c|d}##.example", "{a|b.example", "a}.example", "{{a}}.b"]
)
def test_a_template_that_could_tell_too_much_is_refused(typed: str) -> None:
    assert MAX_EXPANDED == 256
    with pytest.raises(ValueError, match=r"at most|braces"):
        expand(typed)
