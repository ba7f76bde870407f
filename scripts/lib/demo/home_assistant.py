"""A real Home Assistant: its folder, its start, its first user, and what it is asked through."""

import asyncio
import contextlib
import itertools
import json
from pathlib import Path
import re
import sys
import time
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse

from .processes import REPOSITORY, Child, free_port

USER = "demo"
PASSWORD = "demo"  # noqa: S105 - of a Home Assistant that nobody else can reach
_START_SECONDS = 180.0
"""A first start on a slow machine, with bytecode still to be compiled."""

_CONFIGURATION = """\
# The user interface, and what its device pages show. Nothing here calls the internet.
history:
logbook:
automation: !include automations.yaml
conversation:
input_boolean:
  data_was_blocked:
    name: Data was blocked

homeassistant:
  name: Demo home
  time_zone: Europe/Berlin
  latitude: 0
  longitude: 0
  unit_system: metric
  country: DE

logger:
  default: warning
  logs:
    haffmpeg: fatal # Neither installed nor needed here, like libturbojpeg.
    homeassistant.components.camera.img_util: fatal
"""


class HomeAssistantError(Exception):
    """Home Assistant did not do what it was asked."""


class HomeAssistant:
    """One Home Assistant in a folder, started, with a user logged in."""

    def __init__(self, folder: Path, port: int) -> None:
        """Nothing is started before `start`."""
        self.folder = folder
        self.log = folder / "console.log"
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._child: Child | None = None
        self._session: ClientSession | None = None
        self._socket: ClientWebSocketResponse | None = None
        self._numbers = itertools.count(1)
        self.tokens: dict[str, Any] = {}
        self._refreshed = 0.0

    @classmethod
    def at_a_free_port(cls, folder: Path) -> Self:
        """Return one in this folder, on a port that is free now."""
        return cls(folder, free_port())

    async def __aenter__(self) -> Self:
        """Start it; what was begun is ended where that fails."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        await self.stop()

    async def start(self) -> None:
        """Write the folder, start, create the user, log in, and wait until it runs."""
        self._write_folder()
        self._session = ClientSession(timeout=ClientTimeout(total=30))
        # The user interface, the websocket API and flows need no more than what setup installed.
        self._child = await Child.start(
            sys.executable,
            str(Path(__file__).with_name("processes.py")),
            sys.executable,
            "-m",
            "homeassistant",
            "--config",
            str(self.folder),
            "--skip-pip",
            "--log-no-color",
            output=self.log,
        )
        deadline = time.monotonic() + _START_SECONDS
        await self._onboard(deadline)
        await self._connect()
        while (await self.get("/api/config"))["state"] != "RUNNING":
            self._still_alive(deadline)
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Close what is open and end the process."""
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        if self._child is not None:
            await self._child.stop()

    def _write_folder(self) -> None:
        storage = self.folder / ".storage"
        components = self.folder / "custom_components"
        storage.mkdir(parents=True)
        components.mkdir()
        (self.folder / "configuration.yaml").write_text(_CONFIGURATION)
        (self.folder / "automations.yaml").write_text("[]\n")
        (components / "privacy_firewall").symlink_to(
            REPOSITORY / "custom_components" / "privacy_firewall"
        )
        (components / "frostco").symlink_to(REPOSITORY / "scripts" / "lib" / "frostco")
        # Not in YAML: that is a trial, and reverted after five minutes.
        http = {
            "server_host": ["127.0.0.1"],
            "server_port": self._port,
            "cors_allowed_origins": [],
            "login_attempts_threshold": -1,
            "ip_ban_enabled": False,
            "ssl_profile": "modern",
            "use_x_frame_options": True,
            "created_at": "2026-01-01T00:00:00+00:00",
            "error": None,
            "error_message": None,
        }
        _store(
            storage / "http",
            "http",
            (2, 2),
            {"yaml_migration_done": True, "pending": None, "stable": http},
        )
        # All but the user, who is made by REST: the other steps would set up integrations that
        # call the internet (weather, radio, speech).
        done = ["core_config", "analytics", "integration"]
        _store(storage / "onboarding", "onboarding", (4, 1), {"done": done})

    def _still_alive(self, deadline: float) -> None:
        assert self._child is not None
        if self._child.ended is not None:
            raise HomeAssistantError(f"Home Assistant ended with status {self._child.ended}")
        if time.monotonic() > deadline:
            raise HomeAssistantError("Home Assistant did not start in time")

    async def _onboard(self, deadline: float) -> None:
        assert self._session is not None
        client = f"{self.url}/"
        person = {
            "name": "Demo",
            "username": USER,
            "password": PASSWORD,
            "client_id": client,
            "language": "en",
        }
        code = ""
        while not code:
            self._still_alive(deadline)
            # Its server answers before onboarding is set up: with 404, or not at all.
            with contextlib.suppress(ClientError):
                async with self._session.post(
                    f"{self.url}/api/onboarding/users", json=person
                ) as answer:
                    if answer.status == 200:
                        code = (await answer.json())["auth_code"]
                    elif answer.status not in (404, 503):
                        raise HomeAssistantError(f"no user: {await answer.text()}")
            await asyncio.sleep(0.1)
        await self._token({"grant_type": "authorization_code", "code": code})

    async def _token(self, grant: dict[str, str]) -> None:
        assert self._session is not None
        async with self._session.post(
            f"{self.url}/auth/token", data={"client_id": f"{self.url}/", **grant}
        ) as answer:
            answer.raise_for_status()
            self.tokens = {**self.tokens, **await answer.json()}
        self._refreshed = time.monotonic()

    async def _connect(self) -> None:
        assert self._session is not None
        address = f"{self.url.replace('http', 'ws', 1)}/api/websocket"
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        await self._socket.receive_json(timeout=10)
        await self._socket.send_json({"type": "auth", "access_token": self.tokens["access_token"]})
        answer = await self._socket.receive_json(timeout=10)
        if answer["type"] != "auth_ok":
            raise HomeAssistantError("the websocket refused the token")

    async def _request(self, method: str, path: str, body: object = None) -> Any:
        assert self._session is not None
        if time.monotonic() - self._refreshed > self.tokens["expires_in"] / 2:
            await self._token(
                {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
            )
        async with self._session.request(
            method,
            self.url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.tokens['access_token']}"},
        ) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise HomeAssistantError(f"{method} {path} was answered {answer.status}: {text}")
            return json.loads(text)

    async def get(self, path: str) -> Any:
        """Ask the REST API."""
        return await self._request("GET", path)

    async def post(self, path: str, body: object) -> Any:
        """Tell the REST API."""
        return await self._request("POST", path, body)

    async def call(self, action: str, entity_id: str | list[str]) -> None:
        """Perform an action on entities, as the user who is logged in."""
        domain, name = action.split(".")
        await self.post(f"/api/services/{domain}/{name}", {"entity_id": entity_id})

    async def flow(self, kind: str, handler: object, *answers: dict[str, Any]) -> dict[str, Any]:
        """Fill in a flow's forms one after another; return the last step's result.

        `kind` is `flow`, `options/flow` or `subentries/flow`. A form that comes back with errors
        is a failure.
        """
        place = f"/api/config/config_entries/{kind}"
        step: dict[str, Any] = await self.post(place, {"handler": handler})
        for answer in answers:
            if step["type"] != "form":
                raise HomeAssistantError(f"{handler}: {step['type']} {step.get('reason', '')}")
            step = await self.post(f"{place}/{step['flow_id']}", answer)
            if step.get("errors"):
                raise HomeAssistantError(f"{handler}, {step['step_id']}: {step['errors']}")
        return step

    async def proceed(self, kind: str, step: dict[str, Any]) -> dict[str, Any]:
        """Submit a form that asks nothing."""
        place = f"/api/config/config_entries/{kind}/{step['flow_id']}"
        return dict(await self.post(place, {}))

    async def ask(self, kind: str, **arguments: object) -> Any:
        """Send a websocket command and return its result."""
        assert self._socket is not None
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "type": kind, **arguments})
        while True:
            answer = await self._socket.receive_json(timeout=30)
            if answer["id"] == number and answer["type"] == "result":
                break
        if not answer["success"]:
            raise HomeAssistantError(f"{kind}: {answer['error']['message']}")
        return answer["result"]

    async def states(self) -> dict[str, dict[str, Any]]:
        """Return every entity's state object by its id."""
        return {state["entity_id"]: state for state in await self.get("/api/states")}


def complaints(log: Path, of: str = "") -> list[str]:
    """Return the warnings and errors in a log, each with its traceback, that name `of`."""
    found: list[str] = []
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        if re.match(r"\d{4}-\d\d-\d\d \S+ \w+ ", line) or not found:
            found.append(line)
        else:
            found[-1] += f"\n{line}"
    # That the integration is a custom one, and that nothing is to be installed, is as it should be.
    dull = re.compile(
        r"\S+ \S+ (DEBUG|INFO) |.*(We found a custom integr|Skipping pip installation)"
    )
    return [one for one in found if of in one and not dull.match(one)]


def _store(file: Path, key: str, version: tuple[int, int], data: object) -> None:
    """Write a file as Home Assistant's `Store` does."""
    major, minor = version
    file.write_text(
        json.dumps({"version": major, "minor_version": minor, "key": key, "data": data})
    )
