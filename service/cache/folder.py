"""The cache's folder as its files are, shared by the processes of a node: every call here blocks and raises OSError."""

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

# What a verified entry was of, its bytes and its time in ns; behind that, every hit is a byte more.
SEAL = struct.Struct("<32sqq")
SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(NamedTuple):
    """An image in the cache; times are seconds since the epoch."""

    image_id: str
    hits: int
    last_accessed: float
    last_modified: float
    size: int


class Folder:
    """Four folders of files named by image: `data` of whole entries, `seals` of their use, `filling`, and the `queue`.

    A file under `data` counts only while its seal says what it is: who changes it by hand, or a crash of the machine,
    breaks the seal. Times and numbers are of the files themselves, so that processes share them without a lock.
    """

    def __init__(self, path: Path) -> None:
        """Make the folders where they are missing."""
        self.data, self.seals, self.filling, self._queue = (
            path / name for name in ("data", "seals", "filling", "queue")
        )
        for each in (self.data, self.seals, self.filling, self._queue):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open(self, image_id: str, tag: str) -> int | None:
        """Open the entry of an image whose data has this tag, and count the hit; None where there is none.

        One that is of other data, or was touched since it was verified, is removed.
        """
        try:
            descriptor = os.open(self.data / image_id, os.O_RDONLY | SAFELY)
        except FileNotFoundError:
            return None
        try:
            if self._seal(image_id) == seal_of(tag, os.fstat(descriptor)):
                self._count(image_id)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        self.remove(image_id)
        return None

    def holds(self, image_id: str, tag: str) -> bool:
        """Tell whether `open` would give the entry."""
        try:
            return self._seal(image_id) == seal_of(tag, (self.data / image_id).stat(follow_symlinks=False))
        except FileNotFoundError:
            return False

    def publish(self, image_id: str, tag: str) -> None:
        """Make an entry of the file that was filled, which the caller has locked and verified."""
        filled = self.filling / image_id
        (self.seals / image_id).write_bytes(seal_of(tag, filled.stat(follow_symlinks=False)))
        filled.rename(self.data / image_id)

    def remove(self, image_id: str) -> int | None:
        """Remove an entry, and tell its bytes; None where there was none."""
        try:
            size = (self.data / image_id).stat(follow_symlinks=False).st_size
            (self.data / image_id).unlink()
        except FileNotFoundError:
            return None
        (self.seals / image_id).unlink(missing_ok=True)
        return size

    def entries(self) -> list[Entry]:
        """List the entries, the one used longest ago first; broken ones are none."""
        found = (self._entry(name, data) for name, data in files(self.data))
        return sorted((entry for entry in found if entry), key=lambda entry: entry.last_accessed)

    def broken(self) -> list[str]:
        """Name the files under `data` that are no entries."""
        return [name for name, data in files(self.data) if self._entry(name, data) is None]

    def remove_unused_seals(self, before: float) -> None:
        """Remove the seals without an entry that were there before then."""
        have = {name for name, _ in files(self.data)}
        for name, seal in list(files(self.seals)):
            if name not in have and seal.st_mtime <= before:
                (self.seals / name).unlink(missing_ok=True)

    def enqueue(self, image_id: str) -> None:
        """Put an image in the queue; one that waits already keeps its place."""
        with suppress(FileExistsError):
            os.close(os.open(self._queue / image_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, mode=0o600))

    def dequeue(self, image_id: str) -> bool:
        """Take an image out of the queue; tell whether it was there."""
        try:
            (self._queue / image_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def queue(self) -> list[str]:
        """List the images that wait, the first first."""
        waiting = sorted(files(self._queue), key=lambda each: each[1].st_mtime_ns)
        return [name for name, _ in waiting]

    def _seal(self, image_id: str) -> bytes | None:
        try:
            with (self.seals / image_id).open("rb") as file:
                return file.read(SEAL.size)
        except FileNotFoundError:
            return None

    def _count(self, image_id: str) -> None:
        with suppress(FileNotFoundError):
            descriptor = os.open(self.seals / image_id, os.O_WRONLY | os.O_APPEND | SAFELY)
            try:
                os.write(descriptor, b"+")
            finally:
                os.close(descriptor)

    def _entry(self, image_id: str, data: os.stat_result) -> Entry | None:
        seal = self._seal(image_id) or b""
        if len(seal) < SEAL.size or SEAL.unpack(seal)[1:] != (data.st_size, data.st_mtime_ns):
            return None
        try:
            use = (self.seals / image_id).stat()
        except FileNotFoundError:
            return None
        return Entry(image_id, use.st_size - SEAL.size, use.st_mtime, data.st_mtime, data.st_size)


def seal_of(tag: str, data: os.stat_result) -> bytes:
    """Seal a file as the data that has this tag."""
    return SEAL.pack(blake2b(tag.encode(), digest_size=32).digest(), data.st_size, data.st_mtime_ns)


def files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Give the name of each file of a folder and what is known of it."""
    with os.scandir(folder) as found:
        for each in found:
            with suppress(FileNotFoundError):
                known = each.stat(follow_symlinks=False)
                if stat.S_ISREG(known.st_mode):
                    yield each.name, known
