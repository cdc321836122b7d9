"""The cache in tests: stores that are watched and held up, downloads, and a look into the cache."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from drivers.blobs.protocol import BlobReader
from service.data.stores import DataStore
from service.keys import TOOLS
from tests.callers import by
from tests.conftest import Client
from tests.transfers import until

ADMIN = by("admin")


class Gated:
    """A reader of a store that lets the test say when it goes on, and how it ends."""

    def __init__(self, reader: BlobReader, gate: asyncio.Event, failure: Exception | None) -> None:
        self.size, self.descriptor = reader.size, reader.descriptor
        self._reader, self._gate, self._failure = reader, gate, failure

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Give one block, and the others when the gate opens."""
        async for block in self._reader.blocks(start, end):
            yield block
            await self._gate.wait()
            if self._failure:
                raise self._failure

    async def close(self) -> None:
        """Close the reader."""
        await self._reader.close()


class Watched:
    """A store that counts how often it is opened, and may hold its readers at a gate."""

    def __init__(self, client: Client) -> None:
        assert client.app is not None
        self.opened = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[Exception] = []
        store: DataStore = client.app[TOOLS].stores.default
        self._blobs: Any = store.blobs
        self._open = self._blobs.open

    def __enter__(self) -> Self:
        self._blobs.open = self.open
        return self

    def __exit__(self, *_: object) -> None:
        self._blobs.open = self._open

    async def open(self, url: str) -> Gated:
        """Open an object for one of whom the test knows."""
        self.opened += 1
        failure = self.failures.pop() if self.failures else None
        return Gated(await self._open(url), self.gate, failure)


async def data(client: Client, path: str, name: str = "ann", **headers: str) -> tuple[int, bytes]:
    async with client.get(f"{path}/file", headers=by(name, **headers)) as response:
        assert "Content-Length" in response.headers or response.status == 204
        return response.status, await response.read()


async def state(client: Client) -> dict[str, Any]:
    async with client.get("/v2/cache", headers=ADMIN) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
        return answer


async def cached(client: Client) -> list[str]:
    return [entry["image_id"] for entry in (await state(client))["cached_images"]]


async def filled(client: Client, *paths: str) -> None:
    """Wait until the cache has these and no other images."""

    async def has_them() -> bool:
        return set(await cached(client)) == {id_of(path) for path in paths}

    await until(has_them)


def id_of(path: str) -> str:
    return path.rsplit("/", 1)[1]
