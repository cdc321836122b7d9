"""Connections under requests that come early, in heaps, in pieces, or whose client goes away."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from msgspec.structs import replace

from drivers.memory import MemoryStore
from drivers.records import View
from service.app import make_app
from service.connection import listen
from service.policy.engine import load_policy
from service.settings import Settings
from tests.callers import people
from tests.conformance import NEVER, ONE, image
from tests.stores import one_store

SHOW = f"GET /v2/images/{ONE} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: token-of-ann\r\n".encode()
SCHEMA = b"GET /v2/schemas/image HTTP/1.1\r\nHost: x\r\nX-Auth-Token: token-of-ann\r\n"
END = b"\r\n"
SHOWN = f'"self":"/v2/images/{ONE}"'.encode()

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SlowStore(MemoryStore):
    """Reads an image only when the test lets it; says how many readers wait, and which of them are tasks' doing."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.waiting = 0
        self.in_tasks: list[bool] = []

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        self.waiting += 1
        self.in_tasks.append(asyncio.current_task() is not None)
        await self.open.wait()
        return await super().get(image_id, project_id, locations=locations)


@pytest.fixture
async def store() -> SlowStore:
    """Give a store with one image that holds readers up."""
    store = SlowStore()
    await store.add(image())
    return store


@asynccontextmanager
async def served(store: MemoryStore, **settings: float) -> AsyncIterator[tuple[str, int]]:
    """Serve the store, and give the address."""
    app = make_app(Settings(), store, one_store(), people(), load_policy(None), Random(1))
    async with listen(app, replace(Settings(port=0, drain_seconds=5), **settings)) as address:
        yield address


@asynccontextmanager
async def connected(store: MemoryStore, **settings: float) -> AsyncIterator[Stream]:
    """Serve the store, and give one connection to it."""
    async with served(store, **settings) as address:
        reader, writer = await asyncio.open_connection(*address)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader, *, body: bool = True) -> bytes:
    """Read one answer, whole; only its head where it has no body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length)) if body else head


async def undated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Ask, and read the answer but for its date."""
    writer.write(request)
    return re.sub(rb"Date: [^\r]*", b"", await answer(reader))


async def until(condition: Callable[[], bool]) -> None:
    """Let the server do what it does until something is so."""
    while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("waits", [True, False])
async def test_requests_sent_at_once_are_answered_in_their_order(store: SlowStore, waits: bool) -> None:
    if not waits:
        store.open.set()
    async with connected(store) as (reader, writer):
        writer.write(SHOW + END + SCHEMA + END + SHOW + END)
        await until(lambda: store.waiting > 0)
        store.open.set()
        answers = [await answer(reader) for _ in range(3)]
        assert [SHOWN in each for each in answers] == [True, False, True]


async def test_what_comes_while_an_answer_waits_is_answered_after_it(store: SlowStore) -> None:
    async with connected(store) as (reader, writer):
        writer.write(SHOW + END)
        await until(lambda: store.waiting == 1)
        writer.write(SCHEMA + END)
        await writer.drain()
        writer.write(SHOW)
        await asyncio.sleep(0.01)
        store.open.set()
        writer.write(END)
        answers = [await answer(reader) for _ in range(3)]
        assert [SHOWN in each for each in answers] == [True, False, True]


async def test_a_show_that_comes_before_the_last_is_over_begins_without_a_task_as_well(store: SlowStore) -> None:
    async with connected(store) as (reader, writer):
        writer.write(SHOW + END)
        await until(lambda: store.waiting == 1)
        writer.write(SHOW + END)
        await asyncio.sleep(0.01)
        store.open.set()
        answers = [await answer(reader) for _ in range(2)]
        assert [SHOWN in each for each in answers] == [True, True]
        assert store.in_tasks == [False, False]


async def test_a_show_that_takes_longer_than_a_connection_may_idle_is_answered(store: SlowStore) -> None:
    async with connected(store, request_seconds=0.2) as (reader, writer):
        writer.write(SCHEMA + END)  # from the first answer on the connection may idle so long
        await answer(reader)
        writer.write(SHOW + END)
        await until(lambda: store.waiting == 1)
        await asyncio.sleep(0.5)
        store.open.set()
        assert SHOWN in await answer(reader)


async def test_one_request_after_the_other_is_answered(store: SlowStore) -> None:
    store.open.set()
    async with connected(store) as (reader, writer):
        for number in range(5):
            writer.write((SHOW if number % 2 else SCHEMA) + END)
            assert (SHOWN in await answer(reader)) == bool(number % 2)


