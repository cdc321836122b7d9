"""What is fetched is whole, through servers that break off, stop, change their mind or lie; or it is an error."""

import asyncio
from collections.abc import Iterable
from random import Random

import pytest

from drivers.blobs.options import BlobOptions
from drivers.errors import BlobNotFound, StoreUnavailable
from tests.web_server import Answer, answer, fetch, fetching, scripted, to

CONTENT = Random(1).randbytes(3 << 20)
SIZE = len(CONTENT)
SHORT = 10_007
DATED = {"Date": "Fri, 02 Jan 2026 00:00:00 GMT", "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
IMPATIENT = BlobOptions(timeout=0.5, allowed_networks=("127.0.0.0/8",))


def broken(length: int = SHORT, /, **headers: str) -> bytes:
    """Spell an answer that announces all and ends after `length` bytes."""
    return answer("200 OK", CONTENT[:length], **{"Content_Length": str(SIZE), "ETag": '"1"', **headers})


def part(start: int, **headers: str) -> bytes:
    """Spell an answer that has all from `start` on."""
    whole = {"Content_Range": f"bytes {start}-{SIZE - 1}/{SIZE}", "ETag": '"1"'}
    return answer("206 Partial", CONTENT[start:], **{**whole, **headers})


def broken_part(start: int, length: int = SHORT) -> bytes:
    """Spell an answer that announces all from `start` on and ends after `length` bytes."""
    return part(start)[: length - (SIZE - start)]


def ranges(heads: Iterable[str]) -> list[str | None]:
    """Tell what part each request asked for, and on which condition."""
    lines = [dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line) for head in heads]
    return [f"{line['Range']} {line.get('If-Range')}" if "Range" in line else None for line in lines]


async def test_the_whole_is_given_and_its_size_known_before() -> None:
    async with scripted(answer("200 OK", CONTENT)) as server, fetching() as fetcher:
        fetched = await fetcher.open(server.url)
        assert fetched.size == SIZE
        assert b"".join([block async for block in fetched.blocks()]) == CONTENT


async def test_nothing_is_compressed_on_the_way_and_nothing_unpacked() -> None:
    async with scripted(answer("200 OK", b"\x1f\x8b", Content_Encoding="gzip")) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == b"\x1f\x8b"
    assert "Accept-Encoding: identity\r\n" in server.requests[0]


async def test_a_broken_connection_is_taken_up_where_it_broke() -> None:
    steps = (broken(), broken_part(SHORT), part(2 * SHORT))
    async with scripted(*steps) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == CONTENT
    assert ranges(server.requests) == [None, f'bytes={SHORT}-{SIZE - 1} "1"', f'bytes={2 * SHORT}-{SIZE - 1} "1"']


async def test_a_date_will_do_for_taking_up() -> None:
    rest = part(SHORT, ETag="")
    async with scripted(broken(ETag="", **DATED), rest) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == CONTENT
    assert ranges(server.requests)[1] == f"bytes={SHORT}-{SIZE - 1} {DATED['Last_Modified']}"


@pytest.mark.parametrize("status", ["408 Timeout", "429 Slow Down", "500 Failed", "503 Away"])
async def test_a_server_that_is_away_for_a_moment_is_asked_again(status: str) -> None:
    async with (
        scripted(broken(), answer(status), b"", b"no HTTP\r\n\r\n", part(SHORT)) as server,
        fetching() as fetcher,
    ):
        assert await fetch(fetcher, server.url) == CONTENT


async def test_a_connection_that_breaks_before_the_first_byte_is_taken_up() -> None:
    async with scripted(broken(0), answer("200 OK", CONTENT, ETag='"1"')) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == CONTENT


async def test_what_has_no_length_may_break_and_be_taken_up() -> None:
    chunk = b"%x\r\n%b\r\n" % (SHORT, CONTENT[:SHORT])
    begun = answer("200 OK", chunk, Content_Length="", Transfer_Encoding="chunked", ETag='"1"')
    async with scripted(begun, part(SHORT)) as server, fetching() as fetcher:
        fetched = await fetcher.open(server.url)
        assert fetched.size is None
        assert b"".join([block async for block in fetched.blocks()]) == CONTENT
    assert ranges(server.requests)[1] == f'bytes={SHORT}- "1"'


