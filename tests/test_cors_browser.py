"""A page of another origin in a real browser, as Horizon is: it may call the API where the operator says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Error, FilePayload, Page

from tests.browser import HOST, PAGE_HOST, browser
from tests.processes import serving

# What an upload form does, in the order of Horizon's direct mode: create the image, then PUT the file as it is.
FORM = """
<!doctype html><title>Horizon</title><input type="file">
<script>
async function call(method, url, type, body) {
  const headers = {"X-Auth-Token": "token-of-ann", Accept: "application/json"};
  if (type) headers["Content-Type"] = type;
  const answer = await fetch(url, {method, headers, body});
  const text = await answer.text();
  return {status: answer.status, id: answer.headers.get("X-OpenStack-Request-ID"), body: text && JSON.parse(text)};
}
async function create(base) {
  const wanted = JSON.stringify({name: "from a page", disk_format: "raw", container_format: "bare"});
  return call("POST", `${base}/v2/images`, "application/json", wanted);
}
async function upload(base, id) {
  const file = document.querySelector("input").files[0];
  return call("PUT", `${base}/v2/images/${id}/file`, "application/octet-stream", file);
}
</script>
"""


@asynccontextmanager
async def form() -> AsyncIterator[str]:
    """Serve the page from a port of its own; give its origin."""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=FORM, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", show)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://{PAGE_HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(tokens_file: str, allowed: str | None = None) -> AsyncIterator[tuple[Page, str]]:
    """Open the page in the browser beside a service that allows its origin, or another; give the service's URL too."""
    async with form() as origin, browser() as chromium:
        settings = {"tokens": "static", "tokens_file": tokens_file, "cors_allowed_origins": allowed or origin}
        async with serving(**settings) as (_, base):
            page = await chromium.new_page()
            await page.goto(origin)
            yield page, base.replace("127.0.0.1", HOST)


async def call(page: Page, script: str, *arguments: str) -> dict[str, Any]:
    """Run one of the page's functions; raises playwright's Error where the browser does not let it."""
    return dict(await page.evaluate(script, list(arguments)))


async def test_a_page_of_an_allowed_origin_creates_changes_and_reads_an_image(tokens_file: str) -> None:
    async with opened(tokens_file) as (page, base):
        created = await call(page, "([base]) => create(base)", base)
        assert created["status"] == 201
        assert created["id"].startswith("req-")
        url = f"{base}/v2/images/{created['body']['id']}"
        assert (await call(page, "([url]) => call('PUT', url)", f"{url}/tags/seen"))["status"] == 204
        shown = await call(page, "([url]) => call('GET', url)", url)
        assert (shown["body"]["name"], shown["body"]["tags"]) == ("from a page", ["seen"])


async def test_a_page_of_an_allowed_origin_uploads_a_file(tokens_file: str) -> None:
    async with opened(tokens_file) as (page, base):
        image = (await call(page, "([base]) => create(base)", base))["body"]
        file = FilePayload(name="disk.raw", mimeType="application/octet-stream", buffer=b"bytes" * 500_000)
        await page.locator("input").set_input_files(file)
        uploaded = await call(page, "([base, id]) => upload(base, id)", base, image["id"])
        assert uploaded["status"] == 204
        shown = await call(page, "([url]) => call('GET', url)", f"{base}/v2/images/{image['id']}")
        assert (shown["body"]["status"], shown["body"]["size"]) == ("active", 2_500_000)


async def test_a_page_of_another_origin_is_kept_out_by_the_browser(tokens_file: str) -> None:
    async with opened(tokens_file, allowed="https://horizon.example") as (page, base):
        with pytest.raises(Error, match="Failed to fetch"):
            await call(page, "([base]) => create(base)", base)
