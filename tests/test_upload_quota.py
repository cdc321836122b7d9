"""Limits of bytes while data comes: never overshot, whatever arrives at once, and given back (reference section 7)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.protocol import ImageStore
from drivers.usage import Limits, Usage
from service.limits.fixed import FixedLimits
from service.settings import Secret
from tests.callers import OTHER, OWNER, by
from tests.conftest import Connect
from tests.transfers import DATA, OCTETS, begun, created, is_untouched, put, shown

SIZE = len(DATA)


async def chunked(data: bytes = DATA) -> AsyncIterator[bytes]:
    """Give a body whose size nobody tells."""
    yield data


def body(known: str) -> object:
    """Give the data as a body of known or unknown size."""
    return DATA if known == "known" else chunked()


@pytest.fixture(params=["known", "unknown"])
def known(request: pytest.FixtureRequest) -> str:
    """Give whether the size is known before the data comes."""
    return str(request.param)


async def test_the_setting_limits_what_a_project_stores(connect: Connect, blobs_url: Secret, known: str) -> None:
    client = await connect(stores=blobs_url, limits=FixedLimits(Limits(bytes=SIZE)))
    path = await created(client)
    assert await put(client, path, body(known)) == 204
    other = await created(client)
    headers = by("ann", **OCTETS)
    async with client.put(f"{other}/file", data=b"x", headers=headers) as response:
        assert response.status == 413
        assert f"The limit of {SIZE} bytes of a project" in await response.text()
    assert (await client.delete(path, headers=by("ann"))).status == 204
    assert await is_untouched(client, other)
    assert await put(client, other, body(known)) == 204


async def test_one_byte_too_many_is_too_many(connect: Connect, store: ImageStore, known: str) -> None:
    client = await connect(limits=FixedLimits(Limits(bytes=SIZE - 1)))
    path = await created(client)
    assert await put(client, path, body(known)) == 413
    assert await is_untouched(client, path)
    assert await store.usage(OWNER) == Usage(images=1)
    assert await put(client, path, DATA[:-1]) == 204
    assert await store.usage(OWNER) == Usage(images=1, bytes=SIZE - 1)


async def test_uploads_at_once_never_overshoot_together(connect: Connect, store: ImageStore, known: str) -> None:
    client = await connect(limits=FixedLimits(Limits(bytes=3 * SIZE + 5)))
    paths = [await created(client) for _ in range(8)]
    seen: list[int] = []
    watching = asyncio.create_task(_watch(store, seen))
    statuses = await asyncio.gather(*(put(client, path, body(known)) for path in paths))
    watching.cancel()
    # Of unknown sizes, each reserves ahead of what it knows, so fewer may fit than would have.
    assert set(statuses) <= {204, 413}
    assert 1 <= statuses.count(204) <= 3
    if known == "known":
        assert statuses.count(204) == 3
    assert await store.usage(OWNER) == Usage(images=8, bytes=statuses.count(204) * SIZE)
    assert max(seen) <= 3 * SIZE + 5


async def _watch(store: ImageStore, seen: list[int]) -> None:
    while True:
        seen.append((await store.usage(OWNER)).bytes)
        await asyncio.sleep(0.001)


async def test_known_data_over_the_limit_is_refused_before_it_comes(connect: Connect, store: ImageStore) -> None:
    client = await connect(limits=FixedLimits(Limits(bytes=SIZE)))
    first, second = await created(client), await created(client)
    steps, answer = await begun(client, first, x_openstack_image_size=str(SIZE))
    assert await store.usage(OWNER) == Usage(images=2, bytes=SIZE, uploading=1)
    assert await put(client, second, b"x") == 413
    steps.end()
    assert await answer == 204


async def test_what_an_administrator_uploads_counts_as_the_owners(connect: Connect, store: ImageStore) -> None:
    client = await connect(limits=FixedLimits(Limits(bytes=SIZE)))
    path = await created(client, "admin", owner=OTHER)
    assert await put(client, path, name="admin") == 204
    assert (await store.usage(OTHER)).bytes == SIZE


async def test_uploads_at_a_time_are_limited_too(connect: Connect, store: ImageStore) -> None:
    client = await connect(limits=FixedLimits(Limits(uploading=1)))
    first, second = await created(client), await created(client)
    for to in ("file", "stage"):
        steps, answer = await begun(client, first, to)
        assert await put(client, second, to=to) == 413
        steps.end()
        assert await answer == 204
        if to == "file":
            assert (await client.delete(first, headers=by("ann"))).status == 204
            first = await created(client)
    assert (await store.usage(OWNER)).uploading == 1


async def test_staged_bytes_have_a_limit_of_their_own(connect: Connect, store: ImageStore, known: str) -> None:
    client = await connect(limits=FixedLimits(Limits(staged_bytes=SIZE, bytes=0)))
    first, second = await created(client), await created(client)
    assert await put(client, first, body(known), to="stage") == 204
    assert await store.usage(OWNER) == Usage(images=2, staged_bytes=SIZE, uploading=1)
    assert await put(client, second, body(known), to="stage") == 413
    image = await shown(client, second)
    assert (image["status"], image["size"]) == ("queued", None)
    assert (await client.delete(first, headers=by("ann"))).status == 204
    assert await put(client, second, body(known), to="stage") == 204


async def test_nothing_is_reserved_where_nothing_is_limited(connect: Connect, store: ImageStore) -> None:
    client = await connect()
    path = await created(client)
    steps, answer = await begun(client, path)
    assert await store.usage(OWNER) == Usage(images=1, uploading=1)
    steps.end()
    assert await answer == 204
