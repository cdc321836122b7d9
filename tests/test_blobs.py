"""Each blob store keeps the contract: a fixture each, and what only one of them has to prove."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import DRIVERS, open_blobs
from drivers.errors import UnknownScheme
from tests.blob_conformance import BlobConformance


class TestMemory(BlobConformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[BlobStore]:
        store = await open_blobs("memory://")
        yield store
        await store.close()


class TestFile(BlobConformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[BlobStore]:
        store = await open_blobs(f"file://{tmp_path}/images")
        yield store
        await store.close()

    @pytest.fixture
    async def another(self, store: BlobStore, tmp_path: Path) -> AsyncIterator[BlobStore]:
        another = await open_blobs(f"file://{tmp_path}/images")
        yield another
        await another.close()


async def test_an_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(UnknownScheme) as refusal:
        await open_blobs("swift://user:hunter2@host/images")
    assert all(scheme in str(refusal.value) for scheme in DRIVERS)
    assert "hunter2" not in str(refusal.value)
