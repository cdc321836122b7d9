"""What image data is, seen while it streams past, and whether it is what the image claims (reference section 10.5)."""

import re
from collections.abc import Iterable

from oslo_utils.imageutils.format_inspector import ALL_FORMATS, FileInspector, SafetyCheckFailed

from drivers.records import Image
from service.refusals import UnsupportedContent
from service.settings import Settings

# The formats that the inspector tells apart and images may claim; `gpt` counts as raw.
KNOWN = frozenset({"raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "iso", "gpt", "luks", "qed"})
# A parser follows a pointer only into what comes after the piece that held it.
PIECE = 1 << 16
# A shorter file looks, as a disk, as if zeros filled its only sector.
SECTOR = 512
# A text that qemu takes for the descriptor of a disk in other files, whatever bytes follow (block/vmdk.c).
DESCRIPTOR = re.compile(rb"(?:#[^\n]*\n|[ \t]*\r?\n)*version=[123]\r?\n")
LARGEST = 2**63 - 1


class Inspection:
    """Looks at data in the order it comes, with the maintained parsers of oslo.utils; nothing is run or written.

    Their own wrapper depends on how large the blocks are that come, and stumbles over text.
    """

    def __init__(self) -> None:
        self._inspectors = [kind() for name, kind in ALL_FORMATS.items() if name != "raw"]
        self._watching = self._inspectors
        self._head = b""

    @property
    def settled(self) -> bool:
        """Whether all that could be seen has been seen, so that `feed` would do nothing."""
        return not self._watching

    def feed(self, block: bytes) -> None:
        """Look at the next block; may run in a thread, one block after the other."""
        if len(self._head) < SECTOR:
            self._head += block[: SECTOR - len(self._head)]
        for start in range(0, len(block), PIECE):
            if self.settled:
                return
            piece = block[start : start + PIECE]
            self._watching = [each for each in self._watching if _wants_more(each, piece)]

    def end(self) -> list[FileInspector]:
        """Tell what the data is, all of it having been seen: none for raw, several where it means to deceive."""
        self.feed(bytes(SECTOR - len(self._head)))
        for inspector in self._inspectors:
            inspector.finish()
        return [each for each in self._inspectors if self._is_match(each)]

    def _is_match(self, inspector: FileInspector) -> bool:
        if inspector.NAME == "vmdk" and DESCRIPTOR.match(self._head):
            return True
        try:
            return inspector.format_match
        except AttributeError:  # of text that is no descriptor, or none in ASCII, the parser of vmdk kept no type
            return False


def _wants_more(inspector: FileInspector, piece: bytes) -> bool:
    try:
        inspector.eat_chunk(piece)
    except Exception:  # noqa: BLE001 - the parsers meet hostile data; what one stumbles on is judged at the end
        return False
    return not inspector.complete


def judge(found: Iterable[FileInspector], image: Image, size: int, settings: Settings) -> int | None:
    """Give the virtual size of data that may be the image's, None where it is not known; `found` as by Inspection.

    Raises UnsupportedContent for data that is unsafe whatever it claims to be, or is not what the image claims.
    """
    claimed = image.disk_format
    name, inspector = _recognised(found, claimed, settings)
    if settings.require_image_format_match:
        _require_match(name, claimed)
    if claimed == "raw":
        return size or None
    return disk_size(inspector, size) if inspector is not None and name == claimed else None


def require_exactly(found: Iterable[FileInspector], image: Image, settings: Settings) -> str:
    """Give the format of data that is what the image claims, and nothing more: no other format in a raw disk.

    A partition table is a raw disk. Raises UnsupportedContent for all other data, as `judge` does.
    """
    name, _ = _recognised(found, image.disk_format, settings)
    name = "raw" if name == "gpt" else name
    if name != ("raw" if image.disk_format == "gpt" else image.disk_format):
        raise _mismatch(name, image.disk_format)
    return name


def _recognised(
    found: Iterable[FileInspector], claimed: str | None, settings: Settings
) -> tuple[str, FileInspector | None]:
    """Give the one format that data is, if it is safe to use. Raises UnsupportedContent."""
    formats = {each.NAME: each for each in found}
    if claimed == "iso" and formats.keys() == {"iso", "gpt"}:
        formats.pop("gpt")  # an iso that also boots from a disk
    if len(formats) > 1:
        raise UnsupportedContent(f"The data is {' and '.join(sorted(formats))} at once, and so is not safe to use.")
    name, inspector = next(iter(formats.items()), ("raw", None))
    if inspector is not None:
        _require_safe(inspector, settings)
    return name, inspector


def _require_safe(inspector: FileInspector, settings: Settings) -> None:
    if inspector.NAME == "vmdk" and not inspector.has_region("header"):  # the parser lets go of it for text
        raise _unsafe("it only describes a disk that is in other files")
    try:
        inspector.safety_check()
    except SafetyCheckFailed as failure:
        excused = settings.gpt_safety_checks_nonfatal if inspector.NAME == "gpt" else ()
        failed = sorted(failure.failures.keys() - set(excused))
        if failed:
            raise _unsafe(f"as {inspector.NAME} it fails {', '.join(failed)}") from None
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles on is no reason to trust the data
        raise _unsafe(f"it is no sound {inspector.NAME} ({type(error).__name__})") from None


def disk_size(inspector: FileInspector, size: int) -> int:
    """Give the size of the disk in data of some size. Raises UnsupportedContent."""
    try:
        virtual_size = inspector.virtual_size
    except Exception as error:  # noqa: BLE001 - as above
        raise _unsafe(f"its virtual size cannot be read ({type(error).__name__})") from None
    if inspector.NAME == "luks":  # which counts what it was fed
        virtual_size += size - inspector.actual_size
    if not 0 <= virtual_size <= LARGEST:
        raise _unsafe("its virtual size is none that a disk can have")
    return virtual_size


def _unsafe(why: str) -> UnsupportedContent:
    return UnsupportedContent(f"Image failed safety checks: {why}.")


def _require_match(name: str, claimed: str | None) -> None:
    # What is recognised inside a raw disk is the guest's business.
    if claimed in {"raw", name}:
        return
    if name == "raw" and claimed not in KNOWN:
        return  # nothing is recognised, and nothing could be
    raise _mismatch(name, claimed)


def _mismatch(name: str, claimed: str | None) -> UnsupportedContent:
    return UnsupportedContent(f"Image disk_format {claimed} does not match stream data {name}.")
