"""The quantities a vendor's file may state, and the units of each.

Names and units are those of Home Assistant's sensors and binary sensors (developer documentation,
*Sensor entity* and *Binary sensor entity*), so that what is stated can be shown as it is.
"""

QUANTITIES: dict[str, frozenset[str]] = {
    "apparent_power": frozenset({"VA", "kVA"}),
    "atmospheric_pressure": frozenset({"hPa", "inHg", "mbar", "kPa"}),
    "battery": frozenset({"%"}),
    "carbon_dioxide": frozenset({"ppm"}),
    "current": frozenset({"A", "mA"}),
    "distance": frozenset({"km", "mi", "m"}),
    "duration": frozenset({"s", "min", "h", "d"}),
    "energy": frozenset({"Wh", "kWh", "MWh"}),
    "humidity": frozenset({"%"}),
    "illuminance": frozenset({"lx"}),
    "irradiance": frozenset({"W/m²"}),
    "moisture": frozenset({"%"}),
    "pm1": frozenset({"μg/m³"}),
    "pm25": frozenset({"μg/m³"}),
    "pm10": frozenset({"μg/m³"}),
    "power": frozenset({"W", "kW", "mW"}),
    "power_factor": frozenset({"%"}),
    "precipitation": frozenset({"mm", "in"}),
    "precipitation_intensity": frozenset({"mm/h", "in/h"}),
    "pressure": frozenset({"hPa", "inHg", "mbar", "kPa"}),
    "reactive_power": frozenset({"var"}),
    "signal_strength": frozenset({"dBm", "dB"}),
    "temperature": frozenset({"°C", "°F", "K"}),
    "voltage": frozenset({"V", "mV"}),
    "water": frozenset({"L", "m³"}),
    "weight": frozenset({"kg", "g", "lb"}),
    "wind_direction": frozenset({"°"}),
    "wind_speed": frozenset({"km/h", "m/s", "mph"}),
    # Of binary sensors: they have no unit.
    "door": frozenset(),
    "lock": frozenset(),
    "opening": frozenset(),
    "problem": frozenset(),
    "running": frozenset(),
    "tamper": frozenset(),
    "window": frozenset(),
}
UNITS = frozenset(unit for units in QUANTITIES.values() for unit in units) | {
    "rpm", "bpm", "ppb", "UV index",
}  # fmt: skip
"""Units that may be stated, also where no quantity is."""
