"""Coalesced reads lose no reader: driven step by step with a fetch the test answers, then on a real database."""

import asyncio
import gc
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.coalesce import Coalescer
from drivers.records import Image
from drivers.registry import open_store
from tests.conformance import ONE, image


class Fetch:
    """A fetch that waits for the test: every call lies in `calls` with its keys, until the test answers it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, str]:
        call = Call(keys, len(self.calls))
        self.calls.append(call)
        return await call.answer

    def keys(self) -> list[tuple[str, ...]]:
        return [tuple(call.keys) for call in self.calls]


class Call:
    """One batch on the wire: its keys, the task that sent it, and the answer it waits for."""

    def __init__(self, keys: Sequence[str], number: int) -> None:
        self.keys = keys
        self.number = number
        self.lane = asyncio.current_task()
        self.answer: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    def succeed(self) -> None:
        """Find every key; a value tells which call found it."""
        self.answer.set_result({key: f"{key}{self.number}" for key in self.keys})


def ask(coalescer: Coalescer[str, str], *keys: str) -> list[asyncio.Task[str | None]]:
    """Start a reader per key."""
    return [asyncio.ensure_future(coalescer.get(key)) for key in keys]


async def settle() -> None:
    """Let everything happen that can happen without the test's doing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def answers(*readers: asyncio.Task[str | None]) -> list[str | BaseException | None]:
    """Give what each reader got, value or error; fail rather than wait for one that hangs."""
    await settle()
    assert all(reader.done() for reader in readers), "a reader hangs"
    return await asyncio.gather(*readers, return_exceptions=True)


async def test_keys_that_arrive_during_a_batch_go_together_in_the_next() -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    readers = ask(coalescer, "a")
    await settle()
    for key in "bcd":
        readers += ask(coalescer, key)
        await settle()
    assert fetch.keys() == [("a",)]
    fetch.calls[0].succeed()
    await settle()
    assert fetch.keys() == [("a",), ("b", "c", "d")]
    fetch.calls[1].succeed()
    assert await answers(*readers) == ["a0", "b1", "c1", "d1"]


async def test_a_read_never_joins_a_batch_that_started_before_it() -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    before = ask(coalescer, "a", "a")
    await settle()
    after = ask(coalescer, "a")
    await settle()
    fetch.calls[0].succeed()
    await settle()
    fetch.calls[1].succeed()
    assert await answers(*before, *after) == ["a0", "a0", "a1"]
    assert fetch.keys() == [("a",), ("a",)]


async def test_a_key_that_is_not_found_is_none() -> None:
    fetch = Fetch()
    readers = ask(Coalescer(fetch), "a", "b")
    await settle()
    fetch.calls[0].answer.set_result({"b": "found"})
    assert await answers(*readers) == [None, "found"]


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("steps", range(12))
async def test_a_key_that_arrives_any_step_after_an_answer_is_fetched(steps: int, lanes: int) -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=lanes)
    early = ask(coalescer, "a")
    await settle()
    fetch.calls[0].succeed()
    for _ in range(steps):
        await asyncio.sleep(0)
    late = ask(coalescer, "b")
    await settle()
    fetch.calls[1].succeed()
    assert await answers(*early, *late) == ["a0", "b1"]


@pytest.mark.parametrize("end", ["reader", "lane"])
async def test_a_key_that_arrives_as_something_ends_is_fetched(end: str) -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    late: list[asyncio.Task[str | None]] = []
    early = ask(coalescer, "a")
    await settle()
    ending: asyncio.Task[Any] | None = early[0] if end == "reader" else fetch.calls[0].lane
    assert ending
    ending.add_done_callback(lambda _: late.extend(ask(coalescer, "b")))
    fetch.calls[0].succeed()
    await settle()
    fetch.calls[1].succeed()
    assert await answers(*early, *late) == ["a0", "b1"]


