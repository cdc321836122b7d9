"""Locations in tests: stores that have them, who may add and read them, and what they name."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from service.keys import TOOLS
from service.settings import Secret
from service.tokens.static import StaticVerifier
from tests.callers import CALLERS, by, caller
from tests.conftest import Client
from tests.transfers import DATA

STORES = Secret("fast=memory://?weight=100,web=http://")
SHA256, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()


def people() -> StaticVerifier:
    """Know the people of the tests, and a service in the project of one of them."""
    callers = {**CALLERS, "nova": caller("nova", "p1", "service", "member", "reader")}
    return StaticVerifier({f"token-of-{name}": each for name, each in callers.items()})


async def stray(client: Client, name: str = "stray") -> str:
    """Put an object into our own store that no image has; give its URL."""
    assert client.app is not None
    blobs = client.app[TOOLS].stores.default.blobs

    async def blocks() -> AsyncIterator[bytes]:
        yield DATA

    url = blobs.locate(name)
    await blobs.write(url, blocks())
    return url


async def located(client: Client, path: str) -> str:
    """Give the URL of an image's first location, as a service reads it."""
    async with client.get(f"{path}/locations", headers=by("nova")) as response:
        assert response.status == 200
        return str((await response.json())[0]["url"])


async def patch(client: Client, path: str, operations: list[dict[str, Any]], name: str = "ann") -> int:
    """Patch an image; give the status of the answer."""
    headers = by(name, Content_Type="application/openstack-images-v2.1-json-patch")
    async with client.patch(path, json=operations, headers=headers) as response:
        return response.status


def adding(url: str) -> list[dict[str, Any]]:
    """Give the patch that adds a location."""
    return [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}]
