"""Imports that unfold compressed data, and put the operator's properties on images (reference section 10.4)."""

import bz2
import gzip
import io
import lzma
import random
import zipfile
import zlib
from functools import partial
from typing import Any

import pytest
from backports import zstd

from service.data import decompress
from tests.conftest import TWO_STORES, Client, Connect
from tests.imports import COPY, DIRECT, hashes, imported, outcome, staged
from tests.transfers import DATA, objects, uploaded

NOISE = random.Random(3).randbytes(3 << 20)


def zipped(*contents: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip of files."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        for number, content in enumerate(contents):
            archive.writestr(str(number), content)
    return raw.getvalue()


PACKERS: dict[str, Any] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": partial(zstd.compress, options={zstd.CompressionParameter.checksum_flag: 1}),
    "zip": zipped,
}


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service that unfolds what is compressed."""
    return await connect(stores=TWO_STORES, image_import_plugins=("image_decompression",))


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("data", [DATA, NOISE, b"x"], ids=["data", "noise", "byte"])
async def test_compressed_data_is_stored_unfolded(client: Client, packer: str, data: bytes) -> None:
    path = await staged(client, PACKERS[packer](data))
    image = await imported(client, path, method=DIRECT, all_stores=True)
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(data), len(data))
    assert await objects(client) == [data, data]


@pytest.mark.parametrize("packer", ["gzip", "bz2", "xz", "zstd"])
async def test_streams_that_follow_each_other_are_one(client: Client, packer: str) -> None:
    pack = PACKERS[packer]
    path = await staged(client, pack(DATA) + pack(NOISE))
    await imported(client, path, method=DIRECT)
    assert await objects(client) == [DATA + NOISE]


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("fault", ["short", "flipped"])
async def test_broken_data_is_refused_and_leaves_nothing(client: Client, packer: str, fault: str) -> None:
    packed = bytearray(PACKERS[packer](NOISE))
    if fault == "short":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2] ^= 0xFF
    path = await staged(client, bytes(packed))
    image = await imported(client, path, method=DIRECT)
    assert (image["status"], hashes(image)) == ("queued", {None})
    assert "The data is compressed, and" in (await outcome(client, path))[1]
    assert await objects(client) == []


@pytest.mark.parametrize(
    "packed",
    [
        zipped(DATA, DATA),
        zipped(DATA, method=zipfile.ZIP_STORED),
        zipped(DATA, method=zipfile.ZIP_BZIP2),
        gzip.compress(DATA) + b"rubbish",
    ],
    ids=["two files", "stored", "bzip2 in zip", "rubbish behind"],
)
async def test_what_is_not_one_stream_is_refused(client: Client, packed: bytes) -> None:
    path = await staged(client, packed)
    assert (await imported(client, path, method=DIRECT))["status"] == "queued"
    assert await objects(client) == []


@pytest.mark.parametrize("packer", PACKERS)
async def test_a_bomb_is_stopped_by_the_cap(connect: Connect, packer: str) -> None:
    bomb = PACKERS[packer](bytes(64 << 20))
    client = await connect(image_import_plugins=("image_decompression",), image_size_cap=8 << 20)
    path = await staged(client, bomb)
    assert (await imported(client, path, method=DIRECT))["status"] == "queued"
    assert "bytes of an image would be exceeded" in (await outcome(client, path))[1]
    assert await objects(client) == []


async def test_a_ratio_that_nothing_honest_has_is_refused(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    monkeypatch.setattr(decompress, "ALLOWANCE", 1 << 20)
    path = await staged(client, bz2.compress(bytes(64 << 20)))
    assert (await imported(client, path, method=DIRECT))["status"] == "queued"
    assert "unfolds to more than 1000 times" in (await outcome(client, path))[1]


async def test_what_is_meant_to_be_compressed_or_is_only_copied_stays_as_it_is(client: Client) -> None:
    packed = gzip.compress(DATA)
    path = await staged(client, packed, container_format="compressed")
    await imported(client, path, method=DIRECT)
    assert await objects(client) == [packed]
    path = await uploaded(client, packed)
    await imported(client, path, "admin", method=COPY, stores=["slow"])
    assert await objects(client) == [packed] * 3


async def test_without_the_plugin_data_stays_as_it_is(connect: Connect) -> None:
    client = await connect()
    path = await staged(client, zlib.compress(DATA))
    await imported(client, path, method=DIRECT)
    assert await objects(client) == [zlib.compress(DATA)]


@pytest.mark.parametrize(("ignored", "there"), [(("admin",), True), (("member",), False)])
async def test_properties_of_the_operator_are_put_on_imports_but_for_some_roles(
    connect: Connect, ignored: tuple[str, ...], there: bool
) -> None:
    client = await connect(
        image_import_plugins=("inject_image_metadata",),
        inject_metadata_properties=("origin:import:web", "os_glance_x:1"),
        inject_ignore_user_roles=ignored,
    )
    image = await imported(client, await staged(client), method=DIRECT)
    assert (image.get("origin"), image.get("os_glance_x")) == ("import:web" if there else None, None)
    plain = await uploaded(client)
    async with client.get(plain, headers={"X-Auth-Token": "token-of-ann"}) as response:
        assert "origin" not in await response.json()
