"""Messages of real vendors: made up here after the shape of a cited source, or from the corpus.

The names of members and how they are nested are the vendors'; every value is ours.
"""

from collections.abc import Iterator
import json
import re
from typing import Any
from urllib.parse import urlencode

from engine.model import Transmission
from helpers import CORPUS, post

FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
JSON = (("Content-Type", "application/json"),)


def sent(host: str, target: str, body: Any = b"", *, method: str = "POST") -> Transmission:
    """A message at a vendor's host; a dictionary is written as JSON."""
    if isinstance(body, dict):
        return post(json.dumps(body), target, JSON, method, host)
    return post(body, target, FORM if body else (), method, host)


# --- Made up after the cited sources ---

ECOWITT = {
    "PASSKEY": "8A1F00C3D94B77E21059AA63F0B41C2D", "stationtype": "GW2000A_V3.1.1",
    "runtime": "4211", "heap": "20480", "dateutc": "2026-03-01 08:15:00", "model": "GW2000A",
    "freq": "868M", "tempinf": "69.4", "humidityin": "44", "tempf": "41.2", "humidity": "81",
    "baromrelin": "29.902", "baromabsin": "29.101", "winddir": "215", "windspeedmph": "3.4",
    "windgustmph": "5.1", "maxdailygust": "9.8", "solarradiation": "122.4", "uv": "1",
    "rainratein": "0.012", "eventrainin": "0.100", "hourlyrainin": "0.020", "dailyrainin": "0.110",
    "weeklyrainin": "0.310", "monthlyrainin": "0.310", "yearlyrainin": "4.020",
    "totalrainin": "19.300", "rrain_piezo": "0.000", "drain_piezo": "0.100", "yrain_piezo": "4.100",
    "ws90cap_volt": "5.2", "wh90batt": "3.2", "wh40batt": "1.5", "wh26batt": "0", "wh65batt": "0",
    "lightning_num": "2", "lightning": "14", "lightning_time": "1772352000", "temp1f": "63.0",
    "humidity1": "51", "soilmoisture2": "33", "leak_ch1": "0", "co2": "612",
}  # fmt: skip
WUNDERGROUND = {
    "ID": "KEXAMPLE7", "PASSWORD": "made-up-1", "dateutc": "now", "action": "updateraw",
    "realtime": "1", "rtfreq": "30", "id": "24C800112233", "mt": "5N1x38", "sensor": "00000417",
    "windspeedmph": "4", "winddir": "270", "rainin": "0.00", "dailyrainin": "0.04",
    "humidity": "62", "tempf": "48.3", "dewptf": "35", "baromin": "29.71", "battery": "normal",
    "rssi": "3", "UV": "2",
}  # fmt: skip
ACURITE = {
    name: value
    for name, value in WUNDERGROUND.items()
    if name not in ("ID", "PASSWORD", "rtfreq", "UV")
}
AIRGRADIENT = {
    "wifi": -58, "rco2": 688, "pm01": 2.5, "pm02": 4, "pm10": 4.5, "pm003Count": 512, "atmp": 22.4,
    "rhum": 47.1, "tvocIndex": 96, "tvocRaw": 31200, "noxIndex": 1, "noxRaw": 16100, "boot": 31,
    "serialno": "84fce6001122",
}  # fmt: skip
TASMOTA = {
    "Time": "2026-03-01T08:15:00",
    "ENERGY": {
        "TotalStartTime": "2025-11-01T10:00:00", "Total": 41.207, "Yesterday": 0.81, "Today": 0.22,
        "Period": 3, "Power": 61, "ApparentPower": 74, "ReactivePower": 42, "Factor": 0.82,
        "Voltage": 231, "Current": 0.32,
    },
}  # fmt: skip


def _localized(raw: Any, text: str, label: str) -> dict[str, Any]:
    return {"value_raw": raw, "value_localized": text, "key_localized": label}


