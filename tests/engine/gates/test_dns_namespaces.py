"""A home network in namespaces: an appliance that has this DNS server and nothing else.

Real frames with real MACs on a wire of its own, real `dig` and `curl`, ports 53 and 80. What the
wire beyond the firewall would carry is what the made-up resolver and the cloud behind it get.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Any

import pytest

HOST, FRIDGE, PHONE = "10.77.0.1", "10.77.0.2", "10.77.0.3"
OVER_IPV6 = {"host": "fd77::1", "fridge": "fd77::2", "phone": "fd77::3"}
MAC, OTHER_MAC = "02:77:00:00:00:02", "02:77:00:00:00:03"
READABLE, OPAQUE, SHOP = "api.frost.example", "mqtt.frost.example", "shop.example"
TESTS = Path(__file__).parents[1]
ENGINE = Path(__file__).parents[3] / "custom_components" / "privacy_firewall"
READ = """\
import json, sys
sys.path.append(sys.argv[1])
from engine.neighbours import read_over_ipv6
print(json.dumps(read_over_ipv6()))
"""
PREFIX = f"pf{os.getpid()}"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)


class Lab:
    """A host and two clients, a namespace each, on one wire."""

    def __init__(self, folder: Path, host: str = HOST) -> None:
        self._folder = folder
        self._host = host
        self._process: subprocess.Popen[str] | None = None

    def build(self) -> None:
        for name in ("host", "fridge", "phone"):
            ip("netns", "add", f"{PREFIX}{name}")
            self.inside(name, "ip", "link", "set", "lo", "up")
        self.inside("host", "ip", "link", "add", "home", "type", "bridge")
        self.inside("host", "ip", "addr", "add", f"{HOST}/24", "dev", "home")
        self.inside("host", "ip", "link", "set", "home", "up")
        for name, address, mac in (("fridge", FRIDGE, MAC), ("phone", PHONE, OTHER_MAC)):
            ip("link", "add", "wire", "netns", f"{PREFIX}{name}", "type", "veth",
               "peer", "name", name, "netns", f"{PREFIX}host")  # fmt: skip
            self.inside(name, "ip", "link", "set", "wire", "address", mac)
            self.inside(name, "ip", "addr", "add", f"{address}/24", "dev", "wire")
            self.inside(name, "ip", "link", "set", "wire", "up")
            self.inside("host", "ip", "link", "set", name, "master", "home", "up")
        if ":" in self._host:
            for name, address in OVER_IPV6.items():
                device = "home" if name == "host" else "wire"
                self.inside(name, "ip", "addr", "add", f"{address}/64", "dev", device, "nodad")

    def inside(self, name: str, *command: str, check: bool = True) -> str:
        ended = subprocess.run(
            ["ip", "netns", "exec", f"{PREFIX}{name}", *command],
            check=check, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        return ended.stdout

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", f"{PREFIX}host", sys.executable, "-m", "lab_household",
             str(ENGINE), str(self._folder), self._host, MAC],
            cwd=TESTS, stdin=-1, stdout=-1, text=True,
        )  # fmt: skip
        assert self._hear() == "ready"

    def _hear(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def tell(self, line: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._hear()

    def dig(self, name: str, *more: str, by: str = "fridge") -> str:
        """The records' data; without any, the status."""
        said = self.inside(by, "dig", f"@{self._host}", "+tries=1", "+time=3", name, *more)
        records = [one.split()[-1] for one in said.splitlines() if one and one[0] != ";"]
        status = said.partition("status: ")[2].partition(",")[0]
        return " ".join(records) if "ANSWER SECTION" in said else status

    def report(self, body: str) -> str:
        """What the fridge hears from `http://api.frost.example`, as its resolver has it."""
        address = self.dig(READABLE)
        return self.inside(
            "fridge", "curl", "--silent", "--max-time", "10", "--noproxy", "*",
            "--resolve", f"{READABLE}:80:{address}", "--json", body,
            f"http://{READABLE}/v1/report", check=False,
        )  # fmt: skip

    def end(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()
        for name in ("host", "fridge", "phone"):
            subprocess.run(
                ["ip", "netns", "del", f"{PREFIX}{name}"], check=False, capture_output=True
            )


@contextmanager
def opened(folder: Path, host: str) -> Iterator[Lab]:
    for program in ("ip", "dig", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    made = Lab(folder, host)
    try:
        try:
            made.build()
        except (OSError, subprocess.CalledProcessError) as err:
            said = getattr(err, "stderr", None) or err
            pytest.skip(f"network namespaces are not to be had here: {said}")
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with opened(tmp_path, HOST) as made:
        yield made


@pytest.fixture
def lab_over_ipv6(tmp_path: Path) -> Iterator[Lab]:
    with opened(tmp_path, OVER_IPV6["host"]) as made:
        yield made


def test_an_appliance_that_has_only_this_dns(lab: Lab) -> None:
    """It is known by its MAC alone, over addresses, and tells its cloud what was given."""
    for kind in ("A", "AAAA", "HTTPS", "TXT"):
        assert lab.dig(SHOP, kind) == "NXDOMAIN"
        assert lab.dig(OPAQUE, kind) == "NXDOMAIN"
    assert lab.dig(READABLE) == HOST
    assert lab.dig(READABLE, "AAAA") == "NOERROR"
    assert lab.report('{"temp":4.5,"serial":"XK42-998-1177"}') == "{}"
    seen = lab.tell("seen")
    assert (seen["asked"], seen["received"]) == ([], [])
    assert seen["protection"] == "protected"
    assert lab.tell("give $.body.temp") == 1
    assert json.loads(lab.report('{"temp":4.5,"serial":"XK42-998-1177"}')) == {"ok": True}
    seen = lab.tell("seen")
    assert seen["received"] == [{"temp": 4.5}]
    # Only the gate itself asked, for where it sent that.
    assert set(seen["asked"]) == {READABLE}
    assert lab.tell("give $.opaque") == 1
    assert lab.dig(OPAQUE) == "93.184.216.2"
    assert lab.tell("take $.opaque") == 1
    assert lab.dig(OPAQUE) == "NXDOMAIN"
    assert lab.tell("seen")["asked"] == [OPAQUE]


def test_another_address_is_the_same_appliance(lab: Lab) -> None:
    lab.inside("fridge", "ip", "addr", "flush", "dev", "wire")
    lab.inside("fridge", "ip", "addr", "add", "10.77.0.99/24", "dev", "wire")
    assert lab.dig(SHOP) == "NXDOMAIN"
    assert lab.dig(READABLE) == HOST
    assert lab.tell("seen")["asked"] == []


def test_whoever_is_no_appliance_is_served_and_listed(lab: Lab) -> None:
    assert lab.dig(SHOP, by="phone") == "93.184.216.3"
    assert lab.dig(SHOP, "+tcp", by="phone") == "93.184.216.3"
    seen = lab.tell("seen")
    assert seen["asked"] == [SHOP]
    assert seen["strangers"] == [OTHER_MAC]
    assert seen["protection"] == "not_seen"


def test_over_ipv6_an_appliance_is_known_by_its_mac_as_well(lab_over_ipv6: Lab) -> None:
    """Its addresses are many, and change: the kernel's neighbours tell who it is."""
    lab = lab_over_ipv6
    assert lab.dig(SHOP) == "NXDOMAIN"
    assert lab.dig(READABLE, "AAAA") == OVER_IPV6["host"]
    lab.inside("fridge", "ip", "addr", "add", "fd77::99/64", "dev", "wire", "nodad")
    # It may keep the host's MAC from before, so that the host hears of its own only when answering.
    assert lab.dig(SHOP, "-b", "fd77::99") in {"NXDOMAIN", "SERVFAIL"}
    assert lab.dig(SHOP, "-b", "fd77::99") == "NXDOMAIN"
    assert lab.dig(SHOP, "+tcp", "-b", "fd77::99") == "NXDOMAIN"
    seen = lab.tell("seen")
    assert (seen["asked"], seen["strangers"]) == ([], [])
    assert seen["protection"] == "protected"
    # Neither is anybody else taken for it: what has another MAC is served.
    assert lab.dig(SHOP, by="phone") == "93.184.216.3"
    seen = lab.tell("seen")
    assert (seen["asked"], seen["strangers"]) == ([SHOP], [OTHER_MAC])


def test_the_kernel_tells_of_ipv6_neighbours(lab_over_ipv6: Lab) -> None:
    lab = lab_over_ipv6

    def neighbours() -> Any:
        return json.loads(lab.inside("host", sys.executable, "-c", READ, str(ENGINE)))

    before = neighbours()
    assert OVER_IPV6["fridge"] not in before
    lab.dig(SHOP)
    lab.dig(SHOP, by="phone")
    after = neighbours()
    assert after[OVER_IPV6["fridge"]] == MAC
    assert after[OVER_IPV6["phone"]] == OTHER_MAC
