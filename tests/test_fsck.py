"""`vitrine fsck`: records and stores compared in both directions."""

from collections.abc import AsyncIterator
from datetime import timedelta

from msgspec.structs import replace

from service.data.tools import Tools
from service.keys import TOOLS
from service.work.fsck import Finding, check_all
from tests.conftest import TWO_STORES, Client, Connect
from tests.transfers import DATA, shown, uploaded

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
