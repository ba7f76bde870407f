"""The requirements that Home Assistant would install during a first start.

Those of the integrations it always starts, of `default_config` and of `mqtt`, with everything
they depend on, also optionally: Home Assistant looks at `after_dependencies` too. For bringing
the groups `runtime` and `newest` of pyproject.toml up to date after a change of release:

    .venv/bin/python scripts/lib/runtime_requirements.py
"""

from importlib.metadata import requires
import json
from pathlib import Path

import homeassistant
from homeassistant import bootstrap, requirements
from homeassistant.auth.mfa_modules import totp

COMPONENTS = Path(homeassistant.__file__).parent / "components"
STARTED = (
    bootstrap.CORE_INTEGRATIONS
    | bootstrap.DEFAULT_INTEGRATIONS
    | bootstrap.FRONTEND_INTEGRATIONS
    | {"default_config", "isal", "mqtt", "recorder", "system_log"}
)
LEFT_OUT = {"go2rtc", "stream"}  # Large, and of no use without a camera.


def collect(domain: str, found: dict[str, list[str]]) -> None:
    """Add the requirements of an integration and of all that it depends on."""
    manifest_file = COMPONENTS / domain / "manifest.json"
    if domain in found or domain in LEFT_OUT or not manifest_file.exists():
        return
    manifest = json.loads(manifest_file.read_text())
    found[domain] = manifest.get("requirements", [])
    discovered = [
        by
        for by, keys in requirements.DISCOVERY_INTEGRATIONS.items()
        if any(key in manifest for key in keys)
    ]
    dependencies = manifest.get("dependencies", []) + manifest.get("after_dependencies", [])
    for dependency in dependencies + discovered:
        collect(dependency, found)


def main() -> None:
    """Print the requirements that the `homeassistant` package does not name itself."""
    found: dict[str, list[str]] = {}
    for domain in STARTED:
        collect(domain, found)
    wanted = {requirement for each in found.values() for requirement in each}
    wanted |= set(totp.REQUIREMENTS)  # An authentication module that is always on.
    for requirement in sorted(wanted - set(requires("homeassistant") or ()), key=str.lower):
        print(f'  "{requirement}",')


if __name__ == "__main__":
    main()
