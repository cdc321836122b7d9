"""`vitrine upload` and `vitrine download`: whole, resumed, verified, and clear about what went wrong."""

import asyncio
import hashlib
import os
import pty
import random
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.callers import by
from tests.lines import line
from tests.processes import environment, serving, vitrine
from tests.transfers import until

MIB = 1 << 20
DATA = bytes(512) + random.Random(1).randbytes(24 * MIB + 5)
# The magic, version 2, 4 KiB clusters, a size of 1 MiB and nothing in it.
QCOW2 = bytes.fromhex("514649fb00000002") + bytes(12) + (12).to_bytes(4, "big") + MIB.to_bytes(8, "big") + bytes(480)


@pytest.fixture
async def base(tokens_file: str, tmp_path: Path) -> AsyncIterator[str]:
    """Give the URL of a service with two stores of files."""
    stores = f"fast=file://{tmp_path}/fast,slow=file://{tmp_path}/slow"
    async with serving(tokens="static", tokens_file=tokens_file, stores=stores) as (_, base):
        yield base


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of two dozen MiB."""
    path = tmp_path / "disk.img"
    path.write_bytes(DATA)
    return path


def asking(url: str) -> Mapping[str, str]:
    """Give the environment that names a service and a token."""
    return environment() | {"OS_IMAGE_ENDPOINT_OVERRIDE": url, "OS_TOKEN": "token-of-ann"}


async def run(url: str, *arguments: object, code: int = 0) -> tuple[str, str]:
    """Run a command; give its output and errors."""
    status, output, errors = await vitrine(*map(str, arguments), env=asking(url))
    assert status == code, output + errors
    assert "Traceback" not in errors
    return output, errors


async def sent(url: str, *arguments: object) -> str:
    """Upload; give the image's id."""
    return (await run(url, "upload", *arguments))[0].partition(":")[0]


async def shown(base: str, image_id: str) -> dict[str, Any]:
    """Show an image."""
    async with ClientSession() as session, session.get(f"{base}/v2/images/{image_id}", headers=by("ann")) as response:
        image: dict[str, Any] = await response.json()
        return image


class TestUpload:
    async def test_a_file_becomes_an_image_with_what_was_said_of_it(self, base: str, file: Path) -> None:
        said = ("--name", "n", "--property", "os_type=linux", "--property", "x=a=b", "--tag", "t", "--store", "slow")
        image_id = await sent(base, file, *said)
        image = await shown(base, image_id)
        assert (image["status"], image["name"], image["size"]) == ("active", "n", len(DATA))
        assert (image["disk_format"], image["container_format"]) == ("raw", "bare")
        assert (image["os_type"], image["x"], image["tags"], image["stores"]) == ("linux", "a=b", ["t"], "slow")
        assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()

    async def test_the_disk_format_is_told_by_the_content(self, base: str, tmp_path: Path) -> None:
        (tmp_path / "disk").write_bytes(QCOW2)
        assert (await shown(base, await sent(base, tmp_path / "disk")))["disk_format"] == "qcow2"

    async def test_an_image_that_waits_for_its_data_is_given_it(self, base: str, file: Path) -> None:
        body = {"disk_format": "raw", "container_format": "bare"}
        url = f"{base}/v2/images"
        async with ClientSession() as session, session.post(url, json=body, headers=by("ann")) as response:
            image_id = (await response.json())["id"]
        assert await sent(f"{base}/v2", file, "--image", image_id) == image_id
        assert "queued" in (await run(base, "upload", file, "--image", image_id, code=1))[1]

    async def test_data_that_was_damaged_on_its_way_is_told(self, base: str, file: Path) -> None:
        async with line(base, up=9 * MIB) as bad:
            _, errors = await run(bad.url, "upload", file, code=1)
        assert "damaged" in errors
        assert "openstack image delete" in errors

    async def test_a_broken_upload_says_how_to_try_again(self, base: str, file: Path) -> None:
        refused = await run(base, "upload", file, "--store", "none", code=1)
        image_id = refused[1].split("--image ")[1].strip()
        assert "/v2/info/stores" in refused[1]
        assert await sent(base, file, "--image", image_id) == image_id


