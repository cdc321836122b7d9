"""Image data in a bucket of an S3-compatible server, such as Ceph RGW."""

from drivers.blobs.s3.store import open_s3

__all__ = ["open_s3"]
