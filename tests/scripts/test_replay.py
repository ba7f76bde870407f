"""scripts/replay: real sockets, a real firewall, and a leak finder that must be able to find."""

import base64
from compression import zstd
import gzip
import json
from pathlib import Path
import random
import re
import subprocess
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from scripts.lib.replay import leaks, leaves, wire
from scripts.lib.replay.leaks import Arrived
from scripts.lib.replay.recording import BadRecordingError, Recording, read_all

REPOSITORY = Path(__file__).parents[2]
CORPUS = REPOSITORY.parent / "shared" / "corpus" / "http"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GZIP = {**JSON, "Content-Encoding": "gzip"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}


def line(
    url: str, body: bytes | None = None, headers: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    members = {"protocol": "http", "appliance": "fridge", "method": "GET", "url": url}
    if body is not None:
        members |= {"method": "POST", "body_b64": base64.b64encode(body).decode()}
    return {**members, "headers": headers or {}, **more}


def replay(
    folder: Path, lines: list[dict[str, Any] | str], *arguments: str
) -> tuple[int, list[dict[str, Any]], str]:
    file = folder / "recorded.ndjson"
    file.write_text(
        "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines)
    )
    ended = subprocess.run(
        [REPOSITORY / "scripts" / "replay", "--json", *arguments, file.name],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return ended.returncode, [json.loads(one) for one in ended.stdout.splitlines()], ended.stderr


def body_of(result: dict[str, Any]) -> bytes:
    return base64.b64decode(result["received_b64"])


def as_recorded(one: dict[str, Any], result: dict[str, Any]) -> bool:
    return result["received_url"] == one["url"] and result["received_b64"] == one.get(
        "body_b64", ""
    )


FRIDGE = line(
    "https://appliances.example/v1/devices/status",
    json.dumps({
        "deviceId": "4be1f8c2-90aa-4d6e-8a77-0c52b1f0d3e9",
        "components": {"main": {
            "temperatureMeasurement": {"temperature": {"value": 3.10, "unit": "C"}},
            "contactSensor": {"contact": {"value": "open", "timestamp": "2026-10-01T07:14:09Z"}},
            "otnDUID": "K7QWBN33XTRLA",
        }},
    }).encode(),
    JSON,
)  # fmt: skip
STATION = line(
    "http://weather.example:8080/station/update.php?"
    + urlencode(
        {"PASSKEY": "5F1C09D27A6B4E8890AAB3C41D20EE77", "tempf": "71.24", "dateutc": "now"}
    ),
    headers={"User-Agent": "Hub/224", "Connection": "close"},
    appliance="station",
)
ALL_KINDS = [
    FRIDGE,
    STATION,
    line("https://appliances.example/v1/gz", gzip.compress(b'{"watts": 1250.50}'), GZIP),
    line("http://198.51.100.7/by-address", b"a=1&b=two", FORM, appliance="b"),
    line("http://[2001:db8::7]:81/by-address", b'{"a":1}', JSON, appliance="b"),
    line("https://appliances.example/v1/chunked", b'{"door":true}', CHUNKED),
]  # fmt: skip


def test_nothing_arrives_without_a_grant(tmp_path: Path) -> None:
    status, results, _ = replay(tmp_path, [*ALL_KINDS])
    assert status == 0
    assert [result["outcome"] for result in results] == ["deny"] * len(ALL_KINDS)
    assert [result["received_b64"] for result in results] == [None] * len(ALL_KINDS)


@pytest.mark.parametrize("recognised", [[], ["--by-token"]])
def test_everything_granted_arrives_as_it_was(tmp_path: Path, recognised: list[str]) -> None:
    status, results, _ = replay(tmp_path, [*ALL_KINDS], "--grant-all", *recognised)
    assert status == 0
    assert {(result["outcome"], result["reason"]) for result in results} == {
        ("permit", "all_consented")
    }
    assert all(as_recorded(*pair) for pair in zip(ALL_KINDS, results, strict=True))
    assert results[1]["received_headers"]["User-Agent"] == "Hub/224"


def test_what_is_granted_arrives_and_nothing_else(tmp_path: Path) -> None:
    status, results, _ = replay(
        tmp_path, [FRIDGE, STATION],
        "--grant", "$.body.components.main.*.temperature.value", "--grant", "$.query.tempf",
    )  # fmt: skip
    assert status == 0
    assert [(one["reason"], one["leaked"]) for one in results] == [("some_withheld", [])] * 2
    value = {"components": {"main": {"temperatureMeasurement": {"temperature": {"value": 3.1}}}}}
    assert json.loads(body_of(results[0])) == value
    assert (
        results[1]["received_url"] == "http://weather.example:8080/station/update.php?tempf=71.24"
    )


def test_a_path_that_matches_nothing_names_near_ones(tmp_path: Path) -> None:
    status, results, error = replay(tmp_path, [STATION], "--grant", "$.query.temp")
    assert (status, results) == (2, [])
    assert "$.query.temp: no data point has this path; near it: $.query.tempf" in error


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("{", "line 2: not JSON"),
        ({**FRIDGE, "protocol": "pigeon"}, "line 2: protocol 'pigeon' cannot be replayed"),
        ({**FRIDGE, "url": "ftp://a.example/"}, "line 2: url is not"),
        ({**FRIDGE, "body_b64": "no base64"}, "line 2: body_b64 is not base64"),
        ({**FRIDGE, "headers": {"A": "b\r\nC: d"}}, "line 2: headers holds"),
        ({**FRIDGE, "appliance": None}, "line 2: appliance is missing"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_named(bad: Any, sentence: str) -> None:
    lines = [json.dumps(FRIDGE), bad if isinstance(bad, str) else json.dumps(bad)]
    with pytest.raises(BadRecordingError) as raised:
        read_all(one.encode() for one in lines)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize("arguments", [["--grant", "$..deviceId"], ["--grant-all", "missing"], []])
def test_what_cannot_be_used_is_one_line_and_exit_status_2(
    tmp_path: Path, arguments: list[str]
) -> None:
    lines: list[dict[str, Any] | str] = [FRIDGE] if arguments else [FRIDGE, '{"protocol": "smtp"}']
    status, results, error = replay(tmp_path, lines, *arguments)
    assert (status, results) == (2, [])
    assert len(error.splitlines()) == (1 if "missing" not in arguments else 2)


def recorded(**members: Any) -> Recording:
    (one,) = read_all([json.dumps({**FRIDGE, **members}).encode()])
    return one


def test_a_request_goes_out_as_it_was_recorded() -> None:
    body = base64.b64encode(b"a=1").decode()
    written = wire.request(
        recorded(url="http://a.example/p%2Fq?x=%41", headers={"x-ODD": ["1", "2"]}, body_b64=body)
    )
    assert written == (
        b"POST /p%2Fq?x=%41 HTTP/1.1\r\nHost: a.example\r\nx-ODD: 1\r\nx-ODD: 2\r\n"
        b"Content-Length: 3\r\n\r\na=1"
    )


def test_chunks_are_made_where_the_recording_lost_them() -> None:
    for body in (b"a=1", b"3\r\na=1\r\n0\r\n\r\n"):
        encoded = base64.b64encode(body).decode()
        written = wire.request(recorded(headers=CHUNKED, body_b64=encoded))
        assert written.partition(b"\r\n\r\n")[2] == b"3\r\na=1\r\n0\r\n\r\n"


# --- The leak finder ---

SERIAL = "K7QWBN-33XTRLA"
SENT = leaves.read(
    "/v1", [], json.dumps({"serial": SERIAL, "mode": "eco", "load": 118003}).encode()
)
GRANTED = [leaves.parse("$.body.mode")]
ENCODINGS = {
    "plain": SERIAL,
    "hexadecimal": SERIAL.encode().hex(),
    "hexadecimal in capitals": f"a{SERIAL.encode().hex().upper()}",
    "base64": base64.b64encode(SERIAL.encode()).decode(),
    "base64, inside of something": base64.b64encode(f"id={SERIAL};".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"??>{SERIAL}".encode()).decode().rstrip("="),
    "percent-encoding": "".join(f"%{one:02x}" for one in SERIAL.encode()),
    "JSON escapes": "".join(f"\\u{ord(one):04x}" for one in SERIAL),
    "percent-encoded base64": quote(base64.b64encode(b"!!" + SERIAL.encode()).decode(), safe=""),
    "other punctuation": "k7-qw-bn-33-xt-rl-a",
}


def found(arrived: Arrived) -> list[str]:
    return [leak.path for leak in leaks.find(SENT, GRANTED, arrived)]


@pytest.mark.parametrize("text", ENCODINGS.values(), ids=ENCODINGS)
def test_a_leaked_value_is_found_in_every_encoding(text: str) -> None:
    body = b'{"mode": "eco", "x": "%s"}' % text.encode()
    for arrived in (
        Arrived(f"/v1?x={text}", [], b""),
        Arrived("/v1", [("X-Trace", text)], b""),
        Arrived("/v1", [], body),
        Arrived("/v1", [("Content-Encoding", "gzip")], gzip.compress(body)),
        Arrived("/v1", [], gzip.compress(b"{}") + gzip.compress(body)),
        Arrived("/v1", [("Content-Encoding", "zstd")], zstd.compress(body)),
    ):
        assert found(arrived) == ["$.body.serial"]


def test_a_leaked_number_is_found_but_not_inside_of_another() -> None:
    assert found(Arrived("/v1", [], b'{"mode": "eco", "l": 118003}')) == ["$.body.load"]
    assert found(Arrived("/v1", [], b'{"mode": "eco", "l": 51180031}')) == []


def test_what_is_granted_is_no_leak() -> None:
    assert found(Arrived("/v1", [("Content-Type", "application/json")], b'{"mode": "eco"}')) == []
    sent = leaves.read(
        "/", [], b'{"at": "2026-10-01T07:14", "day": "2026-10-01", "note": "2026-10-01T07:14"}'
    )
    arrived = Arrived("/", [], b'{"at": "2026-10-01T07:14"}')
    assert leaks.find(sent, [leaves.parse("$.body.at")], arrived) == []
    beside = Arrived("/", [], b'{"at": "2026-10-01T07:14", "d": "2026-10-01"}')
    assert [leak.path for leak in leaks.find(sent, [leaves.parse("$.body.at")], beside)] == [
        "$.body.day"
    ]


def test_an_identity_inside_of_a_granted_value_is_a_leak() -> None:
    sent = leaves.read("/", [], b'{"mac": "24:C8:6E:06:B1:5C", "name": "hub 24c86e06b15c"}')
    arrived = Arrived("/", [], b'{"name": "hub 24c86e06b15c"}')
    assert [leak.path for leak in leaks.find(sent, [leaves.parse("$.body.name")], arrived)] == [
        "$.body.mac"
    ]


def test_members_are_named_in_the_same_notation() -> None:
    sent = leaves.read(
        "/dev/24c86e06b15c?a.b=1",
        [("X-Id", "q"), ("Cookie", "s=t")],
        b'[{"k": {"it\'s": {"2026-10-01": 5}}}]'
    )  # fmt: skip
    assert [leaves.write(leaf.path) for leaf in sent.leaves] == [
        "$.path[1]", "$.query['a.b']", "$.header['x-id']", "$.cookie.s",
        "$.body[0].k['it\\'s']['2026-10-01']", "$.body[0].k['it\\'s']['2026-10-01']",
    ]  # fmt: skip
    assert all(leaves.parse(leaves.write(leaf.path)) == leaf.path for leaf in sent.leaves)


def test_the_leak_finder_knows_nothing_of_the_engine() -> None:
    for module in (leaks, leaves):
        assert "engine" not in {
            word for one in Path(str(module.__file__)).read_text().splitlines()
            if one.startswith(("import ", "from ")) for word in one.replace(".", " ").split()
        }  # fmt: skip


# --- What others recorded ---


def corpus() -> list[dict[str, Any]]:
    if not CORPUS.is_dir():
        pytest.skip("no corpus beside this repository")
    lines = []
    for file in sorted(CORPUS.glob("*.json")):
        body = file.read_bytes()
        name = file.stem
        lines.append(
            line(f"https://{name.replace('_', '-')}.example/v1", body, JSON, appliance=name)
        )
        if name.startswith("ecowitt"):
            query = urlencode(json.loads(body))
            lines.append(
                line("http://form.example/data/report/", query.encode(), FORM, appliance=name)
            )
            lines.append(line(f"http://query.example/update.php?{query}", appliance=name))
    for file in sorted(CORPUS.glob("acurite_*.txt")):
        # One request over several segments, each on a line.
        for request in re.finditer(
            r"GET (.+?) HTTP/1\.1\s+Host:\s+(\S+)", file.read_text(), re.DOTALL
        ):
            url = f"http://{request[2]}{request[1].replace('\n', '')}"
            lines.append(line(url, headers={"User-Agent": "Hub/224"}, appliance=file.stem))
    return lines


@pytest.mark.corpus
def test_nothing_of_the_corpus_arrives_without_a_grant(tmp_path: Path) -> None:
    status, results, _ = replay(tmp_path, [*corpus()])
    assert status == 0
    assert {result["outcome"] for result in results} == {"deny"}
    assert {result["received_b64"] for result in results} == {None}


@pytest.mark.corpus
def test_the_corpus_arrives_as_it_was_with_everything_granted(tmp_path: Path) -> None:
    lines = corpus()
    status, results, _ = replay(tmp_path, [*lines], "--grant-all")
    assert status == 0
    assert all(as_recorded(*pair) for pair in zip(lines, results, strict=True))


@pytest.mark.corpus
@pytest.mark.parametrize("seed", range(3))
def test_nothing_withheld_of_the_corpus_arrives(tmp_path: Path, seed: int) -> None:
    lines = [one for one in corpus() if len(one.get("body_b64", "")) < 100_000]
    chance = random.Random(seed)
    paths: set[str] = set()
    for one in read_all(json.dumps(each).encode() for each in lines):
        message = leaves.read(one.target, one.headers, one.body)
        known = {collapsed(leaf.path) for leaf in message.leaves if not leaf.is_name}
        paths.update(chance.sample(sorted(known), max(1, len(known) // 5)))
    grants = [argument for path in sorted(paths) for argument in ("--grant", path)]
    status, results, error = replay(tmp_path, [*lines], *grants)
    assert (status, error) == (0, "")
    assert [result["leaked"] for result in results] == [[]] * len(lines)
    assert any(result["outcome"] == "redact" for result in results)


def collapsed(path: leaves.Path) -> str:
    """A data point's path: positions and names that are data stand for all of their kind."""
    return "$" + "".join(
        "[*]" if isinstance(one, int) and path[0] != "path"
        else ".*" if isinstance(one, str) and leaves.is_data(one)
        else leaves.write((one,))[1:]
        for one in path
    )  # fmt: skip
