"""The folder of a store as its files are: every call here blocks, and raises OSError beside what it names."""

import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from drivers.blobs.file.faults import FULL
from drivers.blobs.keys import is_key
from drivers.errors import BlobExists, BlobNotFound, StoreFull, StoreUnavailable

# No key, as it begins with a dot; on the same file system, so that a finished object only needs a name.
UNFINISHED = ".writing"
# No symbolic link leads out of the folder; a pipe does not keep its opener waiting.
SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK
FOLDER = os.O_RDONLY | os.O_DIRECTORY
# What `link` says where the file system has no hard links (link(2)).
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
RENAME_NOREPLACE = 1

ABSENT = "There is no object of this name."
EXISTS = "There is an object of this name already."
NO_PARENT = "The folder in which the store's folder should be is missing: mount or create it."
NOT_OURS = "The store's folder is another one than at the start: mount it again, or restart the service."
NO_NAMING = "The store's file system has neither hard links nor renaming that never replaces: use another one."
NO_ROOM = "The store's file system has less room than the object needs."


class Folder:
    """A folder by its descriptors: what its path comes to lead to later is never taken for it."""

    def __init__(self, path: Path) -> None:
        """Open the folder, and make it if it is missing. Raise StoreUnavailable when its parent is missing as well.

        The parent is not made: in an empty mount point, images would fill the wrong disk.
        """
        _make(path)
        self._path = path
        self._objects = os.open(path, FOLDER)
        try:
            with suppress(FileExistsError):
                os.mkdir(UNFINISHED, 0o700, dir_fd=self._objects)
            self._unfinished = os.open(UNFINISHED, FOLDER | os.O_NOFOLLOW, dir_fd=self._objects)
        except OSError:
            os.close(self._objects)
            raise

    def close(self) -> None:
        """Close the descriptors; no other call may follow."""
        os.close(self._unfinished)
        os.close(self._objects)

    def stat(self, key: str) -> os.stat_result:
        """Tell what is known of an object. Raise BlobNotFound."""
        try:
            found = os.stat(key, dir_fd=self._objects, follow_symlinks=False)
        except FileNotFoundError:
            raise BlobNotFound(ABSENT) from None
        if not stat.S_ISREG(found.st_mode):
            raise BlobNotFound(ABSENT)
        return found

    def open(self, key: str) -> int:
        """Open an object for reading. Raise BlobNotFound."""
        self.stat(key)
        try:
            return os.open(key, os.O_RDONLY | SAFELY, dir_fd=self._objects)
        except FileNotFoundError:
            raise BlobNotFound(ABSENT) from None

    def remove(self, key: str) -> None:
        """Remove an object for good. Raise BlobNotFound."""
        self.stat(key)
        with suppress(FileNotFoundError):
            os.unlink(key, dir_fd=self._objects)
        os.fsync(self._objects)

    def create(self, name: str, size: int | None = None) -> int:
        """Open a new unfinished file. Raise StoreFull when an object of `size` bytes finds no room."""
        self._check_place()
        room = os.fstatvfs(self._unfinished)
        # Some file systems tell nothing of their blocks.
        if size is not None and room.f_blocks > 0 and room.f_bavail * room.f_frsize < size:
            raise StoreFull(NO_ROOM)
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, mode=0o600, dir_fd=self._unfinished)

    def publish(self, name: str, key: str) -> None:
        """Give an unfinished file the name of an object, for good. Raise BlobExists."""
        try:
            os.link(name, key, src_dir_fd=self._unfinished, dst_dir_fd=self._objects)
        except FileExistsError:
            raise BlobExists(EXISTS) from None
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._rename(name, key)
        os.fsync(self._objects)
        self.discard(name)

    def retract(self, descriptor: int, key: str) -> None:
        """Take the name of an object away again from the file of a descriptor, if it has it."""
        with suppress(BlobNotFound):
            if os.path.samestat(self.stat(key), os.fstat(descriptor)):
                self.remove(key)

    def discard(self, name: str) -> None:
        """Remove an unfinished file, or the second name of a finished one."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._unfinished)

    def objects(self) -> Iterator[tuple[str, os.stat_result]]:
        """Give the key of each object and what is known of it."""
        for key, found in _files(self._objects):
            if is_key(key):
                yield key, found

    def unfinished(self, older_than: datetime) -> list[str]:
        """Name the unfinished files to which nobody wrote since then."""
        return [name for name, found in _files(self._unfinished) if modified_at(found) < older_than]

    def check(self) -> None:
        """Make an unfinished file and remove it. A full store passes: it can be read, and says so to writers."""
        name = new_name()
        try:
            os.close(self.create(name))
        except OSError as error:
            if error.errno not in FULL:
                raise
        finally:
            self.discard(name)

    def _check_place(self) -> None:
        if not os.path.samestat(self._path.stat(), os.fstat(self._objects)):
            raise StoreUnavailable(NOT_OURS)

    def _rename(self, name: str, key: str) -> None:
        """Rename, but never over an object, which Python's `os.rename` would do (renameat2(2))."""
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if rename is None:
            raise StoreUnavailable(NO_NAMING)
        if rename(self._unfinished, name.encode(), self._objects, key.encode(), RENAME_NOREPLACE) != 0:
            if ctypes.get_errno() == errno.EEXIST:
                raise BlobExists(EXISTS)
            raise StoreUnavailable(NO_NAMING)


def new_name() -> str:
    """Make up a name that nobody else makes up."""
    return secrets.token_hex(16)


def modified_at(found: os.stat_result) -> datetime:
    """Tell when a file was last written to."""
    return datetime.fromtimestamp(found.st_mtime, UTC)


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise StoreUnavailable(NO_PARENT) from None
    # What is synced in a folder that a crash takes away is lost.
    parent = os.open(path.parent, FOLDER)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _files(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    # A descriptor of its own: those who share one share the place up to which it was read.
    again = os.open(".", FOLDER, dir_fd=folder)
    try:
        with os.scandir(again) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        yield entry.name, entry.stat(follow_symlinks=False)
    finally:
        os.close(again)
