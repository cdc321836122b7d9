"""Downloads at the level of bytes: readers that are slow, hang or vanish, and answers that break off."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.settings import Secret
from tests.raw_http import Service, request, running
from tests.transfers import DATA, until

BIG = DATA * 12


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """Give the URL of each kind of store of data."""
    return Secret("memory://" if request.param == "memory" else f"file://{tmp_path}/blobs")


@pytest.fixture
async def service(url: Secret) -> AsyncIterator[Service]:
    """Serve from it."""
    async with running(stores=url) as service:
        yield service


def descriptors() -> int:
    """Count what this process, and so the service, has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a path object would be one more


def resident() -> int:
    """Tell how many bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_downloads_on_one_connection_follow_each_other(service: Service) -> None:
    path = await service.uploaded(DATA)
    async with service.wire() as wire:
        await wire.send(*[request("GET", path)] * 3, request("HEAD", path), request("GET", path, "Range: bytes=1-2"))
        for _ in range(3):
            assert (await wire.answer())[2] == DATA
        assert (await wire.answer(head=True))[1]["content-length"] == str(len(DATA))
        assert (await wire.answer())[2] == DATA[1:3]


async def test_http_1_0_gets_it_all_and_the_end_of_the_connection(service: Service) -> None:
    path = await service.uploaded(DATA)
    async with service.wire() as wire:
        await wire.send(request("GET", path, version="1.0"))
        assert (await wire.answer())[2] == DATA
        assert await wire.rest() == b""


async def test_a_slow_reader_gets_every_byte(service: Service) -> None:
    path = await service.uploaded(BIG)
    async with service.wire(receive_buffer=4096) as wire:
        await wire.send(request("GET", path, "Connection: close"))
        received = bytearray()
        while piece := await wire.reader.read(1 << 20):
            received += piece
            if len(received) < 1 << 20:
                await asyncio.sleep(0.01)
        assert received.partition(b"\r\n\r\n")[2] == BIG


async def test_readers_that_hang_cost_no_thread_and_no_memory_and_hold_up_nobody(service: Service) -> None:
    path = await service.uploaded(BIG)
    threads, memory = threading.active_count(), resident()
    async with AsyncExitStack() as stack:
        for _ in range(30):
            wire = await stack.enter_async_context(service.wire(receive_buffer=4096))
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a TCP connection, it is there
            await wire.send(request("GET", path))
        await asyncio.sleep(0.5)
        # Those of a pool start as they are first used, whoever uses them.
        assert threading.active_count() <= threads + 16
        # Were they held in memory, it would be thirty times the image.
        assert resident() - memory < 4 * len(BIG)
        assert (await service.call("GET", path))[1] == BIG
        assert (await service.call("GET", "/v2/images"))[0] == 200


async def test_readers_that_vanish_leave_nothing_open(service: Service) -> None:
    path = await service.uploaded(BIG)
    before = descriptors()
    async with AsyncExitStack() as stack:
        for _ in range(20):
            wire = await stack.enter_async_context(service.wire(receive_buffer=4096))
            await wire.send(request("GET", path))
        await asyncio.sleep(0.2)
        assert descriptors() > before

    async def is_closed() -> bool:
        return descriptors() <= before

    await until(is_closed)


async def test_a_reader_that_takes_nothing_for_too_long_is_let_go(url: Secret) -> None:
    async with running(stores=url, idle_seconds=0.3) as service:
        path = await service.uploaded(BIG)
        async with service.wire(receive_buffer=4096) as wire:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a TCP connection, it is there
            await wire.send(request("GET", path))
            await asyncio.sleep(1.5)
            wire.writer.transport.resume_reading()  # type: ignore[attr-defined]  # the same
            received = await wire.rest()
            assert len(received) < len(BIG)


async def test_a_client_that_sent_all_it_will_send_still_gets_its_answer(service: Service) -> None:
    path = await service.uploaded(DATA)
    async with service.wire() as wire:
        await wire.send(request("GET", path, "Connection: close"))
        wire.writer.write_eof()
        assert DATA.startswith((await wire.rest()).partition(b"\r\n\r\n")[2])


async def test_data_that_ends_early_cuts_the_connection_and_says_nothing_else(tmp_path: Path) -> None:
    async with running(stores=Secret(f"file://{tmp_path}/blobs")) as service:
        path = await service.uploaded(BIG)
        async with service.wire(receive_buffer=4096) as wire:
            await wire.send(request("GET", path))
            beginning = await wire.reader.readexactly(1000)
            (stored,) = (each for each in (tmp_path / "blobs").iterdir() if each.is_file())
            with stored.open("r+b") as file:
                file.truncate(len(BIG) // 2)
            received = beginning + await wire.rest()
            head, _, body = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert len(body) < len(BIG)
            assert BIG.startswith(body)
            assert b"HTTP/1.1" not in body
        assert (await service.call("GET", "/livez"))[0] == 200


async def test_a_service_that_stops_lets_a_download_finish(url: Secret) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(stores=url, drain_seconds=10))
        path = await service.uploaded(BIG)
        async with service.wire(receive_buffer=65536) as wire:
            await wire.send(request("GET", path, "Connection: close"))
            beginning = await wire.reader.readexactly(1000)
            stopping = asyncio.create_task(stack.aclose())
            await asyncio.sleep(0.1)
            assert (beginning + await wire.rest()).partition(b"\r\n\r\n")[2] == BIG
            await stopping
