"""`vitrine fsck`: records and stores compared in both directions."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from service.data.tools import Tools
from service.keys import TOOLS
from service.settings import Secret
from service.work.fsck import Finding, check_all
from service.work.sweeper import clean
from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.imports import DIRECT, imported, staged
from tests.processes import environment, vitrine
from tests.transfers import DATA, created, objects, shown, uploaded

NOW = timedelta()


def tools_of(client: Client) -> Tools:
    """Give what the service behind a client works with."""
    assert client.app is not None
    return client.app[TOOLS]


async def found(tools: Tools, *, grace: timedelta = NOW, repair: bool = False) -> list[Finding]:
    """Check all."""
    return [finding async for finding in check_all(tools, grace=grace, repair=repair)]


async def stray(tools: Tools) -> str:
    """Put an object into the default store that nobody knows of; give its URL."""

    async def blocks() -> AsyncIterator[bytes]:
        yield b"x"

    url = tools.stores.default.blobs.locate("stray")
    await tools.stores.default.blobs.write(url, blocks())
    return url


async def test_nothing_is_found_where_all_is_well(client: Client) -> None:
    await uploaded(client)
    assert await found(tools_of(client)) == []


async def test_an_object_that_nobody_knows_is_told_first_and_removed_when_asked(client: Client) -> None:
    tools = tools_of(client)
    url = await stray(tools)
    what = f"store default, {url}, 1 bytes"
    assert await found(tools) == [Finding("orphan", what)]
    assert await found(tools, repair=True) == [Finding("orphan", what, repaired=True)]
    assert await found(tools) == []


async def test_a_young_object_is_let_be(client: Client) -> None:
    tools = tools_of(client)
    await stray(tools)
    assert await found(tools, grace=timedelta(hours=1), repair=True) == []


async def test_what_a_broken_write_left_is_cleaned_up_when_it_is_old(connect: Connect, tmp_path: Path) -> None:
    client = await connect(stores=Secret(f"file://{tmp_path}"))
    tools = tools_of(client)
    left = tmp_path / ".writing" / "left"
    left.write_bytes(b"half")
    assert await clean(tools) == 0
    day = timedelta(days=1, seconds=1).total_seconds()
    os.utime(left, (left.stat().st_atime - day, left.stat().st_mtime - day))
    assert await clean(tools) == 1
    assert not left.exists()


async def test_the_command_tells_mends_and_exits_accordingly(database: str, tmp_path: Path) -> None:
    env = environment(store=database, stores=f"file://{tmp_path}/blobs")
    assert await vitrine("fsck", env=env) == (0, "Records and stores agree.\n", "")
    (tmp_path / "blobs" / "stray").write_bytes(b"x")
    assert await vitrine("fsck", env=env) == (0, "Records and stores agree.\n", "")
    code, output, _ = await vitrine("fsck", "--grace", "0", env=env)
    assert (code, output.startswith("orphan: store default, "), "1 found, 0 repaired." in output) == (1, True, True)
    code, output, _ = await vitrine("fsck", "--grace", "0", "--repair", env=env)
    assert (code, "(repaired)" in output, "1 found, 1 repaired." in output) == (0, True, True)
    assert await vitrine("fsck", "--grace", "0", env=env) == (0, "Records and stores agree.\n", "")
    code, _, errors = await vitrine("fsck", env=environment(store="nowhere://"))
    assert (code, errors.startswith("vitrine: ")) == (1, True)


async def test_what_is_removed_and_what_ends_is_counted(client: Client) -> None:
    await imported(client, await staged(client), method=DIRECT)
    path = await uploaded(client)
    assert (await client.delete(path, headers=by("ann"))).status == 204
    await objects(client)
    async with client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    assert 'vitrine_tasks_ended_total{status="success",type="api_image_import"} 1.0' in lines
    # The staged object, and the one of the image that was deleted.
    assert "vitrine_objects_removed_total 2.0" in lines


async def test_missing_data_is_told_and_the_record_kept(client: Client) -> None:
    tools = tools_of(client)
    path = await uploaded(client)
    image_id = path.rpartition("/")[2]
    view = await tools.records.get(image_id, None, locations=True)
    await tools.stores.default.blobs.delete(view.image.locations[0].url)
    missing = Finding("missing", f"image {image_id}, store default")
    assert await found(tools) == [missing]
    assert await found(tools, repair=True) == [missing]
    assert (await shown(client, path))["status"] == "active"


@pytest.mark.parametrize("status", ["saving", "uploading"])
async def test_an_image_that_waits_for_an_upload_that_nobody_makes_is_queued_again(
    client: Client, status: Literal["saving", "uploading"]
) -> None:
    tools = tools_of(client)
    path = await created(client)
    await tools.revise(path.rpartition("/")[2], lambda now: replace(now, status=status))
    what = f"image {path.rpartition('/')[2]} is {status}, and nobody uploads it"
    assert await found(tools, repair=True) == [Finding("stuck", what, repaired=True)]
    assert (await shown(client, path))["status"] == "queued"
    assert await found(tools) == []


async def test_missing_data_that_another_store_has_is_taken_off_the_record(connect: Connect) -> None:
    client = await connect(stores=TWO_STORES)
    tools = tools_of(client)
    path = await uploaded(client)
    image_id = path.rpartition("/")[2]

    async def blocks() -> AsyncIterator[bytes]:
        yield DATA

    slow = tools.stores.get("slow")
    assert slow
    url = slow.blobs.locate("copy")
    await slow.blobs.write(url, blocks())
    view = await tools.records.get(image_id, None, locations=True)
    fast_url = view.image.locations[0].url
    await tools.revise(image_id, lambda now: replace(now, locations=(*now.locations, slow.location(url))))
    await tools.stores.default.blobs.delete(fast_url)
    assert await found(tools, repair=True) == [Finding("missing", f"image {image_id}, store fast", repaired=True)]
    assert (await shown(client, path))["stores"] == "slow"
