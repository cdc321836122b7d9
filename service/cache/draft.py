"""The file of an entry while it is filled: one process at a time has it, and none has what a killed one left."""

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from drivers.records import Image
from service.cache.folder import SAFELY, Folder, files

NONE = -1


class Sought(NamedTuple):
    """What an image's data has to be: one of its hashes, in hex."""

    image_id: str
    algorithm: str
    digest: str

    @property
    def tag(self) -> str:
        """Name the data."""
        return f"{self.algorithm}:{self.digest}"


def sought(image: Image) -> Sought | None:
    """Tell what an image's data has to be; None where nothing is known by which it could be verified."""
    hashes = ((image.os_hash_algo, image.os_hash_value), ("md5", image.checksum))
    for algorithm, digest in hashes:
        if digest and algorithm and algorithm in hashlib.algorithms_available:
            return Sought(image.id, algorithm, digest.lower())
    return None


class Draft:
    """Data on its way into the folder, as threads meet it: `claim` first, `end` last, and no two writes at once.

    The lock is the kernel's and goes with its process, so that a file without one is nobody's.
    """

    def __init__(self, folder: Folder, wanted: Sought) -> None:
        self.descriptor = NONE
        self._folder = folder
        self._wanted = wanted
        self._path = folder.filling / wanted.image_id
        self._hash = hashlib.new(wanted.algorithm, usedforsecurity=False)
        self._size = 0
        self._kept = False

    def claim(self) -> bool:
        """Take the file, with nothing in it; tell whether it could be had."""
        descriptor = claimed(self._path, os.O_RDWR | os.O_CREAT)
        if descriptor is None:
            return False
        self.descriptor = descriptor
        os.ftruncate(descriptor, 0)
        return True

    def write(self, block: bytes) -> None:
        """Add a block."""
        rest = memoryview(block)
        while rest:
            written = os.pwrite(self.descriptor, rest, self._size)
            self._size += written
            rest = rest[written:]
        self._hash.update(block)

    def sync(self) -> None:
        """Bring to the disk what was written."""
        os.fsync(self.descriptor)

    def publish(self) -> bool:
        """Make an entry of it if it is what the image's data has to be; tell whether it is."""
        if self._hash.hexdigest() != self._wanted.digest:
            return False
        self.sync()
        self._folder.publish(self._wanted.image_id, self._wanted.tag)
        self._kept = True
        return True

    def end(self) -> None:
        """Close the file, and unless it was published, leave nothing."""
        if self.descriptor == NONE:
            return
        if not self._kept:
            with suppress(OSError):
                self._path.unlink()
        os.close(self.descriptor)


def claimed(path: Path, flags: int) -> int | None:
    """Open a file that no other process fills, and lock it; None for one that is taken or gone."""
    try:
        descriptor = os.open(path, flags | SAFELY, mode=0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who had it may have given the file its final name, or none, before the lock was free.
        if os.path.samestat(path.stat(follow_symlinks=False), os.fstat(descriptor)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def remove_stalled(folder: Folder, before: float) -> int:
    """Remove what killed processes left of fills, if nothing was written to it since then; tell how many there were."""
    removed = 0
    for name, found in list(files(folder.filling)):
        descriptor = claimed(folder.filling / name, os.O_RDWR) if found.st_mtime <= before else None
        if descriptor is not None:
            (folder.filling / name).unlink()
            os.close(descriptor)
            removed += 1
    return removed
