"""Size, hashes and format of data, taken while it streams to its store."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor

import msgspec
from oslo_utils.imageutils.format_inspector import FileInspector

from service.data.formats import Inspection


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What data turned out to be; hashes in hex, `formats` as Inspection found them, None when it did not look."""

    size: int
    checksum: str
    os_hash_algo: str
    os_hash_value: str
    formats: tuple[FileInspector, ...] | None = None


class Meter:
    """Takes blocks in order; MD5, the other hash and the inspection each go on in a thread of their own.

    Blocks of a MiB and more keep the cost of changing threads small.
    """

    def __init__(self, executor: Executor, algorithm: str, *, inspect: bool) -> None:
        self._executor = executor
        # MD5 is `checksum`, which clients compare; it protects nothing.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hash = hashlib.new(algorithm)
        self._algorithm = algorithm
        self._inspection = Inspection() if inspect else None
        self.size = 0

    async def through(self, blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Pass blocks on; each is measured while whoever takes it writes it."""
        measuring = None
        try:
            async for block in blocks:
                if measuring:
                    await measuring
                measuring = self._measure(block)
                yield block
            if measuring:
                await measuring
        finally:
            if measuring:
                # A block that was given up half measured keeps its threads no longer than it takes.
                measuring.cancel()

    def _measure(self, block: bytes) -> "asyncio.Future[list[None]]":
        self.size += len(block)
        steps: list[Callable[[bytes], None]] = [self._md5.update, self._hash.update]
        if self._inspection and not self._inspection.settled:
            steps.append(self._inspection.feed)
        run = asyncio.get_running_loop().run_in_executor
        return asyncio.gather(*(run(self._executor, step, block) for step in steps))

    def result(self) -> Measured:
        """Tell what all the data was; no block may follow."""
        return Measured(
            size=self.size,
            checksum=self._md5.hexdigest(),
            os_hash_algo=self._algorithm,
            os_hash_value=self._hash.hexdigest(),
            formats=tuple(self._inspection.end()) if self._inspection else None,
        )
