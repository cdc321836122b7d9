"""A real Chromium, headless: found, or installed where that is possible."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium"
# The service, and a page that calls it, under names that are not this machine's own, and no other name at all:
# nothing leaves the machine.
HOST = "vitrine.example"
PAGE_HOST = "horizon.example"
FLAGS = (
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP {PAGE_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Run a browser with an empty profile; skip the test where none can be had, but fail it in CI."""
    program = _found() or await _installed()
    if program is None:
        reason = f"needs a browser: one of {', '.join(NAMES)} on the PATH, or root and apt-get to install one"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    async with async_playwright() as playwright:
        # Root, as in containers, may not use Chromium's sandbox; the page is our own.
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS, chromium_sandbox=False)
        try:
            yield browser
        finally:
            await browser.close()


def _found() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


async def _installed() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    process = await asyncio.create_subprocess_shell(INSTALL, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    await process.wait()
    return _found()
