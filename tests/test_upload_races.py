"""Uploads beside other requests and against failures: nothing half-written shows, nothing stays (design: bytes)."""

import asyncio
import hashlib
import json

import pytest

from drivers.protocol import ImageStore
from drivers.usage import Usage
from service.keys import TOOLS
from service.marks import marked, unlocked
from service.settings import Secret
from service.work.sweeper import sweep
from tests.callers import OWNER, by
from tests.conftest import Client, Connect
from tests.imports import DIRECT, asked, imported, serving_data, settled
from tests.transfers import (
    DATA,
    begun,
    created,
    is_untouched,
    objects,
    put,
    shown,
    status_of,
    until,
    uploaded,
)

PATCH = "application/openstack-images-v2.1-json-patch"


@pytest.fixture
async def client(connect: Connect, blobs_url: Secret) -> Client:
    """Give a client of the service on each kind of store of data, whose leases are short."""
    return await connect(stores=blobs_url, lease_seconds=0.9)


@pytest.fixture(params=["file", "stage"])
def to(request: pytest.FixtureRequest) -> str:
    """Give the two ways to send data."""
    return str(request.param)


async def test_while_data_comes_the_image_says_so_and_shows_none_of_it(client: Client) -> None:
    path = await created(client)
    steps, answer = await begun(client, path)
    image = await shown(client, path)
    assert (image["status"], image["size"], image["checksum"]) == ("saving", None, None)
    async with client.get(f"{path}/file", headers=by("ann")) as response:
        assert response.status == 204
    steps.end()
    assert await answer == 204
    assert await status_of(client, path) == "active"


async def test_data_is_not_taken_for_an_image_that_a_task_is_about_to_fill(client: Client, to: str) -> None:
    path = await created(client)
    assert client.app is not None
    tools = client.app[TOOLS]
    await tools.revise(path.rpartition("/")[2], lambda image: marked(image, lock="the-id-of-a-task"))
    assert await put(client, path, to=to) == 409
    await tools.revise(path.rpartition("/")[2], unlocked)
    assert await put(client, path, to=to) == 204


async def test_an_import_and_an_upload_at_once_leave_no_image_that_nobody_fills(connect: Connect, to: str) -> None:
    client = await connect(lease_seconds=0.9, fetch_allowed_networks=("127.0.0.0/8",), allowed_ports=())
    async with serving_data() as server:
        method = {"name": "web-download", "uri": str(server.make_url("/data"))}
        for _ in range(10):
            path = await created(client)
            await asyncio.gather(put(client, path, to=to), asked(client, path, method=method))
            image = await settled(client, path)
            assert image["status"] == "active" or (to == "stage" and image["status"] == "uploading")
            if image["status"] == "uploading":
                assert (await imported(client, path, method=DIRECT))["status"] == "active"


async def test_an_import_of_what_is_still_being_staged_is_409_and_disturbs_nothing(client: Client) -> None:
    path = await created(client)
    steps, answer = await begun(client, path, "stage")
    assert (await asked(client, path, method=DIRECT))[0] == 409
    steps.end()
    assert await answer == 204
    assert (await imported(client, path, method=DIRECT))["status"] == "active"


async def test_of_uploads_of_one_image_at_once_one_succeeds_and_the_others_are_409(client: Client) -> None:
    path = await created(client)
    bodies = [bytes([number]) * 70_000 for number in range(8)]
    statuses = await asyncio.gather(*(put(client, path, body) for body in bodies))
    assert sorted(statuses) == [204] + [409] * 7
    winner = bodies[statuses.index(204)]
    assert (await shown(client, path))["checksum"] == hashlib.md5(winner).hexdigest()
    assert await objects(client) == [winner]


async def test_an_upload_outlives_many_leases(client: Client, to: str) -> None:
    path = await created(client)
    steps, answer = await begun(client, path, to)
    for _ in range(12):
        await asyncio.sleep(0.2)
        steps.send(b"a little more")
        assert client.app is not None
        await sweep(client.app[TOOLS])
    steps.end()
    assert await answer == 204
    assert await objects(client) == [DATA + b"a little more" * 12]


