"""Stores that are full, away or take nothing: a clear answer, and an image that can be uploaded again (section 2.2)."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.settings import Secret
from tests.callers import by
from tests.conftest import Client, Connect
from tests.transfers import DATA, created, is_untouched, objects, put, shown, status_of, uploaded


@pytest.fixture
def store_url() -> str:
    """Give one driver of records: it has no part in what a store of data cannot do."""
    return "memory://"


@pytest.fixture
async def client(connect: Connect, tmp_path: Path) -> Client:
    """Give a client of a service that keeps data in files."""
    return await connect(stores=Secret(f"file://{tmp_path}/blobs"))


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Let the kernel refuse to write more to any file, as a full disk does (setrlimit(2), EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("to", ["file", "stage"])
async def test_a_store_without_room_is_413_and_keeps_no_part(client: Client, tmp_path: Path, to: str) -> None:
    path = await created(client)
    with no_file_longer_than(len(DATA) // 2):
        assert await put(client, path, to=to) == 413
    assert await is_untouched(client, path)
    assert [each for each in (tmp_path / "blobs").rglob("*") if each.is_file()] == []
    assert await put(client, path, to=to) == 204


@pytest.mark.parametrize("to", ["file", "stage"])
async def test_a_store_that_is_away_is_503_and_the_upload_can_be_tried_again(
    client: Client, tmp_path: Path, to: str
) -> None:
    path = await created(client)
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")
    assert await put(client, path, to=to) == 503
    assert await status_of(client, path) == "queued"
    (tmp_path / "elsewhere").rename(tmp_path / "blobs")
    assert await is_untouched(client, path)
    assert await put(client, path, to=to) == 204


async def test_a_store_that_takes_no_data_is_410(connect: Connect) -> None:
    client = await connect(stores=Secret("fast=memory://,web=http://"))
    path = await created(client)
    assert await put(client, path, X_Image_Meta_Store="web") == 410
    assert await is_untouched(client, path)


async def test_an_answer_tells_neither_a_path_nor_a_url(client: Client, tmp_path: Path) -> None:
    path = await created(client)
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")
    headers = by("ann", Content_Type="application/octet-stream")
    async with client.put(f"{path}/file", data=b"x", headers=headers) as response:
        assert response.status == 503
        assert str(tmp_path) not in await response.text()


class TestStage:
    """What is particular to data that waits for its import."""

    async def test_staged_data_has_a_size_and_no_hashes(self, client: Client) -> None:
        path = await created(client, disk_format=None, container_format=None)
        assert await put(client, path, to="stage") == 204
        image = await shown(client, path)
        assert (image["status"], image["size"], image["checksum"]) == ("uploading", len(DATA), None)
        assert image["os_hash_value"] is None
        assert await objects(client) == [DATA]

    async def test_it_is_not_looked_into(self, client: Client) -> None:
        assert await put(client, await created(client, disk_format="qcow2"), b"junk", to="stage") == 204

    async def test_what_is_staged_already_is_409_and_stays(self, client: Client) -> None:
        path = await created(client)
        assert await put(client, path, to="stage") == 204
        assert await put(client, path, b"other", to="stage") == 409
        assert await put(client, path, b"other") == 409
        assert await objects(client) == [DATA]

    async def test_an_image_deleted_takes_its_staged_data_along(self, client: Client) -> None:
        path = await created(client)
        assert await put(client, path, to="stage") == 204
        assert (await client.delete(path, headers=by("ann"))).status == 204
        assert await objects(client) == []

    async def test_where_nothing_can_be_imported_so_there_is_nothing_to_stage(self, connect: Connect) -> None:
        client = await connect(enabled_import_methods=("web-download",))
        assert await put(client, await created(client), to="stage", Content_Type="text/plain") == 404

    async def test_faults_are_told_in_the_order_of_an_upload(self, client: Client) -> None:
        path = await uploaded(client, visibility="community")
        assert await put(client, path, to="stage") == 409
        assert await put(client, path, name="bob", to="stage") == 403
        assert await put(client, path, name="bob", to="stage", x_openstack_image_size="many") == 400
        assert await put(client, path, name="bob", to="stage", Content_Type="text/plain") == 415

    @pytest.mark.parametrize("told", ["5", "1280769"])
    async def test_another_size_than_told_is_400(self, client: Client, told: str) -> None:
        path = await created(client)
        assert await put(client, path, to="stage", x_openstack_image_size=told) == 400
        assert await is_untouched(client, path)
