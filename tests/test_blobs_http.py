"""The store of other people's web servers: read through the guard, and never written."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import open_blobs
from drivers.errors import BlobNotFound, StoreReadOnly, StoreUnavailable
from tests.blob_conformance import Put, ReadConformance
from tests.web_server import LOOPBACK, answer, scripted


@pytest.fixture
async def store() -> AsyncIterator[BlobStore]:
    store = await open_blobs("http://", LOOPBACK)
    yield store
    await store.close()


@pytest.fixture
async def website(tmp_path: Path) -> AsyncIterator[TestServer]:
    """Serve the files of a folder, as web servers do: with dates, tags and ranges."""
    app = web.Application()
    app.router.add_static("/", tmp_path)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


class TestHttp(ReadConformance):
    @pytest.fixture
    def put(self, website: TestServer, tmp_path: Path) -> Put:
        async def put(key: str, content: bytes) -> str:
            (tmp_path / key).write_bytes(content)
            return str(website.make_url(f"/{key}"))

        return put

    @pytest.fixture
    def missing(self, website: TestServer) -> str:
        return str(website.make_url("/missing"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/image.raw",
        "https://example.com:8443/a/b?c=d",
        "http://1.2.3.4:80/",
        "http://example.com/image#part",
    ],
)
async def test_any_plain_url_is_owned(store: BlobStore, url: str) -> None:
    assert store.owns(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/image",
        "http://example.com/a/../image",
        "http://example.com/./image",
        "http://example.com/%2e%2e/image",
        "http://example.com/%69mage",
        "http://example.com/image#a b",
        "http://user:secret@example.com/image",
        "http://2130706433/image",
        "HTTP://example.com/image",
        "http://Example.com/image",
        "http://example.com/image\n",
        "http://example.com/ image",
    ],
)
async def test_another_spelling_of_a_url_is_not_owned(store: BlobStore, url: str) -> None:
    assert not store.owns(url)
    with pytest.raises(BlobNotFound):
        await store.open(url)


async def test_nothing_is_written_or_removed(store: BlobStore) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield b"hello"

    assert store.read_only
    with pytest.raises(StoreReadOnly):
        store.locate("key")
    with pytest.raises(StoreReadOnly):
        await store.write("http://127.0.0.1/key", blocks())
    with pytest.raises(StoreReadOnly):
        await store.delete("http://127.0.0.1/key")


async def test_an_address_that_must_not_be_reached_has_nothing(store: BlobStore) -> None:
    for attempt in (store.open, store.size):
        with pytest.raises(BlobNotFound, match="address"):
            await attempt("http://169.254.169.254/latest")


@pytest.mark.parametrize("status", ["400 Bad", "403 Forbidden", "405 Method", "501 What"])
async def test_a_server_without_head_is_asked_by_get(store: BlobStore, status: str) -> None:
    async with scripted(answer(status), answer("200 OK", b"hello")) as server:
        assert await store.size(server.url) == 5
    assert [head.split()[0] for head in server.requests] == ["HEAD", "GET"]


async def test_a_server_that_tells_no_length_is_unavailable(store: BlobStore) -> None:
    endless = answer("200 OK", b"0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked")
    async with scripted(answer("200 OK", Content_Length=""), endless) as server:
        for attempt in (store.size, store.open):
            with pytest.raises(StoreUnavailable, match="length"):
                await attempt(server.url)


async def test_a_server_without_ranges_is_read_from_the_start_only(store: BlobStore) -> None:
    async with scripted(answer("200 OK", b"hello")) as server:
        reader = await store.open(server.url)
        assert b"".join([block async for block in reader.blocks(0, 3)]) == b"hel"
        assert b"".join([block async for block in reader.blocks(0, 5)]) == b"hello"
        with pytest.raises(StoreUnavailable, match="part"):
            [block async for block in reader.blocks(2, 5)]
        await reader.close()


async def test_a_whole_read_is_one_request(store: BlobStore) -> None:
    async with scripted(answer("200 OK", b"hello")) as server:
        reader = await store.open(server.url)
        assert b"".join([block async for block in reader.blocks(0, 5)]) == b"hello"
        await reader.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["http://example.com", "https://user:secret@example.com/", "http:///"])
async def test_the_stores_own_url_names_no_host(url: str) -> None:
    with pytest.raises(StoreUnavailable) as refusal:
        await open_blobs(url)
    assert "secret" not in str(refusal.value)