MIELE = {
    "ident": {
        "type": _localized(1, "Washing machine", "Device type"),
        "deviceName": "Laundry",
        "deviceIdentLabel": {
            "fabNumber": "000187654321", "fabIndex": "64", "techType": "WEX 100",
            "matNumber": "11500000", "swids": ["1001", "1002"],
        },
        "xkmIdentLabel": {"techType": "EK000", "releaseVersion": "8.32"},
    },
    "state": {
        "ProgramID": _localized(9, "Woollens", "Program name"),
        "status": _localized(5, "In use", "status"),
        "programPhase": _localized(260, "Main wash", "Program phase"),
        "remainingTime": [0, 59],
        "startTime": [0, 0],
        "targetTemperature": [{"value_raw": 4000, "value_localized": 40.0, "unit": "Celsius"}],
        "temperature": [{"value_raw": 3120, "value_localized": 31.2, "unit": "Celsius"}],
        "signalInfo": False, "signalFailure": False, "signalDoor": False,
        "remoteEnable": {"fullRemoteControl": True, "smartGrid": False, "mobileStart": False},
        "spinningSpeed": {"unit": "rpm", "value_raw": 1200, "value_localized": "1200"},
        "batteryLevel": None,
    },
}  # fmt: skip
HOME_CONNECT = {
    "data": {
        "status": [
            {
                "key": "BSH.Common.Status.OperationState",
                "value": "BSH.Common.EnumType.OperationState.Run",
            },
            {
                "key": "BSH.Common.Status.DoorState",
                "value": "BSH.Common.EnumType.DoorState.Closed",
            },
            {"key": "BSH.Common.Status.RemoteControlActive", "value": True},
        ]
    }
}
WITHINGS_MEASURES = {
    "status": 0,
    "body": {
        "updatetime": 1772352000,
        "timezone": "Europe/Madrid",
        "measuregrps": [
            {
                "grpid": 40, "attrib": 0, "date": 1772351000, "created": 1772351010, "category": 1,
                "deviceid": "aa00bb11cc22dd33ee44ff5500661177", "model": "Body Comp",
                "measures": [
                    {"value": 70111, "type": 1, "unit": -3},
                    {"value": 181, "type": 6, "unit": -1},
                ],
            }
        ],
    },
}  # fmt: skip
WITHINGS_SLEEP = {
    "status": 0,
    "body": {
        "series": [
            {
                "startdate": 1772310000, "enddate": 1772311000, "state": 1,
                "hr": {"1772310060": 58}, "rr": {"1772310060": 13}, "snoring": {"1772310060": 0},
            }
        ]
    },
}  # fmt: skip
WITHINGS_SUMMARY = {
    "status": 0,
    "body": {
        "series": [
            {
                "startdate": 1772310000, "enddate": 1772338800, "timezone": "Europe/Madrid",
                "data": {
                    "total_sleep_time": 25200, "lightsleepduration": 14400, "wakeupcount": 2,
                    "deepsleepduration": 6000, "remsleepduration": 4800, "wakeupduration": 900,
                    "out_of_bed_count": 1, "durationtosleep": 300, "sleep_score": 81,
                    "snoring": 120, "breathing_disturbances_intensity": 4,
                    "apnea_hypopnea_index": 1, "hr_average": 57, "hr_min": 49, "hr_max": 77,
                },
            }
        ]
    },
}  # fmt: skip
WITHINGS_DEVICES = {
    "status": 0,
    "body": {
        "devices": [
            {
                "type": "Scale", "model": "Body Comp", "model_id": 18, "battery": "medium",
                "deviceid": "aa00bb11cc22dd33ee44ff5500661177", "timezone": "Europe/Madrid",
                "first_session_date": None, "last_session_date": 1772351000,
            }
        ]
    },
}  # fmt: skip


def _attribute(value: Any, unit: str | None = None) -> dict[str, Any]:
    told = {"value": value, "timestamp": "2026-03-01T08:15:00.123Z"}
    return told if unit is None else {**told, "unit": unit}


_REPORT = {
    "powerConsumption": _attribute(
        {
            "energy": 41200, "deltaEnergy": 9, "power": 55, "powerEnergy": 9.2,
            "start": "2026-03-01T08:00:00Z", "end": "2026-03-01T08:10:00Z",
        }
    )
}  # fmt: skip


