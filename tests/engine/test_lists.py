"""Block lists: the forms they come in, what they leave out, and what they cost."""

from pathlib import Path
import tracemalloc

import pytest

from engine import lists
from engine.lists import BlockList, ListError, load
from helpers import CORPUS, corpus


def listed(text: str) -> BlockList:
    made = BlockList()
    made.add(text)
    return made


@pytest.mark.parametrize(
    ("text", "names", "others"),
    [
        ("ads.example", ["ads.example", "x.ads.example"], ["example", "bads.example"]),
        ("  ADS.Example.  # why\r\n", ["ads.example"], []),
        ("0.0.0.0 ads.example", ["ads.example"], ["x.ads.example"]),
        ("127.0.0.1\tads.example b.example # both", ["ads.example", "b.example"], ["localhost"]),
        (":: ads.example", ["ads.example"], []),
        ("||ads.example^", ["ads.example", "a.b.ads.example"], ["sads.example"]),
        ("||ads.example^$third-party,important", ["ads.example"], []),
        ("||ads.example^\n@@||good.ads.example^", ["ads.example"], ["good.ads.example"]),
        ("@@||good.ads.example^\n||ads.example^", ["x.ads.example"], ["x.good.ads.example"]),
        ("0.0.0.0 good.ads.example\n@@||ads.example^", [], ["good.ads.example"]),
        ("||ads.example^ ! why", ["ads.example"], []),
    ],
)
def test_the_forms_of_lists(text: str, names: list[str], others: list[str]) -> None:
    made = listed(f"# a list\n! a list\n[Adblock Plus]\n\n{text}\n")
    assert [name for name in names if not made.has(name)] == []
    assert [name for name in others if made.has(name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "# ads.example", "! ads.example", "||ads.example^$client=kid",
        "||ads.example^$dnstype=AAAA", "||ads.example/banner", "ads.example##.banner",
        "/ads[0-9]+/", "|https://ads.example^",
        "127.0.0.1 localhost", "::1 localhost", "0.0.0.0 0.0.0.0", "example", "-ads-",
        "*.ads.example", "192.0.2.1 ads.example", "||ads.example", "||*.ads.example^",
        "ads .example",
    ],
)  # fmt: skip
def test_what_says_nothing_of_names_is_left_out(line: str) -> None:
    """A rule that holds only sometimes is not made one that always does."""
    made = listed(line)
    assert not any(made.has(name) for name in ("ads.example", "localhost", "example", "x.example"))


def test_files_are_read_whole_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good"
    good.write_bytes("\ufeffads.example\r\n||b.example^\r\n".encode())
    assert len(load([good])) == 2
    binary, empty, page = tmp_path / "binary", tmp_path / "empty", tmp_path / "page"
    binary.write_bytes(b"\xff\xfe\0ads.example")
    empty.write_text("# nothing\n")
    page.write_text("<html><body>Not found</body></html>\n")
    for path in (binary, empty, page, tmp_path / "missing", tmp_path):
        with pytest.raises(ListError) as caught:
            load([good, path])
        assert "example" not in str(caught.value)
    monkeypatch.setattr(lists, "MAX_BYTES", 10)
    with pytest.raises(ListError):
        load([good])
    monkeypatch.setattr(lists, "MAX_NAMES", 1)
    with pytest.raises(ListError):
        listed("a.example\nb.example\n")


@pytest.mark.corpus
def test_lists_in_common_use_are_read(tables: dict[str, list[str]]) -> None:
    corpus("lists")
    rows: list[str] = []
    for path in sorted((CORPUS / "lists").iterdir()):
        made = load([path])
        lines = sum(bool(line.strip()) and line.lstrip()[0] not in "#![" for line in path.open())
        rows.append(f"{path.name:36} {len(made):5} names of {lines:5} lines")
        assert len(made) > lines * 0.7
    tables["names of block lists"] = rows


def test_three_hundred_thousand_names_take_sixty_megabytes_at_most() -> None:
    text = "".join(
        f"||t{one}.ads{one % 997}.example^\n"
        if one % 3 == 0
        else f"0.0.0.0 host{one}.tracker{one % 97}.example\n"
        if one % 3 == 1
        else f"metrics{one}.vendor.example\n"
        for one in range(300_000)
    )
    tracemalloc.start()
    try:
        made = listed(text)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made) == 300_000
    assert kept < 60_000_000
    assert made.has("a.t299997.ads897.example")
    assert not made.has("t299998.ads.example")
