"""S3 stores keep the contract, on moto every day and on Ceph by `python -m tests.ceph`."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import pytest

from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import open_blobs
from drivers.errors import StoreUnavailable
from tests.blob_conformance import BlobConformance, LeftoverConformance, pieces
from tests.s3 import BUCKET, everything, running_s3, send


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Give the URL of an S3 store for the whole run."""
    with running_s3() as url:
        yield url


@pytest.fixture
def s3_url(server: str) -> str:
    """Give the URL of an empty store."""
    return server.replace("?", f"/tests/{secrets.token_hex(8)}?", 1)


@pytest.fixture
async def store(s3_url: str) -> AsyncIterator[BlobStore]:
    store = await open_blobs(s3_url)
    yield store
    await store.close()


class TestS3(BlobConformance, LeftoverConformance):
    @pytest.fixture
    async def another(self, s3_url: str) -> AsyncIterator[BlobStore]:
        store = await open_blobs(s3_url)
        yield store
        await store.close()

    @pytest.fixture
    def abandon(self, s3_url: str) -> Callable[[], Awaitable[None]]:
        async def abandon() -> None:
            parts = urlsplit(s3_url)
            endpoint = parts.query.removeprefix("endpoint=")
            send("POST", endpoint, f"/{BUCKET}{parts.path}/abandoned", {"uploads": ""})

        return abandon


async def test_keys_that_the_server_does_not_know_are_named_as_the_cause(s3_url: str) -> None:
    if "TEST_S3_URL" not in os.environ:
        pytest.skip("moto looks at no keys: python -m tests.ceph")
    for wrong in (s3_url.replace("%2Fa", "%2Fb"), s3_url.replace("//vitrine", "//nobody")):
        store = await open_blobs(wrong, BlobOptions(timeout=5))
        for attempt in everything(store):
            with pytest.raises(StoreUnavailable, match="keys"):
                await attempt
        await store.close()


async def test_a_bucket_that_is_not_there_is_named_as_the_cause(s3_url: str) -> None:
    store = await open_blobs(s3_url.replace(BUCKET, "nowhere"))
    for attempt in (store.check(), store.write(store.locate("key"), pieces(b"hello")), anext(aiter(store.list()))):
        with pytest.raises(StoreUnavailable, match="bucket"):
            await attempt
    await store.close()