def _cold(temperature: float, target: float) -> dict[str, Any]:
    return {
        "contactSensor": {"contact": _attribute("closed")},
        "temperatureMeasurement": {"temperature": _attribute(temperature, "C")},
        "thermostatCoolingSetpoint": {"coolingSetpoint": _attribute(target, "C")},
    }


_OCF = {
    "di": _attribute("00112233-4455-6677-8899-aabbccddeeff"),
    "pi": _attribute("00112233-4455-6677-8899-aabbccddeeff"),
    "n": _attribute("Kitchen"),
}
_IDENTIFIED = {
    "ocf": _OCF,
    "samsungce.deviceIdentification": {"serialNumber": _attribute("0ABC123DE45678F")},
    "samsungce.softwareUpdate": {"otnDUID": _attribute("AB7CDEFGH2JKL")},
}
SMARTTHINGS_FRIDGE = {
    "components": {
        "cooler": _cold(3, 3),
        "freezer": _cold(-18, -18),
        "icemaker": {"switch": {"switch": _attribute("on")}},
        "main": {
            "contactSensor": {"contact": _attribute("closed")},
            "refrigeration": {
                "defrost": _attribute("off"), "rapidCooling": _attribute("off"),
                "rapidFreezing": _attribute("off"),
            },
            "samsungce.sabbathMode": {"status": _attribute("off")},
            "samsungce.fridgeVacationMode": {"vacationMode": _attribute("off")},
            "custom.waterFilter": {
                "waterFilterUsage": _attribute(40, "%"), "waterFilterStatus": _attribute("normal"),
            },
            "powerConsumptionReport": _REPORT,
            **_IDENTIFIED,
        },
    }
}  # fmt: skip
SMARTTHINGS_WASHER = {
    "components": {
        "main": {
            "washerOperatingState": {
                "machineState": _attribute("run"), "washerJobState": _attribute("rinse"),
                "completionTime": _attribute("2026-03-01T09:10:00Z"),
            },
            "samsungce.washerOperatingState": {
                "remainingTime": _attribute(31, "min"), "progress": _attribute(48, "%"),
            },
            "samsungce.washerCycle": {"washerCycle": _attribute("Table_02_Course_1B")},
            "custom.washerWaterTemperature": {"washerWaterTemperature": _attribute("40")},
            "custom.washerSpinLevel": {"washerSpinLevel": _attribute("1200")},
            "custom.washerRinseCycles": {"washerRinseCycles": _attribute("2")},
            "samsungce.kidsLock": {"lockState": _attribute("unlocked")},
            "samsungce.detergentState": {"remainingAmount": _attribute(300, "cc")},
            "switch": {"switch": _attribute("on")},
            "powerConsumptionReport": _REPORT,
        }
    }
}  # fmt: skip
SMARTTHINGS_VACUUM = {
    "components": {
        "main": {
            "samsungce.robotCleanerOperatingState": {"operatingState": _attribute("cleaning")},
            "samsungce.robotCleanerCleaningMode": {"cleaningMode": _attribute("auto")},
            "robotCleanerMovement": {"robotCleanerMovement": _attribute("cleaning")},
            "robotCleanerTurboMode": {"robotCleanerTurboMode": _attribute("off")},
            "battery": {"battery": _attribute(71, "%")},
            "switch": {"switch": _attribute("on")},
        }
    }
}
NETATMO = {
    "body": {
        "homes": [
            {
                "id": "5e1f0a2b3c4d5e6f7a8b9c0d", "name": "Casa", "altitude": 640,
                "coordinates": [-3.70123, 40.41567], "country": "ES", "timezone": "Europe/Madrid",
                "rooms": [{"id": "1122334455", "name": "Kitchen", "type": "kitchen"}],
                "modules": [{"id": "70:ee:50:00:11:22", "type": "NAMain", "name": "Indoor"}],
                "persons": [
                    {
                        "id": "00112233-4455-6677-8899-aabbccddee00", "pseudo": "Ana",
                        "url": "https://images.example/face.jpg",
                    }
                ],
            }
        ],
        "user": {"email": "ana@example.com", "language": "es-ES"},
    },
    "status": "ok",
}  # fmt: skip
SHELLY = {
    "id": 0, "source": "MQTT", "output": True, "apower": 61.2, "voltage": 231.4, "current": 0.31,
    "pf": 0.86, "aenergy": {"total": 412.7, "by_minute": [910.1, 905.0], "minute_ts": 1772352000},
    "temperature": {"tC": 38.1, "tF": 100.6},
}  # fmt: skip
MEROSS_HEADER = {
    "messageId": "0123456789abcdef0123456789abcdef",
    "namespace": "Appliance.System.All", "method": "GETACK", "payloadVersion": 1,
    "from": "/appliance/20010112233445566778899aabbccddee/publish",
    "timestamp": 1772352000, "timestampMs": 12, "sign": "fedcba9876543210fedcba9876543210",
}  # fmt: skip
MEROSS_ALL = {
    "all": {
        "system": {
            "hardware": {
                "type": "mss310", "uuid": "20010112233445566778899aabbccddee",
                "macAddress": "48:e1:e9:00:11:22",
            },
            "firmware": {
                "version": "6.1.8", "wifiMac": "00:11:22:33:44:55", "innerIp": "192.0.2.9",
                "userId": 1234567,
            },
            "time": {"timestamp": 1772352000, "timezone": "Europe/Madrid", "timeRule": []},
            "online": {"status": 1},
        },
        "control": {"toggle": {"onoff": 1, "lmTime": 1772350000}},
        "digest": {
            "thermostat": {
                "mode": [{"channel": 0, "currentTemp": 211, "targetTemp": 205}],
                "windowOpened": [{"channel": 0, "status": 0}],
            }
        },
    }
}  # fmt: skip
MEROSS_ENERGY = {
    "consumptionH": [
        {"channel": 1, "total": 812, "data": [{"timestamp": 1772348400, "value": 44}]},
        {"channel": 2, "total": 90, "data": [{"timestamp": 1772348400, "value": 5}]},
    ]
}