async def test_changes_and_tags_that_come_meanwhile_are_kept(client: Client, to: str) -> None:
    path = await created(client)
    steps, answer = await begun(client, path, to)
    patch = json.dumps([{"op": "add", "path": f"/{name}", "value": "new"} for name in ("name", "x")])
    async with client.patch(path, data=patch, headers=by("ann", Content_Type=PATCH)) as response:
        assert response.status == 200
    assert (await client.put(f"{path}/tags/blue", headers=by("ann"))).status == 204
    steps.end()
    assert await answer == 204
    image = await shown(client, path)
    assert (image["name"], image["x"], image["tags"], image["size"]) == ("new", "new", ["blue"], len(DATA))


async def test_an_image_deleted_while_its_data_comes_is_410_and_nothing_stays(client: Client, to: str) -> None:
    path = await created(client)
    steps, answer = await begun(client, path, to)
    assert (await client.delete(path, headers=by("ann"))).status == 204
    steps.send(DATA).end()
    assert await answer == 410
    assert await objects(client) == []
    assert (await client.get(path, headers=by("ann"))).status == 404


async def test_an_upload_whose_image_is_gone_ends_long_before_its_data_does(client: Client, to: str) -> None:
    path = await created(client)
    _, answer = await begun(client, path, to)
    assert (await client.delete(path, headers=by("ann"))).status == 204
    async with asyncio.timeout(10):
        assert await answer == 410


async def test_what_a_writer_finishes_behind_the_sweeper_is_removed_by_itself(
    connect: Connect, blobs_url: Secret, store: ImageStore
) -> None:
    client = await connect(stores=blobs_url)
    path = await created(client)
    steps, answer = await begun(client, path)
    claims = await store.claims(path.rpartition("/")[2])
    assert (await client.delete(path, headers=by("ann"))).status == 204
    # As a sweeper would that took the writer for dead, and found no object yet.
    await store.forget_claims([claim.id for claim in claims])
    steps.end()
    assert await answer == 410
    assert await objects(client) == []


async def test_a_client_that_vanishes_leaves_the_image_for_another_try(client: Client, to: str) -> None:
    path = await created(client)
    _, answer = await begun(client, path, to)
    answer.cancel()

    async def is_queued() -> bool:
        return await status_of(client, path) == "queued"

    await until(is_queued)
    assert await is_untouched(client, path)
    assert await put(client, path, to=to) == 204


async def test_a_client_that_sends_nothing_for_too_long_is_408(connect: Connect, blobs_url: Secret, to: str) -> None:
    client = await connect(stores=blobs_url, idle_seconds=0.3)
    path = await created(client)
    _, answer = await begun(client, path, to)
    assert await answer == 408
    assert await is_untouched(client, path)


async def test_delete_answers_at_once_and_the_data_goes_afterwards(client: Client, store: ImageStore) -> None:
    path = await uploaded(client)
    assert await store.usage(OWNER) == Usage(images=1, bytes=len(DATA))
    assert (await client.delete(path, headers=by("ann"))).status == 204
    assert await store.usage(OWNER) == Usage()
    assert client.app is not None
    blobs = client.app[TOOLS].stores.default.blobs

    async def is_empty() -> bool:
        return [blob async for blob in blobs.list()] == []

    await until(is_empty)


async def test_data_that_is_being_read_when_its_image_is_deleted_comes_to_its_end(client: Client) -> None:
    path = await uploaded(client, DATA * 10)
    async with client.get(f"{path}/file", headers=by("ann")) as response:
        assert response.status == 200
        beginning = await response.content.readexactly(1)
        assert (await client.delete(path, headers=by("ann"))).status == 204
        assert await objects(client) == []
        assert beginning + await response.read() == DATA * 10
