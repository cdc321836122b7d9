"""Compressed data unfolded while it streams: gzip, bzip2, xz, zstd, zip of one file; bounded against bombs."""

import asyncio
import bz2
import lzma
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor
from types import MappingProxyType

from backports import zstd

from service.data.blocks import gathered
from service.data.streams import BrokenStream, Decoder, ZipDecoder, ZlibDecoder
from service.refusals import UnsupportedContent

# How many times larger than it came data may become, beyond an allowance: disks are sparse, bombs sparser.
RATIO = 1000
ALLOWANCE = 64 << 20
# Bytes of memory that the settings of a stream may ask for, and their logarithm.
MEMORY, WINDOW = 1 << 28, 28
PIECE = 1 << 20

DECODERS: Mapping[bytes, Callable[[], Decoder]] = MappingProxyType(
    {
        b"\x1f\x8b": ZlibDecoder,
        b"BZh": bz2.BZ2Decompressor,
        b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY),
        b"(\xb5/\xfd": lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW}),
        b"PK\x03\x04": ZipDecoder,
    }
)
LONGEST = max(map(len, DECODERS))


async def decompressed(blocks: AsyncIterator[bytes], executor: Executor) -> AsyncIterator[bytes]:
    """Unfold data that begins as compressed data does, and pass any other on.

    Raises UnsupportedContent for a stream that is broken, ends early, or becomes larger than anything honest.
    """
    async for block in gathered(_unfolded(blocks, executor)):
        yield block


async def _unfolded(blocks: AsyncIterator[bytes], executor: Executor) -> AsyncIterator[bytes]:
    unfolding: _Unfolding | None = None
    first = True
    async for block in blocks:
        if first:
            first = False
            make = next((make for magic, make in DECODERS.items() if block.startswith(magic)), None)
            unfolding = _Unfolding(make) if make else None
        if unfolding is None:
            yield block
            continue
        pieces = unfolding.pieces(block)
        while piece := await asyncio.get_running_loop().run_in_executor(executor, next, pieces, b""):
            yield piece
    if unfolding:
        unfolding.end()


class _Unfolding:
    """The streams of one kind that follow each other in some data."""

    def __init__(self, make: Callable[[], Decoder]) -> None:
        self._make = make
        self._decoder = make()
        self._came = self._gave = 0

    def pieces(self, block: bytes) -> Iterator[bytes]:
        """Unfold the next block, piece by piece. Raises UnsupportedContent."""
        self._came += len(block)
        while block or not self._decoder.needs_input:
            if self._decoder.eof and not self._next_stream(block):
                return
            piece = self._decoded(block)
            block = self._decoder.unused_data if self._decoder.eof else b""
            if piece:
                yield piece

    def end(self) -> None:
        """Raise UnsupportedContent unless the last stream has come to its end."""
        if not self._decoder.eof:
            raise UnsupportedContent("The data is compressed, and ends early.")

    def _next_stream(self, block: bytes) -> bool:
        """Begin another stream behind one that has ended; tell whether there is one, not only zeros as padding."""
        if not block.strip(b"\0"):
            return False
        self._decoder = self._make()
        return True

    def _decoded(self, block: bytes) -> bytes:
        try:
            piece = self._decoder.decompress(block, PIECE)
        except (BrokenStream, EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
            raise UnsupportedContent(f"The data is compressed, and broken: {error}.") from None
        self._gave += len(piece)
        if self._gave > ALLOWANCE + RATIO * self._came:
            raise UnsupportedContent(f"The data unfolds to more than {RATIO} times what came, and so is refused.")
        return piece
