"""What the fridge tells whoever asks it at home: its own integration."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
from threading import Condition, Thread
from typing import Any, override
from urllib.parse import parse_qs, urlsplit

from .payloads import Report

_SECONDS = 10
"""How long somebody waits for news before they hear the same again."""


class AtHome:
    """The fridge's door to the home: `GET /status?after=COUNT` waits for what is newer."""

    def __init__(self, address: str) -> None:
        """Listen at an address, on a port of the system's choice."""
        self._status: dict[str, Any] = {"count": 0}
        self._news = Condition()
        at_home = self

        class Handler(BaseHTTPRequestHandler):
            @override
            def log_message(self, *_: object) -> None:
                """Say nothing of it."""

            def do_GET(self) -> None:
                after = int(parse_qs(urlsplit(self.path).query).get("after", ["0"])[0])
                body = json.dumps(at_home.newer(after)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = ThreadingHTTPServer((address, 0), Handler)
        server.daemon_threads = True
        self.port: int = server.server_address[1]
        Thread(target=server.serve_forever, daemon=True).start()

    def newer(self, after: int) -> dict[str, Any]:
        """Return the status when it is newer than that, or after a while in any case."""
        with self._news:
            self._news.wait_for(lambda: self._status["count"] > after, _SECONDS)
            return self._status

    def say(self, count: int, report: Report) -> None:
        """Tell what a report to the service desk tells too, each by a name of its own."""
        main, cooler = (report.body["components"][one] for one in ("main", "cooler"))
        freezer = report.body["components"]["freezer"]
        measured = "temperatureMeasurement"
        power = main["powerConsumptionReport"]["powerConsumption"]["value"]["power"]
        with self._news:
            self._status = {
                "count": count,
                "door": main["contactSensor"]["contact"]["value"] == "open",
                "running": main["compressor"]["running"]["value"],
                "speed": main["compressor"]["speed"]["value"],
                "openings": main["doorOpenings"]["today"]["value"],
                "power": power,
                "cooler": cooler[measured]["temperature"]["value"],
                "freezer": freezer[measured]["temperature"]["value"],
            }
            self._news.notify_all()
