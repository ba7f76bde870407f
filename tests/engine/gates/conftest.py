"""The houses in which the gates are tried."""

from collections.abc import AsyncIterator
from pathlib import Path

import name_house as names
import pytest

import wire


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[wire.House]:
    async with wire.house(tmp_path) as built:
        yield built


@pytest.fixture
async def taught(house: wire.House) -> wire.House:
    """A house in which the fridge's usual report is consented."""
    await house.teach()
    return house


@pytest.fixture
async def name_house(tmp_path: Path) -> AsyncIterator[names.NameHouse]:
    """A house with a DNS gate."""
    async with names.name_house(tmp_path) as built:
        yield built


@pytest.fixture
async def shared(name_house: names.NameHouse) -> names.NameHouse:
    """A house in which the fridge may send to Frost what no gate can read."""
    assert await name_house.ask(names.OPAQUE) == "NXDOMAIN"
    await name_house.consent()
    name_house.resolver.seen.clear()
    name_house.events.clear()
    return name_house
