"""Imports whose process stops or dies: another one goes on within seconds, from the beginning or from where it was."""

import asyncio
import gzip
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from drivers.claims import Effects
from drivers.tasks import Task
from service.keys import TOOLS
from service.marks import marked
from service.settings import Secret
from tests.conformance import NOW
from tests.conftest import TWO_STORES, Client, Connect
from tests.imports import DIRECT, LOOPBACK, METHODS, half, lists, outcome, settled, staged, started
from tests.processes import serving
from tests.transfers import DATA, created, objects, status_of, until
from tests.web_server import answer, scripted

HEADERS = {"X-Auth-Token": "token-of-ann"}


async def importing(client: Client, url: str) -> str:
    """Begin an import that does not come to its end; give the image's path."""
    path = await created(client)
    await started(client, path, method={"name": "web-download", "uri": url})

    async def is_importing() -> bool:
        return await status_of(client, path) == "importing"

    await until(is_importing)
    return path


async def test_a_process_that_stops_hands_its_import_on_at_once(connect: Connect, tmp_path: Path) -> None:
    # A lease of an hour: whoever waited for it to run out would wait for longer than this test.
    settings = {"stores": Secret(f"file://{tmp_path}"), "lease_seconds": 3600.0} | LOOPBACK
    stopping = await connect(**settings)
    async with scripted(half, answer("200 OK", DATA)) as web:
        path = await importing(stopping, web.url)

        async def is_asked() -> bool:
            return len(web.requests) == 1

        await until(is_asked)
        await stopping.close()
        # Only one that starts, or is woken, looks at once.
        other = await connect(**settings)
        image = await settled(other, path)
    assert (image["status"], image["size"]) == ("active", len(DATA))
    assert (await outcome(other, path))[0] == "success"


def left_behind(image_id: str, request: dict[str, Any], stores: list[str]) -> Task:
    """Make the task of an import that nobody works on."""
    return Task(
        id="t",
        type="api_image_import",
        owner="p1",
        created_at=NOW,
        updated_at=NOW,
        image_id=image_id,
        input={"image_id": image_id, "import_req": request, "backend": stores},
    )


async def test_a_download_by_a_token_is_not_taken_over_and_says_so(connect: Connect, tmp_path: Path) -> None:
    client = await connect(stores=Secret(f"file://{tmp_path}"), enabled_import_methods=METHODS, **LOOPBACK)
    path = await created(client)
    assert client.app is not None
    tools = client.app[TOOLS]
    request = {"method": {"name": "glance-download", "glance_region": "r", "glance_image_id": "i"}}
    image_id = path.rpartition("/")[2]
    view = await tools.records.get(image_id, None)
    task = left_behind(image_id, request, [""])
    await tools.records.save(marked(view.image, importing=[""], lock="t"), effects=Effects(task=task))
    tools.work.set()
    assert (await settled(client, path))["status"] == "queued"
    assert "token" in (await outcome(client, path))[1]


@pytest.mark.parametrize("active", [False, True], ids=["for all stores", "for any"])
async def test_what_plugins_made_of_the_data_is_made_again_unless_it_is_in_use(connect: Connect, active: bool) -> None:
    client = await connect(stores=TWO_STORES, image_import_plugins=("image_decompression",))
    path = await staged(client, gzip.compress(DATA))
    assert client.app is not None
    tools = client.app[TOOLS]
    image_id = path.rpartition("/")[2]
    before = await tools.records.get(image_id, None, locations=True)
    # As a process leaves it that dies when the first of two stores has the data.
    fast = tools.stores.get("fast")
    assert fast is not None
    url = fast.blobs.locate(f"{image_id}.1")
    await fast.blobs.write(url, pieces(DATA), size=len(DATA))
    half_done = replace(
        marked(before.image, importing=["slow"], lock="t"),
        status="active" if active else "importing",
        locations=(fast.location(url),),
        size=len(DATA),
        checksum=hashlib.md5(DATA).hexdigest(),
        os_hash_algo="sha512",
        os_hash_value=hashlib.sha512(DATA).hexdigest(),
    )
    request = {"method": DIRECT, "all_stores_must_succeed": not active}
    task = left_behind(image_id, request, ["fast", "slow"])
    await tools.records.save(half_done, effects=Effects(task=task))
    tools.work.set()
    image = await settled(client, path)
    assert (image["status"], image["stores"], lists(image)) == ("active", "fast,slow", ("", ""))
    assert await outcome(client, path) == ("success", "Copied 1 MiB")
    assert await objects(client) == [DATA, DATA]
    view = await tools.records.get(image_id, None, locations=True)
    assert (url in {each.url for each in view.image.locations}) == active


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """Give data as stores take it."""
    yield data


async def test_a_killed_process_loses_no_import(database: str, tmp_path: Path, tokens_file: str) -> None:
    settings = {
        "store": database,
        "stores": f"file://{tmp_path}/blobs",
        "tokens": "static",
        "tokens_file": tokens_file,
        "lease_seconds": "1",
        "fetch_allowed_networks": "127.0.0.0/8",
        "allowed_ports": "1024-65535",
    }
    async with (
        scripted(half, answer("200 OK", DATA)) as web,
        serving(**settings) as (dying, base),
        ClientSession(headers=HEADERS) as session,
    ):
        fields = {"disk_format": "raw", "container_format": "bare"}
        async with session.post(f"{base}/v2/images", json=fields) as response:
            path = f"/v2/images/{(await response.json())['id']}"
        method = {"name": "web-download", "uri": web.url}
        async with session.post(f"{base}{path}/import", json={"method": method}) as response:
            assert response.status == 202
        while not web.requests:  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
        os.kill(dying.pid, signal.SIGKILL)
        async with serving(**settings) as (_, other):
            async with asyncio.timeout(10):
                while (image := await _image(session, f"{other}{path}"))["status"] != "active":
                    assert image["status"] in {"queued", "importing"}
                    await asyncio.sleep(0.05)
            async with session.get(f"{other}{path}/file") as response:
                assert await response.read() == DATA

            async def is_alone() -> bool:
                # What the dead one had begun to write has no name in the store; it is cleaned up a day later.
                files = [each for each in (tmp_path / "blobs").iterdir() if each.is_file()]
                return [each.stat().st_size for each in files] == [len(DATA)]

            await until(is_alone)


async def _image(session: ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as response:
        image: dict[str, Any] = await response.json()
        return image
