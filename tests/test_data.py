"""Upload and download over HTTP, on both drivers of records (reference section 2.2)."""

import hashlib

from tests.callers import by
from tests.conftest import Client

OCTETS = {"Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 2000


async def created(client: Client, **fields: object) -> str:
    """Create an image that waits for its data; give its path."""
    body = {"disk_format": "raw", "container_format": "bare"} | fields
    response = await client.post("/v2/images", json=body, headers=by("ann"))
    assert response.status == 201, await response.text()
    return f"/v2/images/{(await response.json())['id']}"


async def test_what_was_uploaded_is_downloaded_and_described(client: Client) -> None:
    path = await created(client)
    response = await client.put(f"{path}/file", data=DATA, headers=by("ann", **OCTETS))
    assert response.status == 204, await response.text()
    image = await (await client.get(path, headers=by("ann"))).json()
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    response = await client.get(f"{path}/file", headers=by("ann"))
    assert response.status == 200
    assert await response.read() == DATA
    assert response.headers["Content-MD5"] == image["checksum"]