def _meross(payload: Any) -> Transmission:
    return sent("plug.example", "/config", {"header": MEROSS_HEADER, "payload": payload})


def _queried(host: str, path: str, items: dict[str, str]) -> Transmission:
    return sent(host, f"{path}?{urlencode(items)}", method="GET")


_ECOWITT_HOST = "cdnrtpdate.ecowitt.net"
_WU = "rtupdate.wunderground.com", "/weatherstation/updateweatherstation.php"
_ACURITE = "hubapi.myacurite.com", "/weatherstation/updateweatherstation"
_AIRGRADIENT = "hw.airgradient.com", "/sensors/airgradient:84fce6001122/measures"
_MIELE = "api.mcs3.miele.com", "/v1/devices/000187654321"
_HOME_CONNECT = "api.home-connect.com", "/api/homeappliances/0123456789012345/status"
_NETATMO = "api.netatmo.com", "/api/homesdata"
_WITHINGS = "wbsapi.withings.net", "/v2/measure"
_SMARTTHINGS = (
    "api.smartthings.com",
    "/v1/devices/00112233-4455-6677-8899-aabbccddeeff/status",
)


def _answered(place: tuple[str, str], body: Any) -> Transmission:
    """An answer of an API, as if it were sent to where it was asked for."""
    return sent(*place, body, method="GET")


def made_up() -> dict[str, list[Transmission]]:
    """Our own messages by vendor."""
    return {
        "ecowitt": [sent(_ECOWITT_HOST, "/data/report/", urlencode(ECOWITT))],
        "weather_underground": [_queried(*_WU, WUNDERGROUND)],
        "acurite": [_queried(*_ACURITE, ACURITE)],
        "airgradient": [sent(*_AIRGRADIENT, AIRGRADIENT)],
        "tasmota": [sent("broker.example", "/tele/plug/SENSOR", TASMOTA)],
        "miele": [_answered(_MIELE, MIELE)],
        "home_connect": [_answered(_HOME_CONNECT, HOME_CONNECT)],
        "netatmo": [_answered(_NETATMO, NETATMO)],
        "shelly": [sent("broker.example", "/status/switch:0", SHELLY)],
        "withings": [
            sent(*_WITHINGS, one)
            for one in (WITHINGS_MEASURES, WITHINGS_SLEEP, WITHINGS_SUMMARY, WITHINGS_DEVICES)
        ],
        "samsung_smartthings": [
            _answered(_SMARTTHINGS, one)
            for one in (SMARTTHINGS_FRIDGE, SMARTTHINGS_WASHER, SMARTTHINGS_VACUUM)
        ],
        "meross": [
            _meross(one)
            for one in (
                MEROSS_ALL,
                MEROSS_ENERGY,
                {"toggle": {"channel": 0, "onoff": 1}},
                {"runtime": {"signal": 88}},
                {"position": {"longitude": 1200000, "latitude": 4100000}},
            )
        ],
    }


