"""Size, hashes and format of data, taken while it streams to its store."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Executor

import msgspec
from oslo_utils.imageutils.format_inspector import FileInspector

from service.data.formats import Inspection
from service.data.lane import Lane

# Bytes that wait, for each step, to be measured: what one step is behind another costs memory.
IN_FLIGHT = 4 << 20


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What data turned out to be; hashes in hex, `formats` as Inspection found them, None when it did not look.

    `signed` is the digest, in bytes, that a signature is verified against; empty where there is none.
    """

    size: int
    checksum: str
    os_hash_algo: str
    os_hash_value: str
    formats: tuple[FileInspector, ...] | None = None
    signed: bytes = b""


class Meter:
    """Takes blocks in order; MD5, the other hash and the inspection each go on at a pace of their own.

    Blocks of a MiB and more keep the cost of changing threads small. `signed` names the hash that a signature is of.
    """

    def __init__(self, executor: Executor, algorithm: str, *, inspect: bool, signed: str | None = None) -> None:
        self._executor = executor
        # MD5 is `checksum`, which clients compare; it protects nothing.
        self._md5 = hashlib.md5(usedforsecurity=False)
        # Often a signature is of the hash that is taken anyway.
        self._hashes = {name: hashlib.new(name) for name in {algorithm, signed or algorithm}}
        self._algorithm = algorithm
        self._signed = signed
        self._inspection = Inspection() if inspect else None
        self.size = 0

    async def through(self, blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Pass blocks on; they are measured while whoever takes them writes them, IN_FLIGHT bytes behind at most."""
        hashing = [Lane(digest.update, self._executor) for digest in (self._md5, *self._hashes.values())]
        inspecting = [Lane(self._inspection.feed, self._executor)] if self._inspection else []
        lanes = [*hashing, *inspecting]
        try:
            async for block in blocks:
                self.size += len(block)
                for lane in hashing if self._inspection and self._inspection.settled else lanes:
                    await lane.until(max(IN_FLIGHT - len(block), 0))
                    lane.put(block)
                yield block
            for lane in lanes:
                await lane.until(0)
        finally:
            for lane in lanes:
                lane.drop()

    def result(self) -> Measured:
        """Tell what all the data was; no block may follow."""
        return Measured(
            size=self.size,
            checksum=self._md5.hexdigest(),
            os_hash_algo=self._algorithm,
            os_hash_value=self._hashes[self._algorithm].hexdigest(),
            formats=tuple(self._inspection.end()) if self._inspection else None,
            signed=self._hashes[self._signed].digest() if self._signed else b"",
        )
