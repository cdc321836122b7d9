"""What `vitrine upload` and `vitrine download` understand."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
    command.set_defaults(run=run, act="upload")
    command = commands.add_parser("download", help="get the data of an image into a file; resumes where it broke off")
    command.add_argument("image", metavar="ID")
    command.add_argument("-o", "--output", metavar="FILE", type=Path, help="(default: the id, and the disk format)")
    _add_common(command)
    command.set_defaults(run=run, act="download")


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--url", help="of the image service (default: OS_IMAGE_ENDPOINT_OVERRIDE)")
    command.add_argument("--token", help="(default: OS_TOKEN, which other users of the machine do not see)")
    command.add_argument("--quiet", action="store_true", help="show no progress bar")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("a property is NAME=VALUE")
    return name, value
