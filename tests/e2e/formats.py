"""Small images of every format, sound and unsafe ones, and the list of them that Tempest reads."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.qemu import qemu_img


class Format(NamedTuple):
    """One image: its name, its format, whether it may be used, and what `qemu-img` is asked."""

    name: str
    format: str
    usable: bool
    arguments: str


# An image that refers to other files is a way into the host (section 10.5 of the reference).
FORMATS = (
    Format("qcow2", "qcow2", True, "convert -f raw -O qcow2 raw {}"),
    Format("qcow2-old", "qcow2", True, "create -f qcow2 -o compat=0.10 {} 16M"),
    Format("vmdk-sparse", "vmdk", True, "convert -f raw -O vmdk -o subformat=monolithicSparse raw {}"),
    Format("vmdk-stream", "vmdk", True, "convert -f raw -O vmdk -o subformat=streamOptimized raw {}"),
    Format("vdi", "vdi", True, "convert -f raw -O vdi raw {}"),
    Format("vhd", "vhd", True, "convert -f raw -O vpc raw {}"),
    Format("vhdx", "vhdx", True, "convert -f raw -O vhdx raw {}"),
    Format("qcow2-backing", "qcow2", False, "create -f qcow2 -b raw -F raw {}"),
    Format("qcow2-datafile", "qcow2", False, "create -f qcow2 -o data_file=data,data_file_raw=on {} 4M"),
    Format("vmdk-flat", "vmdk", False, "convert -f raw -O vmdk -o subformat=monolithicFlat raw {}"),
)


def write_formats(folder: Path) -> Path | None:
    """Make the images in a folder, unless they are there; give the list's path, None where there is no `qemu-img`."""
    program = qemu_img()
    if program is None:
        return None
    manifest = folder / "manifest.yaml"
    if manifest.exists():
        return manifest
    folder.mkdir()
    (folder / "raw").write_bytes(random.Random(2).randbytes(4 * 2**20))
    for each in FORMATS:
        subprocess.run(
            [program, *each.arguments.format(each.name).split()], cwd=folder, check=True, capture_output=True
        )
    manifest.write_text(yaml.safe_dump({"images": list(_entries())}))
    return manifest


def _entries() -> Iterator[dict[str, object]]:
    yield {"name": "raw", "format": "raw", "filename": "raw", "usable": True}
    for each in FORMATS:
        yield {"name": each.name, "format": each.format, "filename": each.name, "usable": each.usable}
