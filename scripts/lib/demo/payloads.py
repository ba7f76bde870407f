"""What the two appliances say: shapes and member names as real ones have them, values of our own.

`count` is how often the appliance has reported. Every report differs, so that what arrives at a
cloud tells which report it comes from.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_MORNING = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)

FRIDGE_IDENTITIES = {
    "serial number": "0A7Z3BBT900417K",
    "DUID": "WMCNQ3JHT5XKI",
    "device id": "7f3a9c52-1d84-4be6-9a0f-c2e85b14d703",
    "MAC": "64:1c:b0:9e:27:f1",
    "account": "7c1e0b7aa4",
    "home id": "b3d8f1a2-6e07-45c9-8d14-90a7be52cf36",
    "advertising id": "c9f05d1e-32b7-4a86-b1e4-5d7f0a93e268",
}
TOOTHBRUSH_IDENTITIES = {
    "serial number": "BS7K20931884",
    "MAC": "c8:2e:18:5b:d0:4a",
    "user id": "u-58213907",
    "user name": "Mia Sommerfeld",
    "session id": "e1b06c44-7d2f-4f7b-a9c8-0f3d6a5be172",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One request an appliance makes; the gate's address is not part of it."""

    target: str
    headers: dict[str, str]
    body: dict[str, Any]


def _at(count: int, *, hours: int = 0) -> str:
    at = _MORNING + timedelta(hours=hours, minutes=10 * count)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _swing(count: int, steps: int) -> int:
    """Go up to a number of steps and down to 0 again, so that no value leaves what is plausible."""
    return steps - abs(count % (2 * steps) - steps)


def fridge_status(count: int) -> Report:
    """What the fridge tells its maker's service desk: everything it measures."""
    me = FRIDGE_IDENTITIES

    def shown(value: object, unit: str | None = None) -> dict[str, object]:
        told = {"value": value} | ({"unit": unit} if unit else {})
        return told | {"timestamp": _at(count)}

    return Report(
        target="/v2/devices/status",
        headers={
            "User-Agent": f"FrostCo-RF29/1.8.2 ({me['serial number']})",
            "X-Device-Duid": me["DUID"],
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
        },
        body={
            "deviceId": me["device id"],
            "firmwareVersion": "A-RFWW-TP2-24-COM_20260812",
            "components": {
                "main": {
                    "compressor": {
                        "running": shown(count % 2 == 1),
                        "speed": shown(1800 + 35 * _swing(count, 40), "rpm"),
                    },
                    "contactSensor": {"contact": shown("open" if count % 3 == 0 else "closed")},
                    "doorOpenings": {"today": shown(11 + 2 * _swing(count, 12))},
                    "powerConsumptionReport": {
                        "powerConsumption": {
                            "value": {
                                "energy": 2481300 + 17 * count,
                                "power": 82 + _swing(count, 30),
                                "start": _at(count - 1),
                                "end": _at(count),
                            }
                        }
                    },
                    "sabbathMode": {"supported": shown(True), "status": shown("off")},
                },
                "cooler": {
                    "temperatureMeasurement": {
                        "temperature": shown(round(3.1 + _swing(count, 15) / 10, 1), "C")
                    },
                    "thermostatSetpoint": {"setpoint": shown(4, "C")},
                },
                "freezer": {
                    "temperatureMeasurement": {"temperature": shown(-18 - _swing(count, 4), "C")},
                },
                "execute": {
                    "data": {
                        "value": {
                            "payload": {
                                "serialNumber": me["serial number"],
                                "duid": me["DUID"],
                                "macAddress": me["MAC"],
                            }
                        }
                    }
                },
            },
        },
    )


def fridge_profile(count: int) -> Report:
    """What the same fridge tells a marketing partner: who lives here, and how."""
    me = FRIDGE_IDENTITIES
    return Report(
        target="/collect/v1/household",
        headers={
            "User-Agent": f"FrostCo-RF29/1.8.2 ({me['serial number']})",
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Cookie": f"adid={me['advertising id']}",
        },
        body={
            "advertisingId": me["advertising id"],
            "accountId": me["account"],
            "homeId": me["home id"],
            "usage": {
                "doorOpeningsToday": 11 + 2 * _swing(count, 12),
                "nightOpenings": 1 + _swing(count, 4),
                "compressorRunning": count % 2 == 1,
                "coolerTemperature": round(3.1 + _swing(count, 15) / 10, 1),
            },
            "shopping": {"milkLow": True, "lastScanned": "oat milk 1 l"},
        },
    )


def brushing_session(count: int) -> Report:
    """What the toothbrush tells the dentist's portal after somebody brushed."""
    me = TOOTHBRUSH_IDENTITIES
    return Report(
        target="/v1/sessions",
        headers={
            "User-Agent": "BrightSmile/4.2 (io-9)",
            "Authorization": "Bearer eyJ0eXAiOiJKV1QifQ.c2Vzc2lvbg.5f1d",
            "Content-Type": "application/json",
            "Accept": "application/json",
        },
        body={
            "device": {
                "serialNumber": me["serial number"],
                "macAddress": me["MAC"],
                "model": "io-9",
                "batteryLevel": 90 - _swing(count, 60),
            },
            "user": {"userId": me["user id"], "userName": me["user name"]},
            "sessionId": me["session id"],
            "brushing": {
                "startedAt": _at(count, hours=12),
                "seconds": 118 + 3 * _swing(count, 20),
                "targetSeconds": 120,
                "pressureWarnings": 2 + _swing(count, 6),
                "zones": [
                    {"zone": "upper left", "seconds": 31 + _swing(count, 20)},
                    {"zone": "upper right", "seconds": 29},
                    {"zone": "lower left", "seconds": 30},
                    {"zone": "lower right", "seconds": 28 + 2 * _swing(count, 20)},
                ],
            },
        },
    )


def brushing_event(count: int) -> Report:
    """What the toothbrush tells its maker's analytics, at the same host."""
    me = TOOTHBRUSH_IDENTITIES
    return Report(
        target="/telemetry/events",
        headers={
            "User-Agent": "BrightSmile/4.2 (io-9)",
            "Content-Type": "application/json",
            "Accept": "*/*",
        },
        body={
            "serialNumber": me["serial number"],
            "userName": me["user name"],
            "habits": {"brushedToday": 1, "streakDays": 4 + _swing(count, 20)},
            "battery": {"level": 90 - _swing(count, 60)},
        },
    )


FRIDGE = (fridge_status, fridge_profile)
TOOTHBRUSH = (brushing_session, brushing_event)
