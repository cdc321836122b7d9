"""The locations API (reference section 2.7): who may add which URL, and what comes of it; on both drivers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from tests.callers import by
from tests.conftest import Client, Connect
from tests.imports import LOOPBACK, outcome, serving_data, settled
from tests.locations import MD5, SHA256, SHA512, STORES, adding, located, patch, people, stray
from tests.transfers import DATA, created, objects, shown, uploaded

RIGHT = {"os_hash_algo": "sha256", "os_hash_value": SHA256}
WRONG = RIGHT | {"os_hash_value": "0" * 64}


@pytest.fixture(params=[True, False], ids=["hashing", "trusting"])
def hashing(request: pytest.FixtureRequest) -> bool:
    """Give whether the service hashes data that it is pointed to."""
    return bool(request.param)


@pytest.fixture
async def client(connect: Connect, hashing: bool) -> Client:
    """Give a client of a service with a store of its own, and one of URLs."""
    return await connect(
        verifier=people(),
        stores=STORES,
        do_secure_hash=hashing,
        show_multiple_locations=True,
        http_retries=0,
        **LOOPBACK,
    )


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Give a web server that has the data."""
    async with serving_data() as server:
        yield server


async def add(client: Client, path: str, url: object, name: str = "ann", **body: Any) -> int:
    """Ask to add a location; give the status of the answer."""
    async with client.post(f"{path}/locations", json={"url": str(url), **body}, headers=by(name)) as response:
        return response.status


@pytest.mark.parametrize("validation", [None, RIGHT])
async def test_a_location_makes_the_image_active(
    client: Client, server: TestServer, hashing: bool, validation: dict[str, str] | None
) -> None:
    path = await created(client)
    url = server.make_url("/data")
    assert await add(client, path, url, validation_data=validation) == 202
    image = await settled(client, path)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(DATA), "web")
    known = (image["checksum"], image["os_hash_algo"], image["os_hash_value"])
    if validation:
        assert known == (MD5 if hashing else None, "sha256", SHA256)
    else:
        assert known == ((MD5, "sha512", SHA512) if hashing else (None, None, None))
    assert (await outcome(client, path))[0] == "success"
    assert await located(client, path) == str(url)
    assert await (await client.get(f"{path}/file", headers=by("ann"))).read() == DATA


async def test_another_hash_takes_the_data_off_again_where_data_is_hashed(
    client: Client, server: TestServer, hashing: bool
) -> None:
    for name, url in (("ann", str(server.make_url("/data"))), ("nova", await stray(client))):
        path = await created(client)
        assert await add(client, path, url, name, validation_data=WRONG) == 202
        image = await settled(client, path)
        if not hashing:
            assert (image["status"], image["os_hash_value"]) == ("active", "0" * 64)
            continue
        assert (image["status"], image["checksum"], image["os_hash_value"]) == ("queued", None, None)
        assert [each["url"] for each in image["locations"]] == ([url] if name == "ann" else [])
        assert (await outcome(client, path))[0] == "failure"
        async with client.get(f"{path}/file", headers=by("ann")) as response:
            assert (response.status, await response.read()) == (204, b"")


@pytest.mark.parametrize("at", ["/nothing", "http://127.0.0.1:1/x"])
async def test_a_url_without_data_leaves_the_image_queued(client: Client, server: TestServer, at: str) -> None:
    path = await created(client)
    assert await add(client, path, at if at.startswith("http") else server.make_url(at)) == 202
    image = await settled(client, path)
    assert (image["status"], image["locations"], image["size"]) == ("queued", [], None)
    assert (await outcome(client, path))[0] == "failure"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": 5},
        {"url": "http://x/" + "x" * 3000},
        *(
            {"url": "http://127.0.0.1/", "validation_data": data}
            for data in (
                "x",
                {"os_hash_algo": "sha256"},
                {"os_hash_value": SHA256},
                RIGHT | {"checksum": MD5},
                RIGHT | {"os_hash_algo": "crc32"},
                RIGHT | {"os_hash_algo": "sha512"},
                RIGHT | {"os_hash_value": "z" * 64},
            )
        ),
    ],
)
async def test_a_body_that_says_nothing_sensible_is_400(client: Client, body: dict[str, Any]) -> None:
    path = await created(client)
    async with client.post(f"{path}/locations", json=body, headers=by("ann")) as response:
        assert response.status == 400
    assert (await shown(client, path))["status"] == "queued"


async def test_who_may_add_and_read_locations(client: Client, server: TestServer) -> None:
    url = server.make_url("/data")
    path = await created(client, visibility="community")
    assert [await add(client, path, url, name) for name in ("bob", "rita")] == [403, 403]
    async with client.get(f"{path}/locations", headers=by("nova")) as response:
        assert (response.status, await response.json()) == (200, [])
    async with client.get(f"{path}/locations", headers=by("ann")) as response:
        assert response.status == 403
    assert await add(client, await uploaded(client), url) == 409
    private = await created(client, visibility="private")
    assert await add(client, private, url, "bob") == 404
    for name in ("container_format", "disk_format"):
        unset: dict[str, Any] = {name: None}
        assert await add(client, await created(client, **unset), url) == 409


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "filesystem:///etc/passwd", "swift+config://x/y", "s3://key:secret@x/y", "rbd://x"]
)
async def test_no_url_of_a_file_or_of_another_store_is_taken_ossa_2014_041_and_2015_002(
    client: Client, url: str
) -> None:
    path = await created(client)
    assert await add(client, path, url) == 403
    await add(client, path, url, "nova")
    image = await settled(client, path)
    assert (image["status"], image["locations"]) == ("queued", [])
    op = [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}]
    assert [await patch(client, path, op, name) for name in ("ann", "nova")] == [400, 400]


async def test_nobody_gets_hold_of_anothers_object_lp_1546507_and_ossn_0065(client: Client) -> None:
    victim = await uploaded(client)
    url = await located(client, victim)
    thief = await created(client)
    assert [await add(client, thief, url, name) for name in ("ann", "nova")] == [403, 400]
    assert [await patch(client, thief, adding(url), name) for name in ("ann", "nova")] == [403, 400]
    assert (await client.delete(thief, headers=by("ann"))).status == 204
    assert await objects(client) == [DATA]
    assert await (await client.get(f"{victim}/file", headers=by("ann"))).read() == DATA


@pytest.mark.parametrize("way", ["patch", "post"])
async def test_of_many_images_that_want_one_object_at_once_one_gets_it(client: Client, way: str) -> None:
    url = await stray(client)
    paths = [await created(client) for _ in range(8)]
    if way == "patch":
        answers = await asyncio.gather(*(patch(client, path, adding(url), "nova") for path in paths))
        assert sorted(answers) == [200] + [400] * 7
    else:
        await asyncio.gather(*(add(client, path, url, "nova") for path in paths))
    images = [await settled(client, path) for path in paths]
    assert sorted(image["status"] for image in images) == ["active"] + ["queued"] * 7
    assert sorted(len(image["locations"]) for image in images) == [0] * 7 + [1]


async def test_deleting_the_image_ends_the_hashing(connect: Connect, server: TestServer) -> None:
    client = await connect(verifier=people(), stores=STORES, **LOOPBACK)
    path = await created(client)
    assert await add(client, path, server.make_url("/data")) == 202
    assert (await client.delete(path, headers=by("ann"))).status == 204
    assert (await client.get(path, headers=by("ann"))).status == 404
