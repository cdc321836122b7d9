"""How data is measured while it streams: in order, by steps that do not wait for each other, in bounded memory."""

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from random import Random
from threading import Event, get_ident
from typing import cast
from weakref import ref

import pytest

from service.data.lane import Lane
from service.data.measure import IN_FLIGHT, Meter
from tests.transfers import until

BLOCK = 1 << 20
MANY = 100


class Block(bytearray):
    """A block whose end can be seen, as that of `bytes` cannot."""


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def free() -> Iterator[Event]:
    """Give what a stuck step waits for; in the end it is freed."""
    event = Event()
    yield event
    event.set()


def blocks(count: int) -> list[bytes]:
    random = Random(7)
    return [random.randbytes(random.randrange(1, BLOCK)) for _ in range(count)]


async def stream(given: list[bytes]) -> AsyncIterator[bytes]:
    for block in given:
        yield block


async def consumed(passed: AsyncIterator[bytes]) -> int:
    return len([block async for block in passed])


class TestLane:
    """One step."""

    async def test_it_takes_all_blocks_in_order_one_at_a_time(self, executor: Executor) -> None:
        taken: list[bytes] = []
        lane = Lane(taken.append, executor)
        given = [bytes([number]) for number in range(200)]
        for block in given:
            lane.put(block)
        await lane.until(0)
        assert taken == given

    async def test_who_brings_blocks_waits_only_for_a_step_that_is_far_behind(
        self, executor: Executor, free: Event
    ) -> None:
        lane = Lane(lambda _: free.wait(), executor)
        lane.put(bytes(10))
        async with asyncio.timeout(1):
            await lane.until(10)
        waiting = asyncio.ensure_future(lane.until(9))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        free.set()
        await waiting

    async def test_many_share_few_threads_and_none_starves(self, executor: Executor) -> None:
        threads: set[int] = set()
        ended: list[int] = []

        async def feed(number: int) -> None:
            lane = Lane(lambda _: threads.add(get_ident()), executor)
            for _ in range(20):
                await lane.until(2)
                lane.put(b"x")
            await lane.until(0)
            ended.append(number)

        endless = Lane(lambda _: None, executor)

        async def feed_for_ever() -> None:
            while True:
                await endless.until(3)
                endless.put(b"x")

        hog = asyncio.ensure_future(feed_for_ever())
        async with asyncio.timeout(30):
            await asyncio.gather(*(feed(number) for number in range(MANY)))
        hog.cancel()
        assert sorted(ended) == list(range(MANY))
        assert len(threads) <= 4

    async def test_a_failing_step_is_told_to_who_waits(self, executor: Executor, free: Event) -> None:
        def fail(_: bytes) -> None:
            free.wait()
            raise MemoryError

        lane = Lane(fail, executor)
        lane.put(b"x")
        lane.put(b"x")
        waiting = asyncio.ensure_future(lane.until(0))
        await asyncio.sleep(0)
        free.set()
        with pytest.raises(MemoryError):
            await waiting

    async def test_once_dropped_it_takes_no_more_than_it_is_at(self, executor: Executor, free: Event) -> None:
        taken: list[bytes] = []

        def take(block: bytes) -> None:
            taken.append(block)
            free.wait()

        async def has_begun() -> bool:
            return bool(taken)

        lane = Lane(take, executor)
        for number in range(5):
            lane.put(bytes([number]))
        await until(has_begun)
        lane.drop()
        free.set()
        executor.shutdown()
        assert [block for block in taken if block] == [b"\0"]


class TestMeter:
    """All steps of one object."""

    @pytest.mark.parametrize("count", [0, 1, 40])
    async def test_the_hashes_are_those_of_the_whole(self, executor: Executor, count: int) -> None:
        meter, given = Meter(executor, "sha512", inspect=True), blocks(count)
        passed = [block async for block in meter.through(stream(given))]
        whole, measured = b"".join(given), meter.result()
        assert passed == given
        assert measured.size == len(whole)
        assert measured.checksum == hashlib.md5(whole, usedforsecurity=False).hexdigest()
        assert measured.os_hash_value == hashlib.sha512(whole).hexdigest()

    async def test_a_step_that_does_not_move_holds_back_the_data(self, free: Event) -> None:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(free.wait)
            meter = Meter(executor, "sha512", inspect=False)
            passed = meter.through(stream([bytes(BLOCK)] * MANY))
            taking = asyncio.ensure_future(consumed(passed))
            await asyncio.wait([taking], timeout=0.3)
            assert IN_FLIGHT <= meter.size <= IN_FLIGHT + BLOCK
            free.set()
            assert await taking == MANY

    async def test_a_block_larger_than_may_wait_is_measured_too(self, executor: Executor) -> None:
        block = bytes(IN_FLIGHT + 1)
        meter = Meter(executor, "sha256", inspect=False)
        assert [len(each) async for each in meter.through(stream([block, block]))] == [len(block)] * 2
        assert meter.result().os_hash_value == hashlib.sha256(block * 2).hexdigest()

    async def test_who_stops_in_the_middle_leaves_nothing_in_memory(self, executor: Executor) -> None:
        given = [Block(10_000) for _ in range(20)]
        seen = [ref(block) for block in given]
        meter = Meter(executor, "sha512", inspect=False)

        async def are_gone() -> bool:
            return all(each() is None for each in seen)

        gc.disable()
        try:
            async with aclosing(meter.through(stream(cast("list[bytes]", given)))) as passed:
                for _ in range(10):
                    await anext(passed)
            del passed
            given.clear()
            await until(are_gone)
        finally:
            gc.enable()
