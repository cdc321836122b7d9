"""Whether data is what the record of its image says."""

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from service.client.progress import Progress

BLOCK = 1 << 20


class Digest(NamedTuple):
    """A hash by its algorithm, in hex."""

    algorithm: str
    value: str


def digest_told(image: Mapping[str, Any]) -> Digest | None:
    """Read the hash from a record: `os_hash_value`, else `checksum`; None where there is neither that we know."""
    algorithm, value = image.get("os_hash_algo"), image.get("os_hash_value")
    if isinstance(algorithm, str) and isinstance(value, str) and algorithm in hashlib.algorithms_guaranteed:
        return Digest(algorithm, value.lower())
    checksum = image.get("checksum")
    return Digest("md5", checksum.lower()) if isinstance(checksum, str) else None


async def digest_of(path: Path, algorithm: str, progress: Progress) -> Digest:
    """Hash a file as it is on the disk. Raises OSError."""
    # MD5 finds accidents; against people there is the other hash.
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file, progress.bar(f"{algorithm} {path.name}", os.fstat(file.fileno()).st_size) as bar:
        while block := await asyncio.to_thread(file.read, BLOCK):
            await asyncio.to_thread(found.update, block)
            bar.update(len(block))
    return Digest(algorithm, found.hexdigest())
