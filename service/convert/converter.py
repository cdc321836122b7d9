"""Data of a disk format as a user sent it into data of the one format that an operator wants (section 10.4)."""

import asyncio
import logging
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import NamedTuple

from oslo_utils.imageutils.format_inspector import FileInspector

from drivers.errors import QuotaExceeded
from drivers.records import Image
from service.convert.sandbox import Bounds, Ended, Sandbox, SandboxFailed, open_sandbox, path_of
from service.convert.scratch import Scratch, open_scratch
from service.data.blocks import bounded
from service.data.formats import SECTOR, Inspection, disk_size, require_exactly
from service.refusals import UnsupportedContent
from service.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

PROGRAM = "qemu-img"
# What qemu calls the formats that it is told to read.
NAMES: Mapping[str, str] = MappingProxyType(
    {"raw": "raw", "qcow2": "qcow2", "vhd": "vpc", "vhdx": "vhdx", "vmdk": "vmdk", "vdi": "vdi"}
)
# Bytes that qemu-img may map: as many as OpenStack's services have allowed it since OSSA-2016-012.
MEMORY = 1 << 30
# Characters of its words that the image's owner gets to read.
TOLD = 300


class Converted(NamedTuple):
    """Data in a file, and the formats of the image that has it, where they are others than it claimed."""

    data: Scratch
    formats: Mapping[str, str]


class Converter:
    """Converts to one format, by qemu-img in a sandbox; refuses data that is not what its image claims."""

    def __init__(self, program: str, sandbox: Sandbox, settings: Settings) -> None:
        self._program = program
        self._sandbox = sandbox
        self._settings = settings
        self._output = settings.conversion_output_format

    async def convert(
        self, blocks: AsyncIterator[bytes], image: Image, executor: Executor, stack: AsyncExitStack
    ) -> Converted:
        """Read the data of an image, and give it as it is wanted, in a file that the stack closes.

        Raises UnsupportedContent for data that is unsafe, or no such disk; QuotaExceeded where the result would be
        larger than any image, ScratchFailed, SandboxFailed, and what the blocks raise.
        """
        came, result = (self._scratch(executor, stack) for _ in range(2))
        found, size = await self._spooled(blocks, came, executor)
        name = require_exactly(found, image, self._settings)
        if name in {"iso", self._output}:
            return Converted(came, {})
        if name not in NAMES:
            raise UnsupportedContent(f"Data of the format {name} cannot be converted.")
        if self._output == "raw":
            self._require_room(disk_size(found[0], size))
        await self._run(came, result, name)
        came.close()
        return Converted(result, {"disk_format": self._output, "container_format": "bare"})

    def _scratch(self, executor: Executor, stack: AsyncExitStack) -> Scratch:
        scratch = open_scratch(self._settings.conversion_dir, executor)
        stack.callback(scratch.close)
        return scratch

    async def _spooled(
        self, blocks: AsyncIterator[bytes], scratch: Scratch, executor: Executor
    ) -> tuple[list[FileInspector], int]:
        """Write all data to a file, and look at it on its way; give what it is, and its size."""
        inspection, size, loop = Inspection(), 0, asyncio.get_running_loop()
        async for block in bounded(blocks, expected=None, cap=self._settings.image_size_cap):
            size += len(block)
            await asyncio.gather(scratch.write(block), loop.run_in_executor(executor, inspection.feed, block))
        await scratch.flush()
        return inspection.end(), size

    def _require_room(self, size: int) -> None:
        if size > self._settings.image_size_cap:
            raise QuotaExceeded("bytes of an image", self._settings.image_size_cap, size)

    async def _run(self, came: Scratch, result: Scratch, name: str) -> None:
        source, target = came.descriptor, result.descriptor
        command = _command(self._program, NAMES[name], self._output, source, target)
        ended = await self._sandbox.run(command, inputs=[source], outputs=[target])
        if ended.code != 0:
            raise UnsupportedContent(f"The data cannot be converted: {self._reason(ended)}.")

    def _reason(self, ended: Ended) -> str:
        """Say in words for the image's owner why a conversion failed, without a name of ours."""
        if ended.code is None:
            return f"it takes longer than {self._settings.conversion_seconds:g} seconds"
        said = re.sub(r"'?/proc/self/fd/\d+'?", "the disk", ended.said).removeprefix(f"{PROGRAM}: ")
        logger.info("%s ended with %s: %r", PROGRAM, ended.code, said)
        if ended.code < 0 or "/" in said:
            return "it is too large, or too much work, or damaged"
        return "".join(filter(str.isprintable, said[:TOLD])).rstrip(".") or "it seems damaged"


def open_converter(settings: Settings) -> Converter | None:
    """Make the converter that the settings ask for; None where they ask for none.

    Tries whether the program runs as it will have to. Raises SettingsError.
    """
    if "image_conversion" not in settings.image_import_plugins:
        return None
    program = shutil.which(PROGRAM)
    if program is None:
        raise SettingsError(f"`image_conversion` needs {PROGRAM}, which is not on the PATH: install qemu-utils.")
    bounds = Bounds(settings.conversion_seconds, MEMORY, settings.image_size_cap)
    try:
        sandbox = open_sandbox(bounds)
        _try(program, sandbox, settings.conversion_dir)
    except SandboxFailed as failure:
        raise SettingsError(f"`image_conversion` needs a sandbox, and there is none here: {failure}.") from None
    except OSError as error:
        raise SettingsError(f"VITRINE_CONVERSION_DIR is no folder to write to: {error.strerror}.") from None
    if not sandbox.landlock:
        logger.warning("This kernel has no Landlock: conversions could read and write what files this account can")
    return Converter(program, sandbox, settings)


def _try(program: str, sandbox: Sandbox, folder: str | None) -> None:
    """Convert the smallest disk. Raises SandboxFailed, or OSError of the folder."""
    with TemporaryFile(dir=folder) as came, TemporaryFile(dir=folder) as result:
        came.truncate(SECTOR)
        source, target = came.fileno(), result.fileno()
        sandbox.check(_command(program, "raw", "qcow2", source, target), inputs=[source], outputs=[target])


def _command(program: str, source_format: str, target_format: str, source: int, target: int) -> list[str]:
    return [program, "convert", "-f", source_format, "-O", target_format, path_of(source), path_of(target)]
