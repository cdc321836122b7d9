"""The BlobStore contract as tests; a driver's own test module is a fixture that opens it, see drivers/README.md."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from random import Random

import msgspec
import pytest

from drivers.blobs.keys import LONGEST, is_key
from drivers.blobs.protocol import BlobReader, BlobStore
from drivers.errors import BlobExists, BlobNotFound, StoreError, StoreReadOnly, StoreUnavailable

MIB = 1 << 20
KEY = "object-1_a.raw"
OTHER_KEY = "second-object"
SMALL = b"0123456789"
# Of no round number of bytes, and of several parts or reads wherever a driver may cut.
BIG = Random(1).randbytes(25 * MIB + 12_345)
ODD_SIZES = (1, 65_537, 3 * MIB + 1, 0, MIB - 1, 5 * MIB + 7, 4096)
HOUR = timedelta(hours=1)

Put = Callable[[str, bytes], Awaitable[str]]
Respell = Callable[[str], str]


class BrokenOff(Exception):
    """The body ends before its end."""


async def pieces(content: bytes, sizes: Iterable[int] = ODD_SIZES) -> AsyncIterator[bytes]:
    """Give the content in blocks of these sizes, again and again."""
    start = 0
    for size in cycle(sizes):
        if start >= len(content):
            return
        yield content[start : start + size]
        start += size


async def write(store: BlobStore, content: bytes = SMALL, key: str = KEY) -> str:
    """Write an object, and give its URL."""
    url = store.locate(key)
    await store.write(url, pieces(content), size=len(content))
    return url


async def joined(reader: BlobReader, start: int, end: int) -> bytes:
    """Read a range, and check that its blocks are such as the contract has them."""
    blocks = [block async for block in reader.blocks(start, end)]
    assert all(isinstance(block, bytes) and 0 < len(block) <= 8 * MIB for block in blocks)
    return b"".join(blocks)


async def read(store: BlobStore, url: str) -> bytes:
    """Read a whole object."""
    async with opened(store, url) as reader:
        return await joined(reader, 0, reader.size)


@asynccontextmanager
async def opened(store: BlobStore, url: str) -> AsyncIterator[BlobReader]:
    """Hold an object open."""
    reader = await store.open(url)
    try:
        yield reader
    finally:
        await reader.close()


async def listed(store: BlobStore) -> dict[str, int]:
    """Give the bytes of each object by its URL."""
    blobs = [blob async for blob in store.list()]
    sizes = {blob.url: blob.size for blob in blobs}
    assert len(sizes) == len(blobs)
    return sizes


async def refuses(kind: type[StoreError], action: Awaitable[object]) -> None:
    """Check that an action is refused in words that tell nothing of where the object is."""
    with pytest.raises(kind) as refusal:
        await action
    assert str(refusal.value)
    assert not any(word in str(refusal.value) for word in ("/", KEY, OTHER_KEY))


async def leaves_nothing(store: BlobStore, key: str = KEY) -> None:
    """Check that nothing tells of an object, or of a write of it."""
    await refuses(BlobNotFound, store.open(store.locate(key)))
    await refuses(BlobNotFound, store.size(store.locate(key)))
    assert store.locate(key) not in await listed(store)
    assert await store.clean(datetime.now(UTC) + HOUR, dry_run=True) == 0


async def stuck_writer(store: BlobStore, content: bytes) -> asyncio.Task[None]:
    """Start a write of an object of which no more than this content ever comes, and return once it came."""
    waits = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        async for block in pieces(content):
            yield block
        waits.set()
        await asyncio.Event().wait()

    writer = asyncio.create_task(store.write(store.locate(KEY), stuck(), size=len(content) + 1))
    await waits.wait()
    return writer


class ReadConformance:
    """What every driver proves, one that only reads as well.

    Fixtures: `store`; `put`, which makes an object that the store can read, and gives its URL; `missing`, a URL that is
    owned and has no object.
    """

    @pytest.mark.parametrize(
        ("start", "end"),
        [(0, 10), (0, 1), (9, 10), (4, 5), (0, 9), (1, 10), (3, 7), (0, 0), (5, 5), (10, 10)],
    )
    async def test_a_range_is_read_to_the_byte(self, store: BlobStore, put: Put, start: int, end: int) -> None:
        async with opened(store, await put(KEY, SMALL)) as reader:
            assert await joined(reader, start, end) == SMALL[start:end]

    async def test_a_big_object_is_read_whole_and_in_ranges(self, store: BlobStore, put: Put) -> None:
        async with opened(store, await put(KEY, BIG)) as reader:
            assert reader.size == len(BIG)
            assert await joined(reader, 0, reader.size) == BIG
            edges = (0, 1, MIB - 1, MIB, 8 * MIB + 1, 16 * MIB, len(BIG) - 1, len(BIG))
            for start, end in [*pairwise(edges), (MIB + 5, 20 * MIB + 3)]:
                assert await joined(reader, start, end) == BIG[start:end]

    async def test_an_empty_object_is_an_object(self, store: BlobStore, put: Put) -> None:
        url = await put(KEY, b"")
        assert await store.size(url) == 0
        assert await read(store, url) == b""

    async def test_the_size_is_told_with_and_without_opening(self, store: BlobStore, put: Put) -> None:
        url = await put(KEY, SMALL)
        assert await store.size(url) == len(SMALL)
        async with opened(store, url) as reader:
            assert reader.size == len(SMALL)

    async def test_several_ranges_of_one_reader_are_read_at_once(self, store: BlobStore, put: Put) -> None:
        async with opened(store, await put(KEY, BIG)) as reader:
            ranges = [(start, start + 9 * MIB) for start in range(0, 16 * MIB, 3 * MIB)]
            found = await asyncio.gather(*(joined(reader, start, end) for start, end in ranges))
            assert found == [BIG[start:end] for start, end in ranges]

    async def test_many_readers_of_one_object_do_not_disturb_each_other(self, store: BlobStore, put: Put) -> None:
        url = await put(KEY, BIG)
        assert await asyncio.gather(*(read(store, url) for _ in range(6))) == [BIG] * 6

    async def test_a_reader_may_stop_early_and_go_on_elsewhere(self, store: BlobStore, put: Put) -> None:
        async with opened(store, await put(KEY, BIG)) as reader:
            async for block in reader.blocks(MIB, reader.size):
                assert BIG.startswith(block, MIB)
                break
            assert await joined(reader, 5, 5 + MIB) == BIG[5 : 5 + MIB]

    async def test_a_cancelled_reader_disturbs_no_other(self, store: BlobStore, put: Put) -> None:
        async with opened(store, await put(KEY, BIG)) as reader:
            tasks = [asyncio.create_task(joined(reader, 0, reader.size)) for _ in range(4)]
            await asyncio.sleep(0.001)
            tasks[0].cancel()
            assert (await asyncio.gather(*tasks, return_exceptions=True))[1:] == [BIG] * 3

    async def test_what_is_asked_beyond_the_end_is_no_short_answer(self, store: BlobStore, put: Put) -> None:
        async with opened(store, await put(KEY, SMALL)) as reader:
            await refuses(StoreUnavailable, joined(reader, 5, 11))

    async def test_what_is_not_there_is_not_found(self, store: BlobStore, missing: str) -> None:
        assert store.owns(missing)
        await refuses(BlobNotFound, store.open(missing))
        await refuses(BlobNotFound, store.size(missing))

    @pytest.mark.parametrize("url", ["", KEY, "/etc/passwd", "file:///etc/passwd", "nowhere://host/name", "://", "\0"])
    async def test_what_is_another_stores_is_not_found(self, store: BlobStore, url: str) -> None:
        assert not store.owns(url)
        await refuses(BlobNotFound, store.open(url))
        await refuses(BlobNotFound, store.size(url))

    async def test_the_objects_url_is_owned(self, store: BlobStore, put: Put) -> None:
        assert store.owns(await put(KEY, SMALL))

    async def test_it_describes_itself_to_operators(self, store: BlobStore) -> None:
        assert store.type
        assert msgspec.json.decode(msgspec.json.encode(store.properties)) == store.properties

    async def test_one_that_can_be_used_says_so_and_leaves_no_trace_of_it(self, store: BlobStore) -> None:
        await store.check()
        assert await listed(store) == {}
        assert await store.clean(datetime.now(UTC) + HOUR) == 0


RESPELT: dict[str, Respell] = {
    "doubled slash": lambda url: url.replace(f"/{KEY}", f"//{KEY}"),
    "doubled slash in front": lambda url: url.replace("://", ":////", 1),
    "dot": lambda url: url.replace(f"/{KEY}", f"/./{KEY}"),
    "dots": lambda url: url.replace(f"/{KEY}", f"/x/../{KEY}"),
    "dots in front": lambda url: url.replace("://", "://../", 1),
    "only dots": lambda url: url.replace(KEY, ".."),
    "only a dot": lambda url: url.replace(KEY, "."),
    "hidden name": lambda url: url.replace(KEY, f".{KEY}"),
    "escaped letter": lambda url: url.replace("object", "%6fbject"),
    "escaped slash": lambda url: url.replace(f"/{KEY}", f"%2f{KEY}"),
    "escaped dots": lambda url: url.replace(f"/{KEY}", f"/x/%2e%2e/{KEY}"),
    "folder": lambda url: url.replace(f"/{KEY}", f"/{OTHER_KEY}/{KEY}"),
    "no name": lambda url: url.removesuffix(KEY),
    "no slash": lambda url: url.removesuffix(f"/{KEY}"),
    "slash behind": lambda url: f"{url}/",
    "query": lambda url: f"{url}?a=b",
    "fragment": lambda url: f"{url}#a",
    "newline behind": lambda url: f"{url}\n",
    "space behind": lambda url: f"{url} ",
    "space in front": lambda url: f" {url}",
    "NUL behind": lambda url: f"{url}\0",
    "backslash": lambda url: url.replace(f"/{KEY}", f"\\{KEY}"),
    "other prefix": lambda url: url.replace(f"/{KEY}", f"x/{KEY}"),
    "other scheme": lambda url: url.replace("://", "x://", 1),
    "loud scheme": lambda url: url.replace(url.partition(":")[0], url.partition(":")[0].upper(), 1),
    "with a user": lambda url: url.replace("://", "://ann:secret@", 1),
    "other digits": lambda url: url.replace("1", "\N{ARABIC-INDIC DIGIT ONE}"),
    "lone surrogate": lambda url: url.replace("1", "\ud800"),
    "long name": lambda url: url.replace(KEY, "a" * (LONGEST + 1)),
}


class BlobConformance(ReadConformance):
    """What every driver proves that writes.

    Fixtures: `store`; and `another`, the same objects as a second process opens them, where a driver has such.
    """

    @pytest.fixture
    def another(self, store: BlobStore) -> BlobStore:
        return store

    @pytest.fixture
    def put(self, store: BlobStore) -> Put:
        async def put(key: str, content: bytes) -> str:
            return await write(store, content, key)

        return put

    @pytest.fixture
    def missing(self, store: BlobStore) -> str:
        return store.locate("missing")

    @pytest.mark.parametrize("sizes", [(len(BIG),), (8 * MIB,), (MIB,), (3 * MIB - 1,), ODD_SIZES], ids=str)
    @pytest.mark.parametrize("told", [True, False])
    async def test_blocks_of_any_size_are_written(
        self, store: BlobStore, another: BlobStore, sizes: tuple[int, ...], told: bool
    ) -> None:
        url = store.locate(KEY)
        await store.write(url, pieces(BIG, sizes), size=len(BIG) if told else None)
        assert await read(another, url) == BIG

    @pytest.mark.parametrize("blocks", [[], [b""], [b"", b"", b""]])
    @pytest.mark.parametrize("size", [0, None])
    async def test_nothing_is_written_as_an_empty_object(
        self, store: BlobStore, blocks: list[bytes], size: int | None
    ) -> None:
        async def given() -> AsyncIterator[bytes]:
            for block in blocks:
                yield block

        await store.write(store.locate(KEY), given(), size=size)
        assert await store.size(store.locate(KEY)) == 0
        assert await read(store, store.locate(KEY)) == b""

    async def test_empty_blocks_end_nothing(self, store: BlobStore) -> None:
        await store.write(store.locate(KEY), pieces(SMALL, (0, 3, 0, 0)))
        assert await read(store, store.locate(KEY)) == SMALL

    async def test_many_small_blocks_are_one_object(self, store: BlobStore) -> None:
        content = BIG[:50_001]
        await store.write(store.locate(KEY), pieces(content, (7,)))
        assert await read(store, store.locate(KEY)) == content

    @pytest.mark.parametrize("key", ["a", "-", "_", "a.b", "a..b", "0", "A", "a" * LONGEST])
    async def test_every_key_names_an_object(self, store: BlobStore, key: str) -> None:
        assert is_key(key)
        url = await write(store, key=key)
        assert store.owns(url)
        assert await read(store, url) == SMALL
        assert list(await listed(store)) == [url]

    async def test_names_that_differ_in_case_differ(self, store: BlobStore) -> None:
        assert await write(store, b"1", "a") != await write(store, b"2", "A")
        assert await read(store, store.locate("a")) == b"1"

    async def test_an_object_is_never_overwritten(self, store: BlobStore, another: BlobStore) -> None:
        url = await write(store)
        for each, content in ((store, BIG), (another, b""), (another, SMALL)):
            await refuses(BlobExists, write(each, content))
        assert await read(store, url) == SMALL
        assert await listed(store) == {url: len(SMALL)}
        assert await store.clean(datetime.now(UTC) + HOUR, dry_run=True) == 0

    @pytest.mark.parametrize("length", [10, 9 * MIB + 1])
    async def test_of_writers_at_once_exactly_one_wins(self, store: BlobStore, another: BlobStore, length: int) -> None:
        contents = [bytes([number]) * length for number in range(6)]
        writers = [write(each, content) for each, content in zip([store, another] * 3, contents, strict=True)]
        answers = await asyncio.gather(*writers, return_exceptions=True)
        (winner,) = [content for content, answer in zip(contents, answers, strict=True) if isinstance(answer, str)]
        assert sum(isinstance(answer, BlobExists) for answer in answers) == 5
        assert await read(store, store.locate(KEY)) == winner
        assert await store.clean(datetime.now(UTC) + HOUR, dry_run=True) == 0

    async def test_many_objects_are_written_at_once(self, store: BlobStore) -> None:
        contents = {f"object-{number}": BIG[number : number * MIB] for number in range(1, 13)}
        await asyncio.gather(*(write(store, content, key) for key, content in contents.items()))
        for key, content in contents.items():
            assert await read(store, store.locate(key)) == content
        assert await listed(store) == {store.locate(key): len(content) for key, content in contents.items()}

    @pytest.mark.parametrize("length", [0, 10, 21 * MIB])
    async def test_a_body_that_breaks_off_leaves_nothing(self, store: BlobStore, length: int) -> None:
        async def broken() -> AsyncIterator[bytes]:
            async for block in pieces(BIG[:length]):
                yield block
            raise BrokenOff

        with pytest.raises(BrokenOff):
            await store.write(store.locate(KEY), broken(), size=len(BIG))
        await leaves_nothing(store)
        await write(store)

    @pytest.mark.parametrize("length", [0, 10, 21 * MIB])
    async def test_a_writer_that_is_cancelled_while_it_waits_leaves_nothing(
        self, store: BlobStore, length: int
    ) -> None:
        writer = await stuck_writer(store, BIG[:length])
        writer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writer
        await leaves_nothing(store)
        await write(store)

    @pytest.mark.parametrize("length", [10, 9 * MIB + 1])
    async def test_a_writer_that_is_cancelled_at_any_moment_leaves_all_or_nothing(
        self, store: BlobStore, length: int
    ) -> None:
        for number in range(24):
            key = f"object-{number}"
            writer = asyncio.create_task(write(store, BIG[:length], key))
            await asyncio.sleep(number * number / 10_000)
            writer.cancel()
            (answer,) = await asyncio.gather(writer, return_exceptions=True)
            if isinstance(answer, str):
                assert await read(store, answer) == BIG[:length]
            else:
                assert isinstance(answer, asyncio.CancelledError)
                await leaves_nothing(store, key)

    async def test_a_writer_that_is_cancelled_twice_leaves_nothing(self, store: BlobStore) -> None:
        for turns in range(6):
            writer = await stuck_writer(store, BIG[: 9 * MIB])
            writer.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
            writer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writer
            # What the second one cut short may still be on its way.
            async with asyncio.timeout(30):
                while await store.clean(datetime.now(UTC) + HOUR, dry_run=True):  # noqa: ASYNC110 - nothing tells it
                    await asyncio.sleep(0.01)
            await leaves_nothing(store)

    async def test_nobody_meets_an_object_before_it_is_whole(self, store: BlobStore, another: BlobStore) -> None:
        url = await write(store, key=OTHER_KEY)

        async def watched() -> AsyncIterator[bytes]:
            async for block in pieces(BIG):
                yield block
                for each in (store, another):
                    await refuses(BlobNotFound, each.open(each.locate(KEY)))
                    await refuses(BlobNotFound, each.size(each.locate(KEY)))
                    assert await listed(each) == {url: len(SMALL)}

        await store.write(store.locate(KEY), watched(), size=len(BIG))
        assert await listed(another) == {url: len(SMALL), store.locate(KEY): len(BIG)}

    async def test_a_write_under_way_is_not_cleaned_away(self, store: BlobStore, another: BlobStore) -> None:
        async def cleaned() -> AsyncIterator[bytes]:
            async for block in pieces(BIG):
                yield block
                assert await another.clean(datetime.now(UTC) - HOUR) == 0

        await store.write(store.locate(KEY), cleaned(), size=len(BIG))
        assert await read(another, store.locate(KEY)) == BIG

    async def test_deleted_is_gone_for_everybody(self, store: BlobStore, another: BlobStore) -> None:
        url, kept = await write(store), await write(store, key=OTHER_KEY)
        await another.delete(url)
        await leaves_nothing(store)
        assert await listed(store) == {kept: len(SMALL)}
        assert await read(store, kept) == SMALL

    async def test_deleting_what_is_gone_is_no_error(self, store: BlobStore) -> None:
        url = await write(store)
        await asyncio.gather(*(store.delete(url) for _ in range(4)))
        await store.delete(url)
        await leaves_nothing(store)

    async def test_a_deleted_name_is_free_again(self, store: BlobStore) -> None:
        url = await write(store)
        await store.delete(url)
        await write(store, BIG)
        assert await read(store, url) == BIG

    async def test_a_reader_of_a_deleted_object_gets_all_or_an_error(self, store: BlobStore) -> None:
        url = await write(store, BIG)
        found = b""
        async with opened(store, url) as reader:
            try:
                async for block in reader.blocks(0, reader.size):
                    if not found:
                        await store.delete(url)
                    found += block
            except (BlobNotFound, StoreUnavailable):
                return
        assert found == BIG

    async def test_a_reader_never_gets_bytes_of_the_objects_successor(self, store: BlobStore) -> None:
        url = await write(store, BIG)
        async with opened(store, url) as reader:
            await store.delete(url)
            await write(store, bytes(len(BIG)))
            try:
                assert await joined(reader, 0, reader.size) == BIG
            except (BlobNotFound, StoreUnavailable):
                return

    async def test_objects_are_listed_with_their_size_and_age(self, store: BlobStore, another: BlobStore) -> None:
        assert await listed(store) == {}
        before = datetime.now(UTC)
        urls = {await write(store, SMALL[:number], f"object-{number}"): number for number in range(10)}
        blobs = [blob async for blob in another.list()]
        assert {blob.url: blob.size for blob in blobs} == urls
        # A storage keeps whole seconds, and may have a clock of its own.
        minute = timedelta(minutes=1)
        assert all(before - minute < blob.modified_at < datetime.now(UTC) + minute for blob in blobs)

    async def test_a_list_goes_on_while_objects_come_and_go(self, store: BlobStore) -> None:
        kept = [await write(store, key=f"kept-{number}") for number in range(5)]
        doomed = [await write(store, key=f"doomed-{number}") for number in range(5)]
        found = []
        async for blob in store.list():
            found.append(blob.url)
            if doomed:
                await store.delete(doomed.pop())
        assert set(kept) <= set(found)

    @pytest.mark.parametrize("respell", RESPELT.values(), ids=RESPELT)
    async def test_a_url_spelt_differently_is_not_owned(self, store: BlobStore, respell: Respell) -> None:
        url = await write(store)
        spelling = respell(url)
        assert spelling != url
        assert not store.owns(spelling)
        await refuses(BlobNotFound, store.open(spelling))
        await refuses(BlobNotFound, store.size(spelling))
        await store.delete(spelling)
        await refuses(StoreReadOnly, store.write(spelling, pieces(SMALL)))
        assert await listed(store) == {url: len(SMALL)}
        assert await store.clean(datetime.now(UTC) + HOUR, dry_run=True) == 0

    async def test_cleaning_spares_what_is_whole(self, store: BlobStore) -> None:
        url = await write(store)
        assert await store.clean(datetime.now(UTC) + HOUR) == 0
        assert await read(store, url) == SMALL


class LeftoverConformance:
    """What a driver proves where a killed process leaves something behind.

    Fixtures: `store`; and `abandon`, which leaves one unfinished write behind, as a process that is killed would.
    """

    async def test_only_cleaning_meets_what_a_killed_writer_left(
        self, store: BlobStore, abandon: Callable[[], Awaitable[None]]
    ) -> None:
        url = await write(store, key=OTHER_KEY)
        await abandon()
        assert await listed(store) == {url: len(SMALL)}
        now = datetime.now(UTC)
        assert await store.clean(now - HOUR) == 0
        assert await store.clean(now + HOUR, dry_run=True) == 1
        assert await store.clean(now + HOUR) == 1
        assert await store.clean(now + HOUR) == 0
        assert await read(store, url) == SMALL

    async def test_what_a_killed_writer_left_is_in_nobodys_way(
        self, store: BlobStore, abandon: Callable[[], Awaitable[None]]
    ) -> None:
        await abandon()
        url = await write(store)
        assert await read(store, url) == SMALL
        assert await listed(store) == {url: len(SMALL)}
        assert await store.clean(datetime.now(UTC) + HOUR) == 1
        assert await read(store, url) == SMALL
