"""Objects as files of one folder, on a disk or on a network file system."""

from drivers.blobs.file.store import open_file_blobs

__all__ = ["open_file_blobs"]