# --- From the corpus, where it is ---


def _captured(name: str, host: str) -> Iterator[Transmission]:
    """The requests to a host in a capture where each is spread over several segments."""
    text = (CORPUS / "http" / name).read_text()
    for request in re.split(r"(?m)^GET ", text)[1:]:
        target, _, head = request.partition(" HTTP/1.1")
        headers = dict(re.findall(r"([\w-]+):\s+(\S+)", head))
        if headers["Host"] == host:
            yield sent(host, "".join(target.split()), method="GET")


def _recorded(folder: str, name: str) -> Any:
    return json.loads((CORPUS / folder / name).read_bytes())


def _traced(name: str) -> Iterator[Transmission]:
    """What a device answered in a trace, in the envelope that the trace leaves out."""
    wanted = {"Appliance.System.All", "Appliance.Control.ConsumptionH", "Appliance.Control.Toggle",
              "Appliance.System.Runtime", "Appliance.System.Position"}  # fmt: skip
    for row in _recorded("mqtt", name)["data"]["trace"][1:]:
        _, _, _, method, namespace, payload = row
        if method == "GETACK" and namespace in wanted and isinstance(payload, dict):
            name = "all" if namespace == "Appliance.System.All" else ""
            yield _meross({name: payload} if name else payload)


def _tasmota() -> Iterator[Transmission]:
    """The SENSOR part of a measuring plug, out of the documentation's page on `Status 0`."""
    text = (CORPUS / "mqtt" / "tasmota_status.md").read_text()
    for found in re.finditer(
        r'"StatusSNS": (\{\s*"Time": "[^"]*",\s*"ENERGY": \{[^}]*\}\s*\})', text
    ):
        yield sent("broker.example", "/tele/plug/SENSOR", json.loads(found[1]))


def recorded() -> dict[str, list[Transmission]]:
    """Messages of the corpus by vendor; nothing for those that it has none of."""
    if not (CORPUS / "http").exists():
        return {}
    stations = ("gw1100b", "gw2000a_1", "ws2900")
    fridge = _recorded("http", "miele_fridge.json")
    return {
        "ecowitt": [
            sent(
                _ECOWITT_HOST,
                "/data/report/",
                urlencode(
                    {k: str(v) for k, v in _recorded("http", f"ecowitt_{one}.json").items()}
                ),
            )
            for one in stations
        ],
        "weather_underground": [
            *_captured("acurite_capture_1.txt", _WU[0]),
            *_captured("acurite_capture_2.txt", _WU[0]),
        ],
        "acurite": list(_captured("acurite_capture_1.txt", _ACURITE[0])),
        "tasmota": list(_tasmota()),
        "miele": [_answered(_MIELE, one) for one in fridge.values()],
        "home_connect": [
            _answered(_HOME_CONNECT, _recorded("http", "home_connect_status.json"))
        ],
        "netatmo": [_answered(_NETATMO, _recorded("http", "netatmo_homesdata.json"))],
        "withings": [
            sent(*_WITHINGS, _recorded("http", f"withings_{one}.json"))
            for one in ("measurement", "sleep", "sleep_summary", "device")
        ],
        "samsung_smartthings": [
            _answered(_SMARTTHINGS, _recorded("http", f"samsung_{one}.json"))
            for one in (
                "fridge_status", "da_wm_wm_000001", "da_rvc_normal_000001", "da_ks_range_0101x",
            )
        ],
        "meross": [
            one
            for name in ("meross_mss210.json", "meross_em06.json", "meross_mts200b.json")
            for one in _traced(name)
        ],
    }  # fmt: skip
