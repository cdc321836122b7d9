"""The documentation in a real browser, on the real demo: read it, authorise, try it, see the image."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Page, expect

from service.demo import CIRROS
from tests.browser import HOST, browser
from tests.processes import environment


@asynccontextmanager
async def demo() -> AsyncIterator[tuple[int, str]]:
    """Run `vitrine demo`; give its port and its token, as it prints them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "demo", "--port", "0", stdout=asyncio.subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        printed = (await process.stdout.readline()).decode()
        match = re.search(r"http://[\d.]+:(\d+) .* token (\S+)", printed)
        assert match, printed
        yield int(match[1]), match[2]
    finally:
        process.terminate()
        await process.communicate()


async def show_in(page: Page, token: str) -> None:
    """Do what a reader does to try the show call."""
    await page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".modal-ux")
    await dialog.get_by_label("Value:").first.fill(token)
    await dialog.get_by_role("button", name="Apply credentials").first.click()
    await dialog.get_by_role("button", name="Close").first.click()
    operation = page.locator(".opblock-get", has=page.locator('[data-path="/v2/images/{image_id}"]'))
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_placeholder("image_id").fill(CIRROS.id)
    await operation.get_by_role("button", name="Execute").click()


async def test_a_reader_tries_the_show_call_and_sees_the_image() -> None:
    async with demo() as (port, token), browser() as chromium:
        page = await chromium.new_page()
        complaints: list[str] = []
        hosts: set[str | None] = set()
        page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        await page.goto(f"http://{HOST}:{port}/docs")
        await show_in(page, token)
        answer = page.locator(".live-responses-table .response")
        await expect(answer.locator(".response-col_status")).to_have_text("200")
        await expect(answer.locator(".response-col_description")).to_contain_text('"name": "cirros"')
        assert complaints == []
        assert hosts == {HOST}
