"""An image's data becomes a file: resumed where it broke off, by the same process or a later one, and verified."""

import asyncio
import fcntl
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from aiohttp import ClientResponse

from service.client.api import Broken, ImageApi, TransferFailed
from service.client.digests import BLOCK, Digest, digest_of, digest_told
from service.client.progress import Progress

# How often in a row nothing comes before it is given up, and seconds before the first of the next tries.
TRIES, PAUSE = 6, 0.5
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)", re.ASCII)


async def download(api: ImageApi, image_id: str, path: Path | None, progress: Progress) -> tuple[Path, Digest]:
    """Keep the data of an image as a file, which is there when all of it is; raises TransferFailed and OSError.

    Meanwhile it is `FILE.part`, and `FILE.part.etag` names what it is a part of.
    """
    image = await api.show(image_id)
    told = digest_told(image)
    if told is None:
        raise TransferFailed(f"Image {image_id} is {image.get('status')}, and has no data with a hash to compare.")
    target = path or Path(".".join(filter(None, (image["id"], image.get("disk_format")))))
    with _opened(target) as part:
        await _fill(api, image, part, progress)
        found = await digest_of(part.path, told.algorithm, progress)
        if found != told:
            part.discard()
            raise TransferFailed(
                f"What came is damaged: its {told.algorithm} is {found.value}, and should be {told.value}. "
                "It was removed: download it again, and if that is the same, ask who runs the service."
            )
        await asyncio.to_thread(part.finish, target)
    return target, told


class _Part:
    """The unfinished file, and beside it the tag of the data that it is a part of."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        self._tag_path = path.with_name(f"{path.name}.etag")

    @property
    def size(self) -> int:
        """How many bytes of the data tagged have come."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def tag(self) -> str | None:
        with suppress(FileNotFoundError):
            return self._tag_path.read_text()
        return None

    def begin(self, tag: str) -> None:
        """Begin from the first byte, with data of this tag."""
        self._tag_path.unlink(missing_ok=True)
        self._file.truncate(0)
        self._tag_path.write_text(tag)

    def add(self, block: bytes) -> None:
        self._file.write(block)
        self._file.flush()

    def discard(self) -> None:
        self._tag_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Give the file its name, once all of it is on the disk."""
        os.fsync(self._file.fileno())
        self.path.replace(target)
        self._tag_path.unlink(missing_ok=True)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _opened(target: Path) -> Iterator[_Part]:
    path = target.with_name(f"{target.name}.part")
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransferFailed(f"Another download writes to {path}: let it end, or name another file.") from None
        part = _Part(file, path)
        try:
            # Looked at under the lock: the last download may have ended just now.
            if target.exists():
                raise TransferFailed(f"{target} is there already: remove it, or name another file with -o.")
            yield part
        finally:
            if not part.size:
                part.discard()


async def _fill(api: ImageApi, image: Mapping[str, Any], part: _Part, progress: Progress) -> None:
    """Read until all is there, over as many connections as it takes."""
    size, failures = image["size"], 0
    with progress.bar(part.path.name.removesuffix(".part"), size) as bar:
        while True:
            before = part.size
            try:
                async with _rest(api, image, part) as answer:
                    bar.n = part.size
                    if answer is None:
                        return
                    async for block in answer.content.iter_chunked(BLOCK):
                        await asyncio.to_thread(part.add, block)
                        bar.update(len(block))
            except Broken as broken:
                failures = 1 if part.size > before else failures + 1
                if failures >= TRIES:
                    again = f"{part.size} of {size} bytes are in {part.path}: the same command goes on from there."
                    raise TransferFailed(f"{broken}\n{again}") from None
                await asyncio.sleep(PAUSE * 2 ** (failures - 1))
            else:
                return


@asynccontextmanager
async def _rest(api: ImageApi, image: Mapping[str, Any], part: _Part) -> AsyncIterator[ClientResponse | None]:
    """Ask for what is missing, None where nothing is; where the part is of other data, for all."""
    known = f'"{image.get("os_hash_value") or image.get("checksum")}"'
    if part.tag is not None and part.size == image["size"]:
        yield None
        return
    resumes = part.tag is not None and 0 < part.size < image["size"]
    headers = {"Range": f"bytes={part.size}-", "If-Range": part.tag or ""} if resumes else {}
    async with api.data(image["id"], headers) as answer:
        tag = answer.headers.get("ETag", known)
        if answer.status == 206:
            match = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if not resumes or tag != part.tag or match is None or int(match[1]) != part.size:
                part.discard()
                raise TransferFailed("The service sent another part than was asked for: start the download again.")
        else:
            part.begin(tag)
        yield answer
