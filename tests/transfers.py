"""Image data in tests: images that wait for it, bodies that come in steps, and a look into the stores."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from drivers.blobs.protocol import StoredBlob
from service.data.stores import DataStore
from service.data.tools import Tools
from service.keys import TOOLS
from service.work.sweeper import sweep
from tests.callers import by
from tests.conftest import Client

OCTETS = {"Content-Type": "application/octet-stream"}
# What the names of objects begin with.
IMAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# More than a block, and no multiple of one.
DATA = bytes(range(256)) * 5003


async def created(client: Client, name: str = "ann", **fields: Any) -> str:
    """Create an image that waits for its data; give its path."""
    body = {"disk_format": "raw", "container_format": "bare"} | fields
    response = await client.post("/v2/images", json=body, headers=by(name))
    assert response.status == 201, await response.text()
    return f"/v2/images/{(await response.json())['id']}"


async def put(
    client: Client, path: str, data: object = DATA, name: str = "ann", to: str = "file", **headers: str
) -> int:
    """Upload data, or stage it; give the status of the answer."""
    headers = by(name, **{"Content_Type": OCTETS["Content-Type"]} | headers)
    body = io.BytesIO(data) if isinstance(data, bytes) else data
    async with client.put(f"{path}/{to}", data=body, headers=headers) as response:
        return response.status


async def uploaded(client: Client, data: bytes = DATA, **fields: Any) -> str:
    """Create an image with data; give its path."""
    path = await created(client, **fields)
    assert await put(client, path, data) == 204
    return path


async def shown(client: Client, path: str, name: str = "ann") -> dict[str, Any]:
    """Show an image."""
    async with client.get(path, headers=by(name)) as response:
        assert response.status == 200, await response.text()
        image: dict[str, Any] = await response.json()
        return image


async def status_of(client: Client, path: str) -> str:
    """Tell where an image is in its life."""
    return str((await shown(client, path))["status"])


async def objects(client: Client) -> list[bytes]:
    """Read every object of every store, once all garbage is gone: the service's own sweeper may be at some of it."""
    assert client.app is not None
    tools = client.app[TOOLS]
    await until(lambda: _is_swept(tools))
    found = []
    async for store, blob in _stored(tools):
        reader = await store.blobs.open(blob.url)
        found.append(b"".join([block async for block in reader.blocks(0, reader.size)]))
        await reader.close()
    return found


async def _is_swept(tools: Tools) -> bool:
    await sweep(tools)
    async for store, blob in _stored(tools):
        image_id = IMAGE_ID.search(blob.url)
        claims = await tools.records.claims(image_id[0]) if image_id else ()
        if any((claim.store, claim.url, claim.state) == (store.id, blob.url, "garbage") for claim in claims):
            return False
    return True


async def _stored(tools: Tools) -> AsyncIterator[tuple[DataStore, StoredBlob]]:
    for store in {each.id: each for each in (*tools.stores, tools.stores.staging)}.values():
        async for blob in store.blobs.list():
            yield store, blob


async def is_untouched(client: Client, path: str) -> bool:
    """Tell whether an image waits for its data as if none had ever come, and no store holds anything."""
    image = await shown(client, path)
    known = {image[name] for name in ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")}
    return image["status"] == "queued" and known == {None} and await objects(client) == []


class Steps:
    """A body that comes in steps, each when the test says so; as `data` of a request it is chunked."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def body(self) -> AsyncIterator[bytes]:
        """Give the pieces as they come."""
        while (piece := await self._pieces.get()) is not None:
            yield piece

    def send(self, piece: bytes) -> "Steps":
        """Let a piece go."""
        self._pieces.put_nowait(piece)
        return self

    def end(self) -> None:
        """Let the body end."""
        self._pieces.put_nowait(None)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until something holds that will hold soon."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in the service
            await asyncio.sleep(0.01)


async def begun(client: Client, path: str, to: str = "file", **headers: str) -> tuple[Steps, "asyncio.Task[int]"]:
    """Begin an upload of which a part has arrived; give what sends the rest, and the answer's status in the end."""
    steps = Steps().send(DATA)
    answer = asyncio.create_task(put(client, path, steps.body(), to=to, **headers))
    wanted = "saving" if to == "file" else "uploading"

    async def is_under_way() -> bool:
        return answer.done() or await status_of(client, path) == wanted

    await until(is_under_way)
    assert not answer.done()
    return steps, answer
