"""`vitrine upload` and `vitrine download`: what they understand, and what they print."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.client.api import ImageApi, TransferFailed, opened_api
from service.client.download import download
from service.client.progress import Progress
from service.client.upload import guess_format, upload


def add_client_commands(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add both to a parser's commands; `run` is given what was understood."""
    command = commands.add_parser("upload", help="send a file to an image service as the data of an image")
    command.add_argument("file", metavar="FILE", type=Path)
    command.add_argument("--image", metavar="ID", help="an image that waits for its data (default: create one)")
    command.add_argument("--name", help="of the new image (default: the file's)")
    command.add_argument("--disk-format", metavar="FORMAT", help="such as qcow2 (default: told by the content)")
    command.add_argument("--container-format", metavar="FORMAT", default="bare", help="(default: %(default)s)")
    command.add_argument("--property", metavar="NAME=VALUE", action="append", default=[], type=_pair)
    command.add_argument("--tag", action="append", default=[])
    command.add_argument("--store", metavar="ID", help="the store that is to keep the data")
    _add_common(command)
    command.set_defaults(run=run, act=_upload)
    command = commands.add_parser("download", help="get the data of an image into a file; resumes where it broke off")
    command.add_argument("image", metavar="ID")
    command.add_argument("-o", "--output", metavar="FILE", type=Path, help="(default: the id, and the disk format)")
    _add_common(command)
    command.set_defaults(run=run, act=_download)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--url", help="of the image service (default: OS_IMAGE_ENDPOINT_OVERRIDE)")
    command.add_argument("--token", help="(default: OS_TOKEN, which other users of the machine do not see)")
    command.add_argument("--quiet", action="store_true", help="show no progress bar")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("a property is NAME=VALUE")
    return name, value


async def run_client_command(parsed: argparse.Namespace, url: str, token: str) -> int:
    """Run one of the commands; return its exit code. Raises OSError."""
    try:
        async with opened_api(url, token) as api:
            await parsed.act(parsed, api)
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