async def test_an_error_reaches_all_of_its_batch_and_nobody_else() -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    unlucky = ask(coalescer, "a", "b", "a")
    await settle()
    lucky = ask(coalescer, "a", "c")
    await settle()
    error = OSError("away")
    fetch.calls[0].answer.set_exception(error)
    await settle()
    fetch.calls[1].succeed()
    assert await answers(*unlucky) == [error] * 3
    assert await answers(*lucky) == ["a1", "c1"]


async def test_an_error_of_many_readers_shows_each_only_its_own_path() -> None:
    fetch = Fetch()
    readers = ask(Coalescer(fetch), *"abcdefgh")
    await settle()
    fetch.calls[0].answer.set_exception(OSError("away"))
    lengths = []
    for reader in readers:
        with pytest.raises(OSError, match="away") as caught:
            await reader
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
        assert caught.value.__context__ is None
    assert len(set(lengths)) == 1


async def test_an_error_that_nobody_waits_for_any_more_is_no_loose_end() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    fetch = Fetch()
    readers = ask(Coalescer(fetch), "a", "b", "a")
    await settle()
    for reader in readers:
        reader.cancel()
    fetch.calls[0].answer.set_exception(OSError("away"))
    del fetch
    await answers(*readers)
    await settle()
    gc.collect()
    assert complaints == []


async def test_a_reader_that_leaves_takes_nobody_along() -> None:
    fetch = Fetch()
    readers = ask(Coalescer(fetch), "a", "a", "b")
    await settle()
    readers[0].cancel()
    await settle()
    fetch.calls[0].succeed()
    assert await answers(*readers[1:]) == ["a0", "b0"]
    assert readers[0].cancelled()


@pytest.mark.parametrize("when", ["before its batch", "during its batch"])
async def test_after_the_only_reader_left_others_are_served(when: str) -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    readers = ask(coalescer, "a")
    await settle()
    if when == "before its batch":
        readers = ask(coalescer, "b")
        await settle()
    readers[0].cancel()
    later = ask(coalescer, "c")
    await settle()
    fetch.calls[0].succeed()
    await settle()
    fetch.calls[1].succeed()
    assert await answers(*later) == ["c1"]


@pytest.mark.parametrize("how", ["the lane is cancelled", "its fetch says so"])
async def test_a_cancelled_batch_ends_its_readers_and_serves_those_behind(how: str) -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    inside = ask(coalescer, "a", "b")
    await settle()
    behind = ask(coalescer, "a", "c")
    await settle()
    lane = fetch.calls[0].lane
    assert lane
    _ = lane.cancel() if how == "the lane is cancelled" else fetch.calls[0].answer.cancel()
    await settle()
    fetch.calls[1].succeed()
    assert await answers(*behind) == ["a1", "c1"]
    assert all(reader.cancelled() for reader in inside)


async def test_a_lane_cancelled_before_its_first_step_is_replaced() -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1)
    others = asyncio.all_tasks()
    readers = ask(coalescer, "a")
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - others - {*readers}:
        task.cancel()
    await settle()
    fetch.calls[0].succeed()
    assert await answers(*readers) == ["a0"]


def test_the_end_of_the_loop_leaves_nothing_running() -> None:
    complaints: list[dict[str, Any]] = []

    async def leave_in_the_middle() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        coalescer = Coalescer(Fetch(), lanes=1)
        ask(coalescer, "a")
        await settle()
        ask(coalescer, "b")
        await settle()

    asyncio.run(leave_in_the_middle())
    gc.collect()
    assert complaints == []


async def test_a_full_batch_leaves_the_rest_in_their_order() -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=1, limit=3)
    readers = ask(coalescer, *"hgfedcba")
    for number in range(3):
        await settle()
        readers += ask(coalescer, f"new{number}", "h")
        fetch.calls[number].succeed()
    await settle()
    fetch.calls[3].succeed()
    await settle()
    assert fetch.keys() == [
        ("h", "g", "f"),
        ("e", "d", "c"),
        ("b", "a", "new0"),
        ("h", "new1", "new2"),
    ]
    assert all(reader.done() for reader in readers)


