"""Imports in tests: how they are asked for, waited for and looked at; and a web server to import from."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.callers import by
from tests.conftest import Client
from tests.transfers import DATA, OCTETS, created, shown, until
from tests.web_server import answer

LOOPBACK: dict[str, Any] = {"fetch_allowed_networks": ("127.0.0.0/8",), "allowed_ports": ()}
METHODS = ("glance-direct", "web-download", "copy-image", "glance-download")
DIRECT = {"name": "glance-direct"}
COPY = {"name": "copy-image"}


def download(server: TestServer, path: str = "/data", **more: str) -> dict[str, str]:
    """Give the method that downloads from a path of a server."""
    return {"name": "web-download", "uri": str(server.make_url(path)), **more}


@asynccontextmanager
async def serving_data(body: bytes = DATA) -> AsyncIterator[TestServer]:
    """Run a web server that has the data at one path, and at another the data with no word of its size."""

    async def data(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body)
        return response

    app = web.Application()
    app.router.add_get("/data", data)
    app.router.add_get("/chunked", chunked)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def half(_head: str, writer: asyncio.StreamWriter) -> None:
    """Answer, as a step of a scripted server, with half of the data, and never with the rest."""
    writer.write(answer("200 OK", DATA)[: len(DATA) // 2])
    await writer.drain()
    await asyncio.sleep(3600)


async def asked(client: Client, path: str, name: str = "ann", **body: Any) -> tuple[int, str]:
    """Ask for an import; give the status of the answer and its text."""
    async with client.post(f"{path}/import", json=body, headers=by(name)) as response:
        return response.status, await response.text()


async def started(client: Client, path: str, name: str = "ann", **body: Any) -> None:
    """Ask for an import, which is taken."""
    assert await asked(client, path, name, **body) == (202, "")


async def settled(client: Client, path: str) -> dict[str, Any]:
    """Wait until no task works on an image; give it."""

    async def is_settled() -> bool:
        return "os_glance_import_task" not in await shown(client, path)

    await until(is_settled)
    return await shown(client, path)


async def imported(client: Client, path: str, name: str = "ann", **body: Any) -> dict[str, Any]:
    """Import; give the image as it is afterwards."""
    await started(client, path, name, **body)
    return await settled(client, path)


async def tasks_of(client: Client, path: str, name: str = "admin") -> list[dict[str, Any]]:
    """List the tasks of an image, the oldest first."""
    async with client.get(f"{path}/tasks", headers=by(name)) as response:
        assert response.status == 200
        return sorted((await response.json())["tasks"], key=lambda task: str(task["created_at"]))


async def outcome(client: Client, path: str, name: str = "ann") -> tuple[str, str]:
    """Tell how the last task of an image ended, and its message, as one of the image's project reads it."""
    task = (await tasks_of(client, path, name))[-1]
    return task["status"], task["message"]


async def staged(client: Client, data: bytes = DATA, **fields: Any) -> str:
    """Create an image with staged data; give its path."""
    path = await created(client, **fields)
    async with client.put(f"{path}/stage", data=io.BytesIO(data), headers=by("ann", **OCTETS)) as response:
        assert response.status == 204, await response.text()
    return path


def lists(image: dict[str, Any]) -> tuple[str, str]:
    """Give the two lists of stores in which an image tells how its import goes."""
    return image["os_glance_importing_to_stores"], image["os_glance_failed_import"]


def hashes(image: dict[str, Any]) -> set[Any]:
    """Give what an image knows of its data's hashes."""
    return {image["checksum"], image["os_hash_value"]}
