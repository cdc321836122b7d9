"""Imports that convert disks, with the real qemu-img in its sandbox (reference section 10.4)."""

import asyncio
import gzip
import hashlib
import io
import logging
import os
import random
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from drivers.usage import Limits
from service.convert import converter
from service.convert.sandbox import Sandbox
from service.convert.scratch import Scratch, ScratchFailed
from service.limits.fixed import FixedLimits
from service.settings import Secret, Settings, SettingsError
from tests import disks, qemu
from tests.conftest import Client, Connect
from tests.imports import COPY, DIRECT, LOOPBACK, download, hashes, imported, lists, outcome, serving_data, staged
from tests.processes import serving
from tests.transfers import created, objects, uploaded

MIB = 1 << 20
# A disk with a hole in it.
DISK = random.Random(4).randbytes(MIB) + bytes(MIB) + random.Random(5).randbytes(MIB)
# Each format as images name it, as qemu does, and how the disk is made.
KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "qcow2": ("qcow2", "qcow2", ()),
    "qcow2 of old": ("qcow2", "qcow2", ("-o", "compat=0.10")),
    "qcow2, compressed": ("qcow2", "qcow2", ("-c",)),
    "vmdk": ("vmdk", "vmdk", ("-o", "subformat=monolithicSparse")),
    "vmdk as a stream": ("vmdk", "vmdk", ("-o", "subformat=streamOptimized")),
    "vhd": ("vhd", "vpc", ("-o", "force_size=on")),
    "vhdx": ("vhdx", "vhdx", ()),
    "vdi": ("vdi", "vdi", ()),
}
CONVERTING = {"image_import_plugins": ("image_conversion",)}
BOTH = ["fast", "slow"]


@pytest.fixture
def store_url() -> str:
    """Give the URL of an empty store of records, which conversions know nothing of."""
    return "memory://"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Give the folder in which data is converted."""
    qemu.needed_qemu_img()
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Give the folder of the store `slow`; the store fails as long as it is away."""
    return tmp_path / "slow"


@pytest.fixture
async def converting(connect: Connect, scratch: Path, slow: Path) -> Connect:
    """Give a function that connects to a service of two stores that converts; its arguments are settings."""

    async def converting(**settings: Any) -> Client:
        stores = Secret(f"fast=memory://?weight=100,slow=file://{slow}")
        return await connect(**{"stores": stores, "conversion_dir": str(scratch)} | CONVERTING | settings)

    return converting


async def failed(client: Client, data: bytes, **fields: Any) -> str:
    """Import data by a service that has to refuse it, and leave nothing of it; give the reason that it tells."""
    path = await staged(client, data, **fields)
    image = await imported(client, path, method=DIRECT, stores=BOTH)
    assert (image["status"], lists(image), hashes(image)) == ("queued", ("", "fast,slow"), {None})
    assert image["disk_format"] == fields.get("disk_format", "raw")
    assert await objects(client) == []
    status, message = await outcome(client, path)
    assert status == "failure"
    # Neither a folder nor a descriptor of ours.
    assert not any(each in message for each in ("/proc", "/tmp", "/dev"))
    return message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_disk_of_any_format_becomes_raw(converting: Connect, scratch: Path, kind: str) -> None:
    disk_format, name, options = KINDS[kind]
    client = await converting()
    path = await staged(client, qemu.disk(DISK, name, *options), disk_format=disk_format)
    image = await imported(client, path, method=DIRECT, stores=BOTH)
    assert (image["status"], image["stores"], lists(image)) == ("active", "fast,slow", ("", ""))
    assert (image["disk_format"], image["container_format"]) == ("raw", "bare")
    assert (image["size"], image["virtual_size"]) == (len(DISK), len(DISK))
    assert (image["checksum"], image["os_hash_value"]) == (
        hashlib.md5(DISK).hexdigest(),
        hashlib.sha512(DISK).hexdigest(),
    )
    assert await objects(client) == [DISK, DISK]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("output", ["qcow2", "vmdk"])
@pytest.mark.parametrize("kind", ["raw", "vhd", "vdi"])
async def test_a_disk_becomes_what_the_operator_wants(converting: Connect, output: str, kind: str) -> None:
    disk_format, name, options = KINDS.get(kind, ("raw", "raw", ()))
    client = await converting(conversion_output_format=output)
    path = await staged(client, qemu.disk(DISK, name, *options), disk_format=disk_format)
    image = await imported(client, path, method=DIRECT)
    assert (image["status"], image["disk_format"], image["virtual_size"]) == ("active", output, len(DISK))
    (stored,) = await objects(client)
    assert (image["size"], image["os_hash_value"]) == (len(stored), hashlib.sha512(stored).hexdigest())
    assert qemu.content(stored, output) == DISK