async def test_no_more_batches_are_on_the_wire_than_there_are_lanes() -> None:
    fetch = Fetch()
    coalescer = Coalescer(fetch, lanes=3, limit=2)
    readers = ask(coalescer, *(str(number) for number in range(20)))
    for answered in range(10):
        await settle()
        assert len(fetch.calls) == min(answered + 3, 10)
        fetch.calls[answered].succeed()
    await answers(*readers)


LIMIT = 3
Step = tuple[str, int]
SCHEDULES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "tick", "tick", "succeed", "fail", "cancel", "leave"]), st.integers(0, 4)
    ),
    max_size=60,
)


class Interleaving:
    """One schedule of arrivals, answers and departures, played against a coalescer and checked as it goes."""

    def __init__(self, lanes: int) -> None:
        self.fetch = Fetch()
        self.lanes = lanes
        self.coalescer = Coalescer(self.fetch, lanes=lanes, limit=LIMIT)
        self.readers: list[tuple[str, int, asyncio.Task[str | None]]] = []

    async def play(self, schedule: Sequence[Step]) -> None:
        """Take the steps, then answer what is open until nothing is; every reader must have ended rightly."""
        for action, number in schedule:
            await self.step(action, number)
            assert len(self.open_calls()) <= self.lanes
        await settle()
        while calls := self.open_calls():
            calls[0].succeed()
            await settle()
        for key, calls_before, reader in self.readers:
            assert reader.done(), f"the reader of {key} hangs"
            self.check(key, calls_before, reader)

    async def step(self, action: str, number: int) -> None:
        calls = self.open_calls()
        if action == "ask":
            key = "abcde"[number]
            # A task starts a step later than it is made: a batch that starts in between may serve it, and rightly so.
            (reader,) = ask(self.coalescer, key)
            self.readers.append((key, len(self.fetch.calls), reader))
        elif action == "tick":
            for _ in range(number):
                await asyncio.sleep(0)
        elif action == "leave" and number < len(self.readers):
            self.readers[number][2].cancel()
        elif calls:
            self.end(calls[number % len(calls)], action)

    def end(self, call: Call, action: str) -> None:
        if action == "succeed":
            call.succeed()
        elif action == "fail":
            call.answer.set_exception(OSError(call.number))
        elif action == "cancel":
            call.answer.cancel()

    def open_calls(self) -> list[Call]:
        return [call for call in self.fetch.calls if not call.answer.done()]

    def check(self, key: str, calls_before: int, reader: asyncio.Task[str | None]) -> None:
        if reader.cancelled():
            return
        error = reader.exception()
        number = error.args[0] if isinstance(error, OSError) else int(str(reader.result())[1:])
        call = self.fetch.calls[number]
        assert key in call.keys
        assert number >= calls_before, "a reader joined a batch that had started before it"
        assert len(call.keys) <= LIMIT
        assert error is call.answer.exception()


@settings(max_examples=150, deadline=None)
@given(SCHEDULES, st.integers(1, 2))
def test_in_any_order_of_events_every_reader_ends_with_its_own_answer(schedule: list[Step], lanes: int) -> None:
    asyncio.run(Interleaving(lanes).play(schedule))


async def test_on_a_database_under_load_every_writer_reads_what_it_wrote(database: str) -> None:
    here, there = await open_store(database), await open_store(database)
    await here.add(image())
    done = asyncio.Event()

    async def read_until_done() -> None:
        newest = 0
        while not done.is_set():
            revision = (await here.get(ONE, "p1")).image.revision
            assert revision >= newest, "time went backwards for a reader"
            newest = revision

    async def write() -> None:
        saved: Image = image()
        for number in range(100):
            saved = await here.save(image(name=str(number), revision=saved.revision))
            for store in (here, there):
                assert (await store.get(ONE, "p1")).image == saved
        done.set()

    async with asyncio.TaskGroup() as tasks:
        for reader in [read_until_done] * 30:
            tasks.create_task(reader())
        tasks.create_task(write())
    await here.close()
    await there.close()