async def test_a_request_in_pieces_is_answered_once_it_is_whole(store: SlowStore) -> None:
    store.open.set()
    async with connected(store) as (reader, writer):
        for byte in SHOW + END:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_client_that_goes_away_takes_nobody_with_it(store: SlowStore, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(store) as (reader, writer):
        host, port = writer.get_extra_info("peername")
        _, gone = await asyncio.open_connection(host, port)
        gone.write(SHOW + END)
        await until(lambda: store.waiting == 1)
        gone.transport.abort()
        writer.write(SHOW + END)
        await until(lambda: store.waiting == 2)
        store.open.set()
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert caplog.records == []


async def test_a_stop_lets_an_answer_finish(store: SlowStore) -> None:
    async with served(store) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(SHOW + END)
        await until(lambda: store.waiting == 1)
        asyncio.get_running_loop().call_later(0.05, store.open.set)
    assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.read() == b""
    writer.close()


async def test_garbage_behind_a_request_is_refused_after_its_answer(store: SlowStore) -> None:
    async with connected(store) as (reader, writer):
        writer.write(SHOW + END)
        await until(lambda: store.waiting == 1)
        writer.write(b"garbage\r\n\r\n")
        await asyncio.sleep(0.01)
        store.open.set()
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b" 400 Bad Request\r\n" in await reader.read()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (SHOW + b"Connection: close\r\n" + END, b"HTTP/1.1 200 OK"),
        (SHOW.replace(b"HTTP/1.1", b"HTTP/1.0") + END, b"HTTP/1.0 200 OK"),
    ],
    ids=["close", "HTTP/1.0"],
)
@pytest.mark.parametrize("waits", [True, False])
async def test_a_connection_that_is_to_end_ends(store: SlowStore, request_: bytes, status: bytes, waits: bool) -> None:
    if not waits:
        store.open.set()
    async with connected(store) as (reader, writer):
        writer.write(request_)
        await until(lambda: store.waiting == 1)
        store.open.set()
        assert (await answer(reader)).startswith(status)
        await asyncio.wait_for(reader.read(), 5)


async def test_head_has_no_body_and_the_connection_stays(store: SlowStore) -> None:
    store.open.set()
    async with connected(store) as (reader, writer):
        writer.write(SHOW.replace(b"GET", b"HEAD") + END)
        assert b"Content-Length: " in await answer(reader, body=False)
        writer.write(SHOW + END)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (SHOW.replace(ONE.encode(), NEVER.encode()) + END, b"404"),
        (SHOW.replace(b"-ann", b"-nobody-known") + END, b"401"),
        (SHOW + b"Content-Length: 2\r\n" + END + b"{}", b"400"),
        (SHOW + b"Accept: application/vnd.openstack.images-v9\r\n" + END, b"300"),
    ],
    ids=["no image", "no caller", "a body", "no version"],
)
async def test_a_refusal_leaves_the_connection_open(store: SlowStore, request_: bytes, status: bytes) -> None:
    store.open.set()
    async with connected(store) as (reader, writer):
        writer.write(request_)
        assert (await answer(reader)).split()[1] == status
        writer.write(SHOW + END)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_one_who_would_wait_with_a_body_gets_the_answer_that_needs_none(store: SlowStore) -> None:
    store.open.set()
    async with connected(store) as (reader, writer):
        writer.write(SHOW + b"Expect: 100-continue\r\n" + END)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("version", ["/v2", "/v2.7"])
async def test_a_plain_show_is_answered_as_one_that_is_not_plain(store: SlowStore, version: str) -> None:
    store.open.set()
    named = SHOW.replace(b"/v2", version.encode()) + b"X-Openstack-Request-Id: one\r\n"
    async with connected(store) as (reader, writer):
        specials = (b"", b"If-None-Match: x\r\n", b"Origin: http://x\r\n")
        plain, *others = [await undated(reader, writer, named + special + END) for special in specials]
        assert b"\r\nETag: " in plain
        assert others == [plain, plain]


@pytest.mark.parametrize("header", [b"X-Auth-Token: token-of-nobody-known\r\n", b"X-Auth-Token: token-of-ann\r\n"])
async def test_a_plain_show_is_refused_as_one_that_is_not_plain(store: SlowStore, header: bytes) -> None:
    store.open.set()
    line = f"GET /v2/images/{NEVER} HTTP/1.1\r\nHost: x\r\nX-Openstack-Request-Id: one\r\n".encode()
    async with connected(store) as (reader, writer):
        plain = await undated(reader, writer, line + header + END)
        assert plain == await undated(reader, writer, line + header + b"If-None-Match: x\r\n" + END)


async def test_a_changed_image_is_never_shown_as_it_was(store: SlowStore) -> None:
    store.open.set()
    async with connected(store) as (reader, writer):
        for number in range(3):
            await store.save(replace((await store.get(ONE, None)).image, name=f"name-{number}"))
            writer.write(SHOW + END)
            assert f'"name":"name-{number}"'.encode() in await answer(reader)
