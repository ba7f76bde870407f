"""What the browser tests need: the demo's household, Chromium, and a user who is logged in.

The household is a real Home Assistant in a process of its own, so nothing of the test plugin's
in-process Home Assistant is wanted here; where that stands in the way, it is put aside.
"""

from collections.abc import AsyncIterator
import json
import os
from pathlib import Path
import shutil
import sys

from playwright.async_api import BrowserContext, Page, async_playwright
import pytest
import pytest_asyncio
import pytest_socket

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts" / "lib"))

from demo.household import Household, moved_in  # noqa: E402

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine is reached.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None or sys.platform != "linux":
        missing = "no chromium on this machine" if CHROMIUM is None else "needs Linux's loopback"
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture
def verify_cleanup() -> None:
    """In place of the plugin's: the household outlives a test on purpose."""


@pytest.fixture(autouse=True)
def _sockets() -> None:
    """The plugin forbids them before each test."""
    pytest_socket.enable_socket()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def household(tmp_path_factory) -> AsyncIterator[Household]:
    pytest_socket.enable_socket()
    folder = tmp_path_factory.mktemp("household")
    async with moved_in(folder) as household:
        await household.set_up()
        await household.add_fridge(folder)
        await household.add_toothbrush(folder)
        yield household


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logged_in(household, tmp_path_factory) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=CHROMIUM,
            headless=True,
            args=list(FLAGS),
            viewport={"width": 1280, "height": 1200},
            color_scheme="light",
            reduced_motion="reduce",
        )
        home = household.home_assistant
        tokens = {**home.tokens, "hassUrl": home.url, "clientId": f"{home.url}/", "expires": 0}
        # Expired, so that the page asks for a token of its own.
        script = f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))});"
        await context.add_init_script(script)
        yield context
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(logged_in) -> AsyncIterator[Page]:
    page = await logged_in.new_page()
    page.set_default_timeout(20_000)
    yield page
    await page.close()


@pytest.fixture
def shoot(page):
    """Take a screenshot where they are asked for: PRIVACY_FIREWALL_SCREENSHOTS names the folder."""

    async def shoot(name: str) -> None:
        folder = os.environ.get("PRIVACY_FIREWALL_SCREENSHOTS")
        if folder:
            # All of the page, with the side bar as high as that.
            before = page.viewport_size
            height = await page.evaluate("document.documentElement.scrollHeight")
            await page.set_viewport_size({**before, "height": max(height, before["height"])})
            # Until icons have come and animations have ended.
            await page.wait_for_timeout(1500)
            await page.screenshot(path=REPOSITORY / folder / f"{name}.png")
            await page.set_viewport_size(before)

    return shoot
