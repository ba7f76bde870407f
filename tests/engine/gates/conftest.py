"""The house in which the HTTP gate is tried."""

from collections.abc import AsyncIterator
from pathlib import Path

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
