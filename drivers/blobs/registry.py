"""The drivers of image data by URL scheme."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from drivers.blobs.file import open_file_blobs
from drivers.blobs.http import open_http
from drivers.blobs.memory import open_memory_blobs
from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import BlobStore
from drivers.blobs.s3 import open_s3
from drivers.schemes import find_opener

OpenBlobs = Callable[[str, BlobOptions], Awaitable[BlobStore]]

ENTRY_POINTS = "vitrine.blob_stores"
DRIVERS: Mapping[str, OpenBlobs] = MappingProxyType(
    {
        "file": open_file_blobs,
        "http": open_http,
        "https": open_http,
        "memory": open_memory_blobs,
        "s3": open_s3,
    }
)


async def open_blobs(url: str, options: BlobOptions | None = None) -> BlobStore:
    """Open the blob store that a URL names. Raise UnknownScheme, listing the known ones."""
    return await find_opener(url, DRIVERS, ENTRY_POINTS)(url, options or BlobOptions())
