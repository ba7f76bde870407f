"""An appliance: reports through the gate whenever it is told to, as it would to its clouds.

As a process: `appliance NAME SERVER FROM ORIGIN…`. NAME is `fridge` or `toothbrush`. SERVER is
where it believes its clouds to be: an address and port (the request still names the cloud: the
home's DNS leads here), or a base URL that was typed in. FROM is its own address; ORIGIN says for
each of its reports where that is meant to go. Its first line is the port at which it can be asked
at home, 0 for none. Each line on standard input makes it send every report once and say what it
sent and heard, as a line of JSON; it ends with its standard input.
"""

from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
import json
from pathlib import Path
import sys
from typing import Any, Self
from urllib.parse import urlsplit

from . import payloads
from .at_home import AtHome
from .processes import Child

_APPLIANCES = {"fridge": payloads.FRIDGE, "toothbrush": payloads.TOOTHBRUSH}
_SECONDS = 20
"""How long it waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request as the appliance sent it, and the answer it got; status 0 is none."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int
    answer: str


class Appliance:
    """The process of an appliance."""

    def __init__(self, child: Child, name: str, port: int) -> None:
        self._child = child
        self.name = name
        self.port = port

    @classmethod
    async def start(
        cls, folder: Path, name: str, server: str, address: str, origins: list[str]
    ) -> Self:
        """Switch it on; it says nothing yet."""
        child = await Child.start(
            sys.executable,
            "-m",
            "demo.appliance",
            name,
            server,
            address,
            *origins,
            output=folder / f"{name}.log",
            talks=True,
        )
        return cls(child, name, int(await child.hear()))

    async def report(self) -> list[Sent]:
        """Let it report, and return what it sent, in order, with the answers."""
        await self._child.tell("report")
        return [Sent(**one) for one in json.loads(await self._child.hear(3 * _SECONDS))]

    async def stop(self) -> None:
        """Switch it off."""
        await self._child.stop()


def _send(server: str, address: str, origin: str, report: payloads.Report) -> Sent:
    if "://" in server:
        base = urlsplit(server)
        at, host, target = base.netloc, base.netloc, base.path.rstrip("/") + report.target
    else:
        at, host, target = server, urlsplit(origin).netloc, report.target
    name, _, port = at.rpartition(":")
    connection = HTTPConnection(name, int(port), timeout=_SECONDS, source_address=(address, 0))
    headers = {"Host": host, **report.headers}
    try:
        connection.request("POST", target, json.dumps(report.body).encode(), headers)
        response = connection.getresponse()
        status, answer = response.status, response.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        status, answer = 0, str(error)
    finally:
        connection.close()
    return Sent(
        url=origin + report.target,
        headers=headers,
        body=report.body,
        status=status,
        answer=answer,
    )


def main(arguments: list[str]) -> None:
    """Report per line of standard input until it ends."""
    name, server, address, *origins = arguments
    at_home = AtHome(address) if name == "fridge" else None
    print(at_home.port if at_home else 0, flush=True)
    for count, _ in enumerate(sys.stdin, start=1):
        sent = [
            _send(server, address, origin, report(count))
            for origin, report in zip(origins, _APPLIANCES[name], strict=True)
        ]
        if at_home is not None:
            at_home.say(count, payloads.fridge_status(count))
        print(json.dumps([asdict(one) for one in sent]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