class TestDownload:
    async def test_a_file_is_named_by_the_image_unless_it_is_told(self, base: str, file: Path) -> None:
        image_id = await sent(base, file)
        await run(base, "download", image_id, "-o", file.with_name("own"))
        assert file.with_name("own").read_bytes() == DATA
        assert not list(file.parent.glob("*.part*"))
        assert "already" in (await run(base, "download", image_id, "-o", file.with_name("own"), code=1))[1]

    async def test_a_folder_that_is_not_there_is_named(self, base: str, file: Path, tmp_path: Path) -> None:
        target = tmp_path / "nowhere" / "own"
        _, errors = await run(base, "download", await sent(base, file), "-o", target, code=1)
        assert errors == f"vitrine: {target}.part: No such file or directory\n"

    async def test_over_a_line_that_breaks_nothing_comes_twice(self, base: str, file: Path) -> None:
        image_id, target = await sent(base, file), file.with_name("own")
        async with line(base, 5 * MIB, 7 * MIB, 3 * MIB) as bad:
            await run(bad.url, "download", image_id, "-o", target)
        assert target.read_bytes() == DATA
        assert sum(passed > MIB for passed in bad.passed) == 4
        # Beside the data only headers, and what was on the line when it broke.
        assert len(DATA) < sum(bad.passed) < len(DATA) + 4 * MIB

    async def test_what_a_killed_command_has_got_is_not_asked_for_again(self, base: str, file: Path) -> None:
        image_id, target = await sent(base, file), file.with_name("own")
        part = file.with_name("own.part")
        async with line(base, 10 * MIB, stalls=True) as bad:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service", "download", image_id, "-o", str(target)), env=asking(bad.url)
            )

            async def has_come() -> bool:
                return part.exists() and part.stat().st_size > 9 * MIB

            await until(has_come)
            process.kill()
            await process.wait()
        kept = part.stat().st_size
        async with line(base) as good:
            await run(good.url, "download", image_id, "-o", target)
        assert target.read_bytes() == DATA
        assert sum(good.passed) < len(DATA) - kept + 10_000

    @pytest.mark.parametrize("tag", ['"other"', None])
    async def test_a_part_of_other_data_is_not_gone_on_with(self, base: str, file: Path, tag: str | None) -> None:
        image_id = await sent(base, file)
        file.with_name("own.part").write_bytes(b"other data")
        if tag:
            file.with_name("own.part.etag").write_text(tag)
        await run(base, "download", image_id, "-o", file.with_name("own"))
        assert file.with_name("own").read_bytes() == DATA

    async def test_damaged_data_is_no_file(self, base: str, file: Path) -> None:
        image_id = await sent(base, file)
        async with line(base, down=9 * MIB) as bad:
            _, errors = await run(bad.url, "download", image_id, "-o", file.with_name("own"), code=1)
        assert "damaged" in errors
        assert not list(file.parent.glob("own*"))


@pytest.mark.parametrize("quiet", [False, True])
async def test_a_terminal_sees_a_bar_unless_it_is_quiet(base: str, file: Path, quiet: bool) -> None:
    image_id = await sent(base, file)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = ("download", image_id, "-o", str(file.with_name("own")), *(["--quiet"] if quiet else []))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", *command), env=asking(base), stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    seen = await asyncio.to_thread(_all_of, ours)
    assert await process.wait() == 0
    if quiet:
        assert seen == b""
    else:
        assert b"own: 100%" in seen
        assert b"B/s]" in seen
        assert b"sha512 own.part: 100%" in seen


def _all_of(terminal: int) -> bytes:
    seen = b""
    try:
        while piece := os.read(terminal, 1 << 16):
            seen += piece
    except OSError:  # how the end of the other side is told on Linux
        pass
    os.close(terminal)
    return seen


async def test_nothing_but_a_terminal_sees_a_bar(base: str, file: Path) -> None:
    assert (await run(base, "upload", file))[1] == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--url", ""], 2, "--url"),
        (["--token", "a b"], 2, "--token"),
        (["--token", "wrong"], 1, "openstack token issue"),
        ([], 1, "404: No image found with ID x. Look at the id"),
        (["--url", "http://127.0.0.1:1"], 1, "The connection to http://127.0.0.1:1 failed: Connection refused."),
    ],
)
async def test_what_is_wrong_is_told(base: str, tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    env = dict(asking(base))
    if arguments[:2] == ["--url", ""]:
        del env["OS_IMAGE_ENDPOINT_OVERRIDE"]
    target = tmp_path / "own"
    status, output, errors = await vitrine("download", "x", "-o", str(target), *arguments, env=env)
    assert (status, output) == (code, "")
    assert words in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("own*"))
