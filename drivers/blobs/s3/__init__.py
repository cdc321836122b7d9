"""Image data in a bucket of an S3-compatible server, such as Ceph RGW."""

from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import BlobStore


async def open_s3(url: str, options: BlobOptions) -> BlobStore:
    """Open the store of a bucket; see `drivers.blobs.s3.store.open_s3`."""
    # Only who has a bucket is to carry the library that reads it, 5 MiB in each process.
    from drivers.blobs.s3 import store  # noqa: PLC0415

    return await store.open_s3(url, options)
