"""DNS servers as processes of their own, and what asks them.

python -m bench.names PORT-OF-RESOLVER
"""

import asyncio
import contextlib
from pathlib import Path
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from typing import Self, override

from .household import Firewall, names_household

APPLIANCE = "127.0.0.2"
STRANGER = "127.0.0.9"
ZONE = "vendor.example"
_BEAT = 0.002
"""Seconds between two beats by which the loop's lag is measured."""
_START = 20.0


# --- Ours ---


async def _serve(resolver: int) -> None:
    """Run the gate, print its port, and tell the loop's lag when asked for it."""
    lags: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        firewall = Firewall(database=Path(folder) / "bench.db", on_event=lambda _: None)
        await firewall.start()
        port = await names_household(firewall, ZONE, APPLIANCE, resolver)
        print(port, flush=True)
        beating = asyncio.get_running_loop().create_task(_beat(lags))
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        # Our standard input ends when whoever started us ends.
        while await reader.readline():
            lags.sort()
            print(1000 * lags[int(len(lags) * 0.99)] if lags else 0.0, flush=True)
            lags.clear()
        beating.cancel()
        await firewall.stop()


async def _beat(lags: list[float]) -> None:
    while True:
        due = time.perf_counter() + _BEAT
        await asyncio.sleep(_BEAT)
        lags.append(time.perf_counter() - due)


class Gate:
    """The firewall's DNS gate, running; it asks dnsmasq at a port."""

    def __init__(self, resolver: int) -> None:
        """Start it and wait for its port."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.names", str(resolver)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._hear())

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def lag(self) -> float:
        """Return the 99th percentile of the loop's lag since the last time, in milliseconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("lag\n")
        self._process.stdin.flush()
        return float(self._hear())

    def __enter__(self) -> Self:
        """Nothing more to do: it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_START)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# --- Theirs ---


class Dnsmasq:
    """dnsmasq, running, without a cache; it answers a zone itself or asks another port."""

    def __init__(self, *, zone: str | None = None, resolver: int | None = None) -> None:
        """Start it and wait until it answers."""
        self.port = _free_port()
        arguments = [
            program("dnsmasq") or "dnsmasq", "--keep-in-foreground", f"--port={self.port}",
            "--listen-address=127.0.0.1",
            "--bind-interfaces", "--no-resolv", "--no-hosts", "--cache-size=0",
            "--dns-forward-max=10000", "--pid-file=", "--user=root",
        ]  # fmt: skip
        if zone is not None:
            arguments.append(f"--address=/{zone}/93.184.216.34")
        if resolver is not None:
            arguments.append(f"--server=127.0.0.1#{resolver}")
        self._process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dnsmasq did not start")

    def __enter__(self) -> Self:
        """Nothing more to do: it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_START)


def program(name: str) -> str | None:
    """Return where a program is; Debian keeps servers where not everybody looks."""
    return shutil.which(name) or shutil.which(f"/usr/sbin/{name}")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.connect(("127.0.0.1", port))
        with contextlib.suppress(OSError):
            probe.send(question(1, f"ready.{ZONE}"))
            return bool(probe.recv(512))
    time.sleep(0.05)
    return False


# --- Load ---


def question(number: int, name: str) -> bytes:
    """Return a question for a name's IPv4 address (RFC 1035, section 4.1)."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def per_second(port: int, names: Path, source: str, seconds: float) -> float:
    """Let dnsperf ask as fast as it is answered; return questions a second."""
    ended = subprocess.run(
        [
            "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-a", source, "-d", str(names),
            "-l", str(seconds), "-c", "8", "-q", "200", "-S", "0",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    lost = re.search(r"Queries lost:\s+(\d+)", ended.stdout)
    rate = re.search(r"Queries per second:\s+([\d.]+)", ended.stdout)
    sent = re.search(r"Queries sent:\s+(\d+)", ended.stdout)
    assert lost is not None, ended.stdout
    assert rate is not None, ended.stdout
    assert sent is not None, ended.stdout
    if int(lost[1]) > int(sent[1]) / 100:
        raise RuntimeError(f"{lost[1]} of {sent[1]} questions were lost")
    return float(rate[1])


async def _paced(port: int, source: str, rate: int, seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    sent: dict[int, float] = {}
    latencies: list[float] = []

    class Asking(asyncio.DatagramProtocol):
        @override
        def datagram_received(self, data: bytes, addr: object) -> None:
            number = int.from_bytes(data[:2])
            if number in sent:
                latencies.append(time.perf_counter() - sent.pop(number))

    transport, _ = await loop.create_datagram_endpoint(
        Asking, local_addr=(source, 0), remote_addr=("127.0.0.1", port)
    )
    started = time.perf_counter()
    for number in range(min(int(rate * seconds), 60_000)):
        due = started + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent[number] = time.perf_counter()
        transport.sendto(question(number, f"host-{number % 5000}x.{ZONE}"))
    await asyncio.sleep(0.5)
    transport.close()
    if len(sent) > len(latencies) / 100:
        raise RuntimeError(f"{len(sent)} questions were not answered")
    return sorted(latencies)


def latency(port: int, source: str, *, rate: int, seconds: float) -> float:
    """Ask at a steady rate; return the 99th percentile of the time to an answer in milliseconds."""
    latencies = asyncio.run(_paced(port, source, rate, seconds))
    return 1000 * latencies[int(len(latencies) * 0.99)]


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1])))