@pytest.mark.parametrize(
    ("output", "disk_format", "data"),
    [
        ("raw", "raw", DISK),
        ("raw", "raw", disks.mbr(disks.LINUX) + DISK),
        ("raw", "gpt", disks.mbr(disks.LINUX) + DISK),
        ("raw", "iso", disks.iso()),
        ("raw", "iso", disks.iso(boot=disks.mbr(disks.LINUX))),
        ("qcow2", "qcow2", disks.qcow2()),
        ("qcow2", "iso", disks.iso()),
    ],
)
async def test_what_is_as_it_is_wanted_and_an_iso_stay_as_they_are(
    converting: Connect, output: str, disk_format: str, data: bytes
) -> None:
    client = await converting(conversion_output_format=output, disk_formats=("raw", "gpt", "iso", "qcow2"))
    path = await staged(client, data, disk_format=disk_format)
    image = await imported(client, path, method=DIRECT)
    assert (image["status"], image["disk_format"], image["size"]) == ("active", disk_format, len(data))
    assert await objects(client) == [data]


@pytest.mark.parametrize(
    ("disk_format", "data", "reason"),
    [
        ("raw", disks.qcow2(), "does not match stream data qcow2"),
        ("qcow2", DISK, "does not match stream data raw"),
        ("vmdk", disks.qcow2(), "does not match stream data qcow2"),
        ("raw", disks.iso(), "does not match stream data iso"),
        ("qcow2", disks.iso(), "does not match stream data iso"),
        ("ami", DISK, "does not match stream data raw"),
        ("qcow2", disks.qcow2(backing=b"/etc/passwd"), "safety checks"),
        ("qcow2", disks.qcow2(features=4), "safety checks"),
        ("vmdk", disks.vmdk(disks.descriptor("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0')), "safety checks"),
        ("vmdk", disks.descriptor("monolithicFlat"), "safety checks"),
    ],
)
async def test_what_is_not_what_it_claims_or_leads_elsewhere_is_never_converted(
    converting: Connect, monkeypatch: pytest.MonkeyPatch, disk_format: str, data: bytes, reason: str
) -> None:
    # Even where formats need not match, qemu-img is told one, and that one is true.
    client = await converting(require_image_format_match=False)
    monkeypatch.setattr(Sandbox, "run", None)
    assert reason in await failed(client, data, disk_format=disk_format)


async def test_a_broken_disk_is_refused_in_words_of_qemu_img(converting: Connect) -> None:
    image = bytearray(qemu.disk(DISK, "qcow2"))
    image[40:48] = (12345).to_bytes(8, "big")  # where its table is
    message = await failed(await converting(), bytes(image), disk_format="qcow2")
    assert message == "The data cannot be converted: Could not open the disk: Active L1 table offset invalid."


async def test_a_disk_that_ends_early_is_refused(converting: Connect) -> None:
    image = qemu.disk(DISK, "vmdk", "-o", "subformat=streamOptimized")
    message = await failed(await converting(), image[: len(image) // 2], disk_format="vmdk")
    assert "The data cannot be converted: " in message


async def test_a_disk_within_a_disk_is_refused(converting: Connect) -> None:
    client = await converting()
    for inner, reason in (
        (disks.qcow2(backing=b"/etc/passwd", length=MIB), "as qcow2 it fails backing_file"),
        (disks.qcow2(length=MIB), "Image disk_format raw does not match stream data qcow2"),
    ):
        message = await failed(client, qemu.disk(inner, "qcow2"), disk_format="qcow2")
        assert f"The converted data is refused: {reason}" in message.replace("Image failed safety checks: ", "")


async def test_a_disk_that_is_larger_than_any_image_is_not_even_begun(
    converting: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = qemu.created("-f", "qcow2", "-o", "cluster_size=2M", str(1 << 50))
    client = await converting()
    monkeypatch.setattr(Sandbox, "run", None)
    assert "bytes of an image would be exceeded" in await failed(client, bomb, disk_format="qcow2")


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"image_size_cap": 2 * MIB}, "error while converting raw: Could not resize file: File too large."),
        ({"conversion_seconds": 0.001}, "The data cannot be converted: it takes longer than 0.001 seconds."),
    ],
    ids=["size", "time"],
)
async def test_a_conversion_stays_within_its_limits(
    converting: Connect, monkeypatch: pytest.MonkeyPatch, limit: dict[str, Any], reason: str
) -> None:
    # As if the header had told another size than qemu-img finds.
    monkeypatch.setattr(converter, "disk_size", lambda *_: 0)
    client = await converting(**limit)
    message = await failed(client, qemu.created("-f", "qcow2", "64M"), disk_format="qcow2")
    assert message.endswith(reason)


async def test_a_disk_that_is_nearly_all_hole_takes_no_room(
    converting: Connect, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    read = Scratch.read

    def looked_at(self: Scratch) -> AsyncIterator[bytes]:
        taken.append(os.fstat(self.descriptor).st_blocks * 512)
        return read(self)

    monkeypatch.setattr(Scratch, "read", looked_at)
    client = await converting(stores=Secret(f"file://{scratch.parent}/fast"))
    path = await staged(client, qemu.created("-f", "qcow2", "64M"), disk_format="qcow2")
    image = await imported(client, path, method=DIRECT)
    assert (image["status"], image["size"]) == ("active", 64 * MIB)
    assert taken[0] < 8 * MIB


async def test_a_projects_quota_is_for_the_converted_size(connect: Connect, scratch: Path) -> None:
    limits = FixedLimits(Limits(bytes=2 * MIB))
    client = await connect(limits=limits, conversion_dir=str(scratch), **CONVERTING)
    path = await staged(client, qemu.created("-f", "qcow2", "64M"), disk_format="qcow2")
    image = await imported(client, path, method=DIRECT)
    assert (image["status"], image["disk_format"]) == ("queued", "qcow2")
    assert "bytes of a project's images would be exceeded" in (await outcome(client, path))[1]
    assert await objects(client) == []


async def test_data_is_unfolded_before_it_is_converted(converting: Connect) -> None:
    client = await converting(image_import_plugins=("image_conversion", "image_decompression"))
    path = await staged(client, gzip.compress(qemu.disk(DISK, "vhdx")), disk_format="vhdx")
    assert (await imported(client, path, method=DIRECT))["status"] == "active"
    assert await objects(client) == [DISK]


async def test_a_hash_that_is_expected_is_that_of_the_data_as_it_comes(converting: Connect) -> None:
    client, data = await converting(**LOOPBACK), qemu.disk(DISK, "qcow2")
    async with serving_data(data) as server:
        for value, status in ((hashlib.sha256(DISK), "queued"), (hashlib.sha256(data), "active")):
            path = await created(client, disk_format="qcow2")
            method = download(server, os_hash_algo="sha256", os_hash_value=value.hexdigest())
            assert (await imported(client, path, method=method))["status"] == status
    assert await objects(client) == [DISK]


async def test_copies_and_uploads_are_not_converted(converting: Connect) -> None:
    client, data = await converting(), qemu.disk(DISK, "qcow2")
    path = await uploaded(client, data, disk_format="qcow2")
    image = await imported(client, path, "admin", method=COPY, stores=["slow"])
    assert (image["disk_format"], image["stores"]) == ("qcow2", "fast,slow")
    assert await objects(client) == [data, data]


async def test_the_formats_stay_as_they_were_when_a_store_fails_after_another_took_the_data(
    converting: Connect, slow: Path
) -> None:
    client = await converting()
    path = await staged(client, qemu.disk(DISK, "qcow2"), disk_format="qcow2")
    slow.rename(slow.with_name("elsewhere"))
    image = await imported(client, path, method=DIRECT, stores=BOTH)
    slow.with_name("elsewhere").rename(slow)
    assert (image["status"], image["disk_format"], lists(image)) == ("queued", "qcow2", ("", "slow"))
    assert await objects(client) == []
    path = await staged(client, qemu.disk(DISK, "qcow2"), disk_format="qcow2")
    slow.rename(slow.with_name("elsewhere"))
    image = await imported(client, path, method=DIRECT, stores=BOTH, all_stores_must_succeed=False)
    slow.with_name("elsewhere").rename(slow)
    assert (image["status"], image["disk_format"], lists(image)) == ("active", "raw", ("", "slow"))
    assert await objects(client) == [DISK]


async def test_what_was_converted_goes_on_to_the_next_store_where_the_first_fails(
    converting: Connect, slow: Path
) -> None:
    client = await converting()
    path = await staged(client, qemu.disk(DISK, "qcow2"), disk_format="qcow2")
    slow.rename(slow.with_name("elsewhere"))
    image = await imported(client, path, method=DIRECT, stores=["slow", "fast"], all_stores_must_succeed=False)
    slow.with_name("elsewhere").rename(slow)
    assert (image["status"], image["disk_format"], lists(image)) == ("active", "raw", ("", "slow"))
    assert await objects(client) == [DISK]


async def test_a_full_disk_is_a_reason_to_be_told(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as executor:
        scratch = Scratch(FileIO("/dev/full", "wb"), executor)
        with pytest.raises(ScratchFailed, match=r"no room to convert the data: No space left on device\.$"):
            await scratch.write(b"data")
        scratch.close()
        buffered = Scratch(BufferedWriter(FileIO("/dev/full", "wb")), executor)
        await buffered.write(b"data")
        buffered.close()
    assert "No space left" in caplog.text


@asynccontextmanager
async def halted(server: int) -> AsyncIterator[int]:
    """Stop the qemu-img that a service has started, as soon as there is one; give its process."""
    while (process := child_of(server, "qemu-img")) is None:  # noqa: ASYNC110 - another process starts it
        await asyncio.sleep(0.001)
    os.kill(process, signal.SIGSTOP)
    yield process


def child_of(parent: int, name: str) -> int | None:
    """Find a process by the name of its program, among those that another one started."""
    for task in Path(f"/proc/{parent}/task").iterdir():
        for child in (task / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == name:
                return int(child)
    return None


async def test_a_process_that_is_killed_leaves_nothing_and_another_one_converts_again(
    database: str, tmp_path: Path, scratch: Path, tokens_file: str
) -> None:
    settings = {
        "store": database,
        "stores": f"file://{tmp_path}/blobs",
        "tokens": "static",
        "tokens_file": tokens_file,
        "lease_seconds": "1",
        "image_import_plugins": "image_conversion",
        "conversion_dir": str(scratch),
    }
    headers = {"X-Auth-Token": "token-of-ann"}
    async with serving(**settings) as (dying, base), ClientSession(headers=headers) as session:
        fields = {"disk_format": "qcow2", "container_format": "bare"}
        async with session.post(f"{base}/v2/images", json=fields) as response:
            path = f"/v2/images/{(await response.json())['id']}"
        octets = {"Content-Type": "application/octet-stream"}
        async with session.put(
            f"{base}{path}/stage", data=io.BytesIO(qemu.disk(DISK * 8, "qcow2")), headers=octets
        ) as response:
            assert response.status == 204
        async with session.post(f"{base}{path}/import", json={"method": DIRECT}) as response:
            assert response.status == 202
        async with asyncio.timeout(20), halted(dying.pid) as process:
            os.kill(dying.pid, signal.SIGKILL)
            while Path(f"/proc/{process}").exists():  # noqa: ASYNC110 - the kernel ends it
                await asyncio.sleep(0.01)
        assert list(scratch.iterdir()) == []
        async with serving(**settings) as (_, other), asyncio.timeout(20):
            while (image := await (await session.get(f"{other}{path}")).json())["status"] != "active":
                assert (image["status"], image["disk_format"]) == ("importing", "qcow2")
                await asyncio.sleep(0.05)
            assert (image["disk_format"], image["size"]) == ("raw", 8 * len(DISK))
            async with session.get(f"{other}{path}/file") as response:
                assert await response.read() == DISK * 8


def test_a_service_that_cannot_convert_does_not_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    qemu.needed_qemu_img()
    settings = Settings(image_import_plugins=("image_conversion",), conversion_dir=str(tmp_path))
    assert converter.open_converter(settings) is not None
    assert converter.open_converter(Settings()) is None
    with pytest.raises(SettingsError, match="VITRINE_CONVERSION_DIR is no folder to write to: No such file"):
        converter.open_converter(Settings(image_import_plugins=("image_conversion",), conversion_dir="/nowhere"))
    with monkeypatch.context() as patch:
        patch.setattr("platform.machine", lambda: "riscv64")
        with pytest.raises(SettingsError, match="needs a sandbox, and there is none here: it needs Linux on x86-64"):
            converter.open_converter(settings)
    with monkeypatch.context() as patch:
        patch.setattr("service.convert.launcher.landlock_version", lambda: 0)
        with caplog.at_level(logging.WARNING):
            assert converter.open_converter(settings) is not None
        assert "no Landlock" in caplog.text
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="needs qemu-img, which is not on the PATH"):
        converter.open_converter(settings)
