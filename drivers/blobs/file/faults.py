"""What an operating system may answer to a call on a file, said in the contract's errors."""

import errno
from collections.abc import Mapping
from types import MappingProxyType

from drivers.errors import StoreError, StoreFull, StoreUnavailable

FULL: Mapping[int, str] = MappingProxyType(
    {
        errno.ENOSPC: "The store's file system has no room for the object.",
        errno.EDQUOT: "The quota of the store's file system has no room for the object.",
        errno.EFBIG: "The store's file system does not take files of this size.",
    }
)
# What an operator can mend is said in words; of the rest the kind is told.
FORBIDDEN = "The service's user may not do this in the store's folder: make it the owner of the folder and all in it."
GONE = "The store's folder is gone, or is no folder: mount or create it, then restart the service."
REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        errno.EROFS: "The store's file system is mounted for reading only: see why, and mount it for writing.",
        errno.EACCES: FORBIDDEN,
        errno.EPERM: FORBIDDEN,
        errno.EMFILE: "The service has too many files open: raise its limit of open files.",
        errno.ENFILE: "The machine has too many files open: raise its limit of open files.",
        errno.EEXIST: GONE,
        errno.ENOENT: GONE,
        errno.ENOTDIR: GONE,
        errno.ESTALE: GONE,
        errno.EXDEV: "The folder of unfinished objects is on another file system than the store's: unmount it.",
    }
)


def refusal(error: OSError) -> StoreError:
    """Make StoreFull or StoreUnavailable of it; the text names the kind of fault only, and no path."""
    number = error.errno or 0
    if number in FULL:
        return StoreFull(FULL[number])
    kind = errno.errorcode.get(number, type(error).__name__)
    return StoreUnavailable(REMEDIES.get(number, f"The store's file system failed ({kind})."))
