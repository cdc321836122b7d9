"""Decoders of compressed streams behind one shape: that of the standard library's `bz2` and `lzma`."""

import struct
import zlib
from typing import Protocol

RAW, GZIP = -zlib.MAX_WBITS, 16 + zlib.MAX_WBITS
ZIP_HEADER = struct.Struct("<4s5H3I2H")
DEFLATED, ENCRYPTED = 8, 0x1
# Where a file's checksum ends in its entry of the index, and how much behind the file is looked at.
CHECKSUM = struct.Struct("<I")
CHECKSUM_END, TAIL = 20, 64


class BrokenStream(Exception):
    """The stream is none of its kind, or holds what is not unfolded here."""


class Decoder(Protocol):
    """Unfolds one stream, as bz2.BZ2Decompressor does."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was met."""

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""

    @property
    def unused_data(self) -> bytes:
        """What came behind the end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unfold some more, of at most so many bytes."""


class ZlibDecoder:
    """What zlib unfolds: gzip, and the raw deflate inside a zip."""

    def __init__(self, window: int = GZIP) -> None:
        self._decoder = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        """See Decoder."""
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        """See Decoder."""
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """See Decoder."""
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """See Decoder."""
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max(max_length, 0))


class ZipDecoder:
    """The one file of a zip, read from the front: its header is checked, and what follows it has to be the index."""

    needs_input = True

    def __init__(self) -> None:
        self._head = b""
        self._file: ZlibDecoder | None = None
        self._checksum = 0
        self._tail = b""
        self.eof = False

    @property
    def unused_data(self) -> bytes:
        """Give nothing: the index says nothing that is needed."""
        return b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """See Decoder. Raises BrokenStream."""
        if self._file is None:
            self._head += data
            data = self._begin()
        if self._file is None:
            return b""
        if self._file.eof:
            self._end(data)
            return b""
        return self._unfold(self._file, data, max_length)

    def _unfold(self, file: ZlibDecoder, data: bytes, max_length: int) -> bytes:
        unfolded = file.decompress(data, max_length)
        self._checksum = zlib.crc32(unfolded, self._checksum)
        self.needs_input = file.needs_input or file.eof
        if file.eof:
            self._end(file.unused_data)
        return unfolded

    def _begin(self) -> bytes:
        """Read the header of the first file, once all of it is there; give what came behind it."""
        if len(self._head) < ZIP_HEADER.size:
            return b""
        _, _, flags, method, *_, name_length, extra_length = ZIP_HEADER.unpack_from(self._head)
        start = ZIP_HEADER.size + name_length + extra_length
        if flags & ENCRYPTED or method != DEFLATED:
            raise BrokenStream("a zip is unfolded only if its file is deflated, and not encrypted")
        if len(self._head) < start:
            return b""
        self._file = ZlibDecoder(RAW)
        return self._head[start:]

    def _end(self, data: bytes) -> None:
        # What may stand between the file and the index is the file's sizes, at most 24 bytes (APPNOTE 4.3.9).
        self._tail = (self._tail + data)[:TAIL]
        if b"PK\x03\x04" in self._tail:
            raise BrokenStream("a zip of more than one file")
        index = self._tail.find(b"PK\x01\x02")
        if 0 <= index <= len(self._tail) - CHECKSUM_END:
            (told,) = CHECKSUM.unpack_from(self._tail, index + CHECKSUM_END - CHECKSUM.size)
            if told != self._checksum:
                raise BrokenStream("the checksum in the zip is another")
            self.eof = True
