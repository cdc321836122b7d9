"""`vitrine upload` and `vitrine download`: what they do, and what they print."""

import argparse
import sys
from pathlib import Path
from typing import Any

from service.client.api import ImageApi, TransferFailed, opened_api
from service.client.download import download
from service.client.progress import Progress
from service.client.upload import guess_format, upload


async def run_client_command(parsed: argparse.Namespace, url: str, token: str) -> int:
    """Run one of the commands; return its exit code. Raises OSError."""
    try:
        async with opened_api(url, token) as api:
            await (_upload if parsed.act == "upload" else _download)(parsed, api)
    except TransferFailed as failure:
        sys.stderr.write(f"vitrine: {failure}\n")
        return 1
    return 0


async def _upload(parsed: argparse.Namespace, api: ImageApi) -> None:
    path: Path = parsed.file
    fields = _fields(parsed, path)
    image = await api.show(parsed.image) if parsed.image else await api.create(fields)
    digest = await upload(api, path, image, parsed.store, Progress(parsed.quiet))
    sys.stdout.write(f"{image['id']}: active, {digest.algorithm} verified\n")


def _fields(parsed: argparse.Namespace, path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise TransferFailed(f"{path} is no file.")
    own = {
        "name": path.name if parsed.name is None else parsed.name,
        "disk_format": parsed.disk_format or (None if parsed.image else guess_format(path)),
        "container_format": parsed.container_format,
        "tags": parsed.tag,
    }
    return dict(parsed.property) | own


async def _download(parsed: argparse.Namespace, api: ImageApi) -> None:
    path, digest = await download(api, parsed.image, parsed.output, Progress(parsed.quiet))
    sys.stdout.write(f"{path}: {path.stat().st_size} bytes, {digest.algorithm} verified\n")
