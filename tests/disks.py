"""Disk images as small as they come, made byte by byte: sound ones of every format, and those that mean harm."""

import struct

SECTOR = 512
MIB = 1 << 20


def qcow2(
    virtual_size: int = MIB, *, version: int = 3, backing: bytes = b"", features: int = 0, length: int = 4096
) -> bytes:
    """Make the header of a qcow2 image; `features` are the incompatible ones (qcow2.txt)."""
    offset = 200 if backing else 0
    header = struct.pack(">4sIQIIQ", b"QFI\xfb", version, offset, len(backing), 16, virtual_size)
    header += struct.pack(">IIQQIIQ", 0, 1, 0x30000, 0x10000, 1, 0, 0)
    header += struct.pack(">QQQII", features, 0, 0, 4, 104)
    return (header.ljust(200, b"\0") + backing).ljust(length, b"\0")[: max(length, 200 + len(backing))]


def qed() -> bytes:
    """Make the header of a QED image."""
    return b"QED\0".ljust(SECTOR, b"\0")


def vhd(virtual_size: int = MIB) -> bytes:
    """Make the header of a dynamic VHD."""
    return (b"conectix".ljust(40, b"\0") + struct.pack(">QQ", virtual_size, virtual_size)).ljust(3 * SECTOR, b"\0")


def vdi(virtual_size: int = MIB) -> bytes:
    """Make the header of a VDI."""
    header = bytearray(b"<<< QEMU VM Virtual Disk Image >>>\n".ljust(SECTOR, b"\0"))
    struct.pack_into("<I", header, 0x40, 0xBEDA107F)
    struct.pack_into("<Q", header, 0x170, virtual_size)
    return bytes(header).ljust(2 * SECTOR, b"\0")


def _guid(text: str) -> bytes:
    first, second, third, fourth, fifth = text.split("-")
    numbers = struct.pack("<IHH", int(first, 16), int(second, 16), int(third, 16))
    return numbers + bytes.fromhex(fourth) + bytes.fromhex(fifth)


def vhdx(
    virtual_size: int = 8 * MIB, *, metadata_at: int = 2 * MIB, item_at: int = 65536, item_length: int = 8
) -> bytes:
    """Make a VHDX with its region table, and the metadata where qemu-img puts it."""
    image = bytearray(metadata_at + item_at + MIB)
    image[:8] = b"vhdxfile"
    struct.pack_into("<IIII", image, 192 * 1024, 0x69676572, 0, 1, 0)
    region = _guid("8B7CA206-4790-4B9A-B8FE-575F050F886E")
    struct.pack_into("<16sQII", image, 192 * 1024 + 16, region, metadata_at, MIB, 1)
    struct.pack_into("<8sHH", image, metadata_at, b"metadata", 0, 1)
    item = _guid("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
    struct.pack_into("<16sIII", image, metadata_at + 32, item, item_at, item_length, 0)
    struct.pack_into("<Q", image, metadata_at + item_at, virtual_size)
    return bytes(image)


DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="{kind}"
# Extent description
{extents}
# The Disk Data Base
#DDB
ddb.virtualHWVersion = "4"
"""
SPARSE = 'RW 2048 SPARSE "disk.vmdk"'


def descriptor(kind: str = "monolithicSparse", extents: str = SPARSE) -> bytes:
    """Make the text that says where a VMDK keeps its data."""
    return DESCRIPTOR.format(kind=kind, extents=extents).encode()


def vmdk(
    text: bytes | None = None, *, virtual_size: int = MIB, version: int = 1, where: int = 1, directory: int = 21
) -> bytes:
    """Make a sparse VMDK that holds its descriptor."""
    text = descriptor() if text is None else text
    header = struct.pack(
        "<4sIIQQQQIQQ", b"KDMV", version, 3, virtual_size // SECTOR, 128, where, 20, 512, 21, directory
    )
    return (header.ljust(SECTOR, b"\0") + text.ljust(20 * SECTOR, b"\0")).ljust(64 * SECTOR, b"\0")


AT_END = 2**64 - 1


def stream_vmdk(*, footer_where: int = 1, marker: int = 3) -> bytes:
    """Make a streamOptimized VMDK: a footer repeats the header, with the place of the directory."""
    body = vmdk(descriptor("streamOptimized"), directory=AT_END)
    footer = vmdk(b"", where=footer_where, directory=40)[:SECTOR]
    return body + struct.pack("<QII", 1, 0, marker).ljust(SECTOR, b"\0") + footer + bytes(SECTOR)


def iso(blocks: int = 20, *, block_size: int = 2048, name: bytes = b"CD001", boot: bytes = b"") -> bytes:
    """Make an ISO 9660 image; `boot` fills its system area."""
    primary = bytearray(2048)
    primary[0] = 1
    primary[1:6] = name
    struct.pack_into("<I", primary, 80, blocks)
    struct.pack_into("<H", primary, 128, block_size)
    return (boot.ljust(32768, b"\0") + bytes(primary)).ljust(blocks * block_size, b"\0")


def mbr(*partitions: tuple[int, int, tuple[int, int, int], int], signature: bytes = b"\x55\xaa") -> bytes:
    """Make a boot sector; a partition is its boot flag, its type, where it starts by CHS, and by LBA."""
    sector = bytearray(SECTOR)
    for number, (boot, kind, chs, start) in enumerate(partitions):
        struct.pack_into("<B3BB3BII", sector, 446 + 16 * number, boot, *chs, kind, 0, 0, 0, start, 2048)
    sector[510:] = signature
    return bytes(sector).ljust(8 * SECTOR, b"\0")


LINUX = (0x80, 0x83, (0, 2, 0), 2048)
PROTECTIVE = (0x00, 0xEE, (0, 2, 0), 1)


def fat() -> bytes:
    """Make a FAT file system's first sector, which ends as a partition table does."""
    sector = bytearray(mbr())
    sector[0x10], sector[0x15] = 2, 0xF8
    return bytes(sector)


def luks(version: int = 1, payload_sectors: int = 2) -> bytes:
    """Make the header of a LUKS container."""
    header = struct.pack(
        ">6sH32s32s32sII20s32sI",
        b"LUKS\xba\xbe",
        version,
        b"aes",
        b"xts-plain64",
        b"sha256",
        payload_sectors,
        32,
        b"",
        b"",
        1,
    )
    return header.ljust(payload_sectors * SECTOR, b"\0") + bytes(MIB)
