"""A file becomes an image's data, and what the service made of it is compared with what was sent."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Never

from tqdm import tqdm

from service.client.api import ImageApi, TransferFailed
from service.client.digests import BLOCK, Digest, digest_of, digest_told
from service.client.progress import Progress
from service.data.formats import Inspection

# Bytes that are looked at to tell a format; each that can be told is told by less.
LOOKED_AT = 64 << 20
GUESSED = frozenset({"raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "iso"})


def guess_format(path: Path) -> str:
    """Tell the disk format of a file by its content. Raises TransferFailed, OSError."""
    inspection, size = Inspection(), 0
    with path.open("rb") as file:
        while size < LOOKED_AT and not inspection.settled and (block := file.read(BLOCK)):
            inspection.feed(block)
            size += len(block)
    found = {each.NAME for each in inspection.end()}
    names = found - {"gpt"} or {"raw"}
    if len(names) > 1 or not names <= GUESSED:
        raise TransferFailed(f"{path} looks like {' and '.join(sorted(names))}: say what it is by --disk-format.")
    return names.pop()


async def upload(api: ImageApi, path: Path, image: dict[str, Any], store: str | None, progress: Progress) -> Digest:
    """Send a file as the data of a queued image; give the hash by which both sides agree. Raises TransferFailed."""
    image_id, again = image["id"], f"To try again: vitrine upload {path} --image {image['id']}"
    if image.get("status") != "queued":
        raise TransferFailed(f"Image {image_id} is {image.get('status')}, and only one that is queued takes data.")
    sending = _Sending(path)
    try:
        with progress.bar(path.name, sending.size) as bar:
            await api.put(image_id, sending.blocks(bar), sending.size, store)
    except TransferFailed as failure:
        reason = sending.problem or failure
        raise TransferFailed(f"{reason}\nThe data of image {image_id} did not arrive. {again}") from None
    return await _compared(api, image_id, sending, progress)


class _Sending:
    """A file on its way, hashed as it goes; its size is what it was at the beginning."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.problem: str | None = None
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha512")}

    async def blocks(self, bar: "tqdm[Never]") -> AsyncIterator[bytes]:
        left = self.size
        with self.path.open("rb") as file:
            while block := await asyncio.to_thread(file.read, BLOCK):
                left -= len(block)
                if left < 0:
                    break
                await asyncio.gather(*(asyncio.to_thread(each.update, block) for each in self._hashes.values()))
                yield block
                bar.update(len(block))
        if left:
            self.problem = f"{self.path} changed its size while it was sent."
            raise TransferFailed(self.problem)

    async def digest(self, algorithm: str, progress: Progress) -> Digest:
        """Give the hash of what was sent; of an unusual kind, of the file as it is now."""
        if algorithm in self._hashes:
            return Digest(algorithm, self._hashes[algorithm].hexdigest())
        return await digest_of(self.path, algorithm, progress)


async def _compared(api: ImageApi, image_id: str, sending: _Sending, progress: Progress) -> Digest:
    image = await api.show(image_id)
    told = digest_told(image)
    if told is None:
        raise TransferFailed(f"The service tells no hash of image {image_id}: nobody knows whether the data is right.")
    sent = await sending.digest(told.algorithm, progress)
    if (told, image.get("size")) != (sent, sending.size):
        raise TransferFailed(
            f"The data of image {image_id} was damaged on its way: the service has {image.get('size')} bytes of "
            f"{told.algorithm} {told.value}, and sent were {sending.size} of {sent.value}.\n"
            f"Do not use the image. Delete it (openstack image delete {image_id}), and upload the file again."
        )
    return told