@pytest.mark.parametrize(
    "step",
    [
        answer("206 Partial", CONTENT[SHORT:-1], ETag='"1"', Content_Range=f"bytes {SHORT}-{SIZE - 2}/{SIZE}"),
        answer("206 Partial", CONTENT[SHORT:-1], ETag='"1"', Content_Range=f"bytes {SHORT}-{SIZE - 2}/*"),
    ],
)
async def test_what_had_no_length_does_not_end_before_its_end(step: bytes) -> None:
    chunk = b"%x\r\n%b\r\n" % (SHORT, CONTENT[:SHORT])
    begun = answer("200 OK", chunk, Content_Length="", Transfer_Encoding="chunked", ETag='"1"')
    async with scripted(begun, step, answer("416 No")) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable):
            await fetch(fetcher, server.url)


async def test_what_had_no_length_and_sent_nothing_yet_is_not_read_to_an_end_that_nobody_can_tell() -> None:
    begun = answer("200 OK", Content_Length="", Transfer_Encoding="chunked", ETag='"1"')
    again = answer("200 OK", CONTENT[:SHORT], Content_Length="", ETag='"1"')
    async with scripted(begun, again) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable):
            await fetch(fetcher, server.url)


async def test_the_way_is_followed_anew_when_taking_up() -> None:
    async with (
        scripted(broken(), part(SHORT)) as mirror,
        scripted(to(mirror.url)) as server,
        fetching() as fetcher,
    ):
        assert await fetch(fetcher, server.url) == CONTENT
    assert len(server.requests) == len(mirror.requests) == 2


@pytest.mark.parametrize(
    "step",
    [
        answer("200 OK", CONTENT, ETag='"2"'),
        answer("200 OK", CONTENT),
        answer("200 OK", CONTENT, ETag='"1"'),
        part(SHORT, ETag='"2"'),
        part(SHORT, ETag=""),
        part(SHORT, Content_Range=f"bytes {SHORT}-{SIZE}/{SIZE + 1}"),
        part(SHORT, Content_Range=f"bytes {SHORT + 1}-{SIZE - 1}/{SIZE}"),
        part(SHORT, Content_Range=f"bytes {SHORT - 1}-{SIZE - 1}/{SIZE}"),
        part(SHORT, Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}"),
        part(SHORT, Content_Range=""),
        part(SHORT, Content_Range="bytes nonsense"),
        part(SHORT, Content_Range=f"bytes {SIZE}-{SHORT}/{SIZE}"),
        answer("412 Changed"),
        answer("416 Shorter"),
        answer("404 Gone"),
        answer("403 Expired"),
        answer("204 Empty", Content_Length="", ETag='"1"'),
    ],
)
async def test_what_is_not_the_rest_of_the_same_is_never_joined(step: bytes) -> None:
    async with scripted(broken(), step) as server, fetching() as fetcher:
        blocks = (await fetcher.open(server.url)).blocks()
        assert await anext(blocks) == CONTENT[:SHORT]
        with pytest.raises(StoreUnavailable) as refusal:
            await anext(blocks)
    assert "127.0.0.1" not in str(refusal.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": ""},
        {"ETag": 'W/"1"'},
        {"ETag": "", "Last_Modified": DATED["Last_Modified"]},
        {"ETag": "", "Last_Modified": DATED["Date"], "Date": DATED["Date"]},
        {"ETag": "", "Last_Modified": "yesterday", "Date": DATED["Date"]},
    ],
)
async def test_what_has_no_mark_of_its_version_is_not_taken_up(headers: dict[str, str]) -> None:
    async with scripted(broken(**headers), part(SHORT, ETag="")) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable, match="no ETag or date"):
            await fetch(fetcher, server.url)
    assert len(server.requests) == 1


