"""Files without a name, on a local disk: they are gone when the process is, however it ends."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, TypeVar

from service.receiving import BLOCK

T = TypeVar("T")

logger = logging.getLogger(__name__)


class ScratchFailed(Exception):
    """The disk for data on its way does not take it, or give it back; the text is for whoever owns the data."""


class Scratch:
    """One such file, written from its beginning, then read; the calls that may block are made by the executor."""

    def __init__(self, file: IO[bytes], executor: Executor) -> None:
        self._file = file
        self._executor = executor

    @property
    def descriptor(self) -> int:
        """Give the file's descriptor, for others to open it by; all that was written has to be flushed."""
        return self._file.fileno()

    async def write(self, block: bytes) -> None:
        """Write the next block. Raises ScratchFailed."""
        await self._run(lambda: self._file.write(block))

    async def flush(self) -> None:
        """Let all that was written be seen by others. Raises ScratchFailed."""
        await self._run(self._file.flush)

    async def read(self) -> AsyncIterator[bytes]:
        """Read all of it, whoever wrote it, in blocks of a MiB. Raises ScratchFailed."""
        position = 0
        while block := await self._run(lambda: os.pread(self.descriptor, BLOCK, position)):  # noqa: B023 - is awaited
            yield block
            position += len(block)

    def close(self) -> None:
        """Give the room back."""
        # What did not reach a full disk is not wanted any more.
        with suppress(OSError):
            self._file.close()

    async def _run(self, call: Callable[[], T]) -> T:
        with _told():
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)


def open_scratch(folder: str | None, executor: Executor) -> Scratch:
    """Make an empty file in a folder, where none is named in the system's own. Raises ScratchFailed."""
    with _told():
        return Scratch(TemporaryFile(dir=folder), executor)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        logger.warning("The folder for data that is converted cannot be used: %s", error.strerror)
        raise ScratchFailed(f"The service has no room to convert the data: {error.strerror}.") from error
