"""Fixtures for the half that speaks with Home Assistant. tests/engine needs none of them."""

from collections.abc import AsyncIterator
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

# Before the test plugin's own package of that name is found.
import custom_components  # noqa: F401
from tests.common import Cloud, Home, a_home
from tests.repairs import Client, prepare


@pytest.fixture(autouse=True)
def auto_enable_custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant find this integration."""


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    """Give every test a folder of its own: the plugin's is one for all, and we write to it."""
    return str(tmp_path)


@pytest.fixture
async def cloud(socket_enabled: None) -> AsyncIterator[Cloud]:
    """A vendor's cloud on this machine, which keeps what it gets."""
    async with Cloud() as running:
        yield running


@pytest.fixture
async def home(hass: HomeAssistant, cloud: Cloud) -> AsyncIterator[Home]:
    """A home with a fridge and a toothbrush, which report to two recipients of one cloud."""
    assert await async_setup_component(hass, "homeassistant", {})
    async with a_home(hass, cloud) as made:
        yield made


@pytest.fixture
async def repairs(hass: HomeAssistant) -> None:
    """Home Assistant's repairs, before anything is asked."""
    await prepare(hass)


@pytest.fixture
async def client(repairs: None, home: Home, hass_client: ClientSessionGenerator) -> Client:
    """An administrator's browser."""
    return await hass_client()
