"""What data is and whether an image may have it, by the table of reference section 10.5, however its bytes arrive."""

from typing import Any

import pytest

from service.data.formats import Inspection, judge
from service.refusals import UnsupportedContent
from service.settings import Settings
from tests import disks
from tests.callers import by
from tests.conformance import image
from tests.conftest import Client, Connect
from tests.disks import LINUX, MIB, PROTECTIVE, SPARSE, descriptor
from tests.transfers import OCTETS, created, objects, put, shown

SOUND = {
    "qcow2": disks.qcow2(5 * MIB),
    "vhd": disks.vhd(5 * MIB),
    "vhdx": disks.vhdx(5 * MIB),
    "vmdk": disks.vmdk(virtual_size=5 * MIB),
    "vdi": disks.vdi(5 * MIB),
    "iso": disks.iso(2560),
}
UNSAFE = {
    "qcow2 on another file": disks.qcow2(backing=b"/etc/passwd"),
    "qcow2 on another file, shorter than a sector": disks.qcow2(backing=b"/etc/passwd", length=300),
    "qcow2 with a file of data": disks.qcow2(features=1 << 2),
    "qcow2 of unknown features": disks.qcow2(features=1 << 5),
    "qcow2 of features beyond any": disks.qcow2(features=1 << 63),
    "qcow2 of version 1": disks.qcow2(version=1),
    "qcow2 of version 4": disks.qcow2(version=4),
    "qed": disks.qed(),
    "flat vmdk": disks.vmdk(descriptor("monolithicFlat", 'RW 2048 FLAT "disk-flat.vmdk" 0')),
    "vmdk on a file of the host": disks.vmdk(descriptor(extents='RW 2048 SPARSE "/etc/passwd"')),
    "vmdk that only describes": descriptor("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'),
    "sparse vmdk that only describes": descriptor(),
    "vmdk described beyond ASCII": descriptor("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0') + "é".encode() * 600,
    "vmdk described beyond ASCII at once": "# é\n".encode() + descriptor("monolithicFlat"),
    "vmdk described after much else": b"version=1\n" + b"# nothing\n" * 20_000 + descriptor("monolithicFlat"),
    "vmdk without extents": disks.vmdk(descriptor(extents="")),
    "vmdk without a descriptor": disks.vmdk(b""),
    "vmdk of odd lines": disks.vmdk(descriptor(extents=SPARSE + "\nfrom elsewhere")),
    "vmdk of an unknown version": disks.vmdk(version=9),
    "vmdk with its descriptor elsewhere": disks.vmdk(where=2),
    "vmdk of an endless type": disks.vmdk(descriptor("x" * 100)),
    "vmdk whose footer is another": disks.stream_vmdk(footer_where=3),
    "vmdk whose footer is none": disks.stream_vmdk(marker=1),
    "vmdk cut short": disks.vmdk()[:60],
    "vhdx without metadata": disks.vhdx()[: 2 * MIB],
    "boot flag of no boot": disks.mbr((0x42, 0x83, (0, 2, 0), 2048)),
    "partitions beside a protective one": disks.mbr(PROTECTIVE, LINUX),
    "protective one elsewhere": disks.mbr((0, 0xEE, (0, 2, 0), 2)),
    "protective one of odd geometry": disks.mbr((0, 0xEE, (9, 9, 9), 1)),
    "no partitions": disks.mbr(),
    "luks of version 2": disks.luks(2),
}
SEVERAL = {
    "iso and qcow2": disks.iso(boot=disks.qcow2()),
    "iso and vmdk": disks.iso(boot=disks.vmdk()[:32768]),
    "iso and vhd": disks.iso(boot=disks.vhd()),
    "gpt and qcow2": disks.qcow2(length=510) + b"\x55\xaa" + bytes(4096),
}


async def refused(client: Client, data: bytes, disk_format: str) -> str:
    """Upload data that is refused with a 415, and leaves nothing; give the text."""
    path = await created(client, disk_format=disk_format)
    async with client.put(f"{path}/file", data=data[: MIB - 1], headers=by("ann", **OCTETS)) as response:
        text = await response.text()
        assert response.status == 415, text
    image = await shown(client, path)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    return text


async def virtual_size(client: Client, data: bytes, disk_format: str, **fields: Any) -> Any:
    """Upload data that is welcome; give the virtual size."""
    path = await created(client, disk_format=disk_format, **fields)
    assert await put(client, path, data) == 204
    return (await shown(client, path))["virtual_size"]


@pytest.fixture
def store_url() -> str:
    """Give one driver: data is looked at before any of them meets it."""
    return "memory://"


@pytest.mark.parametrize("name", SOUND)
async def test_data_that_is_what_it_claims_tells_its_virtual_size(client: Client, name: str) -> None:
    assert await virtual_size(client, SOUND[name], name) == 5 * MIB


@pytest.mark.parametrize("name", SOUND)
async def test_as_raw_everything_sound_is_welcome_and_as_large_as_it_is(client: Client, name: str) -> None:
    assert await virtual_size(client, SOUND[name], "raw") == len(SOUND[name])


@pytest.mark.parametrize(
    "data",
    [disks.mbr(LINUX), disks.mbr(PROTECTIVE), disks.fat(), disks.luks(), b"x", b"#!/bin/sh\n" * 100, bytes(MIB)],
    ids=["mbr", "gpt", "fat", "luks", "byte", "text", "zeros"],
)
async def test_what_guests_have_on_a_raw_disk_is_their_business(client: Client, data: bytes) -> None:
    assert await virtual_size(client, data, "raw") == len(data)


async def test_text_in_other_languages_is_raw(client: Client) -> None:
    text = b"readme\n" * 100 + "größer".encode() * 1000
    assert await virtual_size(client, text, "raw") == len(text)


async def test_a_stream_vmdk_with_its_footer_is_sound(client: Client) -> None:
    assert await virtual_size(client, disks.stream_vmdk(), "vmdk") == MIB


async def test_an_iso_may_boot_from_a_disk_too(client: Client) -> None:
    assert await virtual_size(client, disks.iso(boot=disks.mbr(LINUX)), "iso") == 20 * 2048


@pytest.mark.parametrize("disk_format", ["ami", "ari", "aki", "ploop"])
async def test_of_formats_that_nobody_knows_nothing_is_known(client: Client, disk_format: str) -> None:
    assert await virtual_size(client, b"kernel", disk_format) is None
    assert "does not match stream data qcow2" in await refused(client, disks.qcow2(), disk_format)


@pytest.mark.parametrize("claimed", SOUND)
@pytest.mark.parametrize("data", [b"xyz", b"", disks.mbr(LINUX)], ids=["junk", "nothing", "mbr"])
async def test_a_known_format_must_be_what_the_data_is(client: Client, claimed: str, data: bytes) -> None:
    assert f"Image disk_format {claimed} does not match stream data" in await refused(client, data, claimed)


async def test_one_known_format_is_not_another(client: Client) -> None:
    assert "disk_format vdi does not match stream data qcow2" in await refused(client, disks.qcow2(), "vdi")


@pytest.mark.parametrize("claimed", ["raw", "qcow2", "vmdk", "ploop"])
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_data_is_refused_whatever_it_claims_to_be(name: str, claimed: str) -> None:
    for settings in (Settings(), Settings(require_image_format_match=False)):
        with pytest.raises(UnsupportedContent, match="Image failed safety checks"):
            judged(UNSAFE[name], claimed, settings)


@pytest.mark.parametrize("claimed", ["raw", "iso", "qcow2", "vmdk"])
@pytest.mark.parametrize("name", SEVERAL)
def test_data_that_is_several_things_at_once_is_refused(name: str, claimed: str) -> None:
    with pytest.raises(UnsupportedContent, match="at once"):
        judged(SEVERAL[name], claimed)


@pytest.mark.parametrize("name", ["qed", "qcow2 on another file", "vmdk that only describes"])
async def test_an_unsafe_upload_is_415_and_leaves_nothing(client: Client, name: str) -> None:
    assert "Image failed safety checks" in await refused(client, UNSAFE[name], "raw")
    assert await objects(client) == []


async def test_mismatches_pass_where_the_setting_says_so(connect: Connect) -> None:
    client = await connect(require_image_format_match=False)
    assert await virtual_size(client, disks.vdi(), "qcow2") is None
    assert "safety" in await refused(client, disks.qed(), "qcow2")


async def test_checks_of_partition_tables_may_be_excused_by_name(connect: Connect) -> None:
    client = await connect(gpt_safety_checks_nonfatal=("mbr",))
    assert await virtual_size(client, disks.mbr(), "raw") == len(disks.mbr())
    assert "safety" in await refused(client, disks.qed(), "raw")


async def test_data_in_a_container_is_not_looked_at(client: Client) -> None:
    assert await virtual_size(client, disks.qed(), "qcow2", container_format="ovf") is None


@pytest.mark.parametrize(
    "data",
    [
        disks.qcow2(2**64 - 1),
        disks.vhd(2**63),
        disks.vdi(2**64 - 1),
        disks.vhdx(2**64 - 1),
        disks.vhdx(item_length=3),
        disks.vhdx(item_length=9),
        disks.vmdk(virtual_size=2**72),
    ],
    ids=["qcow2", "vhd", "vdi", "vhdx", "vhdx short", "vhdx long", "vmdk"],
)
def test_a_size_that_no_disk_has_is_refused(data: bytes) -> None:
    claimed = str(inspected(data)[0].NAME)
    with pytest.raises(UnsupportedContent, match="Image failed safety checks"):
        judged(data, claimed)


def test_of_a_luks_container_the_disk_within_is_told() -> None:
    assert judged(disks.luks(), "luks") == MIB


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, size) for name in ("qcow2", "vmdk", "iso") for size in (1, 7, 511, 513)),
        *((name, size) for name in ("qcow2", "vmdk", "iso", "vhdx") for size in (65_537, MIB + 1, 100 * MIB)),
    ],
)
def test_it_does_not_matter_in_which_blocks_data_comes(name: str, size: int) -> None:
    assert judged(SOUND[name], name, block=size) == 5 * MIB


def test_what_a_pointer_leads_to_may_be_in_the_same_block() -> None:
    assert judged(disks.vhdx(5 * MIB, metadata_at=MIB // 2), "vhdx") == 5 * MIB


def test_soon_there_is_nothing_more_to_be_seen_in_most_data() -> None:
    inspection = Inspection()
    inspection.feed(bytes(MIB))
    assert inspection.settled


def inspected(data: bytes, block: int = MIB) -> Any:
    """Look at data that comes in blocks."""
    inspection = Inspection()
    for start in range(0, len(data), block):
        inspection.feed(data[start : start + block])
    return inspection.end()


def judged(data: bytes, claimed: str, settings: Settings | None = None, block: int = MIB) -> int | None:
    """Look at data, and judge whether an image may have it."""
    record = image(disk_format=claimed, container_format="bare")
    return judge(inspected(data, block), record, len(data), settings or Settings())