async def test_a_connection_that_breaks_again_and_again_is_given_up() -> None:
    async with (
        scripted(broken(), *(broken_part(SHORT + number, 1) for number in range(9))) as server,
        fetching() as fetcher,
    ):
        with pytest.raises(StoreUnavailable, match="broke off"):
            await fetch(fetcher, server.url)
    assert len(server.requests) == 6


async def test_a_part_that_ends_early_is_not_the_end() -> None:
    capped = answer(
        "206 Partial", CONTENT[SHORT : 2 * SHORT], ETag='"1"', Content_Range=f"bytes {SHORT}-{2 * SHORT - 1}/{SIZE}"
    )
    async with scripted(broken(), capped, part(2 * SHORT)) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == CONTENT


async def test_an_answer_whose_end_nobody_could_tell_is_refused() -> None:
    async with scripted(answer("200 OK", CONTENT, Content_Length="")) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable, match="where its answer ends"):
            await fetcher.open(server.url)


@pytest.mark.parametrize("tail", [b"", b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"zz\r\nhello\r\n"])
async def test_a_chunked_body_that_does_not_end_properly_is_an_error(tail: bytes) -> None:
    begun = answer("200 OK", tail, Content_Length="", Transfer_Encoding="chunked")
    async with scripted(begun) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable):
            await fetch(fetcher, server.url)


async def test_a_server_that_sends_more_than_it_announced_is_not_believed() -> None:
    async with scripted(answer("200 OK", b"hello", Content_Length="4")) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable):
            await fetch(fetcher, server.url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("404 Not Found", BlobNotFound),
        ("410 Gone", BlobNotFound),
        ("204 No Content", StoreUnavailable),
        ("206 Partial", StoreUnavailable),
        ("304 Not Modified", StoreUnavailable),
        ("401 Unauthorized", StoreUnavailable),
        ("403 Forbidden", StoreUnavailable),
        ("500 Failed", StoreUnavailable),
        ("999 What", StoreUnavailable),
    ],
)
async def test_an_answer_without_content_is_an_error_that_tells_the_status(status: str, kind: type[Exception]) -> None:
    async with scripted(answer(status)) as server, fetching() as fetcher:
        with pytest.raises(kind, match=status[:3]):
            await fetcher.open(server.url)


async def stall(head: str, writer: asyncio.StreamWriter) -> None:
    """Accept, and say nothing."""
    await asyncio.sleep(30)


async def drip_headers(head: str, writer: asyncio.StreamWriter) -> None:
    """Send headers for ever, one in a while."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(300):
        writer.write(b"X-%d: a\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.1)


async def drip_body(head: str, writer: asyncio.StreamWriter) -> None:
    """Announce all, and send a byte in a while."""
    writer.write(answer("200 OK", b"", Content_Length=str(SIZE)))
    for _ in range(300):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.1)


async def flood(head: str, writer: asyncio.StreamWriter) -> None:
    """Send one header without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(300):
        writer.write(b"a" * 65536)
        await writer.drain()


@pytest.mark.parametrize("step", [stall, drip_headers, drip_body, flood])
async def test_a_server_that_is_slow_on_purpose_is_given_up(step: Answer) -> None:
    async with scripted(step) as server, fetching(IMPATIENT) as fetcher, asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await fetch(fetcher, server.url)


async def test_a_server_that_nobody_reaches_is_unavailable() -> None:
    async with fetching() as fetcher:
        with pytest.raises(StoreUnavailable) as refusal:
            await fetcher.open("http://127.0.0.1:1/")
    assert "127.0.0.1" not in str(refusal.value)


async def test_a_reader_that_takes_its_time_is_not_the_servers_fault() -> None:
    found = b""
    async with scripted(answer("200 OK", CONTENT * 5)) as server, fetching(IMPATIENT) as fetcher:
        async for block in (await fetcher.open(server.url)).blocks():
            found += block
            await asyncio.sleep(0.2 if len(found) < 5 << 20 else 0)
    assert found == CONTENT * 5
