"""The real `qemu-img`: found, or installed where that is possible; and the disk images that it makes."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

INSTALL = "apt-get update && apt-get install -y --no-install-recommends qemu-utils"


def qemu_img() -> str | None:
    """Find `qemu-img`, or install it where that is possible."""
    found = shutil.which("qemu-img")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["sh", "-c", INSTALL], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, check=False)
        found = shutil.which("qemu-img")
    return found


def needed_qemu_img() -> str:
    """Find `qemu-img`; skip the test where none can be had, but fail it in CI."""
    program = qemu_img()
    if program is not None:
        return program
    reason = "needs qemu-img on the PATH, or root and apt-get to install qemu-utils"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def disk(data: bytes, kind: str, *options: str) -> bytes:
    """Make a disk image of a format, by qemu's name for it, that holds some data."""
    return _converted(data, "raw", kind, *options)


def content(image: bytes, kind: str) -> bytes:
    """Read the data in a disk image of a format."""
    return _converted(image, kind, "raw")


def created(*arguments: str) -> bytes:
    """Make an image by `qemu-img create`, whose last argument, the size, follows the file's name."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "base").write_bytes(bytes(1 << 20))
        _run(folder, "create", *arguments[:-1], "image", arguments[-1])
        return (Path(folder) / "image").read_bytes()


def _converted(data: bytes, source: str, target: str, *options: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data)
        _run(folder, "convert", "-f", source, "-O", target, *options, "data", "image")
        return (Path(folder) / "image").read_bytes()


def _run(folder: str, *arguments: str) -> None:
    subprocess.run([needed_qemu_img(), *arguments], cwd=folder, check=True, capture_output=True)
