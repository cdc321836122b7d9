"""What image data is, seen while it streams past, and whether it is what the image claims (reference section 10.5)."""

from collections.abc import Iterable

from oslo_utils.imageutils.format_inspector import FileInspector, InspectWrapper, SafetyCheckFailed

from drivers.records import Image
from service.refusals import UnsupportedContent
from service.settings import Settings

# The formats that the inspector tells apart and images may claim; `gpt` counts as raw.
KNOWN = frozenset({"raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "iso", "gpt", "luks", "qed"})


class _Feed:
    """The file that the library's wrapper thinks it reads: one block at a time."""

    def __init__(self) -> None:
        self.block = b""

    def read(self, _size: int) -> bytes:
        return self.block


class Inspection:
    """Looks at data in the order it comes, with the maintained parsers of oslo.utils; nothing is run or written."""

    def __init__(self) -> None:
        self._feed = _Feed()
        self._wrapper = InspectWrapper(self._feed)  # type: ignore[arg-type]  # of a file, it only calls `read`

    def feed(self, block: bytes) -> None:
        """Look at the next block; may run in a thread, one block after the other."""
        self._feed.block = block
        self._wrapper.read(len(block))

    def end(self) -> list[FileInspector]:
        """Tell what the data may be, all of it having been seen: one format, or several where it means to deceive."""
        self._feed.block = b""
        self._wrapper.close()
        return self._wrapper.formats or []


def judge(found: Iterable[FileInspector], image: Image, size: int, settings: Settings) -> int | None:
    """Give the virtual size of data that may be the image's, None where it is not known.

    Raises UnsupportedContent for data that is unsafe whatever it claims to be, or is not what the image claims.
    """
    formats = {str(each): each for each in found}
    claimed = image.disk_format
    if claimed == "iso" and formats.keys() == {"iso", "gpt"}:
        formats.pop("gpt")  # an iso that also boots from a disk
    if len(formats) > 1:
        raise UnsupportedContent(f"The data is {' and '.join(sorted(formats))} at once, and so is not safe to use.")
    (name, inspector), *_ = formats.items()
    _require_safe(inspector, settings)
    if settings.require_image_format_match:
        _require_match(name, claimed)
    if claimed == "raw":
        return size or None
    return int(inspector.virtual_size) if name == claimed else None


def _require_safe(inspector: FileInspector, settings: Settings) -> None:
    name = str(inspector)
    if name == "raw":
        return
    try:
        inspector.safety_check()
    except SafetyCheckFailed as failure:
        excused = settings.gpt_safety_checks_nonfatal if name == "gpt" else ()
        failed = sorted(failure.failures.keys() - set(excused))
        if failed:
            raise UnsupportedContent(f"Image failed safety checks: as {name} it fails {', '.join(failed)}.") from None
    except Exception as error:  # noqa: BLE001 - the parsers meet hostile data; whatever they stumble on is no reason to trust it
        raise UnsupportedContent(
            f"Image failed safety checks: it is no sound {name} ({type(error).__name__})."
        ) from None


def _require_match(name: str, claimed: str | None) -> None:
    # What is recognised inside a raw disk is the guest's business.
    if claimed in {"raw", name}:
        return
    if name == "raw" and claimed not in KNOWN:
        return  # nothing is recognised, and nothing could be
    raise UnsupportedContent(f"Image disk_format {claimed} does not match stream data {name}.")
